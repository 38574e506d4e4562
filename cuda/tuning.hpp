// SPDX-License-Identifier: Apache-2.0
// Choices as data: (algorithm, bytes of a sum) → tile, threads, outputs of each thread, shared memory.
// Host code only, known at compile time; every number has its reason here. None was measured on a GPU yet.
//
// All kernels load, synchronise and compute in turn, in one stage: several blocks on a multiprocessor overlap
// one another's stages, and copies that run ahead within a block would take the shared memory that they need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "shared_layout.hpp"
#include "transform.hpp"

namespace convgpu::cuda {

/// Threads of each block: enough warps to hide the latency of shared memory with two blocks on a
/// multiprocessor, few enough that 128 registers each are there on all architectures (65536 in all).
constexpr int block_threads = 256;

/// Blocks that a multiprocessor must have registers for, of the 65536 that all architectures have: 64 each
/// with four blocks, which covers the latency of loads with 32 warps. Sums in f64 get 128 and those in 64-bit
/// integers 80, for they are loaded from and stored to many types.
template <class Sum>
constexpr int blocks_at_once = std::is_same_v<Sum, double>         ? 2
                               : std::is_same_v<Sum, std::int64_t> ? 3
                                                                   : 4;
template <class Sum>
constexpr int registers_at_most = 65536 / (block_threads * blocks_at_once<Sum>) / 8 * 8;

/// cuda/direct. A thread makes `rows` outputs below one another, so that a row of samples read once feeds all of them,
/// and `cols` side by side. Those of `together` lie next to one another: shared memory gives four samples for one
/// instruction, and taps come four at a time as well. Others are `across` apart, so that neighbouring threads read
/// neighbouring samples. There are no bank conflicts in either, and stores coalesce.
struct direct_tile {
  int rows;
  int cols;
  int across;  // threads side by side
  bool together;
  int chunk;  // taps along each axis that are worked off with one load
  int deep;

