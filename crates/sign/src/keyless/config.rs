//! Which services are used: `signing_config.json` (v0.2), ClientTrustConfig, or single URLs.
//!
//! Decides which endpoints are valid now, which of an operator's is taken, how many operators have to answer
//! (`ANY`, `ALL`, `EXACT`), and in which order others step in. Refused: other media types, services without a
//! version that we speak, a selector that no choice can meet. A service that no configuration names is never
//! talked to; there are no defaults here.

use crate::error::{Error, ErrorKind, Result};
use jiff::Timestamp;
use seaworthy_oci::strict;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt;
use url::Url;

/// A configuration file; the public one has 2 KB, a ClientTrustConfig holds a trusted root besides.
pub const CONFIG_BYTES: usize = 2 << 20;
/// Endpoints of one kind of service.
pub const ENDPOINTS: usize = 64;

const SIGNING_CONFIG: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";
const TRUST_CONFIG: &str = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    media_type: String,
    #[serde(default)]
    ca_urls: Vec<Service>,
    #[serde(default)]
    oidc_urls: Vec<Service>,
    #[serde(default)]
    rekor_tlog_urls: Vec<Service>,
    #[serde(default)]
    rekor_tlog_config: Option<ServiceConfig>,
    #[serde(default)]
    tsa_urls: Vec<Service>,
    #[serde(default)]
    tsa_config: Option<ServiceConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    url: Url,
    #[serde(default)]
    major_api_version: u32,
    #[serde(default)]
    valid_for: Option<Validity>,
    #[serde(default)]
    operator: String,
}

#[derive(Deserialize)]
struct Validity {
    #[serde(default)]
    start: Option<Timestamp>,
    #[serde(default)]
    end: Option<Timestamp>,
}

#[derive(Deserialize)]
struct ServiceConfig {
    #[serde(default)]
    selector: Selector,
    #[serde(default)]
    count: u32,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
enum Selector {
    #[default]
    #[serde(rename = "SERVICE_SELECTOR_UNDEFINED")]
    Undefined,
    #[serde(rename = "ALL")]
    All,
    #[serde(rename = "ANY")]
    Any,
    #[serde(rename = "EXACT")]
    Exact,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrustConfigFile {
    media_type: String,
    trusted_root: Box<RawValue>,
    signing_config: Box<RawValue>,
}

/// One service under one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its base URL; of a timestamp authority, the URL that requests go to.
    pub url: Url,
    /// The major version of its interface.
    pub version: u32,
}

/// Services of one kind: endpoints grouped by operator, and how many operators have to answer. Within a group
/// the first that answers counts; a group that fails is stepped in for by the next that was not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The groups, in order of preference.
    pub groups: Vec<Vec<Endpoint>>,
    /// How many of them have to answer.
    pub wanted: usize,
}

impl Selection {
    /// One service.
    pub fn one(url: Url, version: u32) -> Self {
        Self { groups: vec![vec![Endpoint { url, version }]], wanted: 1 }
    }

    /// All endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.groups.iter().flatten()
    }
}

/// The services of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// Certificate authorities (Fulcio).
    pub authorities: Selection,
    /// Issuers of identity tokens that a person may log in at.
    pub issuers: Vec<Url>,
    /// Transparency logs (Rekor).
    pub logs: Selection,
    /// Timestamp authorities (RFC 3161).
    pub timestamps: Selection,
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Undefined => "undefined",
            Self::All => "ALL",
            Self::Any => "ANY",
            Self::Exact => "EXACT",
        })
    }
}

fn broken(why: impl Into<String>) -> Error {
    Error::new("use", "signing configuration", ErrorKind::BrokenInput(why.into()))
}

/// The valid services of a kind, by operator, best first: the newest interface, then the latest start.
fn groups(kind: &str, services: Vec<Service>, speaks: &[u32], now: Timestamp) -> Result<Vec<Vec<Endpoint>>> {
    if services.len() > ENDPOINTS {
        let kind = ErrorKind::LimitExceeded { limit: "ENDPOINTS", value: ENDPOINTS as u64 };
        return Err(Error::new("use", "signing configuration", kind));
    }
    let named = services.len();
    let mut valid: Vec<Service> = services
        .into_iter()
        .filter(|s| speaks.contains(&s.major_api_version))
        .filter(|s| {
            let period = s.valid_for.as_ref();
            period.and_then(|p| p.start).is_none_or(|start| start <= now)
                && period.and_then(|p| p.end).is_none_or(|end| now <= end)
        })
        .collect();
    if named > 0 && valid.is_empty() {
        return Err(broken(format!(
            "it names {named} {kind}, and none of them is valid now in a version that is spoken here"
        )));
    }
    let start = |s: &Service| s.valid_for.as_ref().and_then(|p| p.start);
    // Stable: what the file lists first stays first among equals.
    valid.sort_by_key(|s| (std::cmp::Reverse(s.major_api_version), std::cmp::Reverse(start(s))));
    let mut groups: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for service in valid {
        // Services of nobody in particular are each their own operator.
        let name = match service.operator.as_str() {
            "" => service.url.to_string(),
            name => name.to_owned(),
        };
        let endpoint = Endpoint { url: service.url, version: service.major_api_version };
        match groups.iter_mut().find(|(n, _)| *n == name) {
            Some((_, group)) => group.push(endpoint),
            None => groups.push((name, vec![endpoint])),
        }
    }
    Ok(groups.into_iter().map(|(_, group)| group).collect())
}

