//! One HTTP exchange: deadlines, caps, redirects, and what a failure was.
//!
//! Redirects are followed here and not by the HTTP library, because three rules hang on them: only GET and
//! HEAD follow one, the `Authorization` header stays with the host, port and scheme it was made for, and a
//! connection never becomes weaker on the way (CVE-2018-18074 and its many siblings).

use super::address::{Guard, is_local};
use super::options::{Addresses, Connections, Options};
use crate::error::{Error, ErrorKind, Result};
pub(super) use crate::http::escaped;
use crate::http::{innermost, is_loopback};
use crate::{Repository, limits};
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use std::error::Error as _;
use std::io;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Whether another try may end otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Perhaps,
    Never,
}

/// How much of a good answer is read at once. Other answers are read for their message, capped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reading {
    /// All of it, at most so many bytes: the limit by name and value.
    All(&'static str, u64),
    /// Nothing; the caller streams it.
    Nothing,
}

/// One request.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) reading: Reading,
    /// For messages: the verb phrase, and on what.
    pub(super) tried: &'static str,
    pub(super) on: String,
    /// The registry whose account this is about, where it is not the host that is asked.
    pub(super) account_at: Option<String>,
    /// Whether a failed try may be repeated as it is.
    pub(super) again: Again,
}

impl Call {
    pub(super) fn new(method: Method, url: Url, tried: &'static str, on: impl Into<String>) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            reading: Reading::All("TOKEN_BYTES", limits::TOKEN_BYTES),
            tried,
            on: on.into(),
            account_at: None,
            again: Again::Perhaps,
        }
    }

    pub(super) fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.tried, &self.on, kind)
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from, after redirects.
    pub(super) url: Url,
    /// Whether a redirect left the host that was asked.
    pub(super) crossed: bool,
    /// The body, as far as [`Reading`] asked for it.
    pub(super) body: Vec<u8>,
    /// The rest of the body of a good answer under [`Reading::Nothing`].
    pub(super) stream: Option<Response>,
}

impl Answer {
    pub(super) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Whether the status is one that passes with time.
    pub(super) fn again(&self) -> Again {
        match self.status.as_u16() {
            408 | 429 | 500 | 502 | 503 | 504 => Again::Perhaps,
            _ => Again::Never,
        }
    }

    /// `Retry-After`, as seconds or as an HTTP date (RFC 9110 section 10.2.3).
    pub(super) fn retry_after(&self) -> Option<Duration> {
        crate::http::retry_after(self.header(RETRY_AFTER)?, jiff::Timestamp::now())
    }

    /// The failure that this answer is.
    pub(super) fn error(&self, call: &Call) -> Error {
        let host = shown_host(&self.url);
        let account = call.account_at.as_deref().unwrap_or(&host);
        let (kind, remedy) = match self.status.as_u16() {
            401 => (
                ErrorKind::Unauthorized,
                format!("log in with `seaworthy login {account}`, or pass a registry token"),
            ),
            403 => (ErrorKind::Forbidden, format!("check what this account may do at {account}")),
            404 => (ErrorKind::NotFound, String::new()),
            429 => (
                ErrorKind::Throttled { retry_after: self.retry_after() },
                "wait and try again; accounts often have a higher limit than anonymous users".into(),
            ),
            status @ 500..=599 => (ErrorKind::Server { status }, "try again later".into()),
            status @ 300..=399 => (
                ErrorKind::UnexpectedStatus { status },
                format!("{host} answered with a redirect that cannot be followed here"),
            ),
            status => (ErrorKind::UnexpectedStatus { status }, String::new()),
        };
        let error = call.error(kind);
        match (message(&self.body), remedy.is_empty()) {
            (Some(said), true) => error.hint(format!("{host} says: {said}")),
            (Some(said), false) => error.hint(format!("{host} says: {said}; {remedy}")),
            (None, true) => error,
            (None, false) => error.hint(remedy),
        }
    }
}

