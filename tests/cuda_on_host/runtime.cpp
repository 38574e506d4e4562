// SPDX-License-Identifier: Apache-2.0

#include "runtime.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

namespace cuda_on_host {
namespace detail {

bool ticket::reached() const {
  return stream->done >= number;
}

/// Never destroyed: destructors of static objects may still free their memory.
CUDA_ON_HOST_UNSEEN runtime& the_runtime() {
  static runtime& r = *new runtime;
  return r;
}

void runtime::restart(const machine& to) {
  for (const auto& stream : streams) stream->queue.clear();
  while (!memory.empty()) end_free(reinterpret_cast<void*>(memory.begin()->first));
  on = to;
  when = execution::eager;
  of = order::ascending;
  calls.clear();
  calls_to_failure = 0;
  broken = last_error = cudaSuccess;
  complaint.clear();
  streams.clear();
  events.clear();
  graphs.clear();
  executables.clear();
  forget_cufft_plans();
  forget_cublas_handles();
  forget_programs();
  dynamic_shared_limits.clear();
  loaded.clear();
  launches.clear();
  current_device = 0;
  capture_mode = cudaStreamCaptureModeGlobal;
  for (int device = 0; device < on.devices; ++device) {
    streams.push_back(std::make_shared<CUstream_st>());
    streams.back()->device = device;
    streams.back()->is_default = true;
  }
}

// ---- Calls --------------------------------------------------------------------------------------

void runtime::begin_call(const char* name, bool needs_driver) {
  calls.emplace_back(name);
  if (calls_to_failure > 0 && --calls_to_failure == 0) refuse(failure_to_come, "made to fail");
  if (!needs_driver) return;
  if (on.driver_version < CUDART_VERSION)
    refuse(cudaErrorInsufficientDriver, "driver ", on.driver_version);
  if (on.devices == 0) refuse(cudaErrorNoDevice, "no devices");
  if (broken != cudaSuccess) throw refusal{broken};  // the complaint about that stands
}

void runtime::break_down(const failure& how) {
  broken = how.error;
  complaint = how.why;
}

// ---- Memory -------------------------------------------------------------------------------------

constexpr std::align_val_t allocation_alignment{256};

void* runtime::allocate(std::size_t bytes, cudaMemoryType type) {
  if (bytes == 0) return nullptr;
  const std::size_t total = on.device.totalGlobalMem;
  if (type == cudaMemoryTypeDevice && bytes > total - used(current_device))
    refuse(cudaErrorMemoryAllocation, bytes, " bytes, ", used(current_device), " of ", total,
           " are in use");
  auto* base = static_cast<std::byte*>(operator new(bytes + 2 * guard_bytes, allocation_alignment,
                                                    std::nothrow));
  if (base == nullptr) refuse(cudaErrorMemoryAllocation, bytes, " bytes");
  std::memset(base, fresh_byte, bytes + 2 * guard_bytes);
  std::byte* const pointer = base + guard_bytes;
  poison(base, guard_bytes);
  poison(pointer + bytes, guard_bytes);
  if (type == cudaMemoryTypeDevice) poison(pointer, bytes);  // until it is opened
  memory[reinterpret_cast<std::uintptr_t>(pointer)] = {
      .bytes = bytes, .type = type, .device = current_device};
  return pointer;
}

void runtime::enlist(void* pointer, std::size_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(pointer);
  if (bytes == 0) refuse(cudaErrorInvalidValue, "0 bytes");
  for (const auto& [address, one] : memory)
    if (begin < address + one.bytes && address < begin + bytes)
      refuse(cudaErrorHostMemoryAlreadyRegistered, describe(pointer), ", known already");
  memory[begin] = {
      .bytes = bytes, .type = cudaMemoryTypeHost, .device = current_device, .registered = true};
}

void runtime::begin_free(void* pointer, cudaMemoryType type, bool registered) {
  const auto found = memory.find(reinterpret_cast<std::uintptr_t>(pointer));
  // What is managed is freed as what is a device's.
  const auto as_freed = [](cudaMemoryType t) {
    return t == cudaMemoryTypeManaged ? cudaMemoryTypeDevice : t;
  };
  if (found == memory.end() || as_freed(found->second.type) != type ||
      found->second.registered != registered)
    refuse(cudaErrorInvalidValue, describe(pointer), " is nothing to be freed by this");
  if (found->second.freeing) refuse(cudaErrorInvalidValue, describe(pointer), " is freed twice");
  found->second.freeing = true;
}

void runtime::end_free(const void* pointer) {
  const auto found = memory.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found->second.registered) {
    memory.erase(found);
    return;
  }
  auto* base = reinterpret_cast<std::byte*>(found->first) - guard_bytes;
  const std::size_t bytes = found->second.bytes + 2 * guard_bytes;
  unpoison(base, bytes);
  std::memset(base, fresh_byte, bytes);
  operator delete(base, allocation_alignment);
  memory.erase(found);
}

const allocation* runtime::find_memory(const void* near, std::ptrdiff_t& offset) const {
  const auto address = reinterpret_cast<std::uintptr_t>(near);
  auto found = memory.upper_bound(address + guard_bytes);
  while (found != memory.begin()) {
    --found;
    const allocation& one = found->second;
    offset = static_cast<std::ptrdiff_t>(address - found->first);
    // The program's own memory ends where it ends; there may be more of it beside.
    const auto guard = one.registered ? 0 : static_cast<std::ptrdiff_t>(guard_bytes);
    if (offset >= -guard && offset < static_cast<std::ptrdiff_t>(one.bytes) + guard) return &one;
    if (offset >= 0 && !one.registered) return nullptr;
  }
  return nullptr;
}

std::string runtime::describe(const void* address) const {
  std::ptrdiff_t offset = 0;
  const allocation* found = find_memory(address, offset);
  if (found == nullptr) return text(address, " (not allocated by CUDA)");
  return text(address, " (byte ", offset, " of ", found->bytes,
              found->type == cudaMemoryTypeDevice    ? " on device "
              : found->type == cudaMemoryTypeManaged ? " managed, from device "
                                                     : " on the host, from device ",
              found->device, ')');
}

std::string runtime::objection(side where, const void* begin, std::size_t bytes) const {
  std::ptrdiff_t offset = 0;
  const allocation* found = find_memory(begin, offset);
  if (where == side::device && (found == nullptr || found->type == cudaMemoryTypeHost))
    return text(describe(begin), " is not memory of a device");
  if (found == nullptr) return "";
  if (where == side::host && found->type == cudaMemoryTypeDevice)
    return text(describe(begin), " is not memory of the host");
  if (offset < 0 || offset + bytes > found->bytes)
    return text(bytes, " bytes at ", describe(begin), " are too many");
  return "";
}

bool runtime::is_on_device(const void* pointer) const {
  std::ptrdiff_t offset = 0;
  const allocation* found = find_memory(pointer, offset);
  return found != nullptr && found->type == cudaMemoryTypeDevice;
}

std::size_t runtime::used(int device) const {
  std::size_t sum = 0;
  for (const auto& [address, one] : memory)
    if (one.type == cudaMemoryTypeDevice && one.device == device) sum += one.bytes;
  return sum;
}

/// The memory of a device, or of all, becomes accessible or is so no longer. The address sanitizer
/// sees who goes there at another time, such as the host, or a kernel of another device.
void runtime::open_memory(bool open, std::optional<int> device) {
  if constexpr (!address_sanitizer) return;
  for (const auto& [address, one] : memory)
    if (one.type == cudaMemoryTypeDevice && one.device == device.value_or(one.device))
      (open ? unpoison : poison)(reinterpret_cast<void*>(address), one.bytes);
}

void runtime::copy(const box& to, const box& from, cudaExtent size, cudaMemcpyKind kind,
                   cudaStream_t handle, bool wait) {
  const auto stream = find_stream(handle);
  if (size.width == 0 || size.height == 0 || size.depth == 0) return;
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault)
    refuse(cudaErrorInvalidMemcpyDirection, "kind ", static_cast<int>(kind));
  if (to.pitch < size.width || from.pitch < size.width)
    refuse(cudaErrorInvalidPitchValue, "rows of ", size.width, " bytes, pitches of ", to.pitch,
           " and ", from.pitch);

