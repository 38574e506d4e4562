// SPDX-License-Identifier: Apache-2.0
// Which blocks cuda/overlap_save takes, and what it refuses.

#include "overlap_save.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/fft_error.hpp>
#include <limits>
#include <string>

#include "algorithms.hpp"
#include "launch.hpp"
#include "singles.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

using namespace detail;  // forms and types: what both backends compute with

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

/// Calls f(overlap_save_blocks) for each size that the filter fits into, and that fits into the device.
template <class F>
void for_each_block_size(const request& r, const F& f) {
  constexpr overlap_save_sizes sizes;
  const normal_form form = oriented(r.form);
  const int per_point = samples_per_point(form.types);
  const bool wide = sums_in_f64(form.types);
  const bool is_of_banks = form.has_channels();
  const double norms = norms_ratio_of_all(r);
  const auto most_shared =
      static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, r.device));
  const std::int64_t multiprocessors =
      std::max(1, attribute(cudaDevAttrMultiProcessorCount, r.device));
  const auto consider = [&](transform_size size, std::int64_t parts) {
    const extent samples = samples_of(size, per_point);
    if (samples.rows < form.row.reach() || samples.cols < form.col.reach()) return;
    overlap_save_blocks b{.points = size};
    b.filters = bank_in_parts(form, parts);
    b.shared = wide ? overlap_save_shared_bytes<double>(size.points(), b.filters.of_part)
                    : overlap_save_shared_bytes<float>(size.points(), b.filters.of_part);
    if (b.shared > most_shared) return;
    b.rows = std::min(samples.rows - form.row.reach() + 1, form.row.out);
    b.cols = std::min(samples.cols - form.col.reach() + 1, form.col.out);
    b.count = form.planes * b.filters.images() * ((form.row.out - 1) / b.rows + 1) *
              ((form.col.out - 1) / b.cols + 1);
    b.error = transform_error(size.points(), norms, roundoff(form.types), per_point,
                              [&](const auto& g) { for_each_pass(size, g); });
    // Samples that are not finite are counted by a transform, too: to within less than a half.
    if (!is_integer(form.types.filter)) {
      const auto taps = static_cast<double>(std::max<std::int64_t>(r.filter.facts.nonzeros, 1));
      const double of_counts =
          taps * transform_error(size.points(), 1 / std::sqrt(taps), roundoff(form.types),
                                 per_point, [&](const auto& g) { for_each_pass(size, g); });
      if (of_counts >= 0.49) return;
    }
    const int by_registers = wide          ? overlap_save_blocks_at_once<double>
                             : is_of_banks ? overlap_save_blocks_at_once<float, true>
                                           : overlap_save_blocks_at_once<float>;
    const int resident = static_cast<int>(std::min<std::size_t>(
        by_registers, (most_shared + shared_reserved) / (b.shared + shared_reserved)));
    b.accesses = overlap_save_accesses(transform_of(size).count, b.filters.of_part);
    const std::int64_t of_busiest = (b.count - 1) / multiprocessors + 1;
    b.work = static_cast<double>(of_busiest) * size.points() * b.accesses *
             overlap_save_alone(static_cast<int>(std::min<std::int64_t>(resident, of_busiest)));
    f(b);
  };
  // Filters are shared out only as far as a device wants blocks.
  for (std::int64_t parts = 1;; parts = std::min(2 * parts, form.filters)) {
    for (int points = sizes.fewest; points <= sizes.most; points *= 2) {
      if (form.row.taps == 1) consider({1, points}, parts);  // each row is a signal of its own
      for (int cols = sizes.narrowest; cols <= sizes.widest; cols *= 2)
        consider({points / cols, cols}, parts);
    }
    if (parts == form.filters) break;
  }
}

