//! A login in a browser that comes back to a port on loopback (RFC 8252), with PKCE (RFC 7636), state and nonce.
//!
//! Everybody on this machine can call that port. So a call without our state is answered and passed over, a
//! code is worth nothing without the verifier that never leaves this process, and the token that comes of it
//! must carry our nonce, be by this issuer and for this client (OpenID Connect Core, section 3.1.3.7).
//! Refused: a place to come back to that is not on loopback.

use super::http::{Call, Http, escaped};
use super::login::{Discovery, FORM, Granted, Login, PATIENCE, Prompt, challenge, ended, form, random};
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

/// The head of the browser's request; browsers send 1 to 4 KB, cookies of localhost included.
pub(super) const HEAD_BYTES: usize = 32 << 10;
/// How long one connection may take to say what it wants.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// Connections that are looked at while a person logs in; browsers open a few, and ask for icons.
pub(super) const CONNECTIONS: usize = 256;

const CALLBACK: &str = "/auth/callback";

fn local(why: impl Into<String>) -> Error {
    Error::new("wait for", "the browser", ErrorKind::Local(why.into()))
}

/// The port that is listened on, and how the issuer is told of it.
async fn listen(login: &Login) -> Result<(TcpListener, Url)> {
    let bad = |why: &str| {
        let shown = login.redirect.as_ref().map(super::http::shown).unwrap_or_default();
        Error::new("come back to", shown, ErrorKind::BadInput(why.into()))
            .hint("give --oidc-redirect-url http://localhost:PORT/PATH, as the issuer knows it")
    };
    let redirect = match &login.redirect {
        Some(url) if url.scheme() != "http" || !seaworthy_oci::http::is_loopback(url) => {
            return Err(bad("it is not plain HTTP on loopback"));
        }
        Some(url) if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() => {
            return Err(bad("it has more than a port and a path"));
        }
        given => given.clone(),
    };
    let port = redirect.as_ref().map_or(0, |url| url.port().unwrap_or(80));
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|e| local(format!("no port to listen on: {e}")))?;
    let url = match redirect.filter(|url| url.port() != Some(0)) {
        Some(url) => url,
        None => {
            let port = listener.local_addr().map_err(|e| local(e.to_string()))?.port();
            Url::parse(&format!("http://localhost:{port}{CALLBACK}")).map_err(|e| local(e.to_string()))?
        }
    };
    Ok((listener, url))
}

/// The path and query of a request, where it is a GET with a whole head in time.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0u8; 4096];
    let read = async {
        while !head.windows(4).any(|w| w == b"\r\n\r\n") {
            let n = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
            head.extend_from_slice(piece.get(..n)?);
            if head.len() > HEAD_BYTES {
                return None;
            }
        }
        Some(())
    };
    timeout(HEAD_TIME, read).await.ok().flatten()?;
    let line = head.split(|b| *b == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("GET"), Some(target), Some(version)) if version.starts_with("HTTP/1.") => {
            Some(target.to_owned())
        }
        _ => None,
    }
}

async fn answer(stream: &mut TcpStream, status: &str, text: &str) {
    let page = format!("<!doctype html><meta charset=utf-8><title>seaworthy</title><p>{text}\n");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        page.len()
    );
    // Whether the browser reads it changes nothing.
    let _ = timeout(HEAD_TIME, stream.write_all(format!("{head}{page}").as_bytes())).await;
}

/// What the browser came back with.
#[derive(Debug, PartialEq, Eq)]
enum Back {
    Code(String),
    Refused(String),
    NotOurs,
}

