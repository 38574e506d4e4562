// SPDX-License-Identifier: Apache-2.0
// Several channels, filters and groups, worked by hand, in both orders of bare ranges, and against what they are made
// of; and every mistake that they bring with them.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

constexpr types f32{dtype::f32, dtype::f32, dtype::f32};

/// Two channels of 2 x 3.
const floats two_channels{1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};
/// Three filters of 1 x 2 for each of them.
const floats three_filters{1, 0, 0, 1, 1, 1, 0, 0, 2, 0, 1, -1};

problem layer() {
  return {.in = {2, 3},
          .filter = {1, 2},
          .channels = 2,
          .filters = 3,
          .types = f32,
          .op = operation::correlation,
          .mode = mode::valid};
}

/// What the layer makes of these by hand: x0[j] + x1[j+1], x0[j] + x0[j+1], 2·x0[j] + x1[j] − x1[j+1].
const floats by_hand{21, 32, 54, 65, 3, 5, 9, 11, -8, -6, -2, 0};

floats repeated(const floats& once, int times) {
  floats all;
  for (int n = 0; n < times; ++n) all.insert(all.end(), once.begin(), once.end());
  return all;
}

/// Planes of channels first, as channels last.
floats channels_to_the_end(const floats& x, std::size_t channels, std::size_t size) {
  floats y(x.size());
  for (std::size_t n = 0; n < x.size(); ++n) {
    const std::size_t plane = n / size / channels;
    y[(plane * size + n % size) * channels + n / size % channels] = x[n];
  }
  return y;
}

class channels : public testing::TestWithParam<algorithm> {
 protected:
  template <class F>
  static auto with(F f) {
    return GetParam().with_forced(f);
  }
  static floats run(const problem& p, const floats& x, const floats& h) {
    return with([&](const options& how) {
      const plan made(p, h, how);
      floats y(static_cast<std::size_t>(made.output_extent().count() * p.planes * p.filters), -1);
      made.run(x, y);
      return y;
    });
  }
};

TEST_P(channels, are_summed) {
  EXPECT_EQ(run(layer(), two_channels, three_filters), by_hand);
}

TEST_P(channels, of_planes_meet_the_same_filters) {
  problem p = layer();
  p.planes = 3;
  EXPECT_EQ(run(p, repeated(two_channels, 3), three_filters), repeated(by_hand, 3));
}

TEST_P(channels, may_come_last) {
  problem p = layer();
  p.planes = 2;
  p.layout = convgpu::layout::channels_last;
  EXPECT_EQ(run(p, channels_to_the_end(repeated(two_channels, 2), 2, 6), three_filters),
            channels_to_the_end(repeated(by_hand, 2), 3, 4));
}

TEST_P(channels, of_groups_have_filters_of_their_own) {
  problem p = layer();
  p.groups = 2;
  p.filters = 4;
  // Filters 0 and 1 see the first channel, 2 and 3 the second.
  EXPECT_EQ(run(p, two_channels, {1, 0, 0, 1, 1, 1, 2, -1}),
            (floats{1, 2, 4, 5, 2, 3, 5, 6, 30, 50, 90, 110, 0, 10, 30, 40}));
}

// The shift of a Neural Turing Machine: each row is moved by what its own weights say.
TEST_P(channels, of_rows_turn_each_by_its_own_shift) {
  const problem p{.in = {1, 4},
                  .filter = {1, 3},
                  .channels = 3,
                  .filters = 3,
                  .groups = 3,
                  .types = f32,
                  .mode = mode::same,
                  .border = border::wrap()};
  // y[i] = Σ_k w[k]·x[i + 1 − k], round in circles.
  EXPECT_EQ(run(p, {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}, {1, 0, 0, 0, 0, 1, 0, 0.5F, 0.5F}),
            (floats{2, 3, 4, 1, 4, 1, 2, 3, 2.5F, 1.5F, 2.5F, 3.5F}));
}

