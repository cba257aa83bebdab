//! Signers that lie, places that fail, and registries full of somebody else's content.

// Helpers outside of test functions may unwrap like these.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use async_trait::async_trait;
use common::{NEW_YEAR, REPOSITORY, everything, image, signer};
use seaworthy_oci::layout::Layout;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::source::{BlobReader, TagEdit};
use seaworthy_oci::{
    BlobContent, Class, Descriptor, Digest, Error as OciError, ErrorKind as OciKind, Location, Pinned,
    Pushed, RawManifest, Referrers, Selector, Sink, Source,
};
use seaworthy_sign::{
    Algorithm, Attested, Change, Error, ErrorKind, Formats, Material, Older, Payload, Predicate,
    PredicateType, PublicKey, SignatureRequest, Signed, Signer, attach, bundle,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

static NO_ANNOTATIONS: BTreeMap<String, String> = BTreeMap::new();

fn request(subject: &Pinned, formats: Formats) -> SignatureRequest<'_> {
    SignatureRequest {
        subject,
        annotations: &NO_ANNOTATIONS,
        formats,
        created: Some(NEW_YEAR),
        docker_reference: Some(REPOSITORY),
    }
}

/// A signer that counts, and signs something else than asked if told to.
struct Counting {
    inner: seaworthy_sign::KeySigner,
    calls: AtomicU32,
    lies: Lies,
}

#[derive(PartialEq)]
enum Lies {
    No,
    Yes,
}

impl Counting {
    fn new(lies: Lies) -> Self {
        Self { inner: signer("demo"), calls: AtomicU32::new(0), lies }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Signer for Counting {
    fn algorithm(&self) -> Algorithm {
        self.inner.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        self.inner.public_key()
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed, Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.lies {
            Lies::No => self.inner.sign_payload(payload).await,
            Lies::Yes => Ok(Signed {
                signature: self.inner.sign_payload(&Payload::Blob(b"else")).await?.signature,
                material: Material::PublicKey { hint: self.public_key().hint() },
            }),
        }
    }
}

/// What a [`Faulty`] place does wrong.
#[derive(Clone)]
enum Fault {
    Referrers(OciKind),
    Manifests(OciKind),
    Blobs(OciKind),
    /// Somebody else changes the tag before each of the first edits.
    Races(u32),
}

/// A layout that fails in one way.
struct Faulty<'a> {
    inner: &'a Layout,
    fault: Fault,
    edits: AtomicU32,
}

impl<'a> Faulty<'a> {
    fn new(inner: &'a Layout, fault: Fault) -> Self {
        Self { inner, fault, edits: AtomicU32::new(0) }
    }
}

fn fail<T>(kind: &OciKind) -> seaworthy_oci::Result<T> {
    Err(OciError::new("ask", "registry.example/app", kind.clone()))
}

#[async_trait]
impl Source for Faulty<'_> {
    fn location(&self) -> &Location {
        self.inner.location()
    }

    async fn manifest(&self, selector: Selector<'_>) -> seaworthy_oci::Result<Option<RawManifest>> {
        match &self.fault {
            Fault::Manifests(kind) => fail(kind),
            _ => self.inner.manifest(selector).await,
        }
    }

    async fn blob(&self, descriptor: &Descriptor) -> seaworthy_oci::Result<BlobReader> {
        match &self.fault {
            Fault::Blobs(kind) => fail(kind),
            _ => self.inner.blob(descriptor).await,
        }
    }

    async fn referrers(&self, subject: &Digest) -> seaworthy_oci::Result<Referrers> {
        match &self.fault {
            Fault::Referrers(kind) => fail(kind),
            _ => self.inner.referrers(subject).await,
        }
    }
}

#[async_trait]
impl Sink for Faulty<'_> {
    async fn push_blob(&self, d: &Descriptor, content: &dyn BlobContent) -> seaworthy_oci::Result<Pushed> {
        self.inner.push_blob(d, content).await
    }

    async fn push_manifest(&self, m: &RawManifest, tag: Option<&str>) -> seaworthy_oci::Result<()> {
        self.inner.push_manifest(m, tag).await
    }

    async fn attach(&self, manifest: &RawManifest) -> seaworthy_oci::Result<()> {
        self.inner.attach(manifest).await
    }

    async fn edit_tag(&self, tag: &str, edit: TagEdit<'_>) -> seaworthy_oci::Result<()> {
        let nth = self.edits.fetch_add(1, Ordering::SeqCst);
        if let Fault::Races(count) = self.fault
            && nth < count
        {
            foreign_layer(self.inner, tag, &format!("other writer {nth}")).await;
        }
        self.inner.edit_tag(tag, edit).await
    }
}

