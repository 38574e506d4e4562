// SPDX-License-Identifier: Apache-2.0

#include "nvrtc.hpp"

#include <algorithm>
#include <convgpu/error.hpp>
#include <iterator>
#include <new>
#include <vector>

#include "library.hpp"

namespace convgpu::cuda {
namespace {

// Of the interface of NVRTC 12 and 13: numbers of its enumeration, and its handle untyped.
constexpr int success = 0;
constexpr int out_of_memory = 1;
constexpr int does_not_compile = 6;

struct functions : opened_library {
  int (*version)(int* major, int* minor) = nullptr;
  int (*count_architectures)(int* count) = nullptr;
  int (*architectures)(int* to) = nullptr;
  int (*create)(void** program, const char* source, const char* name, int headers,
                const char* const* texts, const char* const* names) = nullptr;
  int (*compile)(void* program, int count, const char* const* options) = nullptr;
  int (*code_size)(void* program, std::size_t* bytes) = nullptr;
  int (*code)(void* program, char* to) = nullptr;
  int (*log_size)(void* program, std::size_t* bytes) = nullptr;
  int (*log)(void* program, char* to) = nullptr;
  int (*destroy)(void** program) = nullptr;

  /// Of this toolkit's generation and of the one before.
  functions() : opened_library("NVRTC", {"libnvrtc.so.13", "libnvrtc.so.12"}) {
    find(version, "nvrtcVersion");
    find(count_architectures, "nvrtcGetNumSupportedArchs");
    find(architectures, "nvrtcGetSupportedArchs");
    find(create, "nvrtcCreateProgram");
    find(compile, "nvrtcCompileProgram");
    find(code_size, "nvrtcGetCUBINSize");
    find(code, "nvrtcGetCUBIN");
    find(log_size, "nvrtcGetProgramLogSize");
    find(log, "nvrtcGetProgramLog");
    find(destroy, "nvrtcDestroyProgram");
  }
};

const functions& library() {
  return the_library<functions>();
}

void check_nvrtc(int status, const char* call, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE()) {
  if (status == success) return;
  if (status != out_of_memory) call_failed("NVRTC", call, status, file, line);
  (void)cudaGetLastError();
  throw std::bad_alloc();
}

class program {
 public:
  explicit program(const std::string& source) {
    check_nvrtc(nvrtc_.create(&handle_, source.c_str(), "convgpu_compiled.cu", 0, nullptr, nullptr),
                "nvrtcCreateProgram");
  }
  program(const program&) = delete;
  program& operator=(const program&) = delete;
  ~program() {
    if (nvrtc_.destroy(&handle_) != success) (void)cudaGetLastError();
  }

  void compile(int capability) {
    std::vector<std::string> words(std::begin(nvrtc_options), std::end(nvrtc_options));
    words.push_back("--gpu-architecture=sm_" + std::to_string(capability));
    std::vector<const char*> options;
    for (const std::string& word : words) options.push_back(word.c_str());
    const int status = nvrtc_.compile(handle_, static_cast<int>(options.size()), options.data());
    if (status == does_not_compile)
      throw cuda_error(
          "nvrtcCompileProgram: the program does not compile: " +
          text(nvrtc_.log_size, "nvrtcGetProgramLogSize", nvrtc_.log, "nvrtcGetProgramLog"));
    check_nvrtc(status, "nvrtcCompileProgram");
  }
  [[nodiscard]] std::string code() const {
    return text(nvrtc_.code_size, "nvrtcGetCUBINSize", nvrtc_.code, "nvrtcGetCUBIN");
  }

 private:
  [[nodiscard]] std::string text(int (*size)(void*, std::size_t*), const char* size_name,
                                 int (*get)(void*, char*), const char* get_name) const {
    std::size_t bytes = 0;
    check_nvrtc(size(handle_, &bytes), size_name);
    std::string all(bytes, '\0');
    check_nvrtc(get(handle_, all.data()), get_name);
    return all;
  }

  const functions& nvrtc_ = library();
  void* handle_ = nullptr;
};

}  // namespace

std::string nvrtc_missing(int capability) {
  const functions& nvrtc = library();
  if (!nvrtc.missing().empty()) return nvrtc.missing();
  int count = 0;
  check_nvrtc(nvrtc.count_architectures(&count), "nvrtcGetNumSupportedArchs");
  std::vector<int> known(static_cast<std::size_t>(count));
  check_nvrtc(nvrtc.architectures(known.data()), "nvrtcGetSupportedArchs");
  if (std::find(known.begin(), known.end(), capability) != known.end()) return {};
  return "NVRTC " + nvrtc_version() + " does not compile for sm_" + std::to_string(capability);
}

std::string nvrtc_version() {
  int major = 0;
  int minor = 0;
  check_nvrtc(library().version(&major, &minor), "nvrtcVersion");
  return std::to_string(major) + "." + std::to_string(minor);
}

std::string nvrtc_compile(const std::string& source, int capability) {
  program made(source);
  made.compile(capability);
  return made.code();
}

}  // namespace convgpu::cuda
