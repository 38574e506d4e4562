// SPDX-License-Identifier: Apache-2.0

#include "launch.hpp"

#include <algorithm>
#include <convgpu/error.hpp>
#include <new>
#include <string>

namespace convgpu::cuda {

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // else the next call, somebody else's perhaps, would find it
  const std::string path = file;
  throw cuda_error(std::string(call) + ": " + cudaGetErrorName(status) + ", " +
                   cudaGetErrorString(status) + " (" + path.substr(path.rfind('/') + 1) + ":" +
                   std::to_string(line) + ")");
}

void check_allocation(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();
    throw std::bad_alloc();
  }
  check(status, call, file, line);
}

cudaLaunchConfig_t grid_of(std::int64_t blocks, std::size_t shared_bytes, cudaStream_t on) {
  // Grids end somewhere, at 2^31 − 1 blocks so far.
  int device = 0;
  int most = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxGridDimX, device), "cudaDeviceGetAttribute");
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(std::min<std::int64_t>(blocks, most)));
  config.blockDim = dim3(block_threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = on;
  return config;
}

}  // namespace convgpu::cuda