  /// Samples that a thread asks for at a time: all of a line's, for `deep` of the lines of its warp.
  static constexpr int wide = 3;
  [[nodiscard]] constexpr int out_rows() const { return block_threads / across * rows; }
  [[nodiscard]] constexpr int out_cols() const { return across * cols; }
  /// Taps or samples of a line, up to whole accesses.
  [[nodiscard]] constexpr int whole(int elements) const {
    return together ? (elements + 3) / 4 * 4 : elements;
  }
  /// Samples between lines of a tile, for so many taps along them.
  [[nodiscard]] constexpr int pitch(int taps) const { return whole(out_cols() + taps - 1); }
  [[nodiscard]] constexpr int taps_at_once(std::int64_t taps) const {
    return static_cast<int>(taps < chunk ? taps : chunk);
  }
  [[nodiscard]] constexpr std::size_t samples(std::int64_t row_taps, std::int64_t col_taps) const {
    return static_cast<std::size_t>(out_rows() + taps_at_once(row_taps) - 1) *
           static_cast<std::size_t>(pitch(taps_at_once(col_taps)));
  }
  /// Where a thread's first output lies in lines of shared memory, or the first sample that it looks at, and
  /// how far from there the others do.
  [[nodiscard]] constexpr int first_row(int thread) const { return thread / across * rows; }
  [[nodiscard]] constexpr int first_col(int thread) const {
    return thread % across * (together ? cols : 1);
  }
  [[nodiscard]] constexpr int first(int thread, int pitch) const {
    return first_row(thread) * pitch + first_col(thread);
  }
  [[nodiscard]] constexpr int apart() const { return together ? 1 : across; }
  [[nodiscard]] constexpr int offset(int r, int c, int pitch) const {
    return r * pitch + c * apart();
  }
};

/// 4 × 4 outputs of 4 bytes: 16 sums and a window of 4 × 7 samples in registers, where four taps and a row of the
/// window, three accesses to shared memory of 16 bytes each, serve 64 products. A tile of 64 × 64 outputs, of which a
/// 7x7 filter reads (70/64)² = 1.2 times as many samples. Wider sums take half as many outputs each time, for
/// the same registers and shared memory. With chunks of 32 (16) taps no tile outgrows the 48 KiB that every
/// device has without being asked.
///
/// Nine samples of 4 bytes for each thread of 32 warps are 36 KiB on their way to a multiprocessor, where the
/// bandwidth of an H200 times its latency wants about 20; fewer of the wider ones are as many bytes.
///
/// The narrow one is for images of which the other one would be mostly empty: 16 × 32 outputs.
constexpr direct_tile direct_tile_for(std::size_t sum_bytes, bool narrow = false) {
  direct_tile t{.rows = 4, .cols = 1, .across = warp, .together = false, .chunk = 16, .deep = 1};
  if (sum_bytes <= 8) t.cols = 2, t.deep = 2;
  if (sum_bytes <= 4) t.chunk = 32;
  if (narrow) t.rows = 2, t.cols = 1, t.deep = 1;
  else if (sum_bytes <= 4) t.cols = 4, t.across = 16, t.together = true, t.deep = 3;
  return t;
}
/// Beside sums and window, 44 registers, there are the loads of a next chunk and the loops over chunks and filters: 64
/// are two too few. Three blocks have 27 KiB on their way.
template <class Sum, bool Narrow>
constexpr int direct_blocks_at_once = direct_tile_for(sizeof(Sum), Narrow).together
                                          ? 3
                                          : blocks_at_once<Sum>;
/// Where it computes less than half of what the other one does: its products are from half as many reads.
constexpr bool is_narrow(std::int64_t rows, std::int64_t cols, std::size_t sum_bytes) {
  const auto area = [&](direct_tile t) {
    return static_cast<double>((rows - 1) / t.out_rows() + 1) * t.out_rows() *
           static_cast<double>((cols - 1) / t.out_cols() + 1) * t.out_cols();
  };
  return 2 * area(direct_tile_for(sum_bytes, true)) < area(direct_tile_for(sum_bytes));
}
static_assert(!is_narrow(1, 1, 16) && is_narrow(14, 14, 4) && is_narrow(28, 28, 4) &&
              !is_narrow(56, 56, 4));

/// Filters whose taps are loaded at once, to be worked off from one tile: as many as one chunk has room for.
constexpr int direct_together(direct_tile t, std::int64_t row_taps, std::int64_t col_taps) {
  if (row_taps > t.chunk || col_taps > t.chunk) return 1;
  return static_cast<int>(t.chunk * t.chunk / (row_taps * t.whole(static_cast<int>(col_taps))));
}

/// Shared memory of cuda/direct: the tile, and the taps of so many filters that it is worked off with.
constexpr std::size_t direct_shared_bytes(direct_tile t, std::size_t sample, std::size_t tap,
                                          int filters, std::int64_t row_taps,
                                          std::int64_t col_taps) {
  const std::size_t tile = (t.samples(row_taps, col_taps) * sample + 15) / 16 * 16;
  const int of_filter = t.taps_at_once(row_taps) * t.whole(t.taps_at_once(col_taps));
  return tile + static_cast<std::size_t>(filters) * static_cast<std::size_t>(of_filter) * tap;
}

/// Extents of single filters that cuda/direct has kernels for, which take the taps row by row.
constexpr bool has_small_kernel(std::int64_t row_taps, std::int64_t col_taps) {
  return row_taps == col_taps && (row_taps == 3 || row_taps == 5 || row_taps == 7);
}

/// cuda/compiled. Its taps are no loads: 8 × 2 outputs of a thread, a warp's width apart, for every order of them.
constexpr direct_tile compiled_tile(bool narrow) {
  if (narrow) return direct_tile_for(sizeof(float), true);
  return {.rows = 8, .cols = 2, .across = warp, .together = false, .chunk = 32, .deep = 3};
}
/// A tap is 16 multiply-adds of 16 bytes each: 128 of them are 32 KiB, and 37 with the loads of 11 x 11.
/// The cache that instructions of a multiprocessor come from has 46 KiB on 7.5 and 128 KiB later (Jia et al., Dissecting
/// the NVidia Turing T4 GPU via Microbenchmarking, 2019), behind one of 12 to 16 KiB for each quarter of it.
constexpr std::int64_t most_compiled_taps = 128;
/// Of 10 to 60 KiB each.
constexpr std::size_t most_cached_programs = 256;

/// Blocks that there should be where filters can be shared out among them: four on each multiprocessor, twice.
constexpr std::int64_t blocks_worth_a_launch = 8;

/// cuda/direct, filters of one row. Each thread makes a run of outputs: a sample that enters its window serves
/// all of them. Eight sums and a window of eight keep a thread at about 40 registers; wider ones take fewer.
/// A tile is one line for a signal, and eight, a warp each, for an image.
struct row_tile {
  int outputs;
  int chunk;  // taps that are worked off with one load
  static constexpr int deep = 1;
  /// Asked for at a time: half a run, and a part of the halo.
  [[nodiscard]] constexpr int wide() const { return outputs / 2 + 1; }

