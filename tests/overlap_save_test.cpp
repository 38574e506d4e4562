// SPDX-License-Identifier: Apache-2.0
// Algorithms that transform blocks: where those begin and end, data of any size, samples that are not finite, the error that plans
// promise, and what is refused.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "buffers.hpp"
#include "oracle.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

enum class which : std::uint8_t { cpu, cuda, cuda_fft };
std::string name_of(which w) {
  return w == which::cpu ? "cpu/overlap_save" : w == which::cuda ? "cuda/overlap_save" : "cuda/fft";
}
/// Whether this program has it.
bool is_there(which w) {
  const std::vector<algorithm> all = available_algorithms();
  return std::any_of(all.begin(), all.end(),
                     [w](const algorithm& a) { return a.name == name_of(w); });
}

options asked(which w, double tolerance) {
  return {.algorithm = name_of(w), .tolerance = tolerance};
}
template <class T>
constexpr double loose = std::is_same_v<T, float> ? 1e-4 : 1e-12;

template <class T>
std::vector<T> random(std::size_t count, unsigned seed) {
  dice d(seed);
  std::vector<T> v(count);
  for (T& x : v) x = static_cast<T>(d.any_real());
  return v;
}

/// Sums as they are defined, in long double, of a signal and its border of zeros, in `full`.
template <class T>
std::vector<real> summed(const std::vector<T>& x, const std::vector<T>& h) {
  std::vector<real> y(x.size() + h.size() - 1);
  for (std::size_t k = 0; k < h.size(); ++k)
    if (h[k] != T{})
      for (std::size_t i = 0; i < x.size(); ++i)
        y[i + k] += static_cast<real>(h[k]) * static_cast<real>(x[i]);
  return y;
}
template <class T>
real norm1(const std::vector<T>& h) {
  real sum = 0;
  for (const T tap : h) sum += std::abs(static_cast<real>(tap));
  return sum;
}
template <class T>
real largest(const std::vector<T>& x) {
  real most = 0;
  for (const T v : x)
    if (std::isfinite(v)) most = std::max(most, std::abs(static_cast<real>(v)));
  return most;
}
/// The largest error, as a fraction of ‖h‖₁·max|x|.
template <class T>
real error_of(const std::vector<T>& y, const std::vector<real>& expected, real scale) {
  real most = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    most = std::max(most, std::abs(static_cast<real>(y[i]) - expected[i]) / scale);
  return most;
}

/// A number from the plan's parameters, behind these words.
double told(const plan& p, const std::string& words) {
  const std::string text = p.describe().parameters;
  const std::size_t at = text.find(words);
  return at == std::string::npos ? -1 : std::stod(text.substr(at + words.size()));
}

/// An algorithm and the type that it computes in.
template <class T, which W>
struct of {
  using type = T;
  static constexpr which algorithm = W;
};
struct words {
  template <class Of>
  static std::string GetName(int) {
    std::string text = name_of(Of::algorithm) + (sizeof(typename Of::type) == 4 ? "_f32" : "_f64");
    std::replace(text.begin(), text.end(), '/', '_');
    return text;
  }
};

template <class Of>
class overlap_save : public testing::Test {
 protected:
  void SetUp() override {
    if (!is_there(Of::algorithm)) GTEST_SKIP() << "no " << name_of(Of::algorithm);
  }
  static options asked(double tolerance) { return test::asked(Of::algorithm, tolerance); }
  /// Of the CPU many more, which are made in no time.
  static int some(int cases) { return Of::algorithm == which::cpu ? cases : (cases + 4) / 5; }
};
using algorithms = testing::Types<of<float, which::cpu>, of<double, which::cpu>,
                                  of<float, which::cuda>, of<double, which::cuda>,
                                  of<float, which::cuda_fft>, of<double, which::cuda_fft>>;
TYPED_TEST_SUITE(overlap_save, algorithms, words);

