// SPDX-License-Identifier: Apache-2.0
// cuda/gemm as plans: where there is no cuBLAS, caps on its workspace, streams and graphs, and what is chosen.

#include <limits>
#include <random>

#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

class cuda_gemm : public on_cuda {};

floats whole_numbers(std::int64_t count, unsigned seed) {
  std::mt19937 engine(seed);
  floats all(static_cast<std::size_t>(count));
  for (float& x : all) x = static_cast<float>(engine() % 7) - 3;
  return all;
}

/// A layer of a network, and what the definition makes of it.
struct layer {
  explicit layer(std::int64_t groups = 1, bool zero_taps = false)
      : p{.in = {13, 17},
          .filter = {3, 3},
          .planes = 4,
          .channels = 8,
          .filters = 12,
          .groups = groups,
          .types = {dtype::f32, dtype::f32, dtype::f32},
          .op = operation::correlation,
          .mode = mode::same,
          .stride = {2, 1}},
        x(whole_numbers(p.in.count() * 32, 1)),
        h(whole_numbers(12 * (8 / groups) * 9, 2)) {
    if (!zero_taps)
      for (float& tap : h) tap = tap == 0 ? 1 : tap;
    expected = made({.algorithm = "cpu/reference"});
  }

  [[nodiscard]] view<const float> taps() const {
    const std::int64_t of_group = p.channels / p.groups;
    return {h.data(), p.filter, p.filters, of_group, dense(p.filter, of_group)};
  }
  [[nodiscard]] std::size_t outputs() const {
    return static_cast<std::size_t>(output_extent(p).count() * p.planes * p.filters);
  }
  [[nodiscard]] floats made(const options& how) const {
    floats y(outputs());
    plan(p, taps(), how).run(x, y);
    return y;
  }
  [[nodiscard]] device_view<const float> input(const device_array<float>& from) const {
    return {from.data(), p.in, p.planes, p.channels, dense(p.in, p.channels)};
  }
  [[nodiscard]] device_view<float> output(const device_array<float>& to) const {
    const extent out = output_extent(p);
    return {to.data(), out, p.planes, p.filters, dense(out, p.filters)};
  }

  problem p;
  floats x;
  floats h;
  floats expected;
};

std::string refusal(const problem& p, const view<const float>& taps, const options& how) {
  try {
    (void)plan(p, taps, how);
    return {};
  } catch (const unsupported& reason) {
    return reason.what();
  }
}

#if defined(CUDA_ON_HOST)
TEST_F(cuda_gemm, refuses_where_there_is_no_cublas) {
  const layer one;
  cuda_on_host::reset({.has_cublas = false});
  EXPECT_NE(refusal(one.p, one.taps(), {.algorithm = "cuda/gemm"}).find("cuBLAS not found: "),
            std::string::npos);
  const plan other(one.p, one.taps(), {.device = device::cuda(0)});
  EXPECT_EQ(other.describe().algorithm, "cuda/plain");
  EXPECT_NE(other.explain().find("cuBLAS not found"), std::string::npos);
}
#endif

