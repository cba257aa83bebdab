//! A Sigstore that can lie: a certificate authority, certificate and transparency logs, timestamp authorities, all
//! made of keys from seeds, each able to say what no honest one would. The same bytes every time.

pub mod der;

use crate::lab::{Key, bundle as key_bundle, pae, statement};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::{bits, int, octets, oid, seq, set, tagged, time, tlv, utc, utf8};
use jiff::Timestamp;
use seaworthy_oci::Digest;
use seaworthy_verifier::Trust;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// When everything is signed, if nothing else is said.
pub const SIGNED_AT: &str = "2026-05-01T12:00:00Z";
pub const ISSUER: &str = "https://token.actions.githubusercontent.com";
pub const WORKFLOW: &str = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";
const START: &str = "2026-01-01T00:00:00Z";
pub const END: &str = "2030-01-01T00:00:00Z";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const RSA: &str = "1.2.840.113549.1.1.1";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
const FULCIO: &str = "1.3.6.1.4.1.57264.1";

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = b64(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn seconds(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

fn algorithm(id: &str) -> Vec<u8> {
    seq(&[oid(id)])
}

fn name(common: &str) -> Vec<u8> {
    seq(&[set(&[seq(&[oid("2.5.4.3"), utf8(common)])])])
}

fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(id)];
    if critical {
        parts.push(tlv(0x01, &[0xff]));
    }
    parts.push(octets(value));
    seq(&parts)
}

/// A certificate and what signs with it.
#[derive(Clone)]
pub struct Certified {
    pub der: Vec<u8>,
    pub key: Key,
    subject: String,
    serial: u64,
}

/// What an X.509 certificate is to say.
struct Draft<'a> {
    serial: u64,
    subject: &'a str,
    spki: Vec<u8>,
    from: &'a str,
    until: &'a str,
    extensions: Vec<Vec<u8>>,
}

fn issue(draft: &Draft<'_>, issuer: &str, issuer_key: &Key) -> Vec<u8> {
    let tbs = to_be_signed(draft, issuer);
    let signature = issuer_key.sign(&tbs);
    seq(&[tbs, algorithm(ECDSA_SHA256), bits(&signature)])
}

fn to_be_signed(draft: &Draft<'_>, issuer: &str) -> Vec<u8> {
    seq(&[
        tagged(0, &int(2)),
        int(draft.serial),
        algorithm(ECDSA_SHA256),
        name(issuer),
        seq(&[utc(draft.from), utc(draft.until)]),
        name(draft.subject),
        draft.spki.clone(),
        tagged(3, &seq(&draft.extensions)),
    ])
}

/// Fulcio's intermediates say for what those below them may be used.
fn authority_extensions() -> Vec<Vec<u8>> {
    vec![
        extension("2.5.29.37", false, &seq(&[oid(CODE_SIGNING)])),
        extension("2.5.29.19", true, &seq(&[tlv(0x01, &[0xff])])),
        extension("2.5.29.15", true, &tlv(0x03, &[1, 0x06])),
    ]
}

fn root(subject: &str, seed: u8, from: &str, until: &str) -> Certified {
    let key = Key::new(seed);
    let draft =
        Draft { serial: 1, subject, spki: key.spki(), from, until, extensions: authority_extensions() };
    Certified { der: issue(&draft, subject, &key), key: Key::new(seed), subject: subject.into(), serial: 1 }
}

fn below(
    parent: &Certified,
    subject: &str,
    seed: u8,
    serial: u64,
    from: &str,
    until: &str,
    extensions: Vec<Vec<u8>>,
) -> Certified {
    let key = Key::new(seed);
    let draft = Draft { serial, subject, spki: key.spki(), from, until, extensions };
    let der = issue(&draft, &parent.subject, &parent.key);
    Certified { der, key, subject: subject.into(), serial }
}

/// What the certificate of a signer says.
#[derive(Clone)]
pub struct Leaf {
    /// The subject alternative name, a DER GeneralName.
    pub san: Vec<u8>,
    pub issuer: Option<String>,
    /// Number below Fulcio's arc, and the extension's value.
    pub claims: Vec<(u32, Vec<u8>)>,
    pub from: String,
    pub until: String,
    pub usage: &'static str,
    /// Whether its issue was logged.
    pub logged: bool,
    /// Extensions of that proof (RFC 6962, section 3.2).
    pub proof_extensions: Vec<u8>,
}

