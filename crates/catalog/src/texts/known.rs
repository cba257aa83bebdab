//! Which licence a text is: the words of common licences, and how near another text has to come.
//!
//! What is compared are words, as SPDX's guidelines for matching say (SPDX 2.3, annex B): without case, layout,
//! punctuation, bullets and lines that name who holds the copyright. The comparison is the `similar` crate's; decided here is
//! what is believed of it (docs/decisions/0011-licence-texts.md). A text is a licence's where it comes nearer to it
//! than to any other, where at most [`UNMATCHED_WORDS`] stand in one of the two only, whatever the length, and where none of
//! those is a word by which licences are dual, bundled or excepted ([`MARKS`]). Everything else is no licence's: two texts
//! in one file, one with an exception, one that was edited.
//!
//! The words are those of SPDX's list, packed; a test makes the file (`UPDATE_LICENCES=1`), tries each text of the whole list,
//! each with another one and each with an exception behind it, and asks the `spdx` crate for a second opinion.

use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::sync::{LazyLock, OnceLock};

/// Of all words of both texts those that have to be common.
const CONFIDENT: f32 = 0.9;
/// Words that stand in one of the texts only. The shortest exceptions and clauses that change a licence have 45; names that
/// replace "the copyright holder" throughout a text come to 30.
const UNMATCHED_WORDS: usize = 40;
/// Words by which a file says that its licence is not all, where they are added and not in the licence's name.
const MARKS: [&str; 34] = [
    "agpl",
    "alternatively",
    "apache",
    "bsd",
    "bundled",
    "clause",
    "commercial",
    "commons",
    "dual",
    "either",
    "evil",
    "except",
    "exception",
    "exceptions",
    "excluding",
    "gnu",
    "gpl",
    "gplv2",
    "gplv3",
    "isc",
    "lgpl",
    "mit",
    "mozilla",
    "mpl",
    "noncommercial",
    "patent",
    "patents",
    "portions",
    "proprietary",
    "sublicensed",
    "third",
    "vendored",
    "zlib",
    "nuclear",
];

/// The words, unpacked; a text that is longer is none of ours.
const UNPACKED_BYTES: usize = 4 << 20;

static PACKED: &[u8] = include_bytes!("../../data/licences.zst");

static UNPACKED: LazyLock<String> = LazyLock::new(|| {
    let bytes = zstd::bulk::decompress(PACKED, UNPACKED_BYTES).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
});

/// A line each: SPDX's name, how many words, and the words.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let read = |line: &'static str| {
        let (id, rest) = line.split_once(' ')?;
        let (count, words) = rest.split_once(' ')?;
        Some(Known { id, words, count: count.parse().ok()?, split: OnceLock::new() })
    };
    UNPACKED.lines().filter_map(read).collect()
});

/// A text that is known.
struct Known {
    /// SPDX's name for it.
    id: &'static str,
    words: &'static str,
    count: usize,
    /// The words in order, and sorted. Most texts are never asked for.
    split: OnceLock<(Vec<&'static str>, Vec<&'static str>)>,
}

impl Known {
    fn split(&self) -> &(Vec<&'static str>, Vec<&'static str>) {
        self.split.get_or_init(|| {
            let words: Vec<&str> = self.words.split(' ').collect();
            (words.clone(), sorted(words))
        })
    }
}

fn sorted(mut words: Vec<&str>) -> Vec<&str> {
    words.sort_unstable();
    words
}

/// What a text was found to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    /// SPDX's name of the licence.
    pub(crate) id: &'static str,
    /// How near it comes: 1 is the same text.
    pub(crate) score: f32,
}

/// Which licence the text is; `None` where it is none for sure.
pub(crate) fn judge(text: &str) -> Option<Verdict> {
    judge_words(&words(text))
}

