//! Basic and token authentication, from every place where credentials may be kept.

use super::*;
use seaworthy_oci::Class;
use seaworthy_oci::registry::Secret;
use seaworthy_oci::registry::credentials::ConfigFiles;
use seaworthy_tests::image::TinyImage;
use seaworthy_tests::registry::{Anonymous, Auth, Fault, Reply};

fn basic(user: &str, password: &str) -> Options {
    let mut options = options();
    options.credentials = Credentials::Basic { username: user.into(), password: Secret::new(password) };
    options
}

fn bearer(anonymous: Anonymous) -> Auth {
    Auth::Bearer { user: "me".into(), password: "secret".into(), anonymous, realm: None }
}

#[tokio::test]
async fn the_right_password_opens_and_the_wrong_one_does_not() {
    for auth in [Auth::basic("me", "secret"), Auth::bearer("me", "secret")] {
        let lab = Lab::builder().auth(auth).start();
        let good = client_with(&lab, "app", &basic("me", "secret"));
        let raw = TinyImage::saying("x").push(&good, Some("v1")).await.unwrap();
        assert_eq!(good.manifest(Selector::Tag("v1")).await.unwrap(), Some(raw.clone()));
        for bad in [basic("me", "wrong"), basic("you", "secret"), options()] {
            let registry = client_with(&lab, "app", &bad);
            for kind in [
                kind(registry.manifest(Selector::Tag("v1")).await),
                kind(registry.referrers(&raw.descriptor.digest).await),
                kind(TinyImage::saying("y").push(&registry, Some("v1")).await),
            ] {
                assert_eq!(kind, ErrorKind::Unauthorized);
            }
        }
    }
}

#[tokio::test]
async fn anonymous_tokens_pull_and_do_not_push() {
    let lab = Lab::builder().auth(bearer(Anonymous::Pull)).start();
    let raw = TinyImage::saying("x")
        .push(&client_with(&lab, "app", &basic("me", "secret")), Some("v1"))
        .await
        .unwrap();
    let registry = client(&lab, "app");
    assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap(), Some(raw));
    let error = TinyImage::saying("y").push(&registry, Some("v1")).await.unwrap_err();
    assert_eq!(error.class(), Class::Local, "{error}");
}

#[tokio::test]
async fn a_token_is_used_more_than_once() {
    let lab = Lab::builder().auth(bearer(Anonymous::Pull)).start();
    let registry = client(&lab, "app");
    for _ in 0..5 {
        assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap(), None);
    }
    assert_eq!(lab.requests().iter().filter(|r| r.path() == "/token").count(), 1);
}

#[tokio::test]
async fn an_expired_token_is_renewed() {
    let lab = Lab::builder().auth(bearer(Anonymous::Pull)).start();
    let registry = client(&lab, "app");
    assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap(), None);
    let challenge =
        format!("Bearer realm=\"{}/token\",service=\"lab\",scope=\"repository:app:pull\"", lab.base());
    lab.fault(Fault::on("GET", "/manifests/").status(401).header("WWW-Authenticate", &challenge).times(1));
    assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap(), None);
    assert_eq!(lab.requests().iter().filter(|r| r.path() == "/token").count(), 2);
}

#[tokio::test]
async fn credentials_come_from_configuration_files() {
    use base64::Engine as _;
    let lab = Lab::builder().auth(Auth::bearer("me", "secret")).start();
    let auth = base64::engine::general_purpose::STANDARD.encode("me:secret");
    let host = lab.host();
    for entry in [
        serde_json::json!({"auth": auth}),
        // A refresh token takes the POST grant.
        serde_json::json!({"identitytoken": "secret"}),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = serde_json::json!({"auths": {host.clone(): entry}});
        std::fs::write(file.path(), config.to_string()).unwrap();
        let mut options = options();
        options.credentials = Credentials::Configured(ConfigFiles {
            files: Some(vec![file.path().into()]),
            ..ConfigFiles::default()
        });
        let registry = client_with(&lab, "app", &options);
        assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap(), None);
    }
    let posted = lab.requests_to("POST", "/token");
    assert!(posted.iter().any(|r| String::from_utf8_lossy(&r.body).contains("grant_type=refresh_token")));
    // Another registry's credentials stay at home.
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = serde_json::json!({"auths": {"example.com": {"auth": auth}}});
    std::fs::write(file.path(), config.to_string()).unwrap();
    let mut options = options();
    options.credentials = Credentials::Configured(ConfigFiles {
        files: Some(vec![file.path().into()]),
        ..ConfigFiles::default()
    });
    lab.forget_requests();
    let error = kind(client_with(&lab, "app", &options).manifest(Selector::Tag("v1")).await);
    assert_eq!(error, ErrorKind::Unauthorized);
    assert!(lab.requests().iter().all(|r| r.header("authorization").is_none()));
}

#[tokio::test]
async fn trouble_with_the_token_service_is_its_own_trouble() {
    for (status, expected) in [
        (429, ErrorKind::Throttled { retry_after: None }),
        (500, ErrorKind::Server { status: 500 }),
        (403, ErrorKind::Forbidden),
        (401, ErrorKind::Unauthorized),
    ] {
        let lab = Lab::builder().auth(bearer(Anonymous::Pull)).start();
        lab.fault(Fault::on("", "/token").status(status));
        let error = kind(client(&lab, "app").referrers(&Digest::sha256(b"x")).await);
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn a_token_service_that_answers_nonsense() {
    for body in ["", "{}", "[]", r#"{"token":7}"#, r#"{"token":"a\r\nX-Evil: 1"}"#, "null"] {
        let lab = Lab::builder().auth(bearer(Anonymous::Pull)).start();
        lab.fault(Fault::on("", "/token").instead(move |_| Some(Reply::new(200).body(body))));
        let error = client(&lab, "app").manifest(Selector::Tag("v1")).await.unwrap_err();
        assert_ne!(error.class(), Class::NotFound, "{body}: {error}");
        assert!(lab.requests().iter().all(|r| r.header("x-evil").is_none()));
    }
    let lab = Lab::builder().auth(bearer(Anonymous::Pull)).start();
    let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(100_000));
    lab.fault(Fault::on("", "/token").instead(move |_| Some(Reply::new(200).body(long.clone()))));
    let error = kind(client(&lab, "app").manifest(Selector::Tag("v1")).await);
    assert!(matches!(error, ErrorKind::LimitExceeded { .. }), "{error:?}");
}
