// SPDX-License-Identifier: Apache-2.0
// The CUDA backend as a module: the entry that a shared libconvgpu looks for.

#include <convgpu/detail/module.hpp>
#include <convgpu/version.hpp>

#define CONVGPU_TEXT_OF(x) #x
#define CONVGPU_TEXT(x) CONVGPU_TEXT_OF(x)

// Of the headers it was compiled with. `version()` would be that of the library it happens to meet.
extern "C" __attribute__((visibility("default")))
const convgpu::detail::module_entry convgpu_cuda_module{
    .version = CONVGPU_TEXT(CONVGPU_VERSION_MAJOR) "." CONVGPU_TEXT(
        CONVGPU_VERSION_MINOR) "." CONVGPU_TEXT(CONVGPU_VERSION_PATCH),
    .seam = convgpu::detail::seam_of(CONVGPU_SEAM),
    .get = convgpu::detail::cuda_backend,
};
