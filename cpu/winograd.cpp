// SPDX-License-Identifier: Apache-2.0
// cpu/winograd: filters of 3x3 that sum channels, with fewer products than their definition has (see winograd.hpp).
//
// A block of tiles is transformed for all channels; of each of its n² numbers, products of matrices
//
//     sums [filters × tiles] = taps [filters × channels] · samples [channels × tiles]
//
// by the loops of cpu/gemm give those of the outputs' tiles, a panel of filters and one of tiles at a time, which are
// transformed back while they are in the first-level cache.

#include "winograd.hpp"

#include <algorithm>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/separable.hpp>
#include <string>
#include <type_traits>
#include <utility>

#include "algorithms.hpp"
#include "blocks.hpp"
#include "fft.hpp"
#include "lanes.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "stores.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

template <class T>
const simd::gemm<T>& products() {
  if constexpr (std::is_same_v<T, float>) return simd::best().f32_gemm;
  else return simd::best().f64_gemm;
}
template <class T>
const simd::winograd<T>& tiles_of(std::int64_t m) {
  const simd::kernels& best = simd::best();
  if constexpr (std::is_same_v<T, float>) return m == 2 ? best.f32_winograd2 : best.f32_winograd4;
  else return m == 2 ? best.f64_winograd2 : best.f64_winograd4;
}

template <class T>
class winograd final : public runnable {
 public:
  winograd(const request& r, const std::vector<double>& taps, const winograd_blocks& blocks)
      : form_(r.form),
        blocks_(blocks),
        products_(products<T>()),
        tiles_(tiles_of<T>(blocks.m)),
        grid_{.groups = form_.groups,
              .height = {form_.filters, form_.filters},
              .planes = {form_.planes, blocks.planes},
              .rows = {blocks.tile_rows, blocks.rows},
              .cols = {blocks.tile_cols, blocks.cols}},
        load_(row_ring<T>::loader_for(form_.types.in)),
        store_(form_.types.out, form_.overflow),
        executor_(r.how.executor),
        anew_(form_, taps) {
    const std::int64_t m = blocks_.m;
    row_pitch_ = up_to_lines((blocks_.cols + tiles_.beyond) * m + 8);
    span_rows_ = blocks_.rows * m + 2;
    out_pitch_ = up_to_lines((blocks_.cols + tiles_.beyond) * m);
    panels_ = (blocks_.places() - 1) / products_.cols + 1;
    // Not a power of two apart, or the numbers of a tile would displace one another from the first-level cache.
    number_step_ = form_.channels * products_.cols + 2 * products_.cols;
    sums_step_ = products_.rows * products_.cols + products_.cols;
    if (m == 2) pack_taps<2>(taps);
    else pack_taps<4>(taps);

    constexpr double products_worth_a_thread = 1 << 20;
    constexpr std::size_t most_workspace = std::size_t{64} << 20;
    const double worth = form_.outputs() * static_cast<double>(form_.channels * blocks_.numbers()) /
                         static_cast<double>(m * m) / products_worth_a_thread;
    grid_.deal_out(std::min(threads_for(r.how), static_cast<std::int64_t>(std::min(worth, 1e9))),
                   products_.rows);
    lanes_ = lanes_for(r.how, grid_.count(), worth, lane_bytes(), most_workspace);
    if (lanes_ > 1 && !executor_) start_workers();  // now, so that no run has to
  }

  [[nodiscard]] std::string parameters() const override {
    const std::string m = std::to_string(blocks_.m);
    return simd::best().name + std::string(", F(") + m + "x" + m + ", 3x3), blocks of " +
           std::to_string(blocks_.planes * blocks_.rows) + " x " + std::to_string(blocks_.cols) +
           " tiles, " + std::to_string(lanes_) + (lanes_ == 1 ? " thread" : " threads");
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return false; }
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
  using piece = simd::winograd_pieces::piece;

  static std::int64_t up_to_lines(std::int64_t n) { return (n + 15) / 16 * 16 + 16; }

  /// What a thread computes with.
  struct scratch {
    T* rows;     // of x̃, of a channel
    T* samples;  // tiles of all channels, transformed: panel by panel, number by number
    T* sums;     // of a panel of filters and one of tiles
    T* results;  // outputs of a panel of filters
    piece* pieces;
    std::int32_t* first_pieces;  // of each panel

