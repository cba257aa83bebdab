//! Packing: which members a bag has, and `index.json`, which both sides make anew from what belongs to the
//! images.

use super::super::write::TarWriter;
use super::{
    API_VERSION, CONTENTS, Contents, DIGESTS, EXTRA_BYTES, IMAGES, Listed, MARKER, Name, POLICY,
    TRUSTED_ROOT, blob_name, configs,
};
use crate::closure::{Closure, Via};
use crate::digest::{CheckedReader, Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::index::CONTAINERD_NAME;
use crate::layout::store::off_reactor;
use crate::limits;
use crate::manifest::{Descriptor, Manifest, annotation, media_type};
use crate::reference::Location;
use crate::source::Source;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

/// An image to be packed.
pub struct Packed<'a> {
    /// Under which name.
    pub name: Name,
    /// Where it is read from.
    pub source: &'a dyn Source,
    /// All that belongs to it there.
    pub closure: &'a Closure,
}

/// Files that are carried along.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// The policy by which the images are meant to be judged.
    pub policy: Option<Vec<u8>>,
    /// The trusted root that goes with it.
    pub trusted_root: Option<Vec<u8>>,
}

/// A bag that was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its size in bytes.
    pub size: u64,
    /// The digest of the file.
    pub digest: Digest,
    /// Its `bag.json`.
    pub contents: Contents,
    /// How many blobs are in it, manifests not counted.
    pub blobs: usize,
}

fn failure(why: String) -> Error {
    Error::new("pack", "images", ErrorKind::Malformed(why))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| failure(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn lines(digests: &BTreeSet<Digest>) -> String {
    digests.iter().map(|d| format!("{d}\n")).collect()
}

/// `index.json` for these images: the same bytes for the same content, wherever it came from.
pub(super) fn index<'a>(images: impl Iterator<Item = (&'a Name, &'a Closure)>) -> Result<Vec<u8>> {
    let (mut roots, mut attached) = (Vec::new(), BTreeMap::new());
    for (name, closure) in images {
        if let Some(raw) = closure.image.last() {
            let mut entry = raw.descriptor.bare();
            entry.annotations.insert(CONTAINERD_NAME.into(), name.to_string());
            if let Some(tag) = &name.tag {
                entry.annotations.insert(annotation::REF_NAME.into(), tag.clone());
            }
            roots.push((name.clone(), entry));
        }
        for attachment in &closure.evidence {
            let digest = &attachment.manifest.descriptor.digest;
            let mut entry = attachment.manifest.descriptor.bare();
            let (artifact_type, annotations) = match attachment.manifest.parse()? {
                Manifest::Image(m) => {
                    // The distribution specification's rule; what is under a tag shows its type by it.
                    let of_config = Some(m.config.media_type).filter(|_| attachment.via == Via::Referrer);
                    (m.artifact_type.or(of_config), m.annotations)
                }
                Manifest::Index(m) => (m.artifact_type, m.annotations),
            };
            entry.artifact_type = artifact_type;
            match &attachment.via {
                Via::Referrer => {
                    entry.annotations = annotations;
                    // A manifest's own annotations must not become a name in the layout.
                    entry.annotations.remove(annotation::REF_NAME);
                    entry.annotations.remove(CONTAINERD_NAME);
                }
                Via::Tag(tag) => {
                    entry.annotations.insert(annotation::REF_NAME.into(), tag.clone());
                }
            }
            attached.insert((attachment.via.clone(), digest.clone()), entry);
        }
    }
    let mut tags = BTreeSet::new();
    for (via, _) in attached.keys() {
        if let Via::Tag(tag) = via
            && !tags.insert(tag)
        {
            let why = format!("two of the images have the same digest and other signatures under {tag}");
            return Err(Error::new("pack", "images", ErrorKind::Ambiguous(why))
                .hint("pack them in two bags, or copy one over the other first: tags are merged then"));
        }
    }
    roots.sort_by(|(a, _), (b, _)| a.cmp(b));
    for pair in roots.windows(2) {
        if let [(a, one), (b, other)] = pair
            && a == b
        {
            let what = if one.digest == other.digest { "given twice" } else { "two images" };
            let kind = ErrorKind::Ambiguous(format!("'{a}' is {what}"));
            return Err(Error::new("pack", "images", kind).hint("give one of them another name: IMAGE=NAME"));
        }
    }
    let entries: Vec<Descriptor> =
        roots.into_iter().map(|(_, entry)| entry).chain(attached.into_values()).collect();
    if entries.len() > limits::INDEX_ENTRIES {
        let value = limits::INDEX_ENTRIES as u64;
        let kind = ErrorKind::LimitExceeded { limit: "INDEX_ENTRIES", value };
        return Err(Error::new("pack", "images", kind).hint("pack fewer images in one bag"));
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        schema_version: u32,
        media_type: &'static str,
        manifests: Vec<Descriptor>,
    }
    let bytes =
        serde_json::to_vec(&File { schema_version: 2, media_type: media_type::INDEX, manifests: entries })
            .map_err(|e| failure(e.to_string()))?;
    if bytes.len() as u64 > limits::MANIFEST_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "MANIFEST_BYTES", value: limits::MANIFEST_BYTES };
        return Err(Error::new("pack", "images", kind).hint("pack fewer images in one bag"));
    }
    Ok(bytes)
}

