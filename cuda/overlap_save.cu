// SPDX-License-Identifier: Apache-2.0
// cuda/overlap_save: blocks of x̃ that overlap by the filter's reach, each convolved by a transform (transform.hpp)
// that never leaves shared memory, so that a block crosses device memory once each way:
//
//   load       samples, borders resolved; the largest magnitude, and whether all are finite
//   convolve   stages there, product with the filter's spectrum, stages back, scaled by a power of two so that the
//              largest sample is from 1 to below 2, and data of any size neither overflow nor vanish
//   store      the outputs, scaled back
//
// Filters that see one channel each are one launch. Those of a channel are for one block, or shared out among as many as
// a device wants: it keeps what the stages have left of its samples, and makes from there, one filter after the other,
// what they become, in as many points beside them.
//
// What is not finite is left out. A block that has such samples goes through once more: ones in their places, zeros
// elsewhere, and ones in place of the taps that are not zero, give to each output how many of them it sees.
//
// Which outputs a block makes, and from what, depends on the problem alone: a launch that wants some of them computes
// the whole block.

#include "overlap_save.hpp"

#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/separable.hpp>
#include <limits>

#include "algorithms.hpp"
#include "blocks.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "singles.hpp"
#include "taps.hpp"
#include "transform.cuh"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

template <class T>
struct overlap_save_params : image_params {
  detail::range wanted_rows;  // of the output; `rows` and `cols` begin with a block
  detail::range wanted_cols;
  int block_rows;  // outputs of a block
  int block_cols;
  int lines;   // of samples in a block
  int length;  // of each
  int row_reach;
  int col_reach;
  int filter_exponent;  // taps have been divided by this power of two
  transform stages;
  const complex_number<T>* roots;
  const complex_number<T>* spectrum;
  const complex_number<T>* marks;  // spectrum of the places of taps
};

/// The same for filters that see one channel each; `spectrum` and `marks` are those of the first one.
template <class T>
struct bank_params : overlap_save_params<T> {
  bank filters;
  int numbers;     // of a filter: how far the next one's spectrum is
  int results_at;  // how far behind the points, which are kept for other filters; 0 in their place
};

template <class T, bool Bank>
using params_of = std::conditional_t<Bank, bank_params<T>, overlap_save_params<T>>;

// What a block is for: the one filter that there is, or those of its image. Where in an array the first of its samples
// and outputs are, and where results are beside the points.
template <class T>
__device__ __forceinline__ int filters_of(const block_outputs&, const overlap_save_params<T>&) {
  return 1;
}
template <class T>
__device__ __forceinline__ std::int64_t seen_from(const block_outputs& b,
                                                  const overlap_save_params<T>& p) {
  return b.plane * p.in.step.plane;
}
template <class T>
__device__ __forceinline__ std::int64_t made_from(const block_outputs& b, int /*filter*/,
                                                  const overlap_save_params<T>& p) {
  return b.plane * p.out.step.plane;
}
template <class T>
__device__ __forceinline__ int results_of(const overlap_save_params<T>&) {
  return 0;
}
template <class T>
__device__ __forceinline__ bank_place image_of(const block_outputs& b, const bank_params<T>& p) {
  return {static_cast<std::uint32_t>(b.plane), p.filters};
}
template <class T>
__device__ __forceinline__ int filters_of(const block_outputs& b, const bank_params<T>& p) {
  return image_of(b, p).filters;
}
template <class T>
__device__ __forceinline__ std::int64_t seen_from(const block_outputs& b, const bank_params<T>& p) {
  const bank_place image = image_of(b, p);
  return image.plane * p.in.step.plane + image.channel * p.in.step.channel;
}
template <class T>
__device__ __forceinline__ std::int64_t made_from(const block_outputs& b, int filter,
                                                  const bank_params<T>& p) {
  const bank_place image = image_of(b, p);
  return image.plane * p.out.step.plane + (image.first_filter + filter) * p.out.step.channel;
}
template <class T>
__device__ __forceinline__ int results_of(const bank_params<T>& p) {
  return p.results_at;
}

/// A sample's part of the block: its number, or in their second round whether it is not finite.
template <class T>
__device__ __forceinline__ T part_of_block(T x, bool of_marks, found<T>& all, bool& finite) {
  const T size = std::abs(x);
  if (!(size <= std::numeric_limits<T>::max())) {
    finite = false;
    return T{};
  }
  if (size > all.most) all.most = size;
  return of_marks ? T{} : x;
}

