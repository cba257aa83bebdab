//! The process: opens an authority's folder, holds its lock, and answers.
//!
//! Everything that a client controls is bounded before it is looked at: connections, the time for the TLS
//! handshake, the head and the body, their sizes, and the rate of requests that change something. A client
//! that is too fast gets 429 and Retry-After; one that the disk cannot serve now gets 503.

use crate::config::{AUDIENCE, Config, Switch};
use crate::error::{Error, Refused, Result};
use crate::folder;
use crate::fulcio::Fulcio;
use crate::identity::{Identities, jwks, mint};
use crate::keys::Key;
use crate::limits::{BODY_BYTES, BODY_TIME, CONNECTIONS, HEAD_BYTES, HEAD_TIME};
use crate::log::checkpoint::log_id;
use crate::log::store::Store;
use crate::log::tree::Hash;
use crate::log::{Log, store::View};
use crate::metrics::Metrics;
use crate::rekor;
use crate::rotate;
use crate::routes::{Route, Tile, Which};
use crate::tsa::Tsa;
use crate::x509::{Certificate, from_pem, pem};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use seaworthy_sign::{PublicKey, Secret};
use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How long open connections may take to end when the process is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// An authority that is open: it holds the folder's lock until it is dropped.
pub struct Authority {
    fulcio: Fulcio,
    log: Log,
    log_id: Hash,
    /// Logs that take nothing more, by kind and number.
    closed: BTreeMap<(folder::Log, u32), View>,
    tsa: Tsa,
    tokens: Option<PublicKey>,
    url: String,
    trusted_root: Bytes,
    signing_config: Bytes,
    rate: Rate,
    metrics: Metrics,
    _lock: Arc<File>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.url)
    }
}

/// A token bucket: a second's worth of requests may come at once.
struct Rate {
    per_second: f64,
    state: Mutex<(f64, Instant)>,
}

impl Rate {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, state: Mutex::new((per_second, Instant::now())) }
    }

    fn allows(&self) -> bool {
        let Ok(mut state) = self.state.lock() else { return false };
        let now = Instant::now();
        let (left, since) = *state;
        let left = (left + now.duration_since(since).as_secs_f64() * self.per_second).min(self.per_second);
        *state = if left >= 1.0 { (left - 1.0, now) } else { (left, now) };
        left >= 1.0
    }
}

pub(crate) fn certificate(dir: &Path, name: &str, key: Option<&Key>) -> Result<Certificate> {
    let path = dir.join("certs").join(format!("{name}.pem"));
    let shown = path.display();
    let text =
        std::fs::read_to_string(&path).map_err(|e| Error::local(format!("cannot read {shown}: {e}")))?;
    let found = from_pem("CERTIFICATE", &text).and_then(|der| Certificate::read(&der));
    let found = found.ok_or_else(|| Error::broken(format!("{shown} holds no certificate")))?;
    if key.is_some_and(|key| key.public_key().as_spki_der() != found.spki) {
        return Err(Error::broken(format!("{shown} is not the certificate of the key {name}")));
    }
    Ok(found)
}

/// Makes a token of the built-in issuer of the authority in `dir`, valid for `seconds`.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] where the issuer is switched off, the subject is neither a mail address nor a
/// URI, or the lifetime is out of bounds; [`crate::ErrorKind::Local`] where the key cannot be read.
pub fn token(
    dir: &Path,
    password: &Secret,
    subject: &str,
    audience: Option<&str>,
    seconds: i64,
) -> Result<String> {
    let (config, address) = Config::load(dir)?;
    if config.built_in_issuer == Switch::Disabled {
        return Err(Error::usage("the built-in issuer is switched off in authority.yaml"));
    }
    let key = Key::open(dir, "tokens", password)?;
    mint(&address.url, &key, subject, audience.unwrap_or(AUDIENCE), Timestamp::now(), seconds)
}

