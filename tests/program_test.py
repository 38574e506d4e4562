#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program from end to end.

    program_test.py /path/to/convgpu [options of unittest]
"""

import ast
import itertools
import json
import math
import os
import resource
import shlex
import stat
import struct
import subprocess
import sys
import tempfile
import unittest
import wave
import zlib

PROGRAM = None

# NumPy's codes without the byte order, and those of struct for one element.
NPY_TYPES = {"b1": "?", "u1": "B", "i1": "b", "u2": "H", "i2": "h", "u4": "I", "i4": "i", "u8": "Q",
             "i8": "q", "f2": "e", "f4": "f", "f8": "d", "c8": "ff", "c16": "dd"}


def npy(code, shape, values, order="<", fortran=False, version=1):
    """A .npy file; `values` are its numbers as they lie, two for a complex one."""
    body = struct.pack(order + NPY_TYPES[code][0] * len(values), *values)
    descr = ("|" if code[1:] == "1" else order) + code
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + body


def parse_npy(content):
    """Type, shape and numbers of a .npy file as the program writes it."""
    end = 10 + struct.unpack("<H", content[8:10])[0]
    header = ast.literal_eval(content[10:end].decode())
    assert content[:8] == b"\x93NUMPY\1\0" and end % 64 == 0 and not header["fortran_order"]
    letter = NPY_TYPES[header["descr"][1:]][0]
    body = content[end:]
    return header["descr"], header["shape"], struct.unpack(
        f"<{len(body) // struct.calcsize(letter)}{letter}", body)


def png(width, planes, samples, depth=8):
    """A PNG of 1 to 4 planes; `samples` in the order of the file."""
    line = width * planes * depth // 8
    raw = struct.pack(f">{len(samples)}{'B' if depth == 8 else 'H'}", *samples)
    lines = [b"\0" + raw[at:at + line] for at in range(0, len(raw), line)]
    header = struct.pack(">IIBBBBB", width, len(lines), depth, {1: 0, 2: 4, 3: 2, 4: 6}[planes], 0,
                         0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks)


def wav(frames, channels=1, bits=16, rate=8000):
    samples = b"".join(value.to_bytes(bits // 8, "little", signed=bits > 8) for value in frames)
    step = channels * bits // 8
    body = (b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * step, step, bits) +
            b"data" + struct.pack("<I", len(samples)) + samples)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def noise(count, limit):
    """Numbers from 0 to limit-1, the same each time."""
    state, result = 1, []
    for _ in range(count):
        state = state * 1103515245 + 12345 & 0x7fffffff
        result.append((state >> 8) % limit)
    return result


class ProgramTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name

    def store(self, name, content):
        with open(os.path.join(self.folder, name), "wb") as file:
            file.write(content)

    def load(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def files(self):
        return {name: os.lstat(os.path.join(self.folder, name)).st_mtime_ns
                for name in os.listdir(self.folder)}

    def start(self, line, **how):
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.folder,
               "timeout": 60, "encoding": "utf-8", **how}
        return subprocess.run([PROGRAM, *shlex.split(line)], check=False, **how)

    def runs(self, line, **how):
        """Its standard output, where all went well."""
        done = self.start(line, **how)
        self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        return done.stdout

    def prints(self, line, expected):
        self.assertEqual(self.runs(line + " -o -"), expected + "\n", line)

    def numbers(self, line):
        """The planes that are printed, each a list of its numbers."""
        planes = self.runs(line + " -o -").split("\n\n")
        return [[float(number) for number in plane.split()] for plane in planes]

    def fails(self, line, *words, status=2, **how):
        """One line with all the words in it, and not a file touched."""
        before = self.files()
        done = self.start(line, **how)
        with self.subTest(line, message=done.stderr):
            self.assertEqual(done.returncode, status)
            self.assertRegex(done.stderr, r"\Aconvgpu: [^\n]+\n\Z")
            self.assertFalse(done.stdout)
            for word in words:
                self.assertIn(word, done.stderr)
            self.assertEqual(self.files(), before)

    def refused(self, line, *words, output="out.npy"):
        self.fails(f"{line} -o {output}", *words)


class Meaning(ProgramTest):
    def test_examples(self):
        self.prints("convolve [1,1,1,1] [2,2,2,2]", "2 4 6 8 6 4 2")
        self.prints("convolve --mode valid [[0,3,6,3],[3,6,3,6],[6,3,6,3],[3,6,3,0]] "
                    "[[0,3,0],[0,1,2],[4,0,0]]", "45 45\n45 45")
        self.prints("convolve --mode same [0,0,1,0,0] [1,2,3]", "0 1 2 3 0")
        self.prints("correlate --mode same [0,0,1,0,0] [1,2,3]", "0 3 2 1 0")
        self.prints("convolve --mode same --border wrap [5,0,0,2,3] [0,0,1]", "3 5 0 0 2")
        self.prints("convolve --mode same --border wrap --origin -1 [1,2,3,4] [1,0,2,0]",
                    "7 10 5 8")

    # A correlation with powers of ten shows in its digits what it sees.
    seen = {"zero": "123 1230 12300",
            "constant --value 9": "99123 91239 12399",
            "replicate": "11123 11233 12333",
            "symmetric": "21123 11233 12332",
            "mirror": "32123 21232 12321",
            "wrap": "23123 31231 12312"}

    def test_borders(self):
        for border, expected in self.seen.items():
            self.prints(f"correlate [1,2,3] [10000,1000,100,10,1] --mode same --border {border}",
                        expected)
        self.prints("correlate [1,2] [1e8,1e7,1e6,1e5,1e4,1e3,100,10,1] --mode same "
                    "--border mirror", "121212121 212121212")
        self.prints("convolve [1,2] [1] --border constant --value -2.5e3 --origin 0", "1 2")

    def test_origin(self):
        line = "correlate [1,2,3,4] [1000,100,10,1] --mode same --origin "
        for origin, expected in {-1: "1 12 123 1234", 0: "12 123 1234 2340",
                                 1: "123 1234 2340 3400", 2: "1234 2340 3400 4000"}.items():
            self.prints(line + str(origin), expected)
        for origin in ("-2", "3"):
            self.refused(line + origin, "origin", origin, "-1 to 2")
        self.prints("correlate [[1],[2],[3]] [[100],[10],[1]] --mode same --origin -1,0",
                    "1\n12\n123")
        self.prints("correlate [[1,2,3]] [100,10,1] --mode same --origin=0,1", "123 230 300")

    def test_modes(self):
        for mode, expected in {"full": "1 4 10 16 17 12", "same": "4 10 16 17",
                               "valid": "10 16"}.items():
            self.prints(f"convolve [1,2,3,4] [1,2,3] --mode {mode}", expected)

    def test_defaults(self):
        self.store("a.pgm", b"P5 3 1 255\n\1\2\3")
        self.store("a.png", png(3, 1, [1, 2, 3]))
        for image in ("a.pgm", "a.png"):  # same and mirror
            self.prints(f"correlate {image} [100,10,1] --out-type i16", "212 123 232")
        self.store("a.npy", npy("i2", (3,), [1, 2, 3]))
        self.store("a.wav", wav([1, 2, 3]))
        self.store("a.txt", b"1 2 3\n")
        for signal in ("a.npy", "a.wav", "a.txt", "[1,2,3]"):  # full and zero
            self.prints(f"correlate {signal} [100,10,1]", "1 12 123 230 300")

    def test_complex(self):
        self.prints("convolve [1+1j,2,3] [1,2j]", "1+1j 0+2j 3+4j 0+6j")
        self.prints("correlate [1,0] [1+2j]", "1-2j 0+0j")
        self.prints("convolve [1] [1+2j]", "1+2j")
        self.prints("convolve [1j,2] [1,1] --border constant --value 3-1j", "3+0j 2+1j 5-1j")
        self.refused("convolve [1,2] [1,1] --border constant --value 3-1j", "border", "real")

    def test_non_finite_values_stay_in_their_place(self):
        self.prints("convolve [1,nan,3,4,5] [1,0,2]", "1 nan 5 nan 11 8 10")
        self.prints("convolve [1,2,-inf,4] [1,1] --mode same", "1 3 -inf -inf")
        self.prints("convolve [1,nan,3] [2] --out-type u8", "2 0 6")
        self.prints("convolve [1,2] [1,1] --border constant --value inf", "inf 3 inf")
        self.store("a.npy", npy("f2", (3,), [1, math.nan, math.inf]))
        self.prints("convolve a.npy [1,0]", "1 nan inf 0")

    def test_named_filters(self):
        ramp = "[[0,0,0],[0,1,0],[0,0,0]]"
        for name, expected in {"delta": "0 0 0\n0 1 0\n0 0 0", "shift:1,0": "0 0 0\n0 0 1\n0 0 0",
                               "shift:0,-1": "0 1 0\n0 0 0\n0 0 0",
                               "laplacian": "0 1 0\n1 -4 1\n0 1 0",
                               "sharpen": "0 -1 0\n-1 5 -1\n0 -1 0",
                               "sobel:x": "1 0 -1\n2 0 -2\n1 0 -1",
                               "sobel:y": "1 2 1\n0 0 0\n-1 -2 -1",
                               "emboss": "2 1 0\n1 1 -1\n0 -1 -2"}.items():
            self.prints(f"convolve {ramp} {name} --mode same", expected)
        for name in ("gaussian:0.7", "box:3", "motion:5,45"):
            plane, = self.numbers(f"convolve [[1]] {name}")
            self.assertAlmostEqual(sum(plane), 1)
            self.assertEqual(plane, plane[::-1])

    def test_named_filters_on_signals(self):
        # As on a picture all of whose rows are that signal.
        self.prints("convolve [1,2,4] shift:1,0 --mode same", "0 1 2")
        self.prints("convolve [0,4,0] sobel:x --mode same", "16 0 -16")
        plane, = self.numbers("convolve [1] gaussian:1")
        self.assertEqual(len(plane), 7)
        self.assertAlmostEqual(sum(plane), 1)


class Options(ProgramTest):
    def test_help_and_version(self):
        self.assertRegex(self.runs("--version"), r"\A\d+\.\d+\.\d+\n\Z")
        self.assertIn("convolve", self.runs("--help"))
        for command in ("convolve", "correlate"):
            text = self.runs(command + " --help")
            for option in ("mode", "border", "value", "origin", "device", "algorithm", "tolerance",
                           "overflow", "out-type", "threads", "output", "explain"):
                self.assertIn("--" + option, text)
        self.assertIn("--correlate", self.runs("verify --help"))
        self.assertIn("info", self.runs("info --help"))

    def algorithms(self):
        lines = self.runs("info").splitlines()
        return [line.split()[1] for line in lines if line.startswith("  algorithm")]

    def test_info(self):
        text = self.runs("info")
        self.assertTrue(text.startswith("convgpu " + self.runs("--version")))
        self.assertRegex(text, r"\ncpu: ready\n  device +cpu: \d+ threads?, [a-z0-9_]+\n")
        self.assertRegex(text, r"\ncuda: \S")
        self.assertIn("cpu/reference", self.algorithms())
        self.assertIn("cpu/direct", self.algorithms())

    def test_instruction_set(self):
        wrong = self.start("convolve [1] [1] -o -", env=dict(os.environ, CONVGPU_SIMD="mmx"))
        reason = "environment variable CONVGPU_SIMD: mmx; allowed on this processor: "
        self.assertEqual((wrong.returncode, wrong.stdout), (2, ""))
        self.assertRegex(wrong.stderr, rf"\Aconvgpu: [^\n]*{reason}[a-z0-9_, ]+\n\Z")
        listed = self.start("info", env=dict(os.environ, CONVGPU_SIMD="mmx"))
        self.assertEqual((listed.returncode, listed.stderr), (0, ""))
        self.assertIn("\ncpu: " + reason, listed.stdout)
        for level in wrong.stderr.split(": ")[-1].strip().split(", "):
            env = dict(os.environ, CONVGPU_SIMD=level)
            self.assertEqual(self.start("convolve [1,2,3] [1,2] -o -", env=env).stdout, "1 4 7 6\n")
            self.assertRegex(self.start("info", env=env).stdout, rf"\n  device +cpu: .*, {level}\n")

    def test_algorithm(self):
        for name in self.algorithms():
            device = name.split("/")[0]
            line = f"convolve [1,2,3] [1,2] --device {device} --algorithm {name}"
            if self.start(line + " -o -").returncode == 2:  # not all take all
                self.refused(line, name)
                continue
            for value, good in zip(self.numbers(line)[0], [1, 4, 7, 6], strict=True):
                self.assertAlmostEqual(value, good)
        for more in ("--algorithm auto", "--device auto", "--device cpu", "--tolerance 0",
                     "--tolerance 1e-3", "--threads 1", "--threads 0"):
            self.prints(f"convolve [1,2,3] [1,2] {more}", "1 4 7 6")

    def test_explain(self):
        line = "convolve [1,2,3] [1,2] --device cpu --algorithm cpu/reference --explain -o "
        text = self.runs(line + "a.txt")
        self.assertTrue(text.startswith("cpu/reference on cpu: convolution of 1 x 3 f64"), text)
        self.assertIn("cpu/direct not taken", text)
        self.assertEqual(self.load("a.txt"), b"1 4 7 6\n")
        printed = self.start(line + "-")
        self.assertEqual((printed.returncode, printed.stdout, printed.stderr),
                         (0, "1 4 7 6\n", text))

    def test_explain_json(self):
        line = "convolve [1,2,3] [1,2] --device cpu -o a.txt --explain="
        told = json.loads(self.runs(line + "json"))
        self.assertEqual((told["device"], told["problem"]["in"]), ("cpu", [1, 3]))
        self.assertIn(told["algorithm"], [c["algorithm"] for c in told["candidates"]])
        self.assertTrue(all(c["predicted_seconds"] > 0 and c["bound_by"] for c in told["candidates"]
                            if c["outcome"] != "refused"))
        self.assertEqual(self.runs(line + "text"),
                         self.runs("convolve [1,2,3] [1,2] --device cpu -o a.txt --explain"))
        self.refused("convolve [1,2,3] [1,2] --explain=xml", "--explain", "json")

    def test_calibrate(self):
        def told(file):
            env = dict(os.environ, CONVGPU_CALIBRATION=file)
            run = self.start("convolve [1,2,3] [1,2] --device cpu -o - --explain=json", env=env)
            self.assertEqual((run.returncode, run.stdout), (0, "1 4 7 6\n"))
            return json.loads(run.stderr)

        written = self.start("calibrate -o rates.json")
        if "without nlohmann-json" not in "".join(told("rates.json")["notes"]):
            self.assertEqual((written.returncode, written.stdout), (0, "rates.json\n"), written.stderr)
            rates = json.loads(self.load("rates.json"))
            self.assertTrue(all(0 <= value < 1 for value in rates["rates"].values()), rates)
            self.assertRegex(told("rates.json")["rates"], "^measured on this machine on .*, rates.json$")
            self.assertEqual(told("rates.json")["notes"], [])
        self.assertTrue(told("nowhere.json")["notes"][0].startswith("calibration: nowhere.json "))
        self.assertEqual(told("none")["notes"], [])
        self.fails("calibrate -o /proc/no/rates.json", "/proc/no/rates.json cannot be written", status=1)

    def test_cuda_that_is_not_there(self):
        line = [line for line in self.runs("info").splitlines() if line.startswith("cuda: ")][0]
        reason = line.removeprefix("cuda: ")
        if reason == "ready":
            self.skipTest("it is there")
        for device in ("cuda", "cuda:0", "cuda:7"):
            self.refused(f"convolve [1] [1] --device {device}", device, reason)
            self.fails(f"verify [1] [1] --device {device}", device, reason)
        self.prints("convolve [1] [1] --device auto", "1")

    def test_overflow(self):
        self.store("a.npy", npy("u1", (2,), [200, 100]))
        self.store("b.npy", npy("i1", (2,), [-128, 100]))
        self.prints("convolve a.npy [2]", "255 200")
        self.prints("convolve a.npy [2] --overflow saturate", "255 200")
        self.prints("convolve a.npy [2] --overflow wrap", "144 200")
        self.prints("convolve b.npy [2] --overflow wrap", "0 -56")
        self.prints("convolve b.npy [-1]", "127 -100")
        self.prints("convolve a.npy [2.5]", "255 250")
        self.prints("convolve a.npy [-1]", "0 0")
        self.prints("convolve a.npy [2] --out-type i32 --overflow wrap", "400 200")
        self.refused("convolve [1,2] [3] --out-type u8 --overflow wrap", "--overflow", "u8", "f64")

    def test_out_type(self):
        real = {"u8": "|u1", "i8": "|i1", "u16": "<u2", "i16": "<i2", "i32": "<i4", "i64": "<i8",
                "f16": "<f2", "f32": "<f4", "f64": "<f8"}
        self.store("u8.npy", npy("u1", (2,), [3, 4]))
        for type_name, descr in real.items():
            for source in ("[3,4]", "u8.npy"):
                self.runs(f"convolve {source} [1,10] --out-type {type_name} -o a.npy")
                self.assertEqual(parse_npy(self.load("a.npy")), (descr, (3,), (3, 34, 40)))
        for type_name, descr in {"cf32": "<c8", "cf64": "<c16"}.items():
            self.runs(f"convolve [3] [1j] --out-type {type_name} -o a.npy")
            self.assertEqual(parse_npy(self.load("a.npy")), (descr, (1,), (0, 3)))
        self.prints("convolve [1.001,300] [1] --out-type bf16", "1 300")
        self.prints("convolve [0.5,1.5,2.5,-1,300] [1] --out-type u8", "0 2 2 0 255")
        self.refused("convolve [1] [1] --out-type bf16", "bf16")  # no type of NumPy's
        self.refused("convolve [1] [1] --out-type cf64", "--out-type: cf64")
        self.refused("convolve [1] [1j] --out-type f64", "--out-type: f64")
        self.refused("convolve [1] [1] --out-type float", "float", "f32")

    def test_types_to_compute_in(self):
        """They are not narrower than input, filter and output together need."""
        self.store("f2.npy", npy("f2", (2,), [2048, 1]))
        self.prints("convolve f2.npy [1,1] --mode valid", "2048")
        self.prints("convolve f2.npy [1,1] --mode valid --out-type i32", "2049")
        self.store("f4.npy", npy("f4", (2,), [1, 1]))
        self.store("h.npy", npy("i4", (2,), [2**31 - 1, -2**31]))
        self.prints("convolve f4.npy h.npy --mode valid", "-1")
        self.store("u1.npy", npy("u1", (1,), [255]))
        self.prints("convolve u1.npy [2147483647] --out-type i64", str(255 * (2**31 - 1)))
        self.store("h.npy", npy("i4", (1,), [2**31 - 1]))
        self.prints("convolve u1.npy h.npy --out-type bf16", str(255 * 2**31))
        self.store("f8.npy", npy("f8", (2,), [1 + 2**-40, -1]))  # not for f32
        self.prints("convolve f4.npy f8.npy --mode valid", "9.094947e-13")

    def test_verify(self):
        self.store("a.npy", npy("f4", (9, 7), [value / 100 for value in noise(63, 1000)]))
        for line in ("[1,2,3] [1,2]", "a.npy gaussian:1 --mode same --border mirror",
                     "a.npy [[1,2,3],[4,5,6]] --correlate --mode same --origin 0,1",
                     "chart:32:rgb sobel:x", "[1,nan,3] [1,0,2] --threads 1", "[1,1j] [1,2]"):
            table = self.runs("verify " + line)
            names = [row.split()[0] for row in table.splitlines()]
            for name in self.algorithms():
                self.assertEqual(names.count(name), 1, table)
            self.assertNotIn("WRONG", table)
        table = self.runs("verify [1] [1] --algorithm cpu/direct --device cpu")
        self.assertEqual([line.split()[0] for line in table.splitlines()],
                         ["algorithm", "cpu/reference", "cpu/direct"])
        self.fails("verify [1] [1] --algorithm none", "none", "cpu/direct")
        self.fails("verify [1] [1] --device gpu", "gpu")
        self.fails("verify [1] [1,2] --mode valid", "filter.cols: 2")
        self.fails("verify nowhere.npy [1]", "nowhere.npy")


class Arrays(ProgramTest):
    def test_npy_of_all_kinds(self):
        values = [0, 1, 0, 1, 1, 1]  # rows of three, and a bool can hold them
        as_read = {"b1": "|u1", "u4": "<i8", "u8": "<i8", "u1": "|u1", "i1": "|i1"}
        for (code, letters), fortran, order in itertools.product(NPY_TYPES.items(), (False, True),
                                                                 "<>"):
            stored = [0, 1, 1, 1, 0, 1] if fortran else values
            stored = [part for value in stored for part in (value, 2)[:len(letters)]]
            expected = [part for value in values for part in (value, 2)[:len(letters)]]
            version = 2 if order == ">" else 1
            self.store("a.npy", npy(code, (2, 3), stored, order, fortran, version))
            self.runs("convolve a.npy delta -o b.npy")
            self.assertEqual(parse_npy(self.load("b.npy")),
                             (as_read.get(code, "<" + code), (2, 3), tuple(expected)))

    def test_npy_keeps_dimensions_and_extremes(self):
        self.store("a.npy", npy("i4", (2,), [-2**31, 2**31 - 1]))
        self.runs("convolve a.npy [1] -o b.npy")
        self.assertEqual(parse_npy(self.load("b.npy")), ("<i4", (2,), (-2**31, 2**31 - 1)))
        self.store("a.npy", npy("i8", (1, 2), [-2**31, 2**31 - 1]))
        self.runs("convolve a.npy [2] -o b.npy")
        self.assertEqual(parse_npy(self.load("b.npy")), ("<i8", (1, 2), (-2**32, 2**32 - 2)))
        self.runs("convolve chart:16:rgb delta -o b.npy")
        self.assertEqual(parse_npy(self.load("b.npy"))[:2], ("|u1", (16, 16, 3)))

    def test_filters_from_files(self):
        self.store("h.npy", npy("i8", (2,), [1, 2]))
        self.store("h.txt", b"1 2\n")
        self.store("h.pgm", b"P2 2 1 9 1 2")
        self.store("u8.npy", npy("u1", (3,), [1, 2, 200]))
        for name in ("h.npy", "h.txt", "h.pgm"):
            self.prints(f"convolve [1,2,3] {name}", "1 4 7 6")
            self.prints(f"convolve u8.npy {name}", "1 4 204 255")

    def test_text(self):
        self.store("a.txt", b"# a table\n1, 2\n3,4  # the second row\n\n")
        self.prints("convolve a.txt [2]", "2 4\n6 8")
        self.store("b.txt", b"1+2j 3\n")
        self.prints("convolve b.txt [1]", "1+2j 3+0j")
        self.store("c.txt", b"1 2\n\n3 4\n")
        self.prints("convolve c.txt [1,1]", "1 3 2\n\n3 7 4")
        numbers = "0.1 1e+20 1e-07 -2.5 5e-324 1.7976931348623157e+308 nan inf"
        self.store("d.txt", numbers.encode())
        self.runs("convolve d.txt [1] -o e.txt")
        self.assertEqual(self.load("e.txt").decode(), numbers + "\n")


class Pictures(ProgramTest):
    def test_round_trips(self):
        for depth, planes in itertools.product((8, 16), (1, 2, 3, 4)):
            samples = noise(5 * 3 * planes, 2**depth)
            samples[planes - 1::planes] = [max(1, value) for value in samples[planes - 1::planes]]
            self.store("a.png", png(5, planes, samples, depth))
            self.assertEqual(self.numbers("convolve a.png delta"),
                             [samples[plane::planes] for plane in range(planes)])
            others = {1: ["b.pgm", "b.pnm"], 3: ["b.ppm", "b.pnm"]}
            for name in ["b.png", *others.get(planes, [])]:
                self.runs(f"convolve a.png delta -o {name}")
                self.assertEqual(self.numbers(f"convolve {name} delta"),
                                 self.numbers("convolve a.png delta"))

    def test_portable_maps(self):
        self.store("a.pgm", b"P5 3 2 255\n\0\1\2\3\4\xff")
        self.runs("convolve a.pgm delta -o b.pgm")
        self.assertEqual(self.load("b.pgm"), b"P5\n3 2\n255\n\0\1\2\3\4\xff")
        self.store("a.ppm", b"P6 # two pixels\n2 1 65535\n" + struct.pack(">6H", 1, 101, 201, 301,
                                                                         401, 501))
        self.runs("correlate a.ppm [0,0,1] -o b.ppm")  # mirror: all moves to the left
        self.assertEqual(self.load("b.ppm"),
                         b"P6\n2 1\n65535\n" + struct.pack(">6H", 301, 401, 501, 1, 101, 201))

    def test_portable_maps_with_a_white_of_their_own(self):
        self.store("a.pgm", b"P5 3 1 100\n\x64\x32\x64")
        self.runs("convolve a.pgm [0,2,0] -o b.pgm")
        self.assertEqual(self.load("b.pgm"), b"P5\n3 1\n100\n\x64\x64\x64")

    def test_jpeg(self):
        for chart in ("chart:64", "chart:64:rgb"):
            self.runs(f"convolve {chart} delta -o a.jpg")
            for plane, good in zip(self.numbers("convolve a.jpg delta"),
                                   self.numbers(f"convolve {chart} delta"), strict=True):
                distance = sum(abs(x - y) for x, y in zip(plane, good, strict=True))
                self.assertLess(distance / len(good), 4)

    def test_transparent_pixels_do_not_bleed(self):
        red, hidden = [200, 0, 0, 255], [0, 250, 90, 0]
        self.store("a.png", png(4, 4, red + red + hidden + hidden))
        self.prints("convolve a.png [0.25,0.5,0.25]",
                    "200 200 200 0\n\n0 0 0 0\n\n0 0 0 0\n\n255 191 64 0")
        self.store("b.png", png(4, 2, [200, 255, 200, 255, 9, 0, 9, 0]))
        self.prints("convolve b.png [0.25,0.5,0.25]", "200 200 200 0\n\n255 191 64 0")

    def test_opaque_alpha_changes_nothing(self):
        filters = ("box:3", "gaussian:1", "sharpen", "sobel:x")
        for depth, name in itertools.product((8, 16), filters):
            colours = noise(3 * 63, 2**depth)
            pixels = [colours[at:at + 3] + [2**depth - 1] for at in range(0, len(colours), 3)]
            self.store("rgb.png", png(9, 3, colours, depth))
            self.store("rgba.png", png(9, 4, sum(pixels, []), depth))
            *planes, alpha = self.numbers(f"convolve rgba.png {name}")
            self.assertEqual(planes, self.numbers(f"convolve rgb.png {name}"), name)
            self.assertEqual(set(alpha), {2**depth - 1})
        # Values are not scaled to another type, those of alpha no more than the colours'.
        self.store("rgba.png", png(1, 4, [10, 20, 30, 255]))
        self.prints("convolve rgba.png delta --out-type u16", "10\n\n20\n\n30\n\n255")


class Sounds(ProgramTest):
    def test_channels_are_filtered_apart(self):
        self.store("a.wav", wav([1, -100, 2, -200, 3, -300], channels=2))
        self.prints("convolve a.wav [1,10]", "1 12 23 30\n\n-100 -1200 -2300 -3000")
        self.runs("convolve a.wav [1,200] -o b.wav")
        with wave.open(os.path.join(self.folder, "b.wav")) as sound:
            self.assertEqual((sound.getnchannels(), sound.getsampwidth(), sound.getframerate()),
                             (2, 2, 8000))
            frames = struct.unpack("<8h", sound.readframes(9))
        self.assertEqual(frames, (1, -100, 202, -20200, 403, -32768, 600, -32768))

    def test_round_trips(self):
        samples = [value - 30000 for value in noise(100, 60000)]
        self.store("a.wav", wav(samples))
        for name in ("b.wav", "b.flac"):
            self.runs(f"convolve a.wav [1] -o {name}")
            self.assertEqual(self.numbers(f"convolve {name} [1]"), [samples])
        self.assertEqual(self.load("b.wav"), self.load("a.wav"))
        self.store("a.wav", wav([0, 128, 255], bits=8))
        self.prints("convolve a.wav [1]", "-32768 0 32512")
        self.store("a.wav", wav([-2**31, 5, 2**31 - 1], bits=32))
        self.prints("convolve a.wav [1]", "-2147483648 5 2147483647")


class Mistakes(ProgramTest):
    def test_command_line(self):
        for line in ("", "blur [1] [1]", "convolve", "convolve [1]", "convolve [1] [1]",
                     "convolve [1] [1] [1] -o -", "convolve [1] [1] -o - --fast",
                     "convolve [1] [1] -o - -o -", "convolve [1] [1] -o - --mode",
                     "convolve [1] [1] -o - --threads many", "info [1]", "verify [1] [1] -o -"):
            self.fails(line)

    def test_options(self):
        for option, bad in (("mode", "some"), ("border", "periodic"), ("border", "reflect"),
                            ("device", "gpu"), ("device", "cuda:x"), ("algorithm", "fft"),
                            ("overflow", "clip"), ("out-type", "u32"), ("tolerance", "small"),
                            ("tolerance", "-1"), ("tolerance", "nan"), ("threads", "-1"),
                            ("origin", "1,2,3"), ("origin", "x"), ("origin", "0.5"),
                            ("origin", "99999999999999999999")):
            self.refused(f"convolve [1,2,3] [1,2,3] --{option} {bad}", bad)
        for option in ("mode", "border", "value", "origin", "device", "algorithm", "tolerance",
                       "overflow", "out-type"):
            self.refused(f"convolve [1,2,3] [1,2,3] --{option} ''", option)
        self.refused("convolve [1] [1] --border reflect", "mirror", "symmetric")
        self.refused("convolve [1] [1] --algorithm fft", "cpu/direct", "cpu/reference")
        self.refused("convolve [1] [1] --border constant", "--value")
        self.refused("convolve [1] [1] --value 3", "--border constant")
        self.refused("convolve [1] [1] --border constant --value much", "--value", "much")
        self.refused("convolve [1,2,3] [1,2,3] --origin 1", "origin", "same")
        self.refused("convolve [1,2,3] [1,2,3] --mode same --origin 2", "origin", "-1 to 1")
        self.refused("convolve [1,2,3] [1,2,3] --mode same --origin 1,0", "origin.rows")
        self.store("a.npy", npy("u1", (2,), [1, 2]))
        self.refused("convolve a.npy [1,1] --border constant --value 256", "border", "256", "u8")
        self.refused("convolve a.npy [1,1] --border constant --value 0.5", "border", "0.5", "u8")

    def test_arrays_that_do_not_go_together(self):
        self.refused("convolve [1,2] [1,2,3] --mode valid", "filter.cols: 3", "valid")
        self.refused("convolve [[1,2],[3,4]] [[1],[2],[3]] --mode valid", "filter.rows: 3")
        self.refused("convolve [1,2] [[1],[2]]", "filter", "2 rows")
        self.refused("convolve [1,2] [1,nan]", "filter", "column 1", "NaN")
        self.refused("convolve [1,2] [1,-inf]", "filter", "infinite")
        self.refused("convolve [1,2] [[1,0],[0,inf]]", "filter")
        self.refused("convolve chart:16 chart:16:rgb", "3 planes")
        self.store("a.npy", npy("i8", (1,), [2**31]))
        self.refused("convolve a.npy [1]", "32 bits")
        self.refused("convolve [1] a.npy --out-type i32", "32 bits")

    def test_literals_and_names(self):
        for bad in ("[]", "[[]]", "[1", "[1,2]]", "[[1,2],[3]]", "[1,,2]", "[a]", "[1+2]",
                    "[[[1]]]", "[1,2] [3]", "[1e999]", "["):
            self.refused(f"convolve '{bad}' [1]", bad)
            self.refused(f"convolve [1] '{bad}'", bad)
        for bad in ("blur", "gauss:2", "gaussian", "gaussian:0", "gaussian:-1", "gaussian:nan",
                    "gaussian:x", "box:0", "box:2.5", "box:1e9", "sobel", "sobel:z", "delta:1",
                    "shift:1", "shift:1,x", "shift:9999,0", "motion:5", "motion:0,0"):
            self.refused(f"convolve [[1]] {bad}", bad.split(":")[0])
        for bad in ("chart:", "chart:1", "chart:16:cmyk", "chart:99999999999"):
            self.refused(f"convolve {bad} delta", bad)

    def test_files(self):
        self.store("empty.npy", b"")
        self.store("data", b"\1\2\3")
        self.store("ragged.txt", b"1 2 3\n4 5\n")
        self.store("word.txt", b"1 two\n")
        self.store("blank.txt", b"\n \n")
        self.store("unlike.png", b"1 2 3\n")
        os.mkdir(os.path.join(self.folder, "folder"))
        for name, word in {"nowhere.npy": "No such file", ".": "folder", "folder": "folder",
                           "empty.npy": "empty", "data": "format", "ragged.txt": "line 2",
                           "word.txt": "two", "blank.txt": "no numbers", "unlike.png": ".png",
                           "/dev/zero": "device", "''": "No such file"}.items():
            self.refused(f"convolve {name} [1]", name, word)
            self.refused(f"convolve [1] {name}", name, word)
            self.fails(f"verify {name} [1]", name, word)
        self.refused("convolve 'no\nwhere.npy' [1]", "no where.npy: No such file")

    def test_npy_headers_that_lie(self):
        good = npy("f8", (2, 3), [0.0] * 6)
        self.store("good.npy", good)
        self.runs("convolve good.npy [1] -o -")
        for size in range(len(good)):
            self.store("cut.npy", good[:size])
            self.refused("convolve cut.npy [1]", "cut.npy")
        for shape in ("(1099511627776,)", "(1048576, 1048576)", "(4294967296, 4294967296)",
                      "(9223372036854775807, 2)", "(-1, 2)", "(3, 3)", "(1, 2, 3, 1, 1)", "()", "(6)",
                      "6", "(0,)", "(0, 3)", "(3, 0)", "(0, 9223372036854775807)"):
            self.store("lie.npy", npy("f8", shape, [0.0] * 6))
            self.refused("convolve lie.npy [1]")
            self.refused("convolve [1] lie.npy")
        for old, new in ((b"NUMPY", b"NUMPI"), (b"NUMPY\1", b"NUMPY\7"), (b"<f8", b"<f9"),
                         (b"<f8", b"|O8"), (b"False", b"Maybe"), (b"shape", b"shapo"),
                         (b"{", b"["), (b"'descr': ", b"'descr', ")):
            self.store("lie.npy", good.replace(old, new, 1))
            self.refused("convolve lie.npy [1]", "lie.npy")

    def test_pictures_and_sounds_that_are_cut(self):
        for name, source in {"a.png": "chart:32", "a.jpg": "chart:32", "a.ppm": "chart:32:rgb",
                             "a.wav": "[1,2,3,4,5,6,7,8]", "a.flac": "[1,2,3,4,5,6,7,8]"}.items():
            kind = "--out-type i16" if source[0] == "[" else ""
            self.runs(f"convolve {source} [1] {kind} -o {name}")
            good = self.load(name)
            for part in range(12):
                self.store(name, good[:len(good) * part // 12])
                self.refused(f"convolve {name} delta", name)
            self.store(name, good[:-1])
            self.refused(f"convolve {name} delta", name)

    def test_pictures_that_lie(self):
        good = png(4, 1, list(range(16)))
        huge = good[:16] + struct.pack(">II", 2**30, 2**30) + good[24:29]
        huge += struct.pack(">I", zlib.crc32(huge[12:29])) + good[33:]
        for content in (huge, good.replace(b"IDAT", b"IDAt"), good[:-20] + b"\xff" + good[-19:]):
            self.store("lie.png", content)
            self.refused("convolve lie.png delta", "lie.png")
        for content in (b"P5 1000000 1000000 255\n\1", b"P5 0 1 255\n", b"P5 1 1 99999\n\1",
                        b"P2 1 1 3 4\n", b"P4 8 1\n\1", b"P5"):
            self.store("lie.pgm", content)
            self.refused("convolve lie.pgm delta", "lie.pgm")


class Outputs(ProgramTest):
    def test_formats_that_cannot_hold_it(self):
        self.store("a.png", png(2, 4, list(range(8))))
        for line, output, word in (("[1] [1]", "a.gif", "extension"), ("[1] [1]", "a", "extension"),
                                   ("[1] [1]", "''", "''"), ("[1] [1]", "b.png", "f64"),
                                   ("[1] [1j]", "b.png", "cf64"), ("[1] [1j]", "a.wav", "cf64"),
                                   ("[[1],[2]] [[1]]", "a.wav", "2 rows"),
                                   ("[1] [1]", "a.flac", "f64"), ("a.png delta", "a.jpg", "alpha"),
                                   ("a.png delta", "a.ppm", "4"), ("[1] [1]", ".", "folder"),
                                   ("[1] [1]", "nowhere/a.npy", "nowhere")):
            self.refused("convolve " + line, word, output=output)

    def test_devices(self):
        for line in ("convolve [1] [1] -o /dev/full", "convolve chart:64 delta -o full.png"):
            if "png" in line:
                os.symlink("/dev/full", os.path.join(self.folder, "full.png"))
            self.fails(line, "No space", status=1)
        with open("/dev/full", "w", encoding="utf-8") as full:
            for line in ("convolve [1] [1] -o -", "info", "verify [1] [1]", "--help", "--version",
                         "convolve --help"):
                self.fails(line, "standard output", status=1, stdout=full)
        self.runs("convolve [1] [1] -o /dev/null")

    def test_what_was_there_is_kept_when_writing_fails(self):
        names = ("a.npy", "a.png", "a.pgm", "a.jpg", "a.txt", "a.wav", "a.flac")
        for name in names:
            self.store(name, b"kept")
        signal = "[" + ",".join(str(value) for value in noise(1000, 30000)) + "] [1] --out-type i16"
        for name in (*names, "new.npy"):
            line = signal if name.endswith((".wav", ".flac")) else "chart:200 delta"
            # Stands in for a full disk; Python ignores the signal, and so does then the program.
            self.fails(f"convolve {line} -o {name}", name, "large", status=1, restore_signals=False,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)))
        for name in names:
            self.assertEqual(self.load(name), b"kept")
        self.refused("convolve chart:16 laplacian --algorithm none", output="a.npy")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_folders_and_files_that_are_read_only(self):
        self.store("a.npy", b"kept")
        os.chmod(os.path.join(self.folder, "a.npy"), stat.S_IRUSR)
        self.fails("convolve [1] [1] -o a.npy", "a.npy", status=1)
        os.chmod(self.folder, stat.S_IRUSR | stat.S_IXUSR)
        self.fails("convolve [1] [1] -o b.npy", "b.npy", status=1)
        os.chmod(self.folder, stat.S_IRWXU)

    def test_an_output_may_replace_its_input(self):
        self.store("a.txt", b"1 2\n")
        self.runs("convolve a.txt [1,1] -o a.txt")
        self.assertEqual(self.load("a.txt"), b"1 3 2\n")
        self.assertEqual(list(self.files()), ["a.txt"])


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
