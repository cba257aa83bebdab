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
