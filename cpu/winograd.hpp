// SPDX-License-Identifier: Apache-2.0
// What cpu/winograd computes, how it cuts a problem into blocks, and how large its error can be: for its loops, and for
// the choice among algorithms.
//
// F(m × m, 3 × 3) makes a tile of m × m outputs from n × n samples, n = m + 2, with n² products in place of 9·m²:
//
//     y = Aᵀ·[(G·g·Gᵀ) ⊙ (Bᵀ·d·B)]·A      g: taps as a correlation has them, d: samples
//
// (S. Winograd, Arithmetic complexity of computations, 1980; A. Lavin and S. Gray, Fast algorithms for convolutional
// neural networks, 2016). It stands on polynomials evaluated at points: 0, ±1 and infinity for m = 2; for m = 4 not the
// usual 0, ±1, ±2, but 0, ±3/2, ±2/3, for which the bound below is 5.7 times smaller.
//
// The error. Samples that are transformed have k_B roundings and come to ‖B‖ of the largest, row by row; taps one; C
// products of theirs are added, and Aᵀ adds k_A. An output is off by (C + k_B + k_A + 1)·u times
//
//     Σ_ξ |Aᵀ|_iξ·|G·g·Gᵀ|_ξ·‖Bᵀ_ξ‖₁·max|x|  ≤  α²·‖g‖₁·max|x|,   α = max over i, k of Σ_ξ |Aᵀ_iξ|·|G_ξk|·‖Bᵀ_ξ‖₁
//
// because it is largest where all of g is one tap. α² is 16 for m = 2 and 152 for m = 4.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <convgpu/detail/error_bound.hpp>
#include <cstdint>
#include <utility>

#include "simd.hpp"

