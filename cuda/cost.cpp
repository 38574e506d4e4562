// SPDX-License-Identifier: Apache-2.0
// Bytes and multiply-adds against what a device can do by its clocks. None of this was measured on a GPU yet: the
// parts of the peak that kernels reach are guesses from the instructions that they are made of.

#include "cost.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/fft_error.hpp>
#include <convgpu/detail/separable.hpp>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "algorithms.hpp"
#include "fft.hpp"
#include "gemm.hpp"
#include "launch.hpp"
#include "mma.hpp"
#include "overlap_save.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

using namespace detail;  // numbers: what both backends compute with

/// Seconds for one of each.
struct device_rates {
  double call;    // of `run` until its kernel begins
  double launch;  // of another one
  double byte;    // of the device's memory
  double fma_f32;
  double fma_f64;
  double fma_i32;
  double fma_i64;
  double fma_tf32;  // by tensor cores
  double fma_16;
  double multiprocessors;  // how many there are
};
constexpr std::string_view names[] = {"call",    "launch",         "byte",    "fma_f32",
                                      "fma_f64", "fma_i32",        "fma_i64", "fma_tf32",
                                      "fma_16",  "multiprocessors"};
static_assert(sizeof(device_rates) == std::size(names) * sizeof(double));

device_rates to_rates(detail::rates values) {
  device_rates r{};
  std::memcpy(&r, values.data(), sizeof r);
  return r;
}

/// An attribute of the device, or that of an H100 where it says nothing of it. \throws cuda_error
double attribute(cudaDeviceAttr which, int index, int of_h100) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, index), "cudaDeviceGetAttribute");
  return value > 0 ? value : of_h100;
}

std::vector<double> built_in(int index) {
  const double multiprocessors = attribute(cudaDevAttrMultiProcessorCount, index, 132);
  const double hertz = 1e3 * attribute(cudaDevAttrClockRate, index, 1980000);
  // Both edges of the clock; nine tenths of it are what a copy reaches.
  const double bytes = 0.9 * 2 * 1e3 * attribute(cudaDevAttrMemoryClockRate, index, 2619000) *
                       attribute(cudaDevAttrGlobalMemoryBusWidth, index, 5120) / 8;
  const double major = attribute(cudaDevAttrComputeCapabilityMajor, index, 9);
  const double minor = attribute(cudaDevAttrComputeCapabilityMinor, index, 0);
  // Those of data centres have one unit for f64 for two of f32, all others next to none; and tensor cores that do eight
  // products of TF32 for one of f32, sixteen of 16 bits. Of the others these do one and two.
  const bool of_data_centres = minor == 0 && major >= 8 && major <= 10;
  const double f32 = 1 / (multiprocessors * 128 * hertz);
  const device_rates r{.call = 8e-6,
                       .launch = 3e-6,
                       .byte = 1 / bytes,
                       .fma_f32 = f32,
                       .fma_f64 = f32 * (of_data_centres ? 2 : 64),
                       .fma_i32 = f32 * 2,
                       .fma_i64 = f32 * 8,
                       .fma_tf32 = of_data_centres ? f32 / 8 : f32,
                       .fma_16 = of_data_centres ? f32 / 16 : f32 / 2,
                       .multiprocessors = multiprocessors};
  std::vector<double> values(std::size(names));
  std::memcpy(values.data(), &r, sizeof r);
  return values;
}

// The part of the peak of multiply-adds.
constexpr double part_of_direct = 0.6;     // eight products for three reads of shared memory
constexpr double part_of_fours = 0.8;      // 64 for three
constexpr double part_of_narrow = 0.25;    // one for each read
constexpr double part_of_separable = 0.5;  // eight for two, and two barriers a step
constexpr double part_of_mma = 0.5;        // instructions of warps are not all that these units do
constexpr double part_of_overlap_save =
    0.7;  // of arithmetic and shared memory, one after the other
constexpr double part_of_fft = 0.4;
constexpr double part_of_gemm = 0.8;
constexpr double matrix_units = 8;      // how much faster they are with 16 bits
constexpr double part_of_plain = 0.05;  // a read of a cache, and its address, for each
// Loads of a step of cuda/separable are asked for when the one before has ended.
constexpr double waits_of_separable = 1.05;
// What memory and arithmetic do not do at the same time, of the shorter one of both.
constexpr double not_overlapped = 0.25;

