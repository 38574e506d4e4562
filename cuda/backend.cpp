// SPDX-License-Identifier: Apache-2.0
// The CUDA backend: its devices, and its algorithms; of those predicted to be equally fast, the first.

#include <cuda_runtime.h>

#include <convgpu/detail/backend.hpp>
#include <string>
#include <utility>

#include "algorithms.hpp"
#include "cost.hpp"
#include "gradient.hpp"
#include "singles.hpp"

namespace convgpu::detail {
namespace {

/// 13020 is CUDA 13.2.
std::string cuda_version(int version) {
  return "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string capability(int tens_and_ones) {
  return std::to_string(tens_and_ones / 10) + "." + std::to_string(tens_and_ones % 10);
}

/// What it means that the runtime does not answer a question.
std::string failure(cudaError_t status, const std::string& meaning) {
  (void)cudaGetLastError();  // else the next call would find it
  if (status == cudaErrorMemoryAllocation) return "out of memory";
  return meaning + ": " + cudaGetErrorName(status) + ", " + cudaGetErrorString(status);
}

/// Asks nothing for which the runtime would set up a device.
std::string unavailable(int index) {
  int driver = 0;
  int count = 0;
  int major = 0;
  int minor = 0;
  if (const cudaError_t status = cudaDriverGetVersion(&driver); status != cudaSuccess)
    return failure(status, "no NVIDIA driver");
  if (driver == 0) return "no NVIDIA driver";
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    (void)cudaGetLastError();
    return "driver too old: it is for " + cuda_version(driver) + ", and " +
           cuda_version(CUDART_VERSION) + " is needed";
  }
  if (status == cudaErrorNoDevice) (void)cudaGetLastError();
  else if (status != cudaSuccess) return failure(status, "devices cannot be counted");
  if (count == 0) return "no device";
  const std::string name = "device " + std::to_string(index);
  if (index >= count) return "no " + name;
  for (const auto& [value, attribute] : {std::pair(&major, cudaDevAttrComputeCapabilityMajor),
                                         std::pair(&minor, cudaDevAttrComputeCapabilityMinor)})
    if (const cudaError_t asked = cudaDeviceGetAttribute(value, attribute, index);
        asked != cudaSuccess)
      return failure(asked, name + " does not answer");
  const int needed = cuda::lowest_compute_capability();
  if (major * 10 + minor < needed)
    return name + " too old: its compute capability is " + capability(major * 10 + minor) +
           ", and this build is for " + capability(needed) + " and later";
  return {};
}

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  (void)cudaGetLastError();
  return 0;
}

std::vector<std::string> devices() {
  std::vector<std::string> names;
  for (int i = 0; i < device_count(); ++i) {
    cudaDeviceProp device{};
    if (!unavailable(i).empty() || cudaGetDeviceProperties(&device, i) != cudaSuccess) continue;
    names.push_back("cuda:" + std::to_string(i) + ": " + device.name + ", compute capability " +
                    std::to_string(device.major) + "." + std::to_string(device.minor) + ", " +
                    std::to_string(device.totalGlobalMem >> 20) + " MiB");
  }
  (void)cudaGetLastError();
  return names;
}

std::string nothing(const request&) {
  return {};
}

template <cuda::kernel_maker Make>
std::unique_ptr<const runnable> make_each(const request& r) {
  return cuda::make_runnable(r, cuda::each_kernels<Make>);
}

constexpr algorithm algorithms[] = {
    {.name = "cuda/separable",
     .summary = "sums along rows, then down columns, of a filter that is a column times a row",
     .refusal = refuse_each<cuda::refuse_separable>,
     .cost = cuda::cost_of_queued<cuda::cost_of_separable>,
     .make = make_each<cuda::separable_kernels>},
    {.name = "cuda/direct",
     .summary = "direct summation from tiles in shared memory, several outputs for each thread",
     .refusal = cuda::refuse_direct,
     .cost = cuda::cost_of_direct,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::direct_kernels); }},
    {.name = "cuda/mma",
     .summary = "direct summation by tensor cores, of 16 bits, or in TF32 where allowed",
     .refusal = refuse_each<cuda::refuse_mma>,
     .cost = cuda::cost_of_queued<cuda::cost_of_mma>,
     .make = make_each<cuda::mma_kernels>},
    // Never by prediction, which is that of cuda/direct: measured, or asked for.
    {.name = "cuda/compiled",
     .summary = "direct summation by a program that is compiled for the filter",
     .refusal = cuda::refuse_compiled,
     .cost = cuda::cost_of_direct,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::compiled_kernels); }},
    {.name = "cuda/overlap_save",
     .summary = "blocks of the input through a transform within shared memory, in one kernel",
     .refusal = refuse_each<cuda::refuse_overlap_save>,
     .cost = cuda::cost_of_overlap_save,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::overlap_save_kernels); }},
    {.name = "cuda/fft",
     .summary = "blocks of the input, or all of it, through transforms of cuFFT",
     .refusal = refuse_each<cuda::refuse_fft>,
     .cost = cuda::cost_of_fft,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::fft_kernels); }},
    {.name = "cuda/gemm",
     .summary = "what outputs see laid side by side, a part at a time, and products of cuBLAS",
     .refusal = cuda::refuse_gemm,
     .cost = cuda::cost_of_gemm,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::gemm_kernels); }},
    {.name = "cuda/plain",
     .summary = "one thread for an output, straight from device memory",
     .refusal = nothing,
     .cost = cuda::cost_of_plain,
     .make = [](const request& r) { return cuda::make_runnable(r, cuda::plain_kernels); }},
};

}  // namespace

const backend& cuda_backend() {
  static const backend cuda{.name = "cuda",
                            .unavailable = unavailable,
                            .device_count = device_count,
                            .devices = devices,
                            .algorithms = algorithms,
                            .table = cuda::table_of_rates(),
                            .transfer = cuda::seconds_of_transfer,
                            .make_gradient_steps = cuda::make_gradient_steps,
                            .filter_gradient_bytes = cuda::filter_gradient_bytes};
  return cuda;
}

}  // namespace convgpu::detail
