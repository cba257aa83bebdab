//! How registries are talked to: what a user may loosen, and the defaults, which are the strict ones.

use super::credentials::{ConfigFiles, DockerConfig};
use super::secret::Secret;
use crate::{Repository, limits};
use reqwest::Client;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where plain HTTP is spoken instead of HTTPS. There is no probing: a registry that answers on both
/// would otherwise let somebody on the wire choose the weaker one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Nowhere: registries on loopback must speak TLS too.
    Never,
    /// To loopback addresses and `localhost`, where it crosses no wire.
    #[default]
    Loopback,
    /// To loopback and to these registries, as `host` or `host:port`.
    Hosts(Vec<String>),
    /// To every registry.
    Everywhere,
}

/// Where names of registries may lead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Addresses {
    /// Anywhere.
    #[default]
    Any,
    /// Not to this machine, its link, or where a cloud serves credentials ([`super::address::is_local`]); but
    /// `localhost` and addresses that are written out lead where they say.
    NotLocal,
}

/// Which credentials a registry gets, once it asks for some.
#[derive(Clone)]
pub enum Credentials {
    /// Those that Docker's and Podman's configuration hold for it; none where they hold none.
    Configured(ConfigFiles),
    /// Those of these configurations, and no others; programs that they name are not run.
    Given(Vec<DockerConfig>),
    /// None.
    Anonymous,
    /// These, for the one registry that the client is opened for.
    Basic {
        /// The account.
        username: String,
        /// Its password or access token.
        password: Secret,
    },
    /// A bearer token of the registry itself, sent with every request to the registry's own host and port
    /// and to nobody else (`--registry-token`).
    RegistryToken(Secret),
}

impl Default for Credentials {
    fn default() -> Self {
        Self::Configured(ConfigFiles::default())
    }
}

// By hand, so that `{:?}` of the options shows the kind and never the secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured(_) => "Configured",
            Self::Given(_) => "Given",
            Self::Anonymous => "Anonymous",
            Self::Basic { .. } => "Basic",
            Self::RegistryToken(_) => "RegistryToken",
        })
    }
}

/// Deadlines; the defaults are the consts of [`limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Connecting, TLS included.
    pub connect: Duration,
    /// The longest silence in the middle of an answer.
    pub idle: Duration,
    /// One small request as a whole; for a blob, until its first byte.
    pub request: Duration,
    /// One call of a credential helper.
    pub helper: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: limits::CONNECT,
            idle: limits::READ_IDLE,
            request: limits::REQUEST,
            helper: limits::CREDENTIAL_HELPER,
        }
    }
}

/// How registries are talked to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where plain HTTP is spoken.
    pub plain_http: PlainHttp,
    /// PEM files with certificate authorities, trusted in addition to the system's.
    pub ca_files: Vec<PathBuf>,
    /// Where names may lead.
    pub addresses: Addresses,
    /// Which credentials are used.
    pub credentials: Credentials,
    /// Token services (`host` or `host:port`) that may get credentials although they are neither on the
    /// registry's host nor under the same domain.
    pub token_hosts: Vec<String>,
    /// Tries of one request, the first included.
    pub tries: u32,
    /// The wait before the second try; it doubles from there, with jitter.
    pub backoff: Duration,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Blobs up to this many bytes are sent in one request, larger ones in chunks of this many bytes. One
    /// chunk is held in memory.
    pub chunk_bytes: usize,
    /// Connections that all clients with these options use together, whatever repository each is for; without it,
    /// each has its own. Set it after everything else, and in one runtime: connections are made by the first that
    /// needs one, with its certificate authorities and deadlines.
    pub shared: Option<Connections>,
}

/// Connections to registries, kept open for a while. No credentials are in them: those go with each request.
///
/// Who judges images of hundreds of repositories would else hold hundreds of pools, and of certificate authorities.
#[derive(Clone, Default)]
pub struct Connections(pub(super) Arc<Mutex<BTreeMap<Kind, Client>>>);

/// With TLS, to loopback, and where names may lead: connections of one kind are never used as another.
type Kind = (bool, bool, Addresses);

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            plain_http: PlainHttp::default(),
            ca_files: Vec::new(),
            addresses: Addresses::default(),
            credentials: Credentials::default(),
            token_hosts: Vec::new(),
            tries: limits::TRIES,
            backoff: Duration::from_millis(250),
            timeouts: Timeouts::default(),
            chunk_bytes: limits::UPLOAD_CHUNK,
            shared: None,
        }
    }
}

impl Options {
    /// Whether `repository` is reached over plain HTTP.
    pub(super) fn is_plain(&self, repository: &Repository) -> bool {
        match &self.plain_http {
            PlainHttp::Never => false,
            PlainHttp::Loopback => repository.is_loopback(),
            PlainHttp::Hosts(hosts) => {
                repository.is_loopback()
                    || hosts.iter().any(|h| {
                        Repository::new(h, "x/x").is_ok_and(|r| r.registry() == repository.registry())
                    })
            }
            PlainHttp::Everywhere => true,
        }
    }
}