  [[nodiscard]] constexpr int cols(int lines) const { return block_threads / lines * outputs; }
  [[nodiscard]] constexpr int pitch(int lines, int taps) const {
    const int samples = cols(lines) + taps - 1;
    return samples + samples / outputs;
  }
  /// Where in shared memory a thread's run begins, of samples or of sums.
  [[nodiscard]] constexpr int run(int thread, int lines, int pitch) const {
    return lines == 1 ? thread * (outputs + 1)
                      : thread / warp * pitch + thread % warp * (outputs + 1);
  }
};
constexpr int row_lines = block_threads / 32;
/// Images narrower than this are for the tiles above, which are 64 columns wide.
constexpr std::int64_t row_tile_from = 128;

/// Chunks are as long as 48 KiB allow, for eight lines, of which each carries its own halo.
constexpr row_tile row_tile_for(std::size_t sum_bytes) {
  if (sum_bytes <= 4) return {.outputs = 8, .chunk = 512};
  if (sum_bytes <= 8) return {.outputs = 4, .chunk = 256};
  return {.outputs = 2, .chunk = 64};
}

constexpr std::size_t row_shared_bytes(row_tile t, int lines, std::size_t sample, std::size_t tap,
                                       std::size_t sum, std::int64_t taps) {
  const int some = static_cast<int>(taps < t.chunk ? taps : t.chunk);
  const auto lines_of = [&](int length, std::size_t size) {
    return (static_cast<std::size_t>(lines * t.pitch(lines, length)) * size + 15) / 16 * 16;
  };
  const std::size_t loaded = lines_of(some, sample) + static_cast<std::size_t>(some) * tap;
  const std::size_t results = lines_of(1, sum);
  return loaded > results ? loaded : results;
}

/// cuda/direct, filters of one row for lines of which each may have its own: signals, or rows of images, in channels.
/// A line is `lanes` threads of one warp: as few of 8, 16 and 32 as do it, so that short lines leave none idle.
/// Warps wait for nobody but themselves.
struct line_tile {
  int outputs;  // of a thread, next to one another
  int whole;    // taps that are worked off with one load, by 32 threads

