// SPDX-License-Identifier: Apache-2.0
// What cpu/overlap_save would do with a problem: for the choice among algorithms.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstdint>
#include <optional>

#include "fft.hpp"

namespace convgpu::cpu {

/// The cheapest size of blocks whose error is allowed.
struct overlap_save_blocks {
  fft_size points;
  std::int64_t rows = 1;  ///< outputs that a block makes
  std::int64_t cols = 1;
  std::int64_t count = 1;
  double seconds = 0;  ///< predicted, on one thread
  double error = 0;    ///< at most, as a fraction of ‖h‖₁·max|x|
};

/// The largest error that is allowed, as a fraction of ‖h‖₁·max|x|.
[[nodiscard]] double allowed_transform_error(const detail::request& r);
/// None where no size will do.
[[nodiscard]] std::optional<overlap_save_blocks> overlap_save_blocks_for(const detail::request& r,
                                                                         double allowed_error);

}  // namespace convgpu::cpu
