//! Layers laid on each other: the final file system, and since when each file stands.
//!
//! OCI image specification, layer.md: a whiteout and an opaque directory take away what lower layers have,
//! wherever they stand in their own layer's tar; an entry takes the place of what a lower layer has at its
//! path, and all that was below it unless both are directories; symbolic links in a path's directories are
//! followed inside the image, never out of it.

use crate::catalogers::{Fact, Parsed};
use crate::files::{Gone, Laid};
use crate::layer::{Facts, Kept, PathHasher};
use crate::{limits, path};
use seaworthy_sbom::inventory::Evidence;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a wanted path holds after some layer.
#[derive(Debug, Clone)]
pub(crate) enum State {
    /// A file that was read.
    Parsed(Arc<Parsed>),
    /// A file that was not read, and why.
    Unread(String),
    /// Nothing that anybody wants.
    Gone,
}

impl State {
    /// What the file says, where it was read.
    pub(crate) fn fact(&self) -> Option<&Fact> {
        match self {
            Self::Parsed(parsed) => Some(&parsed.fact),
            Self::Unread(_) | Self::Gone => None,
        }
    }
}

/// The history of a wanted path: from which layer on it held what. Lowest layer first.
pub(crate) type History = Vec<(usize, State)>;

/// The final file system, as far as catalogers care.
pub(crate) struct View {
    files: BTreeMap<String, History>,
    links: Arc<Links>,
    digests: Vec<String>,
    /// The layers' tables of files, where they are asked for.
    laid: Vec<Laid>,
}

impl View {
    /// Lays `layers` on each other, lowest first; `digests` are those of their blobs.
    pub(crate) fn squash(layers: Vec<Arc<Facts>>, digests: Vec<String>, names: &PathHasher) -> Self {
        let mut view = Self::empty(digests);
        for (index, facts) in layers.into_iter().enumerate() {
            view.lay(index, Arc::unwrap_or_clone(facts), names);
        }
        view
    }

    /// Nothing yet, of layers with these digests.
    pub(crate) fn empty(digests: Vec<String>) -> Self {
        Self { files: BTreeMap::new(), links: Arc::default(), digests, laid: Vec::new() }
    }

    /// How much happened to wanted files and links so far: what does not change it, changes nothing for catalogers.
    pub(crate) fn changes(&self) -> (usize, &Links) {
        (self.files.values().map(Vec::len).sum(), &self.links)
    }

    /// Lays the layer number `layer` on what is there; the lower ones were laid before.
    pub(crate) fn lay(&mut self, layer: usize, facts: Facts, names: &PathHasher) {
        // Whiteouts speak about lower layers: all of them first.
        let mut gone = facts.files.is_some().then(Gone::default);
        for hidden in &facts.whiteouts {
            if let Some(hidden) = self.place(hidden) {
                self.remove(layer, |p| p == hidden || path::is_below(p, &hidden), &hidden);
                gone.iter_mut().for_each(|gone| gone.at(&hidden, names));
            }
        }
        for dir in &facts.opaque {
            if let Some(dir) = self.resolve(dir) {
                self.remove(layer, |p| path::is_below(p, &dir), &dir);
                gone.iter_mut().for_each(|gone| gone.below(&dir, names));
            }
        }
        let replaced = Replaced::new(names, &facts.paths);
        self.remove(layer, |p| replaced.holds(p), "");
        for (link, target) in facts.symlinks {
            if let Some(link) = self.place(&link) {
                self.remove(layer, |p| p == link || path::is_below(p, &link), &link);
                gone.iter_mut().for_each(|gone| gone.at(&link, names));
                Arc::make_mut(&mut self.links).0.insert(link, target);
            }
        }
        let mut links = Vec::new();
        for (file, kept) in facts.kept {
            let Some(file) = self.place(&file) else { continue };
            match kept {
                Kept::Parsed(parsed) => self.set(file, layer, State::Parsed(parsed)),
                Kept::Unread(why) => self.set(file, layer, State::Unread(why)),
                Kept::HardLink(target) => links.push((file, target)),
            }
        }
        // A link may come before its target in the order of paths, and point to another link.
        for _ in 0..limits::LINK_HOPS {
            let before = links.len();
            links.retain(|(file, target)| {
                let found = self.place(target).and_then(|target| self.now(&target).cloned());
                match found {
                    Some(state) => {
                        self.set(file.clone(), layer, state);
                        false
                    }
                    None => true,
                }
            });
            if links.len() == before {
                break;
            }
        }
        for (file, target) in links {
            let why = format!("a hard link to {}, which was not read", path::shown(target.as_bytes()));
            self.set(file, layer, State::Unread(why));
        }
        if let (Some(table), Some(mut gone)) = (facts.files, gone) {
            gone.replaced(facts.paths);
            self.laid.push(Laid { layer, gone, table, links: Arc::clone(&self.links) });
        }
    }

