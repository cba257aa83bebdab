//! Writing into a layout directory so that nobody ever reads half a file and no writer undoes another.
//!
//! Blobs are written to a temporary file beside their place, hashed on the way, synced and renamed.
//! `index.json` is changed under a lock (`.seaworthy.lock`, which stays) and replaced by renaming. A
//! manifest is refused while a blob or child that it names is missing: a registry would refuse it too.

use super::index::IndexFile;
use super::store::{self, Store, off_reactor};
use super::{BLOBS, Dir, INDEX, Layout, MARKER, io_error, open_file};
use crate::digest::CheckedReader;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::manifest::{Descriptor, Manifest, RawManifest};
use crate::source::{BlobContent, Pushed, Selector, Sink, TagEdit, from_io};
use async_trait::async_trait;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const LOCK: &str = ".seaworthy.lock";
const TEMPORARY: &str = ".seaworthy-";

/// A temporary file that is gone when it was not kept.
struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    fn new(dir: &Path) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let n = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("{TEMPORARY}{}-{n}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file, path, kept: false }),
                // A process with our number in another container, or one that died: take the next name.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn keep_as(mut self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, to)?;
        self.kept = true;
        #[cfg(unix)]
        if let Some(dir) = to.parent() {
            // The rename itself must survive a power cut.
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing can be done about a failure here, and a stray temporary file harms nobody.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Dir {
    pub(super) fn make(&self) -> Result<()> {
        let on = &self.location;
        let io = |e: io::Error| io_error("make layout", on, &e);
        if fs::metadata(&self.path).is_ok_and(|m| !m.is_dir()) {
            return Err(Error::new("make layout", on, ErrorKind::Malformed("no directory is there".into())));
        }
        fs::create_dir_all(&self.path).map_err(io)?;
        // Asked before the lock file is made: a directory of something else is not to be touched at all.
        self.check_vacant(&[MARKER, INDEX, BLOBS])?;
        let _lock = self.lock()?;
        if self.path.join(MARKER).exists() {
            return Ok(());
        }
        self.check_vacant(&[])?;
        fs::create_dir_all(self.path.join(BLOBS).join("sha256")).map_err(io)?;
        self.replace(INDEX, &IndexFile::empty().to_bytes(on)?)?;
        // Last, because it is what makes the directory a layout.
        self.replace(MARKER, br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    fn check_vacant(&self, allowed: &[&str]) -> Result<()> {
        let io = |e: io::Error| io_error("make layout", &self.location, &e);
        if self.path.join(MARKER).exists() {
            return Ok(());
        }
        for entry in fs::read_dir(&self.path).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let name = name.to_string_lossy();
            if name != LOCK && !name.starts_with(TEMPORARY) && !allowed.contains(&name.as_ref()) {
                let why = "the directory is neither empty nor an OCI layout".into();
                return Err(Error::new("make layout", &self.location, ErrorKind::Malformed(why))
                    .hint("name a new or an empty directory"));
            }
        }
        Ok(())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut temporary = Temporary::new(&self.path)?;
            temporary.file.write_all(bytes)?;
            temporary.keep_as(&self.path.join(name))
        };
        write().map_err(|e| io_error("write layout", &self.location, &e))
    }

    /// Waits for the lock; it is free again when the file is dropped, also by a process that dies.
    fn lock(&self) -> Result<File> {
        let on = &self.location;
        let path = self.path.join(LOCK);
        let io = |e: io::Error| io_error("lock layout", on, &e);
        if fs::symlink_metadata(&path).is_ok_and(|m| !m.is_file()) {
            let why = "its .seaworthy.lock is no regular file".into();
            return Err(Error::new("lock layout", on, ErrorKind::Malformed(why)));
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let deadline = Instant::now() + limits::REQUEST;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new("lock layout", on, ErrorKind::Timeout { after: limits::REQUEST })
                        .hint("another process holds .seaworthy.lock in that directory"));
                }
                Err(TryLockError::Error(e)) => return Err(io(e)),
            }
        }
    }

    fn has(&self, descriptor: &Descriptor) -> Result<bool> {
        let found = open_file(&self.blob_path(&descriptor.digest), &self.location)?;
        Ok(found.is_some_and(|(_, size)| size == descriptor.size))
    }

    fn write_blob(&self, descriptor: &Descriptor, reader: impl Read) -> Result<()> {
        let on = format!("{}@{}", self.location, descriptor.digest);
        let to = self.blob_path(&descriptor.digest);
        let mut reader = CheckedReader::new(reader, descriptor.digest.clone(), descriptor.size, on.clone());
        let mut write = || {
            let dir = to.parent().unwrap_or(&self.path);
            fs::create_dir_all(dir)?;
            let mut temporary = Temporary::new(dir)?;
            io::copy(&mut reader, &mut temporary.file)?;
            temporary.keep_as(&to)
        };
        write().map_err(|e| from_io(e, "write blob", on))
    }

    fn write_manifest(&self, manifest: &RawManifest) -> Result<()> {
        let descriptor = &manifest.descriptor;
        if descriptor.size > limits::MANIFEST_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "MANIFEST_BYTES", value: limits::MANIFEST_BYTES };
            return Err(Error::new("write manifest", &descriptor.digest, kind));
        }
        // Written again when it is there: it may be there with one byte flipped.
        self.write_blob(descriptor, manifest.bytes.as_slice())
    }

    fn check_complete(&self, manifest: &RawManifest, parsed: &Manifest) -> Result<()> {
        let needed: Vec<&Descriptor> = match parsed {
            Manifest::Image(image) => std::iter::once(&image.config).chain(&image.layers).collect(),
            Manifest::Index(index) => index.manifests.iter().collect(),
        };
        // Layers with foreign urls may lie elsewhere for good.
        let wanted = |d: &&Descriptor| d.urls.is_empty() && !self.left_out.contains(&d.digest);
        for descriptor in needed.into_iter().filter(wanted) {
            if !self.has(descriptor)? {
                let why = format!("it names {}, which is not there yet", descriptor.digest);
                let on = format!("{}@{}", self.location, manifest.descriptor.digest);
                return Err(Error::new("write manifest", on, ErrorKind::Malformed(why))
                    .hint("write blobs and child manifests before the manifest that names them"));
            }
        }
        Ok(())
    }

    fn edit_index(&self, edit: impl FnOnce(&mut IndexFile)) -> Result<()> {
        let before = self.index()?;
        let mut index = IndexFile::parse(&before, &self.location)?;
        edit(&mut index);
        let after = index.to_bytes(&self.location)?;
        if after == before { Ok(()) } else { self.replace(INDEX, &after) }
    }

    fn put_manifest(&self, manifest: &RawManifest, tag: Option<&str>) -> Result<()> {
        check_name(tag, &self.location)?;
        let parsed = manifest.parse()?;
        self.check_complete(manifest, &parsed)?;
        self.write_manifest(manifest)?;
        let _lock = self.lock()?;
        self.edit_index(|index| {
            index.put(entry_of(manifest, &parsed), tag);
            forget_children(index, &parsed);
        })
    }

    fn put_attachment(&self, manifest: &RawManifest) -> Result<()> {
        let on = || format!("{}@{}", self.location, manifest.descriptor.digest);
        let parsed = manifest.parse()?;
        let (subject, artifact_type, annotations) = match &parsed {
            Manifest::Image(m) => {
                let fallback = || Some(m.config.media_type.clone());
                (&m.subject, m.artifact_type.clone().or_else(fallback), &m.annotations)
            }
            Manifest::Index(m) => (&m.subject, m.artifact_type.clone(), &m.annotations),
        };
        if subject.is_none() {
            let why = "it has no subject, so nothing could find it".into();
            return Err(Error::new("attach", on(), ErrorKind::Malformed(why)));
        }
        self.check_complete(manifest, &parsed)?;
        self.write_manifest(manifest)?;
        let mut entry = manifest.descriptor.bare();
        entry.artifact_type = artifact_type;
        entry.annotations.clone_from(annotations);
        let _lock = self.lock()?;
        self.edit_index(|index| index.put(entry, None))
    }
}

