// SPDX-License-Identifier: Apache-2.0
// The CUDA backend of a shared library: a module of its own, loaded from beside the library when somebody
// first asks for CUDA. Where that fails there is a backend all the same, which has no device and says why.

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <convgpu/detail/module.hpp>
#include <convgpu/plan.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

namespace convgpu::detail {
namespace {

namespace fs = std::filesystem;

const fs::path* find_own_folder() noexcept;

/// The folder in which this library lies; null or empty if that cannot be told. Asked when the library is
/// loaded, as its name may be relative to the folder that the process is in then. Never destroyed: the last
/// plan may be made by a destructor.
const fs::path* const own_folder = find_own_folder();

const fs::path* find_own_folder() noexcept {
  try {
    Dl_info here{};
    if (dladdr(&own_folder, &here) == 0 || here.dli_fname == nullptr) return nullptr;
    std::error_code failed;
    return new fs::path(fs::canonical(here.dli_fname, failed).parent_path());
  } catch (...) {  // no memory
    return nullptr;
  }
}

/// Whether `file` ends before what its own headers say it holds. The dynamic loader does not look, and the
/// process would die of SIGBUS. A file that is no ELF file at all is left to the loader.
bool is_cut_off(const fs::path& file) {
  std::error_code failed;
  const std::uintmax_t size = fs::file_size(file, failed);
  std::ifstream in(file, std::ios::binary);
  ElfW(Ehdr) header{};
  if (failed || !in.read(reinterpret_cast<char*>(&header), sizeof header)) return false;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_phentsize != sizeof(ElfW(Phdr)) ||
      !in.seekg(static_cast<std::streamoff>(header.e_phoff)))
    return false;
  for (int i = 0; i < header.e_phnum; ++i) {
    ElfW(Phdr) segment{};
    if (!in.read(reinterpret_cast<char*>(&segment), sizeof segment)) return true;
    if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset) return true;
  }
  return false;
}

struct answer {
  const backend* found = nullptr;
  std::string reason;  // why there is none
};

/// `reason` becomes one line, whatever is in names of files and in the loader's texts.
answer missing(std::string reason) {
  for (char& c : reason)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  while (reason.ends_with(' ')) reason.pop_back();
  return {.found = nullptr, .reason = std::move(reason)};
}

answer cannot_be_loaded() {
  const char* const why = dlerror();
  return missing(std::string("cannot be loaded: ") +
                 (why != nullptr ? why : "the dynamic loader does not say why"));
}

answer load() {
  if (own_folder == nullptr || own_folder->empty())
    return missing("not found: the folder of libconvgpu cannot be told");
  const fs::path file = *own_folder / "libconvgpu_cuda.so";
  const std::string name = file.string();
  std::error_code failed;
  if (!fs::exists(file, failed) && !failed) {
    const char* const why = CONVGPU_CUDA_BUILT
                                ? "not found: "
                                : "not built: libconvgpu was built without CUDA, and there is no ";
    return missing(why + name);
  }
  if (is_cut_off(file)) return missing("cannot be loaded: " + name + ": the file is cut off");

  const auto close = [](void* module) { dlclose(module); };
  std::unique_ptr<void, decltype(close)> module(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL), close);
  if (module == nullptr) return cannot_be_loaded();
  const auto* const entry = static_cast<const module_entry*>(dlsym(module.get(), module_symbol));
  if (entry == nullptr) return cannot_be_loaded();
  if (entry->version != version())
    return missing("another version: " + name + " is of version " + entry->version +
                   ", libconvgpu of version " + std::string(version()));
  if (entry->seam != seam_of(CONVGPU_SEAM))
    return missing("another build: " + name +
                   " was not built from the same headers as libconvgpu, or "
                   "with other settings of the standard library");
  (void)module.release();  // for as long as the process lives
  return {.found = &entry->get(), .reason = {}};
}

/// Found once, and kept for the process. Several threads may look at the same time, and the first answer
/// counts: a lock held here could meet the dynamic loader's own in the opposite order, where a library asks
/// for its first plan while it is being loaded.
const answer& the_answer() {
  static std::atomic<const answer*> known = nullptr;
  if (const answer* const a = known.load(std::memory_order_acquire)) return *a;
  auto mine = std::make_unique<const answer>(load());
  const answer* first = nullptr;
  if (known.compare_exchange_strong(first, mine.get(), std::memory_order_acq_rel))
    first = mine.release();
  return *first;
}

constexpr backend nothing{
    .name = "cuda",
    .unavailable = [](int) { return the_answer().reason; },
    .device_count = [] { return 0; },
    .devices = [] { return std::vector<std::string>(); },
    .algorithms = {},
};

}  // namespace

const backend& cuda_backend() {
  const answer& a = the_answer();
  return a.found != nullptr ? *a.found : nothing;
}

}  // namespace convgpu::detail
