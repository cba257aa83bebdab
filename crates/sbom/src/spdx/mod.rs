//! SPDX 2.3 JSON, written and read (2.2 is read too).
//!
//! What is written is valid for `pyspdxtools`: the image is a package of purpose CONTAINER that the document
//! DESCRIBES and that CONTAINS every package; licences are valid expressions whose `LicenseRef-`s are all
//! extracted; the namespace is the hash of the content. What SPDX has no field for stands in annotations
//! that begin with `seaworthy:`, so that reading our own document gives the same inventory.
//!
//! Reading is tolerant where others are loose (invalid licence expressions, purposes, missing fields) and
//! strict where tolerance would hide something: versions, limits, duplicate keys. The structs are ours and
//! not `spdx-rs`'s, for the reasons in docs/decisions/0003-spdx-rs.md; that crate is the second opinion in
//! tests.

mod model;
mod read;
mod write;

pub(crate) use read::Ids;
pub use read::read;
pub use write::write;

/// Annotations of a package.
const PACKAGE_MARK: &str = "seaworthy:package=";
/// Annotations of the document.
const DOCUMENT_MARK: &str = "seaworthy:document=";
/// One gap each.
const GAP_MARK: &str = "seaworthy:gap=";
/// Ids of packages; without it, a package could take the image's id.
const PACKAGE_PREFIX: &str = "SPDXRef-Package-";
const IMAGE: &str = "SPDXRef-Image";
const OS: &str = "SPDXRef-OperatingSystem";
