//! The flags of a private PKI, for signing and for verifying, named as cosign names them, and `--crl`.

use crate::context::read_input;
use crate::exit::{Exit, Failure, Outcome};
use clap::Args;
use jiff::Timestamp;
use seaworthy_sign::keyless::Certificate;
use seaworthy_sign::{CertifiedSigner, Signer};
use seaworthy_verifier::pki::{CertificateAuthorities, CertificateName, Certified, PkiError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate for the signing key.
#[derive(Debug, Args)]
pub(crate) struct OwnCertificate {
    /// Certificate of the key, PEM: it travels with each signature
    #[arg(long, value_name = "FILE", requires_all = ["key", "certificate_chain"])]
    pub(crate) certificate: Option<PathBuf>,
    /// Its intermediates, and the root as the last, PEM: that it leads there is checked before anything is signed.
    /// Bundles carry the certificate alone, so verifiers need this file too; the older form carries the intermediates
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) certificate_chain: Option<PathBuf>,
}

impl OwnCertificate {
    /// `signer` with the certificate, and how to verify with it; `signer` itself where none is given.
    pub(crate) fn around(
        &self,
        signer: Arc<dyn Signer>,
        now: Timestamp,
    ) -> Outcome<(Arc<dyn Signer>, Option<Certified>)> {
        let Some(path) = &self.certificate else { return Ok((signer, None)) };
        let shown = path.display();
        let bytes = read_input(path, "certificate")?;
        let text =
            String::from_utf8(bytes).map_err(|_| Failure::broken(format!("{shown} is no PEM file")))?;
        let certificate = Certificate::from_pem(&text)
            .map_err(|why| Failure::broken(format!("cannot use the certificate {shown}: {why}")))?;
        let mut intermediates = Vec::new();
        let certified = match &self.certificate_chain {
            Some(chain) => {
                intermediates = between(chain)?;
                let mut builder = CertificateAuthorities::builder();
                let fail = |error: PkiError| Failure::new(Exit::Local, error);
                builder.chain(chain).map_err(fail)?;
                let authorities = builder.build().map_err(fail)?;
                authorities.accept(certificate.der(), now).map_err(|why| {
                    Failure::usage(format!("cannot sign with the certificate {shown}: {}", why.message))
                        .hint("the chain holds the intermediates, and the root as the last")
                })?;
                let name = match certificate.identity() {
                    Some(name) => CertificateName::Any(name),
                    None => CertificateName::of_subject(certificate.der())
                        .map_err(|why| Failure::broken(format!("{shown}: {}", why.message)))?,
                };
                Some(Certified { authorities, names: vec![name], oidc_issuer: None })
            }
            None => None,
        };
        Ok((Arc::new(CertifiedSigner::new(signer, &certificate, intermediates)?), certified))
    }
}

/// The certificates of a chain without its last, the root, in DER. What they are is checked by whoever reads them all.
fn between(chain: &Path) -> Outcome<Vec<Vec<u8>>> {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(&read_input(chain, "certificate chain")?).into_owned();
    let read = |block: &str| Certificate::from_pem(&format!("{block}{END}\n")).ok().map(|c| c.der().to_vec());
    let mut all: Vec<Vec<u8>> = text.split(END).filter_map(read).collect();
    all.pop();
    Ok(all)
}

/// Certificates that lead to a root of one's own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Private certificate authorities")]
pub(crate) struct PrivateCas {
    /// Root certificates to trust, PEM; several at once. The signer is --certificate-identity: a mail address,
    /// URI or DNS name of the certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_roots: Vec<PathBuf>,
    /// Certificates between a root and the signer, PEM; several at once
    #[arg(long, value_name = "FILE", requires = "ca_roots")]
    pub(crate) ca_intermediates: Vec<PathBuf>,
    /// In one file instead: intermediates, and the root as the last, PEM
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ca_roots", "ca_intermediates"])]
    pub(crate) certificate_chain: Option<PathBuf>,
    /// Revocation list on disk, PEM or DER; several at once. With any, every certificate below the root needs one
    /// that is in date
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: Vec<PathBuf>,
}

impl PrivateCas {
    /// Whether roots were given.
    pub(crate) fn is_given(&self) -> bool {
        !self.ca_roots.is_empty() || self.certificate_chain.is_some()
    }

    /// Whoever they certify as `identity`; `None` without roots.
    pub(crate) fn certified(
        &self,
        identity: Option<&str>,
        issuer: Option<&str>,
    ) -> Outcome<Option<Certified>> {
        if !self.is_given() {
            return match self.crl.as_slice() {
                [] => Ok(None),
                _ => Err(Failure::usage("--crl has no effect without --ca-roots or --certificate-chain")),
            };
        }
        let identity = identity.ok_or_else(|| {
            Failure::usage("roots without a signer: everybody whom they certify could sign")
                .hint("give --certificate-identity, as it stands in the certificate")
        })?;
        let fail = |error: PkiError| {
            Failure::new(Exit::Local, error).hint("certificates and revocation lists are PEM or DER files")
        };
        let mut builder = CertificateAuthorities::builder();
        for path in &self.ca_roots {
            builder.roots(path).map_err(fail)?;
        }
        for path in &self.ca_intermediates {
            builder.intermediates(path).map_err(fail)?;
        }
        if let Some(path) = &self.certificate_chain {
            builder.chain(path).map_err(fail)?;
        }
        for path in &self.crl {
            builder.crls(path).map_err(fail)?;
        }
        let authorities = builder.build().map_err(fail)?;
        let names = vec![CertificateName::Any(identity.to_owned())];
        Ok(Some(Certified { authorities, names, oidc_issuer: issuer.map(str::to_owned) }))
    }
}
