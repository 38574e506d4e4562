// SPDX-License-Identifier: Apache-2.0
// Owners: of device memory, and of the caller's current device for as long as it is another one.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "launch.hpp"

namespace convgpu::cuda {

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
    if (changed_) (void)cudaSetDevice(before_);
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

/// Memory of the device that was current when it was made.
class device_memory {
 public:
  device_memory() noexcept = default;
  explicit device_memory(std::size_t bytes) { check(cudaMalloc(&data_, bytes), "cudaMalloc"); }
  device_memory(device_memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  device_memory& operator=(device_memory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~device_memory() {
    if (data_ != nullptr) (void)cudaFree(data_);
  }

  [[nodiscard]] void* data() const noexcept { return data_; }

 private:
  void* data_ = nullptr;
};

}  // namespace convgpu::cuda
