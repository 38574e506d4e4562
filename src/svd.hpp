// SPDX-License-Identifier: Apache-2.0
// Singular value decompositions of small dense matrices.
#pragma once

#include <cstdint>
#include <vector>

namespace convgpu::detail {

/// A(i, j) = Σ over n: left[n][i] · values[n] · right[n][j]. The vectors are of norm 1, those of a side at right angles
/// to one another; the values fall, and none is zero.
struct singular_terms {
  std::vector<double> values;
  std::vector<std::vector<double>> left;
  std::vector<std::vector<double>> right;
};

/// All terms of a matrix that is given row after row. Its largest number is to be around 1: squares of what is
/// below 10^-150 of it are lost.
[[nodiscard]] singular_terms decompose(const std::vector<double>& a, std::int64_t rows,
                                       std::int64_t cols);

/// The first `wanted` terms, or all if there are fewer, of a matrix that is close to one of no higher rank, in a time of
/// about rows · cols · wanted: those of its projection on some more of its columns, which span most of it. None where
/// `wanted` columns leave more than a tenth of it, in the root of summed squares.
[[nodiscard]] singular_terms decompose_leading(const std::vector<double>& a, std::int64_t rows,
                                               std::int64_t cols, std::int64_t wanted);

}  // namespace convgpu::detail
