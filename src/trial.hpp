// SPDX-License-Identifier: Apache-2.0
// Timing an algorithm on data of a problem's shape.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace convgpu::detail {

/// `count` elements of a type, each `value(index)` as near as the type comes.
[[nodiscard]] std::vector<std::byte> elements(dtype type, std::int64_t count,
                                              const std::function<double(std::int64_t)>& value);

/// Input and output of a normal form, with data that overflow nowhere.
class trial {
 public:
  explicit trial(const normal_form& form);

  /// What both take.
  [[nodiscard]] static double bytes(const normal_form& form) noexcept;

  /// Runs it. Where its workspace is the host's, it is given one.
  void run(const runnable& a, std::vector<std::byte>& workspace);

 private:
  normal_form form_;
  std::vector<std::byte> in_;
  std::vector<std::byte> out_;
};

/// The form with fewer planes, rows or columns, so that its data take no more than so many bytes; none where its
/// borders alone take as much.
[[nodiscard]] std::optional<normal_form> cut(normal_form form, double bytes);

}  // namespace convgpu::detail
