#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What nvcc makes of the kernels: registers, spills, shared memory.

    scripts/ptxas_report.py BUILD_DIR [--log FILE]

BUILD_DIR is configured with CONVGPU_CUDA and Ninja; nothing in it has to be built. Every .cu file of the
library is compiled as it would be there, and nothing else is touched. With --log nothing is compiled: FILE is what
building all of BUILD_DIR printed, with CMAKE_CUDA_FLAGS="-Xptxas=-v --keep". Prints a table and fails on
  - spilled registers, and stack frames,
  - kernels whose launch bounds do not say the threads and one of the numbers of blocks of cuda/tuning.hpp,
  - more registers than tuning.hpp has for so many blocks.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TUNING = """
#include "cuda/tuning.hpp"
#include <cstdio>
using namespace convgpu::cuda;
void say(int blocks) {
  const int registers = 65536 / (block_threads * blocks) / 8 * 8;
  std::printf(", \\"%d\\": %d", blocks, registers < 255 ? registers : 255);
}
int main() {
  std::printf("{\\"threads\\": %d", block_threads);
  for (const int blocks :
       {blocks_at_once<float>, blocks_at_once<double>, blocks_at_once<std::int64_t>,
        direct_blocks_at_once<float, false>,
        overlap_save_blocks_at_once<float>, overlap_save_blocks_at_once<float, true>,
        overlap_save_blocks_at_once<double>,
        fft_blocks_at_once<float>, fft_blocks_at_once<double>, mma_blocks_at_once})
    say(blocks);
  std::puts("}");
}
"""


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"ptxas_report.py: {shlex.join(map(str, command))}\n{done.stdout}")
    return done.stdout


@dataclasses.dataclass
class Kernel:
    name: str  # mangled
    architecture: str
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    registers: int = 0
    barriers: int = 0
    static_shared: int = 0
    threads: int = 0  # of the launch bounds; 0 where they do not say
    blocks: int = 0


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def read_log(log):
    """The kernels that ptxas -v tells of."""
    kernels = []
    for line in log.splitlines():
        entry = re.search(r"Compiling entry function '(\S+)' for '(\w+)'", line)
        if entry:
            kernels.append(Kernel(entry.group(1), entry.group(2)))
        elif "bytes stack frame" in line and kernels:
            kernels[-1].stack = number(r"(\d+) bytes stack frame", line)
            kernels[-1].spill_stores = number(r"(\d+) bytes spill stores", line)
            kernels[-1].spill_loads = number(r"(\d+) bytes spill loads", line)
        elif re.search(r"Used \d+ registers", line):
            kernels[-1].registers = number(r"Used (\d+) registers", line)
            kernels[-1].barriers = number(r"used (\d+) barriers", line)
            kernels[-1].static_shared = number(r"(\d+) bytes smem", line)
    return kernels


def read_launch_bounds(ptx):
    """{mangled name: (threads, blocks)}"""
    bounds = {}
    for entry in re.finditer(r"\.entry (\w+)\s*\(.*?\)\s*(.*?)\{", ptx, re.DOTALL):
        directives = entry.group(2)
        threads = re.search(r"\.maxntid (\d+)(?:, (\d+))?(?:, (\d+))?", directives)
        product = 1
        for factor in threads.groups() if threads else ():
            product *= int(factor or 1)
        bounds[entry.group(1)] = (product if threads else 0, number(r"\.minnctapersm (\d+)", directives))
    return bounds


def with_launch_bounds(kernels, folder):
    """The kernels, of which the PTX is in the folder."""
    bounds = {}
    for ptx in pathlib.Path(folder).glob("*.ptx"):
        bounds.update(read_launch_bounds(ptx.read_text()))
    unseen = bounds.keys() - {k.name for k in kernels}
    if unseen:
        sys.exit(f"ptxas_report.py: ptxas did not tell of {len(unseen)} kernels of {folder}, such as {min(unseen)}; the log "
                 "has to be of a whole build")
    for kernel in kernels:
        kernel.threads, kernel.blocks = bounds.get(kernel.name, (0, 0))
    return kernels


