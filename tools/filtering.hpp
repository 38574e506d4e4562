// SPDX-License-Identifier: Apache-2.0
// From arrays as files have them to a problem as the library takes it, and back: which types to compute
// in, and what to do about alpha.
#pragma once

#include <convgpu/plan.hpp>
#include <convgpu/problem.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "array.hpp"

namespace convgpu::tools {

/// A filter and where it came from.
struct filter_source {
  array taps;
  bool adapts = false;  ///< typed by hand or by name: takes the precision of the data it meets
  bool named = false;
};

/// `what` as the program's FILTER: a name such as "gaussian:2", a literal, or a file.
/// \throws bad_file
[[nodiscard]] filter_source read_filter(const std::string& what);

/// What the user said; sizes and types come from the arrays.
struct wishes {
  operation op = operation::convolution;
  std::optional<convgpu::mode> mode{};      ///< else same for images, full for all else
  std::optional<convgpu::border> border{};  ///< else mirror for images, zero for all else
  offset origin{};
  convgpu::overflow overflow = convgpu::overflow::saturate;
  std::optional<dtype> out_type{};  ///< else the input's, made complex by a complex filter
  /// Where arrays of three and four dimensions have their channels; else first. The result alike.
  std::optional<convgpu::layout> order{};
  std::int64_t groups = 1;
  /// All sides; rows, columns; or top, bottom, left, right. None: no padding. For a signal, both ends; or
  /// left, right.
  std::vector<std::int64_t> padding{};
  extent stride{1, 1};
  extent dilation{1, 1};
};

/// Arrays and the problem that they make: `in` and `filter` are converted to its types already. The
/// result has `result_type`, which may be narrower than the problem's where the library has no such triple.
struct prepared {
  array in;
  array filter;
  convgpu::problem problem;
  bool sums_channels = false;  ///< the filter has channels; else it filters each plane by itself
  dtype result_type = dtype::f64;
  double white = 255.0;  ///< of an image: what is opaque, in the units of its values
  /// Of an image with alpha: a plane of its own, as a fraction. `in` has the other planes, multiplied
  /// with it, and the problem is in f64.
  std::optional<array> alpha;
};

/// \throws bad_file where the arrays do not go together
[[nodiscard]] prepared prepare(const array& input, const filter_source& filter, const wishes& w);

/// What `run_once` gave back.
struct outcome {
  array result;  ///< in the problem's output type, before `finish`
  description why;
  std::string explanation;
  std::string explanation_json;
  double seconds = 0.0;  ///< median of the runs, without making the plan
};

/// Makes a plan and runs it `runs` times, at least once. \throws as the library
[[nodiscard]] outcome run(const prepared& p, const options& how, int runs = 1);

/// The result as it is to be stored: in `result_type`, and with alpha divided out and put back.
[[nodiscard]] array finish(const prepared& p, array result, const options& how);

/// The header `finish` will give its array, known before anything is computed.
[[nodiscard]] header result_header(const prepared& p);

/// Largest |a − b|; a NaN or infinity in both at the same place counts 0, in one of them infinity.
[[nodiscard]] double largest_difference(const array& a, const array& b);

}  // namespace convgpu::tools
