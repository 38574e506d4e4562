// SPDX-License-Identifier: Apache-2.0
// A place to run problems: memory of one kind, and the stopwatch that belongs to it.
#pragma once

#include <convgpu/stream.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace convgpu::bench {

/// What is timed: must queue its work on that stream, or have done it on return.
using work = std::function<void(stream)>;

/// A run that is one of many in a row: each of them launched by itself, and all of them as one graph.
struct row_seconds {
  double launched = 0;
  double replayed = 0;
};

class place {
 public:
  place() = default;
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  virtual ~place() = default;

  /// Takes an input and makes room for an output, every bit of which is set. What was there before goes.
  /// \throws std::bad_alloc
  virtual void load(std::span<const std::byte> in, std::size_t out_bytes) = 0;
  [[nodiscard]] virtual const void* in() const = 0;
  [[nodiscard]] virtual void* out() = 0;
  [[nodiscard]] virtual memory where() const = 0;
  /// A copy of the output.
  [[nodiscard]] virtual std::vector<std::byte> fetch() = 0;

  /// The time of one run.
  [[nodiscard]] virtual double seconds(const work& run) = 0;
  /// The time of one of many runs in a row on warm caches: what small images take where launches are what is waited
  /// for. `run` must want no workspace. Nothing where there are no graphs.
  [[nodiscard]] virtual std::optional<row_seconds> seconds_in_a_row(const work&) { return {}; }
  /// The time of one copy that reads and writes as many bytes as a run with that input and output has to.
  [[nodiscard]] virtual double copy_seconds(std::size_t in_bytes, std::size_t out_bytes) = 0;
  /// Multiply-adds in f32 each second, as many as there can be; 0 where that is not known.
  [[nodiscard]] virtual double fma_rate() = 0;
};

/// Median, and the ends.
struct timing {
  double median = 0;
  double least = 0;
  double most = 0;
  std::size_t samples = 0;
};

/// Calls `sample`, which returns seconds, until the median can be relied on.
[[nodiscard]] timing repeat(const std::function<double()>& sample);

/// Host memory, a copy by memcpy. Nothing is flushed: a cache that holds a copy's bytes holds the run's.
[[nodiscard]] std::unique_ptr<place> make_host_place();
/// Memory of the first CUDA device. Caches are cold at each run.
[[nodiscard]] std::unique_ptr<place> make_device_place();
/// Host memory, from which the data go to the first CUDA device and back; a copy is that way there and
/// back alone, from memory that is pinned.
[[nodiscard]] std::unique_ptr<place> make_round_trip_place();

}  // namespace convgpu::bench
