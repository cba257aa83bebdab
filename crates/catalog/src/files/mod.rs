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
mod sums;

pub(crate) use lists::{Listed, Recorded};
pub(crate) use report::report;
pub(crate) use sums::{Hashed, Hasher, Md5Sums, Ticket};

use crate::layer::PathHasher;
use crate::pack::pack;
use crate::path::{Above, Name};
use crate::squash::Replaced;
use crate::tar::{self, Kind};
use crate::{limits, path};
use seaworthy_sbom::files::{Selection, State};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use sums::Sums;

/// What is kept of a regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    sums: Sums,
    mode: u32,
    size: u64,
}
pack!(struct Record { sums, mode, size });

/// A regular file whose sums are still being made.
#[derive(Debug, Clone)]
pub(crate) struct Awaited {
    ticket: Ticket,
    mode: u32,
    size: u64,
}

/// What stands at a path of one layer.
#[derive(Debug, Clone)]
enum Entry<F = Record> {
    File(F),
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
#[derive(Debug, Clone)]
pub(crate) struct Table<F = Record> {
    entries: BTreeMap<Box<str>, Entry<F>>,
    lists: BTreeMap<Box<str>, Listed>,
    /// Files over the limit.
    left_out: usize,
    /// Lists over the limit.
    unkept: usize,
}

pack!(struct Table { entries, lists, left_out, unkept });

impl<F> Default for Table<F> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), lists: BTreeMap::new(), left_out: 0, unkept: 0 }
    }
}

/// The files of a layer that is being walked.
#[derive(Debug)]
pub(crate) struct Listing {
    md5: Md5Sums,
    table: Table<Awaited>,
    /// The directories above its files, to see when one of them is replaced.
    above: Above,
    tickets: u32,
}

impl Listing {
    /// Nothing yet, of an image whose files are asked for.
    pub(crate) fn new(selection: Selection) -> Self {
        let md5 = Md5Sums::for_list(selection);
        Self { md5, table: Table::default(), above: Above::default(), tickets: 0 }
    }

    /// Of the regular file at `path`, which will be taken when it has come by.
    pub(crate) fn ticket(&mut self, path: &str) -> Ticket {
        let ticket = Ticket::of(path, self.tickets, self.md5);
        // A layer's entries are bounded far below.
        self.tickets = self.tickets.saturating_add(1);
        ticket
    }

    /// Whether the file at `path`, of `size` bytes, is a list that no cataloger reads.
    pub(crate) fn is_unread_list(path: &str, size: u64) -> bool {
        lists::unread_list(path).is_some_and(|limit| size <= limit)
    }

    /// What stands in the layer at `path` from now on; a regular file has a ticket. `content` is that of a list that no
    /// cataloger reads, of which `left` bytes may be kept; the answer says how many were.
    pub(crate) fn take(
        &mut self,
        path: &str,
        entry: &tar::Entry,
        ticket: Option<Ticket>,
        content: Option<&[u8]>,
        left: u64,
    ) -> u64 {
        let is_list = entry.kind == Kind::File && lists::role(path).is_some();
        let table = &mut self.table;
        if entry.kind != Kind::Directory {
            if self.above.contains(path) {
                self.above.forget(path);
                table.remove_below(path);
            }
            self.above.watch(path);
        }
        // A list that was read just now stays.
        if !is_list {
            table.lists.remove(path);
        }
        match (entry.kind, ticket) {
            (Kind::File, Some(ticket)) => {
                table.put(path, Entry::File(Awaited { ticket, mode: entry.mode, size: entry.size }));
            }
            (Kind::Sparse, _) => table.put(path, Entry::Unread("not listed: a sparse file")),
            (Kind::HardLink, _) => table.put(
                path,
                match path::name(&entry.link) {
                    Name::Clean(target) => Entry::HardLink(target.into()),
                    _ => Entry::Unread("not listed: a hard link out of the image"),
                },
            ),
            _ => drop(table.entries.remove(path)),
        }
        let Some(content) = content else { return 0 };
        let size = content.len() as u64;
        if size > left {
            table.unkept += 1;
            return 0;
        }
        table.list(path, content);
        size
    }

    /// The content of a list, which a cataloger reads as well.
    pub(crate) fn list(&mut self, path: &str, content: &[u8]) {
        self.table.list(path, content);
    }

    /// With the sums, which are there when the whole layer has come by.
    pub(crate) fn settle(self, hashed: &Hashed) -> Table {
        let Table { entries, lists, left_out, unkept } = self.table;
        let settle = |entry| match entry {
            Entry::File(Awaited { ticket, mode, size }) => match hashed.sums(ticket, size) {
                Some(sums) => Entry::File(Record { sums, mode, size }),
                None => Entry::Unread("not hashed: its bytes did not come by"),
            },
            Entry::HardLink(target) => Entry::HardLink(target),
            Entry::Unread(why) => Entry::Unread(why),
        };
        let entries = entries.into_iter().map(|(path, entry)| (path, settle(entry))).collect();
        Table { entries, lists, left_out, unkept }
    }
}

impl<F> Table<F> {
    fn list(&mut self, path: &str, content: &[u8]) {
        match Listed::of(path, content) {
            Some(listed) => drop(self.lists.insert(path.into(), listed)),
            None => drop(self.lists.remove(path)),
        }
    }

    /// The layer had a directory at `path`, and has none any longer.
    fn remove_below(&mut self, path: &str) {
        remove(&mut self.entries, &format!("{path}/"), |_| true);
        remove(&mut self.lists, &format!("{path}/"), |_| true);
    }

