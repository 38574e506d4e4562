#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Estimates of what the kernels reach on GPUs, from their machine code and the bytes they move: nothing is measured.

    scripts/gpu_report.py SASS.json PROBLEMS.json OUTDIR

SASS.json is of scripts/sass_report.py, PROBLEMS.json of convgpu_cuda_report --json. Writes report.md, report.json and,
where matplotlib is, roofline.svg.

The time of a kernel is that of the busiest of these, as if all of them were always busy at once and nothing waited:

    memory   bytes that its tiles read and write, over the bandwidth of the memory
    issue    instructions of all warps, over 4 a clock on each multiprocessor
    FMA      multiply-adds of all warps, over 4 a clock (2 where a multiprocessor has 64 lanes of f32)
    shared   128 bytes a clock on each multiprocessor, as if no two threads of a warp ever wanted the same word

Instructions for a product are counted in the inner loops for sm_90 and taken for all chips: whole rounds and what is left
over of them, each by its own loop. A sample on its way to shared memory takes what the loop that brings it there has for
each load, an output STORES. Transforms: accesses of cuda/tuning.hpp, arithmetic of ARITHMETIC instructions for a point
and stage, the same again of other instructions in the proportion of the kernel's loops.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))

# What NVIDIA publishes of one chip for each: multiprocessors, boost clock in GHz, GB/s, lanes of f32 of a multiprocessor.
CHIPS = {
    "sm_75": ("T4", 40, 1.59, 320, 64, "NVIDIA T4 data sheet: 8.1 TFLOP/s"),
    "sm_80": ("A100 80GB SXM", 108, 1.41, 2039, 64, "NVIDIA A100 data sheet: 19.5 TFLOP/s"),
    "sm_86": ("A10", 72, 1.695, 600, 128, "NVIDIA A10 data sheet: 31.2 TFLOP/s"),
    "sm_89": ("L4", 58, 2.04, 300, 128, "NVIDIA L4 data sheet: 30.3 TFLOP/s"),
    "sm_90": ("H200 SXM", 132, 1.98, 4800, 128, "NVIDIA H200 data sheet: 67 TFLOP/s"),
    "sm_100": ("B200", 148, 1.965, 8000, 128, "NVIDIA HGX B200 data sheet: about 75 TFLOP/s, 8 TB/s"),
}
# Instructions for an output: by fours from registers, and by way of shared memory.
STORES = {"direct": 2, "row": 6, "separable": 6, "overlap_save": 4}
# Of a point in a stage of radix 16: a butterfly of 144 additions and 24 products, and 15 roots of 4 each, for 16 points.
ARITHMETIC = (144 + 24 + 15 * 4) / 16
PRODUCT = 6  # of a point with the spectrum


class Missing(Exception):
    pass


def kernel(codes, name):
    for c in codes:
        if c["name"].startswith(name) and c["architecture"] == "sm_90":
            return c
    raise Missing(f"no {name} for sm_90 among the kernels")


def wavefronts(region):
    return sum(n * max(int(op.split(".")[1]), 32) // 32 for op, n in region["counts"].items()
               if op.startswith(("LDS.", "STS.")))


def per_sample(code):
    """Instructions for each sample that is brought to shared memory from the inside of an input of f32."""
    loads = lambda r: r["counts"].get("LDG.32", 0)  # noqa: E731
    best = max(code["copies"], key=loads)
    return best["instructions"] / loads(best)


class Work:
    """Of a thread for one output, hence of a warp for 32."""

    def __init__(self):
        self.products = self.instructions = self.shared = 0.0

    def add(self, region, rounds, outputs):
        self.products += rounds * region["products"] / outputs
        self.instructions += rounds * region["instructions"] / outputs
        self.shared += rounds * wavefronts(region) / outputs

    def move(self, samples, code, stores):
        each = per_sample(code)
        self.instructions += samples * each + stores
        self.shared += samples


def loops(code):
    return [r for r in code["regions"] if r["kind"] == "loop"]


