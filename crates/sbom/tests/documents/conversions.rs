//! Every kind of document: round trips, what others write, what is left behind, what is refused.

use super::{bytes, digest, example, inventory, load, testdata};
use proptest::prelude::*;
use seaworthy_sbom::cyclonedx::Version;
use seaworthy_sbom::documents::{self, Kind};
use seaworthy_sbom::inventory::{Creator, Ecosystem, RelationshipKind};
use seaworthy_sbom::losses::Losses;
use seaworthy_sbom::{ErrorKind, Format, Layout, limits};

/// Every kind that carries a whole inventory.
pub(super) fn whole() -> Vec<Kind> {
    let mut kinds = vec![Kind::SpdxJson, Kind::SpdxTagValue, Kind::Spdx3Json];
    kinds.extend(Version::ALL.map(Kind::CycloneDxJson));
    kinds.extend(Version::ALL.map(Kind::CycloneDxXml));
    kinds
}

pub(super) fn written(
    kind: Kind,
    inventory: &seaworthy_sbom::inventory::Inventory,
) -> Result<Vec<u8>, seaworthy_sbom::Error> {
    let mut out = Vec::new();
    documents::write(kind, inventory, Layout::Pretty, &mut out)?;
    Ok(out)
}

pub(super) fn listed(losses: &Losses) -> Vec<String> {
    losses.iter().map(|(what, count)| format!("{count} {what}")).collect()
}

fn refused(text: &str) -> ErrorKind {
    documents::read(text.as_bytes()).unwrap_err().kind
}

#[test]
fn every_kind_carries_the_whole_inventory() {
    let example = example();
    for kind in whole() {
        let document = written(kind, &example).unwrap();
        let (found, back, losses) = documents::read(&document).unwrap();
        assert_eq!(found, kind);
        assert_eq!(back, example, "{kind}");
        assert!(losses.is_empty(), "{kind}: {:?}", listed(&losses));
        assert_eq!(written(kind, &back).unwrap(), document, "{kind}");
    }
}

#[test]
fn one_kind_to_another_and_back_is_the_same_document() {
    let start = bytes(Format::SpdxJson, &example(), Layout::Pretty);
    for kind in whole() {
        let (_, inventory, _) = documents::read(&start).unwrap();
        let (_, inventory, _) = documents::read(&written(kind, &inventory).unwrap()).unwrap();
        assert_eq!(written(Kind::SpdxJson, &inventory).unwrap(), start, "by way of {kind}");
    }
}

/// The committed documents in the other notations. After a change that is meant: `SEAWORTHY_BLESS=1`, and validate
/// them again (docs/reference/formats.md says with what).
#[test]
fn golden_notations() {
    for (kind, name) in [
        (Kind::SpdxTagValue, "example.spdx"),
        (Kind::CycloneDxXml(Version::V1_6), "example.cdx.xml"),
        (Kind::CycloneDxJson(Version::V1_4), "example.1.4.cdx.json"),
        (Kind::Spdx3Json, "example.spdx3.json"),
        (Kind::GitHub, "example.github.json"),
    ] {
        let document = written(kind, &example()).unwrap();
        if std::env::var_os("SEAWORTHY_BLESS").is_some() {
            std::fs::write(testdata(name), &document).unwrap();
        }
        assert_eq!(
            String::from_utf8_lossy(&document),
            String::from_utf8_lossy(&std::fs::read(testdata(name)).unwrap()),
            "{name}"
        );
    }
}

