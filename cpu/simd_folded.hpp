// SPDX-License-Identifier: Apache-2.0
// The inner loops for columns and rows of taps that read the same from either end: see simd_kernels.hpp.
//
// Shape: the sums of some rows, one vector wide, and two windows of samples of as many rows stay in registers. From
// one pair of taps to the next outer one, the upper window moves up by a row and the lower one down.
//
// Boxes, whose taps are all the same, share sums instead, after van Herk (A fast algorithm for local minimum and
// maximum filters on rectangular and octagonal kernels, 1992), who scans blocks from both ends: what the windows of
// a block of outputs have in common is summed once, what is before it from the last one up, what is behind it from
// the first one down. Nothing is ever subtracted, so that a sum knows no sample but those of its window.
#pragma once

#include "simd.hpp"
#include "simd_vectors.hpp"

namespace convgpu::cpu::simd {
namespace {

/// The next `Left` pairs of taps, or as many as there are. The windows are rings: their first row is in upper[At]
/// and in lower[At'], where one moves down as the other moves up.
template <int Rows, int Step, class T, class Lines>
CONVGPU_INLINE void add_pairs(vector<T> (&sums)[Rows], vector<T> (&upper)[Rows],
                              vector<T> (&lower)[Rows], const Lines& rows, const T* h,
                              std::int64_t top, std::int64_t bottom, std::int64_t pairs) {
  if constexpr (Step < Rows) {
    if (pairs == 0) return;
    constexpr int first = (Rows - Step) % Rows;  // of the upper window
    upper[first] = rows(top);
    lower[(Step + Rows - 1) % Rows] = rows(bottom);
    const T tap = *h;
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
      sums[i] = sums[i] + tap * (upper[(first + i) % Rows] + lower[(Step + i) % Rows]);
    add_pairs<Rows, Step + 1>(sums, upper, lower, rows, h + 1, top - 1, bottom + 1, pairs - 1);
  }
}

/// `Rows` rows of sums; rows(r) is the vector of samples of row r.
template <int Rows, class T, class Lines>
CONVGPU_INLINE void folded_sums(vector<T> (&sums)[Rows], const Lines& rows,
                                const symmetric_taps<T>& filter) {
  const std::int64_t middle = filter.count / 2;  // or, of the two there, the lower one
  const T* h = filter.values;
  vector<T> upper[Rows];
  vector<T> lower[Rows];
  std::int64_t top = middle - 1;
  const std::int64_t bottom = filter.count - 1 - top;
  if (filter.count % 2 == 1) {
    const T tap = *h++;
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const vector<T> x = rows(middle + i);
      sums[i] = tap * x;
      if (i + 1 < Rows) upper[i + 1] = x;
      if (i > 0) lower[i - 1] = x;
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) sums[i] = vector<T>{};
#pragma GCC unroll 16
    for (int i = 0; i + 1 < Rows; ++i) {
      upper[i + 1] = rows(middle + i);
      lower[i] = rows(bottom + i);
    }
  }
  std::int64_t low = bottom + Rows - 1;
  for (std::int64_t pairs = middle; pairs > 0; pairs -= Rows) {
    add_pairs<Rows, 0>(sums, upper, lower, rows, h, top, low, pairs);
    h += Rows;
    top -= Rows;
    low += Rows;
  }
}

/// `Rows` rows of sums of equal taps, of which there are as many at least.
template <int Rows, class T, class Lines>
CONVGPU_INLINE void box_sums(vector<T> (&sums)[Rows], const Lines& rows,
                             const symmetric_taps<T>& filter) {
  const T tap = filter.values[0];
  // Floats are multiplied before they are added up, which costs nothing more and overflows no sooner than the
  // products do; integers are multiplied once.
  const auto term = [&](std::int64_t r) CONVGPU_INLINE_LAMBDA {
    if constexpr (is_float<T>) return tap * rows(r);
    else return rows(r);
  };
  vector<T> common[4] = {term(Rows - 1), {}, {}, {}};
  std::int64_t r = Rows;
  for (; r + 4 <= filter.count; r += 4)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) common[i] = common[i] + term(r + i);
  for (; r < filter.count; ++r) common[0] = common[0] + term(r);
  sums[Rows - 1] = (common[0] + common[1]) + (common[2] + common[3]);
#pragma GCC unroll 16
  for (int i = Rows - 2; i >= 0; --i) sums[i] = sums[i + 1] + term(i);
  vector<T> behind = term(filter.count);
  sums[1] = sums[1] + behind;
#pragma GCC unroll 16
  for (int i = 2; i < Rows; ++i) {
    behind = behind + term(filter.count + i - 1);
    sums[i] = sums[i] + behind;
  }
  if constexpr (!is_float<T>)
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) sums[i] = tap * sums[i];
}

