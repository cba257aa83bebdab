//! Evidence beside an image in a layout directory: its exact form, and that a second run adds nothing.

// Helpers outside of test functions may unwrap like these.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{NEW_YEAR, REPOSITORY, blob, everything, image, manifest, signer};
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Descriptor, Pinned, RawManifest, Selector, Sink, Source};
use seaworthy_sign::{
    Attested, Change, ErrorKind, Evidence, Format, Formats, Older, Outcome, Payload, Predicate,
    PredicateType, Prepared, PublicKey, SignatureRequest, Signer, attach, bundle, simple_signing,
};
use std::collections::BTreeMap;

static NO_ANNOTATIONS: BTreeMap<String, String> = BTreeMap::new();
const SPDX: &str = r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT"}"#;

fn request(subject: &Pinned, formats: Formats) -> SignatureRequest<'_> {
    SignatureRequest {
        subject,
        annotations: &NO_ANNOTATIONS,
        formats,
        created: Some(NEW_YEAR),
        docker_reference: Some(REPOSITORY),
    }
}

fn spdx(json: &str) -> Predicate {
    Predicate::parse(json.into()).unwrap()
}

fn claim<'a>(subject: &'a Pinned, predicate: &'a Predicate, formats: Formats) -> Attested<'a> {
    Attested {
        subject,
        subject_name: None,
        predicate_type: &PredicateType::Spdx,
        predicate,
        formats,
        created: Some(NEW_YEAR),
        older: Older::Keep,
    }
}

fn changes(outcomes: &[Outcome]) -> Vec<Change> {
    outcomes.iter().map(|o| o.change).collect()
}

