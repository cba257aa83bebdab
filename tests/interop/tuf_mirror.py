#!/usr/bin/env python3
"""A TUF repository made by python-tuf, the reference implementation.

    tuf_mirror.py new DIR TARGET=FILE...      version 1 of everything: DIR/N.root.json, DIR/targets/HASH.NAME ...
    tuf_mirror.py next DIR TARGET=FILE...     a root with other keys, signed by old and new; everything else anew

The private keys are kept beside the mirror, in DIR.keys, and are worth nothing.
"""

import copy
import os
import sys
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives import serialization
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import (
    Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp,
)

ROLES = ("root", "targets", "snapshot", "timestamp")


def new_key(number):
    return CryptoSigner.generate_ecdsa() if number % 2 == 0 else CryptoSigner.generate_ed25519()


def save_key(keys, name, signer):
    pem = signer._private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.path.join(keys, name + ".pem"), "wb") as out:
        out.write(pem)


def load_key(keys, name):
    with open(os.path.join(keys, name + ".pem"), "rb") as pem:
        private = serialization.load_pem_private_key(pem.read(), None)
    return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))


def publish(directory, name, metadata, signers):
    metadata.signatures.clear()
    for signer in signers:
        metadata.sign(signer, append=True)
    metadata.to_file(os.path.join(directory, name))


def publish_content(directory, targets, version, signers):
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
    listed = Targets(version=version, expires=expires)
    os.makedirs(os.path.join(directory, "targets"), exist_ok=True)
    for target in targets:
        name, path = target.split("=", 1)
        with open(path, "rb") as content:
            data = content.read()
        file = TargetFile.from_data(name, data, ["sha256"])
        listed.targets[name] = file
        with open(os.path.join(directory, "targets", f"{file.hashes['sha256']}.{name}"), "wb") as out:
            out.write(data)
    publish(directory, f"{version}.targets.json", Metadata(listed), signers["targets"])
    snapshot = Snapshot(version=version, expires=expires, meta={"targets.json": MetaFile(version)})
    publish(directory, f"{version}.snapshot.json", Metadata(snapshot), signers["snapshot"])
    timestamp = Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
    publish(directory, "timestamp.json", Metadata(timestamp), signers["timestamp"])


def main():
    what, directory, targets = sys.argv[1], sys.argv[2], sys.argv[3:]
    keys = directory + ".keys"
    os.makedirs(keys, exist_ok=True)
    os.makedirs(directory, exist_ok=True)
    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=300)
    if what == "new":
        root = Root(version=1, expires=expires, consistent_snapshot=True)
        old = []
    else:
        version = max(int(f.split(".")[0]) for f in os.listdir(directory) if f.endswith(".root.json"))
        before = Metadata[Root].from_file(os.path.join(directory, f"{version}.root.json")).signed
        root = copy.deepcopy(before)
        root.version, root.expires = version + 1, expires
        old = [load_key(keys, f"{version}.root.{n}") for n in range(3)]
        for role in ROLES:
            for keyid in list(root.roles[role].keyids):
                root.revoke_key(keyid, role)
    signers = {}
    for role, count in (("root", 3), ("targets", 2), ("snapshot", 1), ("timestamp", 1)):
        signers[role] = [new_key(n) for n in range(count)]
        for number, signer in enumerate(signers[role]):
            root.add_key(signer.public_key, role)
            save_key(keys, f"{root.version}.{role}.{number}", signer)
    root.roles["root"].threshold = 2
    root.roles["targets"].threshold = 2
    publish(directory, f"{root.version}.root.json", Metadata(root), old + signers["root"])
    publish_content(directory, targets, root.version, signers)


main()
