// SPDX-License-Identifier: Apache-2.0
// Filters that are a column times a row: when cpu/separable takes them, and filters given as two factors. What it
// computes is the agreement suite's matter.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

std::vector<double> gaussian(int taps) {
  std::vector<double> g;
  for (int k = 0; k < taps; ++k)
    g.push_back(std::exp(-std::pow((k - taps / 2) * 5.0 / taps, 2) / 2));
  return g;
}

template <class T>
std::vector<T> product(const std::vector<T>& column, const std::vector<T>& row) {
  std::vector<T> taps;
  for (const T c : column)
    for (const T r : row) taps.push_back(c * r);
  return taps;
}

floats as_floats(const std::vector<double>& values, double scale = 1) {
  floats f;
  for (const double v : values) f.push_back(static_cast<float>(v * scale));
  return f;
}

/// Whole numbers, so that sums in f32 are exact.
floats noise(extent size) {
  floats x(static_cast<std::size_t>(size.count()));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 7919 + i / 13) % 17);
  return x;
}

template <class T>
std::vector<T> run(const plan& made, const std::vector<T>& x) {
  std::vector<T> y(static_cast<std::size_t>(made.output_extent().count()));
  made.run(x, y);
  return y;
}

TEST(separable, is_taken_for_gaussians_of_any_scale) {
  for (const int taps : {5, 9, 15, 31, 63})
    for (const double scale : {1.0, 1e-20, 1e20}) {
      const std::vector<double> g = gaussian(taps);
      const plan made({.in = {200, 300}, .filter = {taps, taps}, .mode = mode::same},
                      as_floats(product(g, g), scale), {.device = device::cpu()});
      EXPECT_EQ(made.describe().algorithm, "cpu/separable") << taps << " taps times " << scale;
      EXPECT_FALSE(made.describe().exact_on_integers);
    }
}

TEST(separable, refuses_what_is_no_product_and_strides) {
  floats h = as_floats(product(gaussian(9), gaussian(9)));
  problem p{.in = {40, 40}, .filter = {9, 9}, .stride = {2, 1}};
  options how{.device = device::cpu()};
  EXPECT_NE(plan(p, h, how).explain().find("strides, 2 and 1"), std::string::npos);
  p.stride = {1, 1};
  for (std::size_t i = 0; i < 81; i += 10) h[i] *= 2;  // of rank 9
  how.algorithm = "cpu/separable";
  EXPECT_THROW(plan(p, h, how), unsupported);
}

// Every width from one column to some vectors, every height to some strips: symmetric and other factors.
TEST(separable, is_exact_at_the_edges_of_tiles) {
  const floats symmetric{1, 2, 3, 2, 4, 2, 3, 2, 1};
  const floats even{1, 3, 2, 2, 3, 1, 1, 3, 2, 2, 3, 1};
  const floats other{1, 2, 0, 3, 1};
  const floats box(9, 3.0F);
  const floats long_box(21, -1.0F);
  const border borders[] = {border::zero(), border::constant(3), border::replicate(),
                            border::mirror(), border::wrap()};
  int n = 0;
  for (const floats& column : {symmetric, even, other, box, long_box})
    for (const floats& row : {symmetric, even, other, box, long_box})
      for (const std::int64_t rows : {1, 7, 8, 9, 16, 17, 33})
        for (const std::int64_t cols : {1, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 300}) {
          const problem p{.in = {rows, cols},
                          .filter = {column.size(), row.size()},
                          .mode = n % 2 == 0 ? mode::same : mode::full,
                          .border = borders[n % 5]};
          ++n;
          const floats h = product(column, row);
          const floats x = noise(p.in);
          EXPECT_EQ(run(plan(p, h, {.algorithm = "cpu/separable"}), x),
                    run(plan(p, h, {.algorithm = "cpu/reference"}), x))
              << rows << " x " << cols << ", " << column.size() << " + " << row.size() << " taps, "
              << to_string(p.border.kind());
        }
}

