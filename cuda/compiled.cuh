// SPDX-License-Identifier: Apache-2.0
// The kernel of cuda/compiled, the last part of what goes to NVRTC. compiled.cpp writes what stands before it:
//
//   block_threads, blocks_at_once  and what else direct_tile or row_tile of tuning.hpp say: rows, cols, wide, deep
//   lines                          0 for an image; 1 or 8: such lines in a block, of filters of one row
//   row_taps, col_taps, border     of the problem
//   CONVGPU_TAPS                   TAP(m, l, h) for each tap that is not zero, in the order of cuda/direct: h times the
//                                  sample that is m along a thread's outputs, and l columns to the right
#pragma once

#include "compiled_params.hpp"
#include "tile.cuh"

namespace convgpu::cuda {

// A thread's `rows` outputs are neighbours on a line, or lie below one another and `cols` times a warp's width apart.
constexpr int across = lines == 0 ? warp : block_threads / lines;
constexpr int out_rows = lines == 0 ? block_threads / warp * rows : lines;
constexpr int out_cols = lines == 0 ? warp * cols : across * rows;
constexpr int group = lines == 0 ? 0 : rows;
constexpr int pitch = spread<group>(out_cols + col_taps - 1);

/// Where in shared memory a thread's first output lies, or the first sample that it looks at, and how far from there
/// what is `s` further along its outputs.
constexpr int first(int thread) {
  return lines == 0 ? thread / warp * rows * pitch + thread % warp
                    : thread / across * pitch + thread % across * (rows + 1);
}
constexpr int along(int s) {
  return lines == 0 ? s * pitch : spread<group>(s);
}

}  // namespace convgpu::cuda

extern "C" __global__ void __launch_bounds__(convgpu::cuda::block_threads,
                                             convgpu::cuda::blocks_at_once)
    convgpu_compiled(const __grid_constant__ convgpu::cuda::compiled_params p) {
  using namespace convgpu::cuda;
  auto* const tile = reinterpret_cast<float*>(dynamic_shared());
  float* const mine = tile + first(thread_of_block());
  const int left = thread_of_block() % across;

  for (std::uint32_t t = blockIdx.x; t < p.grid.total; t += gridDim.x) {
    const tile_place place(t, p.grid);
    const std::int64_t i0 = p.first_row + place.row * out_rows;
    const std::int64_t j0 = p.first_col + place.col * out_cols;
    const plane_of<float> from{.data = p.in + place.plane * p.in_plane,
                               .rows = p.in_rows,
                               .cols = p.in_cols,
                               .down = p.in_row,
                               .right = p.in_col};
    __syncthreads();  // everybody has read the tile before
    load_plane<wide, deep, group>(
        tile, pitch, out_rows + row_taps - 1, out_cols + col_taps - 1,
        p.row_start + i0 - (row_taps - 1), p.col_start + j0 - (col_taps - 1), from, border, across,
        [](float sample) { return sample; }, [&] { return p.outside; });
    __syncthreads();

    // A sample that several taps want is read once: nothing is written in between.
    float sums[rows][cols] = {};
#define TAP(m, l, h)                                                 \
  _Pragma("unroll") for (int r = 0; r < rows; ++r)                   \
      _Pragma("unroll") for (int c = 0; c < cols; ++c) sums[r][c] += \
      h * mine[along(r + m) + c * warp + l];
    CONVGPU_TAPS

    // Worked out anew: kept through the sums it would take registers that they need.
    const tile_place put(t, p.grid);
    const int line = thread_of_block() / across;
    const std::int64_t i = p.first_row + put.row * out_rows + line * (lines == 0 ? rows : 1);
    const std::int64_t j = p.first_col + put.col * out_cols + left;
    float* to = p.out + put.plane * p.out_plane + i * p.out_row + j * p.out_col;
    const int last_col = static_cast<int>(smaller<std::int64_t>(out_cols, p.last_col - j));
    if constexpr (lines == 0) {
      const int last_row = static_cast<int>(smaller<std::int64_t>(rows, p.last_row - i));
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        if (r >= last_row) break;
#pragma unroll
        for (int c = 0; c < cols; ++c)
          if (c * warp < last_col) store_global(to + c * warp * p.out_col, sums[r][c]);
        to += p.out_row;
      }
    } else {
      // By way of shared memory: threads hold runs, memory wants neighbours.
      __syncthreads();
#pragma unroll
      for (int r = 0; r < rows; ++r) mine[r] = sums[r][0];
      __syncthreads();
      if (i >= p.last_row) continue;
#pragma unroll
      for (int c = 0; c < rows; ++c)
        if (c * across < last_col)
          store_global(to + c * across * p.out_col,
                       tile[line * pitch + spread<group>(left + c * across)]);
    }
  }
}
