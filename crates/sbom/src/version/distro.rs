//! The orders of dpkg, apk and rpm.
//!
//! - dpkg: deb-version(7), `lib/dpkg/version.c`: epoch, upstream version, revision; `~` sorts before the end.
//! - apk: the grammar of apk-tools 3, `digits{.digits}[letter]{_suffix[n]}[~hash][-rN]`.
//! - rpm: `rpmvercmp` with `~` (before the end) and `^` (after the end, before anything else).

use super::digits;
use std::cmp::Ordering;

/// dpkg's order. `None` for a version that dpkg calls invalid.
pub(super) fn dpkg(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Deb::parse(a)?, Deb::parse(b)?);
    Some(
        a.epoch
            .cmp(&b.epoch)
            .then_with(|| deb_part(a.upstream, b.upstream))
            .then_with(|| deb_part(a.revision, b.revision)),
    )
}

struct Deb<'a> {
    epoch: u32,
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Deb<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (epoch, rest) = match text.split_once(':') {
            // dpkg keeps epochs in an int.
            Some((epoch, rest)) => (epoch_number(epoch)?, rest),
            None => (0, text),
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            Some((_, "")) => return None,
            Some((upstream, revision)) => (upstream, revision),
            None => (rest, ""),
        };
        let valid = |part: &str, extra: &[u8]| {
            part.bytes().all(|b| b.is_ascii_alphanumeric() || b".+~".contains(&b) || extra.contains(&b))
        };
        (!upstream.is_empty() && valid(upstream, b"-:") && valid(revision, b"")).then_some(Self {
            epoch,
            upstream: upstream.as_bytes(),
            revision: revision.as_bytes(),
        })
    }
}

fn epoch_number(text: &str) -> Option<u32> {
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits_only && *n <= i32::MAX as u32)
}

fn deb_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let weight = |c: Option<&u8>| match c {
        None => 0,
        Some(c) if c.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    };
    let stops = |c: Option<&u8>| c.is_none_or(u8::is_ascii_digit);
    while !a.is_empty() || !b.is_empty() {
        while !stops(a.first()) || !stops(b.first()) {
            match weight(a.first()).cmp(&weight(b.first())) {
                Ordering::Equal => {}
                other => return other,
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (x, y) = (take(&mut a, u8::is_ascii_digit), take(&mut b, u8::is_ascii_digit));
        match digits(x, y) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

/// The longest start of `text` of bytes that `wanted` takes, cut off it.
fn take<'a>(text: &mut &'a [u8], wanted: impl Fn(&u8) -> bool) -> &'a [u8] {
    let end = text.iter().position(|b| !wanted(b)).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    *text = tail;
    head
}

/// The order of rpm: `[epoch:]version[-release]`; a missing release on one side is not compared, as rpm
/// does for dependencies.
pub(super) fn rpm(a: &str, b: &str) -> Option<Ordering> {
    let ((epoch_a, version_a, release_a), (epoch_b, version_b, release_b)) = (evr(a)?, evr(b)?);
    let releases = match (release_a, release_b) {
        (Some(a), Some(b)) => rpm_part(a, b),
        _ => Ordering::Equal,
    };
    Some(epoch_a.cmp(&epoch_b).then_with(|| rpm_part(version_a, version_b)).then(releases))
}

fn evr(text: &str) -> Option<(u32, &str, Option<&str>)> {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (epoch_number(epoch)?, rest),
        None => (0, text),
    };
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (rest, None),
    };
    let legal = rest.bytes().all(|b| b.is_ascii_graphic());
    (legal && !version.is_empty() && release != Some("")).then_some((epoch, version, release))
}

fn rpm_part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let separator = |c: &u8| !c.is_ascii_alphanumeric() && *c != b'~' && *c != b'^';
        take(&mut a, separator);
        take(&mut b, separator);
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) => {}
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), Some(b'^')) => {}
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), Some(_)) => return Ordering::Less,
            (Some(_), Some(b'^')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => {
                let order = match (x.is_ascii_digit(), y.is_ascii_digit()) {
                    (true, true) => {
                        digits(take(&mut a, u8::is_ascii_digit), take(&mut b, u8::is_ascii_digit))
                    }
                    (false, false) => {
                        take(&mut a, u8::is_ascii_alphabetic).cmp(take(&mut b, u8::is_ascii_alphabetic))
                    }
                    // A number is newer than a word.
                    (true, false) => Ordering::Greater,
                    (false, true) => Ordering::Less,
                };
                match order {
                    Ordering::Equal => continue,
                    other => return other,
                }
            }
        }
        a = a.get(1..).unwrap_or_default();
        b = b.get(1..).unwrap_or_default();
    }
}

