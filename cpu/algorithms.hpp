// SPDX-License-Identifier: Apache-2.0
// The algorithms of the CPU backend, each made ready in a file of its own name.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <memory>
#include <string>

namespace convgpu::cpu {

/// The definition, written as plainly as it can be.
[[nodiscard]] std::unique_ptr<const detail::runnable> make_reference(const detail::request& r);

/// A filter that is a column times a row, as two passes over strips of rows.
[[nodiscard]] std::string refuse_separable(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_separable(const detail::request& r);

/// Blocks that overlap, each convolved by a transform. Refuses strides, and what its error would be too large for.
/// Made ready for several filters too, if they see one channel each and none of them is refused.
[[nodiscard]] std::string refuse_overlap_save(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_overlap_save(const detail::request& r);

/// Products of matrices, whose patches are put together block by block. Refuses sums of 128 bits, and filters that
/// reach over too much for a block.
[[nodiscard]] std::string refuse_gemm(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_gemm(const detail::request& r);

/// Tiles of outputs of filters of 3 x 3, by fewer products than they have. Refuses other filters, strides and
/// dilations, integers and complex numbers, and what its error would be too large for.
[[nodiscard]] std::string refuse_winograd(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_winograd(const detail::request& r);

/// Filters that see one channel each, all in one go. Refuses complex numbers, sums of 128 bits, and filters that reach
/// over too much for a block.
[[nodiscard]] std::string refuse_depthwise(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_depthwise(const detail::request& r);

/// Direct summation, row by row, on all threads. Refuses filters that are nearly all gaps.
[[nodiscard]] std::string refuse_direct(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_direct(const detail::request& r);

}  // namespace convgpu::cpu
