//! `trust update` against a TUF repository that lies in every way that the specification names.

use super::world::{Ran, World};
use seaworthy_tests::tuf::{self, Files, Key, Mirror, PAST, Repository, Role, sign};
use serde_json::Value;

struct Tuf {
    world: World,
    mirror: Mirror,
    repository: Repository,
}

impl Tuf {
    fn new() -> Self {
        let mut world = World::new();
        let root = world.run("trust export public-good --format trusted-root").expect(0).stdout;
        let config = world.run("trust export public-good --format signing-config").expect(0).stdout;
        let repository =
            Repository::new(&[("trusted_root.json", &root), ("signing_config.v0.2.json", &config)]);
        std::fs::write(world.path("root.json"), repository.root_file(1)).unwrap();
        let mirror = Mirror::start(&repository.files);
        world.scrub(&mirror.url(), "http://mirror");
        Self { world, mirror, repository }
    }

    /// Puts GitHub's root into the repository: something that can be told from what was there.
    fn change(&mut self) {
        let other = self.world.run("trust export github --format trusted-root").expect(0).stdout;
        self.repository.set(&[("trusted_root.json", &other)]);
    }

    fn update(&self, more: &str) -> Ran {
        self.world.run(&format!(
            "trust update trust.yaml --tuf-mirror {} --tuf-root root.json {more}",
            self.mirror.url()
        ))
    }

    fn serve(&self) {
        self.mirror.serve(&self.repository.files);
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.world.path("trust.yaml")).unwrap_or_default()
    }

    /// The update ends with `code` and `words`, and the trust file is what it was.
    #[track_caller]
    fn refuses(&self, code: i32, words: &str) {
        let before = self.text();
        self.update("").expect(code).says(words);
        assert_eq!(self.text(), before);
    }
}

/// `file` with `change` made to what is signed, signed by `keys`.
fn forged(file: &[u8], keys: &[Key], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(file).unwrap();
    change(&mut document["signed"]);
    sign(&document["signed"], keys)
}

#[test]
fn what_the_repository_says_becomes_a_trust_file_and_is_fetched_once() {
    let mut t = Tuf::new();
    let first = t.update("--output json").expect(0).json();
    assert_eq!(first["written"], true);
    assert_eq!(first["tuf"]["timestamp"], 1);
    t.world.run("trust diff public-good trust.yaml").expect(0).says("no difference");

    let again = t.update("--output json").expect(0).json();
    assert_eq!(again["written"], false);
    // A timestamp and the next root: everything else was known.
    let seen = t.mirror.requests();
    assert_eq!(seen[seen.len() - 2..], ["2.root.json", "timestamp.json"]);

    t.change();
    t.repository.publish();
    t.serve();
    t.update("--check").expect(1).says("would change");
    t.world.run("trust diff github trust.yaml").expect(1);
    t.update("").expect(0).says("removed").says("fulcio.githubapp.com");
    t.world.run("trust diff github trust.yaml").expect(0);
}

#[test]
fn keys_and_comments_of_the_file_stay() {
    let t = Tuf::new();
    t.world.run("trust init trust.yaml --key testdata/keys/demo.pub").expect(0);
    let text = t.text().replace("  keys:", "  # who releases\n  keys:");
    std::fs::write(t.world.path("trust.yaml"), format!("# reviewed by two\n{text}")).unwrap();
    t.update("").expect(0);
    let now = t.text();
    assert!(now.starts_with("# reviewed by two\n") && now.contains("  # who releases\n  keys:"), "{now}");
    let shown = t.world.run("trust show trust.yaml --output json").expect(0).json();
    assert_eq!(shown["entries"][0]["name"], "demo");
    assert_eq!(shown["source"], "http://mirror");
    // Authorities that came from elsewhere are not replaced, and none is put between those of the mirror.
    t.world.run("trust init other.yaml --github").expect(0);
    t.world
        .run(&format!("trust update other.yaml --tuf-mirror {} --tuf-root root.json", t.mirror.url()))
        .expect(2)
        .says("not from");
    t.world.run("trust add trust.yaml --log testdata/keys/demo.pub --uri https://log.example").expect(2);
}

