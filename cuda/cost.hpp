// SPDX-License-Identifier: Apache-2.0
// How long the algorithms take by prediction.
#pragma once

#include <convgpu/detail/backend.hpp>

namespace convgpu::cuda {

[[nodiscard]] detail::estimate cost_of_separable(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_direct(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_overlap_save(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_fft(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_plain(const detail::request& r, detail::rates values);

/// Data of the host to the device, and back.
[[nodiscard]] double seconds_of_transfer(const detail::request& r);

/// Rates of a device by what it says of itself. Asks nothing for which the runtime would set it up.
[[nodiscard]] const detail::rate_table& table_of_rates();

}  // namespace convgpu::cuda
