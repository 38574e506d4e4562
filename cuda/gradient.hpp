// SPDX-License-Identifier: Apache-2.0
// What gradients need of a device beside plans. For the list of the backend.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <memory>

namespace convgpu::cuda {

[[nodiscard]] std::unique_ptr<const detail::gradient_steps> make_gradient_steps(
    int device, std::size_t workspace);

[[nodiscard]] std::size_t filter_gradient_bytes(const detail::normal_form& form);

}  // namespace convgpu::cuda