  static constexpr int fewest_lanes = 8;
  [[nodiscard]] constexpr int cols(int lanes) const { return lanes * outputs; }
  [[nodiscard]] constexpr int chunk(int lanes) const { return whole * lanes / warp; }
  /// Of lines of samples or sums: those that a warp has go on in the banks where the one before ends.
  [[nodiscard]] constexpr int pitch(int lanes, int taps, std::size_t bytes) const {
    const int samples = cols(lanes) + taps - 1;
    const int places = samples + samples / outputs;
    const int round = 128 / static_cast<int>(bytes);
    const int off = (lanes * (outputs + 1) - places) % round;
    return places + (off < 0 ? off + round : off);
  }
  /// Of taps: odd, so that lines of a warp read theirs from banks of their own.
  [[nodiscard]] static constexpr int tap_pitch(int taps) { return taps | 1; }
  [[nodiscard]] constexpr int run(int thread, int lanes, int pitch) const {
    return thread / lanes * pitch + thread % lanes * (outputs + 1);
  }
  [[nodiscard]] constexpr int lanes_for(std::int64_t columns) const {
    int lanes = fewest_lanes;
    while (lanes < warp && cols(lanes) < columns) lanes *= 2;
    return lanes;
  }
};
constexpr line_tile line_tile_for(std::size_t sum_bytes) {
  if (sum_bytes <= 4) return {.outputs = 8, .whole = 256};
  if (sum_bytes <= 8) return {.outputs = 4, .whole = 128};
  return {.outputs = 2, .whole = 64};
}
/// Signals that share one filter are lines of this kind up to so many columns; longer ones fill a block.
constexpr std::int64_t line_tile_to = 1024;

/// Samples, taps and sums of all lines of a block, each after the other.
struct line_layout {
  int pitch;  // of samples
  int results_pitch;
  std::size_t taps_at;
  std::size_t results_at;
  std::size_t bytes;
};
constexpr line_layout line_layout_for(line_tile t, int lanes, std::size_t sample, std::size_t tap,
                                      std::size_t sum, std::int64_t taps) {
  const int some = static_cast<int>(taps < t.chunk(lanes) ? taps : t.chunk(lanes));
  const auto all = [&](int pitch, std::size_t bytes) {
    return (static_cast<std::size_t>(block_threads / lanes * pitch) * bytes + 15) / 16 * 16;
  };
  line_layout l{};
  l.pitch = t.pitch(lanes, some, sample);
  l.results_pitch = t.pitch(lanes, 1, sum);
  l.taps_at = all(l.pitch, sample);
  l.results_at = l.taps_at + all(t.tap_pitch(some), tap);
  l.bytes = l.results_at + all(l.results_pitch, sum);
  return l;
}

/// Taps up to this number travel in the parameters of a launch: multiplications take them from there as they
/// are. Enough for 7x7, up to which a tile is bound by memory; 1 KiB where a tap has 16 bytes, of the 4 KiB
/// that parameters may have everywhere.
constexpr int small_filter = 64;

/// cuda/separable. A block walks down a strip of the output, `step` rows at a time: x̃ into lines, sums along
/// those into a ring of rows, sums down the ring into results. 16 threads make a line of 512 bytes of sums:
/// wide enough to coalesce, and a 7x7 filter reads (128 + 6)/128 of its input in f32.
struct separable_tile {
  int outputs;  // of a thread along a line
  static constexpr int step = 16;
  /// Asked for at a time: the two lines that a warp has of a step, halo included for up to 33 taps.
  static constexpr int deep = 2;
  [[nodiscard]] constexpr int wide() const { return cols() / 32 + 1; }
  static constexpr int threads_along = block_threads / step;

  [[nodiscard]] constexpr int cols() const { return threads_along * outputs; }
  /// Outputs of a thread below one another.
  [[nodiscard]] constexpr int down() const { return step / (block_threads / cols()); }

