// SPDX-License-Identifier: Apache-2.0
// cpu/gemm: sums over channels as products of matrices.
//
//     outputs [filters × places] = taps [filters × depth] · patches [depth × places]
//
// A place is an output's row and column, and the depth counts the taps of all channels that a filter sees. The matrix
// of patches never exists as a whole: of a block of places and a part of the depth, rows of x̃ are loaded into the
// second-level cache, and one panel after the other is put together from them in the first-level cache, to be multiplied
// by all filters (Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008, with the borders,
// strides and dilations in its packing). Rows that a stride goes over are taken apart when they are loaded, so that
// neighbouring places are neighbours in memory. Complex numbers are two rows or columns of real ones. Sums are made
// where the output is, if its places lie one behind the other. Each is made in one order, whatever the threads.

#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <string>
#include <utility>

#include "algorithms.hpp"
#include "blocks.hpp"
#include "fft.hpp"
#include "gemm.hpp"
#include "lanes.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "stores.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

// Samples of rows that a block may need at a time.
constexpr double most_samples = 1 << 21;

template <class T>
const simd::gemm<T>& loops() {
  const simd::kernels& best = simd::best();
  if constexpr (std::is_same_v<T, float>) return best.f32_gemm;
  else if constexpr (std::is_same_v<T, double>) return best.f64_gemm;
  else if constexpr (std::is_same_v<T, std::int32_t>) return best.i32_gemm;
  else return best.i64_gemm;
}

template <class Element, class T, class Tap>
gemm_blocks blocks_for(const normal_form& form) {
  constexpr int parts_in = sizeof(Element) / sizeof(T);
  const simd::gemm<T>& l = loops<T>();
  return gemm_blocks_for(form, parts_in, parts_in == 2 || is_complex_type<Tap> ? 2 : 1, l.rows,
                         l.cols, sizeof(T));
}

/// Samples as `Element`s, one or two numbers of type T each; sums of one or two likewise.
template <class Element, class T, class Tap>
class gemm final : public runnable {
  static constexpr int parts_in = sizeof(Element) / sizeof(T);
  static constexpr int parts_out = parts_in == 2 || is_complex_type<Tap> ? 2 : 1;
  using result = std::conditional_t<parts_out == 2, std::complex<T>, T>;

 public:
  gemm(const request& r, const std::vector<Tap>& taps)
      : form_(r.form),
        loops_(loops<T>()),
        blocks_(blocks_for<Element, T, Tap>(r.form)),
        grid_{.groups = form_.groups,
              .height = {blocks_.height, blocks_.height_at_once},
              .planes = {form_.planes, blocks_.planes},
              .rows = {form_.row.out, blocks_.rows},
              .cols = {form_.col.out, blocks_.cols}},
        load_(row_ring<Element>::loader_for(form_.types.in)),
        store_(form_.types.out, form_.overflow),
        executor_(r.how.executor),
        anew_(form_, may_be_spoilt(taps) ? taps : std::vector<Tap>()) {
    const axis& col = form_.col;
    phases_ = std::min(col.stride, blocks_.span_cols);
    phase_pitch_ = (blocks_.span_cols - 1) / phases_ + 1 + loops_.beyond;
    row_pitch_ = (phases_ * phase_pitch_ * parts_in + 15) / 16 * 16 + 16;
    for (std::int64_t k = 0; k < form_.row.taps; ++k)
      for (int part = 0; part < parts_in; ++part)
        for (std::int64_t l = 0; l < col.taps; ++l) {
          const std::int64_t at = (col.taps - 1 - l) * col.dilation;
          shifts_.push_back(-k * form_.row.dilation * row_pitch_ +
                            (part * phases_ + at % phases_) * phase_pitch_ + at / phases_);
        }
    panels_ = (blocks_.places() - 1) / loops_.cols + 1;
    channel_pitch_ = blocks_.planes * blocks_.span_rows * row_pitch_;
    pack_taps(taps);
    cut_lanes(r);
  }

