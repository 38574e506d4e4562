// SPDX-License-Identifier: Apache-2.0
// Callers at the edge of what the interface lets them say: sizes near the end of 64 bits, threads in odd
// floating-point modes, plans that were moved from, executors that do nothing.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace convgpu::test {
namespace {

using floats = std::vector<float>;
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t far = std::int64_t{1} << 60;

// x = 7 everywhere, by a step of 0, so that no size needs memory.
view<const std::uint8_t> endless(const std::uint8_t& value, std::int64_t count) {
  return {&value, extent(1, count), strides{.row = 0, .col = 0}};
}

TEST(extreme_sizes, have_an_answer) {
  const std::uint8_t seven = 7;
  const types t{dtype::u8, dtype::f32, dtype::u8};
  const floats one{1};
  const floats two{1, 1};

  std::vector<std::uint8_t> out(2);
  const problem gaps{.in = {1, far - 1}, .types = t, .stride = {1, far}, .dilation = {1, far - 1}};
  const plan over_gaps(gaps, two);
  over_gaps.run(endless(seven, far - 1), out);
  EXPECT_EQ(out, (std::vector<std::uint8_t>{7, 7}));

  for (const std::int64_t stride : {far - 1, far}) {
    const problem apart{
        .in = {1, 2 * far - 1}, .types = t, .mode = mode::valid, .stride = {1, stride}};
    const plan strided(apart, one);
    EXPECT_LT(strided.workspace_bytes(), 1u << 20);
    std::vector<std::uint8_t> entries(static_cast<std::size_t>(strided.output_extent().cols));
    strided.run(endless(seven, 2 * far - 1), entries);
    EXPECT_EQ(entries, std::vector<std::uint8_t>(entries.size(), 7));
  }
}

TEST(extreme_sizes, are_refused_where_they_overflow) {
  float x[1] = {};
  EXPECT_THROW(
      validate(
          {.in = {most, most}, .filter = {1, 1}, .types = {dtype::f32, dtype::f32, dtype::f32}}),
      invalid_problem);
  EXPECT_THROW((void)convolve(x, x, {.in = {most, most}}), invalid_problem);
  EXPECT_THROW((void)convolve(x, x, {.filter = {most, most}}), invalid_problem);
  EXPECT_THROW((void)convolve(x, x, {.in = {1, 1}, .planes = most}), invalid_problem);
  EXPECT_THROW((void)convolve(view(x, extent(most, most)), x), invalid_problem);
}

TEST(extreme_sizes, do_not_count_along_axes_of_one_element) {
  floats x{1, 2, 3};
  floats y(3);
  const view<float> in(x.data(), {1, 3}, 1, {.row = most, .col = 1, .plane = most});
  convolve(in, floats{2}, view<float>(y.data(), {1, 3}, 1, {.row = most, .col = 1, .plane = most}));
  EXPECT_EQ(y, (floats{2, 4, 6}));
}

TEST(extreme_arguments, of_dialects_are_refused) {
  const problem p{.in = {1, 9}, .filter = {1, 4}, .mode = mode::same};
  for (const dialect& d : dialects()) {
    problem unsaid = p;
    unsaid.filter = {};
    EXPECT_THROW((void)in_dialect(d.call, unsaid), invalid_problem) << d.call;
    problem huge = p;
    huge.in = huge.filter = {1, most};
    EXPECT_THROW((void)in_dialect(d.call, huge), invalid_problem) << d.call;
    EXPECT_THROW((void)in_dialect(d.call, p,
                                  {.origin = offset{0, std::numeric_limits<std::int64_t>::min()}}),
                 invalid_problem)
        << d.call;
  }
  EXPECT_THROW((void)in_dialect("opencv.filter2D", p, {.border = "BORDER_CONSTANT", .value = 9}),
               invalid_problem);
}

// Whatever mode the caller's thread is in, and whichever thread computes a part: the same bits.
TEST(floating_point_modes, of_callers_change_nothing) {
  const extent size{400, 400};
  const floats x(static_cast<std::size_t>(size.count()), 1e-39f);  // denormal
  for (const backend_info& b : backends()) {
    if (!b.unavailable.empty()) continue;
    for (const auto& algorithm : b.algorithms) {
      const extent filter = algorithm.name.ends_with("/winograd") ? extent(3, 3) : extent(5, 5);
      const floats h(static_cast<std::size_t>(filter.count()), 1.0f / 3);
      const problem p{.in = size, .filter = filter, .mode = mode::same, .border = border::wrap()};
      floats expected(x.size());
      const options how{.algorithm = algorithm.name, .tolerance = 1e-4};
      plan(p, h, how).run(x, expected);
      ASSERT_GT(expected[0], 0.0f);

      floats y(x.size());
      const auto same_after = [&](const char* what) {
        plan(p, h, how).run(x, y);
        const bool same = y == expected;
        EXPECT_TRUE(same) << algorithm.name << ", " << what;
      };
      std::fesetround(FE_UPWARD);
      same_after("rounding up");
      EXPECT_EQ(std::fegetround(), FE_UPWARD);
      std::fesetround(FE_TONEAREST);
#if defined(__SSE__)
      const unsigned before = _mm_getcsr();
      _mm_setcsr(before | 0x8040u);  // flush to zero, denormals are zeros
      plan(p, h, how).run(x, y);
      EXPECT_EQ(_mm_getcsr() & 0x8040u, 0x8040u);
      _mm_setcsr(before);
      EXPECT_TRUE(y == expected) << algorithm.name << ", flushing denormals";
#endif
    }
  }
}

TEST(plans, that_were_moved_from_stay_what_they_were) {
  plan a({.in = {1, 3}}, floats{2});
  const plan b = std::move(a);
  floats y(3);
  a.run(floats{1, 2, 3}, y);  // NOLINT(bugprone-use-after-move): what is tested
  EXPECT_EQ(y, (floats{2, 4, 6}));
}

TEST(threads, are_no_more_than_the_machine_has) {
  const auto workspace = [](int threads) {
    return plan({.in = {700, 700}, .filter = {9, 9}, .mode = mode::same}, floats(81, 1.0f),
                {.max_threads = threads})
        .workspace_bytes();
  };
  EXPECT_EQ(workspace(std::numeric_limits<int>::max()), workspace(0));
  const plan with_executor(
      {.in = {4000, 4000}, .filter = {3, 3}, .planes = 30}, floats(9, 1.0f),
      {.max_threads = std::numeric_limits<int>::max(), .executor = [](auto, const auto&) {}});
  EXPECT_LE(with_executor.workspace_bytes(), std::size_t{2} << 30);
}

TEST(executors, that_call_nothing_are_found_out) {
  const plan idle({.in = {1, 1 << 20}}, floats(9, 1.0f),
                  {.max_threads = 4, .executor = [](auto, const auto&) {}});
  const floats x(1 << 20, 1.0f);
  floats y((1 << 20) + 8);
  EXPECT_THROW(idle.run(x, y), invalid_problem);
}

}  // namespace
}  // namespace convgpu::test
