//! The program itself: its flags, its exit codes, and an end by SIGTERM.

use crate::server::certificate;
use crate::world::policy;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_seaworthy-verifier");

#[test]
fn it_starts_says_where_and_ends_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    std::fs::write(dir.path().join("release.pub"), crate::keys::Key::new(7).pem()).unwrap();
    std::fs::write(dir.path().join("policy.yaml"), policy("p", "enforce", "registry.example/**", "release"))
        .unwrap();
    let mut child = Command::new(PROGRAM)
        .current_dir(dir.path())
        .args([
            "admission",
            "--listen",
            "127.0.0.1:0",
            "--certificate",
            "tls.crt",
            "--private-key",
            "tls.key",
        ])
        .args(["--policy", "policy.yaml", "--registry", "*.registry.example", "--linger", "0"])
        .args(["--images-at", "argoproj.io/Rollout=/spec/template/spec"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("listening on https://127.0.0.1:"), "{first}");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
    let mut log = String::new();
    child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    let events: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(events.last().unwrap()["event"], "stopped");
}

#[test]
fn what_cannot_be_meant_ends_with_two() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    std::fs::write(dir.path().join("policy.yaml"), "kind: Nonsense").unwrap();
    let run = |args: &[&str]| Command::new(PROGRAM).current_dir(dir.path()).args(args).output().unwrap();
    let tls = ["admission", "--certificate", "tls.crt", "--private-key", "tls.key"];
    assert_eq!(run(&tls).status.code(), Some(2), "no policy");
    let bad = run(&[&tls[..], &["--policy", "policy.yaml"]].concat());
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("policy.yaml"));
    for odd in [["--registry", "*"], ["--images-at", "Pod=/spec"], ["--images-at", "x"], ["--budget", "30"]] {
        let out = run(&[&tls[..], &["--policy", "policy.yaml"], &odd[..]].concat());
        assert_eq!(out.status.code(), Some(2), "{odd:?}");
    }
}
