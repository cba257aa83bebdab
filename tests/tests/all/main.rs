//! The integration tests, one module for each subject.

// Clippy knows `#[test]` functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lab;
mod layouts;
mod registry;
