//! One HTTP call to a signing service: bounded in bytes and time, tried again where that may help.
//!
//! Refused: redirects, because a request here carries an identity or is not to be repeated elsewhere; plain
//! HTTP to anybody but loopback and the hosts that were named; bodies beyond [`ANSWER_BYTES`]. A refusal by
//! the service ([`ErrorKind::Signer`]) is told apart from a service that could not be asked
//! ([`ErrorKind::Service`]): only the latter is worth another try.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response};
use seaworthy_oci::ErrorKind as Net;
pub(super) use seaworthy_oci::http::escaped;
use seaworthy_oci::http::{backoff, innermost, is_loopback};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// The largest answer of a service. A log entry repeats what was logged; certificate chains have 5 KB.
pub const ANSWER_BYTES: usize = 4 << 20;
/// Connecting, TLS included.
pub const CONNECT: Duration = Duration::from_secs(5);
/// One try. A Rekor v2 log answers when the entry is in the tree, which takes seconds; its specification asks
/// clients for 20 at least.
pub const TRY: Duration = Duration::from_secs(45);
/// All tries of one call.
pub const CALL: Duration = Duration::from_secs(180);
/// Tries of one call, the first included.
pub const TRIES: u32 = 6;
/// Tries of one call where another service could be asked instead. A try that was not answered in time is the
/// last one then.
pub const BRIEF_TRIES: u32 = 2;
/// The longest `Retry-After` that is waited for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// The wait before the second try; it doubles from there up to [`BACKOFF_MAX`], with jitter.
pub const BACKOFF: Duration = Duration::from_millis(250);
/// See [`BACKOFF`].
pub const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// How services are talked to.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// PEM files with certificate authorities, trusted in addition to the system's.
    pub ca_files: Vec<PathBuf>,
    /// Hosts (`host` or `host:port`) that are spoken to in plain HTTP; loopback is by itself, `*` is everybody.
    pub plain_http: Vec<String>,
    /// How long one try may take; [`TRY`] where there is none.
    pub patience: Option<Duration>,
}

/// The HTTP client of one run.
pub struct Http {
    plain_http: Vec<String>,
    patience: Duration,
    authorities: Vec<reqwest::Certificate>,
    clients: Mutex<BTreeMap<(bool, bool), Client>>,
}

/// How long a service that does not answer is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// [`BRIEF_TRIES`]: there is another one.
    Brief,
    /// [`TRIES`].
    Full,
}

/// A request to a service.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    /// A verb phrase: `get a certificate from`.
    pub(super) tried: &'static str,
    pub(super) accept: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    pub(super) bearer: Option<&'a Secret>,
    pub(super) header: Option<(&'static str, &'static str)>,
    /// Statuses that are an answer although they are no success.
    pub(super) also: &'static [u16],
    pub(super) patience: Patience,
    /// The largest answer, and what the limit is called.
    pub(super) limit: (&'static str, usize),
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl<'a> Call<'a> {
    pub(super) fn get(url: &'a Url, tried: &'static str) -> Self {
        Self {
            method: Method::GET,
            url,
            tried,
            accept: "application/json",
            content_type: "",
            body: Bytes::new(),
            bearer: None,
            header: None,
            also: &[],
            patience: Patience::Full,
            limit: ("ANSWER_BYTES", ANSWER_BYTES),
        }
    }

    pub(super) fn post(url: &'a Url, tried: &'static str, content_type: &'static str, body: Bytes) -> Self {
        Self { method: Method::POST, content_type, body, ..Self::get(url, tried) }
    }

    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.tried, shown(self.url), kind)
    }
}

/// A URL without user, password, query and fragment: what may be printed.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs that have no host; those have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// What a service says in the body of a refusal.
fn message(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = ["message", "error_description", "error", "detail"]
        .iter()
        .find_map(|name| value.get(name).and_then(|v| v.as_str()).filter(|t| !t.is_empty()))?;
    Some(escaped(text.trim()))
}

