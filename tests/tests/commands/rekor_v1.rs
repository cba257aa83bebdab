//! A transparency log as Rekor v1 is: promises (signed entry timestamps), proofs of inclusion under a signed
//! checkpoint, one entry for the same thing, and nothing taken whose signature is not good.

use super::fake::{Answer, Fake, Request, json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_authority::log::tree::{Tree, leaf_hash};
use seaworthy_sign::keyless::Certificate;
use seaworthy_sign::{Algorithm, Payload, PrivateKey, PublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex};

pub const ENTRIES: &str = "/api/v1/log/entries";
/// The number of the tree, which is part of the name of its checkpoints.
const TREE: &str = "1193050959916656506";

#[derive(Default)]
struct State {
    tree: Tree,
    /// Body, time, and what is asked for it by.
    entries: Vec<(Vec<u8>, i64, String)>,
    /// Answers that are lost on their way: the entry is made.
    lost: usize,
}

pub struct RekorV1 {
    pub server: Fake,
    key: Arc<PrivateKey>,
    state: Arc<Mutex<State>>,
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn id(body: &[u8]) -> String {
    format!("{:0>16}{}", "1", hex(&leaf_hash(body)))
}

/// The key that `pem` (base64) holds or certifies.
fn key_of(pem: &Value) -> Option<PublicKey> {
    let pem = String::from_utf8(STANDARD.decode(pem.as_str()?).ok()?).ok()?;
    match Certificate::from_pem(&pem) {
        Ok(certificate) => PublicKey::from_spki_der(certificate.spki()).ok(),
        Err(_) => PublicKey::from_pem(pem.as_bytes()).ok(),
    }
}

/// What is logged of a proposal, in canonical form (the members sorted); `None` where its signature is not good.
fn body(proposed: &Value) -> Option<Vec<u8>> {
    let spec = &proposed["spec"];
    let bytes = |value: &Value| STANDARD.decode(value.as_str()?).ok();
    let spec = match proposed["kind"].as_str()? {
        "hashedrekord" => {
            let key = key_of(&spec["signature"]["publicKey"]["content"])?;
            let hash = spec["data"]["hash"]["value"].as_str()?;
            let bytes_of = |name: &str| {
                Some(match name {
                    "sha256" => 32,
                    "sha384" => 48,
                    "sha512" => 64,
                    _ => return None,
                })
            };
            let length = bytes_of(spec["data"]["hash"]["algorithm"].as_str()?)?;
            if hash.len() != 2 * length {
                return None;
            }
            let digest: Vec<u8> = (0..length)
                .map(|i| u8::from_str_radix(hash.get(2 * i..2 * i + 2)?, 16).ok())
                .collect::<Option<_>>()?;
            key.verify_digest(&digest, &bytes(&spec["signature"]["content"])?).ok()?;
            spec.clone()
        }
        "dsse" => {
            let text = spec["proposedContent"]["envelope"].as_str()?;
            // As the public one: it stores what it is sent, and knows SHA-256 here.
            let envelope: Value = serde_json::from_str(text).ok()?;
            if text.len() > 200 << 10 {
                return None;
            }
            let verifier = &spec["proposedContent"]["verifiers"][0];
            let (payload, signature) =
                (bytes(&envelope["payload"])?, bytes(&envelope["signatures"][0]["sig"])?);
            let payload_type = envelope["payloadType"].as_str()?;
            let key = key_of(verifier)?;
            if matches!(key.algorithm(), Algorithm::EcdsaP384 | Algorithm::EcdsaP521) {
                return None;
            }
            key.verify(&Payload::Dsse { payload_type, payload: &payload }, &signature).ok()?;
            json!({
                "envelopeHash": { "algorithm": "sha256", "value": sha256_hex(text.as_bytes()) },
                "payloadHash": { "algorithm": "sha256", "value": sha256_hex(&payload) },
                "signatures": [{ "signature": envelope["signatures"][0]["sig"], "verifier": verifier }],
            })
        }
        _ => return None,
    };
    let entry = json!({ "apiVersion": "0.0.1", "kind": proposed["kind"], "spec": spec });
    Some(entry.to_string().into_bytes())
}

impl State {
    fn shown(&self, at: usize, key: &PrivateKey) -> Value {
        let (body, time, id) = &self.entries[at];
        let spki = key.public_key().as_spki_der();
        let log_id = sha256_hex(spki);
        let sign = |text: &str| key.sign(&Payload::Blob(text.as_bytes())).unwrap();
        let body = STANDARD.encode(body);
        let promised = json!({ "body": body, "integratedTime": time, "logID": log_id, "logIndex": at });
        let size = self.tree.size();
        let root = self.tree.root(size).unwrap();
        let note = format!("127.0.0.1 - {TREE}\n{size}\n{}\n", STANDARD.encode(root));
        let named = [&Sha256::digest(spki)[..4], &sign(&note)].concat();
        let checkpoint = format!("{note}\n\u{2014} 127.0.0.1 {}\n", STANDARD.encode(named));
        let hashes: Vec<String> =
            self.tree.inclusion(at as u64, size).unwrap().iter().map(|hash| hex(hash)).collect();
        json!({ id: {
            "body": body, "integratedTime": time, "logID": log_id, "logIndex": at,
            "verification": {
                "signedEntryTimestamp": STANDARD.encode(sign(&promised.to_string())),
                "inclusionProof": {
                    "checkpoint": checkpoint, "hashes": hashes, "logIndex": at, "rootHash": hex(&root), "treeSize": size,
                },
            },
        } })
    }

    fn answer(&mut self, request: &Request, key: &PrivateKey) -> Answer {
        if let Some(wanted) = request.path().strip_prefix(&format!("{ENTRIES}/")) {
            return match self.entries.iter().position(|(_, _, id)| id == wanted) {
                Some(at) => json(200, &self.shown(at, key)),
                None => json(404, &json!({ "message": "no such entry" })),
            };
        }
        let proposed: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(body) = body(&proposed).filter(|_| request.path() == ENTRIES && request.method == "POST")
        else {
            return json(400, &json!({ "code": 400, "message": "error processing entry: its signature" }));
        };
        let id = id(&body);
        if self.entries.iter().any(|(_, _, known)| *known == id) {
            let location = vec![("Location", format!("{ENTRIES}/{id}"))];
            return Some((
                409,
                location,
                br#"{"code":409,"message":"an equivalent entry already exists"}"#.to_vec(),
            ));
        }
        let time =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        self.tree.push(leaf_hash(&body));
        self.entries.push((body, time, id));
        if self.lost > 0 {
            self.lost -= 1;
            return None;
        }
        json(201, &self.shown(self.entries.len() - 1, key))
    }
}

impl RekorV1 {
    pub fn start() -> Self {
        let key = Arc::new(PrivateKey::generate(Algorithm::EcdsaP256).unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let (k, s) = (Arc::clone(&key), Arc::clone(&state));
        let server = Fake::start(move |request| s.lock().unwrap().answer(request, &k));
        Self { server, key, state }
    }

    /// How many entries it holds.
    pub fn size(&self) -> usize {
        self.state.lock().unwrap().entries.len()
    }

    /// Loses the answers to the next `times` entries.
    pub fn lose(&self, times: usize) {
        self.state.lock().unwrap().lost = times;
    }

    /// What a trusted root says of it.
    pub fn trusted(&self) -> Value {
        let spki = self.key.public_key().as_spki_der();
        json!({
            "baseUrl": self.server.url,
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": STANDARD.encode(spki),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": { "start": "2020-01-01T00:00:00Z" },
            },
            "logId": { "keyId": STANDARD.encode(Sha256::digest(spki)) },
        })
    }
}
