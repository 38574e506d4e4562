// SPDX-License-Identifier: Apache-2.0
// The rates that plans are made with.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <string>
#include <vector>

namespace convgpu::detail {

struct rates_in_use {
  std::vector<double> values;
  std::string source;  ///< where they come from
  std::string
      ignored;  ///< why a file of measured ones was not taken; empty if there is none, or it was
};

/// Those of device `index`. The file is read when this is first called, once in a process.
[[nodiscard]] rates_in_use rates_of(const backend& b, int index);

/// The same, from this file, without a name from nowhere.
[[nodiscard]] rates_in_use rates_of(const backend& b, int index, const std::string& file);

/// Rates for `file`, measured on this machine.
[[nodiscard]] std::vector<double> measure_rates(const backend& b);

}  // namespace convgpu::detail
