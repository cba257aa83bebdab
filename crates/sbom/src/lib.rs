//! The SBOM as a document.
//!
//! [`inventory::Inventory`] is the one model: cataloguers make it, documents are written from it and read
//! into it, and the policy engine sees nothing else. Formats are a file each ([`spdx`], [`cyclonedx`]), as
//! are the things that need a table or an ordering of their own ([`license`], [`purl`], [`version`]).
//!
//! This package knows no images and no registries. It decides what a document says; whether anybody should
//! believe it is the verifier's question.

pub mod cyclonedx;
pub mod diff;
pub mod error;
pub mod format;
pub mod inventory;
pub mod license;
pub mod limits;
pub mod purl;
pub mod quality;
pub mod spdx;
pub mod version;

mod fields;
mod json;

pub use error::{Error, ErrorKind, Result};
pub use format::{Format, Layout, WriteOptions, read, write};
