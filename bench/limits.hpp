// SPDX-License-Identifier: Apache-2.0
// What this machine's processor and memory can do at most.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace convgpu::bench {

/// A limit is the best of many samples, since whatever disturbs them only makes them slower; the median says
/// how much it was disturbed.
struct rate {
  double best = 0;
  double median = 0;
  std::string how;  ///< "avx512", "memcpy"
};

class cpu_limits {
 public:
  /// Of so many threads together.
  explicit cpu_limits(int threads) : threads_(threads) {}

  /// Multiply-adds in f32, in the widest vectors there are.
  [[nodiscard]] const rate& fma();
  /// Multiply-adds of 16-bit integers into 32 bits: what u8 with an integer filter comes to.
  [[nodiscard]] const rate& integer_fma();
  /// Bytes each second, read and written, of a copy of `bytes` bytes: with ordinary stores, as in memcpy,
  /// or past the caches, whichever is faster.
  [[nodiscard]] const rate& copy(std::size_t bytes);

 private:
  int threads_;
  rate fma_, integer_fma_;
  std::map<std::size_t, rate> copies_;
};

}  // namespace convgpu::bench
