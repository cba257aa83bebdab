//! Which images: patterns over canonical names.
//!
//! A pattern is written like a name without tag and digest and put into the same canonical form, so that
//! spelling cannot make a policy miss an image: `nginx` means `docker.io/library/nginx`. `*` stands for any
//! characters within one component, `**` for one or more whole components, and `**` alone for every image.
//! In a host, only a leading `*.` is taken: anything looser (`registry.example*`) would also match hosts of
//! other people. Layouts and archives are matched by `oci:`, `oci-archive:` and `docker-archive:` before a
//! path.
//!
//! Refused is every pattern that can never match: with a tag, a digest, a scheme, upper-case letters, or
//! components that no repository can have.

use seaworthy_oci::Repository;
use std::fmt;

const LOCAL: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

/// A pattern in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

/// Why a text is no pattern, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) hint: String,
}

fn refused<T>(why: impl Into<String>, hint: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { why: why.into(), hint: hint.into() })
}

impl Pattern {
    /// Every image.
    pub(crate) fn everything() -> Self {
        Self("**".into())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        const HINT: &str = "write registry/path, with * within a component and ** for several";
        if text.is_empty() {
            return refused("an empty pattern matches nothing", HINT);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refused("white space or control characters can never match", HINT);
        }
        if text == "**" {
            return Ok(Self::everything());
        }
        if let Some(prefix) = LOCAL.iter().find(|p| text.starts_with(**p)) {
            let path = text.strip_prefix(prefix).unwrap_or_default();
            if path.is_empty() || path.contains(':') || path.contains('@') {
                return refused(
                    "no path, or a tag or digest behind it: names are matched without them",
                    format!("write {prefix}PATH or {prefix}**"),
                );
            }
            return Ok(Self(format!("{prefix}{}", local_path(path))));
        }
        if text.contains("://") {
            return refused("a scheme can never match: names have none", "leave out everything up to ://");
        }
        if text.contains('@') {
            return refused(
                "a digest can never match: names are matched without it",
                "leave out @ and what follows",
            );
        }
        let (first, rest) = text.split_once('/').map_or((text, None), |(f, r)| (f, Some(r)));
        let looks_like_host = first.contains(['.', ':', '[']) || first == "localhost";
        let (host, path) = match rest {
            Some(rest) if first == "**" => ("**".to_owned(), rest),
            Some(rest) if looks_like_host => (host(first)?, rest),
            Some(_) if first.contains('*') => {
                return refused(
                    format!("'{}' could mean registries or repositories", first.escape_debug()),
                    "write docker.io/… for Docker Hub, *.example.com/… for hosts, or ** for everything",
                );
            }
            None if first.contains('*') => {
                return refused(
                    format!("'{}' could mean registries or repositories", first.escape_debug()),
                    "write docker.io/library/* for Docker's official images, or ** for everything",
                );
            }
            None if looks_like_host && (first == "localhost" || !first.contains(':')) => {
                return refused(
                    "a registry without a repository can never match",
                    format!("write {first}/**"),
                );
            }
            _ => ("docker.io".to_owned(), text),
        };
        if path.contains(':') {
            return refused(
                "a tag can never match: names are matched without it, so that a tag cannot dodge a policy",
                "leave out the tag",
            );
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return refused(
                "upper-case letters can never match: repositories are lower-case",
                "write it in lower case",
            );
        }
        if path.split('/').any(|part| part != "**" && part.contains("**")) {
            return refused("** stands for whole components alone", "write * within a component");
        }
        // What stands for something is replaced by what a repository could have there.
        let example: Vec<String> =
            path.split('/').map(|p| if p == "**" { "a".into() } else { p.replace('*', "a") }).collect();
        if let Err(error) = Repository::new("registry.example", &example.join("/")) {
            return refused(format!("no repository can match it: {}", error.kind), HINT);
        }
        // Docker Hub's official images are spelled without their `library/`.
        let official = host == "docker.io" && !path.contains('/') && path != "**";
        Ok(Self(format!("{host}/{}{path}", if official { "library/" } else { "" })))
    }

    /// Every image of a registry: a host as in a pattern, `*.` before it for all names below.
    pub(crate) fn of_registry(host: &str) -> Result<Self, Refused> {
        const HINT: &str = "write a host, host:port, or *.domain";
        if host.contains("**") || host.contains('/') || LOCAL.iter().any(|p| host.starts_with(p)) {
            return refused("that is no registry", HINT);
        }
        let pattern = Self::parse(&format!("{host}/**"))?;
        // `registry` alone is an organisation of Docker Hub, and not a host.
        match pattern.0.matches('/').count() {
            1 => Ok(pattern),
            _ => refused("that is no registry", HINT),
        }
    }

    /// Whether `text` is what `pattern`, with `*` for any characters, says.
    pub(crate) fn component_matches(pattern: &str, text: &str) -> bool {
        within(pattern.as_bytes(), text.as_bytes())
    }

