//! Inventories of images that are built for the purpose, through the public face alone.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

mod binaries;
mod cache;
#[path = "../../../../tests/src/chunked.rs"]
mod chunked;
mod claims;
mod ecosystems;
mod executables;
mod files;
mod fixtures;
mod hidden;
mod hostile;
mod inside;
mod java;
mod languages;
mod layers;
mod lazy;
mod licences;
mod limits;
mod locks;
mod packages;
mod places;
mod programs;
mod rpm;
mod support;
