// SPDX-License-Identifier: Apache-2.0
// Instructions of tensor cores, of compute capability 8.0 and later. Lane 4·g + t of a warp holds of a product
// d += a·b of 16 x k by k x 8 numbers, words of 32 bits, of which one is a number of f32 or two neighbours of 16 bits:
//
//     a  row g, word t    row g + 8, word t    row g, word t + 4    row g + 8, word t + 4
//     b  words t and t + 4 of column g
//     d  row g, columns 2t and 2t + 1    row g + 8, columns 2t and 2t + 1
#pragma once

#include <cuda_runtime.h>

#include <convgpu/types.hpp>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "mma.hpp"

namespace convgpu::cuda {

/// A word of shared memory, whatever the type of the elements that it was written as.
__device__ __forceinline__ std::uint32_t load_word(const std::byte* at) {
#if defined(CUDA_ON_HOST)
  std::uint32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
#else
  return *reinterpret_cast<const std::uint32_t*>(at);
#endif
}

/// rounded_to_tf32 in one instruction.
__device__ __forceinline__ float to_tf32(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t word = 0;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
  return __uint_as_float(word);
#else
  return rounded_to_tf32(x);
#endif
}

/// d += a·b by all lanes of a warp. Numbers of f32 are TF32.
template <class Number>
__device__ __forceinline__ void multiply_add(float (&d)[4], const std::uint32_t (&a)[4],
                                             std::uint32_t b0, std::uint32_t b1) {
#if defined(CUDA_ON_HOST)
  using cuda_on_host::matrix_numbers;
  constexpr matrix_numbers numbers = std::is_same_v<Number, float> ? matrix_numbers::tf32
                                     : std::is_same_v<Number, f16> ? matrix_numbers::f16
                                                                   : matrix_numbers::bf16;
  const std::uint32_t b[2] = {b0, b1};
  cuda_on_host::multiply_add(numbers, d, a, b);
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define CONVGPU_MMA(shape_and_types)                    \
  asm("mma.sync.aligned." shape_and_types               \
      " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, " \
      "{%0, %1, %2, %3};"                               \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])  \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1))
  if constexpr (std::is_same_v<Number, float>) CONVGPU_MMA("m16n8k8.row.col.f32.tf32.tf32.f32");
  else if constexpr (std::is_same_v<Number, f16>) CONVGPU_MMA("m16n8k16.row.col.f32.f16.f16.f32");
  else CONVGPU_MMA("m16n8k16.row.col.f32.bf16.bf16.f32");
#undef CONVGPU_MMA
#endif
}

}  // namespace convgpu::cuda
