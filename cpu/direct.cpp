// SPDX-License-Identifier: Apache-2.0
// cpu/direct: direct summation.
//
// The filter is taken apart into patches, rectangles of taps that are not zero: zeros are skipped, and what is not
// finite does not get out of windows that have a zero there. Patches within some rows of the filter make a group;
// the sums of a strip of rows go through the groups one after the other. Each output is thus summed in one order,
// so that neither tiles nor threads change a bit.

#include <algorithm>
#include <bit>
#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "algorithms.hpp"
#include "rounding.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "stores.hpp"
#include "taps.hpp"
#include "tiles.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

// Samples that the rows of x̃ under a strip may have in all, beside those of its outputs.
constexpr std::int64_t most_samples = std::int64_t{1} << 27;
// What rows of x̃ may take of a second-level cache, and the sums of a strip of a first-level one.
constexpr std::int64_t ring_bytes = 512 * 1024;
constexpr std::int64_t sums_bytes = 16 * 1024;
constexpr std::int64_t shortest_piece = 256;

/// How a problem is computed: `Element` as loaded, which is one or two `Sample`s to the kernel, and a filter of one
/// or two sets of `Tap`s: those of the real and of the imaginary part.
template <class Element, class Sample, class Tap, class Sum, int Sets>
class direct final : public detail::runnable {
  static constexpr int parts = sizeof(Element) / sizeof(Sample);
  static constexpr bool is_complex = is_complex_type<Sum> || parts == 2 || Sets == 2;
  using result = std::conditional_t<is_complex && !is_complex_type<Sum>, std::complex<Sum>, Sum>;
  using ring = row_ring<Element>;
  using groups = std::vector<tap_group<Tap>>;

