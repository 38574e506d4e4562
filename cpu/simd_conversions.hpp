// SPDX-License-Identifier: Apache-2.0
// Samples and sums made into other types. Compiled once for each instruction set, in simd_*.cpp.
#pragma once

#include <cstdint>

#include "simd_vectors.hpp"

namespace convgpu::cpu::simd {
namespace {

template <class From, int Bias>
void widen(const From* from, std::int16_t* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::int16_t>(from[i] - Bias);
}
template <class To, int Low, int High>
void saturate(const std::int32_t* from, To* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t sum = from[i];
    to[i] = static_cast<To>(sum < Low ? Low : sum > High ? High : sum);
  }
}

template <class From>
void to_float(const From* from, float* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
}
#if defined(__F16C__) || defined(__AVX512F__)
/// Ends are done by a vector of their own, of what is there and of zeros.
template <class From, class To, class Convert>
CONVGPU_INLINE void in_vectors(const From* from, To* to, std::int64_t count,
                               const Convert& convert) {
  constexpr std::int64_t at_once = 8;
  std::int64_t i = 0;
  for (; i + at_once <= count; i += at_once) convert(from + i, to + i);
  if (i == count) return;
  From last[at_once] = {};
  To done[at_once];
  for (std::int64_t j = i; j < count; ++j) last[j - i] = from[j];
  convert(last, done);
  for (std::int64_t j = i; j < count; ++j) to[j] = done[j - i];
}
inline void float_of_half(const std::uint16_t* from, float* to, std::int64_t count) {
  in_vectors(from, to, count, [](const std::uint16_t* f, float* t) CONVGPU_INLINE_LAMBDA {
    _mm256_storeu_ps(t, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(f))));
  });
}
inline void half_of_float(const float* from, std::uint16_t* to, std::int64_t count) {
  in_vectors(from, to, count, [](const float* f, std::uint16_t* t) CONVGPU_INLINE_LAMBDA {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(t),
                     _mm256_cvtps_ph(_mm256_loadu_ps(f), _MM_FROUND_TO_NEAREST_INT));
  });
}
#else
constexpr void (*float_of_half)(const std::uint16_t*, float*, std::int64_t) = nullptr;
constexpr void (*half_of_float)(const float*, std::uint16_t*, std::int64_t) = nullptr;
#endif

/// Sums rounded and looked at, 16 at a time.
constexpr std::int64_t rounded_at_once = 16;
using rounded_ints = vector<std::int32_t>[rounded_at_once / lanes<float>];

/// 16 integers that fit into what they are stored as.
CONVGPU_INLINE void store_narrow(const rounded_ints& from, std::int32_t* to) {
  __builtin_memcpy(to, from, sizeof from);
}
template <class To>
CONVGPU_INLINE void store_narrow(const rounded_ints& from, To* to) {
#if defined(__AVX512F__)
  const auto all = reinterpret_cast<__m512i>(from[0]);
  if constexpr (sizeof(To) == 1)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(all));
  else _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(all));
#elif defined(__SSE2__)
  __m128i part[4];
  __builtin_memcpy(part, from, sizeof part);
  if constexpr (sizeof(To) == 1) {
    const __m128i low = _mm_packs_epi32(part[0], part[1]);
    const __m128i high = _mm_packs_epi32(part[2], part[3]);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                     To(-1) < To(0) ? _mm_packs_epi16(low, high) : _mm_packus_epi16(low, high));
  } else {
    // Signed numbers alone can be packed.
    constexpr std::int32_t bias = To(-1) < To(0) ? 0 : 32768;
    for (int n = 0; n < 2; ++n) {
      const __m128i low = _mm_sub_epi32(part[2 * n], _mm_set1_epi32(bias));
      const __m128i high = _mm_sub_epi32(part[2 * n + 1], _mm_set1_epi32(bias));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to) + n,
                       _mm_xor_si128(_mm_packs_epi32(low, high),
                                     _mm_set1_epi16(static_cast<std::int16_t>(bias))));
    }
  }
#else
  std::int32_t values[rounded_at_once];
  __builtin_memcpy(values, from, sizeof values);
  for (int n = 0; n < rounded_at_once; ++n) to[n] = static_cast<To>(values[n]);
#endif
}

