// SPDX-License-Identifier: Apache-2.0
// What cpu/overlap_save would do with a problem, and what it costs: for the choice among algorithms.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "fft.hpp"
#include "limbs.hpp"
#include "simd.hpp"

namespace convgpu::cpu {

/// Of integer samples.
inline constexpr int most_sample_limbs = 2;

/// The cheapest size of blocks whose error is allowed.
struct overlap_save_blocks {
  fft_size points;
  std::int64_t rows = 1;  ///< outputs that a block makes
  std::int64_t cols = 1;
  std::int64_t count = 1;    ///< of a channel, in all planes
  std::int64_t filters = 1;  ///< of a channel: what a block is transformed for
  static constexpr std::int64_t most_at_once = 8;
  std::int64_t at_once = 1;  ///< blocks for which spectra of filters are read once
  double seconds =
      0;             ///< of all, on one thread of the machine that the transforms were measured on
  double error = 0;  ///< at most: as a fraction of ‖h‖₁·max|x|; of integers, as it is
  limbs samples;     ///< of integers
  limbs taps;

  /// Products of spectra for the outputs of a block.
  [[nodiscard]] int products() const noexcept { return samples.count * taps.count; }
  /// Whether what the samples of a block have been transformed into is of use more than once.
  [[nodiscard]] bool keeps_spectra() const noexcept { return filters * taps.count > 1; }
};

/// One size for all filters, if they see one channel each. None where the error of all sizes is more than is allowed,
/// of each filter by itself.
[[nodiscard]] std::optional<overlap_save_blocks> overlap_save_blocks_for(const detail::request& r);

[[nodiscard]] std::vector<std::int32_t> limb_of(const std::vector<std::int32_t>& taps, limbs cut,
                                                int index);

/// A signal in a column is one in a row: rows and columns are exchanged.
inline bool is_column(const detail::normal_form& form) {
  return form.col.in == 1 && form.col.taps == 1 && form.col.out == 1;
}
inline detail::normal_form oriented(detail::normal_form form) {
  if (is_column(form)) std::swap(form.row, form.col);
  return form;
}

/// Samples of a block: rows of it, and of each.
inline extent samples_of(fft_size points, int per_point) {
  if (points.rows == 1) return {1, points.cols * per_point};
  return {points.rows * per_point, points.cols};
}

template <class T>
const simd::fft<T>& fft_passes() {
  if constexpr (std::is_same_v<T, float>) return simd::best().f32_fft;
  else return simd::best().f64_fft;
}

}  // namespace convgpu::cpu