    /// The tables of files, lowest layer first, where files are asked for.
    pub(crate) fn take_laid(&mut self) -> Vec<Laid> {
        std::mem::take(&mut self.laid)
    }

    /// Whether a link stands at this place.
    pub(crate) fn is_link(&self, place: &str) -> bool {
        self.links.0.contains_key(place)
    }

    fn set(&mut self, path: String, layer: usize, state: State) {
        if self.is_link(&path) {
            Arc::make_mut(&mut self.links).0.remove(&path);
        }
        let history = self.files.entry(path).or_default();
        // One state for each layer: what it held when the layer was complete.
        history.retain(|(at, _)| *at != layer);
        history.push((layer, state));
    }

    /// Takes away what `gone` says, among what catalogers want that begins with `start`, and among links.
    fn remove(&mut self, layer: usize, gone: impl Fn(&str) -> bool, start: &str) {
        let from_start = || (std::ops::Bound::Included(start), std::ops::Bound::Unbounded);
        for (path, history) in self.files.range_mut::<str, _>(from_start()) {
            if !path.starts_with(start) {
                break;
            }
            let present = history.last().is_some_and(|(_, state)| !matches!(state, State::Gone));
            if present && gone(path) {
                history.push((layer, State::Gone));
            }
        }
        let links: Vec<String> = self
            .links
            .0
            .range::<str, _>(from_start())
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(start))
            .filter(|path| gone(path))
            .cloned()
            .collect();
        if !links.is_empty() {
            let known = Arc::make_mut(&mut self.links);
            links.iter().for_each(|link| drop(known.0.remove(link)));
        }
    }

    fn now(&self, path: &str) -> Option<&State> {
        self.files.get(path)?.last().map(|(_, state)| state).filter(|state| !matches!(state, State::Gone))
    }

    /// As [`Links::place`].
    pub(crate) fn place(&self, path: &str) -> Option<String> {
        self.links.place(path)
    }

    /// As [`Links::resolve`].
    pub(crate) fn resolve(&self, path: &str) -> Option<String> {
        self.links.resolve(path)
    }

    /// The digest of the layer's blob.
    pub(crate) fn digest(&self, layer: usize) -> Option<&str> {
        self.digests.get(layer).map(String::as_str)
    }

    /// The file at `path`, of which `layer` brought what is there, as the proof of a package.
    pub(crate) fn evidence(&self, path: &str, layer: usize) -> Evidence {
        Evidence { path: format!("/{path}"), layer: self.digest(layer).map(str::to_owned) }
    }

    /// All wanted files that are there in the end, with the layer that wrote each last.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, usize, &State)> {
        self.files.iter().filter_map(|(path, history)| match history.last() {
            Some((layer, state)) if !matches!(state, State::Gone) => Some((path.as_str(), *layer, state)),
            _ => None,
        })
    }

    /// The files that were read and are there in the end.
    pub(crate) fn parsed(&self) -> impl Iterator<Item = (&str, usize, &Parsed)> {
        self.files().filter_map(|(path, layer, state)| match state {
            State::Parsed(parsed) => Some((path, layer, parsed.as_ref())),
            _ => None,
        })
    }

    /// The file that `path` leads to in the end: its place, the layer that wrote it last, its content.
    pub(crate) fn lookup(&self, path: &str) -> Option<(String, usize, &State)> {
        let place = self.resolve(path)?;
        let (layer, state) = self.files.get(&place)?.last()?;
        (!matches!(state, State::Gone)).then_some((place, *layer, state))
    }

    /// The history of the file at this place, also where it is gone in the end.
    pub(crate) fn history(&self, place: &str) -> &[(usize, State)] {
        self.files.get(place).map(Vec::as_slice).unwrap_or_default()
    }

    /// All histories whose path passes `wanted`.
    pub(crate) fn histories(&self, wanted: impl Fn(&str) -> bool) -> Vec<&[(usize, State)]> {
        self.files.iter().filter(|(path, _)| wanted(path)).map(|(_, h)| h.as_slice()).collect()
    }

    /// Where `path` leads, if that is another place, one that `known` says nobody looks at.
    pub(crate) fn astray(&self, path: &str, known: impl Fn(&str) -> bool) -> Option<String> {
        let place = self.resolve(path)?;
        (place != path && !known(&place)).then_some(place)
    }
}