 public:
  direct(const detail::request& r, const simd::kernel<Sample, Tap, Sum>& kernel,
         std::vector<groups> sets, int beyond, Sum bias,
         std::optional<rounded_by_rows> rounding = {})
      : form_(r.form),
        kernel_(kernel),
        cols_at_once_(kernel.cols / std::min(kernel.cols, parts)),
        beyond_(beyond),
        bias_(bias),
        sets_(std::move(sets)),
        load_(ring::loader_for(form_.types.in)),
        store_(form_.types.out, form_.overflow),
        rounding_(std::move(rounding)),
        tiles_(cut(r)) {
    for (const auto& set : sets_)
      for (const tap_group<Tap>& g : set) most_rows_ = std::max(most_rows_, g.rows);
    const std::int64_t room = std::clamp(ring_bytes / row_bytes(), needed_rows(most_rows_),
                                         needed_rows(form_.row.reach()));
    slots_ = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(room)));
    // Sums stay in the first-level cache until they are stored.
    chunk_ = std::min(most_cols(),
                      sums_bytes / static_cast<std::int64_t>(sizeof(result)) / kernel_.rows);
    chunk_ = (chunk_ + multiple() - 1) / multiple() * multiple();
    tiles_.give_lanes(pointers_bytes() + ring::bytes(slots_, inner_samples()) +
                      2 * ring::bytes(slots_, end_samples()) + Sets * sums_of_a_set() +
                      aligned(results_bytes()));
  }

  [[nodiscard]] std::string parameters() const override {
    return (kernel_.cols > 1 ? simd::best().name + std::string(", ") : std::string()) +
           std::to_string(kernel_.rows) + (kernel_.rows == 1 ? " row" : " rows") + " of " +
           std::to_string(cols_at_once_) + " at once, " + tiles_.words();
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return tiles_.workspace_bytes();
  }

  void run(const any_const_view& in, const any_view& out, stream,
           std::span<std::byte> workspace) const override {
    const bool may_stream = is_in_place(out) && streams(form_, out) && !lie_alike(in, out);
    tiles_.for_each(workspace, [&](std::byte* memory) {
      const auto take = [&](std::size_t bytes) { return std::exchange(memory, memory + bytes); };
      const auto make_ring = [&](std::int64_t length) {
        return ring(take(ring::bytes(slots_, length)), slots_, length, load_, form_, in);
      };
      scratch own{reinterpret_cast<const Sample**>(take(pointers_bytes())),
                  {make_ring(inner_samples()), make_ring(end_samples()), make_ring(end_samples())},
                  reinterpret_cast<Sum*>(take(Sets * sums_of_a_set())),
                  memory};
      return [this, &out, own, may_stream](const tile& t) mutable {
        compute(t, own, out, may_stream);
      };
    });
  }

 private:
  /// What a thread computes with.
  struct scratch {
    const Sample** pointers;  // to rows
    ring rows[3];             // of the columns within, and at the left and the right end
    Sum* sums;
    std::byte* results;
  };

  tiles cut(const detail::request& r) {
    const axis& col = form_.col;
    const std::int64_t room = ring_bytes / 2 / static_cast<std::int64_t>(sizeof(Element)) /
                              needed_rows(std::min(form_.row.reach(), rows_of_a_group));
    const std::int64_t cols = std::max(room, shortest_piece + col.reach() / 4);
    const bool has_edges = form_.types.in == dtype_of<Element> && col.stride == 1;
    // Windows of these columns begin before the first sample or end behind the last.
    const std::int64_t left = std::clamp<std::int64_t>(-col.at(0, col.taps - 1), 0, col.out);
    const std::int64_t right =
        std::clamp<std::int64_t>(col.at(col.out - 1, 0) + beyond_ - (col.in - 1), 0, col.out);
    return tiles(r, {.cols = col.stride == 1 ? cols : std::max<std::int64_t>(cols / col.stride, 1),
                     .left = has_edges ? left : 0,
                     .right = has_edges ? right : 0,
                     .rows_at_once = kernel_.rows,
                     .cols_at_once = multiple(),
                     .row_reach = form_.row.reach(),
                     .products = static_cast<double>(form_.row.out) * static_cast<double>(col.out) *
                                 static_cast<double>(form_.planes) *
                                 static_cast<double>(std::max<std::int64_t>(
                                     r.filter.facts.nonzeros * Sets * parts, 8))});
  }

  /// Whether sums are complete after one group of taps.
  [[nodiscard]] bool single_pass() const noexcept { return Sets == 1 && sets_.front().size() == 1; }
  /// Outputs that are computed for a piece of so many.
  [[nodiscard]] std::int64_t computed(std::int64_t cols) const noexcept {
    if (single_pass()) return std::max(cols, cols_at_once_);
    return (cols + cols_at_once_ - 1) / cols_at_once_ * cols_at_once_;
  }
  /// Elements of a row of x̃ that so many outputs need.
  [[nodiscard]] std::int64_t samples(std::int64_t cols) const noexcept {
    return (computed(cols) - 1) * form_.col.stride + form_.col.reach() + beyond_;
  }
  [[nodiscard]] std::int64_t inner_samples() const noexcept { return samples(tiles_.most_cols()); }
  [[nodiscard]] std::int64_t end_samples() const noexcept { return samples(most_end_cols()); }
  [[nodiscard]] std::int64_t most_end_cols() const noexcept {
    return form_.col.stride == 1 ? tiles_.most_end_cols() + 2 * multiple() : 0;
  }
  /// What columns are cut in multiples of: whole lines of the cache. With strides, which may be as long as memory, not
  /// at all.
  [[nodiscard]] std::int64_t multiple() const noexcept {
    constexpr auto line = static_cast<std::int64_t>(alignment / sizeof(result));
    return form_.col.stride == 1 ? std::max(cols_at_once_, line) : 1;
  }
  [[nodiscard]] std::int64_t row_bytes() const noexcept {
    return inner_samples() * static_cast<std::int64_t>(sizeof(Element));
  }
  [[nodiscard]] std::int64_t most_cols() const noexcept {
    return std::max(tiles_.most_cols(), most_end_cols());
  }
  /// Rows of x̃ that a strip needs for so many of the filter.
  [[nodiscard]] std::int64_t needed_rows(std::int64_t rows) const noexcept {
    return kernel_.rows - 1 + rows;
  }
  [[nodiscard]] std::size_t pointers_bytes() const noexcept {
    return aligned(static_cast<std::size_t>(needed_rows(most_rows_) + kernel_.rows) *
                   sizeof(Sample*));
  }
  [[nodiscard]] std::size_t sums_pitch() const noexcept {
    return static_cast<std::size_t>(computed(chunk_) * parts);
  }
  [[nodiscard]] std::size_t sums_of_a_set() const noexcept {
    return aligned(sums_pitch() * static_cast<std::size_t>(kernel_.rows) * sizeof(Sum));
  }

  /// For a row of sums on its way to be stored.
  [[nodiscard]] std::size_t results_bytes() const noexcept {
    return std::max(sums_pitch() * sizeof(result), checked_rounding::bytes(chunk_));
  }

  void compute(const tile& t, scratch& own, const any_view& out, bool may_stream) const {
    const bool in_place = is_in_place(out);
    const detail::range streamed = may_stream ? whole_lines(t, out) : range{};
    const bool stream = streamed.first < streamed.last;
    const detail::range inner = stream ? streamed : t.inner;
    const detail::range pieces[] = {inner, {t.cols.first, inner.first}, {inner.last, t.cols.last}};
    for (int p = 0; p < 3; ++p)
      own.rows[p].begin(t.plane, form_.col.at(pieces[p].first, form_.col.taps - 1),
                        samples(pieces[p].last - pieces[p].first) - beyond_, beyond_);
    const std::int64_t height = t.rows.last - t.rows.first;
    for (std::int64_t i = t.rows.first; i < t.rows.last; i += kernel_.rows) {
      // The last strip begins earlier, where it can: what is computed once more comes out the same.
      const std::int64_t first =
          height >= kernel_.rows ? std::min(i, t.rows.last - kernel_.rows) : i;
      const std::int64_t count = std::min<std::int64_t>(kernel_.rows, t.rows.last - first);
      for (int p = 0; p < 3; ++p)
        if (pieces[p].first < pieces[p].last)
          compute_strip(own.rows[p], own, out,
                        static_cast<std::byte*>(out.data()) +
                            (t.plane * out.step().plane + first * out.step().row +
                             pieces[p].first * out.step().col) *
                                static_cast<std::int64_t>(size_of(form_.types.out)),
                        first, count, pieces[p].last - pieces[p].first, in_place, stream && p == 0);
    }
  }

  /// Whether sums of whole strips go to the output as they are.
  [[nodiscard]] bool is_in_place(const any_view& out) const noexcept {
    return form_.types.out == dtype_of<result> && single_pass() && bias_ == Sum{} &&
           out.step().col == 1;
  }

  /// The inner columns of a tile that fill lines of the cache, in multiples of what is computed at once: a line that
  /// is written past the caches in one half, and not so in the other, costs more than either.
  [[nodiscard]] detail::range whole_lines(const tile& t, const any_view& out) const noexcept {
    const auto element = static_cast<std::int64_t>(size_of(form_.types.out));
    const auto line = static_cast<std::int64_t>(alignment);
    const auto place = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(out.data())) +
                       (t.plane * out.step().plane + t.inner.first) * element;
    const std::int64_t first = t.inner.first + (line - place % line) % line / element;
    const std::int64_t count = (t.inner.last - first) / cols_at_once_ * cols_at_once_;
    return {first, first + std::max<std::int64_t>(count, 0)};
  }

  /// `count` rows of outputs from `first` on, and `cols` of their columns.
  void compute_strip(ring& rows, const scratch& own, const any_view& out, std::byte* to,
                     std::int64_t first, std::int64_t count, std::int64_t cols, bool in_place,
                     bool stream) const {
    if (in_place && count == kernel_.rows && cols >= cols_at_once_) {
      if constexpr (Sets == 1 && sizeof(result) == parts * sizeof(Sum))
        sum_up(0, rows, first, count, own.pointers, reinterpret_cast<Sum*>(to),
               out.step().row * parts, cols, stream);
      return;
    }
    const auto pitch = static_cast<std::int64_t>(sums_pitch());
    for (std::int64_t done = 0; done < cols; done += chunk_) {
      const std::int64_t n = std::min(chunk_, cols - done);
      // Where the samples end with the last output, the last ones are computed together with some before.
      const std::int64_t back =
          single_pass() ? std::min(done, std::max<std::int64_t>(cols_at_once_ - n, 0)) : 0;
      for (int set = 0; set < Sets; ++set)
        sum_up(set, rows, first, count, own.pointers,
               own.sums + static_cast<std::size_t>(set) * (sums_of_a_set() / sizeof(Sum)), pitch,
               computed(n + back), false, done - back);
      for (std::int64_t row = 0; row < count; ++row) {
        Sum* const sums = own.sums + row * pitch;
        std::byte* const there = to + (row * out.step().row + (done - back) * out.step().col) *
                                          static_cast<std::int64_t>(size_of(form_.types.out));
        if constexpr (std::is_same_v<Element, float> && std::is_same_v<result, float>)
          if (rounding_) {
            const float* const* const samples = own.pointers + row;
            rounding_->check.store(sums, n + back, own.results, there, out.step().col,
                                   [&](std::int64_t j) { return rounding_->sum(samples, j); });
            continue;
          }
        store_(finished(sums, n + back, reinterpret_cast<result*>(own.results)), n + back, there,
               out.step().col);
      }
    }
  }

  /// Sums of one set of taps, for `count` rows from `first` on and columns from `offset`; rows beyond are computed
  /// from the same rows.
  void sum_up(int set, ring& rows, std::int64_t first, std::int64_t count, const Sample** pointers,
              Sum* to, std::int64_t pitch, std::int64_t cols, bool stream,
              std::int64_t offset = 0) const {
    const std::int64_t samples_before = offset * form_.col.stride * parts;
    bool begin = true;
    std::int64_t loaded = -1;  // row of the filter that pointers are for
    for (const tap_group<Tap>& g : sets_[static_cast<std::size_t>(set)]) {
      const std::int64_t top = form_.row.at(first, form_.row.taps - 1) + g.row;
      const std::int64_t there = (count - 1) * form_.row.stride + g.rows;
      for (std::int64_t r = 0; r < needed_rows(g.rows) && loaded != g.row; ++r)
        pointers[r] =
            reinterpret_cast<const Sample*>(rows[top + std::min(r, there - 1)]) + samples_before;
      loaded = g.row;
      const Sample** next = nullptr;
      if (stream && rows.in_place(top + there) && rows.in_place(top + there + kernel_.rows - 1)) {
        next = pointers + needed_rows(g.rows);
        for (int i = 0; i < kernel_.rows; ++i)
          next[i] = reinterpret_cast<const Sample*>(rows[top + there + i]);
      }
      kernel_.compute({.rows = pointers,
                       .out = to,
                       .pitch = pitch,
                       .cols = cols * parts,
                       .stride = form_.col.stride,
                       .filter = {g.patches.data(), static_cast<std::int64_t>(g.patches.size()),
                                  g.height, g.step, g.values.data()},
                       .first = begin,
                       .stream = stream,
                       .next = next});
      begin = false;
    }
  }

  /// A row of sums as results, put together from both sets where there are two.
  const result* finished(Sum* sums, std::int64_t cols, result* results) const {
    if constexpr (Sets == 1) {
      if constexpr (std::is_same_v<Sum, std::int32_t>)
        if (bias_ != 0)
          for (std::int64_t j = 0; j < cols; ++j) sums[j] += bias_;
      return reinterpret_cast<const result*>(sums);
    } else {
      const Sum* const re = sums;
      const Sum* const im = sums + sums_of_a_set() / sizeof(Sum);
      for (std::int64_t j = 0; j < cols; ++j) {
        if constexpr (parts == 1) results[j] = {re[j], im[j]};
        else results[j] = {re[2 * j] - im[2 * j + 1], re[2 * j + 1] + im[2 * j]};
      }
      return results;
    }
  }

  detail::normal_form form_;
  simd::kernel<Sample, Tap, Sum> kernel_;
  std::int64_t cols_at_once_;  // outputs
  int beyond_;                 // samples that the kernel reads behind the last one it needs
  Sum bias_;                   // that sums lack
  std::vector<groups> sets_;
  typename ring::loader load_;
  row_store<result> store_;
  std::optional<rounded_by_rows> rounding_;
  tiles tiles_;
  std::int64_t most_rows_ = 1;  // of the filter, in one group
  std::int64_t slots_ = 1;      // rows in the ring
  std::int64_t chunk_ = 1;      // columns of sums that are stored together
};

