// SPDX-License-Identifier: Apache-2.0
// Finds a filter's factors by cross factorisation: the column and the row through its largest tap. Where
// there is an exact answer in integers (times a power of two), that one is taken; where these are off by more than
// rounding, the first term of the singular value decomposition, if it is nearer. Filters of higher rank get its first
// terms.

#include "factor.hpp"

#include <algorithm>
#include <cmath>
#include <convgpu/error.hpp>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>

#include "svd.hpp"

namespace convgpu::detail {
namespace {

/// Errors below this are the filter's own rounding, of taps in `f32` at most.
constexpr double by_rounding = 0x1p-20;

/// h[k][l] of a dense filter.
template <class Tap>
struct matrix {
  const std::vector<Tap>& taps;
  extent size;

  [[nodiscard]] Tap operator()(std::int64_t k, std::int64_t l) const {
    return taps[static_cast<std::size_t>(k * size.cols + l)];
  }
};

template <class Tap>
struct product_of {
  std::vector<Tap> column;
  std::vector<Tap> row;
};

template <class Tap>
std::int64_t nonzeros(const std::vector<Tap>& taps) {
  return std::count_if(taps.begin(), taps.end(), [](const Tap& t) { return t != Tap{}; });
}

/// Where the tap of the largest magnitude is.
template <class Tap>
std::pair<std::int64_t, std::int64_t> pivot(const matrix<Tap>& h) {
  const auto largest =
      std::max_element(h.taps.begin(), h.taps.end(),
                       [](const Tap& a, const Tap& b) { return std::abs(a) < std::abs(b); }) -
      h.taps.begin();
  return {largest / h.size.cols, largest % h.size.cols};
}

/// The exact product if there is one. A column without common divisor makes every row of a matrix of rank 1
/// a multiple of one and the same row of integers.
std::optional<product_of<std::int64_t>> exact_product(const matrix<std::int64_t>& h) {
  const auto [k0, l0] = pivot(h);
  if (h(k0, l0) == 0) return std::nullopt;
  product_of<std::int64_t> found;
  std::int64_t divisor = 0;
  for (std::int64_t k = 0; k < h.size.rows; ++k) divisor = std::gcd(divisor, h(k, l0));
  for (std::int64_t k = 0; k < h.size.rows; ++k) found.column.push_back(h(k, l0) / divisor);
  const std::int64_t first = found.column[static_cast<std::size_t>(k0)];
  for (std::int64_t l = 0; l < h.size.cols; ++l) {
    if (h(k0, l) % first != 0) return std::nullopt;
    found.row.push_back(h(k0, l) / first);
  }
  for (std::int64_t k = 0; k < h.size.rows; ++k)
    for (std::int64_t l = 0; l < h.size.cols; ++l) {
      std::int64_t product = 0;
      if (__builtin_mul_overflow(found.column[static_cast<std::size_t>(k)],
                                 found.row[static_cast<std::size_t>(l)], &product) ||
          product != h(k, l))
        return std::nullopt;
    }
  return found;
}

/// Reals as integers times 2^exponent, where all of them are, with integers of up to 32 bits.
struct scaled_integers {
  std::vector<std::int64_t> values;
  int exponent = 0;
};
std::optional<scaled_integers> as_integers(const std::vector<double>& taps) {
  constexpr int digits = std::numeric_limits<double>::digits;
  int lowest = std::numeric_limits<int>::max();
  int highest = std::numeric_limits<int>::min();
  for (const double tap : taps) {
    if (tap == 0) continue;
    int exponent = 0;
    const auto mantissa = static_cast<std::int64_t>(std::ldexp(std::frexp(tap, &exponent), digits));
    highest = std::max(highest, exponent);
    lowest = std::min(
        lowest, exponent - digits + __builtin_ctzll(static_cast<unsigned long long>(mantissa)));
  }
  if (lowest > highest || highest - lowest > 32) return std::nullopt;
  scaled_integers found{.values = {}, .exponent = lowest};
  for (const double tap : taps)
    found.values.push_back(static_cast<std::int64_t>(std::ldexp(tap, -lowest)));
  return found;
}

double scaled(double tap, int exponent) {
  return std::ldexp(tap, exponent);
}
double magnitude(std::int32_t tap) {
  return std::abs(static_cast<double>(tap));
}
double magnitude(double tap) {
  return std::abs(tap);
}
double magnitude(std::complex<double> tap) {
  return std::abs(tap);
}
std::complex<double> scaled(std::complex<double> tap, int exponent) {
  return {std::ldexp(tap.real(), exponent), std::ldexp(tap.imag(), exponent)};
}

/// Moves a power of two from the column to the row, so that the column's norm is in [1, 2).
template <class Tap>
void balance(product_of<Tap>& p) {
  double norm = 0;
  for (const Tap& tap : p.column) norm += std::abs(tap);
  const int exponent = std::ilogb(norm);
  for (Tap& tap : p.column) tap = scaled(tap, -exponent);
  for (Tap& tap : p.row) tap = scaled(tap, exponent);
}

template <class Tap>
rank_one with_counts(product_of<Tap> p) {
  rank_one found{.column = {}, .row = {}};
  found.column_nonzeros = nonzeros(p.column);
  found.row_nonzeros = nonzeros(p.row);
  found.smallest = std::numeric_limits<double>::infinity();
  for (const std::vector<Tap>* taps : {&p.column, &p.row})
    for (const Tap& tap : *taps) {
      if (tap == Tap{}) continue;
      found.smallest = std::min(found.smallest, magnitude(tap));
      found.largest = std::max(found.largest, magnitude(tap));
    }
  found.column = std::move(p.column);
  found.row = std::move(p.row);
  return found;
}

std::optional<rank_one> factor_integers(const std::vector<std::int32_t>& taps, extent size) {
  const std::vector<std::int64_t> wide(taps.begin(), taps.end());
  const auto exact = exact_product({wide, size});
  if (!exact) return std::nullopt;
  product_of<std::int32_t> narrow;
  const auto fits = [](std::int64_t tap) {
    return tap == static_cast<std::int64_t>(static_cast<std::int32_t>(tap));
  };
  if (!std::all_of(exact->row.begin(), exact->row.end(), fits)) return std::nullopt;  // 2^31
  narrow.column.assign(exact->column.begin(), exact->column.end());
  narrow.row.assign(exact->row.begin(), exact->row.end());
  return with_counts(std::move(narrow));
}

/// Exactly, where the factors are exact in single precision, too.
std::optional<rank_one> factor_exactly(const std::vector<double>& taps, extent size) {
  const auto integers = as_integers(taps);
  if (!integers) return std::nullopt;
  const auto exact = exact_product({integers->values, size});
  if (!exact) return std::nullopt;
  const auto fits = [](std::int64_t tap) { return std::abs(tap) <= 1 << 24; };
  if (!std::all_of(exact->row.begin(), exact->row.end(), fits) ||
      !std::all_of(exact->column.begin(), exact->column.end(), fits))
    return std::nullopt;
  product_of<double> found{{exact->column.begin(), exact->column.end()},
                           {exact->row.begin(), exact->row.end()}};
  for (double& tap : found.column) tap = std::ldexp(tap, integers->exponent);
  balance(found);
  rank_one result = with_counts(std::move(found));
  if (!std::isfinite(result.largest)) return std::nullopt;
  return result;
}

/// The product with its distance from the filter; none where it is too far off, or zero elsewhere.
template <class Tap>  // double or complex<double>
std::optional<rank_one> measured(const matrix<Tap>& h, product_of<Tap> found) {
  balance(found);
  // What the subtraction below cannot see is in its product's last place: of all, or of the smallest number.
  constexpr double products = std::is_same_v<Tap, double> ? 1 : 4;
  constexpr double unseen = products * std::numeric_limits<double>::epsilon();
  constexpr double least = products * std::numeric_limits<double>::denorm_min();
  double error = 0;
  double error_sum = 0;
  double sum = 0;
  for (std::int64_t k = 0; k < h.size.rows; ++k)
    for (std::int64_t l = 0; l < h.size.cols; ++l) {
      const Tap tap = h(k, l);
      const Tap column = found.column[static_cast<std::size_t>(k)];
      const Tap row = found.row[static_cast<std::size_t>(l)];
      if ((tap == Tap{}) != (column == Tap{} || row == Tap{})) return std::nullopt;
      if (tap == Tap{}) continue;
      const double off = std::abs(tap - column * row) + least;
      error = std::max(error, off / std::abs(tap));
      error_sum += off;
      sum += std::abs(tap);
    }
  // NaN where a product overflows; an infinite sum would let everything pass.
  if (!(error_sum <= worst_factor_error * sum) || std::isinf(sum)) return std::nullopt;
  rank_one result = with_counts(std::move(found));
  result.error = error + unseen;
  result.error_norm1 = error_sum / sum + unseen;
  return result;
}

double conjugate(double tap) {
  return tap;
}
std::complex<double> conjugate(std::complex<double> tap) {
  return std::conj(tap);
}

/// Towards the first term of the singular value decomposition, the product that is nearest in the root of the summed
/// squares, by orthogonal iteration. Each round shrinks what is left of the others by (σ₂/σ₁)², and filters that are
/// worth it have σ₂/σ₁ of a few hundredths.
template <class Tap>
product_of<Tap> nearest(const matrix<Tap>& h, product_of<Tap> p) {
  constexpr int rounds = 3;
  const int exponent = std::ilogb(std::abs(p.column[static_cast<std::size_t>(pivot(h).first)]));
  for (Tap& tap : p.column) tap = scaled(tap, -exponent);  // so that no square overflows
  const auto norm2 = [](const std::vector<Tap>& taps) {
    double sum = 0;
    for (const Tap& tap : taps) sum += std::norm(tap);
    return sum;
  };
  for (int n = 0; n < rounds; ++n) {
    const double of_column = norm2(p.column);
    for (std::int64_t l = 0; l < h.size.cols; ++l) {
      Tap sum{};
      for (std::int64_t k = 0; k < h.size.rows; ++k)
        sum += conjugate(p.column[static_cast<std::size_t>(k)]) * scaled(h(k, l), -exponent);
      p.row[static_cast<std::size_t>(l)] = sum / of_column;
    }
    const double of_row = norm2(p.row);
    for (std::int64_t k = 0; k < h.size.rows; ++k) {
      Tap sum{};
      for (std::int64_t l = 0; l < h.size.cols; ++l)
        sum += scaled(h(k, l), -exponent) * conjugate(p.row[static_cast<std::size_t>(l)]);
      p.column[static_cast<std::size_t>(k)] = sum / of_row;
    }
  }
  for (Tap& tap : p.column) tap = scaled(tap, exponent);
  return p;
}

template <class Tap>  // double or complex<double>
std::optional<rank_one> factor_nearly(const std::vector<Tap>& taps, extent size) {
  const matrix<Tap> h{taps, size};
  const auto [k0, l0] = pivot(h);
  const Tap largest = h(k0, l0);
  if (largest == Tap{}) return std::nullopt;
  product_of<Tap> found;
  for (std::int64_t k = 0; k < size.rows; ++k) found.column.push_back(h(k, l0));
  for (std::int64_t l = 0; l < size.cols; ++l) found.row.push_back(h(k0, l) / largest);
  auto cross = measured(h, found);
  // Off by rounding: no other product is better by much.
  if (cross && cross->error < by_rounding) return cross;
  auto other = measured(h, nearest(h, std::move(found)));
  return !cross || (other && other->error_norm1 < cross->error_norm1) ? other : cross;
}

/// Lines of a filter that have taps other than zero, and those alone of it.
struct core {
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> cols;
  std::vector<double> taps;  // times 2^−exponent: the largest is from 1/2 to below 1
  int exponent = 0;
};
core core_of(const matrix<double>& h) {
  core found;
  std::vector<bool> has_taps(static_cast<std::size_t>(h.size.cols));
  for (std::int64_t k = 0; k < h.size.rows; ++k) {
    bool any = false;
    for (std::int64_t l = 0; l < h.size.cols; ++l) {
      if (h(k, l) == 0) continue;
      any = true;
      has_taps[static_cast<std::size_t>(l)] = true;
    }
    if (any) found.rows.push_back(k);
  }
  for (std::int64_t l = 0; l < h.size.cols; ++l)
    if (has_taps[static_cast<std::size_t>(l)]) found.cols.push_back(l);
  const auto [k0, l0] = pivot(h);
  std::frexp(h(k0, l0), &found.exponent);
  for (const std::int64_t k : found.rows)
    for (const std::int64_t l : found.cols)
      found.taps.push_back(std::ldexp(h(k, l), -found.exponent));
  return found;
}

/// Whether column l of the filter is that l places before its last one, for all of them; and the same of rows.
bool has_mirrored_columns(const matrix<double>& h) {
  for (std::int64_t k = 0; k < h.size.rows; ++k)
    for (std::int64_t l = 0; l < h.size.cols / 2; ++l)
      if (h(k, l) != h(k, h.size.cols - 1 - l)) return false;
  return true;
}
bool has_mirrored_rows(const matrix<double>& h) {
  const std::int64_t last = h.size.rows - 1;
  for (std::int64_t k = 0; k < h.size.rows / 2; ++k)
    for (std::int64_t l = 0; l < h.size.cols; ++l)
      if (h(k, l) != h(last - k, l)) return false;
  return true;
}

/// A singular vector as a factor: on the lines that it is of, read the same from either end where the filter does,
/// and without what is rounding beside its largest number.
std::vector<double> factor_of(const std::vector<double>& values,
                              const std::vector<std::int64_t>& lines, std::int64_t size,
                              bool mirrored) {
  constexpr double nothing = 0x1p-56;
  double largest = 0;
  for (const double x : values) largest = std::max(largest, std::abs(x));
  std::vector<double> factor(static_cast<std::size_t>(size));
  for (std::size_t n = 0; n < lines.size(); ++n)
    if (std::abs(values[n]) >= nothing * largest)
      factor[static_cast<std::size_t>(lines[n])] = values[n];
  if (mirrored)
    for (std::size_t n = 0; n < factor.size() / 2; ++n) {
      double& other = factor[factor.size() - 1 - n];
      factor[n] = other = (factor[n] + other) / 2;
    }
  return factor;
}

/// Sums of terms, one after the other, beside the filter that they are to come to.
class distance {
 public:
  explicit distance(const std::vector<double>& taps, int exponent)
      : left_(taps), products_(taps.size()), seen_(taps.size()) {
    for (double& tap : left_) {
      tap = std::ldexp(tap, -exponent);
      sum_ += std::abs(tap);
    }
    scaled_ = left_;
  }

