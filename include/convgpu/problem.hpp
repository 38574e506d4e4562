// SPDX-License-Identifier: Apache-2.0
// A problem: everything that defines the answer and nothing about how it is found.
//
// For an input x of N samples and a filter h of M taps (in 2D: along each axis)
//
//     convolution   y[n] = Σ_k h[k] · x[n − k]
//     correlation   the convolution with h flipped, and conjugated where it is complex
//
// docs/conventions.md pins every word of this file with drawings and with the names other libraries
// use; tests hold it to that.
#pragma once

#include <complex>
#include <concepts>
#include <convgpu/detail/export.hpp>
#include <convgpu/types.hpp>
#include <cstdint>
#include <string_view>

namespace convgpu {

namespace detail {

/// a·b of numbers that are not negative, or the largest number where that does not fit.
constexpr std::int64_t saturated_product(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

}  // namespace detail

/// Rows and columns. A 1D signal is an image of one row.
struct extent {
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  constexpr extent() noexcept = default;
  template <std::integral R, std::integral C>
  constexpr extent(R row_count, C col_count) noexcept
      : rows(static_cast<std::int64_t>(row_count)), cols(static_cast<std::int64_t>(col_count)) {}
  /// A signal of `length` samples: one row.
  template <std::integral L>
  explicit constexpr extent(L length) noexcept : extent(1, length) {}

  /// rows · cols; the largest number where that does not fit.
  [[nodiscard]] constexpr std::int64_t count() const noexcept {
    return detail::saturated_product(rows, cols);
  }
  friend constexpr bool operator==(const extent&, const extent&) noexcept = default;
};

/// How much of the result is wanted.
///
///     x  = a b c d      h = p q r             (N = 4, M = 3)
///     full   N+M−1 entries: wherever the flipped filter overlaps x at all
///     same   N entries, from full's entry (M−1)/2 on (rounded down), moved by `problem::origin`
///     valid  N−M+1 entries: where the filter lies wholly inside x, so that no border is touched, or inside
///            x with so much of the border as `problem::padding` says
enum class mode : std::uint8_t { full, same, valid };

/// Convolution flips the filter, correlation does not.
enum class operation : std::uint8_t { convolution, correlation };

/// What becomes of an integer result that does not fit the output's type.
enum class overflow : std::uint8_t {
  saturate,  ///< the nearest value that does
  wrap,      ///< the value modulo 2^bits
};

/// What the input is taken to be outside its edges, for x = abc.
enum class border_kind : std::uint8_t {
  zero,       ///< 000|abc|000
  constant,   ///< vvv|abc|vvv
  replicate,  ///< aaa|abc|ccc
  symmetric,  ///< cba|abc|cba   the edge sample is repeated
  mirror,     ///< ·cb|abc|ba·   the edge sample is not repeated; a single sample stays itself
  wrap,       ///< abc|abc|abc   circular
};

/// A border and, for `constant`, its value. Applies in `full` and `same`; `valid` touches its padding alone.
/// Every border continues for as far as the filter reaches, also over many times the input's length.
class border {
 public:
  constexpr border() noexcept = default;
  /// For names read at run time. `value` counts for `constant` only.
  explicit constexpr border(border_kind kind, std::complex<double> value = 0.0) noexcept
      : kind_(kind), value_(kind == border_kind::constant ? value : 0.0) {}

  static constexpr border zero() noexcept { return border(border_kind::zero); }
  /// `value` is taken in the input's type: it must be one of that type's values where that is an
  /// integer, and real where that is real; otherwise the problem is invalid.
  static constexpr border constant(std::complex<double> value) noexcept {
    return border(border_kind::constant, value);
  }
  static constexpr border replicate() noexcept { return border(border_kind::replicate); }
  static constexpr border symmetric() noexcept { return border(border_kind::symmetric); }
  static constexpr border mirror() noexcept { return border(border_kind::mirror); }
  static constexpr border wrap() noexcept { return border(border_kind::wrap); }

  [[nodiscard]] constexpr border_kind kind() const noexcept { return kind_; }
  [[nodiscard]] constexpr std::complex<double> value() const noexcept { return value_; }
  friend constexpr bool operator==(const border&, const border&) noexcept = default;

 private:
  border_kind kind_ = border_kind::zero;
  std::complex<double> value_ = 0.0;
};

/// A displacement in samples, down and to the right.
struct offset {
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  friend constexpr bool operator==(const offset&, const offset&) noexcept = default;
};

/// Samples of x̃, the input continued by the border, on each side of the input.
struct padding {
  std::int64_t top = 0;
  std::int64_t bottom = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;

