//! DER, as far as certificates and timestamps need it: writing whole values, and walking over received ones.
//!
//! Writing is plain concatenation, so that a reader can hold it beside the ASN.1 of an RFC. The walker
//! takes definite, minimal lengths alone and refuses everything else; it never allocates.

use jiff::Timestamp;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8: u8 = 0x0c;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// One value: tag, length, content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let n = content.len();
    let mut out = vec![tag];
    if let Some(short) = u8::try_from(n).ok().filter(|n| *n < 0x80) {
        out.push(short);
    } else {
        let bytes = n.to_be_bytes();
        let bytes = bytes.get((n.leading_zeros() / 8) as usize..).unwrap_or_default();
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

pub(crate) fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// A SET OF: DER wants the members sorted by their encodings (X.690, section 11.6).
pub(crate) fn set(mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    tlv(SET, &members.concat())
}

/// `[number]`, constructed: EXPLICIT around a value, or IMPLICIT with the content of a SEQUENCE or SET.
pub(crate) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// An INTEGER that is not negative, from big-endian bytes.
pub(crate) fn uint(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let mut content = bytes.get(start..).unwrap_or_default().to_vec();
    if content.first().is_none_or(|b| *b >= 0x80) {
        content.insert(0, 0);
    }
    tlv(INTEGER, &content)
}

/// A BIT STRING of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

/// An OBJECT IDENTIFIER from its dotted form, which is a constant of ours.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let mut arcs = dotted.split('.').map(|arc| arc.parse::<u64>().unwrap_or(0));
    let first = arcs.next().unwrap_or(0) * 40 + arcs.next().unwrap_or(0);
    let mut content = Vec::new();
    for arc in std::iter::once(first).chain(arcs) {
        let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
        for group in (0..groups).rev() {
            let more = if group > 0 { 0x80 } else { 0 };
            content.push(more | (arc >> (7 * group) & 0x7f) as u8);
        }
    }
    tlv(OID, &content)
}

/// A time in a certificate: UTCTime until 2049, then GeneralizedTime (RFC 5280, section 4.1.2.5).
pub(crate) fn time(at: Timestamp) -> Vec<u8> {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC);
    if date.year() < 2050 {
        tlv(0x17, date.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        generalized(at)
    }
}

/// A GeneralizedTime of whole seconds.
pub(crate) fn generalized(at: Timestamp) -> Vec<u8> {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC);
    tlv(0x18, date.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
}

/// One received value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

/// Walks over values that stand one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk<'a>(pub(crate) &'a [u8]);

impl<'a> Walk<'a> {
    /// The next value; `None` at the end and for anything that is not DER.
    pub(crate) fn next(&mut self) -> Option<Value<'a>> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            n @ 0..=0x7f => (usize::from(n), rest),
            n @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(n & 0x7f))?;
                let length = bytes.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
                let minimal = length >= 0x80 && bytes.first() != Some(&0);
                (minimal.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - after.len())?;
        self.0 = after;
        // Tags of more than one byte do not occur in anything that is read here.
        (tag & 0x1f != 0x1f).then_some(Value { tag: *tag, content, whole })
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Value<'a>> {
        self.next().filter(|value| value.tag == tag)
    }

    /// The next value if it has this tag; otherwise nothing is taken.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Value<'a>> {
        let mut ahead = *self;
        let value = ahead.expect(tag)?;
        *self = ahead;
        Some(value)
    }

    pub(crate) fn at_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_encodings() {
        assert_eq!(oid("1.2.840.10045.4.3.2"), [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]);
        assert_eq!(oid("2.5.29.17"), [6, 3, 0x55, 0x1d, 0x11]);
        assert_eq!(uint(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(uint(&[]), [2, 1, 0]);
        assert_eq!(tlv(4, &[7; 0x80])[..3], [4, 0x81, 0x80]);
        assert_eq!(tlv(4, &[7; 0x100])[..4], [4, 0x82, 1, 0]);
        let at: Timestamp = "2026-11-21T12:00:01Z".parse().unwrap();
        assert_eq!(&time(at)[2..], b"261121120001Z");
        let late: Timestamp = "2050-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(&time(late)[2..], b"20500101000000Z");
    }

    #[test]
    fn lengths_that_are_not_minimal_are_refused() {
        assert!(Walk(&[4, 0x81, 1, 9]).next().is_none());
        assert!(Walk(&[4, 0x82, 0, 0x80]).next().is_none());
        assert!(Walk(&[4, 0x80, 0, 0]).next().is_none());
        assert!(Walk(&[4, 2, 0]).next().is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_is_walked(tag in 1u8..0x1f, content in proptest::collection::vec(any::<u8>(), 0..700)) {
            let der = tlv(tag, &content);
            let mut walk = Walk(&der);
            let value = walk.next().unwrap();
            prop_assert_eq!(value.tag, tag);
            prop_assert_eq!(value.content, &content[..]);
            prop_assert_eq!(value.whole, &der[..]);
            prop_assert!(walk.at_end());
        }

        #[test]
        fn anything_can_be_walked(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut walk = Walk(&bytes);
            let mut seen = 0;
            while let Some(value) = walk.next() {
                seen += value.whole.len();
            }
            prop_assert!(seen <= bytes.len());
        }
    }
}
