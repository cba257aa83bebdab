#!/usr/bin/env python3
"""Wraps a gzipped root file system into an OCI image layout, as an image of one layer.

    tar_to_layout.py [--index] ROOTFS.tar.gz OUT_DIR

Tag `image`: linux/amd64. With --index also tag `index`: that image, and a linux/arm64 one made of the same
layer plus a small second one, so that the two platforms have different layers, configs and digests. (The
files inside are still amd64's: whoever reads package data from it does not run it.)
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha256_of(stream):
    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def main(rootfs, out, with_index):
    blobs = os.path.join(out, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def put(data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(data)}

    def put_json(value, media_type):
        return put(json.dumps(value, separators=(",", ":")).encode(), media_type)

    def image(arch, layers, diff_ids):
        config = {
            "architecture": arch,
            "os": "linux",
            "config": {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["bash"]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + d for d in diff_ids]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": put_json(config, "application/vnd.oci.image.config.v1+json"),
            "layers": layers,
        }
        return put_json(manifest, IMAGE)

    with open(rootfs, "rb") as f:
        digest = sha256_of(f)
    with gzip.open(rootfs) as f:
        diff_id = sha256_of(f)
    target = os.path.join(blobs, digest)
    if not os.path.exists(target):
        shutil.copyfile(rootfs, target)
    layer = {"mediaType": LAYER, "digest": "sha256:" + digest, "size": os.path.getsize(rootfs)}

    amd64 = image("amd64", [layer], [diff_id])
    tagged = [("image", amd64)]
    if with_index:
        text = b"the second layer of the arm64 image\n"
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            entry = tarfile.TarInfo("etc/platform-note")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        second = put(gzip.compress(buffer.getvalue(), mtime=0), LAYER)
        arm64 = image("arm64", [layer, second], [diff_id, hashlib.sha256(buffer.getvalue()).hexdigest()])
        platforms = [
            {**descriptor, "platform": {"architecture": arch, "os": "linux"}}
            for arch, descriptor in (("amd64", amd64), ("arm64", arm64))
        ]
        index = put_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}, INDEX)
        tagged.append(("index", index))

    entries = [{**d, "annotations": {"org.opencontainers.image.ref.name": tag}} for tag, d in tagged]
    with open(os.path.join(out, "index.json"), "w") as f:
        json.dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, f, indent=2)
        f.write("\n")
    with open(os.path.join(out, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}\n')


if __name__ == "__main__":
    args = sys.argv[1:]
    flag = "--index" in args
    if flag:
        args.remove("--index")
    if len(args) != 2:
        raise SystemExit(__doc__)
    main(args[0], args[1], flag)
