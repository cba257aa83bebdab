//! A person who logs in: what both ways (a browser on this machine, a code typed in on any device) share.
//!
//! The caller decides that there is a terminal and somebody at it; nothing here is ever begun without.

use super::http::{Call, Http, escaped};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a person may take.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// In a browser on this machine, which comes back to a port on loopback (RFC 8252).
    Browser,
    /// By a code that is typed in anywhere (RFC 8628).
    Device,
}

/// What is shown to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt<'a> {
    /// A page to be opened in a browser on this machine.
    Page(&'a str),
    /// A page to be opened anywhere, and a code to be given there.
    Code {
        /// The page.
        place: &'a str,
        /// The code.
        code: &'a str,
    },
}

/// A login at an issuer.
#[derive(Clone)]
pub struct Login {
    /// The issuer.
    pub issuer: Url,
    /// The client that we are to it.
    pub client_id: String,
    /// That client's secret, where it has one.
    pub client_secret: Option<Arc<Secret>>,
    /// Where the browser comes back to, where the issuer allows that place alone: `http://localhost:PORT/PATH`.
    pub redirect: Option<Url>,
    /// How.
    pub flow: Flow,
    /// Shows a [`Prompt`].
    pub show: fn(Prompt<'_>),
}

// By hand: it may hold a secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("issuer", &self.issuer.as_str())
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

/// The issuer's own description (OpenID Connect Discovery).
#[derive(Deserialize)]
pub(super) struct Discovery {
    pub(super) issuer: String,
    pub(super) token_endpoint: Url,
    #[serde(default)]
    pub(super) authorization_endpoint: Option<Url>,
    #[serde(default)]
    pub(super) device_authorization_endpoint: Option<Url>,
}

impl Discovery {
    pub(super) async fn of(http: &Http, issuer: &Url) -> Result<Self> {
        let url = super::under(issuer, ".well-known/openid-configuration")?;
        let call = Call::get(&url, "ask the issuer");
        let answer = http.call(&call).await?;
        let odd = |why: &str| call.error(ErrorKind::Signer(why.into()));
        let found: Self =
            serde_json::from_slice(&answer.body).map_err(|_| odd("it does not describe itself"))?;
        if found.issuer.trim_end_matches('/') != issuer.as_str().trim_end_matches('/') {
            return Err(odd("it says that it is another issuer"));
        }
        Ok(found)
    }
}

/// 32 random bytes as text: a state, a nonce, a verifier.
pub(super) fn random() -> Result<String> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random)
        .map_err(|e| Error::new("log in", "", ErrorKind::Local(format!("no randomness: {e}"))))?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// The challenge for `verifier` (RFC 7636, S256).
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// The media type of [`form`].
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// A form with `pairs` and who we are.
pub(super) fn form(login: &Login, pairs: &[(&str, &str)]) -> Result<bytes::Bytes> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).append_pair("client_id", &login.client_id);
    if let Some(secret) = &login.client_secret {
        let secret = std::str::from_utf8(secret.expose()).map_err(|_| {
            Error::new("use", "the client's secret", ErrorKind::BadInput("it is no text".into()))
        })?;
        form.append_pair("client_secret", secret.trim());
    }
    Ok(form.finish().into())
}

/// What a token endpoint answers.
#[derive(Deserialize)]
pub(super) struct Granted {
    pub(super) id_token: Option<String>,
    pub(super) error: Option<String>,
}

impl Granted {
    /// Reads the answer to `call`; refusals of OAuth are answers here.
    pub(super) async fn ask(http: &Http, call: &Call<'_>) -> Result<Self> {
        let body = Secret::new(http.call(call).await?.body);
        serde_json::from_slice(body.expose())
            .map_err(|_| call.error(ErrorKind::Signer("its answer is no token".into())))
    }
}

/// The end of a login that came to nothing.
pub(super) fn ended(call: &Call<'_>, why: Option<&str>) -> Error {
    call.error(ErrorKind::Signer(format!("the login ended: {}", escaped(why.unwrap_or("no token")))))
}

/// A token for the person who logs in.
pub(super) async fn login(http: &Http, login: &Login) -> Result<Secret> {
    match login.flow {
        Flow::Browser => super::browser::login(http, login).await,
        Flow::Device => super::device::login(http, login).await,
    }
}
