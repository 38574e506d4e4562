// SPDX-License-Identifier: Apache-2.0
// Stands in for the CUDA backend in a static library that is built without it, so that callers need no
// #ifdef: it exists, has no device and says why.

#include <convgpu/detail/backend.hpp>

namespace convgpu::detail {

const backend& cuda_backend() {
  static constexpr backend none{
      .name = "cuda",
      .unavailable =
          [](int) { return std::string("not built: this libconvgpu was built without CUDA"); },
      .device_count = [] { return 0; },
      .devices = [] { return std::vector<std::string>(); },
      .algorithms = {},
  };
  return none;
}

}  // namespace convgpu::detail