  // Along lines: the thread's line, and its run there, of samples in the lines and of sums in the ring.
  [[nodiscard]] static constexpr int line(int thread) { return thread / threads_along; }
  [[nodiscard]] constexpr int run(int thread, int pitch) const {
    return line(thread) * pitch + thread % threads_along * (outputs + 1);
  }
  template <class Sum>
  [[nodiscard]] constexpr int in_ring(int thread, int q) const {
    return swizzle<Sum>(thread % threads_along * outputs + q);
  }
  /// Places between rows of the ring. A warp writes sums of 4 bytes to two rows at once: four places more put
  /// the second one into the banks that the first leaves free.
  template <class Sum>
  [[nodiscard]] constexpr int ring_pitch() const {
    return cols() + (sizeof(Sum) == 4 ? 4 : 0);
  }
  // Down columns: the thread's column, and the first of its outputs.
  [[nodiscard]] constexpr int column(int thread) const { return thread % cols(); }
  [[nodiscard]] constexpr int first(int thread) const { return thread / cols() * down(); }
};
constexpr separable_tile separable_tile_for(std::size_t sum_bytes) {
  if (sum_bytes <= 4) return {.outputs = 8};
  if (sum_bytes <= 8) return {.outputs = 4};
  return {.outputs = 2};
}

/// Factors up to this length travel in the parameters, both of them: 2 KiB for 16 bytes each.
constexpr int separable_taps = 64;

/// Rows of a strip. Each strip reads and sums the filter's rows less one again at its top, so that long ones do
/// less in all, and short ones keep more multiprocessors busy. With four blocks on each, so many rounds of so
/// many rows: the least of that. 256 rows repeat
/// a quarter at most, for 64 taps.
constexpr int separable_strip(std::int64_t rows, std::int64_t strips_across, std::int64_t row_taps,
                              int multiprocessors) {
  const std::int64_t at_once = std::int64_t{4} * multiprocessors;
  int best = 256;
  std::int64_t least = 0;
  for (int strip = best; strip >= 32; strip /= 2) {
    const std::int64_t strips = (rows + strip - 1) / strip * strips_across;
    const std::int64_t time = (strips + at_once - 1) / at_once * (strip + row_taps - 1);
    if (least == 0 || time < least) {
      least = time;
      best = strip;
    }
  }
  return best;
}
static_assert(separable_strip(4096, 32, 31, 132) == 256);  // 512 of 528 blocks
static_assert(separable_strip(1024, 8, 31, 132) == 32);
static_assert(separable_strip(16, 1, 7, 132) == 32);

/// Shared memory of cuda/separable, part by part.
struct separable_layout {
  int pitch;      // of the lines, in samples
  int ring_rows;  // x̃ rows that a step's outputs look at, up to whole windows
  std::size_t ring_at;
  std::size_t results_at;
  std::size_t bytes;
};
template <class Sample, class Sum>
constexpr separable_layout separable_layout_for(int row_taps, int col_taps) {
  constexpr separable_tile t = separable_tile_for(sizeof(Sum));
  separable_layout l{};
  const int samples = t.cols() + col_taps - 1;
  l.pitch = spread_pitch<Sample>(samples + samples / t.outputs);
  l.ring_rows = (row_taps - 1 + t.step + t.down() - 1) / t.down() * t.down();
  l.ring_at = (static_cast<std::size_t>(t.step * l.pitch) * sizeof(Sample) + 15) / 16 * 16;
  l.results_at = l.ring_at +
                 static_cast<std::size_t>(l.ring_rows * t.template ring_pitch<Sum>()) * sizeof(Sum);
  l.bytes = l.results_at + static_cast<std::size_t>(t.step * t.cols()) * sizeof(Sum);
  return l;
}

/// cuda/mma. Each of eight warps makes 16 x 64 outputs, eight times the 16 x 8 of an instruction. Of what is read from
/// shared memory for a row of taps, samples serve as many instructions as taps have chunks; taps, all eight. With 15 taps
/// of f32 that are 46 words of each lane for 24 instructions of TF32, with 3 x TF32 52 for 72. 32 sums, as many of the row
/// of taps, and samples and taps in two parts take 128 registers, with which two blocks are on a multiprocessor.
struct mma_tile {
  static constexpr int warps_across = 2;
  static constexpr int warp_rows = 16;
  static constexpr int tiles = 8;  // of 8 columns each, of a warp
  static constexpr int warp_cols = tiles * 8;
  static constexpr int out_rows = block_threads / warp / warps_across * warp_rows;
  static constexpr int out_cols = warps_across * warp_cols;
  /// Samples that a thread asks for at a time: all of a line's for up to 33 taps, of two lines.
  static constexpr int wide = 5;
  static constexpr int deep = 2;

