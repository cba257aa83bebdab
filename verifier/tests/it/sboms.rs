//! What a policy can say about SBOMs, through signed attestations.

use crate::lab::*;
use seaworthy_oci::{Descriptor, Digest};
use seaworthy_verifier::{Decision, Policy, Refusal, Verdict};
use serde_json::{Value, json};

const HEAD: &str = "images: ['**']\nauthorities: [{name: release, keys: [{path: release.pub}]}, {name: other, keys: [{path: other.pub}]}]\nsignatures: [{by: [other]}]\nsbom:\n  by: [release]\n";

fn rule(lines: &str) -> Policy {
    policy(&format!("{HEAD}{lines}"), &[("release", &Key::new(1)), ("other", &Key::new(2))])
}

/// An image signed by `other`, with SBOMs by `release`.
fn lab(sboms: &[Value]) -> (Lab, Descriptor) {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &Key::new(2).bundle(&statement(&image.digest, SIGN, json!({}))));
    for sbom in sboms {
        lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SPDX, sbom.clone())));
    }
    (lab, image)
}

fn judge(sboms: &[Value], lines: &str) -> Verdict {
    let (lab, image) = lab(sboms);
    lab.judge(&image, rule(lines)).unwrap()
}

#[track_caller]
pub fn denied(verdict: &Verdict, code: Refusal, words: &str) {
    assert_eq!(verdict.decision, Decision::Deny, "{verdict:#?}");
    let all = verdict.explanations();
    assert!(
        all.iter().any(|e| e.code == code && e.message.contains(words)),
        "{code} '{words}': {verdict:#?}"
    );
}

#[track_caller]
pub fn allowed(verdict: &Verdict) {
    assert_eq!(verdict.decision, Decision::Allow, "{verdict:#?}");
}

const TODAY: &str = "2026-06-01T00:00:00Z";
const XZ: (&str, &str) = ("pkg:deb/debian/xz-utils@5.6.1-1", "NOASSERTION");
const BASH: (&str, &str) = ("pkg:deb/debian/bash@5.2.15-2", "GPL-3.0-or-later");

#[test]
fn an_sbom_must_be_there_and_signed() {
    denied(&judge(&[], ""), Refusal::SbomMissing, "no SBOM on");
    allowed(&judge(&[spdx(TODAY, &[BASH])], ""));
    // By a signer whom the rule does not ask for.
    let (mut place, image) = lab(&[]);
    place.attach(&image, &Key::new(2).bundle(&statement(&image.digest, SPDX, spdx(TODAY, &[]))));
    denied(
        &place.judge(&image, rule("")).unwrap(),
        Refusal::UnknownSigner,
        "by other, whom this rule does not ask for",
    );
    // One byte changed after signing.
    let (mut place, image) = lab(&[]);
    let key = Key::new(1);
    let payload = statement(&image.digest, SPDX, spdx(TODAY, &[XZ]));
    let signature = key.sign(&pae(&payload));
    let changed = String::from_utf8(payload).unwrap().replace("5.6.1-1", "5.6.2-1");
    place.attach(&image, &bundle(changed.as_bytes(), &signature, &key.hint()));
    denied(&place.judge(&image, rule("")).unwrap(), Refusal::SignatureInvalid, "does not fit");
    // Signed, and no SBOM that anybody could read.
    denied(&judge(&[json!({"spdxVersion": 7})], ""), Refusal::SbomUnreadable, "");
    denied(&judge(&[json!({})], ""), Refusal::SbomUnreadable, "");
}

