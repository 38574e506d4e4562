// SPDX-License-Identifier: Apache-2.0
// How long an algorithm takes, from what it has to do and the rates of the machine:
//
//     overhead + max(arithmetic, bytes · seconds for a byte) + a part of the smaller of these
//
// The arithmetic is that of the tiles: rows and columns are counted up to whole strips and vectors, which is all
// that small images are about.

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/fft_error.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "cost.hpp"
#include "overlap_save.hpp"
#include "parallel.hpp"
#include "passes.hpp"
#include "rates.hpp"
#include "rounding.hpp"
#include "simd.hpp"
#include "taps.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

/// What memory and arithmetic do not do at the same time, of the shorter one of both.
constexpr double not_overlapped = 0.25;

/// Bytes that fit in a level of the caches.
struct caches {
  double l2;
  double l3;

  static const caches& here() {
    static const caches found = [] {
      // Not told, they are those of the processor that the rates were measured on. A virtual machine may be told of
      // all third levels of its host, of which a thread has one.
      constexpr double most_l3 = 64 << 20;
      const auto ask = [](int name, double otherwise) {
        const long bytes = ::sysconf(name);
        return bytes > 0 ? static_cast<double>(bytes) : otherwise;
      };
#if defined(_SC_LEVEL2_CACHE_SIZE) && defined(_SC_LEVEL3_CACHE_SIZE)
      return caches{ask(_SC_LEVEL2_CACHE_SIZE, 1 << 20),
                    std::min(ask(_SC_LEVEL3_CACHE_SIZE, 32 << 20), most_l3)};
#else
      return caches{1 << 20, 32 << 20};
#endif
    }();
    return found;
  }
};

}  // namespace

estimate work::done(double error) const {
  const double memory = rereading(*this, bytes());
  const double busy = std::max(arithmetic, memory) + not_overlapped * std::min(arithmetic, memory);
  estimate e{.seconds = rates.call + busy, .error = error};
  e.by = busy < rates.call     ? bound::overhead
         : memory > arithmetic ? bound::memory
                               : bound::arithmetic;
  const double threads = hardware_threads();
  e.shared_seconds = std::min(e.seconds, e.seconds / threads + rates.hand_off);
  return e;
}

double rereading(const work& w, double bytes) {
  const caches& c = caches::here();
  // In the second level, rates are as they were measured.
  return bytes * (bytes <= c.l2 ? 0 : bytes <= c.l3 ? w.rates.byte_l3 : w.rates.byte_memory);
}

double loading(const work& w, const loaded_rows& l, dtype to) {
  const cpu::rates& rates = w.rates;
  const border_kind kind = w.r.form.border.kind();
  const bool repeats = kind != border_kind::zero && kind != border_kind::constant;
  const double each = w.r.form.in_apart                      ? rates.continued
                      : w.r.form.types.in == to              ? rates.copied
                      : to == dtype::f32 || to == dtype::i16 ? rates.converted
                                                             : rates.widened;
  return l.rows *
         (l.pieces * rates.row + l.samples * each + (repeats ? l.outside * rates.continued : 0));
}

double storing(const work& w, dtype sums, bool in_place) {
  if (w.r.form.out_apart) return w.rates.clamped;
  if (in_place) return 0;
  const types& t = w.r.form.types;
  if (is_integer(t.out) && !is_integer(sums)) return w.rates.rounded;
  const bool has_loop = sums == t.out || (sums == dtype::i32 && size_of(t.out) <= 2) ||
                        (sums == dtype::f32 && t.out == dtype::f16);
  return has_loop ? w.rates.stored : w.rates.clamped;
}

double outside_of(const axis& a) {
  return static_cast<double>(std::max<std::int64_t>(-a.at(0, a.taps - 1), 0) +
                             std::max<std::int64_t>(a.at(a.out - 1, 0) - (a.in - 1), 0));
}

