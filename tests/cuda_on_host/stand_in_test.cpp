// SPDX-License-Identifier: Apache-2.0
// The stand-in itself: that it computes what CUDA does, and finds what it is there to find.

#include <gtest/gtest.h>

#include <cuda.h>

#include <cmath>
#include <cstdlib>
#include <cuda_on_host.hpp>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace cuda_on_host;

// ---- Kernels. They compile with nvcc as well.

template <class T>
__device__ T load_global(const T* from) {
#ifdef CUDA_ON_HOST
  cuda_on_host::count_load(from, sizeof(T));
#endif
  return *from;
}

template <class T>
__device__ void store_global(T* to, T value) {
#ifdef CUDA_ON_HOST
  cuda_on_host::count_store(to, sizeof(T));
#endif
  *to = value;
}

template <class T>
__device__ T* shared_memory() {
#ifdef CUDA_ON_HOST
  return static_cast<T*>(cuda_on_host::dynamic_shared());
#else
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
#endif
}

__device__ unsigned global_index() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}

template <class T>
__global__ void __launch_bounds__(256)
    add_kernel(const T* __restrict__ in, T* __restrict__ out, T summand, unsigned count) {
  const unsigned i = global_index();
  if (i < count) store_global(out + i, load_global(in + i) + summand);
}

/// Each thread writes its place in the grid at its place in the output.
__global__ void positions_kernel(unsigned* out) {
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  __syncthreads();  // after which it is still the same thread
  out[block * threads + thread] =
      block * 10000 + threadIdx.z * 1000 + threadIdx.y * 100 + threadIdx.x;
}

template <class T>
__global__ void transpose_kernel(const T* in, T* out, int rows, int cols) {
  __shared__ T tile[16][17];
  const int x = static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(threadIdx.y);
  const int left = static_cast<int>(blockIdx.x) * 16;
  const int top = static_cast<int>(blockIdx.y) * 16;
  if (top + y < rows && left + x < cols) tile[y][x] = in[(top + y) * cols + left + x];
  __syncthreads();
  if (left + y < cols && top + x < rows) out[(left + y) * rows + top + x] = tile[x][y];
}

__global__ void sum_kernel(const float* in, float* out, unsigned count) {
  __shared__ float partial[32];
  float sum = 0;
  for (unsigned i = global_index(); i < count; i += gridDim.x * blockDim.x) sum += in[i];
  for (unsigned delta = 16; delta > 0; delta /= 2) sum += __shfl_down_sync(~0u, sum, delta);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0;
  for (int other = 16; other > 0; other /= 2) sum += __shfl_xor_sync(~0u, sum, other);
  if (threadIdx.x == 0) atomicAdd(out, sum);
}

/// Reverses each block's part by way of dynamic shared memory, of which `extra` more is touched.
__global__ void reverse_kernel(float* data, unsigned extra) {
  float* part = shared_memory<float>();
  part[threadIdx.x + extra] = data[global_index()];
  __syncthreads();
  data[global_index()] = part[blockDim.x - 1 - threadIdx.x];
}

__global__ void fresh_kernel(float* out) {
  float* part = shared_memory<float>();
  out[global_index()] = part[threadIdx.x];
  part[threadIdx.x] = 1.0f;
}

/// For each lane what it gets from each kind of shuffle and vote.
__global__ void warp_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  int* mine = out + lane * 9;
  mine[0] = __shfl_sync(~0u, lane, 5);
  mine[1] = __shfl_sync(~0u, lane, lane + 1, 8);
  mine[2] = __shfl_up_sync(~0u, lane, 3);
  mine[3] = __shfl_down_sync(~0u, lane, 3, 16);
  mine[4] = __shfl_xor_sync(~0u, lane, 9);
  mine[5] = static_cast<int>(__shfl_sync(~0u, 1.0 / (lane + 1), 3) * 1000.0);
  mine[6] = static_cast<int>(__ballot_sync(~0u, lane % 4 == 0));
  mine[7] = __any_sync(~0u, lane == 31) * 10 + __any_sync(~0u, 0);
  mine[8] = __all_sync(~0u, lane >= 0) * 10 + __all_sync(~0u, lane < 31);
}

/// Even and odd lanes go different ways, wait in different places and shuffle among themselves.
__global__ void divergent_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  if (lane % 2 == 0) {
    __syncthreads();
    out[lane] = __shfl_sync(0x55555555u, lane, 30);
  } else {
    out[lane] = __shfl_sync(0xaaaaaaaau, lane, 1);
    __syncthreads();
  }
  out[lane] += 100 * __shfl_sync(lane < 16 ? 0x0000ffffu : 0xffff0000u, lane, 0, 16);
}

enum class barrier { none, warp, block };

/// out[i] = in[i − 1], by way of shared memory.
__global__ void neighbour_kernel(const int* in, int* out, barrier between) {
  __shared__ int row[1024];
  row[threadIdx.x] = in[threadIdx.x];
  if (between == barrier::warp) __syncwarp();
  if (between == barrier::block) __syncthreads();
  out[threadIdx.x] = row[threadIdx.x == 0 ? 0 : threadIdx.x - 1];
}

/// Shuffles order nothing.
__global__ void shuffle_neighbour_kernel(const int* in, int* out) {
  __shared__ int row[32];
  row[threadIdx.x] = in[threadIdx.x];
  const int other = __shfl_xor_sync(~0u, in[threadIdx.x], 31);
  out[threadIdx.x] = row[31 - threadIdx.x] - other;
}

