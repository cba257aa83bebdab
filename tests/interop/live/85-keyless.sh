# What we sign with an identity, against our own authority, cosign accepts: signatures and attestations of an
# image. A second signature by the same identity adds nothing, and nobody is told who was not named.
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

part 'nobody is told who was not named'
check 'no configuration' 2 '--signing-config' "${sw[@]}" sign --identity-token token "$ref"
check 'the plan names public services' 0 'fulcio.sigstore.dev, rekor.sigstore.dev' "${sw[@]}" release --dry-run \
  --identity-token token "${trust[@]}" --fulcio-url https://fulcio.sigstore.dev --rekor-url https://rekor.sigstore.dev "$ref"
