// SPDX-License-Identifier: Apache-2.0
// cpu/depthwise: filters that see one channel each, many of them in one go: depthwise layers, signals of which each has
// a filter of its own, banks of filters for a signal.
//
// Rows of x̃ that a block of outputs of a channel sees are loaded once for all filters of the channel, borders resolved,
// samples that a stride goes over taken apart. Every tap is then a shift of what is in memory, and lanes are outputs
// along a row. Where channels are neighbours in memory, lanes are channels. Products are added in the order of taps
// either way.

#include "depthwise.hpp"

#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/separable.hpp>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "algorithms.hpp"
#include "fft.hpp"
#include "lanes.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "stores.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

// Samples of a channel that a block of outputs may see.
constexpr double most_span = 1 << 18;

template <class T>
const simd::depthwise<T>& loops() {
  const simd::kernels& best = simd::best();
  if constexpr (std::is_same_v<T, float>) return best.f32_depthwise;
  else if constexpr (std::is_same_v<T, double>) return best.f64_depthwise;
  else if constexpr (std::is_same_v<T, std::int32_t>) return best.i32_depthwise;
  else return best.i64_depthwise;
}

template <class T, class Tap>
class depthwise final : public runnable {
 public:
  depthwise(const request& r, const std::vector<Tap>& taps)
      : form_(r.form),
        loops_(loops<T>()),
        load_(row_ring<T>::loader_for(form_.types.in)),
        store_(form_.types.out, form_.overflow),
        executor_(r.how.executor),
        along_(depthwise_grid(form_, 1, sizeof(T))),
        across_(depthwise_grid(form_, loops_.lanes, sizeof(T))) {
    // Rows of pixels are loaded as if each were a row by itself.
    pixel_form_ = form_;
    pixel_form_.col.in = std::numeric_limits<std::int64_t>::max() / 2;
    const std::int64_t span = span_of(form_, 1, along_.cols.at_once).cols;
    phases_ = std::min(form_.col.stride, span);
    // Of whole lines of the cache, so that some of the shifts cross none; not a power of two of them, or rows would
    // displace one another from the first-level cache.
    constexpr std::int64_t line = alignment / sizeof(T);
    phase_pitch_ = ((span - 1) / phases_ + 1 + loops_.lanes + line - 1) / line * line;
    if (phase_pitch_ / line % 2 == 0) phase_pitch_ += line;
    along_pitch_ = phases_ * phase_pitch_;
    width_ = (across_.height.at_once + loops_.lanes - 1) / loops_.lanes * loops_.lanes;
    across_pitch_ = span_of(form_, 1, across_.cols.at_once).cols * width_;
    lay_out(taps);
    const double worth = form_.outputs() *
                         static_cast<double>(std::max<std::int64_t>(r.filter.facts.nonzeros, 8)) /
                         (1 << 18);
    constexpr std::size_t most_workspace = std::size_t{64} << 20;
    lanes_ = lanes_for(r.how, along_.count(), worth, lane_bytes(), most_workspace);
    if (lanes_ > 1 && !executor_) start_workers();  // now, so that no run has to
  }

  [[nodiscard]] std::string parameters() const override {
    return simd::best().name + std::string(", blocks of ") + std::to_string(along_.rows.at_once) +
           " x " + std::to_string(along_.cols.at_once) + ", " +
           std::to_string(along_.height.at_once) + " channels; where these are neighbours " +
           std::to_string(across_.rows.at_once) + " x " + std::to_string(across_.cols.at_once) +
           ", " + std::to_string(across_.height.at_once) + "; " + std::to_string(lanes_) +
           (lanes_ == 1 ? " thread" : " threads");
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return lane_bytes() * static_cast<std::size_t>(lanes_) + alignment - 1;
  }

