//! What a tenant of the cluster controls, bounded.
//!
//! A review that passes one of these is denied with the limit's name: judging a part of it would be
//! judging something else.

use std::time::Duration;

/// A request body. etcd takes objects of 1.5 MB, and a review holds two of them, old and new.
pub const BODY_BYTES: usize = 3 << 20;
/// Distinct images of one review. Real Pods have fewer than ten; each costs a registry several requests.
pub const IMAGES: usize = 64;
/// Places of one review in which an image stands, the same one included.
pub const POSITIONS: usize = 1_024;
/// Characters of one image reference: host 253, repository 255, tag 128, digest 135, and what joins them.
pub const IMAGE_CHARS: usize = 800;
/// Characters of the `uid`, which is a UUID and is sent back.
pub const UID_CHARS: usize = 128;
/// Images that a denial speaks about, a line each; the rest are counted.
pub const MESSAGE_LINES: usize = 5;
/// Characters of one such line.
pub const LINE_CHARS: usize = 400;
/// Warnings of one response.
pub const WARNINGS: usize = 5;
/// Characters of one warning: the API server cuts longer ones, and all of them together at 4096.
pub const WARNING_CHARS: usize = 256;
/// Characters of one audit annotation.
pub const ANNOTATION_CHARS: usize = 1_024;
/// Time for one review. The API server waits ten seconds, and then says "context deadline exceeded"
/// instead of why.
pub const BUDGET: Duration = Duration::from_secs(8);
/// What is left to the way back where the API server announces a shorter time than [`BUDGET`].
pub const HEADROOM: Duration = Duration::from_millis(500);
/// Judgements at once that ask a registry, over all reviews: each may hold an SBOM in memory.
pub const JUDGEMENTS: usize = 16;
/// Verdicts that are remembered.
pub const VERDICTS: usize = 4_096;
/// Time for which a yes is remembered: evidence that was withdrawn, an SBOM that has become too old, or a
/// key whose window has closed takes effect after it at the latest.
pub const ALLOWED_FOR: Duration = Duration::from_secs(300);
/// Time for which a no is remembered: people sign and try again at once.
pub const DENIED_FOR: Duration = Duration::from_secs(5);
/// Digests that are remembered for the time in which their registry is down.
pub const KNOWN: usize = 8_192;
/// Break-glass tokens of one review: one for each image of a Pod in trouble.
pub const TOKENS: usize = 8;
/// Pull secrets that one review names. Each is a request to the API server.
pub const PULL_SECRETS: usize = 16;
/// Repositories whose connection and token are kept.
pub const SOURCES: usize = 256;
/// Time for which they are kept: credentials on disk may change.
pub const SOURCE_FOR: Duration = Duration::from_secs(120);
