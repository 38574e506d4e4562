// SPDX-License-Identifier: Apache-2.0
// How large the error of a convolution by fft.hpp can be at most; see detail/fft_error.hpp.
#pragma once

#include <convgpu/detail/fft_error.hpp>
#include <cstdint>

#include "fft.hpp"

namespace convgpu::cpu {

/// Of an output, as a fraction of ‖h‖₁·max|x|. `norms` is ‖h‖₂/‖h‖₁, `roundoff` u, `samples` how many a point holds.
inline double fft_error(fft_size size, int lanes, double norms, double roundoff, int samples) {
  return detail::transform_error(size.points(), norms, roundoff, samples,
                                 [&](const auto& f) { for_each_pass(size, lanes, f); });
}

}  // namespace convgpu::cpu
