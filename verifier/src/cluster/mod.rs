//! The Kubernetes API, as much of it as the webhook needs: get, list in pages, watch, patch.
//!
//! One small client over what is in the tree already. Everything is bounded: bodies, pages, one line of a watch,
//! time. Refused: an API server without TLS, redirects, proxies, and tokens or certificates that cannot be read.
//! "Not there" (404) is told apart from every other failure, which is "could not find out".
//!
//! The token is read again for each request, because the kubelet rotates it; it has no Debug output.

pub mod objects;
pub mod revalidate;
pub mod secrets;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Method, Response, Url};
use seaworthy_oci::http::innermost;
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// One answer. A page of [`PAGE`] objects, each at most 1.5 MB in etcd; real ones have a few KB.
pub const ANSWER_BYTES: usize = 32 << 20;
/// Objects of one page.
pub const PAGE: usize = 250;
/// Objects of one list, over all its pages.
pub const OBJECTS: usize = 50_000;
/// One event of a watch.
pub const EVENT_BYTES: usize = 4 << 20;
/// A service account's token, or a PEM file of certificates.
const FILE_BYTES: u64 = 1 << 20;
/// One request and its answer, a watch excepted.
const REQUEST: Duration = Duration::from_secs(10);
/// Connecting, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// Where a Pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where the API server is, and as whom it is asked.
#[derive(Debug, Clone)]
pub struct ApiServer {
    /// `https://host:port`.
    pub url: String,
    /// PEM file with its certificate authority.
    pub ca: PathBuf,
    /// File with a bearer token.
    pub token: PathBuf,
}

