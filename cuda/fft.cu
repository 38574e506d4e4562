// SPDX-License-Identifier: Apache-2.0
// cuda/fft: blocks of x̃ that overlap by the filter's reach, of any size up to the whole input, convolved by cuFFT.
//
//   look      the largest magnitude in each part of a block, and whether all is finite
//   load      samples, borders resolved, scaled by a power of two; zeros in place of what is not finite
//   cuFFT     samples → bins
//   multiply  by the filter's bins, beside them where there are other filters that see the channel
//   cuFFT     bins → samples
//   store     the outputs, scaled back; NaN where one sees a sample that is not finite under a tap that is not zero
//
// As many blocks go through that at once as the workspace is for. Which outputs a block makes, and from what, depends
// on the problem alone.

#include "fft.hpp"

#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/separable.hpp>
#include <convgpu/detail/singles.hpp>
#include <memory>
#include <mutex>

#include "algorithms.hpp"
#include "blocks.cuh"
#include "cufft.hpp"
#include "launch.hpp"
#include "memory.hpp"
#include "overlap_save.hpp"
#include "singles.hpp"
#include "taps.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

template <class T>
struct fft_params : image_params {
  detail::range wanted_rows;  // of the output; `rows` and `cols` begin with a block
  detail::range wanted_cols;
  std::int64_t block_rows;  // outputs of a block
  std::int64_t block_cols;
  int length_bits;  // of a row of samples
  int points;       // samples of a block
  int bins;
  int row_reach;
  int col_reach;
  int filter_exponent;  // of the largest of the filters
  T of_filter;          // the power of two by which this one is less
  int part;             // samples that a block of threads looks at
  int parts;            // of a block
  std::uint32_t first_block;
  std::uint32_t blocks;  // that are worked on
  T* samples;
  complex_number<T>* spectra;
  complex_number<T>* products;
  const T* results;
  found<T>* in_parts;
  const complex_number<T>* filter;
  const std::uint8_t* taps;  // which are not zero
};

/// A sample of x̃.
template <class T, bool Complex>
__device__ __forceinline__ std::conditional_t<Complex, std::complex<T>, T> sample_of(
    std::int64_t plane, std::int64_t row, std::int64_t col, const fft_params<T>& p) {
  using sample = std::conditional_t<Complex, std::complex<T>, T>;
  const std::int64_t r = detail::border_index(p.border, row, p.row.in);
  const std::int64_t c = r < 0 ? -1 : detail::border_index(p.border, col, p.col.in);
  if (c < 0) return detail::border_value<sample>(p.outside_re, p.outside_im);
  sample x{};
  with_input_type<T, Complex>(p.in.type, [&]<class In>() {
    x = detail::number<sample>(load_global(static_cast<const In*>(p.in.data) +
                                           plane * p.in.step.plane + r * p.in.step.row +
                                           c * p.in.step.col));
  });
  return x;
}

/// The largest magnitude of its parts.
template <class T>
__device__ __forceinline__ T size_of_sample(T x) {
  return std::abs(x);
}
template <class T>
__device__ __forceinline__ T size_of_sample(std::complex<T> x) {
  const T re = std::abs(x.real());
  const T im = std::abs(x.imag());
  return re > im || !is_finite(re) ? re : im;  // what is not finite is not less than anything
}

/// Which block of samples, and which part of it, a block of threads works on.
struct work_item {
  std::uint32_t block;  // of those at work
  int part;
  template <class T>
  __device__ __forceinline__ work_item(std::uint32_t item, const fft_params<T>& p)
      : block(item / static_cast<std::uint32_t>(p.parts)),
        part(static_cast<int>(item % static_cast<std::uint32_t>(p.parts))) {}
};

