//! Files in SPDX 3: a `software_File` each, given to their package by `contains`, to the image where they are nobody's.
//!
//! Permissions, sizes, layers and states have no field; they stand in our text in the element's comment.

use super::read::{Element, algorithm};
use crate::files::{self, FILE_MARK, File, Reader, Writer};
use crate::losses::Losses;
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A document that is written: its elements, and the files one at a time.
pub(super) struct Graph {
    pub(super) context: &'static str,
    pub(super) base: String,
    pub(super) creation: &'static str,
    /// The image.
    pub(super) image: String,
    pub(super) elements: Vec<Value>,
    /// Relationships so far.
    pub(super) relations: usize,
    pub(super) files: Writer,
}

impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("@context", self.context)?;
        map.serialize_entry("@graph", &Elements(self))?;
        map.end()
    }
}

struct Elements<'a>(&'a Graph);

impl Serialize for Elements<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let graph = self.0;
        let mut list = serializer.serialize_seq(None)?;
        for element in &graph.elements {
            list.serialize_element(element)?;
        }
        let mut contained: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, file) in graph.files.files.iter().enumerate() {
            list.serialize_element(&graph.file(at, file))?;
            contained.entry(graph.files.owner(file).unwrap_or(&graph.image)).or_default().push(at);
        }
        for (number, (from, files)) in contained.into_iter().enumerate() {
            list.serialize_element(&Contains { graph, number, from, files })?;
        }
        list.end()
    }
}

impl Graph {
    fn id(&self, at: usize) -> String {
        format!("{}#File-{}", self.base, at + 1)
    }

    fn file(&self, at: usize, file: &File) -> Value {
        let hash = |algorithm: &str, value: String| json!({ "type": "Hash", "algorithm": algorithm, "hashValue": value });
        let mut hashes: Vec<Value> = file.sha1.map(|h| hash("sha1", h.to_string())).into_iter().collect();
        hashes.extend(file.sha256.map(|h| hash("sha256", h.to_string())));
        let mut element = json!({
            "type": "software_File",
            "spdxId": self.id(at),
            "creationInfo": self.creation,
            "name": files::shown(&file.path),
        });
        if let Value::Object(fields) = &mut element {
            if !hashes.is_empty() {
                fields.insert("verifiedUsing".into(), hashes.into());
            }
            if let Some(text) = self.files.aside(file) {
                fields.insert("comment".into(), format!("{FILE_MARK}{text}").into());
            }
        }
        element
    }
}

/// What a package, or the image, contains.
struct Contains<'a> {
    graph: &'a Graph,
    number: usize,
    from: &'a str,
    files: Vec<usize>,
}

impl Serialize for Contains<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = self.graph.relations + self.number + 1;
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("type", "Relationship")?;
        map.serialize_entry("spdxId", &format!("{}#Relationship-{number}", self.graph.base))?;
        map.serialize_entry("creationInfo", self.graph.creation)?;
        map.serialize_entry("from", self.from)?;
        map.serialize_entry("relationshipType", "contains")?;
        map.serialize_entry("to", &Names(self))?;
        map.end()
    }
}

struct Names<'a>(&'a Contains<'a>);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.files.iter().map(|at| self.0.graph.id(*at)))
    }
}

/// Takes a file that is read, and counts what an inventory does not hold of it; `false` where it is over the limit.
pub(super) fn take(element: Element, files: &mut Reader, losses: &mut Losses) -> bool {
    for name in element.others.keys().filter(|name| *name != "creationInfo") {
        losses.add(&format!("software_File.{name}"));
    }
    let ours = element.comment.as_deref().and_then(|comment| comment.strip_prefix(FILE_MARK));
    if element.comment.is_some() && ours.is_none() {
        losses.add("software_File.comment");
    }
    let hashes: Vec<(String, String)> =
        element.verified_using.into_iter().map(|h| (algorithm(&h.algorithm), h.hash_value)).collect();
    for (algorithm, _) in hashes.iter().filter(|(a, hex)| !files::checksum_is_read(a, hex)) {
        losses.add(&format!("software_File.verifiedUsing of the type {algorithm}"));
    }
    files.take(&element.spdx_id, element.name.as_deref().unwrap_or_default(), hashes, ours)
}
