# Our own authority, and clients that know nothing of it: cosign and sigstore-python sign blobs, attestations and
# images against it, and each accepts what the other made; so do we. It is killed (SIGKILL) in between and loses
# nothing that was acknowledged.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny

url=http://127.0.0.1:$(free_port)
who=dev@example.org
identity=(--certificate-identity "$who" --certificate-oidc-issuer "$url")
trust=(--trusted-root authority/trusted_root.json)
services=(--signing-config authority/signing_config.json "${trust[@]}" --identity-token token)
py=("$SIGSTORE" --trust-config authority/client_trust_config.json)
py_identity=(--cert-identity "$who" --cert-oidc-issuer "$url")

size_of_log() {
  curl -fsS --noproxy '*' "$url/api/v2/checkpoint" | sed -n 2p
}

part 'init, serve, token'
check 'init' 0 'trusted_root.json' "${sw[@]}" authority init --dir authority --url "$url"
check 'a second init touches nothing' 2 'is not empty' "${sw[@]}" authority init --dir authority --url "$url"
start_authority authority "$url"
check 'a second server on the same folder is refused' 5 'another process serves' "${sw[@]}" authority serve --dir authority --listen 127.0.0.1:0
check 'token' 0 '' "${sw[@]}" authority token --dir authority --subject "$who"
cp "$OUT" token
head -c 1000 /dev/urandom >blob
printf '{"buildDefinition":{}}\n' >predicate.json

part 'cosign against our authority'
check 'sign-blob' 0 'Wrote bundle' "$COSIGN" sign-blob --yes "${services[@]}" --bundle blob.json blob
check 'verify-blob' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle blob.json blob
check 'verify-blob, another identity' 1 'no matching CertificateIdentity' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" --certificate-identity "x$who" --certificate-oidc-issuer "$url" --bundle blob.json blob
check 'attest-blob' 0 'Wrote bundle' "$COSIGN" attest-blob --yes "${services[@]}" --bundle attest.json --type custom --predicate predicate.json blob
check 'verify-blob-attestation' 0 'Verified OK' "$COSIGN" verify-blob-attestation --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle attest.json --type custom blob
push_layout tiny image app
ref=$REG/app@$(digest_of "$REG/app:image")
check 'sign an image' 0 '' "$COSIGN" sign --yes "${services[@]}" "$ref"
check 'attest an image' 0 '' "$COSIGN" attest --yes "${services[@]}" --type custom --predicate predicate.json "$ref"
check 'verify the image' 0 "$bundle_signature" "$COSIGN" verify --output json "${trust[@]}" "${identity[@]}" "$ref"
check 'verify the attestation' 0 '"payload"' "$COSIGN" verify-attestation "${trust[@]}" "${identity[@]}" --type custom "$ref"

part 'we accept what cosign made'
cat >policy.yaml <<YAML
apiVersion: seaworthy.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: identity
spec:
  images: ["**"]
  authorities:
    - name: dev
      keyless:
        issuer: $url
        identity: $who
        trustedRoot: authority/trusted_root.json
  signatures:
    - by: [dev]
YAML
sed "s/identity: $who/identity: x$who/" policy.yaml >other.yaml
check 'verify' 0 '"decision": ?"allow"' "${sw[@]}" verify --policy policy.yaml --output json "$ref"
check 'another identity: denied' 1 '"decision": ?"deny"' "${sw[@]}" verify --policy other.yaml --output json "$ref"

