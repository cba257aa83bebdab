//! Signing with an identity instead of a kept key, and telling witnesses of a signature.
//!
//! An [`IdentitySigner`] makes a key that lives as long as the run, has it certified once
//! ([`fulcio`](self), by a token from [`oidc`]), signs with it, and hands each signature to the logs and
//! timestamp authorities of its [`Services`], all at once. A [`WitnessedSigner`] does the latter for
//! another signer's signatures.
//!
//! Nothing is sent before the first signature is asked for, nothing to a service that the configuration does
//! not name, and the token to certificate authorities alone. A certificate that ends while the run goes on
//! is replaced, with a new token.

pub mod certificate;
pub mod config;
mod device;
mod fulcio;
pub mod http;
pub mod oidc;
pub mod plan;
mod rekor;
mod tsa;

pub use certificate::Certificate;
pub use config::{Endpoint, Selection, Services, TrustConfig};
pub use http::{Http, HttpOptions};
pub use oidc::{DeviceLogin, Provider, Token, TokenSource};

use crate::blob::Blob;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, PrivateKey, PublicKey};
use crate::signer::{Beside, Material, Payload, Signed, Signer, Witnesses};
use async_trait::async_trait;
use fulcio::Certified;
use futures_util::future::{BoxFuture, try_join};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rekor::{Entry, Verifier};
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// A certificate that ends within so many seconds is replaced before anything is signed with it: log and
/// timestamp come after the signature, and have to fall into its validity.
pub const RENEWAL_MARGIN: i64 = 120;

/// The URL of `path` under `base`, whose own path is kept.
fn under(base: &Url, path: &str) -> Result<Url> {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    let joined = format!("{}/{path}", base.path().trim_end_matches('/'));
    url.set_path(&joined);
    Ok(url)
}

