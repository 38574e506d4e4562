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
  // A panel of samples stays in the first-level cache, a block of them in half of the second.
  constexpr std::int64_t panel_bytes = 20 * 1024;
  constexpr std::int64_t block_bytes = 240 * 1024;
  constexpr std::int64_t most_height = 240;
  const auto shared = [](std::int64_t n, std::int64_t most) {
    return (n - 1) / ((n - 1) / most + 1) + 1;
  };
  gemm_blocks b;
  b.depth = form.channels * form.row.taps * form.col.taps * parts_in;
  b.depth_at_once = shared(b.depth, panel_bytes / (cols * bytes));
  b.height = form.filters * parts_out;
  b.height_at_once = b.height <= most_height + rows ? b.height : most_height / rows * rows;
  const std::int64_t room =
      std::max<std::int64_t>(block_bytes / bytes / b.depth_at_once / cols, 4) * cols;
  const std::int64_t most = std::min<std::int64_t>(room, 16 * cols);
  if (form.col.out > most) {
    b.cols = (shared(form.col.out, most) + cols - 1) / cols * cols;
  } else {
    b.cols = form.col.out;
    b.rows = shared(form.row.out, std::max<std::int64_t>(most / b.cols, 1));
    if (b.rows == form.row.out)
      b.planes = shared(form.planes, std::max<std::int64_t>(most / (b.cols * b.rows), 1));
  }
  // As many rows of the filter as a part of the depth may touch.
  const std::int64_t of_filter =
      std::min(form.row.taps, (b.depth_at_once - 1) / (form.col.taps * parts_in) + 2);
  b.span_rows = (b.rows - 1) * form.row.stride + (of_filter - 1) * form.row.dilation + 1;
  b.span_cols = (b.cols - 1) * form.col.stride + form.col.reach();
  return b;
}

}  // namespace convgpu::cpu
