// SPDX-License-Identifier: Apache-2.0
#include "named_filters.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <numbers>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

// A filter longer than this in any direction is a slip of the finger.
constexpr int largest_size = 4095;
constexpr int largest_radius = largest_size / 2;

array make_filter(std::int64_t rows, std::int64_t cols) {
  array filter(header{.type = dtype::f64, .rows = rows, .cols = cols});
  std::ranges::fill(filter.values<double>(), 0.0);
  return filter;
}

array make_filter(std::int64_t size, std::initializer_list<double> taps) {
  array filter = make_filter(size, size);
  std::ranges::copy(taps, filter.values<double>().begin());
  return filter;
}

void normalise(std::span<double> taps) {
  const double sum = std::accumulate(taps.begin(), taps.end(), 0.0);
  for (double& tap : taps) tap /= sum;
}

/// What follows the colon of a named filter, and the whole for messages.
struct parameters {
  std::string_view whole;
  std::string_view text;

  [[noreturn]] void fail(const std::string& allowed) const {
    throw bad_file("filter " + in_quotes(whole) + ": " + in_quotes(text) +
                   " is not accepted; allowed: " + allowed);
  }

  /// The number before the comma, or after it; with `count` 1 there is none.
  [[nodiscard]] double number(int index, int count, const std::string& allowed) const {
    const std::size_t comma = count == 2 ? text.find(',') : text.npos;
    if (count == 2 && comma == text.npos) fail(allowed);
    const std::string_view part = index == 0 ? text.substr(0, comma) : text.substr(comma + 1);
    const std::optional<double> value = parse_real(part);
    if (!value || !std::isfinite(*value)) fail(allowed);
    return *value;
  }

  [[nodiscard]] int integer(int index, int count, int least, int most,
                            const std::string& allowed) const {
    const double value = number(index, count, allowed);
    if (!(value >= least && value <= most && value == std::trunc(value))) fail(allowed);
    return static_cast<int>(value);
  }
};

/// The outer product of a normalised profile with itself: each tap is one product, so that the filter
/// is as separable as f64 allows.
array gaussian(const parameters& p) {
  constexpr int most = largest_radius / 3;
  const std::string allowed = "SIGMA above 0, up to " + std::to_string(most);
  const double sigma = p.number(0, 1, allowed);
  if (!(sigma > 0 && sigma <= most)) p.fail(allowed);

  const int radius = static_cast<int>(std::ceil(3 * sigma));
  std::vector<double> profile;
  for (int i = -radius; i <= radius; ++i)
    profile.push_back(std::exp(-0.5 * (i / sigma) * (i / sigma)));
  normalise(profile);
  array filter = make_filter(2 * radius + 1, 2 * radius + 1);
  auto tap = filter.values<double>().begin();
  for (const double down : profile) {
    for (const double across : profile) *tap++ = down * across;
  }
  return filter;
}

array box(const parameters& p) {
  const int size = p.integer(0, 1, 1, largest_size, "N from 1 to " + std::to_string(largest_size));
  array filter = make_filter(size, size);
  std::ranges::fill(filter.values<double>(), 1.0 / (double{1} * size * size));
  return filter;
}

array sobel(const parameters& p) {
  if (p.text == "x") return make_filter(3, {1, 0, -1, 2, 0, -2, 1, 0, -1});
  if (p.text == "y") return make_filter(3, {1, 2, 1, 0, 0, 0, -1, -2, -1});
  p.fail("x or y");
}

array shift(const parameters& p) {
  const std::string most = std::to_string(largest_radius);
  const std::string allowed = "DX,DY, integers from -" + most + " to " + most;
  const int right = p.integer(0, 2, -largest_radius, largest_radius, allowed);
  const int down = p.integer(1, 2, -largest_radius, largest_radius, allowed);
  const int rows = 2 * std::abs(down) + 1;
  const int cols = 2 * std::abs(right) + 1;
  array filter = make_filter(rows, cols);
  const int target = (rows / 2 + down) * cols + cols / 2 + right;
  filter.values<double>()[static_cast<std::size_t>(target)] = 1;
  return filter;
}