/// Calls f(i, sample) for those of a part that outputs see, and others(i) for the rest.
template <class T, bool Complex, class F, class G>
__device__ __forceinline__ void for_each_sample(const work_item& at, const fft_params<T>& p,
                                                const tile_grid& grid, F&& f, G&& others) {
  const block_outputs b(p.first_block + at.block, p, grid);
  const std::int64_t row = p.row.at(b.rows.first, p.row.taps - 1);
  const std::int64_t col = p.col.at(b.cols.first, p.col.taps - 1);
  const int rows = static_cast<int>(b.rows.last - b.rows.first) + p.row_reach - 1;
  const int cols = static_cast<int>(b.cols.last - b.cols.first) + p.col_reach - 1;
  const int begin = at.part * p.part;
  const int end = smaller(begin + p.part, p.points);
  for (int i = begin + thread_of_block(); i < end; i += block_threads) {
    const int r = i >> p.length_bits;
    const int c = i & ((1 << p.length_bits) - 1);
    if (r < rows && c < cols) f(i, sample_of<T, Complex>(b.plane, row + r, col + c, p));
    else others(i);
  }
}

template <class T, bool Complex>
__global__ void __launch_bounds__(block_threads, fft_blocks_at_once<T>)
    fft_look_kernel(const __grid_constant__ fft_params<T> p,
                    const __grid_constant__ tile_grid grid) {
  auto* const of_warps = reinterpret_cast<found<T>*>(dynamic_shared());
  const std::uint32_t items = p.blocks * static_cast<std::uint32_t>(p.parts);
  for (std::uint32_t item = blockIdx.x; item < items; item += gridDim.x) {
    found<T> mine{};
    for_each_sample<T, Complex>(
        work_item(item, p), p, grid,
        [&](int, auto x) {
          const T size = size_of_sample(x);
          if (!is_finite(size)) mine.bad = true;
          else if (size > mine.most) mine.most = size;
        },
        [](int) {});
    tell_block(mine, of_warps);
    __syncthreads();
    if (thread_of_block() == 0) {
      const found<T> all = of_block(of_warps);
      store_global(&p.in_parts[item].most, all.most);
      store_global(&p.in_parts[item].bad, all.bad);
    }
    __syncthreads();  // it has been read
  }
}

/// What lies in all parts of a block. All threads have to be there.
template <class T>
__device__ __forceinline__ found<T> of_parts(std::uint32_t block, const fft_params<T>& p,
                                             found<T>* of_warps) {
  found<T> mine{};
  const found<T>* const parts = p.in_parts + block * static_cast<std::uint32_t>(p.parts);
  for (int k = thread_of_block(); k < p.parts; k += block_threads) {
    const T most = load_global(&parts[k].most);
    if (most > mine.most) mine.most = most;
    if (load_global(&parts[k].bad)) mine.bad = true;
  }
  __syncthreads();  // what is there has been read
  tell_block(mine, of_warps);
  __syncthreads();
  return of_block(of_warps);
}

template <class T, bool Complex>
__global__ void __launch_bounds__(block_threads, fft_blocks_at_once<T>)
    fft_load_kernel(const __grid_constant__ fft_params<T> p,
                    const __grid_constant__ tile_grid grid) {
  auto* const of_warps = reinterpret_cast<found<T>*>(dynamic_shared());
  const std::uint32_t items = p.blocks * static_cast<std::uint32_t>(p.parts);
  for (std::uint32_t item = blockIdx.x; item < items; item += gridDim.x) {
    const work_item at(item, p);
    const T scale = scales_for(of_parts(at.block, p, of_warps).most, p.filter_exponent).in;
    const std::int64_t first = static_cast<std::int64_t>(at.block) * p.points;
    const auto put = [&](int i, T re, [[maybe_unused]] T im) {
      if constexpr (Complex)
        store_global(reinterpret_cast<complex_number<T>*>(p.samples) + first + i,
                     complex_number<T>{re, im});
      else store_global(p.samples + first + i, re);
    };
    for_each_sample<T, Complex>(
        at, p, grid,
        [&](int i, auto x) {
          if (!is_finite(size_of_sample(x))) return put(i, T{}, T{});
          if constexpr (Complex) put(i, x.real() * scale, x.imag() * scale);
          else put(i, x * scale, T{});
        },
        [&](int i) { put(i, T{}, T{}); });
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads, fft_blocks_at_once<T>)
    fft_multiply_kernel(const __grid_constant__ fft_params<T> p) {
  const std::int64_t all = static_cast<std::int64_t>(p.blocks) * p.bins;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * block_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + thread_of_block();
       i < all; i += threads) {
    const complex_number<T> a = load_global(p.spectra + i);
    const complex_number<T> b = load_global(p.filter + i % p.bins);
    store_global(p.products + i,
                 complex_number<T>{a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re});
  }
}

