//! Witnesses that sigstore-verify has no word for: timestamps by RSA keys, keys other than P-256 beside logs of both
//! kinds, several logs beside them, envelopes that were logged in two forms, and quorums of a private PKI.

use crate::forge::{
    By, END, Forge, Form, Leaf, Log, Order, SIGNED_AT, Stamper, TIME_STAMPING, b64, sha256, uri,
};
use crate::lab::{Key, SLSA, now, pae, statement};
use crate::pki::release_with;
use crate::sigstore::{FILE, ask, no, workflow, yes};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use seaworthy_oci::Digest;
use seaworthy_verifier::{Authority, PublicKey, Quorum, Refusal, TrustedKey};
use serde_json::{Value, json};

const TSA: &str = "https://tsa-rsa.example";

fn quorum(text: &str) -> Option<Quorum> {
    Some(text.parse().unwrap())
}

fn with_rsa() -> Forge {
    let mut forge = Forge::new();
    forge.stampers.push(Stamper::rsa(140, TSA, TIME_STAMPING, END));
    forge
}

/// By nothing but a timestamp of an RSA key.
fn rsa_alone(forge: &Forge, form: Form) -> Order<'_> {
    Order { stampers: vec![2], log_form: form, ..Order::new(forge) }
}

/// Without promises, which would prove a time by themselves.
fn unpromised(mut bundle: Value) -> Value {
    for entry in bundle["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap() {
        let entry = entry.as_object_mut().unwrap();
        entry.remove("inclusionPromise");
        entry.remove("integratedTime");
    }
    bundle
}

fn about_file(order: &Order<'_>) -> Value {
    order.statement(&Digest::sha256(FILE), SLSA)
}

#[test]
fn timestamps_by_rsa_keys_prove_times() {
    let forge = with_rsa();
    for form in [Form::Hashed, Form::V2] {
        let order = rsa_alone(&forge, form);
        yes(&order.message(FILE), &workflow(&forge));
        yes(&unpromised(order.message(FILE)), &workflow(&forge));
    }
    for form in [Form::Hashed, Form::Envelope, Form::V2] {
        yes(&unpromised(about_file(&rsa_alone(&forge, form))), &workflow(&forge));
    }
    // Where no log is wanted, and in a root without any.
    let unlogged = || workflow(&forge).demanding(quorum("none"), quorum("required")).unwrap();
    yes(&Order { logs: vec![], ..rsa_alone(&forge, Form::V2) }.message(FILE), &unlogged());
    yes(&rsa_alone(&forge, Form::V2).message(FILE), &unlogged());
    let mut bare = with_rsa();
    (bare.logs, bare.has_certificate_log) = (vec![], false);
    let leaf = Leaf { logged: false, ..Leaf::default() };
    let order = Order { logs: vec![], leaf, ..rsa_alone(&bare, Form::V2) };
    yes(&order.message(FILE), &workflow(&bare).demanding(quorum("none"), None).unwrap());
    // Beside one by an elliptic curve: both count, and each once.
    let both = Order { stampers: vec![0, 2], ..Order::new(&forge) };
    let asked = |stamps: &str| workflow(&forge).demanding(quorum("required"), quorum(stamps)).unwrap();
    yes(&both.message(FILE), &asked("2-of-3"));
    no(&both.message(FILE), &asked("3-of-3"), Refusal::TimestampMissing, "2 of 3");
    let twice = Order { stampers: vec![2, 2], ..Order::new(&forge) };
    no(&twice.message(FILE), &asked("2-of-3"), Refusal::TimestampMissing, "1 of 2");
    // By a key.
    let key = Key::new(1);
    for (logs, stamps) in [("required", "required"), ("none", "required")] {
        let authority = key.authority("k").trusting(forge.trust());
        let authority = authority.demanding(quorum(logs), quorum(stamps)).unwrap();
        yes(&rsa_alone(&forge, Form::V2).by_key(&key, FILE), &authority);
    }
}

