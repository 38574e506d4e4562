// SPDX-License-Identifier: Apache-2.0
// cuda/fft and cuda/overlap_save as plans: where there is no cuFFT, workspaces and caps on them, devices with little
// shared memory, and bits that do not depend on how data comes.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cuda_on_host.hpp>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cuda_plan.hpp"
#include "problems.hpp"

// Behind those that have other things called `size`.
#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

class cuda_fft : public on_cuda {};

std::vector<float> random(std::int64_t count, unsigned seed) {
  dice d(seed);
  std::vector<float> v(static_cast<std::size_t>(count));
  for (float& x : v) x = static_cast<float>(d.any_real());
  return v;
}

std::string refusal(const problem& p, const std::vector<float>& h, const options& how) {
  try {
    (void)plan(p, h, how);
    return {};
  } catch (const unsupported& reason) {
    return reason.what();
  }
}

TEST_F(cuda_fft, refuses_where_there_is_no_cufft) {
  const problem p{.in = extent(5000)};
  const std::vector<float> h = random(300, 1);
  EXPECT_EQ(refusal(p, h, {.algorithm = "cuda/fft"}), "");
  cuda_on_host::reset({.has_cufft = false});
  EXPECT_NE(refusal(p, h, {.algorithm = "cuda/fft"}).find("cuFFT not found: "), std::string::npos);
  EXPECT_EQ(refusal(p, h, {.algorithm = "cuda/overlap_save"}), "");
  const plan made(p, h, {.device = device::cuda(0)});
  EXPECT_NE(made.explain().find("cuFFT not found"), std::string::npos) << made.explain();
}

