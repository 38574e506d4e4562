// SPDX-License-Identifier: Apache-2.0
// Every CUDA call can fail. Each one that a plan makes, from its making to its end, is made to fail in turn,
// and what is left then is looked at.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cuda_on_host.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cuda_plan.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

constexpr extent size(24, 10);
constexpr std::size_t count = 240;
constexpr float untouched = -7;
/// The plan's device, and the caller's current one.
constexpr int here = 1;
constexpr int elsewhere = 0;

/// Something that can be made and run.
struct subject {
  using run = std::function<void(const any_const_view& in, const any_view& out)>;

  std::string name;
  std::function<run()> make;
};

const floats box(9, 1.0F);
/// Those that transform refuse so few taps unless they are allowed an error, tensor cores f32; they are off by a little.
bool wants_tolerance(const std::string& algorithm) {
  return algorithm.find("overlap_save") != std::string::npos ||
         algorithm.find("fft") != std::string::npos || algorithm.find("mma") != std::string::npos;
}
options asked(const std::string& algorithm) {
  options how{.device = device::cuda(here), .algorithm = algorithm};
  if (wants_tolerance(algorithm)) how.tolerance = 1e-4;
  return how;
}
constexpr float off = 0.01F;
const problem blur{.in = size, .filter = {3, 3}, .mode = mode::same, .border = border::wrap()};

/// A plan with each algorithm there is; chunks of host data with each below the plans; and workspace that
/// comes from the pool.
std::vector<subject> subjects() {
  std::vector<subject> all;
  for (const backend_info& b : backends())
    if (b.name == "cuda")
      for (const auto& a : b.algorithms)
        all.push_back({a.name, [name = a.name]() -> subject::run {
                         plan made(blur, box, asked(name));
                         return [made](const any_const_view& in, const any_view& out) {
                           made.run(in, out);
                         };
                       }});
  const auto below = [&](const std::string& name, make_kernels make) {
    const auto p = std::make_shared<complete_problem>(blur, view<const float>(box.data(), {3, 3}));
    p->how = asked({});
    if (wants_tolerance(name)) p->how.tolerance = 1e-4;
    all.push_back({name, [p, make]() -> subject::run {
                     const std::shared_ptr<const detail::runnable> made = cuda::make_runnable(
                         p->request(here), make, {.chunk_bytes = 200, .chunks = 2});
                     return [made, p](const any_const_view& in, const any_view& out) {
                       made->run(in, out, {}, {});
                     };
                   }});
  };
  for (const cuda_algorithm& a : cuda_algorithms()) below(a.name + " in chunks", a.make);
  below("with workspace", direct_kernels_with_workspace);
  return all;
}

/// Gradients that are the same box: that of the input by a plan between two steps, and that of filters as large as the
/// input, of which each tap sees what a tap of the box does. The gradient of the output is ones: x[1], over and over.
std::vector<subject> gradients() {
  std::vector<subject> all;
  all.push_back(
      {"input gradient", []() -> subject::run {
         problem p = blur;
         p.types = {dtype::f32, dtype::f32, dtype::f32};
         const input_gradient made(p, view<const float>(box.data(), {3, 3}), asked("cuda/direct"));
         return [made](const any_const_view& in, const any_view& out) { made.run(in, out); };
       }});
  all.push_back({"filter gradient", []() -> subject::run {
                   const problem p{.in = size,
                                   .filter = size,
                                   .types = {dtype::f32, dtype::f32, dtype::f32},
                                   .op = operation::correlation,
                                   .mode = mode::valid,
                                   .border = border::wrap(),
                                   .padding = {1, 1, 1, 1}};
                   const filter_gradient made(p, asked("cuda/direct"));
                   return [made](const any_const_view& in, const any_view& out) {
                     const any_const_view ones(static_cast<const float*>(in.data()) + 1, dtype::f32,
                                               {3, 3}, 1, {.row = 0, .col = 0}, in.where());
                     made.run(in, ones, out);
                   };
                 }});
  return all;
}