/// Reads `target` as the way back to `redirect`.
fn back(target: &str, redirect: &Url, issuer: &str, state: &str) -> Back {
    let Some(url) = redirect.join(target).ok().filter(|u| u.origin() == redirect.origin()) else {
        return Back::NotOurs;
    };
    let all = |name: &str| -> Vec<String> {
        url.query_pairs().filter(|(k, _)| k == name).map(|(_, v)| v.into_owned()).collect()
    };
    if url.path() != redirect.path() || all("state") != [state] {
        return Back::NotOurs;
    }
    // Another issuer's answer under our state (RFC 9207).
    if all("iss").iter().any(|iss| iss.trim_end_matches('/') != issuer.trim_end_matches('/')) {
        return Back::Refused("the answer is by another issuer".into());
    }
    match (all("code").as_slice(), all("error").as_slice()) {
        ([code], []) if !code.is_empty() => Back::Code(code.clone()),
        (_, [error, ..]) => Back::Refused(error.clone()),
        _ => Back::Refused("the answer holds no code".into()),
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    nonce: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Whether `token` is the one that this login asked for.
fn check(token: &str, login: &Login, issuer: &str, nonce: &str) -> Result<(), &'static str> {
    let claims =
        token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let claims = Secret::new(claims.ok_or("it is no JSON Web Token")?);
    let claims: Claims =
        seaworthy_oci::strict::from_slice(claims.expose()).map_err(|_| "it names no issuer and audience")?;
    let ours = match &claims.aud {
        Audience::One(one) => *one == login.client_id,
        Audience::Many(many) => many.contains(&login.client_id),
    };
    match () {
        () if claims.iss != issuer => Err("it is by another issuer"),
        () if !ours => Err("it is for another client"),
        () if claims.nonce.as_deref() != Some(nonce) => Err("it is not of this login (its nonce is another)"),
        () => Ok(()),
    }
}

/// A token for the person who logs in.
pub(super) async fn login(http: &Http, login: &Login) -> Result<Secret> {
    let found = Discovery::of(http, &login.issuer).await?;
    let odd = |why: &str| Call::get(&login.issuer, "log in at").error(ErrorKind::Signer(why.into()));
    let mut page = found.authorization_endpoint.clone().ok_or_else(|| {
        odd("it offers no login in a browser").hint("log in with a code: --fulcio-auth-flow device")
    })?;
    http.check(&page)?;
    let (listener, redirect) = listen(login).await?;
    let (verifier, state, nonce) = (random()?, random()?, random()?);
    page.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &login.client_id)
        .append_pair("redirect_uri", redirect.as_str())
        .append_pair("scope", "openid email")
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &challenge(&verifier))
        .append_pair("code_challenge_method", "S256");
    (login.show)(Prompt::Page(page.as_str()));
    let end = Instant::now() + PATIENCE;
    let mut code = None;
    for _ in 0..CONNECTIONS {
        let Ok(accepted) = timeout_at(end, listener.accept()).await else { break };
        let (mut stream, _) = accepted.map_err(|e| local(e.to_string()))?;
        let Some(target) = request(&mut stream).await else { continue };
        match back(&target, &redirect, &found.issuer, &state) {
            Back::NotOurs => answer(&mut stream, "404 Not Found", "Nothing is waited for here.").await,
            Back::Refused(why) => {
                answer(&mut stream, "200 OK", "The login failed; see the terminal.").await;
                return Err(odd(&format!("the login ended: {}", escaped(&why))));
            }
            Back::Code(found) => {
                answer(&mut stream, "200 OK", "Logged in. This page can be closed.").await;
                code = Some(found);
                break;
            }
        }
    }
    let code = code.ok_or_else(|| odd("nobody logged in in time"))?;
    let body = form(
        login,
        &[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect.as_str()),
            ("code_verifier", &verifier),
        ],
    )?;
    let mut call = Call::post(&found.token_endpoint, "log in at", FORM, body);
    call.also = &[400, 401, 403];
    let granted = Granted::ask(http, &call).await?;
    let token = granted.id_token.ok_or_else(|| ended(&call, granted.error.as_deref()))?;
    let token = Secret::from(token);
    let text = std::str::from_utf8(token.expose()).unwrap_or_default();
    check(text, login, &found.issuer, &nonce).map_err(|why| {
        call.error(ErrorKind::Signer(format!("the token that it gave is not taken: {why}")))
    })?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::super::login::Flow;
    use super::*;

    fn asks(redirect: Option<&str>) -> Login {
        Login {
            issuer: "https://issuer.example".parse().unwrap(),
            client_id: "us".into(),
            client_secret: None,
            redirect: redirect.map(|url| url.parse().unwrap()),
            flow: Flow::Browser,
            show: |_| {},
        }
    }

    #[test]
    fn only_a_call_with_our_state_counts() {
        let redirect: Url = "http://localhost:7/auth/callback".parse().unwrap();
        let back = |target: &str| back(target, &redirect, "https://issuer.example", "s");
        assert_eq!(back("/auth/callback?state=s&code=c"), Back::Code("c".into()));
        assert_eq!(back("/auth/callback?state=s&code=c&iss=https://issuer.example"), Back::Code("c".into()));
        for other in [
            "/",
            "/favicon.ico",
            "/auth/callback",
            "/auth/callback?state=t&code=c",
            "/auth/callback?code=c",
            "/auth/callback?state=s&state=s&code=c",
            "/auth/callbac?state=s&code=c",
            "http://evil.example/auth/callback?state=s&code=c",
            "//evil.example/auth/callback?state=s&code=c",
            "",
        ] {
            assert_eq!(back(other), Back::NotOurs, "{other}");
        }
        for refused in [
            "/auth/callback?state=s&error=access_denied",
            "/auth/callback?state=s",
            "/auth/callback?state=s&code=",
            "/auth/callback?state=s&code=c&code=d",
            "/auth/callback?state=s&code=c&iss=https://other.example",
        ] {
            assert!(matches!(back(refused), Back::Refused(_)), "{refused}");
        }
    }

    #[test]
    fn a_token_of_another_login_is_not_taken() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let check = |claims: &str| check(&token(claims), &asks(None), "https://issuer.example", "n");
        assert_eq!(check(r#"{"iss":"https://issuer.example","aud":"us","nonce":"n"}"#), Ok(()));
        assert_eq!(check(r#"{"iss":"https://issuer.example","aud":["a","us"],"nonce":"n"}"#), Ok(()));
        for bad in [
            r#"{"iss":"https://issuer.example","aud":"us","nonce":"m"}"#,
            r#"{"iss":"https://issuer.example","aud":"us"}"#,
            r#"{"iss":"https://issuer.example","aud":"others","nonce":"n"}"#,
            r#"{"iss":"https://other.example","aud":"us","nonce":"n"}"#,
            r#"{"iss":"https://issuer.example","aud":"us","nonce":"m","nonce":"n"}"#,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_way_back_is_on_loopback() {
        for bad in [
            "https://localhost:1/x",
            "http://example.com:1/x",
            "http://127.0.0.1.example/",
            "http://localhost/x?y",
        ] {
            assert!(listen(&asks(Some(bad))).await.is_err(), "{bad}");
        }
        let (_, url) = listen(&asks(None)).await.unwrap();
        assert!(url.as_str().starts_with("http://localhost:") && url.path() == CALLBACK);
    }
}
