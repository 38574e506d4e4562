// SPDX-License-Identifier: Apache-2.0
// The floating-point environment that results are promised in.
#pragma once

#include <cfenv>

namespace convgpu::detail {

/// Rounding to nearest, and denormals as they are, on this thread for as long as it lives. Callers may have
/// set other modes, and threads have what their makers had: without this the result would depend on which
/// thread computes it.
class default_floating_point {
 public:
  default_floating_point() noexcept {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  default_floating_point(const default_floating_point&) = delete;
  default_floating_point& operator=(const default_floating_point&) = delete;
  ~default_floating_point() { std::fesetenv(&before_); }

 private:
  std::fenv_t before_{};
};

}  // namespace convgpu::detail
