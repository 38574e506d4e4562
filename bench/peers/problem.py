# SPDX-License-Identifier: Apache-2.0
"""The problems of ../problems.txt."""
import pathlib

PROBLEMS = pathlib.Path(__file__).parent.parent / "problems.txt"


class Problem:
    def __init__(self, line):
        self.where, self.name, self.type, planes, size, taps, self.filter = line.split()
        self.planes = int(planes)
        self.rows, self.cols = map(int, size.split("x"))
        self.taps = tuple(map(int, taps.split("x")))
        self.is_signal = self.rows == 1
        self.title = f"{self.type}/{self.name}/zero"
        self.bytes = 2 * self.planes * self.rows * self.cols * {"f32": 4, "f16": 2, "u8": 1}[self.type]


def read_problems(*purposes):
    """Those whose first word is one of these."""
    lines = PROBLEMS.read_text(encoding="utf-8").splitlines()
    problems = [Problem(line) for line in lines if line and not line.startswith("#")]
    return [p for p in problems if p.where in purposes]
