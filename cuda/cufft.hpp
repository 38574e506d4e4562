// SPDX-License-Identifier: Apache-2.0
// What is used of cuFFT, which is opened when it is first asked for and never linked: without it cuda/fft refuses, and
// nothing else changes.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace convgpu::cuda {

/// Why there is no cuFFT; empty where there is one.
[[nodiscard]] const std::string& cufft_missing();

/// Transforms of one size in f32 or f64, one way: of real numbers to the half of their bins that tells all, or back
/// from there, unnormalised; of complex ones either way, in place. Work areas are the caller's.
class cufft_plan {
 public:
  enum class kind : std::uint8_t { real_there, real_back, complex };

  /// For the current device. \throws cuda_error, std::bad_alloc
  cufft_plan(kind k, bool wide, std::int64_t rows, std::int64_t cols, std::int64_t batch);
  cufft_plan(const cufft_plan&) = delete;
  cufft_plan& operator=(const cufft_plan&) = delete;
  ~cufft_plan();

  [[nodiscard]] std::size_t work_bytes() const noexcept { return work_bytes_; }
  /// Queues it. A plan has one stream and one work area at a time: not for two threads at once.
  void run(void* in, void* out, bool back, void* work, cudaStream_t on);

 private:
  kind kind_;
  bool wide_;
  int handle_ = 0;
  std::size_t work_bytes_ = 0;
};

}  // namespace convgpu::cuda
