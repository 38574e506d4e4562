#!/usr/bin/env bash
# gpu.sh [OUTDIR]   Builds on a machine with an NVIDIA GPU, runs every test on it, the sanitizers, the
#                   benchmark and the peers found there, and says what came of it: summary.md, machine.json,
#                   bench.json, peers.json and log.txt in OUTDIR (build/gpu/results). Needs no network.
#                   Under nine minutes; a stage that fails does not stop the next ones. Exit status: 0 if
#                   none failed, else 1.
# gpu.sh --pack     On a machine with a network: fetches the sources of GoogleTest and Google Benchmark into
#                   .deps/, to be copied along to a machine that has neither.
#
# Environment: CUDA_HOME (where CUDA is, if nvcc is not in PATH; /usr/local/cuda), CONVGPU_GPU_SECONDS (for
# all stages; 510), CONVGPU_COMMIT (what is being run, where there is no .git).
set -uo pipefail

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
  exit 2
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1

# pack: the sources as Debian, or what is derived from it, distributes them, from where packages come from.
pack() {
  command -v apt-get >/dev/null || { echo "gpu.sh: --pack needs apt-get" >&2; exit 1; }
  local apt file
  apt=$(mktemp -d) || exit 1
  # shellcheck disable=SC2064  # now, while the variable is there
  trap "rm -rf '$apt'" EXIT
  mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/archives/partial" "$root/.deps"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -s $file ]] && sed -n 's/^deb /deb-src /p' "$file" >"$apt/sources/$(basename "$file" .list).list"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -s $file ]] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/sources/$(basename "$file")"
  done
  local options=(-qq -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$apt/sources"
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache::Archives=$apt/archives" -o "Dir::Cache::pkgcache="
    -o "Dir::Cache::srcpkgcache=" -o "APT::Sandbox::User=")
  apt-get "${options[@]}" update || echo "gpu.sh: not all sources answered; going on" >&2
  cd "$root/.deps" || exit 1
  rm -f -- *.tar.* *.dsc
  apt-get "${options[@]}" source --download-only googletest benchmark || exit 1
  rm -f -- *.debian.tar.* *.dsc
  for file in googletest_*.orig.tar.* benchmark_*.orig.tar.*; do
    [[ -s $file ]] || { echo "gpu.sh: $file did not come" >&2; exit 1; }
  done
  du -h -- *
}

