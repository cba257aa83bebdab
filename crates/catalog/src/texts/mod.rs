//! Licences that packages are under by the texts that stand beside them.
//!
//! Metadata come first: a text is asked only where they name no licence that SPDX knows, and what they say stays what is
//! declared. Concluded is the licence that all texts of the package are, and nothing where one of them is none for
//! sure or they are several: whether those are alternatives or apply together no text says. The texts of the GNU
//! licences are told and conclude nothing, since they do not say which versions are meant. What a package has as a
//! licence is decided by its place ([`homes`]), its name and its size; a larger file is no licence, and no gap. Texts beyond the
//! limits are said to be unread.

mod known;

pub(crate) use known::judge;

use crate::catalogers::{Fact, java};
use crate::layer::Kept;
use crate::squash::{State, View};
use crate::{limits, path};
use known::Verdict;
use seaworthy_sbom::inventory::{Ecosystem, Evidence, Gap, License, Package, Presence};
use seaworthy_sbom::license;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// The property of a package of which a licence text says something: SPDX's name of the text, and how near the file's
/// comes to it, of 1. The file is among the package's evidence.
pub const LICENSE_TEXT: &str = "seaworthy:license-text";
/// Who says so where texts were left out.
pub(crate) const NAME: &str = "licence-text";
/// Texts that one package can have; the most seen is 40, of a wheel with the licences of all that it contains.
const TEXTS: usize = 100;

/// How the names of licence texts begin, in lower case.
const STEMS: [&str; 8] =
    ["license", "licence", "licenses", "copying", "unlicense", "unlicence", "mit-license", "bsd-license"];
/// What files end in that begin so and are programs, data or pages.
const OTHER_KINDS: [&str; 28] = [
    "bat", "c", "cjs", "class", "cmake", "cpp", "css", "go", "h", "htm", "html", "java", "js", "json", "map",
    "mjs", "php", "png", "ps1", "py", "pyc", "rb", "sh", "spdx", "svg", "ts", "xml", "yml",
];

/// Whether a file of that name may be a package's licence text.
pub(crate) fn is_named(base: &str) -> bool {
    let base = base.to_ascii_lowercase();
    let stem = STEMS.iter().filter_map(|stem| base.strip_prefix(stem));
    let begins = stem.into_iter().any(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']));
    begins && !base.rsplit_once('.').is_some_and(|(_, end)| OTHER_KINDS.contains(&end))
}

/// Whether the file at `path` may be a licence text by which a package is known to be licensed.
pub(crate) fn may_be(path: &str, size: u64) -> bool {
    // Most files are neither called so nor of that size: the cheap questions first.
    if !(1..=limits::LICENCE_TEXT_BYTES).contains(&size) {
        return false;
    }
    let (dir, base) = path::split(path);
    if base == "copyright" {
        // What vcpkg puts beside each port.
        return path::split(path::split(dir).0).1 == "share" && path::split(dir).1 != "doc";
    }
    base.len() < 64 && is_named(base) && !path.starts_with("usr/share/doc/")
}

/// The text in a file; `None` where it is none.
pub(crate) fn text(content: &[u8]) -> Option<Fact> {
    let is_text = !content.contains(&0);
    is_text.then(|| Fact::LicenceText(String::from_utf8_lossy(content).into_owned()))
}

/// The texts of one layer while it is walked.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    texts: usize,
    bytes: u64,
    left_out: usize,
}

impl Budget {
    /// Whether a text of `bytes` is kept.
    pub(crate) fn admit(&mut self, bytes: u64) -> bool {
        let fits = self.texts < limits::LAYER_TEXTS && self.bytes + bytes <= limits::LAYER_TEXT_BYTES;
        if fits {
            self.texts += 1;
            self.bytes += bytes;
        } else {
            self.left_out += 1;
        }
        fits
    }

    /// Keeps of the texts within a file those for which there is room.
    pub(crate) fn admit_inside(&mut self, fact: &mut Fact) {
        if let Fact::Java(all) = fact {
            java::retain_texts(all, |bytes| self.admit(bytes as u64));
        }
    }

    /// Bytes that are held.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is to be said of those that were not kept.
    pub(crate) fn left_out(&self) -> Option<String> {
        (self.left_out > 0).then(|| {
            let most = limits::LAYER_TEXTS;
            let bytes = limits::LAYER_TEXT_BYTES;
            format!(
                "{} licence texts were not read: more than LAYER_TEXTS ({most}) or LAYER_TEXT_BYTES ({bytes}) in this layer",
                self.left_out
            )
        })
    }
}

/// Takes the texts out of `kept` that nobody will ask for, since the metadata beside them name a licence.
pub(crate) fn prune(kept: &mut BTreeMap<String, Kept>) {
    let mut idle = Vec::new();
    for (path, file) in kept.iter() {
        let Kept::Parsed(parsed) = file else { continue };
        if !matches!(parsed.fact, Fact::LicenceText(_)) {
            continue;
        }
        let manifest = path::join(path::split(path).0, "package.json");
        let said = match kept.get(&manifest) {
            Some(Kept::Parsed(beside)) => match &beside.fact {
                Fact::Npm(manifest) => manifest.license(),
                _ => License::default(),
            },
            _ => License::default(),
        };
        if !is_open(&said) {
            idle.push(path.clone());
        }
    }
    idle.iter().for_each(|path| drop(kept.remove(path)));
}

