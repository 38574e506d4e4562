// SPDX-License-Identifier: Apache-2.0
// Gradients of data in a device's memory: the adjoint, exactly on integers, what host memory gives, and finite
// differences; streams, graphs and workspace.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gradients.hpp"
// After it: names of its own would be shadowed.
#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

/// A copy of a buffer's elements, and of what lies between them, in the device's memory.
class mirrored {
 public:
  explicit mirrored(buffer& of) : of_(of) {
    const any_view v = of.view();
    const auto width = static_cast<std::int64_t>(size_of(v.type()));
    std::int64_t low = 0;
    std::int64_t high = width;
    const auto reach = [&](std::int64_t step, std::int64_t n) {
      (step < 0 ? low : high) += step * (n - 1) * width;
    };
    reach(v.step().row, v.size().rows);
    reach(v.step().col, v.size().cols);
    reach(v.step().plane, v.planes());
    reach(v.step().channel, v.channels());
    begin_ = static_cast<std::byte*>(v.data()) + low;
    first_ = -low;
    bytes_ = static_cast<std::size_t>(high - low);
    works(cudaMalloc(reinterpret_cast<void**>(&data_), bytes_));
    works(cudaMemcpy(data_, begin_, bytes_, cudaMemcpyHostToDevice));
  }
  mirrored(const mirrored&) = delete;
  mirrored& operator=(const mirrored&) = delete;
  ~mirrored() { works(cudaFree(data_)); }

  [[nodiscard]] any_view view() const {
    const any_view v = of_.view();
    return {data_ + first_, v.type(), v.size(), v.planes(), v.channels(), v.step(), memory::device};
  }
  void fetch() { works(cudaMemcpy(begin_, data_, bytes_, cudaMemcpyDeviceToHost)); }

 private:
  buffer& of_;
  std::byte* begin_;
  std::int64_t first_;
  std::size_t bytes_;
  std::byte* data_ = nullptr;
};

const options exactly{.device = device::cuda(0), .tolerance = 0};

class cuda_gradients : public testing::TestWithParam<dtype> {
 protected:
  void SetUp() override {
    cuda_on_host::reset();
    works(cudaSetDevice(0));
  }
  void TearDown() override {
    EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{}) << cuda_on_host::complaint();
    cuda_on_host::reset();
  }

  /// 16-bit floats round them, so that the adjoint is one of exact sums only; they have the host's results all the same.
  static bool sums_are_elements() { return size_of(GetParam()) > 2; }

  template <class F>
  static void for_each_problem(const F& hold) {
    const int nth = 3 * static_cast<int>(every_nth());
    const int count = for_each_gradient_problem(GetParam(), nth, [&](const test_case& c) {
      if (HasFailure()) return;
      SCOPED_TRACE(testing::Message() << c);
      given g(c);
      hold(g, c);
    });
    EXPECT_GT(count, 300);
  }
};

TEST_P(cuda_gradients, of_inputs_are_the_adjoint) {
  for_each_problem([](given& g, const test_case& c) {
    const problem& p = g.problem;
    buffer dx(p.types.in, p.in, p.planes, c.in, 37, p.channels);
    {
      const mirrored dy(g.dy);
      mirrored result(dx);
      const input_gradient made(p, g.h.view(), exactly);
      EXPECT_EQ(made.describe().device, "cuda:0");
      made.run(dy.view(), result.view());
      works(cudaDeviceSynchronize());
      result.fetch();
    }
    EXPECT_EQ(dx.damage(), "");
    if (sums_are_elements()) {
      EXPECT_EQ(inner_product(dx, g.x), inner_product(g.dy, g.y) - inner_product(g.dy, g.y0));
    }
    buffer on_host(p.types.in, p.in, p.planes, c.in, 37, p.channels);
    input_gradient(p, g.h.view(), {.device = device::cpu(), .tolerance = 0})
        .run(g.dy.view(), on_host.view());
    EXPECT_EQ(dx.values(), on_host.values());
  });
}

TEST_P(cuda_gradients, of_filters_are_the_adjoint) {
  for_each_problem([](given& g, const test_case& c) {
    const problem& p = g.problem;
    buffer dh(p.types.filter, p.filter, p.filters, c.filter, 37, p.channels / p.groups);
    {
      const mirrored x(g.x);
      const mirrored dy(g.dy);
      mirrored result(dh);
      filter_gradient(p, exactly).run(x.view(), dy.view(), result.view());
      works(cudaDeviceSynchronize());
      result.fetch();
    }
    EXPECT_EQ(dh.damage(), "");
    if (sums_are_elements()) {
      EXPECT_EQ(inner_product(dh, g.h), inner_product(g.dy, g.y));
    }
    buffer on_host(p.types.filter, p.filter, p.filters, c.filter, 37, p.channels / p.groups);
    filter_gradient(p, {.device = device::cpu(), .tolerance = 0})
        .run(g.x.view(), g.dy.view(), on_host.view());
    EXPECT_EQ(dh.values(), on_host.values());
  });
}

