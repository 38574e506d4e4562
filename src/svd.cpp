// SPDX-License-Identifier: Apache-2.0
// One-sided Jacobi rotations: M. R. Hestenes, Inversion of matrices by biorthogonalization and related results, 1958.
// Columns are turned pairwise until all are at right angles to one another; their norms are the singular values then,
// small ones as exact in relation to themselves as the matrix's columns are (J. Demmel and K. Veselić, Jacobi's method
// is more accurate than QR, 1992).

#include "svd.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

namespace convgpu::detail {
namespace {

using vector = std::vector<double>;
using columns = std::vector<vector>;

double dot(const vector& a, const vector& b) {
  constexpr std::size_t lanes = 8;
  double sums[lanes] = {};  // side by side, for the compiler to make vectors of
  std::size_t i = 0;
  for (; i + lanes <= a.size(); i += lanes)
    for (std::size_t n = 0; n < lanes; ++n) sums[n] += a[i + n] * b[i + n];
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// a ← a + factor·b
void add(vector& a, double factor, const vector& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
}

void rotate(vector& a, vector& b, double cosine, double sine) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i];
    a[i] = cosine * x - sine * b[i];
    b[i] = sine * x + cosine * b[i];
  }
}

/// Turns the columns of `a` until they are at right angles, and those of `turns`, the unit matrix, along with them.
void orthogonalise(columns& a, columns& turns) {
  constexpr double angle = 4 * std::numeric_limits<double>::epsilon();
  constexpr int most_sweeps = 40;  // six to ten are usual
  bool turned = true;
  for (int sweep = 0; sweep < most_sweeps && turned; ++sweep) {
    turned = false;
    for (std::size_t p = 0; p + 1 < a.size(); ++p)
      for (std::size_t q = p + 1; q < a.size(); ++q) {
        const double of_p = dot(a[p], a[p]);
        const double of_q = dot(a[q], a[q]);
        const double both = dot(a[p], a[q]);
        if (!(std::abs(both) > angle * std::sqrt(of_p) * std::sqrt(of_q))) continue;
        const double ratio = (of_q - of_p) / (2 * both);
        const double tangent = std::copysign(1 / (std::abs(ratio) + std::hypot(1.0, ratio)), ratio);
        const double cosine = 1 / std::hypot(1.0, tangent);
        if (tangent == 0) continue;  // they are of norms too far apart for it to be seen
        rotate(a[p], a[q], cosine, cosine * tangent);
        rotate(turns[p], turns[q], cosine, cosine * tangent);
        turned = true;
      }
  }
}

/// The terms of a matrix with columns `a`: left vectors in their direction.
singular_terms terms_of(columns a) {
  const std::size_t n = a.size();
  // The longest first: fewer sweeps.
  columns turns(n, vector(n));
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto sort_by = [&](const vector& norms) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t p, std::size_t q) { return norms[p] > norms[q]; });
  };
  vector norms;
  for (const vector& column : a) norms.push_back(dot(column, column));
  sort_by(norms);
  columns sorted;
  for (std::size_t p = 0; p < n; ++p) {
    sorted.push_back(std::move(a[order[p]]));
    turns[p][order[p]] = 1;
  }
  orthogonalise(sorted, turns);
  for (std::size_t p = 0; p < n; ++p) norms[p] = std::sqrt(dot(sorted[p], sorted[p]));
  std::iota(order.begin(), order.end(), std::size_t{0});
  sort_by(norms);
  singular_terms found;
  for (const std::size_t p : order) {
    if (!(norms[p] > 0)) break;
    for (double& x : sorted[p]) x /= norms[p];
    found.values.push_back(norms[p]);
    found.left.push_back(std::move(sorted[p]));
    found.right.push_back(std::move(turns[p]));
  }
  return found;
}

columns columns_of(const vector& a, std::size_t rows, std::size_t cols) {
  columns found(cols, vector(rows));
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < cols; ++j) found[j][i] = a[i * cols + j];
  return found;
}

}  // namespace

singular_terms decompose(const std::vector<double>& a, std::int64_t rows, std::int64_t cols) {
  const auto m = static_cast<std::size_t>(rows);
  const auto n = static_cast<std::size_t>(cols);
  if (m >= n) return terms_of(columns_of(a, m, n));
  columns lines(m);
  for (std::size_t i = 0; i < m; ++i) {
    const double* const line = a.data() + i * n;
    lines[i].assign(line, line + n);
  }
  singular_terms found = terms_of(std::move(lines));
  std::swap(found.left, found.right);
  return found;
}

singular_terms decompose_leading(const std::vector<double>& a, std::int64_t rows, std::int64_t cols,
                                 std::int64_t wanted) {
  const columns given =
      columns_of(a, static_cast<std::size_t>(rows), static_cast<std::size_t>(cols));
  // Column by column the one with most that is left of it after those before, as in a QR decomposition with pivots.
  columns left = given;
  columns base;
  const auto all = [](const columns& of) {
    double sum = 0;
    for (const vector& column : of) sum += dot(column, column);
    return sum;
  };
  constexpr double hopeless = 0.1 * 0.1;
  const std::int64_t most = std::min({rows, cols, 2 * wanted + 8});
  double first = 0;
  for (std::int64_t n = 0; n < most; ++n) {
    if (n == wanted && all(left) > hopeless * all(given)) return {};
    const auto longest =
        std::max_element(left.begin(), left.end(),
                         [](const vector& p, const vector& q) { return dot(p, p) < dot(q, q); });
    vector next = *longest;
    const double norm = std::sqrt(dot(next, next));
    if (n == 0) first = norm;
    if (!(norm > first * std::numeric_limits<double>::epsilon() / 4)) break;
    for (double& x : next) x /= norm;
    // Rounding has left a little of those before.
    for (const vector& before : base) add(next, -dot(before, next), before);
    const double again = std::sqrt(dot(next, next));
    if (again < 0.5) break;  // it was nothing else
    for (double& x : next) x /= again;
    for (vector& column : left) add(column, -dot(next, column), next);
    base.push_back(std::move(next));
  }
  // A ≈ base·(baseᵀ·A), of which the second factor is small: its transpose is decomposed.
  columns small;
  for (const vector& b : base) {
    vector line;
    for (const vector& column : given) line.push_back(dot(b, column));
    small.push_back(std::move(line));
  }
  singular_terms inner = terms_of(std::move(small));
  const std::size_t count = std::min(inner.values.size(), static_cast<std::size_t>(wanted));
  inner.values.resize(count);
  inner.left.resize(count);
  inner.right.resize(count);
  singular_terms found{std::move(inner.values), {}, std::move(inner.left)};
  for (const vector& turn : inner.right) {
    vector sum(static_cast<std::size_t>(rows));
    for (std::size_t n = 0; n < base.size(); ++n) add(sum, turn[n], base[n]);
    found.left.push_back(std::move(sum));
  }
  return found;
}

}  // namespace convgpu::detail
