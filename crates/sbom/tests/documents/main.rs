//! The documents as others see them: golden bytes, round trips, and what other tools write.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[cfg(feature = "documents")]
mod conversions;
#[cfg(feature = "documents")]
mod files;
#[cfg(feature = "documents")]
mod validation;

use proptest::prelude::*;
use seaworthy_sbom::files::{File, Hex, Mode, State};
use seaworthy_sbom::inventory::*;
use seaworthy_sbom::{ErrorKind, Format, Layout, WriteOptions, format, license, limits, purl, read, write};
use std::path::PathBuf;

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/sbom").join(name)
}

fn load(name: &str) -> (Format, Inventory) {
    read(&std::fs::read(testdata(name)).unwrap()).unwrap()
}

fn bytes(format: Format, inventory: &Inventory, layout: Layout) -> Vec<u8> {
    let mut out = Vec::new();
    write(format, inventory, &WriteOptions::new(layout), &mut out).unwrap();
    out
}

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

/// A small image with everything in it that the formats treat in their own ways.
fn example() -> Inventory {
    let os = OsRelease {
        id: "debian".into(),
        id_like: vec![],
        version_id: Some("12".into()),
        codename: Some("bookworm".into()),
        pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
        vendor: Some("Debian GNU/Linux".into()),
    };
    let mut libc = Package::new(Ecosystem::Deb, "libc6", Some("2.36-9+deb12u9".into()));
    libc.architecture = Some("amd64".into());
    libc.source = Some(SourcePackage { name: "glibc".into(), version: Some("2.36-9+deb12u9".into()) });
    libc.license =
        license::normalize(&["LGPL-2.1+".into(), "GFDL-1.3".into(), "public-domain".into()], Ecosystem::Deb);
    libc.supplier = Some("GNU Libc Maintainers <debian-glibc@lists.debian.org>".into());
    libc.homepage = Some("https://www.gnu.org/software/libc/libc.html".into());
    libc.description = Some("GNU C Library: Shared libraries".into());
    libc.layer = Some(digest('1'));
    libc.evidence = vec![
        Evidence { path: "/usr/share/doc/libc6/copyright".into(), layer: Some(digest('1')) },
        Evidence { path: "/var/lib/dpkg/status".into(), layer: Some(digest('2')) },
    ];
    libc.found_by = Some("dpkg".into());
    let mut python = Package::new(Ecosystem::Pypi, "Flask_Login", Some("0.6.3".into()));
    python.license = license::normalize(&["MIT".into()], Ecosystem::Pypi);
    python.originator = Some("Jane Doe <jane@example.org>".into());
    python.checksums = vec![Checksum { algorithm: "SHA256".into(), hex: "ab".repeat(32) }];
    python.evidence = vec![Evidence {
        path: "/usr/lib/python3/dist-packages/flask_login-0.6.3.dist-info/METADATA".into(),
        layer: None,
    }];
    python.found_by = Some("python".into());
    python.cpes = vec!["cpe:2.3:a:example:flask_login:0.6.3:*:*:*:*:*:*:*".into()];
    let mut node = Package::new(Ecosystem::Npm, "@scope/thing", None);
    node.presence = Presence::Declared;
    node.license = license::normalize(&["SEE LICENSE IN LICENSE.txt".into()], Ecosystem::Npm);
    node.properties.insert("seaworthy:version".into(), "unknown".into());
    node.found_by = Some("npm".into());
    let mut packages = vec![libc, python, node];
    for package in &mut packages {
        package.purl = purl::of(package, Some(&os));
        package.id = package.stable_id();
    }
    let ids: Vec<String> = packages.iter().map(|p| p.id.clone()).collect();
    let mut inventory = Inventory {
        subject: Subject {
            name: "registry.example/team/app".into(),
            digest: Some(digest('a')),
            media_type: Some("application/vnd.oci.image.manifest.v1+json".into()),
            platform: Some("linux/amd64".into()),
            tag: Some("1.0".into()),
            supplier: Some("Example Works <works@example.org>".into()),
        },
        created: Some(1_700_000_000),
        creators: vec![
            Creator::Tool { name: "seaworthy".into(), version: Some("0.1.0".into()) },
            Creator::Organization { name: "Example".into(), contact: Some("sbom@example.org".into()) },
        ],
        os: Some(os),
        layers: vec![
            Layer { digest: digest('1'), diff_id: Some(digest('3')), size: 4096 },
            Layer { digest: digest('2'), diff_id: None, size: 128 },
        ],
        relationships: vec![
            Relationship { from: ids[0].clone(), kind: RelationshipKind::Contains, to: ids[1].clone() },
            Relationship { from: ids[1].clone(), kind: RelationshipKind::DependsOn, to: ids[0].clone() },
        ],
        packages,
        gaps: vec![Gap {
            path: "/opt/app/node_modules/broken/package.json".into(),
            reason: "no JSON: expected value at line 1 column 1".into(),
            found_by: "npm".into(),
        }],
        ..Inventory::default()
    };
    inventory.normalize();
    inventory
}

