//! Where a policy speaks: namespaces, modes by place, and `requires: nothing`.
//!
//! Refused: names that no namespace or registry can have, a rule that says what is said already, a place that the
//! policy does not speak of, a policy of one namespace that speaks of others or asks for nothing, and one that
//! would let every image in everywhere.

use super::super::Mode;
use super::super::model::{At, ImagePolicy, ModeDoc};
use super::super::pattern::Pattern;
use super::super::scope::{Ground, ModeRule, Namespace, NamespacePattern, Scope};
use super::{CLUSTER_KIND, Lint};

impl Lint<'_> {
    pub(super) fn scope(&mut self, document: &ImagePolicy) -> Scope {
        let spec = document.spec.get();
        let owner = document.metadata.namespace.as_ref().and_then(|at| {
            if document.kind.get() == CLUSTER_KIND {
                self.say(at, format!("a {CLUSTER_KIND} belongs to no namespace"), "write kind: ImagePolicy");
            }
            at.get()
                .parse::<Namespace>()
                .map_err(|why| self.say(at, why, "write the name of a namespace"))
                .ok()
        });
        let own = "it applies to its own namespace alone (metadata.namespace)";
        if let (Some(_), Some(at)) = (&owner, &spec.namespaces) {
            self.say(at, own, "leave out namespaces");
        }
        let namespaces = self.namespaces(spec.namespaces.as_ref());
        let mut modes: Vec<ModeRule> = Vec::new();
        if let Some(list) = &spec.modes {
            if list.get().is_empty() {
                self.say(list, "an empty list of modes has no effect", "leave it out");
            }
            for at in list.get() {
                if let (Some(_), Some(places)) = (&owner, &at.get().namespaces) {
                    self.say(places, own, "leave out namespaces");
                }
                let rule = self.mode_rule(at, &namespaces);
                if modes.contains(&rule) {
                    self.say(at, "the same places and mode twice", "leave one of them out");
                }
                modes.push(rule);
            }
            self.without_effect(list.get(), spec.mode);
        }
        let ground = match &spec.requires {
            None => Ground::Rules,
            Some(at) => {
                let everything = spec.images.get().iter().any(|i| i.get() == "**");
                if at.get() != "nothing" {
                    let text = at.get().escape_debug().to_string();
                    self.say(at, format!("requires cannot be '{text}'"), "write nothing, or leave it out");
                } else if owner.is_some() {
                    self.say(
                        at,
                        "a policy of a namespace can only ask for more: this one has no effect",
                        "leave the policy out",
                    );
                } else if everything && namespaces.is_empty() {
                    self.say(
                        at,
                        "every image would be let in everywhere",
                        "name the images or the namespaces that come in unjudged",
                    );
                }
                Ground::Nothing
            }
        };
        Scope { namespaces, modes, owner, ground }
    }

    fn namespaces(&mut self, list: Option<&At<Vec<At<String>>>>) -> Vec<NamespacePattern> {
        let hint = "write names of namespaces, with * for any characters";
        self.places(list, "namespaces", |text| {
            NamespacePattern::parse(text).map_err(|why| (why, hint.to_owned()))
        })
    }

    /// A list of places: neither empty nor with anything twice.
    fn places<T: PartialEq>(
        &mut self,
        list: Option<&At<Vec<At<String>>>>,
        what: &str,
        parse: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Vec<T> {
        let mut found = Vec::new();
        let Some(list) = list else { return found };
        if list.get().is_empty() {
            self.say(list, format!("an empty list of {what} matches nothing"), "leave it out for all");
        }
        for at in list.get() {
            match parse(at.get()) {
                Ok(place) if found.contains(&place) => {
                    let text = at.get().escape_debug().to_string();
                    self.say(at, format!("'{text}' stands there twice"), "leave one of them out");
                }
                Ok(place) => found.push(place),
                Err((why, hint)) => self.say(at, why, hint),
            }
        }
        found
    }

    fn mode_rule(&mut self, at: &At<ModeDoc>, all: &[NamespacePattern]) -> ModeRule {
        let doc = at.get();
        if doc.namespaces.is_none() && doc.registries.is_none() {
            self.say(
                at,
                "without namespaces and registries this is the policy's own mode",
                "write mode: instead",
            );
        }
        let namespaces = self.namespaces(doc.namespaces.as_ref());
        for (pattern, place) in namespaces.iter().zip(doc.namespaces.iter().flat_map(|l| l.get())) {
            let outside = |n: &Namespace| !all.is_empty() && !all.iter().any(|p| p.matches(n));
            if pattern.exact().as_ref().is_some_and(outside) {
                let text = format!("the policy does not speak of namespace '{pattern}'");
                self.say(place, text, "add it to the policy's namespaces, or leave it out here");
            }
        }
        let registries = self.places(doc.registries.as_ref(), "registries", |text| {
            Pattern::of_registry(text)
                .map_err(|r| (format!("registry '{}': {}", text.escape_debug(), r.why), r.hint))
        });
        ModeRule { namespaces, registries, mode: *doc.mode.get() }
    }

    /// A rule with the policy's own mode does something only where a milder one speaks of the same place.
    fn without_effect(&mut self, rules: &[At<ModeDoc>], own: Mode) {
        let milder = |mode: Mode| rules.iter().any(|r| *r.get().mode.get() < mode);
        for rule in rules.iter().filter(|r| *r.get().mode.get() == own && !milder(own)) {
            self.say(
                &rule.get().mode,
                "that is the policy's mode anyway",
                "leave it out, or write another mode",
            );
        }
    }
}
