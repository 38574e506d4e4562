// SPDX-License-Identifier: Apache-2.0
// 8-bit integers with float taps: sums in f32, twice as fast as those in f64, that come out as if made in f64. Where
// a sum lies so close to half way between two integers that its error may have taken it across, it is made anew.
#pragma once

#include <algorithm>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/border_index.hpp>
#include <convgpu/detail/normal_form.hpp>
#include <convgpu/view.hpp>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "simd.hpp"
#include "taps.hpp"

namespace convgpu::cpu {

class checked_rounding {
 public:
  /// For sums of so many taps as they come. None where f32 does not lend itself to it: sums that may get large, or are
  /// too often in doubt.
  static std::optional<checked_rounding> of(const types& t, overflow policy,
                                            const std::vector<placed_tap<double>>& taps) {
    if (!is_for(t, policy)) return std::nullopt;
    values all;
    for (const placed_tap<double>& tap : taps) all.add(tap.value);
    // Each tap is rounded once, and each partial sum, of which none is larger than the bound of the last. Taps
    // below the smallest normal float lose less than 2^-149 each.
    const auto count = static_cast<double>(taps.size());
    const double error =
        1.01 * (count + 1) * unit * all.norm1 * largest + count * largest * 0x1p-149;
    return of(t, all.norm1, error, all.are_exact(all.norm1));
  }

  /// For sums down a column of the filter, then along its row, of which `error` is what they leave of its norm. The
  /// factors are normal floats but for their rounding, and the norm of the row is from 1 to below 2.
  static std::optional<checked_rounding> of(const types& t, overflow policy,
                                            const std::vector<double>& column,
                                            const std::vector<double>& row, double error) {
    if (!is_for(t, policy)) return std::nullopt;
    values down;
    values along;
    for (const double tap : column) down.add(tap);
    for (const double tap : row) along.add(tap);
    const double norm1 = down.norm1 * along.norm1;
    const auto count = static_cast<double>(column.size() + row.size());
    // As above, in each pass; two samples may be added up before they are multiplied.
    const double all = 1.01 * (error + (count + 4) * unit) * norm1 * largest + 4 * count * 0x1p-149;
    down.finest *= along.finest;
    down.fits = down.fits && along.fits;
    return of(t, norm1, all, error == 0 && down.are_exact(norm1));
  }

  /// For sums of samples, of which there are so many to an output, that are multiplied by one tap in the end.
  static std::optional<checked_rounding> of_box(const types& t, overflow policy, double tap,
                                                double count) {
    if (!is_for(t, policy) || !(count * largest <= 1 / unit)) return std::nullopt;
    const auto scale = static_cast<float>(tap);
    const double norm1 = std::abs(tap) * count;
    const bool exact = static_cast<double>(scale) == tap && values(tap).are_exact(norm1);
    auto rounding = of(t, norm1, 2.01 * unit * norm1 * largest + 0x1p-126, exact);
    if (rounding) rounding->scale_ = scale;
    return rounding;
  }

  /// The part of all outputs that will be made anew, where sums lie anywhere between two integers.
  [[nodiscard]] double doubtful() const noexcept {
    return 2 * std::max(0.0, static_cast<double>(doubt_));
  }

  /// Bytes of a buffer for so many outputs.
  static std::size_t bytes(std::int64_t cols) noexcept {
    return static_cast<std::size_t>(cols) * (1 + sizeof(std::int32_t)) + sizeof(std::int64_t);
  }

  /// Stores a row of sums. anew(j) → sum j in f64.
  template <class Anew>
  void store(const float* sums, std::int64_t cols, std::byte* buffer, std::byte* to,
             std::int64_t step, const Anew& anew) const {
    switch (out_) {
      case dtype::u8: return store(simd::best().round_u8, sums, cols, buffer, to, step, anew);
      case dtype::i8: return store(simd::best().round_i8, sums, cols, buffer, to, step, anew);
      default: return store(simd::best().round_i32, sums, cols, buffer, to, step, anew);
    }
  }

 private:
  static constexpr double largest = 255;  // of the samples
  static constexpr double unit = 0x1p-24;
  /// One output in 25 would be made anew.
  static constexpr double most_doubt = 0.02;

  struct values {
    values() = default;
    explicit values(double tap) { add(tap); }

    double norm1 = 0;
    double finest = 1;  // power of two that all are multiples of
    bool fits = true;   // into floats

    void add(double tap) {
      norm1 += std::abs(tap);
      fits = fits && static_cast<double>(static_cast<float>(tap)) == tap;
      while (finest > 0x1p-30 && std::remainder(tap, finest) != 0) finest /= 2;
    }
    /// Whether sums of samples with them are, in floats.
    [[nodiscard]] bool are_exact(double norm) const {
      return fits && finest > 0x1p-30 && norm * largest <= finest / unit;
    }
  };

