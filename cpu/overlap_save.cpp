// SPDX-License-Identifier: Apache-2.0
// cpu/overlap_save: blocks of x̃ that overlap by the filter's reach, each convolved by a transform (fft.hpp).
//
// A block is loaded row by row, or piece by piece of a row, with its border; the first pass reads samples where they
// lie if nothing has to be done to them. It is scaled by a power of two, so that its largest sample is from 1 to below
// 2, and data of any size neither overflow nor vanish. What is not finite is left out, and the outputs that see it are
// marked afterwards: where a sample lies under a tap that is not zero, in rectangles of such taps.
//
// Integers whose sums are too large for a transform of f64 to tell them apart are cut into limbs (limbs.hpp), whose
// convolutions are rounded and added up, modulo 2^64.
//
// Where several products are made of a block, by filters of a bank or by limbs of taps, what its samples have been
// transformed into is kept for all of them.
//
// Which outputs a block makes, and from what, depends on the problem alone: threads change no bit.

#include "overlap_save.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/separable.hpp>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "algorithms.hpp"
#include "lanes.hpp"
#include "overlap_save_filter.hpp"
#include "overlap_save_marks.hpp"
#include "overlap_save_samples.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "stores.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

strides oriented(strides step, bool swapped) {
  if (swapped) std::swap(step.row, step.col);
  return step;
}

template <class T, class Sample, bool Complex, class Result>
class overlap_save final : public detail::runnable {
  static constexpr int per_point = Complex ? 1 : 2;
  static constexpr bool is_exact = std::is_same_v<Result, std::int64_t>;

 public:
  /// `Tap` is that of the filters' taps.
  template <class Tap>
  overlap_save(const detail::request& r, const overlap_save_blocks& blocks, Tap)
      : form_(cpu::oriented(r.form)),
        swapped_(is_column(r.form)),
        blocks_(blocks),
        samples_(samples_of(blocks.points, per_point)),
        transform_(fft_passes<T>(), blocks.points),
        input_(form_, blocks.samples),
        store_(form_.types.out, form_.overflow),
        executor_(r.how.executor) {
    chunk_ = blocks.points.rows == 1 ? std::min(blocks.points.cols / 4, longest_chunk)
                                     : blocks.points.cols;
    down_ = (form_.row.out - 1) / blocks.rows + 1;
    across_ = (form_.col.out - 1) / blocks.cols + 1;
    const auto add = [&](const filter_taps& filter) {
      filters_.push_back(overlap_save_filter_of<Complex>(
          transform_, std::get<std::vector<Tap>>(filter.values), form_, blocks.taps));
    };
    if (r.form.has_channels())
      for (const filter_taps& filter : r.filter.singles) add(filter);
    else add(r.filter);
    cut_lanes(r);
  }

  [[nodiscard]] std::string parameters() const override {
    const auto by = [](std::int64_t rows, std::int64_t cols) {
      return (rows == 1 ? "" : std::to_string(rows) + " x ") + std::to_string(cols);
    };
    return simd::best().name + std::string(", ") +
           (form_.has_channels() ? std::to_string(filters_.size()) + " filters, " : "") +
           (form_.filters > 1 ? std::to_string(form_.filters) + " for a transform, " : "") +
           "blocks of " + by(samples_.rows, samples_.cols) + " samples for " +
           by(blocks_.rows, blocks_.cols) + " outputs, " +
           (!is_exact                 ? "error at most " + short_text(blocks_.error)
            : blocks_.products() == 1 ? "exact"
                                      : "exact in " + std::to_string(blocks_.samples.count) +
                                            " x " + std::to_string(blocks_.taps.count) + " limbs") +
           ", " + std::to_string(lanes_) + (lanes_ == 1 ? " thread" : " threads");
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return is_exact; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return lane_bytes() * static_cast<std::size_t>(lanes_) + alignment - 1;
  }