// How sums of `Rows` rows are made.
struct by_folding {
  template <int Rows, class T, class Lines>
  static CONVGPU_INLINE void sum(vector<T> (&sums)[Rows], const Lines& rows,
                                 const symmetric_taps<T>& filter) {
    folded_sums(sums, rows, filter);
  }
};
struct by_scans {
  template <int Rows, class T, class Lines>
  static CONVGPU_INLINE void sum(vector<T> (&sums)[Rows], const Lines& rows,
                                 const symmetric_taps<T>& filter) {
    box_sums(sums, rows, filter);
  }
};

/// Strips of `Strip` rows, `Rows` at a time.
template <class How, class T, int Strip, int Rows>
void sum_down(const symmetric_strip<T>& s) {
  static_assert(Strip % Rows == 0);
  constexpr int cols = lanes<T>;
  for (std::int64_t at = 0; at < s.cols; at += cols) {
    const std::int64_t j = at + cols > s.cols ? s.cols - cols : at;
    if (s.next != nullptr)
      for (int i = 0; i < Strip; ++i) __builtin_prefetch(s.next[i] + j, 0, 2);
    for (int c = 0; c < Strip; c += Rows) {
      const T* const* const rows = s.rows + c;
      vector<T> sums[Rows];
      How::sum(
          sums, [&](std::int64_t r) CONVGPU_INLINE_LAMBDA { return load(rows[r] + j); }, s.filter);
      for (int i = 0; i < Rows; ++i) store(s.out + (c + i) * s.pitch + j, sums[i]);
    }
  }
}

// ---- Along rows: blocks of as many rows and columns as a vector has lanes, rows and columns exchanged.

#if CONVGPU_SIMD_BYTES == 64
#define CONVGPU_LANES_32(f)                                                                      \
  f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), \
      f(15)
#define CONVGPU_LANES_64(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)
#elif CONVGPU_SIMD_BYTES == 32
#define CONVGPU_LANES_32(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)
#define CONVGPU_LANES_64(f) f(0), f(1), f(2), f(3)
#else
#define CONVGPU_LANES_32(f) f(0), f(1), f(2), f(3)
#define CONVGPU_LANES_64(f) f(0), f(1)
#endif

/// Exchanges the blocks of `By` lanes that lie off the diagonal of two rows `By` apart.
template <int By, class T>
CONVGPU_INLINE void exchange(vector<T>& a, vector<T>& b) {
#define CONVGPU_LOW(i) ((i)&By ? (i)-By + lanes<T> : (i))
#define CONVGPU_HIGH(i) ((i)&By ? (i) + lanes<T> : (i) + By)
  const vector<T> low = [&] {
    if constexpr (sizeof(T) == 4)
      return __builtin_shufflevector(a, b, CONVGPU_LANES_32(CONVGPU_LOW));
    else return __builtin_shufflevector(a, b, CONVGPU_LANES_64(CONVGPU_LOW));
  }();
  if constexpr (sizeof(T) == 4) b = __builtin_shufflevector(a, b, CONVGPU_LANES_32(CONVGPU_HIGH));
  else b = __builtin_shufflevector(a, b, CONVGPU_LANES_64(CONVGPU_HIGH));
  a = low;
#undef CONVGPU_LOW
#undef CONVGPU_HIGH
}

