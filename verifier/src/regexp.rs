//! Patterns for identities: regular expressions that must match the whole text.
//!
//! Written as for cosign's `--certificate-identity-regexp`, with one difference that cannot be switched off: the
//! whole text must match, as if `^` and `$` stood around the pattern. `https://github.com/acme/.*` does not match
//! `https://github.com/acme-evil/x`, and `acme` matches nothing but `acme`. Texts with anything but printable
//! ASCII are matched by no pattern: an identity with a newline or a look-alike letter is nobody's.
//!
//! Refused when it is read, with what to write instead:
//!
//! - what is no regular expression, and what needs a character that no identity has, so that it can never match;
//! - what leaves open *whose* identity it is: each alternative begins with `scheme://host/` or ends with
//!   `@domain`, written out. A bare `.` between the letters of a host is taken for the dot that it is meant
//!   to be, which makes a pattern narrower, never wider.
//!
//! Why a crate: the expressions come from people who have them in their cosign scripts, so the syntax must be
//! theirs. regex-automata's simulation of an automaton takes time linear in text and pattern, whatever the
//! pattern (an exponential one is the classic way to stop a gate), and regex-syntax gives the parsed form, on
//! which the three questions above are decided instead of on the text. Both are built without tables, caches
//! and unsafe accelerators.

use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{Compiler, Config};
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look};
use std::fmt;
use std::sync::Arc;

/// The longest pattern that is read; real ones have some hundred characters.
pub(crate) const PATTERN_BYTES: usize = 2_048;
/// Memory of one compiled pattern: `a{1000}{1000}` is refused instead of built.
const COMPILED_BYTES: usize = 256 << 10;
/// Nesting of groups in a pattern.
const NESTING: u32 = 32;
/// Alternatives at the top or at the end of a pattern.
const ALTERNATIVES: usize = 64;
/// The longest text that is matched. Certificates may be larger; such an identity is matched by no pattern.
const TEXT_BYTES: usize = 4_096;

/// Whose names a pattern is about, as its fixed part says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Begins with `scheme://host`.
    Uri,
    /// Ends with `@domain`.
    Mail,
}

/// A pattern that is safe to ask.
#[derive(Clone)]
pub(crate) struct Regexp {
    text: Arc<str>,
    kinds: Arc<[Kind]>,
    machine: Arc<PikeVM>,
}

impl fmt::Debug for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regexp({})", self.text)
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Regexp {}

/// Why a text is no pattern, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) hint: String,
}

fn refused<T>(why: impl Into<String>, hint: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { why: why.into(), hint: hint.into() })
}

const FIXED: &str =
    "write out scheme and host, as in https://github\\.com/acme/.*, or the domain, as in .*@example\\.com";

impl Regexp {
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        if text.is_empty() {
            return refused("an empty pattern matches nothing", FIXED);
        }
        if text.len() > PATTERN_BYTES {
            return refused(
                format!("longer than the limit PATTERN_BYTES = {PATTERN_BYTES}"),
                "make several authorities of it",
            );
        }
        // Bytes, not characters: texts are ASCII, and so no Unicode tables are needed.
        let parsed = ParserBuilder::new().nest_limit(NESTING).unicode(false).utf8(false).build().parse(text);
        let hir = match parsed {
            Ok(hir) => hir,
            Err(error) => {
                let all = error.to_string();
                let last = all.lines().last().unwrap_or_default().trim_start_matches("error: ");
                return refused(format!("not a regular expression: {last}"), "see docs/reference/policy.md");
            }
        };
        let mut kinds = Vec::new();
        let mut branches = Vec::new();
        let mut found = Vec::new();
        alternatives(hir, &mut found)?;
        for branch in found {
            let (branch, kind) = fixed(without_ends(branch))?;
            kinds.push(kind);
            branches.push(printable(branch));
        }
        let whole = Hir::alternation(branches);
        if !whole.properties().look_set().is_empty() {
            return refused(
                "^, $ and \\b stand in the middle, where they can never match or mean nothing",
                "leave them out: the whole text is always matched",
            );
        }
        if whole.properties().minimum_len().is_none() {
            return refused(
                "it can never match: it needs a character that no identity has",
                "identities have printable ASCII characters without spaces",
            );
        }
        let anchored = Hir::concat(vec![Hir::look(Look::Start), whole, Hir::look(Look::End)]);
        let machine = Compiler::new()
            .configure(Config::new().utf8(false).nfa_size_limit(Some(COMPILED_BYTES)))
            .build_from_hir(&anchored)
            .and_then(PikeVM::new_from_nfa);
        match machine {
            Ok(machine) => Ok(Self { text: text.into(), kinds: kinds.into(), machine: Arc::new(machine) }),
            Err(_) => refused(
                format!("larger than the limit COMPILED_BYTES = {COMPILED_BYTES} when it is built"),
                "use smaller numbers in { }",
            ),
        }
    }

    /// Whether the whole of `text` matches; `kind` is what the certificate says that it is.
    pub(crate) fn matches(&self, text: &str, kind: Kind) -> bool {
        text.len() <= TEXT_BYTES
            && text.bytes().all(|b| b.is_ascii_graphic())
            && self.kinds.contains(&kind)
            && kind == kind_of(text)
            && self
                .machine
                .is_match(&mut self.machine.create_cache(), Input::new(text).anchored(Anchored::Yes))
    }
}