  void run(const any_const_view& in, const any_view& out, stream,
           std::span<std::byte> workspace) const override {
    std::byte* const memory = aligned(workspace.data());
    const bool neighbours = !shifts_across_.empty() && in.step().channel == 1 && in.step().col != 1;
    const block_grid& grid = neighbours ? across_ : along_;
    share_out(lanes_, grid.count(), executor_, [&](std::int64_t lane) {
      return [&, own = scratch(*this, memory + static_cast<std::size_t>(lane) * lane_bytes())](
                 std::int64_t n) {
        if (neighbours) compute_across(grid[n], own, in, out);
        else compute_along(grid[n], own, in, out);
      };
    });
  }

 private:
  /// What a thread computes with.
  struct scratch {
    T* rows;     // of x̃
    T* row;      // one of them, as it is loaded
    T* results;  // of a row
    // Rows of the input that those of x̃ repeat, and columns; less than 0 outside.
    std::int64_t* row_sources;
    std::int64_t* edge_sources;

    scratch(const depthwise& d, std::byte* memory) {
      const auto take = [&](std::size_t bytes) {
        return std::exchange(memory, memory + aligned(bytes));
      };
      rows = reinterpret_cast<T*>(take(d.rows_bytes()));
      row = reinterpret_cast<T*>(take(d.row_bytes()));
      results = reinterpret_cast<T*>(take(d.results_bytes()));
      row_sources = reinterpret_cast<std::int64_t*>(take(d.row_sources_bytes()));
      edge_sources = reinterpret_cast<std::int64_t*>(take(d.edge_sources_bytes()));
    }
  };
  [[nodiscard]] std::size_t rows_bytes() const noexcept {
    const std::int64_t along =
        span_of(form_, along_.rows.at_once, 1).rows * along_pitch_ + loops_.lanes;
    const std::int64_t across =
        shifts_across_.empty() ? 0 : span_of(form_, across_.rows.at_once, 1).rows * across_pitch_;
    return static_cast<std::size_t>(std::max(along, across)) * sizeof(T);
  }
  [[nodiscard]] std::size_t row_bytes() const noexcept {
    return static_cast<std::size_t>(span_of(form_, 1, along_.cols.at_once).cols) * sizeof(T);
  }
  [[nodiscard]] std::int64_t results_pitch() const noexcept {
    return along_.cols.at_once + loops_.lanes;
  }
  [[nodiscard]] std::size_t results_bytes() const noexcept {
    return static_cast<std::size_t>(
               std::max(along_.rows.at_once * results_pitch(), across_.cols.at_once * width_)) *
           sizeof(T);
  }
  [[nodiscard]] std::size_t row_sources_bytes() const noexcept {
    return static_cast<std::size_t>(span_of(form_, along_.rows.at_once, 1).rows) *
           sizeof(std::int64_t);
  }
  [[nodiscard]] std::size_t edge_sources_bytes() const noexcept {
    return static_cast<std::size_t>(span_of(form_, 1, along_.cols.at_once).cols) *
           sizeof(std::int64_t);
  }
  [[nodiscard]] std::size_t lane_bytes() const noexcept {
    return aligned(rows_bytes()) + aligned(row_bytes()) + aligned(results_bytes()) +
           aligned(row_sources_bytes()) + aligned(edge_sources_bytes());
  }

  // ---- taps

