// SPDX-License-Identifier: Apache-2.0
// What kernels move to and from device memory, as the stand-in for the CUDA runtime counts it, and what
// their tiles say that they have to.
#pragma once

#include <convgpu/problem.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cuda_occupancy.hpp"

namespace convgpu::test {

/// All launches of one run on device memory.
struct traffic {
  std::uint64_t loaded = 0;  ///< bytes
  std::uint64_t stored = 0;
  std::uint64_t barriers = 0;  ///< of all blocks
  std::size_t launches = 0;
  std::size_t shared = 0;  ///< bytes for a block of the launch that has most of it
  int threads = 0;         ///< of a block
  std::string parameters;
};

/// One problem for one algorithm. Its problem is f32, dense and, so that all tiles are alike, `valid`.
struct traffic_case {
  std::string algorithm;
  convgpu::problem problem;
  double most = 0;  ///< bytes read for each byte of input and filter, at most
  std::uint64_t (*predicted)(const traffic_case& c) = nullptr;  ///< bytes read, exactly
  int resident = 0;           ///< blocks on a multiprocessor of sm_90, at least
  int multiprocessors = 132;  ///< of the device, by which some algorithms cut their work
  int rank = 1;               ///< of the filter, 1 or 2
  std::optional<double> tolerance{};
};
/// Blocks on such a multiprocessor at once. How much shared memory those of transforms take depends on what there is.
[[nodiscard]] int resident_on(const multiprocessor& m, const traffic_case& c, const traffic& t);
/// Registers for a thread of any of them, as the launch bounds have it.
[[nodiscard]] int registers_of(const traffic_case& c);

/// Every algorithm of the CUDA backend, with the problems it is made for.
[[nodiscard]] std::vector<traffic_case> traffic_cases();

/// A problem that is too large to be run here, and a small one of which the kernel needs the same.
struct large_case {
  std::string name;  ///< that of bench/problems.txt where it is in there
  traffic_case large;
  traffic_case small;
  std::uint64_t samples =
      0;  ///< bytes of these that are read; the rest are tables, which stay in caches
  std::int64_t strip = 0;   ///< rows of output that cuda/separable walks down
  std::int64_t points = 0;  ///< of a block of a transform
  std::int64_t blocks = 0;
  int stages = 0;  ///< of each transform
};
[[nodiscard]] std::vector<large_case> large_cases();

[[nodiscard]] std::uint64_t input_bytes(const problem& p);  ///< taps included
[[nodiscard]] std::uint64_t output_bytes(const problem& p);

/// Runs it on a stand-in of its own: whatever was allocated or queued before is void.
[[nodiscard]] traffic measure(const traffic_case& c);

}  // namespace convgpu::test
