// SPDX-License-Identifier: Apache-2.0
// cuda/gemm: sums over channels as products of matrices. One kernel lays side by side what each output sees, borders
// resolved on the way; cuBLAS multiplies that by the filters; another kernel brings the sums to where the output is.
// As much at once as the workspace holds, and never all of it.

#include <algorithm>
#include <mutex>
#include <string>
#include <type_traits>

#include "algorithms.hpp"
#include "blocks.cuh"
#include "cublas.hpp"
#include "gemm.hpp"
#include "launch.hpp"
#include "memory.hpp"
#include "taps.hpp"

namespace convgpu::cuda {
namespace {

/// Some outputs that follow one another, in all channels of some groups.
struct gemm_params : image_params {
  divisor across;           // how many outputs
  divisor of_cols;          // columns of the launch,
  divisor of_rows;          // and rows
  divisor of_channels;      // of a group
  divisor of_filters;       // of a group
  std::uint32_t images;     // channels of the groups, or filters
  std::uint32_t first_row;  // where the first output is, from the launch's first one
  std::uint32_t first_col;
  std::int64_t first_plane;
  std::int64_t first_channel;
  std::int64_t first_filter;
  std::int64_t pitch;
  std::int64_t depth;
};

/// Where one of the outputs is.
struct gemm_output {
  std::int64_t plane;
  std::int64_t row;
  std::int64_t col;