#[test]
fn denied_packages_in_the_ecosystems_own_order() {
    let xz = "  deny: {packages: [{purl: pkg:deb/debian/xz-utils, versions: '>=5.6.0, <5.6.2'}]}\n";
    allowed(&judge(&[spdx(TODAY, &[BASH])], xz));
    denied(&judge(&[spdx(TODAY, &[BASH, XZ])], xz), Refusal::DeniedPackage, "xz-utils 5.6.1-1");
    // dpkg sorts a tilde before the end: 5.6.2~rc1 is still below 5.6.2.
    let rc = ("pkg:deb/debian/xz-utils@5.6.2~rc1", "NOASSERTION");
    denied(&judge(&[spdx(TODAY, &[rc])], xz), Refusal::DeniedPackage, "5.6.2~rc1");
    let fixed = ("pkg:deb/debian/xz-utils@5.6.2-1", "NOASSERTION");
    allowed(&judge(&[spdx(TODAY, &[fixed])], xz));
    // A version that cannot be told is not a version outside the range.
    let none = ("pkg:deb/debian/xz-utils", "NOASSERTION");
    denied(&judge(&[spdx(TODAY, &[none])], xz), Refusal::CannotCompareVersion, "xz-utils");
    let any = "  deny: {packages: [{ecosystem: deb, name: xz-utils}]}\n";
    denied(&judge(&[spdx(TODAY, &[none])], any), Refusal::DeniedPackage, "xz-utils");
    let odd = ("pkg:pypi/Some.Package@not-a-version", "NOASSERTION");
    let pypi = "  deny: {packages: [{ecosystem: pypi, name: some_package, versions: '<2'}]}\n";
    denied(&judge(&[spdx(TODAY, &[odd])], pypi), Refusal::CannotCompareVersion, "cannot be compared");
}

/// An SBOM that hides a package does not outweigh one that lists it.
#[test]
fn every_sbom_by_the_signers_must_be_free_of_denied_packages() {
    let xz = "  deny: {packages: [{purl: pkg:deb/debian/xz-utils}]}\n";
    denied(&judge(&[spdx(TODAY, &[BASH]), spdx(TODAY, &[XZ])], xz), Refusal::DeniedPackage, "xz-utils");
}

#[test]
fn denied_licences() {
    let gpl = "  deny: {licenses: ['GPL-3.0-*']}\n";
    denied(&judge(&[spdx(TODAY, &[BASH])], gpl), Refusal::DeniedLicense, "bash 5.2.15-2");
    let choice = ("pkg:npm/a@1.0.0", "MIT OR GPL-3.0-only");
    allowed(&judge(&[spdx(TODAY, &[choice])], gpl));
    let both = ("pkg:npm/a@1.0.0", "MIT AND GPL-3.0-only");
    denied(&judge(&[spdx(TODAY, &[both])], gpl), Refusal::DeniedLicense, "a 1.0.0");
    allowed(&judge(&[spdx(TODAY, &[XZ])], gpl));
}

#[test]
fn age_is_that_of_the_newest() {
    let month = "  maxAge: 30d\n";
    let old = spdx("2026-05-02T11:59:59Z", &[]);
    denied(&judge(std::slice::from_ref(&old), month), Refusal::SbomTooOld, "30 days ago");
    allowed(&judge(&[spdx("2026-05-02T12:00:00Z", &[])], month));
    allowed(&judge(&[old, spdx(TODAY, &[])], month));
    denied(&judge(&[spdx("2026-06-01T12:05:01Z", &[])], month), Refusal::SbomDateUnknown, "in the future");
}

#[test]
fn minimum_elements() {
    let ntia = "  require: {minimumElements: ntia}\n";
    let mut poor = spdx(TODAY, &[BASH]);
    poor["packages"][0].as_object_mut().unwrap().remove("supplier");
    denied(
        &judge(std::slice::from_ref(&poor), ntia),
        Refusal::MinimumElementsMissing,
        "supplier in 1 packages",
    );
    let mut rich = spdx(TODAY, &[BASH]);
    rich["packages"][0]["supplier"] = "Organization: GNU".into();
    allowed(&judge(&[poor, rich], ntia));
}

