//! A log on disk loses nothing that was acknowledged and never forks: crashes between all steps, torn tails,
//! damaged and mixed files, and a process that is killed for real.
//!
//! Proofs are checked by `sigstore-merkle`, which shares no code with the log.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use proptest::prelude::*;
use seaworthy_authority::ErrorKind;
use seaworthy_authority::limits::ENTRY_BYTES;
use seaworthy_authority::log::store::{Store, View};
use seaworthy_authority::log::tree::{Hash, Tree, leaf_hash};
use seaworthy_sign::{Algorithm, PrivateKey};
use sigstore_merkle::{verify_consistency_proof, verify_inclusion_proof};
use sigstore_verify::types::Sha256Hash;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

const ORIGIN: &str = "log.example";

fn hash(hash: &Hash) -> Sha256Hash {
    Sha256Hash::try_from(hash.as_slice()).unwrap()
}

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n} {}", "x".repeat((n % 97) as usize)).into_bytes()
}

struct Home {
    dir: tempfile::TempDir,
    key: Arc<PrivateKey>,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = Arc::new(PrivateKey::generate(Algorithm::EcdsaP256).unwrap());
        Store::create(&dir.path().join("log"), ORIGIN, &key).unwrap();
        Self { dir, key }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn open(&self) -> seaworthy_authority::Result<Store> {
        Store::open(&self.log(), ORIGIN, self.key.clone())
    }

    fn refused(&self) -> (ErrorKind, String) {
        let error = self.open().expect_err("a log that contradicts itself was opened");
        (error.kind, error.message)
    }
}

/// All entries under the checkpoint, from the tiles that everybody can fetch.
fn published(view: &View) -> Vec<Vec<u8>> {
    let size = view.checkpoint().size;
    let mut all = Vec::new();
    for index in 0..size.div_ceil(256) {
        let bundle = view.entries(index, (size - index * 256).min(256)).unwrap().unwrap();
        let mut rest = bundle.as_slice();
        while let [a, b, after @ ..] = rest {
            let (one, after) = after.split_at(usize::from(u16::from_be_bytes([*a, *b])));
            all.push(one.to_vec());
            rest = after;
        }
    }
    assert_eq!(all.len() as u64, size);
    all
}

/// A consistency proof (RFC 6962, section 2.1.2), made from the leaves alone, with nothing of the log's code.
fn consistency(leaves: &[Vec<u8>], old: usize) -> Vec<Sha256Hash> {
    fn root(leaves: &[Vec<u8>]) -> Sha256Hash {
        match leaves {
            [one] => sigstore_merkle::hash_leaf(one),
            many => {
                let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
                sigstore_merkle::hash_children(&root(left), &root(right))
            }
        }
    }
    fn sub(old: usize, leaves: &[Vec<u8>], complete: bool) -> Vec<Sha256Hash> {
        if old == leaves.len() {
            return if complete { Vec::new() } else { vec![root(leaves)] };
        }
        let middle = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(middle);
        if old <= middle {
            let mut proof = sub(old, left, complete);
            proof.push(root(right));
            proof
        } else {
            let mut proof = sub(old - middle, right, false);
            proof.push(root(left));
            proof
        }
    }
    sub(old, leaves, true)
}

