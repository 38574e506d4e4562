// SPDX-License-Identifier: Apache-2.0
// cuda/separable: filters that are a column times a row, as sums along rows and then down columns.
//
// A block walks down a strip of the output, 16 rows at a time. What is between the passes never leaves shared
// memory, so that the image crosses device memory once:
//
//   load    the next rows of x̃ into lines, borders resolved
//   along   each thread slides a window along its run of a line; the sums go into a ring of rows
//   down    each thread slides a window down a column of the ring
//   store   the results
//
// Filters too long for that take two launches of cuda/direct, with the sums along rows in the workspace. Those that are
// sums of such products are separable_terms.cu's.

#include <algorithm>
#include <convgpu/detail/separable.hpp>

#include "algorithms.hpp"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "ring.cuh"
#include "sums.hpp"
#include "taps.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

template <class Tap>
struct separable_params : image_params {
  int strip;   // rows of output
  bool zeros;  // whether any tap is one
  Tap down[separable_taps];
  Tap along[separable_taps];
};

/// x̃ rows `row` …, `count` of them, summed along and put into the ring from `slot` on.
template <class Sample, class Tap, class Sum>
__device__ void sum_along(Sum* ring, Sample* lines, const separable_layout& layout, int slot,
                          int count, std::int64_t row, std::int64_t col, std::int64_t plane,
                          const separable_params<Tap>& p) {
  constexpr separable_tile shape = separable_tile_for(sizeof(Sum));
  const int taps = static_cast<int>(p.col.taps);
  const int thread = thread_of_block();
  const int line = shape.line(thread);
  load_tile<shape.wide(), shape.deep, shape.outputs>(lines, layout.pitch, count,
                                                     shape.cols() + taps - 1, row, col, plane, p);
  __syncthreads();
  if (line >= count) return;
  Sum sums[shape.outputs] = {};
  slide_along_row<shape.outputs>(sums, lines + shape.run(thread, layout.pitch), taps, p.zeros,
                                 [&](int m) { return p.along[taps - 1 - m]; });
  Sum* const to =
      ring + next_in_ring(slot, line, layout.ring_rows) * shape.template ring_pitch<Sum>();
#pragma unroll
  for (int q = 0; q < shape.outputs; ++q) to[shape.template in_ring<Sum>(thread, q)] = sums[q];
}

template <class Sample, class Tap, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    separable_kernel(const __grid_constant__ separable_params<Tap> p,
                     const __grid_constant__ tile_grid grid) {
  constexpr separable_tile shape = separable_tile_for(sizeof(Sum));
  const int row_taps = static_cast<int>(p.row.taps);
  const separable_layout layout =
      separable_layout_for<Sample, Sum>(row_taps, static_cast<int>(p.col.taps));
  auto* const lines = reinterpret_cast<Sample*>(dynamic_shared());
  auto* const ring = reinterpret_cast<Sum*>(dynamic_shared() + layout.ring_at);
  auto* const results = reinterpret_cast<Sum*>(dynamic_shared() + layout.results_at);
  const int column = shape.column(thread_of_block());
  const int first = shape.first(thread_of_block());

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const tile_place place(t, grid);
    const std::int64_t j0 = p.cols.first + place.col * shape.cols();
    const std::int64_t i0 = p.rows.first + place.row * p.strip;
    const int rows = static_cast<int>(smaller<std::int64_t>(p.strip, p.rows.last - i0));
    const std::int64_t row = p.row.at(i0, row_taps - 1);
    const std::int64_t col = p.col.at(j0, p.col.taps - 1);

    // The rows above the first output's last one, then as many as a step makes outputs.
    int filled = 0;
    for (; filled < row_taps - 1; filled += shape.step) {
      const int count = smaller(shape.step, row_taps - 1 - filled);
      sum_along<Sample, Tap>(ring, lines, layout, filled, count, row + filled, col, place.plane, p);
      __syncthreads();  // everybody has read the lines
    }
    int top = 0;  // the ring's row under the first output of the step
    for (int done = 0; done < rows; done += shape.step) {
      const int count = smaller(shape.step, rows - done);
      sum_along<Sample, Tap>(ring, lines, layout, next_in_ring(top, row_taps - 1, layout.ring_rows),
                             count, row + row_taps - 1 + done, col, place.plane, p);
      __syncthreads();  // the ring is full, and the last step's results are stored
      Sum sums[shape.down()] = {};
      sum_down<true>(sums, ring + swizzle<Sum>(column), shape.template ring_pitch<Sum>(),
                     next_in_ring(top, first, layout.ring_rows), layout.ring_rows, row_taps,
                     p.zeros, [&](int m) { return p.down[row_taps - 1 - m]; });
#pragma unroll
      for (int v = 0; v < shape.down(); ++v) results[(first + v) * shape.cols() + column] = sums[v];
      __syncthreads();  // the results are there, and everybody has read the ring
      store_tile(results, shape.cols(), count, shape.cols(), i0 + done, j0, place.plane, p);
      top = next_in_ring(top, shape.step, layout.ring_rows);
    }
  }
}

/// Whether a launch of the fused kernel has room for such a filter.
template <class Sample, class Sum>
bool fits(const detail::request& r) {
  if (r.form.row.taps > separable_taps || r.form.col.taps > separable_taps) return false;
  return separable_layout_for<Sample, Sum>(static_cast<int>(r.form.row.taps),
                                           static_cast<int>(r.form.col.taps))
             .bytes <= shared_on(r.device);
}