/// What is asked of a run, whatever fails on the way.
class cuda_fault : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("CONVGPU_PROGRAMS", "none", 1);  // all of it is compiled each time
    for (std::size_t i = 0; i < count; ++i) x[i] = static_cast<float>(i * i % 31);
    convolve(view<const float>(x.data(), size), view<const float>(box.data(), {3, 3}),
             view<float>(expected.data(), size), blur, {.device = device::cpu()});
  }
  void TearDown() override { cuda_on_host::reset(); }

  /// Fails call after call until none is left to fail.
  template <class Data>
  void hold(const subject& s, cudaError_t error) {
    bool failed = true;
    for (std::int64_t nth = 1; failed; ++nth) {
      cuda_on_host::reset();
      ASSERT_EQ(cudaSetDevice(elsewhere), cudaSuccess);
      {
        Data data(x);
        const std::size_t before = cuda_on_host::calls().size();
        const cuda_on_host::live_objects there = cuda_on_host::live();
        const auto call = [&] {
          return cuda_on_host::calls().at(before + static_cast<std::size_t>(nth) - 1);
        };
        cuda_on_host::fail_call(nth, error);
        const std::string thrown = attempt(s, data);
        failed = cuda_on_host::calls().size() >= before + static_cast<std::size_t>(nth);
        cuda_on_host::fail_call(0);
        if (failed) expect_right_words(thrown, call(), error);
        const std::string which = s.name + ", call " + std::to_string(nth) + ", " +
                                  (failed ? call() : "none") + ": " + thrown;

        int current = -1;
        const bool left = cudaGetLastError() != cudaSuccess;
        EXPECT_TRUE(!left || thrown.starts_with("backend_unavailable"))
            << which << ", left for the caller to find";
        EXPECT_EQ(cudaGetDevice(&current), cudaSuccess);
        cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
        EXPECT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
        EXPECT_EQ(mode, cudaStreamCaptureModeGlobal) << which;
        EXPECT_EQ(current, elsewhere) << which;
        EXPECT_EQ(cuda_on_host::live(), there) << which;
        data.expect(expected,
                    thrown.empty()          ? all_of_it
                    : thrown == "bad_alloc" ? nothing
                                            : some_of_it,
                    which);
        // And all is well again.
        EXPECT_EQ(attempt(s, data), "") << which;
        data.expect(expected, all_of_it, which);
      }
      ASSERT_FALSE(HasFailure()) << cuda_on_host::complaint();
    }
  }

  enum amount { nothing, some_of_it, all_of_it };

  /// Makes, runs twice, destroys. What was thrown, in words.
  template <class Data>
  static std::string attempt(const subject& s, Data& data) {
    try {
      const subject::run run = s.make();
      for (int i = 0; i < 2; ++i) data.run(run);
    } catch (const std::bad_alloc&) {
      return "bad_alloc";
    } catch (const cuda_error& e) {
      return std::string("cuda_error: ") + e.what();
    } catch (const backend_unavailable& e) {
      return std::string("backend_unavailable: ") + e.what();
    }
    return {};
  }

  static void expect_right_words(const std::string& thrown, const std::string& call,
                                 cudaError_t error) {
    if (error == cudaErrorMemoryAllocation &&
        (call.starts_with("cudaMalloc") || call == "cublasCreate" || call == "cufftCreate" ||
         call == "cufftMakePlanMany64" ||
         (call.starts_with("nvrtc") && call != "nvrtcDestroyProgram") ||
         call == "cudaLibraryLoadData")) {
      EXPECT_EQ(thrown, "bad_alloc") << call;
      return;
    }
    // What is asked to find devices is answered by there being none.
    if (thrown.starts_with("backend_unavailable")) return;
    // What releases has nobody to tell, and without the driver's help reaches go unchecked.
    if (thrown.empty()) {
      constexpr std::string_view quiet[] = {"cudaFree",
                                            "cudaFreeHost",
                                            "cudaStreamDestroy",
                                            "cudaEventDestroy",
                                            "cudaGetDevice",
                                            "cudaSetDevice",
                                            "cudaThreadExchangeStreamCaptureMode",
                                            "cudaGetDriverEntryPointByVersion",
                                            "cuPointerGetAttributes",
                                            "cublasDestroy",
                                            "cufftDestroy",
                                            "nvrtcDestroyProgram",
                                            "cudaLibraryUnload"};
      EXPECT_NE(std::find(std::begin(quiet), std::end(quiet), call), std::end(quiet))
          << call << " failed and nobody was told";
      return;
    }
    // "cuda_error: cudaMalloc: cudaErrorUnknown, unknown error (memory.hpp:90)"
    const bool of_memory = error == cudaErrorMemoryAllocation;
    const std::string words =
        call.starts_with("cufft")   ? std::string("cuFFT's error ") + (of_memory ? "2" : "6")
        : call.starts_with("nvrtc") ? std::string("NVRTC's error 11")
        : call.starts_with("cublas")
            ? std::string("cuBLAS's error ") + (of_memory ? "3" : "13")
            : std::string(cudaGetErrorName(error)) + ", " + cudaGetErrorString(error);
    EXPECT_TRUE(thrown.starts_with("cuda_error: " + call + ": " + words + " (")) << thrown;
    const std::size_t colon = thrown.rfind(':');
    const std::string file = thrown.substr(0, colon);
    EXPECT_TRUE(file.ends_with(".cpp") || file.ends_with(".hpp") || file.ends_with(".cu"))
        << thrown;
    EXPECT_GT(std::stoi(thrown.substr(colon + 1)), 0) << thrown;
    EXPECT_EQ(thrown.back(), ')');
  }

  floats x = floats(count);
  floats expected = floats(count);
};

