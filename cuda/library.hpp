// SPDX-License-Identifier: Apache-2.0
// Libraries that come with CUDA: opened when they are first asked for and never linked. Without one, what wants it
// refuses, and nothing else changes.
#pragma once

#include <cuda_runtime.h>

#include <initializer_list>
#include <string>

namespace convgpu::cuda {

/// Such a library. One that derives from it finds its functions, by the names that they have there.
class opened_library {
 public:
  /// Why it cannot be used; empty where it can.
  [[nodiscard]] const std::string& missing() const noexcept { return missing_; }

 protected:
  /// The first of `files` that there is. It stays open: as long as the process, as do the threads it may have.
  opened_library(const char* name, std::initializer_list<const char*> files);

  template <class Function>
  void find(Function*& function, const char* symbol) {
    function = reinterpret_cast<Function*>(address_of(symbol));
  }

 private:
  [[nodiscard]] void* address_of(const char* symbol);

  const char* name_;
  [[maybe_unused]] const char* file_ = "there";  // which the stand-in opens none of
  [[maybe_unused]] void* handle_ = nullptr;
  std::string missing_;
};

/// The one of the process.
template <class Library>
[[nodiscard]] const Library& the_library() {
#if defined(CUDA_ON_HOST)
  thread_local Library found;  // tests take it away and bring it back
  found = Library();
#else
  static const Library found;
#endif
  return found;
}

/// Throws cuda_error for the failure of a call of such a library, with the call's name, its place and the number. The
/// runtime's record of what was below it is cleared.
[[noreturn]] void call_failed(const char* library, const char* call, int status, const char* file,
                              int line);

}  // namespace convgpu::cuda
