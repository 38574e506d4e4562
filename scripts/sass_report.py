#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the machine code of the kernels consists of: their inner loops, instruction by instruction.

    scripts/sass_report.py BUILD_DIR [--check] [--json FILE] [--all]
    scripts/sass_report.py --tools      # whether there is what it needs

BUILD_DIR was configured with CONVGPU_CUDA and is built: the code is taken from its object files, for whichever
architectures it was made, and nothing is compiled. Prints a table of the kernels of f32 (--all: of all). --check fails
  - where a kernel uses local memory,
  - where an inner loop named in EXPECTED has fewer products for each access to shared memory, or for each instruction,
    or where accesses of 16 bytes have become narrower ones.
It needs cuobjdump and nvdisasm: of a CUDA toolkit, or of the Python packages nvidia-cuda-cuobjdump and
nvidia-cuda-nvdisasm. Exit status 2 where they are missing.

A loop is what lies between a branch back and where it goes, with no other such in it; code that was unrolled whole is
all blocks together that mostly multiply. The table has those with at least half as many products as the one of their
kernel that has most, and without what works off remainders more slowly.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import ptxas_report

MISSING = 2
# The inner loops that are held, on sm_90: products for each load from shared memory, and for each instruction, at least;
# widths of these loads in bits, and of loads and stores of device memory that must be somewhere in the kernel.
Expected = collections.namedtuple("Expected", "kernel per_load per_instruction widths stores loops", defaults=((), (), 1))
EXPECTED = [
    Expected(r"direct_kernel<float, float, float, false, false>", 21, 0.85, (128,), (128,)),
    Expected(r"direct_kernel<float, float, float, false, true>", 21, 0.74, (128,), (128,)),
    Expected(r"direct_kernel<int, int, int, false, false>", 21, 0.85, (128,), (128,)),
    Expected(r"direct_small_kernel<float, float, float, 3>", 12, 0.75, (64, 128), (128,)),
    Expected(r"direct_small_kernel<float, float, float, 5>", 25, 0.87, (128,), (128,)),
    Expected(r"direct_small_kernel<float, float, float, 7>", 26, 0.9, (64, 128), (128,)),
    Expected(r"direct_row_kernel<float, float, float, small_row_params<float>>", 8, 0.68),
    Expected(r"direct_row_kernel<float, float, float, row_params<float>>", 4, 0.7),
    Expected(r"direct_line_kernel<float, float, float>", 4, 0.68),
    Expected(r"separable_kernel<float, float, float>", 8, 0.64, loops=3),
]

FLOATS = {"FFMA": 1, "FADD": 1, "FMUL": 1, "FFMA2": 2, "FADD2": 2, "FMUL2": 2, "DFMA": 1, "DADD": 1, "DMUL": 1,
          "HFMA2": 2, "HADD2": 2, "HMUL2": 2, "HMMA": 1, "IMMA": 1, "HGMMA": 1, "QGMMA": 1, "UTCHMMA": 1}
MEMORY = ("LDS", "STS", "LDG", "STG", "LDL", "STL", "LDSM")


def find_tool(name):
    """Its path, or None. Packages of Python keep it below nvidia/."""
    found = shutil.which(name)
    if found:
        return found
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    places = [pathlib.Path(nvcc).resolve().parent]
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations if spec else ():
        places += [tool.parent for tool in pathlib.Path(root).glob(f"**/bin/{name}")]
    return next((str(p / name) for p in places if os.access(p / name, os.X_OK)), None)