struct counted {
  const request& r;
  device_rates rates;
  double outputs;
  std::size_t sum_bytes;
  double fma;  // seconds for a product of a sample and a tap

  counted(const request& of, detail::rates values) : r(of), rates(to_rates(values)) {
    const types& t = r.form.types;
    outputs = r.form.outputs();
    const bool complex_sums = is_complex(t.in) || is_complex(t.filter);
    if (is_integer(t.filter)) {
      const int bits = integer_sum_bits(t.in, r.filter.facts.integer_norm1);
      sum_bytes = static_cast<std::size_t>(bits) / 8;
      fma = bits == 32 ? rates.fma_i32 : rates.fma_i64;
    } else {
      sum_bytes = (sums_in_f64(t) ? 8 : 4) * (complex_sums ? 2 : 1);
      fma = (sums_in_f64(t) ? rates.fma_f64 : rates.fma_f32) * (is_complex(t.in) ? 2 : 1) *
            (is_complex(t.filter) ? 2 : 1);
    }
  }

  /// `read` is how often each sample is read from the device's memory.
  [[nodiscard]] double bytes(double read) const {
    return r.form.samples() * read * static_cast<double>(size_of(r.form.types.in)) +
           outputs * static_cast<double>(size_of(r.form.types.out));
  }
  [[nodiscard]] estimate done(double products, double part, double all_bytes, double launches,
                              double error) const {
    const double arithmetic = products * fma / part;
    const double memory = all_bytes * rates.byte;
    const double busy =
        std::max(arithmetic, memory) + not_overlapped * std::min(arithmetic, memory);
    const double overhead = rates.call + (launches - 1) * rates.launch;
    estimate e{.seconds = overhead + busy, .shared_seconds = overhead + busy, .error = error};
    e.by = busy < overhead       ? bound::overhead
           : memory > arithmetic ? bound::memory
                                 : bound::arithmetic;
    return e;
  }
};

double with_halo(std::int64_t outputs, std::int64_t taps) {
  return static_cast<double>(outputs + taps - 1) / static_cast<double>(outputs);
}

}  // namespace

estimate cost_of_separable(const request& r, detail::rates values) {
  const counted c(r, values);
  const std::int64_t down = r.form.row.taps;
  const std::int64_t along = r.form.col.taps;
  const separable_tile tile = separable_tile_for(c.sum_bytes);
  const std::int64_t across = (r.form.col.out - 1) / tile.cols() + 1;
  const std::span<const rank_one> terms = separable_terms(r);
  const double error = separable_error(r, terms);
  if (terms.size() > 1) {
    const int strip =
        separable_strip(r.form.row.out, across, down, static_cast<int>(c.rates.multiprocessors));
    const double halo = with_halo(tile.cols(), along);
    return c.done(c.outputs * static_cast<double>(terms.size()) *
                      (static_cast<double>(along) + static_cast<double>(down) * halo),
                  part_of_separable, waits_of_separable * c.bytes(with_halo(strip, down) * halo), 1,
                  error);
  }
  if (down > separable_taps || along > separable_taps) {  // two launches, sums in between
    const double between = 2 * c.outputs * static_cast<double>(c.sum_bytes);
    return c.done(c.outputs * static_cast<double>(down + along), part_of_direct,
                  c.bytes(1) + between, 2, error);
  }
  const int strip =
      separable_strip(r.form.row.out, across, down, static_cast<int>(c.rates.multiprocessors));
  const double again = with_halo(strip, down);
  return c.done(c.outputs * (static_cast<double>(along) * again + static_cast<double>(down)),
                part_of_separable,
                waits_of_separable * c.bytes(again * with_halo(tile.cols(), along)), 1, error);
}

