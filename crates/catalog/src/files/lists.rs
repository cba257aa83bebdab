//! What packages record about their files: dpkg's lists and MD5 sums, apk's and rpm's databases, Python's `RECORD`, the
//! lists of pacman, Portage, conda and opkg.
//!
//! Kept as it stands until the layers are laid on each other, since only the last of a file's versions counts; rpm's
//! databases, which are large, as the part that is about files. A line that makes no sense claims nothing.

use crate::catalogers::bytes::{self, Alphabet};
use crate::catalogers::rpm::{self, RpmPackage};
use crate::pack::pack;
use crate::{limits, path};

/// A file in which packages list files.
#[derive(Debug, Clone)]
pub(crate) enum Listed {
    /// Text, read when the image is complete.
    Text(Box<str>),
    /// What an rpm database says of files.
    Rpm(Vec<RpmPackage>),
}
pack!(
    enum Listed {
        Text(text),
        Rpm(packages),
    }
);

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    DpkgStatus,
    /// `info/NAME[:ARCH].list`.
    DpkgList,
    /// `info/NAME[:ARCH].md5sums`, and `status.d/NAME.md5sums` of distroless images.
    DpkgSums,
    DpkgDiversions,
    Apk,
    Rpm,
    PythonRecord,
    /// `local/*/files` of pacman, `CONTENTS` of Portage, `conda-meta/*.json`, `info/NAME.list` of opkg.
    System(System),
}

/// Whose list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Pacman,
    Portage,
    Conda,
    Opkg,
}

pub(super) fn role(path: &str) -> Option<Role> {
    let (dir, base) = path::split(path);
    let (above, last) = path::split(dir);
    match (path::split(above).1, last, base) {
        (_, "dpkg", "status") => Some(Role::DpkgStatus),
        (_, "dpkg", "diversions") => Some(Role::DpkgDiversions),
        ("dpkg", "info", name) if name.ends_with(".list") => Some(Role::DpkgList),
        ("dpkg", "info" | "status.d", name) if name.ends_with(".md5sums") => Some(Role::DpkgSums),
        ("apk", "db", "installed") => Some(Role::Apk),
        (_, dir, "RECORD") if dir.ends_with(".dist-info") => Some(Role::PythonRecord),
        ("local", _, "files") if above.ends_with("lib/pacman/local") => Some(Role::System(System::Pacman)),
        (_, _, "CONTENTS") if path.contains("var/db/pkg/") => Some(Role::System(System::Portage)),
        (_, "conda-meta", name) if name.ends_with(".json") => Some(Role::System(System::Conda)),
        ("opkg", "info", name) if name.ends_with(".list") => Some(Role::System(System::Opkg)),
        _ if rpm::is_database(path) => Some(Role::Rpm),
        _ => None,
    }
}

/// How many bytes are kept of a list that no cataloger reads; `None` for any other file.
pub(super) fn unread_list(path: &str) -> Option<u64> {
    matches!(role(path)?, Role::DpkgSums | Role::DpkgDiversions | Role::PythonRecord)
        .then_some(limits::LIST_BYTES)
}

impl Listed {
    /// What the file at `path` lists; `None` where it is not to be understood.
    pub(super) fn of(path: &str, content: &[u8]) -> Option<Self> {
        match role(path)? {
            Role::Rpm => Some(Self::Rpm(rpm::files(path, content))),
            // A path that is no UTF-8 is no file of the inventory either.
            _ => Some(Self::Text(String::from_utf8_lossy(content).into())),
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Rpm(_) => "",
        }
    }
}

/// A checksum that a package recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    Md5([u8; 16]),
    Sha1([u8; 20]),
    Sha256([u8; 32]),
}
pack!(
    enum Recorded {
        Md5(sum),
        Sha1(sum),
        Sha256(sum),
    }
);

impl Recorded {
    /// A checksum in hex, known by its length.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = text.len() / 2;
        hex::decode_to_slice(text, bytes.get_mut(..length)?).ok()?;
        Some(match length {
            16 => Self::Md5(bytes.first_chunk().copied()?),
            20 => Self::Sha1(bytes.first_chunk().copied()?),
            32 => Self::Sha256(bytes),
            _ => return None,
        })
    }
}

/// Lines of an `md5sums`: the sum, two blanks, the path without the slash before it. A backslash at the beginning says
/// that characters in the path are escaped, as md5sum(1) writes it.
pub(super) fn md5sums(text: &str) -> impl Iterator<Item = (String, Recorded)> {
    text.lines().filter_map(|line| {
        let (escaped, line) = match line.strip_prefix('\\') {
            Some(line) => (true, line),
            None => (false, line),
        };
        let (sum, path) = line.split_once("  ").or_else(|| line.split_once(" *"))?;
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let path = if escaped { path.replace("\\\\", "\\") } else { path.to_owned() };
        Some((path, Recorded::from_hex(sum)?))
    })
}