using made = std::unique_ptr<const detail::runnable>;

bool has_strides(const detail::normal_form& form) {
  return form.row.stride != 1 || form.col.stride != 1;
}

/// Calls f(row, col, tap) for each tap, column after column: where its samples lie from the first one on that an
/// output needs.
template <class FilterTap, class F>
void for_each_tap(const detail::request& r, const std::vector<FilterTap>& taps, const F& f) {
  const axis& row = r.form.row;
  const axis& col = r.form.col;
  for (std::int64_t l = col.taps - 1; l >= 0; --l)
    for (std::int64_t k = row.taps - 1; k >= 0; --k)
      f((row.taps - 1 - k) * row.dilation, (col.taps - 1 - l) * col.dilation,
        taps[static_cast<std::size_t>(k * col.taps + l)]);
}

/// Taps as the plain loop wants them: row after row, as samples lie in memory.
template <class Tap, class FilterTap>
std::vector<tap_group<Tap>> single_taps(const detail::request& r,
                                        const std::vector<FilterTap>& taps) {
  std::vector<placed_tap<Tap>> placed;
  for_each_tap(r, taps, [&](std::int64_t row, std::int64_t col, FilterTap tap) {
    if (tap != FilterTap{}) placed.push_back({row, col, number<Tap>(tap)});
  });
  std::stable_sort(placed.begin(), placed.end(),
                   [](const auto& a, const auto& b) { return a.row < b.row; });
  return grouped(placed, 1, patches::of_one_tap);
}

