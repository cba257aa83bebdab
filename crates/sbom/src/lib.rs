//! The SBOM as a document.
//!
//! [`inventory::Inventory`] is the one model: cataloguers make it, documents are written from it and read
//! into it, and the policy engine sees nothing else. Formats are a folder each ([`spdx`], [`cyclonedx`]), as
//! are the things that need a table or an ordering of their own ([`license`], [`purl`], [`version`]).
//!
//! This package knows no images and no registries. It decides what a document says; whether anybody should
//! believe it is the verifier's question.

#[cfg(feature = "documents")]
pub mod cpe;
pub mod cyclonedx;
#[cfg(feature = "documents")]
pub mod declare;
pub mod diff;
#[cfg(feature = "documents")]
pub mod documents;
pub mod error;
pub mod facts;
pub mod files;
pub mod format;
#[cfg(feature = "documents")]
pub mod github;
pub mod inventory;
pub mod license;
pub mod limits;
#[cfg(feature = "documents")]
pub mod losses;
#[cfg(feature = "documents")]
pub mod merge;
pub mod purl;
pub mod purpose;
pub mod quality;
pub mod spdx;
#[cfg(feature = "documents")]
pub mod spdx3;
#[cfg(feature = "documents")]
pub mod syft;
#[cfg(feature = "documents")]
pub mod template;
#[cfg(feature = "documents")]
pub mod validate;
pub mod version;

mod fields;
mod json;
#[cfg(feature = "documents")]
mod xml;

pub use error::{Error, ErrorKind, Result};
pub use format::{Format, Layout, WriteOptions, read, write};
