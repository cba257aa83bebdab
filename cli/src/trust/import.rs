//! From sigstore's own formats to a trust file. Refused: media types other than those named here, certificates
//! and keys that are no DER, and everything that a trust file refuses; what is left out there gets the value
//! that it has by specification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use seaworthy_verifier::trust_file::{
    Line, TrustChain, TrustFile, TrustLog, TrustService, Wanted, Window, media_type,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Root {
    #[serde(default)]
    tlogs: Vec<Log>,
    #[serde(default)]
    certificate_authorities: Vec<Chain>,
    #[serde(default)]
    ctlogs: Vec<Log>,
    #[serde(default)]
    timestamp_authorities: Vec<Chain>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    base_url: String,
    public_key: Key,
    log_id: Id,
    checkpoint_key_id: Option<Id>,
    operator: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    raw_bytes: String,
    key_details: String,
    valid_for: Option<Validity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    key_id: String,
}

#[derive(Deserialize)]
struct Validity {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chain {
    #[serde(default)]
    subject: Subject,
    uri: Option<String>,
    cert_chain: CertChain,
    valid_for: Option<Validity>,
    operator: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Subject {
    organization: Option<String>,
    common_name: Option<String>,
}

#[derive(Deserialize)]
struct CertChain {
    certificates: Vec<Certificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    raw_bytes: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    ca_urls: Vec<Service>,
    #[serde(default)]
    oidc_urls: Vec<Service>,
    #[serde(default)]
    rekor_tlog_urls: Vec<Service>,
    rekor_tlog_config: Option<Selector>,
    #[serde(default)]
    tsa_urls: Vec<Service>,
    tsa_config: Option<Selector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    url: String,
    #[serde(default)]
    major_api_version: u32,
    valid_for: Option<Validity>,
    operator: Option<String>,
}

#[derive(Deserialize)]
struct Selector {
    selector: String,
    #[serde(default)]
    count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Both {
    trusted_root: Box<RawValue>,
    signing_config: Option<Box<RawValue>>,
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    seaworthy_oci::strict::check(text.as_bytes()).map_err(|e| e.to_string())?;
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// Adds what any of the formats says to `file`.
pub(crate) fn any(text: &str, file: &mut TrustFile) -> Result<(), String> {
    match parse::<Kind>(text)?.media_type.as_str() {
        media_type::TRUSTED_ROOT_0_1 | media_type::TRUSTED_ROOT_0_1_NEW | media_type::TRUSTED_ROOT_0_2 => {
            trusted_root(text, file)
        }
        media_type::SIGNING_CONFIG_0_2 => signing_config(text, file),
        media_type::CLIENT_TRUST_CONFIG => {
            let both: Both = parse(text)?;
            trusted_root(both.trusted_root.get(), file)?;
            match both.signing_config {
                Some(config) => signing_config(config.get(), file),
                None => Ok(()),
            }
        }
        other => Err(format!("its media type is '{}'", other.escape_debug())),
    }
}

/// Adds a `trusted_root.json` to `file`.
pub(crate) fn trusted_root(text: &str, file: &mut TrustFile) -> Result<(), String> {
    let kind = parse::<Kind>(text)?.media_type;
    let known =
        [media_type::TRUSTED_ROOT_0_1, media_type::TRUSTED_ROOT_0_1_NEW, media_type::TRUSTED_ROOT_0_2];
    if !known.contains(&kind.as_str()) {
        return Err(format!("a trusted root of media type '{}'", kind.escape_debug()));
    }
    let root: Root = parse(text)?;
    for (into, logs) in [(&mut file.transparency_logs, root.tlogs), (&mut file.ct_logs, root.ctlogs)] {
        for found in logs {
            let found = log(found)?;
            if !into.iter().any(|l| l.log_id == found.log_id) {
                into.push(found);
            }
        }
    }
    for (into, chains) in [
        (&mut file.certificate_authorities, root.certificate_authorities),
        (&mut file.timestamp_authorities, root.timestamp_authorities),
    ] {
        for found in chains {
            let found = chain(found)?;
            if !into.iter().any(|c| c.certificates == found.certificates) {
                into.push(found);
            }
        }
    }
    Ok(())
}

/// Puts a `signing_config.json` of version 0.2 into `file`.
pub(crate) fn signing_config(text: &str, file: &mut TrustFile) -> Result<(), String> {
    let kind = parse::<Kind>(text)?.media_type;
    if kind != media_type::SIGNING_CONFIG_0_2 {
        return Err(format!("a signing configuration of media type '{}'", kind.escape_debug()));
    }
    let config: Config = parse(text)?;
    let services = file.services.get_or_insert_default();
    for (into, found) in [
        (&mut services.certificate_authorities, config.ca_urls),
        (&mut services.oidc_issuers, config.oidc_urls),
        (&mut services.transparency_logs, config.rekor_tlog_urls),
        (&mut services.timestamp_authorities, config.tsa_urls),
    ] {
        for service in found {
            let service = TrustService {
                url: service.url,
                version: service.major_api_version,
                owner: service.operator.filter(|o| !o.is_empty()),
                window: window(service.valid_for),
            };
            if !into.iter().any(|s| s.url == service.url && s.version == service.version) {
                into.push(service);
            }
        }
    }
    services.logs_wanted = wanted(config.rekor_tlog_config)?;
    services.timestamps_wanted = wanted(config.tsa_config)?;
    Ok(())
}

fn wanted(selector: Option<Selector>) -> Result<Wanted, String> {
    match selector {
        None => Ok(Wanted::Any),
        Some(s) => match (s.selector.as_str(), s.count) {
            ("ANY", _) => Ok(Wanted::Any),
            ("ALL", _) => Ok(Wanted::All),
            ("EXACT", count) if count > 0 => Ok(Wanted::Exact(count)),
            (other, _) => Err(format!("a selector '{}' that no choice can meet", other.escape_debug())),
        },
    }
}

/// A window without a start has always been there.
fn window(valid: Option<Validity>) -> Window {
    let valid = valid.unwrap_or(Validity { start: None, end: None });
    Window { start: Some(valid.start.unwrap_or_default()), end: valid.end }
}

fn bytes(text: &str, what: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| format!("{what} is no base64"))
}

fn log(log: Log) -> Result<TrustLog, String> {
    let id = |id: Id| bytes(&id.key_id, "the id of a log");
    Ok(TrustLog {
        uri: log.base_url,
        owner: log.operator,
        log_id: id(log.log_id)?,
        checkpoint_key_id: log.checkpoint_key_id.map(id).transpose()?,
        key_details: log.public_key.key_details,
        window: window(log.public_key.valid_for),
        key: bytes(&log.public_key.raw_bytes, "the key of a log")?,
        line: Line::default(),
    })
}

fn chain(chain: Chain) -> Result<TrustChain, String> {
    let certificates: Result<Vec<_>, _> =
        chain.cert_chain.certificates.iter().map(|c| bytes(&c.raw_bytes, "a certificate")).collect();
    let certificates = certificates?;
    if certificates.is_empty() {
        return Err("an authority without a certificate".into());
    }
    Ok(TrustChain {
        uri: chain.uri.filter(|u| !u.is_empty()).unwrap_or_else(|| "(none)".into()),
        owner: chain.operator,
        organization: chain.subject.organization.filter(|t| !t.is_empty()),
        common_name: chain.subject.common_name.filter(|t| !t.is_empty()),
        window: window(chain.valid_for),
        certificates,
        line: Line::default(),
    })
}
