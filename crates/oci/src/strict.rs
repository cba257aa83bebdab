//! JSON that can be read in one way only.
//!
//! Parsers disagree about duplicate keys: one takes the first, another the last, and an attacker lives in
//! between. Documents that are hashed, signed or judged therefore pass [`check`] first, which refuses
//! duplicate keys, nesting beyond [`crate::limits::JSON_DEPTH`], and anything after the document.

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Checks that `bytes` are one JSON document with unique keys and bounded depth.
///
/// # Errors
/// The reason, with line and column, as text.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Strict { left: crate::limits::JSON_DEPTH }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|e| e.to_string())
}

/// [`check`], then read into `T`.
///
/// # Errors
/// The reason as text.
pub fn from_slice<'a, T: de::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    check(bytes)?;
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

struct Strict {
    left: usize,
}

impl Strict {
    fn deeper<E: de::Error>(&self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left }),
            None => Err(E::custom(format!("nested deeper than {}", crate::limits::JSON_DEPTH))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: HashSet<String> = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value_seed(self.deeper()?)?;
            if let Some(key) = seen.replace(key) {
                let shown: String = key.chars().take(60).collect();
                return Err(de::Error::custom(format!("duplicate key '{}'", shown.escape_debug())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn one_reading_only() {
        assert!(check(br#"{"a":[1,{"a":2}],"b":null}"#).is_ok());
        assert!(check(br#"{"a":1,"a":2}"#).unwrap_err().contains("duplicate key 'a'"));
        assert!(check(br#"{"a":1,"\u0061":2}"#).unwrap_err().contains("duplicate key 'a'"));
        assert!(check(br#"{"a":1} {}"#).is_err());
        assert!(check(b"").is_err());
        let deep = |n| [vec![b'['; n], vec![b']'; n]].concat();
        assert!(check(&deep(64)).is_ok());
        assert!(check(&deep(66)).is_err());
        assert!(check(&deep(1_000_000)).is_err());
    }
}
