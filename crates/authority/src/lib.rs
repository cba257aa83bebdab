//! A private Sigstore in one process: certificates for identities, a transparency log, timestamps.
//!
//! This package decides who gets a certificate (`identity`), what enters the logs, and in which
//! order ([`mod@log`]). It speaks the public APIs (Fulcio v2, Rekor v2 with C2SP tiles, RFC 3161, OIDC discovery), so that
//! cosign, sigstore-python and our own client work against it unchanged; the verifier shares no code with
//! it, and `authority` is used by the command line alone.
//!
//! What it promises: an entry or certificate that was acknowledged is on disk, and the logs never fork; the
//! argument is in [`log::store`]. What it refuses: tokens of unknown issuers, keys that nobody has shown to
//! hold, entries without a good signature, anything beyond the numbers in [`limits`], to start twice on one
//! folder, and to start on a log that contradicts its checkpoint.
//!
//! Its keys are in encrypted files or with a plugin ([`Keys`]). The root's key is used by [`init()`] and [`rotate()`]
//! alone; `serve` does not read it, so that it can be kept elsewhere.

mod asn1;
mod backup;
mod config;
mod error;
mod folder;
mod fulcio;
mod identity;
mod init;
mod keys;
pub mod limits;
pub mod log;
mod metrics;
mod pipelines;
mod rekor;
mod rotate;
mod routes;
mod server;
mod tls;
mod trust;
mod tsa;
mod verify;
mod x509;

pub use backup::{Copied, backup, restore};
pub use error::{Error, ErrorKind, Result};
pub use init::{Files, Init, init};
pub use keys::{Key, Keys, Place};
pub use rotate::{Part, rotate};
pub use server::{Authority, token};
pub use tls::tls;
