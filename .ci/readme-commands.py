#!/usr/bin/env python3
"""Prints the first COUNT commands of a Markdown file's shell blocks, each ended by a NUL byte.

    readme-commands.py README.md COUNT

A command is a line of a ```sh, ```bash, ```console or ```shell block, with the lines that a backslash adds to it.
A leading "$ " goes; in a console block, lines without one are output and are left out.
"""

import re
import sys


def commands(text):
    for match in re.finditer(r"^```(sh|bash|shell|console)\n(.*?)^```", text, re.M | re.S):
        kind, block = match.groups()
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if kind == "console":
                if line.startswith("$ "):
                    yield line[2:].strip()
            elif line.strip() and not line.lstrip().startswith("#"):
                yield line.removeprefix("$ ").strip()


def main(path, count):
    with open(path) as f:
        found = list(commands(f.read()))[:count]
    if len(found) < count:
        raise SystemExit(f"{path}: {len(found)} commands, wanted {count}")
    for command in found:
        sys.stdout.write(command + "\0")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], int(sys.argv[2]))