/// `Retry-After`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    seaworthy_oci::http::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, jiff::Timestamp::now())
}

/// Whether another try may end otherwise.
enum Trouble {
    Passing(Error, Option<Duration>),
    Final(Error),
}

impl Http {
    /// Reads the certificate authorities.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where a file cannot be read or holds none.
    pub fn new(options: &HttpOptions) -> Result<Self> {
        let mut authorities = Vec::new();
        for path in &options.ca_files {
            let bad = |why: String| {
                Error::new("read certificate authorities from", path.display(), ErrorKind::Local(why))
            };
            let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
            let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad(innermost(&e)))?;
            if found.is_empty() {
                return Err(bad("there is no certificate in it".into()));
            }
            authorities.extend(found);
        }
        Ok(Self {
            plain_http: options.plain_http.clone(),
            patience: options.patience.unwrap_or(TRY),
            authorities,
            clients: Mutex::default(),
        })
    }

    /// Whether `url` may be asked at all: https, or plain HTTP where that was allowed.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`].
    pub fn check(&self, url: &Url) -> Result<()> {
        let bad = |why: &str| Error::new("use", shown(url), ErrorKind::BadInput(why.into()));
        let named = |h: &String| {
            let host = url.host_str().unwrap_or_default();
            h == "*" || h == host || url.port().is_some_and(|p| *h == format!("{host}:{p}"))
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("the URL has a user name in it"));
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_loopback(url) || self.plain_http.iter().any(named) => Ok(()),
            "http" => {
                Err(bad("it speaks plain HTTP, which shows everybody on the way what is sent, an identity token among it")
                    .hint("use https, or allow it with --plain-http HOST"))
            }
            _ => Err(bad("it is neither https nor http")),
        }
    }

    fn client(&self, url: &Url) -> Result<Client> {
        let key = (url.scheme() == "https", is_loopback(url));
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        // Fails only where the program installed a provider before: then that one is used.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .user_agent(concat!("seaworthy/", env!("CARGO_PKG_VERSION")));
        if key.1 {
            builder = builder.no_proxy();
        }
        builder = if key.0 {
            builder.tls_certs_merge(self.authorities.iter().cloned())
        } else {
            builder.tls_certs_only([])
        };
        let client = builder.build().map_err(|e| {
            Error::new("prepare a connection to", shown(url), ErrorKind::Local(innermost(&e)))
        })?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// What `url` serves, without saying who asks: status and body, where that is a success, 403 or 404. Bodies
    /// beyond `limit`, which has a name for messages, are not read.
    ///
    /// # Errors
    /// As of every call: [`ErrorKind::Service`] where it could not be asked, [`ErrorKind::Signer`] where it
    /// refuses, [`ErrorKind::LimitExceeded`], [`ErrorKind::BadInput`] for a URL that may not be used.
    pub async fn fetch(&self, url: &Url, limit: (&'static str, usize)) -> Result<(u16, Vec<u8>)> {
        let call = Call { accept: "*/*", also: &[403, 404], limit, ..Call::get(url, "fetch") };
        self.call(&call).await.map(|answer| (answer.status, answer.body))
    }

    /// Makes `call`, again where that may help.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer> {
        self.check(call.url)?;
        let end = Instant::now() + CALL;
        let mut tried = 0u32;
        loop {
            tried += 1;
            let (error, asked) = match self.once(call, end).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Final(error)) => return Err(error),
                Err(Trouble::Passing(error, asked)) => (error, asked),
            };
            let wait = asked.unwrap_or_else(|| backoff(BACKOFF, tried, BACKOFF_MAX));
            let brief = call.patience == Patience::Brief;
            let late = matches!(error.kind, ErrorKind::Service(Net::Timeout { .. }));
            if tried >= if brief { BRIEF_TRIES } else { TRIES }
                || (brief && (late || asked.is_some_and(|a| a > BACKOFF_MAX)))
            {
                return Err(error);
            }
            if wait > RETRY_AFTER_MAX || Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, call: &Call<'_>, end: Instant) -> Result<Answer, Trouble> {
        let after = self.patience;
        let deadline = end.min(Instant::now() + after);
        let late = || Trouble::Passing(call.error(ErrorKind::Service(Net::Timeout { after })), None);
        let client = self.client(call.url).map_err(Trouble::Final)?;
        let mut request = client.request(call.method.clone(), call.url.clone()).header(ACCEPT, call.accept);
        if !call.content_type.is_empty() {
            request = request.header(CONTENT_TYPE, call.content_type).body(call.body.clone());
        }
        if let Some((name, value)) = call.header {
            request = request.header(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if let Some(secret) = call.bearer {
            let text = [b"Bearer ".as_slice(), secret.expose()].concat();
            let mut value = HeaderValue::from_bytes(&text).map_err(|_| {
                Trouble::Final(call.error(ErrorKind::BadInput("the token is no text for a header".into())))
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = match timeout_at(deadline, request.send()).await {
            Err(_) => return Err(late()),
            Ok(Err(e)) => return Err(transport(call, &e)),
            Ok(Ok(response)) => response,
        };
        let answer = match timeout_at(deadline, read(call, response)).await {
            Err(_) => return Err(late()),
            Ok(answer) => answer?,
        };
        if (200..300).contains(&answer.status) || call.also.contains(&answer.status) {
            return Ok(answer);
        }
        let asked = retry_after(&answer.headers);
        let said = message(&answer.body);
        let error = |kind| {
            let error = call.error(kind);
            match &said {
                Some(said) => error.hint(format!("it says: {said}")),
                None => error,
            }
        };
        Err(match answer.status {
            429 => Trouble::Passing(error(ErrorKind::Service(Net::Throttled { retry_after: asked })), asked),
            status @ (500 | 502 | 503 | 504) => {
                Trouble::Passing(error(ErrorKind::Service(Net::Server { status })), asked)
            }
            408 => Trouble::Passing(error(ErrorKind::Service(Net::UnexpectedStatus { status: 408 })), asked),
            status @ 501..=599 => Trouble::Final(error(ErrorKind::Service(Net::Server { status }))),
            status => Trouble::Final(call.error(ErrorKind::Signer(match &said {
                Some(said) => format!("it refuses (HTTP {status}): {said}"),
                None => format!("it refuses (HTTP {status})"),
            }))),
        })
    }
}

async fn read(call: &Call<'_>, mut response: Response) -> Result<Answer, Trouble> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Err(e) => return Err(transport(call, &e)),
            Ok(None) => return Ok(Answer { status, headers, body }),
            Ok(Some(bytes)) if body.len() + bytes.len() > call.limit.1 => {
                let kind = ErrorKind::LimitExceeded { limit: call.limit.0, value: call.limit.1 as u64 };
                return Err(Trouble::Final(call.error(kind)));
            }
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
        }
    }
}

/// What a failure of the connection was. A connection that was refused is not tried again here: the next
/// endpoint is, where there is one.
fn transport(call: &Call<'_>, error: &reqwest::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::Passing(call.error(ErrorKind::Service(Net::Timeout { after: CONNECT })), None);
    }
    let text = innermost(error);
    let certificate = text.contains("certificate");
    let hopeless = certificate
        || text.contains("InvalidContentType")
        || text.contains("corrupt message")
        || text.to_lowercase().contains("connection refused")
        || error.is_builder();
    let failure = call.error(ErrorKind::Service(Net::Unreachable(text)));
    let failure = if certificate {
        failure.hint("if the service has a private certificate authority, name its CA file with --ca-cert")
    } else {
        failure
    };
    if hopeless { Trouble::Final(failure) } else { Trouble::Passing(failure, None) }
}