pub fn uri(text: &str) -> Vec<u8> {
    tlv(0x86, text.as_bytes())
}

pub fn mail(text: &str) -> Vec<u8> {
    tlv(0x81, text.as_bytes())
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            san: uri(WORKFLOW),
            issuer: Some(ISSUER.into()),
            claims: vec![
                (2, b"push".to_vec()),
                (5, b"acme/app".to_vec()),
                (6, b"refs/heads/main".to_vec()),
                (12, utf8("https://github.com/acme/app")),
                (14, utf8("refs/heads/main")),
                (18, utf8(WORKFLOW)),
                (20, utf8("push")),
            ],
            from: "2026-05-01T11:55:00Z".into(),
            until: "2026-05-01T12:05:00Z".into(),
            usage: CODE_SIGNING,
            logged: true,
            proof_extensions: Vec::new(),
        }
    }
}

/// A transparency log.
#[derive(Clone)]
pub struct Log {
    pub key: Key,
    pub url: String,
    pub from: String,
    pub until: Option<String>,
}

/// A timestamp authority.
#[derive(Clone)]
pub struct Stamper {
    pub signer: Certified,
    pub root: Certified,
    pub url: String,
    pub from: String,
    pub until: Option<String>,
    /// Whether tokens carry the certificate.
    pub embeds: bool,
    /// What signs instead of the signer's own key.
    pub rsa: Option<Rsa>,
    /// The object identifier of the hash of the imprint.
    pub imprint: &'static str,
}

/// An RSA key, made anew: no two runs have the same.
#[derive(Clone)]
pub struct Rsa(Arc<RsaKeyPair>);

