// SPDX-License-Identifier: Apache-2.0

#include "cublas.hpp"

#include <complex>
#include <new>
#include <string>

#include "library.hpp"

namespace convgpu::cuda {
namespace {

// Of the interface of cuBLAS 12 and 13: numbers of its enumerations, and its handle untyped.
constexpr int success = 0;
constexpr int allocation_failed = 3;
constexpr int as_it_lies = 0;  // not transposed
constexpr int default_algorithm = -1;

/// How it calls elements, and what it sums in.
struct numbers {
  int element;
  int sum;
  int compute;
};

// Pedantic where nothing narrower than the type may come in between; f16 and bf16 are what matrix units take, whose
// products are exact in f32.
constexpr numbers of_f16{2, 0, 68};
constexpr numbers of_bf16{14, 0, 68};
constexpr numbers of_f32{0, 0, 69};
constexpr numbers of_f64{1, 1, 71};
constexpr numbers of_cf32{4, 4, 69};
constexpr numbers of_cf64{5, 5, 71};

numbers numbers_of(dtype type) {
  switch (type) {
    case dtype::f16: return of_f16;
    case dtype::bf16: return of_bf16;
    case dtype::f64: return of_f64;
    case dtype::cf32: return of_cf32;
    case dtype::cf64: return of_cf64;
    default: return of_f32;
  }
}

struct functions : opened_library {
  int (*create)(void** handle) = nullptr;
  int (*destroy)(void* handle) = nullptr;
  int (*set_stream)(void* handle, cudaStream_t on) = nullptr;
  int (*set_workspace)(void* handle, void* work, std::size_t bytes) = nullptr;
  int (*gemm)(void* handle, int a_way, int b_way, int m, int n, int k, const void* alpha,
              const void* a, int a_type, int a_pitch, long long a_step, const void* b, int b_type,
              int b_pitch, long long b_step, const void* beta, void* c, int c_type, int c_pitch,
              long long c_step, int batch, int compute, int algorithm) = nullptr;

  /// Of this toolkit's generation and of the one before; both bring what they need of the runtime.
  functions() : opened_library("cuBLAS", {"libcublas.so.13", "libcublas.so.12"}) {
    find(create, "cublasCreate_v2");
    find(destroy, "cublasDestroy_v2");
    find(set_stream, "cublasSetStream_v2");
    find(set_workspace, "cublasSetWorkspace_v2");
    find(gemm, "cublasGemmStridedBatchedEx");
  }
};

const functions& library() {
  return the_library<functions>();
}

void check_cublas(int status, const char* call, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  if (status != success) call_failed("cuBLAS", call, status, file, line);
}

}  // namespace

const std::string& cublas_missing() {
  return library().missing();
}

cublas_handle::cublas_handle() {
  const int status = library().create(&handle_);
  if (status == allocation_failed) {
    (void)cudaGetLastError();
    throw std::bad_alloc();
  }
  check_cublas(status, "cublasCreate");
}

cublas_handle::~cublas_handle() {
  if (library().destroy(handle_) != success) (void)cudaGetLastError();
}

void cublas_handle::run(const matrix_product& p, void* work, std::size_t work_bytes,
                        cudaStream_t on) {
  const functions& cublas = library();
  check_cublas(cublas.set_stream(handle_, on), "cublasSetStream");  // forgets the workspace
  check_cublas(cublas.set_workspace(handle_, work, work_bytes), "cublasSetWorkspace");
  const numbers types = numbers_of(p.type);
  const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
  const auto multiply = [&](const auto& one, const auto& zero) {
    check_cublas(
        cublas.gemm(handle_, as_it_lies, as_it_lies, narrow(p.m), narrow(p.n), narrow(p.k), &one,
                    p.a, types.element, narrow(p.a_pitch), p.a_step, p.b, types.element,
                    narrow(p.b_pitch), p.b_step, &zero, p.sums, types.sum, narrow(p.sums_pitch),
                    p.sums_step, narrow(p.batch), types.compute, default_algorithm),
        "cublasGemmStridedBatchedEx");
  };
  switch (p.type) {
    case dtype::f64: return multiply(1.0, 0.0);
    case dtype::cf32: return multiply(std::complex(1.0F), std::complex(0.0F));
    case dtype::cf64: return multiply(std::complex(1.0), std::complex(0.0));
    default: return multiply(1.0F, 0.0F);
  }
}

}  // namespace convgpu::cuda
