#!/usr/bin/env bash
# demo.sh [IMAGE]: builds convgpu and shows what it does to IMAGE, or else to a test chart.
# The pictures are written to build/demo.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

(
  cd "$root"
  scripts/install_deps.sh
  cmake --preset cpu
  cmake --build --preset cpu --target convgpu_demo
)
mkdir -p "$root/build/demo"
"$root/build/cpu/tools/convgpu_demo" "${1:-chart:512:rgb}" "$root/build/demo"