/// The entry for a manifest under a name: with the artifact type it states, so that it is no image.
fn entry_of(manifest: &RawManifest, parsed: &Manifest) -> Descriptor {
    let mut entry = manifest.descriptor.bare();
    entry.artifact_type = match parsed {
        Manifest::Image(m) => m.artifact_type.clone(),
        Manifest::Index(m) => m.artifact_type.clone(),
    };
    entry
}

/// The children of an index are found through it; as entries of their own they would look like images.
fn forget_children(index: &mut IndexFile, parsed: &Manifest) {
    if let Manifest::Index(m) = parsed {
        for child in m.manifests.iter().filter(|d| d.artifact_type.is_none()) {
            index.forget_nameless_image(&child.digest);
        }
    }
}

/// The characters that a reference can name, so that nothing is written that cannot be asked for.
fn check_name(tag: Option<&str>, on: impl std::fmt::Display) -> Result<()> {
    let clean = |b: u8| b.is_ascii_alphanumeric() || b"._-:/+".contains(&b);
    match tag {
        Some(tag) if tag.is_empty() || tag.len() > 255 || !tag.bytes().all(clean) => {
            let why = "the tag is empty, too long, or has odd characters".into();
            Err(Error::new("write to", on, ErrorKind::InvalidReference(why)))
        }
        _ => Ok(()),
    }
}

