// SPDX-License-Identifier: Apache-2.0

#include "simd.hpp"

#include <convgpu/error.hpp>
#include <cstdlib>
#include <string>
#include <vector>

namespace convgpu::cpu::simd {

extern const kernels baseline;
#if defined(__x86_64__) && !defined(CONVGPU_BASELINE_ONLY)
extern const kernels avx2;
extern const kernels avx512;
extern const pairs_kernel avx512_vnni_pairs;
#endif

namespace {

/// What this processor has, best first.
std::vector<const kernels*> available() {
  std::vector<const kernels*> found;
#if defined(__x86_64__) && !defined(CONVGPU_BASELINE_ONLY)
  // These ask the operating system, too, whether it keeps the registers.
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (has_avx512 && __builtin_cpu_supports("avx512vnni")) {
    static const kernels avx512_vnni = [] {
      kernels k = avx512;
      k.name = "avx512_vnni";
      k.i16 = avx512_vnni_pairs;
      return k;
    }();
    found.push_back(&avx512_vnni);
  }
  if (has_avx512) found.push_back(&avx512);
  // Conversion of 16-bit floats (F16C) came before AVX2, and is in every processor that has it.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found.push_back(&avx2);
#endif
  found.push_back(&baseline);
  return found;
}

const kernels& choose() {
  const std::vector<const kernels*> found = available();
  const char* const wanted = std::getenv("CONVGPU_SIMD");
  if (wanted == nullptr || *wanted == 0) return *found.front();
  std::string names;
  for (const kernels* k : found) {
    if (std::string(wanted) == k->name) return *k;
    names += (names.empty() ? "" : ", ") + std::string(k->name);
  }
  throw backend_unavailable("environment variable CONVGPU_SIMD: " + std::string(wanted) +
                            "; allowed on this processor: " + names);
}

}  // namespace

const kernels& best() {
  static const kernels& chosen = choose();
  return chosen;
}

}  // namespace convgpu::cpu::simd
