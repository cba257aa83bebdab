//! What the verifier bounds beyond [`seaworthy_oci::limits`].
//!
//! A pusher without a key can attach as much as the registry takes; none of it may cost us more than this.
//! Where a limit is passed there is an error that names it, never a partial judgement.

use jiff::SignedDuration;

/// Pieces of evidence on one digest. Real images have fewer than ten.
pub const EVIDENCE_ITEMS: usize = 32;
/// Bytes of all evidence on one digest.
pub const EVIDENCE_BYTES: u64 = 64 << 20;
/// Bytes of one bundle or envelope: an SBOM of the largest images, in base64.
pub const EVIDENCE_ITEM_BYTES: u64 = 48 << 20;
/// Bytes of one legacy payload: a hundred times what cosign writes.
pub const SIMPLE_SIGNING_BYTES: u64 = 64 << 10;
/// Subjects of one statement. A build of many artifacts has hundreds.
pub const STATEMENT_SUBJECTS: usize = 1_000;
/// Transparency log entries in one bundle: one is usual, two logs are careful.
pub const LOG_ENTRIES: usize = 8;
/// Timestamps in one bundle: one is usual, two authorities are careful.
pub const TIMESTAMPS: usize = 8;
/// Certificates in one bundle: the signer's and those between it and the root.
pub const CHAIN: usize = crate::pki::CHAIN_CERTIFICATES;
/// Requests that one judgement has under way at once: as many as a browser has to one host.
pub const AT_ONCE: usize = 8;
/// Bytes of evidence that are fetched ahead of being looked at; a larger piece is fetched by itself.
pub const AHEAD_BYTES: u64 = 4 << 20;
/// Platforms of one index that are judged at once; the official images have about a dozen.
pub const PLATFORMS: usize = 64;
/// Clocks differ: what is dated may come from this far in the future.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Explanations that one requirement lists; the rest are counted.
pub const EXPLANATIONS: usize = 50;
/// A provenance or verification summary. BuildKit's longest, with every step of a large build, is near a megabyte.
pub const PROVENANCE_BYTES: usize = 4 << 20;
/// An image configuration that rules look into; the largest seen have some hundred kilobytes of history.
pub const IMAGE_CONFIG_BYTES: u64 = 2 << 20;
/// Environment variables of one image; Linux takes about two megabytes, images have a dozen.
pub const ENVIRONMENT_ENTRIES: usize = 1_000;
/// Bytes of all environment variables of one image.
pub const ENVIRONMENT_BYTES: usize = 64 << 10;
/// Findings of one vulnerability report; images full of holes have some thousands.
pub const VULNERABILITIES: usize = 50_000;
/// Findings that a verdict records as suppressed. What comes after them is not suppressed.
pub const SUPPRESSED: usize = 1_000;
/// A VEX document. Those of whole distributions are larger, and are not about one image.
pub const VEX_BYTES: usize = 8 << 20;
/// Vulnerabilities, products and components of one VEX document.
pub const VEX_ENTRIES: usize = 100_000;
/// A policy file.
pub const POLICY_BYTES: u64 = 1 << 20;
