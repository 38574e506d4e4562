// SPDX-License-Identifier: Apache-2.0
// The functions of the API, each a few words to the runtime.

#include <algorithm>
#include <iterator>
#include <utility>

#include <cuda.h>

#include "runtime.hpp"

using namespace cuda_on_host;
using namespace cuda_on_host::detail;

// ---- Calls --------------------------------------------------------------------------------------

namespace {

template <class Body>
cudaError_t attempt(Body body) {
  try {
    return body();
  } catch (const refusal& refused) {
    return refused.error;
  }
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

/// A call: noted, perhaps made to fail, else done. What it gives is the state after it, unless it
/// gives something itself.
template <class Body>
cudaError_t call(const char* name, Body body, bool needs_driver = true) {
  runtime& r = the_runtime();
  const std::lock_guard lock(r.mutex);
  return remember(attempt([&] {
    r.begin_call(name, needs_driver);
    if constexpr (std::is_void_v<decltype(body(r))>) return body(r), cudaSuccess;
    else return body(r);
  }));
}

/// A call that frees or destroys, and does so whatever else happens.
template <class Body>
cudaError_t release(const char* name, Body body) {
  runtime& r = the_runtime();
  const std::lock_guard lock(r.mutex);
  const cudaError_t begun = attempt([&] { return r.begin_call(name, true), cudaSuccess; });
  const cudaError_t done = attempt([&] { return body(r), r.broken; });
  return remember(begun != cudaSuccess ? begun : done);
}

/// The object behind a handle.
template <class Object>
std::shared_ptr<Object> find(runtime& r, const std::vector<std::shared_ptr<Object>>& all,
                             Object* handle) {
  for (const auto& object : all)
    if (object.get() == handle) return object;
  r.refuse(cudaErrorInvalidResourceHandle, handle, " is none, or has been destroyed");
}

void check_device(runtime& r, int device) {
  if (device < 0 || device >= r.on.devices)
    r.refuse(cudaErrorInvalidDevice, "device ", device, " of ", r.on.devices);
}

struct error_text {
  cudaError_t error;
  const char* name;
  const char* text;
};

constexpr error_text error_texts[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection",
     "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidKernelImage, "cudaErrorInvalidKernelImage", "device kernel image is invalid"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorSymbolNotFound, "cudaErrorSymbolNotFound", "named symbol not found"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

error_text find_text(cudaError_t error) {
  const auto* found = std::ranges::find(error_texts, error, &error_text::error);
  if (found != std::end(error_texts)) return *found;
  return {error, "unrecognized error code", "unrecognized error code"};
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  return find_text(error).name;
}
const char* cudaGetErrorString(cudaError_t error) {
  return find_text(error).text;
}
cudaError_t cudaPeekAtLastError() {
  return last_error;
}
cudaError_t cudaGetLastError() {
  return std::exchange(last_error, cudaSuccess);
}

// ---- Devices ------------------------------------------------------------------------------------

cudaError_t cudaDriverGetVersion(int* version) {
  const bool needs_driver = false;
  return call(
      __func__, [=](runtime& r) { *version = r.on.driver_version; }, needs_driver);
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  const bool needs_driver = false;
  return call(
      __func__, [=](runtime&) { *version = CUDART_VERSION; }, needs_driver);
}

cudaError_t cudaGetDeviceCount(int* count) {
  return call(__func__, [=](runtime& r) { *count = r.on.devices; });
}

cudaError_t cudaGetDevice(int* device) {
  return call(__func__, [=](runtime&) { *device = current_device; });
}

cudaError_t cudaSetDevice(int device) {
  return call(__func__, [=](runtime& r) {
    check_device(r, device);
    current_device = device;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return call(__func__, [=](runtime& r) {
    check_device(r, device);
    *properties = r.on.device;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call(__func__, [=](runtime& r) {
    check_device(r, device);
    const cudaDeviceProp& p = r.on.device;
    const auto look_up = [&]() -> std::size_t {
      switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock: return p.maxThreadsPerBlock;
        case cudaDevAttrMaxGridDimX: return p.maxGridSize[0];
        case cudaDevAttrMaxGridDimY: return p.maxGridSize[1];
        case cudaDevAttrMaxGridDimZ: return p.maxGridSize[2];
        case cudaDevAttrMaxSharedMemoryPerBlock: return p.sharedMemPerBlock;
        case cudaDevAttrWarpSize: return p.warpSize;
        case cudaDevAttrMaxRegistersPerBlock: return p.regsPerBlock;
        case cudaDevAttrClockRate: return 1980000;
        case cudaDevAttrMultiProcessorCount: return p.multiProcessorCount;
        case cudaDevAttrMemoryClockRate: return 2619000;
        case cudaDevAttrGlobalMemoryBusWidth: return p.memoryBusWidth;
        case cudaDevAttrL2CacheSize: return p.l2CacheSize;
        case cudaDevAttrMaxThreadsPerMultiProcessor: return p.maxThreadsPerMultiProcessor;
        case cudaDevAttrComputeCapabilityMajor: return p.major;
        case cudaDevAttrComputeCapabilityMinor: return p.minor;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return p.sharedMemPerMultiprocessor;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: return p.sharedMemPerBlockOptin;
        case cudaDevAttrMaxBlocksPerMultiprocessor: return p.maxBlocksPerMultiProcessor;
        case cudaDevAttrReservedSharedMemoryPerBlock: return p.reservedSharedMemPerBlock;
        case cudaDevAttrMemoryPoolsSupported: return p.memoryPoolsSupported;
      }
      r.refuse(cudaErrorInvalidValue, "attribute ", static_cast<int>(attribute));
    };
    *value = static_cast<int>(look_up());
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call(__func__, [](runtime& r) {
    for (const auto& stream : r.streams)
      if (stream->device == current_device && stream->capturing != nullptr)
        r.spoil(*stream->capturing, cudaErrorStreamCaptureUnsupported);
    r.forbid_in_captures();
    r.synchronise(current_device);
    return r.broken;
  });
}

// ---- Memory -------------------------------------------------------------------------------------

cudaError_t cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  return call(__func__, [=](runtime& r) {
    *total = r.on.device.totalGlobalMem;
    *available = *total - r.used(current_device);
  });
}

namespace {

cudaError_t allocate(const char* name, void** pointer, std::size_t bytes, cudaMemoryType type) {
  return call(name, [=](runtime& r) {
    r.forbid_in_captures();
    *pointer = r.allocate(bytes, type);
  });
}

/// Waits for the devices, as the real ones do, unless a test has it otherwise.
cudaError_t free(const char* name, void* pointer, cudaMemoryType type, bool registered = false) {
  return release(name, [=](runtime& r) {
    if (pointer == nullptr) return;
    r.forbid_in_captures();
    r.begin_free(pointer, type, registered);
    if (r.on.frees_wait) r.synchronise({});
    r.end_free(pointer);
  });
}

void forbid_graph_memory(runtime& r, const CUstream_st& stream) {
  if (stream.capturing != nullptr) r.refuse(cudaErrorNotSupported, "graphs with own memory");
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  return allocate(__func__, pointer, bytes, cudaMemoryTypeDevice);
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  return allocate(__func__, pointer, bytes, cudaMemoryTypeHost);
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  return allocate(__func__, pointer, bytes, cudaMemoryTypeHost);
}

cudaError_t cudaMallocManaged(void** pointer, std::size_t bytes, unsigned flags) {
  return call(__func__, [=](runtime& r) {
    if (flags != cudaMemAttachGlobal) r.refuse(cudaErrorInvalidValue, "flags ", flags);
    r.forbid_in_captures();
    *pointer = r.allocate(bytes, cudaMemoryTypeManaged);
  });
}

cudaError_t cudaHostRegister(void* pointer, std::size_t bytes, unsigned) {
  return call(__func__, [=](runtime& r) {
    r.forbid_in_captures();
    r.enlist(pointer, bytes);
  });
}

cudaError_t cudaHostUnregister(void* pointer) {
  return free(__func__, pointer, cudaMemoryTypeHost, true);
}

cudaError_t cudaFree(void* pointer) {
  return free(__func__, pointer, cudaMemoryTypeDevice);
}

cudaError_t cudaFreeHost(void* pointer) {
  return free(__func__, pointer, cudaMemoryTypeHost);
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t handle) {
  return call(__func__, [=](runtime& r) {
    forbid_graph_memory(r, *r.find_stream(handle));
    *pointer = r.allocate(bytes, cudaMemoryTypeDevice);
  });
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  return release(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(handle);
    if (pointer == nullptr) return;
    forbid_graph_memory(r, *stream);
    r.begin_free(pointer, cudaMemoryTypeDevice);
    r.enqueue(stream, [&r, pointer] { r.end_free(pointer); });
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call(__func__, [=](runtime& r) {
    void* const p = const_cast<void*>(pointer);
    std::ptrdiff_t offset = 0;
    const allocation* found = r.find_memory(pointer, offset);
    if (found == nullptr || offset < 0 || static_cast<std::size_t>(offset) >= found->bytes)
      *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, p};
    else if (found->type != cudaMemoryTypeDevice) *attributes = {found->type, found->device, p, p};
    else *attributes = {found->type, found->device, p, nullptr};
  });
}

namespace {

/// One type for both sides of a copy, though only one of them will be written.
box make_box(const void* at, std::size_t pitch, std::size_t rows = 0) {
  return {static_cast<std::byte*>(const_cast<void*>(at)), pitch, pitch * rows};
}

cudaError_t copy_box(const char* name, const cudaMemcpy3DParms* copy, cudaStream_t stream,
                     bool wait) {
  return call(name, [=](runtime& r) {
    if (copy->srcArray != nullptr || copy->dstArray != nullptr)
      r.refuse(cudaErrorNotSupported, "arrays");
    const auto at = [](const cudaPitchedPtr& p, const cudaPos& pos) {
      return make_box(static_cast<std::byte*>(p.ptr) + (pos.z * p.ysize + pos.y) * p.pitch + pos.x,
                      p.pitch, p.ysize);
    };
    r.copy(at(copy->dstPtr, copy->dstPos), at(copy->srcPtr, copy->srcPos), copy->extent, copy->kind,
           stream, wait);
  });
}

}  // namespace

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return call(__func__, [=](runtime& r) {
    r.copy(make_box(to, bytes), make_box(from, bytes), {bytes, 1, 1}, kind, nullptr, true);
    return r.broken;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call(__func__, [=](runtime& r) {
    r.copy(make_box(to, bytes), make_box(from, bytes), {bytes, 1, 1}, kind, stream, false);
  });
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                         std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  return call(__func__, [=](runtime& r) {
    r.copy(make_box(to, to_pitch), make_box(from, from_pitch), {width, height, 1}, kind, nullptr,
           true);
    return r.broken;
  });
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  return call(__func__, [=](runtime& r) {
    r.copy(make_box(to, to_pitch), make_box(from, from_pitch), {width, height, 1}, kind, stream,
           false);
  });
}

cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms* copy) {
  return copy_box(__func__, copy, nullptr, true);
}

cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms* copy, cudaStream_t stream) {
  return copy_box(__func__, copy, stream, false);
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  return call(__func__, [=](runtime& r) { r.fill(to, value, bytes, nullptr); });
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  return call(__func__, [=](runtime& r) { r.fill(to, value, bytes, stream); });
}

// ---- The driver's own functions -----------------------------------------------------------------

namespace {

/// Of the memory that the address is in; zeros where there is none.
CUresult pointer_attributes(unsigned count, CUpointer_attribute* wanted, void** answers,
                            CUdeviceptr address) {
  runtime& r = the_runtime();
  const std::lock_guard lock(r.mutex);
  const cudaError_t begun = attempt([&] {
    r.begin_call("cuPointerGetAttributes", true);
    return cudaSuccess;
  });
  if (begun != cudaSuccess) return CUDA_ERROR_UNKNOWN;
  std::ptrdiff_t offset = 0;
  const allocation* found = r.find_memory(reinterpret_cast<const void*>(address), offset);
  if (found != nullptr && (offset < 0 || static_cast<std::size_t>(offset) >= found->bytes))
    found = nullptr;
  for (unsigned i = 0; i < count; ++i) {
    if (wanted[i] == CU_POINTER_ATTRIBUTE_RANGE_START_ADDR)
      *static_cast<CUdeviceptr*>(answers[i]) =
          found == nullptr ? 0 : address - static_cast<CUdeviceptr>(offset);
    else if (wanted[i] == CU_POINTER_ATTRIBUTE_RANGE_SIZE)
      *static_cast<std::size_t*>(answers[i]) = found == nullptr ? 0 : found->bytes;
    else return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

}  // namespace

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  return call(__func__, [=](runtime& r) {
    const bool known = std::string_view(symbol) == "cuPointerGetAttributes" && r.on.knows_ranges;
    *function = known ? reinterpret_cast<void*>(pointer_attributes) : nullptr;
    if (found != nullptr)
      *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  });
}

// ---- Streams ------------------------------------------------------------------------------------

namespace {

cudaError_t create_stream(const char* name, cudaStream_t* handle, unsigned flags) {
  return call(name, [=](runtime& r) {
    if (flags > cudaStreamNonBlocking) r.refuse(cudaErrorInvalidValue, "flags ", flags);
    const auto& stream = r.streams.emplace_back(std::make_shared<CUstream_st>());
    stream->device = current_device;
    stream->blocking = flags != cudaStreamNonBlocking;
    *handle = stream.get();
  });
}

/// Whether work is done. Asking helps: who asks again and again would never get on otherwise.
cudaError_t query(runtime& r, const ticket& goal) {
  if (goal.reached()) return r.broken;
  r.run_until({goal.stream, goal.stream->done + 1});
  return cudaErrorNotReady;
}

}  // namespace

cudaError_t cudaStreamCreate(cudaStream_t* handle) {
  return create_stream(__func__, handle, 0);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
  return create_stream(__func__, handle, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return release(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(handle);
    if (stream->is_default || stream->thread != std::thread::id())
      r.refuse(cudaErrorInvalidResourceHandle, "a default stream");
    stream->destroyed = true;  // what is in it will still be done
    r.drop_destroyed_streams();
  });
}

cudaError_t cudaStreamGetDevice(cudaStream_t handle, int* device) {
  return call(__func__, [=](runtime& r) { *device = r.find_stream(handle)->device; });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(handle);
    r.forbid_in_captures();
    return query(r, {stream, stream->issued});
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(handle);
    if (stream->capturing != nullptr)
      r.spoil(*stream->capturing, cudaErrorStreamCaptureUnsupported);
    r.forbid_in_captures();
    r.run_until({stream, stream->issued});
    return r.broken;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  return call(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(handle);
    const auto event = find(r, r.events, event_handle);
    if (stream->capturing != event->captured) {
      if (stream->capturing == nullptr)
        r.refuse(cudaErrorNotSupported, "captures of more than one stream");
      r.spoil(*stream->capturing, cudaErrorStreamCaptureIsolation);
    }
    if (event->recorded) r.enqueue(stream, [] {}, {*event->recorded});
  });
}

// ---- Events -------------------------------------------------------------------------------------

namespace {

cudaError_t create_event(const char* name, cudaEvent_t* handle, unsigned flags) {
  return call(name, [=](runtime& r) {
    if ((flags & ~unsigned{cudaEventBlockingSync | cudaEventDisableTiming}) != 0)
      r.refuse(cudaErrorInvalidValue, "flags ", flags);
    const auto& event = r.events.emplace_back(std::make_shared<CUevent_st>());
    event->device = current_device;
    event->timing = (flags & cudaEventDisableTiming) == 0;
    *handle = event.get();
  });
}

/// Where an event stands that one may ask and wait for; nothing if it was never recorded.
std::optional<ticket> recorded(runtime& r, cudaEvent_t handle) {
  const auto event = find(r, r.events, handle);
  if (event->captured != nullptr)
    r.refuse(cudaErrorCapturedEvent, "it was last recorded in a capture");
  r.forbid_in_captures();
  return event->recorded;
}

}  // namespace

cudaError_t cudaEventCreate(cudaEvent_t* handle) {
  return create_event(__func__, handle, 0);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  return create_event(__func__, handle, flags);
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  return release(__func__, [=](runtime& r) { std::erase(r.events, find(r, r.events, handle)); });
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  return call(__func__, [=](runtime& r) {
    const auto event = find(r, r.events, handle);
    const auto stream = r.find_stream(stream_handle);
    if (stream->device != event->device)
      r.refuse(cudaErrorInvalidResourceHandle, "an event of device ", event->device,
               ", a stream of device ", stream->device);
    // Weak: the event may be destroyed before, and holds the capture that this may become part of.
    r.enqueue(stream, [weak = std::weak_ptr(event)] {
      if (const auto alive = weak.lock()) alive->time = std::chrono::steady_clock::now();
    });
    event->captured = stream->capturing;
    event->recorded.reset();
    if (stream->capturing == nullptr) event->recorded = {stream, stream->issued};
  });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return call(__func__, [=](runtime& r) {
    const auto goal = recorded(r, handle);
    return goal ? query(r, *goal) : cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return call(__func__, [=](runtime& r) {
    if (const auto goal = recorded(r, handle)) r.run_until(*goal);
    return r.broken;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call(__func__, [=](runtime& r) {
    const auto first = find(r, r.events, start);
    const auto last = find(r, r.events, end);
    if (!first->timing || !last->timing || !first->recorded || !last->recorded)
      r.refuse(cudaErrorInvalidResourceHandle, "not two recorded events with timing");
    if (!first->recorded->reached() || !last->recorded->reached()) return cudaErrorNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
    return cudaSuccess;
  });
}

// ---- Graphs -------------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(handle);
    if (stream->is_default) r.refuse(cudaErrorStreamCaptureUnsupported, "the default stream");
    if (stream->capturing != nullptr) r.refuse(cudaErrorIllegalState, "capturing already");
    stream->capturing = std::make_shared<capture>();
    stream->capturing->mode = mode;
    stream->capturing->thread = std::this_thread::get_id();
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(handle);
    if (stream->capturing == nullptr) *status = cudaStreamCaptureStatusNone;
    else if (stream->capturing->spoiled) *status = cudaStreamCaptureStatusInvalidated;
    else *status = cudaStreamCaptureStatusActive;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call(__func__, [=](runtime& r) {
    *graph = nullptr;
    const auto ended = std::exchange(r.find_stream(handle)->capturing, nullptr);
    if (ended == nullptr) r.refuse(cudaErrorIllegalState, "the stream is not capturing");
    if (ended->spoiled) r.refuse(cudaErrorStreamCaptureInvalidated, "the capture is spoiled");
    *graph = r.graphs.emplace_back(std::make_shared<CUgraph_st>(CUgraph_st{ended->nodes})).get();
  });
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return call(__func__, [=](runtime&) { std::swap(*mode, capture_mode); });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t handle,
                                 unsigned long long) {
  return call(__func__, [=](runtime& r) {
    CUgraphExec_st made{find(r, r.graphs, handle)->nodes};
    *executable =
        r.executables.emplace_back(std::make_shared<CUgraphExec_st>(std::move(made))).get();
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream_handle) {
  return call(__func__, [=](runtime& r) {
    const auto stream = r.find_stream(stream_handle);
    for (const work& node : find(r, r.executables, handle)->nodes) r.enqueue(stream, node);
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t handle) {
  return release(__func__,
                 [=](runtime& r) { std::erase(r.executables, find(r, r.executables, handle)); });
}

cudaError_t cudaGraphDestroy(cudaGraph_t handle) {
  return release(__func__, [=](runtime& r) { std::erase(r.graphs, find(r, r.graphs, handle)); });
}

// ---- Kernels ------------------------------------------------------------------------------------

cudaError_t cuda_on_host::detail::launch(const cudaLaunchConfig_t& config, const void* kernel,
                                         const std::function<void()>& thread) {
  return call("cudaLaunchKernelEx", [&](runtime& r) { r.launch(config, kernel, thread); });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  return call(__func__, [=](runtime& r) {
    r.load(kernel);
    *attributes = {.sharedSizeBytes = 0,
                   .maxThreadsPerBlock = r.on.device.maxThreadsPerBlock,
                   .maxDynamicSharedSizeBytes = static_cast<int>(r.dynamic_shared_limit(kernel))};
  });
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  return call(__func__, [=](runtime& r) {
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return;  // a hint
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<std::size_t>(value) > r.on.device.sharedMemPerBlockOptin)
      r.refuse(cudaErrorInvalidValue, "attribute ", static_cast<int>(attribute), ", ", value);
    r.dynamic_shared_limits[{current_device, kernel}] = static_cast<std::size_t>(value);
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int block_size,
                                                          std::size_t dynamic_shared) {
  return call(__func__, [=](runtime& r) {
    const cudaDeviceProp& p = r.on.device;
    if (block_size < 1 || block_size > p.maxThreadsPerBlock)
      r.refuse(cudaErrorInvalidValue, "blocks of ", block_size);
    const int threads = (block_size + p.warpSize - 1) / p.warpSize * p.warpSize;
    const std::size_t shared = dynamic_shared + p.reservedSharedMemPerBlock;
    *blocks = std::min({p.maxThreadsPerMultiProcessor / threads,
                        static_cast<int>(p.sharedMemPerMultiprocessor / shared),
                        p.maxBlocksPerMultiProcessor});
  });
}

// ---- Libraries ------------------------------------------------------------------------------------

void* cuda_on_host::library_function(const char* name) {
  for (const auto& find : {cufft_function, cublas_function, nvrtc_function})
    if (void* const found = find(name); found != nullptr) return found;
  return nullptr;
}
