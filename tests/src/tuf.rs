//! A TUF repository: real keys, real signatures, and every lie that a mirror or a thief of keys can tell.
//!
//! [`Repository`] makes metadata (specification 1.0.31), [`Mirror`] serves any set of files on loopback. The keys
//! are the same in every run.

use ed25519_dalek::Signer as _;
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Names and contents.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A date that no test sees.
pub const FAR: &str = "2099-01-01T00:00:00Z";
/// A date that every test is past.
pub const PAST: &str = "2024-01-01T00:00:00Z";

/// A key of a role.
#[derive(Clone)]
pub enum Key {
    /// Ed25519.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// ECDSA on P-256, as Sigstore's own repositories have it.
    P256(p256::ecdsa::SigningKey),
}

impl Key {
    /// The Ed25519 key of this number.
    #[must_use]
    pub fn ed25519(number: u8) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&[number; 32])))
    }

    /// The P-256 key of this number, which is not 0.
    #[must_use]
    pub fn p256(number: u8) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[number; 32]).expect("a scalar"))
    }

    fn public(&self) -> Value {
        match self {
            Self::Ed25519(key) => json!({
                "keytype": "ed25519", "scheme": "ed25519",
                "keyval": { "public": hex::encode(key.verifying_key().as_bytes()) },
            }),
            Self::P256(key) => json!({
                "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256",
                "keyval": {
                    "public": key.verifying_key().to_public_key_pem(p256::pkcs8::LineEnding::LF).expect("PEM"),
                },
            }),
        }
    }

    fn id(&self) -> String {
        hex::encode(Sha256::digest(canonical(&self.public())))
    }

    fn signature(&self, bytes: &[u8]) -> String {
        match self {
            Self::Ed25519(key) => hex::encode(key.sign(bytes).to_bytes()),
            Self::P256(key) => {
                use p256::ecdsa::signature::Signer as _;
                let signature: p256::ecdsa::Signature = key.sign(bytes);
                hex::encode(signature.to_der().as_bytes())
            }
        }
    }
}

/// Canonical JSON as TUF has it: sorted names, no white space, nothing escaped but quotes and backslashes.
fn canonical(value: &Value) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.push(b'"');
        out.extend(text.replace('\\', "\\\\").replace('"', "\\\"").into_bytes());
        out.push(b'"');
    }
    fn write(out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Object(map) => {
                let sorted: BTreeMap<_, _> = map.iter().collect();
                out.push(b'{');
                for (at, (name, value)) in sorted.into_iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    text(out, name);
                    out.push(b':');
                    write(out, value);
                }
                out.push(b'}');
            }
            Value::Array(list) => {
                out.push(b'[');
                for (at, value) in list.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write(out, value);
                }
                out.push(b']');
            }
            Value::String(s) => text(out, s),
            other => out.extend(other.to_string().into_bytes()),
        }
    }
    let mut out = Vec::new();
    write(&mut out, value);
    out
}

/// `signed` with the signatures of `keys`.
#[must_use]
pub fn sign(signed: &Value, keys: &[Key]) -> Vec<u8> {
    let bytes = canonical(signed);
    let signatures: Vec<Value> =
        keys.iter().map(|k| json!({ "keyid": k.id(), "sig": k.signature(&bytes) })).collect();
    json!({ "signed": signed, "signatures": signatures }).to_string().into_bytes()
}

/// Keys, and how many of them have to sign.
#[derive(Clone)]
pub struct Role {
    /// The keys.
    pub keys: Vec<Key>,
    /// How many of them.
    pub threshold: usize,
}

impl Role {
    /// `threshold` of `keys`.
    #[must_use]
    pub fn new(threshold: usize, keys: Vec<Key>) -> Self {
        Self { keys, threshold }
    }

    fn value(&self) -> Value {
        json!({ "keyids": self.keys.iter().map(Key::id).collect::<Vec<_>>(), "threshold": self.threshold })
    }
}

