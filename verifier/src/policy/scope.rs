//! Where a policy speaks, and how loudly: namespaces, registries, modes, and who wrote it.
//!
//! Everything here goes by *names*, of namespaces and of registries, never by labels or annotations: those a
//! tenant may write, and a tenant must not choose which policy applies.
//!
//! Where it is not known in which namespace an image is to run, the answer is the strictest that any namespace
//! could get: every policy for the image applies, each in its strictest mode, and one at least must be bound to
//! no namespace. So a yes without a namespace is a yes in each.
//!
//! A policy that belongs to a namespace (`metadata.namespace`) was written by somebody who may write there. It
//! applies there alone, on top of what the cluster's own policies ask: for the question whether any policy speaks
//! about an image, it does not count. So it can only make things stricter.

use super::pattern::Pattern;
use super::{ImageName, Mode, Policy};
use crate::verdict::{Decision, Explanation, PolicyVerdict, Refusal};
use serde::Serialize;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// Characters of a namespace's name (RFC 1123 label).
const NAMESPACE_CHARS: usize = 63;

/// The name of a namespace: an RFC 1123 label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Namespace(String);

impl Namespace {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Namespace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let edge = |c: Option<char>| c.is_some_and(|c| c != '-');
        let good = text.len() <= NAMESPACE_CHARS
            && text.chars().all(inner)
            && edge(text.chars().next())
            && edge(text.chars().last());
        if good {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(NAMESPACE_CHARS + 1).collect();
        Err(format!(
            "'{}' is no name of a namespace: lower-case letters, digits and -, at most {NAMESPACE_CHARS}, with a \
             letter or digit at both ends",
            shown.escape_debug()
        ))
    }
}

/// Namespaces by name, with `*` for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamespacePattern(String);

impl NamespacePattern {
    /// Refuses what no namespace can be called.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // With one letter in place of each star, it must be a name.
        text.replace('*', "a")
            .parse::<Namespace>()
            .map_err(|_| format!("no namespace can be called '{}'", text.escape_debug()))?;
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn matches(&self, namespace: &Namespace) -> bool {
        Pattern::component_matches(&self.0, &namespace.0)
    }

    /// The one namespace that it can match, if one alone.
    pub(crate) fn exact(&self) -> Option<Namespace> {
        self.0.parse().ok()
    }
}

impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Another mode for some namespaces, some registries, or some registries in some namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModeRule {
    /// Empty: all.
    pub(crate) namespaces: Vec<NamespacePattern>,
    /// Each `HOST/**`. Empty: all.
    pub(crate) registries: Vec<Pattern>,
    pub(crate) mode: Mode,
}

impl ModeRule {
    fn speaks_of(&self, name: &ImageName, namespace: Option<&Namespace>) -> bool {
        let there = self.registries.is_empty() || self.registries.iter().any(|p| p.matches(&name.0));
        there && in_any(&self.namespaces, namespace)
    }
}

/// Whether `namespace` is one of `patterns`; an unknown one may be.
fn in_any(patterns: &[NamespacePattern], namespace: Option<&Namespace>) -> bool {
    patterns.is_empty() || namespace.is_none_or(|n| patterns.iter().any(|p| p.matches(n)))
}

/// How a policy's answer comes about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Ground {
    /// By its rules.
    #[default]
    Rules,
    /// It says itself that it asks for nothing.
    Nothing,
    /// It could not be read; the text says why. Such a policy is never met.
    Unreadable(String),
}

/// Where a policy speaks, and how loudly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Empty: all.
    pub(crate) namespaces: Vec<NamespacePattern>,
    pub(crate) modes: Vec<ModeRule>,
    /// The namespace that the policy belongs to; none for the cluster's own.
    pub(crate) owner: Option<Namespace>,
    pub(crate) ground: Ground,
}

impl Scope {
    fn covers(&self, namespace: Option<&Namespace>) -> bool {
        let home = match (&self.owner, namespace) {
            (Some(owner), Some(namespace)) => owner == namespace,
            _ => true,
        };
        home && in_any(&self.namespaces, namespace)
    }

    /// Whether it says something in every namespace.
    fn is_everywhere(&self) -> bool {
        self.owner.is_none() && self.namespaces.is_empty()
    }

    /// The strictest of the rules that speak of it, else `default`; of an unknown namespace, the strictest of all.
    fn mode(&self, default: Mode, name: &ImageName, namespace: Option<&Namespace>) -> Mode {
        let ruled = self.modes.iter().filter(|r| r.speaks_of(name, namespace)).map(|r| r.mode).max();
        match (ruled, namespace) {
            (None, _) => default,
            (Some(mode), Some(_)) => mode,
            // A rule without namespaces speaks in each of them; any other may not.
            (Some(mode), None) => {
                let everywhere = |r: &&ModeRule| r.namespaces.is_empty() && r.speaks_of(name, None);
                if self.modes.iter().any(|r| everywhere(&r)) { mode } else { mode.max(default) }
            }
        }
    }
}

