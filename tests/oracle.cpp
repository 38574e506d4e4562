// SPDX-License-Identifier: Apache-2.0

#include "oracle.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <type_traits>

namespace convgpu::test {
namespace {

number element(const any_const_view& v, std::int64_t plane, std::int64_t channel, std::int64_t row,
               std::int64_t col) {
  const strides step = v.step();
  const std::int64_t at =
      plane * step.plane + channel * step.channel + row * step.row + col * step.col;
  return load(v.type(), static_cast<const std::byte*>(v.data()) +
                            at * static_cast<std::int64_t>(size_of(v.type())));
}

template <class Number>
Number narrowed(const number& value) {
  if constexpr (std::is_same_v<Number, number>) return value;
  else return static_cast<Number>(value.real());
}

real magnitude(int128 value) {
  return std::fabs(static_cast<real>(value));
}
real magnitude(const number& value) {
  return std::abs(value);
}
real magnitude(real value) {
  return std::fabs(value);
}

/// A tap that is not zero, and which sample it meets, counted from the window's first one.
template <class Number>
struct tap {
  Number value;
  real size;
  std::int64_t sample;
};

/// `width`: samples in a row of the padded input; `area`: in a channel of it.
template <class Number>
std::vector<tap<Number>> taps_of(const problem& p, const any_const_view& filter, std::int64_t f,
                                 std::int64_t width, std::int64_t area) {
  std::vector<tap<Number>> taps;
  for_each_element(p.filter, p.channels / p.groups, [&](auto channel, auto r, auto c) {
    number value = element(filter, f, channel, r, c);
    if (value == number{}) return;
    // A correlation lays the filter into the window as it is, a convolution back to front.
    std::int64_t row = r;
    std::int64_t col = c;
    if (p.op == operation::convolution) {
      row = p.filter.rows - 1 - r;
      col = p.filter.cols - 1 - c;
    } else if (p.conjugate) {
      value = {value.real(), -value.imag()};
    }
    taps.push_back({narrowed<Number>(value), std::abs(value),
                    channel * area + row * p.dilation.rows * width + col * p.dilation.cols});
  });
  return taps;
}

template <class Number>
void slide(const problem& p, const any_const_view& in, const any_const_view& filter,
           const windows& rows, const windows& cols, answer& result) {
  // No first window begins inside the input, but a last one may end there; with a stride, beyond the padding of
  // neither side.
  const auto padded_axis = [&](const windows& w, std::int64_t n) {
    return extended(p.border.kind(), n, -w.begins.front(),
                    std::max<std::int64_t>(0, w.begins.back() + w.reach - n));
  };
  const auto padded_rows = padded_axis(rows, p.in.rows);
  const auto padded_cols = padded_axis(cols, p.in.cols);
  const auto width = static_cast<std::int64_t>(padded_cols.size());
  const auto area = static_cast<std::int64_t>(padded_rows.size()) * width;
  const std::int64_t group_channels = p.channels / p.groups;
  const std::int64_t group_filters = p.filters / p.groups;

  const std::complex<double> given = p.border.value();
  number outside(given.real(), given.imag());
  if (!is_integer(p.types.in)) outside = rounded(p.types.in, outside);

  for_each_element({p.planes, p.filters}, 1, [&](auto, std::int64_t plane, std::int64_t f) {
    const auto taps = taps_of<Number>(p, filter, f, width, area);
    result.products = std::max(result.products, static_cast<std::int64_t>(taps.size()));
    std::vector<Number> padded;
    for (std::int64_t n = 0; n < group_channels; ++n)
      for (const std::int64_t r : padded_rows)
        for (const std::int64_t c : padded_cols)
          padded.push_back(narrowed<Number>(
              r < 0 || c < 0 ? outside
                             : element(in, plane, f / group_filters * group_channels + n, r, c)));
    std::vector<real> sizes;
    for (const Number& x : padded) sizes.push_back(magnitude(x));
    real norm = 0;
    for (const tap<Number>& h : taps) norm += h.size;
    for (const real size : sizes)
      if (std::isfinite(size)) result.largest = std::max(result.largest, norm * size);

    for (const std::int64_t top : rows.begins)
      for (const std::int64_t left : cols.begins) {
        const std::int64_t corner =
            (top - rows.begins.front()) * width + left - cols.begins.front();
        Number sum{};
        real size = 0;
        for (const tap<Number>& h : taps) {
          const auto at = static_cast<std::size_t>(corner + h.sample);
          sum += h.value * padded[at];
          if constexpr (!std::is_same_v<Number, int128>) size += h.size * sizes[at];
        }
        if constexpr (std::is_same_v<Number, int128>) {
          result.integers.push_back(sum);
          result.sums.emplace_back(static_cast<real>(sum));
        } else {
          result.sums.emplace_back(sum);
        }
        result.magnitudes.push_back(size);
      }
  });
}

int128 modulo(int128 value, int128 modulus) {
  return (value % modulus + modulus) % modulus;
}

/// Whether `got` is what an integer from `low` to `high` becomes in the output's type.
bool in_type(dtype type, overflow policy, int128 got, int128 low, int128 high) {
  const integer_range range = range_of(type);
  if (policy == overflow::saturate)
    return got >= std::clamp<int128>(low, range.low, range.high) &&
           got <= std::clamp<int128>(high, range.low, range.high);
  return modulo(got - low, int128{1} << (8 * size_of(type))) <= high - low;
}

/// What a sum in floating point may be off by: one rounding for each product and each addition that
/// it goes through, the two within a complex product included.
real error_bound(const problem& p, std::int64_t products, real magnitude) {
  const real u = unit_roundoff(p.types);
  const real underflow = half_ulp(u > 0x1p-30L ? dtype::f32 : dtype::f64, 0);
  const auto count = static_cast<real>(products);
  return (count + 2) * u * magnitude + 2 * count * underflow;
}

bool close(dtype out, real expected, real got, real bound) {
  if (std::isfinite(got) && std::fabs(got - expected) <= bound) return true;
  return got == rounded(out, expected);
}

}  // namespace

std::vector<std::int64_t> extended(border_kind kind, std::int64_t n, std::int64_t before,
                                   std::int64_t after) {
  // The walk of one who leaves the edge sample `at` in a direction, and turns round at the ends.
  const auto walk = [&](std::int64_t at, std::int64_t direction, std::int64_t count) {
    std::vector<std::int64_t> path;
    const auto at_the_end = [&] { return at + direction < 0 || at + direction == n; };
    for (std::int64_t i = 0; i < count; ++i) {
      switch (kind) {
        case border_kind::zero:
        case border_kind::constant: at = -1; break;
        case border_kind::replicate: break;
        case border_kind::wrap:
          at = at_the_end() ? (direction > 0 ? 0 : n - 1) : at + direction;
          break;
        case border_kind::symmetric:  // stands still for a step where it turns
          if (at_the_end()) direction = -direction;
          else at += direction;
          break;
        case border_kind::mirror:
          if (at_the_end()) direction = -direction;
          if (n > 1) at += direction;
          break;
      }
      path.push_back(at);
    }
    return path;
  };
  std::vector<std::int64_t> all = walk(0, -1, before);
  std::reverse(all.begin(), all.end());
  for (std::int64_t i = 0; i < n; ++i) all.push_back(i);
  const std::vector<std::int64_t> right = walk(n - 1, 1, after);
  all.insert(all.end(), right.begin(), right.end());
  return all;
}

windows windows_of(std::int64_t in, std::int64_t taps, mode m, std::int64_t origin,
                   std::int64_t stride, std::int64_t dilation, std::int64_t before,
                   std::int64_t after) {
  windows w;
  for (std::int64_t k = 1; k < taps; ++k) w.reach += dilation;
  std::int64_t first = 0;
  std::int64_t last = 0;  // the begin of the last window at stride 1
  switch (m) {
    case mode::full:  // every window with at least one sample in it
      first = -(w.reach - 1);
      last = in - 1;
      break;
    case mode::
        same:  // one over each sample; an even window has one sample more before it than behind
      first = -(w.reach / 2) + origin;
      last = first + in - 1;
      break;
    case mode::valid:  // every window that lies inside, or in the padding
      first = -before;
      last = in + after - w.reach;
      break;
  }
  for (std::int64_t begin = first; begin <= last; begin += stride) w.begins.push_back(begin);
  return w;
}

answer solve(const problem& p, const any_const_view& in, const any_const_view& filter) {
  const windows rows = windows_of(p.in.rows, p.filter.rows, p.mode, p.origin.rows, p.stride.rows,
                                  p.dilation.rows, p.padding.top, p.padding.bottom);
  const windows cols = windows_of(p.in.cols, p.filter.cols, p.mode, p.origin.cols, p.stride.cols,
                                  p.dilation.cols, p.padding.left, p.padding.right);
  answer result;
  result.size = extent(rows.begins.size(), cols.begins.size());
  if (is_integer(p.types.filter)) slide<int128>(p, in, filter, rows, cols, result);
  else if (is_complex(p.types.out)) slide<number>(p, in, filter, rows, cols, result);
  else slide<real>(p, in, filter, rows, cols, result);
  return result;
}

real unit_roundoff(const types& t) {
  switch (t.in) {
    case dtype::f16:
    case dtype::bf16:
    case dtype::f32:
    case dtype::cf32: return 0x1p-24L;
    default: return 0x1p-53L;
  }
}

std::string difference(const problem& p, const answer& expected, const any_const_view& out,
                       bool exact, real tolerance) {
  const dtype type = p.types.out;
  const bool integer_sums = !expected.integers.empty();
  // Rounding once more, to a type narrower than that of the sums.
  const bool narrow =
      !is_integer(type) && std::ldexp(real{1}, -format_of(type).precision) > unit_roundoff(p.types);
  std::ostringstream text;
  std::size_t index = 0;
  int wrong = 0;
  for_each_element(expected.size, p.planes * p.filters, [&](auto image, auto row, auto col) {
    const std::size_t i = index++;
    const std::int64_t plane = image / p.filters;
    const std::int64_t channel = image % p.filters;
    const number sum = expected.sums[i];
    const number got = element(out, plane, channel, row, col);
    const real bound = exact || integer_sums
                           ? 0
                           : std::max(error_bound(p, expected.products, expected.magnitudes[i]),
                                      tolerance * expected.largest);
    bool right = false;
    if (integer_sums && is_integer(type)) {
      const int128 exactly = expected.integers[i];
      right = in_type(type, p.overflow, static_cast<int128>(got.real()), exactly, exactly);
    } else if (integer_sums) {
      // Not by way of long double, which would round a first time.
      right = type == dtype::f32 ? got.real() == static_cast<float>(expected.integers[i])
                                 : got.real() == static_cast<double>(expected.integers[i]);
    } else if (is_integer(type)) {
      right = in_type(type, p.overflow, static_cast<int128>(got.real()),
                      static_cast<int128>(std::nearbyint(sum.real() - bound)),
                      static_cast<int128>(std::nearbyint(sum.real() + bound)));
    } else if (!std::isfinite(sum.real()) || !std::isfinite(sum.imag())) {
      right = !std::isfinite(got.real()) || !std::isfinite(got.imag());
    } else {
      const auto allowed = [&](real part) {
        return exact || !narrow ? bound : bound + half_ulp(type, part);
      };
      right = close(type, sum.real(), got.real(), allowed(sum.real())) &&
              close(type, sum.imag(), got.imag(), allowed(sum.imag()));
    }
    if (right || ++wrong > 3) return;
    text.precision(20);
    text << "plane " << plane << ", channel " << channel << ", row " << row << ", column " << col
         << ": " << got << ", expected " << sum << " +- " << bound << '\n';
  });
  if (wrong != 0) text << wrong << " of " << index << " outputs are wrong\n";
  return text.str();
}

}  // namespace convgpu::test
