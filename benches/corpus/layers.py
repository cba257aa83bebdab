"""A root file system that grows in steps, each a layer of an image, as image builders make them.

A layer holds what changed since the last one, found by what the file system says about each path, and a
whiteout for what went. Times are set to one moment and names are sorted, so that the same content gives the
same bytes; the compression is of gzip's usual level, as in images that people publish.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile

import fetch
from fetch import die, empty

MOMENT = 1_700_000_000
# What no image carries, whatever a tool left there.
LEFT_OUT = {"dev", "proc", "sys", "var/cache/apt", "var/lib/apt/lists", "var/cache/debconf", "var/log", "run"}


class Hashing:
    """Writes on, and knows digest and size of what went by."""

    def __init__(self, out):
        self.out, self.hash, self.size = out, hashlib.sha256(), 0

    def write(self, data):
        self.hash.update(data)
        self.size += len(data)
        return self.out.write(data)

    def digest(self):
        return "sha256:" + self.hash.hexdigest()

    def flush(self):
        self.out.flush()


class Image:
    """An OCI layout in the making, with tag `image`."""

    def __init__(self, layout, root):
        self.layout, self.root = layout, root
        self.blobs = os.path.join(empty(layout), "blobs", "sha256")
        os.makedirs(self.blobs)
        os.makedirs(root, exist_ok=True)
        self.before, self.layers, self.diff_ids = {}, [], []
        self.files, self.unpacked = 0, 0

    def _now(self):
        """path -> what tells whether it changed; directories by mode alone, since their times say little."""
        found = {}
        for folder, names, files in os.walk(self.root):
            rel = os.path.relpath(folder, self.root)
            names[:] = sorted(n for n in names if os.path.normpath(os.path.join(rel, n)) not in LEFT_OUT)
            for name in names + files:
                path = os.path.normpath(os.path.join(rel, name))
                if path in LEFT_OUT:
                    continue
                s = os.lstat(os.path.join(folder, name))
                if stat.S_ISDIR(s.st_mode):
                    found[path] = ("dir", s.st_mode)
                elif stat.S_ISLNK(s.st_mode):
                    found[path] = ("link", os.readlink(os.path.join(folder, name)))
                elif stat.S_ISREG(s.st_mode):
                    found[path] = ("file", s.st_mode, s.st_size, s.st_mtime_ns, s.st_ino)
        return found

    def commit(self):
        """What changed since the last call becomes a layer."""
        now = self._now()
        gone = [p for p in self.before if p not in now]
        # One whiteout for a directory is enough for all below it.
        gone = sorted(p for p in gone if os.path.dirname(p) in now or os.path.dirname(p) == "")
        changed = sorted(p for p in now if self.before.get(p) != now[p])
        with_parents = set(changed)
        for path in changed + gone:
            while (path := os.path.dirname(path)):
                with_parents.add(path)
        unfinished = os.path.join(self.blobs, "unfinished")
        with open(unfinished, "wb") as raw:
            stored = Hashing(raw)
            with fetch.fast_gzip().GzipNGFile("", "wb", 6, stored, mtime=0) as packed:
                plain = Hashing(packed)
                with tarfile.open(fileobj=plain, mode="w|", format=tarfile.GNU_FORMAT, bufsize=1 << 20) as tar:
                    for path in sorted(with_parents | {whiteout(p) for p in gone}):
                        self._entry(tar, path, now)
        digest = stored.digest()
        os.rename(unfinished, os.path.join(self.blobs, digest.removeprefix("sha256:")))
        self.layers.append({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": stored.size,
        })
        self.diff_ids.append(plain.digest())
        self.unpacked += plain.size
        self.before = now

    def _entry(self, tar, path, now):
        if path not in now:
            tar.addfile(normal(tarfile.TarInfo(path)))
            return
        full = os.path.join(self.root, path)
        info = normal(tar.gettarinfo(full, path))
        if info.islnk():
            # Hard links among files of one layer only: the other name may be in no layer or another.
            info.type, info.linkname, info.size = tarfile.REGTYPE, "", os.path.getsize(full)
        if info.isreg():
            self.files += 1
            with open(full, "rb") as f:
                tar.addfile(info, f)
        else:
            tar.addfile(info)

    def finish(self):
        """Writes configuration, manifest and index."""
        config = self.blob({
            "created": "2023-11-14T22:13:20Z", "architecture": "amd64", "os": "linux",
            "config": {"Labels": {"org.opencontainers.image.vendor": "Seaworthy"}},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            "history": [{"created": "2023-11-14T22:13:20Z"} for _ in self.layers],
        }, "application/vnd.oci.image.config.v1+json")
        self.index({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": self.layers,
        })

    def index(self, manifest):
        """Writes `manifest` as the one image of the layout."""
        manifest = self.blob(manifest, "application/vnd.oci.image.manifest.v1+json")
        manifest["platform"] = {"architecture": "amd64", "os": "linux"}
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "image"}
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
        write_json(os.path.join(self.layout, "index.json"), index)
        write_json(os.path.join(self.layout, "oci-layout"), {"imageLayoutVersion": "1.0.0"})

    def blob(self, value, media_type):
        """Writes bytes, or JSON; gives back the descriptor."""
        data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(self.blobs, digest), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def normal(info):
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = MOMENT
    return info


def whiteout(path):
    return os.path.join(os.path.dirname(path), ".wh." + os.path.basename(path))


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1, sort_keys=True)


def manifest_of(layout):
    """The one image of a layout."""
    with open(os.path.join(layout, "index.json")) as f:
        descriptor = json.load(f)["manifests"][0]
    with open(blob_path(layout, descriptor["digest"])) as f:
        return json.load(f)


def blob_path(layout, digest):
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256":
        die(f"{digest} is no sha256")
    return os.path.join(layout, "blobs", algorithm, value)


def rebuilt(layout, target):
    """The image of `layout` with one small layer more, as another build of it would be; the blobs are links."""
    shutil.copytree(layout, target, copy_function=os.link)
    manifest = manifest_of(layout)
    with open(blob_path(layout, manifest["config"]["digest"])) as f:
        config = json.load(f)
    packed = io.BytesIO()
    plain = Hashing(gzip.GzipFile(fileobj=packed, mode="wb", mtime=0))
    with tarfile.open(fileobj=plain, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        content = b'{"name":"harbour-rebuilt","version":"1.0.0","license":"MIT"}'
        info = normal(tarfile.TarInfo("srv/rebuilt/node_modules/harbour-rebuilt/package.json"))
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    plain.out.close()
    config["rootfs"]["diff_ids"].append(plain.digest())
    image = Image.__new__(Image)
    image.layout, image.blobs = target, os.path.join(target, "blobs", "sha256")
    manifest["layers"].append(image.blob(packed.getvalue(), "application/vnd.oci.image.layer.v1.tar+gzip"))
    manifest["config"] = image.blob(config, manifest["config"]["mediaType"])
    # The index is a link to that of the other layout.
    os.unlink(os.path.join(target, "index.json"))
    image.index(manifest)
    return target


def docker_archive(layout, target):
    """The same image as `docker save` wrote it for years: plain layer tars, and a manifest.json."""
    manifest = manifest_of(layout)
    config = manifest["config"]["digest"].partition(":")[2]
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        def add(name, data, size):
            info = normal(tarfile.TarInfo(name))
            info.size = size
            tar.addfile(info, data)

        names = []
        for number, layer in enumerate(manifest["layers"]):
            name = f"{number:064x}/layer.tar"
            names.append(name)
            plain = target + ".layer"
            with gzip.open(blob_path(layout, layer["digest"])) as packed, open(plain, "wb") as out:
                while chunk := packed.read(1 << 20):
                    out.write(chunk)
            with open(plain, "rb") as f:
                add(name, f, os.path.getsize(plain))
            os.unlink(plain)
        with open(blob_path(layout, manifest["config"]["digest"]), "rb") as f:
            add(f"{config}.json", f, manifest["config"]["size"])
        listing = json.dumps([{"Config": f"{config}.json", "RepoTags": ["corpus:image"], "Layers": names}]).encode()
        add("manifest.json", io.BytesIO(listing), len(listing))