/// What is there of an output after an error.
void expect_output(const floats& y, const floats& expected, int amount, const std::string& which) {
  for (std::size_t i = 0; i < count; ++i) {
    const bool right = std::abs(y[i] - expected[i]) < off;
    const bool old = y[i] == untouched;
    ASSERT_TRUE(amount == 2   ? right
                : amount == 0 ? old
                              : right || old)
        << which << ": element " << i << " is " << y[i] << ", not " << expected[i];
  }
}

/// Data of the host.
struct on_host {
  explicit on_host(const floats& values) : x(values) {}
  void run(const subject::run& run) {
    run(view<const float>(x.data(), size), view<float>(y.data(), size));
  }
  void expect(const floats& expected, int amount, const std::string& which) const {
    expect_output(y, expected, amount, which);
  }
  floats x;
  floats y = floats(count, untouched);
};

/// Data of the host that CUDA copies by itself, also while run() waits for something else.
struct pinned {
  explicit pinned(const floats& values) {
    EXPECT_EQ(cudaMallocHost(&x, 2 * count * sizeof(float)), cudaSuccess);
    std::copy(values.begin(), values.end(), x);
    std::fill_n(x + count, count, untouched);
  }
  pinned(const pinned&) = delete;
  pinned& operator=(const pinned&) = delete;
  ~pinned() { EXPECT_EQ(cudaFreeHost(x), cudaSuccess); }
  void run(const subject::run& run) {
    run(view<const float>(x, size), view<float>(x + count, size));
  }
  void expect(const floats& expected, int amount, const std::string& which) const {
    expect_output(floats(x + count, x + 2 * count), expected, amount, which);
  }
  float* x = nullptr;
};

/// Data of the device.
struct on_device {
  explicit on_device(const floats& values) {
    const floats old(count, untouched);
    EXPECT_EQ(cudaSetDevice(here), cudaSuccess);
    for (float** p : {&x, &y}) EXPECT_EQ(cudaMalloc(p, count * sizeof(float)), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(x, values.data(), count * sizeof(float), cudaMemcpyHostToDevice),
              cudaSuccess);
    EXPECT_EQ(cudaMemcpy(y, old.data(), count * sizeof(float), cudaMemcpyHostToDevice),
              cudaSuccess);
    EXPECT_EQ(cudaSetDevice(elsewhere), cudaSuccess);
  }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;
  ~on_device() {
    EXPECT_EQ(cudaFree(x), cudaSuccess);
    EXPECT_EQ(cudaFree(y), cudaSuccess);
  }
  void run(const subject::run& run) {
    run(device_view<const float>(x, size), device_view<float>(y, size));
  }
  void expect(const floats& expected, int amount, const std::string& which) const {
    floats found(count);
    EXPECT_EQ(cudaMemcpy(found.data(), y, count * sizeof(float), cudaMemcpyDeviceToHost),
              cudaSuccess);
    expect_output(found, expected, amount, which);
  }
  float* x = nullptr;
  float* y = nullptr;
};

