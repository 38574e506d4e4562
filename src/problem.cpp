// SPDX-License-Identifier: Apache-2.0
// Validation and normalisation: the only shape check there is.

#include "problem.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <convgpu/error.hpp>
#include <cstddef>
#include <limits>
#include <string>

#include "names.hpp"

namespace convgpu {
namespace {

constexpr detail::named<mode> mode_names[] = {
    {"full", mode::full}, {"same", mode::same}, {"valid", mode::valid}};
constexpr detail::named<operation> operation_names[] = {{"convolution", operation::convolution},
                                                        {"correlation", operation::correlation}};
constexpr detail::named<overflow> overflow_names[] = {{"saturate", overflow::saturate},
                                                      {"wrap", overflow::wrap}};
constexpr detail::named<border_kind> border_names[] = {
    {"zero", border_kind::zero},           {"constant", border_kind::constant},
    {"replicate", border_kind::replicate}, {"symmetric", border_kind::symmetric},
    {"mirror", border_kind::mirror},       {"wrap", border_kind::wrap}};
constexpr detail::named<layout> layout_names[] = {{"channels_first", layout::channels_first},
                                                  {"channels_last", layout::channels_last}};

}  // namespace

std::string_view to_string(mode m) noexcept {
  return detail::name_of(mode_names, m);
}
std::string_view to_string(operation op) noexcept {
  return detail::name_of(operation_names, op);
}
std::string_view to_string(overflow policy) noexcept {
  return detail::name_of(overflow_names, policy);
}
std::string_view to_string(border_kind kind) noexcept {
  return detail::name_of(border_names, kind);
}

std::string_view to_string(layout order) noexcept {
  return detail::name_of(layout_names, order);
}

mode parse_mode(std::string_view name) {
  return detail::value_of(mode_names, name, "mode");
}

overflow parse_overflow(std::string_view name) {
  return detail::value_of(overflow_names, name, "overflow");
}

border_kind parse_border(std::string_view name) {
  if (name == "reflect")
    throw invalid_problem(
        "border: \"reflect\" means one thing here and another there; allowed: mirror "
        "(dcb|abcd|cba, "
        "the edge once) or symmetric (cba|abcd|dcb, the edge twice)");
  return detail::value_of(border_names, name, "border");
}

layout parse_layout(std::string_view name) {
  constexpr detail::named<layout> names[] = {
      {"channels_first", layout::channels_first}, {"channels_last", layout::channels_last},
      {"nchw", layout::channels_first},           {"nhwc", layout::channels_last},
      {"NCHW", layout::channels_first},           {"NHWC", layout::channels_last}};
  return detail::value_of(names, name, "layout");
}

namespace detail {
namespace {

using std::to_string;

[[noreturn]] void fail(const std::string& argument, const std::string& value,
                       const std::string& allowed) {
  throw invalid_problem(argument + ": " + value + "; allowed: " + allowed);
}

void check_positive(const char* name, extent e) {
  for (const auto& [part, value] : {std::pair(".rows", e.rows), std::pair(".cols", e.cols)})
    if (value < 1) fail(std::string(name) + part, to_string(value), "1 or more");
}

void check_types(types t) {
  if (is_supported(t)) return;
  std::string allowed;
  for (int out = 1; out <= static_cast<int>(dtype::cf64); ++out)
    for (int filter = 1; filter <= static_cast<int>(dtype::cf64); ++filter)
      if (const types other{t.in, static_cast<dtype>(filter), static_cast<dtype>(out)};
          is_supported(other) && (other.filter == t.filter || other.out == t.out))
        allowed += (allowed.empty() ? "" : ", ") + std::string(convgpu::to_string(other.filter)) +
                   " -> " + std::string(convgpu::to_string(other.out));
  if (allowed.empty())
    allowed = "no such combination for this input; see the table in convgpu/types.hpp";
  else allowed = "for this input, filter -> out: " + allowed;
  fail("types",
       "in " + std::string(convgpu::to_string(t.in)) + ", filter " +
           std::string(convgpu::to_string(t.filter)) + ", out " +
           std::string(convgpu::to_string(t.out)),
       allowed);
}

/// a·b and a+b for non-negative numbers; false where the result does not fit.
bool multiply(std::int64_t& a, std::int64_t b) noexcept {
  return !__builtin_mul_overflow(a, b, &a);
}
bool add(std::int64_t& a, std::int64_t b) noexcept {
  return !__builtin_add_overflow(a, b, &a);
}

/// Checks that neither input, filter reach nor full result outgrow what 64-bit arithmetic can address.
/// Everything after this can add and multiply freely.
void check_addressable(const problem& p) {
  const auto check_axis = [](const char* part, std::int64_t in, std::int64_t taps,
                             std::int64_t dilation, std::int64_t before, std::int64_t after) {
    // Twice over, so that starts, origins and ends of x̃ have room as well.
    const auto fits = [](std::int64_t total) { return multiply(total, 4); };
    std::int64_t total = taps - 1;
    if (!multiply(total, dilation) || !add(total, in) || !fits(total))
      fail(std::string("filter.") + part,
           to_string(taps) + " taps at dilation " + to_string(dilation),
           "a reach that fits in 61 bits together with the input's " + to_string(in));
    if (!add(total, before) || !add(total, after) || !fits(total))
      fail(std::string("padding of ") + part, to_string(before) + " and " + to_string(after),
           "what fits in 61 bits together with the input's " + to_string(in) +
               " and the filter's reach");
  };
  check_axis("rows", p.in.rows, p.filter.rows, p.dilation.rows, p.padding.top, p.padding.bottom);
  check_axis("cols", p.in.cols, p.filter.cols, p.dilation.cols, p.padding.left, p.padding.right);

  const auto check_bytes = [](const char* name, extent e, std::int64_t planes,
                              std::int64_t channels, dtype type) {
    std::int64_t bytes = e.rows;
    if (!multiply(bytes, e.cols) || !multiply(bytes, planes) || !multiply(bytes, channels) ||
        !multiply(bytes, static_cast<std::int64_t>(size_of(type))))
      fail(name, shape_text(e, planes, channels) + " of " + std::string(convgpu::to_string(type)),
           "at most 2^63 - 1 bytes in all");
  };
  check_bytes("in", p.in, p.planes, p.channels, p.types.in);
  check_bytes("filter", p.filter, p.filters, p.channels / p.groups, dtype::cf64);
  const axis rows = make_axis(p.in.rows, p.filter.rows, mode::full, 0, 1, p.dilation.rows);
  const axis cols = make_axis(p.in.cols, p.filter.cols, mode::full, 0, 1, p.dilation.cols);
  check_bytes("out",
              {std::max(rows.out, p.in.rows + p.padding.top + p.padding.bottom),
               std::max(cols.out, p.in.cols + p.padding.left + p.padding.right)},
              p.planes, p.filters, p.types.out);
}

void check_channels(const problem& p) {
  for (const auto& [name, value] :
       {std::pair("planes", p.planes), std::pair("channels", p.channels),
        std::pair("filters", p.filters), std::pair("groups", p.groups)})
    if (value < 1) fail(name, to_string(value), "1 or more");
  if (p.channels % p.groups != 0 || p.filters % p.groups != 0)
    fail("groups", to_string(p.groups),
         "a divisor of both the " + to_string(p.channels) + " channels and the " +
             to_string(p.filters) + " filters");
}

void check_padding(const problem& p) {
  const auto [top, bottom, left, right] = p.padding;
  for (const auto& [name, value] :
       {std::pair("padding.top", top), std::pair("padding.bottom", bottom),
        std::pair("padding.left", left), std::pair("padding.right", right)}) {
    if (value < 0) fail(name, to_string(value), "0 or more");
    if (value > 0 && p.mode != mode::valid)
      fail(name, to_string(value),
           "0 with mode " + std::string(to_string(p.mode)) + "; only valid has a padding");
  }
}

void check_mode(const problem& p, const char* part, std::int64_t in, std::int64_t taps,
                std::int64_t dilation, std::int64_t origin, std::int64_t padding) {
  const std::int64_t reach = (taps - 1) * dilation + 1;
  if (p.mode == mode::valid && reach > in + padding)
    fail(std::string("filter.") + part,
         to_string(taps) + (dilation == 1 ? "" : " at dilation " + to_string(dilation)),
         "with mode valid, a reach of at most the input's " + to_string(in) +
             (padding == 0 ? "" : " and the padding's " + to_string(padding)));
  if (p.mode != mode::same && origin != 0)
    fail(std::string("origin.") + part, to_string(origin),
         "0 with mode " + std::string(to_string(p.mode)) + "; only same has an origin");
  if (origin < -((reach - 1) / 2) || origin > reach / 2)
    fail(std::string("origin.") + part, to_string(origin),
         to_string(-((reach - 1) / 2)) + " to " + to_string(reach / 2) +
             " for a filter that reaches over " + to_string(reach));
}

/// The largest and smallest value of an integer input type, both exact as doubles.
std::pair<double, double> integer_limits(dtype type) noexcept {
  switch (type) {
    case dtype::u8: return {0, 255};
    case dtype::i8: return {-128, 127};
    case dtype::u16: return {0, 65535};
    case dtype::i16: return {-32768, 32767};
    default: return {-2147483648.0, 2147483647.0};
  }
}

double round_to(dtype type, double value) noexcept {
  switch (type) {
    case dtype::f16: return static_cast<double>(static_cast<float>(f16(static_cast<float>(value))));
    case dtype::bf16:
      return static_cast<double>(static_cast<float>(bf16(static_cast<float>(value))));
    case dtype::f32:
    case dtype::cf32: return static_cast<double>(static_cast<float>(value));
    default: return value;
  }
}

/// The border with its value as the input's type has it.
border checked_border(const border& b, dtype in) {
  if (b.kind() != border_kind::constant) return b;
  const double re = b.value().real();
  const double im = b.value().imag();
  const std::string text =
      to_text(re) + (im == 0 ? "" : (im < 0 ? " - " : " + ") + to_text(std::abs(im)) + "i");
  const std::string type(convgpu::to_string(in));
  if (!is_complex(in) && im != 0)
    fail("border value", text, "a real number for an input of " + type);
  if (is_integer(in)) {
    const auto [low, high] = integer_limits(in);
    if (!(re >= low && re <= high && re == std::floor(re)))
      fail("border value", text,
           "for an input of " + type + ", a whole number from " + to_text(low) + " to " +
               to_text(high));
    return b;
  }
  const auto rounded = std::complex<double>(round_to(in, re), round_to(in, im));
  if ((std::isfinite(re) && !std::isfinite(rounded.real())) ||
      (std::isfinite(im) && !std::isfinite(rounded.imag())))
    fail("border value", text, "what fits into " + type);
  return border::constant(rounded);
}

}  // namespace

std::string to_text(extent e) {
  return to_string(e.rows) + " x " + to_string(e.cols);
}

std::string shape_text(extent e, std::int64_t planes, std::int64_t channels) {
  return to_text(e) + (channels == 1 ? "" : " x " + to_string(channels) + " channels") +
         (planes == 1 ? "" : " x " + to_string(planes) + " planes");
}

std::string to_text(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

/// Enumerators can come from casts.
template <class T, std::size_t N>
void check_enumerator(const named<T> (&table)[N], T value, const char* argument) {
  if (name_of(table, value) == "?")
    fail(argument, std::to_string(static_cast<int>(value)),
         list_of(table, [](const auto& row) { return row.name; }));
}

normal_form normalise(const problem& p) {
  check_types(p.types);
  check_enumerator(operation_names, p.op, "op");
  check_enumerator(mode_names, p.mode, "mode");
  check_enumerator(border_names, p.border.kind(), "border");
  check_enumerator(overflow_names, p.overflow, "overflow");
  check_enumerator(layout_names, p.layout, "layout");
  check_channels(p);
  check_positive("in", p.in);
  check_positive("filter", p.filter);
  check_positive("stride", p.stride);
  check_positive("dilation", p.dilation);
  check_padding(p);
  check_addressable(p);
  check_mode(p, "rows", p.in.rows, p.filter.rows, p.dilation.rows, p.origin.rows,
             p.padding.top + p.padding.bottom);
  check_mode(p, "cols", p.in.cols, p.filter.cols, p.dilation.cols, p.origin.cols,
             p.padding.left + p.padding.right);

  return {.row = make_axis(p.in.rows, p.filter.rows, p.mode, p.origin.rows, p.stride.rows,
                           p.dilation.rows, p.padding.top, p.padding.bottom),
          .col = make_axis(p.in.cols, p.filter.cols, p.mode, p.origin.cols, p.stride.cols,
                           p.dilation.cols, p.padding.left, p.padding.right),
          .planes = p.planes,
          .groups = p.groups,
          .channels = p.channels / p.groups,
          .filters = p.filters / p.groups,
          .types = p.types,
          .border = checked_border(p.border, p.types.in),
          .overflow = p.overflow,
          .in_apart = p.layout == layout::channels_last && p.channels > 1,
          .out_apart = p.layout == layout::channels_last && p.filters > 1};
}

}  // namespace detail

void validate(const problem& p) {
  (void)detail::normalise(p);
}

extent output_extent(const problem& p) {
  const detail::normal_form form = detail::normalise(p);
  return {form.row.out, form.col.out};
}

}  // namespace convgpu