// Large enough for results to go past the caches, at every place in a line of the cache.
TEST(separable, is_exact_past_the_caches) {
  const floats g{1, 2, 3, 2, 4, 2, 3, 2, 1};
  constexpr extent size(1100, 1037);
  constexpr std::int64_t pitch = 1056;
  const floats x = noise(size);
  const problem p{.in = size, .filter = {9, 9}, .mode = mode::same, .border = border::mirror()};
  const floats expected = run(plan(p, product(g, g), {.algorithm = "cpu/direct"}), x);
  const plan made(p, product(g, g), {.algorithm = "cpu/separable"});
  for (const std::int64_t offset : {0, 1, 15}) {
    floats memory(static_cast<std::size_t>(size.rows * pitch + 16), -1.0F);
    const view<float> y(memory.data() + offset, size, strides{.row = pitch, .col = 1});
    made.run(x, y);
    for (std::int64_t r = 0; r < size.rows; ++r)
      ASSERT_TRUE(std::equal(y.data() + r * pitch, y.data() + r * pitch + size.cols,
                             expected.begin() + r * size.cols))
          << "row " << r << ", offset " << offset;
    for (std::int64_t c = size.cols; c < pitch; ++c)
      ASSERT_EQ(y.data()[c], -1.0F) << "behind the first row";
  }
}

template <class Out, class In, class Tap>
void expect_rounding_as_by_reference(problem p, const std::vector<In>& x,
                                     const std::vector<Tap>& h) {
  p.types = {dtype_of<In>, dtype_of<Tap>, dtype_of<Out>};
  const auto result = [&](const char* algorithm) {
    std::vector<Out> y(x.size());
    plan(p, h, {.algorithm = algorithm}).run(x, y);
    return y;
  };
  EXPECT_EQ(result("cpu/separable"), result("cpu/reference"))
      << p.filter.rows << " x " << p.filter.cols << " taps, " << to_string(p.border.kind());
}

// Integers of 8 bits are summed in f32, and made anew where that might have changed the rounding.
TEST(separable, rounds_bytes_as_if_summed_in_wider_types) {
  const border borders[] = {border::zero(), border::constant(7), border::replicate(),
                            border::mirror(), border::wrap()};
  int n = 0;
  for (const int taps : {3, 5, 8, 9, 16, 31}) {
    const std::vector<double> g = gaussian(taps);
    const double norm = std::accumulate(g.begin(), g.end(), 0.0);
    const auto area = static_cast<double>(taps * taps);
    const std::vector<double> exactly_halves(static_cast<std::size_t>(taps * taps), 0.5 / 64);
    for (const std::vector<double>& h :
         {product(g, g), std::vector<double>(exactly_halves.size(), 1 / area), exactly_halves}) {
      const double scale = h[0] == exactly_halves[0] || h[0] == 1 / area ? 1 : 1 / (norm * norm);
      std::vector<double> wide;
      for (const double tap : h) wide.push_back(tap * scale);
      for (const extent size : {extent(61, 83), extent(17, 300), extent(70, 5)}) {
        problem p{.in = size, .filter = {taps, taps}, .mode = mode::same};
        p.border = borders[n++ % 5];
        std::vector<std::uint8_t> bytes;
        std::vector<std::int8_t> with_sign;
        for (std::int64_t i = 0; i < size.count(); ++i) {
          bytes.push_back(static_cast<std::uint8_t>(i * i * 31 / 7 + i / 3));
          with_sign.push_back(static_cast<std::int8_t>(bytes.back()));
        }
        expect_rounding_as_by_reference<std::uint8_t>(p, bytes, wide);
        expect_rounding_as_by_reference<std::uint8_t>(p, bytes, as_floats(h, scale));
        expect_rounding_as_by_reference<std::int32_t>(p, bytes, as_floats(h, 8 * scale));
        expect_rounding_as_by_reference<std::int8_t>(p, with_sign, as_floats(h, -scale));
      }
    }
  }
}