/// Taps as SIMD wants them: those of one part, at `parts` samples for each column.
template <class Tap, class FilterTap, class Part>
std::vector<tap_group<Tap>> tap_patches(const detail::request& r,
                                        const std::vector<FilterTap>& taps, int parts,
                                        const Part& part) {
  std::vector<placed_tap<Tap>> placed;
  for_each_tap(r, taps, [&](std::int64_t row, std::int64_t col, FilterTap tap) {
    if (part(tap) != 0) placed.push_back({row, col * parts, static_cast<Tap>(part(tap))});
  });
  return grouped(placed, parts * r.form.col.dilation, patches::of_any_size);
}

template <class Element, class Tap, class Sum, class FilterTap>
made make_plain(const detail::request& r, const std::vector<FilterTap>& taps) {
  return std::make_unique<direct<Element, Element, Tap, Sum, 1>>(
      r, plain<Element, Tap, Sum>,
      std::vector<std::vector<tap_group<Tap>>>{single_taps<Tap>(r, taps)}, 0, Sum{});
}

template <class Element, class T, class FilterTap>
made make_simd(const detail::request& r, const std::vector<FilterTap>& taps,
               const float_kernels<T>& kernels) {
  constexpr int parts = sizeof(Element) / sizeof(T);
  constexpr int sets = is_complex_type<FilterTap> ? 2 : 1;
  std::vector<std::vector<tap_group<T>>> groups;
  if constexpr (sets == 1) {
    groups.push_back(tap_patches<T>(r, taps, parts, [](FilterTap h) { return h; }));
  } else {
    groups.push_back(tap_patches<T>(r, taps, parts, [](FilterTap h) { return h.real(); }));
    groups.push_back(tap_patches<T>(r, taps, parts, [](FilterTap h) { return h.imag(); }));
  }
  simd::kernel<T, T, T> kernel = kernels.strip;
  if (r.form.row.taps == 1 &&
      (r.form.row.out == 1 || r.form.col.out * parts >= kernels.short_line.loop.cols)) {
    const bool is_long = r.form.col.taps * r.form.col.dilation * parts >= kernels.long_line.from;
    kernel = is_long ? kernels.long_line.loop : kernels.short_line.loop;
    if (is_long)
      for (auto& set : groups) set = arranged(set, kernels.long_line.step);
  }
  return std::make_unique<direct<Element, T, T, T, sets>>(r, kernel, std::move(groups), 15, T{});
}

