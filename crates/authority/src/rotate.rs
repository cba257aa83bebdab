//! New keys for an authority that goes on: a log is closed and a new one begun, a certificate is replaced.
//!
//! The old key's window in the trusted root is ended, and the new one's begins; what was signed stays good. The server
//! must be stopped, so that nothing is signed with a key whose window has ended. The root's key is read for
//! certificates alone. A new root brings a new issuer and new timestamps with it, and the old root stays in the trusted
//! root, for what was signed below it. A closed log is kept and served under a number; its private key is deleted, because a log
//! that nobody can sign for is one that nobody can fork. (What a plugin keeps, it keeps: it must be disabled there.)
//!
//! All that is new is made in `rotation.new`, which is then renamed to `rotation`: from that moment on the rotation has
//! happened. [`finish`] moves the files to their places, and can be run again after a crash anywhere within it.

use crate::config::{Address, Config};
use crate::error::{Error, Result};
use crate::folder::{self, Log, lock, sync};
use crate::init::{first_entry, write};
use crate::keys::Key;
use crate::limits::{CERTIFICATE_SECONDS, SHARDS};
use crate::log::store::Store;
use crate::server::certificate;
use crate::trust::{self, TRUSTED_ROOT};
use crate::x509::{self, Certificate, pem};
use jiff::{SignedDuration, Timestamp};
use seaworthy_sign::Secret;
use serde_json::Value;
use std::path::{Path, PathBuf};

const NEW: &str = "rotation.new";
const BEGUN: &str = "rotation";

/// What can be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The log of signatures: it is closed, and a new one begins.
    Log,
    /// The log of certificates, likewise.
    CertificateLog,
    /// The key and certificate that sign certificates.
    Issuer,
    /// The key and certificate that sign timestamps.
    Timestamps,
    /// The key of the built-in issuer; tokens made before are no longer believed.
    Tokens,
    /// The root, and with it what is below: issuer and timestamps. The old root's key is not needed.
    Root,
}

/// Whether a rotation was begun, or is being prepared.
pub(crate) fn under_way(dir: &Path) -> bool {
    dir.join(NEW).exists() || dir.join(BEGUN).exists()
}

/// Replaces `parts` of the authority in `dir`, which nobody serves.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] where nothing is named or there are too many closed logs, [`crate::ErrorKind::Local`]
/// where it is served or a key cannot be read, [`crate::ErrorKind::Broken`] where its files contradict each other.
pub fn rotate(dir: &Path, password: &Secret, parts: &[Part]) -> Result<()> {
    let _lock = lock(dir)?;
    finish(dir)?;
    replace(dir, password, parts)
}

/// [`rotate`], by somebody who has the folder.
pub(crate) fn replace(dir: &Path, password: &Secret, parts: &[Part]) -> Result<()> {
    if parts.is_empty() {
        return Err(Error::usage("nothing is named that is to be replaced"));
    }
    let (_, address) = Config::load(dir)?;
    let new = dir.join(NEW);
    let local = |e: std::io::Error| Error::local(format!("cannot prepare {}: {e}", new.display()));
    // What a run before this one prepared and never began.
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(local)?;
    }
    for made in [new.clone(), new.join("keys"), new.join("certs")] {
        std::fs::create_dir(&made).map_err(local)?;
    }
    let made = Making { dir, new: &new, address: &address, password, now: Timestamp::now() }.all(parts);
    if made.is_err() {
        // Only what this run made, and only because it failed.
        let _ = std::fs::remove_dir_all(&new);
    }
    made?;
    for made in [new.join("keys"), new.join("certs"), new.clone()] {
        sync(&made)?;
    }
    std::fs::rename(&new, dir.join(BEGUN)).map_err(local)?;
    sync(dir)?;
    finish(dir)
}

/// What goes into `rotation.new`.
struct Making<'a> {
    dir: &'a Path,
    new: &'a Path,
    address: &'a Address,
    password: &'a Secret,
    now: Timestamp,
}