// Sums of boxes are shared in blocks: which ones must not depend on threads, nor on where an output lies in memory.
TEST(separable, rounds_boxes_alike_however_they_are_cut) {
  for (const std::int64_t taps : {8, 9, 15, 16, 17, 31, 70})
    for (const extent size : {extent(100, 90), extent(45, 1037), extent(600, 900)}) {
      const problem p{.in = size, .filter = {taps, taps}, .mode = mode::same};
      const floats tap(static_cast<std::size_t>(taps), 0.1F);
      floats x(static_cast<std::size_t>(size.count()));
      for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = std::sin(static_cast<float>(i)) * static_cast<float>(i % 97);
      const auto made = [&](int threads) {
        return plan(p, tap, tap, {.algorithm = "cpu/separable", .max_threads = threads});
      };
      const floats expected = run(made(1), x);
      for (const int threads : {2, 3, 7}) EXPECT_EQ(run(made(threads), x), expected) << taps;
      const std::int64_t pitch = size.cols + 5;
      floats memory(static_cast<std::size_t>(size.rows * pitch + 3));
      made(1).run(view<const float>(x.data(), size),
                  view<float>(memory.data() + 3, size, strides{.row = pitch, .col = 1}));
      for (std::int64_t r = 0; r < size.rows; ++r)
        ASSERT_TRUE(std::equal(expected.begin() + r * size.cols,
                               expected.begin() + (r + 1) * size.cols,
                               memory.begin() + 3 + r * pitch))
            << taps << " taps, row " << r;
    }
}

