//! Which test shows which row of the list of attacks, for verification: all of part B, and of part A what decides
//! who or what was verified.

use std::path::Path;

/// Row, what is tried, and the tests: `file::function`, the file from the root of the repository, without `.rs`.
const ROWS: &[(&str, &str, &[&str])] = &[
    (
        "A01",
        "a tag moves after its verdict",
        &[
            "verifier/tests/it/attacks::a01_the_tag_moved",
            "tests/tests/commands/denials::a_tag_that_moves_takes_no_verdict_with_it",
        ],
    ),
    ("A02", "two answers to one question", &["verifier/tests/it/attacks::a03_other_bytes_than_asked_for"]),
    (
        "A03",
        "a body of another digest",
        &[
            "verifier/tests/it/attacks::a03_other_bytes_than_asked_for",
            "verifier/tests/it/attacks::a03_altered_evidence",
        ],
    ),
    (
        "A04",
        "evidence of another image",
        &[
            "verifier/tests/it/attacks::a04_bundle_for_another_digest",
            "tests/tests/commands/denials::evidence_of_another_image",
        ],
    ),
    ("A05", "a manifest in two readings", &["verifier/tests/it/attacks::a05_ambiguous_manifest"]),
    (
        "A07",
        "children of an index",
        &[
            "verifier/tests/it/attacks::a07_children_of_a_signed_index",
            "verifier/tests/it/attacks::a07_nested_and_endless_indexes",
        ],
    ),
    ("A08", "spellings of one name", &["verifier/tests/it/attacks::a08_spelling_cannot_dodge_a_policy"]),
    (
        "A09",
        "patterns that mean something else",
        &[
            "verifier/src/policy/pattern::what_can_never_match_is_refused",
            "verifier/src/policy/pattern::stars_have_their_bounds",
        ],
    ),
    (
        "B01",
        "somebody else's log entry or promise",
        &[
            "verifier/tests/it/attacks::b01_foreign_log_entry",
            "verifier/tests/it/attacks::b01_foreign_log_entry_in_annotations",
            "verifier/tests/it/sigstore::b01_entries_belong_to_payload_signature_and_certificate",
            "verifier/tests/it/sigstore::b01_hashed_envelopes_are_bound",
        ],
    ),
    (
        "B02",
        "an expired intermediate, with and without a log",
        &["verifier/tests/it/sigstore::b02_expired_intermediate"],
    ),
    (
        "B03",
        "outside a window of key, certificate, log, authority",
        &[
            "verifier/tests/it/sigstore::b03_windows_of_everybody",
            "verifier/tests/it/policies::b03_keys_have_their_time",
        ],
    ),
    (
        "B04",
        "one log, authority or signer counted twice",
        &[
            "verifier/tests/it/sigstore::b04_one_log_or_authority_counts_once",
            "verifier/tests/it/sigstore::b04_a_pattern_is_one_signer",
            "verifier/tests/it/attacks::b04_one_signer_counts_once",
        ],
    ),
    (
        "B05",
        "a timestamp by the wrong people",
        &["verifier/tests/it/sigstore::b05_timestamps_by_the_wrong_people"],
    ),
    (
        "B06",
        "a signed payload that is no statement",
        &["verifier/tests/it/attacks::b06_payload_is_no_statement"],
    ),
    (
        "B07",
        "what makes a parser panic",
        &[
            "verifier/src/check::a_panic_is_a_refusal",
            "verifier/tests/it/mutants::a_keyless_signature",
            "verifier/tests/it/mutants::a_keyless_statement",
            "verifier/tests/it/mutants::a_signature_by_a_key",
            "verifier/tests/it/blob::any_bytes_are_refused",
            "verifier/src/regexp::never_panics",
        ],
    ),
    (
        "B08",
        "a normal form instead of the bytes",
        &["verifier/tests/it/attacks::b08_signature_over_a_normal_form"],
    ),
    (
        "B09",
        "patterns that match a part",
        &[
            "verifier/src/regexp::the_whole_text_matches",
            "verifier/src/regexp::what_is_open_to_anybody_is_refused",
            "verifier/src/regexp::what_can_never_match_is_refused",
            "verifier/tests/it/sigstore::b09_b10_identities",
        ],
    ),
    ("B10", "odd letters, and names of another kind", &["verifier/tests/it/sigstore::b09_b10_identities"]),
    (
        "B11",
        "weak and foreign algorithms, several signatures",
        &[
            "verifier/tests/it/policies::b11_keys_by_algorithm",
            "verifier/tests/it/attacks::b11_exactly_one_signature",
            "verifier/tests/it/attacks::b11_other_encodings_of_the_signature",
            "verifier/tests/it/sigstore::b11_signatures_of_another_kind",
        ],
    ),
    (
        "B12",
        "one kind of evidence for another",
        &[
            "verifier/tests/it/attacks::b12_kinds_do_not_stand_in_for_each_other",
            "verifier/tests/it/attacks::b12_annotations_do_not_make_an_attestation",
            "tests/tests/commands/denials::an_sbom_is_no_signature",
        ],
    ),
    ("B13", "forged evidence by every way", &["verifier/tests/it/attacks::b13_forged_evidence_by_every_way"]),
    ("B14", "an error that nobody sorted", &["verifier/tests/it/attacks::b14_no_failure_is_a_yes"]),
    (
        "B15",
        "garbage under a signature's media type",
        &["verifier/tests/it/attacks::b15_presence_is_no_evidence"],
    ),
    (
        "B16",
        "a rule without a signer",
        &["verifier/tests/it/policies::bad_policies_are_refused_with_line_and_hint"],
    ),
    (
        "B17",
        "settings without effect",
        &[
            "verifier/tests/it/policies::bad_policies_are_refused_with_line_and_hint",
            "verifier/src/demand::what_has_no_effect_or_cannot_be_met_is_refused",
        ],
    ),
];

#[test]
fn every_row_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (row, what, tests) in ROWS {
        assert!(!what.is_empty() && !tests.is_empty(), "{row}");
        for test in *tests {
            let (file, function) = test.split_once("::").unwrap();
            let text = std::fs::read_to_string(root.join(format!("{file}.rs")))
                .unwrap_or_else(|e| panic!("{row}: {file}: {e}"));
            let at = text.find(&format!("fn {function}(")).unwrap_or_else(|| panic!("{row}: no {test}"));
            // Of the attributes in front of it, one makes it run.
            let before = &text[at.saturating_sub(400)..at];
            assert!(before.contains("#[test]"), "{row}: {test} is no test");
        }
    }
    // No row of part B is left out but the one of TUF, which is no matter of the verifier's.
    let shown: Vec<&str> = ROWS.iter().map(|(row, _, _)| *row).filter(|row| row.starts_with('B')).collect();
    let all: Vec<String> = (1..=17).map(|n| format!("B{n:02}")).collect();
    assert_eq!(shown, all);
}
