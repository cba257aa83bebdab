//! The admission webhook, from recorded reviews to the running server.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod chart;
mod fixtures;
mod hostile;
#[allow(dead_code)]
#[path = "../it/lab.rs"]
mod keys;
mod manifests;
mod objects;
mod process;
mod program;
mod rows;
mod running;
mod server;
mod ways;
mod world;
