#!/usr/bin/env python3
"""Compares an SBOM's Debian packages with dpkg's own list: none missing, none invented.

    same_packages.py SBOM.json DPKG.tsv

SBOM.json is SPDX 2.3 or CycloneDX JSON; packages are known by their purls. DPKG.tsv has Package, Version,
Architecture and Status-Abbrev, as debian_rootfs.sh writes it. Name, version and architecture are compared,
of what is installed: a package removed but not purged ("rc") is in dpkg's list and must not be in an SBOM.
"""

import json
import sys
from urllib.parse import parse_qs, unquote


def purls(document):
    if "spdxVersion" in document:
        for package in document["packages"]:
            for reference in package.get("externalRefs", []):
                if reference["referenceType"] == "purl":
                    yield reference["referenceLocator"]
    elif document.get("bomFormat") == "CycloneDX":
        for component in document.get("components", []):
            if "purl" in component:
                yield component["purl"]
    else:
        raise SystemExit("neither SPDX JSON nor CycloneDX JSON")


def package_of(purl):
    """(name, version, architecture) of pkg:deb/debian/NAME@VERSION?arch=…"""
    path, _, query = purl.partition("?")
    kind, namespace, name = path.removeprefix("pkg:").split("/")
    if (kind, namespace) != ("deb", "debian"):
        raise SystemExit(f"a package that is not Debian's: {purl}")
    name, _, version = name.partition("@")
    arch = parse_qs(query).get("arch", [""])[0]
    return unquote(name), unquote(version), arch


def main(sbom, tsv):
    with open(sbom) as f:
        found = [package_of(p) for p in purls(json.load(f)) if not p.startswith("pkg:oci/")]
    wanted = []
    with open(tsv) as f:
        for line in f:
            name, version, arch, status = line.rstrip("\n").split("\t")
            if status[1] == "i":
                wanted.append((name, version, arch))
    missing = sorted(set(wanted) - set(found))
    invented = sorted(set(found) - set(wanted))
    twice = sorted({p for p in found if found.count(p) > 1})
    for word, packages in (("missing", missing), ("invented", invented), ("listed twice", twice)):
        for package in packages:
            print(f"{word}: {' '.join(package)}")
    print(f"{len(found)} packages in the SBOM, {len(wanted)} in dpkg's list")
    # An empty list equals an empty list: that would show nothing.
    return 1 if missing or invented or twice or not wanted else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    sys.exit(main(*sys.argv[1:]))
