// SPDX-License-Identifier: Apache-2.0
// Eigen: convolution of tensors, from its unsupported modules. It correlates, and pads where it is told to. Compiled
// for the machine it is compiled on, as its users do.

#include <array>
#include <unsupported/Eigen/CXX11/Tensor>
#include <vector>

#include "../contender.hpp"

namespace convgpu::bench {
namespace {

using image = Eigen::Tensor<float, 2, Eigen::RowMajor>;

std::unique_ptr<runner> convolve(const task& t, const buffers& b) {
  const extent size = t.problem.in;
  const extent taps = t.problem.filter;
  const std::vector<float> flipped = make_flipped_filter(t);
  const image filter = Eigen::TensorMap<const image>(flipped.data(), taps.rows, taps.cols);
  const Eigen::TensorMap<const image> in(reinterpret_cast<const float*>(b.in.data()), size.rows,
                                         size.cols);
  Eigen::TensorMap<image> out(reinterpret_cast<float*>(b.out.data()), size.rows, size.cols);
  // The padded image is kept: an expression that pads while it convolves is several times slower.
  const auto padded = std::make_shared<image>(size.rows + taps.rows - 1, size.cols + taps.cols - 1);
  using pair = std::pair<std::ptrdiff_t, std::ptrdiff_t>;
  const std::array<pair, 2> edges{pair{taps.rows / 2, (taps.rows - 1) / 2},
                                  pair{taps.cols / 2, (taps.cols - 1) / 2}};
  return run_by([=]() mutable {
    *padded = in.pad(edges);
    out = padded->convolve(filter, std::array<std::ptrdiff_t, 2>{0, 1});
  });
}

}  // namespace

peer_library eigen_peers(int threads) {
  // The expression is evaluated by one thread, whatever there is.
  return {"eigen",
          std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
              std::to_string(EIGEN_MINOR_VERSION),
          {{"eigen/convolve", false,
            [threads](const task& t) {
              return threads == 1 && t.is_plain() && t.problem.types.in == dtype::f32 &&
                     t.problem.planes == 1;
            },
            convolve}}};
}

}  // namespace convgpu::bench
