# What cosign writes, we verify: signatures and attestations, bundles and legacy tags, with a key of cosign's
# and with one of ours. Never is one kind taken for the other.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny
cp "$interop"/../../testdata/interop/cosign-3/predicates/*.json .
our_keys ours
"$COSIGN" generate-key-pair --output-key-prefix theirs >/dev/null 2>&1 </dev/null
our_keys other

for key in ours theirs; do
  for form in bundle legacy; do
    part "$form, key $key"
    flags=(--key "$key.key")
    [ "$form" = bundle ] || flags+=($legacy)
    name=writes-$form-$key
    push_layout tiny image "$name"
    ref=$REG/$name@$(digest_of "$REG/$name:image")
    check 'unsigned: denied' 1 'signature-missing' "${sw[@]}" verify --key "$key.pub" --output json "$ref"

    check 'cosign attest SPDX' 0 '' "${cosign_attest[@]}" "${flags[@]}" --type spdxjson --predicate spdx.json "$ref"
    check 'an attestation is no signature: denied' 1 'signature-missing' "${sw[@]}" verify --key "$key.pub" --output json "$ref"
    check 'cosign sign' 0 '' "${cosign_sign[@]}" "${flags[@]}" "$ref"
    check 'verify the signature' 0 '"decision": ?"allow"' "${sw[@]}" verify --key "$key.pub" --output json "$ref"
    check 'verify signature and SPDX' 0 '' "${sw[@]}" verify --key "$key.pub" --type spdx "$ref"
    check 'no CycloneDX there: denied' 1 'attestation-missing' "${sw[@]}" verify --key "$key.pub" --type cyclonedx --output json "$ref"
    check 'cosign attest CycloneDX' 0 '' "${cosign_attest[@]}" "${flags[@]}" --type cyclonedx --predicate cyclonedx.json "$ref"
    check 'verify all three' 0 '' "${sw[@]}" verify --key "$key.pub" --type spdx --type cyclonedx "$ref"
    check 'another key: denied' 1 'signature-untrusted|unknown-signer' "${sw[@]}" verify --key other.pub --output json "$ref"
    check 'tree shows them' 0 'spdx\.dev/Document' "${sw[@]}" tree --key "$key.pub" --output json "$ref"
    check 'inspect finds the SBOM' 0 'zlib1g' "${sw[@]}" inspect --key "$key.pub" --packages "$ref"
  done
done

part 'side by side'
# Both write the same fallback tag: neither may lose what the other wrote.
push_layout tiny image shared
ref=$REG/shared:image
check 'cosign signs' 0 '' "${cosign_sign[@]}" --key theirs.key "$ref"
check 'we sign' 0 '' "${sw[@]}" sign --key ours.key "$ref"
check 'cosign attests' 0 '' "${cosign_attest[@]}" --key theirs.key --type spdxjson --predicate spdx.json "$ref"
check 'cosign verify: its own' 0 "$bundle_signature" "${cosign_verify[@]}" theirs.pub "$ref"
check 'cosign verify: ours' 0 "$bundle_signature" "${cosign_verify[@]}" ours.pub "$ref"
check 'we verify: cosign'"'"'s' 0 '' "${sw[@]}" verify --key theirs.pub --type spdx "$ref"
check 'we verify: our own' 0 '' "${sw[@]}" verify --key ours.pub "$ref"
check 'legacy: cosign signs' 0 '' "${cosign_sign[@]}" $legacy --key theirs.key "$ref"
check 'legacy: we sign' 0 '' "${sw[@]}" sign --signature-format legacy --key other.key "$ref"
check 'legacy: cosign verify, its own' 0 "$legacy_signature" "${cosign_verify[@]}" theirs.pub $legacy "$ref"
check 'legacy: cosign verify, ours' 0 "$legacy_signature" "${cosign_verify[@]}" other.pub $legacy "$ref"

part 'an index, recursively'
push_layout tiny index writes-index
ref=$REG/writes-index:index
check 'cosign sign --recursive' 0 '' "${cosign_sign[@]}" --key theirs.key --recursive "$ref"
check 'verify the index and its platforms' 0 '"decision": ?"allow"' "${sw[@]}" verify --key theirs.pub --output json "$ref"
for arch in amd64 arm64; do
  check "verify linux/$arch" 0 '' "${sw[@]}" verify --key theirs.pub --platform "linux/$arch" "$ref"
done
