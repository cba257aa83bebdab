# What we sign with an identity, against our own authority, cosign accepts: signatures and attestations of an
# image, as bundles and, with a Rekor v1 log, in its older form; sigstore-python accepts the bundle of a file. A second
# signature by the same identity adds nothing, and nobody is told who was not named.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny

url=http://127.0.0.1:$(free_port)
who=dev@example.org
identity=(--certificate-identity "$who" --certificate-oidc-issuer "$url")
trust=(--trusted-root authority/trusted_root.json)
ours=(--trust-config authority/client_trust_config.json --identity-token token)

"${sw[@]}" authority init --dir authority --url "$url" >/dev/null
"${sw[@]}" authority serve --dir authority --listen "${url#http://}" 2>"$TEMP/authority.log" &
interop_pids+=("$!")
for _ in {1..200}; do
  curl -fsS --noproxy '*' -m 2 -o /dev/null "$url/readyz" 2>/dev/null && break
  sleep 0.05
done
"${sw[@]}" authority token --dir authority --subject "$who" >token
printf '{"buildDefinition":{},"runDetails":{}}\n' >predicate.json

part 'sign and attest, cosign accepts'
push_layout tiny image app
ref=$REG/app@$(digest_of "$REG/app:image")
check 'sign' 0 '' "${sw[@]}" sign "${ours[@]}" "$ref"
check 'cosign verify' 0 "$bundle_signature" "$COSIGN" verify --output json "${trust[@]}" "${identity[@]}" "$ref"
check 'cosign verify, another identity' 1 'no matching' "$COSIGN" verify "${trust[@]}" --certificate-identity "x$who" --certificate-oidc-issuer "$url" "$ref"
check 'attest' 0 '' "${sw[@]}" attest "${ours[@]}" --type slsaprovenance1 --predicate predicate.json "$ref"
check 'cosign verify-attestation' 0 '"payload"' "$COSIGN" verify-attestation "${trust[@]}" "${identity[@]}" --type slsaprovenance1 "$ref"
check 'we accept it' 0 '' "${sw[@]}" verify "${trust[@]}" "${identity[@]}" "$ref"
check 'a second sign adds nothing' 0 'present' "${sw[@]}" sign "${ours[@]}" "$ref"

part 'the older form, with the promise of a Rekor v1 log'
need_sigstore_python
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

part 'nobody is told who was not named'
check 'no configuration' 2 '--signing-config' "${sw[@]}" sign --identity-token token "$ref"
check 'the plan names public services' 0 'fulcio.sigstore.dev, rekor.sigstore.dev' "${sw[@]}" release --dry-run \
  --identity-token token "${trust[@]}" --fulcio-url https://fulcio.sigstore.dev --rekor-url https://rekor.sigstore.dev "$ref"