impl fmt::Display for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What `text` itself looks like: a mail address is no URI, whatever the certificate calls it.
fn kind_of(text: &str) -> Kind {
    if text.contains("://") { Kind::Uri } else { Kind::Mail }
}

/// The alternatives, so that each is looked at by itself: those at the top, and those at the end, because what
/// alternatives begin with in common is taken out of them when they are read.
fn alternatives(hir: Hir, into: &mut Vec<Hir>) -> Result<(), Refused> {
    match hir.into_kind() {
        HirKind::Alternation(list) => list.into_iter().try_for_each(|one| alternatives(one, into)),
        HirKind::Capture(group) => alternatives(*group.sub, into),
        HirKind::Concat(mut parts) => {
            let mut ends = Vec::new();
            match parts.pop().map(Hir::into_kind) {
                Some(HirKind::Alternation(list)) => ends = list,
                Some(HirKind::Capture(group)) => ends.push(*group.sub),
                Some(kind) => {
                    parts.push(whole(kind));
                    return one_more(Hir::concat(parts), into);
                }
                None => {}
            }
            ends.into_iter().try_for_each(|end| {
                let mut branch = parts.clone();
                branch.push(end);
                alternatives(Hir::concat(branch), into)
            })
        }
        kind => one_more(whole(kind), into),
    }
}

fn one_more(branch: Hir, into: &mut Vec<Hir>) -> Result<(), Refused> {
    into.push(branch);
    if into.len() > ALTERNATIVES {
        let why = format!("more alternatives than the limit ALTERNATIVES = {ALTERNATIVES}");
        return refused(why, "make several authorities of it");
    }
    Ok(())
}

/// The expression of this kind. regex-syntax has a smart constructor for each and none for all.
fn whole(kind: HirKind) -> Hir {
    match kind {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(repetition) => Hir::repetition(repetition),
        HirKind::Capture(capture) => Hir::capture(capture),
        HirKind::Concat(list) => Hir::concat(list),
        HirKind::Alternation(list) => Hir::alternation(list),
    }
}

/// The parts of `hir`, without `^` at the beginning and `$` at the end, which say what is done anyway.
fn without_ends(hir: Hir) -> Vec<Hir> {
    let mut parts: Vec<Hir> = match hir.into_kind() {
        HirKind::Concat(list) => list,
        kind => vec![whole(kind)],
    };
    let is = |part: Option<&Hir>, look: Look| part.is_some_and(|h| *h.kind() == HirKind::Look(look));
    if is(parts.first(), Look::Start) {
        parts.remove(0);
    }
    if is(parts.last(), Look::End) {
        parts.pop();
    }
    parts
}

fn host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-'
}

