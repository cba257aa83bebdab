//! `index.json`: what a layout says it holds, and under which names.
//!
//! Entries are read strictly into [`Descriptor`]s, and kept beside that as they came, so that what other
//! tools wrote into an entry survives our edit. Refused: duplicate keys, another schema version, a media
//! type other than that of an index, more than [`limits::INDEX_ENTRIES`] entries.

use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Descriptor, annotation, media_type};
use crate::reference::Location;
use crate::{limits, strict};
use serde::Deserialize;
use serde_json::Value;

/// Under which whole name containerd and Docker export an image.
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// One entry: as read, and as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) descriptor: Descriptor,
    // Only an editor needs the fields that we do not know.
    #[cfg_attr(not(feature = "push"), allow(dead_code))]
    raw: Value,
}

impl Entry {
    pub(crate) fn tag(&self) -> Option<&str> {
        self.descriptor.annotations.get(annotation::REF_NAME).map(String::as_str)
    }

    /// The names other than the tag itself under which `tag` may mean this entry.
    fn answers_to(&self, tag: &str) -> bool {
        [annotation::REF_NAME, CONTAINERD_NAME]
            .iter()
            .filter_map(|key| self.descriptor.annotations.get(*key))
            .any(|name| name == tag || tag_part(name) == Some(tag))
    }

    /// Whether the entry itself says that it is no image: an artifact, or under the tag of a signature.
    pub(crate) fn is_attachment(&self) -> bool {
        self.descriptor.artifact_type.is_some() || self.tag().is_some_and(is_digest_tag)
    }
}

/// The tag in a whole name: `1.0` of `docker.io/library/nginx:1.0`.
pub(crate) fn tag_part(name: &str) -> Option<&str> {
    name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.is_empty() && !tag.contains('/'))
}

/// Whether `tag` is `sha256-<hex>` with or without a suffix: where signatures and referrers are kept.
fn is_digest_tag(tag: &str) -> bool {
    [("sha256-", 64), ("sha512-", 128)].iter().any(|(prefix, len)| {
        tag.strip_prefix(prefix)
            .and_then(|rest| rest.get(..*len))
            .is_some_and(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    })
}

/// All of `index.json`.
#[derive(Debug, Clone)]
pub(crate) struct IndexFile {
    pub(crate) entries: Vec<Entry>,
    #[cfg_attr(not(feature = "push"), allow(dead_code))]
    rest: serde_json::Map<String, Value>,
}

impl IndexFile {
    pub(crate) fn parse(bytes: &[u8], on: &Location) -> Result<Self> {
        let bad = |why: String| {
            Error::new("read layout", on, ErrorKind::Malformed(format!("its index.json: {why}")))
        };
        let mut rest: serde_json::Map<String, Value> = strict::from_slice(bytes).map_err(bad)?;
        if rest.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
            return Err(bad("schemaVersion is not 2".into()));
        }
        // Many writers leave the media type out here, and no header could contradict it.
        if rest.get("mediaType").is_some_and(|m| m.as_str() != Some(media_type::INDEX)) {
            return Err(bad("its mediaType is not that of an image index".into()));
        }
        if rest.contains_key("layers") || rest.contains_key("config") {
            return Err(bad("ambiguous: an index that also has layers or a config".into()));
        }
        let Some(Value::Array(raw)) = rest.remove("manifests") else {
            return Err(bad("it has no list of manifests".into()));
        };
        if raw.len() > limits::INDEX_ENTRIES {
            return Err(too_many(on));
        }
        let entries = raw
            .into_iter()
            .map(|raw| Descriptor::deserialize(&raw).map(|descriptor| Entry { descriptor, raw }))
            .collect::<Result<_, _>>()
            .map_err(|e| bad(e.to_string()))?;
        Ok(Self { entries, rest })
    }

    /// The one entry that `tag` means: the entry of that name, else the one whole name with that tag.
    pub(crate) fn find(&self, tag: &str, on: &Location) -> Result<Option<&Entry>> {
        let exact: Vec<&Entry> = self.entries.iter().filter(|e| e.tag() == Some(tag)).collect();
        let found = if exact.is_empty() {
            self.entries.iter().filter(|e| e.answers_to(tag)).collect()
        } else {
            exact
        };
        match found.as_slice() {
            [] => Ok(None),
            [first, others @ ..] if others.iter().all(|o| o.descriptor.digest == first.descriptor.digest) => {
                Ok(Some(first))
            }
            several => {
                Err(ambiguous(on, &format!("'{}' means several manifests", tag.escape_debug()), several)
                    .hint("name one by its digest: …@sha256:…"))
            }
        }
    }
}