/// A policy that applies to an image in a place, and its mode there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matching<'p> {
    pub(crate) policy: &'p Policy,
    /// Which of the policies it is: what the webhook remembers verdicts by.
    #[cfg_attr(not(feature = "admission"), expect(dead_code, reason = "the webhook alone remembers"))]
    pub(crate) at: usize,
    pub(crate) mode: Mode,
}

impl Deref for Matching<'_> {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        self.policy
    }
}

impl Matching<'_> {
    /// What it says without looking at anything.
    pub(crate) fn foregone(&self) -> Option<PolicyVerdict> {
        let (decision, refusals) = match &self.policy.scope.ground {
            Ground::Rules => return None,
            Ground::Nothing => (Decision::Allow, Vec::new()),
            Ground::Unreadable(why) => {
                let text = format!("the policy cannot be read, and so cannot be met: {why}");
                let why = Explanation::new(Refusal::PolicyUnreadable, text);
                (Decision::Deny, vec![why.hint("mend the policy: its status says where")])
            }
        };
        let policy = self.policy.name().to_owned();
        Some(PolicyVerdict {
            policy,
            mode: self.mode,
            decision,
            refusals,
            expired_exceptions: Vec::new(),
            subjects: Vec::new(),
        })
    }
}

/// The policies among `all` that apply to images of `name` in `namespace`.
///
/// # Errors
/// Where none speaks about it: the refusal, with what may help.
pub(crate) fn select<'p>(
    all: impl IntoIterator<Item = &'p Policy>,
    name: &ImageName,
    namespace: Option<&Namespace>,
) -> Result<Vec<Matching<'p>>, Explanation> {
    let (mut matching, mut elsewhere, mut spoken) = (Vec::new(), Vec::new(), false);
    for (at, policy) in all.into_iter().enumerate() {
        let scope = &policy.scope;
        // Of the many policies that namespaces may have, few are this one's: their images are not looked at.
        let covers = scope.covers(namespace);
        if !(covers || scope.owner.is_none()) || !policy.matches(name) {
            continue;
        }
        if covers {
            matching.push(Matching { policy, at, mode: scope.mode(policy.mode, name, namespace) });
            spoken |= scope.owner.is_none() && (namespace.is_some() || scope.is_everywhere());
        }
        if scope.owner.is_none() && !scope.is_everywhere() {
            elsewhere.push(policy.name());
        }
    }
    if spoken {
        return Ok(matching);
    }
    let (text, hint) = match (namespace, elsewhere.as_slice()) {
        (_, []) => (String::new(), "add a policy whose images match this name".to_owned()),
        (Some(namespace), other) => {
            let hint = format!("in other namespaces there is '{}'", other.join("', '"));
            (format!(" in namespace {namespace}"), hint)
        }
        (None, other) => {
            let hint = format!("'{}' does in some: say in which it is to run", other.join("', '"));
            (" in every namespace".to_owned(), hint)
        }
    };
    Err(Explanation::new(Refusal::NoPolicyMatches, format!("no policy matches {name}{text}")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::path::Path;

    fn policies(specs: &[&str]) -> Vec<Policy> {
        let key =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies/release.pub"))
                .unwrap();
        let key = key.lines().map(|l| format!("            {l}\n")).collect::<String>();
        let each = |(at, spec): (usize, &&str)| {
            let (meta, spec) = spec.split_once('|').unwrap_or(("", spec));
            format!(
                "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: p{at}\n{meta}\nspec:\n\
                 {spec}\n  authorities:\n    - name: k\n      keys:\n        - data: |\n{key}\n  signatures: [{{by: \
                 [k]}}]\n---\n"
            )
        };
        let text: String = specs.iter().enumerate().map(each).collect();
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        Policy::parse(&text, Path::new("p.yaml"), now).unwrap_or_else(|e| panic!("{e}"))
    }

    fn name() -> ImageName {
        ImageName::of(&"r.example/a/b:1".parse::<seaworthy_oci::Reference>().unwrap().location)
    }

    /// The modes of those that apply, by name.
    fn asked(all: &[Policy], namespace: &str) -> Option<Vec<(String, Mode)>> {
        let namespace = (!namespace.is_empty()).then(|| namespace.parse().unwrap());
        let found = select(all, &name(), namespace.as_ref()).ok()?;
        Some(found.iter().map(|m| (m.name().to_owned(), m.mode)).collect())
    }

    fn modes(all: &[Policy], namespace: &str) -> Vec<Mode> {
        asked(all, namespace).unwrap().into_iter().map(|(_, mode)| mode).collect()
    }

    #[test]
    fn the_strictest_rule_that_speaks_of_a_place_gives_the_mode() {
        let all = policies(&[
            "  images: ['**']\n  mode: enforce\n  modes:\n    - {namespaces: ['dev-*', sandbox], \
             mode: audit}\n    - {registries: ['*.example', r.example], mode: warn}\n    - {namespaces: [dev-x], \
             registries: [other.example], mode: warn}",
        ]);
        assert_eq!(modes(&all, "dev-1"), [Mode::Warn], "by the registry, which is stricter than audit");
        assert_eq!(modes(&all, "prod"), [Mode::Warn]);
        assert_eq!(modes(&all, ""), [Mode::Warn], "the registry's rule speaks in every namespace");
        let all = policies(&["  images: ['**']\n  modes: [{namespaces: ['dev-*'], mode: audit}]"]);
        assert_eq!(modes(&all, "dev-1"), [Mode::Audit]);
        assert_eq!(modes(&all, "development"), [Mode::Enforce]);
        assert_eq!(modes(&all, ""), [Mode::Enforce], "not known where: the strictest");
    }

    #[test]
    fn namespaces_are_chosen_by_name_alone() {
        let all = policies(&["  images: ['**']\n  namespaces: ['team-*']", "  images: [r.example/**]"]);
        assert_eq!(asked(&all, "team-a").unwrap().len(), 2);
        assert_eq!(asked(&all, "other").unwrap().len(), 1);
        assert_eq!(asked(&all, "").unwrap().len(), 2);
        let all = policies(&["  images: ['**']\n  namespaces: [team]"]);
        assert_eq!(asked(&all, "team").unwrap().len(), 1);
        assert_eq!(asked(&all, "other"), None);
        assert_eq!(asked(&all, ""), None, "it is not a yes in each");
        let why = select(&all, &name(), None).unwrap_err();
        assert!(why.hint.as_ref().is_some_and(|h| h.contains("'p0'")), "{why:?}");
    }

    #[test]
    fn a_policy_of_a_namespace_only_adds() {
        let all = policies(&["  namespace: team|  images: ['**']", "  images: [r.example/**]"]);
        assert_eq!(asked(&all, "team").unwrap().len(), 2);
        assert_eq!(asked(&all, "other").unwrap().len(), 1);
        let alone = policies(&["  namespace: team|  images: ['**']"]);
        assert_eq!(asked(&alone, "team"), None, "it lets in nothing by itself");
    }

    #[test]
    fn names_of_namespaces() {
        for good in ["a", "kube-system", "0", &"a".repeat(NAMESPACE_CHARS)] {
            assert!(good.parse::<Namespace>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "ä", &"a".repeat(NAMESPACE_CHARS + 1)] {
            assert!(bad.parse::<Namespace>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever the policies: where the place is unknown, each that applies anywhere applies, no mode is milder, and
        /// what is spoken of there is spoken of everywhere.
        #[test]
        fn a_yes_without_a_namespace_is_a_yes_in_each(
            picks in proptest::collection::vec((0usize..4, 0usize..3, proptest::collection::vec((0usize..3, 0usize..3, 0usize..3), 0..3)), 1..4),
            namespace in prop::sample::select(vec!["team-a", "team-b", "other"]),
        ) {
            let words = ["audit", "warn", "enforce"];
            let pattern = |of: usize| ["team-*", "team-a", "*"][of % 3];
            let specs: Vec<String> = picks.iter().map(|(scope, mode, rules)| {
                let (meta, mut spec) = match scope {
                    0 => ("  namespace: team-a|", String::new()),
                    1 => ("|", "  namespaces: ['team-*']\n".to_owned()),
                    _ => ("|", String::new()),
                };
                spec += &format!("  images: ['**']\n  mode: {}\n", words[*mode]);
                // Policies with rules that have no effect do not load; those are made to have one.
                let rules: Vec<String> = rules.iter().enumerate()
                    .filter(|(_, (_, _, m))| m != mode)
                    .filter(|_| *scope > 1)
                    .map(|(n, (ns, reg, m))| match reg {
                        0 => format!("    - {{namespaces: ['{}', 'n{n}'], mode: {}}}\n", pattern(*ns), words[*m]),
                        1 => format!("    - {{registries: [r.example, 'n{n}.example'], mode: {}}}\n", words[*m]),
                        _ => format!("    - {{namespaces: ['{}', 'n{n}'], registries: [r.example], mode: {}}}\n", pattern(*ns), words[*m]),
                    })
                    .collect();
                if !rules.is_empty() { spec += &format!("  modes:\n{}", rules.concat()); }
                format!("{meta}{spec}")
            }).collect();
            let specs: Vec<&str> = specs.iter().map(String::as_str).collect();
            let all = policies(&specs);
            if let Some(unknown) = asked(&all, "") {
                let known = asked(&all, namespace);
                prop_assert!(known.is_some(), "{specs:?}");
                for (name, mode) in known.unwrap_or_default() {
                    let there = unknown.iter().find(|(n, _)| *n == name).map(|(_, m)| *m);
                    prop_assert!(there.is_some_and(|there| there >= mode), "{name} {mode:?} {there:?} {specs:?}");
                }
            }
        }
    }
}