impl Making<'_> {
    fn all(&self, parts: &[Part]) -> Result<()> {
        let mut root = trust::read(self.dir, TRUSTED_ROOT)?;
        let organization = trust::organization(&root)?;
        let from = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
        let mut parts = parts.to_vec();
        if parts.contains(&Part::Root) {
            parts.extend([Part::Issuer, Part::Timestamps]);
        }
        parts.sort_unstable();
        parts.dedup();
        let above = match parts.iter().any(|part| matches!(part, Part::Issuer | Part::Timestamps)) {
            true => Some(self.above(&parts, &organization, from)?),
            false => None,
        };
        for part in &parts {
            match part {
                Part::Log => self.log(Log::Signatures, "tlogs", &self.address.url, &mut root, from)?,
                Part::CertificateLog => {
                    let url = format!("{}/ct", self.address.url);
                    self.log(Log::Certificates, "ctlogs", &url, &mut root, from)?;
                }
                Part::Issuer | Part::Timestamps => {
                    if let Some(above) = &above {
                        self.certificate(*part, &organization, above, &mut root, from)?;
                    }
                }
                Part::Tokens => drop(self.key("tokens")?),
                // It was made above; the trusted root has it in the chains of what is below it.
                Part::Root => {}
            }
        }
        let signing_config = trust::read(self.dir, trust::SIGNING_CONFIG)?;
        for (name, text) in trust::files(&root, &signing_config) {
            write(&self.new.join(name), text.as_bytes())?;
            if name == TRUSTED_ROOT && parts.contains(&Part::Log) {
                let key = Key::open(self.new, Log::Signatures.name(), self.password)?;
                first_entry(self.new, self.address, key, text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The key that takes the place of `name`, in the same way of keeping.
    fn key(&self, name: &str) -> Result<Key> {
        Key::succeed(self.dir, self.new, name, self.password)
    }

    /// The end of a window: nothing is signed with the old key any more, and clocks have whole seconds.
    fn end(&self, after: i64) -> Timestamp {
        self.now + SignedDuration::from_secs(1 + after)
    }

    fn log(&self, log: Log, list: &str, url: &str, root: &mut Value, from: Timestamp) -> Result<()> {
        let number = folder::closed(self.dir, log)?.len() + 1;
        if number > SHARDS {
            return Err(Error::usage(format!("{SHARDS} logs were closed already"))
                .hint("make a new authority, and list both in the trusted root"));
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let key = self.key(log.name())?;
        Store::create(&self.new.join(log.name()), &log.origin(self.address), &key)?;
        write(&self.new.join(format!("{}.closes", log.name())), number.to_string().as_bytes())?;
        let closed = log.closed_url(self.address, number);
        let next = trust::log(url, key.public_key(), from);
        trust::succeed(root, list, "/publicKey/validFor", self.end(0), Some(&closed), next)
    }

    /// The root that signs new certificates, and its key: the one that is there, or a new one.
    fn above(&self, parts: &[Part], organization: &str, from: Timestamp) -> Result<(Certificate, Key)> {
        if parts.contains(&Part::Root) {
            let key = self.key("root")?;
            let der = x509::root(organization, &key, from, crate::init::until(from))?;
            let made = Certificate::read(&der)
                .ok_or_else(|| Error::local("cannot read the certificate that was just made"))?;
            write(&self.new.join("certs").join("root.pem"), pem("CERTIFICATE", &der).as_bytes())?;
            return Ok((made, key));
        }
        let above = certificate(self.dir, "root", None)?;
        let above_key = Key::open(self.dir, "root", self.password).map_err(|e| {
            e.hint("the root's key signs new certificates: put it back into keys/ for as long")
        })?;
        if above_key.public_key().as_spki_der() != above.spki {
            return Err(Error::broken("certs/root.pem is not the certificate of keys/root.key"));
        }
        Ok((above, above_key))
    }

    fn certificate(
        &self,
        part: Part,
        organization: &str,
        (above, above_key): &(Certificate, Key),
        root: &mut Value,
        from: Timestamp,
    ) -> Result<()> {
        let name = if part == Part::Issuer { "issuer" } else { "timestamp" };
        let key = self.key(name)?;
        let make = if part == Part::Issuer { x509::issuing } else { x509::timestamping };
        let der = make(organization, key.public_key(), above, above_key, from)?;
        let made = Certificate::read(&der)
            .ok_or_else(|| Error::local("cannot read the certificate that was just made"))?;
        write(&self.new.join("certs").join(format!("{name}.pem")), pem("CERTIFICATE", &der).as_bytes())?;
        let url = &self.address.url;
        let chain = [&made, above];
        let (list, end, next) = match part {
            // The certificates that it gave out are used until they end.
            Part::Issuer => (
                "certificateAuthorities",
                self.end(CERTIFICATE_SECONDS),
                trust::authority(organization, "root", url, chain, from),
            ),
            _ => (
                "timestampAuthorities",
                self.end(0),
                trust::authority(organization, "timestamps", &format!("{url}/api/v1/timestamp"), chain, from),
            ),
        };
        trust::succeed(root, list, "/validFor", end, None, next)
    }
}

/// Moves what a rotation that was begun has made to its place. Each step looks first whether it was done.
pub(crate) fn finish(dir: &Path) -> Result<()> {
    let begun = dir.join(BEGUN);
    if !begun.exists() {
        return Ok(());
    }
    let failed =
        |e: std::io::Error| Error::local(format!("cannot finish the rotation in {}: {e}", dir.display()));
    for log in Log::BOTH {
        let new = begun.join(log.name());
        if !new.exists() {
            continue;
        }
        let number = std::fs::read_to_string(begun.join(format!("{}.closes", log.name()))).map_err(failed)?;
        let (now, closed) = (dir.join(log.name()), dir.join(format!("{}-{number}", log.name())));
        if !closed.exists() {
            std::fs::rename(&now, &closed).map_err(failed)?;
            sync(dir)?;
        }
        std::fs::rename(&new, &now).map_err(failed)?;
        sync(dir)?;
    }
    let mut files: Vec<PathBuf> = trust_files();
    for folder in ["keys", "certs"] {
        for entry in std::fs::read_dir(begun.join(folder)).map_err(failed)? {
            files.push(Path::new(folder).join(entry.map_err(failed)?.file_name()));
        }
    }
    for file in files {
        let new = begun.join(&file);
        if new.exists() {
            std::fs::rename(&new, dir.join(&file)).map_err(failed)?;
        }
    }
    for changed in [dir.join("keys"), dir.join("certs"), dir.to_owned()] {
        sync(&changed)?;
    }
    std::fs::remove_dir_all(&begun).map_err(failed)?;
    sync(dir)
}

fn trust_files() -> Vec<PathBuf> {
    [TRUSTED_ROOT, trust::SIGNING_CONFIG, trust::TRUST_CONFIG].map(PathBuf::from).into()
}
