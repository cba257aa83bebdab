#!/usr/bin/env python3
"""Makes the small ELF files beside this script from real programs: `build.py NAME PROGRAM`.

Kept are the ELF header, the program headers, the note with Go's build id, and the build information at the
alignment and in a writable segment as the linker put them; code and data are not. Each program is public;
where `go` is in PATH, what `go version -m` says of the small file is written beside it as the truth.
"""
import pathlib
import re
import struct
import subprocess
import sys

name, program = sys.argv[1:]
data = pathlib.Path(program).read_bytes()
starts = [m.start() for m in re.finditer(rb"\xff Go buildinf:", data) if m.start() % 16 == 0]
start = starts[0]


def string(at):
    length = shift = 0
    while True:
        byte = data[at]
        at += 1
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return at + length


end = string(string(start + 32))
info = data[start:end]
note = re.search(rb"\x04\0\0\0.\0\0\0\x04\0\0\0Go\0\0", data[:4096], re.S)
note = data[note.start() : note.start() + 100] if note else b""
base, at = 0x400000, 0x400
segment = lambda kind, flags, offset, size: struct.pack(
    "<IIQQQQQQ", kind, flags, offset, base + offset, base + offset, size, size, 0x10
)
names = b"\0.go.buildinfo\0.shstrtab\0"
body_end = (at + len(info) + 15) // 16 * 16
section = lambda name, kind, flags, offset, size: struct.pack(
    "<IIQQQQIIQQ", name, kind, flags, base + offset if flags else 0, offset, size, 0, 0, 16, 0
)
sections = section(0, 0, 0, 0, 0) + section(1, 1, 3, at, len(info)) + section(15, 3, 0, body_end, len(names))
table = (body_end + len(names) + 15) // 16 * 16
header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base, 64, table, 0, 64, 56, 2, 64, 3, 2)
out = (header + segment(1, 4, 0, at) + segment(1, 6, at, len(info)) + note).ljust(at, b"\0") + info
out = (out.ljust(body_end, b"\0") + names).ljust(table, b"\0") + sections
here = pathlib.Path(__file__).parent
(here / f"{name}.elf").write_bytes(out)
truth = subprocess.run(["go", "version", "-m", here / f"{name}.elf"], capture_output=True, text=True)
if truth.returncode == 0:
    # Without the path of the file on the first line.
    (here / f"{name}.txt").write_text("go\t" + truth.stdout.split(": ", 1)[1])
