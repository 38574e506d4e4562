// SPDX-License-Identifier: Apache-2.0
// cuda/direct: direct summation from tiles in shared memory. Filters of one row are in direct_row.cu.
//
// A block makes one tile of outputs after another. As many taps as a chunk has are worked off with one load:
//
//   load   x̃ under the tile and under those taps, borders resolved, and the taps themselves
//   sum    each thread slides a window down x̃; new samples and a tap, read once, serve as many products as
//          it makes outputs
//   store  by way of shared memory, so that the type of the output is asked for once for the whole tile
//
// Small square filters have kernels of their own: loops of known length, and taps among the parameters.
// A tap that is zero is stepped over, by a branch that is the same for all threads: 0 · NaN stays out, and
// zeros cost nothing.

#include <algorithm>

#include "algorithms.hpp"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "sums.hpp"
#include "taps.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

/// Where a tile of the grid lies.
struct tile_origin {
  std::int64_t i;
  std::int64_t j;
  std::int64_t plane;
};
__device__ __forceinline__ tile_origin origin_of(std::uint32_t t, const tile_grid& grid,
                                                 direct_tile shape, const image_params& p) {
  const tile_place place(t, grid);
  return {.i = p.rows.first + place.row * shape.out_rows(),
          .j = p.cols.first + place.col * shape.out_cols(),
          .plane = place.plane};
}

/// Adds kn × ln products to each of a thread's outputs, of which `corner` is under the first one. `Known` is
/// the filter's extent where the compiler knows it, else 0.
template <int Known, int Rows, int Cols, class Sample, class Sum, class TapAt>
__device__ __forceinline__ void slide_down(Sum (&sums)[Rows][Cols], const Sample* corner, int pitch,
                                           int kn, int ln, TapAt&& tap) {
  [[maybe_unused]] constexpr int along = Known == 0 ? 1 : Known;
  [[maybe_unused]] constexpr int down = Known == 0 ? 8 : Known;
#pragma unroll along
  for (int l = 0; l < (Known == 0 ? ln : Known); ++l) {
    const Sample* const column = corner + ((Known == 0 ? ln : Known) - 1 - l);
    Sample window[Rows][Cols];
#pragma unroll
    for (int r = 0; r < Rows - 1; ++r)
#pragma unroll
      for (int c = 0; c < Cols; ++c) window[r][c] = column[direct_tile::offset(r, c, pitch)];
#pragma unroll down
    for (int m = 0; m < (Known == 0 ? kn : Known); ++m) {
#pragma unroll
      for (int c = 0; c < Cols; ++c)
        window[Rows - 1][c] = column[direct_tile::offset(Rows - 1 + m, c, pitch)];
      const auto h = tap((Known == 0 ? kn : Known) - 1 - m, l);
      if (h != decltype(h){}) {
#pragma unroll
        for (int r = 0; r < Rows; ++r)
#pragma unroll
          for (int c = 0; c < Cols; ++c) sums[r][c] += detail::product<Sum>(h, window[r][c]);
      }
#pragma unroll
      for (int r = 0; r < Rows - 1; ++r)
#pragma unroll
        for (int c = 0; c < Cols; ++c) window[r][c] = window[r + 1][c];
    }
  }
}

/// A thread's sums to their places in the output, by way of shared memory.
template <int Rows, int Cols, class Sum>
__device__ __forceinline__ void store_sums(const Sum (&sums)[Rows][Cols], const tile_origin& at,
                                           const image_params& p) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
  const int pitch = shape.out_cols();
  __syncthreads();  // everybody has read the last chunk: its place is taken by the sums
  auto* const results = reinterpret_cast<Sum*>(dynamic_shared());
#pragma unroll
  for (int r = 0; r < Rows; ++r)
#pragma unroll
    for (int c = 0; c < Cols; ++c)
      results[shape.first(thread_of_block(), pitch) + shape.offset(r, c, pitch)] = sums[r][c];
  __syncthreads();
  store_tile(results, pitch, shape.out_rows(), shape.out_cols(), at.i, at.j, at.plane, p);
}

template <class Sample, class Tap, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    direct_kernel(const __grid_constant__ params<Tap> p, const __grid_constant__ tile_grid grid) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
  auto* const tile = reinterpret_cast<Sample*>(dynamic_shared());
  auto* const taps = reinterpret_cast<Tap*>(
      dynamic_shared() + (shape.samples(p.row.taps, p.col.taps) * sizeof(Sample) + 15) / 16 * 16);

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    Sum sums[shape.rows][shape.cols] = {};

    for (std::int64_t k0 = 0; k0 < p.row.taps; k0 += shape.chunk)
      for (std::int64_t l0 = 0; l0 < p.col.taps; l0 += shape.chunk) {
        const int kn = static_cast<int>(smaller<std::int64_t>(shape.chunk, p.row.taps - k0));
        const int ln = static_cast<int>(smaller<std::int64_t>(shape.chunk, p.col.taps - l0));
        const int pitch = shape.out_cols() + ln - 1;
        // Worked out anew when it is asked for: kept through the sums it would take registers that they need.
        const tile_origin at = origin_of(t, grid, shape, p);
        __syncthreads();  // everybody has read the chunk before
        load_tile<shape.wide, shape.deep>(tile, pitch, shape.out_rows() + kn - 1, pitch,
                                          p.row.at(at.i, k0 + kn - 1), p.col.at(at.j, l0 + ln - 1),
                                          at.plane, p);
        load_taps(taps, k0, l0, kn, ln, p);
        __syncthreads();
        slide_down<0>(sums, tile + shape.first(thread_of_block(), pitch), pitch, kn, ln,
                      [&](int k, int l) { return taps[k * ln + l]; });
      }
    store_sums(sums, origin_of(t, grid, shape, p), p);
  }
}

