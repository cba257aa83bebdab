//! What cosign 3 wrote, as recorded in testdata/interop.

use crate::lab::{now, run};
use seaworthy_oci::{OpenOptions, Pinned, Reference, Source, resolve};
use seaworthy_verifier::evidence::{Format, Kind, Standing, check_item, collect};
use seaworthy_verifier::{
    Authority, Context, Decision, ImageName, Platforms, Policy, PredicateType, Refusal, Requirement, Verdict,
    Verifier,
};
use std::path::PathBuf;

fn recorded(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/interop/cosign-3")).join(path)
}

fn key(name: &str) -> Authority {
    Authority::key_file(name, &recorded("keys").join(format!("{name}.pub"))).unwrap()
}

async fn open(case: &str, tag: &str) -> (Box<dyn Source>, Pinned) {
    let reference: Reference = format!("oci:{}:{tag}", recorded(case).display()).parse().unwrap();
    let source =
        seaworthy_oci::open(&reference.location, &OpenOptions { offline: true, ..OpenOptions::default() })
            .await
            .unwrap();
    let (pinned, _) = resolve(source.as_ref(), &reference).await.unwrap();
    (source, pinned)
}

fn judge(case: &str, tag: &str, keys: &[&str], requirement: Requirement) -> Verdict {
    let policy = Policy::require(keys.iter().map(|k| key(k)).collect(), &[requirement]).unwrap();
    run(async {
        let (source, pinned) = open(case, tag).await;
        let verifier =
            Verifier::new(vec![policy], Context { now: now(), platforms: Platforms::All, namespace: None })
                .unwrap();
        let name = ImageName::of(pinned.location());
        verifier.judge(source.as_ref(), &pinned, &name).await.unwrap()
    })
}

fn spdx() -> Requirement {
    Requirement::Attestation(PredicateType::Spdx)
}

fn cyclonedx() -> Requirement {
    Requirement::Attestation(PredicateType::CycloneDx)
}

#[test]
fn everything_that_cosign_wrote_verifies() {
    for (case, tag, requirement) in [
        ("bundle-signature", "image", Requirement::Signature),
        ("legacy-signature", "image", Requirement::Signature),
        ("bundle-attestation-spdx", "image", spdx()),
        ("bundle-attestation-cyclonedx", "image", cyclonedx()),
        ("legacy-attestation-spdx", "image", spdx()),
        ("legacy-attestation-cyclonedx", "image", cyclonedx()),
        ("both-recursive-index", "index", Requirement::Signature),
        ("everything", "image", Requirement::Signature),
        ("everything", "image", spdx()),
        ("everything", "image", cyclonedx()),
    ] {
        let verdict = judge(case, tag, &["cosign"], requirement.clone());
        assert_eq!(verdict.decision, Decision::Allow, "{case} {requirement:?}: {verdict:#?}");
        // Another key of cosign's own making, and another image in the same repository, are a no.
        let other = judge(case, tag, &["empty-password"], requirement.clone());
        assert_eq!(other.decision, Decision::Deny, "{case}");
        assert!(other.has(Refusal::UnknownSigner), "{case}: {other:#?}");
        let unsigned = judge(case, "other", &["cosign"], requirement);
        assert_eq!(unsigned.decision, Decision::Deny, "{case}");
    }
}

#[test]
fn both_formats_of_a_recursive_signature_stand_on_every_child() {
    run(async {
        let (source, index) = open("both-recursive-index", "index").await;
        let raw = source.manifest(seaworthy_oci::Selector::Digest(index.digest())).await.unwrap().unwrap();
        let seaworthy_oci::Manifest::Index(parsed) = raw.parse().unwrap() else { panic!("no index") };
        let children = parsed.manifests.iter().map(|d| d.digest.clone());
        for digest in std::iter::once(index.digest().clone()).chain(children) {
            let items = collect(source.as_ref(), &digest).await.unwrap();
            let formats: Vec<Format> = items.iter().map(|i| i.format).collect();
            assert_eq!(formats, [Format::Bundle, Format::SimpleSigning], "{items:#?}");
            for item in &items {
                assert_eq!(item.kind, Kind::Signature);
                let checked = check_item(source.as_ref(), item, &[key("cosign")], now()).await.unwrap();
                assert!(matches!(checked.standing, Standing::Valid { .. }), "{checked:#?}");
            }
        }
    });
}

#[test]
fn what_is_attached_is_listed_by_kind_and_signer() {
    run(async {
        let (source, image) = open("everything", "image").await;
        let items = collect(source.as_ref(), image.digest()).await.unwrap();
        assert_eq!(items.len(), 6, "{items:#?}");
        for item in &items {
            let known = check_item(source.as_ref(), item, &[key("cosign")], now()).await.unwrap();
            let Standing::Valid { signers } = &known.standing else { panic!("{known:#?}") };
            assert_eq!(signers[0].authority, "cosign");
            let unknown = check_item(source.as_ref(), item, &[key("second")], now()).await.unwrap();
            assert!(matches!(unknown.standing, Standing::UnknownSigner { .. }), "{unknown:#?}");
            if item.format == Format::Bundle {
                assert_eq!(unknown.claimed_signer.as_deref(), Some(signers[0].id.as_str()));
            }
        }
        let json = serde_json::to_value(&items).unwrap();
        assert_eq!(json[0]["format"], "bundle");
    });
}

/// SBOMs to look into are those that verify, the newest first, and nobody else's.
#[test]
fn attested_sboms_can_be_looked_into() {
    run(async {
        let (source, image) = open("everything", "image").await;
        let of = async |name: &str| {
            seaworthy_verifier::sboms::attested(source.as_ref(), image.digest(), &[key(name)], now())
                .await
                .unwrap()
        };
        let found = of("cosign").await;
        assert!(!found.is_empty());
        assert!(found.iter().all(|sbom| sbom.signers[0].authority == "cosign"));
        assert!(found.windows(2).all(|w| w[0].inventory.created >= w[1].inventory.created));
        assert!(of("second").await.is_empty());
    });
}