  [[nodiscard]] std::string parameters() const override {
    return simd::best().name + std::string(", panels of ") + std::to_string(loops_.rows) + " x " +
           std::to_string(loops_.cols) + ", " + std::to_string(blocks_.depth) + " deep by " +
           std::to_string(blocks_.depth_at_once) + ", blocks of " +
           std::to_string(blocks_.planes * blocks_.rows) + " x " + std::to_string(blocks_.cols) +
           ", " + std::to_string(lanes_) + (lanes_ == 1 ? " thread" : " threads");
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return lane_bytes() * static_cast<std::size_t>(lanes_) + alignment - 1;
  }

  void run(const any_const_view& in, const any_view& out, stream,
           std::span<std::byte> workspace) const override {
    std::byte* const memory = aligned(workspace.data());
    share_out(lanes_, grid_.count(), executor_, [&](std::int64_t lane) {
      return [&, own = scratch(*this, memory + static_cast<std::size_t>(lane) * lane_bytes())](
                 std::int64_t n) { compute(grid_[n], own, in, out); };
    });
  }

 private:
  using piece = typename simd::gemm_pieces<T>::piece;

  /// What a thread computes with.
  struct scratch {
    T* rows;       // of x̃, of the channels of a part of the depth
    Element* row;  // one of them, as it is loaded
    T* panel;      // of samples
    T* sums;
    result* results;
    piece* pieces;
    std::int32_t* first_pieces;  // of each panel

    scratch(const gemm& g, std::byte* memory) {
      const auto take = [&](std::size_t bytes) {
        return std::exchange(memory, memory + aligned(bytes));
      };
      rows = reinterpret_cast<T*>(take(g.rows_bytes()));
      row = reinterpret_cast<Element*>(take(g.row_bytes()));
      panel = reinterpret_cast<T*>(take(g.panel_bytes()));
      sums = reinterpret_cast<T*>(take(g.sums_bytes()));
      results = reinterpret_cast<result*>(take(g.results_bytes()));
      pieces = reinterpret_cast<piece*>(take(g.pieces_bytes()));
      first_pieces = reinterpret_cast<std::int32_t*>(take(g.first_pieces_bytes()));
    }
  };
  [[nodiscard]] std::size_t rows_bytes() const noexcept {
    return static_cast<std::size_t>(blocks_.channels_at_once * channel_pitch_ + loops_.cols) *
           sizeof(T);
  }
  [[nodiscard]] std::size_t row_bytes() const noexcept {
    return static_cast<std::size_t>(blocks_.span_cols) * sizeof(Element);
  }
  [[nodiscard]] std::size_t panel_bytes() const noexcept {
    return static_cast<std::size_t>((blocks_.depth_at_once + 1) * loops_.cols) * sizeof(T);
  }
  [[nodiscard]] std::int64_t sums_pitch() const noexcept { return panels_ * loops_.cols; }
  [[nodiscard]] std::size_t sums_bytes() const noexcept {
    return static_cast<std::size_t>((grid_.height.at_once + 1) / 2 * 2 * sums_pitch()) * sizeof(T);
  }
  [[nodiscard]] std::size_t results_bytes() const noexcept {
    return static_cast<std::size_t>(blocks_.cols) * sizeof(result);
  }
  /// One for each row of places, and one more where a panel ends within it.
  [[nodiscard]] std::size_t pieces_bytes() const noexcept {
    return static_cast<std::size_t>(blocks_.planes * blocks_.rows + panels_) * sizeof(piece);
  }
  [[nodiscard]] std::size_t first_pieces_bytes() const noexcept {
    return static_cast<std::size_t>(panels_ + 1) * sizeof(std::int32_t);
  }
  [[nodiscard]] std::size_t lane_bytes() const noexcept {
    return aligned(rows_bytes()) + aligned(row_bytes()) + aligned(panel_bytes()) +
           aligned(sums_bytes()) + aligned(results_bytes()) + aligned(pieces_bytes()) +
           aligned(first_pieces_bytes());
  }

