#!/usr/bin/env python3
"""Makes the packed programs beside this script: `build.py UPX-4 [UPX-3]`, with the paths of two versions of UPX.

The program has a code segment in which calls and jumps of its processor go to a few places from many, so that UPX takes
the filter for them, and a writable one. For the 64-bit processors this has the build information of a real Go program
(`../go-syft.elf`, `../go-crane.elf`); for the other, names of source files of crates stand in the code segment, as linkers leave them there
that do not separate the two. Behind the segments stand bytes that are not loaded, like debug information, with more such
names. It never ran. What it was before
it was packed is kept as `NAME.elf`, which the tests compare with, and which `upx -d` gives back.
"""
import pathlib
import random
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
GO = {62: "go-syft", 183: "go-crane"}
PANIC = "/root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/{}/src/lib.rs\0"


def code(machine, size):
    """Instructions that call, between others; the last one does."""
    dice = random.Random(machine)
    out = bytearray()
    targets = [dice.randrange(0, size, 64) for _ in range(24)]
    while len(out) < size:
        out += bytes(dice.choice((0x48, 0x89, 0x8B, 0x24, 0x10, 0x90)) for _ in range(4 * dice.randrange(1, 6)))
        target, at = dice.choice(targets), len(out)
        if machine == 62:
            op = dice.choice((b"\xe8", b"\xe9", b"\x0f\x84", b"\x0f\x8f"))
            out += op + struct.pack("<i", target - at - len(op) - 4)
        elif machine == 183:
            op = dice.choice((0x94000000, 0x14000000))
            out += struct.pack("<I", op | (target - at) // 4 & 0x3FFFFFF)
        else:
            out += struct.pack("<I", dice.choice((0xEB000000, 0x0B000000)) | ((target - at) // 4 - 2) & 0xFFFFFF)
    return bytes(out)


def program(machine):
    wide = machine != 40
    base, page = 0x400000, 0x1000
    head = 64 + 2 * 56 if wide else 52 + 2 * 32
    if wide:
        go = (HERE.parent / f"{GO[machine]}.elf").read_bytes()
        note = go[64 + 2 * 56 :][:100]
        data = go[0x400 : go.index(b"\0.go.buildinfo\0")].rstrip(b"\0") + b"\0"
    else:
        data = bytes(range(256)) * 3
    text = note if wide else PANIC.format("memchr-2.7.4").encode()
    text = text.ljust(256, b"\0") + code(machine, 16 << 10)
    first = head + len(text)
    second = (first + page - 1) // page * page
    end = second + len(data)
    rest = "".join(PANIC.format(f"debug-{n}.0.0") for n in range(40)).encode()
    flags = {62: 0, 183: 0, 40: 0x05000200}[machine]
    kind = struct.pack("<HHI", 2, machine, 1)
    start = b"\x7fELF" + bytes((2 if wide else 1, 1, 1)) + bytes(9) + kind
    if wide:
        start += struct.pack("<QQQIHHHHHH", base + head + 256, 64, 0, flags, 64, 56, 2, 64, 0, 0)
        segment = lambda f, o, n: struct.pack("<IIQQQQQQ", 1, f, o, base + o, base + o, n, n, page)
    else:
        start += struct.pack("<IIIIHHHHHH", base + head + 256, 52, 0, flags, 52, 32, 2, 40, 0, 0)
        segment = lambda f, o, n: struct.pack("<IIIIIIII", 1, o, base + o, base + o, n, n, f, page)
    out = start + segment(5, 0, first) + segment(6, second, len(data)) + text
    return out.ljust(second, b"\0") + data + rest


def pack(upx, source, target, *options):
    target.unlink(missing_ok=True)
    subprocess.run([upx, "-qq", "--best", *options, "-o", target, source], check=True)
    check = target.with_suffix(".check")
    subprocess.run([upx, "-qq", "-d", "-o", check, target], check=True)
    assert check.read_bytes() == source.read_bytes(), target
    check.unlink()
    target.chmod(0o644)


for name, machine in (("amd64", 62), ("arm64", 183), ("arm", 40)):
    source = HERE / f"{name}.elf"
    source.write_bytes(program(machine))
    source.chmod(0o755)
    for method in ("nrv2b", "nrv2d", "nrv2e", "lzma"):
        if name == "amd64" or method in ("nrv2e", "lzma"):
            pack(sys.argv[1], source, HERE / f"{name}-{method}.upx", f"--{method}")
    if name == "amd64" and len(sys.argv) > 2:
        pack(sys.argv[2], source, HERE / f"{name}-upx3.upx", "--nrv2e")
    source.chmod(0o644)
