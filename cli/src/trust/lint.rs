//! What is unwise in a trust file that means something: `trust lint`.
//!
//! An error is what keeps something from verifying that the file is there for, or lets somebody in unnoticed;
//! a warning is what will, or what a reviewer should have meant. The file is judged at a moment that the caller
//! names.

use super::describe::{self, Item, Kind, State};
use jiff::{SignedDuration, Timestamp};
use seaworthy_verifier::trust_file::{TrustChain, TrustFile, Window};
use serde::Serialize;
use std::collections::BTreeMap;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// It does not do what it is there for.
    Error,
    /// It will not for long, or not as one may think.
    Warning,
}

/// One thing that is unwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The line in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    pub(crate) message: String,
    pub(crate) hint: String,
}

struct Lint {
    now: Timestamp,
    soon: Timestamp,
    found: Vec<Finding>,
}

/// What is unwise in `file` at `now`; windows that end within `within` are told.
pub(crate) fn check(file: &TrustFile, now: Timestamp, within: SignedDuration) -> Vec<Finding> {
    let soon = now.checked_add(within).unwrap_or(Timestamp::MAX);
    let mut lint = Lint { now, soon, found: Vec::new() };
    let items = describe::items(file);
    lint.twice(&items);
    for name in file.keyrings() {
        let keys: Vec<&Item> = items.iter().filter(|i| i.kind == Kind::Key && i.name == name).collect();
        lint.keyring(name, &keys);
    }
    lint.hints(&items);
    for chain in file.certificate_authorities.iter().chain(&file.timestamp_authorities) {
        lint.chain(chain);
    }
    for kind in [Kind::CertificateAuthority, Kind::CtLog, Kind::TransparencyLog, Kind::TimestampAuthority] {
        lint.kind(&items, kind);
    }
    lint.services(&items);
    lint.witnesses(file);
    lint.embedded(file, &items);
    if let Err(why) = file.trust("file") {
        lint.say(Severity::Error, 0, why, "verification refuses the whole file; mend or remove the entry");
    }
    lint.found.sort_by_key(|f| (f.line, f.severity));
    lint.found
}

impl Lint {
    fn say(&mut self, severity: Severity, line: u64, message: impl Into<String>, hint: &str) {
        let line = (line > 0).then_some(line);
        self.found.push(Finding { severity, line, message: message.into(), hint: hint.into() });
    }

    fn twice(&mut self, items: &[Item]) {
        let mut keys: BTreeMap<&str, &Item> = BTreeMap::new();
        for item in items.iter().filter(|i| i.kind != Kind::Service) {
            match keys.get(item.id.as_str()) {
                Some(first) if first.kind == item.kind && item.kind == Kind::Key => {
                    let message = format!(
                        "the key of keyring '{}' is also in keyring '{}' (line {})",
                        item.name, first.name, first.line
                    );
                    let hint = "a threshold counts it once; give each keyring keys of its own";
                    self.say(Severity::Warning, item.line, message, hint);
                }
                Some(first) if first.kind == item.kind && first.identity == item.identity => {
                    let message = format!("the same {} stands in line {}", item.kind.words(), first.line);
                    self.say(Severity::Error, item.line, message, "leave one of them out");
                }
                Some(first)
                    if first.kind != item.kind && first.kind != Kind::Key && item.kind != Kind::Key =>
                {
                    let message = format!(
                        "a {} and a {} (line {}) with one key",
                        item.kind.words(),
                        first.kind.words(),
                        first.line
                    );
                    let hint = "whoever holds it can play both parts; give each a key of its own";
                    self.say(Severity::Warning, item.line, message, hint);
                }
                Some(_) => {}
                None => {
                    keys.insert(&item.id, item);
                }
            }
        }
    }

