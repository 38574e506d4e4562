// SPDX-License-Identifier: Apache-2.0
// cuda/direct for filters of one row that see a channel each: thousands of short signals with a filter of their own,
// signals through banks of filters, images filtered along their rows; and for short signals that share one filter.
//
//   load   a line of x̃ with its halo, and taps of a filter
//   sum    each thread slides a window along its run of outputs
//   store  by way of shared memory: threads hold runs, memory wants neighbours
//
// A line is a matter of some threads of one warp, whatever image it is of. All filters of a channel go over it while it
// is there.

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

template <class Tap>
struct line_params : params<Tap> {
  bank filters;
  line_layout layout;
  divisor across;       // pieces of a line
  divisor of_rows;      // of the launch
  std::uint32_t lines;  // in all images
  int lanes;            // threads for each
  bool zeros;           // whether any tap is one
};

/// x̃[row][first …] of an image into a line of shared memory, `wanted` samples, and zeros up to `all`. `row` is one of
/// the input's, or −1.
template <int Group, class Sample, class Tap>
__device__ __forceinline__ void load_line(Sample* line, int lane, int all, int wanted,
                                          std::int64_t first, std::int64_t row,
                                          const bank_place& at, const line_params<Tap>& p) {
  with_loaded_type<Sample>(p.in.type, [&]<class In>() {
    constexpr int deep = sizeof(In) > 8 || std::is_integral_v<In> ? 2 : 4;
    const In* const from = static_cast<const In*>(p.in.data) + at.plane * p.in.step.plane +
                           at.channel * p.in.step.channel + row * p.in.step.row;
    // What lies inside first, several samples at a time, since memory answers late.
    const std::int64_t inside_from = row < 0 ? wanted : -first;
    const std::int64_t inside_to = smaller<std::int64_t>(wanted, p.col.in - first);
#pragma unroll 1
    for (int c = lane; c < all; c += deep * p.lanes) {
      In asked_for[deep] = {};
#pragma unroll
      for (int d = 0; d < deep; ++d)
        if (c + d * p.lanes >= inside_from && c + d * p.lanes < inside_to)
          asked_for[d] = load_global(from + (first + c + d * p.lanes) * p.in.step.col);
#pragma unroll
      for (int d = 0; d < deep; ++d)
        if (c + d * p.lanes < all)
          line[spread<Group>(c + d * p.lanes)] = detail::number<Sample>(asked_for[d]);
    }
    if (inside_from <= 0 && inside_to == wanted) return;
#pragma unroll 1
    for (int c = lane; c < wanted; c += p.lanes) {
      if (c >= inside_from && c < inside_to) continue;
      const std::int64_t col = row < 0 ? -1 : detail::border_index(p.border, first + c, p.col.in);
      line[spread<Group>(c)] =
          col < 0 ? detail::border_value<Sample>(p.outside_re, p.outside_im)
                  : detail::number<Sample>(load_global(from + col * p.in.step.col));
    }
  });
}

