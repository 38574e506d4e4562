#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libconvgpu.so and libconvgpu_cuda.so in folders, in every state they may be found in.

    module_test.py --library FILE … [options of unittest]          as CMakeLists.txt has it

Each test makes a folder of its own, and starts the probe (probe.hpp) in processes of their own.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

GIVEN = None  # the arguments
MODULE = "libconvgpu_cuda.so"


class ModuleTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="convgpu_module_")
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name).resolve()
        self.top.chmod(0o755)
        self.folder = self.top / "lib"
        self.folder.mkdir()
        self.put(GIVEN.library, GIVEN.soname)

    def put(self, file, name=None, folder=None):
        """A copy, in the library's folder unless another is named."""
        to = (folder or self.folder) / (name or pathlib.Path(file).name)
        shutil.copy(file, to)
        return to

    def put_module(self, which="on_host", folder=None):
        return self.put(GIVEN.modules / which / MODULE, folder=folder)

    def start(self, *words, program=None, machine="", path=None, **more):
        """The lines that the program prints; it must have ended well and have said nothing else."""
        environment = os.environ | {"LD_LIBRARY_PATH": str(path or self.folder), "TEST_MACHINE": machine}
        done = subprocess.run([program or GIVEN.probe, *words], env=environment, capture_output=True,
                              text=True, timeout=120, check=False, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        # Which of the CPU's algorithms is the fastest is no matter here.
        return [re.sub(r"^cpu cpu/\w+$", "cpu", line) for line in done.stdout.splitlines()]

    def answers(self, reason, machine="", device="cuda:0"):
        """One line says why not, and every way to ask for it gives that line."""
        info = self.start("info", machine=machine)
        self.assertEqual(len(info), 1, info)
        self.assertTrue(info[0].startswith("cuda: "), info)
        found = info[0].removeprefix("cuda: ")
        self.assertRegex(found, "^" + reason + "$")
        self.assertEqual(self.start("run=auto", machine=machine),
                         ["cpu", "cuda: " + found, "right"])
        self.assertEqual(self.start("run=" + device, machine=machine),
                         [f"backend_unavailable: device: {device} cannot be used: {found}"])
        if GIVEN.program:
            self.assertIn("cuda: " + found,
                          self.start("info", program=GIVEN.program, machine=machine))
        return found

    def computes(self, **more):
        self.assertEqual(self.start("run=auto", "loaded", **more),
                         ["cuda:0 cuda/direct", "right", "loaded"])

    # ---- It is there

    def test_both_there(self):
        self.put_module()
        self.computes()
        info = self.start("info")
        self.assertEqual(info[0], "cuda: ready")
        self.assertEqual([line.split(":")[1] for line in info[1:]], ["0", "1"])
        self.assertEqual(self.start("run=cuda:1"), ["cuda:1 cuda/direct", "right"])
        if GIVEN.program:
            text = "\n".join(self.start("info", program=GIVEN.program))
            self.assertRegex(text, r"cuda: ready\n  device +cuda:0: [^\n]*\n  device +cuda:1: ")
            self.assertIn("cuda/direct", text)

    def test_loaded_on_first_need_only(self):
        self.put_module()
        self.assertEqual(self.start("run=cpu", "loaded", "run=auto", "loaded"),
                         ["cpu", "right", "not loaded",
                          "cuda:0 cuda/direct", "right", "loaded"])

    def test_many_threads_at_once(self):
        self.put_module()
        self.assertEqual(self.start("race=32"), self.start("info"))
        (self.folder / MODULE).unlink()
        self.assertEqual(self.start("race=32"), self.start("info"))

    def test_folder_with_spaces(self):
        self.folder = self.folder.rename(self.top / "a folder of ours")
        self.put_module()
        self.computes()

    def test_relative_path_and_another_folder_since(self):
        self.put_module()
        self.assertEqual(self.start("cd=/", "run=auto", path="lib", cwd=self.top),
                         ["cuda:0 cuda/direct", "right"])

    def test_link_to_the_library(self):
        """The module is looked for where the library itself lies."""
        self.put_module()
        links = self.top / "links"
        links.mkdir()
        (links / GIVEN.soname).symlink_to(self.folder / GIVEN.soname)
        self.computes(path=links)

    def test_library_in_a_plugin(self):
        self.put_module()
        plugin = self.put(GIVEN.plugin)
        self.assertEqual(self.start(plugin, "run=auto", "run=cuda:7", program=GIVEN.host, path="/"),
                         ["cuda:0 cuda/direct", "right",
                          "invalid_problem: options.device: cuda:7; allowed: cuda:0 to cuda:1"])

    # ---- It cannot be used

    def missing(self):
        file = re.escape(str(self.folder / MODULE))
        return ("not found: " if GIVEN.built else "not built: .* there is no ") + file

    def test_removed(self):
        self.answers(self.missing())

    def test_not_looked_for_elsewhere(self):
        elsewhere = self.top / "elsewhere"
        elsewhere.mkdir()
        self.put_module(folder=elsewhere)
        for more in ({"path": f"{elsewhere}:{self.folder}"}, {"cwd": elsewhere}):
            with self.subTest(more):
                lines = self.start("run=auto", "loaded", **more)
                self.assertEqual((lines[0], lines[2:]), ("cpu", ["right", "not loaded"]))
                self.assertRegex(lines[1], "^cuda: " + self.missing())

    def test_cut_off_anywhere(self):
        module = self.put_module()
        whole = module.read_bytes()
        module.write_bytes(whole[:8192])  # its headers are there, what they tell of is not
        self.answers(f"cannot be loaded: {module}: the file is cut off")
        for i in range(0, 20):
            with self.subTest(twentieths=i):
                module.write_bytes(whole[:len(whole) * i // 20])
                # The last of the file is for debuggers.
                self.assertRegex(self.start("info")[0], f"^cuda: (cannot be loaded: {module}: .|ready$)")
        module.write_bytes(whole[:100])  # within the table of what the file holds
        self.answers(f"cannot be loaded: {module}: the file is cut off")

    def test_not_a_module(self):
        module = self.folder / MODULE
        module.write_text("INPUT(libconvgpu_cuda.so.1)\n" * 10)
        self.answers(f"cannot be loaded: {module}: invalid ELF header")
        module.unlink()
        module.mkdir()
        self.answers(f"cannot be loaded: {module}: .*")

    def test_without_entry(self):
        module = self.put_module("without_entry")
        self.answers(f"cannot be loaded: {module}: undefined symbol: convgpu_cuda_module")

    def test_other_version(self):
        module = self.put_module("of_other_version")
        self.answers(f"another version: {module} is of version {GIVEN.version}.1, libconvgpu of version "
                     f"{GIVEN.version}")

    def test_other_build(self):
        module = self.put_module("of_other_build")
        self.answers(f"another build: {module} was not built from the same headers .*")

    def test_unreadable(self):
        self.put_module().chmod(0)
        probe = self.put(GIVEN.probe)
        more = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        lines = self.start("info", program=probe, **more)
        self.assertRegex(lines[0], f"^cuda: cannot be loaded: {self.folder / MODULE}: .*Permission denied$")

    def test_name_that_would_be_two_lines(self):
        self.folder = self.folder.rename(self.top / "two\nlines")
        found = self.start("info")
        self.assertEqual(len(found), 1, found)
        self.assertIn("two lines/" + MODULE, found[0])

    # ---- It is there, and the machine has nothing for it

    def test_machines(self):
        self.put_module()
        for machine, reason in (
                ("no driver", "no NVIDIA driver"),
                ("old driver", r"driver too old: it is for CUDA 12\.4, and CUDA \d+\.\d+ is needed"),
                ("no device", "no device"),
                ("old device", r"device 0 too old: its compute capability is 7\.0, and this build is "
                               r"for 7\.5 and later"),
                ("no memory for a device", "out of memory")):
            with self.subTest(machine):
                self.answers(reason, machine)

    def test_device_that_does_not_exist(self):
        self.put_module()
        self.assertEqual(self.start("run=cuda:2"), ["invalid_problem: options.device: cuda:2; "
                                                    "allowed: cuda:0 to cuda:1"])

    def test_plans_fail_on_the_device(self):
        """What the module throws is caught by its type, here and in the library."""
        self.put_module()
        self.assertEqual(self.start("run=auto", "make=cuda:0", machine="full device"),
                         ["cpu", "cuda: out of memory", "right", "bad_alloc"])
        lines = self.start("run=auto", machine="broken device")
        self.assertEqual((lines[0], lines[2:]), ("cpu", ["right"]))
        self.assertRegex(lines[1], r"^cuda: cuda\w+: cudaErrorUnknown, unknown error \(.*\)$")
        self.assertEqual(self.start("make=cuda:0", machine="broken device"),
                         ["cuda_error: " + lines[1].removeprefix("cuda: ")])

    # ---- The files

    def modules(self):
        return [GIVEN.modules / "on_host" / MODULE] + ([GIVEN.real] if GIVEN.real else [])

    def lines_of(self, *command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    def test_library_needs_nothing_of_cuda(self):
        needed = [line for line in self.lines_of("readelf", "--dynamic", "--wide", GIVEN.library)
                  if "(NEEDED)" in line]
        self.assertTrue(any("libc.so" in line for line in needed), needed)
        self.assertEqual([line for line in needed if re.search(r"\[lib(cu|nv)", line)], [])

    def test_module_exports_its_entry_only(self):
        for module in self.modules():
            lines = self.lines_of("nm", "--dynamic", "--defined-only", "--format=posix", module)
            self.assertEqual([line.split()[0] for line in lines], ["convgpu_cuda_module"], module)

    def test_module_is_small_and_stays_loaded(self):
        for module in self.modules():
            self.assertLess(module.stat().st_size, 40 * 2**20, module)
            dynamic = "\n".join(self.lines_of("readelf", "--dynamic", "--wide", module))
            self.assertIn("NODELETE", dynamic, module)
            self.assertNotRegex(dynamic, r"\((RPATH|RUNPATH)\)", module)

    def test_real_module_with_this_library(self):
        if not GIVEN.real:
            self.skipTest("built without CUDA")
        self.put(GIVEN.real, MODULE)
        self.assertNotRegex(self.start("info")[0], "not built|not found|cannot be loaded|another")
        self.assertEqual(self.start("run=auto")[-1], "right")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("library", "probe", "host", "plugin", "modules", "program", "real"):
        parser.add_argument("--" + option, type=pathlib.Path, required=option not in ("program", "real"))
    parser.add_argument("--soname", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--built", type=int, required=True)
    GIVEN, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