  const auto side_of = [kind](cudaMemcpyKind one, cudaMemcpyKind other) {
    return kind == cudaMemcpyDefault      ? side::either
           : kind == one || kind == other ? side::device
                                          : side::host;
  };
  const auto bytes = [size](const box& b) {
    return (size.depth - 1) * b.slice + (size.height - 1) * b.pitch + size.width;
  };
  const auto objections = [=, this] {
    const std::string why =
        objection(side_of(cudaMemcpyHostToDevice, cudaMemcpyDeviceToDevice), to.at, bytes(to));
    if (!why.empty()) return why;
    return objection(side_of(cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice), from.at,
                     bytes(from));
  };
  if (const std::string why = objections(); !why.empty()) refuse(cudaErrorInvalidValue, why);

  // Copies within and between devices never wait.
  wait = wait && !(is_on_device(to.at) && is_on_device(from.at));
  if (wait) forbid_in_captures(true);
  enqueue(stream, [=, this] {
    // Again: it may have been freed since.
    if (const std::string why = objections(); !why.empty())
      return break_down({cudaErrorIllegalAddress, "copy: " + why});
    open_memory(true, {});
    for (std::size_t z = 0; z < size.depth; ++z)
      for (std::size_t y = 0; y < size.height; ++y)
        std::memcpy(to.at + z * to.slice + y * to.pitch, from.at + z * from.slice + y * from.pitch,
                    size.width);
    open_memory(false, {});
  });
  if (wait) run_until({stream, stream->issued});
}

