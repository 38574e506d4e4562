// SPDX-License-Identifier: Apache-2.0
// The transform inside the library: each size, for each instruction set that the machine has, against sums in long
// double; and the bound on its error, on data made to reach it.

#include "cpu/fft.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "cpu/fft_error.hpp"
#include "cpu/overlap_save_marks.hpp"
#include "cpu/simd.hpp"

namespace convgpu::cpu {
namespace simd {
extern const kernels baseline;
#if defined(__x86_64__) && !defined(CONVGPU_BASELINE_ONLY)
extern const kernels avx2;
extern const kernels avx512;
#endif
}  // namespace simd

namespace {

using real = long double;
using number = std::complex<real>;

std::vector<const simd::kernels*> levels() {
  std::vector<const simd::kernels*> all{&simd::baseline};
#if defined(__x86_64__) && !defined(CONVGPU_BASELINE_ONLY)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(&simd::avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    all.push_back(&simd::avx512);
#endif
  return all;
}
template <class T>
const simd::fft<T>& passes_of(const simd::kernels& k) {
  if constexpr (std::is_same_v<T, float>) return k.f32_fft;
  else return k.f64_fft;
}

/// Every size up to so many points.
std::vector<fft_size> sizes(int lanes, std::int64_t most) {
  std::vector<fft_size> all;
  for (std::int64_t rows = 1; rows <= most; rows *= 2)
    for (std::int64_t cols = 1; rows * cols <= most; cols *= 2)
      if (is_fft_size({rows, cols}, lanes)) all.push_back({rows, cols});
  return all;
}

/// Points of a block convolved with taps, by the transform.
template <class T>
std::vector<number> convolved(const simd::fft<T>& passes, fft_size size,
                              const std::vector<std::complex<T>>& points,
                              const std::vector<std::complex<T>>& taps, T scale) {
  const fft<T> transform(passes, size);
  std::vector<std::complex<wider_than<T>>> wide(taps.begin(), taps.end());
  const aligned_array<T> spectrum = transform.spectrum_of(std::move(wide));
  aligned_array<T> z(static_cast<std::size_t>(transform.numbers()));
  const auto n = static_cast<std::size_t>(size.points());
  std::vector<T> parts(2 * n);
  for (std::size_t i = 0; i < n; ++i) {
    parts[i] = points[i].real();
    parts[n + i] = points[i].imag();
  }
  // By pieces of a quarter, as long as a row where there are rows.
  const std::int64_t chunk = size.rows == 1 ? size.cols / 8 : size.cols;
  const std::int64_t quarter = size.points() / 4;
  const auto for_each_piece = [&](const auto& f) {
    for (std::int64_t at = 0; at < quarter; at += chunk) {
      std::array<T*, 8> piece{};
      for (std::size_t i = 0; i < 8; ++i)
        piece[i] = parts.data() + static_cast<std::int64_t>(i) * quarter + at;
      f(piece, at / passes.lanes, chunk / passes.lanes);
    }
  };
  for_each_piece([&](const auto& from, auto at, auto vectors) {
    transform.load(from.data(), z.data(), at, vectors, scale);
  });
  aligned_array<T> kept(static_cast<std::size_t>(transform.numbers()));
  aligned_array<T> again(static_cast<std::size_t>(transform.numbers()));
  std::copy_n(z.data(), transform.numbers(), kept.data());
  transform.multiply(z.data(), spectrum.data());
  transform.transform(kept.data());
  transform.multiply(kept.data(), again.data(), spectrum.data());
  EXPECT_TRUE(std::equal(z.data(), z.data() + transform.numbers(), again.data()))
      << "other bits in two parts than in one go";
  for_each_piece([&](const auto& to, auto at, auto vectors) {
    transform.store(z.data(), to.data(), at, vectors, 1 / scale);
  });
  std::vector<number> result(n);
  for (std::size_t i = 0; i < n; ++i) result[i] = {parts[i], parts[n + i]};
  return result;
}

/// One point of the product modulo y^rows − i and x^cols − i.
template <class T>
number product_at(fft_size size, const std::vector<std::complex<T>>& x,
                  const std::vector<std::complex<T>>& h, std::int64_t row, std::int64_t col) {
  number sum{};
  for (std::int64_t r = 0; r < size.rows; ++r)
    for (std::int64_t c = 0; c < size.cols; ++c) {
      const number tap(h[static_cast<std::size_t>(r * size.cols + c)]);
      if (tap == number{}) continue;
      std::int64_t from_row = row - r;
      std::int64_t from_col = col - c;
      number turn = 1;
      if (from_row < 0) turn *= number(0, 1), from_row += size.rows;
      if (from_col < 0) turn *= number(0, 1), from_col += size.cols;
      sum += turn * tap * number(x[static_cast<std::size_t>(from_row * size.cols + from_col)]);
    }
  return sum;
}

template <class T>
class transforms : public testing::Test {};
using types = testing::Types<float, double>;
TYPED_TEST_SUITE(transforms, types);

TYPED_TEST(transforms, of_every_size_multiply_polynomials) {
  using T = TypeParam;
  constexpr real u = std::is_same_v<T, float> ? 0x1p-24L : 0x1p-53L;
  std::mt19937 engine(7);
  std::uniform_real_distribution<T> any(-1, 1);
  for (const simd::kernels* level : levels()) {
    const simd::fft<T>& passes = passes_of<T>(*level);
    for (const fft_size size : sizes(passes.lanes, 1 << 15)) {
      const auto n = static_cast<std::size_t>(size.points());
      std::vector<std::complex<T>> x(n);
      for (auto& v : x) v = {any(engine), any(engine)};
      // As many taps as a point can be summed from in a moment, anywhere.
      std::vector<std::complex<T>> h(n);
      real norm1 = 0;
      real norm2 = 0;
      for (int k = 0; k < 60; ++k) {
        auto& tap = h[engine() % n];
        if (tap != std::complex<T>{}) continue;
        tap = {any(engine), any(engine)};
        norm1 += std::abs(number(tap));
        norm2 += std::norm(number(tap));
      }
      const T scale = static_cast<T>(0.25);
      const std::vector<number> y = convolved(passes, size, x, h, scale);
      const real largest = std::sqrt(real{2});
      const real bound =
          fft_error(size, passes.lanes, static_cast<double>(std::sqrt(norm2) / norm1),
                    static_cast<double>(u), 1);
      for (int i = 0; i < 40; ++i) {
        const std::size_t at = i == 0 ? 0 : i == 1 ? n - 1 : engine() % n;
        const auto row = static_cast<std::int64_t>(at) / size.cols;
        const auto col = static_cast<std::int64_t>(at) % size.cols;
        const number expected = product_at(size, x, h, row, col);
        const real error = std::abs(y[at] - expected) / (norm1 * largest);
        // Random data stay far below the bound: that of random roundings is a few u.
        ASSERT_LE(error, std::min(bound, 8 * u))
            << level->name << ", " << size.rows << " x " << size.cols << ", point " << at;
      }
    }
  }
}

// Where a bound for norms is reached: data that are all alike, that ring at one frequency, with filters that have one
// tap or all of them alike.
TYPED_TEST(transforms, err_less_than_the_bound) {
  using T = TypeParam;
  constexpr double u = std::is_same_v<T, float> ? 0x1p-24 : 0x1p-53;
  std::mt19937 engine(11);
  std::uniform_real_distribution<double> any(-1, 1);
  double closest = 0;
  for (const simd::kernels* level : levels()) {
    const simd::fft<T>& passes = passes_of<T>(*level);
    for (const fft_size size : sizes(passes.lanes, 1 << 10)) {
      const auto n = static_cast<std::size_t>(size.points());
      for (int kind = 0; kind < 40; ++kind) {
        std::vector<std::complex<T>> x(n);
        std::vector<std::complex<T>> h(n);
        const auto fill = [&](std::vector<std::complex<T>>& v, int how, std::size_t count) {
          const double turn = any(engine);
          for (std::size_t j = 0; j < count; ++j) {
            const double angle = turn * static_cast<double>(j) * 3;
            switch (how) {
              case 0: v[j] = {T{1}, T{1}}; break;
              case 1:
                v[j] = {static_cast<T>(std::cos(angle)), static_cast<T>(std::sin(angle))};
                break;
              case 2:
                v[j] = {any(engine) > 0 ? T{1} : T{-1}, any(engine) > 0 ? T{1} : T{-1}};
                break;
              case 3: v[j] = {static_cast<T>(any(engine)), static_cast<T>(any(engine))}; break;
              default: v[j] = j % 7 == 0 ? std::complex<T>(T{1}, T{0}) : std::complex<T>(); break;
            }
          }
        };
        fill(x, kind % 5, n);
        fill(h, kind / 5 % 4, kind / 20 == 0 ? std::size_t{1} + engine() % 3 : n / 3);
        real norm1 = 0;
        real norm2 = 0;
        real largest = 0;
        for (const auto& tap : h) norm1 += std::abs(number(tap)), norm2 += std::norm(number(tap));
        for (const auto& v : x) largest = std::max(largest, std::abs(number(v)));
        const double bound =
            fft_error(size, passes.lanes, static_cast<double>(std::sqrt(norm2) / norm1), u, 1);
        const std::vector<number> y = convolved(passes, size, x, h, T{1});
        for (int i = 0; i < 6; ++i) {
          const std::size_t at = engine() % n;
          const number expected = product_at(size, x, h, static_cast<std::int64_t>(at) / size.cols,
                                             static_cast<std::int64_t>(at) % size.cols);
          const auto error = static_cast<double>(std::abs(y[at] - expected) / (norm1 * largest));
          closest = std::max(closest, error / bound);
          ASSERT_LE(error, bound) << level->name << ", " << size.rows << " x " << size.cols
                                  << ", kind " << kind << ", point " << at;
        }
      }
    }
  }
  testing::Test::RecordProperty("largest_error_over_bound", std::to_string(closest));
}

TYPED_TEST(transforms, know_what_sizes_there_are) {
  const int lanes = passes_of<TypeParam>(simd::baseline).lanes;
  EXPECT_FALSE(is_fft_size({1, 0}, lanes));
  EXPECT_FALSE(is_fft_size({1, 3 * 64}, lanes));
  EXPECT_FALSE(is_fft_size({2, 1024}, lanes));
  EXPECT_FALSE(is_fft_size({4, lanes}, lanes));
  EXPECT_TRUE(is_fft_size({1, 1024}, lanes));
  EXPECT_TRUE(is_fft_size({4, 1024}, lanes));
}

TYPED_TEST(transforms, find_the_largest_magnitude) {
  using T = TypeParam;
  for (const simd::kernels* level : levels()) {
    const auto magnitude = passes_of<T>(*level).magnitude;
    std::vector<T> x(37);
    EXPECT_EQ(magnitude(x.data(), 37), T{0});
    EXPECT_EQ(magnitude(x.data(), 0), T{0});
    for (std::size_t i = 0; i < x.size(); ++i) {
      std::fill(x.begin(), x.end(), T{1});
      x[i] = T{-3};
      EXPECT_EQ(magnitude(x.data(), 37), T{3});
      x[i] = std::numeric_limits<T>::denorm_min();
      EXPECT_EQ(magnitude(x.data() + i, 1), std::numeric_limits<T>::denorm_min());
      for (const T bad :
           {std::numeric_limits<T>::quiet_NaN(), -std::numeric_limits<T>::quiet_NaN(),
            std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()}) {
        x[i] = bad;
        EXPECT_EQ(magnitude(x.data(), 37), std::numeric_limits<T>::infinity());
      }
    }
  }
}

// Taps that are not zero, each in one rectangle.
TEST(marks, take_taps_apart) {
  std::mt19937 engine(3);
  for (int i = 0; i < 300; ++i) {
    const auto pick = [&](std::int64_t most) {
      return 1 + static_cast<std::int64_t>(engine()) % most;
    };
    const detail::axis row{.taps = pick(6), .dilation = pick(2)};
    const detail::axis col{.taps = pick(7), .dilation = pick(2)};
    std::vector<double> taps(static_cast<std::size_t>(row.taps * col.taps));
    for (double& t : taps) t = engine() % 4 == 0 ? 0 : 1;
    std::vector<int> seen(static_cast<std::size_t>(row.reach() * col.reach()));
    for (const tap_rectangle& t : rectangles_of(taps, row, col))
      for (std::int64_t r = t.top; r <= t.bottom; ++r)
        for (std::int64_t c = t.left; c <= t.right; ++c)
          ++seen[static_cast<std::size_t>(r * col.reach() + c)];
    std::vector<int> expected(seen.size());
    for (std::int64_t k = 0; k < row.taps; ++k)
      for (std::int64_t l = 0; l < col.taps; ++l)
        expected[static_cast<std::size_t>(k * row.dilation * col.reach() + l * col.dilation)] =
            taps[static_cast<std::size_t>(k * col.taps + l)] != 0;
    ASSERT_EQ(seen, expected) << i;
  }
}

}  // namespace
}  // namespace convgpu::cpu
