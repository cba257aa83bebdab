//! Trust as a file that people can review: keys, certificate authorities, logs and timestamp authorities, each
//! with an owner and the time for which it is trusted.
//!
//! Decides what such a file means, and says it as a sigstore `trusted_root.json`, which is what everything is
//! verified with. Refused, with line and hint, and all at once: fields that nobody knows, keys that are not
//! accepted at all, windows that end before they start, the same key twice in one keyring, the same log twice.
//! What is merely unwise (a window that ends soon) is the business of `seaworthy trust lint`.
//!
//! Nothing is fetched here, and nothing here decides about a signature.

mod identity;
mod model;
mod sigstore;

use crate::authority::{Authority, TrustedKey};
use crate::key::PublicKey;
use crate::policy::{At, Problem};
use crate::trust::Trust;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use model::{ChainDoc, KeyDoc, LogDoc, ServiceDoc, ServicesDoc, TrustDoc};
use p256::pkcs8::der;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

pub use identity::{Named, TrustedIdentity};
pub use sigstore::{RootVersion, media_type};

/// What `apiVersion` must say.
const API_VERSION: &str = "seaworthy.dev/v1alpha1";
/// What `kind` must say.
const KIND: &str = "Trust";
/// The largest trust file that is read: GitHub's root, the largest of the public ones, makes 40 KB.
pub const TRUST_FILE_BYTES: u64 = 1 << 20;
/// Entries of one kind. The largest public root has six.
pub const TRUST_ENTRIES: usize = 512;
/// Certificates of one authority; four is deep.
pub const CHAIN_CERTIFICATES: usize = 16;
/// Bytes of a name, an owner, a URL.
pub const TRUST_TEXT_BYTES: usize = 1024;

/// A line of the file, for messages; two entries are equal wherever they stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line(pub u64);

impl PartialEq for Line {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Line {}

/// The time for which something is trusted; both ends belong to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// From when; always, where it is not said.
    pub start: Option<Timestamp>,
    /// Until when; for good, where it is not said.
    pub end: Option<Timestamp>,
}

/// A managed public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedKey {
    /// The keyring it belongs to.
    pub keyring: String,
    /// Who holds the private key.
    pub owner: Option<String>,
    /// What bundles call it, where the file says it.
    pub hint: Option<String>,
    /// When it is trusted.
    pub window: Window,
    /// The key.
    pub key: PublicKey,
    /// Where it stands.
    pub line: Line,
}

/// An authority that is trusted by its certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustChain {
    /// Where it is reached, or a name.
    pub uri: String,
    /// Who runs it.
    pub owner: Option<String>,
    /// The organisation in its certificates.
    pub organization: Option<String>,
    /// The common name in its certificates.
    pub common_name: Option<String>,
    /// When what it issues counts.
    pub window: Window,
    /// DER: the one that issues first, the root last. Never empty.
    pub certificates: Vec<Vec<u8>>,
    /// Where it stands.
    pub line: Line,
}

/// A log that is trusted by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustLog {
    /// Where it is reached.
    pub uri: String,
    /// Who runs it.
    pub owner: Option<String>,
    /// Its id.
    pub log_id: Vec<u8>,
    /// The id of its key in checkpoints, where it differs.
    pub checkpoint_key_id: Option<Vec<u8>>,
    /// Sigstore's name of its algorithm.
    pub key_details: String,
    /// When its entries count.
    pub window: Window,
    /// The key, DER: a SubjectPublicKeyInfo, or PKCS#1 where `key_details` says so.
    pub key: Vec<u8>,
    /// Where it stands.
    pub line: Line,
}

/// How many operators of a kind have to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wanted {
    /// One of them.
    #[default]
    Any,
    /// Each.
    All,
    /// So many.
    Exact(u32),
}

/// A service under one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustService {
    /// Its URL.
    pub url: String,
    /// The major version of its interface.
    pub version: u32,
    /// Who runs it.
    pub owner: Option<String>,
    /// When it is used.
    pub window: Window,
}

