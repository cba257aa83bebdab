//! What the maker of an inventory adds to what was found: who made it, and openly what is not known.
//!
//! Added is what follows from a package's own data (the file name that its format prescribes) and the names of those
//! who say so. What was looked for and not found is named as unknown; nothing is made up to fill a field.

use crate::fields::{self, Party};
use crate::inventory::{Creator, Ecosystem, Inventory, Package, Presence};
use crate::quality::{self, Element, Profile, UNKNOWN};
use crate::{Error, ErrorKind, Result};

/// The elements that may be said to be unknown: what names a package is not among them.
const MAY_BE_UNKNOWN: [Element; 9] = [
    Element::Supplier,
    Element::StrongHash,
    Element::License,
    Element::ComponentCreator,
    Element::FileName,
    Element::Executable,
    Element::Archive,
    Element::Structured,
    Element::Sha512,
];

/// Who speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declaration {
    /// Who makes the document. `None`: the program alone.
    pub author: Option<Creator>,
    /// Who supplies what it is about, `Name <mail>`. `None`: whoever its own data names.
    pub supplier: Option<String>,
}

/// Reads an author: `Name`, `Name <mail>`, with `Person:` before it for somebody who is no organization.
///
/// # Errors
/// [`ErrorKind::Malformed`] for an empty name, or a contact that is no mail address: documents have no place for
/// another.
pub fn author(text: &str) -> Result<Creator> {
    let (person, rest) = match text.trim().split_once(':') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("person") => (true, rest),
        Some((kind, rest)) if kind.eq_ignore_ascii_case("organization") => (false, rest),
        _ => (false, text),
    };
    let Party { name, contact } = Party::parse(rest);
    let plain =
        !name.is_empty() && !name.contains(['<', '>', '(', ')']) && !name.chars().any(char::is_control);
    if !plain || contact.as_deref().is_some_and(|c| !fields::is_email(c)) {
        let shown: String = text.chars().take(100).collect();
        let why = format!("'{}' is no name with a mail address", shown.escape_debug());
        return Err(Error::new("read the author of the SBOM", ErrorKind::Malformed(why)).hint(
            "write it as 'Harbour Ltd <sbom@harbour.example>', or 'Person: Jane Doe <jane@harbour.example>'",
        ));
    }
    Ok(match person {
        true => Creator::Person { name, contact },
        false => Creator::Organization { name, contact },
    })
}

/// Puts into `inventory` who made it and who supplies it, what files packages come in, and what is not known of them.
pub fn declare(inventory: &mut Inventory, declaration: &Declaration) {
    inventory.creators.extend(declaration.author.clone());
    if declaration.supplier.is_some() {
        inventory.subject.supplier.clone_from(&declaration.supplier);
    }
    for package in &mut inventory.packages {
        for (property, value) in distributed_as(package) {
            package.properties.entry(property.to_owned()).or_insert(value);
        }
        let asked = |element: &Element| Profile::ALL.iter().any(|p| p.elements().contains(element));
        let unknown: Vec<&str> = MAY_BE_UNKNOWN
            .iter()
            .filter(|element| asked(element) && !quality::has(package, **element))
            .map(|element| element.code())
            .collect();
        if !unknown.is_empty() {
            package.properties.insert(UNKNOWN.to_owned(), unknown.join(","));
        }
    }
    inventory.creators.sort();
    inventory.creators.dedup();
}

/// The file in which a package is distributed, in BSI's words, where the package's own format prescribes them: an
/// archive, not executable itself, with its contents' metadata in it.
fn distributed_as(package: &Package) -> Vec<(&'static str, String)> {
    if package.presence != Presence::Installed {
        return Vec::new();
    }
    let Some(name) = file_name(package) else { return Vec::new() };
    let mut values = vec![
        ("bsi:component:filename", name),
        ("bsi:component:archive", "archive".to_owned()),
        ("bsi:component:structured", "structured".to_owned()),
    ];
    // Some jars can be run and others cannot; which, stands in a manifest that nobody asked for here.
    if package.ecosystem != Ecosystem::Maven {
        values.push(("bsi:component:executable", "non-executable".to_owned()));
    }
    values
}