/// A repository. Change its fields, then publish: what is published follows from them.
pub struct Repository {
    /// Who signs roots.
    pub root: Role,
    /// Who signs targets.
    pub targets: Role,
    /// Who signs snapshots.
    pub snapshot: Role,
    /// Who signs timestamps.
    pub timestamp: Role,
    /// Versions of root, targets, snapshot and timestamp that were published last.
    pub versions: [u64; 4],
    /// When root, targets, snapshot and timestamp expire.
    pub expires: [&'static str; 4],
    /// Names and contents of the targets.
    pub content: Files,
    /// Where it says so, targets are listed by a role of this name, signed by this key.
    pub delegated: Option<(&'static str, Key)>,
    /// Everything that a mirror has.
    pub files: Files,
}

fn pin(bytes: &[u8]) -> Value {
    json!({ "length": bytes.len(), "hashes": { "sha256": hex::encode(Sha256::digest(bytes)) } })
}

fn versioned(bytes: &[u8], version: u64) -> Value {
    let mut pin = pin(bytes);
    pin["version"] = version.into();
    pin
}

impl Repository {
    /// One with these targets, published once: two of three keys for roots, two of two for targets.
    #[must_use]
    pub fn new(content: &[(&str, &str)]) -> Self {
        let mut repository = Self {
            root: Role::new(2, vec![Key::ed25519(1), Key::p256(2), Key::ed25519(3)]),
            targets: Role::new(2, vec![Key::p256(4), Key::ed25519(5)]),
            snapshot: Role::new(1, vec![Key::p256(6)]),
            timestamp: Role::new(1, vec![Key::ed25519(7)]),
            versions: [0; 4],
            expires: [FAR; 4],
            content: Files::new(),
            delegated: None,
            files: Files::new(),
        };
        repository.set(content);
        let keys = repository.root.keys.clone();
        repository.publish_root(&keys);
        repository.publish();
        repository
    }

    /// Replaces the targets.
    pub fn set(&mut self, content: &[(&str, &str)]) {
        self.content = content.iter().map(|(n, c)| ((*n).into(), c.as_bytes().to_vec())).collect();
    }

    /// The root of this version.
    #[must_use]
    pub fn root_file(&self, version: u64) -> Vec<u8> {
        self.files[&format!("{version}.root.json")].clone()
    }

    fn head(&self, kind: &str, at: usize) -> Value {
        json!({
            "_type": kind, "spec_version": "1.0.31", "version": self.versions[at], "expires": self.expires[at],
        })
    }

    /// The next root as it would be signed.
    #[must_use]
    pub fn root_value(&self) -> Value {
        let mut signed = self.head("root", 0);
        let roles = [
            ("root", &self.root),
            ("targets", &self.targets),
            ("snapshot", &self.snapshot),
            ("timestamp", &self.timestamp),
        ];
        let mut keys = Map::new();
        for key in roles.iter().flat_map(|(_, role)| &role.keys) {
            keys.insert(key.id(), key.public());
        }
        signed["consistent_snapshot"] = true.into();
        signed["keys"] = keys.into();
        signed["roles"] = roles.iter().map(|(name, role)| ((*name).to_owned(), role.value())).collect();
        signed
    }

    /// A new root after the fields, signed by `keys`.
    pub fn publish_root(&mut self, keys: &[Key]) {
        self.versions[0] += 1;
        let bytes = sign(&self.root_value(), keys);
        self.files.insert(format!("{}.root.json", self.versions[0]), bytes.clone());
        self.files.insert("root.json".into(), bytes);
    }

    /// New targets, snapshot and timestamp after the fields.
    pub fn publish(&mut self) {
        self.publish_targets();
        self.publish_snapshot();
        self.publish_timestamp();
    }

    fn targets_value(&self, kind: &str) -> Value {
        let mut signed = self.head(kind, 1);
        signed["targets"] =
            self.content.iter().map(|(name, bytes)| (name.clone(), pin(bytes))).collect::<Map<_, _>>().into();
        signed
    }

    /// New targets, and the role that they are delegated to.
    pub fn publish_targets(&mut self) {
        self.versions[1] += 1;
        let version = self.versions[1];
        let mut signed = self.targets_value("targets");
        if let Some((name, key)) = &self.delegated {
            let delegated = sign(&signed, std::slice::from_ref(key));
            self.files.insert(format!("{version}.{name}.json"), delegated);
            signed["targets"] = json!({});
            signed["delegations"] = json!({
                "keys": { key.id(): key.public() },
                "roles": [{
                    "name": name, "keyids": [key.id()], "threshold": 1, "terminating": true,
                    "paths": ["*.json"],
                }],
            });
        }
        let bytes = sign(&signed, &self.targets.keys);
        self.files.insert(format!("{version}.targets.json"), bytes);
        for (name, bytes) in &self.content {
            let hash = hex::encode(Sha256::digest(bytes));
            self.files.insert(format!("targets/{hash}.{name}"), bytes.clone());
        }
    }

    /// A new snapshot of the targets.
    pub fn publish_snapshot(&mut self) {
        self.versions[2] += 1;
        let mut signed = self.head("snapshot", 2);
        let targets = self.versions[1];
        signed["meta"] =
            json!({ "targets.json": versioned(&self.files[&format!("{targets}.targets.json")], targets) });
        if let Some((name, _)) = &self.delegated {
            let file = &self.files[&format!("{targets}.{name}.json")];
            signed["meta"][format!("{name}.json")] = versioned(file, targets);
        }
        let bytes = sign(&signed, &self.snapshot.keys);
        self.files.insert(format!("{}.snapshot.json", self.versions[2]), bytes);
    }

    /// A new timestamp of the snapshot.
    pub fn publish_timestamp(&mut self) {
        self.versions[3] += 1;
        let mut signed = self.head("timestamp", 3);
        let snapshot = self.versions[2];
        signed["meta"] = json!({ "snapshot.json": versioned(&self.files[&format!("{snapshot}.snapshot.json")], snapshot) });
        let bytes = sign(&signed, &self.timestamp.keys);
        self.files.insert("timestamp.json".into(), bytes);
    }
}

/// Writes `files` below `dir`.
pub fn write(files: &Files, dir: &Path) {
    let _ = std::fs::remove_dir_all(dir);
    for (name, bytes) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
}

#[derive(Default)]
struct Served {
    files: Files,
    /// Files that never end.
    endless: Vec<String>,
    requests: Vec<String>,
}

/// A mirror on loopback; it ends with the test.
pub struct Mirror {
    address: SocketAddr,
    served: Arc<Mutex<Served>>,
    stop: Arc<AtomicBool>,
}

impl Mirror {
    /// Serves `files`.
    #[must_use]
    pub fn start(files: &Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("an address");
        let served = Arc::new(Mutex::new(Served { files: files.clone(), ..Served::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&served), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, served, stop }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves other files from now on.
    pub fn serve(&self, files: &Files) {
        self.served.lock().expect("a lock").files = files.clone();
    }

    /// Serves `name` without end.
    pub fn endless(&self, name: &str) {
        self.served.lock().expect("a lock").endless.push(name.into());
    }

    /// The files that were asked for, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.served.lock().expect("a lock").requests.clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The listener waits for somebody to come.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(stream: TcpStream, served: &Mutex<Served>) {
    let mut reader = BufReader::new(&stream);
    let mut first = String::new();
    let _ = reader.read_line(&mut first);
    let mut line = String::from("-");
    while !line.trim().is_empty() {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            break;
        }
    }
    let name = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let (body, endless) = {
        let mut served = served.lock().expect("a lock");
        served.requests.push(name.clone());
        (served.files.get(&name).cloned(), served.endless.contains(&name))
    };
    let mut out = &stream;
    let _ = match body {
        _ if endless => {
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            let head = out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            // Ends when the client has had enough.
            while out.write_all(&chunk).is_ok() {}
            head
        }
        Some(body) => out
            .write_all(
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len())
                    .as_bytes(),
            )
            .and_then(|()| out.write_all(&body)),
        None => out.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
    };
    let _ = stream.shutdown(Shutdown::Both);
}
