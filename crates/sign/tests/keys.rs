//! Keys through the public face: made, read, refused by name, and cosign's own files.

// Helpers outside of test functions may unwrap like these.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use seaworthy_sign::key::KEY_FILE_BYTES;
use seaworthy_sign::{Algorithm, ErrorKind, KeyFile, Payload, PrivateKey, PublicKey, Secret};
use std::path::PathBuf;

fn testdata(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const ALL: [Algorithm; 5] = [
    Algorithm::EcdsaP256,
    Algorithm::EcdsaP384,
    Algorithm::EcdsaP521,
    Algorithm::Rsa2048,
    Algorithm::Ed25519,
];

const MESSAGE: Payload<'_> = Payload::Blob(b"ahoy");

/// A key in cosign's format with other contents: the JSON inside is edited as text.
fn edited(pem: &str, from: &str, to: &str) -> String {
    let body: String = pem.lines().filter(|l| !l.starts_with("-----")).collect();
    let json = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
    assert!(json.contains(from), "{json}");
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    let body = STANDARD.encode(json.replacen(from, to, 1));
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn every_algorithm_survives_every_wrapping() {
    for algorithm in ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let plain = key.to_pkcs8_pem().unwrap();
        let sealed = key.to_encrypted_pem(&Secret::from("sesame")).unwrap();
        let password = Secret::from("sesame");
        for read in [
            PrivateKey::from_pem(plain.expose(), None).unwrap(),
            PrivateKey::from_pem(sealed.as_bytes(), Some(&password)).unwrap(),
            PrivateKey::from_pkcs8_der(key.to_pkcs8_der().unwrap().expose()).unwrap(),
        ] {
            assert_eq!(read.algorithm(), algorithm);
            assert_eq!(read.public_key(), key.public_key());
            let signature = read.sign(&MESSAGE).unwrap();
            key.public_key().verify(&MESSAGE, &signature).unwrap();
            if !matches!(algorithm, Algorithm::EcdsaP384 | Algorithm::EcdsaP521) {
                assert_eq!(signature, key.sign(&MESSAGE).unwrap(), "signing is deterministic");
            }
        }
        let public = PublicKey::from_pem(key.public_key().to_pem().as_bytes()).unwrap();
        assert_eq!(&public, key.public_key());
        assert_eq!(PublicKey::from_spki_der(public.as_spki_der()).unwrap(), public);
        assert_ne!(PrivateKey::generate(algorithm).unwrap().public_key(), key.public_key());
    }
}

#[test]
fn a_signature_verifies_for_its_message_and_key_alone() {
    for algorithm in ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let other = PrivateKey::generate(algorithm).unwrap();
        let signature = key.sign(&MESSAGE).unwrap();
        let refused = |key: &PrivateKey, message: Payload<'_>, signature: &[u8]| {
            matches!(key.public_key().verify(&message, signature).unwrap_err().kind, ErrorKind::SelfCheck(_))
        };
        assert!(refused(&other, MESSAGE, &signature));
        assert!(refused(&key, Payload::Blob(b"ahoj"), &signature));
        assert!(refused(&key, Payload::Dsse { payload_type: "t", payload: b"ahoy" }, &signature));
        assert!(refused(&key, MESSAGE, b""));
        for at in 0..signature.len() {
            let mut bad = signature.clone();
            bad[at] ^= 1;
            assert!(refused(&key, MESSAGE, &bad), "{algorithm}: byte {at}");
        }
    }
}

