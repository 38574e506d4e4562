// SPDX-License-Identifier: Apache-2.0
// What the kernel of cuda/compiled is given. A part of what goes to NVRTC, which has no other headers.
#pragma once

#include <cstdint>

#include "tile_grid.hpp"

namespace convgpu::cuda {

struct compiled_params {
  const float* in;
  float* out;
  std::int64_t in_plane, in_row, in_col;  // steps
  std::int64_t out_plane, out_row, out_col;
  std::int64_t in_rows, in_cols;
  std::int64_t row_start, col_start;  // of x̃ under tap 0 of output 0
  std::int64_t first_row, last_row;   // of this launch
  std::int64_t first_col, last_col;
  float outside;
  tile_grid grid;
};

}  // namespace convgpu::cuda