/// Finds the part that says whose names are meant, and takes bare dots in it for dots.
fn fixed(mut parts: Vec<Hir>) -> Result<(Hir, Kind), Refused> {
    if starts_with_host(&mut parts) {
        return Ok((Hir::concat(parts), Kind::Uri));
    }
    if ends_with_domain(&mut parts) {
        return Ok((Hir::concat(parts), Kind::Mail));
    }
    refused("it leaves open whose identity it is: names under any host or domain could match", FIXED)
}

/// A bare dot: any byte but a line feed.
fn is_dot(hir: &Hir) -> bool {
    let dot = ClassBytes::new([ClassBytesRange::new(0, b'\n' - 1), ClassBytesRange::new(b'\n' + 1, 255)]);
    matches!(hir.kind(), HirKind::Class(Class::Bytes(class)) if *class == dot)
}

fn bytes(hir: &Hir) -> Option<&[u8]> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(&literal.0),
        _ => None,
    }
}

/// `scheme://host`, then the end, `/`, `:port`, or a group that begins with `/`.
fn starts_with_host(parts: &mut [Hir]) -> bool {
    let mut text: Vec<u8> = Vec::new();
    let mut dots = Vec::new();
    let mut ended = true;
    let last = parts.len().saturating_sub(1);
    for (at, part) in parts.iter().enumerate() {
        match bytes(part) {
            Some(literal) => text.extend_from_slice(literal),
            None if is_dot(part) && host_of(&text).is_some_and(|rest| rest.iter().all(|b| host_byte(*b))) => {
                text.push(b'.');
                dots.push(at);
            }
            None => {
                // A group that begins with `/` ends the host as a `/` does; one that may be missing only where
                // nothing else stands behind it.
                let group = match part.kind() {
                    HirKind::Repetition(optional) if at == last => &optional.sub,
                    _ => part,
                };
                ended = first_bytes(group) == Some(vec![b'/']);
                break;
            }
        }
    }
    let Some(rest) = host_of(&text) else { return false };
    let host = rest.iter().take_while(|b| host_byte(**b)).count();
    let port = match rest.get(host..) {
        Some([b':', port @ ..]) => 1 + port.iter().take_while(|b| b.is_ascii_digit()).count(),
        _ => 0,
    };
    let terminated = match rest.get(host + port) {
        Some(byte) => *byte == b'/',
        None => ended,
    };
    if host == 0 || !terminated {
        return false;
    }
    for at in dots {
        if let Some(part) = parts.get_mut(at) {
            *part = Hir::literal(*b".");
        }
    }
    true
}

/// What stands behind `scheme://`.
fn host_of(text: &[u8]) -> Option<&[u8]> {
    let at = text.windows(3).position(|w| w == b"://")?;
    let scheme = text.get(..at)?;
    let good = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(b));
    text.get(at + 3..).filter(|_| good)
}

/// The bytes with which `hir` can begin, where that can be said and it cannot be empty.
fn first_bytes(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.first().map(|b| vec![*b]),
        HirKind::Capture(group) => first_bytes(&group.sub),
        HirKind::Concat(list) => list.first().and_then(first_bytes),
        HirKind::Alternation(list) => {
            let mut all: Vec<u8> = Vec::new();
            for one in list {
                all.extend(first_bytes(one)?);
            }
            all.sort_unstable();
            all.dedup();
            Some(all)
        }
        _ => None,
    }
}

/// `@domain` at the end.
fn ends_with_domain(parts: &mut [Hir]) -> bool {
    let mut text: Vec<u8> = Vec::new();
    let mut dots = Vec::new();
    for (at, part) in parts.iter().enumerate().rev() {
        match bytes(part) {
            Some(literal) => {
                text.splice(0..0, literal.iter().copied());
            }
            None if is_dot(part) && !text.contains(&b'@') => {
                text.insert(0, b'.');
                dots.push(at);
            }
            None => break,
        }
        if text.contains(&b'@') {
            break;
        }
    }
    let Some(at) = text.iter().rposition(|b| *b == b'@') else { return false };
    let domain = text.get(at + 1..).unwrap_or_default();
    if domain.is_empty() || !domain.iter().all(|b| host_byte(*b)) || domain.first() == Some(&b'.') {
        return false;
    }
    for at in dots {
        if let Some(part) = parts.get_mut(at) {
            *part = Hir::literal(*b".");
        }
    }
    true
}