/// Adds a layer that is not ours to the manifest under `tag`, as another program would.
async fn foreign_layer(layout: &Layout, tag: &str, content: &str) {
    let content = content.as_bytes().to_vec();
    let layer = Descriptor::of("application/vnd.example", &content);
    layout.push_blob(&layer, &content).await.unwrap();
    let current = layout.manifest(Selector::Tag(tag)).await.unwrap();
    let mut layers = match current.map(|raw| raw.parse().unwrap()) {
        Some(seaworthy_oci::Manifest::Image(image)) => image.layers,
        _ => Vec::new(),
    };
    layers.push(layer);
    let config = Descriptor::of(media_type::CONFIG, b"{}");
    layout.push_blob(&config, &b"{}".to_vec()).await.unwrap();
    let json = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": layers,
    });
    let raw = RawManifest::new(json.to_string().into_bytes(), None, "test").unwrap();
    layout.push_manifest(&raw, Some(tag)).await.unwrap();
}

#[tokio::test]
async fn a_signature_that_does_not_verify_is_never_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let before = everything(dir.path());
    let liar = Counting::new(Lies::Yes);
    for formats in [Formats::Bundle, Formats::Legacy] {
        let error = attach::sign_image(&layout, &liar, &request(&subject, formats)).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::SelfCheck(_)), "{error}");
    }
    assert_eq!(liar.calls(), 2);
    assert!(before == everything(dir.path()));
}

#[tokio::test]
async fn a_place_that_does_not_answer_is_never_taken_for_unsigned() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let honest = Counting::new(Lies::No);
    attach::sign_image(&layout, &honest, &request(&subject, Formats::Both)).await.unwrap();
    let signed = honest.calls();
    let before = everything(dir.path());
    for kind in [
        OciKind::Throttled { retry_after: None },
        OciKind::Server { status: 500 },
        OciKind::Forbidden,
        OciKind::Unauthorized,
        OciKind::Unreachable("reset".into()),
        OciKind::DigestMismatch { expected: "a".into(), actual: "b".into() },
    ] {
        for fault in
            [Fault::Referrers(kind.clone()), Fault::Manifests(kind.clone()), Fault::Blobs(kind.clone())]
        {
            let faulty = Faulty::new(&layout, fault);
            let error =
                attach::sign_image(&faulty, &honest, &request(&subject, Formats::Bundle)).await.unwrap_err();
            assert!(matches!(&error.kind, ErrorKind::Images(got) if *got == kind), "{error}");
            assert_eq!(error.class(), OciError::new("", "", kind.clone()).class());
        }
        let faulty = Faulty::new(&layout, Fault::Manifests(kind.clone()));
        let error =
            attach::sign_image(&faulty, &honest, &request(&subject, Formats::Legacy)).await.unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Images(got) if *got == kind), "{error}");
    }
    assert_eq!(honest.calls(), signed, "nothing was signed meanwhile");
    assert!(before == everything(dir.path()));
}

#[tokio::test]
async fn other_writers_of_a_legacy_tag_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let faulty = Faulty::new(&layout, Fault::Races(5));
    let outcomes =
        attach::sign_image(&faulty, &signer("demo"), &request(&subject, Formats::Legacy)).await.unwrap();
    assert_eq!(outcomes[0].change, Change::Added);
    let (_, after) = common::manifest(&layout, Selector::Tag(&subject.digest().tag(".sig"))).await;
    assert_eq!(after.layers.len(), 6, "five of others, one of ours");
    assert!(layout.blob(&after.config).await.is_ok(), "the configuration is there");

    let restless = Faulty::new(&layout, Fault::Races(u32::MAX));
    let error = attach::sign_image(&restless, &signer("other"), &request(&subject, Formats::Legacy))
        .await
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Conflict(_)), "{error}");
}

#[tokio::test]
async fn an_index_under_a_legacy_tag_is_a_conflict_before_signing() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::INDEX);
    let raw = RawManifest::new(index.into_bytes(), None, "test").unwrap();
    layout.push_manifest(&raw, Some(&subject.digest().tag(".sig"))).await.unwrap();
    let honest = Counting::new(Lies::No);
    let error = attach::sign_image(&layout, &honest, &request(&subject, Formats::Legacy)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Conflict(_)), "{error}");
    assert_eq!(error.class(), Class::Broken);
    assert_eq!(honest.calls(), 0);
}

/// Attaches a manifest about `subject` with `content` as its only layer.
async fn junk(layout: &Layout, subject: &Pinned, content: &[u8], predicate_type: &str) {
    let layer = Descriptor::of(bundle::MEDIA_TYPE, content);
    layout.push_blob(&layer, &content.to_vec()).await.unwrap();
    let config = Descriptor::of(media_type::EMPTY, b"{}");
    layout.push_blob(&config, &b"{}".to_vec()).await.unwrap();
    let json = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::MANIFEST,
        "artifactType": bundle::MEDIA_TYPE,
        "config": config,
        "layers": [layer],
        "subject": subject.descriptor().bare(),
        "annotations": {"dev.sigstore.bundle.predicateType": predicate_type},
    });
    let raw = RawManifest::new(json.to_string().into_bytes(), None, "test").unwrap();
    layout.attach(&raw).await.unwrap();
}

