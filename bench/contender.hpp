// SPDX-License-Identifier: Apache-2.0
// Whoever computes tasks on the CPU: an algorithm of this library, or a peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "problems.hpp"

namespace convgpu::bench {

/// A task's memory, the same for all contenders: dense planes, touched.
struct buffers {
  std::span<const std::byte> in;
  std::span<std::byte> out;
};

/// What times are taken by.
enum class stopwatch : std::uint8_t {
  wall,
  processor,  ///< time that this process had: whatever else the machine does counts less. For one thread
};
/// Seconds since some moment.
[[nodiscard]] double seconds_by(stopwatch watch);

/// A contender that is ready for a task: plans, spectra and memory of its own are made.
class runner {
 public:
  runner() = default;
  runner(const runner&) = delete;
  runner& operator=(const runner&) = delete;
  virtual ~runner() = default;

  /// Computes `out`.
  virtual void run() = 0;
  /// The time of so many runs, one after the other. Nobody looks at their `out`.
  [[nodiscard]] virtual double seconds(int times, stopwatch watch);
  /// How it does it, where it had a choice: "tiles of 128 x 128".
  [[nodiscard]] virtual std::string remark() const { return {}; }
};

/// A runner that calls a function.
[[nodiscard]] std::unique_ptr<runner> run_by(std::function<void()> f);

struct contender {
  std::string name;                        ///< "opencv/filter2D"
  bool transforms = false;                 ///< computes by FFT: see allowed_error
  std::function<bool(const task&)> suits;  ///< whether it has anything for that task
  std::function<std::unique_ptr<runner>(const task&, const buffers&)> prepare;
  bool ours = false;  ///< an algorithm of this library, which is waited for
};

/// What other libraries were found when this was built, and some words for the JSON context.
struct peer_library {
  std::string name;     ///< "opencv"
  std::string version;  ///< or why it is not there
  std::vector<contender> contenders;
};

// Each of them takes the number of threads.
[[nodiscard]] peer_library opencv_peers(int threads);
[[nodiscard]] peer_library fftw_peers(int threads);
[[nodiscard]] peer_library onednn_peers(int threads);
[[nodiscard]] peer_library eigen_peers(int threads);
/// No library: a few lines that the compiler makes the best of.
[[nodiscard]] peer_library loop_peers(int threads);
/// NumPy, SciPy and PyTorch in a process of their own, run by `python`. Throws std::runtime_error
/// where that cannot be started.
[[nodiscard]] peer_library python_peers(int threads, const std::string& python,
                                        const std::vector<task>& tasks);

}  // namespace convgpu::bench
