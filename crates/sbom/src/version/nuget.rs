//! The order of NuGet packages: Semantic Versioning with a fourth number, and labels whose case does not
//! count (learn.microsoft.com, "Package versioning").

use super::{digits, semver};
use std::cmp::Ordering;

/// The order of two versions. `None` for what is none.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (a.trim().to_ascii_lowercase(), b.trim().to_ascii_lowercase());
    let (a, b) = (parse(&a)?, parse(&b)?);
    let number = |list: &[&'_ str], i: usize| list.get(i).copied().unwrap_or("0").to_owned();
    let numbers = (0..4)
        .map(|i| digits(number(&a.0, i).as_bytes(), number(&b.0, i).as_bytes()))
        .find(|order| order.is_ne());
    Some(numbers.unwrap_or_else(|| semver::prerelease(a.1, b.1)))
}

fn parse(text: &str) -> Option<(Vec<&str>, Option<&str>)> {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (text, None),
    };
    if !pre.is_none_or(semver::identifiers) || !build.is_none_or(semver::identifiers) {
        return None;
    }
    let numbers: Vec<&str> = core.split('.').collect();
    let is_number = |n: &&str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    (numbers.len() <= 4 && numbers.iter().all(is_number)).then_some((numbers, pre))
}
