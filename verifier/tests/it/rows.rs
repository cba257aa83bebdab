//! Which test shows which row of the list of attacks: all of parts A, B, C and D.
//!
//! What is shown by the programs themselves stands first: `admission/process` asks `seaworthy-verifier` as a process over
//! HTTPS, `tests/tests/commands` runs the command line. A row without a test, and a test that is none, fail here.
//! `admission/process_rules` is a process, too.

use std::path::Path;

/// Row, what is tried, and the tests: `file::function`, the file from the root of the repository, without `.rs`.
const ROWS: &[(&str, &str, &[&str])] = &[
    (
        "A01",
        "a tag moves after its verdict",
        &[
            "verifier/tests/admission/process::a01_a10_a_tag_that_moves_takes_no_verdict_along_and_a_digest_is_pinned",
            "verifier/tests/it/attacks::a01_the_tag_moved",
            "tests/tests/commands/denials::a_tag_that_moves_takes_no_verdict_with_it",
        ],
    ),
    (
        "A02",
        "two answers to one question",
        &[
            "verifier/tests/admission/process::a02_the_first_answer_is_the_one_that_is_judged_and_pinned",
            "tests/tests/all/registry/hostile::a02_the_second_answer_is_another_manifest",
        ],
    ),
    (
        "A03",
        "a body of another digest",
        &[
            "verifier/tests/admission/process::a03_another_body_than_the_digest_says",
            "verifier/tests/it/attacks::a03_other_bytes_than_asked_for",
            "verifier/tests/it/attacks::a03_altered_evidence",
        ],
    ),
    (
        "A04",
        "evidence of another image",
        &[
            "verifier/tests/admission/process::a04_evidence_of_another_image",
            "verifier/tests/it/attacks::a04_bundle_for_another_digest",
            "tests/tests/commands/denials::evidence_of_another_image",
        ],
    ),
    (
        "A05",
        "a manifest in two readings",
        &[
            "verifier/tests/admission/process::a05_a_manifest_in_two_readings",
            "verifier/tests/it/attacks::a05_ambiguous_manifest",
        ],
    ),
    (
        "A06",
        "an old release under a new tag",
        &["verifier/tests/admission/process::a06_an_old_release_is_too_old"],
    ),
    (
        "A07",
        "children of an index",
        &[
            "verifier/tests/admission/process::a07_children_of_an_index",
            "verifier/tests/it/attacks::a07_children_of_a_signed_index",
            "verifier/tests/it/attacks::a07_nested_and_endless_indexes",
        ],
    ),
    (
        "A08",
        "spellings of one name",
        &[
            "verifier/tests/admission/process::a08_spelling_cannot_dodge_a_policy",
            "verifier/tests/it/attacks::a08_spelling_cannot_dodge_a_policy",
            "crates/oci/src/reference::one_image_has_one_spelling",
        ],
    ),
    (
        "A09",
        "patterns that mean something else",
        &[
            "verifier/tests/admission/process::a09_c06_policies_that_cannot_mean_what_they_say_do_not_start",
            "verifier/src/policy/pattern::what_can_never_match_is_refused",
            "verifier/src/policy/pattern::stars_have_their_bounds",
        ],
    ),
    (
        "A10",
        "a node's tag points elsewhere",
        &[
            "verifier/tests/admission/process::a01_a10_a_tag_that_moves_takes_no_verdict_along_and_a_digest_is_pinned",
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
    (
        "C01",
        "a second image behind one that no policy knows",
        &["verifier/tests/admission/process::c01_c02_every_image_by_every_policy"],
    ),
    (
        "C02",
        "a policy that watches before one that enforces",
        &[
            "verifier/tests/admission/process::c01_c02_every_image_by_every_policy",
            "verifier/tests/admission/rows::c02_the_strictest_of_several_policies_applies",
        ],
    ),
    (
        "C03",
        "an object that another mutator broke",
        &["verifier/tests/admission/process::c03_c17_what_is_no_question_and_what_is_too_much_of_one"],
    ),
    (
        "C04",
        "claims of the tenant's own",
        &[
            "verifier/tests/admission/process::c04_c05_c09_c10_c12_c13_nothing_that_a_tenant_writes_is_a_way_round",
        ],
    ),
    (
        "C05",
        "an image that was there before the policy",
        &[
            "verifier/tests/admission/process::c04_c05_c09_c10_c12_c13_nothing_that_a_tenant_writes_is_a_way_round",
        ],
    ),
    (
        "C06",
        "policies that match nothing, or twice",
        &[
            "verifier/tests/admission/process::a09_c06_policies_that_cannot_mean_what_they_say_do_not_start",
            "verifier/tests/admission/server::c06_a_bad_new_policy_is_told_and_changes_nothing",
        ],
    ),
    (
        "C07",
        "policies that cannot be had",
        &[
            "verifier/tests/admission/process::c07_policies_that_cannot_be_read_any_more_are_no_policies_that_are_skipped",
        ],
    ),
    (
        "C08",
        "exceptions: whose, and until when",
        &[
            "verifier/tests/admission/process_rules::c08_an_exception_is_the_administrators_and_has_an_end",
            "verifier/tests/admission/process_rules::c08_an_exception_without_an_end_or_for_everything_does_not_start",
            "tests/tests/commands/rules::c08_exceptions_are_files_with_an_end",
            "verifier/tests/it/exceptions::c08_expired_and_overlapping",
            "verifier/tests/it/exceptions::only_these_images_and_these_policies",
            "verifier/tests/it/exceptions::what_is_no_exception_is_refused",
        ],
    ),
    (
        "C09",
        "an image swapped on the way out",
        &[
            "verifier/tests/admission/process::c04_c05_c09_c10_c12_c13_nothing_that_a_tenant_writes_is_a_way_round",
        ],
    ),
    (
        "C10",
        "replicas to zero and another image",
        &[
            "verifier/tests/admission/process::c04_c05_c09_c10_c12_c13_nothing_that_a_tenant_writes_is_a_way_round",
        ],
    ),
    (
        "C11",
        "every place and every kind",
        &[
            "verifier/tests/admission/process::c11_every_place_and_every_kind",
            "verifier/tests/admission/fixtures::every_recorded_review_gets_a_well_formed_answer",
        ],
    ),
    (
        "C12",
        "forged owners",
        &[
            "verifier/tests/admission/process::c04_c05_c09_c10_c12_c13_nothing_that_a_tenant_writes_is_a_way_round",
        ],
    ),
    (
        "C13",
        "labels that select",
        &[
            "verifier/tests/admission/process::c13_a_mode_hangs_on_the_namespaces_name_and_on_nothing_that_its_owner_writes",
        ],
    ),
    (
        "C14",
        "policies that cost too much",
        &[
            "verifier/tests/admission/process_rules::c14_over_the_budget_is_a_no_with_that_reason",
            "verifier/tests/admission/process_rules::c14_what_no_image_could_stay_within_does_not_start",
            "tests/tests/commands/rules::c14_c15_conditions_cost_little_and_reach_nothing",
            "verifier/tests/it/conditions::c14_over_budget_is_a_denial",
            "verifier/src/regexp::never_panics",
            "verifier/tests/it/policies::bad_policies_are_refused_with_line_and_hint",
        ],
    ),
    (
        "C15",
        "policies that reach out",
        &[
            "verifier/tests/admission/process_rules::c15_a_policy_that_reaches_out_does_not_start",
            "tests/tests/commands/rules::c14_c15_conditions_cost_little_and_reach_nothing",
            "verifier/tests/it/conditions::c15_nothing_reaches_out",
        ],
    ),
    (
        "C16",
        "hosts that nobody named",
        &[
            "verifier/tests/admission/process::c16_hosts_that_nobody_named",
            "verifier/tests/admission/rows::c16_no_reference_opens_a_file",
            "verifier/tests/admission/process::d05_credentials_stay_with_the_registry_that_they_are_for",
        ],
    ),
    (
        "C17",
        "reviews that are none, or too much",
        &[
            "verifier/tests/admission/process::c03_c17_what_is_no_question_and_what_is_too_much_of_one",
            "verifier/tests/admission/hostile::c17_a_body_of_limit_plus_one",
        ],
    ),
    (
        "C18",
        "two rotations under load",
        &["verifier/tests/admission/process::c18_certificates_rotate_twice_without_a_dropped_request"],
    ),
    (
        "C19",
        "a registry that hangs",
        &[
            "verifier/tests/admission/process::c19_a_registry_that_hangs_anywhere",
            "verifier/tests/admission/server::c19_a_silent_registry_is_a_reason_before_the_api_servers_timeout",
        ],
    ),
    (
        "D01",
        "too many of anything",
        &[
            "verifier/tests/admission/process::d01_too_much_of_everything",
            "tests/tests/all/registry/hostile::d01_endless_pages",
            "verifier/tests/it/attacks::d01_too_much_evidence",
        ],
    ),
    (
        "D02",
        "sizes that lie",
        &[
            "verifier/tests/admission/process::d02_sizes_that_lie",
            "tests/tests/all/registry/hostile::d02_one_byte_at_a_time",
            "tests/tests/all/registry/hostile::d02_descriptor_sizes_beyond_reason",
        ],
    ),
    (
        "D03",
        "bombs, depth and duplicate keys",
        &[
            "verifier/tests/admission/process::d03_json_that_is_a_bomb_or_has_two_readings",
            "tests/tests/commands/hostile::d07_what_claims_too_much_or_ends_too_soon_is_broken_input",
            "verifier/tests/it/attacks::d03_duplicate_keys_and_depth",
        ],
    ),
    (
        "D04",
        "digests that are none",
        &[
            "verifier/tests/admission/process::d04_digests_that_are_none",
            "crates/oci/src/digest::refuses_what_could_be_a_path_or_another_digest",
        ],
    ),
    (
        "D05",
        "credentials on another host",
        &[
            "verifier/tests/admission/process::d05_credentials_stay_with_the_registry_that_they_are_for",
            "tests/tests/all/registry/redirect::d05_a_redirect_takes_no_credentials_along",
            "tests/tests/all/registry/redirect::d05_an_upload_location_elsewhere_gets_no_credentials",
        ],
    ),
    (
        "D06",
        "each failure its own outcome",
        &[
            "verifier/tests/admission/process::d06_each_failure_is_its_own_and_none_is_unsigned",
            "tests/tests/commands/outcomes::d06_throttled_is_not_unsigned",
        ],
    ),
    (
        "D07",
        "layers that try to get out",
        &[
            "tests/tests/commands/hostile::d07_nothing_of_a_layer_is_written_and_nothing_in_it_is_hidden",
            "tests/tests/commands/hostile::d07_what_claims_too_much_or_ends_too_soon_is_broken_input",
            "crates/catalog/src/tar::entries_are_bounded_at_limit_plus_one",
            "crates/catalog/tests/inventory/hostile::long_names_of_both_kinds_are_read",
            "crates/catalog/tests/inventory/hostile::sparse_files_are_walked_over_and_said_where_they_were_wanted",
        ],
    ),
    (
        "D08",
        "layers that take away",
        &[
            "tests/tests/commands/hostile::d08_the_final_file_system_is_what_is_listed",
            "crates/catalog/tests/inventory/layers::whiteouts_and_opaque_directories_speak_of_lower_layers_whatever_their_place_in_the_tar",
        ],
    ),
    (
        "D09",
        "hostile package data",
        &[
            "tests/tests/commands/hostile::d09_hostile_package_data_is_a_gap_and_the_rest_is_listed",
            "crates/catalog/tests/inventory/rpm::cyclic_pages_are_refused",
            "crates/catalog/tests/inventory/java::archives_in_archives_are_read_to_a_depth",
            "crates/catalog/src/catalogers/npm::dependencies_are_bounded_at_limit_plus_one",
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
            let runs = ["#[test]", "#[tokio::test]", "proptest!"].iter().any(|a| before.contains(a));
            assert!(runs, "{row}: {test} is no test");
        }
    }
    // None is left out, none is there twice. TUF's row, B18, is no matter of the verifier's.
    let shown: Vec<&str> = ROWS.iter().map(|(row, _, _)| *row).collect();
    let parts = [('A', 10), ('B', 17), ('C', 19), ('D', 9)];
    let all: Vec<String> =
        parts.iter().flat_map(|(part, last)| (1..=*last).map(move |n| format!("{part}{n:02}"))).collect();
    assert_eq!(shown, all);
}
