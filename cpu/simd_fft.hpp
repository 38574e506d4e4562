// SPDX-License-Identifier: Apache-2.0
// Passes of the transform that cpu/fft.hpp describes, for vectors of the unit's instruction set: see simd_kernels.hpp.
//
// Complex numbers lie as a vector of real parts, then a vector of imaginary parts. A node of L points is a polynomial
// modulo x^L − ρ, and a pass of radix 4 reduces it modulo its four factors x^(L/4) − i^q·s, s⁴ = ρ: it multiplies
// quarter b by s^b, then takes the transform of length 4. One s serves a whole node, so that no pass reads a table
// beside its data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "simd.hpp"
#include "simd_vectors.hpp"

namespace convgpu::cpu::simd {
namespace {

/// Two registers as one vector of four lanes: compilers take wider vectors than they have registers for apart into
/// single numbers.
template <class T>
struct two_vectors {
  vector<T> low;
  vector<T> high;

  friend CONVGPU_INLINE two_vectors operator+(two_vectors a, two_vectors b) {
    return {a.low + b.low, a.high + b.high};
  }
  friend CONVGPU_INLINE two_vectors operator-(two_vectors a, two_vectors b) {
    return {a.low - b.low, a.high - b.high};
  }
  friend CONVGPU_INLINE two_vectors operator*(two_vectors a, two_vectors b) {
    return {a.low * b.low, a.high * b.high};
  }
  friend CONVGPU_INLINE two_vectors operator*(T a, two_vectors b) {
    return {a * b.low, a * b.high};
  }
};

/// Four lanes at least, so that there is one way to transpose.
template <class T>
struct fft_vector {
  static constexpr bool is_one = simd::lanes<T> >= 4;
  static constexpr int lanes = is_one ? simd::lanes<T> : 4;
  static constexpr int groups = lanes / 4;
  using type = std::conditional_t<is_one, vector<T>, two_vectors<T>>;
};

template <class T>
struct complex_vector {
  using vector = typename fft_vector<T>::type;
  vector re;
  vector im;
};

template <class T>
CONVGPU_INLINE typename fft_vector<T>::type fft_load(const T* from) {
  if constexpr (fft_vector<T>::is_one) return load(from);
  else return {load(from), load(from + lanes<T>)};
}
template <class T>
CONVGPU_INLINE void fft_store(T* to, typename fft_vector<T>::type v) {
  if constexpr (fft_vector<T>::is_one) {
    store(to, v);
  } else {
    store(to, v.low);
    store(to + lanes<T>, v.high);
  }
}
template <class T>
CONVGPU_INLINE complex_vector<T> load_pair(const T* from) {
  return {fft_load(from), fft_load(from + fft_vector<T>::lanes)};
}
template <class T>
CONVGPU_INLINE void store_pair(T* to, complex_vector<T> v) {
  fft_store(to, v.re);
  fft_store(to + fft_vector<T>::lanes, v.im);
}

/// A factor of all lanes.
template <class T>
struct complex_scalar {
  T re;
  T im;
};
template <class T>
CONVGPU_INLINE complex_vector<T> operator+(complex_vector<T> a, complex_vector<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
CONVGPU_INLINE complex_vector<T> operator-(complex_vector<T> a, complex_vector<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T, class Factor>
CONVGPU_INLINE complex_vector<T> times(complex_vector<T> a, Factor f) {
  return {f.re * a.re - f.im * a.im, f.re * a.im + f.im * a.re};
}
template <class T, class Factor>
CONVGPU_INLINE complex_vector<T> times_conjugate(complex_vector<T> a, Factor f) {
  return {f.re * a.re + f.im * a.im, f.re * a.im - f.im * a.re};
}

template <class T, class Factor>
CONVGPU_INLINE void forward(complex_vector<T> (&z)[4], const Factor (&s)[3]) {
  const complex_vector<T> b = times(z[1], s[0]);
  const complex_vector<T> c = times(z[2], s[1]);
  const complex_vector<T> d = times(z[3], s[2]);
  const complex_vector<T> even = z[0] + c;
  const complex_vector<T> odd = z[0] - c;
  const complex_vector<T> sum = b + d;
  const complex_vector<T> difference = b - d;
  z[0] = even + sum;
  z[2] = even - sum;
  z[1] = {odd.re - difference.im, odd.im + difference.re};
  z[3] = {odd.re + difference.im, odd.im - difference.re};
}
template <class T, class Factor>
CONVGPU_INLINE void forward(complex_vector<T> (&z)[2], const Factor (&s)[1]) {
  const complex_vector<T> b = times(z[1], s[0]);
  z[1] = z[0] - b;
  z[0] = z[0] + b;
}

/// The way back, but for a factor of 4 or 2.
template <class T>
CONVGPU_INLINE void sums_of(complex_vector<T> (&z)[4]) {
  const complex_vector<T> even = z[0] + z[2];
  const complex_vector<T> odd = z[0] - z[2];
  const complex_vector<T> sum = z[1] + z[3];
  const complex_vector<T> difference = z[1] - z[3];
  z[0] = even + sum;
  z[1] = {odd.re + difference.im, odd.im - difference.re};
  z[2] = even - sum;
  z[3] = {odd.re - difference.im, odd.im + difference.re};
}
template <class T, class Factor>
CONVGPU_INLINE void inverse(complex_vector<T> (&z)[4], const Factor (&s)[3]) {
  sums_of(z);
  for (int b = 1; b < 4; ++b) z[b] = times_conjugate(z[b], s[b - 1]);
}
template <class T, class Factor>
CONVGPU_INLINE void inverse(complex_vector<T> (&z)[2], const Factor (&s)[1]) {
  const complex_vector<T> difference = z[0] - z[1];
  z[0] = z[0] + z[1];
  z[1] = times_conjugate(difference, s[0]);
}

template <class T, int Count>
CONVGPU_INLINE void scalars(complex_scalar<T> (&s)[Count], const T* from) {
  for (int i = 0; i < Count; ++i) s[i] = {from[2 * i], from[2 * i + 1]};
}
template <class T, int Count>
CONVGPU_INLINE void factors(complex_vector<T> (&s)[Count], const T* from) {
  for (int i = 0; i < Count; ++i) s[i] = load_pair(from + i * 2 * fft_vector<T>::lanes);
}

// ---- Transposes in registers, each its own inverse.

template <class T, class Index, std::size_t... I>
CONVGPU_INLINE typename fft_vector<T>::type shuffled(typename fft_vector<T>::type a,
                                                     typename fft_vector<T>::type b, Index,
                                                     std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, Index::of(I)...);
}
/// Lane i of the result is lane Index::of(i) of a and b, one behind the other.
template <class T, class Index>
CONVGPU_INLINE typename fft_vector<T>::type shuffled(typename fft_vector<T>::type a,
                                                     typename fft_vector<T>::type b) {
  return shuffled<T>(a, b, Index{}, std::make_index_sequence<fft_vector<T>::lanes>{});
}
/// Of each four lanes the first or the last two of a and b, in turn.
template <int Lanes, int High>
struct interleaved {
  static constexpr int of(std::size_t i) {
    const int lane = static_cast<int>(i);
    return lane / 4 * 4 + 2 * High + lane % 4 / 2 + (lane % 2) * Lanes;
  }
};
/// Of each two lanes the first or the second, of a and b in turn.
template <int Lanes, int High>
struct every_second {
  static constexpr int of(std::size_t i) {
    const int lane = static_cast<int>(i);
    return lane / 2 * 2 + High + (lane % 2) * Lanes;
  }
};
/// Of each four lanes the first or the last two of a, then those of b.
template <int Lanes, int High>
struct halves {
  static constexpr int of(std::size_t i) {
    const int lane = static_cast<int>(i);
    return lane / 4 * 4 + 2 * High + lane % 2 + lane % 4 / 2 * Lanes;
  }
};
/// Groups of four lanes: `First` and `Second` of a, then of b.
template <int Lanes, int First, int Second>
struct of_groups {
  static constexpr int of(std::size_t i) {
    const int lane = static_cast<int>(i);
    const int half = Lanes / 2;
    const int group = Lanes == 8 ? First : (lane % half / 4 == 0 ? First : Second);
    return group * 4 + lane % 4 + lane / half * Lanes;
  }
};

/// Four rows, within each group of four lanes.
template <class T>
CONVGPU_INLINE void transpose_within(typename fft_vector<T>::type& a,
                                     typename fft_vector<T>::type& b,
                                     typename fft_vector<T>::type& c,
                                     typename fft_vector<T>::type& d) {
  constexpr int n = fft_vector<T>::lanes;
  if constexpr (!fft_vector<T>::is_one) {
    const auto exchanged = [](vector<T>& x, vector<T>& y) CONVGPU_INLINE_LAMBDA {
      const vector<T> first = __builtin_shufflevector(x, y, 0, 2);
      y = __builtin_shufflevector(x, y, 1, 3);
      x = first;
    };
    exchanged(a.low, b.low);
    exchanged(c.high, d.high);
    exchanged(a.high, b.high);
    exchanged(c.low, d.low);
    const vector<T> first = a.high;
    const vector<T> second = b.high;
    a.high = c.low;
    b.high = d.low;
    c.low = first;
    d.low = second;
  } else if constexpr (sizeof(T) == 4) {
    const auto ab0 = shuffled<T, interleaved<n, 0>>(a, b);
    const auto ab1 = shuffled<T, interleaved<n, 1>>(a, b);
    const auto cd0 = shuffled<T, interleaved<n, 0>>(c, d);
    const auto cd1 = shuffled<T, interleaved<n, 1>>(c, d);
    a = shuffled<T, halves<n, 0>>(ab0, cd0);
    b = shuffled<T, halves<n, 1>>(ab0, cd0);
    c = shuffled<T, halves<n, 0>>(ab1, cd1);
    d = shuffled<T, halves<n, 1>>(ab1, cd1);
  } else {
    const auto ab0 = shuffled<T, every_second<n, 0>>(a, b);
    const auto ab1 = shuffled<T, every_second<n, 1>>(a, b);
    const auto cd0 = shuffled<T, every_second<n, 0>>(c, d);
    const auto cd1 = shuffled<T, every_second<n, 1>>(c, d);
    a = shuffled<T, halves<n, 0>>(ab0, cd0);
    b = shuffled<T, halves<n, 0>>(ab1, cd1);
    c = shuffled<T, halves<n, 1>>(ab0, cd0);
    d = shuffled<T, halves<n, 1>>(ab1, cd1);
  }
}
template <class T>
CONVGPU_INLINE void transpose_within(complex_vector<T> (&z)[4]) {
  transpose_within<T>(z[0].re, z[1].re, z[2].re, z[3].re);
  transpose_within<T>(z[0].im, z[1].im, z[2].im, z[3].im);
}

/// As many rows as there are groups of four lanes: exchanges rows and groups.
template <class T>
CONVGPU_INLINE void transpose_groups(typename fft_vector<T>::type& a,
                                     typename fft_vector<T>::type& b) {
  constexpr int n = fft_vector<T>::lanes;
  const auto first = shuffled<T, of_groups<n, 0, 0>>(a, b);
  b = shuffled<T, of_groups<n, 1, 1>>(a, b);
  a = first;
}
template <class T>
CONVGPU_INLINE void transpose_groups(typename fft_vector<T>::type& a,
                                     typename fft_vector<T>::type& b,
                                     typename fft_vector<T>::type& c,
                                     typename fft_vector<T>::type& d) {
  constexpr int n = fft_vector<T>::lanes;
  const auto ab0 = shuffled<T, of_groups<n, 0, 1>>(a, b);
  const auto ab1 = shuffled<T, of_groups<n, 2, 3>>(a, b);
  const auto cd0 = shuffled<T, of_groups<n, 0, 1>>(c, d);
  const auto cd1 = shuffled<T, of_groups<n, 2, 3>>(c, d);
  a = shuffled<T, of_groups<n, 0, 2>>(ab0, cd0);
  b = shuffled<T, of_groups<n, 1, 3>>(ab0, cd0);
  c = shuffled<T, of_groups<n, 0, 2>>(ab1, cd1);
  d = shuffled<T, of_groups<n, 1, 3>>(ab1, cd1);
}
template <class T, int Groups>
CONVGPU_INLINE void transpose_groups(complex_vector<T> (&z)[Groups]) {
  if constexpr (Groups == 2) {
    transpose_groups<T>(z[0].re, z[1].re);
    transpose_groups<T>(z[0].im, z[1].im);
  } else if constexpr (Groups == 4) {
    transpose_groups<T>(z[0].re, z[1].re, z[2].re, z[3].re);
    transpose_groups<T>(z[0].im, z[1].im, z[2].im, z[3].im);
  }
}

// ---- Passes.

/// Reads the four quarters of a block, real and imaginary parts apart, and makes its first pass of radix 4. The
/// twiddles have been multiplied by `scale`, which the first quarter still has to be.
template <class T>
void fft_first(const T* const* from, T* to, std::ptrdiff_t quarter, std::int64_t vectors,
               const T* twiddles, T scale) {
  constexpr int n = fft_vector<T>::lanes;
  complex_scalar<T> s[3];
  scalars(s, twiddles);
  for (std::int64_t v = 0; v < vectors; ++v) {
    complex_vector<T> z[4];
    for (int q = 0; q < 4; ++q) z[q] = {fft_load(from[q] + v * n), fft_load(from[4 + q] + v * n)};
    z[0] = {scale * z[0].re, scale * z[0].im};
    forward(z, s);
    for (int q = 0; q < 4; ++q) store_pair(to + q * quarter + v * 2 * n, z[q]);
  }
}

/// The way back of `fft_first`.
template <class T>
void fft_last(const T* from, std::ptrdiff_t quarter, T* const* to, std::int64_t vectors,
              const T* twiddles, T scale) {
  constexpr int n = fft_vector<T>::lanes;
  complex_scalar<T> s[3];
  scalars(s, twiddles);
  for (std::int64_t v = 0; v < vectors; ++v) {
    complex_vector<T> z[4];
    for (int q = 0; q < 4; ++q) z[q] = load_pair(from + q * quarter + v * 2 * n);
    inverse(z, s);
    z[0] = {scale * z[0].re, scale * z[0].im};
    for (int q = 0; q < 4; ++q) {
      fft_store(to[q] + v * n, z[q].re);
      fft_store(to[4 + q] + v * n, z[q].im);
    }
  }
}

/// `nodes` nodes of `vectors` vectors each, one behind the other.
template <class T, int Radix, bool Forward>
void fft_pass(T* z, std::int64_t nodes, std::int64_t vectors, const T* twiddles) {
  constexpr int n = 2 * fft_vector<T>::lanes;
  const std::int64_t part = vectors / Radix * n;
  for (std::int64_t node = 0; node < nodes; ++node) {
    complex_scalar<T> s[Radix - 1];
    scalars(s, twiddles + node * 2 * (Radix - 1));
    T* const first = z + node * vectors * n;
    for (T* at = first; at != first + part; at += n) {
      complex_vector<T> v[Radix];
      for (int b = 0; b < Radix; ++b) v[b] = load_pair(at + b * part);
      if constexpr (Forward) forward(v, s);
      else inverse(v, s);
      for (int b = 0; b < Radix; ++b) store_pair(at + b * part, v[b]);
    }
  }
}

/// A tile is as many vectors as there are lanes. The last pass of whole vectors, of radix 4, and the first of those
/// within vectors, for which rows and lanes of the tile are exchanged: all on the way there but the last pass.
template <class T>
CONVGPU_INLINE void tile_there(T* z, const T* twiddles, const T* leaf_twiddles) {
  constexpr int groups = fft_vector<T>::groups;
  constexpr int n = 2 * fft_vector<T>::lanes;
  for (int g = 0; g < groups; ++g) {
    T* const at = z + g * 4 * n;
    complex_vector<T> v[4];
    for (int b = 0; b < 4; ++b) v[b] = load_pair(at + b * n);
    complex_scalar<T> s[3];
    scalars(s, twiddles + g * 6);
    forward(v, s);
    transpose_within(v);
    for (int b = 0; b < 4; ++b) store_pair(at + b * n, v[b]);
  }
  if constexpr (groups > 1) {
    complex_vector<T> s[groups - 1];
    factors(s, leaf_twiddles);
    for (int e = 0; e < 4; ++e) {
      T* const at = z + e * n;
      complex_vector<T> v[groups];
      for (int g = 0; g < groups; ++g) v[g] = load_pair(at + g * 4 * n);
      transpose_groups(v);
      forward(v, s);
      for (int g = 0; g < groups; ++g) store_pair(at + g * 4 * n, v[g]);
    }
  }
}

/// All on the way back but its first pass.
template <class T>
CONVGPU_INLINE void tile_back(T* z, const T* twiddles, const T* leaf_twiddles) {
  constexpr int groups = fft_vector<T>::groups;
  constexpr int n = 2 * fft_vector<T>::lanes;
  if constexpr (groups > 1) {
    complex_vector<T> s[groups - 1];
    factors(s, leaf_twiddles);
    for (int e = 0; e < 4; ++e) {
      T* const at = z + e * n;
      complex_vector<T> v[groups];
      for (int g = 0; g < groups; ++g) v[g] = load_pair(at + g * 4 * n);
      inverse(v, s);
      transpose_groups(v);
      for (int g = 0; g < groups; ++g) store_pair(at + g * 4 * n, v[g]);
    }
  }
  for (int g = 0; g < groups; ++g) {
    T* const at = z + g * 4 * n;
    complex_vector<T> v[4];
    for (int b = 0; b < 4; ++b) v[b] = load_pair(at + b * n);
    transpose_within(v);
    complex_scalar<T> s[3];
    scalars(s, twiddles + g * 6);
    inverse(v, s);
    for (int b = 0; b < 4; ++b) store_pair(at + b * n, v[b]);
  }
}

/// Both, and between them the last pass there, the product with the spectrum and the first pass back: of what the
/// tiles of `z` hold, or of spectra of samples that are kept.
template <class T, bool There, bool Back>
CONVGPU_INLINE void fft_tiles(const T* from, T* z, std::int64_t tiles, const T* twiddles,
                              const T* leaf_twiddles, const T* spectrum) {
  constexpr int lanes = fft_vector<T>::lanes;
  constexpr int groups = fft_vector<T>::groups;
  constexpr int n = 2 * lanes;
  for (std::int64_t t = 0; t < tiles; ++t) {
    if constexpr (There) tile_there(z, twiddles, leaf_twiddles);
    for (int q = 0; q < groups; ++q) {
      T* const at = z + q * 4 * n;
      complex_vector<T> v[4];
      for (int b = 0; b < 4; ++b) v[b] = load_pair((There ? at : from + q * 4 * n) + b * n);
      complex_vector<T> s[3];
      factors(s, leaf_twiddles + (groups - 1 + 3 * q) * n);
      if constexpr (There) forward(v, s);
      if constexpr (Back) {
        for (int b = 0; b < 4; ++b) v[b] = times(v[b], load_pair(spectrum + (4 * q + b) * n));
        inverse(v, s);
      }
      for (int b = 0; b < 4; ++b) store_pair(at + b * n, v[b]);
    }
    if constexpr (Back) tile_back(z, twiddles, leaf_twiddles);
    z += lanes * n;
    twiddles += groups * 6;
    leaf_twiddles += (groups - 1 + 3 * groups) * n;
    if constexpr (!There) from += lanes * n;
    if constexpr (Back) spectrum += lanes * n;
  }
}
template <class T>
void fft_middle(T* z, std::int64_t tiles, const T* twiddles, const T* leaf_twiddles,
                const T* spectrum) {
  fft_tiles<T, true, true>(nullptr, z, tiles, twiddles, leaf_twiddles, spectrum);
}
template <class T>
void fft_middle_there(T* z, std::int64_t tiles, const T* twiddles, const T* leaf_twiddles) {
  fft_tiles<T, true, false>(nullptr, z, tiles, twiddles, leaf_twiddles, nullptr);
}
template <class T>
void fft_middle_back(const T* from, T* z, std::int64_t tiles, const T* twiddles,
                     const T* leaf_twiddles, const T* spectrum) {
  fft_tiles<T, false, true>(from, z, tiles, twiddles, leaf_twiddles, spectrum);
}

/// The largest magnitude; what is not finite counts as infinite.
template <class T>
T fft_magnitude(const T* from, std::int64_t count) {
  using bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  constexpr bits magnitude = sizeof(T) == 4 ? bits{0x7fffffff} : static_cast<bits>(~(1ULL << 63));
  constexpr bits infinity =
      sizeof(T) == 4 ? bits{0x7f800000} : static_cast<bits>(0x7ff0000000000000ULL);
  bits largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const bits b = __builtin_bit_cast(bits, from[i]) & magnitude;
    largest = b > largest ? b : largest;
  }
  return __builtin_bit_cast(T, largest > infinity ? infinity : largest);
}

template <class T>
constexpr fft<T> fft_of() {
  return {.lanes = fft_vector<T>::lanes,
          .first = fft_first<T>,
          .last = fft_last<T>,
          .forward4 = fft_pass<T, 4, true>,
          .forward2 = fft_pass<T, 2, true>,
          .inverse4 = fft_pass<T, 4, false>,
          .inverse2 = fft_pass<T, 2, false>,
          .middle = fft_middle<T>,
          .middle_there = fft_middle_there<T>,
          .middle_back = fft_middle_back<T>,
          .magnitude = fft_magnitude<T>};
}

}  // namespace
}  // namespace convgpu::cpu::simd
