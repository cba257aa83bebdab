#!/usr/bin/env python3
"""What somebody does who can write to the registry and has no key.

    tamper.py drop  REGISTRY NAME DIGEST PREDICATE_TYPE   takes referrers of that type out of the fallback tag
    tamper.py alter REGISTRY NAME DIGEST PREDICATE_TYPE   changes one byte of the signed statement in each
                                                          such referrer, and puts the result in its place
    tamper.py move  REGISTRY NAME DIGEST OTHER_DIGEST     lists all referrers of DIGEST, which speak of
                                                          DIGEST, as those of OTHER_DIGEST

REGISTRY is http://127.0.0.1:PORT. Every blob and manifest that results has its right digest: nothing
that a registry or a client checks by hash is out of order.
"""

import base64
import hashlib
import json
import sys
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PREDICATE = "dev.sigstore.bundle.predicateType"


class Repository:
    def __init__(self, base, name):
        if not base.startswith("http://127.0.0.1:"):
            raise SystemExit("the registry must be on loopback")
        self.base = base
        self.url = f"{base}/v2/{name}"

    def ask(self, method, url, data=None, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        with OPENER.open(request, timeout=30) as answer:
            return answer.read(), answer.headers

    def manifest(self, reference):
        data, _ = self.ask("GET", f"{self.url}/manifests/{reference}", Accept=f"{INDEX}, {MANIFEST}")
        return json.loads(data)

    def put_manifest(self, value, reference=None):
        data = json.dumps(value, separators=(",", ":")).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.ask("PUT", f"{self.url}/manifests/{reference or digest}", data, Content_Type=value["mediaType"])
        return {"mediaType": value["mediaType"], "digest": digest, "size": len(data)}

    def blob(self, digest):
        return self.ask("GET", f"{self.url}/blobs/{digest}")[0]

    def put_blob(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        _, headers = self.ask("POST", f"{self.url}/blobs/uploads/", b"")
        location = headers["Location"]
        if location.startswith("/"):
            location = self.base + location
        mark = "&" if "?" in location else "?"
        self.ask("PUT", f"{location}{mark}digest={digest}", data, Content_Type="application/octet-stream")
        return digest, len(data)

    def put_fallback(self, digest, descriptors):
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}
        self.put_manifest(index, digest.replace(":", "-"))


def change_one_byte(bundle):
    """The same bundle, whose signed payload differs in one byte and is still the same kind of document."""
    bundle = json.loads(bundle)
    payload = bytearray(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    # A letter inside the predicate becomes another letter: still JSON, still a statement about the image.
    start = payload.index(b'"predicate":') + len(b'"predicate":')
    at = next(i for i in range(len(payload) - 1, start, -1) if payload[i : i + 1].isalpha())
    payload[at] = ord("a") if payload[at] != ord("a") else ord("b")
    json.loads(payload)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    return json.dumps(bundle, separators=(",", ":")).encode()


def main(what, base, name, digest, last):
    repository = Repository(base, name)
    listed = repository.manifest(digest.replace(":", "-"))["manifests"]
    if what == "move":
        repository.put_fallback(last, listed)
        print(f"{len(listed)} referrers moved")
        return
    kept, touched = [], 0
    for descriptor in listed:
        manifest = repository.manifest(descriptor["digest"])
        if manifest.get("annotations", {}).get(PREDICATE) != last:
            kept.append(descriptor)
            continue
        touched += 1
        if what == "alter":
            layer = manifest["layers"][0]
            layer["digest"], layer["size"] = repository.put_blob(
                change_one_byte(repository.blob(layer["digest"]))
            )
            kept.append({**descriptor, **repository.put_manifest(manifest)})
    if not touched:
        raise SystemExit(f"no referrer of type {last}")
    repository.put_fallback(digest, kept)
    print(f"{touched} of {len(listed)} referrers touched")


if __name__ == "__main__":
    if len(sys.argv) != 6 or sys.argv[1] not in ("drop", "alter", "move"):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
