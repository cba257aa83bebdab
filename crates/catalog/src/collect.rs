//! From what catalogers found to an inventory: one package for each purl, whatever the number of places.
//!
//! The same package in several places is one component with several pieces of evidence, and the layer that
//! brought it is the lowest of them. Relationships are given by handle and named once the packages are
//! merged, so that none can point to a package that is not there.

use crate::catalogers::embedded::NAME as EMBEDDED;
use crate::catalogers::{self, Cataloger};
use crate::squash::{State, View};
use crate::{limits, path, texts};
use seaworthy_sbom::inventory::{
    Ecosystem, Evidence, Gap, Inventory, OsRelease, Package, Presence, Relationship, RelationshipKind,
};
use seaworthy_sbom::{license, purl};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Where catalogers put what they find.
pub(crate) struct Collector<'v> {
    /// The operating system, once it was found.
    pub(crate) os: Option<OsRelease>,
    view: &'v View,
    found_by: &'static str,
    drafts: Vec<Draft>,
    edges: Vec<(usize, RelationshipKind, usize)>,
    owners: BTreeMap<String, usize>,
    proofs: Vec<(usize, Evidence)>,
    gaps: Vec<Gap>,
    untold: BTreeMap<&'static str, usize>,
    told: BTreeMap<&'static str, usize>,
}

/// Ecosystem, name, version.
pub(crate) type Name = (Ecosystem, String, Option<String>);

struct Draft {
    package: Package,
    layer: usize,
}

