// SPDX-License-Identifier: Apache-2.0
// What is used of NVRTC, the compiler for programs that are made when the library runs. It is opened as cuFFT is.
#pragma once

#include <string>

namespace convgpu::cuda {

/// Beside the architecture. What stands before a function says nothing of host or device: all of it is the device's.
constexpr const char* nvrtc_options[] = {"-std=c++20", "-default-device"};

/// Why programs cannot be compiled for a device of compute capability `capability` (75, 90 …); empty where they can.
[[nodiscard]] std::string nvrtc_missing(int capability);

/// "13.0". \throws cuda_error
[[nodiscard]] std::string nvrtc_version();

/// The code of a program that includes nothing, for that compute capability.
/// \throws cuda_error with the compiler's words, std::bad_alloc
[[nodiscard]] std::string nvrtc_compile(const std::string& program, int capability);

}  // namespace convgpu::cuda
