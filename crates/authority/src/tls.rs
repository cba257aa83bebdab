//! TLS for the authority's own socket: one certificate chain and key, from PEM files.

use crate::error::{Error, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Reads a chain and its key.
///
/// # Errors
/// [`crate::ErrorKind::Local`] where a file cannot be read, [`crate::ErrorKind::Broken`] where it holds no
/// chain or key, or they do not belong together.
pub fn tls(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| Error::local(format!("cannot read {}: {e}", path.display())))
    };
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| Error::broken(format!("{}: {e}", certificate.display())))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|e| Error::broken(format!("{}: {e}", key.display())))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|e| Error::broken(format!("{} and {}: {e}", certificate.display(), key.display())))?;
    Ok(Arc::new(config))
}