impl ApiServer {
    /// The one of the cluster that this Pod runs in.
    ///
    /// # Errors
    /// Where this is no Pod of a cluster.
    pub fn in_cluster() -> Result<Self, ApiError> {
        let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let (Some(host), Some(port)) = (env("KUBERNETES_SERVICE_HOST"), env("KUBERNETES_SERVICE_PORT"))
        else {
            return Err(ApiError::local(
                "this is no Pod of a cluster; give --api-server, --api-ca and --api-token",
            ));
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let account = Path::new(ACCOUNT);
        let url = format!("https://{host}:{port}");
        Ok(Self { url, ca: account.join("ca.crt"), token: account.join("token") })
    }
}

/// Why the API server gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the API server: {text}")]
pub struct ApiError {
    /// Whether it said that there is no such thing.
    pub not_found: bool,
    /// What was tried, and what came back.
    pub text: String,
}

impl ApiError {
    fn local(text: impl Into<String>) -> Self {
        Self { not_found: false, text: text.into() }
    }
}

/// A client of one API server.
#[derive(Clone)]
pub struct Api {
    url: Url,
    token: PathBuf,
    client: Client,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// How a change is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// RFC 7386, into what is there.
    Merge,
    /// Server-side apply: what is ours becomes this, whether it was there or not.
    Apply,
}

impl Api {
    /// A client for `server`. Nothing is connected yet.
    ///
    /// # Errors
    /// Where its certificate authority or its token cannot be read, or its URL is none of HTTPS.
    pub fn new(server: &ApiServer) -> Result<Self, ApiError> {
        let bad = |what: &dyn fmt::Display| ApiError::local(format!("cannot use {}: {what}", server.url));
        let url: Url = server.url.parse().map_err(|e| bad(&e))?;
        if url.scheme() != "https" || url.cannot_be_a_base() || !url.username().is_empty() {
            return Err(bad(&"it must be https://host:port"));
        }
        let pem = crate::files::read_text(&server.ca, FILE_BYTES).map_err(ApiError::local)?;
        let authorities = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| bad(&e))?;
        // Fails only where the program installed a provider before: then that one is used.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder()
            .tls_certs_only(authorities)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .user_agent(concat!("seaworthy-verifier/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| bad(&e))?;
        let api = Self { url, token: server.token.clone(), client };
        api.authorization()?;
        Ok(api)
    }

    fn authorization(&self) -> Result<HeaderValue, ApiError> {
        let token = crate::files::read_text(&self.token, FILE_BYTES).map_err(ApiError::local)?;
        let token = Zeroizing::new(token);
        let header = Zeroizing::new(format!("Bearer {}", token.trim()));
        let mut value = HeaderValue::from_str(&header)
            .map_err(|_| ApiError::local(format!("{} holds no token", self.token.display())))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// `path` is made of names that the caller has checked; `query` is encoded here.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<(&'static str, String)>,
        limit: Option<Duration>,
    ) -> Result<Response, ApiError> {
        let mut url = self.url.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let failed = |what: &dyn fmt::Display| ApiError::local(format!("{method} {path}: {what}"));
        let mut request = self.client.request(method.clone(), url).header(ACCEPT, "application/json");
        request = request.header(AUTHORIZATION, self.authorization()?);
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        let sent = tokio::time::timeout(REQUEST, request.send()).await;
        let response = sent.map_err(|_| failed(&"no answer in time"))?.map_err(|e| failed(&innermost(&e)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said: Value =
            read(response).await.ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        let said = said.get("message").and_then(Value::as_str).unwrap_or_default();
        let said: String = said.chars().take(300).collect();
        let text = format!("{method} {path}: {status} {}", said.escape_debug());
        Err(ApiError { not_found: status.as_u16() == 404, text })
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<(&'static str, String)>,
    ) -> Result<Value, ApiError> {
        let response = self.send(method, path, query, body, Some(REQUEST)).await?;
        let body = read(response).await?;
        serde_json::from_slice(&body).map_err(|e| ApiError::local(format!("{path}: no JSON: {e}")))
    }

    /// The object at `path`.
    ///
    /// # Errors
    /// Where it is not there, or it could not be found out.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.json(Method::GET, path, &[], None).await
    }

    /// Every object of the list at `path`, handed over one by one, and the list's version.
    ///
    /// # Errors
    /// Where it cannot be had whole, or is longer than [`OBJECTS`].
    pub async fn list(&self, path: &str, mut each: impl FnMut(Value)) -> Result<String, ApiError> {
        let (mut next, mut count, limit) = (String::new(), 0usize, PAGE.to_string());
        loop {
            let mut query = vec![("limit", limit.as_str())];
            if !next.is_empty() {
                query.push(("continue", next.as_str()));
            }
            let mut page = self.json(Method::GET, path, &query, None).await?;
            let items = page.get_mut("items").map(Value::take).unwrap_or_default();
            let Value::Array(items) = items else {
                return Err(ApiError::local(format!("{path}: there are no items in the list")));
            };
            count += items.len();
            if count > OBJECTS {
                return Err(ApiError::local(format!("{path}: more than the limit OBJECTS = {OBJECTS}")));
            }
            items.into_iter().for_each(&mut each);
            let text = |at: &str| page.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
            next = text("/metadata/continue");
            if next.is_empty() {
                return Ok(text("/metadata/resourceVersion"));
            }
        }
    }

    /// Waits until something changes in the list at `path` since `version`, or `patience` is over.
    ///
    /// # Errors
    /// Where the watch ends otherwise: the list has to be asked for again.
    pub async fn changed(&self, path: &str, version: &str, patience: Duration) -> Result<(), ApiError> {
        let seconds = patience.as_secs().max(1).to_string();
        let query = [("watch", "1"), ("resourceVersion", version), ("timeoutSeconds", &seconds)];
        let watch = async {
            let mut response = self.send(Method::GET, path, &query, None, None).await?;
            let mut line: Vec<u8> = Vec::new();
            while let Some(chunk) = response
                .chunk()
                .await
                .map_err(|e| ApiError::local(format!("watch {path}: {}", innermost(&e))))?
            {
                if line.len() + chunk.len() > EVENT_BYTES {
                    return Err(ApiError::local(format!(
                        "watch {path}: more than EVENT_BYTES = {EVENT_BYTES}"
                    )));
                }
                line.extend_from_slice(&chunk);
                // Whatever the event says, the list says it whole.
                if line.contains(&b'\n') {
                    return Ok(());
                }
            }
            Ok(())
        };
        tokio::time::timeout(patience, watch).await.unwrap_or(Ok(()))
    }

    /// Writes `body` to the object at `path`.
    ///
    /// # Errors
    /// Where it was not written.
    pub async fn write(&self, path: &str, change: Change, body: &Value) -> Result<Value, ApiError> {
        let (kind, query): (_, &[(&str, &str)]) = match change {
            Change::Merge => ("application/merge-patch+json", &[]),
            // JSON is YAML; a server knows no application/apply-patch+json before 1.32.
            Change::Apply => {
                ("application/apply-patch+yaml", &[("fieldManager", "seaworthy"), ("force", "true")])
            }
        };
        self.json(Method::PATCH, path, query, Some((kind, body.to_string()))).await
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| ApiError::local(innermost(&e)))? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(ApiError::local(format!("an answer of more than ANSWER_BYTES = {ANSWER_BYTES}")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether `name` may stand in a path: what Kubernetes takes as the name of an object (RFC 1123 subdomain).
pub fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    (1..=253).contains(&name.len()) && name.chars().all(inner) && !name.starts_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_none() {
        for good in ["a", "pull-secret.example", "0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "../x", "a/b", "a?b", "A", "a%2fb", &"a".repeat(254)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_api_server_speaks_tls() {
        for url in ["http://127.0.0.1:1", "https://user@host", "unix:/x", "nonsense"] {
            let server = ApiServer { url: url.into(), ca: "/none".into(), token: "/none".into() };
            assert!(Api::new(&server).unwrap_err().text.contains("cannot use"), "{url}");
        }
    }
}
