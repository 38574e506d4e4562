// SPDX-License-Identifier: Apache-2.0
// Tiles of minimal filtering, for cpu/winograd: see simd_kernels.hpp for how this is compiled, winograd.hpp for the
// matrices. A lane is a tile.
#pragma once

#include <cstddef>
#include <utility>

#include "simd.hpp"
#include "simd_vectors.hpp"

namespace convgpu::cpu::simd {
namespace {

/// Lane i of the result is lane Index::of(i) of a and b, one behind the other.
template <class T, class Index, std::size_t... I>
CONVGPU_INLINE vector<T> picked(vector<T> a, vector<T> b, Index, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, Index::of(static_cast<int>(I))...);
}
template <class T, class Index>
CONVGPU_INLINE vector<T> picked(vector<T> a, vector<T> b) {
  return picked<T>(a, b, Index{}, std::make_index_sequence<static_cast<std::size_t>(lanes<T>)>{});
}
template <int First>
struct every_second_from {
  static constexpr int of(int i) { return 2 * i + First; }
};
template <int Lanes, int First>
struct in_turn_from {
  static constexpr int of(int i) { return First + i / 2 + i % 2 * Lanes; }
};

/// Numbers that lie two apart: those at even and those at odd places.
template <class T>
CONVGPU_INLINE void take_apart(vector<T> a, vector<T> b, vector<T>& even, vector<T>& odd) {
  even = picked<T, every_second_from<0>>(a, b);
  odd = picked<T, every_second_from<1>>(a, b);
}
/// And back.
template <class T>
CONVGPU_INLINE void put_together(vector<T> even, vector<T> odd, vector<T>& a, vector<T>& b) {
  a = picked<T, in_turn_from<lanes<T>, 0>>(even, odd);
  b = picked<T, in_turn_from<lanes<T>, lanes<T> / 2>>(even, odd);
}

/// d[k][t] = x[m·t + k], k < m + 2
template <class T>
CONVGPU_INLINE void load_tiles(vector<T> (&d)[4], const T* x) {
  take_apart<T>(load(x), load(x + lanes<T>), d[0], d[1]);
  take_apart<T>(load(x + 2), load(x + 2 + lanes<T>), d[2], d[3]);
}
template <class T>
CONVGPU_INLINE void load_tiles(vector<T> (&d)[6], const T* x) {
  vector<T> even[2];
  vector<T> odd[2];
  for (int h = 0; h < 2; ++h) {
    const T* const half = x + h * 2 * lanes<T>;
    take_apart<T>(load(half), load(half + lanes<T>), even[h], odd[h]);
  }
  take_apart<T>(even[0], even[1], d[0], d[2]);
  take_apart<T>(odd[0], odd[1], d[1], d[3]);
  for (int h = 0; h < 2; ++h) {
    const T* const half = x + 4 + h * 2 * lanes<T>;
    take_apart<T>(load(half), load(half + lanes<T>), even[h], odd[h]);
  }
  d[4] = picked<T, every_second_from<0>>(even[0], even[1]);
  d[5] = picked<T, every_second_from<0>>(odd[0], odd[1]);
}
/// to[m·t + k] = y[k][t], k < m
template <class T>
CONVGPU_INLINE void store_tiles(T* to, const vector<T> (&y)[2]) {
  vector<T> a;
  vector<T> b;
  put_together<T>(y[0], y[1], a, b);
  store(to, a);
  store(to + lanes<T>, b);
}
template <class T>
CONVGPU_INLINE void store_tiles(T* to, const vector<T> (&y)[4]) {
  vector<T> even[2];
  vector<T> odd[2];
  put_together<T>(y[0], y[2], even[0], even[1]);
  put_together<T>(y[1], y[3], odd[0], odd[1]);
  for (int h = 0; h < 2; ++h) {
    const vector<T> pairs[2] = {even[h], odd[h]};
    store_tiles<T>(to + h * 2 * lanes<T>, pairs);
  }
}

/// Bᵀ·d
template <class T>
CONVGPU_INLINE void transform_samples(vector<T> (&d)[4]) {
  const vector<T> v[4] = {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]};
  for (int k = 0; k < 4; ++k) d[k] = v[k];
}
template <class T>
CONVGPU_INLINE void transform_samples(vector<T> (&d)[6]) {
  constexpr T a = static_cast<T>(winograd_point);
  constexpr T a2 = static_cast<T>(winograd_point * winograd_point);
  constexpr T b = static_cast<T>(1 / winograd_point);
  constexpr T b2 = static_cast<T>(1 / (winograd_point * winograd_point));
  constexpr T c =
      static_cast<T>(winograd_point * winograd_point + 1 / (winograd_point * winograd_point));
  const vector<T> even_a = d[4] - b2 * d[2];
  const vector<T> odd_a = a * d[3] - b * d[1];
  const vector<T> even_b = d[4] - a2 * d[2];
  const vector<T> odd_b = b * d[3] - a * d[1];
  d[0] = d[0] + d[4] - c * d[2];
  d[5] = d[1] + d[5] - c * d[3];
  d[1] = even_a + odd_a;
  d[2] = even_a - odd_a;
  d[3] = even_b + odd_b;
  d[4] = even_b - odd_b;
}