fn too_many(on: &Location) -> Error {
    let value = limits::INDEX_ENTRIES as u64;
    Error::new("read layout", on, ErrorKind::LimitExceeded { limit: "INDEX_ENTRIES", value })
}

pub(crate) fn ambiguous(on: &Location, why: &str, several: &[&Entry]) -> Error {
    let shown = |e: &&Entry| match e.descriptor.annotations.get(annotation::REF_NAME) {
        Some(tag) => tag.chars().take(100).collect::<String>().escape_debug().to_string(),
        None => format!("@{}", e.descriptor.digest),
    };
    let mut list: Vec<String> = several.iter().take(10).map(shown).collect();
    if several.len() > list.len() {
        list.push(format!("and {} more", several.len() - list.len()));
    }
    Error::new("find image", on, ErrorKind::Ambiguous(format!("{why}: {}", list.join(", "))))
}

#[cfg(feature = "push")]
mod edit {
    use super::*;
    use crate::digest::Digest;

    impl IndexFile {
        /// The index.json of a layout that holds nothing yet.
        pub(crate) fn empty() -> Self {
            let mut rest = serde_json::Map::new();
            rest.insert("schemaVersion".into(), 2.into());
            rest.insert("mediaType".into(), media_type::INDEX.into());
            Self { entries: Vec::new(), rest }
        }

        /// Puts `descriptor` under `tag`, which then names nothing else, or lists it without a tag.
        pub(crate) fn put(&mut self, mut descriptor: Descriptor, tag: Option<&str>) {
            // A manifest's annotations are copied into its entry; they must not become a name.
            descriptor.annotations.remove(annotation::REF_NAME);
            descriptor.annotations.remove(CONTAINERD_NAME);
            if let Some(tag) = tag {
                descriptor.annotations.insert(annotation::REF_NAME.into(), tag.into());
                let (moved, kept) = std::mem::take(&mut self.entries)
                    .into_iter()
                    .partition::<Vec<_>, _>(|e| e.tag() == Some(tag));
                self.entries = kept;
                // What was attached stays findable from its subject when its tag moves on.
                for old in moved.into_iter().filter(|e| e.descriptor.artifact_type.is_some()) {
                    if old.descriptor.digest != descriptor.digest {
                        self.put(old.descriptor, None);
                    }
                }
            }
            let listed = self.entries.iter().any(|e| e.descriptor.digest == descriptor.digest);
            if tag.is_none() && listed && descriptor.artifact_type.is_none() {
                return;
            }
            self.forget_nameless(&descriptor.digest);
            if let Ok(raw) = serde_json::to_value(&descriptor) {
                self.entries.push(Entry { descriptor, raw });
            }
        }

        /// Drops the nameless entry of a manifest that is found in another way from now on.
        pub(crate) fn forget_nameless(&mut self, digest: &Digest) {
            let named =
                |e: &Entry| e.tag().is_some() || e.descriptor.annotations.contains_key(CONTAINERD_NAME);
            self.entries.retain(|e| e.descriptor.digest != *digest || named(e));
        }

        /// The same for what is listed as an image; what is attached stays listed, or nothing finds it.
        pub(crate) fn forget_nameless_image(&mut self, digest: &Digest) {
            if !self.entries.iter().any(|e| e.descriptor.digest == *digest && e.is_attachment()) {
                self.forget_nameless(digest);
            }
        }

        /// The bytes of the file. Entries stand in an order that does not depend on who came first: images
        /// by tag, then what is attached to them.
        pub(crate) fn to_bytes(&self, on: &Location) -> Result<Vec<u8>> {
            if self.entries.len() > limits::INDEX_ENTRIES {
                return Err(too_many(on));
            }
            let mut entries: Vec<&Entry> = self.entries.iter().collect();
            entries.sort_by_key(|e| {
                (
                    e.is_attachment(),
                    e.tag().is_none(),
                    e.tag().map(str::to_owned),
                    e.descriptor.digest.clone(),
                )
            });
            let mut all = self.rest.clone();
            all.insert("manifests".into(), entries.iter().map(|e| e.raw.clone()).collect());
            let bytes = serde_json::to_vec(&all)
                .map_err(|e| Error::new("write layout", on, ErrorKind::Local(e.to_string())))?;
            if bytes.len() as u64 > limits::MANIFEST_BYTES {
                let value = limits::MANIFEST_BYTES;
                let kind = ErrorKind::LimitExceeded { limit: "MANIFEST_BYTES", value };
                return Err(Error::new("write layout", on, kind));
            }
            Ok(bytes)
        }
    }
}
