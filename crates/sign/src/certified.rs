//! A key with a certificate of somebody's own authority, instead of one that lives for a run.
//!
//! The certificate travels beside each signature; a bundle (v0.3) has room for it alone, so the verifier needs the
//! intermediates, which cosign's older form has room for. Refused: a certificate of another key. Whether anybody trusts it is the verifier's affair.

use crate::blob::Blob;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, PublicKey};
use crate::keyless::Certificate;
use crate::signer::{Beside, Material, Payload, Signed, Signer, Witnesses};
use async_trait::async_trait;
use std::sync::Arc;

/// A signer whose signatures come with a certificate of its key.
pub struct CertifiedSigner {
    inner: Arc<dyn Signer>,
    certificate: Vec<u8>,
    intermediates: Vec<Vec<u8>>,
}

impl CertifiedSigner {
    /// Adds `certificate` to what `inner` signs, and `intermediates` where there is room for them.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] where it is of another key.
    pub fn new(
        inner: Arc<dyn Signer>,
        certificate: &Certificate,
        intermediates: Vec<Vec<u8>>,
    ) -> Result<Self> {
        if certificate.spki() != inner.public_key().as_spki_der() {
            let why = format!("it is not of the key {}", inner.public_key().fingerprint());
            return Err(Error::new("sign with", "certificate", ErrorKind::BadInput(why))
                .hint("give the certificate that was issued for this key"));
        }
        Ok(Self { inner, certificate: certificate.der().to_vec(), intermediates })
    }

    fn with_certificate(&self, mut signed: Signed) -> Signed {
        if let Material::PublicKey { .. } = signed.material {
            let certificate = self.certificate.clone();
            let chain = self.intermediates.clone();
            signed.material = Material::Certificate { certificate, chain, witnesses: Witnesses::default() };
        }
        signed
    }
}

#[async_trait]
impl Signer for CertifiedSigner {
    fn algorithm(&self) -> Algorithm {
        self.inner.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        self.inner.public_key()
    }

    fn logged_form(&self) -> Option<Arc<dyn Signer>> {
        let inner = self.inner.logged_form()?;
        let (certificate, intermediates) = (self.certificate.clone(), self.intermediates.clone());
        Some(Arc::new(Self { inner, certificate, intermediates }))
    }

    async fn ready(&self) -> Result<()> {
        self.inner.ready().await
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        Ok(self.with_certificate(self.inner.sign_payload(payload).await?))
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        Ok(self.with_certificate(self.inner.sign_blob(blob).await?))
    }

    /// The same key without its certificate is another signer.
    fn made(&self, _: &Payload<'_>, _: &[u8]) -> bool {
        false
    }

    fn made_with(&self, payload: &Payload<'_>, signature: &[u8], beside: &Beside<'_>) -> bool {
        beside.certificate == Some(self.certificate.as_slice()) && self.inner.made(payload, signature)
    }
}
