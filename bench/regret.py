#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of what convgpu_regret found: which algorithm is the fastest where, and where the library takes another.

    regret.py REGRET.json OUT.svg
"""
import json
import math
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import ListedColormap  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402

# Colours that the colour-blind can tell apart.
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#999999"]
WRONG = 1.1  # times the time of the fastest, from which on a choice counts as wrong

plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9, "svg.hashsalt": "convgpu"})


def size(pair):
    return "x".join(str(n) for n in pair) if pair[0] > 1 else str(pair[1])


def regret(cell):
    """How many times as long as the fastest the algorithm takes that the library chose."""
    best = min(a["seconds"] for a in cell["algorithms"].values())
    chosen = cell["algorithms"].get(cell["chosen"])
    return chosen["seconds"] / best if chosen else 1.0


def draw(axes, cells, title, order):
    sizes = sorted({tuple(c["size"]) for c in cells}, key=lambda s: (s[0] * s[1], s))
    filters = sorted({tuple(c["filter"]) for c in cells}, key=lambda s: (s[0] * s[1], s))
    image = [[math.nan] * len(filters) for _ in sizes]
    worst = {}
    for cell in cells:
        if len(cell["algorithms"]) < 2:
            continue
        at = sizes.index(tuple(cell["size"])), filters.index(tuple(cell["filter"]))
        best = min(cell["algorithms"], key=lambda name: cell["algorithms"][name]["seconds"])
        image[at[0]][at[1]] = order.index(best)
        worst[at] = max(worst.get(at, 1.0), regret(cell))
    axes.imshow(image, cmap=ListedColormap(COLOURS[: len(order)]), vmin=-0.5, vmax=len(order) - 0.5, aspect="auto")
    for (row, column), value in worst.items():
        if value > WRONG:
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="black", fontsize=6,
                      bbox=dict(facecolor="white", edgecolor="#d55e00", pad=1))
    axes.set_xticks(range(len(filters)), [size(f) for f in filters], rotation=60)
    axes.set_yticks(range(len(sizes)), [size(s) for s in sizes])
    axes.set_title(title)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    cells = [c for c in results["cells"] if len(c["algorithms"]) > 1 and c["kind"] != "random"]
    order = sorted({name for c in cells for name in c["algorithms"]})
    groups = {}
    for cell in cells:
        kind = ("symmetric" if cell["kind"] in ("gaussian", "box") else
                cell["kind"] if cell["kind"].startswith("rank") else "separable, unsymmetric")
        groups.setdefault((f"{cell['in']} * {cell['taps']}", kind), []).append(cell)
    columns = 2
    rows = -(-len(groups) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(6 * columns, 2.6 * rows), squeeze=False)
    for place in axes.flat[len(groups):]:
        place.set_visible(False)
    for place, ((types, kind), members) in zip(axes.flat, groups.items()):
        draw(place, members, f"{types}, {kind}", order)
    regrets = [regret(c) for c in cells]
    within = sum(r <= WRONG for r in regrets) / len(regrets)
    mean = math.exp(sum(math.log(r) for r in regrets) / len(regrets))
    figure.suptitle(f"The fastest algorithm, and, boxed, by how much the one that was chosen is slower\n"
                    f"{', '.join(results['machine'])}; one thread; {len(regrets)} problems, chosen within 10% of the "
                    f"fastest {within:.1%}, worst {max(regrets):.2f}, geometric mean {mean:.3f}")
    figure.legend(handles=[Patch(color=COLOURS[i], label=name) for i, name in enumerate(order)], loc="lower center",
                  ncols=len(order))
    figure.tight_layout(rect=(0, 0.02, 1, 0.97))
    figure.savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
