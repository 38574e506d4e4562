// SPDX-License-Identifier: Apache-2.0
// What predictions count, and what one of each takes: seconds of one thread.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <span>
#include <type_traits>

namespace convgpu::cpu {

/// Loops of direct summation.
struct summing {
  double output;   ///< sums begun, gone on with and put where they belong
  double product;  ///< that every output has, in the part of a complex number that the loop sees
  double sample;   ///< read for all outputs of a column of a strip whose windows hold it
};

/// The two passes over a filter that is a column times a row. Products are those of either factor; of one that reads
/// the same from either end, where it is folded, taps.
struct passing {
  double output;
  double down;
  double along;
  double down_folded;
  double along_folded;
  double box_output;  ///< of a pass over equal taps
  double box;
};

struct rates {
  double call;         ///< a run of one thread that computes nothing to speak of
  double hand_off;     ///< what another thread's share is late by
  double strip;        ///< a loop begun on a strip of rows
  double pointer;      ///< to a row of x̃, for a strip
  double row;          ///< a row of x̃ that is loaded, however short
  double copied;       ///< a sample of it, of the type that is computed with
  double converted;    ///< to f32 or i16, with a loop made for it
  double widened;      ///< to another type
  double continued;    ///< a sample outside, found inside
  double stored;       ///< an output that does not go to its place straight from the loop
  double clamped;      ///< of another type, for which there is no loop
  double rounded;      ///< a float that becomes an integer
  double checked;      ///< and is looked at whether it could be another one
  double made_anew;    ///< a product of an output of which that is so
  double joined;       ///< a complex sum put together
  summing square_f32;  ///< strips of rows: images; filters of 3x3, 5x5 and 7x7
  summing strip_f32;   ///< and others
  summing strip_f64;
  summing strip_i64;
  summing pairs;           ///< integers of 8 and 16 bits, two products at a time
  summing short_line_f32;  ///< filters of one row
  summing short_line_f64;
  summing long_line_f32;
  summing long_line_f64;
  summing plain;  ///< strides; sums of 128 bits. A tap, in place of a sample
  summing reference;
  passing passes_f32;
  passing passes_f64;
  passing passes_i32;
  passing passes_i64;
  double
      byte_l3;  ///< read or written, where all of them fit in the third level of the caches, but not in the second
  double byte_memory;
  double transform_f32;  ///< what the table of cpu/overlap_save_blocks.cpp has a nanosecond for
  double transform_f64;
  double transform_parted;   ///< a complex sample loaded, or an output put together
  double transform_rounded;  ///< an output that becomes an integer
  double gemm_f32;           ///< products of a panel of filters and one of places, whole ones
  double gemm_f64;
  double gemm_i32;
  double gemm_i64;
  double apart;       ///< a number of a row that strides or parts take apart
  double packed;      ///< a number of a panel, for each vector's worth of 64 bytes
  double single_f32;  ///< a product of cpu/depthwise
  double single_f64;
  double single_i32;
  double single_i64;
  double tiles_in;   ///< 64 bytes of numbers that cpu/winograd makes of samples
  double tiles_out;  ///< and of those that become outputs
};
static_assert(std::is_trivially_copyable_v<rates> && sizeof(rates) % sizeof(double) == 0);

[[nodiscard]] rates to_rates(detail::rates values);

/// The names, built-in numbers and probes of these.
[[nodiscard]] const detail::rate_table& table_of_rates();

[[nodiscard]] detail::estimate cost_of_direct(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_separable(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_gemm(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_depthwise(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_winograd(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_overlap_save(const detail::request& r, detail::rates values);
[[nodiscard]] detail::estimate cost_of_reference(const detail::request& r, detail::rates values);

}  // namespace convgpu::cpu