__global__ void early_return_kernel(int* out) {
  if (threadIdx.x == 3) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void lost_lane_kernel(int* out) {
  if (threadIdx.x == 3) return;
  out[threadIdx.x] = __shfl_sync(~0u, 1, 0);
}

__global__ void foreign_lane_kernel(int* out) {
  out[threadIdx.x] = __shfl_sync(threadIdx.x < 16 ? 0x0000ffffu : ~0u, 1, 0);
}

__global__ void crossed_kernel(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(~0u, 1, 0);
  else __syncthreads();
}

__global__ void peek_kernel(const float* in, float* out, int offset) {
  *out = in[offset];
}

__global__ void poke_kernel(float* out, int offset) {
  out[offset] = 1.0f;
}

__global__ void vector_kernel(const float* in, float* out) {
  const float4 v = load_global(reinterpret_cast<const float4*>(in));
  store_global(out, v.x + v.w);
}

template <class T>
__global__ void shared_overrun_kernel(T* out, int offset) {
  __shared__ T part[24];
  part[threadIdx.x] = 1;
  const volatile T* all = part;
  *out = all[offset];
}

__global__ void empty_kernel() {}

// ---- Around kernels -----------------------------------------------------------------------------

template <class... Parameters, class... Arguments>
cudaError_t launch_on(cudaStream_t stream, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                      std::size_t dynamic_shared, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = dynamic_shared;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, Arguments... arguments) {
  return launch_on(nullptr, kernel, grid, block, 0, arguments...);
}

/// Success, or why not.
testing::AssertionResult ok(cudaError_t error) {
  if (error == cudaSuccess) return testing::AssertionSuccess();
  return testing::AssertionFailure() << cudaGetErrorName(error) << ", " << complaint();
}

/// Values on a device.
template <class T>
class device_array {
 public:
  explicit device_array(const std::vector<T>& values) : count_(values.size()) {
    EXPECT_TRUE(ok(cudaMalloc(&data_, bytes())));
    EXPECT_TRUE(ok(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice)));
  }
  explicit device_array(std::size_t count) : device_array(std::vector<T>(count)) {}
  device_array(const device_array&) = delete;
  device_array& operator=(const device_array&) = delete;
  ~device_array() { cudaFree(data_); }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return count_ * sizeof(T); }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> values(count_);
    EXPECT_TRUE(ok(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost)));
    return values;
  }

 private:
  std::size_t count_;
  T* data_ = nullptr;
};

template <class T>
std::vector<T> counting(std::size_t count) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), T{});
  return values;
}

cudaStream_t new_stream(unsigned flags = cudaStreamNonBlocking) {
  cudaStream_t stream = nullptr;
  EXPECT_TRUE(ok(cudaStreamCreateWithFlags(&stream, flags)));
  return stream;
}

class stand_in : public testing::Test {
 protected:
  void SetUp() override { reset(); }
  void TearDown() override { reset(); }
};

// Some of what they do makes the program stop, as it should, in a copy of the process.
using stand_in_death = stand_in;

// ---- Execution ----------------------------------------------------------------------------------

TEST_F(stand_in, gives_each_thread_its_place) {
  const device_array<unsigned> out(2 * 3 * 4 * 5 * 2 * 3);
  ASSERT_TRUE(ok(launch(positions_kernel, {2, 3, 4}, {5, 2, 3}, out.data())));
  const std::vector<unsigned> values = out.values();
  for (unsigned i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i], i / 30 * 10000 + i % 30 / 10 * 1000 + i % 10 / 5 * 100 + i % 5);
}

TEST_F(stand_in, runs_tiles_with_barriers) {
  for (const order of : {order::ascending, order::descending}) {
    set_order(of);
    const int rows = 35;
    const int cols = 50;
    const device_array<double> in(counting<double>(rows * cols));
    const device_array<double> out(rows * cols);
    ASSERT_TRUE(
        ok(launch(transpose_kernel<double>, {4, 3}, {16, 16}, in.data(), out.data(), rows, cols)));
    const std::vector<double> values = out.values();
    for (int i = 0; i < rows * cols; ++i) ASSERT_EQ(values[i], i % rows * cols + i / rows);
    EXPECT_EQ(launches().back().barriers, 12);
  }
}

TEST_F(stand_in, runs_blocks_of_every_size) {
  for (const unsigned size : {1u, 31u, 32u, 33u, 239u, 240u, 512u, 1024u}) {
    const device_array<int> in(counting<int>(size));
    const device_array<int> out(size);
    ASSERT_TRUE(ok(launch(neighbour_kernel, 1, size, in.data(), out.data(), barrier::block)));
    const std::vector<int> values = out.values();
    for (unsigned i = 1; i < size; ++i) ASSERT_EQ(values[i], i - 1);
  }
}

TEST_F(stand_in, sums_with_shuffles_and_atomics) {
  const device_array<float> in(std::vector<float>(5000, 2.0f));
  const device_array<float> out(1);
  ASSERT_TRUE(ok(launch(sum_kernel, 3, 128, in.data(), out.data(), 5000u)));
  EXPECT_EQ(out.values()[0], 10000.0f);
}

TEST_F(stand_in, shuffles_and_votes) {
  const device_array<int> out(32 * 9);
  ASSERT_TRUE(ok(launch(warp_kernel, 1, 32, out.data())));
  const std::vector<int> values = out.values();
  for (int lane = 0; lane < 32; ++lane) {
    const int* of_lane = values.data() + lane * 9;
    EXPECT_EQ(of_lane[0], 5);
    EXPECT_EQ(of_lane[1], lane / 8 * 8 + (lane + 1) % 8);
    EXPECT_EQ(of_lane[2], lane < 3 ? lane : lane - 3);
    EXPECT_EQ(of_lane[3], lane % 16 + 3 < 16 ? lane + 3 : lane);
    EXPECT_EQ(of_lane[4], lane ^ 9);
    EXPECT_EQ(of_lane[5], 250);
    EXPECT_EQ(of_lane[6], 0x11111111);
    EXPECT_EQ(of_lane[7], 10);
    EXPECT_EQ(of_lane[8], 10);
  }
}

TEST_F(stand_in, lets_threads_wait_in_different_places) {
  for (const order of : {order::ascending, order::descending}) {
    set_order(of);
    const device_array<int> out(32);
    ASSERT_TRUE(ok(launch(divergent_kernel, 1, 32, out.data())));
    const std::vector<int> values = out.values();
    for (int lane = 0; lane < 32; ++lane)
      EXPECT_EQ(values[lane], (lane % 2 == 0 ? 30 : 1) + lane / 16 * 1600);
  }
}

TEST_F(stand_in, makes_dynamic_shared_memory_fresh_for_each_block) {
  const device_array<float> out(64);
  ASSERT_TRUE(ok(launch_on(nullptr, fresh_kernel, 2, 32, 32 * sizeof(float), out.data())));
  for (const float value : out.values()) EXPECT_TRUE(std::isnan(value));

  const device_array<float> data(counting<float>(64));
  ASSERT_TRUE(ok(launch_on(nullptr, reverse_kernel, 2, 32, 32 * sizeof(float), data.data(), 0u)));
  const std::vector<float> values = data.values();
  for (int i = 0; i < 64; ++i) EXPECT_EQ(values[i], i / 32 * 32 + 31 - i % 32);
}

