// SPDX-License-Identifier: Apache-2.0
// A filter bank, the first layer of the network LeNet: one picture, six filters of 5 x 5, six pictures.
//
//     example_07_filter_bank PICTURE.pgm

#include <algorithm>
#include <cmath>
#include <convgpu/convgpu.hpp>
#include <iomanip>
#include <iostream>
#include <vector>

#include "pgm.hpp"

namespace {

constexpr convgpu::extent taps{5, 5};
constexpr int filters = 6;
constexpr const char* names[filters] = {"edge |",  "edge -", "edge /",
                                        "edge \\", "line |", "line -"};

/// A network would have learned them: filter after filter, row after row. None answers to even grey.
// clang-format off
const std::vector<float> bank{
    -2, -1,  0,  1,  2,  -2, -1,  0,  1,  2,  -2, -1,  0,  1,  2,  -2, -1,  0,  1,  2,  -2, -1,  0,  1,  2,
    -2, -2, -2, -2, -2,  -1, -1, -1, -1, -1,   0,  0,  0,  0,  0,   1,  1,  1,  1,  1,   2,  2,  2,  2,  2,
    -4, -3, -2, -1,  0,  -3, -2, -1,  0,  1,  -2, -1,  0,  1,  2,  -1,  0,  1,  2,  3,   0,  1,  2,  3,  4,
     0,  1,  2,  3,  4,  -1,  0,  1,  2,  3,  -2, -1,  0,  1,  2,  -3, -2, -1,  0,  1,  -4, -3, -2, -1,  0,
    -2,  1,  2,  1, -2,  -2,  1,  2,  1, -2,  -2,  1,  2,  1, -2,  -2,  1,  2,  1, -2,  -2,  1,  2,  1, -2,
    -2, -2, -2, -2, -2,   1,  1,  1,  1,  1,   2,  2,  2,  2,  2,   1,  1,  1,  1,  1,  -2, -2, -2, -2, -2};
// clang-format on

float magnitude(float a) {
  return std::abs(a);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) throw std::runtime_error("PICTURE.pgm is missing");
  const picture image = read_pgm(argv[1]);

  // Networks correlate. `valid`: where a filter lies within the picture, four rows and columns less.
  const convgpu::plan layer({.in = image.size,
                             .filter = taps,
                             .filters = filters,
                             .op = convgpu::operation::correlation,
                             .mode = convgpu::mode::valid},
                            bank);
  const convgpu::extent size = layer.output_extent();
  const auto count = static_cast<std::size_t>(size.count());
  std::vector<float> responses(filters * count);
  layer.run(image.pixels, responses);
  std::cout << layer.explain();

  // The output has a channel for each filter, one after the other; with `layout::channels_last` a pixel's six values
  // would lie beside each other, and a view of `channels_last(size, filters)` read them.
  const convgpu::view<const float> all(responses.data(), size, 1, filters, dense(size, filters));
  bool right = true;
  for (int f = 0; f < filters; ++f) {
    const float* const map = all.channel(f).data();
    const float* const peak = std::max_element(
        map, map + count, [](float a, float b) { return magnitude(a) < magnitude(b); });
    // White where taps are positive and black where they are negative: 15 or 20, and no response is stronger.
    float largest = 0;
    for (auto tap = bank.begin() + f * taps.count(); tap != bank.begin() + (f + 1) * taps.count();
         ++tap)
      largest += std::max(*tap, 0.0f);
    right &= magnitude(*peak) < largest * 1.0001f;
    std::cout << names[f] << ": strongest at row " << (peak - map) / size.cols << ", column "
              << (peak - map) % size.cols << ": " << std::setprecision(4) << *peak << '\n';

    // Channel f is what filter f alone gives.
    const convgpu::view filter(bank.data() + f * taps.count(), taps);
    const auto alone = convgpu::correlate(convgpu::view(image.pixels.data(), image.size), filter,
                                          {.mode = convgpu::mode::valid});
    right &= std::equal(alone.begin(), alone.end(), map,
                        [](float a, float b) { return magnitude(a - b) < 1e-4f; });
  }
  return right ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "example_07_filter_bank: " << e.what() << '\n';
  return 2;
}