fn assert_consistent(old: (u64, Hash), new: (u64, Hash), leaves: &[Vec<u8>]) {
    assert!(old.0 <= new.0, "the log shrank from {} to {}", old.0, new.0);
    if old.0 == 0 {
        return;
    }
    let leaves = &leaves[..new.0 as usize];
    let proof = if old.0 == new.0 { Vec::new() } else { consistency(leaves, old.0 as usize) };
    verify_consistency_proof(old.0, new.0, &proof, &hash(&old.1), &hash(&new.1)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every inclusion proof, for every size, is one that another implementation accepts.
    #[test]
    fn proofs_are_accepted_elsewhere(size in 1u64..130, seed in any::<u64>()) {
        let mut tree = Tree::default();
        let leaves: Vec<_> = (0..size).map(entry).collect();
        for leaf in &leaves {
            tree.push(leaf_hash(leaf));
        }
        let (old, index) = (1 + seed % size, seed % size);
        let root = tree.root(size).unwrap();
        let proof: Vec<_> = tree.inclusion(index, size).unwrap().iter().map(hash).collect();
        let leaf = sigstore_merkle::hash_leaf(&leaves[index as usize]);
        verify_inclusion_proof(&leaf, index, size, &proof, &hash(&root)).unwrap();
        assert_consistent((old, tree.root(old).unwrap()), (size, root), &leaves);
        prop_assert_eq!(tree.inclusion(size, size), None);
        prop_assert_eq!(tree.inclusion(0, size + 1), None);
    }

    /// A crash while the tail is written: wherever the file is cut or damaged above the checkpoint, what was
    /// acknowledged is there, and nothing else is acknowledged twice or in another order.
    #[test]
    fn a_torn_tail_costs_nothing_that_was_acknowledged(kept in 0u64..20, torn in 1u64..8, cut in any::<u64>(), flip in any::<bool>()) {
        let home = Home::new();
        home.open().unwrap().append(&(0..kept).map(entry).collect::<Vec<_>>()).unwrap();
        let checkpoint = std::fs::read(home.log().join("checkpoint")).unwrap();
        let whole = std::fs::metadata(home.log().join("entries")).unwrap().len();
        home.open().unwrap().append(&(kept..kept + torn).map(entry).collect::<Vec<_>>()).unwrap();
        // The moment after step 1 and before step 2: entries written, the checkpoint not yet.
        std::fs::write(home.log().join("checkpoint"), &checkpoint).unwrap();
        let path = home.log().join("entries");
        let length = std::fs::metadata(&path).unwrap().len();
        let at = whole + cut % (length - whole);
        let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        if flip {
            let mut byte = [0];
            file.seek(std::io::SeekFrom::Start(at)).unwrap();
            file.read_exact(&mut byte).unwrap();
            file.seek(std::io::SeekFrom::Start(at)).unwrap();
            file.write_all(&[byte[0] ^ 1]).unwrap();
        } else {
            file.set_len(at).unwrap();
        }
        drop(file);

        let mut store = home.open().unwrap();
        let found = published(&store.view());
        prop_assert!(found.len() as u64 >= kept && (found.len() as u64) < kept + torn);
        for (n, found) in found.iter().enumerate() {
            prop_assert_eq!(found, &entry(n as u64));
        }
        let next = store.append(&[b"after the crash".to_vec()]).unwrap();
        prop_assert_eq!(next.size, found.len() as u64 + 1);
        drop(store);
        prop_assert_eq!(home.open().unwrap().view().checkpoint().size, next.size);
    }
}

#[test]
fn entries_and_checkpoint_that_contradict_each_other_are_refused() {
    let home = Home::new();
    home.open().unwrap().append(&(0..5).map(entry).collect::<Vec<_>>()).unwrap();
    let (entries, checkpoint) = (home.log().join("entries"), home.log().join("checkpoint"));
    let (good_entries, good_checkpoint) =
        (std::fs::read(&entries).unwrap(), std::fs::read(&checkpoint).unwrap());
    let refused = |why: &str| {
        let (kind, message) = home.refused();
        assert_eq!(kind, ErrorKind::Broken, "{message}");
        assert!(message.contains(why), "{message}");
        // A refusal changes nothing: the operator still has what was there.
        std::fs::write(&entries, &good_entries).unwrap();
        std::fs::write(&checkpoint, &good_checkpoint).unwrap();
        home.open().unwrap();
    };

    // The disk lost an acknowledged entry.
    std::fs::write(&entries, &good_entries[..good_entries.len() - 1]).unwrap();
    refused("holds 4 whole entries, and a checkpoint over 5");
    // An acknowledged entry was changed.
    let mut changed = good_entries.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(&entries, &changed).unwrap();
    refused("holds 4 whole entries");
    // Another log's entries, which are whole in themselves.
    let other = Home::new();
    other.open().unwrap().append(&(10..16).map(entry).collect::<Vec<_>>()).unwrap();
    std::fs::copy(other.log().join("entries"), &entries).unwrap();
    refused("are not those of the stored checkpoint");
    // No checkpoint: nobody knows what was signed.
    std::fs::remove_file(&checkpoint).unwrap();
    refused("cannot read");
    // A checkpoint by another key.
    std::fs::copy(other.log().join("checkpoint"), &checkpoint).unwrap();
    refused("is not signed by this log's key");
    let mut text = String::from_utf8(good_checkpoint.clone()).unwrap();
    text = text.replacen("\n5\n", "\n4\n", 1);
    std::fs::write(&checkpoint, text).unwrap();
    refused("is not signed by this log's key");
}

#[test]
fn one_byte_beyond_the_limit_writes_nothing() {
    let home = Home::new();
    let mut store = home.open().unwrap();
    store.append(&[vec![0; ENTRY_BYTES]]).unwrap();
    let error = store.append(&[vec![0; ENTRY_BYTES + 1]]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(!store.failed());
    assert_eq!(store.append(&[entry(1)]).unwrap().size, 2);
    assert_eq!(published(&store.view()).len(), 2);
}

#[test]
fn tiles_are_cut_at_the_checkpoint() {
    let home = Home::new();
    let mut store = home.open().unwrap();
    store.append(&(0..300).map(entry).collect::<Vec<_>>()).unwrap();
    let view = store.view();
    let first = view.tile(0, 0, 256).unwrap();
    assert_eq!(first[..32], leaf_hash(&entry(0)));
    assert_eq!(view.tile(0, 1, 44).unwrap().len(), 44 * 32);
    assert_eq!(view.tile(0, 1, 45), None);
    assert_eq!(view.tile(1, 0, 1).unwrap().len(), 32);
    assert_eq!(view.tile(1, 0, 2), None);
    assert_eq!(view.tile(9, 0, 1), None);
    assert_eq!(view.tile(0, u64::MAX, 1), None);
    assert_eq!(view.entries(1, 45).unwrap(), None);
    // The tile above is the root of the tile below.
    let mut tree = Tree::default();
    for n in 0..256 {
        tree.push(leaf_hash(&entry(n)));
    }
    assert_eq!(view.tile(1, 0, 1).unwrap(), tree.root(256).unwrap());
}

/// Not a test of its own: the process that the next test kills. It appends for ever and says what was
/// acknowledged.
#[test]
#[ignore = "the child process of a_process_killed_again_and_again"]
fn child() {
    let Ok(dir) = std::env::var("LOG_OF_CHILD") else { return };
    let dir = Path::new(&dir);
    let key = PrivateKey::from_pem(&std::fs::read(dir.join("key")).unwrap(), None).unwrap();
    let mut store = Store::open(&dir.join("log"), ORIGIN, Arc::new(key)).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let first = store.view().checkpoint().size;
        let batch: Vec<_> = (first..first + 1 + first % 7).map(entry).collect();
        let checkpoint = store.append(&batch).unwrap();
        writeln!(out, "acknowledged {} {}", checkpoint.size, hash(&checkpoint.root).to_hex()).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_process_killed_again_and_again() {
    let home = Home::new();
    std::fs::write(home.dir.path().join("key"), home.key.to_pkcs8_pem().unwrap().expose()).unwrap();
    let mut seen: Vec<(u64, Hash)> = Vec::new();
    for round in 0..12usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env("LOG_OF_CHILD", home.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // How far it comes before it is killed differs from round to round; what it does at that moment is
        // up to the machine.
        let mut wanted = 3 + round * 2;
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(rest) = line.strip_prefix("acknowledged ") {
                let (size, root) = rest.split_once(' ').unwrap();
                let root = hex(root);
                seen.push((size.parse().unwrap(), root));
                // What it said before it died is still in the pipe, and counts.
                wanted = wanted.saturating_sub(1);
                if wanted == 0 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert_eq!(wanted, 0, "the child ended before it was killed, in round {round}");
    }

    let store = home.open().unwrap();
    let all = published(&store.view());
    for (n, found) in all.iter().enumerate() {
        assert_eq!(found, &entry(n as u64));
    }
    let last = store.view().checkpoint();
    seen.push((last.size, last.root));
    for pair in seen.windows(2) {
        assert_consistent(pair[0], pair[1], &all);
    }
}

fn hex(text: &str) -> Hash {
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    }
    bytes
}
