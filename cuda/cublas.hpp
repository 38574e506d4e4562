// SPDX-License-Identifier: Apache-2.0
// What is used of cuBLAS, which is opened when it is first asked for and never linked: without it cuda/gemm refuses, and
// nothing else changes.
#pragma once

#include <cuda_runtime.h>

#include <convgpu/types.hpp>
#include <cstddef>
#include <cstdint>
#include <string>

namespace convgpu::cuda {

/// Why there is no cuBLAS; empty where there is one.
[[nodiscard]] const std::string& cublas_missing();

/// Products of matrices, as many as `batch`, each so many elements behind the one before. They lie column by column:
///
///     sums[m × n] = a[m × k] · b[k × n]
///
/// Factors are all of one type: f16 and bf16 are summed as f32, into sums of f32, and all others in their own type, each
/// product and sum rounded to it and to nothing less.
struct matrix_product {
  dtype type;
  std::int64_t m, n, k;
  std::int64_t batch;
  const void* a;
  std::int64_t a_pitch, a_step;
  const void* b;
  std::int64_t b_pitch, b_step;
  void* sums;
  std::int64_t sums_pitch, sums_step;
};

/// A cuBLAS of a plan's own on the current device.
class cublas_handle {
 public:
  cublas_handle();  ///< \throws cuda_error, std::bad_alloc
  cublas_handle(const cublas_handle&) = delete;
  cublas_handle& operator=(const cublas_handle&) = delete;
  ~cublas_handle();

  /// Queues it. `work` is aligned as device memory is. There is one stream and one workspace at a time: not for two
  /// threads at once.
  void run(const matrix_product& p, void* work, std::size_t work_bytes, cudaStream_t on);

 private:
  void* handle_ = nullptr;
};

}  // namespace convgpu::cuda
