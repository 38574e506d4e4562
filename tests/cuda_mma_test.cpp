// SPDX-License-Identifier: Apache-2.0
// cuda/mma as plans: sizes around its tiles and chunks, the bound on its error and data that come near it, samples that
// tensor cores are not for, what it refuses, and when it is chosen.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "cuda_plan.hpp"
#include "problems.hpp"

// Behind those that have other things called `size`.
#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

constexpr types f32s{dtype::f32, dtype::f32, dtype::f32};
constexpr double of_tf32 = 2e-3;
constexpr double of_three = 1e-4;

class cuda_mma : public on_cuda {};

options forced(std::optional<double> tolerance = {}) {
  return {.algorithm = "cuda/mma", .tolerance = tolerance};
}

double bound_of(const plan& made) {
  for (const candidate& c : made.describe().candidates)
    if (c.algorithm == "cuda/mma") return c.error_bound.value();
  return -1;
}

std::string refusal(const problem& p, const floats& h, options how = {}) {
  how.algorithm = "cuda/mma";
  try {
    (void)plan(p, h, how);
    return {};
  } catch (const unsupported& reason) {
    return reason.what();
  }
}

/// Each way of multiplying, with the tolerance that it is taken with.
struct way {
  types of;
  std::optional<double> tolerance;
  std::string name;
};
const std::vector<way>& ways() {
  using enum dtype;
  static const std::vector<way> all{{f32s, of_tf32, "TF32,"},
                                    {f32s, of_three, "3 x TF32,"},
                                    {{f16, f16, f16}, 1e-3, "f16,"},
                                    {{f16, f16, f32}, 1e-3, "f16,"},
                                    {{bf16, bf16, f32}, 1e-3, "bf16,"}};
  return all;
}

/// Within the bound that the plan says, and nothing beside the output.
void hold(const test_case& c, const way& w, const buffer& in, const buffer& filter) {
  const plan made(c.problem, filter.view(), forced(w.tolerance));
  ASSERT_TRUE(made.describe().parameters.starts_with(w.name)) << made.describe().parameters;
  const answer expected = solve(c.problem, in.view(), filter.view());
  buffer out = c.make_output(expected.size);
  made.run(in.view(), out.view());
  EXPECT_EQ(out.damage() +
                difference(c.problem, expected, std::as_const(out).view(), false, bound_of(made)),
            "")
      << w.name << ' ' << c;
}

// Every length of a row of taps up to where chunks repeat, and every part of a tile, of a warp and of an instruction that
// an output can be the last one of.
TEST_F(cuda_mma, agrees_around_tiles_and_chunks) {
  dice d(81);
  const auto edge = [&](std::initializer_list<std::int64_t> ends) {
    return d.pick(ends) + d.between(-1, 1);
  };
  int n = 0;
  for (const way& w : ways())
    for (std::int64_t taps = 1; taps <= 52; taps += w.of.in == dtype::f32 && taps > 35 ? 5 : 1) {
      test_case c;
      problem& p = c.problem;
      p.types = w.of;
      p.in = {edge({2, 8, 16, 64, 80}), edge({8, 16, 64, 128, 136, 200})};
      p.filter = {d.pick({1, 2, 3, 5, 9}), taps};
      p.mode = d.pick({mode::full, mode::same, mode::valid});
      if (p.mode == mode::valid) p.in.rows += p.filter.rows, p.in.cols += taps;
      p.op = d.pick({operation::convolution, operation::correlation});
      p.border = border(d.pick({border_kind::zero, border_kind::constant, border_kind::replicate,
                                border_kind::symmetric, border_kind::mirror, border_kind::wrap}),
                        -2.0);
      p.planes = d.pick({1, 1, 2});
      c.data = content::reals;
      c.in = d.pick({layout::dense, layout::padded, layout::reversed, layout::transposed});
      c.out = d.pick({layout::dense, layout::padded, layout::interleaved});
      c.seed = static_cast<unsigned>(++n);
      hold(c, w, c.make_input(), c.make_filter());
      if (HasFatalFailure()) return;
    }
}

/// y of all ways that sum f32, and what is exact.
struct sums {
  floats y;
  std::vector<double> exact;
  double bound = 0;
  double norm = 0;  // ‖h‖₁·max|x|

