// SPDX-License-Identifier: Apache-2.0
// cuda/separable, for filters that are sums of columns times rows: each term as sums down columns and then along rows.
//
// A block walks down a strip of the output, 16 rows at a time. The image crosses device memory once, whatever the
// number of terms:
//
//   load    the next rows of x̃ into a ring of rows, borders resolved
//   down    for each term, threads slide windows down columns of the ring; the sums go into lines
//   along   each thread slides a window along its run of a line; sums of all terms add up in registers
//   store   the results, by way of the lines

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
struct terms_params : image_params {
  const Tap* taps;  // of each term down and along, in the order of samples
  int terms;
  int strip;  // rows of output
};

/// Sums down a term's column, for all rows of a step and all columns that its row looks at.
template <class Sample, class Tap, class Sum>
__device__ __forceinline__ void sum_down_step(Sum* lines, const Sample* ring, int top,
                                              const terms_layout& layout, const Tap* taps,
                                              int row_taps) {
  constexpr separable_tile shape = separable_tile_for(sizeof(Sum));
  const int first = layout.first(thread_of_block());
  const int slot = next_in_ring(top, first, layout.ring_rows);
#pragma unroll 1
  for (int c = layout.column(thread_of_block()); c < layout.width; c += layout.columns_on) {
    Sum sums[terms_layout::down] = {};
    sum_down<false>(sums, ring + c, layout.width, slot, layout.ring_rows, row_taps, true,
                    [&](int m) { return taps[m]; });
    Sum* const to = lines + first * layout.pitch + spread<shape.outputs>(c);
#pragma unroll
    for (int v = 0; v < terms_layout::down; ++v) to[v * layout.pitch] = sums[v];
  }
}

template <class Sample, class Tap, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    separable_terms_kernel(const __grid_constant__ terms_params<Tap> p,
                           const __grid_constant__ tile_grid grid) {
  constexpr separable_tile shape = separable_tile_for(sizeof(Sum));
  const int row_taps = static_cast<int>(p.row.taps);
  const int col_taps = static_cast<int>(p.col.taps);
  const terms_layout layout = terms_layout_for<Sample, Tap, Sum>(row_taps, col_taps, p.terms);
  auto* const ring = reinterpret_cast<Sample*>(dynamic_shared());
  auto* const lines = reinterpret_cast<Sum*>(dynamic_shared() + layout.lines_at);
  auto* const taps = reinterpret_cast<Tap*>(dynamic_shared() + layout.taps_at);
  Sum* const run = lines + shape.run(thread_of_block(), layout.pitch);
  for (int n = thread_of_block(); n < p.terms * (row_taps + col_taps); n += block_threads)
    taps[n] = load_global(p.taps + n);

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const tile_place place(t, grid);
    const std::int64_t j0 = p.cols.first + place.col * shape.cols();
    const std::int64_t i0 = p.rows.first + place.row * p.strip;
    const int rows = static_cast<int>(smaller<std::int64_t>(p.strip, p.rows.last - i0));
    const std::int64_t row = p.row.at(i0, row_taps - 1);
    const std::int64_t col = p.col.at(j0, col_taps - 1);

    const auto load_rows = [&](int slot, int count, int first) {
      load_tile<shape.wide(), shape.deep>(ring + slot * layout.width, layout.width, count,
                                          layout.width, row + first, col, place.plane, p);
    };

    // The rows above the first output's last one, then as many as a step makes outputs.
    load_rows(layout.lead, row_taps - 1, 0);
    int top = layout.lead;  // the ring's row under the first output of the step
    for (int done = 0; done < rows; done += shape.step) {
      const int count = smaller(shape.step, rows - done);
      load_rows(next_in_ring(top, row_taps - 1, layout.ring_rows), count, row_taps - 1 + done);
      __syncthreads();  // the ring is full, and the last step's results are stored
      Sum sums[shape.outputs] = {};
      for (int n = 0; n < p.terms; ++n) {
        const Tap* const down = taps + n * (row_taps + col_taps);
        sum_down_step(lines, ring, top, layout, down, row_taps);
        __syncthreads();  // the lines are there
        slide_along_row<shape.outputs>(sums, run, col_taps, true,
                                       [&](int m) { return down[row_taps + m]; });
        __syncthreads();  // everybody has read the lines
      }
#pragma unroll
      for (int q = 0; q < shape.outputs; ++q) run[q] = sums[q];
      __syncthreads();  // the results are there
      store_tile<shape.outputs>(lines, layout.pitch, count, shape.cols(), i0 + done, j0,
                                place.plane, p);
      top = next_in_ring(top, shape.step, layout.ring_rows);
    }
  }
}

