// SPDX-License-Identifier: Apache-2.0
// Whether strided views share bytes. Exact, so that two regions of one image, or two colours of
// interleaved pixels, are told from real overlaps.
#pragma once

#include <convgpu/view.hpp>

namespace convgpu::detail {

/// True when two different elements of the view share a byte.
[[nodiscard]] bool overlaps_itself(const any_const_view& v);

/// True when an element of one shares a byte with an element of the other.
[[nodiscard]] bool overlap(const any_const_view& a, const any_const_view& b);

}  // namespace convgpu::detail
