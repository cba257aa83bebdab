//! Certificates (Fulcio's API, version 2): a proven identity and a proven key in, a certificate of ten
//! minutes out.
//!
//! The key must be proven to be the client's: by a signature over its subject, or by a certificate request,
//! which is signed with the key. Nothing in a request but its key is used: the names in it are the client's
//! wish, the names in the certificate are the token's. Before a certificate leaves, it is in the certificate
//! transparency log, durably.

use crate::error::Refused;
use crate::identity::{Identities, Identity};
use crate::keys::Key as OwnKey;
use crate::log::Log;
use crate::rekor::decode;
use crate::verify::Key;
use crate::x509::{Certificate, Draft, from_pem, pem};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sigstore_crypto::SigningScheme;
use x509_cert::der::{Decode as _, Encode as _};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    credentials: Option<Credentials>,
    public_key_request: Option<PublicKeyRequest>,
    certificate_signing_request: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    oidc_identity_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyRequest {
    public_key: RequestedKey,
    proof_of_possession: String,
}

#[derive(Debug, Deserialize)]
struct RequestedKey {
    content: String,
}

/// The authority's end.
pub(crate) struct Fulcio {
    pub(crate) root: Certificate,
    pub(crate) issuer: Certificate,
    pub(crate) key: OwnKey,
    pub(crate) log_key: OwnKey,
    pub(crate) log: Log,
    pub(crate) identities: Identities,
    /// How long a certificate is valid.
    pub(crate) certificate_seconds: i64,
}

impl Fulcio {
    fn chain(&self, first: Option<&[u8]>) -> serde_json::Value {
        let certificates: Vec<_> = first
            .into_iter()
            .chain([self.issuer.der.as_slice(), self.root.der.as_slice()])
            .map(|der| pem("CERTIFICATE", der))
            .collect();
        serde_json::json!({ "certificates": certificates })
    }

    /// What `/api/v2/trustBundle` says.
    pub(crate) fn trust_bundle(&self) -> serde_json::Value {
        serde_json::json!({ "chains": [self.chain(None)] })
    }

    /// Gives out a certificate. `bearer` is the token from the request's head, where there is one.
    pub(crate) async fn certify(
        &self,
        json: &[u8],
        bearer: Option<&str>,
        now: Timestamp,
    ) -> Result<serde_json::Value, Refused> {
        let request: Request = serde_json::from_slice(json)
            .map_err(|e| Refused::bad(format!("no request for a certificate: {e}")))?;
        let token = request.credentials.as_ref().map(|given| given.oidc_identity_token.as_str());
        let token =
            token.or(bearer).ok_or_else(|| Refused::unauthorized("the request has no identity token"))?;
        let identity = self.identities.identify(token, now).await?;
        let key = proven_key(&request, &identity)?;

        let failed = |e: crate::Error| Refused::unavailable(e.to_string());
        let from = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let until = from + SignedDuration::from_secs(self.certificate_seconds);
        if until > self.issuer.until {
            return Err(Refused::unavailable("the authority's own certificate has expired"));
        }
        let draft = Draft::new(key.spki(), &identity.subject, &identity.claims, &self.issuer, from, until)
            .map_err(failed)?;
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        // The timestamp is a promise that the log has the certificate: it is kept before it is given.
        self.log.append(draft.log_entry(millis)).await?;
        let certificate = draft.finish(millis, &self.log_key, &self.key).await.map_err(failed)?;
        Ok(serde_json::json!({ "signedCertificateEmbeddedSct": { "chain": self.chain(Some(&certificate)) } }))
    }
}

/// The key, after its holder has shown to hold it.
fn proven_key(request: &Request, identity: &Identity) -> Result<Key, Refused> {
    let key = match (&request.public_key_request, &request.certificate_signing_request) {
        (Some(request), None) => {
            let spki = from_pem("PUBLIC KEY", &request.public_key.content)
                .ok_or_else(|| Refused::bad("the public key is no PEM block PUBLIC KEY"))?;
            let key = Key::read(&spki)?;
            let proof = decode(&request.proof_of_possession)
                .ok_or_else(|| Refused::bad("the proof of possession is not base64"))?;
            if !identity.challenges.iter().any(|challenge| key.verifies(challenge.as_bytes(), &proof)) {
                return Err(Refused::bad(
                    "the proof of possession is not by this key over the token's subject",
                ));
            }
            key
        }
        (None, Some(request)) => {
            let text = decode(request)
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| Refused::bad("the certificate request is not base64 of PEM"))?;
            let der = from_pem("CERTIFICATE REQUEST", &text)
                .ok_or_else(|| Refused::bad("the certificate request is no PEM block CERTIFICATE REQUEST"))?;
            let broken = |_| Refused::bad("the certificate request is no PKCS #10");
            let request = x509_cert::request::CertReq::from_der(&der).map_err(broken)?;
            let key = Key::read(&request.info.public_key.to_der().map_err(broken)?)?;
            let signed = request.info.to_der().map_err(broken)?;
            if !key.verifies(&signed, request.signature.raw_bytes()) {
                return Err(Refused::bad("the certificate request is not signed by its own key"));
            }
            key
        }
        _ => return Err(Refused::bad("give either publicKeyRequest or certificateSigningRequest")),
    };
    match key.scheme() {
        SigningScheme::EcdsaP256Sha256 | SigningScheme::EcdsaP384Sha384 | SigningScheme::Ed25519 => Ok(key),
        SigningScheme::RsaPkcs1Sha256 => key.details().map(|_| key),
        _ => Err(Refused::bad("keys of this kind get no certificate")),
    }
}