impl Rsa {
    pub fn new() -> Self {
        Self(Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    fn spki(&self) -> Vec<u8> {
        let null = tlv(0x05, &[]);
        seq(&[seq(&[oid(RSA), null]), bits(self.0.public_key().as_ref())])
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

impl Stamper {
    pub fn new(seed: u8, url: &str) -> Self {
        Self::with_usage(seed, url, TIME_STAMPING)
    }

    /// One whose certificate is for something else.
    pub fn with_usage(seed: u8, url: &str, usage: &str) -> Self {
        Self::lasting(seed, url, usage, END)
    }

    /// One whose own certificate ends earlier than the root's word.
    pub fn short(seed: u8, url: &str, until: &str) -> Self {
        Self::lasting(seed, url, TIME_STAMPING, until)
    }

    fn lasting(seed: u8, url: &str, usage: &str, until: &str) -> Self {
        let root = root(&format!("tsa root {seed}"), seed, START, END);
        let extensions = vec![
            extension("2.5.29.15", true, &tlv(0x03, &[7, 0x80])),
            extension("2.5.29.37", true, &seq(&[oid(usage)])),
        ];
        let signer = below(&root, &format!("tsa {seed}"), seed + 1, 7, START, until, extensions);
        let (from, url) = (START.into(), url.into());
        Self { signer, root, url, from, until: None, embeds: false, rsa: None, imprint: SHA256 }
    }

    /// One that signs with RSA, as most of those in the world do.
    pub fn rsa(seed: u8, url: &str, usage: &str, until: &str) -> Self {
        let mut made = Self::lasting(seed, url, usage, until);
        let key = Rsa::new();
        let extensions = vec![
            extension("2.5.29.15", true, &tlv(0x03, &[7, 0x80])),
            extension("2.5.29.37", true, &seq(&[oid(usage)])),
        ];
        let subject = &made.signer.subject.clone();
        let draft = Draft { serial: 7, subject, spki: key.spki(), from: START, until, extensions };
        made.signer.der = issue(&draft, &made.root.subject, &made.root.key);
        made.rsa = Some(key);
        made
    }

    /// RFC 3161, section 2.4.2, over `signature`, at `at`.
    pub fn stamp(&self, signature: &[u8], at: &str) -> Vec<u8> {
        let info = seq(&[
            int(1),
            oid("1.3.6.1.4.1.57264.2"),
            seq(&[algorithm(self.imprint), octets(&sha256(signature))]),
            int(42),
            time(at),
        ]);
        let content = "1.2.840.113549.1.9.16.1.4";
        let attributes = [
            seq(&[oid("1.2.840.113549.1.9.3"), set(&[oid(content)])]),
            seq(&[oid("1.2.840.113549.1.9.4"), set(&[octets(&sha256(&info))])]),
        ];
        let attributes_signed = set(&attributes);
        let (how, signed) = match &self.rsa {
            Some(key) => (RSA, key.sign(&attributes_signed)),
            None => (ECDSA_SHA256, self.signer.key.sign(&attributes_signed)),
        };
        let signer = seq(&[
            int(1),
            seq(&[name(&self.root.subject), int(self.signer.serial)]),
            algorithm(SHA256),
            tagged(0, &attributes.concat()),
            algorithm(how),
            octets(&signed),
        ]);
        let data = seq(&[
            int(3),
            set(&[algorithm(SHA256)]),
            seq(&[oid(content), tagged(0, &octets(&info))]),
            if self.embeds { tagged(0, &self.signer.der) } else { Vec::new() },
            set(&[signer]),
        ]);
        let token = seq(&[oid("1.2.840.113549.1.7.2"), tagged(0, &data)]);
        seq(&[seq(&[int(0)]), token])
    }
}

/// Whose key a log entry names.
pub enum By<'a> {
    Certificate(&'a [u8]),
    Key(&'a Key),
    /// A key of another kind.
    Spki(&'a [u8]),
}

impl By<'_> {
    fn pem(&self) -> String {
        match self {
            Self::Certificate(der) => pem("CERTIFICATE", der),
            Self::Key(key) => key.pem(),
            Self::Spki(der) => pem("PUBLIC KEY", der),
        }
    }
}

impl Log {
    pub fn new(seed: u8, url: &str) -> Self {
        Self { key: Key::new(seed), url: url.into(), from: START.into(), until: None }
    }

    pub fn id(&self) -> Vec<u8> {
        sha256(&self.key.spki())
    }

    /// Rekor v1's body of a signature over something with that SHA-256.
    pub fn hashed_body(digest: &[u8], signature: &[u8], by: &By<'_>) -> Value {
        json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": hex::encode(digest) } },
            "signature": { "content": b64(signature), "publicKey": { "content": b64(by.pem()) } },
        }})
    }

    /// Rekor v1's body of an envelope.
    pub fn envelope_body(payload: &[u8], signature: &[u8], by: &By<'_>) -> Value {
        json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": { "algorithm": "sha256", "value": hex::encode(sha256(b"envelope")) },
            "payloadHash": { "algorithm": "sha256", "value": hex::encode(sha256(payload)) },
            "signatures": [{ "signature": b64(signature), "verifier": b64(by.pem()) }],
        }})
    }

    /// Rekor v1's body of an envelope, in the older kind that logs a second base64 around the signature.
    pub fn intoto_body(payload: &[u8], signature: &[u8], by: &By<'_>) -> Value {
        json!({ "apiVersion": "0.0.2", "kind": "intoto", "spec": { "content": {
            "envelope": {
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{ "publicKey": b64(by.pem()), "sig": b64(b64(signature)) }],
            },
            "hash": { "algorithm": "sha256", "value": hex::encode(sha256(b"envelope")) },
            "payloadHash": { "algorithm": "sha256", "value": hex::encode(sha256(payload)) },
        }}})
    }

    /// Rekor v2's body.
    pub fn v2_body(digest: &[u8], signature: &[u8], by: &By<'_>) -> Value {
        let verifier = match by {
            By::Certificate(der) => json!({ "x509Certificate": { "rawBytes": b64(der) } }),
            By::Key(key) => json!({ "publicKey": { "rawBytes": b64(key.spki()) } }),
            By::Spki(der) => json!({ "publicKey": { "rawBytes": b64(der) } }),
        };
        let mut verifier = verifier;
        verifier["keyDetails"] = "PKIX_ECDSA_P256_SHA_256".into();
        json!({ "apiVersion": "0.0.2", "kind": "hashedrekord", "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": b64(digest) },
            "signature": { "content": b64(signature), "verifier": verifier },
        }}})
    }

    /// The entry for `body`: promise and proof for version 1, a proof alone for version 2.
    pub fn entry(&self, body: &Value, at: &str) -> Value {
        let text = body.to_string();
        let v2 = body["apiVersion"] == "0.0.2" && body["kind"] == "hashedrekord";
        // The second of two, so that neither index nor path is what a missing field would say.
        let leaf = sha256(&[b"\0", text.as_bytes()].concat());
        let first = sha256(b"\0somebody else's");
        let root = sha256(&[b"\x01", first.as_slice(), leaf.as_slice()].concat());
        let mut entry = json!({
            "logIndex": "1",
            "logId": { "keyId": b64(self.id()) },
            "kindVersion": { "kind": body["kind"], "version": body["apiVersion"] },
            "canonicalizedBody": b64(&text),
            "inclusionProof": {
                "logIndex": "1", "rootHash": b64(&root), "treeSize": "2", "hashes": [b64(&first)],
                "checkpoint": { "envelope": self.checkpoint(2, &root) },
            },
        });
        if !v2 {
            entry["integratedTime"] = seconds(at).to_string().into();
            entry["inclusionPromise"] = json!({ "signedEntryTimestamp": b64(self.promise(&text, at)) });
        }
        entry
    }

    /// A signed note (C2SP, tlog-checkpoint).
    pub fn checkpoint(&self, size: u64, root: &[u8]) -> String {
        let origin = self.url.trim_start_matches("https://");
        let text = format!("{origin}\n{size}\n{}\n", b64(root));
        format!("{text}\n{}", self.note_line(&text))
    }

    /// The line of a note in which this log signs `text`.
    pub fn note_line(&self, text: &str) -> String {
        let origin = self.url.trim_start_matches("https://");
        let line = [&self.id()[..4], &self.key.sign(text.as_bytes())].concat();
        format!("\u{2014} {origin} {}\n", b64(line))
    }

    pub fn promise(&self, body: &str, at: &str) -> Vec<u8> {
        let signed = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":1}}"#,
            b64(body),
            seconds(at),
            hex::encode(self.id())
        );
        self.key.sign(signed.as_bytes())
    }
}