    scratch(const winograd& w, std::byte* memory) {
      const auto take = [&](std::size_t bytes) {
        return std::exchange(memory, memory + aligned(bytes));
      };
      rows = reinterpret_cast<T*>(take(w.rows_bytes()));
      samples = reinterpret_cast<T*>(take(w.samples_bytes()));
      sums = reinterpret_cast<T*>(take(w.sums_bytes()));
      results = reinterpret_cast<T*>(take(w.results_bytes()));
      pieces = reinterpret_cast<piece*>(take(w.pieces_bytes()));
      first_pieces = reinterpret_cast<std::int32_t*>(take(w.first_pieces_bytes()));
    }
  };
  [[nodiscard]] std::size_t rows_bytes() const noexcept {
    return static_cast<std::size_t>(blocks_.planes * span_rows_ * row_pitch_) * sizeof(T);
  }
  [[nodiscard]] std::int64_t panel_step() const noexcept {
    return blocks_.numbers() * number_step_;
  }
  [[nodiscard]] std::size_t samples_bytes() const noexcept {
    return static_cast<std::size_t>(panels_ * panel_step()) * sizeof(T);
  }
  [[nodiscard]] std::size_t sums_bytes() const noexcept {
    return static_cast<std::size_t>(blocks_.numbers() * sums_step_) * sizeof(T);
  }
  /// From a filter's outputs to the next one's.
  [[nodiscard]] std::int64_t result_step() const noexcept {
    return blocks_.planes * blocks_.rows * blocks_.m * out_pitch_;
  }
  [[nodiscard]] std::size_t results_bytes() const noexcept {
    return static_cast<std::size_t>(products_.rows * result_step()) * sizeof(T);
  }
  /// One for each row of tiles, and one more where a panel ends within it.
  [[nodiscard]] std::size_t pieces_bytes() const noexcept {
    return static_cast<std::size_t>(blocks_.planes * blocks_.rows + panels_) * sizeof(piece);
  }
  [[nodiscard]] std::size_t first_pieces_bytes() const noexcept {
    return static_cast<std::size_t>(panels_ + 1) * sizeof(std::int32_t);
  }
  [[nodiscard]] std::size_t lane_bytes() const noexcept {
    return aligned(rows_bytes()) + aligned(samples_bytes()) + aligned(sums_bytes()) +
           aligned(results_bytes()) + aligned(pieces_bytes()) + aligned(first_pieces_bytes());
  }

  // ---- taps

  [[nodiscard]] int rows_of(std::int64_t row, std::int64_t height) const noexcept {
    return static_cast<int>(std::min<std::int64_t>(products_.rows, (height - row + 1) / 2 * 2));
  }
  /// Of all taps of a group, transformed, that of a panel's first number.
  [[nodiscard]] const T* taps_of(std::int64_t group, std::int64_t row) const noexcept {
    return packed_.data() +
           (group * ((form_.filters + 1) / 2 * 2) + row) * form_.channels * blocks_.numbers();
  }