impl<'v> Collector<'v> {
    /// An empty one for `view`.
    pub(crate) fn new(view: &'v View) -> Self {
        Self {
            os: None,
            view,
            found_by: "",
            drafts: Vec::new(),
            edges: Vec::new(),
            owners: BTreeMap::new(),
            proofs: Vec::new(),
            gaps: Vec::new(),
            untold: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Lets `cataloger` read its packages off the view.
    pub(crate) fn run(&mut self, cataloger: &dyn Cataloger) {
        self.found_by = cataloger.name();
        cataloger.collect(self.view, self);
    }

    /// Takes a package that `layer` brought; the handle names it in relationships.
    pub(crate) fn add(&mut self, mut package: Package, layer: usize) -> usize {
        package.found_by = Some(self.found_by.to_owned());
        self.cut(&package);
        self.drafts.push(Draft { package, layer });
        self.drafts.len() - 1
    }

    /// Says which texts of a package were too long to be taken over whole.
    fn cut(&mut self, package: &Package) {
        let source = package.source.as_ref().map(|source| &source.name);
        let single = [
            ("version", package.version.as_ref()),
            ("supplier", package.supplier.as_ref()),
            ("originator", package.originator.as_ref()),
            ("copyright", package.copyright.as_ref()),
            ("homepage", package.homepage.as_ref()),
            ("description", package.description.as_ref()),
            ("architecture", package.architecture.as_ref()),
            ("source package", source),
            ("name", Some(&package.name)),
        ];
        let single = single.into_iter().filter_map(|(what, text)| Some((what, text?)));
        let licences = package.license.declared.iter().map(|text| ("licence", text));
        let properties = package.properties.iter().map(|(key, text)| (key.as_str(), text));
        let cut: BTreeSet<&str> = single
            .chain(licences)
            .chain(properties)
            .filter(|(_, text)| catalogers::is_cut(text))
            .map(|(what, _)| what)
            .collect();
        for what in cut {
            let path = package.evidence.first().map_or_else(|| "/".to_owned(), |e| e.path.clone());
            let name = path::shown(package.name.as_bytes());
            let reason = format!(
                "{name}: its {what} is longer than FIELD_BYTES ({}) and was cut",
                limits::FIELD_BYTES
            );
            self.gap(path, reason, self.found_by);
        }
    }

    /// `from` hangs together with `to`.
    pub(crate) fn relate(&mut self, from: usize, kind: RelationshipKind, to: usize) {
        self.edges.push((from, kind, to));
    }

    /// The package behind `handle` brought the file at `path`.
    pub(crate) fn owns(&mut self, handle: usize, path: &str) {
        if let Some(place) = self.view.resolve(path) {
            self.owners.insert(place, handle);
        }
    }

    /// What was found so far, by [`Self::name_of`].
    pub(crate) fn by_name(&self) -> BTreeMap<Name, Vec<usize>> {
        let mut all: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
        for (handle, draft) in self.drafts.iter().enumerate() {
            all.entry(Self::name_of(&draft.package)).or_default().push(handle);
        }
        all
    }

    /// Ecosystem, name and version of all packages so far and of what they were built from, without epochs: one set
    /// for all who ask, since an image may have as many questions as packages.
    pub(crate) fn built(&self) -> BTreeSet<(Ecosystem, String, String)> {
        let mut all = BTreeSet::new();
        for package in self.drafts.iter().map(|draft| &draft.package) {
            let Some(version) = &package.version else { continue };
            let mut put = |name: &str, version: &str| {
                all.insert((package.ecosystem, name.to_owned(), without_epoch(version).to_owned()));
            };
            put(&package.name, version);
            if let Some(source) = &package.source {
                // A source package's version is told only where it is another, and without what a rebuild adds.
                put(&source.name, version);
                source.version.iter().for_each(|version| put(&source.name, version));
            }
        }
        all
    }

    /// What makes two packages the same to somebody who knows neither distribution nor architecture.
    pub(crate) fn name_of(package: &Package) -> Name {
        let name = match package.ecosystem {
            Ecosystem::Pypi => purl::pypi_name(&package.name),
            _ => package.name.clone(),
        };
        (package.ecosystem, name, package.version.clone())
    }

    /// The package behind `handle` is also named there, in a file that whoever owns it need not own.
    pub(crate) fn prove(&mut self, handle: usize, evidence: Evidence) {
        self.proofs.push((handle, evidence));
    }

    /// What is said of the package behind `handle` elsewhere; what it says itself stays.
    pub(crate) fn describe(&mut self, handle: usize, key: &str, value: &str) {
        if let Some(draft) = self.drafts.get_mut(handle) {
            draft.package.properties.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
    }

    /// Whether a package brought the file at this place.
    pub(crate) fn is_owned(&self, place: &str) -> bool {
        self.owners.contains_key(place)
    }

    /// Something was left out.
    pub(crate) fn gap(&mut self, path: String, reason: impl Into<String>, found_by: &'static str) {
        let told = self.told.entry(found_by).or_default();
        if *told < limits::GAPS {
            *told += 1;
            self.gaps.push(Gap { path, reason: reason.into(), found_by: found_by.to_owned() });
        } else {
            *self.untold.entry(found_by).or_default() += 1;
        }
    }

    /// Says so where `path` is behind a link to a place at which `cataloger` never looks.
    pub(crate) fn astray(&mut self, view: &View, path: &str, cataloger: &dyn Cataloger) {
        if let Some(place) = view.astray(path, |p| cataloger.wants(p).is_some()) {
            self.gap(format!("/{path}"), format!("leads to /{place}, which is not read"), cataloger.name());
        }
    }

    /// Writes all that was found into `inventory`.
    pub(crate) fn finish(mut self, inventory: &mut Inventory) {
        self.unread();
        for (found_by, count) in std::mem::take(&mut self.untold) {
            let reason = format!("{count} further files could not be read");
            self.gaps.push(Gap { path: "/".into(), reason, found_by: found_by.to_owned() });
        }
        self.contain();
        for (handle, evidence) in std::mem::take(&mut self.proofs) {
            if let Some(draft) = self.drafts.get_mut(handle) {
                draft.package.evidence.push(evidence);
            }
        }
        let (mut packages, merged_into) = merge(self.drafts, self.os.as_ref(), self.view);
        let ids: Vec<String> = packages.iter().map(Package::stable_id).collect();
        // A licence's file proves no package: the id is that without it.
        packages.iter_mut().zip(&ids).for_each(|(package, id)| package.id.clone_from(id));
        self.gaps.extend(texts::conclude(&mut packages, self.view));
        let id = |handle: usize| merged_into.get(handle).and_then(|i| ids.get(*i)).cloned();
        let edges: BTreeSet<Relationship> = self
            .edges
            .iter()
            .filter_map(|(from, kind, to)| Some(Relationship { from: id(*from)?, kind: *kind, to: id(*to)? }))
            .filter(|edge| edge.from != edge.to)
            .collect();
        inventory.relationships.extend(edges);
        inventory.packages.extend(packages);
        inventory.gaps.append(&mut self.gaps);
        inventory.os = self.os;
    }

    /// Wanted files of the final view that were not read, or not whole.
    fn unread(&mut self) {
        let view = self.view;
        for (path, _, state) in view.files() {
            match state {
                State::Unread(why) => {
                    // Files that nobody wants by name are kept unread where their content begins as a model's.
                    let (cataloger, _) = catalogers::wanting(path).unwrap_or((&catalogers::heads::Models, 0));
                    self.gap(format!("/{path}"), why, cataloger.name());
                }
                State::Parsed(parsed) => {
                    let Some(cataloger) = catalogers::reader_of(path, parsed) else { continue };
                    for note in &parsed.notes {
                        self.gap(format!("/{path}"), note, cataloger.name());
                    }
                }
                State::Gone => {}
            }
        }
    }

    /// A distribution package contains the packages of other ecosystems whose proof it owns.
    fn contain(&mut self) {
        for (handle, draft) in self.drafts.iter().enumerate() {
            if matches!(draft.package.ecosystem, Ecosystem::Deb | Ecosystem::Apk | Ecosystem::Rpm) {
                continue;
            }
            // Whoever brought a document did not bring what it names.
            if draft.package.found_by.as_deref() == Some(EMBEDDED) {
                continue;
            }
            for evidence in &draft.package.evidence {
                if let Some(owner) = self.owners.get(evidence.path.trim_start_matches('/')) {
                    self.edges.push((*owner, RelationshipKind::Contains, handle));
                }
            }
        }
    }
}

/// Builders write a version as in file names, without its epoch.
pub(crate) fn without_epoch(version: &str) -> &str {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => version,
    }
}

/// One package for each purl, and for each draft the package it went into.
fn merge(drafts: Vec<Draft>, os: Option<&OsRelease>, view: &View) -> (Vec<Package>, Vec<usize>) {
    let mut by_identity: BTreeMap<(Ecosystem, String), usize> = BTreeMap::new();
    let mut merged: Vec<Draft> = Vec::new();
    let mut merged_into = Vec::with_capacity(drafts.len());
    for mut draft in drafts {
        let package = &mut draft.package;
        // A cataloger that knows better than the ecosystem's rule has said so.
        let given = package.purl.take().and_then(|given| purl::canonical(&given));
        package.purl = given.or_else(|| purl::of(package, os));
        let identity = package.purl.clone().unwrap_or_else(|| {
            // No purl can be made of it: it stays alone with its place.
            let place = package.evidence.first().map(|e| e.path.as_str()).unwrap_or_default();
            format!("{}\n{}\n{place}", package.name, package.version.as_deref().unwrap_or_default())
        });
        match by_identity.entry((package.ecosystem, identity)) {
            Entry::Vacant(slot) => {
                merged_into.push(*slot.insert(merged.len()));
                merged.push(draft);
            }
            Entry::Occupied(slot) => {
                merged_into.push(*slot.get());
                if let Some(into) = merged.get_mut(*slot.get()) {
                    absorb(into, draft);
                }
            }
        }
    }
    let packages = merged
        .into_iter()
        .map(|Draft { mut package, layer }| {
            package.layer = view.digest(layer).map(str::to_owned);
            package.evidence.sort();
            package.evidence.dedup();
            package.license.declared.sort();
            package.license.declared.dedup();
            if !package.license.declared.is_empty() {
                package.license = license::normalize(&package.license.declared, package.ecosystem);
            }
            package
        })
        .collect();
    (packages, merged_into)
}

fn absorb(into: &mut Draft, from: Draft) {
    // The word of a document in the image changes nothing of what was found.
    if from.package.found_by.as_deref() == Some(EMBEDDED)
        && into.package.found_by.as_deref() != Some(EMBEDDED)
    {
        into.package.evidence.extend(from.package.evidence);
        return;
    }
    // What is installed came with its installation, whenever somebody declared it.
    if into.package.presence == from.package.presence {
        into.layer = into.layer.min(from.layer);
    } else if from.package.presence == Presence::Installed {
        into.layer = from.layer;
        into.package.presence = Presence::Installed;
        into.package.found_by = from.package.found_by.clone();
    }
    let (to, from) = (&mut into.package, from.package);
    to.evidence.extend(from.evidence);
    to.license.declared.extend(from.license.declared);
    for (key, value) in from.properties {
        to.properties.entry(key).or_insert(value);
    }
    for (have, other) in [
        (&mut to.supplier, from.supplier),
        (&mut to.originator, from.originator),
        (&mut to.homepage, from.homepage),
        (&mut to.description, from.description),
    ] {
        if have.is_none() {
            *have = other;
        }
    }
}