  __device__ __forceinline__ gemm_output(std::uint32_t n, const gemm_params& p) {
    const std::uint32_t line = p.of_cols.quotient(p.first_col + n);
    col = p.cols.first + (p.first_col + n - line * p.of_cols.value);
    const std::uint32_t image = p.of_rows.quotient(p.first_row + line);
    row = p.rows.first + (p.first_row + line - image * p.of_rows.value);
    plane = p.first_plane + image;
  }
};

/// Calls f.template operator()<In>() with the type of the samples that become such numbers.
template <class Number, class F>
__device__ __forceinline__ void with_sample_type(dtype type, F&& f) {
  if constexpr (std::is_same_v<Number, float>) {
    with_loaded_type<float>(type, f);
  } else if constexpr (detail::is_complex_type<Number>) {
    if (is_complex(type)) f.template operator()<Number>();
    else f.template operator()<typename Number::value_type>();
  } else {
    f.template operator()<Number>();
  }
}

template <class Number, class Sample>
__device__ __forceinline__ Number as_number(Sample x) {
  if constexpr (std::is_same_v<Number, Sample>) return x;
  else return detail::number<Number>(x);
}

/// A thread for what an output sees of a channel.
template <class Number, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    gemm_patch_kernel(const __grid_constant__ gemm_params p, Number* patches) {
  const std::uint32_t total = p.across.value * p.images;
  const auto outside =
      detail::element_of<Number>(detail::border_value<Sum>(p.outside_re, p.outside_im), p.policy);
  const std::int64_t taps = p.row.taps * p.col.taps;
  for (std::uint32_t item = blockIdx.x * blockDim.x + threadIdx.x; item < total;
       item += gridDim.x * blockDim.x) {
    const std::uint32_t image = p.across.quotient(item);
    const std::uint32_t n = item - image * p.across.value;
    const std::uint32_t group = p.of_channels.quotient(image);
    const std::uint32_t channel = image - group * p.of_channels.value;
    const gemm_output at(n, p);
    Number* to = patches + (group * p.depth + channel * taps) * p.pitch + n;
    const std::int64_t row = p.row.at(at.row, 0);
    const std::int64_t col = p.col.at(at.col, 0);
    const bool inside = row - (p.row.taps - 1) * p.row.dilation >= 0 && row < p.row.in &&
                        col - (p.col.taps - 1) * p.col.dilation >= 0 && col < p.col.in;
    with_sample_type<Number>(p.in.type, [&]<class In>() {
      const In* const from = static_cast<const In*>(p.in.data) + at.plane * p.in.step.plane +
                             (p.first_channel + image) * p.in.step.channel;
      if (inside) {
        const std::int64_t up = p.row.dilation * p.in.step.row;
        const std::int64_t left = p.col.dilation * p.in.step.col;
        const In* line = from + row * p.in.step.row + col * p.in.step.col;
        for (std::int64_t k = 0; k < p.row.taps; ++k, line -= up) {
          const In* x = line;
#pragma unroll 4
          for (std::int64_t l = 0; l < p.col.taps; ++l, x -= left, to += p.pitch)
            store_global(to, as_number<Number>(load_global(x)));
        }
        return;
      }
      for (std::int64_t k = 0; k < p.row.taps; ++k) {
        const std::int64_t r = detail::border_index(p.border, row - k * p.row.dilation, p.row.in);
        for (std::int64_t l = 0; l < p.col.taps; ++l, to += p.pitch) {
          const std::int64_t c =
              r < 0 ? -1 : detail::border_index(p.border, col - l * p.col.dilation, p.col.in);
          store_global(to, c < 0 ? outside
                                 : as_number<Number>(
                                       load_global(from + r * p.in.step.row + c * p.in.step.col)));
        }
      }
    });
    // What patches are longer by than filters.
    if (channel + 1 == p.of_channels.value)
      for (std::int64_t d = p.of_channels.value * taps; d < p.depth; ++d, to += p.pitch)
        store_global(to, Number{});
  }
}

/// An output summed by definition: a zero tap sees nothing, while its product with NaN is part of the matrices'.
template <class Number, class Sum>
__device__ __forceinline__ Sum gemm_sum(const gemm_params& p, const gemm_output& at,
                                        std::uint32_t filter, const Number* taps) {
  Sum sum{};
  const Number* tap = taps + (p.first_filter + filter) * p.depth;
  const std::int64_t channel =
      p.first_channel + std::int64_t{p.of_filters.quotient(filter)} * p.of_channels.value;
  with_sample_type<Number>(p.in.type, [&]<class In>() {
    const In* from = static_cast<const In*>(p.in.data) + at.plane * p.in.step.plane +
                     channel * p.in.step.channel;
#pragma unroll 1
    for (std::uint32_t c = 0; c < p.of_channels.value; ++c, from += p.in.step.channel)
#pragma unroll 1
      for (std::int64_t k = 0; k < p.row.taps; ++k)
#pragma unroll 1
        for (std::int64_t l = 0; l < p.col.taps; ++l) {
          const Sum h = as_number<Sum>(load_global(tap++));
          if (h == Sum{}) continue;
          const std::int64_t i = detail::border_index(p.border, p.row.at(at.row, k), p.row.in);
          const std::int64_t j = detail::border_index(p.border, p.col.at(at.col, l), p.col.in);
          const Sum x =
              i < 0 || j < 0
                  ? detail::border_value<Sum>(p.outside_re, p.outside_im)
                  : as_number<Sum>(load_global(from + i * p.in.step.row + j * p.in.step.col));
          sum += detail::product<Sum>(h, x);
        }
  });
  return sum;
}

template <class Sum>
__device__ __forceinline__ bool is_finite_sum(const Sum& sum) {
  if constexpr (detail::is_complex_type<Sum>) return is_finite(sum.real()) && is_finite(sum.imag());
  else return is_finite(sum);
}

/// A thread for a sum.
template <class Number, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    gemm_store_kernel(const __grid_constant__ gemm_params p, const Sum* sums, const Number* taps,
                      bool zero_taps) {
  const std::uint32_t total = p.across.value * p.images;
  for (std::uint32_t item = blockIdx.x * blockDim.x + threadIdx.x; item < total;
       item += gridDim.x * blockDim.x) {
    const std::uint32_t filter = p.across.quotient(item);
    const std::uint32_t n = item - filter * p.across.value;
    const gemm_output at(n, p);
    Sum sum = load_global(sums + filter * p.pitch + n);
    if (zero_taps && !is_finite_sum(sum)) sum = gemm_sum<Number, Sum>(p, at, filter, taps);
    const std::int64_t to = at.plane * p.out.step.plane +
                            (p.first_filter + filter) * p.out.step.channel +
                            at.row * p.out.step.row + at.col * p.out.step.col;
    const auto store = [&]<class Out>() {
      store_global(static_cast<Out*>(p.out.data) + to, detail::element_of<Out>(sum, p.policy));
    };
    if constexpr (std::is_same_v<Sum, double>) store.template operator()<double>();
    else with_stored_type<Sum>(p.out.type, store);
  }
}

template <class Number, class Sum>
class gemm final : public kernels {
 public:
  explicit gemm(const detail::request& r)
      : type_(gemm_type(r)), tiles_(gemm_tiles_for(r)), form_(r.form) {
    const std::int64_t taps = form_.channels * form_.row.taps * form_.col.taps;
    zero_taps_ = std::visit(
        []<class Tap>(const std::vector<Tap>& all) {
          return std::find(all.begin(), all.end(), Tap{}) != all.end();
        },
        r.filter.values);
    const std::vector<Number> all = gemm_taps<Number>(r.filter, taps, tiles_.depth);
    taps_ = on_device(all);
    pointwise_ = gemm_is_pointwise(r);
    if (pointwise_) turned_taps_ = on_device(turned(all));
    load(gemm_patch_kernel<Number, Sum>);
    load(gemm_store_kernel<Number, Sum>);
  }

