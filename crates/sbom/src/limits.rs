//! Every byte, entry and level of a document that an outsider controls, by name and with its reason.
//!
//! A limit that is passed is an error that names it, never a silent truncation: a list cut short could hide
//! the one package that a policy denies.

/// Bytes of one document. SPDX of an image with 100,000 files, all of them listed and indented, has 70 MB.
pub const DOCUMENT_BYTES: usize = 128 << 20;
/// Packages of one document, nested components included. Large images have a few thousand.
pub const PACKAGES: usize = 200_000;
/// Files of one document; an image of 100,000 files has half a million in all its layers.
pub const FILES: usize = 1_000_000;
/// Relationships of one document: about ten for each package in the largest real ones.
pub const RELATIONSHIPS: usize = 2_000_000;
/// The depth of JSON: the formats need about ten, `serde_json` itself would go to 128.
pub const JSON_DEPTH: usize = 64;
/// Bytes of one licence expression or licence text that is parsed as one. Debian's longest has 3 KB.
pub const LICENSE_BYTES: usize = 16 << 10;
/// Bytes of one package URL.
pub const PURL_BYTES: usize = 4 << 10;
/// Bytes of one version: comparing is linear, but a version of a megabyte is no version.
pub const VERSION_BYTES: usize = 1 << 10;
/// Alternatives and bounds of one version range in a policy.
pub const RANGE_TERMS: usize = 64;
/// Layers of one image that a document lists; runtimes stop at 127.
pub const LAYERS: usize = 1 << 10;
/// Elements of an SPDX 3 graph or an XML document: for each package there are about thirty.
pub const ELEMENTS: usize = 8_000_000;
/// Bytes of one template. The longest that people share have some ten KB.
pub const TEMPLATE_BYTES: usize = 1 << 20;
/// Levels of a template, those of the templates that it calls included: people nest five or six.
pub const TEMPLATE_DEPTH: usize = 64;
/// Steps of a template: each piece that is run is one, and each eight bytes that a function makes are another. A hundred for
/// each file of an image with half a million.
pub const TEMPLATE_STEPS: u64 = 50_000_000;
/// Bytes that a template writes: as much as a document may have.
pub const TEMPLATE_OUTPUT: usize = DOCUMENT_BYTES;
