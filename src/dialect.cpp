// SPDX-License-Identifier: Apache-2.0
// The table of dialects, and the one function that applies a row of it.

#include <algorithm>
#include <convgpu/dialect.hpp>
#include <convgpu/error.hpp>
#include <string>
#include <utility>

#include "names.hpp"
#include "problem.hpp"

namespace convgpu {
namespace {

using enum operation;
using enum border_kind;
using argument = dialect::argument;
using swap = dialect::swap;
using names = dialect::border_name;

// Beyond this, sizes and origins are mistakes, and sums of them might overflow.
constexpr std::int64_t largest = std::int64_t{1} << 30;

constexpr names zero_only[] = {{"zero", zero}};
constexpr names convolve2d_borders[] = {{"fill", constant}, {"wrap", wrap}, {"symm", symmetric}};
constexpr names ndimage_borders[] = {
    {"reflect", symmetric}, {"constant", constant},
    {"nearest", replicate}, {"mirror", mirror},
    {"wrap", wrap},         {"grid-mirror", symmetric},
    {"grid-wrap", wrap},    {"grid-constant", constant},
};
constexpr names opencv_borders[] = {
    {"BORDER_REFLECT_101", mirror}, {"BORDER_REFLECT101", mirror},   {"BORDER_DEFAULT", mirror},
    {"BORDER_CONSTANT", zero},      {"BORDER_REPLICATE", replicate}, {"BORDER_REFLECT", symmetric},
};
constexpr names imfilter_borders[] = {
    {"X", constant}, {"symmetric", symmetric}, {"replicate", replicate}, {"circular", wrap}};
constexpr names torch_borders[] = {
    {"zeros", zero}, {"reflect", mirror}, {"replicate", replicate}, {"circular", wrap}};

// call, operation, late start, moved by, conjugates, swaps, borders
constexpr dialect table[] = {
    {"numpy.convolve", convolution, false, argument::none, false, swap::in_valid_and_same,
     zero_only},
    {"numpy.correlate", correlation, false, argument::none, true, swap::in_valid_and_same,
     zero_only},
    {"scipy.signal.convolve", convolution, false, argument::none, false, swap::in_valid, zero_only},
    {"scipy.signal.fftconvolve", convolution, false, argument::none, false, swap::in_valid,
     zero_only},
    {"scipy.signal.oaconvolve", convolution, false, argument::none, false, swap::in_valid,
     zero_only},
    {"scipy.signal.correlate", correlation, false, argument::none, true, swap::in_valid, zero_only},
    {"scipy.signal.convolve2d", convolution, false, argument::none, false, swap::in_valid,
     convolve2d_borders},
    {"scipy.signal.correlate2d", correlation, true, argument::none, true, swap::in_valid,
     convolve2d_borders},
    {"scipy.ndimage.convolve", convolution, true, argument::origin, false, swap::never,
     ndimage_borders},
    {"scipy.ndimage.correlate", correlation, false, argument::negated_origin, true, swap::never,
     ndimage_borders},
    {"opencv.filter2D", correlation, false, argument::anchor, false, swap::never, opencv_borders},
    {"torch.conv1d", correlation, true, argument::none, false, swap::never, torch_borders},
    {"torch.conv2d", correlation, true, argument::none, false, swap::never, torch_borders},
    {"matlab.conv2", convolution, true, argument::none, false, swap::never, zero_only},
    {"matlab.imfilter.conv", convolution, true, argument::none, false, swap::never,
     imfilter_borders},
    {"matlab.imfilter.corr", correlation, true, argument::none, false, swap::never,
     imfilter_borders},
    {"arrayfire.convolve", convolution, true, argument::none, false, swap::never, zero_only},
};

/// What the call's own argument is where it is not given.
std::int64_t default_argument(const dialect& d, std::int64_t reach) {
  return d.moved_by == argument::anchor ? reach / 2 : 0;
}

/// What to put into problem::origin along one axis.
std::int64_t origin_of(const dialect& d, std::int64_t reach, std::int64_t given) {
  const std::int64_t late = d.late_start ? reach / 2 - (reach - 1) / 2 : 0;
  switch (d.moved_by) {
    case argument::none: break;
    case argument::origin: return late + given;
    case argument::negated_origin: return late - given;
    case argument::anchor: return late + reach / 2 - given;
  }
  return late;
}

}  // namespace

std::span<const dialect> dialects() noexcept {
  return table;
}

const dialect& find_dialect(std::string_view call) {
  for (const dialect& d : table)
    if (d.call == call) return d;
  throw invalid_problem("dialect: unknown call \"" + std::string(call) + "\"; allowed: " +
                        detail::list_of(table, [](const dialect& d) { return d.call; }));
}

problem in_dialect(std::string_view call, problem p, const dialect_arguments& arguments) {
  const dialect& d = find_dialect(call);
  const std::string name(call);

  for (const auto& [argument, e] :
       {std::pair("in", p.in), std::pair("filter", p.filter), std::pair("dilation", p.dilation)})
    if (e.rows < 1 || e.cols < 1 || e.rows > largest || e.cols > largest)
      throw invalid_problem(
          std::string(argument) + ": " + detail::to_text(e) +
          ", where a call's meaning depends on it; allowed: 1 to 2^30 along each axis");
  const offset given = arguments.origin.value_or(offset{});
  if (std::max(given.rows, given.cols) > largest || std::min(given.rows, given.cols) < -largest)
    throw invalid_problem("origin: " + std::to_string(given.rows) + ", " +
                          std::to_string(given.cols) + "; allowed: what the filter reaches over");

  const bool longer = p.filter.rows > p.in.rows || p.filter.cols > p.in.cols;
  const bool swapped = (d.swaps != swap::never && p.mode == mode::valid) ||
                       (d.swaps == swap::in_valid_and_same && p.mode == mode::same);
  if (longer && swapped)
    throw invalid_problem("filter: longer than the input, where " + name +
                          " exchanges its two arguments; exchange them in the call");
  if (arguments.origin && d.moved_by == argument::none)
    throw invalid_problem("origin: " + name + " has no such argument");

  if (d.moved_by != argument::none) {
    if (p.mode == mode::valid)
      throw invalid_problem("mode: valid, which " + name + " has not; allowed: same");
    p.mode = mode::same;
  }
  p.op = d.op;
  p.conjugate = d.conjugates;
  p.origin = {};
  if (p.mode == mode::same) {
    const std::int64_t rows = (p.filter.rows - 1) * p.dilation.rows + 1;
    const std::int64_t cols = (p.filter.cols - 1) * p.dilation.cols + 1;
    const offset moved =
        arguments.origin.value_or(offset{default_argument(d, rows), default_argument(d, cols)});
    p.origin = {origin_of(d, rows, moved.rows), origin_of(d, cols, moved.cols)};
  }

  const std::string_view wanted =
      arguments.border.empty() ? d.borders.front().name : arguments.border;
  for (const auto& b : d.borders) {
    if (b.name != wanted) continue;
    if (arguments.value != 0 && b.kind != constant)
      throw invalid_problem("value: " + detail::to_text(arguments.value) + ", where " + name +
                            "'s " + std::string(b.name) + " has none; allowed: 0");
    p.border = convgpu::border(b.kind, arguments.value);
    return p;
  }
  throw invalid_problem(
      "border: " + name + " has none named \"" + std::string(wanted) +
      "\"; allowed: " + detail::list_of(d.borders, [](const auto& b) { return b.name; }));
}

}  // namespace convgpu