    fn put(&mut self, path: &str, entry: Entry<F>) {
        if self.entries.len() < limits::LAYER_FILES || self.entries.contains_key(path) {
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
    /// The path by eight bytes, and the directory by its number: every layer asks what of all it replaces.
    name: u64,
    directory: u32,
    layer: u32,
    /// `None`: it is there, and its content is not known.
    content: Result<Record, &'static str>,
    /// The place of its package in the inventory.
    owner: Option<u32>,
    state: State,
}

/// The files of the image as the layers laid so far leave it.
#[derive(Default)]
pub(crate) struct Tree {
    /// The directories in which files stand or stood, with their numbers.
    directories: BTreeMap<Box<str>, u32>,
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

    /// Takes away what a layer replaces.
    pub(crate) fn replace(&mut self, gone: &Replaced<'_>) {
        let mut replaced = vec![false; self.directories.len()];
        for (directory, number) in &self.directories {
            if let Some(replaced) = replaced.get_mut(*number as usize) {
                *replaced = gone.has_no_directory(directory);
            }
        }
        let is_gone = |placed: &Placed| {
            gone.is_at(placed.name) || replaced.get(placed.directory as usize).copied().unwrap_or(true)
        };
        let files: Vec<Box<str>> =
            self.files.iter().filter(|(_, placed)| is_gone(placed)).map(|(path, _)| path.clone()).collect();
        for path in files {
            self.files.remove(&path);
        }
        remove(&mut self.lists, "", |path| gone.holds(path));
    }

    /// Lays the files of a layer on those below; what they replace is gone already. `place` follows the links in the
    /// directories of a path.
    pub(crate) fn lay(
        &mut self,
        layer: usize,
        table: Table,
        names: &PathHasher,
        place: impl Fn(&str) -> Option<String>,
    ) {
        let mut put = Put::new(layer, names);
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
            self.put(&mut put, path, content);
        }
        // As in the squash: a link may come before its target, and point to another link.
        for _ in 0..limits::LINK_HOPS {
            let before = links.len();
            links.retain(|(path, target)| {
                let found = directories.place(target.clone()).and_then(|target| self.files.get(&target));
                let Some(content) = found.map(|placed| placed.content.clone()) else { return true };
                self.put(&mut put, path.clone(), content);
                false
            });
            if links.len() == before {
                break;
            }
        }
        for (path, _) in links {
            self.put(
                &mut put,
                path,
                Err("not listed: a hard link to something that is no file of the image"),
            );
        }
        for (path, listed) in table.lists {
            if let Some(path) = directories.place(path) {
                self.lists.insert(path, listed);
            }
        }
    }

    fn put(&mut self, put: &mut Put<'_>, path: Box<str>, content: Result<Record, &'static str>) {
        if self.files.len() < limits::IMAGE_FILES || self.files.contains_key(&path) {
            let name = put.names.other(path.as_bytes());
            let directory = put.directory(path::split(&path).0, &mut self.directories);
            let placed =
                Placed { name, directory, layer: put.layer, content, owner: None, state: State::Unknown };
            self.files.insert(path, placed);
        } else {
            self.left_out += 1;
        }
    }
}

/// What is the same for all files of a layer that is laid.
struct Put<'a> {
    /// An image has at most [`limits::IMAGE_ENTRIES`] entries, and fewer layers.
    layer: u32,
    names: &'a PathHasher,
    /// Files come by their paths, and so by their directories.
    last: Option<(Box<str>, u32)>,
}

impl<'a> Put<'a> {
    fn new(layer: usize, names: &'a PathHasher) -> Self {
        Self { layer: u32::try_from(layer).unwrap_or(u32::MAX), names, last: None }
    }

    fn directory(&mut self, path: &str, known: &mut BTreeMap<Box<str>, u32>) -> u32 {
        if let Some((last, number)) = &self.last
            && **last == *path
        {
            return *number;
        }
        let number = known.get(path).copied().unwrap_or_else(|| {
            let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
            known.insert(path.into(), number);
            number
        });
        self.last = Some((path.into(), number));
        number
    }
}

/// Follows the links in directories, each directory once.
struct Directories<F> {
    place: F,
    known: HashMap<Box<str>, Option<Box<str>>>,
}

impl<F: Fn(&str) -> Option<String>> Directories<F> {
    fn new(place: F) -> Self {
        Self { place, known: HashMap::new() }
    }

    /// Where the file stands. `None` for a loop.
    fn place(&mut self, file: Box<str>) -> Option<Box<str>> {
        let (dir, base) = path::split(&file);
        if !self.known.contains_key(dir) {
            let placed = (self.place)(&path::join(dir, "x"));
            self.known.insert(dir.into(), placed.map(|p| path::split(&p).0.into()));
        }
        let to = self.known.get(dir)?.as_deref()?;
        if to == dir { Some(file) } else { Some(path::join(to, base).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_bounded_at_limit_plus_one() {
        let fill = |count: usize| {
            let mut table: Table = Table::default();
            (0..count).for_each(|at| table.put(&at.to_string(), Entry::Unread("")));
            table
        };
        assert_eq!(fill(limits::LAYER_FILES).left_out, 0);
        assert_eq!(fill(limits::LAYER_FILES + 1).left_out, 1);
        let (mut tree, names) = (Tree::default(), PathHasher::default());
        let place = |path: &str| Some(path.to_owned());
        tree.lay(0, fill(limits::LAYER_FILES), &names, place);
        tree.lay(1, fill(limits::LAYER_FILES), &names, place);
        assert_eq!(tree.left_out, 0, "the same files in another layer are no further ones");
        let more = |from: usize| {
            let mut table: Table = Table::default();
            (from..=limits::IMAGE_FILES).for_each(|at| table.put(&at.to_string(), Entry::Unread("")));
            table
        };
        tree.lay(2, more(limits::LAYER_FILES), &names, place);
        assert_eq!((tree.left_out, tree.files.len()), (1, limits::IMAGE_FILES));
    }
}
