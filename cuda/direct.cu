// SPDX-License-Identifier: Apache-2.0
// cuda/direct: direct summation from tiles in shared memory. Filters of one row are in direct_row.cu.
//
// A block makes one tile of outputs after another. As many taps as a chunk has are worked off with one load:
//
//   load   x̃ under the tile and under those taps, borders resolved, and the taps themselves
//   sum    each thread slides a window down x̃; new samples and a tap, read once, serve as many products as
//          it makes outputs. Sums of 4 bytes take four taps at a time, and samples by fours
//   store  from registers: neighbours lie in neighbouring threads
//
// Filters that see one channel each are one launch: those of a channel go over one tile, one after the other. Single
// small square filters have kernels of their own: loops of known length, and taps among the parameters.
// A tap that is zero is stepped over, by a branch that is the same for all threads: 0 · NaN stays out, and
// zeros cost nothing. Where there are none, nobody looks for them.

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
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum), Cols == 1 && sizeof(Sum) <= 8);
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
      for (int c = 0; c < Cols; ++c) window[r][c] = column[shape.offset(r, c, pitch)];
#pragma unroll down
    for (int m = 0; m < (Known == 0 ? kn : Known); ++m) {
#pragma unroll
      for (int c = 0; c < Cols; ++c)
        window[Rows - 1][c] = column[shape.offset(Rows - 1 + m, c, pitch)];
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

/// `Count` elements from where four begin, as fours.
template <int Count, class T>
__device__ __forceinline__ void load_fours(T (&to)[Count], const T* from) {
  static_assert(Count % 4 == 0);
#pragma unroll
  for (int i = 0; i < Count; i += 4) {
    const four<T> some = *reinterpret_cast<const four<T>*>(from + i);
#pragma unroll
    for (int j = 0; j < 4; ++j) to[i + j] = some.at[j];
  }
}

/// Whether rounds of several rows of taps ask each tap whether it is zero. For 10.0 that takes registers that there are not.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr bool rounds_with_zeros = false;
#else
constexpr bool rounds_with_zeros = true;
#endif

/// The same as slide_down for `Some` of the filter's columns, up to four, and outputs next to one another. Taps read
/// the same way as samples: `taps` is the one for the sample under `corner`, rows of them are `tap_pitch` apart. `Zeros`
/// says whether there may be any among them.
template <int Some, bool Zeros, int Rows, class Sample, class Tap, class Sum>
__device__ __forceinline__ void slide_down_by_fours(Sum (&sums)[Rows][4], const Sample* corner,
                                                    int pitch, const Tap* taps, int tap_pitch,
                                                    int kn) {
  Sample window[Rows][Some == 1 ? 4 : 8];
#pragma unroll
  for (int r = 0; r < Rows - 1; ++r, corner += pitch) load_fours(window[r], corner);
  const auto step = [&](int m) {
    load_fours(window[(m + Rows - 1) % Rows], corner);
    Tap h[4];
    load_fours(h, taps);
#pragma unroll
    for (int l = 0; l < Some; ++l) {
      if (Zeros && h[l] == Tap{}) continue;
#pragma unroll
      for (int r = 0; r < Rows; ++r)
#pragma unroll
        for (int c = 0; c < 4; ++c)
          sums[r][c] += detail::product<Sum>(h[l], window[(m + r) % Rows][c + l]);
    }
    corner += pitch;
    taps += tap_pitch;
  };
  // A round moves the window by its own height, so that its places need no moving; what is left over moves them.
  if constexpr (!Zeros || rounds_with_zeros) {
#pragma unroll 1
    for (; kn >= Rows; kn -= Rows)
#pragma unroll
      for (int m = 0; m < Rows; ++m) step(m);
  }
#pragma unroll 1
  for (; kn > 0; --kn) {
    step(0);
#pragma unroll
    for (int r = 0; r < Rows - 1; ++r)
#pragma unroll
      for (int c = 0; c < (Some == 1 ? 4 : 8); ++c) window[r][c] = window[r + 1][c];
  }
}

template <bool Zeros, int Rows, class Sample, class Tap, class Sum>
__device__ __forceinline__ void slide_by_fours(Sum (&sums)[Rows][4], const Sample* corner,
                                               int pitch, const Tap* taps, int tap_pitch, int kn,
                                               int ln) {
  int l = 0;
#pragma unroll 1
  for (; l + 4 <= ln; l += 4)
    slide_down_by_fours<4, Zeros>(sums, corner + l, pitch, taps + l, tap_pitch, kn);
  switch (ln - l) {
    case 1: return slide_down_by_fours<1, Zeros>(sums, corner + l, pitch, taps + l, tap_pitch, kn);
    case 2: return slide_down_by_fours<2, Zeros>(sums, corner + l, pitch, taps + l, tap_pitch, kn);
    case 3: return slide_down_by_fours<3, Zeros>(sums, corner + l, pitch, taps + l, tap_pitch, kn);
    default: return;
  }
}

/// The same for a filter of known extent without zeros: each row of samples is read once, for all rows of taps.
template <int Extent, int Rows, class Sample, class Sum, class TapAt>
__device__ __forceinline__ void slide_known_by_fours(Sum (&sums)[Rows][4], const Sample* corner,
                                                     int pitch, TapAt&& tap) {
#pragma unroll
  for (int y = 0; y < Rows + Extent - 1; ++y) {
    Sample row[(Extent + 3 + 3) / 4 * 4];
    load_fours(row, corner + y * pitch);
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
      if (y < r || y >= r + Extent) continue;
#pragma unroll
      for (int l = 0; l < Extent; ++l)
#pragma unroll
        for (int c = 0; c < 4; ++c)
          sums[r][c] += detail::product<Sum>(tap(r + Extent - 1 - y, Extent - 1 - l), row[c + l]);
    }
  }
}

