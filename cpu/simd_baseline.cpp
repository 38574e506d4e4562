// SPDX-License-Identifier: Apache-2.0
// What every processor of the architecture has: SSE2 or NEON.
#define CONVGPU_SIMD_BYTES 16
#define CONVGPU_SIMD_ROWS 4
#define CONVGPU_SIMD_COLS 2
#include "simd_kernels.hpp"

namespace convgpu::cpu::simd {

namespace {
#if defined(__SSE2__)
constexpr char name[] = "sse2";
#elif defined(__ARM_NEON)
constexpr char name[] = "neon";
#else
constexpr char name[] = "baseline";
#endif
}  // namespace

extern const kernels baseline;
constinit const kernels baseline = these(name);

}  // namespace convgpu::cpu::simd
