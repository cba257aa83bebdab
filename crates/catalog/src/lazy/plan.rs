//! Which stretches of a blob are asked for, before anything of its files is known.
//!
//! Decides nothing about what is in the inventory: what was not asked for ahead and is wanted after all is asked for
//! then. Certainly wanted are the files that a cataloger wants by their name, and the first piece of every other one,
//! because only its bytes say that it is no program, no model and no kernel. What is called as programs are is asked for
//! whole, as long as it is small. Neighbours are asked for together; where that comes to most of the blob, all of it is.

use super::toc::{Chunk, Content, Toc};
use crate::catalogers::{self, heads};
use crate::limits;
use crate::path::{self, Name};
use crate::tar::Kind;
use crate::texts;
use std::ops::Range;

/// Two stretches that are nearer to each other than this are one: a request takes about as long as these bytes.
pub(super) const NEAR_BYTES: u64 = 64 << 10;
/// Requests that are planned for one layer.
const STRETCHES: usize = 64;
/// The largest program that is asked for before its first bytes were seen.
const GUESSED_BYTES: u64 = 8 << 20;

/// The stretches to ask for, in order; `None` where the blob, which has `stored` bytes, is better read whole.
pub(super) fn plan(toc: &Toc, stored: u64) -> Option<Vec<Range<u64>>> {
    let mut stretches: Vec<Range<u64>> = Vec::new();
    for item in &toc.entries {
        let chunks = toc.chunks.get(item.chunks.clone()).unwrap_or_default();
        let Some(wanted) = wanted(item, chunks) else { continue };
        for chunk in chunks.iter().take(wanted).filter(|c| matches!(c.content, Content::Bytes(_))) {
            match stretches.last_mut() {
                Some(last) if chunk.at.start <= last.end.saturating_add(NEAR_BYTES) => {
                    last.end = last.end.max(chunk.at.end);
                }
                _ => stretches.push(chunk.at.clone()),
            }
        }
    }
    let stretches = fewer(stretches);
    let bytes: u64 = stretches.iter().map(|s| s.end - s.start).sum();
    (bytes <= stored / 2).then_some(stretches)
}

/// How many of its pieces are asked for.
fn wanted(item: &super::toc::Item, chunks: &[Chunk]) -> Option<usize> {
    if item.entry.kind != Kind::File {
        return None;
    }
    let Name::Clean(path) = path::name(&item.entry.path) else { return None };
    if path::split(&path).1.starts_with(".wh.") {
        return None;
    }
    if let Some((_, limit)) = catalogers::wanting(&path) {
        return (item.entry.size <= limit).then_some(chunks.len());
    }
    if texts::may_be(&path, item.entry.size) {
        return Some(chunks.len());
    }
    if item.entry.size < limits::ELF_LEAST_BYTES {
        return None;
    }
    let program = item.entry.mode & 0o111 != 0 || catalogers::is_named_as_program(&path);
    if program && item.entry.size <= GUESSED_BYTES {
        return Some(chunks.len());
    }
    let head = if heads::is_named(&path) { limits::MODEL_HEAD_BYTES as u64 } else { 1 };
    let mut before = 0_u64;
    let first = chunks.iter().take_while(|chunk| {
        let wanted = before < head;
        before = before.saturating_add(chunk.size);
        wanted
    });
    Some(first.count())
}

/// The same with at most [`STRETCHES`] requests: the nearest neighbours are asked for together.
fn fewer(stretches: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let gap = |pair: &[Range<u64>]| match pair {
        [a, b] => b.start.saturating_sub(a.end),
        _ => 0,
    };
    let mut gaps: Vec<(u64, usize)> =
        stretches.windows(2).enumerate().map(|(at, pair)| (gap(pair), at + 1)).collect();
    if gaps.len() < STRETCHES {
        return stretches;
    }
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let mut breaks: Vec<usize> = gaps.iter().take(STRETCHES - 1).map(|(_, at)| *at).collect();
    breaks.sort_unstable();
    breaks.push(stretches.len());
    let mut from = 0;
    let joined = breaks.into_iter().filter_map(|to| {
        let part = stretches.get(from..to)?;
        from = to;
        Some(part.first()?.start..part.last()?.end)
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_bounded_and_the_widest_gaps_stay() {
        let apart = |n: u64| (0..n).map(|i| i * 1000 + i..i * 1000 + i + 1).collect::<Vec<_>>();
        assert_eq!(fewer(apart(64)), apart(64));
        let joined = fewer(apart(65));
        assert_eq!(joined.len(), STRETCHES);
        assert_eq!((joined[0].start, joined[63].end), (0, 64 * 1000 + 64 + 1));
        assert!(joined.windows(2).all(|pair| pair[0].end < pair[1].start));
        let mut two = apart(64);
        two.push(1 << 30..(1 << 30) + 1);
        assert_eq!(fewer(two).last(), Some(&(1 << 30..(1 << 30) + 1)), "the far one stays alone");
    }
}
