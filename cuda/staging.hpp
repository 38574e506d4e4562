// SPDX-License-Identifier: Apache-2.0
// The way of host data to the kernels and back. Device memory holds input and output whole and dense. Both
// cross the bus in chunks, in the order of a dense array: while one is copied up, the kernels work on what
// is there, and what they have made is copied down.
#pragma once

#include <convgpu/detail/normal_form.hpp>
#include <convgpu/view.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "algorithms.hpp"
#include "memory.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {

/// A part of the output that lies in one piece in a dense array: some planes, or rows of one plane, or
/// columns of one row; where there are channels, some planes, or a piece of one.
struct band {
  detail::range planes;
  detail::range rows;
  detail::range cols;
  std::int64_t at = 0;     // elements before it
  std::int64_t count = 0;  // elements
  std::int64_t needs = 0;  // of the input, so many elements from the first on
  detail::range
      made_rows;  // what is computed for it: whole blocks, with other bands' parts of them
  detail::range made_cols{};

  /// Whether it is there when the other one is.
  [[nodiscard]] bool is_made_with(const band& other) const noexcept {
    return planes == other.planes && made_rows == other.made_rows && made_cols == other.made_cols;
  }
};

/// The output in bands of at most `most` elements, those first that need the least. No band shares blocks of outputs
/// with another one, unless it is within blocks that they have in common, and follows it. Where there are channels,
/// planes are computed whole.
[[nodiscard]] std::vector<band> cut_into_bands(const detail::normal_form& form, std::int64_t most,
                                               extent block = {1, 1});

/// Elements first … first+count−1 of the view, counted as if it were dense, to dense memory and from there.
void pack(std::byte* to, const any_const_view& from, std::int64_t first, std::int64_t count);
void unpack(const any_view& to, const std::byte* from, std::int64_t first, std::int64_t count);

/// The caller's data, and whether all of it is page-locked already.
struct host_data {
  any_const_view in;
  any_view out;
  bool in_is_pinned;
  bool out_is_pinned;
};

/// Memory, streams and events for runs on host data, a set for each run that there ever was at once. Their
/// owner has the device current, here and at the end.
class staging {
 public:
  /// For an algorithm that makes outputs in such blocks.
  staging(const detail::normal_form& form, std::size_t workspace_bytes, staging_limits limits,
          extent block = {1, 1});
  ~staging();

  /// Computes, after what the stream has to do already; done on return. Of `p`, data and ranges are put in
  /// here. Without workspace there is some.
  void run(const kernels& algorithm, const image_params& p, const host_data& data, void* workspace,
           cudaStream_t on);

 private:
  struct set;
  class loan;
  class pipeline;

  void cut();

  detail::normal_form form_;
  std::int64_t in_count_;  // elements
  std::int64_t out_count_;
  std::size_t in_width_;  // bytes of each
  std::size_t out_width_;
  std::size_t workspace_bytes_;
  staging_limits limits_;
  extent block_;
  std::int64_t chunk_ = 0;  // elements of the input that are copied at once
  std::int64_t band_ = 0;   // and of the output, at most
  bool streams_;            // whether there is anything to overlap
  std::mutex mutex_;
  std::vector<band> bands_;  // of the output, in the order in which they are computed
  std::vector<std::unique_ptr<set>> sets_;
};

}  // namespace convgpu::cuda