/// Whether metadata name no licence that SPDX knows: none at all, or one word for several (`BSD`) or for a text (`see
/// LICENSE`). Who says that there is no licence is believed.
pub(crate) fn is_open(license: &License) -> bool {
    const NO: [&str; 4] = ["unlicensed", "proprietary", "commercial", "private"];
    let Some(expression) = &license.expression else { return license.concluded.is_none() };
    let names = license::leaves(expression).unwrap_or_default();
    let [only] = names.as_slice() else { return false };
    let is_no = |id: &str| NO.iter().any(|no| id.to_ascii_lowercase().contains(no));
    license.concluded.is_none() && only.id.starts_with("LicenseRef-seaworthy-") && !is_no(&only.id)
}

/// A directory in which a package's licence stands.
struct Home {
    dir: String,
    /// Whether the directories in it belong to the package as well.
    reach: Reach,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Files,
    All,
}

/// Where the licence of a package stands that is proved by `evidence`, a path without its first slash.
fn homes(package: &Package, evidence: &str) -> Vec<Home> {
    let (dir, base) = path::split(evidence);
    let here = |dir: &str| vec![Home { dir: dir.to_owned(), reach: Reach::Files }];
    let none = Vec::new();
    match package.ecosystem {
        Ecosystem::Pypi if matches!(base, "METADATA" | "PKG-INFO") => {
            vec![Home { dir: dir.to_owned(), reach: Reach::All }]
        }
        Ecosystem::Npm if base == "package.json" => here(dir),
        Ecosystem::Pub if base == "pubspec.yaml" => here(dir),
        Ecosystem::Cran if base == "DESCRIPTION" => here(dir),
        Ecosystem::Gem => match (path::split(dir), base.strip_suffix(".gemspec")) {
            ((above, "specifications"), Some(gem)) => here(&path::join(above, &format!("gems/{gem}"))),
            _ => none,
        },
        Ecosystem::Composer => match path::split(dir) {
            (vendor, "composer") if base == "installed.json" => here(&path::join(vendor, &package.name)),
            _ => none,
        },
        Ecosystem::Luarocks if base.ends_with(".rockspec") => {
            [here(dir), here(&path::join(dir, "doc"))].into_iter().flatten().collect()
        }
        Ecosystem::Hex | Ecosystem::Otp => match path::split(dir) {
            (app, "ebin") => here(app),
            _ if base == "hex_metadata.config" => here(dir),
            _ => none,
        },
        Ecosystem::Vcpkg => {
            let root = if path::split(dir).1 == "updates" { path::split(dir).0 } else { dir };
            let installed = path::split(root).0;
            let Some(triplet) = &package.architecture else { return none };
            here(&path::join(installed, &format!("{triplet}/share/{}", package.name)))
        }
        _ => none,
    }
}

/// A text, and the file that it is.
struct Found<'v> {
    evidence: Evidence,
    text: &'v str,
}

/// The texts of the final view by the directory they stand in.
struct Texts<'v> {
    view: &'v View,
    by_path: BTreeMap<&'v str, (usize, &'v str)>,
    by_dir: HashMap<&'v str, Vec<&'v str>>,
}

impl<'v> Texts<'v> {
    fn of(view: &'v View) -> Self {
        let (mut by_path, mut by_dir) = (BTreeMap::new(), HashMap::<_, Vec<_>>::new());
        for (path, layer, parsed) in view.parsed() {
            if let Fact::LicenceText(text) = &parsed.fact {
                by_path.insert(path, (layer, text.as_str()));
                by_dir.entry(path::split(path).0).or_default().push(path);
            }
        }
        Self { view, by_path, by_dir }
    }

    fn at(&self, path: &str, out: &mut Vec<Found<'v>>) {
        if let Some((layer, text)) = self.by_path.get(path) {
            out.push(Found { evidence: self.view.evidence(path, *layer), text });
        }
    }

    /// Those of a package.
    fn beside(&self, package: &Package) -> Vec<Found<'v>> {
        let mut out = Vec::new();
        for evidence in &package.evidence {
            let evidence = evidence.path.trim_start_matches('/');
            if package.ecosystem == Ecosystem::Maven {
                self.inside(evidence, &mut out);
            }
            for Home { dir, reach } in homes(package, evidence) {
                if reach == Reach::Files {
                    let here = self.by_dir.get(dir.as_str()).into_iter().flatten();
                    here.take(TEXTS).for_each(|path| self.at(path, &mut out));
                } else {
                    let below = format!("{dir}/");
                    let start = (Bound::Included(below.as_str()), Bound::Unbounded);
                    let from = self.by_path.range::<str, _>(start);
                    let there = from.take_while(|(path, _)| path.starts_with(&below));
                    there.take(TEXTS).for_each(|(path, _)| self.at(path, &mut out));
                }
            }
        }
        out
    }

    /// Those in a Java archive at `place`, which may stand in others.
    fn inside(&self, place: &str, out: &mut Vec<Found<'v>>) {
        let (file, inner) = place.split_once("!/").unwrap_or((place, ""));
        let Some((layer, State::Parsed(parsed))) = self.view.history(file).last() else { return };
        let Fact::Java(all) = &parsed.fact else { return };
        for (entry, text) in java::texts(all, inner) {
            out.push(Found { evidence: self.view.evidence(&format!("{place}!/{entry}"), *layer), text });
        }
    }
}

