// SPDX-License-Identifier: Apache-2.0
// Rings of rows in shared memory, and sums down their columns.
#pragma once

#include <cuda_runtime.h>

#include <convgpu/detail/arithmetic.hpp>

namespace convgpu::cuda {

/// Places in the ring follow one another round and round.
__device__ __forceinline__ int next_in_ring(int slot, int steps, int rows) {
  const int next = slot + steps;
  return next < rows ? next : next - rows;
}

/// A thread's outputs below one another: from the ring's row `slot` on, down one column. `tap(m)` is for the row m rows
/// below the first one that an output looks at. `zeros` as in slide_along_row. Where the ring's rows and `slot` are
/// multiples of Down, it is `aligned`: a round comes to the ring's end behind its first row or not at all.
template <bool Aligned, class Sum, int Down, class Sample, class TapAt>
__device__ __forceinline__ void sum_down(Sum (&sums)[Down], const Sample* column, int pitch,
                                         int slot, int ring_rows, int taps, bool zeros,
                                         TapAt&& tap) {
  Sample window[Down];
#pragma unroll
  for (int v = 0; v < Down - 1; ++v, slot = next_in_ring(slot, 1, ring_rows))
    window[v] = column[slot * pitch];
  const auto take = [&](int m, const auto& h) {
#pragma unroll
    for (int v = 0; v < Down; ++v) sums[v] += detail::product<Sum>(h, window[(m + v) % Down]);
  };
  int m0 = 0;
  if (Aligned && !zeros)
#pragma unroll 1
    for (; m0 + Down <= taps; m0 += Down) {
      window[Down - 1] = column[slot * pitch];
      slot = next_in_ring(slot, 1, ring_rows);
      take(0, tap(m0));
      const Sample* const rest = column + slot * pitch;
#pragma unroll
      for (int m = 1; m < Down; ++m) {
        window[m - 1] = rest[(m - 1) * pitch];
        take(m, tap(m0 + m));
      }
      slot += Down - 1;
    }
#pragma unroll 1
  for (; m0 < taps; m0 += Down)
#pragma unroll
    for (int m = 0; m < Down; ++m) {
      if (m0 + m >= taps) break;
      window[(m + Down - 1) % Down] = column[slot * pitch];
      slot = next_in_ring(slot, 1, ring_rows);
      const auto h = tap(m0 + m);
      if (h != decltype(h){}) take(m, h);
    }
}

}  // namespace convgpu::cuda
