//! Types from the tree, by serde. What does not depend on the type is no generic code: it would be compiled anew for
//! each.

use crate::tree::{boolean, integer};
use crate::{Entry, Error, Node, Place, Resolved, Spanned, Value, shown};
use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::fmt::{self, Display};
use std::marker::PhantomData;

/// The name by which [`Spanned`] asks for a place. No type of ours is called so.
const PLACED: &str = "a value and its place";

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(None, message.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let field = shown(field);
        Self::new(None, format!("unknown field `{field}`, expected one of {}", expected.join(", ")))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let variant = shown(variant);
        Self::new(None, format!("unknown variant `{variant}`, expected one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(None, format!("missing field `{field}`"))
    }
}

/// A whole number, by its sign: the type that is wanted says whether it is too large.
enum Whole {
    Unsigned(u64),
    Negative(i64),
}

impl Node {
    #[cold]
    fn mismatch(&self, expected: &str) -> Error {
        Error::new(Some(self.place), format!("expected {expected}, found {}", self.kind()))
    }

    fn expect_bool(&self) -> Result<bool, Error> {
        self.text().and_then(|text| boolean(text.trim_ascii())).ok_or_else(|| self.mismatch("true or false"))
    }

    fn expect_whole(&self) -> Result<Whole, Error> {
        let number = self.text().and_then(|text| integer(text.trim_ascii()));
        let number = number.ok_or_else(|| self.mismatch("a whole number"))?;
        let whole = match u64::try_from(number) {
            Ok(number) => Some(Whole::Unsigned(number)),
            Err(_) => i64::try_from(number).ok().map(Whole::Negative),
        };
        whole.ok_or_else(|| Error::new(Some(self.place), "a number of more than 64 bits"))
    }

    fn expect_text(&self) -> Result<&str, Error> {
        self.text().filter(|_| !self.is_null()).ok_or_else(|| self.mismatch("a text"))
    }

    fn expect_list(&self) -> Result<List<'_>, Error> {
        match &self.value {
            Value::List(list) => Ok(List(list.iter())),
            _ => Err(self.mismatch("a list")),
        }
    }

    fn expect_map(&self) -> Result<Map<'_>, Error> {
        match &self.value {
            Value::Map(entries) => Ok(Map { rest: entries.iter(), value: None }),
            _ => Err(self.mismatch("a map")),
        }
    }
}

fn whole<'de, V: Visitor<'de>>(node: &Node, visitor: V) -> Result<V::Value, Error> {
    match node.expect_whole()? {
        Whole::Unsigned(number) => visitor.visit_u64(number),
        Whole::Negative(number) => visitor.visit_i64(number),
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::List(list) => visitor.visit_seq(List(list.iter())),
            Value::Map(entries) => visitor.visit_map(Map { rest: entries.iter(), value: None }),
            Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => visitor.visit_unit(),
                Resolved::Bool(is) => visitor.visit_bool(is),
                Resolved::Unsigned(number) => visitor.visit_u64(number),
                Resolved::Negative(number) => visitor.visit_i64(number),
                Resolved::Float(number) => visitor.visit_f64(number),
                Resolved::Text(text) => visitor.visit_str(text),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.expect_bool()?)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        whole(self, visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        whole(self, visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        whole(self, visitor)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        whole(self, visitor)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        whole(self, visitor)
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.expect_text()?)
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.expect_text()?)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.expect_list()?)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.expect_map()?)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(self.expect_map()?)
    }
    /// For [`Spanned`], through a method that nothing else calls: else each type would be compiled for it as well.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == PLACED {
            visitor.visit_map(Placed { node: self, line: true })
        } else {
            Err(self.mismatch(name))
        }
    }
    /// Words alone: none of our enumerations holds data.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let word: StrDeserializer<'_, Error> = self.expect_text()?.into_deserializer();
        visitor.visit_enum(word)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple identifier }
}

struct List<'a>(std::slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.0.next() {
            Some(node) => seed.deserialize(node).map(Some).map_err(|e| e.or_at(node.place)),
            None => Ok(None),
        }
    }
}

struct Map<'a> {
    rest: std::slice::Iter<'a, Entry>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Map<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(&entry.node);
        let key: StrDeserializer<'_, Error> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|e| e.or_at(entry.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self.value.take().ok_or_else(|| Error::new(None, "a value before its key"))?;
        seed.deserialize(node).map_err(|e| e.or_at(node.place))
    }
}

/// A node and its place, as a map: the keys are line and column, and the value is the node.
struct Placed<'a> {
    node: &'a Node,
    line: bool,
}

impl<'de> MapAccess<'de> for Placed<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Place { line, column } = self.node.place;
        let number = if std::mem::take(&mut self.line) { line } else { column };
        let number: U64Deserializer<Error> = number.into_deserializer();
        seed.deserialize(number).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.node)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Wanted<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PLACED)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spanned<T>, A::Error> {
                let line = map.next_key::<u64>()?.unwrap_or_default();
                let column = map.next_key::<u64>()?.unwrap_or_default();
                Ok(Spanned { value: map.next_value()?, place: Place { line, column } })
            }
        }
        deserializer.deserialize_tuple_struct(PLACED, 1, Wanted(PhantomData))
    }
}
