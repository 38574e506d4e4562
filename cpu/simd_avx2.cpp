// SPDX-License-Identifier: Apache-2.0
// AVX2 and FMA: of 16 registers 8 hold sums. Six rows would fit, but g++ 12 then spills.
#define CONVGPU_SIMD_BYTES 32
#define CONVGPU_SIMD_ROWS 4
#define CONVGPU_SIMD_COLS 2
#include "simd_kernels.hpp"

namespace convgpu::cpu::simd {

extern const kernels avx2;
constinit const kernels avx2 = these("avx2");

}  // namespace convgpu::cpu::simd
