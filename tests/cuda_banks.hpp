// SPDX-License-Identifier: Apache-2.0
// Bank conflicts, worked out from the functions by which kernels find their way in shared memory.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace convgpu::test {

/// Which element each thread of a block reads or writes.
using access = std::function<int(int thread)>;

/// Turns that the lanes of a warp take at an access: shared memory has 32 banks of 4 bytes, each gives one
/// word in a turn, and to everybody who wants it. Elements of 8 (16) bytes are asked for by half (a
/// quarter) of the warp at a time.
[[nodiscard]] int turns(const access& a, int first_thread, int element_bytes);
/// Those that bytes alone ask for.
[[nodiscard]] int fewest_turns(int element_bytes);

/// An access of a kernel to elements of some size.
struct shared_access {
  std::string what;
  int element_bytes = 4;
  access at;
  int factor = 1;  ///< of the fewest turns that there can be
};
using accesses = std::vector<shared_access>;

struct kernel_accesses {
  std::string kernel;
  accesses all;
};

/// Of every kernel that keeps samples in shared memory, for all pairs of samples and sums that there are.
[[nodiscard]] std::vector<kernel_accesses> all_kernels();

}  // namespace convgpu::test
