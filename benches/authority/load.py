#!/usr/bin/env python3
"""Signings against an authority by many clients at once, with SIGKILL of the authority in between if asked for.

    load.py SEAWORTHY [--clients 50] [--signings 10000] [--kills 10]

A signing is what a client of Sigstore does: a certificate, a log entry and a timestamp, each a request on the wire.
Keys, proofs, signatures and the bodies of requests are made before the clock starts, so that the authority is what is
measured. A request that broke is made again until it is answered. Then logs.py, which shares no code with the
authority, looks at everything that was acknowledged and at every checkpoint that anybody saw. Exit code 1 where
something is missing, doubled or contradicts what was said before. Needs python3 with `cryptography`, which
sigstore-python brings.
"""

import argparse
import base64
import hashlib
import http.client
import json
import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import logs

WHO = "load@example.org"
# Processes that clients share: Python runs one thread at a time.
PROCESSES = 5
STEPS = ("certificate", "entry", "timestamp")
PATHS = {"certificate": "/api/v2/signingCert", "entry": "/api/v2/log/entries", "timestamp": "/api/v1/timestamp"}
WANTED = {"certificate": 200, "entry": 201, "timestamp": 200}
ENV = {**os.environ, "COSIGN_PASSWORD": "load"}


def b64(data):
    return base64.b64encode(data).decode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, seaworthy, folder):
        self.seaworthy, self.folder, self.port = seaworthy, folder, free_port()
        self.processor = 0.0
        self.run("init", "--dir", folder, "--url", f"http://127.0.0.1:{self.port}")
        self.start()

    def run(self, *words):
        return subprocess.run(
            [self.seaworthy, "authority", *words], check=True, capture_output=True, text=True, env=ENV
        ).stdout

    def start(self):
        listen = f"127.0.0.1:{self.port}"
        words = [self.seaworthy, "authority", "serve", "--quiet", "--dir", self.folder, "--listen", listen]
        self.process = subprocess.Popen(words, env=ENV)
        for _ in range(1200):
            try:
                if logs.get(self.port, "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        sys.exit("the authority does not come up")

    def count(self):
        """Adds up what the process has used; the last moment before its end is not in it."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        self.processor += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.count()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()


def prepare(token, n):
    """Everything of signing number n that does not depend on an answer."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
    artifact = f"artifact {n}".encode()
    signature = key.sign(artifact, ec.ECDSA(hashes.SHA256()))
    request = {
        "credentials": {"oidcIdentityToken": token},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": pem},
            "proofOfPossession": b64(key.sign(WHO.encode(), ec.ECDSA(hashes.SHA256()))),
        },
    }
    verifier = {"x509Certificate": {"rawBytes": "LEAF"}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    entry = {
        "hashedRekordRequestV002": {
            "digest": b64(hashlib.sha256(artifact).digest()),
            "signature": {"content": b64(signature), "verifier": verifier},
        }
    }
    stamp = bytes.fromhex("3037020101302f300b06096086480165030402010420")
    stamp += hashlib.sha256(signature).digest() + b"\x01\x01\xff"
    return {"certificate": json.dumps(request), "entry": json.dumps(entry), "timestamp": stamp}


def sign(post, work):
    chain = json.loads(post("certificate", work["certificate"]))
    leaf = chain["signedCertificateEmbeddedSct"]["chain"]["certificates"][0]
    raw = "".join(line for line in leaf.splitlines() if not line.startswith("-"))
    entry = post("entry", work["entry"].replace("LEAF", raw))
    post("timestamp", work["timestamp"])
    return leaf, entry


def process(port, token, numbers, threads, gate, done, path):
    work = [prepare(token, n) for n in numbers]
    times, answers, repeated, lock = {step: [] for step in STEPS}, [], [0], threading.Lock()

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def post(step, body):
            while True:
                begun = time.monotonic()
                try:
                    connection.request("POST", PATHS[step], body)
                    answer = connection.getresponse()
                    data = answer.read()
                    if answer.status != WANTED[step]:
                        raise OSError(f"{answer.status} {data[:200]}")
                    times[step].append(time.monotonic() - begun)
                    return data
                except (OSError, http.client.HTTPException):
                    connection.close()
                    with lock:
                        repeated[0] += 1
                    time.sleep(0.05)

        while True:
            with lock:
                if not work:
                    return
                mine = work.pop()
            answers.append(sign(post, mine))
            with done.get_lock():
                done.value += 1

    gate.wait()
    clients = [threading.Thread(target=client) for _ in range(threads)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    with open(path, "wb") as out:
        pickle.dump((times, answers, repeated[0]), out)


def watch(port, stop, seen):
    """Every checkpoint that a stranger would see."""
    while not stop.is_set():
        for log, path in logs.CHECKPOINTS.items():
            try:
                status, text = logs.get(port, path)
            except (OSError, http.client.HTTPException):
                continue
            if status == 200:
                seen[log].add(text.decode())
        time.sleep(0.02)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("seaworthy")
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--signings", type=int, default=10000)
    options.add_argument("--kills", type=int, default=10)
    options = options.parse_args()

    with tempfile.TemporaryDirectory() as temp:
        server = Server(os.path.realpath(options.seaworthy), os.path.join(temp, "authority"))
        token = server.run("token", "--dir", server.folder, "--subject", WHO, "--seconds", "86400")
        gate, done = multiprocessing.Barrier(PROCESSES + 1), multiprocessing.Value("q", 0)
        paths = [os.path.join(temp, f"answers-{n}") for n in range(PROCESSES)]
        workers = []
        for n, path in enumerate(paths):
            threads = len(range(n, options.clients, PROCESSES))
            mine = range(n, options.signings, PROCESSES)
            arguments = (server.port, token, mine, threads, gate, done, path)
            workers.append(multiprocessing.Process(target=process, args=arguments))
            workers[-1].start()
        stop, seen = threading.Event(), {log: set() for log in logs.CHECKPOINTS}
        watcher = threading.Thread(target=watch, args=(server.port, stop, seen))
        gate.wait()
        watcher.start()
        begun = time.monotonic()
        for kill in range(options.kills):
            while done.value < options.signings * (kill + 1) // (options.kills + 1):
                time.sleep(0.005)
            server.kill()
        for worker in workers:
            worker.join()
        took = time.monotonic() - begun
        stop.set()
        watcher.join()
        server.count()

        times, answers, repeated = {step: [] for step in STEPS}, [], 0
        for path in paths:
            with open(path, "rb") as file:
                some, more, again = pickle.load(file)
            for step in STEPS:
                times[step] += some[step]
            answers += more
            repeated += again
        print(
            f"{len(answers)} signings, {options.clients} clients, {options.kills} kills: {took:.1f} s, "
            f"{len(answers) / took:.0f} signings a second, {repeated} requests repeated, "
            f"{1000 * server.processor / len(answers):.2f} ms of the authority's processor time a signing"
        )
        for step in STEPS:
            ordered = sorted(times[step])
            at = lambda share: 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]
            print(f"{step:12} p50 {at(0.5):7.1f} ms   p99 {at(0.99):7.1f} ms   worst {at(1):7.1f} ms")
        wrong = logs.check(server.port, server.folder, answers, seen)
        if len(answers) != options.signings:
            wrong.append("not every signing was answered")
        server.process.terminate()
        server.process.wait()
    for line in wrong[:20]:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
