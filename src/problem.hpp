// SPDX-License-Identifier: Apache-2.0
// From what a caller says to what a backend sees.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/normal_form.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/view.hpp>
#include <string>

namespace convgpu::detail {

/// "3 x 5"
[[nodiscard]] std::string to_text(extent e);
/// "3 x 5 x 2 channels x 4 planes", without those of which there is one.
[[nodiscard]] std::string shape_text(extent e, std::int64_t planes, std::int64_t channels);
/// Shortest text that reads back as the same number.
[[nodiscard]] std::string to_text(double value);

/// Checks the problem and brings it into its normal form. \throws invalid_problem
[[nodiscard]] normal_form normalise(const problem& p);

/// Reads the taps of a checked filter view as backends want them. \throws invalid_problem for a tap that
/// is NaN or infinite.
[[nodiscard]] filter_taps read_taps(const problem& p, const any_const_view& filter);

/// The same for a filter given as a column and a row, each a checked view of one row of taps. \throws
/// invalid_problem also where a product of their taps is out of range.
[[nodiscard]] filter_taps read_factors(const problem& p, const any_const_view& column,
                                       const any_const_view& row);

}  // namespace convgpu::detail