/// A file that a package lists, with its checksum where one was recorded.
type Line<T> = (String, T);

/// The configuration files of each installed package: name, architecture, and paths with sums.
pub(super) fn conffiles(status: &str) -> Vec<(String, String, Vec<Line<Recorded>>)> {
    let mut found = Vec::new();
    for paragraph in crate::catalogers::paragraphs(status) {
        let get = |name| crate::catalogers::value(&paragraph, name);
        let (Some(name), Some(list)) = (get("Package"), get("Conffiles")) else { continue };
        let files = list.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let (path, sum) = (words.next()?.strip_prefix('/')?, words.next()?);
            // `obsolete` and `remove-on-upgrade` follow where the package has the file no more.
            if words.next().is_some() {
                return None;
            }
            Some((path.to_owned(), Recorded::from_hex(sum)?))
        });
        let files: Vec<_> = files.collect();
        if !files.is_empty() {
            found.push((name.to_owned(), get("Architecture").unwrap_or_default().to_owned(), files));
        }
    }
    found
}

/// dpkg-divert(1): three lines each, where a file was, where it goes, and whose own file is left alone (`:` for an
/// administrator's diversion).
pub(super) fn diversions(text: &str) -> Vec<(&str, &str, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let path = |line: &'_ str| line.starts_with('/');
    lines
        .chunks_exact(3)
        .filter_map(|three| match three {
            [from, to, package] if path(from) && path(to) => Some((from.get(1..)?, to.get(1..)?, *package)),
            _ => None,
        })
        .collect()
}

/// What an apk database lists: the package's name, and its files with sums.
pub(super) fn apk(text: &str) -> Vec<(&str, Vec<Line<Option<Recorded>>>)> {
    let mut found: Vec<(&str, Vec<Line<Option<Recorded>>>)> = Vec::new();
    let (mut directory, mut begun) = ("", false);
    for line in text.lines() {
        let Some((letter, value)) = line.split_once(':') else {
            (directory, begun) = ("", false);
            continue;
        };
        // A paragraph may begin with any letter.
        if !begun {
            found.push(("", Vec::new()));
            begun = true;
        }
        let Some((name, files)) = found.last_mut() else { continue };
        match letter {
            "P" => *name = value.trim(),
            "F" => directory = value,
            "R" => files.push((path::join(directory, value), None)),
            "Z" => {
                if let Some((_, sum)) = files.last_mut() {
                    *sum = apk_sum(value.trim());
                }
            }
            _ => {}
        }
    }
    found
}

/// What conda recorded of the files that it linked.
#[derive(serde::Deserialize)]
struct Linked {
    paths_data: Option<LinkedPaths>,
    #[serde(default)]
    files: Vec<String>,
}

#[derive(serde::Deserialize)]
struct LinkedPaths {
    #[serde(default)]
    paths: Vec<LinkedPath>,
}

#[derive(serde::Deserialize)]
struct LinkedPath {
    #[serde(rename = "_path")]
    path: String,
    sha256: Option<String>,
    /// Where the prefix was written into the file, which then is another one than was packed.
    sha256_in_prefix: Option<String>,
    prefix_placeholder: Option<String>,
}

/// The files in the list at `path`, relative to the root.
pub(super) fn system(system: System, path: &str, text: &str) -> Vec<Line<Option<Recorded>>> {
    let relative = |file: &str| (!file.is_empty() && !file.ends_with('/')).then(|| (file.to_owned(), None));
    match system {
        System::Pacman => {
            let lines = text.lines().skip_while(|line| *line != "%FILES%").skip(1);
            lines.take_while(|line| !line.is_empty()).filter_map(relative).collect()
        }
        // `obj /path md5 mtime`; the path may hold blanks.
        System::Portage => {
            let object = |line: &str| {
                let mut words = line.strip_prefix("obj /")?.rsplitn(3, ' ');
                let (_, sum) = (words.next()?, words.next()?);
                Some((words.next()?.to_owned(), Recorded::from_hex(sum)))
            };
            text.lines().filter_map(object).collect()
        }
        System::Opkg => {
            let files = text.lines().filter_map(|line| line.split('\t').next()?.strip_prefix('/'));
            files.filter_map(relative).collect()
        }
        System::Conda => {
            let Ok(linked) = serde_json::from_str::<Linked>(text) else { return Vec::new() };
            let prefix = path::split(path::split(path).0).0;
            let paths = linked.paths_data.map(|data| data.paths).unwrap_or_default();
            if paths.is_empty() {
                return linked.files.iter().map(|file| (path::join(prefix, file), None)).collect();
            }
            let file = |one: LinkedPath| {
                let packed = one.sha256.filter(|_| one.prefix_placeholder.is_none());
                let sum = one.sha256_in_prefix.or(packed);
                (path::join(prefix, &one.path), sum.as_deref().and_then(Recorded::from_hex))
            };
            paths.into_iter().map(file).collect()
        }
    }
}

