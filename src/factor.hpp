// SPDX-License-Identifier: Apache-2.0
// Filters of rank 1.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <optional>

namespace convgpu::detail {

/// Errors of a rank-1 filter above this, relative to the norm of its taps, are not worth a plan's memory.
constexpr double worst_factor_error = 0.01;

/// The filter as a column times a row. None for one row or one column, a filter of zeros, and one of higher
/// rank.
[[nodiscard]] std::optional<rank_one> factor(const tap_values& taps, extent size);

}  // namespace convgpu::detail