template <class T, bool Complex>
__device__ __forceinline__ void put_sample(T* re, T* im, int i,
                                           std::conditional_t<Complex, std::complex<T>, T> x,
                                           bool of_marks, found<T>& all) {
  bool finite = true;
  if constexpr (Complex) {
    T a = part_of_block(x.real(), of_marks, all, finite);
    T b = part_of_block(x.imag(), of_marks, all, finite);
    if (!finite) a = of_marks ? T{1} : T{}, b = T{};
    re[place<T>(i)] = a;
    im[place<T>(i)] = b;
  } else {
    const T a = part_of_block(x, of_marks, all, finite);
    re[place<T>(i)] =
        finite || !of_marks ? a : T{1};  // the second half of them is the imaginary part
  }
  if (!finite) all.bad = true;
}

/// The samples of a block, zeros behind those that its outputs see. By all threads; nobody waits.
template <class T, bool Complex, class Params>
__device__ found<T> load_block(T* re, T* im, const block_outputs& b, bool of_marks,
                               const Params& p) {
  struct {
    std::int64_t row;  // of x̃
    std::int64_t col;
    int rows;  // that the outputs see
    int cols;
  } const s{p.row.at(b.rows.first, p.row.taps - 1), p.col.at(b.cols.first, p.col.taps - 1),
            static_cast<int>(b.rows.last - b.rows.first) + p.row_reach - 1,
            static_cast<int>(b.cols.last - b.cols.first) + p.col_reach - 1};
  using sample = std::conditional_t<Complex, std::complex<T>, T>;
  constexpr int wide = overlap_save_loads<sample>;
  const int across = p.lines == 1 ? block_threads : warp;
  const int left = thread_of_block() % across;
  const int first = thread_of_block() / across;
  const int step = block_threads / across;
  const bool inside =
      s.row >= 0 && s.col >= 0 && s.row + s.rows <= p.row.in && s.col + s.cols <= p.col.in;
  found<T> all{};
  with_input_type<T, Complex>(p.in.type, [&]<class In>() {
    const In* const plane = static_cast<const In*>(p.in.data) + seen_from(b, p);
    if (inside) {
#pragma unroll 1
      for (int r = first; r < s.rows; r += step) {
        const In* const line = plane + (s.row + r) * p.in.step.row + s.col * p.in.step.col;
#pragma unroll 1
        for (int c = left; c < s.cols; c += wide * across) {
          In asked_for[wide] = {};
#pragma unroll
          for (int w = 0; w < wide; ++w)
            if (c + w * across < s.cols)
              asked_for[w] = load_global(line + (c + w * across) * p.in.step.col);
#pragma unroll
          for (int w = 0; w < wide; ++w)
            if (c + w * across < s.cols)
              put_sample<T, Complex>(re, im, r * p.length + c + w * across,
                                     detail::number<sample>(asked_for[w]), of_marks, all);
        }
      }
    } else {
#pragma unroll 1
      for (int r = first; r < s.rows; r += step) {
        const std::int64_t source = detail::border_index(p.border, s.row + r, p.row.in);
#pragma unroll 1
        for (int c = left; c < s.cols; c += across) {
          const std::int64_t at =
              source < 0 ? -1 : detail::border_index(p.border, s.col + c, p.col.in);
          put_sample<T, Complex>(re, im, r * p.length + c,
                                 at < 0 ? detail::border_value<sample>(p.outside_re, p.outside_im)
                                        : detail::number<sample>(load_global(
                                              plane + source * p.in.step.row + at * p.in.step.col)),
                                 of_marks, all);
        }
      }
    }
  });
#pragma unroll 1
  for (int r = first; r < p.lines; r += step)
    for (int c = left + (r < s.rows ? (s.cols - left + across - 1) / across * across : 0);
         c < p.length; c += across)
      if (r >= s.rows || c >= s.cols)
        put_sample<T, Complex>(re, im, r * p.length + c, sample{}, false, all);
  return all;
}

