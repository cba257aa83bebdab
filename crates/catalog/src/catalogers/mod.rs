//! Who reads what: one file for each ecosystem.
//!
//! A [`Cataloger`] names the files it wants by path, parses one of them at a time into a small [`Fact`]
//! while its layer streams by, and reads packages off the squashed view at the end. It sees bytes and
//! answers with facts or a reason; it cannot fail the image.

mod apk;
mod beam;
pub(crate) mod bytes;
mod composer;
mod conda;
mod copyright;
mod dart;
mod deb;
mod dotnet;
mod elf_note;
pub(crate) mod embedded;
mod executables;
mod gem;
mod haskell;
pub(crate) mod heads;
mod homebrew;
pub(crate) mod java;
mod locks;
mod lua;
mod modules;
mod native_image;
mod nix;
mod npm;
mod ocaml;
mod opkg;
mod os_release;
mod pacman;
mod pe;
mod pear;
mod perl;
mod portage;
mod programs;
mod python;
mod rlang;
pub(crate) mod rpm;
mod snap;
mod stated;
mod structured;
mod vcpkg;
mod wordpress;

use crate::collect::Collector;
use crate::elf::{Elf, Inside};
use crate::limits;
use crate::pack::pack;
use crate::squash::View;
use seaworthy_sbom::inventory::{OsRelease, Package};

/// What one file says.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    /// `os-release`.
    Os(OsRelease),
    /// A dpkg database, or one paragraph of it in `status.d`.
    Deb(Vec<deb::Entry>),
    /// The licences that a Debian copyright file names.
    Copyright(Vec<String>),
    /// The files of a deb that another cataloger wants.
    DebFiles(Vec<String>),
    /// An apk database.
    Apk(Vec<apk::Entry>),
    /// An rpm database, or a list that stands for one.
    Rpm(Vec<rpm::Entry>),
    /// The metadata of a Python distribution.
    Python(Box<python::Dist>),
    /// Where a Python distribution was installed from.
    DirectUrl(python::DirectUrl),
    /// An npm package.
    Npm(Box<npm::Manifest>),
    /// The packages of a Java archive, the outermost first.
    Java(Vec<java::Found>),
    /// A Java runtime.
    Jvm(Box<java::Runtime>),
    /// An installed gem.
    Gem(Box<gem::Spec>),
    /// What Composer installed.
    Composer(Vec<composer::Entry>),
    /// The libraries of a .NET application.
    Dotnet(Vec<dotnet::Library>),
    /// Packages as a file states them.
    Stated(Box<stated::Stated>),
    /// What stands beside a package's own file and says more of it.
    Beside(Vec<String>),
    /// What an executable says about itself.
    Elf(Box<Elf>),
    /// What an SBOM in the image says.
    Sbom(Box<embedded::Claims>),
    /// What the SBOM in a native image says.
    Native(Box<embedded::Claims>),
    /// A machine-learning model.
    Model(Box<Package>),
    /// The version information of a PE file.
    Pe(Box<crate::pe::Image>),
    /// A kernel.
    Kernel(Box<Package>),
    /// A kernel's module.
    Module(Box<modules::Module>),
    /// A text that may be the licence of the package beside it.
    LicenceText(String),
    /// A file that looks like a package's and is none.
    Nothing,
}
pack!(
    enum Fact {
        Os(found),
        Deb(found),
        Copyright(found),
        DebFiles(found),
        Apk(found),
        Rpm(found),
        Python(found),
        DirectUrl(found),
        Npm(found),
        Java(found),
        Jvm(found),
        Gem(found),
        Composer(found),
        Dotnet(found),
        Stated(found),
        Beside(found),
        Elf(found),
        Sbom(found),
        Native(found),
        Model(found),
        Pe(found),
        Kernel(found),
        Module(found),
        LicenceText(text),
        Nothing,
    }
);

/// A file that was read.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    /// What it says.
    pub(crate) fact: Fact,
    /// What in it could not be read.
    pub(crate) notes: Vec<String>,
}
pack!(struct Parsed { fact, notes });

impl Parsed {
    /// An executable, whose notes are those of the file. A list that it carries says more than it does itself.
    pub(crate) fn program(elf: Option<Elf>, inside: Option<Inside>) -> Option<Self> {
        let mut elf = elf.unwrap_or_default();
        let notes = std::mem::take(&mut elf.notes);
        let mut parsed = match inside {
            Some(Inside::Libraries(list)) => dotnet::bundled(list),
            Some(Inside::Document(document)) => native_image::document(document),
            None if elf == Elf::default() && notes.is_empty() => return None,
            None => Fact::Elf(Box::new(elf)).into(),
        };
        parsed.notes.extend(notes);
        Some(parsed)
    }

