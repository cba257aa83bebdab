//! Names, digests, and where images live.
//!
//! This package decides what a name means and whether the bytes that came back are the bytes that were
//! asked for. Everything that arrives through it is bounded ([`limits`]) and hashed ([`digest`]) before
//! anyone else sees it, and every failure says which of the outcomes it is ([`error::ErrorKind`]): *not
//! there*, *refused*, *throttled*, *broken* and *unreachable* never become one another.
//!
//! It refuses: references that could be read two ways, digests of unknown algorithms, manifests that are
//! neither clearly an image nor clearly an index, and bodies that are longer than announced.
//!
//! Two traits say what a place can do: [`Source`] reads, [`Sink`] also writes. A registry, an OCI layout
//! directory and the archives are each a file of their own; [`open`] picks the right one.

#[cfg(feature = "push")]
pub mod closure;
pub mod digest;
#[cfg(feature = "push")]
mod each;
pub mod error;
pub mod http;
pub mod layout;
pub mod limits;
pub mod manifest;
pub mod reference;
pub mod registry;
#[cfg(feature = "push")]
mod snapshot;
pub mod source;
pub mod strict;

#[cfg(feature = "archive")]
pub mod archive;

pub use digest::{Algorithm, CheckedReader, Digest};
pub use error::{Class, Error, ErrorKind, Result};
pub use manifest::{Descriptor, Image, ImageConfig, Index, Manifest, Platform, RawManifest, RunConfig};
pub use reference::{Engine, Location, Pinned, Reference, Repository};
#[cfg(feature = "push")]
pub use snapshot::Snapshot;
#[cfg(feature = "push")]
pub use source::{BlobContent, Pushed, Sink, open_sink};
pub use source::{BlobReader, OpenOptions, Referrers, ReferrersVia, Selector, Source, open, resolve};
