//! Layers with a table of contents, as eStargz and zstd:chunked have it, small and the same every time; also tables that
//! lie. Written after stargz-snapshotter's docs/estargz.md and what skopeo writes (testdata/interop/chunked).

use seaworthy_oci::{Descriptor, Digest};
use serde_json::{Value, json};
use std::io::Write as _;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// eStargz.
    Estargz,
    /// Its older end.
    Stargz,
    /// zstd:chunked.
    ZstdChunked,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Estargz, Self::Stargz, Self::ZstdChunked];
}

/// A member of the layer.
#[derive(Debug, Clone)]
pub struct Member {
    path: String,
    kind: char,
    link: String,
    mode: u32,
    data: Vec<u8>,
}

impl Member {
    fn new(path: &str, kind: char, link: &str, mode: u32, data: &[u8]) -> Self {
        Self { path: path.into(), kind, link: link.into(), mode, data: data.to_vec() }
    }

    /// A file.
    #[must_use]
    pub fn file(path: &str, data: impl AsRef<[u8]>) -> Self {
        Self::new(path, '0', "", 0o644, data.as_ref())
    }

    /// A file that may be run.
    #[must_use]
    pub fn program(path: &str, data: impl AsRef<[u8]>) -> Self {
        Self::new(path, '0', "", 0o755, data.as_ref())
    }

