//! `authority.yaml`: where the authority is reached, and whose tokens it believes.
//!
//! It refuses unknown fields, plain HTTP anywhere but on loopback, URLs with a path or a password, and lists
//! beyond their limits: a typing error here would hand out identities.

use crate::error::{Error, Result};
use crate::limits::{
    CERTIFICATE_MOST, CERTIFICATE_SECONDS, CONFIG_BYTES, CONFIG_DEPTH, ISSUERS, REQUESTS_PER_SECOND,
    STATIC_TOKENS, SUBJECT_BYTES,
};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use url::{Host, Url};

/// The file's name in the authority's folder.
pub(crate) const FILE: &str = "authority.yaml";

/// What `authority.yaml` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    /// Where clients reach the authority.
    pub(crate) url: String,
    /// Whether `authority token` and `/keys` are an issuer of their own.
    #[serde(default)]
    pub(crate) built_in_issuer: Switch,
    /// Identity providers.
    #[serde(default)]
    pub(crate) issuers: Vec<Issuer>,
    /// Static tokens.
    #[serde(default)]
    pub(crate) tokens: Vec<StaticToken>,
    /// A folder on another disk for the newest checkpoint of each log, by which an old copy of this folder is found
    /// out.
    #[serde(default)]
    pub(crate) last_seen: Option<PathBuf>,
    /// How long a signing certificate is valid.
    #[serde(default = "certificate_seconds")]
    pub(crate) certificate_seconds: i64,
    /// Requests a second that change something.
    #[serde(default = "requests_per_second")]
    pub(crate) requests_per_second: u32,
}

fn requests_per_second() -> u32 {
    REQUESTS_PER_SECOND
}

fn certificate_seconds() -> i64 {
    CERTIFICATE_SECONDS
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    #[default]
    Enabled,
    Disabled,
}

/// An identity provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Issuer {
    /// The `iss` of its tokens; its discovery document is below it.
    pub(crate) url: String,
    /// The `aud` that its tokens must have.
    #[serde(default = "audience")]
    pub(crate) audience: String,
    /// What its tokens name.
    #[serde(rename = "type")]
    pub(crate) names: Names,
    /// With `type: spiffe`, the one trust domain that it may speak for.
    #[serde(default)]
    pub(crate) trust_domain: Option<String>,
}

/// The audience of every Sigstore client's tokens.
pub(crate) const AUDIENCE: &str = "sigstore";

fn audience() -> String {
    AUDIENCE.to_owned()
}

/// What an issuer's tokens name, and where in the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Names {
    /// `email`, which must be verified.
    Email,
    /// `sub`, which must be a URI.
    Uri,
    /// A GitHub workflow, from `job_workflow_ref`.
    Github,
    /// A GitLab pipeline, from `ci_config_ref_uri`.
    Gitlab,
    /// A Buildkite pipeline, from `organization_slug` and `pipeline_slug`.
    Buildkite,
    /// `sub`, a SPIFFE ID in the issuer's `trustDomain`.
    Spiffe,
}

/// A token without a provider: whoever knows it is its subject.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StaticToken {
    /// SHA-256 of the token, in hex; the token itself is not in the file.
    pub(crate) sha256: String,
    /// A mail address or a URI.
    pub(crate) subject: String,
}

/// Where an authority is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without a slash at the end.
    pub(crate) url: String,
    /// The name of its logs: host without port, as every client derives it.
    pub(crate) host: String,
}

impl Address {
    /// Reads `https://host[:port]`, or `http://` on loopback.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::usage(format!("the url '{text}' {why}"))
                .hint("https://sigstore.example.org, or http://127.0.0.1:8400 on one machine")
        };
        // Never printed as given: it could hold a password.
        let url = Url::parse(text).map_err(|_| Error::usage("the url of the authority is none"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::usage("the url of the authority must not hold a password"));
        }
        let host = match url.host() {
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(host) => host.to_string(),
            None => return Err(bad("names no host")),
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("has more than a host and a port"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(bad("is plain HTTP, over which tokens could be read")),
            _ => return Err(bad("is neither https nor http")),
        }
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), host })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// An issuer's URL: HTTPS, or HTTP on loopback. It is compared as text with `iss`, hence kept as it is.
pub(crate) fn issuer_url(text: &str) -> Result<Url> {
    let bad = |why: &str| Error::usage(format!("the issuer '{text}' {why}"));
    let url = Url::parse(text).map_err(|e| bad(&format!("is no URL: {e}")))?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match url.scheme() {
        "https" if plain && url.host().is_some() => Ok(url),
        "http" if plain && is_loopback(&url) => Ok(url),
        _ => Err(bad("is neither https nor on loopback, or has a query or a user name")),
    }
}

impl Config {
    /// What `init` writes.
    pub(crate) fn template(address: &Address) -> String {
        format!(
            "# Where clients reach this authority, and whose tokens it believes: docs/concepts/authority.md.\n\
             apiVersion: seaworthy.dev/v1alpha1\n\
             kind: Authority\n\
             # Never change it: it is the name of the logs and of the built-in issuer.\n\
             url: {}\n\
             # Tokens made on this machine, by `seaworthy authority token`.\n\
             builtInIssuer: enabled\n\
             # Identity providers. type: email, uri, github, gitlab, buildkite or spiffe.\n\
             issuers: []\n\
             #  - url: https://token.actions.githubusercontent.com\n\
             #    audience: sigstore\n\
             #    type: github\n\
             # Fixed tokens: sha256 of the token, and whom it stands for (a mail address or a URI).\n\
             tokens: []\n",
            address.url
        )
    }

