# SPDX-License-Identifier: Apache-2.0
"""The problems of ../problems.txt."""
import pathlib

PROBLEMS = pathlib.Path(__file__).parent.parent / "problems.txt"


class Problem:
    def __init__(self, line):
        self.where, self.name, self.type, planes, size, taps, self.filter, *settings = line.split()
        said = dict(word.split("=") for word in settings)
        self.planes = int(planes)
        self.rows, self.cols = map(int, size.split("x"))
        self.taps = tuple(map(int, taps.split("x")))
        self.channels, self.filters, self.groups, self.stride = (
            int(said.get(name, 1)) for name in ("channels", "filters", "groups", "stride"))
        self.border = said.get("border", "zero")
        self.channels_last = said.get("layout") == "channels_last"
        self.is_signal = self.rows == 1
        # Of a correlation, along each axis.
        width = said.get("padding")
        self.before = tuple(n // 2 if width is None else int(width) for n in self.taps)
        self.after = tuple((n - 1) // 2 if width is None else int(width) for n in self.taps)
        self.is_plain = self.channels == self.filters == self.stride == 1 and self.border == "zero" and width is None
        self.title = f"{self.type}/{self.name}/{self.border}"
        out = [(n + b + a - m) // self.stride + 1
               for n, b, a, m in zip((self.rows, self.cols), self.before, self.after, self.taps)]
        self.outputs = self.planes * self.filters * out[0] * out[1]
        self.bytes = (self.planes * self.channels * self.rows * self.cols + self.outputs) * {
            "f32": 4, "f16": 2, "u8": 1}[self.type]


def read_problems(*purposes):
    """Those whose first word is one of these."""
    lines = PROBLEMS.read_text(encoding="utf-8").splitlines()
    problems = [Problem(line) for line in lines if line and not line.startswith("#")]
    return [p for p in problems if p.where in purposes]
