// SPDX-License-Identifier: Apache-2.0
// The choice of device and algorithm.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <convgpu/plan.hpp>
#include <memory>
#include <string>
#include <vector>

namespace convgpu::detail {

struct choice {
  std::unique_ptr<const runnable> algorithm;
  device_kind where = device_kind::cpu;
  description why;
};

[[nodiscard]] const backend& backend_of(device d);

/// The device that the options ask for; what was passed over goes to `notes`. \throws as `plan`
[[nodiscard]] device device_for(const options& how, std::vector<std::string>& notes);

/// Chooses and prepares. \throws as `plan`
[[nodiscard]] choice choose(const normal_form& form, const filter_taps& filter, const options& how);

}  // namespace convgpu::detail