template <class Sample, class Tap, class Sum>
terms_layout layout_of(const detail::request& r) {
  return terms_layout_for<Sample, Tap, Sum>(static_cast<int>(r.form.row.taps),
                                            static_cast<int>(r.form.col.taps),
                                            static_cast<int>(detail::separable_terms(r).size()));
}

template <class Sample, class Tap, class Sum>
class several_terms final : public kernels {
 public:
  explicit several_terms(const detail::request& r)
      : taps_(on_device(in_order(r))),
        terms_(static_cast<int>(detail::separable_terms(r).size())),
        shared_(layout_of<Sample, Tap, Sum>(r).bytes),
        text_(detail::rank_words(r, detail::separable_terms(r)) + std::to_string(r.form.row.taps) +
              " + " + std::to_string(r.form.col.taps) + " taps, fused, strips of " +
              std::to_string(shape.cols()) + " columns") {
    check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, r.device),
          "cudaDeviceGetAttribute");
    load(separable_terms_kernel<Sample, Tap, Sum>);
    // Never less than what another plan asked for.
    if (shared_ > shared_everywhere)
      check(cudaFuncSetAttribute(separable_terms_kernel<Sample, Tap, Sum>,
                                 cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_on(r.device))),
            "cudaFuncSetAttribute");
  }

  [[nodiscard]] std::string parameters() const override { return text_; }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return false; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    const std::int64_t across =
        (p.cols.last - p.cols.first + shape.cols() - 1) / shape.cols() * p.planes;
    const int strip =
        separable_strip(p.rows.last - p.rows.first, across, p.row.taps, multiprocessors_);
    for_each_grid(p, strip, shape.cols(), [&](const auto& part, const auto& grid) {
      cuda::launch(separable_terms_kernel<Sample, Tap, Sum>, grid.total, shared_, on,
                   terms_params<Tap>{part, static_cast<const Tap*>(taps_.data()), terms_, strip},
                   grid);
    });
  }

 private:
  static constexpr separable_tile shape = separable_tile_for(sizeof(Sum));

  static std::vector<Tap> in_order(const detail::request& r) {
    std::vector<Tap> all;
    for (const detail::rank_one& term : detail::separable_terms(r))
      for (const detail::tap_values* factor : {&term.column, &term.row}) {
        const std::vector<Tap> taps = taps_as<Tap>(*factor);
        all.insert(all.end(), taps.rbegin(), taps.rend());
      }
    return all;
  }

  device_memory taps_;
  int terms_;
  std::size_t shared_;
  std::string text_;
  int multiprocessors_ = 0;
};

}  // namespace

std::string refuse_terms(const detail::request& r) {
  const std::string what = "its filter is a sum of " +
                           std::to_string(detail::separable_terms(r).size()) +
                           " columns times rows, ";
  if (r.form.row.taps > separable_taps || r.form.col.taps > separable_taps)
    return what + "for which there is a kernel for up to " + std::to_string(separable_taps) +
           " taps each";
  const std::size_t needed = with_sum_types(r, [&]<class Sample, class Tap, class Sum>() {
    return layout_of<Sample, Tap, Sum>(r).bytes;
  });
  const std::size_t most = shared_on(r.device);
  if (needed > most)
    return what + "which take " + std::to_string(needed) + " bytes of shared memory, more than " +
           std::to_string(most);
  return {};
}

std::unique_ptr<const kernels> terms_kernels(const detail::request& r) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        // Terms are those of real taps.
        if constexpr (std::is_floating_point_v<Tap> &&
                      detail::is_complex_type<Sample> == detail::is_complex_type<Sum>)
          return std::make_unique<several_terms<Sample, Tap, Sum>>(r);
        else return nullptr;
      });
}

}  // namespace convgpu::cuda
