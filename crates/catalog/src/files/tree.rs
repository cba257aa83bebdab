//! The files of an image, as its layers, laid on each other, leave them.
//!
//! A path is known by the eight bytes that [`PathHasher`] makes of it, as it is to the layers: what one of them takes away
//! is looked up, so that a layer costs as much as stands in it and not as much as lies below it.

use super::{Directories, Entry, Listed, Record, Table, remove};
use crate::layer::PathHasher;
use crate::squash::{Links, Replaced};
use crate::{limits, path};
use seaworthy_sbom::files::State;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// What stands at a path of the image.
#[derive(Debug)]
pub(super) struct Placed {
    /// The number of its directory.
    directory: u32,
    pub(super) layer: u32,
    /// An error: it is there, and its content is not known.
    pub(super) content: Result<Record, &'static str>,
    /// The place of its package in the inventory.
    pub(super) owner: Option<u32>,
    pub(super) state: State,
}

/// What a layer takes away from what is below it.
#[derive(Default)]
pub(crate) struct Gone {
    at: HashSet<u64, ByName>,
    below: HashSet<u64, ByName>,
    /// What stands in the layer, as [`crate::layer::Facts::paths`].
    replaced: Vec<u64>,
}

impl Gone {
    /// What stands at `path`, and all below it.
    pub(crate) fn at(&mut self, path: &str, names: &PathHasher) {
        self.at.insert(names.name(path));
        self.below(path, names);
    }

    /// All that stands below `path`.
    pub(crate) fn below(&mut self, path: &str, names: &PathHasher) {
        self.below.insert(names.name(path));
    }

    /// What stands where the layer has something, and all below what is no directory there. `paths` are sorted.
    pub(crate) fn replaced(&mut self, paths: Vec<u64>) {
        self.replaced = paths;
    }

    /// The paths at which what stands is gone.
    fn places(&self) -> impl Iterator<Item = u64> {
        self.at.iter().copied().chain(self.replaced.iter().map(|entry| PathHasher::name_of(*entry)))
    }

    /// The directories below which all is gone.
    fn directories(&self) -> impl Iterator<Item = u64> {
        let others = self.replaced.iter().filter(|entry| PathHasher::is_other(**entry));
        self.below.iter().copied().chain(others.map(|entry| PathHasher::name_of(*entry)))
    }

    /// Whether it is one of those that are gone whatever stands in the layer.
    fn names(&self, path: &str, names: &PathHasher) -> bool {
        let is_gone = |dir: &str| self.below.contains(&names.name(dir));
        self.at.contains(&names.name(path)) || path::ancestors(path).any(is_gone) || is_gone("")
    }
}

/// A layer's files on their way into the tree.
pub(crate) struct Laid {
    pub(crate) layer: usize,
    /// What the layer takes away.
    pub(crate) gone: Gone,
    /// What it brings.
    pub(crate) table: Table,
    /// The links as the layer leaves them.
    pub(crate) links: Arc<Links>,
}

/// The files of the image as the layers laid so far leave it.
pub(crate) struct Tree {
    pub(super) files: Files,
    pub(super) lists: BTreeMap<Box<str>, Listed>,
    pub(super) left_out: usize,
    pub(super) unkept: usize,
}

impl Tree {
    /// Lays `layers` on each other, lowest first.
    pub(crate) fn of(layers: Vec<Laid>, names: &PathHasher) -> Self {
        let room = layers.iter().map(|layer| layer.table.entries.len()).sum();
        let mut tree = Self::new(names, room);
        for Laid { layer, gone, table, links } in layers {
            tree.clear(&gone);
            tree.lay(layer, table, |path| links.place(path));
        }
        tree
    }

    /// Nothing yet, of layers that have `room` files.
    fn new(names: &PathHasher, room: usize) -> Self {
        let files = Files::new(names, room.min(limits::IMAGE_FILES));
        Self { files, lists: BTreeMap::new(), left_out: 0, unkept: 0 }
    }

    /// Takes away what a layer takes away.
    fn clear(&mut self, gone: &Gone) {
        gone.places().for_each(|name| self.files.remove(name));
        self.files.remove_below(gone.directories());
        let names = &self.files.names;
        let replaced = Replaced::new(names, &gone.replaced);
        remove(&mut self.lists, "", |path| replaced.holds(path) || gone.names(path, names));
    }

