//! Lock files: what an application declares that it needs, whether or not it is installed.
//!
//! Packages are [`Presence::Declared`](seaworthy_sbom::inventory::Presence); where the same package is installed as
//! well, it is one component, and the lock file is one more piece of its evidence. Lock files inside of installed
//! trees (`node_modules`, `site-packages`, gems, a `vendor` directory) belong to what is installed there and are not
//! read.
//!
//! Only exact versions are taken: of `requirements.txt` the lines with `==`, of `go.mod` what it requires unless a
//! directory replaces it, of `vcpkg.json` what it overrides. Edges are those of the file, between its own packages.
//! What they cannot know: whether something was left out at installation (development and optional packages, other
//! platforms); what only development needs is marked where the file says so.

mod javascript;
mod json;
mod lines;
mod tables;
#[cfg(test)]
mod tests;

use super::stated::{self, List, Reach};
use super::{Cataloger, Fact, Parsed};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;
use serde_json::Value;

pub(crate) struct Locks;

const NAME: &str = "lock-file";

/// How a file is read.
#[derive(Clone, Copy)]
enum Reader {
    /// Line by line.
    Text(fn(&str, &mut List)),
    /// As JSON.
    Json(fn(&Value, &mut List) -> Result<(), String>),
    /// As JSON with comments and commas at the end of lists.
    LaxJson(fn(&Value, &mut List) -> Result<(), String>),
}

/// The reader of a file of that name.
fn reader(base: &str) -> Option<Reader> {
    use Reader::{Json, LaxJson, Text};
    Some(match base {
        "Cargo.lock" => Text(|text, list| tables::read(Ecosystem::Cargo, text, list)),
        "poetry.lock" | "uv.lock" | "pdm.lock" | "pylock.toml" => {
            Text(|text, list| tables::read(Ecosystem::Pypi, text, list))
        }
        "Pipfile.lock" => Json(json::pipfile),
        "requirements.txt" => Text(lines::requirements),
        "package-lock.json" | "npm-shrinkwrap.json" => Json(javascript::package_lock),
        "yarn.lock" => Text(javascript::yarn),
        "pnpm-lock.yaml" => Text(javascript::pnpm),
        "bun.lock" => LaxJson(javascript::bun),
        "deno.lock" => Json(javascript::deno),
        "Gemfile.lock" => Text(lines::gemfile),
        "composer.lock" => Json(json::composer),
        "go.mod" => Text(lines::go_mod),
        "packages.lock.json" => Json(json::nuget),
        "pubspec.lock" => Text(lines::pubspec),
        "Package.resolved" => Json(json::swift),
        "Podfile.lock" => Text(lines::podfile),
        "mix.lock" => Text(lines::mix),
        "rebar.lock" => Text(lines::rebar),
        "stack.yaml.lock" => Text(lines::stack),
        "cabal.project.freeze" => Text(lines::cabal),
        "conan.lock" => Json(json::conan),
        "vcpkg.json" => Json(json::vcpkg),
        "gradle.lockfile" | "buildscript-gradle.lockfile" => Text(lines::gradle),
        "renv.lock" => Json(json::renv),
        "cpanfile.snapshot" => Text(lines::cpanfile),
        "luarocks.lock" => Text(lines::luarocks),
        "opam.locked" => Text(lines::opam),
        name if name.ends_with(".opam.locked") => Text(lines::opam),
        _ => return None,
    })
}

fn wanted(path: &str) -> Option<Reader> {
    let (dir, base) = path::split(path);
    let reader = reader(base)?;
    /// Directories of what others installed, or of sources that a tool downloaded.
    const INSTALLED: &[&str] = &[
        "node_modules",
        "site-packages",
        "dist-packages",
        "gems",
        "vendor",
        "doc",
        ".pub-cache",
        "hackage",
        "bower_components",
    ];
    let downloaded = ["pkg/mod/", "registry/src/", "git/checkouts/"].iter().any(|part| path.contains(part));
    let inside = downloaded || dir.split('/').any(|part| INSTALLED.contains(&part));
    (!inside).then_some(reader)
}

impl Cataloger for Locks {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`Cargo.lock`, `go.mod`, `package-lock.json`, `npm-shrinkwrap.json`, `yarn.lock`, `pnpm-lock.yaml`, `bun.lock`, `deno.lock`, `poetry.lock`, `uv.lock`, `pdm.lock`, `pylock.toml`, `Pipfile.lock`, `requirements.txt` (`==`), `Gemfile.lock`, `composer.lock`, `packages.lock.json`, `gradle.lockfile`, `pubspec.lock`, `Package.resolved`, `Podfile.lock`, `mix.lock`, `rebar.lock`, `stack.yaml.lock`, `cabal.project.freeze`, `conan.lock`, `vcpkg.json` (overrides), `renv.lock`, `cpanfile.snapshot`, `*.opam.locked`, `luarocks.lock`, outside of installed trees",
            gives: "packages marked as declared; edges, checksums, and what only development needs (`lock:scope`) where the file says so; one that is installed too is one component with both as evidence",
            cannot_know: "what an installation left out; edges of `go.mod`, `requirements.txt`, `Pipfile.lock`, `gradle.lockfile`, `pubspec.lock`, `Package.resolved`, `stack.yaml.lock`, `cabal.project.freeze`, `*.opam.locked` and `luarocks.lock`, which have none; packages from directories and, but for Swift, from version control",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        wanted(path).map(|_| limits::LIST_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        match reader(path::split(path).1) {
            Some(reader) => read(reader, content),
            None => Ok(Fact::Nothing.into()),
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}

fn read(reader: Reader, content: &[u8]) -> Result<Parsed, String> {
    let text = String::from_utf8_lossy(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content));
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|e| format!("no JSON: {e}"));
    let mut list = List::default();
    match reader {
        Reader::Text(read) => read(&text, &mut list),
        Reader::Json(read) => read(&json(&text)?, &mut list)?,
        Reader::LaxJson(read) => {
            read(&json(&super::structured::without_trailing_commas(&text))?, &mut list)?;
        }
    }
    list.done(NAME, Reach::File)
}
