#!/usr/bin/env python3
"""Cuts a native image of GraalVM down to its SBOM: `cut-native.py PROGRAM OUT`.

Kept are the start of the file, to the end of the names of its exported symbols, and the document, at the alignment that
the linker gave it.
"""
import sys
import zlib

data = open(sys.argv[1], "rb").read()
names = data.index(b"\0sbom_length\0")
end = data.index(b"\0\0", names)
at = -1
while True:
    at = data.index(b"\x1f\x8b\x08\0", at + 1)
    inflate = zlib.decompressobj(31)
    try:
        if b"CycloneDX" in inflate.decompress(data[at:])[:300]:
            break
    except zlib.error:
        pass
size = len(data) - at - len(inflate.unused_data)
start = data[:end]
open(sys.argv[2], "wb").write(start + bytes(-len(start) % 8 + at % 8) + data[at : at + size] + bytes(64))
