// SPDX-License-Identifier: Apache-2.0
// How cpu/depthwise cuts a problem into blocks: for its loops, and for the choice among algorithms.
#pragma once

#include <algorithm>
#include <convgpu/detail/normal_form.hpp>
#include <cstdint>

#include "blocks.hpp"

namespace convgpu::cpu {

/// Columns of a block, where there are so many.
constexpr std::int64_t least_cols = 16;

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

/// Samples of x̃ that a block of one row of outputs would have at least: as floating-point numbers, which do not
/// overflow.
[[nodiscard]] inline double least_span(const detail::normal_form& form) {
  const double cols = static_cast<double>(std::min<std::int64_t>(form.col.out, least_cols) - 1) *
                          static_cast<double>(form.col.stride) +
                      static_cast<double>(form.col.reach());
  return static_cast<double>(form.row.reach()) * cols;
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
  // Narrower where strides are long or filters high, for a block holds all samples between its outputs.
  const std::int64_t each = together * std::max<std::int64_t>(form.col.stride / 4, 1) *
                            std::max<std::int64_t>(form.row.reach() / 64, 1);
  grid.cols = shared(form.col.out, std::max<std::int64_t>(most_cols / each, least_cols));
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
