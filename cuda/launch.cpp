// SPDX-License-Identifier: Apache-2.0

#include "launch.hpp"

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

}  // namespace convgpu::cuda
