// SPDX-License-Identifier: Apache-2.0
// Which blocks cpu/overlap_save takes, what it refuses, and when summation is faster.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <convgpu/detail/error_bound.hpp>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "algorithms.hpp"
#include "fft_error.hpp"
#include "overlap_save.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // forms and types: what both backends compute with

int lanes_for(const types& t) {
  return sums_in_f64(t) ? fft_passes<double>().lanes : fft_passes<float>().lanes;
}

/// Times of an instruction set, told by the lanes of its vectors of f32: measured on one core of a Zen 4 at 3.7 GHz.
/// Sizes are chosen by these; what a nanosecond of them is elsewhere is a rate of its own.
struct transform_times {
  int lanes;
  /// Nanoseconds for a point of a transform there and back, from 2^6 points on. Beyond the last one, what leaves
  /// the second-level cache costs more and more.
  std::array<float, 15> f32_point;
  std::array<float, 15> f64_point;
};
constexpr transform_times measured[] = {
    {.lanes = 4,
     .f32_point = {2.7F, 2.8F, 2.8F, 3.1F, 3.4F, 3.6F, 3.8F, 4.0F, 4.1F, 4.5F, 4.8F, 5.1F, 5.4F,
                   5.8F, 6.4F},
     .f64_point = {4.6F, 5.1F, 5.4F, 6.0F, 6.7F, 7.3F, 8.0F, 8.6F, 9.2F, 9.9F, 10.F, 11.F, 12.F,
                   13.F, 15.F}},
    {.lanes = 8,
     .f32_point = {1.2F, 1.2F, 1.3F, 1.4F, 1.5F, 1.6F, 1.8F, 1.9F, 2.1F, 2.1F, 2.3F, 2.4F, 2.6F,
                   3.2F, 4.2F},
     .f64_point = {2.9F, 3.1F, 3.1F, 3.3F, 3.8F, 4.0F, 4.2F, 4.3F, 4.4F, 4.5F, 4.9F, 5.9F, 7.5F,
                   9.0F, 11.F}},
    {.lanes = 16,
     .f32_point = {1.3F, 1.3F, 1.3F, 1.3F, 1.3F, 1.5F, 1.6F, 1.8F, 1.8F, 2.0F, 2.1F, 2.2F, 2.7F,
                   3.2F, 4.2F},
     .f64_point = {2.2F, 2.3F, 2.5F, 2.3F, 2.7F, 3.0F, 3.4F, 3.4F, 3.8F, 4.1F, 4.4F, 5.6F, 7.0F,
                   8.0F, 9.0F}}};
const transform_times& times_here() {
  const auto same =
      std::find_if(std::begin(measured), std::end(measured),
                   [](const transform_times& r) { return r.lanes == fft_passes<float>().lanes; });
  return same == std::end(measured) ? measured[0] : *same;
}

/// Loading, looking for the largest sample, and storing.
constexpr double ns_of_a_sample = 0.15;
constexpr double ns_of_a_block = 150;
constexpr double ns_of_a_row = 50;  // of samples, where there are several

double block_seconds(fft_size size, int per_point, bool wide) {
  const auto& ns = wide ? times_here().f64_point : times_here().f32_point;
  const int log2 = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(size.points()))) - 1;
  const double each = static_cast<double>(
      ns[static_cast<std::size_t>(std::clamp(log2 - 6, 0, static_cast<int>(ns.size()) - 1))]);
  const auto points = static_cast<double>(size.points());
  const double rows = size.rows > 1 ? static_cast<double>(size.rows * per_point) : 0;
  return 1e-9 * (points * (each + ns_of_a_sample * per_point * (wide ? 2 : 1)) + ns_of_a_block +
                 rows * ns_of_a_row);
}

/// Points of a block at most: a workspace of some tens of megabytes for each thread.
constexpr std::int64_t most_points = std::int64_t{1} << 22;

/// Bytes that a thread needs for a block, at most.
double workspace_of(const overlap_save_blocks& b) {
  const fft_size points = b.points;
  constexpr double for_pieces = 64 * 1024;
  return 16 * static_cast<double>(points.points()) * 1.1 + for_pieces +
         (points.rows > 1 ? 400 * static_cast<double>(points.cols) : 0) +
         (b.products() > 1 ? 8 * static_cast<double>(b.rows * b.cols) : 0);
}

/// What is transformed: all of it, or pairs of limbs.
struct parts {
  limbs samples;
  limbs taps;
  double largest_sample = 1;
  std::vector<filter_norms> norms;  // of each limb of taps

  /// What the error of sums is at most, given that of a transform relative to ‖h‖₁·max|x|.
  template <class RelativeError>
  [[nodiscard]] double error(const RelativeError& relative) const {
    double most = 0;
    for (const filter_norms& n : norms)
      most = std::fmax(most, relative(n.ratio()) * static_cast<double>(n.one) * largest_sample);
    return most;
  }
};

constexpr double most_of_integers = 0.49;  // rounding gives the integer that it is
constexpr int most_sample_limbs = 2;
constexpr int most_tap_limbs = 3;

