// SPDX-License-Identifier: Apache-2.0
// Checks of the views that callers hand in.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <initializer_list>
#include <span>

namespace convgpu::detail {

/// What a view has to be.
struct expected_view {
  const char* name;  ///< the argument, for messages
  dtype type;
  extent size;
  std::int64_t planes;
  std::int64_t channels;
  layout order;  ///< that it gets where it has no shape
  memory where;
};

/// The view, given its shape where it had none. \throws invalid_problem where it is not as expected, is
/// null, misaligned, or reaches beyond the address space.
[[nodiscard]] any_const_view checked(const any_const_view& v, const expected_view& expected);

/// The same for memory to be written, whose elements must not overlap each other.
[[nodiscard]] any_view checked_output(const any_view& v, const expected_view& expected);

/// Workspace of a caller's: none, or at least so many bytes, of no view that is `called` so.
void check_workspace(std::span<const std::byte> workspace, std::size_t needed,
                     std::initializer_list<any_const_view> views, const char* called);

}  // namespace convgpu::detail
