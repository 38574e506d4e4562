// SPDX-License-Identifier: Apache-2.0
// The inner loops of the CPU backend, made for each of several instruction sets, and the choice among them when
// the library runs.
//
// Compiler vectors in a unit for each instruction set, rather than Highway: Debian's Highway (1.0.3) has no SSE2,
// no dot products of VNNI, and would be a library that every user has to have at run time. All of it is additions
// and multiplications of whole vectors, which both compilers express.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convgpu::cpu::simd {

/// A line of the cache, and the longest vector.
constexpr std::size_t alignment = 64;

/// A rectangle of taps of a filter, none of which is zero.
struct patch {
  std::int64_t row;  ///< of its first taps
  std::int64_t col;  ///< how far to the right of an output the samples of its first column lie
  std::int64_t height;
  std::int64_t width;
  std::int64_t tap;  ///< index of its first tap; column follows column
};

/// Rows of patches that may go together though they have different heights: with so many, a patch has as many
/// products as lines of the cache to load.
constexpr std::size_t highest_mixed = 4;
/// Rows of a patch that there are loops of their own for.
constexpr std::size_t highest_known = 7;

/// Patches of one height; or of several, up to `highest_mixed`, and `height` is 0.
template <class Tap>
struct taps {
  const patch* patches;
  std::int64_t count;
  std::int64_t height;
  std::int64_t step;  ///< samples from one column of a patch to the next
  const Tap* values;
};

/// Some rows of outputs, as many as `kernels` says:
///
///     out[i·pitch + j] (+)= Σ over patches, k < height, l < width:
///                           values[tap + l·height + k] · rows[row + i + k][col + l·step + j·stride]
///
/// Sums are made in the order of patches, k, l, whatever the columns are cut into.
template <class Sample, class Tap, class Sum>
struct strip {
  const Sample* const* rows;
  Sum* out;
  std::ptrdiff_t pitch;
  std::int64_t cols;  ///< at least `kernel::cols`, and a multiple of them unless `first`
  std::int64_t stride;
  taps<Tap> filter;
  bool first;  ///< sums begin here; otherwise they go on from what is in `out`
  /// Past the caches: `out` will not be read soon. Its rows then begin with lines of the cache, and `cols` is a
  /// multiple of `kernel::cols`.
  bool stream;
  /// As many rows as are computed, which will be read next, to be fetched meanwhile; or null.
  const Sample* const* next;
};

/// A loop, and how many outputs it makes at once.
template <class Sample, class Tap, class Sum>
struct kernel {
  int rows;
  int cols;
  void (*compute)(const strip<Sample, Tap, Sum>&);
};

/// One for filters of one row, a row of outputs at a time. The samples of a row of a patch lie `step` of them
/// farther on than those of the row before: taps of a long filter arranged in rows of that length share loads like
/// those of a filter that has rows.
///
///     out[j] (+)= Σ over patches, k < height, l < width:
///                 values[tap + l·height + k] · rows[0][(row + k)·step + col + l·taps::step + j]
template <class T>
struct line_kernel {
  int step;
  int from;  ///< samples that a filter has to reach over for this one to be the faster one
  kernel<T, T, T> loop;
};

/// Two neighbouring taps of 16 bits, the first one in the lower half: each product of such a pair with two
/// samples adds up two products of the filter.
using tap_pair = std::int32_t;

/// Taps that read the same from either end, none of them zero: two samples are added up before they are multiplied.
/// Where additions have execution units of their own, that halves the time.
template <class T>
struct symmetric_taps {
  std::int64_t count;  ///< of all taps, at least 2
  const T*
      values;  ///< from the middle to an end: the middle one, if there is one, and one of each pair
};

/// A strip of as many rows as `folded` says:
///
///     down    out[i·pitch + j] = Σ over k < count: tap[k] · rows[i + k][j]
///     along   out[i·pitch + j] (+)= Σ over k < count: tap[k] · rows[i][j + k]
template <class T>
struct symmetric_strip {
  const T* const* rows;
  T* out;
  std::ptrdiff_t pitch;
  std::int64_t cols;
  symmetric_taps<T> filter;
  bool stream;  ///< as in `strip`; for `along` alone
  bool added;   ///< to what is in `out`; for `along` alone, in whole blocks and not with `stream`
  const T* const* next;  ///< as in `strip`; for `down` alone
};

