// SPDX-License-Identifier: Apache-2.0
// cpu/winograd: sizes around tiles, vectors, panels and blocks; how large its error is, and which tiles are allowed
// it; what overflows on the way and not in the end; what it refuses, and where it is chosen.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "oracle.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

constexpr types f32{dtype::f32, dtype::f32, dtype::f32};
constexpr types f64{dtype::f64, dtype::f64, dtype::f64};

problem layer(extent in, std::int64_t channels, std::int64_t filters) {
  return {.in = in,
          .filter = {3, 3},
          .channels = channels,
          .filters = filters,
          .types = f32,
          .op = operation::correlation,
          .mode = mode::same};
}

/// Errors that F(4x4, 3x3) is allowed, and that only F(2x2, 3x3) keeps to.
double tolerance_for(int tile, dtype in) {
  const double unit = in == dtype::f64 ? 0x1p-53 : 0x1p-24;
  return (tile == 4 ? 100'000 : 4'000) * unit;
}

double bound_of(const plan& made) {
  const description d = made.describe();
  for (const candidate& c : d.candidates)
    if (c.algorithm == d.algorithm) return c.error_bound.value();
  return 0;
}

std::string tiles_of(const plan& made) {
  const std::string words = made.describe().parameters;
  const std::size_t at = words.find("F(");
  return at == std::string::npos ? words : words.substr(at, 4);
}

class cpu_winograd : public testing::TestWithParam<int> {
 protected:
  [[nodiscard]] static options how(dtype in = dtype::f32) {
    return {.algorithm = "cpu/winograd", .tolerance = tolerance_for(GetParam(), in)};
  }
  void hold(const test_case& c) {
    options with = how(c.problem.types.in);
    with.max_threads = c.threads;
    const buffer in = c.make_input();
    const buffer filter = c.make_filter();
    const plan made(c.problem, filter.view(), with);
    // Those that are allowed may be larger than small images are.
    if (GetParam() == 2) {
      ASSERT_EQ(tiles_of(made), "F(2x");
    }
    ++held_;
    large_tiles_ += tiles_of(made) == "F(4x";
    const answer expected = solve(c.problem, in.view(), filter.view());
    buffer out = c.make_output(expected.size);
    made.run(in.view(), out.view());
    EXPECT_EQ(out.damage() +
                  difference(c.problem, expected, std::as_const(out).view(), false, bound_of(made)),
              "")
        << c;
  }
  void TearDown() override {
    if (GetParam() == 4 && held_ > 0) {
      EXPECT_GT(2 * large_tiles_, held_);
    }
  }

  int held_ = 0;
  int large_tiles_ = 0;
};

TEST_P(cpu_winograd, around_tiles_and_vectors) {
  dice d(71);
  for (std::int64_t cols = 1; cols <= 150; cols += cols < 40 ? 1 : 7)
    for (const std::int64_t rows : {d.between(1, 9), d.between(10, 40)}) {
      test_case c;
      problem& p = c.problem;
      p = layer({rows, cols}, d.pick({1, 2, 3, 5}), d.pick({1, 2, 3, 11, 12, 13, 27}));
      if (d.one_in(4)) {
        p.groups = d.pick({2, 3});
        p.channels *= p.groups;
        p.filters *= p.groups;
      }
      if (d.one_in(4)) p.types = f64;
      p.planes = d.pick({1, 1, 2, 5});
      p.mode = d.pick({mode::full, mode::same, mode::valid});
      if (p.mode == mode::valid) p.padding = {2, 1, 3, 2};
      p.border = border(d.pick({border_kind::zero, border_kind::constant, border_kind::replicate,
                                border_kind::symmetric, border_kind::mirror, border_kind::wrap}),
                        -2.0);
      p.op = d.pick({operation::convolution, operation::correlation});
      c.data = content::reals;
      c.in = d.pick({layout::dense, layout::padded, layout::reversed, layout::transposed});
      c.out = d.pick({layout::dense, layout::padded, layout::interleaved});
      c.threads = d.pick({0, 1, 2, 5});
      c.seed = static_cast<unsigned>(d.between(0, 1 << 30));
      hold(c);
      if (HasFatalFailure()) return;
    }
}