    /// Lays the files of a layer on those below; what they replace is gone already. `place` follows the links in the
    /// directories of a path.
    fn lay(&mut self, layer: usize, table: Table, place: impl Fn(&str) -> Option<String>) {
        let mut directories = Directories::new(&place);
        // An image has at most IMAGE_ENTRIES entries, and fewer layers.
        let layer = u32::try_from(layer).unwrap_or(u32::MAX);
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

    fn put(&mut self, layer: u32, path: Box<str>, content: Result<Record, &'static str>) {
        if !self.files.put(layer, path, content) {
            self.left_out += 1;
        }
    }
}

/// Files by their paths.
pub(super) struct Files {
    names: PathHasher,
    /// In the order in which they came; `None` for those that are gone.
    placed: Vec<Option<(Box<str>, Placed)>>,
    /// Where in the list each is that is there.
    at: HashMap<u64, u32, ByName>,
    /// The directories in which files stand or stood, and all above them, by their numbers: that of the directory above
    /// each, which is lower. The root is 0 and is in itself.
    above: Vec<u32>,
    numbers: HashMap<u64, u32, ByName>,
    /// The directory that was asked for last: files come by their paths, and so by their directories.
    last: (Box<str>, u32),
}

impl Files {
    fn new(names: &PathHasher, room: usize) -> Self {
        let numbers = HashMap::from_iter([(names.name(""), 0)]);
        let (placed, above) = (Vec::with_capacity(room), vec![0]);
        Self { names: names.clone(), placed, at: HashMap::default(), above, numbers, last: ("".into(), 0) }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Placed> {
        let at = self.at.get(&self.names.name(path))?;
        self.placed.get(*at as usize)?.as_ref().map(|(_, placed)| placed)
    }

    pub(super) fn get_mut(&mut self, path: &str) -> Option<&mut Placed> {
        let at = self.at.get(&self.names.name(path))?;
        self.placed.get_mut(*at as usize)?.as_mut().map(|(_, placed)| placed)
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.at.contains_key(&self.names.name(path))
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }

    /// Each of them, in no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Placed)> {
        self.placed.iter_mut().flatten().map(|(path, placed)| (&**path, placed))
    }

    /// Gives files that are nobody's to whom `owned` says: of the directories above a file, and the file itself, the
    /// innermost decides. Asked is for each directory, and not for each file in it; the root is nobody's.
    pub(super) fn give(&mut self, owned: &HashMap<String, u32>) {
        let mut owner_of = vec![None; self.above.len()];
        for (path, owner) in owned {
            let number = self.numbers.get(&self.names.name(path)).filter(|_| !path.is_empty());
            if let Some(place) = number.and_then(|number| owner_of.get_mut(*number as usize)) {
                *place = Some(*owner);
            }
            if let Some(file) = self.get_mut(path) {
                file.owner.get_or_insert(*owner);
            }
        }
        for (at, above) in self.above.iter().enumerate() {
            let outer = owner_of.get(*above as usize).copied().flatten();
            if let Some(owner) = owner_of.get_mut(at) {
                *owner = owner.or(outer);
            }
        }
        for (_, file) in self.iter_mut() {
            file.owner = file.owner.or_else(|| *owner_of.get(file.directory as usize)?);
        }
    }

    /// Each of them, by their paths.
    pub(super) fn into_sorted(mut self) -> impl Iterator<Item = (Box<str>, Placed)> {
        self.at = HashMap::default();
        let path = |at: &u32| self.placed.get(*at as usize).and_then(|file| Some(&file.as_ref()?.0));
        let count = u32::try_from(self.placed.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..count).filter(|at| path(at).is_some()).collect();
        // Each layer's are in order already, which this way of sorting makes use of.
        order.sort_by(|a, b| path(a).cmp(&path(b)));
        order.into_iter().filter_map(move |at| self.placed.get_mut(at as usize)?.take())
    }

    /// Puts a file in the place of what stands there. `false`: it is over the limit.
    fn put(&mut self, layer: u32, path: Box<str>, content: Result<Record, &'static str>) -> bool {
        let name = self.names.name(&path);
        let known = self.at.get(&name).copied();
        if known.is_none() && self.at.len() >= limits::IMAGE_FILES {
            return false;
        }
        let directory = self.directory(path::split(&path).0);
        let file = (path, Placed { directory, layer, content, owner: None, state: State::Unknown });
        match known.and_then(|at| self.placed.get_mut(at as usize)) {
            Some(place) => *place = Some(file),
            None => {
                // Fewer than an image has entries.
                self.at.insert(name, u32::try_from(self.placed.len()).unwrap_or(u32::MAX));
                self.placed.push(Some(file));
            }
        }
        true
    }

