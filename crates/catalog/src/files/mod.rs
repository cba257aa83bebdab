//! The files of an image, where somebody asks for them: content by checksum, and since which layer each stands.
//!
//! Nothing here runs unless somebody asks. Then every regular file is hashed as it streams by, and eighty bytes are kept
//! for it beside its path; the layers' tables are laid on each other by the same rules as everything else
//! ([`mod@tree`], [`crate::squash`]). [`lists`] knows what packages record about their files, [`mod@report`] puts both together.
//!
//! Not hashed, and said as gaps: sparse files, hard links out of the image, names that are no UTF-8, and what is
//! over [`limits::LAYER_FILES`] and [`limits::IMAGE_FILES`]. Links, devices and directories are no files.

mod lists;
mod report;
mod sums;
mod tree;

pub(crate) use lists::{Listed, Recorded};
pub(crate) use report::report;
pub(crate) use sums::{Hashed, Hasher, Md5Sums, Ticket};
pub(crate) use tree::{Gone, Laid, Tree};

use crate::pack::pack;
use crate::path::{Above, Name};
use crate::tar::{self, Kind};
use crate::{limits, path};
use seaworthy_sbom::files::Selection;
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

/// Follows the links in directories, each directory once.
struct Directories<F> {
    place: F,
    known: HashMap<Box<str>, Option<Box<str>>>,
    /// The one that was asked for last: lists name files by their directories.
    last: Option<(Box<str>, Option<Box<str>>)>,
}

impl<F: Fn(&str) -> Option<String>> Directories<F> {
    fn new(place: F) -> Self {
        Self { place, known: HashMap::new(), last: None }
    }

    /// Where the file stands. `None` for a loop.
    fn place(&mut self, file: Box<str>) -> Option<Box<str>> {
        let (dir, base) = path::split(&file);
        let last = match self.last.take() {
            Some(last) if *last.0 == *dir => last,
            _ => {
                let to = self.known.entry(dir.into()).or_insert_with(|| {
                    let placed = (self.place)(&path::join(dir, "x"));
                    placed.map(|p| path::split(&p).0.into())
                });
                (dir.into(), to.clone())
            }
        };
        let to = self.last.insert(last).1.as_deref()?;
        if to == dir { Some(file) } else { Some(path::join(to, base).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_layer_are_bounded_at_limit_plus_one() {
        let fill = |count: usize| {
            let mut table: Table = Table::default();
            (0..count).for_each(|at| table.put(&at.to_string(), Entry::Unread("")));
            table
        };
        assert_eq!(fill(limits::LAYER_FILES).left_out, 0);
        assert_eq!(fill(limits::LAYER_FILES + 1).left_out, 1);
    }
}
