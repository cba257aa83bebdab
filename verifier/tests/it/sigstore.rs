//! Certificates, logs and timestamps that lie: rows B01 to B05, B09, B10 and B11 of the list of attacks, against a
//! Sigstore of our own making (`forge`), for files; and the same for images in every form in which evidence comes.

use crate::attacks::SIMPLE;
use crate::forge::{
    By, Forge, Form, ISSUER, Leaf, Log, Order, SIGNED_AT, Stamper, WORKFLOW, b64, mail, sha256, uri,
};
use crate::lab::{Key, Lab, SIGN, SLSA, now, pae, run, statement};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::Digest;
use seaworthy_verifier::evidence::{Checked, Standing, check_item, collect};
use seaworthy_verifier::{
    Artifact, Asked, Authority, Claim, Decision, Identity, IdentityRule, Policy, Quorum, Refusal, TrustedKey,
    verify_blob,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const FILE: &[u8] = b"ahoy\n";

fn artifact(bytes: &[u8]) -> Artifact {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), bytes).unwrap();
    Artifact::file(&dir.path().join("file")).unwrap()
}

fn exact(identity: &str) -> Identity {
    Identity { issuer: ISSUER.into(), identity: identity.into() }
}

pub fn workflow(forge: &Forge) -> Authority {
    Authority::keyless("ci", exact(WORKFLOW), forge.trust())
}

fn quorum(text: &str) -> Option<Quorum> {
    Some(text.parse().unwrap())
}

/// Whoever signed, or the first refusal.
pub fn ask(bundle: &Value, authority: &Authority) -> Result<String, (Refusal, String)> {
    let verdict = verify_blob(bundle.to_string().as_bytes(), &artifact(FILE), authority, now()).unwrap();
    match verdict.decision {
        Decision::Allow => Ok(verdict.signer.unwrap().id),
        Decision::Deny => {
            let first = &verdict.refusals[0];
            Err((first.code, first.walk().iter().map(|e| e.message.clone()).collect::<Vec<_>>().join(": ")))
        }
    }
}

#[track_caller]
pub fn yes(bundle: &Value, authority: &Authority) {
    ask(bundle, authority).unwrap_or_else(|why| panic!("{why:?}"));
}

#[track_caller]
pub fn no(bundle: &Value, authority: &Authority, code: Refusal, words: &str) {
    let (found, message) = ask(bundle, authority).expect_err("a yes");
    assert_eq!(found, code, "{message}");
    assert!(message.contains(words), "'{words}' not in '{message}'");
}

fn about_file(order: &Order<'_>) -> Value {
    order.statement(&Digest::sha256(FILE), SLSA)
}

#[test]
fn what_the_forge_makes_honestly_is_good_in_every_form() {
    let forge = Forge::new();
    for form in [Form::Hashed, Form::V2] {
        let order = Order { log_form: form, ..Order::new(&forge) };
        yes(&order.message(FILE), &workflow(&forge));
        yes(&order.by_key(&Key::new(1), FILE), &Key::new(1).authority("release").logged(forge.trust()));
    }
    for form in [Form::Hashed, Form::Envelope, Form::V2] {
        let order = Order { log_form: form, ..Order::new(&forge) };
        yes(&about_file(&order), &workflow(&forge));
    }
    // A promise proves a time by itself; a proof of inclusion does not.
    let bare = Order { stampers: vec![], ..Order::new(&forge) };
    yes(&bare.message(FILE), &workflow(&forge));
    let v2 = Order { log_form: Form::V2, stampers: vec![], ..Order::new(&forge) };
    no(&v2.message(FILE), &workflow(&forge), Refusal::TimestampMissing, "timestamp");
}

/// An envelope in the log as a hash of what was signed: the entry must still be this one's.
#[test]
fn b01_hashed_envelopes_are_bound() {
    let forge = Forge::new();
    let good = about_file(&Order::new(&forge));
    let other = Order::new(&forge).envelope(&statement(&Digest::sha256(b"x"), SLSA, json!({})));
    let entries = |bundle: &Value| bundle["verificationMaterial"]["tlogEntries"].clone();
    let mut swapped = good.clone();
    swapped["verificationMaterial"]["tlogEntries"] = entries(&other);
    assert!(ask(&swapped, &workflow(&forge)).is_err());
    // The payload that was logged, with a signature over another one.
    let mut payload = good.clone();
    payload["dsseEnvelope"]["payload"] = b64(statement(&Digest::sha256(FILE), SIGN, json!({}))).into();
    no(&payload, &workflow(&forge), Refusal::SignatureInvalid, "signature");
    // A message's entry does not stand in for an envelope's.
    let mut message = good.clone();
    message["verificationMaterial"]["tlogEntries"] = entries(&Order::new(&forge).message(FILE));
    assert!(ask(&message, &workflow(&forge)).is_err());
}

