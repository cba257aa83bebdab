//! GraalVM native images: the SBOM that the builder left in the program.
//!
//! `native-image` of Oracle stores a CycloneDX document, compressed with gzip, and exports the symbols `sbom` and
//! `sbom_length` (graalvm.org, "Software Bill of Materials (SBOM) in Native Image"). Names of exported symbols stand at
//! the start of a file and what they name behind it, so no address is followed: where the names were seen, the gzip
//! stream whose first bytes are those of such a document is gathered while the file streams by. A name without a
//! document is said.

use crate::limits;
use crate::window::Window;
use flate2::read::GzDecoder;
use std::io::Read;

/// The name of a symbol, between the ends of names.
pub(super) const SYMBOL: &[u8] = b"\0sbom_length\0";
/// How much of the start of a file has the names of exported symbols; in real ones they end before 32 KiB.
pub(super) const NAMES_BYTES: u64 = 1 << 20;
/// A gzip stream without flags (RFC 1952, 2.3).
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0];

/// The document of one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Native {
    /// It is announced.
    Named,
    /// It is being gathered.
    Found(Window),
}

impl Native {
    /// Whether the gzip stream at the start of `bytes` begins as the document does.
    pub(super) fn is_document(bytes: &[u8]) -> bool {
        let mut start = Vec::new();
        // What is cut off is an error behind what came before it.
        let _ = GzDecoder::new(bytes).take(256).read_to_end(&mut start);
        start.starts_with(b"{") && memchr::memmem::find(&start, b"CycloneDX").is_some()
    }

    /// The document at that file offset.
    pub(super) fn at(offset: u64) -> Self {
        Self::Found(Window::new(offset, limits::NATIVE_SBOM_BYTES))
    }

    /// The document.
    ///
    /// # Errors
    /// Why there is none, in one line.
    pub(super) fn document(&self) -> Result<Vec<u8>, String> {
        let Self::Found(window) = self else {
            return Err("a GraalVM native image that names an SBOM, which was not found in it".to_owned());
        };
        let most = limits::EMBEDDED_SBOM_BYTES;
        let mut out = Vec::new();
        let read = GzDecoder::new(window.bytes()).take(most + 1).read_to_end(&mut out);
        if out.len() as u64 > most {
            return Err(format!("the SBOM of a GraalVM native image is beyond EMBEDDED_SBOM_BYTES ({most})"));
        }
        let why = match window.bytes().len() < limits::NATIVE_SBOM_BYTES {
            true => "is broken".to_owned(),
            false => format!("is broken, or beyond NATIVE_SBOM_BYTES ({})", limits::NATIVE_SBOM_BYTES),
        };
        read.map(|_| out).map_err(|_| format!("the SBOM of a GraalVM native image {why}"))
    }
}
