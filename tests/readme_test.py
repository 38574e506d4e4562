#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""readme_test.py README EXAMPLE: fails unless the first block of C++ in README is EXAMPLE below its comment."""

import difflib
import re
import sys

readme, example = (open(path, encoding="utf-8").read() for path in sys.argv[1:])
shown = re.search(r"^```cpp\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
if not shown:
    sys.exit(f"{sys.argv[1]} has no block of C++")
code = re.sub(r"\A(//.*\n)+\n", "", example)
difference = difflib.unified_diff(code.splitlines(), shown[1].splitlines(), sys.argv[2], sys.argv[1], lineterm="")
sys.exit("\n".join(difference) or None)