#[test]
fn timestamps_by_rsa_keys_are_not_believed_blindly() {
    let forge = with_rsa();
    let refused = |forge: &Forge, bundle: &Value| {
        no(bundle, &workflow(forge), Refusal::TimestampMissing, "");
        no(&unpromised(bundle.clone()), &workflow(forge), Refusal::TimestampMissing, "");
        let unlogged = workflow(forge).demanding(quorum("none"), quorum("required")).unwrap();
        no(bundle, &unlogged, Refusal::TimestampMissing, "");
    };
    let good = rsa_alone(&forge, Form::V2).message(FILE);
    let stamped = |stamp: Vec<u8>| {
        let mut bundle = good.clone();
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"] =
            b64(stamp).into();
        bundle
    };
    let signature = STANDARD.decode(good["messageSignature"]["signature"].as_str().unwrap()).unwrap();
    let token = forge.stampers[2].stamp(&signature, SIGNED_AT);
    yes(&stamped(token.clone()), &workflow(&forge));
    // Over another signature; by another authority; by a key that is for something else; after its time.
    refused(&forge, &stamped(forge.stampers[2].stamp(b"another", SIGNED_AT)));
    refused(&forge, &stamped(Stamper::rsa(140, TSA, TIME_STAMPING, END).stamp(&signature, SIGNED_AT)));
    for (usage, until) in [("1.3.6.1.5.5.7.3.3", END), (TIME_STAMPING, "2026-04-01T00:00:00Z")] {
        let mut odd = with_rsa();
        odd.stampers[2] = Stamper::rsa(140, TSA, usage, until);
        refused(&odd, &rsa_alone(&odd, Form::V2).message(FILE));
    }
    let mut closed = forge.clone();
    closed.stampers[2].until = Some("2026-04-01T00:00:00Z".into());
    refused(&closed, &good);
    closed.stampers[2].until = Some(SIGNED_AT.into());
    yes(&good, &workflow(&closed));
    // A root under which it does not stand.
    let mut moved = forge.clone();
    moved.stampers[2].root = moved.stampers[0].root.clone();
    refused(&moved, &good);
    let mut sha1 = forge.clone();
    sha1.stampers[2].imprint = "1.3.14.3.2.26";
    refused(&sha1, &rsa_alone(&sha1, Form::V2).message(FILE));
    // Each byte counts, but for the few that nobody signs: the status, the lists of algorithms, the sizes of integers.
    let survivors: Vec<usize> = (0..token.len())
        .filter(|at| {
            let mut flipped = token.clone();
            flipped[*at] ^= 0x11;
            ask(&stamped(flipped), &workflow(&forge)).is_ok()
        })
        .collect();
    assert!(survivors.len() <= 16, "{survivors:?} of {}", token.len());
    for end in (0..token.len()).step_by(7) {
        assert!(ask(&stamped(token[..end].to_vec()), &workflow(&forge)).is_err(), "{end}");
    }
}