// A large or non-finite sample shows in its window only, and sums do not drift.
TEST(separable, keeps_a_bad_sample_in_its_window) {
  constexpr std::int64_t n = 100;
  constexpr std::int64_t taps = 15;
  const problem p{.in = {n, n}, .filter = {taps, taps}, .mode = mode::same};
  floats folded(taps, 1.0F);
  folded.front() = folded.back() = 2.0F;
  for (const floats& tap : {floats(taps, 1.0F), folded})
    for (const float bad :
         {1e30F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      floats x(n * n, 1.0F);
      const float sum = std::accumulate(tap.begin(), tap.end(), 0.0F);
      x[50 * n + 40] = bad;
      const floats y = run(plan(p, tap, tap, {.algorithm = "cpu/separable"}), x);
      for (std::int64_t r = 20; r < 80; ++r)
        for (std::int64_t c = 20; c < 80; ++c) {
          const bool inside = std::abs(r - 50) <= taps / 2 && std::abs(c - 40) <= taps / 2;
          const float value = y[static_cast<std::size_t>(r * n + c)];
          if (inside) ASSERT_FALSE(value < 1e29F) << r << ", " << c;
          else ASSERT_EQ(value, sum * sum) << r << ", " << c;
        }
    }
}

/// A difference of Gaussians, which is of rank 2.
std::vector<double> hat(int taps) {
  const std::vector<double> narrow = gaussian(taps);
  std::vector<double> wide;
  for (const double g : narrow) wide.push_back(std::pow(g, 0.4));
  std::vector<double> h = product(narrow, narrow);
  const std::vector<double> outer = product(wide, wide);
  for (std::size_t i = 0; i < h.size(); ++i) h[i] -= 0.37 * outer[i];
  return h;
}

floats waves(extent size) {
  floats x(static_cast<std::size_t>(size.count()));
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = std::sin(static_cast<float>(i)) * static_cast<float>(i % 97);
  return x;
}

double norm1(const floats& taps) {
  double sum = 0;
  for (const float tap : taps) sum += std::abs(static_cast<double>(tap));
  return sum;
}

TEST(low_rank, is_taken_for_a_difference_of_gaussians_of_any_scale) {
  for (const int taps : {9, 11, 13})
    for (const double scale : {1.0, 1e-20, 1e20}) {
      const plan made({.in = {400, 500}, .filter = {taps, taps}, .mode = mode::same},
                      as_floats(hat(taps), scale), {.device = device::cpu()});
      const description d = made.describe();
      EXPECT_EQ(d.algorithm, "cpu/separable") << taps << " taps times " << scale;
      EXPECT_FALSE(d.exact_on_integers);
      EXPECT_EQ(d.parameters.find("rank 2, off by "), 0u) << d.parameters;
      EXPECT_NE(d.parameters.find("(rank 1: "), std::string::npos) << d.parameters;
    }
}

TEST(low_rank, is_the_lowest_that_the_tolerance_allows) {
  // 1e-2, 1e-4 and 1e-6 of the first term.
  std::vector<double> h(15 * 15);
  for (int n = 0; n < 4; ++n)
    for (std::size_t i = 0; i < h.size(); ++i)
      h[i] += std::pow(0.01, n) * std::cos(0.1 + n * 0.2 * static_cast<double>(i / 15)) *
              std::cos(0.2 + n * 0.2 * static_cast<double>(i % 15));
  const problem p{.in = {60, 70},
                  .filter = {15, 15},
                  .types = {dtype::f64, dtype::f64, dtype::f64},
                  .mode = mode::same};
  const auto words = [&](double tolerance) {
    const options how{.device = device::cpu(), .tolerance = tolerance};
    const auto candidates = plan(p, h, how).describe().candidates;
    for (const candidate& c : candidates)
      if (c.algorithm == "cpu/separable" && c.outcome == candidate::verdict::refused)
        return c.reason;
    options forced = how;
    forced.algorithm = "cpu/separable";
    return plan(p, h, forced).describe().parameters.substr(0, 6);
  };
  EXPECT_EQ(words(3e-2), "15 + 1");  // one column and one row
  EXPECT_EQ(words(1e-3), "rank 2");
  EXPECT_EQ(words(1e-5), "rank 3");
  EXPECT_EQ(words(1e-12), "rank 4");
  EXPECT_NE(words(1e-16).find("options.tolerance is 1.0e-16"), std::string::npos) << words(1e-16);
  EXPECT_NE(words(0).find("options.tolerance is 0"), std::string::npos) << words(0);
}

TEST(low_rank, stays_within_its_bound) {
  for (const int taps : {9, 15, 24, 31})
    for (const std::optional<double> tolerance : {std::optional<double>{}, {1e-3}, {0.3}}) {
      const problem p{.in = {90, 110}, .filter = {taps, taps}, .mode = mode::same};
      const floats h = as_floats(hat(taps));
      const floats x = waves(p.in);
      const plan made(p, h, {.algorithm = "cpu/separable", .tolerance = tolerance});
      const floats y = run(made, x);
      const floats expected = run(plan(p, h, {.algorithm = "cpu/reference"}), x);
      double off = 0;
      for (std::size_t i = 0; i < y.size(); ++i)
        off = std::max(off, static_cast<double>(std::abs(y[i] - expected[i])));
      double bound = 0;
      for (const candidate& c : made.describe().candidates)
        if (c.algorithm == "cpu/separable") bound = c.error_bound.value();
      EXPECT_GT(bound, 0);
      EXPECT_LE(off / (norm1(h) * 97), bound) << taps;
    }
}

TEST(low_rank, has_the_same_bits_for_any_threads_and_layout) {
  const floats symmetric = as_floats(hat(15));
  floats other;
  for (std::size_t i = 0; i < 15 * 12; ++i) {
    const auto k = static_cast<float>(i / 12);
    const auto l = static_cast<float>(i % 12);
    other.push_back(std::exp(-k / 9) * (1 + l) + std::cos(k / 7 + 0.1F) * std::exp(l / 20));
  }
  for (const bool is_symmetric : {true, false})
    for (const extent size : {extent(100, 90), extent(45, 1037), extent(600, 900), extent(7, 11)}) {
      const floats& h = is_symmetric ? symmetric : other;
      const problem p{.in = size, .filter = {15, is_symmetric ? 15 : 12}, .mode = mode::same};
      const floats x = waves(size);
      const auto made = [&](int threads) {
        return plan(p, h, {.algorithm = "cpu/separable", .max_threads = threads});
      };
      EXPECT_EQ(made(1).describe().parameters.substr(0, 6), "rank 2");
      const floats expected = run(made(1), x);
      for (const int threads : {2, 3, 7}) EXPECT_EQ(run(made(threads), x), expected);
      const std::int64_t pitch = size.cols + 5;
      floats memory(static_cast<std::size_t>(size.rows * pitch + 3));
      made(1).run(view<const float>(x.data(), size),
                  view<float>(memory.data() + 3, size, strides{.row = pitch, .col = 1}));
      for (std::int64_t r = 0; r < size.rows; ++r)
        ASSERT_TRUE(std::equal(expected.begin() + r * size.cols,
                               expected.begin() + (r + 1) * size.cols,
                               memory.begin() + 3 + r * pitch))
            << "row " << r;
    }
}

TEST(low_rank, keeps_what_is_not_finite_in_its_window) {
  constexpr std::int64_t n = 80;
  floats h = as_floats(hat(15));
  for (std::size_t i = 0; i < 15; ++i) h[4 * 15 + i] = h[i * 15 + 7] = 0;  // a row, and a column
  const problem p{.in = {n, n}, .filter = {15, 15}, .mode = mode::same, .border = border::mirror()};
  const plan made(p, h, {.algorithm = "cpu/separable"});
  EXPECT_EQ(made.describe().parameters.substr(0, 6), "rank 2");
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    floats x(n * n, 1.0F);
    x[40 * n + 30] = x[2 * n + 77] = bad;
    const floats y = run(made, x);
    const floats expected = run(plan(p, h, {.algorithm = "cpu/reference"}), x);
    for (std::size_t i = 0; i < y.size(); ++i)
      ASSERT_EQ(std::isfinite(y[i]), std::isfinite(expected[i])) << i / n << ", " << i % n;
  }
}

