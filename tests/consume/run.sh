#!/usr/bin/env bash
# run.sh SOURCE BUILD: builds and runs app.cpp against the library in each way that users have.
#
# BUILD is a finished build of SOURCE and is installed as it is. The static library is compiled once,
# as a sub-directory of the consumer, and installed from there, without CUDA and not optimised: what is in
# question is how it is found and linked. Either prefix is moved before use. Where BUILD has the CUDA backend, its
# module must be found; whether there is a GPU does not matter.
set -euo pipefail
source=$1 build=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$build/consume
cxx=${CXX:-c++}

rm -rf "$work"
mkdir -p "$work"

step() { echo "--- $*"; }

# install BUILD NAME: BUILD installed into $work/NAME, by way of another prefix.
install() {
  step "install $1, move to $work/$2"
  cmake --install "$1" --prefix "$work/staging" >/dev/null
  mv "$work/staging" "$work/$2"
}

# run APP WITH_CUDA: APP computes, and says of CUDA what fits a library with (ON) or without (OFF) it.
run() {
  local said
  said=$("$1")
  echo "$said"
  if [[ $2 == ON ]]; then
    [[ ! $said =~ not\ built|not\ found|cannot\ be\ loaded|another ]]
  else
    [[ $said == "cuda: not built: "* ]]
  fi
}

# build NAME WITH_CUDA OPTION...: the consumer built with CMake in $work/NAME, and run.
build() {
  local name=$1 with_cuda=$2
  shift 2
  step "$name: cmake $*"
  cmake -S "$here" -B "$work/$name" -DCMAKE_BUILD_TYPE=Release "$@" >"$work/$name.log" ||
    { cat "$work/$name.log" && return 1; }
  cmake --build "$work/$name" --parallel 2 >>"$work/$name.log" ||
    { cat "$work/$name.log" && return 1; }
  run "$work/$name/app" "$with_cuda"
}

# compile NAME WITH_CUDA [--static]: the consumer built by one command from what pkg-config says of $work/NAME.
compile() {
  local flags libdir
  libdir=$(dirname "$(find "$work/$1" -name convgpu.pc)")/..
  flags=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config ${3:-} --cflags --libs convgpu)
  step "$1: $cxx app.cpp $flags"
  # pkg-config quotes for the shell.
  eval '"$cxx" -std=c++20 "$here/app.cpp" -o "$work/app_$1"' "$flags"
  LD_LIBRARY_PATH=$libdir run "$work/app_$1" "$2"
}

cuda=$(sed -n 's/^CONVGPU_CUDA:BOOL=//p' "$build/CMakeCache.txt")
install "$build" installed
# Who links the shared library needs no CUDA toolkit.
build find_package "$cuda" -DCMAKE_PREFIX_PATH="$work/installed" \
  -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON
compile installed "$cuda"

build add_subdirectory OFF -DCONVGPU_SOURCE="$source" -DCONVGPU_INSTALL=ON -DBUILD_SHARED_LIBS=OFF \
  -DCMAKE_CXX_FLAGS_RELEASE="-O0 -DNDEBUG"
install "$work/add_subdirectory" installed_static
build find_package_static OFF -DCMAKE_PREFIX_PATH="$work/installed_static"
compile installed_static OFF --static

if [[ -x $work/installed/bin/convgpu ]]; then
  step "the installed program"
  "$work/installed/bin/convgpu" --version
fi
