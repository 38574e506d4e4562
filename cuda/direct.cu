// SPDX-License-Identifier: Apache-2.0
// cuda/direct: direct summation from tiles in shared memory. Filters of one row are in direct_row.cu.
//
// A block makes one tile of outputs after another. As many taps as a chunk has are worked off with one load:
//
//   load   x̃ under the tile and under those taps, borders resolved, and the taps themselves
//   sum    each thread slides a window down x̃; new samples and a tap, read once, serve as many products as
//          it makes outputs
//   store  from registers: neighbours lie in neighbouring threads
//
// Filters that see one channel each are one launch: those of a channel go over one tile, one after the other. Small
// square filters have kernels of their own: loops of known length, and of a single one taps among the parameters.
// A tap that is zero is stepped over, by a branch that is the same for all threads: 0 · NaN stays out, and
// zeros cost nothing.

#include <algorithm>

#include "algorithms.hpp"
#include "bank.hpp"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "sums.hpp"
#include "taps.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

/// Kernels for small filters are made for real numbers of one type all through.
template <class Sample, class Tap, class Sum>
constexpr bool has_small_kernels =
    std::is_same_v<Sample, Tap>&& std::is_same_v<Tap, Sum> && !detail::is_complex_type<Sum>;

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
  // Of integers, and in tiles of few rows, fewer at a time: more of them take registers that there are not.
  [[maybe_unused]] constexpr int down = Known != 0                            ? Known
                                        : Rows < 4 || std::is_integral_v<Sum> ? 4
                                                                              : 8;
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

/// A thread's sums to their places in the output, and nothing of them left: a warp's width apart, they coalesce as they
/// are. The type of the output is asked for once; what must be converted is stored row by row, since conversions are
/// long enough once.
template <int Rows, int Cols, class Sum>
__device__ __forceinline__ void store_sums(Sum (&sums)[Rows][Cols], const tile_origin& at,
                                           std::int64_t channel, const image_params& p) {
  const int thread = thread_of_block();
  const std::int64_t i = at.i + thread / warp * Rows;
  const std::int64_t j = at.j + thread % warp;
  const int last_row = static_cast<int>(smaller<std::int64_t>(Rows, p.rows.last - i));
  const int last_col = static_cast<int>(smaller<std::int64_t>(Cols * warp, p.cols.last - j));
  with_stored_type<Sum>(p.out.type, [&]<class Out>() {
    [[maybe_unused]] constexpr int together = std::is_same_v<Out, Sum> ? Rows : 1;
    Out* line = static_cast<Out*>(p.out.data) + at.plane * p.out.step.plane +
                channel * p.out.step.channel + i * p.out.step.row + j * p.out.step.col;
#pragma unroll together
    for (int r = 0; r < Rows; ++r) {
      if (r >= last_row) break;
#pragma unroll
      for (int c = 0; c < Cols; ++c)
        if (c * warp < last_col)
          store_global(line + c * warp * p.out.step.col,
                       detail::element_of<Out>(sums[0][c], p.policy));
#pragma unroll
      for (int q = 0; q < Rows - 1; ++q)
#pragma unroll
        for (int c = 0; c < Cols; ++c) sums[q][c] = sums[q + 1][c];
      line += p.out.step.row;
    }
  });
}

template <class Tap>
struct direct_params : params<Tap> {
  bank filters;
  int together;  // of which the taps are loaded at once
};

