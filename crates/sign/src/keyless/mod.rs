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

mod browser;
pub mod certificate;
pub mod config;
mod device;
mod fulcio;
pub mod http;
pub mod login;
pub mod oidc;
pub mod plan;
mod rekor;
mod spiffe;
mod tsa;

pub use certificate::Certificate;
pub use config::{Endpoint, Selection, Services, TrustConfig};
pub use http::{Http, HttpOptions};
pub use login::{Flow, Login, Prompt};
pub use oidc::{Ambient, Provider, Token, TokenSource};

use crate::blob::Blob;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, PrivateKey, PublicKey};
use crate::signer::{Beside, Material, Payload, Signed, Signer, Witnesses};
use async_trait::async_trait;
use fulcio::Certified;
use futures_util::future::{BoxFuture, try_join};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Patience;
use rekor::{Entry, Verifier};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use url::Url;

/// A certificate that ends within so many seconds is replaced before anything is signed with it: log and
/// timestamp come after the signature, and have to fall into its validity. Of a certificate that is valid for
/// less than ten minutes, a fifth of its time.
pub const RENEWAL_MARGIN: i64 = 120;
/// How often a signature is made anew because its certificate ended before its witnesses had answered.
pub const RESIGNED: usize = 2;

/// Whether `certificate` lasts for a signature that is made at `now`.
fn lasts(certificate: &Certificate, now: i64) -> bool {
    let whole = certificate.not_after().saturating_sub(certificate.not_before());
    certificate.not_after() > now.saturating_add(RENEWAL_MARGIN.min(whole / 5))
}

/// The URL of `path` under `base`, whose own path is kept.
fn under(base: &Url, path: &str) -> Result<Url> {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    let joined = format!("{}/{path}", base.path().trim_end_matches('/'));
    url.set_path(&joined);
    Ok(url)
}