  checked_rounding(dtype out, float doubt) : out_(out), doubt_(doubt) {}

  static bool is_for(const types& t, overflow policy) noexcept {
    const bool narrow = t.in == dtype::u8 || t.in == dtype::i8;
    return narrow && (t.out == t.in || t.out == dtype::i32) && policy == overflow::saturate;
  }
  static std::optional<checked_rounding> of(const types& t, double norm1, double error,
                                            bool exact) {
    if (!(norm1 * largest < 0x1p21)) return std::nullopt;  // floats hold what is left
    if (!exact && error > most_doubt) return std::nullopt;
    return checked_rounding(t.out, exact ? -1.0F : static_cast<float>(error * 1.001));
  }

  template <class Out, class Anew>
  void store(void (*round)(const float*, float, Out*, std::uint8_t*, float, std::int64_t),
             const float* sums, std::int64_t cols, std::byte* buffer, std::byte* to,
             std::int64_t step, const Anew& anew) const {
    auto* const rounded = step == 1 ? reinterpret_cast<Out*>(to) : reinterpret_cast<Out*>(buffer);
    auto* const doubtful =
        reinterpret_cast<std::uint8_t*>(buffer) + static_cast<std::size_t>(cols) * sizeof(Out);
    round(sums, scale_, rounded, doubtful, doubt_, cols);
    std::memset(doubtful + cols, 0, sizeof(std::int64_t));
    for (std::int64_t begin = 0; begin < cols && doubt_ >= 0; begin += 8) {
      std::uint64_t eight;
      std::memcpy(&eight, doubtful + begin, sizeof eight);
      if (eight == 0) continue;
      for (std::int64_t j = begin; j < begin + 8; ++j)
        if (doubtful[j] != 0) rounded[j] = detail::element_of<Out>(anew(j), overflow::saturate);
    }
    if (step != 1)
      for (std::int64_t j = 0; j < cols; ++j) reinterpret_cast<Out*>(to)[j * step] = rounded[j];
  }

  dtype out_;
  float scale_ = 1;
  float doubt_;  // half the width of what is made anew; below 0 for nothing
};

/// What sums in f32 are checked by, and made anew from: taps, and rows of samples as they were loaded.
struct rounded_by_rows {
  checked_rounding check;
  std::vector<placed_tap<double>> taps;

  /// `rows[r]` is where the samples for row r of the filter and the first output begin.
  [[nodiscard]] double sum(const float* const* rows, std::int64_t j) const noexcept {
    double sum = 0;
    for (const placed_tap<double>& tap : taps)
      sum += tap.value * static_cast<double>(rows[tap.row][j + tap.col]);
    return sum;
  }
};

/// The same, from the samples where they lie.
struct rounded_by_input {
  checked_rounding check;
  std::vector<double> taps;  ///< of the whole filter, the last one first: as samples lie

  [[nodiscard]] double sum(const detail::normal_form& form, const any_const_view& in,
                           std::int64_t plane, std::int64_t i, std::int64_t j) const noexcept {
    return in.type() == dtype::u8 ? sum<std::uint8_t>(form, in, plane, i, j)
                                  : sum<std::int8_t>(form, in, plane, i, j);
  }

 private:
  template <class Sample>
  [[nodiscard]] double sum(const detail::normal_form& form, const any_const_view& in,
                           std::int64_t plane, std::int64_t i, std::int64_t j) const noexcept {
    const border_kind kind = form.border.kind();
    const auto outside = detail::border_value<double>(form.border);
    const std::int64_t width = form.col.taps;
    const std::int64_t first = form.col.at(j, width - 1);
    const bool contiguous = first >= 0 && form.col.at(j, 0) < form.col.in &&
                            form.col.dilation == 1 && in.step().col == 1;
    const double* h = taps.data();
    double sums[8] = {};  // side by side, for the compiler to make vectors of
    for (std::int64_t k = form.row.taps - 1; k >= 0; --k, h += width) {
      const std::int64_t row = detail::border_index(kind, form.row.at(i, k), form.row.in);
      const Sample* const x =
          static_cast<const Sample*>(in.data()) + plane * in.step().plane + row * in.step().row;
      std::int64_t l = 0;
      if (contiguous && row >= 0)
        for (; l + 8 <= width; l += 8)
          for (int n = 0; n < 8; ++n) sums[n] += h[l + n] * static_cast<double>(x[first + l + n]);
      for (; l < width; ++l) {
        const std::int64_t col =
            detail::border_index(kind, first + l * form.col.dilation, form.col.in);
        sums[0] +=
            h[l] * (row < 0 || col < 0 ? outside : static_cast<double>(x[col * in.step().col]));
      }
    }
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }
};

}  // namespace convgpu::cpu
