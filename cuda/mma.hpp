// SPDX-License-Identifier: Apache-2.0
// cuda/mma: which problems it is for, in which numbers it multiplies, and how large its error can be: for its kernels,
// and for the choice among algorithms.
//
// The error. A tensor core's products are exact. It adds at least four of them to a sum at a time: aligned to the largest
// of them all, cut off behind its 24th bit, and the result is cut off once more (M. Fasi, N. Higham, M. Mikaitis and
// S. Pranesh, Numerical behavior of NVIDIA tensor cores, 2021). With u = 2^-24 each of that is off by 2u times the largest
// that a sum can be. A chain of such sums is as long as one row of taps, and rows are added up in f32 and rounded. With K
// rows of L taps, in C chunks of k columns, P products for each sample and tap, that is no more than
//
//     (2·P·(L + C·k/2) + K)·u·‖h‖₁·max|x|
//
// because each row of taps has its own part of ‖h‖₁. What samples and taps lose beforehand, as a part of ‖h‖₁·max|x|:
//
//     16 bits, as they are     0
//     TF32                     2^-10 + 2^-22    11 bits are off by 2^-11
//     3 x TF32                 3·2^-22 + 2^-32  x = a + b, h = c + d in TF32, each off by 2^-22: a·d + b·c + a·c, without
//                                               b·d (M. Fasi, N. Higham, F. Lopez, T. Mary and M. Mikaitis, Matrix
//                                               multiplication in multiword arithmetic, 2023)
//
// The last two hold for samples that are far from both ends of f32: where a tile has others, its outputs are direct sums,
// and so they are where it has samples that are not finite.
#pragma once

#include <bit>
#include <convgpu/detail/backend.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tuning.hpp"

namespace convgpu::cuda {

/// A finite number with as many bits as TF32 has, 11, ties away from zero: what cvt.rna.tf32.f32 makes of it.
[[nodiscard]] constexpr float rounded_to_tf32(float x) {
  return std::bit_cast<float>((std::bit_cast<std::uint32_t>(x) + 0x1000u) & 0xffffe000u);
}

/// A tile of f32 is for tensor cores if its largest magnitude is 0 or from here to below there; a filter, if that of its
/// taps is.
constexpr float mma_smallest = 0x1p-100F;
constexpr float mma_largest = 0x1p126F;

/// How it multiplies.
struct mma_numbers {
  int passes = 1;  ///< products for each sample and tap: 3 with 3 x TF32
  double error =
      0;  ///< at most, as a fraction of ‖h‖₁·max|x|; that of direct sums, where those are made, included
};
/// The fewest products whose error is allowed. None of f32 unless options.tolerance says so.
[[nodiscard]] std::optional<mma_numbers> mma_numbers_for(const detail::request& r);

[[nodiscard]] mma_layout mma_layout_for(const detail::request& r, int passes);

/// What a tile's rows are multiplied by, top down, in words of 32 bits: lines of taps in the order of samples, with zeros
/// on both sides. Of 16 bits a word is a tap and its neighbour, for all taps. With 3 x TF32 all that is lost by the first
/// lines follows in as many.
[[nodiscard]] std::vector<std::uint32_t> mma_lines(const detail::request& r, const mma_layout& l,
                                                   int passes);

}  // namespace convgpu::cuda
