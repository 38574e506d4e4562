// SPDX-License-Identifier: Apache-2.0
// Element types: their names, the two 16-bit floats, and the table of type triples (in, filter, out).
#pragma once

#include <bit>
#include <complex>
#include <concepts>
#include <convgpu/detail/export.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace convgpu {

/// The type of an element. `deduced` stands for "as the argument at hand has it" and is allowed only
/// in a `problem`, before it meets its filter.
enum class dtype : std::uint8_t {
  deduced,
  u8,
  i8,
  u16,
  i16,
  i32,
  i64,   ///< as output only: the wide type of 16- and 32-bit integers
  f16,   ///< IEEE 754 binary16: storage, sums are f32
  bf16,  ///< bfloat16, the upper half of an f32: storage, sums are f32
  f32,
  f64,
  cf32,  ///< complex of f32
  cf64,  ///< complex of f64
};

/// "u8", "f32", "cf64" …; "deduced" for `dtype::deduced`.
[[nodiscard]] CONVGPU_API std::string_view to_string(dtype type) noexcept;

/// The type of that name.
/// \throws invalid_problem for any other name; the message lists those allowed.
[[nodiscard]] CONVGPU_API dtype parse_dtype(std::string_view name);

namespace detail {

/// Rounds a float to fewer exponent and mantissa bits, half to even; keeps NaN a NaN.
constexpr std::uint16_t f16_bits(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  // 65520 is half way between the largest finite value and the next power of two.
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  std::uint32_t result = 0;
  std::uint32_t rest = 0;  // what was cut off, scaled so that `half` is one half
  std::uint32_t half = 0;
  if (magnitude >= 0x38800000u) {  // normal: rebias the exponent from 127 to 15
    result = (magnitude - 0x38000000u) >> 13;
    rest = magnitude & 0x1fffu;
    half = 0x1000u;
  } else if (magnitude >= 0x33000000u) {  // subnormal, down to half of the smallest one
    const std::uint32_t shift = 126 - (magnitude >> 23);
    const std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    result = mantissa >> shift;
    rest = mantissa & ((1u << shift) - 1);
    half = 1u << (shift - 1);
  }
  if (rest > half || (rest == half && half != 0 && (result & 1u) != 0)) ++result;
  return static_cast<std::uint16_t>(sign | result);
}

constexpr float f16_value(std::uint16_t bits) noexcept {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1fu) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // zero or subnormal: exact
  return sign != 0 ? -magnitude : magnitude;
}

