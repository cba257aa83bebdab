//! Debian's docker-registry on loopback, and small images in it that the command line signs.
//!
//! It knows no Referrers API, so that evidence is found by fallback tags: the longer of the two ways.

use crate::http;
use crate::programs::Programs;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Images of one repository.
const TAGS: usize = 10;

/// The registry's process. It ends when it is dropped.
pub struct Registry {
    pub address: SocketAddr,
    program: PathBuf,
    dir: PathBuf,
    child: Option<Child>,
}

impl Registry {
    pub fn start(programs: &Programs, dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        std::fs::create_dir_all(dir.join("data")).expect("a directory");
        let config = format!(
            "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\nstorage:\n  filesystem: {{ rootdirectory: {}, maxthreads: 100 }}\n  \
             cache: {{ blobdescriptor: inmemory }}\nhttp: {{ addr: {address} }}\n",
            dir.join("data").display()
        );
        std::fs::write(dir.join("config.yml"), config).expect("a file");
        let mut registry =
            Self { address, program: programs.registry.clone(), dir: dir.to_owned(), child: None };
        registry.up();
        registry
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Starts it, on the port that it had before, and waits until it answers.
    pub fn up(&mut self) {
        let log = std::fs::File::create(self.dir.join("log")).expect("a file");
        let child = Command::new(&self.program)
            .args(["serve"])
            .arg(self.dir.join("config.yml"))
            // This version tries to reach a trace collector unless told otherwise.
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry");
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(20);
        while http::ask(self.address, "GET", "/v2/", &[], b"").is_none_or(|r| r.status != 200) {
            assert!(
                Instant::now() < until,
                "the registry does not come up: {}",
                self.dir.join("log").display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn blob(registry: SocketAddr, repository: &str, bytes: &[u8]) -> String {
    let digest = digest(bytes);
    let start = http::ask(registry, "POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"")
        .expect("an upload");
    let location = start.head.lines().find_map(|l| l.strip_prefix("Location: ")).expect("a location");
    let path = &location[location.find("/v2/").expect("a path")..];
    let glue = if path.contains('?') { '&' } else { '?' };
    let headers = ["Content-Type: application/octet-stream"];
    let done = http::ask(registry, "PUT", &format!("{path}{glue}digest={digest}"), &headers, bytes)
        .expect("an answer");
    assert_eq!(done.status, 201, "{}", done.head);
    digest
}

/// One image that was pushed.
#[derive(Clone, Debug)]
pub struct Image {
    /// `repository:tag`.
    tag: String,
    digest: String,
}

impl Image {
    /// By its tag, in the registry that is called `host`.
    pub fn by_tag(&self, host: SocketAddr) -> String {
        format!("{host}/{}", self.tag)
    }

    /// By tag and digest, as the mutating webhook writes it.
    pub fn by_digest(&self, host: SocketAddr) -> String {
        format!("{host}/{}@{}", self.tag, self.digest)
    }
}

/// Pushes `count` images that differ from each other and from all of another `kind`, ten to a repository.
pub fn push(registry: SocketAddr, kind: &str, count: usize) -> Vec<Image> {
    // Nobody looks into a layer here.
    let layer = b"a layer";
    (0..count)
        .map(|n| {
            let (repository, tag) = (format!("{kind}-{:03}", n / TAGS), format!("v{}", n % TAGS));
            if n % TAGS == 0 {
                blob(registry, &repository, layer);
            }
            let config = format!(
                r#"{{"architecture":"amd64","os":"linux","config":{{"Labels":{{"n":"{kind} {n}"}}}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
                digest(&[0; 1024])
            );
            let manifest = format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{}","size":{}}}]}}"#,
                blob(registry, &repository, config.as_bytes()),
                config.len(),
                digest(layer),
                layer.len()
            );
            let headers = ["Content-Type: application/vnd.oci.image.manifest.v1+json"];
            let path = format!("/v2/{repository}/manifests/{tag}");
            let done = http::ask(registry, "PUT", &path, &headers, manifest.as_bytes()).expect("an answer");
            assert_eq!(done.status, 201, "{}", done.head);
            Image { tag: format!("{repository}:{tag}"), digest: digest(manifest.as_bytes()) }
        })
        .collect()
}

/// Signs all of them with `key`, each by a run of the command line, four at once.
pub fn sign(programs: &Programs, key: &Path, registry: SocketAddr, images: &[Image]) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(image) = images.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let said = programs
                        .quiet(&programs.seaworthy)
                        .arg("sign")
                        .arg("--key")
                        .arg(key)
                        .arg(image.by_digest(registry))
                        .output();
                    let said = said.expect("seaworthy");
                    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
                }
            });
        }
    });
}
