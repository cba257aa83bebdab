//! New keys in an authority that goes on, copies of it, and old copies that come back.

use crate::running::{Running, WHO};
use seaworthy_authority::{Authority, ErrorKind, Part, backup, restore, rotate};
use serde_json::Value;
use sigstore_verify::trust_root::TrustedRoot;
use std::path::Path;

const ALL: [Part; 5] = [Part::Log, Part::CertificateLog, Part::Issuer, Part::Timestamps, Part::Tokens];

fn trusted_root(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("trusted_root.json")).unwrap()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

fn index(bundle: &Value) -> &str {
    bundle["verificationMaterial"]["tlogEntries"][0]["logIndex"].as_str().unwrap()
}

#[tokio::test]
async fn what_was_signed_before_a_rotation_and_after_it_is_good_under_the_new_trusted_root() {
    let mut authority = Running::start().await;
    let before = authority.sign(WHO, b"before").await;
    let served = rotate(&authority.dir, &authority.password, &ALL).unwrap_err();
    assert!(served.message.contains("another process serves"), "{served}");
    let old_root = TrustedRoot::from_file(authority.dir.join("trusted_root.json")).unwrap();
    let (_, old_checkpoint) = authority.get("/api/v2/checkpoint").await;
    let old_token = authority.token(WHO);

    authority.pause().await;
    rotate(&authority.dir, &authority.password, &ALL).unwrap();
    authority.resume().await;
    let after = authority.sign(WHO, b"after").await;
    assert_eq!((index(&before), index(&after)), ("1", "1"), "the new log begins anew, with the trusted root");
    authority.judge(&before, b"before", WHO).unwrap();
    authority.judge(&after, b"after", WHO).unwrap();
    // Nobody is told that the new keys are to be believed but by the new trusted root.
    authority.judge_by(&old_root, &before, b"before", WHO).unwrap();
    authority.judge_by(&old_root, &after, b"after", WHO).unwrap_err();

    // The old log is where the trusted root says, as it was, and its key is gone.
    let root = trusted_root(&authority.dir);
    for list in ["tlogs", "ctlogs"] {
        let logs = root[list].as_array().unwrap();
        assert_eq!(logs.len(), 2);
        assert!(logs[0]["publicKey"]["validFor"]["end"].is_string());
        assert!(logs[1]["publicKey"]["validFor"]["end"].is_null());
    }
    let closed = root["tlogs"][0]["baseUrl"].as_str().unwrap().strip_prefix(&authority.url).unwrap();
    let (status, checkpoint) = authority.get(&format!("{closed}/api/v2/checkpoint")).await;
    assert_eq!((status, &checkpoint), (200, &old_checkpoint));
    let (status, _) = authority.get(&format!("{closed}/api/v2/tile/entries/000.p/2")).await;
    assert_eq!(status, 200);
    let closed = root["ctlogs"][0]["baseUrl"].as_str().unwrap().strip_prefix(&authority.url).unwrap();
    assert_eq!(authority.get(&format!("{closed}/tile/0/000.p/1")).await.0, 200);
    assert_eq!(authority.get("/log/2/api/v2/checkpoint").await.0, 404);

    let key = seaworthy_sign::PrivateKey::generate(seaworthy_sign::Algorithm::EcdsaP256).unwrap();
    let (status, _) = authority.certificate(&old_token, &key, WHO).await.unwrap_err();
    assert_eq!(status, 401, "a token by the old key");
    authority.stop().await;
}