  /// G·g·Gᵀ, group by group, panel of filters by panel: number by number, channel by channel, filter by filter.
  template <int M>
  void pack_taps(const std::vector<double>& taps) {
    constexpr int n = M + 2;
    double largest = 0;
    for (const double tap : taps) largest = std::max(largest, std::abs(tap));
    // Near 1, so that products neither overflow nor vanish for the size of taps, up to 2^±100.
    int exponent = 0;
    std::frexp(largest, &exponent);
    exponent = std::clamp(exponent, -100, 100);
    scale_ = static_cast<T>(std::ldexp(1.0, exponent));
    packed_ = aligned_array<T>(static_cast<std::size_t>(
        form_.groups * ((form_.filters + 1) / 2 * 2) * form_.channels * n * n));
    for (std::int64_t g = 0; g < form_.groups; ++g)
      for (std::int64_t f = 0; f < form_.filters; ++f) {
        const std::int64_t first = f / products_.rows * products_.rows;
        const std::int64_t rows = rows_of(first, form_.filters);
        T* const panel = const_cast<T*>(taps_of(g, first)) + (f - first);
        for (std::int64_t c = 0; c < form_.channels; ++c) {
          const double* const of = taps.data() + ((g * form_.filters + f) * form_.channels + c) * 9;
          long double half[n][3];
          for (int i = 0; i < n; ++i)
            for (int l = 0; l < 3; ++l) {
              half[i][l] = 0;
              for (int k = 0; k < 3; ++k)
                half[i][l] +=
                    winograd_matrices<M>::g[i][k] *
                    std::ldexp(static_cast<long double>(of[(2 - k) * 3 + 2 - l]), -exponent);
            }
          for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; ++j) {
              long double number = 0;
              for (int l = 0; l < 3; ++l) number += half[i][l] * winograd_matrices<M>::g[j][l];
              panel[((i * n + j) * form_.channels + c) * rows] = static_cast<T>(number);
            }
        }
      }
  }

  // ---- tasks

  void compute(const block& b, const scratch& own, const any_const_view& in,
               const any_view& out) const {
    find_pieces(b, own);
    const std::int64_t panels = (b.places() - 1) / products_.cols + 1;
    for (std::int64_t c = 0; c < form_.channels; ++c) {
      load_rows(b, b.group * form_.channels + c, own, in);
      for (std::int64_t panel = 0; panel < panels; ++panel)
        tiles_.forward(pieces_of(panel, own, row_pitch_), own.rows,
                       own.samples + panel * panel_step() + c * products_.cols, number_step_);
    }
    for (std::int64_t row = 0; row < b.height; row += products_.rows) {
      const int rows = rows_of(b.row + row, form_.filters);
      const T* const taps = taps_of(b.group, b.row + row);
      for (std::int64_t panel = 0; panel < panels; ++panel) {
        multiply(taps, rows, own.samples + panel * panel_step(),
                 static_cast<int>(
                     std::min<std::int64_t>(products_.cols, b.places() - panel * products_.cols)),
                 own.sums);
        const simd::winograd_pieces pieces = pieces_of(panel, own, out_pitch_);
        for (std::int64_t f = 0; f < std::min<std::int64_t>(rows, b.height - row); ++f)
          tiles_.inverse(pieces, own.sums + f * products_.cols, sums_step_, scale_,
                         own.results + f * result_step());
      }
      store(b, row, own, in, out);
    }
  }

  /// Where the tiles of each panel begin in rows that are loaded, and in a filter's outputs.
  void find_pieces(const block& b, const scratch& own) const {
    std::int32_t count = 0;
    const std::int64_t m = blocks_.m;
    for_each_piece(b, products_.cols,
                   [&](std::int64_t panel, std::int64_t at, std::int64_t n, std::int64_t p,
                       std::int64_t i, std::int64_t j) {
                     if (at == 0) own.first_pieces[panel] = count;
                     own.pieces[count++] = {(p * span_rows_ + i * m) * row_pitch_ + j * m,
                                            (p * blocks_.rows + i) * m * out_pitch_ + j * m,
                                            static_cast<std::int32_t>(at),
                                            static_cast<std::int32_t>(n)};
                   });
    own.first_pieces[(b.places() - 1) / products_.cols + 1] = count;
  }
  [[nodiscard]] simd::winograd_pieces pieces_of(std::int64_t panel, const scratch& own,
                                                std::int64_t pitch) const {
    return {.pieces = own.pieces + own.first_pieces[panel],
            .count = own.first_pieces[panel + 1] - own.first_pieces[panel],
            .pitch = pitch};
  }

  void load_rows(const block& b, std::int64_t channel, const scratch& own,
                 const any_const_view& in) const {
    const std::int64_t m = blocks_.m;
    const std::int64_t top = form_.row.at(b.i * m, 2);
    const std::int64_t left = form_.col.at(b.j * m, 2);
    // Zeros for what no output sees: the rest of a tile is none the worse for them.
    const std::int64_t rows = std::min(b.rows * m, form_.row.out - b.i * m) + 2;
    const std::int64_t cols = std::min(b.cols * m, form_.col.out - b.j * m) + 2;
    for (std::int64_t p = 0; p < b.planes; ++p)
      for (std::int64_t r = 0; r < b.rows * m + 2; ++r) {
        T* const to = own.rows + (p * span_rows_ + r) * row_pitch_;
        const std::int64_t seen = r < rows ? cols : 0;
        if (seen > 0)
          load_row_of(to, row_of(in, b.plane + p, channel, top + r, form_), in.step().col, left,
                      seen, load_, form_);
        std::fill(to + seen, to + b.cols * m + 2, T{});
      }
  }

  void multiply(const T* taps, int rows, const T* samples, int cols, T* sums) const {
    for (std::int64_t n = 0; n < blocks_.numbers(); ++n)
      products_.multiply({.taps = taps + n * form_.channels * rows,
                          .samples = samples + n * number_step_,
                          .sums = sums + n * sums_step_,
                          .pitch = products_.cols,
                          .depth = form_.channels,
                          .rows = rows,
                          .cols = cols,
                          .first = true});
  }

  void store(const block& b, std::int64_t row, const scratch& own, const any_const_view& in,
             const any_view& out) const {
    const strides step = out.step();
    const std::int64_t m = blocks_.m;
    const std::int64_t i = b.i * m;
    const std::int64_t j = b.j * m;
    const std::int64_t rows = std::min(b.rows * m, form_.row.out - i);
    const std::int64_t cols = std::min(b.cols * m, form_.col.out - j);
    const auto width = static_cast<std::int64_t>(size_of(form_.types.out));
    for (std::int64_t n = 0; n < std::min<std::int64_t>(products_.rows, b.height - row); ++n) {
      const std::int64_t f = b.group * form_.filters + b.row + row + n;
      for (std::int64_t p = 0; p < b.planes; ++p)
        for (std::int64_t r = 0; r < rows; ++r) {
          T* const results =
              own.results + n * result_step() + (p * blocks_.rows * m + r) * out_pitch_;
          anew_.mend(results, cols, in, b.plane + p, f, i + r, j);
          store_(
              results, cols,
              static_cast<std::byte*>(out.data()) + ((b.plane + p) * step.plane + f * step.channel +
                                                     (i + r) * step.row + j * step.col) *
                                                        width,
              step.col);
        }
    }
  }

  normal_form form_;
  winograd_blocks blocks_;
  const simd::gemm<T>& products_;
  const simd::winograd<T>& tiles_;
  block_grid grid_;
  typename row_ring<T>::loader load_;
  row_store<T> store_;
  executor executor_;
  sums_anew<T, T, double> anew_;
  std::int64_t row_pitch_ = 0;
  std::int64_t span_rows_ = 0;  // of x̃ that a block of a plane sees
  std::int64_t out_pitch_ = 0;
  std::int64_t panels_ = 0;
  std::int64_t number_step_ = 0;
  std::int64_t sums_step_ = 0;
  aligned_array<T> packed_;
  T scale_ = 1;
  std::int64_t lanes_ = 1;
};

}  // namespace