  // ---- taps

  /// Rows of taps in panels of `loops_.rows`, the last of as many as are left, rounded up to even.
  [[nodiscard]] int rows_of(std::int64_t first, std::int64_t height) const noexcept {
    return static_cast<int>(std::min<std::int64_t>(loops_.rows, (height - first + 1) / 2 * 2));
  }
  [[nodiscard]] std::int64_t padded_height() const noexcept { return (blocks_.height + 1) / 2 * 2; }

  /// The number that row `m` of a group's matrix has for part `part` of a sample, at a tap.
  static T number_of(Tap tap, std::int64_t m, int part) {
    if constexpr (is_complex_type<Tap>) {
      if (m % 2 == 0) return static_cast<T>(part == 0 ? tap.real() : -tap.imag());
      return static_cast<T>(part == 0 ? tap.imag() : tap.real());
    } else {
      return parts_in == 1 || m % 2 == part ? static_cast<T>(tap) : T{};
    }
  }

  /// Group by group, part of the depth by part, panel by panel: k by k, row by row.
  void pack_taps(const std::vector<Tap>& taps) {
    const std::int64_t width = form_.col.taps;
    const std::int64_t of_filter = form_.channels * form_.row.taps * width;
    packed_ =
        aligned_array<T>(static_cast<std::size_t>(form_.groups * blocks_.depth * padded_height()));
    T* to = packed_.data();
    for (std::int64_t g = 0; g < form_.groups; ++g)
      for (std::int64_t first = 0; first < blocks_.depth; first += blocks_.depth_at_once) {
        const std::int64_t last = std::min(first + blocks_.depth_at_once, blocks_.depth);
        for (std::int64_t row = 0; row < blocks_.height; row += loops_.rows) {
          const int rows = rows_of(row, blocks_.height);
          for (std::int64_t k = first; k < last; ++k)
            for (std::int64_t m = row; m < row + rows; ++m) {
              // The depth goes channel by channel, row by row, part by part, tap by tap.
              const std::int64_t line = k / width / parts_in;
              const int part = static_cast<int>(k / width % parts_in);
              T value{};
              if (m < blocks_.height) {
                const std::int64_t f = g * form_.filters + m / parts_out;
                value = number_of(
                    taps[static_cast<std::size_t>(f * of_filter + line * width + k % width)], m,
                    part);
              }
              *to++ = value;
            }
        }
      }
  }

  /// A zero tap sees nothing, but 0 · NaN is NaN.
  static bool may_be_spoilt(const std::vector<Tap>& taps) {
    return (parts_in == 2 && !is_complex_type<Tap>) ||
           std::find(taps.begin(), taps.end(), Tap{}) != taps.end();
  }

  void cut_lanes(const request& r) {
    constexpr double products_worth_a_thread = 1 << 20;
    constexpr std::size_t most_workspace = std::size_t{64} << 20;
    const double worth =
        form_.outputs() * static_cast<double>(blocks_.depth * parts_out) / products_worth_a_thread;
    grid_.deal_out(std::min(threads_for(r.how), static_cast<std::int64_t>(std::min(worth, 1e9))),
                   loops_.rows);
    lanes_ = lanes_for(r.how, grid_.count(), worth, lane_bytes(), most_workspace);
    if (lanes_ > 1 && !executor_) start_workers();  // now, so that no run has to
  }

