// SPDX-License-Identifier: Apache-2.0
// Singular value decompositions: what they are the sum of, and how exact small values are.

#include "src/svd.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace convgpu::detail {
namespace {

using reals = std::vector<double>;

struct size {
  std::int64_t rows;
  std::int64_t cols;
};

reals random(size s, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> any(-1, 1);
  reals a(static_cast<std::size_t>(s.rows * s.cols));
  for (double& x : a) x = any(engine);
  return a;
}

/// Σ over `rank` products of random columns and rows, the n-th of them times ratio^n.
reals of_rank(size s, int rank, unsigned seed, double ratio = 1) {
  reals a(static_cast<std::size_t>(s.rows * s.cols));
  for (int n = 0; n < rank; ++n) {
    const reals column = random({s.rows, 1}, seed + 2 * static_cast<unsigned>(n));
    const reals row = random({1, s.cols}, seed + 2 * static_cast<unsigned>(n) + 1);
    for (std::size_t i = 0; i < a.size(); ++i)
      a[i] += std::pow(ratio, n) * column[i / row.size()] * row[i % row.size()];
  }
  return a;
}

double largest(const reals& a) {
  double most = 0;
  for (const double x : a) most = std::max(most, std::abs(x));
  return most;
}

/// The largest difference between a matrix and the sum of some of its terms.
double off(const reals& a, const singular_terms& t, std::size_t count) {
  reals left = a;
  for (std::size_t n = 0; n < count; ++n)
    for (std::size_t i = 0; i < left.size(); ++i)
      left[i] -= t.values[n] * t.left[n][i / t.right[n].size()] * t.right[n][i % t.right[n].size()];
  return largest(left);
}

void expect_right_angles(const std::vector<reals>& vectors) {
  for (std::size_t p = 0; p < vectors.size(); ++p)
    for (std::size_t q = 0; q <= p; ++q) {
      double sum = 0;
      for (std::size_t i = 0; i < vectors[p].size(); ++i) sum += vectors[p][i] * vectors[q][i];
      EXPECT_NEAR(sum, p == q ? 1 : 0, 1e-13) << p << ", " << q;
    }
}

void expect_decomposition(const reals& a, const singular_terms& t) {
  EXPECT_TRUE(std::is_sorted(t.values.rbegin(), t.values.rend()));
  for (const double value : t.values) EXPECT_GT(value, 0);
  EXPECT_LE(off(a, t, t.values.size()), 1e-14 * largest(a) * 10);
}

TEST(svd, is_the_matrix) {
  unsigned seed = 1;
  for (const size s : {size{1, 1}, {1, 9}, {9, 1}, {2, 2}, {7, 7}, {15, 6}, {6, 15}, {31, 31}}) {
    const reals a = random(s, ++seed);
    const singular_terms t = decompose(a, s.rows, s.cols);
    EXPECT_EQ(t.values.size(), static_cast<std::size_t>(std::min(s.rows, s.cols)));
    expect_decomposition(a, t);
    expect_right_angles(t.left);
    expect_right_angles(t.right);
  }
}

TEST(svd, has_no_terms_of_zeros) {
  EXPECT_TRUE(decompose(reals(12), 3, 4).values.empty());
  EXPECT_TRUE(decompose_leading(reals(12), 3, 4, 2).values.empty());
  reals a(12);
  a[5] = -3;
  const singular_terms t = decompose(a, 3, 4);
  ASSERT_EQ(t.values.size(), 1u);
  EXPECT_EQ(t.values[0], 3);
}

TEST(svd, finds_the_rank) {
  for (const int rank : {1, 2, 5}) {
    const reals a = of_rank({20, 17}, rank, 7);
    const singular_terms t = decompose(a, 20, 17);
    ASSERT_GE(t.values.size(), static_cast<std::size_t>(rank));
    EXPECT_GT(t.values[static_cast<std::size_t>(rank) - 1], 0.1);
    for (std::size_t n = static_cast<std::size_t>(rank); n < t.values.size(); ++n)
      EXPECT_LT(t.values[n], 1e-14 * t.values[0]);
    expect_decomposition(a, t);
  }
}

// Of columns that are far apart in length, but in no other way, small values are as exact as large ones.
TEST(svd, is_exact_in_small_values) {
  const singular_terms base = decompose(random({12, 5}, 3), 12, 5);
  for (const double ratio : {1e-3, 1e-10, 1e-25}) {
    reals a(60);
    for (std::size_t n = 0; n < 5; ++n)
      for (std::size_t i = 0; i < 60; ++i)
        if (i % 5 == n) a[i] = base.left[n][i / 5] * std::pow(ratio, static_cast<double>(n));
    const singular_terms t = decompose(a, 12, 5);
    ASSERT_EQ(t.values.size(), 5u);
    for (std::size_t n = 0; n < 5; ++n)
      EXPECT_NEAR(t.values[n] / std::pow(ratio, static_cast<double>(n)), 1, 1e-13) << ratio;
  }
}

TEST(svd, ends_for_columns_that_are_all_the_same) {
  for (const int n : {2, 9, 40}) {
    const reals a(static_cast<std::size_t>(n * n), 0.1);
    const singular_terms t = decompose(a, n, n);
    EXPECT_NEAR(t.values[0], 0.1 * n, 1e-14 * n);
    for (std::size_t k = 1; k < t.values.size(); ++k) EXPECT_LT(t.values[k], 1e-14);
    EXPECT_LE(off(a, decompose_leading(a, n, n, 2), 1), 1e-15);
  }
}

TEST(svd, leads_with_the_terms_that_all_of_them_have) {
  for (const auto& [s, rank] : {std::pair(size{31, 31}, 2), {size{9, 40}, 3}, {size{64, 13}, 4}})
    for (const double noise : {0.0, 1e-8, 1e-3}) {
      reals a = of_rank(s, rank, 11, 0.5);
      const reals more = random(s, 5);
      for (std::size_t i = 0; i < a.size(); ++i) a[i] += noise * more[i];
      const singular_terms all = decompose(a, s.rows, s.cols);
      const singular_terms first = decompose_leading(a, s.rows, s.cols, rank);
      ASSERT_EQ(first.values.size(), static_cast<std::size_t>(rank));
      expect_right_angles(first.left);
      expect_right_angles(first.right);
      for (std::size_t n = 0; n < first.values.size(); ++n)
        EXPECT_NEAR(first.values[n], all.values[n], (1e-14 + noise) * all.values[0]);
      const auto count = static_cast<std::size_t>(rank);
      EXPECT_LE(off(a, first, count), 1.5 * off(a, all, count) + 1e-14);
    }
}

// Equal columns leave nothing but rounding, which is no direction of its own.
TEST(svd, takes_no_rounding_for_columns) {
  reals half = of_rank({9, 5}, 2, 4);
  reals a;
  for (std::size_t i = 0; i < 9; ++i)
    for (std::size_t j = 0; j < 9; ++j) a.push_back(half[i * 5 + std::min(j, 8 - j)]);
  const singular_terms t = decompose_leading(a, 9, 9, 4);
  ASSERT_GE(t.values.size(), 2u);
  EXPECT_LE(off(a, t, 2), 1e-14);
  expect_right_angles(t.left);
}

TEST(svd, gives_up_on_what_is_of_no_low_rank) {
  EXPECT_TRUE(decompose_leading(random({31, 31}, 1), 31, 31, 4).values.empty());
  EXPECT_FALSE(decompose_leading(random({31, 4}, 1), 31, 4, 4).values.empty());
}

}  // namespace
}  // namespace convgpu::detail