/// The registry's own words out of an error body (distribution specification, "Error Codes"), shortened
/// and escaped: they are shown on a terminal.
fn message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    // Token services answer in the words of OAuth 2 (RFC 6749 section 5.2), or with `details`.
    #[derive(Deserialize)]
    struct OAuth {
        #[serde(alias = "details")]
        error_description: Option<String>,
        error: Option<String>,
    }
    let said = if let Ok(Errors { errors }) = serde_json::from_slice::<Errors>(body) {
        let one = errors.into_iter().next()?;
        if one.message.is_empty() { one.code } else { format!("{}: {}", one.code, one.message) }
    } else {
        let oauth: OAuth = serde_json::from_slice(body).ok()?;
        oauth.error_description.or(oauth.error)?
    };
    (!said.is_empty()).then(|| escaped(&said))
}

/// The code of the first error of an error body.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    value.get("errors")?.get(0)?.get("code")?.as_str().map(str::to_owned)
}

/// The host and port of a URL, without anything that could be secret.
pub(super) fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The HTTP clients of one registry client, and the rules for using them.
pub(super) struct Http {
    pub(super) options: Options,
    authorities: Vec<reqwest::Certificate>,
    clients: Connections,
}

impl Http {
    /// Reads the certificate authorities of `options`.
    pub(super) fn new(options: &Options) -> Result<Self> {
        let mut authorities = Vec::new();
        for path in &options.ca_files {
            let bad = |why: String| {
                Error::new("read certificate authorities from", path.display(), ErrorKind::Local(why))
                    .hint("a CA file holds PEM blocks '-----BEGIN CERTIFICATE-----'")
            };
            let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
            let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| bad(innermost(&e)))?;
            if found.is_empty() {
                return Err(bad("there is no certificate in it".into()));
            }
            authorities.extend(found);
        }
        Ok(Self {
            options: options.clone(),
            authorities,
            clients: options.shared.clone().unwrap_or_default(),
        })
    }

    /// Clients are built when first needed: one for plain HTTP must not fail on a machine without
    /// certificate authorities, and only one for other machines may go through a proxy.
    fn client(&self, url: &Url) -> Result<Client> {
        let tls = url.scheme() == "https";
        let loopback = is_loopback(url);
        let key = (tls, loopback, self.options.addresses);
        let mut clients = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        // Fails only where the program installed a provider before: then that one is used.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.options.timeouts.connect)
            .user_agent(concat!("seaworthy/", env!("CARGO_PKG_VERSION")));
        if loopback {
            builder = builder.no_proxy();
        } else if self.options.addresses == Addresses::NotLocal {
            builder = builder.dns_resolver(std::sync::Arc::new(Guard));
        }
        builder = if tls {
            builder.tls_certs_merge(self.authorities.iter().cloned())
        } else {
            builder.tls_certs_only([])
        };
        let client = builder.build().map_err(|e| {
            Error::new("prepare a connection to", shown_host(url), ErrorKind::Local(innermost(&e))).hint(
                "on a system without certificate authorities, install ca-certificates or name a CA file",
            )
        })?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    /// Whether plain HTTP may be spoken to the host of `url`.
    pub(super) fn is_plain(&self, url: &Url) -> bool {
        repository_of(url).is_some_and(|r| self.options.is_plain(&r))
    }

    /// Where `from` sends us with `location`: nowhere else than HTTP, and never to something weaker.
    pub(super) fn next_url(&self, from: &Url, location: &str) -> Result<Url, String> {
        let next = from.join(location).map_err(|e| format!("a Location that is no URL: {e}"))?;
        let address = match next.host() {
            Some(url::Host::Ipv4(v4)) => Some(std::net::IpAddr::V4(v4)),
            Some(url::Host::Ipv6(v6)) => Some(std::net::IpAddr::V6(v6)),
            _ => None,
        };
        // A name is checked where it is resolved; what a registry writes out is its choice, not the user's.
        let local = address.map_or(is_loopback(&next), is_local);
        if self.options.addresses == Addresses::NotLocal && local && next.host() != from.host() {
            return Err(format!("a Location that leads to {}, a local address", shown_host(&next)));
        }
        if !next.username().is_empty() || next.password().is_some() {
            return Err("a Location with a user name in it".into());
        }
        match next.scheme() {
            "https" => Ok(next),
            "http" if from.scheme() == "http" && self.is_plain(&next) => Ok(next),
            "http" => Err(format!("a Location that leads to plain HTTP at {}", shown_host(&next))),
            _ => Err("a Location that is neither https nor http".into()),
        }
    }

    /// Sends `call` with `authorization` on its first host, follows redirects, reads what is to be read.
    pub(super) async fn exchange(
        &self,
        call: &Call,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, (Error, Again)> {
        let timeouts = &self.options.timeouts;
        let sent = call.body.as_ref().map_or(0, |b| b.len() as u64);
        // A body takes its time to send; the bound is on how slow that may be.
        let patience = timeouts.request + Duration::from_secs(sent / limits::READ_RATE);
        let deadline = Instant::now() + patience;
        let mut url = call.url.clone();
        let mut crossed = false;
        for _ in 0..=limits::REDIRECTS {
            let client = self.client(&url).map_err(|e| (e, Again::Never))?;
            let mut request = client.request(call.method.clone(), url.clone()).headers(call.headers.clone());
            if let Some(value) = authorization.filter(|_| !crossed) {
                request = request.header(AUTHORIZATION, value.clone());
            }
            if let Some(body) = &call.body {
                request = request.body(body.clone());
            }
            let response = match timeout_at(deadline, request.send()).await {
                Err(_) => return Err((call.error(ErrorKind::Timeout { after: patience }), Again::Perhaps)),
                Ok(Err(e)) => return Err(self.transport(call, &url, e)),
                Ok(Ok(response)) => response,
            };
            let location = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
            let redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if let Some(location) = location.filter(|_| redirect && follows(&call.method)) {
                let next = self
                    .next_url(&url, location)
                    .map_err(|why| (call.error(ErrorKind::Malformed(why)), Again::Never))?;
                // Once left, the credentials do not come back: a foreign host chose the rest of the way.
                crossed |= next.origin() != url.origin();
                url = next;
                continue;
            }
            return self.read(call, response, url, crossed, deadline).await;
        }
        let limit = ErrorKind::LimitExceeded { limit: "REDIRECTS", value: limits::REDIRECTS as u64 };
        Err((call.error(limit), Again::Never))
    }

    async fn read(
        &self,
        call: &Call,
        mut response: Response,
        url: Url,
        crossed: bool,
        deadline: Instant,
    ) -> Result<Answer, (Error, Again)> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut answer = Answer { status, headers, url, crossed, body: Vec::new(), stream: None };
        let head = call.method == Method::HEAD;
        match (status.is_success(), call.reading) {
            (true, Reading::Nothing) => answer.stream = Some(response),
            (true, Reading::All(limit, value)) if !head => {
                answer.body = self.body(call, &mut response, &answer.url, limit, value, deadline).await?;
            }
            (true, Reading::All(..)) => {}
            (false, _) => {
                // The message of a failure is worth a try, and no more than that.
                let read =
                    self.body(call, &mut response, &answer.url, "TOKEN_BYTES", limits::TOKEN_BYTES, deadline);
                answer.body = read.await.unwrap_or_default();
            }
        }
        Ok(answer)
    }

    async fn body(
        &self,
        call: &Call,
        response: &mut Response,
        url: &Url,
        limit: &'static str,
        value: u64,
        deadline: Instant,
    ) -> Result<Vec<u8>, (Error, Again)> {
        let idle = self.options.timeouts.idle;
        let mut body = Vec::new();
        loop {
            let until = deadline.min(Instant::now() + idle);
            match timeout_at(until, response.chunk()).await {
                Err(_) => return Err((call.error(ErrorKind::Timeout { after: idle }), Again::Perhaps)),
                Ok(Err(e)) => return Err(self.transport(call, url, e)),
                Ok(Ok(None)) => return Ok(body),
                Ok(Ok(Some(bytes))) if (body.len() + bytes.len()) as u64 > value => {
                    return Err((call.error(ErrorKind::LimitExceeded { limit, value }), Again::Never));
                }
                Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
            }
        }
    }

    /// What a failure of the connection was, and whether it passes.
    pub(super) fn transport(&self, call: &Call, url: &Url, error: reqwest::Error) -> (Error, Again) {
        if error.is_timeout() {
            let after = self.options.timeouts.connect;
            return (call.error(ErrorKind::Timeout { after }), Again::Perhaps);
        }
        let text = innermost(&error);
        let refused = io_kind(&error) == Some(io::ErrorKind::ConnectionRefused);
        let certificate = text.contains("certificate");
        let not_tls = text.contains("InvalidContentType") || text.contains("corrupt message");
        let kind = ErrorKind::Unreachable(format!("{}: {text}", shown_host(url)));
        let error_ = call.error(kind);
        let error_ = if certificate {
            error_.hint("if the registry has a private certificate authority, name its CA file")
        } else if not_tls {
            error_.hint("the registry does not speak TLS there; allow plain HTTP for it if that is meant")
        } else if url.scheme() == "http" && !refused {
            error_.hint("plain HTTP was spoken; if the registry speaks TLS there, forbid plain HTTP")
        } else {
            error_
        };
        let hopeless = refused || certificate || not_tls || error.is_dns() || error.is_builder();
        (error_, if hopeless { Again::Never } else { Again::Perhaps })
    }

    /// The wait before try number `tried + 1`: doubled each time, with jitter over its upper half so that
    /// clients that failed together do not come back together.
    pub(super) fn backoff(&self, tried: u32) -> Duration {
        crate::http::backoff(self.options.backoff, tried, limits::BACKOFF_MAX)
    }

    /// The wait that `answer` asks for before try number `tried + 1`; `None` where there is to be none.
    pub(super) fn wait(&self, tried: u32, asked: Option<Duration>) -> Option<Duration> {
        if tried >= self.options.tries {
            return None;
        }
        match asked {
            Some(asked) if asked > limits::RETRY_AFTER_MAX => None,
            Some(asked) => Some(asked),
            None => Some(self.backoff(tried)),
        }
    }

    /// [`Http::exchange`], and again while that may help. `authorization` is asked before each try.
    pub(super) async fn persist(&self, call: &Call, authorization: Option<&HeaderValue>) -> Result<Answer> {
        let mut tried = 0;
        loop {
            tried += 1;
            let outcome = self.exchange(call, authorization).await;
            match self.pause(call, tried, &outcome) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return outcome.map_err(|(error, _)| error),
            }
        }
    }

    /// How long to wait before repeating `call` after `outcome`, if at all.
    pub(super) fn pause(
        &self,
        call: &Call,
        tried: u32,
        outcome: &Result<Answer, (Error, Again)>,
    ) -> Option<Duration> {
        let (again, asked) = match outcome {
            Ok(answer) => (answer.again(), answer.retry_after()),
            Err((_, again)) => (*again, None),
        };
        match (call.again, again) {
            (Again::Perhaps, Again::Perhaps) => self.wait(tried, asked),
            _ => None,
        }
    }

    /// Sends one request whose body is a stream of known length, without a second try.
    #[cfg(feature = "push")]
    pub(super) async fn send_stream(
        &self,
        call: &Call,
        authorization: Option<&HeaderValue>,
        body: reqwest::Body,
        length: u64,
    ) -> Result<Answer> {
        let patience = self.options.timeouts.request + Duration::from_secs(length / limits::READ_RATE);
        let client = self.client(&call.url)?;
        let mut request = client
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone())
            .header(reqwest::header::CONTENT_LENGTH, length)
            .body(body);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let response = timeout_at(Instant::now() + patience, request.send())
            .await
            .map_err(|_| call.error(ErrorKind::Timeout { after: patience }))?
            .map_err(|e| self.transport(call, &call.url, e).0)?;
        let deadline = Instant::now() + self.options.timeouts.request;
        self.read(call, response, call.url.clone(), false, deadline).await.map_err(|(error, _)| error)
    }
}

