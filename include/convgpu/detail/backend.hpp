// SPDX-License-Identifier: Apache-2.0
// The seam between the common layer and the backends. A backend is an ordered list of algorithms; an
// algorithm can say why not, and makes a runnable out of a request. Not installed: users meet plans.
#pragma once

#include <complex>
#include <convgpu/detail/normal_form.hpp>
#include <convgpu/plan.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace convgpu::detail {

/// Taps, each in a type that holds it exactly.
using tap_values =
    std::variant<std::vector<std::int32_t>, std::vector<double>, std::vector<std::complex<double>>>;

/// A filter as the product of a column and a row: h[k][l] = column[k]·row[l], within `error`. A tap is zero
/// just where its product is. Unless they are integers, the column is scaled by a power of two to a norm from
/// 1 to below 2: sums along rows then overflow no sooner than those of the filter itself, and what they lose
/// to underflow does not grow.
struct rank_one {
  tap_values column;
  tap_values row;
  std::int64_t column_nonzeros = 0;
  std::int64_t row_nonzeros = 0;
  double smallest = 0;  ///< magnitude of a factor's tap that is not zero, and
  double largest = 0;
  double error = 0;  ///< largest |h − column·row| relative to that tap; 0 for an exact product
  double error_norm1 = 0;  ///< Σ|h − column·row| relative to Σ|h|
  double norm1 = 1;        ///< Σ|column·row| relative to Σ|h|
};

/// What the values of a filter allow, found once and read by every algorithm. Of several filters, that one counts
/// which has the most, with the taps for all its channels; nothing is said of factors then.
struct filter_facts {
  std::int64_t nonzeros = 0;
  /// Σ|h| of integer taps, exact; the largest value where it does not fit.
  std::uint64_t integer_norm1 = 0;
  /// Present for filters of several rows and columns that are nearly or exactly of rank 1.
  std::optional<rank_one> factors;
  /// Of real filters that are not: the first terms of their singular value decomposition, as far as sums of them may
  /// be of use. `error` and `error_norm1` are the same, of the sum of all up to that one; infinite where the sum has
  /// not all of the filter's taps that are not zero. None of them has another.
  std::vector<rank_one> terms{};
};

/// Filters in the one form that backends see: dense, row-major, already flipped and conjugated where
/// the operation wants it, each tap in a type that holds it exactly: filter by filter, channel by channel.
struct filter_taps {
  extent size;
  tap_values values;
  filter_facts facts;
  /// Each filter by itself, where they see one channel each and are no more than `most_singles`.
  std::vector<filter_taps> singles{};

  static constexpr std::int64_t most_singles = 1024;
};

/// What an algorithm is asked for. `how` is checked; its device and algorithm are dealt with already.
struct request {
  const normal_form& form;
  const filter_taps& filter;
  const options& how;
  int device;  ///< index among those of the backend
};

/// An algorithm made ready for one problem and filter. Immutable; runs any number of times at once.
class runnable {
 public:
  runnable() = default;
  runnable(const runnable&) = delete;
  runnable& operator=(const runnable&) = delete;
  virtual ~runnable() = default;

  /// What the algorithm made of its freedom, for `description::parameters`.
  [[nodiscard]] virtual std::string parameters() const = 0;
  /// Integer-valued floats whose sums are exact come out exactly.
  [[nodiscard]] virtual bool exact_on_integers() const noexcept = 0;
  [[nodiscard]] virtual std::size_t workspace_bytes() const noexcept = 0;

  /// Computes. The views are checked, dense or not, and of one kind of memory. `workspace` has at least
  /// `workspace_bytes()`; on a device it may be empty, and the runnable then finds its own, because only it
  /// knows when the work is done.
  virtual void run(const any_const_view& in, const any_view& out, stream on,
                   std::span<std::byte> workspace) const = 0;
};

/// Along an axis, which elements of one array are added up to one of another: entry i goes to place
/// border_index(border, start + i·step, places), to none where that is −1. Steps of more than 1 are for `zero` alone.
struct fold_axis {
  std::int64_t start;
  std::int64_t step;
};
struct fold_form {
  border_kind border;
  fold_axis row;
  fold_axis col;
};

/// What gradients of data in a device's memory need beside plans, on one device. Immutable; used by any number of
/// threads at once. Work is queued on the stream, in which it has its order; nothing waits. No sum depends on the
/// device or on what else it does.
class gradient_steps {
 public:
  gradient_steps() = default;
  gradient_steps(const gradient_steps&) = delete;
  gradient_steps& operator=(const gradient_steps&) = delete;
  virtual ~gradient_steps() = default;

