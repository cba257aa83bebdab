//! A login at a terminal: a code that is typed in on any device (RFC 8628), with PKCE (RFC 7636).
//!
//! The caller decides that there is a terminal; this decides only how long is waited.

use super::http::{Call, Http, escaped};
use super::oidc::DeviceLogin;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// How long a person may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// The wait between two questions where the issuer does not say (RFC 8628 section 3.2).
pub(super) const INTERVAL: u64 = 5;

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    device_authorization_endpoint: Url,
    token_endpoint: Url,
}

#[derive(Deserialize)]
struct Started {
    device_code: String,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    #[serde(default)]
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Granted {
    id_token: Option<String>,
    error: Option<String>,
}

fn form(pairs: &[(&str, &str)]) -> bytes::Bytes {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into()
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A token for the person who gives the code.
pub(super) async fn login(http: &Http, login: &DeviceLogin) -> Result<Secret> {
    let url = super::under(&login.issuer, ".well-known/openid-configuration")?;
    let call = Call::get(&url, "ask the issuer");
    let answer = http.call(&call).await?;
    let odd = |why: &str| call.error(ErrorKind::Signer(why.into()));
    let found: Discovery =
        serde_json::from_slice(&answer.body).map_err(|_| odd("it offers no login with a device code"))?;
    if found.issuer.trim_end_matches('/') != login.issuer.as_str().trim_end_matches('/') {
        return Err(odd("it says that it is another issuer"));
    }
    let mut random = [0u8; 32];
    getrandom::fill(&mut random)
        .map_err(|e| Error::new("log in", "", ErrorKind::Local(format!("no randomness: {e}"))))?;
    let verifier = URL_SAFE_NO_PAD.encode(random);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let body = form(&[
        ("client_id", &login.client_id),
        ("scope", "openid email"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let call = Call::post(&found.device_authorization_endpoint, "start a login at", FORM, body);
    let answer = http.call(&call).await?;
    let started: Started = serde_json::from_slice(&answer.body)
        .map_err(|_| call.error(ErrorKind::Signer("its answer has no code".into())))?;
    let place = started.verification_uri_complete.as_deref().unwrap_or(&started.verification_uri);
    (login.show)(&escaped(place), &escaped(&started.user_code));
    let end = Instant::now() + PATIENCE;
    let mut interval = Duration::from_secs(started.interval.unwrap_or(INTERVAL).clamp(1, 60));
    let body = form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", &started.device_code),
        ("client_id", &login.client_id),
        ("code_verifier", &verifier),
    ]);
    let mut call = Call::post(&found.token_endpoint, "log in at", FORM, body);
    call.also = &[400, 401, 403];
    loop {
        tokio::time::sleep(interval).await;
        let body = Secret::new(http.call(&call).await?.body);
        let granted: Granted = serde_json::from_slice(body.expose())
            .map_err(|_| call.error(ErrorKind::Signer("its answer is no token".into())))?;
        match (granted.id_token, granted.error.as_deref()) {
            (Some(token), _) => return Ok(Secret::from(token)),
            (None, Some("authorization_pending")) => {}
            (None, Some("slow_down")) => interval += Duration::from_secs(INTERVAL),
            (None, error) => {
                let why = format!("the login ended: {}", escaped(error.unwrap_or("no token")));
                return Err(call.error(ErrorKind::Signer(why)));
            }
        }
        if Instant::now() >= end {
            return Err(call.error(ErrorKind::Signer("nobody gave the code in time".into())));
        }
    }
}
