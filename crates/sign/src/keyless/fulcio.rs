//! A certificate for a key and an identity (Fulcio's API v2, `POST /api/v2/signingCert`).
//!
//! The token proves the identity; a signature over its subject proves that we hold the key. What comes back
//! is taken only where its first certificate is for our key and valid now; whether the authority is one to
//! trust is the verifier's business.

use super::certificate::Certificate;
use super::http::{Call, Http, Patience};
use super::oidc::Token;
use crate::error::{Error, ErrorKind, Result};
use crate::key::PrivateKey;
use crate::signer::Payload;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use url::Url;
use zeroize::Zeroizing;

/// Certificates in a chain: leaf, intermediates, root.
pub(super) const CHAIN: usize = 8;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    credentials: Credentials<'a>,
    public_key_request: PublicKeyRequest,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credentials<'a> {
    oidc_identity_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyRequest {
    public_key: Key,
    proof_of_possession: String,
}

#[derive(Serialize)]
struct Key {
    algorithm: &'static str,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(alias = "signedCertificateDetachedSct")]
    signed_certificate_embedded_sct: Signed,
}

#[derive(Deserialize)]
struct Signed {
    chain: Chain,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

/// A certificate and the one that issued it.
#[derive(Debug, Clone)]
pub(super) struct Certified {
    pub(super) leaf: Arc<Certificate>,
    /// Who issued it, and who issued that one, as the authority says.
    pub(super) chain: Arc<[Certificate]>,
}

/// Asks the authority at `base` for a certificate.
pub(super) async fn certify(
    http: &Http,
    (base, patience): (&Url, Patience),
    token: &Token,
    key: &PrivateKey,
) -> Result<Certified> {
    let url = super::under(base, "api/v2/signingCert")?;
    let proof = key.sign(&Payload::Blob(token.proof_subject()?.as_bytes()))?;
    let request = Request {
        credentials: Credentials { oidc_identity_token: token.expose()? },
        public_key_request: PublicKeyRequest {
            public_key: Key { algorithm: "ECDSA", content: key.public_key().to_pem() },
            proof_of_possession: STANDARD.encode(proof),
        },
    };
    let body = Zeroizing::new(
        serde_json::to_vec(&request)
            .map_err(|e| Error::new("write", "certificate request", ErrorKind::Local(e.to_string())))?,
    );
    let mut call =
        Call::post(&url, "get a certificate from", "application/json", Bytes::copy_from_slice(&body));
    call.patience = patience;
    let answer = http.call(&call).await?;
    let odd = |why: String| call.error(ErrorKind::Signer(why));
    let response: Response = serde_json::from_slice(&answer.body).map_err(|e| {
        odd(format!("its answer is no certificate: {}", super::http::escaped(&e.to_string())))
    })?;
    let pems = response.signed_certificate_embedded_sct.chain.certificates;
    if pems.is_empty() || pems.len() > CHAIN {
        return Err(odd(format!("its chain has {} certificates", pems.len())));
    }
    let mut chain = Vec::with_capacity(pems.len());
    for pem in &pems {
        chain.push(Certificate::from_pem(pem).map_err(&odd)?);
    }
    let mut chain = chain.into_iter();
    let Some(leaf) = chain.next() else { return Err(odd("its chain is empty".into())) };
    if leaf.spki() != key.public_key().as_spki_der() {
        return Err(odd("its certificate is for another key".into()));
    }
    let now = jiff::Timestamp::now().as_second();
    // A minute of difference between two clocks is common; a certificate that is over is not.
    if leaf.not_after() <= now || leaf.not_before() > now + 60 {
        return Err(odd("its certificate is not valid now; compare the clocks".into()));
    }
    let chain: Arc<[Certificate]> = chain.collect();
    if chain.first().is_some_and(|issuer| !leaf.is_issued_by(issuer)) {
        return Err(odd("the second certificate of its chain did not issue the first".into()));
    }
    Ok(Certified { leaf: Arc::new(leaf), chain })
}