  void run(const any_const_view& in, const any_view& out, stream,
           std::span<std::byte> workspace) const override {
    std::byte* const memory = aligned(workspace.data());
    share_out(lanes_, tasks(), executor_, [&](std::int64_t lane) {
      return [&, own = scratch(*this, memory + static_cast<std::size_t>(lane) * lane_bytes())](
                 std::int64_t task) { compute(task, own, in, out); };
    });
  }

 private:
  static constexpr std::int64_t longest_chunk = 512;
  /// Rows of blocks are short and far apart: nobody else fetches them ahead.
  static constexpr std::int64_t rows_ahead = 6;
  template <int Write>
  static void prefetch(const void* data, std::int64_t bytes) {
    for (std::int64_t b = 0; b < bytes; b += static_cast<std::int64_t>(alignment))
      __builtin_prefetch(static_cast<const std::byte*>(data) + b, Write);
  }
  /// Work below so many points is done before a second thread has woken up.
  static constexpr double points_worth_a_thread = 1 << 15;
  static constexpr std::size_t most_workspace = std::size_t{1} << 30;

  /// What a thread computes with.
  struct scratch {
    T* z;             // the block's points
    T* kept;          // transforms of the samples, of each limb
    Sample* samples;  // a piece each of the eight parts of a block
    T* parts;         // the same, real and imaginary parts
    Result* results;  // a piece of a row
    Result* sums;     // of limbs, for all outputs

    scratch(const overlap_save& o, std::byte* memory) {
      const auto take = [&](std::size_t bytes) {
        return std::exchange(memory, memory + aligned(bytes));
      };
      z = reinterpret_cast<T*>(take(o.block_bytes()));
      kept = reinterpret_cast<T*>(take(o.kept_bytes()));
      samples = reinterpret_cast<Sample*>(take(o.pieces_bytes(sizeof(Sample))));
      parts = reinterpret_cast<T*>(take(o.pieces_bytes(sizeof(T))));
      results = reinterpret_cast<Result*>(take(o.pieces_bytes(sizeof(Result)) / 8));
      sums = reinterpret_cast<Result*>(take(o.sums_bytes()));
    }
  };
  [[nodiscard]] std::size_t pieces_bytes(std::size_t element) const noexcept {
    return 8 * static_cast<std::size_t>(chunk_) * element;
  }
  [[nodiscard]] std::size_t sums_bytes() const noexcept {
    return blocks_.products() == 1
               ? 0
               : static_cast<std::size_t>(blocks_.rows * blocks_.cols) * sizeof(Result);
  }
  [[nodiscard]] std::size_t block_bytes() const noexcept {
    return std::max(static_cast<std::size_t>(transform_.numbers()) * sizeof(T),
                    spoilt_outputs::bytes(blocks_.rows, blocks_.cols));
  }
  [[nodiscard]] std::size_t kept_bytes() const noexcept {
    return blocks_.keeps_spectra() ? static_cast<std::size_t>(at_once_ * blocks_.samples.count) *
                                         static_cast<std::size_t>(transform_.numbers()) * sizeof(T)
                                   : 0;
  }
  [[nodiscard]] std::size_t lane_bytes() const noexcept {
    return aligned(block_bytes()) + aligned(kept_bytes()) + aligned(pieces_bytes(sizeof(Sample))) +
           aligned(pieces_bytes(sizeof(T))) + aligned(pieces_bytes(sizeof(Result)) / 8) +
           aligned(sums_bytes());
  }

  void cut_lanes(const detail::request& r) {
    const std::int64_t threads = threads_for(r.how);
    const std::int64_t blocks = form_.groups * blocks_.count;
    at_once_ = std::clamp<std::int64_t>(blocks / (4 * threads), 1, blocks_.at_once);
    batches_ = (blocks_.count - 1) / at_once_ + 1;
    // A block is transformed once more for each thread that there would be nothing to do for.
    shares_ = std::min(form_.filters, (threads - 1) / (form_.groups * batches_) + 1);
    const double worth = static_cast<double>(blocks * form_.filters) *
                         static_cast<double>(blocks_.points.points()) / points_worth_a_thread;
    lanes_ = lanes_for(r.how, tasks(), worth, lane_bytes(), most_workspace);
    if (lanes_ > 1 && !executor_) start_workers();  // now, so that no run has to
  }
  [[nodiscard]] std::int64_t tasks() const noexcept { return form_.groups * batches_ * shares_; }

