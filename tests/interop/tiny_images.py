#!/usr/bin/env python3
"""Writes the smallest images that are still images, into one OCI layout.

    tiny_images.py OUT_DIR

Tags: `image` (one layer, linux/amd64), `index` (linux/amd64 and linux/arm64), `platforms` (an index of six),
`other` (as `image`, other content: what stays unsigned). The same bytes every time, so recorded digests stay what
they are.
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


def main(out):
    blobs = os.path.join(out, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def put(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def put_json(value, media_type):
        return put(json.dumps(value, separators=(",", ":")).encode(), media_type)

    def image(text, arch):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            entry = tarfile.TarInfo("hello.txt")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        layer = buffer.getvalue()
        config = {
            "created": "1970-01-01T00:00:00Z",
            "architecture": arch,
            "os": "linux",
            "config": {"Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": put_json(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [put(gzip.compress(layer, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")],
        }
        return put_json(manifest, IMAGE)

    amd64 = image(b"hello from amd64\n", "amd64")
    children = []
    for arch in ("amd64", "arm64", "386", "ppc64le", "riscv64", "s390x"):
        child = image(b"hello from %s\n" % arch.encode(), arch)
        children.append({**child, "platform": {"architecture": arch, "os": "linux"}})
    index = put_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": children[:2]}, INDEX)
    platforms = put_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}, INDEX)
    other = image(b"nobody signed this\n", "amd64")

    tagged = [
        {**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}}
        for tag, descriptor in (("image", amd64), ("index", index), ("platforms", platforms), ("other", other))
    ]
    with open(os.path.join(out, "index.json"), "w") as f:
        json.dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": tagged}, f, indent=2)
        f.write("\n")
    with open(os.path.join(out, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}\n')


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
