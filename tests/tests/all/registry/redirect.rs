//! D05: where requests are sent to, and what goes along.

use super::*;
use seaworthy_oci::registry::Secret;
use seaworthy_tests::image::TinyImage;
use seaworthy_tests::registry::{Anonymous, Auth, Fault, Reply};

fn with_password() -> Options {
    let mut options = options();
    options.credentials = Credentials::Basic { username: "me".into(), password: Secret::new("secret") };
    options
}

fn leaked(lab: &Lab) -> Vec<String> {
    lab.requests()
        .iter()
        .filter(|r| {
            r.header("authorization").is_some() || String::from_utf8_lossy(&r.body).contains("secret")
        })
        .map(|r| format!("{} {}", r.method, r.target))
        .collect()
}

#[tokio::test]
async fn d05_a_redirect_takes_no_credentials_along() {
    for auth in [Auth::basic("me", "secret"), Auth::bearer("me", "secret")] {
        let (lab, other) = (Lab::builder().auth(auth).start(), Lab::start());
        let content = b"behind a redirect".to_vec();
        let descriptor = blob(&other, &content);
        let target = format!("{}/v2/app/blobs/{}", other.base(), descriptor.digest);
        lab.fault(
            Fault::when(|r| r.target.contains("/blobs/") && r.header("authorization").is_some())
                .redirect(&target),
        );
        let registry = client_with(&lab, "app", &with_password());
        assert_eq!(registry.blob_bytes(&descriptor, 100).await.unwrap(), content);
        assert_eq!(other.requests().len(), 1);
        assert_eq!(leaked(&other), Vec::<String>::new());
    }
}

#[tokio::test]
async fn d05_a_redirect_there_and_back_takes_none_along_either() {
    let (lab, other) = (Lab::builder().auth(Auth::basic("me", "secret")).start(), Lab::start());
    let descriptor = blob(&lab, b"content");
    let back = format!("{}/v2/app/blobs/{}?back=1", lab.base(), descriptor.digest);
    other.fault(Fault::on("GET", "/away").redirect(&back));
    lab.fault(
        Fault::when(|r| !r.target.contains("back") && r.header("authorization").is_some())
            .redirect(&format!("{}/away", other.base())),
    );
    let _ = client_with(&lab, "app", &with_password()).blob_bytes(&descriptor, 100).await;
    let returned = lab.requests_to("GET", "back=1");
    assert!(!returned.is_empty() && returned.iter().all(|r| r.header("authorization").is_none()));
    assert_eq!(leaked(&other), Vec::<String>::new());
}

#[tokio::test]
async fn d05_redirects_end() {
    let lab = Lab::start();
    lab.fault(Fault::on("GET", "/v2/").redirect("/v2/again"));
    let error = kind(client(&lab, "app").manifest(Selector::Tag("v1")).await);
    assert_eq!(error, ErrorKind::LimitExceeded { limit: "REDIRECTS", value: 3 });
}

#[tokio::test]
async fn d05_a_redirect_to_something_weaker_or_odd_is_refused() {
    let lab = Lab::start();
    let (secure, plain) = (Lab::builder().tls().start(), Lab::start());
    for target in
        ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://me:secret@127.0.0.1/x", "http://192.0.2.1/x"]
    {
        lab.heal();
        lab.fault(Fault::on("GET", "/v2/").redirect(target));
        let error = kind(client(&lab, "app").manifest(Selector::Tag("v1")).await);
        assert!(matches!(error, ErrorKind::Malformed(_)), "{target}: {error:?}");
    }
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), secure.ca_pem().unwrap()).unwrap();
    let mut options = options();
    options.plain_http = seaworthy_oci::registry::PlainHttp::Never;
    options.ca_files = vec![ca.path().into()];
    secure.fault(Fault::on("GET", "/v2/").redirect(&format!("{}/v2/app/manifests/v1", plain.base())));
    let error = kind(client_with(&secure, "app", &options).manifest(Selector::Tag("v1")).await);
    assert!(matches!(error, ErrorKind::Malformed(_)), "{error:?}");
    assert!(plain.requests().is_empty());
}

