// SPDX-License-Identifier: Apache-2.0
// Integers too large for one transform as sums of smaller ones.
//
//     x = Σ_a x_a·2^(a·bits),    −2^(bits−1) ≤ x_a ≤ 2^(bits−1) for all but the last
//
// A convolution is then the sum of those of all pairs of limbs, each rounded to the integers that it is.
#pragma once

#include <cmath>
#include <cstdint>

namespace convgpu::cpu {

struct limbs {
  int count = 1;
  int bits = 0;  ///< of each but the last

  /// Of numbers whose magnitude is at most 2^magnitude_bits.
  static limbs of(int count, int magnitude_bits) {
    return {count, count == 1 ? 0 : (magnitude_bits + count) / count};
  }
  /// The largest magnitude of any limb.
  [[nodiscard]] double largest(double number) const {
    if (count == 1) return number;
    return std::fmax(std::ldexp(1.0, bits - 1), std::ldexp(number, -bits * (count - 1)) + 1);
  }
  [[nodiscard]] int shift(int index) const { return index * bits; }

  /// Limb `index` of numbers below 2^51, in their place. Of a half, the next even integer counts, whatever is cut.
  void cut(double* numbers, std::int64_t size, int index) const {
    constexpr double last_bit_is_1 = 0x1.8p52;
    const double one = std::ldexp(1.0, bits);
    const double part = 1 / one;
    for (int a = 0; a < index; ++a)
      for (std::int64_t j = 0; j < size; ++j)
        numbers[j] = (numbers[j] * part + last_bit_is_1) - last_bit_is_1;
    if (index + 1 == count) return;
    for (std::int64_t j = 0; j < size; ++j)
      numbers[j] -= one * ((numbers[j] * part + last_bit_is_1) - last_bit_is_1);
  }
};

}  // namespace convgpu::cpu
