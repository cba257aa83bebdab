//! The certificate that is shown, and the next one.
//!
//! A mounted Secret is swapped by a symbolic link, which file system notifications miss; the content is
//! polled. A certificate that does not load, or that is not its key's, never replaces one that works.

use super::ServeError;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::Zeroizing;

/// A chain of certificates or a key; real ones have a few KB.
const PEM_BYTES: u64 = 1 << 20;

pub(super) struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<(Arc<CertifiedKey>, Pems)>,
}

/// What the files held. The key's text is compared and never shown.
#[derive(PartialEq, Eq)]
struct Pems {
    certificate: String,
    key: Zeroizing<String>,
}

/// What a look at the files found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    Same,
    New,
}

impl Certificates {
    pub(super) fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, ServeError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pems = Pems::read(&certificate, &key)?;
        let current = RwLock::new((pems.parse(&provider)?, pems));
        Ok(Self { certificate, key, provider, current })
    }

    /// Takes new files, if they are new and good.
    pub(super) fn look(&self) -> Result<Looked, ServeError> {
        let pems = Pems::read(&self.certificate, &self.key)?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).1 == pems {
            return Ok(Looked::Same);
        }
        let certified = pems.parse(&self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (certified, pems);
        Ok(Looked::New)
    }

    pub(super) fn config(self: &Arc<Self>) -> Result<ServerConfig, ServeError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| ServeError::Certificate(e.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Pems {
    fn read(certificate: &std::path::Path, key: &std::path::Path) -> Result<Self, ServeError> {
        let read = |path| crate::files::read_text(path, PEM_BYTES).map_err(ServeError::Certificate);
        Ok(Self { certificate: read(certificate)?, key: Zeroizing::new(read(key)?) })
    }

    fn parse(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, ServeError> {
        let bad = |what: &str, why: &dyn fmt::Display| ServeError::Certificate(format!("{what}: {why}"));
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|e| bad("the certificate", &e))?;
        if chain.is_empty() {
            return Err(bad("the certificate", &"there is none in the file"));
        }
        let key =
            PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|e| bad("the private key", &e))?;
        // Refuses a key that is not the certificate's: what a half-written pair of files looks like.
        let pair = CertifiedKey::from_der(chain, key, provider);
        pair.map(Arc::new).map_err(|e| bad("certificate and private key", &e))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
