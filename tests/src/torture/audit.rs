//! What is in a registry, found out from its own memory without any code of the program.
//!
//! What is expected comes from
//! the image: a signature for the index and for each platform, and an SBOM for each platform.

use crate::registry::Lab;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
const SBOM: &str = "https://spdx.dev/Document";

/// What an image lacks, and what it has too much of.
#[derive(Debug, Default)]
pub struct Audit {
    /// What is not there.
    pub missing: Vec<String>,
    /// What is there more than once.
    pub duplicates: Vec<String>,
    /// What is there and not what it says: a wrong digest, a bundle about something else.
    pub broken: Vec<String>,
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Audit {
    /// Looks at the image `name:tag`.
    #[must_use]
    pub fn of(lab: &Lab, name: &str, tag: &str) -> Self {
        let mut audit = Self::default();
        let Some(bytes) = lab.manifest(name, tag) else {
            audit.missing.push("the image".into());
            return audit;
        };
        let index: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        audit.subject(lab, name, &sha256(&bytes), &[SIGNATURE]);
        let children = index["manifests"].as_array().cloned().unwrap_or_default();
        if children.is_empty() {
            audit.broken.push("the index has no platform".into());
        }
        for child in children {
            let digest = child["digest"].as_str().unwrap_or_default();
            if lab.manifest(name, digest).is_none_or(|bytes| sha256(&bytes) != digest) {
                audit.missing.push(format!("the platform {digest}"));
            }
            audit.subject(lab, name, digest, &[SIGNATURE, SBOM]);
        }
        audit
    }

    fn subject(&mut self, lab: &Lab, name: &str, subject: &str, wanted: &[&str]) {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let listed = lab.listed(name, subject);
        let mut digests: Vec<&str> = listed.iter().filter_map(|entry| entry["digest"].as_str()).collect();
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        if digests.len() != count || count != listed.len() {
            self.duplicates.push(format!("an entry of the list of {subject}"));
        }
        for digest in digests {
            match statement(lab, name, digest, subject) {
                Some(predicate) => *found.entry(predicate).or_default() += 1,
                None => self.broken.push(format!("{digest}, which refers to {subject}")),
            }
        }
        // A manifest that refers to the subject and that no list shows is evidence that nobody finds.
        if lab.referring(name, subject) != count {
            self.broken.push(format!("{subject} has referrers that are not listed"));
        }
        for wanted in wanted {
            match found.remove(*wanted) {
                Some(1) => {}
                None => self.missing.push(format!("{wanted} of {subject}")),
                Some(n) => self.duplicates.push(format!("{n} times {wanted} of {subject}")),
            }
        }
        self.broken.extend(found.keys().map(|other| format!("{other} of {subject} was not asked for")));
    }
}

/// The predicate type of the bundle in the manifest `digest`, where all of it is there and about `subject`.
fn statement(lab: &Lab, name: &str, digest: &str, subject: &str) -> Option<String> {
    let bytes = lab.manifest(name, digest).filter(|bytes| sha256(bytes) == digest)?;
    let manifest: Value = serde_json::from_slice(&bytes).ok()?;
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str()?;
        lab.blob(name, &digest.parse().ok()?).filter(|bytes| sha256(bytes) == digest)
    };
    blob(&manifest["config"])?;
    let layers = manifest["layers"].as_array()?;
    let bundle: Value = serde_json::from_slice(&blob(layers.first()?)?).ok()?;
    let material = &bundle["verificationMaterial"];
    (material["tlogEntries"].as_array()?.len() == 1).then_some(())?;
    let stamps = &material["timestampVerificationData"]["rfc3161Timestamps"];
    (layers.len() == 1 && stamps.as_array()?.len() == 1).then_some(())?;
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str()?).ok()?;
    let statement: Value = serde_json::from_slice(&payload).ok()?;
    let about = statement["subject"][0]["digest"]["sha256"].as_str()?;
    (format!("sha256:{about}") == subject).then_some(())?;
    Some(statement["predicateType"].as_str()?.to_owned())
}
