#!/usr/bin/env python3
"""Cuts a single-file application of .NET down to what it says about its libraries: `cut-bundle.py PROGRAM OUT`.

Kept are the start of the writable segment with the mark, the list of libraries and the manifest, byte for byte but for
the places: the manifest's before the mark, and the list's in the manifest. The program and the bundled files are not.
"""
import struct
import sys

MARK = bytes.fromhex("8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae")
data = open(sys.argv[1], "rb").read()
mark = data.index(MARK)
manifest = struct.unpack_from("<Q", data, mark - 8)[0]
id_bytes = data[manifest + 12]
places = manifest + 13 + id_bytes
at, size = struct.unpack_from("<QQ", data, places)
segment = data[mark - 24 : mark - 24 + 256]
base, new = 0x1000, 0x1000 + len(segment)
entry = data.index(struct.pack("<QQQ", at, size, 0) + b"\x03", manifest)
tail = bytearray(data[manifest:])
for place in (places, entry):
    struct.pack_into("<Q", tail, place - manifest, new)
out = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
out += struct.pack("<IIQQQQQQ", 1, 6, base, base, base, len(segment), len(segment), 0x1000)
segment = bytearray(segment)
struct.pack_into("<Q", segment, 16, new + size)
open(sys.argv[2], "wb").write(out.ljust(base, b"\0") + segment + data[at : at + size] + tail)