INSTANTIATE_TEST_SUITE_P(every, cuda_gradients,
                         testing::Values(dtype::f16, dtype::bf16, dtype::f32, dtype::f64,
                                         dtype::cf32, dtype::cf64),
                         [](const auto& instance) {
                           return std::string(to_string(instance.param));
                         });

// L(y) = Σ sin(y): differences of what moving one sample, or one tap, by a little makes of it.
class cuda_gradients_of_a_layer : public on_cuda {};

TEST_F(cuda_gradients_of_a_layer, are_finite_differences) {
  for (const border_kind kind : {border_kind::zero, border_kind::constant, border_kind::replicate,
                                 border_kind::symmetric, border_kind::mirror, border_kind::wrap}) {
    const problem p{.in = {4, 5},
                    .filter = {3, 2},
                    .planes = 2,
                    .channels = 4,
                    .filters = 6,
                    .groups = 2,
                    .types = {dtype::f64, dtype::f64, dtype::f64},
                    .op = operation::correlation,
                    .mode = mode::valid,
                    .border = border(kind, 0.5),
                    .padding = {2, 1, 1, 2},
                    .stride = {2, 1},
                    .dilation = {1, 2}};
    dice d(4);
    std::vector<double> x(2 * 4 * 20);
    std::vector<double> h(6 * 2 * 6);
    for (auto* values : {&x, &h})
      for (double& v : *values) v = static_cast<double>(d.any_real());
    const extent out = output_extent(p);
    const auto outputs = [&] {
      std::vector<double> y(static_cast<std::size_t>(2 * 6 * out.count()));
      plan(p, h, {.device = device::cpu()}).run(x, y);
      return y;
    };
    const auto loss = [&] {
      double sum = 0;
      for (const double y : outputs()) sum += std::sin(y);
      return sum;
    };
    std::vector<double> dy = outputs();
    for (double& v : dy) v = std::cos(v);
    const device_array<double> x_there(x);
    const device_array<double> dy_there(dy);
    device_array<double> dx_there(x.size());
    device_array<double> dh_there(h.size());
    const auto of = [](auto* data, extent e, std::int64_t planes, std::int64_t channels) {
      return device_view(data, e, planes, channels, dense(e, channels));
    };
    const options how{.device = device::cuda(0)};
    input_gradient(p, h, how).run(of(dy_there.data(), out, 2, 6), of(dx_there.data(), p.in, 2, 4));
    filter_gradient(p, how).run(of(x_there.data(), p.in, 2, 4), of(dy_there.data(), out, 2, 6),
                                of(dh_there.data(), p.filter, 6, 2));
    works(cudaDeviceSynchronize());
    const auto hold = [&](std::vector<double>& values, const std::vector<double>& gradient) {
      constexpr double little = 1e-5;
      for (std::size_t n = 0; n < values.size(); n += 3) {
        const double kept = values[n];
        values[n] = kept + little;
        const double more = loss();
        values[n] = kept - little;
        const double less = loss();
        values[n] = kept;
        EXPECT_NEAR((more - less) / (2 * little), gradient[n], 1e-7) << to_string(kind) << n;
      }
    };
    hold(x, dx_there.values());
    hold(h, dh_there.values());
  }
}

/// Signals with many outputs, so that the sums for a tap are of several parts; dense, in the device's memory.
struct long_signals {
  static constexpr std::int64_t length = 3000;
  static constexpr std::int64_t taps = 5;
  const problem p{.in = extent(length),
                  .filter = extent(taps),
                  .planes = 2,
                  .filters = 5,
                  .types = {dtype::f32, dtype::f32, dtype::f32},
                  .mode = mode::same,
                  .border = border::mirror()};
  floats x = whole_numbers(2 * length, 1);
  floats dy = whole_numbers(2 * 5 * length, 2);
  floats h = whole_numbers(5 * taps, 3);
  device_array<float> x_there{x};
  device_array<float> dy_there{dy};
  device_array<float> dx_there{x.size()};
  device_array<float> dh_there{h.size()};

  static floats whole_numbers(std::int64_t n, unsigned seed) {
    dice d(seed);
    floats v(static_cast<std::size_t>(n));
    for (float& one : v) one = static_cast<float>(d.between(-3, 3));
    return v;
  }
  static auto of(auto* data, std::int64_t n, std::int64_t planes, std::int64_t channels = 1) {
    return device_view(data, extent(n), planes, channels, dense(extent(n), channels));
  }

