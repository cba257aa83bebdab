//! SPDX 3.0.1 as JSON-LD, written and read.
//!
//! The image is a `software_Package` of purpose `container`, the root of a `software_Sbom`; packages hang from it by
//! `contains`, licences by `hasDeclaredLicense` and `hasConcludedLicense`, suppliers are agents of their own. What an
//! inventory says beyond that stands in annotations that begin with `seaworthy:`, so that reading our own document
//! gives the same inventory. Identifiers are made of the content's hash.
//!
//! Reading takes one `@graph` of elements and knows relations by their `from` and `to`. It does no JSON-LD
//! processing: a document with a context other than SPDX's own is refused, because its words could mean anything.

mod files;
mod losses;
mod read;
mod write;

pub use read::read;
pub use write::write;

/// The context of SPDX 3.0 documents, with another patch version at the end of 3.0.
pub(crate) const CONTEXT: &str = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld";
