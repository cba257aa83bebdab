"""Inflates and hashes the layers of a layout, and does nothing else: what no inventory can be faster than.

    floor.py LAYOUT [--stored]

Hashed are both forms that an image names: the blob as stored (the manifest's digest) and the tar that comes out of it
(the configuration's diff id). With --stored the blob alone, which says less than a list with checksums of files needs: there
every byte that comes out is hashed. zlib-ng is as fast as what Seaworthy inflates with; both it and hashlib let the other
thread run. Two layers at a time, the largest first. Prints wall seconds, processor seconds, and the bytes that came out.
"""

import concurrent.futures
import hashlib
import json
import os
import sys
import time

from zlib_ng import zlib_ng

STEP = 1 << 20


def one(path):
    stored, unpacked, inflater, size = hashlib.sha256(), hashlib.sha256(), zlib_ng.decompressobj(31), 0
    with open(path, "rb") as f:
        while chunk := f.read(STEP // 8):
            stored.update(chunk)
            out = inflater.decompress(chunk)
            if "--stored" not in sys.argv:
                unpacked.update(out)
            size += len(out)
    if not path.endswith(stored.hexdigest()):
        raise SystemExit(f"{path} is not what its name says")
    return size


def main():
    layout = sys.argv[1]
    blobs = os.path.join(layout, "blobs", "sha256")

    def blob(digest):
        return os.path.join(blobs, digest.partition(":")[2])

    with open(os.path.join(layout, "index.json")) as f:
        with open(blob(json.load(f)["manifests"][0]["digest"])) as g:
            layers = {blob(layer["digest"]) for layer in json.load(g)["layers"]}
    started, used = time.perf_counter(), time.process_time()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        sizes = list(pool.map(one, sorted(layers, key=os.path.getsize, reverse=True)))
    print(json.dumps({"wall": time.perf_counter() - started, "cpu": time.process_time() - used, "bytes": sum(sizes)}))


if __name__ == "__main__":
    main()