#[test]
fn kinds_have_the_names_that_people_know() {
    for (text, kind) in [
        ("spdx-json", Kind::SpdxJson),
        ("spdx", Kind::SpdxJson),
        ("spdx-json@2.3", Kind::SpdxJson),
        ("spdx-tag-value", Kind::SpdxTagValue),
        ("SPDX-TV", Kind::SpdxTagValue),
        ("spdx-3-json", Kind::Spdx3Json),
        ("spdx-json@3.0", Kind::Spdx3Json),
        ("cyclonedx-json", Kind::CycloneDxJson(Version::V1_6)),
        ("cyclonedx@1.5", Kind::CycloneDxJson(Version::V1_5)),
        ("cyclonedx-xml@1.7", Kind::CycloneDxXml(Version::V1_7)),
        ("github-json", Kind::GitHub),
    ] {
        assert_eq!(text.parse::<Kind>().unwrap(), kind, "{text}");
    }
    for text in ["cyclonedx-json@1.3", "spdx-json@2.2", "github-json@1", "syft-json", "", "xml", "@1.6"] {
        let error = text.parse::<Kind>().unwrap_err();
        assert!(matches!(error.kind, ErrorKind::UnknownFormat(_)), "{text}: {error}");
        assert!(error.hint.unwrap().contains("spdx-tag-value"));
    }
    for kind in whole() {
        assert_eq!(kind.to_string().parse::<Kind>().unwrap(), kind);
    }
}

/// What a format has no field for stands in properties of ours, and is named.
#[test]
fn what_stands_aside_is_named() {
    let of = |kind| listed(&documents::aside(kind, &example()).unwrap());
    let old = of(Kind::CycloneDxJson(Version::V1_4));
    let new = of(Kind::CycloneDxJson(Version::V1_6));
    assert!(old.contains(&"2 package.evidence".to_owned()), "{old:?}");
    assert!(!new.iter().any(|l| l.ends_with("package.evidence")), "{new:?}");
    assert!(new.contains(&"1 document.gap".to_owned()), "{new:?}");
    assert_eq!(of(Kind::CycloneDxXml(Version::V1_6)), new);
    assert_eq!(of(Kind::SpdxTagValue), of(Kind::SpdxJson));
    let snapshot = of(Kind::GitHub);
    assert!(snapshot.contains(&"3 package.license".to_owned()), "{snapshot:?}");
}

#[test]
fn what_others_write_and_we_do_not_hold_is_counted() {
    for (name, expected) in
        [("syft-style.spdx.json", "files"), ("syft-style.cdx.json", "metadata.tools.components[].author")]
    {
        let document = std::fs::read(testdata(name)).unwrap();
        let (_, inventory, losses) = documents::read(&document).unwrap();
        assert_eq!(inventory, load(name).1);
        assert!(listed(&losses).iter().any(|l| l.contains(expected)), "{name}: {:?}", listed(&losses));
    }
    let document = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"urn:uuid:1","version":1,
        "metadata":{"lifecycles":[{"phase":"build"}],"properties":[{"name":"x","value":"y"}]},
        "components":[{"type":"library","name":"a","modified":true,"pedigree":{"notes":"n"},
          "externalReferences":[{"type":"vcs","url":"https://example.org"},{"type":"website","url":"https://example.org"}],
          "components":[{"type":"library","name":"b","swid":{"tagId":"t","name":"b"}}]}],
        "services":[{"name":"s"}],"vulnerabilities":[{"id":"CVE-2026-1"},{"id":"CVE-2026-2"}]}"#;
    let (_, _, losses) = documents::read(document.as_bytes()).unwrap();
    assert_eq!(
        listed(&losses),
        [
            "1 components[].externalReferences of the type vcs",
            "1 components[].modified",
            "1 components[].pedigree.notes",
            "1 components[].swid.name",
            "1 components[].swid.tagId",
            "1 metadata.lifecycles",
            "1 metadata.properties",
            "1 services",
            "2 vulnerabilities",
        ]
    );
}

