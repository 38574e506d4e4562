#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Markdown table from the JSON of convgpu_bench and of the peers: for each problem the fastest algorithm, what it
reaches of the machine's limits, and the fastest peer.

    table.py [--backend cuda] FILE.json...
"""
import argparse
import json
import pathlib
import re
import sys

OURS = ("cpu/", "cuda/")
HEAD = ("problem", "algorithm", "µs", "GB/s", "of copy", "GFLOP/s", "of FMA", "best peer", "µs", "times faster")


def read(paths):
    """All results as (who, problem, result), without what Google Benchmark appends to names."""
    for path in paths:
        try:
            text = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as reason:
            print(f"table.py: {path}: {reason}", file=sys.stderr)
            continue
        for result in text["benchmarks"]:
            if result.get("run_type") == "aggregate" and result.get("aggregate_name") != "median":
                continue
            name = re.sub(r"/(iterations|repeats|manual_time).*", "", result["name"])
            place = re.search(r"/(u8|f16|f32)/", name)
            yield name[:place.start()], name[place.start() + 1:], result


def figures(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def percent(result, key):
    return f"{100 * result[key]:.0f} %" if key in result else ""


def rows(results, backend):
    ours, peers, failures = {}, {}, []
    for who, problem, result in results:
        if result.get("error_occurred"):
            if who.startswith(backend) and not result["error_message"].startswith("refused"):
                failures.append(f"{who}/{problem}: {result['error_message']}")
            continue
        fastest = ours if who.startswith(backend) else peers
        if who.startswith(OURS) and fastest is peers:
            continue
        if problem not in fastest or result["real_time"] < fastest[problem][1]["real_time"]:
            fastest[problem] = (who, result)
    table = []
    for problem, (who, r) in ours.items():
        peer, p = peers.get(problem, ("", None))
        table.append((problem, who, f"{r['real_time']:.1f}", figures(r["bytes/s"] / 1e9), percent(r, "of_copy"),
                      figures(r["GFLOP/s"]), percent(r, "of_fma"), peer, f"{p['real_time']:.1f}" if p else "",
                      f"{p['real_time'] / r['real_time']:.2f}" if p else ""))
    return table, failures


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--backend", default="cuda")
    arguments.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = arguments.parse_args()
    table, failures = rows(read(arguments.files), arguments.backend + "/")
    if not table and not failures:
        print("table.py: no result", file=sys.stderr)
        return 1
    lines = [HEAD, *table]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    left = {0, 1, 7}
    lines.insert(1, tuple("-" * w if i in left else "-" * (w - 1) + ":" for i, w in enumerate(widths)))
    for line in lines:
        print("| " + " | ".join(cell.ljust(w) if i in left else cell.rjust(w)
                                for i, (cell, w) in enumerate(zip(line, widths))) + " |")
    for failure in failures:
        print(f"- {failure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
