// SPDX-License-Identifier: Apache-2.0
// cuda/direct: direct summation from tiles in shared memory.
//
// A block makes one tile of outputs after another. As many taps as a chunk has are worked off with one load:
//
//   load   x̃ under the tile and under those taps, borders resolved, and the taps themselves
//   sum    each thread slides a window down x̃; new samples and a tap, read once, serve as many products as
//          it makes outputs
//   store  by way of shared memory, so that the type of the output is asked for once for the whole tile
//
// A tap that is zero is stepped over, by a branch that is the same for all threads: 0 · NaN stays out, and
// zeros cost nothing.

#include "algorithms.hpp"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "sums.hpp"
#include "taps.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

template <class T>
__device__ __forceinline__ T smaller(T a, T b) {
  return b < a ? b : a;
}

/// Taps k0 … k0+kn−1 of l0 … l0+ln−1 into shared memory, densely.
template <class Tap>
__device__ void load_taps(Tap* to, std::int64_t k0, std::int64_t l0, int kn, int ln,
                          const params<Tap>& p) {
  for (int t = static_cast<int>(threadIdx.x); t < kn * ln; t += static_cast<int>(blockDim.x))
    to[t] = load_global(p.taps + (k0 + t / ln) * p.col.taps + l0 + t % ln);
}

template <class Sample, class Tap, class Sum>
__global__ void __launch_bounds__(block_threads)
    direct_kernel(const __grid_constant__ params<Tap> p, const __grid_constant__ tile_grid grid) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
  constexpr int rows = shape.rows;
  constexpr int cols = shape.cols;
  const int tx = static_cast<int>(threadIdx.x) % warp;
  const int ty = static_cast<int>(threadIdx.x) / warp;
  auto* const tile = reinterpret_cast<Sample*>(dynamic_shared());
  auto* const taps = reinterpret_cast<Tap*>(
      dynamic_shared() + (shape.samples(p.row.taps, p.col.taps) * sizeof(Sample) + 15) / 16 * 16);

  for (std::int64_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const std::int64_t j0 = p.cols.first + t % grid.cols * shape.out_cols();
    const std::int64_t i0 = p.rows.first + t / grid.cols % grid.rows * shape.out_rows();
    const std::int64_t plane = t / grid.cols / grid.rows;
    Sum sums[rows][cols] = {};

    for (std::int64_t k0 = 0; k0 < p.row.taps; k0 += shape.chunk)
      for (std::int64_t l0 = 0; l0 < p.col.taps; l0 += shape.chunk) {
        const int kn = static_cast<int>(smaller<std::int64_t>(shape.chunk, p.row.taps - k0));
        const int ln = static_cast<int>(smaller<std::int64_t>(shape.chunk, p.col.taps - l0));
        const int pitch = shape.out_cols() + ln - 1;
        __syncthreads();  // everybody has read the chunk before
        load_tile(tile, pitch, shape.out_rows() + kn - 1, pitch, p.row.at(i0, k0 + kn - 1),
                  p.col.at(j0, l0 + ln - 1), plane, p);
        load_taps(taps, k0, l0, kn, ln, p);
        __syncthreads();

        for (int l = 0; l < ln; ++l) {
          const Sample* const column = tile + ty * rows * pitch + tx + (ln - 1 - l);
          Sample window[rows][cols];
#pragma unroll
          for (int r = 0; r < rows - 1; ++r)
#pragma unroll
            for (int c = 0; c < cols; ++c) window[r][c] = column[r * pitch + c * warp];
#pragma unroll 8
          for (int m = 0; m < kn; ++m) {
#pragma unroll
            for (int c = 0; c < cols; ++c)
              window[rows - 1][c] = column[(rows - 1 + m) * pitch + c * warp];
            const Tap h = taps[(kn - 1 - m) * ln + l];
            if (h != Tap{}) {
#pragma unroll
              for (int r = 0; r < rows; ++r)
#pragma unroll
                for (int c = 0; c < cols; ++c) sums[r][c] += detail::product<Sum>(h, window[r][c]);
            }
#pragma unroll
            for (int r = 0; r < rows - 1; ++r)
#pragma unroll
              for (int c = 0; c < cols; ++c) window[r][c] = window[r + 1][c];
          }
        }
      }

    __syncthreads();  // everybody has read the last chunk: its place is taken by the sums
    auto* const results = reinterpret_cast<Sum*>(dynamic_shared());
#pragma unroll
    for (int r = 0; r < rows; ++r)
#pragma unroll
      for (int c = 0; c < cols; ++c)
        results[(ty * rows + r) * shape.out_cols() + tx + c * warp] = sums[r][c];
    __syncthreads();
    store_tile(results, shape.out_rows(), shape.out_cols(), i0, j0, plane, p);
  }
}

template <class Sample, class Tap, class Sum>
void launch_direct(const image_params& p, const void* taps, cudaStream_t on) {
  constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
  const tile_grid grid = cut(p, shape.out_rows(), shape.out_cols());
  launch(
      direct_kernel<Sample, Tap, Sum>, grid.total,
      direct_shared_bytes(shape, sizeof(Sample), sizeof(Tap), sizeof(Sum), p.row.taps, p.col.taps),
      on, params<Tap>{p, static_cast<const Tap*>(taps)}, grid);
}

template <class Sample, class Tap, class Sum>
class direct final : public kernels {
 public:
  explicit direct(const detail::request& r) : taps_(on_device(taps_as<Tap>(r.filter.values))) {}

  [[nodiscard]] std::string parameters() const override {
    constexpr direct_tile shape = direct_tile_for(sizeof(Sum));
    return "tiles of " + std::to_string(shape.out_rows()) + " x " +
           std::to_string(shape.out_cols());
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    launch_direct<Sample, Tap, Sum>(p, taps_.data(), on);
  }

 private:
  device_memory taps_;
};

}  // namespace

std::string refuse_direct(const detail::request& r) {
  for (const detail::axis* a : {&r.form.row, &r.form.col})
    if (a->stride != 1 || a->dilation != 1) return "its tiles are for strides and dilations of 1";
  return {};
}

std::unique_ptr<const kernels> direct_kernels(const detail::request& r) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        return std::make_unique<direct<Sample, Tap, Sum>>(r);
      });
}

}  // namespace convgpu::cuda
