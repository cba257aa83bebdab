//! What a trust file says, in sigstore's own formats: `trusted_root.json`, `signing_config.json` and both in one.
//!
//! The order is that of the file and nothing is generated, so that the same file gives the same bytes. Managed
//! keys have no place in these formats.

use super::{TrustChain, TrustFile, TrustLog, TrustService, Wanted, Window};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Media types of the formats.
pub mod media_type {
    /// `trusted_root.json`, the version that everybody reads.
    pub const TRUSTED_ROOT_0_1: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
    /// The same version, as it is also written.
    pub const TRUSTED_ROOT_0_1_NEW: &str = "application/vnd.dev.sigstore.trustedroot.v0.1+json";
    /// `trusted_root.json` with operators.
    pub const TRUSTED_ROOT_0_2: &str = "application/vnd.dev.sigstore.trustedroot.v0.2+json";
    /// `signing_config.json`.
    pub const SIGNING_CONFIG_0_2: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
    /// A trusted root and a signing configuration in one.
    pub const CLIENT_TRUST_CONFIG: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";
}

/// The version of a `trusted_root.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootVersion {
    /// Without operators.
    V0_1,
    /// With operators.
    V0_2,
}

fn window(into: &mut Map<String, Value>, window: Window) {
    let mut valid = Map::new();
    for (name, time) in [("start", window.start), ("end", window.end)] {
        if let Some(time) = time {
            valid.insert(name.into(), time.to_string().into());
        }
    }
    if !valid.is_empty() {
        into.insert("validFor".into(), valid.into());
    }
}

fn put(into: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        into.insert(name.into(), value.into());
    }
}

fn operator(into: &mut Map<String, Value>, owner: Option<&str>, version: RootVersion) {
    if version == RootVersion::V0_2 {
        put(into, "operator", owner);
    }
}

fn log(log: &TrustLog, version: RootVersion) -> Value {
    let mut key = Map::new();
    key.insert("rawBytes".into(), STANDARD.encode(&log.key).into());
    key.insert("keyDetails".into(), log.key_details.as_str().into());
    window(&mut key, log.window);
    let mut out = Map::new();
    out.insert("baseUrl".into(), log.uri.as_str().into());
    out.insert("hashAlgorithm".into(), "SHA2_256".into());
    out.insert("publicKey".into(), key.into());
    out.insert("logId".into(), json!({ "keyId": STANDARD.encode(&log.log_id) }));
    if let Some(id) = &log.checkpoint_key_id {
        out.insert("checkpointKeyId".into(), json!({ "keyId": STANDARD.encode(id) }));
    }
    operator(&mut out, log.owner.as_deref(), version);
    out.into()
}

fn chain(chain: &TrustChain, version: RootVersion) -> Value {
    let mut subject = Map::new();
    put(&mut subject, "organization", chain.organization.as_deref());
    put(&mut subject, "commonName", chain.common_name.as_deref());
    let raw: Vec<Value> =
        chain.certificates.iter().map(|der| json!({ "rawBytes": STANDARD.encode(der) })).collect();
    let mut out = Map::new();
    out.insert("subject".into(), subject.into());
    out.insert("uri".into(), chain.uri.as_str().into());
    out.insert("certChain".into(), json!({ "certificates": raw }));
    window(&mut out, chain.window);
    operator(&mut out, chain.owner.as_deref(), version);
    out.into()
}

fn services(services: &[TrustService]) -> Value {
    let one = |service: &TrustService| {
        let mut out = Map::new();
        out.insert("url".into(), service.url.as_str().into());
        out.insert("majorApiVersion".into(), service.version.into());
        window(&mut out, service.window);
        out.insert("operator".into(), service.owner.as_deref().unwrap_or_default().into());
        Value::from(out)
    };
    services.iter().map(one).collect()
}

fn selector(wanted: Wanted) -> Value {
    match wanted {
        Wanted::Any => json!({ "selector": "ANY" }),
        Wanted::All => json!({ "selector": "ALL" }),
        Wanted::Exact(count) => json!({ "selector": "EXACT", "count": count }),
    }
}

impl TrustFile {
    /// Its certificates, logs and timestamp authorities as a `trusted_root.json`.
    pub fn trusted_root(&self, version: RootVersion) -> Value {
        let media_type = match version {
            RootVersion::V0_1 => media_type::TRUSTED_ROOT_0_1,
            RootVersion::V0_2 => media_type::TRUSTED_ROOT_0_2,
        };
        let logs = |logs: &[TrustLog]| logs.iter().map(|l| log(l, version)).collect::<Value>();
        let chains = |chains: &[TrustChain]| chains.iter().map(|c| chain(c, version)).collect::<Value>();
        json!({
            "mediaType": media_type,
            "tlogs": logs(&self.transparency_logs),
            "certificateAuthorities": chains(&self.certificate_authorities),
            "ctlogs": logs(&self.ct_logs),
            "timestampAuthorities": chains(&self.timestamp_authorities),
        })
    }

    /// Its services as a `signing_config.json` of version 0.2; none where it names none.
    pub fn signing_config(&self) -> Option<Value> {
        let named = self.services.as_ref()?;
        Some(json!({
            "mediaType": media_type::SIGNING_CONFIG_0_2,
            "caUrls": services(&named.certificate_authorities),
            "oidcUrls": services(&named.oidc_issuers),
            "rekorTlogUrls": services(&named.transparency_logs),
            "rekorTlogConfig": selector(named.logs_wanted),
            "tsaUrls": services(&named.timestamp_authorities),
            "tsaConfig": selector(named.timestamps_wanted),
        }))
    }

    /// Both in one, as a ClientTrustConfig; none where it names no services.
    pub fn client_trust_config(&self) -> Option<Value> {
        Some(json!({
            "mediaType": media_type::CLIENT_TRUST_CONFIG,
            "trustedRoot": self.trusted_root(RootVersion::V0_1),
            "signingConfig": self.signing_config()?,
        }))
    }
}
