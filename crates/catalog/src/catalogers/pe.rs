//! Programs and libraries of Windows and .NET: packages by the version information in PE files ([`crate::pe`]).
//!
//! An assembly that the `*.deps.json` of its application lists is the package that is named there, and one in a file
//! that a distribution's package owns is that package: neither is listed again. What is left states itself, and is
//! marked `seaworthy:confidence` = `version-information`: assemblies of .NET as NuGet packages of their own name,
//! which most are distributed under, others by their product.

use super::executables::CONFIDENCE;
use super::{Cataloger, Fact};
use crate::collect::Collector;
use crate::path;
use crate::pe::{Code, Image};
use crate::squash::View;
use seaworthy_sbom::inventory::{Ecosystem, Package};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Pe;

/// Whether a file is called as programs and libraries of Windows and .NET are.
pub(super) fn is_named(path: &str) -> bool {
    let end = path.len().checked_sub(4).and_then(|at| path.get(at..)).unwrap_or_default();
    end.eq_ignore_ascii_case(".dll") || end.eq_ignore_ascii_case(".exe")
}

impl Cataloger for Pe {
    fn name(&self) -> &'static str {
        "pe"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "PE files (`*.dll`, `*.exe`, whatever their name): the version information in their resources",
            gives: "assemblies of .NET that no `*.deps.json` beside or above them lists, as NuGet packages; other programs and libraries by product, with maker; marked `seaworthy:confidence` = `version-information`",
            cannot_know: "under which name an assembly was distributed where that is another; licences; what is in single-file applications; files without version information",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        // What each application's list names, by the directory that it stands in.
        let mut listed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (path, _, parsed) in view.parsed() {
            if let Fact::Dotnet(libraries) = &parsed.fact {
                let names = listed.entry(path::split(path).0).or_default();
                names.extend(libraries.iter().flat_map(|library| library.file_names()));
            }
        }
        for (path, last, parsed) in view.parsed() {
            let Fact::Pe(image) = &parsed.fact else { continue };
            let (dir, base) = path::split(path);
            let base = base.to_ascii_lowercase();
            let is_listed = std::iter::once(dir)
                .chain(path::ancestors(path))
                .any(|dir| listed.get(dir).is_some_and(|names| names.contains(&base)));
            if is_listed || out.is_owned(path) {
                continue;
            }
            let Some(mut package) = package(path, image) else { continue };
            package.evidence.push(view.evidence(path, last));
            out.add(package, last);
        }
    }
}

fn package(path: &str, image: &Image) -> Option<Package> {
    let get = |key: &str| image.strings.get(key).map(String::as_str);
    let stem = |name: &str| {
        let name = path::split(name).1;
        if is_named(name) { name.get(..name.len() - 4).unwrap_or(name) } else { name }.to_owned()
    };
    let file =
        stem(get("OriginalFilename").or(get("InternalName")).filter(|name| is_named(name)).unwrap_or(path));
    let version = version(get("ProductVersion"))
        .or_else(|| version(get("FileVersion")))
        .or_else(|| image.number.clone())?;
    // Texts in other languages of an assembly that is there as well.
    if image.code == Code::Managed && file.ends_with(".resources") {
        return None;
    }
    // Of a whole system, the product does not tell which part it is.
    let product = get("ProductName").filter(|name| !name.contains("Operating System"));
    let (ecosystem, name) = match image.code {
        Code::Managed if is_name(&file) => (Ecosystem::Nuget, file),
        _ => (Ecosystem::Generic, product.map_or(file, str::to_owned)),
    };
    let mut package = Package::new(ecosystem, name, Some(version));
    package.supplier = get("CompanyName").map(str::to_owned);
    package.copyright = get("LegalCopyright").map(str::to_owned);
    package.description = get("FileDescription").map(str::to_owned);
    package.properties.insert(CONFIDENCE.into(), "version-information".into());
    Some(package)
}

/// `13.0.3` of `13.0.3+0a2e291c`, `1.2.3.4` of `1, 2, 3, 4`: what is no version of a package is none.
fn version(text: Option<&str>) -> Option<String> {
    let text = text?.replace(", ", ".");
    let version = text.split(['+', ' ']).next()?;
    let is_version = version.starts_with(|c: char| c.is_ascii_digit())
        && version.len() <= crate::limits::VERSION_BYTES
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        && version.bytes().any(|b| matches!(b, b'1'..=b'9'));
    is_version.then(|| version.to_owned())
}

/// Whether NuGet takes the name (its identifiers are letters, digits, `.`, `-` and `_`).
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_as_tools_write_them() {
        let version = |text| super::version(Some(text));
        assert_eq!(version("13.0.3+0a2e291c0d9c").as_deref(), Some("13.0.3"));
        assert_eq!(version("4.6.26515.06 @BuiltBy: x").as_deref(), Some("4.6.26515.06"));
        assert_eq!(version("1, 2, 0, 4").as_deref(), Some("1.2.0.4"));
        assert_eq!(version("3.0.0-rc.1").as_deref(), Some("3.0.0-rc.1"));
        for none in ["", "v1", "0.0.0.0", "1/2"] {
            assert_eq!(version(none), None, "{none}");
        }
    }
}
