#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One result file of several runs of convgpu_bench, with what it was measured on and without what only concerns the
machine's owner: its name, paths.

    merge.py [--commit TEXT] --out RESULTS.json RUN.json...
"""
import argparse
import json
import pathlib
import re
import sys

KEPT = ("date", "num_cpus", "mhz_per_cpu", "caches", "convgpu", "compiler", "opencv", "fftw", "onednn", "eigen",
        "python", "times")
DROPPED = ("family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index",
           "threads", "iterations", "cpu_time")


def cpu():
    """The processor in words, and what of its instructions matters here."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "unknown", ""
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text, re.MULTILINE))
    words = fields.get("model name", "unknown")
    if "cpu family" in fields:
        words += f" (family {fields['cpu family']}, model {fields['model']}, stepping {fields['stepping']})"
    wanted = ("sse2", "avx", "fma", "avx2", "avx512f", "avx512_vnni")
    return words, " ".join(f for f in wanted if f in fields.get("flags", "").split())


def rounded(value):
    return float(f"{value:.6g}") if isinstance(value, float) else value


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments.add_argument("--commit", default="unknown")
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = arguments.parse_args()
    context, benchmarks = {}, []
    for path in arguments.files:
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as reason:
            sys.exit(f"merge.py: {path}: {reason}")
        threads = int(run["context"]["cpu threads"])
        if not context:
            words, instructions = cpu()
            context = {"cpu": words, "instructions": instructions, "commit": arguments.commit}
            context.update((key, run["context"][key]) for key in KEPT if key in run["context"])
            context["limits"] = {}
        context["limits"][f"{threads} threads" if threads > 1 else "1 thread"] = {
            key.removeprefix("limit of "): value for key, value in run["context"].items()
            if key.startswith("limit of ")}
        for result in run["benchmarks"]:
            kept = {key: rounded(value) for key, value in result.items() if key not in DROPPED}
            kept["name"] = re.sub(r"/(iterations|manual_time).*", "", result["name"])
            kept["cpu_threads"] = threads
            benchmarks.append(kept)
    # A line for each result, so that changes can be read.
    lines = ",\n  ".join(json.dumps(b) for b in benchmarks)
    head = json.dumps(context, indent=1)
    arguments.out.write_text(f'{{\n"context": {head},\n"benchmarks": [\n  {lines}\n]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
