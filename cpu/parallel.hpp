// SPDX-License-Identifier: Apache-2.0
// The one place where threads are made. Workers are started on first need, kept, and shared by all plans.
#pragma once

#include <convgpu/plan.hpp>
#include <cstdint>
#include <functional>

namespace convgpu::cpu {

/// Threads this process may use, at least 1.
[[nodiscard]] int hardware_threads() noexcept;

/// Starts the workers, where nobody has yet. Otherwise the first parallel_for does.
void start_workers();

/// Calls task(0) … task(count−1), each once, and returns when all have returned. The caller works along,
/// so that calls nest and that no worker is ever needed for progress: with none to be had the caller does
/// everything. A forked child starts workers of its own; only a task must not fork and go on in the
/// child. At most `count` threads work on one call.
/// Tasks must not throw; they run in the default floating-point environment. Allocates nothing but the
/// workers, if they have not been started.
///
/// With a `custom` executor that one is called instead; what it throws goes to the caller.
void parallel_for(std::int64_t count, const executor& custom,
                  const std::function<void(std::int64_t)>& task);

}  // namespace convgpu::cpu
