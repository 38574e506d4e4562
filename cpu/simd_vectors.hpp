// SPDX-License-Identifier: Apache-2.0
// Vectors of the instruction set that a unit is compiled for: see simd_kernels.hpp.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <cstdint>

#define CONVGPU_INLINE inline __attribute__((always_inline))
#define CONVGPU_INLINE_LAMBDA __attribute__((always_inline))

namespace convgpu::cpu::simd {
namespace {

template <class T>
struct vector_of {
  typedef T aligned __attribute__((vector_size(CONVGPU_SIMD_BYTES)));
  typedef T anywhere
      __attribute__((vector_size(CONVGPU_SIMD_BYTES), aligned(alignof(T)), may_alias));
  static constexpr int lanes = CONVGPU_SIMD_BYTES / sizeof(T);
};
template <class T>
constexpr bool is_float = false;
template <>
constexpr bool is_float<float> = true;
template <>
constexpr bool is_float<double> = true;
template <class T>
using vector = typename vector_of<T>::aligned;
template <class T>
constexpr int lanes = vector_of<T>::lanes;

template <class T>
CONVGPU_INLINE vector<T> load(const T* from) {
  return *reinterpret_cast<const typename vector_of<T>::anywhere*>(from);
}
template <class T>
CONVGPU_INLINE void store(T* to, vector<T> v) {
  *reinterpret_cast<typename vector_of<T>::anywhere*>(to) = v;
}
/// Past the caches; `to` is aligned.
template <class T>
CONVGPU_INLINE void stream(T* to, vector<T> v) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), reinterpret_cast<__m512i>(v));
#elif defined(__AVX__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(v));
#elif defined(__SSE2__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(to), reinterpret_cast<__m128i>(v));
#else
  store(to, v);
#endif
}
CONVGPU_INLINE void finish_streams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace
}  // namespace convgpu::cpu::simd