/// Loops for taps that read the same from either end, without gaps: for any such, or for boxes of at least
/// `shortest_box` equal taps.
template <class T>
struct symmetric_loops {
  int rows;  ///< that `down` makes at once
  int cols;  ///< that either needs at least
  void (*down)(const symmetric_strip<T>&);
  /// Exchanges rows and columns of blocks of samples in registers, so that none is read across lines of the cache:
  /// makes `along_rows`, and reads up to `cols` samples beyond the last that is needed. `memory` has room for
  /// `along_memory` and another `along_rows` for each tap, aligned to a line of the cache.
  int along_rows;
  int along_memory;
  void (*along)(const symmetric_strip<T>&, T* memory);
  /// The order of a sum depends on where in a strip, and in a block of `cols` along rows, it is made: for results that
  /// do not depend on how an output is cut, strips and columns have to begin with multiples of these, and `along`
  /// gets whole blocks.
  bool in_blocks;
};
/// Fewer equal taps are folded as fast, or faster.
constexpr std::size_t shortest_box = 8;

/// Passes of the transform of cpu/fft.hpp, over vectors of `lanes` real parts and as many imaginary parts in turn. A
/// pass of radix 4 has three twiddles for each node, one of radix 2 one, real and imaginary part; data and tables of
/// whole vectors are aligned to lines of the cache where those of other programs are read or written in any place.
template <class T>
struct fft {
  int lanes;
  /// The first pass and the last one: `vectors` from each of four quarters, `quarter` numbers apart in `z`, of which
  /// real (0 to 3) and imaginary parts (4 to 7) lie apart outside. Twiddles have been multiplied by `scale`.
  void (*first)(const T* const* from, T* z, std::ptrdiff_t quarter, std::int64_t vectors,
                const T* twiddles, T scale);
  void (*last)(const T* z, std::ptrdiff_t quarter, T* const* to, std::int64_t vectors,
               const T* twiddles, T scale);
  /// `nodes` nodes of `vectors` vectors, one after the other.
  using pass = void (*)(T* z, std::int64_t nodes, std::int64_t vectors, const T* twiddles);
  pass forward4;
  pass forward2;
  pass inverse4;
  pass inverse2;
  /// Tiles of `lanes` vectors: the last pass of whole vectors, of radix 4; those within vectors, with twiddles for
  /// each lane; the product with the spectrum; and back.
  void (*middle)(T* z, std::int64_t tiles, const T* twiddles, const T* leaf_twiddles,
                 const T* spectrum);
  /// Its two halves: up to the spectrum of the samples, and from such a one, which is kept, to `z`.
  void (*middle_there)(T* z, std::int64_t tiles, const T* twiddles, const T* leaf_twiddles);
  void (*middle_back)(const T* kept, T* z, std::int64_t tiles, const T* twiddles,
                      const T* leaf_twiddles, const T* spectrum);
  /// Of the largest number; infinite where one is not finite.
  T (*magnitude)(const T* from, std::int64_t count);
};

/// A tile of a product of matrices:
///
///     sums[i·pitch + j] (+)= Σ over k < depth: taps[k·rows + i] · samples[k·gemm::cols + j]
template <class T>
struct gemm_tile {
  const T* taps;
  const T* samples;
  T* sums;  ///< whole vectors of them are written
  std::ptrdiff_t pitch;
  std::int64_t depth;
  int rows;    ///< 2, 4 … gemm::rows
  int cols;    ///< up to gemm::cols
  bool first;  ///< sums begin here; otherwise they go on from what is there
};

