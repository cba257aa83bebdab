//! The order of Semantic Versioning 2.0.0, section 11, for npm, Cargo and Go.
//!
//! A leading `v` or `=` and missing minor and patch numbers (`1.2` for `1.2.0`) are read, because policies
//! are written that way; build metadata does not count.

use super::digits;
use std::cmp::Ordering;

/// The order of two semantic versions. `None` for what is none.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let numbers =
        (0..3).map(|i| digits(a.numbers[i].as_bytes(), b.numbers[i].as_bytes())).find(|o| o.is_ne());
    Some(numbers.unwrap_or_else(|| prerelease(a.pre, b.pre)))
}

struct Version<'a> {
    numbers: [&'a str; 3],
    pre: Option<&'a str>,
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.trim();
    let text = text.strip_prefix('=').map_or(text, str::trim_start);
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (text, None),
    };
    if !pre.is_none_or(identifiers) || !build.is_none_or(identifiers) {
        return None;
    }
    let mut numbers = ["0"; 3];
    let mut parts = core.split('.');
    for (i, slot) in numbers.iter_mut().enumerate() {
        match parts.next() {
            Some(part) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => *slot = part,
            None if i > 0 => break,
            _ => return None,
        }
    }
    parts.next().is_none().then_some(Version { numbers, pre })
}

/// Labels between dots, as prereleases and build metadata have them.
pub(super) fn identifiers(list: &str) -> bool {
    list.split('.').all(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// The order of two prereleases; none is after any.
pub(super) fn prerelease(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (a, b) = match (a, b) {
        (None, None) => return Ordering::Equal,
        (None, Some(_)) => return Ordering::Greater,
        (Some(_), None) => return Ordering::Less,
        (Some(a), Some(b)) => (a, b),
    };
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => {
                let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
                match (number(x), number(y)) {
                    (true, true) => digits(x.as_bytes(), y.as_bytes()),
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    (false, false) => x.cmp(y),
                }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}