/// `Q1` and SHA-1 in base64, `Q2` and SHA-256; before 2.0 MD5 in hex.
fn apk_sum(text: &str) -> Option<Recorded> {
    if let Some(sha1) = text.strip_prefix("Q1") {
        return base64(sha1)?.try_into().ok().map(Recorded::Sha1);
    }
    if let Some(sha256) = text.strip_prefix("Q2") {
        return base64(sha256)?.try_into().ok().map(Recorded::Sha256);
    }
    Recorded::from_hex(text)
}

/// Rows of a `RECORD`: path, `algorithm=sum`, size, with commas between them and quotation marks around what holds one
/// (packaging.python.org, "Recording installed projects"). Paths are relative to the directory above `dist-info`.
pub(super) fn record<'t>(
    site: &'t str,
    text: &'t str,
) -> impl Iterator<Item = (String, Option<Recorded>)> + 't {
    text.lines().filter_map(move |line| {
        let (file, rest) = match line.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.rfind("\",")?;
                (quoted.get(..end)?.replace("\"\"", "\""), quoted.get(end + 2..)?)
            }
            None => {
                let (file, rest) = line.split_once(',')?;
                (file.to_owned(), rest)
            }
        };
        let sum = rest.split(',').next().and_then(|sum| sum.strip_prefix("sha256="));
        let sum = sum.and_then(base64).and_then(|bytes| bytes.try_into().ok()).map(Recorded::Sha256);
        Some((relative(site, &file)?, sum))
    })
}

/// `file` as seen from `dir`; `None` where it is outside of the image.
fn relative(dir: &str, file: &str) -> Option<String> {
    if let Some(absolute) = file.strip_prefix('/') {
        return Some(absolute.to_owned());
    }
    let mut parts: Vec<&str> = dir.split('/').filter(|p| !p.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    bytes::base64(text, Alphabet::Either)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_and_paths_of_dpkg() {
        let text = "d41d8cd98f00b204e9800998ecf8427e  usr/bin/a b\n\\d41d8cd98f00b204e9800998ecf8427e  x\\\\y\nno line\n";
        let found: Vec<String> = md5sums(text).map(|(path, _)| path).collect();
        assert_eq!(found, ["usr/bin/a b", "x\\y"]);
        let status = "Package: a\nArchitecture: amd64\nConffiles:\n /etc/a d41d8cd98f00b204e9800998ecf8427e\n \
                      /etc/old d41d8cd98f00b204e9800998ecf8427e obsolete\n /etc/b newconffile\n\nPackage: b\n\n";
        let found = conffiles(status);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), found[0].2.len()), ("a", 1));
        assert_eq!(diversions("/bin/sh\n/bin/sh.distrib\ndash\n"), [("bin/sh", "bin/sh.distrib", "dash")]);
        assert!(diversions("/bin/sh\nx\ndash\n/bin").is_empty());
    }

    #[test]
    fn sums_of_apk_and_python() {
        let found =
            apk("P:a\nF:usr/bin\nR:x\na:0:0:755\nZ:Q1qvTGHdzF6KLavt4PO0gs2a6pQ00=\nR:y\n\nP:b\nF:\nR:z\n");
        assert_eq!(found[0].1[0].0, "usr/bin/x");
        assert!(matches!(found[0].1[0].1, Some(Recorded::Sha1(sum)) if sum[0] == 0xaa));
        assert_eq!((found[0].1[1].1, found[1].0, found[1].1[0].0.as_str()), (None, "b", "z"));
        let text = "a/b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n../../bin/x,,\n\"q,\"\"r\",,\n../../../../../out,,\n";
        let found: Vec<_> = record("usr/lib/python3", text).collect();
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["usr/lib/python3/a/b.py", "usr/bin/x", "usr/lib/python3/q,\"r"]);
        assert!(matches!(found[0].1, Some(Recorded::Sha256(sum)) if sum[0] == 0xe3));
    }

    proptest! {
        #[test]
        fn never_panics(text in "([PFRZ]:|[0-9a-f]{32}  |\"|/|\\.\\./)?[\\PC]{0,20}(,sha256=[\\PC]{0,5})?(\n[\\PC]{0,10}){0,4}") {
            let _ = (md5sums(&text).count(), conffiles(&text), diversions(&text), apk(&text));
            let _ = record("a/b", &text).count();
            for kind in [System::Pacman, System::Portage, System::Conda, System::Opkg] {
                let _ = system(kind, "a/b/c", &text);
            }
            let _ = (base64(&text), apk_sum(&text), Recorded::from_hex(&text));
        }
    }
}
