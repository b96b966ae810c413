# SPDX-License-Identifier: GPL-2.0
"""Records as rec of l1/lib.sh prints them, "LAB: rec", and after tabs KEY=VALUE.

usage: records.py MACHINE KERNEL <LOG: as JSON, one a line
"""
import json
import sys

MARK = "LAB: rec\t"


def parse(text, machine, kernel):
    """A work, a configuration and a metric are text; all else is JSON, such as a number."""
    entry = dict(field.split("=", 1) for field in text.split("\t"))
    return {"machine": machine, **{key: value if key in ("work", "config", "metric") else json.loads(value)
                                   for key, value in entry.items()}, "kernel": kernel}


if __name__ == "__main__":
    for line in sys.stdin:
        if line.startswith(MARK):
            print(json.dumps(parse(line[len(MARK):].rstrip("\n"), *sys.argv[1:])))
