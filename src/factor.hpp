// SPDX-License-Identifier: Apache-2.0
// Filters of rank 1, and of few terms of that rank.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstdint>
#include <optional>
#include <vector>

namespace convgpu::detail {

/// Errors of a rank-1 filter above this, relative to the norm of its taps, are not worth a plan's memory.
constexpr double worst_factor_error = 0.01;

/// The filter as a column times a row. None for one row or one column, a filter of zeros, and one of higher
/// rank.
[[nodiscard]] std::optional<rank_one> factor(const tap_values& taps, extent size);

/// Terms are looked for in filters of up to so many taps, which takes up to about 6 ms. In larger ones that would be more than
/// a run gains.
constexpr std::int64_t most_taps_of_terms = 1 << 16;
/// With more terms than this, transforms have been the faster ones for filters of all sizes.
constexpr std::int64_t most_terms = 4;

/// `filter_facts::terms` for a filter that `factor` found these factors for: none if they are as good as exact.
[[nodiscard]] std::vector<rank_one> factor_terms(const tap_values& taps, extent size,
                                                 const std::optional<rank_one>& factors);

/// The product of a column and a row that are given, in a type that holds its taps, and what `factor` would find
/// for it if it were told. \throws invalid_problem for a tap that the type does not hold.
struct given_product {
  tap_values taps;
  std::optional<rank_one> factors;
};
[[nodiscard]] given_product multiply(const tap_values& column, const tap_values& row);

}  // namespace convgpu::detail
