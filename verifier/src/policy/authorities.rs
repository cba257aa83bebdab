//! The authorities of a policy file: keys or identities, and what they must prove besides.
//!
//! Refused is what is nobody (no key, no identity, both at once), what can never be met (windows that are over,
//! names with a `*`, quorums larger than the trusted root), what is open to anybody (see `regexp`), and what has
//! no effect (a trusted root of which nothing is asked).

use super::lint::Lint;
use super::model::{At, AuthorityDoc, KeyDoc, KeylessDoc};
use crate::authority::{Authority, TrustedKey};
use crate::demand::{About, Quorum};
use crate::identity::{Asked, Claim, IdentityRule};
use crate::key::{PUBLIC_KEY_BYTES, PublicKey};
use crate::trust::Trust;
use jiff::Timestamp;

impl Lint<'_> {
    pub(super) fn authority(&mut self, at: &At<AuthorityDoc>) {
        let doc = at.get();
        let name = doc.name.get();
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            self.say(&doc.name, "an authority needs a name", "write a word that says who it is");
        }
        let keys = match (&doc.keys, &doc.keyring) {
            (Some(list), None) => Some(self.keys(list)),
            (None, Some(keyring)) => Some(self.keyring(keyring)),
            (Some(_), Some(keyring)) => {
                self.say(
                    keyring,
                    "an authority is keys or a keyring, not both",
                    "make two authorities of it",
                );
                Some(Vec::new())
            }
            (None, None) => None,
        };
        let made = match (keys, &doc.keyless, &doc.certificate_authorities) {
            (None, None, Some(private)) => {
                if let Some(log) = &doc.transparency_log {
                    self.say(
                        log,
                        "transparencyLog has no effect beside certificateAuthorities",
                        "name the root there: certificateAuthorities.trustedRoot",
                    );
                }
                if let Some(root) = &doc.trusted_root {
                    self.say(root, "trustedRoot belongs to certificateAuthorities here", "write it below it");
                }
                self.private_pki(name, private)
            }
            (Some(keys), None, None) => self.key_holder(doc, keys),
            (None, Some(keyless), None) => self.certified(doc, keyless),
            (None, None, None) => {
                self.say(
                    at,
                    "an authority without keys, keyring, keyless and certificateAuthorities is nobody",
                    "add one of the four",
                );
                None
            }
            _ => {
                self.say(
                    at,
                    "an authority is one of keys, keyring, keyless and certificateAuthorities",
                    "make several authorities of it",
                );
                None
            }
        };
        let made = made.and_then(|authority| self.demands(authority, at));
        // A name that did not become an authority is still known, so that its rules are not reported too.
        let made = made.unwrap_or_else(|| Authority::keys(name.clone(), Vec::new(), None));
        if self.names.insert(name.clone(), (self.authorities.len(), false)).is_some() {
            self.say(
                &doc.name,
                format!("two authorities have the name '{}'", name.escape_debug()),
                "give each its own name",
            );
        }
        self.authorities.push(made);
    }

    fn key_holder(&mut self, doc: &AuthorityDoc, keys: Vec<TrustedKey>) -> Option<Authority> {
        let root = match (&doc.transparency_log, &doc.trusted_root) {
            (Some(log), Some(_)) => {
                self.say(
                    log,
                    "transparencyLog is the older way to write trustedRoot with transparency: required",
                    "leave out transparencyLog",
                );
                return None;
            }
            (Some(log), None) => {
                if let Some(transparency) = &doc.transparency {
                    self.say(
                        transparency,
                        "transparencyLog asks for a log already",
                        "write trustedRoot beside transparency instead of transparencyLog",
                    );
                    return None;
                }
                Some(&log.get().trusted_root)
            }
            (None, root) => root.as_ref(),
        };
        let trust = root.map(|root| self.trust(root));
        let authority = Authority::keys(doc.name.get().clone(), keys, None);
        match trust {
            Some(None) => None,
            Some(Some(trust)) => Some(authority.trusting(trust)),
            None => Some(authority),
        }
    }

    fn certified(&mut self, doc: &AuthorityDoc, at: &At<KeylessDoc>) -> Option<Authority> {
        if let Some(log) = &doc.transparency_log {
            self.say(
                log,
                "transparencyLog has no effect beside keyless",
                "leave it out: a log is asked for if transparency does not say otherwise",
            );
        }
        if let Some(root) = &doc.trusted_root {
            self.say(root, "trustedRoot belongs to keyless here", "write it below keyless");
        }
        let keyless = at.get();
        let issuer = self.asked(at, "issuer", keyless.issuer.as_ref(), keyless.issuer_regexp.as_ref());
        let identity =
            self.asked(at, "identity", keyless.identity.as_ref(), keyless.identity_regexp.as_ref());
        let rule = match (issuer, identity) {
            (Some((issuer, issuer_at)), Some((identity, identity_at))) => {
                match IdentityRule::new(issuer, identity) {
                    Ok(rule) => Some(rule),
                    Err(error) => {
                        let place = if error.what == "issuer" { issuer_at } else { identity_at };
                        self.say(place, error.to_string(), error.hint);
                        None
                    }
                }
            }
            _ => None,
        };
        let rule = rule.and_then(|rule| self.claims(rule, keyless));
        let trust = self.trust(&keyless.trusted_root);
        Some(Authority::keyless(doc.name.get().clone(), rule?, trust?))
    }

    /// The name that is asked for, exactly or by a pattern, and where it stands.
    fn asked<'t>(
        &mut self,
        at: &At<KeylessDoc>,
        what: &str,
        exact: Option<&'t At<String>>,
        pattern: Option<&'t At<String>>,
    ) -> Option<(Asked<'t>, &'t At<String>)> {
        match (exact, pattern) {
            (Some(exact), None) => Some((Asked::Exact(exact.get()), exact)),
            (None, Some(pattern)) => Some((Asked::Regexp(pattern.get()), pattern)),
            (Some(_), Some(pattern)) => {
                let message = format!("both {what} and {what}Regexp");
                self.say(pattern, message, "leave one of them out");
                None
            }
            (None, None) => {
                let message = format!("neither {what} nor {what}Regexp: anybody could be meant");
                self.say(at, message, format!("add {what}"));
                None
            }
        }
    }

    fn claims(&mut self, mut rule: IdentityRule, keyless: &KeylessDoc) -> Option<IdentityRule> {
        let Some(claims) = &keyless.claims else { return Some(rule) };
        if claims.get().is_empty() {
            self.say(claims, "empty claims have no effect", "leave them out, or name a claim");
        }
        for (name, value) in claims.get() {
            let Some(claim) = Claim::from_name(name) else {
                let known: Vec<&str> = Claim::ALL.iter().map(|c| c.name()).collect();
                let message = format!("there is no claim '{}'", name.escape_debug());
                self.say(value, message, format!("known are {}", known.join(", ")));
                return None;
            };
            rule = match rule.claiming(claim, value.get()) {
                Ok(rule) => rule,
                Err(error) => {
                    self.say(value, error.to_string(), error.hint);
                    return None;
                }
            };
        }
        Some(rule)
    }

    /// What must be proven besides the signature.
    fn demands(&mut self, authority: Authority, at: &At<AuthorityDoc>) -> Option<Authority> {
        let doc = at.get();
        let mut read = |text: &Option<At<String>>| {
            let place = text.as_ref()?;
            match place.get().parse::<Quorum>() {
                Ok(quorum) => Some(Ok(quorum)),
                Err(why) => {
                    self.say(place, why, "write none, required, or n-of-m such as 2-of-3");
                    Some(Err(()))
                }
            }
        };
        let (transparency, timestamp) = (read(&doc.transparency), read(&doc.timestamp));
        let (Ok(transparency), Ok(timestamp)) = (transparency.transpose(), timestamp.transpose()) else {
            return None;
        };
        match authority.demanding(transparency, timestamp) {
            Ok(authority) => Some(authority),
            Err(error) => {
                let place = match error.about {
                    About::Transparency => doc.transparency.as_ref().or(doc.timestamp.as_ref()),
                    About::Timestamp => doc.timestamp.as_ref().or(doc.transparency.as_ref()),
                };
                match place {
                    Some(place) => self.say(place, error.why, error.hint),
                    None => self.say(at, error.why, error.hint),
                }
                None
            }
        }
    }

    pub(super) fn trust(&mut self, path: &At<String>) -> Option<Trust> {
        let named = match Trust::embedded(path.get()) {
            Some(root) => root,
            None => Trust::load(&self.file(path)?),
        };
        match named {
            Ok(trust) => Some(trust),
            Err(why) => {
                self.say(
                    path,
                    why,
                    "give the path of a sigstore trusted_root.json or a trust file, relative to the policy file, or public-good, staging or github",
                );
                None
            }
        }
    }

    fn keys(&mut self, list: &At<Vec<At<KeyDoc>>>) -> Vec<TrustedKey> {
        if list.get().is_empty() {
            self.say(list, "an empty list of keys is nobody", "add a key");
        }
        let mut keys: Vec<TrustedKey> = Vec::new();
        for at in list.get() {
            let doc = at.get();
            let pem = match (&doc.path, &doc.data) {
                (Some(path), None) => {
                    let Some(file) = self.file(path) else { continue };
                    crate::files::read_text(&file, PUBLIC_KEY_BYTES)
                        .map_err(|why| (path, why))
                        .map(|pem| (path, pem))
                }
                (None, Some(data)) => Ok((data, data.get().clone())),
                _ => {
                    self.say(at, "a key has either a path or data", "give one of the two");
                    continue;
                }
            };
            let key = match pem {
                Ok((at, pem)) => PublicKey::from_pem(&pem).map_err(|why| (at, why)),
                Err(error) => Err(error),
            };
            let not_before = self.time(doc.not_before.as_ref());
            let not_after = self.time(doc.not_after.as_ref());
            if let (Some(start), Some(end), Some(place)) = (not_before, not_after, &doc.not_after)
                && end < start
            {
                self.say(place, "notAfter lies before notBefore: the key is never trusted", "swap them");
            } else if let (Some(end), Some(place)) = (not_after, &doc.not_after)
                && end < self.now
            {
                // What a key signed in its time could only be accepted with a trusted time of signing, which
                // key signatures without a log do not have.
                self.say(
                    place,
                    format!("notAfter {end} is past: the key is trusted for nothing that is judged now"),
                    "leave the key out, or move notAfter",
                );
            }
            match key {
                Ok(key) if keys.iter().any(|k| k.key == key) => self.say(
                    at,
                    format!("{} stands there twice", key.id()),
                    "leave one of them out; thresholds count distinct keys",
                ),
                Ok(key) => keys.push(TrustedKey { key, not_before, not_after }),
                Err((place, why)) => self.say(
                    place,
                    format!("not a usable public key: {why}"),
                    "give a PEM file with a P-256 or Ed25519 public key",
                ),
            }
        }
        keys
    }

    pub(super) fn time(&mut self, at: Option<&At<String>>) -> Option<Timestamp> {
        let at = at?;
        match at.get().parse() {
            Ok(time) => Some(time),
            Err(_) => {
                let text = at.get().escape_debug().to_string();
                self.say(at, format!("'{text}' is no RFC 3339 time"), "write it as 2026-01-31T00:00:00Z");
                None
            }
        }
    }
}
