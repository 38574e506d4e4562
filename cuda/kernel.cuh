// SPDX-License-Identifier: Apache-2.0
// What all kernels share: elements of every type in and out of device memory, and tiles of the continued input in
// shared memory.
#pragma once

#include <cuda_runtime.h>

#include <convgpu/detail/arithmetic.hpp>
#include <cstdint>
#include <type_traits>

#include "params.hpp"
#include "shared_layout.hpp"
#include "tile.cuh"
#include "tuning.hpp"

namespace convgpu::cuda {

/// Elements that lie next to one another where an address is a multiple of what they take: one access for all.
template <class T>
struct alignas(4 * sizeof(T)) four {
  T at[4];
};

/// Calls f.template operator()<T>() with the element type that samples are loaded from: one branch outside of
/// loops, the same for a whole launch, in place of a kernel for each.
template <class Sample, class F>
__device__ __forceinline__ void with_loaded_type(dtype type, F&& f) {
  if constexpr (detail::is_complex_type<Sample> || std::is_same_v<Sample, std::int64_t> ||
                sizeof(Sample) == 2) {  // 16 bits that stay as they are
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

/// x̃[row …][col …] of one plane into shared memory, as load_plane does it, from whatever type it has.
template <int Wide, int Deep, int Group = 0, class Sample>
__device__ __forceinline__ void load_tile(Sample* tile, int pitch, int rows, int cols,
                                          std::int64_t row, std::int64_t col, std::int64_t plane,
                                          const image_params& p, int across = warp,
                                          std::int64_t channel = 0) {
  with_loaded_type<Sample>(p.in.type, [&]<class In>() {
    constexpr bool plenty = std::is_same_v<In, Sample> && !std::is_integral_v<In>;
    const plane_of<In> from{.data = static_cast<const In*>(p.in.data) + plane * p.in.step.plane +
                                    channel * p.in.step.channel,
                            .rows = p.row.in,
                            .cols = p.col.in,
                            .down = p.in.step.row,
                            .right = p.in.step.col};
    load_plane<plenty ? Wide : (Wide + 1) / 2, plenty ? Deep : 1, Group>(
        tile, pitch, rows, cols, row, col, from, p.border, across,
        [](In element) { return detail::number<Sample>(element); },
        [&] { return detail::border_value<Sample>(p.outside_re, p.outside_im); });
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
  // Not of integers, whose loads and stores of many types have no registers left for a second loop.
  if (!std::is_integral_v<Sum> && !zeros)
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