#[tokio::test]
async fn junk_beside_an_image_neither_stops_nor_fools_the_signer() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let demo = signer("demo");
    let prepared =
        attach::prepare_signature(&layout, &demo, &request(&subject, Formats::Bundle)).await.unwrap();
    let attach::Prepared::Signed(evidence) = &prepared[0] else { panic!("{prepared:?}") };
    let good = evidence.bundle_json().unwrap();
    let sign = "https://sigstore.dev/cosign/sign/v1";
    // The right size and type, and our statement, but not our signature.
    let at = good.find(r#""sig":""#).unwrap() + 20;
    for n in 0..40u8 {
        let mut forged = good.as_bytes().to_vec();
        forged[at] = if forged[at] == b'A' + n % 26 { b'b' } else { b'A' + n % 26 };
        forged[at + 1] = b'A' + n / 26;
        junk(&layout, &subject, &forged, sign).await;
    }
    junk(&layout, &subject, b"no bundle at all", sign).await;
    junk(&layout, &subject, &vec![b'['; good.len()], sign).await;
    let outcomes = attach::sign_image(&layout, &demo, &request(&subject, Formats::Bundle)).await.unwrap();
    assert_eq!(outcomes[0].change, Change::Added);
    let again = attach::sign_image(&layout, &demo, &request(&subject, Formats::Bundle)).await.unwrap();
    assert_eq!(again[0].change, Change::AlreadyThere);
}

#[tokio::test]
async fn a_signature_under_a_lying_annotation_is_judged_by_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let demo = signer("demo");
    let prepared =
        attach::prepare_signature(&layout, &demo, &request(&subject, Formats::Bundle)).await.unwrap();
    let attach::Prepared::Signed(evidence) = &prepared[0] else { panic!("{prepared:?}") };
    // Our own signature offered as an SBOM attestation: it is not the attestation that is asked for.
    junk(&layout, &subject, evidence.bundle_json().unwrap().as_bytes(), "https://spdx.dev/Document").await;
    let predicate = Predicate::parse(br#"{"spdxVersion":"SPDX-2.3","SPDXID":"x"}"#.to_vec()).unwrap();
    let claim = Attested {
        subject: &subject,
        subject_name: None,
        predicate_type: &PredicateType::Spdx,
        predicate: &predicate,
        formats: Formats::Bundle,
        created: None,
        older: Older::Replace,
    };
    let outcomes = attach::attest_image(&layout, &demo, &claim).await.unwrap();
    assert_eq!(outcomes[0].change, Change::Added);
    assert!(outcomes[0].superseded.is_empty(), "a signature is no older attestation");
}

#[tokio::test]
async fn a_time_that_cannot_be_written_is_refused_before_signing() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let honest = Counting::new(Lies::No);
    let never = SignatureRequest { created: Some(i64::MAX), ..request(&subject, Formats::Both) };
    let error = attach::sign_image(&layout, &honest, &never).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::BadInput(_)), "{error}");
    assert_eq!(honest.calls(), 0);
}

/// Signs well, and never twice alike: the other solution of the same equation (r, n - s) is as valid.
struct Restless(seaworthy_sign::KeySigner);

#[async_trait]
impl Signer for Restless {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed, Error> {
        let mut signed = self.0.sign_payload(payload).await?;
        let (r, s) = p256::ecdsa::Signature::from_der(&signed.signature).unwrap().split_scalars();
        let other = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-s).to_bytes()).unwrap();
        signed.signature = other.to_der().as_bytes().to_vec();
        Ok(signed)
    }
}

#[tokio::test]
async fn a_signer_that_never_signs_twice_alike_leaves_one_claim() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let new = Predicate::parse(br#"{"spdxVersion":"SPDX-2.3","SPDXID":"new"}"#.to_vec()).unwrap();
    let old = Predicate::parse(br#"{"spdxVersion":"SPDX-2.3","SPDXID":"old"}"#.to_vec()).unwrap();
    let claim = |predicate, older| Attested {
        subject: &subject,
        subject_name: None,
        predicate_type: &PredicateType::Spdx,
        predicate,
        formats: Formats::Legacy,
        created: None,
        older,
    };
    for predicate in [&old, &new] {
        attach::attest_image(&layout, &signer("demo"), &claim(predicate, Older::Keep)).await.unwrap();
    }
    let restless = Restless(signer("demo"));
    let again = attach::attest_image(&layout, &restless, &claim(&new, Older::Keep)).await.unwrap();
    assert_eq!(again[0].change, Change::AlreadyThere, "the key counts, not the bytes of the signature");
    let replaced = attach::attest_image(&layout, &restless, &claim(&new, Older::Replace)).await.unwrap();
    assert_eq!(replaced[0].change, Change::Added);
    let (_, att) = common::manifest(&layout, Selector::Tag(&subject.digest().tag(".att"))).await;
    assert_eq!(att.layers.len(), 1);
}
