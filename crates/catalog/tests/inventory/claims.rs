//! What files say about themselves or others: SBOMs in the image, models, kernels.

use crate::support::*;
use seaworthy_catalog::limits;
use seaworthy_sbom::inventory::{Presence, RelationshipKind};
use serde_json::{Value, json};

fn cyclonedx(components: Value, dependencies: Value) -> String {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "components": components, "dependencies": dependencies})
    .to_string()
}

fn library(name: &str, version: &str, purl: &str) -> Value {
    json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
}

/// As Bitnami's images have it beside each component.
fn bitnami() -> String {
    json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "SPDX document for redis",
        "documentNamespace": "https://example.org/redis",
        "creationInfo": {"created": "2024-01-22T16:00:00Z", "creators": ["Organization: Example"]},
        "packages": [{
            "SPDXID": "SPDXRef-Application-redis", "name": "redis", "versionInfo": "7.2.4-1",
            "downloadLocation": "https://example.org/redis-7.2.4.tar.gz", "filesAnalyzed": false,
            "licenseConcluded": "BSD-3-Clause", "licenseDeclared": "BSD-3-Clause",
            "externalRefs": [
                {"referenceCategory": "SECURITY", "referenceType": "cpe23Type",
                 "referenceLocator": "cpe:2.3:*:redis:redis:7.2.4:*:*:*:*:*:*:*"},
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                 "referenceLocator": "pkg:bitnami/redis@7.2.4-1?arch=amd64&distro=debian-12"}]
        }],
        "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-Application-redis"}]
    })
    .to_string()
}

#[test]
fn components_of_bitnami() {
    let image = read(&[Tar::default().file("opt/bitnami/redis/.spdx-redis.spdx", bitnami()).gzip()]);
    assert_eq!(names(&image), ["redis 7.2.4-1"]);
    let redis = package(&image, "redis");
    assert_eq!(redis.purl.as_deref(), Some("pkg:bitnami/redis@7.2.4-1?arch=amd64&distro=debian-12"));
    assert_eq!(redis.presence, Presence::Installed);
    assert_eq!(redis.found_by.as_deref(), Some("embedded-sbom"));
    assert_eq!(redis.properties["seaworthy:confidence"], "embedded-sbom");
    assert_eq!(redis.license.expression.as_deref(), Some("BSD-3-Clause"));
    assert_eq!(redis.evidence[0].path, "/opt/bitnami/redis/.spdx-redis.spdx");
}

#[test]
fn a_document_adds_and_proves_and_changes_nothing_else() {
    let (a, b) = ("pkg:npm/lodash@4.17.21", "pkg:pypi/left@1.0");
    let lie = json!({"type": "library", "bom-ref": a, "name": "lodash", "version": "4.17.21", "purl": a,
        "licenses": [{"license": {"id": "GPL-3.0-only"}}], "supplier": {"name": "Mallory"},
        "hashes": [{"alg": "SHA-256", "content": "ab".repeat(32)}]});
    // Another name for the same purl: it comes together with what was found, and changes nothing either.
    let other = json!({"type": "library", "bom-ref": "x", "name": "not-lodash", "version": "4.17.21", "purl": a,
        "licenses": [{"license": {"id": "GPL-3.0-only"}}]});
    let needs = json!([{"ref": a, "dependsOn": [b]}, {"ref": b, "dependsOn": ["pkg:pypi/right@2.0"]}]);
    let right = library("right", "2.0", "pkg:pypi/right@2.0");
    let document = cyclonedx(json!([lie, other, library("left", "1.0", b), right]), needs);
    let plain = Tar::default().file("app/node_modules/lodash/package.json", npm("lodash", "4.17.21"));
    let before = read(&[plain.clone().gzip()]);
    let image = read(&[plain.file("usr/share/sbom/app.cdx.json", document).gzip()]);
    assert_eq!(names(&image), ["left 1.0", "lodash 4.17.21", "right 2.0"]);
    let (was, is) = (package(&before, "lodash"), package(&image, "lodash"));
    assert_eq!(is.evidence.len(), was.evidence.len() + 1);
    assert!(is.evidence.iter().any(|e| e.path == "/usr/share/sbom/app.cdx.json"));
    let mut stripped = is.clone();
    stripped.evidence.clone_from(&was.evidence);
    stripped.id.clone_from(&was.id);
    stripped.layer.clone_from(&was.layer);
    stripped.evidence[0].layer.clone_from(&was.evidence[0].layer);
    assert_eq!(&stripped, was);
    assert_eq!(is.layer.as_deref(), Some(image.layers[0].digest.as_str()));
    let left = package(&image, "left");
    assert_eq!((left.presence, left.found_by.as_deref()), (Presence::Declared, Some("embedded-sbom")));
    // Its edges are taken among what it alone names: it does not say what ours need.
    let edges: Vec<_> =
        image.relationships.iter().map(|r| (r.from.as_str(), r.kind, r.to.as_str())).collect();
    assert_eq!(
        edges,
        [(left.id.as_str(), RelationshipKind::DependsOn, package(&image, "right").id.as_str())]
    );
}

