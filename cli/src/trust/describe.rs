//! What is in a trust file, entry by entry: what it is, whose, which key, from when until when, and how that
//! stands at a given moment. `show`, `diff` and `lint` speak of these.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use seaworthy_verifier::PublicKey;
use seaworthy_verifier::trust_file::{
    TrustChain, TrustFile, TrustLog, TrustService, TrustedIdentity, Window,
};
use serde::Serialize;
use x509_cert::der::{Decode as _, Encode as _};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A managed public key.
    Key,
    /// An identity that signs.
    Identity,
    /// A certificate authority.
    CertificateAuthority,
    /// A certificate transparency log.
    CtLog,
    /// A transparency log.
    TransparencyLog,
    /// A timestamp authority.
    TimestampAuthority,
    /// A service to sign at.
    Service,
}

impl Kind {
    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Identity => "identity",
            Self::CertificateAuthority => "CA",
            Self::CtLog => "CT log",
            Self::TransparencyLog => "log",
            Self::TimestampAuthority => "TSA",
            Self::Service => "service",
        }
    }
}

/// How a window stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Trusted now.
    Valid,
    /// Trusted later.
    NotYet,
    /// Trusted for what was signed before its end.
    Ended,
}

impl State {
    pub(crate) fn of(window: Window, now: Timestamp) -> Self {
        if window.contains(now) {
            Self::Valid
        } else if window.start.is_some_and(|start| now < start) {
            Self::NotYet
        } else {
            Self::Ended
        }
    }

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::NotYet => "not yet",
            Self::Ended => "ended",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    /// What it is.
    pub(crate) kind: Kind,
    /// The keyring, or where it is reached.
    pub(crate) name: String,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// `sha256:` of the key, or of the certificate that issues; of a service, its interface.
    pub(crate) id: String,
    /// The algorithm of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) algorithm: Option<String>,
    /// What bundles call the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// From when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Timestamp>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// Its line in the file, where it has one.
    #[serde(skip)]
    pub(crate) line: u64,
    /// Everything that makes it this entry and no other: keys and certificates whole.
    #[serde(skip)]
    pub(crate) identity: Vec<u8>,
}

impl Item {
    /// Its window.
    pub(crate) fn window(&self) -> Window {
        Window { start: self.from, end: self.until }
    }

    /// `CA https://… sha256:…`.
    pub(crate) fn words(&self) -> String {
        format!("{} {} {}", self.kind.words(), self.name, short(&self.id))
    }
}

