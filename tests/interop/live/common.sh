# What every part needs; live.sh has exported the rest. Source it first.
# shellcheck shell=bash
set -euo pipefail
live_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
interop=$(dirname "$live_dir")
. "$interop/lib.sh"
. "$interop/check.sh"
make_temp
cd "$TEMP"

# check runs programs, not shell functions (timeout stands in between), hence arrays: "${sw[@]}" verify …
sw=("$SEAWORTHY")
# cosign without any log or trust root: no network is needed, and none is tried.
cosign_sign=("$COSIGN" sign --yes --use-signing-config=false --tlog-upload=false)
cosign_attest=("$COSIGN" attest --yes --use-signing-config=false --tlog-upload=false)
cosign_verify=("$COSIGN" verify --insecure-ignore-tlog --output json --key)
cosign_verify_attestation=("$COSIGN" verify-attestation --insecure-ignore-tlog --key)
legacy=--new-bundle-format=false

# `cosign verify` takes an attestation bundle for a signature (README.md), so its exit code alone does not
# show that there is one. These are what its JSON says of a signature in either format.
bundle_signature='"type": ?"https://sigstore.dev/cosign/sign/v1"'
legacy_signature='"type": ?"cosign container image signature"'

# A key pair by keygen: PREFIX.key and PREFIX.pub, password from COSIGN_PASSWORD.
our_keys() { # PREFIX
  "$SEAWORTHY" keygen --quiet --output-key-prefix "$1" >/dev/null
}

# The policy that a release is measured by: signed, and with an SBOM for each platform, by one key.
write_policy() { # FILE KEY.PUB (a path relative to FILE)
  cat >"$1" <<YAML
apiVersion: seaworthy.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: live
spec:
  images: ["**"]
  authorities:
    - name: release
      keys:
        - path: $2
  signatures:
    - by: [release]
  sbom:
    by: [release]
YAML
}

# sigstore-python's folder: beside the program lies a Python that has its libraries.
sigstore_venv=${SIGSTORE%/bin/*}

# A server of the authority in DIR, at URL; sets authority_pid, and ends with the part. Returns when it can write, and
# ends the part, with the server's words, where it never can: a check against nobody would fail for the wrong reason.
start_authority() { # DIR URL
  "$SEAWORTHY" authority serve --dir "$1" --listen "${2#http://}" 2>"$TEMP/$1.log" &
  authority_pid=$!
  interop_pids+=("$authority_pid")
  for _ in {1..200}; do
    curl -fsS --noproxy '*' -m 2 -o /dev/null "$2/readyz" 2>/dev/null && return 0
    kill -0 "$authority_pid" 2>/dev/null || break
    sleep 0.05
  done
  cat "$TEMP/$1.log" >&2
  return 1
}