namespace {

// ---- cpu/direct

/// Which loop, as cpu/direct chooses it, and how it looks at rows.
struct direct_loop {
  summing cost{};
  int rows = 1;
  int cols = 1;     // numbers
  dtype element{};  // rows are in place if they are of this type
  dtype sums{};
  bool in_place = false;  // sums are the outputs
  std::int64_t beyond = 15;
  int parts = 1;        // of a sample and of a sum
  double products = 0;  // of an output
  double samples = 0;   // read for it, by itself or with others
  bool checks = false;  // of rounding
  double anew = 0;      // products of an output that are made once more
};

bool has_strides(const normal_form& form) {
  return form.row.stride != 1 || form.col.stride != 1;
}

template <class Kernel>
void take(direct_loop& l, const summing& cost, const Kernel& kernel) {
  l.cost = cost;
  l.rows = kernel.rows;
  l.cols = kernel.cols;
}

direct_loop integer_loop(const request& r, const cpu::rates& rates,
                         const std::vector<std::int32_t>& taps) {
  const simd::kernels& simd = simd::best();
  direct_loop l{.element = dtype::i32};
  l.products = static_cast<double>(r.filter.facts.nonzeros);
  const int bits = integer_sum_bits(r.form.types.in, r.filter.facts.integer_norm1);
  l.sums = bits == 32 ? dtype::i32 : dtype::i64;
  l.in_place = r.form.types.out == l.sums && !has_strides(r.form);
  if (bits == 128 || has_strides(r.form)) {
    take(l, rates.plain, plain<std::int32_t, std::int32_t, std::int64_t>);
  } else if (bits == 64) {
    take(l, rates.strip_i64, simd.i64);
    l.element = dtype::i64;
  } else if (size_of(r.form.types.in) <= 2 && std::all_of(taps.begin(), taps.end(), [](auto tap) {
               return tap >= -32767 && tap <= 32767;
             })) {
    take(l, rates.pairs, simd.i16);
    l.element = dtype::i16;
    l.beyond = 2;
    // Columns go two by two.
    l.products *=
        static_cast<double>((r.form.col.taps + 1) / 2 * 2) / static_cast<double>(r.form.col.taps);
  } else {
    take(l, rates.strip_f32, simd.i32);  // as many multiplications at a time
  }
  return l;
}

/// Where 8-bit integers are summed in f32: the part of outputs that will be made anew.
template <class FilterTap>
std::optional<double> doubtful(const request& r, const std::vector<FilterTap>& taps) {
  if constexpr (std::is_same_v<FilterTap, double>) {
    if (size_of(r.form.types.in) != 1 || has_strides(r.form)) return std::nullopt;
    std::vector<placed_tap<double>> placed;
    for (std::size_t n = 0; n < taps.size(); ++n)
      if (taps[n] != 0)
        placed.push_back({static_cast<std::int64_t>(n) / r.form.col.taps * r.form.row.dilation,
                          static_cast<std::int64_t>(n) % r.form.col.taps, taps[n]});
    if (const auto rounding = checked_rounding::of(r.form.types, r.form.overflow, placed))
      return rounding->doubtful();
  }
  return std::nullopt;
}

/// There are loops for patches of these sizes alone.
bool is_small_square(const request& r) {
  const std::int64_t size = r.form.row.taps;
  return (size == 3 || size == 5 || size == 7) && r.form.col.taps == size &&
         r.form.col.dilation == 1 && r.form.row.dilation == 1 && !is_complex(r.form.types.in) &&
         !is_complex(r.form.types.filter) && r.filter.facts.nonzeros == size * size;
}

template <class FilterTap>
direct_loop float_loop(const request& r, const cpu::rates& rates,
                       const std::vector<FilterTap>& taps) {
  const simd::kernels& simd = simd::best();
  const types& t = r.form.types;
  constexpr bool complex_taps = is_complex_type<FilterTap>;
  const bool complex_sums = complex_taps || is_complex(t.in);
  direct_loop l{.element = dtype::f32};
  l.parts = is_complex(t.in) ? 2 : 1;
  l.products = static_cast<double>(r.filter.facts.nonzeros) * l.parts * (complex_taps ? 2 : 1);
  if (const std::optional<double> part = doubtful(r, taps); part && is_integer(t.in)) {
    l.checks = true;
    l.anew = *part * static_cast<double>(r.filter.facts.nonzeros);
  }
  const bool wide = sums_in_f64(t) && !l.checks;
  const dtype sums =
      wide ? (complex_sums ? dtype::cf64 : dtype::f64) : (complex_sums ? dtype::cf32 : dtype::f32);
  l.element = l.parts == 2 ? sums : wide ? dtype::f64 : dtype::f32;
  l.sums = sums;
  l.in_place = t.out == sums && !complex_taps;
  if (has_strides(r.form)) {
    take(l, rates.plain, plain<float, float, float>);
    return l;
  }
  const auto choose = [&](const auto& strip, const auto& short_line, const auto& long_line,
                          const summing& of_strip, const summing& of_short,
                          const summing& of_long) {
    const std::int64_t numbers = r.form.col.out * l.parts;
    if (l.checks || r.form.row.taps > 1 ||
        !(r.form.row.out == 1 || numbers >= short_line.loop.cols))
      return take(l, of_strip, strip);
    if (r.form.col.taps * r.form.col.dilation * l.parts >= long_line.from)
      return take(l, of_long, long_line.loop);
    take(l, of_short, short_line.loop);
  };
  if (wide)
    choose(simd.f64, simd.f64_short_line, simd.f64_long_line, rates.strip_f64, rates.short_line_f64,
           rates.long_line_f64);
  else
    choose(simd.f32, simd.f32_short_line, simd.f32_long_line,
           is_small_square(r) ? rates.square_f32 : rates.strip_f32, rates.short_line_f32,
           rates.long_line_f32);
  return l;
}

direct_loop loop_of(const request& r, const cpu::rates& rates) {
  direct_loop l = std::visit(
      [&]<class T>(const std::vector<T>& taps) {
        if constexpr (std::is_same_v<T, std::int32_t>) return integer_loop(r, rates, taps);
        else return float_loop(r, rates, taps);
      },
      r.filter.values);
  // A strip reads a column of samples once for all of its rows. The plain loop begins anew for every tap.
  const auto height = static_cast<double>(r.form.row.taps);
  l.samples = l.cols == 1 ? static_cast<double>(r.filter.facts.nonzeros) /
                                static_cast<double>(r.form.col.out)
                          : l.products * (l.rows + height - 1) / (l.rows * height);
  return l;
}

// ---- cpu/separable

/// How the loops of cpu/separable go over a factor.
enum class way : std::uint8_t { plainly, folded, box };

template <class T>
way way_of(const tap_values& factor, std::size_t from) {
  return std::visit(
      [&](const auto& taps) {
        if constexpr (is_complex_type<std::decay_t<decltype(taps.front())>>) {
          return way::plainly;
        } else {
          const auto found = symmetric<T>(taps, from);
          if (!found) return way::plainly;
          return found->loops.in_blocks ? way::box : way::folded;
        }
      },
      factor);
}

struct both_passes {
  passing cost;
  dtype element;
  dtype sums;
  int down_rows = 1;  // at once
  int along_rows = 1;
  int cols = 1;
  way down = way::plainly;
  way along = way::plainly;
  bool checks = false;  // of rounding
  double anew = 0;      // products of an output that are made once more
};

both_passes passes_of(const request& r, const rank_one& factors, const cpu::rates& rates) {
  const simd::kernels& simd = simd::best();
  const types& t = r.form.types;
  const bool complex_sums = is_complex(t.in) || is_complex(t.filter);
  both_passes p{};
  const auto fill = [&]<class T>(const passing& cost, const auto& kernel, T) {
    p.cost = cost;
    p.down_rows = p.along_rows = kernel.rows;
    p.cols = kernel.cols;
    if constexpr (!std::is_same_v<T, std::int64_t>) {
      if (r.form.row.dilation == 1) p.down = way_of<T>(factors.column, symmetric_down_from);
      if (r.form.col.dilation == 1 && !complex_sums)
        p.along = way_of<T>(factors.row, symmetric_along_from);
      if (p.down != way::plainly) p.down_rows = symmetric_loops_for<T>(p.down == way::box).rows;
      if (p.along != way::plainly)
        p.along_rows = symmetric_loops_for<T>(p.along == way::box).along_rows;
    }
  };
  if (is_integer(t.filter)) {
    const bool narrow = integer_sum_bits(t.in, r.filter.facts.integer_norm1) == 32;
    p.element = dtype::i32;
    p.sums = narrow ? dtype::i32 : dtype::i64;
    if (narrow) fill(rates.passes_i32, simd.i32, std::int32_t{});
    else fill(rates.passes_i64, plain<std::int32_t, std::int32_t, std::int64_t>, std::int64_t{});
  } else if (const auto narrowed = narrow(r)) {
    p.element = dtype::f32;
    p.sums = dtype::f32;
    p.checks = true;
    p.anew = narrowed->check.doubtful() * static_cast<double>(r.form.row.taps * r.form.col.taps);
    fill(rates.passes_f32, simd.f32, float{});
  } else if (sums_in_f64(t)) {
    p.element = is_complex(t.in) ? dtype::cf64 : dtype::f64;
    p.sums = complex_sums ? dtype::cf64 : dtype::f64;
    fill(rates.passes_f64, simd.f64, double{});
  } else {
    p.element = is_complex(t.in) ? dtype::cf32 : dtype::f32;
    p.sums = complex_sums ? dtype::cf32 : dtype::f32;
    fill(rates.passes_f32, simd.f32, float{});
  }
  return p;
}

}  // namespace