#[tokio::test]
async fn a_signature_in_both_formats_has_the_exact_form() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let demo = signer("demo");
    let outcomes = attach::sign_image(&layout, &demo, &request(&subject, Formats::Both)).await.unwrap();
    assert_eq!(changes(&outcomes), [Change::Added, Change::Added]);
    let (hex, size) = (subject.digest().hex(), subject.descriptor().size);

    let referrers = layout.referrers(subject.digest()).await.unwrap().descriptors;
    assert_eq!(referrers.len(), 1);
    assert_eq!(referrers[0].digest, outcomes[0].manifest.digest);
    assert_eq!(referrers[0].artifact_type.as_deref(), Some(bundle::MEDIA_TYPE));
    let (text, referrer) = manifest(&layout, Selector::Digest(&referrers[0].digest)).await;
    let json = blob(&layout, &referrer.layers[0]).await;
    let bundle_type = bundle::MEDIA_TYPE;
    let expected = [
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
        &format!(r#""artifactType":"{bundle_type}","#),
        r#""config":{"mediaType":"application/vnd.oci.empty.v1+json","#,
        r#""digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"#,
        &format!(r#""artifactType":"{bundle_type}"}},"#),
        &format!(
            r#""layers":[{{"mediaType":"{bundle_type}","digest":"{}","size":{}}}],"#,
            referrer.layers[0].digest,
            json.len()
        ),
        r#""subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
        &format!(r#""digest":"sha256:{hex}","size":{size}}},"#),
        r#""annotations":{"dev.sigstore.bundle.content":"dsse-envelope","#,
        r#""dev.sigstore.bundle.predicateType":"https://sigstore.dev/cosign/sign/v1","#,
        r#""org.opencontainers.image.created":"2024-01-01T00:00:00Z"}}"#,
    ]
    .concat();
    assert_eq!(text, expected);
    assert_eq!(blob(&layout, &referrer.config).await, "{}");

    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}},"annotations":{{}}}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{{}}}}"#
    );
    let payload =
        Payload::Dsse { payload_type: "application/vnd.in-toto+json", payload: statement.as_bytes() };
    let signature = demo.sign_payload(&payload).await.unwrap().signature;
    assert_eq!(
        json,
        format!(
            r#"{{"mediaType":"{bundle_type}","verificationMaterial":{{"publicKey":{{"hint":"{}"}}}},"dsseEnvelope":{{"payload":"{}","payloadType":"application/vnd.in-toto+json","signatures":[{{"sig":"{}"}}]}}}}"#,
            demo.public_key().hint(),
            STANDARD.encode(&statement),
            STANDARD.encode(&signature)
        )
    );

    let tag = format!("sha256-{hex}.sig");
    assert_eq!(outcomes[1].tag.as_deref(), Some(tag.as_str()));
    let (text, legacy) = manifest(&layout, Selector::Tag(&tag)).await;
    let payload = blob(&layout, &legacy.layers[0]).await;
    assert_eq!(
        payload,
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"{REPOSITORY}"}},"image":{{"docker-manifest-digest":"sha256:{hex}"}},"type":"cosign container image signature"}},"optional":null}}"#
        )
    );
    let config = blob(&layout, &legacy.config).await;
    assert_eq!(
        config,
        format!(
            r#"{{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{{"created":"0001-01-01T00:00:00Z"}}],"os":"","rootfs":{{"type":"layers","diff_ids":["{}"]}},"config":{{}}}}"#,
            legacy.layers[0].digest
        )
    );
    let signature = demo.sign_payload(&Payload::Blob(payload.as_bytes())).await.unwrap().signature;
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"{}","digest":"{}","size":{},"annotations":{{"dev.cosignproject.cosign/signature":"{}"}}}}]}}"#,
        legacy.config.digest,
        config.len(),
        simple_signing::MEDIA_TYPE,
        legacy.layers[0].digest,
        payload.len(),
        STANDARD.encode(signature)
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn an_attestation_in_both_formats_has_the_exact_form() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let ed = signer("ed25519");
    let predicate = spdx(SPDX);
    let outcomes =
        attach::attest_image(&layout, &ed, &claim(&subject, &predicate, Formats::Both)).await.unwrap();
    let (text, referrer) = manifest(&layout, Selector::Digest(&outcomes[0].manifest.digest)).await;
    assert!(text.contains(r#""dev.sigstore.bundle.predicateType":"https://spdx.dev/Document""#), "{text}");
    let bundle: serde_json::Value = serde_json::from_str(&blob(&layout, &referrer.layers[0]).await).unwrap();
    let tag = subject.digest().tag(".att");
    let (text, legacy) = manifest(&layout, Selector::Tag(&tag)).await;
    let envelope: serde_json::Value = serde_json::from_str(&blob(&layout, &legacy.layers[0]).await).unwrap();
    assert_eq!(bundle["dsseEnvelope"], envelope, "one statement, signed once in effect");
    let statement = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(statement).unwrap(),
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"https://spdx.dev/Document","predicate":{SPDX}}}"#,
            subject.digest().hex()
        )
    );
    let layer = &legacy.layers[0];
    assert!(
        text.contains(&format!(
            r#""layers":[{{"mediaType":"application/vnd.dsse.envelope.v1+json","digest":"{}","size":{},"annotations":{{"dev.cosignproject.cosign/signature":"","predicateType":"https://spdx.dev/Document"}}}}]"#,
            layer.digest, layer.size
        )),
        "{text}"
    );
}

#[tokio::test]
async fn a_second_run_adds_nothing() {
    for name in ["demo", "ed25519"] {
        let dir = tempfile::tempdir().unwrap();
        let (layout, subject) = image(dir.path()).await;
        let signer = signer(name);
        let predicate = spdx(SPDX);
        let first_signed =
            attach::sign_image(&layout, &signer, &request(&subject, Formats::Both)).await.unwrap();
        let first_attested =
            attach::attest_image(&layout, &signer, &claim(&subject, &predicate, Formats::Both))
                .await
                .unwrap();
        let before = everything(dir.path());
        // Later, as a second run is.
        let later = SignatureRequest { created: Some(NEW_YEAR + 5), ..request(&subject, Formats::Both) };
        let signed = attach::sign_image(&layout, &signer, &later).await.unwrap();
        for older in [Older::Keep, Older::Replace] {
            let later =
                Attested { created: Some(NEW_YEAR + 5), older, ..claim(&subject, &predicate, Formats::Both) };
            let attested = attach::attest_image(&layout, &signer, &later).await.unwrap();
            assert_eq!(changes(&attested), [Change::AlreadyThere, Change::AlreadyThere]);
            assert_eq!(attested[0].manifest.digest, first_attested[0].manifest.digest);
            assert_eq!(attested[1].tag, first_attested[1].tag);
        }
        assert_eq!(changes(&signed), [Change::AlreadyThere, Change::AlreadyThere]);
        assert_eq!(signed[0].manifest.digest, first_signed[0].manifest.digest);
        assert_eq!(signed[1].manifest.digest, first_signed[1].manifest.digest);
        assert!(before == everything(dir.path()), "{name}: not a byte changed");
    }
}

