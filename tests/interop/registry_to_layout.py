#!/usr/bin/env python3
"""Copies everything in one repository of a loopback registry into an OCI image layout.

    registry_to_layout.py http://127.0.0.1:PORT NAME OUT_DIR

Every tag becomes an entry of index.json with org.opencontainers.image.ref.name = the tag, so that
`sha256-<hex>`, `.sig` and `.att` tags survive as they are; every manifest that a tag or an index
reaches, and every blob those name, lands in blobs/. A registry with the Referrers API keeps no tags for
referrers, so each manifest is asked for its referrers too, and those go into index.json untagged.

Bytes are kept as served, and each is checked against its digest: a fixture must hold what was signed.
Standard library only, and loopback only: it follows no redirects and no tokens, and has no limits.
"""

import hashlib
import json
import os
import re
import sys
import urllib.error
import urllib.request

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = ", ".join(INDEX_TYPES + MANIFEST_TYPES)

# A proxy from the environment has no business with loopback.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url, accept=None):
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with OPENER.open(request, timeout=30) as answer:
        return answer.read(), answer.headers


class Copy:
    def __init__(self, base, name, out):
        self.base = f"{base}/v2/{name}"
        self.out = out
        self.done = set()
        self.referrers = {}
        os.makedirs(os.path.join(out, "blobs", "sha256"), exist_ok=True)

    def store(self, data, expected=None):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if expected is not None and digest != expected:
            raise SystemExit(f"{expected} was served as {digest}")
        with open(os.path.join(self.out, "blobs", "sha256", digest[7:]), "wb") as f:
            f.write(data)
        return digest

    def blob(self, descriptor):
        digest = descriptor["digest"]
        if digest not in self.done:
            self.done.add(digest)
            data, _ = get(f"{self.base}/blobs/{digest}")
            self.store(data, digest)

    def manifest(self, reference):
        """Stores a manifest and what it reaches; returns its descriptor."""
        data, headers = get(f"{self.base}/manifests/{reference}", ACCEPT)
        digest = self.store(data, reference if ":" in reference else None)
        content = json.loads(data)
        media_type = content.get("mediaType") or headers.get_content_type()
        descriptor = {"mediaType": media_type, "digest": digest, "size": len(data)}
        if digest in self.done:
            return descriptor
        self.done.add(digest)
        if media_type in INDEX_TYPES:
            for child in content["manifests"]:
                self.manifest(child["digest"])
        else:
            self.blob(content["config"])
            for layer in content["layers"]:
                self.blob(layer)
        for referrer in self.ask_referrers(digest):
            self.manifest(referrer["digest"])
            self.referrers[referrer["digest"]] = referrer
        return descriptor

    def ask_referrers(self, digest):
        try:
            data, _ = get(f"{self.base}/referrers/{digest}", INDEX_TYPES[0])
        except urllib.error.HTTPError as e:
            if e.code == 404:  # no Referrers API: what there is, is under tags
                return []
            raise
        return json.loads(data)["manifests"]


def main(base, name, out):
    if not re.match(r"http://127\.0\.0\.1:\d+$", base):
        raise SystemExit("the registry must be http://127.0.0.1:PORT")
    copy = Copy(base, name, out)
    tags = json.loads(get(f"{copy.base}/tags/list")[0])["tags"]
    entries = []
    for tag in sorted(tags):
        descriptor = copy.manifest(tag)
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": tag}
        entries.append(descriptor)
    tagged = {e["digest"] for e in entries}
    entries += [d for digest, d in sorted(copy.referrers.items()) if digest not in tagged]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": entries}
    with open(os.path.join(out, "index.json"), "w") as f:
        json.dump(index, f, indent=2)
        f.write("\n")
    with open(os.path.join(out, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion":"1.0.0"}\n')


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