#[test]
fn tag_value_of_others() {
    let document = "\u{feff}# a comment\r\nSPDXVersion: SPDX-2.2\r\nDataLicense: CC0-1.0\r\nSPDXID: SPDXRef-DOCUMENT\r\n\
        DocumentName: hello\r\nCreator: Tool: maker-1.2\r\nCreated: 2024-01-02T03:04:05Z\r\n\r\n\
        FileName: ./a\r\nSPDXID: SPDXRef-File-a\r\nFileChecksum: SHA1: 00\r\n\r\n\
        PackageName: glibc\r\nSPDXID: SPDXRef-glibc\r\nPackageVersion: 2.11\r\n\
        PackageSupplier: Organization: GNU (gnu@example.org)\r\n\
        PackageDownloadLocation: NOASSERTION\r\nPackageChecksum: SHA256: AB\r\n\
        PackageLicenseDeclared: LGPL-2.1-only\r\n\
        PackageCopyrightText: <text>two\r\nlines: of it</text>\r\n\
        ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/glibc@2.11?arch=amd64\r\n\
        PackageComment: <text>lost</text>\r\n\
        PackageName: other\r\nSPDXID: SPDXRef-other\r\n\
        LicenseID: LicenseRef-1\r\nExtractedText: <text>SPDXVersion: no\nPackageName: no</text>\r\n\
        Relationship: SPDXRef-glibc DEPENDS_ON SPDXRef-other\r\n\
        Relationship: SPDXRef-glibc BUILD_TOOL_OF SPDXRef-other";
    let (kind, inventory, losses) = documents::read(document.as_bytes()).unwrap();
    assert_eq!(kind, Kind::SpdxTagValue);
    assert_eq!(inventory.subject.name, "hello");
    assert_eq!(inventory.created, Some(1_704_164_645));
    assert_eq!(inventory.creators, [Creator::Tool { name: "maker".into(), version: Some("1.2".into()) }]);
    let names: Vec<&str> = inventory.packages.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["glibc", "other"]);
    let glibc = &inventory.packages[0];
    assert_eq!(glibc.ecosystem, Ecosystem::Deb);
    assert_eq!(glibc.supplier.as_deref(), Some("GNU <gnu@example.org>"));
    assert_eq!(glibc.copyright.as_deref(), Some("two\r\nlines: of it"));
    assert_eq!(glibc.checksums[0].hex, "ab");
    assert_eq!(inventory.relationships[0].kind, RelationshipKind::DependsOn);
    assert_eq!(
        listed(&losses),
        [
            "1 files[].FileChecksum",
            "1 hasExtractedLicensingInfos",
            "1 packages[].PackageComment",
            "1 relationships of the type BUILD_TOOL_OF"
        ]
    );
}

#[test]
fn tag_value_that_is_none_is_refused() {
    let head = "SPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\n";
    for (tail, why) in [
        ("no tag here\n", "line 3 is no 'Tag: value'"),
        ("DocumentComment: <text>never\nends\n", "begins in line 3 does not end"),
        ("Relationship: SPDXRef-a CONTAINS\n", "is no relationship"),
    ] {
        let kind = refused(&format!("{head}{tail}"));
        assert!(matches!(&kind, ErrorKind::Malformed(text) if text.contains(why)), "{kind:?}");
    }
    let kind = refused("SPDXVersion: SPDX-1.2\n");
    assert!(matches!(kind, ErrorKind::Unsupported(_)), "{kind:?}");
}

/// A name with a line break would begin a tag of the name's choice.
#[test]
fn a_name_that_would_forge_a_tag_is_refused() {
    let mut inventory = example();
    inventory.packages[0].name = "a\nPackageName: b".into();
    let error = written(Kind::SpdxTagValue, &inventory).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    inventory.packages[0].name = "a\u{1}b".into();
    let error = written(Kind::CycloneDxXml(Version::V1_6), &inventory).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
}

