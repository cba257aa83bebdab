//! Go and Rust: what executables say about themselves ([`crate::elf`] finds it).
//!
//! **Go**: the main module, the modules linked in and the standard library, with edges from the main module
//! to all of them: build information does not say which module needs which. A `replace` is followed, because
//! what is linked in is the replacement. `(devel)` is no version. **Rust**: cargo-auditable's list, without
//! what only ran at build time, with its edges; else the crates that panic messages name, marked
//! `seaworthy:confidence` = `path-evidence`, since crates that cannot panic are missing from them.

use super::{Cataloger, Fact};
use crate::collect::Collector;
use crate::elf::{Build, Elf, Linked, Module, Origin, Role};
use crate::path;
use crate::squash::{Snapshots, State, View};
use seaworthy_sbom::inventory::{Ecosystem, Evidence, Package, RelationshipKind};
use std::collections::BTreeMap;

pub(crate) struct Go;
pub(crate) struct Rust;

/// How certain a finding is, where it is not proven.
pub(super) const CONFIDENCE: &str = "seaworthy:confidence";
/// The file that UPX had packed and in which a finding was: as certain as one in a file that was not packed.
const UNPACKED: &str = "seaworthy:unpacked-from-upx";

/// Whether a distribution's package may have an executable at `path`: in a directory for programs.
pub(super) fn is_likely(path: &str) -> bool {
    matches!(path::split(path::split(path).0).1, "bin" | "sbin" | "libexec")
}

/// Whether a file is called as shared objects are: `x.so`, `x.so.1.2`.
pub(super) fn is_shared_object(path: &str) -> bool {
    let base = path::split(path).1;
    base.ends_with(".so") || base.contains(".so.")
}

impl Cataloger for Go {
    fn name(&self) -> &'static str {
        "go-binary"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "ELF programs and shared objects, stripped ones too: Go's build information (Go 1.18 and later); the modules between its marks (before 1.18); without modules, the names of source files (GOPATH and vendored builds); programs that UPX packed, unpacked",
            gives: "main module, modules with replacements followed, `stdlib`, build settings without flags, programs embedded in others (`go:embedded`); from names of source files, modules marked `seaworthy:confidence` = `path-evidence`, with a version where the module cache named it; `seaworthy:unpacked-from-upx` names the file that was unpacked",
            cannot_know: "licences; which module needs which; the version of Go before 1.18; versions of modules in programs built without module information (a gap says so), and which of their directories is a module on hosts of its own",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for file in executables(view) {
            let (path, _, elf) = file;
            by_paths(&mut Found::new(view, out, file), elf);
            for build in &elf.go {
                let mut found = Found::new(view, out, file);
                found.origin = build.origin;
                found.go(build);
                if !build.names_modules() && build.origin == Origin::Own {
                    let why = match elf.go_paths.is_empty() {
                        true => "a Go program without module information: its modules are not known",
                        false => {
                            "a Go program without module information: its modules are those of its source files' \
                             names, most without version"
                        }
                    };
                    out.gap(format!("/{path}"), why, self.name());
                }
                if build.left_out > 0 {
                    let why = format!("{} modules beyond ELF_MODULES were left out", build.left_out);
                    out.gap(format!("/{path}"), why, self.name());
                }
            }
        }
    }
}

/// Modules that names of source files tell.
fn by_paths(found: &mut Found<'_, '_>, elf: &Elf) {
    for (path, version) in &elf.go_paths {
        let version = (!version.is_empty()).then(|| version.clone());
        let mut package = Package::new(Ecosystem::Golang, path, version);
        package.properties.insert(CONFIDENCE.into(), "path-evidence".into());
        found.add(package);
    }
}

impl Cataloger for Rust {
    fn name(&self) -> &'static str {
        "rust-binary"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "ELF programs and shared objects: cargo-auditable's `.dep-v0`; without it, the paths of crates in panic messages; programs that UPX packed, unpacked",
            gives: "crates without what only ran at build time, edges; from paths, crates marked `seaworthy:confidence` = `path-evidence`",
            cannot_know: "licences; from paths, crates that cannot panic, and those of builds that remap paths",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for file in executables(view) {
            let (_, _, elf) = file;
            let mut found = Found::new(view, out, file);
            found.audit(elf);
            for (name, version) in &elf.paths {
                let mut package = Package::new(Ecosystem::Cargo, name, Some(version.clone()));
                package.properties.insert(CONFIDENCE.into(), "path-evidence".into());
                found.add(package);
            }
        }
    }
}

/// An executable: its path, the layer that wrote it last, and what it says.
pub(super) type Executable<'v> = (&'v str, usize, &'v Elf);

/// The executables of the final view that say something.
pub(super) fn executables(view: &View) -> impl Iterator<Item = Executable<'_>> {
    view.parsed().filter_map(|(path, layer, parsed)| match &parsed.fact {
        Fact::Elf(elf) => Some((path, layer, elf.as_ref())),
        _ => None,
    })
}

