# The library that skopeo, podman and CRI-O share: with a sigstoreSigned policy it pulls the image that we
# signed with a legacy signature, and refuses one that nobody signed.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
"$PEERS_PY" "$interop/tiny_images.py" tiny
our_keys ours
our_keys other
push_layout tiny image app
push_layout tiny other app

part skopeo
check 'sign, legacy' 0 '' "${sw[@]}" sign --key ours.key --signature-format legacy "$REG/app:image"
check 'pulls the signed, refuses the unsigned' 0 'A signature was required, but no signature exists' \
  "$interop/skopeo_policy.sh" "$REG/app:image" "$REG/app:other" ours.pub
check 'refuses another key' 1 'invalid signature' "$interop/skopeo_policy.sh" "$REG/app:image" "$REG/app:other" other.pub
push_layout tiny image two
check 'release in both forms' 0 'allow' "${sw[@]}" release "$REG/two:image" --key ours.key --signature-format both
check 'pulls what release signed' 0 '' "$interop/skopeo_policy.sh" "$REG/two:image" "$REG/app:other" ours.pub