/// Concludes licences of `packages` from the texts of `view`; what was left out.
pub(crate) fn conclude(packages: &mut [Package], view: &View) -> Option<Gap> {
    let wanting =
        |package: &&mut Package| package.presence == Presence::Installed && is_open(&package.license);
    let mut texts = None;
    let mut judged: HashMap<&str, Option<Verdict>> = HashMap::new();
    let (mut bytes, mut left_out) = (0, 0_usize);
    for package in packages.iter_mut().filter(wanting) {
        let found = texts.get_or_insert_with(|| Texts::of(view)).beside(package);
        let mut verdicts = Vec::with_capacity(found.len());
        for Found { text, .. } in &found {
            let verdict = judged.get(text).copied().or_else(|| {
                bytes += text.len();
                (bytes <= limits::IMAGE_TEXT_BYTES)
                    .then(|| *judged.entry(text).or_insert_with(|| judge(text)))
            });
            left_out += usize::from(verdict.is_none());
            verdicts.push(verdict.flatten());
        }
        let Some(verdict) = agreed(&verdicts) else { continue };
        package.properties.insert(LICENSE_TEXT.to_owned(), format!("{} {:.3}", verdict.id, verdict.score));
        package.evidence.extend(found.into_iter().map(|found| found.evidence));
        package.evidence.sort();
        package.evidence.dedup();
        if says_versions(verdict.id) {
            package.license.concluded = Some(verdict.id.to_owned());
        }
    }
    (left_out > 0).then(|| {
        let reason = format!(
            "{left_out} licence texts were not judged: more than IMAGE_TEXT_BYTES ({})",
            limits::IMAGE_TEXT_BYTES
        );
        Gap { path: "/".into(), reason, found_by: NAME.into() }
    })
}

/// What all texts are, by the one that comes least near.
fn agreed(verdicts: &[Option<Verdict>]) -> Option<Verdict> {
    let mut all = verdicts.iter().copied();
    let first = all.next()??;
    all.try_fold(first, |least, next| {
        let next = next.filter(|next| next.id == first.id)?;
        Some(if next.score < least.score { next } else { least })
    })
}

/// Whether a text says by itself which versions of the licence are meant.
fn says_versions(id: &str) -> bool {
    !["GPL-", "LGPL-", "AGPL-"].iter().any(|family| id.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_texts() {
        for yes in
            ["LICENSE", "Licence.txt", "LICENSE-MIT", "LICENSE.apache2", "COPYING.LESSER", "license.md"]
        {
            assert!(is_named(yes), "{yes}");
        }
        for no in ["licensemanager.js", "license.js", "LICENSE.html", "licensing", "NOTICE", "copyright"] {
            assert!(!is_named(no), "{no}");
        }
        assert!(may_be("vcpkg/installed/x64-linux/share/zlib/copyright", 900));
        assert!(!may_be("usr/share/doc/zlib1g/copyright", 900));
        assert!(may_be("a/LICENSE", limits::LICENCE_TEXT_BYTES));
        assert!(!may_be("a/LICENSE", limits::LICENCE_TEXT_BYTES + 1));
    }

    #[test]
    fn metadata_leave_open_what_they_name_loosely() {
        let of = |text: &str| is_open(&license::normalize(&[text.to_owned()], Ecosystem::Pypi));
        assert!(is_open(&License::default()));
        for open in ["BSD", "License :: OSI Approved :: Apache Software License", "SEE LICENSE IN LICENSE.md"]
        {
            assert!(of(open), "{open}");
        }
        for said in ["MIT", "Apache-2.0 AND LicenseRef-foo", "UNLICENSED", "Proprietary", "GPL-2.0-or-later"]
        {
            assert!(!of(said), "{said}");
        }
    }

    #[test]
    fn texts_of_a_layer_are_bounded_at_limit_plus_one() {
        let mut budget = Budget::default();
        assert!((0..limits::LAYER_TEXTS).all(|_| budget.admit(1)) && budget.left_out().is_none());
        assert!(!budget.admit(1) && budget.left_out().is_some());
        let mut budget = Budget::default();
        assert!(budget.admit(limits::LAYER_TEXT_BYTES) && !budget.admit(1));
    }

    #[test]
    fn all_texts_have_to_be_the_same() {
        let is = |id, score| Some(Verdict { id, score });
        assert_eq!(agreed(&[is("MIT", 1.0), is("MIT", 0.95)]), is("MIT", 0.95));
        assert_eq!(agreed(&[is("MIT", 1.0), is("Apache-2.0", 1.0)]), None);
        assert_eq!((agreed(&[is("MIT", 1.0), None]), agreed(&[])), (None, None));
    }
}