/// The certificate beside such a timestamp is judged by ourselves, and no more leniently.
#[test]
fn certificates_beside_them() {
    let forge = with_rsa();
    let leaf = |change: &dyn Fn(&mut Leaf)| {
        let mut leaf = Leaf::default();
        change(&mut leaf);
        unpromised(Order { leaf, ..rsa_alone(&forge, Form::V2) }.message(FILE))
    };
    yes(&leaf(&|_| {}), &workflow(&forge));
    yes(&leaf(&|l| l.proof_extensions = vec![1, 2, 3]), &workflow(&forge));
    let usage = leaf(&|l| l.usage = "1.3.6.1.5.5.7.3.1");
    no(&usage, &workflow(&forge), Refusal::CertificateInvalid, "leads to no authority");
    let unlogged = leaf(&|l| l.logged = false);
    no(&unlogged, &workflow(&forge), Refusal::CertificateInvalid, "no proof that it was logged");
    let late = leaf(&|l| l.until = "2026-05-01T11:59:59Z".into());
    no(&late, &workflow(&forge), Refusal::CertificateInvalid, "");
    let eve = leaf(&|l| l.san = uri("https://github.com/eve/app"));
    no(&eve, &workflow(&forge), Refusal::IdentityMismatch, "");
    let mut other = forge.clone();
    other.certificate_log = Key::new(103);
    no(&leaf(&|_| {}), &workflow(&other), Refusal::CertificateInvalid, "no certificate log of the root");
    let mut stranger = forge.clone();
    stranger.intermediate.key = Key::new(77);
    let forged = unpromised(rsa_alone(&stranger, Form::V2).message(FILE));
    no(&forged, &workflow(&forge), Refusal::CertificateInvalid, "leads to no authority");
    let mut closed = forge.clone();
    closed.trusted.1 = Some("2026-04-01T00:00:00Z".into());
    no(&leaf(&|_| {}), &workflow(&closed), Refusal::CertificateInvalid, "leads to no authority");
    // Somebody else's entry, and a signature over another file.
    let mut swapped = leaf(&|_| {});
    let theirs = unpromised(rsa_alone(&forge, Form::V2).message(b"other"));
    swapped["verificationMaterial"]["tlogEntries"] = theirs["verificationMaterial"]["tlogEntries"].clone();
    no(&swapped, &workflow(&forge), Refusal::LogEntryMismatch, "");
    let mut text = theirs.clone();
    text["messageSignature"]["messageDigest"]["digest"] = b64(sha256(FILE)).into();
    no(&text, &workflow(&forge), Refusal::SignatureInvalid, "");
    // A log that is not the root's, a proof that is not the entry's, a promise that is not the log's.
    let mut logs = forge.clone();
    logs.logs[0].key = Key::new(90);
    no(&leaf(&|_| {}), &workflow(&logs), Refusal::LogEntryInvalid, "checkpoint");
    let mut proof = unpromised(rsa_alone(&forge, Form::Hashed).message(FILE));
    proof["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"][0] = b64(sha256(b"x")).into();
    no(&proof, &workflow(&forge), Refusal::LogEntryInvalid, "proof of inclusion");
    let mut promised = rsa_alone(&forge, Form::Hashed).message(FILE);
    promised["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]["signedEntryTimestamp"] =
        b64(forge.logs[0].promise("{}", SIGNED_AT)).into();
    no(&promised, &workflow(&forge), Refusal::LogEntryInvalid, "promise");
    let future = Order { at: "2027-01-01T00:00:00Z".into(), ..rsa_alone(&forge, Form::Hashed) };
    assert!(ask(&future.message(FILE), &workflow(&forge)).is_err());
    let intoto = unpromised(about_file(&rsa_alone(&forge, Form::Intoto)));
    no(&intoto, &workflow(&forge), Refusal::LogEntryInvalid, "intoto 0.0.2");
}

/// A key of any kind, as signers have them.
enum Any {
    Curve(EcdsaKeyPair, &'static str),
    Rsa(RsaKeyPair),
    Edwards(ed25519_dalek::SigningKey),
}

impl Any {
    fn all() -> Vec<Self> {
        vec![
            Self::Curve(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap(), "sha384"),
            Self::Curve(EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING).unwrap(), "sha512"),
            Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            Self::Edwards(ed25519_dalek::SigningKey::from_bytes(&[5; 32])),
        ]
    }

    fn spki(&self) -> Vec<u8> {
        let der = |key: PublicKeyX509Der<'_>| key.as_ref().to_vec();
        match self {
            Self::Curve(key, _) => der(key.public_key().as_der().unwrap()),
            Self::Rsa(key) => der(key.public_key().as_der().unwrap()),
            Self::Edwards(key) => key.verifying_key().to_public_key_der().unwrap().as_bytes().to_vec(),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Curve(key, _) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Edwards(key) => {
                use ed25519_dalek::Digest as _;
                let hashed = ed25519_dalek::Sha512::new().chain_update(message);
                key.sign_prehashed(hashed, None).unwrap().to_bytes().to_vec()
            }
        }
    }

    /// The names of the hash in Rekor v1 and v2, of the key in Rekor v2, and the digest.
    fn logged(&self, message: &[u8]) -> (&'static str, &'static str, &'static str, Vec<u8>) {
        let of = |algorithm| digest::digest(algorithm, message).as_ref().to_vec();
        match self {
            Self::Curve(_, "sha384") => {
                ("sha384", "SHA2_384", "PKIX_ECDSA_P384_SHA_384", of(&digest::SHA384))
            }
            Self::Curve(..) => ("sha512", "SHA2_512", "PKIX_ECDSA_P521_SHA_512", of(&digest::SHA512)),
            Self::Rsa(_) => ("sha256", "SHA2_256", "PKIX_RSA_PKCS1V15_2048_SHA256", of(&digest::SHA256)),
            Self::Edwards(_) => ("sha512", "SHA2_512", "PKIX_ED25519_PH", of(&digest::SHA512)),
        }
    }

    fn authority(&self) -> Authority {
        let key = PublicKey::from_spki(&self.spki()).unwrap();
        Authority::keys("k", vec![TrustedKey { key, not_before: None, not_after: None }], None)
    }

    /// The entry for a signature over `message`, in logs of this version.
    fn body(&self, message: &[u8], signature: &[u8], form: Form) -> Value {
        let (older, newer, details, digest) = self.logged(message);
        match form {
            Form::V2 => {
                let mut body = Log::v2_body(&digest, signature, &By::Spki(&self.spki()));
                let entry = &mut body["spec"]["hashedRekordV002"];
                entry["data"]["algorithm"] = newer.into();
                entry["signature"]["verifier"]["keyDetails"] = details.into();
                body
            }
            _ => {
                let mut body = Log::hashed_body(&digest, signature, &By::Spki(&self.spki()));
                body["spec"]["data"]["hash"]["algorithm"] = older.into();
                body
            }
        }
    }

    /// A signature over FILE, in these logs.
    fn bundle(&self, forge: &Forge, form: Form, logs: &[usize]) -> Value {
        let signature = self.sign(FILE);
        let body = self.body(FILE, &signature, form);
        let entries: Vec<Value> = logs.iter().map(|log| forge.logs[*log].entry(&body, SIGNED_AT)).collect();
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "" }, "tlogEntries": entries },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": b64(sha256(FILE)) },
                "signature": b64(&signature),
            },
        })
    }
}