#[test]
fn a_directory_is_a_mirror_too_and_offline_asks_nobody() {
    let t = Tuf::new();
    tuf::write(&t.repository.files, &t.world.path("copy"));
    t.update("--offline").expect(2).says("--offline");
    t.world.run("--offline trust update trust.yaml --public-good").expect(2).says("--offline");
    assert!(t.mirror.requests().is_empty());
    t.world.run("--offline trust update trust.yaml --tuf-mirror copy --tuf-root root.json").expect(0);
    t.world.run("trust diff public-good trust.yaml").expect(0);
    t.world.run("trust update trust.yaml --tuf-mirror nowhere --tuf-root root.json").expect(2);
    t.world.run("trust update new.yaml --tuf-mirror copy").expect(2).says("--tuf-root");
    t.world.run("trust update new.yaml").expect(2).says("where from");
    // The same repository at another place: the file keeps its source.
    t.world.run("trust init moved.yaml --key testdata/keys/demo.pub").expect(0);
    let text = std::fs::read_to_string(t.world.path("moved.yaml")).unwrap();
    let text = text.replace("spec:\n", "spec:\n  source: https://tuf.example\n");
    std::fs::write(t.world.path("moved.yaml"), text).unwrap();
    t.world.run("--offline trust update moved.yaml --tuf-root root.json").expect(2).says("tuf.example");
    t.world
        .run("--offline trust update moved.yaml --tuf-mirror copy --tuf-root root.json")
        .expect(0)
        .says("from https://tuf.example");
    // A copy of the public one would be trusted by the root that comes with the program; this is none.
    t.world
        .run("--offline trust update new.yaml --public-good --tuf-mirror copy")
        .expect(1)
        .says("not signed by those who may");
    // cosign's names.
    t.world.run("trust update new.yaml --mirror copy --root root.json").expect(0);
}

#[test]
fn no_other_command_asks_the_mirror() {
    let t = Tuf::new();
    t.update("").expect(0);
    let before = t.mirror.requests().len();
    for command in
        ["trust show", "trust show trust.yaml", "trust lint trust.yaml", "trust diff public-good trust.yaml"]
    {
        t.world.run(command).expect(0);
    }
    t.world.run("trust export trust.yaml --format client-trust-config").expect(0);
    assert_eq!(t.mirror.requests().len(), before);
}

#[test]
fn an_older_state_is_refused_the_next_time_wherever_it_is_served() {
    let mut t = Tuf::new();
    let old = t.repository.files.clone();
    t.change();
    t.repository.publish();
    t.serve();
    t.update("").expect(0);
    t.mirror.serve(&old);
    t.refuses(1, "goes back in time");
    // The same repository as a directory: what was seen is known by its root, not by its place.
    tuf::write(&old, &t.world.path("copy"));
    let from = "trust update other.yaml --tuf-mirror copy --tuf-root root.json";
    t.world.run(from).expect(1).says("goes back in time");
    // Nothing else tells them apart: another memory knows no better.
    t.world.run(&format!("{from} --tuf-dir elsewhere")).expect(0);
}

#[test]
fn rollback_of_each_role() {
    // Somebody holds the keys of timestamps (and of snapshots), and signs newer ones of older things.
    let mut t = Tuf::new();
    let old = t.repository.files.clone();
    t.change();
    t.repository.publish();
    t.serve();
    t.update("").expect(0);
    let new = t.repository.files.clone();
    let snapshot_keys = t.repository.snapshot.keys.clone();
    let timestamp_keys = t.repository.timestamp.keys.clone();

    // Snapshot 1 behind timestamp 3.
    let mut files = new.clone();
    let forge = |files: &mut Files| {
        let newer = forged(&old["timestamp.json"], &timestamp_keys, |s| s["version"] = 3.into());
        files.insert("timestamp.json".into(), newer);
    };
    forge(&mut files);
    t.mirror.serve(&files);
    t.refuses(1, "goes back in time");

    // Targets 1 behind snapshot 3 behind timestamp 4.
    let snapshot = forged(&old["1.snapshot.json"], &snapshot_keys, |s| s["version"] = 3.into());
    let timestamp = forged(&new["timestamp.json"], &timestamp_keys, |s| {
        s["version"] = 4.into();
        s["meta"]["snapshot.json"] = serde_json::json!({ "version": 3 });
    });
    files.insert("3.snapshot.json".into(), snapshot);
    files.insert("timestamp.json".into(), timestamp);
    t.mirror.serve(&files);
    // And not at the second try either, when the timestamp has been seen already.
    t.refuses(1, "targets.json (via snapshot)");
    t.refuses(1, "targets.json (via snapshot)");

    // No targets at all.
    let snapshot = forged(&old["1.snapshot.json"], &snapshot_keys, |s| {
        s["version"] = 3.into();
        s["meta"] = serde_json::json!({ "other.json": { "version": 1 } });
    });
    files.insert("3.snapshot.json".into(), snapshot);
    t.mirror.serve(&files);
    t.refuses(1, "removes targets.json");
    t.refuses(1, "removes targets.json");

    // Root 1 again under the name of the next one.
    let mut files = new.clone();
    files.insert("2.root.json".into(), new["1.root.json"].clone());
    t.mirror.serve(&files);
    t.refuses(1, "goes back in time");
    // Root 3 in the place of root 2.
    let skipped = forged(&new["1.root.json"], &t.repository.root.keys, |s| s["version"] = 3.into());
    files.insert("2.root.json".into(), skipped);
    t.mirror.serve(&files);
    t.refuses(1, "goes back in time");
}

