//! The verifier through its public face: attacks (rows of docs/concepts on what an attacker tries), policies,
//! what cosign wrote, and what the documentation promises.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attacks;
mod blob;
#[cfg(feature = "cel")]
mod conditions;
mod conformance;
mod crate_list;
mod docs;
mod exceptions;
mod forge;
mod image;
mod interop;
mod keyless;
mod lab;
mod modes;
mod mutants;
mod pki;
mod policies;
mod provenance;
mod rows;
mod sboms;
mod scans;
mod sigstore;
mod vectors;
mod vulnerabilities;
mod witnesses;
