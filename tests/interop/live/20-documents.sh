# SPDX and CycloneDX documents, of a Debian root file system and of the project's own test image with
# four kinds of packages: valid for the reference validators, the same bytes each time, the same packages.
. "$(dirname "$0")/common.sh"
images=$interop/../../testdata/images
"$interop/debian_rootfs.sh" "$TEMP/debian" >/dev/null

documents() { # NAME IMAGE
  part "$1"
  check 'sbom in both forms' 0 '' "${sw[@]}" sbom "$2" -o "spdx-json=$1.spdx.json" -o "cyclonedx-json=$1.cdx.json"
  check 'once more' 0 '' "${sw[@]}" sbom "$2" -o "spdx-json=again.spdx.json" -o "cyclonedx-json=again.cdx.json"
  same 'SPDX: the same bytes' "$(sha256sum <"$1.spdx.json")" "$(sha256sum <again.spdx.json)"
  same 'CycloneDX: the same bytes' "$(sha256sum <"$1.cdx.json")" "$(sha256sum <again.cdx.json)"
  check 'SPDX: valid for pyspdxtools' 0 '' "$PYSPDXTOOLS" -i "$1.spdx.json" --version SPDX-2.3
  check 'CycloneDX: valid for its schema' 0 'valid CycloneDX 1\.6' "$PEERS_PY" "$interop/valid_cyclonedx.py" "$1.cdx.json"
  check 'inspect reads the SPDX' 0 '' "${sw[@]}" inspect "$1.spdx.json"
  check 'inspect reads the CycloneDX' 0 '' "${sw[@]}" inspect "$1.cdx.json"
}
documents debian oci:debian:image
check 'SPDX: the packages of dpkg' 0 '' "$PEERS_PY" "$interop/same_packages.py" debian.spdx.json debian.dpkg.tsv
check 'CycloneDX: the packages of dpkg' 0 '' "$PEERS_PY" "$interop/same_packages.py" debian.cdx.json debian.dpkg.tsv
for image in "$images"/*/; do
  [ -e "$image/oci-layout" ] || continue
  documents "$(basename "$image")" "oci:${image%/}"
done
