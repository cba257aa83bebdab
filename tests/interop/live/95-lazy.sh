# Layers by their table of contents out of a real registry: skopeo makes zstd:chunked of an image that has a large file nobody
# wants, and what is read in part is what is read whole.
. "$(dirname "$0")/common.sh"
start_registry "$TEMP/registry"
part lazy
shared=$(mktemp -d -p "$SKOPEO_CHROOT/tmp")
interop_temps+=("$shared")
chunked=$interop/../../testdata/interop/chunked
for image in small large; do
  # The large one has 64 MiB of what cannot be packed, as a model has it.
  "$PEERS_PY" "$chunked/make.py" "$image.tar.gz" $([ $image = small ] || echo $((64 << 20)))
  "$PEERS_PY" "$interop/tar_to_layout.py" "$image.tar.gz" "$shared/$image"
  chroot "$SKOPEO_CHROOT" skopeo copy -q --dest-compress-format zstd:chunked "oci:/tmp/${shared##*/}/$image:image" \
    "oci:/tmp/${shared##*/}/$image-chunked:image" 2>/dev/null
  "$CRANE" push "$shared/$image-chunked" "$REG/$image:1" >/dev/null 2>&1
done
cp -r "$chunked/estargz" stargz
"$CRANE" push stargz "$REG/stargz:1" >/dev/null 2>&1
# Without the gap that says how it was made.
plain='import json,sys
d = json.load(open(sys.argv[1])); d["gaps"] = [g for g in d["gaps"] if not g["reason"].startswith("only in part")]
print(json.dumps(d, sort_keys=True))'
for image in small large stargz; do
  check "$image, in part" 0 'fetched [0-9]+ of [0-9]+ bytes' "${sw[@]}" sbom --lazy --no-cache "$REG/$image:1" -o "json=$image.part"
  check "$image, whole" 0 '' "${sw[@]}" sbom --no-cache "$REG/$image:1" -o "json=$image.whole"
  cmp <("$PEERS_PY" -c "$plain" "$image.part") <("$PEERS_PY" -c "$plain" "$image.whole") || { echo "$image: another inventory" >&2; exit 1; }
done
