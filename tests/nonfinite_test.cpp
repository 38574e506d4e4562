// SPDX-License-Identifier: Apache-2.0
// A sample that is NaN or infinite spoils the outputs whose window holds it at a tap that is not
// zero, and no other one. Written out by hand; the agreement suite does the same by the thousand.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "buffers.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

constexpr real infinity = std::numeric_limits<real>::infinity();
constexpr real nan = std::numeric_limits<real>::quiet_NaN();

/// 'x' for what is not finite, '.' for the rest.
std::string drawn(const buffer& b) {
  std::string text;
  for (const number& v : b.values())
    text += std::isfinite(v.real()) && std::isfinite(v.imag()) ? '.' : 'x';
  return text;
}

/// Ones, and one sample that is `bad`.
buffer spoilt_ones(dtype type, extent size, std::int64_t row, std::int64_t col, number bad) {
  buffer b(type, size);
  for_each_element(size, 1,
                   [&](auto, auto r, auto c) { b.set(0, r, c, r == row && c == col ? bad : 1); });
  return b;
}

class not_finite : public testing::TestWithParam<std::tuple<algorithm, dtype>> {
 protected:
  [[nodiscard]] dtype type() const { return std::get<dtype>(GetParam()); }
  [[nodiscard]] std::string result(const problem& p, const buffer& in, const buffer& filter) const {
    return drawn(apply(p, in, filter, std::get<algorithm>(GetParam()).allowed_errors(type())));
  }
  [[nodiscard]] std::vector<number> bad_values() const {
    std::vector<number> bad{nan, infinity, -infinity};
    if (is_complex(type()))
      bad.insert(bad.end(), {number(1, nan), number(0, -infinity), number(nan, infinity)});
    return bad;
  }
};

TEST_P(not_finite, samples_spoil_what_sees_them) {
  struct row {
    problem p;
    std::int64_t bad;  // of six samples
    std::initializer_list<real> filter;
    std::string_view spoilt;
  };
  const auto same = [](border_kind kind) {
    return problem{.mode = mode::same, .border = border(kind)};
  };
  const row table[] = {
      // The tap in the middle is zero and sees nothing.
      {{.mode = mode::full}, 3, {1, 0, 2}, "...x.x.."},
      {{.mode = mode::valid}, 3, {1, 0, 2}, ".x.x"},
      {{.mode = mode::full}, 0, {0, 0, 0}, "........"},
      {same(border_kind::zero), 0, {1, 1, 1, 1, 1}, "xxx..."},
      {same(border_kind::zero), 5, {1, 1, 1, 1, 1}, "...xxx"},
      // y[n] = x[n−1]: the first output sees the border.
      {same(border_kind::zero), 0, {0, 0, 1}, ".x...."},
      {same(border_kind::replicate), 0, {0, 0, 1}, "xx...."},
      {same(border_kind::symmetric), 0, {0, 0, 1}, "xx...."},
      {same(border_kind::mirror), 1, {0, 0, 1}, "x.x..."},
      {same(border_kind::wrap), 5, {0, 0, 1}, "x....."},
      // y[n] = x[n+1]: the last one does.
      {same(border_kind::zero), 5, {1, 0, 0}, "....x."},
      {same(border_kind::replicate), 5, {1, 0, 0}, "....xx"},
      {same(border_kind::symmetric), 5, {1, 0, 0}, "....xx"},
      {same(border_kind::mirror), 4, {1, 0, 0}, "...x.x"},
      {same(border_kind::wrap), 0, {1, 0, 0}, ".....x"},
  };
  for (const row& r : table)
    for (const number& bad : bad_values())
      EXPECT_EQ(result(r.p, spoilt_ones(type(), extent(6), 0, r.bad, bad),
                       buffer(type(), extent(r.filter.size()), r.filter)),
                r.spoilt)
          << to_string(r.p.border.kind()) << ", sample " << r.bad << " is " << bad;
}

TEST_P(not_finite, pixels_spoil_what_sees_them) {
  const buffer cross(type(), {3, 3}, {0, 1, 0, 1, 1, 1, 0, 1, 0});
  for (const number& bad : bad_values()) {
    const problem p{.mode = mode::same, .border = border::mirror()};
    EXPECT_EQ(result(p, spoilt_ones(type(), {4, 5}, 1, 3, bad), cross),
              "...x."
              "..xxx"
              "...x."
              ".....");
  }
}

TEST_P(not_finite, a_border_spoils_what_sees_it) {
  const buffer ones(type(), extent(6), {1, 1, 1, 1, 1, 1});
  const problem p{.mode = mode::same, .border = border::constant(NAN)};
  EXPECT_EQ(result(p, ones, buffer(type(), extent(3), {1, 1, 1})), "x....x");
  EXPECT_EQ(result(p, ones, buffer(type(), extent(3), {0, 1, 1})), "x.....");
}

// Where a transform would take the whole signal, or a block of it, along.
TEST_P(not_finite, samples_spoil_no_more_of_a_long_signal) {
  buffer ones(type(), extent(31));
  for_each_element(ones.size(), 1, [&](auto p, auto r, auto c) { ones.set(p, r, c, 1); });
  std::string expected(5030, '.');
  expected.replace(2500, 31, 31, 'x');
  for (const number& bad : bad_values())
    EXPECT_EQ(result({}, spoilt_ones(type(), extent(5000), 0, 2500, bad), ones), expected);
}

INSTANTIATE_TEST_SUITE_P(every, not_finite,
                         testing::Combine(testing::ValuesIn(available_algorithms()),
                                          testing::Values(dtype::f16, dtype::bf16, dtype::f32,
                                                          dtype::f64, dtype::cf32, dtype::cf64)),
                         [](const auto& instance) {
                           return test_name(std::get<algorithm>(instance.param)) + "_" +
                                  std::string(to_string(std::get<dtype>(instance.param)));
                         });

}  // namespace
}  // namespace convgpu::test
