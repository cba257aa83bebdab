//! What an rpm database says about the files of each package, for a list of files.
//!
//! rpm's `rpmfi.h` and `rpmfiles.h` have the flags and states. Ghosts are owned and were never written; what is no
//! regular file has no content. Both are given without a checksum and are never missing.

use super::header::{Header, tag};
use super::{Role, role, walk};
use crate::files::Recorded;
use crate::limits;
use crate::pack::pack;

/// A package and its files.
#[derive(Debug, Clone)]
pub(crate) struct RpmPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    pub(crate) files: Vec<RpmFile>,
}
pack!(struct RpmPackage { name, version, architecture, files });

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct RpmFile {
    /// Without the slash before it.
    pub(crate) path: Box<str>,
    /// Of a regular file that was written at installation.
    pub(crate) sum: Option<Recorded>,
    pub(crate) is_configuration: bool,
    pub(crate) is_documentation: bool,
}
pack!(struct RpmFile { path, sum, is_configuration, is_documentation });

const CONFIG: u32 = 1;
const DOC: u32 = 1 << 1;
const GHOST: u32 = 1 << 6;
/// File states of packages that were installed without some of their files.
const NORMAL: u8 = 0;
/// The file type bits of a mode, and a regular file's (stat(2)).
const TYPE: u16 = 0o170_000;
const REGULAR: u16 = 0o100_000;

/// Whether `path` is a database with headers in it.
pub(crate) fn is_database(path: &str) -> bool {
    matches!(role(path), Some(Role::Sqlite | Role::Ndb | Role::Bdb))
}

/// The files of all packages. Trouble is the cataloger's to tell: it reads the same database.
pub(crate) fn files(path: &str, content: &[u8]) -> Vec<RpmPackage> {
    let (mut packages, mut bytes, mut left) = (Vec::new(), limits::RPM_PATH_BYTES, content.len());
    let _ = walk(path)(content, &mut |blob| {
        left = left.checked_sub(blob.len()).ok_or("headers that overlap")?;
        if let Some(header) = Header::parse(blob)
            && let Some(entry) = super::entry(&header)
        {
            let files = of(&header, &mut bytes);
            let (name, version, architecture) = (entry.name, entry.version, entry.architecture);
            packages.push(RpmPackage { name, version, architecture, files });
        }
        Ok(())
    });
    packages
}

fn of(header: &Header<'_>, bytes: &mut usize) -> Vec<RpmFile> {
    let dirs: Vec<&[u8]> = header.strings(tag::DIRNAMES).collect();
    let mut digests = header.strings(tag::FILE_DIGESTS);
    let mut files = Vec::new();
    for (at, base) in header.strings(tag::BASENAMES).enumerate().take(limits::RPM_FILES) {
        let digest = digests.next().and_then(|text| std::str::from_utf8(text).ok());
        let dir = header.number(tag::DIR_INDEXES, at).and_then(|i| dirs.get(usize::try_from(i).ok()?));
        let Some(dir) = dir.filter(|dir| dir.len() + base.len() <= limits::PATH_BYTES) else { continue };
        let Some(left) = bytes.checked_sub(dir.len() + base.len()) else { break };
        *bytes = left;
        let Ok(path) = String::from_utf8([dir, base].concat()) else { continue };
        let Some(path) = path.strip_prefix('/') else { continue };
        let flags = header.number(tag::FILE_FLAGS, at).unwrap_or_default();
        let is_written = flags & GHOST == 0
            && header.byte(tag::FILE_STATES, at).unwrap_or(NORMAL) == NORMAL
            && header.short(tag::FILE_MODES, at).is_some_and(|mode| mode & TYPE == REGULAR);
        files.push(RpmFile {
            path: path.into(),
            sum: digest.filter(|_| is_written).and_then(Recorded::from_hex),
            is_configuration: flags & CONFIG != 0,
            is_documentation: flags & DOC != 0,
        });
    }
    files
}
