// SPDX-License-Identifier: Apache-2.0
// What only the driver can tell about arguments: where memory is, how far it reaches, whose a stream is.
// Nothing here waits or allocates, and all of it is allowed while a graph is being captured.
#pragma once

#include <cuda_runtime.h>

#include <convgpu/view.hpp>
#include <cstddef>
#include <span>

namespace convgpu::cuda {

/// Asks about arguments of runs on one device, which is current. Made with the plan.
class argument_checks {
 public:
  explicit argument_checks(int device);

  /// \throws invalid_problem unless the stream is one of the device
  void stream_is_here(cudaStream_t on) const;
  /// \throws invalid_problem unless the elements lie in one piece of the device's memory, or managed memory
  void is_here(const char* name, const any_const_view& v) const;
  void is_here(const char* name, std::span<const std::byte> memory) const;
  /// Whether all of the view is page-locked. \throws invalid_problem where it is memory of a device
  [[nodiscard]] bool is_pinned(const char* name, const any_const_view& v) const;

 private:
  struct bytes {
    const void* first = nullptr;  // element
    std::int64_t low = 0;         // bytes from there to the lowest one
    std::int64_t high = 0;        // and to behind the highest one
  };
  struct allocation {
    std::uintptr_t begin = 0;
    std::size_t size = 0;  // 0: the driver cannot tell
  };
  [[nodiscard]] static bytes bytes_of(const any_const_view& v);
  void is_here(const char* name, const bytes& b) const;
  [[nodiscard]] allocation around(const void* address) const;

  int device_;
  void* pointer_attributes_ = nullptr;  // the driver's cuPointerGetAttributes, if it has one
};

/// \throws invalid_problem if a graph is being captured from the stream; what is asked for then cannot be
/// part of one, and `allowed` says what would be.
void refuse_capture(cudaStream_t on, const char* argument, const char* value, const char* allowed);

}  // namespace convgpu::cuda