/// Whether an output of a block that has them sees samples that are not finite: looked up in the parts of the block, and
/// where one that it may see has some, one by one.
template <class T, bool Complex>
__device__ bool sees_bad(const block_outputs& b, std::uint32_t block, int r, int c,
                         const fft_params<T>& p) {
  const found<T>* const parts = p.in_parts + block * static_cast<std::uint32_t>(p.parts);
  const int first = ((r << p.length_bits) + c) / p.part;
  const int last = (((r + p.row_reach - 1) << p.length_bits) + c + p.col_reach - 1) / p.part;
  bool any = false;
  for (int k = first; k <= last && !any; ++k) any = load_global(&parts[k].bad);
  if (!any) return false;
  const std::int64_t i = b.rows.first + r;
  const std::int64_t j = b.cols.first + c;
  for (std::int64_t k = 0; k < p.row.taps; ++k)
    for (std::int64_t l = 0; l < p.col.taps; ++l)
      if (load_global(p.taps + k * p.col.taps + l) != 0 &&
          !is_finite(
              size_of_sample(sample_of<T, Complex>(b.plane, p.row.at(i, k), p.col.at(j, l), p))))
        return true;
  return false;
}

template <class T, bool Complex>
__global__ void __launch_bounds__(block_threads, fft_blocks_at_once<T>)
    fft_store_kernel(const __grid_constant__ fft_params<T> p,
                     const __grid_constant__ tile_grid grid) {
  using result = std::conditional_t<Complex, std::complex<T>, T>;
  auto* const of_warps = reinterpret_cast<found<T>*>(dynamic_shared());
  const std::uint32_t items = p.blocks * static_cast<std::uint32_t>(p.parts);
  for (std::uint32_t item = blockIdx.x; item < items; item += gridDim.x) {
    const work_item at(item, p);
    const found<T> all = of_parts(at.block, p, of_warps);
    const T scale = scales_for(all.most, p.filter_exponent).out * p.of_filter;
    const block_outputs b(p.first_block + at.block, p, grid);
    const std::int64_t first = static_cast<std::int64_t>(at.block) * p.points;
    const int begin = at.part * p.part;
    const int end = smaller(begin + p.part, p.points);
    with_stored_type<result>(p.out.type, [&]<class Out>() {
      Out* const to = static_cast<Out*>(p.out.data) + b.plane * p.out.step.plane;
      for (int i = begin + thread_of_block(); i < end; i += block_threads) {
        // The first outputs lie where the filter's reach ends.
        const int r = (i >> p.length_bits) - (p.row_reach - 1);
        const int c = (i & ((1 << p.length_bits) - 1)) - (p.col_reach - 1);
        const std::int64_t row = b.rows.first + r;
        const std::int64_t col = b.cols.first + c;
        if (r < 0 || c < 0 || row >= b.rows.last || col >= b.cols.last ||
            row < p.wanted_rows.first || row >= p.wanted_rows.last || col < p.wanted_cols.first ||
            col >= p.wanted_cols.last)
          continue;
        constexpr T nan = std::numeric_limits<T>::quiet_NaN();
        const bool bad = all.bad && sees_bad<T, Complex>(b, at.block, r, c, p);
        result value;
        if constexpr (Complex) {
          const auto z =
              load_global(reinterpret_cast<const complex_number<T>*>(p.results) + first + i);
          value = bad ? result(nan, nan) : result(z.re * scale, z.im * scale);
        } else {
          value = bad ? nan : load_global(p.results + first + i) * scale;
        }
        store_global(to + row * p.out.step.row + col * p.out.step.col,
                     detail::element_of<Out>(value, p.policy));
      }
    });
  }
}

