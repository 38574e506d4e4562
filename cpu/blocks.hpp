// SPDX-License-Identifier: Apache-2.0
// What algorithms for several channels have in common: blocks of places, the rows of x̃ that they see, and sums made anew
// where they are not finite.
#pragma once

#include <algorithm>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/border_index.hpp>
#include <convgpu/detail/normal_form.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "rows.hpp"

namespace convgpu::cpu {

/// A rectangle of places, outputs or tiles of them, in some planes, for some rows of the matrix of a group's filters.
struct block {
  std::int64_t group;
  std::int64_t row;  ///< of the matrix, the first
  std::int64_t height;
  std::int64_t plane;
  std::int64_t planes;
  std::int64_t i;  ///< first row of places
  std::int64_t rows;
  std::int64_t j;  ///< first column
  std::int64_t cols;

  [[nodiscard]] std::int64_t places() const noexcept { return planes * rows * cols; }
};

/// So many things, cut into parts of so many.
struct cut {
  std::int64_t all = 1;
  std::int64_t at_once = 1;

  [[nodiscard]] std::int64_t parts() const noexcept { return (all - 1) / at_once + 1; }
};

/// All blocks of a problem.
struct block_grid {
  std::int64_t groups = 1;
  cut height;
  cut planes;
  cut rows;
  cut cols;

  [[nodiscard]] std::int64_t count() const noexcept {
    return groups * height.parts() * planes.parts() * rows.parts() * cols.parts();
  }
  [[nodiscard]] block operator[](std::int64_t n) const noexcept {
    const auto next = [&](const cut& c, std::int64_t& first, std::int64_t& size) {
      first = n % c.parts() * c.at_once;
      size = std::min(c.at_once, c.all - first);
      n /= c.parts();
    };
    block b{};
    next(cols, b.j, b.cols);
    next(rows, b.i, b.rows);
    next(planes, b.plane, b.planes);
    next(height, b.row, b.height);
    b.group = n;
    return b;
  }
  /// Too few blocks for all threads: filters are dealt out, too, in whole panels of so many rows.
  void deal_out(std::int64_t threads, std::int64_t panel) noexcept {
    while (count() < 2 * threads && height.at_once > panel) {
      const std::int64_t panels = (height.at_once - 1) / panel + 1;
      height.at_once = (panels + 1) / 2 * panel;
    }
  }
};

/// Places in panels of `width`: f(panel, first place there, how many, plane, row, column of the block).
template <class F>
void for_each_piece(const block& b, std::int64_t width, const F& f) {
  std::int64_t place = 0;
  for (std::int64_t p = 0; p < b.planes; ++p)
    for (std::int64_t i = 0; i < b.rows; ++i)
      for (std::int64_t j = 0; j < b.cols;) {
        const std::int64_t at = place % width;
        const std::int64_t n = std::min(b.cols - j, width - at);
        f(place / width, at, n, p, i, j);
        place += n;
        j += n;
      }
}

/// The row of a channel of `in` that row `r` of x̃ repeats; null where it is all outside.
inline const std::byte* row_of(const any_const_view& in, std::int64_t plane, std::int64_t channel,
                               std::int64_t r, const detail::normal_form& form) {
  const std::int64_t source = detail::border_index(form.border.kind(), r, form.row.in);
  if (source < 0) return nullptr;
  const strides step = in.step();
  return static_cast<const std::byte*>(in.data()) +
         (plane * step.plane + channel * step.channel + source * step.row) *
             static_cast<std::int64_t>(size_of(form.types.in));
}

/// x̃[first … first+count) of such a row. One that is all outside looks like any row beyond its ends.
template <class Element>
void load_row_of(Element* to, const std::byte* row, std::int64_t step, std::int64_t first,
                 std::int64_t count, typename row_ring<Element>::loader load,
                 const detail::normal_form& form) {
  if (row != nullptr) load(to, row, step, first, count, form);
  else load(to, nullptr, 0, -count, count, form);
}

/// to[i] = from[i·step]
template <class T>
void take_every(std::int64_t step, const T* from, std::int64_t count, T* __restrict to) {
  switch (step) {  // for the compiler to make vectors of
    case 1: std::copy_n(from, count, to); break;
    case 2:
      for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * 2];
      break;
    case 3:
      for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * 3];
      break;
    case 4:
      for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * 4];
      break;
    default:
      for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * step];
  }
}

/// Sums by the definition, in the order of taps: a tap that is zero sees nothing, and no arithmetic on what an output
/// does not see has spoilt them.
template <class Element, class T, class Tap>
class sums_anew {
  static constexpr bool is_complex_sum =
      detail::is_complex_type<Element> || detail::is_complex_type<Tap>;

 public:
  using result = std::conditional_t<is_complex_sum, std::complex<T>, T>;

  /// Taps are those of all filters; none, where no sum can be spoilt.
  sums_anew(const detail::normal_form& form, std::vector<Tap> taps)
      : form_(form), taps_(std::move(taps)) {}

  /// Whether sums may be spoilt at all.
  [[nodiscard]] bool has_work() const noexcept { return !taps_.empty(); }

  /// Those of `count` outputs of a filter that are not finite, from column `j` of row `i` on.
  void mend(result* sums, std::int64_t count, const any_const_view& in, std::int64_t plane,
            std::int64_t f, std::int64_t i, std::int64_t j) const {
    if constexpr (!std::is_integral_v<T>) {
      if (taps_.empty()) return;
      const auto* const numbers = reinterpret_cast<const T*>(sums);
      unsigned spoilt = 0;
      for (std::int64_t n = 0; n < count * (is_complex_sum ? 2 : 1); ++n)
        spoilt |= std::abs(numbers[n]) <= std::numeric_limits<T>::max() ? 0U : 1U;
      if (spoilt == 0) return;
      for (std::int64_t n = 0; n < count; ++n)
        if (is_bad(sums[n])) sums[n] = sum(in, plane, f, i, j + n);
    }
  }

 private:
  static bool is_bad(result x) {
    if constexpr (is_complex_sum) return !std::isfinite(x.real()) || !std::isfinite(x.imag());
    else return !std::isfinite(x);
  }

  result sum(const any_const_view& in, std::int64_t plane, std::int64_t f, std::int64_t i,
             std::int64_t j) const {
    using namespace detail;
    result total{};
    with_element_type(in.type(), [&]<class In>() {
      if constexpr (is_complex_type<In> == is_complex_type<Element>) {
        const std::int64_t first = f / form_.filters * form_.channels;  // of its group
        const std::int64_t step = in.step().col;
        const Tap* tap = taps_.data() + f * form_.channels * form_.row.taps * form_.col.taps;
        for (std::int64_t c = 0; c < form_.channels; ++c)
          for (std::int64_t k = 0; k < form_.row.taps; ++k) {
            const std::byte* const row = row_of(in, plane, first + c, form_.row.at(i, k), form_);
            for (std::int64_t l = 0; l < form_.col.taps; ++l, ++tap) {
              if (*tap == Tap{}) continue;
              const std::int64_t x =
                  border_index(form_.border.kind(), form_.col.at(j, l), form_.col.in);
              const Element sample =
                  row == nullptr || x < 0
                      ? border_value<Element>(form_.border)
                      : number<Element>(reinterpret_cast<const In*>(row)[x * step]);
              using own_tap = std::conditional_t<is_complex_type<Tap>, std::complex<T>, T>;
              total += product<result>(number<own_tap>(*tap), sample);
            }
          }
      }
    });
    return total;
  }

  detail::normal_form form_;
  std::vector<Tap> taps_;
};

}  // namespace convgpu::cpu
