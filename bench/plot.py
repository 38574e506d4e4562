#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a result file of the CPU: speed.svg, sizes.svg, threads.svg and roofline.svg.

    plot.py RESULTS.json OUTDIR
"""
import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator  # noqa: E402

from table import best_peer, by_problem, chosen, load, rate, read  # noqa: E402

# The library, and peers by what they are called in names. Colours that the colour-blind can tell apart.
OURS = "libconvgpu"
STYLES = {
    OURS: dict(color="#d55e00", marker="o", linewidth=2.8, zorder=5),
    "OpenCV": dict(color="#0072b2", marker="s"),
    "FFTW overlap-save": dict(color="#009e73", marker="^"),
    "oneDNN": dict(color="#cc79a7", marker="D"),
    "Eigen": dict(color="#a0522d", marker="*"),
    "PyTorch": dict(color="#7a3b9a", marker="v"),
    "SciPy": dict(color="#56b4e9", marker="P"),
    "NumPy": dict(color="#b8860b", marker="X"),
    "plain loop": dict(color="#777777", marker="", linestyle="--"),
}
FAMILIES = {"opencv": "OpenCV", "fftw": "FFTW overlap-save", "onednn": "oneDNN", "eigen": "Eigen", "torch": "PyTorch",
            "scipy": "SciPy", "numpy": "NumPy", "loop": "plain loop"}
LIMIT = dict(color="black", linestyle=":", linewidth=1.6)

plt.rcParams.update({
    "font.family": "DejaVu Sans", "font.size": 10, "axes.titlesize": 11, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4", "axes.axisbelow": True,
    "figure.facecolor": "white", "savefig.facecolor": "white", "lines.linewidth": 1.5, "lines.markersize": 5,
    "svg.hashsalt": "convgpu",
})


def series(table, pattern):
    """{family: [(taps, millions a second)]} of the problems whose names match; the group of the pattern is the taps.
    Of each family the fastest function. With the limit under the name None."""
    lines = {}
    for problem, all_of_it in table.items():
        found = re.fullmatch(pattern, problem)
        if not found:
            continue
        taps = int(found.group(1))
        best = {}
        for who, result in all_of_it:
            family = FAMILIES.get(who.split("/")[0])
            if family:
                best[family] = max(best.get(family, 0), rate(result))
        _, ours = chosen(all_of_it)
        if ours:
            best[OURS] = rate(ours)
        some = all_of_it[0][1]
        best[None] = rate(some) / some["of_limit"]
        for family, value in best.items():
            lines.setdefault(family, []).append((taps, value))
    return {family: sorted(points) for family, points in lines.items()}


def thousands(value, _):
    return f"{value / 1000:g} G" if value >= 1000 else f"{value:g} M"


def draw_speed(axes, lines, title, unit, across):
    if not lines:
        axes.set_visible(False)
        return
    for family in [*STYLES, None]:
        if family in lines:
            x, y = zip(*lines[family])
            style = LIMIT if family is None else STYLES[family]
            axes.plot(x, y, label=family or "limit of this machine", **style)
    taps = [x for x, _ in lines[None]]
    axes.fill_between(taps, [y for _, y in lines[None]], 1e6, color="#f2f2f2", zorder=0)
    values = [y for points in lines.values() for _, y in points]
    axes.set(xscale="log", yscale="log", title=title, xlabel=across, ylabel=unit,
             ylim=(max(min(values), max(values) / 2e3) / 1.5, max(values) * 1.6))
    axes.xaxis.set_major_locator(FixedLocator(taps))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(thousands))
    axes.yaxis.set_minor_locator(NullLocator())


def finish(figure, axes, path, heading, note, columns=5):
    """Words above, and a legend of everything below."""
    entries = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels()):
            entries.setdefault(label, handle)
    order = [*STYLES, *(label for label in entries if label not in STYLES)]
    labels = [label for label in order if label in entries]
    rows = -(-len(labels) // columns)
    height = figure.get_size_inches()[1]
    figure.text(0.012, 1 - 0.12 / height, heading, fontsize=13, fontweight="bold", va="top")
    figure.text(0.012, 1 - 0.42 / height, note, fontsize=9, color="#555555", va="top")
    figure.legend([entries[label] for label in labels], labels, loc="lower center", ncol=columns, frameon=False)
    figure.tight_layout(rect=(0, (0.12 + 0.25 * rows) / height, 1, 1 - 0.6 / height))
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def speed(table, path, heading, note, panels):
    panels = [(lines, *words) for lines, *words in ((series(table, p), *w) for p, *w in panels)
              if len(lines.get(None, [])) > 1]
    if not panels:
        return
    figure, axes = plt.subplots(1, len(panels), figsize=(0.6 + 4.1 * len(panels), 5), squeeze=False)
    for one, (lines, title, unit, across) in zip(axes[0], panels):
        draw_speed(one, lines, title, unit, across)
    finish(figure, axes[0], path, heading, note)


def roofline(table, path, heading, note):
    """The library's choice and the best peer of each problem, under the roofs of its size."""
    panels = [("512², dense", r"f32/2d_512_k(\d+)/zero", "×"), ("2048², dense", r"f32/2d_2048_k(\d+)/zero", "×"),
              ("2048², separable", r"f32/2d_2048_g(\d+)/zero", "+")]
    panels = [p for p in panels if any(re.fullmatch(p[1], problem) for problem in table)]
    if not panels:
        return
    figure, axes = plt.subplots(1, len(panels), figsize=(max(0.6 + 4.1 * len(panels), 8), 5), squeeze=False)
    for one, panel in zip(axes[0], panels):
        draw_roofline(one, table, *panel)
    finish(figure, axes[0], path, heading, note)


