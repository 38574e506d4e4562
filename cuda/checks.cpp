// SPDX-License-Identifier: Apache-2.0

#include "checks.hpp"

#include <cuda.h>

#include <algorithm>
#include <convgpu/error.hpp>
#include <cstdint>
#include <string>

#include "memory.hpp"

namespace convgpu::cuda {
namespace {

using query = CUresult (*)(unsigned, CUpointer_attribute*, void**, CUdeviceptr);

std::string device_name(int device) {
  return "cuda:" + std::to_string(device);
}

cudaPointerAttributes attributes_of(const void* address) {
  cudaPointerAttributes found{};
  check(cudaPointerGetAttributes(&found, address), "cudaPointerGetAttributes");
  return found;
}

}  // namespace

argument_checks::argument_checks(int device) : device_(device) {
  // Not linked: the library must start where there is no driver. Without it reaches stay unchecked.
  void* function = nullptr;
  auto found = cudaDriverEntryPointSymbolNotFound;
  if (succeeds(cudaGetDriverEntryPointByVersion("cuPointerGetAttributes", &function, 7000,
                                                cudaEnableDefault, &found)) &&
      found == cudaDriverEntryPointSuccess)
    pointer_attributes_ = function;
}

void argument_checks::stream_is_here(cudaStream_t on) const {
  // These stand for a stream of whichever device is current.
  if (on == nullptr || on == cudaStreamLegacy || on == cudaStreamPerThread) return;
  int device = device_;
  check(cudaStreamGetDevice(on, &device), "cudaStreamGetDevice");
  if (device != device_)
    throw invalid_problem("stream: of " + device_name(device) + "; allowed: one of " +
                          device_name(device_) + ", on which this plan runs");
}

argument_checks::bytes argument_checks::bytes_of(const any_const_view& v) {
  bytes b{.first = v.data()};
  const auto width = static_cast<std::int64_t>(size_of(v.type()));
  const auto reach = [&](std::int64_t step, std::int64_t count) {
    (step < 0 ? b.low : b.high) += step * (count - 1) * width;
  };
  reach(v.step().row, v.size().rows);
  reach(v.step().col, v.size().cols);
  reach(v.step().plane, v.planes());
  reach(v.step().channel, v.channels());
  b.high += width;
  return b;
}

/// What was allocated or, where address space was reserved and mapped piece by piece, reserved: memory
/// that is one array to its owner may be of several such pieces.
argument_checks::allocation argument_checks::around(const void* address) const {
  if (pointer_attributes_ == nullptr) return {};
  CUdeviceptr begin = 0;
  std::size_t size = 0;
  CUpointer_attribute wanted[] = {CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                                  CU_POINTER_ATTRIBUTE_RANGE_SIZE};
  void* answers[] = {&begin, &size};
  const auto at = static_cast<CUdeviceptr>(reinterpret_cast<std::uintptr_t>(address));
  if (reinterpret_cast<query>(pointer_attributes_)(2, wanted, answers, at) != CUDA_SUCCESS)
    return {};
  return {static_cast<std::uintptr_t>(begin), size};
}

void argument_checks::is_here(const char* name, const bytes& b) const {
  const cudaPointerAttributes found = attributes_of(b.first);
  const auto fail = [&](const std::string& value) {
    throw invalid_problem(std::string(name) + ": " + value + "; allowed: memory of " +
                          device_name(device_) + ", on which this plan runs");
  };
  if (found.type == cudaMemoryTypeUnregistered) fail("not memory of a device");
  if (found.type == cudaMemoryTypeHost) fail("page-locked memory of the host");
  if (found.type == cudaMemoryTypeDevice && found.device != device_)
    fail("memory of " + device_name(found.device));

  const allocation a = around(b.first);
  if (a.size == 0) return;
  const auto at = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(b.first) - a.begin);
  if (at + b.low < 0 || at + b.high > static_cast<std::int64_t>(a.size))
    throw invalid_problem(std::string(name) + ": from byte " + std::to_string(at + b.low) +
                          " to before byte " + std::to_string(at + b.high) +
                          " of its allocation; allowed: from byte 0 to before byte " +
                          std::to_string(a.size));
}

void argument_checks::is_here(const char* name, const any_const_view& v) const {
  is_here(name, bytes_of(v));
}

void argument_checks::is_here(const char* name, std::span<const std::byte> memory) const {
  is_here(name, {memory.data(), 0, static_cast<std::int64_t>(memory.size())});
}

bool argument_checks::is_pinned(const char* name, const any_const_view& v) const {
  const cudaPointerAttributes found = attributes_of(v.data());
  if (found.type == cudaMemoryTypeDevice)
    throw invalid_problem(std::string(name) + ": memory of " + device_name(found.device) +
                          " in a view of host memory; allowed: host memory, or a device_view");
  if (found.type != cudaMemoryTypeHost) return false;
  const bytes b = bytes_of(v);
  const allocation a = around(v.data());
  const auto at = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(v.data()) - a.begin);
  return a.size != 0 && at + b.low >= 0 && at + b.high <= static_cast<std::int64_t>(a.size);
}

void refuse_capture(cudaStream_t on, const char* argument, const char* value, const char* allowed) {
  auto status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(on, &status), "cudaStreamIsCapturing");
  if (status == cudaStreamCaptureStatusNone) return;
  throw invalid_problem(std::string(argument) + ": " + value +
                        ", while a graph is captured from the stream; allowed: " + allowed);
}

}  // namespace convgpu::cuda
