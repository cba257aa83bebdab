#!/usr/bin/env python3
"""Cuts a PE file down to its headers and its resources: `cut-pe.py PROGRAM OUT`. The resources move up behind the
headers, the other sections lose their content; addresses stay."""
import pathlib
import struct
import sys

data = bytearray(pathlib.Path(sys.argv[1]).read_bytes())
pe = struct.unpack_from("<I", data, 0x3C)[0]
sections, size = struct.unpack_from("<H", data, pe + 6)[0], struct.unpack_from("<H", data, pe + 20)[0]
table = pe + 24 + size
out = data[:0x400]
for at in range(table, table + 40 * sections, 40):
    length, start = struct.unpack_from("<II", data, at + 16)
    if data[at : at + 5] == b".rsrc":
        resources = data[start : start + length].rstrip(b"\0") + bytes(8)
        struct.pack_into("<II", out, at + 16, len(resources), 0x400)
    else:
        struct.pack_into("<II", out, at + 16, 0, 0)
pathlib.Path(sys.argv[2]).write_bytes(out + resources)