def slide(work, fast, slow, taps, again=1.0):
    """slide_along_row and sum_down: rounds of eight taps for eight outputs."""
    work.add(fast, taps // 8 * again, 8)
    work.add(slow, taps % 8 / 8 * again, 8)


def work_of(p, codes):
    rows, cols = p["taps"]
    work = Work()
    samples = p["loaded"] / 4 / p["outputs"]
    if p["algorithm"] == "cuda/separable":
        code = kernel(codes, "separable_kernel<float, float, float>")
        fast, slow, _, _, down, down_slow = loops(code)[:6]
        strip = 1 + (rows - 1) / 256
        slide(work, fast, slow, cols, strip)
        slide(work, down, down_slow, rows)
        work.move(samples, code, STORES["separable"])
        work.shared += 4  # the ring and the results, in and out
    elif p["algorithm"] == "cuda/overlap_save":
        code = kernel(codes, "overlap_save_kernel<float, false, float>")
        of_points = p["points"][0] * p["points"][1] / p["outputs"]
        stages = (p["accesses"] - 4) // 4 + 1
        main = max(code["regions"], key=lambda r: r["products"])
        arithmetic = of_points * (2 * stages * ARITHMETIC + PRODUCT)
        work.products = arithmetic
        work.instructions = arithmetic * main["instructions"] / main["products"]
        work.shared = of_points * p["accesses"] * 2
        work.move(p["samples"] / 4 / p["outputs"], {"copies": [{"instructions": 8, "counts": {"LDG.32": 1}}]},
                  STORES["overlap_save"])
    elif rows == 1:
        code = kernel(codes, "direct_row_kernel<float, float, float, small_row_params")
        slide(work, *loops(code)[:2], cols)
        work.move(samples, code, STORES["row"])
        work.shared += 2
    elif rows == cols and rows in (3, 5, 7):
        code = kernel(codes, f"direct_small_kernel<float, float, float, {rows}>")
        work.add(max(code["regions"], key=lambda r: r["products"]), 1, 16)
        work.move(samples, code, STORES["direct"])
    else:
        code = kernel(codes, "direct_kernel<float, float, float, false, false>")
        by_columns = loops(code)[:8]  # of 4, 3, 2 and 1 columns of taps: four rows of them, and one
        for columns, times in ((4, cols // 4), (cols % 4, 1)):
            if columns:
                whole, rest = by_columns[2 * (4 - columns):][:2]
                work.add(whole, times * (rows // 4), 16)
                work.add(rest, times * (rows % 4), 16)
        work.move(samples, code, STORES["direct"])
    return work


def estimate(p, work, architecture, scale=1.0):
    """Seconds by limit; `scale` is the bytes of an element over four."""
    _, count, clock, bandwidth, lanes, _ = CHIPS[architecture]
    warps = p["outputs"] / 32
    clocks = count * clock * 1e9
    reads = p["samples"]
    limits = {
        "memory": (reads + p["output"]) * scale / (bandwidth * 1e9),
        "issue": work.instructions * warps / (4 * clocks),
        "FMA": work.products * warps / (lanes / 32 * clocks),
        "shared": work.shared * warps / clocks,
    }
    binding = max(limits, key=limits.get)
    copy = (p["input"] + p["output"]) * scale / (bandwidth * 1e9)
    rows, cols = p["taps"]
    taps = rows + cols if p["algorithm"] == "cuda/separable" else rows * cols
    ideal = taps * warps / (lanes / 32 * clocks)
    blocks, most = p["resident"][architecture]
    return {"limits": limits, "binding": binding, "seconds": limits[binding], "of_copy": copy / limits[binding],
            "of_fma": ideal / limits[binding], "occupancy": blocks * p["threads"] / 32 / most,
            "flops": 2 * taps * p["outputs"], "bytes": (p["input"] + p["output"]) * scale}


TYPES = {"f32": 1.0, "f16": 0.5}


def report(codes, problems):
    results = []
    for p in problems:
        work = work_of(p, codes)
        for name, scale in TYPES.items():
            if name == "f16" and p["algorithm"] != "cuda/direct":
                continue
            chips = {a: estimate(p, work, a, scale) for a in CHIPS}
            results.append({"problem": p["name"], "type": name, "algorithm": p["algorithm"],
                            "products": work.products, "instructions": work.instructions, "shared_accesses": work.shared,
                            "bytes_read": p["samples"] * scale / p["outputs"], "chips": chips})
    return results


def markdown(results):
    yield ("| problem | algorithm | for an output: instructions | products | shared memory | "
           + " | ".join(f"{c[0]}, {a}" for a, c in CHIPS.items()) + " |")
    yield "|---|---|--:|--:|--:|" + "---|" * len(CHIPS)
    for r in results:
        cells = []
        for e in r["chips"].values():
            cells.append(f"{100 * e['of_copy']:.0f} / {100 * e['of_fma']:.0f} {e['binding']}, "
                         f"{100 * e['occupancy']:.0f}")
        yield (f"| {r['type']}/{r['problem']} | {r['algorithm']} | {r['instructions']:.1f} | {r['products']:.1f} "
               f"| {r['shared_accesses']:.1f} | " + " | ".join(cells) + " |")


def picture(results, path):
    try:
        import plot
    except ImportError as reason:
        print(f"gpu_report.py: no {path.name}: {reason}; it needs matplotlib", file=sys.stderr)
        return
    plt = plot.plt
    figure, all_axes = plt.subplots(1, 3, figsize=(12.9, 5))
    kinds = {"cuda/direct": "#d55e00", "cuda/separable": "#0072b2", "cuda/overlap_save": "#009e73"}
    for axes, architecture in zip(all_axes, ("sm_80", "sm_90", "sm_100")):
        name, count, clock, bandwidth, lanes, _ = CHIPS[architecture]
        peak = count * clock * lanes * 2
        points = [(r, r["chips"][architecture]) for r in results if r["type"] == "f32"]
        xs = [e["flops"] / e["bytes"] for _, e in points]
        left, right = min(xs) / 1.8, max(xs) * 1.8
        axes.plot([left, peak / bandwidth, right], [left * bandwidth, peak, peak], label="what the data sheet allows",
                  **plot.LIMIT)
        for (r, e), x in zip(points, xs):
            axes.plot(x, e["flops"] / e["seconds"] / 1e9, "o", markersize=6, color=kinds[r["algorithm"]],
                      label=r["algorithm"] + ", estimated")
            axes.annotate(r["problem"].split("_")[-1] + (" 1D" if r["problem"].startswith("1d") else ""),
                          (x, e["flops"] / e["seconds"] / 1e9), textcoords="offset points", xytext=(4, -9), fontsize=7,
                          color="#444444")
        axes.set(xscale="log", yscale="log", title=f"{name}\n{peak / 1e3:.1f} TFLOP/s, {bandwidth} GB/s",
                 xlim=(left, right), xlabel="operations for each byte that has to move", ylabel="GFLOP/s")
    plot.finish(figure, all_axes, path, "Estimates, f32: no GPU has run this",
                "From counted instructions and bytes. Transforms need fewer operations than the summation that is "
                "plotted, and may be beyond its limit.")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    codes = json.loads(pathlib.Path(sys.argv[1]).read_text())
    problems = json.loads(pathlib.Path(sys.argv[2]).read_text())
    out = pathlib.Path(sys.argv[3])
    try:
        results = report(codes, problems)
    except (Missing, ValueError, IndexError) as reason:
        sys.exit(f"gpu_report.py: {reason}: the machine code is not what this script knows")
    words = __doc__.split("\n\n", 2)[2].split("\n\n", 1)[1]
    lines = ["# Estimates, not measurements: no GPU has run this", "", words, "",
             "Percent of the time of a copy at full bandwidth / percent of the peak of multiply-adds, which limit binds, "
             "and percent of the warps that a multiprocessor can hold:", "", *markdown(results), "",
             "Chips: " + "; ".join(f"{a}: {c[0]}, {c[1]} multiprocessors at {c[2]} GHz, {c[3]} GB/s ({c[5]})"
                                   for a, c in CHIPS.items()) + "."]
    (out / "report.md").write_text("\n".join(lines) + "\n")
    (out / "report.json").write_text(json.dumps({"measured": False, "chips": CHIPS, "results": results}, indent=1) + "\n")
    picture(results, out / "roofline.svg")


if __name__ == "__main__":
    main()