/// Each platform needs its own SBOM, wherever it is attached; one for the index is for none of them.
#[test]
fn each_platform_of_an_index() {
    let key = Key::new(1);
    let mut lab = Lab::new();
    let (amd, arm) = (lab.image("amd64"), lab.image("arm64"));
    let index = lab.index(&[("linux/amd64", &amd), ("linux/arm64", &arm)]);
    lab.attach(&index, &Key::new(2).bundle(&statement(&index.digest, SIGN, json!({}))));
    lab.attach(&index, &key.bundle(&statement(&index.digest, SPDX, spdx(TODAY, &[]))));
    let of = |digest: &Digest| key.bundle(&statement(digest, SPDX, spdx(TODAY, &[])));
    denied(&lab.judge(&index, rule("")).unwrap(), Refusal::SbomMissing, "linux/amd64");
    lab.attach(&amd, &of(&amd.digest));
    denied(&lab.judge(&index, rule("")).unwrap(), Refusal::SbomMissing, "linux/arm64");
    // Attached to the index, and about the platform by its signed subject.
    lab.attach(&index, &of(&arm.digest));
    let verdict = lab.judge(&index, rule("")).unwrap();
    allowed(&verdict);
    assert_eq!(verdict.policies[0].subjects.len(), 3);
    // The other way round, something about one platform attached to another is for neither.
    let mut other = Lab::new();
    let (amd, arm) = (other.image("amd64"), other.image("arm64"));
    let index = other.index(&[("linux/amd64", &amd), ("linux/arm64", &arm)]);
    other.attach(&index, &Key::new(2).bundle(&statement(&index.digest, SIGN, json!({}))));
    other.attach(&amd, &of(&amd.digest));
    other.attach(&arm, &of(&amd.digest));
    denied(&other.judge(&index, rule("")).unwrap(), Refusal::SubjectMismatch, "signed for");
}

/// The document's own word about its subject must agree with the signature's.
#[test]
fn a_document_about_another_image() {
    let (mut lab, image) = lab(&[]);
    let about = |digest: &Digest| {
        json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "metadata": {
                "timestamp": TODAY,
                "component": {
                    "type": "container", "name": "app", "bom-ref": "app",
                    "version": digest.to_string(), "purl": format!("pkg:oci/app@{digest}"),
                    "hashes": [{ "alg": "SHA-256", "content": digest.hex() }],
                },
            },
            "components": [],
        })
    };
    let cyclonedx = "https://cyclonedx.org/bom";
    lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, cyclonedx, about(&image.digest))));
    allowed(&lab.judge(&image, rule("")).unwrap());
    lab.attach(
        &image,
        &Key::new(1).bundle(&statement(&image.digest, cyclonedx, about(&Digest::sha256(b"x")))),
    );
    denied(&lab.judge(&image, rule("")).unwrap(), Refusal::SbomWrongSubject, "describes");
}

/// VEX in CycloneDX's form has the type of an SBOM and inventories nothing. An SBOM that found nothing is one.
#[test]
fn what_inventories_nothing_counts_as_no_sbom() {
    const CYCLONEDX: &str = "https://cyclonedx.org/bom";
    let bom = |rest: Value| {
        let mut bom = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": { "timestamp": TODAY } });
        bom.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        bom
    };
    let vulnerability =
        json!({ "id": "CVE-2026-1", "analysis": { "state": "not_affected" }, "affects": [{ "ref": "z" }] });
    let vex = bom(json!({ "vulnerabilities": [vulnerability] }));
    let zlib =
        json!({ "type": "library", "name": "zlib1g", "bom-ref": "z", "purl": "pkg:deb/debian/zlib1g@1" });
    let of = |documents: &[(u8, &Value)], lines: &str| {
        let (mut place, image) = lab(&[]);
        for (key, document) in documents {
            let payload = statement(&image.digest, CYCLONEDX, (*document).clone());
            place.attach(&image, &Key::new(*key).bundle(&payload));
        }
        place.judge(&image, rule(lines)).unwrap()
    };
    let verdict = of(&[(1, &vex)], "");
    denied(&verdict, Refusal::SbomWithoutInventory, "no inventory: it states 1 vulnerability");
    assert!(verdict.reason.contains("[sbom-without-inventory"), "{}", verdict.reason);
    let naming = bom(json!({ "components": [zlib], "vulnerabilities": [vulnerability] }));
    denied(&of(&[(1, &naming)], ""), Refusal::SbomWithoutInventory, "and no package beside");
    let services = bom(json!({ "services": [{ "name": "api" }] }));
    denied(&of(&[(1, &services)], ""), Refusal::SbomWithoutInventory, "1 service");
    let unread = bom(json!({ "vulnerabilities": 7 }));
    denied(&of(&[(1, &unread)], ""), Refusal::SbomUnreadable, "");
    // Beside an SBOM it speaks neither for the image nor against it, whatever a rule wants of SBOMs.
    let (empty, full) = (bom(json!({})), bom(json!({ "components": [zlib] })));
    for sbom in [&empty, &full] {
        allowed(&of(&[(1, sbom)], ""));
        allowed(&of(&[(1, sbom), (1, &vex)], "  deny: {packages: [{purl: pkg:deb/debian/xz-utils}]}\n"));
    }
    let mut old = full.clone();
    old["metadata"]["timestamp"] = "2026-01-01T00:00:00Z".into();
    denied(&of(&[(1, &old), (1, &vex)], "  maxAge: 30d\n"), Refusal::SbomTooOld, "");
    // Nor is whoever made it one of two who made an SBOM.
    let both = |second: &Value| {
        let (mut place, image) = lab(&[]);
        for (key, document) in [(1, &full), (2, second)] {
            let payload = statement(&image.digest, CYCLONEDX, document.clone());
            place.attach(&image, &Key::new(key).bundle(&payload));
        }
        let text = format!("{}  threshold: 2\n", HEAD.replace("by: [release]", "by: [release, other]"));
        let keys = [("release", &Key::new(1)), ("other", &Key::new(2))];
        place.judge(&image, policy(&text, &keys)).unwrap()
    };
    denied(&both(&vex), Refusal::ThresholdNotMet, "1 of 2 distinct signers for SBOM");
    allowed(&both(&full));
}

