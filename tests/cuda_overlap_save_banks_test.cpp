// SPDX-License-Identifier: Apache-2.0
// cuda/overlap_save with filters that see one channel each: those of a block share its transform, and no bit tells.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cuda_on_host.hpp>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "problems.hpp"

// Behind those that have other things called `size`.
#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

constexpr const char* name = "cuda/overlap_save";

template <class T>
constexpr bool is_wide = std::is_same_v<T, double> || std::is_same_v<T, std::complex<double>>;
template <class T>
constexpr double loose = is_wide<T> ? 1e-12 : 1e-4;

template <class T>
options asked() {
  if (std::is_integral_v<T>) return {.algorithm = name};
  return {.algorithm = name, .tolerance = loose<T>};
}

template <class T>
std::vector<T> random(std::int64_t count, unsigned seed) {
  dice d(seed);
  std::vector<T> v(static_cast<std::size_t>(count));
  for (T& x : v) {
    if constexpr (std::is_integral_v<T>) x = static_cast<T>(d.between(-9, 9));
    else if constexpr (std::is_floating_point_v<T>) x = static_cast<T>(d.any_real());
    else
      x = {static_cast<typename T::value_type>(d.any_real()),
           static_cast<typename T::value_type>(d.any_real())};
  }
  return v;
}

template <class T>
std::vector<T> run(const plan& made, const problem& p, const std::vector<T>& x) {
  std::vector<T> y(static_cast<std::size_t>(made.output_extent().count() * p.filters * p.planes));
  made.run(x, y);
  return y;
}

/// Of a device with so many multiprocessors: with one, a block has all filters of its channel.
void use_device(int multiprocessors) {
  cuda_on_host::machine on;
  on.device.multiProcessorCount = multiprocessors;
  cuda_on_host::reset(on);
}

/// What parameters say of blocks, up to which filters they are for.
std::string blocks_of(const plan& made) {
  const std::string text = made.describe().parameters;
  return text.substr(0, text.find(" outputs"));
}

struct shape {
  extent in;
  extent taps;
  std::int64_t groups;
  std::int64_t each;  // filters of a group
  std::int64_t planes;
  border edge;

  template <class T>
  [[nodiscard]] problem of() const {
    return {.in = in,
            .filter = taps,
            .planes = planes,
            .channels = groups,
            .filters = groups * each,
            .groups = groups,
            .types = {dtype_of<T>, dtype_of<T>, dtype_of<T>},
            .mode = mode::same,
            .border = edge};
  }
};
const shape shapes[] = {{{1, 5000}, {1, 90}, 1, 2, 1, border::zero()},
                        {{1, 700}, {1, 33}, 2, 9, 3, border::mirror()},
                        {{70, 90}, {9, 7}, 1, 5, 1, border::wrap()},
                        {{75, 61}, {21, 20}, 3, 3, 2, border::replicate()},
                        {{64, 48}, {5, 5}, 7, 1, 1, border::constant(2)},
                        {{2000, 1}, {60, 1}, 2, 3, 2, border::symmetric()}};

template <class T>
class cuda_overlap_save_banks : public on_cuda {};
using any = testing::Types<float, double, std::complex<float>, std::complex<double>, std::int16_t>;
TYPED_TEST_SUITE(cuda_overlap_save_banks, any);

