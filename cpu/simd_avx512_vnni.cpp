// SPDX-License-Identifier: Apache-2.0
// Dot products of 16-bit pairs in one instruction; all else is as in AVX-512.
#define CONVGPU_SIMD_BYTES 64
#define CONVGPU_SIMD_ROWS 8
#define CONVGPU_SIMD_COLS 2
#include "simd_kernels.hpp"

namespace convgpu::cpu::simd {

extern const pairs_kernel avx512_vnni_pairs;
constinit const pairs_kernel avx512_vnni_pairs = pairs_of<CONVGPU_SIMD_ROWS>();

}  // namespace convgpu::cpu::simd
