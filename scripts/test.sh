#!/usr/bin/env bash
# test.sh [CTEST_ARGUMENT...]: builds the library for this machine and tests it.
# For example: scripts/test.sh -R border
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install_deps.sh
cmake --preset cpu
cmake --build --preset cpu
ctest --preset cpu --parallel "$(nproc)" "$@"