/// One executable whose packages are being added.
pub(super) struct Found<'a, 'v> {
    view: &'a View,
    out: &'a mut Collector<'v>,
    path: &'a str,
    last: usize,
    packed: bool,
    origin: Origin,
    /// What the file at this path named after each layer, where more than one wrote it.
    named: Option<Snapshots<(String, String)>>,
}

/// What the file at `path` named after each layer, where more than one wrote it.
fn named(view: &View, path: &str) -> Option<Snapshots<(String, String)>> {
    let history = view.history(path);
    let keys = |state: &State| match state.fact() {
        Some(Fact::Elf(elf)) => names(elf),
        _ => Vec::new(),
    };
    (history.len() > 1).then(|| Snapshots::new(&[history], keys))
}

impl<'a, 'v> Found<'a, 'v> {
    /// One of [`executables`].
    pub(super) fn new(view: &'a View, out: &'a mut Collector<'v>, (path, last, elf): Executable<'a>) -> Self {
        let named = named(view, path);
        Self { view, out, path, last, packed: elf.packed, origin: Origin::Own, named }
    }

    /// Takes a package that the executable proves.
    pub(super) fn add(&mut self, mut package: Package) -> usize {
        package.evidence.push(Evidence {
            path: format!("/{}", self.path),
            layer: self.view.digest(self.last).map(str::to_owned),
        });
        if self.packed {
            package.properties.insert(UNPACKED.into(), format!("/{}", self.path));
        }
        let since = self.since(&package);
        self.out.add(package, since)
    }

    /// Since when the executable at this path names the package.
    fn since(&self, package: &Package) -> usize {
        let key = (package.name.clone(), package.version.clone().unwrap_or_default());
        self.named.as_ref().and_then(|named| named.since(&key)).unwrap_or(self.last)
    }

    fn go(&mut self, build: &Build) {
        let main = build.main.as_ref().map(|main| {
            let mut package = module(main);
            let property = |(key, value): &(String, String)| (format!("go:{key}"), value.clone());
            package.properties.extend(build.settings.iter().map(property));
            if let Some(path) = &build.path {
                package.properties.insert("go:path".into(), path.clone());
            }
            if self.origin == Origin::Embedded {
                package.properties.insert("go:embedded".into(), "true".into());
            }
            self.add(package)
        });
        let library = go_version(&build.go).map(|version| {
            let package = Package::new(Ecosystem::Golang, "stdlib", Some(version.to_owned()));
            self.add(package)
        });
        let deps: Vec<usize> = build.deps.iter().map(|dep| self.add(module(dep))).collect();
        for to in deps.into_iter().chain(library) {
            if let Some(main) = main {
                self.out.relate(main, RelationshipKind::DependsOn, to);
            }
        }
    }

    fn audit(&mut self, elf: &Elf) {
        let Some(audit) = &elf.audit else { return };
        let mut handles = BTreeMap::new();
        for (i, found) in audit.crates.iter().enumerate().filter(|(_, c)| c.linked == Linked::Runtime) {
            let mut package = Package::new(Ecosystem::Cargo, &found.name, Some(found.version.clone()));
            if !matches!(found.source.as_str(), "" | "crates.io" | "registry") {
                package.properties.insert("cargo:source".into(), found.source.clone());
            }
            if found.role == Role::Root {
                package.properties.insert("cargo:root".into(), "true".into());
            }
            handles.insert(i, self.add(package));
        }
        for (i, from) in &handles {
            for to in audit.crates.get(*i).into_iter().flat_map(|c| &c.dependencies) {
                if let Some(to) = handles.get(to) {
                    self.out.relate(*from, RelationshipKind::DependsOn, *to);
                }
            }
        }
    }
}

fn names(elf: &Elf) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = elf.paths.iter().cloned().collect();
    all.extend(elf.go_paths.iter().cloned());
    for build in &elf.go {
        let modules = build.main.iter().chain(&build.deps);
        all.extend(modules.map(|m| (m.path.clone(), m.version.clone())));
        all.extend(go_version(&build.go).map(|version| ("stdlib".to_owned(), version.to_owned())));
    }
    let programs = elf.programs.iter().filter_map(|p| Some((p.program()?.name.clone(), p.version.clone())));
    all.extend(programs);
    all.extend(elf.package.iter().map(|note| (note.name.clone(), note.version.clone())));
    let crates = elf.audit.iter().flat_map(|audit| &audit.crates);
    all.extend(crates.map(|c| (c.name.clone(), c.version.clone())));
    all
}

fn module(module: &Module) -> Package {
    let version = (!module.version.is_empty()).then(|| module.version.clone());
    let mut package = Package::new(Ecosystem::Golang, &module.path, version);
    if !module.sum.is_empty() {
        package.properties.insert("go:sum".into(), module.sum.clone());
    }
    if let Some((path, version)) = &module.replaces {
        let asked = if version.is_empty() { path.clone() } else { format!("{path}@{version}") };
        package.properties.insert("go:replaces".into(), asked);
    }
    package
}

/// `1.22.1` of `go1.22.1 X:boringcrypto`; `None` for a development version.
fn go_version(text: &str) -> Option<&str> {
    let version = text.strip_prefix("go")?.split([' ', '-']).next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}
