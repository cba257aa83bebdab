# What somebody can do who writes to the registry and has no key: each turns the verdict to denied, and each
# with a reason of its own.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny
our_keys release
our_keys other
write_policy policy.yaml release.pub
sign=https://sigstore.dev/cosign/sign/v1
spdx=https://spdx.dev/Document
tamper=("$PEERS_PY" "$interop/tamper.py")
verify=("${sw[@]}" verify --policy policy.yaml --output json)
reasons_of() { "$PEERS_PY" "$interop/reasons.py" "$OUT"; }
declare -A reasons

released() { # NAME -> REF, DIGEST
  push_layout tiny image "$1"
  REF=$REG/$1:image
  DIGEST=$(digest_of "$REF")
  check 'release' 0 'allow' "${sw[@]}" release "$REF" --key release.key --policy policy.yaml
  check 'allowed at first' 0 '"decision": ?"allow"' "${verify[@]}" "$REF"
}

part 'signature removed'
released removed
check 'the referrer goes' 0 '1 of' "${tamper[@]}" drop "http://$REG" removed "$DIGEST" "$sign"
check 'denied' 1 '"decision": ?"deny"' "${verify[@]}" "$REF"
check '… with this reason' 1 'signature-missing' "${verify[@]}" "$REF"
reasons[removed]=$(reasons_of)
check 'signing again repairs it' 0 '' "${sw[@]}" sign --key release.key "$REF"
check 'allowed' 0 '' "${verify[@]}" "$REF"

part 'everything removed'
released gone
"$CRANE" delete --insecure "$REG/gone@$(digest_of "$REG/gone:${DIGEST/:/-}")" >/dev/null 2>&1
check 'denied' 1 'signature-missing' "${verify[@]}" "$REF"

part 'one byte of the SBOM changed'
released altered
check 'one byte' 0 '1 of' "${tamper[@]}" alter "http://$REG" altered "$DIGEST" "$spdx"
check 'denied' 1 'signature-invalid' "${verify[@]}" "$REF"
reasons[altered]=$(reasons_of)

part 'SBOM removed'
released bare
check 'the referrer goes' 0 '1 of' "${tamper[@]}" drop "http://$REG" bare "$DIGEST" "$spdx"
check 'no SBOM: denied' 1 'sbom-missing|attestation-missing' "${verify[@]}" "$REF"
reasons[nosbom]=$(reasons_of)

part 'signed with another key'
push_layout tiny image foreign
REF=$REG/foreign:image
check 'release with another key' 0 'allow' "${sw[@]}" release "$REF" --key other.key
check 'denied' 1 'unknown-signer|signature-untrusted' "${verify[@]}" "$REF"
reasons[foreign]=$(reasons_of)

part 'evidence of another image'
released moved
push_layout tiny other moved
check 'its evidence under the other digest' 0 'moved' "${tamper[@]}" move "http://$REG" moved "$DIGEST" "$(digest_of "$REG/moved:other")"
check 'denied' 1 'subject-mismatch' "${verify[@]}" "$REG/moved:other"
reasons[moved]=$(reasons_of)

part 'every reason is its own'
for name in "${!reasons[@]}"; do printf '        %-8s %s\n' "$name" "${reasons[$name]}"; done | sort
same 'no two alike' "${#reasons[@]}" "$(printf '%s\n' "${reasons[@]}" | sort -u | wc -l)"

part 'bytes that are not their digest'
# A registry that serves other bytes than those it was asked for is broken or hostile. That is no verdict
# about the image, and it is never a yes.
released rotten
bundle=$("$CRANE" manifest --insecure "$REG/rotten:${DIGEST/:/-}" | "$PEERS_PY" -c 'import json, sys
print(json.load(sys.stdin)["manifests"][0]["digest"])')
layer=$("$CRANE" manifest --insecure "$REG/rotten@$bundle" | "$PEERS_PY" -c 'import json, sys
print(json.load(sys.stdin)["layers"][0]["digest"][7:])')
# On its disk, under the digest that it still answers to (this registry checks manifests, and no blobs).
sed -i '1s/"mediaType"/"mediaTypo"/' "$TEMP/registry/data/docker/registry/v2/blobs/sha256/${layer:0:2}/$layer/data"
check 'not allowed, and says why' '1|3|4' 'digest' "${verify[@]}" "$REF"
refuse '… whatever it says elsewhere' '"decision": ?"allow"'