// In tiles of any size, of all groups or of one; what is too little is said with the least that would do.
TEST_F(cuda_gemm, keeps_to_the_workspace_it_may_have) {
  for (const std::int64_t groups : {1, 2, 4}) {
    const layer one(groups);
    const std::size_t all = plan(one.p, one.taps(), {.algorithm = "cuda/gemm"}).workspace_bytes();
    EXPECT_LE(all, std::size_t{64} << 20);
    for (const std::size_t part : {1, 2, 3, 5}) {
      const std::size_t most = part == 5 ? 80'000 : all / part;
      const options how{.algorithm = "cuda/gemm", .max_workspace = most};
      EXPECT_LE(plan(one.p, one.taps(), how).workspace_bytes(), most);
      EXPECT_EQ(one.made(how), one.expected) << groups << ", " << most;
    }
    const std::string words =
        refusal(one.p, one.taps(), {.algorithm = "cuda/gemm", .max_workspace = 20'000});
    EXPECT_NE(words.find("or more with cuda/gemm"), std::string::npos) << words;
  }
}

TEST_F(cuda_gemm, refuses_filters_too_large_for_a_few_outputs) {
  const problem p{.in = {1, 10},
                  .filter = {1, 300'000},
                  .channels = 2,
                  .types = {dtype::f32, dtype::f32, dtype::f32}};
  const floats h(600'000, 1);
  const std::string words =
      refusal(p, {h.data(), p.filter, 1, 2, dense(p.filter, 2)}, {.algorithm = "cuda/gemm"});
  EXPECT_NE(words.find("600000 taps"), std::string::npos) << words;
}

TEST_F(cuda_gemm, sums_again_what_zero_taps_must_not_see) {
  for (const std::int64_t groups : {1, 2}) {
    layer one(groups, true);
    one.x[100] = std::numeric_limits<float>::quiet_NaN();
    one.x[1500] = std::numeric_limits<float>::infinity();
    const floats expected = one.made({.algorithm = "cpu/reference"});
    const floats found = one.made({.algorithm = "cuda/gemm"});
    int finite = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      finite += std::isfinite(expected[i]) ? 1 : 0;
      ASSERT_EQ(std::isfinite(found[i]), std::isfinite(expected[i])) << i;
      if (std::isfinite(expected[i])) {
        ASSERT_EQ(found[i], expected[i]) << i;
      }
    }
    EXPECT_LT(finite, std::ssize(found));
  }
}

// Patches of 16 bits are for matrix units, which cut off what they sum: not where no error is allowed, nor where the
// device has none for the type.
TEST_F(cuda_gemm, leaves_matrix_units_where_they_are_not_allowed) {
  const auto depth = [](dtype type, const options& how) {
    const std::vector<f16> halves(12 * 8 * 9, f16(1.0F));
    const std::vector<bf16> brains(12 * 8 * 9, bf16(1.0F));
    problem p = layer().p;
    p.types = {type, type, type};
    const void* const taps = type == dtype::f16 ? static_cast<const void*>(halves.data())
                                                : static_cast<const void*>(brains.data());
    p.channels = 9;  // 81 taps are filled up to 88
    p.filters = 10;
    return plan(p, any_const_view(taps, type, p.filter, 10, 9, dense(p.filter, 9)), how)
        .describe()
        .parameters;
  };
  for (const dtype type : {dtype::f16, dtype::bf16}) {
    EXPECT_TRUE(depth(type, {.algorithm = "cuda/gemm", .tolerance = 0})
                    .starts_with("patches of 81 numbers"));
    EXPECT_TRUE(depth(type, {.algorithm = "cuda/gemm", .tolerance = 1e-3})
                    .starts_with("patches of 88 numbers"));
  }
#if defined(CUDA_ON_HOST)
  cuda_on_host::machine older;
  older.device.major = 7;
  older.device.minor = 5;
  cuda_on_host::reset(older);
  EXPECT_TRUE(depth(dtype::f16, {.algorithm = "cuda/gemm"}).starts_with("patches of 88"));
  EXPECT_TRUE(depth(dtype::bf16, {.algorithm = "cuda/gemm"}).starts_with("patches of 81"));
#endif
}

// Of one sample a channel there are no patches where the input is a matrix as it lies, and no sums beside the output where
// that is one of their type.
TEST_F(cuda_gemm, takes_input_that_is_a_matrix_as_it_lies) {
  enum class order { planes, places, apart };  // apart: with room between the rows
  const auto run = [](std::int64_t groups, bool zero_taps, order from, order to) {
    layer one(groups, zero_taps);
    one.p.filter = {1, 1};
    one.p.stride = {1, 1};
    one.h.resize(static_cast<std::size_t>(12 * (8 / groups)));
    one.x[100] = zero_taps ? std::numeric_limits<float>::infinity() : 1;
    one.expected = one.made({.algorithm = "cpu/reference"});
    const auto step_of = [&](order o, std::int64_t channels) {
      if (o == order::planes) return dense(one.p.in, channels);
      if (o == order::places) return channels_last(one.p.in, channels);
      const std::int64_t row = one.p.in.cols + 3;
      const std::int64_t image = row * one.p.in.rows;
      return strides{.row = row, .col = 1, .plane = image * channels, .channel = image};
    };
    const auto elements = [&](std::int64_t channels) {
      return static_cast<std::size_t>((one.p.in.cols + 3) * one.p.in.rows * channels * 4);
    };
    const auto place = [&](strides s, std::int64_t channels, std::size_t i) {
      const auto n = static_cast<std::int64_t>(i);
      const std::int64_t cols = one.p.in.cols;
      const std::int64_t count = one.p.in.count();
      return static_cast<std::size_t>(n % cols * s.col + n / cols % one.p.in.rows * s.row +
                                      n / count % channels * s.channel +
                                      n / count / channels * s.plane);
    };
    const strides in_step = step_of(from, 8);
    const strides out_step = step_of(to, 12);
    floats x(elements(8));
    for (std::size_t i = 0; i < one.x.size(); ++i) x[place(in_step, 8, i)] = one.x[i];
    const plan by(one.p, one.taps(), {.algorithm = "cuda/gemm"});
    EXPECT_EQ(one.made({.algorithm = "cuda/gemm"}), one.expected);
    const device_array<float> in(x);
    const device_array<float> out(floats(elements(12), -99));
    std::size_t launches = 0;
#if defined(CUDA_ON_HOST)
    launches = cuda_on_host::launches().size();
#endif
    by.run(device_view<const float>(in.data(), one.p.in, 4, 8, in_step),
           device_view<float>(out.data(), one.p.in, 4, 12, out_step));
    works(cudaDeviceSynchronize());
#if defined(CUDA_ON_HOST)
    launches = cuda_on_host::launches().size() - launches;
#endif
    const floats y = out.values();
    std::size_t written = 0;
    for (const float v : y) written += v != -99 ? 1 : 0;
    EXPECT_EQ(written, one.expected.size());
    for (std::size_t i = 0; i < one.expected.size(); ++i) {
      const float found = y[place(out_step, 12, i)];
      if (found != one.expected[i]) {
        ADD_FAILURE() << i << ": " << found << ", not " << one.expected[i];
        break;
      }
    }
    return launches;
  };
  for (const std::size_t groups : {1, 2}) {
    const auto launches = [&](bool zero_taps, order from, order to, std::size_t expected) {
      const std::size_t found = run(static_cast<std::int64_t>(groups), zero_taps, from, to);
#if defined(CUDA_ON_HOST)
      EXPECT_EQ(found, expected);
#else
      (void)found, (void)expected;
#endif
    };
    launches(false, order::planes, order::planes, groups);
    launches(false, order::places, order::places, groups);
    launches(false, order::planes, order::places, 2 * groups);
    launches(false, order::places, order::planes, 3);
    launches(false, order::apart, order::planes, 3);
    launches(false, order::planes, order::apart, 2 * groups);
    launches(true, order::planes, order::planes, 2 * groups);
    launches(true, order::places, order::places, 3);
  }
}

// A plan has one handle of cuBLAS's, which has one stream and one workspace at a time.
TEST_F(cuda_gemm, runs_on_several_streams) {
  const layer one(2);
  in_any_execution([&] {
    const plan by(one.p, one.taps(), {.algorithm = "cuda/gemm"});
    const device_array<float> x(one.x);
    const device_array<float> y(floats(one.outputs()));
    const device_array<float> z(floats(one.outputs()));
    const own_stream first;
    const own_stream second;
    by.run(one.input(x), one.output(y), first.get());
    by.run(one.input(x), one.output(z), second.get());
    first.wait();
    second.wait();
    EXPECT_EQ(y.values(), one.expected);
    EXPECT_EQ(z.values(), one.expected);
  });
}

TEST_F(cuda_gemm, is_captured_in_graphs) {
  layer one;
  const plan by(one.p, one.taps(), {.algorithm = "cuda/gemm", .max_workspace = 100'000});
  device_array<float> x(floats(one.x.size()));
  const device_array<float> y(floats(one.outputs()));
  const device_array<std::byte> workspace(by.workspace_bytes());
  const own_stream on;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
  works(cudaStreamBeginCapture(on.get(), cudaStreamCaptureModeGlobal));
  by.run(one.input(x), one.output(y), on.get(), {workspace.data(), by.workspace_bytes()});
  works(cudaStreamEndCapture(on.get(), &graph));
  works(cudaGraphInstantiate(&ready, graph, 0));
  x.set(one.x);
  works(cudaGraphLaunch(ready, on.get()));
  on.wait();
  EXPECT_EQ(y.values(), one.expected);
  works(cudaGraphExecDestroy(ready));
  works(cudaGraphDestroy(graph));
}

TEST_F(cuda_gemm, is_chosen_for_layers) {
  const auto chosen = [](std::int64_t channels, std::int64_t filters, std::int64_t groups) {
    const problem p{.in = {56, 56},
                    .filter = {3, 3},
                    .planes = 8,
                    .channels = channels,
                    .filters = filters,
                    .groups = groups,
                    .types = {dtype::f32, dtype::f32, dtype::f32},
                    .mode = mode::same};
    const floats h(static_cast<std::size_t>(filters * (channels / groups) * 9), 0.5F);
    return plan(p,
                view<const float>(h.data(), p.filter, filters, channels / groups,
                                  dense(p.filter, channels / groups)),
                {.device = device::cuda(0), .data = memory::device})
        .describe()
        .algorithm;
  };
  EXPECT_EQ(chosen(64, 64, 1), "cuda/gemm");
  EXPECT_EQ(chosen(256, 256, 1), "cuda/gemm");
  EXPECT_NE(chosen(1, 1, 1), "cuda/gemm");
}

}  // namespace
}  // namespace convgpu::test
