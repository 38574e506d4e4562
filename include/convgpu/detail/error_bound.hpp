// SPDX-License-Identifier: Apache-2.0
// How far off sums may be before they are stored, relative to ‖h‖₁·max|x|: the same on all backends
// (docs/conventions.md, section 11). Not installed.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <span>

namespace convgpu::detail {

/// Whether sums of these types are made in `f64`; integers with integer taps apart, all others are made in `f32`.
[[nodiscard]] inline bool sums_in_f64(const types& t) {
  return is_integer(t.in) || t.in == dtype::f64 || t.in == dtype::cf64;
}

/// What a rounding of such a sum is off by at most.
[[nodiscard]] inline double roundoff(const types& t) {
  return sums_in_f64(t) ? 0x1p-53 : 0x1p-24;
}

/// Roundings of a product: one with a complex tap adds twice.
[[nodiscard]] inline double roundings_of_product(const request& r) {
  return is_complex(r.form.types.filter) ? 2 : 1;
}

/// Of products that are added one after the other.
[[nodiscard]] inline double direct_error(const request& r) {
  if (is_integer(r.form.types.filter)) return 0;
  return static_cast<double>(r.filter.facts.nonzeros) * roundings_of_product(r) *
         roundoff(r.form.types);
}

/// Of roundings in both passes of a filter that is a column times a row; the error of the factors comes to that.
[[nodiscard]] inline double passes_error(const request& r) {
  if (is_integer(r.form.types.filter)) return 0;
  const rank_one& factors = *r.filter.facts.factors;
  const auto taps = static_cast<double>(factors.column_nonzeros + factors.row_nonzeros);
  // Factors that are not exact are rounded to the type of the sums.
  const double of_factors = factors.error == 0 ? 0 : 2;
  return (taps * roundings_of_product(r) + of_factors) * roundoff(r.form.types);
}

/// Of such a filter's passes in all.
[[nodiscard]] inline double separable_error(const request& r) {
  return passes_error(r) + r.filter.facts.factors->error_norm1;
}

/// Of the passes of some terms of a filter, one after the other, whose sums along rows are made in one. Terms cancel one
/// another in part: the norms of all come to more than the filter's.
[[nodiscard]] inline double terms_error(const request& r, std::span<const rank_one> terms) {
  double down = 0;
  double along = -1;
  double norm1 = 0;
  for (const rank_one& term : terms) {
    // Factors are rounded to the type of the sums.
    down += (static_cast<double>(term.column_nonzeros) + 2) * term.norm1;
    along += static_cast<double>(term.row_nonzeros) + 1;
    norm1 += term.norm1;
  }
  return (down + along * norm1) * roundoff(r.form.types) + terms.back().error_norm1;
}

}  // namespace convgpu::detail
