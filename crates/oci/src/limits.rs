//! Every byte, entry and second that an outsider controls, by name and with its reason.
//!
//! A limit that is passed is an error that names it ([`crate::ErrorKind::LimitExceeded`]), never a silent
//! truncation: a list cut short could hide the one entry that matters.

use std::time::Duration;

/// A manifest or index body. The distribution specification asks registries to accept 4 MiB.
pub const MANIFEST_BYTES: u64 = 4 << 20;
/// Entries of one index; real ones have a few dozen.
pub const INDEX_ENTRIES: usize = 1_000;
/// Layers of one image; overlay file systems stop at 500.
pub const IMAGE_LAYERS: usize = 1_000;
/// Indexes inside indexes: the specification allows any depth, nobody needs three.
pub const INDEX_DEPTH: usize = 3;
/// An image configuration: larger than any seen, small enough to hold.
pub const CONFIG_BYTES: u64 = 8 << 20;
/// Pages of one referrers listing.
pub const REFERRER_PAGES: usize = 8;
/// Entries of one referrers listing or fallback index.
pub const REFERRER_ENTRIES: usize = 512;
/// Bytes of all pages of one referrers listing.
pub const REFERRER_BYTES: u64 = 8 << 20;
/// A token answer or an error body: read for its message alone.
pub const TOKEN_BYTES: u64 = 64 << 10;
/// Redirects of one request: storage backends need one, sometimes two.
pub const REDIRECTS: usize = 3;
/// A layer as it is stored, compressed.
pub const LAYER_BYTES: u64 = 10 << 30;
/// The depth of any JSON document that we read.
pub const JSON_DEPTH: usize = 64;
/// Connecting to a registry, TLS included.
pub const CONNECT: Duration = Duration::from_secs(5);
/// The longest silence in the middle of an answer.
pub const READ_IDLE: Duration = Duration::from_secs(15);
/// One small request (manifest, referrers, token) from first byte sent to last byte read.
pub const REQUEST: Duration = Duration::from_secs(30);
/// A credential helper: it may ask a keychain, it may not hang a pipeline.
pub const CREDENTIAL_HELPER: Duration = Duration::from_secs(10);
/// Tries of one request, the first included.
pub const TRIES: u32 = 5;
/// The longest `Retry-After` that is waited for; beyond it the answer is "throttled" at once.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Tries to write a tag that others write too.
pub const TAG_RACES: u32 = 12;
/// A credential helper's answer, and a configuration file that holds credentials.
pub const CREDENTIAL_BYTES: u64 = 1 << 20;
/// The slowest download that is waited for, in bytes a second: one byte a second would never end.
pub const READ_RATE: u64 = 16 << 10;
/// One chunk of an upload, and the largest blob that is sent without chunks: it is held in memory.
pub const UPLOAD_CHUNK: usize = 8 << 20;
/// The largest `OCI-Chunk-Min-Length` of a registry that is honoured, since a chunk is held in memory.
pub const UPLOAD_CHUNK_MAX: usize = 64 << 20;
/// Waits of at most this long before another try, where the registry does not say.
pub const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// What a daemon may export of one image: it goes to a temporary file. The layers are held against [`LAYER_BYTES`] then.
pub const EXPORT_BYTES: u64 = 64 << 30;
/// The longest silence of a daemon: it may gather a large image before it sends the first byte.
pub const EXPORT_IDLE: Duration = Duration::from_secs(300);