  [[nodiscard]] std::string parameters() const override {
    return "patches of " + std::to_string(tiles_.depth) + " numbers, " +
           std::to_string(tiles_.pitch) + " at once" +
           (form_.groups == 1 ? "" : ", of " + std::to_string(tiles_.groups) + " groups") +
           (pointwise_ ? "; none where data lie as matrices" : "");
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override { return tiles_.bytes; }

  void launch(const image_params& all, void* workspace, cudaStream_t on) const override {
    if (pointwise_ && (multiply_planes(all, static_cast<std::byte*>(workspace), on) ||
                       multiply_places(all, static_cast<std::byte*>(workspace), on)))
      return;
    const std::int64_t rows = all.rows.last - all.rows.first;
    const std::int64_t cols = all.cols.last - all.cols.first;
    const std::int64_t total = all.planes * rows * cols;
    for (std::int64_t group = 0; total > 0 && group < form_.groups; group += tiles_.groups)
      for (std::int64_t first = 0; first < total; first += tiles_.pitch) {
        const std::int64_t plane = first / cols / rows;
        make_tile(tile_params(all, std::min(tiles_.pitch, total - first), group, plane,
                              first - plane * rows * cols),
                  std::min(tiles_.groups, form_.groups - group), static_cast<std::byte*>(workspace),
                  on);
      }
  }

 private:
  /// Pitches and sizes that cuBLAS takes.
  static constexpr std::int64_t most_ = 2147483647;

  /// Each group's taps channel by channel, those of all filters beside each other.
  [[nodiscard]] std::vector<Number> turned(const std::vector<Number>& taps) const {
    std::vector<Number> to(taps.size());
    const auto channels = static_cast<std::size_t>(form_.channels);
    const auto filters = static_cast<std::size_t>(form_.filters);
    for (std::size_t t = 0; t < taps.size(); ++t) {
      const std::size_t filter = t / channels;
      to[filter / filters * filters * channels + t % channels * filters + filter % filters] =
          taps[t];
    }
    return to;
  }

  /// How far apart neighbouring places of an image lie, if all are as far apart; else 0.
  [[nodiscard]] std::int64_t step_of_places(const device_array& a) const {
    const std::int64_t rows = form_.row.out;
    const std::int64_t cols = form_.col.out;
    if (rows > 1 && cols > 1 && a.step.row != detail::saturated_product(cols, a.step.col)) return 0;
    return cols > 1 ? a.step.col : rows > 1 ? a.step.row : 1;
  }
  [[nodiscard]] std::int64_t places() const {
    return detail::saturated_product(form_.row.out, form_.col.out);
  }
  [[nodiscard]] bool is_whole(const image_params& p) const {
    return p.rows == detail::range{0, form_.row.out} && p.cols == detail::range{0, form_.col.out} &&
           places() <= most_ && p.planes <= most_;
  }
  /// Whether sums can be made where the output is.
  [[nodiscard]] bool takes_sums(const device_array& out) const {
    return out.type == dtype_of<Sum> && !zero_taps_;
  }
  /// Whether images of a plane are columns of a matrix, `channels` of them.
  [[nodiscard]] bool has_columns(const device_array& a, std::int64_t channels,
                                 std::int64_t planes) const {
    return step_of_places(a) == 1 && (planes == 1 || a.step.plane >= 0) &&
           (channels == 1 || (a.step.channel >= places() && a.step.channel <= most_));
  }

  /// For channels that lie one after the other. Says whether it could.
  bool multiply_planes(const image_params& all, std::byte* workspace, cudaStream_t on) const {
    if (!is_whole(all) || !has_columns(all.in, form_.channels, all.planes)) return false;
    const bool to_output = takes_sums(all.out) && has_columns(all.out, form_.filters, all.planes);
    const std::int64_t at_once = to_output ? places() : std::min(places(), tiles_.pitch);
    const std::int64_t planes =
        to_output ? all.planes : std::max<std::int64_t>(tiles_.pitch / places(), 1);
    for (std::int64_t group = 0; group < form_.groups; ++group)
      for (std::int64_t plane = 0; plane < all.planes; plane += planes)
        for (std::int64_t first = 0; first < places(); first += at_once) {
          matrix_product product{
              .type = type_,
              .m = std::min(at_once, places() - first),
              .n = form_.filters,
              .k = form_.channels,
              .batch = std::min(planes, all.planes - plane),
              .a = static_cast<const Number*>(all.in.data) + plane * all.in.step.plane +
                   group * form_.channels * all.in.step.channel + first,
              .a_pitch = form_.channels == 1 ? places() : all.in.step.channel,
              .a_step = all.in.step.plane,
              .b =
                  static_cast<const Number*>(taps_.data()) + group * form_.filters * form_.channels,
              .b_pitch = form_.channels,
              .b_step = 0,
              .sums = workspace + tiles_.sums_at,
              .sums_pitch = tiles_.pitch,
              .sums_step = places()};
          if (to_output) {
            product.sums = static_cast<Sum*>(all.out.data) + plane * all.out.step.plane +
                           group * form_.filters * all.out.step.channel;
            product.sums_pitch = form_.filters == 1 ? places() : all.out.step.channel;
            product.sums_step = all.out.step.plane;
          }
          multiply(product, workspace + tiles_.work_at, on);
          if (to_output) continue;
          gemm_params p = tile_params(all, product.batch * product.m, group, plane, first);
          p.images = static_cast<std::uint32_t>(form_.filters);
          const std::int64_t sums = form_.filters * product.batch * product.m;
          cuda::launch(gemm_store_kernel<Number, Sum>, (sums + block_threads - 1) / block_threads,
                       0, on, p, static_cast<const Sum*>(product.sums),
                       static_cast<const Number*>(taps_.data()), zero_taps_);
        }
    return true;
  }

  /// For channels that lie beside each other, in the input and in the output: filters times places.
  bool multiply_places(const image_params& all, std::byte* workspace, cudaStream_t on) const {
    const auto pitch_of = [&](const device_array& a, std::int64_t channels,
                              std::int64_t all_channels) {
      const std::int64_t step = step_of_places(a);
      return (channels == 1 || a.step.channel == 1) && step >= all_channels && step <= most_ ? step
                                                                                             : 0;
    };
    const std::int64_t from = pitch_of(all.in, form_.channels, form_.in_channels());
    const std::int64_t to = pitch_of(all.out, form_.filters, form_.out_channels());
    if (!is_whole(all) || !takes_sums(all.out) || from == 0 || to == 0) return false;
    // Planes that follow each other as their places do are one.
    const bool one = all.planes == 1 ||
                     (detail::saturated_product(all.planes, places()) <= most_ &&
                      all.in.step.plane == places() * from && all.out.step.plane == places() * to);
    if (!one && (all.in.step.plane < 0 || all.out.step.plane < 0)) return false;
    for (std::int64_t group = 0; group < form_.groups; ++group)
      multiply(
          {.type = type_,
           .m = form_.filters,
           .n = one ? all.planes * places() : places(),
           .k = form_.channels,
           .batch = one ? 1 : all.planes,
           .a = static_cast<const Number*>(turned_taps_.data()) +
                group * form_.filters * form_.channels,
           .a_pitch = form_.filters,
           .a_step = 0,
           .b = static_cast<const Number*>(all.in.data) +
                group * form_.channels * all.in.step.channel,
           .b_pitch = from,
           .b_step = all.in.step.plane,
           .sums = static_cast<Sum*>(all.out.data) + group * form_.filters * all.out.step.channel,
           .sums_pitch = to,
           .sums_step = all.out.step.plane},
          workspace + tiles_.work_at, on);
    return true;
  }

  /// For so many outputs of some groups from place `first` of a plane on.
  [[nodiscard]] gemm_params tile_params(const image_params& all, std::int64_t outputs,
                                        std::int64_t group, std::int64_t plane,
                                        std::int64_t first) const {
    const std::int64_t cols = all.cols.last - all.cols.first;
    return {all,
            as_divisor(outputs),
            as_divisor(cols),
            as_divisor(all.rows.last - all.rows.first),
            as_divisor(form_.channels),
            as_divisor(form_.filters),
            0,
            static_cast<std::uint32_t>(first / cols),
            static_cast<std::uint32_t>(first % cols),
            plane,
            group * form_.channels,
            group * form_.filters,
            tiles_.pitch,
            tiles_.depth};
  }

  static divisor as_divisor(std::int64_t n) { return divisor(static_cast<std::uint32_t>(n)); }

  void make_tile(gemm_params p, std::int64_t groups, std::byte* workspace, cudaStream_t on) const {
    auto* const patches = reinterpret_cast<Number*>(workspace);
    auto* const sums = reinterpret_cast<Sum*>(workspace + tiles_.sums_at);
    const auto* const taps = static_cast<const Number*>(taps_.data());
    const std::int64_t outputs = p.across.value;
    const auto blocks = [&](std::int64_t images) {
      p.images = static_cast<std::uint32_t>(images);
      return (images * outputs + block_threads - 1) / block_threads;
    };
    const std::int64_t of_channels = blocks(groups * form_.channels);
    cuda::launch(gemm_patch_kernel<Number, Sum>, of_channels, 0, on, p, patches);
    multiply({.type = type_,
              .m = outputs,
              .n = form_.filters,
              .k = tiles_.depth,
              .batch = groups,
              .a = patches,
              .a_pitch = tiles_.pitch,
              .a_step = tiles_.depth * tiles_.pitch,
              .b = taps + p.first_filter * tiles_.depth,
              .b_pitch = tiles_.depth,
              .b_step = form_.filters * tiles_.depth,
              .sums = sums,
              .sums_pitch = tiles_.pitch,
              .sums_step = form_.filters * tiles_.pitch},
             workspace + tiles_.work_at, on);
    const std::int64_t of_filters = blocks(groups * form_.filters);
    cuda::launch(gemm_store_kernel<Number, Sum>, of_filters, 0, on, p,
                 static_cast<const Sum*>(sums), taps, zero_taps_);
  }
  /// cuBLAS has one stream and one workspace at a time, and may load a kernel when it first needs it.
  void multiply(const matrix_product& product, void* work, cudaStream_t on) const {
    const beside_captures apart;
    const std::lock_guard lock(mutex_);
    cublas_.run(product, work, tiles_.bytes - tiles_.work_at, on);
  }

  dtype type_;
  gemm_tiles tiles_;
  detail::normal_form form_;
  bool zero_taps_ = false;
  device_memory taps_;
  bool pointwise_ = false;
  device_memory turned_taps_;
  mutable std::mutex mutex_;
  mutable cublas_handle cublas_;
};

}  // namespace

std::unique_ptr<const kernels> gemm_kernels(const detail::request& r) {
  switch (gemm_type(r)) {
    case dtype::f16: return std::make_unique<gemm<f16, float>>(r);
    case dtype::bf16: return std::make_unique<gemm<bf16, float>>(r);
    case dtype::f64: return std::make_unique<gemm<double, double>>(r);
    case dtype::cf32: return std::make_unique<gemm<std::complex<float>, std::complex<float>>>(r);
    case dtype::cf64: return std::make_unique<gemm<std::complex<double>, std::complex<double>>>(r);
    default: return std::make_unique<gemm<float, float>>(r);
  }
}

}  // namespace convgpu::cuda
