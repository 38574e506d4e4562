// SPDX-License-Identifier: Apache-2.0
// The stages of cuda/transform.hpp: that each takes every point once, and that they find what a polynomial is at the
// roots of x^n − i, by way of the index functions that the kernels use.

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>
#include <set>
#include <vector>

#include "cuda/overlap_save.hpp"
#include "cuda/transform.hpp"
#include "cuda/tuning.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

using complex = std::complex<long double>;

std::vector<cuda::transform_size> sizes() {
  constexpr cuda::overlap_save_sizes s;
  std::vector<cuda::transform_size> all;
  for (int points = s.fewest; points <= s.most; points *= 2) {
    all.push_back({1, points});
    for (int cols = s.narrowest; cols <= s.widest; cols *= 2) all.push_back({points / cols, cols});
  }
  return all;
}

std::vector<complex> spectrum(cuda::transform_size size, const std::vector<complex>& points) {
  std::vector<complex> found;
  for (const auto& value : cuda::spectrum_of<double>(size, points))
    found.emplace_back(static_cast<long double>(value.re) * size.points(),
                       static_cast<long double>(value.im) * size.points());
  return found;
}

/// The root of x^n − i that this is, as k in e^(2πi·(4k+1)/(4n)).
int root_of(complex value, int n, int at) {
  const long double turn = std::arg(value) / (2 * std::numbers::pi_v<long double>);
  const long double k = turn * n - 0.25L;
  EXPECT_NEAR(static_cast<double>(k), static_cast<double>(std::round(k)), 1e-9) << at;
  EXPECT_NEAR(static_cast<double>(std::abs(value)), 1, 1e-12) << at;
  return (static_cast<int>(std::lround(k)) % n + n) % n;
}

TEST(cuda_transform, finds_values_at_the_roots) {
  dice d(1);
  for (const cuda::transform_size size : sizes()) {
    const auto n = static_cast<std::size_t>(size.points());
    std::vector<complex> x(n);
    std::vector<complex> y(n);
    x[1] = 1;
    if (size.rows > 1) y[static_cast<std::size_t>(size.cols)] = 1;
    const std::vector<complex> of_x = spectrum(size, x);
    const std::vector<complex> of_y = spectrum(size, y);
    std::vector<complex> random(n);
    for (complex& z : random) z = {d.any_real(), d.any_real()};
    const std::vector<complex> found = spectrum(size, random);
    std::set<std::pair<int, int>> roots;
    for (std::size_t i = 0; i < n; ++i) {
      const int col = root_of(of_x[i], size.cols, static_cast<int>(i));
      const int row = size.rows == 1 ? 0 : root_of(of_y[i], size.rows, static_cast<int>(i));
      roots.insert({row, col});
      ASSERT_FALSE(HasFailure()) << size.rows << " x " << size.cols;
      if (i % 97 != 0) continue;  // all of them would be n² products
      complex sum = 0;
      const auto at = [](int k, int exponent, int of) {
        const long double turn =
            static_cast<long double>((std::int64_t{4} * k + 1) * exponent % (4 * of)) / (4 * of);
        return std::polar(1.0L, 2 * std::numbers::pi_v<long double> * turn);
      };
      for (int r = 0; r < size.rows; ++r) {
        complex of_row = 0;
        for (int c = 0; c < size.cols; ++c)
          of_row += random[static_cast<std::size_t>(r * size.cols + c)] * at(col, c, size.cols);
        sum += of_row * (size.rows == 1 ? complex(1) : at(row, r, size.rows));
      }
      ASSERT_LT(std::abs(found[i] - sum), 1e-12L * std::sqrt(static_cast<long double>(n)) * 20)
          << size.rows << " x " << size.cols << ", " << i;
    }
    EXPECT_EQ(roots.size(), n) << "each root once";
  }
}

template <class T>
void expect_butterflies_to_take_all_points() {
  for (const cuda::transform_size size : sizes()) {
    const cuda::transform t = cuda::transform_of(size);
    ASSERT_EQ(1 << t.stages[t.count - 1].radix_bits, cuda::last_radix);
    ASSERT_EQ(t.stages[t.count - 1].part_bits, 0);
    ASSERT_EQ(cuda::roots_of<T>(size).size(), static_cast<std::size_t>(t.roots));
    for (int i = 0; i < t.count; ++i) {
      const cuda::stage& s = t.stages[i];
      std::vector<int> taken(static_cast<std::size_t>(t.points));
      for (int b = 0; b < t.points >> s.radix_bits; ++b) {
        const cuda::butterfly at = cuda::butterfly_at<T>(b, s.radix_bits, s.part_bits);
        EXPECT_EQ(at.first >> (s.radix_bits + s.part_bits), at.node);
        for (int q = 0; q < 1 << s.radix_bits; ++q) {
          const int point = at.first + (q << s.part_bits);
          ++taken.at(static_cast<std::size_t>(point));
          // What kernels add to the place of the first one.
          ASSERT_EQ(cuda::place<T>(point),
                    cuda::place<T>(at.first) + cuda::place<T>(q << s.part_bits));
        }
      }
      for (const int times : taken) ASSERT_EQ(times, 1);
    }
  }
}
TEST(cuda_transform, takes_every_point_once) {
  expect_butterflies_to_take_all_points<float>();
  expect_butterflies_to_take_all_points<double>();
}

TEST(cuda_transform, keeps_samples_and_points_in_the_same_places) {
  for (const cuda::transform_size size : sizes()) {
    const int n = size.points();
    // The second half of real samples is the imaginary parts.
    EXPECT_EQ(cuda::place<float>(n + 77), cuda::place<float>(n) + cuda::place<float>(77));
    EXPECT_EQ(cuda::place<double>(n + 77), cuda::place<double>(n) + cuda::place<double>(77));
    EXPECT_GE(cuda::place<float>(2 * n), cuda::place<float>(2 * n - 1) + 1);
  }
}

}  // namespace
}  // namespace convgpu::test
