//! The authority's own TLS: clients that trust its certificate reach it, others and plain ones do not.

use seaworthy_authority::{Authority, ErrorKind, Init, Keys, init, tls};
use seaworthy_sign::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn over_tls() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let home = tempfile::tempdir().unwrap();
    let made = || rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (pair, other) = (made(), made());
    let file = |name: &str, text: String| {
        std::fs::write(home.path().join(name), text).unwrap();
        home.path().join(name)
    };
    let certificate = file("server.pem", pair.cert.pem());
    let key = file("server.key", pair.signing_key.serialize_pem());
    let wrong = file("other.key", other.signing_key.serialize_pem());
    let empty = file("empty.pem", String::new());
    assert_eq!(tls(&certificate, &wrong).unwrap_err().kind, ErrorKind::Broken);
    assert_eq!(tls(&empty, &key).unwrap_err().kind, ErrorKind::Broken);
    assert_eq!(tls(&home.path().join("nowhere"), &key).unwrap_err().kind, ErrorKind::Local);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("https://{address}");
    let (dir, password) = (home.path().join("authority"), Secret::from(""));
    init(&Init { dir: &dir, url: &url, organization: "test", keys: Keys::Files(&password) }).unwrap();
    let authority = Authority::open(&dir, &password).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tls(&certificate, &key).unwrap();
    let task = tokio::spawn(async move {
        authority.serve(listener, Some(server), async { drop(stopped.await) }).await.unwrap();
    });

    // Clients that never finish a handshake take nobody's place.
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let trusting = |pem: &str| {
        let root = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap()
    };
    let answer = trusting(&pair.cert.pem()).get(format!("{url}/readyz")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    trusting(&other.cert.pem()).get(format!("{url}/readyz")).send().await.unwrap_err();
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));

    drop((silent, stop));
    task.await.unwrap();
}
