// SPDX-License-Identifier: Apache-2.0
// The few things that a GPU and the stand-in of the tests do differently, and how samples get into shared memory. A part
// of what cuda/compiled hands to NVRTC, which has no other headers.
#pragma once

#include <cuda_runtime.h>

#include <convgpu/detail/border_index.hpp>
#include <cstddef>
#include <cstdint>

#include "shared_layout.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {

template <class T>
[[nodiscard]] __host__ __device__ constexpr T smaller(T a, T b) {
  return b < a ? b : a;
}

__device__ __forceinline__ int thread_of_block() {
  return static_cast<int>(threadIdx.x);
}

/// Every access of a kernel to device memory is one of these two, so that they can be counted.
template <class T>
__device__ __forceinline__ T load_global(const T* from) {
#if defined(CUDA_ON_HOST)
  cuda_on_host::count_load(from, sizeof(T));
#endif
  return *from;
}

template <class T>
__device__ __forceinline__ void store_global(T* to, T value) {
#if defined(CUDA_ON_HOST)
  cuda_on_host::count_store(to, sizeof(T));
#endif
  *to = value;
}

/// The block's dynamic shared memory.
__device__ __forceinline__ std::byte* dynamic_shared() {
#if defined(CUDA_ON_HOST)
  return static_cast<std::byte*>(cuda_on_host::dynamic_shared());
#else
  extern __shared__ __align__(16) std::byte memory[];
  return memory;
#endif
}

/// A plane of the input in device memory.
template <class In>
struct plane_of {
  const In* data;
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t down;  // steps
  std::int64_t right;
};

/// x̃[row …][col …], rows × cols samples, into shared memory with lines `pitch` apart and spread by `Group`, by all
/// threads of the block, `across` of them side by side. Borders are resolved here, by a branch that is the same for the
/// whole block, and nowhere else. The caller synchronises.
///
/// A thread asks for Deep × Wide samples before it waits for the first: memory answers late, but many at once.
/// For integers, and for what must be converted, callers halve Wide: the other registers are needed for that.
template <int Wide, int Deep, int Group, class Sample, class In, class Number, class Outside>
__device__ __forceinline__ void load_plane(Sample* tile, int pitch, int rows, int cols,
                                           std::int64_t row, std::int64_t col,
                                           const plane_of<In>& from, border_kind border, int across,
                                           Number&& number, Outside&& outside) {
  const bool inside = row >= 0 && col >= 0 && row + rows <= from.rows && col + cols <= from.cols;
  const int left = thread_of_block() % across;
  const int first = thread_of_block() / across;
  const int step = block_threads / across;
  if (inside) {
    const std::int64_t down = step * from.down;
    const std::int64_t right = across * from.right;
    const In* line = from.data + (row + first) * from.down + (col + left) * from.right;
    Sample* to = tile + first * pitch + spread<Group>(left);
#pragma unroll 1
    for (int r = first; r < rows; r += Deep * step) {
      const In* at = line;
      Sample* put = to;
#pragma unroll 1
      for (int c = left; c < cols; c += Wide * across) {
        In asked_for[Deep][Wide] = {};
#pragma unroll
        for (int d = 0; d < Deep; ++d)
#pragma unroll
          for (int w = 0; w < Wide; ++w)
            if (r + d * step < rows && c + w * across < cols)
              asked_for[d][w] = load_global(at + d * down + w * right);
#pragma unroll
        for (int d = 0; d < Deep; ++d)
#pragma unroll
          for (int w = 0; w < Wide; ++w)
            if (r + d * step < rows && c + w * across < cols)
              put[d * step * pitch + w * spread<Group>(across)] = number(asked_for[d][w]);
        at += Wide * right;
        put += Wide * spread<Group>(across);
      }
      line += Deep * down;
      to += Deep * step * pitch;
    }
  } else {
    for (int r = first; r < rows; r += step) {
      const std::int64_t source = detail::border_index(border, row + r, from.rows);
      for (int c = left; c < cols; c += across) {
        const std::int64_t at = source < 0 ? -1 : detail::border_index(border, col + c, from.cols);
        tile[r * pitch + spread<Group>(c)] =
            at < 0 ? outside()
                   : number(load_global(from.data + source * from.down + at * from.right));
      }
    }
  }
}

}  // namespace convgpu::cuda
