//! Files in CycloneDX: components of the type `file`, with hashes, named by their path.
//!
//! CycloneDX has no relationship that gives a file to a component, nor fields for permissions and layers: all that stands
//! in one property of ours. Others' files are read with what they say in fields.
//!
//! Files are written a piece at a time, as in SPDX.

use super::FILE;
use super::model::{Component, Hash, Property};
use super::read::{TRIED, from_alg};
use crate::files::{self, File, Reader, Writer};
use crate::{Error, ErrorKind, Result, json, limits};
use serde::{Serialize, Serializer};

/// The components of a document that is written.
pub(super) struct Listed {
    pub(super) packages: Vec<Component>,
    pub(super) files: Writer,
}

impl Listed {
    /// Each of them, packages first.
    #[cfg(feature = "documents")]
    pub(super) fn each<E>(
        &self,
        mut take: impl FnMut(&Component) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.packages.iter().try_for_each(&mut take)?;
        self.files.files.iter().try_for_each(|file| take(&self.component(file)))
    }

    /// Whether there are none.
    #[cfg(feature = "documents")]
    pub(super) fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.files.files.is_empty()
    }

    fn component(&self, file: &File) -> Component {
        let sha1 = file.sha1.map(|hash| Hash { alg: "SHA-1".to_owned(), content: hash.to_string() });
        let sha256 = file.sha256.map(|hash| Hash { alg: "SHA-256".to_owned(), content: hash.to_string() });
        let hashes: Vec<Hash> = sha1.into_iter().chain(sha256).collect();
        let aside = |text| vec![Property { name: FILE.to_owned(), value: Some(text) }];
        Component {
            kind: "file".to_owned(),
            name: files::shown(&file.path).into_owned(),
            hashes: (!hashes.is_empty()).then_some(hashes),
            properties: self.files.aside(file).map(aside),
            ..Component::default()
        }
    }
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut list = serializer.serialize_seq(None)?;
        self.packages.iter().try_for_each(|component| list.serialize_element(component))?;
        let Writer { files, layout, .. } = &self.files;
        json::items(&mut list, files.len(), *layout, |at| files.get(at).map(|file| self.component(file)))?;
        list.end()
    }
}

/// The files of a document that is read.
pub(super) fn read(components: Vec<Component>) -> Result<Reader> {
    let mut files = Reader::default();
    for component in components {
        let ours = component.properties.into_iter().flatten().find(|p| p.name == FILE);
        let hashes = component.hashes.into_iter().flatten().map(|h| (from_alg(&h.alg), h.content));
        let name = component.bom_ref.unwrap_or_default();
        if !files.take(&name, &component.name, hashes, ours.and_then(|p| p.value).as_deref()) {
            let kind = ErrorKind::LimitExceeded { limit: "FILES", value: limits::FILES as u64 };
            return Err(Error::new(TRIED, kind));
        }
    }
    Ok(files)
}

/// Whether a file's hash of that algorithm has a place in an inventory.
#[cfg(feature = "documents")]
pub(crate) fn hash_is_read(alg: &str, content: &str) -> bool {
    files::checksum_is_read(&from_alg(alg), content)
}