/// The committed documents are byte for byte what is written. After a change that is meant:
/// `SEAWORTHY_BLESS=1 cargo test -p seaworthy-sbom`, then validate them again.
#[test]
fn golden_documents() {
    for (format, name) in
        [(Format::SpdxJson, "example.spdx.json"), (Format::CycloneDxJson, "example.cdx.json")]
    {
        let written = bytes(format, &example(), Layout::Pretty);
        if std::env::var_os("SEAWORTHY_BLESS").is_some() {
            std::fs::write(testdata(name), &written).unwrap();
        }
        let golden = std::fs::read(testdata(name)).unwrap();
        assert!(
            written == golden,
            "{name} is not what is written now:\n{}",
            String::from_utf8_lossy(&written)
        );
        let (found, inventory) = read(&golden).unwrap();
        assert_eq!(found, format);
        assert_eq!(inventory, example(), "{name}");
    }
}

#[test]
fn order_does_not_matter_and_layout_is_not_content() {
    for format in Format::ALL {
        let mut shuffled = example();
        shuffled.packages.reverse();
        shuffled.relationships.reverse();
        shuffled.creators.reverse();
        let compact = bytes(format, &example(), Layout::Compact);
        assert_eq!(compact, bytes(format, &shuffled, Layout::Compact));
        assert_eq!(read(&compact).unwrap(), read(&bytes(format, &example(), Layout::Pretty)).unwrap());
    }
}

#[test]
fn other_content_has_another_identity() {
    let identity = |inventory: &Inventory, format| {
        let json: serde_json::Value =
            serde_json::from_slice(&bytes(format, inventory, Layout::Compact)).unwrap();
        json.get("documentNamespace").or(json.get("serialNumber")).unwrap().as_str().unwrap().to_owned()
    };
    let mut other = example();
    other.packages[0].version = Some("2.36-9+deb12u10".into());
    for format in Format::ALL {
        assert_ne!(identity(&example(), format), identity(&other, format));
    }
    assert!(identity(&other, Format::SpdxJson).starts_with("https://seaworthy.dev/spdx/"));
    let serial = identity(&other, Format::CycloneDxJson);
    assert!(serial.starts_with("urn:uuid:") && serial.len() == 45, "{serial}");
}

#[test]
fn other_libraries_read_what_is_written() {
    let spdx: spdx_rs::models::SPDX =
        serde_json::from_slice(&bytes(Format::SpdxJson, &example(), Layout::Compact)).unwrap();
    // The image, the operating system and three packages.
    assert_eq!(spdx.package_information.len(), 5);
    let references: Vec<_> =
        spdx.other_licensing_information_detected.iter().map(|l| l.license_identifier.as_str()).collect();
    assert_eq!(references.len(), 2);
    assert!(references.contains(&"LicenseRef-public-domain"));
    let cdx: serde_cyclonedx::cyclonedx::v_1_6::CycloneDx =
        serde_json::from_slice(&bytes(Format::CycloneDxJson, &example(), Layout::Compact)).unwrap();
    assert_eq!(cdx.components.unwrap().len(), 4);
}

#[test]
fn an_empty_inventory_is_a_document_too() {
    for format in Format::ALL {
        assert_eq!(
            read(&bytes(format, &Inventory::default(), Layout::Compact)).unwrap().1,
            Inventory::default()
        );
    }
}

