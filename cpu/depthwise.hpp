// SPDX-License-Identifier: Apache-2.0
// How cpu/depthwise cuts a problem into blocks: for its loops, and for the choice among algorithms.
#pragma once

#include <algorithm>
#include <convgpu/detail/normal_form.hpp>
#include <cstdint>

#include "blocks.hpp"

namespace convgpu::cpu {

/// Samples of x̃ that the outputs of a block see.
struct depthwise_span {
  std::int64_t rows;
  std::int64_t cols;
};
[[nodiscard]] inline depthwise_span span_of(const detail::normal_form& form, std::int64_t rows,
                                            std::int64_t cols) {
  return {(rows - 1) * form.row.stride + form.row.reach(),
          (cols - 1) * form.col.stride + form.col.reach()};
}

/// Blocks of rows and columns of outputs of some channels, `width` of which are computed at once, of numbers of so many
/// bytes.
[[nodiscard]] inline block_grid depthwise_grid(const detail::normal_form& form, std::int64_t width,
                                               std::int64_t bytes) {
  // Samples of a block stay in the second-level cache; what is begun with it takes as long as some samples.
  constexpr std::int64_t block_bytes = 256 * 1024;
  constexpr std::int64_t most_cols = 4096;
  constexpr std::int64_t samples_of_a_task = 16 * 1024;
  const auto shared = [](std::int64_t all, std::int64_t most) {
    most = std::clamp<std::int64_t>(most, 1, all);
    return cut{all, (all - 1) / ((all - 1) / most + 1) + 1};
  };
  block_grid grid;
  grid.planes = {form.planes, 1};
  // Neighbouring channels are loaded together, as many as a few lines of the cache hold.
  const std::int64_t together =
      width == 1 ? 1 : std::min((form.groups - 1) / width * width + width, 16 * width);
  grid.cols = shared(form.col.out, std::max<std::int64_t>(most_cols / together, 16));
  const std::int64_t row_bytes = span_of(form, 1, grid.cols.at_once).cols * together * bytes;
  grid.rows =
      shared(form.row.out, (block_bytes / row_bytes - form.row.reach()) / form.row.stride + 1);
  const depthwise_span span = span_of(form, grid.rows.at_once, grid.cols.at_once);
  const std::int64_t channels =
      width == 1 ? std::max<std::int64_t>(samples_of_a_task / (span.rows * span.cols), 1)
                 : together;
  grid.height = {form.groups, std::min(form.groups, channels)};
  return grid;
}

}  // namespace convgpu::cpu
