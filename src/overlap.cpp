// SPDX-License-Identifier: Apache-2.0
// Two views overlap when a bounded linear Diophantine equation has a solution: Σ step_i · n_i = distance
// with 0 <= n_i < count_i, over the axes of both and the bytes of an element. In general that is
// NP-hard; with the at most ten terms here, steps that are equal merged into one, the search below
// ends after a handful of steps for every layout met in practice. One that does not is taken to overlap.

#include "overlap.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <numeric>

namespace convgpu::detail {
namespace {

__extension__ using wide = __int128;

struct term {
  std::int64_t step;  // bytes, > 0
  wide range;         // n = 0 … range
};

struct step_and_count {
  std::int64_t step;  // bytes
  std::int64_t count;
};

/// Axes along which there is but one element have whatever step; they come out as 0.
std::array<step_and_count, 4> axes_of(const any_const_view& v) {
  const auto width = static_cast<std::int64_t>(size_of(v.type()));
  const auto axis = [&](std::int64_t step, std::int64_t count) {
    return step_and_count{count > 1 ? step * width : 0, count};
  };
  return {axis(v.step().row, v.size().rows), axis(v.step().col, v.size().cols),
          axis(v.step().plane, v.planes()), axis(v.step().channel, v.channels())};
}

/// Σ step·n over some terms, to be compared with a target that starts at 0.
class equation {
 public:
  /// Adds sign·Σ step·n for n = 0 … count−1. Axes of one entry, or in steps of 0, reach nothing new.
  void add(std::int64_t step, std::int64_t count, int sign) {
    if (count <= 1 || step == 0) return;  // reaches nothing new
    const wide signed_step = static_cast<wide>(step) * sign;
    if (signed_step < 0)
      target_ -= signed_step * (count - 1);  // n → count−1−n makes the step positive
    const auto magnitude = static_cast<std::int64_t>(signed_step < 0 ? -signed_step : signed_step);
    for (std::size_t i = 0; i < size_; ++i) {
      if (terms_[i].step != magnitude) continue;
      terms_[i].range += count - 1;
      return;
    }
    terms_[size_++] = {magnitude, static_cast<wide>(count) - 1};
  }
  void add_axes(const any_const_view& v, int sign) {
    for (const auto& [step, count] : axes_of(v)) add(step, count, sign);
  }
  /// The left side must come out `by` larger than said so far.
  void shift_target(wide by) { target_ += by; }

  [[nodiscard]] bool has_solution() {
    std::sort(terms_.begin(), terms_.begin() + size_,
              [](const term& a, const term& b) { return a.step > b.step; });
    wide most = 0;
    std::int64_t divisor = 0;
    for (std::size_t i = size_; i-- > 0;) {
      rest_[i + 1] = {most, divisor};
      most += terms_[i].range * terms_[i].step;
      divisor = std::gcd(divisor, terms_[i].step);
    }
    rest_[0] = {most, divisor};
    budget_ = 100'000;
    return search(0, target_);
  }

 private:
  struct remainder {
    wide most;             // the largest sum of the terms from here on
    std::int64_t divisor;  // what all their sums are multiples of
  };

  bool search(std::size_t i, wide target) {
    if (budget_-- <= 0) return true;
    if (target < 0 || target > rest_[i].most) return false;
    if (i == size_) return target == 0;
    if (target % rest_[i].divisor != 0) return false;
    // The terms behind can make up for 0 … most: n must bring the target into that window.
    const wide step = terms_[i].step;
    const wide high = std::min(terms_[i].range, target / step);
    const wide missing = target - rest_[i + 1].most;
    const wide low = missing <= 0 ? 0 : (missing + step - 1) / step;
    for (wide n = high; n >= low; --n)
      if (search(i + 1, target - n * step)) return true;
    return false;
  }

  std::array<term, 10> terms_{};
  std::array<remainder, 11> rest_{};
  std::size_t size_ = 0;
  wide target_ = 0;
  int budget_ = 0;
};

}  // namespace

bool overlaps_itself(const any_const_view& v) {
  const auto width = static_cast<std::int64_t>(size_of(v.type()));
  const std::array<step_and_count, 4> axes = axes_of(v);
  // Two elements that differ, first of all, along axis i: by 1 … count−1 there, by anything behind, and
  // their distance in bytes is less than an element.
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto [step, count] = axes[i];
    if (count <= 1) continue;
    if (step == 0) return true;
    equation e;
    e.add(step, count - 1, 1);  // n = 1 … count−1 is 1 + (0 … count−2)
    e.shift_target(-static_cast<wide>(step));
    for (std::size_t k = i + 1; k < axes.size(); ++k) {
      e.add(axes[k].step, axes[k].count, 1);
      e.add(axes[k].step, axes[k].count, -1);
    }
    e.add(1, width, 1);
    e.add(1, width, -1);
    if (e.has_solution()) return true;
  }
  return false;
}

bool overlap(const any_const_view& a, const any_const_view& b) {
  // address(a) + i + byte = address(b) + j + byte
  equation e;
  e.add_axes(a, 1);
  e.add_axes(b, -1);
  e.add(1, static_cast<std::int64_t>(size_of(a.type())), 1);
  e.add(1, static_cast<std::int64_t>(size_of(b.type())), -1);
  const auto from = static_cast<wide>(reinterpret_cast<std::uintptr_t>(a.data()));
  const auto to = static_cast<wide>(reinterpret_cast<std::uintptr_t>(b.data()));
  e.shift_target(to - from);
  return e.has_solution();
}

}  // namespace convgpu::detail
