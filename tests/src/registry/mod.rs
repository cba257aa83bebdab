//! An OCI distribution registry in this process, on a free port of 127.0.0.1, that can be told to misbehave.
//!
//! It speaks HTTP/1.1 by itself, on blocking threads and without a library, because most of what it must be
//! able to do (too many bytes for the announced length, one byte a second, a reset in the middle) is what
//! HTTP libraries exist to prevent. It is strict towards clients: a manifest before its blobs, a chunk out
//! of order or a token without the scope are refused as a registry would. It ends when it is dropped.
//!
//! ```no_run
//! use seaworthy_tests::registry::{Lab, Fault};
//! let lab = Lab::start();
//! lab.fault(Fault::on("GET", "/referrers/").status(429).header("Retry-After", "1").times(1));
//! println!("{}", lab.reference("app:v1"));
//! assert_eq!(lab.requests().len(), 0);
//! ```

mod api;
mod auth;
mod fault;
mod http;

pub use auth::{Anonymous, Auth};
pub use fault::{Fault, endless_pages, many_referrers};
pub use http::{Delivery, Reply, Request};

use api::Store;
use seaworthy_oci::{Digest, Location, Repository};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// Whether the registry has the Referrers API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferrersApi {
    /// `404`, as older registries answer.
    Absent,
    /// There, with this many entries on a page.
    Paged(usize),
}

/// What a [`Lab`] is to be like.
#[derive(Debug, Clone)]
pub struct Builder {
    referrers: ReferrersApi,
    auth: Auth,
    tls: Option<()>,
    min_chunk: usize,
}

impl Builder {
    /// With or without the Referrers API.
    #[must_use]
    pub fn referrers(mut self, api: ReferrersApi) -> Self {
        self.referrers = api;
        self
    }

    /// Who may do what.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// HTTPS with a certificate of a private authority, see [`Lab::ca_pem`].
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = Some(());
        self
    }

    /// Announces `OCI-Chunk-Min-Length` and refuses smaller chunks.
    #[must_use]
    pub fn min_chunk(mut self, bytes: usize) -> Self {
        self.min_chunk = bytes;
        self
    }

    /// Opens the port and serves.
    #[must_use]
    pub fn start(self) -> Lab {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let tls = self.tls.map(|()| http::Tls::new());
        let state = Arc::new(State {
            address,
            ca_pem: tls.as_ref().map(|t| t.ca_pem.clone()),
            referrers: self.referrers,
            auth: self.auth,
            min_chunk: self.min_chunk,
            store: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            stop: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let stream = Arc::new(stream);
                serving.connections.lock().unwrap().push(Arc::downgrade(&stream));
                let (state, tls) = (Arc::clone(&serving), tls.clone());
                std::thread::spawn(move || http::serve(&state, stream, tls.as_ref()));
            }
        });
        Lab { state }
    }
}

struct State {
    address: SocketAddr,
    ca_pem: Option<String>,
    referrers: ReferrersApi,
    auth: Auth,
    min_chunk: usize,
    store: Mutex<Store>,
    faults: Mutex<Vec<Fault>>,
    requests: Mutex<Vec<Request>>,
    stop: AtomicBool,
    connections: Mutex<Vec<Weak<TcpStream>>>,
}

impl State {
    fn base(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    fn reply(&self, request: &Request) -> Reply {
        let active: Vec<Fault> =
            self.faults.lock().unwrap().iter_mut().filter_map(|fault| fault.take_turn(request)).collect();
        let instead = active.iter().find_map(|fault| fault.instead_of(request));
        let reply = instead.unwrap_or_else(|| {
            auth::token(self, request)
                .or_else(|| auth::refusal(self, request))
                .unwrap_or_else(|| api::answer(self, request))
        });
        active.iter().fold(reply, |reply, fault| fault.after(request, reply))
    }
}

/// The registry. It stops serving when it is dropped.
pub struct Lab {
    state: Arc<State>,
}

impl Lab {
    /// A well-behaved registry with the Referrers API and without authentication, over plain HTTP.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// One to be described first.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { referrers: ReferrersApi::Paged(100), auth: Auth::None, tls: None, min_chunk: 0 }
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn host(&self) -> String {
        self.state.address.to_string()
    }

