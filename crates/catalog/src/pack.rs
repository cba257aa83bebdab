//! Facts as bytes, for the cache of layers ([`crate::cache`]).
//!
//! Decides how what was read of a layer is written down: fields one after the other, numbers as LEB128, lengths
//! before what they count. There are no names and no versions in it: a program whose sources differ has another
//! cache version, and never reads these bytes. Refused is whatever does not come out even: bytes that are missing,
//! left over, or of no meaning. Nothing is reserved for a length that the bytes cannot hold.
//!
//! A new type within [`crate::catalogers::Fact`] needs one line below it, `pack!(struct Name { field, … })` or
//! `pack!(enum Name { Variant, Other(value), … })`; a field or variant that is left out does not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Items for which room is reserved before they are there.
const RESERVED: usize = 1024;
/// Different texts that stand in the program itself and are met in cached facts; it has some dozens.
const STATIC_TEXTS: usize = 4096;

/// Something that can be written down and read again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is kept of a layer and cannot be cached",
    note = "add `pack!(struct Name {{ every, field }})` or `pack!(enum Name {{ Variant, Other(value) }})` below its definition, with `use crate::pack::pack;`"
)]
pub(crate) trait Pack: Sized {
    /// Appends it to `out`.
    fn pack(&self, out: &mut Vec<u8>);

    /// Takes it off the front of `from`. `None`: that is not what stands there.
    fn unpack(from: &mut &[u8]) -> Option<Self>;
}

/// Writes the implementation of [`Pack`] for a struct, an enum, or (`json`) a type of another package that serde
/// knows. `use crate::pack::pack;` brings it in.
macro_rules! pack {
    (struct $name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $( $crate::pack::Pack::pack($field, out); )*
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::pack::Pack::unpack(from)?),* })
            }
        }
    };
    (enum $name:ident { $($variant:ident $(($($item:ident),+))?),* $(,)? }) => {
        impl $crate::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                enum Tag { $($variant),* }
                match self {
                    $( Self::$variant $(($($item),+))? => {
                        out.push(Tag::$variant as u8);
                        $( $( $crate::pack::Pack::pack($item, out); )+ )?
                    } )*
                }
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                enum Tag { $($variant),* }
                let tag = <u8 as $crate::pack::Pack>::unpack(from)?;
                $( if tag == Tag::$variant as u8 {
                    $( $( let $item = $crate::pack::Pack::unpack(from)?; )+ )?
                    return Some(Self::$variant $(($($item),+))?);
                } )*
                None
            }
        }
    };
    (json $name:ty) => {
        impl $crate::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                // Plain data without maps of other keys than text: it cannot fail, and an empty text is refused.
                $crate::pack::Pack::pack(&serde_json::to_string(self).unwrap_or_default(), out);
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                serde_json::from_slice($crate::pack::take_counted(from)?).ok()
            }
        }
    };
}
pub(crate) use pack;

/// The first `n` bytes.
pub(crate) fn take<'a>(from: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(n)?;
    *from = rest;
    Some(taken)
}

/// Bytes behind their number.
pub(crate) fn take_counted<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let n = usize::unpack(from)?;
    take(from, n)
}

/// A number of items, each of which takes at least one byte.
fn count(from: &mut &[u8]) -> Option<usize> {
    let n = usize::unpack(from)?;
    (n <= from.len()).then_some(n)
}

impl Pack for u8 {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        take(from, 1)?.first().copied()
    }
}

impl Pack for u64 {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut left = *self;
        while left >= 0x80 {
            out.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = u8::unpack(from)?;
            let bits = u64::from(byte & 0x7f);
            // Bits that do not fit are another number than was written.
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// Numbers that are written as the larger one.
macro_rules! as_u64 {
    ($($name:ty),*) => { $(
        impl Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                (*self as u64).pack(out);
            }

            fn unpack(from: &mut &[u8]) -> Option<Self> {
                u64::unpack(from)?.try_into().ok()
            }
        }
    )* };
}
as_u64!(usize, u32, u16);

impl Pack for i64 {
    fn pack(&self, out: &mut Vec<u8>) {
        self.cast_unsigned().pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        u64::unpack(from).map(u64::cast_signed)
    }
}

