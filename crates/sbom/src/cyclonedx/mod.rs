//! CycloneDX 1.6 JSON, written and read (1.4 and 1.5 are read too).
//!
//! What is written is valid for the strict 1.6 schema: the image is `metadata.component`, the operating
//! system a component of its type, evidence its own `evidence.occurrences`; gaps make the composition
//! `incomplete`. The serial number is made of the content's hash. What CycloneDX has no field for stands in
//! properties that begin with `seaworthy:`, so that reading our own document gives the same inventory.
//!
//! Reading flattens nested components, and is tolerant of licences that are no valid expression; versions,
//! limits and duplicate keys it is strict about.

mod model;
mod read;
mod write;

pub use read::read;
pub use write::write;

/// What the format has no field for, of a component.
const EXTRA: &str = "seaworthy:extra";
/// The bom-ref of a component that this one brought.
const CONTAINS: &str = "seaworthy:contains";
/// The digest of the layer that brought a component.
const LAYER: &str = "seaworthy:layer";
/// A checksum whose algorithm CycloneDX does not know, as `algorithm:hex`.
const CHECKSUM: &str = "seaworthy:checksum";
/// What the format has no field for, of the document.
const DOCUMENT: &str = "seaworthy:document";
/// One gap each.
const GAP: &str = "seaworthy:gap";
const IMAGE: &str = "seaworthy:image";
const OS: &str = "seaworthy:os";
