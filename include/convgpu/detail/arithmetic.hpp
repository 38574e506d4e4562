// SPDX-License-Identifier: Apache-2.0
// Numbers: from stored elements to those one computes with, and from sums to what is stored.
#pragma once

#include <bit>
#include <cmath>
#include <complex>
#include <convgpu/detail/border_index.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/types.hpp>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace convgpu::detail {

__extension__ using int128 = __int128;

template <class T>
inline constexpr bool is_complex_type = false;
template <class T>
inline constexpr bool is_complex_type<std::complex<T>> = true;

template <class T>
inline constexpr bool is_integer_type = std::is_integral_v<T> || std::is_same_v<T, int128>;

/// A stored element, or a tap, as a number of a type that holds it.
template <class To, class From>
CONVGPU_HOST_DEVICE To number(From value) noexcept {
  if constexpr (std::is_same_v<From, To>) return value;
  else if constexpr (std::is_same_v<From, f16> || std::is_same_v<From, bf16>)
    return static_cast<To>(static_cast<float>(value));
  else if constexpr (is_complex_type<From>)
    return To(static_cast<typename To::value_type>(value.real()),
              static_cast<typename To::value_type>(value.imag()));
  else return static_cast<To>(value);
}

/// What lies outside an input with a `zero` or `constant` border.
template <class To>
CONVGPU_HOST_DEVICE To border_value(const border& b) noexcept {
  if constexpr (is_complex_type<To>) return number<To>(b.value());
  else return static_cast<To>(b.value().real());
}

template <class To>
CONVGPU_HOST_DEVICE To border_value(double re, double im) noexcept {
  if constexpr (is_complex_type<To>)
    return To(static_cast<typename To::value_type>(re), static_cast<typename To::value_type>(im));
  else if constexpr (sizeof(To) == 2 && !std::is_integral_v<To>) return To(static_cast<float>(re));
  else return static_cast<To>(re);
}

/// h·x in the type of the sums. Complex products are spelled out: std::complex would stop to look for
/// infinities, at several times the cost, and all that is promised is that what is not finite stays so.
template <class Sum, class Tap, class Sample>
CONVGPU_HOST_DEVICE Sum product(Tap h, Sample x) noexcept {
  if constexpr (is_complex_type<Tap> && is_complex_type<Sample>)
    return {h.real() * x.real() - h.imag() * x.imag(), h.real() * x.imag() + h.imag() * x.real()};
  else if constexpr (is_complex_type<Tap>) return {h.real() * x, h.imag() * x};
  else if constexpr (is_complex_type<Sample>) return {h * x.real(), h * x.imag()};
  else return static_cast<Sum>(h) * static_cast<Sum>(x);
}

/// value modulo 2^bits, as `overflow::wrap` wants it.
template <class Out>
CONVGPU_HOST_DEVICE Out wrapped(int128 value) noexcept {
  return static_cast<Out>(static_cast<std::make_unsigned_t<Out>>(value));
}

/// To f32 in a way that a second rounding to a narrower type comes out as if there had been only that one:
/// to odd, whatever was cut off is left visible in the last bit.
CONVGPU_HOST_DEVICE inline float rounded_to_odd(double value) noexcept {
  float f = static_cast<float>(value);
  if (static_cast<double>(f) == value || std::isnan(value)) return f;
  if (std::abs(static_cast<double>(f)) > std::abs(value)) f = std::nextafter(f, 0.0f);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(f) | 1u);
}

/// A sum as an element: rounded half to even (in the default rounding mode, which plans see to) and, for
/// integers, brought into range by `policy`; NaN becomes the integer 0.
template <class Out, class Sum>
CONVGPU_HOST_DEVICE Out element_of(Sum sum, overflow policy) noexcept {
  if constexpr (std::is_same_v<Out, f16> || std::is_same_v<Out, bf16>) {
    if constexpr (std::is_same_v<Sum, float>) return Out(sum);
    else return Out(rounded_to_odd(static_cast<double>(sum)));
  } else if constexpr (is_complex_type<Out>) {
    using part = typename Out::value_type;
    return {static_cast<part>(sum.real()), static_cast<part>(sum.imag())};
  } else if constexpr (std::is_floating_point_v<Out>) {
    return static_cast<Out>(sum);
  } else if constexpr (is_integer_type<Sum>) {
    constexpr int128 low = std::numeric_limits<Out>::min();
    constexpr int128 high = std::numeric_limits<Out>::max();
    if (sum >= low && sum <= high) return static_cast<Out>(sum);
    if (policy == overflow::wrap) return wrapped<Out>(sum);
    return static_cast<Out>(sum < low ? low : high);
  } else {
    constexpr Sum modulus = static_cast<Sum>(std::uint64_t{1} << (8 * sizeof(Out) - 1)) * 2;
    const Sum low = std::is_signed_v<Out> ? -modulus / 2 : Sum{0};
    const Sum end =
        std::is_signed_v<Out> ? modulus / 2 : modulus;  // one more than the largest value
    if (std::isnan(sum)) return 0;
    const Sum rounded = std::nearbyint(sum);
    if (rounded >= low && rounded < end) return static_cast<Out>(rounded);
    if (policy == overflow::wrap)
      return std::isinf(sum) ? Out{0}
                             : wrapped<Out>(static_cast<int128>(std::fmod(rounded, modulus)));
    return rounded < low ? std::numeric_limits<Out>::min() : std::numeric_limits<Out>::max();
  }
}

/// 32, 64 or 128: the narrowest integer that holds ‖h‖₁·2^bits, and thereby every partial sum of an input
/// of that type.
inline int integer_sum_bits(dtype in, std::uint64_t norm1) noexcept {
  const int128 largest = int128{norm1} << (8 * size_of(in));  // an upper bound
  if (largest <= std::numeric_limits<std::int32_t>::max()) return 32;
  return largest <= std::numeric_limits<std::int64_t>::max() ? 64 : 128;
}

/// Calls f.template operator()<T>() with the C++ type T of `type`.
template <class F>
decltype(auto) with_element_type(dtype type, F&& f) {
  switch (type) {
    case dtype::u8: return f.template operator()<std::uint8_t>();
    case dtype::i8: return f.template operator()<std::int8_t>();
    case dtype::u16: return f.template operator()<std::uint16_t>();
    case dtype::i16: return f.template operator()<std::int16_t>();
    case dtype::i32: return f.template operator()<std::int32_t>();
    case dtype::i64: return f.template operator()<std::int64_t>();
    case dtype::f16: return f.template operator()<f16>();
    case dtype::bf16: return f.template operator()<bf16>();
    case dtype::f32: return f.template operator()<float>();
    case dtype::f64: return f.template operator()<double>();
    case dtype::cf32: return f.template operator()<std::complex<float>>();
    case dtype::cf64:
    case dtype::deduced: break;  // `deduced` never gets past validation
  }
  return f.template operator()<std::complex<double>>();
}

/// Whether a sum of this type can be stored as that element: the rest of the pairs are in no triple.
template <class Out, class Sum>
inline constexpr bool can_store =
    is_complex_type<Out> == is_complex_type<Sum> &&
    !(is_integer_type<Sum> && (std::is_same_v<Out, f16> || std::is_same_v<Out, bf16>));

}  // namespace convgpu::detail