#[test]
fn metadata_that_expired_is_refused_for_each_role() {
    for (role, name) in ["root", "targets", "snapshot", "timestamp"].into_iter().enumerate() {
        let mut t = Tuf::new();
        t.repository.expires[role] = PAST;
        if role == 0 {
            let keys = t.repository.root.keys.clone();
            t.repository.publish_root(&keys);
        }
        t.repository.publish();
        t.serve();
        t.refuses(1, &format!("{name} metadata expired"));
    }
    // A chain of roots may have expired links, as long as its end is good.
    let mut t = Tuf::new();
    let keys = t.repository.root.keys.clone();
    t.repository.expires[0] = PAST;
    t.repository.publish_root(&keys);
    t.repository.expires[0] = tuf::FAR;
    t.repository.publish_root(&keys);
    t.serve();
    t.update("").expect(0);
}

#[test]
fn a_frozen_mirror_is_found_out_when_what_it_shows_expires() {
    let mut t = Tuf::new();
    t.update("").expect(0);
    // What is kept expires too: it does not become good by being known.
    t.repository.expires[3] = PAST;
    t.repository.publish_timestamp();
    t.serve();
    t.refuses(1, "expired");
}

#[test]
fn fewer_signatures_than_the_threshold_are_none() {
    let mut t = Tuf::new();
    let thief = Key::ed25519(99);
    let root = t.repository.root.keys.clone();
    let good = t.repository.files.clone();
    let next = |keys: &[Key]| {
        let mut files = good.clone();
        files.insert("2.root.json".into(), forged(&good["1.root.json"], keys, |s| s["version"] = 2.into()));
        files
    };
    for keys in [&root[..1], &[root[0].clone(), thief.clone()], &[thief.clone(), thief.clone()], &[]] {
        t.mirror.serve(&next(keys));
        t.refuses(1, "not signed by those who may");
    }
    // One key twice is one key.
    t.mirror.serve(&next(&[root[0].clone(), root[0].clone()]));
    t.refuses(1, "not signed by those who may");
    // Two of three are enough.
    t.mirror.serve(&next(&root[1..]));
    t.update("").expect(0);

    for role in ["targets", "snapshot", "timestamp"] {
        let mut t = Tuf::new();
        match role {
            "targets" => t.repository.targets.keys = vec![t.repository.targets.keys[0].clone()],
            "snapshot" => t.repository.snapshot.keys = vec![thief.clone()],
            _ => t.repository.timestamp.keys = vec![thief.clone()],
        }
        t.repository.publish();
        t.serve();
        t.refuses(1, &format!("threshold not met for role {role}"));
    }
    t.repository.publish();
}

#[test]
fn roots_take_turns_and_each_is_signed_by_the_one_before() {
    let mut t = Tuf::new();
    for round in 0..4u8 {
        let old = t.repository.root.keys.clone();
        let new = vec![Key::ed25519(20 + 2 * round), Key::p256(21 + 2 * round)];
        t.repository.root = Role::new(2, new.clone());
        t.repository.publish_root(&[old, new].concat());
    }
    t.change();
    t.repository.publish();
    t.serve();
    let done = t.update("--output json").expect(0).json();
    assert_eq!(done["tuf"]["root"], 5);
    t.world.run("trust diff github trust.yaml").expect(0);

    // A root signed by its own keys alone speaks for nobody.
    let mut t = Tuf::new();
    let new = vec![Key::ed25519(40), Key::ed25519(41)];
    t.repository.root = Role::new(2, new.clone());
    t.repository.publish_root(&new);
    t.serve();
    t.refuses(1, "not signed by those who may");
    // One signed by the old keys alone cannot be followed by anybody.
    let mut t = Tuf::new();
    let old = t.repository.root.keys.clone();
    t.repository.root = Role::new(2, new);
    t.repository.publish_root(&old);
    t.serve();
    t.refuses(1, "not signed by those who may");
}

