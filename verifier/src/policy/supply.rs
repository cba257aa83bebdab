//! What an SBOM may list, and by whom it was supplied: allowed packages and licences, and component suppliers.
//!
//! `allow` turns the question round: what no entry names is denied, and so is what cannot be told (a version without
//! order, a licence that does not parse or is not stated). A supplier is compared as the document writes it, whole or by
//! its name alone (`Debian libc Maintainers` of `Debian libc Maintainers <x@example.org>`), in any case; where none is
//! stated, who made the package counts. What a document says about a supplier is as good as who signed the document.

use super::glob::Glob;
use super::model::{At, PackageDoc};
use super::rules::{label, license_fault, means, shown, stated_licenses};
use super::{LicenseDenial, PackageDenial};
use crate::verdict::{Explanation, Refusal};
use seaworthy_sbom::inventory::Package;
use serde::Deserialize;

/// What an SBOM may list, and nothing else.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AllowDoc {
    /// Packages: every package in an SBOM must be one of them, in one of these versions.
    pub(super) packages: Option<At<Vec<At<PackageDoc>>>>,
    /// SPDX licence ids, `GPL-3.0-*` for a family: every package must be usable under these alone, and state a licence.
    pub(super) licenses: Option<At<Vec<At<String>>>>,
}

/// Who may supply components.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SuppliersDoc {
    /// Every supplier that is stated must be one of these; `**` stands for any characters, `*` for any but `/`.
    pub(super) allow: Option<At<Vec<At<String>>>>,
    /// No supplier may be one of these.
    pub(super) deny: Option<At<Vec<At<String>>>>,
    /// Every package must state its supplier.
    pub(super) required: Option<At<bool>>,
}

/// The rules of [`AllowDoc`]. `None` asks nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    pub(crate) packages: Option<Vec<PackageDenial>>,
    pub(crate) licenses: Option<Vec<LicenseDenial>>,
}

/// The rules of [`SuppliersDoc`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Suppliers {
    pub(crate) allow: Option<Vec<Glob>>,
    pub(crate) deny: Vec<Glob>,
    pub(crate) required: Required,
}

/// Whether every package must state its supplier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Required {
    #[default]
    No,
    Yes,
}

impl Allowed {
    /// Why `package` may not be there.
    pub(crate) fn faults(&self, package: &Package) -> Vec<Explanation> {
        let of_packages = self.packages.as_ref().and_then(|list| not_allowed(list, package));
        let of_licenses = self.licenses.as_ref().and_then(|list| license_not_allowed(list, package));
        of_packages.into_iter().chain(of_licenses).collect()
    }

    /// What it asks, for people.
    pub(crate) fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(list) = &self.packages {
            let each: Vec<String> = list.iter().map(|p| format!("{} {}", p.name, p.text)).collect();
            lines.push(format!("no package but {}", each.join(", ")));
        }
        if let Some(list) = &self.licenses {
            let each: Vec<&str> = list.iter().map(|l| l.text.as_str()).collect();
            lines.push(format!("no licence but {}", each.join(", ")));
        }
        lines
    }
}

fn not_allowed(list: &[PackageDenial], package: &Package) -> Option<Explanation> {
    let mut unknown = None;
    let mut named = false;
    for allowed in list.iter().filter(|allowed| means(allowed, package)) {
        named = true;
        let inside = match (&package.version, allowed.range.is_any()) {
            (_, true) => Some(true),
            (Some(version), false) => allowed.range.contains(allowed.ecosystem, version),
            (None, false) => None,
        };
        match inside {
            Some(true) => return None,
            Some(false) => {}
            None => unknown = Some(allowed),
        }
    }
    Some(match (unknown, named) {
        (Some(allowed), _) => Explanation::new(
            Refusal::CannotCompareVersion,
            format!("{} cannot be compared with {} {}", label(package), allowed.name, allowed.text),
        ),
        (None, true) => Explanation::new(
            Refusal::PackageNotAllowed,
            format!("{} is allowed in other versions alone", label(package)),
        ),
        (None, false) => Explanation::new(
            Refusal::PackageNotAllowed,
            format!("{} is not among the allowed packages", label(package)),
        ),
    })
}

fn license_not_allowed(list: &[LicenseDenial], package: &Package) -> Option<Explanation> {
    let expressions = match stated_licenses(package) {
        Ok(expressions) => expressions,
        Err(why) => return Some(why),
    };
    if expressions.is_empty() {
        return Some(Explanation::new(
            Refusal::LicenseNotAllowed,
            format!("{} states no licence, and only some are allowed", label(package)),
        ));
    }
    license_fault(package, &expressions, Refusal::LicenseNotAllowed, |leaf| {
        !list.iter().any(|rule| rule.pattern.matches(leaf))
    })
}

