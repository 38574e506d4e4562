// SPDX-License-Identifier: Apache-2.0
// A Fourier transform made for convolution: there, product, and back, in one go over a block of samples.
//
// Polynomials instead of frequencies: complex points z[0 … n) are the polynomial Σ z[j]·x^j modulo x^n − i, and
// passes reduce it modulo factors of that until they are x − root, where products are those of numbers. With x^n = i,
// 2n real samples a[0 … 2n) go in as z[j] = a[j] + i·a[n+j], and their products with real taps come out in the same
// way: x^2n is −1, so that what runs over the end of the 2n samples comes back at their begin, negated, where
// overlap-save does not look. Half a transform of real numbers without a pass more for it, and no sorting: the
// spectrum of the filter is kept in whatever order the passes leave.
//
// A block of rows is one polynomial in y and x, modulo y^rows − i and x^cols − i; of real rows, the lower half is the
// imaginary part. Passes over rows are then those over a long row, and twiddles start anew with each row.
//
// Radix 4, with twiddles of a node and not of a point (see simd_fft.hpp): what reaches beyond the first-level cache is
// taken apart first, and small pieces go all the way, product included, before the next one is begun.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "simd.hpp"

namespace convgpu::cpu {

/// What tables and spectra are computed in.
template <class T>
using wider_than = std::conditional_t<std::is_same_v<T, float>, double, long double>;

/// Memory that begins at a line of the cache.
template <class T>
class aligned_array {
 public:
  aligned_array() = default;
  explicit aligned_array(std::size_t count)
      : memory_(count + simd::alignment / sizeof(T)), offset_(place(memory_.data())) {}
  aligned_array(const aligned_array&) = delete;
  aligned_array& operator=(const aligned_array&) = delete;
  aligned_array(aligned_array&&) = default;
  aligned_array& operator=(aligned_array&&) = default;
  ~aligned_array() = default;

  [[nodiscard]] T* data() noexcept { return memory_.data() + offset_; }
  [[nodiscard]] const T* data() const noexcept { return memory_.data() + offset_; }

 private:
  static std::size_t place(const T* memory) noexcept {
    const std::size_t beyond = reinterpret_cast<std::uintptr_t>(memory) % simd::alignment;
    return beyond == 0 ? 0 : (simd::alignment - beyond) / sizeof(T);
  }
  std::vector<T> memory_;
  std::size_t offset_ = 0;
};

/// Complex points of a block; powers of two.
struct fft_size {
  std::int64_t rows = 1;
  std::int64_t cols = 1;

  [[nodiscard]] constexpr std::int64_t points() const noexcept { return rows * cols; }
  friend constexpr bool operator==(const fft_size&, const fft_size&) noexcept = default;
};

/// Whether there is a transform of this size for vectors of so many lanes: one row of 16 vectors or more, or at least
/// 4 rows of 4 vectors, and as many vectors as lanes.
[[nodiscard]] bool is_fft_size(fft_size size, int lanes) noexcept;

/// Calls f(radix, points of a node) for each pass, first to last.
template <class F>
void for_each_pass(fft_size size, int lanes, const F& f) {
  std::int64_t points = size.points();
  const auto take = [&](int radix) {
    f(radix, points);
    points /= radix;
  };
  while (points > size.cols) take(points / size.cols == 2 ? 2 : 4);
  while (points > lanes) take(points == std::int64_t{8} * lanes ? 2 : 4);
  if (lanes > 4) take(lanes / 4);  // within vectors
  take(4);
}

/// The tables for blocks of one size.
template <class T>
class fft {
 public:
  fft(const simd::fft<T>& passes, fft_size size);

  [[nodiscard]] fft_size size() const noexcept { return size_; }
  /// Numbers of type T that a block takes.
  [[nodiscard]] std::int64_t numbers() const noexcept { return 2 * size_.points(); }

  /// Of a filter, given as complex points row after row; 1/points is in it.
  [[nodiscard]] aligned_array<T> spectrum_of(std::vector<std::complex<wider_than<T>>> points) const;

  /// The first pass over vectors of four quarters of the block, `at` vectors from their beginnings; see simd::fft.
  void load(const T* const* from, T* z, std::int64_t at, std::int64_t vectors, T scale) const;
  /// What is left of the way there, the product, and the way back but for its last pass.
  void multiply(T* z, const T* spectrum) const;
  /// The same in two parts, for several products: what is left of the way there, and from what that has made of `z`,
  /// which stays as it is, the product and the way back.
  void transform(T* z) const;
  void multiply(const T* transformed, T* z, const T* spectrum) const;
  /// The last pass.
  void store(const T* z, T* const* to, std::int64_t at, std::int64_t vectors, T scale) const;

 private:
  struct level {
    int radix = 4;
    std::int64_t vectors = 0;  // of a node
    std::int64_t period = 0;   // nodes after which twiddles repeat
    std::vector<T> twiddles;
  };
  /// One for scalars: points of a node, and where its root lies, in turns.
  struct scalar_level {
    int radix = 4;
    std::int64_t points = 0;
    std::vector<double> roots;
  };

  [[nodiscard]] std::int64_t tile_numbers() const noexcept {
    return std::int64_t{2} * passes_.lanes * passes_.lanes;
  }
  /// Of leaf twiddles for a tile.
  [[nodiscard]] std::int64_t leaf_numbers() const noexcept {
    const std::int64_t groups = passes_.lanes / 4;
    return 2 * passes_.lanes * (groups - 1 + 3 * groups);
  }
  void add_level(int radix, std::int64_t points);
  void make_leaf_twiddles();
  /// What points do: go there unless they come from others that are `kept`, and back if there is a `spectrum`.
  struct trip {
    T* z;
    const T* kept;
    const T* spectrum;

    [[nodiscard]] trip from(std::int64_t n) const noexcept {
      return {z + n, kept == nullptr ? nullptr : kept + n,
              spectrum == nullptr ? nullptr : spectrum + n};
    }
  };
  void go(const trip& t) const;
  void descend(const trip& t, std::size_t depth, std::int64_t node) const;
  void piece(const trip& t, std::size_t depth, std::int64_t node, std::int64_t nodes) const;
  void pass(T* z, std::size_t depth, std::int64_t node, std::int64_t nodes, bool forward) const;

  simd::fft<T> passes_;
  fft_size size_;
  std::vector<scalar_level> all_;
  std::vector<level> levels_;  // of whole vectors
  std::int64_t period_ = 1;    // tiles after which leaf twiddles repeat
  aligned_array<T> leaf_twiddles_;
};

extern template class fft<float>;
extern template class fft<double>;

}  // namespace convgpu::cpu
