// SPDX-License-Identifier: Apache-2.0
// How many blocks of a kernel a multiprocessor holds at once: arithmetic on what NVIDIA documents for each
// compute capability (CUDA C++ Programming Guide, technical specifications).
#pragma once

#include <algorithm>
#include <cstddef>

namespace convgpu::test {

struct multiprocessor {
  const char* name;
  int threads;
  int blocks;
  std::size_t shared;           ///< bytes, for all blocks
  std::size_t shared_reserved;  ///< of these, by the system for each block
  std::size_t shared_unit;      ///< in which it is dealt out
};

inline constexpr multiprocessor multiprocessors[] = {
    {"sm_75", 1024, 16, 64 * 1024, 0, 256},      {"sm_80", 2048, 32, 164 * 1024, 1024, 128},
    {"sm_86", 1536, 16, 100 * 1024, 1024, 128},  {"sm_89", 1536, 24, 100 * 1024, 1024, 128},
    {"sm_90", 2048, 32, 228 * 1024, 1024, 128},  {"sm_100", 2048, 32, 228 * 1024, 1024, 128},
    {"sm_120", 1536, 24, 100 * 1024, 1024, 128},
};

/// Registers are 65536 on each, dealt out to warps 256 at a time; each quarter of a multiprocessor has
/// its own.
constexpr int blocks_by_registers(int threads, int registers) {
  const int warps = (threads + 31) / 32;
  const int of_warp = (registers * 32 + 255) / 256 * 256;
  return 65536 / 4 / of_warp * 4 / warps;
}

constexpr int resident_blocks(const multiprocessor& m, int threads, int registers,
                              std::size_t shared) {
  const std::size_t of_block =
      (shared + m.shared_reserved + m.shared_unit - 1) / m.shared_unit * m.shared_unit;
  const int by_threads = std::min(m.blocks, m.threads / threads);
  const int by_registers = blocks_by_registers(threads, registers);
  const int by_shared = of_block == 0 ? m.blocks : static_cast<int>(m.shared / of_block);
  return std::min({by_threads, by_registers, by_shared});
}

// As cudaOccupancyMaxActiveBlocksPerMultiprocessor has it.
static_assert(blocks_by_registers(256, 32) == 8);
static_assert(blocks_by_registers(256, 64) == 4);
static_assert(blocks_by_registers(256, 65) == 3);
static_assert(blocks_by_registers(256, 80) == 3);
static_assert(blocks_by_registers(256, 128) == 2);
static_assert(blocks_by_registers(256, 255) == 1);
static_assert(resident_blocks(multiprocessors[4], 256, 32, 0) == 8);
static_assert(resident_blocks(multiprocessors[4], 256, 32, 48 * 1024) == 4);
static_assert(resident_blocks(multiprocessors[0], 256, 64, 16 * 1024) == 4);

}  // namespace convgpu::test