  using source = block_source;

  [[nodiscard]] T largest(const source& s, const scratch& own) const {
    T most{};
    const std::int64_t end = std::min(s.row + s.rows, form_.row.in) - rows_ahead;
    input_.for_each_piece(
        s, 8 * chunk_, own.samples, [&](auto row, auto, const Sample* x, std::int64_t count) {
          if (s.in_place && s.row + row >= 0 && s.row + row < end)
            prefetch<0>(x + rows_ahead * s.step.row,
                        count * static_cast<std::int64_t>(sizeof(Sample)));
          constexpr auto parts = static_cast<std::int64_t>(sizeof(Sample) / sizeof(T));
          most = std::max(most,
                          fft_passes<T>().magnitude(reinterpret_cast<const T*>(x), count * parts));
        });
    return most;
  }

  /// Where part `i` of eight (real parts of four quarters, then imaginary ones) of a block is at this piece of it.
  struct place {
    std::int64_t row;
    std::int64_t col;
  };
  [[nodiscard]] place place_of(int i, std::int64_t piece) const noexcept {
    const fft_size size = transform_.size();
    const std::int64_t quarter = i % 4;
    const std::int64_t half = Complex ? 0 : i / 4;
    if (size.rows == 1) return {0, half * size.cols + quarter * (size.cols / 4) + piece * chunk_};
    return {half * size.rows + quarter * (size.rows / 4) + piece, 0};
  }
  [[nodiscard]] std::int64_t pieces() const noexcept {
    return transform_.size().points() / 4 / chunk_;
  }
  [[nodiscard]] std::int64_t vectors() const noexcept { return chunk_ / fft_passes<T>().lanes; }

  /// A block on its way.
  struct block {
    source from;
    std::int64_t plane;
    detail::range rows;  // of outputs
    detail::range cols;
    T most[most_sample_limbs];  // the largest sample, of each limb
    T kept_scale
        [most_sample_limbs];  // what they were multiplied by before they were transformed; 0: they were not
  };

  /// Some blocks of a channel, for a share of its filters: each filter's spectrum meets them while it is in the cache.
  void compute(std::int64_t task, const scratch& own, const any_const_view& in,
               const any_view& out) const {
    const std::int64_t share = task % shares_;
    const std::int64_t channel = task / shares_ / batches_;
    const detail::range all = outputs(task / shares_ % batches_, at_once_, blocks_.count);
    block blocks[overlap_save_blocks::most_at_once];
    for (std::int64_t b = all.first; b < all.last; ++b)
      blocks[b - all.first] = begin(b, channel, own, in);
    const std::int64_t last = (share + 1) * form_.filters / shares_;
    for (std::int64_t f = share * form_.filters / shares_; f < last; ++f)
      for (std::int64_t b = 0; b < all.last - all.first; ++b)
        convolve(blocks[b], b, channel * form_.filters + f, own, out);
  }

