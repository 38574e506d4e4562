// SPDX-License-Identifier: Apache-2.0
// Places on a CUDA device: memory by Thrust, time by CUDA events.

#include <cuda_runtime.h>
#include <thrust/device_vector.h>
#include <thrust/fill.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>

#include "place.hpp"

namespace convgpu::bench {
namespace {

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // the next call would find it
  if (status == cudaErrorMemoryAllocation) throw std::bad_alloc();
  throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(status));
}

class event {
 public:
  event() { check(cudaEventCreate(&handle_), "cudaEventCreate"); }
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event() { (void)cudaEventDestroy(handle_); }

  void record(stream on) { check(cudaEventRecord(handle_, on.handle()), "cudaEventRecord"); }
  /// Waits for this one.
  [[nodiscard]] double seconds_since(const event& begin) const {
    float milliseconds = 0;
    check(cudaEventSynchronize(handle_), "cudaEventSynchronize");
    check(cudaEventElapsedTime(&milliseconds, begin.handle_, handle_), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) / 1e3;
  }

 private:
  cudaEvent_t handle_ = nullptr;
};

class own_stream {
 public:
  own_stream() {
    check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  own_stream(const own_stream&) = delete;
  own_stream& operator=(const own_stream&) = delete;
  ~own_stream() { (void)cudaStreamDestroy(handle_); }
  operator stream() const { return handle_; }

 private:
  cudaStream_t handle_ = nullptr;
};

/// What is queued on a stream, to be queued again as a whole.
class graph {
 public:
  graph(stream on, const work& what) {
    check(cudaStreamBeginCapture(on.handle(), cudaStreamCaptureModeThreadLocal),
          "cudaStreamBeginCapture");
    cudaGraph_t captured = nullptr;
    try {
      what(on);
    } catch (...) {
      (void)cudaStreamEndCapture(on.handle(), &captured);
      if (captured != nullptr) (void)cudaGraphDestroy(captured);
      throw;
    }
    check(cudaStreamEndCapture(on.handle(), &captured), "cudaStreamEndCapture");
    const cudaError_t made = cudaGraphInstantiate(&handle_, captured, 0);
    (void)cudaGraphDestroy(captured);
    check(made, "cudaGraphInstantiate");
  }
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;
  ~graph() { (void)cudaGraphExecDestroy(handle_); }

  void launch(stream on) const { check(cudaGraphLaunch(handle_, on.handle()), "cudaGraphLaunch"); }

 private:
  cudaGraphExec_t handle_ = nullptr;
};

int attribute(cudaDeviceAttr what) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, what, 0), "cudaDeviceGetAttribute");
  return value;
}

constexpr unsigned threads = 256;

/// Reads all of it. The store never happens, which the compiler cannot know.
__global__ void read_all(const int4* data, std::size_t count, int* never) {
  int sum = 0;
  const std::size_t step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step)
    sum |= data[i].x | data[i].y | data[i].z | data[i].w;
  if (sum != 0) *never = sum;
}

constexpr int chains = 8;  // independent, so that none waits for its own last result
constexpr int chain_length = 4096;

/// Multiply-adds and nothing else. The store never happens here, either.
__global__ void multiply_add(float a, float b, float* never) {
  float x[chains];
  for (int i = 0; i < chains; ++i) x[i] = static_cast<float>(threadIdx.x + i);
  for (int n = 0; n < chain_length; ++n)
#pragma unroll
    for (int i = 0; i < chains; ++i) x[i] = fmaf(x[i], a, b);
  float sum = 0;
  for (int i = 0; i < chains; ++i) sum += x[i];
  if (sum == -1.0f) *never = sum;
}

/// Empties the second-level cache: reads four times as much as it holds. Writing would leave it full of
/// lines that are written back while the next run is being timed.
class flusher {
 public:
  flusher()
      : blocks_(static_cast<unsigned>(attribute(cudaDevAttrMultiProcessorCount)) * 8),
        lines_(4 * static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize)) / sizeof(int4)) {}

  void queue(stream on) {
    read_all<<<blocks_, threads, 0, on.handle()>>>(thrust::raw_pointer_cast(lines_.data()),
                                                   lines_.size(),
                                                   thrust::raw_pointer_cast(never_.data()));
    check(cudaGetLastError(), "read_all");
  }

 private:
  unsigned blocks_;
  thrust::device_vector<int4> lines_;
  thrust::device_vector<int> never_{1};
};

using device_bytes = thrust::device_vector<unsigned char>;

class device_place final : public place {
 public:
  void load(std::span<const std::byte> in, std::size_t out_bytes) override {
    // First gone, then anew: both may not find room at once.
    for (device_bytes* old : {&in_, &out_, &from_, &to_}) *old = device_bytes();
    in_.resize(in.size());
    check(cudaMemcpy(thrust::raw_pointer_cast(in_.data()), in.data(), in.size(),
                     cudaMemcpyHostToDevice),
          "cudaMemcpy");
    out_.resize(out_bytes);
    thrust::fill(out_.begin(), out_.end(), static_cast<unsigned char>(0xff));
    // Ends on the default stream, which the stopwatch's does not wait for.
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  }
  [[nodiscard]] const void* in() const override { return thrust::raw_pointer_cast(in_.data()); }
  [[nodiscard]] void* out() override { return thrust::raw_pointer_cast(out_.data()); }
  [[nodiscard]] memory where() const override { return memory::device; }
  [[nodiscard]] std::vector<std::byte> fetch() override {
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    std::vector<std::byte> bytes(out_.size());
    check(cudaMemcpy(bytes.data(), thrust::raw_pointer_cast(out_.data()), bytes.size(),
                     cudaMemcpyDeviceToHost),
          "cudaMemcpy");
    return bytes;
  }

