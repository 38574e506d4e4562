#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a test program of GoogleTest's with the CPU's inner loops for one instruction set. Exit status 77: that one
# is not there, or is the best one, at which all other tests run.
#
#     tests/simd_level.sh LEVEL PROGRAM [ARGUMENT...]
set -euo pipefail

level=$1
shift
# The reason that a level of no such name is refused for lists those there are, the best one first.
levels=$(env -u GTEST_TOTAL_SHARDS -u GTEST_SHARD_INDEX CONVGPU_SIMD=none \
  "$1" --gtest_filter=backends.begin_with_the_cpu_which_is_always_there |
  sed -n 's/.*allowed on this processor: \([a-z0-9_, ]*\).*/\1/p' | head -n 1) || true
if [[ -z $levels ]]; then
  echo "$1: does not say which instruction sets this processor has" >&2
  exit 1
fi
case ", $levels, " in
  ", $level, "*) echo "skipped: $level is what the other tests run at"; exit 77 ;;
  *", $level, "*) ;;
  *) echo "skipped: this processor has $levels"; exit 77 ;;
esac
CONVGPU_SIMD=$level exec "$@"
