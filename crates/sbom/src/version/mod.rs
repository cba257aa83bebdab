//! Which of two versions is newer, in the order of their own ecosystem, and the ranges of a policy.
//!
//! It refuses to guess: an ecosystem without an order here, or a version that its grammar does not take,
//! gives `None`, and callers treat that as "could not tell". No order is borrowed from another ecosystem,
//! because a wrong order lets a denied version through.

mod composer;
mod distro;
mod gem;
#[cfg(test)]
mod languages;
mod maven;
mod nuget;
mod python;
mod range;
mod semver;
#[cfg(test)]
mod tests;

pub use range::Range;

use crate::inventory::Ecosystem;
use crate::limits::VERSION_BYTES;
use std::cmp::Ordering;

/// The order of two versions in their ecosystem's own rules: dpkg, apk, rpm, PEP 440, Maven, gem, NuGet,
/// Composer, and Semantic Versioning for npm, Cargo and Go. `None`: this ecosystem has no order here, or one of
/// them does not parse; callers treat that as "could not tell" and fail closed.
pub fn compare(ecosystem: Ecosystem, a: &str, b: &str) -> Option<Ordering> {
    if a.len() > VERSION_BYTES || b.len() > VERSION_BYTES {
        return None;
    }
    match ecosystem {
        Ecosystem::Deb => distro::dpkg(a, b),
        Ecosystem::Apk => distro::apk(a, b),
        Ecosystem::Rpm => distro::rpm(a, b),
        Ecosystem::Pypi => python::compare(a, b),
        Ecosystem::Npm | Ecosystem::Cargo | Ecosystem::Golang => semver::compare(a, b),
        Ecosystem::Maven => maven::compare(a, b),
        Ecosystem::Gem => gem::compare(a, b),
        Ecosystem::Nuget => nuget::compare(a, b),
        Ecosystem::Composer => composer::compare(a, b),
        Ecosystem::Generic => None,
    }
}

/// The order of two runs of digits as numbers of any length; an empty run is 0.
fn digits(a: &[u8], b: &[u8]) -> Ordering {
    let strip = |text: &[u8]| text.iter().position(|b| *b != b'0').unwrap_or(text.len());
    let (a, b) = (a.split_at(strip(a)).1, b.split_at(strip(b)).1);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
