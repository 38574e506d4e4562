// SPDX-License-Identifier: Apache-2.0
// Device memory for runs that bring no workspace. Such a run returns before its work is done, so that a
// piece comes back while it is still in use: with an event behind that work.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <mutex>
#include <vector>

#include "memory.hpp"

namespace convgpu::cuda {

/// Pieces of one size on one device, as many as there ever were in use at once. Their owner has the device
/// current, here and at the end.
class workspace_pool {
 public:
  explicit workspace_pool(std::size_t bytes) : bytes_(bytes) {}

  class loan;
  /// A piece for work on that stream.
  [[nodiscard]] loan take(cudaStream_t on);

 private:
  struct piece {
    device_memory memory;
    own_event used;             // behind the work that used it last
    cudaStream_t on = nullptr;  // where that work is
  };

  std::size_t bytes_;
  std::mutex mutex_;
  std::vector<piece> pieces_;
};

/// A piece while work with it is being queued. Without `is_queued` something went wrong: the piece is freed
/// when the stream is done with it.
class workspace_pool::loan {
 public:
  loan(workspace_pool& pool, piece&& p, cudaStream_t on)
      : pool_(pool), piece_(std::move(p)), on_(on) {}
  loan(const loan&) = delete;
  loan& operator=(const loan&) = delete;
  ~loan();

  [[nodiscard]] void* data() const noexcept { return piece_.memory.data(); }
  void is_queued();

 private:
  workspace_pool& pool_;
  piece piece_;
  cudaStream_t on_;
  bool queued_ = false;
};

}  // namespace convgpu::cuda
