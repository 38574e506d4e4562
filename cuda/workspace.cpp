// SPDX-License-Identifier: Apache-2.0

#include "workspace.hpp"

#include <algorithm>

namespace convgpu::cuda {

workspace_pool::loan workspace_pool::take(cudaStream_t on) {
  {
    const std::lock_guard lock(mutex_);
    auto found =
        std::find_if(pieces_.begin(), pieces_.end(), [on](const piece& p) { return p.on == on; });
    if (found != pieces_.end()) {
      // In order behind its last use, unless the handle is another stream's by now.
      check(cudaStreamWaitEvent(on, found->used.get(), 0), "cudaStreamWaitEvent");
    } else {
      found = std::find_if(pieces_.begin(), pieces_.end(), [](const piece& p) {
        const cudaError_t status = cudaEventQuery(p.used.get());
        if (status == cudaErrorNotReady) return succeeds(status);
        check(status, "cudaEventQuery");
        return true;
      });
    }
    if (found != pieces_.end()) {
      piece p = std::move(*found);
      pieces_.erase(found);
      return loan(*this, std::move(p), on);
    }
  }
  return loan(*this, piece{.memory = device_memory(bytes_), .used = make_event()}, on);
}

void workspace_pool::loan::is_queued() {
  check(cudaEventRecord(piece_.used.get(), on_), "cudaEventRecord");
  queued_ = true;
}

workspace_pool::loan::~loan() {
  if (queued_) {
    try {
      piece_.on = on_;
      const std::lock_guard lock(pool_.mutex_);
      pool_.pieces_.push_back(std::move(piece_));
      return;
    } catch (...) {  // no room to remember it: it is freed instead
    }
  }
  (void)succeeds(cudaStreamSynchronize(on_));
}

}  // namespace convgpu::cuda