#[tokio::test]
async fn d05_a_token_service_elsewhere_gets_no_password() {
    // The lab on 127.0.0.1 sends clients to `localhost`, another host by name.
    let other = Lab::builder().auth(Auth::bearer("me", "secret")).start();
    let port = other.host().rsplit(':').next().unwrap().to_owned();
    let realm = format!("http://localhost:{port}");
    let auth = Auth::Bearer {
        user: "me".into(),
        password: "secret".into(),
        anonymous: Anonymous::Nothing,
        realm: Some(realm),
    };
    let lab = Lab::builder().auth(auth).start();
    let error = client_with(&lab, "app", &with_password()).manifest(Selector::Tag("v1")).await.unwrap_err();
    assert_ne!(error.class(), seaworthy_oci::Class::NotFound, "{error}");
    assert_eq!(leaked(&other), Vec::<String>::new());
    // Unless the user says that this is where it belongs.
    let mut allowed = with_password();
    allowed.token_hosts = vec![format!("localhost:{port}")];
    assert_eq!(client_with(&lab, "app", &allowed).manifest(Selector::Tag("v1")).await.unwrap(), None);
    assert!(!leaked(&other).is_empty());
}

#[tokio::test]
async fn d05_an_upload_location_elsewhere_gets_no_credentials() {
    let (lab, other) = (Lab::builder().auth(Auth::basic("me", "secret")).start(), Lab::start());
    lab.fault(Fault::on("POST", "/uploads/").rewrite({
        let base = other.base();
        move |_, reply| match reply.status {
            202 => reply.with("Location", format!("{base}/v2/app/blobs/uploads/x?state=lab")),
            _ => reply,
        }
    }));
    let bytes = b"content".to_vec();
    let pushed =
        client_with(&lab, "app", &with_password()).push_blob(&Descriptor::of("a/b", &bytes), &bytes).await;
    assert!(pushed.is_err());
    assert_eq!(leaked(&other), Vec::<String>::new());
}

#[tokio::test]
async fn d05_an_upload_without_a_location_is_an_error() {
    let lab = Lab::start();
    lab.fault(Fault::on("POST", "/uploads/").without_header("Location"));
    let bytes = b"content".to_vec();
    let registry = client(&lab, "app");
    let error = kind(registry.push_blob(&Descriptor::of("a/b", &bytes), &bytes).await);
    assert!(matches!(error, ErrorKind::Malformed(_)), "{error:?}");
    // Not needed where the digest says where it is.
    lab.heal();
    lab.fault(Fault::on("PUT", "/v2/").without_header("Location"));
    TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
}

#[tokio::test]
async fn d05_a_next_page_elsewhere_is_not_followed() {
    let (lab, other) = (Lab::start(), Lab::start());
    let link = format!("<{}/v2/app/referrers/x>; rel=\"next\"", other.base());
    lab.fault(seaworthy_tests::registry::many_referrers(1).header("Link", &link));
    let error = kind(client(&lab, "app").referrers(&Digest::sha256(b"x")).await);
    assert!(matches!(error, ErrorKind::Malformed(_)), "{error:?}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn foreign_urls_are_never_followed() {
    let (lab, other) = (Lab::start(), Lab::start());
    let mut descriptor = blob(&other, b"content");
    descriptor.urls = vec![format!("{}/v2/app/blobs/{}", other.base(), descriptor.digest)];
    let error = client(&lab, "app").blob_bytes(&descriptor, 100).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn errors_of_the_registry_are_shown_and_carry_no_secret() {
    let lab = Lab::start();
    let long = format!("{}\u{1b}[31m", "x".repeat(100_000));
    let body = serde_json::json!({"errors": [{"code": long, "message": long}]}).to_string();
    lab.fault(Fault::on("", "/v2/").instead(move |_| Some(Reply::new(403).body(body.clone()))));
    let error = client_with(&lab, "app", &with_password()).manifest(Selector::Tag("v1")).await.unwrap_err();
    let text = format!("{error} {:?}", error.hint);
    assert!(text.len() < 4_000 && !text.contains('\u{1b}') && !text.contains("secret"), "{text}");
}
