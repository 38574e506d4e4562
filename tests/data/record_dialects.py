#!/usr/bin/env python3
"""Record what other libraries return, so that the dialect table can be tested against them.

    python3 -m venv venv
    venv/bin/pip install numpy scipy opencv-python-headless torch
    apt-get install octave octave-image          # Octave stands in for MATLAB
    venv/bin/python record_dialects.py           # writes dialects.txt beside this file
    venv/bin/python record_dialects.py --check   # holds dialects.txt against TABLE below

The seed is fixed and all data are small integers: every run writes the same cases.
--check needs numpy only. The header of dialects.txt describes the format.
"""

import itertools
import pathlib
import subprocess
import sys
import warnings

import numpy as np

FILE = pathlib.Path(__file__).with_name("dialects.txt")
MODES = "full", "same", "valid"
COMPLEX = "cc", "rc", "cr"  # real or complex: first letter the input, second the filter

# (input, filter) shapes. LONG ones have a filter longer than the input on some axis.
LINES = [((n,), (m,)) for n, m in (
    (1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 4), (5, 3), (5, 4), (5, 5),
    (6, 2), (6, 5), (7, 4), (8, 3), (9, 4), (9, 5))]
LONG_LINES = [((n,), (m,)) for n, m in ((1, 2), (1, 3), (2, 3), (2, 5), (3, 4), (4, 5))]
IMAGES = [((1, 1), (1, 1)), ((2, 3), (2, 2)), ((3, 3), (1, 2)), ((4, 3), (2, 3)), ((4, 4), (4, 1)),
          ((5, 4), (3, 4)), ((5, 5), (5, 2)), ((6, 5), (3, 3)), ((5, 7), (4, 5))]
LONG_IMAGES = [((1, 1), (2, 3)), ((2, 3), (3, 4)), ((3, 2), (2, 5)), ((1, 4), (3, 2))]
FEW_IMAGES = [((2, 3), (2, 2)), ((4, 3), (2, 3)), ((5, 4), (3, 4)), ((6, 5), (3, 3))]

HEADER = """\
What other libraries return for small integer problems. Written by record_dialects.py; not to be edited.
{versions}
octave stands in for MATLAB; the calls it recorded are named matlab.*

  case <call> mode=<full|same|valid> border=<name> value=<number> origin=<r,c> dilation=<r,c> [swapped=1]
  in <rows> <cols> <values, row by row>
  filter <rows> <cols> <values>
  out <rows> <cols> <values>

1D arrays have one row. A complex array has re,im for every value. Filters are as the library received them.
What the FFT calls return is rounded to integers.
border:  the library's own name; - when the call was made without one (its default, or it has none).
         X is the number given to imfilter.
origin:  the library's own argument; - when not given. ndimage: origin. OpenCV: anchor, as row,column.
swapped: the filter is longer than the input and the library answered as if the two had changed places.

numpy.convolve, numpy.correlate: swap whenever the filter is longer than the input. It shows in `same` (the
  result has the filter's length) and in `valid` (M-N+1 entries); `full` is what it is without the swap.
scipy.signal.*: swap in `valid` only, when the filter is at least as long on every axis and longer on one (longer
  on some axes and shorter on others is an error). `same` always has the input's shape.
After the swap numpy.correlate and scipy.signal.correlate put order and conjugation right. correlate2d turns the
  result round but forgets the conjugation: it is the complex conjugate of the sum over in[n+k]*conj(filter[k]).
The others never swap.

Conjugate the filter (second argument), with real or complex input alike: numpy.correlate, scipy.signal.correlate,
  scipy.signal.correlate2d, scipy.ndimage.correlate. The others conjugate nothing.

matlab.imfilter `full` is recorded with odd filters and the zero border only: Octave's answer for an even filter
  is off by one and loses an entry, and with another border it takes zeros where the padding should go on.
  Octave's imfilter refuses complex images."""


class Recorder:
    """Makes the data of a case, runs the library on it and keeps the record."""

    def __init__(self):
        self.random = np.random.default_rng(2024)
        self.records = []

    def array(self, shape, kind):
        real = self.random.integers(-9, 10, shape).astype(float)
        return real if kind == "r" else real + 1j * self.random.integers(-9, 10, shape)

    def __call__(self, call, run, shapes, kinds="rr", *, mode="same", border="-", value=0, origin=None,
                 dilation=None, swapped=False):
        x, h = (self.array(shape, kind) for shape, kind in zip(shapes, kinds))
        out = np.asarray(run(x, h))
        if kinds != "rr":
            out = out.astype(complex)
        self.records += [
            f"case {call} mode={mode} border={border} value={value} origin={pair(origin, '-', 0)} "
            f"dilation={pair(dilation, '1,1', 1)}" + " swapped=1" * swapped,
            f"in {text(x)}", f"filter {text(h)}", f"out {text(out)}"]