estimate cost_of_direct(const request& r, detail::rates values) {
  const counted c(r, values);
  const std::int64_t down = r.form.row.taps;
  const std::int64_t along = r.form.col.taps;
  const double taps = static_cast<double>(down) * static_cast<double>(along);
  // Whole lines and tiles are computed, of which small images fill a part; of large ones hardly less.
  const auto whole = [](std::int64_t outputs, int tile) {
    return static_cast<double>((outputs - 1) / tile + 1) * tile / static_cast<double>(outputs);
  };
  // A tile is loaded once for all filters of a channel, which have their taps in device memory.
  const double of_taps = static_cast<double>(r.form.out_channels()) * taps *
                         static_cast<double>(size_of(r.form.types.filter));
  if (is_of_lines(r.form)) {
    const line_tile line = line_tile_for(c.sum_bytes);
    const int lanes = line.lanes_for(r.form.col.out);
    const auto chunk = std::min<std::int64_t>(along, line.chunk(lanes));
    return c.done(
        c.outputs * whole(r.form.col.out, line.cols(lanes)) * taps, part_of_direct,
        c.bytes(with_halo(std::min<std::int64_t>(r.form.col.out, line.cols(lanes)), chunk)) +
            of_taps,
        1, direct_error(r));
  }
  const bool narrow = is_narrow(r.form.row.out, r.form.col.out, c.sum_bytes);
  const direct_tile tile = direct_tile_for(c.sum_bytes, narrow);
  const auto chunk = [&](std::int64_t of) { return std::min<std::int64_t>(of, tile.chunk); };
  const double read =
      with_halo(tile.out_rows(), chunk(down)) * with_halo(tile.out_cols(), chunk(along));
  const double computed =
      narrow ? whole(r.form.row.out, tile.out_rows()) * whole(r.form.col.out, tile.out_cols()) : 1;
  const double part = narrow ? part_of_narrow : tile.together ? part_of_fours : part_of_direct;
  return c.done(c.outputs * computed * taps, part, c.bytes(read) + of_taps, 1, direct_error(r));
}

estimate cost_of_mma(const request& r, detail::rates values) {
  const counted c(r, values);
  const mma_numbers numbers = mma_numbers_for(r).value();
  const mma_layout l = mma_layout_for(r, numbers.passes);
  const bool narrow = size_of(r.form.types.in) == 2;
  // Warps that have outputs make all of theirs; for each row of taps so many instructions, and reads of all lanes.
  const auto whole = [](std::int64_t outputs, int tile) {
    return static_cast<double>((outputs - 1) / tile + 1);
  };
  const double rows = whole(r.form.row.out, mma_tile::warp_rows) *
                      whole(r.form.col.out, mma_tile::warp_cols) *
                      static_cast<double>(r.form.planes * r.form.row.taps);
  const double products =
      mma_tile::tiles * l.chunks * numbers.passes * 16.0 * 8 * (narrow ? 16 : 8);
  int loops = 0;
  for (int v = 0; v < l.chunks; ++loops) v += mma_chunks_at_once(l.chunks - v, numbers.passes);
  const double samples = 4.0 * (loops * (mma_tile::tiles / (narrow ? 2 : 1) - 1) + l.chunks);
  const double taps = (2.0 * l.chunks + (narrow ? loops : 0)) * (numbers.passes == 3 ? 2 : 1);
  // A multiprocessor reads 128 bytes of shared memory while it does 128 multiply-adds of f32.
  const double seconds = rows * std::max(products * (narrow ? c.rates.fma_16 : c.rates.fma_tf32),
                                         (samples + taps) * 128 * c.rates.fma_f32);
  return c.done(seconds / c.fma, part_of_mma,
                c.bytes(with_halo(mma_tile::out_rows, r.form.row.taps) *
                        with_halo(mma_tile::out_cols, r.form.col.taps)),
                1, numbers.error);
}

estimate cost_of_overlap_save(const request& r, detail::rates values) {
  if (r.form.has_channels() && !overlap_save_shares(r))
    return cost_of_queued<cost_of_overlap_save>(r, values);
  const counted c(r, values);
  const overlap_save_blocks b = overlap_save_blocks_for(r).value();
  const bool wide = sums_in_f64(r.form.types);
  const auto points = static_cast<double>(b.points.points());
  const double size = wide ? sizeof(double) : sizeof(float);
  // There and back, 5·n·log₂(n) operations each, and the product; for each filter of a block the last stage there anew.
  const double last = 5 * last_radix_bits;
  const double there = 5 * std::log2(points);
  const double arithmetic = static_cast<double>(b.count) * points *
                            (there - last + b.filters.of_part * (last + 6 + there)) *
                            (wide ? c.rates.fma_f64 : c.rates.fma_f32);
  // A multiprocessor reads or writes 128 bytes of shared memory while it does 128 multiply-adds of f32.
  const double shared =
      static_cast<double>(b.count) * points * b.accesses * 2 * size * c.rates.fma_f32;
  const double again = static_cast<double>(b.count) * points * samples_per_point(r.form.types) /
                       std::max(c.outputs / static_cast<double>(r.form.filters), 1.0);
  // Blocks that are not enough for all multiprocessors leave the others idle.
  const double each = static_cast<double>(b.count) / c.rates.multiprocessors;
  const double idle = std::ceil(each) / each;
  return c.done((arithmetic + shared) / c.fma * idle, part_of_overlap_save, c.bytes(again), 1,
                b.error);
}