/// All of it.
#[derive(Clone)]
pub struct Forge {
    pub root: Certified,
    pub intermediate: Certified,
    pub certificate_log: Key,
    pub has_certificate_log: bool,
    pub logs: Vec<Log>,
    pub stampers: Vec<Stamper>,
    /// When the certificate authority is trusted.
    pub trusted: (String, Option<String>),
}

impl Forge {
    pub fn new() -> Self {
        let root = root("root", 100, START, END);
        let intermediate = below(&root, "intermediate", 101, 2, START, END, authority_extensions());
        Self {
            root,
            intermediate,
            certificate_log: Key::new(102),
            has_certificate_log: true,
            logs: vec![Log::new(110, "https://log-a.example"), Log::new(111, "https://log-b.example")],
            stampers: vec![
                Stamper::new(120, "https://tsa-a.example"),
                Stamper::new(130, "https://tsa-b.example"),
            ],
            trusted: (START.into(), None),
        }
    }

    /// The same with an intermediate of another time.
    pub fn with_intermediate(mut self, from: &str, until: &str) -> Self {
        self.intermediate = below(&self.root, "intermediate", 101, 2, from, until, authority_extensions());
        self
    }

    pub fn trusted_root(&self) -> Value {
        let window = |from: &str, until: &Option<String>| match until {
            Some(until) => json!({ "start": from, "end": until }),
            None => json!({ "start": from }),
        };
        let log = |key: &Key, url: &str, from: &str, until: &Option<String>| {
            json!({
                "baseUrl": url, "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(key.spki()), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": window(from, until),
                },
                "logId": { "keyId": b64(sha256(&key.spki())) },
            })
        };
        let chain = |certificates: &[&Certified]| {
            let list: Vec<Value> = certificates.iter().map(|c| json!({ "rawBytes": b64(&c.der) })).collect();
            json!({ "certificates": list })
        };
        let mut root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": self.logs.iter().map(|l| log(&l.key, &l.url, &l.from, &l.until)).collect::<Vec<_>>(),
            "certificateAuthorities": [{
                "subject": { "organization": "forge", "commonName": "root" },
                "uri": "https://ca.example",
                "certChain": chain(&[&self.intermediate, &self.root]),
                "validFor": window(&self.trusted.0, &self.trusted.1),
            }],
            "ctlogs": [],
            "timestampAuthorities": self.stampers.iter().map(|t| json!({
                "subject": { "organization": "forge", "commonName": "tsa" },
                "uri": t.url,
                "certChain": chain(&[&t.signer, &t.root]),
                "validFor": window(&t.from, &t.until),
            })).collect::<Vec<_>>(),
        });
        if self.has_certificate_log {
            root["ctlogs"] = json!([log(&self.certificate_log, "https://ct.example", START, &None)]);
        }
        root
    }

    /// Another authority whose certificates have the names of this one's, for a trusted root.
    pub fn decoy(&self) -> Value {
        let root = root(&self.root.subject, 170, START, END);
        let below = below(&root, &self.intermediate.subject, 171, 2, START, END, authority_extensions());
        json!({
            "subject": { "organization": "decoy", "commonName": "root" },
            "uri": "https://decoy.example",
            "certChain": { "certificates": [{ "rawBytes": b64(&below.der) }, { "rawBytes": b64(&root.der) }] },
            "validFor": { "start": START },
        })
    }

    pub fn trust(&self) -> Trust {
        Trust::from_json(&self.trusted_root().to_string(), "forge").unwrap_or_else(|e| panic!("{e}"))
    }

    /// A signer's certificate (fulcio, docs/certificate-specification.md), by the intermediate.
    pub fn certify(&self, leaf: &Leaf) -> Certified {
        self.certify_by(&self.intermediate, leaf)
    }

    pub fn certify_by(&self, parent: &Certified, leaf: &Leaf) -> Certified {
        let key = Key::new(150);
        let mut extensions = vec![
            extension("2.5.29.15", true, &tlv(0x03, &[7, 0x80])),
            extension("2.5.29.37", false, &seq(&[oid(leaf.usage)])),
            extension("2.5.29.17", true, &seq(std::slice::from_ref(&leaf.san))),
        ];
        if let Some(issuer) = &leaf.issuer {
            extensions.push(extension(&format!("{FULCIO}.1"), false, issuer.as_bytes()));
            extensions.push(extension(&format!("{FULCIO}.8"), false, &utf8(issuer)));
        }
        for (number, value) in &leaf.claims {
            extensions.push(extension(&format!("{FULCIO}.{number}"), false, value));
        }
        let mut draft = Draft {
            serial: 99,
            subject: "",
            spki: key.spki(),
            from: &leaf.from,
            until: &leaf.until,
            extensions,
        };
        if leaf.logged {
            let tbs = to_be_signed(&draft, &parent.subject);
            let proof = self.certificate_proof(&tbs, parent, leaf);
            draft.extensions.push(extension("1.3.6.1.4.1.11129.2.4.2", false, &octets(&proof)));
        }
        let der = issue(&draft, &parent.subject, &parent.key);
        Certified { der, key, subject: String::new(), serial: 99 }
    }

    /// RFC 6962, section 3.2 and 3.3: a list of one.
    fn certificate_proof(&self, tbs: &[u8], parent: &Certified, leaf: &Leaf) -> Vec<u8> {
        let short = |n: usize| (n as u16).to_be_bytes().to_vec();
        let when = (seconds(&leaf.from) as u64 * 1_000).to_be_bytes().to_vec();
        let extensions = [short(leaf.proof_extensions.len()), leaf.proof_extensions.clone()].concat();
        let length = (tbs.len() as u32).to_be_bytes()[1..].to_vec();
        let issuer = sha256(&parent.key.spki());
        let entry = [vec![0, 1], issuer, length, tbs.to_vec()].concat();
        let signed = [vec![0, 0], when.clone(), entry, extensions.clone()].concat();
        let signature = self.certificate_log.sign(&signed);
        let id = sha256(&self.certificate_log.spki());
        let signed = [vec![4, 3], short(signature.len()), signature].concat();
        let one = [vec![0], id, when, extensions, signed].concat();
        [short(one.len() + 2), short(one.len()), one].concat()
    }
}

