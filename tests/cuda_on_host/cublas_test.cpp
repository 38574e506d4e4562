// SPDX-License-Identifier: Apache-2.0
// The stand-in for cuBLAS, by way of its functions' names.

#include <gtest/gtest.h>
#include <cuda_on_host.hpp>
#include <type_traits>

namespace {

TEST(stand_in_cublas, multiplies) {
  cuda_on_host::reset();
  const auto find = [](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(
        cuda_on_host::library_function(name));
    ASSERT_NE(function, nullptr) << name;
  };
  int (*create)(void**) = nullptr;
  int (*destroy)(void*) = nullptr;
  int (*set_stream)(void*, cudaStream_t) = nullptr;
  int (*set_workspace)(void*, void*, std::size_t) = nullptr;
  int (*gemm)(void*, int, int, int, int, int, const void*, const void*, int, int, long long,
              const void*, int, int, long long, const void*, void*, int, int, long long, int, int,
              int) = nullptr;
  find(create, "cublasCreate_v2");
  find(destroy, "cublasDestroy_v2");
  find(set_stream, "cublasSetStream_v2");
  find(set_workspace, "cublasSetWorkspace_v2");
  find(gemm, "cublasGemmStridedBatchedEx");
  EXPECT_EQ(cuda_on_host::library_function("cublasNothing"), nullptr);

  // Two products of 3 x 4 by 4 x 2 whose columns lie 5 and 6 apart.
  float* a = nullptr;
  float* b = nullptr;
  float* c = nullptr;
  ASSERT_EQ(cudaMallocManaged(&a, 40 * sizeof(float)), cudaSuccess);
  ASSERT_EQ(cudaMallocManaged(&b, 24 * sizeof(float)), cudaSuccess);
  ASSERT_EQ(cudaMallocManaged(&c, 14 * sizeof(float)), cudaSuccess);
  for (int i = 0; i < 40; ++i) a[i] = static_cast<float>(i * i % 7);
  for (int i = 0; i < 24; ++i) b[i] = static_cast<float>(i * i % 5);
  void* work = nullptr;
  ASSERT_EQ(cudaMalloc(&work, 16384), cudaSuccess);
  void* handle = nullptr;
  ASSERT_EQ(create(&handle), 0);
  EXPECT_EQ(cuda_on_host::live().multipliers, 1);
  const float one = 1;
  const float zero = 0;
  const auto multiply = [&](int type, int compute) {
    return gemm(handle, 0, 0, 3, 2, 4, &one, a, type, 5, 20, b, type, 6, 12, &zero, c, 0, 3, 7, 2,
                compute, -1);
  };
  EXPECT_EQ(multiply(0, 69), 7) << "without a workspace";
  EXPECT_EQ(set_workspace(handle, static_cast<char*>(work) + 4, 16000), 7) << "not aligned";
  ASSERT_EQ(set_workspace(handle, work, 16384), 0);
  EXPECT_EQ(multiply(0, 68), 7) << "in what may be narrower";
  ASSERT_EQ(multiply(0, 69), 0);
  for (int i = 0; i < 2; ++i)
    for (int column = 0; column < 2; ++column)
      for (int row = 0; row < 3; ++row) {
        float sum = 0;
        for (int k = 0; k < 4; ++k) sum += a[20 * i + 5 * k + row] * b[12 * i + 6 * column + k];
        EXPECT_EQ(c[7 * i + 3 * column + row], sum);
      }
  // Halves, of which 0x3c00 is 1 and 0xc100 is −2.5, and of the other kind 0x3f80 and 0xc020.
  auto* const halves = reinterpret_cast<unsigned short*>(a);
  auto* const taps = reinterpret_cast<unsigned short*>(b);
  for (const bool brain : {false, true}) {
    for (int i = 0; i < 40; ++i) halves[i] = brain ? 0x3f80 : 0x3c00;
    for (int i = 0; i < 24; ++i) taps[i] = brain ? 0xc020 : 0xc100;
    ASSERT_EQ(multiply(brain ? 14 : 2, 68), 0);
    EXPECT_EQ(c[0], -10);
  }
  ASSERT_EQ(set_stream(handle, nullptr), 0);
  EXPECT_EQ(multiply(0, 69), 7) << "the workspace is forgotten";
  cuda_on_host::fail_call(1, cudaErrorMemoryAllocation);
  EXPECT_EQ(multiply(0, 69), 3);
  (void)cudaGetLastError();
  EXPECT_EQ(destroy(handle), 0);
  EXPECT_EQ(cuda_on_host::live().multipliers, 0);
  for (void* memory : {static_cast<void*>(a), static_cast<void*>(b), static_cast<void*>(c), work})
    EXPECT_EQ(cudaFree(memory), cudaSuccess);
  cuda_on_host::reset({.has_cublas = false});
  EXPECT_EQ(cuda_on_host::library_function("cublasCreate_v2"), nullptr);
  cuda_on_host::reset();
}

}  // namespace
