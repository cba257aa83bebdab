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
mod pacman;
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
/// Composer, pacman, opam, CRAN, Hackage, CocoaPods, and Semantic Versioning for npm, Cargo, Go, Hex, Pub, Swift and
/// JSR. `None`: this ecosystem has no order here, or one of
/// them does not parse; callers treat that as "could not tell" and fail closed.
pub fn compare(ecosystem: Ecosystem, a: &str, b: &str) -> Option<Ordering> {
    if a.len() > VERSION_BYTES || b.len() > VERSION_BYTES {
        return None;
    }
    match ecosystem {
        // opkg took its comparison from dpkg; opam's manual ("Version ordering") names Debian's.
        Ecosystem::Deb | Ecosystem::Opkg | Ecosystem::Opam => distro::dpkg(a, b),
        Ecosystem::Apk => distro::apk(a, b),
        Ecosystem::Rpm => distro::rpm(a, b),
        Ecosystem::Pypi => python::compare(a, b),
        Ecosystem::Npm
        | Ecosystem::Cargo
        | Ecosystem::Golang
        | Ecosystem::Hex
        | Ecosystem::Pub
        | Ecosystem::Swift
        | Ecosystem::Jsr => semver::compare(a, b),
        Ecosystem::Maven => maven::compare(a, b),
        // A pod's version is a gem's.
        Ecosystem::Gem | Ecosystem::Cocoapods => gem::compare(a, b),
        Ecosystem::Nuget => nuget::compare(a, b),
        Ecosystem::Composer => composer::compare(a, b),
        Ecosystem::Alpm => pacman::compare(a, b),
        Ecosystem::Cran => numbers(a, b, &['.', '-']),
        Ecosystem::Hackage => numbers(a, b, &['.']),
        Ecosystem::Ebuild
        | Ecosystem::Nix
        | Ecosystem::Brew
        | Ecosystem::Conda
        | Ecosystem::Snap
        | Ecosystem::Pear
        | Ecosystem::Cpan
        | Ecosystem::Luarocks
        | Ecosystem::Otp
        | Ecosystem::Conan
        | Ecosystem::Vcpkg
        | Ecosystem::Wordpress
        | Ecosystem::Generic => None,
    }
}

/// Lists of numbers, the shorter first where it begins the longer (R's `numeric_version`, Haskell's `Version`).
fn numbers(a: &str, b: &str, separators: &[char]) -> Option<Ordering> {
    let parts = |text: &str| -> Option<Vec<Vec<u8>>> {
        let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        text.split(separators).map(|part| number(part).then(|| part.as_bytes().to_vec())).collect()
    };
    let (a, b) = (parts(a)?, parts(b)?);
    let first = a.iter().zip(&b).map(|(a, b)| digits(a, b)).find(|order| order.is_ne());
    Some(first.unwrap_or_else(|| a.len().cmp(&b.len())))
}

/// The order of two runs of digits as numbers of any length; an empty run is 0.
fn digits(a: &[u8], b: &[u8]) -> Ordering {
    let strip = |text: &[u8]| text.iter().position(|b| *b != b'0').unwrap_or(text.len());
    let (a, b) = (a.split_at(strip(a)).1, b.split_at(strip(b)).1);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
