// SPDX-License-Identifier: Apache-2.0
// host PLUGIN WORD...: the probe in a plugin, of a program that knows nothing of libconvgpu.
#include <dlfcn.h>

#include <cstdio>

int main(int argc, char** argv) {
  void* const plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
  void* const probe = plugin != nullptr ? dlsym(plugin, "probe") : nullptr;
  if (probe == nullptr) {
    std::puts(argc > 1 ? dlerror() : "usage: host PLUGIN WORD...");
    return 1;
  }
  return reinterpret_cast<int (*)(int, char**)>(probe)(argc - 2, argv + 2);
}
