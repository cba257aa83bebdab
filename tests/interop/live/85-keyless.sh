# What we sign with an identity, against our own authority, cosign, sigstore-python and @sigstore/verify accept:
# signatures and attestations of an image, as bundles and, with a Rekor v1 log, cosign in its older form; and we accept
# what cosign and sigstore-python make, of files and images. A second signature by the same identity adds nothing, and
# nobody is told who was not named.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny

url=http://127.0.0.1:$(free_port)
who=dev@example.org
identity=(--certificate-identity "$who" --certificate-oidc-issuer "$url")
trust=(--trusted-root authority/trusted_root.json)
ours=(--trust-config authority/client_trust_config.json --identity-token token)

"${sw[@]}" authority init --dir authority --url "$url" >/dev/null
start_authority authority "$url"
"${sw[@]}" authority token --dir authority --subject "$who" >token
printf '{"buildDefinition":{},"runDetails":{}}\n' >predicate.json

part 'sign and attest, cosign accepts'
push_layout tiny image app
ref=$REG/app@$(digest_of "$REG/app:image")
check 'sign' 0 '' "${sw[@]}" sign "${ours[@]}" --bundle signature.json "$ref"
check 'cosign verify' 0 "$bundle_signature" "$COSIGN" verify --output json "${trust[@]}" "${identity[@]}" "$ref"
check 'cosign verify, another identity' 1 'no matching' "$COSIGN" verify "${trust[@]}" --certificate-identity "x$who" --certificate-oidc-issuer "$url" "$ref"
check 'attest' 0 '' "${sw[@]}" attest "${ours[@]}" --bundle attestation.json --type slsaprovenance1 --predicate predicate.json "$ref"
check 'cosign verify-attestation' 0 '"payload"' "$COSIGN" verify-attestation "${trust[@]}" "${identity[@]}" --type slsaprovenance1 "$ref"
check 'we accept it' 0 '' "${sw[@]}" verify "${trust[@]}" "${identity[@]}" "$ref"
check 'a second sign adds nothing' 0 'present' "${sw[@]}" sign "${ours[@]}" "$ref"

part 'the same bundles, by others'
py=("$SIGSTORE" --trust-config authority/client_trust_config.json)
py_identity=(--cert-identity "$who" --cert-oidc-issuer "$url")
js=("$NODE" "$SIGSTORE_JS/verify.mjs" authority/trusted_root.json)
check 'sigstore-python: attestation' 0 'OK' "${py[@]}" verify identity "${py_identity[@]}" --bundle attestation.json "${ref#*@}"
check '… of another image: refused' 1 '' "${py[@]}" verify identity "${py_identity[@]}" --bundle attestation.json "sha256:$(printf %064d 0)"
# As with cosign's own signatures of images: their statement gives the subject no name, and sigstore-python wants one.
check 'sigstore-python: not the signature' 1 'subject.0.name' "${py[@]}" verify identity "${py_identity[@]}" --bundle signature.json "${ref#*@}"
for bundle in signature attestation; do
  check "@sigstore/verify: $bundle" 0 '^verified: ' "${js[@]}" "$bundle.json" "$who" "$url"
  check '… by another identity: refused' 1 '^not verified: ' "${js[@]}" "$bundle.json" "x$who" "$url"
  sed 's/"payload":"\(.\{40\}\)./"payload":"\1A/' "$bundle.json" >changed.json
  check '… and changed: refused' 1 '^not verified: ' "${js[@]}" changed.json "$who" "$url"
done

