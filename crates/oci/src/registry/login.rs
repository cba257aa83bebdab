//! Whether credentials are good, before they are kept.

use super::Session;
use super::auth::Scope;
use super::http::Call;
use super::options::{Credentials, Options};
use super::secret::Secret;
use crate::Repository;
use crate::error::{Error, ErrorKind, Result};
use reqwest::Method;

/// What a registry said about credentials that it did not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It asked for credentials and accepted these.
    Accepted,
    /// It asked for none, so it said nothing about these.
    NotAsked,
}

/// Asks `registry` (`host` or `host:port`) whether it accepts `username` and `password`. The credentials
/// of `options` play no part.
///
/// # Errors
/// [`crate::ErrorKind::Unauthorized`] where it does not accept them,
/// [`crate::ErrorKind::InvalidReference`] for what is no registry, or as any request.
pub async fn check(registry: &str, username: &str, password: &Secret, options: &Options) -> Result<Checked> {
    let repository = Repository::new(registry, "login/check").map_err(|e| {
        Error::new("log in to", format!("'{}'", registry.escape_debug()), e.kind)
            .hint("a registry is host or host:port")
    })?;
    let call =
        |session: &Session| Call::new(Method::GET, session.api.clone(), "log in to", repository.registry());
    let scope = Scope::default();

    let nobody = Options { credentials: Credentials::Anonymous, ..options.clone() };
    let session = Session::new(&repository, &nobody)?;
    let ping = call(&session);
    let asked = session.http.persist(&ping, None).await?;
    match asked.status.as_u16() {
        401 => {}
        200 => return Ok(Checked::NotAsked),
        _ => return Err(session.failure(&ping, &asked)),
    }

    let credentials = Credentials::Basic { username: username.to_owned(), password: password.clone() };
    let session = Session::new(&repository, &Options { credentials, ..options.clone() })?;
    let ping = call(&session);
    let answer = session.send(&ping, &scope).await?;
    if let Some(hint) = session.auth.hint() {
        // A token for anybody proves nothing about these credentials.
        return Err(ping.error(ErrorKind::Unauthorized).hint(hint));
    }
    if answer.status.as_u16() == 200 { Ok(Checked::Accepted) } else { Err(session.failure(&ping, &answer)) }
}