    /// A directory.
    #[must_use]
    pub fn dir(path: &str) -> Self {
        Self::new(path, '5', "", 0o755, b"")
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(path: &str, to: &str) -> Self {
        Self::new(path, '2', to, 0o777, b"")
    }

    /// Another name for a file.
    #[must_use]
    pub fn hard_link(path: &str, to: &str) -> Self {
        Self::new(path, '1', to, 0o644, b"")
    }

    fn header(&self) -> [u8; 512] {
        let mut h = [0_u8; 512];
        h[..self.path.len()].copy_from_slice(self.path.as_bytes());
        h[100..107].copy_from_slice(format!("{:07o}", self.mode).as_bytes());
        h[124..135].copy_from_slice(format!("{:011o}", self.data.len()).as_bytes());
        h[148..156].fill(b' ');
        h[156] = self.kind as u8;
        h[157..157 + self.link.len()].copy_from_slice(self.link.as_bytes());
        h[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
        h[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        h
    }
}

/// A layer, built.
#[derive(Debug, Clone)]
pub struct Chunked {
    /// As it stands in the manifest.
    pub descriptor: Descriptor,
    /// The digest of its tar.
    pub diff_id: Digest,
    /// As it is stored.
    pub bytes: Vec<u8>,
    /// Where its table stands.
    pub table: usize,
}

/// A layer of `members` in pieces of `piece` bytes.
#[must_use]
pub fn layer(format: Format, members: &[Member], piece: usize) -> Chunked {
    lying(format, members, piece, |_| {})
}

/// The same with a table that `edit` changed, and whose digest is right.
#[must_use]
pub fn lying(
    format: Format,
    members: &[Member],
    piece: usize,
    edit: impl FnOnce(&mut Vec<Value>),
) -> Chunked {
    let mut writer = Writer { format, tar: Vec::new(), bytes: Vec::new(), pending: Vec::new() };
    let mut entries = Vec::new();
    for member in members {
        writer.member(member, piece, &mut entries);
    }
    edit(&mut entries);
    writer.finish(&json!({ "version": 1, "entries": entries }).to_string())
}

struct Writer {
    format: Format,
    tar: Vec<u8>,
    bytes: Vec<u8>,
    pending: Vec<u8>,
}

impl Writer {
    fn pack(&self, bytes: &[u8]) -> Vec<u8> {
        if self.format == Format::ZstdChunked {
            return zstd::encode_all(bytes, 3).expect("memory");
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(bytes).expect("memory");
        gzip.finish().expect("memory")
    }

    fn put(&mut self, bytes: &[u8]) {
        self.tar.extend_from_slice(bytes);
        self.pending.extend_from_slice(bytes);
    }

    /// What was put is a member or frame of its own.
    fn flush(&mut self) -> usize {
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            let packed = self.pack(&pending);
            self.bytes.extend(packed);
        }
        self.bytes.len()
    }

    fn member(&mut self, member: &Member, piece: usize, entries: &mut Vec<Value>) {
        let kind = match member.kind {
            '0' => "reg",
            '1' => "hardlink",
            '2' => "symlink",
            _ => "dir",
        };
        let mut entry = json!({"type": kind, "name": member.path, "mode": member.mode, "modtime": "1970-01-01T00:00:00Z"});
        if !member.link.is_empty() {
            entry["linkName"] = json!(member.link);
        }
        self.put(&member.header());
        if member.data.is_empty() {
            entries.push(entry);
            return;
        }
        entry["size"] = json!(member.data.len());
        entry["digest"] = json!(Digest::sha256(&member.data).to_string());
        let first = entries.len();
        for (number, data) in member.data.chunks(piece).enumerate() {
            let at = self.flush();
            self.put(data);
            let mut chunk = match number {
                0 => entry.clone(),
                _ => json!({"type": "chunk", "name": member.path, "chunkOffset": number * piece}),
            };
            chunk["offset"] = json!(at);
            if member.data.len() > piece {
                chunk["chunkSize"] = json!(data.len());
                chunk["chunkDigest"] = json!(Digest::sha256(data).to_string());
            }
            entries.push(chunk);
        }
        let end = self.flush();
        if self.format == Format::ZstdChunked {
            entries[first]["endOffset"] = json!(end);
        }
        let padding = member.data.len().next_multiple_of(512) - member.data.len();
        self.put(&vec![0; padding]);
    }

    fn finish(mut self, toc: &str) -> Chunked {
        let kind = match self.format {
            Format::ZstdChunked => "zstd",
            _ => "gzip",
        };
        let (mut notes, table);
        if self.format == Format::ZstdChunked {
            self.put(&[0; 1024]);
            self.flush();
            let packed = self.pack(toc.as_bytes());
            self.bytes.extend(0x184d_2a50_u32.to_le_bytes());
            self.bytes.extend(u32::try_from(packed.len()).expect("small").to_le_bytes());
            table = self.bytes.len();
            notes = vec![(
                "io.github.containers.zstd-chunked.manifest-checksum",
                Digest::sha256(&packed).to_string(),
            )];
            let place = format!("{table}:{}:{}:1", packed.len(), toc.len());
            notes.push(("io.github.containers.zstd-chunked.manifest-position", place));
            self.bytes.extend(packed);
        } else {
            table = self.flush();
            self.put(&Member::file("stargz.index.json", toc).header());
            self.put(toc.as_bytes());
            self.put(&vec![0; toc.len().next_multiple_of(512) - toc.len() + 1024]);
            self.flush();
            notes = vec![(
                "containerd.io/snapshot/stargz/toc.digest",
                Digest::sha256(toc.as_bytes()).to_string(),
            )];
            let mut extra = format!("{table:016x}STARGZ").into_bytes();
            if self.format == Format::Estargz {
                extra.splice(0..0, *b"SG\x16\0");
            }
            self.bytes.extend([
                0x1f,
                0x8b,
                8,
                4,
                0,
                0,
                0,
                0,
                0,
                255,
                u8::try_from(extra.len()).expect("small"),
                0,
            ]);
            self.bytes.extend(extra);
            self.bytes.extend([1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        let mut descriptor =
            Descriptor::of(format!("application/vnd.oci.image.layer.v1.tar+{kind}"), &self.bytes);
        descriptor.annotations = notes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Chunked { descriptor, diff_id: Digest::sha256(&self.tar), bytes: self.bytes, table }
    }
}

/// Bytes that nothing can compress, the same every time (SplitMix64).
#[must_use]
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed;
    let mut out = Vec::with_capacity(size + 8);
    while out.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend((z ^ (z >> 31)).to_le_bytes());
    }
    out.truncate(size);
    out
}
