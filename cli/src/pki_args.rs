//! The flags of a private PKI for verifying, named as cosign names them, and `--crl`.

use crate::exit::{Exit, Failure, Outcome};
use clap::Args;
use seaworthy_verifier::pki::{CertificateAuthorities, CertificateName, Certified, PkiError};
use std::path::PathBuf;

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
