# SPDX and CycloneDX documents, of a Debian root file system and of the project's own test image with
# four kinds of packages: valid for the reference validators, the same bytes each time, the same packages.
. "$(dirname "$0")/common.sh"
images=$interop/../../testdata/images
"$interop/debian_rootfs.sh" "$TEMP/debian" >/dev/null

documents() { # NAME IMAGE: leaves NAME*.spdx.json and NAME*.cdx.json, one for each platform
  local name=$1 image=$2 file
  part "$name"
  check 'sbom in both forms' 0 '' "${sw[@]}" sbom "$image" -o "spdx-json=$name-{platform}.spdx.json" -o "cyclonedx-json=$name-{platform}.cdx.json"
  mkdir -p again
  check 'once more' 0 '' "${sw[@]}" sbom "$image" -o "spdx-json=again/$name-{platform}.spdx.json" -o "cyclonedx-json=again/$name-{platform}.cdx.json"
  for file in "$name"-*.json; do
    same "the same bytes: $file" "$(sha256sum <"$file")" "$(sha256sum <"again/$file")"
    check "inspect reads $file" 0 '' "${sw[@]}" inspect "./$file"
    case $file in
      *.spdx.json) check "pyspdxtools takes $file" 0 '' "$PYSPDXTOOLS" -i "$file" --version SPDX-2.3 ;;
      *.cdx.json) check "its schema takes $file" 0 'valid CycloneDX 1\.6' "$PEERS_PY" "$interop/valid_cyclonedx.py" "$file" ;;
    esac
  done
}
documents debian oci:debian:image
check 'SPDX: the packages of dpkg' 0 '' "$PEERS_PY" "$interop/same_packages.py" debian-*.spdx.json debian.dpkg.tsv
check 'CycloneDX: the packages of dpkg' 0 '' "$PEERS_PY" "$interop/same_packages.py" debian-*.cdx.json debian.dpkg.tsv
for image in "$images"/*/; do
  [ -e "$image/oci-layout" ] || continue
  documents "$(basename "$image")" "oci:${image%/}"
done

# Every notation that is written, before the reference validators; and back again, to the byte.
part 'notations'
start=$(ls harbor-*.spdx.json | head -1)
check 'tag-value' 0 '' "${sw[@]}" sbom convert "$start" -o spdx-tag-value=harbor.spdx
check 'pyspdxtools takes tag-value' 0 '' "$PYSPDXTOOLS" -i harbor.spdx --version SPDX-2.3
check 'SPDX 3' 0 '' "${sw[@]}" sbom convert "$start" -o spdx-3-json=harbor.spdx3.json
check 'the bindings of the model take SPDX 3' 0 'valid SPDX 3' "$PEERS_PY" "$interop/valid_spdx3.py" harbor.spdx3.json
check 'of a Debian root file system, too' 0 '' "${sw[@]}" sbom oci:debian:image -o spdx-3-json=debian.spdx3.json
check 'the bindings of the model take it' 0 'valid SPDX 3' "$PEERS_PY" "$interop/valid_spdx3.py" debian.spdx3.json
written=(harbor.spdx harbor.spdx3.json)
for version in 1.4 1.5 1.6 1.7; do
  for notation in json xml; do
    file=harbor-$version.cdx.$notation
    check "CycloneDX $version as $notation" 0 '' "${sw[@]}" sbom convert "$start" -o "cyclonedx-$notation@$version=$file"
    check "its schema takes $file" 0 "valid CycloneDX ${version/./\\.}" "$PEERS_PY" "$interop/valid_cyclonedx.py" "$file"
    written+=("$file")
  done
done
for file in "${written[@]}"; do
  check "back from $file" 0 '' "${sw[@]}" sbom convert --strict "$file" -o spdx-json=back.spdx.json
  same "the same bytes by way of $file" "$(sha256sum <"$start")" "$(sha256sum <back.spdx.json)"
done

# What syft writes in its forms, read by us: the same packages from each.
part 'forms of syft'
SYFT_CHECK_FOR_APP_UPDATE=false "$SYFT" -q oci-dir:debian -o syft-json=s.syft.json -o spdx-json=s.spdx.json \
  -o spdx-tag-value=s.spdx -o cyclonedx-json=s.cdx.json -o cyclonedx-xml=s.cdx.xml
purls() { "${sw[@]}" inspect "./$1" --packages --output json | "$PEERS_PY" -c '
import json, sys
print("\n".join(sorted({p["purl"] for p in json.load(sys.stdin)["packages"] if p["purl"]})))'; }
purls s.syft.json >s.expected
check 'there are packages' 0 'pkg:deb/debian/libc6@' cat s.expected
for file in s.spdx.json s.spdx s.cdx.json s.cdx.xml; do
  same "the packages of $file" "$(cat s.expected)" "$(purls "$file")"
  check "what $file holds and we do not is said" 0 'left behind of' "${sw[@]}" sbom convert "$file" -o table
done
