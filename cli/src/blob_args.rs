//! The flags of the commands about files: `sign-blob`, `attest-blob`, `verify-blob`. Named as cosign names
//! them.

use crate::args::{Keyless, Password};
use crate::pki_args::{OwnCertificate, PrivateCas};
use crate::who::{Certificate, Proofs, TrustFiles};
use clap::Args;
use std::path::PathBuf;

/// The key that signs a file, where a key does.
#[derive(Debug, Args)]
pub(crate) struct FileKey {
    /// Private key: a PEM file (cosign's, PKCS#8, SEC1 or PKCS#1), env://VARIABLE, NAME://RESOURCE for the
    /// plugin sigstore-kms-NAME, or pkcs11:…; without it, an identity
    /// signs
    #[arg(long, value_name = "KEY", env = "SEAWORTHY_KEY")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) certificate: OwnCertificate,
    #[command(flatten)]
    pub(crate) password: Password,
}

/// Sign a file
///
/// The signature is a Sigstore bundle, which cosign reads too. A file of any size is read once, in pieces;
/// an Ed25519 key alone signs the bytes themselves, up to 64 MiB. What was signed with an identity is verified
/// before it is written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy sign-blob --key release.key --bundle app.tar.gz.sigstore.json app.tar.gz
  seaworthy sign-blob --signing-config public-good --bundle app.tar.gz.sigstore.json app.tar.gz")]
pub(crate) struct SignBlob {
    /// The file; '-' reads standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) by: FileKey,
    /// Where to write the bundle; standard output without it
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keyless: Keyless,
}

/// Sign a statement about a file: an SBOM, provenance, scan results
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  seaworthy attest-blob --key release.key --type spdx --predicate app.spdx.json \\
    --bundle app.att.sigstore.json app.tar.gz")]
pub(crate) struct AttestBlob {
    /// The file; '-' reads standard input
    #[arg(required_unless_present = "statement")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) by: FileKey,
    /// spdx, cyclonedx, slsaprovenance1, slsaprovenance02, vuln, openvex, link, custom, or a URI
    #[arg(long = "type", value_name = "TYPE", default_value = "custom")]
    pub(crate) predicate_type: String,
    /// The predicate, JSON
    #[arg(long, value_name = "FILE", required_unless_present = "statement")]
    pub(crate) predicate: Option<PathBuf>,
    /// Sign this in-toto statement as it is, instead of making one for a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "predicate", "predicate_type"])]
    pub(crate) statement: Option<PathBuf>,
    /// Where to write the bundle; standard output without it
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keyless: Keyless,
}

/// Verify a file's signature, or a statement about it, in a Sigstore bundle
///
/// By a public key, or by an identity that a certificate and a transparency log or timestamp prove. No socket is
/// opened: the trusted root is a file, or one that comes with this program.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  seaworthy verify-blob --bundle app.sigstore.json --key release.pub app.tar.gz
  seaworthy verify-blob --bundle app.sigstore.json --certificate-identity ci@example.com \\
    --certificate-oidc-issuer https://accounts.example.com app.tar.gz
  seaworthy verify-blob --bundle app.sigstore.json --key release.pub --trusted-root root.json sha256:…
  seaworthy verify-blob --bundle app.sigstore.json --certificate-chain chain.pem --crl ca.crl \\
    --certificate-identity release@example.org app.tar.gz
  seaworthy verify-blob --bundle attestation.json --trusted-root github --transparency none \\
    --certificate-identity-regexp 'https://github\\.com/acme/app/\\.github/workflows/.*' \\
    --certificate-oidc-issuer https://token.actions.githubusercontent.com \\
    --certificate-github-workflow-ref refs/heads/main app.tar.gz")]
pub(crate) struct VerifyBlob {
    /// The file, or its digest as sha256:HEX
    pub(crate) artifact: String,
    /// The bundle
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    /// Public key that must have signed: a PEM file, env://VARIABLE, NAME://RESOURCE or pkcs11:…
    #[arg(long, value_name = "KEY", conflicts_with = "certificate")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: TrustFiles,
    #[command(flatten)]
    pub(crate) certificate: Certificate,
    #[command(flatten)]
    pub(crate) cas: PrivateCas,
    #[command(flatten)]
    pub(crate) proofs: Proofs,
}
