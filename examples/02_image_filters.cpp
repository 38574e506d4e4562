// SPDX-License-Identifier: Apache-2.0
// Pictures: interleaved colours, one plan run twice, and a part filtered without a copy.

#include <convgpu/convgpu.hpp>
#include <cstdint>
#include <iostream>
#include <vector>

namespace {

constexpr convgpu::extent size{12, 32};
using bytes = std::vector<std::uint8_t>;

/// A picture of three planes in one array: r g b r g b …
convgpu::view<std::uint8_t> rgb(bytes& data) {
  return {data.data(), size, 3, interleaved(size, 3)};
}

/// The red of one pixel.
std::uint8_t red(bytes& data, int row, int col) {
  return *rgb(data).region(row, col, {1, 1}).data();
}

void print(const char* title, bytes& data) {
  std::cout << title << '\n';
  for (int row = 0; row < size.rows; ++row, std::cout << '\n')
    for (int col = 0; col < size.cols; ++col) std::cout << " .:-=+*#%@"[red(data, row, col) / 26];
}

}  // namespace

int main() {
  bytes picture(static_cast<std::size_t>(size.count()) * 3, 20), once = picture, twice = picture;
  for (int row = 3; row < 9; ++row)  // a bright square on dark ground
    for (int byte = 30; byte < 66; ++byte) picture[row * 96 + byte] = 220;
  print("picture", picture);

  // Bytes and float taps: each result is rounded and kept within 0 … 255.
  const convgpu::plan blur({.in = size,
                            .filter = {3, 3},
                            .planes = 3,
                            .types = {.in = convgpu::dtype::u8},
                            .mode = convgpu::mode::same,
                            .border = convgpu::border::mirror()},
                           std::vector<float>(9, 1.0f / 9));
  blur.run(rgb(picture), rgb(once));
  blur.run(rgb(once), rgb(twice));
  print("blurred twice", twice);

  // The left half only: views of parts of the pictures. Its border begins where the part ends.
  const std::vector<std::int32_t> edges{0, -1, 0, -1, 4, -1, 0, -1, 0};
  const convgpu::extent half{12, 16};
  convgpu::convolve(rgb(picture).region(0, 0, half), convgpu::view(edges.data(), {3, 3}),
                    rgb(twice).region(0, 0, half),
                    {.mode = convgpu::mode::same, .border = convgpu::border::mirror()});
  print("and edges on the left", twice);

  const bool blurred = red(once, 2, 15) == 87 && red(twice, 6, 25) == 20;  // 20 + 200·3/9
  return blurred && red(twice, 3, 12) == 200 && red(twice, 6, 14) == 0 ? 0 : 1;
}