detail::estimate cost_of_direct(const detail::request& r, detail::rates values) {
  const cpu::rates rates = to_rates(values);
  const direct_loop l = loop_of(r, rates);
  const axis& row = r.form.row;
  const axis& col = r.form.col;
  const double rows = rounded_up(row.out, l.rows);
  const std::int64_t at_once = std::max(l.cols / l.parts, 1);
  const std::int64_t line =
      std::max<std::int64_t>(at_once, col.stride == 1 ? 16 : 1);  // of the cache
  // Columns whose windows reach over an end are computed apart, where rows are not loaded in whole.
  const auto end = [&](std::int64_t n) {
    return static_cast<std::int64_t>(rounded_up(std::clamp<std::int64_t>(n, 0, col.out), line));
  };
  std::int64_t left = end(-col.at(0, col.taps - 1));
  std::int64_t right = end(col.at(col.out - 1, 0) + l.beyond - (col.in - 1));
  const bool has_edges = r.form.types.in == l.element && col.stride == 1 && !r.form.in_apart;
  double cols = 0;
  loaded_rows load{rows * static_cast<double>(row.stride) + static_cast<double>(row.reach() - 1), 1,
                   0, outside_of(col)};
  double pieces = 1;  // that are computed
  const auto halo = static_cast<double>(col.reach() - 1);
  if (has_edges && left + right + at_once <= col.out) {
    cols = static_cast<double>(left + right) + rounded_up(col.out - left - right, at_once);
    load.pieces = (left > 0 ? 1 : 0) + (right > 0 ? 1 : 0);
    load.samples = static_cast<double>(left + right) + load.pieces * halo;
    pieces = 1 + load.pieces;
  } else {
    cols = rounded_up(col.out, at_once);
    load.samples = cols * static_cast<double>(col.stride) + halo;
    load.outside = std::max(load.samples - static_cast<double>(col.in), 0.0);
  }
  const auto planes = static_cast<double>(r.form.planes);
  const bool joins = is_complex(r.form.types.filter);
  const double strips = rows / l.rows * pieces * (joins ? 2 : 1);
  work w{r, rates};
  w.arithmetic = planes * (rows * cols *
                               (l.cost.output * l.parts * (joins ? 2 : 1) +
                                l.cost.product * l.products + l.cost.sample * l.samples) +
                           strips * (rates.strip + (l.rows - 1 + static_cast<double>(row.reach())) *
                                                       rates.pointer) +
                           loading(w, load, l.element)) +
                 w.outputs() * (joins ? rates.joined : 0) +
                 w.outputs() * (l.checks ? rates.checked + l.anew * rates.made_anew
                                         : storing(w, l.sums, l.in_place));
  return w.done(direct_error(r));
}

