#!/usr/bin/env bash
# exported_symbols.sh LIBRARY: fails with the names of the symbols that LIBRARY exports but must not.
# The API is namespace convgpu without the backends' convgpu::cpu and convgpu::cuda. The names are
# looked at as the linker has them, where a namespace cannot be mistaken for a template argument.
set -euo pipefail

symbols=$(nm --dynamic --defined-only --format=posix "$1" | cut -d ' ' -f 1)
api='^_Z(T[A-Z])?NK?7convgpu'
backend='7convgpu(3cpu|4cuda)'

if ! grep -Eq "$api" <<<"$symbols"; then
  echo "$1 exports nothing of the API"
  exit 1
fi
others=$(grep -Ev "$api" <<<"$symbols" || true; grep -E "$backend" <<<"$symbols" || true)
if [[ -n $others ]]; then
  echo "$1 exports what is not part of the API:"
  c++filt <<<"$others" | sort -u
  exit 1
fi
