//! A JWT-SVID from a SPIFFE agent's workload socket: one call of the Workload API (`FetchJWTSVID`), which is gRPC
//! over a Unix socket.
//!
//! The socket is on this machine, and who asks is known to the agent by the process that asks; so nothing
//! secret is sent, and no TLS is spoken. Refused: sockets that are no Unix sockets.

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where an agent listens if nobody says otherwise; cosign looks there, too.
pub(super) const DEFAULT_SOCKET: &str = "/tmp/spire-agent/public/api.sock";
/// An answer; a token has 1 to 4 KB, and there may be several.
pub(super) const ANSWER_BYTES: usize = 256 << 10;
/// How long an agent may take.
pub(super) const AGENT: Duration = Duration::from_secs(30);

/// The path in `SPIFFE_ENDPOINT_SOCKET`: `unix:///path` (SPIFFE), or a path (cosign).
pub(super) fn socket(text: &str) -> Result<PathBuf> {
    let bad = |why: &str| Error::new("use", "SPIFFE_ENDPOINT_SOCKET", ErrorKind::BadInput(why.into()));
    let path = match text.split_once(':') {
        Some(("unix", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, _)) if !scheme.contains('/') => {
            return Err(bad("it is no Unix socket").hint("give unix:///path/of/the/socket"));
        }
        _ => text,
    };
    if path.starts_with('/') { Ok(PathBuf::from(path)) } else { Err(bad("it is no absolute path")) }
}

/// `value` as field `number` of a message, with its length (protobuf wire type 2).
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = value.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(value);
    out
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The first field `wanted` of a message that has bytes; other fields are passed over.
fn first(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let length = match tag & 7 {
            0 => {
                varint(&mut message)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let value = message.get(..length)?;
        message = message.get(length..)?;
        if tag == wanted << 3 | 2 {
            return Some(value);
        }
    }
    None
}

/// The token in an answer: a gRPC frame, not compressed, around `JWTSVIDResponse { svids: [{ svid }] }`.
fn token(body: &[u8]) -> Option<&[u8]> {
    let (head, rest) = (body.get(..5)?, body.get(5..)?);
    let [0, a, b, c, d] = *head else { return None };
    let message = rest.get(..u32::from_be_bytes([a, b, c, d]) as usize)?;
    first(first(message, 1)?, 2)
}

/// A token for `audience` from the agent at `path`.
pub(super) async fn fetch(path: &Path, audience: &str) -> Result<Secret> {
    let tried = || path.display().to_string();
    let fail = |kind: ErrorKind| Error::new("get a JWT-SVID from", tried(), kind);
    let client = client(path)?;
    let message = field(1, audience.as_bytes());
    let mut body = vec![0];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(&message);
    let ask = async {
        let mut response = client
            .post("http://localhost/SpiffeWorkloadAPI/FetchJWTSVID")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            // Agents refuse calls without it, so that no browser can be made to ask (SPIFFE Workload Endpoint).
            .header("workload.spiffe.io", "true")
            .body(Bytes::from(body))
            .send()
            .await?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|v| v.to_str().ok()).map(seaworthy_oci::http::escaped)
        };
        let (status, said) = (header("grpc-status"), header("grpc-message"));
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await? {
            if body.len() + piece.len() > ANSWER_BYTES {
                break;
            }
            body.extend_from_slice(&piece);
        }
        Ok((status, said, Secret::new(body)))
    };
    let (status, said, body) = match tokio::time::timeout(AGENT, ask).await {
        Err(_) => return Err(fail(ErrorKind::Local(format!("no answer after {} s", AGENT.as_secs())))),
        Ok(Err(e)) => {
            let why: reqwest::Error = e;
            return Err(fail(ErrorKind::Local(seaworthy_oci::http::innermost(&why)))
                .hint("SPIFFE_ENDPOINT_SOCKET names the agent's socket"));
        }
        Ok(Ok(answer)) => answer,
    };
    token(body.expose()).map(|token| Secret::new(token.to_vec())).ok_or_else(|| {
        let status = status.unwrap_or_else(|| "unknown".into());
        let said = said.map(|text| format!(": {text}")).unwrap_or_default();
        fail(ErrorKind::Signer(format!("it gave none (gRPC status {status}{said})")))
            .hint("the agent gives tokens to registered workloads alone")
    })
}

#[cfg(unix)]
fn client(path: &Path) -> Result<reqwest::Client> {
    // A client of its own: no TLS, no proxy, and HTTP/2 from the first byte.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .unix_socket(path)
        .http2_prior_knowledge()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tls_certs_only([])
        .build()
        .map_err(|e| {
            let kind = ErrorKind::Local(seaworthy_oci::http::innermost(&e));
            Error::new("prepare a connection to", path.display(), kind)
        })
}

#[cfg(not(unix))]
fn client(path: &Path) -> Result<reqwest::Client> {
    Err(Error::new("connect to", path.display(), ErrorKind::Local("there are no Unix sockets here".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_by_both_spellings() {
        for text in ["unix:///run/a.sock", "unix:/run/a.sock", "/run/a.sock"] {
            assert_eq!(socket(text).unwrap(), Path::new("/run/a.sock"));
        }
        for text in ["tcp://127.0.0.1:1", "a.sock", "unix:a.sock", ""] {
            assert!(socket(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_token_of_an_answer() {
        let long = "x".repeat(300);
        let svid = [field(1, b"spiffe://a/b"), field(2, long.as_bytes())].concat();
        let message = [field(1, &svid), field(1, &field(2, b"other"))].concat();
        let frame = |message: &[u8]| [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
        assert_eq!(token(&frame(&message)), Some(long.as_bytes()));
        assert_eq!(token(&frame(&field(1, &field(1, b"spiffe://a/b")))), None);
        assert_eq!(token(&[1, 0, 0, 0, 0]), None);
        assert_eq!(token(&frame(&message)[..20]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let _ = token(&body);
            let _ = token(&[&[0, 0, 0, 0, body.len() as u8][..], &body].concat());
        }
    }
}
