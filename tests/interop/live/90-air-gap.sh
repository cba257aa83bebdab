# What cosign signed on one side of an air gap, cosign accepts on the other: our bag carries it between two
# registries, both forms of it, an index and its children; skopeo reads the bag; without network it is judged
# in place; and a bag that lost one signature is refused.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/here"
here=$REG
start_registry "$TEMP/there"
there=$REG
REG=$here
"$PEERS_PY" "$interop/tiny_images.py" tiny
cp "$interop"/../../testdata/interop/cosign-3/predicates/*.json .
"$COSIGN" generate-key-pair --output-key-prefix theirs >/dev/null 2>&1 </dev/null
our_keys ours
away=(unshare -n)

part 'signed by cosign, carried by us'
push_layout tiny index app
ref=$here/app@$(digest_of "$here/app:index")
far=$there/mirror/app@${ref#*@}
check 'cosign sign, bundles' 0 '' "${cosign_sign[@]}" --key theirs.key --recursive "$ref"
check 'cosign sign, legacy' 0 '' "${cosign_sign[@]}" --key theirs.key $legacy --recursive "$ref"
check 'cosign attest' 0 '' "${cosign_attest[@]}" --key theirs.key --type spdxjson --predicate spdx.json "$ref"
check 'pack' 0 'pieces of evidence' "${sw[@]}" pack "$here/app:index" -o bag.tar
check 'pack again: the same bytes' 0 '' "${sw[@]}" pack "$here/app:index" -o again.tar
same '… indeed' "$(sha256sum <bag.tar)" "$(sha256sum <again.tar)"
check 'verify the bag, away from any network' 0 'allowed' "${away[@]}" "${sw[@]}" verify --offline --key theirs.pub --type spdx oci-archive:bag.tar:index
check 'another key: denied' 1 'denied' "${away[@]}" "${sw[@]}" verify --offline --key ours.pub oci-archive:bag.tar:index
check 'unpack' 0 'unpacked' "${sw[@]}" unpack bag.tar --to "$there/mirror"
check 'cosign verify there' 0 "$bundle_signature" "${cosign_verify[@]}" theirs.pub "$far"
check 'cosign verify there, legacy' 0 "$legacy_signature" "${cosign_verify[@]}" theirs.pub $legacy "$far"
check 'cosign verify-attestation there' 0 '"payload"' "${cosign_verify_attestation[@]}" theirs.pub --type spdxjson "$far"
check 'we verify it there' 0 'allowed' "${sw[@]}" verify --key theirs.pub --type spdx "$there/mirror/app:index"
check 'unpack again: nothing is new' 0 'nothing new' "${sw[@]}" unpack bag.tar --to "$there/mirror"
check 'copy within the registry' 0 'mounted' "${sw[@]}" copy "$there/mirror/app:index" "$there/prod/app:index"
check 'cosign verify the copy' 0 "$bundle_signature" "${cosign_verify[@]}" theirs.pub "$there/prod/app@${ref#*@}"

part 'skopeo reads a bag'
shared=$(mktemp -d -p "$SKOPEO_CHROOT/tmp")
interop_temps+=("$shared")
cp bag.tar "$shared/"
check 'skopeo inspect' 0 'manifests' chroot "$SKOPEO_CHROOT" skopeo inspect --raw "oci-archive:/tmp/${shared##*/}/bag.tar:index"

part 'a signature is taken out'
"$PEERS_PY" - <<'PY'
import json, tarfile
with tarfile.open("bag.tar") as bag, tarfile.open("bad.tar", "w", format=tarfile.GNU_FORMAT) as bad:
    contents = json.load(bag.extractfile("seaworthy/bag.json"))
    lost = contents["images"][0]["evidence"][0]["manifest"].replace(":", "/")
    for member in bag:
        if member.name != f"blobs/{lost}":
            bad.addfile(member, bag.extractfile(member))
PY
check 'unpack refuses the bag' 4 'was taken out of it' "${sw[@]}" unpack bad.tar --to "$there/bad"
check 'nothing was written' '[1-9][0-9]*' '' "$CRANE" manifest --insecure "$there/bad/app:index"
