// SPDX-License-Identifier: Apache-2.0
// 8-bit integers with float taps: sums in f32, twice as fast as those in f64, that come out as if made in f64. Where
// a sum lies so close to half way between two integers that its error may have taken it across, it is made anew.
#pragma once

#include <algorithm>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "simd.hpp"
#include "taps.hpp"

namespace convgpu::cpu {

class checked_rounding {
 public:
  /// None where f32 does not lend itself to it: sums that may get large, or are too often in doubt.
  static std::optional<checked_rounding> of(const types& t, overflow policy,
                                            const std::vector<placed_tap<double>>& taps) {
    const bool narrow = t.in == dtype::u8 || t.in == dtype::i8;
    const bool to_integers = t.out == t.in || t.out == dtype::i32;
    if (!narrow || !to_integers || policy != overflow::saturate) return std::nullopt;
    constexpr double largest = 255;  // of the samples
    constexpr double unit = 0x1p-24;
    double norm1 = 0;
    double finest = 1;  // power of two that all taps are multiples of
    bool fits = true;
    for (const placed_tap<double>& tap : taps) {
      if (tap.row >= rows_of_a_group) return std::nullopt;
      norm1 += std::abs(tap.value);
      if (!(norm1 * largest < 0x1p21)) return std::nullopt;  // floats hold what is left
      fits = fits && static_cast<double>(static_cast<float>(tap.value)) == tap.value;
      while (finest > 0x1p-30 && std::remainder(tap.value, finest) != 0) finest /= 2;
    }
    const bool exact = fits && finest > 0x1p-30 && norm1 * largest <= finest / unit;
    // Each tap is rounded once, and each partial sum, of which none is larger than the bound of the last. Taps
    // below the smallest normal float lose less than 2^-149 each.
    const auto count = static_cast<double>(taps.size());
    const double error = 1.01 * (count + 1) * unit * norm1 * largest + count * largest * 0x1p-149;
    if (!exact && error > most_doubt) return std::nullopt;
    return checked_rounding(t.out, exact ? -1.0F : static_cast<float>(error * 1.001), taps);
  }

  /// The part of all outputs that will be made anew, where sums lie anywhere between two integers.
  [[nodiscard]] double doubtful() const noexcept {
    return 2 * std::max(0.0, static_cast<double>(doubt_));
  }

  /// Bytes of a buffer for so many outputs.
  static std::size_t bytes(std::int64_t cols) noexcept {
    return static_cast<std::size_t>(cols) * (1 + sizeof(std::int32_t)) + sizeof(std::int64_t);
  }

  /// Stores a row of sums. `rows[r]` is where the samples for row r of the filter and the first output begin.
  void store(const float* sums, std::int64_t cols, const float* const* rows, std::byte* buffer,
             std::byte* to, std::int64_t step) const {
    switch (out_) {
      case dtype::u8: return store(simd::best().round_u8, sums, cols, rows, buffer, to, step);
      case dtype::i8: return store(simd::best().round_i8, sums, cols, rows, buffer, to, step);
      default: return store(simd::best().round_i32, sums, cols, rows, buffer, to, step);
    }
  }

 private:
  /// One output in 25 would be made anew.
  static constexpr double most_doubt = 0.02;

  checked_rounding(dtype out, float doubt, std::vector<placed_tap<double>> taps)
      : out_(out), doubt_(doubt), taps_(std::move(taps)) {}

  template <class Out>
  void store(void (*round)(const float*, Out*, std::uint8_t*, float, std::int64_t),
             const float* sums, std::int64_t cols, const float* const* rows, std::byte* buffer,
             std::byte* to, std::int64_t step) const {
    auto* const rounded = step == 1 ? reinterpret_cast<Out*>(to) : reinterpret_cast<Out*>(buffer);
    auto* const doubtful =
        reinterpret_cast<std::uint8_t*>(buffer) + static_cast<std::size_t>(cols) * sizeof(Out);
    round(sums, rounded, doubtful, doubt_, cols);
    std::memset(doubtful + cols, 0, sizeof(std::int64_t));
    for (std::int64_t begin = 0; begin < cols && doubt_ >= 0; begin += 8) {
      std::uint64_t eight;
      std::memcpy(&eight, doubtful + begin, sizeof eight);
      if (eight == 0) continue;
      for (std::int64_t j = begin; j < begin + 8; ++j)
        if (doubtful[j] != 0)
          rounded[j] = detail::element_of<Out>(sum(rows, j), overflow::saturate);
    }
    if (step != 1)
      for (std::int64_t j = 0; j < cols; ++j) reinterpret_cast<Out*>(to)[j * step] = rounded[j];
  }

  [[nodiscard]] double sum(const float* const* rows, std::int64_t j) const noexcept {
    double sum = 0;
    for (const placed_tap<double>& tap : taps_)
      sum += tap.value * static_cast<double>(rows[tap.row][j + tap.col]);
    return sum;
  }

  dtype out_;
  float doubt_;  // half the width of what is made anew; below 0 for nothing
  std::vector<placed_tap<double>> taps_;
};

}  // namespace convgpu::cpu