/// A thread's sums to their places in the output, and nothing of them left: where outputs next to one another are a
/// thread's, four are stored at once if they may be; else neighbours are a thread's width apart. The type of the output
/// is asked for once; what must be converted is stored row by row, since conversions are long enough once.
template <int Rows, int Cols, class Sum>
__device__ __forceinline__ void store_sums(Sum (&sums)[Rows][Cols], const tile_origin& at,
                                           std::int64_t channel, const direct_tile& shape,
                                           const image_params& p) {
  const int thread = thread_of_block();
  const std::int64_t i = at.i + shape.first_row(thread);
  const std::int64_t j = at.j + shape.first_col(thread);
  const int last_row = static_cast<int>(smaller<std::int64_t>(Rows, p.rows.last - i));
  const int last_col =
      static_cast<int>(smaller<std::int64_t>(Cols * shape.apart(), p.cols.last - j));
  with_stored_type<Sum>(p.out.type, [&]<class Out>() {
    [[maybe_unused]] constexpr int unrolled = std::is_same_v<Out, Sum> ? Rows : 1;
    Out* line = static_cast<Out*>(p.out.data) + at.plane * p.out.step.plane +
                channel * p.out.step.channel + i * p.out.step.row + j * p.out.step.col;
#pragma unroll unrolled
    for (int r = 0; r < Rows; ++r) {
      if (r >= last_row) break;
      if (Cols == 4 && last_col == 4 && p.out.step.col == 1 &&
          reinterpret_cast<std::uintptr_t>(line) % sizeof(four<Out>) == 0) {
        four<Out> some;
#pragma unroll
        for (int c = 0; c < Cols; ++c)
          some.at[c % 4] = detail::element_of<Out>(sums[0][c], p.policy);
        store_global(reinterpret_cast<four<Out>*>(line), some);
      } else {
#pragma unroll
        for (int c = 0; c < Cols; ++c)
          if (c * shape.apart() < last_col)
            store_global(line + c * shape.apart() * p.out.step.col,
                         detail::element_of<Out>(sums[0][c], p.policy));
      }
#pragma unroll
      for (int q = 0; q < Rows - 1; ++q)
#pragma unroll
        for (int c = 0; c < Cols; ++c) sums[q][c] = sums[q + 1][c];
      line += p.out.step.row;
    }
  });
}

