// SPDX-License-Identifier: Apache-2.0
#include <convgpu/convgpu.hpp>
#include <iostream>
#include <vector>

int main() {
  const std::vector<float> x{1, 1, 1, 1};
  const std::vector<float> h{2, 2, 2, 2};
  const std::vector<float> y = convgpu::convolve(x, h);
  const convgpu::backend_info cuda = convgpu::backends().back();
  std::cout << "cuda: " << (cuda.unavailable.empty() ? "ready" : cuda.unavailable) << '\n';
  return y == std::vector<float>{2, 4, 6, 8, 6, 4, 2} ? 0 : 1;
}
