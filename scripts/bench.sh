#!/usr/bin/env bash
# bench.sh [--quick] [OUTDIR]   Measures this library on the CPU beside OpenCV, FFTW, oneDNN, Eigen, a plain loop and,
#                               where a Python has them, NumPy, SciPy and PyTorch. Installs what it needs on Debian
#                               12, builds, and writes results.json, table.md, pictures (SVG) and log.txt to OUTDIR
#                               (build/bench/results). A quarter of an hour; --quick, with fewer problems and shorter
#                               samples, takes under three minutes when it has been built before.
#
# Environment: CONVGPU_PYTHON (the Python with NumPy, SciPy, PyTorch; else a python3 in PATH is asked),
# CONVGPU_COMMIT (what is being run, where there is no .git).
set -euo pipefail

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
  exit 2
}

quick=
[[ ${1:-} == --quick ]] && { quick=--quick; shift; }
[[ $# -le 1 && ${1:-} != -* ]] || usage
mkdir -p "${1:-$(dirname "$0")/../build/bench/results}"
out=$(cd "${1:-$(dirname "$0")/../build/bench/results}" && pwd)
cd "$(dirname "$0")/.."
log=$out/log.txt
rm -f "$out"/{results.json,table.md,log.txt,speed.svg,sizes.svg,threads.svg,roofline.svg} "$out"/run-*.json
say() { printf '%s\n' "$*" | tee -a "$log" >&2; }

scripts/install_deps.sh bench
SECONDS=0

# The first Python that has one of them at least.
python=
for candidate in ${CONVGPU_PYTHON:-python3 /usr/bin/python3}; do
  "$candidate" -c 'import numpy' 2>/dev/null && { python=$candidate; break; }
done
[[ $python ]] || say "No Python with NumPy: measuring without NumPy, SciPy and PyTorch."

say "Building (build/bench) ..."
{
  cmake --preset bench
  cmake --build --preset bench --target convgpu_bench
} >>"$log" 2>&1 || { tail -n 30 "$log" >&2; exit 1; }
say "$(grep 'benchmark: peers' "$log" | sed 's/^-- //'); built after $SECONDS s."

commit=${CONVGPU_COMMIT:-$(git -c safe.directory='*' describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)}

# measure THREADS FILTER: progress is on stderr, every result in the log.
measure() {
  say "Measuring with $1 thread(s) ..."
  build/bench/bench/convgpu_bench --threads="$1" ${python:+--python="$python"} $quick --benchmark_filter="$2" \
    --benchmark_out="$out/run-$1.json" --benchmark_out_format=json >>"$log" || failed=1
}
failed=0
layers='(layer|rows|bank)_.*'
ours='^[a-z]+/[A-Za-z0-9_.]+/'
threads=$(nproc)
if [[ $quick ]]; then
  measure 1 "$ours(f32/(2d_2048_(k3|k5|k7|k11|k15|g5|g15|g31)|1d_2p20_k(3|16|64|256|1024)|$layers)|u8/2d_2048_(k5|i5))/"
  [[ $threads -eq 1 ]] || measure "$threads" "$ours"'f32/2d_2048_(k5|k15|g15)/'
else
  measure 1 "$ours"
  [[ $threads -eq 1 ]] || measure "$threads" "$ours"'(f32|u8)/(2d_2048|1d|layer|rows|bank)_'
fi

python3 bench/merge.py --commit "$commit" --out "$out/results.json" "$out"/run-*.json
rm -f "$out"/run-*.json
{
  printf '# Benchmark\n\n'
  python3 bench/table.py --backend cpu "$out/results.json"
} >"$out/table.md"
plotter=
for candidate in python3 /usr/bin/python3; do
  "$candidate" -c 'import matplotlib' 2>/dev/null && { plotter=$candidate; break; }
done
if [[ $plotter ]]; then
  "$plotter" bench/plot.py "$out/results.json" "$out" >>"$log" 2>&1 || { failed=1; say "No pictures: see $log"; }
else
  say "No pictures: no Python with matplotlib."
fi
# The tables of the library beside the best peer, without the columns that need a wide screen.
awk -F'|' '/^## / {print "\n" $0} /^\| problem .*best peer/ {on = 1} /^\| layer / {on = 2; print ""} !/^\|/ {on = 0}
           on == 1 {print $2 $3 $5 $6 $7 $10} on == 2 {print $2 $3 $5 $6 $7 $8 $9}' "$out/table.md"
say "All of it is in $out; $SECONDS s."
exit $failed
