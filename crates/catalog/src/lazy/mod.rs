//! Layers by their table of contents: eStargz and zstd:chunked, of which only what is wanted is fetched.
//!
//! Decides what may be believed. The manifest, whose digest was checked, names the digest of the table; the table names
//! the digest of each piece of a file; so each byte that is looked at is one that the manifest vouches for. What is
//! **not** checked is that the layer's tar says the same as the table, nor the digest of the blob, nor its diff id: all
//! three take all of its bytes. Runtimes that mount by the table see what is listed, others unpack the tar, and whoever
//! makes a layer can make the two differ. That is why nobody gets this without asking, and why a gap in the inventory
//! says that it was done (docs/decisions/0012-lazy-layers.md).
//!
//! The entries of the table are walked as those of a tar are ([`crate::layer::Walk`]), with the same decisions, so that
//! the result is that of the whole layer. A piece with another digest than the table names is an error. Where the place
//! gives no ranges, or most of the layer is wanted, it is read whole; where the table is to blame for that, it is said.

mod door;
mod plan;
mod stretch;
mod toc;

pub(crate) use door::Asking;

use crate::error::{Error, ErrorKind, Result};
use crate::layer::{self, Content, Facts, Names, Note, Pass, Walk};
use crate::limits;
use crate::tar::{self, Input, Mark, Reader};
use flate2::read::GzDecoder;
use seaworthy_oci::source::from_io;
use seaworthy_oci::{BlobReader, Descriptor, Digest};
use seaworthy_sbom::files::Selection;
use std::io::Read;
use std::ops::{ControlFlow, Range};
use stretch::{Stop, Stretches};
use toc::{Chunk, Toc};

/// eStargz: the digest of the table as JSON (stargz-snapshotter, docs/estargz.md).
const STARGZ: &str = "containerd.io/snapshot/stargz/toc.digest";
/// zstd:chunked: the digest of the table as it is stored (containers/storage, pkg/chunked).
const CHUNKED_DIGEST: &str = "io.github.containers.zstd-chunked.manifest-checksum";
/// zstd:chunked: where it stands, as `offset:stored:unpacked:type`.
const CHUNKED_PLACE: &str = "io.github.containers.zstd-chunked.manifest-position";
/// The type of a table as both formats have it, CRFS.
const CHUNKED_TYPE: u64 = 1;
/// eStargz: the name of the table in the tar.
const STARGZ_NAME: &[u8] = b"stargz.index.json";
/// How many of the last bytes of an eStargz blob are asked for first: the table is a hundredth of most blobs.
fn tail_bytes(size: u64) -> u64 {
    (size / 64).clamp(8 << 10, 1 << 20)
}

/// Where a layer has its table of contents, as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Table {
    /// eStargz: found by the blob's last bytes, with this digest.
    Stargz(Digest),
    /// zstd:chunked.
    Chunked {
        /// The digest of the stored bytes.
        digest: Digest,
        /// Those bytes.
        at: Range<u64>,
        /// How many they are unpacked.
        unpacked: u64,
    },
}

impl Table {
    /// What the manifest says of a layer; `None` where it names no table, and where the layer is small enough to be
    /// fetched at once.
    pub(crate) fn of(descriptor: &Descriptor) -> Option<Result<Self, String>> {
        if descriptor.size < limits::LAZY_LEAST_BYTES {
            return None;
        }
        let says = |key: &str| descriptor.annotations.get(key).map(String::as_str);
        let digest = |text: &str| text.parse::<Digest>().map_err(|e| e.kind.to_string());
        // Some layers name both: each is for those who unpack that compression.
        if !descriptor.media_type.ends_with("zstd") {
            return Some(digest(says(STARGZ)?).map(Self::Stargz));
        }
        let (sum, place) = (says(CHUNKED_DIGEST)?, says(CHUNKED_PLACE)?);
        let numbers: Option<Vec<u64>> = place.split(':').map(|n| n.parse().ok()).collect();
        let end = |at: u64, stored: u64| at.checked_add(stored).filter(|end| *end <= descriptor.size);
        Some(match numbers.as_deref() {
            Some(&[at, stored, unpacked, CHUNKED_TYPE]) => match end(at, stored) {
                Some(end) => digest(sum).map(|digest| Self::Chunked { digest, at: at..end, unpacked }),
                None => Err("it stands outside of the layer".into()),
            },
            _ => Err("its place is not of the form offset:stored:unpacked:1".into()),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Stargz(_) => "eStargz",
            Self::Chunked { .. } => "zstd:chunked",
        }
    }
}

/// How a layer's bytes are had.
pub(crate) trait Door {
    /// All of them; the reader checks their digest.
    fn whole(&mut self) -> Result<BlobReader>;