    /// Whether the canonical `name` is meant.
    /// Whether it matches `name`.
    pub(crate) fn covers(&self, name: &crate::ImageName) -> bool {
        self.matches(&name.to_string())
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.0 == "**" {
            return true;
        }
        let kind = |text: &str| LOCAL.iter().position(|p| text.starts_with(*p));
        let (ours, theirs) = (kind(&self.0), kind(name));
        if ours != theirs {
            return false;
        }
        let skip = ours.and_then(|at| LOCAL.get(at)).map_or(0, |p| p.len());
        let pattern: Vec<&str> = self.0.get(skip..).unwrap_or_default().split('/').collect();
        let name: Vec<&str> = name.get(skip..).unwrap_or_default().split('/').collect();
        components(&pattern, &name)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path as names have it: without `./` and doubled slashes.
pub(crate) fn local_path(path: &str) -> String {
    let absolute = if path.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    format!(
        "{absolute}{}",
        if parts.is_empty() && absolute.is_empty() { ".".into() } else { parts.join("/") }
    )
}

fn host(text: &str) -> Result<String, Refused> {
    let (star, fixed) = match text.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", text),
    };
    if fixed.contains('*') {
        return refused(
            format!("'{}' would also match hosts of other people", text.escape_debug()),
            "in a host, only a leading *. is taken: *.example.com",
        );
    }
    match Repository::new(fixed, "a/a") {
        Ok(repository) if star.is_empty() => Ok(repository.registry().to_owned()),
        // Below a domain of one name every host has two, and shows no port 443.
        Ok(repository) => {
            let registry = repository.registry();
            Ok(format!("{star}{}", registry.strip_suffix(":443").unwrap_or(registry)))
        }
        Err(error) => refused(
            format!("no registry can match '{}': {}", text.escape_debug(), error.kind),
            "write the registry as in a reference: registry.example:5000",
        ),
    }
}

/// Whether `pattern` matches all of `name`, by a table instead of backtracking: linear in their product.
fn components(pattern: &[&str], name: &[&str]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for part in pattern {
        let mut next = vec![false; name.len() + 1];
        for at in 0..name.len() {
            let here = reached.get(at).copied().unwrap_or(false);
            // `**` takes one component and may go on from where it already is.
            let ok = match *part {
                "**" => here || next.get(at).copied().unwrap_or(false),
                _ => here && name.get(at).is_some_and(|n| within(part.as_bytes(), n.as_bytes())),
            };
            if let Some(slot) = next.get_mut(at + 1) {
                *slot = ok;
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// `*` within one component, by a table as well.
fn within(pattern: &[u8], text: &[u8]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for part in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut any = false;
        for (at, slot) in next.iter_mut().enumerate() {
            let here = reached.get(at).copied().unwrap_or(false);
            *slot = if *part == b'*' {
                any |= here;
                any
            } else {
                at > 0 && reached.get(at - 1).copied().unwrap_or(false) && text.get(at - 1) == Some(part)
            };
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn spelling_does_not_matter() {
        for pattern in ["nginx", "library/nginx", "docker.io/nginx", "index.docker.io/library/nginx"] {
            assert!(matches(pattern, "docker.io/library/nginx"), "{pattern}");
        }
        assert!(matches("Registry.Example:443/a", "registry.example/a"));
        assert!(matches("docker.io/*", "docker.io/library/nginx"));
        assert!(!matches("docker.io/*", "docker.io/acme/nginx"));
        assert!(matches("docker.io/**", "docker.io/acme/nginx"));
    }

    #[test]
    fn stars_have_their_bounds() {
        assert!(matches("r.example/*", "r.example/a"));
        assert!(!matches("r.example/*", "r.example/a/b"));
        assert!(matches("r.example/**", "r.example/a/b/c"));
        assert!(!matches("r.example/a/**", "r.example/a"));
        assert!(matches("r.example/**/b", "r.example/a/x/b"));
        assert!(matches("r.example/a-*", "r.example/a-b"));
        assert!(!matches("r.example/a-*", "r.example/ab"));
        assert!(matches("*.example.com/a", "r.example.com/a"));
        assert!(!matches("*.example.com/a", "example.com/a"));
        assert!(!matches("r.example/**", "r.example.evil/a"));
        assert!(matches("**", "oci:dir"));
        assert!(matches("oci:**", "oci:dir/x"));
        assert!(!matches("r.example/**", "oci:r.example/a"));
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for bad in [
            "",
            " ",
            "nginx:1",
            "r.example/a:1",
            "r.example/A",
            "https://r.example/a",
            "r.example/a@sha256:00",
            "r.example",
            "localhost",
            "r.example/",
            "r.example//a",
            "r.example/a**",
            "*",
            "*/a",
            "regi*.example/a",
            "r.example*/a",
            "oci:",
            "oci:d:1",
            "bücher.example/a",
            "r.example:0/a",
            "r.example/-a",
            "r.example/*-",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad} -> {:?}", Pattern::parse(bad));
        }
    }

    proptest! {
        /// A pattern without stars matches its own canonical text and nothing longer.
        #[test]
        fn plain_patterns_match_themselves(name in "[a-z]{1,5}(/[a-z]{1,5}){0,3}", star in 0usize..20) {
            let plain = Pattern::parse(&format!("r.example/{name}")).unwrap();
            let full = format!("r.example/{name}");
            prop_assert!(plain.matches(&full));
            let longer = format!("{full}/x");
            prop_assert!(!plain.matches(&longer));
            // A star put anywhere still matches what it replaced.
            let at = star % name.len();
            if name.as_bytes()[at] != b'/' {
                let starred = format!("r.example/{}*{}", &name[..at], &name[at + 1..]);
                prop_assert!(Pattern::parse(&starred).unwrap().matches(&full));
            }
        }

        #[test]
        fn never_panics(text in ".{0,40}", name in ".{0,40}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                pattern.matches(&name);
            }
        }
    }
}
