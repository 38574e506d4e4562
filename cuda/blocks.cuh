// SPDX-License-Identifier: Apache-2.0
// Blocks of samples that are transformed: which outputs they are for, what lies in them, and their scale.
#pragma once

#include <cmath>
#include <limits>

#include "kernel.cuh"

namespace convgpu::cuda {

/// Outputs of a block.
struct block_outputs {
  std::int64_t plane;
  detail::range rows;
  detail::range cols;

  template <class Params>
  __device__ __forceinline__ block_outputs(std::uint32_t t, const Params& p,
                                           const tile_grid& grid) {
    const tile_place at(t, grid);
    plane = at.plane;
    rows.first = p.rows.first + at.row * p.block_rows;
    cols.first = p.cols.first + at.col * p.block_cols;
    rows.last = smaller(rows.first + p.block_rows, p.row.out);
    cols.last = smaller(cols.first + p.block_cols, p.col.out);
  }
};

/// What lies in a block of samples.
template <class T>
struct found {
  T most;    // of the magnitudes of those that are finite
  bool bad;  // whether others are there
};

template <class T>
__device__ __forceinline__ bool is_finite(T x) {
  return std::abs(x) <= std::numeric_limits<T>::max();
}

/// Calls f.template operator()<T>() with the type of the input's elements.
template <class T, bool Complex, class F>
__device__ __forceinline__ void with_input_type(dtype type, F&& f) {
  if constexpr (!Complex) with_loaded_type<T>(type, f);
  else if (is_complex(type)) f.template operator()<std::complex<T>>();
  else f.template operator()<T>();
}

/// Of all threads of a warp, for the block. The caller synchronises.
template <class T>
__device__ __forceinline__ void tell_block(found<T> mine, found<T>* of_warps) {
#pragma unroll
  for (int lanes = warp / 2; lanes > 0; lanes /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, mine.most, lanes);
    if (other > mine.most) mine.most = other;
  }
  mine.bad = __any_sync(0xffffffffu, mine.bad) != 0;
  if (thread_of_block() % warp == 0) of_warps[thread_of_block() / warp] = mine;
}
/// Of all warps. Read anew where it is wanted: stages need the registers.
template <class T>
__device__ __forceinline__ found<T> of_block(const found<T>* of_warps) {
  found<T> all = of_warps[0];
#pragma unroll 1
  for (int w = 1; w < block_threads / warp; ++w) {
    if (of_warps[w].most > all.most) all.most = of_warps[w].most;
    all.bad = all.bad || of_warps[w].bad;
  }
  return all;
}

/// Powers of two: what samples are multiplied by, and what results are.
template <class T>
struct scales {
  T in;
  T out;
};
template <class T>
__device__ __forceinline__ scales<T> scales_for(T most, int filter_exponent) {
  // With these limits neither a scale nor its product with a root is denormal, and transforms are far from
  // overflowing.
  constexpr int limit = std::is_same_v<T, float> ? 100 : 900;
  constexpr int room = std::is_same_v<T, float> ? 40 : 400;
  int exponent = most == T{} ? 0 : std::ilogb(most);
  exponent = exponent < -limit ? -limit : exponent > limit ? limit : exponent;
  int back = exponent + filter_exponent;
  // Results may be in range where their scale is not.
  const int shift = back > limit    ? smaller(back - limit, room)
                    : back < -limit ? -smaller(-limit - back, room)
                                    : 0;
  back -= shift;
  constexpr int lowest = std::numeric_limits<T>::min_exponent - 30;
  constexpr int highest = std::numeric_limits<T>::max_exponent - 1;
  back = back < lowest ? lowest : back > highest ? highest : back;
  return {std::scalbn(T{1}, shift - exponent), std::scalbn(T{1}, back)};
}

}  // namespace convgpu::cuda