  void compute(const block& b, const scratch& own, const any_const_view& in,
               const any_view& out) const {
    find_pieces(b, own);
    const destination to = destination_of(b, out);
    for (std::int64_t first = 0; first < blocks_.depth; first += blocks_.depth_at_once) {
      const std::int64_t last = std::min(first + blocks_.depth_at_once, blocks_.depth);
      for_each_channel(first, last, [&](std::int64_t channel, const taps_of_channel& t) {
        load_rows(b, b.group * form_.channels + channel, t, own, in);
      });
      for (std::int64_t panel = 0; panel * loops_.cols < b.places(); ++panel) {
        for_each_channel(first, last, [&](std::int64_t, const taps_of_channel& t) {
          loops_.pack(
              {.pieces = own.pieces + own.first_pieces[panel],
               .count = own.first_pieces[panel + 1] - own.first_pieces[panel],
               .offset = t.index * channel_pitch_ + t.bottom() * form_.row.dilation * row_pitch_,
               .shifts = shifts_.data() + t.begin,
               .taps = t.end - t.begin,
               .to = own.panel + t.at * loops_.cols});
        });
        multiply(b, panel, first, last, own, to);
      }
    }
    store(b, own, to, in, out);
  }

  // ---- samples

  /// Taps of a channel within a part of the depth, counted from the channel's first.
  struct taps_of_channel {
    std::int64_t index;  ///< of the channel, among those of the part
    std::int64_t at;     ///< place of the first one in the part
    std::int64_t begin;
    std::int64_t end;
    std::int64_t of_row;

    /// Rows of the filter.
    [[nodiscard]] std::int64_t top() const noexcept { return begin / of_row; }
    [[nodiscard]] std::int64_t bottom() const noexcept { return (end - 1) / of_row; }
  };

  /// f(channel of the group, its taps) for the part first … last of the depth.
  template <class F>
  void for_each_channel(std::int64_t first, std::int64_t last, const F& f) const {
    const auto of_channel = static_cast<std::int64_t>(shifts_.size());
    taps_of_channel t{};
    t.of_row = form_.col.taps * parts_in;
    for (std::int64_t k = first; k < last; ++t.index) {
      const std::int64_t channel = k / of_channel;
      t.at = k - first;
      t.begin = k - channel * of_channel;
      t.end = std::min(of_channel, last - channel * of_channel);
      f(channel, t);
      k += t.end - t.begin;
    }
  }

  /// Where the places of each panel begin in rows that are loaded.
  void find_pieces(const block& b, const scratch& own) const {
    std::int32_t count = 0;
    for_each_piece(b, loops_.cols,
                   [&](std::int64_t panel, std::int64_t at, std::int64_t n, std::int64_t p,
                       std::int64_t i, std::int64_t j) {
                     if (at == 0) own.first_pieces[panel] = count;
                     own.pieces[count++] = {
                         own.rows + (p * blocks_.span_rows + i * form_.row.stride) * row_pitch_ + j,
                         static_cast<std::int32_t>(at), static_cast<std::int32_t>(n)};
                   });
    own.first_pieces[(b.places() - 1) / loops_.cols + 1] = count;
  }

  /// Rows of x̃ of a channel that those taps meet, for all planes of the block.
  void load_rows(const block& b, std::int64_t channel, const taps_of_channel& t, const scratch& own,
                 const any_const_view& in) const {
    const std::int64_t from = form_.row.at(b.i, t.bottom());
    const std::int64_t to = form_.row.at(b.i + b.rows - 1, t.top());
    const std::int64_t left = form_.col.at(b.j, form_.col.taps - 1);
    const std::int64_t count = form_.col.at(b.j + b.cols - 1, 0) - left + 1;
    for (std::int64_t p = 0; p < b.planes; ++p)
      for (std::int64_t r = from; r <= to; ++r) {
        T* const row =
            own.rows + t.index * channel_pitch_ + (p * blocks_.span_rows + r - from) * row_pitch_;
        Element* const whole =
            parts_in == 1 && phases_ == 1 ? reinterpret_cast<Element*>(row) : own.row;
        load_row_of(whole, row_of(in, b.plane + p, channel, r, form_), in.step().col, left, count,
                    load_, form_);
        if (parts_in == 2 || phases_ > 1) take_apart(whole, count, row);
      }
  }

