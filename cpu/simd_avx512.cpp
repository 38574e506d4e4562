// SPDX-License-Identifier: Apache-2.0
// AVX-512 with its byte and word instructions: of 32 registers 16 hold sums.
#define CONVGPU_SIMD_BYTES 64
#define CONVGPU_SIMD_ROWS 8
#define CONVGPU_SIMD_COLS 2
#include "simd_kernels.hpp"

namespace convgpu::cpu::simd {

extern const kernels avx512;
constinit const kernels avx512 = these("avx512");

}  // namespace convgpu::cpu::simd
