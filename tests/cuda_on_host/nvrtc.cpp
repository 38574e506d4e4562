// SPDX-License-Identifier: Apache-2.0
// The part of NVRTC that this project uses, and libraries that are loaded from what it makes: the compiler of the
// stand-in compiles programs at run time, for the host. A program has one kernel, whose one parameter is a
// `const __grid_constant__` struct. Each is compiled once in a process.

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime.hpp"

/// What has been loaded stays in the process, and so do its kernels: who uses them after it was unloaded is found out.
struct CUlib_st {
  void* object = nullptr;
  bool unloaded = false;
};
struct CUkern_st {
  std::shared_ptr<CUlib_st> library;
  std::size_t parameter_bytes = 0;
  void (*run)(const void* parameter) = nullptr;
};

namespace cuda_on_host::detail {
namespace {

constexpr int success = 0;
constexpr int out_of_memory = 1;
constexpr int invalid_program = 4;
constexpr int compilation = 6;
constexpr int internal_error = 11;
constexpr int architectures[] = {75, 80, 86, 89, 90, 100};

// What cuda_runtime.h here says, without any header.
constexpr std::string_view prologue = R"(
#define CUDA_ON_HOST 1
#define __global__ __attribute__((visibility("default")))
#define __device__
#define __host__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __forceinline__ inline __attribute__((always_inline))
namespace cuda_on_host {
struct triple {
  unsigned x, y, z;
};
struct device {
  const triple *thread, *block, *block_size, *grid_size;
  void (*meet)();
  void* (*shared)();
  void (*load)(const void*, unsigned long);
  void (*store)(const void*, unsigned long);
};
}
extern "C" __global__ cuda_on_host::device cuda_on_host_device;
cuda_on_host::device cuda_on_host_device;
#define threadIdx (*cuda_on_host_device.thread)
#define blockIdx (*cuda_on_host_device.block)
#define blockDim (*cuda_on_host_device.block_size)
#define gridDim (*cuda_on_host_device.grid_size)
inline void __syncthreads() { cuda_on_host_device.meet(); }
namespace cuda_on_host {
inline void* dynamic_shared() { return cuda_on_host_device.shared(); }
inline void count_load(const void* from, unsigned long bytes) { cuda_on_host_device.load(from, bytes); }
inline void count_store(const void* to, unsigned long bytes) { cuda_on_host_device.store(to, bytes); }
template <class P>
constexpr unsigned long bytes_of(void (*)(P)) { return sizeof(P); }
template <class P>
void run(void (*kernel)(P), const void* parameter) { kernel(*static_cast<const P*>(parameter)); }
}
)";
std::string epilogue(const std::string& kernel) {
  return "\nextern \"C\" __global__ unsigned long cuda_on_host_bytes() { return "
         "cuda_on_host::bytes_of(" +
         kernel +
         "); }\nextern \"C\" __global__ void cuda_on_host_run(const void* p) { cuda_on_host::run(" +
         kernel + ", p); }\n";
}

struct device_functions {
  const void *thread, *block, *block_size, *grid_size;
  void (*meet)();
  void* (*shared)();
  void (*load)(const void*, std::size_t);
  void (*store)(const void*, std::size_t);
};

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct compiled {
  std::string code;  // empty: it is wrong
  std::string log;
};

compiled compile(const std::string& source) {
  static const std::regex kernel_name(R"((\w+)\(\s*const\s+__grid_constant__)");
  std::smatch found;
  if (!std::regex_search(source, found, kernel_name)) return {{}, "there is no kernel"};
  std::string folder = (std::filesystem::temp_directory_path() / "cuda_on_host_XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return {{}, "no folder for temporary files"};
  const std::string text = folder + "/program.cpp";
  const std::string made = folder + "/program.so";
  const std::string log = folder + "/log";
  std::ofstream(text) << prologue << source << epilogue(found[1]);

  std::vector<std::string> words{CUDA_ON_HOST_COMPILER};
  std::istringstream flags(CUDA_ON_HOST_FLAGS);
  for (std::string flag; flags >> flag;) words.push_back(flag);
  for (const char* word : {"-std=c++20", "-O0", "-w", "-fPIC", "-fvisibility=hidden", "-shared"})
    words.emplace_back(word);
  words.insert(words.end(), {text, "-o", made});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  int status = -1;
  if (posix_spawn(&child, arguments[0], &files, nullptr, arguments.data(), environ) == 0)
    waitpid(child, &status, 0);
  posix_spawn_file_actions_destroy(&files);
  compiled result{status == 0 ? content_of(made) : std::string(), content_of(log)};
  std::filesystem::remove_all(folder);
  return result;
}

/// Not under the lock of the runtime.
const compiled& compile_once(const std::string& source) {
  static std::mutex mutex;
  static std::map<std::string, compiled> all;
  const std::lock_guard lock(mutex);
  const auto found = all.find(source);
  return found != all.end() ? found->second : all.emplace(source, compile(source)).first->second;
}

struct program {
  std::string source;
  compiled made;
};

// Under the lock of the runtime.
std::map<std::uintptr_t, program> programs;
std::vector<std::shared_ptr<CUlib_st>> libraries;

std::deque<CUkern_st> kernels;  // of all times

/// As a call of the runtime's: noted, and perhaps made to fail.
template <class Body>
int call(const char* name, Body body) {
  runtime& r = the_runtime();
  const std::lock_guard lock(r.mutex);
  try {
    r.begin_call(name, false);
    return body(r);
  } catch (const refusal& why) {
    last_error = why.error;
    return why.error == cudaErrorMemoryAllocation ? out_of_memory : internal_error;
  }
}
template <class Body>
cudaError_t cuda_call(const char* name, Body body) {
  runtime& r = the_runtime();
  const std::lock_guard lock(r.mutex);
  try {
    r.begin_call(name, true);
    body(r);
    return cudaSuccess;
  } catch (const refusal& why) {
    return last_error = why.error;
  }
}

// ---- What NVRTC calls them ------------------------------------------------------------------------

/// No real one: what it compiles is taken for nobody else's.
int version(int* major, int* minor) {
  return call("nvrtcVersion", [=](runtime&) { return *major = 0, *minor = 1, success; });
}
int count_architectures(int* count) {
  return call("nvrtcGetNumSupportedArchs",
              [=](runtime&) { return *count = std::size(architectures), success; });
}
int get_architectures(int* to) {
  return call("nvrtcGetSupportedArchs", [=](runtime&) {
    std::copy(std::begin(architectures), std::end(architectures), to);
    return success;
  });
}
int create(std::uintptr_t* handle, const char* source, const char*, int, const char* const*,
           const char* const*) {
  return call("nvrtcCreateProgram", [=](runtime&) {
    *handle = programs.empty() ? 1 : programs.rbegin()->first + 1;
    programs[*handle] = {source, {}};
    return success;
  });
}
int compile_program(std::uintptr_t handle, int, const char* const*) {
  std::string source;
  const int noted = call("nvrtcCompileProgram", [&](runtime&) {
    const auto found = programs.find(handle);
    if (found == programs.end()) return invalid_program;
    source = found->second.source;
    return success;
  });
  if (noted != success) return noted;
  const compiled& made = compile_once(source);
  const std::lock_guard lock(the_runtime().mutex);
  programs.at(handle).made = made;
  if (made.code.empty()) the_runtime().complaint = made.log;
  return made.code.empty() ? compilation : success;
}
/// For code and log alike.
template <std::string compiled::*Text>
int get_size(const char* name, std::uintptr_t handle, std::size_t* bytes) {
  return call(name, [=](runtime&) {
    *bytes = (programs.at(handle).made.*Text).size();
    return success;
  });
}
template <std::string compiled::*Text>
int get(const char* name, std::uintptr_t handle, char* to) {
  return call(name, [=](runtime&) {
    const std::string& text = programs.at(handle).made.*Text;
    std::copy(text.begin(), text.end(), to);
    return success;
  });
}
int get_code_size(std::uintptr_t handle, std::size_t* bytes) {
  return get_size<&compiled::code>("nvrtcGetCUBINSize", handle, bytes);
}
int get_code(std::uintptr_t handle, char* to) {
  return get<&compiled::code>("nvrtcGetCUBIN", handle, to);
}
int get_log_size(std::uintptr_t handle, std::size_t* bytes) {
  return get_size<&compiled::log>("nvrtcGetProgramLogSize", handle, bytes);
}
int get_log(std::uintptr_t handle, char* to) {
  return get<&compiled::log>("nvrtcGetProgramLog", handle, to);
}
int destroy(std::uintptr_t* handle) {
  {
    const std::lock_guard lock(the_runtime().mutex);
    programs.erase(*handle);
  }
  return call("nvrtcDestroyProgram", [](runtime&) { return success; });
}

// ---- Libraries ------------------------------------------------------------------------------------

/// Its own headers say how long code is: sections are the last thing in it.
std::string_view whole(const void* code) {
  ElfW(Ehdr) header{};
  std::memcpy(&header, code, sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
  return {static_cast<const char*>(code),
          header.e_shoff + std::size_t{header.e_shnum} * header.e_shentsize};
}

/// Opened once and for the process; null where it is no code.
void* open_object(std::string_view code) {
  static std::map<std::string, void*, std::less<>> all;  // under the lock of the runtime
  if (const auto found = all.find(code); found != all.end()) return found->second;
  // Under a name that no other has had: that is how the dynamic loader tells them apart.
  std::string name = (std::filesystem::temp_directory_path() / "cuda_on_host_XXXXXX").string();
  const int file = mkstemp(name.data());
  const bool written = write(file, code.data(), code.size()) == static_cast<ssize_t>(code.size());
  close(file);
  void* const object = written ? dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(name.c_str());
  if (object == nullptr) return nullptr;
  auto* const device = static_cast<device_functions*>(dlsym(object, "cuda_on_host_device"));
  if (device == nullptr) return nullptr;
  *device = {&here.thread,  &here.block,    &here.block_size, &here.grid_size,
             meet_in_block, dynamic_shared, count_load,       count_store};
  return all[std::string(code)] = object;
}

}  // namespace

int live_programs() {
  return static_cast<int>(programs.size() + libraries.size());
}
void forget_programs() {
  programs.clear();
  libraries.clear();
}

void* nvrtc_function(std::string_view name) {
  if (!the_runtime().on.has_nvrtc || access(CUDA_ON_HOST_COMPILER, X_OK) != 0) return nullptr;
  static const std::pair<std::string_view, void*> all[] = {
      {"nvrtcVersion", reinterpret_cast<void*>(version)},
      {"nvrtcGetNumSupportedArchs", reinterpret_cast<void*>(count_architectures)},
      {"nvrtcGetSupportedArchs", reinterpret_cast<void*>(get_architectures)},
      {"nvrtcCreateProgram", reinterpret_cast<void*>(create)},
      {"nvrtcCompileProgram", reinterpret_cast<void*>(compile_program)},
      {"nvrtcGetCUBINSize", reinterpret_cast<void*>(get_code_size)},
      {"nvrtcGetCUBIN", reinterpret_cast<void*>(get_code)},
      {"nvrtcGetProgramLogSize", reinterpret_cast<void*>(get_log_size)},
      {"nvrtcGetProgramLog", reinterpret_cast<void*>(get_log)},
      {"nvrtcDestroyProgram", reinterpret_cast<void*>(destroy)},
  };
  for (const auto& [known, function] : all)
    if (known == name) return function;
  return nullptr;
}

}  // namespace cuda_on_host::detail

using namespace cuda_on_host::detail;

cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* code, cudaJitOption*, void**,
                                unsigned, cudaLibraryOption*, void**, unsigned) {
  return cuda_call(__func__, [=](runtime& r) {
    void* const object = open_object(whole(code));
    if (object == nullptr) r.refuse(cudaErrorInvalidKernelImage, "this is no code");
    *library = libraries.emplace_back(std::make_shared<CUlib_st>(CUlib_st{object})).get();
  });
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library, const char* name) {
  return cuda_call(__func__, [=](runtime& r) {
    const auto found = std::ranges::find(libraries, library, &std::shared_ptr<CUlib_st>::get);
    if (found == libraries.end()) r.refuse(cudaErrorInvalidResourceHandle, "no library");
    if (dlsym(library->object, name) == nullptr) r.refuse(cudaErrorSymbolNotFound, name);
    const auto bytes =
        reinterpret_cast<std::size_t (*)()>(dlsym(library->object, "cuda_on_host_bytes"));
    const auto run =
        reinterpret_cast<void (*)(const void*)>(dlsym(library->object, "cuda_on_host_run"));
    *kernel = &kernels.emplace_back(CUkern_st{*found, bytes(), run});
  });
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
  {
    const std::lock_guard lock(the_runtime().mutex);
    const auto found = std::ranges::find(libraries, library, &std::shared_ptr<CUlib_st>::get);
    if (found != libraries.end()) {
      library->unloaded = true;
      libraries.erase(found);
    }
  }
  return cuda_call(__func__, [](runtime&) {});
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* kernel,
                                void** arguments) {
  return cuda_call(__func__, [=](runtime& r) {
    const auto* const k = static_cast<const CUkern_st*>(kernel);
    if (k->library->unloaded) r.refuse(cudaErrorInvalidResourceHandle, "its library is unloaded");
    const auto* const begin = static_cast<const std::byte*>(arguments[0]);
    const std::vector<std::byte> parameter(begin, begin + k->parameter_bytes);
    r.launch(*config, kernel, [=] {
      if (k->library->unloaded)
        the_runtime().note_fault(cudaErrorIllegalAddress, "its library is unloaded");
      k->run(parameter.data());
    });
  });
}