def pair(value, default, row):
    """r,c of an argument that 1D calls take as (c,)."""
    if value is None:
        return default
    return "{},{}".format(*(value if len(value) == 2 else (row, value[0])))


def text(array):
    exact = np.rint(array) + 0  # + 0 makes -0 a 0
    assert np.allclose(array, exact, rtol=0, atol=1e-9), array  # the FFT calls are only nearly exact
    rows, cols = np.atleast_2d(exact).shape
    values = (f"{v.real:.0f},{v.imag:.0f}" if np.iscomplexobj(exact) else f"{v:.0f}" for v in exact.flat)
    return " ".join([str(rows), str(cols), *values])


def fits(shapes):
    return all(n >= m for n, m in zip(*shapes))


def swaps_in_valid(shapes):
    return not fits(shapes) and all(n <= m for n, m in zip(*shapes))


def record_numpy(record):
    for name in "convolve", "correlate":
        def run(x, h):
            return getattr(np, name)(x, h, mode)
        for mode in MODES:
            for shapes in LINES:
                record(f"numpy.{name}", run, shapes, mode=mode)
            for shapes, kinds in itertools.product(LINES[2:6], COMPLEX):
                record(f"numpy.{name}", run, shapes, kinds, mode=mode)
            for shapes, kinds in itertools.product(LONG_LINES[2:5], ("rr", "cc")):
                record(f"numpy.{name}", run, shapes, kinds, mode=mode, swapped=mode != "full")
    return f"numpy {np.__version__}"


def record_scipy_signal(record):
    import scipy.signal

    for name in "convolve", "fftconvolve", "oaconvolve", "correlate":
        def run(x, h):
            return getattr(scipy.signal, name)(x, h, mode)
        call = f"scipy.signal.{name}"
        for mode in MODES:
            for shapes in LINES[:12:2] + IMAGES:
                record(call, run, shapes, mode=mode)
            for shapes, kinds in itertools.product((LINES[5], LINES[6], IMAGES[3]), COMPLEX):
                record(call, run, shapes, kinds, mode=mode)
            for shapes in LONG_LINES[1:5] + LONG_IMAGES:
                if mode != "valid":
                    record(call, run, shapes, mode=mode)
                elif swaps_in_valid(shapes):
                    record(call, run, shapes, "cc", mode=mode, swapped=True)
            if name == "oaconvolve":  # long enough for more than one block
                record(call, run, ((150,), (4,)), mode=mode)
                record(call, run, ((20, 13), (2, 3)), mode=mode)

    borders = ("-", 0), ("fill", 0), ("fill", 3), ("wrap", 0), ("symm", 0)
    for name in "convolve2d", "correlate2d":
        def run(x, h):
            options = {} if border == "-" else {"boundary": border, "fillvalue": value}
            return getattr(scipy.signal, name)(x, h, mode, **options)
        call = f"scipy.signal.{name}"
        for mode, (border, value) in itertools.product(("full", "same"), borders):
            for shapes in IMAGES if border != "-" else FEW_IMAGES:
                record(call, run, shapes, mode=mode, border=border, value=value)
            record(call, run, ((3, 4), (2, 3)), "cc", mode=mode, border=border, value=value)
            for shapes in LONG_IMAGES if border == "fill" else ():
                record(call, run, shapes, mode=mode, border=border, value=value)
        mode, border, value = "valid", "-", 0
        for shapes in IMAGES:
            record(call, run, shapes, mode=mode)
        for kinds in COMPLEX:
            record(call, run, ((3, 4), (2, 3)), kinds, mode=mode)
        for shapes in filter(swaps_in_valid, LONG_IMAGES):
            record(call, run, shapes, "cc", mode=mode, swapped=True)
    return f"scipy {scipy.__version__}"