    /// Reads and checks the file in `dir`.
    pub(crate) fn load(dir: &Path) -> Result<(Self, Address)> {
        let path = dir.join(FILE);
        let shown = path.display();
        let meta = std::fs::metadata(&path).map_err(|e| {
            Error::local(format!("cannot read {shown}: {e}"))
                .hint("`seaworthy authority init` makes an authority")
        })?;
        if meta.len() > CONFIG_BYTES {
            return Err(Error::usage(format!("{shown} is larger than {CONFIG_BYTES} bytes")));
        }
        let text =
            std::fs::read_to_string(&path).map_err(|e| Error::local(format!("cannot read {shown}: {e}")))?;
        Self::read(&text).map_err(|e| Error { message: format!("{shown}: {}", e.message), ..e })
    }

    fn read(text: &str) -> Result<(Self, Address)> {
        let config: Self =
            seaworthy_yaml::document(text, CONFIG_DEPTH).map_err(|e| Error::usage(e.to_string()))?;
        if config.api_version != "seaworthy.dev/v1alpha1" || config.kind != "Authority" {
            return Err(Error::usage("not an Authority of seaworthy.dev/v1alpha1"));
        }
        if config.issuers.len() > ISSUERS || config.tokens.len() > STATIC_TOKENS {
            return Err(Error::usage(format!("more than {ISSUERS} issuers or {STATIC_TOKENS} tokens")));
        }
        let address = Address::read(&config.url)?;
        for issuer in &config.issuers {
            issuer_url(&issuer.url)?;
            if issuer.url == address.url && config.built_in_issuer == Switch::Enabled {
                return Err(Error::usage("the built-in issuer is not one of the issuers"));
            }
            if issuer.audience.is_empty() {
                return Err(Error::usage("an issuer without an audience takes anybody's tokens"));
            }
            if (issuer.names == Names::Spiffe) != issuer.trust_domain.is_some() {
                return Err(Error::usage("type: spiffe and trustDomain go together")
                    .hint("without a trust domain an issuer could speak for every other one's workloads"));
            }
            let domain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-_".contains(&c);
            // SPIFFE-ID, section 2.1: lower case, no port.
            if issuer.trust_domain.as_ref().is_some_and(|name| name.is_empty() || !name.bytes().all(domain)) {
                return Err(Error::usage("a trust domain has lower case letters, digits, '.', '-' and '_'"));
            }
        }
        for token in &config.tokens {
            if token.sha256.len() != 64 || hex::decode(&token.sha256).is_err() {
                return Err(Error::usage("sha256 of a static token is 64 hex digits"));
            }
            if token.subject.is_empty() || token.subject.len() > SUBJECT_BYTES {
                return Err(Error::usage(format!("a subject has 1 to {SUBJECT_BYTES} bytes")));
            }
        }
        if !(10..=CERTIFICATE_MOST).contains(&config.certificate_seconds) {
            return Err(Error::usage(format!(
                "certificateSeconds: a certificate is valid for 10 to {CERTIFICATE_MOST} seconds"
            )));
        }
        if config.requests_per_second == 0 {
            return Err(Error::usage("requestsPerSecond: 0 would answer nobody"));
        }
        Ok((config, address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let host = |url: &str| Address::read(url).map(|a| a.host).map_err(|e| e.message);
        assert_eq!(host("http://127.0.0.1:8400").unwrap(), "127.0.0.1");
        assert_eq!(host("https://sigstore.example.org").unwrap(), "sigstore.example.org");
        assert_eq!(host("https://[2001:db8::1]:1/").unwrap(), "2001:db8::1");
        assert_eq!(Address::read("https://a.example:8443/").unwrap().url, "https://a.example:8443");
        for bad in
            ["http://a.example", "https://a.example/path", "https://u:geheim@a.example", "ftp://a", "a"]
        {
            let message = host(bad).unwrap_err();
            assert!(!message.contains("geheim"), "{message}");
        }
    }

    #[test]
    fn the_template_is_a_configuration_and_other_things_are_not() {
        let address = Address::read("http://127.0.0.1:8400").unwrap();
        let text = Config::template(&address);
        assert_eq!(Config::read(&text).unwrap().1, address);
        let with = |line: &str| Config::read(&text.replace("issuers: []", line)).map(|_| ());
        assert!(with("issuers: [{url: 'https://a.example', type: email}]").is_ok());
        assert!(with("certificateSeconds: 86400").is_ok());
        for bad in [
            "issuers: [{url: 'http://a.example', type: email}]",
            "issuers: [{url: 'https://a.example', type: any}]",
            "issuers: [{url: 'https://a.example', type: spiffe}]",
            "issuers: [{url: 'https://a.example', type: spiffe, trustDomain: ''}]",
            "issuers: [{url: 'https://a.example', type: spiffe, trustDomain: 'a/b'}]",
            "issuers: [{url: 'https://a.example', type: uri, trustDomain: a.example}]",
            "issuers: [{url: 'https://a.example', type: email, audience: ''}]",
            "issuers: [{url: 'http://127.0.0.1:8400', type: uri}]",
            "issuer: []",
            "requestsPerSecond: 0",
            "certificateSeconds: 9",
            "certificateSeconds: 86401",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }
}
