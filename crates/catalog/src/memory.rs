//! What one run remembers of layers: between the images of an index, and between runs.
//!
//! Decides whether a layer is read at all. One that several images of this run have is read for the first of them
//! and held until the last; others are let go at once, so that a run never holds more than its images share. With a
//! [`Cache`], what earlier runs read is asked for first.

use crate::cache::{Cache, Key};
use crate::layer::{Facts, PathHasher};
use seaworthy_oci::{Digest, Image};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a run remembers of layers. Clones are the same one; the default remembers nothing.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    names: PathHasher,
    cache: Option<Cache>,
    shared: Mutex<HashMap<Digest, Shared>>,
}

/// A layer of several images.
#[derive(Default)]
struct Shared {
    /// Images that will still ask for it.
    left: usize,
    held: HashMap<Key, Arc<Facts>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Memory {
    /// For a run over `images`, each of which is read once, with what earlier runs left in `cache`.
    pub fn of_run<'a>(images: impl IntoIterator<Item = &'a Image>, cache: Option<Cache>) -> Self {
        let mut shared: HashMap<Digest, Shared> = HashMap::new();
        for image in images {
            let mut digests: Vec<&Digest> = image.layers.iter().map(|layer| &layer.digest).collect();
            digests.sort();
            digests.dedup();
            for digest in digests {
                shared.entry(digest.clone()).or_default().left += 1;
            }
        }
        shared.retain(|_, layer| layer.left > 1);
        let names = cache.as_ref().map(Cache::names).unwrap_or_default();
        Self(Arc::new(Inner { names, cache, shared: Mutex::new(shared) }))
    }

    /// Where results are kept between runs, if anywhere.
    pub fn cache(&self) -> Option<&Cache> {
        self.0.cache.as_ref()
    }

    /// How paths are named in all facts of this run.
    pub(crate) fn names(&self) -> &PathHasher {
        &self.0.names
    }

    /// Whether something may be known of this layer.
    pub(crate) fn may_have(&self, key: &Key) -> bool {
        let shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.cache.is_some() || shared.get(&key.digest).is_some_and(|layer| layer.held.contains_key(key))
    }

    /// What this run has read of this layer.
    pub(crate) fn held(&self, key: &Key) -> Option<Arc<Facts>> {
        let mut shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let layer = shared.get_mut(&key.digest)?;
        let facts = layer.held.get(key).cloned()?;
        layer.left = layer.left.saturating_sub(1);
        if layer.left == 0 {
            shared.remove(&key.digest);
        }
        Some(facts)
    }

    /// What is known of this layer. May read a file.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Facts>> {
        if let Some(facts) = self.held(key) {
            return Some(facts);
        }
        let facts = Arc::new(self.0.cache.as_ref()?.get(key)?);
        self.hold(key, &facts);
        Some(facts)
    }

    /// Remembers what was read of this layer. May write a file.
    pub(crate) fn put(&self, key: &Key, facts: &Arc<Facts>) {
        self.hold(key, facts);
        if let Some(cache) = &self.0.cache {
            cache.put(key, facts);
        }
    }

    /// The layers of an image were read: a cache that grew is cut.
    pub(crate) fn image_done(&self) {
        if let Some(cache) = &self.0.cache {
            cache.trim();
        }
    }

    /// Remembers it for this run alone.
    pub(crate) fn hold(&self, key: &Key, facts: &Arc<Facts>) {
        let mut shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layer) = shared.get_mut(&key.digest) {
            layer.left = layer.left.saturating_sub(1);
            if layer.left == 0 {
                shared.remove(&key.digest);
            } else {
                layer.held.insert(key.clone(), Arc::clone(facts));
            }
        }
    }
}
