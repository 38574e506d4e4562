// SPDX-License-Identifier: Apache-2.0
// The few things that a GPU and the stand-in of the tests do differently, and what all kernels share:
// elements in and out of device memory, and tiles of the continued input in shared memory.
#pragma once

#include <cuda_runtime.h>

#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/border_index.hpp>
#include <cstdint>
#include <type_traits>

#include "params.hpp"

namespace convgpu::cuda {

constexpr int warp = 32;

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

/// Calls f.template operator()<T>() with the element type that numbers of type Number are loaded from or
/// stored to. The same for a whole launch: one branch outside of loops, in place of a kernel for each.
template <class Number, class F>
__device__ __forceinline__ void with_stored_type(dtype type, F&& f) {
  if constexpr (detail::is_complex_type<Number>) {
    f.template operator()<Number>();
  } else if constexpr (std::is_same_v<Number, float>) {
    switch (type) {
      case dtype::f16: return f.template operator()<f16>();
      case dtype::bf16: return f.template operator()<bf16>();
      default: return f.template operator()<float>();
    }
  } else {
    switch (type) {
      case dtype::u8: return f.template operator()<std::uint8_t>();
      case dtype::i8: return f.template operator()<std::int8_t>();
      case dtype::u16: return f.template operator()<std::uint16_t>();
      case dtype::i16: return f.template operator()<std::int16_t>();
      case dtype::i32: return f.template operator()<std::int32_t>();
      case dtype::i64: return f.template operator()<std::int64_t>();
      case dtype::f32: return f.template operator()<float>();
      default: return f.template operator()<double>();
    }
  }
}

/// x̃[row …][col …], rows × cols samples of one plane, into shared memory with lines `pitch` apart, by all
/// threads of the block, warp by warp. Borders are resolved here, by a branch that is the same for the whole
/// block, and nowhere else. The caller synchronises.
template <class Sample>
__device__ void load_tile(Sample* tile, int pitch, int rows, int cols, std::int64_t row,
                          std::int64_t col, std::int64_t plane, const image_params& p) {
  const bool inside = row >= 0 && col >= 0 && row + rows <= p.row.in && col + cols <= p.col.in;
  const int lane = static_cast<int>(threadIdx.x) % warp;
  const int first = static_cast<int>(threadIdx.x) / warp;
  const int warps = static_cast<int>(blockDim.x) / warp;
  with_stored_type<Sample>(p.in.type, [&]<class In>() {
    const In* const from = static_cast<const In*>(p.in.data) + plane * p.in.step.plane;
    for (int r = first; r < rows; r += warps) {
      Sample* const to = tile + r * pitch;
      if (inside) {
        const In* const line = from + (row + r) * p.in.step.row + col * p.in.step.col;
        for (int c = lane; c < cols; c += warp)
          to[c] = detail::number<Sample>(load_global(line + c * p.in.step.col));
      } else {
        const std::int64_t source = detail::border_index(p.border, row + r, p.row.in);
        for (int c = lane; c < cols; c += warp) {
          const std::int64_t at =
              source < 0 ? -1 : detail::border_index(p.border, col + c, p.col.in);
          to[c] = at < 0 ? detail::border_value<Sample>(p.outside_re, p.outside_im)
                         : detail::number<Sample>(
                               load_global(from + source * p.in.step.row + at * p.in.step.col));
        }
      }
    }
  });
}

/// rows × cols outputs of a tile, from shared memory where they lie densely, by all threads of the block.
/// The type of the output is asked for once for all of them.
template <class Sum>
__device__ void store_tile(const Sum* tile, int rows, int cols, std::int64_t i0, std::int64_t j0,
                           std::int64_t plane, const image_params& p) {
  with_stored_type<Sum>(p.out.type, [&]<class Out>() {
    Out* const to = static_cast<Out*>(p.out.data) + plane * p.out.step.plane;
#pragma unroll 1
    for (int n = static_cast<int>(threadIdx.x); n < rows * cols;
         n += static_cast<int>(blockDim.x)) {
      const std::int64_t i = i0 + n / cols;
      const std::int64_t j = j0 + n % cols;
      if (i < p.rows.last && j < p.cols.last)
        store_global(to + i * p.out.step.row + j * p.out.step.col,
                     detail::element_of<Out>(tile[n], p.policy));
    }
  });
}

}  // namespace convgpu::cuda