TEST_F(stand_in, says_which_kernel_hangs) {
  const device_array<int> out(64);
  EXPECT_TRUE(ok(launch(early_return_kernel, 1, 64, out.data())));
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchTimeout);
  EXPECT_EQ(complaint(),
            "kernel of launch 0: block (0, 0, 0) hangs: 63 threads wait at __syncthreads, 0 for "
            "lanes of their warp, 1 have returned");
  EXPECT_EQ(cudaStreamQuery(nullptr), cudaErrorLaunchTimeout) << "it stays broken";

  for (auto* kernel : {lost_lane_kernel, foreign_lane_kernel, crossed_kernel}) {
    reset();
    int* memory = nullptr;
    cudaMalloc(&memory, 128);
    EXPECT_TRUE(ok(launch(kernel, 1, 32, memory)));
    EXPECT_EQ(cudaFree(memory), cudaErrorLaunchTimeout);
  }
}

TEST_F(stand_in, shows_a_missing_barrier_in_one_of_the_two_orders) {
  if (thread_sanitizer) GTEST_SKIP() << "would stop here";
  int wrong = 0;
  for (const order of : {order::ascending, order::descending}) {
    set_order(of);
    // Other values each time: shared memory still holds the last ones.
    const device_array<int> in(std::vector<int>(64, static_cast<int>(of) + 1));
    const device_array<int> out(64);
    ASSERT_TRUE(ok(launch(neighbour_kernel, 1, 64, in.data(), out.data(), barrier::none)));
    wrong += out.values() != in.values();
  }
  EXPECT_EQ(wrong, 1);
}

TEST_F(stand_in, serves_many_host_threads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      const cudaStream_t stream = new_stream();
      for (int repeat = 0; repeat < 20; ++repeat) {
        const device_array<int> data(counting<int>(100));
        EXPECT_TRUE(
            ok(launch_on(stream, add_kernel<int>, 2, 64, 0, data.data(), data.data(), t, 100u)));
        EXPECT_TRUE(ok(cudaStreamSynchronize(stream)));
        EXPECT_EQ(data.values()[99], 99 + t);
      }
      cudaStreamDestroy(stream);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(live(), live_objects{});
}

/// Runs a kernel in a process of its own, which the thread sanitizer's findings end with 66.
template <class... Parameters, class... Arguments>
[[noreturn]] void run_and_exit(unsigned block_size, void (*kernel)(const int*, int*, Parameters...),
                               Arguments... arguments) {
  {
    const device_array<int> in(counting<int>(block_size));
    const device_array<int> out(block_size);
    launch(kernel, 1, block_size, in.data(), out.data(), arguments...);
  }
  std::exit(0);
}

TEST_F(stand_in_death, thread_sanitizer_sees_a_missing_barrier) {
  if (!thread_sanitizer) GTEST_SKIP() << "a build with the thread sanitizer only";
  const testing::ExitedWithCode with_findings(66);
  for (const unsigned size : {32u, 256u, 1024u})
    EXPECT_EXIT(run_and_exit(size, neighbour_kernel, barrier::none), with_findings,
                "data race.*\n.*\n.*neighbour_kernel");
  EXPECT_EXIT(run_and_exit(64, neighbour_kernel, barrier::warp), with_findings,
              "data race.*\n.*\n.*neighbour_kernel")
      << "two warps need more";
  EXPECT_EXIT(run_and_exit(32, shuffle_neighbour_kernel), with_findings,
              "data race.*\n.*\n.*shuffle_neighbour_kernel");
}

TEST_F(stand_in_death, thread_sanitizer_sees_the_barrier_that_is_there) {
  if (!thread_sanitizer) GTEST_SKIP() << "a build with the thread sanitizer only";
  const testing::ExitedWithCode without_findings(0);
  EXPECT_EXIT(run_and_exit(1024, neighbour_kernel, barrier::block), without_findings, "");
  EXPECT_EXIT(run_and_exit(32, neighbour_kernel, barrier::warp), without_findings, "");
}

// ---- Memory -------------------------------------------------------------------------------------

TEST_F(stand_in, knows_what_pointers_are) {
  float* on_device = nullptr;
  float* pinned = nullptr;
  ASSERT_TRUE(ok(cudaSetDevice(1)));
  ASSERT_TRUE(ok(cudaMalloc(&on_device, 64)));
  ASSERT_TRUE(ok(cudaMallocHost(&pinned, 32)));
  EXPECT_EQ(live().bytes, 96);
  const auto attributes = [](const void* pointer) {
    cudaPointerAttributes found{};
    EXPECT_TRUE(ok(cudaPointerGetAttributes(&found, pointer)));
    return found;
  };
  EXPECT_EQ(attributes(on_device + 15).type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes(on_device + 15).device, 1);
  EXPECT_EQ(attributes(on_device + 16).type, cudaMemoryTypeUnregistered);
  EXPECT_EQ(attributes(pinned).type, cudaMemoryTypeHost);
  EXPECT_EQ(attributes(&on_device).type, cudaMemoryTypeUnregistered);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(on_device) % 256, 0);

  EXPECT_EQ(cudaFree(pinned), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(on_device + 1), cudaErrorInvalidValue);
  EXPECT_TRUE(ok(cudaFree(on_device)));
  EXPECT_EQ(cudaFree(on_device), cudaErrorInvalidValue);
  EXPECT_TRUE(ok(cudaFreeHost(pinned)));
  EXPECT_TRUE(ok(cudaFree(nullptr)));
  EXPECT_EQ(live(), live_objects{});
}

TEST_F(stand_in, locks_pages_of_the_programs_own) {
  std::vector<float> own(1000, 1.0F);
  const device_array<float> data(10);
  ASSERT_TRUE(ok(cudaHostRegister(own.data() + 500, 400, cudaHostRegisterDefault)));
  EXPECT_EQ(cudaHostRegister(own.data() + 599, 4, 0), cudaErrorHostMemoryAlreadyRegistered);
  cudaPointerAttributes found{};
  EXPECT_TRUE(ok(cudaPointerGetAttributes(&found, own.data() + 599)));
  EXPECT_EQ(found.type, cudaMemoryTypeHost);
  for (const int outside : {499, 600}) {
    EXPECT_TRUE(ok(cudaPointerGetAttributes(&found, own.data() + outside)));
    EXPECT_EQ(found.type, cudaMemoryTypeUnregistered);
    EXPECT_TRUE(ok(cudaMemcpy(data.data(), own.data() + outside, 4, cudaMemcpyHostToDevice)));
  }
  EXPECT_EQ(cudaMemcpy(data.data(), own.data() + 595, 40, cudaMemcpyHostToDevice),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(own.data() + 500), cudaErrorInvalidValue);
  own[499] = own[600] = 2;  // beside it is not the runtime's
  EXPECT_TRUE(ok(launch(empty_kernel, 1, 1)));
  EXPECT_TRUE(ok(cudaHostUnregister(own.data() + 500)));
  EXPECT_EQ(cudaHostUnregister(own.data() + 500), cudaErrorInvalidValue);
}