  /// The flush also gives the host time to queue all that follows, so that no launch is waited for.
  [[nodiscard]] double seconds(const work& run) override {
    flush_.queue(stream_);
    begin_.record(stream_);
    run(stream_);
    end_.record(stream_);
    return end_.seconds_since(begin_);
  }
  [[nodiscard]] std::optional<row_seconds> seconds_in_a_row(const work& run) override {
    constexpr int runs = 256;
    const work row = [&](stream on) {
      for (int i = 0; i < runs; ++i) run(on);
    };
    const graph replay(stream_, row);
    const auto seconds_of_one = [&](const work& queue) {
      const timing all = repeat([&] {
        begin_.record(stream_);
        queue(stream_);
        end_.record(stream_);
        return end_.seconds_since(begin_);
      });
      return all.median / runs;
    };
    return row_seconds{.launched = seconds_of_one(row),
                       .replayed = seconds_of_one([&](stream on) { replay.launch(on); })};
  }
  [[nodiscard]] double copy_seconds(std::size_t in_bytes, std::size_t out_bytes) override {
    const std::size_t bytes = (in_bytes + out_bytes) / 2;
    if (from_.size() != bytes) {
      from_ = device_bytes();
      to_ = device_bytes();
      from_.resize(bytes);
      to_.resize(bytes);
      check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    }
    return seconds([&](stream on) {
      check(cudaMemcpyAsync(thrust::raw_pointer_cast(to_.data()),
                            thrust::raw_pointer_cast(from_.data()), bytes, cudaMemcpyDeviceToDevice,
                            on.handle()),
            "cudaMemcpyAsync");
    });
  }
  [[nodiscard]] double fma_rate() override {
    if (fma_rate_ > 0) return fma_rate_;
    const auto blocks = static_cast<unsigned>(attribute(cudaDevAttrMultiProcessorCount)) * 16;
    thrust::device_vector<float> never(1);
    const timing t = repeat([&] {
      return seconds([&](stream on) {
        multiply_add<<<blocks, threads, 0, on.handle()>>>(0.5f, 1.0f,
                                                          thrust::raw_pointer_cast(never.data()));
        check(cudaGetLastError(), "multiply_add");
      });
    });
    return fma_rate_ = static_cast<double>(blocks) * threads * chains * chain_length / t.median;
  }

 private:
  own_stream stream_;
  event begin_, end_;
  flusher flush_;
  device_bytes in_, out_;
  device_bytes from_, to_;  // of copies
  double fma_rate_ = 0;
};

class pinned_bytes {
 public:
  explicit pinned_bytes(std::size_t count) {
    check(cudaMallocHost(&data_, count), "cudaMallocHost");
  }
  pinned_bytes(const pinned_bytes&) = delete;
  pinned_bytes& operator=(const pinned_bytes&) = delete;
  ~pinned_bytes() { (void)cudaFreeHost(data_); }
  [[nodiscard]] void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

class round_trip_place final : public place {
 public:
  void load(std::span<const std::byte> in, std::size_t out_bytes) override {
    host_->load(in, out_bytes);
  }
  [[nodiscard]] const void* in() const override { return host_->in(); }
  [[nodiscard]] void* out() override { return host_->out(); }
  [[nodiscard]] memory where() const override { return memory::host; }
  [[nodiscard]] std::vector<std::byte> fetch() override { return host_->fetch(); }

  [[nodiscard]] double seconds(const work& run) override { return host_->seconds(run); }
  [[nodiscard]] double copy_seconds(std::size_t in_bytes, std::size_t out_bytes) override {
    const std::size_t bytes = std::max(in_bytes, out_bytes);
    if (there_.size() != bytes) {
      there_.resize(bytes);
      pinned_ = std::make_unique<pinned_bytes>(bytes);
    }
    void* const device = thrust::raw_pointer_cast(there_.data());
    return seconds([&](stream) {
      check(cudaMemcpy(device, pinned_->data(), in_bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
      check(cudaMemcpy(pinned_->data(), device, out_bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
    });
  }
  [[nodiscard]] double fma_rate() override { return 0; }

 private:
  std::unique_ptr<place> host_ = make_host_place();
  device_bytes there_;
  std::unique_ptr<pinned_bytes> pinned_;
};

}  // namespace

std::unique_ptr<place> make_device_place() {
  return std::make_unique<device_place>();
}

std::unique_ptr<place> make_round_trip_place() {
  return std::make_unique<round_trip_place>();
}

}  // namespace convgpu::bench
