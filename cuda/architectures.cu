// SPDX-License-Identifier: Apache-2.0
// What the kernels of this build need of a device. nvcc alone knows for which architectures it compiles.

#include <algorithm>

#include "algorithms.hpp"

namespace convgpu::cuda {

int lowest_compute_capability() {
#ifdef __CUDA_ARCH_LIST__
  return std::min({__CUDA_ARCH_LIST__}) / 10;
#else  // a host compiler: what the kernels are written for
  return 75;
#endif
}

}  // namespace convgpu::cuda
