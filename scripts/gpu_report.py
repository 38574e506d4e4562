#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Estimates of what the kernels reach on GPUs, from their machine code and the bytes they move: nothing is measured.

    scripts/gpu_report.py SASS.json PROBLEMS.json OUTDIR [WORDS]

SASS.json is of scripts/sass_report.py, PROBLEMS.json of convgpu_cuda_report --json; WORDS, such as the commit, go on top.
Writes report.md, report.json and, where matplotlib is, roofline.svg.
"""

import json
import pathlib
import re
import sys

import sass_report

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))

HOW = """\
The time of a kernel is that of the busiest of these, as if each of them were always busy and nothing waited. It is a bound:
no kernel with these instructions can take less, and only a GPU can say how much more it takes.

- *memory*: bytes of samples and results that its tiles read and write, halos included, over the bandwidth of the memory.
- *issue*: instructions of all warps, over 4 a clock on each multiprocessor.
- *FMA*: multiply-adds of all warps, over 4 a clock, or 2 where a multiprocessor has 64 lanes of f32.
- *shared*: what warps read and write of shared memory, over 128 bytes a clock on each multiprocessor, as if no two threads
  of a warp ever wanted the same word.

Instructions are counted in the inner loops for sm_90 and taken for all chips: whole rounds, and what is left over of them,
each by its own loop. A sample takes what the loop that brings it to shared memory has for each load, a result what STORES
in `scripts/gpu_report.py` says. Transforms: four accesses and twice 14.25 arithmetic instructions for a point and
a stage, as of radix 16, all others in the proportion of the kernel's largest loop. Registers are those that the code has for the
chip where it was compiled for it, else those for sm_90."""

# What NVIDIA publishes of one chip for each: multiprocessors, boost clock in GHz, GB/s, lanes of f32 of a multiprocessor.
CHIPS = {
    "sm_75": ("T4", 40, 1.59, 320, 64, "T4 data sheet: 8.1 TFLOP/s, 320 GB/s"),
    "sm_80": ("A100 80GB SXM", 108, 1.41, 2039, 64, "A100 data sheet: 19.5 TFLOP/s, 2039 GB/s"),
    "sm_86": ("A10", 72, 1.695, 600, 128, "A10 data sheet: 31.2 TFLOP/s, 600 GB/s"),
    "sm_89": ("L4", 58, 2.04, 300, 128, "L4 data sheet: 30.3 TFLOP/s, 300 GB/s"),
    "sm_90": ("H200 SXM", 132, 1.98, 4800, 128, "H200 data sheet: 67 TFLOP/s, 4.8 TB/s"),
    "sm_100": ("B200", 148, 1.965, 8000, 128, "HGX B200 data sheet: about 75 TFLOP/s, up to 8 TB/s for each GPU"),
}
# Instructions for a result: by fours from registers, and by way of shared memory.
STORES = {"cuda/direct": 2, "row": 6, "cuda/separable": 6, "cuda/overlap_save": 4}
# Of a point in a stage of radix 16: a butterfly of 144 additions and 24 products, and 15 roots of 4 each, for 16 points.
ARITHMETIC = (144 + 24 + 15 * 4) / 16
PRODUCT = 6  # of a point with the spectrum
BITS = {"f32": 32, "f16": 16}  # of samples and results


class Unknown(Exception):
    """Machine code that is not what this script was written for."""


def kernel(codes, name, architecture="sm_90"):
    for c in codes:
        if c["name"].startswith(name) and c["architecture"] == architecture:
            return c
    raise Unknown(f"no {name} for {architecture}")


def loops(code, *products):
    """The first loops of a kernel, which have so many products each."""
    found = [r for r in code["regions"] if r["kind"] == "loop"][:len(products)]
    if [r["products"] for r in found] != list(products):
        raise Unknown(f"{code['name']} has loops of {[r['products'] for r in found]} products, not {list(products)}")
    return found


def wavefronts(region):
    return sum(n * max(int(op.split(".")[1]), 32) // 32 for op, n in region["counts"].items()
               if op.startswith(("LDS.", "STS.")))


class Work:
    """Of a thread for one output, hence of a warp for 32."""

    def __init__(self, code):
        self.code = code
        self.products = self.instructions = self.shared = 0.0

    def add(self, region, rounds, outputs):
        self.products += rounds * region["products"] / outputs
        self.instructions += rounds * region["instructions"] / outputs
        self.shared += rounds * wavefronts(region) / outputs

    def slide(self, fast, slow, taps, again=1.0):
        """slide_along_row and sum_down: rounds of eight taps for eight outputs."""
        self.add(fast, taps // 8 * again, 8)
        self.add(slow, taps % 8 / 8 * again, 8)

    def move(self, samples, each, stores):
        self.instructions += samples * each + stores
        self.shared += samples


def per_sample(code, bits):
    """Instructions for each sample that is brought to shared memory from the inside of an input."""
    op = f"LDG.{bits}"
    return min(r["instructions"] / r["counts"][op] for r in code["copies"] if op in r["counts"])


def work_of(p, codes, bits):
    rows, cols = p["taps"]
    samples = p["loaded"] / 4 / p["outputs"]
    if p["algorithm"] == "cuda/separable":
        work = Work(kernel(codes, "separable_kernel<float, float, float>"))
        fast, slow, _, _, down, down_slow = loops(work.code, *[64] * 6)
        work.slide(fast, slow, cols, 1 + (rows - 1) / p["strip"])
        work.slide(down, down_slow, rows)
        work.move(samples, per_sample(work.code, bits), STORES[p["algorithm"]])
        work.shared += 4  # the ring and the results, in and out
    elif p["algorithm"] == "cuda/overlap_save":
        work = Work(kernel(codes, "overlap_save_kernel<float, false, float, false>"))
        of_points = p["points"][0] * p["points"][1] / p["outputs"]
        main = max(work.code["regions"], key=lambda r: r["products"])
        work.products = of_points * (2 * p["stages"] * ARITHMETIC + PRODUCT)
        work.instructions = work.products * main["instructions"] / main["products"]
        work.shared = of_points * 4 * p["stages"] * 2  # a load and a store there and back; the middle, filling, emptying
        work.move(p["samples"] / 4 / p["outputs"], 8, STORES[p["algorithm"]])
    elif rows == 1:
        work = Work(kernel(codes, "direct_row_kernel<float, float, float, small_row_params"))
        work.slide(*loops(work.code, 64, 64), cols)
        work.move(samples, per_sample(work.code, bits), STORES["row"])
        work.shared += 2
    elif rows == cols and rows in (3, 5, 7):
        work = Work(kernel(codes, f"direct_small_kernel<float, float, float, {rows}>"))
        work.add(max(work.code["regions"], key=lambda r: r["products"]), 1, 16)
        work.move(samples, per_sample(work.code, bits), STORES[p["algorithm"]])
    else:
        work = Work(kernel(codes, "direct_kernel<float, float, float, false, false>"))
        # Of 4, 3, 2 and 1 columns of taps: four rows of them, and one.
        by_columns = loops(work.code, 256, 64, 192, 48, 128, 32, 64, 16)
        for columns, times in ((4, cols // 4), (cols % 4, 1)):
            if columns:
                whole, rest = by_columns[2 * (4 - columns):][:2]
                work.add(whole, times * (rows // 4), 16)
                work.add(rest, times * (rows % 4), 16)
        work.move(samples, per_sample(work.code, bits), STORES[p["algorithm"]])
    return work


def estimate(p, work, architecture, codes, warps_at_most, bits):
    """Times in seconds, by limit."""
    _, count, clock, bandwidth, lanes, _ = CHIPS[architecture]
    scale = bits / 32
    warps = p["outputs"] / 32
    clocks = count * clock * 1e9
    limits = {
        "memory": (p["samples"] + p["output"]) * scale / (bandwidth * 1e9),
        "issue": work.instructions * warps / (4 * clocks),
        "FMA": work.products * warps / (lanes / 32 * clocks),
        "shared": work.shared * warps / clocks,
    }
    binding = max(limits, key=limits.get)
    copy = (p["input"] + p["output"]) * scale / (bandwidth * 1e9)
    rows, cols = p["taps"]
    taps = rows + cols if p["algorithm"] == "cuda/separable" else rows * cols
    fma = taps * warps / (lanes / 32 * clocks)
    try:
        registers = kernel(codes, work.code["name"], architecture)["registers"]
    except Unknown:
        registers = work.code["registers"]
    blocks = p["resident"][architecture][(registers - 1) // 8]
    return {"limits": limits, "bound": binding, "seconds": limits[binding], "of_copy": copy / limits[binding],
            "of_fma": fma / limits[binding], "of_roof": max(copy, fma) / limits[binding], "registers": registers,
            "blocks": blocks, "occupancy": blocks * p["threads"] / 32 / warps_at_most[architecture],
            "flops": 2 * taps * p["outputs"], "bytes": (p["input"] + p["output"]) * scale}


def report(codes, counted):
    results = []
    for p in counted["problems"]:
        for name, bits in BITS.items():
            if name == "f16" and p["algorithm"] != "cuda/direct":
                continue
            work = work_of(p, codes, bits)
            outputs = p["outputs"]
            results.append({
                "problem": p["name"], "type": name, "algorithm": p["algorithm"], "kernel": work.code["name"],
                "instructions": work.instructions, "products": work.products, "shared_accesses": work.shared,
                "shared_memory": p["shared"], "bytes_read": p["samples"] * bits / 32 / outputs,
                "bytes_written": p["output"] * bits / 32 / outputs,
                "chips": {a: estimate(p, work, a, codes, counted["warps"], bits) for a in CHIPS}})
    return results


def used(codes, results):
    """The kernels that the results are of, for every architecture they were compiled for."""
    names = {r["kernel"] for r in results}
    return [c for c in codes if c["name"] in names]


def work_table(results):
    yield ("| problem | algorithm | kernel | bytes read | written | instructions | products | shared memory, accesses "
           "| shared memory of a block |")
    yield "|---|---|---|--:|--:|--:|--:|--:|--:|"
    for r in results:
        yield (f"| {r['type']}/{r['problem']} | {r['algorithm']} | {r['kernel']} | {r['bytes_read']:.2f} "
               f"| {r['bytes_written']:.2f} | {r['instructions']:.1f} | {r['products']:.1f} | {r['shared_accesses']:.1f} "
               f"| {r['shared_memory']} |")


def time_table(results):
    yield "| problem | " + " | ".join(f"{c[0]}, {a}" for a, c in CHIPS.items()) + " |"
    yield "|---|" + "---|" * len(CHIPS)
    for r in results:
        cells = [f"{1e6 * e['seconds']:.0f} µs, {e['bound']}, {100 * e['of_copy']:.0f}, {100 * e['of_fma']:.0f}, "
                 f"{100 * e['occupancy']:.0f}" if e["blocks"] else "smaller blocks" for e in r["chips"].values()]
        yield f"| {r['type']}/{r['problem']} | " + " | ".join(cells) + " |"


def banks_table(banks):
    yield "| kernel | access | bytes of a thread | turns | fewest |\n|---|---|--:|--:|--:|"
    for row in banks:
        yield "| " + " | ".join(map(str, row)) + " |"


def chips_table():
    yield "| for | chip | multiprocessors | GHz | GB/s | lanes of f32 | what NVIDIA says |\n|---|---|--:|--:|--:|--:|---|"
    for architecture, (name, *numbers, source) in CHIPS.items():
        yield f"| {architecture} | {name} | " + " | ".join(map(str, numbers)) + f" | {source} |"


PANELS = [("images, dense filters", r"2d_4096_k(\d+)", "{0}×{0}", "cuda/direct"),
          ("images, separable filters", r"2d_4096_g(\d+)", "{0}+{0}", "cuda/separable"),
          ("signals", r"1d_2p24_k(\d+)", "{0}", "cuda/direct")]
COLORS = {"sm_80": "#0072b2", "sm_90": "#d55e00", "sm_100": "#009e73"}


def picture(results, path):
    """What bounds summation, under the roofs of three chips."""
    try:
        import plot
    except ImportError as reason:
        print(f"gpu_report.py: no {path.name}: {reason}; it needs matplotlib", file=sys.stderr)
        return
    figure, all_axes = plot.plt.subplots(1, len(PANELS), figsize=(12.9, 5))
    for axes, (title, pattern, label, algorithm) in zip(all_axes, PANELS):
        some = [(re.fullmatch(pattern, r["problem"]), r) for r in results
                if r["type"] == "f32" and r["algorithm"] == algorithm]
        some = [(found.group(1), r["chips"]) for found, r in some if found]
        xs = [chips["sm_90"]["flops"] / chips["sm_90"]["bytes"] for _, chips in some]
        left, right = min(xs) / 1.5, max(xs) * 1.5
        for architecture, color in COLORS.items():
            name, count, clock, bandwidth, lanes, _ = CHIPS[architecture]
            peak = count * clock * lanes * 2 / 1e3  # TFLOP/s
            knee = 1e3 * peak / bandwidth
            roof = [(left, left * bandwidth / 1e3), (knee, peak), (max(right, knee), peak)]
            axes.plot(*zip(*roof), color=color, linestyle=":", linewidth=1.6,
                      label=f"{name}: {peak:.1f} TFLOP/s, {bandwidth} GB/s")
            axes.plot(xs, [chips[architecture]["flops"] / chips[architecture]["seconds"] / 1e12 for _, chips in some], "o",
                      markersize=6, color=color, label=f"{name}, at most")
        for x, (taps, _) in zip(xs, some):
            axes.text(x, 0.02, label.format(taps), transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8,
                      color="#444444", rotation=90)
        axes.set(xscale="log", yscale="log", title=title, xlim=(left, right), ylim=(left * 0.9, 150),
                 xlabel="operations for each byte that has to move", ylabel="TFLOP/s")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(plot.LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(plot.FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(plot.NullLocator())
    plot.finish(figure, all_axes, path, "Estimates, f32: no GPU has run this",
                "Dotted: what the data sheets allow. Points: what the instructions and bytes of the kernels allow, from "
                "machine code and counting; a GPU will be slower.", columns=3)


def markdown(codes, counted, results, words):
    return ["# Estimates, not measurements: no GPU has run this", "", *([words, ""] if words else []), HOW, "",
            "## Times", "",
            "For images of 4096 x 4096 outputs and signals of 2^24: the time; what bounds it; percent of the bandwidth, that is "
            "of the time that a copy of input and output takes; percent of the peak of multiply-adds, of those that direct "
            "summation needs; percent of the warps that a multiprocessor can hold. \"Smaller blocks\": a block of this "
            "transform has no room there, and others would be chosen.", "", *time_table(results), "",
            "## Work for an output", "",
            "Bytes of device memory; instructions of a thread, of them multiply-adds and other arithmetic; accesses of 4 bytes "
            "to shared memory.", "", *work_table(results), "",
            "## Machine code", "", *sass_report.table(sass_report.from_json(used(codes, results))), "",
            "## Bank conflicts", "",
            "Turns of shared memory that a warp needs for an access at most, and the fewest that its bytes allow; "
            "`tests/cuda_banks_test.cpp` holds them.", "", *banks_table(counted["banks"]), "",
            "## Chips", "", *chips_table()]


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__.strip())
    codes = json.loads(pathlib.Path(sys.argv[1]).read_text())
    counted = json.loads(pathlib.Path(sys.argv[2]).read_text())
    out = pathlib.Path(sys.argv[3])
    words = sys.argv[4] if len(sys.argv) == 5 else ""
    try:
        results = report(codes, counted)
    except Unknown as reason:
        sys.exit(f"gpu_report.py: {reason}: the machine code is not what this script knows")
    (out / "report.md").write_text("\n".join(markdown(codes, counted, results, words)) + "\n")
    (out / "report.json").write_text(json.dumps(
        {"measured": False, "made_of": words, "chips": CHIPS, "banks": counted["banks"], "results": results}, indent=1) + "\n")
    picture(results, out / "roofline.svg")


if __name__ == "__main__":
    main()
