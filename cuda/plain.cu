// SPDX-License-Identifier: Apache-2.0
// cuda/plain: one thread for an output, straight from device memory. It refuses nothing: strides, dilations,
// filters of any shape. What it reads twice the caches may have kept.

#include "algorithms.hpp"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "sums.hpp"
#include "taps.hpp"

namespace convgpu::cuda {
namespace {

template <class Sample, class Tap, class Sum>
__global__ void __launch_bounds__(block_threads, blocks_at_once<Sum>)
    plain_kernel(const __grid_constant__ params<Tap> p) {
  const std::int64_t rows = p.rows.last - p.rows.first;
  const std::int64_t cols = p.cols.last - p.cols.first;
  const std::int64_t total = p.planes * rows * cols;
  const std::int64_t threads = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; n < total;
       n += threads) {
    const std::int64_t j = p.cols.first + n % cols;
    const std::int64_t i = p.rows.first + n / cols % rows;
    const std::int64_t plane = n / cols / rows;
    Sum sum{};
    with_loaded_type<Sample>(p.in.type, [&]<class In>() {
      const In* const from = static_cast<const In*>(p.in.data) + plane * p.in.step.plane;
      for (std::int64_t k = 0; k < p.row.taps; ++k) {
        const std::int64_t r = detail::border_index(p.border, p.row.at(i, k), p.row.in);
        for (std::int64_t l = 0; l < p.col.taps; ++l) {
          const Tap h = load_global(p.taps + k * p.col.taps + l);
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
      const std::int64_t at = plane * p.out.step.plane + i * p.out.step.row + j * p.out.step.col;
      store_global(static_cast<Out*>(p.out.data) + at, detail::element_of<Out>(sum, p.policy));
    });
  }
}

template <class Sample, class Tap, class Sum>
class plain final : public kernels {
 public:
  explicit plain(const detail::request& r) : taps_(on_device(taps_as<Tap>(r.filter.values))) {
    load(plain_kernel<Sample, Tap, Sum>);
  }

  [[nodiscard]] std::string parameters() const override {
    return "blocks of " + std::to_string(block_threads) + " threads";
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    const std::int64_t total =
        p.planes * (p.rows.last - p.rows.first) * (p.cols.last - p.cols.first);
    cuda::launch(plain_kernel<Sample, Tap, Sum>, (total + block_threads - 1) / block_threads, 0, on,
                 params<Tap>{p, static_cast<const Tap*>(taps_.data())});
  }

 private:
  device_memory taps_;
};

}  // namespace

std::unique_ptr<const kernels> plain_kernels(const detail::request& r) {
  return with_sum_types(
      r, [&]<class Sample, class Tap, class Sum>() -> std::unique_ptr<const kernels> {
        return std::make_unique<plain<Sample, Tap, Sum>>(r);
      });
}

}  // namespace convgpu::cuda