    fn keyring(&mut self, name: &str, keys: &[&Item]) {
        let Some(last) = keys.last() else { return };
        let mut order: Vec<&Item> = keys.to_vec();
        order.sort_by_key(|k| (k.from, k.until.is_none(), k.until));
        if !order.iter().any(|k| State::of(k.window(), self.now) == State::Valid) {
            let message = format!("no key of keyring '{name}' is valid now");
            let hint = "add the key that signs today, with `trust add` or `trust rotate`";
            self.say(Severity::Error, last.line, message, hint);
        }
        for (at, pair) in order.windows(2).enumerate() {
            let [old, new] = pair else { continue };
            // Whoever reached furthest so far, not only the one before.
            let reach =
                order.iter().take(at + 1).map(|k| k.until).max_by_key(|u| (u.is_none(), *u)).flatten();
            match (old.until, new.from) {
                (None, Some(_)) if new.until.is_none() => {
                    let message =
                        format!("two keys of keyring '{name}' have no end (the other in line {})", old.line);
                    let hint = "a rotation ends: give the older key an `end`, or each holder a keyring";
                    self.say(Severity::Warning, new.line, message, hint);
                }
                (Some(_), Some(from)) if reach.is_some_and(|end| end < from) => {
                    let end = reach.unwrap_or(from);
                    let message = format!("between {end} and {from} keyring '{name}' trusts nobody");
                    let hint = "let the windows overlap: images signed before are still to be verified then";
                    self.say(Severity::Warning, new.line, message, hint);
                }
                _ => {}
            }
        }
        let reach = order.iter().map(|k| k.until).max_by_key(|u| (u.is_none(), *u)).flatten();
        if let Some(end) = reach.filter(|end| (self.now..=self.soon).contains(end)) {
            let message = format!("keyring '{name}' ends soon: {end}");
            let hint = "rotate now: seaworthy trust rotate FILE --keyring NAME --key NEW.pub --overlap 30d";
            self.say(Severity::Warning, last.line, message, hint);
        }
    }

    fn hints(&mut self, items: &[Item]) {
        let mut seen: BTreeMap<&str, &Item> = BTreeMap::new();
        for key in items.iter().filter(|i| i.kind == Kind::Key) {
            let Some(hint) = key.hint.as_deref() else {
                let message = format!("a key of keyring '{}' without a hint", key.name);
                let hint = "write `hint:` as bundles carry it, so that a refusal can name the key";
                self.say(Severity::Warning, key.line, message, hint);
                continue;
            };
            match seen.get(hint) {
                Some(other) if other.id != key.id => {
                    let message = format!("two keys have one hint (the other in line {})", other.line);
                    self.say(Severity::Error, key.line, message, "a hint names one key");
                }
                _ => {
                    seen.insert(hint, key);
                }
            }
        }
    }

    fn chain(&mut self, chain: &TrustChain) {
        let line = chain.line.0;
        let mut facts = Vec::new();
        for der in &chain.certificates {
            match describe::facts(der) {
                Ok(found) => facts.push(found),
                Err(why) => return self.say(Severity::Error, line, why, "export the chain again, as PEM"),
            }
        }
        for fact in &facts {
            if let Err(why) = &fact.algorithm {
                let message = format!("a certificate with a weak or unknown key: {why}");
                self.say(Severity::Error, line, message, "have it issued anew, with P-256 or better");
            }
        }
        for pair in facts.windows(2) {
            if let [below, above] = pair
                && below.issuer != above.subject
            {
                let message = "the chain is not in order: a certificate is not issued by the next one";
                self.say(Severity::Error, line, message, "the one that issues comes first, the root last");
            }
        }
        let shortest = facts.iter().filter_map(|f| f.window.end).min();
        if let Some(over) = shortest.filter(|_| State::of(chain.window, self.now) == State::Valid) {
            if over < self.now {
                let message =
                    format!("a certificate of the chain ended at {over}, and the entry is still open");
                self.say(Severity::Warning, line, message, "give the entry that `end`");
            } else if over <= self.soon {
                let message = format!("a certificate of the chain ends soon: {over}");
                self.say(Severity::Warning, line, message, "add its successor with `trust add`");
            }
        }
    }

