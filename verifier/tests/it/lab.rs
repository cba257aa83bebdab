//! A place of images in memory, and keys to sign with: hostile inputs are built from good ones.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::source::{BlobReader, Referrers, ReferrersVia, Selector};
use seaworthy_oci::{
    CheckedReader, Descriptor, Digest, Error, ErrorKind, Location, Pinned, RawManifest, Reference,
    Repository, Result, Source,
};
use seaworthy_verifier::{Authority, Context, ImageName, Platforms, Policy, Verdict, Verifier};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
pub const SPDX: &str = "https://spdx.dev/Document";
pub const SLSA: &str = "https://slsa.dev/provenance/v1";

/// Noon of the day on which all tests judge.
pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// A P-256 key made from a number.
#[derive(Clone)]
pub struct Key(p256::ecdsa::SigningKey);

impl Key {
    pub fn new(seed: u8) -> Self {
        Self(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub fn spki(&self) -> Vec<u8> {
        self.0.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec()
    }

    pub fn pem(&self) -> String {
        self.0.verifying_key().to_public_key_pem(LineEnding::LF).unwrap()
    }

    pub fn hint(&self) -> String {
        STANDARD.encode(hex::decode(Digest::sha256(&self.spki()).hex()).unwrap())
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }

    /// A bundle over `payload`, as cosign writes it.
    pub fn bundle(&self, payload: &[u8]) -> Value {
        bundle(payload, &self.sign(&pae(payload)), &self.hint())
    }

    pub fn authority(&self, name: &str) -> Authority {
        let key = seaworthy_verifier::PublicKey::from_pem(&self.pem()).unwrap();
        let key = seaworthy_verifier::TrustedKey { key, not_before: None, not_after: None };
        Authority::keys(name, vec![key], None)
    }
}

pub fn bundle(payload: &[u8], signature: &[u8], hint: &str) -> Value {
    json!({
        "mediaType": BUNDLE,
        "verificationMaterial": { "publicKey": { "hint": hint } },
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    })
}

pub fn pae(payload: &[u8]) -> Vec<u8> {
    let kind = "application/vnd.in-toto+json";
    let mut out = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// A statement about `subject`.
pub fn statement(subject: &Digest, predicate_type: &str, predicate: Value) -> Vec<u8> {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { "sha256": subject.hex() } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
    .to_string()
    .into_bytes()
}

/// An SPDX document with `packages` as (purl, licence).
pub fn spdx(created: &str, packages: &[(&str, &str)]) -> Value {
    let packages: Vec<Value> = packages
        .iter()
        .enumerate()
        .map(|(at, (purl, license))| {
            let rest = purl.rsplit('/').next().unwrap();
            let (name, version) = rest.split_once('@').unwrap_or((rest, ""));
            let mut package = json!({
                "SPDXID": format!("SPDXRef-{at}"), "name": name, "downloadLocation": "NOASSERTION",
                "filesAnalyzed": false, "licenseDeclared": license, "licenseConcluded": "NOASSERTION",
                "supplier": "Organization: Somebody", "copyrightText": "NOASSERTION",
                "externalRefs": [{ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl }],
            });
            if !version.is_empty() {
                package["versionInfo"] = version.into();
            }
            package
        })
        .collect();
    json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "app",
        "documentNamespace": "https://example.com/app",
        "creationInfo": { "created": created, "creators": ["Tool: test-1"] },
        "packages": packages, "relationships": [],
    })
}

/// What a request is answered with instead of the truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    Manifest,
    Tag,
    Blob,
    Referrers,
}

/// A repository in memory.
pub struct Lab {
    location: Location,
    manifests: BTreeMap<Digest, Vec<u8>>,
    tags: BTreeMap<String, Digest>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    listed: Vec<(Digest, Descriptor)>,
    faults: Vec<(Ask, ErrorKind)>,
    pub requests: AtomicUsize,
}

impl Lab {
    pub fn new() -> Self {
        Self {
            location: Location::Registry(Repository::new("registry.example", "team/app").unwrap()),
            manifests: BTreeMap::new(),
            tags: BTreeMap::new(),
            blobs: BTreeMap::new(),
            listed: Vec::new(),
            faults: Vec::new(),
            requests: AtomicUsize::new(0),
        }
    }

