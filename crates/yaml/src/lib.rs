//! YAML that people write (policies, trust files, settings, and with it JSON): bounded, without anchors, with the place
//! of every value, and read once whatever it becomes.
//!
//! The text becomes a [`Node`]; types are read from the tree. The parser and the tree are thus in the program once, and
//! what is compiled for each type is what serde derives for it: a deserializer that is generic from the text on costs
//! more than a megabyte in a program that reads forty types.
//!
//! Refused, because a person and a program, or two programs, could read it in two ways: anchors, aliases and merge keys
//! (YAML 1.2, section 3.2.2.2), tags other than those of the failsafe schema, a key written twice in one map, keys that
//! are no text; and more bytes, depth, nodes or documents than the limits here and of the caller.

mod de;
mod tree;

pub use tree::{Entry, Node, Resolved, Scalar, Value, parse};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// Bytes of one text. The largest that a caller allows is 4 MiB; policies of thousands of lines have some 100 KiB.
pub const BYTES: usize = 8 << 20;
/// Scalars, lists and maps in one text: with it the tree stays under 32 MiB.
pub const NODES: usize = 250_000;
/// Documents in one text.
pub const DOCUMENTS: usize = 1_024;

/// Characters of a key or word that a message repeats; the longest field has 22.
const SHOWN: usize = 80;

/// Where a value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

/// A value, and where it stands. Read from a [`Node`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it begins.
    pub place: Place,
}

/// Why a text is no YAML of this kind, or not of the wanted shape.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Wrong>);

#[derive(Clone, PartialEq, Eq)]
struct Wrong {
    place: Option<Place>,
    message: String,
}

impl Error {
    #[cold]
    fn new(place: Option<Place>, message: impl Into<String>) -> Self {
        Self(Box::new(Wrong { place, message: message.into() }))
    }

    /// The same, at `place` where it has none yet: the innermost value knows best.
    #[cold]
    fn or_at(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// Where; none where it is about the whole text.
    pub fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// What is wrong, in one line, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

/// A word of the text, as messages may show it: short, and without what a terminal would obey.
fn shown(word: &str) -> String {
    word.chars().take(SHOWN).flat_map(char::escape_debug).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.0.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl Node {
    /// What the node says, as a `T`.
    ///
    /// # Errors
    /// With the place of the first thing that does not fit.
    pub fn read<'de, T: Deserialize<'de>>(&self) -> Result<T, Error> {
        T::deserialize(self).map_err(|e| e.or_at(self.place))
    }
}

/// The documents in `text`, each as a `T`. Empty ones are left out. `depth` is how deep lists and maps may stand in each
/// other.
///
/// # Errors
/// As [`parse`] and [`Node::read`].
pub fn documents<T: DeserializeOwned>(text: &str, depth: usize) -> Result<Vec<T>, Error> {
    parse(text, depth)?.iter().filter(|node| !node.is_null()).map(Node::read).collect()
}

/// The one document in `text`, as a `T`.
///
/// # Errors
/// As [`documents`], and where there is none, or more than one.
pub fn document<T: DeserializeOwned>(text: &str, depth: usize) -> Result<T, Error> {
    let nodes = parse(text, depth)?;
    match nodes.as_slice() {
        [node] => node.read(),
        [] => Err(Error::new(None, "there is nothing in it")),
        [_, second, ..] => {
            Err(Error::new(Some(second.place), "one document is wanted, and here a second begins"))
        }
    }
}
