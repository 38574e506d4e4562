// SPDX-License-Identifier: Apache-2.0

#include "cufft.hpp"

#include <convgpu/error.hpp>
#include <new>
#include <string>
#if !defined(CUDA_ON_HOST)
#include <dlfcn.h>
#endif

namespace convgpu::cuda {
namespace {

// Of the interface of cuFFT 11 and 12: numbers of its enumerations, and functions with pointers to data untyped.
constexpr int success = 0;
constexpr int allocation_failed = 2;
constexpr int to_bins_f32 = 0x2a;
constexpr int to_real_f32 = 0x2c;
constexpr int complex_f32 = 0x29;
constexpr int to_bins_f64 = 0x6a;
constexpr int to_real_f64 = 0x6c;
constexpr int complex_f64 = 0x69;
constexpr int forward = -1;
constexpr int inverse = 1;

using one_way = int (*)(int plan, void* in, void* out);
using either_way = int (*)(int plan, void* in, void* out, int direction);

struct functions {
  std::string missing = "cuFFT not found";

  int (*create)(int* plan) = nullptr;
  int (*destroy)(int plan) = nullptr;
  int (*set_auto_allocation)(int plan, int on) = nullptr;
  int (*make_plan)(int plan, int rank, long long* n, long long* in_embed, long long in_stride,
                   long long in_distance, long long* out_embed, long long out_stride,
                   long long out_distance, int type, long long batch, std::size_t* work) = nullptr;
  int (*set_stream)(int plan, cudaStream_t on) = nullptr;
  int (*set_work_area)(int plan, void* work) = nullptr;
  one_way r2c = nullptr;
  one_way c2r = nullptr;
  one_way d2z = nullptr;
  one_way z2d = nullptr;
  either_way c2c = nullptr;
  either_way z2z = nullptr;

  functions() {
#if defined(CUDA_ON_HOST)
    load([](const char* name) { return cuda_on_host::cufft_function(name); }, "there is none");
#else
    // That of this toolkit's generation and of the one before; both bring what they need of the runtime.
    std::string why;
    for (const char* file : {"libcufft.so.12", "libcufft.so.11"}) {
      if (void* const library = dlopen(file, RTLD_NOW | RTLD_LOCAL); library != nullptr) {
        load([library](const char* name) { return dlsym(library, name); }, file);
        return;  // stays open: as long as the process, as do the threads it may have
      }
      if (const char* const words = dlerror(); words != nullptr)
        why += (why.empty() ? "" : "; ") + std::string(words);
    }
    missing += ": " + why;
#endif
  }

 private:
  template <class Find>
  void load(const Find& find, const char* where) {
    const auto get = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(find(name));
      if (function == nullptr)
        missing = std::string("cuFFT not found: ") + where + " has no " + name;
      return function != nullptr;
    };
    if (get(create, "cufftCreate") && get(destroy, "cufftDestroy") &&
        get(set_auto_allocation, "cufftSetAutoAllocation") &&
        get(make_plan, "cufftMakePlanMany64") && get(set_stream, "cufftSetStream") &&
        get(set_work_area, "cufftSetWorkArea") && get(r2c, "cufftExecR2C") &&
        get(c2r, "cufftExecC2R") && get(d2z, "cufftExecD2Z") && get(z2d, "cufftExecZ2D") &&
        get(c2c, "cufftExecC2C") && get(z2z, "cufftExecZ2Z"))
      missing.clear();
  }
};

const functions& library() {
#if defined(CUDA_ON_HOST)
  thread_local functions found;  // tests take it away and bring it back
  found = functions();
#else
  static const functions found;
#endif
  return found;
}

void check_cufft(int status, const char* call, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE()) {
  if (status == success) return;
  (void)cudaGetLastError();  // what was below it is told with it
  const std::string path = file;
  throw cuda_error(std::string(call) + ": cuFFT's error " + std::to_string(status) + " (" +
                   path.substr(path.rfind('/') + 1) + ":" + std::to_string(line) + ")");
}

/// The same for calls that allocate memory.
void check_cufft_allocation(int status, const char* call, const char* file = __builtin_FILE(),
                            int line = __builtin_LINE()) {
  if (status == allocation_failed) {
    (void)cudaGetLastError();
    throw std::bad_alloc();
  }
  check_cufft(status, call, file, line);
}

}  // namespace

const std::string& cufft_missing() {
  return library().missing;
}

cufft_plan::cufft_plan(kind k, bool wide, std::int64_t rows, std::int64_t cols, std::int64_t batch)
    : kind_(k), wide_(wide) {
  const functions& cufft = library();
  check_cufft_allocation(cufft.create(&handle_), "cufftCreate");
  try {
    check_cufft(cufft.set_auto_allocation(handle_, 0), "cufftSetAutoAllocation");
    const int type = k == kind::real_there  ? (wide ? to_bins_f64 : to_bins_f32)
                     : k == kind::real_back ? (wide ? to_real_f64 : to_real_f32)
                                            : (wide ? complex_f64 : complex_f32);
    long long n[2] = {rows, cols};
    const int rank = rows == 1 ? 1 : 2;
    check_cufft_allocation(cufft.make_plan(handle_, rank, rank == 1 ? n + 1 : n, nullptr, 1, 0,
                                           nullptr, 1, 0, type, batch, &work_bytes_),
                           "cufftMakePlanMany64");
  } catch (...) {
    if (cufft.destroy(handle_) != success) (void)cudaGetLastError();
    throw;
  }
}

cufft_plan::~cufft_plan() {
  if (library().destroy(handle_) != success) (void)cudaGetLastError();
}

void cufft_plan::run(void* in, void* out, bool back, void* work, cudaStream_t on) {
  const functions& cufft = library();
  check_cufft(cufft.set_stream(handle_, on), "cufftSetStream");
  check_cufft(cufft.set_work_area(handle_, work), "cufftSetWorkArea");
  switch (kind_) {
    case kind::real_there:
      return wide_ ? check_cufft(cufft.d2z(handle_, in, out), "cufftExecD2Z")
                   : check_cufft(cufft.r2c(handle_, in, out), "cufftExecR2C");
    case kind::real_back:
      return wide_ ? check_cufft(cufft.z2d(handle_, in, out), "cufftExecZ2D")
                   : check_cufft(cufft.c2r(handle_, in, out), "cufftExecC2R");
    case kind::complex: {
      const int direction = back ? inverse : forward;
      return wide_ ? check_cufft(cufft.z2z(handle_, in, out, direction), "cufftExecZ2Z")
                   : check_cufft(cufft.c2c(handle_, in, out, direction), "cufftExecC2C");
    }
  }
}

}  // namespace convgpu::cuda
