//! Statements, payloads and bundles: the bytes that others read, compared with what cosign 3 wrote.

// Helpers outside of test functions may unwrap like these.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use seaworthy_oci::Digest;
use seaworthy_sign::statement::{
    self, ANNOTATION_BYTES, Build, PAYLOAD_TYPE, PREDICATE_BYTES, PREDICATE_TYPE_BYTES, SIGNATURE_TYPE,
};
use seaworthy_sign::{ErrorKind, Material, Predicate, PredicateType, Signed, bundle, simple_signing};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

const IMAGE: &str = "sha256:9cff43d001590b95677904b9ceb4b900cbc67f94dd7d32d663997b1db0ae1f54";

fn image() -> Digest {
    IMAGE.parse().unwrap()
}

fn cosign_blob(case: &str, hex: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/interop/cosign-3");
    let dir = root.join(case).join("blobs/sha256");
    let found = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path());
    let path = found.into_iter().find(|p| p.file_name().unwrap().to_string_lossy().starts_with(hex));
    std::fs::read(path.unwrap_or_else(|| panic!("no blob {hex} in {}", dir.display()))).unwrap()
}

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn predicate(json: &str) -> Predicate {
    Predicate::parse(json.into()).unwrap()
}

#[test]
fn a_signature_is_the_statement_that_cosign_signs() {
    let bundle: Value = serde_json::from_slice(&cosign_blob("bundle-signature", "ed59ec4753ca")).unwrap();
    let theirs = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let ours = statement::image_signature(&image(), &BTreeMap::new()).unwrap();
    assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
    let with = statement::image_signature(&image(), &annotations(&[("b", "2"), ("a", "\"<é>")])).unwrap();
    let read: Value = serde_json::from_slice(&with).unwrap();
    assert_eq!(read["subject"][0]["annotations"], serde_json::json!({"a": "\"<é>", "b": "2"}));
    assert!(with.windows(9).any(|w| w == br#"{"a":"\"<"#), "sorted and quoted");
}

#[test]
fn bundles_and_envelopes_have_cosigns_bytes() {
    for (case, blob) in [
        ("bundle-signature", "ed59ec4753ca"),
        ("bundle-signature", "be757b4187b3"),
        ("bundle-attestation-spdx", "b7bb50274bb8"),
    ] {
        let theirs = cosign_blob(case, blob);
        let read: Value = serde_json::from_slice(&theirs).unwrap();
        let envelope = &read["dsseEnvelope"];
        let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
        let signed = Signed {
            signature: STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap(),
            material: Material::PublicKey {
                hint: read["verificationMaterial"]["publicKey"]["hint"].as_str().unwrap().into(),
            },
        };
        let ours = bundle::bundle_json(PAYLOAD_TYPE, &payload, &signed).unwrap();
        assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap(), "{case}");
    }
    let theirs = cosign_blob("legacy-attestation-spdx", "03c321bc85f0");
    let read: Value = serde_json::from_slice(&theirs).unwrap();
    let payload = STANDARD.decode(read["payload"].as_str().unwrap()).unwrap();
    let signature = STANDARD.decode(read["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let ours = bundle::envelope_json(PAYLOAD_TYPE, &payload, &signature).unwrap();
    assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
}

#[test]
fn the_legacy_payload_has_cosigns_bytes() {
    let repository = "127.0.0.1:46401/legacy-signature";
    let theirs = cosign_blob("legacy-signature", "d4eeccf3f1de");
    let ours = simple_signing::payload(&image(), repository, &BTreeMap::new()).unwrap();
    assert_eq!(String::from_utf8(ours).unwrap(), String::from_utf8(theirs).unwrap());
    // Go escapes three characters that JSON does not ask to escape; the meaning is the same.
    let theirs = cosign_blob("legacy-signature", "c6469e24d401");
    let with = annotations(&[("env", "test"), ("note", "<&>é")]);
    let ours = simple_signing::payload(&image(), repository, &with).unwrap();
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(read(&ours), read(&theirs));
}

#[test]
fn an_attestation_holds_the_predicate_as_it_came() {
    let spaced = "{\n  \"spdxVersion\": \"SPDX-2.3\", \"z\": 1.50,\n  \"SPDXID\": \"SPDXRef-DOCUMENT\" }";
    let ours = statement::attestation(
        &image(),
        Some("registry.example/app"),
        &PredicateType::Spdx,
        &predicate(&format!("\n {spaced}\t")),
    )
    .unwrap();
    let expected = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"registry.example/app","digest":{{"sha256":"{}"}}}}],"predicateType":"https://spdx.dev/Document","predicate":{spaced}}}"#,
        image().hex()
    );
    assert_eq!(String::from_utf8(ours).unwrap(), expected);
    let nameless = statement::attestation(
        &image(),
        None,
        &PredicateType::Uri("https://x.example/p".into()),
        &predicate("{}"),
    )
    .unwrap();
    assert!(!String::from_utf8(nameless).unwrap().contains("name"));
}