impl Pack for bool {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        match u8::unpack(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Pack for String {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        std::str::from_utf8(take_counted(from)?).ok().map(str::to_owned)
    }
}

/// Words of the program itself, as catalogers use them for a closed set of answers.
impl Pack for &'static str {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let text = std::str::from_utf8(take_counted(from)?).ok()?;
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(text) {
            return Some(known);
        }
        if known.len() >= STATIC_TEXTS {
            return None;
        }
        let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
        known.insert(kept);
        Some(kept)
    }
}

impl Pack for Box<str> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        std::str::from_utf8(take_counted(from)?).ok().map(Self::from)
    }
}

impl<const N: usize> Pack for [u8; N] {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        take(from, N)?.try_into().ok()
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.is_some().pack(out);
        if let Some(value) = self {
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::unpack(from)? { Some(T::unpack(from)?) } else { None })
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        self.iter().for_each(|item| item.pack(out));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        let n = count(from)?;
        let mut all = Self::with_capacity(n.min(RESERVED));
        for _ in 0..n {
            all.push(T::unpack(from)?);
        }
        Some(all)
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        T::unpack(from).map(Self::new)
    }
}

impl<T: Pack> Pack for Arc<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        T::unpack(from).map(Self::new)
    }
}

impl<K: Pack + Ord, V: Pack> Pack for BTreeMap<K, V> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        for (key, value) in self {
            key.pack(out);
            value.pack(out);
        }
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        (0..count(from)?).map(|_| <(K, V)>::unpack(from)).collect()
    }
}

impl<T: Pack + Ord> Pack for BTreeSet<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.len().pack(out);
        self.iter().for_each(|item| item.pack(out));
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        (0..count(from)?).map(|_| T::unpack(from)).collect()
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?))
    }
}

impl<A: Pack, B: Pack, C: Pack> Pack for (A, B, C) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
        self.2.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?, C::unpack(from)?))
    }
}

impl Pack for seaworthy_oci::Digest {
    fn pack(&self, out: &mut Vec<u8>) {
        self.to_string().pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        String::unpack(from)?.parse().ok()
    }
}

pack!(json seaworthy_sbom::inventory::OsRelease);
pack!(json seaworthy_sbom::inventory::Ecosystem);
pack!(json seaworthy_sbom::inventory::Package);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Thing {
        name: String,
        parts: Vec<(u64, Option<String>)>,
        kind: Kind,
        told: BTreeMap<&'static str, i64>,
    }
    pack!(struct Thing { name, parts, kind, told });

    #[derive(Debug, Clone, PartialEq)]
    enum Kind {
        Bare,
        Of(u64, String),
    }
    pack!(
        enum Kind {
            Bare,
            Of(number, text),
        }
    );

    fn packed(value: &impl Pack) -> Vec<u8> {
        let mut out = Vec::new();
        value.pack(&mut out);
        out
    }

    fn thing() -> impl Strategy<Value = Thing> {
        let kind = prop_oneof![Just(Kind::Bare), (any::<u64>(), ".{0,9}").prop_map(|(n, t)| Kind::Of(n, t))];
        let parts = proptest::collection::vec((any::<u64>(), proptest::option::of(".{0,9}")), 0..5);
        let told = proptest::collection::btree_map(prop_oneof![Just("a"), Just("bc")], any::<i64>(), 0..3);
        (".{0,20}", parts, kind, told).prop_map(|(name, parts, kind, told)| Thing { name, parts, kind, told })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(thing in thing()) {
            let bytes = packed(&thing);
            let mut rest = &bytes[..];
            prop_assert_eq!(Thing::unpack(&mut rest), Some(thing));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn what_is_cut_off_is_refused(thing in thing(), cut in any::<prop::sample::Index>()) {
            let bytes = packed(&thing);
            let mut rest = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(Thing::unpack(&mut rest), None);
        }

        #[test]
        fn whatever_stands_there_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Thing::unpack(&mut &bytes[..]);
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_before_room_is_made() {
        let huge = packed(&u64::MAX);
        assert!(Vec::<String>::unpack(&mut &huge[..]).is_none());
        assert!(String::unpack(&mut &huge[..]).is_none());
        // 2^64: one bit more than there is.
        let over = [[0x80; 9].as_slice(), &[2]].concat();
        assert!(u64::unpack(&mut &over[..]).is_none());
        assert!(bool::unpack(&mut &[2][..]).is_none());
        assert!(Kind::unpack(&mut &[2][..]).is_none());
    }
}
