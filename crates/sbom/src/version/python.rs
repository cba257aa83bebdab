//! The order of PEP 440, with its permissive spellings (appendix B): `v1.0`, `1.0-RC.1`, `1.0.post`, `1.0-1`.

use super::digits;
use std::cmp::Ordering;

/// PEP 440's order. `None` for what is no PEP 440 version.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim().to_ascii_lowercase(), b.trim().to_ascii_lowercase());
    let (a, b) = (Version::parse(&a)?, Version::parse(&b)?);
    Some(
        digits(a.epoch, b.epoch)
            .then_with(|| release(&a.release, &b.release))
            .then_with(|| pre(&a).cmp(&pre(&b)))
            .then_with(|| pre_number(&a, &b))
            .then_with(|| optional(a.post, b.post, Ordering::Less))
            // A version without `.dev` is newer than the same with it.
            .then_with(|| optional(a.dev, b.dev, Ordering::Greater))
            .then_with(|| local(a.local, b.local)),
    )
}

struct Version<'a> {
    epoch: &'a [u8],
    release: Vec<&'a [u8]>,
    pre: Option<(u8, &'a [u8])>,
    post: Option<&'a [u8]>,
    dev: Option<&'a [u8]>,
    local: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (public, local) = match text.split_once('+') {
            Some((public, local)) => (public, Some(local)),
            None => (text, None),
        };
        if local.is_some_and(|l| {
            l.split(['.', '-', '_']).any(|p| p.is_empty() || !p.bytes().all(|b| b.is_ascii_alphanumeric()))
        }) {
            return None;
        }
        let mut rest = Cursor(public.strip_prefix('v').unwrap_or(public).as_bytes());
        let mut first = rest.number()?;
        let mut epoch: &[u8] = b"0";
        if rest.eat(b"!") {
            epoch = first;
            first = rest.number()?;
        }
        let mut release = vec![first];
        while let Some(number) = rest.try_after(|c| if c.eat(b".") { c.number() } else { None }) {
            release.push(number);
        }
        let pre = rest.try_after(|c| {
            c.separator();
            // Longest first: `c` and `a` are prefixes of nothing here but `alpha` and `a` are.
            let words: [(&[u8], u8); 8] = [
                (b"alpha", 0),
                (b"beta", 1),
                (b"preview", 2),
                (b"pre", 2),
                (b"rc", 2),
                (b"a", 0),
                (b"b", 1),
                (b"c", 2),
            ];
            let (_, kind) = words.iter().find(|(word, _)| c.eat(word))?;
            Some((*kind, c.optional_number()))
        });
        let post = rest.try_after(|c| if c.eat(b"-") { c.number() } else { None }).or_else(|| {
            rest.try_after(|c| {
                c.separator();
                let words: [&[u8]; 3] = [b"post", b"rev", b"r"];
                words.iter().any(|word| c.eat(word)).then(|| c.optional_number())
            })
        });
        let dev = rest.try_after(|c| {
            c.separator();
            c.eat(b"dev").then(|| c.optional_number())
        });
        rest.0.is_empty().then_some(Self { epoch, release, pre, post, dev, local })
    }
}

#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn eat(&mut self, word: &[u8]) -> bool {
        self.0.strip_prefix(word).map(|rest| self.0 = rest).is_some()
    }

    fn number(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|b| !b.is_ascii_digit()).unwrap_or(self.0.len());
        let (number, rest) = self.0.split_at(end);
        self.0 = rest;
        (!number.is_empty()).then_some(number)
    }

    fn separator(&mut self) {
        if self.0.first().is_some_and(|b| b".-_".contains(b)) {
            self.0 = self.0.get(1..).unwrap_or_default();
        }
    }

    /// A number after an optional separator; an implicit one is 0.
    fn optional_number(&mut self) -> &'a [u8] {
        self.try_after(|c| {
            c.separator();
            c.number()
        })
        .unwrap_or(b"0")
    }

    /// Moves on only if `read` finds something.
    fn try_after<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut copy = *self;
        let found = read(&mut copy)?;
        *self = copy;
        Some(found)
    }
}

fn release(a: &[&[u8]], b: &[&[u8]]) -> Ordering {
    let zero: &[u8] = b"0";
    (0..a.len().max(b.len()))
        .map(|i| digits(a.get(i).copied().unwrap_or(zero), b.get(i).copied().unwrap_or(zero)))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Where a version stands by its pre-release: a bare `.devN` is before every alpha, none is after every rc.
fn pre(version: &Version<'_>) -> i8 {
    match (version.pre, version.post, version.dev) {
        (None, None, Some(_)) => -1,
        (Some((kind, _)), _, _) => kind as i8,
        (None, _, _) => 3,
    }
}

fn pre_number(a: &Version<'_>, b: &Version<'_>) -> Ordering {
    match (a.pre, b.pre) {
        (Some((_, a)), Some((_, b))) => digits(a, b),
        _ => Ordering::Equal,
    }
}

fn optional(a: Option<&[u8]>, b: Option<&[u8]>, none_is: Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => digits(a, b),
        (None, None) => Ordering::Equal,
        (None, Some(_)) => none_is,
        (Some(_), None) => none_is.reverse(),
    }
}

fn local(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return a.is_some().cmp(&b.is_some()) };
    let (mut a, mut b) = (a.split(['.', '-', '_']), b.split(['.', '-', '_']));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => {
                let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
                match (number(x), number(y)) {
                    (true, true) => digits(x.as_bytes(), y.as_bytes()),
                    (false, false) => x.cmp(y),
                    // A number is newer than a word.
                    (x, y) => x.cmp(&y),
                }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}
