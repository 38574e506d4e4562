// SPDX-License-Identifier: Apache-2.0
// The examples by which convolution is explained, with every algorithm and in several types.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include "buffers.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

class blog : public testing::TestWithParam<std::tuple<algorithm, dtype>> {
 protected:
  [[nodiscard]] const algorithm& how() const { return std::get<algorithm>(GetParam()); }
  [[nodiscard]] dtype type() const { return std::get<dtype>(GetParam()); }

  [[nodiscard]] buffer array(extent size, std::initializer_list<real> values) const {
    return {type(), size, values};
  }
  [[nodiscard]] buffer signal(std::initializer_list<real> values) const {
    return array(extent(values.size()), values);
  }
};

TEST_P(blog, full_convolution_of_two_signals) {
  const buffer y = apply({}, signal({1, 1, 1, 1}), signal({2, 2, 2, 2}), how());
  EXPECT_EQ(y.values(), signal({2, 4, 6, 8, 6, 4, 2}).values());
}

// The flipped filter pushed over the signal by one more step each: 8 where all four overlap, then
// 6, 4.
TEST_P(blog, overlaps_are_entries_of_full) {
  const std::vector<number> full =
      apply({}, signal({1, 1, 1, 1}), signal({2, 2, 2, 2}), how()).values();
  EXPECT_EQ(std::vector(full.begin() + 3, full.begin() + 6), signal({8, 6, 4}).values());
}

TEST_P(blog, valid_convolution_of_an_image) {
  const buffer image = array({4, 4}, {0, 3, 6, 3,  //
                                      3, 6, 3, 6,  //
                                      6, 3, 6, 3,  //
                                      3, 6, 3, 0});
  const buffer filter = array({3, 3}, {0, 3, 0,  //
                                       0, 1, 2,  //
                                       4, 0, 0});
  const buffer y = apply({.mode = mode::valid}, image, filter, how());
  EXPECT_EQ(y.values(), array({2, 2}, {45, 45, 45, 45}).values());
}

TEST_P(blog, half_a_delta_halves_a_box) {
  // In halves, so that integer types can have it: the box of ones is one of twos.
  buffer field(type(), {6, 6});
  buffer half(type(), {6, 6});
  for_each_element({6, 6}, 1, [&](auto p, auto r, auto c) {
    const bool inside = r >= 1 && r <= 4 && c >= 1 && c <= 4;
    field.set(p, r, c, inside ? 2 : 0);
    half.set(p, r, c, inside ? 1 : 0);
  });
  const dtype taps = is_integer(type()) ? dtype::f32 : type();
  const buffer filter(taps, {3, 3}, {0, 0, 0, 0, 0.5L, 0, 0, 0, 0});
  EXPECT_EQ(apply({.mode = mode::same}, field, filter, how()).values(), half.values());
}

TEST_P(blog, correlation_does_not_flip) {
  const buffer x = signal({0, 0, 1, 0, 0});
  const buffer h = signal({1, 2, 3});
  EXPECT_EQ(apply({.op = operation::convolution, .mode = mode::same}, x, h, how()).values(),
            signal({0, 1, 2, 3, 0}).values());
  EXPECT_EQ(apply({.op = operation::correlation, .mode = mode::same}, x, h, how()).values(),
            signal({0, 3, 2, 1, 0}).values());
}

// The convolutional shift of a Neural Turing Machine: w[n] = Σ_j g[j] s[n−j], indices modulo N,
// with s the weights of the shifts −1, 0 and 1.
TEST_P(blog, neural_turing_machines_shift_in_circles) {
  const problem circular{.mode = mode::same, .border = border::wrap()};
  const buffer weights = signal({5, 0, 0, 2, 3});
  EXPECT_EQ(apply(circular, weights, signal({0, 0, 1}), how()).values(),
            signal({3, 5, 0, 0, 2}).values());
  EXPECT_EQ(apply(circular, weights, signal({1, 0, 0}), how()).values(),
            signal({0, 0, 2, 3, 5}).values());
  EXPECT_EQ(apply(circular, weights, signal({1, 2, 1}), how()).values(),
            signal({13, 5, 2, 7, 13}).values());
}

TEST_P(blog, circular_convolution_of_equal_lengths) {
  // The origin puts tap 0 over the output, as the formula modulo N has it.
  const problem circular{.mode = mode::same, .border = border::wrap(), .origin = {0, -1}};
  EXPECT_EQ(apply(circular, signal({1, 2, 3, 4}), signal({1, 0, 2, 0}), how()).values(),
            signal({7, 10, 5, 8}).values());
}

INSTANTIATE_TEST_SUITE_P(every, blog,
                         testing::Combine(testing::ValuesIn(available_algorithms()),
                                          testing::Values(dtype::u8, dtype::i16, dtype::i32,
                                                          dtype::f16, dtype::bf16, dtype::f32,
                                                          dtype::f64, dtype::cf32, dtype::cf64)),
                         [](const auto& instance) {
                           return test_name(std::get<algorithm>(instance.param)) + "_" +
                                  std::string(to_string(std::get<dtype>(instance.param)));
                         });

}  // namespace
}  // namespace convgpu::test
