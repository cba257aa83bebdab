# A real Debian root file system, pushed to a real registry: released, verified, and its inventory the same
# as dpkg's own list; then the same for an index of two platforms, each of them signed and inventoried.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$interop/debian_rootfs.sh" --index "$TEMP/debian" >/dev/null
our_keys release
write_policy policy.yaml release.pub

part 'one platform'
push_layout debian image debian
ref=$REG/debian:image
digest=$(digest_of "$ref")
check 'nothing is attached yet: denied' 1 'signature-missing' "${sw[@]}" verify --policy policy.yaml "$ref" --output json
check 'release' 0 'allow' "${sw[@]}" release "$ref" --key release.key --policy policy.yaml
check 'verify by the policy' 0 '"decision": ?"allow"' "${sw[@]}" verify --policy policy.yaml "$ref" --output json
check 'verify by digest, by the key' 0 '' "${sw[@]}" verify --key release.pub --type spdx "$REG/debian@$digest"
check 'cosign finds the attested SBOM' 0 '' "${cosign_verify_attestation[@]}" release.pub --type spdxjson "$ref"
cp "$OUT" envelope.json
check '… about this digest' 0 '' "$PEERS_PY" "$interop/attested.py" envelope.json "$digest"
cp "$OUT" attested.json
check 'its packages are those of dpkg' 0 '' "$PEERS_PY" "$interop/same_packages.py" attested.json debian.dpkg.tsv
cat "$OUT"

before=$("$CRANE" manifest --insecure "$REG/debian:${digest/:/-}")
check 'release once more' 0 'allow' "${sw[@]}" release "$ref" --key release.key --policy policy.yaml
same '… adds nothing' "$before" "$("$CRANE" manifest --insecure "$REG/debian:${digest/:/-}")"

part 'two platforms'
push_layout debian index fleet
ref=$REG/fleet:index
index=$(digest_of "$ref")
check 'release' 0 'allow' "${sw[@]}" release "$ref" --key release.key --policy policy.yaml
check 'verify' 0 '"decision": ?"allow"' "${sw[@]}" verify --policy policy.yaml "$ref" --output json
check 'the index is signed' 0 "$bundle_signature" "${cosign_verify[@]}" release.pub "$REG/fleet@$index"
children=$("$CRANE" manifest --insecure "$ref" | "$PEERS_PY" -c 'import json, sys
for m in json.load(sys.stdin)["manifests"]: print(m["platform"]["architecture"], m["digest"])')
same 'there are two platforms' 2 "$(wc -l <<<"$children")"
while read -r arch digest; do
  child=$REG/fleet@$digest
  check "$arch is signed" 0 "$bundle_signature" "${cosign_verify[@]}" release.pub "$child"
  check "$arch is verified alone" 0 '' "${sw[@]}" verify --policy policy.yaml "$child"
  check "$arch is verified as a platform" 0 '' "${sw[@]}" verify --policy policy.yaml --platform "linux/$arch" "$ref"
  check "$arch has its SBOM" 0 '' "${cosign_verify_attestation[@]}" release.pub --type spdxjson "$child"
  cp "$OUT" envelope.json
  check '… about this digest' 0 '' "$PEERS_PY" "$interop/attested.py" envelope.json "$digest"
  cp "$OUT" "attested-$arch.json"
  check '… with the packages of dpkg' 0 '' "$PEERS_PY" "$interop/same_packages.py" "attested-$arch.json" debian.dpkg.tsv
done <<<"$children"
before=$("$CRANE" ls --insecure "$REG/fleet"; "$CRANE" manifest --insecure "$REG/fleet:${index/:/-}")
check 'release once more' 0 'allow' "${sw[@]}" release "$ref" --key release.key --policy policy.yaml
same '… adds nothing' "$before" "$("$CRANE" ls --insecure "$REG/fleet"; "$CRANE" manifest --insecure "$REG/fleet:${index/:/-}")"
