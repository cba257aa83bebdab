//! What a policy's "no" does, and what several policies say together.

use crate::lab::*;
use seaworthy_oci::ErrorKind;
use seaworthy_verifier::{Decision, Mode, Platforms, Policy, Refusal, Requirement};

fn in_mode(mode: &str) -> Policy {
    let text = format!(
        "mode: {mode}\nimages: ['**']\nauthorities: [{{name: release, keys: [{{path: release.pub}}]}}]\nsignatures: [{{by: [release]}}]"
    );
    policy(&text, &[("release", &Key::new(1))])
}

#[test]
fn audit_and_warn_allow_and_say_so() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let audit = lab.judge(&image, in_mode("audit")).unwrap();
    assert_eq!((audit.decision, audit.would_deny, audit.warnings.len()), (Decision::Allow, true, 0));
    assert!(audit.has(Refusal::SignatureMissing));
    let warn = lab.judge(&image, in_mode("warn")).unwrap();
    assert_eq!((warn.decision, warn.would_deny, warn.warnings.len()), (Decision::Allow, true, 1));
    let enforce = lab.judge(&image, in_mode("enforce")).unwrap();
    assert_eq!((enforce.decision, enforce.would_deny), (Decision::Deny, true));
    assert!(enforce.reason.contains("signature-missing"), "{}", enforce.reason);
}

#[test]
fn what_could_not_be_found_out_is_recorded_or_an_error() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.fail(Ask::Referrers, ErrorKind::Throttled { retry_after: None });
    for mode in ["audit", "warn"] {
        let verdict = lab.judge(&image, in_mode(mode)).unwrap();
        assert_eq!(verdict.decision, Decision::Allow);
        assert!(verdict.would_deny && verdict.has(Refusal::CouldNotFindOut), "{verdict:#?}");
        assert!(verdict.reason.contains("429"), "{}", verdict.reason);
        assert!(!verdict.has(Refusal::SignatureMissing));
    }
    assert_eq!(lab.judge(&image, in_mode("enforce")).unwrap_err().exit_code(), 3);
}

/// Of several policies the strictest applies, whichever comes first.
#[test]
fn every_matching_policy_must_be_met() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let strict = Policy::require(vec![Key::new(1).authority("k")], &[Requirement::Signature]).unwrap();
    assert_eq!(strict.mode(), Mode::Enforce);
    for policies in [vec![in_mode("audit"), strict.clone()], vec![strict.clone(), in_mode("audit")]] {
        let verdict = lab.judge_with(&image, policies, Platforms::All).unwrap();
        assert_eq!(verdict.decision, Decision::Deny);
        assert_eq!(verdict.policies.len(), 2);
    }
}

/// The documented shape of the JSON.
#[test]
fn the_verdict_as_json() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let json = serde_json::to_value(lab.judge(&image, in_mode("enforce")).unwrap()).unwrap();
    assert_eq!(json["apiVersion"], "seaworthy.dev/verdict/v1alpha1");
    assert_eq!(json["decision"], "deny");
    assert_eq!(json["digest"], image.digest.to_string());
    assert_eq!(json["wouldDeny"], true);
    let requirement = &json["policies"][0]["subjects"][0]["requirements"][0];
    assert_eq!(requirement["met"], false);
    assert_eq!(requirement["requirement"], "signature by release (0 of 1)");
    assert_eq!(requirement["refusals"][0]["code"], "signature-missing");
}

fn places(metadata: &str, places: &str) -> Policy {
    let text = format!(
        "images: ['**']\n{places}\nauthorities: [{{name: k, keys: [{{path: k.pub}}]}}]\nsignatures: [{{by: [k]}}]"
    );
    named(metadata, &text, &[("k", &Key::new(1))])
}

/// The mode goes by the namespace's name; without one, the strictest that any namespace could get.
#[test]
fn modes_by_namespace() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let policies = || vec![places("name: p", "modes: [{namespaces: ['dev-*'], mode: warn}]")];
    let at = |namespace| lab.judge_at(&image, policies(), namespace).unwrap();
    assert_eq!((at(Some("dev-1")).decision, at(Some("dev-1")).warnings.len()), (Decision::Allow, 1));
    assert_eq!(at(Some("prod")).decision, Decision::Deny);
    assert_eq!(at(None).decision, Decision::Deny);
    assert_eq!(serde_json::to_value(at(Some("prod"))).unwrap()["namespace"], "prod");
}

/// What no policy speaks of in a namespace is denied there; a policy of the namespace itself only asks for more.
#[test]
fn nobody_loosens_anything_from_inside_a_namespace() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let team = || places("name: own\n  namespace: team", "mode: audit");
    let alone = lab.judge_at(&image, vec![team()], Some("team")).unwrap();
    assert!(alone.has(Refusal::NoPolicyMatches), "{alone:#?}");
    let open = named("name: open", "images: ['**']\nnamespaces: [team]\nrequires: nothing", &[]);
    let allowed = lab.judge_at(&image, vec![open.clone()], Some("team")).unwrap();
    assert_eq!((allowed.decision, allowed.would_deny), (Decision::Allow, false));
    assert!(allowed.reason.contains("ask for nothing"), "{}", allowed.reason);
    assert_eq!(lab.judge_at(&image, vec![open.clone()], Some("else")).unwrap().decision, Decision::Deny);
    assert_eq!(lab.judge_at(&image, vec![open.clone()], None).unwrap().decision, Decision::Deny);
    let strict = places("name: own\n  namespace: team", "mode: enforce");
    let both = lab.judge_at(&image, vec![open, strict], Some("team")).unwrap();
    assert!(both.has(Refusal::SignatureMissing), "the strictest applies: {both:#?}");
}

/// A policy that cannot be read is never met, whatever else says yes.
#[test]
fn an_unreadable_policy_denies() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let open = named("name: open", "images: ['**']\nnamespaces: [team]\nrequires: nothing", &[]);
    let broken = Policy::unreadable("broken", Some("team".parse().unwrap()), "line 3: no");
    let verdict = lab.judge_at(&image, vec![open.clone(), broken.clone()], Some("team")).unwrap();
    assert!(verdict.has(Refusal::PolicyUnreadable), "{verdict:#?}");
    assert!(
        verdict.reason.contains("'team/broken'") && verdict.reason.contains("line 3"),
        "{}",
        verdict.reason
    );
    let other = named("name: open", "images: ['**']\nnamespaces: [other]\nrequires: nothing", &[]);
    let elsewhere = lab.judge_at(&image, vec![other, broken], Some("other")).unwrap();
    assert_eq!(elsewhere.decision, Decision::Allow, "it is that namespace's own");
}
