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