/// Of those that transform and make many calls, which take their time, only such that are answered differently.
std::vector<cudaError_t> errors_for(const subject& s) {
  if (wants_tolerance(s.name) || every_nth() > 1)
    return {cudaErrorMemoryAllocation, cudaErrorUnknown};
  return {cudaErrorMemoryAllocation, cudaErrorLaunchFailure, cudaErrorInvalidValue,
          cudaErrorUnknown};
}

TEST_F(cuda_fault, of_any_call_with_host_data) {
  for (const subject& s : subjects())
    for (const cudaError_t error : errors_for(s)) hold<on_host>(s, error);
}
TEST_F(cuda_fault, of_any_call_with_page_locked_data) {
  for (const subject& s : subjects())
    for (const cudaError_t error : errors_for(s)) hold<pinned>(s, error);
}
TEST_F(cuda_fault, of_any_call_with_device_data) {
  for (const subject& s : subjects())
    for (const cudaError_t error : errors_for(s)) hold<on_device>(s, error);
}
TEST_F(cuda_fault, of_any_call_of_gradients) {
  for (const subject& s : gradients())
    for (const cudaError_t error : errors_for(s)) hold<on_device>(s, error);
}

// Nothing that was begun may go on in memory that is given back, the caller's included. Freeing does not wait
// here; memory that is used after it is an error of the device.
template <class Data>
void expect_that_nothing_goes_on(const subject& s, cuda_on_host::execution when, const floats& x) {
  bool failed = true;
  for (std::int64_t nth = 1; failed; ++nth) {
    cuda_on_host::reset({.frees_wait = false});
    Data data(x);
    subject::run run = s.make();
    const std::size_t before = cuda_on_host::calls().size();
    cuda_on_host::set_execution(when);
    cuda_on_host::fail_call(nth, cudaErrorUnknown);
    try {
      data.run(run);
    } catch (const cuda_error&) {
      run = {};
    }
    failed = cuda_on_host::calls().size() >= before + static_cast<std::size_t>(nth);
    cuda_on_host::fail_call(0);
    floats then;
    if constexpr (std::is_same_v<Data, pinned>) {
      then.assign(data.x + count, data.x + 2 * count);
      std::fill_n(data.x, count, 1e9F);  // read no longer
    }
    for (const int device : {here, elsewhere}) {
      ASSERT_EQ(cudaSetDevice(device), cudaSuccess);
      ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess)
          << s.name << ", call " << nth << ": " << cuda_on_host::complaint();
    }
    if constexpr (std::is_same_v<Data, pinned>) {
      EXPECT_EQ(floats(data.x + count, data.x + 2 * count), then) << "call " << nth;
    }
  }
}

TEST_F(cuda_fault, leaves_nothing_running) {
  for (const auto when : {cuda_on_host::execution::deferred, cuda_on_host::execution::interleaved})
    for (const subject& s : subjects()) {
      expect_that_nothing_goes_on<pinned>(s, when, x);
      // Where only the kernels' own memory is waited for: the caller's data is not the run's to free.
      if (s.name == "with workspace") expect_that_nothing_goes_on<on_device>(s, when, x);
    }
}

// Once a kernel has gone wrong, every call fails.
TEST_F(cuda_fault, of_the_device_for_good_leaves_plans_that_can_be_destroyed) {
  cuda_on_host::reset();
  const subject s = subjects().at(0);
  const subject::run run = s.make();
  on_host data(x);
  data.run(run);
  // Memory that is freed in one stream while another one is about to use it.
  float* memory = nullptr;
  cudaStream_t one = nullptr;
  cudaStream_t other = nullptr;
  for (cudaStream_t* made : {&one, &other})
    ASSERT_EQ(cudaStreamCreateWithFlags(made, cudaStreamNonBlocking), cudaSuccess);
  cuda_on_host::set_execution(cuda_on_host::execution::deferred);
  ASSERT_EQ(cudaMallocAsync(&memory, 4, one), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(memory, 0, 4, other), cudaSuccess);
  ASSERT_EQ(cudaFreeAsync(memory, one), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(one), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(other), cudaErrorIllegalAddress);
  std::fill(data.y.begin(), data.y.end(), untouched);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(data.run(run), cuda_error);
    data.expect(expected, nothing, "after that");
  }
}

}  // namespace
}  // namespace convgpu::test
