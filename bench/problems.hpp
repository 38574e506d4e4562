// SPDX-License-Identifier: Apache-2.0
// What is timed: the list in problems.txt, and data for it.
#pragma once

#include <convgpu/plan.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace convgpu::bench {

/// Which backends a problem is for, and where its data lie there.
enum class purpose : std::uint8_t { cpu, gpu, both, host, check };

/// What the taps are, which decides how few operations would do.
enum class filter_kind : std::uint8_t {
  random,    ///< of full rank
  gaussian,  ///< a column times a row
  box,       ///< all the same
  sparse,    ///< half of them zero
  integer,   ///< whole numbers, i32; all others are f32
};

struct task {
  purpose where = purpose::both;
  std::string name;  ///< "2d_4096_k5"
  std::string line;  ///< of problems.txt
  convgpu::problem problem;
  filter_kind filter = filter_kind::random;
  std::optional<double> tolerance;  ///< of this library's plans, where it is not the usual one

  /// Whether it is for the backend of that name.
  [[nodiscard]] bool suits(const std::string& backend) const;
  /// "cuda/direct" → "cuda/direct/f32/2d_4096_k5/zero"
  [[nodiscard]] std::string title(const std::string& algorithm) const;

  /// One channel and any number of filters, each entry of `same`, zeros around it.
  [[nodiscard]] bool is_bank() const;
  /// One filter.
  [[nodiscard]] bool is_plain() const { return is_bank() && problem.filters == 1; }

  [[nodiscard]] std::int64_t elements() const {
    return problem.in.count() * problem.planes * problem.channels;
  }
  [[nodiscard]] std::int64_t outputs() const {
    return output_extent(problem).count() * problem.planes * problem.filters;
  }
  /// Those that an output is the sum of.
  [[nodiscard]] std::int64_t taps() const {
    return problem.filter.count() * problem.channels / problem.groups;
  }
  /// Additions and multiplications for an output that summation cannot do without: two for each tap that is
  /// not zero, of a column and a row where the filter is their product; four additions for a box.
  [[nodiscard]] double least_flops() const;
  [[nodiscard]] std::size_t in_bytes() const;
  [[nodiscard]] std::size_t out_bytes() const;
};

/// Those of problems.txt.
/// \throws std::runtime_error naming the line that cannot be read.
[[nodiscard]] std::vector<task> read_tasks(const std::string& path);

/// Data of a problem without gaps, in the order of its layout.
[[nodiscard]] any_const_view input_view(const problem& p, const void* data,
                                        memory where = memory::host);
[[nodiscard]] any_view output_view(const problem& p, void* data, memory where = memory::host);
/// What has to be put around the input so that windows that lie inside are all there are.
[[nodiscard]] padding margins(const problem& p);

/// Elements one after the other: floats from −1 to 1, integers over all of their range.
[[nodiscard]] std::vector<std::byte> make_input(const task& t);
/// Taps whose magnitudes add up to 1, so that results stay in the range of the data; whole numbers that add
/// up to 1 for an integer filter. Of several filters and channels one after the other.
[[nodiscard]] std::vector<float> make_filter(const task& t);
/// The same for who correlates: those of each channel the other way round.
[[nodiscard]] std::vector<float> make_flipped_filter(const task& t);
/// A plan for p, which is the problem of t or a part of it, and the filter of t; with the tolerance of t, if it has one.
[[nodiscard]] plan make_plan(const problem& p, const task& t, options how);
/// The column and the row whose product a filter is.
struct factors {
  std::vector<float> column, row;
};
/// Those of the filter of t, if it has such.
[[nodiscard]] std::optional<factors> make_factors(const task& t);

/// The error that summation in f32 may have, relative to the largest sample; 1 for integers that were
/// rounded, 0 for those that are exact. With an FFT the error does not depend on the taps but on the length
/// of the transform: `transforms` allows for that.
[[nodiscard]] double allowed_error(const task& t, bool transforms);

/// What is wrong with `out`, the output of `t`, every stride-th row and column of which ought to be as
/// `expected` says to within `bound`; empty if nothing is.
[[nodiscard]] std::string difference(const task& t, std::span<const std::byte> out,
                                     std::span<const std::byte> expected, extent stride,
                                     double bound);

}  // namespace convgpu::bench