fn follows(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// The registry of a URL, as [`Repository`] spells hosts.
pub(super) fn repository_of(url: &Url) -> Option<Repository> {
    Repository::new(&shown_host(url), "x/x").ok()
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut next: Option<&dyn std::error::Error> = error.source();
    let mut kind = None;
    while let Some(error) = next {
        kind = error.downcast_ref::<io::Error>().map(io::Error::kind).or(kind);
        next = error.source();
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_registry_stay_on_one_short_line() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[2J\nway \u202e"}]}"#;
        assert_eq!(message(body).unwrap(), r"DENIED: no\u{1b}[2J\nway \u{202e}");
        let long = format!(r#"{{"errors":[{{"code":"X","message":"{}"}}]}}"#, "y".repeat(10_000));
        assert_eq!(message(long.as_bytes()).unwrap().len(), 300);
        assert_eq!(message(b"<html>"), None);
        assert_eq!(message(br#"{"errors":[]}"#), None);
        assert_eq!(message(br#"{"details":"bad password"}"#).unwrap(), "bad password");
    }

    #[test]
    fn c16_a_redirect_does_not_lead_to_this_machine() {
        let options = Options { addresses: Addresses::NotLocal, ..Options::default() };
        let http = Http::new(&options).unwrap();
        let from = |from: &str, to: &str| http.next_url(&from.parse().unwrap(), to).map(|u| u.to_string());
        for to in
            ["https://169.254.169.254/x", "https://[::1]/x", "https://127.0.0.1:2379/", "https://localhost/"]
        {
            assert!(from("https://r.example/x", to).unwrap_err().contains("local address"), "{to}");
        }
        assert!(from("https://r.example/x", "https://cdn.example/y").is_ok());
        // A registry that was named by its address may answer with itself.
        assert!(from("https://127.0.0.1:5000/x", "/y").is_ok());
    }

    /// `localhost.` is no name of ours for this machine, and leads there all the same.
    #[tokio::test]
    async fn c16_a_name_that_leads_to_this_machine_is_not_followed() {
        let options = Options { addresses: Addresses::NotLocal, ..Options::default() };
        let http = Http::new(&options).unwrap();
        let name = match tokio::net::lookup_host(("ip6-localhost", 0)).await {
            Ok(_) => "ip6-localhost",
            Err(_) => return,
        };
        let url: Url = format!("https://{name}:1/v2/").parse().unwrap();
        let call = Call::new(Method::GET, url, "ask", "r.example");
        let Err((error, again)) = http.exchange(&call, None).await else { panic!("it was asked") };
        assert!(error.to_string().contains("leads to"), "{error}");
        assert_eq!(again, Again::Never);
    }

    #[test]
    fn a_redirect_never_weakens() {
        let http = Http::new(&Options::default()).unwrap();
        let from = |from: &str, to: &str| http.next_url(&from.parse().unwrap(), to).map(|u| u.to_string());
        assert_eq!(from("https://a.example/x", "/y").unwrap(), "https://a.example/y");
        assert_eq!(from("http://localhost:5000/x", "http://127.0.0.1/y").unwrap(), "http://127.0.0.1/y");
        assert!(from("https://a.example/x", "http://a.example/y").is_err());
        assert!(from("https://a.example/x", "http://127.0.0.1/y").is_err());
        assert!(from("http://localhost/x", "http://169.254.169.254/latest/meta-data").is_err());
        assert!(from("https://a.example/x", "file:///etc/passwd").is_err());
        assert!(from("https://a.example/x", "https://user:pw@a.example/").is_err());
    }
}
