//! The program as a user meets it: whole commands, their output, their exit codes.
//!
//! Snapshots hold both streams and the exit code of each command. Times come from `SOURCE_DATE_EPOCH` and keys
//! from testdata/, so that signatures, and with them every digest, are the same in every run. To accept a
//! change of output on purpose: `INSTA_UPDATE=always cargo test -p seaworthy`, and read the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

mod airgap;
mod blob;
mod break_glass;
mod choices;
mod containerd;
mod cookbook;
mod daemons;
mod denials;
mod documents;
mod fake;
mod guide;
mod hostile;
mod hostile_sbom;
mod interop;
mod interop_keyless;
mod issuer;
mod keyless;
mod kms;
mod layer_cache;
mod lazy;
mod load;
mod namespaces;
mod one_verdict;
mod outcomes;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod pki;
mod policy_explain;
mod policy_import;
mod policy_tests;
mod rekor_v1;
mod rules;
mod services;
mod snapshots;
mod sources;
mod templates;
mod tokens;
mod torture;
mod trust;
mod trust_update;
mod world;