detail::estimate cost_of_separable(const detail::request& r, detail::rates values) {
  const cpu::rates rates = to_rates(values);
  const std::span<const rank_one> terms = terms_for(r);
  const types& t = r.form.types;
  const axis& row = r.form.row;
  const axis& col = r.form.col;
  const int parts = is_complex(t.in) ? 2 : 1;
  const int sets = is_complex(t.filter) ? 2 : 1;
  const int result_parts = std::max(parts, sets);
  const auto planes = static_cast<double>(r.form.planes);
  const both_passes first = passes_of(r, terms.front(), rates);
  std::int64_t at_once = 1;
  for (const rank_one& factors : terms) {
    const both_passes p = passes_of(r, factors, rates);
    at_once = std::max<std::int64_t>({at_once, p.down_rows, p.along_rows});
  }
  // The last strip begins earlier, where there is room for it. Terms are added up in whole blocks.
  const bool whole = row.out >= at_once && terms.size() == 1;
  const double along_cols = rounded_up(std::max<std::int64_t>(col.out, first.cols / parts),
                                       terms.size() == 1 ? 1 : first.cols / parts);
  const double down_cols = along_cols + static_cast<double>(col.reach() - 1);
  // Sums of columns outside are not made anew, where there are enough inside.
  const bool whole_rows = col.in < first.cols / parts;
  const bool loads = whole_rows || t.in != first.element;
  const double outside = whole_rows ? 0 : outside_of(col);
  work w{r, rates};
  for (const rank_one& factors : terms) {
    const both_passes p = passes_of(r, factors, rates);
    const double down_rows = rounded_up(row.out, whole ? at_once : p.down_rows);
    const double along_rows = rounded_up(row.out, whole ? at_once : p.along_rows);
    const auto pass = [&](way how, double plainly, double folded, std::int64_t taps) {
      const auto n = static_cast<double>(taps);
      if (how == way::box) return p.cost.box_output + n * p.cost.box;
      return n * (how == way::folded ? folded : plainly);
    };
    const double down =
        pass(p.down, p.cost.down, p.cost.down_folded, factors.column_nonzeros) * parts * sets;
    const double along = pass(p.along, p.cost.along, p.cost.along_folded, factors.row_nonzeros) *
                         result_parts * sets;
    w.arithmetic +=
        planes *
        (down_rows * down_cols * down +
         along_rows *
             (along_cols * (along + p.cost.output * result_parts) + outside * rates.continued) +
         sets * (down_rows / p.down_rows + along_rows / p.along_rows) * rates.strip +
         down_rows / p.down_rows * (p.down_rows - 1 + static_cast<double>(row.reach())) *
             rates.pointer +
         (p.cols == 1 ? along_rows * rates.plain.sample *
                            static_cast<double>(factors.column_nonzeros + factors.row_nonzeros)
                      : 0));
  }
  if (loads) {
    const double rows = rounded_up(row.out, whole ? at_once : first.down_rows);
    const loaded_rows load{rows + static_cast<double>(row.reach() - 1), 1, down_cols,
                           whole_rows ? std::max(down_cols - static_cast<double>(col.in), 0.0) : 0};
    w.arithmetic += planes * loading(w, load, first.element);
  }
  w.arithmetic +=
      w.outputs() * ((sets == 2 ? 2 * rates.joined : 0) +
                     (first.checks ? rates.checked + first.anew * rates.made_anew
                                   : storing(w, first.sums, t.out == first.sums && sets == 1)));
  estimate e = w.done(first.checks ? direct_error(r) : separable_error(r, terms));
  // Two passes with no fewer products gain nothing.
  const rank_one& factors = terms.front();
  if (factors.column_nonzeros * factors.row_nonzeros <=
      factors.column_nonzeros + factors.row_nonzeros) {
    const estimate direct = cost_of_direct(r, values);
    e.seconds = std::max(e.seconds, 1.01 * direct.seconds);
    e.shared_seconds = std::max(e.shared_seconds, 1.01 * direct.shared_seconds);
  }
  return e;
}

