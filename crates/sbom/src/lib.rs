//! The SBOM as a document.
//!
//! [`inventory::Inventory`] is the one model: cataloguers make it, documents are written from it and read
//! into it, and the policy engine sees nothing else. Formats are a file each ([`spdx`], [`cyclonedx`]), as
//! are the things that need a table or an ordering of their own ([`license`], [`purl`], [`version`]).
//!
//! This package knows no images and no registries. It decides what a document says; whether anybody should
//! believe it is the verifier's question.

pub mod inventory;
