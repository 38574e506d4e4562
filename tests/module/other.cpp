// SPDX-License-Identifier: Apache-2.0
// Modules that must not be used: OTHER_VERSION, OTHER_SEAM, or no entry at all.

#include <convgpu/detail/module.hpp>
#include <cstdlib>

namespace {

[[noreturn]] const convgpu::detail::backend& must_not_be_asked() {
  std::abort();
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const convgpu::detail::module_entry OTHER_SYMBOL{
    .version = OTHER_VERSION, .seam = OTHER_SEAM, .get = must_not_be_asked};
