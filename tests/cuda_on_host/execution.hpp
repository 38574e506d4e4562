// SPDX-License-Identifier: Apache-2.0
// Grids on one host thread: blocks one after another, the threads of a block by turns.
#pragma once

#include <array>
#include <cstdint>
#include <cuda_on_host.hpp>
#include <functional>
#include <string>

/// For functions that move between CUDA threads. The thread sanitizer shall see what kernels do,
/// not how they are run.
#define CUDA_ON_HOST_UNSEEN __attribute__((no_sanitize("thread")))

namespace cuda_on_host::detail {

inline constexpr int max_block_threads = 1024;
inline constexpr std::size_t max_dynamic_shared = 227 * 1024;
/// What fresh memory holds: a NaN in every floating type.
inline constexpr unsigned char fresh_byte = 0xff;
/// Lies around memory that is handed out, and must stay fresh.
inline constexpr std::size_t guard_bytes = 1024;

[[nodiscard]] bool is_fresh(const std::byte* begin, std::size_t bytes);

/// For the address sanitizer, if it is there.
void poison(const void* begin, std::size_t bytes);
void unpoison(const void* begin, std::size_t bytes);

/// The error a real launch might end with, and why.
struct failure {
  cudaError_t error = cudaSuccess;
  std::string why;
};

/// Runs all threads of all blocks, within the limits of a real launch and not from several threads
/// at once. Counts the barriers. After a failure the remaining blocks are left out.
[[nodiscard]] failure run_grid(launch_record& launch, order of,
                               const std::function<void()>& thread);

/// "thread (3, 0, 0) of block (1, 2, 0)", the one that is running.
[[nodiscard]] std::string running_thread();

/// What a lane brings to a product of matrices, and takes from it.
struct matrix_fragments {
  matrix_numbers of = matrix_numbers::tf32;
  std::array<std::uint32_t, 4> a{};
  std::array<std::uint32_t, 2> b{};
  std::array<float, 4> d{};
};
/// All lanes' d += a·b.
void multiply(const std::array<matrix_fragments*, 32>& lanes);

}  // namespace cuda_on_host::detail
