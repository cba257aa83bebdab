//! Several inventories as one.
//!
//! Two packages are the same where ecosystem, name, version, architecture and purl (without qualifiers that only
//! say where it came from) agree. The first document that says something has the word; what a later one says
//! otherwise is kept beside it, in a property that names the field. Nothing is dropped: paths, checksums, files and
//! relationships are united.
//!
//! Documents about different images are no statement about either of them: that is refused, unless the result is
//! given a name of its own.

use crate::files::{File, Shared};
use crate::inventory::{Inventory, Package, Subject};
use crate::purl::Purl;
use crate::{Error, ErrorKind, Result, limits};
use std::collections::{BTreeMap, HashMap};

const TRIED: &str = "merge the SBOMs";
/// Properties in which later documents contradict the first.
const OTHERWISE: &str = "seaworthy:otherwise:";

/// What the result is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// What all documents are about: at most one digest among them.
    TheSame,
    /// Something new of this name, without a digest.
    Named(String),
}

/// What makes two packages one.
type Identity = (String, String, String, String, String);

fn identity(package: &Package) -> Identity {
    let purl = package.purl.as_deref().and_then(|p| Purl::parse(p).ok());
    let purl = purl.map(|p| format!("{}/{}/{}", p.kind, p.namespace.unwrap_or_default(), p.name));
    (
        package.ecosystem.name().to_owned(),
        package.name.clone(),
        package.version.clone().unwrap_or_default(),
        package.architecture.clone().unwrap_or_default(),
        purl.unwrap_or_default(),
    )
}

/// One inventory with everything that these say.
///
/// # Errors
/// [`ErrorKind::Unsupported`] where they are about different digests and the result has no name of its own, or
/// where there is nothing to merge; [`ErrorKind::LimitExceeded`].
pub fn merge(inventories: Vec<Inventory>, about: About) -> Result<Inventory> {
    let mut merged = Inventory { subject: subject(&inventories, about)?, ..Inventory::default() };
    let mut at: HashMap<Identity, usize> = HashMap::new();
    let (mut edges, mut files) = (Vec::new(), Vec::new());
    for inventory in inventories {
        let mut ids: HashMap<String, usize> = HashMap::with_capacity(inventory.packages.len());
        for mut package in inventory.packages {
            let old = std::mem::take(&mut package.id);
            let identity = identity(&package);
            let place = match at.get(&identity) {
                Some(&place) => {
                    if let Some(known) = merged.packages.get_mut(place) {
                        unite(known, package);
                    }
                    place
                }
                None => {
                    at.insert(identity, merged.packages.len());
                    merged.packages.push(package);
                    merged.packages.len() - 1
                }
            };
            ids.insert(old, place);
        }
        if merged.packages.len() > limits::PACKAGES {
            return Err(over("PACKAGES", limits::PACKAGES));
        }
        for r in &inventory.relationships {
            if let (Some(&from), Some(&to)) = (ids.get(&r.from), ids.get(&r.to)) {
                edges.push((from, r.kind, to));
            }
        }
        if edges.len() > limits::RELATIONSHIPS {
            return Err(over("RELATIONSHIPS", limits::RELATIONSHIPS));
        }
        merged.created = merged.created.max(inventory.created);
        merged.creators.extend(inventory.creators);
        merged.os = merged.os.or(inventory.os);
        for layer in inventory.layers {
            if !merged.layers.contains(&layer) {
                merged.layers.push(layer);
            }
        }
        merged.gaps.extend(inventory.gaps);
        merged.file_findings = match (merged.file_findings.take(), inventory.file_findings) {
            (Some(mut first), Some(second)) => {
                first.listed = first.listed.max(second.listed);
                Some(first)
            }
            (first, second) => first.or(second),
        };
        for file in inventory.files.iter() {
            let owner = file.package.as_deref().and_then(|id| ids.get(id)).copied();
            files.push((file.clone(), owner));
        }
        if files.len() > limits::FILES {
            return Err(over("FILES", limits::FILES));
        }
    }
    let mut used = crate::spdx::Ids::default();
    for package in &mut merged.packages {
        package.id = used.unique(&package.stable_id());
    }
    let id = |at: usize| merged.packages.get(at).map(|p| p.id.clone());
    let related = edges.into_iter().filter_map(|(from, kind, to)| {
        Some(crate::inventory::Relationship { from: id(from)?, kind, to: id(to)? })
    });
    merged.relationships = related.collect();
    let names: Vec<Shared> = merged.packages.iter().map(|p| Shared::from(p.id.as_str())).collect();
    let owned = files.into_iter().map(|(file, owner)| {
        let package = owner.and_then(|at| names.get(at)).cloned();
        File { package, ..file }
    });
    merged.files = owned.collect::<Vec<_>>().into();
    merged.normalize();
    Ok(merged)
}

fn over(limit: &'static str, value: usize) -> Error {
    Error::new(TRIED, ErrorKind::LimitExceeded { limit, value: value as u64 })
}

fn subject(inventories: &[Inventory], about: About) -> Result<Subject> {
    let refuse = |why: String| Error::new(TRIED, ErrorKind::Unsupported(why));
    if inventories.is_empty() {
        return Err(refuse("there is nothing to merge".to_owned()));
    }
    let name = match about {
        About::Named(name) => return Ok(Subject { name, ..Subject::default() }),
        About::TheSame => inventories.iter().find(|i| i.subject.digest.is_some()),
    };
    let Some(chosen) = name.or(inventories.first()) else { return Ok(Subject::default()) };
    for other in inventories {
        if let (Some(a), Some(b)) = (&chosen.subject.digest, &other.subject.digest)
            && a != b
        {
            return Err(refuse(format!("they are about different images: {a} and {b}"))
                .hint("give the result a name of its own with --name"));
        }
    }
    Ok(chosen.subject.clone())
}

/// Puts what `other` says of the same package into `known`.
fn unite(known: &mut Package, other: Package) {
    let mut otherwise: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut one =
        |field: &'static str, known: &mut Option<String>, other: Option<String>| match (&known, other) {
            (None, other) => *known = other,
            (Some(said), Some(other)) if *said != other => {
                otherwise.insert(field, other);
            }
            _ => {}
        };
    one("purl", &mut known.purl, other.purl);
    one("supplier", &mut known.supplier, other.supplier);
    one("originator", &mut known.originator, other.originator);
    one("copyright", &mut known.copyright, other.copyright);
    one("homepage", &mut known.homepage, other.homepage);
    one("download", &mut known.download, other.download);
    one("description", &mut known.description, other.description);
    one("layer", &mut known.layer, other.layer);
    one("foundBy", &mut known.found_by, other.found_by);
    one("license.concluded", &mut known.license.concluded, other.license.concluded);
    if known.license.expression.is_none() && known.license.declared.is_empty() {
        known.license.expression = other.license.expression;
        known.license.declared = other.license.declared;
    } else if other.license.expression.is_some() && other.license.expression != known.license.expression {
        one("license.expression", &mut known.license.expression, other.license.expression);
    }
    if known.source.is_none() {
        known.source = other.source;
    }
    // What one document found installed is installed, whatever another declares.
    known.presence = known.presence.min(other.presence);
    known.cpes.extend(other.cpes);
    known.checksums.extend(other.checksums);
    known.evidence.extend(other.evidence);
    known.files.extend(other.files);
    for (name, value) in other.properties {
        known.properties.entry(name).or_insert(value);
    }
    for (field, value) in otherwise {
        known.properties.entry(format!("{OTHERWISE}{field}")).or_insert(value);
    }
}
