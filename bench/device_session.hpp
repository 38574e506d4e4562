// SPDX-License-Identifier: Apache-2.0
// The algorithms of a GPU's backend, timed one after the other.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <convgpu/convgpu.hpp>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "place.hpp"
#include "problems.hpp"

namespace convgpu::bench {

class device_session {
 public:
  /// Begins no task after `end`.
  explicit device_session(std::chrono::steady_clock::time_point end) : end_(end) {}

  /// Whether the last algorithm of the backend, which is there to accept every problem, takes seconds for it and
  /// not minutes.
  [[nodiscard]] static bool bears_plain(const task& t);

  /// Runs the algorithm of that name and reports.
  void run(benchmark::State& state, const task& t, const std::string& algorithm);

  /// Whether nothing was wrong.
  [[nodiscard]] bool all_right() const { return all_right_; }

 private:
  place& place_for(const task& t);
  void prepare(const task& t);
  void report(benchmark::State& state, const task& t, place& at, const timing& time);

  std::chrono::steady_clock::time_point end_;
  bool all_right_ = true;
  std::map<bool, std::unique_ptr<place>> places_;  // whether data are on the host
  std::map<std::tuple<place*, std::size_t, std::size_t>, timing> copies_;
  std::string prepared_;  // of what task these are
  std::vector<std::byte> input_, expected_;
};

}  // namespace convgpu::bench
