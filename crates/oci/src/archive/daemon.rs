//! Images that a Docker or Podman daemon on this machine keeps, through its socket.
//!
//! Both answer Docker's Engine API. The name is asked for once (`/images/NAME/json`), and what the daemon says its
//! identity is, is what is exported (`/images/ID/get`): a tag that moves in between changes nothing, and the answer holds
//! one image. It is the output of `docker save`, one tar in no certain order, so it is kept in a file that the caller
//! gives (docs/decisions/0008-daemons.md says why), and then read in place like any archive.
//!
//! Whoever answers on the socket is believed: it could run whatever it likes on this machine. Its answers are bounded all
//! the same. Refused: plain TCP to another machine, TLS and SSH (export the image there, and read the archive).

use super::{read, tar::TarFile};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{escaped, innermost};
use crate::limits;
use crate::reference::{Engine, Location};
use crate::source::Source;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::time::timeout;
use url::Url;

/// Where a daemon answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// A socket of this machine's file system.
    Unix(PathBuf),
    /// A port of this machine.
    Tcp(Url),
}

impl Socket {
    /// The socket of `engine`: what `DOCKER_HOST` or `CONTAINER_HOST` says, else the first of the usual places where
    /// `is_there` finds one. `says` reads the environment.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for addresses that are not spoken to, [`ErrorKind::Local`] where there is no socket.
    pub fn of(
        engine: Engine,
        says: &dyn Fn(&str) -> Option<String>,
        is_there: &dyn Fn(&Path) -> bool,
    ) -> Result<Self> {
        let variable = match engine {
            Engine::Docker => "DOCKER_HOST",
            Engine::Podman => "CONTAINER_HOST",
        };
        if let Some(text) = says(variable).filter(|t| !t.is_empty()) {
            return Self::parse(&text).map_err(|why| {
                Error::new(
                    "use",
                    format!("{variable}={}", escaped(&text)),
                    ErrorKind::Unsupported(why.into()),
                )
                .hint("export the image there with `docker save`, and read docker-archive:FILE")
            });
        }
        let runtime = says("XDG_RUNTIME_DIR").map(PathBuf::from);
        let home = says("HOME").map(PathBuf::from);
        let below = |dir: &Option<PathBuf>, path: &str| dir.as_ref().map(|d| d.join(path));
        let usual = match engine {
            Engine::Docker => [
                Some(PathBuf::from("/var/run/docker.sock")),
                below(&runtime, "docker.sock"),
                below(&home, ".docker/run/docker.sock"),
            ],
            Engine::Podman => {
                [below(&runtime, "podman/podman.sock"), Some(PathBuf::from("/run/podman/podman.sock")), None]
            }
        };
        usual.into_iter().flatten().find(|path| is_there(path)).map(Self::Unix).ok_or_else(|| {
            let why = format!("no socket of {engine} is in any of the usual places");
            let hint = match engine {
                Engine::Docker => "start the daemon, or say with DOCKER_HOST where it answers",
                Engine::Podman => {
                    "start it with `podman system service`, or say with CONTAINER_HOST where it answers"
                }
            };
            Error::new("find", format!("the socket of {engine}"), ErrorKind::Local(why)).hint(hint)
        })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err("no absolute path in it")
            };
        }
        let Some(rest) = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")) else {
            return Err("only unix:// and tcp:// are spoken here");
        };
        let url: Url = format!("http://{rest}").parse().map_err(|_| "no address in it")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("credentials in it");
        }
        if crate::http::is_loopback(&url) {
            Ok(Self::Tcp(url))
        } else {
            Err("plain TCP leads to another machine")
        }
    }

    fn client(&self) -> reqwest::Result<(Client, String)> {
        // Fails only where the program installed a provider before. The library wants one also where no TLS is spoken.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let builder = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(limits::CONNECT)
            .user_agent(concat!("seaworthy/", env!("CARGO_PKG_VERSION")));
        match self {
            #[cfg(unix)]
            Self::Unix(path) => Ok((builder.unix_socket(path.as_path()).build()?, "http://localhost".into())),
            #[cfg(not(unix))]
            Self::Unix(_) => Ok((builder.build()?, "http://localhost".into())),
            Self::Tcp(url) => Ok((builder.build()?, url.as_str().trim_end_matches('/').to_owned())),
        }
    }
}

/// What is asked of `/images/NAME/json`.
#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Id")]
    id: String,
}

/// Exports the image at `location` ([`Location::Daemon`]) through `socket` into `spool`, an empty file that nobody else
/// writes to, and opens it there.
///
/// # Errors
/// [`ErrorKind::NotFound`] where the daemon has no such image, and what else can go wrong on the way.
pub async fn open(location: &Location, socket: &Socket, mut spool: File) -> Result<Box<dyn Source>> {
    let fail = |kind| Error::new("export", location, kind);
    let Location::Daemon { engine, name } = location else {
        return Err(fail(ErrorKind::Unsupported("no image of a daemon".into())));
    };
    if !is_plain(name) {
        return Err(fail(ErrorKind::InvalidReference("characters in it that no image's name has".into())));
    }
    let (client, base) = socket.client().map_err(|e| fail(ErrorKind::Local(innermost(&e))))?;
    let asked = Asked { client, location, engine: *engine };
    let answer = asked.get(&format!("{base}/images/{name}/json")).await?;
    let inspected: Inspected = serde_json::from_slice(&asked.small(answer, limits::CONFIG_BYTES).await?)
        .map_err(|e| fail(ErrorKind::Malformed(format!("what {engine} says about it: {e}"))))?;
    if !is_plain(&inspected.id) {
        return Err(fail(ErrorKind::Malformed(format!("{engine} gives it an identity that is none"))));
    }
    let mut answer = asked.get(&format!("{base}/images/{}/get", inspected.id)).await?;
    let mut size = 0_u64;
    while let Some(piece) = asked.piece(&mut answer).await? {
        size += piece.len() as u64;
        if size > limits::EXPORT_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "EXPORT_BYTES", value: limits::EXPORT_BYTES };
            return Err(fail(kind));
        }
        spool.write_all(&piece).map_err(|e| {
            fail(ErrorKind::Local(e.to_string()))
                .hint("the image is kept in a temporary file; TMPDIR says where")
        })?;
    }
    read(TarFile::of(spool, location)?, location)
}

