"""A file system as Alpine's package manager leaves it, with Debian's packages in it.

apk itself is in none of Debian, PyPI and npm. The database is laid out as its documentation (apk-db format)
says, from real metadata, and the truth is what was written into it.
"""

import base64
import hashlib
import os
import re

import rpm

SIX = "usr/lib/python3.11/site-packages/six-1.16.0.dist-info"


def lay_out(root, _base):
    """Writes the image and gives back its truth."""
    def put(path, text):
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)
        return path

    put("etc/os-release", 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.2\nPRETTY_NAME="Alpine Linux v3.20"\n')
    put("etc/alpine-release", "3.20.2\n")
    listed = rpm.described()
    names = {p["name"] for p in listed}
    rows, paragraphs = [], []
    for p in listed:
        numbers = re.match(r"\d+(\.\d+)*", p["version"])
        version = f"{numbers[0] if numbers else '0'}-r{len(p['needs'])}"
        files = [put(f"usr/share/doc/{p['name']}/README", p["summary"] + "\n")]
        if p["name"] == "python3-six":
            files.append(put(f"{SIX}/METADATA", "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\nLicense: MIT\n"))
            rows.append(("pypi", "six", "1.16.0"))
        rows.append(("apk", p["name"], version))
        needs = " ".join(name for name in p["needs"] if name in names)
        checksum = "Q1" + base64.b64encode(hashlib.sha1(p["name"].encode()).digest()).decode()
        lines = [f"C:{checksum}", f"P:{p['name']}", f"V:{version}", "A:x86_64", "S:1000", "I:4096", f"T:{p['summary']}",
                 f"U:https://example.org/{p['name']}", "L:MIT", f"o:{p['name']}", f"m:{p['maintainer']}", "t:1700000000"]
        lines += [f"D:{needs}"] if needs else []
        for path in files:
            lines += [f"F:{os.path.dirname(path)}", f"R:{os.path.basename(path)}", "Z:" + checksum]
        paragraphs.append("\n".join(lines) + "\n")
    put("lib/apk/db/installed", "\n".join(paragraphs) + "\n")
    put("etc/apk/world", "\n".join(sorted(names)) + "\n")
    return rows
