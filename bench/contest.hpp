// SPDX-License-Identifier: Apache-2.0
// Contenders on one task, checked and then timed in turns.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "contender.hpp"
#include "place.hpp"

namespace convgpu::bench {

/// How long to measure.
struct pace {
  double sample =
      0.02;        ///< seconds that a sample takes at least: so many runs, one after the other
  int rounds = 9;  ///< samples of each
  stopwatch watch = stopwatch::wall;
  double patience = 1.0;  ///< seconds of a single run beyond which a peer is left out
};

struct outcome {
  enum class kind : std::uint8_t { timed, refused, left_out, wrong } what = kind::timed;
  std::string why;     ///< of all that were not timed
  std::string remark;  ///< how it did it
  timing time;         ///< of one run
};

class contest {
 public:
  contest(pace how, int threads) : how_(how), threads_(threads) {}

  /// What became of each, in the order of `all`. Samples are taken in turns, A B C A B C, so that whatever
  /// slows the machine down for a while slows down all of them; each sample of short runs is preceded
  /// by one that is not timed, after which caches are as runs find them that follow each other.
  [[nodiscard]] std::vector<outcome> run(const task& t, const std::vector<const contender*>& all);

 private:
  pace how_;
  int threads_;
  std::map<std::string, double>
      seconds_for_work_;  // of each contender and kind, from its last task
};

}  // namespace convgpu::bench
