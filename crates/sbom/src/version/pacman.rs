//! pacman's order: vercmp(8), `lib/libalpm/version.c`.
//!
//! `[epoch:]version[-release]`: the epoch first, then the version, then the release where both have one. Runs of
//! digits are numbers, runs of letters are compared as text; letters at the end are older than the end (`1.0rc` before
//! `1.0`), which is where it differs from rpm. A version with blanks or without a version part is none.

use super::digits;
use std::cmp::Ordering;

/// pacman's order, or `None` where one is no version.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((epoch_a, version_a, release_a), (epoch_b, version_b, release_b)) = (parts(a)?, parts(b)?);
    let order = digits(epoch_a.as_bytes(), epoch_b.as_bytes())
        .then_with(|| segments(version_a.as_bytes(), version_b.as_bytes()));
    Some(match (release_a, release_b) {
        (Some(a), Some(b)) => order.then_with(|| segments(a.as_bytes(), b.as_bytes())),
        _ => order,
    })
}

fn parts(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
    let (version, release) = match rest.rsplit_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (rest, None),
    };
    let printable = rest.bytes().all(|b| b.is_ascii_graphic());
    let number = epoch.bytes().all(|b| b.is_ascii_digit());
    (printable && number && !version.is_empty()).then_some((epoch, version, release))
}

/// The leading bytes that pass, and the rest.
fn run(text: &[u8], pass: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|b| !pass(b)).unwrap_or(text.len()))
}

fn segments(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() && !b.is_empty() {
        let (skipped_a, rest_a) = run(a, |c| !c.is_ascii_alphanumeric());
        let (skipped_b, rest_b) = run(b, |c| !c.is_ascii_alphanumeric());
        (a, b) = (rest_a, rest_b);
        let (Some(first), Some(_)) = (a.first(), b.first()) else { break };
        if skipped_a.len() != skipped_b.len() {
            return skipped_a.len().cmp(&skipped_b.len());
        }
        let number = first.is_ascii_digit();
        let same = |c: &u8| if number { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
        let ((part_a, rest_a), (part_b, rest_b)) = (run(a, same), run(b, same));
        if part_b.is_empty() {
            return if number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if number { digits(part_a, part_b) } else { part_a.cmp(part_b) };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    let alphabetic = |text: &[u8]| text.first().is_some_and(u8::is_ascii_alphabetic);
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) if !alphabetic(b) => Ordering::Less,
        _ if alphabetic(a) => Ordering::Less,
        _ => Ordering::Greater,
    }
}