  template <class Gradient>
  void run(const Gradient& made, stream on = {}, std::span<std::byte> workspace = {}) {
    const auto gradient = of(dy_there.data(), length, 2, 5);
    if constexpr (std::is_same_v<Gradient, input_gradient>)
      made.run(gradient, of(dx_there.data(), length, 2), on, workspace);
    else
      made.run(of(x_there.data(), length, 2), gradient, of(dh_there.data(), taps, 5), on,
               workspace);
  }
  /// After all work is done.
  void expect_right() const {
    floats dx(x.size());
    floats dh(h.size());
    const options on_cpu{.device = device::cpu(), .tolerance = 0};
    input_gradient(p, h, on_cpu).run(dy, dx);
    filter_gradient(p, on_cpu).run(x, dy, dh);
    EXPECT_EQ(dx_there.values(), dx);
    EXPECT_EQ(dh_there.values(), dh);
  }
};

class cuda_gradient_runs : public on_cuda {};

TEST_F(cuda_gradient_runs, follow_their_streams) {
  in_any_execution([] {
    long_signals data;
    const input_gradient of_input(data.p, data.h, exactly);
    const filter_gradient of_filter(data.p, exactly);
    const own_stream one;
    const own_stream other;
    for (int n = 0; n < 2; ++n) {
      data.run(of_input, one.get());
      data.run(of_filter, other.get());
    }
    one.wait();
    other.wait();
    data.expect_right();
  });
}

TEST_F(cuda_gradient_runs, may_be_captured_with_workspace_of_any_alignment) {
  long_signals data;
  const input_gradient of_input(data.p, data.h, exactly);
  const filter_gradient of_filter(data.p, exactly);
  ASSERT_GT(of_filter.workspace_bytes(), data.h.size() * sizeof(float) * 2) << "several parts";
  const own_stream on;
  const device_array<std::byte> a(of_input.workspace_bytes() + 3);
  const device_array<std::byte> b(of_filter.workspace_bytes() + 5);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  works(cudaStreamBeginCapture(on.get(), cudaStreamCaptureModeGlobal));
  for (const auto& [word, run] : {std::pair<std::string, std::function<void()>>(
                                      "input", [&] { data.run(of_input, on.get()); }),
                                  std::pair<std::string, std::function<void()>>(
                                      "filter", [&] { data.run(of_filter, on.get()); })}) {
    try {
      run();
      ADD_FAILURE() << "no complaint: " << word;
    } catch (const invalid_problem& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with("workspace: none, while a graph is captured"))
          << e.what();
    }
  }
  data.run(of_input, on.get(), {a.data() + 3, of_input.workspace_bytes()});
  data.run(of_filter, on.get(), {b.data() + 5, of_filter.workspace_bytes()});
  ASSERT_TRUE(works(cudaStreamEndCapture(on.get(), &graph)));
  ASSERT_TRUE(works(cudaGraphInstantiate(&executable, graph, 0)));
  for (const unsigned seed : {4U, 5U}) {
    data.dy = long_signals::whole_numbers(2 * 5 * long_signals::length, seed);
    data.dy_there.set(data.dy);
    works(cudaGraphLaunch(executable, on.get()));
    on.wait();
    data.expect_right();
  }
  works(cudaGraphExecDestroy(executable));
  works(cudaGraphDestroy(graph));
}

// Large numbers and small ones: an order of sums that changed would show.
TEST_F(cuda_gradient_runs, make_the_same_bits_on_any_device) {
  std::vector<std::pair<floats, floats>> results;
  for (const auto order : {cuda_on_host::order::ascending, cuda_on_host::order::descending})
    for (const int multiprocessors : {132, 1}) {
      cuda_on_host::machine on;
      on.device.multiProcessorCount = multiprocessors;
      cuda_on_host::reset(on);
      cuda_on_host::set_order(order);
      long_signals data;
      dice d(8);
      for (floats* v : {&data.x, &data.dy, &data.h})
        for (float& one : *v) one = static_cast<float>(d.any_real());
      data.x_there.set(data.x);
      data.dy_there.set(data.dy);
      data.run(input_gradient(
          data.p, data.h,
          {.device = device::cuda(0), .algorithm = "cuda/plain"}));  // plans may choose by device
      data.run(filter_gradient(data.p, exactly));
      works(cudaDeviceSynchronize());
      results.emplace_back(data.dx_there.values(), data.dh_there.values());
      EXPECT_EQ(results.back(), results.front());
    }
}

// As with zero taps of a plan.
TEST_F(cuda_gradient_runs, see_nothing_where_the_gradient_is_zero) {
  const problem p{
      .in = extent(6), .filter = extent(3), .types = {dtype::f32, dtype::f32, dtype::f32}};
  const device_array<float> x(floats{1, std::nanf(""), 2, 3, 4, 5});
  const device_array<float> dy(floats{1, 0, 0, 0, 0, 0, 0, 0});
  device_array<float> dh(3);
  filter_gradient(p, exactly)
      .run(device_view<const float>(x.data(), p.in), device_view<const float>(dy.data(), extent(8)),
           device_view<float>(dh.data(), p.filter));
  EXPECT_EQ(dh.values(), (floats{1, 0, 0}));
}