constexpr std::uint16_t bf16_bits(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

constexpr float bf16_value(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace detail

/// IEEE 754 binary16 as storage: the layout of `__half` and `_Float16`. Converts to and from float,
/// rounding half to even; sums are never made in it.
struct f16 {
  std::uint16_t bits = 0;

  constexpr f16() noexcept = default;
  explicit constexpr f16(float value) noexcept : bits(detail::f16_bits(value)) {}
  explicit constexpr operator float() const noexcept { return detail::f16_value(bits); }
};

/// bfloat16 as storage: the layout of `__nv_bfloat16`. Converts like `f16`.
struct bf16 {
  std::uint16_t bits = 0;

  constexpr bf16() noexcept = default;
  explicit constexpr bf16(float value) noexcept : bits(detail::bf16_bits(value)) {}
  explicit constexpr operator float() const noexcept { return detail::bf16_value(bits); }
};

namespace detail {

template <class T>
consteval dtype dtype_of_impl() noexcept {
  if constexpr (std::same_as<T, std::uint8_t>) return dtype::u8;
  else if constexpr (std::same_as<T, std::int8_t>) return dtype::i8;
  else if constexpr (std::same_as<T, std::uint16_t>) return dtype::u16;
  else if constexpr (std::same_as<T, std::int16_t>) return dtype::i16;
  else if constexpr (std::same_as<T, std::int32_t>) return dtype::i32;
  else if constexpr (std::signed_integral<T> && sizeof(T) == 8)
    return dtype::i64;  // long or long long
  else if constexpr (std::same_as<T, f16>) return dtype::f16;
  else if constexpr (std::same_as<T, bf16>) return dtype::bf16;
  else if constexpr (std::same_as<T, float>) return dtype::f32;
  else if constexpr (std::same_as<T, double>) return dtype::f64;
  else if constexpr (std::same_as<T, std::complex<float>>) return dtype::cf32;
  else if constexpr (std::same_as<T, std::complex<double>>) return dtype::cf64;
  else return dtype::deduced;
}

}  // namespace detail

/// The `dtype` of a C++ type, `dtype::deduced` where there is none.
template <class T>
inline constexpr dtype dtype_of = detail::dtype_of_impl<std::remove_cv_t<T>>();

/// A type that views can hold, const or not.
template <class T>
concept element = dtype_of<T>
!= dtype::deduced;

/// Bytes of one element; 0 for `dtype::deduced`.
[[nodiscard]] constexpr std::size_t size_of(dtype type) noexcept {
  switch (type) {
    case dtype::u8:
    case dtype::i8: return 1;
    case dtype::u16:
    case dtype::i16:
    case dtype::f16:
    case dtype::bf16: return 2;
    case dtype::i32:
    case dtype::f32: return 4;
    case dtype::i64:
    case dtype::f64:
    case dtype::cf32: return 8;
    case dtype::cf64: return 16;
    case dtype::deduced: break;
  }
  return 0;
}

/// True for u8 … i64.
[[nodiscard]] constexpr bool is_integer(dtype type) noexcept {
  return type >= dtype::u8 && type <= dtype::i64;
}

/// True for cf32 and cf64.
[[nodiscard]] constexpr bool is_complex(dtype type) noexcept {
  return type == dtype::cf32 || type == dtype::cf64;
}

/// The types of a problem: input, filter and output.
struct types {
  dtype in = dtype::deduced;
  dtype filter = dtype::deduced;
  dtype out = dtype::deduced;

  friend constexpr bool operator==(const types&, const types&) noexcept = default;
};

/// What comes out where nobody says otherwise: the input's type, made complex by a complex filter.
[[nodiscard]] constexpr dtype default_out(dtype in, dtype filter) noexcept {
  if (in == dtype::f32 && filter == dtype::cf32) return dtype::cf32;
  if (in == dtype::f64 && filter == dtype::cf64) return dtype::cf64;
  return in;
}

/// The type that holds sums of an integer input without loss in practice: i32 for 8 bits, i64 above.
[[nodiscard]] constexpr dtype wide_integer(dtype in) noexcept {
  return size_of(in) == 1 ? dtype::i32 : dtype::i64;
}

/// The one table of type triples:
///
/// | in                      | filter                             | out                              |
/// |-------------------------|------------------------------------|----------------------------------|
/// | f32, f64, cf32, cf64    | the same                           | the same                         |
/// | f32, f64                | complex of the same width          | complex of the same width        |
/// | cf32, cf64              | real of the same width             | the same as in                   |
/// | f16, bf16               | the same, or f32                   | the same as in, or f32           |
/// | u8, i8, u16, i16, i32   | any of these five, or f32, f64     | the same as in, wide, f32 or f64 |
[[nodiscard]] constexpr bool is_supported(types t) noexcept {
  switch (t.in) {
    case dtype::u8:
    case dtype::i8:
    case dtype::u16:
    case dtype::i16:
    case dtype::i32: {
      const bool taps = (is_integer(t.filter) && t.filter != dtype::i64) ||
                        t.filter == dtype::f32 || t.filter == dtype::f64;
      const bool result = t.out == t.in || t.out == wide_integer(t.in) || t.out == dtype::f32 ||
                          t.out == dtype::f64;
      return taps && result;
    }
    case dtype::f16:
    case dtype::bf16:
      return (t.filter == t.in || t.filter == dtype::f32) && (t.out == t.in || t.out == dtype::f32);
    case dtype::f32:
      return (t.filter == dtype::f32 || t.filter == dtype::cf32) && t.out == t.filter;
    case dtype::f64:
      return (t.filter == dtype::f64 || t.filter == dtype::cf64) && t.out == t.filter;
    case dtype::cf32: return (t.filter == dtype::f32 || t.filter == dtype::cf32) && t.out == t.in;
    case dtype::cf64: return (t.filter == dtype::f64 || t.filter == dtype::cf64) && t.out == t.in;
    case dtype::i64:
    case dtype::deduced: break;
  }
  return false;
}

}  // namespace convgpu
