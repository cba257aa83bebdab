"""A transparency log as Rekor v1 is, for the live checks: promises (signed entry timestamps) with a key of its own.

    rekor_v1.py PORT TRUSTED_ROOT

Adds its key to a copy of TRUSTED_ROOT, which it writes to standard output, and then serves on 127.0.0.1:PORT. It
takes what it is given: whether a signature is good is the reader's business.
"""

import base64
import hashlib
import http.server
import json
import sys
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
LOG_ID = hashlib.sha256(SPKI)
ENTRIES = []


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def b64(data):
    return base64.b64encode(data).decode()


def sign(data):
    return KEY.sign(data, ec.ECDSA(hashes.SHA256()))


def logged(proposed):
    spec = proposed["spec"]
    if proposed["kind"] == "dsse":
        text = spec["proposedContent"]["envelope"]
        envelope = json.loads(text)
        sha256 = lambda data: {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
        spec = {
            "envelopeHash": sha256(text.encode()),
            "payloadHash": sha256(base64.b64decode(envelope["payload"])),
            "signatures": [
                {"signature": envelope["signatures"][0]["sig"], "verifier": spec["proposedContent"]["verifiers"][0]}
            ],
        }
    return canonical({"apiVersion": "0.0.1", "kind": proposed["kind"], "spec": spec})


def leaf(data):
    return hashlib.sha256(b"\0" + data).digest()


def root_and_proof(leaves, index):
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0], []
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    left, right = leaves[:half], leaves[half:]
    if index < half:
        near, proof = root_and_proof(left, index)
        far, _ = root_and_proof(right, 0)
        pair = near + far
    else:
        near, proof = root_and_proof(right, index - half)
        far, _ = root_and_proof(left, 0)
        pair = far + near
    return hashlib.sha256(b"\1" + pair).digest(), proof + [far]


def answer(body):
    index, at = len(ENTRIES), int(time.time())
    ENTRIES.append(leaf(body))
    root, proof = root_and_proof(ENTRIES, index)
    note = f"127.0.0.1 - 1\n{len(ENTRIES)}\n{b64(root)}\n".encode()
    promised = {"body": b64(body), "integratedTime": at, "logID": LOG_ID.hexdigest(), "logIndex": index}
    inclusion = {
        "checkpoint": note.decode() + "\n\u2014 127.0.0.1 " + b64(LOG_ID.digest()[:4] + sign(note)) + "\n",
        "hashes": [h.hex() for h in proof],
        "logIndex": index,
        "rootHash": root.hex(),
        "treeSize": len(ENTRIES),
    }
    verification = {"signedEntryTimestamp": b64(sign(canonical(promised))), "inclusionProof": inclusion}
    return {"%016x%s" % (1, leaf(body).hex()): {**promised, "verification": verification}}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        proposed = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(answer(logged(proposed))).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    port, path = sys.argv[1:]
    root = json.load(open(path))
    root["tlogs"].append(
        {
            "baseUrl": f"http://127.0.0.1:{port}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": b64(SPKI),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": "2020-01-01T00:00:00Z"},
            },
            "logId": {"keyId": b64(LOG_ID.digest())},
        }
    )
    server = http.server.HTTPServer(("127.0.0.1", int(port)), Handler)
    print(json.dumps(root), flush=True)
    sys.stdout.close()
    server.serve_forever()


main()