    /// An ended authority is history and is kept; it needs a successor, though.
    fn kind(&mut self, items: &[Item], kind: Kind) {
        let all: Vec<&Item> = items.iter().filter(|i| i.kind == kind).collect();
        let Some(last) = all.last() else { return };
        let valid: Vec<&&Item> =
            all.iter().filter(|i| State::of(i.window(), self.now) == State::Valid).collect();
        let reach = |i: &Item| i.until.is_none_or(|end| end > self.soon);
        if valid.is_empty() {
            let message = format!("no {} is valid now", kind.words());
            self.say(Severity::Error, last.line, message, "nothing new can be verified; add its successor");
        } else if !all.iter().any(|i| reach(i)) {
            let end = all.iter().filter_map(|i| i.until).max().unwrap_or(self.soon);
            let message = format!("the last {} ends soon: {end}", kind.words());
            self.say(
                Severity::Warning,
                last.line,
                message,
                "add its successor with `trust add` or `trust rotate`",
            );
        }
    }

    /// What the roots that come with the program know better: entries of theirs whose time ended, and what is missing in
    /// a file that follows one of them. Of such a root itself, whether it is too old to be relied on.
    fn embedded(&mut self, file: &TrustFile, items: &[Item]) {
        for (name, _) in super::EMBEDDED {
            let Some(Ok(known)) = super::embedded(name) else { continue };
            let theirs = describe::items(&known);
            let theirs = || theirs.iter().filter(|i| i.kind != Kind::Service);
            for item in items.iter().filter(|i| i.kind != Kind::Service) {
                let same = |other: &&Item| other.kind == item.kind && other.identity == item.identity;
                let Some(end) = theirs().find(same).and_then(|other| other.until) else { continue };
                if item.until.is_none_or(|until| until > end) {
                    let message =
                        format!("the root {name} of this program ends this {} at {end}", item.kind.words());
                    let hint = "take its end over with `trust update`: what is made later is not theirs";
                    self.say(Severity::Warning, item.line, message, hint);
                }
            }
            if file.source.as_deref() != Some(name) {
                continue;
            }
            let now = self.now;
            for other in theirs().filter(|other| State::of(other.window(), now) == State::Valid) {
                if !items.iter().any(|i| i.kind == other.kind && i.identity == other.identity) {
                    let message = format!(
                        "the root {name} of this program has a {}, and the file has not",
                        other.words()
                    );
                    self.say(
                        Severity::Warning,
                        0,
                        message,
                        "the file is the older of the two: run `trust update`",
                    );
                }
            }
            if let Some(root) = super::tuf::embedded_root(name).filter(|root| root.expires < self.now) {
                let newest = items.iter().filter_map(|i| i.from).max();
                let days = newest.map_or(0, |t| self.now.duration_since(t).as_hours() / 24);
                let message = format!(
                    "the root {name} that comes with this program is old: its TUF root expired at {}, the newest entry \
                     of the file is {days} days old",
                    root.expires
                );
                let hint = "run `trust update`, or take a newer release of the program";
                self.say(Severity::Warning, 0, message, hint);
            }
        }
    }

    fn services(&mut self, items: &[Item]) {
        let mut kinds: BTreeMap<&str, Vec<Window>> = BTreeMap::new();
        for item in items.iter().filter(|i| i.kind == Kind::Service) {
            kinds.entry(item.id.as_str()).or_default().push(item.window());
        }
        for (what, windows) in kinds {
            if !windows.iter().any(|w| State::of(*w, self.now) == State::Valid) {
                let message = format!("no service for {what} is valid now");
                self.say(Severity::Warning, 0, message, "nothing can be signed with these services");
            }
        }
    }

    fn witnesses(&mut self, file: &TrustFile) {
        let Some(ca) = file.certificate_authorities.first() else { return };
        let line = ca.line.0;
        if file.transparency_logs.is_empty() && file.timestamp_authorities.is_empty() {
            let message = "certificate authorities, and neither a log nor a timestamp authority";
            let hint =
                "nothing proves when a certificate was used: no signature verifies; add one with `trust add`";
            self.say(Severity::Error, line, message, hint);
        }
        if file.ct_logs.is_empty() {
            let message = "certificate authorities, and no certificate transparency log";
            let hint = "a certificate that was issued in secret goes unnoticed; add the log with `trust add --ct-log`";
            self.say(Severity::Warning, line, message, hint);
        }
    }
}