  /// Those that are not zero, filter by filter; and, for neighbouring channels, all, tap by tap.
  void lay_out(const std::vector<Tap>& taps) {
    const std::int64_t count = form_.row.taps * form_.col.taps;
    const auto filters = form_.out_channels();
    first_.push_back(0);
    for (std::int64_t f = 0; f < filters; ++f) {
      for (std::int64_t t = 0; t < count; ++t) {
        const Tap tap = taps[static_cast<std::size_t>(f * count + t)];
        if (tap == Tap{}) {
          has_zeros_ = true;
          continue;
        }
        values_.push_back(static_cast<T>(tap));
        const std::int64_t row = (form_.row.taps - 1 - t / form_.col.taps) * form_.row.dilation;
        const std::int64_t col = (form_.col.taps - 1 - t % form_.col.taps) * form_.col.dilation;
        shifts_.push_back(row * along_pitch_ + col % phases_ * phase_pitch_ + col / phases_);
      }
      first_.push_back(static_cast<std::int64_t>(values_.size()));
    }
    // All see all taps, and zeros what they must not; and few channels leave most lanes idle.
    if (has_zeros_ || form_.filters > 1 || 2 * form_.groups < loops_.lanes) return;
    for (std::int64_t t = 0; t < count; ++t) {
      const std::int64_t row = (form_.row.taps - 1 - t / form_.col.taps) * form_.row.dilation;
      const std::int64_t col = (form_.col.taps - 1 - t % form_.col.taps) * form_.col.dilation;
      shifts_across_.push_back(row * across_pitch_ + col * width_);
    }
    values_across_ =
        aligned_array<T>(static_cast<std::size_t>(across_.height.parts() * count * width_));
    for (std::int64_t f = 0; f < filters; ++f)
      for (std::int64_t t = 0; t < count; ++t)
        values_across_.data()[(f / across_.height.at_once * count + t) * width_ +
                              f % across_.height.at_once] =
            static_cast<T>(taps[static_cast<std::size_t>(f * count + t)]);
  }

  [[nodiscard]] std::byte* place(const any_view& out, const block& b, std::int64_t channel,
                                 std::int64_t row) const {
    const strides step = out.step();
    return static_cast<std::byte*>(out.data()) +
           (b.plane * step.plane + channel * step.channel + (b.i + row) * step.row +
            b.j * step.col) *
               static_cast<std::int64_t>(size_of(form_.types.out));
  }

  // ---- lanes are outputs of a row

  void compute_along(const block& b, const scratch& own, const any_const_view& in,
                     const any_view& out) const {
    const bool in_place =
        form_.types.out == dtype_of<T> && out.step().col == 1 && b.cols >= loops_.lanes;
    const auto count = static_cast<std::size_t>(form_.row.taps * form_.col.taps);
    const window w = window_of(b, own);
    for (std::int64_t channel = b.row; channel < b.row + b.height; ++channel) {
      load_rows(b, channel, w, own, in);
      for (std::int64_t f = channel * form_.filters; f < (channel + 1) * form_.filters; ++f) {
        const auto begin = static_cast<std::size_t>(first_[static_cast<std::size_t>(f)]);
        const auto end = static_cast<std::size_t>(first_[static_cast<std::size_t>(f) + 1]);
        // A row of taps lies above the one before, and so do rows of outputs: if there are no gaps.
        const bool whole = end - begin == count && form_.row.stride == 1 && form_.row.dilation == 1;
        loops_.along({.taps_of_row = whole ? form_.col.taps : 0,
                      .from = own.rows,
                      .pitch = form_.row.stride * along_pitch_,
                      .shifts = shifts_.data() + begin,
                      .values = values_.data() + begin,
                      .count = static_cast<std::int64_t>(end - begin),
                      .out = in_place ? reinterpret_cast<T*>(place(out, b, f, 0)) : own.results,
                      .out_pitch = in_place ? out.step().row : results_pitch(),
                      .rows = b.rows,
                      .cols = b.cols});
        for (std::int64_t i = 0; i < b.rows && !in_place; ++i)
          store_(own.results + i * results_pitch(), b.cols, place(out, b, f, i), out.step().col);
      }
    }
  }

  /// What the channels of a block see: the same rows and columns of each.
  struct window {
    depthwise_span span;
    std::int64_t left;    ///< column of x̃
    std::int64_t inside;  ///< of the span, the columns that lie within the input: from here …
    std::int64_t end;     ///< … to there
  };