case ${1:-} in
  --pack)
    [[ $# -eq 1 ]] || usage
    pack
    exit
    ;;
  -*) usage ;;
esac
[[ $# -le 1 ]] || usage

build=$root/build/gpu
mkdir -p "${1:-$build/results}" "$build" && out=$(cd "${1:-$build/results}" && pwd) || exit 1
cd "$root" || exit 1
prefix=$build/deps/installed
logs=$build/logs
rm -rf "$logs" && mkdir -p "$logs" || exit 1
rm -f "$out"/{summary.md,machine.json,bench.json,large.json,peers.json,log.txt}

budget=${CONVGPU_GPU_SECONDS:-510}
measuring=190  # seconds of it that are kept for the benchmark and what comes after it
cuda=${CUDA_HOME:-/usr/local/cuda}
PATH=$PATH:$cuda/bin:$cuda/compute-sanitizer
cores=$(nproc)
at_once=$((cores < 8 ? cores : 8))  # processes that share the GPU

# What stages find out for those after them.
gpu=''  # its name; empty for none
driver='' capability='' memory='' compiler=''
have_gtest='' have_bench='' have_python='' built=''
no_memory=0  # problems for which there was not enough

# --- Stages: each says in `reason` what came of it, and returns 0, 77 for "skipped", or something else.

table=()  # of what each stage said
failed=0

# stage NAME SECONDS RESERVE FUNCTION: runs it, in at most so many seconds, and so that RESERVE are left.
stage() {
  local name=$1 limit=$2 reserve=$3 begin=$SECONDS status state
  local left=$((budget - reserve - SECONDS))
  deadline=$((SECONDS + (limit < left ? limit : left)))
  reason=
  if ((left < 10)); then
    status=77 reason="no time left"
  else
    "$4" >"$logs/$name.log" 2>&1 </dev/null
    status=$?
  fi
  ((SECONDS >= deadline && status != 0 && status != 77)) && reason="time was up after $((SECONDS - begin)) s"
  case $status in
    0) state=ok ;;
    77) state=skipped ;;
    *)
      state=FAILED failed=1
      [[ -n $reason ]] || reason=$(grep -v '^[[:space:]]*$' "$logs/$name.log" | tail -n 1)
      ;;
  esac
  reason=${reason//$'\n'/ }
  reason=${reason//|/\\|}
  printf '%-8s %4d s  %-14s %s\n' "$state" $((SECONDS - begin)) "$name" "${reason:0:300}"
  table+=("| $name | $state | $((SECONDS - begin)) s | ${reason:0:300} |")
}

# within COMMAND...: as long as the stage may last.
within() {
  local left=$((deadline - SECONDS))
  timeout --kill-after=5 $((left > 1 ? left : 1)) "$@" <&0 &  # so that Ctrl-C need not wait for it
  wait $!
}

skip() {
  reason=$1
  return 77
}

fail() {
  reason=$1
  return 1
}

json_text() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//[[:cntrl:]]/ }"
}

first_line() { "$@" 2>/dev/null | head -n 1; }

machine() {
  local facts commit packages
  facts=$(within timeout --kill-after=2 20 nvidia-smi \
    --query-gpu=name,driver_version,compute_cap,memory.total --format=csv,noheader) || facts=
  IFS=, read -r gpu driver capability memory < <(head -n 1 <<<"$facts" | sed 's/, */,/g')
  [[ $capability =~ ^[0-9]+\.[0-9]+$ ]] || gpu=
  command -v nvcc >/dev/null && compiler=$(nvcc --version | grep -o 'V[0-9.]*$')
  command -v python3 >/dev/null && have_python=yes
  packages=$([[ $have_python ]] && within python3 - <<'PYTHON'
import importlib.metadata as installed
for name in ("torch", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "cupy-cuda13x", "cupy-cuda12x", "numpy"):
    try:
        print(name, installed.version(name), end="; ")
    except installed.PackageNotFoundError:
        pass
PYTHON
  )
  commit=${CONVGPU_COMMIT:-$(git -c safe.directory='*' describe --always --dirty --abbrev=12 2>/dev/null)}
  {
    printf '{\n'
    printf '  "gpu": %s,\n' "$(json_text "${gpu:-none}")"
    printf '  "compute_capability": %s,\n' "$(json_text "$capability")"
    printf '  "memory": %s,\n' "$(json_text "$memory")"
    printf '  "driver": %s,\n' "$(json_text "$driver")"
    printf '  "nvcc": %s,\n' "$(json_text "$compiler")"
    printf '  "cxx": %s,\n' "$(json_text "$(first_line c++ --version)")"
    printf '  "cmake": %s,\n' "$(json_text "$(first_line cmake --version)")"
    printf '  "python": %s,\n' "$(json_text "$([[ $have_python ]] && first_line python3 --version)")"
    printf '  "packages": %s,\n' "$(json_text "${packages%; }")"
    printf '  "cpu": %s,\n' "$(json_text "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)")"
    printf '  "cores": %d,\n' "$cores"
    printf '  "date": %s,\n' "$(json_text "$(date -u +%Y-%m-%dT%H:%M:%SZ)")"
    printf '  "commit": %s\n' "$(json_text "${commit:-unknown}")"
    printf '}\n'
  } >"$out/machine.json"
  cat "$out/machine.json"
  [[ -n $gpu ]] || { fail "no GPU: nvidia-smi is not there, or says nothing"; return; }
  reason="$gpu, compute capability $capability, driver $driver, nvcc ${compiler:-missing}"
}