#[test]
fn xml_of_others() {
    let document = r#"<?xml version="1.0"?>
        <c:bom xmlns:c="http://cyclonedx.org/schema/bom/1.4" version="1">
          <c:metadata><c:timestamp>2024-01-02T03:04:05Z</c:timestamp>
            <c:tools><c:tool><c:vendor>v</c:vendor><c:name>maker</c:name><c:version>1</c:version></c:tool></c:tools>
            <c:licenses><c:license><c:id>MIT</c:id></c:license></c:licenses>
          </c:metadata>
          <c:components>
            <c:component type="library" bom-ref="a">
              <c:author>J &amp; D</c:author><c:group>org.example</c:group><c:name><![CDATA[a<b]]></c:name><c:version>1&#x2e;0</c:version>
              <c:scope>required</c:scope>
              <c:hashes><c:hash alg="SHA-1">AA</c:hash></c:hashes>
              <c:licenses><c:expression>MIT OR Apache-2.0</c:expression></c:licenses>
              <c:components><c:component type="library" bom-ref="b"><c:name>b</c:name></c:component></c:components>
            </c:component>
          </c:components>
          <c:services><c:service><c:name>s</c:name></c:service></c:services>
          <c:dependencies><c:dependency ref="a"><c:dependency ref="b"/></c:dependency></c:dependencies>
        </c:bom>"#;
    let (kind, inventory, losses) = documents::read(document.as_bytes()).unwrap();
    assert_eq!(kind, Kind::CycloneDxXml(Version::V1_4));
    assert_eq!(inventory.packages.len(), 2);
    let a = inventory.package("a").unwrap();
    assert_eq!((a.name.as_str(), a.version.as_deref()), ("org.example/a<b", Some("1.0")));
    assert_eq!(a.originator.as_deref(), Some("J & D"));
    assert_eq!(a.license.expression.as_deref(), Some("MIT OR Apache-2.0"));
    let kinds: Vec<RelationshipKind> = inventory.relationships.iter().map(|r| r.kind).collect();
    assert_eq!(kinds, [RelationshipKind::DependsOn, RelationshipKind::Contains]);
    let expected = ["1 components[].scope", "1 metadata.licenses", "1 metadata.tools[].vendor", "1 services"];
    assert_eq!(listed(&losses), expected);
}

/// What lies deep in fields that are read is counted, under the names that JSON has for it; elements of other namespaces
/// are nobody's name or version.
#[test]
fn what_lies_deep_in_xml_is_counted() {
    let document = r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6" xmlns:f="urn:f">
          <components><component type="library" bom-ref="a" f:own="1">
            <supplier><name>S</name><url>https://s.example</url><contact><name>C</name><phone>1</phone></contact></supplier>
            <f:name>theirs</f:name><name>a</name>
            <licenses><license><id>MIT</id><text>T</text></license></licenses>
            <externalReferences><reference type="website"><url>u</url><comment>c</comment></reference>
              <reference type="vcs"><url>u</url></reference></externalReferences>
            <evidence><occurrences><occurrence><location>/x</location><line>1</line></occurrence></occurrences>
              <callstack><frames><frame><module>m</module></frame></frames></callstack></evidence>
          </component></components>
          <dependencies><dependency ref="a"><provides ref="b"/></dependency></dependencies>
          <f:x><f:y>1</f:y></f:x>
        </bom>"#;
    let (_, inventory, losses) = documents::read(document.as_bytes()).unwrap();
    assert_eq!(inventory.packages[0].name, "a");
    assert_eq!(
        listed(&losses),
        [
            "1 components[].evidence.callstack.frames",
            "1 components[].evidence.occurrences[].line",
            "1 components[].externalReferences of the type vcs",
            "1 components[].externalReferences[].comment",
            "1 components[].licenses[].license.text",
            "1 components[].name of another namespace",
            "1 components[].own of another namespace",
            "1 components[].supplier.contact[].name",
            "1 components[].supplier.contact[].phone",
            "1 components[].supplier.url",
            "1 dependencies[].provides.ref",
            "1 x of another namespace.y of another namespace",
        ]
    );
}

