// SPDX-License-Identifier: Apache-2.0
// cpu/overlap_save with several filters for a channel: they share the transforms of its blocks, and no bit tells.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "oracle.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

constexpr const char* name = "cpu/overlap_save";

template <class T>
constexpr double loose = std::is_same_v<T, float> ? 1e-4 : 1e-12;

template <class T>
std::vector<T> random(std::int64_t count, unsigned seed) {
  dice d(seed);
  std::vector<T> v(static_cast<std::size_t>(count));
  for (T& x : v) x = static_cast<T>(d.any_real());
  return v;
}

template <class Out, class T>
std::vector<Out> run(const plan& made, const problem& p, const std::vector<T>& x) {
  const std::int64_t count = made.output_extent().count() * p.filters * p.planes;
  std::vector<Out> y(static_cast<std::size_t>(count));
  made.run(x, y);
  return y;
}

/// What parameters say of blocks.
std::string blocks_of(const plan& made) {
  const std::string text = made.describe().parameters;
  const std::size_t at = text.find("blocks of ");
  return text.substr(at, text.find(" outputs", at) - at);
}

template <class T>
class overlap_save_banks : public testing::Test {};
using reals = testing::Types<float, double>;
TYPED_TEST_SUITE(overlap_save_banks, reals);

/// Filters from very small to very large, which ask for samples of another scale.
template <class T>
std::vector<T> of_any_size(std::vector<T> taps, std::int64_t filters) {
  const std::size_t each = taps.size() / static_cast<std::size_t>(filters);
  const int far = std::numeric_limits<T>::max_exponent - 8;
  for (std::size_t n = 0; n < taps.size(); ++n)
    taps[n] = std::ldexp(taps[n], static_cast<int>(n / each % 3) * far - far);
  return taps;
}

TYPED_TEST(overlap_save_banks, make_the_bits_of_each_filter_by_itself) {
  using T = TypeParam;
  struct shape {
    extent in;
    extent taps;
    std::int64_t groups;
    std::int64_t each;  // filters of a group
    std::int64_t planes;
    border edge;
  };
  const shape shapes[] = {{{1, 9000}, {1, 90}, 1, 2, 1, border::zero()},
                          {{1, 700}, {1, 33}, 2, 40, 3, border::mirror()},
                          {{70, 90}, {9, 7}, 1, 16, 1, border::wrap()},
                          {{150, 131}, {31, 20}, 3, 3, 2, border::replicate()},
                          {{64, 48}, {5, 5}, 7, 1, 1, border::constant(0.5)},
                          {{4000, 1}, {60, 1}, 2, 3, 2, border::symmetric()}};
  unsigned seed = 0;
  for (const shape& s : shapes)
    for (const bool any_size : {false, true}) {
      const std::int64_t filters = s.groups * s.each;
      const problem p{.in = s.in,
                      .filter = s.taps,
                      .planes = s.planes,
                      .channels = s.groups,
                      .filters = filters,
                      .groups = s.groups,
                      .types = {dtype_of<T>, dtype_of<T>, dtype_of<T>},
                      .mode = mode::same,
                      .border = s.edge};
      const std::vector<T> x = random<T>(s.in.count() * s.groups * s.planes, ++seed);
      std::vector<T> h = random<T>(s.taps.count() * filters, ++seed);
      if (any_size) h = of_any_size(std::move(h), filters);
      const options how{.algorithm = name, .tolerance = loose<T>};
      const plan all(p, h, how);
      const std::vector<T> y = run<T>(all, p, x);
      problem one = p;
      one.planes = one.channels = one.filters = one.groups = 1;
      const auto size = static_cast<std::ptrdiff_t>(s.in.count());
      for (std::ptrdiff_t f = 0; f < filters; ++f) {
        const auto taps = h.begin() + f * s.taps.count();
        const plan alone(one, std::vector<T>(taps, taps + s.taps.count()), how);
        ASSERT_EQ(blocks_of(alone), blocks_of(all));
        for (std::ptrdiff_t plane = 0; plane < s.planes; ++plane) {
          const auto samples = x.begin() + (plane * s.groups + f / s.each) * size;
          const auto outputs = y.begin() + (plane * filters + f) * size;
          ASSERT_EQ(run<T>(alone, one, std::vector<T>(samples, samples + size)),
                    std::vector<T>(outputs, outputs + size))
              << s.in.rows << " x " << s.in.cols << ", filter " << f << ", plane " << plane;
        }
      }
    }
}

