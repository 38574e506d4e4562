// SPDX-License-Identifier: Apache-2.0
// AVX-512 with dot products of 16-bit pairs in one instruction.
#define CONVGPU_SIMD_BYTES 64
#define CONVGPU_SIMD_ROWS 8
#define CONVGPU_SIMD_COLS 2
#include "simd_kernels.hpp"

namespace convgpu::cpu::simd {

extern const kernels avx512_vnni;
constinit const kernels avx512_vnni = these("avx512_vnni");

}  // namespace convgpu::cpu::simd