/// What a panel of samples is put together from: for each tap l, pieces of rows one after the other
///
///     to[l·gemm::cols + at + j] = from[offset + shifts[l] + j],   j < cols
///
/// Up to `gemm::beyond` numbers more are read behind a piece, and written behind the last one of all.
template <class T>
struct gemm_pieces {
  struct piece {
    const T* from;
    std::int32_t at;
    std::int32_t cols;
  };
  const piece* pieces;
  std::int64_t count;
  std::int64_t offset;
  const std::int64_t* shifts;
  std::int64_t taps;
  T* to;
};

/// Loops for products of matrices in panels.
template <class T>
struct gemm {
  int rows;  ///< of a panel of taps at most: a multiple of 2
  int cols;  ///< of a panel of samples
  int beyond;
  void (*multiply)(const gemm_tile<T>&);
  void (*pack)(const gemm_pieces<T>&);
};

/// Where F(4 x 4, 3 x 3) evaluates polynomials: at 0, ± this, ± its inverse, and at infinity.
inline constexpr double winograd_point = 1.5;

/// Pieces of rows of m x m tiles of outputs, one after the other.
struct winograd_pieces {
  struct piece {
    std::int64_t from;  ///< the first sample that its first tile sees
    std::int64_t to;    ///< the first output
    std::int32_t at;    ///< place of its first tile among all
    std::int32_t cols;
  };
  const piece* pieces;
  std::int64_t count;
  std::ptrdiff_t pitch;  ///< from a row of samples, or of outputs, to the next
};

/// Loops of F(m x m, 3 x 3), which turn (m+2) x (m+2) numbers of a tile into as many others. Number n of tile t lies at
/// [n·step + t].
template <class T>
struct winograd {
  int beyond;  ///< so many tiles are read and written behind a piece
  void (*forward)(const winograd_pieces&, const T* samples, T* to, std::ptrdiff_t step);
  /// Outputs times `scale`.
  void (*inverse)(const winograd_pieces&, const T* sums, std::ptrdiff_t step, T scale, T* outputs);
};

/// Rows of outputs of a filter that sees one channel:
///
///     out[i·out_pitch + j] = Σ over t < count: values[t] · from[i·pitch + shifts[t] + j],   j < cols
///
/// Of less than a vector of them a whole one is read and written, otherwise nothing behind a row.
template <class T>
struct taps_along {
  /// Taps follow one another in rows of so many, whose shifts are those of the row before less the pitch; 0 where they
  /// lie otherwise.
  std::int64_t taps_of_row;
  const T* from;
  std::ptrdiff_t pitch;
  const std::int64_t* shifts;
  const T* values;
  std::int64_t count;
  T* out;
  std::ptrdiff_t out_pitch;
  std::int64_t rows;
  std::int64_t cols;
};

/// Pixels of whose channels each has a filter of its own, in whole vectors of them:
///
///     out[j·width + c] = Σ over t < count: values[t·width + c] · from[j·step + shifts[t] + c],   j < cols, c < channels
template <class T>
struct taps_across {
  /// Taps follow one another in rows of so many, of which each has the shift of the one before less the step; 0 where
  /// they lie otherwise.
  std::int64_t taps_of_row;
  const T* from;
  std::ptrdiff_t step;
  const std::int64_t* shifts;
  const T* values;
  std::int64_t count;
  std::int64_t width;
  std::int64_t channels;
  T* out;
  std::int64_t cols;
};

/// Filters of floating-point numbers of so many taps that these stay in registers: along rows, and, with rows of so many
/// and without gaps, across channels.
constexpr bool stay_in_registers(std::int64_t taps) {
  return taps == 3 || taps == 9;
}
constexpr std::int64_t row_in_registers = 3;

/// Loops for filters that see one channel each. Both add products in the order of taps.
template <class T>
struct depthwise {
  int lanes;
  void (*along)(const taps_along<T>&);
  void (*across)(const taps_across<T>&);
};

/// Integers of 8 and 16 bits.
using pairs_kernel = kernel<std::int16_t, tap_pair, std::int32_t>;

