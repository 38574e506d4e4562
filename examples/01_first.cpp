// SPDX-License-Identifier: Apache-2.0
// The example of README.md, word for word: one call, and a plan to be run again and again.

#include <convgpu/convgpu.hpp>
#include <iostream>
#include <vector>

int main() {
  using namespace convgpu;
  const std::vector<float> x{1, 1, 1, 1}, h{2, 2, 2, 2};
  const std::vector<float> y = convolve(x, h);  // 2 4 6 8 6 4 2

  const std::vector<float> image(480 * 640, 1.0f), box(5 * 5, 0.04f);
  std::vector<float> blurred(image.size());
  const problem p{
      .in = {480, 640}, .filter = {5, 5}, .mode = mode::same, .border = border::mirror()};
  const plan blur(p, box);
  blur.run(image, blurred);  // as often as you like, from any number of threads
  std::cout << blur.explain();

  return y[3] == 8 && blurred[0] > 0.99f ? 0 : 1;
}
