//! From a blob as stored to the bytes of its tar.
//!
//! The first bytes decide how it is compressed, because that is what runtimes go by; the media type is
//! compared and a difference reported. Gzip may have several members, zstd several frames and skippable
//! ones. Output is bounded by [`limits::RATIO`] and [`limits::LAYER_UNPACKED_BYTES`]. The blob is always
//! read to its real end: only then has its digest been checked.

use crate::error::{Error, ErrorKind, Result};
use crate::files::Hasher as FileHasher;
use crate::limits;
use crate::stage::{Ahead, PIECE_BYTES};
use crate::tar::{Input, Mark};
use flate2::bufread::MultiGzDecoder;
use seaworthy_oci::Digest;
use seaworthy_oci::digest::Hasher;
use seaworthy_oci::source::from_io;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is read from the blob at once.
const BUFFER_BYTES: usize = PIECE_BYTES;
/// How often progress is told, in stored bytes.
const REPORT_BYTES: u64 = 1 << 20;
/// `ZSTD_WINDOWLOG_LIMIT_DEFAULT`: 128 MiB, what every zstd tool takes without being asked.
pub(crate) const ZSTD_WINDOW_LOG: u32 = 27;

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// Gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// What a layer's media type says.
    ///
    /// # Errors
    /// For media types of other things than layers.
    pub(crate) fn announced(media_type: &str, digest: &Digest) -> Result<Self> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Ok(Self::None),
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Ok(Self::Gzip),
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Ok(Self::Zstd),
            other => {
                let shown: String = other.chars().take(120).collect();
                let why = format!("'{}' is no media type of an image layer", shown.escape_debug());
                Err(Error::new("read layer", digest, ErrorKind::Unsupported(why))
                    .hint("artifacts that are no container images have no inventory"))
            }
        }
    }

    /// What the first bytes of a blob say.
    fn sniff(start: &[u8], digest: &Digest) -> Result<Self> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame first (RFC 8878, 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] | [b'B', b'Z', b'h', ..] => Err(Error::new(
                "read layer",
                digest,
                ErrorKind::Unsupported("xz and bzip2 are no compressions of the OCI specification".into()),
            )),
            _ => Ok(Self::None),
        }
    }

    /// The name for messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "not compressed",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The blob as stored: counts, reports, and stops when the inventory was given up.
struct Stored<'a> {
    /// The place's own reader, which checks the digest, a few pieces ahead.
    inner: Ahead<io::Error>,
    piece: Vec<u8>,
    /// What of the piece was not taken yet.
    left: std::ops::Range<usize>,
    /// What was read ahead to see how the blob is compressed.
    start: Vec<u8>,
    read: Arc<AtomicU64>,
    reported: u64,
    report: &'a mut (dyn FnMut(u64) + Send),
    cancel: Arc<AtomicBool>,
}

impl Stored<'_> {
    fn more(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(io::Error::other("the inventory was given up"));
        }
        if self.left.is_empty() {
            let died = |_| io::Error::other("the thread that reads the layer died");
            self.left = 0..self.inner.next(&mut self.piece).map_err(died)??;
        }
        let n = buf.len().min(self.left.len());
        let from = self.left.start;
        if let (Some(to), Some(from)) = (buf.get_mut(..n), self.piece.get(from..from + n)) {
            to.copy_from_slice(from);
        }
        self.left.start += n;
        let read = self.read.load(Ordering::Relaxed).saturating_add(n as u64);
        self.read.store(read, Ordering::Relaxed);
        if n == 0 || read - self.reported >= REPORT_BYTES {
            self.reported = read;
            (self.report)(read);
        }
        Ok(n)
    }
}

impl Read for Stored<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.start.is_empty() {
            return self.more(buf);
        }
        let n = buf.len().min(self.start.len());
        for (to, from) in buf.iter_mut().zip(self.start.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }
}

type Buffered<'a> = BufReader<Stored<'a>>;

enum Decoder<'a> {
    None(Buffered<'a>),
    Gzip(Box<MultiGzDecoder<Buffered<'a>>>),
    Zstd(Box<zstd::Decoder<'static, Buffered<'a>>>),
}

/// The tar of a layer, bounded.
pub(crate) struct Unpacked<'a> {
    decoder: Decoder<'a>,
    compression: Compression,
    stored: Arc<AtomicU64>,
    unpacked: u64,
    hasher: Option<Hasher>,
    digest: Digest,
}

