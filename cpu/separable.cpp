// SPDX-License-Identifier: Apache-2.0
// cpu/separable: filters that are a column times a row, as sums down columns and then along rows, or filters that are
// sums of a few such terms.
//
// A strip of as many rows as the inner loops make at once goes through both passes: what is between them is that
// strip alone, stays in the nearest caches, and the image crosses memory once, whatever the number of terms: their sums
// are added up in the outputs' strip. Where an image ends, the sums down
// its columns are continued by the border in place of the samples: x̃ is never made. Zeros of either factor take no
// part, so that what is not finite stays in the windows of the product.

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/separable.hpp>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "algorithms.hpp"
#include "passes.hpp"
#include "rounding.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "stores.hpp"
#include "taps.hpp"
#include "tiles.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

// Samples that a factor may reach over, for sums of a strip to be held.
constexpr std::int64_t longest_reach = std::int64_t{1} << 22;
// What the rows of x̃ under a strip, and the sums of one, may take of the second-level cache.
constexpr std::int64_t rows_bytes = 768 * 1024;
constexpr std::int64_t sums_bytes = 128 * 1024;
constexpr std::int64_t shortest_piece = 256;

template <class T>
struct scalar {
  using type = T;
};
template <class T>
struct scalar<std::complex<T>> {
  using type = T;
};
template <class T>
using scalar_of = typename scalar<T>::type;

/// Where a strip's rows of x̃ come from, and where they go on by the border.
struct window {
  std::int64_t first;  ///< column of x̃ of the first sum
  std::int64_t count;  ///< sums that are needed
  std::int64_t begin;  ///< of these, what the pass down columns makes
  std::int64_t end;
};

/// `Element`s as loaded, and a filter of one or two sets of `Tap`s: those of the real and of the imaginary part.
template <class Element, class Tap, class Sum, int Sets>
class separable final : public detail::runnable {
  using sample = scalar_of<Element>;
  static constexpr int parts = is_complex_type<Element> ? 2 : 1;
  static constexpr int result_parts = parts == 2 || Sets == 2 ? 2 : 1;
  using result = std::conditional_t<result_parts == 2, std::complex<Sum>, Sum>;
  using ring = row_ring<Element>;

 public:
  using down_pass = pass<sample, Tap, Sum>;
  using along_pass = pass<Sum, Tap, Sum>;

  /// A column and a row.
  struct term {
    down_pass down;
    along_pass along;
    result outside;  // sum down a column outside the input

    [[nodiscard]] std::int64_t down_rows() const noexcept {  // that each pass makes at once
      return down.symmetric ? down.symmetric->loops.rows : down.kernel.rows;
    }
    [[nodiscard]] std::int64_t along_rows() const noexcept {
      return along.symmetric ? along.symmetric->loops.along_rows : along.kernel.rows;
    }
    [[nodiscard]] bool in_blocks() const noexcept {
      return (down.symmetric && down.symmetric->loops.in_blocks) ||
             (along.symmetric && along.symmetric->loops.in_blocks);
    }
  };