/// The wanted outputs of a block, of one of its filters, from its points; in the round of marks NaN where more than
/// none are seen.
template <class T, bool Complex, class Result, class Params>
__device__ void store_block(const T* re, const T* im, const block_outputs& b, int filter,
                            bool of_marks, T scale, const Params& p) {
  const detail::range& rows = b.rows;
  const detail::range& cols = b.cols;
  const int across = p.lines == 1 ? block_threads : warp;
  const std::int64_t end_row = smaller(rows.last, p.wanted_rows.last);
  const std::int64_t end_col = smaller(cols.last, p.wanted_cols.last);
  const int last_row = static_cast<int>(end_row - rows.first);
  const int last_col = static_cast<int>(end_col - cols.first);
  const int left = thread_of_block() % across;
  const int first = thread_of_block() / across;
  const int step = block_threads / across;
  with_stored_type<Result>(p.out.type, [&]<class Out>() {
    Out* const to = static_cast<Out*>(p.out.data) + made_from(b, filter, p) +
                    rows.first * p.out.step.row + cols.first * p.out.step.col;
#pragma unroll 1
    for (int r = first; r < last_row; r += step) {
      if (rows.first + r < p.wanted_rows.first) continue;
#pragma unroll 1
      for (int c = left; c < last_col; c += across) {
        if (cols.first + c < p.wanted_cols.first) continue;
        // The first outputs lie where the filter's reach ends.
        const int at = place<T>((r + p.row_reach - 1) * p.length + c + p.col_reach - 1);
        Result value;
        if constexpr (std::is_same_v<Result, std::int64_t>) {
          value = static_cast<std::int64_t>(std::nearbyint(re[at] * scale));
        } else {
          constexpr T nan = std::numeric_limits<T>::quiet_NaN();
          if (of_marks && re[at] < T{0.5}) continue;
          if constexpr (Complex)
            value = of_marks ? Result(nan, nan) : Result(re[at] * scale, im[at] * scale);
          else value = of_marks ? nan : re[at] * scale;
        }
        store_global(to + r * p.out.step.row + c * p.out.step.col,
                     detail::element_of<Out>(value, p.policy));
      }
    }
  });
}

/// The same number, of which the compiler knows no more: what follows from it is worked out again instead of being
/// kept in registers that the stages need.
__device__ __forceinline__ std::uint32_t anew(std::uint32_t t) {
#if !defined(CUDA_ON_HOST)
  asm volatile("" : "+r"(t));
#endif
  return t;
}

/// For the one filter that there is, in the places of the points; with `Bank` for those of a block's image, one after the
/// other, from what the stages there have left.
template <class T, bool Complex, class Result, bool Bank>
__global__ void __launch_bounds__(block_threads, overlap_save_blocks_at_once<T, Bank>)
    overlap_save_kernel(const __grid_constant__ params_of<T, Bank> p,
                        const __grid_constant__ tile_grid grid) {
  const int results_at = results_of(p);
  auto* const re = reinterpret_cast<T*>(dynamic_shared());
  T* const im = re + place<T>(p.stages.points);
  auto* const of_warps = reinterpret_cast<found<T>*>(im + place<T>(p.stages.points) + results_at);
  const shared_points<T> block{re, im, p.roots};

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const auto outputs = [&] { return block_outputs(anew(t), p, grid); };
    bool of_marks = false;
    for (;;) {
      tell_block(load_block<T, Complex>(re, im, outputs(), of_marks, p), of_warps);
      __syncthreads();
      const auto scale = [&] {
        return of_marks ? scales<T>{T{1}, T{1}}
                        : scales_for(of_block(of_warps).most, p.filter_exponent);
      };
      if constexpr (Bank) transform_points_there(block, p.stages, scale().in);
      bool done = false;
#pragma unroll 1
      for (int f = 0; f < filters_of(outputs(), p); ++f) {
        const complex_number<T>* const spectrum = of_marks ? p.marks : p.spectrum;
        if constexpr (Bank)
          convolve_transformed(block, results_at, p.stages,
                               spectrum + (image_of(outputs(), p).first_filter + f) * p.numbers);
        else convolve_points(block, p.stages, spectrum, scale().in);
        store_block<T, Complex, Result>(re + results_at, im + results_at, outputs(), f, of_marks,
                                        scale().out, p);
        done = of_marks || !of_block(of_warps).bad;
        __syncthreads();  // everybody has read the points, and what there is of them
      }
      if (done) break;
      of_marks = true;
    }
  }
}

template <class T, bool Complex, class Result>
class overlap_save final : public kernels {
 public:
  explicit overlap_save(const detail::request& r)
      : banks_(r.form.has_channels()),
        swapped_(is_column(r.form)),
        blocks_(overlap_save_blocks_for(r).value()),
        samples_(samples_of(blocks_.points, Complex ? 1 : 2)),
        stages_(transform_of(blocks_.points)) {
    const overlap_save_tables<T> tables = overlap_save_tables_of<T>(r, blocks_);
    filter_exponent_ = tables.filter_exponent;
    tables_ = on_device(tables.numbers);
    if (banks_) make_ready(bank_kernel, r.device);
    else make_ready(kernel, r.device);
  }