part 'files that we sign, others accept'
printf 'ahoy\n' >ours-file
printf '{"buildDefinition":{"buildType":"https://b.example","externalParameters":{}},"runDetails":{"builder":{"id":"https://b.example"}}}' >slsa.json
mine=(--signing-config authority/signing_config.json "${trust[@]}" --identity-token token)
check 'sign-blob' 0 '' "${sw[@]}" sign-blob "${mine[@]}" --bundle ours.blob.json ours-file
check 'attest-blob' 0 '' "${sw[@]}" attest-blob "${mine[@]}" --type slsaprovenance1 --predicate slsa.json --bundle ours.dsse.json ours-file
check 'cosign verify-blob' 0 'Verified OK' "$COSIGN" verify-blob "${trust[@]}" "${identity[@]}" --bundle ours.blob.json ours-file
check 'cosign verify-blob-attestation' 0 'Verified OK' "$COSIGN" verify-blob-attestation "${trust[@]}" "${identity[@]}" --type slsaprovenance1 --bundle ours.dsse.json ours-file
check 'sigstore-python: the file' 0 'OK' "${py[@]}" verify identity "${py_identity[@]}" --bundle ours.blob.json ours-file
check 'sigstore-python: the attestation' 0 'OK' "${py[@]}" verify identity "${py_identity[@]}" --bundle ours.dsse.json ours-file
check '@sigstore/verify: the file' 0 '^verified: ' "${js[@]}" ours.blob.json "$who" "$url" ours-file
check '… another file: refused' 1 '^not verified: ' "${js[@]}" ours.blob.json "$who" "$url" token
check '@sigstore/verify: the attestation' 0 '^verified: ' "${js[@]}" ours.dsse.json "$who" "$url"

part 'what they sign, we accept'
services=(--yes --signing-config authority/signing_config.json "${trust[@]}" --identity-token token)
printf '{"buildDefinition":{"buildType":"https://b.example","externalParameters":{}},"runDetails":{"builder":{"id":"https://b.example"}}}' >slsa.json
for file in cosign-file python-file; do printf '%s\n' "$file" >"$file"; done
check 'cosign sign-blob' 0 '' "$COSIGN" sign-blob "${services[@]}" --bundle cosign-file.blob.json cosign-file
check 'cosign attest-blob' 0 '' "$COSIGN" attest-blob "${services[@]}" --bundle cosign-file.dsse.json --type slsaprovenance1 --predicate slsa.json cosign-file
check 'sigstore-python sign' 0 '' "${py[@]}" sign --identity-token "$(cat token)" --bundle python-file.blob.json python-file
check 'sigstore-python attest' 0 '' "${py[@]}" attest --identity-token "$(cat token)" --predicate slsa.json --predicate-type https://slsa.dev/provenance/v1 --bundle python-file.dsse.json python-file
for file in cosign-file python-file; do
  for bundle in blob dsse; do
    check "verify-blob: $file, $bundle" 0 '' "${sw[@]}" verify-blob "${trust[@]}" "${identity[@]}" --bundle "$file.$bundle.json" "$file"
    check '… another identity: no' 1 '' "${sw[@]}" verify-blob "${trust[@]}" --certificate-identity "x$who" --certificate-oidc-issuer "$url" --bundle "$file.$bundle.json" "$file"
    check '… another file: no' 1 '' "${sw[@]}" verify-blob "${trust[@]}" "${identity[@]}" --bundle "$file.$bundle.json" predicate.json
  done
done
push_layout tiny index theirs
theirs=$REG/theirs@$(digest_of "$REG/theirs:index")
check 'cosign sign -r' 0 '' "$COSIGN" sign --recursive "${services[@]}" "$theirs"
check 'cosign attest' 0 '' "$COSIGN" attest "${services[@]}" --type slsaprovenance1 --predicate slsa.json "$theirs"
check 'we verify the index' 0 'allowed' "${sw[@]}" verify "${trust[@]}" "${identity[@]}" --type slsaprovenance1 "$theirs"
check '… another identity: no' 1 'denied' "${sw[@]}" verify "${trust[@]}" --certificate-identity "x$who" --certificate-oidc-issuer "$url" "$theirs"

part 'the older form, with the promise of a Rekor v1 log'
log=127.0.0.1:$(free_port)
"$sigstore_venv/bin/python" "$interop/rekor_v1.py" "${log#*:}" authority/trusted_root.json >v1_root.json &
interop_pids+=("$!")
for _ in {1..200}; do
  [ -s v1_root.json ] && break
  sleep 0.05
