//! An authority in the test's process, and what a client of Sigstore does with it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use seaworthy_authority::{Authority, Init, Keys, init, token};
use seaworthy_sign::{Algorithm, Payload, PrivateKey, Secret};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::types::Bundle;
use sigstore_verify::{VerificationPolicy, VerificationResult, verify};
use std::path::PathBuf;
use tokio::net::TcpListener;

pub const WHO: &str = "dev@example.org";

pub struct Running {
    pub _home: tempfile::TempDir,
    pub dir: PathBuf,
    pub url: String,
    pub password: Secret,
    pub client: reqwest::Client,
    pub task: tokio::task::JoinHandle<()>,
    pub stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(|text| text).await
    }

    /// Starts an authority whose configuration was edited.
    pub async fn with(edit: impl FnOnce(String) -> String) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("authority");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let password = Secret::from("geheim");
        init(&Init { dir: &dir, url: &url, organization: "test", keys: Keys::Files(&password) }).unwrap();
        let path = dir.join("authority.yaml");
        std::fs::write(&path, edit(std::fs::read_to_string(&path).unwrap())).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let authority = Authority::open(&dir, &password).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            authority.serve(listener, None, async { drop(stopped.await) }).await.unwrap();
        });
        Self { _home: home, dir, url, password, client, task, stop: Some(stop) }
    }

    pub fn token(&self, who: &str) -> String {
        token(&self.dir, &self.password, who, None, 60).unwrap()
    }

    pub async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> (u16, Vec<u8>) {
        let request = self.client.post(format!("{}{path}", self.url)).body(body.into());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The status and the chain, or what was refused.
    pub async fn certificate(
        &self,
        token: &str,
        key: &PrivateKey,
        challenge: &str,
    ) -> Result<Vec<String>, (u16, String)> {
        let proof = key.sign(&Payload::Blob(challenge.as_bytes())).unwrap();
        let request = json!({
            "credentials": { "oidcIdentityToken": token },
            "publicKeyRequest": {
                "publicKey": { "algorithm": "ECDSA", "content": key.public_key().to_pem() },
                "proofOfPossession": STANDARD.encode(proof),
            },
        });
        let (status, body) = self.post("/api/v2/signingCert", request.to_string()).await;
        let answer: Value = serde_json::from_slice(&body).unwrap();
        if status != 200 {
            return Err((status, answer["message"].as_str().unwrap().to_owned()));
        }
        let chain = answer["signedCertificateEmbeddedSct"]["chain"]["certificates"].as_array().unwrap();
        Ok(chain.iter().map(|pem| pem.as_str().unwrap().to_owned()).collect())
    }

    pub async fn entry(&self, request: &Value) -> (u16, Value) {
        let (status, body) = self.post("/api/v2/log/entries", request.to_string()).await;
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// Signs and gives the bundle, in the way that every client of Sigstore does.
    pub async fn sign(&self, who: &str, artifact: &[u8]) -> Value {
        let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
        let chain = self.certificate(&self.token(who), &key, who).await.unwrap();
        let signature = key.sign(&Payload::Blob(artifact)).unwrap();
        let digest = STANDARD.encode(Sha256::digest(artifact));
        let (status, entry) = self.entry(&hashed(&digest, &signature, &chain[0])).await;
        assert_eq!(status, 201, "{entry}");
        let (status, stamp) = self.post("/api/v1/timestamp", stamp_request(&signature)).await;
        assert_eq!(status, 200);
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": der(&chain[0]) },
                "tlogEntries": [entry],
                "timestampVerificationData": {
                    "rfc3161Timestamps": [{ "signedTimestamp": STANDARD.encode(stamp) }],
                },
            },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": digest },
                "signature": STANDARD.encode(&signature),
            },
        })
    }

    pub fn judge(&self, bundle: &Value, artifact: &[u8], who: &str) -> Result<VerificationResult, String> {
        let root = TrustedRoot::from_file(self.dir.join("trusted_root.json")).unwrap();
        self.judge_by(&root, bundle, artifact, who)
    }

    /// By the trusted root of another day.
    pub fn judge_by(
        &self,
        root: &TrustedRoot,
        bundle: &Value,
        artifact: &[u8],
        who: &str,
    ) -> Result<VerificationResult, String> {
        let bundle = Bundle::from_json(&bundle.to_string()).map_err(|e| e.to_string())?;
        let policy = VerificationPolicy::any_identity().require_identity(who).require_issuer(&self.url);
        verify(artifact, &bundle, &policy, root).map_err(|e| e.to_string())
    }

    /// Ends, and starts again on the same address, in another process's place.
    pub async fn restart(&mut self) {
        self.pause().await;
        self.resume().await;
    }

    /// Ends; the folder is nobody's.
    pub async fn pause(&mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
    }

    /// Starts again on the same address.
    pub async fn resume(&mut self) {
        let address = self.url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind(&address).await.unwrap();
        // The writers end a moment after the server and hold the lock until then, for which open() waits.
        let again = Authority::open(&self.dir, &self.password).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        self.stop = Some(stop);
        self.task = tokio::spawn(async move {
            again.serve(listener, None, async { drop(stopped.await) }).await.unwrap();
        });
        self.client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    }

    pub async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
    }
}

/// The body of a PEM block, which is base64 of the DER.
pub fn der(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

pub fn hashed(digest: &str, signature: &[u8], certificate: &str) -> Value {
    json!({ "hashedRekordRequestV002": {
        "digest": digest,
        "signature": {
            "content": STANDARD.encode(signature),
            "verifier": {
                "x509Certificate": { "rawBytes": der(certificate) },
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            },
        },
    } })
}

/// A TimeStampReq over SHA-256 with the certificate wanted, written out byte by byte.
pub fn stamp_request(message: &[u8]) -> Vec<u8> {
    let mut der = vec![0x30, 0x37, 2, 1, 1, 0x30, 0x2f, 0x30, 0x0b, 6, 9];
    der.extend_from_slice(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 4, 0x20]);
    der.extend_from_slice(&Sha256::digest(message));
    der.extend_from_slice(&[1, 1, 0xff]);
    der
}

pub fn jwt(key: &PrivateKey, header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let der = key.sign(&Payload::Blob(message.as_bytes())).unwrap();
    let raw = p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(raw))
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
