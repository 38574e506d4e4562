// SPDX-License-Identifier: Apache-2.0
// Anchors the errors' type information in this library, so that they are caught across its boundary.

#include <convgpu/error.hpp>

namespace convgpu {

error::~error() = default;
invalid_problem::~invalid_problem() = default;
unsupported::~unsupported() = default;
backend_unavailable::~backend_unavailable() = default;
cuda_error::~cuda_error() = default;

}  // namespace convgpu
