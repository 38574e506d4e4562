// SPDX-License-Identifier: Apache-2.0
// What convolution is, said a second time and in another way: windows that slide over an input
// padded beforehand. It shares no arithmetic with the library, so that one mistake is not made
// twice.
#pragma once

#include <convgpu/problem.hpp>
#include <convgpu/view.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "buffers.hpp"

namespace convgpu::test {

__extension__ using int128 = __int128;

/// The inputs −before … n−1+after of a signal of n samples continued by its border: each the index
/// of the sample there, or −1 for the border's value. Found by walking, one step at a time.
[[nodiscard]] std::vector<std::int64_t> extended(border_kind kind, std::int64_t n,
                                                 std::int64_t before, std::int64_t after);

/// One axis of a problem: where the windows lie.
struct windows {
  std::int64_t reach = 1;  ///< input samples under a window, gaps of the dilation included
  std::vector<std::int64_t> begins;  ///< of each output's window, in samples of the input
};
[[nodiscard]] windows windows_of(std::int64_t in, std::int64_t taps, mode m, std::int64_t origin,
                                 std::int64_t stride, std::int64_t dilation,
                                 std::int64_t before = 0, std::int64_t after = 0);

/// The outputs before they are rounded, plane after plane, channel after channel, row after row.
struct answer {
  extent size;
  std::vector<number> sums;
  std::vector<int128> integers;  ///< the same sums, exact, where input and filter are integers
  std::vector<real> magnitudes;  ///< Σ|h||x̃|: what errors are relative to; 0 where sums are exact
  std::int64_t products = 0;     ///< in each sum at most: the taps that are not zero
  real largest = 0;              ///< ‖h‖₁·max|x̃|, of samples that are finite
};
[[nodiscard]] answer solve(const problem& p, const any_const_view& in,
                           const any_const_view& filter);

/// Says which outputs are not what they must be; empty where all are right. That is
///
/// - an integer filter: the sum, exactly, brought into the output's type;
/// - sums that are not finite: anything that is not;
/// - else the sum to within the error of direct summation in the type that the problem is summed
///   in, or `tolerance` of ‖h‖₁·max|x̃| if that is more, once rounded to the output's type; with `exact`, to within
///   that rounding alone.
[[nodiscard]] std::string difference(const problem& p, const answer& expected,
                                     const any_const_view& out, bool exact, real tolerance = 0);

/// The unit roundoff of the type that sums of this problem are made in: f32 for f32 and narrower,
/// else f64.
[[nodiscard]] real unit_roundoff(const types& t);

}  // namespace convgpu::test
