// SPDX-License-Identifier: Apache-2.0
// Gradients of every kind of problem: what they are the adjoint of, exactly on integers, and finite differences.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cmath>
#include <complex>
#include <string>
#include <vector>

#include "gradients.hpp"

namespace convgpu::test {
namespace {

class gradients : public testing::TestWithParam<dtype> {
 protected:
  template <class F>
  static void for_each_problem(const F& hold) {
    const int count = for_each_gradient_problem(GetParam(), 3, [&](const test_case& c) {
      if (HasFailure()) return;
      SCOPED_TRACE(testing::Message() << c);
      hold(given(c), c);
    });
    EXPECT_GT(count, 300);
  }
};

// By algorithms that are exact on whole numbers.
TEST_P(gradients, of_inputs_are_the_adjoint) {
  for_each_problem([](const given& g, const test_case& c) {
    const problem& p = g.problem;
    buffer dx(p.types.in, p.in, p.planes, c.in, 37, p.channels);
    input_gradient(p, g.h.view(), {.tolerance = 0}).run(g.dy.view(), dx.view());
    EXPECT_EQ(dx.damage(), "");
    EXPECT_EQ(inner_product(dx, g.x), inner_product(g.dy, g.y) - inner_product(g.dy, g.y0));
  });
}

TEST_P(gradients, of_filters_are_the_adjoint) {
  for_each_problem([](const given& g, const test_case& c) {
    const problem& p = g.problem;
    buffer dh(p.types.filter, p.filter, p.filters, c.filter, 37, p.channels / p.groups);
    filter_gradient(p, {.tolerance = 0}).run(g.x.view(), g.dy.view(), dh.view());
    EXPECT_EQ(dh.damage(), "");
    EXPECT_EQ(inner_product(dh, g.h), inner_product(g.dy, g.y));
  });
}

INSTANTIATE_TEST_SUITE_P(every, gradients,
                         testing::Values(dtype::f32, dtype::f64, dtype::cf32, dtype::cf64),
                         [](const auto& instance) {
                           return std::string(to_string(instance.param));
                         });

// L(y) = Σ sin(y): differences of what moving one sample, or one tap, by a little makes of it.
TEST(gradients_of_a_layer, are_finite_differences) {
  for (const border_kind kind : {border_kind::zero, border_kind::constant, border_kind::replicate,
                                 border_kind::symmetric, border_kind::mirror, border_kind::wrap}) {
    const problem p{.in = {4, 5},
                    .filter = {3, 2},
                    .planes = 2,
                    .channels = 4,
                    .filters = 6,
                    .groups = 2,
                    .types = {dtype::f64, dtype::f64, dtype::f64},
                    .op = operation::correlation,
                    .mode = mode::valid,
                    .border = border(kind, 0.5),
                    .padding = {2, 1, 1, 2},
                    .stride = {2, 1},
                    .dilation = {1, 2}};
    dice d(4);
    std::vector<double> x(2 * 4 * 20);
    std::vector<double> h(6 * 2 * 6);
    for (auto* values : {&x, &h})
      for (double& v : *values) v = static_cast<double>(d.any_real());
    const auto outputs = [&] {
      const plan made(p, h);
      std::vector<double> y(static_cast<std::size_t>(2 * 6 * made.output_extent().count()));
      made.run(x, y);
      return y;
    };
    const auto loss = [&] {
      double sum = 0;
      for (const double y : outputs()) sum += std::sin(y);
      return sum;
    };
    std::vector<double> dy = outputs();
    for (double& v : dy) v = std::cos(v);
    std::vector<double> dx(x.size());
    std::vector<double> dh(h.size());
    input_gradient(p, h).run(dy, dx);
    filter_gradient(p).run(x, dy, dh);
    const auto hold = [&](std::vector<double>& values, const std::vector<double>& gradient) {
      constexpr double little = 1e-5;
      for (std::size_t n = 0; n < values.size(); n += 3) {
        const double kept = values[n];
        values[n] = kept + little;
        const double more = loss();
        values[n] = kept - little;
        const double less = loss();
        values[n] = kept;
        EXPECT_NEAR((more - less) / (2 * little), gradient[n], 1e-7) << to_string(kind) << n;
      }
    };
    hold(x, dx);
    hold(h, dh);
  }
}

// Sums are folded, and taps summed, in f32.
TEST(gradients_in_f16, are_rounded_once) {
  const types halves{dtype::f16, dtype::f16, dtype::f16};
  const problem p{.in = extent(40),
                  .filter = extent(9),
                  .types = halves,
                  .mode = mode::same,
                  .border = border::mirror()};
  std::vector<f16> x(40, f16(3.0F));
  std::vector<f16> h(9, f16(0.25F));
  std::vector<f16> dy(40, f16(41.0F));
  std::vector<f16> dx(40);
  std::vector<f16> dh(9);
  input_gradient(p, h).run(dy, dx);
  filter_gradient(p).run(x, dy, dh);
  EXPECT_EQ(static_cast<float>(dx[20]), 92.25F);
  EXPECT_EQ(static_cast<float>(dx[1]), 41 * 0.25F * 10);  // seen once more beyond the end
  EXPECT_EQ(static_cast<float>(dh[0]), static_cast<float>(f16(40 * 3 * 41.0F)));
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

TEST(gradients_of_what_has_none, are_refused) {
  const problem p{
      .in = extent(5), .filter = extent(3), .types = {dtype::f32, dtype::f32, dtype::f32}};
  std::vector<float> taps(3, 1);
  std::vector<float> x(5);
  std::vector<float> dy(7);
  const auto with = [&](types t) {
    problem other = p;
    other.types = t;
    return other;
  };
  expect_refused(
      [&] {
        filter_gradient(with({dtype::u8, dtype::i32, dtype::u8}));
      },
      {"types: in u8", "floating types"});
  expect_refused(
      [&] {
        input_gradient(with({dtype::f32, dtype::cf32, dtype::cf32}), taps);
      },
      {"types: in f32, out cf32", "the same for both"});
  expect_refused([&] { input_gradient(p, std::vector<float>(4)); }, {"filter: 4 elements", "3"});
  expect_refused([&] { input_gradient(p, taps).run(x, x); }, {"out_gradient: 5 elements", "7"});
  expect_refused([&] { input_gradient(p, taps).run(dy, taps); }, {"in_gradient: 3 elements", "5"});
  expect_refused([&] { filter_gradient(p).run(x, dy, x); }, {"gradient: 5 elements", "3"});
  expect_refused([&] { filter_gradient(p).run(x, dy, view<float>(x.data(), extent(3))); },
                 {"gradient: shares memory with in"});
  std::vector<float> spoilt(7);
  spoilt[3] = NAN;
  expect_refused([&] { filter_gradient(p).run(x, spoilt, taps); },
                 {"out_gradient: the element in plane 0, channel 0, row 0, column 3", "finite"});
  expect_refused([&] { filter_gradient({.in = extent(5)}); }, {"types"});
}

}  // namespace
}  // namespace convgpu::test
