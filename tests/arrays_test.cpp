// SPDX-License-Identifier: Apache-2.0
// Arrays that need no file: conversion of types, literals, the test chart, filters known by name.
#include "array.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats.hpp"
#include "formats_fixture.hpp"
#include "named_filters.hpp"

namespace convgpu::tools {
namespace {

TEST(array, conversion_rounds_half_to_even_and_saturates) {
  const array a = read("[-1e300, -0.5, 0.5, 1.5, 2.5, 254.5, 255.5, 1e300, nan, inf]");
  EXPECT_EQ(values<std::uint8_t>(convert(a, dtype::u8)),
            (std::vector<std::uint8_t>{0, 0, 0, 2, 2, 254, 255, 255, 0, 255}));
  const auto wide = values<std::int64_t>(convert(a, dtype::i64));
  EXPECT_EQ(wide.front(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(wide.back(), std::numeric_limits<std::int64_t>::max());
}

TEST(array, conversion_to_16_bits_rounds_once) {
  // A little above the middle of 1 and the next value of f16; f32 would put it into the middle.
  array a(header{.cols = 1});
  a.values<double>()[0] = 1.0 + 0x1p-11 + 0x1p-40;
  EXPECT_EQ(static_cast<float>(convert(a, dtype::f16).values<f16>()[0]), 1.0f + 0x1p-10f);
}

TEST(array, conversion_and_back_is_exact_where_the_type_is_wider) {
  for (const auto& [from, to] : {std::pair{dtype::u8, dtype::f16},
                                 {dtype::i16, dtype::f32},
                                 {dtype::u16, dtype::i32},
                                 {dtype::i32, dtype::f64},
                                 {dtype::f16, dtype::f32},
                                 {dtype::bf16, dtype::cf32},
                                 {dtype::cf32, dtype::cf64}}) {
    const array a = make({.type = from, .rows = 3, .cols = 5});
    if (!is_complex(to) || is_complex(from)) expect_same(convert(convert(a, to), from), a);
  }
  EXPECT_THROW(std::ignore = convert(read("[1j]"), dtype::f64), bad_file);
}

TEST(array, knows_whether_integers_fit) {
  array a(header{.type = dtype::i64, .cols = 2});
  std::ranges::copy(integers{-1, 127}, a.values<std::int64_t>().begin());
  EXPECT_TRUE(fits(a, dtype::i8));
  EXPECT_FALSE(fits(a, dtype::u8));
  EXPECT_TRUE(fits(read("[0,255]"), dtype::u8));
  EXPECT_FALSE(fits(read("[256]"), dtype::u8));
  EXPECT_FALSE(fits(read("[-1]"), dtype::u8));
  EXPECT_FALSE(fits(read("[0.5]"), dtype::u8));
  EXPECT_FALSE(fits(read("[nan]"), dtype::i64));
  EXPECT_FALSE(fits(read("[1j]"), dtype::u8));
}

TEST(array, refuses_impossible_sizes) {
  EXPECT_THROW(array(header{.rows = std::int64_t{1} << 40, .cols = std::int64_t{1} << 40}),
               bad_file);
  EXPECT_THROW(array(header{.rows = std::int64_t{1} << 62, .cols = 4, .planes = 0}), bad_file);
  EXPECT_THROW(array(header{.rows = -1, .cols = 1}), bad_file);
  EXPECT_THROW(std::ignore = read("[1]").values<float>(), std::logic_error);
}

TEST(literal, is_read) {
  const array a = read(" [[0,3,0], [0,1,2],\n [4,0,0]]"s.substr(1));
  EXPECT_EQ(values<double>(a), (doubles{0, 3, 0, 0, 1, 2, 4, 0, 0}));
  EXPECT_EQ(std::tie(a.dimensions, a.rows, a.cols), std::tuple(2, 3, 3));
  EXPECT_EQ(read("[1,2.5,-3e2]").dimensions, 1);
  EXPECT_EQ(read("[1+2j]").type, dtype::cf64);
}

TEST(literal, errors_name_the_position) {
  const std::pair<const char*, const char*> table[] = {
      {"[", "position 2: expected a number"},
      {"[1,]", "position 4"},
      {"[1 2]", "position 4: expected , or ]"},
      {"[[1,2],[3]]", "position 11: row 2 has 1 values"},
      {"[[[1]]]", "position 3: expected a number; allowed: one or two"},
      {"[1]x", "position 4: expected nothing more"},
      {"[1e999]", "position 2"},
      {"[[1],2]", "position 6: expected ["},
      {"[1+2]", "position 2"}};
  for (const auto& [text, message] : table)
    EXPECT_NE(read_error(text).find(message), string::npos) << read_error(text);
}

TEST(chart, has_the_size_asked_for) {
  for (const int size : {16, 33, 200}) {
    const array a = read("chart:" + std::to_string(size) + ":rgb");
    EXPECT_EQ(std::tie(a.rows, a.cols, a.planes), std::tuple(size, size, 3));
    expect_same(a, read("chart:" + std::to_string(size) + ":rgb"));
  }
  for (const char* bad :
       {"chart:", "chart:15", "chart:8193", "chart:64:", "chart:64:grey", "chart:6x", "chart:-64"})
    EXPECT_NE(read_error(bad).find("16 to 8192"), string::npos) << bad;
}

/// y[n] = Σ_k h[k]·x[n−k] with `same` and a zero border, as the names are defined by.
array convolved(const array& x, const array& h) {
  array y(header{.rows = x.rows, .cols = x.cols});
  const auto at = [](const array& a, std::int64_t r, std::int64_t c) {
    const bool inside = r >= 0 && r < a.rows && c >= 0 && c < a.cols;
    return inside ? a.values<double>()[static_cast<std::size_t>(r * a.cols + c)] : 0.0;
  };
  auto out = y.values<double>().begin();
  for (std::int64_t r = 0; r < y.rows; ++r) {
    for (std::int64_t c = 0; c < y.cols; ++c) {
      double sum = 0;
      for (std::int64_t i = 0; i < h.rows; ++i) {
        for (std::int64_t j = 0; j < h.cols; ++j) {
          sum += at(h, i, j) * at(x, r + (h.rows - 1) / 2 - i, c + (h.cols - 1) / 2 - j);
        }
      }
      *out++ = sum;
    }
  }
  return y;
}

double sum_of(const array& filter) {
  const auto taps = filter.values<double>();
  return std::accumulate(taps.begin(), taps.end(), 0.0);
}

string filter_error(const string& name) {
  return message_of<bad_file>([&] { std::ignore = named_filter(name); });
}

TEST(named_filter, directions_are_those_of_convolution) {
  const array rightwards = read("[[1,2,3],[1,2,3],[1,2,3]]");
  const array downwards = read("[[1,1,1],[2,2,2],[3,3,3]]");
  constexpr std::size_t centre = 4;
  const auto response = [&](const array& x, const char* name) {
    return convolved(x, named_filter(name).value()).values<double>()[centre];
  };
  EXPECT_EQ(response(rightwards, "sobel:x"), 8);
  EXPECT_EQ(response(downwards, "sobel:x"), 0);
  EXPECT_EQ(response(downwards, "sobel:y"), 8);
  EXPECT_EQ(response(rightwards, "sobel:y"), 0);
  EXPECT_GT(response(rightwards, "emboss"), 2);
  EXPECT_GT(response(downwards, "emboss"), 2);
  EXPECT_EQ(response(read("[[0,0,0],[0,1,0],[0,0,0]]"), "laplacian"), -4);

  const array point = read("[[0,0,0,0],[0,1,0,0],[0,0,0,0]]");
  EXPECT_EQ(values<double>(convolved(point, named_filter("shift:2,-1").value())),
            (doubles{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(values<double>(convolved(point, named_filter("delta").value())), values<double>(point));
}

TEST(named_filter, sizes_and_sums) {
  struct expected {
    const char* name;
    std::int64_t rows, cols;
    double sum;
  };
  const expected table[] = {
      {"gaussian:2", 13, 13, 1}, {"gaussian:0.1", 3, 3, 1}, {"gaussian:1e-300", 3, 3, 1},
      {"box:4", 4, 4, 1},        {"laplacian", 3, 3, 0},    {"sharpen", 3, 3, 1},
      {"emboss", 3, 3, 1},       {"shift:-3,2", 5, 7, 1},   {"shift:0,0", 1, 1, 1},
      {"motion:1,77", 1, 1, 1},  {"motion:9,0", 1, 9, 1},   {"motion:9,-90", 9, 1, 1},
      {"motion:5,60", 5, 3, 1},  {"delta", 1, 1, 1}};
  for (const expected& e : table) {
    const array filter = named_filter(e.name).value();
    EXPECT_EQ(std::tie(filter.rows, filter.cols), std::tie(e.rows, e.cols)) << e.name;
    EXPECT_NEAR(sum_of(filter), e.sum, 1e-14) << e.name;
    EXPECT_EQ(filter.type, dtype::f64);
  }
  // Up to the right, and the same from both ends.
  const doubles slanted = values<double>(named_filter("motion:3,45").value());
  EXPECT_GT(slanted[2], slanted[0]);
  EXPECT_EQ(slanted, doubles(slanted.rbegin(), slanted.rend()));
}

TEST(named_filter, gaussian_is_an_outer_product) {
  const array filter = named_filter("gaussian:1.5").value();
  const auto taps = filter.values<double>();
  const auto n = static_cast<std::size_t>(filter.cols);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c < n; ++c) {
      EXPECT_EQ(taps[r * n + c], taps[c * n + r]);
      EXPECT_NEAR(taps[r * n + c] * taps[n / 2 * n + n / 2],
                  taps[r * n + n / 2] * taps[n / 2 * n + c], 1e-18);
    }
  }
}

TEST(named_filter, bad_ones_are_told_of) {
  for (const char* bad :
       {"gaussian:0",   "gaussian:-1",  "gaussian:nan", "gaussian:inf", "gaussian:683",
        "gaussian:1x",  "gaussian:",    "box:0",        "box:4096",     "box:2.5",
        "box:1,2",      "sobel:z",      "shift:1",      "shift:1,2,3",  "shift:0.5,1",
        "shift:2048,0", "motion:0.5,0", "motion:5",     "motion:5,up",  "motion:5000,0"}) {
    const string message = filter_error(bad);
    EXPECT_NE(message.find("'"s + bad + "'"), string::npos) << message;
    EXPECT_NE(message.find("allowed: "), string::npos) << message;
  }
  EXPECT_NE(filter_error("gaussian").find("allowed: gaussian:SIGMA"), string::npos);
  EXPECT_NE(filter_error("delta:1").find("allowed: delta"), string::npos);
  EXPECT_NE(filter_error("gausian:1").find("known: gaussian:SIGMA, box:N"), string::npos);
}

TEST_F(formats, files_and_literals_are_no_filter_names) {
  for (const string& text : {"[1,2]"s, "chart:64"s, "a.npy"s, "./delta"s, path("box"), ""s}) {
    EXPECT_EQ(named_filter(text).has_value(), false) << text;
  }
}

}  // namespace
}  // namespace convgpu::tools