TEST_F(stand_in, has_memory_for_both_sides) {
  int* managed = nullptr;
  ASSERT_TRUE(ok(cudaMallocManaged(&managed, 16)));
  for (int i = 0; i < 4; ++i) managed[i] = i;
  cudaPointerAttributes found{};
  EXPECT_TRUE(ok(cudaPointerGetAttributes(&found, managed)));
  EXPECT_EQ(found.type, cudaMemoryTypeManaged);
  EXPECT_TRUE(ok(cudaSetDevice(1)));
  EXPECT_TRUE(ok(launch(add_kernel<int>, 1, 4, managed, managed, 1, 4u)));
  EXPECT_TRUE(ok(cudaSetDevice(0)));
  EXPECT_EQ(managed[3], 4);
  int value = 0;
  EXPECT_TRUE(ok(cudaMemcpy(&value, managed + 1, 4, cudaMemcpyDeviceToHost)));
  EXPECT_TRUE(ok(cudaMemcpy(managed + 2, managed + 1, 4, cudaMemcpyHostToHost)));
  EXPECT_EQ(value + managed[2], 4);
  EXPECT_TRUE(ok(cudaFree(managed)));
  EXPECT_EQ(live(), live_objects{});
}

TEST_F(stand_in, tells_how_far_memory_reaches) {
  const auto ask = [](const void* at) {
    void* function = nullptr;
    auto found = cudaDriverEntryPointSymbolNotFound;
    EXPECT_TRUE(ok(cudaGetDriverEntryPointByVersion("cuPointerGetAttributes", &function, 7000,
                                                    cudaEnableDefault, &found)));
    EXPECT_EQ(found, cudaDriverEntryPointSuccess);
    CUdeviceptr begin = 1;
    std::size_t size = 1;
    CUpointer_attribute wanted[] = {CU_POINTER_ATTRIBUTE_RANGE_SIZE,
                                    CU_POINTER_ATTRIBUTE_RANGE_START_ADDR};
    void* answers[] = {&size, &begin};
    using query = CUresult (*)(unsigned, CUpointer_attribute*, void**, CUdeviceptr);
    EXPECT_EQ(
        reinterpret_cast<query>(function)(2, wanted, answers, reinterpret_cast<std::uintptr_t>(at)),
        CUDA_SUCCESS);
    return std::pair(static_cast<std::uintptr_t>(begin), size);
  };
  {
    const device_array<int> data(4);
    const auto begin = reinterpret_cast<std::uintptr_t>(data.data());
    EXPECT_EQ(ask(data.data() + 3), std::pair(begin, std::size_t{16}));
    EXPECT_EQ(ask(data.data() + 4), std::pair(std::uintptr_t{0}, std::size_t{0}));
    EXPECT_EQ(calls().back(), "cuPointerGetAttributes");
  }

  reset({.knows_ranges = false});
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  EXPECT_TRUE(ok(cudaGetDriverEntryPointByVersion("cuPointerGetAttributes", &function, 7000,
                                                  cudaEnableDefault, &found)));
  EXPECT_EQ(found, cudaDriverEntryPointSymbolNotFound);
}

TEST_F(stand_in, gives_out_memory_full_of_nan) {
  float* memory = nullptr;
  float value = 0;
  ASSERT_TRUE(ok(cudaMalloc(&memory, 64)));
  ASSERT_TRUE(ok(cudaMemcpy(&value, memory + 3, 4, cudaMemcpyDeviceToHost)));
  EXPECT_TRUE(std::isnan(value));
  EXPECT_TRUE(ok(cudaFree(memory)));
}

TEST_F(stand_in, refuses_copies_that_leave_their_memory) {
  std::vector<float> host(32);
  const device_array<float> data(16);
  EXPECT_EQ(cudaMemcpy(data.data() + 1, host.data(), 64, cudaMemcpyHostToDevice),
            cudaErrorInvalidValue);
  EXPECT_NE(complaint().find("cudaMemcpy: 64 bytes at "), std::string::npos) << complaint();
  EXPECT_NE(complaint().find("(byte 4 of 64 on device 0) are too many"), std::string::npos);
  EXPECT_EQ(cudaMemcpy(data.data(), host.data(), 64, cudaMemcpyDeviceToHost),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host.data(), host.data() + 16, 64, cudaMemcpyHostToDevice),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host.data(), data.data(), 64, static_cast<cudaMemcpyKind>(7)),
            cudaErrorInvalidMemcpyDirection);
  EXPECT_EQ(cudaMemset(data.data(), 0, 65), cudaErrorInvalidValue);
  EXPECT_TRUE(ok(cudaMemcpy(host.data(), data.data(), 64, cudaMemcpyDefault)));
}

TEST_F(stand_in, copies_rows_and_planes) {
  const std::vector<char> host = counting<char>(2 * 3 * 4);  // planes, rows, columns
  const device_array<char> data(std::vector<char>(60, -1));
  // The last two columns of both planes' last two rows, to rows of 5 and planes of 4 rows.
  cudaMemcpy3DParms box{};
  box.srcPtr = make_cudaPitchedPtr(const_cast<char*>(host.data()), 4, 4, 3);
  box.srcPos = make_cudaPos(2, 1, 0);
  box.dstPtr = make_cudaPitchedPtr(data.data(), 5, 5, 4);
  box.dstPos = make_cudaPos(0, 0, 1);
  box.extent = make_cudaExtent(2, 2, 2);
  box.kind = cudaMemcpyHostToDevice;
  ASSERT_TRUE(ok(cudaMemcpy3D(&box)));
  std::vector<char> expected(60, -1);
  for (int plane = 0; plane < 2; ++plane)
    for (int row = 0; row < 2; ++row)
      for (int col = 0; col < 2; ++col)
        expected[(plane + 1) * 20 + row * 5 + col] =
            host[static_cast<std::size_t>(plane * 12 + (row + 1) * 4 + col + 2)];
  EXPECT_EQ(data.values(), expected);

  std::vector<char> corner(4);
  EXPECT_TRUE(
      ok(cudaMemcpy2D(corner.data(), 2, data.data() + 20, 5, 2, 2, cudaMemcpyDeviceToHost)));
  EXPECT_EQ(corner, (std::vector<char>{6, 7, 10, 11}));
  EXPECT_EQ(cudaMemcpy2D(corner.data(), 1, data.data(), 5, 2, 2, cudaMemcpyDeviceToHost),
            cudaErrorInvalidPitchValue);
  EXPECT_EQ(cudaMemcpy2D(corner.data(), 2, data.data() + 49, 5, 2, 3, cudaMemcpyDeviceToHost),
            cudaErrorInvalidValue);
}

