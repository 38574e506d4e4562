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
    "passes_f64_output",
    "passes_f64_down",
    "passes_f64_along",
    "passes_f64_down_folded",
    "passes_f64_along_folded",
    "passes_i32_output",
    "passes_i32_down",
    "passes_i32_along",
    "passes_i32_down_folded",
    "passes_i32_along_folded",
    "passes_i64_output",
    "passes_i64_down",
    "passes_i64_along",
    "passes_i64_down_folded",
    "passes_i64_along_folded",
    "byte_l3",
    "byte_memory",
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
  std::array<double, count> values;
};

// Medians of three runs of `convgpu calibrate` on an AMD EPYC (Zen 4: family 25, model 17), 2026-11-21, with
// CONVGPU_SIMD set to each of these. Of a processor that nobody has measured, its instruction set is all that is known.
// What another thread's share is late by is no result of that, but what waking a thread takes.
constexpr built_in_table built_in[] = {
    {"sse2",
     {2.72e-07, 5e-06,    1.6e-08,  0,        7.75e-09, 0,        1.8e-10,  9.31e-11, 2.15e-09,
      3.33e-10, 9.54e-10, 1.88e-09, 1.22e-09, 0,        6.11e-10, 5.38e-10, 4.61e-11, 0,
      2.19e-10, 5.82e-11, 0,        4.42e-10, 1.13e-10, 0,        3.31e-10, 3.11e-10, 5.17e-11,
      0,        2.64e-11, 6.06e-12, 0,        1.05e-10, 0,        4.47e-10, 5.96e-11, 0,
      9.61e-11, 7.72e-11, 0,        1.82e-10, 1.7e-10,  0,        5e-09,    5e-10,    0,
      2.46e-09, 4.05e-09, 0,        2.36e-10, 7.4e-11,  6.84e-11, 4.7e-11,  4e-11,    7.38e-10,
      1.29e-10, 1.56e-10, 7.67e-11, 9.95e-11, 2.81e-10, 1.47e-10, 1.58e-10, 7.93e-11, 9.07e-11,
      3.44e-09, 3.52e-10, 2.6e-10,  3.4e-10,  3.4e-10,  1.09e-11, 4.91e-11}},
    {"avx2",
     {2.85e-07, 5e-06,    1.21e-08, 1.85e-09, 1.18e-08, 0,        3.63e-11, 1.13e-10, 1.73e-09,
      6.19e-11, 8.46e-10, 1.87e-09, 1.35e-09, 0,        8.06e-10, 6.58e-11, 0,        6.26e-11,
      1.88e-10, 2.15e-11, 0,        2.86e-10, 3.68e-11, 2.4e-11,  3e-10,    4.02e-11, 2.21e-11,
      5.25e-11, 1.06e-11, 8.88e-12, 9.84e-11, 3.36e-11, 0,        2.54e-10, 5.96e-11, 0,
      0,        3.44e-11, 0,        4.81e-10, 6.07e-11, 0,        5e-09,    5e-10,    0,
      2.68e-09, 4.02e-09, 0,        2.22e-10, 2.8e-11,  3.2e-11,  2.17e-11, 1.6e-11,  4.17e-10,
      5.33e-11, 6.9e-11,  4.2e-11,  2.89e-11, 1.49e-10, 2.83e-11, 3.2e-11,  1.86e-11, 1.92e-11,
      3.56e-09, 3.28e-10, 2.91e-10, 3.4e-10,  3.4e-10,  1.06e-11, 4.77e-11}},
    {"avx512",
     {2.63e-07, 5e-06,    1.46e-08, 1.15e-09, 1.48e-08, 0,        3.95e-11, 1.3e-10,  1.75e-09,
      6.8e-11,  9.47e-10, 1.89e-09, 3.18e-10, 8.26e-11, 7.05e-10, 1.66e-11, 1.82e-11, 0,
      1.02e-10, 1.45e-11, 2.8e-11,  2.19e-10, 3.29e-11, 2.33e-11, 1.74e-10, 3.76e-11, 2.31e-11,
      2.92e-12, 9.2e-12,  9.68e-12, 5.09e-11, 3.32e-11, 0,        1.26e-10, 6.12e-11, 0,
      0,        1.89e-11, 0,        6.22e-10, 3.46e-11, 0,        5e-09,    5e-10,    0,
      2.21e-09, 4.08e-09, 0,        1.25e-10, 2.6e-11,  2.75e-11, 1.59e-11, 1.46e-11, 2.25e-10,
      4.76e-11, 6.16e-11, 2.85e-11, 2.56e-11, 0,        2.26e-11, 3.01e-11, 1.2e-11,  1.76e-11,
      3.49e-09, 3.37e-10, 2.7e-10,  3.4e-10,  3.4e-10,  1.05e-11, 4.96e-11}},
    {"avx512_vnni",
     {2.65e-07, 5e-06,    1.57e-08, 1.35e-10, 1.48e-08, 0,        4.24e-11, 1.25e-10, 1.78e-09,
      5.3e-11,  9.56e-10, 1.88e-09, 3.18e-10, 7.46e-11, 7.06e-10, 2.09e-11, 1.82e-11, 1.6e-12,
      9.92e-11, 1.56e-11, 2.47e-11, 2.36e-10, 3.42e-11, 1.4e-11,  1.74e-10, 3.71e-11, 2.55e-11,
      0,        7.4e-12,  1.09e-11, 5.13e-11, 3.3e-11,  0,        1.49e-10, 5.91e-11, 0,
      3.32e-14, 1.91e-11, 0,        6.21e-10, 3.45e-11, 0,        5e-09,    5e-10,    0,
      2.51e-09, 4.01e-09, 0,        1.28e-10, 2.6e-11,  2.92e-11, 1.56e-11, 1.62e-11, 2.3e-10,
      5.13e-11, 6.23e-11, 3.06e-11, 2.57e-11, 2.1e-12,  2.41e-11, 3.22e-11, 1.22e-11, 1.81e-11,
      3.55e-09, 3.45e-10, 2.61e-10, 3.4e-10,  3.4e-10,  1.06e-11, 5.27e-11}},
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
            return "built in, measured on an AMD EPYC (Zen 4) with " +
                   std::string(table_of_level().level);
          },
      .machine = [] { return processor() + ", " + simd::best().name; },
      .probes = probes,
      .copies = copies,
  };
  return table;
}

}  // namespace convgpu::cpu
