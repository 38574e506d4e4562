// SPDX-License-Identifier: Apache-2.0
// Which blocks cpu/overlap_save takes, what it refuses, and when summation is faster.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/singles.hpp>
#include <limits>
#include <string>
#include <utility>
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

/// What of that are the passes there, and loading for them.
constexpr double part_there = 0.45;

/// A block, its transform used for so many products.
double block_seconds(fft_size size, int per_point, bool wide, double products) {
  const auto& ns = wide ? times_here().f64_point : times_here().f32_point;
  const int log2 = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(size.points()))) - 1;
  const double each = static_cast<double>(
      ns[static_cast<std::size_t>(std::clamp(log2 - 6, 0, static_cast<int>(ns.size()) - 1))]);
  const auto points = static_cast<double>(size.points());
  const double rows = size.rows > 1 ? static_cast<double>(size.rows * per_point) : 0;
  return 1e-9 * (part_there + (1 - part_there) * products) *
         (points * (each + ns_of_a_sample * per_point * (wide ? 2 : 1)) + ns_of_a_block +
          rows * ns_of_a_row);
}

/// What the spectra of samples may take of a second-level cache; and if those of filters take more, what reading a byte
/// of them takes.
constexpr std::int64_t kept_bytes = 512 * 1024;
constexpr double ns_of_a_distant_byte = 0.15;

/// Points of a block at most: a workspace of some tens of megabytes for each thread.
constexpr std::int64_t most_points = std::int64_t{1} << 22;

/// Bytes that a thread needs for a block, at most.
double workspace_of(const overlap_save_blocks& b) {
  const fft_size points = b.points;
  constexpr double for_pieces = 104 * 1024;
  return 16 * static_cast<double>(points.points()) *
             (1.1 + (b.keeps_spectra() ? static_cast<double>(b.at_once * b.samples.count) : 0)) +
         for_pieces + (points.rows > 1 ? 400 * static_cast<double>(points.cols) : 0) +
         (b.products() > 1 ? 8 * static_cast<double>(b.rows * b.cols) : 0);
}

/// What is transformed: all of it, or pairs of limbs.
struct parts {
  /// A filter: each limb of it, and the error that it may have.
  struct one {
    std::vector<filter_norms> norms;
    double allowed;
  };
  limbs samples;
  limbs taps;
  double largest_sample = 1;
  std::vector<one> filters{};

  /// What the error of a filter's sums is at most, given that of a transform relative to ‖h‖₁·max|x|.
  template <class RelativeError>
  [[nodiscard]] double error(const one& filter, const RelativeError& relative) const {
    double most = 0;
    for (const filter_norms& n : filter.norms)
      most = std::fmax(most, relative(n.ratio()) * static_cast<double>(n.one) * largest_sample);
    return most;
  }
};

constexpr double most_of_integers = 0.49;  // rounding gives the integer that it is
constexpr int most_tap_limbs = 3;

/// Those for all of the filters alike.
std::vector<parts> ways_for(const request& r) {
  const bool integers = is_integer(r.form.types.filter);
  const double largest = largest_sample(r.form.types.in);
  const int largest_bits = std::ilogb(largest);
  std::vector<parts> ways;
  for (int t = 1; t <= (integers ? most_tap_limbs : 1); ++t)
    for (int s = 1; s <= (integers && largest_bits > 16 ? most_sample_limbs : 1); ++s) {
      if (!integers) {
        ways.push_back({});
        continue;
      }
      const limbs of_samples = limbs::of(s, largest_bits);
      ways.push_back({of_samples, limbs::of(t, 31), of_samples.largest(largest)});
    }
  const auto add = [&](const request& one) {
    if (!integers) {
      const double ratio = norms_of(one.filter.values).ratio();
      ways.front().filters.push_back({{{1, ratio}}, allowed_transform_error(one)});
      return;
    }
    const auto& taps = std::get<std::vector<std::int32_t>>(one.filter.values);
    std::erase_if(ways, [&](parts& way) {
      parts::one filter{{}, most_of_integers};
      for (int index = 0; index < way.taps.count; ++index)
        filter.norms.push_back(norms_of(limb_of(taps, way.taps, index)));
      way.filters.push_back(std::move(filter));
      // Sums are rounded by their last bits.
      return way.error(way.filters.back(), [](double) { return 1; }) >= 0x1p51;
    });
  };
  const normal_form one = single_form(r.form);
  if (r.form.has_channels())
    for (const filter_taps& filter : r.filter.singles) add({one, filter, r.how, r.device});
  else add(r);
  return ways;
}

