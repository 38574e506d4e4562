// SPDX-License-Identifier: Apache-2.0
// cpu/overlap_save beside FFTW, which transforms all of a problem at once: as exact, and the same result.

#include <fftw3.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/convgpu.hpp>
#include <cstdint>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {
namespace {

/// FFTW's names for a type.
template <class T>
struct fftw_of;
template <>
struct fftw_of<float> {
  using complex = fftwf_complex;
  static constexpr auto there = fftwf_plan_dft_r2c_2d;
  static constexpr auto back = fftwf_plan_dft_c2r_2d;
  static constexpr auto execute = fftwf_execute;
  static constexpr auto destroy = fftwf_destroy_plan;
};
template <>
struct fftw_of<double> {
  using complex = fftw_complex;
  static constexpr auto there = fftw_plan_dft_r2c_2d;
  static constexpr auto back = fftw_plan_dft_c2r_2d;
  static constexpr auto execute = fftw_execute;
  static constexpr auto destroy = fftw_destroy_plan;
};

template <class T>
class transforms {
 public:
  explicit transforms(extent size)
      : size_(size),
        real_(static_cast<std::size_t>(size.count())),
        points_(static_cast<std::size_t>(size.rows * (size.cols / 2 + 1))) {}

  std::vector<std::complex<T>> there(const std::vector<T>& x, extent in) {
    std::fill(real_.begin(), real_.end(), T{});
    for (std::int64_t i = 0; i < in.rows; ++i)
      std::copy_n(x.begin() + i * in.cols, in.cols, real_.begin() + i * size_.cols);
    run(f::there(rows(), cols(), real_.data(), complex(), FFTW_ESTIMATE));
    return points_;
  }
  std::vector<T> back(const std::vector<std::complex<T>>& points) {
    points_ = points;
    run(f::back(rows(), cols(), complex(), real_.data(), FFTW_ESTIMATE));
    for (T& v : real_) v /= static_cast<T>(size_.count());
    return real_;
  }

 private:
  using f = fftw_of<T>;
  template <class Plan>
  static void run(Plan made) {
    f::execute(made);
    f::destroy(made);
  }
  [[nodiscard]] int rows() const { return static_cast<int>(size_.rows); }
  [[nodiscard]] int cols() const { return static_cast<int>(size_.cols); }
  typename f::complex* complex() { return reinterpret_cast<typename f::complex*>(points_.data()); }

  extent size_;
  std::vector<T> real_;
  std::vector<std::complex<T>> points_;
};

template <class T>
std::vector<T> full_by_fftw(const std::vector<T>& x, extent in, const std::vector<T>& h,
                            extent taps) {
  transforms<T> all({in.rows + taps.rows - 1, in.cols + taps.cols - 1});
  auto product = all.there(x, in);
  const auto spectrum = all.there(h, taps);
  for (std::size_t i = 0; i < product.size(); ++i) product[i] *= spectrum[i];
  return all.back(product);
}

template <class T>
std::vector<T> full_by_blocks(const std::vector<T>& x, extent in, const std::vector<T>& h,
                              extent taps) {
  constexpr dtype type = dtype_of<T>;
  const plan made({.in = in, .filter = taps, .types = {type, type, type}, .mode = mode::full}, h,
                  {.algorithm = "cpu/overlap_save", .tolerance = 1});
  std::vector<T> y(static_cast<std::size_t>(made.output_extent().count()));
  made.run(x, y);
  return y;
}

template <class T>
std::vector<T> random(extent size, unsigned seed) {
  dice d(seed);
  std::vector<T> v(static_cast<std::size_t>(size.count()));
  for (T& x : v) x = static_cast<T>(static_cast<float>(d.any_real()));
  return v;
}
double distance(const std::vector<float>& y, const std::vector<double>& expected) {
  double most = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(y[i]) - expected[i]));
  return most;
}

TEST(fftw, is_no_more_exact) {
  struct sizes {
    extent in;
    extent taps;
  };
  for (const auto& [in, taps] :
       {sizes{{1, 5000}, {1, 64}}, sizes{{1, 60'000}, {1, 4096}}, sizes{{1, 9000}, {1, 8000}},
        sizes{{100, 120}, {15, 15}}, sizes{{300, 200}, {63, 31}}, sizes{{130, 130}, {125, 129}}}) {
    const std::vector<float> x = random<float>(in, 1);
    const std::vector<float> h = random<float>(taps, 2);
    // The same numbers, in twice the digits.
    const std::vector<double> wide_x(x.begin(), x.end());
    const std::vector<double> wide_h(h.begin(), h.end());
    const std::vector<double> exact = full_by_fftw(wide_x, in, wide_h, taps);
    const double of_fftw = distance(full_by_fftw(x, in, h, taps), exact);
    EXPECT_LT(distance(full_by_blocks(x, in, h, taps), exact), 2 * of_fftw) << taps.count();
    const std::vector<double> ours = full_by_blocks(wide_x, in, wide_h, taps);
    for (std::size_t i = 0; i < ours.size(); ++i)
      ASSERT_NEAR(ours[i], exact[i], 1e-6 * of_fftw) << taps.count() << " taps, output " << i;
  }
}

}  // namespace
}  // namespace convgpu::test
