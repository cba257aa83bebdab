//! An API server on loopback, as small as the webhook's client needs one: objects by path, lists in pages, watches
//! that end when something changes, patches, and a switch that makes it fail.

use crate::server::certificate;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use seaworthy_verifier::cluster::{Api, ApiServer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Default)]
struct Inside {
    /// Lists by path, objects in them by `namespace/name`.
    lists: BTreeMap<String, BTreeMap<String, Value>>,
    /// Single objects by path.
    objects: BTreeMap<String, Value>,
    /// Patches: path, content type, body.
    patches: Vec<(String, String, Value)>,
    broken: bool,
    version: u64,
}

#[derive(Clone, Default)]
struct State(Arc<(Mutex<Inside>, Notify)>);

pub struct FakeApi {
    state: State,
    dir: tempfile::TempDir,
    address: std::net::SocketAddr,
}

impl FakeApi {
    /// Serves on the runtime for as long as that lives.
    pub fn start(runtime: &tokio::runtime::Runtime) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificate(dir.path());
        std::fs::write(dir.path().join("token"), "the-token\n").unwrap();
        let chain =
            CertificateDer::pem_file_iter(dir.path().join("tls.crt")).unwrap().map(|c| c.unwrap()).collect();
        let key = PrivateKeyDer::from_pem_file(dir.path().join("tls.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let state = State::default();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = state.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(state.clone(), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { state, dir, address }
    }

    pub fn api(&self) -> Api {
        let file = |name: &str| self.dir.path().join(name);
        let url = format!("https://{}", self.address);
        Api::new(&ApiServer { url, ca: file("tls.crt"), token: file("token") }).unwrap()
    }

    pub fn token(&self, token: &str) {
        std::fs::write(self.dir.path().join("token"), token).unwrap();
    }

    fn change(&self, change: impl FnOnce(&mut Inside)) {
        let (inside, changed) = &*self.state.0;
        let mut inside = inside.lock().unwrap();
        inside.version += 1;
        change(&mut inside);
        drop(inside);
        changed.notify_waiters();
    }

    /// Puts `object` into the list at `path`.
    pub fn put(&self, path: &str, object: Value) {
        let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
        self.change(|i| drop(i.lists.entry(path.to_owned()).or_default().insert(key, object)));
    }

    pub fn remove(&self, path: &str, key: &str) {
        self.change(|i| drop(i.lists.entry(path.to_owned()).or_default().remove(key)));
    }

    /// Puts a single object at `path`.
    pub fn object(&self, path: &str, object: Value) {
        self.change(|i| drop(i.objects.insert(path.to_owned(), object)));
    }

    pub fn broken(&self, broken: bool) {
        self.change(|i| i.broken = broken);
    }

    pub fn patches(&self) -> Vec<(String, String, Value)> {
        self.state.0.0.lock().unwrap().patches.clone()
    }
}

fn reply(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let body = format!("{body}\n");
    Response::builder().status(status).body(Full::new(Bytes::from(body))).unwrap()
}

async fn answer(state: State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query: BTreeMap<String, String> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
        .collect();
    let header =
        |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (token, kind) = (header("authorization"), header("content-type"));
    let (inside, changed) = &*state.0;
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let notified = changed.notified();
    {
        let mut inside = inside.lock().unwrap();
        if inside.broken {
            return Ok(reply(503, &json!({ "message": "etcd has no leader" })));
        }
        if token != "Bearer the-token" {
            return Ok(reply(401, &json!({ "message": "Unauthorized" })));
        }
        if method == Method::PATCH {
            let body = serde_json::from_slice(&body).unwrap();
            inside.patches.push((path, kind, body));
            return Ok(reply(200, &json!({})));
        }
    }
    if query.contains_key("watch") {
        let version: u64 = query["resourceVersion"].parse().unwrap();
        if inside.lock().unwrap().version == version {
            let _ = tokio::time::timeout(Duration::from_secs(30), notified).await;
        }
        return Ok(reply(200, &json!({ "type": "MODIFIED", "object": {} })));
    }
    let inside = inside.lock().unwrap();
    if let Some(object) = inside.objects.get(&path) {
        return Ok(reply(200, object));
    }
    let Some(list) = inside.lists.get(&path) else {
        return Ok(reply(404, &json!({ "message": format!("{path} not found") })));
    };
    // Pages of two, whatever was asked for: a server may give fewer.
    let from: usize = query.get("continue").map_or(0, |c| c.parse().unwrap());
    let items: Vec<&Value> = list.values().skip(from).take(2).collect();
    let next = if from + 2 < list.len() { (from + 2).to_string() } else { String::new() };
    let meta = json!({ "resourceVersion": inside.version.to_string(), "continue": next });
    Ok(reply(200, &json!({ "metadata": meta, "items": items })))
}
