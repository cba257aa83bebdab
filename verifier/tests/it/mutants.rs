//! Every byte of three good bundles, changed: none that changes anything signed survives, and none panics.
//!
//! Each byte is changed in its lowest bit, which keeps most texts readable and gets furthest, and in its highest, which
//! makes them no text. What survives must stand in the list of its bundle, exactly: a spot that becomes
//! tolerant is seen here, and so is one that no longer is.

use crate::forge::{Forge, Form, ISSUER, Order, WORKFLOW};
use crate::lab::{Key, SLSA, now};
use crate::sigstore::FILE;
use seaworthy_oci::Digest;
use seaworthy_verifier::{Artifact, Authority, Decision, Identity, Refusal, verify_blob};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;

/// Where in a JSON text a byte stands: the path to the smallest value or name around it.
struct Places<'a> {
    text: &'a [u8],
    at: usize,
    found: Vec<(Range<usize>, String)>,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Vec<(Range<usize>, String)> {
        let mut places = Self { text: text.as_bytes(), at: 0, found: Vec::new() };
        places.value("");
        assert_eq!(places.at, text.len());
        places.found
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while self.text[self.at] != b'"' {
            self.at += if self.text[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        String::from_utf8(self.text[start + 1..self.at - 1].to_vec()).unwrap()
    }

    fn value(&mut self, path: &str) {
        let start = self.at;
        match self.text[self.at] {
            b'"' => drop(self.string()),
            open @ (b'{' | b'[') => {
                self.at += 1;
                let mut index = 0;
                while !matches!(self.text[self.at], b'}' | b']') {
                    if self.text[self.at] == b',' {
                        self.at += 1;
                    }
                    if open == b'{' {
                        let name = self.at;
                        let key = self.string();
                        let inner = format!("{path}.{key}");
                        self.found.push((name..self.at, format!("{inner} (its name)")));
                        self.at += 1;
                        self.value(&inner);
                    } else {
                        self.value(&format!("{path}[{index}]"));
                        index += 1;
                    }
                }
                self.at += 1;
            }
            _ => {
                while !matches!(self.text[self.at], b',' | b'}' | b']') {
                    self.at += 1;
                }
            }
        }
        self.found.push((start..self.at, path.to_owned()));
    }
}

#[test]
fn places_are_named() {
    let text = r#"{"a":[{"b":"x\"y"},17],"c":null}"#;
    let places = Places::of(text);
    let at = |offset: usize| place(&places, offset).0;
    assert_eq!(at(text.find("y\"").unwrap()), ".a[0].b");
    assert_eq!(at(text.find("17").unwrap()), ".a[1]");
    assert_eq!(at(text.find("c\"").unwrap()), ".c (its name)");
    assert_eq!(at(0), "");
}

/// The path, and where in the value the byte stands.
fn place(places: &[(Range<usize>, String)], offset: usize) -> (String, usize) {
    let around = places.iter().filter(|(range, _)| range.contains(&offset));
    let (range, path) = around.min_by_key(|(range, _)| range.len()).unwrap();
    (path.clone(), offset - range.start)
}

/// `path`, or `path 3..5 9..10` where only these bytes of the value may change.
fn spots(places: &[(Range<usize>, String)], survived: &BTreeSet<(String, usize)>) -> BTreeSet<String> {
    let paths: BTreeSet<&String> = survived.iter().map(|(path, _)| path).collect();
    let shown = |path: &&String| {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (_, at) in survived.iter().filter(|(p, _)| p == *path) {
            match ranges.last_mut() {
                // One letter between two may be one that no longer is base64 when its bit is changed.
                Some(last) if last.end + 1 >= *at => last.end = *at + 1,
                _ => ranges.push(*at..at + 1),
            }
        }
        let all = places.iter().find(|(_, p)| p == *path).unwrap().0.len();
        // Between the quotes.
        let whole = ranges.len() == 1 && ranges[0] == (1..all - 1);
        if whole || path.ends_with("(its name)") {
            return (*path).clone();
        }
        let list: Vec<String> = ranges.iter().map(|r| format!("{}..{}", r.start, r.end)).collect();
        format!("{path} {}", list.join(" "))
    };
    paths.iter().map(shown).collect()
}

/// Changes every byte of `bundle`; `tolerated` are spots where some change is allowed to survive, and why.
fn every_byte(bundle: &Value, authority: &Authority, tolerated: &[(&str, &str)]) {
    let artifact = Artifact::digest(&Digest::sha256(FILE));
    let text = bundle.to_string();
    let good = verify_blob(text.as_bytes(), &artifact, authority, now()).unwrap();
    assert_eq!(good.decision, Decision::Allow, "{good:#?}");
    let places = Places::of(&text);
    let try_one = |at: usize, bit: u8| {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= bit;
        let place = place(&places, at);
        let verdict = verify_blob(&bytes, &artifact, authority, now()).unwrap();
        assert!(verdict.refusals.iter().all(|r| r.code != Refusal::VerifierPanicked), "{place:?}");
        (verdict.decision == Decision::Allow).then(|| {
            assert_eq!(verdict.signer, good.signer, "{place:?}");
            assert_eq!(verdict.predicate_type, good.predicate_type, "{place:?}");
            place
        })
    };
    let half = |from: usize| {
        let mut survived = BTreeSet::new();
        for at in (from..text.len()).step_by(2) {
            survived.extend(try_one(at, 0x01));
            survived.extend(try_one(at, 0x80));
        }
        survived
    };
    let survived = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut all = half(0);
        all.extend(other.join().unwrap());
        all
    });
    let expected: BTreeSet<String> = tolerated.iter().map(|(spot, _)| (*spot).to_owned()).collect();
    assert_eq!(spots(&places, &survived), expected);
    assert!(tolerated.iter().all(|(_, reason)| !reason.is_empty()));
}

