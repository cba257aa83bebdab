//! A plugin in sigstore's protocol, for tests: private keys in a drawer, that is, in a folder.
//!
//! `drawer://NAME` is the key `$DRAWER/NAME.key` (`drawer` in the working folder without the variable). It
//! speaks version `v1` as a plugin should, from `sigstore-kms-drawer` for other programs (cosign) and from
//! within a test binary for `cargo test`. `DRAWER_MISBEHAVES` makes it a plugin that nobody wants:
//! `Misbehaviour`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_sign::{Algorithm, PrivateKey, PublicKey};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::PathBuf;

/// What a bad plugin does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Misbehaviour {
    /// Never answers, with a child that holds its standard output open; its number goes to `stalled` beside
    /// the keys.
    Stall,
    /// Writes something that is not the protocol.
    Garbage,
    /// Answers a question that was not asked.
    OtherAnswer,
    /// Signs something else.
    WrongSignature,
    /// Says nothing and leaves with exit code 3, after words on standard error.
    Exit,
    /// Refuses, with control characters in its reason.
    Refuse,
    /// Answers well and leaves with exit code 1, which the protocol says nothing about.
    BadExit,
    /// Answers well, without having read what it was to sign.
    Deaf,
    /// Lists the environment that it was given, as a refusal.
    Tell,
    /// Makes its answer so long with white space.
    Padded(usize),
    /// Names a key of an algorithm that nobody uses for this.
    StrangeKey,
    /// Gives another key's public half each time.
    Fickle,
}

impl Misbehaviour {
    fn of(text: &str) -> Self {
        match text {
            "stall" => Self::Stall,
            "garbage" => Self::Garbage,
            "other-answer" => Self::OtherAnswer,
            "wrong-signature" => Self::WrongSignature,
            "exit" => Self::Exit,
            "refuse" => Self::Refuse,
            "bad-exit" => Self::BadExit,
            "deaf" => Self::Deaf,
            "tell" => Self::Tell,
            "strange-key" => Self::StrangeKey,
            "fickle" => Self::Fickle,
            other => Self::Padded(other.strip_prefix("padded:").unwrap().parse().unwrap()),
        }
    }
}

/// Algorithms that it makes keys of; the first one is the default.
const ALGORITHMS: [&str; 5] = ["p256", "p384", "p521", "rsa-2048", "ed25519"];

/// A public key on P-224.
const STRANGE: &str = "-----BEGIN PUBLIC KEY-----\nME4wEAYHKoZIzj0CAQYFK4EEACEDOgAEtw4MvWs7S7l/MhHWVpBTyQ5uxbUyFoFX\nPDYjMMSo4m6J3JXXEp2IUSBOHE0W0ZhgmlrVgYo8Rgo=\n-----END PUBLIC KEY-----\n";

/// Answers one call. `call` is the plugin's second argument. Gives the exit code.
pub fn answer(version: &str, call: &str, stdin: &mut dyn Read, stdout: &mut dyn Write) -> i32 {
    let misbehaviour = std::env::var("DRAWER_MISBEHAVES").ok().map(|text| Misbehaviour::of(&text));
    // Some start to be bad when it matters.
    let signs = call.contains("\"methodName\":\"signMessage\"");
    let late = std::env::var_os("DRAWER_ONLY_SIGNING").is_some();
    let misbehaviour = misbehaviour.filter(|_| signs || !late);
    let mut message = Vec::new();
    if misbehaviour != Some(Misbehaviour::Deaf) {
        stdin.read_to_end(&mut message).unwrap();
    }
    match &misbehaviour {
        Some(Misbehaviour::Stall) => {
            let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
            std::fs::write(drawer().join("stalled"), child.id().to_string()).unwrap();
            child.wait().unwrap();
            return 0;
        }
        Some(Misbehaviour::Garbage) => {
            stdout.write_all(b"logging in... {").unwrap();
            return 0;
        }
        Some(Misbehaviour::Exit) => {
            eprint_line("the drawer\u{1b}[31m is locked");
            return 3;
        }
        _ => {}
    }
    let mut response = match version {
        "v1" => respond(call, &message, misbehaviour.as_ref()),
        other => Err(format!("no version {other} here")),
    }
    .unwrap_or_else(|why| json!({ "errorMessage": why }))
    .to_string();
    if let Some(Misbehaviour::Padded(length)) = misbehaviour {
        response.push_str(&" ".repeat(length.saturating_sub(response.len())));
    }
    // The other end may have had enough.
    let _ = stdout.write_all(response.as_bytes());
    i32::from(misbehaviour == Some(Misbehaviour::BadExit))
}

