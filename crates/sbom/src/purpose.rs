//! What a document is for: an inventory of software, or something else that the same formats carry.
//!
//! CycloneDX is also the form of VEX documents, of lists of services and of lists of cryptographic assets. Each has the
//! predicate type of an SBOM and says nothing about what is in an image. An SBOM that truly found nothing (an image from
//! scratch) is an inventory: it lists nothing else either. What cannot be read at all is an error here, never an
//! inventory.

use crate::inventory::{Inventory, Package};
use crate::purl::Purl;
use crate::{Format, Result, cyclonedx, json};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;

/// Packages up to which it is asked whether each of them stands there for a vulnerability's sake alone. Statements about
/// one image name a few; a document with more of them lists what is in the image, whatever else it says, and is not read
/// a second time.
const NAMED_BY_VEX: usize = 200;

/// What a document is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// It says what software there is, were it none.
    Inventory,
    /// It says something else. In words: `it states 3 vulnerabilities`.
    Other(String),
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    vulnerabilities: Option<Vec<Vulnerability>>,
    #[serde(default)]
    services: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    declarations: Option<IgnoredAny>,
    #[serde(default)]
    components: Option<Vec<Kind>>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    /// There in VEX alone: a scan lists, and judges nothing.
    #[serde(default)]
    analysis: Option<IgnoredAny>,
    #[serde(default)]
    affects: Option<Vec<Affected>>,
}

#[derive(Deserialize)]
struct Affected {
    #[serde(rename = "ref", default)]
    what: String,
}

/// What the document in `bytes`, which was read as `format` and says `inventory`, is for.
///
/// # Errors
/// Where its other parts cannot be read.
pub fn purpose(format: Format, bytes: &[u8], inventory: &Inventory) -> Result<Purpose> {
    // SPDX 2 has no form for anything else.
    let listed = || inventory.packages.iter().filter(|package| !is_subject(package, inventory));
    if format != Format::CycloneDxJson || listed().take(NAMED_BY_VEX + 1).count() > NAMED_BY_VEX {
        return Ok(Purpose::Inventory);
    }
    let head: Head = json::parse("read what the document is for", bytes)?;
    let vulnerabilities = head.vulnerabilities.unwrap_or_default();
    let stated: BTreeSet<String> = vulnerabilities
        .iter()
        .filter(|vulnerability| vulnerability.analysis.is_some())
        .flat_map(|vulnerability| vulnerability.affects.iter().flatten())
        .map(|affected| cyclonedx::component(&affected.what))
        .collect();
    let named = |package: &Package| {
        stated.contains(&package.id) || package.purl.as_ref().is_some_and(|p| stated.contains(p))
    };
    if listed().any(|package| !named(package)) {
        return Ok(Purpose::Inventory);
    }
    let kinds: Vec<String> = head.components.into_iter().flatten().map(|c| c.kind).collect();
    let assets = kinds.iter().filter(|kind| *kind == "cryptographic-asset").count();
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    Ok(match (vulnerabilities.len(), head.services.map_or(0, |s| s.len())) {
        (0, 0) if head.declarations.is_some() => Purpose::Other("it makes declarations".to_owned()),
        (0, 0) if assets > 0 && assets == kinds.len() => {
            let text = counted(assets, "cryptographic asset", "cryptographic assets");
            Purpose::Other(format!("it lists {text}"))
        }
        (0, 0) => Purpose::Inventory,
        (0, services) => Purpose::Other(format!("it lists {}", counted(services, "service", "services"))),
        (count, _) => {
            Purpose::Other(format!("it states {}", counted(count, "vulnerability", "vulnerabilities")))
        }
    })
}

