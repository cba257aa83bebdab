#!/usr/bin/env python3
"""What cargo-deny cannot say about dependencies (see deny.toml for what it can).

    .ci/dependency-rules.py    check, exit 1 with every broken rule

The rules are those of docs/architecture.md: who may use whom, directly and through others, and what the
verifier never reaches. What it does reach stands in verifier/crates.txt, which a test of its own compares.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

# Direct dependencies inside the workspace: package -> what it may use.
MAY_USE = {
    "seaworthy": {
        "seaworthy-oci", "seaworthy-sbom", "seaworthy-catalog", "seaworthy-sign", "seaworthy-verifier",
        "seaworthy-authority", "seaworthy-yaml",
    },
    "seaworthy-oci": set(),
    "seaworthy-yaml": set(),
    "seaworthy-sbom": set(),
    "seaworthy-catalog": {"seaworthy-oci", "seaworthy-sbom"},
    "seaworthy-sign": {"seaworthy-oci"},
    "seaworthy-authority": {"seaworthy-sign", "seaworthy-yaml"},
    "seaworthy-verifier": {"seaworthy-oci", "seaworthy-sbom", "seaworthy-yaml"},
    "seaworthy-tests": {
        "seaworthy-oci", "seaworthy-sbom", "seaworthy-catalog", "seaworthy-sign", "seaworthy-verifier",
        "seaworthy-authority",
    },
    "seaworthy-bench": set(),  # it measures programs
}
# Crate -> the only packages of ours that may name it (development dependencies aside).
ONLY_FOR = {
    "granit-parser": {"seaworthy-yaml"},  # one place bounds it and gives places
    "anyhow": {"seaworthy"},  # libraries have error types of their own
    "clap": {"seaworthy", "seaworthy-verifier"},  # the verifier's program, behind a feature
    "sigstore-verify": {"seaworthy-verifier"},  # one place decides what a good signature is
    "sigstore-trust-root": {"seaworthy-verifier", "seaworthy"},  # the command line: embedded TUF roots
    "sigstore-tuf": {"seaworthy"},  # what fetches trust is not what judges by it
}
# Crates that the verifier never reaches, by whatever path, and why.
NEVER_IN_VERIFIER = {
    "seaworthy-sign": "private keys",
    "seaworthy-catalog": "parsers of hostile packages",
    "seaworthy-authority": "the other side of what it checks",
    "sigstore-tuf": "fetches; a verifier is given its trust",
    "tar": "archives",
    "zip": "archives",
    "zstd": "archives",
    "rusqlite": "a database in C",
    "anyhow": "errors without a type",
    "oci-client": "reads without a cap",
}


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def verifier_crates():
    """What is linked when the verifier is built alone, for this target. Names alone: Cargo.lock has the versions."""
    lines = run(
        "cargo", "tree", "--locked", "-p", "seaworthy-verifier", "-e", "normal,no-proc-macro",
        "--target", "x86_64-unknown-linux-gnu", "--prefix", "none", "--no-dedupe", "--format", "{p}",
    ).splitlines()
    # A line is "name v1.2.3 (path or proc-macro)".
    return sorted({line.split()[0] for line in lines if line.strip()})


def main():
    broken = []
    crates = verifier_crates()
    if sys.argv[1:]:
        raise SystemExit(__doc__)

    packages = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1"))["packages"]
    members = [p for p in packages if p["source"] is None]
    names = {p["name"] for p in members}
    for package in members:
        name = package["name"]
        if name not in MAY_USE:
            broken.append(f"{name} is a new package: give it a line in MAY_USE and in docs/architecture.md")
            continue
        for dependency in package["dependencies"]:
            used = dependency["name"]
            if dependency["kind"] == "dev":
                # A test may use what it likes of the registry's, of ours only what the package may.
                if used in names and used not in MAY_USE[name] | {name, "seaworthy-tests"}:
                    broken.append(f"{name} may not use {used}, in its tests neither")
                continue
            if used in names and used not in MAY_USE[name]:
                broken.append(f"{name} may not use {used}")
            if name != "seaworthy-tests" and used in ONLY_FOR and name not in ONLY_FOR[used]:
                broken.append(f"{name} may not use {used}: it is for {', '.join(sorted(ONLY_FOR[used]))}")

    # Two versions of a sigstore crate would be two opinions on what a good signature is.
    versions = {}
    for package in packages:
        if package["name"].startswith("sigstore-"):
            versions.setdefault(package["name"], set()).add(package["version"])
    for name, found in sorted(versions.items()):
        if len(found) > 1:
            broken.append(f"{name} is there in several versions: {', '.join(sorted(found))}")
    if len({v for found in versions.values() for v in found}) > 1:
        broken.append(f"the sigstore crates are of different versions: {versions}")

    for crate in crates:
        if crate in NEVER_IN_VERIFIER:
            broken.append(f"the verifier reaches {crate}: no {NEVER_IN_VERIFIER[crate]} in the trusted base")

    for line in broken:
        print(f"dependency rule: {line}", file=sys.stderr)
    print(f"dependency rules: {len(members)} packages, {len(crates)} crates in the verifier, {len(broken)} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