  block begin(std::int64_t index, std::int64_t channel, const scratch& own,
              const any_const_view& in) const {
    block b{.from = {},
            .plane = index / across_ / down_,
            .rows = outputs(index / across_ % down_, blocks_.rows, form_.row.out),
            .cols = outputs(index % across_, blocks_.cols, form_.col.out),
            .most = {},
            .kept_scale = {}};
    source& s = b.from;
    s = {.plane = static_cast<const std::byte*>(in.data()) +
                  (b.plane * in.step().plane + channel * in.step().channel) *
                      static_cast<std::int64_t>(size_of(form_.types.in)),
         .step = oriented(in.step(), swapped_),
         .row = form_.row.at(b.rows.first, form_.row.taps - 1),
         .col = form_.col.at(b.cols.first, form_.col.taps - 1),
         .rows = b.rows.last - b.rows.first + form_.row.reach() - 1,
         .cols = b.cols.last - b.cols.first + form_.col.reach() - 1,
         .in_place = false,
         .clean = false,
         .limb = 0};
    s.in_place = form_.types.in == dtype_of<Sample> && s.step.col == 1;
    for (; s.limb < blocks_.samples.count; ++s.limb) {
      T& most = b.most[s.limb];
      most = largest(s, own);
      if (!std::isfinite(most)) {
        s.clean = true;
        most = largest(s, own);
      }
    }
    return b;
  }

  /// Block `slot` of those at once, with one of the filters.
  void convolve(block& b, std::int64_t slot, std::int64_t index, const scratch& own,
                const any_view& out) const {
    const overlap_save_filter<T>& filter = filters_[static_cast<std::size_t>(index)];
    source& s = b.from;
    target t{.data = static_cast<std::byte*>(out.data()) +
                     (b.plane * out.step().plane + index * out.step().channel) *
                         static_cast<std::int64_t>(size_of(form_.types.out)),
             .step = oriented(out.step(), swapped_),
             .rows = b.rows,
             .cols = b.cols,
             .limb = {}};
    for (s.limb = 0; s.limb < blocks_.samples.count; ++s.limb)
      for (int tap_limb = 0; tap_limb < blocks_.taps.count; ++tap_limb) {
        const filter_spectrum<T>& h = filter.spectra[static_cast<std::size_t>(tap_limb)];
        const scales<T> scale = scales_for(b.most[s.limb], h.exponent);
        if (!blocks_.keeps_spectra()) {
          load(s, own, own.z, scale.in);
          transform_.multiply(own.z, h.points.data());
        } else {
          T* const kept = own.kept + (slot * blocks_.samples.count + s.limb) * transform_.numbers();
          if (b.kept_scale[s.limb] != scale.in) {
            load(s, own, kept, scale.in);
            transform_.transform(kept);
            b.kept_scale[s.limb] = scale.in;
          }
          transform_.multiply(kept, own.z, h.points.data());
        }
        t.limb = {
            .shift = blocks_.samples.shift(s.limb) + blocks_.taps.shift(tap_limb),
            .is_first = s.limb == 0 && tap_limb == 0,
            .is_last = s.limb + 1 == blocks_.samples.count && tap_limb + 1 == blocks_.taps.count};
        store(t, own, scale.out);
      }
    if (s.clean) spoil(s, filter.rectangles, t, own);
  }
  static detail::range outputs(std::int64_t block, std::int64_t size, std::int64_t all) noexcept {
    return {block * size, std::min((block + 1) * size, all)};
  }

  void load(const source& s, const scratch& own, T* z, T scale) const {
    for (std::int64_t piece = 0; piece < pieces(); ++piece) {
      const T* from[8];
      for (int i = 0; i < (Complex ? 4 : 8); ++i) {
        const place at = place_of(i, piece);
        const Sample* const x = input_.load(s, at.row, at.col, chunk_, own.samples + i * chunk_);
        if constexpr (!Complex) {
          from[i] = x;
        } else {
          T* const re = own.parts + i * chunk_;
          T* const im = own.parts + (4 + i) * chunk_;
          for (std::int64_t j = 0; j < chunk_; ++j) {
            if constexpr (is_complex_type<Sample>) {
              re[j] = x[j].real();
              im[j] = x[j].imag();
            } else {
              re[j] = x[j];
              im[j] = T{};
            }
          }
          from[i] = re;
          from[4 + i] = im;
        }
      }
      transform_.load(from, z, piece * vectors(), vectors(), scale);
    }
  }

