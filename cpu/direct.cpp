// SPDX-License-Identifier: Apache-2.0
// cpu/direct: direct summation.
//
// The output is cut into tiles, bands of rows by blocks of columns, that threads take one after the other.
// A tile needs some rows of x̃, the input continued by its border. Where such a row lies inside the input
// and has the right type already, it is used in place; otherwise it is loaded, converted and continued,
// into a small ring of rows. The loops that do the work therefore never test for a border:
//
//     row of sums += tap · row of x̃, shifted        for every tap that is not zero
//
// Each output is summed in the order of its taps, so that neither tiles nor threads change a bit.

#include <algorithm>
#include <atomic>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/border_index.hpp>
#include <convgpu/error.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "algorithms.hpp"
#include "parallel.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

// Work below this many products is done before a second thread has woken up.
constexpr std::int64_t products_worth_a_thread = 1 << 17;
// Outputs of a block of columns: sums and one row of x̃ stay in the first-level cache.
constexpr std::int64_t block_cols = 2048;
// Samples that a row of taps may reach over, for a row of x̃ to be loaded as a whole.
constexpr std::int64_t longest_reach = std::int64_t{1} << 28;
// What all threads together may have as workspace before there are fewer of them.
constexpr std::size_t most_workspace = std::size_t{1} << 30;
// What the ring of rows may take of a second-level cache.
constexpr std::int64_t ring_bytes = 512 * 1024;
constexpr std::size_t alignment = 64;

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

template <class Tap>
struct placed_tap {
  Tap value;
  std::int64_t offset;  // from the first sample that a row of outputs needs
};

/// Taps of one filter row that are not zero.
template <class Tap>
using tap_row = std::vector<placed_tap<Tap>>;

/// sums[j] += Σ taps · x[j·stride + offset]. Four taps at a time, so that the sums are read and written
/// once for four products; the order of additions stays that of the taps.
template <class Sum, class Tap, class Sample, class Stride>
void accumulate(Sum* __restrict sums, std::int64_t count, const Sample* __restrict x, Stride stride,
                const tap_row<Tap>& taps) {
  std::size_t t = 0;
  for (; t + 4 <= taps.size(); t += 4) {
    const auto [h0, o0] = taps[t];
    const auto [h1, o1] = taps[t + 1];
    const auto [h2, o2] = taps[t + 2];
    const auto [h3, o3] = taps[t + 3];
    for (std::int64_t j = 0; j < count; ++j) {
      Sum sum = sums[j];
      sum += product<Sum>(h0, x[j * stride + o0]);
      sum += product<Sum>(h1, x[j * stride + o1]);
      sum += product<Sum>(h2, x[j * stride + o2]);
      sum += product<Sum>(h3, x[j * stride + o3]);
      sums[j] = sum;
    }
  }
  for (; t < taps.size(); ++t) {
    const auto [h, o] = taps[t];
    for (std::int64_t j = 0; j < count; ++j) sums[j] += product<Sum>(h, x[j * stride + o]);
  }
}

/// Loads x̃[first … first+count) of the input row that starts at `data`.
template <class Sample, class In>
void load_row(Sample* to, const void* data, std::int64_t step, std::int64_t first,
              std::int64_t count, const detail::normal_form& form) {
  const auto* from = static_cast<const In*>(data);
  const auto outside = border_value<Sample>(form.border);
  const auto continued = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j) {
      const std::int64_t at = detail::border_index(form.border.kind(), first + j, form.col.in);
      to[j] = at < 0 ? outside : number<Sample>(from[at * step]);
    }
  };
  const std::int64_t left = std::clamp<std::int64_t>(-first, 0, count);
  const std::int64_t right = std::clamp(form.col.in - first, left, count);
  continued(0, left);
  if (step == 1)  // a loop of its own, for the compiler to vectorise
    for (std::int64_t j = left; j < right; ++j) to[j] = number<Sample>(from[first + j]);
  else
    for (std::int64_t j = left; j < right; ++j) to[j] = number<Sample>(from[(first + j) * step]);
  continued(right, count);
}

