//! What an SBOM may list and by whom it was supplied, from the file to a rule. Refused is what has no effect, and what
//! would deny everything.

use super::Lint;
use crate::policy::glob::{Fixed, Glob};
use crate::policy::model::At;
use crate::policy::supply::{AllowDoc, Allowed, Required, Suppliers, SuppliersDoc};
use crate::policy::{LicenseDenial, PackageDenial};
use seaworthy_sbom::license;

impl Lint<'_> {
    pub(super) fn allowed(&mut self, at: &At<AllowDoc>) -> Allowed {
        let doc = at.get();
        if doc.packages.is_none() && doc.licenses.is_none() {
            self.say(at, "an empty allow has no effect", "leave it out, or add packages or licenses");
        }
        let mut allowed = Allowed::default();
        if let Some(list) = &doc.packages {
            self.not_empty(list, "an SBOM with any package would be denied");
            let each: Vec<PackageDenial> =
                list.get().iter().filter_map(|package| self.package(package)).collect();
            allowed.packages = Some(each);
        }
        if let Some(list) = &doc.licenses {
            self.not_empty(list, "an SBOM with any package would be denied");
            let each: Vec<LicenseDenial> = list.get().iter().filter_map(|text| self.license(text)).collect();
            allowed.licenses = Some(each);
        }
        allowed
    }

    pub(super) fn license(&mut self, text: &At<String>) -> Option<LicenseDenial> {
        match license::Pattern::parse(text.get()) {
            Ok(pattern) => Some(LicenseDenial { text: text.get().clone(), pattern }),
            Err(why) => {
                let message = format!("licence '{}': {why}", text.get().escape_debug());
                self.say(text, message, "use the ids of the SPDX licence list");
                None
            }
        }
    }

    pub(super) fn suppliers(&mut self, at: &At<SuppliersDoc>) -> Suppliers {
        let doc = at.get();
        if doc.allow.is_none() && doc.deny.is_none() && doc.required.is_none() {
            self.say(at, "an empty suppliers has no effect", "leave it out, or add allow, deny or required");
        }
        let required = match &doc.required {
            Some(required) if *required.get() => Required::Yes,
            Some(required) => {
                self.say(required, "required: false has no effect", "leave it out");
                Required::No
            }
            None => Required::No,
        };
        let allow = doc.allow.as_ref().map(|list| {
            self.not_empty(list, "every package that states a supplier would be denied");
            self.supplier_names(list)
        });
        let deny = doc.deny.as_ref().map_or_else(Vec::new, |list| {
            self.not_empty(list, "it denies nobody");
            self.supplier_names(list)
        });
        Suppliers { allow, deny, required }
    }

    fn not_empty<T>(&mut self, list: &At<Vec<At<T>>>, what: &str) {
        if list.get().is_empty() {
            self.say(list, format!("an empty list: {what}"), "leave it out, or add to it");
        }
    }

    /// Patterns of names, which are compared in any case.
    fn supplier_names(&mut self, list: &At<Vec<At<String>>>) -> Vec<Glob> {
        let mut globs = Vec::new();
        for text in list.get() {
            match Glob::parse(&text.get().trim().to_lowercase(), Fixed::Free) {
                Ok(glob) if globs.contains(&glob) => {
                    self.say(text, "the same supplier twice", "leave one of them out");
                }
                Ok(glob) => globs.push(glob),
                Err(refused) => {
                    let message = format!("supplier '{}': {}", text.get().escape_debug(), refused.why);
                    self.say(text, message, refused.hint);
                }
            }
        }
        globs
    }
}
