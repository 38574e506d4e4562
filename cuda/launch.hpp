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

/// A grid of so many blocks, or of as many as there can be: the blocks there are take the further share themselves.
[[nodiscard]] cudaLaunchConfig_t grid_of(std::int64_t blocks, std::size_t shared_bytes,
                                         cudaStream_t on);

/// kernel<<<blocks, block_threads, shared_bytes, stream>>>(arguments…), checked. Nothing to do is nothing done.
template <class... Parameters>
void launch(void (*kernel)(Parameters...), std::int64_t blocks, std::size_t shared_bytes,
            cudaStream_t on, const Parameters&... arguments) {
  if (blocks == 0) return;
  const cudaLaunchConfig_t config = grid_of(blocks, shared_bytes, on);
  check(cudaLaunchKernelEx(&config, kernel, arguments...), "cudaLaunchKernelEx");
}

/// The same for a kernel that was compiled at run time, with its one parameter.
template <class Parameter>
void launch(cudaKernel_t kernel, std::int64_t blocks, std::size_t shared_bytes, cudaStream_t on,
            Parameter parameter) {
  if (blocks == 0) return;
  const cudaLaunchConfig_t config = grid_of(blocks, shared_bytes, on);
  void* arguments[] = {&parameter};
  check(cudaLaunchKernelExC(&config, static_cast<const void*>(kernel), arguments),
        "cudaLaunchKernelExC");
}

}  // namespace convgpu::cuda