fn judge_words(words: &str) -> Option<Verdict> {
    let words: Vec<&str> = words.split(' ').collect();
    let order = sorted(words.clone());
    let mut best: Option<(usize, &Known, Vec<DiffOp>)> = None;
    let mut second = usize::MAX;
    // In the order of the file, so that the first of equals is the same in every run.
    for known in KNOWN.iter().filter(|known| known.count.abs_diff(words.len()) <= UNMATCHED_WORDS) {
        let (theirs, sorted) = known.split();
        // Cheap, and never more than what the comparison finds.
        if apart(sorted, &order) > UNMATCHED_WORDS {
            continue;
        }
        let steps = capture_diff_slices(Algorithm::Myers, theirs, &words);
        let unmatched = steps.iter().map(unmatched).sum();
        match &best {
            Some((least, of, _)) if unmatched >= *least => {
                if of.id != known.id {
                    second = second.min(unmatched);
                }
            }
            _ => {
                if let Some((least, of, _)) = &best
                    && of.id != known.id
                {
                    second = second.min(*least);
                }
                best = Some((unmatched, known, steps));
            }
        }
    }
    let (unmatched, known, steps) = best?;
    let all = (known.count + words.len()) as f32;
    let score = 1.0 - unmatched as f32 / all;
    let added = steps.iter().flat_map(|step| {
        words
            .get(step.new_range())
            .unwrap_or_default()
            .iter()
            .copied()
            .filter(|_| !matches!(step, DiffOp::Equal { .. }))
    });
    let is_other = unmatched > UNMATCHED_WORDS || unmatched >= second || score < CONFIDENT;
    (!is_other && !marked(added, known)).then_some(Verdict { id: known.id, score })
}

fn unmatched(step: &DiffOp) -> usize {
    match *step {
        DiffOp::Equal { .. } => 0,
        DiffOp::Delete { old_len, .. } => old_len,
        DiffOp::Insert { new_len, .. } => new_len,
        DiffOp::Replace { old_len, new_len, .. } => old_len + new_len,
    }
}

/// How many words of two sorted lists stand in one only.
fn apart(a: &[&str], b: &[&str]) -> usize {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut count = 0;
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) => match x.cmp(y) {
                std::cmp::Ordering::Less => drop(a.next()),
                std::cmp::Ordering::Greater => drop(b.next()),
                std::cmp::Ordering::Equal => {
                    a.next();
                    b.next();
                    continue;
                }
            },
            (None, None) => return count,
            _ => return count + a.count() + b.count(),
        }
        count += 1;
    }
}

/// Whether a word that was added is one of [`MARKS`] and not in the licence's name.
fn marked<'a>(mut added: impl Iterator<Item = &'a str>, known: &Known) -> bool {
    // As in a title. Those of the GNU licences stand in their texts.
    let named = |word: &str| {
        !word.ends_with("gpl") && known.id.split('-').any(|part| part.eq_ignore_ascii_case(word))
    };
    added.any(|word| MARKS.contains(&word) && !named(word))
}

/// Lines that name who holds the copyright.
fn is_copyright(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| !c.is_alphanumeric() && !"(©<".contains(c));
    let starts = |text: &str| line.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    let dated = line.contains(|c: char| c.is_ascii_digit() || "<©".contains(c));
    // `(c)` is a bullet as well.
    (dated && (starts("copyright") || starts("(c) ")))
        || starts("copyright (c)")
        || line.starts_with('©')
        || starts("all rights reserved")
}

