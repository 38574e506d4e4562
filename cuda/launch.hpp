// SPDX-License-Identifier: Apache-2.0
// Host side of kernels: checked calls, and the one way to launch.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "params.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {

/// Throws cuda_error for a CUDA call's failure, with the call's name, its place and the runtime's words. The
/// runtime's own record of the error is cleared.
void check(cudaError_t status, const char* call, const char* file = __builtin_FILE(),
           int line = __builtin_LINE());
/// The same for calls that allocate memory: std::bad_alloc where there is no more.
void check_allocation(cudaError_t status, const char* call, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE());

/// Has the current device load the kernel, which its first launch would do otherwise: with memory of its own,
/// perhaps waiting for all that the device does. A device that this build has no code for is found out here.
template <class... Parameters>
void load(void (*kernel)(Parameters...)) {
  cudaFuncAttributes found{};
  check(cudaFuncGetAttributes(&found, kernel), "cudaFuncGetAttributes");
}

/// kernel<<<blocks, block_threads, shared_bytes, stream>>>(arguments…), checked. Nothing to do is nothing done.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), std::int64_t blocks, std::size_t shared_bytes,
            cudaStream_t on, const Parameters&... arguments) {
  if (blocks == 0) return;
  // Grids end somewhere, at 2^31 − 1 blocks so far; the blocks there are take the further share themselves.
  int device = 0;
  int most = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxGridDimX, device), "cudaDeviceGetAttribute");
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks < most ? blocks : most));
  config.blockDim = dim3(block_threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = on;
  check(cudaLaunchKernelEx(&config, kernel, arguments...), "cudaLaunchKernelEx");
}

}  // namespace convgpu::cuda
