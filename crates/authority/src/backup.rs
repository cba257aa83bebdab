//! A consistent copy of an authority that is being served, and an authority made of such a copy.
//!
//! A copy is consistent because a log's checkpoint is copied before its entries, which only grow: the copy has all that
//! its checkpoint covers, and both are read and compared before the copy gets its name. It cannot be served: since it
//! was made, the log may have acknowledged more, and a second history would be a fork that clients take for fraud.
//! [`restore`] therefore closes both logs as they are in the copy and begins new ones with new keys.

use crate::config::{Address, Config, FILE};
use crate::error::{Error, Result};
use crate::folder::{self, BACKUP, LOG_KEY, Log, sync};
use crate::log::store::View;
use crate::rotate::{self, Part};
use crate::trust::{SIGNING_CONFIG, TRUST_CONFIG, TRUSTED_ROOT};
use seaworthy_sign::Secret;
use serde_json::json;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Signatures in the log that was open.
    pub signatures: u64,
    /// Certificates, likewise.
    pub certificates: u64,
}

fn local(what: &str, path: &Path, e: &std::io::Error) -> Error {
    Error::local(format!("cannot {what} {}: {e}", path.display()))
}

/// Copies as many bytes as there are now.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let source = File::open(from).map_err(|e| local("read", from, &e))?;
    let meta = source.metadata().map_err(|e| local("read", from, &e))?;
    let mut target = File::create_new(to).map_err(|e| local("write", to, &e))?;
    target.set_permissions(meta.permissions()).map_err(|e| local("write", to, &e))?;
    std::io::copy(&mut source.take(meta.len()), &mut target)
        .and_then(|_| target.sync_all())
        .map_err(|e| local("write", to, &e))
}

fn private_dir(dir: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| local("make", dir, &e))
}

/// Copies the authority in `from` to `to`, which is made, and reads the copy.
fn copy_all(from: &Path, to: &Path) -> Result<Copied> {
    let (_, address) = Config::load(from)?;
    private_dir(to)?;
    for name in ["keys", "certs"] {
        private_dir(&to.join(name))?;
        let entries = std::fs::read_dir(from.join(name)).map_err(|e| local("read", &from.join(name), &e))?;
        for entry in entries {
            let name = Path::new(name).join(entry.map_err(|e| local("read", from, &e))?.file_name());
            copy(&from.join(&name), &to.join(&name))?;
        }
        sync(&to.join(name))?;
    }
    for name in [FILE, TRUSTED_ROOT, SIGNING_CONFIG, TRUST_CONFIG] {
        copy(&from.join(name), &to.join(name))?;
    }
    let mut sizes = [0; 2];
    for (size, log) in sizes.iter_mut().zip(Log::BOTH) {
        for closed in folder::closed(from, log)? {
            copy_log(&closed.dir, &to.join(format!("{}-{}", log.name(), closed.number)), log, &address)?;
        }
        *size = copy_log(&from.join(log.name()), &to.join(log.name()), log, &address)?;
    }
    sync(to)?;
    let [signatures, certificates] = sizes;
    Ok(Copied { signatures, certificates })
}

/// The checkpoint first: what it covers is on disk already.
fn copy_log(from: &Path, to: &Path, log: Log, address: &Address) -> Result<u64> {
    private_dir(to)?;
    for name in ["checkpoint", LOG_KEY, "entries"] {
        copy(&from.join(name), &to.join(name))?;
    }
    sync(to)?;
    Ok(View::open(to, &log.origin(address), &folder::log_key(to)?)?.checkpoint().size)
}

/// A folder beside `dir` to make it in, and the folder above both.
fn beside(dir: &Path) -> Result<(PathBuf, PathBuf)> {
    if dir.exists() {
        return Err(
            Error::usage(format!("{} is there already", dir.display())).hint("name a folder that is not")
        );
    }
    let name = dir.file_name().ok_or_else(|| Error::usage("the folder needs a name"))?.to_string_lossy();
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((parent.join(format!(".{name}.new-{}", std::process::id())), parent.to_owned()))
}

/// Makes a folder whole or not at all.
fn made<T>(dir: &Path, make: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let (new, parent) = beside(dir)?;
    let result = make(&new).and_then(|made| {
        std::fs::rename(&new, dir).map_err(|e| local("make", dir, &e))?;
        sync(&parent)?;
        Ok(made)
    });
    if result.is_err() {
        // Only what this run made, and only because it failed.
        let _ = std::fs::remove_dir_all(&new);
    }
    result
}

/// Copies the authority in `dir`, served or not, to the folder `to`, which is not there yet.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] where `to` is there, [`crate::ErrorKind::Local`] where the disk refuses or a rotation is
/// under way, [`crate::ErrorKind::Broken`] where `dir` is a backup or its files contradict each other.
pub fn backup(dir: &Path, to: &Path) -> Result<Copied> {
    if dir.join(BACKUP).exists() {
        return Err(Error::broken(format!("{} is a backup itself", dir.display())));
    }
    let steady = || match rotate::under_way(dir) {
        true => Err(Error::local(format!("a rotation of {} is under way", dir.display()))
            .hint("try again when it is done; where it broke off, `authority serve` finishes it")),
        false => Ok(()),
    };
    steady()?;
    made(to, |new| {
        let copied = copy_all(dir, new)?;
        steady()?;
        let note = json!({
            "madeFrom": dir.display().to_string(),
            "signatures": copied.signatures,
            "certificates": copied.certificates,
        });
        let path = new.join(BACKUP);
        std::fs::write(&path, format!("{note:#}\n")).map_err(|e| local("write", &path, &e))?;
        Ok(copied)
    })
}

/// Makes an authority in `dir`, which is not there yet, of the backup `from`. Its logs are closed as they were, and new
/// ones begin.
///
/// # Errors
/// As [`backup`]; [`crate::ErrorKind::Usage`] where `from` is no backup, [`crate::ErrorKind::Local`] where `password`
/// is not that of its keys.
pub fn restore(from: &Path, dir: &Path, password: &Secret) -> Result<Copied> {
    if !from.join(BACKUP).exists() {
        return Err(Error::usage(format!("{} is no backup", from.display()))
            .hint("`seaworthy authority backup` makes one; any other copy may be half of something"));
    }
    made(dir, |new| {
        let copied = copy_all(from, new)?;
        // The password is proven before anything goes by it: new keys get it too.
        crate::keys::Key::open(new, "issuer", password)?;
        rotate::replace(new, password, &[Part::Log, Part::CertificateLog])?;
        Ok(copied)
    })
}
