// SPDX-License-Identifier: Apache-2.0
// A test chart: a picture without a file, on which the eye sees what a filter does.
//
//     +-----------+-----------+
//     |   ramps and steps     |   an eighth of the height
//     +-----------+-----------+
//     |   zone    |  Siemens  |   half
//     |   plate   |   star    |
//     +-----------+-------+---+
//     | checkers  | rings | p |   three eighths; p: points
//     | bars      |       | e |                  e: slanted edge
//     +-----------+-------+---+
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

using colour = std::array<double, 3>;  // red, green, blue from 0 to 1

constexpr colour grey(double level) {
  return {level, level, level};
}

colour mix(const colour& from, const colour& to, double share) {
  colour result;
  for (std::size_t i = 0; i < 3; ++i) result[i] = from[i] + share * (to[i] - from[i]);
  return result;
}

/// How much of a pixel is inside an edge that lies that many pixels further out.
double coverage(double distance) {
  return std::clamp(distance + 0.5, 0.0, 1.0);
}

/// A part of the chart: its size in pixels and a point of it.
struct spot {
  double x, y;           // of the pixel's centre, from the upper left corner of the part
  double width, height;  // of the part

  [[nodiscard]] double radius() const { return std::hypot(x - width / 2, y - height / 2); }
  [[nodiscard]] double largest_radius() const { return 0.46 * std::min(width, height); }
  /// The same point, seen from the part of this part that has its corner at (left, top).
  [[nodiscard]] spot within(double left, double top, double w, double h) const {
    return {x - left, y - top, w, h};
  }
};

/// Which of `count` equal steps from 0 to `size` a point is in.
int step_of(double at, double size, int count) {
  return std::clamp(static_cast<int>(at * count / size), 0, count - 1);
}

colour ramp(const spot& s) {
  return grey(std::clamp((s.x - 0.5) / (s.width - 1), 0.0, 1.0));
}

colour steps(const spot& s, bool rgb) {
  const int step = step_of(s.x, s.width, 8);
  if (!rgb) return grey(step / 7.0);
  const int bits = 7 - step;  // white, yellow, cyan, green, magenta, red, blue, black
  return {bits & 2 ? 1.0 : 0.0, bits & 4 ? 1.0 : 0.0, bits & 1 ? 1.0 : 0.0};
}

/// Waves that shorten outwards, to the shortest that pixels can hold.
colour zone_plate(const spot& s) {
  const double limit = s.largest_radius();
  const double r = s.radius();
  const double wave = 0.5 + 0.5 * std::cos(std::numbers::pi * r * r / (2 * limit));
  return grey(0.5 + (wave - 0.5) * coverage(limit - r));
}

colour siemens_star(const spot& s, bool rgb) {
  constexpr int spokes = 18;
  const double limit = s.largest_radius();
  const double r = s.radius();
  const double angle = std::atan2(s.y - s.height / 2, s.x - s.width / 2);
  // The sine, times this, is about the distance from the nearest edge in pixels.
  const double share = coverage(std::sin(spokes * angle) * r / spokes);
  const colour dark = rgb ? colour{0.10, 0.16, 0.42} : grey(0.0);
  const colour light = rgb ? colour{1.00, 0.80, 0.25} : grey(1.0);
  return mix(grey(0.5), mix(dark, light, share), coverage(limit - r));
}

/// Squares of 1, 2, 4 … pixels, the small ones to the right.
colour checkers(const spot& s) {
  const int part = step_of(s.x, s.width, 4);
  const int square = std::max(1, static_cast<int>(s.width / 16) >> part);
  const int sum = static_cast<int>(s.x) / square + static_cast<int>(s.y) / square;
  return grey(sum % 2 == 0 ? 0.9 : 0.1);
}

/// Bars like lines of print, which narrow from left to right; upright ones above, lying ones below.
colour bars(const spot& s) {
  const bool upright = s.y < s.height / 2;
  const int part = step_of(s.x, s.width, 4);
  const int bar = std::max(1, static_cast<int>(s.width / 32) >> part);
  const double along = upright ? s.x : s.y;
  return grey(static_cast<int>(along) / bar % 2 == 0 ? 0.0 : 1.0);
}

/// Discs within discs: edges in every direction.
colour rings(const spot& s, bool rgb) {
  constexpr int count = 5;
  colour result = grey(0.25);
  for (int i = 0; i < count; ++i) {
    const double radius = s.largest_radius() * (count - i) / count;
    const double hue = 2 * std::numbers::pi * i / count;
    const colour tint = {0.55 + 0.4 * std::cos(hue), 0.55 + 0.4 * std::cos(hue - 2.1),
                         0.55 + 0.4 * std::cos(hue + 2.1)};
    const colour fill = rgb ? tint : grey(i % 2 == 0 ? 0.85 : 0.15);
    result = mix(result, fill, coverage(radius - s.radius()));
  }
  return result;
}

/// Single bright pixels on black, which show the filter itself.
colour points(const spot& s) {
  const int distance = std::max(2, static_cast<int>(s.width / 4));
  const int x = static_cast<int>(s.x);
  const int y = static_cast<int>(s.y);
  return grey(x % distance == distance / 2 && y % distance == distance / 2 ? 1.0 : 0.0);
}

/// An edge that is upright but for five degrees, as sharpness is measured with.
colour slanted_edge(const spot& s) {
  const double distance = (s.x - s.width / 2) + 0.0875 * (s.y - s.height / 2);
  return grey(0.2 + 0.6 * coverage(distance));
}

colour chart_at(const spot& s, bool rgb) {
  const double n = s.width;
  const double eighth = n / 8;
  const double half = n / 2;
  if (s.y < eighth / 2) return ramp(s);
  if (s.y < eighth) return steps(s, rgb);
  if (s.y < 5 * eighth) {
    return s.x < half ? zone_plate(s.within(0, eighth, half, half))
                      : siemens_star(s.within(half, eighth, half, half), rgb);
  }
  const double top = 5 * eighth;
  if (s.x < half) {
    const double height = 1.5 * eighth;
    return s.y < top + height ? checkers(s.within(0, top, half, height))
                              : bars(s.within(0, top + height, half, height));
  }
  if (s.x < 7 * eighth) return rings(s.within(half, top, 3 * eighth, 3 * eighth), rgb);
  const spot right = s.within(7 * eighth, top, eighth, 1.5 * eighth);
  return right.y < right.height ? points(right)
                                : slanted_edge(right.within(0, right.height, eighth, right.height));
}

}  // namespace

array make_chart(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view digits = text.substr(0, colon);
  const bool rgb = colon != text.npos;
  int size = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), size);
  const bool whole = problem == std::errc{} && end == digits.data() + digits.size();
  if (!whole || size < 16 || size > 8192 || (rgb && text.substr(colon) != ":rgb")) {
    throw bad_file("no such chart; allowed: chart:N and chart:N:rgb, N from 16 to 8192");
  }

  array chart(header{.type = dtype::u8,
                     .kind = content::image,
                     .rows = size,
                     .cols = size,
                     .planes = rgb ? 3 : 1});
  const auto values = chart.values<std::uint8_t>();
  const auto plane = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  std::size_t pixel = 0;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x, ++pixel) {
      const double n = size;
      const colour c = chart_at({x + 0.5, y + 0.5, n, n}, rgb);
      for (std::size_t p = 0; p < (rgb ? 3 : 1); ++p) {
        values[p * plane + pixel] = static_cast<std::uint8_t>(std::lround(255 * c[p]));
      }
    }
  }
  return chart;
}

}  // namespace convgpu::tools
