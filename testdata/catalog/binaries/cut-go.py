#!/usr/bin/env python3
"""Cuts a Go program down to what says its modules, at the places where it stands: `cut-go.py PROGRAM OUT.gz`. Kept are
the first 4 KiB, the build information, the modules between their marks, and the names of source files; the rest is
zeros, which gzip makes small."""
import gzip
import pathlib
import re
import sys

data = pathlib.Path(sys.argv[1]).read_bytes()
before, behind = bytes.fromhex("3077af0c9274080241e1c107e6d618e6"), bytes.fromhex("f932433186182072008242104116d8f2")
keep = [(0, 4096)]
keep += [(m.start(), m.start() + 1024) for m in re.finditer(rb"\xff Go buildinf:", data) if m.start() % 16 == 0]
keep += [(m.start(), data.index(behind, m.start()) + 16) for m in re.finditer(re.escape(before), data)]
keep += [m.span() for m in re.finditer(rb"(?<=\.go\0)[\x21-\x7e]{3,250}\.go\0", data)]
out = bytearray(len(data))
for start, end in keep:
    out[start:end] = data[start:end]
# What stands before the first name.
for start, end in keep:
    if data[start - 4 : start] == b".go\0":
        out[start - 4 : start] = b".go\0"
pathlib.Path(sys.argv[2]).write_bytes(gzip.compress(bytes(out), 9, mtime=0))
