// SPDX-License-Identifier: Apache-2.0
// cuda/compiled: the program that it has compiled for a filter.
#pragma once

#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <string>

#include "tuning.hpp"

namespace convgpu::cuda {

struct compiled_program {
  std::string text;  ///< needs no header; its one kernel is `compiled_kernel`
  int rows;          ///< of the outputs of a tile
  int cols;
  std::size_t shared_bytes;
};
constexpr const char* compiled_kernel = "convgpu_compiled";

/// `r` is one that refuse_compiled has nothing against.
[[nodiscard]] compiled_program compiled_program_for(const detail::request& r);

}  // namespace convgpu::cuda