template <class T, int By = lanes<T> / 2>
CONVGPU_INLINE void transpose(vector<T> (&block)[lanes<T>]) {
  if constexpr (By > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes<T>; ++i)
      if ((i & By) == 0) exchange<By, T>(block[i], block[i + By]);
    transpose<T, By / 2>(block);
  }
}

/// Blocks of columns of sums that are made from one filling of the memory.
constexpr std::int64_t blocks_at_once = 16;

template <class How, class T, int Rows>
void sum_along(const symmetric_strip<T>& s, T* memory) {
  constexpr int n = lanes<T>;
  static_assert(n % Rows == 0);
  std::int64_t held = 0;   // column that the memory begins with
  std::int64_t until = 0;  // one past the last column there
  for (std::int64_t at = 0; at < s.cols; at += n) {
    const std::int64_t j = at + n > s.cols ? s.cols - n : at;
    if (j + n + s.filter.count - 1 > until) {
      // What the memory has of these columns moves to its beginning.
      const std::int64_t kept = until > j ? until - j : 0;
      for (std::int64_t c = 0; c < kept; ++c)
        store(memory + c * n, load(memory + (j - held + c) * n));
      held = j;
      until = j + kept;
      const std::int64_t most = j + (blocks_at_once - 1) * n + s.filter.count;
      const std::int64_t last = s.cols + s.filter.count - 1;
      for (const std::int64_t end = most < last ? most : last; until < end; until += n) {
        vector<T> block[n];
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) block[i] = load(s.rows[i] + until);
        transpose<T>(block);
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) store(memory + (until - held + i) * n, block[i]);
      }
    }
    vector<T> block[n];
    for (int c = 0; c < n; c += Rows) {
      const T* const columns = memory + (j - held + c) * n;
      vector<T> sums[Rows];
      How::sum(
          sums, [&](std::int64_t r) CONVGPU_INLINE_LAMBDA { return load(columns + r * n); },
          s.filter);
      for (int i = 0; i < Rows; ++i) block[c + i] = sums[i];
    }
    transpose<T>(block);
    if (s.stream)
      for (int i = 0; i < n; ++i) stream(s.out + i * s.pitch + j, block[i]);
    else if (s.added)
      for (int i = 0; i < n; ++i) {
        T* const to = s.out + i * s.pitch + j;
        store(to, load(to) + block[i]);
      }
    else
      for (int i = 0; i < n; ++i) store(s.out + i * s.pitch + j, block[i]);
  }
  if (s.stream) finish_streams();
}

/// Blocks as high as registers let them be, and the filter.
template <class T>
constexpr int most_scanned = CONVGPU_SIMD_BYTES == 64 ? 16 : 8;
template <class T>
void box_down(const symmetric_strip<T>& s) {
  constexpr int strip = most_scanned<T>;
  if constexpr (strip == 16)
    if (s.filter.count >= 16) return sum_down<by_scans, T, strip, 16>(s);
  sum_down<by_scans, T, strip, 8>(s);
}
template <class T>
void box_along(const symmetric_strip<T>& s, T* memory) {
  constexpr int n = lanes<T>;
  if constexpr (n >= 16)
    if (s.filter.count >= 16) return sum_along<by_scans, T, 16>(s, memory);
  sum_along<by_scans, T, (n < 8 ? n : 8)>(s, memory);
}

template <class T>
constexpr symmetric_loops<T> folded_of() {
  constexpr int n = lanes<T>;
  constexpr int rows = CONVGPU_SIMD_BYTES == 64 ? 8 : 4;
  return {.rows = rows,
          .cols = n,
          .down = sum_down<by_folding, T, rows, rows>,
          .along_rows = n,
          .along_memory = (blocks_at_once + 1) * n * n,
          .along = sum_along<by_folding, T, (rows < n ? rows : n)>,
          .in_blocks = false};
}
template <class T>
constexpr symmetric_loops<T> box_of() {
  symmetric_loops<T> loops = folded_of<T>();
  loops.rows = most_scanned<T>;
  loops.down = box_down<T>;
  loops.along = box_along<T>;
  loops.in_blocks = true;
  return loops;
}

}  // namespace
}  // namespace convgpu::cpu::simd
