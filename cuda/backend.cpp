// SPDX-License-Identifier: Apache-2.0
// The CUDA backend: its devices, and its algorithms in order of preference.

#include <cuda_runtime.h>

#include <convgpu/detail/backend.hpp>
#include <string>

#include "algorithms.hpp"

namespace convgpu::detail {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string unavailable(int index) {
  int driver = 0;
  int needed = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "no NVIDIA driver";
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  (void)cudaGetLastError();
  if (status == cudaErrorInsufficientDriver && cudaRuntimeGetVersion(&needed) == cudaSuccess)
    return "the driver is for CUDA " + version_text(driver) + ", too old for CUDA " +
           version_text(needed);
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) return "no device";
  if (status != cudaSuccess) return std::string("no device: ") + cudaGetErrorString(status);
  if (index >= count)
    return "there is no device " + std::to_string(index) + "; the last one is " +
           std::to_string(count - 1);
  int major = 0;
  int minor = 0;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index) != cudaSuccess)
    return "device " + std::to_string(index) + " does not answer";
  if (major * 10 + minor < 75)
    return "device " + std::to_string(index) + " has compute capability " + std::to_string(major) +
           "." + std::to_string(minor) + ", too old: 7.5 is needed";
  return {};
}

std::vector<std::string> devices() {
  std::vector<std::string> names;
  int count = 0;
  if (!unavailable(0).empty() || cudaGetDeviceCount(&count) != cudaSuccess) return names;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp device{};
    if (cudaGetDeviceProperties(&device, i) != cudaSuccess) continue;
    names.push_back("cuda:" + std::to_string(i) + ": " + device.name + ", compute capability " +
                    std::to_string(device.major) + "." + std::to_string(device.minor) + ", " +
                    std::to_string(device.totalGlobalMem >> 20) + " MiB");
  }
  return names;
}

std::string nothing(const request&) {
  return {};
}

constexpr algorithm algorithms[] = {
    {.name = "cuda/separable",
     .summary = "sums along rows, then down columns, of a filter that is a column times a row",
     .refusal = cuda::refuse_separable,
     .drawback = cuda::drawback_of_separable,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::separable_kernels); }},
    {.name = "cuda/direct",
     .summary = "direct summation from tiles in shared memory, several outputs for each thread",
     .refusal = cuda::refuse_direct,
     .drawback = nothing,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::direct_kernels); }},
    {.name = "cuda/plain",
     .summary = "one thread for an output, straight from device memory",
     .refusal = nothing,
     .drawback =
         [](const request&) { return std::string("reads every sample anew for every tap"); },
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::plain_kernels); }},
};

}  // namespace

const backend& cuda_backend() {
  static constexpr backend cuda{
      .name = "cuda", .unavailable = unavailable, .devices = devices, .algorithms = algorithms};
  return cuda;
}

}  // namespace convgpu::detail