TEST_F(stand_in, sees_what_a_kernel_writes_beside_its_memory) {
  if (address_sanitizer) GTEST_SKIP() << "stops the program before";
  const device_array<float> data(16);
  launch(poke_kernel, 1, 1, data.data(), 16);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  EXPECT_NE(complaint().find("kernel of launch 0: wrote beside"), std::string::npos) << complaint();

  reset();
  const device_array<float> other(32);
  launch_on(nullptr, reverse_kernel, 1, 32, 32 * sizeof(float), other.data(), 1u);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  EXPECT_NE(complaint().find("behind its 128 bytes of dynamic shared"), std::string::npos);
}

TEST_F(stand_in, counts_and_checks_traffic) {
  const device_array<float> in(100);
  const device_array<float> out(100);
  ASSERT_TRUE(ok(launch(add_kernel<float>, 2, 64, in.data(), out.data(), 1.0f, 100u)));
  const launch_record record = launches().at(0);
  EXPECT_EQ(record.bytes_loaded, 400);
  EXPECT_EQ(record.bytes_stored, 400);
  EXPECT_EQ(record.kernel, reinterpret_cast<const void*>(&add_kernel<float>));
  EXPECT_EQ(record.grid.x, 2);
  EXPECT_EQ(record.block.x, 64);

  // Memory of the host is no memory of a device, even if it can be read here.
  const std::vector<float> on_host(100);
  launch(add_kernel<float>, 2, 64, on_host.data(), out.data(), 1.0f, 100u);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  EXPECT_NE(complaint().find("thread (0, 0, 0) of block (0, 0, 0) loads 4 bytes at "),
            std::string::npos)
      << complaint();

  // Nor is that of another device. The address sanitizer would stop the program for it.
  if (!address_sanitizer) {
    reset();
    const device_array<float> elsewhere(100);
    cudaSetDevice(1);
    launch(add_kernel<float>, 2, 64, elsewhere.data(), elsewhere.data(), 1.0f, 100u);
    EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  }

  reset();
  const device_array<float> vectors(8);
  ASSERT_TRUE(ok(launch(vector_kernel, 1, 1, vectors.data() + 4, vectors.data())));
  EXPECT_TRUE(ok(cudaDeviceSynchronize()));
}

TEST_F(stand_in_death, misaligned_access_is_an_error) {
  const auto run = [] {
    const device_array<float> data(8);
    launch(vector_kernel, 1, 1, data.data() + 1, data.data());
    return cudaDeviceSynchronize();
  };
  // The undefined behaviour sanitizer may be there or not, and nobody can ask GCC.
  EXPECT_EXIT(std::exit(run() == cudaErrorMisalignedAddress ? 1 : 0), testing::ExitedWithCode(1),
              "");
}

TEST_F(stand_in_death, address_sanitizer_sees_what_leaves_its_memory) {
  if (!address_sanitizer) GTEST_SKIP() << "a build with the address sanitizer only";
  const device_array<float> data(33);
  const device_array<float> out(1);
  ASSERT_TRUE(ok(launch(peek_kernel, 1, 1, data.data(), out.data(), 32)));
  for (const int offset : {-200, -1, 33, 200})
    EXPECT_DEATH(launch(peek_kernel, 1, 1, data.data(), out.data(), offset),
                 "use-after-poison.*\n(.*\n)+.*peek_kernel");
  EXPECT_DEATH(launch(shared_overrun_kernel<float>, 1, 24, out.data(), 24),
               "global-buffer-overflow|insufficient space");
  EXPECT_DEATH(launch_on(nullptr, reverse_kernel, 1, 32, 32 * sizeof(float), data.data(), 1u),
               "use-after-poison.*\n(.*\n)+.*reverse_kernel");
}

TEST_F(stand_in_death, address_sanitizer_sees_who_may_not_go_there) {
  if (!address_sanitizer) GTEST_SKIP() << "a build with the address sanitizer only";
  const device_array<float> data(4);
  EXPECT_DEATH(std::exit(static_cast<int>(*data.data())), "use-after-poison") << "the host";
  EXPECT_DEATH(
      {
        cudaSetDevice(1);
        const device_array<float> out(1);
        launch(peek_kernel, 1, 1, data.data(), out.data(), 0);
      },
      "use-after-poison.*\n(.*\n)+.*peek_kernel")
      << "another device";
  EXPECT_DEATH(
      {
        cudaFree(data.data());
        launch(poke_kernel, 1, 1, data.data(), 0);
      },
      "heap-use-after-free.*\n(.*\n)+.*poke_kernel");
}

// ---- Machines, limits, failures -----------------------------------------------------------------

TEST_F(stand_in, has_two_devices) {
  int value = 0;
  EXPECT_TRUE(ok(cudaGetDeviceCount(&value)));
  EXPECT_EQ(value, 2);
  EXPECT_TRUE(ok(cudaSetDevice(1)));
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_TRUE(ok(cudaGetDevice(&value)));
  EXPECT_EQ(value, 1);
  std::thread([] {
    int of_thread = -1;
    cudaGetDevice(&of_thread);
    EXPECT_EQ(of_thread, 0);
  }).join();

  cudaDeviceProp properties{};
  EXPECT_TRUE(ok(cudaGetDeviceProperties(&properties, 1)));
  EXPECT_STREQ(properties.name, "cuda on host");
  EXPECT_TRUE(ok(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0)));
  EXPECT_EQ(value, 9);
  EXPECT_STREQ(cudaGetErrorName(cudaErrorNotReady), "cudaErrorNotReady");
  EXPECT_STREQ(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
}

