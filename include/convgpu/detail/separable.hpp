// SPDX-License-Identifier: Apache-2.0
// Whether a filter may be applied as a row and a column, one after the other, or as some of each: the same answer on all
// backends.
// Not installed.
#pragma once

#include <charconv>
#include <cmath>
#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <limits>
#include <span>
#include <string>

namespace convgpu::detail {

[[nodiscard]] inline std::string short_text(double value) {
  char text[32];
  return {text,
          std::to_chars(text, text + sizeof text, value, std::chars_format::scientific, 1).ptr};
}

/// Whether factors are in the range of the sums.
[[nodiscard]] inline bool factors_fit(const request& r, const rank_one& factors) {
  return is_integer(r.form.types.filter) || sums_in_f64(r.form.types) ||
         (factors.smallest >= std::numeric_limits<float>::min() &&
          factors.largest <= std::numeric_limits<float>::max());
}

/// Why a column and a row will not do; empty where they will. Their error is that of the factors plus a rounding
/// for each tap of either, where direct summation has one for each tap of the filter.
[[nodiscard]] inline std::string refuse_rank_one(const request& r) {
  const auto& factors = r.filter.facts.factors;
  if (!factors) return "its filter is no product of a column and a row";
  if (!factors_fit(r, *factors)) return "its factors are out of the range of f32";
  const bool strict = !r.how.tolerance;
  const double error = strict ? passes_error(r) + factors->error : separable_error(r);
  const double allowed = strict ? direct_error(r) : *r.how.tolerance;
  if (is_integer(r.form.types.filter) || error <= allowed) return {};
  return "its error may reach " + short_text(error) + ", " +
         (strict ? "that of direct summation " + short_text(allowed) +
                       "; options.tolerance may allow it"
                 : "more than options.tolerance");
}

/// What sums of terms may be off by: no more than direct summation.
[[nodiscard]] inline double allowed_terms_error(const request& r) {
  return r.how.tolerance.value_or(direct_error(r));
}
/// What the terms that are left out may come to. Nothing of that cancels out, as roundings do: a part of the bound of
/// direct summation, which allows for all of them in one direction.
[[nodiscard]] inline double allowed_terms_left(const request& r) {
  return r.how.tolerance.value_or(direct_error(r) / 4);
}

/// The columns and rows that make up the filter well enough: one of each, or as few terms as possible. Empty where
/// there is no such thing.
[[nodiscard]] inline std::span<const rank_one> separable_terms(const request& r) {
  const filter_facts& facts = r.filter.facts;
  if (refuse_rank_one(r).empty()) return {&*facts.factors, 1};
  const std::span<const rank_one> all = facts.terms;
  for (std::size_t n = 1; n <= all.size(); ++n) {
    if (!factors_fit(r, all[n - 1])) return {};
    if (all[n - 1].error_norm1 <= allowed_terms_left(r) &&
        terms_error(r, all.first(n)) <= allowed_terms_error(r))
      return all.first(n);
  }
  return {};
}

/// What the passes of such terms are off by.
[[nodiscard]] inline double separable_error(const request& r, std::span<const rank_one> terms) {
  const bool is_terms = terms.data() == r.filter.facts.terms.data();
  return is_terms ? terms_error(r, terms) : separable_error(r);
}

/// Of what is in those terms, for `description::parameters`: empty for one.
[[nodiscard]] inline std::string rank_words(const request& r, std::span<const rank_one> terms) {
  if (terms.data() != r.filter.facts.terms.data()) return {};
  const auto off = [&](std::size_t n) {
    const double error = terms[n - 1].error_norm1;
    return std::isinf(error) ? "not all taps" : short_text(error);
  };
  const std::size_t rank = terms.size();
  std::string text =
      "rank " + std::to_string(rank) + ", off by " + off(rank) + " of the filter's norm";
  if (rank > 1)
    text += " (rank " + std::to_string(rank - 1) + ": " + off(rank - 1) + ", where " +
            short_text(allowed_terms_left(r)) + " may be)";
  return text + ", ";
}

/// Why separable passes will not do; empty where they will.
[[nodiscard]] inline std::string refuse_separable(const request& r) {
  if (r.form.row.taps == 1 || r.form.col.taps == 1) return "its filter has one row or one column";
  if (!separable_terms(r).empty()) return {};
  const std::span<const rank_one> terms = r.filter.facts.terms;
  if (terms.empty()) return refuse_rank_one(r);
  for (const rank_one& term : terms)
    if (!factors_fit(r, term)) return "its factors are out of the range of f32";
  const double left = terms.back().error_norm1;
  return "its filter is no product of a column and a row, and a sum of " +
         std::to_string(terms.size()) + " is off by " + short_text(left) + ", with roundings " +
         short_text(terms_error(r, terms)) + ", where " +
         (r.how.tolerance
              ? "options.tolerance is " + short_text(*r.how.tolerance)
              : short_text(allowed_terms_left(r)) + " and " + short_text(allowed_terms_error(r)) +
                    " may be; options.tolerance may allow it");
}

}  // namespace convgpu::detail
