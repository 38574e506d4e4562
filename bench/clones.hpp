// SPDX-License-Identifier: Apache-2.0
// CONVGPU_BENCH_CLONES before a function: compiled for several processors, of which the right one is taken when
// the program starts. For code of peers that is written here: they are not to be slow for want of instructions.
#pragma once

#if !defined(__x86_64__) || !defined(__GNUC__)
#define CONVGPU_BENCH_CLONES
#elif defined(__clang__) && __clang_major__ >= 14
#define CONVGPU_BENCH_CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#elif !defined(__clang__) && __GNUC__ >= 12
#define CONVGPU_BENCH_CLONES \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define CONVGPU_BENCH_CLONES
#endif
