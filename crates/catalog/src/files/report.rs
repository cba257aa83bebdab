//! Whose each file is, whether it is what its package recorded, and what is missing.
//!
//! Distribution packages come first, by their own lists; diversions of dpkg are followed. Then `RECORD`s of Python, then
//! what stands in the directory of an npm package, a gem or a Composer package, the innermost first, then the file that
//! proves a package by itself: a Java archive, a program. The first who claims a file has it: a Python distribution
//! whose metadata a deb brought owns nothing beside it, since the deb owns all of it and is linked to the distribution.
//!
//! Bytecode that is compiled at installation is in nobody's list, and is nobody's.

use super::lists::{self, Role, System};
use super::tree::Files;
use super::{Directories, Listed, Recorded, Tree};
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::files::{
    self, File, FileFindings, Hex, INSTALLED_FILES_SHA256, MISSING_NAMED, Mode, Selection, Shared, State,
};
use seaworthy_sbom::inventory::{Ecosystem, Gap, Inventory, Package, Presence, RelationshipKind};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};

const FOUND_BY: &str = "files";

/// What a package says a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Content,
    Configuration,
    Documentation,
}

/// Puts the files that were asked for, and what all of them tell, into the inventory.
pub(crate) fn report(tree: Tree, view: &View, selection: Selection, inventory: &mut Inventory) {
    let Tree { files, lists, left_out, unkept } = tree;
    let packages = &inventory.packages;
    let mut claims =
        Claims { view, files, packages, findings: FileFindings::default(), missing: BTreeMap::new() };
    claims.dpkg(&lists);
    claims.apk(&lists);
    claims.rpm(&lists);
    claims.systems(&lists);
    claims.python(&lists);
    drop(lists);
    claims.directories();
    claims.proofs(inventory);
    let Claims { files, mut findings, missing, .. } = claims;
    for (path, owner) in missing {
        let named = packages.get(owner as usize).map(|p| p.name.clone()).unwrap_or_default();
        if is_documentation(&path) {
            findings.missing_documentation += 1;
        } else {
            findings.missing += 1;
            if findings.missing_files.len() < MISSING_NAMED {
                findings.missing_files.insert(format!("/{path}"), named);
            }
        }
    }
    findings.listed = selection;
    let gap = |path: String, reason: String| Gap { path, reason, found_by: FOUND_BY.to_owned() };
    let mut gaps = Vec::new();
    if left_out > 0 {
        let why = format!("{left_out} files are not listed: more than LAYER_FILES or IMAGE_FILES");
        gaps.push(gap("/".to_owned(), why));
    }
    if unkept > 0 {
        let why = format!(
            "{unkept} lists of packages' files were not kept: more than LAYER_WANTED_BYTES in a layer"
        );
        gaps.push(gap("/".to_owned(), why));
    }
    let ids: Vec<Shared> = packages.iter().map(|p| Shared::from(p.stable_id().as_str())).collect();
    let mut layers: HashMap<u32, Option<Shared>> = HashMap::new();
    let mut hashers: HashMap<u32, Sha256> = HashMap::new();
    let mut unknown: HashSet<u32> = HashSet::new();
    // Room for all of them, of which what is not used is never touched: a list that grows is there twice for a while.
    let (mut listed, mut untold) = (Vec::with_capacity(files.len()), 0_usize);
    for (path, placed) in files.into_sorted() {
        let path = format!("/{path}");
        let record = match placed.content {
            Ok(record) => record,
            Err(why) => {
                unknown.extend(placed.owner);
                if gaps.len() < limits::GAPS {
                    gaps.push(gap(path, why.to_owned()));
                } else {
                    untold += 1;
                }
                continue;
            }
        };
        findings.files += 1;
        match placed.owner {
            Some(owner) => {
                findings.owned += 1;
                let hasher = hashers.entry(owner).or_default();
                let mut digits = [0; 64];
                let _ = hex::encode_to_slice(record.sums.sha256, &mut digits);
                [&digits[..], b"  ", path.as_bytes(), b"\n"].iter().for_each(|part| hasher.update(part));
            }
            None => {
                findings.unowned.add(record.size);
                findings.unowned_in.entry(files::directory(&path).to_owned()).or_default().add(record.size);
            }
        }
        match placed.state {
            State::Unknown => {}
            State::AsRecorded => findings.as_recorded += 1,
            State::Changed => findings.changed += 1,
            State::ConfigurationChanged => findings.configuration_changed += 1,
        }
        let layer =
            layers.entry(placed.layer).or_insert_with_key(|at| view.digest(*at as usize).map(Shared::from));
        let file = File {
            path: path.into(),
            size: Some(record.size),
            mode: Some(Mode::of(record.mode)),
            sha256: Some(Hex(record.sums.sha256)),
            sha1: Some(Hex(record.sums.sha1)),
            layer: layer.clone(),
            package: placed.owner.and_then(|owner| ids.get(owner as usize)).cloned(),
            state: placed.state,
        };
        if selection.lists(&file) {
            listed.push(file);
        }
    }
    if untold > 0 {
        gaps.push(gap("/".to_owned(), format!("{untold} further files are not listed")));
    }
    // What is known in part is no identity of the whole.
    if left_out == 0 && unkept == 0 {
        for (owner, hasher) in hashers.into_iter().filter(|(owner, _)| !unknown.contains(owner)) {
            if let Some(package) = inventory.packages.get_mut(owner as usize) {
                let hash = Hex(hasher.finalize().into()).to_string();
                package.properties.insert(INSTALLED_FILES_SHA256.to_owned(), hash);
            }
        }
    }
    listed.shrink_to_fit();
    inventory.files = listed.into();
    inventory.file_findings = Some(findings);
    inventory.gaps.append(&mut gaps);
}