/// Whether `package` is the image itself, which VEX documents list as the product that they are about.
fn is_subject(package: &Package, inventory: &Inventory) -> bool {
    match package.purl.as_deref().map(Purl::parse) {
        Some(Ok(purl)) => purl.kind == "oci" || purl.kind == "docker",
        Some(Err(_)) => false,
        None => package.name == inventory.subject.name,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(change: impl Fn(&mut Value)) -> Purpose {
        let mut document = json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "metadata": { "component": { "type": "container", "name": "app", "bom-ref": "app" } },
        });
        change(&mut document);
        let bytes = document.to_string().into_bytes();
        let (format, inventory) = crate::read(&bytes).unwrap();
        purpose(format, &bytes, &inventory).unwrap()
    }

    fn vulnerability(what: &str) -> Value {
        json!({ "id": "CVE-2026-1", "analysis": { "state": "not_affected" }, "affects": [{ "ref": what }] })
    }

    fn other(purpose: &Purpose, words: &str) {
        assert!(matches!(purpose, Purpose::Other(text) if text.contains(words)), "{purpose:?}");
    }

    #[test]
    fn a_document_of_vulnerabilities_is_no_inventory() {
        other(&of(|d| d["vulnerabilities"] = json!([vulnerability("app")])), "1 vulnerability");
        // With the image as its product, by purl or by name.
        for image in [
            json!({ "type": "container", "name": "x", "bom-ref": "p", "purl": "pkg:oci/x@sha256:1" }),
            json!({ "type": "container", "name": "app", "bom-ref": "p" }),
        ] {
            let of = of(|d| {
                d["components"] = json!([image]);
                d["vulnerabilities"] = json!([{ "id": "CVE-2026-1" }, { "id": "CVE-2026-2" }]);
            });
            other(&of, "2 vulnerabilities");
        }
        // With what is affected, by its own name or as a link to another document.
        for what in [
            "z",
            "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#z",
            "pkg:deb/debian/zlib1g@1",
            "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Adeb/debian/zlib1g%401",
        ] {
            let of = of(|d| {
                let zlib = json!({ "type": "library", "name": "zlib1g", "bom-ref": "z", "purl": "pkg:deb/debian/zlib1g@1" });
                d["components"] = json!([zlib]);
                d["vulnerabilities"] = json!([vulnerability(what)]);
            });
            other(&of, "1 vulnerability");
        }
    }

    #[test]
    fn what_lists_software_is_an_inventory_whatever_else_it_says() {
        let package =
            |n: usize| json!({ "type": "library", "name": format!("p{n}"), "bom-ref": format!("p{n}") });
        // A scan that lists what it scanned, all of it vulnerable.
        let scan = of(|d| {
            d["components"] = json!([package(0)]);
            d["vulnerabilities"] = json!([{ "id": "CVE-2026-1", "affects": [{ "ref": "p0" }] }]);
        });
        assert_eq!(scan, Purpose::Inventory);
        let with_vex = of(|d| {
            d["components"] = json!([package(0), package(1)]);
            d["vulnerabilities"] = json!([vulnerability("p0")]);
            d["services"] = json!([{ "name": "api" }]);
        });
        assert_eq!(with_vex, Purpose::Inventory);
        // At the limit each is asked about, above it none.
        for (count, expected) in [(NAMED_BY_VEX, false), (NAMED_BY_VEX + 1, true)] {
            let of = of(|d| {
                d["components"] = (0..count).map(package).collect();
                d["vulnerabilities"] = (0..count).map(|n| vulnerability(&format!("p{n}"))).collect();
            });
            assert_eq!(of == Purpose::Inventory, expected, "{count}");
        }
    }

    #[test]
    fn an_empty_one_is_an_inventory_unless_it_lists_something_else() {
        assert_eq!(of(|_| {}), Purpose::Inventory);
        assert_eq!(of(|d| d["vulnerabilities"] = json!([])), Purpose::Inventory);
        assert_eq!(of(|d| d["components"] = json!([{ "type": "file", "name": "/app" }])), Purpose::Inventory);
        let os = json!([{ "type": "operating-system", "name": "wolfi", "version": "1" }]);
        assert_eq!(of(|d| d["components"] = os.clone()), Purpose::Inventory);
        other(&of(|d| d["services"] = json!([{ "name": "api" }])), "1 service");
        other(&of(|d| d["declarations"] = json!({ "claims": [] })), "declarations");
        let assets = json!([{ "type": "cryptographic-asset", "name": "a" }, { "type": "cryptographic-asset", "name": "b" }]);
        other(&of(|d| d["components"] = assets.clone()), "2 cryptographic assets");
        let spdx = br#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","packages":[]}"#;
        let (format, inventory) = crate::read(spdx).unwrap();
        assert_eq!(purpose(format, spdx, &inventory).unwrap(), Purpose::Inventory);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let bytes = br#"{"bomFormat":"CycloneDX","specVersion":"1.6","vulnerabilities":"none"}"#;
        let (format, inventory) = crate::read(bytes).unwrap();
        assert!(purpose(format, bytes, &inventory).is_err());
    }
}