/// Where to sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustServices {
    /// Certificate authorities.
    pub certificate_authorities: Vec<TrustService>,
    /// Issuers of identity tokens.
    pub oidc_issuers: Vec<TrustService>,
    /// Transparency logs.
    pub transparency_logs: Vec<TrustService>,
    /// How many operators of logs are told.
    pub logs_wanted: Wanted,
    /// Timestamp authorities.
    pub timestamp_authorities: Vec<TrustService>,
    /// How many operators of timestamp authorities are asked.
    pub timestamps_wanted: Wanted,
}

/// A trust file that was read and means something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustFile {
    /// What it is called.
    pub name: String,
    /// Where `trust update` takes its material from.
    pub source: Option<String>,
    /// Managed public keys.
    pub keys: Vec<ManagedKey>,
    /// Identities that sign.
    pub identities: Vec<TrustedIdentity>,
    /// Certificate authorities.
    pub certificate_authorities: Vec<TrustChain>,
    /// Certificate transparency logs.
    pub ct_logs: Vec<TrustLog>,
    /// Transparency logs.
    pub transparency_logs: Vec<TrustLog>,
    /// Timestamp authorities.
    pub timestamp_authorities: Vec<TrustChain>,
    /// Where to sign.
    pub services: Option<TrustServices>,
}

impl Window {
    /// Whether `time` lies in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

impl TrustFile {
    /// Whether `text` is meant to be a trust file rather than JSON of sigstore.
    pub fn looks_like(text: &str) -> bool {
        !text.trim_start().starts_with('{')
    }