/// Aᵀ·m
template <class T>
CONVGPU_INLINE void transform_sums(vector<T> (&y)[2], const vector<T> (&m)[4]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] - m[3];
}
template <class T>
CONVGPU_INLINE void transform_sums(vector<T> (&y)[4], const vector<T> (&m)[6]) {
  constexpr double p = winograd_point;
  constexpr T a = static_cast<T>(p);
  constexpr T a2 = static_cast<T>(p * p);
  constexpr T a3 = static_cast<T>(p * p * p);
  constexpr T b = static_cast<T>(1 / p);
  constexpr T b2 = static_cast<T>(1 / (p * p));
  constexpr T b3 = static_cast<T>(1 / (p * p * p));
  const vector<T> even_a = m[1] + m[2];
  const vector<T> odd_a = m[1] - m[2];
  const vector<T> even_b = m[3] + m[4];
  const vector<T> odd_b = m[3] - m[4];
  y[0] = m[0] + even_a + even_b;
  y[1] = a * odd_a + b * odd_b;
  y[2] = a2 * even_a + b2 * even_b;
  y[3] = a3 * odd_a + b3 * odd_b + m[5];
}

template <class T, int M>
void winograd_forward(const winograd_pieces& p, const T* samples, T* to, std::ptrdiff_t step) {
  constexpr int n = M + 2;
  for (std::int64_t i = 0; i < p.count; ++i)
    for (std::int64_t v = 0; v < p.pieces[i].cols; v += lanes<T>) {
      const T* const x = samples + p.pieces[i].from + v * M;
      T* const there = to + p.pieces[i].at + v;
      vector<T> d[n][n];
#pragma GCC unroll 6
      for (int r = 0; r < n; ++r) {
        load_tiles(d[r], x + r * p.pitch);
        transform_samples<T>(d[r]);
      }
#pragma GCC unroll 6
      for (int c = 0; c < n; ++c) {
        vector<T> column[n];
#pragma GCC unroll 6
        for (int r = 0; r < n; ++r) column[r] = d[r][c];
        transform_samples<T>(column);
#pragma GCC unroll 6
        for (int r = 0; r < n; ++r) store(there + (r * n + c) * step, column[r]);
      }
    }
}

template <class T, int M>
void winograd_inverse(const winograd_pieces& p, const T* sums, std::ptrdiff_t step, T scale,
                      T* outputs) {
  constexpr int n = M + 2;
  for (std::int64_t i = 0; i < p.count; ++i)
    for (std::int64_t v = 0; v < p.pieces[i].cols; v += lanes<T>) {
      const T* const from = sums + p.pieces[i].at + v;
      T* const there = outputs + p.pieces[i].to + v * M;
      vector<T> y[n][M];
#pragma GCC unroll 6
      for (int r = 0; r < n; ++r) {
        vector<T> row[n];
#pragma GCC unroll 6
        for (int c = 0; c < n; ++c) row[c] = load(from + (r * n + c) * step);
        transform_sums<T>(y[r], row);
      }
      vector<T> out[M][M];
#pragma GCC unroll 6
      for (int c = 0; c < M; ++c) {
        vector<T> column[n];
        vector<T> results[M];
#pragma GCC unroll 6
        for (int r = 0; r < n; ++r) column[r] = y[r][c];
        transform_sums<T>(results, column);
#pragma GCC unroll 6
        for (int r = 0; r < M; ++r) out[r][c] = scale * results[r];
      }
#pragma GCC unroll 6
      for (int r = 0; r < M; ++r) store_tiles<T>(there + r * p.pitch, out[r]);
    }
}

template <class T, int M>
constexpr winograd<T> winograd_of() {
  return {.beyond = lanes<T>, .forward = winograd_forward<T, M>, .inverse = winograd_inverse<T, M>};
}

}  // namespace
}  // namespace convgpu::cpu::simd
