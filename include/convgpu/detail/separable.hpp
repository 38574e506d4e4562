// SPDX-License-Identifier: Apache-2.0
// Whether a filter may be applied as a row and a column, one after the other: the same answer on all backends.
// Not installed.
#pragma once

#include <charconv>
#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <limits>
#include <string>

namespace convgpu::detail {

[[nodiscard]] inline std::string short_text(double value) {
  char text[32];
  return {text,
          std::to_chars(text, text + sizeof text, value, std::chars_format::scientific, 1).ptr};
}

/// Why separable passes will not do; empty where they will. Their error is that of the factors plus a rounding
/// for each tap of either, where direct summation has one for each tap of the filter.
[[nodiscard]] inline std::string refuse_separable(const request& r) {
  if (r.form.row.taps == 1 || r.form.col.taps == 1) return "its filter has one row or one column";
  const auto& factors = r.filter.facts.factors;
  if (!factors) return "its filter is no product of a column and a row";
  if (is_integer(r.form.types.filter)) return {};
  const bool wide = sums_in_f64(r.form.types);
  if (!wide && (factors->smallest < std::numeric_limits<float>::min() ||
                factors->largest > std::numeric_limits<float>::max()))
    return "its factors are out of the range of f32";
  const bool strict = !r.how.tolerance;
  const double error = strict ? passes_error(r) + factors->error : separable_error(r);
  const double allowed = strict ? direct_error(r) : *r.how.tolerance;
  if (error <= allowed) return {};
  return "its error may reach " + short_text(error) + ", " +
         (strict ? "that of direct summation " + short_text(allowed) +
                       "; options.tolerance may allow it"
                 : "more than options.tolerance");
}

}  // namespace convgpu::detail
