#!/usr/bin/env python3
"""Takes the predicate out of what `cosign verify-attestation` printed.

    attested.py COSIGN_OUTPUT DIGEST >predicate.json

COSIGN_OUTPUT holds one DSSE envelope a line. Fails unless exactly one statement is there and its subject is
DIGEST. cosign has checked the signature; that this script reads cosign's answer, and not ours, is the point.
"""

import base64
import json
import sys


def main(path, digest):
    with open(path) as f:
        envelopes = [json.loads(line) for line in f if line.startswith("{")]
    if len(envelopes) != 1:
        raise SystemExit(f"{len(envelopes)} attestations, wanted one")
    statement = json.loads(base64.b64decode(envelopes[0]["payload"], validate=True))
    subjects = [s["digest"].get("sha256") for s in statement["subject"]]
    if subjects != [digest.removeprefix("sha256:")]:
        raise SystemExit(f"the subject is {subjects}, wanted {digest}")
    json.dump(statement["predicate"], sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
