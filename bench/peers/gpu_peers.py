#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The problems of ../problems.txt with PyTorch (cuDNN, and cuFFT by hand) and CuPy, as far as they are there.

    gpu_peers.py [--seconds N] [--out FILE.json] [--filter TEXT]

Each result is checked in two corners against sums in float64 before it is timed: by events on the device, each run
with a cold second-level cache, the median of many. The output has the form of Google Benchmark's, so that one table
can hold both (../table.py). When the seconds are over, the rest is left out, and said to be.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

from problem import read_problems


class Wrong(Exception):
    """A peer computed something else."""


# Data, for one peer after the other. All of them correlate, and `same` starts at (M−1)/2 there.


def bell(torch, length):
    x = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
    h = torch.exp(-(x / (length / 6)) ** 2 / 2)
    return h / h.sum()


def make_data(torch, device, problem):
    """Input of planes × rows × cols, filter of two dimensions in float64, its column and row if it has such."""
    generator = torch.Generator(device).manual_seed(1)
    shape = (problem.planes, problem.rows, problem.cols)
    if problem.type == "u8":
        x = torch.randint(0, 256, shape, generator=generator, device=device, dtype=torch.uint8)
    else:
        x = torch.rand(shape, generator=generator, device=device) * 2 - 1
        x = x.half() if problem.type == "f16" else x
    if problem.filter == "gaussian":
        factors = [bell(torch, n) for n in problem.taps]
        return x, torch.outer(*factors), factors
    h = torch.rand(problem.taps, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 1e-3
    return x, h / h.sum(), None


def check(torch, problem, x, h, y):
    """Compares y, planes × rows × cols, with sums in float64 in its first and last corner of 256 × 256."""
    edge = 256
    before = [(n - 1) // 2 for n in problem.taps]
    after = [n - 1 - b for n, b in zip(problem.taps, before)]
    padded = torch.nn.functional.pad
    for last in (False, True):
        rows, cols = min(edge, problem.rows), min(edge, problem.cols)
        top = problem.rows - rows if last else 0
        left = problem.cols - cols if last else 0
        r0, r1 = max(top - before[0], 0), min(top + rows + after[0], problem.rows)
        c0, c1 = max(left - before[1], 0), min(left + cols + after[1], problem.cols)
        window = padded(x[:, r0:r1, c0:c1].double(),
                        (c0 - (left - before[1]), left + cols + after[1] - c1,
                         r0 - (top - before[0]), top + rows + after[0] - r1))
        expected = torch.zeros(problem.planes, rows, cols, dtype=torch.float64, device=x.device)
        for r in range(problem.taps[0]):
            for c in range(problem.taps[1]):
                expected += float(h[r, c]) * window[:, r:r + rows, c:c + cols]
        got = y[:, top:top + rows, left:left + cols].double()
        error = (got - expected).abs().max().item() / (255 if problem.type == "u8" else 1)
        # Taps add up to 1. TF32 would be wrong by some 1e-4; f16 may be rounded along the way.
        bound = {"f32": 2e-5, "f16": 4e-3, "u8": 1.01 / 255}[problem.type]
        if not error <= bound:
            raise Wrong(f"off by {error:.2g}, allowed is {bound:.2g}")


# Peers: a name, and a function of the problem, x, h and the factors of h that returns what is to be timed, or None
# where the peer has no such thing. What is timed returns planes × rows × cols.


def torch_peers(torch):
    functional = torch.nn.functional

    def padded(problem, x):
        """N × C × rows × cols, and by how much to pad; even filters need an uneven padding, which takes a copy."""
        x = x[:, None]
        if all(n % 2 for n in problem.taps):
            return x, tuple(n // 2 for n in problem.taps)
        before = [(n - 1) // 2 for n in problem.taps]
        return functional.pad(x, (before[1], problem.taps[1] - 1 - before[1],
                                  before[0], problem.taps[0] - 1 - before[0])), (0, 0)

    def conv2d(problem, x, h, _):
        if problem.type == "u8" or problem.is_signal:
            return None
        weight = h.to(x)[None, None]

        def run():
            source, padding = padded(problem, x)
            return functional.conv2d(source, weight, padding=padding)[:, 0]
        return run

    def conv1d(problem, x, h, _):
        if problem.type == "u8" or not problem.is_signal:
            return None
        weight = h.to(x)[None]

        def run():
            source, padding = padded(problem, x)
            return functional.conv1d(source[:, :, 0], weight, padding=padding[1])[:, None, 0]
        return run

    def two_passes(problem, x, h, factors):
        if problem.type == "u8" or factors is None:
            return None
        column, row = (f.to(x) for f in factors)
        rows, cols = (n // 2 for n in problem.taps)

        def run():
            y = functional.conv2d(x[:, None], column[None, None, :, None], padding=(rows, 0))
            return functional.conv2d(y, row[None, None, None, :], padding=(0, cols))[:, 0]
        return run

    def fft(problem, x, h, _):
        """Whole image by cuFFT, the filter transformed beforehand."""
        if problem.type != "f32" or max(problem.taps) < 9:
            return None
        size = [_smooth(n + m - 1) for n, m in zip((problem.rows, problem.cols), problem.taps)]
        spectrum = torch.fft.rfft2(h.flip(0, 1).to(x), s=size)
        top, left = ((m - 1) - (m - 1) // 2 for m in problem.taps)

        def run():
            y = torch.fft.irfft2(torch.fft.rfft2(x, s=size) * spectrum, s=size)
            return y[:, top:top + problem.rows, left:left + problem.cols]
        return run

    return [("torch/conv2d", conv2d), ("torch/conv1d", conv1d), ("torch/conv2d_two_passes", two_passes),
            ("torch/fft", fft)]


def _smooth(n):
    """The next number without prime factors beyond 7, even where it is not 1."""
    if n == 1:
        return 1
    while True:
        rest = n
        for p in (2, 3, 5, 7):
            while rest % p == 0:
                rest //= p
        if rest == 1 and n % 2 == 0:
            return n
        n += 1


def cupy_peers(cupy, ndimage, signal):
    def arrays(x, h):
        return cupy.from_dlpack(x.contiguous()), cupy.asarray(h.cpu().numpy(), dtype=cupy.float32)

    def correlate(problem, x, h, _):
        a, w = arrays(x, h)
        out = cupy.empty_like(a)
        # ndimage's centre is M/2, one further for even filters.
        origin = tuple((n - 1) // 2 - n // 2 for n in problem.taps)

        def run():
            for p in range(problem.planes):
                ndimage.correlate(a[p], w, output=out[p], mode="constant", origin=origin)
            return out
        return run

    def correlate1d(problem, x, h, factors):
        if factors is None or problem.type != "f32":
            return None
        a, _ = arrays(x, h)
        column, row = (cupy.asarray(f.numpy(), dtype=cupy.float32) for f in factors)
        out, between = cupy.empty_like(a), cupy.empty_like(a)

        def run():
            for p in range(problem.planes):
                ndimage.correlate1d(a[p], column, axis=0, output=between[p], mode="constant")
                ndimage.correlate1d(between[p], row, axis=1, output=out[p], mode="constant")
            return out
        return run

    def convolve2d(problem, x, h, _):
        if problem.type != "f32" or problem.is_signal or problem.planes != 1:
            return None
        a, w = arrays(x, h)
        flipped = w[::-1, ::-1].copy()
        return lambda: signal.convolve2d(a[0], flipped, mode="same")[None]

    def oaconvolve(problem, x, h, _):
        if problem.type != "f32" or problem.planes != 1 or any(n % 2 == 0 for n in problem.taps):
            return None
        a, w = arrays(x, h)
        flipped = w[::-1, ::-1].copy()
        axes = [1] if problem.is_signal else None
        return lambda: signal.oaconvolve(a[0], flipped, mode="same", axes=axes)[None]

    return [("cupy/ndimage.correlate", correlate), ("cupy/ndimage.correlate1d", correlate1d),
            ("cupy/signal.convolve2d", convolve2d), ("cupy/signal.oaconvolve", oaconvolve)]


class Stopwatch:
    """Times on a CUDA device, or by the clock on a CPU, which serves to try this program out."""

    def __init__(self, torch, device):
        self.torch = torch
        self.on_gpu = device.type == "cuda"
        if self.on_gpu:
            cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 64 << 20)
            self.lines = torch.zeros(cache, dtype=torch.int32, device=device)  # four times the cache

    def seconds(self, run):
        if not self.on_gpu:
            begin = time.perf_counter()
            run()
            return time.perf_counter() - begin
        cuda = self.torch.cuda
        begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        # Everything, CuPy included, is on the default stream.
        self.lines.sum()  # by reading: written lines would have to be written back during the run
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    def samples(self, run):
        for _ in range(2):
            self.seconds(run)
        times = []
        while len(times) < 5 or (sum(times) < 0.2 and len(times) < 500):
            times.append(self.seconds(run))
        return times


def measure(torch, stopwatch, problem, name, run, x, h):
    check(torch, problem, x, h, torch.from_dlpack(run()))
    times = stopwatch.samples(run)
    median = statistics.median(times)
    outputs = problem.planes * problem.rows * problem.cols
    return {
        "name": f"{name}/{problem.title}", "run_type": "iteration", "iterations": 1,
        "real_time": median * 1e6, "cpu_time": median * 1e6, "time_unit": "us",
        "Msample/s" if problem.is_signal else "Mpixel/s": outputs / median / 1e6,
        "bytes/s": problem.bytes / median,
        "GFLOP/s": 2 * outputs * problem.taps[0] * problem.taps[1] / median / 1e9,
        "least_us": min(times) * 1e6, "most_us": max(times) * 1e6, "runs": len(times),
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--seconds", type=float, default=120)
    arguments.add_argument("--out", type=pathlib.Path)
    arguments.add_argument("--filter", default="", help="only problems with this in their name")
    arguments.add_argument("--device", default="cuda", help="cpu to try the program out")
    arguments = arguments.parse_args()
    end = time.monotonic() + arguments.seconds

    try:
        import torch
    except ImportError as reason:
        print(f"gpu_peers.py: no PyTorch, which also checks the others: {reason}", file=sys.stderr)
        return 77
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("gpu_peers.py: PyTorch sees no GPU", file=sys.stderr)
        return 77
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True  # the fastest of its algorithms, found in the first run
    torch.set_grad_enabled(False)

    context = {"torch": torch.__version__, "cudnn": torch.backends.cudnn.version(),
               "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu"}
    peers = torch_peers(torch)
    if device.type == "cuda":
        try:
            import cupy
            from cupyx.scipy import ndimage, signal
            peers += cupy_peers(cupy, ndimage, signal)
            context["cupy"] = cupy.__version__
        except ImportError as reason:
            print(f"gpu_peers.py: without CuPy: {reason}", file=sys.stderr)

    stopwatch = Stopwatch(torch, device)
    benchmarks, failed, late = [], 0, 0
    for problem in read_problems("gpu", "both"):
        if arguments.filter not in problem.title:
            continue
        if time.monotonic() > end:
            late += 1
            continue
        x, h, factors = make_data(torch, device, problem)
        for name, prepare in peers:
            title = f"{name}/{problem.title}"
            try:
                run = prepare(problem, x, h, factors)
                if run is None:
                    continue
                row = measure(torch, stopwatch, problem, name, run, x, h)
                print(f"{title:60} {row['real_time']:12.1f} us {row['bytes/s'] / 1e9:9.1f} GB/s", flush=True)
            except Exception as reason:  # whatever a peer may throw, the others go on
                words = str(reason).strip().split("\n")[0] or type(reason).__name__
                failed += isinstance(reason, Wrong)
                row = {"name": title, "run_type": "iteration", "error_occurred": True, "error_message": words}
                print(f"{title:60} {words}", flush=True)
            benchmarks.append(row)
            run = None
        x = h = None
        if device.type == "cuda":
            torch.cuda.empty_cache()
            if "cupy" in context:
                cupy.get_default_memory_pool().free_all_blocks()
    if late:
        print(f"gpu_peers.py: {late} problems left out, the {arguments.seconds:g} seconds are over")
    context["left_out"] = late
    if arguments.out:
        arguments.out.write_text(json.dumps({"context": context, "benchmarks": benchmarks}, indent=1) + "\n",
                                 encoding="utf-8")
    print(f"{len(benchmarks)} results, {failed} of them wrong")
    return 0 if benchmarks else 1


if __name__ == "__main__":
    sys.exit(main())