/// deb-version(7) and dpkg-name(1): without the epoch. rpm: name-version-release.arch. A jar stands where it was found.
fn file_name(package: &Package) -> Option<String> {
    let version = package.version.as_deref()?;
    let plain = version.split_once(':').map_or(version, |(_, rest)| rest);
    let arch = package.architecture.as_deref().filter(|a| !a.is_empty());
    let name = match package.ecosystem {
        Ecosystem::Deb => format!("{}_{plain}_{}.deb", package.name, arch?),
        Ecosystem::Rpm => format!("{}-{plain}.{}.rpm", package.name, arch?),
        Ecosystem::Apk => format!("{}-{version}.apk", package.name),
        Ecosystem::Maven => {
            let [evidence] = package.evidence.as_slice() else { return None };
            let last = evidence.path.rsplit('/').next()?;
            let known =
                ["jar", "war", "ear"].iter().any(|e| last.rsplit_once('.').is_some_and(|(_, x)| x == *e));
            return known.then(|| last.to_owned());
        }
        _ => return None,
    };
    // Names and versions of these formats have no such characters; those that do are somebody's invention.
    name.chars().all(|c| c.is_ascii_graphic() && c != '/').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Evidence;

    fn deb() -> Package {
        let mut package = Package::new(Ecosystem::Deb, "perl-base", Some("1:5.36.0-7".into()));
        package.architecture = Some("amd64".into());
        package.supplier = Some("Perl Maintainers <perl@example.org>".into());
        package
    }

    #[test]
    fn what_is_known_is_written_and_what_is_not_is_named() {
        let mut inventory = Inventory { packages: vec![deb()], ..Inventory::default() };
        let declaration = Declaration {
            author: Some(author("Harbour Ltd <sbom@harbour.example>").unwrap()),
            supplier: Some("Harbour Ltd".into()),
        };
        declare(&mut inventory, &declaration);
        assert_eq!(inventory.subject.supplier.as_deref(), Some("Harbour Ltd"));
        assert_eq!(
            inventory.creators,
            [Creator::Organization {
                name: "Harbour Ltd".into(),
                contact: Some("sbom@harbour.example".into())
            }]
        );
        let said = &inventory.packages[0].properties;
        assert_eq!(said["bsi:component:filename"], "perl-base_5.36.0-7_amd64.deb");
        assert_eq!(said["bsi:component:executable"], "non-executable");
        assert_eq!(said[UNKNOWN], "strong-hash,license,sha-512");
        let judged = quality::judged(Profile::Bsi, &inventory, None);
        let unknown: Vec<_> = judged.unknown.iter().map(|m| (m.element, m.packages)).collect();
        assert_eq!(unknown, [(Element::License, 1), (Element::Sha512, 1)]);
        assert!(judged.missing.iter().all(|m| m.packages == 0 || m.element == Element::UniqueId));
        // A policy takes no word for it.
        let strict = quality::missing_of(Profile::Bsi, &inventory, None);
        assert!(strict.iter().any(|m| m.element == Element::Sha512 && m.packages == 1));
    }

    #[test]
    fn a_hash_of_the_installed_files_is_no_unknown_hash() {
        let mut package = deb();
        package.properties.insert(crate::files::INSTALLED_FILES_SHA256.into(), "ab".repeat(32));
        let mut inventory = Inventory { packages: vec![package], ..Inventory::default() };
        declare(&mut inventory, &Declaration::default());
        assert_eq!(inventory.packages[0].properties[UNKNOWN], "license,sha-512");
    }

    #[test]
    fn file_names_are_those_of_the_format_or_none() {
        let of = |ecosystem, name: &str, version: &str, arch: Option<&str>, path: &str| {
            let mut package = Package::new(ecosystem, name, Some(version.into()));
            package.architecture = arch.map(str::to_owned);
            package.evidence = vec![Evidence { path: path.into(), layer: None }];
            file_name(&package)
        };
        for (found, wanted) in [
            (
                of(Ecosystem::Rpm, "bash", "1:5.1-4.el9", Some("x86_64"), "/"),
                Some("bash-5.1-4.el9.x86_64.rpm"),
            ),
            (of(Ecosystem::Apk, "musl", "1.2.4-r2", None, "/"), Some("musl-1.2.4-r2.apk")),
            (of(Ecosystem::Maven, "a:b", "1", None, "/app/b-1.jar"), Some("b-1.jar")),
            (of(Ecosystem::Maven, "a:b", "1", None, "/app/pom.xml"), None),
            (of(Ecosystem::Deb, "no-arch", "1", None, "/"), None),
            (of(Ecosystem::Deb, "a/../b", "1", Some("all"), "/"), None),
            (of(Ecosystem::Npm, "left-pad", "1.0.0", None, "/"), None),
        ] {
            assert_eq!(found.as_deref(), wanted);
        }
    }

    #[test]
    fn an_author_has_a_name_and_perhaps_a_mail_address() {
        let person = Creator::Person { name: "Jane Doe".into(), contact: Some("jane@x.example".into()) };
        assert_eq!(author("person: Jane Doe <jane@x.example>").unwrap(), person);
        let group = Creator::Organization { name: "Harbour".into(), contact: None };
        assert_eq!(author("Harbour").unwrap(), group);
        for text in ["", "  ", "Person:", "Harbour <https://x.example>", "<a@b.example>", "A (B)", "a\nb"] {
            assert!(author(text).is_err(), "{text}");
        }
    }
}