fn workflow(forge: &Forge) -> Authority {
    let identity = Identity { issuer: ISSUER.into(), identity: WORKFLOW.into() };
    Authority::keyless("ci", identity, forge.trust())
}

const STAMP: (&str, &str) = (
    ".verificationMaterial.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp 56..65 386..394 396..397",
    "the lists of algorithms in the token, outside of what its authority signed: the authority's key decides",
);
const NOTE: (&str, &str) = (
    ".verificationMaterial.tlogEntries[0].inclusionProof.checkpoint.envelope 71..84",
    "the name in front of the log's signature, which is not signed: the log is found by its key",
);
const DIGEST: (&str, &str) = (
    ".messageSignature.messageDigest (its name)",
    "a field that may be missing: the signature is over the file, whatever digest is named",
);
const PROMISE: (&str, &str) = (
    ".verificationMaterial.tlogEntries[0].inclusionPromise (its name)",
    "a field that may be missing: the proof of inclusion proves more, and the timestamp says when",
);

#[test]
fn a_keyless_signature() {
    let forge = Forge::new();
    let missing = "a field that may be missing: the log's promise says when it was signed";
    let tolerated = [
        STAMP,
        NOTE,
        DIGEST,
        PROMISE,
        (".verificationMaterial.timestampVerificationData (its name)", missing),
        (".verificationMaterial.timestampVerificationData.rfc3161Timestamps (its name)", missing),
    ];
    every_byte(&Order::new(&forge).message(FILE), &workflow(&forge), &tolerated);
}

#[test]
fn a_keyless_statement() {
    let forge = Forge::new();
    let order = Order { log_form: Form::V2, ..Order::new(&forge) };
    // Sigstore client specification, "Rekor v2": what stands here twice is read from the signed checkpoint, and which
    // log it is from, by whose key signed that.
    let unread = "not signed and not read in this version of the log: the checkpoint says it";
    let proof = ".verificationMaterial.tlogEntries[0].inclusionProof";
    let tolerated = [
        STAMP.0.to_owned(),
        NOTE.0.to_owned(),
        format!("{proof}.logIndex"),
        format!("{proof}.logIndex (its name)"),
        format!("{proof}.rootHash 1..43"),
        format!("{proof}.treeSize"),
        ".verificationMaterial.tlogEntries[0].logId.keyId 1..43".to_owned(),
    ];
    let tolerated: Vec<(&str, &str)> = tolerated.iter().map(|spot| (spot.as_str(), unread)).collect();
    every_byte(&order.statement(&Digest::sha256(FILE), SLSA), &workflow(&forge), &tolerated);
}

#[test]
fn a_signature_by_a_key() {
    let forge = Forge::new();
    let key = Key::new(1);
    let authority = key.authority("release").trusting(forge.trust());
    let required = || Some("required".parse().unwrap());
    let authority = authority.demanding(required(), required()).unwrap();
    let hint = "a hint: the key is the one that the authority has";
    let tolerated = [
        STAMP,
        NOTE,
        DIGEST,
        PROMISE,
        (".verificationMaterial.publicKey.hint", hint),
        (".verificationMaterial.publicKey.hint (its name)", hint),
    ];
    every_byte(&Order::new(&forge).by_key(&key, FILE), &authority, &tolerated);
}