  separable(const detail::request& r, std::vector<term> terms,
            std::optional<rounded_by_input> rounding)
      : form_(r.form),
        exact_(terms_for(r).front().error == 0 || rounding),
        words_(rank_words(r, terms_for(r))),
        terms_(std::move(terms)),
        load_(ring::loader_for(form_.types.in)),
        store_(form_.types.out, form_.overflow),
        rounding_(std::move(rounding)) {
    // Terms are added up in whole blocks.
    in_blocks_ = terms_.size() > 1;
    std::int64_t most_down = 0;
    std::int64_t most = 0;
    for (const term& t : terms_) {
      most_down = std::max(most_down, t.down_rows());
      rows_at_once_ = std::max({rows_at_once_, t.down_rows(), t.along_rows()});
      in_blocks_ = in_blocks_ || t.in_blocks();
      most = std::max(most, t.down_rows() - 1 +
                                (t.down.symmetric ? t.down.symmetric->count : t.down.most_rows()));
      most_read_ = std::max(most_read_, t.down_rows() - 1 + t.down.most_rows());
      if (t.along.symmetric)
        blocks_bytes_ =
            std::max(blocks_bytes_,
                     aligned(static_cast<std::size_t>(t.along.symmetric->loops.along_memory +
                                                      t.along_rows() * t.along.symmetric->count) *
                             sizeof(Sum)));
    }
    tiles_.emplace(cut(r));
    const std::int64_t row_bytes =
        sums(tiles_->most_cols()) * static_cast<std::int64_t>(sizeof(Element));
    const std::int64_t room = std::clamp(rows_bytes / row_bytes, most,
                                         std::max(most, rows_at_once_ - 1 + form_.row.reach()));
    slots_ = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(room)));
    most_pointers_ = std::max(most, rows_at_once_);
    pointers_bytes_ =
        aligned(static_cast<std::size_t>(most_pointers_ + most_down) * sizeof(const void*));
    down_pitch_ = pitch(sums(tiles_->most_cols()) * parts);
    between_pitch_ = pitch(sums(tiles_->most_cols()) * result_parts + beyond);
    along_pitch_ = pitch(computed(tiles_->most_cols()) * result_parts);
    tiles_->give_lanes(pointers_bytes_ + ring::bytes(slots_, sums(tiles_->most_cols())) +
                       strip_bytes(between_pitch_) +
                       (Sets == 2 ? Sets * strip_bytes(down_pitch_) : 0) +
                       Sets * strip_bytes(along_pitch_) + blocks_bytes_ +
                       aligned(std::max(static_cast<std::size_t>(along_pitch_) * sizeof(Sum),
                                        checked_rounding::bytes(computed(tiles_->most_cols())))));
  }

  [[nodiscard]] std::string parameters() const override {
    return words_ + std::to_string(form_.row.taps) + " + " + std::to_string(form_.col.taps) +
           " taps, " +
           (terms_.front().down.kernel.cols > 1 ? simd::best().name + std::string(", ")
                                                : std::string()) +
           std::to_string(rows_at_once_) + (rows_at_once_ == 1 ? " row" : " rows") + " at once, " +
           tiles_->words();
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return exact_; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return tiles_->workspace_bytes();
  }

  void run(const any_const_view& in, const any_view& out, stream,
           std::span<std::byte> workspace) const override {
    tiles_->for_each(workspace, [&](std::byte* memory) {
      const auto take = [&memory](std::size_t bytes) {
        return std::exchange(memory, memory + bytes);
      };
      std::byte* const pointers = take(pointers_bytes_);
      ring rows(take(ring::bytes(slots_, sums(tiles_->most_cols()))), slots_,
                sums(tiles_->most_cols()), load_, form_, in);
      lane l{.down_rows = reinterpret_cast<const sample**>(pointers),
             .along_rows = reinterpret_cast<const Sum**>(pointers)};
      l.between = reinterpret_cast<Sum*>(take(strip_bytes(between_pitch_)));
      for (Sum*& set : l.down) {
        set = l.between;
        if constexpr (Sets == 2) set = reinterpret_cast<Sum*>(take(strip_bytes(down_pitch_)));
      }
      for (Sum*& set : l.along) set = reinterpret_cast<Sum*>(take(strip_bytes(along_pitch_)));
      l.blocks = reinterpret_cast<Sum*>(take(blocks_bytes_));
      l.results = reinterpret_cast<result*>(memory);
      return [=, this, &in, &out, rows = rows](const tile& t) mutable {
        compute(t, rows, l, in, out);
      };
    });
  }

 private:
  /// Memory of one thread.
  struct lane {
    const sample** down_rows;  // in one place with
    const Sum** along_rows;
    Sum* down[Sets] = {};
    Sum* between = nullptr;
    Sum* along[Sets] = {};
    Sum* blocks = nullptr;  // for blocks with rows and columns exchanged
    result* results = nullptr;
  };

  tiles cut(const detail::request& r) {
    const std::int64_t reach = form_.col.reach();
    const std::int64_t room =
        std::min(sums_bytes / static_cast<std::int64_t>(sizeof(result)) / rows_at_once_,
                 rows_bytes / static_cast<std::int64_t>(sizeof(Element)) /
                     (rows_at_once_ - 1 + std::min(form_.row.reach(), rows_of_a_group)));
    double taps = 0;
    for (const detail::rank_one& t : terms_for(r))
      taps += static_cast<double>(t.column_nonzeros + t.row_nonzeros);
    // What lies between two pieces is summed down columns for both of them.
    return tiles(
        r, {.cols = std::max({room, shortest_piece, 4 * reach}),
            .rows_at_once = rows_at_once_,
            .cols_at_once = cols_at_once(),
            .row_reach = form_.row.reach(),
            .products = static_cast<double>(form_.row.out) * static_cast<double>(form_.col.out) *
                        static_cast<double>(form_.planes) *
                        static_cast<double>(Sets * result_parts) * taps});
  }

  /// Outputs that fill both kernels.
  [[nodiscard]] std::int64_t cols_at_once() const noexcept {
    const int down = terms_.front().down.kernel.cols;
    const int along = terms_.front().along.kernel.cols;
    return std::max({down / std::min(down, parts), along / std::min(along, result_parts)});
  }
  /// Outputs that are computed for a piece of so many.
  [[nodiscard]] std::int64_t computed(std::int64_t cols) const noexcept {
    const std::int64_t blocks = in_blocks_ ? (cols - 1) / cols_at_once() + 1 : 1;
    return std::max(cols, blocks * cols_at_once());
  }
  /// Sums down columns that these need.
  [[nodiscard]] std::int64_t sums(std::int64_t cols) const noexcept {
    return computed(cols) + form_.col.reach() - 1;
  }
  /// Numbers behind the last one it needs that a pass along rows may read.
  static constexpr std::int64_t beyond = 15;
  /// Numbers from one row of a strip to the next: rows begin at lines of the cache, in different sets of it, with
  /// room to begin later.
  static std::int64_t pitch(std::int64_t numbers) noexcept {
    const std::size_t bytes = aligned(static_cast<std::size_t>(numbers) * sizeof(Sum)) + alignment;
    return static_cast<std::int64_t>((bytes / 128 * 128 + 192) / sizeof(Sum));
  }
  [[nodiscard]] std::size_t strip_bytes(std::int64_t pitch) const noexcept {
    return static_cast<std::size_t>(pitch * rows_at_once_) * sizeof(Sum);
  }

  /// Whether rows so far apart would displace one another from a first-level cache before they are read on: those of
  /// a strip, in a cache whose ways are of 4 KiB.
  [[nodiscard]] bool displace(std::int64_t row_step) const noexcept {
    constexpr std::int64_t way = 4096;
    constexpr std::int64_t ways = 8;
    const std::int64_t bytes = row_step * static_cast<std::int64_t>(sizeof(Element));
    return ways * way / std::gcd(bytes, way) < most_read_;
  }

  void compute(const tile& t, ring& rows, const lane& l, const any_const_view& in,
               const any_view& out) const {
    const window w = look(t);
    rows.begin(t.plane, w.first + w.begin, w.end - w.begin, 0, !displace(in.step().row));
    const std::int64_t height = t.rows.last - t.rows.first;
    for (std::int64_t i = t.rows.first; i < t.rows.last; i += rows_at_once_) {
      // The last strip begins earlier, where it can: what is computed once more comes out the same.
      const bool earlier = height >= rows_at_once_ && !in_blocks_;
      const std::int64_t first = earlier ? std::min(i, t.rows.last - rows_at_once_) : i;
      const std::int64_t count = std::min<std::int64_t>(rows_at_once_, t.rows.last - first);
      std::byte* const to =
          static_cast<std::byte*>(out.data()) +
          (t.plane * out.step().plane + first * out.step().row + t.cols.first * out.step().col) *
              static_cast<std::int64_t>(size_of(form_.types.out));
      for (const term& h : terms_) {
        sum_down(h, rows, first, count, w, l);
        sum_along(
            h, {.plane = t.plane, .rows = {first, first + count}, .cols = t.cols, .inner = t.cols},
            w, l, to, in, out);
      }
    }
  }

  /// What sums down columns a tile needs, and which of them are made from samples. Where all others repeat some of
  /// these, or are one and the same number, these are the columns inside the input; else they are all of x̃'s.
  [[nodiscard]] window look(const tile& t) const noexcept {
    const std::int64_t cols = t.cols.last - t.cols.first;
    window w{.first = form_.col.at(t.cols.first, form_.col.taps - 1),
             .count = cols + form_.col.reach() - 1,
             .begin = 0,
             .end = sums(cols)};
    const std::int64_t begin = std::clamp<std::int64_t>(-w.first, 0, w.count);
    const std::int64_t end = std::clamp(form_.col.in - w.first, begin, w.count);
    if (end - begin < cols_at_once()) return w;
    const auto there = [&](std::int64_t j) {
      const std::int64_t at = border_index(form_.border.kind(), w.first + j, form_.col.in);
      return at < 0 || (at >= w.first + begin && at < w.first + end);
    };
    for (std::int64_t j = 0; j < begin; ++j)
      if (!there(j)) return w;
    for (std::int64_t j = end; j < w.count; ++j)
      if (!there(j)) return w;
    w.begin = begin;
    w.end = end;
    return w;
  }

  /// The numbers of a row before those made from samples, for these to begin at a line of the cache.
  static std::int64_t lead(const window& w, int of_parts) noexcept {
    const auto line = static_cast<std::int64_t>(alignment / sizeof(Sum));
    return (line - w.begin * of_parts % line) % line;
  }

  void sum_down(const term& h, ring& rows, std::int64_t first, std::int64_t count, const window& w,
                const lane& l) const {
    const std::int64_t down_rows = h.down_rows();
    for (std::int64_t i = 0; i < count; i += down_rows) {
      const std::int64_t top = form_.row.at(first + i, form_.row.taps - 1);
      const auto find = [&](std::int64_t row, const sample** pointers, std::int64_t needed) {
        // Rows beyond the last one are computed from the same samples.
        const std::int64_t there = needed - down_rows + std::min(count - i, down_rows);
        for (std::int64_t r = 0; r < needed; ++r)
          pointers[r] = reinterpret_cast<const sample*>(rows[top + row + std::min(r, there - 1)]);
      };
      // As many rows of the next strip as are made here: these come from memory meanwhile.
      const std::int64_t below = top + rows_at_once_ + form_.row.reach() - 1;
      const sample** next = nullptr;
      if (&h == terms_.data() && rows.in_place(below) && rows.in_place(below + down_rows - 1)) {
        next = l.down_rows + most_pointers_;
        for (std::int64_t r = 0; r < down_rows; ++r)
          next[r] = reinterpret_cast<const sample*>(rows[below + r]);
      }
      const std::int64_t at = i * down_pitch() + lead(w, parts) + w.begin * parts;
      const std::int64_t numbers = (w.end - w.begin) * parts;
      if constexpr (std::is_same_v<sample, Sum> && std::is_same_v<Tap, Sum>)
        if (h.down.symmetric) {
          find(0, l.down_rows, down_rows - 1 + h.down.symmetric->count);
          h.down.symmetric->loops.down({.rows = l.down_rows,
                                        .out = l.down[0] + at,
                                        .pitch = down_pitch(),
                                        .cols = numbers,
                                        .filter = h.down.symmetric->taps(),
                                        .stream = false,
                                        .added = false,
                                        .next = next});
          continue;
        }
      for (std::size_t set = 0; set < Sets; ++set)
        h.down.sum(set, l.down_rows, find, l.down[set] + at, down_pitch(), numbers, false, false,
                   next);
    }
    result* row = reinterpret_cast<result*>(l.between + lead(w, result_parts));
    for (std::int64_t i = 0; i < count; ++i, row += between_pitch_ / result_parts) {
      if constexpr (Sets == 2)
        put_together<parts>(i * down_pitch_ + lead(w, parts) + w.begin * parts, w.end - w.begin,
                            row + w.begin, l.down);
      for (std::int64_t j = 0; j < w.begin; ++j) row[j] = continued(row, w, j, h.outside);
      for (std::int64_t j = w.end; j < w.count; ++j) row[j] = continued(row, w, j, h.outside);
    }
  }

  [[nodiscard]] std::int64_t down_pitch() const noexcept {
    return Sets == 2 ? down_pitch_ : between_pitch_;
  }

  [[nodiscard]] result continued(const result* row, const window& w, std::int64_t j,
                                 result outside) const noexcept {
    const std::int64_t at = border_index(form_.border.kind(), w.first + j, form_.col.in);
    return at < 0 ? outside : row[at - w.first];
  }

  /// A term of the outputs of a strip, to `to`: stored with the last one.
  void sum_along(const term& h, const tile& strip, const window& w, const lane& l, std::byte* to,
                 const any_const_view& in, const any_view& out) const {
    const std::int64_t cols = strip.cols.last - strip.cols.first;
    const std::int64_t count = strip.rows.last - strip.rows.first;
    const std::int64_t along_rows = h.along_rows();
    const bool added = &h != terms_.data();
    const bool is_last = &h == &terms_.back();
    // `number` sums of a set, from column `begin` of the tile on.
    const auto sum = [&](std::size_t set, std::int64_t begin, Sum* sums, std::int64_t pitch,
                         std::int64_t number, std::int64_t row, bool stream) {
      const auto find = [&](std::int64_t, const Sum** pointers, std::int64_t needed) {
        for (std::int64_t r = 0; r < needed; ++r)
          pointers[r] = l.between + lead(w, result_parts) + begin * result_parts +
                        std::min(row + r, count - 1) * between_pitch_;
      };
      if (h.along.symmetric) {
        find(0, l.along_rows, along_rows);
        return h.along.symmetric->loops.along({.rows = l.along_rows,
                                               .out = sums,
                                               .pitch = pitch,
                                               .cols = number * result_parts,
                                               .filter = h.along.symmetric->taps(),
                                               .stream = stream,
                                               .added = added,
                                               .next = nullptr},
                                              l.blocks);
      }
      h.along.sum(set, l.along_rows, find, sums, pitch, number * result_parts, added, stream,
                  nullptr);
    };
    const bool in_place = Sets == 1 && form_.types.out == dtype_of<result> && out.step().col == 1 &&
                          count == rows_at_once_ && cols >= cols_at_once();
    // Columns before the first one that lies at the beginning of a line of the cache.
    const auto line = static_cast<std::int64_t>(alignment);
    const auto place = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(to));
    const std::int64_t lead_in =
        (line - place % line) % line / static_cast<std::int64_t>(sizeof(result));
    const bool stream = terms_.size() == 1 && streams(form_, out) &&
                        cols - lead_in >= cols_at_once() && (lead_in == 0 || !in_blocks_);
    // The columns that go where they belong as they are made: all, or whole lines of the cache, or whole blocks.
    detail::range straight{};
    if (in_place) {
      const auto whole = [&](std::int64_t n) { return n / cols_at_once() * cols_at_once(); };
      straight = {0, in_blocks_ ? whole(cols) : cols};
      if (stream) straight = {lead_in, lead_in + whole(cols - lead_in)};
      const std::int64_t pitch = out.step().row * result_parts;
      for (std::int64_t i = 0; i < count; i += along_rows)
        sum(0, straight.first,
            reinterpret_cast<Sum*>(to) + i * pitch + straight.first * result_parts, pitch,
            straight.last - straight.first, i, stream);
    }
    // What is left, or all: from `begin` on, of which `wanted` are stored.
    const auto stored = [&](std::int64_t begin, detail::range wanted, std::int64_t number) {
      for (std::size_t set = 0; set < Sets; ++set)
        for (std::int64_t i = 0; i < count; i += along_rows)
          sum(set, begin, l.along[set] + i * along_pitch_, along_pitch_, number, i, false);
      if (!is_last) return;
      for (std::int64_t i = 0; i < count; ++i) {
        const auto* row = reinterpret_cast<const result*>(l.along[0] + i * along_pitch_);
        if constexpr (Sets == 2) {
          put_together<result_parts>(i * along_pitch_, number, l.results, l.along);
          row = l.results;
        }
        row += wanted.first - begin;
        const std::int64_t n = wanted.last - wanted.first;
        std::byte* const there = to + (i * out.step().row + wanted.first * out.step().col) *
                                          static_cast<std::int64_t>(size_of(form_.types.out));
        if constexpr (std::is_same_v<result, float>)
          if (rounding_) {
            rounding_->check.store(row, n, reinterpret_cast<std::byte*>(l.results), there,
                                   out.step().col, [&](std::int64_t j) {
                                     return rounding_->sum(form_, in, strip.plane,
                                                           strip.rows.first + i,
                                                           strip.cols.first + wanted.first + j);
                                   });
            continue;
          }
        store_(row, n, there, out.step().col);
      }
    };
    if (!in_place) return stored(0, {0, cols}, computed(cols));
    if (straight.first > 0) stored(0, {0, straight.first}, computed(straight.first));
    if (straight.last < cols)
      stored(in_blocks_ ? straight.last : cols - cols_at_once(), {straight.last, cols},
             cols_at_once());
  }

  /// Complex sums from those with the real and with the imaginary parts of the taps, of samples in so many parts.
  template <int Parts>
  static void put_together(std::int64_t from, std::int64_t count, result* to,
                           Sum* const (&sets)[Sets]) {
    const Sum* const re = sets[0] + from;
    const Sum* const im = sets[1] + from;
    for (std::int64_t j = 0; j < count; ++j) {
      if constexpr (Parts == 1) to[j] = {re[j], im[j]};
      else to[j] = {re[2 * j] - im[2 * j + 1], re[2 * j + 1] + im[2 * j]};
    }
  }

  detail::normal_form form_;
  bool exact_;
  std::string words_;  // for terms that are not of rank 1
  std::vector<term> terms_;
  std::int64_t rows_at_once_ = 1;  // that any pass makes, a strip
  bool in_blocks_ = false;         // any pass: see `simd::symmetric_loops`
  typename ring::loader load_;
  row_store<result> store_;
  std::optional<rounded_by_input> rounding_;
  std::optional<tiles> tiles_;
  std::int64_t slots_ = 1;      // rows in the ring
  std::int64_t most_read_ = 1;  // of samples, by a pass down columns at once
  std::int64_t most_pointers_ = 1;
  std::size_t pointers_bytes_ = 0;
  std::int64_t down_pitch_ = 0;  // numbers from row to row
  std::int64_t between_pitch_ = 0;
  std::int64_t along_pitch_ = 0;
  std::size_t blocks_bytes_ = 0;
};

