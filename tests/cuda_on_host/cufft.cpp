// SPDX-License-Identifier: Apache-2.0
// The part of cuFFT that this project uses: plans as numbers, transforms of any size in double, in order with the work
// of their stream.

#include <algorithm>
#include <complex>
#include <numbers>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime.hpp"

namespace cuda_on_host::detail {
namespace {

using complex = std::complex<double>;

constexpr int success = 0;
constexpr int invalid_plan = 1;
constexpr int allocation_failed = 2;
constexpr int execution_failed = 6;

struct plan {
  long long rows = 1;
  long long cols = 1;
  long long batch = 1;
  int type = 0;
  bool made = false;
  bool allocates = true;
  cudaStream_t stream = nullptr;
  void* work = nullptr;
};

std::map<int, plan>& plans() {
  static std::map<int, plan> all;  // under the lock of the runtime
  return all;
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

/// Without what the operator of std::complex does about numbers that are not finite: it is most of the time here.
complex product(complex a, complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

/// Of a length, with roots e^(±2πi·k/n) in a table.
class line_transform {
 public:
  line_transform(long long n, double sign) : n_(n), line_(static_cast<std::size_t>(n)) {
    for (long long k = 0; k < n; ++k)
      roots_.push_back(std::polar(
          1.0, sign * 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n)));
  }
  /// Of n numbers `step` apart, in place.
  void operator()(complex* z, long long step) {
    part(z, step, n_, line_.data());
    for (long long i = 0; i < n_; ++i) z[i * step] = line_[static_cast<std::size_t>(i)];
  }

 private:
  void part(const complex* in, long long step, long long n, complex* out) const {
    if (n == 1) {
      *out = *in;
      return;
    }
    long long p = 2;
    while (n % p != 0) ++p;
    const long long m = n / p;
    for (long long r = 0; r < p; ++r) part(in + r * step, step * p, m, out + r * m);
    const complex* const roots = roots_.data();
    if (p == 2) {
      for (long long k = 0; k < m; ++k) {
        const complex turned = product(out[m + k], roots[k * (n_ / n)]);
        out[m + k] = out[k] - turned;
        out[k] += turned;
      }
      return;
    }
    std::vector<complex> sums(static_cast<std::size_t>(p));
    for (long long k = 0; k < m; ++k) {
      for (long long q = 0; q < p; ++q) {
        complex sum = out[k];
        const long long turn = (k + q * m) * (n_ / n);
        for (long long r = 1, root = turn; r < p; ++r, root = (root + turn) % n_)
          sum += product(out[r * m + k], roots[root]);
        sums[static_cast<std::size_t>(q)] = sum;
      }
      for (long long q = 0; q < p; ++q) out[k + q * m] = sums[static_cast<std::size_t>(q)];
    }
  }

  long long n_;
  std::vector<complex> line_;
  std::vector<complex> roots_;
};

void transform(std::vector<complex>& z, const plan& p, double sign) {
  line_transform along(p.cols, sign);
  for (long long r = 0; r < p.rows; ++r) along(z.data() + r * p.cols, 1);
  if (p.rows == 1) return;
  line_transform down(p.rows, sign);
  for (long long c = 0; c < p.cols; ++c) down(z.data() + c, p.cols);
}

/// A block of a batch each, in f32 or f64. What the half of the bins leaves out follows from the other one.
template <class T>
void transform_kernel(plan p, const T* in, T* out, bool from_real, bool to_real, double sign) {
  const long long count = p.rows * p.cols;
  const long long bins = p.cols / 2 + 1;
  const bool all = !from_real && !to_real;
  const long long numbers_in = all || to_real ? 2 * (all ? count : p.rows * bins) : count;
  const long long numbers_out = all || from_real ? 2 * (all ? count : p.rows * bins) : count;
  for (long long b = 0; b < p.batch; ++b, in += numbers_in, out += numbers_out) {
    std::vector<complex> z(static_cast<std::size_t>(count));
    const auto pair = [in](long long i) {
      return complex(static_cast<double>(in[2 * i]), static_cast<double>(in[2 * i + 1]));
    };
    for (long long r = 0; r < p.rows; ++r)
      for (long long c = 0; c < p.cols; ++c) {
        auto& point = z[static_cast<std::size_t>(r * p.cols + c)];
        if (from_real) point = static_cast<double>(in[r * p.cols + c]);
        else if (all) point = pair(r * p.cols + c);
        else if (c < bins) point = pair(r * bins + c);
        else point = std::conj(pair((p.rows - r) % p.rows * bins + p.cols - c));
      }
    transform(z, p, sign);
    for (long long r = 0; r < p.rows; ++r)
      for (long long c = 0; c < p.cols; ++c) {
        const complex value = z[static_cast<std::size_t>(r * p.cols + c)];
        if (to_real) {
          out[r * p.cols + c] = static_cast<T>(value.real());
        } else if (all || c < bins) {
          T* const to = out + 2 * (all ? r * p.cols + c : r * bins + c);
          to[0] = static_cast<T>(value.real());
          to[1] = static_cast<T>(value.imag());
        }
      }
  }
}

template <class T>
int execute(const char* name, int handle, void* in, void* out, bool from_real, bool to_real,
            int sign) {
  return call(name, [=](runtime& r) {
    const auto found = plans().find(handle);
    if (found == plans().end() || !found->second.made || found->second.allocates ||
        found->second.work == nullptr) {
      r.complaint = std::string(name) + ": no plan, not made, or without a work area";
      return invalid_plan;
    }
    const plan p = found->second;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(1);
    config.blockDim = dim3(1);
    config.stream = p.stream;
    r.launch(config, reinterpret_cast<const void*>(&transform_kernel<T>), [=] {
      transform_kernel<T>(p, static_cast<const T*>(in), static_cast<T*>(out), from_real, to_real,
                          static_cast<double>(sign));
      *static_cast<unsigned char*>(p.work) = 1;  // it is needed
    });
    return success;
  });
}

// ---- What cuFFT calls them ------------------------------------------------------------------------

int create(int* handle) {
  return call("cufftCreate", [=](runtime&) {
    *handle = plans().empty() ? 1 : plans().rbegin()->first + 1;
    plans()[*handle] = {};
    return success;
  });
}
int destroy(int handle) {
  {
    runtime& r = the_runtime();
    const std::lock_guard lock(r.mutex);
    plans().erase(handle);
  }
  return call("cufftDestroy", [](runtime&) { return success; });
}
int set_auto_allocation(int handle, int on) {
  return call("cufftSetAutoAllocation", [=](runtime&) {
    plans().at(handle).allocates = on != 0;
    return success;
  });
}
int make_plan(int handle, int rank, long long* n, long long*, long long, long long, long long*,
              long long, long long, int type, long long batch, std::size_t* work) {
  return call("cufftMakePlanMany64", [=](runtime& r) {
    plan& p = plans().at(handle);
    p.rows = rank == 2 ? n[0] : 1;
    p.cols = n[rank - 1];
    p.batch = batch;
    p.type = type;
    p.made = true;
    const bool wide = type >= 0x60;
    r.load(wide ? reinterpret_cast<const void*>(&transform_kernel<double>)
                : reinterpret_cast<const void*>(&transform_kernel<float>));
    *work = static_cast<std::size_t>(p.rows * p.cols * batch);
    return success;
  });
}
int set_stream(int handle, cudaStream_t on) {
  return call("cufftSetStream", [=](runtime&) {
    plans().at(handle).stream = on;
    return success;
  });
}
int set_work_area(int handle, void* work) {
  return call("cufftSetWorkArea", [=](runtime&) {
    plans().at(handle).work = work;
    return success;
  });
}
int r2c(int h, void* in, void* out) {
  return execute<float>("cufftExecR2C", h, in, out, true, false, -1);
}
int c2r(int h, void* in, void* out) {
  return execute<float>("cufftExecC2R", h, in, out, false, true, 1);
}
int d2z(int h, void* in, void* out) {
  return execute<double>("cufftExecD2Z", h, in, out, true, false, -1);
}
int z2d(int h, void* in, void* out) {
  return execute<double>("cufftExecZ2D", h, in, out, false, true, 1);
}
int c2c(int h, void* in, void* out, int sign) {
  return execute<float>("cufftExecC2C", h, in, out, false, false, sign);
}
int z2z(int h, void* in, void* out, int sign) {
  return execute<double>("cufftExecZ2Z", h, in, out, false, false, sign);
}

}  // namespace

int live_cufft_plans() {
  return static_cast<int>(plans().size());
}
void forget_cufft_plans() {
  plans().clear();
}

void* cufft_function(std::string_view name) {
  if (!the_runtime().on.has_cufft) return nullptr;
  static const std::pair<std::string_view, void*> all[] = {
      {"cufftCreate", reinterpret_cast<void*>(create)},
      {"cufftDestroy", reinterpret_cast<void*>(destroy)},
      {"cufftSetAutoAllocation", reinterpret_cast<void*>(set_auto_allocation)},
      {"cufftMakePlanMany64", reinterpret_cast<void*>(make_plan)},
      {"cufftSetStream", reinterpret_cast<void*>(set_stream)},
      {"cufftSetWorkArea", reinterpret_cast<void*>(set_work_area)},
      {"cufftExecR2C", reinterpret_cast<void*>(r2c)},
      {"cufftExecC2R", reinterpret_cast<void*>(c2r)},
      {"cufftExecD2Z", reinterpret_cast<void*>(d2z)},
      {"cufftExecZ2D", reinterpret_cast<void*>(z2d)},
      {"cufftExecC2C", reinterpret_cast<void*>(c2c)},
      {"cufftExecZ2Z", reinterpret_cast<void*>(z2z)},
  };
  for (const auto& [known, function] : all)
    if (known == name) return function;
  return nullptr;
}

}  // namespace cuda_on_host::detail