detail::estimate cost_of_overlap_save(const detail::request& r, detail::rates values) {
  const cpu::rates rates = to_rates(values);
  const auto blocks = overlap_save_blocks_for(r);
  work w{r, rates};
  const bool wide = sums_in_f64(r.form.types);
  const bool complex = is_complex(r.form.types.in) || is_complex(r.form.types.filter);
  w.arithmetic = 1e9 * blocks->seconds * (wide ? rates.transform_f64 : rates.transform_f32);
  // What the table of transforms does not have: samples that become others, twice (for the largest, and for the
  // block), whatever the number of filters, and sums that do.
  const normal_form form = oriented(r.form);
  const auto seen = [](const axis& a, std::int64_t outputs) {
    return static_cast<double>(a.out + ((a.out - 1) / outputs + 1) * (a.reach() - 1));
  };
  const auto planes = static_cast<double>(form.planes * form.groups);
  const double samples = planes * seen(form.row, blocks->rows) * seen(form.col, blocks->cols);
  if (size_of(form.types.in) != (wide ? 8U : 4U) * (is_complex(form.types.in) ? 2 : 1) ||
      is_integer(form.types.in))
    w.arithmetic += 2 * blocks->samples.count * samples * (wide ? rates.widened : rates.converted);
  if (complex) w.arithmetic += (samples + w.outputs()) * rates.transform_parted;
  // Rows that reach over the ends of the input's are copied, and what lies outside is found inside.
  if (const double outside = outside_of(form.col); outside > 0) {
    const border_kind kind = form.border.kind();
    const bool repeats = kind != border_kind::zero && kind != border_kind::constant;
    const double rows = planes * seen(form.row, blocks->rows);
    w.arithmetic += 2 * blocks->samples.count * rows *
                    (2 * rates.row + (repeats ? outside * rates.continued : 0));
  }
  if (is_integer(form.types.out))
    w.arithmetic += blocks->products() * w.outputs() * rates.transform_rounded;
  else if (size_of(form.types.out) != (wide ? 8U : 4U) * (complex ? 2 : 1))
    w.arithmetic += w.outputs() * storing(w, wide ? dtype::f64 : dtype::f32, false);
  // Integers are rounded to what they are.
  return w.done(is_integer(r.form.types.filter) ? 0 : blocks->error);
}

detail::estimate cost_of_reference(const detail::request& r, detail::rates values) {
  const cpu::rates rates = to_rates(values);
  work w{r, rates};
  w.arithmetic =
      w.outputs() * (rates.reference.output +
                     rates.reference.product * static_cast<double>(r.filter.facts.nonzeros));
  const bool exact = is_integer(r.form.types.filter);
  // It sums in the next wider type.
  const double unit = sums_in_f64(r.form.types) ? 0x1p-64 : 0x1p-53;
  estimate e = w.done(
      exact ? 0 : static_cast<double>(r.filter.facts.nonzeros) * roundings_of_product(r) * unit);
  e.shared_seconds = e.seconds;  // one thread is all that it has
  return e;
}

}  // namespace convgpu::cpu
