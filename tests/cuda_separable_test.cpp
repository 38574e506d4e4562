// SPDX-License-Identifier: Apache-2.0
// When cuda/separable is taken, and when not. What it computes is the agreement suite's matter.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cmath>
#include <cuda_on_host.hpp>
#include <string>
#include <utility>
#include <vector>

namespace convgpu::test {
namespace {

template <class T>
std::vector<T> gaussian(int taps) {
  std::vector<T> h;
  for (int k = 0; k < taps; ++k)
    for (int l = 0; l < taps; ++l) {
      const double y = (k - taps / 2) * 5.0 / taps;
      const double x = (l - taps / 2) * 5.0 / taps;
      h.push_back(static_cast<T>(std::exp(-(x * x + y * y) / 2)));
    }
  return h;
}

template <class T>
description chosen(const std::vector<T>& taps, extent size, dtype in, options how = {}) {
  how.device = device::cuda(0);
  const problem p{.in = {200, 300}, .types = {.in = in}, .mode = mode::same};
  return plan(p, view<const T>(taps.data(), size), how).describe();
}

/// What the first candidate was told.
std::string reason(const description& d) {
  return d.candidates.front().reason;
}

TEST(cuda_separable, is_taken_for_a_gaussian) {
  for (const int taps : {7, 15, 31, 63}) {
    const description d = chosen(gaussian<float>(taps), {taps, taps}, dtype::f32);
    EXPECT_EQ(d.algorithm, "cuda/separable") << taps;
    EXPECT_EQ(d.workspace_bytes, 0u) << taps;
    EXPECT_FALSE(d.exact_on_integers);
    EXPECT_NE(d.parameters.find("fused"), std::string::npos) << d.parameters;
  }
  EXPECT_EQ(chosen(gaussian<double>(9), {9, 9}, dtype::u8).algorithm, "cuda/separable");
}

TEST(cuda_separable, leaves_few_taps_to_one_pass) {
  const description d = chosen(gaussian<float>(5), {5, 5}, dtype::f32);
  EXPECT_EQ(d.algorithm, "cuda/direct");
  EXPECT_NE(reason(d).find("the time of cuda/direct by prediction"), std::string::npos)
      << reason(d);
}

TEST(cuda_separable, takes_two_passes_for_long_filters) {
  const description d = chosen(gaussian<float>(65), {65, 65}, dtype::f32);
  EXPECT_EQ(d.algorithm, "cuda/separable");
  EXPECT_GE(d.workspace_bytes, std::size_t{200 + 64} * 300 * sizeof(float));
  EXPECT_NE(d.parameters.find("two passes"), std::string::npos) << d.parameters;
}

TEST(cuda_separable, keeps_to_the_shared_memory_that_a_device_has) {
  cuda_on_host::machine turing;
  turing.device.major = 7;
  turing.device.minor = 5;
  turing.device.sharedMemPerBlockOptin = 64 * 1024;
  cuda_on_host::reset(turing);
  for (const auto& [taps, way] : {std::pair(31, "fused"), {45, "fused"}, {63, "two passes"}}) {
    const description d = chosen(gaussian<double>(taps), {taps, taps}, dtype::f64);
    EXPECT_NE(d.parameters.find(way), std::string::npos) << taps << ": " << d.parameters;
  }
  cuda_on_host::reset();
}

TEST(cuda_separable, is_exact_where_its_factors_are) {
  const std::vector<float> box(49, 2);
  EXPECT_TRUE(chosen(box, {7, 7}, dtype::f32).exact_on_integers);
  EXPECT_EQ(chosen(box, {7, 7}, dtype::f32).algorithm, "cuda/separable");
  EXPECT_EQ(chosen(std::vector<std::uint8_t>(49, 2), {7, 7}, dtype::u8).algorithm,
            "cuda/separable");
}

TEST(cuda_separable, refuses_what_is_no_product) {
  std::vector<float> h = gaussian<float>(9);
  for (std::size_t i = 0; i < 81; i += 10) h[i] *= 2;  // of rank 9
  EXPECT_EQ(reason(chosen(h, {9, 9}, dtype::f32)),
            "its filter is no product of a column and a row");
  EXPECT_EQ(reason(chosen(gaussian<float>(9), {1, 81}, dtype::f32)),
            "its filter has one row or one column");
}

TEST(cuda_separable, is_as_good_as_direct_summation_or_refuses) {
  // Rounded to f32, the filter is a product to f32's precision, not to that of sums in f64.
  const description strict = chosen(gaussian<float>(9), {9, 9}, dtype::u8);
  EXPECT_EQ(strict.algorithm, "cuda/direct");
  EXPECT_NE(reason(strict).find("options.tolerance"), std::string::npos) << reason(strict);
  EXPECT_EQ(chosen(gaussian<float>(9), {9, 9}, dtype::u8, {.tolerance = 1e-6}).algorithm,
            "cuda/separable");

  // None at all allowed: products are summed directly, or their factors exact integers.
  EXPECT_EQ(chosen(gaussian<float>(9), {9, 9}, dtype::f32, {.tolerance = 0}).algorithm,
            "cuda/direct");
  EXPECT_EQ(chosen(std::vector<std::uint8_t>(49, 2), {7, 7}, dtype::u8, {.tolerance = 0}).algorithm,
            "cuda/separable");
}

TEST(cuda_separable, refuses_factors_that_f32_cannot_hold) {
  std::vector<float> h;
  for (int k = 0; k < 7; ++k)
    for (int l = 0; l < 7; ++l) h.push_back(std::ldexp(1.0F, -20 * k - l));
  EXPECT_EQ(chosen(h, {7, 7}, dtype::f32).algorithm, "cuda/separable");
  h.clear();
  for (int k = 0; k < 7; ++k)
    for (int l = 0; l < 7; ++l) h.push_back(std::ldexp(1.0F, 100 - 35 * k - l));
  EXPECT_EQ(reason(chosen(h, {7, 7}, dtype::f32)), "its factors are out of the range of f32");
}

/// A difference of Gaussians, which is of rank 2.
template <class T>
std::vector<T> hat(int taps) {
  std::vector<T> h = gaussian<T>(taps);
  for (T& tap : h) tap -= static_cast<T>(0.37 * std::pow(static_cast<double>(tap), 0.4));
  return h;
}

TEST(cuda_separable, takes_sums_of_columns_times_rows) {
  for (const int taps : {15, 31, 63}) {
    const description d = chosen(hat<float>(taps), {taps, taps}, dtype::f32);
    EXPECT_EQ(d.algorithm, "cuda/separable") << taps;
    EXPECT_EQ(d.workspace_bytes, 0u) << taps;
    EXPECT_FALSE(d.exact_on_integers);
    EXPECT_EQ(d.parameters.find("rank 2, off by "), 0u) << d.parameters;
  }
  EXPECT_EQ(chosen(hat<double>(15), {15, 15}, dtype::u8).algorithm, "cuda/separable");
  EXPECT_NE(chosen(hat<float>(15), {15, 15}, dtype::f32, {.tolerance = 0}).algorithm,
            "cuda/separable");
}

TEST(cuda_separable, says_why_it_takes_no_longer_sums) {
  EXPECT_NE(reason(chosen(hat<float>(65), {65, 65}, dtype::f32)).find("up to 64 taps each"),
            std::string::npos);
  EXPECT_NE(reason(chosen(hat<double>(64), {64, 64}, dtype::f64)).find("bytes of shared memory"),
            std::string::npos);
}

}  // namespace
}  // namespace convgpu::test
