// SPDX-License-Identifier: Apache-2.0
// Which filters are a column times a row, and how well that is known.

#include "src/factor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <random>
#include <vector>

namespace convgpu::detail {
namespace {

using integers = std::vector<std::int32_t>;
using reals = std::vector<double>;
using complexes = std::vector<std::complex<double>>;

template <class Tap>
std::vector<Tap> product(const std::vector<Tap>& column, const std::vector<Tap>& row) {
  std::vector<Tap> taps;
  for (const Tap& c : column)
    for (const Tap& r : row) taps.push_back(c * r);
  return taps;
}

/// The filter that the factors stand for.
template <class Tap>
std::vector<Tap> unfactored(const rank_one& f) {
  return product(std::get<std::vector<Tap>>(f.column), std::get<std::vector<Tap>>(f.row));
}

reals gaussian(int taps, double sigma) {
  reals g;
  for (int i = 0; i < taps; ++i) {
    const double x = (i - (taps - 1) / 2.0) / sigma;
    g.push_back(std::exp(-x * x / 2));
  }
  return g;
}

double norm1(const reals& taps) {
  double sum = 0;
  for (const double tap : taps) sum += std::abs(tap);
  return sum;
}

TEST(factor, finds_integer_factors_exactly) {
  const integers sobel{-1, 0, 1, -2, 0, 2, -1, 0, 1};
  const auto found = factor(sobel, {3, 3});
  ASSERT_TRUE(found);
  EXPECT_EQ(unfactored<std::int32_t>(*found), sobel);
  EXPECT_EQ(found->error, 0);
  EXPECT_EQ(found->error_norm1, 0);
  EXPECT_EQ(found->column_nonzeros, 3);
  EXPECT_EQ(found->row_nonzeros, 2);
  EXPECT_EQ(found->largest, 2);
  EXPECT_EQ(found->smallest, 1);
}

TEST(factor, finds_factors_without_common_pivot) {
  // No row and no column divides the others: 6·10 = 15·4.
  const integers taps = product<std::int32_t>({6, 10, 15}, {4, 9});
  const auto found = factor(taps, {3, 2});
  ASSERT_TRUE(found);
  EXPECT_EQ(unfactored<std::int32_t>(*found), taps);
}

TEST(factor, refuses_other_ranks) {
  EXPECT_FALSE(factor(integers{0, 3, 0, 0, 1, 2, 4, 0, 0}, {3, 3}));
  EXPECT_FALSE(factor(integers{0, 1, 0, 1, -4, 1, 0, 1, 0}, {3, 3}));
  EXPECT_FALSE(factor(reals{0, 1, 0, 1, -4, 1, 0, 1, 0}, {3, 3}));
  EXPECT_FALSE(factor(reals{1, 0, 0, 1}, {2, 2}));
  EXPECT_FALSE(factor(complexes{1, 0, 0, 1}, {2, 2}));
}

TEST(factor, refuses_zeros_and_single_lines) {
  EXPECT_FALSE(factor(integers(9), {3, 3}));
  EXPECT_FALSE(factor(reals(9), {3, 3}));
  EXPECT_FALSE(factor(complexes(9), {3, 3}));
  EXPECT_FALSE(factor(reals{1, 2, 3}, {1, 3}));
  EXPECT_FALSE(factor(reals{1, 2, 3}, {3, 1}));
}

TEST(factor, stays_within_32_bits) {
  constexpr std::int32_t low = std::numeric_limits<std::int32_t>::min();
  constexpr std::int32_t high = std::numeric_limits<std::int32_t>::max();
  for (const integers& taps : {integers{low, low, low, low}, integers{high, low, high, low},
                               integers{high, high, high, high}, integers{low, 0, -high, 0},
                               integers{low, high, low, high}})
    if (const auto found = factor(taps, {2, 2})) {
      EXPECT_EQ(unfactored<std::int32_t>(*found), taps);
    }
  EXPECT_TRUE(factor(integers{high, high, high, high}, {2, 2}));
  EXPECT_FALSE(factor(integers{high, low, low, high}, {2, 2}));
}

TEST(factor, takes_whole_multiples_of_a_power_of_two_for_exact) {
  for (const double scale : {1.0, 0.0625, 0x1p-100, 0x1p+100}) {
    reals taps = product<double>({1, 4, 6, 4, 1}, {1, 4, 6, 4, 1});
    for (double& tap : taps) tap *= scale;
    const auto found = factor(taps, {5, 5});
    ASSERT_TRUE(found) << scale;
    EXPECT_EQ(found->error, 0) << scale;
    EXPECT_EQ(unfactored<double>(*found), taps) << scale;
  }
}

TEST(factor, is_balanced) {
  for (const double scale : {1.0, 1e-20, 1e20, 3.0})
    for (const int taps : {2, 3, 9, 31}) {
      reals g = gaussian(taps, taps / 5.0);
      reals h = product(g, g);
      for (double& tap : h) tap *= scale;
      const auto found = factor(h, {taps, taps});
      ASSERT_TRUE(found) << taps << " taps times " << scale;
      const double norm = norm1(std::get<reals>(found->column));
      EXPECT_GE(norm, 1) << taps << " taps times " << scale;
      EXPECT_LT(norm, 2) << taps << " taps times " << scale;
    }
}

TEST(factor, errors_are_those_of_the_filters_own_rounding) {
  const reals g = gaussian(15, 3);
  const reals h = product(g, g);
  const auto exactly = factor(h, {15, 15});
  ASSERT_TRUE(exactly);
  EXPECT_GT(exactly->error, 0);
  EXPECT_LT(exactly->error, 8 * 0x1p-53);

  reals rounded;
  for (const double tap : h) rounded.push_back(static_cast<double>(static_cast<float>(tap)));
  const auto nearly = factor(rounded, {15, 15});
  ASSERT_TRUE(nearly);
  EXPECT_GT(nearly->error, 0x1p-26);
  EXPECT_LT(nearly->error, 4 * 0x1p-24);
  EXPECT_LE(nearly->error_norm1, nearly->error);

  // As separable as before, however small.
  for (double& tap : rounded) tap *= 0x1p-66;
  const auto scaled = factor(rounded, {15, 15});
  ASSERT_TRUE(scaled);
  EXPECT_EQ(scaled->error, nearly->error);
  EXPECT_EQ(scaled->error_norm1, nearly->error_norm1);
}

TEST(factor, bounds_the_distance_of_the_product) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<double> any(-1, 1);
  for (int n = 0; n < 200; ++n) {
    const extent size(2 + n % 7, 2 + n % 5);
    reals column(static_cast<std::size_t>(size.rows));
    reals row(static_cast<std::size_t>(size.cols));
    for (double& tap : column) tap = any(engine);
    for (double& tap : row) tap = any(engine);
    reals h = product(column, row);
    for (double& tap : h) tap *= 1 + 1e-4 * any(engine);
    const auto found = factor(h, size);
    ASSERT_TRUE(found);
    const reals back = unfactored<double>(*found);
    double sum = 0;
    for (std::size_t i = 0; i < h.size(); ++i) {
      const double off = std::abs(h[i] - back[i]);
      EXPECT_LE(off, found->error * std::abs(h[i]) * (1 + 1e-9));
      sum += off;
    }
    EXPECT_LE(sum, found->error_norm1 * norm1(h) * (1 + 1e-9));
    EXPECT_GT(found->error, 1e-6);
  }
}

// A product through one tap has that tap's error all over.
TEST(factor, is_near_all_of_the_filter_not_only_its_largest_tap) {
  for (const double scale : {1.0, 1e-20, 1e200}) {
    reals h = product(gaussian(9, 2), gaussian(7, 1.5));
    h[4 * 7 + 3] *= 1.05;  // the largest one
    for (double& tap : h) tap *= scale;
    const auto found = factor(h, {9, 7});
    ASSERT_TRUE(found);
    // As a column and a row through it: each of their other taps 5% too small or too large.
    EXPECT_LT(found->error_norm1, 0.009);
    const auto& column = std::get<reals>(found->column);
    const auto& row = std::get<reals>(found->row);
    EXPECT_TRUE(std::equal(column.begin(), column.end(), column.rbegin()));
    EXPECT_TRUE(std::equal(row.begin(), row.end(), row.rbegin()));
  }
  using complex = std::complex<double>;
  std::vector<complex> h = product<complex>({{1, 1}, {0, 2}, {3, 0}}, {{0, 1}, {1, -1}, {2, 2}});
  h[8] *= complex(1.001, 0.001);
  const auto found = factor(h, {3, 3});
  ASSERT_TRUE(found);
  EXPECT_LT(found->error_norm1, 0.001);
}

TEST(factor, never_makes_a_tap_of_a_zero_or_a_zero_of_a_tap) {
  reals h = product<double>({1, 0, 2.5}, {0.1, 0, 3, 1});
  EXPECT_TRUE(factor(h, {3, 4}));
  h[0] = 0;  // 0 · NaN would come in
  EXPECT_FALSE(factor(h, {3, 4}));
  h = product<double>({1, 0, 2.5}, {0.1, 0, 3, 1});
  h[1] = 1e-9;  // NaN would get lost
  EXPECT_FALSE(factor(h, {3, 4}));
}

TEST(factor, trusts_no_product_of_the_smallest_numbers) {
  // Products that are rounded to a handful of units meet the taps where the factors are far off.
  reals h = {2, 1, 2, 1, 3, 2, 3, 2, 1, 1, 1, 1, 3, 2, 3, 2, 1, 1, 1, 1, 3, 2, 3, 2};
  for (double& tap : h) tap = std::ldexp(tap, -1074);
  const auto found = factor(h, {6, 4});
  EXPECT_TRUE(!found || found->error > 0.1);
  complexes z;
  for (const double tap : h) z.emplace_back(tap, -tap);
  const auto complex = factor(z, {6, 4});
  EXPECT_TRUE(!complex || complex->error > 0.1);
}

TEST(factor, trusts_no_infinite_sum) {
  reals h(49, 1e307);  // columns can be added up, the whole cannot
  for (std::size_t i = 0; i < h.size(); i += 2) h[i] *= 1.2;
  EXPECT_FALSE(factor(h, {7, 7}));
}

TEST(factor, takes_complex_taps) {
  const complexes h = product<std::complex<double>>({{1, 2}, {0, -1}, {3, 0.5}}, {{2, 0}, {1, -1}});
  const auto found = factor(h, {3, 2});
  ASSERT_TRUE(found);
  const complexes back = unfactored<std::complex<double>>(*found);
  for (std::size_t i = 0; i < h.size(); ++i) EXPECT_LE(std::abs(h[i] - back[i]), 1e-14);
  EXPECT_LT(found->error, 1e-14);
}

}  // namespace
}  // namespace convgpu::detail