using made = std::unique_ptr<const detail::runnable>;

/// The sum down a column that is the border's value all over.
template <class Result, class Element, class FactorTap>
Result outside(const detail::normal_form& form, const std::vector<FactorTap>& column) {
  using tap = std::conditional_t<
      is_complex_type<FactorTap>, std::complex<scalar_of<Result>>,
      std::conditional_t<std::is_integral_v<FactorTap>, FactorTap, scalar_of<Result>>>;
  Result sum{};
  const auto value = border_value<Element>(form.border);
  for (const FactorTap& h : column)
    if (h != FactorTap{}) sum += product<Result>(number<tap>(h), value);
  return sum;
}

/// Passes with loops `down` and `along` for each of the factors.
template <class Element, class Tap, class Sum, class FactorTap>
made make_passes(const detail::request& r, const simd::kernel<scalar_of<Element>, Tap, Sum>& down,
                 const simd::kernel<Sum, Tap, Sum>& along,
                 const std::vector<factor_pair<FactorTap>>& terms,
                 std::optional<rounded_by_input> rounding = {}) {
  constexpr int sets = is_complex_type<FactorTap> ? 2 : 1;
  constexpr bool is_complex = sets == 2 || is_complex_type<Element>;
  using result = std::conditional_t<is_complex, std::complex<Sum>, Sum>;
  using all = separable<Element, Tap, Sum, sets>;
  const auto below = [&](std::int64_t n) {
    return std::pair(n * r.form.row.dilation, std::int64_t{0});
  };
  const std::int64_t step = (is_complex ? 2 : 1) * r.form.col.dilation;
  const auto beside = [&](std::int64_t n) { return std::pair(std::int64_t{0}, n * step); };
  const auto size_for = [](const auto& kernel) {  // the plain loop takes tap by tap
    return kernel.cols == 1 ? patches::of_one_tap : patches::of_any_size;
  };
  std::vector<typename all::term> passes;
  for (const factor_pair<FactorTap>& factors : terms) {
    typename all::term term{
        {down, {}, {}}, {along, {}, {}}, outside<result, Element>(r.form, factors.first)};
    if constexpr (sets == 1 && std::is_same_v<scalar_of<Element>, Sum>) {
      if (r.form.row.dilation == 1)
        term.down.symmetric = symmetric<Sum>(factors.first, symmetric_down_from);
      if (step == 1) term.along.symmetric = symmetric<Sum>(factors.second, symmetric_along_from);
    }
    const auto add = [&](const auto& part) {
      term.down.sets.push_back(patched<Tap>(factors.first, 1, size_for(down), below, part));
      term.along.sets.push_back(patched<Tap>(factors.second, step, size_for(along), beside, part));
    };
    if constexpr (sets == 2) {
      add([](FactorTap h) { return h.real(); });
      add([](FactorTap h) { return h.imag(); });
    } else {
      add([](FactorTap h) { return h; });
    }
    passes.push_back(std::move(term));
  }
  return std::make_unique<all>(r, std::move(passes), std::move(rounding));
}