fn selection(
    kind: &str,
    services: Vec<Service>,
    config: Option<ServiceConfig>,
    speaks: &[u32],
    now: Timestamp,
) -> Result<Selection> {
    let groups = groups(kind, services, speaks, now)?;
    if groups.is_empty() {
        return Ok(Selection::default());
    }
    let config = config.ok_or_else(|| broken(format!("it names {kind} and does not say how many to use")))?;
    let wanted = match config.selector {
        Selector::Any => 1,
        Selector::All => groups.len(),
        Selector::Exact if config.count >= 1 && config.count as usize <= groups.len() => {
            config.count as usize
        }
        Selector::Exact => {
            return Err(broken(format!(
                "it wants EXACT {} of the {kind}, and there are {} operators",
                config.count,
                groups.len()
            )));
        }
        Selector::Undefined => return Err(broken(format!("its selector for the {kind} is undefined"))),
    };
    Ok(Selection { groups, wanted })
}

impl Services {
    /// Reads a `signing_config.json`, as valid at `now`.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenInput`], or [`ErrorKind::LimitExceeded`] ([`CONFIG_BYTES`], [`ENDPOINTS`]).
    pub fn from_signing_config(json: &[u8], now: Timestamp) -> Result<Self> {
        check_size(json)?;
        let file: File = strict::from_slice(json).map_err(broken)?;
        if file.media_type != SIGNING_CONFIG {
            return Err(broken(format!("its media type is not {SIGNING_CONFIG}"))
                .hint("version 0.2 is read; `cosign signing-config create` writes it"));
        }
        let authorities = groups("certificate authorities", file.ca_urls, &[1], now)?;
        let issuers = groups("issuers", file.oidc_urls, &[1], now)?;
        Ok(Self {
            authorities: Selection { wanted: authorities.len().min(1), groups: authorities },
            issuers: issuers.into_iter().flatten().map(|e| e.url).collect(),
            logs: selection("logs", file.rekor_tlog_urls, file.rekor_tlog_config, &[1, 2], now)?,
            timestamps: selection("timestamp authorities", file.tsa_urls, file.tsa_config, &[1], now)?,
        })
    }

    /// Whether there is nothing to talk to.
    pub fn is_empty(&self) -> bool {
        self.endpoints().next().is_none()
    }

    /// All endpoints that may be asked: certificate authorities, logs, timestamp authorities.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.authorities.endpoints().chain(self.logs.endpoints()).chain(self.timestamps.endpoints())
    }
}

/// A ClientTrustConfig: services, and the root to verify what they made.
#[derive(Debug, Clone)]
pub struct TrustConfig {
    /// The services.
    pub services: Services,
    /// The `trusted_root.json` in it.
    pub trusted_root: String,
}

impl TrustConfig {
    /// Reads one, as valid at `now`.
    ///
    /// # Errors
    /// As [`Services::from_signing_config`].
    pub fn from_json(json: &[u8], now: Timestamp) -> Result<Self> {
        check_size(json)?;
        strict::check(json).map_err(broken)?;
        let file: TrustConfigFile = serde_json::from_slice(json).map_err(|e| broken(e.to_string()))?;
        if file.media_type != TRUST_CONFIG {
            return Err(broken(format!("its media type is not {TRUST_CONFIG}")));
        }
        let services = Services::from_signing_config(file.signing_config.get().as_bytes(), now)?;
        Ok(Self { services, trusted_root: file.trusted_root.get().to_owned() })
    }
}

fn check_size(json: &[u8]) -> Result<()> {
    if json.len() > CONFIG_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "CONFIG_BYTES", value: CONFIG_BYTES as u64 };
        return Err(Error::new("use", "signing configuration", kind));
    }
    Ok(())
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