// Around multiples of the outputs that a block makes; one output, one block, some.
TYPED_TEST(overlap_save, joins_blocks_where_they_meet) {
  using T = typename TypeParam::type;
  for (const std::size_t taps : {1u, 2u, 33u, 100u, 257u, 700u}) {
    const std::vector<T> h = random<T>(taps, 1);
    const plan any({.in = extent(20'000)}, h, this->asked(loose<T>));
    const auto step = static_cast<std::size_t>(told(any, "samples for "));
    ASSERT_GT(step, 0u);
    for (const std::size_t blocks : {1u, 2u, 3u, 5u})
      for (const int off : {-1, 0, 1}) {
        const std::size_t outputs = std::max(blocks * step + static_cast<std::size_t>(off), taps);
        const std::vector<T> x = random<T>(outputs - taps + 1, 2);
        const real error = error_of(convolve(x, h, {}, this->asked(loose<T>)), summed(x, h),
                                    norm1(h) * largest(x));
        ASSERT_LE(error, loose<T> / 20) << taps << " taps, " << outputs << " outputs";
      }
  }
}

// Never more than the plan says; and what it says is at most what was allowed.
TYPED_TEST(overlap_save, errs_less_than_it_says) {
  using T = typename TypeParam::type;
  dice d(5);
  real closest = 0;
  for (int i = 0; i < this->some(300); ++i) {
    const auto taps = static_cast<std::size_t>(d.between(1, 300));
    const auto samples = static_cast<std::size_t>(d.between(1, 3000));
    std::vector<T> x = random<T>(samples, static_cast<unsigned>(i));
    std::vector<T> h = random<T>(taps, static_cast<unsigned>(1000 + i));
    switch (i % 5) {
      case 0: std::fill(x.begin(), x.end(), T{1}); break;
      case 1: std::fill(h.begin(), h.end(), T{1}); break;
      case 2:
        for (std::size_t k = 1; k < taps; ++k) h[k] *= static_cast<T>(1e-3);
        break;
      case 3:
        for (std::size_t j = 0; j < samples; ++j)
          x[j] = static_cast<T>(std::cos(0.7 * static_cast<double>(j)));
        for (std::size_t k = 0; k < taps; ++k)
          h[k] = static_cast<T>(std::cos(0.7 * static_cast<double>(k)));
        break;
      default: break;
    }
    const plan made({.in = extent(samples)}, h, this->asked(loose<T>));
    const double bound = told(made, "error at most ");
    ASSERT_GT(bound, 0);
    ASSERT_LE(bound, loose<T>);
    std::vector<T> y(samples + taps - 1);
    made.run(x, y);
    const real error = error_of(y, summed(x, h), norm1(h) * largest(x));
    // The result is rounded once more.
    ASSERT_LE(error, bound + std::numeric_limits<T>::epsilon()) << i;
    closest = std::max(closest, error / bound);
  }
  EXPECT_LT(closest, 0.1L) << "not as loose as documented";
}

// A block's scale is a power of two of its own: no bit depends on the data's size, to the ends of what a type holds.
TYPED_TEST(overlap_save, takes_data_of_any_size) {
  using T = typename TypeParam::type;
  using limits = std::numeric_limits<T>;
  const std::vector<T> x = random<T>(3000, 1);
  const std::vector<T> h = random<T>(100, 2);
  const std::vector<T> y = convolve(x, h, {}, this->asked(loose<T>));
  const auto scaled = [](std::vector<T> v, int exponent) {
    for (T& each : v) each = std::ldexp(each, exponent);
    return v;
  };
  const int far = limits::max_exponent / 2 + 3;
  for (const int of_x : {-far, 0, far})
    for (const int of_h : {-far + 20, 0, far - 20})
      if (std::abs(of_x + of_h) <= far) {
        EXPECT_EQ(convolve(scaled(x, of_x), scaled(h, of_h), {}, this->asked(loose<T>)),
                  scaled(y, of_x + of_h))
            << of_x << ", " << of_h;
      }

  // At the very ends, within the error of numbers that small or large.
  for (const int exponent :
       {limits::min_exponent - 8, limits::min_exponent, limits::max_exponent - 5}) {
    std::vector<T> end = scaled(x, exponent);
    for (T& v : end) v = std::clamp(v, limits::lowest(), limits::max());
    for (const int of_h : {-(exponent + 30), 0}) {
      if (exponent > 0 && of_h == 0) continue;  // results would overflow
      const std::vector<T> taps = scaled(h, of_h);
      const std::vector<T> result = convolve(end, taps, {}, this->asked(loose<T>));
      const real scale = norm1(taps) * largest(end);
      const real smallest = limits::denorm_min();
      const std::vector<real> expected = summed(end, taps);
      for (std::size_t i = 0; i < result.size(); ++i)
        ASSERT_LE(std::abs(static_cast<real>(result[i]) - expected[i]),
                  loose<T> / 20 * scale + 4 * smallest)
            << exponent << ", " << of_h << ", " << i;
    }
  }
}

// Blocks of very different size next to one another keep their own accuracy.
TYPED_TEST(overlap_save, scales_blocks_one_by_one) {
  using T = typename TypeParam::type;
  const std::vector<T> h = random<T>(64, 2);
  std::vector<T> x = random<T>(100'000, 1);
  const int down = std::is_same_v<T, float> ? -100 : -900;
  for (std::size_t i = 50'000; i < x.size(); ++i) x[i] = std::ldexp(x[i], down);
  const std::vector<T> y = convolve(x, h, {}, this->asked(loose<T>));
  const std::vector<T> part(x.begin() + 90'000, x.end());
  const std::vector<real> expected = summed(part, h);
  for (std::size_t i = 0; i < 9'000; ++i)
    ASSERT_LE(std::abs(static_cast<real>(y[90'063 + i]) - expected[63 + i]),
              loose<T> / 20 * norm1(h) * largest(part));
}

// The places are those of direct summation, and no other output changes by more than the error.
TYPED_TEST(overlap_save, keeps_what_is_not_finite_in_its_place) {
  using T = typename TypeParam::type;
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  constexpr T infinity = std::numeric_limits<T>::infinity();
  dice d(9);
  for (int i = 0; i < this->some(60); ++i) {
    const bool image = i % 2 == 0;
    const extent in =
        image ? extent(d.between(20, 120), d.between(20, 120)) : extent(d.between(500, 5000));
    const extent taps =
        image ? extent(d.between(1, 9), d.between(2, 9)) : extent(d.between(1, 150));
    problem p{
        .in = in,
        .filter = taps,
        .mode = d.pick({mode::full, mode::same, mode::valid}),
        .border = border(d.pick({border_kind::zero, border_kind::mirror, border_kind::wrap}))};
    if (d.one_in(4)) p.border = border::constant(NAN);
    if (d.one_in(3)) p.dilation = {1, 2};
    std::vector<T> x = random<T>(static_cast<std::size_t>(in.count()), static_cast<unsigned>(i));
    std::vector<T> h =
        random<T>(static_cast<std::size_t>(taps.count()), static_cast<unsigned>(100 + i));
    for (T& tap : h)
      if (d.one_in(3)) tap = T{};
    const int bad = i % 7 == 0 ? 2000 : static_cast<int>(d.between(0, 6));
    for (int b = 0; b < bad; ++b)
      x[static_cast<std::size_t>(d.between(0, in.count() - 1))] =
          d.pick({nan, infinity, -infinity});
    const auto result = [&](const options& how) {
      const plan made(p, h, how);
      std::vector<T> y(static_cast<std::size_t>(made.output_extent().count()));
      made.run(x, y);
      return y;
    };
    const std::vector<T> expected = result({.algorithm = "cpu/direct"});
    const std::vector<T> y = result(this->asked(loose<T>));
    const auto allowed = static_cast<T>(loose<T> / 10 * static_cast<double>(norm1(h) * largest(x)));
    for (std::size_t j = 0; j < y.size(); ++j) {
      ASSERT_EQ(std::isfinite(y[j]), std::isfinite(expected[j])) << i << ", output " << j;
      if (!std::isfinite(y[j])) continue;
      ASSERT_NEAR(y[j], expected[j], allowed) << i << ", output " << j;
    }
  }
}

TYPED_TEST(overlap_save, makes_the_same_bits_on_any_number_of_threads) {
  using T = typename TypeParam::type;
  const std::pair<extent, extent> sizes[] = {{extent(200'000), extent(300)},
                                             {extent(400, 500), extent(20, 17)}};
  for (const auto& size : sizes) {
    const extent in = size.first;  // clang 14 captures no structured bindings
    const extent taps = size.second;
    const std::vector<T> x = random<T>(static_cast<std::size_t>(in.count()), 1);
    const std::vector<T> h = random<T>(static_cast<std::size_t>(taps.count()), 2);
    const auto result = [&](int threads) {
      options how = this->asked(loose<T>);
      how.max_threads = threads;
      how.executor = [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
        while (count-- > 0) task(count);
      };
      const plan made({.in = in, .filter = taps, .mode = mode::same}, h, how);
      std::vector<T> y(x.size());
      made.run(x, y);
      return y;
    };
    const std::vector<T> expected = result(1);
    for (const int threads : {2, 3, 8}) EXPECT_EQ(result(threads), expected) << threads;
  }
}

/// The same for plans of both.
class overlap_save_plans : public testing::TestWithParam<which> {
 protected:
  void SetUp() override {
    if (!is_there(GetParam())) GTEST_SKIP() << "no " << name_of(GetParam());
    if (GetParam() != which::cpu) ones = std::vector<float>(2000, 1.0F);
  }
  static options asked(double tolerance) { return test::asked(GetParam(), tolerance); }

  const std::string name = name_of(GetParam());
  std::vector<float> ones = std::vector<float>(4000, 1.0F);
};

TEST_P(overlap_save_plans, refuse_what_they_would_not_be_exact_enough_for) {
  const std::vector<float>& x = ones;
  const auto refused = [&](const std::vector<float>& h, const problem& p, const options& how) {
    try {
      (void)convolve(x, h, p, how);
      return std::string();
    } catch (const unsupported& reason) {
      return std::string(reason.what());
    }
  };
  const std::vector<float> few{1, 2, 3};
  const std::vector<float> many = random<float>(500, 1);
  EXPECT_NE(refused(few, {}, {.algorithm = name}).find("four times that of direct summation"),
            std::string::npos);
  EXPECT_EQ(refused(many, {}, {.algorithm = name}), "");
  EXPECT_NE(refused(many, {}, asked(0)).find("options.tolerance"), std::string::npos);
  EXPECT_NE(refused(many, {}, asked(1e-7)).find("options.tolerance"), std::string::npos);
  EXPECT_EQ(refused(few, {}, asked(1e-3)), "");
  EXPECT_NE(refused(many, {.stride = {1, 2}}, {.algorithm = name}).find("stride"),
            std::string::npos);
  EXPECT_NE(refused(few, {.dilation = {1, 1 << 25}}, asked(1)).find("too many for a block"),
            std::string::npos);
}

TEST_P(overlap_save_plans, are_exact_on_integers) {
  dice d(3);
  std::vector<std::uint16_t> x(GetParam() == which::cpu ? 20'000 : 5000);
  std::vector<std::int16_t> h(900);
  for (auto& v : x) v = static_cast<std::uint16_t>(d.between(0, 65535));
  for (auto& v : h) v = static_cast<std::int16_t>(d.between(-32768, 32767));
  for (const auto policy : {overflow::saturate, overflow::wrap}) {
    const auto sums = [&](const char* algorithm) {
      return convolve<std::int64_t>(x, h, {.overflow = policy}, {.algorithm = algorithm});
    };
    EXPECT_EQ(sums(name.c_str()), sums("cpu/reference"));
    const auto narrow = [&](const char* algorithm) {
      return convolve<std::uint16_t>(x, h, {.overflow = policy}, {.algorithm = algorithm});
    };
    EXPECT_EQ(narrow(name.c_str()), narrow("cpu/reference"));
  }
  EXPECT_TRUE(plan({.in = extent(x.size()), .types = {.in = dtype::u16}}, h, {.algorithm = name})
                  .describe()
                  .exact_on_integers);
  const std::vector<std::int32_t> large(900, std::numeric_limits<std::int32_t>::max());
  EXPECT_THROW((void)convolve(large, large, {}, {.algorithm = name}), unsupported);
}

// Sums of 2^63, by a norm of 2^32 that floats would make a little less of, and of one tap less.
TEST(cpu_overlap_save_plans, hold_what_64_bits_do) {
  const options how{.algorithm = name_of(which::cpu)};
  const std::vector<std::int32_t> x(8, std::numeric_limits<std::int32_t>::min());
  std::vector<std::int32_t> h{-1546885061, -2043157636, -704924599};
  const problem whole{.mode = mode::valid};
  EXPECT_THROW((void)convolve<std::int64_t>(x, h, whole, how), unsupported);
  ++h.back();
  EXPECT_EQ(convolve<std::int64_t>(x, h, whole, how),
            convolve<std::int64_t>(x, h, whole, {.algorithm = "cpu/reference"}));
}

// Sums beyond 2^51, of more and more bits, up to those that a 64-bit integer just holds.
TEST(cpu_overlap_save_plans, are_exact_on_integers_of_any_size) {
  const std::string name = name_of(which::cpu);
  dice d(5);
  constexpr std::int64_t low = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t high = std::numeric_limits<std::int32_t>::max();
  std::set<std::string> limbs;
  for (const std::int64_t taps : {300, 2000})
    for (int bits = 2; bits <= 31; ++bits)
      for (const bool extreme : {false, true}) {
        std::vector<std::int32_t> x(5000);
        std::vector<std::int32_t> h(static_cast<std::size_t>(taps));
        const auto number = [&](std::int64_t least, std::int64_t most) {
          if (!extreme) return static_cast<std::int32_t>(d.between(least, most));
          return static_cast<std::int32_t>(d.between(0, 1) == 0 ? least : most);
        };
        for (auto& v : x) v = number(low, high);
        // As large as sums may be: 31 bits of samples, and 32 of taps.
        const std::int64_t most =
            std::min((std::int64_t{1} << bits) - 1, (std::int64_t{1} << 32) / taps - 1);
        for (auto& v : h) v = number(-most, most);
        if (bits == 31) {  // a few large ones
          std::fill(h.begin(), h.end(), 1);
          h[7] = static_cast<std::int32_t>(high);
          h[8] = static_cast<std::int32_t>(low + taps + 2);
        }
        const problem p{.mode = mode::same,
                        .border = border::constant(-2147483647.0),
                        .overflow = overflow::wrap};
        ASSERT_EQ(convolve<std::int64_t>(x, h, p, {.algorithm = name}),
                  convolve<std::int64_t>(x, h, p, {.algorithm = "cpu/direct"}))
            << taps << " taps of " << bits << " bits";
        const std::string text =
            plan({.in = extent(x.size()),
                  .types = {.in = dtype::i32, .filter = dtype::i32, .out = dtype::i64}},
                 h, {.algorithm = name})
                .explain();
        if (const auto at = text.find("exact in "); at != std::string::npos)
          limbs.insert(text.substr(at, text.find(" limbs", at) - at));
      }
  EXPECT_GE(limbs.size(), 2) << "one way alone was tried";
}

TEST(cpu_overlap_save_plans, add_up_limbs_of_images_on_all_threads) {
  const std::string name = name_of(which::cpu);
  dice d(6);
  constexpr extent size{120, 150};
  std::vector<std::int32_t> x(static_cast<std::size_t>(size.count()));
  std::vector<std::int32_t> h(31 * 33);
  for (auto& v : x) v = static_cast<std::int32_t>(d.between(-(1LL << 31), (1LL << 31) - 1));
  for (auto& v : h) v = static_cast<std::int32_t>(d.between(-(1 << 20), 1 << 20));
  const problem p{.in = size,
                  .filter = {31, 33},
                  .types = {.in = dtype::i32, .filter = dtype::i32, .out = dtype::i32},
                  .mode = mode::full,
                  .border = border::wrap()};
  const auto result = [&](const options& how) {
    const plan made(p, h, how);
    std::vector<std::int32_t> y(static_cast<std::size_t>(made.output_extent().count()));
    made.run(x, y);
    return y;
  };
  const auto expected = result({.algorithm = "cpu/direct"});
  for (const int threads : {1, 2, 5})
    EXPECT_EQ(result({.algorithm = name, .max_threads = threads}), expected) << threads;
  // Blocks of several limbs need more memory; a cap makes them smaller.
  EXPECT_EQ(result({.algorithm = name, .max_workspace = 1 << 19}), expected);
}

// A signal in a column is one in a row.
TEST_P(overlap_save_plans, take_columns_for_signals) {
  const std::vector<float> x = random<float>(5000, 1);
  const std::vector<float> h = random<float>(300, 2);
  const std::vector<float> expected = convolve(x, h, {}, {.algorithm = name});
  std::vector<float> y(expected.size());
  const plan made({.in = {5000, 1}, .filter = {300, 1}}, h, {.algorithm = name});
  made.run(view<const float>(x.data(), {5000, 1}), view<float>(y.data(), {5299, 1}));
  EXPECT_EQ(y, expected);
}

INSTANTIATE_TEST_SUITE_P(every, overlap_save_plans, testing::Values(which::cpu, which::cuda),
                         [](const auto& instance) {
                           std::string text = name_of(instance.param);
                           std::replace(text.begin(), text.end(), '/', '_');
                           return text;
                         });

}  // namespace
}  // namespace convgpu::test