    /// These, unchecked; `None` where they cannot be had alone.
    fn stretch(&mut self, range: Range<u64>) -> Result<Option<BlobReader>>;
}

/// What was read of a layer.
pub(crate) struct Known {
    pub(crate) facts: Facts,
    /// How many bytes were fetched, where it was not read whole.
    pub(crate) fetched: Option<u64>,
}

/// Reads a layer of `size` bytes by `table`, or whole; `report` hears how many bytes were fetched.
pub(crate) fn read(
    table: Result<Table, String>,
    size: u64,
    pass: &Pass,
    door: &mut dyn Door,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<Known> {
    let stopped = match table {
        Err(why) => Stop::Whole(Some(why)),
        Ok(table) => match by(&table, size, pass, door, report) {
            Ok(known) => return Ok(known),
            Err(stopped) => stopped,
        },
    };
    match stopped {
        Stop::Failed(error) => Err(error),
        Stop::Whole(why) => {
            let mut facts = layer::read(door.whole()?, pass, report)?;
            facts.notes.extend(why.map(|why| Note {
                path: None,
                reason: format!(
                    "its table of contents, which cannot be used ({why}): the layer was read whole"
                ),
            }));
            Ok(Known { facts, fetched: None })
        }
    }
}

/// Reads a layer by its table.
fn by(
    table: &Table,
    size: u64,
    pass: &Pass,
    door: &mut dyn Door,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<Known, Stop> {
    let mut stretches = Stretches::new(door, pass, table, size, report);
    let (json, end) = match table {
        Table::Stargz(digest) => stargz(&mut stretches, size, digest)?,
        Table::Chunked { digest, at, unpacked } => chunked(&mut stretches, at, *unpacked, digest)?,
    };
    let toc = toc::read(&json, size, end).map_err(unusable)?;
    drop(json);
    stretches.plan(plan::plan(&toc, size).ok_or(Stop::Whole(None))?);
    let mut walk = Walk::new(&pass.names, Selection::None);
    for item in &toc.entries {
        let mut file =
            File { stretches: &mut stretches, toc: &toc, chunks: item.chunks.clone(), stopped: None };
        let taken = walk.take(&item.entry, Names::OfLayer, &mut file);
        match (file.stopped, taken) {
            (Some(stopped), _) => return Err(stopped),
            (None, taken) => taken?,
        }
    }
    let mut facts = walk.finish();
    facts.entries = toc.entries.len() as u64;
    facts.notes.push(Note {
        path: None,
        reason: format!(
            "only in part, by its table of contents ({}): the digest of the layer and its diff id were not checked, and \
             a runtime that unpacks the layer may find other files in it than are listed there",
            table.name()
        ),
    });
    Ok(Known { facts, fetched: Some(stretches.close()) })
}

/// The table is to blame.
fn unusable(why: impl Into<String>) -> Stop {
    Stop::Whole(Some(why.into()))
}

fn too_large() -> Stop {
    unusable(format!("more than the limit TOC_BYTES = {}", limits::TOC_BYTES))
}

/// The table of an eStargz blob, and where its files end.
fn stargz(stretches: &mut Stretches<'_>, size: u64, digest: &Digest) -> Result<(Vec<u8>, u64), Stop> {
    let from = size.saturating_sub(tail_bytes(size));
    let mut tail = stretches.bytes(from..size)?;
    let (at, footer) = footer(&tail).ok_or_else(|| unusable("the layer does not end as eStargz does"))?;
    let end = size.saturating_sub(footer);
    if at >= end {
        return Err(unusable("it stands outside of the layer"));
    }
    if end - at > limits::TOC_BYTES {
        return Err(too_large());
    }
    let mut packed = if at < from { stretches.bytes(at..from)? } else { Vec::new() };
    packed
        .extend(tail.drain(usize::try_from(at.saturating_sub(from)).unwrap_or(usize::MAX).min(tail.len())..));
    packed.truncate(usize::try_from(end - at).unwrap_or(usize::MAX));
    let json = of_tar(&packed)?;
    if !digest.matches(&json) {
        return Err(unusable("its digest is not the one that the manifest names"));
    }
    Ok((json, at))
}

/// Where the table of an eStargz blob that ends in `tail` stands, and how long the end itself is: an empty gzip member
/// with the place in its header (RFC 1952, section 2.3.1.1), in a subfield `SG`, or plain in the older form.
fn footer(tail: &[u8]) -> Option<(u64, u64)> {
    const HEAD: [u8; 4] = [0x1f, 0x8b, 8, 4];
    for (size, start) in [(51, &[26, 0, b'S', b'G', 22, 0][..]), (47, &[22, 0])] {
        let footer = tail.get(tail.len().checked_sub(size)?..)?;
        let extra = footer.strip_prefix(&HEAD).and_then(|rest| rest.get(6..)?.strip_prefix(start));
        let place = extra.and_then(|extra| extra.get(..22)?.strip_suffix(b"STARGZ"));
        let hex = place.and_then(|hex| std::str::from_utf8(hex).ok()).filter(|h| !h.starts_with('+'));
        if let Some(at) = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
            return Some((at, size as u64));
        }
    }
    None
}

/// The table out of the tar of one entry that `packed` is.
fn of_tar(packed: &[u8]) -> Result<Vec<u8>, Stop> {
    struct Unpacking<'a>(std::io::Take<GzDecoder<&'a [u8]>>);
    impl Input for Unpacking<'_> {
        fn fill(&mut self, buf: &mut Vec<u8>, _: &mut Vec<Mark>) -> Result<usize> {
            let broken = |e: std::io::Error| {
                Error::new("read", "table of contents", ErrorKind::Malformed(format!("broken gzip: {e}")))
            };
            self.0.read(buf).map_err(broken)
        }
    }
    // Headers and padding beside it.
    let most = limits::TOC_BYTES + (64 << 10);
    let mut tar = Reader::new(Unpacking(GzDecoder::new(packed).take(most)), "table of contents");
    let broken = |e: Error| unusable(e.kind.to_string());
    match tar.next().map_err(broken)? {
        Some(entry) if entry.size > limits::TOC_BYTES => Err(too_large()),
        Some(entry) if entry.path == STARGZ_NAME && entry.kind == tar::Kind::File => {
            tar.data().map_err(broken)
        }
        _ => Err(unusable("no stargz.index.json stands where it should")),
    }
}