TEST_P(cpu_winograd, of_many_channels_and_filters) {
  dice d(72);
  for (const auto& [size, channels, filters] :
       {std::tuple(extent(7, 7), 130, 25), std::tuple(extent(14, 14), 40, 70),
        std::tuple(extent(3, 200), 33, 12), std::tuple(extent(30, 5), 64, 5)}) {
    test_case c;
    c.problem = layer(size, channels, filters);
    c.problem.planes = d.pick({1, 3});
    c.data = content::reals;
    c.threads = d.pick({1, 3});
    c.seed = static_cast<unsigned>(d.between(0, 1 << 30));
    hold(c);
    if (HasFatalFailure()) return;
  }
}

// Where all of a filter is one tap, and samples have the signs that Bᵀ has, nothing cancels out.
TEST_P(cpu_winograd, errs_by_no_more_than_it_says) {
  dice d(73);
  const problem p = layer({64, 64}, 16, 18);
  double worst = 0;
  double bound = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<float> x(16 * 64 * 64);
    std::vector<float> h(18 * 16 * 9);
    for (float& v : x)
      v = static_cast<float>((d.one_in(2) ? 1 : -1) *
                             (1 - 0x1p-10 * static_cast<double>(d.between(0, 3))));
    for (std::size_t f = 0; f < 18; ++f)
      for (std::size_t c = 0; c < 16; ++c)
        h[(f * 16 + c) * 9 + f % 9] = static_cast<float>(d.between(-999, 999)) / 999;
    const plan made(p, h, how());
    const plan exact(p, h, {.algorithm = "cpu/reference"});
    std::vector<float> y(18 * 64 * 64);
    std::vector<float> expected(y.size());
    made.run(x, y);
    exact.run(x, expected);
    bound = bound_of(made);
    for (std::size_t f = 0; f < 18; ++f) {
      double norm = 0;
      for (std::size_t n = 0; n < 16 * 9; ++n) norm += std::abs(h[f * 16 * 9 + n]);
      for (std::size_t n = 0; n < 64 * 64; ++n)
        worst = std::max(worst, std::abs(static_cast<double>(y[f * 64 * 64 + n]) -
                                         static_cast<double>(expected[f * 64 * 64 + n])) /
                                    norm);
    }
  }
  EXPECT_GT(worst, 0);
  EXPECT_LE(worst, bound + 0x1p-24);  // the reference rounds, too
}

// Taps near either end of their type: neither do products vanish nor sums overflow.
TEST_P(cpu_winograd, bears_taps_of_any_size) {
  for (const float size : {1e-40F, 1e-30F, 1e30F}) {
    const problem p = layer({12, 12}, 4, 4);
    std::vector<float> x(4 * 144);
    std::vector<float> h(4 * 4 * 9);
    for (std::size_t n = 0; n < x.size(); ++n) x[n] = static_cast<float>(n % 13) - 6;
    for (std::size_t n = 0; n < h.size(); ++n) h[n] = size * (static_cast<float>(n % 7) - 3);
    std::vector<float> y(4 * 144);
    std::vector<float> expected(4 * 144);
    const plan made(p, h, how());
    made.run(x, y);
    plan(p, h, {.algorithm = "cpu/reference"}).run(x, expected);
    const double allowed =
        bound_of(made) * 36 * 3 * static_cast<double>(size) * 6 + 0x1p-149;  // ‖h‖₁·max|x|
    for (std::size_t n = 0; n < y.size(); ++n)
      ASSERT_NEAR(y[n], expected[n], allowed) << size << ", output " << n;
  }
}

// Bᵀ·d·B overflows where the outputs do not.
TEST_P(cpu_winograd, overflows_no_sooner_than_the_sum_does) {
  const problem p = layer({9, 9}, 2, 3);
  std::vector<float> x(2 * 81);
  for (std::size_t n = 0; n < x.size(); ++n) x[n] = n % 2 == 0 ? 3e38F : -3e38F;
  std::vector<float> h(3 * 2 * 9, 0.0F);
  for (std::size_t n = 4; n < h.size(); n += 18) h[n] = 0.5F;
  std::vector<float> y(3 * 81);
  plan(p, h, how()).run(x, y);
  for (std::size_t f = 0; f < 3; ++f)
    for (std::size_t n = 0; n < 81; ++n) ASSERT_EQ(y[f * 81 + n], x[n] / 2);
}

