// SPDX-License-Identifier: Apache-2.0
// The transform of cuda/overlap_save: its stages, and where in shared memory they find their points. Host code,
// constexpr: kernels, the spectrum's making and the tests go by the same functions.
//
// As on the CPU it is made for products and knows no frequencies. A block of points z[0 … n) is the polynomial
// Σ z[j]·x^j modulo x^n − i; stages take it apart modulo factors x^L − ρ of that until those are x − ρ, where
// products are those of numbers. 2n real samples a are n points z[j] = a[j] + i·a[n+j], since x^n is i, and come out
// in the same way: what runs over their end comes back at their begin, negated, where overlap-save does not look.
// No pass to take real data apart, no sorting: the spectrum of the filter is kept in the order that stages leave.
//
// A block of rows is one polynomial in y and x, modulo y^rows − i and x^cols − i; of real rows, the lower half is the
// imaginary part. Stages over rows are then those over one long row, and roots start anew with each row.
//
//     stage, radix R:  a node, L points, one root ρ = e^(2πi·turn)         its nodes: R of L/R points
//        points j, j + L/R, j + 2L/R …  ── × s^k, s = ρ^(1/R) ── DFT of R ──▶  the same places
//
// A thread does R points of a node in registers, and puts them back where they were. Roots belong to a node and not
// to a point, so that early stages read next to nothing beside their data.
#pragma once

#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <type_traits>
#include <vector>

#include "shared_layout.hpp"

namespace convgpu::cuda {

/// What roots and spectra are computed in.
template <class T>
using wider_than = std::conditional_t<std::is_same_v<T, float>, double, long double>;

/// A complex number as kernels read it at once.
template <class T>
struct alignas(2 * sizeof(T)) complex_number {
  T re;
  T im;
};

/// Complex points of a block; powers of two.
struct transform_size {
  int rows = 1;
  int cols = 1;

  [[nodiscard]] constexpr int points() const noexcept { return rows * cols; }
};

struct stage {
  int radix_bits;
  int part_bits;  ///< of the distance of its points, L/R
  int nodes;      ///< with roots of their own; they repeat from row to row
  int roots;      ///< where they begin in the table: [k − 1][node], k = 1 … R − 1
};

constexpr int most_stages = 8;
/// Of the last stage, which is done along with the product and the first stage back.
constexpr int last_radix = 16;
constexpr int last_radix_bits = 4;

struct transform {
  int points = 0;
  int count = 0;  ///< of stages
  int roots = 0;  ///< in the table
  stage stages[most_stages] = {};
};

[[nodiscard]] constexpr int log2_of(int power) {
  int bits = 0;
  while (power >> (bits + 1) != 0) ++bits;
  return bits;
}

/// Radix 16, after one of less where the power of two wants it; so that the last one is of 16.
constexpr void add_stages(transform& t, int points, int step_bits) {
  int nodes = 1;
  for (int bits = log2_of(points); bits > 0;) {
    const int radix_bits = bits % 4 == 0 ? 4 : bits % 4;
    bits -= radix_bits;
    t.stages[t.count++] = {radix_bits, step_bits + bits, nodes, t.roots};
    t.roots += nodes * ((1 << radix_bits) - 1);
    nodes <<= radix_bits;
  }
}

[[nodiscard]] constexpr transform transform_of(transform_size size) {
  transform t{.points = size.points()};
  add_stages(t, size.rows, log2_of(size.cols));
  add_stages(t, size.cols, 0);
  return t;
}

/// Calls f(radix, points of a node) for what a bound on errors counts: passes of radix 2 and 4.
template <class F>
void for_each_pass(transform_size size, const F& f) {
  const transform t = transform_of(size);
  for (int i = 0; i < t.count; ++i) {
    const stage& s = t.stages[i];
    int bits = s.radix_bits;
    for (int node = s.radix_bits + s.part_bits; bits > 0; node -= 2, bits -= 2)
      f(bits >= 2 ? 4 : 2, std::int64_t{1} << node);
  }
}

/// Where point i, or real sample i, lies: one place left free after each round of the banks. Linear in what
/// butterflies add to their first point: place(first + q·part) is place(first) + place(q·part).
template <class T>
[[nodiscard]] constexpr int place(int i) {
  return spread<128 / static_cast<int>(sizeof(T))>(i);
}

/// Real parts, then imaginary ones.
template <class T>
[[nodiscard]] constexpr std::size_t shared_bytes_of(int points) {
  return 2 * static_cast<std::size_t>(place<T>(points)) * sizeof(T);
}

/// The points of butterfly b of a stage: first, first + part, first + 2·part …
struct butterfly {
  int first;
  int node;
};
/// Of the stage at distance 16, half warps would meet: they take nodes that are 512 points apart, which is half a
/// round of the banks. There have to be so many.
constexpr int fewest_points = 1024;
template <class T>
[[nodiscard]] constexpr butterfly butterfly_at(int b, int radix_bits, int part_bits) {
  if (sizeof(T) == 4 && part_bits == 4) {
    const int far = 9 - radix_bits;
    const int differ = ((b >> 4) ^ (b >> far)) & 1;
    b ^= (differ << 4) | (differ << far);
  }
  const int node = b >> part_bits;
  return {(node << (radix_bits + part_bits)) + (b & ((1 << part_bits) - 1)), node};
}

/// Roots of all stages, as their tables have them.
template <class T>
[[nodiscard]] std::vector<complex_number<T>> roots_of(transform_size size);

/// Of a filter, given as complex points row after row: as the last stage meets it, [point of a butterfly][butterfly],
/// with 1/points in it.
template <class T>
[[nodiscard]] std::vector<complex_number<T>> spectrum_of(
    transform_size size, std::vector<std::complex<wider_than<T>>> points);

}  // namespace convgpu::cuda