/// The error of a size, and whether all filters are allowed it.
struct judgement {
  double error = 0;
  bool is_allowed = true;
};

/// Calls f(overlap_save_blocks, judge) for each size that the filters fit into; judge() is its judgement.
template <class F>
void for_each_block_size(const request& r, const F& f) {
  const normal_form form = oriented(r.form);
  const int lanes = lanes_for(form.types);
  const int per_point = samples_per_point(form.types);
  const bool wide = sums_in_f64(form.types);
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
    b.filters = form.filters;
    for (const parts& way : ways) {
      b.samples = way.samples;
      b.taps = way.taps;
      const std::int64_t bytes = size.points() * (wide ? 16 : 8);  // of a spectrum
      const std::int64_t spectra = form.filters * b.taps.count;
      const bool are_distant = spectra > 1 && spectra * bytes > kept_bytes;
      b.at_once = are_distant ? std::clamp<std::int64_t>(kept_bytes / (b.samples.count * bytes), 1,
                                                         overlap_save_blocks::most_at_once)
                              : 1;
      double seconds = block_seconds(size, per_point, wide, static_cast<double>(spectra));
      if (are_distant)
        seconds += 1e-9 * ns_of_a_distant_byte * static_cast<double>(spectra * bytes) /
                   static_cast<double>(b.at_once);
      b.seconds = static_cast<double>(form.groups * b.count * b.samples.count) * seconds;
      f(b, [&] {
        judgement j;
        for (const parts::one& filter : way.filters) {
          const double error = way.error(filter, [&](double ratio) {
            return fft_error(size, lanes, ratio, roundoff(form.types), per_point);
          });
          j.error = std::max(j.error, error);
          j.is_allowed = j.is_allowed && error <= filter.allowed;
        }
        return j;
      });
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
  std::optional<overlap_save_blocks> best;
  std::optional<overlap_save_blocks> smallest;
  for_each_block_size(r, [&](overlap_save_blocks b, const auto& judge) {
    const bool is_smaller = !smallest || b.points.points() < smallest->points.points();
    const bool is_better = workspace_of(b) <= static_cast<double>(r.how.max_workspace) &&
                           (!best || b.seconds < best->seconds);
    if (!is_smaller && !is_better) return;
    const judgement j = judge();
    if (!j.is_allowed) return;
    b.error = j.error;
    if (is_smaller) smallest = b;
    if (is_better) best = b;
  });
  return best ? best : smallest;
}

namespace {

std::string refuse_one(const request& r) {
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
  for_each_block_size(r, [&](const overlap_save_blocks&, const auto& judge) {
    least = std::min(least, judge().error);
  });
  if (std::isinf(least)) return "no block that its taps fit into is small enough";
  if (integers)
    return "rounding its sums to integers might not be exact: their error may reach " +
           short_text(least);
  return refuse_transform_error(r, least);
}

}  // namespace

std::string refuse_overlap_save(const detail::request& r) {
  std::string reason = refuse_each<refuse_one>(r);
  if (reason.empty() && r.form.has_channels() && !overlap_save_blocks_for(r))
    reason = "no size of blocks will do for all of its filters";
  return reason;
}

}  // namespace convgpu::cpu