template <class FactorTap>
made make(const detail::request& r) {
  const simd::kernels& simd = simd::best();
  std::vector<factor_pair<FactorTap>> terms;
  for (const detail::rank_one& term : terms_for(r)) terms.push_back(balanced<FactorTap>(term));
  if constexpr (std::is_integral_v<FactorTap>) {
    if (integer_sum_bits(r.form.types.in, r.filter.facts.integer_norm1) == 32)
      return make_passes<std::int32_t, std::int32_t, std::int32_t, FactorTap>(r, simd.i32, simd.i32,
                                                                              terms);
    return make_passes<std::int32_t, std::int32_t, std::int64_t, FactorTap>(
        r, plain<std::int32_t, std::int32_t, std::int64_t>,
        plain<std::int64_t, std::int32_t, std::int64_t>, terms);
  } else {
    switch (r.form.types.in) {
      case dtype::f16:
      case dtype::bf16:
      case dtype::f32:
        return make_passes<float, float, float, FactorTap>(r, simd.f32, simd.f32, terms);
      case dtype::cf32:
        return make_passes<std::complex<float>, float, float, FactorTap>(r, simd.f32, simd.f32,
                                                                         terms);
      case dtype::cf64:
        return make_passes<std::complex<double>, double, double, FactorTap>(r, simd.f64, simd.f64,
                                                                            terms);
      default:
        if constexpr (std::is_same_v<FactorTap, double>)
          if (const auto narrowed = narrow(r)) {
            const auto& taps = std::get<std::vector<double>>(r.filter.values);
            return make_passes<float, float, float, double>(
                r, simd.f32, simd.f32, {narrowed->factors},
                rounded_by_input{narrowed->check, {taps.rbegin(), taps.rend()}});
          }
        return make_passes<double, double, double, FactorTap>(r, simd.f64, simd.f64, terms);
    }
  }
}

}  // namespace

