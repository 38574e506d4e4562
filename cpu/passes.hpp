// SPDX-License-Identifier: Apache-2.0
// The passes of cpu/separable: the loop of each, the taps that it is given, and how these come of a factor.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/separable.hpp>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "rounding.hpp"
#include "simd.hpp"
#include "taps.hpp"

namespace convgpu::cpu {

// From so many taps on it is of use that they read the same from either end.
inline constexpr std::size_t symmetric_down_from = 5;
inline constexpr std::size_t symmetric_along_from = 7;

/// One factor, as a set of patches for the real and, where there is one, for the imaginary part of its taps.
template <class Tap>
using tap_sets = std::vector<std::vector<tap_group<Tap>>>;

/// Loops and taps of a factor that reads the same from either end.
template <class T>
struct symmetric_factor {
  simd::symmetric_loops<T> loops;
  std::int64_t count;
  std::vector<T> values;  // from the middle to an end

  [[nodiscard]] simd::symmetric_taps<T> taps() const noexcept { return {count, values.data()}; }
};

/// A pass over a strip: the loop, and the taps that it is given.
template <class Sample, class Tap, class Sum>
struct pass {
  simd::kernel<Sample, Tap, Sum> kernel;
  tap_sets<Tap> sets;
  std::optional<symmetric_factor<Sum>>
      symmetric{};  ///< where that is better; `Sample` and `Tap` are `Sum` then

  [[nodiscard]] std::int64_t most_rows() const noexcept {
    std::int64_t most = 1;
    for (const auto& set : sets)
      for (const tap_group<Tap>& g : set) most = std::max(most, g.rows);
    return most;
  }

  /// Sums of one set: `cols` of them, not less than the kernel's, or whole ones of it where these are `added` to what
  /// is there. `find(r, pointers, count)` points to the rows of samples from row r of the factor's reach on.
  template <class Find>
  void sum(std::size_t set, const Sample** pointers, const Find& find, Sum* to, std::int64_t pitch,
           std::int64_t cols, bool added, bool stream, const Sample* const* next) const {
    // Sums that are gone on with must not be gone on with twice: what does not fill a kernel is begun anew.
    const std::int64_t whole =
        sets[set].size() == 1 && !added ? cols : cols / kernel.cols * kernel.cols;
    bool first = !added;
    for (const tap_group<Tap>& g : sets[set]) {
      find(g.row, pointers, kernel.rows - 1 + g.rows);
      compute(g, pointers, to, pitch, whole, first, stream, first ? next : nullptr);
      first = false;
    }
    if (whole == cols) return;
    first = true;
    for (const tap_group<Tap>& g : sets[set]) {
      const std::int64_t count = kernel.rows - 1 + g.rows;
      find(g.row, pointers, count);
      for (std::int64_t r = 0; r < count; ++r) pointers[r] += cols - kernel.cols;
      compute(g, pointers, to + (cols - kernel.cols), pitch, kernel.cols, first, false, nullptr);
      first = false;
    }
  }

