// SPDX-License-Identifier: Apache-2.0
// The inner loops, compiled once in every simd_*.cpp with the flags of an instruction set. Each of these defines
// CONVGPU_SIMD_BYTES (of a vector), CONVGPU_SIMD_ROWS and CONVGPU_SIMD_COLS (of the outputs that are kept in
// registers: rows, and vectors in each).
//
// Nothing here has external linkage, and nothing of the standard library is called: a function that two units
// share would be linked from one of them, perhaps from the one for a processor that is not there.
//
// Shape: some rows of outputs, two or three vectors wide, stay in registers. A vector of samples that is read once is
// multiplied into all the outputs whose windows hold it: with several taps below one another there are then fewer
// loads, half of which cross a line of the cache, than products.
#pragma once

#include "simd.hpp"
#include "simd_conversions.hpp"
#include "simd_depthwise.hpp"
#include "simd_fft.hpp"
#include "simd_folded.hpp"
#include "simd_gemm.hpp"
#include "simd_vectors.hpp"
#include "simd_winograd.hpp"

namespace convgpu::cpu::simd {
namespace {

// ---- What a kernel computes with: how vectors of sums stand for outputs.

/// Samples, taps and sums of one type.
template <class T>
struct alike {
  using sample = T;
  using tap = T;
  using sum = T;
  template <int Vectors>
  static constexpr int cols = Vectors* lanes<T>;

  static constexpr bool in_registers = CONVGPU_SIMD_BYTES == 64 && is_float<T>;

#if defined(__AVX512F__)
  /// Neighbouring columns of a patch from the same loads, moved in registers: half of the loads that they take the
  /// place of would cross a line of the cache.
  template <int Vectors>
  struct window {
    vector<T> loaded[Vectors + 1];

    explicit CONVGPU_INLINE window(const T* x) {
      for (int v = 0; v <= Vectors; ++v) loaded[v] = load(x + v * lanes<T>);
    }
    template <int By>
    CONVGPU_INLINE void shifted(vector<T> (&s)[Vectors]) const {
      for (int v = 0; v < Vectors; ++v) {
        const auto low = reinterpret_cast<__m512i>(loaded[v]);
        const auto high = reinterpret_cast<__m512i>(loaded[v + 1]);
        if constexpr (By == 0) s[v] = loaded[v];
        else if constexpr (sizeof(T) == 4)
          s[v] = reinterpret_cast<vector<T>>(_mm512_alignr_epi32(high, low, By));
        else s[v] = reinterpret_cast<vector<T>>(_mm512_alignr_epi64(high, low, By));
      }
    }
  };
#endif
  template <int Vectors>
  static CONVGPU_INLINE void load_samples(vector<T> (&s)[Vectors], const T* x) {
    for (int v = 0; v < Vectors; ++v) s[v] = load(x + v * lanes<T>);
  }
  static CONVGPU_INLINE vector<T> add_product(vector<T> sum, T h, vector<T> x) {
    return sum + h * x;
  }
  template <int Vectors>
  static CONVGPU_INLINE void load_sums(vector<T> (&sums)[Vectors], const T* from) {
    for (int v = 0; v < Vectors; ++v) sums[v] = load(from + v * lanes<T>);
  }
  template <int Vectors>
  static CONVGPU_INLINE void store_sums(T* to, const vector<T> (&sums)[Vectors]) {
    for (int v = 0; v < Vectors; ++v) store(to + v * lanes<T>, sums[v]);
  }
  template <int Vectors>
  static CONVGPU_INLINE void stream_sums(T* to, const vector<T> (&sums)[Vectors]) {
    for (int v = 0; v < Vectors; ++v) stream(to + v * lanes<T>, sums[v]);
  }
};

/// Products of 64 bits of numbers that fit into 32.
struct wide : alike<std::int64_t> {
  static CONVGPU_INLINE vector<std::int64_t> add_product(vector<std::int64_t> sum, std::int64_t h,
                                                         vector<std::int64_t> x) {
#if defined(__AVX512F__)
    return sum + reinterpret_cast<vector<std::int64_t>>(
                     _mm512_mul_epi32(reinterpret_cast<__m512i>(x), _mm512_set1_epi64(h)));
#elif defined(__AVX2__)
    return sum + reinterpret_cast<vector<std::int64_t>>(
                     _mm256_mul_epi32(reinterpret_cast<__m256i>(x), _mm256_set1_epi64x(h)));
#else
    return sum + h * x;
#endif
  }
};

/// Samples of 16 bits, two taps at a time: the first vector of sums has the outputs at even places, the second
/// those at odd ones.
struct pairs {
  using sample = std::int16_t;
  using tap = tap_pair;
  using sum = std::int32_t;
  using sums_vector = vector<std::int32_t>;
  template <int Vectors>
  static constexpr int cols = 2 * lanes<std::int32_t>;
  static constexpr bool in_registers = false;

