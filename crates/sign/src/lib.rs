//! Everything that turns a digest into evidence: keys, statements, envelopes, bundles, and attaching them.
//!
//! This package decides what exactly is signed ([`statement`], [`simple_signing`]), by whom ([`signer`],
//! [`key`], or somewhere else: [`kms`], [`mod@pkcs11`]), in which wrapping ([`bundle`]) and where it is put ([`attach`]). Only the command line uses it;
//! the verifier shares no code with it, so that one mistake cannot both make and accept bad evidence.
//!
//! It refuses: keys of algorithms that it does not know by name, key files that ask for an unbounded amount
//! of work, predicates that are no JSON object, and its own output where the signature does not verify.
//!
//! The two steps, [`attach::prepare_signature`] or [`attach::prepare_attestation`] and then
//! [`attach::publish`], are apart, so that signatures that were made can be kept when a push fails.

mod annotations;
pub mod attach;
pub mod blob;
pub mod bundle;
mod certified;
pub mod cosign_key;
pub mod error;
pub mod evidence;
pub mod key;
mod key_ref;
pub mod keyless;
pub mod kms;
mod legacy;
mod pem;
pub mod pkcs11;
pub mod search;
pub mod secret;
pub mod signer;
pub mod simple_signing;
pub mod statement;
mod wide;

pub use attach::{
    Attested, Change, Older, Outcome, Prepared, SignatureRequest, attest_image, prepare_attestation,
    prepare_signature, publish, publish_evidence, sign_image,
};
pub use blob::Blob;
pub use certified::CertifiedSigner;
pub use error::{Error, ErrorKind, Result};
pub use evidence::{Evidence, Format, Formats, Piece};
pub use key::{Algorithm, Hash, KeyFile, PrivateKey, PublicKey};
pub use key_ref::KeyRef;
pub use legacy::add_layer as add_legacy_layer;
pub use search::find_existing;
pub use secret::Secret;
pub use signer::{Beside, KeySigner, Material, Payload, Signed, Signer, Witnesses};
pub use statement::{Predicate, PredicateType};
