//! The trusted base by name: a crate that enters the smallest verifier is a line in a diff.

use std::collections::BTreeSet;
use std::process::Command;

/// `UPDATE_CRATES=1 cargo test` writes the list.
#[test]
fn the_smallest_verifier_consists_of_the_listed_crates() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "seaworthy-verifier",
            "--no-default-features",
            "-e",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--offline", "--locked", "--format", "{p}", "--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<&str> =
        text.lines().filter_map(|line| line.split(' ').next()).filter(|n| !n.is_empty()).collect();
    let found: String = names.iter().map(|n| format!("{n}\n")).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/crates.txt");
    if std::env::var_os("UPDATE_CRATES").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), found, "a crate entered or left the trusted base");
    for never in ["seaworthy-sign", "seaworthy-catalog", "tar", "ring", "openssl-sys", "native-tls"] {
        assert!(!names.contains(never), "{never} has no business in the verifier");
    }
}