namespace convgpu::cpu {

template <int M>
struct winograd_matrices;

template <>
struct winograd_matrices<2> {
  static constexpr int roundings = 7;
  static constexpr double a[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
  static constexpr double b[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
  static constexpr long double g[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
};

template <>
struct winograd_matrices<4> {
  static constexpr int roundings = 33;  // at most, those of constants, too
  static constexpr double p = simd::winograd_point;
  static constexpr double q = 1 / p;
  static constexpr double a[4][6] = {{1, 1, 1, 1, 1, 0},
                                     {0, p, -p, q, -q, 0},
                                     {0, p* p, p* p, q* q, q* q, 0},
                                     {0, p* p* p, -p* p* p, q* q* q, -q* q* q, 1}};
  static constexpr double b[6][6] = {{1, 0, -p* p - q* q, 0, 1, 0}, {0, -q, -q* q, p, 1, 0},
                                     {0, q, -q* q, -p, 1, 0},       {0, -p, -p* p, q, 1, 0},
                                     {0, p, -p* p, -q, 1, 0},       {0, 1, 0, -p* p - q* q, 0, 1}};
  /// [1, point, point²] over the product of what lies between the point and all others.
  static constexpr long double lp = simd::winograd_point;
  static constexpr long double lq = 1 / lp;
  static constexpr long double at_p = 2 * lp * lp * (lp * lp - lq * lq);
  static constexpr long double at_q = 2 * lq * lq * (lq * lq - lp * lp);
  static constexpr long double g[6][3] = {{1, 0, 0},
                                          {1 / at_p, lp / at_p, lp* lp / at_p},
                                          {1 / at_p, -lp / at_p, lp* lp / at_p},
                                          {1 / at_q, lq / at_q, lq* lq / at_q},
                                          {1 / at_q, -lq / at_q, lq* lq / at_q},
                                          {0, 0, 1}};
};

/// α² of the bound above.
template <int M>
[[nodiscard]] constexpr double winograd_amplification() {
  using matrices = winograd_matrices<M>;
  const auto size = [](auto x) { return static_cast<double>(x < 0 ? -x : x); };
  double most = 0;
  for (int i = 0; i < M; ++i)
    for (int k = 0; k < 3; ++k) {
      double sum = 0;
      for (int x = 0; x < M + 2; ++x) {
        double norm = 0;
        for (int l = 0; l < M + 2; ++l) norm += size(matrices::b[x][l]);
        sum += size(matrices::a[i][x]) * size(matrices::g[x][k]) * norm;
      }
      most = std::max(most, sum);
    }
  return most * most;
}
static_assert(winograd_amplification<2>() == 16);
static_assert(winograd_amplification<4>() > 152 && winograd_amplification<4>() < 152.2);

/// Bound of the error of tiles of m × m outputs, relative to ‖h‖₁·max|x|. Terms of second order are covered by a
/// hundredth more.
[[nodiscard]] inline double winograd_error(const detail::request& r, int m) {
  const auto channels = static_cast<double>(r.form.channels);
  const double error =
      m == 2 ? winograd_amplification<2>() * (channels + winograd_matrices<2>::roundings)
             : winograd_amplification<4>() * (channels + winograd_matrices<4>::roundings);
  return 1.01 * error * detail::roundoff(r.form.types);
}

[[nodiscard]] inline double allowed_winograd_error(const detail::request& r) {
  return r.how.tolerance.value_or(4 * detail::direct_error(r));
}

/// For which a block of one panel stays below 64 MiB.
constexpr std::int64_t most_winograd_channels = 8192;

/// Blocks of tiles. What is transformed of all channels of a block stays in the second-level cache, unless they are too
/// many for that.
struct winograd_blocks {
  std::int64_t m = 2;
  std::int64_t tile_rows = 1;  ///< of a plane
  std::int64_t tile_cols = 1;
  std::int64_t planes = 1;  ///< of a block
  std::int64_t rows = 1;
  std::int64_t cols = 1;
  double lanes = 1;  ///< tiles of all blocks of a group, counted up to whole vectors

  [[nodiscard]] std::int64_t places() const noexcept { return planes * rows * cols; }
  [[nodiscard]] std::int64_t numbers() const noexcept { return (m + 2) * (m + 2); }
};

/// A panel is `width` tiles, of numbers of so many bytes.
[[nodiscard]] inline winograd_blocks winograd_blocks_for(const detail::normal_form& form,
                                                         std::int64_t m, std::int64_t width,
                                                         std::int64_t bytes) {
  constexpr std::int64_t block_bytes = 512 * 1024;
  constexpr std::int64_t most_panels = 8;
  const auto parts = [](std::int64_t n, std::int64_t most) { return (n - 1) / most + 1; };
  const auto up = [](std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; };
  winograd_blocks b{
      .m = m, .tile_rows = parts(form.row.out, m), .tile_cols = parts(form.col.out, m)};
  const std::int64_t of_panel = width * b.numbers() * form.channels * bytes;
  const std::int64_t most =
      std::clamp<std::int64_t>(block_bytes / of_panel, 1, most_panels) * width;
  const std::int64_t vector = width / 2;
  if (b.tile_cols > most) {
    b.cols = up(parts(b.tile_cols, parts(b.tile_cols, most)), vector);
    const std::int64_t whole = b.tile_cols / b.cols;
    b.lanes = static_cast<double>(form.planes * b.tile_rows *
                                  (whole * b.cols + up(b.tile_cols - whole * b.cols, vector)));
    return b;
  }
  b.cols = b.tile_cols;
  // As many of `all` at once, each of `places`, as leave the fewest lanes idle; blocks begun cost a few, too.
  const auto best = [&](std::int64_t all, std::int64_t places, double& lanes) {
    constexpr double begun = 4;
    std::int64_t found = 1;
    double least = 0;
    for (std::int64_t n = 1; n <= std::min(all, most / places); ++n) {
      const std::int64_t whole = all / n;
      const double sum =
          static_cast<double>(whole) * (static_cast<double>(up(n * places, vector)) + begun) +
          (all % n == 0 ? 0 : static_cast<double>(up(all % n * places, vector)) + begun);
      if (n == 1 || sum <= least) {
        least = sum;
        found = n;
      }
    }
    lanes = least - begun * static_cast<double>(parts(all, found));
    return found;
  };
  b.rows = best(b.tile_rows, b.cols, b.lanes);
  if (b.rows == b.tile_rows) b.planes = best(form.planes, b.cols * b.rows, b.lanes);
  else b.lanes *= static_cast<double>(form.planes);
  return b;
}

/// Those for tiles of the size that takes less time, of sizes whose error is allowed; F(2 x 2, 3 x 3) has to be one.
[[nodiscard]] inline winograd_blocks winograd_blocks_for(const detail::request& r) {
  // A number that is transformed takes as long as so many products.
  constexpr double transform = 8;
  const bool wide = detail::sums_in_f64(r.form.types);
  const std::int64_t width = wide ? simd::best().f64_gemm.cols : simd::best().f32_gemm.cols;
  winograd_blocks found{};
  double least = 0;
  for (const int m : {2, 4}) {
    if (m > 2 && winograd_error(r, m) > allowed_winograd_error(r)) continue;
    const winograd_blocks b = winograd_blocks_for(r.form, m, width, wide ? 8 : 4);
    const auto channels = static_cast<double>(r.form.channels);
    const auto filters = static_cast<double>(r.form.filters);
    const double work = b.lanes * static_cast<double>(b.numbers()) *
                        (channels * filters + transform * (channels + filters));
    if (m > 2 && work >= least) continue;
    found = b;
    least = work;
  }
  return found;
}

}  // namespace convgpu::cpu