#[test]
fn keys_of_every_kind_in_one_log_or_several_of_both_versions() {
    let forge = Forge::new();
    for key in Any::all() {
        let trusted = || key.authority().trusting(forge.trust());
        let asked = |logs: &str| trusted().demanding(quorum(logs), None).unwrap();
        for form in [Form::Hashed, Form::V2] {
            yes(&key.bundle(&forge, form, &[0]), &asked("required"));
            yes(&key.bundle(&forge, form, &[0, 1]), &asked("2-of-2"));
            let once = key.bundle(&forge, form, &[0, 0]);
            no(&once, &asked("2-of-2"), Refusal::LogEntryMissing, "1 of 2");
            no(&key.bundle(&forge, form, &[]), &asked("required"), Refusal::LogEntryMissing, "");
            // Without a root, entries must belong all the same.
            yes(&key.bundle(&forge, form, &[0]), &key.authority());
            let mut foreign = key.bundle(&forge, form, &[0]);
            let theirs = key.body(b"other", &key.sign(b"other"), form);
            foreign["verificationMaterial"]["tlogEntries"] = json!([forge.logs[0].entry(&theirs, SIGNED_AT)]);
            no(&foreign, &asked("required"), Refusal::LogEntryMismatch, "");
            no(&foreign, &key.authority(), Refusal::LogEntryMismatch, "");
            let mut stranger = forge.clone();
            stranger.logs[0].key = Key::new(91);
            no(&key.bundle(&stranger, form, &[0]), &asked("required"), Refusal::LogEntryInvalid, "");
        }
        // The same digest under the name of another hash is another entry.
        let mut renamed = key.bundle(&forge, Form::Hashed, &[0]);
        let signature = STANDARD.decode(renamed["messageSignature"]["signature"].as_str().unwrap()).unwrap();
        let mut body = key.body(FILE, &signature, Form::Hashed);
        body["spec"]["data"]["hash"]["algorithm"] = "sha224".into();
        renamed["verificationMaterial"]["tlogEntries"] = json!([forge.logs[0].entry(&body, SIGNED_AT)]);
        no(&renamed, &asked("required"), Refusal::LogEntryMismatch, "payload");
    }
}