TEST_P(channels, of_one_filter_are_the_sum_of_one_by_one) {
  const problem one{.in = {4, 5},
                    .filter = {3, 2},
                    .types = {dtype::u8, dtype::i32, dtype::i32},
                    .mode = mode::same,
                    .border = border::mirror()};
  std::vector<std::uint8_t> x(3 * 20);
  std::vector<std::int32_t> h(3 * 6);
  dice d(1);
  for (auto& v : x) v = static_cast<std::uint8_t>(d.between(0, 255));
  for (auto& v : h) v = static_cast<std::int32_t>(d.between(-99, 99));
  std::vector<std::int32_t> expected(20);
  for (std::ptrdiff_t c = 0; c < 3; ++c) {
    std::vector<std::int32_t> part(20);
    const plan made(one, std::vector(h.begin() + 6 * c, h.begin() + 6 * (c + 1)),
                    {.algorithm = "cpu/reference"});
    made.run(std::vector(x.begin() + 20 * c, x.begin() + 20 * (c + 1)), part);
    for (std::size_t n = 0; n < 20; ++n) expected[n] += part[n];
  }
  problem all = one;
  all.channels = 3;
  std::vector<std::int32_t> y(20);
  with([&](const options& how) { plan(all, h, how).run(x, y); });
  EXPECT_EQ(y, expected);
}

TEST_P(channels, padded_by_half_a_filter_come_out_the_same) {
  problem p = layer();
  p.filter = {3, 5};
  p.stride = {1, 2};
  p.border = border::symmetric();
  floats h(90);
  for (std::size_t n = 0; n < h.size(); ++n) h[n] = static_cast<float>(n % 7) - 3;
  p.mode = mode::same;
  const floats expected = run(p, two_channels, h);
  p.mode = mode::valid;
  p.padding = {.top = 1, .bottom = 1, .left = 2, .right = 2};
  EXPECT_EQ(run(p, two_channels, h), expected);
}

