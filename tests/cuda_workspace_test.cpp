// SPDX-License-Identifier: Apache-2.0
// Workspace of plans on devices, with kernels that need some and mix up their data where two runs share it.

#include <gtest/gtest.h>

#include <cuda_on_host.hpp>
#include <numeric>
#include <thread>
#include <vector>

#include "cuda_plan.hpp"

namespace convgpu::test {
namespace {

using cuda_on_host::execution;
using bytes = std::vector<std::uint8_t>;

constexpr extent size(4, 25);
constexpr std::size_t count = 100;

/// Input and output of a run, on the device.
struct device_data {
  explicit device_data(std::uint8_t first) : x(count) {
    std::iota(x.begin(), x.end(), first);
    for (std::uint8_t** p : {&in, &out}) EXPECT_EQ(cudaMalloc(p, count), cudaSuccess);
    set(x);
  }
  device_data(const device_data&) = delete;
  device_data& operator=(const device_data&) = delete;
  ~device_data() {
    EXPECT_EQ(cudaFree(in), cudaSuccess);
    EXPECT_EQ(cudaFree(out), cudaSuccess);
  }

  void set(const bytes& values) {
    x = values;
    EXPECT_EQ(cudaMemcpy(in, x.data(), count, cudaMemcpyHostToDevice), cudaSuccess);
  }
  void run(const detail::runnable& made, cudaStream_t on, std::span<std::byte> workspace = {}) {
    made.run(device_view<const std::uint8_t>(in, size), device_view<std::uint8_t>(out, size), on,
             workspace);
  }
  /// After all work is done.
  [[nodiscard]] bool is_right() const {
    bytes y(count);
    EXPECT_EQ(cudaMemcpy(y.data(), out, count, cudaMemcpyDeviceToHost), cudaSuccess);
    return y == x;
  }

  bytes x;
  std::uint8_t* in = nullptr;
  std::uint8_t* out = nullptr;
};

class cuda_workspace : public testing::Test {
 protected:
  void SetUp() override {
    cuda_on_host::reset();
    made = cuda::make_runnable(p.request(), copying_kernels, {.chunk_bytes = 40, .chunks = 2});
    for (cudaStream_t& s : streams)
      ASSERT_EQ(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
  }
  void TearDown() override {
    made.reset();
    for (const cudaStream_t s : streams) EXPECT_EQ(cudaStreamDestroy(s), cudaSuccess);
    EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{}) << cuda_on_host::complaint();
    cuda_on_host::reset();
  }

