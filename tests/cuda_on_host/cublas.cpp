// SPDX-License-Identifier: Apache-2.0
// The part of cuBLAS that this project uses: products of matrices that are not transposed, in order with the work of
// their stream, each sum from the first product to the last.

#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "runtime.hpp"

namespace cuda_on_host::detail {
namespace {

constexpr int success = 0;
constexpr int not_initialized = 1;
constexpr int allocation_failed = 3;
constexpr int invalid_value = 7;
constexpr int execution_failed = 13;
constexpr std::size_t least_work = 16 * 1024;

struct handle {
  cudaStream_t stream = nullptr;
  void* work = nullptr;
  std::size_t bytes = 0;
};

std::map<std::uintptr_t, handle>& handles() {
  static std::map<std::uintptr_t, handle> all;  // under the lock of the runtime
  return all;
}

std::uintptr_t key_of(const void* h) {
  return reinterpret_cast<std::uintptr_t>(h);
}

/// As a call of the runtime's: noted, and perhaps made to fail.
template <class Body>
int call(const char* name, Body body) {
  runtime& r = the_runtime();
  const std::lock_guard lock(r.mutex);
  try {
    r.begin_call(name, true);
    return body(r);
  } catch (const refusal& why) {
    last_error = why.error;
    return why.error == cudaErrorMemoryAllocation ? allocation_failed : execution_failed;
  }
}

struct half {
  std::uint16_t bits;
  explicit operator float() const {
    const int exponent = bits >> 10 & 31;
    const auto fraction = static_cast<float>(bits & 1023);
    const float magnitude = exponent == 0    ? std::ldexp(fraction, -24)
                            : exponent == 31 ? (fraction == 0 ? HUGE_VALF : NAN)
                                             : std::ldexp(fraction + 1024, exponent - 25);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
  }
};
struct brain {
  std::uint16_t bits;
  explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

struct product {
  int m, n, k, batch;
  const void* a;
  int a_pitch;
  long long a_step;
  const void* b;
  int b_pitch;
  long long b_step;
  void* c;
  int c_pitch;
  long long c_step;
  void* work;
};

template <class Element, class Sum>
void multiply_kernel(const product& p) {
  for (int i = 0; i < p.batch; ++i) {
    const Element* const a = static_cast<const Element*>(p.a) + i * p.a_step;
    const Element* const b = static_cast<const Element*>(p.b) + i * p.b_step;
    Sum* const c = static_cast<Sum*>(p.c) + i * p.c_step;
    for (int column = 0; column < p.n; ++column) {
      Sum* const sums = c + static_cast<long long>(column) * p.c_pitch;
      for (int row = 0; row < p.m; ++row) sums[row] = Sum{};
      for (int t = 0; t < p.k; ++t) {
        const auto factor = static_cast<Sum>(b[t + static_cast<long long>(column) * p.b_pitch]);
        const Element* const line = a + static_cast<long long>(t) * p.a_pitch;
        for (int row = 0; row < p.m; ++row) sums[row] += static_cast<Sum>(line[row]) * factor;
      }
    }
  }
  *static_cast<unsigned char*>(p.work) = 1;  // it may be needed
}

template <class Element, class Sum>
int launch(runtime& r, cudaStream_t on, const product& p) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(1);
  config.stream = on;
  r.launch(config, reinterpret_cast<const void*>(&multiply_kernel<Element, Sum>),
           [p] { multiply_kernel<Element, Sum>(p); });
  return success;
}

// ---- What cuBLAS calls them -----------------------------------------------------------------------

int create(void** h) {
  return call("cublasCreate", [=](runtime& r) {
    const std::uintptr_t key = handles().empty() ? 1 : handles().rbegin()->first + 1;
    handles()[key] = {};
    *h = reinterpret_cast<void*>(key);
    r.load(reinterpret_cast<const void*>(&multiply_kernel<half, float>));
    r.load(reinterpret_cast<const void*>(&multiply_kernel<brain, float>));
    r.load(reinterpret_cast<const void*>(&multiply_kernel<float, float>));
    r.load(reinterpret_cast<const void*>(&multiply_kernel<double, double>));
    using cf32 = std::complex<float>;
    using cf64 = std::complex<double>;
    r.load(reinterpret_cast<const void*>(&multiply_kernel<cf32, cf32>));
    r.load(reinterpret_cast<const void*>(&multiply_kernel<cf64, cf64>));
    return success;
  });
}
int destroy(void* h) {
  {
    runtime& r = the_runtime();
    const std::lock_guard lock(r.mutex);
    handles().erase(key_of(h));
  }
  return call("cublasDestroy", [](runtime&) { return success; });
}
int set_stream(void* h, cudaStream_t on) {
  return call("cublasSetStream", [=](runtime&) {
    handles().at(key_of(h)) = {.stream = on};  // and the workspace is forgotten
    return success;
  });
}
int set_workspace(void* h, void* work, std::size_t bytes) {
  return call("cublasSetWorkspace", [=](runtime& r) {
    if (key_of(work) % 256 != 0) {
      r.complaint = "cublasSetWorkspace: not aligned";
      return invalid_value;
    }
    handles().at(key_of(h)).work = work;
    handles().at(key_of(h)).bytes = bytes;
    return success;
  });
}
int gemm(void* h, int a_way, int b_way, int m, int n, int k, const void*, const void* a, int a_type,
         int a_pitch, long long a_step, const void* b, int b_type, int b_pitch, long long b_step,
         const void*, void* c, int c_type, int c_pitch, long long c_step, int batch, int compute,
         int algorithm) {
  return call("cublasGemmStridedBatchedEx", [=](runtime& r) {
    const auto found = handles().find(key_of(h));
    if (found == handles().end()) return not_initialized;
    const auto wrong = [&](const char* what) {
      r.complaint = std::string("cublasGemmStridedBatchedEx: ") + what;
      return invalid_value;
    };
    if (found->second.work == nullptr || found->second.bytes < least_work)
      return wrong("without a workspace, or with less than it may ask for");
    if (a_way != 0 || b_way != 0 || algorithm != -1 || a_type != b_type) return wrong("not known");
    if (m < 1 || n < 1 || k < 1 || batch < 1 || a_pitch < m || b_pitch < k || c_pitch < m)
      return wrong("sizes");
    const cudaStream_t on = found->second.stream;
    const product p{m, n,       k,      batch, a,       a_pitch, a_step,
                    b, b_pitch, b_step, c,     c_pitch, c_step,  found->second.work};
    const auto is = [&](int element, int sum, int in) {
      return a_type == element && c_type == sum && compute == in;
    };
    if (is(2, 0, 68)) return launch<half, float>(r, on, p);
    if (is(14, 0, 68)) return launch<brain, float>(r, on, p);
    if (is(0, 0, 69)) return launch<float, float>(r, on, p);
    if (is(1, 1, 71)) return launch<double, double>(r, on, p);
    if (is(4, 4, 69)) return launch<std::complex<float>, std::complex<float>>(r, on, p);
    if (is(5, 5, 71)) return launch<std::complex<double>, std::complex<double>>(r, on, p);
    return wrong("types");
  });
}

}  // namespace

int live_cublas_handles() {
  return static_cast<int>(handles().size());
}
void forget_cublas_handles() {
  handles().clear();
}

void* cublas_function(std::string_view name) {
  if (!the_runtime().on.has_cublas) return nullptr;
  static const std::pair<std::string_view, void*> all[] = {
      {"cublasCreate_v2", reinterpret_cast<void*>(create)},
      {"cublasDestroy_v2", reinterpret_cast<void*>(destroy)},
      {"cublasSetStream_v2", reinterpret_cast<void*>(set_stream)},
      {"cublasSetWorkspace_v2", reinterpret_cast<void*>(set_workspace)},
      {"cublasGemmStridedBatchedEx", reinterpret_cast<void*>(gemm)},
  };
  for (const auto& [known, function] : all)
    if (known == name) return function;
  return nullptr;
}

}  // namespace cuda_on_host::detail
