"""An authority's logs as a stranger sees them: tiles, checkpoints, proofs and certificates, checked with nothing of the
authority's own code. RFC 6962 for the tree and for the certificates' timestamps, C2SP tlog-tiles and signed-note for
the rest."""

import base64
import datetime
import hashlib
import http.client
import json
import os

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CHECKPOINTS = {"signatures": "/api/v2/checkpoint", "certificates": "/ct/checkpoint"}
TILES = {"signatures": "/api/v2/tile/entries/", "certificates": "/ct/tile/entries/"}
EPOCH, MILLI = datetime.datetime(1970, 1, 1), datetime.timedelta(milliseconds=1)
ROOTS = {"signatures": "tlogs", "certificates": "ctlogs"}


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Roots:
    """The root over any number of first leaves, with a memory of subtrees."""

    def __init__(self, leaves):
        self.leaves, self.known = leaves, {}

    def over(self, begin, end):
        if end - begin == 1:
            return self.leaves[begin]
        if (begin, end) not in self.known:
            middle = begin + (1 << (end - begin - 1).bit_length() - 1)
            self.known[begin, end] = node_hash(self.over(begin, middle), self.over(middle, end))
        return self.known[begin, end]


def root_of_proof(leaf, index, size, proof):
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2)."""
    if index >= size:
        return None
    last, value = size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if index & 1 or index == last:
            value = node_hash(sibling, value)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        index, last = index >> 1, last >> 1
    return value if last == 0 else None


def entries_of(port, log):
    size = int(get(port, CHECKPOINTS[log])[1].split(b"\n")[1])
    entries = []
    for tile in range((size + 255) // 256):
        width = min(256, size - tile * 256)
        groups = f"{tile:03}" if tile < 1000 else f"x{tile // 1000:03}/{tile % 1000:03}"
        status, data = get(port, TILES[log] + groups + (f".p/{width}" if width < 256 else ""))
        assert status == 200, status
        while data:
            length = int.from_bytes(data[:2], "big")
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
    assert len(entries) == size
    return entries


def read_checkpoint(text, key):
    """Size and root of a signed note; None where the log's key did not sign it."""
    body, signatures = text.split("\n\n", 1)
    lines = body.split("\n")
    signature = base64.b64decode(signatures.split(" ")[2])[4:]
    try:
        key.verify(signature, (body + "\n").encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return None
    return int(lines[1]), base64.b64decode(lines[2])


def precertificate_entry(certificate, issuer, sct):
    """What the log of certificates must hold (RFC 6962, section 3.4)."""
    tbs = certificate.tbs_precertificate_bytes
    millis = (sct.timestamp - EPOCH) // MILLI
    return (
        b"\0\0" + millis.to_bytes(8, "big") + b"\0\1" + issuer + len(tbs).to_bytes(3, "big") + tbs + b"\0\0"
    )


def check(port, folder, answers, seen):
    """Prints what was looked at; gives what is wrong. `answers`: pairs of a certificate and the log's answer."""
    wrong = []
    with open(os.path.join(folder, "trusted_root.json")) as file:
        trusted = json.load(file)
    key = {
        log: serialization.load_der_public_key(base64.b64decode(trusted[name][0]["publicKey"]["rawBytes"]))
        for log, name in ROOTS.items()
    }
    entries = {log: entries_of(port, log) for log in CHECKPOINTS}
    roots = {log: Roots([leaf_hash(entry) for entry in entries[log]]) for log in CHECKPOINTS}
    for log in CHECKPOINTS:
        if len(set(entries[log])) != len(entries[log]):
            wrong.append(f"an entry of {log} is there twice")

    issuer = trusted["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"]
    issuer = x509.load_der_x509_certificate(base64.b64decode(issuer))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    spki = issuer.public_key().public_bytes(serialization.Encoding.DER, form)
    issuer_id, certified = hashlib.sha256(spki).digest(), set(entries["certificates"])
    missing = unlogged = 0
    for leaf, answer in answers:
        answer = json.loads(answer)
        proof = answer["inclusionProof"]
        index, size = int(answer["logIndex"]), int(proof["treeSize"])
        body = base64.b64decode(answer["canonicalizedBody"])
        seen["signatures"].add(proof["checkpoint"]["envelope"])
        path = [base64.b64decode(hash) for hash in proof["hashes"]]
        root = root_of_proof(leaf_hash(body), index, size, path)
        if index >= len(entries["signatures"]) or entries["signatures"][index] != body:
            missing += 1
        if root is None or root != base64.b64decode(proof["rootHash"]):
            wrong.append(f"the proof of entry {index} in a tree of {size} leads elsewhere")
        if read_checkpoint(proof["checkpoint"]["envelope"], key["signatures"]) != (size, root):
            wrong.append(f"the checkpoint of entry {index} is another one than its proof's")
        certificate = x509.load_pem_x509_certificate(leaf.encode())
        certificate.verify_directly_issued_by(issuer)
        extension = certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
        (sct,) = extension.value
        entry = precertificate_entry(certificate, issuer_id, sct)
        key["certificates"].verify(sct.signature, entry, ec.ECDSA(hashes.SHA256()))
        unlogged += entry not in certified
    if missing or unlogged:
        wrong.append(f"{missing} entries and {unlogged} certificates were acknowledged and are not in their logs")

    for log in CHECKPOINTS:
        before = {}
        for text in seen[log]:
            found = read_checkpoint(text, key[log])
            if found is None:
                wrong.append(f"a checkpoint of {log} is not signed by it")
                continue
            size, root = found
            # One root for a size, and the root over the first leaves of today's log: then each checkpoint is
            # consistent with each other one.
            if before.setdefault(size, root) != root:
                wrong.append(f"two roots of {log} at {size}")
            if size > len(entries[log]) or (size and roots[log].over(0, size) != root):
                wrong.append(f"the checkpoint of {log} at {size} is not of this log")
        print(f"log of {log}: {len(entries[log])} entries, {len(before)} different checkpoints seen")
    print(f"acknowledged and missing: {missing} entries, {unlogged} certificates")
    return wrong