  /// Borders are resolved once for all channels.
  [[nodiscard]] window window_of(const block& b, const scratch& own) const {
    const depthwise_span span = span_of(form_, b.rows, b.cols);
    const std::int64_t top = form_.row.at(b.i, form_.row.taps - 1);
    const std::int64_t left = form_.col.at(b.j, form_.col.taps - 1);
    const border_kind border = form_.border.kind();
    for (std::int64_t r = 0; r < span.rows; ++r)
      own.row_sources[r] = border_index(border, top + r, form_.row.in);
    const std::int64_t inside = std::clamp<std::int64_t>(-left, 0, span.cols);
    const std::int64_t end = std::clamp(form_.col.in - left, inside, span.cols);
    const auto find_sources = [&](std::int64_t begin, std::int64_t last) {
      for (std::int64_t q = begin; q < last; ++q)
        own.edge_sources[q] = border_index(border, left + q, form_.col.in);
    };
    find_sources(0, inside);
    find_sources(end, span.cols);
    return {span, left, inside, end};
  }

  void load_rows(const block& b, std::int64_t channel, const window& w, const scratch& own,
                 const any_const_view& in) const {
    const strides step = in.step();
    const std::byte* const data = static_cast<const std::byte*>(in.data()) +
                                  (b.plane * step.plane + channel * step.channel) *
                                      static_cast<std::int64_t>(size_of(form_.types.in));
    const bool as_they_are = form_.types.in == dtype_of<T> && step.col == 1 && phases_ == 1;
    const T outside = border_value<T>(form_.border);
    for (std::int64_t r = 0; r < w.span.rows; ++r) {
      T* const to = own.rows + r * along_pitch_;
      const std::int64_t source = own.row_sources[r];
      const std::byte* const row =
          source < 0
              ? nullptr
              : data + source * step.row * static_cast<std::int64_t>(size_of(form_.types.in));
      if (as_they_are) {
        if (row == nullptr) std::fill_n(to, w.span.cols, outside);
        else load_as_it_is(to, reinterpret_cast<const T*>(row), w, own, outside);
        continue;
      }
      load_row_of(phases_ == 1 ? to : own.row, row, step.col, w.left, w.span.cols, load_, form_);
      for (std::int64_t phase = 0; phase < phases_ && phases_ > 1; ++phase)
        if (w.span.cols > phase)
          take_every(phases_, own.row + phase, (w.span.cols - phase - 1) / phases_ + 1,
                     to + phase * phase_pitch_);
    }
  }

  void load_as_it_is(T* to, const T* row, const window& w, const scratch& own, T outside) const {
    const auto continued = [&](std::int64_t begin, std::int64_t last) {
      for (std::int64_t q = begin; q < last; ++q) {
        const std::int64_t source = own.edge_sources[q];
        to[q] = source < 0 ? outside : row[source];
      }
    };
    continued(0, w.inside);
    if (w.end > w.inside) std::copy_n(row + (w.left + w.inside), w.end - w.inside, to + w.inside);
    continued(w.end, w.span.cols);
  }

  // ---- lanes are channels

  void compute_across(const block& b, const scratch& own, const any_const_view& in,
                      const any_view& out) const {
    load_pixels(b, own, in);
    const std::int64_t count = form_.row.taps * form_.col.taps;
    const strides step = out.step();
    const auto element = static_cast<std::int64_t>(size_of(form_.types.out));
    const bool whole = step.channel == 1 && step.col == width_ && b.height == width_;
    const bool in_place = whole && form_.types.out == dtype_of<T>;
    for (std::int64_t i = 0; i < b.rows; ++i) {
      std::byte* const to = place(out, b, b.row, i);
      loops_.across(
          {.taps_of_row = form_.col.stride == 1 && form_.col.dilation == 1 ? form_.col.taps : 0,
           .from = own.rows + i * form_.row.stride * across_pitch_,
           .step = form_.col.stride * width_,
           .shifts = shifts_across_.data(),
           .values = values_across_.data() + b.row / across_.height.at_once * count * width_,
           .count = count,
           .width = width_,
           .channels = b.height,
           .out = in_place ? reinterpret_cast<T*>(to) : own.results,
           .cols = b.cols});
      if (in_place) continue;
      if (whole) {
        store_(own.results, b.cols * width_, to, 1);
        continue;
      }
      for (std::int64_t j = 0; j < b.cols; ++j)
        store_(own.results + j * width_, b.height, to + j * step.col * element, step.channel);
    }
  }

