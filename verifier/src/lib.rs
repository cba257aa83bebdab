//! May this image run?
//!
//! [`Verifier::judge`] answers for one digest with a [`Verdict`] (yes or no, with reasons) or with an
//! [`Error`] (could not find out). The argument that a yes is sound, in steps that each have one home:
//!
//! 1. *Which image.* `judge` takes a [`Pinned`]: a digest, never a tag. Every body is hashed on arrival
//!    (seaworthy-oci), so an index's signature covers its children, and nothing fetched twice can differ.
//! 2. *What was said about it.* [`evidence`] lists everything attached, whole or not at all: a list cut short,
//!    a 403 or a 429 is an error, never "unsigned".
//! 3. *Who said it.* `check` is the only file that makes a `Verified<_>`, and it makes one only from exact
//!    bytes, an accepted algorithm, one signature, a trusted signer, and a subject that is the judged digest.
//! 4. *Whether it is enough.* `policy` sees verified statements alone, and of an SBOM the
//!    [`Inventory`](seaworthy_sbom::inventory::Inventory) alone. A signature requirement is met by a signature,
//!    an attestation requirement by an attestation. Thresholds count distinct signers.
//! 5. *What follows.* Everything that is not a yes in all matching policies that enforce is a no. No policy
//!    matches: no.
//!
//! The caller supplies the time ([`Context::now`]) and the place ([`Source`]); this package has no clock, no
//! socket and no global state of its own.

#[cfg(feature = "admission")]
pub mod admission;
mod ahead;
mod authority;
mod blob;
pub mod break_glass;
mod certified;
mod check;
#[cfg(feature = "admission")]
pub mod cluster;
mod demand;
mod error;
pub mod evidence;
mod files;
mod identity;
mod issued;
mod judge;
mod key;
mod legacy;
pub mod limits;
pub mod pki;
pub mod policy;
mod proof;
mod regexp;
pub mod sboms;
#[cfg(feature = "admission")]
pub mod serve;
mod stamp;
mod statement;
mod trust;
pub mod trust_file;
mod verdict;
mod walk;
mod wire;
mod witness;
mod x509;

pub use authority::{Authority, TrustedKey};
pub use blob::{
    Artifact, BLOB_BUNDLE_BYTES, BLOB_VERDICT_VERSION, BlobError, BlobVerdict, HELD_BYTES, verify_blob,
};
pub use demand::{About, DemandError, Quorum};
pub use error::Error;
pub use identity::{Asked, Claim, Identity, IdentityError, IdentityRule};
pub use judge::{Considered, Explained, Looked, PolicyEvidence};
pub use key::{PUBLIC_KEY_BYTES, PublicKey};
pub use policy::{
    Exception, ImageName, Mode, Namespace, Policy, PolicyError, PolicySet, Problem, Requirement,
};
pub use statement::PredicateType;
pub use trust::{TRUSTED_ROOT_BYTES, Trust};
pub use trust_file::TrustFile;
pub use verdict::{
    Decision, Excepted, ExceptionNote, Explanation, PolicyVerdict, Refusal, RequirementVerdict, Role, Signer,
    SubjectVerdict, Suppressed, VERDICT_VERSION, Verdict,
};

use jiff::Timestamp;
use seaworthy_oci::{Pinned, Platform, RawManifest, Source};
use std::sync::Arc;

/// What a judgement depends on besides image and policies.
#[derive(Debug, Clone)]
pub struct Context {
    /// The time at which is judged.
    pub now: Timestamp,
    /// Which platforms of an index.
    pub platforms: Platforms,
    /// The namespace in which the image is to run. Without one, a yes is a yes in each: the strictest applies.
    pub namespace: Option<Namespace>,
}

/// Which platforms of an index are judged. The index itself always is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Platforms {
    /// Every one that a runtime could run.
    #[default]
    All,
    /// Those that serve one of these; each must be served by one at least.
    Only(Vec<Platform>),
}

/// The decision engine: policies, and the circumstances to judge in.
#[derive(Debug)]
pub struct Verifier {
    set: Arc<PolicySet>,
    context: Context,
}

impl Verifier {
    /// A verifier for `policies`, and for the exceptions from them, if there are any.
    ///
    /// # Errors
    /// Where two policies or exceptions have one name: it would not be clear which of them a verdict speaks of. Where
    /// an exception is from a policy that is not there.
    pub fn new(policies: impl Into<PolicySet>, context: Context) -> Result<Self, PolicyError> {
        Ok(Self { set: Arc::new(policies.into().consistent()?), context })
    }

    /// The same for a set that many judgements share, and that was found consistent once.
    #[cfg(feature = "admission")]
    pub(crate) fn sharing(set: &Arc<PolicySet>, context: Context) -> Self {
        Self { set: Arc::clone(set), context }
    }

    /// The policies, sorted by name.
    pub fn policies(&self) -> &[Policy] {
        &self.set.policies
    }

    /// Judges `image`, found at `source`, under the name `name`.
    ///
    /// # Errors
    /// Where it could not be found out and a matching policy enforces. In audit and warn mode the verdict
    /// says so instead ([`Refusal::CouldNotFindOut`]).
    pub async fn judge(
        &self,
        source: &dyn Source,
        image: &Pinned,
        name: &ImageName,
    ) -> Result<Verdict, Error> {
        judge::judge(self, source, image, None, name, None).await
    }

    /// [`Verifier::judge`] for a caller that has the manifest at hand, such as from
    /// [`seaworthy_oci::resolve`]: it is not fetched again, and its digest is compared.
    ///
    /// # Errors
    /// As [`Verifier::judge`].
    pub async fn judge_manifest(
        &self,
        source: &dyn Source,
        image: &Pinned,
        manifest: RawManifest,
        name: &ImageName,
    ) -> Result<Verdict, Error> {
        judge::judge(self, source, image, Some(manifest), name, None).await
    }

    /// [`Verifier::judge_manifest`], with everything that was looked at: the same verdict, at the price of looking at
    /// all that is there.
    ///
    /// # Errors
    /// As [`Verifier::judge`].
    pub async fn explain(
        &self,
        source: &dyn Source,
        image: &Pinned,
        manifest: RawManifest,
        name: &ImageName,
    ) -> Result<Explained, Error> {
        judge::explain(self, source, image, manifest, name).await
    }
}