  /// Where the outputs of a block go.
  struct target {
    std::byte* data;
    strides step;
    detail::range rows;
    detail::range cols;
    struct {
      int shift;
      bool is_first;
      bool is_last;
    } limb;  // pair of limbs, of integers

    [[nodiscard]] std::byte* at(std::int64_t row, std::int64_t col, dtype type) const noexcept {
      return data + (row * step.row + col * step.col) * static_cast<std::int64_t>(size_of(type));
    }
  };

  void store(const target& t, const scratch& own, T scale) const {
    const bool in_rows = transform_.size().rows > 1 && t.step.col == 1;
    for (std::int64_t piece = 0; piece < pieces(); ++piece) {
      T* to[8];
      bool done[8] = {};
      for (int i = 0; i < 8; ++i) {
        to[i] = own.parts + i * chunk_;
        if constexpr (!Complex && std::is_same_v<Result, T>) {
          const part p = part_of(t, i, piece);
          done[i] = p.is_whole && t.step.col == 1 && form_.types.out == dtype_of<T>;
          if (done[i]) to[i] = reinterpret_cast<T*>(t.at(p.row, p.cols.first, form_.types.out));
        }
      }
      if (in_rows)
        for (int i = 0; i < 8; ++i)
          if (const part p = part_of(t, i, piece); p.cols.first < p.cols.last)
            prefetch<1>(
                t.at(p.row, p.cols.first, form_.types.out),
                (p.cols.last - p.cols.first) * static_cast<std::int64_t>(size_of(form_.types.out)));
      transform_.store(own.z, to, piece * vectors(), vectors(), scale);
      for (int i = 0; i < (Complex ? 4 : 8); ++i) {
        const part p = part_of(t, i, piece);
        if (done[i] || p.cols.first >= p.cols.last) continue;
        finish(to[i] + p.begin, to[i] + 4 * chunk_ + p.begin, p, t, own);
      }
    }
  }

  /// What of a part of a block is output: these columns of a row, from the part's element `begin` on.
  struct part {
    std::int64_t row;
    detail::range cols;
    std::int64_t begin;
    bool is_whole;
  };
  [[nodiscard]] part part_of(const target& t, int i, std::int64_t piece) const noexcept {
    const place at = place_of(i, piece);
    // The first outputs lie where the filter's reach ends.
    const std::int64_t row = t.rows.first + at.row - (form_.row.reach() - 1);
    const std::int64_t col = t.cols.first + at.col - (form_.col.reach() - 1);
    if (row < t.rows.first || row >= t.rows.last) return {row, {}, 0, false};
    const std::int64_t first = std::max(t.cols.first, col);
    const std::int64_t last = std::min(t.cols.last, col + chunk_);
    return {row, {first, last}, first - col, last - first == chunk_};
  }

