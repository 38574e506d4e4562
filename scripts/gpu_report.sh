#!/usr/bin/env bash
# gpu_report.sh [OUTDIR]   What can be known of the CUDA kernels without a GPU: report.md, report.json, sass.md, sass.json,
#                          moved.md and roofline.svg in OUTDIR (build/gpu_report). Needs what the tests need, nvcc,
#                          cuobjdump and nvdisasm (scripts/sass_report.py says from where) and, for the picture,
#                          matplotlib. Nothing is measured: bytes are counted on the stand-in for the CUDA runtime,
#                          instructions in what nvcc makes of the kernels, times are estimates from both.
#                          Exit status 2 where a tool is missing.
#
# Environment: CUDAARCHS (what the code is made for, 90 among it, which the estimates are from; "90"), PYTHON (python3).
set -euo pipefail
[[ $# -le 1 && ${1:-} != -* ]] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2; }
out=${1:-}
[[ -z $out ]] || { mkdir -p "$out" && out=$(cd "$out" && pwd); }
cd "$(dirname "$0")/.."
out=${out:-$PWD/build/gpu_report}
mkdir -p "$out"
python=${PYTHON:-python3}
for tool in cmake ninja "$python"; do
  command -v "$tool" >/dev/null || { echo "gpu_report.sh: no $tool on the PATH" >&2; exit 2; }
done
nvcc=$(command -v nvcc || command -v /usr/local/cuda/bin/nvcc) || { echo "gpu_report.sh: no nvcc on the PATH" >&2; exit 2; }
"$python" scripts/sass_report.py --tools  # before anything is built

cmake --preset cuda -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES="${CUDAARCHS:-90}" \
  -DCONVGPU_TESTS=OFF -DCONVGPU_TOOLS=OFF -DCONVGPU_EXAMPLES=OFF
cmake --build --preset cuda
cmake --preset cpu
cmake --build --preset cpu --target convgpu_cuda_report

"$python" scripts/sass_report.py build/cuda --json "$out/sass.json" >"$out/sass.md"
build/cpu/tests/convgpu_cuda_report >"$out/moved.md"
build/cpu/tests/convgpu_cuda_report --json >"$out/problems.json"
commit=${CONVGPU_COMMIT:-$(git -c safe.directory='*' describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)}
"$python" scripts/gpu_report.py "$out/sass.json" "$out/problems.json" "$out" \
  "Commit $commit, $(date -u +%F), nvcc $("$nvcc" --version | grep -o 'V[0-9.]*$')."
rm "$out/problems.json"
echo "All of it is in $out"
