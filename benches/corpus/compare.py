"""What a document lists, against the truth and against what other tools list.

Packages are compared as (type of purl, name, version). Qualifiers are left out, but an epoch goes back
into the version; Go's names are compared in lower case, because one tool writes them so.
"""

import collections
import fnmatch
import json
import os
import re
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
EXPLAINED = os.path.join(HERE, "explained.tsv")
# Tools name these and no package manager does.
NO_PACKAGES = {"oci", "docker", "generic"}


def key(purl):
    """The key of a purl, or None for what is no package."""
    kind, _, rest = purl.removeprefix("pkg:").partition("/")
    rest, _, subpath = rest.partition("#")
    path, _, query = rest.partition("?")
    path, at, version = path.rpartition("@")
    if not at:
        path, version = version, ""
    name = urllib.parse.unquote(path)
    if kind == "golang" and subpath:
        # One tool puts the end of a module's path there.
        name += "/" + urllib.parse.unquote(subpath)
    return kind_key(kind, name, urllib.parse.unquote(version), dict(urllib.parse.parse_qsl(query)))


def kind_key(kind, name, version, qualifiers=None):
    kind = {"rustbinary": "cargo", "rust": "cargo"}.get(kind, kind)
    if kind in NO_PACKAGES:
        return None
    epoch = (qualifiers or {}).get("epoch", "0")
    if kind in ("deb", "rpm", "apk"):
        name = name.rpartition("/")[2]
        if epoch != "0" and not version.startswith(epoch + ":"):
            version = f"{epoch}:{version}"
    elif kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    elif kind == "golang":
        name = name.lower()
        version = "" if version == "(devel)" else version
        if name == "stdlib":
            version = version.removeprefix("go").removeprefix("v")
    return kind, name, version


def listed(path):
    """All keys of a document, SPDX or CycloneDX, as often as it has them."""
    with open(path) as f:
        document = json.load(f)
    purls = []
    for package in document.get("packages", []):
        purls += [r["referenceLocator"] for r in package.get("externalRefs", []) if r["referenceType"] == "purl"]
    waiting = list(document.get("components", []))
    while waiting:
        component = waiting.pop()
        waiting += component.get("components", [])
        purls += [component["purl"]] if component.get("purl") else []
    keys = collections.Counter(key(purl) for purl in purls)
    keys.pop(None, None)
    return keys


def truth_of(folder):
    with open(os.path.join(folder, "truth.tsv")) as f:
        return {kind_key(*line.rstrip("\n").split("\t")) for line in f}


class Judged:
    """One tool's list against the truth."""

    def __init__(self, found, truth):
        by_name, by_artifact = collections.defaultdict(set), collections.defaultdict(set)
        for kind, name, version in found:
            by_name[kind, name].add(version)
            by_artifact[kind, name.rpartition("/")[2]].add((name, version))
        kinds = {kind for kind, _, _ in truth}
        self.missing, right = set(), set()
        for row in truth:
            kind, name, version = row
            if name.startswith("?/"):
                # Nothing states the group: any will do.
                hits = {(kind, n, v) for n, v in by_artifact[kind, name[2:]] if not version or v == version}
            else:
                hits = {(kind, name, v) for v in by_name[kind, name] if not version or v == version}
            if hits:
                right |= hits
            else:
                self.missing.add(row)
        self.surplus = {k for k in found if k[0] in kinds} - right
        self.beyond = {k for k in found if k[0] not in kinds}
        self.recall = 1 - len(self.missing) / len(truth) if truth else 1.0
        inside = len(right) + len(self.surplus)
        self.precision = len(right) / inside if inside else 1.0
        self.right = right


class Explained:
    """Why a difference is right as it is: rows of image, who, type, name, version (with `*`), and the reason.

    `who` is `syft` or `trivy` for what they list and we do not, `truth` for what the ecosystem's tool lists and
    we do not, `seaworthy` for what we list and that tool does not."""

    def __init__(self):
        self.rows, self.used = [], set()
        if os.path.exists(EXPLAINED):
            with open(EXPLAINED) as f:
                for number, line in enumerate(f, 1):
                    if line.strip() and not line.startswith("#"):
                        fields = line.rstrip("\n").split("\t")
                        if len(fields) != 6 or not fields[5].strip():
                            raise SystemExit(f"explained.tsv:{number}: six fields, the last a reason")
                        self.rows.append(fields)

    def reason(self, image, who, key):
        for index, (in_image, by, kind, name, version, reason) in enumerate(self.rows):
            if (
                any(fnmatch.fnmatchcase(image, one) for one in in_image.split(",")) and who in by.split(",") and kind == key[0]
                and fnmatch.fnmatchcase(key[1], name) and fnmatch.fnmatchcase(key[2], version)
            ):
                self.used.add(index)
                return reason
        return None