/// How a bundle is put together.
pub struct Order<'a> {
    pub forge: &'a Forge,
    pub leaf: Leaf,
    /// Which logs, by position.
    pub logs: Vec<usize>,
    pub stampers: Vec<usize>,
    pub at: String,
    pub log_form: Form,
}

/// How a signature is logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// hashedrekord 0.0.1.
    Hashed,
    /// dsse 0.0.1.
    Envelope,
    /// intoto 0.0.2.
    Intoto,
    /// hashedrekord 0.0.2.
    V2,
}

impl<'a> Order<'a> {
    pub fn new(forge: &'a Forge) -> Self {
        Self {
            forge,
            leaf: Leaf::default(),
            logs: vec![0],
            stampers: vec![0],
            at: SIGNED_AT.into(),
            log_form: Form::Hashed,
        }
    }

    fn finish(&self, bundle: &mut Value, body: &Value, signature: &[u8]) {
        let material = &mut bundle["verificationMaterial"];
        material["tlogEntries"] =
            self.logs.iter().map(|log| self.forge.logs[*log].entry(body, &self.at)).collect();
        let stamps: Vec<Value> = self
            .stampers
            .iter()
            .map(
                |tsa| json!({ "signedTimestamp": b64(self.forge.stampers[*tsa].stamp(signature, &self.at)) }),
            )
            .collect();
        if !stamps.is_empty() {
            material["timestampVerificationData"] = json!({ "rfc3161Timestamps": stamps });
        }
    }

