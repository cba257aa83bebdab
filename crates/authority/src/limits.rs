//! Everything that an outsider, or growth, can make large, and how large it may be.

use std::time::Duration;

/// A request's body. The largest honest one is an envelope with its payload (`dsseRequestV002`); SBOMs
/// beyond this are logged by their hash (`hashedRekordRequestV002`), which has a few kilobytes.
pub const BODY_BYTES: usize = 1 << 20;

/// A request's head, all header lines together.
pub const HEAD_BYTES: usize = 64 << 10;

/// An identity token. GitHub's have about 2 KiB; ones with group lists reach 10.
pub const TOKEN_BYTES: usize = 32 << 10;

/// One entry of a log: tlog-tiles writes an entry's length in 16 bits.
pub const ENTRY_BYTES: usize = 65_535;

/// Entries in one log. A log holds about 100 bytes of memory an entry (two hashes, an offset, and where an entry is
/// that begins so), so that a full one needs 2 GiB; a new log (a new key) follows.
pub const LOG_ENTRIES: usize = 20_000_000;

/// Logs that were closed, of each kind; all are read at the start and stay in memory.
pub const SHARDS: usize = 32;

/// Entries that one write to disk acknowledges together.
pub const BATCH_ENTRIES: usize = 512;

/// Entries that wait to be written; the next one is told to come back (503).
pub const QUEUE_ENTRIES: usize = 2_048;

/// Connections at a time; the next one waits in the kernel's backlog.
pub const CONNECTIONS: usize = 512;

/// How long a client may take for the TLS handshake, or for its request's head, and how long a connection
/// may stay without a request.
pub const HEAD_TIME: Duration = Duration::from_secs(15);

/// How long a client may take for a request's body.
pub const BODY_TIME: Duration = Duration::from_secs(30);

/// Requests a second that change something (certificates, entries, timestamps), unless authority.yaml says
/// otherwise.
pub const REQUESTS_PER_SECOND: u32 = 2_000;

/// A discovery document or a key set of an identity provider. Real ones have up to 10 KiB.
pub const JWKS_BYTES: usize = 256 << 10;

/// Keys in a key set.
pub const JWKS_KEYS: usize = 64;

/// How long an identity provider may take for one answer.
pub const ISSUER_TIME: Duration = Duration::from_secs(10);

/// How long a key set is used before it is fetched anew.
pub const JWKS_AGE: Duration = Duration::from_secs(600);

/// How soon a key set may be fetched again because a token names a key that is not in it: tokens with
/// invented key names must not turn the authority into a hammer.
pub const JWKS_AGAIN: Duration = Duration::from_secs(30);

/// Identity providers in one configuration.
pub const ISSUERS: usize = 64;

/// Static tokens in one configuration.
pub const STATIC_TOKENS: usize = 1_024;

/// A configuration file.
pub const CONFIG_BYTES: u64 = 1 << 20;
/// How deep its maps and lists may stand in each other; an issuer is at three.
pub const CONFIG_DEPTH: usize = 16;

/// An identity in a certificate. RFC 5321 allows mail addresses of 254 bytes; workflow URIs are longer.
pub const SUBJECT_BYTES: usize = 1_024;

/// A value of a claim that goes into a certificate.
pub const CLAIM_BYTES: usize = 1_024;

/// How long a signing certificate is valid. Sigstore's clients expect that it covers one run of a build.
pub const CERTIFICATE_SECONDS: i64 = 600;

/// How long authority.yaml may let one be valid: whoever steals its key has it for so long.
pub const CERTIFICATE_MOST: i64 = 24 * 3_600;

/// How far the clocks of identity providers may be off.
pub const CLOCK_SKEW_SECONDS: i64 = 60;

/// How long a token of the built-in issuer may be valid.
pub const TOKEN_SECONDS: i64 = 24 * 3_600;