enum Member<'a> {
    Bytes(Vec<u8>),
    Blob(&'a dyn Source, Box<Descriptor>),
}

/// Writes a bag to `file`. Layers whose digests are in `known` are left out, configurations and evidence
/// never are: a bag can always be judged by itself. The same content gives the same bytes.
///
/// # Errors
/// Where anything that belongs in it cannot be read, and [`ErrorKind::Ambiguous`] where two images would
/// have one name. What was written by then is no bag.
pub async fn write(
    file: File,
    images: &[Packed<'_>],
    known: &BTreeSet<Digest>,
    extras: &Extras,
) -> Result<Written> {
    let mut members: BTreeMap<String, Member<'_>> = BTreeMap::new();
    let (mut digests, mut left_out, mut listed) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut kept = BTreeSet::new();
    for packed in images {
        kept.extend(packed.closure.evidence_blobs()?.into_keys());
        kept.extend(configs(packed.closure)?);
    }
    for packed in images {
        for (digest, raw) in packed.closure.manifests() {
            digests.insert(digest.clone());
            members.insert(blob_name(digest), Member::Bytes(raw.bytes.clone()));
        }
        let mut blobs = packed.closure.image_blobs()?;
        blobs.append(&mut packed.closure.evidence_blobs()?);
        for (digest, blob) in blobs {
            if known.contains(&digest) && !kept.contains(&digest) {
                left_out.insert(digest.clone());
            } else if !blob.urls.is_empty() && !has(packed.source, &blob).await? {
                // A layer that lies elsewhere for good (`urls`) does not travel with any copy.
                continue;
            } else {
                members.entry(blob_name(&digest)).or_insert(Member::Blob(packed.source, Box::new(blob)));
            }
            digests.insert(digest);
        }
        listed.extend(Listed::new(packed.name.clone(), packed.closure));
    }
    if listed.len() > IMAGES {
        let kind = ErrorKind::LimitExceeded { limit: "IMAGES", value: IMAGES as u64 };
        return Err(Error::new("pack", "images", kind).hint("pack fewer images in one bag"));
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let blobs = members.values().filter(|m| matches!(m, Member::Blob(..))).count();
    let mut files = BTreeMap::new();
    for (name, bytes) in [(POLICY, &extras.policy), (TRUSTED_ROOT, &extras.trusted_root)] {
        let Some(bytes) = bytes else { continue };
        if bytes.len() as u64 > EXTRA_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "EXTRA_BYTES", value: EXTRA_BYTES };
            return Err(Error::new("pack", name, kind));
        }
        files.insert(name.to_owned(), Digest::sha256(bytes));
        members.insert(name.to_owned(), Member::Bytes(bytes.clone()));
    }
    let contents = Contents { api_version: API_VERSION.into(), images: listed, left_out, files };
    members.insert("index.json".into(), Member::Bytes(index(images.iter().map(|p| (&p.name, p.closure)))?));
    members.insert("oci-layout".into(), Member::Bytes(MARKER.to_vec()));
    members.insert(CONTENTS.into(), Member::Bytes(json(&contents)?));
    members.insert(DIGESTS.into(), Member::Bytes(lines(&digests).into_bytes()));
    if members.len() > super::super::tar::MEMBERS {
        let kind = ErrorKind::LimitExceeded { limit: "MEMBERS", value: super::super::tar::MEMBERS as u64 };
        return Err(Error::new("pack", "images", kind).hint("pack fewer images in one bag"));
    }

    let on = Location::OciArchive("bag".into());
    let mut tar = TarWriter::new(file);
    for (name, member) in members {
        let (size, reader): (u64, Box<dyn Read + Send>) = match member {
            Member::Bytes(bytes) => (bytes.len() as u64, Box::new(io::Cursor::new(bytes))),
            Member::Blob(source, blob) => {
                let reader = source.blob(&blob).await?;
                let place = format!("{}@{}", source.location(), blob.digest);
                (blob.size, Box::new(CheckedReader::new(reader, blob.digest.clone(), blob.size, place)))
            }
        };
        // The writer travels to the thread that may block, and comes back.
        tar = off_reactor(&on, move || tar.member(&name, size, reader).map(|()| tar)).await?;
    }
    let (size, digest) = off_reactor(&on, move || tar.finish()).await?;
    Ok(Written { size, digest, contents, blobs })
}

async fn has(source: &dyn Source, blob: &Descriptor) -> Result<bool> {
    match source.blob(blob).await {
        Ok(_) => Ok(true),
        Err(e) if e.is_not_found() => Ok(false),
        Err(e) => Err(e),
    }
}