# installed PACKAGE: whether CMake finds it.
installed() {
  local probe=$build/deps/probe
  rm -rf "$probe" && mkdir -p "$probe" || return
  printf 'cmake_minimum_required(VERSION 3.24)\nproject(probe LANGUAGES CXX)\nfind_package(%s REQUIRED)\n' \
    "$1" >"$probe/CMakeLists.txt"
  within cmake -S "$probe" -B "$probe/build" -DCMAKE_PREFIX_PATH="$prefix"
}

# from_deps NAME CMAKE_OPTION...: builds and installs what --pack fetched.
from_deps() {
  local archive=(".deps/$1"_*.orig.tar.*) source=$build/deps/$1
  [[ -s ${archive[0]} ]] || return
  rm -rf "$source" && mkdir -p "$source" &&
    tar -xf "${archive[0]}" -C "$source" --strip-components=1 &&
    within cmake -S "$source" -B "$source/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" \
      -DCMAKE_POLICY_VERSION_MINIMUM=3.5 "${@:2}" &&
    within cmake --build "$source/build" --parallel "$cores" &&
    within cmake --install "$source/build"
}

dependencies() {
  command -v cmake >/dev/null || { fail "no cmake"; return; }
  local words=() missing=0
  if installed GTest; then
    have_gtest=yes words+=("GoogleTest is there")
  elif from_deps googletest -DBUILD_GMOCK=OFF && installed GTest; then
    have_gtest=yes words+=("GoogleTest from .deps")
  else
    missing=1 words+=("no GoogleTest, hence no tests")
  fi
  if installed benchmark; then
    have_bench=yes words+=("Google Benchmark is there")
  elif from_deps benchmark -DBENCHMARK_ENABLE_TESTING=OFF -DBENCHMARK_ENABLE_WERROR=OFF && installed benchmark; then
    have_bench=yes words+=("Google Benchmark from .deps")
  else
    missing=1 words+=("no Google Benchmark, hence no benchmark")
  fi
  ((missing)) && words+=("run scripts/gpu.sh --pack where there is a network")
  printf -v reason '%s; ' "${words[@]}"
  reason=${reason%; }
  return $missing
}

# on VALUE: ON or OFF for CMake.
on() { [[ -n $1 ]] && echo ON || echo OFF; }

build_all() {
  command -v cmake >/dev/null || { fail "no cmake"; return; }
  command -v nvcc >/dev/null || { fail "no nvcc in PATH or in $cuda/bin"; return; }
  local generator="Unix Makefiles" architecture=${capability/./} tests=$have_gtest without=''
  command -v ninja >/dev/null && generator=Ninja
  if [[ $tests && ! $have_python ]]; then
    tests='' without="; no Python 3, hence no tests"
  fi
  local options=(--preset gpu -G "$generator" "-DCMAKE_PREFIX_PATH=$prefix"
    "-DCMAKE_CUDA_COMPILER=$(command -v nvcc)" "-DCMAKE_CUDA_ARCHITECTURES=${architecture:-90}"
    "-DCONVGPU_TESTS=$(on "$tests")" "-DCONVGPU_BENCH=$(on "$have_bench")" -DCONVGPU_INSTALL=OFF)
  # Anew where the build folder is of another generator, or another place.
  within cmake "${options[@]}" || within cmake --fresh "${options[@]}" || return

  # Only what is run below: the rest of the tests need no GPU.
  local wanted=(convgpu convgpu_cuda convgpu_tests convgpu_gpu_tests convgpu_bench example_06_cuda) there=() target
  local all keep_going=(-k) status
  [[ $generator == Ninja ]] && keep_going=(-k 0)
  all=$(within cmake --build "$build" --target help)
  for target in "${wanted[@]}"; do
    grep -qE "(^|[ .])$target(:|\$)" <<<"$all" && there+=("$target")
  done
  # What can be built is, and is run, even if something else cannot; nothing that is old.
  rm -f "$build"/{tests,bench,examples}/{convgpu_tests,convgpu_gpu_tests,convgpu_bench,example_06_cuda}
  within cmake --build "$build" --parallel "$cores" --target "${there[@]}" -- "${keep_going[@]}"
  status=$?
  built=yes
  if ((status != 0)); then
    reason=$(grep -m 1 -E 'error:|error #|Error [0-9]|undefined reference' "$logs/build.log")
    return $status
  fi
  # Some containers have a GPU and no nvidia-smi.
  if [[ -z $gpu ]] && within "$build/examples/example_06_cuda" | grep -q '^frame 3'; then
    gpu="a GPU, by what name nvidia-smi does not say"
  fi
  reason="${there[*]}, for ${architecture:-90}$without"
}

