# `sbom validate` beside the reference validators (cyclonedx-python-lib, libxml2, jsonschema with the published schemas): of
# documents of ours and of syft, and of documents made of the schemas, each changed in some hundred small ways by a seeded
# generator, every one has the same answer from both, or a row in validators/explained.tsv that says why not.
. "$(dirname "$0")/common.sh"
images=$interop/../../testdata/images
mkdir documents
for kind in spdx-json spdx-3-json; do
  "${sw[@]}" sbom "oci:$images/harbor" --platform linux/amd64 -o "$kind=documents/ours.$kind" 2>/dev/null
done
for version in 1.4 1.5 1.6 1.7; do
  "${sw[@]}" sbom "oci:$images/harbor" --platform linux/amd64 \
    -o "cyclonedx-json@$version=documents/ours.$version.json" -o "cyclonedx-xml@$version=documents/ours.$version.xml" 2>/dev/null
done
SYFT_CHECK_FOR_APP_UPDATE=false "$SYFT" -q "dir:$images/src/harbor" -o spdx-json=documents/syft.spdx.json \
  -o cyclonedx-json=documents/syft.cdx.json -o cyclonedx-xml=documents/syft.cdx.xml
cp "$interop"/../../testdata/sbom/*-style.*.json documents
check 'there are documents' 0 '' test "$(ls documents | wc -l)" -ge 15
for format in spdx-2.3 spdx-3.0.1 cyclonedx-json@1.{4,5,6,7} cyclonedx-xml@1.{4,5,6,7}; do
  check "the same answers: $format" 0 "$format" "$PEERS_PY" "$interop/validators/compare.py" --seaworthy "$SEAWORTHY" \
    --spdx3 "$SPDX3_SCHEMA" --only "$format" --changes "${VALIDATE_CHANGES:-120}" --grown "${VALIDATE_GROWN:-10}" documents/*
done