#[test]
fn predicate_types_have_short_names_and_uris() {
    for (text, uri) in [
        ("spdx", "https://spdx.dev/Document"),
        ("spdxjson", "https://spdx.dev/Document"),
        ("https://spdx.dev/Document", "https://spdx.dev/Document"),
        ("https://spdx.dev/Document/v2.3", "https://spdx.dev/Document/v2.3"),
        ("cyclonedx", "https://cyclonedx.org/bom"),
        ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
        ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
        ("openvex", "https://openvex.dev/ns"),
        ("link", "https://in-toto.io/Link/v1"),
        ("custom", "https://cosign.sigstore.dev/attestation/v1"),
        ("https://example.org/review/v1", "https://example.org/review/v1"),
    ] {
        assert_eq!(text.parse::<PredicateType>().unwrap().uri(), uri, "{text}");
    }
    for bad in
        ["", "sbom", "spdx json", "https://a b/", "https://exämple.org/", "x\u{202e}:y", SIGNATURE_TYPE]
    {
        let error = bad.parse::<PredicateType>().unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BadInput(_)), "{bad}: {error}");
        assert!(error.hint.is_some(), "{bad}");
    }
    let long = |n: usize| format!("https://example.org/{}", "a".repeat(n - 20));
    assert!(long(PREDICATE_TYPE_BYTES).parse::<PredicateType>().is_ok());
    let error = long(PREDICATE_TYPE_BYTES + 1).parse::<PredicateType>().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "PREDICATE_TYPE_BYTES", .. }));
}

#[test]
fn a_document_of_another_kind_is_refused() {
    let spdx = predicate(r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT"}"#);
    let refused = |kind: PredicateType| {
        let error = statement::attestation(&image(), None, &kind, &spdx).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BadInput(_)), "{kind}: {error}");
    };
    statement::attestation(&image(), None, &PredicateType::Spdx, &spdx).unwrap();
    refused(PredicateType::Uri(SIGNATURE_TYPE.into()));
    for (_, kind) in PredicateType::short_names().filter(|(_, kind)| *kind != PredicateType::Spdx) {
        refused(kind);
    }
}

#[test]
fn predicates_that_could_be_read_in_two_ways_are_refused() {
    let bad = [
        "",
        " ",
        "[]",
        "\"x\"",
        "{",
        "{} {}",
        r#"{"a":1,"a":2}"#,
        r#"{"a":{"b":1,"\u0062":2}}"#,
        "{\"a\":\u{1}}",
    ];
    for json in bad {
        let error = Predicate::parse(json.into()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BrokenInput(_)), "{json}: {error}");
    }
    assert!(Predicate::parse(vec![b'{', 0xff, b'}']).is_err());
}

#[test]
fn predicates_are_bounded_at_limit_plus_one() {
    // The wrapping takes one level.
    let deep = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    let kind = PredicateType::Uri("https://example.org/p".into());
    let state = |n: usize| statement::attestation(&image(), None, &kind, &predicate(&deep(n)));
    assert!(state(62).is_ok());
    assert!(matches!(state(64).unwrap_err().kind, ErrorKind::BrokenInput(_)));
    assert!(Predicate::parse(deep(100_000).into()).is_err());
    let large = |n: usize| {
        let mut json = br#"{"a":""#.to_vec();
        json.resize(n - 2, b'x');
        json.extend_from_slice(br#""}"#);
        Predicate::parse(json)
    };
    assert!(large(PREDICATE_BYTES).is_ok());
    let error = large(PREDICATE_BYTES + 1).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "PREDICATE_BYTES", .. }));
}

