//! Files in SPDX 2.3: elements of their own, given to their package by `CONTAINS`.
//!
//! A package CONTAINS its files only where all of them are listed with SHA-1: then it is `filesAnalyzed` and has a
//! verification code (SPDX 2.3, section 7.9), which without them would say something untrue. Where they are not (somebody
//! asked for the files that nobody owns, and for changed ones), the owner stands in our text beside the file.
//!
//! Files are written a piece at a time: a hundred thousand of them in the document's own form would take more memory than
//! the inventory they come from.

use super::model::{Checksum, Relationship};
use crate::files::{self, FILE_MARK, File, Hex, Reader, Writer};
use crate::inventory::Inventory;
use crate::json;
use serde::de::Deserializer;
use serde::ser::SerializeSeq as _;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A property for a code that the files in the document do not give.
const CODE: &str = "spdx:verification-code";

/// The id of the file at that place of the list.
fn id(at: usize) -> String {
    format!("SPDXRef-File-{}", at + 1)
}

/// The files of a document that is written.
pub(super) struct List(pub(super) Arc<Writer>);

/// One file as the document has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Element {
    pub(super) file_name: String,
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    #[serde(skip_serializing_if = "Sums::is_empty")]
    pub(super) checksums: Sums,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
}

/// The checksums of a file, as a list.
pub(super) struct Sums {
    sha1: Option<Hex<20>>,
    sha256: Option<Hex<32>>,
}

impl Sums {
    fn is_empty(&self) -> bool {
        self.sha1.is_none() && self.sha256.is_none()
    }

    /// Each of them, with the name of its algorithm.
    #[cfg(feature = "documents")]
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, String)> {
        let sha1 = self.sha1.map(|hash| ("SHA1", hash.to_string()));
        sha1.into_iter().chain(self.sha256.map(|hash| ("SHA256", hash.to_string())))
    }
}

impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Sum<T> {
            algorithm: &'static str,
            checksum_value: T,
        }

        let mut list = serializer.serialize_seq(None)?;
        if let Some(checksum_value) = self.sha1 {
            list.serialize_element(&Sum { algorithm: "SHA1", checksum_value })?;
        }
        if let Some(checksum_value) = self.sha256 {
            list.serialize_element(&Sum { algorithm: "SHA256", checksum_value })?;
        }
        list.end()
    }
}

impl List {
    pub(super) fn is_empty(&self) -> bool {
        self.0.files.is_empty()
    }

    fn element(&self, at: usize, file: &File) -> Element {
        Element {
            file_name: format!(".{}", files::shown(&file.path)),
            id: id(at),
            checksums: Sums { sha1: file.sha1, sha256: file.sha256 },
            comment: self.0.aside(file).map(|text| format!("{FILE_MARK}{text}")),
        }
    }

    /// Each file, with what the document calls its package.
    #[cfg(feature = "documents")]
    pub(super) fn elements(&self) -> impl Iterator<Item = (Option<&str>, Element)> {
        self.0.files.iter().enumerate().map(|(at, file)| (self.0.owner(file), self.element(at, file)))
    }
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let files = &self.0.files;
        json::items(&mut list, files.len(), self.0.layout, |at| {
            files.get(at).map(|file| self.element(at, file))
        })?;
        list.end()
    }
}

/// A relationship as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Edge<'a> {
    pub(super) spdx_element_id: &'a str,
    pub(super) relationship_type: &'a str,
    pub(super) related_spdx_element: Cow<'a, str>,
}

/// The relationships of a document that is written.
pub(super) struct Edges {
    pub(super) between_packages: Vec<Relationship>,
    pub(super) files: Arc<Writer>,
}

impl Edges {
    fn between_packages(&self) -> impl Iterator<Item = Edge<'_>> {
        self.between_packages.iter().map(|relationship| Edge {
            spdx_element_id: &relationship.spdx_element_id,
            relationship_type: &relationship.relationship_type,
            related_spdx_element: Cow::Borrowed(&relationship.related_spdx_element),
        })
    }

    /// That the file at this place of the list is its package's.
    fn contains(&self, at: usize) -> Option<Edge<'_>> {
        let owner = self.files.owner(self.files.files.get(at)?)?;
        let related_spdx_element = Cow::Owned(id(at));
        Some(Edge { spdx_element_id: owner, relationship_type: "CONTAINS", related_spdx_element })
    }

    /// Each of them.
    #[cfg(feature = "documents")]
    pub(super) fn each(&self) -> impl Iterator<Item = Edge<'_>> {
        let files = 0..self.files.files.len();
        self.between_packages().chain(files.filter_map(|at| self.contains(at)))
    }
}

