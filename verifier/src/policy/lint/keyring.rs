//! Keyrings of trust files in a policy. Refused: a file that does not load, a keyring that it does not have, and
//! one of which every key has ended.

use super::super::model::{At, KeyringDoc};
use super::Lint;
use crate::authority::TrustedKey;
use crate::trust_file::TrustFile;

impl Lint<'_> {
    /// The keys of a keyring, ended ones among them: with a log, what they signed in their time counts.
    pub(in crate::policy) fn keyring(&mut self, at: &At<KeyringDoc>) -> Vec<TrustedKey> {
        let doc = at.get();
        let Some(path) = self.file(&doc.trust) else { return Vec::new() };
        let file = match TrustFile::load(&path) {
            Ok(file) => file,
            Err(problems) => {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let why = format!("trust file {}: {}", doc.trust.get().escape_debug(), all.join("; "));
                self.say(&doc.trust, why, "`seaworthy trust lint` lists everything that is wrong with it");
                return Vec::new();
            }
        };
        let keys = file.trusted_keys(doc.name.get());
        let over = |key: &TrustedKey| key.not_after.is_some_and(|end| end < self.now);
        if keys.is_empty() {
            let rings = file.keyrings().join(", ");
            let why = format!("the trust file has no keyring '{}'", doc.name.get().escape_debug());
            self.say(&doc.name, why, format!("it has {}", if rings.is_empty() { "none" } else { &rings }));
        } else if keys.iter().all(over) {
            let why = format!("all keys of keyring '{}' have ended", doc.name.get().escape_debug());
            self.say(&doc.name, why, "put the next key in with `seaworthy trust rotate`");
        }
        keys
    }
}
