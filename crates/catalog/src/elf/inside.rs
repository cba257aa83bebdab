//! Lists that programs carry with them: of a single-file application of .NET ([`crate::bundle`]) and of a native image of
//! GraalVM ([`super::native`]).
//!
//! Decides at which places of the stream such a list may be, and gathers it. What stands elsewhere is not looked for:
//! the mark of .NET is in a writable segment, and names of exported symbols are at the start of a file.

use super::native::{self, Native};
use crate::bundle::{self, Bundle};
use memchr::memmem;
use std::sync::LazyLock;

/// A list, or why it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inside {
    /// `*.deps.json` of .NET.
    Libraries(Result<Vec<u8>, String>),
    /// A CycloneDX document.
    Document(Result<Vec<u8>, String>),
}

impl Inside {
    /// About how many bytes what it says keeps in memory.
    pub(crate) fn weight(&self) -> u64 {
        let (content, each) = match self {
            Self::Libraries(content) => (content, 1),
            Self::Document(content) => (content, 8),
        };
        content.as_ref().map_or(0, |bytes| bytes.len() as u64) * each
    }
}

/// What is looked for.
struct Finders {
    mark: memmem::Finder<'static>,
    symbol: memmem::Finder<'static>,
    gzip: memmem::Finder<'static>,
}

static FINDERS: LazyLock<Finders> = LazyLock::new(|| Finders {
    mark: memmem::Finder::new(bundle::MARK),
    symbol: memmem::Finder::new(native::SYMBOL),
    gzip: memmem::Finder::new(native::GZIP),
});

/// Looks for them in one file.
#[derive(Default)]
pub(super) struct Insides {
    bundle: Option<Bundle>,
    native: Option<Native>,
}

impl Insides {
    /// Judges the places `0..places` of `bytes`, of which the first is at the file offset `base`; a judgement sees at
    /// most `look` bytes. What comes next begins where the places end, or before.
    pub(super) fn judge(
        &mut self,
        bytes: &[u8],
        places: usize,
        base: u64,
        look: usize,
        writable: &[(u64, u64)],
    ) {
        let range = bytes.get(..bytes.len().min(places + look)).unwrap_or_default();
        let end = base.saturating_add(places as u64);
        if self.bundle.is_none() && writable.iter().any(|(from, to)| *from < end && base < *to) {
            let marks = FINDERS.mark.find_iter(range).filter_map(|at| at.checked_sub(bundle::PLACE_BYTES));
            self.bundle = marks
                .take_while(|at| *at < places)
                .find_map(|at| Bundle::new(range.get(at..)?, base.saturating_add(at as u64)));
        }
        if self.native.is_none() && base < native::NAMES_BYTES {
            let found = FINDERS.symbol.find(range).filter(|at| *at < places);
            self.native = found.map(|_| Native::Named);
        }
        if self.native == Some(Native::Named) {
            let starts = FINDERS.gzip.find_iter(range).take_while(|at| *at < places);
            let found = starts.map(|at| (at, range.get(at..range.len().min(at + look)).unwrap_or_default()));
            let found = found.filter(|(_, start)| Native::is_document(start)).map(|(at, _)| at).next();
            if let Some(at) = found {
                self.native = Some(Native::at(base.saturating_add(at as u64)));
            }
        }
        if let Some(bundle) = &mut self.bundle {
            bundle.feed(bytes, base);
        }
        if let Some(Native::Found(window)) = &mut self.native {
            window.feed(bytes, base);
        }
    }

    /// What was found.
    pub(super) fn finish(&self) -> Option<Inside> {
        let bundle = self.bundle.as_ref().map(|bundle| Inside::Libraries(bundle.list()));
        bundle.or_else(|| self.native.as_ref().map(|native| Inside::Document(native.document())))
    }
}