fn names(inventory: &Inventory) -> Vec<(Ecosystem, &str, &str)> {
    inventory
        .packages
        .iter()
        .map(|p| (p.ecosystem, p.name.as_str(), p.version.as_deref().unwrap_or("-")))
        .collect()
}

#[test]
fn syft_style_spdx() {
    let (format, inventory) = load("syft-style.spdx.json");
    assert_eq!(format, Format::SpdxJson);
    assert_eq!(inventory.subject.name, "registry.example/app");
    assert_eq!(inventory.subject.digest, Some(digest('a')));
    assert_eq!(
        names(&inventory),
        [
            (Ecosystem::Deb, "libssl3", "3.0.11-1~deb12u2"),
            (Ecosystem::Npm, "@babel/core", "7.23.0"),
            (Ecosystem::Maven, "org.slf4j:slf4j-api", "2.0.9"),
        ]
    );
    let libssl = &inventory.packages[0];
    assert_eq!(libssl.architecture.as_deref(), Some("amd64"));
    assert_eq!(libssl.source.as_ref().unwrap().name, "openssl");
    assert_eq!(
        libssl.supplier.as_deref(),
        Some("Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>")
    );
    assert_eq!(libssl.evidence[0].path, "/usr/share/doc/libssl3/copyright");
    // Not a valid expression: kept as text, and understood where that is no guess.
    assert_eq!(libssl.license.declared, ["Apache-2.0 AND GPL-2+"]);
    assert_eq!(libssl.license.expression.as_deref(), Some("Apache-2.0 AND GPL-2.0-or-later"));
    assert_eq!(inventory.relationships.len(), 1);
    assert_eq!(inventory.relationships[0].kind, RelationshipKind::DependsOn);
    assert_eq!(inventory.package(&inventory.relationships[0].from).unwrap().name, "@babel/core");
}

#[test]
fn trivy_style_spdx() {
    let (_, inventory) = load("trivy-style.spdx.json");
    assert_eq!(inventory.subject.digest, Some(digest('b')));
    assert_eq!(
        inventory.os.as_ref().map(|o| (o.id.as_str(), o.version_id.as_deref())),
        Some(("alpine", Some("3.19.1")))
    );
    assert_eq!(names(&inventory), [(Ecosystem::Apk, "musl", "1.2.4_git20230717-r4")]);
    assert_eq!(inventory.packages[0].layer, Some(digest('c')));
}

#[test]
fn syft_style_cyclonedx() {
    let (format, inventory) = load("syft-style.cdx.json");
    assert_eq!(format, Format::CycloneDxJson);
    assert_eq!(inventory.subject.digest, Some(digest('a')));
    assert_eq!(inventory.os.as_ref().unwrap().id, "debian");
    assert_eq!(
        names(&inventory),
        [(Ecosystem::Deb, "libssl3", "3.0.11-1~deb12u2"), (Ecosystem::Pypi, "requests", "2.31.0")]
    );
    assert_eq!(inventory.packages[0].license.expression.as_deref(), Some("Apache-2.0"));
    assert_eq!(inventory.packages[0].evidence[0].path, "/var/lib/dpkg/status");
    assert_eq!(inventory.packages[0].found_by.as_deref(), Some("dpkg-db-cataloger"));
}

#[test]
fn trivy_style_cyclonedx_with_nested_components() {
    let (_, inventory) = load("trivy-style.cdx.json");
    assert_eq!(inventory.subject.digest, Some(digest('b')));
    assert_eq!(
        names(&inventory),
        [
            (Ecosystem::Npm, "left-pad", "1.3.0"),
            (Ecosystem::Maven, "com.example:app", "1.0"),
            (Ecosystem::Maven, "org.slf4j:slf4j-api", "2.0.9"),
        ]
    );
    let kinds: Vec<_> = inventory.relationships.iter().map(|r| r.kind).collect();
    assert_eq!(kinds, [RelationshipKind::DependsOn, RelationshipKind::Contains]);
    assert_eq!(inventory.gaps.len(), 1, "an incomplete composition is a gap");
}