template <class To, std::int64_t Low, std::int64_t High>
CONVGPU_INLINE void round_16(const float* from, float scale, To* to, std::int8_t* doubtful,
                             float doubt) {
  // One beyond the last value tells as much as any number there.
  const vector<float> low = vector<float>{} + static_cast<float>(Low - 1);
  const vector<float> high = vector<float>{} + static_cast<float>(High + 1);
  const vector<float> shift = vector<float>{} + 0x1.8p23F;  // floats from here on are integers
  const vector<std::int32_t> least = vector<std::int32_t>{} + static_cast<std::int32_t>(Low);
  const vector<std::int32_t> most = vector<std::int32_t>{} + static_cast<std::int32_t>(High);
  rounded_ints values;
  rounded_ints in_doubt;
  for (int v = 0; v < rounded_at_once / lanes<float>; ++v) {
    vector<float> sum = load<float>(from + v * lanes<float>) * scale;
    sum = sum < low ? low : sum;
    sum = sum > high ? high : sum;
    const vector<float> rounded = (sum + shift) - shift;
    const vector<float> off = sum < rounded ? rounded - sum : sum - rounded;
    in_doubt[v] = 0.5F - off <= doubt;
    const auto value = __builtin_convertvector(rounded, vector<std::int32_t>);
    values[v] = value < least ? least : value > most ? most : value;
  }
  store_narrow(values, to);
  store_narrow(in_doubt, doubtful);
}

template <class To, std::int64_t Low, std::int64_t High>
void round(const float* from, float scale, To* to, std::uint8_t* doubtful, float doubt,
           std::int64_t count) {
  auto* const flags = reinterpret_cast<std::int8_t*>(doubtful);
  std::int64_t i = 0;
  for (; i + rounded_at_once <= count; i += rounded_at_once)
    round_16<To, Low, High>(from + i, scale, to + i, flags + i, doubt);
  if (i == count) return;
  float last[rounded_at_once] = {};
  To values[rounded_at_once];
  std::int8_t of_last[rounded_at_once];
  for (std::int64_t j = i; j < count; ++j) last[j - i] = from[j];
  round_16<To, Low, High>(last, scale, values, of_last, doubt);
  for (std::int64_t j = i; j < count; ++j) {
    to[j] = values[j - i];
    flags[j] = of_last[j - i];
  }
}

/// As many integers of 32 bits as a vector has, from sums within their range.
CONVGPU_INLINE vector<std::int32_t> rounded(const vector<double> (&sums)[2]) {
#if defined(__AVX512F__)
  return reinterpret_cast<vector<std::int32_t>>(_mm512_inserti64x4(
      _mm512_castsi256_si512(_mm512_cvtpd_epi32(sums[0])), _mm512_cvtpd_epi32(sums[1]), 1));
#elif defined(__AVX2__)
  return reinterpret_cast<vector<std::int32_t>>(_mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm256_cvtpd_epi32(sums[0])), _mm256_cvtpd_epi32(sums[1]), 1));
#elif defined(__SSE2__)
  return reinterpret_cast<vector<std::int32_t>>(
      _mm_unpacklo_epi64(_mm_cvtpd_epi32(sums[0]), _mm_cvtpd_epi32(sums[1])));
#else
  constexpr double shift = 0x1.8p52;  // doubles from here on are integers
  vector<std::int32_t> values;
  for (int n = 0; n < lanes<float>; ++n)
    values[n] =
        static_cast<std::int32_t>((sums[n / lanes<double>][n % lanes<double>] + shift) - shift);
  return values;
#endif
}

template <class To, std::int64_t Low, std::int64_t High>
CONVGPU_INLINE void round_16(const double* from, To* to) {
  const vector<double> low = vector<double>{} + static_cast<double>(Low);
  const vector<double> high = vector<double>{} + static_cast<double>(High);
  rounded_ints values;
  for (int v = 0; v < rounded_at_once / lanes<float>; ++v) {
    vector<double> sums[2];
    for (int half = 0; half < 2; ++half) {
      vector<double> sum = load<double>(from + (2 * v + half) * lanes<double>);
      sum = sum == sum ? sum : vector<double>{};  // of what is not a number, 0
      sum = sum < low ? low : sum;
      sums[half] = sum > high ? high : sum;
    }
    values[v] = rounded(sums);
  }
  store_narrow(values, to);
}

template <class To, std::int64_t Low, std::int64_t High>
void round_f64(const double* from, To* to, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + rounded_at_once <= count; i += rounded_at_once)
    round_16<To, Low, High>(from + i, to + i);
  if (i == count) return;
  double last[rounded_at_once] = {};
  To values[rounded_at_once];
  for (std::int64_t j = i; j < count; ++j) last[j - i] = from[j];
  round_16<To, Low, High>(last, values);
  for (std::int64_t j = i; j < count; ++j) to[j] = values[j - i];
}

}  // namespace
}  // namespace convgpu::cpu::simd
