// SPDX-License-Identifier: Apache-2.0
// Several filters on the CPU, each by an algorithm for one.
#pragma once

#include <convgpu/detail/singles.hpp>

namespace convgpu::cpu {

using maker = std::unique_ptr<const detail::runnable> (*)(const detail::request&);

/// `r` has channels, and refuse_singles nothing against it.
[[nodiscard]] std::unique_ptr<const detail::runnable> make_singles(const detail::request& r,
                                                                   maker make);

template <maker Make>
[[nodiscard]] std::unique_ptr<const detail::runnable> make_each(const detail::request& r) {
  return r.form.has_channels() ? make_singles(r, Make) : Make(r);
}

}  // namespace convgpu::cpu
