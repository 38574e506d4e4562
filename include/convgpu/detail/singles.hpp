// SPDX-License-Identifier: Apache-2.0
// Filters that see one channel each, as many problems with one filter: banks of filters for a signal, depthwise
// layers, signals of which each has a filter of its own. Not installed.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <string>

namespace convgpu::detail {

/// The form of one of the filters.
[[nodiscard]] inline normal_form single_form(const normal_form& form) {
  normal_form one = form;
  one.groups = one.channels = one.filters = 1;
  return one;
}

/// Why the filters cannot be taken one by one; empty where they can.
[[nodiscard]] inline std::string refuse_singles(const request& r) {
  if (r.form.channels > 1) return "it does not sum channels";
  if (r.filter.singles.empty())
    return "more than " + std::to_string(filter_taps::most_singles) +
           " filters, of which it would have to be made ready for each";
  return {};
}

/// Why an algorithm for one filter cannot do a problem.
template <std::string (*Refusal)(const request&)>
[[nodiscard]] std::string refuse_each(const request& r) {
  if (!r.form.has_channels()) return Refusal(r);
  if (std::string reason = refuse_singles(r); !reason.empty()) return reason;
  const normal_form one = single_form(r.form);
  for (std::size_t f = 0; f < r.filter.singles.size(); ++f)
    if (std::string reason = Refusal({one, r.filter.singles[f], r.how, r.device}); !reason.empty())
      return "filter " + std::to_string(f) + ": " + reason;
  return {};
}

/// What it would take for it. Of many filters some are looked at.
template <estimate (*Cost)(const request&, rates)>
[[nodiscard]] estimate cost_of_each(const request& r, rates values) {
  if (!r.form.has_channels()) return Cost(r, values);
  constexpr std::size_t most = 8;
  const normal_form one = single_form(r.form);
  const std::size_t count = r.filter.singles.size();
  const std::size_t step = (count + most - 1) / most;
  estimate all;
  double looked_at = 0;
  for (std::size_t f = 0; f < count; f += step, ++looked_at) {
    const estimate e = Cost({one, r.filter.singles[f], r.how, r.device}, values);
    all.seconds += e.seconds;
    all.shared_seconds += e.shared_seconds;
    all.error = std::max(all.error, e.error);
    all.by = e.by;
  }
  all.seconds *= static_cast<double>(count) / looked_at;
  all.shared_seconds *= static_cast<double>(count) / looked_at;
  return all;
}

}  // namespace convgpu::detail
