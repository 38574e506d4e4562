// SPDX-License-Identifier: Apache-2.0
// Stages of transform.hpp by the threads of a block, on points in shared memory: real parts, and imaginary ones.
// In place, each butterfly by one thread, so that a barrier between stages is all that they need.
#pragma once

#include "kernel.cuh"
#include "transform.hpp"

namespace convgpu::cuda {

/// A block's points, and what it takes to transform them.
template <class T>
struct shared_points {
  T* re;
  T* im;
  const complex_number<T>* roots;
};

/// Loads from here on are not begun before: of all roots of a butterfly at once there would be more than registers.
__device__ __forceinline__ void in_turn() {
#if !defined(CUDA_ON_HOST)
  asm volatile("" ::: "memory");
#endif
}

template <class T>
__device__ __forceinline__ complex_number<T> times(complex_number<T> a, complex_number<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
/// By b there, by its conjugate on the way back.
template <bool Back, class T>
__device__ __forceinline__ complex_number<T> turned(complex_number<T> a, complex_number<T> b) {
  if constexpr (Back) b.im = -b.im;
  return times(a, b);
}
/// By the root of 16 to the power of K.
template <int K, bool Back, class T>
__device__ __forceinline__ complex_number<T> turned16(complex_number<T> a) {
  constexpr T cos_of_16 = T(0.92387953251128675612818318939678828682L);
  constexpr T sin_of_16 = T(0.38268343236508977172845998403039886676L);
  constexpr T root_of_half = T(0.70710678118654752440084436210484903929L);
  if constexpr (K == 1) {
    return turned<Back>(a, {cos_of_16, sin_of_16});
  } else if constexpr (K == 2) {
    if constexpr (Back) return {(a.re + a.im) * root_of_half, (a.im - a.re) * root_of_half};
    else return {(a.re - a.im) * root_of_half, (a.re + a.im) * root_of_half};
  } else if constexpr (K == 3) {
    return turned<Back>(a, {sin_of_16, cos_of_16});
  } else if constexpr (K == 4) {
    if constexpr (Back) return {a.im, -a.re};
    else return {-a.im, a.re};
  } else if constexpr (K == 6) {
    return turned16<2, Back>(turned16<4, Back>(a));
  } else {
    static_assert(K == 9);
    return turned<Back>(a, {-cos_of_16, -sin_of_16});
  }
}

template <bool Back, class T>
__device__ __forceinline__ void transform2(complex_number<T>& a, complex_number<T>& b) {
  const complex_number<T> c = a;
  a = {c.re + b.re, c.im + b.im};
  b = {c.re - b.re, c.im - b.im};
}

template <bool Back, class T>
__device__ __forceinline__ void transform4(complex_number<T>& a, complex_number<T>& b,
                                           complex_number<T>& c, complex_number<T>& d) {
  transform2<Back>(a, c);
  transform2<Back>(b, d);
  const complex_number<T> i =
      Back ? complex_number<T>{d.im, -d.re} : complex_number<T>{-d.im, d.re};
  const complex_number<T> even = c;
  transform2<Back>(a, b);  // results 0 and 2
  c = b;
  b = {even.re + i.re, even.im + i.im};
  d = {even.re - i.re, even.im - i.im};
}

/// Σ_k z_k·ω^(qk), ω = e^(±2πi/R), in place of z_q. Of 8 and 16: those of 4, turns between, those of 2 or 4.
template <int Radix, bool Back, class T>
__device__ __forceinline__ void transform_points(complex_number<T> (&z)[Radix]) {
  if constexpr (Radix == 2) {
    transform2<Back>(z[0], z[1]);
  } else if constexpr (Radix == 4) {
    transform4<Back>(z[0], z[1], z[2], z[3]);
  } else if constexpr (Radix == 8) {
    transform4<Back>(z[0], z[2], z[4], z[6]);
    transform4<Back>(z[1], z[3], z[5], z[7]);
    z[3] = turned16<2, Back>(z[3]);
    z[5] = turned16<4, Back>(z[5]);
    z[7] = turned16<6, Back>(z[7]);
#pragma unroll
    for (int c = 0; c < 4; ++c) transform2<Back>(z[2 * c], z[2 * c + 1]);
    // z[2c + d] is result c + 4d
    const complex_number<T> r[8] = {z[0], z[2], z[4], z[6], z[1], z[3], z[5], z[7]};
#pragma unroll
    for (int q = 0; q < 8; ++q) z[q] = r[q];
  } else {
    static_assert(Radix == 16);
#pragma unroll
    for (int b = 0; b < 4; ++b) transform4<Back>(z[b], z[4 + b], z[8 + b], z[12 + b]);
    z[5] = turned16<1, Back>(z[5]);
    z[6] = turned16<2, Back>(z[6]);
    z[7] = turned16<3, Back>(z[7]);
    z[9] = turned16<2, Back>(z[9]);
    z[10] = turned16<4, Back>(z[10]);
    z[11] = turned16<6, Back>(z[11]);
    z[13] = turned16<3, Back>(z[13]);
    z[14] = turned16<6, Back>(z[14]);
    z[15] = turned16<9, Back>(z[15]);
#pragma unroll
    for (int c = 0; c < 4; ++c)
      transform4<Back>(z[4 * c], z[4 * c + 1], z[4 * c + 2], z[4 * c + 3]);
      // z[4c + d] is result c + 4d
#pragma unroll
    for (int c = 0; c < 4; ++c)
#pragma unroll
      for (int d = 0; d < c; ++d) {
        const complex_number<T> r = z[4 * c + d];
        z[4 * c + d] = z[4 * d + c];
        z[4 * d + c] = r;
      }
  }
}

/// Each point but the first of a butterfly by its power of the node's root.
template <int Radix, bool Back, class T>
__device__ __forceinline__ void turn_points(complex_number<T> (&z)[Radix], const stage& s, int node,
                                            const complex_number<T>* roots, T scale) {
  int root = s.roots + (node & (s.nodes - 1));
#pragma unroll
  for (int k = 1; k < Radix; ++k, root += s.nodes) {
    complex_number<T> r = load_global(roots + root);
    r.re *= scale;
    r.im *= scale;
    z[k] = turned<Back>(z[k], r);
    if (k % 4 == 3) in_turn();
  }
}

/// A stage, there or back; of distance 16 if `Near`, else of 32 or more. There, the points are scaled by a power of two.
template <int Radix, bool Near, bool Back, class T>
__device__ __forceinline__ void do_stage(const shared_points<T>& block, const stage& s, int points,
                                         T scale) {
  const int part_bits = Near ? 4 : s.part_bits;
  [[maybe_unused]] const int step = place<T>(1 << part_bits);
  constexpr int radix_bits = log2_of(Radix);
#pragma unroll 1
  for (int b = thread_of_block(); b < points >> radix_bits; b += block_threads) {
    const butterfly at = butterfly_at<T>(b, radix_bits, part_bits);
    T* const re = block.re + place<T>(at.first);
    T* const im = block.im + place<T>(at.first);
    const auto offset = [&](int q) { return Near ? place<T>(q << 4) : q * step; };
    complex_number<T> z[Radix];
#pragma unroll
    for (int q = 0; q < Radix; ++q) z[q] = {re[offset(q)], im[offset(q)]};
    if constexpr (Back) {
      transform_points<Radix, true>(z);
      in_turn();
      turn_points<Radix, true>(z, s, at.node, block.roots, T{1});
    } else {
      z[0].re *= scale;
      z[0].im *= scale;
      turn_points<Radix, false>(z, s, at.node, block.roots, scale);
      transform_points<Radix, false>(z);
    }
#pragma unroll
    for (int q = 0; q < Radix; ++q) {
      re[offset(q)] = z[q].re;
      im[offset(q)] = z[q].im;
    }
  }
}

template <bool Back, class T>
__device__ __forceinline__ void do_stage(const shared_points<T>& block, const stage& s, int points,
                                         T scale) {
  if (s.part_bits == 4) {
    switch (s.radix_bits) {
      case 1: return do_stage<2, true, Back>(block, s, points, scale);
      case 2: return do_stage<4, true, Back>(block, s, points, scale);
      case 3: return do_stage<8, true, Back>(block, s, points, scale);
      default: return do_stage<16, true, Back>(block, s, points, scale);
    }
  }
  switch (s.radix_bits) {
    case 1: return do_stage<2, false, Back>(block, s, points, scale);
    case 2: return do_stage<4, false, Back>(block, s, points, scale);
    case 3: return do_stage<8, false, Back>(block, s, points, scale);
    default: return do_stage<16, false, Back>(block, s, points, scale);
  }
}

/// The last stage, the product with the spectrum and the first stage back, all in registers, to points that lie `on`
/// places further on: where they were, or beside all of them.
template <class T>
__device__ __forceinline__ void do_product(const shared_points<T>& block, int on, const stage& s,
                                           int points, const complex_number<T>* spectrum) {
  const int butterflies = points >> last_radix_bits;
#pragma unroll 1
  for (int b = thread_of_block(); b < butterflies; b += block_threads) {
    const butterfly at = butterfly_at<T>(b, last_radix_bits, 0);
    T* const re = block.re + place<T>(at.first);
    T* const im = block.im + place<T>(at.first);
    complex_number<T> z[last_radix];
#pragma unroll
    for (int q = 0; q < last_radix; ++q) z[q] = {re[q], im[q]};
    turn_points<last_radix, false>(z, s, at.node, block.roots, T{1});
    transform_points<last_radix, false>(z);
#pragma unroll
    for (int q = 0; q < last_radix; ++q) {
      if (q % 4 == 0) in_turn();
      z[q] = times(z[q], load_global(spectrum + q * butterflies + b));
    }
    transform_points<last_radix, true>(z);
    in_turn();
    turn_points<last_radix, true>(z, s, at.node, block.roots, T{1});
#pragma unroll
    for (int q = 0; q < last_radix; ++q) {
      re[on + q] = z[q].re;
      im[on + q] = z[q].im;
    }
  }
}

/// The points, times `scale`, through all stages but the last. All threads of the block, as for what follows: they have
/// to be there, and are when this ends.
template <class T>
__device__ __forceinline__ void transform_points_there(const shared_points<T>& block,
                                                       const transform& t, T scale) {
#pragma unroll 1
  for (int i = 0; i < t.count - 1; ++i) {
    do_stage<false>(block, t.stages[i], t.points, i == 0 ? scale : T{1});
    __syncthreads();
  }
}

/// What that has left, convolved with the filter of the spectrum, `on` places further on.
template <class T>
__device__ __forceinline__ void convolve_transformed(const shared_points<T>& block, int on,
                                                     const transform& t,
                                                     const complex_number<T>* spectrum) {
  do_product(block, on, t.stages[t.count - 1], t.points, spectrum);
  __syncthreads();
  const shared_points<T> results{block.re + on, block.im + on, block.roots};
#pragma unroll 1
  for (int i = t.count - 2; i >= 0; --i) {
    do_stage<true>(results, t.stages[i], t.points, T{1});
    __syncthreads();
  }
}

/// The points, times `scale`, convolved with the filter of the spectrum.
template <class T>
__device__ __forceinline__ void convolve_points(const shared_points<T>& block, const transform& t,
                                                const complex_number<T>* spectrum, T scale) {
  transform_points_there(block, t, scale);
  convolve_transformed(block, 0, t, spectrum);
}

}  // namespace convgpu::cuda
