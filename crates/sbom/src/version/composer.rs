//! The order of Composer packages: Composer's normal form (`composer/semver`, `VersionParser`), then PHP's
//! `version_compare` over it.
//!
//! Four numbers, then one stability: `dev` < `alpha` < `beta` < `RC` < none < `patch`, with a number each. A
//! branch (`dev-main`, `1.x-dev`) has no place among releases: it is refused, not guessed.

use super::digits;
use std::cmp::Ordering;

/// The order of two versions. `None` for what is none, branches among it.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim().to_ascii_lowercase(), b.trim().to_ascii_lowercase());
    let (a, b) = (parse(&a)?, parse(&b)?);
    let numbers =
        (0..4).map(|i| digits(part(&a.numbers, i), part(&b.numbers, i))).find(|order| order.is_ne());
    Some(numbers.unwrap_or_else(|| {
        a.stability
            .cmp(&b.stability)
            .then_with(|| digits(a.counter.as_bytes(), b.counter.as_bytes()))
            .then_with(|| a.development.cmp(&b.development))
    }))
}

fn part<'a>(numbers: &[&'a str], i: usize) -> &'a [u8] {
    numbers.get(i).copied().unwrap_or("0").as_bytes()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stability {
    Dev,
    Alpha,
    Beta,
    Candidate,
    Stable,
    Patch,
}

/// `1.0.0-beta2-dev` is before `1.0.0-beta2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Development {
    Yes,
    No,
}

struct Version<'a> {
    numbers: Vec<&'a str>,
    stability: Stability,
    counter: &'a str,
    development: Development,
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (core, mut suffix) = text.split_at(end);
    // `1.0.beta1`: the dot before a word is one of the separators.
    let core = if suffix.is_empty() { core } else { core.strip_suffix('.').unwrap_or(core) };
    let numbers: Vec<&str> = core.split('.').collect();
    if numbers.len() > 4 || numbers.iter().any(|n| n.is_empty()) {
        return None;
    }
    let mut development = Development::No;
    if let Some(rest) = suffix.strip_suffix("dev") {
        suffix = rest.strip_suffix(['-', '.', '_']).unwrap_or(rest);
        development = Development::Yes;
    }
    let word = suffix.trim_start_matches(['-', '.', '_']);
    let letters = word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
    let (name, counter) = word.split_at(letters);
    let counter = counter.trim_start_matches(['-', '.']);
    if !counter.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let stability = match name {
        "" if !counter.is_empty() => return None,
        "" if development == Development::Yes => Stability::Dev,
        "" | "stable" => Stability::Stable,
        "a" | "alpha" => Stability::Alpha,
        "b" | "beta" => Stability::Beta,
        "rc" => Stability::Candidate,
        "p" | "pl" | "patch" => Stability::Patch,
        _ => return None,
    };
    Some(Version { numbers, stability, counter, development })
}
