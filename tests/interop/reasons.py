#!/usr/bin/env python3
"""Prints the codes of all refusals in the JSON of `seaworthy verify`, sorted, in one line.

    reasons.py VERDICT.json
"""

import json
import sys


def codes(value):
    if isinstance(value, dict):
        if isinstance(value.get("code"), str):
            yield value["code"]
        for inner in value.values():
            yield from codes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from codes(inner)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with open(sys.argv[1]) as f:
        print(" ".join(sorted(set(codes(json.load(f))))))
