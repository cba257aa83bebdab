//! TLS: a private authority is trusted when it is named, and a secured connection stays one.

use super::options;
use super::server::{Reply, Server, reply};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use seaworthy_oci::registry::{Options, PlainHttp, Registry};
use seaworthy_oci::{Error, ErrorKind, RawManifest, Repository, Selector, Source};
use std::path::PathBuf;
use std::sync::Arc;

/// A server configuration for `localhost`, and its authority in a file.
fn authority(dir: &tempfile::TempDir) -> (Arc<ServerConfig>, PathBuf) {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, root.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    (Arc::new(config.unwrap()), file)
}

async fn fetch(server: &Server, options: &Options) -> Result<Option<RawManifest>, Error> {
    let repository = Repository::new(&format!("localhost:{}", server.port), "a/b").unwrap();
    Registry::new(&repository, options)?.manifest(Selector::Tag("v1")).await
}

#[tokio::test]
async fn a_private_authority_counts_where_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (config, file) = authority(&dir);
    let server = Server::start_tls(config, |_| reply(404, &[], ""));
    let trusting = Options { plain_http: PlainHttp::Never, ca_files: vec![file], ..options() };
    assert_eq!(fetch(&server, &trusting).await.unwrap(), None);
    assert_eq!(server.lines(), ["GET /v2/a/b/manifests/v1"]);

    let second = tempfile::tempdir().unwrap();
    let (_, other) = authority(&second);
    let wary = Options { ca_files: vec![other], ..trusting };
    let error = fetch(&server, &wary).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error}");
    assert!(error.hint.unwrap().contains("CA file"));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_secured_connection_is_not_led_to_plain_http() {
    let dir = tempfile::tempdir().unwrap();
    let (config, file) = authority(&dir);
    let plain = Server::start(|_| reply(404, &[], ""));
    let location = plain.url("/x");
    let server = Server::start_tls(config, move |_| -> Reply { reply(307, &[("Location", &location)], "") });
    let options = Options { plain_http: PlainHttp::Never, ca_files: vec![file], ..options() };
    let error = fetch(&server, &options).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
    assert!(plain.lines().is_empty());
}