done
v1=(--fulcio-url "$url" --rekor-url "http://$log" --timestamp-server-url "$url/api/v1/timestamp" --trusted-root v1_root.json)
older=(--new-bundle-format=false --trusted-root v1_root.json "${identity[@]}")
push_layout tiny image older
ref=$REG/older@$(digest_of "$REG/older:image")
check 'sign' 0 'legacy' "${sw[@]}" sign "${v1[@]}" --identity-token token --signature-format legacy "$ref"
check 'cosign verify' 0 "$legacy_signature" "$COSIGN" verify --output json "${older[@]}" "$ref"
check 'cosign verify, by its timestamp' 0 "$legacy_signature" "$COSIGN" verify --use-signed-timestamps --output json "${older[@]}" "$ref"
check 'cosign verify, another identity' 12 'no matching' "$COSIGN" verify --new-bundle-format=false --trusted-root v1_root.json --certificate-identity "x$who" --certificate-oidc-issuer "$url" "$ref"
check 'attest' 0 'legacy' "${sw[@]}" attest "${v1[@]}" --identity-token token --signature-format legacy --type slsaprovenance1 --predicate predicate.json "$ref"
check 'cosign verify-attestation' 0 '"payload"' "$COSIGN" verify-attestation "${older[@]}" --type slsaprovenance1 "$ref"
check 'we accept it' 0 '' "${sw[@]}" verify --trusted-root v1_root.json "${identity[@]}" "$ref"
check 'a bundle with a promise' 0 '' "${sw[@]}" sign "${v1[@]}" --identity-token token "$ref"
check 'cosign accepts it' 0 "$bundle_signature" "$COSIGN" verify --output json --trusted-root v1_root.json "${identity[@]}" "$ref"
printf 'ahoy\n' >file
check 'a file' 0 '' "${sw[@]}" sign-blob "${v1[@]}" --identity-token token --bundle file.json file
check 'cosign accepts it' 0 'Verified OK' "$COSIGN" verify-blob --trusted-root v1_root.json "${identity[@]}" --bundle file.json file
"$PEERS_PY" -c 'import json
both = json.load(open("authority/client_trust_config.json"))
both["trustedRoot"] = json.load(open("v1_root.json"))
json.dump(both, open("v1.json", "w"))'
check 'sigstore-python accepts it' 0 'OK' "$sigstore_venv/bin/sigstore" --trust-config v1.json verify identity --offline \
  --bundle file.json --cert-identity "$who" --cert-oidc-issuer "$url" file

# What the log would not take whole is logged by its digest (hashedrekord over what was signed).
"$PEERS_PY" -c 'import json; json.dump({"list": "x" * 150_000}, open("large.json", "w"))'
check 'a large statement about a file' 0 '' "${sw[@]}" attest-blob "${v1[@]}" --identity-token token --type https://example.com/large --predicate large.json --bundle large.att file
same '… is in the log by its digest' hashedrekord "$("$PEERS_PY" -c 'import json; print(json.load(open("large.att"))["verificationMaterial"]["tlogEntries"][0]["kindVersion"]["kind"])')"
check 'we accept it' 0 'verified' "${sw[@]}" verify-blob --trusted-root v1_root.json "${identity[@]}" --bundle large.att file
# The client specification allows that form; cosign 3.1.1 does not read it of Rekor v1 (README.md).
check 'cosign says that it does not know the form' 1 'not a dsse_v001' "$COSIGN" verify-blob-attestation --trusted-root v1_root.json "${identity[@]}" --type https://example.com/large --bundle large.att file

part 'nobody is told who was not named'
check 'no configuration' 2 '--signing-config' "${sw[@]}" sign --identity-token token "$ref"
check 'the plan names public services' 0 'fulcio.sigstore.dev, rekor.sigstore.dev' "${sw[@]}" release --dry-run \
  --identity-token token "${trust[@]}" --fulcio-url https://fulcio.sigstore.dev --rekor-url https://rekor.sigstore.dev "$ref"
