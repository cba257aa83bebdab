# Keys of every kind beside our own authority's log and timestamps, and a private PKI: what cosign signs we accept,
# what we sign cosign accepts, as far as cosign itself can. (With --key, its verify-blob hashes with SHA-256 whatever
# the key is, so that it refuses its own signatures by P-384 and P-521; its sign-blob of Ed25519 keys is Ed25519ph.)
. "$(dirname "$0")/common.sh"
url=http://127.0.0.1:$(free_port)
"${sw[@]}" authority init --dir authority --url "$url" >/dev/null
start_authority authority "$url"
root=(--trusted-root authority/trusted_root.json)
services=(--signing-config authority/signing_config.json "${root[@]}")
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny
push_layout tiny image app
ref=$REG/app@$(digest_of "$REG/app:image")
head -c 1000 /dev/urandom >blob

part 'cosign signs with a key and a log, we accept'
for kind in p256 p384 p521 rsa-2048 rsa-3072 rsa-4096 ed25519; do
  "${sw[@]}" keygen --type "$kind" --output-key-prefix "$kind" >/dev/null
  # Given a trusted root, cosign verifies what it signed, and takes its own Ed25519ph signature for a pure one.
  told=("${services[@]}")
  [ "$kind" != ed25519 ] || told=(--signing-config authority/signing_config.json)
  check "$kind: cosign sign-blob" 0 'Wrote bundle' "$COSIGN" sign-blob --yes --key "$kind.key" "${told[@]}" --bundle "$kind.json" blob
  check "$kind: we verify it by key and log" 0 'verified' "${sw[@]}" verify-blob --bundle "$kind.json" --key "$kind.pub" "${root[@]}" blob
  check "$kind: not by another root" 1 '' "${sw[@]}" verify-blob --bundle "$kind.json" --key "$kind.pub" --trusted-root public-good blob
done

part 'we sign with a key and a log, cosign accepts'
for kind in p256 rsa-2048 rsa-3072 rsa-4096; do
  check "$kind: sign" 0 '' "${sw[@]}" sign --key "$kind.key" "${services[@]}" "$ref"
  check "$kind: cosign verify" 0 '' "$COSIGN" verify --key "$kind.pub" "${root[@]}" "$ref"
done

part 'a private PKI'
pki=$(cd "$interop/../.." && pwd -P)/testdata/pki
check 'cosign: key' 0 '' "$COSIGN" import-key-pair --key "$pki/release.key" --output-key-prefix release -y
certified=(--key release.key --certificate "$pki/release.pem" --certificate-chain "$pki/chain.pem")
who=(--certificate-identity release@example.org)
check 'cosign sign-blob' 0 'Wrote bundle' "$COSIGN" sign-blob --yes "${certified[@]}" --use-signing-config=false --tlog-upload=false --bundle certified.json blob
check 'we verify it' 0 'verified' "${sw[@]}" verify-blob --bundle certified.json --ca-roots "$pki/root.pem" --ca-intermediates "$pki/ca.pem" "${who[@]}" blob
push_layout tiny image certified
ref=$REG/certified@$(digest_of "$REG/certified:image")
check 'cosign sign, older form' 0 '' "$COSIGN" sign --yes "${certified[@]}" --new-bundle-format=false --use-signing-config=false --tlog-upload=false "$ref"
check 'we verify it' 0 '' "${sw[@]}" verify --certificate-chain "$pki/chain.pem" "${who[@]}" "$ref"
check 'revoked: denied' 1 'certificate-revoked' "${sw[@]}" verify --certificate-chain "$pki/chain.pem" "${who[@]}" --crl "$pki/root.crl" --crl "$pki/revoked.crl" "$ref"
check 'out of date: could not find out' 3 'out of date' "${sw[@]}" verify --certificate-chain "$pki/chain.pem" "${who[@]}" --crl "$pki/root.crl" --crl "$pki/expired.crl" "$ref"
