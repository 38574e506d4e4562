// SPDX-License-Identifier: Apache-2.0
// Where elements lie in shared memory, so that the threads of a warp meet in no bank. Functions of their own:
// kernels and the test that counts conflicts go by the same ones.
#pragma once

#include <cstddef>

namespace convgpu::cuda {

constexpr int warp = 32;

/// Column c of a line from which each thread wants a run of `Group` samples. Neighbouring threads read Group
/// apart, which is a few banks only; one place left free after each run spreads them over all. 0: dense.
template <int Group>
[[nodiscard]] constexpr int spread(int c) {
  if constexpr (Group == 0) return c;
  else return c + c / Group;
}

/// Places between lines that are spread, such that two half warps on two lines do not meet: half a round of
/// the banks more than a whole number of rounds. `places` are what a line needs.
template <class Sample>
[[nodiscard]] constexpr int spread_pitch(int places) {
  constexpr int round = 128 / static_cast<int>(sizeof(Sample));
  return (places + round / 2 - 1) / round * round + round / 2;
}

/// Column c of a line that is written by threads a run apart, and read by neighbours next to one another.
template <class Sum>
[[nodiscard]] constexpr int swizzle(int c) {
  constexpr int round = 128 / static_cast<int>(sizeof(Sum));
  return c ^ (c / round);
}

}  // namespace convgpu::cuda