template <class Sample, class Tap, class Sum>
class fused final : public kernels {
 public:
  explicit fused(const detail::request& r)
      : column_(taps_as<Tap>(detail::separable_terms(r).front().column)),
        row_(taps_as<Tap>(detail::separable_terms(r).front().row)),
        zeros_(has_zeros(column_) || has_zeros(row_)),
        exact_(detail::separable_terms(r).front().error == 0),
        words_(detail::rank_words(r, detail::separable_terms(r))),
        shared_(separable_layout_for<Sample, Sum>(static_cast<int>(r.form.row.taps),
                                                  static_cast<int>(r.form.col.taps))
                    .bytes) {
    check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, r.device),
          "cudaDeviceGetAttribute");
    load(separable_kernel<Sample, Tap, Sum>);
    // Never less than what another plan asked for.
    if (shared_ > shared_everywhere)
      check(cudaFuncSetAttribute(separable_kernel<Sample, Tap, Sum>,
                                 cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_on(r.device))),
            "cudaFuncSetAttribute");
  }

  [[nodiscard]] std::string parameters() const override {
    return words_ + std::to_string(column_.size()) + " + " + std::to_string(row_.size()) +
           " taps, fused, strips of " + std::to_string(shape.cols()) + " columns";
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return exact_; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    const std::int64_t across =
        (p.cols.last - p.cols.first + shape.cols() - 1) / shape.cols() * p.planes;
    const int strip =
        separable_strip(p.rows.last - p.rows.first, across, p.row.taps, multiprocessors_);
    for_each_grid(p, strip, shape.cols(), [&](const auto& part, const auto& grid) {
      separable_params<Tap> with_taps{part, strip, zeros_, {}, {}};
      std::copy(column_.begin(), column_.end(), with_taps.down);
      std::copy(row_.begin(), row_.end(), with_taps.along);
      cuda::launch(separable_kernel<Sample, Tap, Sum>, grid.total, shared_, on, with_taps, grid);
    });
  }

 private:
  static constexpr separable_tile shape = separable_tile_for(sizeof(Sum));

  std::vector<Tap> column_;
  std::vector<Tap> row_;
  bool zeros_;
  bool exact_;
  std::string words_;
  std::size_t shared_;
  int multiprocessors_ = 0;
};

/// The dtype of elements that hold a sum as it is.
template <class Sum>
constexpr dtype stored_sum = std::is_same_v<Sum, std::int64_t> ? dtype::i64 : dtype_of<Sum>;

template <class Sum>
class two_passes final : public kernels {
 public:
  explicit two_passes(const detail::request& r)
      : along_(direct_row_kernels(r, detail::separable_terms(r).front().row)),
        down_(direct_column_kernels(r, detail::separable_terms(r).front().column)),
        exact_(detail::separable_terms(r).front().error == 0),
        between_(r.form.planes * (r.form.row.out + r.form.row.taps - 1) * r.form.col.out),
        text_(detail::rank_words(r, detail::separable_terms(r)) + std::to_string(r.form.row.taps) +
              " + " + std::to_string(r.form.col.taps) + " taps, in two passes") {}

  [[nodiscard]] std::string parameters() const override { return text_; }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return exact_; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return static_cast<std::size_t>(between_) * sizeof(Sum);
  }
  void launch(const image_params& p, void* workspace, cudaStream_t on) const override {
    const std::int64_t rows = p.rows.last - p.rows.first;
    const std::int64_t cols = p.cols.last - p.cols.first;
    const std::int64_t between =
        rows + p.row.taps - 1;  // rows that a column of the filter looks at
    const device_array sums{workspace, stored_sum<Sum>, {.row = cols, .plane = between * cols}};

    image_params along = p;
    along.out = sums;
    along.row = {.in = p.row.in, .out = between, .start = p.row.at(p.rows.first, p.row.taps - 1)};
    along.col.start += p.cols.first;
    along.col.out = cols;
    along.rows = {0, between};
    along.cols = {0, cols};
    along_->launch(along, nullptr, on);

    image_params down = p;
    down.in = sums;
    down.out.data = static_cast<std::byte*>(p.out.data) +
                    (p.rows.first * p.out.step.row + p.cols.first * p.out.step.col) *
                        static_cast<std::int64_t>(size_of(p.out.type));
    down.row = {.in = between, .taps = p.row.taps, .out = rows, .start = p.row.taps - 1};
    down.col = {.in = cols, .out = cols};
    down.rows = {0, rows};
    down.cols = {0, cols};
    down_->launch(down, nullptr, on);
  }

 private:
  std::unique_ptr<const kernels> along_;
  std::unique_ptr<const kernels> down_;
  bool exact_;
  std::int64_t between_;  // sums
  std::string text_;
};

}  // namespace

std::string refuse_separable(const detail::request& r) {
  if (std::string reason = refuse_direct(r); !reason.empty()) return reason;
  if (std::string reason = detail::refuse_separable(r); !reason.empty()) return reason;
  if (detail::separable_terms(r).size() > 1) return refuse_terms(r);
  if (with_sum_types(r, []<class Sample, class Tap, class Sum>() {
        return sizeof(Sum) == 16 && !detail::is_complex_type<Sum>;
      }))
    return "its sums need 128 bits";
  return {};
}

std::unique_ptr<const kernels> separable_kernels(const detail::request& r) {
  if (detail::separable_terms(r).size() > 1) return terms_kernels(r);
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        if constexpr (std::is_same_v<Sum, detail::int128>) {
          return nullptr;  // refused
        } else {
          if (fits<Sample, Sum>(r)) return std::make_unique<fused<Sample, Tap, Sum>>(r);
          return std::make_unique<two_passes<Sum>>(r);
        }
      });
}

}  // namespace convgpu::cuda
