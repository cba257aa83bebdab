//! The files of an image, where somebody asks for them: content by checksum, and since which layer each stands.
//!
//! Nothing here runs unless somebody asks. Then every regular file is hashed as it streams by, and eighty bytes are kept
//! for it beside its path; the layers' tables are laid on each other by the same rules as everything else
//! ([`crate::squash`]). [`lists`] knows what packages record about their files, [`mod@report`] puts both together.
//!
//! Not hashed, and said as gaps: sparse files, hard links out of the image, names that are no UTF-8, and what is
//! over [`limits::LAYER_FILES`] and [`limits::IMAGE_FILES`]. Links, devices and directories are no files.

mod lists;
mod report;

pub(crate) use lists::{Listed, Recorded};
pub(crate) use report::report;

use crate::pack::pack;
use crate::path::Name;
use crate::tar::{self, Kind};
use crate::{limits, path};
use md5::Md5;
use seaworthy_sbom::files::State;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The checksums of a file while it streams by.
pub(crate) struct Sums {
    sha256: Sha256,
    sha1: Sha1,
    md5: Option<Md5>,
    /// The content, where a package's list of files is in it.
    content: Option<Vec<u8>>,
}

impl Sums {
    /// For the file at `path`.
    pub(crate) fn of(path: &str, size: u64) -> Self {
        let is_list = lists::unread_list(path).is_some_and(|limit| size <= limit);
        Self {
            sha256: Sha256::new(),
            sha1: Sha1::new(),
            md5: may_be_of_dpkg(path).then(Md5::new),
            content: is_list.then(Vec::new),
        }
    }

    /// The next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha1.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(content) = &mut self.content {
            content.extend_from_slice(bytes);
        }
    }
}

/// MD5 is for dpkg alone and the slowest of the three: it is not made where Debian lets no package put a file (policy
/// 9.1.1 and 9.1.2) and where applications stand.
fn may_be_of_dpkg(path: &str) -> bool {
    !["usr/local/", "home/", "root/", "srv/", "tmp/", "app/"].iter().any(|dir| path.starts_with(dir))
        && !path.contains("/node_modules/")
}

/// What is kept of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    sha256: [u8; 32],
    sha1: [u8; 20],
    md5: Option<[u8; 16]>,
    mode: u32,
    size: u64,
}
pack!(struct Record { sha256, sha1, md5, mode, size });

/// What stands at a path of one layer.
#[derive(Debug, Clone)]
enum Entry {
    File(Record),
    HardLink(Box<str>),
    Unread(&'static str),
}
pack!(
    enum Entry {
        File(record),
        HardLink(target),
        Unread(why),
    }
);

/// The files of one layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    entries: BTreeMap<Box<str>, Entry>,
    lists: BTreeMap<Box<str>, Listed>,
    /// Files over the limit.
    left_out: usize,
    /// Lists over the limit.
    unkept: usize,
}

pack!(struct Table { entries, lists, left_out, unkept });

impl Table {
    /// What stands in the layer at `path` from now on; `sums` are those of a regular file's data. Of lists that no
    /// cataloger read, `left` bytes may be kept; the answer says how many were.
    pub(crate) fn take(&mut self, path: &str, entry: &tar::Entry, sums: Option<Sums>, left: u64) -> u64 {
        let is_list = entry.kind == Kind::File && lists::role(path).is_some();
        if entry.kind != Kind::Directory {
            self.replace(path, is_list);
        }
        match (entry.kind, sums) {
            (Kind::File, Some(sums)) => return self.file(path, entry, sums, left),
            (Kind::Sparse, _) => self.put(path, Entry::Unread("not listed: a sparse file")),
            (Kind::HardLink, _) => self.put(
                path,
                match path::name(&entry.link) {
                    Name::Clean(target) => Entry::HardLink(target.into()),
                    _ => Entry::Unread("not listed: a hard link out of the image"),
                },
            ),
            _ => {}
        }
        0
    }

    /// The content of a list, which a cataloger reads as well.
    pub(crate) fn list(&mut self, path: &str, content: &[u8]) {
        match Listed::of(path, content) {
            Some(listed) => drop(self.lists.insert(path.into(), listed)),
            None => drop(self.lists.remove(path)),
        }
    }

    fn file(&mut self, path: &str, entry: &tar::Entry, sums: Sums, left: u64) -> u64 {
        let record = Record {
            sha256: sums.sha256.finalize().into(),
            sha1: sums.sha1.finalize().into(),
            md5: sums.md5.map(|md5| md5.finalize().into()),
            mode: entry.mode,
            size: entry.size,
        };
        self.put(path, Entry::File(record));
        let Some(content) = sums.content else { return 0 };
        let size = content.len() as u64;
        if size > left {
            self.unkept += 1;
            return 0;
        }
        self.list(path, &content);
        size
    }

    /// Something that is no directory takes the place of what the layer had at `path` and below it. A list that was
    /// read just now stays.
    fn replace(&mut self, path: &str, is_list: bool) {
        if !is_list {
            self.lists.remove(path);
        }
        self.entries.remove(path);
        remove(&mut self.entries, &format!("{path}/"), |_| true);
        remove(&mut self.lists, &format!("{path}/"), |_| true);
    }