/// Names and identities have these alone; a path that is made of them stays where it was meant to lead.
fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-:/@".contains(&b);
    !name.is_empty()
        && name.len() <= 512
        && name.bytes().all(plain)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

struct Asked<'a> {
    client: Client,
    location: &'a Location,
    engine: Engine,
}

impl Asked<'_> {
    fn error(&self, kind: ErrorKind) -> Error {
        Error::new("export", self.location, kind)
    }

    fn transport(&self, error: &reqwest::Error) -> Error {
        self.error(ErrorKind::Unreachable(format!("{}: {}", self.engine, innermost(error))))
    }

    async fn get(&self, url: &str) -> Result<Response> {
        let slow = |_| self.error(ErrorKind::Timeout { after: limits::EXPORT_IDLE });
        let sent = timeout(limits::EXPORT_IDLE, self.client.get(url).send()).await.map_err(slow)?;
        let answer = sent.map_err(|e| self.transport(&e))?;
        let kind = match answer.status() {
            StatusCode::OK => return Ok(answer),
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ErrorKind::Forbidden,
            status if status.is_server_error() => ErrorKind::Server { status: status.as_u16() },
            status => ErrorKind::UnexpectedStatus { status: status.as_u16() },
        };
        let not_there = kind == ErrorKind::NotFound;
        let error = self.error(kind);
        // What it says in words is for people, and not worth another failure.
        let words = self.small(answer, limits::TOKEN_BYTES).await.unwrap_or_default();
        let says = serde_json::from_slice::<serde_json::Value>(&words).ok();
        let says = says.and_then(|v| Some(escaped(v.get("message")?.as_str()?)));
        Err(match (says, not_there) {
            (Some(says), false) => error.hint(format!("{} says: {says}", self.engine)),
            (_, true) => error.hint(format!(
                "{0} has no such image; `{0} pull` it, or name a registry's image with its host: docker.io/library/{1}",
                self.engine,
                match self.location {
                    Location::Daemon { name, .. } => name.as_str(),
                    _ => "NAME",
                }
            )),
            (None, false) => error,
        })
    }

    async fn piece(&self, answer: &mut Response) -> Result<Option<bytes::Bytes>> {
        let slow = |_| self.error(ErrorKind::Timeout { after: limits::EXPORT_IDLE });
        timeout(limits::EXPORT_IDLE, answer.chunk()).await.map_err(slow)?.map_err(|e| self.transport(&e))
    }

    async fn small(&self, mut answer: Response, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(&mut answer).await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > limit {
                return Err(self.error(ErrorKind::LimitExceeded { limit: "CONFIG_BYTES", value: limit }));
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_where_people_put_them() {
        let none = |_: &Path| false;
        let all = |_: &Path| true;
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())
        };
        let unix = |path: &str| Socket::Unix(path.into());
        let docker = |pairs| Socket::of(Engine::Docker, &env(pairs), &all);
        assert_eq!(docker(&[]).unwrap(), unix("/var/run/docker.sock"));
        assert_eq!(docker(&[("DOCKER_HOST", "unix:///x.sock")]).unwrap(), unix("/x.sock"));
        let tcp = docker(&[("DOCKER_HOST", "tcp://127.0.0.1:2375")]).unwrap();
        assert_eq!(tcp, Socket::Tcp("http://127.0.0.1:2375".parse().unwrap()));
        let podman = Socket::of(Engine::Podman, &env(&[("XDG_RUNTIME_DIR", "/run/user/1")]), &all);
        assert_eq!(podman.unwrap(), unix("/run/user/1/podman/podman.sock"));
        for bad in
            ["ssh://host", "tcp://192.0.2.1:2375", "tcp://u:p@127.0.0.1:1", "unix://x", "tcp://", "/x.sock"]
        {
            let refused = Socket::of(Engine::Docker, &|n| (n == "DOCKER_HOST").then(|| bad.to_owned()), &all);
            assert!(matches!(refused.unwrap_err().kind, ErrorKind::Unsupported(_)), "{bad}");
        }
        let missing = Socket::of(Engine::Podman, &env(&[]), &none).unwrap_err();
        assert!(matches!(missing.kind, ErrorKind::Local(_)), "{missing}");
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["nginx", "localhost:5000/a/b:1", "sha256:00ff", "a/b@sha256:00"] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "../containers/json", "a/../../b", "a?x", "a b", "a#", "a%2f", "/a", "a/", "ä"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