impl Authority {
    /// Opens the authority in `dir`: reads its configuration, decrypts its keys (the root's stays where it
    /// is), checks both logs.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Local`] where another process has it open or a key cannot be read;
    /// [`crate::ErrorKind::Broken`] where its files contradict each other.
    pub fn open(dir: &Path, password: &Secret) -> Result<Self> {
        let (config, address) = Config::load(dir)?;
        let lock = folder::lock(dir)?;
        rotate::finish(dir)?;
        let (log_key, ct_key) = (Key::open(dir, "log", password)?, Key::open(dir, "ct", password)?);
        let log_id = log_id(log_key.public_key());
        let mut closed = BTreeMap::new();
        let mut start = |kind: folder::Log, key: Key, name: &str| -> Result<Log> {
            let earlier = folder::closed(dir, kind)?;
            for log in &earlier {
                closed.insert((kind, log.number), log.view(kind, &address)?);
            }
            let mut store = Store::open(&dir.join(kind.name()), &kind.origin(&address), key)?;
            if let Some(elsewhere) = &config.last_seen {
                let earlier: Vec<_> = earlier.into_iter().map(|log| log.key).collect();
                let path = dir.join(elsewhere).join(format!("{}.checkpoint", kind.name()));
                store = store.remember_in(path, &earlier)?;
            }
            Log::start(store, name, lock.clone())
        };
        let log = start(folder::Log::Signatures, log_key, "signatures")?;
        let ct = start(folder::Log::Certificates, ct_key.clone(), "certificates")?;

        let tokens = Key::open(dir, "tokens", password)?.public_key().clone();
        let (issuer_key, tsa_key) =
            (Key::open(dir, "issuer", password)?, Key::open(dir, "timestamp", password)?);
        let root = certificate(dir, "root", None)?;
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read(&path)
                .map(Bytes::from)
                .map_err(|e| Error::local(format!("cannot read {}: {e}", path.display())))
        };
        Ok(Self {
            tsa: Tsa {
                certificate: certificate(dir, "timestamp", Some(&tsa_key))?,
                root: root.clone(),
                key: tsa_key,
            },
            fulcio: Fulcio {
                root,
                issuer: certificate(dir, "issuer", Some(&issuer_key))?,
                key: issuer_key,
                log_key: ct_key,
                log: ct,
                identities: Identities::new(&config, &address, &tokens),
                certificate_seconds: config.certificate_seconds,
            },
            log,
            log_id,
            closed,
            tokens: (config.built_in_issuer == Switch::Enabled).then_some(tokens),
            url: address.url,
            trusted_root: read("trusted_root.json")?,
            signing_config: read("signing_config.json")?,
            rate: Rate::new(config.requests_per_second),
            metrics: Metrics::default(),
            _lock: lock,
        })
    }

    /// Where clients reach it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers on `listener` until `stop` is done; then finishes what it has begun.
    ///
    /// # Errors
    /// Where the listener fails for good.
    pub async fn serve(
        self,
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        stop: impl Future<Output = ()>,
    ) -> Result<()> {
        let this = Arc::new(self);
        let tls = tls.map(tokio_rustls::TlsAcceptor::from);
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let permit = tokio::select! {
                permit = connections.clone().acquire_owned() => permit,
                () = &mut stop => break,
            };
            let Ok(permit) = permit else { break };
            let stream = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => break,
            };
            let Ok((stream, _)) = stream else {
                // Out of file descriptors, or the client went: neither ends the server.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (this, tls, watcher) = (this.clone(), tls.clone(), graceful.watcher());
            tokio::spawn(async move {
                let _permit = permit;
                match tls {
                    Some(tls) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await {
                            this.connection(TokioIo::new(stream), watcher).await;
                        }
                    }
                    None => this.connection(TokioIo::new(stream), watcher).await,
                }
            });
        }
        drop(listener);
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
        Ok(())
    }

    async fn connection<I>(self: Arc<Self>, io: I, watcher: hyper_util::server::graceful::Watcher)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let service = hyper::service::service_fn(move |request| {
            let this = self.clone();
            async move { Ok::<_, std::convert::Infallible>(this.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(io, service);
        // A connection that breaks is the client's affair.
        let _ = watcher.watch(connection).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let started = Instant::now();
        let route = Route::of(request.uri().path());
        let answer = match route {
            None => Err(Refused::not_found()),
            Some(route) => {
                let post = request.method() == Method::POST;
                let get = request.method() == Method::GET;
                if (route.is_post() && post) || (!route.is_post() && get) {
                    self.route(route, request).await
                } else {
                    let mut response = text(405, "another method is needed");
                    let allow = if route.is_post() { "POST" } else { "GET" };
                    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
                    Ok(response)
                }
            }
        };
        let response = answer.unwrap_or_else(|refused| {
            // The shape of gRPC gateways, which Sigstore's clients print.
            let body = serde_json::json!({ "code": refused.status, "message": refused.message });
            let mut response = respond(refused.status, "application/json", Bytes::from(body.to_string()));
            if matches!(refused.status, 429 | 503) {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        });
        let name = route.map_or("none", Route::name);
        self.metrics.count(name, response.status().as_u16(), started.elapsed());
        response
    }

    async fn route(
        &self,
        route: Route,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refused> {
        if route.is_post() && !self.rate.allows() {
            return Err(Refused::too_many());
        }
        let now = Timestamp::now();
        Ok(match route {
            Route::Certificate => {
                let bearer = bearer(&request);
                let body = body(request).await?;
                json(200, &self.fulcio.certify(&body, bearer.as_deref(), now).await?)
            }
            Route::Entry => {
                let entry = rekor::read(&body(request).await?)?;
                let receipt = self.log.append(entry.body.clone()).await?;
                json(201, &rekor::answer(&entry, &self.log_id, &receipt))
            }
            Route::Timestamp => {
                let token = self.tsa.answer(&body(request).await?, now).await?;
                respond(200, "application/timestamp-reply", token.into())
            }
            Route::TrustBundle => json(200, &self.fulcio.trust_bundle()),
            Route::Configuration => json(200, &self.fulcio.identities.configuration()),
            Route::TimestampChain => {
                let chain =
                    [&self.tsa.certificate, &self.tsa.root].map(|c| pem("CERTIFICATE", &c.der)).concat();
                respond(200, "application/pem-certificate-chain", chain.into())
            }
            Route::Checkpoint(which) => text(200, &self.view(which)?.checkpoint().text),
            Route::Tile(which, tile) => self.tile(which, tile).await?,
            Route::Discovery if self.tokens.is_some() => json(
                200,
                &serde_json::json!({
                    "issuer": self.url,
                    "jwks_uri": format!("{}/keys", self.url),
                    "authorization_endpoint": format!("{}/auth", self.url),
                    "token_endpoint": format!("{}/token", self.url),
                    "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                }),
            ),
            Route::Keys => match self.tokens.as_ref().and_then(jwks) {
                Some(keys) => json(200, &keys),
                None => return Err(Refused::not_found()),
            },
            Route::Discovery => return Err(Refused::not_found()),
            Route::TrustedRoot => respond(200, "application/json", self.trusted_root.clone()),
            Route::SigningConfig => respond(200, "application/json", self.signing_config.clone()),
            Route::Health => text(200, "ok\n"),
            Route::Ready if self.log.alive() && self.fulcio.log.alive() => text(200, "ok\n"),
            Route::Ready => return Err(Refused::unavailable("a log takes no entries: the disk failed")),
            Route::Metrics => {
                let sizes = [
                    ("signatures", self.log.view().checkpoint().size),
                    ("certificates", self.fulcio.log.view().checkpoint().size),
                ];
                text(200, &self.metrics.text(&sizes))
            }
        })
    }

    fn view(&self, which: Which) -> Result<&View, Refused> {
        match (which.closed, which.kind) {
            (None, folder::Log::Signatures) => Ok(self.log.view()),
            (None, folder::Log::Certificates) => Ok(self.fulcio.log.view()),
            (Some(number), kind) => self.closed.get(&(kind, number)).ok_or_else(Refused::not_found),
        }
    }

    async fn tile(&self, which: Which, tile: Tile) -> Result<Response<Full<Bytes>>, Refused> {
        let view = self.view(which)?.clone();
        let bytes = match tile.level {
            Some(level) => view.tile(level, tile.index, tile.width),
            None => tokio::task::spawn_blocking(move || view.entries(tile.index, tile.width))
                .await
                .map_err(|_| Refused::unavailable("the log could not be read"))?
                .map_err(|e| Refused::unavailable(e.to_string()))?,
        };
        let bytes = bytes.ok_or_else(Refused::not_found)?;
        Ok(respond(200, "application/octet-stream", bytes.into()))
    }
}

/// The token in `Authorization: Bearer`, where some clients put it.
fn bearer(request: &Request<Incoming>) -> Option<String> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, t)| t.to_owned())
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Refused> {
    let read = Limited::new(request.into_body(), BODY_BYTES).collect();
    match tokio::time::timeout(BODY_TIME, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(e)) if e.is::<http_body_util::LengthLimitError>() => {
            Err(Refused::too_large("BODY_BYTES", BODY_BYTES))
        }
        Ok(Err(_)) => Err(Refused::bad("the request's body broke off")),
        Err(_) => Err(Refused { status: 408, message: "the request's body took too long".into() }),
    }
}

fn respond(status: u16, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn text(status: u16, body: &str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", Bytes::copy_from_slice(body.as_bytes()))
}

fn json(status: u16, body: &serde_json::Value) -> Response<Full<Bytes>> {
    respond(status, "application/json", Bytes::from(body.to_string()))
}