/// Taps k0 … k0+kn−1 of l0 … l0+ln−1 of some filters into shared memory, by fours from the last one of each to the first,
/// as the samples go that they are for, or densely.
template <direct_tile Shape, class Tap>
__device__ void load_direct_taps(Tap* to, std::int64_t k0, std::int64_t l0, int filters, int kn,
                                 int ln, const params<Tap>& p) {
  if constexpr (!Shape.together) {
    load_taps(to, k0, l0, filters * kn, ln, p);
  } else {
    const int pitch = Shape.whole(ln);
    for (int t = thread_of_block(); t < filters * kn * ln; t += block_threads) {
      const int line = t / ln;
      const int k = line % kn;
      to[(line - k + kn - 1 - k) * pitch + ln - 1 - t % ln] =
          load_global(p.taps + (k0 + line) * p.col.taps + l0 + t % ln);
    }
  }
}

template <class Tap>
struct direct_params : params<Tap> {
  bank filters;
  int together;  // of which the taps are loaded at once
};

/// A tile under which all taps lie at once is loaded for the first of its filters, and serves all.
template <class Sample, class Tap, class Sum, bool Narrow, bool Zeros>
__global__ void __launch_bounds__(block_threads, direct_blocks_at_once<Sum, Narrow>)
    direct_kernel(const __grid_constant__ direct_params<Tap> p,
                  const __grid_constant__ tile_grid grid) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum), Narrow);
  auto* const tile = reinterpret_cast<Sample*>(dynamic_shared());
  auto* const taps = reinterpret_cast<Tap*>(
      dynamic_shared() + (shape.samples(p.row.taps, p.col.taps) * sizeof(Sample) + 15) / 16 * 16);
  const bool at_once = p.row.taps <= shape.chunk && p.col.taps <= shape.chunk;

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const int filters = bank_place(tile_place(t, grid).image(), p.filters).filters;
    int staged = p.together;  // filters of which taps are there and used
    for (int f = 0; f < filters; ++f, ++staged) {
      Sum sums[shape.rows][shape.cols] = {};
      if (staged == p.together) staged = 0;

      for (std::int64_t k0 = 0; k0 < p.row.taps; k0 += shape.chunk)
        for (std::int64_t l0 = 0; l0 < p.col.taps; l0 += shape.chunk) {
          const int kn = shape.taps_at_once(p.row.taps - k0);
          const int ln = shape.taps_at_once(p.col.taps - l0);
          const int pitch = shape.pitch(ln);
          if (staged == 0) {
            // Worked out anew when it is asked for: kept through the sums it would take registers that they need.
            const bank_place image(tile_place(t, grid).image(), p.filters);
            __syncthreads();  // everybody has read the chunk before
            if (f == 0 || !at_once) {
              const tile_origin at = origin_of(t, grid, shape, p);
              load_tile<shape.wide, shape.deep>(
                  tile, pitch, shape.out_rows() + kn - 1, shape.out_cols() + ln - 1,
                  p.row.at(at.i, k0 + kn - 1), p.col.at(at.j, l0 + ln - 1), image.plane, p, warp,
                  image.channel);
            }
            const int some = smaller(p.together, filters - f);
            load_direct_taps<shape>(taps, (image.first_filter + f) * p.row.taps + k0, l0, some, kn,
                                    ln, p);
            __syncthreads();
          }
          const Sample* const corner = tile + shape.first(thread_of_block(), pitch);
          const Tap* const mine = taps + staged * kn * shape.whole(ln);
          if constexpr (shape.together)
            slide_by_fours<Zeros>(sums, corner, pitch, mine, shape.whole(ln), kn, ln);
          else
            slide_down<0>(sums, corner, pitch, kn, ln,
                          [&](int k, int l) { return mine[k * ln + l]; });
        }
      const bank_place image(tile_place(t, grid).image(), p.filters);
      tile_origin at = origin_of(t, grid, shape, p);
      at.plane = image.plane;
      store_sums(sums, at, image.first_filter + f, shape, p);
    }
  }
}

