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

/// Elements that lie next to one another where an address is a multiple of what they take: one access for all.
template <class T>
struct alignas(4 * sizeof(T)) four {
  T at[4];
};

/// The block's dynamic shared memory.
__device__ __forceinline__ std::byte* dynamic_shared() {
#if defined(CUDA_ON_HOST)
  return static_cast<std::byte*>(cuda_on_host::dynamic_shared());
#else
  extern __shared__ __align__(16) std::byte memory[];
  return memory;
#endif
}

/// Calls f.template operator()<T>() with the element type that samples are loaded from: one branch outside of
/// loops, the same for a whole launch, in place of a kernel for each.
template <class Sample, class F>
__device__ __forceinline__ void with_loaded_type(dtype type, F&& f) {
  if constexpr (detail::is_complex_type<Sample> || std::is_same_v<Sample, std::int64_t>) {
    f.template operator()<Sample>();
  } else if constexpr (std::is_same_v<Sample, float>) {
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
      case dtype::i32:
        if constexpr (std::is_same_v<Sample, double>) return f.template operator()<std::int32_t>();
        [[fallthrough]];
      default: return f.template operator()<Sample>();
    }
  }
}

/// The same for the type of element that sums are stored as.
template <class Sum, class F>
__device__ __forceinline__ void with_stored_type(dtype type, F&& f) {
  if constexpr (detail::is_complex_type<Sum> || std::is_same_v<Sum, float>) {
    with_loaded_type<Sum>(type, f);
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

/// x̃[row …][col …], rows × cols samples of one plane, into shared memory with lines `pitch` apart and spread
/// by `Group`, by all threads of the block, `across` of them side by side. Borders are resolved here, by a
/// branch that is the same for the whole block, and nowhere else. The caller synchronises.
///
/// A thread asks for Deep × Wide samples before it waits for the first: memory answers late, but many at once.
/// Integers, and what must be converted, half of Wide: the other registers are needed for that.
template <int Wide, int Deep, int Group = 0, class Sample>
__device__ __forceinline__ void load_tile(Sample* tile, int pitch, int rows, int cols,
                                          std::int64_t row, std::int64_t col, std::int64_t plane,
                                          const image_params& p, int across = warp,
                                          std::int64_t channel = 0) {
  const bool inside = row >= 0 && col >= 0 && row + rows <= p.row.in && col + cols <= p.col.in;
  const int left = thread_of_block() % across;
  const int first = thread_of_block() / across;
  const int step = block_threads / across;
  with_loaded_type<Sample>(p.in.type, [&]<class In>() {
    constexpr bool plenty = std::is_same_v<In, Sample> && !std::is_integral_v<In>;
    constexpr int deep = plenty ? Deep : 1;
    constexpr int wide = plenty ? Wide : (Wide + 1) / 2;
    const In* const from =
        static_cast<const In*>(p.in.data) + plane * p.in.step.plane + channel * p.in.step.channel;
    if (inside) {
      const std::int64_t down = step * p.in.step.row;
      const std::int64_t right = across * p.in.step.col;
      const In* line = from + (row + first) * p.in.step.row + (col + left) * p.in.step.col;
      Sample* to = tile + first * pitch + spread<Group>(left);
#pragma unroll 1
      for (int r = first; r < rows; r += deep * step) {
        const In* at = line;
        Sample* put = to;
#pragma unroll 1
        for (int c = left; c < cols; c += wide * across) {
          In asked_for[deep][wide] = {};
#pragma unroll
          for (int d = 0; d < deep; ++d)
#pragma unroll
            for (int w = 0; w < wide; ++w)
              if (r + d * step < rows && c + w * across < cols)
                asked_for[d][w] = load_global(at + d * down + w * right);
#pragma unroll
          for (int d = 0; d < deep; ++d)
#pragma unroll
            for (int w = 0; w < wide; ++w)
              if (r + d * step < rows && c + w * across < cols)
                put[d * step * pitch + w * spread<Group>(across)] =
                    detail::number<Sample>(asked_for[d][w]);
          at += wide * right;
          put += wide * spread<Group>(across);
        }
        line += deep * down;
        to += deep * step * pitch;
      }
    } else {
      for (int r = first; r < rows; r += step) {
        const std::int64_t source = detail::border_index(p.border, row + r, p.row.in);
        for (int c = left; c < cols; c += across) {
          const std::int64_t at =
              source < 0 ? -1 : detail::border_index(p.border, col + c, p.col.in);
          tile[r * pitch + spread<Group>(c)] =
              at < 0 ? detail::border_value<Sample>(p.outside_re, p.outside_im)
                     : detail::number<Sample>(
                           load_global(from + source * p.in.step.row + at * p.in.step.col));
        }
      }
    }
  });
}

/// rows × cols outputs of a tile, from shared memory where lines of them lie `pitch` apart and spread by
/// `Group`, by all threads of the block. `cols` is a power of two. The type of the output is asked for once
/// for all of them.
template <int Group = 0, class Sum>
__device__ __forceinline__ void store_tile(const Sum* tile, int pitch, int rows, int cols,
                                           std::int64_t i0, std::int64_t j0, std::int64_t plane,
                                           const image_params& p) {
  const int across = smaller(cols, block_threads);
  const int left = thread_of_block() % across;
  const int first = thread_of_block() / across;
  const int step = block_threads / across;
  const int last_row = static_cast<int>(smaller<std::int64_t>(rows, p.rows.last - i0));
  const int last_col = static_cast<int>(smaller<std::int64_t>(cols, p.cols.last - j0));
  with_stored_type<Sum>(p.out.type, [&]<class Out>() {
    [[maybe_unused]] constexpr int together =
        std::is_same_v<Out, Sum> ? 4 : 1;  // conversions are long enough once
    Out* line = static_cast<Out*>(p.out.data) + plane * p.out.step.plane +
                (i0 + first) * p.out.step.row + (j0 + left) * p.out.step.col;
    const Sum* from = tile + first * pitch + spread<Group>(left);
    const std::int64_t down = step * p.out.step.row;
    const std::int64_t right = across * p.out.step.col;
#pragma unroll together
    for (int r = first; r < last_row; r += step) {
      Out* at = line;
      const Sum* value = from;
#pragma unroll 1
      for (int c = left; c < last_col; c += across) {
        store_global(at, detail::element_of<Out>(*value, p.policy));
        at += right;
        value += spread<Group>(across);
      }
      line += down;
      from += step * pitch;
    }
  });
}

/// Taps k0 … k0+kn−1 of l0 … l0+ln−1 of the filter into shared memory, densely.
template <class Tap>
__device__ void load_taps(Tap* to, std::int64_t k0, std::int64_t l0, int kn, int ln,
                          const params<Tap>& p) {
  for (int t = static_cast<int>(threadIdx.x); t < kn * ln; t += static_cast<int>(blockDim.x))
    to[t] = load_global(p.taps + (k0 + t / ln) * p.col.taps + l0 + t % ln);
}

/// Adds `taps` products to each of a thread's outputs, which lie next to one another on a line that is spread
/// by their number: output q gets Σ_m tap(m) · sample q+m. A new sample and a tap, read once, serve all
/// outputs. Where there are `zeros` among the taps they are stepped over, by a branch that is the same for all threads;
/// elsewhere nobody looks for them, nor, in whole rounds, for the end.
template <int Outputs, class Sample, class Sum, class TapAt>
__device__ __forceinline__ void slide_along_row(Sum (&sums)[Outputs], const Sample* line, int taps,
                                                bool zeros, TapAt&& tap) {
  Sample window[Outputs];
#pragma unroll
  for (int q = 0; q < Outputs - 1; ++q) window[q] = line[q];
  // A round moves the window by its own width, so that its places need no moving.
  const auto take = [&](int m, const auto& h) {
#pragma unroll
    for (int q = 0; q < Outputs; ++q) sums[q] += detail::product<Sum>(h, window[(m + q) % Outputs]);
  };
  const auto next = [&](int m) {
    window[(m + Outputs - 1) % Outputs] = line[spread<Outputs>(m + Outputs - 1)];
  };
  int m0 = 0;
  if (!zeros)
#pragma unroll 1
    for (; m0 + Outputs <= taps; m0 += Outputs, line += Outputs + 1)
#pragma unroll
      for (int m = 0; m < Outputs; ++m) {
        next(m);
        take(m, tap(m0 + m));
      }
#pragma unroll 1
  for (; m0 < taps; m0 += Outputs, line += Outputs + 1)
#pragma unroll
    for (int m = 0; m < Outputs; ++m) {
      if (m0 + m >= taps) break;
      next(m);
      const auto h = tap(m0 + m);
      if (h != decltype(h){}) take(m, h);
    }
}

}  // namespace convgpu::cuda
