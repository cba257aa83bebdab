# Trust that was fetched: a TUF repository made by python-tuf, read by us, by cosign and by sigstore-python; each
# verifies with it what was signed where it says. Then its keys are exchanged, and an older state is served. The
# forms that `trust export` writes are used by the other tools as they are.
. "$(dirname "$0")/common.sh"

make_mirror=("$sigstore_venv/bin/python" "$interop/tuf_mirror.py")

# Nothing of the user's own, and none of these clients finds what another one kept.
mkdir home
export HOME=$TEMP/home XDG_DATA_HOME=$TEMP/home/data XDG_CACHE_HOME=$TEMP/home/cache SEAWORTHY_STATE_DIR=$TEMP/state

who=dev@example.org
first=http://127.0.0.1:$(free_port)
"$SEAWORTHY" authority init --dir first --url "$first" >/dev/null
start_authority first "$first"
"$SEAWORTHY" authority token --dir first --subject "$who" >token
head -c 1000 /dev/urandom >blob

part 'a mirror by python-tuf'
check 'python-tuf makes it' 0 '' "${make_mirror[@]}" new mirror trusted_root.json=first/trusted_root.json signing_config.v0.2.json=first/signing_config.json
cp mirror/1.root.json root.json
mirror=http://127.0.0.1:$(free_port)
"$PEERS_PY" -m http.server --bind 127.0.0.1 --directory mirror "${mirror##*:}" >/dev/null 2>&1 &
interop_pids+=("$!")
for _ in {1..200}; do
  curl -fsS --noproxy '*' -m 2 -o /dev/null "$mirror/timestamp.json" 2>/dev/null && break
  sleep 0.05
done
update=("${sw[@]}" trust update trust.yaml --tuf-mirror "$mirror" --tuf-root root.json)
check 'we read it' 0 'root 1, timestamp 1, snapshot 1, targets 1' "${update[@]}"
check '… and it is what the authority wrote' 0 'no difference' "${sw[@]}" trust diff first/client_trust_config.json trust.yaml
check 'a second time nothing changes' 0 'up to date' "${update[@]}"
check 'lint' 0 'good' "${sw[@]}" trust lint trust.yaml --strict
check 'cosign initialize reads it' 0 '' "$COSIGN" initialize --mirror "$mirror" --root root.json
check 'sigstore-python reads it' 0 '' "$sigstore_venv/bin/sigstore" --instance "$mirror" trust-instance root.json

part 'what it says is enough'
for form in trusted-root signing-config client-trust-config; do
  check "export $form" 0 '' "${sw[@]}" trust export trust.yaml --format "$form" -o "$form.json"
done
check 'cosign signs by our export' 0 'Wrote bundle' "$COSIGN" sign-blob --yes --signing-config signing-config.json --trusted-root trusted-root.json --identity-token token --bundle cosign.json blob
check 'sigstore-python signs by our export' 0 '' "$sigstore_venv/bin/sigstore" --trust-config client-trust-config.json sign --identity-token "$(cat token)" --bundle python.json blob
identity=(--certificate-identity "$who" --certificate-oidc-issuer "$first")
for made in cosign python; do
  check "we verify what $made made" 0 'verified' "${sw[@]}" verify-blob --bundle "$made.json" --trusted-root trust.yaml "${identity[@]}" blob
  check "cosign verifies what $made made, by its own copy" 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format --bundle "$made.json" "${identity[@]}" blob
  check '… and by our export' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format --trusted-root trusted-root.json --bundle "$made.json" "${identity[@]}" blob
  check "sigstore-python verifies what $made made, by its own copy" 0 'OK' "$sigstore_venv/bin/sigstore" --instance "$mirror" verify identity --cert-identity "$who" --cert-oidc-issuer "$first" --bundle "$made.json" blob
done
check 'by the public root it is nobody' 1 '' "${sw[@]}" verify-blob --bundle cosign.json --trusted-root public-good "${identity[@]}" blob

part 'other keys, another authority'
cp -r mirror old
second=http://127.0.0.1:$(free_port)
"$SEAWORTHY" authority init --dir second --url "$second" >/dev/null
check 'a file of the first authority' 0 'added' "${sw[@]}" trust init both.yaml --authority first
check 'the next one takes its place' 0 'changed' "${sw[@]}" trust rotate both.yaml --authority second --replaces "$first"
check 'export' 0 '' "${sw[@]}" trust export both.yaml --format trusted-root -o both.json
check 'export' 0 '' "${sw[@]}" trust export both.yaml --format signing-config -o services.json
check 'all roles get other keys' 0 '' "${make_mirror[@]}" next mirror trusted_root.json=both.json signing_config.v0.2.json=services.json
check 'we follow' 0 'root 2, timestamp 2' "${update[@]}"
check '… to what was published' 0 'no difference' "${sw[@]}" trust diff both.yaml trust.yaml
check 'cosign follows' 0 '' "$COSIGN" initialize --mirror "$mirror" --root root.json
check 'sigstore-python follows, and verifies within the overlap' 0 'OK' "$sigstore_venv/bin/sigstore" --instance "$mirror" verify identity --cert-identity "$who" --cert-oidc-issuer "$first" --bundle cosign.json blob
check 'cosign verifies within the overlap' 0 'Verified OK' "$COSIGN" verify-blob --new-bundle-format --bundle python.json "${identity[@]}" blob
check 'we verify within the overlap' 0 'verified' "${sw[@]}" verify-blob --bundle python.json --trusted-root trust.yaml "${identity[@]}" blob

part 'an older state, and no network'
check 'python-tuf makes a third state' 0 '' "${make_mirror[@]}" next mirror trusted_root.json=both.json
check 'in a directory, without a network' 0 'root 3' unshare -n "${sw[@]}" --offline trust update trust.yaml --tuf-mirror mirror --tuf-root root.json
check 'an older copy is refused' 1 'not signed by those who may' "${sw[@]}" trust update trust.yaml --tuf-mirror old --tuf-root root.json
check '… and to one who never saw the newer it is good' 0 'root 1' "${sw[@]}" trust update fresh.yaml --tuf-dir fresh --tuf-mirror old --tuf-root root.json
check 'offline asks no URL' 2 'is not asked' "${sw[@]}" --offline trust update other.yaml --tuf-mirror "$mirror" --tuf-root root.json
