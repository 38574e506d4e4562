// SPDX-License-Identifier: Apache-2.0
// What a shared libconvgpu and its CUDA module, libconvgpu_cuda.so, know of each other. Not installed.
#pragma once

#include <complex>
#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace convgpu::detail {

/// The one symbol that the module exports: a `module_entry` that is there without any code being run.
inline constexpr const char* module_symbol = "convgpu_cuda_module";

/// Read from front to back, no further than to the first difference. Hence `version` and `seam` stay what and
/// where they are in every version; what follows them may change.
struct module_entry {
  const char* version;  ///< of the module, as `convgpu::version()` of the library
  std::uint64_t seam;   ///< `seam_of` its build
  const backend& (*get)();
};

/// A number that is another one where the two sides would not understand each other though they are of one
/// version: after an edit of any header they share (`headers` is a hash of these, from the build), or with
/// other layouts of what crosses between them, as settings of the standard library make them.
[[nodiscard]] constexpr std::uint64_t seam_of(std::uint64_t headers) noexcept {
  std::uint64_t seam = headers;
  for (const std::size_t part :
       {sizeof(std::string), sizeof(std::vector<double>), sizeof(std::function<void()>),
        sizeof(filter_taps), sizeof(normal_form), sizeof(options), sizeof(request),
        sizeof(algorithm), sizeof(estimate), sizeof(backend), alignof(std::complex<double>)})
    seam = (seam ^ part) * 0x100000001b3u;
  return seam;
}

}  // namespace convgpu::detail