  [[nodiscard]] double worst() const {
    double most = 0;
    for (std::size_t i = 0; i < y.size(); ++i)
      most = std::max(most, std::abs(static_cast<double>(y[i]) - exact[i]));
    return most / norm;
  }
};
sums summed(extent in, extent taps, const floats& x, const floats& h, double tolerance) {
  const problem p{.in = in, .filter = taps, .types = f32s, .mode = mode::valid};
  const plan made(p, h, forced(tolerance));
  const plan wide({.in = in,
                   .filter = taps,
                   .types = {dtype::f64, dtype::f64, dtype::f64},
                   .mode = mode::valid},
                  std::vector<double>(h.begin(), h.end()), {.algorithm = "cpu/direct"});
  sums s;
  const extent out = made.output_extent();
  s.y.resize(static_cast<std::size_t>(out.count()));
  s.exact.resize(s.y.size());
  made.run(x, s.y);
  wide.run(std::vector<double>(x.begin(), x.end()), s.exact);
  s.bound = bound_of(made);
  double largest = 0;
  for (const float v : x) largest = std::max(largest, std::abs(static_cast<double>(v)));
  for (const float v : h) s.norm += std::abs(static_cast<double>(v));
  s.norm *= largest;
  return s;
}

// 1 + 2^-11 is half way between two numbers of TF32: where all samples and taps are, all products are off by as much as
// they can be, and to the same side.
TEST_F(cuda_mma, is_off_by_no_more_than_it_says_in_tf32) {
  const float half_way = 1 + 0x1p-11F;
  const sums s =
      summed({80, 150}, {9, 15}, floats(80 * 150, half_way), floats(135, half_way), of_tf32);
  EXPECT_LE(s.worst(), s.bound);
  EXPECT_GT(s.worst(), 0.9 * s.bound);
  // Rounded up they are nearly exact; cut off they would be off by twice as much.
  const float below = 1 + 0x1p-10F - 0x1p-23F;
  const sums t = summed({80, 150}, {9, 15}, floats(80 * 150, below), floats(135, below), of_tf32);
  EXPECT_LE(t.worst(), t.bound);
}

// What lies below TF32 is half of its last bit or all of it: the product of what is left out is as large as it can be. And
// sums of one sign, all cut off to the same side.
TEST_F(cuda_mma, is_off_by_no_more_than_it_says_in_three_products) {
  std::mt19937 engine(3);
  const auto drawn = [&](std::size_t count, std::uint32_t low) {
    floats all(count);
    for (float& v : all)
      v = std::bit_cast<float>(
          static_cast<std::uint32_t>(0x3f800000u | (engine() % 512u << 13) | low));
    return all;
  };
  double worst = 0;
  for (const std::uint32_t low : {0x0fffu, 0x0ffeu, 0x17ffu, 0x0801u, 0x1fffu}) {
    const sums s = summed({80, 150}, {9, 31}, drawn(80 * 150, low), drawn(9 * 31, low), of_three);
    EXPECT_LE(s.worst(), s.bound) << std::hex << low;
    worst = std::max(worst, s.worst() / s.bound);
  }
  EXPECT_GT(worst, 0.05);
  // Without the two small products it would be that of TF32.
  const sums s = summed({80, 150}, {9, 15}, floats(80 * 150, 1 + 0x1p-11F),
                        floats(135, 1 + 0x1p-11F), of_three);
  EXPECT_LE(s.worst(), s.bound);
  EXPECT_LT(s.bound, 2e-5);
}

// Rows of taps are chains of their own: a bound that grew with all taps would be that of direct summation, or more.
TEST_F(cuda_mma, errs_less_than_one_long_sum_would) {
  const floats h(31 * 31, 1.0F / 3);
  const problem p{.in = {100, 200}, .filter = {31, 31}, .types = f32s, .mode = mode::same};
  const plan made(p, h, forced(of_three));
  const double direct = 31 * 31 * 0x1p-24;
  EXPECT_EQ(bound_of(made), direct);  // that of tiles that are summed plainly
  const sums s = summed({94, 200}, {31, 31}, floats(94 * 200, 0.7F), h, of_three);
  EXPECT_LT(s.worst(), direct / 4);
}

buffer with_samples(buffer b, std::initializer_list<std::array<std::int64_t, 2>> at, real value) {
  for (const auto& [row, col] : at) b.set(0, row, col, value);
  return b;
}

// Which outputs are not finite the definition says: zeros beside a band, and taps that are zero, see nothing. Tiles that
// have no such sample are not touched by others that do.
TEST_F(cuda_mma, keeps_what_is_not_finite_in_its_windows) {
  constexpr real infinity = std::numeric_limits<real>::infinity();
  constexpr real nan = std::numeric_limits<real>::quiet_NaN();
  for (const way& w : ways()) {
    test_case c;
    c.problem = {.in = {130, 270}, .filter = {4, 11}, .types = w.of, .mode = mode::same};
    c.problem.border = border::mirror();
    c.data = content::reals;
    c.seed = 5;
    const buffer plain = c.make_input();
    buffer filter = c.make_filter();
    for (const std::int64_t col : {0, 5, 10}) filter.set(0, 1, col, 0);
    for (const real bad : {infinity, -infinity, nan}) {
      hold(c, w, with_samples(plain, {{70, 134}}, bad), filter);
      hold(c, w, with_samples(plain, {{0, 0}, {63, 127}, {129, 269}}, bad), filter);
    }
    c.problem.border = border::constant(NAN);
    hold(c, w, plain, filter);
    // Outside of what outputs of `valid` see there is nothing.
    c.problem.mode = mode::valid;
    hold(c, w, plain, filter);
  }
}

