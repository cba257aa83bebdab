//! Keys that somebody else keeps: a key management service behind a plugin program.
//!
//! A reference `NAME://RESOURCE` is served by the program `sigstore-kms-NAME`, which is looked for in the
//! PATH and run once a question, with version `v1` of the protocol that cosign speaks ([`wire`](self)). What
//! a plugin says is believed in one respect alone, that a key is the one that RESOURCE names; its signatures
//! are checked with that key before anybody else sees them.
//!
//! It refuses: names that are no program's name, plugins that do not answer in time, answer with more than
//! [`PLUGIN_OUTPUT_BYTES`], with something else than the protocol, with a key that we do not use, or with a
//! signature that does not verify.

mod run;
mod wire;

use crate::blob::Blob;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, Hash, PublicKey};
use crate::pem::shown;
use crate::signer::{Material, Payload, Signed, Signer};
use async_trait::async_trait;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use wire::{Method, Response};

/// What a plugin may write to standard output. Signatures and keys have a few hundred bytes; the protocol's
/// own client expects less than this.
pub const PLUGIN_OUTPUT_BYTES: usize = 1 << 20;

/// How much of a plugin's complaints is kept for a message: enough for a reason, not for a log.
pub const STDERR_BYTES: usize = 2 << 10;

/// How long a plugin may take for one answer. Services answer within a second; a minute leaves room for one
/// that has to log in first.
pub const PLUGIN_TIME: Duration = Duration::from_secs(60);

/// The longest deadline that can be asked for: an hour, for keys that a person has to release.
pub const LONGEST_PLUGIN_TIME: Duration = Duration::from_secs(3_600);

/// The variable with another number of seconds than [`PLUGIN_TIME`].
pub const TIMEOUT_VARIABLE: &str = "SEAWORTHY_KMS_TIMEOUT";

/// What a program's name begins with.
const PREFIX: &str = "sigstore-kms-";

/// A reference's length: the program gets it as an argument.
const REFERENCE_BYTES: usize = 4 << 10;

/// `NAME://RESOURCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    name: String,
    resource: String,
}

impl Reference {
    /// The reference `name://resource`.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] where `name` is no name of a program (letters, digits, `-`, `_` and `.`,
    /// beginning with a letter or digit), or `resource` is empty or longer than 4 KiB.
    pub fn new(name: &str, resource: &str) -> Result<Self> {
        let bad = |why: &str| {
            let text = format!("key '{}'", shown(&format!("{name}://{resource}")));
            Error::new("use", text, ErrorKind::BadInput(why.to_owned()))
                .hint("NAME://RESOURCE, where sigstore-kms-NAME is a program")
        };
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.chars().all(good)
            || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || name.len() > 64
        {
            return Err(bad("this is no name of a plugin"));
        }
        if resource.is_empty() || resource.len() > REFERENCE_BYTES || resource.contains('\0') {
            return Err(bad("it names no key of the plugin's"));
        }
        Ok(Self { name: name.to_owned(), resource: resource.to_owned() })
    }

    /// Whose plugin it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the plugin calls the key.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The program.
    pub fn program(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.name, self.resource)
    }
}

/// A plugin that was found, and the key that it is asked about.
#[derive(Debug, Clone)]
pub struct Plugin {
    reference: Reference,
    program: PathBuf,
    within: Duration,
}

