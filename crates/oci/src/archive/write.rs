//! Writing a tar file whose bytes depend on its content alone.
//!
//! Members come in the order of their names, without times, owners and modes of this machine. Contents are
//! streamed: each is hashed while it is copied, and a wrong one ends the writing. Refused: names out of
//! order, which is also how a second member of one name is.

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::source::from_io;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use tar::{Builder, Header};

/// A file that is hashed and counted while it is written.
struct Hashed {
    file: BufWriter<File>,
    hasher: Hasher,
    size: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A tar file in the making.
pub(super) struct TarWriter {
    tar: Builder<Hashed>,
    last: String,
}

impl TarWriter {
    pub(super) fn new(file: File) -> Self {
        let hashed = Hashed { file: BufWriter::new(file), hasher: Hasher::new(Algorithm::Sha256), size: 0 };
        Self { tar: Builder::new(hashed), last: String::new() }
    }

    /// Appends a member of `size` bytes. The reader must end well after exactly as many.
    pub(super) fn member(&mut self, name: &str, size: u64, content: impl Read) -> Result<()> {
        if name <= self.last.as_str() {
            let why = format!("the member '{name}' would stand after '{}'", self.last);
            return Err(Error::new("write archive", name, ErrorKind::Local(why)));
        }
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(size);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let mut counted = Counted { inner: content, read: 0 };
        self.tar
            .append_data(&mut header, name, &mut counted)
            .map_err(|e| from_io(e, "write archive", name))?;
        if counted.read != size {
            let kind = ErrorKind::SizeMismatch { expected: size, actual: counted.read };
            return Err(Error::new("write archive", name, kind));
        }
        self.last = name.to_owned();
        Ok(())
    }

    /// Ends the file, durably: its size in bytes and its digest.
    pub(super) fn finish(self) -> Result<(u64, Digest)> {
        let local = |e: io::Error| Error::new("write", "archive", ErrorKind::Local(e.to_string()));
        let hashed = self.tar.into_inner().map_err(local)?;
        let file = hashed.file.into_inner().map_err(|e| local(e.into_error()))?;
        file.sync_all().map_err(local)?;
        Ok((hashed.size, hashed.hasher.finish()))
    }
}

struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}
