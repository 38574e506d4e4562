// SPDX-License-Identifier: Apache-2.0
// Sums over the taps of filters that see one channel, for cpu/depthwise: see simd_kernels.hpp for how this is compiled.
#pragma once

#include "simd.hpp"
#include "simd_vectors.hpp"

namespace convgpu::cpu::simd {
namespace {

// ---- lanes are outputs of a row

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
void along_rows_of_any(const taps_along<typename With::sum>& a) {
  using T = typename With::sum;
  const T* from = a.from;
  T* out = a.out;
  for (std::int64_t r = 0; r < a.rows; ++r, from += a.pitch, out += a.out_pitch) {
    std::int64_t j = 0;
    for (; j + 4 * lanes<T> <= a.cols; j += 4 * lanes<T>) sum_along<With, 4>(a, from + j, out + j);
    for (; j + 2 * lanes<T> <= a.cols; j += 2 * lanes<T>) sum_along<With, 2>(a, from + j, out + j);
    for (; j < a.cols; j += lanes<T>) {
      // The last ones together with some before, so that nothing is written behind the row.
      if (a.cols - j < lanes<T> && a.cols >= lanes<T>) j = a.cols - lanes<T>;
      sum_along<With, 1>(a, from + j, out + j);
    }
  }
}

/// `Rows` rows of outputs of a filter of Height x Width taps, which stay in registers. A vector of samples is loaded once
/// for all rows of outputs that see it, the lowest first: that is the order of taps.
template <class T, int Height, int Width, int Rows, int Vectors>
CONVGPU_INLINE void sum_block(const vector<T> (&taps)[Height * Width], const T* from,
                              std::ptrdiff_t pitch, const std::int64_t* shifts, T* out,
                              std::ptrdiff_t out_pitch) {
  vector<T> sums[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) sums[i][v] = vector<T>{};
      // Where the first row of taps of output row `r` lies, row i − r of taps of output row i does.
#pragma GCC unroll 16
  for (int r = Rows - 1; r > -Height; --r)
#pragma GCC unroll 16
    for (int l = 0; l < Width; ++l)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const vector<T> x = load(from + r * pitch + shifts[l] + v * lanes<T>);
#pragma GCC unroll 8
        for (int i = 0; i < Rows; ++i)
          if (i >= r && i - r < Height) sums[i][v] += taps[(i - r) * Width + l] * x;
      }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) store(out + i * out_pitch + v * lanes<T>, sums[i][v]);
}

/// Filters of Height x Width taps, `Rows` rows of outputs at once, of which there are as many. Taps of one row may lie
/// anywhere.
template <class T, int Height, int Width, int Rows>
void along_rows_of(const taps_along<T>& a) {
  constexpr int at_once = Rows > 1 ? 1 : 4;
  vector<T> taps[Height * Width];
#pragma GCC unroll 16
  for (int t = 0; t < Height * Width; ++t) taps[t] = vector<T>{} + a.values[t];
  std::int64_t shifts[Width];
#pragma GCC unroll 16
  for (int l = 0; l < Width; ++l) shifts[l] = a.shifts[l];
  const std::ptrdiff_t pitch = a.pitch;
  const std::ptrdiff_t out_pitch = a.out_pitch;
  const std::int64_t cols = a.cols;
  for (std::int64_t i = 0; i < a.rows; i += Rows) {
    if (a.rows - i < Rows) i = a.rows - Rows;  // the last ones together with some before
    const T* const from = a.from + i * pitch;
    T* const out = a.out + i * out_pitch;
    std::int64_t j = 0;
    for (; j + at_once * lanes<T> <= cols; j += at_once * lanes<T>)
      sum_block<T, Height, Width, Rows, at_once>(taps, from + j, pitch, shifts, out + j, out_pitch);
    for (; j < cols; j += lanes<T>) {
      if (cols - j < lanes<T> && cols >= lanes<T>) j = cols - lanes<T>;
      sum_block<T, Height, Width, Rows, 1>(taps, from + j, pitch, shifts, out + j, out_pitch);
    }
  }
}

template <class With>
void along_rows(const taps_along<typename With::sum>& a) {
  using T = typename With::sum;
  constexpr int rows = 4;
  if constexpr (is_float<T>) {
    static_assert(stay_in_registers(3) && stay_in_registers(9));
    if (a.count == 9 && a.taps_of_row == 3 && a.rows >= rows)
      return along_rows_of<T, 3, 3, rows>(a);
    if (a.count == 9) return along_rows_of<T, 1, 9, 1>(a);
    if (a.count == 3) return along_rows_of<T, 1, 3, 1>(a);
  }
  along_rows_of_any<With>(a);
}

// ---- lanes are channels

template <class T, int Pixels>
CONVGPU_INLINE void sum_across(const taps_across<T>& a, const T* from, const T* values, T* out) {
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

/// Where rows of Width taps are a step apart: a pixel is loaded once for all outputs of a row that see it.
template <class T, int Pixels, int Width>
CONVGPU_INLINE void sum_across_rows(const taps_across<T>& a, const T* from, const T* values,
                                    T* out) {
  vector<T> sums[Pixels];
#pragma GCC unroll 8
  for (int p = 0; p < Pixels; ++p) sums[p] = vector<T>{};
  const std::ptrdiff_t width = a.width;
  const std::ptrdiff_t step = a.step;
  for (std::int64_t t = 0; t < a.count; t += Width, values += Width * width) {
    vector<T> taps[Width];
#pragma GCC unroll 8
    for (int l = 0; l < Width; ++l) taps[l] = load(values + l * width);
    // The first tap is that of the last pixel.
    const T* const x = from + a.shifts[t + Width - 1];
    vector<T> pixels[Width];
#pragma GCC unroll 8
    for (int l = 1; l < Width; ++l) pixels[l] = load(x + (l - 1) * step);
#pragma GCC unroll 8
    for (int p = 0; p < Pixels; ++p) {
#pragma GCC unroll 8
      for (int l = 1; l < Width; ++l) pixels[l - 1] = pixels[l];
      pixels[Width - 1] = load(x + (p + Width - 1) * step);
#pragma GCC unroll 8
      for (int l = 0; l < Width; ++l) sums[p] += taps[l] * pixels[Width - 1 - l];
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < Pixels; ++p) store(out + p * width, sums[p]);
}

template <class With>
void across_channels(const taps_across<typename With::sum>& arguments) {
  using T = typename With::sum;
  constexpr int at_once = CONVGPU_SIMD_BYTES == 64 ? 8 : 4;
  constexpr int row_at_once = 8;
  const taps_across<T> a = arguments;  // of which nobody else knows where it is
  // A few pixels of all channels stay in the first-level cache, where the same channels of many would displace one another.
  for (std::int64_t j = 0; j < a.cols;) {
    const T* const from = a.from + j * a.step;
    T* const out = a.out + j * a.width;
    const auto sum = [&](int pixels, const auto& sums) CONVGPU_INLINE_LAMBDA {
      for (std::int64_t c = 0; c < a.channels; c += lanes<T>)
        sums(a, from + c, a.values + c, out + c);
      j += pixels;
    };
    if (a.taps_of_row == row_in_registers && a.cols - j >= row_at_once)
      sum(row_at_once, sum_across_rows<T, row_at_once, row_in_registers>);
    else if (a.cols - j >= at_once) sum(at_once, sum_across<T, at_once>);
    else sum(1, sum_across<T, 1>);
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