template <class Sum, class Out>
void store_row(const Sum* sums, std::int64_t count, void* data, std::int64_t step,
               overflow policy) {
  auto* to = static_cast<Out*>(data);
  for (std::int64_t j = 0; j < count; ++j) to[j * step] = element_of<Out>(sums[j], policy);
}

template <class Sample, class Tap, class Sum>
class direct final : public detail::runnable {
  using loader = void (*)(Sample*, const void*, std::int64_t, std::int64_t, std::int64_t,
                          const detail::normal_form&);
  using storer = void (*)(const Sum*, std::int64_t, void*, std::int64_t, overflow);

 public:
  template <class FilterTap>
  direct(const detail::request& r, const std::vector<FilterTap>& taps)
      : form_(r.form),
        executor_(r.how.executor),
        load_(with_element_type(form_.types.in,
                                []<class In>() -> loader {
                                  if constexpr (is_complex_type<In> == is_complex_type<Sample>)
                                    return load_row<Sample, In>;
                                  else return nullptr;  // no such pair in the table of types
                                })),
        store_(with_element_type(form_.types.out, []<class Out>() -> storer {
          if constexpr (can_store<Out, Sum>) return store_row<Sum, Out>;
          else return nullptr;
        })) {
    place(taps);
    cut(r);
  }

  [[nodiscard]] std::string parameters() const override {
    return "tiles of " + std::to_string(band_) + " x " + std::to_string(block_) + ", " +
           std::to_string(lanes_) + (lanes_ == 1 ? " thread" : " threads");
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return lane_bytes() * static_cast<std::size_t>(lanes_) + alignment - 1;
  }

  void run(const any_const_view& in, const any_view& out, stream,
           std::span<std::byte> workspace) const override {
    const auto address = reinterpret_cast<std::uintptr_t>(workspace.data());
    std::byte* const memory = workspace.data() + (alignment - address % alignment) % alignment;
    std::atomic<std::int64_t> next = 0;
    const auto lane = [&](std::int64_t index) {
      scratch own = split(memory + static_cast<std::size_t>(index) * lane_bytes());
      for (std::int64_t t = next++; t < tiles(); t = next++) compute_tile(t, in, out, own);
    };
    // By reference, so that the std::function allocates nothing.
    parallel_for(lanes_, executor_, std::ref(lane));
    if (next < tiles())
      throw invalid_problem(
          "options.executor: returned before it had called any task; allowed: one that calls each "
          "once");
  }

 private:
  /// What a thread computes with: the sums of a row of outputs, and the ring of rows with the input row
  /// that each one holds.
  struct scratch {
    Sum* sums;
    std::int64_t* held;
    Sample* rows;
  };
  static constexpr std::int64_t nothing = -2;     // in `held`
  static constexpr std::int64_t border_row = -1;  // a row of the border's value

  template <class FilterTap>
  void place(const std::vector<FilterTap>& taps) {
    rows_.resize(static_cast<std::size_t>(form_.row.taps));
    const std::int64_t last = form_.col.reach() - 1;
    auto tap = taps.begin();
    for (tap_row<Tap>& row : rows_)
      for (std::int64_t l = 0; l < form_.col.taps; ++l, ++tap)
        if (*tap != FilterTap{}) row.push_back({number<Tap>(*tap), last - l * form_.col.dilation});
  }