#[test]
fn the_digest_is_what_the_document_says_and_nothing_else() {
    let spdx = |extra: &str| {
        format!(
            r#"{{"spdxVersion":"SPDX-2.3","name":"x","packages":[{{"name":"app","SPDXID":"SPDXRef-a"{extra}}}],
            "relationships":[{{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-a"}}]}}"#
        )
    };
    let subject = |text: &str| read(text.as_bytes()).unwrap().1.subject.digest;
    // A library that the document describes has a checksum too; it is no image.
    let sum = format!(r#","checksums":[{{"algorithm":"SHA256","checksumValue":"{}"}}]"#, "d".repeat(64));
    assert_eq!(subject(&spdx(&sum)), None);
    assert_eq!(subject(&spdx(&format!(r#"{sum},"primaryPackagePurpose":"CONTAINER""#))), Some(digest('d')));
    let purl = format!(
        r#","externalRefs":[{{"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"pkg:oci/app@sha256%3A{}"}}]"#,
        "e".repeat(64)
    );
    assert_eq!(subject(&spdx(&purl)), Some(digest('e')));
    assert_eq!(
        subject(&spdx(&format!(r#","versionInfo":"{}","primaryPackagePurpose":"CONTAINER""#, digest('f')))),
        Some(digest('f'))
    );
    assert_eq!(subject(&spdx(r#","versionInfo":"sha256:abc","primaryPackagePurpose":"CONTAINER""#)), None);
    let cdx = |component: &str| {
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{{"component":{component}}}}}"#)
    };
    assert_eq!(
        subject(&cdx(&format!(r#"{{"type":"container","name":"a","version":"{}"}}"#, digest('a')))),
        Some(digest('a'))
    );
    assert_eq!(
        subject(&cdx(&format!(r#"{{"type":"container","name":"a","bom-ref":"pkg:oci/a@{}"}}"#, digest('b')))),
        Some(digest('b'))
    );
    assert_eq!(
        subject(&cdx(&format!(r#"{{"type":"application","name":"a","version":"{}"}}"#, digest('a')))),
        None
    );
}

#[test]
fn our_annotations_cannot_change_what_a_package_is() {
    let text = String::from_utf8(bytes(Format::SpdxJson, &example(), Layout::Compact)).unwrap();
    let forged = text.replace(
        r#"seaworthy:package={"#,
        r#"seaworthy:package={\"name\":\"harmless\",\"version\":\"9\",\"purl\":\"pkg:npm/x\",\"ecosystem\":\"generic\","#,
    );
    assert_ne!(text, forged);
    let after = read(forged.as_bytes()).unwrap().1;
    let facts = |i: &Inventory| {
        i.packages
            .iter()
            .map(|p| (p.ecosystem, p.name.clone(), p.version.clone(), p.purl.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(facts(&after), facts(&example()));
}

#[test]
fn an_id_used_twice_hides_nothing() {
    let text = r#"{"spdxVersion":"SPDX-2.3","packages":[
        {"name":"a","SPDXID":"SPDXRef-x"},{"name":"b","SPDXID":"SPDXRef-x"},{"name":"c","SPDXID":"SPDXRef-Package-x"}]}"#;
    assert_eq!(read(text.as_bytes()).unwrap().1.packages.len(), 3);
    let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.4","components":[
        {"type":"library","name":"a","bom-ref":"x"},{"type":"library","name":"b","bom-ref":"x"},{"type":"library","name":"b"}]}"#;
    assert_eq!(read(text.as_bytes()).unwrap().1.packages.len(), 3);
}

fn kind(bytes: &[u8]) -> ErrorKind {
    read(bytes).unwrap_err().kind
}

#[test]
fn what_is_no_document_is_refused_for_its_own_reason() {
    assert!(matches!(kind(b""), ErrorKind::UnknownFormat(_)));
    assert!(matches!(kind(b"<bom/>"), ErrorKind::UnknownFormat(_)));
    assert!(matches!(kind(b"{}"), ErrorKind::UnknownFormat(_)));
    assert!(matches!(kind(b"{\"spdxVersion\":"), ErrorKind::Malformed(_)));
    assert!(matches!(
        kind(br#"{"spdxVersion":"SPDX-2.3","bomFormat":"CycloneDX"}"#),
        ErrorKind::Malformed(_)
    ));
    assert!(matches!(kind(br#"{"spdxVersion":"SPDX-3.0"}"#), ErrorKind::Unsupported(_)));
    assert!(matches!(kind(br#"{"bomFormat":"CycloneDX","specVersion":"1.3"}"#), ErrorKind::Unsupported(_)));
    assert!(matches!(
        kind(br#"{"spdxVersion":"SPDX-2.3","spdxVersion":"SPDX-2.3"}"#),
        ErrorKind::Malformed(_)
    ));
    let twice =
        br#"{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"SPDXRef-a","name":"good","name":"evil"}]}"#;
    assert!(matches!(kind(twice), ErrorKind::Malformed(_)));
    assert!(matches!(kind(br#"{"spdxVersion":"SPDX-2.3"} {}"#), ErrorKind::Malformed(_)));
}

#[test]
fn limits_hold_at_one_more() {
    let limit =
        |kind: ErrorKind, name: &str| matches!(kind, ErrorKind::LimitExceeded { limit, .. } if limit == name);
    let nested = |n: usize| {
        format!(r#"{{"spdxVersion":"SPDX-2.3","x":{}{}}}"#, "[".repeat(n), "]".repeat(n)).into_bytes()
    };
    assert!(read(&nested(limits::JSON_DEPTH - 1)).is_ok());
    assert!(limit(kind(&nested(limits::JSON_DEPTH)), "JSON_DEPTH"));

    let spdx = |n: usize| {
        let packages = (0..n).map(|i| format!(r#"{{"SPDXID":"SPDXRef-{i}"}}"#)).collect::<Vec<_>>().join(",");
        format!(r#"{{"spdxVersion":"SPDX-2.3","packages":[{packages}]}}"#).into_bytes()
    };
    assert_eq!(read(&spdx(limits::PACKAGES)).unwrap().1.packages.len(), limits::PACKAGES);
    assert!(limit(kind(&spdx(limits::PACKAGES + 1)), "PACKAGES"));

    // One id, used as often as the limit allows: every package is kept, and soon.
    let same = vec![r#"{"SPDXID":"SPDXRef-a"}"#; limits::PACKAGES].join(",");
    let same = format!(r#"{{"spdxVersion":"SPDX-2.3","packages":[{same}]}}"#);
    assert_eq!(read(same.as_bytes()).unwrap().1.packages.len(), limits::PACKAGES);

    // Two levels, each below the limit, together above it.
    let half = vec!["{}"; limits::PACKAGES / 2].join(",");
    let cdx = format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{{"components":[{half}]}},{half}]}}"#
    );
    assert!(limit(kind(cdx.as_bytes()), "PACKAGES"));

    let large = format!(r#"{{"spdxVersion":"SPDX-2.3","x":"{}"}}"#, "x".repeat(limits::DOCUMENT_BYTES));
    assert!(limit(kind(large.as_bytes()), "DOCUMENT_BYTES"));
}

#[test]
fn names_types_and_uris() {
    for format in Format::ALL {
        for name in format.aliases().iter().chain([&format.name()]) {
            assert_eq!(Format::from_name(&name.to_uppercase()), Some(format));
        }
        assert_eq!(Format::from_media_type(format.media_type()), Some(format));
        assert_eq!(Format::from_predicate_type(format.predicate_type()), Some(format));
    }
    assert_eq!(Format::from_predicate_type("https://spdx.dev/Document/v2.3"), Some(Format::SpdxJson));
    assert_eq!(Format::from_predicate_type("https://cyclonedx.org/bom/v1.5"), Some(Format::CycloneDxJson));
    assert_eq!(Format::from_predicate_type("https://spdx.dev/DocumentX"), None);
    assert_eq!(Format::from_predicate_type("https://spdx.dev/Document/verbatim"), None);
    assert_eq!(Format::from_media_type("text/spdx+json; charset=utf-8"), Some(Format::SpdxJson));
    assert!(matches!("spdx-xml".parse::<Format>().unwrap_err().kind, ErrorKind::UnknownFormat(_)));
    assert_eq!(format::sniff(br#" {"x":[1,"}"],"bomFormat":"CycloneDX"}"#).unwrap(), Format::CycloneDxJson);
}

// Round trips: whatever an inventory holds that keeps the model's own promises comes back.

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 .,:;@<>()/\"\\\\_-]{1,24}",
        "\\PC{1,12}",
        Just("NOASSERTION".to_owned()),
        Just("a\nb".to_owned())
    ]
}

fn maybe<T: std::fmt::Debug>(s: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(s)
}

fn any_digest() -> impl Strategy<Value = String> {
    "sha256:[0-9a-f]{64}"
}

prop_compose! {
    fn package()(
        ecosystem in prop_oneof![Just(Ecosystem::Deb), Just(Ecosystem::Pypi), Just(Ecosystem::Npm), Just(Ecosystem::Maven), Just(Ecosystem::Golang), Just(Ecosystem::Generic)],
        name in "(@[a-z]{1,4}/)?[a-zA-Z][a-zA-Z0-9._+-]{0,10}",
        version in maybe("[0-9][a-zA-Z0-9.+~:-]{0,8}"),
        with_purl in any::<bool>(),
        declared in proptest::collection::vec(prop_oneof!["\\PC{1,12}", Just("MIT".to_owned()), Just("GPL-2+ or Artistic".to_owned())], 0..3),
        concluded in maybe(prop_oneof![Just("MIT OR Apache-2.0".to_owned()), Just("LicenseRef-x".to_owned())]),
        texts in proptest::collection::vec(maybe(text()), 7),
        architecture in maybe("[a-z0-9]{1,6}"),
        source in maybe(("[a-z]{1,6}", maybe("[0-9.]{1,4}"))),
        declared_only in any::<bool>(),
        layer in maybe(any_digest()),
        evidence in proptest::collection::vec((text(), maybe(any_digest())), 0..3),
        files in proptest::collection::vec("/[a-z/]{1,8}", 0..2),
        properties in proptest::collection::btree_map(prop_oneof![text(), Just("seaworthy:layer".to_owned())], text(), 0..3),
        checksums in proptest::collection::vec(prop_oneof![
            "[0-9a-f]{64}".prop_map(|hex| Checksum { algorithm: "SHA256".into(), hex }),
            "[0-9a-f]{32}".prop_map(|hex| Checksum { algorithm: "MD5".into(), hex }),
            "[0-9a-f]{56}".prop_map(|hex| Checksum { algorithm: "SHA224".into(), hex }),
        ], 0..3),
        cpes in proptest::collection::vec(prop_oneof![text(), "cpe:2\\.3:a:[a-z]{1,4}:[a-z]{1,4}:[0-9]:\\*:\\*:\\*:\\*:\\*:\\*:\\*"], 0..3),
        homepage in maybe(prop_oneof![text(), "https://[a-z]{1,5}\\.org(/[a-z]{1,4})?"]),
    ) -> Package {
        let name = if ecosystem == Ecosystem::Maven { name.replace('/', ":") } else { name };
        let name = if matches!(ecosystem, Ecosystem::Deb | Ecosystem::Pypi) { name.replace(['/', '@'], "") } else { name };
        let mut p = Package::new(ecosystem, name, version);
        p.architecture = architecture;
        p.source = source.map(|(name, version)| SourcePackage { name, version });
        p.purl = if with_purl { purl::of(&p, None) } else { None };
        p.license = license::normalize(&declared, ecosystem);
        p.license.concluded = concluded;
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        p.supplier = next();
        p.originator = next();
        p.copyright = next();
        p.download = next();
        p.description = next();
        p.found_by = next();
        p.homepage = homepage;
        p.presence = if declared_only { Presence::Declared } else { Presence::Installed };
        p.layer = layer;
        p.evidence = evidence.into_iter().map(|(path, layer)| Evidence { path, layer }).collect();
        p.files = files;
        p.properties = properties;
        p.checksums = checksums;
        p.cpes = cpes;
        p
    }
}

prop_compose! {
    fn inventory()(
        name in prop_oneof![Just(String::new()), "([a-z]{1,5}(\\.[a-z]{2})?/)?[a-z]{1,6}", text()],
        subject in (maybe(any_digest()), maybe(text()), maybe("linux/(amd64|arm64/v8)"), maybe("[a-zA-Z0-9._-]{1,8}"), maybe(text())),
        created in maybe(0_i64..4_000_000_000),
        creators in proptest::collection::vec(prop_oneof![
            (text(), maybe(text())).prop_map(|(name, version)| Creator::Tool { name, version }),
            (text(), maybe(text())).prop_map(|(name, contact)| Creator::Organization { name, contact }),
            (text(), maybe(Just("a@b.org".to_owned()))).prop_map(|(name, contact)| Creator::Person { name, contact }),
        ], 0..4),
        os in maybe((text(), maybe(text()), maybe(text()), maybe(text()))),
        layers in proptest::collection::vec((any_digest(), maybe(any_digest()), any::<u64>()), 0..3),
        packages in proptest::collection::vec(package(), 0..5),
        relations in proptest::collection::vec((0_usize..5, 0_usize..5, any::<bool>()), 0..4),
        gaps in proptest::collection::vec((text(), text(), text()), 0..3),
        files in proptest::collection::vec((
            text(), maybe(any::<u8>()), maybe(any::<u8>()), maybe(0_usize..3), maybe(0_usize..5), maybe(any::<u32>()),
            prop_oneof![Just(State::Unknown), Just(State::Changed), Just(State::AsRecorded)],
        ), 0..4),
    ) -> Inventory {
        let (digest, media_type, platform, tag, supplier) = subject;
        let mut inventory = Inventory {
            subject: Subject { name, digest, media_type, platform, tag, supplier },
            created,
            creators,
            os: os.map(|(id, version_id, codename, vendor)| OsRelease { id, version_id, codename, vendor, ..OsRelease::default() }),
            layers: layers.into_iter().map(|(digest, diff_id, size)| Layer { digest, diff_id, size }).collect(),
            packages,
            relationships: vec![],
            gaps: gaps.into_iter().map(|(path, reason, found_by)| Gap { path, reason, found_by }).collect(),
            ..Inventory::default()
        };
        inventory.normalize();
        let ids: Vec<String> = inventory.packages.iter().map(|p| p.id.clone()).collect();
        let listed: Vec<File> = files
            .into_iter()
            .map(|(path, sha1, sha256, layer, owner, mode, state)| File {
                path: format!("/{path}").into(),
                size: mode.map(u64::from),
                mode: mode.map(Mode::of),
                sha256: sha256.map(|byte| Hex([byte; 32])),
                sha1: sha1.map(|byte| Hex([byte; 20])),
                layer: layer.and_then(|at| inventory.layers.get(at)).map(|l| l.digest.as_str().into()),
                package: owner.and_then(|at| ids.get(at)).map(|id| id.as_str().into()),
                state,
            })
            .collect();
        inventory.files = listed.into();
        for (from, to, depends) in relations {
            if let (Some(from), Some(to)) = (ids.get(from), ids.get(to)) {
                let kind = if depends { RelationshipKind::DependsOn } else { RelationshipKind::Contains };
                inventory.relationships.push(Relationship { from: from.clone(), kind, to: to.clone() });
            }
        }
        inventory.normalize();
        inventory
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(inventory in inventory()) {
        for format in Format::ALL {
            let written = bytes(format, &inventory, Layout::Compact);
            // For validators that are not Rust: SEAWORTHY_DUMP=<directory> keeps every document.
            if let Some(dir) = std::env::var_os("SEAWORTHY_DUMP") {
                let name = format!("{}.{format}", inventory.packages.iter().map(|p| p.id.as_str()).collect::<String>().len() * 1000 + written.len());
                std::fs::write(PathBuf::from(dir).join(name), &written).unwrap();
            }
            let (found, back) = read(&written).unwrap();
            prop_assert_eq!(found, format);
            prop_assert_eq!(&back, &inventory, "{}", String::from_utf8_lossy(&written));
            prop_assert_eq!(bytes(format, &back, Layout::Compact), written);
        }
    }

    #[test]
    fn broken_documents_never_panic(cut in 0_usize..10_000, flip in any::<u8>(), which in any::<bool>()) {
        let format = if which { Format::SpdxJson } else { Format::CycloneDxJson };
        let mut written = bytes(format, &example(), Layout::Compact);
        let at = cut % written.len();
        written[at] ^= flip;
        let _ = read(&written);
        let _ = read(&written[..at]);
    }
}