impl<'a> Unpacked<'a> {
    /// Opens the blob `inner` with `digest`; `report` hears how many stored bytes were read. With a
    /// `hasher`, the unpacked bytes are hashed as well.
    pub(crate) fn open(
        inner: Ahead<io::Error>,
        digest: &Digest,
        hasher: Option<Hasher>,
        cancel: Arc<AtomicBool>,
        report: &'a mut (dyn FnMut(u64) + Send),
    ) -> Result<Self> {
        let local = |e| Error::from(from_io(e, "read layer", digest));
        let stored = Arc::new(AtomicU64::new(0));
        let mut raw = Stored {
            inner,
            piece: Vec::new(),
            left: 0..0,
            start: Vec::new(),
            read: Arc::clone(&stored),
            reported: 0,
            report,
            cancel,
        };
        // A source may hand out its first bytes one by one.
        let mut start = Vec::with_capacity(6);
        (&mut raw).take(6).read_to_end(&mut start).map_err(local)?;
        let compression = Compression::sniff(&start, digest)?;
        raw.start = start;
        let raw = BufReader::with_capacity(BUFFER_BYTES, raw);
        let decoder = match compression {
            Compression::None => Decoder::None(raw),
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(raw))),
            Compression::Zstd => {
                let mut zstd = zstd::Decoder::with_buffer(raw).map_err(local)?;
                zstd.window_log_max(ZSTD_WINDOW_LOG).map_err(local)?;
                Decoder::Zstd(Box::new(zstd))
            }
        };
        Ok(Self { decoder, compression, stored, unpacked: 0, hasher, digest: digest.clone() })
    }

    /// How the blob is compressed.
    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    /// The digest of all that was unpacked, if a hasher was given.
    pub(crate) fn diff_id(&mut self) -> Option<Digest> {
        self.hasher.take().map(Hasher::finish)
    }

    /// Reads the stored blob to its end, whatever the decoder made of it, so that its digest is checked.
    ///
    /// # Errors
    /// What the source says about the blob.
    pub(crate) fn drain_stored(&mut self) -> Result<()> {
        let raw = match &mut self.decoder {
            Decoder::None(raw) => raw,
            Decoder::Gzip(gzip) => gzip.get_mut(),
            Decoder::Zstd(zstd) => zstd.get_mut(),
        };
        loop {
            let n = raw.fill_buf().map_err(|e| from_io(e, "read layer", &self.digest))?.len();
            if n == 0 {
                return Ok(());
            }
            raw.consume(n);
        }
    }

    fn bound(&self, limit: &'static str, value: u64) -> Error {
        Error::new("unpack layer", &self.digest, ErrorKind::LimitExceeded { limit, value })
    }

    fn failed(&self, error: io::Error) -> Error {
        if error.get_ref().is_some_and(|inner| inner.is::<seaworthy_oci::Error>()) {
            return from_io(error, "read layer", &self.digest).into();
        }
        let name = self.compression.as_str();
        let kind = match (self.compression, error.kind()) {
            (Compression::None, _) | (_, io::ErrorKind::TimedOut) => {
                return from_io(error, "read layer", &self.digest).into();
            }
            (_, io::ErrorKind::UnexpectedEof) => {
                ErrorKind::Truncated(format!("the {name} stream has no end"))
            }
            _ => ErrorKind::Malformed(format!("the {name} stream is broken: {error}")),
        };
        Error::new("unpack layer", &self.digest, kind)
    }
}

/// Whether so much came out of so few stored bytes that nobody packed it to be unpacked.
pub(crate) fn is_bomb(unpacked: u64, stored: u64) -> bool {
    unpacked > limits::RATIO_GRACE && unpacked > stored.saturating_mul(limits::RATIO)
}

/// Reads from the place of a layer; what interrupts it is tried again.
pub(crate) fn read_some(inner: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match inner.read(buf) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl Unpacked<'_> {
    /// Some more of the tar; 0 at its end.
    pub(crate) fn fill(&mut self, buf: &mut [u8]) -> Result<usize> {
        let n = match &mut self.decoder {
            Decoder::None(raw) => raw.read(buf),
            Decoder::Gzip(gzip) => gzip.read(buf),
            Decoder::Zstd(zstd) => zstd.read(buf),
        }
        .map_err(|e| self.failed(e))?;
        self.unpacked = self.unpacked.saturating_add(n as u64);
        if self.unpacked > limits::LAYER_UNPACKED_BYTES {
            return Err(self.bound("LAYER_UNPACKED_BYTES", limits::LAYER_UNPACKED_BYTES));
        }
        if is_bomb(self.unpacked, self.stored.load(Ordering::Relaxed)) {
            return Err(self.bound("RATIO", limits::RATIO).hint("this looks like a decompression bomb"));
        }
        if let (Some(hasher), Some(bytes)) = (&mut self.hasher, buf.get(..n)) {
            hasher.update(bytes);
        }
        Ok(n)
    }
}

/// The tar of a layer as it comes from the thread that unpacks it.
pub(crate) struct Tar {
    /// The other end of that thread.
    pub(crate) ahead: Ahead<Error>,
    /// Who hashes what is marked.
    pub(crate) hasher: Option<FileHasher>,
    /// What is unpacked.
    pub(crate) digest: Digest,
}

impl Input for Tar {
    fn fill(&mut self, buf: &mut Vec<u8>, marks: &mut Vec<Mark>) -> Result<usize> {
        if let Some(hasher) = self.hasher.as_ref().filter(|_| !marks.is_empty()) {
            hasher.hash(std::mem::take(buf), std::mem::take(marks));
        }
        self.ahead.next(buf).unwrap_or_else(|_| {
            let why = "the thread that unpacks it died".to_owned();
            Err(Error::new("unpack layer", &self.digest, ErrorKind::Local(why)))
        })
    }
}