#[test]
fn annotations_are_bounded_at_limit_plus_one() {
    let of = |n: usize| annotations(&[("k", &"v".repeat(n - 1))]);
    assert!(statement::image_signature(&image(), &of(ANNOTATION_BYTES)).is_ok());
    assert!(simple_signing::payload(&image(), "r/n", &of(ANNOTATION_BYTES)).is_ok());
    for error in [
        statement::image_signature(&image(), &of(ANNOTATION_BYTES + 1)).unwrap_err(),
        simple_signing::payload(&image(), "r/n", &of(ANNOTATION_BYTES + 1)).unwrap_err(),
    ] {
        assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "ANNOTATION_BYTES", .. }));
    }
    let error = statement::image_signature(&image(), &annotations(&[("", "x")])).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::BadInput(_)));
}

#[test]
fn built_predicates_fit_their_types() {
    let digest = annotations(&[("gitCommit", "0123abcd")]);
    let build = Build {
        builder_id: "https://ci.example/runner",
        build_type: "https://ci.example/make/v1",
        source_uri: "git+https://git.example/app@refs/tags/v1",
        source_digest: &digest,
    };
    let v1 = Predicate::slsa_v1(&build).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(v1.as_bytes()).unwrap(),
        serde_json::json!({
            "buildDefinition": {
                "buildType": "https://ci.example/make/v1",
                "externalParameters": {"source": "git+https://git.example/app@refs/tags/v1"},
                "resolvedDependencies": [
                    {"uri": "git+https://git.example/app@refs/tags/v1", "digest": {"gitCommit": "0123abcd"}}
                ],
            },
            "runDetails": {"builder": {"id": "https://ci.example/runner"}},
        })
    );
    statement::attestation(&image(), None, &PredicateType::SlsaProvenance1, &v1).unwrap();
    let v02 = Predicate::slsa_v02(&build).unwrap();
    statement::attestation(&image(), None, &PredicateType::SlsaProvenance02, &v02).unwrap();
    let custom = Predicate::custom(b"no \"JSON\"\n", 1_700_000_000).unwrap();
    let wrapped = r#"{"Data":"no \"JSON\"\n","Timestamp":"2023-11-14T22:13:20Z"}"#;
    assert_eq!(custom.as_bytes(), wrapped.as_bytes());
    statement::attestation(&image(), None, &PredicateType::Custom, &custom).unwrap();
    assert!(Predicate::custom(b"\xff", 0).is_err());
    assert!(Predicate::custom(b"", i64::MAX).is_err());
}

proptest! {
    #[test]
    fn a_statement_says_what_was_asked(name in ".{0,40}", key in ".{1,20}", value in ".{0,40}") {
        let body = serde_json::json!({ key.clone(): value.clone() });
        let kind = PredicateType::Uri("https://example.org/p".into());
        let predicate = Predicate::parse(body.to_string().into()).unwrap();
        let made = statement::attestation(&image(), Some(&name), &kind, &predicate).unwrap();
        let read: Value = serde_json::from_slice(&made).unwrap();
        prop_assert_eq!(&read["subject"][0]["name"], &Value::String(name));
        prop_assert_eq!(&read["predicate"], &body);
        let pairs = BTreeMap::from([(key, value)]);
        let signed: Value =
            serde_json::from_slice(&statement::image_signature(&image(), &pairs).unwrap()).unwrap();
        prop_assert_eq!(&signed["subject"][0]["annotations"], &body);
    }

    #[test]
    fn bundles_read_back(payload in prop::collection::vec(any::<u8>(), 0..7000), signature in prop::collection::vec(any::<u8>(), 0..80)) {
        let signed = Signed { signature, material: Material::PublicKey { hint: "h\"i".into() } };
        let json = bundle::bundle_json("a/\"b", &payload, &signed).unwrap();
        let read: Value = serde_json::from_slice(&json).unwrap();
        let envelope = &read["dsseEnvelope"];
        prop_assert_eq!(STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap(), payload);
        prop_assert_eq!(envelope["payloadType"].as_str().unwrap(), "a/\"b");
        prop_assert_eq!(
            STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap(),
            signed.signature
        );
    }

    #[test]
    fn no_predicate_makes_the_reader_panic(json in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Predicate::parse(json);
    }
}