/// `Known` as above. A tile under which all taps lie at once is loaded for the first of its filters, and serves all.
template <class Sample, class Tap, class Sum, int Known, bool Narrow>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    direct_kernel(const __grid_constant__ direct_params<Tap> p,
                  const __grid_constant__ tile_grid grid) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum), Narrow);
  auto* const tile = reinterpret_cast<Sample*>(dynamic_shared());
  auto* const taps = reinterpret_cast<Tap*>(
      dynamic_shared() + (shape.samples(p.row.taps, p.col.taps) * sizeof(Sample) + 15) / 16 * 16);
  const std::int64_t row_taps = Known == 0 ? p.row.taps : Known;
  const std::int64_t col_taps = Known == 0 ? p.col.taps : Known;
  const bool at_once = row_taps <= shape.chunk && col_taps <= shape.chunk;

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const int filters = bank_place(tile_place(t, grid).image(), p.filters).filters;
    int staged = p.together;  // filters of which taps are there and used
    for (int f = 0; f < filters; ++f, ++staged) {
      Sum sums[shape.rows][shape.cols] = {};
      if (staged == p.together) staged = 0;

      for (std::int64_t k0 = 0; k0 < row_taps; k0 += shape.chunk)
        for (std::int64_t l0 = 0; l0 < col_taps; l0 += shape.chunk) {
          const int kn = static_cast<int>(smaller<std::int64_t>(shape.chunk, row_taps - k0));
          const int ln = static_cast<int>(smaller<std::int64_t>(shape.chunk, col_taps - l0));
          const int pitch = shape.out_cols() + ln - 1;
          if (staged == 0) {
            // Worked out anew when it is asked for: kept through the sums it would take registers that they need.
            const bank_place image(tile_place(t, grid).image(), p.filters);
            __syncthreads();  // everybody has read the chunk before
            if (f == 0 || !at_once) {
              const tile_origin at = origin_of(t, grid, shape, p);
              load_tile<shape.wide, shape.deep>(
                  tile, pitch, shape.out_rows() + kn - 1, pitch, p.row.at(at.i, k0 + kn - 1),
                  p.col.at(at.j, l0 + ln - 1), image.plane, p, warp, image.channel);
            }
            const int some = smaller(p.together, filters - f);
            load_taps(taps, (image.first_filter + f) * row_taps + k0, l0, some * kn, ln, p);
            __syncthreads();
          }
          slide_down<Known>(sums, tile + shape.first(thread_of_block(), pitch), pitch, kn, ln,
                            [&](int k, int l) { return taps[(staged * kn + k) * ln + l]; });
        }
      const bank_place image(tile_place(t, grid).image(), p.filters);
      tile_origin at = origin_of(t, grid, shape, p);
      at.plane = image.plane;
      store_sums(sums, at, image.first_filter + f, p);
    }
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
    __syncthreads();  // everybody has read the tile before
    load_tile<shape.wide, shape.deep>(tile, pitch, shape.out_rows() + Extent - 1, pitch,
                                      p.row.at(at.i, Extent - 1), p.col.at(at.j, Extent - 1),
                                      at.plane, p);
    __syncthreads();
    slide_down<Extent>(sums, tile + shape.first(thread_of_block(), pitch), pitch, Extent, Extent,
                       [&](int k, int l) { return p.taps[k * Extent + l]; });
    store_sums(sums, at, 0, p);
  }
}

std::string tiles_of(const direct_tile& shape) {
  return "tiles of " + std::to_string(shape.out_rows()) + " x " + std::to_string(shape.out_cols());
}

/// Taps of all filters, one after the other.
template <class Sample, class Tap, class Sum>
class direct final : public kernels {
 public:
  /// `known` is the extent of the filter that there is a kernel for, or 0.
  direct(const detail::request& r, const detail::tap_values& taps, int known)
      : narrow_(is_narrow(r.form.row.out, r.form.col.out, sizeof(Sum))),
        known_(known),
        kernel_(kernel_for(known, narrow_)),
        bank_(bank_of(r)),
        taps_(on_device(taps_as<Tap>(taps))) {
    load(kernel_);
  }

  [[nodiscard]] std::string parameters() const override {
    std::string words = tiles_of(shape());
    if (known_ != 0 && !narrow_)
      words += ", made for " + std::to_string(known_) + " x " + std::to_string(known_);
    if (bank_.filters > 1) words += ", each for " + std::to_string(bank_.of_part) + " filters";
    return words;
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    const int together = std::min(direct_together(shape(), p.row.taps, p.col.taps), bank_.of_part);
    const std::size_t shared =
        direct_shared_bytes(shape(), sizeof(Sample), sizeof(Tap), together, p.row.taps, p.col.taps);
    for_each_grid(
        p, shape().out_rows(), shape().out_cols(),
        [&](const auto& part, const auto& grid) {
          cuda::launch(
              kernel_, grid.total, shared, on,
              direct_params<Tap>{{part, static_cast<const Tap*>(taps_.data())}, bank_, together},
              grid);
        },
        bank_.images());
  }

 private:
  using kernel = void (*)(direct_params<Tap>, tile_grid);