TEST_F(stand_in, can_be_a_machine_without_cuda) {
  int value = -1;
  for (const int version : {0, 12080}) {
    reset({.driver_version = version});
    EXPECT_EQ(cudaGetDeviceCount(&value), cudaErrorInsufficientDriver);
    EXPECT_EQ(cudaFree(nullptr), cudaErrorInsufficientDriver);
    EXPECT_TRUE(ok(cudaDriverGetVersion(&value)));
    EXPECT_EQ(value, version);
    EXPECT_TRUE(ok(cudaRuntimeGetVersion(&value)));
    EXPECT_EQ(value, CUDART_VERSION);
  }
  reset({.devices = 0});
  EXPECT_EQ(cudaGetDeviceCount(&value), cudaErrorNoDevice);
  EXPECT_EQ(launch(empty_kernel, 1, 1), cudaErrorNoDevice);
}

TEST_F(stand_in, can_run_out_of_memory) {
  machine small;
  small.device.totalGlobalMem = 1000;
  reset(small);
  void* first = nullptr;
  void* second = nullptr;
  std::size_t available = 0;
  std::size_t total = 0;
  EXPECT_TRUE(ok(cudaMalloc(&first, 600)));
  EXPECT_EQ(cudaMalloc(&second, 401), cudaErrorMemoryAllocation);
  EXPECT_EQ(second, nullptr);
  EXPECT_TRUE(ok(cudaMemGetInfo(&available, &total)));
  EXPECT_EQ(available, 400);
  EXPECT_EQ(total, 1000);
  EXPECT_TRUE(ok(cudaSetDevice(1)));
  EXPECT_TRUE(ok(cudaMalloc(&second, 401))) << "the other device";
}

TEST_F(stand_in, keeps_the_limits_of_launches) {
  for (const dim3 grid : {dim3(0), dim3(1, 0), dim3(1, 1, 0), dim3(1, 65536), dim3(1, 1, 65536)})
    EXPECT_EQ(launch(empty_kernel, grid, 1), cudaErrorInvalidConfiguration) << complaint();
  for (const dim3 block : {dim3(0), dim3(1, 0), dim3(1025), dim3(32, 33), dim3(1, 1, 65)})
    EXPECT_EQ(launch(empty_kernel, 1, block), cudaErrorInvalidConfiguration) << complaint();
  EXPECT_TRUE(ok(launch(empty_kernel, {1, 65535}, 1)));

  const auto launch_with = [](std::size_t shared) {
    return launch_on(nullptr, empty_kernel, 1, 1, shared);
  };
  const int most = 227 * 1024;
  EXPECT_TRUE(ok(launch_with(48 * 1024)));
  EXPECT_EQ(launch_with(48 * 1024 + 1), cudaErrorInvalidValue);
  EXPECT_EQ(
      cudaFuncSetAttribute(empty_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most + 1),
      cudaErrorInvalidValue);
  EXPECT_TRUE(
      ok(cudaFuncSetAttribute(empty_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most)));
  EXPECT_TRUE(ok(launch_with(most)));
  EXPECT_TRUE(ok(cudaSetDevice(1)));
  EXPECT_EQ(launch_with(most), cudaErrorInvalidValue) << "a setting for one device";

  int blocks = 0;
  EXPECT_TRUE(ok(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, empty_kernel, 256, 0)));
  EXPECT_EQ(blocks, 8);
  EXPECT_TRUE(
      ok(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, empty_kernel, 256, 100 * 1024)));
  EXPECT_EQ(blocks, 2);
}

TEST_F(stand_in, keeps_devices_apart) {
  const cudaStream_t stream = new_stream();
  int device = -1;
  EXPECT_TRUE(ok(cudaStreamGetDevice(stream, &device)));
  EXPECT_EQ(device, 0);
  cudaEvent_t event = nullptr;
  EXPECT_TRUE(ok(cudaSetDevice(1)));
  EXPECT_TRUE(ok(cudaEventCreate(&event)));
  EXPECT_EQ(launch_on(stream, empty_kernel, 1, 1, 0), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventRecord(event, stream), cudaErrorInvalidResourceHandle);
  EXPECT_TRUE(ok(cudaStreamDestroy(stream)));
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
}

TEST_F(stand_in, can_fail_any_call) {
  const auto scenario = [] {
    void* memory = nullptr;
    cudaStream_t stream = nullptr;
    bool good = cudaMalloc(&memory, 16) == cudaSuccess;
    good = good && cudaStreamCreate(&stream) == cudaSuccess;
    good = good && cudaMemsetAsync(memory, 0, 16, stream) == cudaSuccess;
    good = good && cudaStreamSynchronize(stream) == cudaSuccess;
    if (stream != nullptr) good = cudaStreamDestroy(stream) == cudaSuccess && good;
    if (memory != nullptr) good = cudaFree(memory) == cudaSuccess && good;
    return good;
  };
  EXPECT_TRUE(scenario());
  const std::vector<std::string> names = calls();
  EXPECT_EQ(names,
            (std::vector<std::string>{"cudaMalloc", "cudaStreamCreate", "cudaMemsetAsync",
                                      "cudaStreamSynchronize", "cudaStreamDestroy", "cudaFree"}));
  for (std::size_t n = 1; n <= names.size(); ++n) {
    reset();
    fail_call(static_cast<std::int64_t>(n), cudaErrorMemoryAllocation);
    EXPECT_FALSE(scenario()) << names[n - 1];
    EXPECT_EQ(live(), live_objects{}) << names[n - 1];
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
    EXPECT_TRUE(scenario()) << "only one fails";
  }
}

TEST_F(stand_in, knows_what_has_not_been_freed) {
  void* memory = nullptr;
  cudaEvent_t event = nullptr;
  cudaMalloc(&memory, 10);
  cudaEventCreate(&event);
  const cudaStream_t stream = new_stream();
  EXPECT_EQ(live(), (live_objects{.allocations = 1, .bytes = 10, .streams = 1, .events = 1}));
  cudaFree(memory);
  cudaEventDestroy(event);
  cudaStreamDestroy(stream);
  EXPECT_EQ(live(), live_objects{});
}

// ---- Streams ------------------------------------------------------------------------------------

TEST_F(stand_in, shows_a_missing_synchronisation) {
  const device_array<int> data(counting<int>(4));
  const cudaStream_t stream = new_stream();
  std::vector<int> result(4, -1);
  set_execution(execution::deferred);
  EXPECT_TRUE(ok(launch_on(stream, add_kernel<int>, 1, 4, 0, data.data(), data.data(), 1, 4u)));
  EXPECT_TRUE(ok(cudaMemcpyAsync(result.data(), data.data(), 16, cudaMemcpyDeviceToHost, stream)));
  EXPECT_EQ(launches().size(), 0);
  EXPECT_EQ(result[3], -1);
  EXPECT_TRUE(ok(cudaStreamSynchronize(stream)));
  EXPECT_EQ(result[3], 4);
  cudaStreamDestroy(stream);
}