    /// Reads a trust file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let whole = |line, column, message: String| {
            vec![Problem {
                line,
                column,
                message,
                hint: Some("the fields are described in docs/concepts/trust.md".into()),
            }]
        };
        if text.len() as u64 > TRUST_FILE_BYTES {
            return Err(whole(
                None,
                None,
                format!("larger than {TRUST_FILE_BYTES} bytes (TRUST_FILE_BYTES)"),
            ));
        }
        let document: TrustDoc =
            seaworthy_yaml::document(text, crate::policy::YAML_DEPTH).map_err(|error| {
                let at = error.place();
                whole(at.map(|a| a.line), at.map(|a| a.column), error.message().to_owned())
            })?;
        let mut reader = Reader { problems: Vec::new() };
        let file = reader.document(&document);
        if reader.problems.is_empty() {
            Ok(file)
        } else {
            reader.problems.sort_by_key(|p| (p.line, p.column));
            Err(reader.problems)
        }
    }

    /// Reads the trust file at `path`.
    ///
    /// # Errors
    /// As [`TrustFile::parse`], or that it cannot be read.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        match crate::files::read_text(path, TRUST_FILE_BYTES) {
            Ok(text) => Self::parse(&text),
            Err(message) => Err(vec![Problem { line: None, column: None, message, hint: None }]),
        }
    }

    /// The names of its keyrings, in the order of the file.
    pub fn keyrings(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        self.keys.iter().map(|k| k.keyring.as_str()).filter(|name| seen.insert(*name)).collect()
    }

    /// The keys of `keyring` with their windows; empty where there is no such keyring.
    pub fn trusted_keys(&self, keyring: &str) -> Vec<TrustedKey> {
        let keys = self.keys.iter().filter(|k| k.keyring == keyring);
        keys.map(|k| TrustedKey { key: k.key.clone(), not_before: k.window.start, not_after: k.window.end })
            .collect()
    }

    /// Whoever holds a key of `keyring`, as an authority of that name; none where there is no such keyring.
    pub fn authority(&self, keyring: &str) -> Option<Authority> {
        let keys = self.trusted_keys(keyring);
        (!keys.is_empty()).then(|| Authority::keys(keyring, keys, None))
    }

    /// Its certificates, logs and timestamp authorities, ready to verify with.
    ///
    /// # Errors
    /// In words: something in it cannot be used for verification.
    pub fn trust(&self, label: &str) -> Result<Trust, String> {
        Trust::from_json(&self.trusted_root(RootVersion::V0_1).to_string(), label)
    }
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn say<T>(&mut self, at: &At<T>, message: impl Into<String>, hint: &str) {
        self.problems.push(Problem {
            line: Some(at.line()),
            column: Some(at.column()),
            message: message.into(),
            hint: Some(hint.into()),
        });
    }

    fn document(&mut self, doc: &TrustDoc) -> TrustFile {
        for (at, wanted) in [(&doc.api_version, API_VERSION), (&doc.kind, KIND)] {
            if at.get() != wanted {
                self.say(at, format!("not '{wanted}'"), &format!("write {wanted}"));
            }
        }
        let name = &doc.metadata.name;
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if name.get().is_empty() || !name.get().chars().all(fine) {
            self.say(name, "not a name of lower-case letters, digits, - and .", "write something like acme");
        }
        let spec = &doc.spec;
        let file = TrustFile {
            name: self.text(name),
            source: spec.source.as_ref().map(|at| self.text(at)),
            keys: self.entries("keys", &spec.keys, Self::key),
            identities: self.entries("identities", &spec.identities, Self::identity),
            certificate_authorities: self.entries(
                "certificateAuthorities",
                &spec.certificate_authorities,
                Self::chain,
            ),
            ct_logs: self.entries("ctLogs", &spec.ct_logs, Self::log),
            transparency_logs: self.entries("transparencyLogs", &spec.transparency_logs, Self::log),
            timestamp_authorities: self.entries(
                "timestampAuthorities",
                &spec.timestamp_authorities,
                Self::chain,
            ),
            services: spec.services.as_ref().map(|s| self.services(s)),
        };
        let mut seen = BTreeSet::new();
        for (key, at) in file.keys.iter().zip(&spec.keys) {
            if !seen.insert((&key.keyring, key.key.spki())) {
                self.say(
                    at,
                    format!("{} is in keyring '{}' twice", key.key.id(), key.keyring),
                    "leave one out",
                );
            }
        }
        let rings: BTreeSet<&str> = file.keys.iter().map(|k| k.keyring.as_str()).collect();
        let mut seen = BTreeSet::new();
        for (identity, at) in file.identities.iter().zip(&spec.identities) {
            if !seen.insert(&identity.name) || rings.contains(identity.name.as_str()) {
                let name = identity.name.escape_debug();
                self.say(at, format!("'{name}' is the name of something else here"), "give it its own name");
            }
        }
        for (logs, entries) in
            [(&file.ct_logs, &spec.ct_logs), (&file.transparency_logs, &spec.transparency_logs)]
        {
            let mut seen = BTreeSet::new();
            for (log, at) in logs.iter().zip(entries) {
                if !seen.insert(&log.log_id) {
                    self.say(at, "a log with this id stands there already", "leave one out");
                }
            }
        }
        file
    }

    fn entries<D, T>(
        &mut self,
        what: &str,
        list: &[At<D>],
        read: fn(&mut Self, &At<D>) -> Option<T>,
    ) -> Vec<T> {
        if let Some(at) = list.get(TRUST_ENTRIES) {
            self.say(at, format!("more than {TRUST_ENTRIES} {what} (TRUST_ENTRIES)"), "split the file");
        }
        list.iter().take(TRUST_ENTRIES).filter_map(|at| read(self, at)).collect()
    }

    fn text(&mut self, at: &At<String>) -> String {
        let text = at.get();
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            self.say(at, "empty, or not one line of text", "write a word");
        } else if text.len() > TRUST_TEXT_BYTES {
            self.say(
                at,
                format!("longer than {TRUST_TEXT_BYTES} bytes (TRUST_TEXT_BYTES)"),
                "make it shorter",
            );
        }
        text.clone()
    }

    fn some_text(&mut self, at: Option<&At<String>>) -> Option<String> {
        at.map(|at| self.text(at))
    }

    fn window(&mut self, start: Option<&At<String>>, end: Option<&At<String>>) -> Window {
        let window = Window { start: self.time(start), end: self.time(end) };
        if let (Some(start), Some(end), Some(at)) = (window.start, window.end, end)
            && end < start
        {
            self.say(at, "the end lies before the start: nothing is ever trusted", "swap them");
        }
        window
    }

    fn time(&mut self, at: Option<&At<String>>) -> Option<Timestamp> {
        let at = at?;
        match at.get().parse() {
            Ok(time) => Some(time),
            Err(_) => {
                self.say(
                    at,
                    format!("'{}' is no time", at.get().escape_debug()),
                    "write 2026-01-31T00:00:00Z",
                );
                None
            }
        }
    }

    fn bytes(&mut self, at: Option<&At<String>>) -> Option<Vec<u8>> {
        let at = at?;
        match STANDARD.decode(at.get()) {
            Ok(bytes) if (1..=64).contains(&bytes.len()) => Some(bytes),
            _ => {
                self.say(at, "not the base64 of 1 to 64 bytes", "copy it from the log's own description");
                None
            }
        }
    }

    fn key(&mut self, at: &At<KeyDoc>) -> Option<ManagedKey> {
        let doc = at.get();
        let keyring = self.text(&doc.keyring);
        let owner = self.some_text(doc.owner.as_ref());
        let hint = self.some_text(doc.hint.as_ref());
        let window = self.window(doc.start.as_ref(), doc.end.as_ref());
        let key = PublicKey::from_pem(doc.public_key.get())
            .map_err(|why| {
                let why = format!("not a usable public key: {why}");
                self.say(&doc.public_key, why, "give one PEM block PUBLIC KEY, such as keygen's .pub file");
            })
            .ok()?;
        Some(ManagedKey { keyring, owner, hint, window, key, line: Line(at.line()) })
    }

    fn chain(&mut self, at: &At<ChainDoc>) -> Option<TrustChain> {
        let doc = at.get();
        let mut certificates = Vec::new();
        for (label, der) in self.pem(&doc.certificates)? {
            if label != "CERTIFICATE" {
                let why = format!("a PEM block {} among certificates", label.escape_debug());
                self.say(&doc.certificates, why, "leave CERTIFICATE blocks alone in it");
                return None;
            }
            certificates.push(der);
        }
        if certificates.len() > CHAIN_CERTIFICATES {
            let why = format!("more than {CHAIN_CERTIFICATES} certificates (CHAIN_CERTIFICATES)");
            self.say(&doc.certificates, why, "one entry is one chain; make several entries of it");
            return None;
        }
        Some(TrustChain {
            uri: self.text(&doc.uri),
            owner: self.some_text(doc.owner.as_ref()),
            organization: self.some_text(doc.organization.as_ref()),
            common_name: self.some_text(doc.common_name.as_ref()),
            window: self.window(Some(&doc.start), doc.end.as_ref()),
            certificates,
            line: Line(at.line()),
        })
    }

    fn log(&mut self, at: &At<LogDoc>) -> Option<TrustLog> {
        let doc = at.get();
        let blocks = self.pem(&doc.public_key)?;
        let [(label, key)] = blocks.as_slice() else {
            self.say(&doc.public_key, "more than one PEM block", "one entry is one key");
            return None;
        };
        let Some(usual) = usual_details(label, key) else {
            let why = format!("a PEM block {} that is no key of a log", label.escape_debug());
            self.say(&doc.public_key, why, "give one PEM block PUBLIC KEY");
            return None;
        };
        let log_id = match &doc.log_id {
            Some(at) => self.bytes(Some(at))?,
            None => Sha256::digest(key).to_vec(),
        };
        Some(TrustLog {
            uri: self.text(&doc.uri),
            owner: self.some_text(doc.owner.as_ref()),
            log_id,
            checkpoint_key_id: self.bytes(doc.checkpoint_key_id.as_ref()),
            key_details: self.some_text(doc.key_details.as_ref()).unwrap_or(usual),
            window: self.window(Some(&doc.start), doc.end.as_ref()),
            key: key.clone(),
            line: Line(at.line()),
        })
    }

    fn pem(&mut self, at: &At<String>) -> Option<Vec<(String, Vec<u8>)>> {
        match pem_blocks(at.get()) {
            Ok(blocks) => Some(blocks),
            Err(why) => {
                self.say(at, why, "give PEM, with its BEGIN and END lines");
                None
            }
        }
    }

    fn services(&mut self, doc: &ServicesDoc) -> TrustServices {
        TrustServices {
            certificate_authorities: self.entries(
                "certificateAuthorities",
                &doc.certificate_authorities,
                Self::service,
            ),
            oidc_issuers: self.entries("oidcIssuers", &doc.oidc_issuers, Self::service),
            transparency_logs: self.entries("transparencyLogs", &doc.transparency_logs, Self::service),
            logs_wanted: self.wanted(doc.logs_wanted.as_ref()),
            timestamp_authorities: self.entries(
                "timestampAuthorities",
                &doc.timestamp_authorities,
                Self::service,
            ),
            timestamps_wanted: self.wanted(doc.timestamps_wanted.as_ref()),
        }
    }

    fn service(&mut self, at: &At<ServiceDoc>) -> Option<TrustService> {
        let doc = at.get();
        let url = self.text(&doc.url);
        if !url.starts_with("https://") && !url.starts_with("http://") {
            self.say(&doc.url, "not an http or https URL", "write https://…");
        }
        Some(TrustService {
            url,
            version: *doc.version.get(),
            owner: self.some_text(doc.owner.as_ref()),
            window: self.window(Some(&doc.start), doc.end.as_ref()),
        })
    }

    fn wanted(&mut self, at: Option<&At<String>>) -> Wanted {
        let Some(at) = at else { return Wanted::Any };
        match (at.get().as_str(), at.get().parse()) {
            ("any", _) => Wanted::Any,
            ("all", _) => Wanted::All,
            (_, Ok(n)) if n > 0 => Wanted::Exact(n),
            _ => {
                self.say(at, "neither any, nor all, nor a number", "write any, all, or a number in quotes");
                Wanted::Any
            }
        }
    }
}

