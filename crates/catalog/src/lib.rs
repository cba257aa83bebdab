//! From an image to its inventory, in one streaming pass over each layer.
//!
//! This package decides what is installed in an image. All of its input is hostile: blobs are read through
//! a reader that checks their digest, decompressed under a ratio and a size cap, walked as tar under an
//! entry cap, and only files that a cataloger wants are ever held, each under a cap of
//! its own ([`limits`]). Nothing is unpacked: paths are data, and no path from a layer reaches this
//! machine's file system.
//!
//! What it refuses, as an [`Error`]: content that is not what its digest says, truncated or ambiguous
//! streams, bombs. What it says openly and goes on, as a gap in the inventory: one file that is too large,
//! cannot be parsed or has a name that no runtime would unpack as it stands.
//!
//! A layer that several images of one run have is read once, and with a [`Cache`] one that an earlier run read is not
//! even fetched.
//!
//! A layer with a table of contents can be read by it, so that only what is wanted is fetched ([`Reading::Lazy`]); nobody
//! gets that without asking.
//!
//! The steps: `decompress` and `tar` turn a blob into entries; `layer` keeps facts about one layer;
//! `squash` lays the layers on each other as the OCI image specification says and remembers since when each
//! file stands; `catalogers` read packages off the result. An application's own `package.json` outside
//! `node_modules` is a declaration, not an installation, and is not listed.

mod bundle;
mod cache;
mod catalogers;
mod collect;
mod decompress;
mod elf;
mod error;
mod fields;
mod files;
mod hidden;
mod image;
mod known;
mod layer;
mod lazy;
pub mod limits;
mod memory;
mod pack;
mod path;
mod pe;
mod single;
mod squash;
mod stage;
mod tar;
mod texts;
mod tree;
mod upx;
mod window;

pub use cache::Cache;
pub use error::{Error, ErrorKind, Result};
pub use hidden::HIDDEN_BY;
pub use image::{DiffIds, NoProgress, Options, Progress, Reading, Scope, inventory};
pub use memory::Memory;
pub use single::{FILE_TYPE, file};
pub use texts::LICENSE_TEXT;
pub use tree::{DIRECTORY_TYPE, Mounts, directory};
