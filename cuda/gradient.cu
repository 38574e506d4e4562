// SPDX-License-Identifier: Apache-2.0
// Gradients: what is done beside plans. Each element of a result is gathered by one thread, or one warp, in an order
// that the problem alone decides: no atomic operations, the same bits in every run.
//
//   fold      a thread for an element: the sum of those that the border takes to it, row after row
//   sum       a warp for some filters, some taps of a row and a part of the outputs: lanes take outputs in turns
//   finish    a warp for a tap: the sums of all parts

#include "gradient.hpp"

#include <algorithm>
#include <complex>
#include <optional>
#include <string>
#include <type_traits>

#include "checks.hpp"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "tuning.hpp"
#include "workspace.hpp"

namespace convgpu::cuda {
namespace {

/// Calls f.template operator()<T>() with the type of elements that go with those numbers.
template <class Number, class F>
__device__ __forceinline__ void with_gradient_type(dtype type, F&& f) {
  if constexpr (std::is_same_v<Number, float>) with_loaded_type<float>(type, f);
  else f.template operator()<Number>();
}

// ---- Fold -----------------------------------------------------------------------------------------

struct fold_params {
  device_array from;
  device_array to;
  detail::fold_form how;
  extent from_size;
  extent to_size;
  std::int64_t channels;
  std::int64_t total;  // elements of `to`
};

/// Calls f(i) for each entry, of so many, that goes to place m, the first one first.
template <class F>
__device__ __forceinline__ void for_each_entry(const detail::fold_axis& a, border_kind border,
                                               std::int64_t m, std::int64_t places,
                                               std::int64_t entries, F&& f) {
  std::int64_t start = a.start;
  if (a.step != 1) {  // one entry, or none
    m -= start;
    if (m % a.step != 0) return;
    m /= a.step;
    start = 0;
  }
  detail::for_each_position(border, m, places, start, start + entries,
                            [&](std::int64_t i) { f(i - start); });
}

template <class Number>
__global__ void __launch_bounds__(block_threads, gradient_blocks_at_once)
    fold_kernel(const __grid_constant__ fold_params p) {
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       n < p.total; n += threads) {
    const std::int64_t col = n % p.to_size.cols;
    const std::int64_t row = n / p.to_size.cols % p.to_size.rows;
    const std::int64_t image = n / p.to_size.cols / p.to_size.rows;
    const std::int64_t channel = image % p.channels;
    const std::int64_t plane = image / p.channels;
    Number sum{};
    with_gradient_type<Number>(p.from.type, [&]<class In>() {
      const In* const from = static_cast<const In*>(p.from.data) + plane * p.from.step.plane +
                             channel * p.from.step.channel;
      for_each_entry(
          p.how.row, p.how.border, row, p.to_size.rows, p.from_size.rows, [&](std::int64_t r) {
            for_each_entry(p.how.col, p.how.border, col, p.to_size.cols, p.from_size.cols,
                           [&](std::int64_t c) {
                             sum += detail::number<Number>(
                                 load_global(from + r * p.from.step.row + c * p.from.step.col));
                           });
          });
    });
    with_gradient_type<Number>(p.to.type, [&]<class Out>() {
      const std::int64_t at = plane * p.to.step.plane + channel * p.to.step.channel +
                              row * p.to.step.row + col * p.to.step.col;
      store_global(static_cast<Out*>(p.to.data) + at,
                   detail::element_of<Out>(sum, overflow::saturate));
    });
  }
}

// ---- Products -------------------------------------------------------------------------------------

template <class Sum>
struct products_params {
  device_array in;
  device_array gradient;  // of the output
  device_array to;
  detail::axis row;
  detail::axis col;
  std::int64_t channels;  // of a group
  std::int64_t filters;   // of a group
  std::int64_t taps;      // for all channels and filters of all groups
  std::int64_t outputs;   // of all planes
  std::int64_t part;      // outputs of a part
  std::int64_t parts;
  std::int64_t tiles;         // of a part
  std::int64_t filter_tiles;  // of a group
  std::int64_t tap_tiles;     // of a row of taps
  std::int64_t rows_on;       // from a lane's output to its next one
  std::int64_t cols_on;
  border_kind border;
  double outside_re;
  double outside_im;
  bool flipped;
  bool conjugated;
  Sum* sums;  // of a part, those of another one …
};

/// Of all threads of a warp, in an order of its own.
template <class T>
__device__ __forceinline__ T sum_of_warp(T mine) {
  if constexpr (detail::is_complex_type<T>) {
    return T(sum_of_warp(mine.real()), sum_of_warp(mine.imag()));
  } else {
#pragma unroll
    for (int lanes = warp / 2; lanes > 0; lanes /= 2)
      mine += __shfl_xor_sync(0xffffffffu, mine, lanes);
    return mine;
  }
}

template <class T>
__device__ __forceinline__ T conjugate_of(T x) {
  if constexpr (detail::is_complex_type<T>) return T(x.real(), -x.imag());
  else return x;
}

/// Warps of the launch, and the first piece of work of this thread's one.
__device__ __forceinline__ std::int64_t warps_of_launch() {
  return static_cast<std::int64_t>(gridDim.x) * (block_threads / warp);
}
__device__ __forceinline__ std::int64_t warp_of_launch() {
  return static_cast<std::int64_t>(blockIdx.x) * (block_threads / warp) + thread_of_block() / warp;
}

template <class Sum>
__global__ void __launch_bounds__(block_threads, gradient_blocks_at_once)
    sum_kernel(const __grid_constant__ products_params<Sum> p) {
  constexpr gradient_tile tile = gradient_tile_for<Sum>;
  const int lane = thread_of_block() % warp;
  for (std::int64_t work = warp_of_launch(); work < p.parts * p.tiles; work += warps_of_launch()) {
    const std::int64_t part = work / p.tiles;
    std::int64_t rest = work % p.tiles;
    const std::int64_t l = rest % p.tap_tiles * tile.taps;
    rest /= p.tap_tiles;
    const std::int64_t k = rest % p.row.taps;
    rest /= p.row.taps;
    const std::int64_t channel = rest % p.channels;
    rest /= p.channels;
    const std::int64_t first_filter = rest % p.filter_tiles * tile.filters;
    const std::int64_t group = rest / p.filter_tiles;
    const int filters =
        static_cast<int>(smaller<std::int64_t>(tile.filters, p.filters - first_filter));
    const int taps = static_cast<int>(smaller<std::int64_t>(tile.taps, p.col.taps - l));

    Sum sums[tile.filters][tile.taps] = {};
    with_gradient_type<Sum>(p.in.type, [&]<class In>() {
      const In* const in =
          static_cast<const In*>(p.in.data) + (group * p.channels + channel) * p.in.step.channel;
      const In* const gradient = static_cast<const In*>(p.gradient.data) +
                                 (group * p.filters + first_filter) * p.gradient.step.channel;
      const std::int64_t end = smaller((part + 1) * p.part, p.outputs);
      const std::int64_t first = part * p.part + lane;
      std::int64_t j = first % p.col.out;
      std::int64_t i = first / p.col.out % p.row.out;
      std::int64_t plane = first / p.col.out / p.row.out;
      for (std::int64_t n = first; n < end; n += warp) {
        const In* const of_output = gradient + plane * p.gradient.step.plane +
                                    i * p.gradient.step.row + j * p.gradient.step.col;
        Sum g[tile.filters];
#pragma unroll
        for (int f = 0; f < tile.filters; ++f)
          g[f] = f < filters ? conjugate_of(detail::number<Sum>(
                                   load_global(of_output + f * p.gradient.step.channel)))
                             : Sum{};
        const std::int64_t r = detail::border_index(p.border, p.row.at(i, k), p.row.in);
        const In* const line = in + plane * p.in.step.plane + r * p.in.step.row;
#pragma unroll
        for (int q = 0; q < tile.taps; ++q) {
          if (q >= taps) break;
          const std::int64_t c =
              r < 0 ? -1 : detail::border_index(p.border, p.col.at(j, l + q), p.col.in);
          const Sum x = c < 0 ? detail::border_value<Sum>(p.outside_re, p.outside_im)
                              : detail::number<Sum>(load_global(line + c * p.in.step.col));
#pragma unroll
          for (int f = 0; f < tile.filters; ++f)
            if (g[f] != Sum{}) sums[f][q] += detail::product<Sum>(g[f], x);  // as for taps of 0
        }
        // The lane's next output, without a division for each.
        j += p.cols_on;
        i += p.rows_on;
        if (j >= p.col.out) j -= p.col.out, ++i;
        for (; i >= p.row.out; i -= p.row.out) ++plane;
      }
    });
#pragma unroll
    for (int f = 0; f < tile.filters; ++f)
#pragma unroll
      for (int q = 0; q < tile.taps; ++q) {
        const Sum all = sum_of_warp(sums[f][q]);
        const std::int64_t filter = group * p.filters + first_filter + f;
        if (lane == 0 && f < filters && q < taps)
          store_global(p.sums + part * p.taps +
                           ((filter * p.channels + channel) * p.row.taps + k) * p.col.taps + l + q,
                       all);
      }
  }
}

template <class Sum, class Tap>
__global__ void __launch_bounds__(block_threads, gradient_blocks_at_once)
    finish_kernel(const __grid_constant__ products_params<Sum> p) {
  const int lane = thread_of_block() % warp;
  for (std::int64_t n = warp_of_launch(); n < p.taps; n += warps_of_launch()) {
    Sum sum{};
    for (std::int64_t part = lane; part < p.parts; part += warp)
      sum += load_global(p.sums + part * p.taps + n);
    sum = sum_of_warp(sum);
    if (lane != 0) continue;
    if (p.conjugated) sum = conjugate_of(sum);
    const std::int64_t l = n % p.col.taps;
    const std::int64_t k = n / p.col.taps % p.row.taps;
    const std::int64_t image = n / p.col.taps / p.row.taps;
    const std::int64_t at = image / p.channels * p.to.step.plane +
                            image % p.channels * p.to.step.channel +
                            (p.flipped ? p.row.taps - 1 - k : k) * p.to.step.row +
                            (p.flipped ? p.col.taps - 1 - l : l) * p.to.step.col;
    with_gradient_type<Tap>(p.to.type, [&]<class Out>() {
      Tap value;
      if constexpr (std::is_same_v<Sum, Tap>) value = sum;
      else value = sum.real();
      store_global(static_cast<Out*>(p.to.data) + at,
                   detail::element_of<Out>(value, overflow::saturate));
    });
  }
}

// ---- Host -----------------------------------------------------------------------------------------

/// Calls f.template operator()<Number>() with what elements of a type are summed in.
template <class F>
decltype(auto) with_numbers(dtype type, F&& f) {
  switch (type) {
    case dtype::f64: return f.template operator()<double>();
    case dtype::cf32: return f.template operator()<std::complex<float>>();
    case dtype::cf64: return f.template operator()<std::complex<double>>();
    default: return f.template operator()<float>();
  }
}

/// How the sums for a filter's gradient are shared out: by the problem alone, so that no bit depends on the device.
template <class Sum>
products_params<Sum> shared_out(const detail::normal_form& form) {
  constexpr gradient_tile tile = gradient_tile_for<Sum>;
  products_params<Sum> p{};
  p.row = form.row;
  p.col = form.col;
  p.channels = form.channels;
  p.filters = form.filters;
  p.taps = form.out_channels() * form.channels * form.row.taps * form.col.taps;
  p.outputs = form.planes * form.row.out * form.col.out;
  p.filter_tiles = (form.filters - 1) / tile.filters + 1;
  p.tap_tiles = (form.col.taps - 1) / tile.taps + 1;
  p.tiles = form.groups * p.filter_tiles * form.channels * form.row.taps * p.tap_tiles;
  const std::int64_t parts = std::clamp((gradient_warps - 1) / p.tiles + 1, std::int64_t{1},
                                        (p.outputs - 1) / gradient_outputs_worth_a_warp + 1);
  p.part = (p.outputs - 1) / parts + 1;
  p.parts = (p.outputs - 1) / p.part + 1;
  p.rows_on = warp / form.col.out;
  p.cols_on = warp % form.col.out;
  p.border = form.border.kind();
  p.outside_re = form.border.value().real();
  p.outside_im = form.border.value().imag();
  return p;
}

device_array array_of(const any_const_view& v) {
  return {const_cast<void*>(v.data()), v.type(), v.step()};
}

class gradient_steps final : public detail::gradient_steps {
 public:
  gradient_steps(int device, std::size_t workspace)
      : device_(device), checks_(device), bytes_(workspace) {
    const device_guard guard(device_);
    const beside_captures apart;
    for (const dtype type : {dtype::f32, dtype::f64, dtype::cf32, dtype::cf64})
      with_numbers(type, []<class Number>() {
        load(fold_kernel<Number>);
        load(sum_kernel<Number>);
        load(finish_kernel<Number, Number>);
      });
    load(finish_kernel<std::complex<float>, float>);
    load(finish_kernel<std::complex<double>, double>);
    workspaces_.emplace(workspace);
  }
  ~gradient_steps() override {
    const last_device_guard guard(device_);
    workspaces_.reset();
  }