template <class F>
void expect_refused(F f, std::string_view words) {
  try {
    f();
    ADD_FAILURE() << "no complaint: " << words;
  } catch (const invalid_problem& e) {
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

TEST_F(cuda_gradient_runs, refuse_memory_that_is_mixed_or_elsewhere) {
  long_signals data;
  const input_gradient of_input(data.p, data.h, exactly);
  const filter_gradient of_filter(data.p, exactly);
  const auto dy = long_signals::of(data.dy_there.data(), long_signals::length, 2, 5);
  const auto dx = long_signals::of(data.dx_there.data(), long_signals::length, 2);
  const auto x = long_signals::of(data.x_there.data(), long_signals::length, 2);
  const auto dh = long_signals::of(data.dh_there.data(), long_signals::taps, 5);
  floats host(data.x.size());
  floats taps(data.h.size());
  expect_refused([&] { of_input.run(dy, host); },
                 "in_gradient: host memory; allowed: device memory");
  expect_refused([&] { of_input.run(data.dy, dx); },
                 "in_gradient: device memory; allowed: host memory");
  expect_refused([&] { of_filter.run(x, data.dy, dh); },
                 "out_gradient: host memory; allowed: device memory");
  expect_refused([&] { of_filter.run(data.x, dy, taps); },
                 "out_gradient: device memory; allowed: host memory");
  expect_refused([&] { of_filter.run(x, dy, taps); },
                 "gradient: host memory; allowed: device memory");

  // Memory that its type does not tell.
  const auto lying = long_signals::of(host.data(), long_signals::length, 2);
  expect_refused([&] { of_input.run(dy, lying); }, "in_gradient: not memory of a device");
  expect_refused([&] { of_filter.run(lying, dy, dh); }, "in: not memory of a device");

  // Plans on the CPU know host memory.
  const options on_cpu{.device = device::cpu()};
  expect_refused([&] { input_gradient(data.p, data.h, on_cpu).run(dy, dx); },
                 "out_gradient: device memory; allowed: host memory");
  expect_refused([&] { filter_gradient(data.p, on_cpu).run(x, dy, dh); },
                 "in: device memory; allowed: host memory");
  EXPECT_EQ(filter_gradient(data.p, on_cpu).workspace_bytes(), 0U);

  const own_stream on;
  const device_array<std::byte> workspace(of_input.workspace_bytes());
  const std::span<std::byte> given(workspace.data(), of_input.workspace_bytes());
  expect_refused([&] { of_input.run(data.dy, host, on.get()); }, "stream: a CUDA stream");
  expect_refused([&] { of_input.run(data.dy, host, {}, given); }, "bytes; allowed: none");
  expect_refused([&] { of_input.run(dy, dx, {}, given.first(10)); },
                 "workspace: 10 bytes; allowed: none, or at least");
  std::vector<std::byte> of_host(of_input.workspace_bytes());
  expect_refused([&] { of_input.run(dy, dx, {}, of_host); }, "workspace: not memory of a device");
  expect_refused(
      [&] {
        of_filter.run(
            x, dy, dh, {},
            {reinterpret_cast<std::byte*>(data.dy_there.data()), of_filter.workspace_bytes()});
      },
      "workspace: shares memory with in, out_gradient or gradient");
}

TEST_F(cuda_gradient_runs, go_where_the_data_will_be) {
  const options how{.tolerance = 0, .data = memory::device};
  {
    long_signals data;
    data.run(input_gradient(data.p, data.h, how));
    data.run(filter_gradient(data.p, how));
    works(cudaDeviceSynchronize());
    data.expect_right();
    // And take host memory all the same.
    floats dx(data.x.size());
    floats dh(data.h.size());
    input_gradient(data.p, data.h, how).run(data.dy, dx);
    filter_gradient(data.p, how).run(data.x, data.dy, dh);
    EXPECT_EQ(dx, data.dx_there.values());
    EXPECT_EQ(dh, data.dh_there.values());
  }
  cuda_on_host::machine none;
  none.devices = 0;
  cuda_on_host::reset(none);
  const problem p{
      .in = extent(6), .filter = extent(3), .types = {dtype::f32, dtype::f32, dtype::f32}};
  EXPECT_EQ(filter_gradient(p, how).workspace_bytes(), 0U);
  EXPECT_EQ(input_gradient(p, floats(3), how).workspace_bytes(), 0U);
  EXPECT_THROW(filter_gradient(p, exactly), backend_unavailable);
  cuda_on_host::reset();
}

}  // namespace
}  // namespace convgpu::test
