// SPDX-License-Identifier: Apache-2.0
// What kernels are given: plain structs by value, in which everything is already computed.
#pragma once

#include <convgpu/detail/normal_form.hpp>
#include <convgpu/error.hpp>
#include <convgpu/types.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>

#include "tile_grid.hpp"

namespace convgpu::cuda {

/// An array in device memory.
struct device_array {
  void* data;
  dtype type;
  strides step;
};

/// Channel c of it alone.
[[nodiscard]] inline device_array channel_of(device_array a, std::int64_t c) {
  a.data = static_cast<std::byte*>(a.data) +
           c * a.step.channel * static_cast<std::int64_t>(size_of(a.type));
  return a;
}

/// A problem and where its data lies; of several channels, the first one. `rows` and `cols` of the output are this launch's.
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

/// Tiles in a grid at most.
constexpr std::int64_t most_tiles = 2147483647;

/// Tiles of a plane along each axis.
struct tile_counts {
  std::int64_t rows;
  std::int64_t cols;
};
[[nodiscard]] constexpr tile_counts count_tiles(std::int64_t rows, std::int64_t cols, int tile_rows,
                                                int tile_cols) {
  return {.rows = (rows + tile_rows - 1) / tile_rows, .cols = (cols + tile_cols - 1) / tile_cols};
}

/// Calls f(part of p, its grid) for as many planes at once as make one grid; those of a plane, of so many images each,
/// must do.
template <class F>
void for_each_grid(const image_params& p, int tile_rows, int tile_cols, F&& f,
                   std::int64_t images = 1) {
  const tile_counts tiles =
      count_tiles(p.rows.last - p.rows.first, p.cols.last - p.cols.first, tile_rows, tile_cols);
  if (tiles.rows == 0 || tiles.cols == 0) return;
  if (tiles.cols > most_tiles / tiles.rows || images > most_tiles / (tiles.rows * tiles.cols))
    throw unsupported("more than 2^31 tiles in a plane");
  const std::int64_t at_once = most_tiles / (tiles.rows * tiles.cols * images);
  for (std::int64_t plane = 0; plane < p.planes; plane += at_once) {
    image_params part = p;
    part.planes = p.planes - plane < at_once ? p.planes - plane : at_once;
    for (device_array* a : {&part.in, &part.out})
      a->data = static_cast<std::byte*>(a->data) +
                plane * a->step.plane * static_cast<std::int64_t>(size_of(a->type));
    f(part, tile_grid{.rows = divisor(static_cast<std::uint32_t>(tiles.rows)),
                      .cols = divisor(static_cast<std::uint32_t>(tiles.cols)),
                      .total = static_cast<std::uint32_t>(tiles.rows * tiles.cols * part.planes) *
                               static_cast<std::uint32_t>(images)});
  }
}

}  // namespace convgpu::cuda
