#!/usr/bin/env python3
"""Builds the images of this directory from src/: OCI layouts, the same bytes on every machine.

    build.py           writes harbor/ and fleet/
    build.py --check   builds in memory and compares with what is committed

harbor: one platform, three layers: Debian (dpkg), an application (Python, npm; zstd), and an update that
upgrades openssl, removes sensible-utils, leaves adduser removed-but-not-purged and hides @types/ms.
fleet: an index of linux/amd64 and linux/arm64, Alpine (apk).

The data is real: entries, copyright files (long ones cut), METADATA and package.json as distributed. The
lower layer of harbor names an older openssl of the same release. The Alpine entries are written after
Alpine 3.20, shortened and without checksums.

Only gzip is not the same everywhere (zlib and zlib-ng differ), so a committed layer with the same content
is kept. The zstd layer holds raw and run-length blocks, which every decoder reads and no library has to
write.
"""

import gzip
import hashlib
import io
import json
import pathlib
import struct
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
SRC = HERE / "src"
BUILT = 1717243200  # 2024-06-01T12:00:00Z
BUILT_TEXT = "2024-06-01T12:00:00Z"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def tree(root):
    """The files below root by image path."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            name = path.relative_to(root).as_posix()
            # A colon in a file name cannot be checked out everywhere.
            found[name.replace("_amd64.list", ":amd64.list")] = path.read_bytes()
    return found


def tar(files, links=()):
    """A tar of files and symbolic links, sorted, with the directories above them."""
    links = dict(links)
    names = set(files) | set(links)
    dirs = {str(p) for name in names for p in pathlib.PurePosixPath(name).parents if str(p) != "."}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(dirs | names):
            info = tarfile.TarInfo(name)
            info.mtime = BUILT
            if name in dirs:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            elif name in links:
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, links[name], 0o777
                archive.addfile(info)
            else:
                info.size, info.mode = len(files[name]), 0o644
                archive.addfile(info, io.BytesIO(files[name]))
    return out.getvalue()


def zstd(data):
    """A zstd frame (RFC 8878) of raw and run-length blocks, after a skippable frame."""
    blocks = []
    start = 0
    while start < len(data):
        end = min(start + 512, len(data))
        chunk = data[start:end]
        if chunk == bytes([chunk[0]]) * len(chunk):
            while end < len(data) and end - start < 1 << 16 and data[end] == chunk[0]:
                end += 1
            blocks.append((1, end - start, chunk[:1]))
        elif blocks and blocks[-1][0] == 0 and blocks[-1][1] + len(chunk) <= 1 << 16:
            blocks[-1] = (0, blocks[-1][1] + len(chunk), blocks[-1][2] + chunk)
        else:
            blocks.append((0, len(chunk), chunk))
        start = end
    out = struct.pack("<III", 0x184D2A50, 4, 0)
    # Single segment, content size in 4 bytes, no checksum.
    out += struct.pack("<IBI", 0xFD2FB528, 0b10100000, len(data))
    for i, (kind, size, content) in enumerate(blocks):
        last = i == len(blocks) - 1
        out += struct.pack("<I", last | kind << 1 | size << 3)[:3] + content
    return out


class Layout:
    """An OCI layout that is being built."""

    def __init__(self, name):
        self.dir = HERE / name
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
        self.committed = {}
        for path in sorted(self.dir.glob("blobs/sha256/*")):
            data = path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                self.committed[gzip.decompress(data)] = data

    def blob(self, media_type, data, **more):
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def json(self, media_type, value, **more):
        return self.blob(media_type, encode(value), **more)

    def image(self, arch, layers, variant=None):
        """One image; layers are pairs of compression and tar."""
        descriptors, diff_ids, history = [], [], []
        for kind, data in layers:
            diff_ids.append("sha256:" + hashlib.sha256(data).hexdigest())
            history.append({"created": BUILT_TEXT, "created_by": "testdata/images/build.py"})
            if kind == "zstd":
                descriptors.append(self.blob(LAYER + "+zstd", zstd(data)))
            else:
                stored = self.committed.get(data) or gzip.compress(data, 9, mtime=0)
                descriptors.append(self.blob(LAYER + "+gzip", stored))
        platform = {"architecture": arch, "os": "linux", **({"variant": variant} if variant else {})}
        config = {
            "created": BUILT_TEXT,
            **platform,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": history,
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.json(CONFIG, config),
            "layers": descriptors,
        }
        return self.json(MANIFEST, manifest), platform

    def finish(self, descriptor):
        tagged = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": "1.0"}}
        self.files["index.json"] = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [tagged]})

    def write(self):
        for path in sorted(self.dir.glob("**/*")):
            if path.is_file() and path.relative_to(self.dir).as_posix() not in self.files:
                path.unlink()
        for name, data in self.files.items():
            path = self.dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def differs(self):
        there = {p.relative_to(self.dir).as_posix(): p.read_bytes() for p in self.dir.glob("**/*") if p.is_file()}
        return sorted(n for n in there.keys() | self.files.keys() if there.get(n) != self.files.get(n))


def encode(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def harbor():
    layout = Layout("harbor")
    base = tree(SRC / "harbor/base")
    base_links = {
        "etc/os-release": "../usr/lib/os-release",
        "lib": "usr/lib",
        "usr/share/doc/libgcc-s1": "gcc-12-base",
    }
    update = tree(SRC / "harbor/update")
    update["usr/share/doc/.wh.sensible-utils"] = b""
    update["var/lib/dpkg/info/.wh.sensible-utils.list"] = b""
    update["srv/app/node_modules/@types/.wh..wh..opq"] = b""
    layers = [
        ("gzip", tar(base, base_links)),
        ("zstd", tar(tree(SRC / "harbor/app"))),
        ("gzip", tar(update)),
    ]
    descriptor, platform = layout.image("amd64", layers)
    layout.finish({**descriptor, "platform": platform})
    return layout


def fleet():
    layout = Layout("fleet")
    children = []
    for arch, apk, variant in [("amd64", "x86_64", None), ("arm64", "aarch64", "v8")]:
        musl, loader = f"libc.musl-{apk}.so.1", f"ld-musl-{apk}.so.1"
        installed = (SRC / "fleet/installed").read_text(encoding="utf-8")
        for mark, text in [("@ARCH@", apk), ("@MUSL@", musl), ("@LD@", loader)]:
            installed = installed.replace(mark, text)
        files = {
            "lib/apk/db/installed": installed.encode(),
            "usr/lib/os-release": (SRC / "fleet/os-release").read_bytes(),
        }
        data = tar(files, {"etc/os-release": "../usr/lib/os-release"})
        descriptor, platform = layout.image(arch, [("gzip", data)], variant)
        children.append({**descriptor, "platform": platform})
    layout.finish(layout.json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}))
    return layout


def main():
    layouts = [harbor(), fleet()]
    if sys.argv[1:] == ["--check"]:
        wrong = [f"{layout.dir.name}/{name}" for layout in layouts for name in layout.differs()]
        for name in wrong:
            print(f"differs: {name}", file=sys.stderr)
        return 1 if wrong else 0
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    for layout in layouts:
        layout.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
