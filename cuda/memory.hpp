// SPDX-License-Identifier: Apache-2.0
// Owners: of what CUDA hands out, and of the state of the caller's thread while it is another.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "launch.hpp"

namespace convgpu::cuda {

/// What must not throw: a failure leaves nothing behind that somebody else's next call would find.
inline bool succeeds(cudaError_t status) noexcept {
  if (status != cudaSuccess) (void)cudaGetLastError();
  return status == cudaSuccess;
}

/// Makes a device current, and the caller's again at the end.
class device_guard {
 public:
  explicit device_guard(int device) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (before_ != device) check(cudaSetDevice(device), "cudaSetDevice");
    changed_ = before_ != device;
  }
  device_guard(const device_guard&) = delete;
  device_guard& operator=(const device_guard&) = delete;
  ~device_guard() {
    // Twice, because there is nobody to tell.
    if (changed_ && !succeeds(cudaSetDevice(before_))) (void)succeeds(cudaSetDevice(before_));
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

/// The same for destructors, which must not throw, with graphs of others left alone: what fails is tried again, and done
/// without.
class last_device_guard {
 public:
  explicit last_device_guard(int device) noexcept {
    known_ = twice([this] { return cudaGetDevice(&before_); });
    if (known_) (void)twice([device] { return cudaSetDevice(device); });
    apart_ = twice([this] { return cudaThreadExchangeStreamCaptureMode(&other_captures_); });
  }
  last_device_guard(const last_device_guard&) = delete;
  last_device_guard& operator=(const last_device_guard&) = delete;
  ~last_device_guard() {
    if (apart_)
      (void)twice([this] { return cudaThreadExchangeStreamCaptureMode(&other_captures_); });
    if (known_) (void)twice([this] { return cudaSetDevice(before_); });
  }

 private:
  template <class Call>
  static bool twice(Call call) noexcept {
    return succeeds(call()) || succeeds(call());
  }

  int before_ = 0;
  cudaStreamCaptureMode other_captures_ = cudaStreamCaptureModeRelaxed;  // as beside_captures
  bool known_ = false;
  bool apart_ = false;
};

/// Lets this thread allocate and wait while graphs that it does not add to are being captured, by other
/// threads or its own. It would spoil them otherwise.
class beside_captures {
 public:
  beside_captures() { check(exchange(), "cudaThreadExchangeStreamCaptureMode"); }
  beside_captures(const beside_captures&) = delete;
  beside_captures& operator=(const beside_captures&) = delete;
  ~beside_captures() {
    if (!succeeds(exchange())) (void)succeeds(exchange());
  }

 private:
  cudaError_t exchange() noexcept { return cudaThreadExchangeStreamCaptureMode(&other_); }

  cudaStreamCaptureMode other_ = cudaStreamCaptureModeRelaxed;
};

/// A handle that is given back.
template <class Handle, cudaError_t (*Release)(Handle)>
class owner {
 public:
  owner() noexcept = default;
  explicit owner(Handle handle) noexcept : handle_(handle) {}
  owner(owner&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  owner& operator=(owner&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~owner() {
    if (handle_ != nullptr) (void)succeeds(Release(handle_));
  }

  [[nodiscard]] Handle get() const noexcept { return handle_; }

 private:
  Handle handle_ = nullptr;
};

using own_stream = owner<cudaStream_t, cudaStreamDestroy>;
using own_event = owner<cudaEvent_t, cudaEventDestroy>;

/// A stream that waits for no other, the default stream included.
[[nodiscard]] inline own_stream make_stream() {
  cudaStream_t handle = nullptr;
  check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return own_stream(handle);
}

[[nodiscard]] inline own_event make_event() {
  cudaEvent_t handle = nullptr;
  check(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  return own_event(handle);
}

/// Memory of the device that was current when it was made.
class device_memory {
 public:
  device_memory() noexcept = default;
  explicit device_memory(std::size_t bytes) {
    void* made = nullptr;
    check_allocation(cudaMalloc(&made, bytes), "cudaMalloc");
    memory_ = owner<void*, cudaFree>(made);
  }

  [[nodiscard]] void* data() const noexcept { return memory_.get(); }

 private:
  owner<void*, cudaFree> memory_;
};

/// Page-locked host memory, which devices copy from and to by themselves.
class pinned_memory {
 public:
  pinned_memory() noexcept = default;
  explicit pinned_memory(std::size_t bytes) {
    void* made = nullptr;
    check_allocation(cudaMallocHost(&made, bytes), "cudaMallocHost");
    memory_ = owner<void*, cudaFreeHost>(made);
  }

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(memory_.get()); }

 private:
  owner<void*, cudaFreeHost> memory_;
};

/// Shared memory that a block of the device may ask for: 64 KiB on 7.5, more than `shared_at_most` elsewhere.
[[nodiscard]] inline std::size_t shared_on(int device) {
  int most = 0;
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
        "cudaDeviceGetAttribute");
  return std::min(shared_at_most, static_cast<std::size_t>(most));
}

/// Blocks that keep a device busy.
[[nodiscard]] inline std::int64_t blocks_worth_launching(int device) {
  int multiprocessors = 0;
  check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
        "cudaDeviceGetAttribute");
  return blocks_worth_a_launch * multiprocessors;
}

/// Where memory given to kernels begins, whatever the caller's workspace is aligned to; what cudaMalloc
/// keeps to as well.
constexpr std::size_t device_alignment = 256;

[[nodiscard]] constexpr std::size_t aligned(std::size_t bytes) noexcept {
  return (bytes + device_alignment - 1) / device_alignment * device_alignment;
}

}  // namespace convgpu::cuda
