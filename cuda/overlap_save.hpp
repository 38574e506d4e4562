// SPDX-License-Identifier: Apache-2.0
// Which blocks cuda/overlap_save takes: for its kernels, and for the choice among algorithms.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bank.hpp"
#include "transform.hpp"

namespace convgpu::cuda {

struct overlap_save_blocks {
  transform_size points;
  std::int64_t rows = 1;  ///< outputs that a block makes
  std::int64_t cols = 1;
  std::int64_t count = 1;                      ///< of planes, channels and parts of the filters
  bank filters{divisor(1), divisor(1), 1, 1};  ///< which of them a block is for
  std::size_t shared = 0;                      ///< bytes
  double accesses = 0;  ///< of shared memory for a point, and what takes as long; for all filters
  double work = 0;      ///< relative to that of other sizes
  double error = 0;     ///< at most, as a fraction of ‖h‖₁·max|x|
};

/// The cheapest size of blocks whose error is allowed; none where no size will do. With filters that see one channel
/// each, blocks that will do for all of them.
[[nodiscard]] std::optional<overlap_save_blocks> overlap_save_blocks_for(const detail::request& r);

/// Whether filters that see one channel each are one launch, and those of a channel share the transforms of its blocks:
/// there are blocks for all of them, and no less is done with larger ones for each by itself.
[[nodiscard]] bool overlap_save_shares(const detail::request& r);

/// A signal in a column is one in a row: rows and columns are exchanged.
[[nodiscard]] inline bool is_column(const detail::normal_form& form) {
  return form.col.in == 1 && form.col.taps == 1 && form.col.out == 1;
}
[[nodiscard]] inline detail::normal_form oriented(detail::normal_form form) {
  if (is_column(form)) std::swap(form.row, form.col);
  return form;
}

/// Roots of the transform; and for each filter its spectrum and, unless taps are integers, that of ones in the places of
/// those that are not zero.
template <class T>
struct overlap_save_tables {
  std::vector<complex_number<T>> numbers;
  int filter_exponent = 0;  ///< all taps have been divided by this power of two
};
template <class T>
[[nodiscard]] overlap_save_tables<T> overlap_save_tables_of(const detail::request& r,
                                                            const overlap_save_blocks& blocks);

/// Samples of a block: rows of it, and of each.
[[nodiscard]] constexpr extent samples_of(transform_size points, int per_point) {
  if (points.rows == 1) return {1, std::int64_t{points.cols} * per_point};
  return {std::int64_t{points.rows} * per_point, points.cols};
}

}  // namespace convgpu::cuda
