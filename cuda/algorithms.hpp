// SPDX-License-Identifier: Apache-2.0
// The algorithms of the CUDA backend: each is the kernels of a file of its own name, and a row in backend.cpp.
#pragma once

#include <convgpu/detail/backend.hpp>

#include "params.hpp"
#include "tuning.hpp"

struct CUstream_st;

namespace convgpu::cuda {

/// What an algorithm makes of a request: the filter where its kernels want it, and their launches. Made,
/// used and destroyed with its device current. Immutable; launched any number of times at once.
class kernels {
 public:
  kernels() = default;
  kernels(const kernels&) = delete;
  kernels& operator=(const kernels&) = delete;
  virtual ~kernels() = default;

  [[nodiscard]] virtual std::string parameters() const = 0;
  [[nodiscard]] virtual bool exact_on_integers() const noexcept = 0;
  /// Device memory that a launch needs for the whole output; for a part of it this is enough.
  [[nodiscard]] virtual std::size_t workspace_bytes() const noexcept { return 0; }
  /// Outputs are made in blocks of so many, wherever a launch begins: it computes all blocks that it wants a part of,
  /// and looks at what any of their outputs sees.
  [[nodiscard]] virtual extent block() const noexcept { return {1, 1}; }
  /// Queues the computation of `p.rows` × `p.cols` of the output. Neither allocates nor synchronises.
  virtual void launch(const image_params& p, void* workspace, CUstream_st* on) const = 0;
};

[[nodiscard]] std::unique_ptr<const kernels> direct_kernels(const detail::request& r);
[[nodiscard]] std::unique_ptr<const kernels> mma_kernels(const detail::request& r);
[[nodiscard]] std::unique_ptr<const kernels> compiled_kernels(const detail::request& r);
[[nodiscard]] std::unique_ptr<const kernels> separable_kernels(const detail::request& r);
[[nodiscard]] std::unique_ptr<const kernels> overlap_save_kernels(const detail::request& r);
[[nodiscard]] std::unique_ptr<const kernels> fft_kernels(const detail::request& r);
[[nodiscard]] std::unique_ptr<const kernels> gemm_kernels(const detail::request& r);
[[nodiscard]] std::unique_ptr<const kernels> plain_kernels(const detail::request& r);

/// What a device must have for the kernels to run on it, as 10·major + minor: 75, 90 …
[[nodiscard]] int lowest_compute_capability();

/// Parts of these: filters of one row, and of one column over sums that a row has made, of the request's types
/// (sums of 128 bits excepted).
[[nodiscard]] std::unique_ptr<const kernels> direct_row_kernels(const detail::request& r,
                                                                const detail::tap_values& taps);
[[nodiscard]] std::unique_ptr<const kernels> direct_column_kernels(const detail::request& r,
                                                                   const detail::tap_values& taps);

/// Filters of one row, of which each may see a channel of its own.
[[nodiscard]] std::unique_ptr<const kernels> direct_line_kernels(const detail::request& r);
/// Which problems they are for.
[[nodiscard]] inline bool is_of_lines(const detail::normal_form& form) {
  return form.row.taps == 1 && (form.has_channels() || (form.row.out == 1 && form.planes > 1 &&
                                                        form.col.out <= line_tile_to));
}

/// cuda/separable for filters that are sums of columns times rows.
[[nodiscard]] std::unique_ptr<const kernels> terms_kernels(const detail::request& r);
[[nodiscard]] std::string refuse_terms(const detail::request& r);

/// Why it cannot; empty where it can.
[[nodiscard]] std::string refuse_direct(const detail::request& r);
[[nodiscard]] std::string refuse_mma(const detail::request& r);
[[nodiscard]] std::string refuse_compiled(const detail::request& r);
[[nodiscard]] std::string refuse_separable(const detail::request& r);
[[nodiscard]] std::string refuse_overlap_save(const detail::request& r);
[[nodiscard]] std::string refuse_fft(const detail::request& r);
[[nodiscard]] std::string refuse_gemm(const detail::request& r);

/// The way of the data to such kernels and back.
[[nodiscard]] std::unique_ptr<const detail::runnable> make_runnable(
    const detail::request& r, std::unique_ptr<const kernels> (*make)(const detail::request&));
/// With other chunks of host data.
[[nodiscard]] std::unique_ptr<const detail::runnable> make_runnable(
    const detail::request& r, std::unique_ptr<const kernels> (*make)(const detail::request&),
    staging_limits limits);

}  // namespace convgpu::cuda
