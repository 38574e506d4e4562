// SPDX-License-Identifier: Apache-2.0
// Code that was compiled, kept on disk for the next process: in the folder that the environment variable
// CONVGPU_PROGRAMS names, nowhere where that is "none", else in convgpu/programs in the user's cache.
#pragma once

#include <functional>
#include <string>

namespace convgpu::cuda {

/// The code for `key`, which says all that code depends on: from the disk, else from `make`, and then kept. What cannot be
/// read is made anew, what cannot be written is not kept. Any number of threads and processes may do this at once.
///
/// Whoever can write a file there could have his code run on the device: a file counts that is the user's own, that
/// nobody else can write, that is whole, and that holds the very same key.
[[nodiscard]] std::string cached_code(const std::string& key,
                                      const std::function<std::string()>& make);

}  // namespace convgpu::cuda
