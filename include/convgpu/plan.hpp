// SPDX-License-Identifier: Apache-2.0
// A plan: the frozen choice of device and algorithm for one problem and one filter, made once and run
// as often as one likes.
#pragma once

#include <convgpu/detail/export.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/stream.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convgpu {

enum class device_kind : std::uint8_t { automatic, cpu, cuda };

/// Where to compute.
class device {
 public:
  constexpr device() noexcept = default;

  /// A CUDA device where there is one, the plan can be made on it, and it is predicted to be faster; else the CPU.
  /// `description::notes` then says why.
  static constexpr device automatic() noexcept { return {device_kind::automatic, 0}; }
  static constexpr device cpu() noexcept { return {device_kind::cpu, 0}; }
  /// The CUDA device of that index, counted as the CUDA runtime counts.
  static constexpr device cuda(int index = 0) noexcept { return {device_kind::cuda, index}; }

  [[nodiscard]] constexpr device_kind kind() const noexcept { return kind_; }
  [[nodiscard]] constexpr int index() const noexcept { return index_; }
  friend constexpr bool operator==(device, device) noexcept = default;

 private:
  constexpr device(device_kind kind, int index) noexcept : kind_(kind), index_(index) {}

  device_kind kind_ = device_kind::automatic;
  int index_ = 0;
};

/// "auto", "cpu", "cuda:0" …
[[nodiscard]] CONVGPU_API std::string to_string(device d);
/// The device of that name: auto, cpu, cuda or cuda:N.
/// \throws invalid_problem for anything else.
[[nodiscard]] CONVGPU_API device parse_device(std::string_view name);

/// A parallel loop of the caller's own: must call task(0) … task(count−1), each once, in any order, on
/// any threads, and return when all have returned. Tasks do not throw. What the executor itself throws goes
/// to the caller of `run`, whose output is then unfinished.
using executor =
    std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& task)>;

/// How an algorithm is chosen among those that can do it.
enum class policy : std::uint8_t {
  predict,  ///< by what the rates of this machine say, which takes microseconds and is always the same
  measure,  ///< by trying the likely ones once, on data of the problem's shape, while the plan is made
};

/// How the answer is found. None of it changes what the answer means.
struct options {
  convgpu::device device{};
  /// An algorithm's name, such as "cpu/direct", forces that one; empty leaves the choice to the planner.
  std::string algorithm{};
  /// The error a caller can bear, relative to ‖h‖₁·max|x|. Unset: as good as direct summation in the
  /// same type. 0: algorithms that sum the products directly, or as exactly, only. docs/conventions.md,
  /// section 11, has the bounds. Must not be negative or NaN.
  std::optional<double> tolerance{};
  /// Threads at most, the caller's own included; 0 for as many as the machine has. Never changes a bit
  /// of the result.
  int max_threads = 0;
  /// Runs the parallel parts where the library's own threads are not wanted.
  convgpu::executor executor{};
  /// How to choose. What `measure` allocates for its trials is freed before the plan is there.
  convgpu::policy policy = policy::predict;
  /// Bytes that `workspace_bytes()` may come to at most: with less, fewer threads work at a time, or another
  /// algorithm is taken. Only an algorithm that is forced can fail on it. Data that `policy::measure` tries
  /// algorithms on are no larger, either.
  /// Transforms may take smaller blocks under it, whose sums round otherwise.
  std::size_t max_workspace = std::numeric_limits<std::size_t>::max();
  /// Where the data of runs will be, for `device::automatic`. Data of the host have to be copied to a device and
  /// back, so that small problems stay on the CPU. One-shot calls look at their arguments instead.
  memory data = memory::host;
};

/// What an algorithm would wait for. Copies of host data to a device and back are no part of its own time, but are said
/// to bound it where they take longer.
enum class bound : std::uint8_t { overhead, arithmetic, memory, transfer };
/// "overhead", "arithmetic", "memory", "transfer"
[[nodiscard]] CONVGPU_API std::string_view to_string(bound b) noexcept;

/// One algorithm and what became of it when a plan was made. What is not known of it is not there: an algorithm that
/// refuses is not predicted, and only those that were made ready know their workspace.
struct candidate {
  std::string algorithm;
  enum class verdict : std::uint8_t { chosen, beaten, refused } outcome = verdict::beaten;
  std::string reason;
  /// Of a run: on the CPU on one thread, as the choice does not depend on how many there are; on a device with
  /// the data there.
  std::optional<double> predicted_seconds{};
  std::optional<bound> bound_by{};
  std::optional<double> measured_seconds{};  ///< with `policy::measure`
  std::optional<std::size_t> workspace_bytes{};
  /// Largest error before the result is stored, relative to ‖h‖₁·max|x|; 0 for exact sums.
  std::optional<double> error_bound{};
};

/// What a plan chose, and why.
struct description {
  std::string device;              ///< "cpu", "cuda:0"
  std::string algorithm;           ///< "cpu/direct"
  std::string parameters;          ///< tile, threads: what the algorithm made of its freedom
  bool exact_on_integers = false;  ///< integer-valued floats, with exact sums, come out exactly
  std::size_t workspace_bytes = 0;
  std::vector<candidate>
      candidates;     ///< every algorithm of the device, in the order that decides ties
  std::string rates;  ///< where those come from that predictions are made with
  std::vector<std::string> notes;  ///< devices and files that were passed over, with the reason
};