    /// A program of Windows or .NET, or why what it says of itself could not be read.
    pub(crate) fn windows(image: Result<crate::pe::Image, String>) -> Self {
        let (image, notes) =
            image.map_or_else(|why| (Default::default(), vec![why]), |image| (image, Vec::new()));
        Self { fact: Fact::Pe(Box::new(image)), notes }
    }
}

impl From<Fact> for Parsed {
    fn from(fact: Fact) -> Self {
        Self { fact, notes: Vec::new() }
    }
}

/// What docs/reference/catalogers.md says about a cataloger.
#[cfg(test)]
pub(crate) struct About {
    /// The files.
    pub(crate) reads: &'static str,
    /// Packages, and what of them.
    pub(crate) gives: &'static str,
    /// What the data does not say.
    pub(crate) cannot_know: &'static str,
}

/// One ecosystem.
pub(crate) trait Cataloger: Sync {
    /// Its name in the inventory.
    fn name(&self) -> &'static str;

    /// Its row in docs/reference/catalogers.md.
    #[cfg(test)]
    fn about(&self) -> About;

    /// Whether it wants the file at `path` (clean, relative to the root), and how many bytes at most. None, where its
    /// files are known by their content or its packages by directories.
    fn wants(&self, path: &str) -> Option<u64> {
        let _ = path;
        None
    }

    /// What a file of that size counts for in the budgets of a layer and of the image.
    fn weight(&self, size: u64) -> u64 {
        size
    }

    /// What the file says, which it wants.
    ///
    /// # Errors
    /// Why it cannot be read, in one line.
    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let _ = (path, content);
        Err(format!("'{}' reads no files by name", self.name()))
    }

    /// Reads packages off the final view.
    fn collect(&self, view: &View, out: &mut Collector<'_>);
}

/// All catalogers. The OS release comes first: the others' purls name it; lock files last: what is installed
/// as well is found by then.
pub(crate) const ALL: &[&dyn Cataloger] = &[
    &os_release::OsReleaseFile,
    &deb::Dpkg,
    &apk::Apk,
    &rpm::Rpm,
    &python::Python,
    &npm::Npm,
    &java::Java,
    &native_image::NativeImage,
    &gem::Gem,
    &composer::Composer,
    &dotnet::Dotnet,
    &executables::Go,
    &executables::Rust,
    &pacman::Pacman,
    &portage::Portage,
    &opkg::Opkg,
    &nix::Nix,
    &homebrew::Homebrew,
    &conda::Conda,
    &snap::Snap,
    &pear::Pear,
    &rlang::R,
    &perl::Perl,
    &lua::Lua,
    &ocaml::Ocaml,
    &haskell::Haskell,
    &beam::Beam,
    &dart::Dart,
    &vcpkg::Vcpkg,
    &wordpress::Wordpress,
    // What a package owns is known by now.
    &programs::Programs,
    &elf_note::ElfNote,
    &pe::Pe,
    &heads::Models,
    &heads::Kernel,
    &modules::Modules,
    &locks::Locks,
    &embedded::Embedded,
];

/// The cataloger that wants the file at `path`, and how many bytes at most.
pub(crate) fn wanting(path: &str) -> Option<(&'static dyn Cataloger, u64)> {
    ALL.iter().copied().find_map(|cataloger| Some((cataloger, cataloger.wants(path)?)))
}

/// The catalogers whose packages a distribution's packages bring.
const LANGUAGES: &[&dyn Cataloger] = &[
    &python::Python,
    &npm::Npm,
    &java::Java,
    &gem::Gem,
    &composer::Composer,
    &dotnet::Dotnet,
    &pear::Pear,
    &rlang::R,
    &perl::Perl,
    &lua::Lua,
    &ocaml::Ocaml,
    &haskell::Haskell,
    &beam::Beam,
    &wordpress::Wordpress,
    &modules::Modules,
];

/// The package that a directory is by its name alone.
pub(crate) fn directory(path: &str) -> Option<Parsed> {
    nix::directory(path)
}

/// Whether a file of a distribution package is the proof of another package.
pub(crate) fn proves_language_package(path: &str) -> bool {
    LANGUAGES.iter().any(|reader| reader.wants(path).is_some())
        || executables::is_likely(path)
        || executables::is_shared_object(path)
        || pe::is_named(path)
        || crate::known::is_known(path)
        || heads::is_kernel(path)
}

