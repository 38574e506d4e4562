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

/// Σ of products, for as many columns and rows as there are.
reals sum_of_products(const std::vector<reals>& columns, const std::vector<reals>& rows) {
  reals h(columns[0].size() * rows[0].size());
  for (std::size_t n = 0; n < columns.size(); ++n) {
    const reals more = product(columns[n], rows[n]);
    for (std::size_t i = 0; i < h.size(); ++i) h[i] += more[i];
  }
  return h;
}

/// A difference of Gaussians, which is of rank 2, in f32.
reals mexican_hat(int taps, double sigma) {
  const reals narrow = gaussian(taps, sigma);
  const reals wide = gaussian(taps, 1.6 * sigma);
  const reals inner = product(narrow, narrow);
  const reals outer = product(wide, wide);
  reals h;
  for (std::size_t i = 0; i < inner.size(); ++i)
    h.push_back(static_cast<double>(static_cast<float>(inner[i] - outer[i] / 2.56)));
  return h;
}

std::vector<rank_one> terms_of(const tap_values& taps, extent size) {
  return factor_terms(taps, size, factor(taps, size));
}

/// Of the filter, what a sum of its first terms leaves, in the norm of `error_norm1`.
double left_by(const reals& h, const std::vector<rank_one>& terms, std::size_t count) {
  reals left = h;
  for (std::size_t n = 0; n < count; ++n) {
    const reals term = unfactored<double>(terms[n]);
    for (std::size_t i = 0; i < left.size(); ++i) left[i] -= term[i];
  }
  return norm1(left) / norm1(h);
}

TEST(terms, come_to_the_filter_within_their_bound) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<double> any(0.1, 1);
  const auto drawn = [&](std::int64_t n) {
    reals taps(static_cast<std::size_t>(n));
    for (double& tap : taps) tap = any(engine);
    return taps;
  };
  for (const extent size : {extent(9, 9), extent(7, 20), extent(31, 12), extent(40, 40)})
    for (const std::size_t rank : {2u, 3u})
      for (const double noise : {0.0, 1e-8, 1e-4}) {
        std::vector<reals> columns;
        std::vector<reals> rows;
        for (std::size_t n = 0; n < rank; ++n) {
          columns.push_back(drawn(size.rows));
          rows.push_back(drawn(size.cols));
        }
        reals h = sum_of_products(columns, rows);
        for (double& tap : h) tap *= 1 + noise * (any(engine) - 0.5);
        const auto terms = terms_of(h, size);
        ASSERT_GE(terms.size(), rank);
        EXPECT_LE(terms[rank - 1].error_norm1, 1e-13 + noise);
        for (std::size_t n = 0; n < terms.size(); ++n) {
          EXPECT_LE(left_by(h, terms, n + 1), terms[n].error_norm1) << n;
          EXPECT_NEAR(terms[n].norm1, norm1(unfactored<double>(terms[n])) / norm1(h), 1e-12);
          const double norm = norm1(std::get<reals>(terms[n].column));
          EXPECT_GE(norm, 1);
          EXPECT_LT(norm, 2);
        }
      }
}

TEST(terms, are_the_same_at_any_scale) {
  const reals h = mexican_hat(15, 2);
  const auto terms = terms_of(h, {15, 15});
  ASSERT_GE(terms.size(), 2u);
  EXPECT_GT(terms[0].error_norm1, 0.01);
  EXPECT_LT(terms[1].error_norm1, 1e-6);
  for (const int exponent : {-900, -66, 66, 900}) {
    reals other = h;
    for (double& tap : other) tap = std::ldexp(tap, exponent);
    const auto scaled = terms_of(other, {15, 15});
    ASSERT_EQ(scaled.size(), terms.size());
    for (std::size_t n = 0; n < terms.size(); ++n) {
      EXPECT_EQ(scaled[n].error_norm1, terms[n].error_norm1);
      EXPECT_EQ(scaled[n].column, terms[n].column);
    }
  }
}

TEST(terms, read_the_same_from_either_end_where_the_filter_does) {
  for (const int taps : {9, 15, 24, 31}) {
    const auto terms = terms_of(mexican_hat(taps, taps / 7.0), {taps, taps});
    ASSERT_GE(terms.size(), 2u) << taps;
    for (std::size_t n = 0; n < 2; ++n)
      for (const auto* factor : {&terms[n].column, &terms[n].row}) {
        const auto& values = std::get<reals>(*factor);
        EXPECT_TRUE(std::equal(values.begin(), values.end(), values.rbegin())) << taps;
      }
  }
}

TEST(terms, are_not_looked_for_where_one_will_do_or_none_pays) {
  const reals g = gaussian(15, 3);
  EXPECT_TRUE(terms_of(product(g, g), {15, 15}).empty());
  const reals hat = mexican_hat(15, 2);
  EXPECT_TRUE(terms_of(reals(hat.begin(), hat.begin() + 9), {3, 3}).empty());
  EXPECT_TRUE(terms_of(hat, {1, 225}).empty());
  EXPECT_TRUE(terms_of(hat, {225, 1}).empty());
  EXPECT_TRUE(terms_of(reals(225), {15, 15}).empty());
  EXPECT_TRUE(terms_of(integers(225, 1), {15, 15}).empty());
  std::mt19937 engine(1);
  std::uniform_real_distribution<double> any(-1, 1);
  reals noise(225);
  for (double& tap : noise) tap = any(engine);
  EXPECT_TRUE(terms_of(noise, {15, 15}).empty());
}

TEST(terms, have_all_taps_and_no_others) {
  reals h = mexican_hat(15, 2);
  for (std::size_t i = 0; i < 15; ++i) h[4 * 15 + i] = h[i * 15 + 7] = 0;  // a row, and a column
  const auto terms = terms_of(h, {15, 15});
  ASSERT_GE(terms.size(), 2u);
  for (const rank_one& term : terms) {
    EXPECT_EQ(std::get<reals>(term.column)[4], 0);
    EXPECT_EQ(std::get<reals>(term.row)[7], 0);
  }
  h[3] = 0;
  EXPECT_TRUE(terms_of(h, {15, 15}).empty());
  // The first term has none of the second block's taps.
  const auto block = [](reals low, reals high) {
    low.insert(low.end(), high.begin(), high.end());
    return low;
  };
  const reals nothing(6);
  const reals taps = gaussian(6, 2);
  const reals blocks = sum_of_products({block(taps, nothing), block(nothing, taps)},
                                       {block(taps, nothing), block(nothing, taps)});
  EXPECT_TRUE(terms_of(blocks, {12, 12}).empty());
}

TEST(terms, have_a_bound_for_the_smallest_and_the_largest_numbers) {
  for (const double scale : {0x1p-1060, 0x1p+1020}) {
    reals h = mexican_hat(9, 1.5);
    for (double& tap : h) tap *= scale;
    const auto terms = terms_of(h, {9, 9});
    for (std::size_t n = 0; n < terms.size(); ++n)
      EXPECT_LE(left_by(h, terms, n + 1), terms[n].error_norm1 * 1.01 + 0.01) << scale;
  }
}

}  // namespace
}  // namespace convgpu::detail