/// The filter as points of a block: `value` of each tap.
template <class T, class Tap, class Value>
std::vector<std::complex<wider_than<T>>> points_of(const request& r, transform_size size,
                                                   const std::vector<Tap>& taps,
                                                   const Value& value) {
  const normal_form form = oriented(r.form);
  const bool pairs = samples_per_point(form.types) == 2;
  const std::int64_t length = samples_of(size, pairs ? 2 : 1).cols;
  std::vector<std::complex<wider_than<T>>> points(static_cast<std::size_t>(size.points()));
  for (std::int64_t k = 0; k < form.row.taps; ++k)
    for (std::int64_t l = 0; l < form.col.taps; ++l) {
      const std::complex<wider_than<T>> h =
          value(taps[static_cast<std::size_t>(k * form.col.taps + l)]);
      const std::int64_t i = k * form.row.dilation * length + l * form.col.dilation;
      // The second half of real samples is the imaginary part.
      const bool second = i >= size.points();
      auto& point = points[static_cast<std::size_t>(second ? i - size.points() : i)];
      if (second) point.imag(h.real());
      else if (pairs) point.real(h.real());
      else point = h;
    }
  return points;
}

}  // namespace

template <class T>
overlap_save_tables<T> overlap_save_tables_of(const request& r, const overlap_save_blocks& blocks) {
  using wide = std::complex<wider_than<T>>;
  std::vector<const filter_taps*> filters;
  if (!r.form.has_channels()) filters.push_back(&r.filter);
  for (const filter_taps& filter : r.filter.singles) filters.push_back(&filter);
  overlap_save_tables<T> all{roots_of<T>(blocks.points)};
  std::optional<int> exponent;
  for (const filter_taps* filter : filters)
    if (const long double norm = norms_of(filter->values).one; norm != 0)
      exponent = std::max(exponent.value_or(std::ilogb(norm)), std::ilogb(norm));
  all.filter_exponent = exponent.value_or(0);
  for (const filter_taps* filter : filters)
    std::visit(
        [&]<class Tap>(const std::vector<Tap>& taps) {
          const auto append = [&](const auto& value) {
            const auto spectrum =
                spectrum_of<T>(blocks.points, points_of<T>(r, blocks.points, taps, value));
            all.numbers.insert(all.numbers.end(), spectrum.begin(), spectrum.end());
          };
          const auto scaled = [&](auto part) {
            return static_cast<wider_than<T>>(
                std::scalbn(static_cast<long double>(part), -all.filter_exponent));
          };
          append([&](const Tap& tap) {
            if constexpr (is_complex_type<Tap>) return wide(scaled(tap.real()), scaled(tap.imag()));
            else return wide(scaled(tap));
          });
          if constexpr (!std::is_same_v<Tap, std::int32_t>)
            append([](const Tap& tap) { return wide(tap == Tap{} ? 0 : 1); });
        },
        filter->values);
  return all;
}
template overlap_save_tables<float> overlap_save_tables_of<float>(const request&,
                                                                  const overlap_save_blocks&);
template overlap_save_tables<double> overlap_save_tables_of<double>(const request&,
                                                                    const overlap_save_blocks&);

std::optional<overlap_save_blocks> overlap_save_blocks_for(const request& r) {
  const double allowed = allowed_error_of_all(r);
  std::optional<overlap_save_blocks> best;
  for_each_block_size(r, [&](const overlap_save_blocks& b) {
    if (b.error <= allowed && (!best || b.work < best->work)) best = b;
  });
  return best;
}

bool overlap_save_shares(const request& r) {
  if (!r.form.has_channels() || r.filter.singles.empty() || !are_of_like_norms(r)) return false;
  const std::optional<overlap_save_blocks> all = overlap_save_blocks_for(r);
  if (!all) return false;
  const normal_form one = single_form(r.form);
  const std::optional<overlap_save_blocks> each =
      overlap_save_blocks_for({one, r.filter.singles.front(), r.how, r.device});
  return !each || all->work <= each->work * static_cast<double>(r.filter.singles.size());
}

std::string refuse_overlap_save(const request& r) {
  const normal_form& form = r.form;
  if (form.row.stride != 1 || form.col.stride != 1)
    return "its stride is not 1: most of what a transform computes would be thrown away";
  if (overlap_save_blocks_for(r)) return {};
  double least = std::numeric_limits<double>::infinity();
  for_each_block_size(r, [&](const overlap_save_blocks& b) { least = std::min(least, b.error); });
  if (std::isinf(least))
    return "its taps reach over " + std::to_string(form.row.reach()) + " x " +
           std::to_string(form.col.reach()) +
           " samples, too many for a block in the device's shared memory";
  return refuse_transform_error(r, least);
}

}  // namespace convgpu::cuda