  [[nodiscard]] std::string parameters() const override {
    const auto by = [](std::int64_t rows, std::int64_t cols) {
      return (rows == 1 ? "" : std::to_string(rows) + " x ") + std::to_string(cols);
    };
    return "blocks of " + by(samples_.rows, samples_.cols) + " samples for " +
           by(blocks_.rows, blocks_.cols) + " outputs" +
           (banks_ ? " of " + std::to_string(of_part()) + (of_part() == 1 ? " filter" : " filters")
                   : "") +
           ", error at most " + detail::short_text(blocks_.error);
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override {
    return std::is_same_v<Result, std::int64_t>;
  }
  [[nodiscard]] extent block() const noexcept override {
    if (banks_) return {1, 1};  // staged data with channels goes by whole planes
    if (swapped_) return {blocks_.cols, blocks_.rows};
    return {blocks_.rows, blocks_.cols};
  }
  void launch(const image_params& all, void*, cudaStream_t on) const override {
    image_params p = all;
    if (swapped_) {
      std::swap(p.row, p.col);
      std::swap(p.rows, p.cols);
      for (device_array* a : {&p.in, &p.out}) std::swap(a->step.row, a->step.col);
    }
    image_params from_blocks = p;
    from_blocks.rows.first -= p.rows.first % blocks_.rows;
    from_blocks.cols.first -= p.cols.first % blocks_.cols;
    const auto* const tables = static_cast<const complex_number<T>*>(tables_.data());
    const auto rows = static_cast<int>(blocks_.rows);
    const auto cols = static_cast<int>(blocks_.cols);
    const auto launch_part = [&](const image_params& part, const tile_grid& grid) {
      const overlap_save_params<T> with_tables{part,
                                               p.rows,
                                               p.cols,
                                               rows,
                                               cols,
                                               static_cast<int>(samples_.rows),
                                               static_cast<int>(samples_.cols),
                                               static_cast<int>(p.row.reach()),
                                               static_cast<int>(p.col.reach()),
                                               filter_exponent_,
                                               stages_,
                                               tables,
                                               tables + stages_.roots,
                                               tables + stages_.roots + stages_.points};
      if (banks_)
        cuda::launch(
            bank_kernel, grid.total, blocks_.shared, on,
            bank_params<T>{with_tables, blocks_.filters, stages_.points * (has_marks ? 2 : 1),
                           of_part() > 1 ? 2 * place<T>(stages_.points) : 0},
            grid);
      else cuda::launch(kernel, grid.total, blocks_.shared, on, with_tables, grid);
    };
    for_each_grid(from_blocks, rows, cols, launch_part, blocks_.filters.images());
  }

 private:
  static constexpr auto kernel = overlap_save_kernel<T, Complex, Result, false>;
  static constexpr auto bank_kernel = overlap_save_kernel<T, Complex, Result, true>;
  static constexpr bool has_marks = !std::is_same_v<Result, std::int64_t>;

  [[nodiscard]] int of_part() const { return blocks_.filters.of_part; }

  template <class Kernel>
  void make_ready(Kernel k, int device) {
    load(k);
    if (blocks_.shared <= shared_everywhere) return;
    int most = 0;  // never less than what another plan asked for
    check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
          "cudaDeviceGetAttribute");
    check(cudaFuncSetAttribute(k, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
          "cudaFuncSetAttribute");
  }

  bool banks_;  // filters see one channel each
  bool swapped_;
  overlap_save_blocks blocks_;
  extent samples_;  // of a block
  transform stages_;
  int filter_exponent_ = 0;
  device_memory tables_;  // roots; spectrum and marks of each filter
};

using made = std::unique_ptr<const kernels>;

template <class T>
made make_float(const detail::request& r) {
  if (is_complex(r.form.types.in) || is_complex(r.form.types.filter))
    return std::make_unique<overlap_save<T, true, std::complex<T>>>(r);
  return std::make_unique<overlap_save<T, false, T>>(r);
}

}  // namespace

std::unique_ptr<const kernels> overlap_save_kernels(const detail::request& r) {
  if (r.form.has_channels() && !overlap_save_shares(r))
    return singles_kernels(r, overlap_save_kernels);
  if (is_integer(r.form.types.filter))
    return std::make_unique<overlap_save<double, false, std::int64_t>>(r);
  return detail::sums_in_f64(r.form.types) ? make_float<double>(r) : make_float<float>(r);
}

}  // namespace convgpu::cuda
