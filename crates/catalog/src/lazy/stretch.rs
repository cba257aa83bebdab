//! The pieces of files out of stretches of a blob: fetched, unpacked, and each held against its digest.
//!
//! Goes forward only: the pieces of a table stand in the order of the blob. Decides that a piece is what the table says
//! before anybody's conclusion counts: what was shown of one that is not ends in an error, and with it the layer. What is
//! unpacked is bounded by what was fetched ([`limits::RATIO`]).

use super::toc::{Chunk, Content};
use super::{Door, Table, gather};
use crate::decompress::{ZSTD_WINDOW_LOG, is_bomb, read_some};
use crate::error::{Error, ErrorKind, Result};
use crate::layer::Pass;
use crate::limits;
use flate2::bufread::MultiGzDecoder;
use seaworthy_oci::BlobReader;
use seaworthy_oci::digest::Hasher;
use seaworthy_oci::source::from_io;
use std::io::{self, BufReader, Read};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::Ordering;

/// What is unpacked at once.
const BUFFER_BYTES: usize = crate::stage::PIECE_BYTES;
/// What is read of a stretch at once: most pieces are small.
const READ_BYTES: usize = 16 << 10;
/// The first request for more of a file that was not planned; each further one for the same file is four times as long.
const MORE_BYTES: u64 = 1 << 20;
/// Requests of one layer that were not planned; beyond it the layer is read whole.
const UNPLANNED: usize = 256;

/// Why a layer is not read by its table.
pub(super) enum Stop {
    /// It could not be read.
    Failed(Error),
    /// It is to be read whole, because the place gives no ranges or most of it is wanted; or because of its table.
    Whole(Option<String>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A stretch that is being read.
struct Open {
    reader: BlobReader,
    /// The place in the blob of the next byte, and of the one after the last.
    at: u64,
    end: u64,
}

/// The part of it that belongs to some pieces.
struct Part {
    open: Open,
    until: u64,
}

impl Read for Part {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.until.saturating_sub(self.open.at)).unwrap_or(usize::MAX);
        let n = buf.len().min(left);
        let n = self.open.reader.read(buf.get_mut(..n).unwrap_or_default())?;
        self.open.at = self.open.at.saturating_add(n as u64);
        Ok(n)
    }
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<BufReader<Part>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Part>>>),
}

impl Decoder {
    fn open(self) -> Open {
        match self {
            Self::Gzip(gzip) => gzip.into_inner().into_inner().open,
            Self::Zstd(zstd) => zstd.finish().into_inner().open,
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(gzip) => read_some(gzip, buf),
            Self::Zstd(zstd) => read_some(zstd, buf),
        }
    }
}

/// Pieces that stand in the same bytes of the blob.
struct Member {
    decoder: Decoder,
    start: u64,
    /// Bytes that were unpacked of it.
    done: u64,
}

/// What is fetched of a blob.
pub(super) struct Stretches<'a> {
    door: &'a mut dyn Door,
    pass: &'a Pass,
    is_zstd: bool,
    size: u64,
    planned: Vec<Range<u64>>,
    /// Of those, the first that is not behind.
    next: usize,
    member: Option<Member>,
    buffer: Vec<u8>,
    fetched: u64,
    unpacked: u64,
    unplanned: usize,
    /// The end of the file for which something was fetched that was not planned, and how much the next time.
    more: (u64, u64),
    report: &'a mut (dyn FnMut(u64) + Send),
}

impl<'a> Stretches<'a> {
    /// Nothing of the blob of `size` bytes was fetched yet.
    pub(super) fn new(
        door: &'a mut dyn Door,
        pass: &'a Pass,
        table: &Table,
        size: u64,
        report: &'a mut (dyn FnMut(u64) + Send),
    ) -> Self {
        Self {
            door,
            pass,
            is_zstd: matches!(table, Table::Chunked { .. }),
            size,
            planned: Vec::new(),
            next: 0,
            member: None,
            buffer: vec![0; BUFFER_BYTES],
            fetched: 0,
            unpacked: 0,
            unplanned: 0,
            more: (0, MORE_BYTES),
            report,
        }
    }

