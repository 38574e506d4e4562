// SPDX-License-Identifier: Apache-2.0
// What the predictions of all algorithms of the CPU backend count alike: cost.cpp says how they add up.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstdint>

#include "rates.hpp"

namespace convgpu::cpu {

/// Work of all threads, put together.
struct work {
  const detail::request& r;
  const cpu::rates& rates;
  double arithmetic = 0;  ///< seconds

  [[nodiscard]] double outputs() const { return r.form.outputs(); }
  [[nodiscard]] double bytes() const {
    return r.form.samples() * static_cast<double>(size_of(r.form.types.in)) +
           outputs() * static_cast<double>(size_of(r.form.types.out));
  }
  [[nodiscard]] detail::estimate done(double error) const;
};

/// Rows of x̃ that are loaded.
struct loaded_rows {
  double rows;
  double pieces;   ///< of each
  double samples;  ///< of each
  double outside;  ///< of these
};

/// Seconds for them, as numbers of type `to`.
[[nodiscard]] double loading(const work& w, const loaded_rows& l, dtype to);
/// Seconds for an output put where it belongs.
[[nodiscard]] double storing(const work& w, dtype sums, bool in_place);
/// Samples of a row that lie outside the input.
[[nodiscard]] double outside_of(const detail::axis& a);

/// Seconds for so many bytes that are read again and again, if they are too many for the second-level cache.
[[nodiscard]] double rereading(const work& w, double bytes);

[[nodiscard]] inline double rounded_up(std::int64_t n, std::int64_t to) {
  return static_cast<double>((n + to - 1) / to * to);
}

}  // namespace convgpu::cpu
