//! A login by a code that is typed in on any device (RFC 8628), with PKCE (RFC 7636).
//!
//! The caller decides that there is a terminal; this decides only how long is waited.

use super::http::{Call, Http, escaped};
use super::login::{Discovery, FORM, Granted, Login, PATIENCE, Prompt, challenge, ended, form, random};
use crate::error::{ErrorKind, Result};
use crate::secret::Secret;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// The wait between two questions where the issuer does not say (RFC 8628 section 3.2).
pub(super) const INTERVAL: u64 = 5;

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

/// A token for the person who gives the code.
pub(super) async fn login(http: &Http, login: &Login) -> Result<Secret> {
    let found = Discovery::of(http, &login.issuer).await?;
    let start = found.device_authorization_endpoint.ok_or_else(|| {
        Call::get(&login.issuer, "log in at")
            .error(ErrorKind::Signer("it offers no login with a device code".into()))
            .hint("log in with a browser: --fulcio-auth-flow normal")
    })?;
    let verifier = random()?;
    let body = form(
        login,
        &[
            ("scope", "openid email"),
            ("code_challenge", &challenge(&verifier)),
            ("code_challenge_method", "S256"),
        ],
    )?;
    let call = Call::post(&start, "start a login at", FORM, body);
    let answer = http.call(&call).await?;
    let started: Started = serde_json::from_slice(&answer.body)
        .map_err(|_| call.error(ErrorKind::Signer("its answer has no code".into())))?;
    let place = started.verification_uri_complete.as_deref().unwrap_or(&started.verification_uri);
    (login.show)(Prompt::Code { place: &escaped(place), code: &escaped(&started.user_code) });
    let end = Instant::now() + PATIENCE;
    let mut interval = Duration::from_secs(started.interval.unwrap_or(INTERVAL).clamp(1, 60));
    let body = form(
        login,
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &started.device_code),
            ("code_verifier", &verifier),
        ],
    )?;
    let mut call = Call::post(&found.token_endpoint, "log in at", FORM, body);
    call.also = &[400, 401, 403];
    loop {
        tokio::time::sleep(interval).await;
        let granted = Granted::ask(http, &call).await?;
        match (granted.id_token, granted.error.as_deref()) {
            (Some(token), _) => return Ok(Secret::from(token)),
            (None, Some("authorization_pending")) => {}
            (None, Some("slow_down")) => interval += Duration::from_secs(INTERVAL),
            (None, error) => return Err(ended(&call, error)),
        }
        if Instant::now() >= end {
            return Err(call.error(ErrorKind::Signer("nobody gave the code in time".into())));
        }
    }
}