/// What an instruction set has.
struct kernels {
  const char* name;
  kernel<float, float, float> f32;
  kernel<double, double, double> f64;
  kernel<std::int32_t, std::int32_t, std::int32_t> i32;
  /// Samples and taps within 32 bits.
  kernel<std::int64_t, std::int64_t, std::int64_t> i64;
  /// Patches have pairs of columns; samples are read up to two beyond the last that is needed.
  pairs_kernel i16;
  /// For any patches of one row, and for any patches.
  line_kernel<float> f32_short_line;
  line_kernel<float> f32_long_line;
  line_kernel<double> f64_short_line;
  line_kernel<double> f64_long_line;
  symmetric_loops<float> f32_folded;
  symmetric_loops<double> f64_folded;
  symmetric_loops<std::int32_t> i32_folded;
  symmetric_loops<float> f32_box;
  symmetric_loops<double> f64_box;
  symmetric_loops<std::int32_t> i32_box;
  fft<float> f32_fft;
  fft<double> f64_fft;
  gemm<float> f32_gemm;
  gemm<double> f64_gemm;
  gemm<std::int32_t> i32_gemm;
  gemm<std::int64_t> i64_gemm;  ///< of samples and taps within 32 bits
  depthwise<float> f32_depthwise;
  depthwise<double> f64_depthwise;
  depthwise<std::int32_t> i32_depthwise;
  depthwise<std::int64_t> i64_depthwise;  ///< as i64_gemm
  winograd<float> f32_winograd2;
  winograd<float> f32_winograd4;
  winograd<double> f64_winograd2;
  winograd<double> f64_winograd4;

  /// Samples to 16 bits, those of `u16` less 2^15; and to floats.
  void (*widen_u8)(const std::uint8_t*, std::int16_t*, std::int64_t);
  void (*widen_i8)(const std::int8_t*, std::int16_t*, std::int64_t);
  void (*widen_u16)(const std::uint16_t*, std::int16_t*, std::int64_t);
  void (*float_u8)(const std::uint8_t*, float*, std::int64_t);
  void (*float_i8)(const std::int8_t*, float*, std::int64_t);
  /// Floats of 16 bits, by their bits; null where there are no instructions for it.
  void (*float_f16)(const std::uint16_t*, float*, std::int64_t);
  void (*f16_float)(const float*, std::uint16_t*, std::int64_t);
  /// Sums to the nearest value there is.
  void (*saturate_u8)(const std::int32_t*, std::uint8_t*, std::int64_t);
  void (*saturate_i8)(const std::int32_t*, std::int8_t*, std::int64_t);
  void (*saturate_u16)(const std::int32_t*, std::uint16_t*, std::int64_t);
  void (*saturate_i16)(const std::int32_t*, std::int16_t*, std::int64_t);
  /// Sums rounded half to even, to the nearest value there is; 0 of what is not a number.
  void (*u8_f64)(const double*, std::uint8_t*, std::int64_t);
  void (*i8_f64)(const double*, std::int8_t*, std::int64_t);
  void (*u16_f64)(const double*, std::uint16_t*, std::int64_t);
  void (*i16_f64)(const double*, std::int16_t*, std::int64_t);
  void (*i32_f64)(const double*, std::int32_t*, std::int64_t);

  /// Sums times `scale`, rounded half to even, to the nearest value there is. Sets a byte where such a product is
  /// within `doubt` of half way between two values, else clears it. Only for products below 2^22.
  void (*round_u8)(const float*, float scale, std::uint8_t*, std::uint8_t* doubtful, float doubt,
                   std::int64_t);
  void (*round_i8)(const float*, float scale, std::int8_t*, std::uint8_t* doubtful, float doubt,
                   std::int64_t);
  void (*round_i32)(const float*, float scale, std::int32_t*, std::uint8_t* doubtful, float doubt,
                    std::int64_t);
};

/// The best there is for this processor, or what the environment variable CONVGPU_SIMD names.
/// \throws backend_unavailable  CONVGPU_SIMD names none that this processor has
[[nodiscard]] const kernels& best();

}  // namespace convgpu::cpu::simd