  static CONVGPU_INLINE void load_samples(vector<std::int32_t> (&s)[2], const std::int16_t* x) {
    s[0] = reinterpret_cast<sums_vector>(load(x));
    s[1] = reinterpret_cast<sums_vector>(load(x + 1));
  }
  static CONVGPU_INLINE sums_vector add_product(sums_vector sum, tap_pair h, sums_vector x) {
#if defined(__AVX512VNNI__)
    return reinterpret_cast<sums_vector>(_mm512_dpwssd_epi32(
        reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(x), _mm512_set1_epi32(h)));
#elif defined(__AVX512BW__)
    return sum + reinterpret_cast<sums_vector>(
                     _mm512_madd_epi16(reinterpret_cast<__m512i>(x), _mm512_set1_epi32(h)));
#elif defined(__AVX2__)
    return sum + reinterpret_cast<sums_vector>(
                     _mm256_madd_epi16(reinterpret_cast<__m256i>(x), _mm256_set1_epi32(h)));
#elif defined(__SSE2__)
    return sum + reinterpret_cast<sums_vector>(
                     _mm_madd_epi16(reinterpret_cast<__m128i>(x), _mm_set1_epi32(h)));
#else
    return sum + (x << 16 >> 16) * (h << 16 >> 16) + (x >> 16) * (h >> 16);
#endif
  }
  static CONVGPU_INLINE void load_sums(sums_vector (&sums)[2], const std::int32_t* from) {
    split(sums, load(from), load(from + lanes<std::int32_t>));
  }
  static CONVGPU_INLINE void store_sums(std::int32_t* to, const sums_vector (&sums)[2]) {
    sums_vector halves[2];
    join(halves, sums);
    store(to, halves[0]);
    store(to + lanes<std::int32_t>, halves[1]);
  }
  static CONVGPU_INLINE void stream_sums(std::int32_t* to, const sums_vector (&sums)[2]) {
    sums_vector halves[2];
    join(halves, sums);
    stream(to, halves[0]);
    stream(to + lanes<std::int32_t>, halves[1]);
  }