std::string refuse_winograd(const request& r) {
  const normal_form& form = r.form;
  const types& t = form.types;
  if (form.row.taps != 3 || form.col.taps != 3)
    return "filters of " + std::to_string(form.row.taps) + " x " + std::to_string(form.col.taps) +
           "; it has tiles for those of 3 x 3";
  if (form.row.stride != 1 || form.col.stride != 1) return "it goes over every output: no stride";
  if (form.row.dilation != 1 || form.col.dilation != 1)
    return "it goes over every sample: no dilation";
  if (is_integer(t.in) || is_complex(t.in) || is_complex(t.filter))
    return "it multiplies real floating-point samples by real taps";
  if (form.channels > most_winograd_channels)
    return std::to_string(form.channels) + " channels; a block has room for " +
           std::to_string(most_winograd_channels);
  if (const double least = winograd_error(r, 2); least > allowed_winograd_error(r))
    return "its error may reach " + short_text(least) + ", " +
           (r.how.tolerance
                ? "more than options.tolerance"
                : "more than " + short_text(allowed_winograd_error(r)) +
                      ", four times that of direct summation; options.tolerance may allow it");
  return {};
}

std::unique_ptr<const runnable> make_winograd(const request& r) {
  const auto& taps = std::get<std::vector<double>>(r.filter.values);
  const winograd_blocks blocks = winograd_blocks_for(r);
  if (sums_in_f64(r.form.types)) return std::make_unique<winograd<double>>(r, taps, blocks);
  return std::make_unique<winograd<float>>(r, taps, blocks);
}

}  // namespace convgpu::cpu