  friend constexpr bool operator==(const padding&, const padding&) noexcept = default;
};

/// In what order bare ranges have their samples, where there are several channels. Views say it by their steps.
enum class layout : std::uint8_t {
  channels_first,  ///< plane, channel, row, column: NCHW
  channels_last,   ///< plane, row, column, channel: NHWC
};

/// Everything that defines the answer. An aggregate: name what differs from the defaults.
///
///     problem{.in = {1080, 1920}, .mode = mode::same, .border = border::mirror()}
///     problem{.in = {1, 48000}}                                                          a signal
///     problem{.in = {56, 56}, .filter = {3, 3}, .planes = 8, .channels = 64, .filters = 128,
///             .op = operation::correlation, .mode = mode::valid, .padding = {1, 1, 1, 1}}  a layer
///
/// *Planes* share the filters. *Channels* are summed, each convolved with taps of its own:
///
///     y[plane][f] = Σ over the channels c of f's group: x[plane][c] ∗ h[f][c]
///
/// With `groups`, channels and filters are dealt out in order: filter f sees the channels of group
/// f / (filters/groups), channels/groups of them. A filter's view has one plane for each filter, and
/// channels/groups channels. As many groups as channels: each has filters of its own, as in a depthwise layer, or
/// as signals of which each has another filter.
///
/// `in`, `filter`, `filters` and `types` may be left out where views say them: a one-shot call takes all from its
/// arguments; a plan takes `filter` and `filters` from its filter, and `types` that are left `deduced` as: filter,
/// the type of the filter given; in, the same as the filter; out, `default_out(in, filter)`. Said twice,
/// they must agree.
struct problem {
  convgpu::extent in{};       ///< of one plane of the input
  convgpu::extent filter{};   ///< taps
  std::int64_t planes = 1;    ///< images or signals that share the filters: colours, batch
  std::int64_t channels = 1;  ///< of the input
  std::int64_t filters = 1;   ///< the channels of the output
  std::int64_t groups = 1;    ///< divides both
  convgpu::layout layout =
      convgpu::layout::channels_first;  ///< of bare ranges for input and output
  convgpu::types types{};               ///< one of the triples of `is_supported`
  operation op = operation::convolution;
  convgpu::mode mode = convgpu::mode::full;
  convgpu::border border{};  ///< default: zero
  /// Moves the window of `same`: added to its start, so that output n is full's entry
  /// n + (E−1)/2 + origin, where E = (M−1)·dilation + 1. Within −(E−1)/2 … E/2; zero in other modes.
  offset origin{};
  /// How far windows of `valid` may reach beyond the input; none in other modes.
  convgpu::padding padding{};
  /// Every stride-th entry of the result, from its first on. (Steps in memory are `strides`, of views.)
  convgpu::extent stride{1, 1};
  convgpu::extent dilation{1, 1};  ///< distance of neighbouring taps, in input samples
  bool conjugate = true;           ///< whether `correlation` conjugates a complex filter
  convgpu::overflow overflow = convgpu::overflow::saturate;

  friend constexpr bool operator==(const problem&, const problem&) noexcept = default;
};

/// Checks a complete problem (`in`, `filter` and `types` said).
/// \throws invalid_problem naming the first member that is wrong, its value and what is allowed.
CONVGPU_API void validate(const problem& p);

/// Rows and columns of one plane of the output.
/// \throws invalid_problem as `validate`.
[[nodiscard]] CONVGPU_API extent output_extent(const problem& p);

/// The names used in messages, in the program and in `parse_…`: "full", "convolution", "mirror" …
[[nodiscard]] CONVGPU_API std::string_view to_string(mode m) noexcept;
[[nodiscard]] CONVGPU_API std::string_view to_string(operation op) noexcept;
[[nodiscard]] CONVGPU_API std::string_view to_string(overflow policy) noexcept;
[[nodiscard]] CONVGPU_API std::string_view to_string(border_kind kind) noexcept;
[[nodiscard]] CONVGPU_API std::string_view to_string(layout order) noexcept;

/// The enumerator of that name.
/// \throws invalid_problem for any other name; the message lists those allowed. A bare "reflect" is
/// refused with a hint, because libraries disagree on what it means.
[[nodiscard]] CONVGPU_API mode parse_mode(std::string_view name);
[[nodiscard]] CONVGPU_API overflow parse_overflow(std::string_view name);
[[nodiscard]] CONVGPU_API border_kind parse_border(std::string_view name);
/// "channels_first" or "channels_last", also as nchw and nhwc, or NCHW and NHWC.
[[nodiscard]] CONVGPU_API layout parse_layout(std::string_view name);

}  // namespace convgpu