/// Ten thousand reasons are counted, not listed.
#[test]
fn reasons_are_bounded() {
    let many: Vec<(String, &str)> =
        (0..200).map(|n| (format!("pkg:deb/debian/xz-utils@5.6.1-{n}"), "MIT")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(p, l)| (p.as_str(), *l)).collect();
    let verdict = judge(&[spdx(TODAY, &many)], "  deny: {packages: [{purl: pkg:deb/debian/xz-utils}]}\n");
    denied(&verdict, Refusal::DeniedPackage, "and 150 more");
    assert!(verdict.explanations().len() < 60);
}

/// What is not among the allowed packages is denied, whatever it is.
#[test]
fn allowed_packages_and_nothing_else() {
    let allow = |list: &str| format!("  allow: {{packages: [{list}]}}\n");
    let bash = "{ecosystem: deb, name: bash, versions: '>=5.2'}";
    allowed(&judge(&[spdx(TODAY, &[BASH])], &allow(bash)));
    let both = judge(&[spdx(TODAY, &[BASH, XZ])], &allow(bash));
    denied(&both, Refusal::PackageNotAllowed, "xz-utils 5.6.1-1 is not among the allowed packages");
    let old = ("pkg:deb/debian/bash@5.1-6", "GPL-3.0-or-later");
    denied(
        &judge(&[spdx(TODAY, &[old])], &allow(bash)),
        Refusal::PackageNotAllowed,
        "in other versions alone",
    );
    let unknown = ("pkg:deb/debian/bash@no:such", "GPL-3.0-or-later");
    denied(&judge(&[spdx(TODAY, &[unknown])], &allow(bash)), Refusal::CannotCompareVersion, "bash");
    let nameless = ("pkg:deb/debian/bash", "GPL-3.0-or-later");
    denied(&judge(&[spdx(TODAY, &[nameless])], &allow(bash)), Refusal::CannotCompareVersion, "bash");
    // The same name in another ecosystem is another package.
    let npm = ("pkg:npm/bash@9.0.0", "MIT");
    denied(&judge(&[spdx(TODAY, &[npm])], &allow(bash)), Refusal::PackageNotAllowed, "bash 9.0.0");
    // Two entries for one package: one that fits is enough.
    let two = allow(
        "{purl: pkg:deb/debian/bash, versions: '<1'}, {purl: pkg:deb/debian/bash, versions: '>=5, <6'}",
    );
    allowed(&judge(&[spdx(TODAY, &[BASH])], &two));
    // Every SBOM by these signers, not the best of them.
    let one_bad = judge(&[spdx(TODAY, &[BASH]), spdx(TODAY, &[XZ])], &allow(bash));
    denied(&one_bad, Refusal::PackageNotAllowed, "xz-utils");
    // What is denied stays denied.
    let contradiction = "  allow: {packages: [{purl: pkg:deb/debian/bash}]}\n  deny: {packages: [{purl: pkg:deb/debian/bash}]}\n";
    denied(&judge(&[spdx(TODAY, &[BASH])], contradiction), Refusal::DeniedPackage, "bash");
}