  /// \throws invalid_problem where an argument, of that name, is not the device's, or the stream is not
  virtual void check(const char* name, const any_const_view& v, stream on) const = 0;
  /// Every element of `to` as the sum of those of `from` that go there, of floating types that are equal or differ in
  /// width. The views have as many planes and channels each, and share no memory.
  virtual void fold(const any_const_view& from, const any_view& to, const fold_form& how,
                    stream on) const = 0;
  /// Σ ∂L/∂y[i]·conj(x̃[at(i, k)]) over planes and outputs, to tap k of each filter and channel; its conjugate where
  /// `conjugated`, and its real part where taps are real. `flipped`: to the taps of a correlation. A gradient of 0 sees
  /// nothing. `sums` has filter_gradient_bytes, aligned as all that the device hands out.
  virtual void sum_products(const any_const_view& in, const any_const_view& out_gradient,
                            const any_view& to, const normal_form& form, bool flipped,
                            bool conjugated, std::span<std::byte> sums, stream on) const = 0;
  /// Calls f with memory for what it queues on the stream, where the caller has brought none.
  /// \throws invalid_problem while a graph is captured from the stream
  virtual void with_workspace(
      stream on, const std::function<void(std::span<std::byte> workspace)>& f) const = 0;
};

/// What an algorithm is expected to need.
struct estimate {
  double seconds = 0;  ///< of a run, without copies of host data: on the CPU on one thread
  /// The same with all threads that the machine has; for comparing backends, and nothing else.
  double shared_seconds = 0;
  bound by = bound::overhead;
  double error = 0;  ///< bound relative to ‖h‖₁·max|x|, before the result is stored
};

/// Seconds that one of each thing takes that a backend's predictions count: a call, a product, a byte. Their names and
/// order are the backend's own. Predictions are linear in them as long as data fit in the caches.
using rates = std::span<const double>;

struct algorithm {
  std::string_view name;     ///< "cpu/direct"
  std::string_view summary;  ///< how it works, in a line
  /// Why it cannot do this; empty where it can.
  std::string (*refusal)(const request&);
  /// What it would take, where it does not refuse.
  estimate (*cost)(const request&, rates);
  std::unique_ptr<const runnable> (*make)(const request&);
};

/// How the taps of a probe come about.
enum class probe_filter : std::uint8_t { random, product, symmetric, box };

/// A problem that rates are found from: what an algorithm takes for it.
struct probe {
  std::string_view algorithm;
  extent in;
  extent filter;
  convgpu::types types;
  probe_filter taps = probe_filter::random;
  convgpu::border border = border::zero();
  std::int64_t channels = 1;  ///< with random taps alone
  std::int64_t filters = 1;
};

/// How the rates of a backend come about.
struct rate_table {
  /// A name for each of them.
  std::span<const std::string_view> names{};
  /// Those that are built in for device `index`, and where they come from.
  std::vector<double> (*built_in)(int index) = nullptr;
  std::string (*source)(int index) = nullptr;
  /// What a file of measured ones is good for: processor and instruction set. Empty: they cannot be measured.
  std::string (*machine)() = nullptr;
  std::span<const probe> probes{};
  /// Rates of copies, by name, and the bytes that are copied for each.
  struct copy {
    std::string_view name;
    std::size_t bytes;
  };
  std::span<const copy> copies{};
};

struct backend {
  std::string_view name;
  /// Why device `index` cannot be used; empty where it can.
  std::string (*unavailable)(int index);
  /// How many devices there are, of use or not.
  int (*device_count)();
  std::vector<std::string> (*devices)();
  /// The first one wins where predictions are equal. The last one refuses nothing, and is taken where all others do.
  std::span<const algorithm> algorithms;
  rate_table table{};
  /// Seconds for copying the data of a run to device `index` and back; null where they need no copying.
  double (*transfer)(const request&) = nullptr;
  /// Steps of gradients on device `index`, for runs that need so much workspace; null where data are the host's.
  std::unique_ptr<const gradient_steps> (*make_gradient_steps)(int index,
                                                               std::size_t workspace) = nullptr;
  /// What gradient_steps::sum_products works in; not null where those are not.
  std::size_t (*filter_gradient_bytes)(const normal_form&) = nullptr;
};

/// One function for each backend folder. A backend that is not built answers all the same.
[[nodiscard]] const backend& cpu_backend();
[[nodiscard]] const backend& cuda_backend();

}  // namespace convgpu::detail