  /// What the term leaves of it, and its own norm.
  void add(const std::vector<double>& column, const std::vector<double>& row, rank_one& term) {
    ++terms_;
    double norm1 = 0;
    double off = 0;
    bool sees_all = true;
    std::size_t i = 0;
    for (const double c : column)
      for (const double r : row) {
        const double product = c * r;
        left_[i] -= product;
        products_[i] += std::abs(product);
        if (c != 0 && r != 0) seen_[i] = true;
        norm1 += std::abs(product);
        // What subtractions cannot see is in the last place of all that was subtracted.
        off += std::abs(left_[i]) + unseen(products_[i] + std::abs(scaled_[i]));
        sees_all = sees_all && (seen_[i] || scaled_[i] == 0);
        ++i;
      }
    term.norm1 = norm1 / sum_;
    term.error_norm1 = sees_all ? off / sum_ : std::numeric_limits<double>::infinity();
    term.error = term.error_norm1;
  }

 private:
  [[nodiscard]] double unseen(double magnitude) const {
    return (terms_ + 1) * 0x1p-53 * magnitude + std::numeric_limits<double>::denorm_min();
  }

  std::vector<double> left_;
  std::vector<double> scaled_;
  std::vector<double> products_;
  std::vector<bool> seen_;
  double sum_ = 0;
  int terms_ = 0;
};

[[noreturn]] void fail_to_hold(std::size_t k, std::size_t l, const char* type) {
  throw invalid_problem("column, row: the product of tap " + std::to_string(k) + " and tap " +
                        std::to_string(l) + " is out of range; allowed: products that fit into " +
                        type);
}

std::int32_t held(std::int32_t a, std::int32_t b, std::size_t k, std::size_t l) {
  std::int32_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) fail_to_hold(k, l, "i32");
  return product;
}
template <class Tap>  // double or complex<double>
Tap held(Tap a, Tap b, std::size_t k, std::size_t l) {
  const Tap product = a * b;
  if (!std::isfinite(std::abs(product))) fail_to_hold(k, l, "f64");
  return product;
}

/// What the product of two taps lost to rounding, at most.
double lost(std::int32_t, std::int32_t, std::int32_t) {
  return 0;
}
double lost(double a, double b, double product) {
  const double off = std::abs(std::fma(a, b, -product));
  // The difference itself is rounded where the product is among the smallest numbers.
  return std::abs(product) < 0x1p-900 ? off + std::numeric_limits<double>::denorm_min() : off;
}
double lost(std::complex<double>, std::complex<double>, std::complex<double> product) {
  return std::abs(product) * 4 * std::numeric_limits<double>::epsilon() +
         4 * std::numeric_limits<double>::denorm_min();
}

template <class Tap>
given_product multiplied(const std::vector<Tap>& column, const std::vector<Tap>& row) {
  std::vector<Tap> taps;
  taps.reserve(column.size() * row.size());
  double error = 0;
  double error_sum = 0;
  double sum = 0;
  bool has_factors = column.size() > 1 && row.size() > 1;
  for (std::size_t k = 0; k < column.size(); ++k)
    for (std::size_t l = 0; l < row.size(); ++l) {
      const Tap tap = held(column[k], row[l], k, l);
      taps.push_back(tap);
      // Where a product is too small to be held, the filter has a zero that the factors have not.
      has_factors = has_factors && (tap == Tap{}) == (column[k] == Tap{} || row[l] == Tap{});
      if (tap == Tap{}) continue;
      const double off = lost(column[k], row[l], tap);
      error = std::max(error, off / magnitude(tap));
      error_sum += off;
      sum += magnitude(tap);
    }
  given_product found{std::move(taps), std::nullopt};
  if (!has_factors || sum == 0 || std::isinf(sum)) return found;
  product_of<Tap> factors{column, row};
  if constexpr (!std::is_same_v<Tap, std::int32_t>) balance(factors);
  found.factors = with_counts(std::move(factors));
  found.factors->error = error;
  found.factors->error_norm1 = error_sum / sum;
  return found;
}

}  // namespace