    /// `http://127.0.0.1:port`, or with `https`.
    #[must_use]
    pub fn base(&self) -> String {
        self.state.base()
    }

    /// The text of a reference: `app:v1` becomes `127.0.0.1:port/app:v1`.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.state.address)
    }

    /// The repository `name`.
    #[must_use]
    pub fn repository(&self, name: &str) -> Repository {
        Repository::new(&self.host(), name).expect("a repository name")
    }

    /// The repository `name` as a location.
    #[must_use]
    pub fn location(&self, name: &str) -> Location {
        Location::Registry(self.repository(name))
    }

    /// The certificate of the authority that clients must trust, where the lab speaks TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.state.ca_pem.as_deref()
    }

    /// From now on, misbehave so. Faults stay until their number of turns is used up.
    pub fn fault(&self, fault: Fault) {
        self.state.faults.lock().unwrap().push(fault);
    }

    /// Behave again.
    pub fn heal(&self) {
        self.state.faults.lock().unwrap().clear();
    }

    /// All requests so far, in the order in which they were read.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The requests of `method` whose path with query contains `part`.
    #[must_use]
    pub fn requests_to(&self, method: &str, part: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|r| r.method == method && r.target.contains(part)).collect()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.state.requests.lock().unwrap().clear();
    }

    /// Puts a blob there without HTTP.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        self.state.store.lock().unwrap().put_blob(repository, bytes.to_vec())
    }

    /// Takes the OCI layout in `dir` under `name`: each blob, each manifest of its index, and what has a name there as `tag`.
    pub fn take_layout(&self, dir: &std::path::Path, name: &str, tag: &str) {
        for blob in std::fs::read_dir(dir.join("blobs/sha256")).unwrap() {
            self.put_blob(name, &std::fs::read(blob.unwrap().path()).unwrap());
        }
        let index = std::fs::read(dir.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        for entry in index["manifests"].as_array().unwrap() {
            let digest = entry["digest"].as_str().unwrap();
            let bytes = std::fs::read(dir.join("blobs").join(digest.replace(':', "/"))).unwrap();
            let named = entry["annotations"]["org.opencontainers.image.ref.name"].is_string();
            self.put_manifest(name, named.then_some(tag), entry["mediaType"].as_str().unwrap(), &bytes);
        }
    }

    /// Puts a manifest there without HTTP and without any check, under `tag` if there is one.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Digest {
        self.state.store.lock().unwrap().put_manifest(repository, tag, media_type, bytes.to_vec())
    }

    /// A blob, if it is there.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.state.store.lock().unwrap().blob(repository, digest)
    }

    /// The bytes of a manifest by tag or digest, if it is there.
    #[must_use]
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        self.state.store.lock().unwrap().manifest(repository, reference).map(|(_, _, bytes)| bytes)
    }

    /// What a client would be shown as referring to `subject`: from the Referrers API, or from the fallback tag.
    ///
    /// # Panics
    /// Where the fallback tag holds no index.
    #[must_use]
    pub fn listed(&self, repository: &str, subject: &str) -> Vec<serde_json::Value> {
        let store = self.state.store.lock().unwrap();
        if self.state.referrers != ReferrersApi::Absent {
            return store.referrers(repository, subject);
        }
        let Some((_, _, bytes)) = store.manifest(repository, &subject.replacen(':', "-", 1)) else {
            return Vec::new();
        };
        let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        index["manifests"].as_array().unwrap().clone()
    }

    /// How many manifests name `subject`, listed or not.
    #[must_use]
    pub fn referring(&self, repository: &str, subject: &str) -> usize {
        self.state.store.lock().unwrap().referrers(repository, subject).len()
    }

    /// The tags of a repository, sorted.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.state.store.lock().unwrap().tags(repository)
    }

    /// Removes a tag.
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        self.state.store.lock().unwrap().delete_tag(repository, tag);
    }

    /// Copies all of one repository to another, tags included.
    pub fn copy(&self, from: &str, to: &str) {
        self.state.store.lock().unwrap().copy(from, to);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        // Wakes the accept loop; a failure means that it is gone already.
        let _ = TcpStream::connect(self.state.address);
        for connection in self.state.connections.lock().unwrap().drain(..) {
            if let Some(open) = connection.upgrade() {
                let _ = open.shutdown(Shutdown::Both);
            }
        }
    }
}