    /// Every request of this kind fails.
    pub fn fail(&mut self, ask: Ask, kind: ErrorKind) {
        self.faults.push((ask, kind));
    }

    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.blobs.insert(descriptor.digest.clone(), bytes.to_vec());
        descriptor
    }

    /// Puts other bytes where `digest` says.
    pub fn lie_about(&mut self, digest: &Digest, bytes: &[u8]) {
        if let Some(blob) = self.blobs.get_mut(digest) {
            *blob = bytes.to_vec();
        }
        if let Some(manifest) = self.manifests.get_mut(digest) {
            *manifest = bytes.to_vec();
        }
    }

    pub fn remove(&mut self, digest: &Digest) {
        self.blobs.remove(digest);
        self.manifests.remove(digest);
    }

    pub fn manifest(&mut self, body: &Value) -> Descriptor {
        let bytes = body.to_string().into_bytes();
        let descriptor = Descriptor::of(body["mediaType"].as_str().unwrap(), &bytes);
        self.manifests.insert(descriptor.digest.clone(), bytes);
        descriptor
    }

    pub fn tag(&mut self, tag: String, descriptor: &Descriptor) {
        self.tags.insert(tag, descriptor.digest.clone());
    }

    /// An image whose content is `what`.
    pub fn image(&mut self, what: &str) -> Descriptor {
        let config =
            self.blob(media_type::CONFIG, format!(r#"{{"os":"linux","architecture":"{what}"}}"#).as_bytes());
        let layer = self.blob(media_type::LAYER_TAR, what.as_bytes());
        self.manifest(&json!({ "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [layer] }))
    }

    /// An image with this configuration and these annotations.
    pub fn image_with(&mut self, config: &Value, annotations: &Value) -> Descriptor {
        let config = self.blob(media_type::CONFIG, config.to_string().as_bytes());
        let layer = self.blob(media_type::LAYER_TAR, b"layer");
        self.manifest(&json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [layer],
            "annotations": annotations,
        }))
    }

    /// An index of `children` (platform, descriptor).
    pub fn index(&mut self, children: &[(&str, &Descriptor)]) -> Descriptor {
        let manifests: Vec<Descriptor> = children
            .iter()
            .map(|(platform, d)| Descriptor { platform: platform.parse().ok(), ..(*d).clone() })
            .collect();
        self.manifest(&json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests }))
    }

    /// Attaches `bundle` to `subject` as a referrer.
    pub fn attach(&mut self, subject: &Descriptor, bundle: &Value) -> Digest {
        self.attach_bytes(subject, bundle.to_string().as_bytes(), None)
    }

    pub fn attach_bytes(&mut self, subject: &Descriptor, bytes: &[u8], predicate: Option<&str>) -> Digest {
        let layer = self.blob(BUNDLE, bytes);
        let empty = self.blob(media_type::EMPTY, b"{}");
        let annotations: BTreeMap<&str, &str> =
            predicate.iter().map(|p| ("dev.sigstore.bundle.predicateType", *p)).collect();
        let manifest = self.manifest(&json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": BUNDLE, "config": empty,
            "layers": [layer], "subject": subject.bare(), "annotations": annotations,
        }));
        let entry = Descriptor { artifact_type: Some(BUNDLE.into()), ..manifest };
        self.listed.push((subject.digest.clone(), entry));
        layer.digest
    }

    /// Lists `descriptor` as a referrer of `subject`, whatever it is.
    pub fn list(&mut self, subject: &Digest, descriptor: Descriptor) {
        self.listed.push((subject.clone(), descriptor));
    }

    /// A cosign legacy tag with `layers` as (media type, bytes, annotations).
    pub fn legacy(
        &mut self,
        subject: &Digest,
        suffix: &str,
        layers: &[(&str, Vec<u8>, BTreeMap<String, String>)],
    ) {
        let layers: Vec<Descriptor> = layers
            .iter()
            .map(|(kind, bytes, annotations)| Descriptor {
                annotations: annotations.clone(),
                ..self.blob(kind, bytes)
            })
            .collect();
        let config = self.blob(media_type::CONFIG, b"{}");
        let manifest = self.manifest(&json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": layers,
        }));
        self.tag(subject.tag(suffix), &manifest);
    }

    /// Writes everything as an OCI layout; `image` gets the tag `image`.
    pub fn save(&self, dir: &Path, image: &Descriptor) {
        let blobs = dir.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        for (digest, bytes) in self.blobs.iter().chain(&self.manifests) {
            std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        }
        let entry = |digest: &Digest, tag: Option<&str>| {
            let body: Value = serde_json::from_slice(&self.manifests[digest]).unwrap();
            let mut entry = json!({
                "mediaType": body["mediaType"], "digest": digest, "size": self.manifests[digest].len(),
            });
            if let Some(kind) = body.get("artifactType") {
                entry["artifactType"] = kind.clone();
            }
            if let Some(tag) = tag {
                entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
            }
            entry
        };
        let mut entries = vec![entry(&image.digest, Some("image"))];
        entries.extend(self.tags.iter().map(|(tag, digest)| entry(digest, Some(tag))));
        entries.extend(self.listed.iter().map(|(_, d)| entry(&d.digest, None)));
        let index = json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries });
        std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    }

    /// A signed image with statements (whose key, type, predicate).
    pub fn attested(statements: &[(u8, &str, Value)]) -> (Self, Descriptor) {
        let mut lab = Self::new();
        let image = lab.image("amd64");
        lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SIGN, json!({}))));
        for (key, kind, predicate) in statements {
            lab.attach(&image, &Key::new(*key).bundle(&statement(&image.digest, kind, predicate.clone())));
        }
        (lab, image)
    }

    pub fn pinned(&self, descriptor: &Descriptor) -> Pinned {
        let reference = Reference { location: self.location.clone(), tag: Some("1".into()), digest: None };
        Pinned::new(&reference, descriptor.clone())
    }

    /// Judges `image` by `policy` under the repository's own name.
    pub fn judge(&self, image: &Descriptor, policy: Policy) -> Result<Verdict, seaworthy_verifier::Error> {
        self.judge_with(image, vec![policy], Platforms::All)
    }

    pub fn judge_with(
        &self,
        image: &Descriptor,
        policies: Vec<Policy>,
        platforms: Platforms,
    ) -> Result<Verdict, seaworthy_verifier::Error> {
        self.judge_in(image, policies, Context { now: now(), platforms, namespace: None })
    }

    /// As the webhook judges for `namespace`.
    pub fn judge_at(
        &self,
        image: &Descriptor,
        policies: Vec<Policy>,
        namespace: Option<&str>,
    ) -> Result<Verdict, seaworthy_verifier::Error> {
        let namespace = namespace.map(|n| n.parse().unwrap());
        self.judge_in(image, policies, Context { now: now(), platforms: Platforms::All, namespace })
    }

    fn judge_in(
        &self,
        image: &Descriptor,
        policies: Vec<Policy>,
        context: Context,
    ) -> Result<Verdict, seaworthy_verifier::Error> {
        let verifier = Verifier::new(policies, context).unwrap();
        run(verifier.judge(self, &self.pinned(image), &ImageName::of(&self.location)))
    }

    fn asked(&self, ask: Ask) -> Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        match self.faults.iter().find(|(a, _)| *a == ask) {
            Some((_, kind)) => Err(Error::new("fetch", format!("{ask:?}"), kind.clone())),
            None => Ok(()),
        }
    }
}

