// SPDX-License-Identifier: Apache-2.0
// Which blocks cuda/fft takes, what it refuses, and what its filter looks like there.

#include "fft.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/fft_error.hpp>
#include <convgpu/detail/singles.hpp>
#include <limits>
#include <string>
#include <utility>

#include "algorithms.hpp"
#include "cufft.hpp"
#include "memory.hpp"
#include "overlap_save.hpp"
#include "singles.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

using namespace detail;  // forms and types: what both backends compute with

std::int64_t power_from(std::int64_t n) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(n)));
}

/// How often a transform of such a length goes through memory.
int passes_of(std::int64_t length) {
  return length == 1                               ? 0
         : length <= fft_in_a_pass                 ? 1
         : length <= fft_in_a_pass * fft_in_a_pass ? 2
                                                   : 3;
}

bool is_complex_problem(const request& r) {
  return samples_per_point(r.form.types) == 1;
}

/// Calls f(fft_blocks) for each size that the filter fits into.
template <class F>
void for_each_block_size(const request& r, const F& f) {
  const normal_form form = oriented(r.form);
  const bool complex = is_complex_problem(r);
  const bool wide = sums_in_f64(form.types);
  const double number = (wide ? 8.0 : 4.0) * (complex ? 2 : 1);
  const double norms = norms_ratio_of_all(r);
  const auto sizes = [](const axis& a, std::int64_t least) {
    std::vector<std::int64_t> all;
    if (a.taps == 1) return std::vector<std::int64_t>{1};
    const std::int64_t whole = power_from(std::max(a.out + a.reach() - 1, least));
    for (std::int64_t n = power_from(std::max(a.reach(), least));
         n <= std::min(whole, fft_most_samples); n *= 2)
      all.push_back(n);
    return all;
  };
  const bool of_rows = form.row.taps == 1;  // each row is a signal of its own
  // A filter of one column is one of an image all the same: columns are transformed where they lie.
  axis along = form.col;
  if (!of_rows && along.taps == 1) along.taps = 2;
  for (const std::int64_t rows : sizes(form.row, 8))
    for (const std::int64_t cols :
         sizes(along.taps == 1 ? axis{.taps = 2, .out = along.out} : along, of_rows ? 64 : 8)) {
      if (rows > fft_most_samples / cols) continue;
      fft_blocks b{.samples = {rows, cols}};
      b.rows = std::min(rows - form.row.reach() + 1, form.row.out);
      b.cols = std::min(cols - form.col.reach() + 1, form.col.out);
      b.count = form.planes * ((form.row.out - 1) / b.rows + 1) * ((form.col.out - 1) / b.cols + 1);
      // What cuFFT does is not known: no less than passes of radix 2, with twice the error.
      b.error = 2 * transform_error(b.points(), norms, roundoff(form.types), 1, [&](const auto& g) {
                  for (std::int64_t node = b.points(); node > 1; node /= 2) g(2, node);
                });
      // Looked at and loaded, stored; there and back; bins, those of the filter, and bins again; loaded, stored.
      const double once = static_cast<double>(b.count) * static_cast<double>(b.points()) * number;
      const double passes = 2 * (passes_of(rows) + passes_of(cols));
      b.shared_bytes = once * (3 + passes);
      b.bytes = b.shared_bytes + once * (passes + 3 + 2);
      const std::size_t least =
          fft_layout_for(b, wide, complex,
                         static_cast<std::size_t>(number * static_cast<double>(b.points())),
                         r.form.filters > 1)
              .bytes;
      const auto room =
          static_cast<std::int64_t>(std::max<std::size_t>(r.how.max_workspace / least, 1));
      const std::int64_t most =
          std::min({b.count, room, std::max<std::int64_t>(fft_at_once / b.points(), 1)});
      const std::int64_t calls = (b.count - 1) / most + 1;
      b.at_once = (b.count - 1) / calls + 1;
      f(b, least);
    }
}

template <class Wide>
using line = std::vector<std::complex<Wide>>;

/// In place, radix 2, e^(−2πi…).
template <class Wide>
void transform_line(line<Wide>& z, const line<Wide>& roots) {
  const std::size_t n = z.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n >> 1;
    for (; (j & bit) != 0; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(z[i], z[j]);
  }
  for (std::size_t half = 1; half < n; half *= 2)
    for (std::size_t begin = 0; begin < n; begin += 2 * half)
      for (std::size_t k = 0; k < half; ++k) {
        const auto& w = roots[k * (n / 2 / half)];
        const auto a = z[begin + k];
        const auto& b = z[begin + k + half];
        // Spelled out: std::complex would look for infinities.
        const std::complex<Wide> c(b.real() * w.real() - b.imag() * w.imag(),
                                   b.real() * w.imag() + b.imag() * w.real());
        z[begin + k] = a + c;
        z[begin + k + half] = a - c;
      }
}

template <class Wide>
line<Wide> roots_for(std::int64_t n) {
  line<Wide> roots;
  for (std::int64_t k = 0; k < n / 2; ++k) {
    const Wide angle = -2 * std::numbers::pi_v<Wide> * static_cast<Wide>(k) / static_cast<Wide>(n);
    roots.emplace_back(std::cos(angle), std::sin(angle));
  }
  return roots;
}

}  // namespace

