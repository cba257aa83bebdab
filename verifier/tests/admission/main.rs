//! The admission webhook, from recorded reviews to the running server.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod asked;
mod chart;
mod fixtures;
mod hostile;
#[allow(dead_code)]
#[path = "../it/lab.rs"]
mod keys;
mod manifests;
mod objects;
mod one_verdict;
mod process;
mod process_rules;
mod program;
mod rows;
mod running;
mod server;
mod ways;
mod world;
