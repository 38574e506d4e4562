// SPDX-License-Identifier: Apache-2.0
// From sums to elements, by numbers: ties, ends of ranges, both kinds of overflow, and sums that
// need more bits than their result.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {
namespace {

template <class T>
constexpr T lowest = std::numeric_limits<T>::min();
template <class T>
constexpr T highest = std::numeric_limits<T>::max();

class rounding : public testing::TestWithParam<algorithm> {
 protected:
  /// In `valid`, with as many taps as samples: one sum. With one tap: a product for each sample.
  template <class Out, class In, class Tap>
  [[nodiscard]] std::vector<Out> sums(const std::vector<In>& x, const std::vector<Tap>& h,
                                      overflow policy = overflow::saturate) const {
    return GetParam().with_forced([&](const options& how) {
      return convolve<Out>(x, h, {.mode = mode::valid, .overflow = policy}, how);
    });
  }
};

template <class T>
using list = std::vector<T>;
using i8 = std::int8_t;
using u8 = std::uint8_t;
using i16 = std::int16_t;
using u16 = std::uint16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

TEST_P(rounding, of_ties_goes_to_even) {
  const list<i8> odd{1, 3, 5, 7, -1, -3, -5, -7};
  const list<float> half{0.5F};
  EXPECT_EQ((sums<i8>(odd, half)), (list<i8>{0, 2, 2, 4, 0, -2, -2, -4}));
  EXPECT_EQ((sums<i32>(odd, half)), (list<i32>{0, 2, 2, 4, 0, -2, -2, -4}));
  EXPECT_EQ((sums<i8>(odd, list<double>{0.5})), (list<i8>{0, 2, 2, 4, 0, -2, -2, -4}));
  EXPECT_EQ((sums<float>(odd, half)),
            (list<float>{0.5F, 1.5F, 2.5F, 3.5F, -0.5F, -1.5F, -2.5F, -3.5F}));
  EXPECT_EQ((sums<u8>(list<u8>{1, 3, 255}, list<float>{1.5F})), (list<u8>{2, 4, 255}));
  EXPECT_EQ((sums<i64>(list<i32>{1, 3, -3}, list<double>{0.5})), (list<i64>{0, 2, -2}));
}

TEST_P(rounding, happens_once) {
  // 0.5 − 2^-40 is no tie, and must not become one on the way.
  EXPECT_EQ((sums<i32>(list<i32>{1}, list<double>{0.5 - 0x1p-40})), (list<i32>{0}));
  EXPECT_EQ((sums<i32>(list<i32>{3}, list<double>{0.5 - 0x1p-40})), (list<i32>{1}));
  EXPECT_EQ((sums<i32>(list<i32>{1}, list<double>{0.5 + 0x1p-40})), (list<i32>{1}));
  // 2^24 + 1 is a tie of floats; with 2^-20 more it is not, though f32 cannot hold that.
  EXPECT_EQ((sums<float>(list<i32>{16777217}, list<i32>{1})), (list<float>{16777216.0F}));
  EXPECT_EQ((sums<float>(list<i32>{16777217, 1}, list<double>{0x1p-20, 1})),
            (list<float>{16777218.0F}));
}

TEST_P(rounding, saturates) {
  EXPECT_EQ((sums<u8>(list<u8>{100, 200, 0}, list<i8>{2})), (list<u8>{200, 255, 0}));
  EXPECT_EQ((sums<u8>(list<u8>{1, 200, 0}, list<i8>{-1})), (list<u8>{0, 0, 0}));
  EXPECT_EQ((sums<i8>(list<i8>{-128, 127}, list<i8>{2})), (list<i8>{-128, 127}));
  EXPECT_EQ((sums<u16>(list<u16>{40000}, list<float>{2})), (list<u16>{65535}));
  EXPECT_EQ((sums<i32>(list<i32>{lowest<i32>, highest<i32>}, list<double>{1e9})),
            (list<i32>{lowest<i32>, highest<i32>}));
  EXPECT_EQ((sums<i64>(list<i32>{lowest<i32>, highest<i32>}, list<double>{1e12})),
            (list<i64>{lowest<i64>, highest<i64>}));
  // Just inside and just outside, once rounded.
  EXPECT_EQ((sums<u8>(list<u8>{1, 1}, list<double>{255.5})), (list<u8>{255, 255}));
  EXPECT_EQ((sums<i8>(list<i8>{1}, list<double>{-128.5})), (list<i8>{-128}));
}

TEST_P(rounding, wraps) {
  constexpr auto wrap = overflow::wrap;
  EXPECT_EQ((sums<u8>(list<u8>{100, 200, 0}, list<i8>{2}, wrap)), (list<u8>{200, 144, 0}));
  EXPECT_EQ((sums<u8>(list<u8>{1, 200}, list<i8>{-1}, wrap)), (list<u8>{255, 56}));
  EXPECT_EQ((sums<i8>(list<i8>{-128, 127, 64}, list<i8>{2}, wrap)), (list<i8>{0, -2, -128}));
  EXPECT_EQ((sums<u8>(list<u8>{1}, list<double>{255.5}, wrap)), (list<u8>{0}));  // 256
  EXPECT_EQ((sums<u8>(list<u8>{1}, list<double>{-1.5}, wrap)), (list<u8>{254}));
  EXPECT_EQ((sums<i16>(list<i16>{3}, list<float>{10923}, wrap)), (list<i16>{-32767}));
  EXPECT_EQ((sums<i64>(list<i32>{1}, list<double>{0x1p63}, wrap)), (list<i64>{lowest<i64>}));
  EXPECT_EQ((sums<i32>(list<i32>{1}, list<double>{0x1p80}, wrap)), (list<i32>{0}));
}

TEST_P(rounding, sums_hold_more_bits_than_their_results) {
  // In between, these leave 32 bits; in the end they do not.
  EXPECT_EQ((sums<i16>(list<i16>{32767, 32767, 32767, 32767, 32767, 1},
                       list<i16>{1, 32767, -32767, -32767, 32767, 32767})),
            (list<i16>{32767}));
  // 64 bits.
  constexpr i32 low = lowest<i32>;
  EXPECT_EQ((sums<i32>(list<i32>{low, low, low, low, 7}, list<i32>{1, low, low, low, low})),
            (list<i32>{highest<i32>}));
  EXPECT_EQ(
      (sums<i64>(list<i32>{low, low, low, low}, list<i32>{low, low, low, low}, overflow::wrap)),
      (list<i64>{0}));
  EXPECT_EQ((sums<i64>(list<i32>{low, low, low, low}, list<i32>{low, low, low, low})),
            (list<i64>{highest<i64>}));
  EXPECT_EQ((sums<double>(list<i32>{low, low, low, low}, list<i32>{low, low, low, low})),
            (list<double>{0x1p64}));
}

TEST_P(rounding, of_sums_that_are_not_finite) {
  constexpr double huge = 1.7e308;
  const list<i32> two{2};
  EXPECT_EQ((sums<i32>(two, list<double>{huge})), (list<i32>{highest<i32>}));
  EXPECT_EQ((sums<i32>(two, list<double>{-huge})), (list<i32>{lowest<i32>}));
  EXPECT_EQ((sums<double>(two, list<double>{huge})), (list<double>{INFINITY}));
  // Where the sum is made in f64, this is infinity less infinity: NaN, which is 0 in integers; or, where products
  // are not rounded before they are added, an infinity of the first sign that comes up. Else a true 0.
  const i32 of_both = sums<i32>(list<i32>{2, 2}, list<double>{huge, -huge})[0];
  EXPECT_TRUE(of_both == 0 || of_both == highest<i32> || of_both == lowest<i32>) << of_both;
}

TEST_P(rounding, to_16_bit_floats_is_that_of_their_sums) {
  const auto result = [](float x, float h) {
    return GetParam().with_forced([&](const options& how) {
      return convolve<f16>(list<f16>{f16(x)}, list<f16>{f16(h)}, {}, how)[0].bits;
    });
  };
  EXPECT_EQ(result(256, 256), 0x7c00);       // 65536 is infinite
  EXPECT_EQ(result(2047, 32), 0x7bff);       // 65504, the largest
  EXPECT_EQ(result(0x1p-14F, 0x1p-10F), 1);  // the smallest one
  EXPECT_EQ(result(0x1p-14F, 0x1p-11F), 0);  // half of it: a tie
  EXPECT_EQ(result(0x1p-14F, 0x1.8p-11F), 1);
}

// What makes cpu/reference a reference: 2^30 + 1 − 2^30 in types that would lose the 1.
TEST(reference, sums_in_wider_types_than_the_datas) {
  const auto one = [](const any_const_view& x, const any_const_view& h, const any_view& y) {
    convolve(x, h, y, {.mode = mode::valid}, {.algorithm = "cpu/reference"});
  };
  const list<float> ones(3, 1.0F);
  const list<float> cancelling{0x1p30F, 1.0F, -0x1p30F};
  list<float> y(1);
  one(cancelling, ones, y);
  EXPECT_EQ(y[0], 1.0F);
  one(list<bf16>(3, bf16(1.0F)), cancelling, y);
  EXPECT_EQ(y[0], 1.0F);
  list<std::complex<float>> complex(1);
  one(list<std::complex<float>>{{0, 0x1p30F}, {1, 1}, {0, -0x1p30F}}, ones, complex);
  EXPECT_EQ(complex[0], std::complex(1.0F, 1.0F));
  const list<double> cancelling_more{0x1p60, 1.0, -0x1p60};
  list<double> wide(1);
  one(cancelling_more, list<double>(3, 1.0), wide);
  EXPECT_EQ(wide[0], 1.0);
  one(list<i32>(3, 1), cancelling_more, wide);
  EXPECT_EQ(wide[0], 1.0);
}

// 1 + 2^-11 is a tie of f16; 2^-30 more is not, but becomes one in f32.
TEST(reference, rounds_once) {
  list<f16> y(1);
  convolve(list<f16>(2, f16(1.0F)), list<float>{1 + 0x1p-11F, 0x1p-30F}, y, {.mode = mode::valid},
           {.algorithm = "cpu/reference"});
  EXPECT_EQ(static_cast<float>(y[0]), 1 + 0x1p-10F);
}

INSTANTIATE_TEST_SUITE_P(every, rounding, testing::ValuesIn(available_algorithms()),
                         [](const auto& instance) { return test_name(instance.param); });

}  // namespace
}  // namespace convgpu::test