/// Directories that images are often built without (dpkg's `path-exclude`, rpm's `nodocs`).
fn is_documentation(path: &str) -> bool {
    path.strip_prefix("usr/share/").and_then(|rest| rest.split('/').next()).is_some_and(|dir| {
        ["doc", "doc-base", "groff", "help", "info", "licenses", "linda", "lintian", "locale", "man", "omf"]
            .contains(&dir)
    })
}

struct Claims<'a> {
    view: &'a View,
    files: Files,
    packages: &'a [Package],
    findings: FileFindings,
    /// Files that a package recorded and that are not there.
    missing: BTreeMap<Box<str>, u32>,
}

impl<'a> Claims<'a> {
    fn of(&self, ecosystem: Ecosystem) -> impl Iterator<Item = (u32, &'a Package)> {
        let all = self.packages.iter().enumerate();
        all.filter(move |(_, p)| p.ecosystem == ecosystem && p.presence == Presence::Installed)
            .filter_map(|(at, package)| Some((u32::try_from(at).ok()?, package)))
    }

    /// The packages of these ecosystems by the files that prove them.
    fn by_evidence(&self, ecosystems: &[Ecosystem]) -> HashMap<&'a str, u32> {
        let packages = ecosystems.iter().flat_map(|ecosystem| self.of(*ecosystem));
        packages
            .flat_map(|(at, p)| p.evidence.iter().map(move |e| (e.path.trim_start_matches('/'), at)))
            .collect()
    }

    /// The package says that the file at `place` is its own, and what was in it.
    fn claim(&mut self, owner: u32, place: Box<str>, recorded: Option<Recorded>, kind: As) {
        let Some(placed) = self.files.get_mut(&place) else {
            if recorded.is_some() && !self.view.is_link(&place) {
                self.missing.entry(place).or_insert(owner);
            }
            return;
        };
        let owner = *placed.owner.get_or_insert(owner) == owner;
        if let (true, State::Unknown, Some(recorded), Ok(record)) =
            (owner, placed.state, recorded, &placed.content)
        {
            let is_same = match recorded {
                Recorded::Md5(sum) => record.sums.md5.map(|md5| md5 == sum),
                Recorded::Sha1(sum) => Some(record.sums.sha1 == sum),
                Recorded::Sha256(sum) => Some(record.sums.sha256 == sum),
            };
            placed.state = match (is_same, kind) {
                (None, _) => State::Unknown,
                (Some(true), _) => State::AsRecorded,
                (Some(false), As::Configuration) => State::ConfigurationChanged,
                (Some(false), _) => State::Changed,
            };
        }
    }

    fn dpkg(&mut self, all: &BTreeMap<Box<str>, Listed>) {
        let mut named: HashMap<&str, Vec<(&str, u32)>> = HashMap::new();
        for (at, package) in self.of(Ecosystem::Deb) {
            let architecture = package.architecture.as_deref().unwrap_or_default();
            named.entry(&package.name).or_default().push((architecture, at));
        }
        if named.is_empty() {
            return;
        }
        let owner = |name: &str, architecture: Option<&str>| {
            let found = named.get(name)?;
            let same = found.iter().find(|(known, _)| Some(*known) == architecture);
            same.or(found.first().filter(|_| architecture.is_none())).map(|(_, at)| *at)
        };
        // `libc6:amd64`, and without the architecture where there is but one.
        let of_stem = |stem: &str| match stem.split_once(':') {
            Some((name, architecture)) => owner(name, Some(architecture)),
            None => owner(stem, None),
        };
        let view = self.view;
        let follow = |path: &str| view.place(path);
        let mut directories = Directories::new(&follow);
        let mut diverted: HashMap<Box<str>, (Box<str>, Option<u32>)> = HashMap::new();
        for (_, listed) in all.iter().filter(|(path, _)| lists::role(path) == Some(Role::DpkgDiversions)) {
            for (from, to, package) in lists::diversions(listed.text()) {
                if let (Some(from), Some(to)) = (directories.place(from.into()), directories.place(to.into()))
                {
                    diverted.insert(from, (to, owner(package, None)));
                }
            }
        }
        let mut place = |owner: u32, path: &str| {
            let place = directories.place(path.into())?;
            match diverted.get(&place) {
                Some((to, by)) if *by != Some(owner) => Some(to.clone()),
                _ => Some(place),
            }
        };
        let stem = |path: &'_ str, end: &str| path::split(path).1.strip_suffix(end).and_then(of_stem);
        for (path, listed) in all.iter().filter(|(path, _)| lists::role(path) == Some(Role::DpkgList)) {
            let Some(owner) = stem(path, ".list") else { continue };
            for file in listed.text().lines().filter_map(|line| line.strip_prefix('/')) {
                if let Some(place) = place(owner, file) {
                    self.claim(owner, place, None, As::Content);
                }
            }
        }
        for (path, listed) in all {
            match lists::role(path) {
                Some(Role::DpkgSums) => {
                    let Some(owner) = stem(path, ".md5sums") else { continue };
                    for (file, sum) in lists::md5sums(listed.text()) {
                        if let Some(place) = place(owner, &file) {
                            self.claim(owner, place, Some(sum), As::Content);
                        }
                    }
                }
                Some(Role::DpkgStatus) => {
                    for (name, architecture, files) in lists::conffiles(listed.text()) {
                        let Some(owner) = owner(&name, Some(&architecture)).or_else(|| owner(&name, None))
                        else {
                            continue;
                        };
                        for (file, sum) in files {
                            if let Some(place) = place(owner, &file) {
                                self.claim(owner, place, Some(sum), As::Configuration);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        // What dpkg keeps about a package is part of its installation.
        for (path, placed) in self.files.iter_mut() {
            let (dir, base) = path::split(path);
            if dir.ends_with("lib/dpkg/info") || dir.ends_with("lib/dpkg/status.d") {
                let name = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
                placed.owner = placed.owner.or_else(|| of_stem(name)).or_else(|| of_stem(base));
            }
        }
    }

    fn apk(&mut self, all: &BTreeMap<Box<str>, Listed>) {
        let named: HashMap<&str, u32> =
            self.of(Ecosystem::Apk).map(|(at, p)| (p.name.as_str(), at)).collect();
        let view = self.view;
        let follow = |path: &str| view.place(path);
        let mut directories = Directories::new(&follow);
        for (_, listed) in all.iter().filter(|(path, _)| lists::role(path) == Some(Role::Apk)) {
            for (name, files) in lists::apk(listed.text()) {
                let Some(&owner) = named.get(name) else { continue };
                for (file, sum) in files {
                    // apk protects what is in /etc: there it puts new files beside changed ones.
                    let kind = if file.starts_with("etc/") { As::Configuration } else { As::Content };
                    if let Some(place) = directories.place(file.into()) {
                        self.claim(owner, place, sum, kind);
                    }
                }
            }
        }
    }

    fn rpm(&mut self, all: &BTreeMap<Box<str>, Listed>) {
        let named: HashMap<(&str, Option<&str>, Option<&str>), u32> = self
            .of(Ecosystem::Rpm)
            .map(|(at, p)| ((p.name.as_str(), p.version.as_deref(), p.architecture.as_deref()), at))
            .collect();
        let view = self.view;
        let follow = |path: &str| view.place(path);
        let mut directories = Directories::new(&follow);
        for listed in all.values() {
            let Listed::Rpm(packages) = listed else { continue };
            for package in packages {
                let architecture = Some(package.architecture.as_str()).filter(|a| !a.is_empty());
                let key = (package.name.as_str(), Some(package.version.as_str()), architecture);
                let Some(&owner) = named.get(&key) else { continue };
                for file in &package.files {
                    let kind = match (file.is_configuration, file.is_documentation) {
                        (true, _) => As::Configuration,
                        (_, true) => As::Documentation,
                        _ => As::Content,
                    };
                    let Some(place) = directories.place(file.path.clone()) else { continue };
                    if kind == As::Documentation && !self.files.contains(&place) {
                        self.findings.missing_documentation += u64::from(file.sum.is_some());
                        continue;
                    }
                    self.claim(owner, place, file.sum, kind);
                }
            }
        }
    }

    /// pacman, Portage, conda and opkg: a list stands beside what states the package, or is in it.
    fn systems(&mut self, all: &BTreeMap<Box<str>, Listed>) {
        let by_evidence = self.by_evidence(&[Ecosystem::Alpm, Ecosystem::Ebuild, Ecosystem::Conda]);
        let opkg: HashMap<&str, u32> =
            self.of(Ecosystem::Opkg).map(|(at, p)| (p.name.as_str(), at)).collect();
        let view = self.view;
        let follow = |path: &str| view.place(path);
        let mut directories = Directories::new(&follow);
        for (path, listed) in all {
            let Some(Role::System(system)) = lists::role(path) else { continue };
            let (dir, base) = path::split(path);
            let owner = match system {
                System::Pacman => by_evidence.get(path::join(dir, "desc").as_str()),
                System::Portage => by_evidence.get(path::join(dir, "PF").as_str()),
                System::Conda => by_evidence.get(path.as_ref()),
                System::Opkg => base.strip_suffix(".list").and_then(|name| opkg.get(name)),
            };
            let Some(&owner) = owner else { continue };
            for (file, sum) in lists::system(system, path, listed.text()) {
                // Both protect what is in /etc.
                let kind = if file.starts_with("etc/") { As::Configuration } else { As::Content };
                if let Some(place) = directories.place(file.into()) {
                    self.claim(owner, place, sum, kind);
                }
            }
        }
    }

    fn python(&mut self, all: &BTreeMap<Box<str>, Listed>) {
        let by_metadata = self.by_evidence(&[Ecosystem::Pypi]);
        let view = self.view;
        let follow = |path: &str| view.place(path);
        let mut directories = Directories::new(&follow);
        for (path, listed) in all.iter().filter(|(path, _)| lists::role(path) == Some(Role::PythonRecord)) {
            let info = path::split(path).0;
            let Some(&owner) = by_metadata.get(path::join(info, "METADATA").as_str()) else { continue };
            if self.files.get(path).is_some_and(|placed| placed.owner.is_some()) {
                continue;
            }
            for (file, sum) in lists::record(path::split(info).0, listed.text()) {
                if let Some(place) = directories.place(file.into()) {
                    self.claim(owner, place, sum, As::Content);
                }
            }
        }
    }

    /// What stands in a directory that is one package's.
    fn directories(&mut self) {
        let mut owned: HashMap<String, u32> = HashMap::new();
        let clean = |path: &'a str| path.trim_start_matches('/');
        for (ecosystem, file) in [
            (Ecosystem::Npm, "/package.json"),
            (Ecosystem::Nix, ""),
            (Ecosystem::Alpm, "/desc"),
            (Ecosystem::Ebuild, "/PF"),
            (Ecosystem::Brew, "/INSTALL_RECEIPT.json"),
            (Ecosystem::Cran, "/DESCRIPTION"),
            (Ecosystem::Pub, "/pubspec.yaml"),
        ] {
            for (at, package) in self.of(ecosystem) {
                let dirs = package.evidence.iter().filter_map(|e| clean(&e.path).strip_suffix(file));
                owned.extend(dirs.map(|dir| (dir.to_owned(), at)));
            }
        }
        for (at, package) in self.of(Ecosystem::Composer) {
            for evidence in &package.evidence {
                if let Some((vendor, _)) = clean(&evidence.path).rsplit_once("/composer/") {
                    owned.insert(format!("{vendor}/{}", package.name), at);
                }
            }
        }
        for (at, package) in self.of(Ecosystem::Gem) {
            for evidence in &package.evidence {
                let Some((home, spec)) = clean(&evidence.path).rsplit_once("/specifications/") else {
                    continue;
                };
                let Some(name) = path::split(spec).1.strip_suffix(".gemspec") else { continue };
                for dir in ["gems", "doc", "extensions"] {
                    owned.insert(format!("{home}/{dir}/{name}"), at);
                }
                owned.insert(format!("{home}/cache/{name}.gem"), at);
            }
        }
        if owned.is_empty() {
            return;
        }
        for (path, placed) in self.files.iter_mut().filter(|(_, placed)| placed.owner.is_none()) {
            let Some(path) = extension_of_gem(path) else { continue };
            let dirs = std::iter::once(path.as_str()).chain(path::ancestors(&path));
            placed.owner = dirs.into_iter().find_map(|dir| owned.get(dir)).copied();
        }
        self.files.give(&owned);
    }

    /// The file by which a package is known is its own. Of several packages that one file proves, it is the one that
    /// needs the most of the others: the main module of a program, the application in a list of libraries.
    fn proofs(&mut self, inventory: &Inventory) {
        let mut needs: HashMap<&str, usize> = HashMap::new();
        for edge in inventory.relationships.iter().filter(|r| r.kind == RelationshipKind::DependsOn) {
            *needs.entry(&edge.from).or_default() += 1;
        }
        let mut proven: BTreeMap<&str, (usize, bool, u32)> = BTreeMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            let has_list = matches!(
                package.ecosystem,
                Ecosystem::Deb
                    | Ecosystem::Apk
                    | Ecosystem::Rpm
                    | Ecosystem::Composer
                    | Ecosystem::Opkg
                    | Ecosystem::Vcpkg
            );
            let Ok(at) = u32::try_from(at) else { continue };
            if has_list || package.presence != Presence::Installed {
                continue;
            }
            let weight = needs.get(package.stable_id().as_str()).copied().unwrap_or_default();
            let short = package.name.rsplit(['/', ':']).next().unwrap_or_default();
            for evidence in &package.evidence {
                let path = evidence.path.trim_start_matches('/');
                let is_named = !short.is_empty() && path::split(path).1.contains(short);
                let best = proven.entry(path).or_insert((weight, is_named, at));
                if (weight, is_named) > (best.0, best.1) {
                    *best = (weight, is_named, at);
                }
            }
        }
        for (path, (_, _, owner)) in proven {
            if let Some(placed) = self.files.get_mut(path) {
                placed.owner.get_or_insert(owner);
            }
        }
    }
}

/// `gems/3.3.0/extensions/x86_64-linux/3.3.0/nokogiri-1.16/…` as if platform and version of Ruby were not there.
fn extension_of_gem(path: &str) -> Option<String> {
    let (home, rest) = path.split_once("/extensions/")?;
    let mut parts = rest.splitn(4, '/');
    let (_, _, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{home}/extensions/{name}/{}", parts.next().unwrap_or_default()))
}