def compile_one(command, directory):
    """The kernels of one file."""
    words = shlex.split(command)
    with tempfile.TemporaryDirectory(prefix="ptxas_report_") as kept:
        if "-o" in words:
            words[words.index("-o") + 1] = f"{kept}/object.o"
        if "-MF" in words:
            words[words.index("-MF") + 1] = f"{kept}/object.d"
        log = run([*words, "-Xptxas", "-v", "--keep", "--keep-dir", kept], cwd=directory)
        return with_launch_bounds(read_log(log), kept)


def read_tuning():
    with tempfile.TemporaryDirectory(prefix="ptxas_report_") as work:
        source = pathlib.Path(work) / "tuning.cpp"
        source.write_text(TUNING)
        compiler = os.environ.get("CXX", "c++")
        run([*shlex.split(compiler), "-std=c++20", f"-I{ROOT}", f"-I{ROOT}/include", source,
             "-o", f"{work}/tuning"])
        return json.loads(run([f"{work}/tuning"]))


def readable(names):
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    if tool is None:
        return names
    lines = run([tool], input="\n".join(names)).splitlines()
    # Templates end where the parameters of the function begin.
    lines = [re.sub(r"^void |convgpu::cuda::|convgpu::|\(anonymous namespace\)::|std::|\(.*$", "",
                    line.replace("(anonymous namespace)", "")) for line in lines]
    return [line.replace("::", "").replace("> >", ">>") for line in lines]


def complaints(kernel, tuning):
    wrong = []
    if kernel.stack or kernel.spill_stores or kernel.spill_loads:
        wrong.append("spills")
    if kernel.threads != tuning["threads"] or str(kernel.blocks) not in tuning:
        wrong.append(f"launch bounds say {kernel.threads} threads and {kernel.blocks} blocks")
    elif kernel.registers > tuning[str(kernel.blocks)]:
        wrong.append(f"more registers than the {tuning[str(kernel.blocks)]} of {kernel.blocks} blocks")
    return wrong


def compile_all(build):
    database = json.loads(run(["ninja", "-C", build, "-t", "compdb"]))
    units = {u["file"]: u for u in database if pathlib.Path(u["file"]).parent == ROOT / "cuda"
             and u["file"].endswith(".cu") and "-x cu" in u["command"]}
    if not units:
        sys.exit(f"ptxas_report.py: {build} compiles no .cu file with nvcc; allowed: a build tree "
                 "with CONVGPU_CUDA=ON")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        compiled = pool.map(lambda u: compile_one(u["command"], u["directory"]), units.values())
        return [k for of_unit in compiled for k in of_unit]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("build", type=pathlib.Path)
    arguments.add_argument("--log", type=pathlib.Path)
    arguments = arguments.parse_args()
    if arguments.log:
        kernels = with_launch_bounds(read_log(arguments.log.read_text()), arguments.build)
    else:
        kernels = compile_all(arguments.build)
    if not kernels:
        sys.exit("ptxas_report.py: ptxas tells of no kernel")
    tuning = read_tuning()
    print("| kernel | for | registers | allowed | stack | spill stores | spill loads | static smem "
          "| barriers | |\n|---|---|---|---|---|---|---|---|---|---|")
    failed = 0
    for name, k in sorted(zip(readable([k.name for k in kernels]), kernels), key=lambda row: row[0]):
        wrong = complaints(k, tuning)
        failed += bool(wrong)
        print(f"| {name} | {k.architecture} | {k.registers} | {tuning.get(str(k.blocks), '')} | {k.stack} "
              f"| {k.spill_stores} | {k.spill_loads} | {k.static_shared} | {k.barriers} | {', '.join(wrong)} |")
    if failed:
        sys.exit(f"ptxas_report.py: {failed} of {len(kernels)} kernels are not as they should be")


if __name__ == "__main__":
    main()