/// The symbolic links of the file system: where each stands, and its target.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Links(BTreeMap<String, String>);

impl Links {
    /// Where `path` stands once the links in its directories are followed, but not one at its end.
    pub(crate) fn place(&self, path: &str) -> Option<String> {
        let (dir, base) = path::split(path);
        Some(path::join(&self.resolve(dir)?, base))
    }

    /// Where `path` leads once all links are followed, as Linux does with the image as its root. `None`
    /// for a loop or a chain that is too long. Parts that nobody knows are taken as they are.
    pub(crate) fn resolve(&self, path: &str) -> Option<String> {
        if self.0.is_empty() {
            return Some(path.to_owned());
        }
        let mut hops = 0;
        let mut todo: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut done = String::new();
        while let Some(part) = todo.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = path::join(&done, &part);
            let Some(target) = self.0.get(&next) else {
                done = next;
                continue;
            };
            hops += 1;
            if hops > limits::LINK_HOPS || target.len() > limits::PATH_BYTES {
                return None;
            }
            if target.starts_with('/') {
                done.clear();
            }
            for part in target.split('/').rev() {
                todo.push_front(part.to_owned());
            }
        }
        Some(done)
    }
}

/// What a layer's entries take the place of.
pub(crate) struct Replaced<'a> {
    names: &'a PathHasher,
    paths: &'a [u64],
    /// The directory that was asked about last, and the answer: paths are asked for in their order.
    last: RefCell<(String, bool)>,
}

impl<'a> Replaced<'a> {
    /// `paths` are those of [`Facts::paths`], sorted.
    pub(crate) fn new(names: &'a PathHasher, paths: &'a [u64]) -> Self {
        Self { names, paths, last: RefCell::default() }
    }

    /// Whether something stands in the layer at `path`, or other than a directory above it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let name = self.names.name(path);
        // The two that stand for a path are neighbours.
        if self.paths.binary_search_by_key(&name, |entry| PathHasher::name_of(*entry)).is_ok() {
            return true;
        }
        let dir = path::split(path).0;
        let mut last = self.last.borrow_mut();
        if last.0 != dir {
            last.1 = self.has_no_directory(dir);
            last.0.clear();
            last.0.push_str(dir);
        }
        last.1
    }

    /// Whether something other than a directory stands at `dir` or above it.
    fn has_no_directory(&self, dir: &str) -> bool {
        let holds = |dir: &str| self.paths.binary_search(&self.names.other(dir.as_bytes())).is_ok();
        !dir.is_empty() && (holds(dir) || path::ancestors(dir).any(holds))
    }
}

/// What some paths said together after each layer that changed one of them.
pub(crate) struct Snapshots<K>(Vec<(usize, BTreeSet<K>)>);

impl<K: Ord> Snapshots<K> {
    /// Asks `keys` for what each state of `histories` says.
    pub(crate) fn new<'v>(histories: &[&'v [(usize, State)]], keys: impl Fn(&'v State) -> Vec<K>) -> Self {
        let mut moments: Vec<usize> =
            histories.iter().flat_map(|h| h.iter().map(|(layer, _)| *layer)).collect();
        moments.sort_unstable();
        moments.dedup();
        let said_at = |moment: usize| {
            let latest = |h: &&'v [(usize, State)]| h.iter().rev().find(|(layer, _)| *layer <= moment);
            histories.iter().filter_map(latest).flat_map(|(_, state)| keys(state)).collect()
        };
        Self(moments.into_iter().map(|moment| (moment, said_at(moment))).collect())
    }

    /// The lowest layer since which `key` was said without a break up to the last layer.
    pub(crate) fn since(&self, key: &K) -> Option<usize> {
        self.0.iter().rev().take_while(|(_, said)| said.contains(key)).last().map(|(layer, _)| *layer)
    }
}
