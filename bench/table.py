#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Markdown tables from the JSON of convgpu_bench and of the peers: for each problem the algorithm of this library,
what it reaches of the machine's limits, and the fastest peer.

    table.py [--backend cuda|cpu] FILE.json...

Of a GPU's algorithms the fastest one, of the CPU's the one that the library chooses by itself.
"""
import argparse
import json
import pathlib
import re
import sys

OURS = ("cpu/", "cuda/")
LOOP = "loop/"  # a yardstick, no library
HEAD = ("problem", "algorithm", "µs", "GB/s", "of copy", "GFLOP/s", "of FMA", "best peer", "µs", "times faster")
CPU_HEAD = ("problem", "algorithm", "µs [min … max]", "M/s", "of limit", "best peer", "µs [min … max]", "of limit",
            "times faster", "than a loop")
LAYER_HEAD = ("layer", "algorithm", "µs [min … max]", "GFLOP/s", "of FMA", "of copy", "best peer", "times faster",
              "than oneDNN", "its Winograd", "its own order", "than PyTorch", "than OpenCV, FFTW", "than a loop")
# Data in an order that only the peer has: no like for like.
OWN_ORDER = "/own_order"


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def split(name):
    """Who, and what, without what Google Benchmark appends."""
    name = re.sub(r"/(iterations|repeats|manual_time).*", "", name)
    place = re.search(r"/(u8|f16|f32)/", name)
    return name[:place.start()], name[place.start() + 1:]


def read(paths):
    """All results as (who, problem, result)."""
    for path in paths:
        try:
            text = load(path)
        except (OSError, json.JSONDecodeError) as reason:
            print(f"table.py: {path}: {reason}", file=sys.stderr)
            continue
        for result in text["benchmarks"]:
            if result.get("run_type") == "aggregate" and result.get("aggregate_name") != "median":
                continue
            yield *split(result["name"]), result


def figures(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def percent(result, key):
    return f"{100 * result[key]:.0f} %" if key in result else ""


def rate(result):
    """Millions of pixels or samples a second."""
    return result.get("Mpixel/s", result.get("Msample/s"))


def span(result):
    return f"{figures(result['real_time'])} [{figures(result['least_us'])} … {figures(result['most_us'])}]"


def least(results):
    """Of (who, result), the fastest."""
    return min(results, key=lambda r: r[1]["real_time"], default=("", None))


def by_problem(results):
    """{problem: [(who, result)]} of those that were timed."""
    table = {}
    for who, problem, result in results:
        if not result.get("error_occurred"):
            table.setdefault(problem, []).append((who, result))
    return table


def failures(results, backend):
    """What went wrong. Refusals and impatience are no failures."""
    for who, problem, result in results:
        words = result.get("error_message", "")
        if result.get("error_occurred") and (backend == "cpu/" or who.startswith(backend)) \
                and not words.startswith(("refused", "left out: a run")):
            yield f"{who}/{problem}: {words}"


def rows(results, backend):
    table = []
    for problem, all_of_it in by_problem(results).items():
        who, r = least(c for c in all_of_it if c[0].startswith(backend))
        peer, p = least(c for c in all_of_it if not c[0].startswith(OURS))
        if not r:
            continue
        table.append((problem, who, f"{r['real_time']:.1f}", figures(r["bytes/s"] / 1e9), percent(r, "of_copy"),
                      figures(r["GFLOP/s"]), percent(r, "of_fma"), peer, f"{p['real_time']:.1f}" if p else "",
                      f"{p['real_time'] / r['real_time']:.2f}" if p else ""))
    return table


def launches(results, backend):
    """Of the fastest for each small problem: in a row as they are, and as a graph."""
    for problem, all_of_it in by_problem(results).items():
        who, r = least(c for c in all_of_it if c[0].startswith(backend) and "replayed_us" in c[1])
        if r:
            yield problem, who, f"{r['launched_us']:.2f}", f"{r['replayed_us']:.2f}"


def chosen(all_of_it):
    """Of this library's results, that of the algorithm it chooses by itself."""
    ours = [c for c in all_of_it if c[0].startswith("cpu/")]
    return least([c for c in ours if c[1].get("automatic")] or ours)


def best_peer(all_of_it):
    return least(c for c in all_of_it if not c[0].startswith((*OURS, LOOP)) and OWN_ORDER not in c[0])