/// The words of a text that count, with a blank between them.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !is_copyright(line)) {
        let words = line.split(|c: char| !c.is_alphanumeric());
        // Bullets are one letter or number, and so is nothing that changes a licence.
        for word in words.filter(|word| word.chars().nth(1).is_some()) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use spdx::detection::TextData;
    use spdx::text::{EXCEPTION_TEXTS, LICENSE_TEXTS};
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::path::Path;

    /// The licences whose words are packed.
    fn names() -> impl Iterator<Item = &'static str> {
        const NAMES: &str = include_str!("../../data/licences.txt");
        NAMES.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
    }

    fn text_of(id: &str) -> &'static str {
        LICENSE_TEXTS.iter().find(|(name, _)| *name == id).expect(id).1
    }

    /// The texts, and those parts of one that stand alone as often as not.
    fn wanted() -> String {
        let mut out = String::new();
        let mut put = |id: &str, text: &str| {
            let words = words(text);
            writeln!(out, "{id} {} {words}", words.split(' ').count()).unwrap();
        };
        for id in names() {
            let text = text_of(id);
            put(id, text);
            if id == "Apache-2.0" {
                let (terms, appendix) = text.split_once("END OF TERMS AND CONDITIONS").expect("its appendix");
                put(id, terms);
                put(id, &appendix[appendix.find("Licensed under the Apache").expect("its notice")..]);
            }
        }
        out
    }

    #[test]
    fn the_packed_words_are_those_of_spdx() {
        if std::env::var_os("UPDATE_LICENCES").is_some() {
            let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/licences.zst");
            std::fs::write(place, zstd::bulk::compress(wanted().as_bytes(), 22).unwrap()).unwrap();
        } else {
            assert!(
                *UNPACKED == wanted(),
                "UPDATE_LICENCES=1 cargo test -p seaworthy-catalog the_packed writes it"
            );
            assert_eq!(KNOWN.len(), names().count() + 2);
        }
    }

    /// Whether SPDX has both names for one text.
    fn same(id: &str, found: &str) -> bool {
        words(text_of(id)) == words(text_of(found))
    }

    /// Of 700 texts, those that are packed are found, and none is taken for another one.
    #[test]
    fn each_text_of_the_list_is_itself_or_nothing() {
        let ours: Vec<&str> = names().collect();
        let mut wrong = BTreeMap::new();
        // Names that SPDX withdrew are other names of others.
        let today = |(id, _): &&(&str, &str)| spdx::license_id(id).is_some_and(|id| !id.is_deprecated());
        for (id, text) in LICENSE_TEXTS.iter().filter(today) {
            let found = judge(text);
            let right = found.map_or(!ours.contains(id), |found| same(id, found.id));
            if !right {
                wrong.insert(*id, found);
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Neither an exception behind a licence nor another licence is overlooked.
    #[test]
    fn nothing_is_said_of_a_text_with_more_behind_it() {
        let mut wrong = Vec::new();
        let exceptions = EXCEPTION_TEXTS.iter().map(|(id, text)| (*id, words(text)));
        let ours: Vec<(&str, String)> = names().map(|id| (id, words(text_of(id)))).collect();
        let more: Vec<(&str, String)> = exceptions.chain(ours.iter().cloned()).collect();
        for (id, text) in &ours {
            for (other, behind) in &more {
                if let Some(found) = judge_words(&[text.as_str(), behind].join(" ")) {
                    wrong.push((*id, *other, found));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// The `spdx` crate, whose matcher is too heavy for the program, is as sure of what we are sure of.
    #[test]
    fn a_second_opinion() {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/catalog/licences");
        let recorded = std::fs::read_dir(place)
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let holder = |text: &str| {
            text.replace("copyright holders", "Regents and Contributors")
                .replace("COPYRIGHT HOLDER", "AUTHORS")
        };
        let edited = ["MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Zlib"].map(|id| holder(text_of(id)));
        let mut count = 0;
        for text in recorded.chain(edited) {
            let Some(found) = judge(&text) else { continue };
            // On a line of its own, so that nothing is taken for a title.
            let form = |words: &str| TextData::new(&format!("\n\n{words}"));
            let (asked, count_of) = (form(&words(&text)), words(&text).split(' ').count());
            let near = |known: &&Known| known.count.abs_diff(count_of) < 100;
            let score = |known: &Known| form(known.words).match_score(&asked);
            let best = KNOWN.iter().filter(near).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
            assert_eq!(found.id, best.id);
            assert!(score(best) > 0.9, "{} {}", best.id, score(best));
            count += 1;
        }
        assert!(count >= 7, "{count}");
    }

    #[test]
    fn words_in_one_list_only() {
        assert_eq!(apart(&["a", "a", "b", "d"], &["a", "b", "c"]), 3);
        assert_eq!((apart(&[], &["x", "y"]), apart(&["x"], &["x"])), (2, 0));
    }

    proptest! {
        #[test]
        fn never_panics(text in "(\\PC{0,20}[\n ]){0,40}", id in 0..70_usize, cut in 0..2000_usize) {
            let _ = judge(&text);
            let known = text_of(names().nth(id).unwrap());
            let cut = known.char_indices().nth(cut).map_or(known.len(), |(at, _)| at);
            let mixed = [&known[..cut], &text, &known[cut..]].concat();
            if let Some(found) = judge(&mixed) {
                prop_assert!(found.score >= CONFIDENT);
            }
        }
    }
}
