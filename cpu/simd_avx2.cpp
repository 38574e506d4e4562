// SPDX-License-Identifier: Apache-2.0
// AVX2 and FMA: of 16 registers 12 hold sums, three samples and one a tap: rows of taps at the ends of a filter meet few
// of the sums, whose products wait for one another. Six rows of two would fit as well, but g++ 12 then spills.
#define CONVGPU_SIMD_BYTES 32
#define CONVGPU_SIMD_ROWS 4
#define CONVGPU_SIMD_COLS 3
#include "simd_kernels.hpp"

namespace convgpu::cpu::simd {

extern const kernels avx2;
constinit const kernels avx2 = these("avx2");

}  // namespace convgpu::cpu::simd