/// B01: somebody else's entry, or somebody else's promise on the right entry.
#[test]
fn b01_entries_belong_to_payload_signature_and_certificate() {
    let forge = Forge::new();
    let trusted = workflow(&forge);
    let good = Order::new(&forge).message(FILE);
    let signer = forge.certify(&Leaf::default());
    let signature = STANDARD.decode(good["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let stranger = forge.certify(&Leaf { san: mail("eve@example.com"), ..Leaf::default() });
    let by = |der: &[u8]| By::Certificate(Box::leak(der.to_vec().into_boxed_slice()));
    for (what, body) in [
        ("payload", Log::hashed_body(&sha256(b"other"), &signature, &by(&signer.der))),
        ("signature", Log::hashed_body(&sha256(FILE), &signer.key.sign(b"x"), &by(&signer.der))),
        ("certificate", Log::hashed_body(&sha256(FILE), &signature, &by(&stranger.der))),
    ] {
        let mut bundle = good.clone();
        bundle["verificationMaterial"]["tlogEntries"] = json!([forge.logs[0].entry(&body, SIGNED_AT)]);
        let (code, message) = ask(&bundle, &trusted).expect_err(what);
        assert!(
            [Refusal::LogEntryInvalid, Refusal::SubjectMismatch].contains(&code),
            "{what}: {code} {message}"
        );
        // Where no log is believed, an entry must belong all the same.
        let unlogged = workflow(&forge).demanding(quorum("none"), None).unwrap();
        assert!(ask(&bundle, &unlogged).is_err(), "{what}");
        let key = Order::new(&forge).by_key(&Key::new(1), FILE);
        let mut bundle = key.clone();
        bundle["verificationMaterial"]["tlogEntries"] = json!([forge.logs[0].entry(&body, SIGNED_AT)]);
        no(&bundle, &Key::new(1).authority("k"), Refusal::LogEntryMismatch, "does not belong");
    }
    let mut promised = good.clone();
    let entry = &mut promised["verificationMaterial"]["tlogEntries"][0];
    entry["inclusionPromise"]["signedEntryTimestamp"] = b64(forge.logs[0].promise("{}", SIGNED_AT)).into();
    no(&promised, &trusted, Refusal::LogEntryInvalid, "SET");
}

/// B02: the chain is checked at the proven time of signing, with and without a log.
#[test]
fn b02_expired_intermediate() {
    let good = Forge::new();
    let expired = Forge::new().with_intermediate("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
    for (transparency, logs) in [("required", vec![0]), ("none", vec![])] {
        let ask_of = |forge: &Forge| {
            let order = Order { logs: logs.clone(), ..Order::new(forge) };
            let authority = workflow(forge).demanding(quorum(transparency), quorum("required")).unwrap();
            (order.message(FILE), authority)
        };
        let (bundle, authority) = ask_of(&good);
        yes(&bundle, &authority);
        let (bundle, authority) = ask_of(&expired);
        no(&bundle, &authority, Refusal::CertificateInvalid, "");
        // The same where the intermediate comes with the bundle, and the trusted root has the root alone.
        for (forge, code) in [(&good, None), (&expired, Some(Refusal::CertificateInvalid))] {
            let (mut bundle, _) = ask_of(forge);
            bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
            let material = bundle["verificationMaterial"].as_object_mut().unwrap();
            let leaf = material.remove("certificate").unwrap();
            let chain = json!({ "certificates": [leaf, { "rawBytes": b64(&forge.intermediate.der) }] });
            material.insert("x509CertificateChain".into(), chain);
            let mut root = forge.trusted_root();
            let chain = &mut root["certificateAuthorities"][0]["certChain"]["certificates"];
            chain.as_array_mut().unwrap().remove(0);
            let trust = seaworthy_verifier::Trust::from_json(&root.to_string(), "bare").unwrap();
            let authority = Authority::keyless("ci", exact(WORKFLOW), trust)
                .demanding(quorum(transparency), quorum("required"));
            match code {
                None => yes(&bundle, &authority.unwrap()),
                Some(code) => no(&bundle, &authority.unwrap(), code, "CertExpired"),
            }
        }
    }
    // A leaf by somebody who is no authority, by another authority, and for another use.
    let leaf = |change: &dyn Fn(&mut Leaf)| {
        let mut leaf = Leaf::default();
        change(&mut leaf);
        Order { leaf, ..Order::new(&good) }.message(FILE)
    };
    let other = leaf(&|l| l.usage = "1.3.6.1.5.5.7.3.1");
    no(&other, &workflow(&good), Refusal::CertificateInvalid, "chain");
    let unlogged = leaf(&|l| l.logged = false);
    no(&unlogged, &workflow(&good), Refusal::CertificateInvalid, "SCT");
    let mut stranger = good.clone();
    stranger.intermediate.key = Key::new(77);
    let forged = Order::new(&stranger).message(FILE);
    no(&forged, &workflow(&good), Refusal::CertificateInvalid, "chain");
}

/// B03: outside the window of the certificate, of the log, of the authority in the trusted root, of the key.
#[test]
fn b03_windows_of_everybody() {
    let forge = Forge::new();
    for at in ["2026-05-01T11:54:59Z", "2026-05-01T12:05:01Z"] {
        let order = Order { at: at.into(), ..Order::new(&forge) };
        no(&order.message(FILE), &workflow(&forge), Refusal::CertificateInvalid, "");
        let unlogged = workflow(&forge).demanding(quorum("none"), None).unwrap();
        no(&order.message(FILE), &unlogged, Refusal::CertificateInvalid, "");
    }
    let good = Order::new(&forge).message(FILE);
    let mut log = forge.clone();
    (log.logs[0].from, log.logs[0].until) =
        ("2026-01-01T00:00:00Z".into(), Some("2026-04-01T00:00:00Z".into()));
    no(&good, &workflow(&log), Refusal::LogEntryInvalid, "");
    // Both ends belong to a window.
    log.logs[0].until = Some(SIGNED_AT.into());
    yes(&good, &workflow(&log));
    let mut ca = forge.clone();
    ca.trusted.1 = Some("2026-04-01T00:00:00Z".into());
    no(&good, &workflow(&ca), Refusal::CertificateInvalid, "");
    let mut tsa = forge.clone();
    tsa.stampers[0].until = Some("2026-04-01T00:00:00Z".into());
    no(&good, &workflow(&tsa), Refusal::TimestampMissing, "");
    tsa.stampers[0].until = Some(SIGNED_AT.into());
    yes(&good, &workflow(&tsa));
    // Another authority's window is not borrowed.
    tsa.stampers[0].until = Some("2026-04-01T00:00:00Z".into());
    tsa.stampers[1].until = None;
    no(&good, &workflow(&tsa), Refusal::TimestampMissing, "");
    // A key that was trusted later: by the proven time, not by today's.
    let key = Key::new(1);
    let signed = Order::new(&forge).by_key(&key, FILE);
    let trusted_from = |from: &str| {
        let public = seaworthy_verifier::PublicKey::from_pem(&key.pem()).unwrap();
        let key = TrustedKey { key: public, not_before: Some(from.parse().unwrap()), not_after: None };
        Authority::keys("release", vec![key], None).trusting(forge.trust())
    };
    for (transparency, timestamp) in [("required", "none"), ("none", "required")] {
        let asked =
            |from: &str| trusted_from(from).demanding(quorum(transparency), quorum(timestamp)).unwrap();
        yes(&signed, &asked(SIGNED_AT));
        no(&signed, &asked("2026-05-01T12:00:01Z"), Refusal::KeyOutsideValidity, "");
    }
    // One time among several that is outside is enough.
    let mut late = good.clone();
    let signature = STANDARD.decode(good["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let stamp = forge.stampers[1].stamp(&signature, "2026-05-02T12:00:00Z");
    let stamps = &mut late["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
    stamps.as_array_mut().unwrap().push(json!({ "signedTimestamp": b64(stamp) }));
    no(&late, &workflow(&forge), Refusal::CertificateInvalid, "");
}

/// B04: distinct logs and distinct authorities, however often one of them speaks and under whatever name.
#[test]
fn b04_one_log_or_authority_counts_once() {
    let forge = Forge::new();
    let asked = |forge: &Forge, logs: &str, stamps: &str| {
        workflow(forge).demanding(quorum(logs), quorum(stamps)).unwrap()
    };
    for form in [Form::Hashed, Form::V2] {
        let order = |logs: &[usize], stampers: &[usize]| {
            Order { logs: logs.to_vec(), stampers: stampers.to_vec(), log_form: form, ..Order::new(&forge) }
                .message(FILE)
        };
        yes(&order(&[0, 1], &[0, 1]), &asked(&forge, "2-of-2", "2-of-2"));
        yes(&order(&[0, 1], &[0]), &asked(&forge, "2-of-2", "1-of-2"));
        no(&order(&[0, 0], &[0, 1]), &asked(&forge, "2-of-2", "none"), Refusal::LogEntryMissing, "1 of 2");
        no(&order(&[1], &[0, 1]), &asked(&forge, "2-of-2", "none"), Refusal::LogEntryMissing, "1 of 2");
        no(&order(&[0, 1], &[1, 1]), &asked(&forge, "2-of-2", "2-of-2"), Refusal::TimestampMissing, "1 of 2");
        no(
            &order(&[0], &[]),
            &asked(&forge, "required", "required"),
            Refusal::TimestampMissing,
            "there is none",
        );
        // The same entry, said to be from the other log: what it says of itself is not signed.
        let mut twice = order(&[0, 0], &[0, 1]);
        let entry = &mut twice["verificationMaterial"]["tlogEntries"][1];
        entry["logId"]["keyId"] = b64(forge.logs[1].id()).into();
        if form == Form::Hashed {
            entry.as_object_mut().unwrap().remove("inclusionPromise");
        }
        no(&twice, &asked(&forge, "2-of-2", "none"), Refusal::LogEntryMissing, "1 of 2");
    }
    // By keys as well.
    let key = Key::new(1);
    let signed = |logs: &[usize]| Order { logs: logs.to_vec(), ..Order::new(&forge) }.by_key(&key, FILE);
    let authority =
        || key.authority("release").trusting(forge.trust()).demanding(quorum("2-of-2"), None).unwrap();
    yes(&signed(&[0, 1]), &authority());
    no(&signed(&[0, 0]), &authority(), Refusal::LogEntryMissing, "1 of 2");
    // One log under two keys, and one key under two addresses, are one log: two of them are not there.
    let mut rotated = forge.clone();
    rotated.logs[1].url = rotated.logs[0].url.clone();
    assert_eq!(rotated.trust().logs(), 1);
    let error = workflow(&rotated).demanding(quorum("2-of-2"), None).unwrap_err();
    assert!(error.why.contains("has 1 distinct"), "{error}");
    let mut shared = forge.clone();
    shared.stampers[1].root = shared.stampers[0].root.clone();
    assert_eq!(shared.trust().timestamp_authorities(), 1);
}

/// B04 for signers: everybody who matches a pattern counts as one.
#[test]
fn b04_a_pattern_is_one_signer() {
    let forge = Forge::new();
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let sign = |lab: &mut Lab, who: &str| {
        let leaf = Leaf { san: uri(who), claims: vec![], ..Leaf::default() };
        lab.attach(&image, &Order { leaf, ..Order::new(&forge) }.statement(&image.digest, SIGN));
    };
    sign(&mut lab, WORKFLOW);
    sign(&mut lab, &WORKFLOW.replace("main", "other"));
    let root = forge.trusted_root().to_string();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("root.json"), root).unwrap();
    let judge = |lab: &Lab, authorities: &str, rule: &str| {
        let text = format!(
            "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: p}}\nspec:\n  images: ['**']\n  authorities:\n{authorities}  signatures: [{rule}]\n"
        );
        let policy = Policy::parse(&text, &dir.path().join("p.yaml"), now());
        let policy = policy.unwrap_or_else(|e| panic!("{e}")).remove(0);
        lab.judge(&image, policy).unwrap()
    };
    let by = |name: &str, who: &str| {
        format!("    - {{name: {name}, keyless: {{issuer: '{ISSUER}', {who}, trustedRoot: root.json}}}}\n")
    };
    let pattern = "identityRegexp: 'https://github\\.com/acme/.*'";
    let one = by("ci", pattern);
    assert_eq!(judge(&lab, &one, "{by: [ci]}").decision, Decision::Allow);
    // Another pattern for the same two people: now each can stand for one of them.
    let two = format!("{one}{}", by("also", "identityRegexp: 'https://github\\.com/acme/app/.*'"));
    assert_eq!(judge(&lab, &two, "{by: [ci, also], threshold: 2}").decision, Decision::Allow);
    // The pattern and the name of the same person are one.
    let both = format!("{one}{}", by("exact", &format!("identity: '{WORKFLOW}'")));
    assert_eq!(judge(&lab, &both, "{by: [ci, exact], threshold: 2}").decision, Decision::Allow);
    let mut alone = Lab::new();
    let only = alone.image("amd64");
    assert_eq!(only.digest, image.digest);
    sign(&mut alone, WORKFLOW);
    let verdict = judge(&alone, &both, "{by: [ci, exact], threshold: 2}");
    assert!(verdict.has(Refusal::ThresholdNotMet), "{verdict:#?}");
    let verdict = judge(&alone, &two, "{by: [ci, also], threshold: 2}");
    assert!(verdict.has(Refusal::ThresholdNotMet), "{verdict:#?}");
}

/// B05: a timestamp by a certificate for something else, by nobody known, over something else.
#[test]
fn b05_timestamps_by_the_wrong_people() {
    let forge = Forge::new();
    let unlogged = |forge: &Forge| workflow(forge).demanding(quorum("none"), None).unwrap();
    let good = Order { logs: vec![], ..Order::new(&forge) }.message(FILE);
    yes(&good, &unlogged(&forge));
    let mut wrong_use = forge.clone();
    wrong_use.stampers[0] = Stamper::with_usage(120, "https://tsa-a.example", "1.3.6.1.5.5.7.3.3");
    let bundle = Order { logs: vec![], ..Order::new(&wrong_use) }.message(FILE);
    no(&bundle, &unlogged(&wrong_use), Refusal::TimestampMissing, "");
    let mut unknown = forge.clone();
    unknown.stampers.remove(0);
    no(&good, &unlogged(&unknown), Refusal::TimestampMissing, "");
    // Revoked: taken out of the trusted root, or its window closed before the time that it says (B03).
    let mut other = good.clone();
    let stamp = forge.stampers[0].stamp(b"something else", SIGNED_AT);
    other["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
        b64(stamp).into();
    no(&other, &unlogged(&forge), Refusal::TimestampMissing, "");
    // One bit of the authority's own signature.
    let mut broken = forge.clone();
    broken.stampers[0].signer.key = Key::new(9);
    let bundle = Order { logs: vec![], ..Order::new(&broken) }.message(FILE);
    no(&bundle, &unlogged(&forge), Refusal::TimestampMissing, "");
    // Without any, nothing says when the certificate was used.
    let none = Order { logs: vec![], stampers: vec![], ..Order::new(&forge) }.message(FILE);
    no(&none, &unlogged(&forge), Refusal::TimestampMissing, "there is none");
    // A log's time counts for nothing where no log is believed.
    let logged = Order { stampers: vec![], ..Order::new(&forge) }.message(FILE);
    no(&logged, &unlogged(&forge), Refusal::TimestampMissing, "there is none");
}

/// B09 and B10: exact bytes of the exact kind; patterns match the whole.
#[test]
fn b09_b10_identities() {
    let forge = Forge::new();
    let signed = |san: Vec<u8>| {
        let leaf = Leaf { san, ..Leaf::default() };
        Order { leaf, ..Order::new(&forge) }.message(FILE)
    };
    let by_name = |name: &str| Authority::keyless("who", exact(name), forge.trust());
    let by_pattern = |pattern: &str| {
        let rule = IdentityRule::new(Asked::Exact(ISSUER), Asked::Regexp(pattern)).unwrap();
        Authority::keyless("who", rule, forge.trust())
    };
    let (acme, dev) = ("https://github.com/acme/.*", "[a-z]+@example.com");
    yes(&signed(uri("https://github.com/acme/x")), &by_pattern(acme));
    yes(&signed(mail("dev@example.com")), &by_pattern(dev));
    yes(&signed(mail("dev@example.com")), &by_name("dev@example.com"));
    for (san, authority) in [
        (uri("https://github.com/acme-evil/x"), by_pattern(acme)),
        (uri("https://evil.example/?https://github.com/acme/x"), by_pattern(acme)),
        (mail("https://github.com/acme/x"), by_pattern(acme)),
        (uri("https://github.com/acme/x\nhttps://evil.example"), by_pattern(acme)),
        (uri("https://github.com/acme/\0x"), by_pattern(acme)),
        (mail("dev@example.com.evil.example"), by_pattern(dev)),
        (mail("dev@example.com\n"), by_pattern(dev)),
        (mail("dev@example.com\0"), by_name("dev@example.com")),
        (mail("dev@example.com\n"), by_name("dev@example.com")),
        (mail("DEV@example.com"), by_name("dev@example.com")),
        (uri("dev@example.com"), by_name("dev@example.com")),
        (uri("dev@example.com"), by_pattern(dev)),
        (mail("https://github.com/acme/x"), by_name("https://github.com/acme/x")),
        // A host name, and Fulcio's user name in an otherName.
        (crate::forge::der::tlv(0x82, b"dev@example.com"), by_name("dev@example.com")),
    ] {
        no(&signed(san), &authority, Refusal::IdentityMismatch, "");
    }
    // What is not ASCII cannot be in either kind of name at all: no twin of another alphabet, no mark that turns
    // the reading direction.
    for odd in ["d\u{435}v@example.com", "dev\u{202e}@example.com"] {
        no(&signed(mail(odd)), &by_name("dev@example.com"), Refusal::CertificateInvalid, "");
        no(&signed(mail(odd)), &by_name(odd), Refusal::CertificateInvalid, "");
    }
    // The issuer as well.
    for issuer in
        ["https://token.actions.githubusercontent.com/", "https://token.actions.githubusercontent.com\n"]
    {
        let leaf = Leaf { issuer: Some(issuer.into()), ..Leaf::default() };
        let bundle = Order { leaf, ..Order::new(&forge) }.message(FILE);
        no(&bundle, &by_name(WORKFLOW), Refusal::IdentityMismatch, "by the word of");
        let rule = IdentityRule::new(
            Asked::Regexp("https://token\\.actions\\.githubusercontent\\.com"),
            Asked::Exact(WORKFLOW),
        );
        no(
            &bundle,
            &Authority::keyless("w", rule.unwrap(), forge.trust()),
            Refusal::IdentityMismatch,
            "word",
        );
    }
    let nobody = Leaf { issuer: None, ..Leaf::default() };
    let nobody = Order { leaf: nobody, ..Order::new(&forge) }.message(FILE);
    no(&nobody, &by_name(WORKFLOW), Refusal::IdentityMismatch, "of nobody");
    let rule = IdentityRule::new(Asked::Exact("none"), Asked::Exact(WORKFLOW)).unwrap();
    let unvouched = Authority::keyless("w", rule, forge.trust());
    assert_eq!(ask(&nobody, &unvouched).unwrap(), format!("{WORKFLOW} (no issuer)"));
    no(&signed(uri(WORKFLOW)), &unvouched, Refusal::IdentityMismatch, "by that of no issuer");
}

/// Claims of the present extensions and of the older ones, and what contradicts itself.
#[test]
fn claims_of_the_run() {
    let forge = Forge::new();
    let utf8 = crate::forge::der::utf8;
    let signed = |claims: &[(u32, Vec<u8>)]| {
        let leaf = Leaf { claims: claims.to_vec(), ..Leaf::default() };
        Order { leaf, ..Order::new(&forge) }.message(FILE)
    };
    let asked = |wanted: &[(Claim, &str)]| {
        let mut rule = IdentityRule::new(Asked::Exact(ISSUER), Asked::Exact(WORKFLOW)).unwrap();
        for (claim, value) in wanted {
            rule = rule.claiming(*claim, value).unwrap();
        }
        Authority::keyless("ci", rule, forge.trust())
    };
    let present = [
        (11, utf8("github-hosted")),
        (12, utf8("https://github.com/acme/app")),
        (13, utf8("abc")),
        (14, utf8("refs/heads/main")),
        (15, utf8("17")),
        (17, utf8("4")),
        (18, utf8(WORKFLOW)),
        (20, utf8("push")),
        (22, utf8("private")),
        (23, utf8("production")),
    ];
    let old = [
        (2, b"push".to_vec()),
        (3, b"abc".to_vec()),
        (4, b"Release".to_vec()),
        (5, b"acme/app".to_vec()),
        (6, b"refs/heads/main".to_vec()),
    ];
    for (claim, value) in [
        (Claim::Repository, "acme/app"),
        (Claim::Ref, "refs/heads/main"),
        (Claim::Trigger, "push"),
        (Claim::Sha, "abc"),
    ] {
        yes(&signed(&present), &asked(&[(claim, value)]));
        yes(&signed(&old), &asked(&[(claim, value)]));
        yes(&signed(&[&present[..], &old[..]].concat()), &asked(&[(claim, value)]));
        no(&signed(&present), &asked(&[(claim, "x")]), Refusal::ClaimMismatch, "not 'x'");
        no(&signed(&old), &asked(&[(claim, &value[1..])]), Refusal::ClaimMismatch, "not '");
        no(&signed(&[]), &asked(&[(claim, value)]), Refusal::ClaimMismatch, "says nothing");
    }
    for (claim, value) in [
        (Claim::Repository, "https://github.com/acme/app"),
        (Claim::Workflow, ".github/workflows/release.yml"),
        (Claim::Workflow, WORKFLOW),
        (Claim::Runner, "github-hosted"),
        (Claim::Environment, "production"),
        (Claim::RepositoryId, "17"),
        (Claim::OwnerId, "4"),
        (Claim::Visibility, "private"),
    ] {
        yes(&signed(&present), &asked(&[(claim, value)]));
        no(&signed(&old), &asked(&[(claim, value)]), Refusal::ClaimMismatch, "says nothing");
    }
    yes(&signed(&old), &asked(&[(Claim::Workflow, "Release")]));
    no(&signed(&present), &asked(&[(Claim::Workflow, "Release")]), Refusal::ClaimMismatch, "says nothing");
    // Each of several must hold.
    let both = [(Claim::Ref, "refs/heads/main"), (Claim::Trigger, "release")];
    no(&signed(&present), &asked(&both), Refusal::ClaimMismatch, "trigger");
    // Two answers to one question.
    let fork = [(12, utf8("https://github.com/acme/app")), (5, b"evil/app".to_vec())];
    no(&signed(&fork), &asked(&[(Claim::Repository, "acme/app")]), Refusal::ClaimMismatch, "two things");
    let refs = [(14, utf8("refs/heads/main")), (6, b"refs/heads/evil".to_vec())];
    no(&signed(&refs), &asked(&[(Claim::Ref, "refs/heads/main")]), Refusal::ClaimMismatch, "two things");
    // A present extension that is no text in DER says nothing.
    no(&signed(&[(14, b"refs/heads/main".to_vec())]), &asked(&both[..1]), Refusal::ClaimMismatch, "nothing");
    assert!(
        IdentityRule::new(Asked::Exact(ISSUER), Asked::Exact("a")).unwrap().claiming(Claim::Ref, "").is_err()
    );
}

/// B11: the key decides how it signs; a signature by another way is none.
#[test]
fn b11_signatures_of_another_kind() {
    let forge = Forge::new();
    let mut bundle = Order::new(&forge).message(FILE);
    bundle["messageSignature"]["messageDigest"]["algorithm"] = "SHA2_224".into();
    no(&bundle, &workflow(&forge), Refusal::EvidenceMalformed, "SHA2_224");
    let mut raw = Order { logs: vec![], ..Order::new(&forge) }.message(FILE);
    let der = STANDARD.decode(raw["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let signature = p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes();
    let stamp = forge.stampers[0].stamp(&signature, SIGNED_AT);
    raw["messageSignature"]["signature"] = b64(signature).into();
    raw["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
        b64(stamp).into();
    let unlogged = workflow(&forge).demanding(quorum("none"), None).unwrap();
    no(&raw, &unlogged, Refusal::SignatureInvalid, "");
}

/// GitHub's way, for images too: a timestamp, no log, and a root without any.
#[test]
fn images_by_timestamp_alone() {
    let mut forge = Forge::new();
    (forge.logs, forge.has_certificate_log) = (vec![], false);
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let leaf = Leaf { logged: false, ..Leaf::default() };
    lab.attach(&image, &Order { logs: vec![], leaf, ..Order::new(&forge) }.statement(&image.digest, SLSA));
    let asked = |transparency| workflow(&forge).demanding(quorum(transparency), None);
    assert!(asked("required").unwrap_err().why.contains("nobody could meet it"));
    let checked = one(&lab, &image.digest, &[asked("none").unwrap()]);
    assert!(matches!(checked.standing, Standing::Valid { .. }), "{:#?}", checked.standing);
    refused(&one(&lab, &image.digest, &[workflow(&forge)]), Refusal::LogEntryMissing);
    // A key with a timestamp, the log not wanted: no entry, and none is missed.
    let key = Key::new(1);
    let payload = statement(&image.digest, SIGN, json!({}));
    let signature = key.sign(&pae(&payload));
    let mut bundle = key.bundle(&payload);
    bundle["verificationMaterial"]["timestampVerificationData"] = json!({ "rfc3161Timestamps":
        [{ "signedTimestamp": b64(forge.stampers[0].stamp(&signature, SIGNED_AT)) }] });
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &bundle);
    let stamped = key.authority("release").trusting(forge.trust());
    let stamped = stamped.demanding(quorum("none"), quorum("required")).unwrap();
    let checked = one(&lab, &image.digest, std::slice::from_ref(&stamped));
    assert!(matches!(checked.standing, Standing::Valid { .. }), "{:#?}", checked.standing);
    let mut bare = Lab::new();
    bare.attach(&image, &key.bundle(&payload));
    refused(&one(&bare, &image.digest, &[stamped]), Refusal::TimestampMissing);
}

fn one(lab: &Lab, subject: &Digest, authorities: &[Authority]) -> Checked {
    run(async {
        let items = collect(lab, subject).await.unwrap();
        assert_eq!(items.len(), 1);
        check_item(lab, &items[0], authorities, now()).await.unwrap()
    })
}

#[track_caller]
fn refused(checked: &Checked, code: Refusal) {
    let found: Vec<Refusal> = match &checked.standing {
        Standing::Invalid { reason } => reason.walk().iter().map(|e| e.code).collect(),
        Standing::UnknownSigner { reasons } => reasons.iter().map(|e| e.code).collect(),
        other => panic!("{other:?}"),
    };
    assert!(found.contains(&code), "{code} not in {:#?}", checked.standing);
}

/// cosign's older form with certificate, chain, log entry and timestamp in annotations: the same rules.
#[test]
fn legacy_keyless_signatures_and_attestations() {
    let forge = Forge::new();
    let text = |label: &str, ders: &[&[u8]]| -> String {
        ders.iter()
            .map(|der| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", b64(der)))
            .collect()
    };
    let annotations = |bundle: &Value, chain: &[&[u8]]| {
        let material = &bundle["verificationMaterial"];
        let der = STANDARD.decode(material["certificate"]["rawBytes"].as_str().unwrap()).unwrap();
        let mut out = BTreeMap::from([
            ("dev.cosignproject.cosign/signature".to_owned(), String::new()),
            ("dev.sigstore.cosign/certificate".to_owned(), text("CERTIFICATE", &[&der])),
            ("dev.sigstore.cosign/chain".to_owned(), text("CERTIFICATE", chain)),
        ]);
        if let Some(signature) = bundle["messageSignature"]["signature"].as_str() {
            out.insert("dev.cosignproject.cosign/signature".into(), signature.into());
        }
        if let Some(entry) = material["tlogEntries"].get(0) {
            let number = |v: &Value| v.as_str().unwrap().parse::<i64>().unwrap();
            let id = STANDARD.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap();
            let log = json!({
                "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
                "Payload": {
                    "body": entry["canonicalizedBody"], "integratedTime": number(&entry["integratedTime"]),
                    "logIndex": number(&entry["logIndex"]), "logID": hex::encode(id),
                },
            });
            out.insert("dev.sigstore.cosign/bundle".into(), log.to_string());
        }
        let stamp = &material["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"];
        if stamp.is_string() {
            let stamp = json!({ "SignedRFC3161Timestamp": stamp });
            out.insert("dev.sigstore.cosign/rfc3161timestamp".into(), stamp.to_string());
        }
        out
    };
    // Issued by an intermediate that the trusted root does not have: it is in the annotation, as is the root.
    let mut bare = forge.trusted_root();
    let chain = &mut bare["certificateAuthorities"][0]["certChain"]["certificates"];
    chain.as_array_mut().unwrap().remove(0);
    let bare = seaworthy_verifier::Trust::from_json(&bare.to_string(), "bare").unwrap();
    let both: [&[u8]; 2] = [&forge.intermediate.der, &forge.root.der];
    let mut probe = Lab::new();
    let image = probe.image("amd64");
    for (what, logs, stampers, transparency) in [
        ("log", vec![0], vec![], "required"),
        ("log and timestamp", vec![0], vec![0], "required"),
        ("timestamp", vec![], vec![0], "none"),
    ] {
        let authority = |trust| {
            Authority::keyless("ci", exact(WORKFLOW), trust).demanding(quorum(transparency), None).unwrap()
        };
        for suffix in [".sig", ".att"] {
            let order = |form| Order {
                logs: logs.clone(),
                stampers: stampers.clone(),
                log_form: form,
                ..Order::new(&forge)
            };
            let (kind, content, bundle) = if suffix == ".sig" {
                let payload = crate::attacks::simple_signing(&image.digest);
                let bundle = order(Form::Hashed).message(&payload);
                (SIMPLE, payload, bundle)
            } else {
                let bundle = order(Form::Envelope).statement(&image.digest, SLSA);
                let envelope = bundle["dsseEnvelope"].to_string().into_bytes();
                ("application/vnd.dsse.envelope.v1+json", envelope, bundle)
            };
            let attach = |change: &dyn Fn(&mut BTreeMap<String, String>)| {
                let mut lab = Lab::new();
                let mut annotations = annotations(&bundle, &both);
                change(&mut annotations);
                lab.legacy(&image.digest, suffix, &[(kind, content.clone(), annotations)]);
                lab
            };
            for trust in [forge.trust(), bare.clone()] {
                let checked = one(&attach(&|_| {}), &image.digest, &[authority(trust)]);
                assert!(
                    matches!(checked.standing, Standing::Valid { .. }),
                    "{what} {suffix} {:#?}",
                    checked.standing
                );
            }
            let drop = |name: &str| attach(&|a| drop(a.remove(&format!("dev.sigstore.cosign/{name}"))));
            refused(
                &one(&drop("chain"), &image.digest, &[authority(bare.clone())]),
                Refusal::CertificateInvalid,
            );
            let (missing, code) = match transparency {
                "required" => ("bundle", Refusal::LogEntryMissing),
                _ => ("rfc3161timestamp", Refusal::TimestampMissing),
            };
            refused(&one(&drop(missing), &image.digest, &[authority(forge.trust())]), code);
            let stranger = Authority::keyless("eve", exact("eve@example.com"), forge.trust());
            let stranger = stranger.demanding(quorum(transparency), None).unwrap();
            refused(&one(&attach(&|_| {}), &image.digest, &[stranger]), Refusal::IdentityMismatch);
            // Somebody else's certificate in the annotation.
            let other = forge.certify(&Leaf { san: mail("eve@example.com"), ..Leaf::default() });
            let swapped = attach(&|a| {
                a.insert("dev.sigstore.cosign/certificate".into(), text("CERTIFICATE", &[&other.der]));
            });
            let eve = Authority::keyless("eve", exact("eve@example.com"), forge.trust());
            let eve = eve.demanding(quorum(transparency), None).unwrap();
            if !logs.is_empty() {
                refused(&one(&swapped, &image.digest, &[eve]), Refusal::LogEntryInvalid);
            }
            let many: Vec<&[u8]> = vec![&forge.intermediate.der; 10];
            let long = attach(&|a| {
                a.insert("dev.sigstore.cosign/chain".into(), text("CERTIFICATE", &many));
            });
            refused(&one(&long, &image.digest, &[authority(forge.trust())]), Refusal::EvidenceMalformed);
        }
    }
}

/// Limits at limit + 1: timestamps and certificates in one bundle.
#[test]
fn proofs_are_bounded() {
    let forge = Forge::new();
    let good = Order::new(&forge).message(FILE);
    let stamps = |n: usize| {
        let mut bundle = good.clone();
        let list = &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
        *list = vec![list[0].clone(); n].into();
        bundle
    };
    yes(&stamps(seaworthy_verifier::limits::TIMESTAMPS), &workflow(&forge));
    let over = stamps(seaworthy_verifier::limits::TIMESTAMPS + 1);
    no(&over, &workflow(&forge), Refusal::EvidenceMalformed, "TIMESTAMPS");
    let chain = |n: usize| {
        let mut bundle = good.clone();
        bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
        let material = bundle["verificationMaterial"].as_object_mut().unwrap();
        let leaf = material.remove("certificate").unwrap();
        let mut all = vec![leaf];
        all.resize(n, json!({ "rawBytes": b64(&forge.intermediate.der) }));
        material.insert("x509CertificateChain".into(), json!({ "certificates": all }));
        bundle
    };
    yes(&chain(seaworthy_verifier::limits::CHAIN), &workflow(&forge));
    no(&chain(seaworthy_verifier::limits::CHAIN + 1), &workflow(&forge), Refusal::EvidenceMalformed, "CHAIN");
}
