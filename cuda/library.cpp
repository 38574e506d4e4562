// SPDX-License-Identifier: Apache-2.0

#include "library.hpp"

#include <convgpu/error.hpp>
#if !defined(CUDA_ON_HOST)
#include <dlfcn.h>
#endif

namespace convgpu::cuda {

#if defined(CUDA_ON_HOST)

opened_library::opened_library(const char* name, std::initializer_list<const char*>)
    : name_(name) {}

void* opened_library::address_of(const char* symbol) {
  void* const found = cuda_on_host::library_function(symbol);
  if (found == nullptr) missing_ = std::string(name_) + " not found: " + symbol + " is not there";
  return found;
}

#else

opened_library::opened_library(const char* name, std::initializer_list<const char*> files)
    : name_(name) {
  std::string why;
  for (const char* file : files) {
    handle_ = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    file_ = file;
    if (handle_ != nullptr) return;
    if (const char* const words = dlerror(); words != nullptr)
      why += (why.empty() ? "" : "; ") + std::string(words);
  }
  missing_ = std::string(name) + " not found: " + why;
}

void* opened_library::address_of(const char* symbol) {
  if (handle_ == nullptr) return nullptr;
  void* const found = dlsym(handle_, symbol);
  if (found == nullptr)
    missing_ = std::string(name_) + " not found: " + file_ + " has no " + symbol;
  return found;
}

#endif

void call_failed(const char* library, const char* call, int status, const char* file, int line) {
  (void)cudaGetLastError();
  const std::string path = file;
  throw cuda_error(std::string(call) + ": " + library + "'s error " + std::to_string(status) +
                   " (" + path.substr(path.rfind('/') + 1) + ":" + std::to_string(line) + ")");
}

}  // namespace convgpu::cuda