    /// The number of the directory at `path`.
    fn directory(&mut self, path: &str) -> u32 {
        if *self.last.0 == *path {
            return self.last.1;
        }
        let mut new = Vec::new();
        let mut number = 0;
        for dir in std::iter::once(path).chain(path::ancestors(path)) {
            let name = self.names.name(dir);
            if let Some(known) = self.numbers.get(&name) {
                number = *known;
                break;
            }
            new.push(name);
        }
        for name in new.into_iter().rev() {
            let above = number;
            number = u32::try_from(self.above.len()).unwrap_or(u32::MAX);
            self.above.push(above);
            self.numbers.insert(name, number);
        }
        self.last = (path.into(), number);
        number
    }

    fn remove(&mut self, name: u64) {
        if let Some(place) = self.at.remove(&name).and_then(|at| self.placed.get_mut(at as usize)) {
            *place = None;
        }
    }

    /// Takes away what stands below these directories.
    fn remove_below(&mut self, directories: impl Iterator<Item = u64>) {
        let mut gone = vec![false; self.above.len()];
        let mut is_any = false;
        for number in directories.filter_map(|name| self.numbers.get(&name)) {
            if let Some(gone) = gone.get_mut(*number as usize) {
                (*gone, is_any) = (true, true);
            }
        }
        if !is_any {
            return;
        }
        for (at, above) in self.above.iter().enumerate() {
            let is_below = gone.get(*above as usize).copied().unwrap_or_default();
            if let Some(gone) = gone.get_mut(at) {
                *gone |= is_below;
            }
        }
        for place in &mut self.placed {
            let is_gone = |(_, placed): &mut (_, Placed)| gone.get(placed.directory as usize) == Some(&true);
            if let Some((path, _)) = place.take_if(is_gone) {
                self.at.remove(&self.names.name(&path));
            }
        }
    }
}

/// For sets of what [`PathHasher`] made, which is a hash already, with a key that nobody knows.
type ByName = BuildHasherDefault<Name>;

/// The hash of a name: the name.
#[derive(Default)]
pub(crate) struct Name(u64);

impl Hasher for Name {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Names are numbers; whatever else comes is spread as well as it can be.
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, name: u64) {
        self.0 = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    fn files(paths: impl IntoIterator<Item = String>) -> Table {
        let mut table = Table::default();
        paths.into_iter().for_each(|path| table.put(&path, Entry::Unread("")));
        table
    }

    fn place(path: &str) -> Option<String> {
        Some(path.to_owned())
    }

    fn paths(tree: Tree) -> Vec<String> {
        tree.files.into_sorted().map(|(path, _)| path.into()).collect()
    }

    #[test]
    fn the_files_of_an_image_are_bounded_at_limit_plus_one() {
        let numbers = |range: Range<usize>| files(range.map(|at| at.to_string()));
        let mut tree = Tree::new(&PathHasher::default(), 0);
        tree.lay(0, numbers(0..limits::LAYER_FILES), place);
        tree.lay(1, numbers(0..limits::LAYER_FILES), place);
        assert_eq!(tree.left_out, 0, "the same files in another layer are no further ones");
        tree.lay(2, numbers(limits::LAYER_FILES..limits::IMAGE_FILES + 1), place);
        assert_eq!((tree.left_out, tree.files.len()), (1, limits::IMAGE_FILES));
    }

    #[test]
    fn what_a_layer_takes_away() {
        let names = PathHasher::default();
        let below = ["a/b/c", "a/b/d/e", "a/f", "a-b", "g", "h/i/j/k"].map(str::to_owned);
        let left = |gone: &dyn Fn(&mut Gone)| {
            let mut tree = Tree::new(&names, 3);
            tree.lay(0, files(below.clone()), place);
            let mut all = Gone::default();
            gone(&mut all);
            tree.clear(&all);
            tree.lay(1, files(["x".to_owned()]), place);
            paths(tree).join(" ")
        };
        assert_eq!(left(&|_| ()), "a-b a/b/c a/b/d/e a/f g h/i/j/k x");
        assert_eq!(left(&|gone| gone.at("a/b", &names)), "a-b a/f g h/i/j/k x");
        assert_eq!(left(&|gone| gone.at("g", &names)), "a-b a/b/c a/b/d/e a/f h/i/j/k x");
        assert_eq!(left(&|gone| gone.below("g", &names)), "a-b a/b/c a/b/d/e a/f g h/i/j/k x");
        assert_eq!(left(&|gone| gone.below("h", &names)), "a-b a/b/c a/b/d/e a/f g x");
        assert_eq!(left(&|gone| gone.below("", &names)), "x");
        let mut replaced =
            vec![names.directory(b"a"), names.other(b"h/i"), names.directory(b"g"), names.other(b"y")];
        replaced.sort_unstable();
        assert_eq!(left(&|gone| gone.replaced(replaced.clone())), "a-b a/b/c a/b/d/e a/f x");
    }
}