// Tiles reach beyond the last outputs, which are no part of any: there `valid` touches no border.
TEST_P(cpu_winograd, sees_no_border_that_no_output_sees) {
  for (const std::int64_t size : {5, 7, 16, 19, 35}) {
    problem p = layer({size, size}, 8, 8);
    p.mode = mode::valid;
    std::vector<float> x(static_cast<std::size_t>(8 * size * size));
    for (std::size_t n = 0; n < x.size(); ++n) x[n] = static_cast<float>(n % 11) - 5;
    std::vector<float> h(8 * 8 * 9);
    for (std::size_t n = 0; n < h.size(); ++n) h[n] = static_cast<float>(n % 5) - 2;
    std::vector<float> expected(static_cast<std::size_t>(8 * (size - 2) * (size - 2)));
    std::vector<float> y(expected.size());
    plan(p, h, how()).run(x, expected);
    p.border = border::constant(1e30);
    plan(p, h, how()).run(x, y);
    EXPECT_EQ(y, expected) << size;
  }
}

TEST_P(cpu_winograd, gives_the_same_bits_with_any_threads) {
  for (const extent size : {extent(5, 6), extent(57, 41)}) {
    const problem p = layer(size, 24, 50);
    dice d(74);
    std::vector<float> x(static_cast<std::size_t>(24 * size.count()));
    std::vector<float> h(50 * 24 * 9);
    for (float& v : x) v = static_cast<float>(d.between(-999, 999)) / 997;
    for (float& v : h) v = static_cast<float>(d.between(-999, 999)) / 991;
    std::vector<float> expected(static_cast<std::size_t>(50 * size.count()));
    options with = how();
    with.max_threads = 1;
    plan(p, h, with).run(x, expected);
    with.executor = [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
      for (std::int64_t n = count; n-- > 0;) task(n);
    };
    for (const int threads : {2, 3, 8}) {
      with.max_threads = threads;
      std::vector<float> y(expected.size());
      plan(p, h, with).run(x, y);
      EXPECT_EQ(y, expected) << threads;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(tiles, cpu_winograd, testing::Values(2, 4), [](const auto& instance) {
  return "of_" + std::to_string(instance.param);
});

std::string refusal(const problem& p, std::size_t taps, options how = {}) {
  how.algorithm = "cpu/winograd";
  const std::vector<float> h(taps, 1.0F);
  try {
    (void)plan(p, h, how);
  } catch (const unsupported& reason) {
    return reason.what();
  }
  return "nothing";
}

TEST(winograd_refuses, what_it_has_no_tiles_for) {
  const auto has = [](const std::string& words, const std::string& part) {
    EXPECT_NE(words.find(part), std::string::npos) << words;
  };
  problem p = layer({20, 20}, 16, 16);
  p.filter = {3, 5};
  has(refusal(p, 16 * 16 * 15), "filters of 3 x 5");
  p = layer({20, 20}, 16, 16);
  p.stride = {1, 2};
  has(refusal(p, 16 * 16 * 9), "stride");
  p.stride = {1, 1};
  p.dilation = {2, 1};
  has(refusal(p, 16 * 16 * 9), "dilation");
  p = layer({20, 20}, 1, 1);
  has(refusal(p, 9), "four times that of direct summation");
  p = layer({20, 20}, 16, 16);
  has(refusal(p, 16 * 16 * 9, {.tolerance = 0}), "options.tolerance");
  EXPECT_EQ(refusal(p, 16 * 16 * 9), "nothing");
  p.types = {dtype::u8, dtype::f32, dtype::f32};
  has(refusal(p, 16 * 16 * 9), "floating-point");
}

TEST(winograd_is_chosen, for_layers_and_not_for_single_images) {
  const auto chosen = [](std::int64_t channels, std::int64_t filters, std::int64_t groups) {
    problem p = layer({56, 56}, channels, filters);
    p.groups = groups;
    const std::vector<float> h(static_cast<std::size_t>(filters * channels / groups * 9), 1.0F);
    return plan(p, h, {.device = device::cpu()}).describe().algorithm;
  };
  EXPECT_EQ(chosen(64, 64, 1), "cpu/winograd");
  EXPECT_NE(chosen(64, 64, 64), "cpu/winograd");
  EXPECT_NE(chosen(1, 1, 1), "cpu/winograd");
}

}  // namespace
}  // namespace convgpu::test