impl Plugin {
    /// Looks for the program in the PATH. Relative entries of the PATH are passed over: what is run must not
    /// depend on the folder that one is in.
    ///
    /// # Errors
    /// [`ErrorKind::PluginMissing`], or [`ErrorKind::BadInput`] for a [`TIMEOUT_VARIABLE`] that is none.
    pub fn find(reference: Reference) -> Result<Self> {
        let program = reference.program();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(&program))
            .find(|candidate| is_program(candidate));
        let Some(found) = found else {
            let hint = match reference.name() {
                "awskms" | "gcpkms" | "azurekms" | "hashivault" => format!(
                    "cosign has {} built in; here it is a plugin like every other: install {program}",
                    reference.name()
                ),
                _ => format!("install the plugin {program}, or write ./ before the name of a file"),
            };
            return Err(Error::new("use", reference, ErrorKind::PluginMissing(program)).hint(hint));
        };
        Ok(Self { reference, program: found, within: deadline()? })
    }

    /// What it is asked about.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The algorithm of the keys that it makes unless told otherwise, in its own words.
    ///
    /// # Errors
    /// [`ErrorKind::Signer`] or [`ErrorKind::PluginSilent`].
    pub async fn default_algorithm(&self) -> Result<String> {
        let answer = self.ask(Method::DefaultAlgorithm, Hash::Sha256, &[]).await?;
        Ok(self.part(answer.default_algorithm, Method::DefaultAlgorithm)?.default_algorithm)
    }

    /// The algorithms of the keys that it can make, in its own words.
    ///
    /// # Errors
    /// [`ErrorKind::Signer`] or [`ErrorKind::PluginSilent`].
    pub async fn supported_algorithms(&self) -> Result<Vec<String>> {
        let answer = self.ask(Method::SupportedAlgorithms, Hash::Sha256, &[]).await?;
        Ok(self.part(answer.supported_algorithms, Method::SupportedAlgorithms)?.supported_algorithms)
    }

    /// The public half of the key.
    ///
    /// # Errors
    /// [`ErrorKind::Signer`], [`ErrorKind::PluginSilent`], or those of [`PublicKey::from_pem`].
    pub async fn public_key(&self) -> Result<PublicKey> {
        let answer = self.ask(Method::PublicKey, Hash::Sha256, &[]).await?;
        self.key(&self.part(answer.public_key, Method::PublicKey)?.pem.0)
    }

    /// Has a key made under the name of the reference. What becomes of one that is there already is the
    /// plugin's decision.
    ///
    /// # Errors
    /// As [`Plugin::public_key`].
    pub async fn create_key(&self, algorithm: &str) -> Result<PublicKey> {
        let method = Method::CreateKey { algorithm };
        let answer = self.ask(method, Hash::Sha256, &[]).await?;
        self.key(&self.part(answer.create_key, method)?.pem.0)
    }

    fn key(&self, pem: &[u8]) -> Result<PublicKey> {
        PublicKey::from_pem(pem).map_err(|e| e.about(format_args!("public key of {}", self.reference)))
    }

    async fn sign(&self, message: &[u8], digest: Option<&[u8]>, hash: Hash) -> Result<Vec<u8>> {
        let method = Method::SignMessage { digest };
        let answer = self.ask(method, hash, message).await?;
        Ok(self.part(answer.sign_message, method)?.signature.0)
    }

    fn failed(&self, method: Method<'_>, why: String) -> Error {
        Error::new(format!("ask {} for", self.reference.program()), method.name(), ErrorKind::Signer(why))
    }

    /// The part of an answer that was asked for.
    fn part<T>(&self, part: Option<T>, method: Method<'_>) -> Result<T> {
        part.ok_or_else(|| self.failed(method, "its answer is to another question".into()))
    }

    async fn ask(&self, method: Method<'_>, hash: Hash, message: &[u8]) -> Result<Response> {
        let until = jiff::Timestamp::now()
            .checked_add(jiff::SignedDuration::try_from(self.within).unwrap_or_default())
            .map_err(|e| self.failed(method, e.to_string()))?;
        let argument = wire::argument(self.reference.resource(), hash, &until.to_string(), method)
            .map_err(|e| self.failed(method, e.to_string()))?;
        let said = run::run(&self.program, [wire::VERSION, &argument], message, self.within).await?;
        // The exit code is of no account in this protocol; it helps where there is no answer.
        let answer: Response = serde_json::from_slice(&said.stdout).map_err(|e| {
            let what = match said.stdout.is_empty() {
                true => "it says nothing".to_owned(),
                false => format!("what it says is not the protocol: {e}"),
            };
            self.failed(method, format!("{what} ({}){}", said.ended, run::also(&said.stderr)))
                .hint("it must speak version v1 of sigstore's plugin protocol, with nothing else on standard output")
        })?;
        if !answer.error_message.is_empty() {
            let why = run::said(answer.error_message.as_bytes(), STDERR_BYTES);
            return Err(self.failed(method, format!("{why}{}", run::also(&said.stderr))));
        }
        Ok(answer)
    }
}

/// [`PLUGIN_TIME`], or what the environment says.
fn deadline() -> Result<Duration> {
    let Some(text) = std::env::var_os(TIMEOUT_VARIABLE) else { return Ok(PLUGIN_TIME) };
    let seconds = text.to_str().and_then(|t| t.parse::<u64>().ok()).map(Duration::from_secs);
    seconds.filter(|s| !s.is_zero() && *s <= LONGEST_PLUGIN_TIME).ok_or_else(|| {
        let why = format!("it is no number of seconds from 1 to {}", LONGEST_PLUGIN_TIME.as_secs());
        Error::new("use", TIMEOUT_VARIABLE, ErrorKind::BadInput(why))
    })
}

#[cfg(unix)]
fn is_program(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &std::path::Path) -> bool {
    path.is_file()
}

/// A key behind a plugin.
#[derive(Debug, Clone)]
pub struct KmsSigner {
    plugin: Plugin,
    public: PublicKey,
}

impl KmsSigner {
    /// Asks for the public key, and signs with the private one.
    ///
    /// # Errors
    /// Those of [`Plugin::find`] and [`Plugin::public_key`].
    pub async fn open(reference: Reference) -> Result<Self> {
        let plugin = Plugin::find(reference)?;
        let public = plugin.public_key().await?;
        Ok(Self { plugin, public })
    }

    /// What it is asked about.
    pub fn reference(&self) -> &Reference {
        self.plugin.reference()
    }

    /// Signs bytes as they are.
    ///
    /// # Errors
    /// As [`Signer::sign_payload`].
    pub async fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>> {
        self.sign(&Payload::Blob(message)).await
    }

    async fn sign(&self, payload: &Payload<'_>) -> Result<Vec<u8>> {
        let algorithm = self.public.algorithm();
        let digest = algorithm.signs_digests().then(|| payload.digest(algorithm.hash()));
        let signature = self.plugin.sign(&payload.message(), digest.as_deref(), algorithm.hash()).await?;
        self.public.verify(payload, &signature).map_err(|_| self.lies(None))?;
        Ok(signature)
    }

    fn lies(&self, hint: Option<&str>) -> Error {
        let why = "its signature does not verify with the public key that it gave";
        let error = self.plugin.failed(Method::SignMessage { digest: None }, why.into());
        error.hint(
            hint.unwrap_or("nothing was pushed; does the key still have the version that was asked for?"),
        )
    }

    fn material(&self) -> Material {
        Material::PublicKey { hint: self.public.hint() }
    }
}

#[async_trait]
impl Signer for KmsSigner {
    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        Ok(Signed { signature: self.sign(payload).await?, material: self.material() })
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        let signature = match blob.content() {
            Some(bytes) => self.sign(&Payload::Blob(bytes)).await?,
            None => {
                let (digest, hash) = (blob.digest(), self.public.algorithm().hash());
                let signature = self.plugin.sign(&[], Some(digest), hash).await?;
                let hint = "a file is signed by its digest; a plugin that hashes standard input cannot";
                self.public.verify_digest(digest, &signature).map_err(|_| self.lies(Some(hint)))?;
                signature
            }
        };
        Ok(Signed { signature, material: self.material() })
    }
}
