//! The files that clients get: `trusted_root.json`, `signing_config.json`, and both in one.
//!
//! A key that is replaced stays in the trusted root, with the end of its window: what it signed stays good. The one
//! without an end is the one in use, and it is the last of its list.

use crate::config::Address;
use crate::error::{Error, Result};
use crate::x509::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use seaworthy_sign::PublicKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;

pub(crate) const TRUSTED_ROOT: &str = "trusted_root.json";
pub(crate) const SIGNING_CONFIG: &str = "signing_config.json";
pub(crate) const TRUST_CONFIG: &str = "client_trust_config.json";

/// A log in a trusted root.
pub(crate) fn log(url: &str, key: &PublicKey, start: Timestamp) -> Value {
    json!({
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": STANDARD.encode(key.as_spki_der()),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": { "start": start.to_string() },
        },
        "logId": { "keyId": STANDARD.encode(Sha256::digest(key.as_spki_der())) },
    })
}

/// A certificate or timestamp authority in a trusted root: its certificate, and the root above it.
pub(crate) fn authority(
    organization: &str,
    what: &str,
    url: &str,
    chain: [&Certificate; 2],
    start: Timestamp,
) -> Value {
    let chain = chain.map(|c| json!({ "rawBytes": STANDARD.encode(&c.der) }));
    json!({
        "subject": { "organization": organization, "commonName": format!("{organization} {what}") },
        "uri": url,
        "certChain": { "certificates": chain },
        "validFor": { "start": start.to_string() },
    })
}

/// The trusted root of a new authority.
pub(crate) fn root(tlog: Value, ctlog: Value, issuer: Value, timestamps: Value) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [tlog],
        "certificateAuthorities": [issuer],
        "ctlogs": [ctlog],
        "timestampAuthorities": [timestamps],
    })
}

/// Where clients sign.
pub(crate) fn signing_config(address: &Address, organization: &str, start: Timestamp) -> Value {
    let url = &address.url;
    let service = |url: String, version: u32| {
        json!([{
            "url": url,
            "majorApiVersion": version,
            "validFor": { "start": start.to_string() },
            "operator": organization,
        }])
    };
    json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service(url.clone(), 1),
        "oidcUrls": service(url.clone(), 1),
        "rekorTlogUrls": service(url.clone(), 2),
        "rekorTlogConfig": { "selector": "ANY" },
        "tsaUrls": service(format!("{url}/api/v1/timestamp"), 1),
        "tsaConfig": { "selector": "ANY" },
    })
}

/// The three files, by name.
pub(crate) fn files(root: &Value, signing_config: &Value) -> [(&'static str, String); 3] {
    let both = json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root,
        "signingConfig": signing_config,
    });
    [
        (TRUSTED_ROOT, format!("{root:#}\n")),
        (SIGNING_CONFIG, format!("{signing_config:#}\n")),
        (TRUST_CONFIG, format!("{both:#}\n")),
    ]
}

/// One of the files in `dir`, as JSON.
pub(crate) fn read(dir: &Path, name: &str) -> Result<Value> {
    let path = dir.join(name);
    let text =
        std::fs::read(&path).map_err(|e| Error::local(format!("cannot read {}: {e}", path.display())))?;
    serde_json::from_slice(&text).map_err(|e| Error::broken(format!("{}: {e}", path.display())))
}

/// The list `name` of a trusted root.
fn list<'a>(root: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    root.get_mut(name)
        .and_then(Value::as_array_mut)
        .ok_or_else(|| Error::broken(format!("{TRUSTED_ROOT} has no list {name}")))
}

/// Ends the window of the last of `name`, where `window` leads to it, and puts `next` behind it. `moved` is where the
/// old one is to be found from now on.
pub(crate) fn succeed(
    root: &mut Value,
    name: &str,
    window: &str,
    end: Timestamp,
    moved: Option<&str>,
    next: Value,
) -> Result<()> {
    let list = list(root, name)?;
    let last = list.last_mut().ok_or_else(|| Error::broken(format!("{TRUSTED_ROOT} has no {name}")))?;
    let window = last
        .pointer_mut(window)
        .and_then(Value::as_object_mut)
        .ok_or_else(|| Error::broken(format!("the last of {name} in {TRUSTED_ROOT} has no window")))?;
    window.insert("end".into(), end.to_string().into());
    if let Some(moved) = moved {
        last["baseUrl"] = moved.into();
    }
    list.push(next);
    Ok(())
}

/// The organisation that the authority was made for.
pub(crate) fn organization(root: &Value) -> Result<String> {
    let found = root.pointer("/certificateAuthorities/0/subject/organization").and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| Error::broken(format!("{TRUSTED_ROOT} names no organisation")))
}