 private:
  void compute(const tap_group<Tap>& g, const Sample* const* pointers, Sum* to, std::int64_t pitch,
               std::int64_t cols, bool first, bool stream, const Sample* const* next) const {
    kernel.compute({.rows = pointers,
                    .out = to,
                    .pitch = pitch,
                    .cols = cols,
                    .stride = 1,
                    .filter = {g.patches.data(), static_cast<std::int64_t>(g.patches.size()),
                               g.height, g.step, g.values.data()},
                    .first = first,
                    .stream = stream,
                    .next = next});
  }
};

/// A column and a row.
template <class FactorTap>
using factor_pair = std::pair<std::vector<FactorTap>, std::vector<FactorTap>>;

/// The factors with a power of two moved from one to the other, so that the norm of the row is from 1 to below 2:
/// the sums down columns come first here, and what is said in `rank_one` of those along rows holds for them then.
template <class FactorTap>
factor_pair<FactorTap> balanced(const detail::rank_one& factors) {
  std::pair both{std::get<std::vector<FactorTap>>(factors.column),
                 std::get<std::vector<FactorTap>>(factors.row)};
  if constexpr (!std::is_integral_v<FactorTap>) {
    double norm = 0;
    for (const FactorTap& tap : both.second) norm += std::abs(tap);
    const auto scale = [](std::vector<FactorTap>& taps, int exponent) {
      for (FactorTap& tap : taps) {
        if constexpr (detail::is_complex_type<FactorTap>)
          tap = {std::ldexp(tap.real(), exponent), std::ldexp(tap.imag(), exponent)};
        else tap = std::ldexp(tap, exponent);
      }
    };
    const int exponent = std::ilogb(norm);
    scale(both.first, exponent);
    scale(both.second, -exponent);
  }
  return both;
}

/// A factor's taps of one part, where `place(n)` is their row and column from the first one on that an output needs.
template <class Tap, class FactorTap, class Place, class Part>
std::vector<tap_group<Tap>> patched(const std::vector<FactorTap>& factor, std::int64_t step,
                                    patches size, const Place& place, const Part& part) {
  std::vector<placed_tap<Tap>> placed;
  for (std::size_t n = factor.size(); n-- > 0;) {
    if (part(factor[n]) == 0) continue;
    const auto [row, col] = place(static_cast<std::int64_t>(factor.size() - 1 - n));
    placed.push_back({row, col, static_cast<Tap>(part(factor[n]))});
  }
  return grouped(placed, step, size);
}

/// Whether these factors are in the range of f32 or, for `wide` sums, of f64.
template <class FactorTap>
bool in_range(const detail::rank_one& term, bool wide) {
  if constexpr (std::is_integral_v<FactorTap>) {
    return true;
  } else {
    const double least = wide ? std::numeric_limits<double>::min()
                              : static_cast<double>(std::numeric_limits<float>::min());
    const double most = wide ? std::numeric_limits<double>::max()
                             : static_cast<double>(std::numeric_limits<float>::max());
    const auto factors = balanced<FactorTap>(term);
    const auto fits = [&](const FactorTap& tap) {
      return tap == FactorTap{} || (std::abs(tap) >= least && std::abs(tap) <= most);
    };
    return std::all_of(factors.first.begin(), factors.first.end(), fits) &&
           std::all_of(factors.second.begin(), factors.second.end(), fits);
  }
}

/// How integers of 8 bits with float taps are summed in f32.
struct narrowed {
  factor_pair<double> factors;
  checked_rounding check;
};
/// None where f32 will not do.
inline std::optional<narrowed> narrow(const detail::request& r) {
  const auto& factors = r.filter.facts.factors;
  const auto* const taps = std::get_if<std::vector<double>>(&r.filter.values);
  if (!factors || taps == nullptr || !std::holds_alternative<std::vector<double>>(factors->column))
    return std::nullopt;
  const convgpu::types& types = r.form.types;
  if (std::all_of(taps->begin(), taps->end(), [&](double h) { return h == taps->front(); }))
    if (const auto check = checked_rounding::of_box(types, r.form.overflow, taps->front(),
                                                    static_cast<double>(taps->size()))) {
      const auto ones = [](std::int64_t n) {
        return std::vector<double>(static_cast<std::size_t>(n), 1.0);
      };
      return narrowed{{ones(r.form.row.taps), ones(r.form.col.taps)}, *check};
    }
  if (!in_range<double>(*factors, false)) return std::nullopt;
  auto both = balanced<double>(*factors);
  const auto check =
      checked_rounding::of(types, r.form.overflow, both.first, both.second, factors->error_norm1);
  if (!check) return std::nullopt;
  return narrowed{std::move(both), *check};
}

/// The columns and rows that the filter is taken for: integers of 8 bits that are checked are no worse for any.
inline std::span<const detail::rank_one> terms_for(const detail::request& r) {
  if (r.form.row.taps == 1 || r.form.col.taps == 1) return {};
  if (narrow(r)) return {&*r.filter.facts.factors, 1};
  return detail::separable_terms(r);
}

template <class T>
simd::symmetric_loops<T> symmetric_loops_for(bool box) {
  const simd::kernels& simd = simd::best();
  if constexpr (std::is_same_v<T, float>) return box ? simd.f32_box : simd.f32_folded;
  else if constexpr (std::is_same_v<T, double>) return box ? simd.f64_box : simd.f64_folded;
  else return box ? simd.i32_box : simd.i32_folded;
}

/// The factor for the loops that make use of its symmetry, where it has so many taps, no zeros, and reads the same
/// from either end.
template <class T, class FactorTap>
std::optional<symmetric_factor<T>> symmetric(const std::vector<FactorTap>& factor,
                                             std::size_t from) {
  if (factor.size() < from || !std::equal(factor.begin(), factor.end(), factor.rbegin()) ||
      std::count(factor.begin(), factor.end(), FactorTap{}) > 0)
    return std::nullopt;
  const auto equal = std::count(factor.begin(), factor.end(), factor.front());
  const bool box = equal == std::ssize(factor) && factor.size() >= simd::shortest_box;
  symmetric_factor<T> found{symmetric_loops_for<T>(box), std::ssize(factor), {}};
  for (std::size_t n = factor.size() / 2; n < factor.size(); ++n)
    found.values.push_back(static_cast<T>(factor[n]));
  return found;
}

}  // namespace convgpu::cpu
