// SPDX-License-Identifier: Apache-2.0 The runtime behind the API: memory that knows its device and
// its bounds, streams as queues of work, graphs as lists of it.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>

#include "execution.hpp"

namespace cuda_on_host::detail {

using work = std::function<void()>;

/// A place in a stream's order of work.
struct ticket {
  std::shared_ptr<CUstream_st> stream;
  std::int64_t number = 0;

  [[nodiscard]] bool reached() const;
};

struct operation {
  work what;
  std::vector<ticket> after;  // work of other streams that has to be done before
};

struct capture {
  cudaStreamCaptureMode mode{};
  std::thread::id thread;
  bool spoiled = false;  // by a call that must not be made meanwhile
  std::vector<work> nodes;
};

}  // namespace cuda_on_host::detail

// CUDA names these four and leaves open what they are.

struct CUstream_st {
  int device = 0;
  bool is_default = false;
  std::thread::id thread;  // of the one whose default stream it is
  bool blocking = true;    // in order with the default stream
  bool destroyed = false;
  std::deque<cuda_on_host::detail::operation> queue;
  std::int64_t issued = 0;  // the number of the latest operation
  std::int64_t done = 0;    // and of the latest one that is done
  std::shared_ptr<cuda_on_host::detail::capture> capturing;
};

struct CUevent_st {
  int device = 0;
  bool timing = true;
  std::optional<cuda_on_host::detail::ticket> recorded;
  std::shared_ptr<cuda_on_host::detail::capture> captured;  // if it was last recorded in one
  std::chrono::steady_clock::time_point time;
};

struct CUgraph_st {
  std::vector<cuda_on_host::detail::work> nodes;
};

struct CUgraphExec_st {
  std::vector<cuda_on_host::detail::work> nodes;
};

namespace cuda_on_host::detail {

struct allocation {
  std::size_t bytes = 0;
  cudaMemoryType type = cudaMemoryTypeUnregistered;
  int device = 0;
  bool freeing = false;     // queued to be freed
  bool registered = false;  // the program's own, without guards
};

/// Bytes of a copy's one side.
struct box {
  std::byte* at = nullptr;
  std::size_t pitch = 0;  // from row to row
  std::size_t slice = 0;  // from plane to plane
};

/// Which memory an argument must point to.
enum class side : std::uint8_t { host, device, either };

/// Why a call fails, thrown as far as the call.
struct refusal {
  cudaError_t error;
};

inline thread_local int current_device = 0;
inline thread_local cudaError_t last_error = cudaSuccess;
inline thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

/// Everything there is, under one lock that each call of the API takes. Kernels run under it.
class runtime {
 public:
  runtime() { restart({}); }
  void restart(const machine& to);

  std::mutex mutex;
  machine on;
  execution when = execution::eager;
  order of = order::ascending;

  // Calls

  /// Notes a call, and refuses it if a test or the state of the machine says so.
  void begin_call(const char* name, bool needs_driver);
  template <class... Parts>
  [[noreturn]] void refuse(cudaError_t error, const Parts&... why) {
    complaint = text(calls.back(), ": ", why...);
    throw refusal{error};
  }
  /// What work does that fails: every later call says so.
  void break_down(const failure& how);

  std::vector<std::string> calls;
  std::int64_t calls_to_failure = 0;  // 0: none is to fail
  cudaError_t failure_to_come = cudaSuccess;
  cudaError_t broken = cudaSuccess;
  std::string complaint;

  // Memory

  void* allocate(std::size_t bytes, cudaMemoryType type);
  /// The program's own memory becomes page-locked.
  void enlist(void* pointer, std::size_t bytes);
  /// From here on it is no longer the caller's.
  void begin_free(void* pointer, cudaMemoryType type, bool registered = false);
  void end_free(const void* pointer);
  /// The memory that the address is in, or beside by less than a guard; `offset` says where.
  [[nodiscard]] const allocation* find_memory(const void* near, std::ptrdiff_t& offset) const;
  [[nodiscard]] std::size_t used(int device) const;
  void copy(const box& to, const box& from, cudaExtent size, cudaMemcpyKind kind,
            cudaStream_t handle, bool wait);
  void fill(void* to, int value, std::size_t bytes, cudaStream_t handle);

  std::map<std::uintptr_t, allocation> memory;  // by address

  // Streams

  [[nodiscard]] std::shared_ptr<CUstream_st> find_stream(cudaStream_t handle);
  /// For what may wait for the device. Spoils the captures that must not see it: global ones of any
  /// thread, this thread's unless relaxed, as far as the mode of this thread lets it see them; and, if it
  /// goes through the default stream, those of all streams that are in order with it.
  void forbid_in_captures(bool on_default_stream = false);
  [[noreturn]] void spoil(capture& spoilt, cudaError_t error);
  /// Puts work behind all that is in the stream already, or into its capture.
  void enqueue(const std::shared_ptr<CUstream_st>& stream, work what,
               std::vector<ticket> after = {});
  void run_until(const ticket& goal);
  void synchronise(std::optional<int> device);
  void drop_destroyed_streams();

  std::vector<std::shared_ptr<CUstream_st>> streams;  // first the default stream of each device
  std::vector<std::shared_ptr<CUevent_st>> events;
  std::vector<std::shared_ptr<CUgraph_st>> graphs;
  std::vector<std::shared_ptr<CUgraphExec_st>> executables;

  // Kernels

  void launch(const cudaLaunchConfig_t& config, const void* kernel, const work& thread);
  [[nodiscard]] std::size_t dynamic_shared_limit(const void* kernel) const;
  /// Onto the current device, unless it is there.
  void load(const void* kernel);
  /// What the running kernel does wrong, if nothing was before.
  void note_fault(cudaError_t error, std::string why) {
    if (fault_.error == cudaSuccess) fault_ = {error, std::move(why)};
  }
  void count_access(std::uint64_t launch_record::*counter, const void* address, std::size_t bytes,
                    const char* verb);

  std::map<std::pair<int, const void*>, std::size_t> dynamic_shared_limits;  // by device and kernel
  std::set<std::pair<int, const void*>> loaded;                              // likewise
  std::deque<launch_record> launches;

 private:
  [[nodiscard]] std::string describe(const void* address) const;
  /// What is wrong with an argument; empty if nothing is.
  [[nodiscard]] std::string objection(side where, const void* begin, std::size_t bytes) const;
  [[nodiscard]] bool is_on_device(const void* pointer) const;
  void open_memory(bool open, std::optional<int> device);
  void run_next(CUstream_st& stream);
  void run_kernel(const launch_record& launch, const work& thread);

  // While a kernel runs:
  launch_record* running_ = nullptr;
  failure fault_;
  /// Memory lately found to be accessible: as many pieces as a kernel goes to by turns.
  struct reach {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
  };
  std::array<reach, 4> accessible_{};
  std::size_t oldest_accessible_ = 0;
};

runtime& the_runtime();

/// Functions by their names; null where there are none.
void* cufft_function(std::string_view name);
void* cublas_function(std::string_view name);
void* nvrtc_function(std::string_view name);

/// Under its lock.
int live_cufft_plans();
void forget_cufft_plans();
int live_cublas_handles();
void forget_cublas_handles();
int live_programs();
void forget_programs();

}  // namespace cuda_on_host::detail
