// SPDX-License-Identifier: Apache-2.0
// What is timed: the list in problems.txt, and data for it.
#pragma once

#include <convgpu/problem.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace convgpu::bench {

/// Which backends a problem is for, and where its data lie there.
enum class purpose : std::uint8_t { cpu, gpu, both, host, check };

struct task {
  purpose where = purpose::both;
  std::string name;  ///< "2d_4096_k5"
  convgpu::problem problem;
  bool gaussian = false;

  /// Whether it is for the backend of that name.
  [[nodiscard]] bool suits(const std::string& backend) const;
  /// "cuda/direct" → "cuda/direct/f32/2d_4096_k5/zero"
  [[nodiscard]] std::string title(const std::string& algorithm) const;

  [[nodiscard]] std::int64_t elements() const { return problem.in.count() * problem.planes; }
  [[nodiscard]] std::int64_t taps() const { return problem.filter.count(); }
  [[nodiscard]] std::size_t in_bytes() const;
  [[nodiscard]] std::size_t out_bytes() const;
};

/// Those of problems.txt.
/// \throws std::runtime_error naming the line that cannot be read.
[[nodiscard]] std::vector<task> read_tasks(const std::string& path);

/// Elements of a plane after the other: floats from −1 to 1, integers over all of their range.
[[nodiscard]] std::vector<std::byte> make_input(const task& t);
/// Taps whose magnitudes add up to 1, so that results stay in the range of the data.
[[nodiscard]] std::vector<float> make_filter(const task& t);

/// What is wrong with `out`, the output of `t`, every stride-th row and column of which ought to be as
/// `expected` says; empty if nothing is.
[[nodiscard]] std::string difference(const task& t, const std::vector<std::byte>& out,
                                     const std::vector<std::byte>& expected, extent stride);

}  // namespace convgpu::bench
