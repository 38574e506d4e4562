// SPDX-License-Identifier: Apache-2.0
// What leaves the library: everything is hidden but what is marked here.
#pragma once

#if defined(CONVGPU_STATIC_DEFINE)
#define CONVGPU_API
#else
#define CONVGPU_API __attribute__((visibility("default")))
#endif
