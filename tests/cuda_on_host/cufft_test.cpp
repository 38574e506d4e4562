// SPDX-License-Identifier: Apache-2.0
// The stand-in for cuFFT, by way of its functions' names.

#include <gtest/gtest.h>
#include <complex>
#include <cuda_on_host.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

TEST(stand_in_cufft, transforms) {
  cuda_on_host::reset();
  const auto find = [](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        cuda_on_host::library_function(name));
    ASSERT_NE(function, nullptr) << name;
  };
  int (*create)(int*) = nullptr;
  int (*destroy)(int) = nullptr;
  int (*set_auto_allocation)(int, int) = nullptr;
  int (*make_plan)(int, int, long long*, long long*, long long, long long, long long*, long long,
                   long long, int, long long, std::size_t*) = nullptr;
  int (*set_work_area)(int, void*) = nullptr;
  int (*there)(int, void*, void*) = nullptr;
  int (*back)(int, void*, void*) = nullptr;
  find(create, "cufftCreate");
  find(destroy, "cufftDestroy");
  find(set_auto_allocation, "cufftSetAutoAllocation");
  find(make_plan, "cufftMakePlanMany64");
  find(set_work_area, "cufftSetWorkArea");
  find(there, "cufftExecR2C");
  find(back, "cufftExecC2R");
  EXPECT_EQ(cuda_on_host::library_function("cufftNothing"), nullptr);

  constexpr int rows = 6;
  constexpr int cols = 10;
  constexpr int batch = 2;
  constexpr int bins = cols / 2 + 1;
  float* x = nullptr;
  float* spectrum = nullptr;
  ASSERT_EQ(cudaMallocManaged(&x, rows * cols * batch * sizeof(float)), cudaSuccess);
  ASSERT_EQ(cudaMallocManaged(&spectrum, rows * bins * batch * 2 * sizeof(float)), cudaSuccess);
  for (int i = 0; i < rows * cols * batch; ++i) x[i] = static_cast<float>(i * i % 23);
  std::vector<float> before(x, x + rows * cols * batch);
  void* work = nullptr;
  int plans[2] = {};
  for (int way = 0; way < 2; ++way) {
    long long n[] = {rows, cols};
    std::size_t bytes = 0;
    ASSERT_EQ(create(&plans[way]), 0);
    EXPECT_NE(there(plans[way], x, spectrum), 0) << "not made";
    ASSERT_EQ(set_auto_allocation(plans[way], 0), 0);
    ASSERT_EQ(make_plan(plans[way], 2, n, nullptr, 1, 0, nullptr, 1, 0, way == 0 ? 0x2a : 0x2c,
                        batch, &bytes),
              0);
    ASSERT_GT(bytes, 0u);
    EXPECT_NE(there(plans[way], x, spectrum), 0) << "without a work area";
    if (work == nullptr) {
      ASSERT_EQ(cudaMalloc(&work, bytes), cudaSuccess);
    }
    ASSERT_EQ(set_work_area(plans[way], work), 0);
  }
  EXPECT_EQ(cuda_on_host::live().transforms, 2);
  ASSERT_EQ(there(plans[0], x, spectrum), 0);
  for (int b = 0; b < batch; ++b)
    for (const auto& [u, v] : {std::pair(0, 0), std::pair(5, 3), std::pair(2, 5)}) {
      std::complex<double> sum = 0;
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < cols; ++c)
          sum += static_cast<double>(before[static_cast<std::size_t>((b * rows + r) * cols + c)]) *
                 std::polar(1.0, -2 * 3.14159265358979323846 *
                                     (static_cast<double>(u * r) / rows +
                                      static_cast<double>(v * c) / cols));
      const float* const found = spectrum + ((b * rows + u) * bins + v) * 2;
      EXPECT_NEAR(static_cast<double>(found[0]), sum.real(), 1e-3);
      EXPECT_NEAR(static_cast<double>(found[1]), sum.imag(), 1e-3);
    }
  ASSERT_EQ(back(plans[1], spectrum, x), 0);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(x[i], before[i] * rows * cols, 1e-2F);
  cuda_on_host::fail_call(1, cudaErrorMemoryAllocation);
  EXPECT_EQ(there(plans[0], x, spectrum), 2);
  (void)cudaGetLastError();
  for (const int plan : plans) EXPECT_EQ(destroy(plan), 0);
  EXPECT_EQ(cuda_on_host::live().transforms, 0);
  EXPECT_EQ(cudaFree(x), cudaSuccess);
  EXPECT_EQ(cudaFree(spectrum), cudaSuccess);
  EXPECT_EQ(cudaFree(work), cudaSuccess);
  cuda_on_host::reset({.has_cufft = false});
  EXPECT_EQ(cuda_on_host::library_function("cufftCreate"), nullptr);
  cuda_on_host::reset();
}

}  // namespace
