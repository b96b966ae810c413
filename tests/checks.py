# SPDX-License-Identifier: GPL-2.0
"""What a test in Python says, in the Test Anything Protocol; checks.sh is the same for shells."""
import sys

RESULTS = []


def check(text, good, reason=""):
    RESULTS.append(bool(good))
    print(f"ok - {text}" if good else f"not ok - {text}" + (f" # {reason}" if reason else ""))


def finish():
    """The plan, and the test's status."""
    print(f"1..{len(RESULTS)}")
    sys.exit(not all(RESULTS))
