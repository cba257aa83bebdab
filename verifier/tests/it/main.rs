//! The verifier through its public face: attacks (rows of docs/concepts on what an attacker tries), policies,
//! what cosign wrote, and what the documentation promises.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attacks;
mod blob;
mod crate_list;
mod docs;
mod interop;
mod keyless;
mod lab;
mod modes;
mod pki;
mod policies;
mod sboms;
mod vectors;
