//! Who may sign, out of the words of others.
//!
//! Their patterns of identities match anywhere in a name, ours the whole name: a pattern becomes one that means the same
//! where ours can say it, else one that means less. Identities that leave open who signs are refused.

use super::draft::{Draft, Fields, Findings, Key, Name, Weight, Who};
use crate::tree::Node;
use seaworthy_verifier::{Asked, IdentityRule, PublicKey};

/// What the command line adds to the original.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// The trusted root in place of services that are not the public ones, as policies write it.
    pub(crate) trusted_root: Option<String>,
}

/// The trusted root that comes with the program.
pub(crate) const PUBLIC: &str = "public-good";

impl Given {
    /// The root for a service at `url`; the public one where nothing or a public address is said.
    ///
    /// # Errors
    /// Where another service is meant, and nobody said what to trust.
    pub(crate) fn root_for(&self, url: Option<&str>) -> Result<String, String> {
        let host = url.map(|url| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.split(['/', ':']).next().unwrap_or_default()
        });
        match (host, &self.trusted_root) {
            (None | Some("fulcio.sigstore.dev" | "rekor.sigstore.dev"), _) => Ok(PUBLIC.to_owned()),
            (Some(_), Some(root)) => Ok(root.clone()),
            (Some(host), None) => Err(format!(
                "{host} is no service of the public Sigstore: give its trusted_root.json with --trusted-root"
            )),
        }
    }

    /// The root for a key or certificate that is written out in the original.
    ///
    /// # Errors
    /// Where nobody said what to trust instead.
    pub(crate) fn root_instead(&self, what: &str) -> Result<String, String> {
        self.trusted_root.clone().ok_or_else(|| {
            format!(
                "{what} cannot be put into a policy: give a trusted_root.json that has it with --trusted-root"
            )
        })
    }
}

/// The public keys in `text`, PEM.
///
/// # Errors
/// Where it is something else than keys: a reference to a secret or to a key management service, or nothing.
pub(crate) fn keys(text: &str) -> Result<Vec<Key>, String> {
    const END: &str = "-----END PUBLIC KEY-----";
    let text = text.trim();
    if text.contains("{{") {
        return Err("the key comes from a variable".to_owned());
    }
    if !text.contains("-----BEGIN") {
        let what =
            if text.contains("://") { "the key stands elsewhere" } else { "this is no public key in PEM" };
        return Err(format!("{what}: write it into the policy (`seaworthy public-key --key …` prints it)"));
    }
    let mut keys = Vec::new();
    for part in text.split_inclusive(END).map(str::trim).filter(|part| !part.is_empty()) {
        let lines: Vec<&str> = part.lines().map(str::trim).collect();
        let pem = format!("{}\n", lines.join("\n"));
        PublicKey::from_pem(&pem)?;
        keys.push(Key::Pem(pem));
    }
    Ok(keys)
}

/// An identity of theirs: `issuer` or `issuerRegExp`, `subject` or `subjectRegExp`.
pub(crate) struct Identity {
    pub(crate) issuer: Name,
    pub(crate) subject: Name,
}

/// Whether `*` and `?` in a subject stand for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stars {
    Meant,
    Literal,
}

/// Reads an identity; `None`, with the reason said, where it cannot be carried over.
pub(crate) fn identity(fields: &Fields<'_>, stars: Stars) -> Option<Identity> {
    let issuer = name(fields, "issuer", "issuerRegExp", Stars::Literal)?;
    let subject = name(fields, "subject", "subjectRegExp", stars)?;
    Some(Identity { issuer, subject })
}

fn name(fields: &Fields<'_>, exact: &str, pattern: &str, stars: Stars) -> Option<Name> {
    match (fields.text(exact), fields.text(pattern)) {
        (Some((node, text)), None) if stars == Stars::Meant && text.contains(['*', '?']) => {
            let regexp = from_stars(&text);
            match checked(exact, &regexp) {
                Ok(()) => Some(Name::Regexp(regexp)),
                Err(why) => {
                    fields.say(node, exact, Weight::Note, format!("cannot be carried over: {why}"));
                    None
                }
            }
        }
        (Some((_, text)), None) => Some(Name::Exact(text)),
        (None, Some((node, text))) => match whole(exact, &text) {
            Ok((regexp, true)) => Some(Name::Regexp(regexp)),
            Ok((regexp, false)) => {
                fields.say(
                    node,
                    pattern,
                    Weight::Stricter,
                    "it must match the whole name here, not a part of it",
                );
                Some(Name::Regexp(regexp))
            }
            Err(why) => {
                fields.say(node, pattern, Weight::Note, format!("cannot be carried over: {why}"));
                None
            }
        },
        (Some((node, _)), Some(_)) => {
            fields.say(
                node,
                exact,
                Weight::Note,
                format!("{exact} and {pattern} at once: it is not clear what counts"),
            );
            None
        }
        (None, None) => {
            fields.say_here(
                Weight::Note,
                format!("no {exact}: anybody's certificate would count, which ours refuses"),
            );
            None
        }
    }
}

/// Whether the judge takes this pattern for `what` (`issuer`, else a subject).
fn checked(what: &str, regexp: &str) -> Result<(), String> {
    let exact = Asked::Exact("https://example.com/x");
    let rule = match what {
        "issuer" => IdentityRule::new(Asked::Regexp(regexp), exact),
        _ => IdentityRule::new(exact, Asked::Regexp(regexp)),
    };
    rule.map(|_| ()).map_err(|e| e.to_string())
}