    fn body(&self, payload: &[u8], signed: &[u8], signature: &[u8], by: &By<'_>) -> Value {
        match self.log_form {
            Form::Hashed => Log::hashed_body(&sha256(signed), signature, by),
            Form::Envelope => Log::envelope_body(payload, signature, by),
            Form::Intoto => Log::intoto_body(payload, signature, by),
            Form::V2 => Log::v2_body(&sha256(signed), signature, by),
        }
    }

    /// A keyless signature over `file`.
    pub fn message(&self, file: &[u8]) -> Value {
        let signer = self.forge.certify(&self.leaf);
        let signature = signer.key.sign(file);
        let body = self.body(file, file, &signature, &By::Certificate(&signer.der));
        let mut bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "certificate": { "rawBytes": b64(&signer.der) } },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": b64(sha256(file)) },
                "signature": b64(&signature),
            },
        });
        self.finish(&mut bundle, &body, &signature);
        bundle
    }

    /// A keyless envelope around `payload`.
    pub fn envelope(&self, payload: &[u8]) -> Value {
        let signer = self.forge.certify(&self.leaf);
        let signature = signer.key.sign(&pae(payload));
        let body = self.body(payload, &pae(payload), &signature, &By::Certificate(&signer.der));
        let mut bundle = key_bundle(payload, &signature, "");
        bundle["verificationMaterial"] = json!({ "certificate": { "rawBytes": b64(&signer.der) } });
        self.finish(&mut bundle, &body, &signature);
        bundle
    }

    /// A keyless statement about `digest`.
    pub fn statement(&self, digest: &Digest, predicate_type: &str) -> Value {
        self.envelope(&statement(digest, predicate_type, json!({})))
    }

    /// A signature over `file` by a key.
    pub fn by_key(&self, key: &Key, file: &[u8]) -> Value {
        let signature = key.sign(file);
        let body = self.body(file, file, &signature, &By::Key(key));
        let mut bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": key.hint() } },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": b64(sha256(file)) },
                "signature": b64(&signature),
            },
        });
        self.finish(&mut bundle, &body, &signature);
        bundle
    }
}