/// Asks `selection.wanted` groups at once. Where others could step in, a group is asked briefly first; one that
/// fails is stepped in for by one that was not asked, and is asked again, with patience, where nobody is left.
/// The answers come in the order of the groups, at most one of each.
async fn gather<'a, T: Send + 'a>(
    selection: &'a Selection,
    ask: impl Fn(&'a Endpoint, Patience) -> BoxFuture<'a, Result<T>>,
) -> Result<Vec<T>> {
    let ask = &ask;
    let group = |at: usize, patience: Patience| async move {
        let mut failed = None;
        for endpoint in selection.groups.get(at).into_iter().flatten() {
            match ask(endpoint, patience).await {
                Ok(answer) => return Ok((at, answer)),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        let none = || Error::new("use", "services", ErrorKind::BadInput("there is none of this kind".into()));
        Err((at, patience, failed.unwrap_or_else(none)))
    };
    let alone = selection.endpoints().count() <= selection.wanted;
    let patience = if alone { Patience::Full } else { Patience::Brief };
    let mut waiting: VecDeque<_> = (0..selection.groups.len()).map(|at| (at, patience)).collect();
    let mut running = FuturesUnordered::new();
    for (at, patience) in waiting.drain(..selection.wanted.min(waiting.len())) {
        running.push(group(at, patience));
    }
    let mut answers = Vec::with_capacity(selection.wanted);
    let mut failed = None;
    while let Some(done) = running.next().await {
        let (at, patience, error) = match done {
            Ok(answer) => {
                answers.push(answer);
                continue;
            }
            Err(failure) => failure,
        };
        if patience == Patience::Brief && matches!(error.kind, ErrorKind::Service(_)) {
            waiting.push_back((at, Patience::Full));
        }
        failed.get_or_insert(error);
        if let Some((at, patience)) = waiting.pop_front() {
            running.push(group(at, patience));
        }
    }
    match failed {
        Some(error) if answers.len() < selection.wanted => return Err(error),
        _ => {}
    }
    answers.sort_by_key(|(at, _)| *at);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// Logs and timestamps for a signature, at once.
async fn witness(http: &Http, services: &Services, entry: Entry<'_>) -> Result<Witnesses> {
    let logs = gather(&services.logs, |e, patience| {
        Box::pin(async move { rekor::log(http, (e, patience), &entry).await })
    });
    let signature = entry.signature;
    let stamps = gather(&services.timestamps, |e, patience| {
        Box::pin(async move { tsa::stamp(http, (e, patience), signature).await })
    });
    let (log_entries, timestamps) = try_join(logs, stamps).await?;
    Ok(Witnesses { log_entries, timestamps })
}

/// What logs are told of a payload: the envelope, and the digest of what was signed.
fn logged<'a>(payload: &'a Payload<'_>, algorithm: Algorithm) -> (Option<(&'a str, &'a [u8])>, Vec<u8>) {
    let envelope = match payload {
        Payload::Dsse { payload_type, payload } => Some((*payload_type, *payload)),
        Payload::Blob(_) => None,
    };
    (envelope, payload.digest(algorithm.hash()))
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
    async fn certificate(&self) -> Result<Certified> {
        let lasting = || self.certified().filter(|c| lasts(&c.leaf, jiff::Timestamp::now().as_second()));
        if let Some(certified) = lasting() {
            return Ok(certified);
        }
        let _one = self.fetching.lock().await;
        if let Some(certified) = lasting() {
            return Ok(certified);
        }
        let token = self.tokens.token(&self.http).await?;
        let certified = match self.certify(&token).await {
            // It ended while the authority was asked, again and again perhaps: a new one is worth one try.
            Err(_) if self.tokens.renews() && token.check(jiff::Timestamp::now().as_second()).is_err() => {
                self.certify(&self.tokens.token(&self.http).await?).await?
            }
            other => other?,
        };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(certified.clone());
        Ok(certified)
    }

    async fn certify(&self, token: &Token) -> Result<Certified> {
        let (http, key) = (&self.http, &self.key);
        let certified = gather(&self.services.authorities, |e, patience| {
            Box::pin(async move { fulcio::certify(http, (&e.url, patience), token, key).await })
        })
        .await?
        .pop();
        certified.ok_or_else(|| {
            let kind = ErrorKind::BadInput("no certificate authority is named".into());
            Error::new("get", "a certificate", kind)
        })
    }

    /// Has `signature` witnessed. `None` where the certificate ended meanwhile: nobody could verify it.
    async fn certified_by(
        &self,
        certified: &Certified,
        envelope: Option<(&str, &[u8])>,
        digest: &[u8],
        signature: Vec<u8>,
    ) -> Result<Option<Signed>> {
        let leaf = &certified.leaf;
        let entry = Entry {
            envelope,
            digest,
            signature: &signature,
            verifier: Verifier::Certificate(leaf),
            algorithm: self.algorithm(),
        };
        let witnesses = witness(&self.http, &self.services, entry).await?;
        if leaf.not_after() < jiff::Timestamp::now().as_second() {
            return Ok(None);
        }
        let chain = certified.chain.iter().map(|c| c.der().to_vec()).collect();
        let material = Material::Certificate { certificate: leaf.der().to_vec(), chain, witnesses };
        Ok(Some(Signed { signature, material }))
    }

    /// Signs with a certificate that is still valid when all witnesses have answered.
    async fn sign_with(
        &self,
        envelope: Option<(&str, &[u8])>,
        digest: &[u8],
        sign: impl Fn() -> Result<Vec<u8>> + Send + Sync,
    ) -> Result<Signed> {
        for _ in 0..=RESIGNED {
            let certified = self.certificate().await?;
            if let Some(signed) = self.certified_by(&certified, envelope, digest, sign()?).await? {
                return Ok(signed);
            }
        }
        let why = "the certificate ended before log and timestamp had answered, again and again";
        Err(Error::new("sign with", "an identity", ErrorKind::Signer(why.into()))
            .hint("its authority gives certificates that are too short for these services"))
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
        let (envelope, digest) = logged(payload, self.algorithm());
        self.sign_with(envelope, &digest, || self.key.sign(payload)).await
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        self.sign_with(None, &blob.sha256(), || self.key.sign_digest(&blob.sha256())).await
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
            let authority = current.chain.first()?;
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
        for endpoint in services.logs.endpoints().filter(|_| services.logs.wanted > 0) {
            rekor::check_algorithm(inner.algorithm(), endpoint.version)?;
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
        digest: &[u8],
    ) -> Result<Signed> {
        let certificate = match &signed.material {
            Material::PublicKey { .. } => None,
            Material::Certificate { certificate, .. } => Some(
                Certificate::from_der(certificate)
                    .map_err(|why| Error::new("log signature of", "certificate", ErrorKind::BadInput(why)))?,
            ),
            Material::WitnessedKey { .. } => return Ok(signed),
        };
        let entry = Entry {
            envelope,
            digest,
            signature: &signed.signature,
            verifier: match &certificate {
                Some(certificate) => Verifier::Certificate(certificate),
                None => Verifier::Key(self.inner.public_key()),
            },
            algorithm: self.inner.algorithm(),
        };
        let witnesses = witness(&self.http, &self.services, entry).await?;
        signed.material = match signed.material {
            Material::PublicKey { hint } => Material::WitnessedKey { hint, witnesses },
            Material::Certificate { certificate, chain, .. } => {
                Material::Certificate { certificate, chain, witnesses }
            }
            other => other,
        };
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
        let (envelope, digest) = logged(payload, self.inner.algorithm());
        self.witnessed_by(signed, envelope, &digest).await
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        let signed = self.inner.sign_blob(blob).await?;
        self.witnessed_by(signed, None, blob.digest()).await
    }

    fn made_with(&self, payload: &Payload<'_>, signature: &[u8], beside: &Beside<'_>) -> bool {
        self.inner.made_with(payload, signature, beside) && witnessed(&self.services, beside)
    }
}
