// SPDX-License-Identifier: Apache-2.0
// What kernels are given: plain structs by value, in which everything is already computed.
#pragma once

#include <convgpu/detail/normal_form.hpp>
#include <convgpu/types.hpp>
#include <convgpu/view.hpp>
#include <cstdint>

namespace convgpu::cuda {

/// An array in device memory.
struct device_array {
  void* data;
  dtype type;
  strides step;
};

/// A problem and where its data lies. `rows` and `cols` of the output are this launch's.
struct image_params {
  device_array in;  // never written
  device_array out;
  detail::axis row;
  detail::axis col;
  std::int64_t planes;
  detail::range rows;
  detail::range cols;
  border_kind border;
  overflow policy;
  double outside_re;
  double outside_im;
};

/// The filter: device memory, row-major, as convolution wants it.
template <class Tap>
struct params : image_params {
  const Tap* taps;
};

/// The same for a filter whose taps travel with the launch.
template <class Tap, int Most>
struct small_params : image_params {
  Tap taps[Most];
};

/// How a launch is cut into tiles, one for a block at a time.
struct tile_grid {
  std::int64_t rows;  // tiles along each axis
  std::int64_t cols;
  std::int64_t total;  // times planes
};

[[nodiscard]] constexpr tile_grid cut(const image_params& p, int tile_rows, int tile_cols) {
  const std::int64_t rows = (p.rows.last - p.rows.first + tile_rows - 1) / tile_rows;
  const std::int64_t cols = (p.cols.last - p.cols.first + tile_cols - 1) / tile_cols;
  return {.rows = rows, .cols = cols, .total = rows * cols * p.planes};
}

}  // namespace convgpu::cuda
