# SPDX-License-Identifier: Apache-2.0
"""The mistakes that run.py makes. Text that is to be replaced must be in the file exactly once."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    file: str
    edits: tuple  # of (old, new)
    algorithm: str = "cuda"
    build: str = "plain"  # the one that shows it
    parts: tuple = ()  # of the suite; empty: all, one after the other


def in_direct(name, *edits, **more):
    return Fault(f"direct: {name}", "cuda/direct.cu", edits, "cuda/direct", **more)


def in_plain(name, *edits, **more):
    return Fault(f"plain: {name}", "cuda/plain.cu", edits, "cuda/plain", **more)


FAULTS = [
    in_direct("no barrier before a chunk is loaded",
              ("        __syncthreads();  // everybody has read the chunk before\n", ""), build="thread"),
    in_direct("halo a row short", ("shape.out_rows() + kn - 1, pitch,", "shape.out_rows() + kn - 2, pitch,")),
    in_direct("zero taps not stepped over", ("if (h != Tap{}) {", "{")),
    Fault("last plane missed", "cuda/params.hpp",
          ((".total = rows * cols * p.planes}", ".total = rows * cols}"),)),
    Fault("a chunk of 4 taps", "cuda/tuning.hpp",
          ((".rows = 8, .cols = 2, .chunk = 32", ".rows = 8, .cols = 2, .chunk = 4"),)),
    in_plain("last output missed", ("n < total;", "n < total - 1;")),
]
