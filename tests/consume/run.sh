#!/usr/bin/env bash
# run.sh SOURCE BUILD: builds and runs app.cpp against the library in each way that users have.
#
# BUILD is a finished build of SOURCE and is installed as it is. The static library is compiled once,
# as a sub-directory of the consumer, and installed from there. Either prefix is moved before use.
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

# build NAME OPTION...: the consumer built with CMake in $work/NAME, and run.
build() {
  local name=$1
  shift
  step "$name: cmake $*"
  cmake -S "$here" -B "$work/$name" -DCMAKE_BUILD_TYPE=Release "$@" >"$work/$name.log" ||
    { cat "$work/$name.log" && return 1; }
  cmake --build "$work/$name" --parallel 2 >>"$work/$name.log" ||
    { cat "$work/$name.log" && return 1; }
  "$work/$name/app"
}

# compile NAME [--static]: the consumer built by one command from what pkg-config says of $work/NAME.
compile() {
  local flags libdir
  libdir=$(dirname "$(find "$work/$1" -name convgpu.pc)")/..
  flags=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config ${2:-} --cflags --libs convgpu)
  step "$1: $cxx app.cpp $flags"
  # pkg-config quotes for the shell.
  eval '"$cxx" -std=c++20 "$here/app.cpp" -o "$work/app_$1"' "$flags"
  LD_LIBRARY_PATH=$libdir "$work/app_$1"
}

install "$build" installed
build find_package -DCMAKE_PREFIX_PATH="$work/installed"
compile installed

build add_subdirectory -DCONVGPU_SOURCE="$source" -DCONVGPU_INSTALL=ON -DBUILD_SHARED_LIBS=OFF
install "$work/add_subdirectory" installed_static
build find_package_static -DCMAKE_PREFIX_PATH="$work/installed_static"
compile installed_static --static

if [[ -x $work/installed/bin/convgpu ]]; then
  step "the installed program"
  "$work/installed/bin/convgpu" --version
fi