  void cut(const detail::request& r) {
    // With a long stride a block has fewer outputs, so that its row of x̃ stays short, too.
    const std::int64_t room = 4 * block_cols + form_.col.reach();
    block_ = std::min({form_.col.out, block_cols, room / form_.col.stride + 1});
    row_length_ = (block_ - 1) * form_.col.stride + form_.col.reach();
    slots_ = std::clamp(ring_bytes / (row_length_ * static_cast<std::int64_t>(sizeof(Sample))),
                        std::int64_t{1}, form_.row.reach());
    std::int64_t threads = r.how.max_threads > 0 ? r.how.max_threads : hardware_threads();
    if (!executor_) threads = std::min<std::int64_t>(threads, hardware_threads());
    // Each band loads a filter's height of rows anew: bands as high as that, or for balance four to a
    // thread where they can be higher, but at least one for each.
    const auto share = [&](std::int64_t parts) { return (form_.row.out - 1) / parts + 1; };
    band_ = std::min(std::max(share(4 * threads), form_.row.reach()), share(threads));
    const double products = static_cast<double>(form_.row.out) *
                            static_cast<double>(form_.col.out) * static_cast<double>(form_.planes) *
                            static_cast<double>(std::max<std::int64_t>(r.filter.facts.nonzeros, 1));
    const double worth = products / static_cast<double>(products_worth_a_thread);
    lanes_ = worth < 2
                 ? 1
                 : std::min({threads, tiles(), static_cast<std::int64_t>(std::min(worth, 1e9)),
                             static_cast<std::int64_t>(most_workspace / lane_bytes() + 1)});
    if (lanes_ > 1 && !executor_) start_workers();  // now, so that no run has to
  }

  [[nodiscard]] std::int64_t bands() const noexcept { return (form_.row.out - 1) / band_ + 1; }
  [[nodiscard]] std::int64_t blocks() const noexcept { return (form_.col.out - 1) / block_ + 1; }
  [[nodiscard]] std::int64_t tiles() const noexcept { return form_.planes * bands() * blocks(); }

  [[nodiscard]] std::size_t sums_bytes() const noexcept {
    return aligned(static_cast<std::size_t>(block_) * sizeof(Sum));
  }
  [[nodiscard]] std::size_t held_bytes() const noexcept {
    return aligned(static_cast<std::size_t>(slots_) * sizeof(std::int64_t));
  }
  [[nodiscard]] std::size_t lane_bytes() const noexcept {
    return sums_bytes() + held_bytes() +
           aligned(static_cast<std::size_t>(slots_ * row_length_) * sizeof(Sample));
  }
  [[nodiscard]] scratch split(std::byte* memory) const noexcept {
    return {reinterpret_cast<Sum*>(memory), reinterpret_cast<std::int64_t*>(memory + sums_bytes()),
            reinterpret_cast<Sample*>(memory + sums_bytes() + held_bytes())};
  }

  void compute_tile(std::int64_t tile, const any_const_view& in, const any_view& out,
                    scratch& own) const {
    const std::int64_t j0 = tile % blocks() * block_;
    const std::int64_t i0 = tile / blocks() % bands() * band_;
    const std::int64_t plane = tile / blocks() / bands();
    const std::int64_t count = std::min(block_, form_.col.out - j0);
    const std::int64_t end = std::min(i0 + band_, form_.row.out);
    std::fill_n(own.held, slots_, nothing);
    for (std::int64_t i = i0; i < end; ++i) {
      std::fill_n(own.sums, count, Sum{});
      for (std::int64_t k = 0; k < form_.row.taps; ++k) {
        const tap_row<Tap>& taps = rows_[static_cast<std::size_t>(k)];
        if (taps.empty()) continue;
        const Sample* x = row(in, plane, form_.row.at(i, k), j0, count, own);
        if (x == nullptr) continue;
        if (form_.col.stride == 1)
          accumulate(own.sums, count, x, std::integral_constant<std::int64_t, 1>{}, taps);
        else accumulate(own.sums, count, x, form_.col.stride, taps);
      }
      auto* const to = static_cast<std::byte*>(out.data()) +
                       (plane * out.step().plane + i * out.step().row + j0 * out.step().col) *
                           static_cast<std::int64_t>(size_of(form_.types.out));
      store_(own.sums, count, to, out.step().col, form_.overflow);
    }
  }