impl Serialize for Edges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        self.between_packages().try_for_each(|edge| list.serialize_element(&edge))?;
        json::items(&mut list, self.files.files.len(), self.files.layout, |at| self.contains(at))?;
        list.end()
    }
}

/// The files of a document that is read.
#[derive(Default)]
pub(super) struct Found(pub(super) Reader);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile {
    #[serde(default)]
    file_name: String,
    #[serde(default, rename = "SPDXID")]
    id: String,
    #[serde(default)]
    checksums: Option<Vec<Checksum>>,
    #[serde(default)]
    comment: Option<String>,
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut files = Reader::default();
        json::each(deserializer, "FILES", |raw: RawFile| {
            take(
                &mut files,
                &raw.id,
                &raw.file_name,
                raw.checksums.unwrap_or_default(),
                raw.comment.as_deref(),
            )
        })?;
        Ok(Self(files))
    }
}

/// Takes one file; `false` where that is over the limit.
pub(super) fn take(
    files: &mut Reader,
    id: &str,
    name: &str,
    checksums: Vec<Checksum>,
    comment: Option<&str>,
) -> bool {
    let checksums = checksums.into_iter().map(|c| (c.algorithm, c.checksum_value));
    let within = files.take(id, name, checksums, comment.and_then(|c| c.strip_prefix(FILE_MARK)));
    if let Some(layer) = comment.and_then(layer_id) {
        files.last_layer(&layer);
    }
    within
}

/// syft's way to say in which layer a file stands.
fn layer_id(comment: &str) -> Option<String> {
    crate::fields::sha256_digest(comment.strip_prefix("layerID: ")?.trim())
}

/// Whether a file's comment says something that an inventory holds.
#[cfg(feature = "documents")]
pub(crate) fn comment_is_read(comment: &str) -> bool {
    comment.starts_with(FILE_MARK) || layer_id(comment).is_some()
}

/// Whether a relationship gives a file to a package, which is then said of the file.
pub(super) fn owned(relationship: &Relationship, files: &mut Reader) -> bool {
    let Relationship { spdx_element_id: from, related_spdx_element: to, .. } = relationship;
    match relationship.relationship_type.as_str() {
        "CONTAINS" => files.owned(from, to),
        "CONTAINED_BY" => files.owned(to, from),
        _ => false,
    }
}

/// The verification codes of the packages whose files are all listed with SHA-1, by id.
#[cfg(feature = "documents")]
pub(super) fn codes(inventory: &Inventory) -> BTreeMap<&str, String> {
    use crate::files::Selection;
    use sha1::Digest as _;
    use std::collections::HashSet;
    let partial = inventory.file_findings.as_ref().is_some_and(|f| f.listed < Selection::Owned);
    let mut sums: HashMap<&str, Vec<&[u8; 20]>> = HashMap::new();
    let mut without = HashSet::new();
    for file in inventory.files.iter().filter(|_| !partial) {
        let Some(owner) = file.package.as_deref() else { continue };
        match &file.sha1 {
            Some(hash) => sums.entry(owner).or_default().push(&hash.0),
            None => drop(without.insert(owner)),
        }
    }
    let code = |mut sums: Vec<&[u8; 20]>| {
        sums.sort_unstable();
        let mut hasher = sha1::Sha1::new();
        sums.iter().for_each(|sum| hasher.update(hex::encode(sum)));
        hex::encode(hasher.finalize())
    };
    sums.into_iter()
        .filter(|(owner, _)| !without.contains(owner))
        .map(|(id, sums)| (id, code(sums)))
        .collect()
}

/// Without the other documents there is no SHA-1, and no package is analysed.
#[cfg(not(feature = "documents"))]
pub(super) fn codes(_: &Inventory) -> BTreeMap<&str, String> {
    BTreeMap::new()
}

/// Keeps the codes of a document that its files do not give: they are made of files that it does not list.
pub(super) fn keep_codes(
    inventory: &mut Inventory,
    codes_read: HashMap<String, String>,
    ids: &HashMap<String, String>,
) {
    if codes_read.is_empty() || cfg!(not(feature = "documents")) {
        return;
    }
    let ours = codes(inventory);
    let other: HashMap<&String, String> = codes_read
        .into_iter()
        .filter_map(|(id, code)| ids.get(&id).map(|id| (id, code)))
        .filter(|(id, code)| ours.get(id.as_str()) != Some(code))
        .collect();
    for package in &mut inventory.packages {
        if let Some(code) = other.get(&package.id) {
            package.properties.insert(CODE.to_owned(), code.clone());
        }
    }
}