#[test]
fn what_lies_deep_in_spdx_3_is_counted() {
    let mut document: serde_json::Value =
        serde_json::from_slice(&written(Kind::Spdx3Json, &example()).unwrap()).unwrap();
    let graph = document["@graph"].as_array_mut().unwrap();
    let position =
        |graph: &[serde_json::Value], kind: &str| graph.iter().position(|e| e["type"] == kind).unwrap();
    let tool = position(graph, "Tool");
    graph[tool]["comment"] = "x".into();
    let agent = position(graph, "Organization");
    graph[agent]["externalRef"] = serde_json::json!([{"type": "ExternalRef", "comment": "x"}]);
    let package = graph
        .iter()
        .position(|e| e["type"] == "software_Package" && e["software_primaryPurpose"] != "container")
        .unwrap();
    graph[package]["description"] = "x".into();
    graph[package]["verifiedUsing"] =
        serde_json::json!([{"type": "Hash", "algorithm": "sha256", "hashValue": "00", "comment": "x"}]);
    graph[package]["externalIdentifier"] = serde_json::json!([
        {"type": "ExternalIdentifier", "externalIdentifierType": "swhid", "identifier": "x", "issuingAuthority": "y"}
    ]);
    graph.push(serde_json::json!({
        "type": "Relationship", "spdxId": "urn:x:r", "creationInfo": "_:c",
        "from": "urn:x:nowhere", "relationshipType": "testedOn", "to": ["urn:x:y"], "completeness": "complete"
    }));
    graph.push(
        serde_json::json!({"type": "security_Vulnerability", "spdxId": "urn:x:v", "creationInfo": "_:c"}),
    );
    let (_, _, losses) = documents::read(document.to_string().as_bytes()).unwrap();
    assert_eq!(
        listed(&losses),
        [
            "1 Organization.externalRef",
            "1 Relationship of the type testedOn from what is no package",
            "1 Relationship.completeness",
            "1 Tool.comment",
            "1 security_Vulnerability",
            "1 software_Package.description",
            "1 software_Package.externalIdentifier of the type swhid",
            "1 software_Package.externalIdentifier.issuingAuthority",
            "1 software_Package.verifiedUsing.comment",
        ]
    );
}