/// Sigstore's name of the algorithm that a key of a log has by itself; none where it is no such key.
pub fn usual_details(label: &str, key: &[u8]) -> Option<String> {
    if label == "RSA PUBLIC KEY" {
        return Some("PKCS1_RSA_PKCS1V5".into());
    }
    if label != "PUBLIC KEY" {
        return None;
    }
    let name = match PublicKey::from_spki(key).ok()?.algorithm() {
        "P-256" => "PKIX_ECDSA_P256_SHA_256".to_owned(),
        "P-384" => "PKIX_ECDSA_P384_SHA_384".to_owned(),
        "P-521" => "PKIX_ECDSA_P521_SHA_512".to_owned(),
        "Ed25519" => "PKIX_ED25519".to_owned(),
        rsa => format!("PKIX_RSA_PKCS1V15_{}_SHA256", rsa.strip_prefix("RSA-")?),
    };
    Some(name)
}

/// The PEM blocks of `text`, label and DER, in order. Text between blocks is passed over (RFC 7468, section 2).
///
/// # Errors
/// In words: none, one without an end, or one that does not decode.
pub fn pem_blocks(text: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("-----BEGIN ") {
        let block = rest.get(at..).unwrap_or_default();
        let end = block.find("-----END ").ok_or("a PEM block without an end")?;
        let tail = block.get(end + 9..).unwrap_or_default();
        let close = tail.find("-----").ok_or("a PEM block without an end")?;
        let length = end + 9 + close + 5;
        let (label, document) = der::Document::from_pem(block.get(..length).unwrap_or_default())
            .map_err(|_| "a PEM block that does not decode".to_owned())?;
        blocks.push((label.to_owned(), document.as_bytes().to_vec()));
        rest = block.get(length..).unwrap_or_default();
    }
    if blocks.is_empty() { Err("no PEM block in it".into()) } else { Ok(blocks) }
}