  void check(const char* name, const any_const_view& v, stream on) const override {
    const device_guard guard(device_);
    checks_.stream_is_here(on.handle());
    checks_.is_here(name, v);
  }

  void fold(const any_const_view& from, const any_view& to, const detail::fold_form& how,
            stream on) const override {
    const device_guard guard(device_);
    const std::int64_t total = to.size().count() * to.planes() * to.channels();
    const fold_params p{array_of(from), array_of(to),  how,  from.size(),
                        to.size(),      to.channels(), total};
    with_numbers(to.type(), [&]<class Number>() {
      launch(fold_kernel<Number>, (total + block_threads - 1) / block_threads, 0, on.handle(), p);
    });
  }

  void sum_products(const any_const_view& in, const any_const_view& out_gradient,
                    const any_view& to, const detail::normal_form& form, bool flipped,
                    bool conjugated, std::span<std::byte> sums, stream on) const override {
    const device_guard guard(device_);
    with_numbers(in.type(), [&]<class Sum>() {
      products_params<Sum> p = shared_out<Sum>(form);
      p.in = array_of(in);
      p.gradient = array_of(out_gradient);
      p.to = array_of(to);
      p.flipped = flipped;
      p.conjugated = conjugated;
      p.sums = reinterpret_cast<Sum*>(sums.data());
      constexpr std::int64_t of_block = block_threads / warp;
      launch(sum_kernel<Sum>, (p.parts * p.tiles + of_block - 1) / of_block, 0, on.handle(), p);
      const std::int64_t blocks = (p.taps + of_block - 1) / of_block;
      if constexpr (detail::is_complex_type<Sum>)
        if (!is_complex(to.type()))
          return launch(finish_kernel<Sum, typename Sum::value_type>, blocks, 0, on.handle(), p);
      launch(finish_kernel<Sum, Sum>, blocks, 0, on.handle(), p);
    });
  }

  void with_workspace(stream on,
                      const std::function<void(std::span<std::byte>)>& f) const override {
    if (bytes_ == 0) return f({});
    const device_guard guard(device_);
    checks_.stream_is_here(on.handle());
    refuse_capture(on.handle(), "workspace", "none",
                   (std::to_string(bytes_) + " bytes of device memory").c_str());
    const beside_captures apart;
    workspace_pool::loan piece = workspaces_->take(on.handle());
    f({static_cast<std::byte*>(piece.data()), bytes_});
    piece.is_queued();
  }

 private:
  int device_;
  argument_checks checks_;
  std::size_t bytes_;
  mutable std::optional<workspace_pool> workspaces_;
};

}  // namespace

std::unique_ptr<const detail::gradient_steps> make_gradient_steps(int device,
                                                                  std::size_t workspace) {
  return std::make_unique<gradient_steps>(device, workspace);
}

std::size_t filter_gradient_bytes(const detail::normal_form& form) {
  return with_numbers(form.types.in, [&]<class Sum>() {
    const products_params<Sum> p = shared_out<Sum>(form);
    return static_cast<std::size_t>(p.parts * p.taps) * sizeof(Sum);
  });
}

}  // namespace convgpu::cuda