#[tokio::test]
async fn another_signer_annotation_or_predicate_is_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let (demo, other) = (signer("demo"), signer("other"));
    let both = request(&subject, Formats::Both);
    let marked = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    let added = [Change::Added, Change::Added];
    assert_eq!(changes(&attach::sign_image(&layout, &demo, &both).await.unwrap()), added);
    assert_eq!(changes(&attach::sign_image(&layout, &other, &both).await.unwrap()), added);
    let with = SignatureRequest { annotations: &marked, ..both };
    assert_eq!(changes(&attach::sign_image(&layout, &demo, &with).await.unwrap()), added);
    let (one, two) = (spdx(SPDX), spdx(&SPDX.replace("2.3", "2.2")));
    for predicate in [&one, &two] {
        let claim = claim(&subject, predicate, Formats::Both);
        assert_eq!(changes(&attach::attest_image(&layout, &demo, &claim).await.unwrap()), added);
    }
    assert_eq!(layout.referrers(subject.digest()).await.unwrap().descriptors.len(), 5);
    let (_, sig) = manifest(&layout, Selector::Tag(&subject.digest().tag(".sig"))).await;
    let (_, att) = manifest(&layout, Selector::Tag(&subject.digest().tag(".att"))).await;
    assert_eq!((sig.layers.len(), att.layers.len()), (3, 2));
    // Two signers of one payload: one blob, two layers, each with its own signature.
    assert_eq!(sig.layers[0].digest, sig.layers[1].digest);
    assert_ne!(sig.layers[0].annotations, sig.layers[1].annotations);
    let again = attach::sign_image(&layout, &other, &both).await.unwrap();
    assert_eq!(changes(&again), [Change::AlreadyThere, Change::AlreadyThere]);
}

#[tokio::test]
async fn replacing_takes_our_older_layers_and_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let (demo, other) = (signer("demo"), signer("other"));
    let (old, new) = (spdx(SPDX), spdx(&SPDX.replace("2.3", "2.2")));
    let theirs = claim(&subject, &old, Formats::Both);
    attach::attest_image(&layout, &other, &theirs).await.unwrap();
    let first = attach::attest_image(&layout, &demo, &theirs).await.unwrap();
    let vex = Attested {
        predicate_type: &PredicateType::OpenVex,
        predicate: &Predicate::parse(br#"{"@context":"https://openvex.dev/ns","statements":[]}"#.to_vec())
            .unwrap(),
        ..theirs
    };
    attach::attest_image(&layout, &demo, &vex).await.unwrap();
    let tag = subject.digest().tag(".att");
    let (_, before) = manifest(&layout, Selector::Tag(&tag)).await;
    let replacing = Attested { older: Older::Replace, ..claim(&subject, &new, Formats::Both) };
    let outcomes = attach::attest_image(&layout, &demo, &replacing).await.unwrap();
    assert_eq!(changes(&outcomes), [Change::Added, Change::Added]);
    assert_eq!(outcomes[0].superseded, [first[0].manifest.digest.clone()], "named, since it stays");
    let (_, after) = manifest(&layout, Selector::Tag(&tag)).await;
    assert_eq!(after.layers.len(), 3);
    assert!(after.layers.contains(&before.layers[0]), "the other signer's");
    assert!(!after.layers.contains(&before.layers[1]), "ours, older");
    assert!(after.layers.contains(&before.layers[2]), "ours, of another type");
    let again = attach::attest_image(&layout, &demo, &replacing).await.unwrap();
    assert_eq!(changes(&again), [Change::AlreadyThere, Change::AlreadyThere]);
}

