# What we write, cosign accepts: signatures and attestations, bundles and legacy tags, with a key of ours and
# with a key that cosign made.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny
cp "$interop"/../../testdata/interop/cosign-3/predicates/*.json .
our_keys ours
"$COSIGN" generate-key-pair --output-key-prefix theirs >/dev/null 2>&1 </dev/null
our_keys other

for key in ours theirs; do
  for form in bundle legacy both; do
    part "$form, key $key"
    name=reads-$form-$key
    push_layout tiny image "$name"
    ref=$REG/$name@$(digest_of "$REG/$name:image")
    write=(--key "$key.key" --signature-format "$form")
    check 'sign' 0 '' "${sw[@]}" sign "${write[@]}" "$ref"
    if [ "$form" != legacy ]; then
      check 'cosign verify' 0 "$bundle_signature" "${cosign_verify[@]}" "$key.pub" "$ref"
    fi
    if [ "$form" != bundle ]; then
      check 'cosign verify, legacy' 0 "$legacy_signature" "${cosign_verify[@]}" "$key.pub" $legacy "$ref"
    fi
    check 'attest SPDX' 0 '' "${sw[@]}" attest "${write[@]}" --type spdx --predicate spdx.json "$ref"
    check 'attest CycloneDX' 0 '' "${sw[@]}" attest "${write[@]}" --type cyclonedx --predicate cyclonedx.json "$ref"
    flags=()
    [ "$form" != legacy ] || flags=($legacy)
    check 'cosign verify-attestation, SPDX' 0 '"payload"' "${cosign_verify_attestation[@]}" "$key.pub" "${flags[@]}" --type spdxjson "$ref"
    check 'cosign verify-attestation, CycloneDX' 0 '"payload"' "${cosign_verify_attestation[@]}" "$key.pub" "${flags[@]}" --type cyclonedx "$ref"
    cp "$OUT" envelope.json
    check 'the predicate is what was attested' 0 '' "$PEERS_PY" "$interop/attested.py" envelope.json "${ref#*@}"
    same '… to the value' "$("$PEERS_PY" -m json.tool --sort-keys cyclonedx.json)" "$("$PEERS_PY" -m json.tool --sort-keys "$OUT")"
    case $form in
      bundle) listed='sigstore.dev/cosign/sign/v1' ;;
      *) listed="Signatures for an image tag: .*\.sig" ;;
    esac
    check 'cosign tree lists the signature' 0 "$listed" "$COSIGN" tree "$ref"
    case $form in
      bundle) listed='https://spdx.dev/Document' ;;
      *) listed="Attestations for an image tag: .*\.att" ;;
    esac
    check 'cosign tree lists the attestation' 0 "$listed" "$COSIGN" tree "$ref"
    check 'we verify it as well' 0 '' "${sw[@]}" verify --key "$key.pub" --type spdx --type cyclonedx "$ref"
  done
done

part 'another key'
check 'cosign refuses it (bundle)' 1 'no matching' "${cosign_verify[@]}" other.pub "$REG/reads-bundle-ours:image"
check 'cosign refuses it (legacy)' 12 'no matching signatures' "${cosign_verify[@]}" other.pub $legacy "$REG/reads-legacy-ours:image"

part 'an index, recursively'
push_layout tiny index reads-index
ref=$REG/reads-index:index
check 'sign --recursive' 0 '' "${sw[@]}" sign --key ours.key --signature-format both --recursive "$ref"
digests=$(digest_of "$ref"; "$CRANE" manifest --insecure "$ref" | "$PEERS_PY" -c 'import json, sys
for m in json.load(sys.stdin)["manifests"]: print(m["digest"])')
same 'the index and its two images' 3 "$(wc -l <<<"$digests")"
for digest in $digests; do
  check "cosign verify ${digest:7:12}" 0 "$bundle_signature" "${cosign_verify[@]}" ours.pub "$REG/reads-index@$digest"
  check "cosign verify ${digest:7:12}, legacy" 0 "$legacy_signature" "${cosign_verify[@]}" ours.pub $legacy "$REG/reads-index@$digest"
done

part 'other kinds of keys'
check 'keygen --type ed25519' 0 '' "${sw[@]}" keygen --type ed25519 --output-key-prefix ed
push_layout tiny image reads-ed
check 'sign with Ed25519' 0 '' "${sw[@]}" sign --key ed.key --signature-format both "$REG/reads-ed:image"
check 'cosign verify, Ed25519' 0 "$bundle_signature" "${cosign_verify[@]}" ed.pub "$REG/reads-ed:image"
check 'cosign verify, Ed25519, legacy' 0 "$legacy_signature" "${cosign_verify[@]}" ed.pub $legacy "$REG/reads-ed:image"
openssl ecparam -genkey -name prime256v1 -noout -out sec1.pem 2>/dev/null
check 'import a SEC1 key' 0 '' "${sw[@]}" import-key-pair --key sec1.pem --output-key-prefix imported
push_layout tiny image reads-imported
check 'sign with it' 0 '' "${sw[@]}" sign --key imported.key "$REG/reads-imported:image"
openssl ec -in sec1.pem -pubout -out sec1.pub 2>/dev/null
check 'cosign verify, by the key that OpenSSL derived' 0 "$bundle_signature" "${cosign_verify[@]}" sec1.pub "$REG/reads-imported:image"
check 'public-key says the same key' 0 '' "${sw[@]}" public-key --key theirs.key
same '… as cosign did' "$(cat theirs.pub)" "$(cat "$OUT")"