def record_scipy_ndimage(record):
    import scipy.ndimage

    def legal(taps):
        return range(-(taps // 2), (taps + 1) // 2)

    borders = (("-", 0), ("reflect", 0), ("constant", 0), ("constant", 4), ("nearest", 0), ("mirror", 0), ("wrap", 0),
               ("grid-mirror", 0), ("grid-constant", -2), ("grid-wrap", 0))
    for name in "convolve", "correlate":
        def run(x, h):
            options = {} if border == "-" else {"mode": border, "cval": value}
            return getattr(scipy.ndimage, name)(x, h, **options, **({} if origin is None else {"origin": origin}))
        call = f"scipy.ndimage.{name}"
        origin = None
        for (border, value), shapes in itertools.product(borders, FEW_IMAGES + LINES[5:7]):
            record(call, run, shapes, border=border, value=value)
        for (border, value), kinds in zip(itertools.cycle(borders), COMPLEX * 2):
            record(call, run, ((3, 4), (2, 3)), kinds, border=border, value=value)
        for border, value in borders[3:5]:
            for shapes in LONG_IMAGES:
                record(call, run, shapes, border=border, value=value)
        border_of = itertools.cycle(borders)
        for taps in 1, 2, 3, 4, 5:
            for o in legal(taps):
                (border, value), origin = next(border_of), (o,)
                record(call, run, ((6,), (taps,)), border=border, value=value, origin=origin)
        for taps in (2, 3), (4, 1), (3, 4):
            for origin in itertools.product(*map(legal, taps)):
                border, value = next(border_of)
                record(call, run, ((4, 5), taps), border=border, value=value, origin=origin)


def record_opencv(record):
    import cv2

    borders = "-", "BORDER_CONSTANT", "BORDER_REPLICATE", "BORDER_REFLECT", "BORDER_REFLECT_101", "BORDER_DEFAULT"
    def run(x, h):
        options = {} if border == "-" else {"borderType": getattr(cv2, border)}
        if anchor is not None:
            options["anchor"] = anchor[::-1]  # OpenCV's order is x,y
        return cv2.filter2D(x, cv2.CV_64F, h, **options)
    anchor = None
    for border, shapes in itertools.product(borders, IMAGES + [((1, 6), (1, 4)), ((6, 1), (5, 1))]):
        record("opencv.filter2D", run, shapes, border=border)
    border_of = itertools.cycle(borders)
    for taps in (1, 1), (1, 2), (3, 1), (1, 4), (5, 1), (2, 3), (3, 4), (4, 2):
        for anchor in itertools.product(*map(range, taps)):
            border = next(border_of)
            record("opencv.filter2D", run, ((5, 6), taps), border=border, origin=anchor)
    return f"opencv {cv2.__version__}"


def record_torch(record):
    import torch

    warnings.filterwarnings("ignore", "Using padding='same'")  # with even filters: slow, says torch

    def run(x, h):
        axes = x.ndim
        x, h = (torch.from_numpy(a)[None, None] for a in (x, h))
        padding = "same" if mode == "same" else 0
        if border == "-":
            conv = (torch.nn.functional.conv1d, torch.nn.functional.conv2d)[axes - 1]
            return conv(x, h, padding=padding, dilation=dilation)[0, 0]
        layer = (torch.nn.Conv1d, torch.nn.Conv2d)[axes - 1](
            1, 1, tuple(h.shape[2:]), padding=padding, padding_mode=border, dilation=dilation, bias=False,
            dtype=h.dtype)
        layer.weight = torch.nn.Parameter(h, requires_grad=False)
        return layer(x)[0, 0]

    def reach(taps):
        return tuple(d * (m - 1) + 1 for d, m in zip(dilation, taps))

    borders = "-", "zeros", "reflect", "replicate", "circular"
    for call, shapes_list, long_list, dilations in (
            ("torch.conv1d", LINES[2:], LONG_LINES[1:4], ((1,), (2,), (3,))),
            ("torch.conv2d", IMAGES, LONG_IMAGES, ((1, 1), (2, 1), (1, 3), (2, 2)))):
        for border, dilation in itertools.product(borders, dilations):
            chosen = shapes_list if max(dilation) == 1 else shapes_list[:-3] if border == "-" else shapes_list[-6:]
            for shapes in chosen:
                if all(n >= e for n, e in zip(shapes[0], reach(shapes[1]))):
                    mode = "same"
                    record(call, run, shapes, mode=mode, border=border, dilation=dilation)
                    if border == "-":
                        mode = "valid"
                        record(call, run, shapes, mode=mode, border=border, dilation=dilation)
        mode, dilation = "same", dilations[0]
        for border in "zeros", "replicate":
            for shapes in long_list:
                record(call, run, shapes, border=border)
        border = "-"
        for kinds in COMPLEX:  # torch wants both of one type
            def run_as_complex(x, h):
                return run(x + 0j, h + 0j)
            record(call, run_as_complex, shapes_list[4], kinds)
    return f"torch {torch.__version__.split('+')[0]}"


class Octave:
    """An Octave process that answers one expression of x and h at a time."""

    def __init__(self):
        self.process = subprocess.Popen(["octave-cli", "--quiet", "--norc"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("pkg load image\n")

    def __call__(self, expression, **arrays):
        lines = [f"{name} = {self.literal(array)};" for name, array in arrays.items()]
        lines += [f"r = {expression};", r"printf('%d %d\n', size(r));",
                  r"printf('%.17g ', real(r.'), imag(r.')); printf('\n'); fflush(stdout);"]
        self.process.stdin.write("\n".join(lines) + "\n")
        self.process.stdin.flush()
        shape = [int(n) for n in self.process.stdout.readline().split()]
        real, imag = np.array(self.process.stdout.readline().split(), float).reshape(2, *shape)
        return real + 1j * imag if imag.any() else real

    @staticmethod
    def literal(array):
        rows = (" ".join(f"complex({v.real},{v.imag})" if np.iscomplexobj(array) else f"{v}" for v in row)
                for row in np.atleast_2d(array))
        return "[" + "; ".join(rows) + "]"

    def close(self):
        self.process.communicate("exit\n")


def record_octave(record):
    octave = Octave()
    def run(x, h):
        return octave(f"conv2(x, h, '{mode}')", x=x, h=h)
    for mode in MODES:
        for shapes in LINES[1:12:2] + IMAGES:
            record("matlab.conv2", run, shapes, mode=mode)
        for shapes, kinds in itertools.product((LINES[5], IMAGES[3], IMAGES[7]), COMPLEX):
            record("matlab.conv2", run, shapes, kinds, mode=mode)
        for shapes in (LONG_LINES + LONG_IMAGES) if mode != "valid" else ():
            record("matlab.conv2", run, shapes, mode=mode)

    borders = ("-", 0), ("X", 0), ("X", 5), ("symmetric", 0), ("replicate", 0), ("circular", 0)
    for kind in "conv", "corr":
        def run(x, h):
            option = {"-": "", "X": f", {value}"}.get(border, f", '{border}'")
            return octave(f"imfilter(x, h, '{kind}', '{mode}'{option})", x=x, h=h)
        call = f"matlab.imfilter.{kind}"
        mode = "same"
        for (border, value), shapes in itertools.product(borders, LINES[5:7] + IMAGES):
            record(call, run, shapes, border=border, value=value)
        for (border, value), shapes in itertools.product(borders[2:5], LONG_IMAGES):
            record(call, run, shapes, border=border, value=value)
        border, value = "-", 0
        for shapes in FEW_IMAGES:
            record(call, run, shapes, "rc")
        mode = "full"
        for shapes in LINES + IMAGES:
            if all(m % 2 for m in shapes[1]):
                record(call, run, shapes, mode=mode)
    version, image = octave("OCTAVE_VERSION() - '0'"), octave("pkg('describe', 'image'){1}.version - '0'")
    octave.close()
    return "octave {}, octave-image {}".format(*("".join(chr(int(c) + 48) for c in v[0]) for v in (version, image)))


# --check: the table that the records should agree with. Start of `same` as an index into full, one axis,
# for a filter that reaches over m samples and the library's own origin o (OpenCV: anchor).
TABLE = {
    "numpy.convolve": lambda m, o: (m - 1) // 2,
    "numpy.correlate": lambda m, o: (m - 1) // 2,
    "scipy.signal.convolve": lambda m, o: (m - 1) // 2,
    "scipy.signal.convolve2d": lambda m, o: (m - 1) // 2,
    "scipy.signal.fftconvolve": lambda m, o: (m - 1) // 2,
    "scipy.signal.oaconvolve": lambda m, o: (m - 1) // 2,
    "scipy.signal.correlate": lambda m, o: (m - 1) // 2,
    "scipy.signal.correlate2d": lambda m, o: m // 2,
    "scipy.ndimage.convolve": lambda m, o: m // 2 + (o or 0),
    "scipy.ndimage.correlate": lambda m, o: (m - 1) // 2 - (o or 0),
    "opencv.filter2D": lambda m, o: m - 1 - (m // 2 if o is None else o),
    "torch.conv1d": lambda m, o: m // 2,
    "torch.conv2d": lambda m, o: m // 2,
    "matlab.conv2": lambda m, o: m // 2,
    "matlab.imfilter.conv": lambda m, o: m // 2,
    "matlab.imfilter.corr": lambda m, o: m // 2,
}
CORRELATIONS = ("numpy.correlate", "scipy.signal.correlate", "scipy.signal.correlate2d", "scipy.ndimage.correlate",
                "opencv.filter2D", "torch.conv1d", "torch.conv2d", "matlab.imfilter.corr")
CONJUGATING = CORRELATIONS[:4]
BORDERS = {  # the library's name -> np.pad's
    "scipy.signal": {"-": "constant", "fill": "constant", "symm": "symmetric", "wrap": "wrap"},
    "scipy.ndimage": {"-": "symmetric", "reflect": "symmetric", "grid-mirror": "symmetric", "constant": "constant",
                      "grid-constant": "constant", "nearest": "edge", "mirror": "reflect", "wrap": "wrap",
                      "grid-wrap": "wrap"},
    "opencv": {"-": "reflect", "BORDER_DEFAULT": "reflect", "BORDER_REFLECT_101": "reflect",
               "BORDER_REFLECT": "symmetric", "BORDER_REPLICATE": "edge", "BORDER_CONSTANT": "constant"},
    "torch": {"-": "constant", "zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"},
    "matlab.imfilter": {"-": "constant", "X": "constant", "symmetric": "symmetric", "replicate": "edge",
                        "circular": "wrap"},
}


def expected(call, keys, x, h):
    """The answer of the table, from the definition: sums of slices of np.pad of the input."""
    if call in CORRELATIONS:
        h = h[::-1, ::-1]
        h = h.conj() if call in CONJUGATING else h
    if "swapped" in keys and call.endswith("correlate2d"):
        x, h = x.conj(), h.conj()
    dilation = [int(d) for d in keys["dilation"].split(",")]
    origin = [None, None] if keys["origin"] == "-" else [int(o) for o in keys["origin"].split(",")]
    reach = [d * (m - 1) + 1 for d, m in zip(dilation, h.shape)]

    border = next((names for prefix, names in BORDERS.items() if call.startswith(prefix)), {"-": "constant"})
    border = border[keys["border"]]
    value = {"constant_values": float(keys["value"])} if border == "constant" else {}
    full = np.pad(x, [(e - 1, e - 1) for e in reach], border, **value)
    full = sum(h[k] * full[tuple(slice(e - 1 - d * i, f - d * i) for e, d, i, f in zip(reach, dilation, k, full.shape))]
               for k in np.ndindex(h.shape))

    window = []
    for n, m, o in zip(x.shape, reach, origin):
        if keys["mode"] == "full":
            window.append((0, n + m - 1))
        elif keys["mode"] == "valid":
            window.append((min(n, m) - 1, abs(n - m) + 1))
        elif "swapped" in keys and m > n:
            window.append((n // 2 if call in CORRELATIONS else (n - 1) // 2, m))
        else:
            window.append((TABLE[call](m, o), n))
    return full[tuple(slice(start, start + count) for start, count in window)]


def parse(line, word):
    head, rows, cols, *values = line.split()
    assert head == word, line
    values = [complex(*map(float, v.split(","))) for v in values]
    return np.array(values).reshape(int(rows), int(cols))


def check():
    lines = [line for line in FILE.read_text().splitlines() if line[:1] not in ("", "#")]
    right, wrong = {}, 0
    for case, *arrays in zip(*[iter(lines)] * 4):
        _, call, *keys = case.split()
        x, h, out = map(parse, arrays, ("in", "filter", "out"))
        want = expected(call, dict(key.split("=") for key in keys), x, h)
        if want.shape == out.shape and (want == out).all():
            right[call] = right.get(call, 0) + 1
        else:
            wrong += 1
            print("disagree:", case, *arrays, sep="\n  ")
    for call in TABLE:
        print(f"{call:26} {right.get(call, 0)} agree")
    return wrong != 0


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    record = Recorder()
    versions = [library(record) for library in (record_numpy, record_scipy_signal, record_scipy_ndimage,
                                                record_opencv, record_torch, record_octave)]
    header = HEADER.format(versions=", ".join(filter(None, versions))).splitlines()
    lines = [f"# {line}".rstrip() for line in header] + record.records
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
