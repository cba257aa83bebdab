//! Registries (OCI distribution specification 1.1).
//!
//! Decides what a registry's answers mean. Each outcome stays its own [`ErrorKind`]; only a 404 is "not
//! there". Refused: credentials for anybody but the registry they belong to (`auth`), bodies beyond
//! [`crate::limits`] and redirects that weaken a connection (`http`), lists that cannot be had whole
//! (`referrers`), and the `urls` of descriptors, which are never followed.
//!
//! Needs a Tokio runtime with time and I/O. A blob's reader blocks and is fed by a task, so it must be read
//! off the reactor (`spawn_blocking`); then even a current-thread runtime does.

pub mod address;
mod auth;
mod blob;
pub mod credentials;
mod http;
#[cfg(feature = "push")]
pub mod login;
mod options;
#[cfg(feature = "push")]
mod push;
mod referrers;
mod secret;
#[cfg(feature = "push")]
mod upload;

pub use options::{Addresses, Connections, Credentials, Options, PlainHttp, Timeouts};
pub use secret::Secret;

use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Descriptor, RawManifest, media_type};
use crate::source::{BlobReader, Referrers, Selector, Source};
use crate::{Digest, Location, Repository, limits, reference};
use async_trait::async_trait;
use auth::{Auth, Scope};
use http::{Answer, Call, Http, Reading};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use url::Url;

/// A repository of a registry.
///
/// One value is one client: it shares connections, tokens and what it learnt about the registry.
#[derive(Clone)]
pub struct Registry {
    session: Arc<Session>,
}

// By hand: what is inside holds tokens.
impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("location", &self.session.location).finish_non_exhaustive()
    }
}

impl Registry {
    /// A client for `repository`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where a CA file of `options` cannot be read.
    pub fn new(repository: &Repository, options: &Options) -> Result<Self> {
        Ok(Self { session: Arc::new(Session::new(repository, options)?) })
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.session.repository
    }
}

/// What the requests to one repository share.
struct Session {
    location: Location,
    repository: Repository,
    /// `https://host/v2/`.
    api: Url,
    http: Http,
    auth: Auth,
    /// Whether there is a Referrers API, once the registry has said so; found out by one request, for which
    /// all others wait.
    referrers_api: tokio::sync::OnceCell<bool>,
    #[cfg(feature = "push")]
    writing: push::Writing,
}

impl Session {
    fn new(repository: &Repository, options: &Options) -> Result<Self> {
        let http = Http::new(options)?;
        let scheme = if options.is_plain(repository) { "http" } else { "https" };
        let api = format!("{scheme}://{}/v2/", repository.api_host());
        let api = Url::parse(&api).map_err(|e| {
            Error::new("connect to", repository, ErrorKind::InvalidReference(format!("its host: {e}")))
        })?;
        Ok(Self {
            location: Location::Registry(repository.clone()),
            repository: repository.clone(),
            auth: Auth::new(repository, &api),
            api,
            http,
            referrers_api: tokio::sync::OnceCell::new(),
            #[cfg(feature = "push")]
            writing: push::Writing::default(),
        })
    }

    /// `/v2/<name>/<rest>`; `rest` is made of digests, tags and words of ours.
    fn url(&self, rest: &str) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.repository.name()));
        url
    }

    fn on(&self, what: impl fmt::Display) -> String {
        format!("{}@{what}", self.repository)
    }

    fn pull(&self) -> Scope {
        Scope::pull(self.repository.name())
    }

    async fn send(&self, call: &Call, scope: &Scope) -> Result<Answer> {
        auth::send(&self.http, &self.auth, call, scope).await
    }

    /// The failure that `answer` is, with what may help.
    fn failure(&self, call: &Call, answer: &Answer) -> Error {
        let error = answer.error(call);
        match self.auth.hint() {
            Some(hint) if error.kind == ErrorKind::Unauthorized => error.hint(hint),
            _ => error,
        }
    }

    /// The manifest under `name`, a tag or digest of the right form.
    async fn manifest(
        &self,
        name: &str,
        on: String,
        expected: Option<&Digest>,
    ) -> Result<Option<RawManifest>> {
        let mut call = Call::new(Method::GET, self.url(&format!("manifests/{name}")), "fetch manifest", on);
        call.headers.insert(ACCEPT, accept());
        call.reading = Reading::All("MANIFEST_BYTES", limits::MANIFEST_BYTES);
        let answer = self.send(&call, &self.pull()).await?;
        match answer.status.as_u16() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(self.failure(&call, &answer)),
        }
        // Docker-Content-Digest is the registry's word for what these bytes show by themselves.
        let announced = answer.header(CONTENT_TYPE).map(str::to_owned);
        if let Some(expected) = expected {
            // Before anything is read out of them: wrong bytes are wrong whatever they say.
            if !expected.matches(&answer.body) {
                let actual = Digest::of(expected.algorithm(), &answer.body).to_string();
                return Err(call.error(ErrorKind::DigestMismatch { expected: expected.to_string(), actual }));
            }
        }
        let raw = RawManifest::new(answer.body, announced.as_deref(), &call.on)?;
        match expected {
            Some(expected) => raw.expect(expected, &call.on).map(Some),
            None => Ok(Some(raw)),
        }
    }

    async fn tagged(&self, tag: &str) -> Result<Option<RawManifest>> {
        reference::check_tag(tag).map_err(|why| {
            let shown = format!("'{}'", http::escaped(tag));
            Error::new("fetch manifest", shown, ErrorKind::InvalidReference(why))
        })?;
        self.manifest(tag, format!("{}:{tag}", self.repository), None).await
    }
}

fn accept() -> HeaderValue {
    HeaderValue::from_str(&media_type::ACCEPT.join(", ")).unwrap_or(HeaderValue::from_static("*/*"))
}

#[async_trait]
impl Source for Registry {
    fn location(&self) -> &Location {
        &self.session.location
    }

    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        match selector {
            Selector::Only => {
                let why = "a repository of a registry holds many images".into();
                Err(Error::new("fetch manifest", &self.session.repository, ErrorKind::Ambiguous(why))
                    .hint("name a tag or a digest"))
            }
            Selector::Tag(tag) => self.session.tagged(tag).await,
            Selector::Digest(digest) => {
                self.session.manifest(&digest.to_string(), self.session.on(digest), Some(digest)).await
            }
        }
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        blob::open(&self.session, descriptor).await
    }

    async fn blob_range(&self, descriptor: &Descriptor, range: Range<u64>) -> Result<Option<BlobReader>> {
        blob::open_range(&self.session, descriptor, range).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Referrers> {
        referrers::list(&self.session, subject).await
    }
}
