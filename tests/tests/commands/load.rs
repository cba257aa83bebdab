//! An authority that is killed while clients sign against it. `benches/authority` does it with 50 clients and 10,000
//! signings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_sign::{Algorithm, Payload, PrivateKey};
use seaworthy_tests::authority::{Served, ask, entries};
use seaworthy_tests::merkle;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const WHO: &str = "load@example.com";
const CLIENTS: usize = 8;
const SIGNINGS: usize = 64;
const KILLS: usize = 3;

/// Again and again, until it is answered: the authority may be gone for a moment.
fn post(address: SocketAddr, path: &str, body: &[u8], wanted: u16) -> Vec<u8> {
    for _ in 0..2_000 {
        match ask(address, "POST", path, body) {
            Some((status, answer)) if status == wanted => return answer,
            Some((503 | 429, _)) | None => std::thread::sleep(Duration::from_millis(20)),
            Some((status, answer)) => panic!("{path}: {status} {}", String::from_utf8_lossy(&answer)),
        }
    }
    panic!("{path} is never answered");
}

fn sign(address: SocketAddr, token: &str, n: usize) -> Value {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let signed = |bytes: &[u8]| STANDARD.encode(key.sign(&Payload::Blob(bytes)).unwrap());
    let request = json!({
        "credentials": { "oidcIdentityToken": token },
        "publicKeyRequest": {
            "publicKey": { "algorithm": "ECDSA", "content": key.public_key().to_pem() },
            "proofOfPossession": signed(WHO.as_bytes()),
        },
    });
    let answer = post(address, "/api/v2/signingCert", request.to_string().as_bytes(), 200);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let leaf = answer["signedCertificateEmbeddedSct"]["chain"]["certificates"][0].as_str().unwrap();
    let raw: String = leaf.lines().filter(|line| !line.starts_with('-')).collect();
    let artifact = format!("artifact {n}");
    let request = json!({ "hashedRekordRequestV002": {
        "digest": STANDARD.encode(Sha256::digest(artifact.as_bytes())),
        "signature": {
            "content": signed(artifact.as_bytes()),
            "verifier": { "x509Certificate": { "rawBytes": raw }, "keyDetails": "PKIX_ECDSA_P256_SHA_256" },
        },
    } });
    let answer = post(address, "/api/v2/log/entries", request.to_string().as_bytes(), 201);
    serde_json::from_slice(&answer).unwrap()
}

#[test]
fn an_authority_that_is_killed_loses_nothing_that_it_acknowledged_and_contradicts_nothing_that_it_said() {
    let dir = tempfile::tempdir().unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_seaworthy"));
    let mut served = Served::start(program, dir.path(), "http://127.0.0.1:8400");
    let token = String::from_utf8(served.token(WHO)).unwrap();
    let address = served.address();
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= SIGNINGS {
                        return;
                    }
                    let answer = sign(address, &token, n);
                    answers.lock().unwrap().push(answer);
                }
            });
        }
        for kill in 1..=KILLS {
            // Bounded, so that clients that broke are a failure and no silence.
            for _ in 0..20_000 {
                if answers.lock().unwrap().len() >= SIGNINGS * kill / (KILLS + 1) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            served.kill();
        }
        // A copy of a moment at which clients are being answered.
        drop(served.output(&["authority", "backup", "--dir", "authority", "--to", "saved"]));
    });

    let answers = answers.into_inner().unwrap();
    assert_eq!(answers.len(), SIGNINGS);
    let all = entries(address);
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "an entry that was sent again is there twice");
    let hash =
        |text: &Value| merkle::Hash::try_from(STANDARD.decode(text.as_str().unwrap()).unwrap()).unwrap();
    for answer in &answers {
        let proof = &answer["inclusionProof"];
        let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
        let (index, size) = (number(&answer["logIndex"]), number(&proof["treeSize"]));
        let body = STANDARD.decode(answer["canonicalizedBody"].as_str().unwrap()).unwrap();
        assert_eq!(all[index as usize], body, "what was acknowledged is where it was said to be");
        let path: Vec<_> = proof["hashes"].as_array().unwrap().iter().map(hash).collect();
        let root = hash(&proof["rootHash"]);
        assert_eq!(merkle::root_of_proof(&body, index, size, &path), Some(root));
        // Every root that was signed is the root over the same first entries of today's log: no two contradict.
        assert_eq!(merkle::root(&all[..size as usize]), root);
        let checkpoint = proof["checkpoint"]["envelope"].as_str().unwrap();
        let lines: Vec<_> = checkpoint.lines().collect();
        assert_eq!((lines[1], lines[2]), (size.to_string().as_str(), STANDARD.encode(root).as_str()));
    }

    let saved = copied(&dir.path().join("saved/log"));
    assert!(saved.len() > SIGNINGS / 2, "{} entries", saved.len());
    assert_eq!(saved, all[..saved.len()], "a backup is the beginning of the log");
    drop(served.output(&["authority", "restore", "--from", "saved", "--dir", "restored"]));
    assert_eq!(copied(&dir.path().join("restored/log-1")), saved);
}

/// The entries that the checkpoint of a log's folder covers, read as the format is documented: a line, then for each
/// entry its length in 32 bits, 32 bytes of hash, and the entry.
fn copied(dir: &std::path::Path) -> Vec<Vec<u8>> {
    let checkpoint = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
    let lines: Vec<_> = checkpoint.lines().collect();
    let bytes = std::fs::read(dir.join("entries")).unwrap();
    let mut rest = bytes.strip_prefix(b"seaworthy log 1\n").unwrap();
    let mut entries = Vec::new();
    while entries.len() < lines[1].parse().unwrap() {
        let (length, after) = rest.split_first_chunk::<4>().unwrap();
        let (entry, after) = after[32..].split_at(u32::from_be_bytes(*length) as usize);
        entries.push(entry.to_vec());
        rest = after;
    }
    assert_eq!(STANDARD.encode(merkle::root(&entries)), lines[2]);
    entries
}