#[async_trait]
impl Sink for Layout {
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        let (dir, descriptor) = (Arc::clone(&self.dir), descriptor.clone());
        off_reactor(&self.dir.location, move || dir.has(&descriptor)).await
    }

    async fn push_blob(&self, descriptor: &Descriptor, content: &dyn BlobContent) -> Result<Pushed> {
        if descriptor.size > limits::LAYER_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "LAYER_BYTES", value: limits::LAYER_BYTES };
            return Err(Error::new("write blob", &descriptor.digest, kind));
        }
        if self.dir.has(descriptor)? {
            return Ok(Pushed::Existed);
        }
        let reader = content.open().await?;
        let (dir, descriptor) = (Arc::clone(&self.dir), descriptor.clone());
        off_reactor(&self.dir.location, move || dir.write_blob(&descriptor, reader)).await?;
        Ok(Pushed::Uploaded)
    }

    async fn push_manifest(&self, manifest: &RawManifest, tag: Option<&str>) -> Result<()> {
        let (dir, manifest, tag) = (Arc::clone(&self.dir), manifest.clone(), tag.map(str::to_owned));
        off_reactor(&self.dir.location, move || dir.put_manifest(&manifest, tag.as_deref())).await
    }

    async fn attach(&self, manifest: &RawManifest) -> Result<()> {
        let (dir, manifest) = (Arc::clone(&self.dir), manifest.clone());
        off_reactor(&self.dir.location, move || dir.put_attachment(&manifest)).await
    }

    async fn edit_tag(&self, tag: &str, edit: TagEdit<'_>) -> Result<()> {
        check_name(Some(tag), &self.dir.location)?;
        let dir = Arc::clone(&self.dir);
        let _lock = off_reactor(&self.dir.location, move || dir.lock()).await?;
        // Short reads and writes of this machine, and no await while the lock is held.
        let now = match IndexFile::parse(&self.dir.index()?, &self.dir.location)?
            .entries
            .iter()
            .find(|e| e.tag() == Some(tag))
        {
            Some(_) => store::manifest(&*self.dir, Selector::Tag(tag))?,
            None => None,
        };
        let Some((media_type, bytes)) = edit(now.as_ref())? else { return Ok(()) };
        let on = format!("{}:{tag}", self.dir.location);
        let manifest = RawManifest::new(bytes, Some(&media_type), on)?;
        let parsed = manifest.parse()?;
        self.dir.check_complete(&manifest, &parsed)?;
        self.dir.write_manifest(&manifest)?;
        self.dir.edit_index(|index| index.put(entry_of(&manifest, &parsed), Some(tag)))
    }
}
