// SPDX-License-Identifier: Apache-2.0
// The only size arithmetic of the library. Modes, origins, strides, dilations and both operations come
// down to one form per axis, which is all that a backend sees:
//
//     out[i] = Σ_k h[k] · x̃[start + i·stride − k·dilation],   i = 0 … out−1,  k = 0 … taps−1
//
// where x̃ is the input continued by the border, and h the filter as convolution wants it (flipped and
// conjugated beforehand for a correlation).
#pragma once

#include <convgpu/problem.hpp>
#include <cstdint>

namespace convgpu::detail {

struct axis {
  std::int64_t in = 1;
  std::int64_t taps = 1;
  std::int64_t out = 1;
  std::int64_t start = 0;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;

  /// Input samples from the first tap to the last one: E in docs/conventions.md.
  [[nodiscard]] constexpr std::int64_t reach() const noexcept { return (taps - 1) * dilation + 1; }
  /// Where in x̃ tap k of output i lies.
  [[nodiscard]] constexpr std::int64_t at(std::int64_t i, std::int64_t k) const noexcept {
    return start + i * stride - k * dilation;
  }
};

/// The problem as backends see it. `types` are said, `border.value()` is one of the input's values.
struct normal_form {
  axis row;
  axis col;
  std::int64_t planes = 1;
  std::int64_t groups = 1;
  std::int64_t channels = 1;  ///< of a group: summed
  std::int64_t filters = 1;   ///< of a group
  convgpu::types types;
  convgpu::border border;
  convgpu::overflow overflow = convgpu::overflow::saturate;
  /// Neighbours of a row have other channels between them in bare ranges, and perhaps in views, which only runs see:
  /// for predictions alone.
  bool in_apart = false;
  bool out_apart = false;

  [[nodiscard]] constexpr std::int64_t in_channels() const noexcept { return groups * channels; }
  [[nodiscard]] constexpr std::int64_t out_channels() const noexcept { return groups * filters; }
  /// Elements of input and output.
  [[nodiscard]] constexpr double samples() const noexcept {
    return static_cast<double>(planes) * static_cast<double>(in_channels()) *
           static_cast<double>(row.in) * static_cast<double>(col.in);
  }
  [[nodiscard]] constexpr double outputs() const noexcept {
    return static_cast<double>(planes) * static_cast<double>(out_channels()) *
           static_cast<double>(row.out) * static_cast<double>(col.out);
  }
  /// Whether there is more to it than planes that share one filter.
  [[nodiscard]] constexpr bool has_channels() const noexcept {
    return groups > 1 || channels > 1 || filters > 1;
  }
};

/// The normal form of one axis. Expects what `validate` has let pass. `before` and `after` are its padding.
constexpr axis make_axis(std::int64_t in, std::int64_t taps, mode m, std::int64_t origin,
                         std::int64_t stride, std::int64_t dilation, std::int64_t before = 0,
                         std::int64_t after = 0) noexcept {
  axis a{.in = in, .taps = taps, .stride = stride, .dilation = dilation};
  const std::int64_t reach = a.reach();
  std::int64_t entries = 0;  // at stride 1
  switch (m) {
    case mode::full: a.start = 0, entries = in + reach - 1; break;
    case mode::same: a.start = (reach - 1) / 2 + origin, entries = in; break;
    case mode::valid:
      a.start = reach - 1 - before;
      entries = before + in + after - reach + 1;
      break;
  }
  a.out = entries > 0 ? (entries - 1) / stride + 1 : 0;
  return a;
}

/// Of rows or of columns.
struct range {
  std::int64_t first = 0;
  std::int64_t last = 0;  ///< one past the end

  friend constexpr bool operator==(const range&, const range&) noexcept = default;
};

// x of 4, h of 3
static_assert(make_axis(4, 3, mode::full, 0, 1, 1).out == 6);
static_assert(make_axis(4, 3, mode::same, 0, 1, 1).out == 4);
static_assert(make_axis(4, 3, mode::same, 0, 1, 1).start == 1);
static_assert(make_axis(4, 3, mode::valid, 0, 1, 1).out == 2);
static_assert(make_axis(4, 3, mode::valid, 0, 1, 1).start == 2);
// even filters start `same` at (M-1)/2, origin moves it
static_assert(make_axis(9, 4, mode::same, 0, 1, 1).start == 1);
static_assert(make_axis(9, 4, mode::same, -1, 1, 1).start == 0);
static_assert(make_axis(9, 4, mode::same, 2, 1, 1).start == 3);
// 3 taps at distance 2 reach over 5; every third of 5 entries is 2
static_assert(make_axis(9, 3, mode::valid, 0, 1, 2).out == 5);
static_assert(make_axis(9, 3, mode::valid, 0, 3, 2).out == 2);
static_assert(make_axis(9, 3, mode::full, 0, 2, 2).out == 7);
static_assert(make_axis(3, 5, mode::valid, 0, 1, 1).out == 0);
// a network's 3 taps at padding 1 and stride 2
static_assert(make_axis(8, 3, mode::valid, 0, 2, 1, 1, 1).out == 4);
static_assert(make_axis(8, 3, mode::valid, 0, 2, 1, 1, 1).start == 1);

}  // namespace convgpu::detail