template <class T, bool Complex>
class fft final : public kernels {
 public:
  explicit fft(const detail::request& r)
      : channels_(r.form.groups),
        of_channel_(r.form.filters),
        swapped_(is_column(r.form)),
        blocks_(fft_blocks_for(r).value()) {
    for (bool fits = false; !fits;) {
      back_.reset();
      there_.reset();
      const auto make = [&](cufft_plan::kind k) {
        return std::make_unique<cufft_plan>(k, wide, blocks_.samples.rows, blocks_.samples.cols,
                                            blocks_.at_once);
      };
      if constexpr (Complex) {
        there_ = make(cufft_plan::kind::complex);
      } else {
        there_ = make(cufft_plan::kind::real_there);
        back_ = make(cufft_plan::kind::real_back);
      }
      layout_ =
          fft_layout_for(blocks_, wide, Complex,
                         std::max(there_->work_bytes(), back_ == nullptr ? 0 : back_->work_bytes()),
                         of_channel_ > 1);
      // What cuFFT wants to work in it says only now.
      fits = layout_.bytes + device_alignment <= r.how.max_workspace || blocks_.at_once == 1;
      if (!fits) blocks_.at_once = (blocks_.at_once + 1) / 2;
    }
    filters_.reserve(static_cast<std::size_t>(channels_ * of_channel_));
    if (!r.form.has_channels()) add(r);
    const detail::normal_form one = detail::single_form(r.form);
    for (const detail::filter_taps& filter : r.filter.singles) add({one, filter, r.how, r.device});
    for (const one_filter& f : filters_) filter_exponent_ = std::max(filter_exponent_, f.exponent);
    load(fft_look_kernel<T, Complex>);
    load(fft_load_kernel<T, Complex>);
    load(fft_multiply_kernel<T>);
    load(fft_store_kernel<T, Complex>);
  }

