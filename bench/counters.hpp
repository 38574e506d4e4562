// SPDX-License-Identifier: Apache-2.0
// What is said of every result.
#pragma once

#include <benchmark/benchmark.h>

#include "place.hpp"
#include "problems.hpp"

namespace convgpu::bench {

/// The time, and rates: the least that is to be read and written and the operations of direct summation, over
/// the time. An algorithm that needs fewer comes out beyond the machine's limit, which is its merit.
inline void count(benchmark::State& state, const task& t, const timing& time) {
  for (auto _ : state) state.SetIterationTime(time.median);
  const auto outputs = static_cast<double>(t.outputs());
  auto& counters = state.counters;
  counters[t.problem.in.rows == 1 ? "Msample/s" : "Mpixel/s"] = outputs / time.median / 1e6;
  counters["bytes/s"] = static_cast<double>(t.in_bytes() + t.out_bytes()) / time.median;
  counters["GFLOP/s"] = 2 * outputs * static_cast<double>(t.taps()) / time.median / 1e9;
  counters["least_us"] = time.least * 1e6;
  counters["most_us"] = time.most * 1e6;
  if (!t.is_plain()) counters["layer"] = 1;
  counters["runs"] = static_cast<double>(time.samples);
}

}  // namespace convgpu::bench
