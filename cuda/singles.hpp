// SPDX-License-Identifier: Apache-2.0
// Several filters on a device, each by the kernels for one.
#pragma once

#include <convgpu/detail/singles.hpp>
#include <memory>

#include "algorithms.hpp"

namespace convgpu::cuda {

using kernel_maker = std::unique_ptr<const kernels> (*)(const detail::request&);

/// `r` has channels, and refuse_singles nothing against it. Launched one after the other, in the same workspace. Their
/// blocks of outputs may differ, so that `block` says nothing of them: staged data with channels comes and goes by
/// whole planes.
[[nodiscard]] std::unique_ptr<const kernels> singles_kernels(const detail::request& r,
                                                             kernel_maker make);

template <kernel_maker Make>
[[nodiscard]] std::unique_ptr<const kernels> each_kernels(const detail::request& r) {
  return r.form.has_channels() ? singles_kernels(r, Make) : Make(r);
}

}  // namespace convgpu::cuda