/// Integers of 8 bits with taps that are not, or nothing where f32 would not do.
made make_rounded(const detail::request& r, const std::vector<double>& taps) {
  std::vector<placed_tap<double>> placed;
  for_each_tap(r, taps, [&](std::int64_t row, std::int64_t col, double tap) {
    if (tap != 0) placed.push_back({row, col, tap});
  });
  // Sums are made anew from the rows that they were made from: of one group.
  if (r.form.row.reach() > rows_of_a_group) return nullptr;
  const auto check = checked_rounding::of(r.form.types, r.form.overflow, placed);
  if (!check) return nullptr;
  return std::make_unique<direct<float, float, float, float, 1>>(
      r, simd::best().f32,
      std::vector<std::vector<tap_group<float>>>{
          tap_patches<float>(r, taps, 1, [](double h) { return h; })},
      15, 0.0F, rounded_by_rows{*check, std::move(placed)});
}

/// Integers of 8 and 16 bits, with taps that fit into 16: two products at a time.
made make_pairs(const detail::request& r, const std::vector<std::int32_t>& taps) {
  // Neighbouring columns, of which the first may be anything but odd.
  std::map<std::pair<std::int64_t, std::int64_t>, std::uint32_t> pairs;  // by column, then row
  std::int32_t sum = 0;
  for_each_tap(r, taps, [&](std::int64_t row, std::int64_t col, std::int32_t tap) {
    sum += tap;
    if (tap != 0)
      pairs[{col / 2 * 2, row}] |= static_cast<std::uint32_t>(tap & 0xffff) << (col % 2 * 16);
  });
  std::vector<placed_tap<simd::tap_pair>> placed;
  for (const auto& [at, pair] : pairs)
    placed.push_back({at.second, at.first, static_cast<simd::tap_pair>(pair)});
  const std::int32_t bias = r.form.types.in == dtype::u16 ? sum * 32768 : 0;
  return std::make_unique<direct<std::int16_t, std::int16_t, simd::tap_pair, std::int32_t, 1>>(
      r, simd::best().i16,
      std::vector<std::vector<tap_group<simd::tap_pair>>>{grouped(placed, 2, patches::of_any_size)},
      2, bias);
}