/// Envelopes: as a hash of what was signed, and as themselves; and both at once, in two logs.
#[test]
fn envelopes_in_two_forms() {
    let forge = Forge::new();
    let payload = statement(&Digest::sha256(FILE), SLSA, json!({}));
    let order = Order::new(&forge);
    let signer = forge.certify(&Leaf::default());
    let good = order.envelope(&payload);
    let signature = STANDARD.decode(good["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let by = By::Certificate(&signer.der);
    let hashed = |message: &[u8]| Log::hashed_body(&sha256(&pae(message)), &signature, &by);
    let whole = |message: &[u8]| Log::envelope_body(message, &signature, &by);
    let with = |first: &Value, second: &Value| {
        let mut bundle = good.clone();
        bundle["verificationMaterial"]["tlogEntries"] =
            json!([forge.logs[0].entry(first, SIGNED_AT), forge.logs[1].entry(second, SIGNED_AT)]);
        bundle
    };
    let both = workflow(&forge).demanding(quorum("2-of-2"), None).unwrap();
    yes(&with(&hashed(&payload), &whole(&payload)), &both);
    yes(&with(&whole(&payload), &hashed(&payload)), &both);
    yes(&with(&hashed(&payload), &Log::v2_body(&sha256(&pae(&payload)), &signature, &by)), &both);
    let other = statement(&Digest::sha256(b"x"), SLSA, json!({}));
    for wrong in [with(&hashed(&other), &whole(&payload)), with(&hashed(&payload), &whole(&other))] {
        assert!(ask(&wrong, &both).is_err());
        assert!(ask(&wrong, &workflow(&forge)).is_err());
    }
    for key in Any::all() {
        let signature = key.sign(&pae(&payload));
        let mut bundle = crate::lab::bundle(&payload, &signature, "");
        let spki = key.spki();
        let dsse = Log::envelope_body(&payload, &signature, &By::Spki(&spki));
        let entries = [key.body(&pae(&payload), &signature, Form::Hashed), dsse];
        let entries =
            [forge.logs[0].entry(&entries[0], SIGNED_AT), forge.logs[1].entry(&entries[1], SIGNED_AT)];
        bundle["verificationMaterial"]["tlogEntries"] = json!(entries);
        yes(&bundle, &key.authority().trusting(forge.trust()).demanding(quorum("2-of-2"), None).unwrap());
    }
}

/// A private PKI asks for logs and timestamps by number, too.
#[test]
fn quorums_of_a_private_pki() {
    let forge = with_rsa();
    let bundle = |logs: &[usize], stampers: &[usize]| {
        let signature = crate::pki::sign(FILE);
        let der = crate::pki::leaf_der();
        let body = Log::hashed_body(&sha256(FILE), &signature, &By::Certificate(&der));
        let entries: Vec<Value> = logs.iter().map(|log| forge.logs[*log].entry(&body, SIGNED_AT)).collect();
        let stamps: Vec<Value> = stampers
            .iter()
            .map(|tsa| json!({ "signedTimestamp": b64(forge.stampers[*tsa].stamp(&signature, SIGNED_AT)) }))
            .collect();
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": b64(&der) },
                "tlogEntries": entries,
                "timestampVerificationData": { "rfc3161Timestamps": stamps },
            },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": b64(sha256(FILE)) },
                "signature": b64(&signature),
            },
        })
    };
    let asked = |logs: Option<Quorum>, stamps: Option<Quorum>| {
        release_with(Some(forge.trust())).demanding(logs, stamps).unwrap()
    };
    // Without a word: whichever proves when.
    yes(&bundle(&[0], &[]), &asked(None, None));
    yes(&bundle(&[], &[2]), &asked(None, None));
    no(&bundle(&[], &[]), &asked(None, None), Refusal::TimestampMissing, "");
    yes(&bundle(&[0], &[]), &asked(quorum("required"), None));
    no(&bundle(&[], &[0]), &asked(quorum("required"), None), Refusal::LogEntryMissing, "");
    yes(&bundle(&[0, 1], &[0, 2]), &asked(quorum("2-of-2"), quorum("2-of-3")));
    no(&bundle(&[0, 0], &[0]), &asked(quorum("2-of-2"), None), Refusal::LogEntryMissing, "1 of 2");
    no(
        &bundle(&[0], &[2, 2]),
        &asked(quorum("required"), quorum("2-of-3")),
        Refusal::TimestampMissing,
        "1 of 2",
    );
    yes(&bundle(&[], &[0]), &asked(quorum("none"), quorum("required")));
    no(&bundle(&[0], &[]), &asked(quorum("none"), quorum("required")), Refusal::TimestampMissing, "");
    let error = release_with(None).demanding(quorum("required"), None).unwrap_err();
    assert!(error.why.contains("without a trusted root"), "{error}");
    assert!(now() > SIGNED_AT.parse().unwrap());
}
