#!/usr/bin/env python3
"""Signings against an authority by many clients at once, with SIGKILL in between if asked for.

    load.py SEAWORTHY [--clients 50] [--signings 1000] [--kills 0]

A signing is what a client of Sigstore does: a token (one for all), a fresh key, a certificate, a log entry and a
timestamp, each in a request of its own. Printed are p50 and p99 of a whole signing (with the client's own work, in
Python), and, at the end, whether every acknowledged entry is in the log under the newest checkpoint and every
checkpoint that a client saw is consistent with it. Needs python3 with `cryptography`, which sigstore-python brings.
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

WHO = "load@example.org"
b64 = lambda data: base64.b64encode(data).decode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, seaworthy, folder):
        self.seaworthy, self.folder, self.port = seaworthy, folder, free_port()
        self.run("init", "--dir", folder, "--url", f"http://127.0.0.1:{self.port}")
        self.start()

    def run(self, *words):
        return subprocess.run(
            [self.seaworthy, "authority", *words], check=True, capture_output=True, text=True, env=ENV
        ).stdout

    def start(self):
        self.process = subprocess.Popen(
            [self.seaworthy, "authority", "serve", "--quiet", "--dir", self.folder, "--listen", f"127.0.0.1:{self.port}"],
            env=ENV,
        )
        for _ in range(600):
            try:
                if get(self.port, "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("the authority does not come up")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def sign(connection, token, n):
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    mine = lambda data: key.sign(data, ec.ECDSA(hashes.SHA256()))

    def post(path, body, wanted):
        connection.request("POST", path, body)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != wanted:
            raise OSError(f"{path}: {answer.status} {data[:200]}")
        return data

    request = {
        "credentials": {"oidcIdentityToken": token},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": der.decode()},
            "proofOfPossession": b64(mine(WHO.encode())),
        },
    }
    chain = json.loads(post("/api/v2/signingCert", json.dumps(request), 200))
    leaf = chain["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
    leaf = "".join(line for line in leaf.splitlines() if not line.startswith("-"))
    artifact = f"artifact {n}".encode()
    signature = mine(artifact)
    stamp = bytes.fromhex("3037020101302f300b06096086480165030402010420")
    post("/api/v1/timestamp", stamp + hashlib.sha256(signature).digest() + b"\x01\x01\xff", 200)
    verifier = {"x509Certificate": {"rawBytes": leaf}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    request = {
        "hashedRekordRequestV002": {
            "digest": b64(hashlib.sha256(artifact).digest()),
            "signature": {"content": b64(signature), "verifier": verifier},
        }
    }
    return json.loads(post("/api/v2/log/entries", json.dumps(request), 201))


# The tree of RFC 6962, written down here once more: this program must not believe the authority's own code.
def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


class Roots:
    """The root over any number of first leaves, with a memory of complete subtrees."""

    def __init__(self, leaves):
        self.leaves, self.known = leaves, {}

    def over(self, begin, end):
        if end - begin == 1:
            return self.leaves[begin]
        if (begin, end) not in self.known:
            middle = begin + (1 << (end - begin - 1).bit_length() - 1)
            both = b"\1" + self.over(begin, middle) + self.over(middle, end)
            self.known[begin, end] = hashlib.sha256(both).digest()
        return self.known[begin, end]


def published(port):
    size = int(get(port, "/api/v2/checkpoint")[1].split(b"\n")[1])
    entries = []
    for tile in range((size + 255) // 256):
        width = min(256, size - tile * 256)
        groups = f"{tile:03}" if tile < 1000 else f"x{tile // 1000:03}/{tile % 1000:03}"
        status, data = get(port, f"/api/v2/tile/entries/{groups}" + (f".p/{width}" if width < 256 else ""))
        assert status == 200, status
        while data:
            length = int.from_bytes(data[:2], "big")
            entries.append(data[2 : 2 + length])
            data = data[2 + length :]
    assert len(entries) == size
    return entries


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("seaworthy")
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--signings", type=int, default=1000)
    options.add_argument("--kills", type=int, default=0)
    options = options.parse_args()

    with tempfile.TemporaryDirectory() as temp:
        server = Server(options.seaworthy, os.path.join(temp, "authority"))
        token = server.run("token", "--dir", server.folder, "--subject", WHO, "--seconds", "86400")
        times, answers, failed, lock = [], [], [0], threading.Lock()
        numbers = iter(range(options.signings))

        def client():
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            while True:
                with lock:
                    n = next(numbers, None)
                if n is None:
                    return
                while True:
                    begun = time.monotonic()
                    try:
                        answer = sign(connection, token, n)
                        break
                    except (OSError, http.client.HTTPException):
                        connection.close()
                        with lock:
                            failed[0] += 1
                        time.sleep(0.1)
                with lock:
                    times.append(time.monotonic() - begun)
                    answers.append(answer)

        begun = time.monotonic()
        clients = [threading.Thread(target=client) for _ in range(options.clients)]
        for thread in clients:
            thread.start()
        for kill in range(options.kills):
            while len(times) < options.signings * (kill + 1) // (options.kills + 1):
                time.sleep(0.01)
            server.kill()
        for thread in clients:
            thread.join()
        took = time.monotonic() - begun

        entries = published(server.port)
        roots = Roots([leaf_hash(entry) for entry in entries])
        missing = wrong = 0
        for answer in answers:
            proof = answer["inclusionProof"]
            index, size = int(answer["logIndex"]), int(proof["treeSize"])
            missing += index >= len(entries) or b64(entries[index]) != answer["canonicalizedBody"]
            # Consistent: the root that the client saw is the root over the same leaves of today's log.
            wrong += size > len(entries) or b64(roots.over(0, size)) != proof["rootHash"]
        server.process.terminate()
        server.process.wait()

    times.sort()
    at = lambda share: 1000 * times[min(len(times) - 1, int(len(times) * share))]
    print(
        f"{len(times)} signings, {options.clients} clients, {options.kills} kills: {took:.1f} s, "
        f"p50 {at(0.5):.0f} ms, p99 {at(0.99):.0f} ms, {failed[0]} attempts repeated; "
        f"{len(entries)} entries, {missing} acknowledged and missing, {wrong} checkpoints inconsistent"
    )
    return 1 if missing or wrong or len(times) != options.signings else 0


ENV = {**os.environ, "COSIGN_PASSWORD": "load"}
if __name__ == "__main__":
    sys.exit(main())
