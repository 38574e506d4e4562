// SPDX-License-Identifier: Apache-2.0
// How an output is cut for caches and threads: bands of rows by pieces of columns, which threads take one after the
// other.
#pragma once

#include <algorithm>
#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lanes.hpp"
#include "rows.hpp"

namespace convgpu::cpu {

struct tile {
  std::int64_t plane;
  detail::range rows;
  detail::range cols;
  detail::range
      inner;  ///< of these columns, without those whose windows reach over an end of a row
};

/// What the cut depends on.
struct tile_wishes {
  /// Columns of a piece at most, and columns at either end of rows whose windows reach over it.
  std::int64_t cols = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;
  /// Outputs that are computed together, and rows and columns are cut in multiples of where there are more.
  std::int64_t rows_at_once = 1;
  std::int64_t cols_at_once = 1;
  std::int64_t row_reach = 1;
  double products = 0;  ///< of all there is to do
};

class tiles {
 public:
  tiles(const detail::request& r, const tile_wishes& wish)
      : executor_(r.how.executor), max_workspace_(r.how.max_workspace) {
    planes_ = r.form.planes;
    rows_ = r.form.row.out;
    cut_columns(r.form.col.out, wish);
    cut_rows(r, wish);
  }

  /// Workspace is for so many lanes of this size; there are fewer where it would grow out of hand, or beyond the
  /// caller's cap. One there is always.
  void give_lanes(std::size_t bytes) {
    lane_bytes_ = aligned(bytes);
    const std::size_t each = std::max<std::size_t>(lane_bytes_, 1);
    const std::size_t capped = max_workspace_ - std::min(max_workspace_, alignment - 1);
    const auto most = static_cast<std::int64_t>(std::min(most_workspace / each + 1, capped / each));
    lanes_ = std::clamp<std::int64_t>(lanes_, 1, std::max<std::int64_t>(most, 1));
    if (lanes_ > 1 && !executor_) start_workers();  // now, so that no run has to
  }

  [[nodiscard]] std::size_t workspace_bytes() const noexcept {
    return lane_bytes_ * static_cast<std::size_t>(lanes_) + alignment - 1;
  }
  /// Of the widest piece, without the ends.
  [[nodiscard]] std::int64_t most_cols() const noexcept { return std::min(piece_, cols_); }
  /// Of the wider end.
  [[nodiscard]] std::int64_t most_end_cols() const noexcept { return std::max(left_, right_); }
  [[nodiscard]] std::string words() const {
    return "tiles of " + std::to_string(band_) + " x " + std::to_string(most_cols()) + ", " +
           std::to_string(lanes_) + (lanes_ == 1 ? " thread" : " threads");
  }

  /// work(memory of a lane) → what calls with a tile compute it. Each lane takes tiles until there are none left.
  template <class Work>
  void for_each(std::span<std::byte> workspace, const Work& work) const {
    std::byte* const memory = aligned(workspace.data());
    share_out(lanes_, count(), executor_, [&](std::int64_t lane) {
      return [compute = work(memory + static_cast<std::size_t>(lane) * lane_bytes_),
              this](std::int64_t t) mutable { compute(at(t)); };
    });
  }

 private:
  /// Work below this many products is done before a second thread has woken up.
  static constexpr double products_worth_a_thread = 1 << 18;
  /// What all threads together may have as workspace before there are fewer of them.
  static constexpr std::size_t most_workspace = std::size_t{1} << 30;

  void cut_columns(std::int64_t cols, const tile_wishes& wish) {
    // The ends cost the same up to the outputs that are computed together.
    const auto rounded = [&](std::int64_t n) {
      return (n + wish.cols_at_once - 1) / wish.cols_at_once * wish.cols_at_once;
    };
    left_ = rounded(wish.left);
    right_ = rounded(wish.right);
    if (left_ + right_ + wish.cols_at_once > cols) left_ = right_ = 0;
    cols_ = cols;
    const std::int64_t inner = cols - left_ - right_;
    const std::int64_t parts = (inner - 1) / std::max(wish.cols, wish.cols_at_once) + 1;
    piece_ = rounded((inner - 1) / parts + 1);
  }

  void cut_rows(const detail::request& r, const tile_wishes& wish) {
    const std::int64_t threads = threads_for(r.how);
    // Each band loads a filter's height of rows anew: bands as high as that, or for balance four to a
    // thread where they can be higher, but at least one for each.
    const auto rounded = [&](std::int64_t rows) {
      return (rows - 1) / wish.rows_at_once * wish.rows_at_once + wish.rows_at_once;
    };
    const auto share = [&](std::int64_t parts) { return rounded((rows_ - 1) / parts + 1); };
    band_ =
        std::min({std::max(share(4 * threads), rounded(wish.row_reach)), share(threads), rows_});
    const double worth = wish.products / products_worth_a_thread;
    lanes_ = worth < 2
                 ? 1
                 : std::min({threads, count(), static_cast<std::int64_t>(std::min(worth, 1e9))});
  }

  [[nodiscard]] std::int64_t bands() const noexcept { return (rows_ - 1) / band_ + 1; }
  [[nodiscard]] std::int64_t pieces() const noexcept {
    return (cols_ - left_ - right_ - 1) / piece_ + 1;
  }
  [[nodiscard]] std::int64_t count() const noexcept { return planes_ * bands() * pieces(); }
  [[nodiscard]] tile at(std::int64_t index) const noexcept {
    const std::int64_t piece = index % pieces();
    const std::int64_t band = index / pieces() % bands();
    const std::int64_t begin = left_ + piece * piece_;
    const detail::range inner{begin, std::min(begin + piece_, cols_ - right_)};
    return {.plane = index / pieces() / bands(),
            .rows = {band * band_, std::min((band + 1) * band_, rows_)},
            .cols = {piece == 0 ? 0 : inner.first, piece == pieces() - 1 ? cols_ : inner.last},
            .inner = inner};
  }

  executor executor_;
  std::size_t max_workspace_;
  std::int64_t planes_ = 1;
  std::int64_t rows_ = 1;
  std::int64_t cols_ = 1;
  std::int64_t left_ = 0;  // columns at either end
  std::int64_t right_ = 0;
  std::int64_t piece_ = 1;  // columns of a piece of what is between
  std::int64_t band_ = 1;
  std::int64_t lanes_ = 1;  // threads at most
  std::size_t lane_bytes_ = 0;
};

}  // namespace convgpu::cpu
