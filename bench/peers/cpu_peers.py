#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NumPy, SciPy and PyTorch, as far as they are there, at the command of convgpu_bench: started by it with the number
of threads and a folder for data, it says what it has and then answers, a line for a line:

    suits PROBLEM     ok NAME...  the contenders for that line of problems.txt
    load PROBLEM      ok          reads the data: in, taps, column, row
    prepare NAME      ok          makes what does not depend on the input's values
    save NAME         ok          runs and writes the output
    time NAME COUNT WATCH  SECONDS  of so many runs, by the wall or the processor
    forget NAME       ok

or "error" and a reason.
"""
import os
import pathlib
import sys
import time

THREADS = sys.argv[1] if len(sys.argv) > 1 else "1"
# Before the libraries are there: they look at it once.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = THREADS

from problem import Problem  # noqa: E402

VERSIONS = {}
try:
    import numpy
    VERSIONS["numpy"] = numpy.__version__
except Exception:  # a broken one may say anything
    numpy = None
try:
    import scipy.fft
    import scipy.ndimage
    import scipy.signal
    VERSIONS["scipy"] = scipy.__version__
except Exception:
    scipy = None
try:
    import torch
    torch.set_num_threads(int(THREADS))
    torch.set_grad_enabled(False)
    VERSIONS["torch"] = torch.__version__
except Exception:
    torch = None


class Data:
    """What a contender is prepared from: arrays of rows × cols, the filter as convolution applies it; with several
    channels, planes × channels × rows × cols, and filters × channels of a group × rows × cols."""

    def __init__(self, problem, folder):
        def read(name, dtype, *shape):
            values = numpy.fromfile(folder / name, dtype=dtype)
            return values.reshape(shape) if values.size else None
        dtype = {"u8": "u1", "f32": "f4"}[problem.type]
        if problem.is_plain:
            self.x = read("in", dtype, problem.planes * problem.rows, problem.cols)
            self.h = read("taps", "f4", *problem.taps)
        elif problem.channels_last:
            x = read("in", dtype, problem.planes, problem.rows, problem.cols, problem.channels)
            self.x = x.transpose(0, 3, 1, 2)
        else:
            self.x = read("in", dtype, problem.planes, problem.channels, problem.rows, problem.cols)
        if not problem.is_plain:
            self.h = read("taps", "f4", problem.filters, problem.channels // problem.groups, *problem.taps)
        self.column, self.row = read("column", "f4", -1), read("row", "f4", -1)


# Contenders: for which problems, and a function of them and the data that returns what is to be timed, which in turn
# returns rows × cols, or all of a layer in the order of its layout. ndimage's `same` begins at M/2 rather than (M−1)/2
# and takes an origin against that; torch correlates, and takes uneven padding for even filters only as a copy.


def numpy_convolve(problem, d):
    x, h = d.x[0], d.h[0]
    return lambda: numpy.convolve(x, h, mode="same")


def scipy_convolve(problem, d):
    if problem.is_signal:
        x, h = d.x[0], d.h[0]
        return lambda: scipy.signal.convolve(x, h, mode="same")
    return lambda: scipy.signal.convolve(d.x, d.h, mode="same")


def scipy_oaconvolve(problem, d):
    x, h = (d.x[0], d.h[0]) if problem.is_signal else (d.x, d.h)
    return lambda: scipy.signal.oaconvolve(x, h, mode="same")


def scipy_fftconvolve(problem, d):
    def run():
        with scipy.fft.set_workers(int(THREADS)):
            return scipy.signal.fftconvolve(d.x, d.h, mode="same")
    return run


def ndimage_convolve(problem, d):
    out = numpy.empty_like(d.x)
    origin = [(n - 1) // 2 - n // 2 for n in problem.taps]

    def run():
        scipy.ndimage.convolve(d.x, d.h, output=out, mode="constant", origin=origin)
        return out
    return run


def ndimage_convolve1d(problem, d):
    out, between = numpy.empty_like(d.x), numpy.empty_like(d.x)

    def run():
        scipy.ndimage.convolve1d(d.x, d.column, axis=0, output=between, mode="constant")
        scipy.ndimage.convolve1d(between, d.row, axis=1, output=out, mode="constant")
        return out
    return run


def refuse_minutes(conv, x, weight, **how):
    """PyTorch has a plain loop for what oneDNN has nothing for, large filters with padding and AVX2, say: minutes for a
    bank of them, and nothing stops it. A strip of the image tells."""
    strip = x[..., :weight.shape[-2] + 8, :]
    if weight[0].numel() < 256 or strip.shape == x.shape:
        return
    begin = time.perf_counter()
    conv(strip, weight, **how)
    seconds = (time.perf_counter() - begin) / strip.shape[-2] * x.shape[-2]
    if seconds > 10:
        raise RuntimeError(f"left out: a run would take about {seconds:.0f} s")


def torch_conv(problem, d):
    functional = torch.nn.functional
    before = [n // 2 for n in problem.taps]
    after = [(n - 1) // 2 for n in problem.taps]
    x = torch.from_numpy(d.x)[None, None]
    weight = torch.from_numpy(d.h[::-1, ::-1].copy())[None, None]
    conv = functional.conv2d
    if problem.is_signal:
        x, weight, conv = x[:, :, 0], weight[:, :, 0], functional.conv1d
        before, after = before[1:], after[1:]
    else:
        refuse_minutes(conv, x, weight, padding=before if before == after else 0)

    def run():
        if before == after:
            return conv(x, weight, padding=before).numpy()
        return conv(functional.pad(x, (before[-1], after[-1])), weight).numpy()
    return run


def torch_layer(problem, d):
    functional = torch.nn.functional
    x = torch.from_numpy(d.x)
    weight = torch.from_numpy(d.h[..., ::-1, ::-1].copy())
    before, after, conv = problem.before, problem.after, functional.conv2d
    if problem.channels_last:
        weight = weight.contiguous(memory_format=torch.channels_last)
    if problem.is_signal:
        x, weight, conv = x[:, :, 0], weight[:, :, 0], functional.conv1d
        before, after = before[1:], after[1:]
    how = {"zero": "constant", "wrap": "circular", "mirror": "reflect", "replicate": "replicate"}[problem.border]
    if not problem.is_signal:
        refuse_minutes(conv, x, weight, padding=before if how == "constant" and before == after else 0,
                       groups=problem.groups)
    sides = [n for pair in zip(reversed(before), reversed(after)) for n in pair]

    def run():
        if how == "constant" and before == after:
            y = conv(x, weight, padding=before, stride=problem.stride, groups=problem.groups)
        else:
            y = conv(functional.pad(x, sides, mode=how), weight, stride=problem.stride, groups=problem.groups)
        return (y.permute(0, 2, 3, 1) if problem.channels_last else y).numpy()
    return run


def torch_two_passes(problem, d):
    conv2d = torch.nn.functional.conv2d
    x = torch.from_numpy(d.x)[None, None]
    column, row = (torch.from_numpy(f[::-1].copy()) for f in (d.column, d.row))
    rows, cols = (n // 2 for n in problem.taps)

    def run():
        y = conv2d(x, column[None, None, :, None], padding=(rows, 0))
        return conv2d(y, row[None, None, None, :], padding=(0, cols)).numpy()
    return run


def contenders(problem):
    """Those that suit it, by name."""
    found = {}
    odd = all(n % 2 for n in problem.taps)
    if problem.type != "f32" or numpy is None:
        return found
    if not problem.is_plain:
        if torch and problem.border in ("zero", "wrap", "mirror", "replicate"):
            found["torch/conv1d" if problem.is_signal else "torch/conv2d"] = torch_layer
        return found
    if problem.planes != 1:
        return found
    if problem.is_signal:
        found["numpy/convolve"] = numpy_convolve
    if scipy:
        if problem.is_signal:
            found["scipy/convolve"] = scipy_convolve
        found["scipy/oaconvolve"] = scipy_oaconvolve
        if not problem.is_signal:
            found["scipy/fftconvolve"] = scipy_fftconvolve
            found["scipy/ndimage.convolve"] = ndimage_convolve
            if problem.filter in ("gaussian", "box"):
                found["scipy/ndimage.convolve1d"] = ndimage_convolve1d
    if torch and (odd or problem.is_signal):
        found["torch/conv1d" if problem.is_signal else "torch/conv2d"] = torch_conv
        if problem.filter in ("gaussian", "box"):
            found["torch/conv2d_two_passes"] = torch_two_passes
    return found


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.problem = self.data = None
        self.ready = {}

    def suits(self, *line):
        return " ".join(["ok", *contenders(Problem(" ".join(line)))])

    def load(self, *line):
        self.ready.clear()
        self.problem = Problem(" ".join(line))
        self.data = Data(self.problem, self.folder)
        return "ok"

    def prepare(self, name):
        self.ready[name] = contenders(self.problem)[name](self.problem, self.data)
        return "ok"

    def save(self, name):
        numpy.ascontiguousarray(self.ready[name]()).tofile(self.folder / "out")
        return "ok"

    def time(self, name, count, watch):
        run = self.ready[name]
        now = time.process_time if watch == "processor" else time.perf_counter
        begin = now()
        for _ in range(int(count)):
            run()
        return repr(now() - begin)

    def forget(self, name):
        self.ready.pop(name, None)
        return "ok"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    server = Server(pathlib.Path(sys.argv[2]))
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between
    found = ", ".join(f"{name} {version}" for name, version in VERSIONS.items())
    print(found or "nothing found", file=talk, flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        try:
            answer = getattr(server, command)(*words)
        except Exception as reason:  # whatever a peer may throw, the others go on
            answer = f"error {type(reason).__name__}: {' '.join(str(reason).split())}"
        print(answer, file=talk, flush=True)


if __name__ == "__main__":
    main()