/// Asks `selection.wanted` groups at once; a group that fails is stepped in for by one that was not asked.
/// The answers come in the order of the groups.
async fn gather<'a, T: Send + 'a>(
    selection: &'a Selection,
    ask: impl Fn(&'a Endpoint) -> BoxFuture<'a, Result<T>>,
) -> Result<Vec<T>> {
    let ask = &ask;
    let group = |at: usize, endpoints: &'a [Endpoint]| async move {
        let mut failed = None;
        for endpoint in endpoints {
            match ask(endpoint).await {
                Ok(answer) => return Ok((at, answer)),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        Err(failed.unwrap_or_else(|| {
            Error::new("use", "services", ErrorKind::BadInput("there is none of this kind".into()))
        }))
    };
    let mut rest = selection.groups.iter().enumerate();
    let mut running = FuturesUnordered::new();
    for (at, endpoints) in rest.by_ref().take(selection.wanted) {
        running.push(group(at, endpoints));
    }
    let mut answers = Vec::with_capacity(selection.wanted);
    let mut failed = None;
    while let Some(done) = running.next().await {
        match done {
            Ok(answer) => answers.push(answer),
            Err(e) => {
                let first = failed.get_or_insert(e);
                match rest.next() {
                    Some((at, endpoints)) => running.push(group(at, endpoints)),
                    None => return Err(first.clone()),
                }
            }
        }
    }
    answers.sort_by_key(|(at, _)| *at);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Logs and timestamps for a signature, at once.
async fn witness(http: &Http, services: &Services, entry: Entry<'_>) -> Result<Witnesses> {
    let logs =
        gather(&services.logs, |endpoint| Box::pin(async move { rekor::log(http, endpoint, &entry).await }));
    let signature = entry.signature;
    let stamps = gather(&services.timestamps, |endpoint| {
        Box::pin(async move { tsa::stamp(http, endpoint, signature).await })
    });
    let (log_entries, timestamps) = try_join(logs, stamps).await?;
    Ok(Witnesses { log_entries, timestamps })
}

/// What logs are told of a payload: the envelope, and the SHA-256 of what was signed.
fn logged<'a>(payload: &'a Payload<'_>) -> (Option<(&'a str, &'a [u8])>, [u8; 32]) {
    let envelope = match payload {
        Payload::Dsse { payload_type, payload } => Some((*payload_type, *payload)),
        Payload::Blob(_) => None,
    };
    (envelope, payload.sha256())
}

/// Whether evidence that was found has the witnesses that `services` would give it.
fn witnessed(services: &Services, beside: &Beside<'_>) -> bool {
    beside.log_entries >= services.logs.wanted && beside.timestamps >= services.timestamps.wanted
}

/// Who a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunIdentity {
    /// The name in the certificate.
    pub identity: String,
    /// Who vouched for it.
    pub issuer: String,
}

/// Signs with an identity.
pub struct IdentitySigner {
    key: PrivateKey,
    http: Http,
    services: Services,
    tokens: TokenSource,
    /// Held while a certificate is fetched, so that there is one.
    fetching: tokio::sync::Mutex<()>,
    current: Mutex<Option<Certified>>,
}

impl IdentitySigner {
    /// A signer for one run. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] where no certificate authority is named or a URL may not be used.
    pub fn new(http: Http, services: Services, tokens: TokenSource) -> Result<Self> {
        if services.authorities.groups.is_empty() {
            return Err(Error::new(
                "sign with",
                "an identity",
                ErrorKind::BadInput("the configuration names no certificate authority".into()),
            )
            .hint("give --fulcio-url, or a signing configuration with caUrls"));
        }
        if services.logs.wanted == 0 && services.timestamps.wanted == 0 {
            return Err(Error::new(
                "sign with",
                "an identity",
                ErrorKind::BadInput(
                    "neither a log nor a timestamp authority is named, so nobody could tell later that the \
                     certificate was valid when it was used"
                        .into(),
                ),
            ));
        }
        for endpoint in services.endpoints() {
            http.check(&endpoint.url)?;
        }
        let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
        Ok(Self {
            key,
            http,
            services,
            tokens,
            fetching: tokio::sync::Mutex::new(()),
            current: Mutex::new(None),
        })
    }

    /// The services that may be asked.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Where its tokens come from.
    pub fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// Who the certificate says we are; `None` before there is one, or where it does not name one identity.
    pub fn identity(&self) -> Option<RunIdentity> {
        let certified = self.certified()?;
        Some(RunIdentity { identity: certified.leaf.identity()?, issuer: certified.leaf.oidc_issuer()? })
    }

    fn certified(&self) -> Option<Certified> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The certificate, fetched where there is none that lasts.
    async fn certificate(&self) -> Result<Arc<Certificate>> {
        let lasting = || {
            let now = jiff::Timestamp::now().as_second();
            self.certified().filter(|c| c.leaf.not_after() > now + RENEWAL_MARGIN)
        };
        if let Some(certified) = lasting() {
            return Ok(certified.leaf);
        }
        let _one = self.fetching.lock().await;
        if let Some(certified) = lasting() {
            return Ok(certified.leaf);
        }
        let token = self.tokens.token(&self.http).await?;
        let (http, key, token) = (&self.http, &self.key, &token);
        let certified = gather(&self.services.authorities, |endpoint| {
            Box::pin(async move { fulcio::certify(http, &endpoint.url, token, key).await })
        })
        .await?
        .pop()
        .ok_or_else(|| {
            Error::new(
                "get",
                "a certificate",
                ErrorKind::BadInput("no certificate authority is named".into()),
            )
        })?;
        let leaf = Arc::clone(&certified.leaf);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(certified);
        Ok(leaf)
    }

    async fn certified_by(
        &self,
        certificate: &Certificate,
        envelope: Option<(&str, &[u8])>,
        digest: [u8; 32],
        signature: Vec<u8>,
    ) -> Result<Signed> {
        let entry = Entry {
            envelope,
            digest,
            signature: &signature,
            verifier: Verifier::Certificate(certificate),
            algorithm: self.algorithm(),
        };
        let witnesses = witness(&self.http, &self.services, entry).await?;
        let material = Material::Certificate { certificate: certificate.der().to_vec(), witnesses };
        Ok(Signed { signature, material })
    }
}

#[async_trait]
impl Signer for IdentitySigner {
    fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    async fn ready(&self) -> Result<()> {
        self.certificate().await.map(|_| ())
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        let certificate = self.certificate().await?;
        let signature = self.key.sign(payload)?;
        let (envelope, digest) = logged(payload);
        self.certified_by(&certificate, envelope, digest, signature).await
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        let certificate = self.certificate().await?;
        let signature = self.key.sign_digest(&blob.sha256())?;
        self.certified_by(&certificate, None, blob.sha256(), signature).await
    }

    /// The same identity, certified by the authority that certifies this run, with a signature that its
    /// certificate verifies and as many witnesses as this run would bring.
    fn made(&self, _: &Payload<'_>, _: &[u8]) -> bool {
        false
    }

    fn made_with(&self, payload: &Payload<'_>, signature: &[u8], beside: &Beside<'_>) -> bool {
        let ours = || {
            let current = self.certified()?;
            let found = Certificate::from_der(beside.certificate?).ok()?;
            let same = found.identity()? == current.leaf.identity()?
                && found.oidc_issuer()? == current.leaf.oidc_issuer()?;
            let authority = current.issuer.as_ref()?;
            let key = PublicKey::from_spki_der(found.spki()).ok()?;
            let verified = same && found.is_issued_by(authority) && key.verify(payload, signature).is_ok();
            Some(verified && witnessed(&self.services, beside))
        };
        ours().unwrap_or(false)
    }
}

/// A signer whose signatures are logged and timestamped.
pub struct WitnessedSigner<S> {
    inner: S,
    http: Http,
    services: Services,
}

impl<S: Signer> WitnessedSigner<S> {
    /// Adds the logs and timestamp authorities of `services` to `inner`; its certificate authorities are not
    /// used.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedKey`] where a log is named that cannot be told of signatures of this kind,
    /// [`ErrorKind::BadInput`] where a URL may not be used.
    pub fn new(inner: S, http: Http, mut services: Services) -> Result<Self> {
        services.authorities = Selection::default();
        if services.logs.wanted > 0 {
            rekor::check_algorithm(inner.algorithm())?;
        }
        for endpoint in services.endpoints() {
            http.check(&endpoint.url)?;
        }
        Ok(Self { inner, http, services })
    }

    async fn witnessed_by(
        &self,
        mut signed: Signed,
        envelope: Option<(&str, &[u8])>,
        digest: [u8; 32],
    ) -> Result<Signed> {
        let Material::PublicKey { hint } = &signed.material else { return Ok(signed) };
        let entry = Entry {
            envelope,
            digest,
            signature: &signed.signature,
            verifier: Verifier::Key(self.inner.public_key()),
            algorithm: self.inner.algorithm(),
        };
        let witnesses = witness(&self.http, &self.services, entry).await?;
        signed.material = Material::WitnessedKey { hint: hint.clone(), witnesses };
        Ok(signed)
    }
}

#[async_trait]
impl<S: Signer> Signer for WitnessedSigner<S> {
    fn algorithm(&self) -> Algorithm {
        self.inner.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        self.inner.public_key()
    }

    async fn ready(&self) -> Result<()> {
        self.inner.ready().await
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        let signed = self.inner.sign_payload(payload).await?;
        let (envelope, digest) = logged(payload);
        self.witnessed_by(signed, envelope, digest).await
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        let signed = self.inner.sign_blob(blob).await?;
        self.witnessed_by(signed, None, blob.sha256()).await
    }

    fn made_with(&self, payload: &Payload<'_>, signature: &[u8], beside: &Beside<'_>) -> bool {
        self.inner.made_with(payload, signature, beside) && witnessed(&self.services, beside)
    }
}