  /// Parts of complex numbers, and within them samples that a stride apart are neighbours.
  void take_apart(const Element* from, std::int64_t count, T* to) const {
    const auto* const numbers = reinterpret_cast<const T*>(from);
    const std::int64_t step = phases_ * parts_in;
    for (std::int64_t first = 0; first < step; ++first) {  // phase by phase, part by part
      const std::int64_t phase = first / parts_in;
      const std::int64_t n = count > phase ? (count - 1 - phase) / phases_ + 1 : 0;
      T* const there = to + (first % parts_in * phases_ + phase) * phase_pitch_;
      take_every(step, numbers + first, n, there);
    }
  }

  // ---- sums

  /// Where sums of a block may be made in the output: places lie there as they do in the matrix of sums. Tiles of these
  /// many filters and places are whole; others reach beyond what there is, and are made elsewhere.
  struct destination {
    T* sums = nullptr;  ///< null where places lie otherwise
    std::ptrdiff_t pitch = 0;
    std::int64_t height = 0;
    std::int64_t places = 0;
  };

  [[nodiscard]] destination destination_of(const block& b, const any_view& out) const {
    if constexpr (parts_out == 1) {
      const strides step = out.step();
      if (form_.types.out == dtype_of<T> && step.col == 1 && b.planes == 1 &&
          (b.rows == 1 || step.row == b.cols)) {
        // Tiles are an even number of rows, and one or two vectors wide.
        const std::int64_t places = b.places();
        return {reinterpret_cast<T*>(place(b, 0, 0, 0, out)), step.channel,
                b.height % 2 == 0 ? b.height : b.height / loops_.rows * loops_.rows,
                places % (loops_.cols / 2) == 0 ? places : places / loops_.cols * loops_.cols};
      }
    }
    return {};
  }

  /// Of the first output of a row, of filter `n` of the block.
  [[nodiscard]] std::byte* place(const block& b, std::int64_t n, std::int64_t p, std::int64_t i,
                                 const any_view& out) const {
    const strides step = out.step();
    const std::int64_t f = b.group * form_.filters + b.row / parts_out + n;
    return static_cast<std::byte*>(out.data()) +
           ((b.plane + p) * step.plane + f * step.channel + (b.i + i) * step.row + b.j * step.col) *
               static_cast<std::int64_t>(size_of(form_.types.out));
  }

  void multiply(const block& b, std::int64_t panel, std::int64_t first, std::int64_t last,
                const scratch& own, const destination& to) const {
    const std::int64_t depth = last - first;
    const T* const taps =
        packed_.data() + (b.group * blocks_.depth + first) * padded_height() + b.row * depth;
    const std::int64_t at = panel * loops_.cols;
    const auto cols = static_cast<int>(std::min<std::int64_t>(loops_.cols, b.places() - at));
    for (std::int64_t row = 0; row < b.height; row += loops_.rows) {
      const bool there = row < to.height && at < to.places;
      const std::ptrdiff_t pitch = there ? to.pitch : sums_pitch();
      loops_.multiply({.taps = taps + row * depth,
                       .samples = own.panel,
                       .sums = (there ? to.sums : own.sums) + row * pitch + at,
                       .pitch = pitch,
                       .depth = depth,
                       .rows = rows_of(row, b.height),
                       .cols = cols,
                       .first = first == 0});
    }
  }

