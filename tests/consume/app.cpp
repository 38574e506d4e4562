// SPDX-License-Identifier: Apache-2.0
#include <convgpu/convgpu.hpp>

#include <vector>

int main() {
  const std::vector<float> x{1, 1, 1, 1};
  const std::vector<float> h{2, 2, 2, 2};
  const std::vector<float> y = convgpu::convolve(x, h);
  return y == std::vector<float>{2, 4, 6, 8, 6, 4, 2} ? 0 : 1;
}