// One block for eight threads, which share its filters; several; and an executor that runs tasks backwards.
TYPED_TEST(overlap_save_banks, make_the_same_bits_on_any_number_of_threads) {
  using T = TypeParam;
  for (const extent in : {extent(60, 60), extent(500, 300)})
    for (const std::int64_t filters : {2, 5, 40}) {
      const problem p{.in = in,
                      .filter = {9, 9},
                      .filters = filters,
                      .types = {dtype_of<T>, dtype_of<T>, dtype_of<T>},
                      .mode = mode::full};
      const std::vector<T> x = random<T>(in.count(), 1);
      const std::vector<T> h = random<T>(81 * filters, 2);
      const auto result = [&](int threads, std::size_t workspace) {
        const executor backwards = [](std::int64_t count,
                                      const std::function<void(std::int64_t)>& task) {
          while (count-- > 0) task(count);
        };
        const plan made(p, h,
                        {.algorithm = name,
                         .tolerance = loose<T>,
                         .max_threads = threads,
                         .executor = backwards,
                         .max_workspace = workspace});
        EXPECT_LE(made.workspace_bytes(), workspace);
        return run<T>(made, p, x);
      };
      constexpr std::size_t plenty = std::size_t{1} << 30;
      const std::vector<T> expected = result(1, plenty);
      for (const int threads : {2, 3, 8})
        EXPECT_EQ(result(threads, plenty), expected) << threads << " threads";
      // Smaller blocks, which are more, or fewer threads.
      const std::vector<T> small = result(8, 200'000);
      for (std::size_t n = 0; n < small.size(); ++n)
        ASSERT_NEAR(small[n], expected[n], 81 * loose<T>) << n;
    }
}

// In the outputs of each filter those that see it under a tap that is not zero, and no others.
TYPED_TEST(overlap_save_banks, keep_what_is_not_finite_in_its_place) {
  using T = TypeParam;
  dice d(4);
  const problem p{.in = {90, 120},
                  .filter = {5, 7},
                  .channels = 2,
                  .filters = 8,
                  .groups = 2,
                  .types = {dtype_of<T>, dtype_of<T>, dtype_of<T>},
                  .mode = mode::same,
                  .border = border::mirror()};
  std::vector<T> x = random<T>(p.in.count() * 2, 1);
  for (int n = 0; n < 9; ++n)  // of the first channel
    x[static_cast<std::size_t>(d.between(0, p.in.count() - 1))] =
        d.pick({std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()});
  std::vector<T> h = random<T>(35 * 8, 2);
  for (T& tap : h)
    if (d.one_in(3)) tap = T{};
  const auto result = [&](const options& how) { return run<T>(plan(p, h, how), p, x); };
  const std::vector<T> expected = result({.algorithm = "cpu/direct"});
  const std::vector<T> y = result({.algorithm = name, .tolerance = loose<T>});
  std::int64_t bad = 0;
  for (std::size_t n = 0; n < y.size(); ++n) {
    ASSERT_EQ(std::isfinite(y[n]), std::isfinite(expected[n])) << n;
    if (std::isfinite(y[n])) ASSERT_NEAR(y[n], expected[n], 35 * loose<T>) << n;
    else ++bad;
  }
  EXPECT_GT(bad, 100);
}

// Limbs of samples and of taps, as many for all filters as the one asks for that has the largest taps.
TEST(overlap_save_bank_plans, are_exact_on_integers_of_any_size) {
  dice d(6);
  for (const int bits : {6, 14, 20}) {
    const problem p{.in = {80, 70},
                    .filter = {31, 33},
                    .planes = 2,
                    .channels = 2,
                    .filters = 6,
                    .groups = 2,
                    .types = {dtype::i32, dtype::i32, dtype::i64},
                    .mode = mode::same,
                    .border = border::wrap()};
    std::vector<std::int32_t> x(static_cast<std::size_t>(p.in.count() * 4));
    std::vector<std::int32_t> h(31 * 33 * 6);
    for (auto& v : x)
      v = static_cast<std::int32_t>(
          d.between(-(std::int64_t{1} << 31), (std::int64_t{1} << 31) - 1));
    for (std::size_t n = 0; n < h.size(); ++n) {
      const std::int64_t most = n / (31 * 33) == 4 ? (1 << bits) : 3;
      h[n] = static_cast<std::int32_t>(d.between(-most, most));
    }
    const auto result = [&](const options& how) {
      return run<std::int64_t>(plan(p, h, how), p, x);
    };
    const std::vector<std::int64_t> expected = result({.algorithm = "cpu/direct"});
    EXPECT_EQ(result({.algorithm = name}), expected) << bits << " bits";
    EXPECT_EQ(result({.algorithm = name, .max_threads = 3, .max_workspace = 1 << 19}), expected);
  }
}

TEST(overlap_save_bank_plans, say_which_filter_is_refused) {
  const problem p{.in = {1, 500},
                  .filter = {1, 3},
                  .filters = 2,
                  .types = {dtype::i32, dtype::i32, dtype::i64},
                  .overflow = overflow::wrap};
  const std::int32_t most = std::numeric_limits<std::int32_t>::max();
  try {
    (void)plan(p, std::vector<std::int32_t>{1, 2, 3, most, most, most}, {.algorithm = name});
    FAIL() << "sums of more than 64 bits";
  } catch (const unsupported& reason) {
    EXPECT_NE(std::string(reason.what()).find("filter 1: its sums may need more than 64 bits"),
              std::string::npos)
        << reason.what();
  }
}

}  // namespace
}  // namespace convgpu::test
