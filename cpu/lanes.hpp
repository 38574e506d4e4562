// SPDX-License-Identifier: Apache-2.0
// Lanes: threads that take one task after the other, each with a piece of the workspace for itself.
#pragma once

#include <algorithm>
#include <atomic>
#include <convgpu/detail/backend.hpp>
#include <convgpu/error.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "parallel.hpp"
#include "rows.hpp"

namespace convgpu::cpu {

/// Threads that a request may have.
[[nodiscard]] inline std::int64_t threads_for(const options& how) {
  const std::int64_t threads = how.max_threads > 0 ? how.max_threads : hardware_threads();
  return how.executor ? threads : std::min<std::int64_t>(threads, hardware_threads());
}

/// How many of them `tasks` are worth, which would keep `worth` of them busy, within the workspace that there may be:
/// `most_workspace` in all, or less.
[[nodiscard]] inline std::int64_t lanes_for(const options& how, std::int64_t tasks, double worth,
                                            std::size_t lane_bytes, std::size_t most_workspace) {
  const std::size_t allowed = how.max_workspace - std::min(how.max_workspace, alignment - 1);
  const auto room = static_cast<std::int64_t>(std::min(most_workspace, allowed) / lane_bytes);
  return std::max<std::int64_t>(
      std::min({threads_for(how), tasks, static_cast<std::int64_t>(std::min(worth, 1e9)), room}),
      1);
}

/// Tasks 0 … count−1: begin(lane) → what a call with a task does it.
template <class Begin>
void share_out(std::int64_t lanes, std::int64_t count, const executor& custom, const Begin& begin) {
  std::atomic<std::int64_t> next = 0;
  const auto lane = [&](std::int64_t index) {
    auto work = begin(index);
    for (std::int64_t n = next++; n < count; n = next++) work(n);
  };
  // By reference, so that the std::function allocates nothing.
  parallel_for(lanes, custom, std::ref(lane));
  if (next < count)
    throw invalid_problem(
        "options.executor: returned before it had called any task; allowed: one that calls each "
        "once");
}

}  // namespace convgpu::cpu
