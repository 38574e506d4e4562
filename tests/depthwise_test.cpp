// SPDX-License-Identifier: Apache-2.0
// cpu/depthwise: sizes around vectors and blocks, channels behind one another in memory and next to one another, what
// zeros keep out, and what it refuses.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

const options how{.algorithm = "cpu/depthwise"};

/// Each channel with a filter of its own.
problem depthwise(extent in, extent filter, std::int64_t channels) {
  return {.in = in,
          .filter = filter,
          .channels = channels,
          .filters = channels,
          .groups = channels,
          .types = {dtype::f32, dtype::f32, dtype::f32},
          .op = operation::correlation,
          .mode = mode::same};
}

floats numbers(std::int64_t count, int seed) {
  floats x(static_cast<std::size_t>(count));
  dice d(static_cast<unsigned>(seed));
  for (float& v : x) v = static_cast<float>(d.between(-500, 500)) / 127;
  return x;
}

/// Channel by channel as channel next to channel.
floats channels_last(const floats& x, std::int64_t planes, std::int64_t channels) {
  const auto of_plane = x.size() / static_cast<std::size_t>(planes);
  const auto size = of_plane / static_cast<std::size_t>(channels);
  floats y(x.size());
  for (std::size_t n = 0; n < x.size(); ++n)
    y[n / of_plane * of_plane + n % size * static_cast<std::size_t>(channels) +
      n % of_plane / size] = x[n];
  return y;
}

TEST(cpu_depthwise, around_vectors_and_blocks) {
  dice d(91);
  int taken = 0;
  for (std::int64_t cols = 1; cols <= 140; cols += cols < 36 ? 1 : 9)
    for (const extent filter : {extent(1, 3), extent(3, 3), extent(5, 2), extent(1, 20)}) {
      test_case c;
      problem& p = c.problem;
      p = depthwise({d.pick({1, 2, 7, 20}), cols}, filter, d.pick({2, 3, 17, 40}));
      const dtype type = d.pick({dtype::f32, dtype::f64, dtype::u8, dtype::i32, dtype::f16});
      p.types = {type, type, type};
      if (type == dtype::u8) p.types.out = d.pick({dtype::u8, dtype::i32});
      if (type == dtype::i32) p.types = {dtype::i32, dtype::i16, dtype::i32};
      if (d.one_in(3)) p.filters *= 2;
      if (d.one_in(3)) p.stride = d.pick({extent(1, 2), extent(2, 1), extent(3, 5)});
      if (d.one_in(4)) p.dilation = d.pick({extent(1, 2), extent(3, 1)});
      p.planes = d.pick({1, 1, 3});
      p.mode = d.pick({mode::full, mode::same});
      p.border = border(d.pick({border_kind::zero, border_kind::constant, border_kind::replicate,
                                border_kind::symmetric, border_kind::mirror, border_kind::wrap}),
                        2.0);
      c.data = is_integer(type) ? content::small_integers : content::reals;
      c.in = d.pick({layout::dense, layout::padded, layout::reversed, layout::interleaved});
      c.out = d.pick({layout::dense, layout::padded, layout::interleaved});
      c.threads = d.pick({0, 1, 3});
      c.seed = static_cast<unsigned>(d.between(0, 1 << 30));
      const auto words =
          verdict({.name = "cpu/depthwise", .accepts_all = false}, c, c.make_filter());
      taken += words.has_value();
      ASSERT_EQ(words.value_or(""), "") << c;
    }
  EXPECT_GT(taken, 100);
}

// The same bits, however channels lie in memory: these are different loops.
TEST(cpu_depthwise, does_not_care_where_channels_lie) {
  for (const std::int64_t channels : {8, 16, 31, 64, 300})
    for (const extent stride : {extent(1, 1), extent(2, 3)})
      for (const border b : {border::zero(), border::wrap(), border::constant(3)}) {
        problem p = depthwise({9, 21}, {3, 5}, channels);
        p.planes = 2;
        p.stride = stride;
        p.border = b;
        const floats x = numbers(2 * channels * p.in.count(), 1);
        floats h = numbers(channels * 15, 2);
        for (float& tap : h)
          if (tap == 0) tap = 1;
        const plan first(p, h, how);
        floats expected(static_cast<std::size_t>(2 * channels * first.output_extent().count()));
        first.run(x, expected);
        p.layout = convgpu::layout::channels_last;
        floats y(expected.size());
        plan(p, h, how).run(channels_last(x, 2, channels), y);
        ASSERT_EQ(y, channels_last(expected, 2, channels)) << channels << " channels";
      }
}

TEST(cpu_depthwise, keeps_what_is_not_finite_from_zero_taps) {
  problem p = depthwise({6, 40}, {3, 3}, 32);
  floats x = numbers(32 * 240, 3);
  for (std::size_t n = 0; n < x.size(); n += 7) x[n] = std::numeric_limits<float>::quiet_NaN();
  floats h(32 * 9, 0.0F);
  for (std::size_t f = 0; f < 32; ++f) h[f * 9 + 4] = 2;
  for (const auto order : {convgpu::layout::channels_first, convgpu::layout::channels_last}) {
    p.layout = order;
    floats y(x.size());
    plan(p, h, how).run(x, y);
    for (std::size_t n = 0; n < x.size(); ++n) {
      ASSERT_EQ(std::isnan(y[n]), std::isnan(x[n])) << n;
      if (!std::isnan(x[n])) {
        ASSERT_EQ(y[n], 2 * x[n]) << n;
      }
    }
  }
}

std::string refusal(const problem& p, std::int64_t taps) {
  const floats h(static_cast<std::size_t>(taps), 1.0F);
  try {
    (void)plan(p, h, how);
  } catch (const unsupported& reason) {
    return reason.what();
  }
  return "nothing";
}

TEST(cpu_depthwise, refuses_what_is_not_for_it) {
  const auto has = [](const std::string& words, const std::string& part) {
    EXPECT_NE(words.find(part), std::string::npos) << words;
  };
  problem p = depthwise({20, 20}, {3, 3}, 8);
  EXPECT_EQ(refusal(p, 8 * 9), "nothing");
  p.groups = 4;
  has(refusal(p, 8 * 2 * 9), "does not sum channels");
  p = depthwise({400, 400}, {300, 300}, 2);
  p.filter = {5000, 60};
  p.in = {6000, 100};
  has(refusal(p, 2 * 5000 * 60), "a block of its outputs would see");
  // Whoever is asked, nobody takes a workspace for all that a long stride goes over.
  p = depthwise({1, (std::int64_t{1} << 32) + 1}, {1, 1}, 4);
  p.stride = {1, 1 << 20};
  has(refusal(p, 4), "a block of its outputs would see");
  const plan chosen(p, floats(4, 1.0F), {.device = device::cpu(), .max_threads = 1});
  EXPECT_LT(chosen.workspace_bytes(), std::size_t{64} << 20);
}

// What other algorithms are made ready for one by one may be too many.
TEST(cpu_depthwise, is_chosen_for_thousands_of_filters) {
  problem p = depthwise({1, 128}, {1, 3}, 4096);
  p.border = border::wrap();
  const floats h = numbers(4096 * 3, 4);
  EXPECT_EQ(plan(p, h, {.device = device::cpu()}).describe().algorithm, "cpu/depthwise");
}

}  // namespace
}  // namespace convgpu::test
