// SPDX-License-Identifier: Apache-2.0
// How tests steer and observe the stand-in for the CUDA runtime. For any thread, at any time.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cuda_on_host {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool address_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool address_sanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool address_sanitizer = false;
#endif
#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool thread_sanitizer = __has_feature(thread_sanitizer);
#else
inline constexpr bool thread_sanitizer = false;
#endif

/// A device of compute capability 9.0 with 1 GiB of memory.
[[nodiscard]] cudaDeviceProp default_device();

/// What the runtime finds.
struct machine {
  int devices = 2;
  int driver_version = CUDART_VERSION;  ///< 0: no driver; a lower one than the default is too old
  cudaDeviceProp device = default_device();  ///< each of them; limits follow from it
  bool frees_wait = true;  ///< for all work, as real ones do; else its use after that is an error
  bool has_cufft = true;
  bool has_cublas = true;
  bool has_nvrtc = true;     ///< where the compiler of the stand-in is
  bool knows_ranges = true;  ///< the driver has cuPointerGetAttributes
};

/// Starts over on this machine: nothing allocated, queued, counted, set or failed. Handles and
/// device pointers from before are void, and this thread's current device is 0.
void reset(const machine& on = {});

/// When the work of streams is done.
enum class execution : std::uint8_t {
  eager,        ///< as early as can be: when it is queued
  deferred,     ///< as late as can be: when something waits for it, and only what that needs
  interleaved,  ///< when something waits for it, and then the work of all streams by turns
};
void set_execution(execution when);

/// In which order the blocks of a grid and the threads of a block have their turns. A right kernel
/// gives the same result in both.
enum class order : std::uint8_t { ascending, descending };
void set_order(order of);

/// Makes the nth of the runtime calls to come return `error`, 1 for the next. It does nothing then,
/// but what frees or destroys does so all the same, so that a leak is always the caller's.
void fail_call(std::int64_t nth, cudaError_t error = cudaErrorUnknown);

/// Runtime calls since `reset`, by name.
[[nodiscard]] std::vector<std::string> calls();

/// What has been made and not yet freed or destroyed.
struct live_objects {
  int allocations = 0;  ///< of device memory and page-locked host memory
  std::size_t bytes = 0;
  int streams = 0;
  int events = 0;
  int graphs = 0;       ///< executable ones included
  int transforms = 0;   ///< plans of cuFFT
  int multipliers = 0;  ///< handles of cuBLAS
  int programs = 0;     ///< of NVRTC's, and libraries that were loaded
  friend bool operator==(const live_objects&, const live_objects&) = default;
};
[[nodiscard]] live_objects live();

/// A kernel that has run.
struct launch_record {
  const void* kernel = nullptr;
  int device = 0;
  dim3 grid;
  dim3 block;
  std::size_t dynamic_shared = 0;
  std::uint64_t bytes_loaded = 0;  ///< as counted by count_load and count_store
  std::uint64_t bytes_stored = 0;
  std::uint64_t barriers = 0;  ///< __syncthreads, once for each block
};
/// All since `reset`, in the order in which they ran.
[[nodiscard]] std::vector<launch_record> launches();

/// What was wrong when a call or a kernel last failed, in words; error codes say little.
[[nodiscard]] std::string complaint();

}  // namespace cuda_on_host