/// A pattern of ours for `pattern`, which matches anywhere in a name; whether it means the same, or less.
fn whole(what: &str, pattern: &str) -> Result<(String, bool), String> {
    let mut candidates: Vec<(String, bool)> = Vec::new();
    if !pattern.contains('|') {
        let (start, core) = match pattern.strip_prefix('^') {
            Some(core) => ("", core),
            None => (".*", pattern),
        };
        let escaped =
            core.strip_suffix('$').is_some_and(|c| (c.len() - c.trim_end_matches('\\').len()) % 2 == 1);
        let (core, end) = match core.strip_suffix('$') {
            Some(core) if !escaped => (core, ""),
            _ => (core, ".*"),
        };
        let start = if core.starts_with(".*") { "" } else { start };
        let end = if core.ends_with(".*") && !core.ends_with("\\.*") { "" } else { end };
        candidates.push((format!("{start}{core}{end}"), true));
        candidates.push((format!("{core}{end}"), start.is_empty()));
        candidates.push((core.to_owned(), start.is_empty() && end.is_empty()));
    }
    candidates.push((pattern.to_owned(), false));
    let mut first = None;
    for (candidate, same) in candidates {
        match checked(what, &candidate) {
            Ok(()) => return Ok((candidate, same)),
            Err(why) => {
                first.get_or_insert(why);
            }
        }
    }
    Err(first.unwrap_or_default())
}

fn from_stars(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c if c.is_ascii_alphanumeric() || "/:@_-".contains(c) => out.push(c),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out
}

/// Adds whoever has a certificate for `identity`.
pub(crate) fn add_keyless(
    draft: &mut Draft,
    wanted: &str,
    identity: Identity,
    root: String,
    timestamp: Option<&'static str>,
) -> String {
    let who = Who::Keyless { issuer: identity.issuer, identity: identity.subject, trusted_root: root };
    draft.add(wanted, who, None, timestamp)
}

/// Adds keys, with a log where there is a root for one.
pub(crate) fn add_keys(draft: &mut Draft, wanted: &str, keys: Vec<Key>, root: Option<String>) -> String {
    let transparency = root.is_some().then_some("required");
    draft.add(wanted, Who::Keys { keys, trusted_root: root }, transparency, None)
}

/// The type of an attestation as ours writes it.
///
/// # Errors
/// Where it is neither a known name nor a URI.
pub(crate) fn predicate(text: &str) -> Result<String, String> {
    let kind = seaworthy_verifier::PredicateType::from_name(text)?;
    Ok(kind.to_string())
}

/// Images of one list of patterns, as ours; what is wider than the original is said with `wider`.
pub(crate) fn images<'a>(
    draft: &mut Draft,
    patterns: impl Iterator<Item = (&'a Node, String, String)>,
    dialect: super::names::Dialect,
    wider: Weight,
    findings: &Findings,
) {
    for (node, field, text) in patterns {
        match super::names::translate(&text, dialect) {
            Err(why) => {
                findings.say(node.line, &field, Weight::Refused, format!("the pattern '{text}': {why}"))
            }
            Ok(translated) => {
                if let super::names::Extent::Wider(why) = translated.extent {
                    let ours = translated.patterns.join(", ");
                    let message = format!("'{text}' becomes {ours}, which means whole repositories: {why}");
                    findings.say(node.line, &field, wider, message);
                }
                for pattern in translated.patterns {
                    if !draft.images.contains(&pattern) {
                        draft.images.push(pattern);
                    }
                }
            }
        }
    }
    if draft.images.iter().any(|image| image == super::names::EVERYTHING) {
        draft.images = vec![super::names::EVERYTHING.to_owned()];
    }
}

#[cfg(test)]
mod tests {
    use super::{from_stars, keys, whole};

    #[test]
    fn a_pattern_means_the_same_or_less() {
        for (theirs, ours, same) in [
            (r"^https://github\.com/acme/.*$", r"https://github\.com/acme/.*", true),
            (r"^https://github\.com/acme/", r"https://github\.com/acme/.*", true),
            (r"https://github\.com/acme/.*", r"https://github\.com/acme/.*", false),
            (r".*@example\.com$", r".*@example\.com", true),
            (r"@example\.com$", r".*@example\.com", true),
            (
                r"^https://a\.example/x|^https://b\.example/y",
                r"^https://a\.example/x|^https://b\.example/y",
                false,
            ),
        ] {
            assert_eq!(whole("subject", theirs).unwrap(), (ours.to_owned(), same), "{theirs}");
        }
        for open in [".*", "^.*$", "acme", "https://.*"] {
            assert!(whole("subject", open).is_err(), "{open}");
        }
    }

    #[test]
    fn stars_become_a_pattern_in_which_nothing_else_stands_for_something() {
        assert_eq!(from_stars("https://github.com/acme/*@refs/?"), r"https://github\.com/acme/.*@refs/.");
    }

    #[test]
    fn keys_are_split_and_what_is_no_key_is_told_apart() {
        let one = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/keys/demo.pub"))
            .unwrap();
        let two = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/keys/other.pub"))
            .unwrap();
        let indented = one.replace('\n', "\n    ");
        assert_eq!(keys(&format!("{indented}{two}")).unwrap().len(), 2);
        for (text, words) in [
            ("{{ keys.data }}", "variable"),
            ("awskms:///alias/x", "elsewhere"),
            ("nonsense", "no public key"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", ""),
        ] {
            assert!(keys(text).unwrap_err().contains(words), "{text}");
        }
    }
}
