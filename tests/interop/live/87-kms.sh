# One plugin, two programs: cosign and seaworthy sign with the same key behind sigstore-kms-drawer (our test plugin), and
# each verifies what the other made, by the plugin and by the public key. Then the same for an authority of ours
# whose keys are all with the plugin: cosign gets certificates, log entries and timestamps from it.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny

# The plugin is a program of the tests package: cargo build --workspace --bin sigstore-kms-drawer.
plugin=${DRAWER_PLUGIN:-${CARGO_TARGET_DIR:-$interop/../../target}/debug/sigstore-kms-drawer}
if [ ! -x "$plugin" ]; then
  printf 'kms: no %s: build it, or set DRAWER_PLUGIN\n' "$plugin" >&2
  exit 1
fi
mkdir bin
cp "$plugin" bin/sigstore-kms-drawer
export PATH=$TEMP/bin:$PATH DRAWER=$TEMP/drawer
cp "$interop"/../../testdata/interop/cosign-3/predicates/*.json .

part 'keys'
check 'cosign has a key made' 0 '' "$COSIGN" generate-key-pair --kms drawer://theirs --output-key-prefix theirs
check 'we have a key made' 0 'ecdsa-p256' "${sw[@]}" keygen --kms drawer://ours --output-key-prefix ours
for key in ours theirs; do
  "$COSIGN" public-key --key "drawer://$key" >"$key.cosign" 2>/dev/null
  "${sw[@]}" public-key --key "drawer://$key" >"$key.seaworthy"
  same "$key: both print the same public key" "$(cat "$key.cosign")" "$(cat "$key.seaworthy")"
  same "$key: it is the one that was written" "$(cat "$key.pub")" "$(cat "$key.seaworthy")"
done

for key in ours theirs; do
  part "images, key $key"
  push_layout tiny image "cosign-$key"
  ref=$REG/cosign-$key@$(digest_of "$REG/cosign-$key:image")
  check 'cosign signs' 0 '' "${cosign_sign[@]}" --key "drawer://$key" "$ref"
  check 'cosign attests' 0 '' "${cosign_attest[@]}" --key "drawer://$key" --type spdxjson --predicate spdx.json "$ref"
  check 'we verify, by the public key' 0 '"decision": ?"allow"' "${sw[@]}" verify --key "$key.pub" --type spdx --output json "$ref"
  check 'we verify, by the plugin' 0 '"decision": ?"allow"' "${sw[@]}" verify --key "drawer://$key" --output json "$ref"
  check 'we sign the same: nothing is added' 0 'present' "${sw[@]}" sign --key "drawer://$key" "$ref"

  push_layout tiny image "ours-$key"
  ref=$REG/ours-$key@$(digest_of "$REG/ours-$key:image")
  check 'we sign' 0 'added' "${sw[@]}" sign --key "drawer://$key" "$ref"
  check 'we attest' 0 'added' "${sw[@]}" attest --key "drawer://$key" --type spdx --predicate spdx.json "$ref"
  check 'cosign verifies, by the plugin' 0 "$bundle_signature" "${cosign_verify[@]}" "drawer://$key" "$ref"
  check 'cosign verifies, by the public key' 0 "$bundle_signature" "${cosign_verify[@]}" "$key.pub" "$ref"
  check 'cosign verifies the attestation' 0 '"payload"' "${cosign_verify_attestation[@]}" "drawer://$key" --type spdxjson "$ref"
  check 'legacy: we sign' 0 'added' "${sw[@]}" sign --signature-format legacy --key "drawer://$key" "$ref"
  check 'legacy: cosign verifies, by the plugin' 0 "$legacy_signature" "${cosign_verify[@]}" "drawer://$key" $legacy "$ref"
done
check 'another key is refused' 1 '"decision": ?"deny"' "${sw[@]}" verify --key drawer://ours --output json "$REG/ours-theirs:image"

part 'files, every kind of key'
printf 'some file\n' >file
blob=("$COSIGN" sign-blob --yes --use-signing-config=false --tlog-upload=false)
for kind in p256 p384 p521 rsa-2048; do
  check "$kind: made" 0 '' "${sw[@]}" keygen --kms "drawer://$kind" --kms-algorithm "$kind" --output-key-prefix "$kind"
  check "$kind: we sign" 0 '' "${sw[@]}" sign-blob --key "drawer://$kind" --bundle "$kind.ours" file
  check "$kind: cosign verifies, by the plugin" 0 'Verified OK' "$COSIGN" verify-blob --private-infrastructure --key "drawer://$kind" --bundle "$kind.ours" file
  check "$kind: cosign signs" 0 '' "${blob[@]}" --key "drawer://$kind" --bundle "$kind.theirs" file
  check "$kind: we verify, by the public key" 0 '' "${sw[@]}" verify-blob --key "$kind.pub" --bundle "$kind.theirs" file
  check "$kind: another file is refused" 1 '' "${sw[@]}" verify-blob --key "$kind.pub" --bundle "$kind.theirs" spdx.json
done
# cosign makes no bundle with an Ed25519 key (README.md); ours it verifies.
check 'ed25519: made' 0 '' "${sw[@]}" keygen --kms drawer://ed --kms-algorithm ed25519 --output-key-prefix ed
check 'ed25519: we sign' 0 '' "${sw[@]}" sign-blob --key drawer://ed --bundle ed.ours file
check 'ed25519: cosign verifies, by the plugin' 0 'Verified OK' "$COSIGN" verify-blob --private-infrastructure --key drawer://ed --bundle ed.ours file

part 'a plugin that lies'
push_layout tiny image lied
export DRAWER_MISBEHAVES=wrong-signature DRAWER_ONLY_SIGNING=1
check 'it is refused' 5 'does not verify with the public key' "${sw[@]}" sign --key drawer://ours "$REG/lied:image"
unset DRAWER_MISBEHAVES DRAWER_ONLY_SIGNING
check 'nothing was pushed' 1 'signature-missing' "${sw[@]}" verify --key ours.pub --output json "$REG/lied:image"

part 'an authority whose keys are with the plugin'
url=http://127.0.0.1:$(free_port)
who=dev@example.org
identity=(--certificate-identity "$who" --certificate-oidc-issuer "$url")
trust=(--trusted-root authority/trusted_root.json)
check 'init' 0 'trusted_root.json' "${sw[@]}" authority init --dir authority --url "$url" --kms drawer://sigstore
same 'no key is in a file of the authority' '' "$(find authority -name '*.key')"
start_authority authority "$url"
"${sw[@]}" authority token --dir authority --subject "$who" >token
check 'cosign sign-blob' 0 'Wrote bundle' "$COSIGN" sign-blob --yes --signing-config authority/signing_config.json "${trust[@]}" --identity-token token --bundle blob.json file
check 'cosign verify-blob' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle blob.json file
check 'we verify it' 0 '' "${sw[@]}" verify-blob "${trust[@]}" "${identity[@]}" --bundle blob.json file
push_layout tiny image kept
ref=$REG/kept@$(digest_of "$REG/kept:image")
check 'we sign an image' 0 'added' "${sw[@]}" sign --trust-config authority/client_trust_config.json --identity-token token "$ref"
check 'cosign verifies it' 0 "$bundle_signature" "$COSIGN" verify --output json "${trust[@]}" "${identity[@]}" "$ref"
