//! Signed and not yet pushed: kept on disk until it is, so that no certificate and no log entry is lost.
//!
//! One directory for a destination and a digest, one file for a piece of evidence. A file is whole or not
//! there (written elsewhere, then renamed), and goes away when what it holds is pushed. A run that dies in
//! between leaves files; the next run pushes them before it signs anything. What is read back is untrusted:
//! it is pushed only where its signer is ours and its subject is the one asked for.

use crate::context::{self, Access};
use crate::exit::{Failure, Outcome};
use seaworthy_oci::{Digest, Location};
use seaworthy_sign::Evidence;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files of one directory; a release makes a handful for each image.
const FILES: usize = 256;

/// How old a file without its last name may be before it is nobody's.
const UNNAMED: Duration = Duration::from_secs(3_600);

/// What is kept for one digest at one destination.
pub(crate) struct Journal {
    dir: PathBuf,
}

/// A file of the journal.
pub(crate) struct Kept {
    path: PathBuf,
}

/// `SEAWORTHY_STATE_DIR`, else where the XDG base directory specification puts such things.
pub(crate) fn state_dir() -> Outcome<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("SEAWORTHY_STATE_DIR")
        .or_else(|| Some(set("XDG_STATE_HOME")?.join("seaworthy")))
        .or_else(|| Some(set("HOME")?.join(".local/state/seaworthy")))
        .ok_or_else(|| {
            Failure::local("there is no place to keep signatures until they are pushed")
                .hint("set SEAWORTHY_STATE_DIR to a directory that outlives this run")
        })
}

impl Journal {
    /// The journal of `digest` at `location`. Nothing is made yet.
    pub(crate) fn of(location: &Location, digest: &Digest) -> Outcome<Self> {
        let place = match location.path().map(std::path::absolute) {
            Some(Ok(path)) => path.display().to_string(),
            _ => location.to_string(),
        };
        let place = Digest::sha256(place.as_bytes());
        Ok(Self { dir: state_dir()?.join("journal").join(place.hex()).join(digest.hex()) })
    }

    /// The journal of bundles about a file, that come of signing `payload` (its digest): they are written, not
    /// pushed.
    pub(crate) fn of_file(payload: &Digest) -> Outcome<Self> {
        Ok(Self { dir: state_dir()?.join("journal").join("files").join(payload.hex()) })
    }

    /// Keeps `evidence`.
    pub(crate) fn keep(&self, evidence: &Evidence) -> Outcome<Kept> {
        self.keep_json(&evidence.to_json()?)
    }

    /// Keeps a bundle.
    pub(crate) fn keep_json(&self, json: &[u8]) -> Outcome<Kept> {
        let fail = |e: std::io::Error| {
            Failure::local(format!("cannot keep signatures in {}: {e}", self.dir.display()))
                .hint("set SEAWORTHY_STATE_DIR to a directory that can be written to")
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir).map_err(fail)?;
        let path = self.dir.join(format!("{}.json", Digest::sha256(json).hex()));
        context::write_file(&path, json, Access::Secret)?;
        // The name itself has to survive, not only the content.
        std::fs::File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(fail)?;
        Ok(Kept { path })
    }

    /// The evidence that an earlier run kept, in a fixed order.
    pub(crate) fn kept(&self) -> Outcome<Vec<(Kept, Evidence)>> {
        self.kept_json()?.into_iter().map(|(kept, json)| Ok((kept, Evidence::from_json(&json)?))).collect()
    }

    /// What an earlier run kept, in a fixed order.
    pub(crate) fn kept_json(&self) -> Outcome<Vec<(Kept, Vec<u8>)>> {
        let fail = |path: &Path, e: std::io::Error| {
            Failure::local(format!("cannot read kept signatures at {}: {e}", path.display()))
        };
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(fail(&self.dir, e)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| fail(&self.dir, e))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                paths.push(path);
            } else if is_left_over(&path) {
                let _ = std::fs::remove_file(&path);
            }
            if paths.len() > FILES {
                return Err(Failure::local(format!("more than {FILES} files in {}", self.dir.display())));
            }
        }
        paths.sort();
        let mut kept = Vec::with_capacity(paths.len());
        for path in paths {
            let json = context::read_kept(&path)?;
            kept.push((Kept { path }, json));
        }
        Ok(kept)
    }

    /// Forgets what was pushed.
    pub(crate) fn done(&self, kept: Kept) -> Outcome<()> {
        match std::fs::remove_file(&kept.path) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Failure::local(format!("cannot remove {}: {e}", kept.path.display()))),
        }
        // Empty directories are tidied up where that works; a run beside this one may still use them.
        let _ = std::fs::remove_dir(&self.dir);
        let _ = self.dir.parent().map(std::fs::remove_dir);
        Ok(())
    }
}

/// A run that was killed may leave a file without its last name, which holds nothing that counts. A run beside this
/// one may be about to name it; none takes so long.
fn is_left_over(path: &Path) -> bool {
    let age = path.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > UNNAMED)
}

impl Kept {
    /// For messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