  [[nodiscard]] static constexpr int first_row(int thread) {
    return thread / warp / warps_across * warp_rows;
  }
  [[nodiscard]] static constexpr int first_col(int thread) {
    return thread / warp % warps_across * warp_cols;
  }
  /// The first word of samples that a thread reads, from lines of so many words.
  [[nodiscard]] static constexpr int first_word(int thread, int pitch, std::size_t sample) {
    return (first_row(thread) + thread % warp / 4) * pitch +
           first_col(thread) * static_cast<int>(sample) / 4 + thread % 4;
  }
  /// Where its first output lies, and how far from there number q of tile b does.
  [[nodiscard]] static constexpr int output(int thread, int pitch) {
    return (first_row(thread) + thread % warp / 4) * pitch + first_col(thread) + thread % 4 * 2;
  }
  [[nodiscard]] static constexpr int output_offset(int b, int q, int pitch) {
    return q / 2 * 8 * pitch + b * 8 + q % 2;
  }
  /// Places between lines of results: four of them, in pairs, go into all banks.
  static constexpr int results_pitch = out_cols + 8;
};
/// Two blocks: more would leave fewer registers than that takes.
constexpr int mma_blocks_at_once = 2;

/// What one instruction multiplies: a chunk of eight words of samples, 8 of f32 or 16 of 16 bits, which is as wide as so
/// many tiles of outputs.
constexpr int mma_chunk_bytes = 32;
template <std::size_t Bytes>
struct mma_unit {
  static constexpr int tiles = Bytes == 4 ? 1 : 2;
  static constexpr int half = 4 * tiles;  // numbers of half a chunk
  /// The first word of taps that a thread reads.
  [[nodiscard]] static constexpr int first_tap(int thread) {
    return thread % 4 * tiles - thread % warp / 4 + 7;
  }
};

/// Chunks that are worked off with one pass over the samples that they see, of so many that are left: up to three of
/// 3 x TF32, for which twice as many registers are taken, else four, and never one, which would be a loop of its own.
[[nodiscard]] constexpr int mma_chunks_at_once(int left, int passes) {
  const int most = passes == 3 ? 3 : 4;
  return left <= most ? left : left == most + 1 ? most - 1 : most;
}
static_assert(mma_chunks_at_once(4, 3) == 2 && mma_chunks_at_once(5, 3) == 3 &&
              mma_chunks_at_once(5, 1) == 3 && mma_chunks_at_once(6, 1) == 4);

/// Shared memory of cuda/mma.
struct mma_layout {
  int chunks;  // of a row of taps
  int pitch;  // of a tile's lines, in words: four apart from a round of eight, so that those of an instruction,
      // four words of each of eight lines, lie in all banks
  int tap_pitch;  // in words
  int first_tap;  // before it are the zeros that a thread reads first
  std::size_t taps_at;
  std::size_t bytes;
};
constexpr mma_layout mma_layout_for(std::size_t sample, int passes, std::int64_t row_taps,
                                    std::int64_t col_taps) {
  // Far more than there is room for.
  const auto few = [](std::int64_t taps) { return static_cast<int>(taps < 65536 ? taps : 65536); };
  const int eights = (few(col_taps) + 7 + 7) / 8;  // that eight outputs see a part of
  const int tiles = sample == 4 ? 1 : 2;
  mma_layout l{};
  // The second of two tiles begins in the middle of a chunk. One alone is not worth a loop of its own.
  l.chunks = sample == 4 ? eights : eights / 2 + 1;
  if (l.chunks < 2) l.chunks = 2;
  l.pitch = mma_tile::out_cols / tiles / 8 * 8 + 8 * (l.chunks - 1) + 4;
  l.first_tap = 7 + 8 * (tiles - 1);
  l.tap_pitch = 8 * tiles * l.chunks + 8 * tiles;
  const auto lines = static_cast<std::size_t>(mma_tile::out_rows + few(row_taps) - 1);
  const std::size_t samples = lines * static_cast<std::size_t>(l.pitch) * 4;
  constexpr std::size_t results =
      static_cast<std::size_t>(mma_tile::out_rows * mma_tile::results_pitch) * 4;
  l.taps_at = ((samples > results ? samples : results) + 15) / 16 * 16;
  l.bytes = l.taps_at + static_cast<std::size_t>(few(row_taps)) *
                            static_cast<std::size_t>(l.tap_pitch) * (passes == 3 ? 2 : 1) * 4;
  return l;
}

/// Powers of two by which the norms of filters may differ that share the transforms of a channel: far from what f32 has
/// not.
constexpr int norms_most_apart = 16;

/// cuda/overlap_save. Points of a block: the fewest for which no half warps meet in a bank, the most that fit into
/// the shared memory of any device, 128 KiB of f32.
struct overlap_save_sizes {
  int fewest = 1024;
  int most = 16384;
  int narrowest = 32;  // rows of images: a round of the banks
  int widest = 512;
};
/// A thread keeps 16 points in registers, 32 numbers, beside their roots, its tile and its places: 80 registers for
/// three blocks of f32, which 8192 points leave room for on 9.0. Of f64 it is twice as much, more than the 128 of two
/// blocks; with one, the sixteen points of a thread cover one another's latencies.
///
/// With filters that see one channel each there are two of f32, of 128 registers: a block that keeps its points for
/// several of them has twice as much shared memory, 66 KiB for 4096 points, of which 9.0 and 10.0 have room for three, 8.0
/// for two, 8.6 for one, and 7.5, with its 64 KiB, for one of 2048 points.
template <class T, bool Bank = false>
constexpr int overlap_save_blocks_at_once = std::is_same_v<T, float> ? (Bank ? 2 : 3) : 1;
/// Samples that a thread asks for before it waits for the first: 32 bytes of them.
template <class Sample>
constexpr int overlap_save_loads = 32 / static_cast<int>(sizeof(Sample));
/// The points, twice where several filters are for a block, and what warps tell one another.
template <class T>
constexpr std::size_t overlap_save_shared_bytes(int points, int filters) {
  return shared_bytes_of<T>(points) * (filters > 1 ? 2 : 1) +
         static_cast<std::size_t>(block_threads / warp) * 2 * sizeof(T);
}
/// What the system keeps of a multiprocessor's shared memory for each block.
constexpr std::size_t shared_reserved = 1024;
/// Accesses of shared memory for a point: a load and a store for each stage there and back, the last one's and the
/// first one's back are one; filling and emptying. There once, the rest for each filter, from points that are kept.
/// And what takes as long as so many of them, of device memory and caches: 2 for samples and roots; 4 for the spectrum,
/// roots and results of each filter.
constexpr int overlap_save_accesses(int stages, int filters) {
  const int there = 2 * (stages - 1) + 1 + 2;
  const int back = 2 + 2 * (stages - 1) + 1 + 4;
  return there + filters * back;
}
/// How much longer a block takes where so few are on a multiprocessor that its barriers are waited for.
constexpr double overlap_save_alone(int resident) {
  return resident >= 3 ? 1 : resident == 2 ? 1.15 : 1.5;
}

/// cuda/separable with several terms. The ring is of x̃, so that there is one for all of them: each term's sums down
/// columns go into lines, and the sums along those add up in registers. Four outputs of a thread below one another:
/// eight would leave half of the warps without columns to the right of the first 128.
struct terms_layout {
  int width;      // samples of a row, which are the ring's pitch
  int ring_rows;  // a whole number of steps: the rows of a step lie next to one another
  int lead;       // row of the ring that the first output's window begins with
  int pitch;      // of the lines, in sums, which are also the results
  std::size_t lines_at;
  std::size_t taps_at;
  std::size_t bytes;