/// A new root within one authority: what the old one certified stays good by its window, in its time and no longer, and
/// the old root's key may be gone.
#[tokio::test]
async fn a_new_root_brings_what_is_below_it_and_the_old_one_stays_for_its_time() {
    let mut authority = Running::start().await;
    let before = authority.sign(WHO, b"before").await;
    let old = TrustedRoot::from_file(authority.dir.join("trusted_root.json")).unwrap();
    authority.pause().await;
    let root_of = |dir: &Path| std::fs::read(dir.join("certs/root.pem")).unwrap();
    let first = root_of(&authority.dir);
    std::fs::remove_file(authority.dir.join("keys/root.key")).unwrap();
    rotate(&authority.dir, &authority.password, &[Part::Issuer]).unwrap_err();
    rotate(&authority.dir, &authority.password, &[Part::Root]).unwrap();
    assert_ne!(first, root_of(&authority.dir));
    authority.resume().await;
    let after = authority.sign(WHO, b"after").await;
    for (bundle, text) in [(&before, &b"before"[..]), (&after, b"after")] {
        authority.judge(bundle, text, WHO).unwrap();
    }
    authority.judge_by(&old, &after, b"after", WHO).unwrap_err();
    let now = trusted_root(&authority.dir);
    for list in ["certificateAuthorities", "timestampAuthorities"] {
        let all = now[list].as_array().unwrap();
        assert_eq!(all.len(), 2);
        assert!(all[0]["validFor"]["end"].is_string() && all[1]["validFor"]["end"].is_null());
        let root = |at: usize| &all[at]["certChain"]["certificates"][1];
        assert_ne!(root(0), root(1), "{list}");
    }
    // Below a root whose window was over when it signed, nothing is good.
    let mut over = now.clone();
    over["certificateAuthorities"][0]["validFor"]["start"] = "2020-01-01T00:00:00Z".into();
    over["certificateAuthorities"][0]["validFor"]["end"] = "2020-01-02T00:00:00Z".into();
    let over = TrustedRoot::from_json(&over.to_string()).unwrap();
    authority.judge_by(&over, &before, b"before", WHO).unwrap_err();
    authority.judge_by(&over, &after, b"after", WHO).unwrap();
    // And once more, by the key that is there now.
    authority.pause().await;
    rotate(&authority.dir, &authority.password, &[Part::Root, Part::Issuer, Part::Log]).unwrap();
    authority.resume().await;
    let last = authority.sign(WHO, b"last").await;
    for (bundle, text) in [(&before, &b"before"[..]), (&after, b"after"), (&last, b"last")] {
        authority.judge(bundle, text, WHO).unwrap();
    }
    authority.stop().await;
}