#[test]
fn whoever_owns_a_document_does_not_own_what_it_names() {
    let document = cyclonedx(json!([library("lodash", "4.17.21", "pkg:npm/lodash@4.17.21")]), json!([]));
    let tar = Tar::default()
        .file(STATUS, deb("sboms", "1"))
        .file("var/lib/dpkg/info/sboms.list", "/.\n/usr/share/sbom/app.cdx.json\n")
        .file("usr/share/sbom/app.cdx.json", document)
        .file("app/node_modules/lodash/package.json", npm("lodash", "4.17.21"));
    assert_eq!(read(&[tar.gzip()]).relationships, []);
}

#[test]
fn documents_that_cannot_be_read_are_gaps_and_other_json_is_none() {
    let tar = Tar::default()
        .file("opt/x.spdx.json", "{}")
        .file("usr/share/sbom/settings.json", r#"{"colour": "blue"}"#)
        .file("app/node_modules/x/test.cdx.json", "{}")
        .file("usr/share/sbom/y.json", r#"{"bomFormat": "CycloneDX", "specVersion": 3}"#);
    let image = read(&[tar.gzip()]);
    let all = gaps(&image);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all.iter().all(|gap| gap.contains("an SBOM that cannot be read")), "{all:?}");
}

#[test]
fn a_document_of_too_many_packages_is_a_gap() {
    let many = |count: usize| {
        let each = |i: usize| json!({"type": "library", "bom-ref": i.to_string(), "name": "a", "version": i.to_string()});
        cyclonedx((0..count).map(each).collect(), json!([]))
    };
    let at = |count| read(&[Tar::default().file("a.cdx.json", many(count)).gzip()]);
    let whole = at(limits::EMBEDDED_SBOM_PACKAGES);
    assert_eq!((whole.packages.len(), whole.gaps.len()), (limits::EMBEDDED_SBOM_PACKAGES, 0));
    let over = at(limits::EMBEDDED_SBOM_PACKAGES + 1);
    assert_eq!((over.packages.len(), over.gaps.len()), (0, 1));
}

/// A GGUF file of version 3 with these words and a vocabulary.
fn gguf(words: &[(&str, &str)]) -> Vec<u8> {
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend(291_u64.to_le_bytes());
    file.extend((words.len() as u64 + 2).to_le_bytes());
    let text = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    text(&mut file, "general.file_type");
    file.extend([4, 0, 0, 0, 15, 0, 0, 0]);
    for (key, value) in words {
        text(&mut file, key);
        file.extend(8_u32.to_le_bytes());
        text(&mut file, value);
    }
    text(&mut file, "tokenizer.ggml.tokens");
    file.extend(9_u32.to_le_bytes());
    file.extend(8_u32.to_le_bytes());
    file.extend(100_000_u64.to_le_bytes());
    for i in 0..100_000 {
        text(&mut file, &format!("token {i}"));
    }
    file.resize(file.len() + 4096, 7);
    file
}

#[test]
fn a_model_in_gguf_says_what_it_is_under_any_name() {
    let words = [
        ("general.architecture", "llama"),
        ("general.name", "Tiny Llama"),
        ("general.version", "v1.1"),
        ("general.license", "apache-2.0"),
        ("general.size_label", "1.1B"),
    ];
    let image = read(&[Tar::default().file("models/blobs/sha256-3b8c", gguf(&words)).zstd()]);
    let model = package(&image, "Tiny Llama");
    assert_eq!(model.version.as_deref(), Some("v1.1"));
    assert_eq!(model.license.expression.as_deref(), Some("Apache-2.0"));
    assert_eq!(model.found_by.as_deref(), Some("model"));
    for (key, value) in
        [("format", "gguf 3"), ("architecture", "llama"), ("file-type", "15"), ("size-label", "1.1B")]
    {
        assert_eq!(model.properties[&format!("model:{key}")], value);
    }
    assert!(image.gaps.is_empty(), "{:?}", gaps(&image));
}

#[test]
fn models_that_lie_or_end_are_gaps() {
    let mut cut = gguf(&[("general.name", "x")]);
    cut.truncate(120);
    let mut array =
        b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0k\x09\0\0\0\x09\0\0\0".to_vec();
    array.resize(200, 0xff);
    let mut old = b"GGUF\x01\0\0\0".to_vec();
    old.resize(200, 0);
    let mut long = (1_u64 << 40).to_le_bytes().to_vec();
    long.resize(300, b'{');
    let tar = Tar::default()
        .file("m/cut.gguf", cut)
        .file("m/array.gguf", array)
        .file("m/old.gguf", old)
        .file("m/long.safetensors", long);
    let image = read(&[tar.gzip()]);
    assert_eq!(gaps(&image).len(), 4, "{:?}", gaps(&image));
    assert_eq!(names(&image), ["array -", "x -"]);
}

#[test]
fn a_model_in_safetensors_is_named_by_its_place() {
    let header = json!({"__metadata__": {"format": "pt", "license": "mit"},
        "weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    .to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + 4000, 0);
    let image = read(&[Tar::default().file("models/bert-base/model-00001.safetensors", file).gzip()]);
    let model = package(&image, "bert-base");
    assert_eq!(model.license.expression.as_deref(), Some("MIT"));
    assert_eq!(model.properties["model:framework"], "pt");
    assert_eq!(model.properties["model:tensors"], "1");
    assert_eq!(model.properties["seaworthy:confidence"], "file-name");
    // One byte more than is gathered of a file's start: said, and nothing made up.
    let mut large = (limits::MODEL_HEAD_BYTES as u64 - 7).to_le_bytes().to_vec();
    large.resize(limits::MODEL_HEAD_BYTES + 4000, b' ');
    let image = read(&[Tar::default().file("a/big.safetensors", large).gzip()]);
    assert!(gaps(&image)[0].contains("MODEL_HEAD_BYTES"), "{:?}", gaps(&image));
}

#[test]
fn a_kernel_that_nobody_owns() {
    let mut file = vec![0; 20_000];
    file[0x1fe..0x200].copy_from_slice(b"\x55\xaa");
    file[0x202..0x206].copy_from_slice(b"HdrS");
    file[0x20e..0x210].copy_from_slice(&0x3000_u16.to_le_bytes());
    let text = b"6.1.0-18-amd64 (builder@example.org) #1 SMP PREEMPT_DYNAMIC\0";
    file[0x3200..0x3200 + text.len()].copy_from_slice(text);
    let tar = Tar::default().file("boot/vmlinuz-6.1.0-18-amd64", &file);
    let kernel = read(&[tar.clone().gzip()]);
    let kernel = package(&kernel, "linux-kernel");
    assert_eq!(kernel.purl.as_deref(), Some("pkg:generic/linux-kernel@6.1.0-18-amd64"));
    assert!(kernel.properties["linux:build"].contains("PREEMPT_DYNAMIC"));
    let owned = tar
        .file(STATUS, deb("linux-image-6.1.0-18-amd64", "6.1.76-1"))
        .file("var/lib/dpkg/info/linux-image-6.1.0-18-amd64.list", "/boot/vmlinuz-6.1.0-18-amd64\n");
    assert_eq!(names(&read(&[owned.gzip()])), ["linux-image-6.1.0-18-amd64 6.1.76-1"]);
    file[0x20e..0x210].copy_from_slice(&0xffff_u16.to_le_bytes());
    assert_eq!(read(&[Tar::default().file("boot/vmlinuz", file).gzip()]).packages, []);
}