fn eprint_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn drawer() -> PathBuf {
    std::env::var_os("DRAWER").map_or_else(|| "drawer".into(), PathBuf::from)
}

fn respond(call: &str, message: &[u8], misbehaviour: Option<&Misbehaviour>) -> Result<Value, String> {
    let call: Value = serde_json::from_str(call).map_err(|e| e.to_string())?;
    let init = &call["initOptions"];
    assert_eq!(init["protocolVersion"], "v1");
    let name = init["keyResourceID"].as_str().ok_or("no key is named")?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(format!("'{name}' is no name of a key in this drawer"));
    }
    let path = drawer().join(format!("{name}.key"));
    let open = || {
        let pem = std::fs::read(&path).map_err(|_| format!("there is no key {name} in this drawer"))?;
        PrivateKey::from_pem(&pem, None).map_err(|e| e.to_string())
    };
    let public = |key: &PublicKey| json!({ "publicKeyPEM": STANDARD.encode(key.to_pem()) });
    let method = call["methodName"].as_str().ok_or("no method is named")?;
    match misbehaviour {
        Some(Misbehaviour::OtherAnswer) => return Ok(json!({ "somethingElse": {} })),
        Some(Misbehaviour::Refuse) => return Err("the drawer is\n\u{1b}[2Jlocked for today".into()),
        Some(Misbehaviour::Tell) => {
            let names: Vec<String> =
                std::env::vars_os().map(|(k, _)| k.to_string_lossy().into_owned()).collect();
            return Err(names.join(" "));
        }
        Some(Misbehaviour::StrangeKey) => {
            return Ok(json!({ "publicKey": { "publicKeyPEM": STANDARD.encode(STRANGE) } }));
        }
        _ => {}
    }
    let arguments = &call[method];
    let result = match method {
        "defaultAlgorithm" => json!({ "defaultAlgorithm": ALGORITHMS[0] }),
        "supportedAlgorithms" => json!({ "supportedAlgorithms": ALGORITHMS }),
        "createKey" => {
            let algorithm: Algorithm =
                arguments["algorithm"].as_str().unwrap_or_default().parse().map_err(|e| format!("{e}"))?;
            if path.exists() {
                return Err(format!("{name} is in this drawer already"));
            }
            let key = PrivateKey::generate(algorithm).map_err(|e| e.to_string())?;
            std::fs::create_dir_all(drawer()).map_err(|e| e.to_string())?;
            let pem = key.to_pkcs8_pem().map_err(|e| e.to_string())?;
            std::fs::write(&path, pem.expose()).map_err(|e| e.to_string())?;
            public(key.public_key())
        }
        "publicKey" if misbehaviour == Some(&Misbehaviour::Fickle) => {
            let other = PrivateKey::generate(Algorithm::EcdsaP256).map_err(|e| e.to_string())?;
            public(other.public_key())
        }
        "publicKey" => public(open()?.public_key()),
        "signMessage" => {
            let options = &arguments["signOptions"]["messageOptions"];
            let mut signed = message.to_vec();
            if misbehaviour == Some(&Misbehaviour::WrongSignature) {
                signed.push(b'!');
            }
            let key = open()?;
            let signature = match options["digest"].as_str() {
                Some(digest) if misbehaviour != Some(&Misbehaviour::WrongSignature) => {
                    key.sign_digest(&STANDARD.decode(digest).map_err(|e| e.to_string())?)
                }
                _ => key.sign(&seaworthy_sign::Payload::Blob(&signed)),
            }
            .map_err(|e| e.to_string())?;
            json!({ "signature": STANDARD.encode(signature) })
        }
        "verifySignature" => {
            let signature = arguments["signature"].as_str().ok_or("no signature")?;
            let signature = STANDARD.decode(signature).map_err(|e| e.to_string())?;
            let key = open()?;
            match arguments["verifyOptions"]["messageOptions"]["digest"].as_str() {
                Some(digest) => {
                    let digest = STANDARD.decode(digest).map_err(|e| e.to_string())?;
                    key.public_key().verify_digest(&digest, &signature)
                }
                None => key.public_key().verify(&seaworthy_sign::Payload::Blob(message), &signature),
            }
            .map_err(|e| e.to_string())?;
            json!({})
        }
        other => return Err(format!("no method {other} here")),
    };
    Ok(json!({ method: result }))
}