/// Where a line of that angle points, in the x and y of the screen; exact along the axes.
std::pair<double, double> direction(double degrees) {
  const double turn = std::fmod(degrees, 180.0);  // a line has no front
  if (turn == 0) return {1, 0};
  if (std::abs(turn) == 90) return {0, 1};
  const double angle = turn * std::numbers::pi / 180;
  return {std::cos(angle), -std::sin(angle)};
}

/// A tap's weight falls from 1 on the line to 0 at a distance of one pixel, so that along an axis LEN
/// is the sum of the weights.
array motion(const parameters& p) {
  const std::string allowed = "LEN,DEG, LEN from 1 to " + std::to_string(largest_size);
  const double length = p.number(0, 2, allowed);
  const auto [dx, dy] = direction(p.number(1, 2, allowed));
  if (!(length >= 1 && length <= largest_size)) p.fail(allowed);

  const double half = (length - 1) / 2;
  constexpr double slack = 1e-9;  // rounding errors of the direction add no rows, columns or taps
  const int x_radius = static_cast<int>(std::ceil(half * std::abs(dx) - slack));
  const int y_radius = static_cast<int>(std::ceil(half * std::abs(dy) - slack));
  array filter = make_filter(2 * y_radius + 1, 2 * x_radius + 1);
  auto tap = filter.values<double>().begin();
  for (int y = -y_radius; y <= y_radius; ++y) {
    for (int x = -x_radius; x <= x_radius; ++x) {
      const double nearest = std::clamp(x * dx + y * dy, -half, half);
      const double weight = 1 - std::hypot(x - nearest * dx, y - nearest * dy);
      *tap++ = weight > slack ? weight : 0.0;
    }
  }
  normalise(filter.values<double>());
  return filter;
}

struct named {
  std::string_view name;
  std::string_view usage;  // of its parameters; empty where it takes none
  array (*make)(const parameters&);
};

constexpr named filters[] = {
    {"gaussian", ":SIGMA", gaussian},
    {"box", ":N", box},
    {"sobel", ":x|y", sobel},
    {"laplacian", "",
     [](const parameters&) {
       return make_filter(3, {0, 1, 0, 1, -4, 1, 0, 1, 0});
     }},
    {"sharpen", "",
     [](const parameters&) {
       return make_filter(3, {0, -1, 0, -1, 5, -1, 0, -1, 0});
     }},
    {"emboss", "",
     [](const parameters&) {
       return make_filter(3, {2, 1, 0, 1, 1, -1, 0, -1, -2});
     }},
    {"shift", ":DX,DY", shift},
    {"motion", ":LEN,DEG", motion},
    {"delta", "", [](const parameters&) { return make_filter(1, {1}); }},
};

std::string known_names() {
  std::string list;
  for (const named& f : filters) {
    list += (list.empty() ? "" : ", ") + std::string(f.name) + std::string(f.usage);
  }
  return list;
}

bool is_lower_case(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

std::optional<array> named_filter(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto* found = std::ranges::find(filters, name, &named::name);
  if (found == std::end(filters)) {
    std::error_code ignored;
    if (!is_lower_case(name) || name == "chart" || std::filesystem::exists(text, ignored))
      return {};
    throw bad_file("filter " + in_quotes(text) +
                   " is not known and there is no such file; known: " + known_names());
  }
  if ((colon != text.npos) != !found->usage.empty()) {
    throw bad_file("filter " + in_quotes(text) + " is not complete or has too much; allowed: " +
                   std::string(name) + std::string(found->usage));
  }
  return found->make({text, colon == text.npos ? "" : text.substr(colon + 1)});
}

}  // namespace convgpu::tools