void runtime::fill(void* to, int value, std::size_t bytes, cudaStream_t handle) {
  const auto stream = find_stream(handle);
  if (bytes == 0) return;
  const auto objections = [=, this] { return objection(side::device, to, bytes); };
  if (const std::string why = objections(); !why.empty()) refuse(cudaErrorInvalidValue, why);
  enqueue(stream, [=, this] {
    if (const std::string why = objections(); !why.empty())
      return break_down({cudaErrorIllegalAddress, "set: " + why});
    open_memory(true, {});
    std::memset(to, value, bytes);
    open_memory(false, {});
  });
}

// ---- Streams ------------------------------------------------------------------------------------

std::shared_ptr<CUstream_st> runtime::find_stream(cudaStream_t handle) {
  const bool is_default = handle == nullptr || handle == cudaStreamLegacy;
  for (const auto& stream : streams)
    if (is_default ? stream->is_default && stream->device == current_device
                   : stream.get() == handle && !stream->destroyed)
      return stream;
  if (handle == cudaStreamPerThread) {
    for (const auto& stream : streams)
      if (stream->thread == std::this_thread::get_id() && stream->device == current_device)
        return stream;
    const auto& made = streams.emplace_back(std::make_shared<CUstream_st>());
    made->device = current_device;
    made->thread = std::this_thread::get_id();
    return made;
  }
  refuse(cudaErrorInvalidResourceHandle, handle, " is not a stream");
}

void runtime::spoil(capture& spoilt, cudaError_t error) {
  spoilt.spoiled = true;
  refuse(error, "a capture is under way");
}

void runtime::forbid_in_captures(bool on_default_stream) {
  for (const auto& stream : streams) {
    if (stream->capturing == nullptr) continue;
    const capture& c = *stream->capturing;
    if (on_default_stream && stream->blocking && stream->device == current_device)
      spoil(*stream->capturing, cudaErrorStreamCaptureImplicit);
    const bool own = c.thread == std::this_thread::get_id();
    const bool seen = c.mode == cudaStreamCaptureModeGlobal
                          ? own || capture_mode == cudaStreamCaptureModeGlobal
                          : c.mode == cudaStreamCaptureModeThreadLocal && own;
    if (seen && capture_mode != cudaStreamCaptureModeRelaxed)
      spoil(*stream->capturing, cudaErrorStreamCaptureUnsupported);
  }
}

void runtime::enqueue(const std::shared_ptr<CUstream_st>& stream, work what,
                      std::vector<ticket> after) {
  if (stream->capturing != nullptr) {
    if (stream->capturing->spoiled)
      refuse(cudaErrorStreamCaptureInvalidated, "the capture is spoiled");
    stream->capturing->nodes.push_back(std::move(what));
    return;
  }
  // The default stream and those that are in order with it wait for each other.
  if (stream->blocking)
    for (const auto& other : streams)
      if (other != stream && other->device == stream->device && other->blocking &&
          other->is_default != stream->is_default) {
        if (other->capturing != nullptr) spoil(*other->capturing, cudaErrorStreamCaptureImplicit);
        after.push_back({other, other->issued});
      }
  stream->queue.push_back({std::move(what), std::move(after)});
  ++stream->issued;
  if (when == execution::eager) run_until({stream, stream->issued});
}

void runtime::run_next(CUstream_st& stream) {
  const operation next = std::move(stream.queue.front());
  stream.queue.pop_front();
  if (broken == cudaSuccess) next.what();
  ++stream.done;
}

