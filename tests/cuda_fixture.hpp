// SPDX-License-Identifier: Apache-2.0
// What tests of CUDA plans share that use the CUDA runtime only, so that they run on the stand-in and on real
// devices.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cmath>
#include <convgpu/convgpu.hpp>
#include <numeric>
#include <string>
#include <vector>
#if defined(CUDA_ON_HOST)
#include <cuda_on_host.hpp>
#endif

namespace convgpu::test {

using floats = std::vector<float>;

inline bool works(cudaError_t status) {
  if (status != cudaSuccess) ADD_FAILURE() << cudaGetErrorName(status);
  return status == cudaSuccess;
}

/// f() in each order in which the work of streams may be done.
template <class F>
void in_any_execution(F f) {
#if defined(CUDA_ON_HOST)
  using cuda_on_host::execution;
  for (const execution when : {execution::eager, execution::deferred, execution::interleaved}) {
    cuda_on_host::set_execution(when);
    f();
  }
#else
  f();
#endif
}

/// Memory of the current device.
template <class T>
class device_array {
 public:
  explicit device_array(std::size_t n) : size_(n) {
    works(cudaMalloc(reinterpret_cast<void**>(&data_), n * sizeof(T)));
  }
  explicit device_array(const std::vector<T>& values) : device_array(values.size()) { set(values); }
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;
  ~device_array() { works(cudaFree(data_)); }

  [[nodiscard]] T* data() const { return data_; }
  void set(const std::vector<T>& values) {
    works(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> all(size_);
    works(cudaMemcpy(all.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return all;
  }

 private:
  std::size_t size_;
  T* data_ = nullptr;
};

class own_stream {
 public:
  explicit own_stream(unsigned flags = cudaStreamNonBlocking) {
    works(cudaStreamCreateWithFlags(&handle_, flags));
  }
  own_stream(const own_stream&) = delete;
  own_stream& operator=(const own_stream&) = delete;
  ~own_stream() { works(cudaStreamDestroy(handle_)); }

  [[nodiscard]] cudaStream_t get() const { return handle_; }
  void wait() const { works(cudaStreamSynchronize(handle_)); }

 private:
  cudaStream_t handle_ = nullptr;
};

inline std::vector<std::string> cuda_algorithm_names() {
  std::vector<std::string> names;
  for (const backend_info& b : backends())
    if (b.name == "cuda")
      for (const auto& a : b.algorithms) names.push_back(a.name);
  return names;
}

inline std::string why_unavailable() {
  for (const backend_info& b : backends())
    if (b.name == "cuda") return b.unavailable;
  return "no such backend";
}

inline int device_count() {
  int count = 0;
  works(cudaGetDeviceCount(&count));
  return count;
}

constexpr extent size(20, 30);
constexpr std::size_t count = 600;
inline const problem blur{
    .in = size, .filter = {3, 3}, .mode = mode::same, .border = border::wrap()};

inline floats counting(float first = 0) {
  floats x(count);
  std::iota(x.begin(), x.end(), first);
  return x;
}

inline floats box(float tap) {
  return floats(9, tap);
}

/// The CPU's answer; all sums here are exact.
inline floats blurred(const floats& x, float tap) {
  floats y(count);
  plan(blur, box(tap), {.device = device::cpu()}).run(x, y);
  return y;
}

inline device_view<const float> image(const device_array<float>& x) {
  return {x.data(), size};
}
inline device_view<float> image(device_array<float>& x) {
  return {x.data(), size};
}

class on_cuda : public testing::Test {
 protected:
  void SetUp() override {
#if defined(CUDA_ON_HOST)
    cuda_on_host::reset();
#endif
    if (const std::string why = why_unavailable(); !why.empty()) GTEST_SKIP() << why;
    works(cudaSetDevice(0));
  }
  void TearDown() override {
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
#if defined(CUDA_ON_HOST)
    EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{});
    cuda_on_host::reset();
#endif
  }
};

/// Whether it refuses so small a filter, or f32, unless it is allowed an error.
inline bool wants_tolerance(const std::string& algorithm) {
  return algorithm.ends_with("/overlap_save") || algorithm.ends_with("/fft") ||
         algorithm.ends_with("/mma");
}

inline plan make(float tap, const std::string& algorithm = {}, device where = device::cuda(0)) {
  options how{.device = where, .algorithm = algorithm};
  if (wants_tolerance(algorithm)) how.tolerance = 1e-4;
  return plan(blur, box(tap), how);
}

/// Results that are whole numbers but for such an error.
inline floats whole(floats values) {
  for (float& v : values) v = std::nearbyint(v);
  return values;
}

}  // namespace convgpu::test