template <class T>
made make_integers(const detail::request& r, const std::vector<std::int32_t>& taps,
                   const simd::kernel<T, T, T>& kernel) {
  return std::make_unique<direct<T, T, T, T, 1>>(
      r, kernel,
      std::vector<std::vector<tap_group<T>>>{
          tap_patches<T>(r, taps, 1, [](std::int32_t h) { return h; })},
      15, T{});
}

/// Integers, exactly: in the narrowest sums that hold ‖h‖₁·max|x|, and thereby every partial sum.
made make(const detail::request& r, const std::vector<std::int32_t>& taps) {
  switch (integer_sum_bits(r.form.types.in, r.filter.facts.integer_norm1)) {
    case 32: {
      if (has_strides(r.form)) return make_plain<std::int32_t, std::int32_t, std::int32_t>(r, taps);
      const bool narrow = size_of(r.form.types.in) <= 2 &&
                          std::all_of(taps.begin(), taps.end(),
                                      [](auto tap) { return tap >= -32767 && tap <= 32767; });
      return narrow ? make_pairs(r, taps) : make_integers(r, taps, simd::best().i32);
    }
    case 64:
      if (has_strides(r.form)) return make_plain<std::int32_t, std::int32_t, std::int64_t>(r, taps);
      return make_integers(r, taps, simd::best().i64);
    default: return make_plain<std::int32_t, std::int32_t, int128>(r, taps);
  }
}

template <class Element, class T, class FilterTap>
made make_float(const detail::request& r, const std::vector<FilterTap>& taps,
                const float_kernels<T>& kernels) {
  using tap = std::conditional_t<is_complex_type<FilterTap>, std::complex<T>, T>;
  constexpr bool is_complex = is_complex_type<FilterTap> || is_complex_type<Element>;
  using sum = std::conditional_t<is_complex, std::complex<T>, T>;
  if (has_strides(r.form)) return make_plain<Element, tap, sum>(r, taps);
  return make_simd<Element>(r, taps, kernels);
}

/// Floats in their own type, 16-bit floats in f32, integers with taps that are not in f64.
template <class FilterTap>
made make(const detail::request& r, const std::vector<FilterTap>& taps) {
  const simd::kernels& simd = simd::best();
  const float_kernels<float> f32{simd.f32, simd.f32_short_line, simd.f32_long_line};
  const float_kernels<double> f64{simd.f64, simd.f64_short_line, simd.f64_long_line};
  switch (r.form.types.in) {
    case dtype::f16:
    case dtype::bf16:
    case dtype::f32: return make_float<float>(r, taps, f32);
    case dtype::cf32: return make_float<std::complex<float>>(r, taps, f32);
    case dtype::cf64: return make_float<std::complex<double>>(r, taps, f64);
    default:
      if constexpr (std::is_same_v<FilterTap, double>)
        if (!has_strides(r.form))
          if (made rounded = make_rounded(r, taps)) return rounded;
      return make_float<double>(r, taps, f64);
  }
}

}  // namespace

std::string refuse_direct(const detail::request& r) {
  const detail::axis& col = r.form.col;
  const std::string reach =
      "the taps of a row reach over " + std::to_string(col.reach()) + " samples, ";
  if (col.reach() > most_samples / (std::min(r.form.row.reach(), rows_of_a_group) + 8))
    return reach + "too many to load all rows of them that it needs at once";
  if (col.reach() / 16 > col.taps + col.in + col.out)
    return reach + "nearly all of them gaps, which it would have to load";
  return {};
}

std::unique_ptr<const detail::runnable> make_direct(const detail::request& r) {
  return std::visit([&](const auto& taps) { return make(r, taps); }, r.filter.values);
}

}  // namespace convgpu::cpu
