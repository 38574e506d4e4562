// SPDX-License-Identifier: Apache-2.0
// Taps as the inner loops want them: the filter taken apart into patches, and the loop for what SIMD has none for.
#pragma once

#include <algorithm>
#include <convgpu/detail/arithmetic.hpp>
#include <cstdint>
#include <map>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "simd.hpp"

namespace convgpu::cpu {

// Rows of a filter that are worked off together, so that no more rows of x̃ have to be there at a time.
inline constexpr std::int64_t rows_of_a_group = 64;

/// Patches of one height, or, with `height` 0, of several small ones, with their taps.
template <class Tap>
struct tap_group {
  std::int64_t row = 0;   // of the filter, from which on those of its patches count
  std::int64_t rows = 1;  // that its taps reach over
  std::int64_t height = 1;
  std::int64_t step = 1;
  std::vector<simd::patch> patches;
  std::vector<Tap> values;
};

template <class Tap>
struct placed_tap {
  std::int64_t row;
  std::int64_t col;
  Tap value;
};

/// How many taps a patch may have.
enum class patches : std::uint8_t { of_one_tap, of_one_column, of_any_size };

/// Taps below one another in a column, all that there are without a gap.
struct tap_run {
  std::size_t first;
  std::size_t count;
};

template <class Tap>
std::vector<tap_run> runs_of(const std::vector<placed_tap<Tap>>& taps, bool single) {
  std::vector<tap_run> runs;
  for (std::size_t t = 0; t < taps.size(); ++t) {
    const bool goes_on = t > 0 && !single && taps[t].col == taps[t - 1].col &&
                         taps[t].row == taps[t - 1].row + 1 && taps[t].row % rows_of_a_group != 0;
    if (goes_on) ++runs.back().count;
    else runs.push_back({t, 1});
  }
  return runs;
}

/// Groups of taps that are given column after column; `step` is that between columns of a patch.
template <class Tap>
std::vector<tap_group<Tap>> grouped(const std::vector<placed_tap<Tap>>& taps, std::int64_t step,
                                    patches size) {
  const std::vector<tap_run> runs = runs_of(taps, size == patches::of_one_tap);
  const auto chunk_of = [&](const tap_run& run) { return taps[run.first].row / rows_of_a_group; };
  std::map<std::int64_t, std::set<std::size_t>> heights;  // by chunk of rows
  for (const tap_run& run : runs) heights[chunk_of(run)].insert(run.count);

  std::map<std::pair<std::int64_t, std::int64_t>, tap_group<Tap>> found;  // by chunk and height
  for (const tap_run& run : runs) {
    // Different heights go together, in small pieces; all of a column's do not, as then its taps leave registers.
    const bool mixed = size == patches::of_any_size && heights[chunk_of(run)].size() > 1;
    std::size_t most = mixed ? simd::highest_mixed : run.count;
    if (size == patches::of_one_column) {  // pieces of like height, so that they go together
      const std::size_t pieces = (run.count - 1) / simd::highest_known + 1;
      most = (run.count - 1) / pieces + 1;
    }
    for (std::size_t t = run.first; t < run.first + run.count;) {
      const std::size_t count = std::min(most, run.first + run.count - t);
      const auto height = static_cast<std::int64_t>(count);
      tap_group<Tap>& g = found[{chunk_of(run), mixed ? 0 : height}];
      g.row = chunk_of(run) * rows_of_a_group;
      g.height = mixed ? 0 : height;
      g.step = step;
      const std::int64_t row = taps[t].row - g.row;
      g.rows = std::max(g.rows, row + height);
      const auto widens = [&](const simd::patch& last) {
        return last.row == row && last.height == height &&
               last.col + last.width * step == taps[t].col;
      };
      if (size == patches::of_any_size && !g.patches.empty() && widens(g.patches.back()))
        ++g.patches.back().width;
      else
        g.patches.push_back(
            {row, taps[t].col, height, 1, static_cast<std::int64_t>(g.values.size())});
      for (const std::size_t end = t + count; t < end; ++t) g.values.push_back(taps[t].value);
    }
  }
  std::vector<tap_group<Tap>> groups;
  std::map<std::int64_t, std::int64_t> rows;  // all groups that begin together need the same ones
  for (const auto& [key, g] : found) rows[g.row] = std::max(rows[g.row], g.rows);
  for (auto& [key, g] : found) {
    g.rows = rows[g.row];
    groups.push_back(std::move(g));
  }
  if (groups.empty()) groups.emplace_back();  // a filter of zeros has sums, too
  return groups;
}

/// The loops for floats of type T.
template <class T>
struct float_kernels {
  simd::kernel<T, T, T> strip;
  simd::line_kernel<T> short_line;
  simd::line_kernel<T> long_line;
};

/// Taps of a filter of one row, arranged in rows of `step` samples.
template <class T>
std::vector<tap_group<T>> arranged(const std::vector<tap_group<T>>& row, std::int64_t step) {
  std::vector<placed_tap<T>> placed;
  for (const tap_group<T>& g : row)
    for (const simd::patch& p : g.patches)
      for (std::int64_t l = 0; l < p.width; ++l) {
        const std::int64_t at = p.col + l * g.step;
        placed.push_back({at / step, at % step, g.values[static_cast<std::size_t>(p.tap + l)]});
      }
  std::stable_sort(placed.begin(), placed.end(),
                   [](const auto& a, const auto& b) { return a.col < b.col; });
  // Column after column: the taps of one stay in registers.
  std::vector<tap_group<T>> groups = grouped(placed, row.front().step, patches::of_one_column);
  for (tap_group<T>& g : groups) {  // all of it in one row of x̃
    for (simd::patch& p : g.patches) p.row += g.row;
    g.row = 0;
    g.rows = 1;
  }
  return groups;
}

/// The loop for what there is no better one for: any strides, any types; a row of outputs, four taps at a time.
template <class Sample, class Tap, class Sum, class Stride>
void accumulate(const simd::strip<Sample, Tap, Sum>& s, Stride stride) {
  Sum* const __restrict sums = s.out;
  if (s.first) std::fill_n(sums, s.cols, Sum{});
  const auto samples = [&](std::int64_t n) {
    return s.rows[s.filter.patches[n].row] + s.filter.patches[n].col;
  };
  const auto tap = [&](std::int64_t n) { return s.filter.values[s.filter.patches[n].tap]; };
  std::int64_t n = 0;
  for (; n + 4 <= s.filter.count; n += 4) {
    const Sample* const x0 = samples(n);
    const Sample* const x1 = samples(n + 1);
    const Sample* const x2 = samples(n + 2);
    const Sample* const x3 = samples(n + 3);
    const Tap h0 = tap(n), h1 = tap(n + 1), h2 = tap(n + 2), h3 = tap(n + 3);
    for (std::int64_t j = 0; j < s.cols; ++j) {
      Sum sum = sums[j];
      sum += detail::product<Sum>(h0, x0[j * stride]);
      sum += detail::product<Sum>(h1, x1[j * stride]);
      sum += detail::product<Sum>(h2, x2[j * stride]);
      sum += detail::product<Sum>(h3, x3[j * stride]);
      sums[j] = sum;
    }
  }
  for (; n < s.filter.count; ++n)
    for (std::int64_t j = 0; j < s.cols; ++j)
      sums[j] += detail::product<Sum>(tap(n), samples(n)[j * stride]);
}

template <class Sample, class Tap, class Sum>
void plain_strip(const simd::strip<Sample, Tap, Sum>& s) {
  if (s.stride == 1) accumulate(s, std::integral_constant<std::int64_t, 1>{});
  else accumulate(s, s.stride);
}

template <class Sample, class Tap, class Sum>
inline constexpr simd::kernel<Sample, Tap, Sum> plain{1, 1, plain_strip<Sample, Tap, Sum>};

}  // namespace convgpu::cpu