template <class Sample, class Tap, class Sum, int Extent>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    direct_small_kernel(const __grid_constant__ small_params<Tap, Extent * Extent> p,
                        const __grid_constant__ tile_grid grid) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
  constexpr int pitch = shape.pitch(Extent);
  auto* const tile = reinterpret_cast<Sample*>(dynamic_shared());

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const tile_origin at = origin_of(t, grid, shape, p);
    Sum sums[shape.rows][shape.cols] = {};
    __syncthreads();  // everybody has read the tile before
    load_tile<shape.wide, shape.deep>(tile, pitch, shape.out_rows() + Extent - 1,
                                      shape.out_cols() + Extent - 1, p.row.at(at.i, Extent - 1),
                                      p.col.at(at.j, Extent - 1), at.plane, p);
    __syncthreads();
    const Sample* const corner = tile + shape.first(thread_of_block(), pitch);
    const auto tap = [&](int k, int l) { return p.taps[k * Extent + l]; };
    if constexpr (shape.together) slide_known_by_fours<Extent>(sums, corner, pitch, tap);
    else slide_down<Extent>(sums, corner, pitch, Extent, Extent, tap);
    store_sums(sums, at, 0, shape, p);
  }
}

std::string tiles_of(const direct_tile& shape) {
  return "tiles of " + std::to_string(shape.out_rows()) + " x " + std::to_string(shape.out_cols());
}

/// Taps of all filters, one after the other.
template <class Sample, class Tap, class Sum>
class direct final : public kernels {
 public:
  direct(const detail::request& r, const detail::tap_values& taps)
      : narrow_(is_narrow(r.form.row.out, r.form.col.out, sizeof(Sum))),
        kernel_(kernel_for(narrow_, has_zeros(taps_as<Tap>(taps)))),
        bank_(bank_of(r)),
        taps_(on_device(taps_as<Tap>(taps))) {
    load(kernel_);
  }

  [[nodiscard]] std::string parameters() const override {
    std::string words = tiles_of(shape());
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

  static kernel kernel_for(bool narrow, [[maybe_unused]] bool with_zeros) {
    if constexpr (sizeof(Sum) <= 8)  // is_narrow says so of no others
      if (narrow) return direct_kernel<Sample, Tap, Sum, true, true>;
    constexpr bool by_fours = direct_tile_for(sizeof(Sum)).together;
    if constexpr (by_fours && std::is_integral_v<Tap>) {
      return direct_kernel<Sample, Tap, Sum, false, false>;
    } else {
      if constexpr (by_fours)
        if (!with_zeros) return direct_kernel<Sample, Tap, Sum, false, false>;
      return direct_kernel<Sample, Tap, Sum, false, true>;
    }
  }
  [[nodiscard]] direct_tile shape() const { return direct_tile_for(sizeof(Sum), narrow_); }
  [[nodiscard]] bank bank_of(const detail::request& r) const {
    const tile_counts tiles =
        count_tiles(r.form.row.out, r.form.col.out, shape().out_rows(), shape().out_cols());
    return bank_for(r.form, tiles.rows * tiles.cols, blocks_worth_launching(r.device));
  }

  bool narrow_;
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
  if constexpr (has_small_kernels<Sample, Tap, Sum>) {
    const bool single =
        !r.form.has_channels() && !is_narrow(r.form.row.out, r.form.col.out, sizeof(Sum));
    // Those of sums by fours step over no zeros.
    const bool suits =
        !direct_tile_for(sizeof(Sum)).together || !has_zeros(taps_as<Tap>(r.filter.values));
    if (single && suits && has_small_kernel(r.form.row.taps, r.form.col.taps))
      switch (r.form.row.taps) {
        case 3: return std::make_unique<direct_small<Sample, Tap, Sum, 3>>(r);
        case 5: return std::make_unique<direct_small<Sample, Tap, Sum, 5>>(r);
        case 7: return std::make_unique<direct_small<Sample, Tap, Sum, 7>>(r);
        default: break;
      }
  }
  return std::make_unique<direct<Sample, Tap, Sum>>(r, r.filter.values);
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
        else return std::make_unique<direct<Sum, Tap, Sum>>(r, taps);
      });
}

}  // namespace convgpu::cuda