/// Whether a file is called as programs and shared objects are: most of those are one, and their bytes are wanted. A guess,
/// on which nothing depends but when they are fetched.
pub(crate) fn is_named_as_program(path: &str) -> bool {
    executables::is_shared_object(path) || pe::is_named(path) || path.ends_with(".node")
}

/// Who speaks for a file that was read.
pub(crate) fn reader_of(path: &str, parsed: &Parsed) -> Option<&'static dyn Cataloger> {
    match &parsed.fact {
        Fact::Elf(elf) if elf.go.is_empty() && (elf.audit.is_some() || !elf.paths.is_empty()) => {
            Some(&executables::Rust)
        }
        Fact::Dotnet(_) => Some(&dotnet::Dotnet),
        Fact::Native(_) => Some(&native_image::NativeImage),
        Fact::Model(_) => Some(&heads::Models),
        Fact::Kernel(_) => Some(&heads::Kernel),
        Fact::Pe(_) => Some(&pe::Pe),
        Fact::Elf(elf) if elf.go.is_empty() && !elf.programs.is_empty() => Some(&programs::Programs),
        Fact::Elf(elf) if elf.go.is_empty() && elf.package.is_some() => Some(&elf_note::ElfNote),
        Fact::Elf(_) => Some(&executables::Go),
        _ => wanting(path).map(|(cataloger, _)| cataloger),
    }
}

/// Says so where `owner` names more dependencies than are kept.
pub(crate) fn dependencies_left_out(owner: &str, named: usize) -> Option<String> {
    (named > limits::DEPENDENCIES).then(|| {
        let owner = crate::path::shown(owner.as_bytes());
        format!("{owner} names {named} dependencies, more than the limit of {}", limits::DEPENDENCIES)
    })
}

/// What a text ends in that was cut.
const CUT: &str = " […]";

/// A field's text, without blanks at its ends, bounded, and marked where that cut it; `None` where nothing is left.
pub(crate) fn field(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() <= limits::FIELD_BYTES {
        return (!text.is_empty()).then(|| text.to_owned());
    }
    let mut end = limits::FIELD_BYTES - CUT.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).map(|text| [text, CUT].concat())
}

/// Whether [`field`] cut it: it is as long as that leaves a text, up to a letter of four bytes.
pub(crate) fn is_cut(text: &str) -> bool {
    text.len() + 4 > limits::FIELD_BYTES && text.ends_with(CUT)
}

/// Paragraphs of `Name: value` lines as Debian writes them (deb822(5)): a line that begins with a blank
/// goes on with the value before it, `#` is a comment, an empty line ends the paragraph.
pub(crate) fn paragraphs(text: &str) -> impl Iterator<Item = Vec<(&str, String)>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut fields: Vec<(&str, String)> = Vec::new();
        for line in lines.by_ref() {
            if line.trim().is_empty() {
                if fields.is_empty() {
                    continue;
                }
                return Some(fields);
            }
            if line.starts_with('#') {
                continue;
            }
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push('\n');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.trim(), value.trim().to_owned()));
            }
        }
        (!fields.is_empty()).then_some(fields)
    })
}

/// The first value of a field in a paragraph; names are compared without regard to case.
pub(crate) fn value<'a>(paragraph: &'a [(&str, String)], name: &str) -> Option<&'a str> {
    paragraph.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    /// The table of docs/reference/catalogers.md is made of what each cataloger says about itself; UPDATE_DOCS=1
    /// writes it.
    #[test]
    fn the_reference_lists_every_cataloger() {
        const HEAD: &str = "| cataloger | reads | gives | cannot know |\n|---|---|---|---|\n";
        let mut table = HEAD.to_owned();
        for cataloger in super::ALL {
            let super::About { reads, gives, cannot_know } = cataloger.about();
            let cells = [reads, gives, cannot_know];
            assert!(cells.iter().all(|c| !c.is_empty() && !c.contains(['|', '\n'])), "{}", cataloger.name());
            writeln!(table, "| `{}` | {reads} | {gives} | {cannot_know} |", cataloger.name()).unwrap();
        }
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/catalogers.md");
        let page = std::fs::read_to_string(&place).unwrap();
        let start = page.find(HEAD).expect("the table");
        let end = start + page[start..].find("\n\n").expect("text after the table") + 1;
        let wanted = format!("{}{table}{}", &page[..start], &page[end..]);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&place, wanted).unwrap();
        } else {
            assert!(page == wanted, "UPDATE_DOCS=1 cargo test -p seaworthy-catalog the_reference writes it");
        }
    }
}