std::vector<parts> ways_for(const request& r) {
  if (!is_integer(r.form.types.filter)) {
    const double ratio = norms_of(r.filter.values).ratio();
    return {{{}, {}, 1, {{1, ratio}}}};
  }
  const double largest = largest_sample(r.form.types.in);
  const int largest_bits = std::ilogb(largest);
  std::vector<parts> ways;
  const auto& taps = std::get<std::vector<std::int32_t>>(r.filter.values);
  for (int t = 1; t <= most_tap_limbs; ++t) {
    const limbs of_taps = limbs::of(t, 31);
    std::vector<filter_norms> norms;
    for (int index = 0; index < t; ++index)
      norms.push_back(norms_of(limb_of(taps, of_taps, index)));
    for (int s = 1; s <= (largest_bits > 16 ? most_sample_limbs : 1); ++s) {
      const limbs of_samples = limbs::of(s, largest_bits);
      parts way{of_samples, of_taps, of_samples.largest(largest), norms};
      // Sums are rounded by their last bits.
      if (way.error([](double) { return 1; }) < 0x1p51) ways.push_back(std::move(way));
    }
  }
  return ways;
}

/// Calls f(overlap_save_blocks) for each size that the filter fits into.
template <class F>
void for_each_block_size(const request& r, const F& f) {
  const normal_form form = oriented(r.form);
  const int lanes = lanes_for(form.types);
  const int per_point = samples_per_point(form.types);
  const std::vector<parts> ways = ways_for(r);
  const auto consider = [&](fft_size size) {
    if (!is_fft_size(size, lanes)) return;
    const extent samples = samples_of(size, per_point);
    if (samples.rows < form.row.reach() || samples.cols < form.col.reach()) return;
    overlap_save_blocks b;
    b.points = size;
    b.rows = std::min(samples.rows - form.row.reach() + 1, form.row.out);
    b.cols = std::min(samples.cols - form.col.reach() + 1, form.col.out);
    b.count = form.planes * ((form.row.out - 1) / b.rows + 1) * ((form.col.out - 1) / b.cols + 1);
    const double seconds =
        static_cast<double>(b.count) * block_seconds(size, per_point, sums_in_f64(form.types));
    for (const parts& way : ways) {
      b.samples = way.samples;
      b.taps = way.taps;
      b.error = way.error([&](double ratio) {
        return fft_error(size, lanes, ratio, roundoff(form.types), per_point);
      });
      b.seconds = seconds * b.products();
      f(b);
    }
  };
  for (std::int64_t cols = 1; cols <= most_points; cols *= 2)
    if (form.row.taps == 1) consider({1, cols});  // each row is a signal of its own
    else
      for (std::int64_t rows = 4; rows * cols <= most_points; rows *= 2) consider({rows, cols});
}

}  // namespace

std::vector<std::int32_t> limb_of(const std::vector<std::int32_t>& taps, limbs cut, int index) {
  std::vector<double> numbers(taps.begin(), taps.end());
  cut.cut(numbers.data(), static_cast<std::int64_t>(numbers.size()), index);
  std::vector<std::int32_t> limb(taps.size());
  std::transform(numbers.begin(), numbers.end(), limb.begin(),
                 [](double number) { return static_cast<std::int32_t>(number); });
  return limb;
}

std::optional<overlap_save_blocks> overlap_save_blocks_for(const detail::request& r) {
  const double allowed =
      is_integer(r.form.types.filter) ? most_of_integers : allowed_transform_error(r);
  std::optional<overlap_save_blocks> best;
  std::optional<overlap_save_blocks> smallest;
  for_each_block_size(r, [&](const overlap_save_blocks& b) {
    if (b.error > allowed) return;
    if (!smallest || b.points.points() < smallest->points.points()) smallest = b;
    if (workspace_of(b) <= static_cast<double>(r.how.max_workspace) &&
        (!best || b.seconds < best->seconds))
      best = b;
  });
  return best ? best : smallest;
}

std::string refuse_overlap_save(const detail::request& r) {
  const normal_form& form = r.form;
  if (form.row.stride != 1 || form.col.stride != 1)
    return "its stride is not 1: most of what a transform computes would be thrown away";
  const std::int64_t reach = std::max(form.row.reach(), form.col.reach());
  if (reach > most_points || form.row.reach() > most_points / form.col.reach())
    return "its taps reach over " + std::to_string(form.row.reach()) + " x " +
           std::to_string(form.col.reach()) + " samples, too many for a block";
  const bool integers = is_integer(form.types.filter);
  const int bits = std::ilogb(largest_sample(form.types.in));
  if (integers && r.filter.facts.integer_norm1 >= std::uint64_t{1} << (63 - bits))
    return "its sums may need more than 64 bits";
  if (overlap_save_blocks_for(r)) return {};
  double least = std::numeric_limits<double>::infinity();
  for_each_block_size(r, [&](const overlap_save_blocks& b) { least = std::min(least, b.error); });
  if (std::isinf(least)) return "no block that its taps fit into is small enough";
  if (integers)
    return "rounding its sums to integers might not be exact: their error may reach " +
           short_text(least);
  return refuse_transform_error(r, least);
}

}  // namespace convgpu::cpu