TEST(low_rank, is_exchanged_for_another) {
  const problem p{.in = {60, 70}, .filter = {15, 15}, .mode = mode::same};
  const floats x = waves(p.in);
  const auto near = [&](const plan& made, const floats& h) {
    const floats y = run(made, x);
    const floats expected = run(plan(p, h, {.algorithm = "cpu/reference"}), x);
    for (std::size_t i = 0; i < y.size(); ++i)
      if (!(std::abs(y[i] - expected[i]) <= 1e-5 * 97 * norm1(h))) return false;
    return true;
  };
  const floats one = as_floats(product(gaussian(15), gaussian(15)));
  const floats two = as_floats(hat(15));
  plan made(p, one, {.device = device::cpu()});
  for (const floats& h : {two, one, two}) {
    made.set_filter(h);
    EXPECT_EQ(made.describe().algorithm, "cpu/separable");
    EXPECT_TRUE(near(made, h));
  }
  made.set_filter(floats(225));
  EXPECT_TRUE(near(made, floats(225)));
  floats bad = two;
  bad[7] = NAN;
  EXPECT_THROW(made.set_filter(bad), invalid_problem);
}

TEST(two_factors, mean_their_product) {
  const floats column{1, -2, 3};
  const floats row{2, 0, -1, 5};
  const floats x = noise({20, 30});
  for (const operation op : {operation::convolution, operation::correlation}) {
    const problem p{.in = {20, 30}, .filter = {3, 4}, .op = op};
    const plan two(p, column, row, {.device = device::cpu()});
    EXPECT_EQ(two.problem().filter, extent(3, 4));
    EXPECT_TRUE(two.describe().exact_on_integers);
    EXPECT_EQ(run(two, x), run(plan(p, product(column, row), {.device = device::cpu()}), x));
  }
}

