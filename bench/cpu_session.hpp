// SPDX-License-Identifier: Apache-2.0
// The algorithms of the CPU's backend and the peers.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <convgpu/convgpu.hpp>
#include <string>
#include <utility>
#include <vector>

#include "contest.hpp"
#include "limits.hpp"

namespace convgpu::bench {

/// The algorithms of the backend but its last: that one is the definition, with which all are compared.
[[nodiscard]] std::vector<contender> our_contenders(const backend_info& cpu, int threads);

/// All there are, those first whose settings do not depend on others.
[[nodiscard]] std::vector<peer_library> find_peers(int threads, const std::string& python,
                                                   const std::vector<task>& tasks);

struct cpu_settings {
  int threads = 1;
  bool quick = false;
  stopwatch watch = stopwatch::wall;
  bool progress = false;  ///< on a terminal: a line that is overwritten
  std::chrono::steady_clock::time_point end = std::chrono::steady_clock::time_point::max();
};

class cpu_session {
 public:
  explicit cpu_session(const cpu_settings& how);

  /// Those of a task one after the other, and then only `report`.
  void add(const task& t, const contender& c);
  /// What the machine can do, for the JSON context: nothing if there are no tasks.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> measure_limits();
  /// The result of that contender. The first of a task measures all of them.
  void report(benchmark::State& state, const task& t, const std::string& name);

  /// Whether nothing of this library's was wrong.
  [[nodiscard]] bool all_right() const { return all_right_; }

 private:
  struct match {
    task what;
    std::vector<contender> who;
    std::vector<outcome> results;  // as many, once they are there
    std::string automatic;         // what the library would choose
  };

  void run(match& m);
  void say_progress(const match& m) const;

  cpu_settings how_;
  contest contest_;
  cpu_limits limits_;
  std::vector<match> matches_;
  std::size_t done_ = 0;
  std::chrono::steady_clock::time_point begin_;
  bool all_right_ = true;
};

}  // namespace convgpu::bench
