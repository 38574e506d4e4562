// SPDX-License-Identifier: Apache-2.0
// Many short rows, each with a filter of its own: how the heads of a Neural Turing Machine move over its memory.
// A head has a weight for each place, and says how likely it moves one place back, stays, or moves one on:
//
//     moved[i] = Σ_j shift[j] · weight[(i − j) mod places]      j = −1, 0, 1

#include <algorithm>
#include <cmath>
#include <convgpu/convgpu.hpp>
#include <iostream>
#include <random>
#include <vector>

namespace {

constexpr int heads = 256, places = 128, shifts = 3;

/// `rows` rows of positive numbers, each with the sum 1.
std::vector<float> distributions(int rows, int cols, std::mt19937& random) {
  std::uniform_real_distribution<float> number;
  std::vector<float> all;
  for (int row = 0; row < rows; ++row) {
    for (int col = 0; col < cols; ++col) all.push_back(number(random));
    float sum = 0;
    for (auto i = all.end() - cols; i != all.end(); ++i) sum += *i;
    for (auto i = all.end() - cols; i != all.end(); ++i) *i /= sum;
  }
  return all;
}

/// The definition; what is largest of its differences to `moved`.
double largest_error(const std::vector<float>& weights, const std::vector<float>& shift,
                     const std::vector<float>& moved) {
  double largest = 0;
  for (int head = 0; head < heads; ++head)
    for (int i = 0; i < places; ++i) {
      double sum = 0;
      for (int j = -1; j <= 1; ++j)
        sum += double{shift[head * shifts + 1 + j]} *
               double{weights[head * places + (i - j + places) % places]};
      largest = std::max(largest, std::abs(sum - double{moved[head * places + i]}));
    }
  return largest;
}

}  // namespace

int main() {
  std::mt19937 random(1);
  std::vector<float> weights = distributions(heads, places, random), moved(weights.size());
  std::vector<float> shift = distributions(heads, shifts, random);
  // The first head stands at the last place and moves on for certain: around to the first one.
  std::fill_n(weights.begin(), places, 0.0f);
  weights[places - 1] = 1;
  std::copy_n(std::vector<float>{0, 0, 1}.begin(), shifts, shift.begin());

  // As many groups as channels: no channel meets another. The middle one of three taps leaves a row in its place.
  convgpu::plan move({.in = {1, places},
                      .filter = {1, shifts},
                      .channels = heads,
                      .filters = heads,
                      .groups = heads,
                      .mode = convgpu::mode::same,
                      .border = convgpu::border::wrap()},
                     shift);
  std::cout << move.explain();

  double error = 0;
  bool around = true;
  for (int step = 0; step < 3; ++step) {
    move.run(weights, moved);
    error = std::max(error, largest_error(weights, shift, moved));
    around &= moved[static_cast<std::size_t>(step)] == 1;  // the first head is at 0, 1, 2
    weights.swap(moved);
    shift = distributions(heads, shifts, random);  // a network says anew where to go
    std::copy_n(std::vector<float>{0, 0, 1}.begin(), shifts, shift.begin());
    move.set_filter(shift);
  }
  std::cout << heads << " heads moved three times; off by " << error << " at most\n";
  return around && error < 1e-7 ? 0
                                : 1;  // weights are below 1/32, their sums exact to 2^-24 of that
}
