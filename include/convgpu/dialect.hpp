// SPDX-License-Identifier: Apache-2.0
// Dialects: how other libraries' calls are said in ours. Libraries agree on what convolution is and
// disagree on where `same` starts for even filters, on what "reflect" means, and on who conjugates.
// The answers are one table of data, held against results recorded from those libraries.
#pragma once

#include <convgpu/detail/export.hpp>
#include <convgpu/problem.hpp>
#include <optional>
#include <span>
#include <string_view>

namespace convgpu {

/// One call of another library.
struct dialect {
  std::string_view call;  ///< "scipy.ndimage.correlate", "opencv.filter2D" …
  operation op;
  /// Whether `same` starts at entry E/2 of the full result rather than (E−1)/2: one later for filters of
  /// even reach E.
  bool late_start;
  /// The call's own argument that moves the window, and how. Calls that have one know no mode but `same`.
  enum class argument : std::uint8_t {
    none,
    origin,          ///< adds to the start
    negated_origin,  ///< subtracts from it
    anchor,  ///< the tap that stands over the output; E/2 by default; a later one moves it back
  } moved_by;
  bool conjugates;  ///< the filter, in complex correlations
  /// When the call exchanges its arguments because the filter is longer than the input. We never do:
  /// `in_dialect` refuses such a problem and says so.
  enum class swap : std::uint8_t { never, in_valid, in_valid_and_same } swaps;
  struct border_name {
    std::string_view name;
    border_kind kind;
  };
  std::span<const border_name> borders;  ///< the call's names for them; the first is its default
};

/// The table.
[[nodiscard]] CONVGPU_API std::span<const dialect> dialects() noexcept;

/// The row of that call.
/// \throws invalid_problem for an unknown one; the message lists those known.
[[nodiscard]] CONVGPU_API const dialect& find_dialect(std::string_view call);

/// A call's own arguments, in its own words.
struct dialect_arguments {
  std::string_view border{};  ///< its name of the border; empty for its default
  double value = 0.0;         ///< for borders of a constant
  std::optional<offset>
      origin{};  ///< its origin or anchor, as rows and columns; none for its default
};

/// `p`, with `op`, `border`, `origin` and `conjugate` set so that it means what the call means. `in`,
/// `filter`, `dilation` and `mode` must be said; a call that knows no mode but `same` sets that, too.
/// Origins apply where the mode is `same`. OpenCV's anchor is (x, y): here, too, rows come first.
///
///     in_dialect("opencv.filter2D", {.in = {480, 640}, .filter = {4, 4}}, {.border = "BORDER_REFLECT"})
///
/// \throws invalid_problem  for an unknown call or border, an origin or mode the call has not, or a filter
///                          longer than the input where the call would exchange the two
[[nodiscard]] CONVGPU_API problem in_dialect(std::string_view call, problem p,
                                             const dialect_arguments& arguments = {});

}  // namespace convgpu