/// The first twelve digits of an id: enough to tell two apart on one screen.
pub(crate) fn short(id: &str) -> String {
    match id.split_once(':') {
        Some((algorithm, hex)) if hex.len() == 64 => {
            format!("{algorithm}:{}", hex.chars().take(12).collect::<String>())
        }
        _ => id.to_owned(),
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    let hex = seaworthy_oci::Digest::sha256(bytes).hex().to_owned();
    let pair = |at: usize| hex.get(at..at + 2).and_then(|p| u8::from_str_radix(p, 16).ok());
    (0..hex.len()).step_by(2).filter_map(pair).collect()
}

/// Base64, as sigstore writes it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// One PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

/// What a certificate says of itself.
pub(crate) struct Facts {
    pub(crate) organization: Option<String>,
    pub(crate) common_name: Option<String>,
    pub(crate) window: Window,
    pub(crate) algorithm: Result<String, String>,
    pub(crate) subject: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
}

/// Reads a certificate, in words where it is none.
pub(crate) fn facts(der: &[u8]) -> Result<Facts, String> {
    let certificate = x509_cert::Certificate::from_der(der)
        .map_err(|e| format!("a certificate that does not decode: {e}"))?;
    let inner = &certificate.tbs_certificate;
    let attribute = |oid: &str| {
        inner.subject.0.iter().flat_map(|rdn| rdn.0.iter()).find(|a| a.oid.to_string() == oid).and_then(|a| {
            std::str::from_utf8(a.value.value()).ok().map(str::to_owned).filter(|t| !t.is_empty())
        })
    };
    let time = |t: &x509_cert::time::Time| {
        i64::try_from(t.to_unix_duration().as_secs()).ok().and_then(|s| Timestamp::from_second(s).ok())
    };
    let encode = |name: &x509_cert::name::Name| name.to_der().unwrap_or_default();
    let spki =
        inner.subject_public_key_info.to_der().map_err(|e| format!("a certificate without a key: {e}"))?;
    Ok(Facts {
        organization: attribute("2.5.4.10"),
        common_name: attribute("2.5.4.3"),
        window: Window { start: time(&inner.validity.not_before), end: time(&inner.validity.not_after) },
        algorithm: PublicKey::from_spki(&spki).map(|key| key.algorithm().to_owned()),
        subject: encode(&inner.subject),
        issuer: encode(&inner.issuer),
    })
}

fn id(bytes: &[u8]) -> String {
    seaworthy_oci::Digest::sha256(bytes).to_string()
}

fn chain(kind: Kind, chain: &TrustChain) -> Item {
    let first = chain.certificates.first().map(Vec::as_slice).unwrap_or_default();
    Item {
        kind,
        name: chain.uri.clone(),
        owner: chain.owner.clone().or_else(|| chain.organization.clone()),
        id: id(first),
        algorithm: facts(first).ok().and_then(|f| f.algorithm.ok()),
        hint: None,
        from: chain.window.start,
        until: chain.window.end,
        line: chain.line.0,
        identity: chain.certificates.concat(),
    }
}

fn log(kind: Kind, log: &TrustLog) -> Item {
    let named = log.key_details.trim_start_matches("PKIX_").trim_start_matches("PKCS1_");
    let algorithm =
        PublicKey::from_spki(&log.key).map_or_else(|_| named.to_owned(), |k| k.algorithm().into());
    Item {
        kind,
        name: log.uri.clone(),
        owner: log.owner.clone(),
        id: id(&log.key),
        algorithm: Some(algorithm),
        hint: None,
        from: log.window.start,
        until: log.window.end,
        line: log.line.0,
        identity: [log.log_id.as_slice(), &log.key].concat(),
    }
}

fn identity(found: &TrustedIdentity) -> Item {
    let claims: String = found.claims.iter().map(|(name, value)| format!(", {name} {value}")).collect();
    let id = format!("{} ({}){claims}", found.identity.shown(), found.issuer.shown());
    Item {
        kind: Kind::Identity,
        name: found.name.clone(),
        owner: found.owner.clone(),
        identity: format!("{}\n{id}", found.name).into_bytes(),
        id,
        algorithm: None,
        hint: None,
        from: None,
        until: None,
        line: found.line.0,
    }
}

fn service(what: &str, service: &TrustService) -> Item {
    Item {
        kind: Kind::Service,
        name: service.url.clone(),
        owner: service.owner.clone(),
        id: format!("{what} v{}", service.version),
        algorithm: None,
        hint: None,
        from: service.window.start,
        until: service.window.end,
        line: 0,
        identity: format!("{what} {} {}", service.version, service.url).into_bytes(),
    }
}

/// Everything in `file`, in its order.
pub(crate) fn items(file: &TrustFile) -> Vec<Item> {
    let mut out: Vec<Item> = file
        .keys
        .iter()
        .map(|key| Item {
            kind: Kind::Key,
            name: key.keyring.clone(),
            owner: key.owner.clone(),
            id: id(key.key.spki()),
            algorithm: Some(key.key.algorithm().into()),
            hint: key.hint.clone(),
            from: key.window.start,
            until: key.window.end,
            line: key.line.0,
            identity: [key.keyring.as_bytes(), b"\n", key.key.spki()].concat(),
        })
        .collect();
    out.extend(file.identities.iter().map(identity));
    out.extend(file.certificate_authorities.iter().map(|c| chain(Kind::CertificateAuthority, c)));
    out.extend(file.ct_logs.iter().map(|l| log(Kind::CtLog, l)));
    out.extend(file.transparency_logs.iter().map(|l| log(Kind::TransparencyLog, l)));
    out.extend(file.timestamp_authorities.iter().map(|c| chain(Kind::TimestampAuthority, c)));
    if let Some(services) = &file.services {
        for (what, list) in [
            ("certificates", &services.certificate_authorities),
            ("tokens", &services.oidc_issuers),
            ("log", &services.transparency_logs),
            ("timestamps", &services.timestamp_authorities),
        ] {
            out.extend(list.iter().map(|s| service(what, s)));
        }
    }
    out
}