estimate cost_of_fft(const request& r, detail::rates values) {
  const counted c(r, values);
  const std::optional<fft_blocks> found = fft_blocks_for(r);
  if (!found) return cost_of_queued<cost_of_fft>(r, values);  // none that does for all filters
  const fft_blocks& b = *found;
  // Samples go to bins once for a channel, and from there back once for a filter.
  const auto channels = static_cast<double>(r.form.in_channels());
  const auto filters = static_cast<double>(r.form.out_channels());
  const double launches = 3 * (channels + filters) *
                          std::ceil(static_cast<double>(b.count) / static_cast<double>(b.at_once));
  const double fma = sums_in_f64(r.form.types) ? c.rates.fma_f64 : c.rates.fma_f32;
  const auto points = static_cast<double>(b.points());
  const double arithmetic = static_cast<double>(b.count) * points *
                            (5 * std::log2(points) * (channels + filters) + 6 * filters) * fma;
  return c.done(arithmetic / c.fma, part_of_fft,
                b.shared_bytes * channels + (b.bytes - b.shared_bytes) * filters, launches,
                b.error);
}

estimate cost_of_gemm(const request& r, detail::rates values) {
  const counted c(r, values);
  const gemm_tiles t = gemm_tiles_for(r);
  const dtype number = gemm_type(r);
  // Real numbers that meet complex ones become complex.
  const bool mixed = is_complex(r.form.types.in) != is_complex(r.form.types.filter);
  const double per_product = size_of(number) == 2 ? 1 / matrix_units : mixed ? 2 : 1;
  const auto depth = static_cast<double>(t.depth);
  // Patches and sums are written and read once each. Of one sample a channel there are none where data are dense, nor
  // sums where the output has their type.
  const bool pointwise = gemm_is_pointwise(r);
  const bool sums = !pointwise || r.form.types.out != gemm_sum_type(r);
  const double patches = pointwise ? 0 : c.outputs / static_cast<double>(r.form.filters) * depth;
  const double between =
      2 * (patches * static_cast<double>(size_of(number)) +
           (sums ? c.outputs * static_cast<double>(size_of(gemm_sum_type(r))) : 0));
  const double launches = (pointwise ? 1 : 2) + (sums ? 1 : 0);
  return c.done(c.outputs * depth * per_product, part_of_gemm, c.bytes(1) + between,
                launches * static_cast<double>(t.count), gemm_error(r));
}

estimate cost_of_plain(const request& r, detail::rates values) {
  const counted c(r, values);
  return c.done(c.outputs * static_cast<double>(r.filter.facts.nonzeros), part_of_plain, c.bytes(1),
                1, direct_error(r));
}

estimate queued_at_once(estimate all, std::size_t filters, detail::rates values) {
  const device_rates each = to_rates(values);
  const double saved = static_cast<double>(filters - 1) * (each.call - each.launch);
  all.seconds -= saved;
  all.shared_seconds -= saved;
  return all;
}

double seconds_of_transfer(const request& r) {
  // One thread of the host copies to and from page-locked memory while the bus is busy with other parts of it.
  constexpr double host_byte = 1 / 10e9;
  constexpr double both_ways = 20e-6;
  const double in = r.form.samples() * static_cast<double>(size_of(r.form.types.in));
  const double out = r.form.outputs() * static_cast<double>(size_of(r.form.types.out));
  return both_ways + (in + out) * host_byte;
}

const rate_table& table_of_rates() {
  static constexpr rate_table table{
      .names = names, .built_in = built_in, .source = [](int) {
        return std::string("from what the device says of its clocks, not measured");
      }};
  return table;
}

}  // namespace convgpu::cuda