TEST_F(stand_in, shows_a_buffer_that_is_reused_too_early) {
  const device_array<int> data(1);
  std::vector<int> staging{1};
  const cudaStream_t stream = new_stream();
  set_execution(execution::deferred);
  cudaMemcpyAsync(data.data(), staging.data(), 4, cudaMemcpyHostToDevice, stream);
  staging[0] = 2;
  cudaStreamSynchronize(stream);
  EXPECT_EQ(data.values()[0], 2);

  // Freed in one stream, still in use in another.
  int* memory = nullptr;
  const cudaStream_t other = new_stream();
  cudaMallocAsync(&memory, 4, stream);
  cudaMemsetAsync(memory, 0, 4, other);
  cudaFreeAsync(memory, stream);
  EXPECT_EQ(live().allocations, 1) << "data";
  EXPECT_TRUE(ok(cudaStreamSynchronize(stream)));
  EXPECT_EQ(cudaStreamSynchronize(other), cudaErrorIllegalAddress);
}

TEST_F(stand_in, shows_memory_that_is_freed_too_early) {
  for (const bool waits : {true, false}) {
    reset({.frees_wait = waits});
    set_execution(execution::deferred);
    int* memory = nullptr;
    EXPECT_TRUE(ok(cudaMalloc(&memory, 4)));
    EXPECT_TRUE(ok(cudaMemsetAsync(memory, 0, 4)));
    EXPECT_TRUE(ok(cudaFree(memory)));
    EXPECT_EQ(cudaDeviceSynchronize(), waits ? cudaSuccess : cudaErrorIllegalAddress);
  }
}

TEST_F(stand_in, interleaves_streams_that_share_a_buffer) {
  const device_array<int> workspace(1);
  const device_array<int> results(2);
  const auto run = [&](cudaStream_t stream, int which) {
    cudaMemsetAsync(workspace.data(), which, 4, stream);
    cudaMemcpyAsync(results.data() + which, workspace.data(), 4, cudaMemcpyDeviceToDevice, stream);
  };
  const cudaStream_t first = new_stream();
  const cudaStream_t second = new_stream();
  cudaEvent_t first_is_done = nullptr;
  cudaEventCreate(&first_is_done);
  set_execution(execution::interleaved);
  for (const bool ordered : {false, true}) {
    run(first, 0);
    if (ordered) {
      cudaEventRecord(first_is_done, first);
      cudaStreamWaitEvent(second, first_is_done);
    }
    run(second, 1);
    cudaDeviceSynchronize();
    EXPECT_EQ(results.values()[0] == 0, ordered);
    EXPECT_EQ(results.values()[1], 0x01010101);
  }
}

TEST_F(stand_in, orders_streams_with_events_and_the_default_stream) {
  const device_array<int> data(1);
  const cudaStream_t free_stream = new_stream();
  const cudaStream_t blocking = new_stream(cudaStreamDefault);
  const auto set = [&](int value, cudaStream_t stream) {
    EXPECT_TRUE(ok(cudaMemsetAsync(data.data(), value, 4, stream)));
  };
  set_execution(execution::deferred);

  set(1, blocking);
  set(2, nullptr);
  set(3, free_stream);
  EXPECT_EQ(data.values()[0], 0x02020202) << "the copy waits for the default and blocking streams";
  EXPECT_TRUE(ok(cudaStreamSynchronize(free_stream)));
  EXPECT_EQ(data.values()[0], 0x03030303);

  cudaEvent_t event = nullptr;
  EXPECT_TRUE(ok(cudaEventCreate(&event)));
  EXPECT_TRUE(ok(cudaEventQuery(event))) << "never recorded";
  set(4, free_stream);
  EXPECT_TRUE(ok(cudaEventRecord(event, free_stream)));
  set(5, free_stream);
  EXPECT_TRUE(ok(cudaStreamWaitEvent(blocking, event)));
  EXPECT_TRUE(ok(cudaStreamSynchronize(blocking)));
  EXPECT_TRUE(ok(cudaEventQuery(event)));
  EXPECT_EQ(data.values()[0], 0x04040404) << "no further than the event";

  EXPECT_EQ(cudaStreamQuery(free_stream), cudaErrorNotReady);
  EXPECT_TRUE(ok(cudaStreamQuery(free_stream))) << "it goes on meanwhile";
  EXPECT_EQ(data.values()[0], 0x05050505);

  set(6, free_stream);
  EXPECT_TRUE(ok(cudaStreamDestroy(free_stream)));
  EXPECT_EQ(data.values()[0], 0x05050505);
  EXPECT_TRUE(ok(cudaDeviceSynchronize()));
  EXPECT_EQ(data.values()[0], 0x06060606) << "a destroyed stream's work is done";
}

TEST_F(stand_in, has_a_default_stream_for_each_thread) {
  const device_array<int> data(1);
  set_execution(execution::deferred);
  std::thread([&] {
    EXPECT_TRUE(ok(cudaMemsetAsync(data.data(), 1, 4, cudaStreamPerThread)));
  }).join();
  EXPECT_TRUE(ok(cudaStreamSynchronize(cudaStreamPerThread)));
  EXPECT_EQ(cudaStreamQuery(cudaStreamLegacy), cudaSuccess);
  EXPECT_TRUE(ok(cudaMemsetAsync(data.data(), 2, 4, cudaStreamLegacy)));
  EXPECT_EQ(data.values()[0], 0x02020202) << "in order with the default stream";
  EXPECT_EQ(cudaStreamDestroy(cudaStreamPerThread), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(live().streams, 0);
}

TEST_F(stand_in, takes_time) {
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  cudaEvent_t untimed = nullptr;
  cudaEventCreate(&start);
  cudaEventCreate(&end);
  cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming);
  float time = -1;
  EXPECT_EQ(cudaEventElapsedTime(&time, start, end), cudaErrorInvalidResourceHandle);
  set_execution(execution::deferred);
  for (const cudaEvent_t event : {start, end, untimed}) EXPECT_TRUE(ok(cudaEventRecord(event)));
  EXPECT_EQ(cudaEventElapsedTime(&time, start, end), cudaErrorNotReady);
  EXPECT_TRUE(ok(cudaEventSynchronize(end)));
  EXPECT_TRUE(ok(cudaEventElapsedTime(&time, start, end)));
  EXPECT_GE(time, 0);
  EXPECT_EQ(cudaEventElapsedTime(&time, start, untimed), cudaErrorInvalidResourceHandle);
}