template <class Sample, class Tap, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    direct_line_kernel(const __grid_constant__ line_params<Tap> p, std::uint32_t tiles) {
  constexpr line_tile shape = line_tile_for(sizeof(Sum));
  constexpr int group = shape.outputs;
  const int lane = thread_of_block() % p.lanes;
  const int here = thread_of_block() / p.lanes;
  const int cols = shape.cols(p.lanes);
  const int chunk = shape.chunk(p.lanes);
  const int run = lane * (group + 1);
  auto* const line = reinterpret_cast<Sample*>(dynamic_shared()) + here * p.layout.pitch;
  auto* const taps =
      reinterpret_cast<Tap*>(dynamic_shared() + p.layout.taps_at) +
      here * shape.tap_pitch(static_cast<int>(smaller<std::int64_t>(chunk, p.col.taps)));
  auto* const results = reinterpret_cast<Sum*>(dynamic_shared() + p.layout.results_at) +
                        here * p.layout.results_pitch;

  for (std::uint32_t t = blockIdx.x; t < tiles; t += gridDim.x) {
    const std::uint32_t above = p.across.quotient(t);
    const std::int64_t j0 = p.cols.first + std::int64_t{t - above * p.across.value} * cols;
    // Lines behind the last one go with the others of their warp, and load and store nothing.
    const std::uint32_t number = above * (block_threads / p.lanes) + here;
    const bool is_there = number < p.lines;
    const std::uint32_t image = p.of_rows.quotient(is_there ? number : 0);
    const bank_place at(image, p.filters);
    const std::int64_t i = p.rows.first + ((is_there ? number : 0) - image * p.of_rows.value);
    const std::int64_t row = detail::border_index(p.border, p.row.at(i, 0), p.row.in);
    const int wanted =
        is_there ? static_cast<int>(smaller<std::int64_t>(cols, p.cols.last - j0)) : 0;

    for (int f = 0; f < p.filters.of_part; ++f) {
      const bool is_wanted = is_there && f < at.filters;
      Sum sums[group] = {};
      for (std::int64_t l0 = 0; l0 < p.col.taps; l0 += chunk) {
        const int ln = static_cast<int>(smaller<std::int64_t>(chunk, p.col.taps - l0));
        __syncwarp();  // everybody has read the chunk before
        if (f == 0 || p.col.taps > chunk)
          load_line<group>(line, lane, cols + ln - 1, wanted == 0 ? 0 : wanted + ln - 1,
                           p.col.at(j0, l0 + ln - 1), row, at, p);
        const Tap* const from = p.taps + (at.first_filter + f) * p.col.taps + l0;
        for (int l = lane; l < ln; l += p.lanes)
          taps[l] = is_wanted ? load_global(from + l) : Tap{};
        __syncwarp();
        slide_along_row<group>(sums, line + run, ln, p.zeros,
                               [&](int m) { return taps[ln - 1 - m]; });
      }
      // Of the filter before, everybody has stored the sums: there was a chunk since.
#pragma unroll
      for (int q = 0; q < group; ++q) results[run + q] = sums[q];
      __syncwarp();
      if (is_wanted)
        with_stored_type<Sum>(p.out.type, [&]<class Out>() {
          Out* const to = static_cast<Out*>(p.out.data) + at.plane * p.out.step.plane +
                          (at.first_filter + f) * p.out.step.channel + i * p.out.step.row +
                          j0 * p.out.step.col;
#pragma unroll 1
          for (int c = lane; c < wanted; c += p.lanes)
            store_global(to + c * p.out.step.col,
                         detail::element_of<Out>(results[spread<group>(c)], p.policy));
        });
    }
  }
}

template <class Sample, class Tap, class Sum>
class direct_line final : public kernels {
 public:
  explicit direct_line(const detail::request& r)
      : lanes_(shape.lanes_for(r.form.col.out)),
        bank_(bank_for(
            r.form,
            detail::saturated_product(pieces(r.form.col.out), (r.form.row.out - 1) / lines() + 1),
            blocks_worth_launching(r.device))),
        zeros_(has_zeros(taps_as<Tap>(r.filter.values))),
        taps_(on_device(taps_as<Tap>(r.filter.values))) {
    load(direct_line_kernel<Sample, Tap, Sum>);
  }

  [[nodiscard]] std::string parameters() const override {
    std::string words = "lines of " + std::to_string(shape.cols(lanes_)) + ", " +
                        std::to_string(lines()) + " a block";
    if (bank_.filters > 1) words += ", each for " + std::to_string(bank_.of_part) + " filters";
    return words;
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    const line_layout layout =
        line_layout_for(shape, lanes_, sizeof(Sample), sizeof(Tap), sizeof(Sum), p.col.taps);
    const std::int64_t across = pieces(p.cols.last - p.cols.first);
    const std::int64_t rows = p.rows.last - p.rows.first;
    if (rows == 0) return;
    // As many planes at once as make one grid.
    image_params counted = p;
    counted.rows = {0, 1};
    counted.cols = {0, across};
    for_each_grid(
        counted, 1, 1,
        [&](image_params part, const auto&) {
          const std::int64_t count = part.planes * bank_.images() * rows;
          part.rows = p.rows;
          part.cols = p.cols;
          const auto tiles = static_cast<std::uint32_t>(((count - 1) / lines() + 1) * across);
          cuda::launch(direct_line_kernel<Sample, Tap, Sum>, tiles, layout.bytes, on,
                       line_params<Tap>{{part, static_cast<const Tap*>(taps_.data())},
                                        bank_,
                                        layout,
                                        divisor(static_cast<std::uint32_t>(across)),
                                        divisor(static_cast<std::uint32_t>(rows)),
                                        static_cast<std::uint32_t>(count),
                                        lanes_,
                                        zeros_},
                       tiles);
        },
        bank_.images() * rows);
  }

 private:
  static constexpr line_tile shape = line_tile_for(sizeof(Sum));

  [[nodiscard]] int lines() const { return block_threads / lanes_; }
  [[nodiscard]] std::int64_t pieces(std::int64_t cols) const {
    return (cols + shape.cols(lanes_) - 1) / shape.cols(lanes_);
  }

  int lanes_;
  bank bank_;
  bool zeros_;
  device_memory taps_;
};

}  // namespace

std::unique_ptr<const kernels> direct_line_kernels(const detail::request& r) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        return std::make_unique<direct_line<Sample, Tap, Sum>>(r);
      });
}

}  // namespace convgpu::cuda
