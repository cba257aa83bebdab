//! The server around the webhook: HTTPS, health, metrics, reloading, an orderly end.
//!
//! hyper alone: five paths need no framework, and hyper is in the tree below the registry client. Everything
//! that a client controls has a limit here: connections, the time for a handshake, for headers and for a body,
//! and a body's size. What is broken is answered with a denial in good form wherever HTTP still works.
//!
//! It never decides anything. Where a review cannot even be started, the answer is a denial that says so.

mod log;
mod metrics;
mod tls;
mod watchman;

pub use log::Log;
pub use watchman::Watchman;

use crate::admission::{
    Admission, Answer, Outcome, Panicked, Policies, Reviewed, Webhook, at_once, fingerprint,
    fingerprint_with, limits,
};
use crate::cluster::Api;
use crate::cluster::objects::Objects;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode, Version, http};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use metrics::Metrics;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tls::{Certificates, Looked};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Connections at once. API servers keep a few each; probes and metrics come and go.
const CONNECTIONS: usize = 512;
/// Reviews at once: each may hold two objects of the largest size.
const REVIEWS: usize = 128;
/// Streams of one HTTP/2 connection.
const STREAMS: u32 = 200;
/// A TLS handshake, and the headers of a request.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The body of a request.
const BODY: Duration = Duration::from_secs(5);

/// Why the server cannot start, or cannot take something new.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The certificate or its key cannot be used.
    #[error("cannot serve: {0}")]
    Certificate(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

/// What the server works from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// The PEM file with the private key.
    pub private_key: PathBuf,
    /// Policy files and directories.
    pub policies: Vec<PathBuf>,
    /// How often certificate and policies are looked at.
    pub poll: Duration,
    /// How long requests are still taken after the signal to stop, while readiness says no: the cluster needs
    /// a moment to send them elsewhere.
    pub linger: Duration,
    /// How long requests under way may take after that.
    pub drain: Duration,
}

/// A server that listens and is ready to run.
pub struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    state: Arc<State>,
    config: Config,
    following: Option<Api>,
}

struct State {
    admission: Arc<Admission>,
    certificates: Arc<Certificates>,
    metrics: Metrics,
    log: Log,
    ready: AtomicBool,
    reviews: Semaphore,
    objects: Option<Arc<Objects>>,
}

impl Server {
    /// Reads the certificate and listens.
    ///
    /// # Errors
    /// Where one of the two fails.
    pub async fn bind(config: Config, admission: Arc<Admission>, log: Log) -> Result<Self, ServeError> {
        let certificates =
            Arc::new(Certificates::load(config.certificate.clone(), config.private_key.clone())?);
        let acceptor = TlsAcceptor::from(Arc::new(certificates.config()?));
        let address = config.listen;
        let listener =
            TcpListener::bind(address).await.map_err(|error| ServeError::Listen { address, error })?;
        let state = Arc::new(State {
            admission,
            certificates,
            metrics: Metrics::default(),
            log,
            ready: AtomicBool::new(true),
            reviews: Semaphore::new(REVIEWS),
            objects: None,
        });
        Ok(Self { listener, acceptor, state, config, following: None })
    }

