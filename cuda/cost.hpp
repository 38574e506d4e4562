// SPDX-License-Identifier: Apache-2.0
// How long the algorithms take by prediction.
#pragma once

#include <convgpu/detail/singles.hpp>

namespace convgpu::cuda {

[[nodiscard]] detail::estimate cost_of_separable(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_direct(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_mma(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_overlap_save(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_fft(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_gemm(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_plain(const detail::request& r, detail::rates values);

/// Launches for all filters in one call.
[[nodiscard]] detail::estimate queued_at_once(detail::estimate all, std::size_t filters,
                                              detail::rates values);
/// By an algorithm for one filter, one after the other.
template <detail::estimate (*Cost)(const detail::request&, detail::rates)>
[[nodiscard]] detail::estimate cost_of_queued(const detail::request& r, detail::rates values) {
  const detail::estimate all = detail::cost_of_each<Cost>(r, values);
  return r.form.has_channels() ? queued_at_once(all, r.filter.singles.size(), values) : all;
}

/// Data of the host to the device, and back.
[[nodiscard]] double seconds_of_transfer(const detail::request& r);

/// Rates of a device by what it says of itself. Asks nothing for which the runtime would set it up.
[[nodiscard]] const detail::rate_table& table_of_rates();

}  // namespace convgpu::cuda
