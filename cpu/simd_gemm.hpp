// SPDX-License-Identifier: Apache-2.0
// Products of matrices in panels, for cpu/gemm: see simd_kernels.hpp for how this is compiled.
#pragma once

#include "simd.hpp"
#include "simd_vectors.hpp"

namespace convgpu::cpu::simd {
namespace {

/// Rows of sums that stay in registers, two vectors wide: with those, a vector or two of samples and a tap all of 32
/// registers, or of 16, are in use. Of integers fewer: they are multiplied more slowly than they are loaded.
template <class T>
constexpr int most_gemm_rows = !is_float<T>               ? 4
                               : CONVGPU_SIMD_BYTES == 64 ? 12
                                                          : 6;
constexpr int gemm_vectors = 2;

template <class With, int Rows, int Vectors>
void multiply_tile(const gemm_tile<typename With::sum>& t) {
  using T = typename With::sum;
  vector<T> sums[Rows][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v)
      sums[i][v] = t.first ? vector<T>{} : load(t.sums + i * t.pitch + v * lanes<T>);
  const T* taps = t.taps;
  const T* samples = t.samples;
  for (std::int64_t k = 0; k < t.depth; ++k) {
    vector<T> x[Vectors];
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) x[v] = load(samples + v * lanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) sums[i][v] = With::add_product(sums[i][v], taps[i], x[v]);
    taps += Rows;
    samples += gemm_vectors * lanes<T>;
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) store(t.sums + i * t.pitch + v * lanes<T>, sums[i][v]);
}

template <class With, int Rows>
void multiply_rows(const gemm_tile<typename With::sum>& t) {
  if (t.rows != Rows) {
    if constexpr (Rows > 2) multiply_rows<With, Rows - 2>(t);
    return;
  }
  if (t.cols <= lanes<typename With::sum>) multiply_tile<With, Rows, 1>(t);
  else multiply_tile<With, Rows, gemm_vectors>(t);
}

/// A panel of so many pieces; 0: of any number. What is read in the loop is in variables, for all that the compiler knows
/// stores may change the arguments.
template <class T, int Pieces>
CONVGPU_INLINE void pack_pieces(const gemm_pieces<T>& p) {
  using piece = typename gemm_pieces<T>::piece;
  const std::int64_t count = Pieces > 0 ? Pieces : p.count;
  piece known[Pieces > 0 ? Pieces : 1];
  for (int n = 0; n < Pieces; ++n) known[n] = p.pieces[n];
  const piece* const pieces = Pieces > 0 ? known : p.pieces;
  const std::int64_t* const shifts = p.shifts;
  const std::int64_t taps = p.taps;
  const std::int64_t offset = p.offset;
  T* to = p.to;
  for (std::int64_t l = 0; l < taps; ++l) {
    const std::int64_t shift = offset + shifts[l];
#pragma GCC unroll 2
    for (std::int64_t n = 0; n < count; ++n) {
      const T* const from = pieces[n].from + shift;
      T* const there = to + pieces[n].at;
      store(there, load(from));
      if (pieces[n].cols > lanes<T>) store(there + lanes<T>, load(from + lanes<T>));
    }
    to += gemm_vectors * lanes<T>;
  }
}

template <class T>
void pack_panel(const gemm_pieces<T>& p) {
  switch (p.count) {
    case 1: return pack_pieces<T, 1>(p);
    case 2: return pack_pieces<T, 2>(p);
    default: return pack_pieces<T, 0>(p);
  }
}

template <class With>
constexpr gemm<typename With::sum> gemm_of() {
  using T = typename With::sum;
  return {.rows = most_gemm_rows<T>,
          .cols = gemm_vectors * lanes<T>,
          .beyond = lanes<T>,
          .multiply = multiply_rows<With, most_gemm_rows<T>>,
          .pack = pack_panel<T>};
}

}  // namespace
}  // namespace convgpu::cpu::simd