given_product multiply(const tap_values& column, const tap_values& row) {
  return std::visit(
      [&]<class Tap>(const std::vector<Tap>& taps) {
        return multiplied(taps, std::get<std::vector<Tap>>(row));
      },
      column);
}

std::vector<rank_one> factor_terms(const tap_values& taps, extent size,
                                   const std::optional<rank_one>& factors) {
  const auto* const reals = std::get_if<std::vector<double>>(&taps);
  if (reals == nullptr || size.count() > most_taps_of_terms) return {};
  if (factors && factors->error_norm1 < by_rounding) return {};
  const matrix<double> h{*reals, size};
  const core inner = core_of(h);
  const auto rows = static_cast<std::int64_t>(inner.rows.size());
  const auto cols = static_cast<std::int64_t>(inner.cols.size());
  // With as many taps in all terms, direct summation has less to do.
  const std::int64_t most = rows + cols > 0 ? std::min(rows * cols / (rows + cols), most_terms) : 0;
  // A zero among other taps would have to be a zero of every term.
  if (most < 2 || nonzeros(*reals) != rows * cols) return {};
  const singular_terms found = decompose_leading(inner.taps, rows, cols, most);
  const bool mirrored_rows = has_mirrored_rows(h);
  const bool mirrored_cols = has_mirrored_columns(h);
  distance off(*reals, inner.exponent);
  std::vector<rank_one> terms;
  std::size_t useful = 0;
  for (std::size_t n = 0; n < found.values.size(); ++n) {
    product_of<double> term{factor_of(found.left[n], inner.rows, size.rows, mirrored_rows),
                            factor_of(found.right[n], inner.cols, size.cols, mirrored_cols)};
    // Antisymmetric ones, of filters that read the same from either end, are rounding.
    if (nonzeros(term.column) == 0 || nonzeros(term.row) == 0) break;
    for (double& tap : term.row) tap = std::ldexp(tap * found.values[n], inner.exponent);
    balance(term);
    std::vector<double> row = term.row;
    for (double& tap : row) tap = std::ldexp(tap, -inner.exponent);  // with what was lost
    const std::vector<double> column = term.column;
    rank_one next = with_counts(std::move(term));
    off.add(column, row, next);
    if (!terms.empty() && next.error_norm1 > 0.5 * terms.back().error_norm1 &&
        terms.back().error_norm1 < 0x1p-44)
      break;  // nothing but rounding is left
    terms.push_back(std::move(next));
    if (terms.back().error_norm1 <= worst_factor_error) useful = terms.size();
  }
  terms.resize(useful);
  return terms;
}

std::optional<rank_one> factor(const tap_values& taps, extent size) {
  if (size.rows == 1 || size.cols == 1) return std::nullopt;
  if (const auto* integers = std::get_if<std::vector<std::int32_t>>(&taps))
    return factor_integers(*integers, size);
  if (const auto* reals = std::get_if<std::vector<double>>(&taps)) {
    if (auto exact = factor_exactly(*reals, size)) return exact;
    return factor_nearly(*reals, size);
  }
  return factor_nearly(std::get<std::vector<std::complex<double>>>(taps), size);
}

}  // namespace convgpu::detail
