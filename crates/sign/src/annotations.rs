//! What stands beside a signature in cosign's older form: certificate, chain, log entry and timestamp as
//! annotations of the layer.
//!
//! There is room for one log entry, and for one with a promise (a signed entry timestamp), which Rekor v1
//! gives and v2 does not: anything else is refused by name, and nothing is left out in silence. A signature's
//! timestamp is over the signature. That of an attestation would be over the whole envelope there, unlike
//! everywhere else, so none is written: the log says when.

use crate::error::{Error, ErrorKind, Result};
use crate::keyless::Certificate;
use crate::signer::{Beside, Material, Witnesses};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// What a timestamp would be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Signature,
    Envelope,
}

fn cannot(why: impl Into<String>) -> Error {
    Error::new("write", "cosign's older form", ErrorKind::BadInput(why.into()))
}

/// The annotations for `material`.
///
/// # Errors
/// [`ErrorKind::BadInput`] where the form has no room for it.
pub(crate) fn write(material: &Material, over: Over) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    let pem = |der: &[u8]| crate::pem::encode("CERTIFICATE", der).to_string();
    let witnesses = match material {
        Material::PublicKey { .. } => return Ok(out),
        Material::WitnessedKey { witnesses, .. } => witnesses,
        Material::Certificate { certificate, chain, witnesses } => {
            out.insert(CERTIFICATE.to_owned(), pem(certificate));
            if !chain.is_empty() {
                out.insert(CHAIN.to_owned(), chain.iter().map(|der| pem(der)).collect());
            }
            // A certificate of somebody's own, which lasts, and nobody was told.
            if witnesses.log_entries.is_empty() && witnesses.timestamps.is_empty() {
                return Ok(out);
            }
            witnesses
        }
    };
    witnessed(witnesses, over, &mut out)?;
    Ok(out)
}

fn witnessed(witnesses: &Witnesses, over: Over, out: &mut BTreeMap<String, String>) -> Result<()> {
    let [entry] = witnesses.log_entries.as_slice() else {
        return Err(cannot(format!(
            "it has room for exactly one log entry, and there are {}",
            witnesses.log_entries.len()
        )));
    };
    out.insert(BUNDLE.to_owned(), log_entry(entry)?);
    match (over, witnesses.timestamps.as_slice()) {
        (Over::Envelope, _) | (_, []) => {}
        (Over::Signature, [token]) => {
            let token = STANDARD.encode(token);
            out.insert(TIMESTAMP.to_owned(), format!(r#"{{"SignedRFC3161Timestamp":"{token}"}}"#));
        }
        (Over::Signature, more) => {
            return Err(cannot(format!("it has room for one timestamp, and there are {}", more.len())));
        }
    }
    Ok(())
}

/// A bundle's log entry as cosign's `{SignedEntryTimestamp, Payload}`.
fn log_entry(entry: &str) -> Result<String> {
    #[derive(Serialize)]
    struct Bundle<'a> {
        #[serde(rename = "SignedEntryTimestamp")]
        promise: &'a str,
        #[serde(rename = "Payload")]
        payload: Payload<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        body: &'a str,
        integrated_time: i64,
        log_index: u64,
        #[serde(rename = "logID")]
        log_id: String,
    }
    let odd = || cannot("the log's entry is not as a bundle has it");
    let entry: Value = serde_json::from_str(entry).map_err(|_| odd())?;
    let text = |value: &'_ Value| value.as_str().map(str::to_owned);
    let promise = text(&entry["inclusionPromise"]["signedEntryTimestamp"]).ok_or_else(|| {
        cannot("the log gave no promise (signed entry timestamp), and this form has room for nothing else")
            .hint("it needs a Rekor v1 log; bundles take every log")
    })?;
    let body = text(&entry["canonicalizedBody"]).ok_or_else(odd)?;
    let number = |name: &str| text(&entry[name]).ok_or_else(odd);
    let log_id = text(&entry["logId"]["keyId"]).and_then(|id| STANDARD.decode(id).ok()).ok_or_else(odd)?;
    let payload = Payload {
        body: &body,
        integrated_time: number("integratedTime")?.parse().map_err(|_| odd())?,
        log_index: number("logIndex")?.parse().map_err(|_| odd())?,
        log_id: hex::encode(log_id),
    };
    serde_json::to_string(&Bundle { promise: &promise, payload }).map_err(|e| cannot(e.to_string()))
}

/// What the annotations of a layer carry, as far as it can be read. Not verified.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) log_entries: usize,
    pub(crate) timestamps: usize,
}

impl Read {
    pub(crate) fn of(annotations: &BTreeMap<String, String>) -> Self {
        let there = |name: &str| usize::from(annotations.get(name).is_some_and(|text| !text.is_empty()));
        let pem = annotations.get(CERTIFICATE).and_then(|pem| Certificate::from_pem(pem).ok());
        Self {
            certificate: pem.map(|certificate| certificate.der().to_vec()),
            log_entries: there(BUNDLE),
            timestamps: there(TIMESTAMP),
        }
    }

    pub(crate) fn beside(&self) -> Beside<'_> {
        Beside {
            certificate: self.certificate.as_deref(),
            log_entries: self.log_entries,
            timestamps: self.timestamps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{"logIndex":"7","logId":{"keyId":"3q0="},"integratedTime":"1700000000","inclusionPromise":{"signedEntryTimestamp":"c2V0"},"canonicalizedBody":"Ym9keQ=="}"#;

    fn witnesses(entries: &[&str], timestamps: usize) -> Material {
        Material::WitnessedKey {
            hint: String::new(),
            witnesses: Witnesses {
                log_entries: entries.iter().map(|e| (*e).to_owned()).collect(),
                timestamps: vec![b"stamp".to_vec(); timestamps],
            },
        }
    }

    #[test]
    fn an_entry_becomes_what_cosign_reads() {
        let written = write(&witnesses(&[ENTRY], 1), Over::Signature).unwrap();
        assert_eq!(
            written[BUNDLE],
            r#"{"SignedEntryTimestamp":"c2V0","Payload":{"body":"Ym9keQ==","integratedTime":1700000000,"logIndex":7,"logID":"dead"}}"#
        );
        assert_eq!(written[TIMESTAMP], r#"{"SignedRFC3161Timestamp":"c3RhbXA="}"#);
        assert_eq!(Read::of(&written).log_entries, 1);
        let envelope = write(&witnesses(&[ENTRY], 1), Over::Envelope).unwrap();
        assert!(!envelope.contains_key(TIMESTAMP) && envelope.contains_key(BUNDLE));
    }

    #[test]
    fn a_certificate_that_lasts_stands_alone() {
        let (certificate, chain) = (b"leaf".to_vec(), vec![b"between".to_vec()]);
        let alone = Material::Certificate { certificate, chain, witnesses: Witnesses::default() };
        let written = write(&alone, Over::Envelope).unwrap();
        assert_eq!(written.keys().collect::<Vec<_>>(), [CERTIFICATE, CHAIN]);
    }

    #[test]
    fn what_has_no_room_is_refused_and_not_left_out() {
        let no_promise = ENTRY.replace("inclusionPromise", "inclusionProof");
        for material in [
            witnesses(&[], 1),
            witnesses(&[ENTRY, ENTRY], 1),
            witnesses(&[ENTRY], 2),
            witnesses(&[&no_promise], 1),
            witnesses(&["{}"], 0),
            witnesses(&["["], 0),
        ] {
            assert!(write(&material, Over::Signature).is_err(), "{material:?}");
        }
    }
}