#[test]
fn after_a_theft_new_keys_begin_anew() {
    // A thief of the timestamp key made versions that nobody can reach any more; a root with another key for
    // timestamps and snapshots sets them back (specification 5.3.11).
    let mut t = Tuf::new();
    t.repository.versions[2] = 1_000_000;
    t.repository.versions[3] = 1_000_000;
    t.repository.publish();
    t.serve();
    t.update("").expect(0);
    t.repository.versions[2] = 1;
    t.repository.versions[3] = 1;
    t.repository.publish();
    t.serve();
    t.refuses(1, "goes back in time");
    t.repository.timestamp = Role::new(1, vec![Key::p256(50)]);
    t.repository.snapshot = Role::new(1, vec![Key::ed25519(51)]);
    let keys = t.repository.root.keys.clone();
    t.repository.publish_root(&keys);
    t.repository.publish();
    t.serve();
    t.update("").expect(0);
}

#[test]
fn files_of_different_times_do_not_go_together() {
    let mut t = Tuf::new();
    let old = t.repository.files.clone();
    t.change();
    t.repository.publish();
    let new = t.repository.files.clone();
    // Snapshot 1 under the name of snapshot 2; targets 1 under the name of targets 2.
    for name in ["snapshot", "targets"] {
        let mut files = new.clone();
        files.insert(format!("2.{name}.json"), old[&format!("1.{name}.json")].clone());
        t.mirror.serve(&files);
        t.refuses(1, "do not belong together");
    }
    // One that is signed, of the right number, and not the one that is meant.
    let mut files = new.clone();
    let keys = t.repository.targets.keys.clone();
    let other = forged(&new["2.targets.json"], &keys, |s| s["targets"] = serde_json::json!({}));
    files.insert("2.targets.json".into(), other);
    t.mirror.serve(&files);
    t.refuses(1, "do not belong together");
}

#[test]
fn targets_of_another_length_or_hash_are_not_taken() {
    let t = Tuf::new();
    let name = t.repository.files.keys().find(|n| n.ends_with(".trusted_root.json")).unwrap().clone();
    let good = t.repository.files[&name].clone();
    let mut flipped = good.clone();
    let last = flipped.len() - 2;
    flipped[last] ^= 1;
    let short = good[..good.len() - 1].to_vec();
    for (bad, words) in [(flipped, "do not belong together"), (short, "do not belong together")] {
        let mut files = t.repository.files.clone();
        files.insert(name.clone(), bad);
        t.mirror.serve(&files);
        t.refuses(1, words);
    }
    // One byte more is not even read to its end.
    let mut files = t.repository.files.clone();
    files.insert(name.clone(), [good, b"\n".to_vec()].concat());
    t.mirror.serve(&files);
    t.refuses(4, "limit");
    let mut files = t.repository.files.clone();
    files.remove(&name);
    t.mirror.serve(&files);
    t.refuses(3, "not found");
}

#[test]
fn data_without_end_is_left() {
    let t = Tuf::new();
    let target = t.repository.files.keys().find(|n| n.ends_with(".trusted_root.json")).unwrap().clone();
    for name in ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", &target] {
        let t = Tuf::new();
        t.mirror.endless(name);
        t.refuses(4, "limit");
    }
    // The same from a directory, at the limit and one beyond it.
    for (spaces, code) in [(0, 0), (1, 4)] {
        let mut files = t.repository.files.clone();
        let file = files.get_mut("timestamp.json").unwrap();
        file.resize((16 << 10) + spaces, b' ');
        tuf::write(&files, &t.world.path("copy"));
        t.world.run("trust update copy.yaml --tuf-mirror copy --tuf-root root.json").expect(code);
    }
}

