// SPDX-License-Identifier: Apache-2.0
// Plans on CUDA devices: streams, graphs, threads, several devices. On the stand-in and on real devices.

#include <atomic>
#include <latch>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

using cuda_streams = on_cuda;
using cuda_devices = on_cuda;

// ---- Streams and graphs -------------------------------------------------------------------------

TEST_F(cuda_streams, keep_the_order_of_work) {
  in_any_execution([] {
    for (const std::string& name : cuda_algorithm_names()) {
      const plan made = make(2, name);
      const own_stream on;
      device_array<float> x(count);
      device_array<float> y(count);
      device_array<float> z(count);
      const floats source = counting(1);
      floats result(count);
      // Up, twice through the plan, down, without a wait between.
      works(cudaMemcpyAsync(x.data(), source.data(), count * 4, cudaMemcpyHostToDevice, on.get()));
      made.run(image(std::as_const(x)), image(y), on.get());
      made.run(image(std::as_const(y)), image(z), on.get());
      works(cudaMemcpyAsync(result.data(), z.data(), count * 4, cudaMemcpyDeviceToHost, on.get()));
      on.wait();
      EXPECT_EQ(whole(result), blurred(blurred(source, 2), 2)) << name;
    }
  });
}

// Taps in one place for all plans, as some libraries have them, would be mixed up here.
TEST_F(cuda_streams, may_run_different_filters_at_once) {
  in_any_execution([] {
    for (const std::string& name : cuda_algorithm_names()) {
      constexpr int plans = 8;
      const floats source = counting(1);
      const device_array<float> x(source);
      std::vector<std::unique_ptr<own_stream>> streams;
      std::vector<std::unique_ptr<device_array<float>>> results;
      std::vector<plan> made;
      for (int i = 0; i < plans; ++i) {
        streams.push_back(std::make_unique<own_stream>());
        results.push_back(std::make_unique<device_array<float>>(count));
        made.push_back(make(static_cast<float>(i + 1), name));
      }
      for (int again = 0; again < 3; ++again)
        for (std::size_t i = 0; i < plans; ++i)
          made[i].run(image(x), image(*results[i]), streams[i]->get());
      works(cudaDeviceSynchronize());
      for (std::size_t i = 0; i < plans; ++i)
        EXPECT_EQ(whole(results[i]->values()), blurred(source, static_cast<float>(i + 1))) << name;
    }
  });
}

TEST_F(cuda_streams, may_be_of_many_threads_with_one_plan) {
  in_any_execution([] {
    for (const std::string& name : cuda_algorithm_names()) {
      constexpr int threads = 4;
      const plan shared = make(1, name);
      std::latch start(threads);
      std::atomic<int> right = 0;
      {
        std::vector<std::jthread> all;
        for (int t = 0; t < threads; ++t)
          all.emplace_back([&, t] {
            works(cudaSetDevice(0));
            const own_stream on;
            const floats source = counting(static_cast<float>(100 * t));
            const device_array<float> x(source);
            device_array<float> y(count);
            floats on_host(count);
            plan own = shared;  // and another filter, made while others run theirs
            start.arrive_and_wait();
            for (int i = 0; i < 3; ++i) {
              shared.run(image(x), image(y), on.get());
              shared.run(source, on_host, on.get());
              on.wait();
              right += whole(y.values()) == blurred(source, 1) && on_host == y.values();
              own.set_filter(box(static_cast<float>(t + 2)));
              own.run(image(x), image(y), on.get());
              on.wait();
              right += whole(y.values()) == blurred(source, static_cast<float>(t + 2));
            }
          });
      }
      EXPECT_EQ(right, threads * 6) << name;
    }
  });
}

TEST_F(cuda_streams, may_go_on_when_the_plan_is_gone) {
  in_any_execution([] {
    const floats source = counting(1);
    const device_array<float> x(source);
    device_array<float> y(count);
    const own_stream on;
    make(2).run(image(x), image(y), on.get());
    on.wait();
    EXPECT_EQ(y.values(), blurred(source, 2));
  });
}

