// SPDX-License-Identifier: Apache-2.0
// Which blocks cuda/fft takes: for its kernels, and for the choice among algorithms.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "transform.hpp"

namespace convgpu::cuda {

struct fft_blocks {
  extent samples;         ///< of a block; powers of two
  std::int64_t rows = 1;  ///< outputs that it makes
  std::int64_t cols = 1;
  std::int64_t count = 1;
  std::int64_t at_once = 1;  ///< in one call of cuFFT
  double bytes = 0;          ///< to and from device memory, of all
  double shared_bytes = 0;   ///< of these for whatever number of filters
  double error = 0;          ///< at most, as a fraction of ‖h‖₁·max|x|

  [[nodiscard]] std::int64_t points() const noexcept { return samples.count(); }
};

/// The cheapest size of blocks whose error is allowed; none where no size will do. With filters that see one channel
/// each, blocks of one channel that will do for all of them.
[[nodiscard]] std::optional<fft_blocks> fft_blocks_for(const detail::request& r);

/// Whether filters that see one channel each can have its bins in common.
[[nodiscard]] bool fft_shares_bins(const detail::request& r);

/// Bins of a block: of real samples the half that tells all.
[[nodiscard]] inline std::int64_t bins_of(extent samples, bool complex) {
  return samples.rows * (complex ? samples.cols : samples.cols / 2 + 1);
}

/// Where things lie in a workspace for so many blocks, and what cuFFT works in.
struct fft_layout {
  std::size_t bins_at = 0;  // samples are first; of complex ones these are the bins as well
  std::size_t products_at =
      0;  // of bins with those of a filter, in the place of these where there is one filter
  std::size_t found_at = 0;  // what lies in each part of a block
  std::size_t work_at = 0;
  std::size_t bytes = 0;
};
[[nodiscard]] fft_layout fft_layout_for(const fft_blocks& b, bool wide, bool complex,
                                        std::size_t work_bytes, bool of_several);

/// Samples of a block that the threads of one look at: as many as make 256 parts, or less.
[[nodiscard]] inline std::int64_t fft_part(std::int64_t samples) {
  return samples > std::int64_t{256} * 4096 ? samples / 256 : 4096;
}
[[nodiscard]] inline std::int64_t fft_parts(std::int64_t samples) {
  return (samples + fft_part(samples) - 1) / fft_part(samples);
}

/// The filter's bins, with 1/samples in them, and which of its taps are not zero.
template <class T>
struct fft_tables {
  std::vector<complex_number<T>> bins;
  std::vector<std::uint8_t> taps;
  int filter_exponent = 0;  ///< taps have been divided by this power of two
};
template <class T>
[[nodiscard]] fft_tables<T> fft_tables_of(const detail::request& r, const fft_blocks& blocks);

}  // namespace convgpu::cuda