def layer_rows(results):
    table = []
    for problem, all_of_it in by_problem(r for r in results if r[2].get("layer")).items():
        who, r = chosen(all_of_it)
        if not r:
            continue

        def times(*prefixes):
            _, p = least(c for c in all_of_it if c[0].startswith(prefixes))
            return f"{p['real_time'] / r['real_time']:.2f}" if p else ""
        peer, p = best_peer(all_of_it)
        table.append([problem, who, span(r), figures(r["GFLOP/s"]), percent(r, "of_fma"), percent(r, "of_copy"),
                      peer, times(peer) if p else "", times("onednn/convolution"), times("onednn/winograd"),
                      times("onednn/own_order"), times("torch/"), times("opencv/", "fftw/"), times(LOOP)])
    return table


def cpu_rows(results):
    table = []
    for problem, all_of_it in by_problem(r for r in results if not r[2].get("layer")).items():
        who, r = chosen(all_of_it)
        peer, p = best_peer(all_of_it)
        _, loop = least(c for c in all_of_it if c[0].startswith(LOOP))
        if not r:
            continue
        row = [problem, who, span(r), figures(rate(r)), percent(r, "of_limit")]
        row += [peer, span(p), percent(p, "of_limit"), f"{p['real_time'] / r['real_time']:.2f}"] if p else [""] * 4
        row.append(f"{loop['real_time'] / r['real_time']:.2f}" if loop else "")
        table.append(row)
    return table


def all_contenders(results):
    """Head and rows of a table of everyone's rates."""
    table = by_problem(results)
    names = list(dict.fromkeys(who for all_of_it in table.values() for who, _ in all_of_it))
    names.sort(key=lambda name: (not name.startswith("cpu/"), name.startswith(LOOP)))
    lines = [[problem] + [figures(rate(dict(all_of_it)[n])) if n in dict(all_of_it) else "" for n in names]
             for problem, all_of_it in table.items()]
    return ["problem", *names], lines


def markdown(head, lines, left=()):
    """With these columns aligned on the left and the others on the right."""
    cells = [head, *lines]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    cells.insert(1, ["-" * w if i in left else "-" * (w - 1) + ":" for i, w in enumerate(widths)])
    for line in cells:
        yield "| " + " | ".join(cell.ljust(w) if i in left else cell.rjust(w)
                                for i, (cell, w) in enumerate(zip(line, widths))) + " |"


def machine(context):
    """What was measured on, as lines of a list."""
    names = ("cpu", "instructions", "num_cpus", "compiler", "commit", "date", "convgpu", "opencv", "fftw", "onednn",
             "eigen", "python", "times")
    for name in names:
        if name in context:
            yield f"- {name.replace('num_cpus', 'cores')}: {context[name]}"
    for threads, limits in context.get("limits", {}).items():
        yield f"- limits, {threads}: " + "; ".join(f"{key} {value}" for key, value in limits.items())


def cpu_report(paths, results):
    for path in paths:
        yield from machine(load(path)["context"])
    yield ""
    yield ("Medians of samples taken in turns. Of limit: the time that the multiply-adds or the bytes take at least, "
           "whichever is longer, over the time taken; beyond 100 % where fewer multiply-adds are needed.")
    for threads in sorted({int(r.get("cpu_threads", 1)) for _, _, r in results}):
        part = [r for r in results if int(r[2].get("cpu_threads", 1)) == threads]
        yield f"\n## {threads} thread{'s' if threads > 1 else ''}\n"
        if images := cpu_rows(part):
            yield from markdown(CPU_HEAD, images, (0, 1, 5))
        if layers := layer_rows(part):
            yield ("\nSeveral channels, filters or strides. How many times faster than each peer with data in the same "
                   "order, and, for comparison, than oneDNN with data in its own, Winograd's included:\n")
            yield from markdown(LAYER_HEAD, layers, (0, 1, 6))
        yield "\nEveryone, in millions of pixels or samples a second:\n"
        yield from markdown(*all_contenders(part), (0,))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--backend", choices=("cuda", "cpu"), default="cuda")
    arguments.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = arguments.parse_args()
    results = list(read(arguments.files))
    wrong = list(failures(results, arguments.backend + "/"))
    if arguments.backend == "cpu":
        lines = list(cpu_report(arguments.files, results)) if results else []
    else:
        found = rows(results, "cuda/")
        lines = list(markdown(HEAD, found, (0, 1, 7))) if found or wrong else []
        small = list(launches(results, "cuda/"))
        if small:
            lines += ["", "One of many runs in a row, µs:", "",
                      *markdown(("problem", "algorithm", "launched", "as a graph"), small, (0, 1))]
    if not lines:
        print("table.py: no result", file=sys.stderr)
        return 1
    print("\n".join(lines))
    for failure in wrong:
        print(f"- {failure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
