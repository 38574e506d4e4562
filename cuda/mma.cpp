// SPDX-License-Identifier: Apache-2.0

#include "mma.hpp"

#include <algorithm>
#include <cmath>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/separable.hpp>

#include "algorithms.hpp"
#include "memory.hpp"

namespace convgpu::cuda {
namespace {

using detail::short_text;

/// As convolution wants them.
const std::vector<double>& taps_of(const detail::request& r) {
  return std::get<std::vector<double>>(r.filter.values);
}

std::uint32_t bits_of_16(dtype type, double tap) {
  const auto value = static_cast<float>(tap);
  return type == dtype::f16 ? f16(value).bits : bf16(value).bits;
}

bool holds(dtype type, double tap) {
  const auto bits = static_cast<std::uint16_t>(bits_of_16(type, tap));
  return static_cast<double>(type == dtype::f16 ? detail::f16_value(bits)
                                                : detail::bf16_value(bits)) == tap;
}

double error_of(const detail::request& r, int passes) {
  const bool narrow = size_of(r.form.types.in) == 2;
  const mma_layout l = mma_layout_for(r, passes);
  const auto rows = static_cast<double>(r.form.row.taps);
  const auto cols = static_cast<double>(r.form.col.taps);
  const double chain = cols + l.chunks * (narrow ? 16 : 8) / 2.0;
  const double sums = (2 * passes * chain + rows) * 0x1p-24;
  const double numbers = narrow ? 0 : passes == 1 ? 0x1p-10 + 0x1p-22 : 3 * 0x1p-22 + 0x1p-32;
  // What was rounded up makes larger sums.
  return std::max(numbers + sums * (1 + numbers), detail::direct_error(r));
}

/// What it may be: for 16 bits what cuda/gemm allows its matrix units.
double allowed_error(const detail::request& r) {
  const bool narrow = size_of(r.form.types.in) == 2;
  return r.how.tolerance.value_or(narrow ? 2 * detail::direct_error(r) : 0);
}

}  // namespace

mma_layout mma_layout_for(const detail::request& r, int passes) {
  return mma_layout_for(size_of(r.form.types.in), passes, r.form.row.taps, r.form.col.taps);
}

std::optional<mma_numbers> mma_numbers_for(const detail::request& r) {
  const bool narrow = size_of(r.form.types.in) == 2;
  for (const int passes : {1, 3}) {
    if (narrow && passes > 1) break;
    if (const double error = error_of(r, passes); error <= allowed_error(r))
      return mma_numbers{.passes = passes, .error = error};
  }
  return {};
}

std::string refuse_mma(const detail::request& r) {
  const detail::normal_form& form = r.form;
  const dtype in = form.types.in;
  const bool narrow = in == dtype::f16 || in == dtype::bf16;
  if ((in != dtype::f32 && !narrow) || is_complex(form.types.filter))
    return "tensor cores multiply f32, f16 and bf16 by real taps";
  for (const detail::axis* a : {&form.row, &form.col})
    if (a->stride != 1 || a->dilation != 1) return "its tiles are for strides and dilations of 1";
  const std::vector<double>& taps = taps_of(r);
  if (narrow && !std::all_of(taps.begin(), taps.end(), [in](double h) { return holds(in, h); }))
    return "its taps are f32, of which " + std::string(to_string(in)) + " does not hold all";
  double largest = 0;
  for (const double h : taps) largest = std::max(largest, std::abs(h));
  if (!narrow && largest != 0 && (largest < mma_smallest || largest >= mma_largest))
    return "its largest tap is " + short_text(largest) + ", beyond 2^-100 … 2^126";
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, r.device),
        "cudaDeviceGetAttribute");
  if (major < 8) return "it needs the tensor cores of compute capability 8.0";
  const tile_counts tiles =
      count_tiles(form.row.out, form.col.out, mma_tile::out_rows, mma_tile::out_cols);
  if (detail::saturated_product(tiles.rows, tiles.cols) > most_tiles)
    return "more than 2^31 tiles in a plane";
  const std::size_t room = shared_on(r.device);
  if (const std::size_t least = mma_layout_for(r, 1).bytes; least > room)
    return "a tile and its filter take " + std::to_string(least) +
           " bytes of shared memory, more than " + std::to_string(room);
  const std::optional<mma_numbers> numbers = mma_numbers_for(r);
  if (!numbers) {
    const std::string least = "its error may reach " + short_text(error_of(r, narrow ? 1 : 3));
    if (r.how.tolerance) return least + ", more than options.tolerance";
    if (narrow)
      return least + ", more than " + short_text(allowed_error(r)) +
             ", twice that of direct summation; options.tolerance may allow it";
    return "f32 is not multiplied as TF32 unless options.tolerance allows it: " + least;
  }
  if (const std::size_t bytes = mma_layout_for(r, numbers->passes).bytes; bytes > room)
    return "a tile and its filter in 3 x TF32, which options.tolerance asks for, take " +
           std::to_string(bytes) + " bytes of shared memory, more than " + std::to_string(room);
  return {};
}

std::vector<std::uint32_t> mma_lines(const detail::request& r, const mma_layout& l, int passes) {
  const std::vector<double>& taps = taps_of(r);
  const dtype in = r.form.types.in;
  const auto rows = static_cast<std::size_t>(r.form.row.taps);
  const auto cols = static_cast<std::size_t>(r.form.col.taps);
  const auto pitch = static_cast<std::size_t>(l.tap_pitch);
  std::vector<std::uint32_t> lines(rows * pitch * (passes == 3 ? 2 : 1));
  for (std::size_t k = 0; k < rows; ++k)
    for (std::size_t q = 0; q < cols; ++q) {
      const double tap = taps[(rows - 1 - k) * cols + cols - 1 - q];
      const std::size_t at = k * pitch + static_cast<std::size_t>(l.first_tap) + q;
      if (in != dtype::f32) {
        lines[at] |= bits_of_16(in, tap);
        lines[at - 1] |= bits_of_16(in, tap) << 16;
        continue;
      }
      const auto h = static_cast<float>(tap);
      const float high = rounded_to_tf32(h);
      lines[at] = std::bit_cast<std::uint32_t>(high);
      if (passes == 3)
        lines[at + rows * pitch] = std::bit_cast<std::uint32_t>(rounded_to_tf32(h - high));
    }
  return lines;
}

}  // namespace convgpu::cuda