def draw_roofline(axes, table, title, pattern, sign):
    across, heights = [], []
    for problem, all_of_it in table.items():
        found = re.fullmatch(pattern, problem)
        if not found:
            continue
        pair = [best_peer(all_of_it)[1], chosen(all_of_it)[1]]
        some = all_of_it[0][1]
        x = some["flops"] / some["bytes"]
        peak, bandwidth = some["limit_flops/s"] / 1e9, some["limit_bytes/s"] / 1e9
        pair = [result and result["flops"] / result["real_time"] / 1e3 for result in pair]
        there = [y for y in pair if y]
        axes.plot([x] * len(there), there, color="#bbbbbb", linewidth=1, zorder=2)
        for y, label, edge, face in zip(pair, ("best peer", OURS), ("#0072b2", "#d55e00"), ("white", "#d55e00")):
            if y:
                axes.plot(x, y, "o", markersize=7, label=label, color=face, markeredgecolor=edge,
                          markeredgewidth=1.5, zorder=5 if label == OURS else 4)
        axes.text(x, 0.02, f"{found.group(1)}{sign}{found.group(1)}", transform=axes.get_xaxis_transform(), ha="center",
                  va="bottom", fontsize=8, color="#444444", rotation=90)
        across.append(x)
        heights += there
    left, right = min(0.8, min(across) / 1.6), max(across) * 1.6
    axes.plot([left, peak / bandwidth, max(right, peak / bandwidth)], [left * bandwidth, peak, peak],
              label="limit of this machine", **LIMIT)
    axes.set(xscale="log", yscale="log", title=f"{title}\n{peak:.0f} GFLOP/s, {bandwidth:.0f} GB/s", xlim=(left, right),
             ylim=(min(*heights, left * bandwidth) / 3, max(peak, *heights) * 1.5),
             xlabel="operations for each byte that has to move", ylabel="GFLOP/s")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    source, out = map(pathlib.Path, sys.argv[1:])
    context = load(source)["context"]
    results = list(read([source]))
    one = by_problem(r for r in results if int(r[2].get("cpu_threads", 1)) == 1)
    more = {int(r[2]["cpu_threads"]) for r in results if int(r[2].get("cpu_threads", 1)) > 1}
    day = context.get("date", "")[:10]
    where = f"{context.get('cpu', 'unknown processor')}, {day}. Medians of samples in turns; more is better."
    pixels, samples = "pixels a second", "samples a second"
    dense, separable, signal = "taps along each axis", "taps along each axis", "taps"
    out.mkdir(parents=True, exist_ok=True)
    speed(one, out / "speed.svg", "Speed against filter size, one thread, f32", where, [
        (r"f32/2d_2048_k(\d+)/zero", "2048², dense filter", pixels, dense),
        (r"f32/2d_2048_g(\d+)/zero", "2048², separable Gaussian", pixels, separable),
        (r"f32/1d_2p20_k(\d+)/zero", "2²⁰ samples", samples, signal)])
    speed(one, out / "sizes.svg", "Dense filters on images of three sizes, one thread, f32", where, [
        (rf"f32/2d_{size}_k(\d+)/zero", f"{size}²", pixels, dense) for size in (512, 2048, 4096)])
    for threads in sorted(more):
        table = by_problem(r for r in results if int(r[2]["cpu_threads"]) == threads)
        speed(table, out / "threads.svg", f"{threads} threads, f32", where, [
            (r"f32/2d_2048_k(\d+)/zero", "2048², dense filter", pixels, dense),
            (r"f32/2d_2048_g(\d+)/zero", "2048², separable Gaussian", pixels, separable),
            (r"f32/1d_2p20_k(\d+)/zero", "2²⁰ samples", samples, signal)])
    roofline(one, out / "roofline.svg", "Roofline, one thread", where)


if __name__ == "__main__":
    main()
