//! Package notes: executables that say for which package of a distribution they were built ([`crate::elf`] finds it).
//!
//! A file that a package of the image owns is that package, and one whose note names a package that is there (itself
//! or what it was built from: notes name source packages) is a part of it: neither is listed again. What is left was
//! copied into the image, and is listed as the note names it, marked `seaworthy:confidence` = `elf-note`. The
//! distribution is the note's, not the image's.

use super::Cataloger;
use super::executables::{CONFIDENCE, Found, executables};
use crate::collect::{Collector, without_epoch};
use crate::elf::Note;
use crate::squash::View;
use seaworthy_sbom::inventory::{Ecosystem, OsRelease, Package};
use seaworthy_sbom::purl;

pub(crate) struct ElfNote;

impl Cataloger for ElfNote {
    fn name(&self) -> &'static str {
        "elf-note"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "ELF programs and shared objects: the package note in them (`.note.package`), as systemd, Fedora and others link it in",
            gives: "the package that the note names, by its own type and distribution, where no package of the image owns the file or was built from the same source, marked `seaworthy:confidence` = `elf-note`",
            cannot_know: "which of the packages of a source the file was in; licences; notes that `strip` took away",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        // Most images have none.
        let mut built = None;
        for file in executables(view) {
            let (path, _, elf) = file;
            let Some(note) = &elf.package else { continue };
            if out.is_owned(path) {
                continue;
            }
            let version = without_epoch(&note.version).to_owned();
            let named = (ecosystem(&note.kind), note.name.clone(), version);
            if !built.get_or_insert_with(|| out.built()).contains(&named) {
                Found::new(view, out, file).add(package(note));
            }
        }
    }
}

/// The ecosystem of a note's type, whose words are those of the distributions.
fn ecosystem(kind: &str) -> Ecosystem {
    match kind {
        "arch" | "pacman" => Ecosystem::Alpm,
        "portage" | "gentoo" => Ecosystem::Ebuild,
        "ipk" => Ecosystem::Opkg,
        _ => Ecosystem::from_name(kind).unwrap_or(Ecosystem::Generic),
    }
}

fn package(note: &Note) -> Package {
    let mut package = Package::new(ecosystem(&note.kind), &note.name, Some(note.version.clone()));
    package.architecture = note.architecture.clone();
    package.cpes.extend(note.cpe.clone());
    package.properties.insert(CONFIDENCE.into(), "elf-note".into());
    if let (Ecosystem::Generic, false) = (package.ecosystem, note.kind.is_empty()) {
        package.properties.insert("elf:package-type".into(), note.kind.clone());
    }
    let id = note.os.as_ref().map(|os| os.to_ascii_lowercase());
    let os = id.map(|id| OsRelease { id, version_id: note.os_version.clone(), ..OsRelease::default() });
    package.purl = purl::of(&package, os.as_ref());
    package
}
