// SPDX-License-Identifier: Apache-2.0
// Which outputs see samples that are not finite: those that have one of them under a tap that is not zero.
#pragma once

#include <algorithm>
#include <complex>
#include <convgpu/detail/normal_form.hpp>
#include <cstdint>
#include <vector>

namespace convgpu::cpu {

/// Places of taps that are not zero, without a gap, counted from the first tap: first to last of rows and columns.
struct tap_rectangle {
  std::int64_t top;
  std::int64_t bottom;
  std::int64_t left;
  std::int64_t right;
};

/// All taps that are not zero, taken apart.
template <class Tap>
std::vector<tap_rectangle> rectangles_of(const std::vector<Tap>& taps, const detail::axis& row,
                                         const detail::axis& col) {
  std::vector<tap_rectangle> all;
  std::vector<std::size_t> above;  // those that end in the row before
  for (std::int64_t k = 0; k < row.taps; ++k) {
    std::vector<std::size_t> here;
    const std::int64_t at = k * row.dilation;
    for (std::int64_t l = 0; l < col.taps;) {
      const auto is_zero = [&](std::int64_t c) {
        return taps[static_cast<std::size_t>(k * col.taps + c)] == Tap{};
      };
      if (is_zero(l)) {
        ++l;
        continue;
      }
      std::int64_t end = l + 1;
      while (col.dilation == 1 && end < col.taps && !is_zero(end)) ++end;
      const std::int64_t left = l * col.dilation;
      const std::int64_t right = (end - 1) * col.dilation;
      const auto same =
          std::lower_bound(above.begin(), above.end(), left,
                           [&](std::size_t i, std::int64_t value) { return all[i].left < value; });
      if (same != above.end() && all[*same].left == left && all[*same].right == right &&
          all[*same].bottom + 1 == at) {
        all[*same].bottom = at;
        here.push_back(*same);
      } else {
        here.push_back(all.size());
        all.push_back({at, at, left, right});
      }
      l = end;
    }
    above = std::move(here);
  }
  return all;
}

/// Marks for the outputs of a block: in each row where marks begin and end, summed up when they are read.
class spoilt_outputs {
 public:
  static std::size_t bytes(std::int64_t rows, std::int64_t cols) noexcept {
    return static_cast<std::size_t>(rows * (cols + 1)) * sizeof(std::int32_t);
  }

  spoilt_outputs(void* memory, std::int64_t rows, std::int64_t cols) noexcept
      : marks_(static_cast<std::int32_t*>(memory)), rows_(rows), cols_(cols) {
    std::fill_n(marks_, rows * (cols + 1), 0);
  }

  /// Samples `first` to `last` of a row, counted from the first sample that the first output sees, are not finite.
  void mark(const std::vector<tap_rectangle>& taps, std::int64_t row, std::int64_t first,
            std::int64_t last, std::int64_t row_reach, std::int64_t col_reach) noexcept {
    for (const tap_rectangle& t : taps) {
      const std::int64_t begin = std::max<std::int64_t>(first + t.left - (col_reach - 1), 0);
      const std::int64_t end = std::min(last + t.right - (col_reach - 1), cols_ - 1) + 1;
      const std::int64_t top = std::max<std::int64_t>(row + t.top - (row_reach - 1), 0);
      const std::int64_t bottom = std::min(row + t.bottom - (row_reach - 1), rows_ - 1);
      if (begin >= end) continue;
      for (std::int64_t r = top; r <= bottom; ++r) {
        ++marks_[r * (cols_ + 1) + begin];
        --marks_[r * (cols_ + 1) + end];
      }
    }
  }

  /// f(row, column) for each that is marked.
  template <class F>
  void for_each(const F& f) const {
    for (std::int64_t r = 0; r < rows_; ++r) {
      std::int32_t open = 0;
      for (std::int64_t c = 0; c < cols_; ++c) {
        open += marks_[r * (cols_ + 1) + c];
        if (open > 0) f(r, c);
      }
    }
  }

 private:
  std::int32_t* marks_;
  std::int64_t rows_;
  std::int64_t cols_;
};

}  // namespace convgpu::cpu