// What rounds to infinity in TF32, or loses its bits in the lower part, is summed as it is.
TEST_F(cuda_mma, bears_samples_and_taps_of_any_size) {
  constexpr float most = std::numeric_limits<float>::max();
  for (const double tolerance : {of_tf32, of_three}) {
    const floats h(9 * 9, 0x1p-7F);
    for (const float size : {most, 0x1p127F, 0x1p126F, 0x1p-99F, 0x1p-101F, 0x1p-120F, 1e-40F}) {
      floats x(100 * 140);
      for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = size * (static_cast<float>(i * 7 % 31) / 32 - 0.3F);
      x[300] = size;
      const sums s = summed({100, 140}, {9, 9}, x, h, tolerance);
      for (std::size_t i = 0; i < s.y.size(); ++i)
        ASSERT_NEAR(s.y[i], s.exact[i], s.bound * s.norm + 81 * 0x1p-149) << size;
    }
    // Small ones beside larger ones are a part of these.
    floats x(100 * 140, 1e-40F);
    x[5000] = 1;
    const sums s = summed({100, 140}, {9, 9}, x, h, tolerance);
    EXPECT_LE(s.worst(), s.bound);
    floats large(9 * 9, 0.0F);
    large[40] = 0x1p125F;
    large[41] = 1e-40F;
    const sums t = summed({100, 140}, {9, 9}, floats(100 * 140, 1.7F), large, tolerance);
    EXPECT_LE(t.worst(), t.bound);
  }
  const problem p{.in = {20, 30}, .filter = {3, 3}, .types = f32s};
  EXPECT_NE(refusal(p, floats(9, 0x1p126F), {.tolerance = 1}).find("its largest tap is"),
            std::string::npos);
  EXPECT_NE(refusal(p, floats(9, 0x1p-101F), {.tolerance = 1}).find("its largest tap is"),
            std::string::npos);
  EXPECT_EQ(refusal(p, floats(9, 0.0F), {.tolerance = 1}), "");
}

TEST_F(cuda_mma, takes_f32_as_tf32_where_it_is_told_to) {
  const problem p{.in = {200, 300}, .filter = {9, 9}, .types = f32s};
  const floats h(81, 1.0F / 3);
  EXPECT_NE(refusal(p, h).find("unless options.tolerance allows it"), std::string::npos)
      << refusal(p, h);
  EXPECT_NE(refusal(p, h, {.tolerance = 0}).find("more than options.tolerance"), std::string::npos);
  const auto words = [&](double tolerance) {
    return plan(p, h, forced(tolerance)).describe().parameters;
  };
  const double least = bound_of(plan(p, h, forced(of_three)));
  const double more = bound_of(plan(p, h, forced(of_tf32)));
  EXPECT_TRUE(words(least).starts_with("3 x TF32, tiles of 64 x 128, error at most"))
      << words(least);
  EXPECT_TRUE(words(std::nextafter(more, 0)).starts_with("3 x TF32,"));
  EXPECT_TRUE(words(more).starts_with("TF32,"));
  EXPECT_NE(refusal(p, h, {.tolerance = std::nextafter(least, 0)}), "");
}