/// The same, of printable ASCII alone: what can only match something else becomes what can never match.
fn printable(hir: Hir) -> Hir {
    let graphic = || ClassBytes::new([ClassBytesRange::new(b'!', b'~')]);
    match hir.into_kind() {
        HirKind::Literal(literal) if !literal.0.iter().all(u8::is_ascii_graphic) => Hir::fail(),
        HirKind::Class(Class::Bytes(mut class)) => {
            class.intersect(&graphic());
            Hir::class(Class::Bytes(class))
        }
        HirKind::Class(Class::Unicode(class)) => match class.to_byte_class() {
            Some(mut class) => {
                class.intersect(&graphic());
                Hir::class(Class::Bytes(class))
            }
            None => Hir::fail(),
        },
        HirKind::Repetition(mut repetition) => {
            *repetition.sub = printable(*repetition.sub);
            Hir::repetition(repetition)
        }
        HirKind::Capture(group) => printable(*group.sub),
        HirKind::Concat(list) => Hir::concat(list.into_iter().map(printable).collect()),
        HirKind::Alternation(list) => Hir::alternation(list.into_iter().map(printable).collect()),
        kind => whole(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uri(pattern: &str, text: &str) -> bool {
        Regexp::parse(pattern).unwrap_or_else(|e| panic!("{pattern}: {e:?}")).matches(text, Kind::Uri)
    }

    fn mail(pattern: &str, text: &str) -> bool {
        Regexp::parse(pattern).unwrap_or_else(|e| panic!("{pattern}: {e:?}")).matches(text, Kind::Mail)
    }

    /// B09: the whole text, however the pattern is written.
    #[test]
    fn the_whole_text_matches() {
        for pattern in [
            "https://github.com/acme/.*",
            "https://github\\.com/acme/.*",
            "^https://github\\.com/acme/.*$",
            "^https://github\\.com/acme/.*",
            "https://github\\.com/(acme)/[a-z]+",
            "(https://github\\.com/acme/.*|https://gitlab\\.com/acme/.*)",
            "https://github\\.com/(acme|beta)/.+",
            "https://github\\.com(/acme/.*)",
            "https://github\\.com(/acme/.*)?",
        ] {
            assert!(uri(pattern, "https://github.com/acme/app"), "{pattern}");
            for other in [
                "https://github.com/acme-evil/x",
                "https://evil.example/https://github.com/acme/app",
                "https://githubXcom/acme/app",
                "https://github.com.evil.example/acme/app",
                "https://github.com/acme/a\npp",
                "https://github.com/acme/a\0",
                "https://github.com/acme/\u{202e}app",
                "https://github.com/acme/\u{430}pp",
                "https://github.com/acme/a b",
                "HTTPS://GITHUB.COM/acme/app",
            ] {
                assert!(!uri(pattern, other), "{pattern} {other}");
            }
            // Something else in the certificate that reads the same.
            assert!(!mail(pattern, "https://github.com/acme/app"), "{pattern}");
        }
        assert!(!uri("https://github.com/acme", "https://github.com/acme/x"));
        assert!(!uri("https://a.example/x|https://a.example/xy", "https://a.example/xyz"));
        assert!(uri("https://a.example/x|https://a.example/xy", "https://a.example/xy"));
        assert!(mail("[a-z]+@example.com", "dev@example.com"));
        assert!(!mail("[a-z]+@example.com", "dev@exampleXcom"));
        assert!(!mail(".*@example.com", "https://evil.example/dev@example.com"));
        assert!(!uri(".*@example.com", "https://evil.example/dev@example.com"));
        assert!(!mail(".*@example.com", "dev@example.com.evil.example"));
    }

    #[test]
    fn what_is_open_to_anybody_is_refused() {
        for open in [
            ".*",
            ".+",
            "acme",
            "https://.*",
            "https?://github\\.com/acme/.*",
            "https://github.com.*",
            "https://github\\.com[^/]*/acme/.*",
            "https://(github|gitlab)\\.com/acme/.*",
            "https://github\\.com:.*",
            "https://github\\.com:.*@evil\\.example/",
            "https://github\\.com(\\.evil)?/acme",
            "https://github\\.com(/acme)?evil",
            "https://github\\.com/acme/.*|.*",
            "(?i)https://github\\.com/acme/.*",
            "your.name@gmail.*",
            ".*@.*",
            ".*@(a|b)\\.example",
            ".*@.example",
        ] {
            if open == "https://github\\.com" {
                assert!(Regexp::parse(open).is_ok());
                continue;
            }
            let refused = Regexp::parse(open).expect_err(open);
            assert!(refused.why.contains("leaves open"), "{open}: {refused:?}");
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for (never, words) in [
            ("", "empty"),
            ("https://a.example/^x", "in the middle"),
            ("https://a.example/$x", "in the middle"),
            ("https://a.example/x\\b", "in the middle"),
            ("https://a.example/ x", "never match"),
            ("https://a.example/\\n", "never match"),
            ("https://a.example/[^!-~]", "never match"),
            ("https://a.example/\\s+", "never match"),
            ("https://a.example/\u{430}", "never match"),
            ("https://a.example/(", "not a regular expression"),
            ("https://a.example/a)|(b", "not a regular expression"),
            ("https://a.example/*{", "not a regular expression"),
            ("https://a.example/(?=x)", "not a regular expression"),
            ("https://a.example/(a{1000}){1000}", "COMPILED_BYTES"),
        ] {
            let refused = Regexp::parse(never).expect_err(never);
            assert!(refused.why.contains(words), "{never}: {refused:?}");
            assert!(!refused.hint.is_empty());
        }
        let long = |n: usize| format!("https://a.example/{}", "a".repeat(n - 18));
        assert!(Regexp::parse(&long(PATTERN_BYTES)).is_ok());
        assert!(Regexp::parse(&long(PATTERN_BYTES + 1)).unwrap_err().why.contains("PATTERN_BYTES"));
        let many = |n: usize| {
            let list: Vec<String> = (0..n).map(|n| format!("{n}x")).collect();
            format!("https://a.example/({})", list.join("|"))
        };
        assert!(Regexp::parse(&many(ALTERNATIVES)).is_ok());
        assert!(Regexp::parse(&many(ALTERNATIVES + 1)).unwrap_err().why.contains("ALTERNATIVES"));
        let nested = |n: usize| format!("https://a.example/{}a{}", "(".repeat(n), ")".repeat(n));
        assert!(Regexp::parse(&nested(20)).is_ok());
        assert!(Regexp::parse(&nested(200)).is_err());
    }

    #[test]
    fn long_texts_and_hostile_patterns_end() {
        let text = format!("https://a.example/{}", "a".repeat(TEXT_BYTES - 18));
        assert!(uri("https://a.example/a*", &text));
        assert!(!uri("https://a.example/a*", &format!("{text}a")));
        // Exponential for engines that go back.
        assert!(!uri("https://a.example/(a*)*(a*)*b", &text));
        assert!(!uri("https://a.example/(a|a|aa)*b", &text));
    }

    proptest! {
        /// Whatever the pattern, nobody outside the host that it writes out is let in.
        #[test]
        fn the_host_holds(tail in "[a-z.*+?()|/\\[\\]^$]{0,12}", text in "[a-z./@:]{0,20}") {
            if let Ok(pattern) = Regexp::parse(&format!("https://a.example/{tail}")) {
                let text = format!("https://{text}");
                prop_assert!(!pattern.matches(&text, Kind::Uri) || text == "https://a.example/" || text.starts_with("https://a.example/")
                    || tail.contains('|'));
            }
        }

        #[test]
        fn never_panics(pattern in ".{0,40}", text in ".{0,40}") {
            if let Ok(pattern) = Regexp::parse(&pattern) {
                pattern.matches(&text, Kind::Uri);
                pattern.matches(&text, Kind::Mail);
            }
        }
    }
}