#[test]
fn the_bytes_under_a_dsse_signature_are_the_pae() {
    // The example of the DSSE protocol.
    let payload = Payload::Dsse { payload_type: "http://example.com/HelloWorld", payload: b"hello world" };
    assert_eq!(&*payload.message(), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let signature = key.sign(&payload).unwrap();
    key.public_key().verify(&Payload::Blob(&payload.message()), &signature).unwrap();
}

#[test]
fn what_openssl_writes_is_read() {
    let sec1 = PrivateKey::from_pem(&testdata("keys/openssl/sec1.pem"), None).unwrap();
    let pkcs8 = PrivateKey::from_pem(&testdata("keys/openssl/p8.pem"), None).unwrap();
    let public = PublicKey::from_pem(&testdata("keys/openssl/sec1.pub.pem")).unwrap();
    assert_eq!(sec1.algorithm(), Algorithm::EcdsaP256);
    assert_eq!((sec1.public_key(), pkcs8.public_key()), (&public, &public));
    assert_eq!(public.to_pem().as_bytes(), testdata("keys/openssl/sec1.pub.pem"));
    let ed = PrivateKey::from_pem(&testdata("keys/openssl/ed.pem"), None).unwrap();
    assert_eq!(ed.algorithm(), Algorithm::Ed25519);
    assert_eq!(ed.to_pkcs8_pem().unwrap().expose(), testdata("keys/openssl/ed.pem"), "the same form");
    assert_eq!(KeyFile::of(&testdata("keys/openssl/ed.pem")).unwrap(), KeyFile::Plain);
}

#[test]
fn every_kind_that_openssl_writes_signs() {
    for (name, forms, algorithm) in [
        ("secp384r1", ["sec1", "p8"], Algorithm::EcdsaP384),
        ("secp521r1", ["sec1", "p8"], Algorithm::EcdsaP521),
        ("rsa2048", ["pkcs1", "p8"], Algorithm::Rsa2048),
    ] {
        let public = PublicKey::from_pem(&testdata(&format!("keys/openssl/{name}.pub.pem"))).unwrap();
        assert_eq!(public.algorithm(), algorithm);
        assert_eq!(
            public.to_pem().as_bytes(),
            testdata(&format!("keys/openssl/{name}.pub.pem")),
            "the same form"
        );
        for form in forms {
            let key =
                PrivateKey::from_pem(&testdata(&format!("keys/openssl/{name}.{form}.pem")), None).unwrap();
            assert_eq!(key.public_key(), &public, "{name}.{form}");
            let digest = MESSAGE.digest(algorithm.hash());
            let signature = key.sign_digest(&digest).unwrap();
            public.verify(&MESSAGE, &signature).unwrap();
            public.verify_digest(&digest, &signature).unwrap();
            assert!(key.sign_digest(&digest[1..]).is_err(), "a digest of another hash");
        }
    }
}

#[test]
fn only_the_lengths_of_rsa_that_cosign_takes() {
    let name_of = |e: seaworthy_sign::Error| match e.kind {
        ErrorKind::UnsupportedKey(name) => name,
        other => panic!("{other}"),
    };
    for bits in ["1024", "2560", "2047"] {
        let public = PublicKey::from_pem(&testdata(&format!("keys/openssl/rsa{bits}.pub.pem")));
        assert!(name_of(public.unwrap_err()).contains(&format!("{bits} bits")));
        assert!(PrivateKey::from_pem(&testdata(&format!("keys/openssl/rsa{bits}.p8.pem")), None).is_err());
    }
    let weak = PublicKey::from_pem(&testdata("keys/openssl/rsa-e3.pub.pem"));
    assert!(name_of(weak.unwrap_err()).contains("exponent"));
}

#[test]
fn other_algorithms_are_refused_by_name() {
    let cases = [("secp224r1", "P-224"), ("secp256k1", "secp256k1")];
    let name_of = |e: seaworthy_sign::Error| match e.kind {
        ErrorKind::UnsupportedKey(name) => name,
        other => panic!("{other}"),
    };
    for (curve, name) in cases {
        for form in ["sec1", "p8"] {
            let pem = testdata(&format!("keys/openssl/{curve}.{form}.pem"));
            let refused = name_of(PrivateKey::from_pem(&pem, None).unwrap_err());
            assert!(refused.contains(name), "{curve}.{form}: {refused}");
        }
        let pem = testdata(&format!("keys/openssl/{curve}.pub.pem"));
        assert!(name_of(PublicKey::from_pem(&pem).unwrap_err()).contains(name));
    }
    for (file, name) in [
        ("x25519.pem", "X25519"),
        ("p8enc.pem", "encrypted PKCS#8"),
        ("sec1enc.pem", "OpenSSL's old headers"),
    ] {
        let error = PrivateKey::from_pem(&testdata(&format!("keys/openssl/{file}")), None).unwrap_err();
        assert!(error.hint.is_some(), "{file}: a remedy is named");
        let refused = name_of(error);
        assert!(refused.contains(name), "{file}: {refused}");
    }
}

#[test]
fn what_is_no_single_key_is_refused() {
    let key = testdata("keys/openssl/p8.pem");
    let public = testdata("keys/openssl/sec1.pub.pem");
    let certificate = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_vec();
    let why = |e: seaworthy_sign::Error| match e.kind {
        ErrorKind::BrokenKey(why) => why,
        other => panic!("{other}"),
    };
    let private = |pem: &[u8]| why(PrivateKey::from_pem(pem, None).unwrap_err());
    assert!(private(&[key.clone(), key.clone()].concat()).contains("more than one"));
    assert!(private(&public).contains("public key"));
    assert!(private(b"").contains("no PEM block"));
    assert!(private(b"\xff\xfe").contains("no text"));
    assert!(private(&key[..key.len() - 30]).contains("end"));
    assert!(private(b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n").contains("base64"));
    let public = |pem: &[u8]| why(PublicKey::from_pem(pem).unwrap_err());
    assert!(public(&key).contains("private key"));
    assert!(public(&certificate).contains("certificate"));
    assert!(public(&[certificate.clone(), certificate].concat()).contains("more than one"));
}

#[test]
fn key_files_are_bounded_at_limit_plus_one() {
    let mut pem = testdata("keys/openssl/p8.pem");
    pem.resize(KEY_FILE_BYTES, b'\n');
    PrivateKey::from_pem(&pem, None).unwrap();
    pem.push(b'\n');
    let error = PrivateKey::from_pem(&pem, None).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "KEY_FILE_BYTES", value: 65_536 }));
    let error = PublicKey::from_pem(&pem).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "KEY_FILE_BYTES", .. }));
}