// Filters of a bank have one scale, which is a power of two: norms that are a little apart are nothing to the bits.
TYPED_TEST(cuda_overlap_save_banks, make_the_bits_of_each_filter_by_itself) {
  using T = TypeParam;
  unsigned seed = 0;
  int compared = 0;
  for (const shape& s : shapes)
    for (const int multiprocessors : {1, 132}) {
      use_device(multiprocessors);
      const problem p = s.of<T>();
      const std::vector<T> x = random<T>(s.in.count() * s.groups * s.planes, ++seed);
      std::vector<T> h = random<T>(s.taps.count() * p.filters, ++seed);
      if constexpr (!std::is_integral_v<T>)
        for (std::size_t n = 0; n < h.size(); ++n)
          h[n] *= std::ldexp(
              1.0F, -5 * static_cast<int>(n / static_cast<std::size_t>(s.taps.count()) % 3));
      const plan all(p, h, asked<T>());
      const std::string words = all.describe().parameters;
      if (multiprocessors == 1 && s.each > 1) {
        EXPECT_NE(words.find(" of " + std::to_string(s.each) + " filters"), std::string::npos)
            << words;
      }
      const std::vector<T> y = run(all, p, x);
      problem one = p;
      one.planes = one.channels = one.filters = one.groups = 1;
      const auto size = static_cast<std::ptrdiff_t>(s.in.count());
      for (std::ptrdiff_t f = 0; f < p.filters; ++f) {
        const auto taps = h.begin() + f * s.taps.count();
        const plan alone(one, std::vector<T>(taps, taps + s.taps.count()), asked<T>());
        const bool same = blocks_of(alone) == blocks_of(all);
        compared += same ? 1 : 0;
        for (std::ptrdiff_t plane = 0; plane < s.planes; ++plane) {
          const auto samples = x.begin() + (plane * s.groups + f / s.each) * size;
          const auto outputs = y.begin() + (plane * p.filters + f) * size;
          const std::vector<T> expected = run(alone, one, std::vector<T>(samples, samples + size));
          // Blocks of other sizes round otherwise.
          const double off =
              same || std::is_integral_v<T> ? 0 : static_cast<double>(s.taps.count()) * loose<T>;
          for (std::ptrdiff_t n = 0; n < size; ++n)
            ASSERT_LE(std::abs(outputs[n] - expected[static_cast<std::size_t>(n)]), off)
                << s.in.rows << " x " << s.in.cols << ", filter " << f << ", plane " << plane;
        }
      }
    }
  EXPECT_GT(compared, 70) << "filters whose blocks have the size that those of the bank have";
}

template <class T>
class cuda_overlap_save_banks_of_floats : public on_cuda {};
using floating = testing::Types<float, double, std::complex<float>, std::complex<double>>;
TYPED_TEST_SUITE(cuda_overlap_save_banks_of_floats, floating);

// In the outputs of each filter those that see it under a tap that is not zero, and no others.
TYPED_TEST(cuda_overlap_save_banks_of_floats, keep_what_is_not_finite_in_its_place) {
  using T = TypeParam;
  for (const int multiprocessors : {1, 132}) {
    use_device(multiprocessors);
    dice d(4);
    const problem p = shape{{60, 90}, {5, 7}, 2, 4, 2, border::mirror()}.of<T>();
    std::vector<T> x = random<T>(p.in.count() * p.channels * p.planes, 1);
    for (int n = 0; n < 9; ++n)  // of the first channel
      x[static_cast<std::size_t>(d.between(0, p.in.count() - 1))] =
          n % 2 == 0 ? std::numeric_limits<float>::quiet_NaN()
                     : std::numeric_limits<float>::infinity();
    std::vector<T> h = random<T>(p.filter.count() * p.filters, 2);
    for (T& tap : h)
      if (d.one_in(3)) tap = T{};
    const std::vector<T> expected = run(plan(p, h, {.algorithm = "cpu/direct"}), p, x);
    const std::vector<T> y = run(plan(p, h, asked<T>()), p, x);
    const auto is_finite = [](T v) { return std::isfinite(std::abs(v)); };
    std::int64_t bad = 0;
    for (std::size_t n = 0; n < y.size(); ++n) {
      ASSERT_EQ(is_finite(y[n]), is_finite(expected[n])) << n;
      bad += is_finite(y[n]) ? 0 : 1;
      if (is_finite(y[n])) {
        ASSERT_LE(std::abs(y[n] - expected[n]), 35 * loose<T>) << n;
      }
    }
    EXPECT_GT(bad, 100);
  }
}

class cuda_overlap_save_bank_plans : public on_cuda {
 protected:
  static std::vector<float> taps(const problem& p, float least = 1) {
    std::vector<float> h = random<float>(p.filter.count() * p.filters, 1);
    std::for_each(h.begin(), h.begin() + p.filter.count(), [&](float& tap) { tap *= least; });
    return h;
  }
  /// Of cuda/overlap_save.
  static double predicted(const plan& made) {
    for (const candidate& c : made.describe().candidates)
      if (c.algorithm == name) return c.predicted_seconds.value_or(0);
    return 0;
  }
};

