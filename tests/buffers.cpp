// SPDX-License-Identifier: Apache-2.0

#include "buffers.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ostream>
#include <stdexcept>

namespace convgpu::test {
namespace {

template <class T>
T read(const void* element) {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

template <class T>
void write(void* element, T value) {
  std::memcpy(element, &value, sizeof value);
}

/// The exponent a finite value is stored with: 2^exponent <= |value|, but for the smallest ones.
int stored_exponent(const float_format& f, real value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  return value == 0 ? f.min_exponent : std::max(exponent - 1, f.min_exponent);
}

/// The 16 bits of a value that `type` has: sign, exponent and what comes after the leading one.
std::uint16_t encode(dtype type, real value) {
  const float_format f = format_of(type);
  const int fraction = f.precision - 1;
  const int sign = std::signbit(value) ? 0x8000 : 0;
  const int infinity = (0x7fff >> fraction) << fraction;
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | infinity | 1 << (fraction - 1));
  if (std::isinf(value)) return static_cast<std::uint16_t>(sign | infinity);
  // Subnormals count in units of the smallest one; the normal numbers go on from there in steps of
  // one.
  const int exponent = stored_exponent(f, value);
  const auto units = static_cast<int>(std::ldexp(std::fabs(value), fraction - exponent));
  return static_cast<std::uint16_t>(sign | (((exponent - f.min_exponent) << fraction) + units));
}

real decode(dtype type, std::uint16_t bits) {
  const float_format f = format_of(type);
  const int fraction = f.precision - 1;
  const int biased = (bits & 0x7fff) >> fraction;
  const int rest = bits & ((1 << fraction) - 1);
  const real sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (biased == 0x7fff >> fraction)
    return rest != 0 ? std::numeric_limits<real>::quiet_NaN()
                     : sign * std::numeric_limits<real>::infinity();
  const int units = biased == 0 ? rest : rest + (1 << fraction);
  return sign *
         std::ldexp(static_cast<real>(units), std::max(biased - 1, 0) + f.min_exponent - fraction);
}

strides steps_of(extent size, std::int64_t planes, layout how) {
  const auto [rows, cols] = size;
  switch (how) {
    case layout::dense: return dense(size);
    case layout::padded: return {.row = cols + 3, .col = 1, .plane = rows * (cols + 3) + 5};
    case layout::reversed: return {.row = -(cols + 1), .col = -1, .plane = -rows * (cols + 1)};
    case layout::interleaved: return interleaved(size, planes + 1);
    case layout::transposed: return {.row = 1, .col = rows, .plane = rows * cols};
    case layout::repeated: return {.row = 0, .col = 1, .plane = 0};
  }
  return {};
}

}  // namespace

float_format format_of(dtype type) {
  switch (type) {
    case dtype::f16: return {11, -14, 16};
    case dtype::bf16: return {8, -126, 128};
    case dtype::f32:
    case dtype::cf32: return {24, -126, 128};
    case dtype::f64:
    case dtype::cf64: return {53, -1022, 1024};
    default: throw std::logic_error("not a floating type");
  }
}

real half_ulp(dtype type, real value) {
  const float_format f = format_of(type);
  return std::ldexp(real{1}, stored_exponent(f, value) - f.precision);
}

real rounded(dtype type, real value) {
  if (!std::isfinite(value)) return value;
  switch (type) {  // what the processor has, it rounds itself
    case dtype::f32:
    case dtype::cf32: return static_cast<float>(value);
    case dtype::f64:
    case dtype::cf64: return static_cast<double>(value);
    default: break;
  }
  const real unit = 2 * half_ulp(type, value);
  const real result = std::nearbyint(value / unit) * unit;
  if (std::fabs(result) < std::ldexp(real{1}, format_of(type).end_exponent)) return result;
  return std::copysign(std::numeric_limits<real>::infinity(), value);
}

number rounded(dtype type, number value) {
  return {rounded(type, value.real()), rounded(type, value.imag())};
}

integer_range range_of(dtype type) {
  const int bits = static_cast<int>(8 * size_of(type));
  if (type == dtype::u8 || type == dtype::u16) return {0, (std::int64_t{1} << bits) - 1};
  const std::int64_t half = std::int64_t{1} << (bits - 2);  // 2^(bits−1) need not fit
  return {-half - half, half - 1 + half};
}

number load(dtype type, const void* element) {
  switch (type) {
    case dtype::u8: return static_cast<real>(read<std::uint8_t>(element));
    case dtype::i8: return static_cast<real>(read<std::int8_t>(element));
    case dtype::u16: return static_cast<real>(read<std::uint16_t>(element));
    case dtype::i16: return static_cast<real>(read<std::int16_t>(element));
    case dtype::i32: return static_cast<real>(read<std::int32_t>(element));
    case dtype::i64: return static_cast<real>(read<std::int64_t>(element));
    case dtype::f16:
    case dtype::bf16: return decode(type, read<std::uint16_t>(element));
    case dtype::f32: return static_cast<real>(read<float>(element));
    case dtype::f64: return static_cast<real>(read<double>(element));
    case dtype::cf32: return number(read<std::complex<float>>(element));
    case dtype::cf64: return number(read<std::complex<double>>(element));
    case dtype::deduced: break;
  }
  throw std::logic_error("load: no such type");
}

void store(dtype type, void* element, number value) {
  if (is_integer(type)) {
    const auto [low, high] = range_of(type);
    const auto integer = static_cast<std::int64_t>(value.real());
    if (value != number(static_cast<real>(integer)) || integer < low || integer > high)
      throw std::logic_error("store: not a value of " + std::string(to_string(type)));
    // Little-endian or not, the narrow types are written as what they are.
    switch (size_of(type)) {
      case 1: return write(element, static_cast<std::uint8_t>(integer));
      case 2: return write(element, static_cast<std::uint16_t>(integer));
      case 4: return write(element, static_cast<std::uint32_t>(integer));
      default: return write(element, integer);
    }
  }
  if (!is_complex(type) && value.imag() != 0) throw std::logic_error("store: not a real number");
  const auto [re, im] = std::pair(rounded(type, value.real()), rounded(type, value.imag()));
  switch (type) {
    case dtype::f16:
    case dtype::bf16: return write(element, encode(type, re));
    case dtype::f32: return write(element, static_cast<float>(re));
    case dtype::f64: return write(element, static_cast<double>(re));
    case dtype::cf32:
      return write(element, std::complex(static_cast<float>(re), static_cast<float>(im)));
    default: return write(element, std::complex(static_cast<double>(re), static_cast<double>(im)));
  }
}

std::ostream& operator<<(std::ostream& to, layout how) {
  constexpr const char* names[] = {"dense",       "padded",     "reversed",
                                   "interleaved", "transposed", "repeated"};
  return to << names[static_cast<int>(how)];
}

buffer::buffer(dtype type, extent size, std::int64_t planes, layout how, std::int64_t guard,
               std::int64_t channels)
    : type_(type),
      size_(size),
      planes_(planes * channels),
      channels_(channels),
      step_(steps_of(size, planes * channels, how)) {
  const auto width = static_cast<std::int64_t>(size_of(type));
  std::int64_t low = 0;
  std::int64_t high = 0;
  for (const auto& [step, count] :
       {std::pair(step_.row, size.rows), std::pair(step_.col, size.cols),
        std::pair(step_.plane, planes_)})
    (step < 0 ? low : high) += step * (count - 1);
  first_ = static_cast<std::size_t>((guard - low) * width);
  bytes_.assign(static_cast<std::size_t>((high - low + 1 + 2 * guard) * width),
                is_integer(type) ? std::byte{0xa5} : std::byte{0xff});
}

buffer::buffer(dtype type, extent size, std::initializer_list<real> values) : buffer(type, size) {
  if (static_cast<std::int64_t>(values.size()) != size.count())
    throw std::logic_error("buffer: values for another size");
  const real* next = values.begin();
  for_each_element(size, 1, [&](auto p, auto r, auto c) { set(p, r, c, *next++); });
}

strides buffer::steps() const noexcept {
  return {
      .row = step_.row, .col = step_.col, .plane = step_.plane * channels_, .channel = step_.plane};
}

any_const_view buffer::view() const noexcept {
  return {bytes_.data() + first_, type_, size_, planes_ / channels_, channels_, steps()};
}

any_view buffer::view() noexcept {
  return {bytes_.data() + first_, type_, size_, planes_ / channels_, channels_, steps()};
}

std::size_t buffer::offset(std::int64_t plane, std::int64_t row, std::int64_t col) const {
  const std::int64_t elements = plane * step_.plane + row * step_.row + col * step_.col;
  return first_ + static_cast<std::size_t>(elements * static_cast<std::int64_t>(size_of(type_)));
}

number buffer::get(std::int64_t plane, std::int64_t row, std::int64_t col) const {
  return load(type_, bytes_.data() + offset(plane, row, col));
}

void buffer::set(std::int64_t plane, std::int64_t row, std::int64_t col, number value) {
  store(type_, bytes_.data() + offset(plane, row, col), value);
}

std::vector<number> buffer::values() const {
  std::vector<number> all;
  all.reserve(static_cast<std::size_t>(size_.count() * planes_));
  for_each_element(size_, planes_, [&](auto p, auto r, auto c) { all.push_back(get(p, r, c)); });
  return all;
}

std::string buffer::damage() const {
  std::vector<bool> element(bytes_.size());
  for_each_element(size_, planes_, [&](auto p, auto r, auto c) {
    const std::size_t begin = offset(p, r, c);
    for (std::size_t b = begin; b < begin + size_of(type_); ++b) element[b] = true;
  });
  const std::byte untouched = is_integer(type_) ? std::byte{0xa5} : std::byte{0xff};
  for (std::size_t b = 0; b < bytes_.size(); ++b)
    if (!element[b] && bytes_[b] != untouched)
      return "byte " + std::to_string(b) + " of " + std::to_string(bytes_.size()) +
             " is written and belongs to no element (the first one is at " +
             std::to_string(first_) + ")";
  return {};
}

}  // namespace convgpu::test
