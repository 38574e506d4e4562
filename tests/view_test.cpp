// SPDX-License-Identifier: Apache-2.0
// Views: what they hold after each way of making and cutting them, and what converts to what.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <array>
#include <concepts>
#include <list>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace convgpu::test {
namespace {

/// The elements in the order of planes, rows, columns.
template <class T>
std::vector<int> elements(const view<T>& v) {
  std::vector<int> all;
  for (std::int64_t p = 0; p < v.planes(); ++p)
    for (std::int64_t r = 0; r < v.rows(); ++r)
      for (std::int64_t c = 0; c < v.cols(); ++c)
        all.push_back(
            static_cast<int>(v.data()[p * v.step().plane + r * v.step().row + c * v.step().col]));
  return all;
}

class views : public testing::Test {
 protected:
  views() { std::iota(counting_.begin(), counting_.end(), 0); }

  std::array<std::int32_t, 24> counting_;
};

TEST_F(views, are_dense_unless_said_otherwise) {
  const view<std::int32_t> v(counting_.data(), {2, 3});
  EXPECT_EQ(elements(v), (std::vector{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(v.planes(), 1);
  EXPECT_EQ(v.step(), (strides{.row = 3, .col = 1, .plane = 6, .channel = 6}));
}

TEST_F(views, take_steps_of_their_own) {
  const view<std::int32_t> every_other_row(counting_.data(), {2, 3}, {.row = 12, .col = 2});
  EXPECT_EQ(elements(every_other_row), (std::vector{0, 2, 4, 12, 14, 16}));
  const view<std::int32_t> backwards(counting_.data() + 5, {2, 3}, {.row = -3, .col = -1});
  EXPECT_EQ(elements(backwards), (std::vector{5, 4, 3, 2, 1, 0}));
}

TEST_F(views, have_planes_behind_or_beside_each_other) {
  const extent size(2, 2);
  const view<std::int32_t> behind(counting_.data(), size, 3, dense(size));
  EXPECT_EQ(elements(behind), (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(elements(behind.plane(2)), (std::vector{8, 9, 10, 11}));
  const view<std::int32_t> beside(counting_.data(), size, 3, interleaved(size, 3));
  EXPECT_EQ(elements(beside), (std::vector{0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}));
  EXPECT_EQ(elements(beside.plane(1)), (std::vector{1, 4, 7, 10}));
}

TEST_F(views, are_cut_and_turned) {
  const view<std::int32_t> whole(counting_.data(), {4, 6});
  const view<std::int32_t> part = whole.region(1, 2, {2, 3});
  EXPECT_EQ(elements(part), (std::vector{8, 9, 10, 14, 15, 16}));
  EXPECT_EQ(elements(part.transposed()), (std::vector{8, 14, 9, 15, 10, 16}));
  EXPECT_EQ(part.transposed().size(), extent(3, 2));
  EXPECT_EQ(elements(part.transposed().region(1, 0, {2, 2})), (std::vector{9, 15, 10, 16}));
  const view<std::int32_t> planes(counting_.data(), {2, 6}, 2, dense({2, 6}));
  EXPECT_EQ(elements(planes.region(0, 1, {2, 2})), (std::vector{1, 2, 7, 8, 13, 14, 19, 20}));
  EXPECT_EQ(elements(planes.transposed().region(1, 0, {2, 2})),
            (std::vector{1, 7, 2, 8, 13, 19, 14, 20}));
}

TEST_F(views, of_ranges_are_signals) {
  std::vector<float> vector{1, 2, 3};
  float array[] = {4, 5};
  const std::vector<float> constant{6};
  static_assert(std::same_as<decltype(view(vector)), view<float>>);
  static_assert(std::same_as<decltype(view(constant)), view<const float>>);
  EXPECT_EQ(view(vector).size(), extent(1, 3));
  EXPECT_EQ(elements(view(array)), (std::vector{4, 5}));
  EXPECT_EQ(elements(view(std::span(vector).subspan(1))), (std::vector{2, 3}));
  EXPECT_EQ(elements(view<const float>(vector)), (std::vector{1, 2, 3}));
}

// Constness may be added and never taken away; what is no contiguous range of elements is no view.
static_assert(std::convertible_to<view<float>, view<const float>>);
static_assert(!std::convertible_to<view<const float>, view<float>>);
static_assert(!std::convertible_to<const std::vector<float>&, view<float>>);
static_assert(!std::convertible_to<view<float>, view<double>>);
static_assert(!std::convertible_to<view<float>, device_view<float>>);
static_assert(!std::convertible_to<std::list<float>&, any_const_view>);
static_assert(!std::convertible_to<std::vector<bool>&, any_const_view>);
static_assert(!std::convertible_to<std::vector<std::string>&, any_const_view>);
static_assert(std::convertible_to<const std::vector<float>&, any_const_view>);
static_assert(!std::convertible_to<const std::vector<float>&, any_view>);
static_assert(std::convertible_to<view<float>, any_view> &&
              !std::convertible_to<view<const float>, any_view>);
static_assert(std::convertible_to<any_view, any_const_view> &&
              !std::convertible_to<any_const_view, any_view>);

TEST_F(views, lose_their_type_and_nothing_else) {
  const view<std::int32_t> v(counting_.data() + 1, {2, 3}, 2, {.row = 4, .col = -1, .plane = 9});
  const auto expect_same = [&](const any_const_view& any, memory where) {
    EXPECT_EQ(any.data(), v.data());
    EXPECT_EQ(any.type(), dtype::i32);
    EXPECT_EQ(any.size(), v.size());
    EXPECT_EQ(any.planes(), 2);
    EXPECT_EQ(any.step(), v.step());
    EXPECT_EQ(any.where(), where);
    EXPECT_FALSE(any.shapeless());
  };
  expect_same(v, memory::host);
  expect_same(view<const std::int32_t>(v), memory::host);
  expect_same(any_view(v), memory::host);
  const device_view<std::int32_t> d(v.data(), v.size(), v.planes(), v.step());
  expect_same(d, memory::device);
  expect_same(any_view(d), memory::device);
}

TEST_F(views, of_any_type_know_that_a_bare_range_has_no_shape) {
  std::array<f16, 6> array{};
  for (const any_const_view& v : {any_const_view(array), any_const_view(any_view(array)),
                                  any_const_view(view(array)).as_shapeless()}) {
    EXPECT_TRUE(v.shapeless());
    EXPECT_EQ(v.data(), array.data());
    EXPECT_EQ(v.type(), dtype::f16);
    EXPECT_EQ(v.size(), extent(1, 6));
    EXPECT_EQ(v.planes(), 1);
  }
  EXPECT_FALSE(any_const_view(view(array)).shapeless());
}

}  // namespace
}  // namespace convgpu::test