/// The table of a zstd:chunked blob, and where its files end.
fn chunked(
    stretches: &mut Stretches<'_>,
    at: &Range<u64>,
    unpacked: u64,
    digest: &Digest,
) -> Result<(Vec<u8>, u64), Stop> {
    if unpacked > limits::TOC_BYTES || at.end - at.start > limits::TOC_BYTES {
        return Err(too_large());
    }
    let packed = stretches.bytes(at.clone())?;
    if !digest.matches(&packed) {
        return Err(unusable("its digest is not the one that the manifest names"));
    }
    let mut json = Vec::new();
    let broken = |e: std::io::Error| unusable(format!("broken zstd: {e}"));
    let decoder = zstd::Decoder::with_buffer(packed.as_slice()).map_err(broken)?;
    decoder.take(unpacked.saturating_add(1)).read_to_end(&mut json).map_err(broken)?;
    if json.len() as u64 != unpacked {
        return Err(unusable("it is not as long as the manifest says"));
    }
    Ok((json, at.start))
}

/// A file of the layer, fetched when somebody wants to see it.
struct File<'s, 'd> {
    stretches: &'s mut Stretches<'d>,
    toc: &'s Toc,
    chunks: Range<usize>,
    /// Why it could not be read.
    stopped: Option<Stop>,
}

impl File<'_, '_> {
    fn pieces(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        let toc = self.toc;
        let chunks: &[Chunk] = toc.chunks.get(self.chunks.clone()).unwrap_or_default();
        for (number, chunk) in chunks.iter().enumerate() {
            let rest = chunks.get(number..).unwrap_or_default();
            match self.stretches.chunk(chunk, rest, look) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(stopped) => {
                    self.stopped = Some(stopped);
                    let kind = ErrorKind::Local("its layer is not read by its table".into());
                    return Err(Error::new("read", "file of layer", kind));
                }
            }
        }
        Ok(())
    }
}