  [[nodiscard]] std::string parameters() const override {
    const auto by = [](std::int64_t rows, std::int64_t cols) {
      return (rows == 1 ? "" : std::to_string(rows) + " x ") + std::to_string(cols);
    };
    return "blocks of " + by(blocks_.samples.rows, blocks_.samples.cols) + " samples for " +
           by(blocks_.rows, blocks_.cols) + " outputs, " + std::to_string(blocks_.at_once) +
           " at once, error at most " + detail::short_text(blocks_.error) +
           (filters_.size() == 1 ? ""
                                 : ", bins of each channel for " + std::to_string(of_channel_) +
                                       (of_channel_ == 1 ? " filter" : " filters"));
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return false; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override { return layout_.bytes; }
  [[nodiscard]] extent block() const noexcept override {
    if (filters_.size() > 1) return {1, 1};  // staged data with channels goes by whole planes
    if (swapped_) return {blocks_.cols, blocks_.rows};
    return {blocks_.rows, blocks_.cols};
  }
  void launch(const image_params& all, void* workspace, cudaStream_t on) const override {
    image_params p = all;
    if (swapped_) {
      std::swap(p.row, p.col);
      std::swap(p.rows, p.cols);
      for (device_array* a : {&p.in, &p.out}) std::swap(a->step.row, a->step.col);
    }
    image_params from_blocks = p;
    from_blocks.rows.first -= p.rows.first % blocks_.rows;
    from_blocks.cols.first -= p.cols.first % blocks_.cols;
    auto* const memory = static_cast<std::byte*>(workspace);
    const std::int64_t points = blocks_.points();
    fft_params<T> w{};
    w.wanted_rows = p.rows;
    w.wanted_cols = p.cols;
    w.block_rows = blocks_.rows;
    w.block_cols = blocks_.cols;
    w.length_bits = log2_of(static_cast<int>(blocks_.samples.cols));
    w.points = static_cast<int>(points);
    w.bins = static_cast<int>(bins_of(blocks_.samples, Complex));
    w.row_reach = static_cast<int>(p.row.reach());
    w.col_reach = static_cast<int>(p.col.reach());
    w.filter_exponent = filter_exponent_;
    w.part = static_cast<int>(fft_part(points));
    w.parts = static_cast<int>(fft_parts(points));
    w.samples = reinterpret_cast<T*>(memory);
    w.spectra = reinterpret_cast<complex_number<T>*>(memory + layout_.bins_at);
    w.products = reinterpret_cast<complex_number<T>*>(memory + layout_.products_at);
    w.results = Complex ? reinterpret_cast<const T*>(w.products) : w.samples;
    w.in_parts = reinterpret_cast<found<T>*>(memory + layout_.found_at);
    for_each_grid(from_blocks, static_cast<int>(blocks_.rows), static_cast<int>(blocks_.cols),
                  [&](const image_params& part, const tile_grid& grid) {
                    for (std::int64_t channel = 0; channel < channels_; ++channel)
                      for (std::int64_t first = 0; first < grid.total; first += blocks_.at_once) {
                        static_cast<image_params&>(w) = part;
                        w.in = channel_of(part.in, channel);
                        w.first_block = static_cast<std::uint32_t>(first);
                        w.blocks = static_cast<std::uint32_t>(
                            std::min<std::int64_t>(blocks_.at_once, grid.total - first));
                        convolve(w, grid, channel * of_channel_, memory + layout_.work_at, on);
                      }
                  });
  }

 private:
  static constexpr bool wide = std::is_same_v<T, double>;
  static constexpr std::size_t shared = block_threads / warp * sizeof(found<T>);

  struct one_filter {
    int exponent;
    device_memory bins;
    device_memory taps;
  };
  void add(const detail::request& one) {
    const fft_tables<T> tables = fft_tables_of<T>(one, blocks_);
    filters_.push_back({tables.filter_exponent, on_device(tables.bins), on_device(tables.taps)});
  }

  /// Samples go to bins once for all filters of their channel.
  /// Blocks that are behind those that are worked on go through cuFFT as they lie there, and nobody looks at them.
  void convolve(fft_params<T> w, const tile_grid& grid, std::int64_t first_filter, void* work,
                cudaStream_t on) const {
    const std::int64_t items = std::int64_t{w.blocks} * w.parts;
    cuda::launch(fft_look_kernel<T, Complex>, items, shared, on, w, grid);
    cuda::launch(fft_load_kernel<T, Complex>, items, shared, on, w, grid);
    transform(*there_, w.samples, w.spectra, false, work, on);
    const device_array out = w.out;
    for (std::int64_t f = first_filter; f < first_filter + of_channel_; ++f) {
      const one_filter& filter = filters_[static_cast<std::size_t>(f)];
      w.out = channel_of(out, f);
      w.filter = static_cast<const complex_number<T>*>(filter.bins.data());
      w.taps = static_cast<const std::uint8_t*>(filter.taps.data());
      w.of_filter = std::scalbn(T{1}, filter.exponent - filter_exponent_);
      cuda::launch(fft_multiply_kernel<T>,
                   (std::int64_t{w.blocks} * w.bins + block_threads - 1) / block_threads, 0, on, w);
      transform(back_ == nullptr ? *there_ : *back_, w.products, const_cast<T*>(w.results), true,
                work, on);
      cuda::launch(fft_store_kernel<T, Complex>, items, shared, on, w, grid);
    }
  }
  /// A plan of cuFFT's has one stream and one work area at a time. They are read when its launches are queued, so that
  /// runs on several streams have to take turns for just that long.
  void transform(cufft_plan& plan, void* in, void* out, bool back, void* work,
                 cudaStream_t on) const {
    const std::lock_guard lock(mutex_);
    plan.run(in, out, back, work, on);
  }

  std::int64_t channels_;
  std::int64_t of_channel_;  // filters
  bool swapped_;
  fft_blocks blocks_;
  fft_layout layout_;
  std::vector<one_filter> filters_;
  int filter_exponent_ = std::numeric_limits<int>::min();
  mutable std::mutex mutex_;
  std::unique_ptr<cufft_plan> there_;
  std::unique_ptr<cufft_plan> back_;  // of real samples
};

template <class T>
std::unique_ptr<const kernels> make_float(const detail::request& r) {
  if (is_complex(r.form.types.in) || is_complex(r.form.types.filter))
    return std::make_unique<fft<T, true>>(r);
  return std::make_unique<fft<T, false>>(r);
}

}  // namespace

std::unique_ptr<const kernels> fft_kernels(const detail::request& r) {
  if (r.form.has_channels() && !fft_shares_bins(r)) return singles_kernels(r, fft_kernels);
  return detail::sums_in_f64(r.form.types) ? make_float<double>(r) : make_float<float>(r);
}

}  // namespace convgpu::cuda