  const buffer tap{dtype::u8, {1, 1}, {1}};
  complete_problem p{{.in = size, .types = {dtype::u8, dtype::u8, dtype::u8}}, tap.view()};
  std::unique_ptr<const detail::runnable> made;
  cudaStream_t streams[2] = {};
};

TEST_F(cuda_workspace, is_of_any_alignment_when_it_is_the_callers) {
  std::byte* memory = nullptr;
  const std::size_t needed = made->workspace_bytes();
  ASSERT_EQ(cudaMalloc(&memory, needed + 300), cudaSuccess);
  device_data data(1);
  const int before = cuda_on_host::live().allocations;
  for (const std::size_t at : {0, 1, 255, 256, 300}) {
    data.run(*made, nullptr, {memory + at, needed});
    EXPECT_TRUE(data.is_right());
    EXPECT_EQ(cuda_on_host::live().allocations, before);
  }
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(cuda_workspace, is_not_shared_by_runs_at_the_same_time) {
  for (const execution when : {execution::deferred, execution::interleaved}) {
    cuda_on_host::set_execution(when);
    device_data a(1);
    device_data b(101);
    a.run(*made, streams[0]);
    b.run(*made, streams[1]);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_TRUE(a.is_right());
    EXPECT_TRUE(b.is_right());
  }
}

TEST_F(cuda_workspace, is_used_again_in_the_order_of_the_stream) {
  cuda_on_host::set_execution(execution::interleaved);
  device_data a(1);
  device_data b(101);
  const int before = cuda_on_host::live().allocations;
  for (int i = 0; i < 3; ++i) {
    a.run(*made, streams[0]);
    b.run(*made, streams[0]);
  }
  EXPECT_EQ(cuda_on_host::live().allocations, before + 1);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_TRUE(a.is_right());
  EXPECT_TRUE(b.is_right());
}

TEST_F(cuda_workspace, is_used_again_on_another_stream_when_it_is_free) {
  cuda_on_host::set_execution(execution::deferred);
  device_data data(1);
  const int before = cuda_on_host::live().allocations;
  for (const cudaStream_t on : {streams[0], streams[1], streams[0]}) {
    data.run(*made, on);
    ASSERT_EQ(cudaStreamSynchronize(on), cudaSuccess);
    EXPECT_EQ(cuda_on_host::live().allocations, before + 1);
    EXPECT_TRUE(data.is_right());
  }
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  data.run(*made, streams[0]);
  data.run(*made, streams[1]);
  EXPECT_EQ(cuda_on_host::live().allocations, before + 2) << "the first one is still in use";
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "which is no error";
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

// The same handle, and a stream of its own in each thread.
TEST_F(cuda_workspace, is_kept_apart_on_the_threads_default_streams) {
  cuda_on_host::set_execution(execution::interleaved);
  device_data a(1);
  device_data b(101);
  a.run(*made, cudaStreamPerThread);
  std::thread([&] { b.run(*made, cudaStreamPerThread); }).join();
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_TRUE(a.is_right());
  EXPECT_TRUE(b.is_right());
}

TEST_F(cuda_workspace, must_be_given_to_what_is_captured) {
  device_data data(1);
  data.run(*made, streams[0]);  // so that the pool has a piece
  std::byte* memory = nullptr;
  const std::size_t needed = made->workspace_bytes();
  ASSERT_EQ(cudaMalloc(&memory, needed), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(streams[0], cudaStreamCaptureModeGlobal), cudaSuccess);
  try {
    data.run(*made, streams[0]);
    ADD_FAILURE() << "no complaint";
  } catch (const invalid_problem& e) {
    EXPECT_EQ(std::string(e.what()),
              "workspace: none, while a graph is captured from the stream; allowed: " +
                  std::to_string(needed) + " bytes of device memory");
  }
  data.run(*made, streams[0], {memory, needed});
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(streams[0], &graph), cudaSuccess) << "the capture is not spoiled";
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  for (const std::uint8_t value : {std::uint8_t{7}, std::uint8_t{8}}) {
    data.set(bytes(count, value));
    ASSERT_EQ(cudaGraphLaunch(executable, streams[0]), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(streams[0]), cudaSuccess);
    EXPECT_TRUE(data.is_right());
  }
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

// Allocating and waiting would spoil a capture that somebody else has under way.
TEST_F(cuda_workspace, comes_from_the_pool_while_others_capture) {
  device_data data(1);
  bytes y(count);
  ASSERT_EQ(cudaStreamBeginCapture(streams[0], cudaStreamCaptureModeGlobal), cudaSuccess);
  data.run(*made, streams[1]);
  made->run(view<const std::uint8_t>(data.x.data(), size), view<std::uint8_t>(y.data(), size),
            streams[1], {});
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(streams[0], &graph), cudaSuccess) << cuda_on_host::complaint();
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_TRUE(data.is_right());
  EXPECT_EQ(y, data.x);
}

TEST_F(cuda_workspace, serves_host_data_in_chunks) {
  bytes x(count);
  std::iota(x.begin(), x.end(), std::uint8_t{0});
  std::byte* memory = nullptr;
  const std::size_t needed = made->workspace_bytes();
  ASSERT_EQ(cudaMalloc(&memory, needed + 1), cudaSuccess);
  for (const execution when : {execution::eager, execution::deferred, execution::interleaved})
    for (const bool given : {true, false}) {
      cuda_on_host::set_execution(when);
      bytes y(count);
      made->run(view<const std::uint8_t>(x.data(), size), view<std::uint8_t>(y.data(), size),
                streams[0], given ? std::span(memory + 1, needed) : std::span<std::byte>());
      EXPECT_EQ(y, x);
    }
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(cuda_workspace, must_be_memory_of_the_device) {
  device_data data(1);
  const std::size_t needed = made->workspace_bytes();
  std::vector<std::byte> host(needed);
  std::byte* small = nullptr;
  std::byte* elsewhere = nullptr;
  ASSERT_EQ(cudaMalloc(&small, needed - 1), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  ASSERT_EQ(cudaMalloc(&elsewhere, needed), cudaSuccess);
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  for (const auto& [memory, words] :
       {std::pair(host.data(), "workspace: not memory of a device; allowed: memory of cuda:0"),
        std::pair(elsewhere, "workspace: memory of cuda:1; allowed: memory of cuda:0"),
        std::pair(small, "before byte")}) {
    try {
      data.run(*made, nullptr, {memory, needed});
      ADD_FAILURE() << "no complaint: " << words;
    } catch (const invalid_problem& e) {
      EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(cudaFree(small), cudaSuccess);
  EXPECT_EQ(cudaFree(elsewhere), cudaSuccess);
}

}  // namespace
}  // namespace convgpu::test
