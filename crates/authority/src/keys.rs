//! The authority's keys: held here, in encrypted files, or kept elsewhere, by a plugin.
//!
//! `keys/NAME.key` is a file as cosign encrypts it; `keys/NAME.kms` has a plugin's reference (`seaworthy_sign::kms`)
//! in its first line and, in a second one, the algorithm by which new keys are made, where that is not the plugin's
//! default. Exactly one of the two must be there. All keys are on P-256, which is what the
//! formats of the logs and certificates here are written for; another kind is refused when the authority is
//! made, and again when it is opened.

use crate::error::{Error, Result};
use seaworthy_sign::kms::{KmsSigner, Plugin, Reference};
use seaworthy_sign::{Algorithm, KeyRef, Payload, PrivateKey, PublicKey, Secret};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often a plugin is asked for one signature before it counts as failed: a service that hiccups must not
/// stop a log, which takes nothing more after a failure until it is opened anew.
const ATTEMPTS: u32 = 3;

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(500);

/// A reference in a file; `kms::Reference` allows 4 KiB.
const REFERENCE_FILE_BYTES: u64 = 8 << 10;

/// A key that signs for the authority.
#[derive(Debug, Clone)]
pub enum Key {
    /// In memory.
    Held(Arc<PrivateKey>),
    /// Behind a plugin.
    Kept(Arc<KmsSigner>),
}

impl From<PrivateKey> for Key {
    fn from(key: PrivateKey) -> Self {
        Self::Held(Arc::new(key))
    }
}

impl From<Arc<PrivateKey>> for Key {
    fn from(key: Arc<PrivateKey>) -> Self {
        Self::Held(key)
    }
}

impl From<&Arc<PrivateKey>> for Key {
    fn from(key: &Arc<PrivateKey>) -> Self {
        Self::Held(key.clone())
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

/// Where a new authority's keys are to be.
#[derive(Debug)]
pub enum Keys<'a> {
    /// In files that are encrypted with this password.
    Files(&'a Secret),
    /// Made by a plugin, under its resource's name with `-root`, `-issuer`, `-timestamp`, `-log`, `-ct` and
    /// `-tokens` behind it.
    Made {
        /// What the names begin with.
        prefix: &'a Reference,
        /// The plugin's word for P-256; its default algorithm without it.
        algorithm: Option<&'a str>,
    },
    /// With a plugin already, under the same names.
    There(&'a Reference),
}

/// Runs a future to its end, from wherever: a thread of its own, so that it may be called on a runtime too.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> Result<T> {
    let failed = |why: &str| Error::local(format!("cannot wait for a plugin: {why}"));
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map(|runtime| runtime.block_on(work)).map_err(|e| failed(&e.to_string()))
            })
            .join()
            .map_err(|_| failed("it panicked"))?
    })
}

impl Key {
    /// The public half.
    pub(crate) fn public_key(&self) -> &PublicKey {
        use seaworthy_sign::Signer as _;
        match self {
            Self::Held(key) => key.public_key(),
            Self::Kept(key) => key.as_ref().public_key(),
        }
    }

