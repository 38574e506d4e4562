// SPDX-License-Identifier: Apache-2.0
// Names, the table of triples, and the two 16-bit floats against an oracle in long double.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "buffers.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

TEST(dtype, names_go_there_and_back) {
  std::set<std::string_view> names;
  for (int i = 1; i <= static_cast<int>(dtype::cf64); ++i) {
    const auto type = static_cast<dtype>(i);
    names.insert(to_string(type));
    EXPECT_EQ(parse_dtype(to_string(type)), type);
  }
  EXPECT_EQ(names, (std::set<std::string_view>{"u8", "i8", "u16", "i16", "i32", "i64", "f16",
                                               "bf16", "f32", "f64", "cf32", "cf64"}));
  EXPECT_EQ(to_string(dtype::deduced), "deduced");
}

static_assert(dtype_of<const float> == dtype::f32);
static_assert(dtype_of<long> == dtype::i64 && dtype_of<long long> == dtype::i64);
static_assert(dtype_of<bf16> == dtype::bf16 && dtype_of<std::complex<double>> == dtype::cf64);
static_assert(dtype_of<bool> == dtype::deduced && dtype_of<char> == dtype::deduced &&
              dtype_of<unsigned> == dtype::deduced && dtype_of<long double> == dtype::deduced);

// The sizes are what C++ says, for the type of the same name.
static_assert(size_of(dtype::u8) == 1 && size_of(dtype::i8) == 1 && size_of(dtype::u16) == 2 &&
              size_of(dtype::i16) == 2 && size_of(dtype::i32) == 4 && size_of(dtype::i64) == 8);
static_assert(size_of(dtype::f16) == sizeof(f16) && size_of(dtype::bf16) == sizeof(bf16) &&
              size_of(dtype::f32) == sizeof(float) && size_of(dtype::f64) == sizeof(double) &&
              size_of(dtype::cf32) == sizeof(std::complex<float>) &&
              size_of(dtype::cf64) == sizeof(std::complex<double>));

TEST(triples, are_sixteen_of_floats_and_140_of_integers) {
  int floats = 0;
  int integers = 0;
  for (const types& t : supported_types()) ++(is_integer(t.in) ? integers : floats);
  EXPECT_EQ(floats, 16);
  EXPECT_EQ(integers, 140);
}

TEST(triples, are_those_of_the_table) {
  const auto allowed = [](dtype in, dtype filter, dtype out) {
    return is_supported({in, filter, out});
  };
  using enum dtype;
  for (const dtype t : {f16, bf16, f32, f64, cf32, cf64})
    EXPECT_TRUE(allowed(t, t, t)) << to_string(t);
  EXPECT_TRUE(allowed(f32, cf32, cf32) && allowed(cf32, f32, cf32));
  EXPECT_TRUE(allowed(f64, cf64, cf64) && allowed(cf64, f64, cf64));
  EXPECT_FALSE(allowed(f32, cf32, f32) || allowed(cf32, cf32, f32) || allowed(f32, f32, cf32));
  EXPECT_FALSE(allowed(f32, f64, f64) || allowed(f64, f32, f64) || allowed(f32, f32, f64));
  EXPECT_FALSE(allowed(f32, cf64, cf64) || allowed(f32, u8, f32));
  for (const dtype half : {f16, bf16}) {
    EXPECT_TRUE(allowed(half, f32, half) && allowed(half, f32, f32) && allowed(half, half, f32));
    EXPECT_FALSE(allowed(half, f64, half) || allowed(f32, half, f32));
  }
  EXPECT_FALSE(allowed(f16, bf16, f16));
  EXPECT_TRUE(allowed(u8, u16, u8) && allowed(u8, i8, i32) && allowed(u16, i32, i64) &&
              allowed(i32, i32, i64));
  EXPECT_TRUE(allowed(i8, f32, i8) && allowed(i8, f64, f32) && allowed(i32, f32, f64));
  EXPECT_FALSE(allowed(u8, u8, i64) || allowed(u16, u8, i32) || allowed(u8, u8, i16) ||
               allowed(u8, i64, u8) || allowed(i64, i32, i64) || allowed(u8, cf32, u8) ||
               allowed(u8, f16, u8));
}

