// SPDX-License-Identifier: Apache-2.0
// Filters known by name.
#pragma once

#include <optional>
#include <string_view>

#include "array.hpp"

namespace convgpu::tools {

/// The filter, two-dimensional and of f64, that `text` names:
///
///     delta             1x1; leaves everything as it is
///     gaussian:SIGMA    2·ceil(3·SIGMA)+1 square, sums to 1
///     box:N             N square, the mean
///     sobel:x sobel:y   3x3; positive where brightness grows to the right, downwards
///     laplacian         3x3; negative on a peak
///     sharpen           3x3; the input less its laplacian, sums to 1
///     emboss            3x3; bright where brightness grows down and to the right, sums to 1
///     shift:DX,DY       moves the picture right by DX and down by DY
///     motion:LEN,DEG    an anti-aliased line, DEG counter-clockwise from the x axis, sums to 1
///
/// All are stated as convolution applies them, y[n] = Σ_k h[k]·x[n−k] with `mode::same`; correlation
/// flips them.
///
/// Nothing when `text` does not look like a name, or is that of a file: then it is for `read`.
/// \throws bad_file for a bad parameter, and for an unknown name, listing those known.
[[nodiscard]] std::optional<array> named_filter(std::string_view text);

}  // namespace convgpu::tools