#[test]
fn xml_that_is_dangerous_or_none_is_refused() {
    let bom = |version: &str, inner: &str| {
        format!(r#"<bom xmlns="http://cyclonedx.org/schema/bom/{version}">{inner}</bom>"#)
    };
    for (text, why) in [
        (format!("<!DOCTYPE bom [<!ENTITY a \"aaaa\">]>{}", bom("1.6", "&a;")), "document type declaration"),
        (bom("1.6", "&lol;"), "entity 'lol' is not known"),
        (bom("1.6", "<components>"), ""),
        (bom("1.6", "") + "<bom/>", "second element"),
        ("<bom xmlns=\"http://cyclonedx.org/schema/bom/1.6\">".to_owned(), "ends within an element"),
    ] {
        let kind = refused(&text);
        assert!(matches!(&kind, ErrorKind::Malformed(t) if t.contains(why)), "{text}: {kind:?}");
    }
    assert!(matches!(refused(&bom("1.3", "")), ErrorKind::Unsupported(_)));
    assert!(matches!(refused("<html/>"), ErrorKind::Unsupported(_)));
    let deep = bom("1.6", &("<a>".repeat(limits::JSON_DEPTH) + &"</a>".repeat(limits::JSON_DEPTH)));
    assert_eq!(
        refused(&deep),
        ErrorKind::LimitExceeded { limit: "JSON_DEPTH", value: limits::JSON_DEPTH as u64 }
    );
    let just = bom("1.6", &("<a>".repeat(limits::JSON_DEPTH - 1) + &"</a>".repeat(limits::JSON_DEPTH - 1)));
    documents::read(just.as_bytes()).unwrap();
}

#[test]
fn documents_one_byte_too_large_are_refused() {
    let expected = ErrorKind::LimitExceeded { limit: "DOCUMENT_BYTES", value: limits::DOCUMENT_BYTES as u64 };
    for head in [
        "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.6\"/>",
        "SPDXVersion: SPDX-2.3\n",
        "{\"artifacts\":1}",
    ] {
        let mut text = head.to_owned();
        text.extend(std::iter::repeat_n('\n', limits::DOCUMENT_BYTES + 1 - head.len()));
        assert_eq!(refused(&text), expected, "{head}");
    }
}

#[test]
fn syft_json_is_read() {
    let document = format!(
        r#"{{"artifacts":[
          {{"id":"1","name":"bash","version":"5.2","type":"deb","foundBy":"dpkg-db-cataloger",
            "locations":[{{"path":"/usr/share/doc/bash/copyright","layerID":"{b}","annotations":{{"evidence":"supporting"}}}},
                         {{"path":"/var/lib/dpkg/status","layerID":"{a}","annotations":{{"evidence":"primary"}}}}],
            "licenses":[{{"value":"GPL-3","spdxExpression":"GPL-3.0-only","type":"declared"}}],
            "cpes":[{{"cpe":"cpe:2.3:a:bash:bash:5.2:*:*:*:*:*:*:*","source":"x"}}],
            "purl":"pkg:deb/debian/bash@5.2?arch=amd64","metadataType":"dpkg-db-entry","metadata":{{"x":1}}}},
          {{"id":"2","name":"libc6","version":"UNKNOWN","type":"deb","cpes":["cpe:2.3:a:x:y:1:*:*:*:*:*:*:*"]}}],
         "artifactRelationships":[{{"parent":"2","child":"1","type":"dependency-of"}},
           {{"parent":"1","child":"f","type":"evident-by"}},{{"parent":"1","child":"2","type":"ownership-by-file-overlap"}}],
         "files":[{{"id":"f"}},{{"id":"g"}}],
         "source":{{"id":"s","name":"app","version":"1","type":"image","metadata":{{"manifestDigest":"{a}","architecture":"amd64",
            "os":"linux","mediaType":"m","layers":[{{"digest":"{b}","size":7}}]}}}},
         "distro":{{"id":"debian","versionID":"12","prettyName":"Debian 12","name":"Debian"}},
         "descriptor":{{"name":"syft","version":"1.18.1"}},"schema":{{"version":"16.0.18"}}}}"#,
        a = digest('a'),
        b = digest('b')
    );
    let (kind, inventory, losses) = documents::read(document.as_bytes()).unwrap();
    assert_eq!(kind, Kind::Syft);
    assert_eq!(inventory.subject.digest, Some(digest('a')));
    assert_eq!(inventory.subject.platform.as_deref(), Some("linux/amd64"));
    assert_eq!(inventory.os.as_ref().unwrap().version_id.as_deref(), Some("12"));
    let bash = inventory.package("1").unwrap();
    assert_eq!(bash.layer, Some(digest('a')));
    assert_eq!(bash.license.expression.as_deref(), Some("GPL-3.0-only"));
    assert_eq!(inventory.package("2").unwrap().version, None);
    assert_eq!(inventory.package("2").unwrap().cpes.len(), 1);
    let edges: Vec<(&str, RelationshipKind, &str)> =
        inventory.relationships.iter().map(|r| (r.from.as_str(), r.kind, r.to.as_str())).collect();
    assert_eq!(edges, [("1", RelationshipKind::DependsOn, "2"), ("1", RelationshipKind::Contains, "2")]);
    assert_eq!(listed(&losses), ["1 artifacts[].metadata", "2 files[] without a location"]);
    let error = written(Kind::Syft, &inventory).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    /// A notation that cannot hold a value says so; what it writes reads back.
    #[test]
    fn what_is_written_reads_back_or_is_refused(inventory in inventory()) {
        for kind in whole() {
            match written(kind, &inventory) {
                Ok(document) => {
                    let (found, back, losses) = documents::read(&document).unwrap();
                    prop_assert_eq!(found, kind);
                    prop_assert_eq!(&back, &inventory, "{}", String::from_utf8_lossy(&document));
                    prop_assert!(losses.is_empty(), "{}: {:?}", kind, listed(&losses));
                }
                Err(error) => prop_assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{}", error),
            }
        }
    }

    #[test]
    fn broken_notations_never_panic(cut in 0_usize..20_000, flip in any::<u8>(), which in 0_usize..3) {
        let kind = [Kind::SpdxTagValue, Kind::CycloneDxXml(Version::V1_7), Kind::CycloneDxJson(Version::V1_4)][which];
        let mut document = written(kind, &example()).unwrap();
        let at = cut % document.len();
        document[at] ^= flip;
        let _ = documents::read(&document);
        let _ = documents::read(&document[..at]);
    }
}