 private:
#if CONVGPU_SIMD_BYTES == 64
  static CONVGPU_INLINE void join(sums_vector (&to)[2], const sums_vector (&of)[2]) {
    to[0] = __builtin_shufflevector(of[0], of[1], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22,
                                    7, 23);
    to[1] = __builtin_shufflevector(of[0], of[1], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,
                                    30, 15, 31);
  }
  static CONVGPU_INLINE void split(sums_vector (&to)[2], sums_vector a, sums_vector b) {
    to[0] =
        __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    to[1] =
        __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  }
#elif CONVGPU_SIMD_BYTES == 32
  static CONVGPU_INLINE void join(sums_vector (&to)[2], const sums_vector (&of)[2]) {
    to[0] = __builtin_shufflevector(of[0], of[1], 0, 8, 1, 9, 2, 10, 3, 11);
    to[1] = __builtin_shufflevector(of[0], of[1], 4, 12, 5, 13, 6, 14, 7, 15);
  }
  static CONVGPU_INLINE void split(sums_vector (&to)[2], sums_vector a, sums_vector b) {
    to[0] = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
    to[1] = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
  }
#else
  static CONVGPU_INLINE void join(sums_vector (&to)[2], const sums_vector (&of)[2]) {
    to[0] = __builtin_shufflevector(of[0], of[1], 0, 4, 1, 5);
    to[1] = __builtin_shufflevector(of[0], of[1], 2, 6, 3, 7);
  }
  static CONVGPU_INLINE void split(sums_vector (&to)[2], sums_vector a, sums_vector b) {
    to[0] = __builtin_shufflevector(a, b, 0, 2, 4, 6);
    to[1] = __builtin_shufflevector(a, b, 1, 3, 5, 7);
  }
#endif
};

// ---- A patch of taps, multiplied into `Rows` rows of sums. `rows(r)` is where the samples for the first column
// and row r of it begin, seen from the first row of outputs.

/// One row of samples, for the outputs First … Last; `h` points to the tap that it has for the first of these. All
/// columns before the next row: its samples are then read while they are in the first-level cache, where rows
/// that lie a power of two apart displace one another.
template <class With, int First, int Last, int Rows, int Vectors, class Size>
CONVGPU_INLINE void add_row(vector<typename With::sum> (&sums)[Rows][Vectors],
                            const typename With::sample* x, const typename With::tap* h,
                            const Size& size) {
  for (std::int64_t l = 0; l < size.width; ++l) {
    vector<typename With::sum> samples[Vectors];
    With::load_samples(samples, x);
#pragma GCC unroll 16
    for (int i = First; i <= Last; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v)
        sums[i][v] = With::add_product(sums[i][v], h[First - i], samples[v]);
    x += size.step;
    h += size.height;
  }
}

#if defined(__AVX512F__)
template <class With, int First, int Last, int L, int Rows, int Vectors, class Window, class Size>
CONVGPU_INLINE void add_columns(vector<typename With::sum> (&sums)[Rows][Vectors], const Window& w,
                                const typename With::tap* h, const Size& size) {
  if constexpr (L < Size::width) {
    vector<typename With::sum> samples[Vectors];
    w.template shifted<L>(samples);
#pragma GCC unroll 16
    for (int i = First; i <= Last; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v)
        sums[i][v] = With::add_product(sums[i][v], h[First - i + L * Size::height], samples[v]);
    add_columns<With, First, Last, L + 1>(sums, w, h, size);
  }
}
#endif

/// Rows R … End−1 of samples, of all those that a patch of `Height` rows is for.
template <class With, int Height, int R, int End, int Rows, int Vectors, class Lines, class Size>
CONVGPU_INLINE void add_rows(vector<typename With::sum> (&sums)[Rows][Vectors], const Lines& rows,
                             const typename With::tap* h, const Size& size) {
  if constexpr (R < End) {
    constexpr int first = R < Height ? 0 : R - Height + 1;
    constexpr int last = R < Rows ? R : Rows - 1;
#if defined(__AVX512F__)
    if constexpr (requires { Size::in_registers; }) {
      const typename With::template window<Vectors> w(rows(R));
      add_columns<With, first, last, 0>(sums, w, h + (R - first), size);
    } else
#endif
      add_row<With, first, last>(sums, rows(R), h + (R - first), size);
    add_rows<With, Height, R + 1, End>(sums, rows, h, size);
  }
}

/// The size of a patch, as far as it is known beforehand.
template <int Size>
struct square_size {
  static constexpr std::int64_t height = Size;
  static constexpr std::int64_t width = Size;
  static constexpr bool in_registers = true;
};
template <int Width>
struct row_size {
  static constexpr std::int64_t height = 1;
  static constexpr std::int64_t width = Width;
  static constexpr bool in_registers = true;
};
template <int Width>
struct some_columns {
  static constexpr std::int64_t height = 1;
  static constexpr std::int64_t width = Width;
  std::int64_t step;
};
template <int Height>
struct column_size {
  static constexpr std::int64_t height = Height;
  static constexpr std::int64_t width = 1;
  static constexpr std::int64_t step = 0;
};
template <int Height>
struct known_height {
  static constexpr std::int64_t height = Height;
  std::int64_t width;
  std::int64_t step;
};
struct any_size {
  std::int64_t height;
  std::int64_t width;
  std::int64_t step;
};

/// A row of taps, some columns at a time for all rows of outputs, so that no product waits for the one before it.
template <class With, int Rows, int Vectors, class Lines>
CONVGPU_INLINE void add_columns_of_row(vector<typename With::sum> (&sums)[Rows][Vectors],
                                       const Lines& rows, const typename With::tap* h,
                                       std::int64_t width, std::int64_t step) {
  std::int64_t l = 0;
  const auto rest = [&](std::int64_t r) CONVGPU_INLINE_LAMBDA { return rows(r) + l * step; };
  const auto add = [&]<int Width>(some_columns<Width>) CONVGPU_INLINE_LAMBDA {
    if constexpr (With::in_registers && Width > 1)
      if (step == 1) return add_rows<With, 1, 0, Rows>(sums, rest, h + l, row_size<Width>{});
    add_rows<With, 1, 0, Rows>(sums, rest, h + l, some_columns<Width>{step});
  };
  for (; width - l > 5; l += 4) add(some_columns<4>{});
  switch (width - l) {
    case 1: return add(some_columns<1>{});
    case 2: return add(some_columns<2>{});
    case 3: return add(some_columns<3>{});
    case 4: return add(some_columns<4>{});
    default: return add(some_columns<5>{});
  }
}

/// Patches of `Height` rows; of 0: of so many as they have, which is not less than `Rows`; below: of one to four.
template <class With, int Height, int Rows, int Vectors, class Lines>
CONVGPU_INLINE void add_patch(vector<typename With::sum> (&sums)[Rows][Vectors], const Lines& rows,
                              const taps<typename With::tap>& filter, const patch& p) {
  const typename With::tap* const h = filter.values + p.tap;
  if constexpr (Height < 0) {
    static_assert(highest_mixed == 4);
    switch (p.height) {
      case 1: return add_patch<With, 1>(sums, rows, filter, p);
      case 2: return add_patch<With, 2>(sums, rows, filter, p);
      case 3: return add_patch<With, 3>(sums, rows, filter, p);
      default: return add_patch<With, 4>(sums, rows, filter, p);
    }
  } else if constexpr (Height > 0) {
    // Square ones have no loops left.
    constexpr int end = Height + Rows - 1;
    if constexpr (Height == 1) return add_columns_of_row<With>(sums, rows, h, p.width, filter.step);
    if constexpr (With::in_registers && Height % 2 == 1 && Height > 1) {
      if (p.width == Height && filter.step == 1)
        return add_rows<With, Height, 0, end>(sums, rows, h, square_size<Height>{});
    }
    if (p.width == 1) return add_rows<With, Height, 0, end>(sums, rows, h, column_size<Height>{});
    add_rows<With, Height, 0, end>(sums, rows, h, known_height<Height>{p.width, filter.step});
  } else {
    const any_size size{filter.height, p.width, filter.step};
    add_rows<With, Rows, 0, Rows - 1>(sums, rows, h, size);
    for (std::int64_t r = Rows - 1; r < size.height; ++r)
      add_row<With, 0, Rows - 1>(sums, rows(r), h + r, size);
    const std::int64_t cut = size.height - Rows;  // all between the first taps and the last ones
    add_rows<With, Rows, Rows, 2 * Rows - 1>(
        sums, [&](int r) CONVGPU_INLINE_LAMBDA { return rows(r + cut); }, h + cut, size);
  }
}

// ---- Kernels.

/// Into the second-level cache: processors fetch along rows by themselves, but not from one row to another.
template <int Count, class T>
CONVGPU_INLINE void fetch(const T* from) {
  for (int i = 0; i < Count; i += 64 / static_cast<int>(sizeof(T)))
    __builtin_prefetch(from + i, 0, 2);
}

template <class With, int Rows, int Vectors>
CONVGPU_INLINE void begin_sums(vector<typename With::sum> (&sums)[Rows][Vectors], bool first,
                               const typename With::sum* from, std::ptrdiff_t pitch) {
  for (int i = 0; i < Rows; ++i) {
    if (first)
      for (int v = 0; v < Vectors; ++v) sums[i][v] = vector<typename With::sum>{};
    else With::load_sums(sums[i], from + i * pitch);
  }
}

template <class With, int Height, int Rows, int Vectors>
void compute_strip(const strip<typename With::sample, typename With::tap, typename With::sum>& s) {
  using sample = typename With::sample;
  constexpr int cols = With::template cols<Vectors>;
  // What is left over at the end is computed together with neighbours that are computed once more: to the same
  // bits, for the order of the taps is the same.
  for (std::int64_t at = 0; at < s.cols; at += cols) {
    const std::int64_t j = at + cols > s.cols ? s.cols - cols : at;
    if (s.next != nullptr)
      for (int i = 0; i < Rows; ++i) fetch<cols>(s.next[i] + j);
    vector<typename With::sum> sums[Rows][Vectors];
    begin_sums<With>(sums, s.first, s.out + j, s.pitch);
    for (std::int64_t n = 0; n < s.filter.count; ++n) {
      const patch& p = s.filter.patches[n];
      const sample* const* const first = s.rows + p.row;
      const std::int64_t col = j + p.col;
      add_patch<With, Height>(
          sums, [&](std::int64_t r) CONVGPU_INLINE_LAMBDA { return first[r] + col; }, s.filter, p);
    }
    if (s.stream)
      for (int i = 0; i < Rows; ++i) With::stream_sums(s.out + i * s.pitch + j, sums[i]);
    else
      for (int i = 0; i < Rows; ++i) With::store_sums(s.out + i * s.pitch + j, sums[i]);
  }
  if (s.stream) finish_streams();
}

template <class T, int Height, int Rows, int Vectors>
void compute_line(const strip<T, T, T>& s) {
  using with = alike<T>;
  constexpr int step = with::template cols<Vectors>;
  constexpr int cols = Rows * step;
  for (std::int64_t at = 0; at < s.cols; at += cols) {
    const std::int64_t j = at + cols > s.cols ? s.cols - cols : at;
    vector<T> sums[Rows][Vectors];
    begin_sums<with>(sums, s.first, s.out + j, step);
    for (std::int64_t n = 0; n < s.filter.count; ++n) {
      const patch& p = s.filter.patches[n];
      const T* const x = s.rows[0] + j + p.row * step + p.col;
      add_patch<with, Height>(
          sums, [&](std::int64_t r) CONVGPU_INLINE_LAMBDA { return x + r * step; }, s.filter, p);
    }
    for (int i = 0; i < Rows; ++i) with::store_sums(s.out + j + i * step, sums[i]);
  }
}

/// The loop for patches of this height.
template <class With, int Rows, int Vectors>
void strip_of(const strip<typename With::sample, typename With::tap, typename With::sum>& s) {
  static_assert(Rows <= 8);
  switch (s.filter.height) {
    case 0: return compute_strip<With, -1, Rows, Vectors>(s);
    case 1: return compute_strip<With, 1, Rows, Vectors>(s);
    case 2: return compute_strip<With, 2, Rows, Vectors>(s);
    case 3: return compute_strip<With, 3, Rows, Vectors>(s);
    case 4: return compute_strip<With, 4, Rows, Vectors>(s);
    case 5: return compute_strip<With, 5, Rows, Vectors>(s);
    case 6: return compute_strip<With, 6, Rows, Vectors>(s);
    case 7: return compute_strip<With, 7, Rows, Vectors>(s);
    default: return compute_strip<With, 0, Rows, Vectors>(s);
  }
}

template <class T, int Rows>
void short_line(const strip<T, T, T>& s) {
  return compute_line<T, 1, Rows, 2>(s);
}
template <class T, int Rows>
void long_line(const strip<T, T, T>& s) {
  switch (s.filter.height) {
    case 1: return compute_line<T, 1, Rows, 1>(s);
    case 2: return compute_line<T, 2, Rows, 1>(s);
    case 3: return compute_line<T, 3, Rows, 1>(s);
    case 4: return compute_line<T, 4, Rows, 1>(s);
    case 5: return compute_line<T, 5, Rows, 1>(s);
    case 6: return compute_line<T, 6, Rows, 1>(s);
    case 7: return compute_line<T, 7, Rows, 1>(s);
    default: return compute_line<T, 0, Rows, 1>(s);
  }
}

// ---- The table.

template <class T, int Rows>
constexpr line_kernel<T> short_line_of() {
  constexpr int step = 2 * lanes<T>;
  return {.step = step, .from = 1, .loop = {1, Rows * step, short_line<T, Rows>}};
}
/// With as many sums as products that may be on their way at a time, for processors with two units for them.
template <class T>
constexpr line_kernel<T> long_line_of() {
  constexpr int rows = 8;
  constexpr int step = lanes<T>;
  return {.step = step,
          .from = (CONVGPU_SIMD_BYTES == 64 ? 4 : 3) * step,
          .loop = {1, rows * step, long_line<T, rows>}};
}

template <int Rows>
constexpr pairs_kernel pairs_of() {
  return {Rows, pairs::cols<2>, strip_of<pairs, Rows, 2>};
}

constexpr kernels these(const char* name) {
  constexpr int rows = CONVGPU_SIMD_ROWS;
  constexpr int vectors = CONVGPU_SIMD_COLS;
  return {
      .name = name,
      .f32 = {rows, alike<float>::cols<vectors>, strip_of<alike<float>, rows, vectors>},
      .f64 = {rows, alike<double>::cols<vectors>, strip_of<alike<double>, rows, vectors>},
      .i32 = {rows, alike<std::int32_t>::cols<vectors>,
              strip_of<alike<std::int32_t>, rows, vectors>},
      .i64 = {rows, wide::cols<vectors>, strip_of<wide, rows, vectors>},
      .i16 = pairs_of<rows>(),
      .f32_short_line = short_line_of<float, rows>(),
      .f32_long_line = long_line_of<float>(),
      .f64_short_line = short_line_of<double, rows>(),
      .f64_long_line = long_line_of<double>(),
      .f32_folded = folded_of<float>(),
      .f64_folded = folded_of<double>(),
      .i32_folded = folded_of<std::int32_t>(),
      .f32_box = box_of<float>(),
      .f64_box = box_of<double>(),
      .i32_box = box_of<std::int32_t>(),
      .f32_fft = fft_of<float>(),
      .f64_fft = fft_of<double>(),
      .f32_gemm = gemm_of<alike<float>>(),
      .f64_gemm = gemm_of<alike<double>>(),
      .i32_gemm = gemm_of<alike<std::int32_t>>(),
      .i64_gemm = gemm_of<wide>(),
      .f32_depthwise = depthwise_of<alike<float>>(),
      .f64_depthwise = depthwise_of<alike<double>>(),
      .i32_depthwise = depthwise_of<alike<std::int32_t>>(),
      .i64_depthwise = depthwise_of<wide>(),
      .f32_winograd2 = winograd_of<float, 2>(),
      .f32_winograd4 = winograd_of<float, 4>(),
      .f64_winograd2 = winograd_of<double, 2>(),
      .f64_winograd4 = winograd_of<double, 4>(),
      .widen_u8 = widen<std::uint8_t, 0>,
      .widen_i8 = widen<std::int8_t, 0>,
      .widen_u16 = widen<std::uint16_t, 32768>,
      .float_u8 = to_float<std::uint8_t>,
      .float_i8 = to_float<std::int8_t>,
      .float_f16 = float_of_half,
      .f16_float = half_of_float,
      .saturate_u8 = saturate<std::uint8_t, 0, 255>,
      .saturate_i8 = saturate<std::int8_t, -128, 127>,
      .saturate_u16 = saturate<std::uint16_t, 0, 65535>,
      .saturate_i16 = saturate<std::int16_t, -32768, 32767>,
      .u8_f64 = round_f64<std::uint8_t, 0, 255>,
      .i8_f64 = round_f64<std::int8_t, -128, 127>,
      .u16_f64 = round_f64<std::uint16_t, 0, 65535>,
      .i16_f64 = round_f64<std::int16_t, -32768, 32767>,
      .i32_f64 = round_f64<std::int32_t, -2147483648, 2147483647>,
      .round_u8 = round<std::uint8_t, 0, 255>,
      .round_i8 = round<std::int8_t, -128, 127>,
      .round_i32 = round<std::int32_t, -(1 << 22), 1 << 22>,
  };
}

}  // namespace
}  // namespace convgpu::cpu::simd