TEST(two_factors, may_be_views_of_either_shape) {
  const floats taps{1, 9, 2, 9, 3, 9};
  const view<const float> column(taps.data(), {3, 1}, 1, strides{.row = 2, .col = 1});
  const view<const float> row(taps.data(), {1, 3}, 1, strides{.row = 0, .col = 2});
  const floats plain{1, 2, 3};
  const floats x = noise({8, 9});
  const problem p{.in = {8, 9}, .mode = mode::same};
  const floats expected = run(plan(p, plain, plain), x);
  EXPECT_EQ(run(plan(p, column, row), x), expected);
  EXPECT_EQ(run(plan(p, row, column), x), expected);
  floats y(x.size());
  convolve(view<const float>(x.data(), {8, 9}), column, row, view<float>(y.data(), {8, 9}),
           {.mode = mode::same});
  EXPECT_EQ(y, expected);
}

TEST(two_factors, are_conjugated_by_a_correlation) {
  using complexes = std::vector<std::complex<float>>;
  const complexes column{{1, 2}, {0, -1}};
  const complexes row{{2, 0}, {1, -1}, {0, 3}};
  const problem p{.in = {5, 6}, .filter = {2, 3}, .op = operation::correlation};
  const complexes x(30, {1, 1});
  EXPECT_EQ(run(plan(p, column, row), x),
            run(plan(p, product(column, row), {.algorithm = "cpu/reference"}), x));
}

TEST(two_factors, are_taken_at_any_scale_and_as_exact_as_they_are) {
  const problem p{.in = {50, 50}, .mode = mode::same};
  const options how{.device = device::cpu()};
  const floats g = as_floats(gaussian(15));
  // Products of taps of f32 are exact in f64.
  EXPECT_TRUE(plan(p, g, g, how).describe().exact_on_integers);
  EXPECT_EQ(plan(p, as_floats(gaussian(15), 1e30), as_floats(gaussian(15), 1e-35), how)
                .describe()
                .algorithm,
            "cpu/separable");
  EXPECT_FALSE(plan(p, gaussian(15), gaussian(15), how).describe().exact_on_integers);
}

TEST(two_factors, can_be_exchanged) {
  const floats x = noise({20, 30});
  const problem p{.in = {20, 30}, .filter = {3, 3}};
  plan made(p, floats(9, 1.0F));
  made.set_filter(floats{1, 2, 1}, floats{1, 0, -1});
  EXPECT_EQ(run(made, x), run(plan(p, floats{1, 0, -1, 2, 0, -2, 1, 0, -1}), x));
  EXPECT_THROW(made.set_filter(floats(4, 1.0F), floats(3, 1.0F)), invalid_problem);
}

std::string error_of(const problem& p, const any_const_view& column, const any_const_view& row) {
  try {
    (void)plan(p, column, row);
  } catch (const invalid_problem& e) {
    return e.what();
  }
  return {};
}

TEST(two_factors, are_checked) {
  const problem p{.in = {20, 30}};
  const floats three(3, 1.0F);
  const floats bad{1, NAN, 1};
  EXPECT_EQ(
      error_of(p, view<const float>(three.data(), {1, 3}, 1, strides{}), std::vector<double>(3)),
      "row: elements of f64; allowed: those of the column, f32");
  const floats six(6);
  EXPECT_EQ(error_of(p, view<const float>(six.data(), {2, 3}), three),
            "column: taps of 2 x 3; allowed: one row or one column of them");
  EXPECT_EQ(error_of(p, three, bad),
            "row: the tap in row 0, column 1 is NaN or infinite; allowed: finite taps");
  EXPECT_NE(
      error_of({.in = {20, 30}, .filter = {3, 4}}, three, three).find("filter: the problem says"),
      std::string::npos);
  const std::vector<std::int32_t> large(2, 100000);
  EXPECT_EQ(error_of(p, large, large),
            "column, row: the product of tap 0 and tap 0 is out of range; allowed: products that "
            "fit into i32");
}

}  // namespace
}  // namespace convgpu::test
