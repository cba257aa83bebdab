//! The test plugin as a program of its own, for tests with other programs (tests/interop/live).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::exit;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, version, call] = arguments.as_slice() else { exit(2) };
    exit(seaworthy_tests::drawer::answer(version, call, &mut std::io::stdin(), &mut std::io::stdout()));
}
