#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Seeded faults: each mistake of faults.py, made in a copy of the sources, must make the tests fail.

    tests/seeded_faults/run.py [--plain DIR] [--address DIR] [--thread DIR] [-j N] [--no-twins]
                               [--every N --from K] [NAME...]

DIR are build trees of this checkout with Ninja and their tests built: a usual one, and one with each
sanitizer. Those that are not said are made under build/seeded_faults. Of a fault only what includes the
patched file is compiled again, with little optimisation, and linked before the rest; the trees and the
checkout stay as they are. The same with no fault at all must pass: tried for the first fault of each tree.
--no-twins leaves out those faults that are of the kind of another one, --every takes each Nth of them, from the
Kth on (counted from 0, modulo N).

Prints a table of what caught what. Exit status 0: everything was caught.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = "convgpu_cuda_tests"
SUBSET = "convgpu_cuda_thread_tests"
CONFIGURATIONS = {
    "plain": (["-DCMAKE_BUILD_TYPE=Release"], [TESTS, SUBSET]),
    "address": (["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCONVGPU_SANITIZE=address;undefined"], [SUBSET]),
    "thread": (["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCONVGPU_SANITIZE=thread"], [SUBSET]),
}
# What is run of the suite, until something fails: (name, program, filter). A fault may name the algorithm
# that it is in; @ is that algorithm, or all.
PARTS = {
    "plain": [
        ("agreement, large", TESTS, "*on_large_problems/@*"),
        ("agreement, small", TESTS, "*on_small_problems/@*"),
        ("not finite", TESTS, "*not_finite*/@*"),
        ("rounding", TESTS, "*rounding*/@*"),
        ("traffic", TESTS, "*cuda_traffic*/@*"),
        ("banks", TESTS, "*cuda_banks*"),
        ("far apart", TESTS, "*cuda_far_apart*"),
        ("gradients", TESTS, "*cuda_gradient*"),
        ("channels", TESTS, "cuda_channels*:cuda_gemm*:cuda_direct.*"),
        ("every kernel", SUBSET, "*/@*"),
        ("tensor cores", TESTS, "cuda_mma.*"),
        ("blocks", TESTS, "overlap_save*cuda*:every/overlap_save*cuda*:cuda_transform*:cuda_fft*:cuda_overlap_save*"),
    ],
    "address": [("address sanitizer", SUBSET, "*/@*")],
    "thread": [("thread sanitizer", SUBSET, "*where_blocks_are_few*/@*")],
}
BROKEN = "NOT TRIED"  # its text is not there any more, or it does not compile
SECONDS_FOR_A_PART = 900  # many times what it takes


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def run_or_die(command, **more):
    done = run(command, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(map(str, command))}\n{done.stdout}")
    return done.stdout


@dataclasses.dataclass
class Unit:
    """A source file as one build tree compiles it."""

    source: pathlib.Path
    command: list
    object: str
    includes: set  # of the checkout, relative to it


class Tree:
    """A build tree: how its programs are compiled and linked."""

    def __init__(self, kind, directory):
        self.kind = kind
        self.directory = directory
        options, programs = CONFIGURATIONS[kind]
        if not (directory / "build.ninja").exists():
            run_or_die(["cmake", "-G", "Ninja", "-S", ROOT, "-B", directory, *options,
                        "-DCONVGPU_TOOLS=OFF", "-DCONVGPU_EXAMPLES=OFF", "-DCMAKE_CXX_FLAGS=-O1"])
        run_or_die(["cmake", "--build", directory, "--target", *programs])
        self.links = {}
        self.units = {}
        for program in programs:
            for line in self.ninja("commands", f"tests/{program}").splitlines():
                self.remember(program, line)
        for unit in self.units.values():
            deps = self.ninja("deps", unit.object).splitlines()[1:]
            paths = ((directory / line.strip()).resolve() for line in deps)
            unit.includes = {str(p.relative_to(ROOT)) for p in paths if p.is_relative_to(ROOT)}

    def ninja(self, tool, target):
        return run_or_die(["ninja", "-C", self.directory, "-t", tool, target])

    def remember(self, program, line):
        words = [w for w in shlex.split(line) if w not in (":", "&&")]
        if "-c" in words and not line.startswith("cd "):
            source = (self.directory / words[words.index("-c") + 1]).resolve()
            if source.is_relative_to(ROOT / "cuda") or source.is_relative_to(ROOT / "tests"):
                made = words[words.index("-o") + 1]
                self.units[made] = Unit(source, words, made, set())
        elif words and words[-1:] and f"tests/{program}" in words and "-o" in words:
            self.links[program] = words


def patched_copy(fault, to):
    """The sources that faults may be in, with the fault."""
    for folder in ("cuda", "include"):
        shutil.copytree(ROOT / folder, to / folder)
    for old, new in fault.edits:
        path = to / fault.file
        text = path.read_text()
        if text.count(old) != 1:
            raise RuntimeError(f"{fault.name}: {text.count(old)} times in {fault.file}, not once:\n{old}")
        path.write_text(text.replace(old, new))


