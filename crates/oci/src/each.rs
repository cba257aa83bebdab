//! One value for each key, made when it is first asked for.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// One `V` for each key. It only grows, so it belongs to one run and to keys whose number is bounded elsewhere.
pub(crate) struct Each<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K, V> Default for Each<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone, V: Default> Each<K, V> {
    /// The value of `key`, which others may hold too.
    pub(crate) fn of(&self, key: &K) -> Arc<V> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(map.entry(key.clone()).or_default())
    }
}
