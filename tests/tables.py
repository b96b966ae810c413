# SPDX-License-Identifier: GPL-2.0
"""Generated tables in documents. Each is between two lines, "<!-- NAME: begin -->" and "<!-- NAME: end -->"."""
import re
import sys


def markdown(head, rows, left):
    """Lines of a table whose first columns, as many as left says, are text."""
    width = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    lines = []
    for n, row in enumerate([head] + rows):
        lines.append("| " + " | ".join(c.ljust(w) if i < left else c.rjust(w)
                                       for i, (c, w) in enumerate(zip(row, width))) + " |")
        if not n:
            lines.append("| " + " | ".join("-" * w if i < left else "-" * (w - 1) + ":"
                                           for i, w in enumerate(width)) + " |")
    return lines


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def names(path):
    """The tables of a document."""
    found = re.findall(r"^<!-- (\w+): begin -->$", read(path), re.M)
    return found or sys.exit(f"{path} has no line <!-- NAME: begin -->")


def part(path, name):
    """Lines up to a table, of it, and after it."""
    lines = read(path).splitlines()
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if lines.count(begin) != 1 or lines.count(end) != 1 or lines.index(begin) > lines.index(end):
        sys.exit(f"{path} needs one line '{begin}', and after it one '{end}'")
    first, last = lines.index(begin) + 1, lines.index(end)
    return lines[:first], lines[first:last], lines[last:]


def write(path, name, table):
    before, _, after = part(path, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(before + table + after) + "\n")
