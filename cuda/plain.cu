// SPDX-License-Identifier: Apache-2.0
// cuda/plain: one thread for an output, straight from device memory. It refuses nothing: strides, dilations, channels,
// filters of any shape. What it reads twice the caches may have kept.

#include "algorithms.hpp"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "sums.hpp"
#include "taps.hpp"

namespace convgpu::cuda {
namespace {

template <class Tap>
struct plain_params : params<Tap> {
  std::int64_t channels;      // of a group
  std::int64_t filters;       // of a group
  std::int64_t out_channels;  // of all groups
};

template <class Sample, class Tap, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    plain_kernel(const __grid_constant__ plain_params<Tap> p) {
  const std::int64_t rows = p.rows.last - p.rows.first;
  const std::int64_t cols = p.cols.last - p.cols.first;
  const std::int64_t total = p.planes * p.out_channels * rows * cols;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; n < total;
       n += threads) {
    const std::int64_t j = p.cols.first + n % cols;
    const std::int64_t i = p.rows.first + n / cols % rows;
    const std::int64_t image = n / cols / rows;
    const std::int64_t filter = image % p.out_channels;
    const std::int64_t plane = image / p.out_channels;
    Sum sum{};
    with_loaded_type<Sample>(p.in.type, [&]<class In>() {
      const In* from = static_cast<const In*>(p.in.data) + plane * p.in.step.plane +
                       filter / p.filters * p.channels * p.in.step.channel;
      const Tap* tap = p.taps + filter * p.channels * p.row.taps * p.col.taps;
      for (std::int64_t channel = 0; channel < p.channels; ++channel, from += p.in.step.channel)
        for (std::int64_t k = 0; k < p.row.taps; ++k) {
          const std::int64_t r = detail::border_index(p.border, p.row.at(i, k), p.row.in);
          for (std::int64_t l = 0; l < p.col.taps; ++l) {
            const Tap h = load_global(tap++);
            if (h == Tap{}) continue;  // a zero tap sees nothing: 0 · NaN stays out
            const std::int64_t c =
                r < 0 ? -1 : detail::border_index(p.border, p.col.at(j, l), p.col.in);
            const Sample x = c < 0 ? detail::border_value<Sample>(p.outside_re, p.outside_im)
                                   : detail::number<Sample>(
                                         load_global(from + r * p.in.step.row + c * p.in.step.col));
            sum += detail::product<Sum>(h, x);
          }
        }
    });
    with_stored_type<Sum>(p.out.type, [&]<class Out>() {
      const std::int64_t at = plane * p.out.step.plane + filter * p.out.step.channel +
                              i * p.out.step.row + j * p.out.step.col;
      store_global(static_cast<Out*>(p.out.data) + at, detail::element_of<Out>(sum, p.policy));
    });
  }
}

template <class Sample, class Tap, class Sum>
class plain final : public kernels {
 public:
  explicit plain(const detail::request& r)
      : taps_(on_device(taps_as<Tap>(r.filter.values))),
        channels_(r.form.channels),
        filters_(r.form.filters),
        out_channels_(r.form.out_channels()) {
    load(plain_kernel<Sample, Tap, Sum>);
  }

  [[nodiscard]] std::string parameters() const override {
    return "blocks of " + std::to_string(block_threads) + " threads";
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    const std::int64_t total =
        p.planes * out_channels_ * (p.rows.last - p.rows.first) * (p.cols.last - p.cols.first);
    cuda::launch(
        plain_kernel<Sample, Tap, Sum>, (total + block_threads - 1) / block_threads, 0, on,
        plain_params<Tap>{
            {p, static_cast<const Tap*>(taps_.data())}, channels_, filters_, out_channels_});
  }

 private:
  device_memory taps_;
  std::int64_t channels_;
  std::int64_t filters_;
  std::int64_t out_channels_;
};

}  // namespace

std::unique_ptr<const kernels> plain_kernels(const detail::request& r) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        return std::make_unique<plain<Sample, Tap, Sum>>(r);
      });
}

}  // namespace convgpu::cuda