// Nor where a filter of each channel is enough for the device: with nothing to share, it does better by itself.
TEST_F(cuda_overlap_save_bank_plans, are_one_launch_unless_norms_are_far_apart) {
  for (const shape& s : shapes) {
    const problem p = s.of<float>();
    const std::vector<float> x = random<float>(p.in.count() * p.channels * p.planes, 2);
    for (const float least : {1.0F, 1e-3F, 1e-7F}) {
      use_device(1);
      const std::vector<float> h = taps(p, least);
      const plan made(p, h, asked<float>());
      const device_array<float> from(x);
      const device_array<float> to(static_cast<std::size_t>(p.in.count() * p.filters * p.planes));
      const std::size_t before = cuda_on_host::launches().size();
      made.run(device_view<const float>(from.data(), p.in, p.planes, p.channels,
                                        dense(p.in, p.channels)),
               device_view<float>(to.data(), p.in, p.planes, p.filters, dense(p.in, p.filters)));
      works(cudaDeviceSynchronize());
      EXPECT_EQ(std::ssize(cuda_on_host::launches()) - static_cast<std::ptrdiff_t>(before),
                least < 1e-6F || s.each == 1 ? p.filters : 1)
          << made.describe().parameters;
      const std::vector<float> y = to.values();
      const std::vector<float> expected = run(plan(p, h, {.algorithm = "cpu/direct"}), p, x);
      for (std::size_t n = 0; n < y.size(); ++n) {
        const bool small = static_cast<std::int64_t>(n) / p.in.count() % p.filters == 0;
        ASSERT_NEAR(y[n], expected[n], (small ? least : 1.0F) * 1e-2F) << n;
      }
    }
  }
}

// A device that one image fills has nothing to gain by parts, one that it does not would have nothing to do.
TEST_F(cuda_overlap_save_bank_plans, share_out_filters_as_far_as_the_device_has_room) {
  const auto together = [](extent in, std::int64_t filters) {
    const problem p{.in = in, .filter = {15, 15}, .filters = filters, .mode = mode::same};
    const std::string words = plan(p, taps(p), asked<float>()).describe().parameters;
    return std::stoll(words.substr(words.find(" of ", words.find("outputs")) + 4));
  };
  EXPECT_EQ(together({4096, 4096}, 16), 16);
  EXPECT_EQ(together({40, 40}, 16), 1);
  EXPECT_LT(together({512, 512}, 16), 16);
  EXPECT_GT(together({512, 512}, 64), 1);
}

TEST_F(cuda_overlap_save_bank_plans, are_predicted_to_take_less_than_each_filter_by_itself) {
  problem p{.in = {4096, 4096}, .filter = {15, 15}, .filters = 16, .mode = mode::same};
  const options how{.device = device::cuda(0), .tolerance = 1e-4, .data = memory::device};
  const double all = predicted(plan(p, taps(p), how));
  const double apart = predicted(plan(p, taps(p, 1e-7F), how));
  p.filters = 1;
  const double one = predicted(plan(p, taps(p), how));
  EXPECT_GT(one, 0);
  EXPECT_LT(all, 0.85 * apart);
  EXPECT_NEAR(apart, 16 * one, 0.1 * apart);
}

// Twice the points for a block, which are of the shared memory that there is.
TEST_F(cuda_overlap_save_bank_plans, fit_blocks_into_the_shared_memory_there_is) {
  const problem p{.in = {60, 400}, .filter = {9, 9}, .filters = 3, .mode = mode::same};
  const std::vector<float> x = random<float>(p.in.count(), 2);
  const std::vector<float> h = taps(p);
  const std::vector<float> expected = run(plan(p, h, {.algorithm = "cpu/direct"}), p, x);
  for (const std::size_t kib : {48u, 64u, 99u, 163u, 227u}) {
    cuda_on_host::machine on;
    on.device.multiProcessorCount = 1;
    on.device.sharedMemPerBlockOptin = kib * 1024;
    cuda_on_host::reset(on);
    const plan made(p, h, asked<float>());
    const std::vector<float> y = run(made, p, x);
    for (std::size_t n = 0; n < y.size(); ++n) ASSERT_NEAR(y[n], expected[n], 1e-2F) << kib;
    EXPECT_NE(made.describe().parameters.find("of 3 filters"), std::string::npos);
    for (const cuda_on_host::launch_record& l : cuda_on_host::launches())
      EXPECT_LE(l.dynamic_shared, kib * 1024);
  }
}

}  // namespace
}  // namespace convgpu::test