part 'sigstore-python against our authority'
cp blob blob-py
check 'sign' 0 'Transparency log entry created' "${py[@]}" sign --identity-token "$(cat token)" blob-py
check 'verify' 0 'OK' "${py[@]}" verify identity "${py_identity[@]}" blob-py
check 'verify, another identity' 1 '' "${py[@]}" verify identity --cert-identity "x$who" --cert-oidc-issuer "$url" blob-py
printf '{"buildDefinition":{"buildType":"https://b.example","externalParameters":{}},"runDetails":{"builder":{"id":"https://b.example"}}}' >slsa.json
cp blob blob-dsse
check 'attest (DSSE)' 0 'Transparency log entry created' "${py[@]}" attest --identity-token "$(cat token)" --predicate slsa.json --predicate-type https://slsa.dev/provenance/v1 blob-dsse
check 'verify the attestation' 0 'OK' "${py[@]}" verify identity "${py_identity[@]}" blob-dsse
check 'it accepts cosign’s' 0 'OK' "${py[@]}" verify identity "${py_identity[@]}" --bundle blob.json blob
check 'cosign accepts its' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle blob-py.sigstore.json blob-py

part 'SIGKILL'
before=$(size_of_log)
for round in 1 2 3; do
  ("$COSIGN" sign-blob --yes "${services[@]}" --bundle "killed-$round.json" blob >/dev/null 2>&1 || true) &
  signer=$!
  sleep "0.$((round * 4))"
  kill -9 "$authority_pid"
  wait "$authority_pid" 2>/dev/null || true
  wait "$signer" || true
  start_authority authority "$url"
  after=$(size_of_log)
  same "round $round: the log did not shrink" yes "$([ "$after" -ge "$before" ] && echo yes || echo "$before -> $after")"
  before=$after
  if [ -s "killed-$round.json" ]; then
    check '… a bundle that was made verifies' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle "killed-$round.json" blob
  fi
done
check 'a signature from before verifies' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle blob.json blob
check 'signing goes on' 0 'Wrote bundle' "$COSIGN" sign-blob --yes "${services[@]}" --bundle again.json blob
check 'metrics' 0 'seaworthy_authority_log_entries' curl -fsS --noproxy '*' "$url/metrics"
kill "$authority_pid"
code=0
wait "$authority_pid" || code=$?
same 'SIGTERM: it ends well' 0 "$code"

part 'new keys, and a backup that comes back'
check 'rotate everything' 0 'certificate-log' "${sw[@]}" authority rotate --dir authority log certificate-log issuer timestamps tokens
start_authority authority "$url"
"${sw[@]}" authority token --dir authority --subject "$who" >token
check 'cosign signs with the new keys' 0 'Wrote bundle' "$COSIGN" sign-blob --yes "${services[@]}" --bundle new.json blob
for bundle in blob new; do
  check "cosign verifies $bundle.json" 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle "$bundle.json" blob
  check "sigstore-python verifies $bundle.json" 0 'OK' "${py[@]}" verify identity "${py_identity[@]}" --bundle "$bundle.json" blob
done
check 'cosign verifies the image of before' 0 "$bundle_signature" "$COSIGN" verify --output json "${trust[@]}" "${identity[@]}" "$ref"
check 'and so do we' 0 '"decision": ?"allow"' "${sw[@]}" verify --policy policy.yaml --output json "$ref"
check 'the closed log is there' 0 "" curl -fsS --noproxy '*' "$url/log/1/api/v2/checkpoint"
check 'backup while it serves' 0 'log entries' "${sw[@]}" authority backup --dir authority --to saved
kill "$authority_pid"
wait "$authority_pid" || true
check 'a backup is not served' 4 'is a backup' "${sw[@]}" authority serve --dir saved --listen 127.0.0.1:0
mv authority lost
check 'restore' 0 'log entries' "${sw[@]}" authority restore --from saved --dir authority
start_authority authority "$url"
check 'sigstore-python signs with what was restored' 0 'Transparency log entry created' "${py[@]}" sign --identity-token "$(cat token)" --overwrite blob-py
for bundle in blob new; do
  check "cosign verifies $bundle.json with three logs" 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle "$bundle.json" blob
done
check 'cosign verifies what was signed now' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format "${trust[@]}" "${identity[@]}" --bundle blob-py.sigstore.json blob-py
kill "$authority_pid"
wait "$authority_pid" || true