void runtime::run_until(const ticket& goal) {
  while (!goal.reached()) {
    if (when == execution::interleaved) {
      for (const auto& stream : streams)
        if (!stream->queue.empty() &&
            std::ranges::all_of(stream->queue.front().after, &ticket::reached))
          run_next(*stream);
    } else {
      const std::vector<ticket> after = goal.stream->queue.front().after;
      for (const ticket& before : after) run_until(before);
      run_next(*goal.stream);
    }
  }
}

void runtime::synchronise(std::optional<int> device) {
  for (const auto& stream : streams)
    if (stream->device == device.value_or(stream->device)) run_until({stream, stream->issued});
  drop_destroyed_streams();
}

void runtime::drop_destroyed_streams() {
  std::erase_if(streams, [](const auto& s) { return s->destroyed && s->queue.empty(); });
}

// ---- Kernels ------------------------------------------------------------------------------------

std::size_t runtime::dynamic_shared_limit(const void* kernel) const {
  const auto raised = dynamic_shared_limits.find({current_device, kernel});
  return std::max(on.device.sharedMemPerBlock,
                  raised == dynamic_shared_limits.end() ? 0 : raised->second);
}

void runtime::load(const void* kernel) {
  if (loaded.contains({current_device, kernel})) return;
  forbid_in_captures();
  loaded.emplace(current_device, kernel);
}

void runtime::launch(const cudaLaunchConfig_t& config, const void* kernel, const work& thread) {
  const auto stream = find_stream(config.stream);
  if (stream->device != current_device)
    refuse(cudaErrorInvalidResourceHandle, "a stream of device ", stream->device,
           ", but the current one is ", current_device);
  if (config.numAttrs != 0) refuse(cudaErrorNotSupported, "launch attributes");

  const dim3 grid = config.gridDim;
  const dim3 block = config.blockDim;
  const auto within = [](dim3 size, const int(&most)[3]) {
    const auto fits = [](unsigned n, int limit) {
      return n >= 1 && n <= static_cast<unsigned>(limit);
    };
    return fits(size.x, most[0]) && fits(size.y, most[1]) && fits(size.z, most[2]);
  };
  if (!within(grid, on.device.maxGridSize))
    refuse(cudaErrorInvalidConfiguration, "a grid of ", grid.x, " x ", grid.y, " x ", grid.z);
  if (!within(block, on.device.maxThreadsDim) ||
      block.x * block.y * block.z > static_cast<unsigned>(on.device.maxThreadsPerBlock))
    refuse(cudaErrorInvalidConfiguration, "a block of ", block.x, " x ", block.y, " x ", block.z);

  const std::size_t limit = dynamic_shared_limit(kernel);
  if (config.dynamicSmemBytes > limit)
    refuse(cudaErrorInvalidValue, config.dynamicSmemBytes, " bytes of dynamic shared memory, ",
           limit, " allowed");
  load(kernel);

  const launch_record record{.kernel = kernel,
                             .device = current_device,
                             .grid = grid,
                             .block = block,
                             .dynamic_shared = config.dynamicSmemBytes};
  enqueue(stream, [=, this] { run_kernel(record, thread); });
}

void runtime::run_kernel(const launch_record& launch, const work& thread) {
  running_ = &launches.emplace_back(launch);
  fault_ = {};
  accessible_ = {};
  open_memory(true, launch.device);
  failure ended = run_grid(*running_, of, thread);
  open_memory(false, launch.device);

  if (ended.error == cudaSuccess) ended = fault_;
  // The address sanitizer has found this out already, and would not let us look.
  if (!address_sanitizer && ended.error == cudaSuccess)
    for (const auto& [address, one] : memory) {
      const auto* begin = reinterpret_cast<const std::byte*>(address);
      if (one.registered) continue;
      if (!is_fresh(begin - guard_bytes, guard_bytes) || !is_fresh(begin + one.bytes, guard_bytes))
        ended = {cudaErrorIllegalAddress, text("wrote beside ", describe(begin))};
    }
  if (ended.error != cudaSuccess)
    break_down({ended.error, text("kernel of launch ", launches.size() - 1, ": ", ended.why)});
}