  static kernel kernel_for(int known, bool narrow) {
    if constexpr (sizeof(Sum) <= 8)  // is_narrow says so of no others
      if (narrow) return direct_kernel<Sample, Tap, Sum, 0, true>;
    if constexpr (has_small_kernels<Sample, Tap, Sum>) {
      switch (known) {
        case 3: return direct_kernel<Sample, Tap, Sum, 3, false>;
        case 5: return direct_kernel<Sample, Tap, Sum, 5, false>;
        case 7: return direct_kernel<Sample, Tap, Sum, 7, false>;
        default: break;
      }
    }
    return direct_kernel<Sample, Tap, Sum, 0, false>;
  }
  [[nodiscard]] direct_tile shape() const { return direct_tile_for(sizeof(Sum), narrow_); }
  [[nodiscard]] bank bank_of(const detail::request& r) const {
    const tile_counts tiles =
        count_tiles(r.form.row.out, r.form.col.out, shape().out_rows(), shape().out_cols());
    return bank_for(r.form, tiles.rows * tiles.cols, blocks_worth_launching(r.device));
  }

  bool narrow_;
  int known_;
  kernel kernel_;
  bank bank_;
  device_memory taps_;
};

template <class Sample, class Tap, class Sum, int Extent>
class direct_small final : public kernels {
 public:
  explicit direct_small(const detail::request& r) : taps_(taps_as<Tap>(r.filter.values)) {
    load(direct_small_kernel<Sample, Tap, Sum, Extent>);
  }

  [[nodiscard]] std::string parameters() const override {
    return tiles_of(shape) + ", made for " + std::to_string(Extent) + " x " +
           std::to_string(Extent);
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    constexpr std::size_t shared =
        direct_shared_bytes(shape, sizeof(Sample), sizeof(Tap), 0, Extent, Extent);
    for_each_grid(p, shape.out_rows(), shape.out_cols(), [&](const auto& part, const auto& grid) {
      small_params<Tap, Extent * Extent> with_taps{part, {}};
      std::copy(taps_.begin(), taps_.end(), with_taps.taps);
      cuda::launch(direct_small_kernel<Sample, Tap, Sum, Extent>, grid.total, shared, on, with_taps,
                   grid);
    });
  }

 private:
  static constexpr direct_tile shape = direct_tile_for(sizeof(Sum));

  std::vector<Tap> taps_;
};

template <class Sample, class Tap, class Sum>
std::unique_ptr<const kernels> tiled(const detail::request& r) {
  int known = 0;
  if constexpr (has_small_kernels<Sample, Tap, Sum>) {
    const std::int64_t extent = r.form.row.taps == r.form.col.taps ? r.form.row.taps : 0;
    const bool single =
        !r.form.has_channels() && !is_narrow(r.form.row.out, r.form.col.out, sizeof(Sum));
    if (extent == 3 || extent == 5 || extent == 7) known = static_cast<int>(extent);
    if (single && known == 3) return std::make_unique<direct_small<Sample, Tap, Sum, 3>>(r);
    if (single && known == 5) return std::make_unique<direct_small<Sample, Tap, Sum, 5>>(r);
    if (single && known == 7) return std::make_unique<direct_small<Sample, Tap, Sum, 7>>(r);
  }
  return std::make_unique<direct<Sample, Tap, Sum>>(r, r.filter.values, known);
}

}  // namespace

std::string refuse_direct(const detail::request& r) {
  if (r.form.channels > 1) return "it does not sum channels";
  for (const detail::axis* a : {&r.form.row, &r.form.col})
    if (a->stride != 1 || a->dilation != 1) return "its tiles are for strides and dilations of 1";
  // No tile is smaller.
  const tile_counts tiles = is_of_lines(r.form)
                                ? count_tiles(r.form.row.out, r.form.col.out, 1, 64)
                                : count_tiles(r.form.row.out, r.form.col.out, 8, 32);
  if (detail::saturated_product(detail::saturated_product(tiles.rows, tiles.cols),
                                r.form.out_channels()) > most_tiles)
    return "more than 2^31 tiles in a plane";
  return {};
}

std::unique_ptr<const kernels> direct_kernels(const detail::request& r) {
  if (is_of_lines(r.form)) return direct_line_kernels(r);
  if (r.form.row.taps == 1 && !r.form.has_channels() && r.form.col.out >= row_tile_from)
    return direct_row_kernels(r, r.filter.values);
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() { return tiled<Sample, Tap, Sum>(r); });
}

std::unique_ptr<const kernels> direct_column_kernels(const detail::request& r,
                                                     const detail::tap_values& taps) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        if constexpr (std::is_same_v<Sum, detail::int128>) return nullptr;
        else return std::make_unique<direct<Sum, Tap, Sum>>(r, taps, 0);
      });
}

}  // namespace convgpu::cuda