/// The order of apk. `None` for a version outside the grammar.
pub(super) fn apk(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (apk_tokens(a)?, apk_tokens(b)?);
    let common = a.iter().zip(&b).take_while(|(x, y)| x.kind() == y.kind() && x.compare(y).is_eq()).count();
    let (x, y) = (a.get(common), b.get(common));
    if let (Some(x), Some(y)) = (x, y)
        && x.kind() == y.kind()
    {
        return Some(x.compare(y));
    }
    // What is left over makes a version newer, unless it is a pre-release suffix.
    if x.is_some_and(Token::is_prerelease) {
        return Some(Ordering::Less);
    }
    if y.is_some_and(Token::is_prerelease) {
        return Some(Ordering::Greater);
    }
    let rank = |t: Option<&Token<'_>>| t.map_or(u8::MAX, Token::kind);
    Some(rank(y).cmp(&rank(x)))
}

enum Token<'a> {
    First(&'a [u8]),
    Digits(&'a [u8]),
    Letter(u8),
    Suffix(usize),
    SuffixNumber(&'a [u8]),
    Hash(&'a [u8]),
    Revision(&'a [u8]),
}

/// In apk's order; what stands before [`RELEASE`] is a pre-release.
const SUFFIXES: [&[u8]; 9] = [b"alpha", b"beta", b"pre", b"rc", b"cvs", b"svn", b"git", b"hg", b"p"];
const RELEASE: usize = 4;

impl Token<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::First(_) => 0,
            Self::Digits(_) => 1,
            Self::Letter(_) => 2,
            Self::Suffix(_) => 3,
            Self::SuffixNumber(_) => 4,
            Self::Hash(_) => 5,
            Self::Revision(_) => 6,
        }
    }

    fn is_prerelease(&self) -> bool {
        matches!(self, Self::Suffix(n) if *n < RELEASE)
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Digits(a), Self::Digits(b)) if a.starts_with(b"0") || b.starts_with(b"0") => a.cmp(b),
            (Self::First(a), Self::First(b))
            | (Self::Digits(a), Self::Digits(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => digits(a, b),
            (Self::Letter(a), Self::Letter(b)) => a.cmp(b),
            (Self::Suffix(a), Self::Suffix(b)) => a.cmp(b),
            (Self::Hash(a), Self::Hash(b)) => a.cmp(b),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

fn apk_tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut rest = text.as_bytes();
    let mut out = Vec::new();
    let number = |rest: &[u8]| rest.first().is_some_and(u8::is_ascii_digit);
    if !number(rest) {
        return None;
    }
    out.push(Token::First(take(&mut rest, u8::is_ascii_digit)));
    while rest.starts_with(b".") {
        rest = &rest[1..];
        if !number(rest) {
            return None;
        }
        out.push(Token::Digits(take(&mut rest, u8::is_ascii_digit)));
    }
    if let Some(letter) = rest.first().filter(|c| c.is_ascii_lowercase()) {
        out.push(Token::Letter(*letter));
        rest = &rest[1..];
    }
    while rest.starts_with(b"_") {
        rest = &rest[1..];
        let word = take(&mut rest, u8::is_ascii_lowercase);
        out.push(Token::Suffix(SUFFIXES.iter().position(|s| *s == word)?));
        if number(rest) {
            out.push(Token::SuffixNumber(take(&mut rest, u8::is_ascii_digit)));
        }
    }
    if rest.starts_with(b"~") {
        rest = &rest[1..];
        let hash = take(&mut rest, |c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if hash.is_empty() {
            return None;
        }
        out.push(Token::Hash(hash));
    }
    if let Some(after) = rest.strip_prefix(b"-r") {
        rest = after;
        if !number(rest) {
            return None;
        }
        out.push(Token::Revision(take(&mut rest, u8::is_ascii_digit)));
    }
    rest.is_empty().then_some(out)
}
