//! Patterns over text: ids of builders, source repositories, refs, labels, names of variables.
//!
//! A pattern must match the whole text, as if anchored at both ends. `*` stands for any characters but `/`, `**` for
//! any characters; everything else stands for itself. So `https://github.com/acme/*` does not match
//! `https://github.com/acme-evil/x`, nor `https://github.com/acme/a/b`.
//!
//! Matching simulates all states at once: it takes at most text times pattern steps, whatever the pattern. Texts
//! longer than [`TEXT_BYTES`] are matched by no pattern. Refused is what can never match, and, where it is said whose
//! something is, what leaves that open.

use super::pattern::Refused;
use std::fmt;

/// The longest pattern that is read; real ones have a hundred characters.
pub(crate) const PATTERN_BYTES: usize = 512;
/// The longest text that is matched: URIs longer than this are nobody's.
pub(crate) const TEXT_BYTES: usize = 4_096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Char(char),
    /// `*`
    Within,
    /// `**`
    Any,
}

/// A pattern over whole texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    text: String,
    parts: Vec<Part>,
}

/// How much of a pattern must be written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fixed {
    /// Nothing.
    Free,
    /// `scheme://host/`: a pattern must say whose things it is about. Without a `*` in it, anything goes.
    Host,
}

fn refused<T>(why: impl Into<String>, hint: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { why: why.into(), hint: hint.into() })
}

impl Glob {
    pub(crate) fn parse(text: &str, fixed: Fixed) -> Result<Self, Refused> {
        if text.is_empty() {
            return refused("an empty pattern matches nothing", "write the text, with * for what varies");
        }
        if text.len() > PATTERN_BYTES {
            return refused(
                format!("longer than the limit PATTERN_BYTES = {PATTERN_BYTES}"),
                "shorten it with *",
            );
        }
        if text.chars().any(char::is_control) {
            return refused("control characters can never match", "leave them out");
        }
        if text.contains("***") {
            return refused("*** has no meaning", "write * within a component, ** for anything");
        }
        if fixed == Fixed::Host && text.contains('*') {
            let host = text
                .split_once("://")
                .and_then(|(scheme, rest)| Some((scheme, rest.split_once('/')?.0)))
                .is_some_and(|(scheme, host)| {
                    !scheme.contains('*') && !host.contains('*') && !host.is_empty()
                });
            if !host {
                return refused(
                    "it leaves open whose it is",
                    "write out scheme and host, as in https://github.com/acme/*",
                );
            }
        }
        let mut parts = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' if rest.next_if_eq(&'*').is_some() => Part::Any,
                '*' => Part::Within,
                c => Part::Char(c),
            });
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The pattern as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        if text.len() > TEXT_BYTES {
            return false;
        }
        let mut now = vec![false; self.parts.len() + 1];
        self.reach(&mut now, 0);
        for c in text.chars() {
            let mut next = vec![false; now.len()];
            let mut alive = false;
            for (at, part) in self.parts.iter().enumerate() {
                if !now.get(at).copied().unwrap_or(false) {
                    continue;
                }
                let to = match part {
                    Part::Char(own) if *own == c => at + 1,
                    Part::Within if c != '/' => at,
                    Part::Any => at,
                    _ => continue,
                };
                alive = true;
                self.reach(&mut next, to);
            }
            if !alive {
                return false;
            }
            now = next;
        }
        now.last().copied().unwrap_or(false)
    }

    /// Marks `at`, and what is reached from there without a character: a star may stand for nothing.
    fn reach(&self, states: &mut [bool], mut at: usize) {
        while let Some(state) = states.get_mut(at) {
            *state = true;
            if matches!(self.parts.get(at), Some(Part::Within | Part::Any)) {
                at += 1;
            } else {
                return;
            }
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Patterns in one line, for people.
pub(crate) fn listed(patterns: &[Glob]) -> String {
    patterns.iter().map(Glob::as_str).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_and_nothing_but_it() {
        let ask = |pattern: &str, text: &str| Glob::parse(pattern, Fixed::Free).unwrap().matches(text);
        for (pattern, good, bad) in [
            ("refs/heads/main", "refs/heads/main", "refs/heads/main2"),
            ("refs/tags/v*", "refs/tags/v1.2", "refs/tags/v1/x"),
            ("refs/**", "refs/heads/a/b", "Refs/heads"),
            ("https://github.com/acme/*", "https://github.com/acme/app", "https://github.com/acme-evil/x"),
            ("https://github.com/acme/*", "https://github.com/acme/", "https://github.com/acme/a/b"),
            ("*a*b*", "xaxxbx", "xbxxax"),
            ("**/x*y", "a/b/xzy", "a/b/x/y"),
            ("a.c", "a.c", "abc"),
            ("*", "", "/"),
        ] {
            assert!(ask(pattern, good), "{pattern} {good}");
            assert!(!ask(pattern, bad), "{pattern} {bad}");
        }
        assert!(ask("**", &"x".repeat(TEXT_BYTES)));
        assert!(!ask("**", &"x".repeat(TEXT_BYTES + 1)));
        // The classic way to stop a matcher that backtracks.
        assert!(!ask(&"*a".repeat(200), &"a".repeat(150)));
    }

    #[test]
    fn what_can_never_match_or_is_open_is_refused() {
        for bad in ["", "a***b", "a\nb", &"x".repeat(PATTERN_BYTES + 1)] {
            assert!(Glob::parse(bad, Fixed::Free).is_err(), "{bad:?}");
        }
        for open in
            ["*", "https://*", "https://*/x", "http*://github.com/x", "https:///x*", "github.com/acme/*"]
        {
            assert!(Glob::parse(open, Fixed::Host).is_err(), "{open}");
        }
        assert!(Glob::parse("https://github.com/*", Fixed::Host).is_ok());
        assert!(Glob::parse("urn:builder", Fixed::Host).is_ok());
    }
}