  /// Real parts, and with complex points imaginary parts, as elements of the output.
  void finish(const T* re, [[maybe_unused]] const T* im, const part& p, const target& t,
              [[maybe_unused]] const scratch& own) const {
    const std::int64_t count = p.cols.last - p.cols.first;
    std::byte* const to = t.at(p.row, p.cols.first, form_.types.out);
    const auto put = [&](const Result* from) {
      if (t.step.col == 1 && form_.types.out == dtype_of<Result>)
        std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(Result));
      else store_(from, count, to, t.step.col);
    };
    if constexpr (Complex) {
      for (std::int64_t j = 0; j < count; ++j) own.results[j] = {re[j], im[j]};
      put(own.results);
    } else if constexpr (!is_exact) {
      put(re);
    } else {
      // Less than 2^51, they are the last bits of what adding 3·2^51 makes of them.
      constexpr double last_bit_is_1 = 0x1.8p52;
      const auto integer = [&](std::int64_t j) {
        return std::bit_cast<std::uint64_t>(re[j] + last_bit_is_1) -
               std::bit_cast<std::uint64_t>(last_bit_is_1);
      };
      Result* results = own.results;
      const auto sum = [&](std::uint64_t before, std::int64_t j) {
        return static_cast<Result>(before + (integer(j) << t.limb.shift));
      };
      if (blocks_.products() > 1)
        results = own.sums + (p.row - t.rows.first) * (t.cols.last - t.cols.first) +
                  (p.cols.first - t.cols.first);
      if (t.limb.is_first)
        for (std::int64_t j = 0; j < count; ++j) results[j] = sum(0, j);
      else
        for (std::int64_t j = 0; j < count; ++j)
          results[j] = sum(static_cast<std::uint64_t>(results[j]), j);
      if (t.limb.is_last) put(results);
    }
  }

  void spoil(source s, const std::vector<tap_rectangle>& taps, const target& t,
             const scratch& own) const {
    if constexpr (is_exact) return;
    else {
      spoilt_outputs spoilt(own.z, t.rows.last - t.rows.first, t.cols.last - t.cols.first);
      s.clean = false;
      input_.for_each_piece(
          s, 8 * chunk_, own.samples, [&](auto row, auto col, const Sample* x, std::int64_t count) {
            for (std::int64_t j = 0; j < count; ++j) {
              if (!input_.is_bad(x[j])) continue;
              const std::int64_t first = j;
              while (j + 1 < count && input_.is_bad(x[j + 1])) ++j;
              spoilt.mark(taps, row, col + first, col + j, form_.row.reach(), form_.col.reach());
            }
          });
      constexpr T nan = std::numeric_limits<T>::quiet_NaN();
      Result bad;
      if constexpr (Complex) bad = {nan, nan};
      else bad = nan;
      spoilt.for_each([&](std::int64_t row, std::int64_t col) {
        store_(&bad, 1, t.at(t.rows.first + row, t.cols.first + col, form_.types.out), 1);
      });
    }
  }

  normal_form form_;
  bool swapped_;
  overlap_save_blocks blocks_;
  extent samples_;  // of a block
  fft<T> transform_;
  block_samples<Sample> input_;
  row_store<Result> store_;
  executor executor_;
  std::vector<overlap_save_filter<T>> filters_;  // channel by channel
  std::int64_t chunk_ = 1;  // samples of a row that go through the first pass at once
  std::int64_t down_ = 1;   // blocks
  std::int64_t across_ = 1;
  std::int64_t at_once_ = 1;  // blocks that a filter is applied to before the next one is
  std::int64_t batches_ = 1;  // of so many, of a channel
  std::int64_t shares_ = 1;   // of a channel's filters, that are computed apart
  std::int64_t lanes_ = 1;
};

using made = std::unique_ptr<const detail::runnable>;

template <class T, class Tap>
made make_float(const detail::request& r, const overlap_save_blocks& blocks, Tap tap) {
  using complex = std::complex<T>;
  if (is_complex(r.form.types.in))
    return std::make_unique<overlap_save<T, complex, true, complex>>(r, blocks, tap);
  if constexpr (is_complex_type<Tap>)
    return std::make_unique<overlap_save<T, T, true, complex>>(r, blocks, tap);
  else return std::make_unique<overlap_save<T, T, false, T>>(r, blocks, tap);
}

}  // namespace

std::unique_ptr<const detail::runnable> make_overlap_save(const detail::request& r) {
  const overlap_save_blocks blocks = overlap_save_blocks_for(r).value();
  return std::visit(
      [&]<class Tap>(const std::vector<Tap>&) -> made {
        if constexpr (std::is_same_v<Tap, std::int32_t>)
          return std::make_unique<overlap_save<double, double, false, std::int64_t>>(r, blocks,
                                                                                     Tap{});
        else
          return sums_in_f64(r.form.types) ? make_float<double>(r, blocks, Tap{})
                                           : make_float<float>(r, blocks, Tap{});
      },
      r.filter.values);
}

}  // namespace convgpu::cpu
