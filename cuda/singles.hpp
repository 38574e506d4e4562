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

/// The largest that `of` says of a request for any of the filters alone, or the least, as `which` has it of two.
template <class Of, class Which>
double of_filters(const detail::request& r, const Of& of, const Which& which) {
  if (!r.form.has_channels()) return of(r);
  const detail::normal_form one = detail::single_form(r.form);
  double found = of({one, r.filter.singles.front(), r.how, r.device});
  for (const detail::filter_taps& filter : r.filter.singles)
    found = which(found, of({one, filter, r.how, r.device}));
  return found;
}
/// What blocks are chosen by that are for all of the filters.
[[nodiscard]] double allowed_error_of_all(const detail::request& r);
[[nodiscard]] double norms_ratio_of_all(const detail::request& r);

/// Whether one scale of samples will do for all of the filters: their norms are not far apart.
[[nodiscard]] bool are_of_like_norms(const detail::request& r);

}  // namespace convgpu::cuda
