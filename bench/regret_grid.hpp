// SPDX-License-Identifier: Apache-2.0
// The problems that the library's choice is judged by.
#pragma once

#include <convgpu/problem.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace convgpu::bench {

/// How the taps of a filter come about.
enum class taps : std::uint8_t { random, gaussian, product, box, hat, three };

[[nodiscard]] const char* name_of(taps kind);
/// A sum of a few columns times rows.
[[nodiscard]] bool is_low_rank(taps kind);

/// One channel, one filter, every output.
inline const std::string images = "images";

struct cell {
  convgpu::problem problem;
  taps kind = taps::random;
  std::string part = images;  ///< or "layers", "depthwise", "rows", "banks", "strides"
};

/// What `--only` looks into: "f32*f32 56x56 3x3 random zero layers 64->64", and what else is not usual.
[[nodiscard]] std::string title(const cell& c);

/// Multiply-adds of direct summation.
[[nodiscard]] double products_of(const problem& p);

/// All of them, or fewer.
[[nodiscard]] std::vector<cell> grid(bool quick);

}  // namespace convgpu::bench
