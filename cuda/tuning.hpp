// SPDX-License-Identifier: Apache-2.0
// Choices as data: (algorithm, bytes of a sum) → tile, threads, outputs of each thread, shared memory.
// Host code only, known at compile time; every number has its reason here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convgpu::cuda {

/// Threads of each block: enough warps to hide the latency of shared memory with two blocks on a
/// multiprocessor, few enough that 128 registers each are there on all architectures (65536 in all).
constexpr int block_threads = 256;

/// cuda/direct. A thread makes `rows` outputs below one another, so that a column of samples read once feeds
/// all of them, and `cols` a warp's width apart, so that neighbouring threads read neighbouring samples: no
/// bank conflicts, and stores that coalesce.
struct direct_tile {
  int rows;
  int cols;
  int chunk;  // taps along each axis that are worked off with one load

  static constexpr int warps = block_threads / 32;
  [[nodiscard]] constexpr int out_rows() const { return warps * rows; }
  [[nodiscard]] constexpr int out_cols() const { return 32 * cols; }
  /// Products for each read of shared memory: `rows`·`cols` from `cols` samples and a tap.
  [[nodiscard]] constexpr double products_per_read() const {
    return static_cast<double>(rows * cols) / (cols + 1);
  }
  [[nodiscard]] constexpr std::size_t samples(std::int64_t row_taps, std::int64_t col_taps) const {
    const auto halo = [&](std::int64_t taps) {
      return static_cast<int>(taps < chunk ? taps : chunk) - 1;
    };
    return static_cast<std::size_t>(out_rows() + halo(row_taps)) *
           static_cast<std::size_t>(out_cols() + halo(col_taps));
  }
};

/// 8 × 2 outputs of 4 bytes: 16 sums and 16 samples in registers, and a tile of 64 × 64 outputs, of which a
/// 7x7 filter reads (70/64)² = 1.2 times as many samples. Wider sums take half as many outputs each time, for
/// the same registers and shared memory. With chunks of 32 (16) taps no tile outgrows the 48 KiB that every
/// device has without being asked.
constexpr direct_tile direct_tile_for(std::size_t sum_bytes) {
  if (sum_bytes <= 4) return {.rows = 8, .cols = 2, .chunk = 32};
  if (sum_bytes <= 8) return {.rows = 4, .cols = 2, .chunk = 16};
  return {.rows = 4, .cols = 1, .chunk = 16};
}

/// Shared memory of cuda/direct: the tile and the taps it is worked off with, or, after them, the sums.
constexpr std::size_t direct_shared_bytes(direct_tile t, std::size_t sample, std::size_t tap,
                                          std::size_t sum, std::int64_t row_taps,
                                          std::int64_t col_taps) {
  const auto some = [&](std::int64_t taps) {
    return static_cast<std::size_t>(taps < t.chunk ? taps : t.chunk);
  };
  const std::size_t tile = (t.samples(row_taps, col_taps) * sample + 15) / 16 * 16;
  const std::size_t loaded = tile + some(row_taps) * some(col_taps) * tap;
  const std::size_t results = static_cast<std::size_t>(t.out_rows() * t.out_cols()) * sum;
  return loaded > results ? loaded : results;
}

/// Host data: how much of it is copied at once, and how many such chunks are on their way in each direction.
struct staging_limits {
  std::size_t chunk_bytes;
  int chunks;
};

/// 4 MiB take 80 µs at the 50 GB/s of a PCIe 5 bus, many times what the calls for a chunk cost, and only the
/// first and the last one of a large image have nothing to overlap with. Of three, one can be filled by the
/// host while one is copied, and the third keeps the bus busy when the host is late. 24 MiB in all, so that
/// page-locked memory, which the system cannot take back, stays little.
constexpr staging_limits default_staging{.chunk_bytes = std::size_t{4} << 20, .chunks = 3};
static_assert(default_staging.chunks >= 2);  // else copies would wait for the host, and it for them

constexpr std::size_t shared_everywhere = 48 * 1024;
static_assert(direct_tile_for(4).products_per_read() >= 4);
static_assert(direct_shared_bytes(direct_tile_for(4), 4, 4, 4, 1 << 20, 1 << 20) <=
              shared_everywhere);
static_assert(direct_shared_bytes(direct_tile_for(8), 8, 8, 8, 1 << 20, 1 << 20) <=
              shared_everywhere);
static_assert(direct_shared_bytes(direct_tile_for(16), 16, 16, 16, 1 << 20, 1 << 20) <=
              shared_everywhere);

}  // namespace convgpu::cuda