    fn put(&mut self, path: &str, entry: Entry) {
        if self.entries.len() < limits::LAYER_FILES {
            self.entries.insert(path.into(), entry);
        } else {
            self.left_out += 1;
        }
    }
}

/// Takes out what passes `gone` among the paths that begin with `start`.
fn remove<V>(map: &mut BTreeMap<Box<str>, V>, start: &str, gone: impl Fn(&str) -> bool) {
    let from = (Bound::Included(start), Bound::Unbounded);
    let keys: Vec<Box<str>> = map
        .range::<str, _>(from)
        .map(|(path, _)| path)
        .take_while(|path| path.starts_with(start))
        .filter(|path| gone(path))
        .cloned()
        .collect();
    for key in keys {
        map.remove(&key);
    }
}

/// What stands at a path of the image.
#[derive(Debug, Clone)]
struct Placed {
    layer: usize,
    /// `None`: it is there, and its content is not known.
    content: Result<Record, &'static str>,
    /// The place of its package in the inventory.
    owner: Option<u32>,
    state: State,
}

/// The files of the image as the layers laid so far leave it.
#[derive(Default)]
pub(crate) struct Tree {
    files: BTreeMap<Box<str>, Placed>,
    lists: BTreeMap<Box<str>, Listed>,
    left_out: usize,
    unkept: usize,
}

impl Tree {
    /// Takes away what passes `gone`, among the paths that begin with `start`.
    pub(crate) fn remove(&mut self, gone: &impl Fn(&str) -> bool, start: &str) {
        remove(&mut self.files, start, gone);
        remove(&mut self.lists, start, gone);
    }

    /// Lays the files of a layer on those below; what they replace is gone already. `place` follows the links in the
    /// directories of a path.
    pub(crate) fn lay(&mut self, layer: usize, table: Table, place: impl Fn(&str) -> Option<String>) {
        let mut directories = Directories::new(&place);
        self.left_out += table.left_out;
        self.unkept += table.unkept;
        let mut links = Vec::new();
        for (path, entry) in table.entries {
            let Some(path) = directories.place(path) else { continue };
            let content = match entry {
                Entry::File(record) => Ok(record),
                Entry::Unread(why) => Err(why),
                Entry::HardLink(target) => {
                    links.push((path, target));
                    continue;
                }
            };
            self.put(layer, path, content);
        }
        // As in the squash: a link may come before its target, and point to another link.
        for _ in 0..limits::LINK_HOPS {
            let before = links.len();
            links.retain(|(path, target)| {
                let found = directories.place(target.clone()).and_then(|target| self.files.get(&target));
                let Some(content) = found.map(|placed| placed.content.clone()) else { return true };
                self.put(layer, path.clone(), content);
                false
            });
            if links.len() == before {
                break;
            }
        }
        for (path, _) in links {
            self.put(layer, path, Err("not listed: a hard link to something that is no file of the image"));
        }
        for (path, listed) in table.lists {
            if let Some(path) = directories.place(path) {
                self.lists.insert(path, listed);
            }
        }
    }

    fn put(&mut self, layer: usize, path: Box<str>, content: Result<Record, &'static str>) {
        if self.files.len() < limits::IMAGE_FILES || self.files.contains_key(&path) {
            self.files.insert(path, Placed { layer, content, owner: None, state: State::Unknown });
        } else {
            self.left_out += 1;
        }
    }
}

/// Follows the links in directories, each directory once where its files come one after the other.
struct Directories<F> {
    place: F,
    last: Option<(String, Option<String>)>,
}

impl<F: Fn(&str) -> Option<String>> Directories<F> {
    fn new(place: F) -> Self {
        Self { place, last: None }
    }

    /// Where the file stands. `None` for a loop.
    fn place(&mut self, file: Box<str>) -> Option<Box<str>> {
        let (dir, base) = path::split(&file);
        if self.last.as_ref().is_none_or(|(last, _)| last != dir) {
            let placed = (self.place)(&path::join(dir, "x"));
            self.last = Some((dir.to_owned(), placed.map(|p| path::split(&p).0.to_owned())));
        }
        let to = self.last.as_ref()?.1.as_deref()?;
        if to == dir { Some(file) } else { Some(path::join(to, base).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_at_limit_plus_one() {
        let fill = |count: usize| {
            let mut table = Table::default();
            (0..count).for_each(|at| table.put(&at.to_string(), Entry::Unread("")));
            table
        };
        assert_eq!(fill(limits::LAYER_FILES).left_out, 0);
        assert_eq!(fill(limits::LAYER_FILES + 1).left_out, 1);
        let mut tree = Tree::default();
        let place = |path: &str| Some(path.to_owned());
        tree.lay(0, fill(limits::LAYER_FILES), place);
        tree.lay(1, fill(limits::LAYER_FILES), place);
        assert_eq!(tree.left_out, 0, "the same files in another layer are no further ones");
        let more = |from: usize| {
            let mut table = Table::default();
            (from..=limits::IMAGE_FILES).for_each(|at| table.put(&at.to_string(), Entry::Unread("")));
            table
        };
        tree.lay(2, more(limits::LAYER_FILES), place);
        assert_eq!((tree.left_out, tree.files.len()), (1, limits::IMAGE_FILES));
    }
}
