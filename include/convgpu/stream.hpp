// SPDX-License-Identifier: Apache-2.0
// The CUDA stream a plan runs on, as a type of its own so that no number or null pointer is taken
// for one by accident.
#pragma once

#include <cstddef>

struct CUstream_st;  // cudaStream_t and CUstream are pointers to this

namespace convgpu {

/// A non-owning handle of a CUDA stream. Default-constructed it is the device's default stream, the legacy one
/// also in programs compiled for one of each thread: those say `cudaStreamPerThread`. Plans on the CPU take
/// only that one and have finished when `run` returns.
class stream {
 public:
  constexpr stream() noexcept = default;
  constexpr stream(CUstream_st* handle) noexcept
      : handle_(handle) {}  // NOLINT: meant to be implicit
  stream(std::nullptr_t) = delete;
  stream(int) = delete;

  [[nodiscard]] constexpr CUstream_st* handle() const noexcept { return handle_; }
  friend constexpr bool operator==(stream, stream) noexcept = default;

 private:
  CUstream_st* handle_ = nullptr;
};

}  // namespace convgpu