TEST_P(channels, keep_what_is_not_finite_from_zero_taps) {
  floats x = two_channels;
  x[7] = std::numeric_limits<float>::quiet_NaN();  // of the second channel, in its first row
  const floats y = run(layer(), x, three_filters);
  // Filter 1 has no taps for that channel; the others see it in some places.
  const std::vector<bool> spoilt{true,  false, false, false, false, false,
                                 false, false, true,  true,  false, false};
  for (std::size_t n = 0; n < y.size(); ++n) {
    if (spoilt[n]) EXPECT_TRUE(y[n] != y[n]) << n;
    else EXPECT_EQ(y[n], by_hand[n]) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(every, channels, testing::ValuesIn(available_algorithms()),
                         [](const auto& instance) { return test_name(instance.param); });

TEST(channels_of_views, are_taken_from_them) {
  const view<const float> x(two_channels.data(), {2, 3}, 1, 2, dense({2, 3}, 2));
  const view<const float> h(three_filters.data(), {1, 2}, 3, 2, dense({1, 2}, 2));
  EXPECT_EQ(correlate(x, h, {.mode = mode::valid}), by_hand);
  floats y(12);
  correlate(x, h, view<float>(y.data(), {2, 2}, 1, 3, channels_last({2, 2}, 3)),
            {.mode = mode::valid});
  EXPECT_EQ(y, channels_to_the_end(by_hand, 3, 4));
  EXPECT_EQ(plan({.in = {2, 3}, .channels = 2}, h).problem().filters, 3);
}

template <class F>
void expect_refused(F f, std::initializer_list<std::string_view> words) {
  try {
    f();
  } catch (const invalid_problem& e) {
    const std::string text = e.what();
    for (const std::string_view word : words)
      EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
    return;
  }
  ADD_FAILURE() << "nothing thrown";
}

template <class F>
void expect_refused_problem(F spoil, std::initializer_list<std::string_view> words) {
  problem p = layer();
  spoil(p);
  expect_refused([&] { validate(p); }, words);
  // And of a bare range, which has no shape that could disagree, nothing else is said.
  expect_refused([&] { plan(p, three_filters); }, words);
}

TEST(channels_that_make_no_sense, are_refused) {
  expect_refused_problem([](problem& p) { p.channels = 0; }, {"channels: 0", "1 or more"});
  expect_refused_problem([](problem& p) { p.filters = -1; }, {"filters: -1", "1 or more"});
  expect_refused_problem([](problem& p) { p.groups = 0; }, {"groups: 0", "1 or more"});
  expect_refused_problem([](problem& p) { p.groups = 2; },
                         {"groups: 2", "2 channels", "3 filters"});
  expect_refused_problem([](problem& p) { p.channels = 3, p.groups = 2; }, {"groups: 2"});
  expect_refused_problem([](problem& p) { p.channels = std::int64_t{1} << 61; },
                         {"in: 2 x 3 x 2305843009213693952 channels", "2^63 - 1 bytes"});
  expect_refused_problem([](problem& p) { p.filters = std::int64_t{1} << 60; },
                         {"filter: 1 x 2", "2^63 - 1 bytes"});
  expect_refused_problem([](problem& p) { p.layout = static_cast<convgpu::layout>(7); },
                         {"layout: 7", "channels_first, channels_last"});
}

TEST(paddings_that_make_no_sense, are_refused) {
  expect_refused_problem([](problem& p) { p.padding.left = -1; },
                         {"padding.left: -1", "0 or more"});
  expect_refused_problem([](problem& p) { p.padding.top = 1, p.mode = mode::same; },
                         {"padding.top: 1", "0 with mode same"});
  expect_refused_problem(
      [](problem& p) {
        p.filter = {5, 2}, p.padding.top = 2;
      },
      {"filter.rows: 5", "the input's 2 and the padding's 2"});
  expect_refused_problem(
      [](problem& p) { p.padding.right = std::numeric_limits<std::int64_t>::max(); },
      {"padding of cols", "61 bits"});
}

TEST(channels_that_disagree, are_refused_with_both_shapes) {
  floats y(12);
  const plan made(layer(), three_filters);
  // The data of the other order, as a view.
  const view<const float> turned(two_channels.data(), {3, 2}, 1, 2, dense({3, 2}, 2));
  expect_refused([&] { made.run(turned, y); },
                 {"in: 3 x 2 x 2 channels", "allowed: 2 x 3 x 2 channels"});
  const view<const float> planes(two_channels.data(), {2, 3}, 2, dense({2, 3}));
  expect_refused([&] { made.run(planes, y); },
                 {"in: 2 x 3 x 2 planes", "allowed: 2 x 3 x 2 channels"});
  expect_refused([&] { made.run(floats(11), y); }, {"in: 11 elements", "12", "2 x 3 x 2 channels"});
  expect_refused(
      [&] {
        made.run(two_channels, view<float>(y.data(), {2, 2}, 3, dense({2, 2})));
      },
      {"out: 2 x 2 x 3 planes", "allowed: 2 x 2 x 3 channels"});
  // Filters for one channel more.
  const floats taps(18);
  expect_refused([&] { plan(layer(), taps); },
                 {"filter: 18 elements", "allowed: 12, for 1 x 2 x 2 channels x 3 planes"});
  expect_refused(
      [&] {
        plan(layer(), view<const float>(taps.data(), {1, 2}, 3, 3, dense({1, 2}, 3)));
      },
      {"filter: 1 x 2 x 3 channels x 3 planes", "allowed: 1 x 2 x 2 channels x 3 planes"});
  expect_refused(
      [&] {
        plan(layer(), view<const float>(taps.data(), {1, 2}, 4, 2, dense({1, 2}, 2)));
      },
      {"filters: the problem says 3, the view given 4"});
  expect_refused([&] { plan(layer(), floats{1, 2}, floats{1}); }, {"2 channels and 3 filters"});
  const view<const float> x(two_channels.data(), {2, 3}, 1, 2, dense({2, 3}, 2));
  expect_refused([&] { (void)correlate(x, three_filters, {.channels = 3}); },
                 {"channels: the problem says 3, the view given 2"});
  expect_refused(
      [&] {
        (void)correlate(floats(13), three_filters,
                        {.in = {2, 3}, .filter = {1, 2}, .channels = 2, .filters = 3});
      },
      {"in: 13 elements", "allowed: 12, for 2 x 3 x 2 channels"});
  expect_refused(
      [&] {
        made.run(two_channels, view<float>(y.data(), {2, 2}, 1, 3, {2, 1, 0, 2}));
      },
      {"out: steps of", "2 (channel)", "on top of each other"});
}

TEST(layouts, have_names) {
  EXPECT_EQ(parse_layout("nhwc"), convgpu::layout::channels_last);
  EXPECT_EQ(parse_layout("nchw"), convgpu::layout::channels_first);
  EXPECT_EQ(parse_layout("NHWC"), convgpu::layout::channels_last);
  EXPECT_EQ(parse_layout("NCHW"), convgpu::layout::channels_first);
  for (const convgpu::layout order :
       {convgpu::layout::channels_first, convgpu::layout::channels_last})
    EXPECT_EQ(parse_layout(to_string(order)), order);
  expect_refused([] { (void)parse_layout("hwc"); },
                 {"hwc", "channels_first, channels_last, nchw, nhwc"});
}

}  // namespace
}  // namespace convgpu::test