std::string refuse_separable(const detail::request& r) {
  if (std::string reason = refuse_direct(r); !reason.empty()) return reason;
  const std::span<const detail::rank_one> terms = terms_for(r);
  if (terms.empty()) return detail::refuse_separable(r);
  if (r.form.row.stride != 1 || r.form.col.stride != 1)
    return "its strides, " + std::to_string(r.form.row.stride) + " and " +
           std::to_string(r.form.col.stride) + ", leave out sums that it would have to make";
  if (is_integer(r.form.types.filter) &&
      integer_sum_bits(r.form.types.in, r.filter.facts.integer_norm1) == 128)
    return "its sums need 128 bits";
  for (const detail::rank_one& term : terms)
    if (!std::visit(
            [&]<class T>(const std::vector<T>&) {
              return in_range<T>(term, sums_in_f64(r.form.types));
            },
            term.column))
      return "its factors are out of the range of the sums";
  if (r.form.col.reach() > longest_reach)
    return "the taps of a row reach over " + std::to_string(r.form.col.reach()) +
           " samples, more than the " + std::to_string(longest_reach) + " it holds sums for";
  return {};
}

std::unique_ptr<const detail::runnable> make_separable(const detail::request& r) {
  return std::visit([&]<class T>(const std::vector<T>&) { return make<T>(r); },
                    terms_for(r).front().column);
}

}  // namespace convgpu::cpu