// Fewer blocks at once; what is too little for one is said with the least that would do.
TEST_F(cuda_fft, keeps_to_the_workspace_it_may_have) {
  const problem p{.in = extent(60'000)};
  const std::vector<float> h = random(700, 1);
  const std::vector<float> x = random(60'000, 2);
  const plan any(p, h, {.algorithm = "cuda/fft"});
  std::vector<float> expected(60'699);
  plan(p, h, {.algorithm = "cpu/direct"}).run(x, expected);
  for (const std::size_t parts : {1u, 2u, 3u, 7u}) {
    const std::size_t most = any.workspace_bytes() / parts + 500;
    const plan made(p, h, {.algorithm = "cuda/fft", .max_workspace = most});
    EXPECT_LE(made.workspace_bytes(), most);
    EXPECT_GT(made.workspace_bytes(), 0u);
    std::vector<float> y(expected.size());
    made.run(x, y);
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-3F) << parts;
  }
  const std::string words = refusal(p, h, {.algorithm = "cuda/fft", .max_workspace = 1000});
  EXPECT_NE(words.find("or more with cuda/fft"), std::string::npos) << words;
  EXPECT_EQ(refusal(p, h, {.device = device::cuda(0), .max_workspace = 1000}), "");
}

// However host data is cut, and whether it is of the host: blocks are those of the whole output.
TEST_F(cuda_fft, makes_the_same_bits_from_chunks_of_any_size) {
  struct sizes {
    extent in;
    extent taps;
  };
  for (const cuda_algorithm& a : cuda_algorithms()) {
    if (!a.wants_tolerance()) continue;
    for (const sizes& s : {sizes{extent(1, 9000), extent(1, 60)},
                           {{90, 140}, {9, 12}},
                           {{7, 3000}, {1, 70}},
                           {{3000, 1}, {70, 1}},
                           {{300, 40}, {50, 1}}}) {
      const std::vector<float> x = random(s.in.count(), 1);
      const std::vector<float> h = random(s.taps.count(), 2);
      complete_problem p({.in = s.in, .mode = mode::same, .border = border::mirror()},
                         view<const float>(h.data(), s.taps));
      p.how.tolerance = a.name == "mma" ? 2e-3 : 1e-4;
      ASSERT_EQ(a.refusal(p.request()), "");
      std::vector<float> expected(x.size());
      for (const std::size_t bytes : {std::size_t{1} << 20, std::size_t{5000}, std::size_t{777}}) {
        const auto made = cuda::make_runnable(p.request(), a.make, {bytes, 2});
        std::vector<float> y(x.size());
        made->run(view<const float>(x.data(), s.in), view<float>(y.data(), s.in), {}, {});
        if (bytes == std::size_t{1} << 20) expected = y;
        EXPECT_EQ(y, expected) << a.name << ", " << s.in.rows << " x " << s.in.cols << ", "
                               << bytes;
      }
      // A launch that wants a part of a block computes the block, and stores that part.
      const auto kernels = a.make(p.request());
      const device_array<float> in(x);
      device_array<float> out(x.size());
      out.set(std::vector<float>(x.size(), -1.0F));
      const device_array<std::byte> workspace(kernels->workspace_bytes() + 1);
      const detail::range rows{s.in.rows / 3, s.in.rows / 3 + (s.in.rows + 2) / 3};
      const detail::range cols{s.in.cols / 4, s.in.cols / 4 + (s.in.cols + 2) / 3};
      kernels->launch({.in = {in.data(), dtype::f32, {.row = s.in.cols, .col = 1}},
                       .out = {out.data(), dtype::f32, {.row = s.in.cols, .col = 1}},
                       .row = p.form.row,
                       .col = p.form.col,
                       .planes = 1,
                       .rows = rows,
                       .cols = cols,
                       .border = border_kind::mirror,
                       .policy = overflow::saturate,
                       .outside_re = 0,
                       .outside_im = 0},
                      workspace.data(), nullptr);
      works(cudaDeviceSynchronize());
      const std::vector<float> part = out.values();
      for (std::int64_t r = 0; r < s.in.rows; ++r)
        for (std::int64_t c = 0; c < s.in.cols; ++c) {
          const auto i = static_cast<std::size_t>(r * s.in.cols + c);
          const bool wanted = r >= rows.first && r < rows.last && c >= cols.first && c < cols.last;
          ASSERT_EQ(part[i], wanted ? expected[i] : -1.0F) << a.name << ", " << r << ", " << c;
        }
    }
  }
}

// Samples go to bins once for all filters of a channel, unless these are of very different norms.
TEST_F(cuda_fft, shares_bins_among_the_filters_of_a_channel) {
  const auto run = [](float least, extent in, extent taps, std::int64_t filters, bool bad) {
    const problem p{.in = in,
                    .filter = taps,
                    .planes = 2,
                    .channels = 2,
                    .filters = 2 * filters,
                    .groups = 2,
                    .mode = mode::same,
                    .border = border::mirror()};
    std::vector<float> h = random(p.filters * taps.count(), 1);
    const auto first = static_cast<std::size_t>(taps.count());
    for (std::size_t i = 0; i < first; ++i) h[i] *= least;
    for (std::size_t i = first; i < h.size(); i += 3) h[i] = 0;
    std::vector<float> x = random(p.planes * p.channels * in.count(), 2);
    if (bad) x[x.size() / 3] = std::numeric_limits<float>::infinity();
    const view<const float> of_all(h.data(), taps, p.filters, 1, dense(taps, 1));
    std::vector<float> expected(static_cast<std::size_t>(p.planes * p.filters * in.count()));
    plan(p, of_all, {.algorithm = "cpu/reference"}).run(x, expected);
    const plan by(p, of_all, {.algorithm = "cuda/fft", .tolerance = 1e-4});
    const device_array<float> from(x);
    const device_array<float> to(std::vector<float>(expected.size()));
    const std::size_t before = cuda_on_host::launches().size();
    by.run(device_view<const float>(from.data(), in, 2, 2, dense(in, 2)),
           device_view<float>(to.data(), in, 2, p.filters, dense(in, p.filters)));
    works(cudaDeviceSynchronize());
    const std::size_t launches = cuda_on_host::launches().size() - before;
    std::vector<float> on_host(expected.size());
    by.run(x, on_host);
    const std::vector<float> y = to.values();
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto filter = static_cast<std::int64_t>(i) / in.count() % p.filters;
      const float near = 1e-3F * (filter == 0 ? least : 1);
      if (std::isfinite(expected[i])) {
        EXPECT_NEAR(y[i], expected[i], near) << i;
        EXPECT_NEAR(on_host[i], expected[i], near) << i;
      } else {
        EXPECT_FALSE(std::isfinite(y[i])) << i;
        EXPECT_FALSE(std::isfinite(on_host[i])) << i;
      }
      if (testing::Test::HasFailure()) break;
    }
    return std::pair(launches, by.describe().parameters);
  };
  for (const auto& [in, taps] : {std::pair(extent(1, 3000), extent(1, 70)),
                                 {extent(60, 50), extent(9, 12)},
                                 {extent(300, 3), extent(50, 1)}}) {
    const auto [together, words] = run(0.01F, in, taps, 3, true);
    const auto [apart, other_words] = run(1e-9F, in, taps, 3, false);
    EXPECT_NE(words.find("bins of each channel for 3 filters"), std::string::npos) << words;
    EXPECT_NE(other_words.find("one after the other"), std::string::npos) << other_words;
    EXPECT_LT(together, apart);
    const std::string depthwise = run(1, in, taps, 1, true).second;
    EXPECT_NE(depthwise.find("bins of each channel for 1 filter"), std::string::npos) << depthwise;
  }
}

// Blocks are chosen by what the device has.
TEST_F(cuda_fft, fits_blocks_into_the_shared_memory_there_is) {
  const problem p{.in = extent(100'000)};
  const std::vector<float> h = random(3000, 1);
  const std::vector<float> x = random(100'000, 2);
  std::vector<float> expected(102'999);
  plan(p, h, {.algorithm = "cpu/overlap_save"}).run(x, expected);
  for (const std::size_t kib : {48u, 64u, 99u, 227u}) {
    cuda_on_host::machine small;
    small.device.sharedMemPerBlockOptin = kib * 1024;
    cuda_on_host::reset(small);
    const plan made(p, h, {.algorithm = "cuda/overlap_save"});
    std::vector<float> y(expected.size());
    made.run(x, y);
    for (std::size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-2F) << kib;
    for (const cuda_on_host::launch_record& l : cuda_on_host::launches())
      EXPECT_LE(l.dynamic_shared, kib * 1024);
  }
  const std::string words =
      refusal({.in = extent(100'000)}, random(40'000, 1), {.algorithm = "cuda/overlap_save"});
  EXPECT_NE(words.find("too many for a block"), std::string::npos) << words;
}

// Integers come out as they are, or not at all.
TEST_F(cuda_fft, is_no_algorithm_for_integer_filters) {
  const std::vector<std::int16_t> h(400, 3);
  const problem p{.in = extent(5000), .types = {.in = dtype::i16}};
  EXPECT_THROW(plan(p, h, {.algorithm = "cuda/fft"}), unsupported);
  EXPECT_TRUE(plan(p, h, {.algorithm = "cuda/overlap_save"}).describe().exact_on_integers);
}

// Long filters are for transforms, and what is predicted says so.
TEST_F(cuda_fft, is_chosen_for_long_filters) {
  const auto chosen = [](extent in, extent taps) {
    const std::vector<float> h = random(taps.count(), 1);
    return plan({.in = in, .filter = taps, .mode = mode::same}, h,
                {.device = device::cuda(0), .data = memory::device})
        .describe()
        .algorithm;
  };
  EXPECT_EQ(chosen({1, 1 << 24}, {1, 9}), "cuda/direct");
  EXPECT_EQ(chosen({1, 1 << 24}, {1, 1000}), "cuda/overlap_save");
  EXPECT_EQ(chosen({1, 1 << 24}, {1, 100'000}), "cuda/fft");
  EXPECT_EQ(chosen({4096, 4096}, {5, 5}), "cuda/direct");
  EXPECT_EQ(chosen({4096, 4096}, {31, 31}), "cuda/overlap_save");
  EXPECT_EQ(chosen({4096, 4096}, {301, 301}), "cuda/fft");
}

}  // namespace
}  // namespace convgpu::test
