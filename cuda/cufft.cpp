// SPDX-License-Identifier: Apache-2.0

#include "cufft.hpp"

#include <new>
#include <string>

#include "library.hpp"

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

struct functions : opened_library {
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

  /// Of this toolkit's generation and of the one before; both bring what they need of the runtime.
  functions() : opened_library("cuFFT", {"libcufft.so.12", "libcufft.so.11"}) {
    find(create, "cufftCreate");
    find(destroy, "cufftDestroy");
    find(set_auto_allocation, "cufftSetAutoAllocation");
    find(make_plan, "cufftMakePlanMany64");
    find(set_stream, "cufftSetStream");
    find(set_work_area, "cufftSetWorkArea");
    find(r2c, "cufftExecR2C");
    find(c2r, "cufftExecC2R");
    find(d2z, "cufftExecD2Z");
    find(z2d, "cufftExecZ2D");
    find(c2c, "cufftExecC2C");
    find(z2z, "cufftExecZ2Z");
  }
};

const functions& library() {
  return the_library<functions>();
}

void check_cufft(int status, const char* call, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE()) {
  if (status != success) call_failed("cuFFT", call, status, file, line);
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
  return library().missing();
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