namespace detail {
class plan_state;
}

/// Immutable but for `set_filter`, cheap to copy (copies share everything), and safe to run from any
/// number of threads and streams at once.
class CONVGPU_API plan {
 public:
  /// Chooses and prepares. The filter's taps are copied: its memory may go afterwards.
  /// \throws invalid_problem      the problem, the filter (a NaN or infinite tap, a type or extent other
  ///                              than the problem's) or an option makes no sense
  /// \throws unsupported          `options::algorithm` names one that refuses this problem
  /// \throws backend_unavailable  `options::device` is not there; the environment variable CONVGPU_SIMD, for a
  ///                              plan on the CPU, names no instruction set that the processor has
  /// \throws cuda_error           `options::device` fails; never with `device::automatic`, which takes the CPU
  ///                              then, unless an algorithm of CUDA's is forced
  /// \throws std::bad_alloc       likewise where the device's memory does not suffice
  plan(const convgpu::problem& p, const any_const_view& filter, const options& how = {});

  /// The same for a filter that is a column times a row, h[k][l] = column[k]·row[l]: both of one type, each one row
  /// or one column of taps, or a bare range. Nobody has to find out then that it is, or how nearly.
  /// \throws as above; invalid_problem also where a product of two taps is out of range, or for several channels or filters
  plan(const convgpu::problem& p, const any_const_view& column, const any_const_view& row,
       const options& how = {});

  /// Copies share everything; a plan that is moved from stays what it was.
  plan(const plan&) noexcept;
  plan& operator=(const plan&) noexcept;
  ~plan();

  /// Computes. `in` and `out` have the problem's types and planes, its channels and filters in number, and the
  /// extents of `problem().in` and `output_extent()`, in any steps, host memory for a plan on the CPU; they must not overlap, and
  /// elements of `out` must not overlap each other. A bare range stands for a dense array.
  ///
  /// On the CPU the work is done on return. A plan on a CUDA device takes
  /// - device memory (managed memory included): the work is then queued on the stream `on` when `run` returns,
  ///   which has waited for nothing. It may be captured in a graph, which uses the plan's taps: the plan,
  ///   or a copy of it with the same filter, must stay for as long as the graph is launched.
  /// - host memory, which it copies there and back, after what is queued on `on`: the work is then done on
  ///   return. Page-locked dense memory is copied without a detour.
  ///
  /// `workspace` is memory of the plan's device: host memory on the CPU, device memory on a CUDA device, also
  /// where the data is on the host. It serves one run at a time, until that run's work is done. Without it,
  /// when `workspace_bytes()` is not 0, it is taken from a pool that the plan keeps, one piece for each
  /// concurrent run; a graph that is captured must be given its own. Otherwise nothing is allocated for data
  /// of the plan's device.
  ///
  /// A plan runs on its device whichever device is the caller's current one, and leaves that as it was.
  ///
  /// \throws invalid_problem  a view is null, of other type, extent, planes, channels or memory than the plan's,
  ///                          overlaps, or reaches past its allocation on the device; the workspace is too
  ///                          small, overlaps, is of other memory, or is missing in a capture; the stream is
  ///                          not the device's
  /// \throws std::bad_alloc   memory is needed and there is none; `out` is untouched then
  /// \throws cuda_error       a call of the CUDA runtime failed; with host data, `out` may be written in part
  void run(const any_const_view& in, const any_view& out, convgpu::stream on = {},
           std::span<std::byte> workspace = {}) const;

  /// Takes other taps of the same extent and type; choice and facts are made anew. Copies of this plan
  /// keep theirs. Not to be called while another thread uses this very object.
  /// \throws as the constructor; the plan is unchanged then.
  void set_filter(const any_const_view& filter);
  void set_filter(const any_const_view& column, const any_const_view& row);

  /// The problem, with everything said that was left to the filter.
  [[nodiscard]] const convgpu::problem& problem() const noexcept;
  /// Rows and columns of one plane of the output.
  [[nodiscard]] extent output_extent() const noexcept;
  /// Bytes `run` needs beside its arguments. Any alignment will do.
  [[nodiscard]] std::size_t workspace_bytes() const noexcept;

  /// What was chosen and why: as data, as text of a few lines, and as a JSON object.
  [[nodiscard]] const description& describe() const noexcept;
  [[nodiscard]] std::string explain() const;
  [[nodiscard]] std::string explain_json() const;

 private:
  std::shared_ptr<const detail::plan_state> state_;
};

/// A backend of this library as it stands on this machine.
struct backend_info {
  std::string name;                  ///< "cpu", "cuda"
  std::string unavailable;           ///< why it cannot be used; empty where it can
  std::vector<std::string> devices;  ///< "cpu: 8 threads, avx2"
  struct entry {
    std::string name;
    std::string summary;
  };
  std::vector<entry> algorithms;  ///< the last one accepts every problem
};

/// All backends, CPU first. Loads what would be loaded by a plan, and throws nothing for what is missing.
[[nodiscard]] CONVGPU_API std::vector<backend_info> backends();

/// The library's version, "0.1.0".
[[nodiscard]] CONVGPU_API std::string_view version() noexcept;

}  // namespace convgpu
