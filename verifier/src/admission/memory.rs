//! What is remembered, for how long, and how much of it.
//!
//! A map with a capacity and an end for each entry. Where it is full, what is over goes first, then what was
//! not used for longest; the scan for that costs microseconds at thousands of entries and saves the trusted
//! base a crate.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

pub(super) struct Memory<K, V> {
    entries: HashMap<K, Entry<V>>,
    capacity: usize,
    uses: u64,
}

struct Entry<V> {
    value: V,
    until: Instant,
    used: u64,
}

impl<K: Eq + Hash + Clone, V: Clone> Memory<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, uses: 0 }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        if entry.until <= Instant::now() {
            self.entries.remove(key);
            return None;
        }
        entry.used = self.uses;
        Some(entry.value.clone())
    }

    pub(super) fn put(&mut self, key: K, value: V, keep: Duration) {
        let now = Instant::now();
        self.uses += 1;
        if self.entries.len() >= self.capacity && !self.entries.contains_key(&key) {
            self.entries.retain(|_, e| e.until > now);
        }
        if self.entries.len() >= self.capacity
            && !self.entries.contains_key(&key)
            && let Some(oldest) = self.entries.iter().min_by_key(|(_, e)| e.used).map(|(k, _)| k.clone())
        {
            self.entries.remove(&oldest);
        }
        self.entries.insert(key, Entry { value, until: now + keep, used: self.uses });
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_capacity_plus_one_the_least_used_goes() {
        let mut memory = Memory::new(2);
        let long = Duration::from_secs(600);
        memory.put("a", 1, long);
        memory.put("b", 2, long);
        assert_eq!(memory.get(&"a"), Some(1));
        memory.put("c", 3, long);
        assert_eq!((memory.get(&"a"), memory.get(&"b"), memory.get(&"c")), (Some(1), None, Some(3)));
        assert_eq!(memory.len(), 2);
    }

    #[test]
    fn what_is_over_is_gone() {
        let mut memory = Memory::new(2);
        memory.put("a", 1, Duration::ZERO);
        assert_eq!(memory.get(&"a"), None);
        memory.put("b", 2, Duration::ZERO);
        memory.put("c", 3, Duration::from_secs(600));
        memory.put("d", 4, Duration::from_secs(600));
        assert_eq!((memory.get(&"c"), memory.get(&"d")), (Some(3), Some(4)));
    }
}
