#!/usr/bin/env python3
"""Writes an image with so many Debian packages that its SBOM is as large as one gets, into an OCI layout.

    many_packages.py OUT_DIR COUNT

Tag: `image`. One layer: a system's name, and a dpkg database of COUNT packages with licences, sources and
dependencies. The same arguments give the same bytes.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
RELEASE = b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


def package(n):
    name = f"library-number-{n}"
    depends = f"Depends: library-number-{n // 2} (>= 1.0)\n" if n > 1 else ""
    return (
        f"Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: libs\n"
        f"Installed-Size: {n % 900}\nMaintainer: Team {n % 50} <team{n % 50}@example.org>\nArchitecture: amd64\n"
        f"Source: source-number-{n // 4}\nVersion: {n % 40}.{n % 7}.{n % 11}-1\n{depends}"
        f"Description: library number {n}\n\n"
    )


def main(out, count):
    blobs = os.path.join(out, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def put(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in (
            ("etc/os-release", RELEASE),
            ("var/lib/dpkg/status", "".join(map(package, range(count))).encode()),
        ):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    layer = buffer.getvalue()
    config = json.dumps({
        "created": "1970-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }).encode()
    manifest = json.dumps({
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": put(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [put(gzip.compress(layer, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")],
    }).encode()
    tagged = {**put(manifest, IMAGE), "annotations": {"org.opencontainers.image.ref.name": "image"}}
    with open(os.path.join(out, "index.json"), "w", encoding="utf-8") as f:
        json.dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": [tagged]}, f)
    with open(os.path.join(out, "oci-layout"), "w", encoding="utf-8") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}\n')


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], int(sys.argv[2]))