/// Each ecosystem's own order decides what is allowed, in the cases where another order would say the opposite.
#[test]
fn allowed_versions_in_the_ecosystems_own_order() {
    for (purl, versions, inside) in [
        ("pkg:deb/debian/a@1.0~rc1", "<1.0", true),
        ("pkg:deb/debian/a@1:0.9", ">=1.0", true),
        ("pkg:apk/alpine/a@1.0_rc1-r0", "<1.0-r0", true),
        ("pkg:apk/alpine/a@1.0_p1-r0", "<1.0-r0", false),
        ("pkg:rpm/fedora/a@1.0~rc1-1", "<1.0-1", true),
        ("pkg:rpm/fedora/a@1.0^20240101-1", ">1.0-1", true),
        ("pkg:npm/a@1.0.0-rc.10", ">1.0.0-rc.9", true),
        ("pkg:npm/a@1.0.0-rc.1", ">=1.0.0", false),
        ("pkg:pypi/a@1.0.post1", ">1.0", true),
        ("pkg:pypi/a@1.0.dev1", "<1.0a1", true),
        ("pkg:pypi/a@1!0.1", ">2020", true),
        ("pkg:maven/g/a@1.0-alpha-1", "<1.0", true),
        ("pkg:maven/g/a@1.0-sp1", ">1.0", true),
        ("pkg:gem/a@1.0.a", "<1.0", true),
        ("pkg:gem/a@1.0.0", "=1.0", true),
        ("pkg:golang/example.com/a@v0.0.0-20200101000000-abcdefabcdef", "<0.0.1", true),
        ("pkg:golang/example.com/a@v2.0.0+incompatible", ">=2.0.0", true),
    ] {
        let bare = purl.split('@').next().unwrap();
        let lines = format!("  allow: {{packages: [{{purl: '{bare}', versions: '{versions}'}}]}}\n");
        let verdict = judge(&[spdx(TODAY, &[(purl, "MIT")])], &lines);
        let expected = if inside { Decision::Allow } else { Decision::Deny };
        assert_eq!(verdict.decision, expected, "{purl} {versions}: {verdict:#?}");
    }
}

#[test]
fn allowed_licences_and_nothing_else() {
    let allow = "  allow: {licenses: [MIT, 'GPL-3.0-*']}\n";
    let of = |license: &'static str| judge(&[spdx(TODAY, &[("pkg:deb/debian/a@1", license)])], allow);
    for good in ["MIT", "GPL-3.0-or-later", "MIT OR AGPL-3.0-only", "MIT AND GPL-3.0-only"] {
        allowed(&of(good));
    }
    for bad in ["Apache-2.0", "MIT AND Apache-2.0", "Apache-2.0 OR BSD-3-Clause", "LicenseRef-own"] {
        denied(&of(bad), Refusal::LicenseNotAllowed, "a 1 is under");
    }
    denied(&of("NOASSERTION"), Refusal::LicenseNotAllowed, "states no licence");
    denied(&of("MIT AND ("), Refusal::LicenseNotAllowed, "a 1");
}