# The first words of a sanitizer or of a program that breaks down.
complaint='^=+ (Invalid|Uninit|Error|Race|Barrier|Program|Misaligned|Out)|^terminate|[Ee]rror:|CUDA'

# sharded FILTER COMMAND...: the tests of that name in several processes at once, started through COMMAND,
# which ends in the program. Fails where no test ran.
sharded() {
  local filter=$1 pids=() pid status=0 code i total skipped wrong
  local left=$((deadline - SECONDS > 1 ? deadline - SECONDS : 1))
  shift
  rm -f "$logs"/shard.*
  for ((i = 0; i < at_once; ++i)); do
    GTEST_TOTAL_SHARDS=$at_once GTEST_SHARD_INDEX=$i timeout --kill-after=5 "$left" \
      "$@" --gtest_filter="$filter" --gtest_color=no >"$logs/shard.$i" 2>&1 &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid"
    code=$?
    ((code > status)) && status=$code
  done
  cat "$logs"/shard.*
  total=$(awk '/^\[==========\] .* ran\./ {n += $2} END {print n + 0}' "$logs"/shard.*)
  skipped=$(awk '/^\[  SKIPPED \] [0-9]+ test/ {n += $4} END {print n + 0}' "$logs"/shard.*)
  wrong=$(sed -n 's/^\[  FAILED  \] \([^ ,]*[/.][^ ,]*\).*/\1/p' "$logs"/shard.* | sort -u)
  reason="$total tests, $skipped of them skipped by themselves"
  if ((status != 0)); then
    [[ -n $wrong ]] && reason="$(wc -l <<<"$wrong") of $total failed: $(head -n 3 <<<"$wrong" | tr '\n' ' ')"
    [[ -n $wrong ]] || reason="exit status $status; $(grep -hE "$complaint" "$logs"/shard.* | head -n 1)"
    return "$status"
  fi
  ((total > skipped)) || fail "no test ran"
}

# ready PROGRAM: whether it was built, and there is a GPU; its path is in `program` then.
ready() {
  program=$build/$1
  [[ $built ]] || { skip "nothing was built"; return; }
  [[ -x $program ]] || { skip "$(basename "$1") was not built"; return; }
  [[ -n $gpu ]] || skip "no GPU"
}

# Every algorithm of the backend, on every problem.
agreement() { ready tests/convgpu_tests && sharded 'every/*/cuda*' "$program"; }

# What asks nothing of CUDA in particular, where the library finds a GPU.
other_tests() { ready tests/convgpu_tests && sharded '-every/*/cuda*' "$program"; }

gpu_tests() { ready tests/convgpu_gpu_tests && sharded '-*graph*' "$program"; }

graph() { ready tests/convgpu_gpu_tests && at_once=1 sharded '*graph*' "$program"; }

example() {
  ready examples/example_06_cuda || return
  local words
  words=$(within "$program")
  local status=$?
  echo "$words"
  reason=$(tail -n 1 <<<"$words")
  ((status == 0)) && [[ $words == *"frame 3"* ]]  # without a device it says so, and that is all
}