CUDA_ON_HOST_UNSEEN void runtime::count_access(std::uint64_t launch_record::*counter,
                                               const void* address, std::size_t bytes,
                                               const char* verb) {
  running_->*counter += bytes;
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  const std::size_t alignment = bytes & -bytes;  // the largest power of 2 in it
  const bool aligned = (begin & (alignment - 1)) == 0;
  if (aligned)
    for (const reach& one : accessible_)
      if (begin >= one.begin && begin + bytes <= one.end) return;

  std::ptrdiff_t offset = 0;
  const allocation* found = find_memory(address, offset);
  if (aligned && found != nullptr && offset >= 0 && offset + bytes <= found->bytes &&
      (found->type != cudaMemoryTypeDevice || found->device == running_->device)) {
    accessible_[oldest_accessible_] = {begin - offset, begin - offset + found->bytes};
    oldest_accessible_ = (oldest_accessible_ + 1) % accessible_.size();
  } else if (fault_.error == cudaSuccess) {
    fault_ = {aligned ? cudaErrorIllegalAddress : cudaErrorMisalignedAddress,
              text(running_thread(), ' ', verb, ' ', bytes, " bytes at ", describe(address))};
  }
}

}  // namespace detail

CUDA_ON_HOST_UNSEEN void count_load(const void* from, std::size_t bytes) {
  detail::the_runtime().count_access(&launch_record::bytes_loaded, from, bytes, "loads");
}

CUDA_ON_HOST_UNSEEN void count_store(const void* to, std::size_t bytes) {
  detail::the_runtime().count_access(&launch_record::bytes_stored, to, bytes, "stores");
}

// ---- For tests ----------------------------------------------------------------------------------

cudaDeviceProp default_device() {
  return {.name = "cuda on host",
          .totalGlobalMem = std::size_t{1} << 30,
          .sharedMemPerBlock = 48 * 1024,
          .regsPerBlock = 65536,
          .warpSize = warpSize,
          .maxThreadsPerBlock = detail::max_block_threads,
          .maxThreadsDim = {1024, 1024, 64},
          .maxGridSize = {std::numeric_limits<int>::max(), 65535, 65535},
          .totalConstMem = 64 * 1024,
          .major = 9,
          .minor = 0,
          .multiProcessorCount = 132,
          .asyncEngineCount = 3,
          .concurrentKernels = 1,
          .unifiedAddressing = 1,
          .memoryBusWidth = 5120,
          .l2CacheSize = 50 << 20,
          .maxThreadsPerMultiProcessor = 2048,
          .sharedMemPerMultiprocessor = 228 * 1024,
          .regsPerMultiprocessor = 65536,
          .sharedMemPerBlockOptin = detail::max_dynamic_shared,
          .maxBlocksPerMultiProcessor = 32,
          .reservedSharedMemPerBlock = 1024,
          .memoryPoolsSupported = 1};
}

namespace {

template <class Body>
auto locked(Body body) {
  detail::runtime& r = detail::the_runtime();
  const std::lock_guard lock(r.mutex);
  return body(r);
}

}  // namespace

void reset(const machine& on) {
  locked([&](auto& r) { r.restart(on); });
}

void set_execution(execution when) {
  locked([=](auto& r) {
    r.synchronise({});
    r.when = when;
  });
}

void set_order(order of) {
  locked([=](auto& r) { r.of = of; });
}

void fail_call(std::int64_t nth, cudaError_t error) {
  locked([=](auto& r) {
    r.calls_to_failure = nth;
    r.failure_to_come = error;
  });
}

std::vector<std::string> calls() {
  return locked([](const auto& r) { return r.calls; });
}

std::vector<launch_record> launches() {
  return locked([](const auto& r) { return std::vector(r.launches.begin(), r.launches.end()); });
}

std::string complaint() {
  return locked([](const auto& r) { return r.complaint; });
}

live_objects live() {
  return locked([](const auto& r) {
    live_objects count;
    for (const auto& [address, one] : r.memory)
      if (!one.freeing && !one.registered) {
        ++count.allocations;
        count.bytes += one.bytes;
      }
    for (const auto& stream : r.streams)
      count.streams +=
          !stream->is_default && !stream->destroyed && stream->thread == std::thread::id();
    count.events = static_cast<int>(r.events.size());
    count.graphs = static_cast<int>(r.graphs.size() + r.executables.size());
    count.transforms = cuda_on_host::detail::live_cufft_plans();
    count.multipliers = cuda_on_host::detail::live_cublas_handles();
    count.programs = cuda_on_host::detail::live_programs();
    return count;
  });
}

}  // namespace cuda_on_host