#[tokio::test]
async fn what_was_prepared_can_be_kept_and_published_later() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let demo = signer("demo");
    let predicate = spdx(SPDX);
    let before = everything(dir.path());
    let mut prepared =
        attach::prepare_signature(&layout, &demo, &request(&subject, Formats::Both)).await.unwrap();
    let claim = claim(&subject, &predicate, Formats::Both);
    prepared.extend(attach::prepare_attestation(&layout, &demo, &claim).await.unwrap());
    assert!(before == everything(dir.path()), "preparing writes nothing");
    let mut kept = Vec::new();
    for item in &prepared {
        let Prepared::Signed(evidence) = item else { panic!("{item:?}") };
        assert_eq!(evidence.bundle_json().is_some(), evidence.format() == Format::Bundle);
        let read = Evidence::from_json(&evidence.to_json().unwrap()).unwrap();
        assert_eq!(&read, evidence);
        read.verify(demo.public_key()).unwrap();
        kept.push(Prepared::Signed(read));
    }
    let outcomes = attach::publish(&layout, &kept).await.unwrap();
    assert_eq!(outcomes.len(), 4);
    let published = everything(dir.path());
    attach::publish(&layout, &kept).await.unwrap();
    assert!(published == everything(dir.path()), "publishing twice is publishing once");
    let again = attach::sign_image(&layout, &demo, &request(&subject, Formats::Both)).await.unwrap();
    assert_eq!(changes(&again), [Change::AlreadyThere, Change::AlreadyThere]);
}

#[tokio::test]
async fn kept_evidence_that_was_changed_does_not_verify() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let demo = signer("demo");
    let predicate = spdx(SPDX);
    let mut prepared =
        attach::prepare_signature(&layout, &demo, &request(&subject, Formats::Both)).await.unwrap();
    let claim = claim(&subject, &predicate, Formats::Legacy);
    prepared.extend(attach::prepare_attestation(&layout, &demo, &claim).await.unwrap());
    for item in &prepared {
        let Prepared::Signed(evidence) = item else { panic!("{item:?}") };
        let key = demo.public_key();
        evidence.verify(key).unwrap();
        let other = signer("other");
        assert!(matches!(evidence.verify(other.public_key()).unwrap_err().kind, ErrorKind::SelfCheck(_)));
        let json = String::from_utf8(evidence.to_json().unwrap()).unwrap();
        // Inside of the payload, in base64 or as text.
        for (from, to) in [("eyJf", "eyJg"), ("cosign container", "cosign Container")] {
            if json.contains(from) {
                let changed = Evidence::from_json(json.replacen(from, to, 1).as_bytes()).unwrap();
                assert!(matches!(changed.verify(key).unwrap_err().kind, ErrorKind::SelfCheck(_)));
            }
        }
        let twice = json.replacen('{', r#"{"created":1,"created":2,"#, 1);
        assert!(matches!(Evidence::from_json(twice.as_bytes()).unwrap_err().kind, ErrorKind::BrokenInput(_)));
    }
}

#[tokio::test]
async fn children_of_an_index_are_signed_each() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, child) = image(dir.path()).await;
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","digest":"{}","size":{},"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#,
        media_type::INDEX,
        media_type::MANIFEST,
        child.digest(),
        child.descriptor().size
    );
    let raw = RawManifest::new(index.into_bytes(), None, "test").unwrap();
    layout.push_manifest(&raw, Some("multi")).await.unwrap();
    let index = common::pinned(&layout, raw.descriptor);
    let demo = signer("demo");
    for subject in [&index, &index.sibling(child.descriptor().clone())] {
        attach::sign_image(&layout, &demo, &request(subject, Formats::Both)).await.unwrap();
        let referrers = layout.referrers(subject.digest()).await.unwrap().descriptors;
        assert_eq!(referrers.len(), 1);
        let (_, referrer) = manifest(&layout, Selector::Digest(&referrers[0].digest)).await;
        // Without the platform and annotations that an index entry carries.
        assert_eq!(referrer.subject, Some(subject.descriptor().bare()));
    }
}

#[tokio::test]
async fn a_legacy_signature_needs_a_repository() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let nameless = SignatureRequest { docker_reference: None, ..request(&subject, Formats::Legacy) };
    let error = attach::sign_image(&layout, &signer("demo"), &nameless).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::BadInput(_)), "{error}");
    assert!(error.hint.is_some());
    // A bundle names no repository.
    let bundle = SignatureRequest { formats: Formats::Bundle, ..nameless };
    attach::sign_image(&layout, &signer("demo"), &bundle).await.unwrap();
}