#[test]
fn who_supplies_what_an_sbom_lists() {
    let supplied = |supplier: Value| {
        let mut document = spdx(TODAY, &[BASH]);
        document["packages"][0]["supplier"] = supplier;
        document
    };
    let debian = supplied("Organization: Debian Bash Team (bash@debian.example)".into());
    let nobody = supplied("NOASSERTION".into());
    for (lines, document, refusal) in [
        ("  suppliers: {allow: ['Debian **']}\n", &debian, None),
        ("  suppliers: {allow: ['debian bash team']}\n", &debian, None),
        ("  suppliers: {allow: [Fedora]}\n", &debian, Some(Refusal::SupplierNotAllowed)),
        ("  suppliers: {deny: ['**@debian.example**']}\n", &debian, Some(Refusal::SupplierDenied)),
        ("  suppliers: {deny: [Fedora]}\n", &debian, None),
        ("  suppliers: {allow: [Fedora]}\n", &nobody, None),
        ("  suppliers: {required: true}\n", &nobody, Some(Refusal::SupplierMissing)),
        ("  suppliers: {required: true}\n", &debian, None),
    ] {
        let verdict = judge(std::slice::from_ref(document), lines);
        match refusal {
            None => allowed(&verdict),
            Some(code) => denied(&verdict, code, "bash 5.2.15-2"),
        }
    }
}

/// Each profile asks for its own elements, and says which are missing.
#[test]
fn minimum_elements_of_three_makes() {
    let require = |set: &str| format!("  require: {{minimumElements: {set}}}\n");
    let component = json!({
        "type": "library", "name": "bash", "version": "5.2.15-2", "purl": "pkg:deb/debian/bash@5.2.15-2",
        "supplier": { "name": "Debian", "contact": [{ "email": "bash@debian.example" }] },
        "licenses": [{ "expression": "GPL-3.0-or-later" }],
        "hashes": [{ "alg": "SHA-512", "content": "0".repeat(128) }],
        "properties": [
            { "name": "bsi:component:filename", "value": "bash.deb" },
            { "name": "bsi:component:executable", "value": "executable" },
            { "name": "bsi:component:archive", "value": "archive" },
            { "name": "bsi:component:structured", "value": "structured" },
        ],
    });
    let whole = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "metadata": {
            "timestamp": TODAY, "lifecycles": [{ "phase": "build" }],
            "tools": { "components": [{ "type": "application", "name": "test", "version": "1" }] },
            "manufacturer": { "name": "Harbour", "contact": [{ "email": "sbom@harbour.example" }] },
            "component": { "type": "container", "name": "app", "bom-ref": "app" },
        },
        "components": [component], "compositions": [{ "aggregate": "complete" }],
    });
    let ask = |document: &Value, set: &str| {
        let (mut lab, image) = lab(&[]);
        let cyclonedx = "https://cyclonedx.org/bom";
        lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, cyclonedx, document.clone())));
        lab.judge(&image, rule(&require(set))).unwrap()
    };
    for set in ["ntia", "cisa", "bsi"] {
        allowed(&ask(&whole, set));
    }
    let without = |pointer: &str| {
        let mut document = whole.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        document
    };
    for (pointer, set, words) in [
        ("/metadata/lifecycles", "cisa", "missing of cisa: generation-context"),
        ("/metadata/tools", "cisa", "missing of cisa: tool-name"),
        ("/metadata/manufacturer", "cisa", "missing of cisa: author"),
        ("/components/0/hashes", "cisa", "missing of cisa: strong-hash in 1 packages"),
        ("/components/0/licenses", "cisa", "missing of cisa: license in 1 packages"),
        ("/components/0/supplier", "ntia", "missing of ntia: supplier in 1 packages"),
        ("/serialNumber", "bsi", "missing of bsi: document-id"),
        ("/compositions", "bsi", "missing of bsi: completeness"),
        ("/components/0/properties", "bsi", "file-name in 1 packages, executable in 1 packages"),
        ("/components/0/hashes", "bsi", "missing of bsi: sha-512 in 1 packages"),
    ] {
        denied(&ask(&without(pointer), set), Refusal::MinimumElementsMissing, words);
    }
    let mut vulnerable = whole.clone();
    vulnerable["vulnerabilities"] = json!([{ "id": "CVE-2026-1" }]);
    denied(&ask(&vulnerable, "bsi"), Refusal::MinimumElementsMissing, "no-vulnerabilities");
    allowed(&ask(&vulnerable, "cisa"));
    // SPDX 2.3 has no place for some of it, and is no format that BSI takes.
    let spdx = judge(&[spdx(TODAY, &[BASH])], &require("bsi"));
    denied(&spdx, Refusal::MinimumElementsMissing, "document-format");
}