class Trial:
    """One fault in one tree."""

    def __init__(self, fault, tree, work):
        self.fault = fault
        self.tree = tree
        self.work = work
        self.objects = {}
        self.programs = {}

    def compile(self):
        patched_copy(self.fault, self.work)
        for unit in self.tree.units.values():
            if self.fault.file not in unit.includes:
                continue
            if self.fault.sources and str(unit.source.relative_to(ROOT)) not in self.fault.sources:
                continue
            in_cuda = unit.source.is_relative_to(ROOT / "cuda")
            # Tests look at the numbers in cuda/, but not at inner functions of the library.
            if not in_cuda and not self.fault.file.startswith("cuda/"):
                continue
            words = list(unit.command)
            made = self.work / f"{len(self.objects)}.o"
            words[words.index("-o") + 1] = str(made)
            if "-MF" in words:
                words[words.index("-MF") + 1] = f"{made}.d"
            if in_cuda:
                words[words.index("-c") + 1] = str(self.work / unit.source.relative_to(ROOT))
            first = next(i for i, w in enumerate(words) if w.startswith("-I") or w == "-isystem")
            words[first:first] = [f"-I{self.work}", f"-I{self.work}/include"]
            run_or_die([*words, "-O1", "-g0", "-w"], cwd=self.tree.directory)
            self.objects[unit.object] = str(made)

    def link(self, program):
        if program in self.programs:
            return self.programs[program]
        words = list(self.tree.links[program])
        inserted = []
        for old, new in self.objects.items():
            if old in words:
                words[words.index(old)] = new
            elif f"/{program}.dir/" not in old and ".dir/" in old and "on_host.dir" in old:
                inserted.append(new)
        made = self.work / program
        at = words.index("-o")
        words[at + 1] = str(made)
        words[at:at] = inserted  # before the archive, whose members of the same names are not taken then
        run_or_die(words, cwd=self.tree.directory)
        self.programs[program] = made
        return made

    def run_parts(self):
        """Who caught it; None for nobody."""
        self.compile()
        algorithm = self.fault.algorithm.replace("/", "_")
        for name, program, pattern in PARTS[self.tree.kind]:
            if self.fault.parts and name not in self.fault.parts:
                continue
            command = [self.link(program), f"--gtest_filter={pattern.replace('@', algorithm)}"]
            if self.fault.edits:
                command.append("--gtest_fail_fast")
            if self.tree.kind == "thread" and run(["setarch", "--addr-no-randomize", "true"]).returncode == 0:
                command[:0] = ["setarch", "--addr-no-randomize"]
            try:
                done = run(command, cwd=self.work, timeout=SECONDS_FOR_A_PART)
            except subprocess.TimeoutExpired:
                return name, f"does not end within {SECONDS_FOR_A_PART} s"
            if " 0 tests from 0 test suites" in done.stdout and not self.fault.edits:
                raise RuntimeError(f"{name}: no test is called {pattern}")
            if done.returncode != 0:
                return name, headline(done)
        return None


def headline(done):
    """What a failing test said, in a line."""
    for pattern in (r"(?:WARNING|ERROR): \w+Sanitizer: ([\w -]*\w)", r"runtime error: (.*)",
                    r"\[  FAILED  \] ([^\s,]+)"):
        found = re.search(pattern, done.stdout)
        if found:
            return found.group(1)
    return f"exit status {done.returncode}"


def attempt(fault, trees):
    """(fault, caught by, words, seconds)"""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seeded_fault_") as work:
        try:
            by, words = Trial(fault, trees[fault.build], pathlib.Path(work)).run_parts() or (None, "")
        except RuntimeError as broken:
            print(f"run.py: {fault.name}: {broken}", file=sys.stderr)
            by, words = BROKEN, "see above"
    return fault, by, words, time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind in CONFIGURATIONS:
        parser.add_argument(f"--{kind}", type=pathlib.Path,
                            default=ROOT / "build" / "seeded_faults" / kind, metavar="DIR")
    parser.add_argument("-j", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--no-twins", action="store_true", help="one fault of each kind")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="a part of them")
    parser.add_argument("--from", type=int, default=0, metavar="K", dest="first", help="which part")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these faults")
    given = parser.parse_args()
    unknown = set(given.names) - {f.name for f in FAULTS}
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")

    chosen = [f for f in FAULTS if (f.name in given.names if given.names else not (given.no_twins and f.twin))]
    if given.every < 1:
        parser.error(f"--every: {given.every}; allowed: 1 or more")
    chosen = chosen[given.first % given.every::given.every]
    trees = {kind: Tree(kind, getattr(given, kind).resolve()) for kind in {f.build for f in chosen}}
    first = {f.build: f for f in reversed(chosen)}
    none = [dataclasses.replace(fault, name=f"none ({kind})", edits=(), parts=()) for kind, fault in first.items()]
    print("| fault | caught by | first | s |\n|---|---|---|---|", flush=True)
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(given.j) as pool:
        for fault, by, words, seconds in pool.map(lambda f: attempt(f, trees), [*none, *chosen]):
            expected = bool(fault.edits)
            if by == BROKEN or (by is not None) != expected:
                wrong.append(fault.name)
            print(f"| {fault.name} | {by or ('NOT CAUGHT' if expected else 'passes')} | {words} | {seconds:.0f} |",
                  flush=True)
    if wrong:
        print(f"\nrun.py: not as it should be: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
