// SPDX-License-Identifier: Apache-2.0
// Where a sample outside the input comes from: the one place that knows, for both backends.
#pragma once

#include <convgpu/problem.hpp>
#include <cstdint>

#if defined(__CUDACC__)
#define CONVGPU_HOST_DEVICE __host__ __device__
#else
#define CONVGPU_HOST_DEVICE
#endif

namespace convgpu::detail {

/// Remainder of the floored division: in 0 … n−1 for every i.
CONVGPU_HOST_DEVICE constexpr std::int64_t floor_mod(std::int64_t i, std::int64_t n) noexcept {
  const std::int64_t r = i % n;
  return r < 0 ? r + n : r;
}

/// The input sample, 0 … n−1, that stands at position i of the continued input; −1 where that is not a
/// sample but the border's value (zero, constant). n ≥ 1, i anything.
CONVGPU_HOST_DEVICE constexpr std::int64_t border_index(border_kind kind, std::int64_t i,
                                                        std::int64_t n) noexcept {
  if (i >= 0 && i < n) return i;
  switch (kind) {
    case border_kind::zero:
    case border_kind::constant: return -1;
    case border_kind::replicate: return i < 0 ? 0 : n - 1;
    case border_kind::symmetric: {  // period 2n: abc|cba
      const std::int64_t r = floor_mod(i, 2 * n);
      return r < n ? r : 2 * n - 1 - r;
    }
    case border_kind::mirror: {  // period 2n−2: abc|b
      if (n == 1) return 0;
      const std::int64_t r = floor_mod(i, 2 * n - 2);
      return r < n ? r : 2 * n - 2 - r;
    }
    case border_kind::wrap: return floor_mod(i, n);
  }
  return -1;
}

/// Calls f(i) for each position i from `first` to before `last`, in this order, whose sample is m: where border_index
/// gives m. 0 ≤ m < n.
template <class F>
CONVGPU_HOST_DEVICE constexpr void for_each_position(border_kind kind, std::int64_t m,
                                                     std::int64_t n, std::int64_t first,
                                                     std::int64_t last, F&& f) {
  // Two steps in turns: within a period a sample stands once, or twice.
  std::int64_t at = m;
  std::int64_t step = 0;
  std::int64_t next_step = 0;
  const auto repeat = [&](std::int64_t period, std::int64_t again) {
    const std::int64_t a = floor_mod(m - first, period);
    const std::int64_t b = floor_mod(again - first, period);
    at = first + (a < b ? a : b);
    step = a == b ? period : a < b ? b - a : a - b;
    next_step = a == b ? period : period - step;
  };
  switch (kind) {
    case border_kind::zero:
    case border_kind::constant:
      if (m < first) return;
      step = last - m;  // to the end
      break;
    case border_kind::replicate:
      if (m == 0 || m < first) at = first;
      if (m > 0 && m < first && m < n - 1) return;
      if (m < n - 1 && m + 1 < last) last = m + 1;
      step = next_step = 1;
      break;
    case border_kind::symmetric: repeat(2 * n, -1 - m); break;
    case border_kind::mirror: repeat(n == 1 ? 1 : 2 * n - 2, -m); break;
    case border_kind::wrap: repeat(n, m); break;
  }
  while (at < last) {
    f(at);
    at += step;
    const std::int64_t taken = step;
    step = next_step;
    next_step = taken;
  }
}

static_assert(border_index(border_kind::replicate, -2, 3) == 0);
static_assert(border_index(border_kind::symmetric, -1, 3) == 0);
static_assert(border_index(border_kind::symmetric, 3, 3) == 2);
static_assert(border_index(border_kind::mirror, -1, 3) == 1);
static_assert(border_index(border_kind::mirror, 3, 3) == 1);
static_assert(border_index(border_kind::mirror, 100, 1) == 0);
static_assert(border_index(border_kind::wrap, -1, 3) == 2);
static_assert(border_index(border_kind::zero, -1, 3) == -1);

}  // namespace convgpu::detail