    /// Signs. It blocks while a plugin is asked: tasks use [`Key::sign_soon`].
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::Held(key) => key.sign(&Payload::Blob(message)).map_err(|e| failed(&e)),
            Self::Kept(_) => wait(self.sign_soon(message))?,
        }
    }

    /// Signs.
    pub(crate) async fn sign_soon(&self, message: &[u8]) -> Result<Vec<u8>> {
        let key = match self {
            Self::Held(key) => return key.sign(&Payload::Blob(message)).map_err(|e| failed(&e)),
            Self::Kept(key) => key,
        };
        let mut attempt = 1;
        loop {
            match key.sign_bytes(message).await {
                Ok(signature) => return Ok(signature),
                Err(e) if attempt >= ATTEMPTS => return Err(failed(&e)),
                Err(_) => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
            }
        }
    }

    /// Makes what takes the place of the key `name` of the authority in `dir`, in `new`: kept as the old one is.
    /// With a plugin it gets the old one's name with something random behind it, so that no other authority's
    /// key, such as one that was made from a backup of this one, can have the same name.
    pub(crate) fn succeed(dir: &Path, new: &Path, name: &str, password: &Secret) -> Result<Self> {
        let kept = path(dir, name, "kms");
        if !kept.exists() {
            return Self::make(new, name, &Keys::Files(password));
        }
        let old = Kept::read(&kept)?;
        let mut random = [0u8; 4];
        getrandom::fill(&mut random).map_err(|e| Error::local(format!("no randomness: {e}")))?;
        let resource = old.reference.resource();
        let base = match resource.rsplit_once(&format!("-{name}")) {
            Some((base, _)) => base,
            None => resource,
        };
        let reference =
            Reference::new(old.reference.name(), &format!("{base}-{name}-{}", hex::encode(random)))
                .map_err(|e| plugin(&e))?;
        Self::create(new, name, reference, old.algorithm.as_deref())
    }

    /// Opens the key `name` of the authority in `dir`.
    pub(crate) fn open(dir: &Path, name: &str, password: &Secret) -> Result<Self> {
        let (file, kept) = (path(dir, name, "key"), path(dir, name, "kms"));
        let key = match (file.exists(), kept.exists()) {
            (true, true) => {
                return Err(Error::broken(format!(
                    "{} and {} are both there",
                    file.display(),
                    kept.display()
                ))
                .hint(
                    "one of them is not the authority's key: compare with the trusted root, and remove it",
                ));
            }
            (false, true) => {
                let reference = Kept::read(&kept)?.reference;
                Self::Kept(Arc::new(wait(KmsSigner::open(reference))?.map_err(|e| plugin(&e))?))
            }
            _ => {
                let bytes = std::fs::read(&file)
                    .map_err(|e| Error::local(format!("cannot read {}: {e}", file.display())))?;
                PrivateKey::from_pem(&bytes, Some(password))
                    .map_err(|e| Error::local(format!("cannot use {}: {e}", file.display())))?
                    .into()
            }
        };
        key.is_p256(name)?;
        Ok(key)
    }

    /// Makes the key `name` of the authority in `dir`, or finds it where it is.
    pub(crate) fn make(dir: &Path, name: &str, keys: &Keys<'_>) -> Result<Self> {
        let elsewhere = |prefix: &Reference| {
            Reference::new(prefix.name(), &format!("{}-{name}", prefix.resource())).map_err(|e| plugin(&e))
        };
        match keys {
            Keys::Files(password) => {
                let failed = |e: seaworthy_sign::Error| Error::local(format!("cannot make a key: {e}"));
                let key = PrivateKey::generate(Algorithm::EcdsaP256).map_err(failed)?;
                let text = key.to_encrypted_pem(password).map_err(failed)?;
                crate::init::write(&path(dir, name, "key"), text.as_bytes())?;
                Ok(key.into())
            }
            Keys::Made { prefix, algorithm } => Self::create(dir, name, elsewhere(prefix)?, *algorithm),
            Keys::There(prefix) => {
                let key = wait(KmsSigner::open(elsewhere(prefix)?))?.map_err(|e| plugin(&e))?;
                Self::keep(dir, name, key, None)
            }
        }
    }

    fn create(dir: &Path, name: &str, reference: Reference, algorithm: Option<&str>) -> Result<Self> {
        let key = wait(created(reference, algorithm))?.map_err(|e| plugin(&e))?;
        Self::keep(dir, name, key, algorithm)
    }

    fn keep(dir: &Path, name: &str, key: KmsSigner, algorithm: Option<&str>) -> Result<Self> {
        let algorithm = algorithm.map(|word| format!("{word}\n")).unwrap_or_default();
        let text = format!("{}\n{algorithm}", key.reference());
        let key = Self::Kept(Arc::new(key));
        key.is_p256(name)?;
        crate::init::write(&path(dir, name, "kms"), text.as_bytes())?;
        Ok(key)
    }

    fn is_p256(&self, name: &str) -> Result<()> {
        let found = self.public_key().algorithm();
        if found == Algorithm::EcdsaP256 {
            return Ok(());
        }
        Err(Error::usage(format!("the authority's key {name} is {found}, and it has to be ecdsa-p256"))
            .hint("give the plugin's word for P-256: --kms-algorithm"))
    }
}

async fn created(reference: Reference, algorithm: Option<&str>) -> seaworthy_sign::Result<KmsSigner> {
    let plugin = Plugin::find(reference.clone())?;
    let algorithm = match algorithm {
        Some(word) => word.to_owned(),
        None => plugin.default_algorithm().await?,
    };
    plugin.create_key(&algorithm).await?;
    // Asked anew, as it will be from here on: a key that cannot be found again is of no use.
    KmsSigner::open(reference).await
}

/// What `keys/NAME.kms` says.
struct Kept {
    reference: Reference,
    algorithm: Option<String>,
}

impl Kept {
    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let local = |e: std::io::Error| Error::local(format!("cannot read {shown}: {e}"));
        if std::fs::metadata(path).map_err(local)?.len() > REFERENCE_FILE_BYTES {
            return Err(Error::broken(format!("{shown} is larger than {REFERENCE_FILE_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(local)?;
        let mut lines = text.lines();
        let reference = lines.next().map(|line| KeyRef::of(Path::new(line)));
        let algorithm = lines.next().map(str::to_owned);
        match (reference, lines.next()) {
            (Some(Ok(KeyRef::Plugin(reference))), None) => Ok(Self { reference, algorithm }),
            _ => Err(Error::broken(format!("{shown} is not a line NAME://RESOURCE"))),
        }
    }
}

fn path(dir: &Path, name: &str, kind: &str) -> std::path::PathBuf {
    dir.join("keys").join(format!("{name}.{kind}"))
}

fn failed(e: &seaworthy_sign::Error) -> Error {
    Error::local(format!("cannot sign: {e}"))
}

fn plugin(e: &seaworthy_sign::Error) -> Error {
    let error = Error::local(e.to_string());
    match &e.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    }
}

/// The names of the authority's keys, in the order in which they are made.
pub(crate) const NAMES: [&str; 6] = ["root", "issuer", "timestamp", "log", "ct", "tokens"];

/// Where an authority's keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Some are in encrypted files, so that a password is needed.
    Files,
    /// All that are there are with a plugin.
    Plugin,
}

impl Place {
    /// Of the authority in `dir`.
    pub fn of(dir: &Path) -> Self {
        let files = NAMES.iter().any(|name| path(dir, name, "key").exists());
        let kept = NAMES.iter().any(|name| path(dir, name, "kms").exists());
        if kept && !files { Self::Plugin } else { Self::Files }
    }
}
