// SPDX-License-Identifier: Apache-2.0
// Taps on their way to the kernels.
#pragma once

#include <algorithm>
#include <convgpu/detail/arithmetic.hpp>
#include <cstddef>
#include <type_traits>
#include <variant>
#include <vector>

#include "memory.hpp"

namespace convgpu::cuda {

/// Taps in the type in which the kernels want them; with_sum_types makes it one that holds them.
template <class Tap, class Values>  // filter_taps::values, or one like it
[[nodiscard]] std::vector<Tap> taps_as(const Values& values) {
  return std::visit(
      []<class Wide>(const std::vector<Wide>& taps) {
        std::vector<Tap> to;
        if constexpr (detail::is_complex_type<Wide> == detail::is_complex_type<Tap> &&
                      std::is_integral_v<Wide> == std::is_integral_v<Tap>) {
          to.reserve(taps.size());
          for (const Wide& tap : taps) to.push_back(detail::number<Tap>(tap));
        }
        return to;
      },
      values);
}

/// Whether there are taps that a kernel must step over: 0 · NaN stays out. Of integers none has to be.
template <class Tap>
[[nodiscard]] bool has_zeros(const std::vector<Tap>& taps) {
  if constexpr (std::is_integral_v<Tap>) return false;
  return std::find(taps.begin(), taps.end(), Tap{}) != taps.end();
}

/// A copy in the memory of the current device.
template <class Tap>
[[nodiscard]] device_memory on_device(const std::vector<Tap>& taps) {
  const std::size_t bytes = taps.size() * sizeof(Tap);
  device_memory memory(bytes);
  check(cudaMemcpy(memory.data(), taps.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  return memory;
}

}  // namespace convgpu::cuda