#[test]
fn a_chain_of_roots_has_an_end() {
    let mut t = Tuf::new();
    let keys = t.repository.root.keys.clone();
    for _ in 0..255 {
        t.repository.publish_root(&keys[..2]);
    }
    tuf::write(&t.repository.files, &t.world.path("copy"));
    let from = "trust update trust.yaml --tuf-mirror copy --tuf-root root.json --tuf-dir";
    t.world.run(&format!("{from} a")).expect(0);
    t.repository.publish_root(&keys[..2]);
    tuf::write(&t.repository.files, &t.world.path("copy"));
    t.world.run(&format!("{from} b")).expect(1).says("rotations");
}

#[test]
fn a_root_that_somebody_made_up_is_not_ours() {
    // Another repository, whole and well signed.
    let mut t = Tuf::new();
    let mut other = Repository::new(&[("trusted_root.json", "{}")]);
    for role in [&mut other.root, &mut other.targets, &mut other.snapshot, &mut other.timestamp] {
        role.threshold = 1;
        role.keys = vec![Key::ed25519(80)];
    }
    other.versions = [0; 4];
    other.publish_root(&[Key::ed25519(80)]);
    other.publish();
    t.mirror.serve(&other.files);
    t.refuses(1, "not signed by those who may");
    // As --tuf-root: not signed by its own keys, no metadata, of another kind, too large.
    let root = t.repository.root_file(1);
    let unsigned = forged(&root, &[Key::ed25519(80)], |_| {});
    let zero = forged(&root, &t.repository.root.keys, |s| s["roles"]["root"]["threshold"] = 0.into());
    let timestamp = t.repository.files["timestamp.json"].clone();
    for bad in [unsigned, zero, timestamp, b"{}".to_vec(), b"".to_vec(), vec![b' '; (512 << 10) + 1]] {
        std::fs::write(t.world.path("root.json"), bad).unwrap();
        t.refuses(4, "root");
    }
    t.repository.publish();
}

#[test]
fn targets_may_be_delegated() {
    let mut t = Tuf::new();
    t.change();
    t.repository.delegated = Some(("sigstore", Key::p256(60)));
    t.repository.publish();
    t.serve();
    t.update("").expect(0);
    t.world.run("trust diff github trust.yaml").expect(0);
    // By whom it was delegated to, and by nobody else.
    let forge = forged(&t.repository.files["2.sigstore.json"], &[Key::ed25519(99)], |_| {});
    let mut files = t.repository.files.clone();
    files.insert("2.sigstore.json".into(), forge);
    t.mirror.serve(&files);
    t.update("--tuf-dir elsewhere").expect(1);
}

#[test]
fn a_memory_that_is_damaged_is_no_empty_one() {
    let t = Tuf::new();
    t.update("--tuf-dir memory").expect(0);
    let dir = std::fs::read_dir(t.world.path("memory")).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(dir.join("latest.json")).unwrap();
    std::fs::write(dir.join("latest.json"), "half a fi").unwrap();
    t.update("--tuf-dir memory").expect(5).says("damaged").says("remove the folder");
    std::fs::write(dir.join("latest.json"), good).unwrap();
    t.update("--tuf-dir memory").expect(0);
    // One that cannot be written is no memory.
    std::fs::write(t.world.path("file"), "").unwrap();
    t.update("--tuf-dir file").expect(5);
}

#[test]
fn what_is_not_there_may_come_and_what_is_no_metadata_is_broken() {
    let t = Tuf::new();
    for name in ["timestamp.json", "1.snapshot.json", "1.targets.json"] {
        let mut files = t.repository.files.clone();
        files.remove(name);
        t.mirror.serve(&files);
        t.refuses(3, "not found");
    }
    let mut files = t.repository.files.clone();
    files.insert("timestamp.json".into(), b"<html>".to_vec());
    t.mirror.serve(&files);
    t.refuses(4, "cannot be read");
    let mut empty = Repository::new(&[("other.txt", "nothing")]);
    empty.versions = [1, 10, 10, 10];
    empty.publish();
    t.mirror.serve(&empty.files);
    t.refuses(4, "no trusted_root.json");
    empty.set(&[("trusted_root.json", "{}")]);
    empty.publish();
    t.mirror.serve(&empty.files);
    t.refuses(4, "trusted root of");
    t.world.run("trust update trust.yaml --tuf-mirror http://127.0.0.1:1 --tuf-root root.json").expect(3);
    t.world
        .run("trust update trust.yaml --tuf-mirror http://tuf.example --tuf-root root.json")
        .expect(2)
        .says("plain HTTP");
}