// Tiles are those of the whole output, however host data is cut: they, too, that are summed plainly.
TEST_F(cuda_mma, makes_the_same_bits_from_chunks_of_any_size) {
  const extent in(150, 300);
  std::mt19937 engine(9);
  floats x(static_cast<std::size_t>(in.count()));
  floats h(9 * 12);
  for (float& v : x) v = static_cast<float>(engine() % 1999) / 997 - 1;
  for (float& v : h) v = static_cast<float>(engine() % 1999) / 991 - 1;
  x[70 * 300 + 200] = std::numeric_limits<float>::quiet_NaN();
  complete_problem p({.in = in, .mode = mode::same, .border = border::mirror()},
                     view<const float>(h.data(), {9, 12}));
  for (const double tolerance : {of_tf32, of_three}) {
    p.how.tolerance = tolerance;
    std::vector<std::uint32_t> expected;
    for (const std::size_t bytes :
         {std::size_t{1} << 20, std::size_t{30'000}, std::size_t{5000}, std::size_t{777}}) {
      const auto made = cuda::make_runnable(p.request(), cuda::mma_kernels, {bytes, 2});
      floats y(x.size());
      made->run(view<const float>(x.data(), in), view<float>(y.data(), in), {}, {});
      std::vector<std::uint32_t> bits(y.size());
      std::transform(y.begin(), y.end(), bits.begin(),
                     [](float v) { return std::bit_cast<std::uint32_t>(v); });
      if (expected.empty()) expected = bits;
      EXPECT_TRUE(bits == expected) << bytes;
    }
  }
}

std::string refusal_of_16(dtype filter, const std::vector<double>& taps, extent size,
                          std::optional<double> tolerance = {}) {
  const problem p{.in = {200, 300}, .filter = size, .types = {dtype::f16, filter, dtype::f16}};
  buffer h(filter, size);
  std::size_t i = 0;
  for_each_element(size, 1, [&](auto plane, auto r, auto c) { h.set(plane, r, c, taps[i++]); });
  try {
    (void)plan(p, h.view(), forced(tolerance));
    return {};
  } catch (const unsupported& reason) {
    return reason.what();
  }
}

// 16 bits are multiplied as they are, so that what decides are the sums.
TEST_F(cuda_mma, takes_16_bits_where_they_are_exact) {
  const auto has = [](const std::string& words, const char* part) {
    EXPECT_NE(words.find(part), std::string::npos) << words;
  };
  const std::vector<double> quarter(15 * 15, 0.25);
  const std::vector<double> third(15 * 15, static_cast<double>(1.0F / 3));
  EXPECT_EQ(refusal_of_16(dtype::f16, quarter, {15, 15}), "");
  EXPECT_EQ(refusal_of_16(dtype::f32, quarter, {15, 15}), "");
  has(refusal_of_16(dtype::f32, third, {15, 15}), "f16 does not hold all");
  has(refusal_of_16(dtype::f16, quarter, {15, 15}, 0), "more than options.tolerance");
  has(refusal_of_16(dtype::f16, quarter, {2, 2}), "twice that of direct summation");
  EXPECT_EQ(refusal_of_16(dtype::f16, quarter, {2, 2}, 1e-4), "");
}

TEST_F(cuda_mma, refuses_what_its_tiles_are_not_for) {
  const auto has = [](const std::string& words, const char* part) {
    EXPECT_NE(words.find(part), std::string::npos) << words;
  };
  const options loose{.tolerance = of_tf32};
  problem p{.in = {20, 30}, .filter = {3, 3}, .types = f32s};
  p.stride = {1, 2};
  has(refusal(p, floats(9, 1), loose), "strides and dilations of 1");
  p.stride = {1, 1};
  p.dilation = {2, 1};
  has(refusal(p, floats(9, 1), loose), "strides and dilations of 1");
  p.dilation = {1, 1};
  p.filter = {70, 70};
  has(refusal(p, floats(4900, 1), loose), "bytes of shared memory, more than");
  p.filter = {35, 35};
  EXPECT_EQ(refusal(p, floats(35 * 35, 1), loose), "");
  has(refusal(p, floats(35 * 35, 1), {.tolerance = of_three}), "3 x TF32");
  p.filter = {1, 200'000};
  has(refusal(p, floats(200'000, 1), {.tolerance = 1}), "bytes of shared memory");
  p.filter = {3, 3};
  p.types = {dtype::u8, dtype::f32, dtype::f32};
  has(refusal(p, floats(9, 1), loose), "f32, f16 and bf16");
#if defined(CUDA_ON_HOST)
  p.types = f32s;
  cuda_on_host::machine older;
  older.device.major = 7;
  older.device.minor = 5;
  cuda_on_host::reset(older);
  has(refusal(p, floats(9, 1), loose), "compute capability 8.0");
#endif
}

TEST_F(cuda_mma, is_chosen_for_dense_filters_where_it_may_be) {
  const auto chosen = [](std::int64_t taps, std::optional<double> tolerance) {
    const problem p{.in = {2048, 2048}, .filter = {taps, taps}, .types = f32s, .mode = mode::same};
    std::mt19937 engine(1);
    floats h(static_cast<std::size_t>(taps * taps));
    for (float& v : h) v = static_cast<float>(engine() % 999) / 998 - 0.45F;
    return plan(p, h, {.device = device::cuda(0), .tolerance = tolerance, .data = memory::device})
        .describe()
        .algorithm;
  };
  EXPECT_EQ(chosen(15, of_tf32), "cuda/mma");
  EXPECT_NE(chosen(15, {}), "cuda/mma");
  EXPECT_NE(chosen(3, of_tf32), "cuda/mma");
  EXPECT_NE(chosen(63, of_tf32), "cuda/mma");
}

}  // namespace
}  // namespace convgpu::test