// ---- Graphs -------------------------------------------------------------------------------------

TEST_F(stand_in, captures_graphs) {
  const device_array<int> data(counting<int>(4));
  const cudaStream_t stream = new_stream();
  cudaEvent_t event = nullptr;
  cudaEventCreate(&event);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;

  cudaFuncAttributes loaded{};
  ASSERT_TRUE(ok(cudaFuncGetAttributes(&loaded, add_kernel<int>)));
  ASSERT_TRUE(ok(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal)));
  EXPECT_TRUE(ok(launch_on(stream, add_kernel<int>, 1, 4, 0, data.data(), data.data(), 1, 4u)));
  EXPECT_TRUE(ok(cudaEventRecord(event, stream)));
  EXPECT_TRUE(ok(cudaStreamWaitEvent(stream, event)));
  EXPECT_EQ(cudaEventQuery(event), cudaErrorCapturedEvent);
  EXPECT_TRUE(ok(launch_on(stream, add_kernel<int>, 1, 4, 0, data.data(), data.data(), 2, 4u)));
  ASSERT_TRUE(ok(cudaStreamEndCapture(stream, &graph)));
  EXPECT_EQ(launches().size(), 0);

  ASSERT_TRUE(ok(cudaGraphInstantiate(&executable, graph)));
  ASSERT_TRUE(ok(cudaGraphDestroy(graph)));
  for (int repeat = 0; repeat < 2; ++repeat) ASSERT_TRUE(ok(cudaGraphLaunch(executable, stream)));
  EXPECT_EQ(data.values(), (std::vector<int>{6, 7, 8, 9}));
  EXPECT_EQ(launches().size(), 4);
  EXPECT_EQ(live().graphs, 1);
  EXPECT_TRUE(ok(cudaGraphExecDestroy(executable)));
  EXPECT_EQ(live().graphs, 0);
}

TEST_F(stand_in, spoils_captures_that_are_broken_into) {
  const cudaStream_t stream = new_stream();
  const cudaStream_t blocking = new_stream(cudaStreamDefault);
  const device_array<int> data(1);
  cudaEvent_t outside = nullptr;
  cudaEventCreate(&outside);
  cudaEventRecord(outside, blocking);
  void* memory = nullptr;
  int value = 0;

  const auto spoils = [](cudaStream_t of, cudaStreamCaptureMode mode, cudaError_t expected,
                         auto deed) {
    EXPECT_TRUE(ok(cudaStreamBeginCapture(of, mode)));
    EXPECT_EQ(deed(), expected) << complaint();
    cudaStreamCaptureStatus status{};
    cudaStreamIsCapturing(of, &status);
    EXPECT_EQ(status, expected == cudaSuccess ? cudaStreamCaptureStatusActive
                                              : cudaStreamCaptureStatusInvalidated);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(of, &graph),
              expected == cudaSuccess ? cudaSuccess : cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph != nullptr, expected == cudaSuccess);
  };
  const auto allocate = [&] { return cudaMalloc(&memory, 4); };
  const auto copy = [&] { return cudaMemcpy(&value, data.data(), 4, cudaMemcpyDeviceToHost); };
  const auto global = cudaStreamCaptureModeGlobal;
  const auto relaxed = cudaStreamCaptureModeRelaxed;
  const auto of_thread = cudaStreamCaptureModeThreadLocal;
  const auto elsewhere = [](auto deed) {
    return [deed] {
      cudaError_t error = cudaSuccess;
      std::thread([&] { error = deed(); }).join();
      return error;
    };
  };
  spoils(stream, global, cudaErrorStreamCaptureUnsupported, allocate);
  spoils(stream, global, cudaErrorStreamCaptureUnsupported, elsewhere(allocate));
  spoils(stream, of_thread, cudaErrorStreamCaptureUnsupported, allocate);
  spoils(stream, of_thread, cudaSuccess, elsewhere(allocate));
  spoils(stream, relaxed, cudaSuccess, allocate);
  const auto in_mode = [](cudaStreamCaptureMode mode, auto deed) {
    return [mode, deed] {
      cudaStreamCaptureMode other = mode;
      EXPECT_TRUE(ok(cudaThreadExchangeStreamCaptureMode(&other)));
      EXPECT_EQ(other, cudaStreamCaptureModeGlobal) << "at first";
      const cudaError_t error = deed();
      EXPECT_TRUE(ok(cudaThreadExchangeStreamCaptureMode(&other)));
      EXPECT_EQ(other, mode);
      return error;
    };
  };
  spoils(stream, global, cudaSuccess, in_mode(relaxed, allocate));
  spoils(stream, of_thread, cudaSuccess, in_mode(relaxed, allocate));
  spoils(stream, global, cudaErrorStreamCaptureUnsupported, in_mode(of_thread, allocate));
  spoils(stream, global, cudaSuccess, elsewhere(in_mode(of_thread, allocate)));
  spoils(stream, relaxed, cudaErrorStreamCaptureUnsupported,
         [&] { return cudaStreamSynchronize(stream); });
  spoils(stream, relaxed, cudaErrorStreamCaptureUnsupported,
         [] { return cudaDeviceSynchronize(); });
  spoils(stream, relaxed, cudaErrorStreamCaptureIsolation,
         [&] { return cudaStreamWaitEvent(stream, outside); });
  spoils(stream, relaxed, cudaSuccess, copy);
  spoils(stream, global, cudaErrorStreamCaptureUnsupported, copy);
  spoils(blocking, relaxed, cudaErrorStreamCaptureImplicit, copy);
  spoils(blocking, relaxed, cudaErrorStreamCaptureImplicit,
         [] { return launch(empty_kernel, 1, 1); });
  spoils(stream, global, cudaErrorStreamCaptureUnsupported,
         [&] { return cudaEventSynchronize(outside); });
  // A kernel that has not been loaded waits for that.
  float* const floats = nullptr;
  const auto launch_it = [&] { return launch_on(stream, fresh_kernel, 1, 1, 0, floats); };
  spoils(stream, global, cudaErrorStreamCaptureUnsupported, launch_it);
  cudaFuncAttributes loaded{};
  EXPECT_TRUE(ok(cudaFuncGetAttributes(&loaded, fresh_kernel)));
  spoils(stream, global, cudaSuccess, launch_it);

  EXPECT_EQ(cudaStreamBeginCapture(nullptr, global), cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
}

}  // namespace
