//! Secrets in environment variables: what their names and values look like.
//!
//! A list that finds what people leave in images by accident; it cannot find everything. The lists below are those of
//! `docs/reference/policy.md` (a test compares). A value is never printed: the verdict names the variable alone.

use super::super::glob::{Fixed, Glob};
use super::super::pattern::Refused;

/// Names of variables that hold secrets, in upper case. A name counts in any case.
pub(crate) const NAMES: &[&str] = &[
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*SECRET*",
    "*CREDENTIAL*",
    "*PRIVATE_KEY*",
    "*ACCESS_KEY*",
    "*API_KEY*",
    "*APIKEY*",
    "*_TOKEN",
    "TOKEN",
];
/// Ends of names that say where a secret is, not what it is.
pub(crate) const POINTERS: &[&str] = &["_FILE", "_PATH", "_DIR"];
/// Beginnings of well-known tokens, and how many characters of a token follow at least.
pub(crate) const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghu_", 36),
    ("ghs_", 36),
    ("ghr_", 36),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("xoxa-", 10),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxs-", 10),
    ("AIza", 35),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("npm_", 36),
    ("pypi-AgE", 16),
    ("dckr_pat_", 20),
    ("hvs.", 24),
];

/// What counts as a secret in an environment.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    names: Vec<Glob>,
    values: Vec<Glob>,
    allow: Vec<Glob>,
}

impl Secrets {
    /// The documented lists, with `names` (upper case) and `values` beside them, without `allow` (upper case).
    pub(crate) fn new(names: Vec<Glob>, values: Vec<Glob>, allow: Vec<Glob>) -> Result<Self, Refused> {
        let mut all = NAMES.iter().map(|n| Glob::parse(n, Fixed::Free)).collect::<Result<Vec<_>, _>>()?;
        all.extend(names);
        Ok(Self { names: all, values, allow })
    }

    /// What speaks for a secret in `entry` (`NAME=value`), and the variable's name.
    pub(crate) fn find<'e>(&self, entry: &'e str) -> Option<(&'e str, &'static str)> {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        if value.is_empty() {
            return None;
        }
        let upper = name.to_ascii_uppercase();
        if self.allow.iter().any(|g| g.matches(&upper)) {
            return None;
        }
        let pointer = POINTERS.iter().any(|end| upper.ends_with(end)) || value.starts_with('/');
        if !pointer && self.names.iter().any(|g| g.matches(&upper)) {
            return Some((name, "its name says so"));
        }
        // Too long for a name that a pattern could be asked about is no name that anybody needs.
        if name.len() > super::super::glob::TEXT_BYTES {
            return Some((name, "its name is too long to tell"));
        }
        if let Some(why) = looks_secret(value) {
            return Some((name, why));
        }
        (!self.values.is_empty() && self.matches_a_value(value))
            .then_some((name, "its value matches a pattern of the policy"))
    }

    /// Values longer than what a pattern is asked about are asked in pieces that overlap by half.
    fn matches_a_value(&self, value: &str) -> bool {
        let size = super::super::glob::TEXT_BYTES;
        let whole = |text: &str| self.values.iter().any(|g| g.matches(text));
        if value.len() <= size {
            return whole(value);
        }
        let chars: Vec<char> = value.chars().collect();
        let step = size / 8;
        chars.chunks(step).zip(chars.chunks(step).skip(1)).any(|(a, b)| {
            let piece: String = a.iter().chain(b).collect();
            whole(&piece)
        })
    }
}

/// Why `value` is a secret, as far as its look tells.
fn looks_secret(value: &str) -> Option<&'static str> {
    if value
        .find("-----BEGIN ")
        .is_some_and(|at| value.get(at..).is_some_and(|v| v.contains("PRIVATE KEY-----")))
    {
        return Some("its value is a private key");
    }
    for (prefix, length) in TOKENS {
        let token = value.match_indices(prefix).any(|(at, _)| {
            let before = value.get(..at).and_then(|v| v.chars().next_back());
            let after = value.get(at + prefix.len()..).unwrap_or_default();
            let run = after.bytes().take(*length).take_while(|b| is_token(*b)).count();
            !before.is_some_and(|c| c.is_ascii_alphanumeric()) && run >= *length
        });
        if token {
            return Some("its value looks like a token");
        }
    }
    if is_jwt(value) {
        return Some("its value looks like a JSON web token");
    }
    let password = value.match_indices("://").any(|(at, mark)| {
        let rest = value.get(at + mark.len()..).unwrap_or_default();
        let authority = rest.split(['/', ' ', '?', '#']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|u| u.split_once(':')).is_some_and(|(_, p)| !p.is_empty() && !p.starts_with('$'))
    });
    password.then_some("its value is an address with a password in it")
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

fn is_jwt(value: &str) -> bool {
    let words = value.split(|c: char| c.is_whitespace() || "\"',;:".contains(c));
    words.filter(|w| w.starts_with("eyJ")).any(|word| {
        let parts: Vec<&str> = word.splitn(4, '.').collect();
        let good = |p: &&str| p.len() >= 8 && p.bytes().all(|b| is_token(b) || b == b'=');
        parts.len() == 3 && parts.iter().all(good)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_on_the_page() {
        let page = include_str!("../../../../docs/reference/policy.md");
        let tokens = TOKENS.iter().map(|(prefix, _)| prefix);
        for text in NAMES.iter().chain(POINTERS).chain(tokens) {
            assert!(page.contains(&format!("`{text}`")), "{text}");
        }
    }

    #[test]
    fn by_name_and_by_look() {
        let glob = |text: &str| Glob::parse(text, Fixed::Free).unwrap();
        let secrets =
            Secrets::new(vec![glob("ACME_KEY")], vec![glob("**acme-pat-**")], vec![glob("DEMO_PASSWORD")])
                .unwrap();
        let token = format!("x=ghp_{}", "a".repeat(36));
        let long = format!("X={}acme-pat-1{}", "a".repeat(5_000), "b".repeat(5_000));
        let jwt = "T=Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
        for found in [
            "POSTGRES_PASSWORD=x",
            "db_password=x",
            "AWS_SECRET_ACCESS_KEY=x",
            "GITHUB_TOKEN=x",
            "ACME_KEY=1",
            "acme_key=1",
            token.as_str(),
            jwt,
            "K=-----BEGIN EC PRIVATE KEY-----\nx",
            "URL=postgres://app:hunter2@db/app",
            "X=acme-pat-1",
            long.as_str(),
            "CFG=key AKIAIOSFODNN7EXAMPLE end",
        ] {
            assert!(secrets.find(found).is_some(), "{found}");
        }
        for clean in [
            "PATH=/usr/bin",
            "POSTGRES_PASSWORD=",
            "POSTGRES_PASSWORD_FILE=/run/secrets/x",
            "SECRETS=/run/secrets",
            "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
            "DEMO_PASSWORD=demo",
            "URL=https://user@example.com/x",
            "URL=https://example.com:8080/a@b",
            "URL=postgres://app:$PASSWORD@db",
            "XAKIA=xAKIAIOSFODNN7EXAMPLE",
            "TOKENIZER=fast",
            "NOTHING",
        ] {
            assert_eq!(secrets.find(clean), None, "{clean}");
        }
    }
}
