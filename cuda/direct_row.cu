// SPDX-License-Identifier: Apache-2.0
// cuda/direct for filters of one row: signals, and images filtered along their rows.
//
//   load   a stretch of x̃ with its halo, and taps if they are too many for the parameters
//   sum    each thread slides a window along its run of outputs
//   store  by way of shared memory: threads hold runs, memory wants neighbours
//
// A block works on one long line, or on eight, a warp each.

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

template <class Tap>
struct row_params : params<Tap> {
  int lines;
  bool zeros;  // whether any tap is one
};
template <class Tap>
struct small_row_params : small_params<Tap, small_filter> {
  int lines;
  bool zeros;
};

template <class Sample, class Sum>
__device__ __forceinline__ const Sample* run_of(const Sample* line, int lines, int pitch) {
  constexpr row_tile shape = row_tile_for(sizeof(Sum));
  return line + shape.run(thread_of_block(), lines, pitch);
}

/// One kernel for both ways that taps come: `P` says which.
template <class Sample, class Tap, class Sum, class P>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    direct_row_kernel(const __grid_constant__ P p, const __grid_constant__ tile_grid grid) {
  constexpr row_tile shape = row_tile_for(sizeof(Sum));
  constexpr bool small = std::is_same_v<P, small_row_params<Tap>>;
  // Taps among the parameters are one chunk. Said so, no sums wait in registers while it is loaded, which there are too few
  // of before 9.0; there, and of integers, the code is better without.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  constexpr bool single = false;
#else
  constexpr bool single = small && !std::is_integral_v<Sum>;
#endif
  const int cols = shape.cols(p.lines);
  auto* const line = reinterpret_cast<Sample*>(dynamic_shared());

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const tile_place place(t, grid);
    const std::int64_t j0 = p.cols.first + place.col * cols;
    const std::int64_t i0 = p.rows.first + place.row * p.lines;
    Sum sums[shape.outputs] = {};

    for (std::int64_t l0 = 0; single ? l0 == 0 : l0 < p.col.taps; l0 += shape.chunk) {
      const int ln = static_cast<int>(smaller<std::int64_t>(shape.chunk, p.col.taps - l0));
      const int pitch = shape.pitch(p.lines, ln);
      __syncthreads();  // everybody has read the chunk, or stored the tile, before
      load_tile<shape.wide(), shape.deep, shape.outputs>(
          line, pitch, p.lines, cols + ln - 1, p.row.at(i0, 0), p.col.at(j0, l0 + ln - 1),
          place.plane, p, p.lines == 1 ? block_threads : warp);
      const Sample* const run = run_of<Sample, Sum>(line, p.lines, pitch);
      if constexpr (small) {
        __syncthreads();
        slide_along_row<shape.outputs>(sums, run, ln, p.zeros,
                                       [&](int m) { return p.taps[ln - 1 - m]; });
      } else {
        auto* const taps = reinterpret_cast<Tap*>(
            dynamic_shared() +
            (static_cast<std::size_t>(p.lines * pitch) * sizeof(Sample) + 15) / 16 * 16);
        load_taps(taps, 0, l0, 1, ln, p);
        __syncthreads();
        slide_along_row<shape.outputs>(sums, run, ln, p.zeros,
                                       [&](int m) { return taps[ln - 1 - m]; });
      }
    }

    __syncthreads();  // everybody has read the last chunk: its place is taken by the sums
    const int pitch = shape.pitch(p.lines, 1);
    auto* const results = reinterpret_cast<Sum*>(dynamic_shared());
    auto* const mine = const_cast<Sum*>(run_of<Sum, Sum>(results, p.lines, pitch));
#pragma unroll
    for (int q = 0; q < shape.outputs; ++q) mine[q] = sums[q];
    __syncthreads();
    store_tile<shape.outputs>(results, pitch, p.lines, cols, i0, j0, place.plane, p);
  }
}

template <class Sample, class Tap, class Sum>
class direct_row final : public kernels {
 public:
  direct_row(const detail::tap_values& taps, int lines)
      : lines_(lines), taps_(taps_as<Tap>(taps)), zeros_(has_zeros(taps_)) {
    if (small()) {
      load(direct_row_kernel<Sample, Tap, Sum, small_row_params<Tap>>);
    } else {
      load(direct_row_kernel<Sample, Tap, Sum, row_params<Tap>>);
      stored_ = on_device(taps_);
    }
  }

  [[nodiscard]] std::string parameters() const override {
    return "lines of " + std::to_string(shape.cols(lines_)) + ", " + std::to_string(lines_) +
           " a block";
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    const std::size_t shared =
        row_shared_bytes(shape, lines_, sizeof(Sample), sizeof(Tap), sizeof(Sum), p.col.taps);
    for_each_grid(p, lines_, shape.cols(lines_), [&](const auto& part, const auto& grid) {
      if (small()) {
        small_row_params<Tap> with_taps{{part, {}}, lines_, zeros_};
        std::copy(taps_.begin(), taps_.end(), with_taps.taps);
        cuda::launch(direct_row_kernel<Sample, Tap, Sum, small_row_params<Tap>>, grid.total, shared,
                     on, with_taps, grid);
      } else {
        cuda::launch(
            direct_row_kernel<Sample, Tap, Sum, row_params<Tap>>, grid.total, shared, on,
            row_params<Tap>{{part, static_cast<const Tap*>(stored_.data())}, lines_, zeros_}, grid);
      }
    });
  }

 private:
  static constexpr row_tile shape = row_tile_for(sizeof(Sum));

  [[nodiscard]] bool small() const { return taps_.size() <= small_filter; }

  int lines_;
  std::vector<Tap> taps_;
  bool zeros_;
  device_memory stored_;
};

}  // namespace

std::unique_ptr<const kernels> direct_row_kernels(const detail::request& r,
                                                  const detail::tap_values& taps) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        return std::make_unique<direct_row<Sample, Tap, Sum>>(taps,
                                                              r.form.row.out == 1 ? 1 : row_lines);
      });
}

}  // namespace convgpu::cuda
