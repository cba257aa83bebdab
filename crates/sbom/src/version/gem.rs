//! The order of Ruby gems (`Gem::Version`).
//!
//! Segments of digits or letters; a segment of letters makes a prerelease and is less than a number; zeros
//! before letters and at the end do not count (`1.0` is `1`, `1.0.a` is `1.a`); `-` reads as `.pre.`. The
//! platform of a gem (`-x86_64-linux`) is no part of its version: such text would read as a prerelease, and
//! is refused rather than ordered wrongly.

use super::digits;
use std::cmp::Ordering;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment<'a> {
    Number(&'a str),
    Letters(&'a str),
}

/// The order of two versions. `None` for what is none.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let zero = Segment::Number("0");
    for i in 0..a.len().max(b.len()) {
        let (x, y) = (a.get(i).copied().unwrap_or(zero), b.get(i).copied().unwrap_or(zero));
        let order = match (x, y) {
            (Segment::Number(x), Segment::Number(y)) => digits(x.as_bytes(), y.as_bytes()),
            (Segment::Letters(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Letters(_)) => Ordering::Greater,
            (Segment::Letters(x), Segment::Letters(y)) => x.cmp(y),
        };
        if order.is_ne() {
            return Some(order);
        }
    }
    Some(Ordering::Equal)
}

/// `Gem::Version::VERSION_PATTERN`, then canonical segments.
fn parse(text: &str) -> Option<Vec<Segment<'_>>> {
    let text = text.trim();
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (text, None),
    };
    let mut segments = Vec::new();
    for (i, part) in core.split('.').enumerate() {
        let number = part.bytes().all(|b| b.is_ascii_digit());
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric()) || (i == 0 && !number) {
            return None;
        }
        split(part, &mut segments);
    }
    if let Some(pre) = pre {
        const PLATFORMS: &[&str] = &["linux", "darwin", "mingw", "mswin", "java", "x86", "aarch64", "arm64"];
        let platform = PLATFORMS.iter().any(|p| pre.contains(p));
        if platform
            || !pre.split(['.', '-']).all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            return None;
        }
        segments.push(Segment::Letters("pre"));
        for part in pre.split(['.', '-']) {
            split(part, &mut segments);
        }
    }
    Some(canonical(&segments))
}

/// `1b2` is three segments.
fn split<'a>(part: &'a str, into: &mut Vec<Segment<'a>>) {
    let mut rest = part;
    while let Some(first) = rest.bytes().next() {
        let number = first.is_ascii_digit();
        let end = rest.bytes().position(|b| b.is_ascii_digit() != number).unwrap_or(rest.len());
        let (segment, more) = rest.split_at(end);
        into.push(if number { Segment::Number(segment) } else { Segment::Letters(segment) });
        rest = more;
    }
}

/// Without zeros before the first letters and at the end.
fn canonical<'a>(segments: &[Segment<'a>]) -> Vec<Segment<'a>> {
    let zero = |s: &Segment<'_>| matches!(s, Segment::Number(n) if n.bytes().all(|b| b == b'0'));
    let letters = segments.iter().position(|s| matches!(s, Segment::Letters(_))).unwrap_or(segments.len());
    let (release, rest) = segments.split_at(letters);
    let trimmed = |part: &[Segment<'a>]| {
        let end = part.iter().rposition(|s| !zero(s)).map_or(0, |i| i + 1);
        part.iter().take(end).copied().collect::<Vec<_>>()
    };
    let mut all = trimmed(release);
    all.extend(trimmed(rest));
    all
}