template <class Sample, class Tap, class Sum, int Extent>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    direct_small_kernel(const __grid_constant__ small_params<Tap, Extent * Extent> p,
                        const __grid_constant__ tile_grid grid) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
  constexpr int pitch = shape.out_cols() + Extent - 1;
  auto* const tile = reinterpret_cast<Sample*>(dynamic_shared());

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const tile_origin at = origin_of(t, grid, shape, p);
    Sum sums[shape.rows][shape.cols] = {};
    __syncthreads();  // everybody has stored the tile before
    load_tile<shape.wide, shape.deep>(tile, pitch, shape.out_rows() + Extent - 1, pitch,
                                      p.row.at(at.i, Extent - 1), p.col.at(at.j, Extent - 1),
                                      at.plane, p);
    __syncthreads();
    slide_down<Extent>(sums, tile + shape.first(thread_of_block(), pitch), pitch, Extent, Extent,
                       [&](int k, int l) { return p.taps[k * Extent + l]; });
    store_sums(sums, at, p);
  }
}

template <class Sum>
std::string tiles_of() {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
  return "tiles of " + std::to_string(shape.out_rows()) + " x " + std::to_string(shape.out_cols());
}

template <class Sample, class Tap, class Sum>
class direct final : public kernels {
 public:
  explicit direct(const detail::tap_values& taps) : taps_(on_device(taps_as<Tap>(taps))) {
    load(direct_kernel<Sample, Tap, Sum>);
  }

  [[nodiscard]] std::string parameters() const override { return tiles_of<Sum>(); }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
    const std::size_t shared = direct_shared_bytes(shape, sizeof(Sample), sizeof(Tap), sizeof(Sum),
                                                   p.row.taps, p.col.taps);
    for_each_grid(p, shape.out_rows(), shape.out_cols(), [&](const auto& part, const auto& grid) {
      cuda::launch(direct_kernel<Sample, Tap, Sum>, grid.total, shared, on,
                   params<Tap>{part, static_cast<const Tap*>(taps_.data())}, grid);
    });
  }

 private:
  device_memory taps_;
};

template <class Sample, class Tap, class Sum, int Extent>
class direct_small final : public kernels {
 public:
  explicit direct_small(const detail::request& r) : taps_(taps_as<Tap>(r.filter.values)) {
    load(direct_small_kernel<Sample, Tap, Sum, Extent>);
  }

  [[nodiscard]] std::string parameters() const override {
    return tiles_of<Sum>() + ", made for " + std::to_string(Extent) + " x " +
           std::to_string(Extent);
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
    constexpr std::size_t shared =
        direct_shared_bytes(shape, sizeof(Sample), sizeof(Tap), sizeof(Sum), Extent, Extent);
    for_each_grid(p, shape.out_rows(), shape.out_cols(), [&](const auto& part, const auto& grid) {
      small_params<Tap, Extent * Extent> with_taps{part, {}};
      std::copy(taps_.begin(), taps_.end(), with_taps.taps);
      cuda::launch(direct_small_kernel<Sample, Tap, Sum, Extent>, grid.total, shared, on, with_taps,
                   grid);
    });
  }

 private:
  std::vector<Tap> taps_;
};

/// Kernels for small filters are made for real numbers of one type all through.
template <class Sample, class Tap, class Sum>
constexpr bool has_small_kernels =
    std::is_same_v<Sample, Tap>&& std::is_same_v<Tap, Sum> && !detail::is_complex_type<Sum>;

template <class Sample, class Tap, class Sum>
std::unique_ptr<const kernels> tiled(const detail::request& r) {
  if constexpr (has_small_kernels<Sample, Tap, Sum>) {
    if (r.form.row.taps == r.form.col.taps) switch (r.form.row.taps) {
        case 3: return std::make_unique<direct_small<Sample, Tap, Sum, 3>>(r);
        case 5: return std::make_unique<direct_small<Sample, Tap, Sum, 5>>(r);
        case 7: return std::make_unique<direct_small<Sample, Tap, Sum, 7>>(r);
        default: break;
      }
  }
  return std::make_unique<direct<Sample, Tap, Sum>>(r.filter.values);
}

}  // namespace

std::string refuse_direct(const detail::request& r) {
  for (const detail::axis* a : {&r.form.row, &r.form.col})
    if (a->stride != 1 || a->dilation != 1) return "its tiles are for strides and dilations of 1";
  // No tile is smaller.
  const tile_counts tiles = count_tiles(r.form.row.out, r.form.col.out, 8, 32);
  if (tiles.cols > most_tiles / tiles.rows) return "more than 2^31 tiles in a plane";
  return {};
}

std::unique_ptr<const kernels> direct_kernels(const detail::request& r) {
  if (r.form.row.taps == 1 && r.form.col.out >= row_tile_from)
    return direct_row_kernels(r, r.filter.values);
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() { return tiled<Sample, Tap, Sum>(r); });
}

std::unique_ptr<const kernels> direct_column_kernels(const detail::request& r,
                                                     const detail::tap_values& taps) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        if constexpr (std::is_same_v<Sum, detail::int128>) return nullptr;
        else return std::make_unique<direct<Sum, Tap, Sum>>(taps);
      });
}

}  // namespace convgpu::cuda
