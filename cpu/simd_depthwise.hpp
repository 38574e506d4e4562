// SPDX-License-Identifier: Apache-2.0
// Sums over the taps of filters that see one channel, for cpu/depthwise: see simd_kernels.hpp for how this is compiled.
#pragma once

#include "simd.hpp"
#include "simd_vectors.hpp"

namespace convgpu::cpu::simd {
namespace {

template <class With, int Vectors>
CONVGPU_INLINE void sum_along(const taps_along<typename With::sum>& a,
                              const typename With::sum* from, typename With::sum* out) {
  using T = typename With::sum;
  vector<T> sums[Vectors];
  for (int v = 0; v < Vectors; ++v) sums[v] = vector<T>{};
  for (std::int64_t t = 0; t < a.count; ++t) {
    const T tap = a.values[t];
    const T* const x = from + a.shifts[t];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      sums[v] = With::add_product(sums[v], tap, load(x + v * lanes<T>));
  }
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; ++v) store(out + v * lanes<T>, sums[v]);
}

template <class With>
void along_rows(const taps_along<typename With::sum>& a) {
  using T = typename With::sum;
  constexpr int at_once = 4;
  const T* from = a.from;
  T* out = a.out;
  for (std::int64_t r = 0; r < a.rows; ++r, from += a.pitch, out += a.out_pitch) {
    std::int64_t j = 0;
    for (; j + at_once * lanes<T> <= a.cols; j += at_once * lanes<T>)
      sum_along<With, at_once>(a, from + j, out + j);
    for (; j < a.cols; j += lanes<T>) {
      // The last ones together with some before, so that nothing is written behind the row.
      if (a.cols - j < lanes<T> && a.cols >= lanes<T>) j = a.cols - lanes<T>;
      sum_along<With, 1>(a, from + j, out + j);
    }
  }
}

template <class With, int Pixels>
CONVGPU_INLINE void sum_across(const taps_across<typename With::sum>& a,
                               const typename With::sum* from, const typename With::sum* values,
                               typename With::sum* out) {
  using T = typename With::sum;
  vector<T> sums[Pixels];
  for (int p = 0; p < Pixels; ++p) sums[p] = vector<T>{};
  for (std::int64_t t = 0; t < a.count; ++t) {
    const vector<T> taps = load(values + t * a.width);
    const T* const x = from + a.shifts[t];
#pragma GCC unroll 8
    for (int p = 0; p < Pixels; ++p) sums[p] += taps * load(x + p * a.step);
  }
#pragma GCC unroll 8
  for (int p = 0; p < Pixels; ++p) store(out + p * a.width, sums[p]);
}

template <class With>
void across_channels(const taps_across<typename With::sum>& a) {
  using T = typename With::sum;
  constexpr int at_once = CONVGPU_SIMD_BYTES == 64 ? 8 : 4;
  for (std::int64_t c = 0; c < a.channels; c += lanes<T>) {
    std::int64_t j = 0;
    for (; j + at_once <= a.cols; j += at_once)
      sum_across<With, at_once>(a, a.from + j * a.step + c, a.values + c, a.out + j * a.width + c);
    for (; j < a.cols; ++j)
      sum_across<With, 1>(a, a.from + j * a.step + c, a.values + c, a.out + j * a.width + c);
  }
}

template <class With>
constexpr depthwise<typename With::sum> depthwise_of() {
  return {.lanes = lanes<typename With::sum>,
          .along = along_rows<With>,
          .across = across_channels<With>};
}

}  // namespace
}  // namespace convgpu::cpu::simd
