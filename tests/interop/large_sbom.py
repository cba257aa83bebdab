#!/usr/bin/env python3
"""Writes an SPDX 2.3 document of a given size: as many packages as it takes, each with licence, purl and relationship.

    large_sbom.py MEGABYTES OUT DIGEST [NAME]

The document is about the image DIGEST (sha256:…), as an SBOM must say. The same arguments give the same bytes.
"""

import json
import sys


def package(n):
    name, version = f"library-number-{n}", f"{n % 40}.{n % 7}.{n % 11}-1"
    return {
        "SPDXID": f"SPDXRef-Package-{n}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": ("MIT", "Apache-2.0", "GPL-2.0-or-later", "BSD-3-Clause")[n % 4],
        "copyrightText": "NOASSERTION",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{name}@{version}?arch=amd64&distro=debian-12",
        }],
    }


def main(megabytes, out, digest, name="large"):
    root = {
        **package(0), "SPDXID": "SPDXRef-Image", "name": name, "versionInfo": digest,
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": f"pkg:oci/{name}@{digest.replace(':', '%3A')}",
        }],
    }
    relationship = lambda a, kind, b: {"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
    packages = [root]
    relationships = [relationship("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image")]
    size, n = 0, 0
    while size < megabytes * 1_000_000:
        n += 1
        packages.append(package(n))
        relationships.append(relationship("SPDXRef-Image", "CONTAINS", f"SPDXRef-Package-{n}"))
        size += len(json.dumps(packages[-1])) + len(json.dumps(relationships[-1])) + 2
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://example.org/spdx/{name}-{n}",
        "creationInfo": {"created": "2024-01-01T00:00:00Z", "creators": ["Tool: large_sbom.py"]},
        "packages": packages,
        "relationships": relationships,
    }
    with open(out, "w", encoding="utf-8") as f:
        json.dump(document, f)
    print(f"{n} packages")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(float(sys.argv[1]), *sys.argv[2:])
