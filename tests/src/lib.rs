//! The lab: what the integration tests stand on.
//!
//! [`registry`] is an image registry that keeps its word until a test tells it not to: it can lie, stall,
//! drip, truncate, redirect, throttle and reset. [`image`] builds the same small images every time. [`drawer`]
//! is a plugin that keeps keys, or does worse. [`chunked`] makes layers with a table of contents. [`tuf`] is a TUF repository that signs real metadata, and says
//! whatever a test tells it to sign.

// This package is a test bench: a panic is how it reports that the bench itself is broken.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod authority;
pub mod chunked;
pub mod door;
pub mod drawer;
pub mod image;
pub mod merkle;
pub mod registry;
pub mod torture;
pub mod tuf;