#[test]
fn keys_that_cosign_made_are_read() {
    for (name, password) in
        [("cosign", "seaworthy-test"), ("second", "seaworthy-test"), ("empty-password", "")]
    {
        let pem = testdata(&format!("interop/cosign-3/keys/{name}.key"));
        assert_eq!(KeyFile::of(&pem).unwrap(), KeyFile::Encrypted);
        let key = PrivateKey::from_pem(&pem, Some(&Secret::from(password))).unwrap();
        let public = PublicKey::from_pem(&testdata(&format!("interop/cosign-3/keys/{name}.pub"))).unwrap();
        assert_eq!(key.public_key(), &public, "{name}");
    }
}

#[test]
fn the_test_keys_open_with_the_empty_password() {
    for name in ["demo", "other", "ed25519"] {
        let pem = testdata(&format!("keys/{name}.key"));
        let key = PrivateKey::from_pem(&pem, Some(&Secret::from(""))).unwrap();
        let public = PublicKey::from_pem(&testdata(&format!("keys/{name}.pub"))).unwrap();
        assert_eq!(key.public_key(), &public, "{name}");
    }
}

#[test]
fn a_wrong_password_is_not_a_broken_file() {
    let pem = testdata("keys/demo.key");
    let text = String::from_utf8(pem.clone()).unwrap();
    let open = |pem: &[u8]| PrivateKey::from_pem(pem, Some(&Secret::from("")));
    let wrong = PrivateKey::from_pem(&pem, Some(&Secret::from("guess"))).unwrap_err();
    assert!(matches!(wrong.kind, ErrorKind::WrongPassword));
    assert!(matches!(PrivateKey::from_pem(&pem, None).unwrap_err().kind, ErrorKind::PasswordNeeded));
    let old = text.replace("SIGSTORE", "COSIGN");
    open(old.as_bytes()).unwrap();
    for (from, to) in [
        ("\"scrypt\"", "\"argon2\""),
        ("nacl/secretbox", "aes"),
        ("\"salt\":\"", "\"salt\":\"!"),
        ("\"salt\":\"", "\"salt\":\"AAAA"),
        ("\"nonce\":\"", "\"nonce\":\"AAAA"),
        ("\"N\":65536", "\"N\":-1"),
        ("\"N\":65536", "\"N\":65536,\"N\":65536"),
        ("\"r\":8", "\"r\":\"8\""),
        ("{", "["),
    ] {
        let error = open(edited(&text, from, to).as_bytes()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BrokenKey(_)), "{from} -> {to}: {error}");
    }
}

