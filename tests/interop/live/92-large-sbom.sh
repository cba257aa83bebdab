# An SBOM of 20 MB, 36,000 packages: attested, pushed to a registry, verified and inspected, with a key,
# with a key and a log, and with an identity; and an image with so many packages through `release`. The peak memory of
# each step is printed.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny
our_keys release
url=http://127.0.0.1:$(free_port)
who=dev@example.org
"${sw[@]}" authority init --dir authority --url "$url" >/dev/null
start_authority authority "$url"
"${sw[@]}" authority token --dir authority --subject "$who" >token
services=(--signing-config authority/signing_config.json --trusted-root authority/trusted_root.json)
trust=(--trusted-root authority/trusted_root.json)

measured() { # TITLE EXIT REGEX COMMAND...: a check that prints the peak of its memory
  local title=$1 code=$2 regex=$3
  shift 3
  check "$title" "$code" "$regex" /usr/bin/time -o "$TEMP/time" -f '%M' "$@"
  awk -v t="$title" '/^[0-9]+$/ { printf "        %-40s %6.1f MB\n", t, $1 * 1024 / 1e6 }' "$TEMP/time"
}

for way in key key-and-log identity; do
  part "$way"
  push_layout tiny image "large-$way"
  ref=$REG/large-$way@$(digest_of "$REG/large-$way:image")
  "$PEERS_PY" "$interop/large_sbom.py" 20 sbom.json "${ref#*@}" >/dev/null
  case $way in
    key) by=(--key release.key) known=(--key release.pub) ;;
    key-and-log) by=(--key release.key "${services[@]}") known=(--key release.pub "${trust[@]}" --transparency required) ;;
    identity)
      by=(--identity-token token "${services[@]}")
      known=("${trust[@]}" --certificate-identity "$who" --certificate-oidc-issuer "$url")
      ;;
  esac
  check 'sign' 0 '' "${sw[@]}" sign "${by[@]}" "$ref"
  measured "attest, $way" 0 '' "${sw[@]}" attest "${by[@]}" --type spdx --predicate sbom.json "$ref"
  measured "verify, $way" 0 'allowed' "${sw[@]}" verify "${known[@]}" --type spdx "$ref"
  measured "inspect, $way" 0 'packages' "${sw[@]}" inspect "${known[@]}" "$ref"
  check 'another signer: denied' 1 'denied' "${sw[@]}" verify --key <(openssl genpkey -algorithm ed25519 2>/dev/null | openssl pkey -pubout 2>/dev/null) --type spdx "$ref"
done
part 'release'
"$PEERS_PY" "$interop/many_packages.py" many 12500
write_policy release.yaml release.pub
for way in key identity; do
  case $way in
    key) by=(--key release.key) known=(--key release.pub) ;;
    identity)
      by=(--identity-token token "${services[@]}")
      known=("${trust[@]}" --certificate-identity "$who" --certificate-oidc-issuer "$url")
      ;;
  esac
  to=$REG/many-$way:1.0
  measured "release, $way" 0 'released' "${sw[@]}" release "${by[@]}" oci:many --to "$to"
  measured "verify what was released, $way" 0 'allowed' "${sw[@]}" verify "${known[@]}" --type spdx "$to"
  check "inspect, $way" 0 '12500 ' "${sw[@]}" inspect "${known[@]}" "$to"
done
check 'by a policy that wants the SBOM' 0 'allowed' "${sw[@]}" verify --policy release.yaml "$REG/many-key:1.0"
"${sw[@]}" sbom -o spdx-json=many.json oci:many 2>/dev/null
same 'its SBOM: twenty megabytes indeed' yes "$([ "$(stat -c %s many.json)" -gt 20000000 ] && echo yes)"
same 'twenty megabytes indeed' yes "$([ "$(stat -c %s sbom.json)" -gt 20000000 ] && echo yes)"
