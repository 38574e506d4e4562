// SPDX-License-Identifier: Apache-2.0
// The error family. The library throws these and std::bad_alloc, and lets through what an executor of
// the caller's throws, nothing else; it never prints and never terminates. A message names the argument, its value and what is allowed.
#pragma once

#include <convgpu/detail/export.hpp>
#include <stdexcept>

namespace convgpu {

/// Base of every error of the library.
class CONVGPU_API error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~error() override;
};

/// The problem, an option or a view given makes no sense: the caller's mistake.
class CONVGPU_API invalid_problem : public error {
 public:
  using error::error;
  ~invalid_problem() override;
};

/// A valid problem that the algorithm forced by `options::algorithm` refuses. Without a forced
/// algorithm every valid problem is supported and this is never thrown.
class CONVGPU_API unsupported : public error {
 public:
  using error::error;
  ~unsupported() override;
};

/// The device asked for is not there; the message says why.
class CONVGPU_API backend_unavailable : public error {
 public:
  using error::error;
  ~backend_unavailable() override;
};

/// A call of the CUDA runtime, or of a library upon it, failed.
class CONVGPU_API cuda_error : public error {
 public:
  using error::error;
  ~cuda_error() override;
};

}  // namespace convgpu