impl Suppliers {
    /// Why `package` may not be there.
    pub(crate) fn faults(&self, package: &Package) -> Vec<Explanation> {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let (supplier, originator) = (said(&package.supplier), said(&package.originator));
        let named = |list: &[Glob], text: &str| {
            let (whole, name) = (text.trim().to_lowercase(), bare(text).to_lowercase());
            list.iter().any(|glob| glob.matches(&whole) || glob.matches(&name))
        };
        let mut faults = Vec::new();
        // Somebody who is denied is not to be there in either role.
        for text in supplier.iter().chain(&originator).filter(|text| named(&self.deny, text)) {
            faults.push(Explanation::new(
                Refusal::SupplierDenied,
                format!("{} comes from {}", label(package), shown(text)),
            ));
        }
        match supplier.or(originator) {
            None if self.required == Required::Yes => {
                let text = format!("{} does not say who supplies it", label(package));
                faults.push(Explanation::new(Refusal::SupplierMissing, text));
            }
            Some(text) if self.allow.as_ref().is_some_and(|list| !named(list, &text)) => {
                let text = format!(
                    "{} comes from {}, who is not among the allowed suppliers",
                    label(package),
                    shown(&text)
                );
                faults.push(Explanation::new(Refusal::SupplierNotAllowed, text));
            }
            _ => {}
        }
        faults
    }

    /// What it asks, for people.
    pub(crate) fn summary(&self) -> Vec<String> {
        let names = |list: &[Glob]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut lines = Vec::new();
        lines.extend(self.allow.as_ref().map(|list| format!("no supplier but {}", names(list))));
        if !self.deny.is_empty() {
            lines.push(format!("no supplier {}", names(&self.deny)));
        }
        if self.required == Required::Yes {
            lines.push("a supplier for every package".to_owned());
        }
        lines
    }
}

/// The name in `Name <contact>` or `Name (contact)`.
fn bare(text: &str) -> &str {
    text.split(['<', '(']).next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::super::glob::Fixed;
    use super::*;
    use seaworthy_sbom::inventory::Ecosystem;

    fn package(supplier: Option<&str>, originator: Option<&str>) -> Package {
        let mut package = Package::new(Ecosystem::Deb, "libc6", Some("2.36".into()));
        package.supplier = supplier.map(str::to_owned);
        package.originator = originator.map(str::to_owned);
        package
    }

    fn globs(list: &[&str]) -> Vec<Glob> {
        list.iter().map(|text| Glob::parse(&text.to_lowercase(), Fixed::Free).unwrap()).collect()
    }

    fn codes(rule: &Suppliers, package: &Package) -> Vec<&'static str> {
        rule.faults(package).iter().map(|e| e.code.code()).collect()
    }

    #[test]
    fn a_supplier_is_found_by_its_name_or_as_written() {
        let rule = |list: &[&str]| Suppliers { allow: Some(globs(list)), ..Suppliers::default() };
        let debian = package(Some("Debian Libc Team <libc@debian.example>"), None);
        for good in ["debian libc team", "Debian **", "** <libc@debian.example>", "**"] {
            assert_eq!(codes(&rule(&[good]), &debian), Vec::<&str>::new(), "{good}");
        }
        for bad in ["debian", "Debian Libc", "**@other.example>"] {
            assert_eq!(codes(&rule(&[bad]), &debian), ["supplier-not-allowed"], "{bad}");
        }
        // Nobody is stated, and nobody is asked for.
        assert_eq!(codes(&rule(&["x"]), &package(None, Some(" "))), Vec::<&str>::new());
        assert_eq!(codes(&rule(&["x"]), &package(None, Some("y"))), ["supplier-not-allowed"]);
    }

    #[test]
    fn who_is_denied_is_not_hidden_by_another_role() {
        let rule = Suppliers { deny: globs(&["evil **"]), required: Required::Yes, ..Suppliers::default() };
        assert_eq!(codes(&rule, &package(Some("Good Corp"), Some("Evil Corp"))), ["supplier-denied"]);
        assert_eq!(codes(&rule, &package(None, Some("Evil Corp"))), ["supplier-denied"]);
        assert_eq!(codes(&rule, &package(None, None)), ["supplier-missing"]);
        assert_eq!(codes(&rule, &package(None, Some("Good Corp"))), Vec::<&str>::new());
    }
}