  void store(const block& b, const scratch& own, const destination& to, const any_const_view& in,
             const any_view& out) const {
    const std::int64_t f = b.group * form_.filters + b.row / parts_out;
    for (std::int64_t n = 0; n < b.height / parts_out; ++n) {
      T* sums = own.sums + n * parts_out * sums_pitch();
      if (to.sums != nullptr) {
        const std::int64_t first = n < to.height ? to.places : 0;
        store_(reinterpret_cast<const result*>(sums + first), b.places() - first,
               reinterpret_cast<std::byte*>(to.sums + n * to.pitch + first), 1);
        if (!anew_.has_work()) continue;
      }
      for (std::int64_t p = 0; p < b.planes; ++p)
        for (std::int64_t i = 0; i < b.rows; ++i, sums += b.cols) {
          std::byte* const row_out = place(b, n, p, i, out);
          if (to.sums != nullptr) {
            anew_.mend(reinterpret_cast<result*>(row_out), b.cols, in, b.plane + p, f + n, b.i + i,
                       b.j);
            continue;
          }
          result* row = own.results;
          if constexpr (parts_out == 2)
            for (std::int64_t j = 0; j < b.cols; ++j) row[j] = {sums[j], sums[sums_pitch() + j]};
          else row = sums;
          anew_.mend(row, b.cols, in, b.plane + p, f + n, b.i + i, b.j);
          store_(row, b.cols, row_out, out.step().col);
        }
    }
  }

  normal_form form_;
  const simd::gemm<T>& loops_;
  gemm_blocks blocks_;
  block_grid grid_;
  typename row_ring<Element>::loader load_;
  row_store<result> store_;
  executor executor_;
  sums_anew<Element, T, Tap> anew_;
  std::int64_t phases_ = 1;
  std::int64_t phase_pitch_ = 0;
  std::int64_t row_pitch_ = 0;
  /// From the sample of the first place that the first tap of a channel's last row meets, in memory.
  std::vector<std::int64_t> shifts_;
  std::int64_t panels_ = 0;
  std::int64_t channel_pitch_ = 0;
  aligned_array<T> packed_;
  std::int64_t lanes_ = 1;
};

/// A function of its own: clang 14 forgets the virtual members of what is made within nested templates of lambdas.
template <class Element, class T, class Tap>
std::unique_ptr<const runnable> made(const request& r, const std::vector<Tap>& taps) {
  return std::make_unique<gemm<Element, T, Tap>>(r, taps);
}

/// f.operator()<Element, T, Tap>(taps) with the types that the problem is computed in.
template <class F>
auto with_gemm_types(const request& r, const F& f) {
  const types& t = r.form.types;
  return std::visit(
      [&]<class Tap>(const std::vector<Tap>& taps) {
        if constexpr (std::is_same_v<Tap, std::int32_t>) {
          if (integer_sum_bits(t.in, r.filter.facts.integer_norm1) == 32)
            return f.template operator()<std::int32_t, std::int32_t, Tap>(taps);
          return f.template operator()<std::int64_t, std::int64_t, Tap>(taps);
        } else {
          const bool wide = sums_in_f64(t);
          if (is_complex(t.in))
            return wide ? f.template operator()<std::complex<double>, double, Tap>(taps)
                        : f.template operator()<std::complex<float>, float, Tap>(taps);
          return wide ? f.template operator()<double, double, Tap>(taps)
                      : f.template operator()<float, float, Tap>(taps);
        }
      },
      r.filter.values);
}

}  // namespace

std::string refuse_gemm(const request& r) {
  if (is_integer(r.form.types.filter) &&
      integer_sum_bits(r.form.types.in, r.filter.facts.integer_norm1) == 128)
    return "its sums may need more than 64 bits";
  return with_gemm_types(r, [&]<class Element, class T, class Tap>(const std::vector<Tap>&) {
    const gemm_blocks b = blocks_for<Element, T, Tap>(r.form);
    const double samples = static_cast<double>(b.planes) * static_cast<double>(b.span_rows) *
                           static_cast<double>(b.span_cols);
    return samples > most_samples
               ? std::string("its patches reach over too much of the input for a block")
               : std::string();
  });
}

std::unique_ptr<const runnable> make_gemm(const request& r) {
  return with_gemm_types(r, [&]<class Element, class T, class Tap>(const std::vector<Tap>& taps) {
    return made<Element, T, Tap>(r, taps);
  });
}

}  // namespace convgpu::cpu