  /// Pixels of x̃, `width_` numbers each.
  void load_pixels(const block& b, const scratch& own, const any_const_view& in) const {
    const depthwise_span span = span_of(form_, b.rows, b.cols);
    const std::int64_t top = form_.row.at(b.i, form_.row.taps - 1);
    const std::int64_t left = form_.col.at(b.j, form_.col.taps - 1);
    const auto element = static_cast<std::int64_t>(size_of(form_.types.in));
    const std::int64_t step = in.step().col;
    const border_kind border = form_.border.kind();
    for (std::int64_t r = 0; r < span.rows; ++r) {
      T* const to = own.rows + r * across_pitch_;
      const std::byte* const row = row_of(in, b.plane, b.row, top + r, form_);
      const auto load = [&](std::int64_t q, std::int64_t source, std::int64_t pixels) {
        load_row_of(to + q * width_, source < 0 ? nullptr : row + source * step * element, 1, 0,
                    (pixels - 1) * width_ + b.height, load_, pixel_form_);
      };
      // Those inside lie one behind the other, if there are no other channels between them.
      const std::int64_t inside = std::clamp<std::int64_t>(-left, 0, span.cols);
      const std::int64_t end = std::clamp(form_.col.in - left, inside, span.cols);
      const bool together = row != nullptr && step == width_ && b.height == width_ && end > inside;
      if (together) load(inside, left + inside, end - inside);
      for (std::int64_t q = 0; q < span.cols; ++q) {
        if (together && q == inside) q = end;
        if (q == span.cols) break;
        load(q, row == nullptr ? -1 : border_index(border, left + q, form_.col.in), 1);
      }
    }
  }

  normal_form form_;
  normal_form pixel_form_;
  const simd::depthwise<T>& loops_;
  typename row_ring<T>::loader load_;
  row_store<T> store_;
  executor executor_;
  block_grid along_;
  block_grid across_;
  std::int64_t phases_ = 1;
  std::int64_t phase_pitch_ = 0;
  std::int64_t along_pitch_ = 0;
  std::int64_t width_ = 0;  // channels of a pixel, whole vectors
  std::int64_t across_pitch_ = 0;
  std::vector<std::int64_t> first_;  // tap of each filter
  std::vector<T> values_;
  std::vector<std::int64_t> shifts_;
  aligned_array<T> values_across_;
  std::vector<std::int64_t> shifts_across_;
  bool has_zeros_ = false;
  std::int64_t lanes_ = 1;
};

/// A function of its own: clang 14 forgets the virtual members of what is made within nested templates of lambdas.
template <class T, class Tap>
std::unique_ptr<const runnable> made(const request& r, const std::vector<Tap>& taps) {
  return std::make_unique<depthwise<T, Tap>>(r, taps);
}

}  // namespace

std::string refuse_depthwise(const request& r) {
  const normal_form& form = r.form;
  if (form.channels > 1) return "it does not sum channels";
  if (is_complex(form.types.in) || is_complex(form.types.filter))
    return "it has no complex numbers";
  if (is_integer(form.types.filter) &&
      integer_sum_bits(form.types.in, r.filter.facts.integer_norm1) == 128)
    return "its sums may need more than 64 bits";
  if (const double span = least_span(form); span > most_span)
    return "a block of its outputs would see " + short_text(span) +
           " samples of a channel, more than " + short_text(most_span);
  return {};
}

std::unique_ptr<const runnable> make_depthwise(const request& r) {
  if (const auto* const integers = std::get_if<std::vector<std::int32_t>>(&r.filter.values))
    return integer_sum_bits(r.form.types.in, r.filter.facts.integer_norm1) == 32
               ? made<std::int32_t>(r, *integers)
               : made<std::int64_t>(r, *integers);
  const auto& taps = std::get<std::vector<double>>(r.filter.values);
  return sums_in_f64(r.form.types) ? made<double>(r, taps) : made<float>(r, taps);
}

}  // namespace convgpu::cpu