def tools():
    found = {name: find_tool(name) for name in ("cuobjdump", "nvdisasm")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        print("sass_report.py: no " + " and no ".join(missing) + "; install a CUDA toolkit, or: pip install "
              + " ".join(f"nvidia-cuda-{name}" for name in missing), file=sys.stderr)
        sys.exit(MISSING)
    return found


@dataclasses.dataclass
class Region:
    """A loop, or a run of blocks without one."""
    kind: str
    instructions: int
    counts: dict  # of operations; those of memory with their width, "LDS.128"
    products: int

    def loads(self):
        return sum(n for op, n in self.counts.items() if op.startswith(("LDS.", "LDSM")))

    def passes(self):
        """Turns of shared memory for a warp, 128 bytes each, if no two threads want the same."""
        return sum(n * int(op.split(".")[1]) // 32 for op, n in self.counts.items() if op.startswith(("LDS.", "STS.")))


@dataclasses.dataclass
class Code:
    name: str
    architecture: str
    registers: int
    counts: dict
    regions: list  # in the order of the code
    copies: list  # loops from device to shared memory

    def inner(self):
        """Those that multiply most."""
        most = max((r.products for r in self.regions), default=0)
        hot = [r for r in self.regions if 2 * r.products >= most]
        best = max((r.products / r.instructions for r in hot), default=0)
        return sorted((r for r in hot if r.products / r.instructions >= 0.85 * best),
                      key=lambda r: (-r.products, r.instructions))


def operation(text):
    """(operation, whether it is a product of integers). Of memory with its width in bits."""
    words = re.sub(r"^@!?\w+\s+", "", text).split()
    parts = words[0].split(".")
    name = parts[0]
    if name in MEMORY:
        sizes = [p for p in parts[1:] if p in ("U8", "S8", "U16", "S16", "64", "128")]
        name += "." + (re.sub(r"\D", "", sizes[0]) if sizes else "32")
    is_product = parts in (["IMAD"], ["IMAD", "WIDE"], ["IMAD", "HI"]) and "RZ, RZ" not in text
    return name, is_product


def read_assembly(text):
    """{mangled name: [label or instruction]}"""
    kernels, body = {}, None
    for line in text.splitlines():
        if section := re.match(r"\.text\.(\S+):", line):
            body = kernels.setdefault(section.group(1), [])
        elif line.startswith("//--------------------- ") and ".text." not in line:
            body = None
        elif body is not None:
            if label := re.match(r"(\.L_\w+):", line):
                body.append(label.group(1))
            elif found := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line):
                body.append(found.group(1))
    return kernels


def count(body, kind, floats):
    counts = collections.Counter()
    products = 0
    for text in body:
        if text.startswith("."):
            continue
        name, is_product = operation(text)
        counts[name] += 1
        products += FLOATS.get(name, 0) if floats else is_product
    return Region(kind, sum(counts.values()), dict(counts), products)


def innermost_loops(body):
    places = {text: i for i, text in enumerate(body) if text.startswith(".")}
    loops = []
    for i, text in enumerate(body):
        target = re.search(r"\bBRA\b.*`\((\.L_\w+)\)", text)
        begin = places.get(target.group(1), i) if target else i
        if begin < i and not any(begin <= b and e <= i for b, e in loops):
            loops.append((begin, i))
    return loops


def runs_of_products(body, floats, outside_of):
    """Consecutive blocks of which at least a third are products, short ones between them included."""
    blocks, begin = [], 0
    for i, text in enumerate(body):
        if text.startswith(".") or re.search(r"\b(BRA|EXIT|RET)\b", text) or i == len(body) - 1:
            blocks.append((begin, i + 1))
            begin = i + 1
    runs, last = [], 0
    for begin, end in blocks:
        if begin == end or any(b <= begin and end <= e + 1 for b, e in outside_of):
            continue
        some = count(body[begin:end], "", floats)
        if some.products >= 4 and 3 * some.products >= some.instructions:
            if runs and begin - last <= 8:
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((begin, end))
            last = end
    return runs


def look_at(body):
    """Counts of all of it, the regions that multiply most, and the loops that fill shared memory."""
    whole = count(body, "all", True)
    loops = sorted(innermost_loops(body))

    def regions(floats):
        found = [count(body[b:e + 1], "loop", floats) for b, e in loops]
        unrolled = [text for b, e in runs_of_products(body, floats, loops) for text in body[b:e]]
        return [r for r in (*found, count(unrolled, "unrolled", floats)) if r.products >= 4 and r.loads()]

    by_kind = [regions(True), regions(False)]
    copies = [r for r in (count(body[b:e + 1], "loop", True) for b, e in loops)
              if any(op.startswith("LDG") for op in r.counts) and any(op.startswith("STS") for op in r.counts)]
    return whole.counts, max(by_kind, key=lambda some: max((r.products for r in some), default=0)), copies


def disassemble(path, found):
    """All kernels of an object file."""
    codes = []
    with tempfile.TemporaryDirectory(prefix="sass_report_") as work:
        ptxas_report.run([found["cuobjdump"], "-xelf", "all", path.resolve()], cwd=work)
        for cubin in sorted(pathlib.Path(work).glob("*.cubin")):
            architecture = re.search(r"(sm_\w+)\.cubin", cubin.name).group(1)
            usage = ptxas_report.run([found["cuobjdump"], "-res-usage", cubin])
            registers = dict(re.findall(r"Function (\S+):\s+REG:(\d+)", usage))
            code = ptxas_report.run([found["nvdisasm"], "-c", cubin])
            for name, body in read_assembly(code).items():
                codes.append(Code(name, architecture, int(registers[name]), *look_at(body)))
    return codes


def read_build(build):
    """Kernels of all object files of cuda/, with names that can be read."""
    found = tools()
    objects = sorted(o for o in pathlib.Path(build).glob("**/*.cu.o") if {"convgpu.dir", "convgpu_cuda.dir"} & {*o.parts})
    if not objects:
        sys.exit(f"sass_report.py: {build} has no object file of a .cu file; build it with CONVGPU_CUDA=ON first")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        codes = [c for of_one in pool.map(lambda o: disassemble(o, found), objects) for c in of_one]
    for code, name in zip(codes, ptxas_report.readable([c.name for c in codes])):
        code.name = name
    return sorted(codes, key=lambda c: (c.name, c.architecture))


def from_json(codes):
    """What --json wrote."""
    return [Code(**{**c, "regions": [Region(**r) for r in c["regions"]], "copies": [Region(**r) for r in c["copies"]]})
            for c in codes]


def complaints(code):
    wrong = []
    local = sum(n for op, n in code.counts.items() if op.startswith(("LDL", "STL")))
    if local:
        wrong.append(f"{local} accesses to local memory")
    for e in EXPECTED:
        if not re.fullmatch(e.kernel, code.name) or code.architecture != "sm_90":
            continue
        inner = code.inner()
        if len(inner) < e.loops:
            return [*wrong, f"{len(inner)} inner loops, not {e.loops}"]
        for r in inner[:e.loops]:
            if r.products < e.per_load * r.loads():
                wrong.append(f"{r.products / r.loads():.1f} products for each load from shared memory, not {e.per_load}")
            if r.products < e.per_instruction * r.instructions:
                wrong.append(f"{r.products / r.instructions:.2f} products for each instruction, not {e.per_instruction}")
            widths = {int(op.split(".")[1]) for op in r.counts if op.startswith("LDS.")}
            if e.widths and widths != set(e.widths):
                wrong.append(f"loads of {sorted(widths)} bits, not {list(e.widths)}")
        wrong += [f"no store of {w} bits" for w in e.stores if not code.counts.get(f"STG.{w}")]
    return wrong


def some_of(counts, *prefixes):
    found = sorted((op, n) for op, n in counts.items() if op.split(".")[0] in prefixes)
    return ", ".join(f"{n} {op}" for op, n in found) or "–"


def table(codes):
    yield ("| kernel | for | registers | inner loop | instructions | products | of them | loads from shared memory "
           "| products each | else | device memory, in all | local |")
    yield "|---|---|--:|---|--:|--:|--:|---|--:|---|---|---|"
    for c in codes:
        for r in c.inner():
            rest = collections.Counter({op.split(".")[0]: n for op, n in r.counts.items()
                                        if op.split(".")[0] not in ("LDS", *FLOATS)})
            each = f"{r.products / r.loads():.1f}" if r.loads() else "–"
            yield (f"| {c.name} | {c.architecture} | {c.registers} | {r.kind} | {r.instructions} | {r.products} "
                   f"| {100 * r.products / r.instructions:.0f}% | {some_of(r.counts, 'LDS', 'LDSM')} | {each} "
                   f"| {', '.join(f'{n} {op}' for op, n in rest.most_common(4)) or '–'} "
                   f"| {some_of(c.counts, 'LDG', 'STG')} | {some_of(c.counts, 'LDL', 'STL')} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("build", nargs="?")
    arguments.add_argument("--tools", action="store_true")
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--json", type=pathlib.Path)
    arguments.add_argument("--all", action="store_true")
    arguments = arguments.parse_args()
    if arguments.tools:
        return print("\n".join(tools().values()))
    if not arguments.build:
        sys.exit(__doc__.strip())
    codes = read_build(arguments.build)
    if arguments.json:
        arguments.json.write_text(json.dumps([dataclasses.asdict(c) for c in codes], indent=1) + "\n")
    print("\n".join(table([c for c in codes if arguments.all or "<float" in c.name])))
    if not arguments.check:
        return
    unseen = [e.kernel for e in EXPECTED
              if any(c.architecture == "sm_90" for c in codes) and not any(re.fullmatch(e.kernel, c.name) for c in codes)]
    wrong = [f"{c.name}, {c.architecture}: {words}" for c in codes for words in complaints(c)]
    wrong += [f"no kernel is called {kernel}" for kernel in unseen]
    if wrong:
        sys.exit("\n".join(["sass_report.py: not as they should be:", *wrong]))


if __name__ == "__main__":
    main()
