// SPDX-License-Identifier: Apache-2.0
// Tensor cores: products of small matrices by the lanes of a warp.

#include <algorithm>
#include <bit>
#include <cmath>

#include "execution.hpp"

namespace cuda_on_host {
namespace {

using detail::matrix_fragments;

constexpr int rows = 16;
constexpr int cols = 8;
constexpr int most_depth = 16;
constexpr int at_once = 4;  // products that are added to a sum

/// As TF32 is: the lower 13 bits of an f32 are not looked at.
double tf32_of(std::uint32_t word) {
  return static_cast<double>(std::bit_cast<float>(word & 0xffffe000u));
}
double bf16_of(std::uint32_t half) {
  return static_cast<double>(std::bit_cast<float>(half << 16));
}
double f16_of(std::uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 0x1fu);
  const int mantissa = static_cast<int>(half & 0x3ffu);
  const double magnitude = exponent == 0      ? std::ldexp(mantissa, -24)
                           : exponent == 0x1f ? (mantissa == 0 ? INFINITY : NAN)
                                              : std::ldexp(mantissa + 0x400, exponent - 25);
  return (half & 0x8000u) != 0 ? -magnitude : magnitude;
}

int numbers_of_word(matrix_numbers of) {
  return of == matrix_numbers::tf32 ? 1 : 2;
}
double number_of(matrix_numbers of, std::uint32_t word, int i) {
  if (of == matrix_numbers::tf32) return tf32_of(word);
  const std::uint32_t half = i == 0 ? word & 0xffffu : word >> 16;
  return of == matrix_numbers::f16 ? f16_of(half) : bf16_of(half);
}

/// 2^e, in the middle of the range of a double.
double power_of_two(int e) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
}
/// Of a number that is not 0 and not denormal.
int exponent_of(double x) {
  return static_cast<int>(std::bit_cast<std::uint64_t>(x) >> 52 & 0x7ffu) - 1023;
}

/// Towards zero, to 24 bits.
float cut_off(double x) {
  constexpr std::uint64_t lost = (std::uint64_t{1} << 29) - 1;
  return static_cast<float>(std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & ~lost));
}

float add_products(float sum, const double* a, const double* b) {
  double products[at_once];
  double most = std::fabs(static_cast<double>(sum));
  bool finite = std::isfinite(sum);
  for (int i = 0; i < at_once; ++i) {
    products[i] = a[i] * b[i];
    most = std::max(most, std::fabs(products[i]));
    finite = finite && std::isfinite(products[i]);
  }
  if (!finite) {
    double all = static_cast<double>(sum);
    for (const double p : products) all += p;
    return static_cast<float>(all);
  }
  if (most == 0) return sum;
  const int exponent = std::max(exponent_of(most), -126);  // f32 has no smaller ones
  const double per_unit = power_of_two(23 - exponent);
  const auto units = [per_unit](double x) { return static_cast<std::int64_t>(x * per_unit); };
  std::int64_t all = units(static_cast<double>(sum));
  for (const double p : products) all += units(p);
  return cut_off(static_cast<double>(all) * power_of_two(exponent - 23));
}

/// The thread sanitizer would see a lane read what others have.
CUDA_ON_HOST_UNSEEN void copy(matrix_fragments& to, const matrix_fragments& from) {
  to.of = from.of;
  for (int i = 0; i < 4; ++i) to.a.data()[i] = from.a.data()[i];
  for (int i = 0; i < 2; ++i) to.b.data()[i] = from.b.data()[i];
  for (int i = 0; i < 4; ++i) to.d.data()[i] = from.d.data()[i];
}

}  // namespace

CUDA_ON_HOST_UNSEEN void detail::multiply(const std::array<matrix_fragments*, 32>& lanes) {
  std::array<matrix_fragments, 32> all;
  for (int lane = 0; lane < 32; ++lane) copy(all.data()[lane], *lanes.data()[lane]);
  const matrix_numbers of = all[0].of;
  const int in_word = numbers_of_word(of);
  const int depth = 8 * in_word;
  double a[rows][most_depth];
  double b[cols][most_depth];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4;
    const int word = lane % 4;
    const matrix_fragments& f = all.data()[lane];
    for (int i = 0; i < in_word; ++i) {
      for (int part = 0; part < 4; ++part)
        a[group + part % 2 * 8][(word + part / 2 * 4) * in_word + i] =
            number_of(of, f.a.data()[part], i);
      for (int part = 0; part < 2; ++part)
        b[group][(word + part * 4) * in_word + i] = number_of(of, f.b.data()[part], i);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    matrix_fragments& f = all.data()[lane];
    for (int part = 0; part < 4; ++part) {
      const double* const row = a[lane / 4 + part / 2 * 8];
      const double* const col = b[lane % 4 * 2 + part % 2];
      float sum = f.d.data()[part];
      for (int k = 0; k < depth; k += at_once) sum = add_products(sum, row + k, col + k);
      f.d.data()[part] = sum;
    }
    copy(*lanes.data()[lane], f);
  }
}

void multiply_add(matrix_numbers of, float (&d)[4], const std::uint32_t (&a)[4],
                  const std::uint32_t (&b)[2]) {
  matrix_fragments mine{of, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
  detail::meet_in_warp(detail::warp_operation::multiply, ~0u,
                       reinterpret_cast<std::uint64_t>(&mine), detail::every_lane);
  std::copy(mine.d.begin(), mine.d.end(), d);
}

}  // namespace cuda_on_host