    /// The same, with the policies that are objects in the cluster of `api`, which are put into `objects`. Before they
    /// are known, it is not ready.
    #[must_use]
    pub fn following(mut self, api: Api, objects: Arc<Objects>) -> Self {
        if let Some(state) = Arc::get_mut(&mut self.state) {
            state.objects = Some(objects);
        }
        self.following = Some(api);
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` ends, and then until what is under way has been answered.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { listener, acceptor, state, config, following } = self;
        let count = state.admission.policies().count();
        state.log.event("info", "started", &format!("{count} policies answer"));
        let poller = tokio::spawn(poll(Arc::clone(&state), config.policies.clone(), config.poll));
        let follower = following.map(|api| follow(Arc::clone(&state), api));
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let stopping = async {
            stop.await;
            state.ready.store(false, Ordering::SeqCst);
            state.log.event("info", "stopping", "readiness says no; requests are still taken for a moment");
            tokio::time::sleep(config.linger).await;
        };
        tokio::pin!(stopping);
        loop {
            let permit = tokio::select! {
                () = &mut stopping => break,
                permit = Arc::clone(&connections).acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = &mut stopping => break,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, as a rule: without a pause this would spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (state, acceptor, watcher) = (Arc::clone(&state), acceptor.clone(), graceful.watcher());
            tokio::spawn(async move {
                let _permit = permit;
                connection(state, acceptor, stream, watcher).await;
            });
        }
        drop(listener);
        poller.abort();
        follower.inspect(JoinHandle::abort);
        let drained = tokio::time::timeout(config.drain, graceful.shutdown()).await;
        let how = if drained.is_ok() { "all requests were answered" } else { "some requests were cut off" };
        state.log.event("info", "stopped", how);
    }
}

async fn connection(
    state: Arc<State>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        state.metrics.handshake_failures.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE).max_headers(64);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(16 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    // A client that goes away is its own affair.
    let _ = watcher.watch(connection).await;
}

type Reply = Response<Full<Bytes>>;

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

async fn answer(state: Arc<State>, request: http::Request<Incoming>) -> Result<Reply, Infallible> {
    let text = |status, body: &'static str| reply(status, "text/plain; charset=utf-8", body);
    let path = request.uri().path().to_owned();
    let http1 = request.version() < Version::HTTP_2;
    let mut reply = match (request.method(), path.as_str()) {
        (&Method::POST, "/validate") => review(Arc::clone(&state), Webhook::Validate, request).await,
        (&Method::POST, "/mutate") => review(Arc::clone(&state), Webhook::Mutate, request).await,
        (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/readyz") if !state.ready.load(Ordering::SeqCst) => {
            text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
        }
        (&Method::GET, "/readyz") if state.admission.policies().waiting().is_some() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "waiting for the policies in the cluster\n")
        }
        (&Method::GET, "/readyz") => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/metrics") => {
            let mut body = state.metrics.text(state.admission.policies().count());
            if let Some(objects) = &state.objects {
                body.push_str(&metrics::of_objects(&objects.standing(Timestamp::now())));
            }
            reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body)
        }
        (_, "/validate" | "/mutate" | "/healthz" | "/readyz" | "/metrics") => {
            text(StatusCode::METHOD_NOT_ALLOWED, "another method\n")
        }
        _ => text(StatusCode::NOT_FOUND, "there are /validate, /mutate, /healthz, /readyz and /metrics\n"),
    };
    // RFC 9112, 9.6: the client is told before the end, and takes its next request elsewhere. A kept connection that
    // were closed without a word could have a request on its way, which no API server sends twice. HTTP/2 has GOAWAY.
    if http1 && !state.ready.load(Ordering::SeqCst) {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(reply)
}

async fn review(state: Arc<State>, webhook: Webhook, request: http::Request<Incoming>) -> Reply {
    let started = Instant::now();
    state.metrics.in_flight.fetch_add(1, Ordering::Relaxed);
    let patience = patience(request.uri().query().unwrap_or_default());
    let refused = |outcome, why: &str| {
        let answer = Answer::refused(None, outcome, why);
        Reviewed { body: answer.body(None), answer, request: None }
    };
    let wait = patience.unwrap_or(limits::BUDGET).min(limits::BUDGET).saturating_sub(limits::HEADROOM);
    let reviewed = match tokio::time::timeout(wait, state.reviews.acquire()).await {
        Ok(Ok(_permit)) => match body(request).await {
            Ok(body) => {
                let admission = Arc::clone(&state.admission);
                let left = patience.map(|p| p.saturating_sub(started.elapsed()));
                // What waits is a task of its own, and goes on where the client goes away: the next one asks the same.
                let reviewed = match at_once(async move { admission.review(webhook, &body, left).await }) {
                    Ok(ended) => ended,
                    Err(rest) => tokio::spawn(rest).await.unwrap_or(Err(Panicked)),
                };
                // A panic is one denial and not the connection's end.
                reviewed.unwrap_or_else(|Panicked| {
                    refused(
                        Outcome::CouldNotFindOut,
                        "could not find out: the judge panicked; please report it",
                    )
                })
            }
            Err(why) => refused(Outcome::Malformed, &why),
        },
        _ => refused(Outcome::CouldNotFindOut, "could not find out: too many reviews at once"),
    };
    let took = started.elapsed();
    state.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
    state.metrics.review(webhook, reviewed.answer.outcome, took);
    for image in &reviewed.answer.images {
        state.metrics.image(image.outcome, u64::from(image.remembered), image.way);
    }
    state.log.review(webhook, reviewed.request.as_ref(), &reviewed.answer, took);
    reply(StatusCode::OK, "application/json", reviewed.body)
}

/// The body, whole and within its limits.
async fn body(request: http::Request<Incoming>) -> Result<Bytes, String> {
    let over = || format!("the body has more than the limit BODY_BYTES = {}", limits::BODY_BYTES);
    if request.body().size_hint().lower() > limits::BODY_BYTES as u64 {
        return Err(over());
    }
    let read = Limited::new(request.into_body(), limits::BODY_BYTES).collect();
    match tokio::time::timeout(BODY, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(over()),
        Ok(Err(error)) => Err(format!("the body cannot be read: {error}")),
        Err(_) => Err(format!("the body did not arrive within {} s", BODY.as_secs())),
    }
}

/// How long the API server waits: it says so as `?timeout=10s`.
fn patience(query: &str) -> Option<Duration> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("timeout="))?;
    value.strip_suffix('s')?.parse::<u16>().ok().filter(|s| *s > 0).map(|s| Duration::from_secs(u64::from(s)))
}

/// Looks at certificate and policies, for ever.
async fn poll(state: Arc<State>, policies: Vec<PathBuf>, every: Duration) {
    let mut told = (String::new(), String::new());
    let objects = state.objects.clone();
    loop {
        // Objects are not waited for: whoever writes one looks at once whether it helps.
        let changed = async {
            match &objects {
                Some(objects) => objects.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { () = tokio::time::sleep(every) => {}, () = changed => {} }
        let (state, policies) = (Arc::clone(&state), policies.clone());
        let look = tokio::task::spawn_blocking(move || {
            look_at_certificate(&state, &mut told.0);
            look_at_policies(&state, &policies, &mut told.1);
            told
        });
        told = look.await.unwrap_or_default();
    }
}

/// Follows the objects in the cluster; what goes wrong on the way stands in the log.
fn follow(state: Arc<State>, api: Api) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(objects) = state.objects.clone() else { return };
        let told = Arc::clone(&state);
        let tell = move |level: &str, message: &str| told.log.event(level, "objects", message);
        objects.follow(api, Arc::new(tell)).await;
    })
}

fn look_at_certificate(state: &State, told: &mut String) {
    match state.certificates.look() {
        Ok(Looked::Same) => told.clear(),
        Ok(Looked::New) => {
            told.clear();
            state.metrics.certificate_reloads.fetch_add(1, Ordering::Relaxed);
            state.log.event("info", "certificate", "a new certificate is shown from now on");
        }
        Err(error) => {
            let text = error.to_string();
            if *told != text {
                state.metrics.certificate_failures.fetch_add(1, Ordering::Relaxed);
                state.log.event("error", "certificate", &format!("{text}; the last good one is still shown"));
                *told = text;
            }
        }
    }
}

fn look_at_policies(state: &State, paths: &[PathBuf], told: &mut String) {
    let current = state.admission.policies();
    let objects = state.objects.as_deref();
    let found = objects.map_or_else(|| fingerprint(paths), |objects| fingerprint_with(paths, objects));
    let loaded = match (found, objects) {
        (Ok(same), _) if same == current.fingerprint() => Ok(None),
        (Ok(_), None) => Policies::load(paths, Timestamp::now()).map(Some),
        (Ok(_), Some(objects)) => Policies::with_objects(paths, objects, Timestamp::now()).map(Some),
        (Err(error), _) => Err(error),
    };
    match loaded {
        Ok(None) => {
            told.clear();
            state.metrics.policy_stale.store(0, Ordering::Relaxed);
        }
        Ok(Some(policies)) => {
            told.clear();
            let text =
                format!("{} policies answer from now on: {}", policies.count(), policies.fingerprint());
            state.admission.replace_policies(policies);
            state.metrics.policy_reloads.fetch_add(1, Ordering::Relaxed);
            state.metrics.policy_stale.store(0, Ordering::Relaxed);
            state.log.event("info", "policies", &text);
        }
        Err(error) => {
            state.metrics.policy_stale.store(1, Ordering::Relaxed);
            let text = error.to_string();
            if *told != text {
                state.metrics.policy_failures.fetch_add(1, Ordering::Relaxed);
                state.log.event("error", "policies", &format!("{text}\nthe last good policies still answer"));
                *told = text;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_servers_patience() {
        assert_eq!(patience("timeout=10s"), Some(Duration::from_secs(10)));
        assert_eq!(patience("a=b&timeout=3s"), Some(Duration::from_secs(3)));
        for odd in ["", "timeout=", "timeout=0s", "timeout=-1s", "timeout=1m", "timeout=99999999s"] {
            assert_eq!(patience(odd), None, "{odd}");
        }
    }
}
