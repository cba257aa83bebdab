#!/usr/bin/env python3
"""The files that the recorded layers were made of; with BYTES, also a file of so many that nobody wants.

    make.py ROOTFS.tar.gz [BYTES]
"""

import gzip
import io
import os
import random
import sys
import tarfile

GO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../catalog/go-syft.elf")


def layer(weights):
    with open(GO, "rb") as file:
        go = file.read()
    # A program whose build information stands behind its first pieces, without the name and the mode of one.
    program = go[:4096] + random.Random(9).randbytes(64 * 1024) + go[4096:]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name, data=b"", kind=tarfile.REGTYPE, link="", mode=0o644):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.size = kind, link, mode, len(data)
            tar.addfile(info, io.BytesIO(data))

        add("etc/", kind=tarfile.DIRTYPE, mode=0o755)
        add("etc/os-release", b'ID=debian\nVERSION_ID=13\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n')
        add("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n" * 5)
        add("var/lib/dpkg/status", b"Package: hello\nStatus: install ok installed\nMaintainer: Santiago Vila <sanvila@debian.org>\n"
            b"Architecture: amd64\nVersion: 2.10-5\nDescription: example package\n\n")
        add("usr/share/model.bin", random.Random(5).randbytes(208 * 1024))
        add("usr/lib/app", program)
        add("usr/lib/again", kind=tarfile.LNKTYPE, link="usr/lib/app")
        add("srv/zeros.img", bytes(300 * 1024))
        add("srv/node_modules/left-pad/package.json", b'{"name":"left-pad","version":"1.3.0","license":"WTFPL"}')
        add("srv/.wh.old")
        add("srv/here", kind=tarfile.SYMTYPE, link="node_modules")
        add("usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\nLicense: MIT\n")
        add("empty")
        if weights:
            add("models/weights.bin", random.Random(1).randbytes(weights))
    return out.getvalue()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    with open(sys.argv[1], "wb") as file:
        file.write(gzip.compress(layer(int(sys.argv[2]) if sys.argv[2:] else 0), mtime=0))
