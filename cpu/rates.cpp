// SPDX-License-Identifier: Apache-2.0
// What one of each thing takes, for machines on which nobody has measured, and the problems that it is measured with.

#include "rates.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "parallel.hpp"
#include "simd.hpp"

namespace convgpu::cpu {
namespace {

/// In the order of `rates`.
constexpr std::string_view names[] = {
    "call",
    "hand_off",
    "strip",
    "pointer",
    "row",
    "copied",
    "converted",
    "widened",
    "continued",
    "stored",
    "clamped",
    "rounded",
    "checked",
    "made_anew",
    "joined",
    "square_f32_output",
    "square_f32_product",
    "square_f32_sample",
    "strip_f32_output",
    "strip_f32_product",
    "strip_f32_sample",
    "strip_f64_output",
    "strip_f64_product",
    "strip_f64_sample",
    "strip_i64_output",
    "strip_i64_product",
    "strip_i64_sample",
    "pairs_output",
    "pairs_product",
    "pairs_sample",
    "short_line_f32_output",
    "short_line_f32_product",
    "short_line_f32_sample",
    "short_line_f64_output",
    "short_line_f64_product",
    "short_line_f64_sample",
    "long_line_f32_output",
    "long_line_f32_product",
    "long_line_f32_sample",
    "long_line_f64_output",
    "long_line_f64_product",
    "long_line_f64_sample",
    "plain_output",
    "plain_product",
    "plain_sample",
    "reference_output",
    "reference_product",
    "reference_sample",
    "passes_f32_output",
    "passes_f32_down",
    "passes_f32_along",
    "passes_f32_down_folded",
    "passes_f32_along_folded",
    "passes_f32_box_output",
    "passes_f32_box",
    "passes_f64_output",
    "passes_f64_down",
    "passes_f64_along",
    "passes_f64_down_folded",
    "passes_f64_along_folded",
    "passes_f64_box_output",
    "passes_f64_box",
    "passes_i32_output",
    "passes_i32_down",
    "passes_i32_along",
    "passes_i32_down_folded",
    "passes_i32_along_folded",
    "passes_i32_box_output",
    "passes_i32_box",
    "passes_i64_output",
    "passes_i64_down",
    "passes_i64_along",
    "passes_i64_down_folded",
    "passes_i64_along_folded",
    "passes_i64_box_output",
    "passes_i64_box",
    "byte_l3",
    "byte_memory",
    "transform_f32",
    "transform_f64",
    "transform_parted",
    "transform_rounded",
    "gemm_f32",
    "gemm_f64",
    "gemm_i32",
    "gemm_i64",
    "apart",
    "packed",
    "single_f32",
    "single_f64",
    "single_i32",
    "single_i64",
    "tiles_in",
    "tiles_out",
};
constexpr std::size_t count = std::size(names);
static_assert(count * sizeof(double) == sizeof(rates));

/// The processor, in words that mean the same to every run on such a one.
std::string processor() {
#if defined(__x86_64__)
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return "x86-64";
  std::string vendor;
  for (const unsigned part : {b, d, c})
    vendor.append(reinterpret_cast<const char*>(&part), sizeof part);
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return vendor;
  unsigned family = a >> 8 & 0xf;
  unsigned model = a >> 4 & 0xf;
  if (family == 6 || family == 15) model += (a >> 16 & 0xf) << 4;
  if (family == 15) family += a >> 20 & 0xff;
  return vendor + " family " + std::to_string(family) + " model " + std::to_string(model);
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "unknown processor";
#endif
}

struct built_in_table {
  std::string_view level;
  std::string_view processor;  // that it was measured on
  std::array<double, count> values;
};

// Medians of three runs of `convgpu calibrate`, with CONVGPU_SIMD set to each of these: on a Zen 4 (family 25, model 17) on
// 2026-11-21, on a Zen 3 (model 1), which has no more than AVX2, on 2026-11-29. Of a processor that nobody has measured, its
// instruction set is all that is known. On Zen 4, rates of rounding, of what transforms load and store, and of cpu/gemm are
// later, and were measured beside other work.
// What another thread's share is late by is no result of that, but what waking a thread takes.
constexpr built_in_table built_in[] = {
    {"sse2",
     "AMD EPYC (Zen 4)",
     {2.57e-07, 5e-06,    1.41e-08, 0,        4.38e-09, 0,        1.81e-10, 1.65e-10, 2.09e-09,
      3.35e-10, 6.46e-10, 6.18e-10, 4.6e-10,  1.65e-10, 7.26e-10, 6.01e-10, 4.45e-11, 0,
      2.36e-10, 5.73e-11, 0,        4.16e-10, 1.12e-10, 0,        3.69e-10, 3.25e-10, 1.44e-11,
      0,        2.33e-11, 1.67e-11, 1.14e-10, 6.1e-11,  0,        4.14e-10, 6.01e-11, 0,
      0,        6.25e-11, 0,        1.96e-10, 1.26e-10, 0,        1e-09,    3.3e-10,  0,
      2.29e-09, 4.07e-09, 0,        3.26e-10, 7.08e-11, 5.76e-11, 4.57e-11, 3.75e-11, 1.15e-10,
      1.33e-11, 7.04e-10, 1.35e-10, 1.03e-10, 7.84e-11, 9.31e-11, 2.18e-10, 3.55e-11, 3.7e-10,
      1.46e-10, 1.46e-10, 7.95e-11, 8.19e-11, 8.97e-11, 8.12e-12, 3.69e-09, 3.55e-10, 2.5e-10,
      3.4e-10,  3.4e-10,  0,        0,        1.05e-11, 5.2e-11,  9.83e-10, 1.04e-09, 3.4e-10,
      1.14e-09, 5.5e-11,  1.3e-10,  1.8e-10,  3e-10,    4e-10,    6e-09,    1.7e-10,  3.6e-10,
      4e-10,    1e-09,    4e-09,    4e-09}},
    {"avx2",
     "AMD EPYC (Zen 3)",
     {3.17e-07, 5e-06,    9e-09,    6.15e-09, 1.29e-08, 9.74e-11, 4.69e-11, 9.76e-11, 1.52e-09,
      6.78e-11, 6.15e-10, 3e-10,    3.85e-10, 1.18e-10, 1.02e-09, 4.65e-13, 1.3e-11,  3.2e-11,
      1.43e-10, 1.8e-11,  1.1e-11,  2.45e-10, 3.14e-11, 3.67e-11, 3.12e-10, 4.83e-11, 2.86e-11,
      5.85e-11, 9.57e-12, 1.83e-11, 1.11e-10, 3.17e-11, 0,        2.44e-10, 6.41e-11, 0,
      5.56e-11, 2.36e-11, 0,        0,        4.79e-11, 0,        1e-09,    3.3e-10,  0,
      4.07e-09, 3.79e-09, 0,        3.02e-10, 2.3e-11,  3.63e-11, 1.89e-11, 2.32e-11, 9.34e-11,
      6.15e-12, 6.01e-10, 4.06e-11, 7.35e-11, 3.4e-11,  4.31e-11, 6.4e-11,  1.92e-11, 2.46e-10,
      3.24e-11, 3.77e-11, 1.69e-11, 2.43e-11, 4.53e-11, 4.21e-12, 5.57e-09, 3.31e-10, 3.13e-10,
      3.4e-10,  3.4e-10,  0,        0,        1.87e-11, 5.74e-11, 1.09e-09, 9.08e-10, 4.1e-10,
      8.58e-10, 2.24e-11, 4.23e-11, 2.73e-11, 5.48e-11, 3.14e-11, 3.68e-10, 4.12e-11, 1.42e-10,
      4.48e-11, 8.06e-11, 1.93e-09, 1.12e-09}},
    {"avx512",
     "AMD EPYC (Zen 4)",
     {2.34e-07, 5e-06,    1.73e-08, 0,        1.43e-08, 1.18e-11, 3.2e-11,  2.3e-11,  1.51e-09,
      5.26e-11, 6.63e-10, 1.63e-10, 2.28e-10, 9.75e-11, 7.79e-10, 3.02e-11, 1.8e-11,  0,
      8.54e-11, 1.39e-11, 2.89e-11, 1.47e-10, 3.6e-11,  0,        3.1e-10,  3.82e-11, 1.99e-11,
      3.41e-11, 8.75e-12, 1.09e-11, 4.94e-11, 2.13e-11, 0,        8e-11,    4.26e-11, 0,
      0,        1.79e-11, 0,        0,        3.62e-11, 0,        1e-09,    3.3e-10,  0,
      2.46e-09, 4.04e-09, 0,        1.18e-10, 2.64e-11, 1.8e-11,  1.68e-11, 1.57e-11, 1.71e-10,
      1.61e-12, 2.3e-10,  4.03e-11, 4.04e-11, 2.36e-11, 2.65e-11, 1.46e-10, 8.05e-12, 1.21e-10,
      2.31e-11, 2.85e-11, 1.39e-11, 1.86e-11, 1.41e-10, 1.11e-12, 3.45e-09, 3.5e-10,  2.63e-10,
      3.4e-10,  3.4e-10,  0,        0,        1.05e-11, 5.09e-11, 8.57e-10, 8.96e-10, 3.4e-10,
      7.98e-10, 1.85e-11, 3.6e-11,  2.3e-11,  4.4e-11,  2e-10,    1.8e-09,  4.3e-11,  9.5e-11,
      5e-11,    1.1e-10,  1.2e-09,  1.2e-09}},
    {"avx512_vnni",
     "AMD EPYC (Zen 4)",
     {2.45e-07, 5e-06,    1.61e-08, 1.88e-10, 1.3e-08,  1.67e-11, 5.29e-11, 2.32e-11, 1.57e-09,
      4.1e-11,  6.65e-10, 1.78e-10, 2.28e-10, 8.57e-11, 7.53e-10, 3.35e-11, 1.78e-11, 0,
      8.91e-11, 1.41e-11, 2.9e-11,  1.59e-10, 3.66e-11, 0,        3.13e-10, 3.8e-11,  2.09e-11,
      0,        6.26e-12, 1.57e-11, 4.49e-11, 2.16e-11, 0,        9.17e-11, 4.2e-11,  0,
      9.86e-12, 1.8e-11,  0,        0,        3.63e-11, 0,        1e-09,    3.3e-10,  0,
      2.26e-09, 4.04e-09, 0,        1.13e-10, 2.63e-11, 1.73e-11, 1.59e-11, 1.63e-11, 2.08e-10,
      5.93e-13, 2.23e-10, 3.94e-11, 4.2e-11,  2.35e-11, 2.77e-11, 1.22e-10, 8.48e-12, 1.21e-10,
      2.27e-11, 2.9e-11,  1.34e-11, 1.85e-11, 1.37e-10, 1.28e-12, 3.48e-09, 3.48e-10, 2.64e-10,
      3.4e-10,  3.4e-10,  0,        0,        1.04e-11, 5.17e-11, 8.36e-10, 8.97e-10, 3.1e-10,
      8.26e-10, 1.85e-11, 3.6e-11,  2.3e-11,  4.4e-11,  2e-10,    1.8e-09,  4.3e-11,  9.5e-11,
      5e-11,    1.1e-10,  1.2e-09,  1.2e-09}},
};

const built_in_table& table_of_level() {
  for (const built_in_table& t : built_in)
    if (t.level == simd::best().name) return t;
  return built_in[0];
}

constexpr types f32{dtype::f32, dtype::f32, dtype::f32};
constexpr types f64{dtype::f64, dtype::f64, dtype::f64};
constexpr types cf32{dtype::cf32, dtype::cf32, dtype::cf32};
constexpr types cf32_by_f32{dtype::cf32, dtype::f32, dtype::cf32};
constexpr types i32{dtype::i32, dtype::i32, dtype::i32};
constexpr types i32_to_i64{dtype::i32, dtype::i32, dtype::i64};
constexpr types u8{dtype::u8, dtype::i32, dtype::u8};
constexpr types u8_to_i32{dtype::u8, dtype::i32, dtype::i32};
constexpr types u8_to_f64{dtype::u8, dtype::f64, dtype::f64};
constexpr types u8_by_f64{dtype::u8, dtype::f64, dtype::u8};
constexpr types i16{dtype::i16, dtype::i32, dtype::i16};
constexpr types u16_by_f64{dtype::u16, dtype::f64, dtype::u16};
constexpr types f16{dtype::f16, dtype::f16, dtype::f16};
constexpr types f16_to_f32{dtype::f16, dtype::f32, dtype::f32};

using enum detail::probe_filter;

// The data of each fit in the second level of the caches.
constexpr detail::probe probes[] = {
    {"cpu/overlap_save", {1, 16384}, {1, 255}, f32},
    {"cpu/overlap_save", {1, 65536}, {1, 2047}, f32},
    {"cpu/overlap_save", {128, 128}, {31, 31}, f32},
    {"cpu/overlap_save", {1, 16384}, {1, 255}, f64},
    {"cpu/overlap_save", {128, 128}, {31, 31}, f64},
    {"cpu/overlap_save", {1, 16384}, {1, 255}, cf32},
    {"cpu/overlap_save", {128, 128}, {31, 31}, cf32},
    {"cpu/overlap_save", {128, 128}, {31, 31}, u8},
    {"cpu/overlap_save", {1, 16384}, {1, 255}, i16},
    {"cpu/direct", {1, 1}, {1, 1}, f32},
    {"cpu/direct", {8, 64}, {3, 3}, f32},
    {"cpu/direct", {8, 64}, {3, 3}, f32, random, border::mirror()},
    {"cpu/direct", {16, 16}, {9, 9}, f32},
    {"cpu/direct", {16, 16}, {9, 9}, f32, random, border::mirror()},
    {"cpu/direct", {16, 16}, {31, 31}, f32},
    {"cpu/direct", {16, 16}, {31, 31}, f32, random, border::mirror()},
    {"cpu/direct", {64, 64}, {15, 15}, f32},
    {"cpu/direct", {64, 64}, {15, 15}, f32, random, border::mirror()},
    {"cpu/direct", {64, 64}, {31, 31}, f32},
    {"cpu/direct", {64, 64}, {31, 31}, f32, random, border::mirror()},
    {"cpu/direct", {128, 512}, {9, 9}, f32},
    {"cpu/direct", {128, 512}, {21, 21}, f32},
    {"cpu/direct", {128, 512}, {15, 1}, f32},
    {"cpu/direct", {128, 512}, {2, 2}, f32},
    {"cpu/direct", {128, 512}, {4, 4}, f32},
    {"cpu/direct", {96, 384}, {9, 9}, f64},
    {"cpu/direct", {96, 384}, {21, 21}, f64},
    {"cpu/direct", {96, 384}, {15, 1}, f64},
    {"cpu/direct", {96, 384}, {2, 2}, f64},
    {"cpu/direct", {96, 384}, {4, 4}, f64},
    {"cpu/direct", {96, 384}, {3, 3}, f64},
    {"cpu/direct", {96, 384}, {5, 5}, f64},
    {"cpu/direct", {96, 384}, {7, 7}, f64},
    {"cpu/direct", {96, 384}, {9, 9}, i32_to_i64},
    {"cpu/direct", {96, 384}, {21, 21}, i32_to_i64},
    {"cpu/direct", {96, 384}, {15, 1}, i32_to_i64},
    {"cpu/direct", {96, 384}, {2, 2}, i32_to_i64},
    {"cpu/direct", {96, 384}, {4, 4}, i32_to_i64},
    {"cpu/direct", {96, 384}, {3, 3}, i32_to_i64},
    {"cpu/direct", {96, 384}, {5, 5}, i32_to_i64},
    {"cpu/direct", {96, 384}, {7, 7}, i32_to_i64},
    {"cpu/direct", {96, 384}, {1, 15}, i32_to_i64},
    {"cpu/direct", {128, 512}, {9, 9}, u8_to_i32},
    {"cpu/direct", {128, 512}, {21, 21}, u8_to_i32},
    {"cpu/direct", {128, 512}, {15, 1}, u8_to_i32},
    {"cpu/direct", {128, 512}, {2, 2}, u8_to_i32},
    {"cpu/direct", {128, 512}, {4, 4}, u8_to_i32},
    {"cpu/direct", {128, 512}, {3, 3}, u8_to_i32},
    {"cpu/direct", {128, 512}, {5, 5}, u8_to_i32},
    {"cpu/direct", {128, 512}, {7, 7}, u8_to_i32},
    {"cpu/direct", {128, 512}, {1, 15}, u8_to_i32},
    {"cpu/direct", {128, 512}, {3, 3}, f32},
    {"cpu/direct", {128, 512}, {5, 5}, f32},
    {"cpu/direct", {128, 512}, {7, 7}, f32},
    {"cpu/direct", {96, 384}, {3, 3}, cf32_by_f32},
    {"cpu/direct", {96, 384}, {9, 9}, cf32_by_f32},
    {"cpu/direct", {96, 384}, {3, 3}, cf32},
    {"cpu/direct", {96, 384}, {9, 9}, cf32},
    {"cpu/direct", {1, 32768}, {1, 3}, f32},
    {"cpu/direct", {1, 32768}, {1, 9}, f32},
    {"cpu/direct", {1, 32768}, {1, 24}, f32},
    {"cpu/direct", {1, 32768}, {1, 64}, f32},
    {"cpu/direct", {1, 32768}, {1, 256}, f32},
    {"cpu/direct", {1, 32768}, {1, 1024}, f32},
    {"cpu/direct", {64, 512}, {1, 9}, f32},
    {"cpu/direct", {64, 512}, {1, 128}, f32},
    {"cpu/direct", {1, 32768}, {1, 3}, f64},
    {"cpu/direct", {1, 32768}, {1, 9}, f64},
    {"cpu/direct", {1, 32768}, {1, 24}, f64},
    {"cpu/direct", {1, 32768}, {1, 64}, f64},
    {"cpu/direct", {1, 32768}, {1, 256}, f64},
    {"cpu/direct", {1, 32768}, {1, 1024}, f64},
    {"cpu/direct", {64, 512}, {1, 9}, f64},
    {"cpu/direct", {64, 512}, {1, 128}, f64},
    {"cpu/direct", {96, 384}, {3, 3}, u8},
    {"cpu/direct", {96, 384}, {3, 3}, i16},
    {"cpu/direct", {96, 384}, {3, 3}, f16_to_f32},
    {"cpu/direct", {96, 384}, {3, 3}, f16},
    {"cpu/direct", {96, 384}, {3, 3}, u16_by_f64},
    {"cpu/direct", {96, 384}, {3, 3}, i32},
    {"cpu/direct", {96, 384}, {3, 3}, u8_to_f64},
    {"cpu/direct", {96, 384}, {3, 3}, u8_by_f64, symmetric},
    {"cpu/direct", {96, 384}, {7, 7}, u8_by_f64, symmetric},
    {"cpu/direct", {96, 384}, {7, 7}, u8_by_f64},
    {"cpu/direct", {96, 384}, {15, 15}, u8_by_f64},
    {"cpu/direct", {16, 16}, {9, 9}, u8},
    {"cpu/direct", {16, 16}, {9, 9}, u8, random, border::mirror()},
    {"cpu/separable", {128, 512}, {3, 3}, f32, product},
    {"cpu/separable", {128, 512}, {3, 15}, f32, product},
    {"cpu/separable", {128, 512}, {15, 3}, f32, product},
    {"cpu/separable", {128, 512}, {31, 31}, f32, product},
    {"cpu/separable", {128, 512}, {5, 3}, f32, symmetric},
    {"cpu/separable", {128, 512}, {15, 3}, f32, symmetric},
    {"cpu/separable", {128, 512}, {3, 9}, f32, symmetric},
    {"cpu/separable", {128, 512}, {3, 31}, f32, symmetric},
    {"cpu/separable", {128, 512}, {15, 15}, f32, symmetric},
    {"cpu/separable", {128, 512}, {31, 31}, f32, symmetric},
    {"cpu/separable", {128, 512}, {9, 9}, f32, box},
    {"cpu/separable", {128, 512}, {31, 31}, f32, box},
    {"cpu/separable", {128, 512}, {63, 63}, f32, box},
    {"cpu/separable", {128, 512}, {31, 3}, f32, box},
    {"cpu/separable", {128, 512}, {3, 31}, f32, box},
    {"cpu/separable", {96, 384}, {3, 3}, f64, product},
    {"cpu/separable", {96, 384}, {3, 15}, f64, product},
    {"cpu/separable", {96, 384}, {15, 3}, f64, product},
    {"cpu/separable", {96, 384}, {31, 31}, f64, product},
    {"cpu/separable", {96, 384}, {5, 3}, f64, symmetric},
    {"cpu/separable", {96, 384}, {15, 3}, f64, symmetric},
    {"cpu/separable", {96, 384}, {3, 9}, f64, symmetric},
    {"cpu/separable", {96, 384}, {3, 31}, f64, symmetric},
    {"cpu/separable", {96, 384}, {15, 15}, f64, symmetric},
    {"cpu/separable", {96, 384}, {31, 31}, f64, symmetric},
    {"cpu/separable", {96, 384}, {9, 9}, f64, box},
    {"cpu/separable", {96, 384}, {31, 31}, f64, box},
    {"cpu/separable", {96, 384}, {63, 63}, f64, box},
    {"cpu/separable", {96, 384}, {31, 3}, f64, box},
    {"cpu/separable", {96, 384}, {3, 31}, f64, box},
    {"cpu/separable", {128, 512}, {3, 3}, u8_to_i32, product},
    {"cpu/separable", {128, 512}, {3, 15}, u8_to_i32, product},
    {"cpu/separable", {128, 512}, {15, 3}, u8_to_i32, product},
    {"cpu/separable", {128, 512}, {31, 31}, u8_to_i32, product},
    {"cpu/separable", {128, 512}, {5, 3}, u8_to_i32, symmetric},
    {"cpu/separable", {128, 512}, {15, 3}, u8_to_i32, symmetric},
    {"cpu/separable", {128, 512}, {3, 9}, u8_to_i32, symmetric},
    {"cpu/separable", {128, 512}, {3, 31}, u8_to_i32, symmetric},
    {"cpu/separable", {128, 512}, {15, 15}, u8_to_i32, symmetric},
    {"cpu/separable", {128, 512}, {31, 31}, u8_to_i32, symmetric},
    {"cpu/separable", {128, 512}, {9, 9}, u8_to_i32, box},
    {"cpu/separable", {128, 512}, {31, 31}, u8_to_i32, box},
    {"cpu/separable", {128, 512}, {63, 63}, u8_to_i32, box},
    {"cpu/separable", {128, 512}, {31, 3}, u8_to_i32, box},
    {"cpu/separable", {128, 512}, {3, 31}, u8_to_i32, box},
    {"cpu/separable", {128, 512}, {3, 3}, i16, product},
    {"cpu/separable", {128, 512}, {3, 15}, i16, product},
    {"cpu/separable", {128, 512}, {15, 3}, i16, product},
    {"cpu/separable", {128, 512}, {31, 31}, i16, product},
    {"cpu/separable", {128, 512}, {5, 3}, i16, symmetric},
    {"cpu/separable", {128, 512}, {15, 3}, i16, symmetric},
    {"cpu/separable", {128, 512}, {3, 9}, i16, symmetric},
    {"cpu/separable", {128, 512}, {3, 31}, i16, symmetric},
    {"cpu/separable", {128, 512}, {15, 15}, i16, symmetric},
    {"cpu/separable", {128, 512}, {31, 31}, i16, symmetric},
    {"cpu/separable", {128, 512}, {9, 9}, i16, box},
    {"cpu/separable", {128, 512}, {31, 31}, i16, box},
    {"cpu/separable", {128, 512}, {63, 63}, i16, box},
    {"cpu/separable", {128, 512}, {31, 3}, i16, box},
    {"cpu/separable", {128, 512}, {3, 31}, i16, box},
    {"cpu/separable", {96, 384}, {3, 3}, cf32_by_f32, product},
    {"cpu/separable", {96, 384}, {15, 15}, cf32_by_f32, product},
    {"cpu/separable", {96, 384}, {3, 3}, cf32, product},
    {"cpu/separable", {96, 384}, {15, 15}, cf32, product},
    {"cpu/separable", {16, 16}, {9, 9}, f32, product},
    {"cpu/separable", {16, 16}, {9, 9}, f32, symmetric},
    {"cpu/separable", {16, 16}, {9, 9}, f32, symmetric, border::mirror()},
    {"cpu/separable", {64, 64}, {15, 15}, f32, product},
    {"cpu/separable", {64, 64}, {15, 15}, f32, symmetric},
    {"cpu/separable", {64, 64}, {15, 15}, f32, symmetric, border::mirror()},
    {"cpu/separable", {16, 16}, {9, 9}, f64, product},
    {"cpu/separable", {16, 16}, {9, 9}, f64, symmetric},
    {"cpu/separable", {16, 16}, {9, 9}, f64, symmetric, border::mirror()},
    {"cpu/separable", {64, 64}, {15, 15}, f64, product},
    {"cpu/separable", {64, 64}, {15, 15}, f64, symmetric},
    {"cpu/separable", {64, 64}, {15, 15}, f64, symmetric, border::mirror()},
    {"cpu/separable", {16, 16}, {9, 9}, u8_to_i32, product},
    {"cpu/separable", {16, 16}, {9, 9}, u8_to_i32, symmetric},
    {"cpu/separable", {16, 16}, {9, 9}, u8_to_i32, symmetric, border::mirror()},
    {"cpu/separable", {64, 64}, {15, 15}, u8_to_i32, product},
    {"cpu/separable", {64, 64}, {15, 15}, u8_to_i32, symmetric},
    {"cpu/separable", {64, 64}, {15, 15}, u8_to_i32, symmetric, border::mirror()},
    {"cpu/separable", {48, 96}, {3, 3}, i32_to_i64, product},
    {"cpu/separable", {48, 96}, {15, 3}, i32_to_i64, product},
    {"cpu/separable", {48, 96}, {3, 15}, i32_to_i64, product},
    {"cpu/separable", {48, 96}, {31, 31}, i32_to_i64, product},
    {"cpu/separable", {64, 512}, {5, 5}, u16_by_f64, product},
    {"cpu/separable", {512, 4}, {3, 3}, i32_to_i64, product},
    {"cpu/separable", {512, 4}, {9, 9}, i32_to_i64, product},
    {"cpu/gemm", {24, 28}, {3, 3}, f32, random, border::zero(), 32, 48},
    {"cpu/gemm", {24, 28}, {3, 3}, f32, random, border::zero(), 32, 6},
    {"cpu/gemm", {64, 64}, {7, 7}, f32, random, border::zero(), 2, 12},
    {"cpu/gemm", {14, 14}, {1, 1}, f32, random, border::zero(), 128, 96},
    {"cpu/gemm", {24, 28}, {3, 3}, f64, random, border::zero(), 16, 48},
    {"cpu/gemm", {64, 256}, {3, 3}, cf32},
    {"cpu/gemm", {14, 14}, {1, 1}, f64, random, border::zero(), 64, 6},
    {"cpu/gemm", {24, 28}, {3, 3}, u8_to_i32, random, border::zero(), 16, 24},
    {"cpu/gemm", {14, 14}, {1, 1}, u8_to_i32, random, border::zero(), 64, 4},
    {"cpu/gemm", {24, 28}, {3, 3}, i32_to_i64, random, border::zero(), 16, 24},
    {"cpu/depthwise", {56, 56}, {3, 3}, f32, random, border::zero(), 1, 8},
    {"cpu/depthwise", {40, 300}, {5, 5}, f32, random, border::zero(), 1, 4},
    {"cpu/depthwise", {56, 56}, {3, 3}, f64, random, border::zero(), 1, 8},
    {"cpu/depthwise", {56, 56}, {3, 3}, u8_to_i32, random, border::zero(), 1, 8},
    {"cpu/depthwise", {56, 56}, {3, 3}, i32_to_i64, random, border::zero(), 1, 8},
    {"cpu/winograd", {32, 32}, {3, 3}, f32, random, border::zero(), 32, 48},
    {"cpu/winograd", {32, 32}, {3, 3}, f32, random, border::zero(), 64, 6},
    {"cpu/winograd", {32, 32}, {3, 3}, f32, random, border::zero(), 8, 48},
    {"cpu/winograd", {24, 32}, {3, 3}, f64, random, border::zero(), 24, 24},
    {"cpu/reference", {32, 32}, {3, 3}, f32},
    {"cpu/reference", {32, 32}, {7, 7}, f32},
};

constexpr detail::rate_table::copy copies[] = {
    {"byte_l3", std::size_t{4} << 20},
    {"byte_memory", std::size_t{64} << 20},
};

}  // namespace

rates to_rates(detail::rates values) {
  rates r{};
  std::memcpy(&r, values.data(), sizeof r);
  return r;
}

const detail::rate_table& table_of_rates() {
  static constexpr detail::rate_table table{
      .names = names,
      .built_in =
          [](int) {
            const auto& values = table_of_level().values;
            return std::vector<double>(values.begin(), values.end());
          },
      .source =
          [](int) {
            const built_in_table& rates = table_of_level();
            return "built in, measured on an " + std::string(rates.processor) + " with " +
                   std::string(rates.level);
          },
      .machine = [] { return processor() + ", " + simd::best().name; },
      .probes = probes,
      .copies = copies,
  };
  return table;
}

}  // namespace convgpu::cpu