#[tokio::test]
async fn what_cosign_wrote_with_our_key_is_not_signed_again() {
    let dir = tempfile::tempdir().unwrap();
    common::copy(&common::testdata("interop/cosign-3/legacy-signature"), dir.path());
    let layout = seaworthy_oci::layout::Layout::open(dir.path()).unwrap();
    let raw = layout.manifest(Selector::Tag("image")).await.unwrap().unwrap();
    let subject = common::pinned(&layout, raw.descriptor);
    let cosign = common::key_signer("interop/cosign-3/keys/cosign.key", "seaworthy-test");
    let theirs = SignatureRequest {
        docker_reference: Some("127.0.0.1:46401/legacy-signature"),
        ..request(&subject, Formats::Legacy)
    };
    let before = everything(dir.path());
    let outcomes = attach::sign_image(&layout, &cosign, &theirs).await.unwrap();
    assert_eq!(changes(&outcomes), [Change::AlreadyThere]);
    assert!(before == everything(dir.path()));
    // Our layer joins theirs, and the configuration that cosign needs lists all three.
    let tag = subject.digest().tag(".sig");
    let (_, before) = manifest(&layout, Selector::Tag(&tag)).await;
    let outcomes = attach::sign_image(&layout, &signer("demo"), &theirs).await.unwrap();
    assert_eq!(changes(&outcomes), [Change::Added]);
    let (_, after) = manifest(&layout, Selector::Tag(&tag)).await;
    assert_eq!(after.layers[..2], before.layers[..]);
    let config: serde_json::Value = serde_json::from_str(&blob(&layout, &after.config).await).unwrap();
    let listed: Vec<_> =
        config["rootfs"]["diff_ids"].as_array().unwrap().iter().map(|d| d.as_str().unwrap()).collect();
    let layers: Vec<_> = after.layers.iter().map(|l| l.digest.to_string()).collect();
    assert_eq!(listed, layers);
}

#[tokio::test]
async fn cosigns_bundle_with_our_key_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, _) = image(dir.path()).await;
    // cosign's referrer, attached here as a registry with a Referrers API would have it.
    let theirs = common::testdata("interop/cosign-3/bundle-signature/blobs/sha256");
    let mut subject = None;
    for entry in std::fs::read_dir(&theirs).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if bytes.starts_with(br#"{"mediaType":"application/vnd.dev.sigstore"#) || bytes == b"{}" {
            layout.push_blob(&Descriptor::of("any/type", &bytes), &bytes).await.unwrap();
        }
    }
    for entry in std::fs::read_dir(&theirs).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if bytes.windows(9).any(|w| w == br#""subject""#) {
            let raw = RawManifest::new(bytes, None, "test").unwrap();
            let seaworthy_oci::Manifest::Image(image) = raw.parse().unwrap() else { panic!() };
            subject = image.subject;
            layout.attach(&raw).await.unwrap();
        }
    }
    let subject = common::pinned(&layout, subject.unwrap());
    for key in ["cosign", "second"] {
        let key = common::key_signer(&format!("interop/cosign-3/keys/{key}.key"), "seaworthy-test");
        let outcomes = attach::sign_image(&layout, &key, &request(&subject, Formats::Bundle)).await.unwrap();
        assert_eq!(changes(&outcomes), [Change::AlreadyThere]);
    }
    let outcomes = attach::sign_image(&layout, &signer("demo"), &request(&subject, Formats::Bundle)).await;
    assert_eq!(changes(&outcomes.unwrap()), [Change::Added]);
}

#[tokio::test]
async fn the_written_bundle_verifies_with_the_public_key_file() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, subject) = image(dir.path()).await;
    let prepared = attach::prepare_signature(&layout, &signer("demo"), &request(&subject, Formats::Bundle))
        .await
        .unwrap();
    let Prepared::Signed(evidence) = &prepared[0] else { panic!("{prepared:?}") };
    let pem = std::fs::read(common::testdata("keys/demo.pub")).unwrap();
    evidence.verify(&PublicKey::from_pem(&pem).unwrap()).unwrap();
}
