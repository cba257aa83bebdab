//! Licences from `/usr/share/doc/<package>/copyright`.
//!
//! Machine-readable files (DEP-5, copyright-format 1.0) name them in `License` fields; their first line is
//! a short name or an expression, and all distinct ones are taken. Of other files only references to
//! `/usr/share/common-licenses/` are believed: words of free text are not.

use super::{field, paragraphs, value};
use std::collections::BTreeSet;

/// The longest short name: beyond it somebody wrote the text where the name belongs.
const SHORT_NAME_BYTES: usize = 200;
/// How far a licence notice reaches back from its reference.
const NOTICE_BYTES: usize = 900;
/// Different licences of one package; the longest real list has 80.
const LICENCES: usize = 500;

/// The licences that a copyright file names, sorted.
pub(crate) fn licences(text: &str) -> Vec<String> {
    let found = if is_machine_readable(text) { fields(text) } else { references(text) };
    found.into_iter().take(LICENCES).collect()
}

fn is_machine_readable(text: &str) -> bool {
    // Older drafts wrote `Format-Specification`.
    paragraphs(text).next().is_some_and(|first| {
        let format = value(&first, "Format").or_else(|| value(&first, "Format-Specification"));
        format.is_some_and(|f| {
            f.contains("copyright-format")
                || f.contains("dep5")
                || f.contains("DEP-5")
                || f.contains("dep.debian.net")
                || f.contains("CopyrightFormat")
        })
    })
}

fn fields(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for paragraph in paragraphs(text) {
        for (name, text) in paragraph {
            if !name.eq_ignore_ascii_case("License") {
                continue;
            }
            let short = text.lines().next().unwrap_or_default();
            if short.len() <= SHORT_NAME_BYTES {
                found.extend(field(short));
            }
        }
    }
    found
}

fn references(text: &str) -> BTreeSet<String> {
    const DIRECTORY: &str = "/usr/share/common-licenses/";
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices(DIRECTORY) {
        let rest = text.get(at + DIRECTORY.len()..).unwrap_or_default();
        let name: String =
            rest.chars().take(40).take_while(|c| c.is_ascii_alphanumeric() || "-.+".contains(*c)).collect();
        // A full stop ends the sentence.
        let name = name.trim_end_matches(['.', '-']);
        // The customary notice stands right before the reference; without this, "or later" would be lost.
        let mut start = at.saturating_sub(NOTICE_BYTES);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let notice = text.get(start..at).unwrap_or_default();
        let later = name.contains("GPL-") && notice.split_whitespace().any(|word| word == "later");
        found.extend(field(&if later { format!("{name}+") } else { name.to_owned() }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn machine_readable() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
                    Files: *\nCopyright: 2020 A\nLicense: GPL-2+\n\n\
                    Files: x\nLicense: Expat or BSD-3-clause\n Text of it.\n\n\
                    License: GPL-2+\n See /usr/share/common-licenses/GPL-2.\n";
        assert_eq!(licences(text), ["Expat or BSD-3-clause", "GPL-2+"]);
    }

    #[test]
    fn free_text_names_only_common_licences() {
        let text = "This is free software under the GPL. See /usr/share/common-licenses/GPL-2.\n\
                    And `/usr/share/common-licenses/LGPL-2.1'. License: MIT\n";
        assert_eq!(licences(text), ["GPL-2", "LGPL-2.1"]);
        let later =
            "either version 2, or (at your option) any later version. See /usr/share/common-licenses/GPL-2";
        assert_eq!(licences(later), ["GPL-2+"]);
        assert!(licences("Public domain.").is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in "(Format: copyright-format\n)?[\\PC\n]{0,300}(/usr/share/common-licenses/[\\PC]{0,9})?") {
            let _ = licences(&text);
        }
    }
}
