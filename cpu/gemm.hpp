// SPDX-License-Identifier: Apache-2.0
// How cpu/gemm cuts a problem into blocks: for its loops, and for the choice among algorithms.
#pragma once

#include <algorithm>
#include <convgpu/detail/backend.hpp>
#include <cstdint>
#include <vector>

namespace convgpu::cpu {

/// A rectangle of outputs of all filters of a group, in some planes: the columns of a product of matrices. Its rows are
/// filters, its depth is the taps of their channels.
struct gemm_blocks {
  std::int64_t planes = 1;  ///< of a block at most
  std::int64_t rows = 1;
  std::int64_t cols = 1;
  std::int64_t depth = 1;  ///< products of an output in all
  std::int64_t depth_at_once = 1;
  std::int64_t channels_at_once = 1;  ///< that a part of the depth sees
  std::int64_t height =
      1;  ///< sums of a place in all: one for each filter, two where they are complex
  std::int64_t height_at_once = 1;
  std::int64_t span_rows = 1;  ///< rows of x̃ that a block needs at a time, of a plane and a channel
  std::int64_t span_cols = 1;

  [[nodiscard]] std::int64_t places() const noexcept { return planes * rows * cols; }
};

/// Sums are made in vectors of `cols`/2 numbers of so many bytes; `rows` of them stay in registers.
[[nodiscard]] inline gemm_blocks gemm_blocks_for(const detail::normal_form& form, int parts_in,
                                                 int parts_out, int rows, int cols,
                                                 std::int64_t bytes) {
  // A panel of samples stays in the first-level cache; rows of x̃ and a part of all taps stay in the second.
  constexpr std::int64_t panel_bytes = 20 * 1024;
  constexpr std::int64_t most_height = 264;
  constexpr std::int64_t most_panels = 16;
  constexpr std::int64_t rows_bytes = 192 * 1024;
  const auto shared = [](std::int64_t n, std::int64_t most) {
    return (n - 1) / ((n - 1) / std::max<std::int64_t>(most, 1) + 1) + 1;
  };
  gemm_blocks b;
  const std::int64_t of_row = form.col.taps * parts_in;
  const std::int64_t of_channel = form.row.taps * of_row;
  const std::int64_t most_depth = panel_bytes / (cols * bytes);
  b.depth = form.channels * of_channel;
  b.height = form.filters * parts_out;
  b.height_at_once = b.height <= most_height + rows
                         ? b.height
                         : (shared(b.height, most_height) + rows - 1) / rows * rows;
  const std::int64_t most = most_panels * cols;
  if (form.col.out > most) {
    b.cols = (shared(form.col.out, most) + cols - 1) / cols * cols;
  } else {
    b.cols = form.col.out;
    b.rows = shared(form.row.out, most / b.cols);
    if (b.rows == form.row.out) b.planes = shared(form.planes, most / (b.cols * b.rows));
  }
  b.span_cols = (b.cols - 1) * form.col.stride + form.col.reach();
  // As many rows of the filter as a part of the depth may touch.
  const auto span_rows = [&](std::int64_t of_filter) {
    return (b.rows - 1) * form.row.stride + (of_filter - 1) * form.row.dilation + 1;
  };
  if (of_channel > most_depth) {  // parts of channels
    b.depth_at_once = shared(b.depth, most_depth);
    b.channels_at_once = std::min<std::int64_t>(form.channels, 2);
    b.span_rows = span_rows(std::min(form.row.taps, (b.depth_at_once - 1) / of_row + 2));
  } else {
    b.span_rows = span_rows(form.row.taps);
    // Strides may be as long as numbers get.
    const std::int64_t of_rows = detail::saturated_product(
        b.planes * parts_in * bytes, detail::saturated_product(b.span_rows, b.span_cols));
    b.channels_at_once =
        shared(form.channels, std::min(most_depth / of_channel, rows_bytes / of_rows));
    b.depth_at_once = b.channels_at_once * of_channel;
  }
  return b;
}

}  // namespace convgpu::cpu