#[test]
fn hostile_derivation_parameters_are_refused_before_any_work() {
    let text = String::from_utf8(testdata("keys/demo.key")).unwrap();
    for (from, to) in [
        // 2^40 blocks of 1 KiB: a run would end in a failed allocation, not in this error.
        ("\"N\":65536", "\"N\":1099511627776"),
        ("\"N\":65536", "\"N\":18446744073709551615"),
        ("\"N\":65536", "\"N\":262144"),
        ("\"N\":65536", "\"N\":65535"),
        ("\"N\":65536", "\"N\":0"),
        ("\"N\":65536", "\"N\":16384"),
        ("\"r\":8", "\"r\":9"),
        ("\"r\":8", "\"r\":4294967295"),
        ("\"p\":1", "\"p\":2"),
        ("\"p\":1", "\"p\":0"),
    ] {
        let pem = edited(&text, from, to);
        let error = PrivateKey::from_pem(pem.as_bytes(), Some(&Secret::from(""))).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::KdfRefused { .. }), "{to}: {error}");
    }
    // The other two costs are run: the password does not fit then, which is known after the work alone.
    for n in ["32768", "131072"] {
        let pem = edited(&text, "\"N\":65536", &format!("\"N\":{n}"));
        let error = PrivateKey::from_pem(pem.as_bytes(), Some(&Secret::from(""))).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::WrongPassword), "{n}: {error}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let key = PrivateKey::from_pem(&testdata("keys/openssl/p8.pem"), None).unwrap();
    let der = key.to_pkcs8_der().unwrap();
    for shown in [format!("{key:?}"), format!("{der:?}"), format!("{:?}", Secret::from("sesame"))] {
        assert!(!shown.contains("sesame"), "{shown}");
        assert!(!shown.contains(&hex::encode(&der.expose()[36..44])), "{shown}");
        assert!(shown.len() < 150, "{shown}");
    }
}

#[test]
fn hint_and_fingerprint_are_the_hash_of_the_spki() {
    let key = PublicKey::from_pem(&testdata("interop/cosign-3/keys/cosign.pub")).unwrap();
    // What cosign wrote into the bundles that this key signed.
    assert_eq!(key.hint(), "XC6OvyNLpEVVtmg6yrHzBalxKTAhuqwRDCxnnP3y7AA=");
    let hash = STANDARD.decode(key.hint()).unwrap();
    assert_eq!(key.fingerprint(), format!("sha256:{}", hex::encode(hash)));
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "(-----(BEGIN|END) )?(PRIVATE KEY|EC PRIVATE KEY|ENCRYPTED SIGSTORE PRIVATE KEY|PUBLIC KEY|.{0,12})?(-----)?\n?.{0,80}\n(-----END .{0,30}-----)?") {
        let _ = PrivateKey::from_pem(text.as_bytes(), Some(&Secret::from("")));
        let _ = PublicKey::from_pem(text.as_bytes());
        let _ = KeyFile::of(text.as_bytes());
    }

    #[test]
    fn a_changed_key_is_read_as_a_key_or_refused(at in 0usize..138, to in any::<u8>()) {
        let whole = PrivateKey::from_pem(&testdata("keys/openssl/p8.pem"), None).unwrap();
        let mut der = whole.to_pkcs8_der().unwrap().expose().to_vec();
        prop_assume!(der[at] != to);
        der[at] = to;
        // The public half stands in the file too: no change of either half can go unseen.
        prop_assert!(PrivateKey::from_pkcs8_der(&der).is_err());
    }

    #[test]
    fn a_changed_public_key_is_never_the_same_key(at in 0usize..91, to in any::<u8>()) {
        let whole = PublicKey::from_pem(&testdata("keys/openssl/sec1.pub.pem")).unwrap();
        let mut der = whole.as_spki_der().to_vec();
        prop_assume!(der[at] != to);
        der[at] = to;
        if let Ok(read) = PublicKey::from_spki_der(&der) {
            prop_assert_ne!(read, whole);
        }
    }

    #[test]
    fn no_body_makes_the_reader_of_cosigns_format_panic(
        n in prop_oneof![Just(0u64), Just(1), any::<u64>().prop_map(|n| n | 1)],
        salt in "[A-Za-z0-9+/]{0,44}={0,2}",
        junk in ".{0,30}",
    ) {
        let body = format!(
            r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":8,"p":1}},"salt":"{salt}"}},"cipher":{{"name":"nacl/secretbox","nonce":""}},"ciphertext":""}}{junk}"#
        );
        let label = "ENCRYPTED COSIGN PRIVATE KEY";
        let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(body));
        let error = PrivateKey::from_pem(pem.as_bytes(), Some(&Secret::from(""))).unwrap_err();
        let refused = matches!(error.kind, ErrorKind::KdfRefused { .. } | ErrorKind::BrokenKey(_));
        prop_assert!(refused, "{}", error);
    }

    #[test]
    fn random_bytes_are_no_key(der in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = PrivateKey::from_pkcs8_der(&der);
        let _ = PublicKey::from_spki_der(&der);
    }
}