TEST_F(cuda_streams, capture_runs_in_graphs) {
  in_any_execution([] {
    for (const std::string& name : cuda_algorithm_names()) {
      const plan made = make(3, name);
      const own_stream on;
      device_array<float> x(counting());
      device_array<float> y(count);
      device_array<std::byte> workspace(made.workspace_bytes() + 1);
      const std::span<std::byte> given(workspace.data(), made.workspace_bytes());
      cudaGraph_t graph = nullptr;
      cudaGraphExec_t executable = nullptr;
      works(cudaStreamBeginCapture(on.get(), cudaStreamCaptureModeGlobal));
      made.run(image(std::as_const(x)), image(y), on.get(), given);
      ASSERT_TRUE(works(cudaStreamEndCapture(on.get(), &graph))) << name;
      ASSERT_TRUE(works(cudaGraphInstantiate(&executable, graph, 0)));
      for (const float first : {1.0F, 50.0F}) {
        const floats source = counting(first);
        x.set(source);
        works(cudaGraphLaunch(executable, on.get()));
        on.wait();
        EXPECT_EQ(whole(y.values()), blurred(source, 3)) << name;
      }
      works(cudaGraphExecDestroy(executable));
      works(cudaGraphDestroy(graph));
    }
  });
}

// Memory that comes and goes with plans would spoil a capture.
TEST_F(cuda_streams, capture_beside_plans_that_come_and_go) {
  const own_stream on;
  cudaGraph_t graph = nullptr;
  for (const std::string& name : cuda_algorithm_names()) {
    auto before = std::make_unique<const plan>(make(3, name));
    floats y(count);
    before->run(counting(), y);
    works(cudaStreamBeginCapture(on.get(), cudaStreamCaptureModeGlobal));
    before.reset();
    (void)make(2, name);
    if (works(cudaStreamEndCapture(on.get(), &graph))) works(cudaGraphDestroy(graph));
  }
}

TEST_F(cuda_streams, may_be_the_default_ones) {
  in_any_execution([] {
    const plan made = make(2);
    const floats source = counting(3);
    const device_array<float> x(source);
    for (const cudaStream_t on : {cudaStream_t{}, cudaStreamLegacy, cudaStreamPerThread}) {
      device_array<float> y(count);
      floats on_host(count);
      made.run(image(x), image(y), on);
      works(cudaStreamSynchronize(on));
      EXPECT_EQ(y.values(), blurred(source, 2));
      made.run(source, on_host, on);
      EXPECT_EQ(on_host, blurred(source, 2));
    }
  });
}

// ---- Devices ------------------------------------------------------------------------------------

TEST_F(cuda_devices, work_whichever_is_current) {
  if (device_count() < 2) GTEST_SKIP() << "one device only";
  const floats source = counting(2);
  const auto current = [] {
    int device = -1;
    works(cudaGetDevice(&device));
    return device;
  };
  in_any_execution([&] {
    for (const int where : {0, 1}) {
      works(cudaSetDevice(where));
      const device_array<float> x(source);
      device_array<float> y(count);
      const own_stream on;
      works(cudaSetDevice(1 - where));
      {
        const plan made = make(2, {}, device::cuda(where));
        EXPECT_EQ(made.describe().device, "cuda:" + std::to_string(where));
        made.run(image(x), image(y), on.get());
        floats host(count);
        made.run(source, host);
        EXPECT_EQ(host, blurred(source, 2));
        EXPECT_EQ(current(), 1 - where);
        on.wait();
        EXPECT_EQ(y.values(), blurred(source, 2));
      }
      EXPECT_EQ(current(), 1 - where);
    }
  });
  works(cudaSetDevice(0));
}

TEST_F(cuda_devices, work_at_once_for_two_threads) {
  if (device_count() < 2) GTEST_SKIP() << "one device only";
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t)
      threads.emplace_back([&right, t] {
        const floats source = counting(static_cast<float>(t));
        for (int i = 0; i < 5; ++i) {
          const plan made = make(static_cast<float>(t + 1), {}, device::cuda(t));
          floats y(count);
          made.run(source, y);
          right += y == blurred(source, static_cast<float>(t + 1));
        }
      });
  }
  EXPECT_EQ(right, 10);
}

}  // namespace
}  // namespace convgpu::test
