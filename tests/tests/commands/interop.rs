//! What real cosign and real skopeo accepted from us (testdata/interop/ours) is what the program writes today.
//!
//! Each recorded case is made again, command by command, in a registry like the recorded one; keys, images and the
//! moment are the same, so every blob and every tag must be. A difference means that the recording no longer shows
//! what peers think of us: `testdata/interop/record-ours` asks them again.

use super::world::{World, root};
use seaworthy_oci::Digest;
use seaworthy_tests::registry::{Lab, ReferrersApi};
use std::path::{Path, PathBuf};

const CASES: [(&str, &str); 5] = [
    ("bundle", "testdata/keys/demo.pub"),
    ("legacy", "testdata/keys/demo.pub"),
    ("both-with-a-key-of-cosign", "testdata/interop/cosign-3/keys/cosign.pub"),
    ("both-with-ed25519", "testdata/keys/ed25519.pub"),
    ("both-recursive-index", "testdata/keys/demo.pub"),
];

fn recorded(case: &str) -> PathBuf {
    root().join("testdata/interop/ours").join(case)
}

/// What was signed in the case: the tag that is not `other` and not evidence.
fn image(case: &str) -> &'static str {
    if case.ends_with("index") { "index" } else { "image" }
}

fn tags(layout: &Path) -> Vec<String> {
    let index = std::fs::read(layout.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let mut tags: Vec<String> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|m| m["annotations"]["org.opencontainers.image.ref.name"].as_str())
        .map(str::to_owned)
        .collect();
    tags.sort();
    tags
}

#[test]
fn every_recording_is_in_the_list() {
    let mut found: Vec<String> = std::fs::read_dir(recorded(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "images")
        .collect();
    found.sort();
    let mut listed = CASES.map(|(case, _)| case);
    listed.sort_unstable();
    assert_eq!(found, listed);
    for case in found {
        // A recording in which a peer was asked nothing would show nothing.
        let said = std::fs::read_to_string(recorded(&case).join("accepted")).unwrap();
        assert!(said.contains("$ cosign verify ") && said.contains("\nexit 0\n"), "{case}: {said}");
    }
}

#[test]
fn what_peers_accepted_is_what_we_write_today() {
    for (case, _) in CASES {
        let lab = Lab::builder().referrers(ReferrersApi::Absent).start();
        let world = World::new();
        let at = lab.reference("team/app");
        let tag = image(case);
        for copied in [tag, "other"] {
            world.run(&format!("copy oci:testdata/interop/ours/images:{copied} {at}:{copied} -q")).expect(0);
        }
        let signed = lab.manifest("team/app", tag).unwrap();
        let commands = std::fs::read_to_string(recorded(case).join("commands")).unwrap();
        let (first, commands) = commands.split_once('\n').unwrap();
        let identity = first.strip_prefix("# IDENTITY=").unwrap();
        for command in commands.lines() {
            let command = command
                .replace("IDENTITY", identity)
                .replace("REF", &format!("{at}@{}", Digest::sha256(&signed)));
            world.shell(&command).expect(0);
        }

        let mut now = lab.tags("team/app");
        now.sort();
        assert_eq!(now, tags(&recorded(case)), "{case}");
        for blob in std::fs::read_dir(recorded(case).join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            let digest: Digest = format!("sha256:{}", blob.file_name().to_str().unwrap()).parse().unwrap();
            let ours = lab
                .blob("team/app", &digest)
                .or_else(|| lab.manifest("team/app", &digest.to_string()))
                .unwrap_or_else(|| {
                    let was = std::fs::read(blob.path()).unwrap();
                    panic!("{case}: no longer written: {digest}: {}", String::from_utf8_lossy(&was))
                });
            assert_eq!(ours, std::fs::read(blob.path()).unwrap(), "{case} {digest}");
        }
    }
}

#[test]
fn what_peers_accepted_we_verify() {
    let world = World::new();
    for (case, key) in CASES {
        let at = format!("oci:testdata/interop/ours/{case}");
        let tag = image(case);
        // The index case is signed and has no attestations.
        let types = if tag == "index" { "" } else { "--type spdx --type cyclonedx" };
        world.run(&format!("verify --offline --key {key} {types} {at}:{tag}")).expect(0).says("allowed");
        world
            .run(&format!("verify --offline --key testdata/keys/other.pub {types} {at}:{tag}"))
            .expect(1)
            .says("unknown-signer");
        world.run(&format!("verify --offline --key {key} {at}:other")).expect(1).says("signature-missing");
    }
}
