#!/usr/bin/env bash
# Seaworthy against the programs that other people use, for real, on loopback.
#
#   tests/interop/live.sh [PART...]     all parts, or those named (live/NN-PART.sh)
#
# SEAWORTHY names the binary; without it, target/release and target/debug are tried. SEAWORTHY_VERIFIER names
# seaworthy-verifier with the feature `admission`, for the part `cluster`. Each part is a script
# of its own with a registry of its own; it says what it shows in its first lines. Exit 0: every check
# passed. The table at the end says which did not. Needs root (chroot, debootstrap, unshare), strace, and
# what .ci/peers installs.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)

if [ -z "${SEAWORTHY-}" ]; then
  target=${CARGO_TARGET_DIR:-$root/target}
  for candidate in "$target/release/seaworthy" "$target/debug/seaworthy"; do
    if [ -x "$candidate" ]; then
      SEAWORTHY=$candidate
      break
    fi
  done
fi
[ -n "${SEAWORTHY-}" ] || { echo 'live: no seaworthy binary: cargo build, or set SEAWORTHY' >&2; exit 2; }
SEAWORTHY=$(realpath "$SEAWORTHY")
export SEAWORTHY
eval "$("$root/.ci/peers" --env)"

# The user's own credentials, keys and settings must not change what is shown here.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
[ -z "${SEAWORTHY_VERIFIER-}" ] || { SEAWORTHY_VERIFIER=$(realpath "$SEAWORTHY_VERIFIER") && export SEAWORTHY_VERIFIER; }
# Before HOME moves: the caches lie under it.
export SEAWORTHY_PEERS=$PEERS SEAWORTHY_CLUSTER=${SEAWORTHY_CLUSTER:-$HOME/.cache/seaworthy-cluster}
for name in $(compgen -e); do
  case $name in
    SEAWORTHY | SEAWORTHY_VERIFIER | SEAWORTHY_PEERS | SEAWORTHY_CLUSTER | SEAWORTHY_SID_MIRROR) ;;
    SEAWORTHY_* | COSIGN_* | SIGSTORE_* | SYFT_* | DOCKER_CONFIG | REGISTRY_AUTH_FILE | XDG_*) unset "$name" ;;
  esac
done
export HOME=$work/home COSIGN_PASSWORD=live-test RESULTS=$work/results
mkdir -p "$HOME"
: >"$RESULTS"

parts=("$@")
if [ ${#parts[@]} = 0 ]; then
  for file in "$here"/live/[0-9]*.sh; do
    name=$(basename "$file" .sh)
    parts+=("${name#*-}")
  done
fi
for name in "${parts[@]}"; do
  file=$(compgen -G "$here/live/[0-9][0-9]-$name.sh" || true)
  [ -n "$file" ] || { printf 'live: no part %s\n' "$name" >&2; exit 2; }
  mkdir -p "$work/$name"
  started=$SECONDS
  before=$(wc -l <"$RESULTS")
  code=0
  CHECKS=$work/$name LIVE_PART=$name bash "$file" || code=$?
  if [ "$code" != 0 ]; then
    printf 'FAILED\t%s\tthe part ended early, with exit code %s\n' "$name" "$code" >>"$RESULTS"
  elif [ "$(wc -l <"$RESULTS")" = "$before" ]; then
    # A part that checks nothing shows nothing.
    printf 'FAILED\t%s\tthe part checked nothing\n' "$name" >>"$RESULTS"
  fi
  printf '%s s\n' "$((SECONDS - started))"
done

printf '\n%-45s %7s %7s\n' part passed failed
awk -F '\t' '{ seen[$2] = 1; n[$2, $1]++ } END { for (p in seen) printf "%-45s %7d %7d\n", p, n[p, "passed"], n[p, "FAILED"] }' \
  "$RESULTS" | sort
passed=$(grep -c '^passed' "$RESULTS" || true)
failed=$(grep -c '^FAILED' "$RESULTS" || true)
if [ "$failed" != 0 ]; then
  printf '\n'
  awk -F '\t' '$1 == "FAILED" { printf "FAILED  %s: %s\n", $2, $3 }' "$RESULTS"
fi
printf '\nlive: %s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