pub fn run<F: std::future::Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Reads a policy written in the test; keys are in `keys/<name>.pub`.
pub fn policy(spec: &str, keys: &[(&str, &Key)]) -> Policy {
    try_policy(spec, keys).unwrap_or_else(|e| panic!("{e}"))
}

pub fn try_policy(spec: &str, keys: &[(&str, &Key)]) -> Result<Policy, seaworthy_verifier::PolicyError> {
    try_named("name: test", spec, keys)
}

/// The same with this `metadata`, from its third column on.
pub fn named(metadata: &str, spec: &str, keys: &[(&str, &Key)]) -> Policy {
    try_named(metadata, spec, keys).unwrap_or_else(|e| panic!("{e}"))
}

fn try_named(
    metadata: &str,
    spec: &str,
    keys: &[(&str, &Key)],
) -> Result<Policy, seaworthy_verifier::PolicyError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, key) in keys {
        std::fs::write(dir.path().join(format!("{name}.pub")), key.pem()).unwrap();
    }
    let text = format!(
        "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  {metadata}\nspec:\n{}",
        spec.lines().map(|l| format!("  {l}\n")).collect::<String>()
    );
    Policy::parse(&text, &dir.path().join("policy.yaml") as &Path, now()).map(|mut all| all.remove(0))
}

#[async_trait]
impl Source for Lab {
    fn location(&self) -> &Location {
        &self.location
    }

    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        let digest = match selector {
            Selector::Digest(digest) => {
                self.asked(Ask::Manifest)?;
                Some(digest.clone())
            }
            Selector::Tag(tag) => {
                self.asked(Ask::Tag)?;
                self.tags.get(tag).cloned()
            }
            Selector::Only => None,
        };
        let Some(digest) = digest else { return Ok(None) };
        let Some(bytes) = self.manifests.get(&digest) else { return Ok(None) };
        RawManifest::new(bytes.clone(), None, &digest)?.expect(&digest, &digest).map(Some)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        self.asked(Ask::Blob)?;
        let bytes = self
            .blobs
            .get(&descriptor.digest)
            .cloned()
            .ok_or_else(|| Error::new("fetch blob", &descriptor.digest, ErrorKind::NotFound))?;
        let (digest, size) = (descriptor.digest.clone(), descriptor.size);
        Ok(Box::new(CheckedReader::new(std::io::Cursor::new(bytes), digest, size, "lab")))
    }

    async fn referrers(&self, subject: &Digest) -> Result<Referrers> {
        self.asked(Ask::Referrers)?;
        let descriptors = self.listed.iter().filter(|(s, _)| s == subject).map(|(_, d)| d.clone()).collect();
        Ok(Referrers { descriptors, via: ReferrersVia::Api })
    }
}