/// A crash anywhere after the rotation was begun: whoever has the folder next finishes it.
#[tokio::test]
async fn a_rotation_that_broke_off_is_finished_by_the_next_start() {
    let mut authority = Running::start().await;
    let before = authority.sign(WHO, b"before").await;
    authority.pause().await;
    let (dir, password) = (authority.dir.clone(), &authority.password);
    let old = dir.with_file_name("old");
    copy(&dir, &old);
    rotate(&dir, password, &ALL).unwrap();
    // Back to the moment at which nothing had been moved yet, with everything that the rotation made in its place.
    let begun = old.join("rotation");
    for name in ["log", "ct"] {
        copy(&dir.join(name), &begun.join(name));
        std::fs::write(begun.join(format!("{name}.closes")), "1").unwrap();
    }
    for name in ["keys", "certs"] {
        copy(&dir.join(name), &begun.join(name));
    }
    for name in ["trusted_root.json", "signing_config.json", "client_trust_config.json"] {
        std::fs::copy(dir.join(name), begun.join(name)).unwrap();
    }
    // Prepared and never begun: as if it had not been.
    std::fs::create_dir(old.join("rotation.new")).unwrap();
    let unfinished = backup(&old, &dir.with_file_name("copy")).unwrap_err();
    assert!(unfinished.message.contains("under way"), "{unfinished}");
    for broke_off in ["", "log", "ct"] {
        if !broke_off.is_empty() {
            // The old log was moved, and the new one not yet.
            let (now, closed) = (old.join(broke_off), old.join(format!("{broke_off}-1")));
            if now.exists() && begun.join(broke_off).exists() {
                std::fs::rename(now, closed).unwrap();
            }
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&old, &dir).unwrap();
    authority.resume().await;
    assert!(!dir.join("rotation").exists());
    let after = authority.sign(WHO, b"after").await;
    authority.judge(&before, b"before", WHO).unwrap();
    authority.judge(&after, b"after", WHO).unwrap();
    authority.stop().await;
}

#[tokio::test]
async fn a_backup_is_no_authority_and_a_restored_one_forks_nothing() {
    let mut authority = Running::start().await;
    let before = authority.sign(WHO, b"before").await;
    let saved = authority.dir.with_file_name("saved");
    let copied = backup(&authority.dir, &saved).unwrap();
    assert_eq!((copied.signatures, copied.certificates), (2, 1), "the trusted root is an entry, too");
    let lost = authority.sign(WHO, b"lost").await;
    let (_, seen) = authority.get("/api/v2/checkpoint").await;
    authority.pause().await;

    let refused = backup(&authority.dir, &saved).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Usage, "{refused}");
    let refused = Authority::open(&saved, &authority.password).unwrap_err();
    assert!(refused.kind == ErrorKind::Broken && refused.message.contains("is a backup"), "{refused}");
    let wrong = restore(&saved, &authority.dir.with_file_name("x"), &"wrong".into()).unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Local, "{wrong}");
    assert!(!authority.dir.with_file_name("x").exists());
    let refused =
        restore(&authority.dir, &authority.dir.with_file_name("x"), &authority.password).unwrap_err();
    assert!(refused.message.contains("is no backup"), "{refused}");

    std::fs::remove_dir_all(&authority.dir).unwrap();
    restore(&saved, &authority.dir, &authority.password).unwrap();
    authority.resume().await;
    let after = authority.sign(WHO, b"after").await;
    for (bundle, artifact) in [(&before, "before"), (&lost, "lost"), (&after, "after")] {
        authority.judge(bundle, artifact.as_bytes(), WHO).unwrap();
    }
    // What a client saw of the lost history is contradicted by nobody: the old log ended before it.
    let (_, closed) = authority.get("/log/1/api/v2/checkpoint").await;
    assert_eq!((closed.lines().nth(1), seen.lines().nth(1)), (Some("2"), Some("3")));
    let (_, now) = authority.get("/api/v2/checkpoint").await;
    let signer = |text: &str| text.lines().last().unwrap().split(' ').nth(2).unwrap()[..5].to_owned();
    assert_eq!(signer(&closed), signer(&seen));
    assert_ne!(signer(&now), signer(&seen));
    authority.stop().await;
}

#[tokio::test]
async fn an_old_copy_that_comes_back_is_found_out_by_what_another_disk_remembers() {
    let memory = tempfile::tempdir().unwrap();
    let line = format!("lastSeen: {}\n", memory.path().display());
    let mut authority = Running::with(|text| text + &line).await;
    authority.sign(WHO, b"one").await;
    authority.pause().await;
    let old = authority.dir.with_file_name("old");
    copy(&authority.dir, &old);
    authority.resume().await;
    authority.sign(WHO, b"two").await;
    authority.pause().await;
    let refused = Authority::open(&old, &authority.password).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Broken, "{refused}");
    assert!(refused.message.contains("knows of 3 entries"), "{refused}");
    assert!(refused.hint.unwrap().contains("restore"));
    // Nor may another authority's memory be taken for this one's.
    let other = Running::start().await;
    std::fs::copy(other.dir.join("log/checkpoint"), memory.path().join("log.checkpoint")).unwrap();
    let refused = Authority::open(&authority.dir, &authority.password).unwrap_err();
    assert!(refused.message.contains("is of another log"), "{refused}");
    std::fs::copy(authority.dir.join("log/checkpoint"), memory.path().join("log.checkpoint")).unwrap();
    // A log that was closed since is no contradiction.
    rotate(&authority.dir, &authority.password, &[Part::Log]).unwrap();
    authority.resume().await;
    authority.sign(WHO, b"three").await;
    authority.stop().await;
}
