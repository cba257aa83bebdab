#!/usr/bin/env python3
"""Seeds of the fuzz targets, out of testdata/, where they are not yet.

    fuzz/seeds.py FOLDER     writes FOLDER/TARGET/seeds/NAME, named by content
"""

import base64
import glob
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LARGEST = 65536
WHERE = {
    "var/lib/dpkg/status": "dpkg",
    "lib/apk/db/installed": "apk",
    "rpmdb.sqlite": "rpm-sqlite",
    "Packages.db": "rpm-ndb",
    "rpm/Packages": "rpm-bdb",
    "container-manifest-2": "rpm-manifest",
    ".jar": "jar",
    "METADATA": "wheel",
    "package.json": "npm",
    ".gemspec": "gem",
    "pnpm-lock-9.yaml": "pnpm",
    "pnpm-lock-8.yaml": "pnpm",
    "yarn-classic.lock": "yarn",
    "yarn-berry.lock": "yarn",
    "bun.lock": "bun",
    "deno.lock": "deno",
    "pylock.toml": "uv",
    ".reg": "pear",
    ".DESCRIPTION": "r",
    "random.conf": "haskell",
    ".app": "beam",
    "installed.json": "composer",
    ".deps.json": "dotnet",
    "package-lock.json": "lock",
    "busctl.elf": "note",
    ".ko": "module",
    ".ko.xz": "module-xz",
    ".dll": "pe",
    ".egg": "egg",
    ".upx": "upx",
    ".bundle": "bundle",
    ".native": "native",
    "notifu.exe": "pe",
}
# What stands in the layer of the target `inventory:toc` (src/lib.rs).
PIECE = b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n"
SUM = "sha256:" + hashlib.sha256(PIECE).hexdigest()
# Where testdata/ has none of a kind: the smallest that means something.
SMALL = {
    "inventory-dpkg": b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.3-4\nDepends: b (>= 1)\nMaintainer: M <m@example.org>\nSource: s (1.0)\n\n",
    "inventory-apk": b"C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:a\nV:1.2-r3\nA:x86_64\nL:MIT\no:a\nD:so:libc.so.6\nF:bin\nR:a\nZ:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
    "inventory-rpm-manifest": b"bash\t5.1.8-1\t1700000000\t1690000000\tVendor\t(none)\t123\tx86_64\t0\tbash-5.1.8-1.src.rpm\n",
    "inventory-wheel": b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\nLicense: MIT\nRequires-Dist: y>=1; extra == 'z'\nClassifier: License :: OSI Approved :: MIT License\n\ntext\n",
    "inventory-npm": b'{"name":"x","version":"1.2.3","license":"MIT","dependencies":{"y":"^1.0.0"},"author":{"name":"a"}}',
    "inventory-gem": b'Gem::Specification.new do |s|\n  s.name = "x".freeze\n  s.version = "1.2.3"\n  s.licenses = ["MIT".freeze]\nend\n',
    "inventory-composer": b'{"packages":[{"name":"a/b","version":"1.2.3","license":["MIT"]}],"dev":false,"dev-package-names":[]}',
    "inventory-dotnet": b'{"targets":{".NETCoreApp,Version=v8.0":{"a/1.0.0":{"dependencies":{"b":"2.0.0"}}}},"libraries":{"a/1.0.0":{"type":"package","serviceable":true,"sha512":""}}}',
    "inventory-lock": b'{"name":"x","lockfileVersion":3,"packages":{"":{"name":"x"},"node_modules/y":{"version":"1.0.0","resolved":"https://r.example/y.tgz"}}}',
    # A program of Go from before 1.18: its header, the note with its build id, modules between their marks, names of files.
    "inventory-go": (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + bytes(108)
        + b"\x04\0\0\0\x04\0\0\0\x04\0\0\0Go\0\0id.." + bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
        + b"path\tx.org/a\nmod\tx.org/a\tv1.0.0\t\ndep\tx.org/b\tv1.2.0\th1:x=\n" + bytes.fromhex("f932433186182072008242104116d8f2")
        + b"fmt/print.go\0github.com/a/b/c.go\0x.org/d@v1.0.0/e.go\0" + bytes(300)),
    "inventory-lists": b"\x019dd4e461268c8034f5c8564e155c67a6  usr/bin/a\n9dd4e461268c8034f5c8564e155c67a6  usr/bin/gone\n",
    "inventory-toc": json.dumps({"version": 1, "entries": [
        {"type": "dir", "name": "etc/"},
        {"type": "reg", "name": "var/lib/dpkg/status", "size": len(PIECE), "offset": 1, "digest": SUM},
        {"type": "reg", "name": "a", "size": 300, "offset": 200, "chunkSize": 100, "chunkDigest": SUM, "endOffset": 500},
        {"type": "chunk", "name": "a", "offset": 300, "chunkOffset": 100, "chunkSize": 200, "chunkType": "zeros"},
        {"type": "symlink", "name": "b", "linkName": "../a"}, {"type": "hardlink", "name": "c", "linkName": "a"},
        {"type": "reg", "name": "srv/.wh.x"}]}).encode(),
    "inventory-whiteouts": bytes(range(0, 48)),
    "statement": b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"IMAGE"}}],"predicateType":"https://spdx.dev/Document","predicate":{"a":[1,2.5,null]}}',
}


def main(folder):
    def put(target, data):
        if 0 < len(data) <= LARGEST:
            path = os.path.join(folder, target, "seeds", hashlib.sha256(data).hexdigest()[:16])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not os.path.exists(path):
                with open(path, "wb") as out:
                    out.write(data)

    def files(pattern):
        for path in sorted(glob.glob(os.path.join(ROOT, "testdata", pattern), recursive=True)):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    yield path, file.read()

    for target, data in SMALL.items():
        put(target, data)
    for _, data in files("admission/*.json"):
        put("review", data)
    for _, data in files("policies/**/*.yaml"):
        put("policy", data)
    for _, data in files("sbom/*.json"):
        put("sbom", data)
    for path, data in files("catalog/*.elf"):
        put("inventory-go", data)
        put("inventory-auditable", data)
    for _, data in files("catalog/licences/*.txt"):
        put("inventory-licence", data)
    for _, data in files("sbom/*.xml"):
        put("sbom", data)
    for path, data in files("**/*"):
        try:
            value = json.loads(data)
        except ValueError:
            value = None
        if isinstance(value, dict):
            if "schemaVersion" in value:
                put("manifest", data)
            envelope = value.get("dsseEnvelope")
            if envelope or "messageSignature" in value:
                put("bundle", data)
            if isinstance(envelope, dict):
                put("statement", base64.b64decode(str(envelope.get("payload", "")) + "==", altchars=None))
            if "spdxVersion" in value or "bomFormat" in value:
                put("sbom", data)
        for end, kind in WHERE.items():
            if path.endswith(end):
                put("inventory-" + kind, short(kind, data))
        layers(put, data)


def short(kind, data):
    """Some stanzas of a list of packages: what fifty of them say about the parser, five say ten times as often."""
    return data[: data.rindex(b"\n\n", 0, 4096) + 2] if kind == "dpkg" and len(data) > 4096 else data


def layers(put, data):
    """What is inside of a layer, by its path there."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError):
            return
    if data[257:262] != b"ustar":
        return
    put("inventory-tar", data)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar.getmembers():
                for end, kind in WHERE.items():
                    if member.isfile() and member.name.endswith(end):
                        put("inventory-" + kind, short(kind, tar.extractfile(member).read()))
    except (tarfile.TarError, OSError):
        pass


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
