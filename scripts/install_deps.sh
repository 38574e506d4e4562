#!/usr/bin/env bash
# install_deps.sh [build|bench|ci]: what Debian 12 needs to build and test convgpu (default), to build its
# benchmark as well, with the libraries it is compared with, or to run .ci/run. Installs only what is missing, and says nothing if that is nothing.
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config python3 nlohmann-json3-dev
  libgtest-dev libcli11-dev libspng-dev libturbojpeg0-dev libsndfile1-dev)
case ${1:-build} in
  build) ;;
  bench) packages+=(libbenchmark-dev libopencv-dev libfftw3-dev libdnnl-dev libeigen3-dev python3-matplotlib) ;;
  ci) packages+=(git clang clang-format-14 libfftw3-dev) ;;
  *)
    echo "usage: install_deps.sh [build|bench|ci]" >&2
    exit 2
    ;;
esac

if ! command -v apt-get >/dev/null; then
  echo "install_deps.sh: no apt-get here; continuing without: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install_deps.sh: missing, as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
