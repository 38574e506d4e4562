// SPDX-License-Identifier: Apache-2.0
// Rates that plans choose by, measured on this machine and kept in a file of the user's.
#pragma once

#include <convgpu/detail/export.hpp>
#include <string>

namespace convgpu {

/// The file with the rates of this machine: what the environment variable CONVGPU_CALIBRATION names; unset,
/// convgpu/calibration.json in $XDG_CACHE_HOME, or in ~/.cache. Empty, for rates that are built in, if it is "none" or
/// there is no such folder.
///
/// A process reads it once, for its first plan. If it is broken, or of another processor, instruction set or version
/// of the library, the rates built in are taken, and `description::notes` says why.
///
/// May be called by several threads at once, as long as none changes the environment meanwhile.
[[nodiscard]] CONVGPU_API std::string calibration_file();

/// Measures how fast this machine is, for some seconds on one thread, and writes that to `file`, making its folder:
/// all of it or, if that fails, nothing. A link is followed; a folder, pipe or device is not replaced. For processes that are started afterwards. Of several threads or processes that
/// do so at once, the last one's file stays; each slows the others down, and measures that.
/// \throws invalid_problem  `file` is empty
/// \throws error            it cannot be written, or is there and no regular file
/// \throws backend_unavailable  CONVGPU_SIMD names no instruction set of this processor
CONVGPU_API void calibrate(const std::string& file = calibration_file());

}  // namespace convgpu
