//! What a conversion leaves behind, said openly.
//!
//! An inventory holds less than some documents do: vulnerabilities, services, pedigrees. Whoever
//! converts a document is told what was in it and is not in the result, by name and count.

use std::collections::BTreeMap;

/// Names kept apart; a document with more kinds of unknown things than this is told so in one line.
const NAMES: usize = 200;
const MORE: &str = "other things";

/// What was left behind, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses(BTreeMap<String, u64>);

impl Losses {
    /// Counts one more of `what`.
    pub fn add(&mut self, what: &str) {
        self.add_many(what, 1);
    }

    /// Counts `count` more of `what`.
    pub fn add_many(&mut self, what: &str, count: u64) {
        if count == 0 {
            return;
        }
        let what: String = what.chars().take(120).map(|c| if c.is_control() { '?' } else { c }).collect();
        let key = if self.0.len() < NAMES || self.0.contains_key(&what) { what } else { MORE.to_owned() };
        let slot = self.0.entry(key).or_default();
        *slot = slot.saturating_add(count);
    }

    /// Whether nothing was left behind.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What, and how many, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(what, count)| (what.as_str(), *count))
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        for (what, count) in other.iter() {
            self.add_many(what, count);
        }
    }
}
