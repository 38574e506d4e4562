// SPDX-License-Identifier: Apache-2.0
// The example of README.md, word for word: one call, and a plan to be run again and again.

#include <convgpu/convgpu.hpp>
#include <iostream>
int main() {
  const std::vector<float> x{1, 1, 1, 1}, h{2, 2, 2, 2};
  const std::vector<float> y = convgpu::convolve(x, h);  // 2 4 6 8 6 4 2
  const std::vector<float> image(480 * 640, 1.0f), box(5 * 5, 0.04f);
  const convgpu::plan blur({.in = {480, 640}, .filter = {5, 5}, .mode = convgpu::mode::same}, box);
  std::vector<float> out(image.size());
  blur.run(image, out);  // as often as you like, from any number of threads
  std::cout << blur.explain();
  return y[3] == 8 && out[64100] > 0.99f ? 0 : 1;
}