  static constexpr int down = 4;
  static constexpr int groups = separable_tile::step / down;
  // Down columns: the thread's first column, how far on its next one is, and the first of its rows.
  [[nodiscard]] static constexpr int column(int thread) {
    return thread / warp / groups * warp + thread % warp;
  }
  static constexpr int columns_on = block_threads / groups;
  [[nodiscard]] static constexpr int first(int thread) { return thread / warp % groups * down; }
};
template <class Sample, class Tap, class Sum>
constexpr terms_layout terms_layout_for(int row_taps, int col_taps, int terms) {
  constexpr separable_tile t = separable_tile_for(sizeof(Sum));
  terms_layout l{};
  l.width = t.cols() + col_taps - 1;
  const int above = (row_taps - 1 + t.step - 1) / t.step * t.step;
  l.ring_rows = above + t.step;
  l.lead = above - (row_taps - 1);
  l.pitch = spread_pitch<Sum>(l.width + l.width / t.outputs);
  l.lines_at = (static_cast<std::size_t>(l.ring_rows * l.width) * sizeof(Sample) + 15) / 16 * 16;
  l.taps_at = l.lines_at + static_cast<std::size_t>(t.step * l.pitch) * sizeof(Sum);
  l.bytes = l.taps_at + static_cast<std::size_t>(terms * (row_taps + col_taps)) * sizeof(Tap);
  return l;
}

/// cuda/fft. Samples of a block at most: tables of the filter are made on the host, in wider types.
constexpr std::int64_t fft_most_samples = std::int64_t{1} << 22;
/// Samples in one call of cuFFT: 16 MiB of f32 and their bins stay in the caches of large devices, and launches cost
/// little beside them.
constexpr std::int64_t fft_at_once = std::int64_t{1} << 22;
/// What cuFFT is expected to do in one pass over memory.
constexpr std::int64_t fft_in_a_pass = 8192;
/// Kernels that move samples of any type across any border: 80 registers of f32, 128 of f64.
template <class T>
constexpr int fft_blocks_at_once = std::is_same_v<T, float> ? 3 : 2;

/// cuda/gemm. Its workspace at most: enough that products keep a device busy, and little beside what networks take.
constexpr std::size_t gemm_workspace = std::size_t{64} << 20;
/// What cuBLAS works in: so many times the sums, which it may share out by depth, but no more than such a part of the
/// whole, and no less than what it asks for.
constexpr double gemm_work_of_sums = 8;
constexpr double gemm_part_of_work = 0.125;
constexpr double gemm_least_work = 16 * 1024;
/// Patches that lie side by side are a multiple of it, so that loads of several of them at once are aligned; and so are
/// patches of 16 bits, for matrix units.
constexpr std::int64_t gemm_pitch = 64;
constexpr std::int64_t gemm_depth_of_16_bits = 8;
/// With fewer outputs of each group at once it takes fewer groups.
constexpr std::int64_t gemm_outputs_worth_a_product = 4096;
/// Rows or columns of outputs at most: places are found in 32 bits.
constexpr std::int64_t gemm_most_lines = std::int64_t{1} << 30;

/// Gradients of filters. A warp sums the products of some filters with some taps of a row over a part of the outputs: 8
/// loads of f32 for 16 products. There are as many parts as make enough warps for a large device, each long enough that
/// its sums, which go to memory, are few.
struct gradient_tile {
  int filters;
  int taps;
};
template <class Sum>
constexpr gradient_tile gradient_tile_for = sizeof(Sum) <= 8 ? gradient_tile{4, 4}
                                                             : gradient_tile{2, 2};
/// 128 registers: 16 sums and the places that they come from, in 64 bits.
constexpr int gradient_blocks_at_once = 2;
constexpr std::int64_t gradient_warps = 8192;
constexpr std::int64_t gradient_outputs_worth_a_warp = 1024;

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

/// What every device gives a block without being asked, and what is asked for at most: with more, a second
/// block would not fit on a multiprocessor of 8.0 or 9.0, and loads would wait for sums.
constexpr std::size_t shared_everywhere = 48 * 1024;
constexpr std::size_t shared_at_most = 80 * 1024;

static_assert(direct_shared_bytes(direct_tile_for(4), 4, 4, 1, 1 << 20, 1 << 20) <=
              shared_everywhere);
static_assert(direct_shared_bytes(direct_tile_for(8), 8, 8, 1, 1 << 20, 1 << 20) <=
              shared_everywhere);
static_assert(direct_shared_bytes(direct_tile_for(16), 16, 16, 1, 1 << 20, 1 << 20) <=
              shared_everywhere);
static_assert(line_layout_for(line_tile_for(4), 8, 4, 4, 4, 1 << 20).bytes <= shared_everywhere);
static_assert(line_layout_for(line_tile_for(4), 32, 4, 4, 4, 1 << 20).bytes <= shared_everywhere);
static_assert(line_layout_for(line_tile_for(8), 8, 8, 8, 8, 1 << 20).bytes <= shared_everywhere);
static_assert(line_layout_for(line_tile_for(8), 32, 8, 8, 8, 1 << 20).bytes <= shared_everywhere);
static_assert(line_layout_for(line_tile_for(16), 8, 16, 16, 16, 1 << 20).bytes <=
              shared_everywhere);
static_assert(line_layout_for(line_tile_for(16), 32, 16, 16, 16, 1 << 20).bytes <=
              shared_everywhere);
static_assert(row_shared_bytes(row_tile_for(4), row_lines, 4, 4, 4, 1 << 20) <= shared_everywhere);
static_assert(row_shared_bytes(row_tile_for(4), 1, 4, 4, 4, 1 << 20) <= shared_everywhere);
static_assert(row_shared_bytes(row_tile_for(8), row_lines, 8, 8, 8, 1 << 20) <= shared_everywhere);
static_assert(row_shared_bytes(row_tile_for(16), row_lines, 16, 16, 16, 1 << 20) <=
              shared_everywhere);
static_assert(separable_layout_for<float, float>(31, 31).bytes <= shared_everywhere);
static_assert(separable_layout_for<float, float>(separable_taps, separable_taps).bytes <=
              shared_at_most);
static_assert(terms_layout_for<float, float, float>(31, 31, 4).bytes <= shared_everywhere);
static_assert(terms_layout_for<float, float, float>(separable_taps, separable_taps, 4).bytes <=
              shared_at_most);
// Of f32 up to 33 taps each way in either way of multiplying; of 16 bits twice as many.
static_assert(mma_layout_for(4, 3, 33, 33).bytes <= shared_at_most);
static_assert(mma_layout_for(2, 1, 63, 63).bytes <= shared_at_most);
static_assert(separable_tile_for(4).cols() * 4 == 512 && separable_tile_for(8).cols() * 8 == 512 &&
              separable_tile_for(16).cols() * 16 == 512);
static_assert(separable_tile_for(16).down() >= 2);

}  // namespace convgpu::cuda