  /// The samples of row `r` of x̃ that outputs j0 … j0+count−1 need; null where all are zero.
  const Sample* row(const any_const_view& in, std::int64_t plane, std::int64_t r, std::int64_t j0,
                    std::int64_t count, scratch& own) const {
    const std::int64_t source = detail::border_index(form_.border.kind(), r, form_.row.in);
    if (source == border_row && form_.border.kind() == border_kind::zero) return nullptr;
    const std::int64_t first = form_.col.at(j0, form_.col.taps - 1);
    const std::int64_t length = (count - 1) * form_.col.stride + form_.col.reach();

    const std::byte* data = nullptr;
    if (source != border_row) {
      data = static_cast<const std::byte*>(in.data()) +
             (plane * in.step().plane + source * in.step().row) *
                 static_cast<std::int64_t>(size_of(form_.types.in));
      const bool in_place = form_.types.in == dtype_of<Sample> && in.step().col == 1 &&
                            first >= 0 && first + length <= form_.col.in;
      if (in_place) return reinterpret_cast<const Sample*>(data) + first;
    }
    const std::int64_t slot = std::max<std::int64_t>(source, 0) % slots_;
    Sample* const loaded = own.rows + slot * row_length_;
    if (own.held[slot] == source) return loaded;
    if (source == border_row) std::fill_n(loaded, length, border_value<Sample>(form_.border));
    else load_(loaded, data, in.step().col, first, length, form_);
    own.held[slot] = source;
    return loaded;
  }

  detail::normal_form form_;
  executor executor_;
  loader load_;
  storer store_;
  std::vector<tap_row<Tap>> rows_;  // of the filter
  std::int64_t block_ = 1;          // outputs of a tile, along and across rows
  std::int64_t band_ = 1;
  std::int64_t lanes_ = 1;       // threads at most
  std::int64_t slots_ = 1;       // rows in the ring
  std::int64_t row_length_ = 1;  // samples of each
};

using made = std::unique_ptr<const detail::runnable>;

/// Integers, exactly: in the narrowest sums that hold ‖h‖₁·max|x|, and thereby every partial sum.
made make(const detail::request& r, const std::vector<std::int32_t>& taps) {
  switch (integer_sum_bits(r.form.types.in, r.filter.facts.integer_norm1)) {
    case 32: return std::make_unique<direct<std::int32_t, std::int32_t, std::int32_t>>(r, taps);
    case 64: return std::make_unique<direct<std::int32_t, std::int32_t, std::int64_t>>(r, taps);
    default: return std::make_unique<direct<std::int32_t, std::int32_t, int128>>(r, taps);
  }
}

/// Floats in their own type, 16-bit floats in f32, integers with taps that are not in f64.
made make(const detail::request& r, const std::vector<double>& taps) {
  switch (r.form.types.in) {
    case dtype::f16:
    case dtype::bf16:
    case dtype::f32: return std::make_unique<direct<float, float, float>>(r, taps);
    case dtype::cf32:
      return std::make_unique<direct<std::complex<float>, float, std::complex<float>>>(r, taps);
    case dtype::cf64:
      return std::make_unique<direct<std::complex<double>, double, std::complex<double>>>(r, taps);
    default: return std::make_unique<direct<double, double, double>>(r, taps);
  }
}

made make(const detail::request& r, const std::vector<std::complex<double>>& taps) {
  using c32 = std::complex<float>;
  using c64 = std::complex<double>;
  switch (r.form.types.in) {
    case dtype::f32: return std::make_unique<direct<float, c32, c32>>(r, taps);
    case dtype::f64: return std::make_unique<direct<double, c64, c64>>(r, taps);
    case dtype::cf32: return std::make_unique<direct<c32, c32, c32>>(r, taps);
    default: return std::make_unique<direct<c64, c64, c64>>(r, taps);
  }
}

}  // namespace

std::string refuse_direct(const detail::request& r) {
  const detail::axis& col = r.form.col;
  const std::string reach =
      "the taps of a row reach over " + std::to_string(col.reach()) + " samples, ";
  if (col.reach() > longest_reach)
    return reach + "more than the " + std::to_string(longest_reach) + " it loads at once";
  if (col.reach() / 16 > col.taps + col.in + col.out)
    return reach + "nearly all of them gaps, which it would have to load";
  return {};
}

std::unique_ptr<const detail::runnable> make_direct(const detail::request& r) {
  return std::visit([&](const auto& taps) { return make(r, taps); }, r.filter.values);
}

}  // namespace convgpu::cpu
