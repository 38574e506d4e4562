// SPDX-License-Identifier: Apache-2.0
// How long algorithms for several channels and filters take: see cost.cpp.

#include <algorithm>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <cstdint>

#include "cost.hpp"
#include "depthwise.hpp"
#include "gemm.hpp"
#include "rates.hpp"
#include "simd.hpp"
#include "winograd.hpp"

namespace convgpu::cpu {

using namespace detail;  // numbers: what both backends compute with

detail::estimate cost_of_gemm(const detail::request& r, detail::rates values) {
  const cpu::rates rates = to_rates(values);
  const normal_form& form = r.form;
  const types& t = form.types;
  const simd::kernels& simd = simd::best();
  const int parts_in = is_complex(t.in) ? 2 : 1;
  const int parts_out = parts_in == 2 || is_complex(t.filter) ? 2 : 1;
  double product = rates.gemm_f32;
  int cols = simd.f32_gemm.cols;
  int rows = simd.f32_gemm.rows;
  dtype element = dtype::f32;
  const auto take = [&](double of, const auto& loops, dtype as) {
    product = of;
    cols = loops.cols;
    rows = loops.rows;
    element = as;
  };
  if (is_integer(t.filter)) {
    if (integer_sum_bits(t.in, r.filter.facts.integer_norm1) == 32)
      take(rates.gemm_i32, simd.i32_gemm, dtype::i32);
    else take(rates.gemm_i64, simd.i64_gemm, dtype::i64);
  } else if (sums_in_f64(t)) {
    take(rates.gemm_f64, simd.f64_gemm, dtype::f64);
  }
  const auto bytes = static_cast<std::int64_t>(size_of(element));
  const gemm_blocks b = gemm_blocks_for(form, parts_in, parts_out, rows, cols, bytes);
  const auto ceiling = [](std::int64_t n, std::int64_t of) {
    return static_cast<double>((n - 1) / of + 1);
  };
  // Panels of places, of whole blocks; an odd one is of half as many.
  const double blocks = ceiling(form.planes, b.planes) * ceiling(form.row.out, b.rows) *
                        ceiling(form.col.out, b.cols);
  const double places = blocks * rounded_up(b.places(), cols / 2);
  const auto depth = static_cast<double>(b.depth);
  const auto groups = static_cast<double>(form.groups);
  const double repeats = ceiling(b.height, b.height_at_once);
  const double height = static_cast<double>((b.height + 1) / 2 * 2);
  // Where there are few filters, loads of samples take longer than products.
  const double as_rows = std::max(height, static_cast<double>(rows));
  const double lines =
      groups * repeats * blocks * static_cast<double>(form.channels) *
      static_cast<double>(b.planes) *
      (static_cast<double>((b.rows - 1) * form.row.stride) + static_cast<double>(form.row.reach()));
  const double loaded = loading(
      {r, rates}, {lines, 1, static_cast<double>(b.span_cols), outside_of(form.col)}, element);
  const bool taken_apart = parts_in == 2 || form.col.stride > 1;
  const double apart = taken_apart ? lines * static_cast<double>(b.span_cols * parts_in) : 0;
  const double packed = groups * repeats * places * depth * static_cast<double>(bytes) / 64;
  // Loops begun: on tiles of sums, on panels of a channel, and a few for each block.
  const double panels = ceiling(b.places(), cols);
  const double begun = groups * repeats * blocks *
                       (4 + panels * (static_cast<double>(form.channels) +
                                      ceiling(b.depth, b.depth_at_once) *
                                          ceiling(std::min(b.height, b.height_at_once), rows)));
  work w{r, rates};
  w.arithmetic = begun * rates.strip + groups * as_rows * places * depth * product + loaded +
                 groups * blocks * rereading(w, height * depth * static_cast<double>(bytes)) +
                 apart * rates.apart + packed * rates.packed +
                 w.outputs() * (rates.stored * parts_out +
                                storing(w, element, false) * (parts_out == 2 ? 2 : 1));
  return w.done(direct_error(r));
}

detail::estimate cost_of_depthwise(const detail::request& r, detail::rates values) {
  const cpu::rates rates = to_rates(values);
  const normal_form& form = r.form;
  const types& t = form.types;
  const simd::kernels& simd = simd::best();
  double product = rates.single_f32;
  int lanes = simd.f32_depthwise.lanes;
  dtype element = dtype::f32;
  const auto take = [&](double of, const auto& loops, dtype as) {
    product = of;
    lanes = loops.lanes;
    element = as;
  };
  if (is_integer(t.filter)) {
    if (integer_sum_bits(t.in, r.filter.facts.integer_norm1) == 32)
      take(rates.single_i32, simd.i32_depthwise, dtype::i32);
    else take(rates.single_i64, simd.i64_depthwise, dtype::i64);
  } else if (sums_in_f64(t)) {
    take(rates.single_f64, simd.f64_depthwise, dtype::f64);
  }
  const auto bytes = static_cast<std::int64_t>(size_of(element));
  const auto nonzeros = static_cast<double>(r.filter.facts.nonzeros);
  // Taps that stay in registers leave loads behind: products then are as fast as those of panels. What a vector has
  // besides products takes as long as one of the others.
  const auto sums = [&](bool in_registers) {
    if (!in_registers || is_integer(element)) return (nonzeros + 1) * product;
    return nonzeros * (element == dtype::f64 ? rates.gemm_f64 : rates.gemm_f32) + product;
  };
  work w{r, rates};
  const auto blocks_of = [&](const block_grid& grid) {
    return static_cast<double>(form.planes * grid.rows.parts() * grid.cols.parts());
  };
  if (form.in_apart && form.out_apart && form.filters == 1 && 2 * form.groups >= lanes &&
      r.filter.facts.nonzeros == form.row.taps * form.col.taps) {
    // Lanes are channels: pixels are loaded and stored as they lie.
    const block_grid grid = depthwise_grid(form, lanes, bytes);
    const depthwise_span span = span_of(form, grid.rows.at_once, grid.cols.at_once);
    const double lines = blocks_of(grid) * static_cast<double>(grid.height.parts() * span.rows);
    const double numbers = static_cast<double>(span.cols * grid.height.at_once);
    w.arithmetic =
        lines * (rates.row + numbers * (t.in == element ? rates.copied : rates.converted)) +
        w.outputs() / static_cast<double>(form.groups) * rounded_up(form.groups, lanes) *
            sums(form.col.taps == cpu::simd::row_in_registers && form.col.stride == 1 &&
                 form.col.dilation == 1) +
        (t.out == element ? 0 : w.outputs() * rates.stored);
    return w.done(direct_error(r));
  }
  const block_grid grid = depthwise_grid(form, 1, bytes);
  const depthwise_span span = span_of(form, grid.rows.at_once, grid.cols.at_once);
  const double blocks = blocks_of(grid);
  const auto filters = static_cast<double>(form.out_channels());
  const double lines = static_cast<double>(form.in_channels() * span.rows) * blocks;
  const double loaded =
      loading(w, {lines, 1, static_cast<double>(span.cols), outside_of(form.col)}, element);
  const double apart = form.col.stride > 1 ? lines * static_cast<double>(span.cols) : 0;
  // Rows of outputs, in whole vectors, and a product's time for what each vector has besides products.
  const double places =
      blocks * static_cast<double>(grid.rows.at_once) * rounded_up(grid.cols.at_once, lanes);
  const bool in_place = t.out == element && grid.cols.at_once >= lanes && !form.out_apart;
  w.arithmetic = loaded + apart * rates.apart + filters * blocks * rates.strip +
                 filters * places * sums(cpu::simd::stay_in_registers(r.filter.facts.nonzeros)) +
                 (in_place ? 0
                           : filters * blocks * static_cast<double>(grid.rows.at_once) * rates.row +
                                 w.outputs() * storing(w, element, false));
  return w.done(direct_error(r));
}

detail::estimate cost_of_winograd(const detail::request& r, detail::rates values) {
  const cpu::rates rates = to_rates(values);
  const normal_form& form = r.form;
  const bool wide = sums_in_f64(form.types);
  const simd::kernels& simd = simd::best();
  const int panel = wide ? simd.f64_gemm.cols : simd.f32_gemm.cols;
  const int panel_rows = wide ? simd.f64_gemm.rows : simd.f32_gemm.rows;
  const winograd_blocks b = winograd_blocks_for(r);
  const auto m = static_cast<double>(b.m);
  const auto numbers = static_cast<double>(b.numbers());
  const auto channels = static_cast<double>(form.channels);
  const auto groups = static_cast<double>(form.groups);
  const double height = rounded_up(form.filters, 2);
  const double as_rows = std::max(height, static_cast<double>(panel_rows));
  const double blocks = rounded_up(form.planes, b.planes) / static_cast<double>(b.planes) *
                        rounded_up(b.tile_rows, b.rows) / static_cast<double>(b.rows) *
                        rounded_up(b.tile_cols, b.cols) / static_cast<double>(b.cols);
  const double lines =
      groups * channels * blocks * static_cast<double>(b.planes * (b.rows * b.m + 2));
  work w{r, rates};
  const double loaded =
      loading(w, {lines, 1, static_cast<double>(b.cols * b.m + 2), outside_of(form.col)},
              wide ? dtype::f64 : dtype::f32);
  const double vectors = groups * b.lanes * numbers * (wide ? 8 : 4) / 64;
  // Loops begun: on panels of a channel, on numbers of panels of sums, and on each filter's.
  const double panels = rounded_up(b.places(), panel) / panel;
  const double begun =
      groups * blocks *
      (4 + panels * (channels + rounded_up(form.filters, panel_rows) / panel_rows * numbers / 4 +
                     height));
  w.arithmetic =
      begun * rates.strip + loaded +
      groups * b.lanes * numbers * channels * as_rows * (wide ? rates.gemm_f64 : rates.gemm_f32) +
      groups * blocks * rereading(w, height * channels * numbers * (wide ? 8 : 4)) +
      vectors * (channels * rates.tiles_in + height * rates.tiles_out) +
      w.outputs() * storing(w, wide ? dtype::f64 : dtype::f32, false) +
      w.outputs() / (m * static_cast<double>(b.cols)) * rates.row;
  return w.done(winograd_error(r, static_cast<int>(b.m)));
}

}  // namespace convgpu::cpu