fft_layout fft_layout_for(const fft_blocks& b, bool wide, bool complex, std::size_t work_bytes,
                          bool of_several) {
  const auto blocks = static_cast<std::size_t>(b.at_once);
  const std::size_t number = wide ? sizeof(double) : sizeof(float);
  const auto points = static_cast<std::size_t>(b.points());
  fft_layout l;
  l.found_at = aligned(blocks * points * number * (complex ? 2 : 1));
  l.work_at =
      l.found_at + aligned(blocks * static_cast<std::size_t>(fft_parts(b.points())) * 2 * number);
  // One byte at least, so that there is a place for what is none.
  l.bins_at = l.work_at + aligned(std::max<std::size_t>(work_bytes, 1));
  l.bytes = l.bins_at;
  const std::size_t bins =
      aligned(blocks * static_cast<std::size_t>(bins_of(b.samples, complex)) * 2 * number);
  if (complex) l.bins_at = 0;
  else l.bytes += bins;
  l.products_at = l.bins_at;
  if (of_several) {
    l.products_at = l.bytes;
    l.bytes += bins;
  }
  return l;
}

template <class T>
fft_tables<T> fft_tables_of(const request& r, const fft_blocks& blocks) {
  using wide = wider_than<T>;
  const normal_form form = oriented(r.form);
  const bool complex = is_complex_problem(r);
  const std::int64_t rows = blocks.samples.rows;
  const std::int64_t cols = blocks.samples.cols;
  const std::int64_t bins = complex ? cols : cols / 2 + 1;
  const long double norm = norms_of(r.filter.values).one;
  fft_tables<T> all;
  all.filter_exponent = norm == 0 ? 0 : std::ilogb(norm);
  std::vector<line<wide>> image(static_cast<std::size_t>(rows));
  const line<wide> of_row = roots_for<wide>(cols);
  const line<wide> of_column = roots_for<wide>(rows);
  std::visit(
      [&]<class Tap>(const std::vector<Tap>& taps) {
        const auto scaled = [&](auto part) {
          return static_cast<wide>(
              std::scalbn(static_cast<long double>(part), -all.filter_exponent));
        };
        for (std::int64_t k = 0; k < form.row.taps; ++k) {
          line<wide>& to = image[static_cast<std::size_t>(k * form.row.dilation)];
          to.resize(static_cast<std::size_t>(cols));
          for (std::int64_t l = 0; l < form.col.taps; ++l) {
            const Tap& tap = taps[static_cast<std::size_t>(k * form.col.taps + l)];
            all.taps.push_back(tap == Tap{} ? 0 : 1);
            auto& point = to[static_cast<std::size_t>(l * form.col.dilation)];
            if constexpr (is_complex_type<Tap>) point = {scaled(tap.real()), scaled(tap.imag())};
            else point = scaled(tap);
          }
          transform_line(to, of_row);
        }
      },
      r.filter.values);
  const wide scale = 1 / static_cast<wide>(blocks.points());
  all.bins.resize(static_cast<std::size_t>(rows * bins));
  line<wide> column(static_cast<std::size_t>(rows));
  for (std::int64_t c = 0; c < bins; ++c) {
    for (std::size_t k = 0; k < column.size(); ++k)
      column[k] = image[k].empty() ? 0 : image[k][static_cast<std::size_t>(c)];
    transform_line(column, of_column);
    for (std::size_t k = 0; k < column.size(); ++k)
      all.bins[k * static_cast<std::size_t>(bins) + static_cast<std::size_t>(c)] = {
          static_cast<T>(column[k].real() * scale), static_cast<T>(column[k].imag() * scale)};
  }
  return all;
}
template fft_tables<float> fft_tables_of<float>(const request&, const fft_blocks&);
template fft_tables<double> fft_tables_of<double>(const request&, const fft_blocks&);

std::optional<fft_blocks> fft_blocks_for(const request& r) {
  const double allowed = allowed_error_of_all(r);
  std::optional<fft_blocks> best;
  std::optional<fft_blocks> smallest;
  for_each_block_size(r, [&](const fft_blocks& b, std::size_t least) {
    if (b.error > allowed) return;
    if (!smallest || b.points() < smallest->points()) smallest = b;
    if (least <= r.how.max_workspace && (!best || b.bytes < best->bytes)) best = b;
  });
  return best ? best : smallest;
}

bool fft_shares_bins(const request& r) {
  return fft_blocks_for(r) && are_of_like_norms(r);
}

std::string refuse_fft(const request& r) {
  const normal_form& form = r.form;
  if (is_integer(form.types.filter))
    return "it would have to be exact, and no bound on the errors of cuFFT is proved";
  if (form.row.stride != 1 || form.col.stride != 1)
    return "its stride is not 1: most of what a transform computes would be thrown away";
  // Opened only for what it could do: it is large.
  if (fft_blocks_for(r)) return cufft_missing();
  double least = std::numeric_limits<double>::infinity();
  for_each_block_size(r,
                      [&](const fft_blocks& b, std::size_t) { least = std::min(least, b.error); });
  if (std::isinf(least))
    return "its taps reach over " + std::to_string(form.row.reach()) + " x " +
           std::to_string(form.col.reach()) + " samples, too many for a block";
  return refuse_transform_error(r, least);
}

}  // namespace convgpu::cuda