# sanitizer TOOL: on the examples of the basics, and on small problems of a floating and an integer type.
sanitizer() {
  ready tests/convgpu_tests || return
  local tool
  tool=$(command -v compute-sanitizer) || { skip "no compute-sanitizer"; return; }
  sharded 'every/blog*cuda*:every/agreement.on_small_problems/cuda*_f32:every/agreement.on_small_problems/cuda*_u8' \
    "$tool" --tool "$1" --error-exitcode 99 --print-limit 5 "$program"
  local status=$? unable
  unable=$(grep -hm 1 'Device not supported' "$logs"/shard.* | head -n 1 | sed 's/^=* *//') && { skip "$unable"; return; }
  ((status == 0)) || return "$status"
  grep -q 'ERROR SUMMARY\|RACECHECK SUMMARY' "$logs"/shard.* || { fail "$1 gave no summary"; return; }
  reason+=", no finding"
}
memcheck() { sanitizer memcheck; }
racecheck() { sanitizer racecheck; }
initcheck() { sanitizer initcheck; }
synccheck() { sanitizer synccheck; }

# bench FILE FILTER: convgpu_bench, whose results must be right.
bench() {
  ready bench/convgpu_bench || return
  local seconds=$((deadline - SECONDS - 8)) status
  within "$program" --seconds=$((seconds > 1 ? seconds : 1)) --benchmark_filter="$2" --benchmark_counters_tabular=true \
    --benchmark_out="$1" --benchmark_out_format=json
  status=$?
  [[ -s $1 ]] || return 1
  local timed wrong late
  timed=$(grep -c '"bytes/s"' "$1")
  wrong=$(grep -c '"error_message": "wrong' "$1")
  no_memory=$(grep -c '"error_message": "out of memory' "$1")
  late=$(grep -c '"error_message": "left out' "$1")
  reason="$timed results are right and timed, $wrong wrong, $no_memory without memory, $late left out for want of time"
  ((status == 0)) || return "$status"
  ((timed + no_memory > 0)) || fail "nothing was timed: $reason"
}
large() {
  bench "$out/large.json" '^cuda/.*/check/' || return
  ((no_memory == 0)) || skip "not enough memory"
}
benchmark() { bench "$out/bench.json" '^cuda/.*/zero(/host)?/iterations'; }

peers() {
  [[ -n $gpu ]] || { skip "no GPU"; return; }
  [[ $have_python ]] || { skip "no Python 3"; return; }
  within python3 bench/peers/gpu_peers.py --seconds $((deadline - SECONDS - 15)) --out "$out/peers.json"
  local status=$?
  reason=$(tail -n 1 "$logs/peers.log")
  return $status
}

summary() {
  [[ $? -eq 0 ]] || failed=1  # stopped half-way
  local file size=1000000
  for file in "$logs"/*.log; do
    printf '===== %s\n' "$(basename "$file" .log)"
    tail -c $size "$file"
  done >"$out/log.txt"
  {
    printf '# %s\n\n' "${gpu:-No GPU}"
    printf '| stage | state | time | |\n|---|---|--:|---|\n'
    printf '%s\n' "${table[@]}"
    printf '\n'
    if [[ -s $out/bench.json && $have_python ]]; then
      local files=("$out/bench.json")
      [[ -s $out/peers.json ]] && files+=("$out/peers.json")
      timeout 20 python3 bench/table.py "${files[@]}" || echo "No table: bench/table.py failed."
    elif [[ -s $out/bench.json ]]; then
      echo "No table without Python 3: the numbers are in bench.json."
    else
      echo "Nothing was measured."
    fi
  } >"$out/summary.md" 2>>"$out/log.txt"
  printf '\n'
  cat "$out/summary.md"
  printf '\n%s\n' "All of it is in $out; $SECONDS s."
  exit $failed
}
trap 'kill $(jobs -p) 2>/dev/null; exit 1' INT TERM
trap summary EXIT

stage machine 45 0 machine
stage dependencies 100 "$measuring" dependencies
stage build 240 "$measuring" build_all
stage agreement 90 "$measuring" agreement
stage gpu_tests 60 "$measuring" gpu_tests
stage graph 20 "$measuring" graph
stage example 20 "$measuring" example
stage memcheck 60 "$measuring" memcheck
stage racecheck 60 "$measuring" racecheck
stage initcheck 40 "$measuring" initcheck
stage benchmark 110 80 benchmark
stage peers 80 30 peers
stage large 40 0 large
stage other_tests 60 0 other_tests
stage synccheck 40 0 synccheck
