// SPDX-License-Identifier: Apache-2.0
// The samples of a block of cpu/overlap_save: where they lie if nothing has to be done to them, else loaded with their
// border, without what is not finite, or a limb of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/border_index.hpp>
#include <convgpu/detail/normal_form.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "limbs.hpp"
#include "rows.hpp"

namespace convgpu::cpu {

/// Where the samples of a block come from.
struct block_source {
  const std::byte* plane;
  strides step;
  std::int64_t row;  // of x̃, the block's first
  std::int64_t col;
  std::int64_t rows;  // that outputs see; zeros are beyond
  std::int64_t cols;
  bool in_place;
  bool clean;  // without what is not finite
  int limb;    // of integers
};

template <class Sample>
class block_samples {
 public:
  /// `form` is oriented.
  block_samples(const detail::normal_form& form, limbs cut)
      : form_(form), cut_(cut), load_(row_ring<Sample>::loader_for(form.types.in)) {}

  static bool is_bad(Sample x) {
    if constexpr (detail::is_complex_type<Sample>)
      return !std::isfinite(x.real()) || !std::isfinite(x.imag());
    else return !std::isfinite(x);
  }

  /// `count` samples of a row of the block from `col` on, in place or loaded into `to`.
  const Sample* load(const block_source& s, std::int64_t row, std::int64_t col, std::int64_t count,
                     Sample* to) const {
    const std::int64_t there = row < s.rows ? std::clamp<std::int64_t>(s.cols - col, 0, count) : 0;
    std::fill(to + there, to + count, Sample{});
    if (there == 0) return to;
    const std::int64_t from = detail::border_index(form_.border.kind(), s.row + row, form_.row.in);
    const std::int64_t first = s.col + col;
    if (from < 0) {  // a row that is all outside looks like any row beyond its ends
      load_(to, nullptr, 0, -there, there, form_);
    } else {
      const std::byte* const data =
          s.plane + from * s.step.row * static_cast<std::int64_t>(size_of(form_.types.in));
      if (s.in_place && !s.clean && there == count && first >= 0 && first + count <= form_.col.in)
        return reinterpret_cast<const Sample*>(data) + first;
      load_(to, data, s.step.col, first, there, form_);
    }
    if (s.clean)
      for (std::int64_t j = 0; j < there; ++j)
        if (is_bad(to[j])) to[j] = Sample{};
    if constexpr (std::is_same_v<Sample, double>)
      if (cut_.count > 1) cut_.cut(to, there, s.limb);
    return to;
  }

  /// f(row, first column, samples, count) for all samples that outputs see, up to `longest` of them at a time unless
  /// they are in place.
  template <class F>
  void for_each_piece(const block_source& s, std::int64_t longest, Sample* memory,
                      const F& f) const {
    const bool whole = s.in_place && !s.clean && s.col >= 0 && s.col + s.cols <= form_.col.in;
    for (std::int64_t row = 0; row < s.rows; ++row) {
      const bool inside = s.row + row >= 0 && s.row + row < form_.row.in;
      const std::int64_t piece = whole && inside ? s.cols : longest;
      for (std::int64_t col = 0; col < s.cols; col += piece) {
        const std::int64_t count = std::min(piece, s.cols - col);
        f(row, col, load(s, row, col, count, memory), count);
      }
    }
  }

 private:
  detail::normal_form form_;
  limbs cut_;
  typename row_ring<Sample>::loader load_;
};

}  // namespace convgpu::cpu