TEST(triples, default_to_the_inputs_type_made_complex) {
  using enum dtype;
  EXPECT_EQ(default_out(u8, i16), u8);
  EXPECT_EQ(default_out(u8, f32), u8);
  EXPECT_EQ(default_out(f16, f32), f16);
  EXPECT_EQ(default_out(f32, cf32), cf32);
  EXPECT_EQ(default_out(cf64, f64), cf64);
  for (const types& t : supported_types())
    EXPECT_TRUE(is_supported({t.in, t.filter, default_out(t.in, t.filter)}));
}

template <class T>
class half_floats : public testing::Test {
 protected:
  static constexpr dtype type = dtype_of<T>;
  static real value_of(T x) { return load(type, &x).real(); }
  /// What T makes of a float.
  static real converted(float x) { return static_cast<real>(static_cast<float>(T(x))); }

  static void expect_rounded(float x) {
    const real expected = rounded(type, static_cast<real>(x));
    const real got = converted(x);
    EXPECT_TRUE(got == expected && std::signbit(got) == std::signbit(expected))
        << std::hexfloat << x << " became " << got << ", not " << expected;
  }
};
using half_types = testing::Types<f16, bf16>;
TYPED_TEST_SUITE(half_floats, half_types);

TYPED_TEST(half_floats, have_the_value_of_their_bits_and_keep_it) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    TypeParam x;
    x.bits = static_cast<std::uint16_t>(bits);
    const auto as_float = static_cast<float>(x);
    const real expected = this->value_of(x);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(as_float)) << std::hex << bits;
      EXPECT_TRUE(std::isnan(static_cast<float>(TypeParam(as_float)))) << std::hex << bits;
      continue;
    }
    EXPECT_EQ(static_cast<real>(as_float), expected) << std::hex << bits;
    EXPECT_EQ(TypeParam(as_float).bits, bits) << std::hex << bits;
  }
}

TYPED_TEST(half_floats, round_half_to_even) {
  // Between each value and the next one: the middle, which is a tie, and its two neighbours.
  for (std::uint32_t bits = 0; bits < 0x7fff; ++bits) {
    TypeParam low;
    low.bits = static_cast<std::uint16_t>(bits);
    const auto from = static_cast<float>(low);
    if (!std::isfinite(from)) break;
    const real middle = static_cast<real>(from) + half_ulp(this->type, static_cast<real>(from));
    const auto tie = static_cast<float>(middle);
    ASSERT_EQ(static_cast<real>(tie), middle);
    for (const float x : {tie, std::nextafterf(tie, 0.0F), std::nextafterf(tie, INFINITY)}) {
      this->expect_rounded(x);
      this->expect_rounded(-x);
    }
  }
}

TYPED_TEST(half_floats, round_floats_of_every_exponent) {
  for (std::uint32_t high = 0; high < 0x7f80; ++high)  // all exponents, down to subnormal floats
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU})
      this->expect_rounded(std::bit_cast<float>(high << 16 | low));
}

TYPED_TEST(half_floats, keep_what_is_not_finite) {
  for (const float sign : {1.0F, -1.0F}) {
    EXPECT_EQ(this->converted(sign * INFINITY), static_cast<real>(sign * INFINITY));
    EXPECT_TRUE(std::isnan(this->converted(std::copysign(NAN, sign))));
  }
  // A NaN whose payload lies in the bits that are cut off must not become infinite.
  EXPECT_TRUE(std::isnan(this->converted(std::bit_cast<float>(0x7f800001U))));
  EXPECT_TRUE(std::isnan(this->converted(std::bit_cast<float>(0xff800001U))));
}

TEST(half_floats, overflow_half_a_step_beyond_the_largest_value) {
  EXPECT_EQ(static_cast<float>(f16(65504.0F)), 65504.0F);
  EXPECT_EQ(static_cast<float>(f16(65519.996F)), 65504.0F);
  EXPECT_EQ(static_cast<float>(f16(65520.0F)), INFINITY);
  EXPECT_EQ(static_cast<float>(f16(-65520.0F)), -INFINITY);
  EXPECT_EQ(f16(0x1p-24F).bits, 1);
  EXPECT_EQ(f16(0x1p-25F).bits, 0);  // a tie with zero
  EXPECT_EQ(bf16(std::numeric_limits<float>::max()).bits, 0x7f80);
}

}  // namespace
}  // namespace convgpu::test