    /// What is fetched in one request each where it is wanted.
    pub(super) fn plan(&mut self, planned: Vec<Range<u64>>) {
        self.planned = planned;
    }

    /// All is read: how many bytes were asked for.
    pub(super) fn close(self) -> u64 {
        // For whoever draws it, the layer is done.
        (self.report)(self.size);
        self.fetched
    }

    /// Some bytes, held.
    pub(super) fn bytes(&mut self, range: Range<u64>) -> Result<Vec<u8>, Stop> {
        let size = range.end.saturating_sub(range.start);
        let reader = self.fetch(range)?;
        Ok(gather(reader, size, &self.pass.digest)?)
    }

    fn fetch(&mut self, range: Range<u64>) -> Result<BlobReader, Stop> {
        if self.pass.cancel.load(Ordering::Relaxed) {
            return Err(self.error(ErrorKind::Local("the inventory was given up".into())).into());
        }
        self.fetched = self.fetched.saturating_add(range.end.saturating_sub(range.start));
        (self.report)(self.fetched.min(self.size));
        self.door.stretch(range)?.ok_or(Stop::Whole(None))
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new("read layer", &self.pass.digest, kind)
    }

    /// Shows a piece to `look` until it has seen enough, and checks the piece to its end; `rest` are the pieces of the
    /// file from this one on.
    pub(super) fn chunk(
        &mut self,
        chunk: &Chunk,
        rest: &[Chunk],
        look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Stop> {
        let expected = match &chunk.content {
            Content::Zeros => return Ok(self.zeros(chunk.size, look)?),
            Content::Bytes(digest) => digest,
        };
        let mut member = self.member(chunk, rest)?;
        let mut hasher = Hasher::new(expected.algorithm());
        let mut flow = ControlFlow::Continue(());
        let mut skip = chunk.inner.saturating_sub(member.done);
        let mut left = chunk.size;
        while skip > 0 || left > 0 {
            let wanted = usize::try_from(if skip > 0 { skip } else { left }).unwrap_or(usize::MAX);
            let most = wanted.min(self.buffer.len());
            let read = member.decoder.read(self.buffer.get_mut(..most).unwrap_or_default());
            let n = read.map_err(|e| self.failed(e))?;
            if n == 0 {
                let why = "a piece of a file ends before its table of contents says";
                return Err(self.error(ErrorKind::Truncated(why.into())).into());
            }
            self.charge(n as u64)?;
            member.done = member.done.saturating_add(n as u64);
            if skip > 0 {
                skip -= n as u64;
                continue;
            }
            left -= n as u64;
            let bytes = self.buffer.get(..n).unwrap_or_default();
            hasher.update(bytes);
            if flow.is_continue() {
                flow = look(bytes);
            }
        }
        self.member = Some(member);
        let actual = hasher.finish();
        if actual != *expected {
            let why = format!(
                "a piece of a file is not what its table of contents says: {expected} there, {actual} here"
            );
            return Err(self.error(ErrorKind::Malformed(why)).hint(
                "read whole, without --lazy, the layer is held against its own digest: that tells a registry that \
                 changed it from a table of contents that does not fit it",
            ).into());
        }
        Ok(flow)
    }

    fn zeros(
        &mut self,
        size: u64,
        look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        self.buffer.fill(0);
        let mut left = size;
        while left > 0 {
            let n = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            left -= n as u64;
            if look(self.buffer.get(..n).unwrap_or_default()).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn charge(&mut self, n: u64) -> Result<()> {
        self.unpacked = self.unpacked.saturating_add(n);
        if is_bomb(self.unpacked, self.fetched) {
            let kind = ErrorKind::LimitExceeded { limit: "RATIO", value: limits::RATIO };
            return Err(self.error(kind).hint("this looks like a decompression bomb"));
        }
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        if error.get_ref().is_some_and(|inner| inner.is::<seaworthy_oci::Error>()) {
            return from_io(error, "read layer", &self.pass.digest).into();
        }
        let kind = match error.kind() {
            io::ErrorKind::TimedOut => return from_io(error, "read layer", &self.pass.digest).into(),
            io::ErrorKind::UnexpectedEof => ErrorKind::Truncated("a piece of a file has no end".into()),
            _ => ErrorKind::Malformed(format!("a piece of a file is broken: {error}")),
        };
        self.error(kind)
    }

    /// What unpacks the piece: the one that unpacked those before it in the same bytes, or a new one.
    fn member(&mut self, chunk: &Chunk, rest: &[Chunk]) -> Result<Member, Stop> {
        let open = match self.member.take() {
            Some(member) if member.start == chunk.at.start && member.done <= chunk.inner => {
                return Ok(member);
            }
            Some(member) => Some(member.decoder.open()),
            None => None,
        };
        let mut open = match open.filter(|open| open.at <= chunk.at.start && chunk.at.end <= open.end) {
            Some(open) => open,
            None => {
                let range = self.stretch_for(chunk, rest)?;
                Open { at: range.start, end: range.end, reader: self.fetch(range)? }
            }
        };
        while open.at < chunk.at.start {
            let gap = usize::try_from(chunk.at.start - open.at).unwrap_or(usize::MAX).min(self.buffer.len());
            let n = open.reader.read(self.buffer.get_mut(..gap).unwrap_or_default());
            let n = n.map_err(|e| self.failed(e))?;
            if n == 0 {
                return Err(self.error(ErrorKind::Truncated("the layer ends too early".into())).into());
            }
            open.at += n as u64;
        }
        let part = BufReader::with_capacity(READ_BYTES, Part { open, until: chunk.at.end });
        let local = |e: io::Error| Error::from(from_io(e, "read layer", "piece of a file"));
        let decoder = if self.is_zstd {
            let mut zstd = zstd::Decoder::with_buffer(part).map_err(local)?;
            zstd.window_log_max(ZSTD_WINDOW_LOG).map_err(local)?;
            Decoder::Zstd(Box::new(zstd))
        } else {
            Decoder::Gzip(Box::new(MultiGzDecoder::new(part)))
        };
        Ok(Member { decoder, start: chunk.at.start, done: 0 })
    }

    /// What is fetched to have the piece: the planned stretch in which it stands, or some more of its file.
    fn stretch_for(&mut self, chunk: &Chunk, rest: &[Chunk]) -> Result<Range<u64>, Stop> {
        while self.planned.get(self.next).is_some_and(|planned| planned.end <= chunk.at.start) {
            self.next += 1;
        }
        let planned = self.planned.get(self.next).cloned();
        if let Some(planned) = &planned
            && planned.start <= chunk.at.start
            && chunk.at.end <= planned.end
        {
            return Ok(chunk.at.start..planned.end);
        }
        self.unplanned += 1;
        if self.unplanned > UNPLANNED {
            return Err(Stop::Whole(None));
        }
        let file = rest.last().map_or(chunk.at.end, |last| last.at.end);
        let most = if self.more.0 == file { self.more.1 } else { MORE_BYTES };
        self.more = (file, most.saturating_mul(4));
        // Up to the end of the last piece that fits.
        let fits = rest.iter().take_while(|c| c.at.end - chunk.at.start <= most).last();
        let end = fits.map_or(chunk.at.end, |c| c.at.end).max(chunk.at.end);
        // What follows at once was planned anyway.
        let joined =
            planned.filter(|p| p.start <= end.saturating_add(super::plan::NEAR_BYTES) && end <= p.end);
        Ok(chunk.at.start..joined.map_or(end, |p| p.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiffIds;
    use crate::layer::PathHasher;
    use seaworthy_oci::Digest;
    use seaworthy_sbom::files::Selection;
    use std::io::Cursor;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    struct Held(Vec<u8>, usize);

    impl Door for Held {
        fn whole(&mut self) -> Result<BlobReader> {
            unreachable!("nobody reads it whole here")
        }

        fn stretch(&mut self, range: Range<u64>) -> Result<Option<BlobReader>> {
            self.1 += 1;
            let part = self.0[range.start as usize..range.end as usize].to_vec();
            Ok(Some(Box::new(Cursor::new(part))))
        }
    }

    /// Each content in a frame of its own, and the pieces that these are.
    fn blob(contents: &[Vec<u8>]) -> (Held, Vec<Chunk>) {
        let (mut bytes, mut chunks) = (Vec::new(), Vec::new());
        for content in contents {
            let at = bytes.len() as u64;
            bytes.extend(zstd::encode_all(content.as_slice(), 3).unwrap());
            let (size, digest) = (content.len() as u64, Digest::sha256(content));
            chunks.push(Chunk {
                at: at..bytes.len() as u64,
                inner: 0,
                size,
                content: Content::Bytes(digest),
            });
        }
        (Held(bytes, 0), chunks)
    }

    /// Reads all pieces, each as a file of its own.
    fn read(held: &mut Held, chunks: &[Chunk], planned: Vec<Range<u64>>) -> Result<Vec<u8>, Stop> {
        let digest = Digest::sha256(&held.0);
        let size = held.0.len() as u64;
        let table = Table::Chunked { digest: digest.clone(), at: 0..0, unpacked: 0 };
        let pass = Pass {
            digest,
            media_type: String::new(),
            diff_ids: DiffIds::Skip,
            named: None,
            cancel: Arc::new(AtomicBool::new(false)),
            names: PathHasher::default(),
            files: Selection::None,
        };
        let mut report = |_| {};
        let mut stretches = Stretches::new(held, &pass, &table, size, &mut report);
        stretches.plan(planned);
        let mut all = Vec::new();
        for chunk in chunks {
            let _ = stretches.chunk(chunk, std::slice::from_ref(chunk), &mut |bytes| {
                all.extend_from_slice(&bytes[..bytes.len().min(1 << 10)]);
                ControlFlow::Continue(())
            })?;
        }
        Ok(all)
    }

    #[test]
    fn requests_that_were_not_planned_are_bounded_at_limit_plus_one() {
        let contents = |n: usize| (0..n).map(|i| i.to_string().into_bytes()).collect::<Vec<_>>();
        let (mut held, chunks) = blob(&contents(UNPLANNED));
        let all = read(&mut held, &chunks, Vec::new()).ok().unwrap();
        assert_eq!((all, held.1), (contents(UNPLANNED).concat(), UNPLANNED));
        let (mut held, chunks) = blob(&contents(UNPLANNED + 1));
        assert!(matches!(read(&mut held, &chunks, Vec::new()), Err(Stop::Whole(None))));
        let (mut held, chunks) = blob(&contents(UNPLANNED + 1));
        let whole = Range { start: 0, end: held.0.len() as u64 };
        assert!(read(&mut held, &chunks, vec![whole]).is_ok());
        assert_eq!(held.1, 1, "what was planned is one request");
    }

    #[test]
    fn what_pieces_become_is_bounded() {
        let zeros = |more: usize| vec![vec![0; limits::RATIO_GRACE as usize + more]];
        let (mut held, chunks) = blob(&zeros(0));
        assert!(read(&mut held, &chunks, Vec::new()).is_ok());
        let (mut held, chunks) = blob(&zeros(1));
        match read(&mut held, &chunks, Vec::new()) {
            Err(Stop::Failed(error)) => {
                assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "RATIO", .. }), "{error}");
            }
            _ => panic!("a bomb was unpacked"),
        }
    }
}