impl Content for File<'_, '_> {
    fn data(&mut self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        self.pieces(&mut |bytes| {
            all.extend_from_slice(bytes);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        self.pieces(look)
    }
}

/// The bytes of `reader`, which are `size`.
fn gather(mut reader: BlobReader, size: u64, on: &Digest) -> Result<Vec<u8>> {
    // Bounded by whoever asks; a place that lies about it is not given the memory in advance.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(1 << 20)).unwrap_or_default());
    reader.read_to_end(&mut bytes).map_err(|e| Error::from(from_io(e, "read layer", on)))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end(extra: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255];
        out.extend_from_slice(&u16::try_from(extra.len()).unwrap().to_le_bytes());
        out.extend_from_slice(extra);
        out.extend_from_slice(&[1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
        out
    }

    #[test]
    fn a_blob_ends_in_one_of_two_forms() {
        let new = end(b"SG\x16\x000000000000000a2fSTARGZ");
        let old = end(b"0000000000000a2fSTARGZ");
        assert_eq!((new.len(), old.len()), (51, 47));
        assert_eq!(footer(&new), Some((0xa2f, 51)));
        assert_eq!(footer(&[b"before".to_vec(), old.clone()].concat()), Some((0xa2f, 47)));
        for bad in [
            &b""[..],
            b"x",
            &new[1..],
            &end(b"SG\x16\x00+000000000000a2fSTARGZ"),
            &end(b"0000000000000a2gSTARGZ"),
        ] {
            assert_eq!(footer(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_table_in_a_tar_is_bounded_at_limit_plus_one() {
        let packed = |name: &[u8], size: u64| {
            let mut header = [0_u8; 512];
            header[..name.len()].copy_from_slice(name);
            header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
            header[148..156].fill(b' ');
            header[156] = b'0';
            header[257..265].copy_from_slice(b"ustar\x0000");
            let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut gzip, &[&header[..], b"{}"].concat()).unwrap();
            gzip.finish().unwrap()
        };
        let why = |packed: &[u8]| match of_tar(packed) {
            Err(Stop::Whole(Some(why))) => why,
            _ => "used".to_owned(),
        };
        assert_eq!(why(&packed(STARGZ_NAME, 2)), "used");
        assert!(why(&packed(STARGZ_NAME, limits::TOC_BYTES)).contains("ends inside an entry"));
        assert!(why(&packed(STARGZ_NAME, limits::TOC_BYTES + 1)).contains("TOC_BYTES"));
        assert!(why(&packed(b"other.json", 2)).contains("no stargz.index.json"));
        assert!(why(b"x").contains("broken gzip"));
    }

    #[test]
    fn a_table_is_named_by_the_manifest_or_not_there() {
        let size = limits::LAZY_LEAST_BYTES;
        let layer = |kind: &str, notes: &[(&str, &str)]| {
            let mut descriptor = Descriptor::of(kind, b"");
            descriptor.size = size;
            descriptor.annotations = notes.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            descriptor
        };
        let (gzip, zstd) =
            ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+zstd");
        let sum = Digest::sha256(b"x").to_string();
        assert_eq!(Table::of(&layer(gzip, &[])), None);
        assert_eq!(Table::of(&layer(zstd, &[(STARGZ, &sum)])), None);
        let stargz = layer(gzip, &[(STARGZ, &sum)]);
        assert_eq!(Table::of(&stargz), Some(Ok(Table::Stargz(Digest::sha256(b"x")))));
        assert_eq!(
            Table::of(&Descriptor { size: size - 1, ..stargz }),
            None,
            "a small one is fetched at once"
        );
        assert!(matches!(Table::of(&layer(gzip, &[(STARGZ, "sha256:0")])), Some(Err(_))));
        let place = |place: &str| Table::of(&layer(zstd, &[(CHUNKED_DIGEST, &sum), (CHUNKED_PLACE, place)]));
        let digest = Digest::sha256(b"x");
        assert_eq!(place("5:6:7:1"), Some(Ok(Table::Chunked { digest, at: 5..11, unpacked: 7 })));
        for bad in
            ["", "5:6:7", "5:6:7:2", "5:6:7:1:1", "-5:6:7:1", "65536:1:7:1", "18446744073709551615:1:7:1"]
        {
            assert!(matches!(place(bad), Some(Err(_))), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_tail_is_an_end_or_none(tail in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(footer(&tail).is_none_or(|(_, size)| size <= tail.len() as u64));
        }

        #[test]
        fn any_place_is_inside_of_the_layer(numbers in proptest::collection::vec(any::<u64>(), 0..6)) {
            let mut descriptor = Descriptor::of("x+zstd", b"");
            descriptor.size = limits::LAZY_LEAST_BYTES;
            let place: Vec<String> = numbers.iter().map(u64::to_string).collect();
            descriptor.annotations.insert(CHUNKED_PLACE.into(), place.join(":"));
            descriptor.annotations.insert(CHUNKED_DIGEST.into(), Digest::sha256(b"").to_string());
            if let Some(Ok(Table::Chunked { at, .. })) = Table::of(&descriptor) {
                prop_assert!(at.start <= at.end && at.end <= descriptor.size);
            }
        }
    }
}
