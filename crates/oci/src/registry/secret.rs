//! Text that must not be seen: wiped from memory when dropped, and impossible to print by accident.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A password or token. It has neither `Debug` nor `Display`; [`Secret::expose`] is the one way to its
/// text, so that each use can be found by name.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for putting it on the wire or into a file of its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
