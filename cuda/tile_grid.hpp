// SPDX-License-Identifier: Apache-2.0
// How a launch is cut into tiles. A part of what cuda/compiled hands to NVRTC, which has no other headers.
#pragma once

#include <cstdint>

namespace convgpu::cuda {

/// Division by a number that is known when a kernel is launched: a product and a shift for dividends below 2^31
/// (Granlund and Montgomery, Division by invariant integers using multiplication, 1994).
struct divisor {
  std::uint32_t value;
  std::uint32_t factor;  // 2^(31 + shift) / value, rounded up
  int shift;             // smallest with value <= 2^shift

  constexpr explicit divisor(std::uint32_t by) : value(by), factor(0), shift(0) {
    while (shift < 31 && (std::uint32_t{1} << shift) < by) ++shift;
    factor = static_cast<std::uint32_t>(((std::uint64_t{1} << (31 + shift)) + by - 1) / by);
  }
  [[nodiscard]] constexpr std::uint32_t quotient(std::uint32_t dividend) const {
    return static_cast<std::uint32_t>(std::uint64_t{dividend} * factor >> 31 >> shift);
  }
};

/// How a launch is cut into tiles, one for a block at a time: rows and columns of them in each plane.
struct tile_grid {
  divisor rows;
  divisor cols;
  std::uint32_t total;
};

/// Where tile `t` of a grid lies.
struct tile_place {
  std::int64_t plane;
  std::int64_t row;  // in tiles
  std::int64_t col;

  constexpr tile_place(std::uint32_t t, const tile_grid& grid) {
    const std::uint32_t line = grid.cols.quotient(t);
    col = t - line * grid.cols.value;
    plane = grid.rows.quotient(line);
    row = line - static_cast<std::uint32_t>(plane) * grid.rows.value;
  }
  /// Where planes have several images each.
  [[nodiscard]] constexpr std::uint32_t image() const { return static_cast<std::uint32_t>(plane); }
};

}  // namespace convgpu::cuda
