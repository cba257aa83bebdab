#!/usr/bin/env bash
# Asks skopeo, and so the library that podman and CRI-O share, to accept one image and refuse another.
#
#   tests/interop/skopeo_policy.sh REF_SIGNED REF_UNSIGNED PUBKEY
#
# References are 127.0.0.1:PORT/NAME:TAG or @DIGEST of a registry that is running; PUBKEY is a PEM file. The
# policy rejects all but images of that registry with a legacy cosign signature (`sha256-<hex>.sig`) by
# PUBKEY. Exit 0: the signed one was copied, with its signature, and the unsigned one refused for lack of a
# signature. Exit 1: anything else, with skopeo's words. Needs root: skopeo runs in a chroot.
set -euo pipefail

[ $# = 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
signed=$1 unsigned=$2 pubkey=$3
here=$(cd "$(dirname "$0")" && pwd -P)
eval "$("$here/../../.ci/peers" --env)"

# A folder of our own inside the chroot, so that runs side by side do not meet.
box=$(mktemp -d "$SKOPEO_CHROOT/tmp/policy.XXXXXX")
trap 'rm -rf "$box"' EXIT
inside=${box#"$SKOPEO_CHROOT"}
registry=${signed%%/*}
mkdir "$box/registries.d"
cp "$pubkey" "$box/key.pub"

# matchRepository: cosign writes the repository without tag or digest as docker-reference, and the default
# (matchRepoDigestOrExact) refuses that, whether the image is asked for by tag or by digest.
cat >"$box/policy.json" <<JSON
{ "default": [{ "type": "reject" }],
  "transports": { "docker": { "$registry": [{
    "type": "sigstoreSigned", "keyPath": "$inside/key.pub",
    "signedIdentity": { "type": "matchRepository" } }] } } }
JSON
# Without this line signatures are not even looked for, and every image is refused as unsigned.
cat >"$box/registries.d/loopback.yaml" <<YAML
docker:
  $registry:
    use-sigstore-attachments: true
YAML

# To dir:, because skopeo cannot store signatures in an OCI layout and fails over it (`oci:`).
copy() { # REF NAME
  env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$SKOPEO_CHROOT" skopeo \
    --policy "$inside/policy.json" --registries.d "$inside/registries.d" \
    copy --src-tls-verify=false "docker://$1" "dir:$inside/$2"
}

if ! said=$(copy "$signed" signed 2>&1); then
  printf 'skopeo_policy: the signed image was refused: %s\n%s\n' "$signed" "$said" >&2
  exit 1
fi
if [ ! -s "$box/signed/signature-1" ]; then
  printf 'skopeo_policy: %s was accepted, but no signature was copied\n' "$signed" >&2
  exit 1
fi
printf 'accepted: %s\n' "$signed"
if said=$(copy "$unsigned" unsigned 2>&1); then
  printf 'skopeo_policy: the unsigned image was accepted: %s\n' "$unsigned" >&2
  exit 1
fi
# Refused, but for which reason? A registry that did not answer is no refusal.
case $said in
  *'Source image rejected: '*) printf 'refused: %s: %s\n' "$unsigned" "$(sed 's/"$//' <<<"${said##*Source image rejected: }")" ;;
  *)
    printf 'skopeo_policy: the unsigned image failed for another reason: %s\n%s\n' "$unsigned" "$said" >&2
    exit 1
    ;;
esac
