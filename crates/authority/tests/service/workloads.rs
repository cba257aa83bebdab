//! Workloads and pipelines of other kinds, and whom their certificates name.

use crate::provider;
use crate::running::{Running, der, jwt, now};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_sign::{Algorithm, PrivateKey};
use serde_json::{Value, json};

fn certificate(pem: &str) -> String {
    let der = STANDARD.decode(der(pem)).unwrap();
    let der = sigstore_verify::types::DerCertificate::from_bytes(&der);
    format!("{:?}", sigstore_verify::crypto::parse_certificate_info(&der).unwrap())
}

#[tokio::test]
async fn a_spiffe_issuer_speaks_for_its_own_trust_domain_alone() {
    let theirs = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let (issuer, _) = provider(&theirs).await;
    let line = format!("issuers:\n  - url: {issuer}\n    type: spiffe\n    trustDomain: example.org\n");
    let authority = Running::with(|text| text.replace("issuers: []\n", &line)).await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let token = |sub: &str| {
        let claims = json!({ "iss": issuer, "sub": sub, "aud": "sigstore", "exp": now() + 60 });
        jwt(&theirs, &json!({ "alg": "ES256", "kid": "one" }), &claims)
    };
    let id = "spiffe://example.org/ns/build/sa/release";
    let chain = authority.certificate(&token(id), &key, id).await.unwrap();
    let text = certificate(&chain[0]);
    assert!(text.contains(id) && text.contains(&issuer), "{text}");
    for bad in [
        "spiffe://other.example/ns/build",
        "spiffe://example.org.evil.example/ns",
        "spiffe://example.org",
        "spiffe://example.org/",
        "spiffe://example.org//ns",
        "spiffe://example.org/ns/../admin",
        "spiffe://example.org/a%2fb",
        "spiffe://EXAMPLE.org/ns",
        "https://example.org/ns",
    ] {
        let (status, message) = authority.certificate(&token(bad), &key, bad).await.unwrap_err();
        assert!(status == 401 && message.contains("SPIFFE"), "{bad}: {status} {message}");
    }
    authority.stop().await;
}

#[tokio::test]
async fn a_pipeline_on_gitlab_gets_its_claims() {
    let theirs = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let (issuer, _) = provider(&theirs).await;
    let line = format!("issuers:\n  - url: {issuer}\n    type: gitlab\n");
    let authority = Running::with(|text| text.replace("issuers: []\n", &line)).await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let header = json!({ "alg": "ES256", "kid": "one" });
    let sub = "project_path:team/app:ref_type:branch:ref:main";
    let claims = json!({
        "iss": issuer, "sub": sub, "aud": "sigstore", "exp": now() + 60,
        "ci_config_ref_uri": "gitlab.example.org/team/app//.gitlab-ci.yml@refs/heads/main",
        "project_path": "team/app", "job_id": "77", "ref": "main", "ref_type": "branch",
        "pipeline_source": "push", "sha": "abc",
    });
    let chain = authority.certificate(&jwt(&theirs, &header, &claims), &key, sub).await.unwrap();
    let text = certificate(&chain[0]);
    let job = format!("{issuer}/team/app/-/jobs/77");
    for wanted in
        ["https://gitlab.example.org/team/app//.gitlab-ci.yml@refs/heads/main", "refs/heads/main", &job]
    {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    let mut without: Value = claims;
    without.as_object_mut().unwrap().remove("ci_config_ref_uri");
    let (status, message) =
        authority.certificate(&jwt(&theirs, &header, &without), &key, sub).await.unwrap_err();
    assert!(status == 401 && message.contains("ci_config_ref_uri"), "{status} {message}");
    authority.stop().await;
}
