// SPDX-License-Identifier: Apache-2.0
// The version of the library. The build reads it from here; it is written nowhere else.
#pragma once

#define CONVGPU_VERSION_MAJOR 0
#define CONVGPU_VERSION_MINOR 1
#define CONVGPU_VERSION_PATCH 0
