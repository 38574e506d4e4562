// SPDX-License-Identifier: Apache-2.0
// What cpu/overlap_save makes of a filter before any data come, and the powers of two that go with its spectrum.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/fft_error.hpp>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "fft.hpp"
#include "overlap_save.hpp"
#include "overlap_save_marks.hpp"

namespace convgpu::cpu {

/// Of taps that are divided by a power of two.
template <class T>
struct filter_spectrum {
  aligned_array<T> points;
  int exponent;
};

/// `form` is oriented.
template <bool Complex, class T, class Tap>
filter_spectrum<T> spectrum_of(const fft<T>& transform, const std::vector<Tap>& taps,
                               const detail::normal_form& form) {
  using wide = wider_than<T>;
  const long double norm = detail::norms_of(taps).one;
  const int exponent = norm == 0 ? 0 : std::ilogb(norm);
  const fft_size size = transform.size();
  std::vector<std::complex<wide>> points(static_cast<std::size_t>(size.points()));
  for (std::int64_t k = 0; k < form.row.taps; ++k)
    for (std::int64_t l = 0; l < form.col.taps; ++l) {
      const Tap tap = taps[static_cast<std::size_t>(k * form.col.taps + l)];
      const auto scaled = [&](auto value) {
        return static_cast<wide>(std::scalbn(static_cast<long double>(value), -exponent));
      };
      std::int64_t row = k * form.row.dilation;
      std::int64_t col = l * form.col.dilation;
      // The second half of the samples is the imaginary part.
      const bool second = !Complex && (size.rows == 1 ? col >= size.cols : row >= size.rows);
      if (second) (size.rows == 1 ? col : row) -= size.rows == 1 ? size.cols : size.rows;
      auto& point = points[static_cast<std::size_t>(row * size.cols + col)];
      if constexpr (detail::is_complex_type<Tap>) point = {scaled(tap.real()), scaled(tap.imag())};
      else if (second) point.imag(scaled(tap));
      else point.real(scaled(tap));
    }
  return {transform.spectrum_of(std::move(points)), exponent};
}

/// One of the filters: the spectra of its limbs, and where its taps are not zero.
template <class T>
struct overlap_save_filter {
  std::vector<filter_spectrum<T>> spectra;
  std::vector<tap_rectangle> rectangles;
};

template <bool Complex, class T, class Tap>
overlap_save_filter<T> overlap_save_filter_of(const fft<T>& transform, const std::vector<Tap>& taps,
                                              const detail::normal_form& form, limbs cut) {
  overlap_save_filter<T> f{{}, rectangles_of(taps, form.row, form.col)};
  if constexpr (std::is_same_v<Tap, std::int32_t>)
    for (int index = 0; index < cut.count; ++index)
      f.spectra.push_back(spectrum_of<Complex>(transform, limb_of(taps, cut, index), form));
  else f.spectra.push_back(spectrum_of<Complex>(transform, taps, form));
  return f;
}

/// Powers of two: what samples are multiplied by, and what results are.
template <class T>
struct scales {
  T in;
  T out;
};

/// For samples up to `most`.
template <class T>
scales<T> scales_for(T most, int filter_exponent) {
  // With these limits neither a scale nor its product with a twiddle is denormal, and transforms are far from
  // overflowing.
  constexpr int limit = std::is_same_v<T, float> ? 100 : 900;
  constexpr int room = std::is_same_v<T, float> ? 40 : 400;
  const int exponent = most == T{} ? 0 : std::clamp(std::ilogb(most), -limit, limit);
  int back = exponent + filter_exponent;
  // Results may be in range where their scale is not.
  const int shift = back > limit    ? std::min(back - limit, room)
                    : back < -limit ? std::max(back + limit, -room)
                                    : 0;
  back = std::clamp(back - shift, std::numeric_limits<T>::min_exponent - 30,
                    std::numeric_limits<T>::max_exponent - 1);
  return {std::scalbn(T{1}, shift - exponent), std::scalbn(T{1}, back)};
}

}  // namespace convgpu::cpu
