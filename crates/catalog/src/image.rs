//! One image: its configuration, its layers in parallel, and the inventory of the whole.

use crate::cache::Key;
use crate::catalogers::{self, field};
use crate::collect::Collector;
use crate::error::{Error, ErrorKind, Result};
use crate::files::{self, Md5Sums, Tree};
use crate::hidden;
use crate::layer::{self, Facts, Pass};
use crate::lazy::{self, Asking, Known, Table};
use crate::limits;
use crate::memory::Memory;
use crate::squash::View;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use seaworthy_oci::limits::{CONFIG_BYTES, LAYER_BYTES};
use seaworthy_oci::{Algorithm, Descriptor, Digest, Image, ImageConfig, Pinned, Source};
use seaworthy_sbom::files::Selection;
use seaworthy_sbom::inventory::{Creator, Gap, Inventory, Layer, OsRelease, Subject};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

/// Whether the digests of the uncompressed layers are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DiffIds {
    /// Compute them and check them against the configuration. Costs a quarter more time.
    Compute,
    /// Take over what the configuration says: the blob digests authenticate the content already.
    #[default]
    Skip,
}

/// How much of an image is inventoried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// The final file system, as a container sees it.
    #[default]
    Squashed,
    /// What later layers hide as well, each marked with the layer that hid it ([`crate::HIDDEN_BY`]). The catalogers
    /// read the image once for every layer that changes what they look at.
    AllLayers,
}

/// How layers are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reading {
    /// Whole, each against its digest.
    #[default]
    Whole,
    /// Those with a table of contents (eStargz, zstd:chunked) by it, as far as their place gives parts of them and less
    /// than half is wanted. What is listed there and what a runtime unpacks can differ where somebody wants it to, so that
    /// each such layer is a gap. Not where files are listed or diff ids computed: that takes all bytes.
    Lazy,
}

/// How an inventory is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the digests of the uncompressed layers are computed.
    pub diff_ids: DiffIds,
    /// The time to write into the inventory, seconds since 1970 UTC (`SOURCE_DATE_EPOCH`). `None`: the
    /// time at which the image was built, so that the same image gives the same bytes.
    pub created: Option<i64>,
    /// Layers that are read at a time, at least 1 and at most [`limits::THREADS`].
    pub threads: usize,
    /// How much of the image.
    pub scope: Scope,
    /// Which files are listed with checksums. With none of them, none is hashed.
    pub files: Selection,
    /// How layers are read.
    pub reading: Reading,
    /// What is known of layers already, from other images of this run and from earlier runs.
    pub memory: Memory,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            diff_ids: DiffIds::Skip,
            created: None,
            threads: 2,
            scope: Scope::Squashed,
            files: Selection::None,
            reading: Reading::Whole,
            memory: Memory::default(),
        }
    }
}

/// Watches an inventory being made. All calls come from the task that made it.
pub trait Progress: Send + Sync {
    /// The layer `index` (0 is the lowest) is being read; it is `size` bytes as stored.
    fn layer_started(&self, index: usize, digest: &Digest, size: u64) {
        let _ = (index, digest, size);
    }
    /// `read` bytes of the layer `index` as stored were read so far.
    fn layer_bytes(&self, index: usize, read: u64) {
        let _ = (index, read);
    }
    /// Of the layer `index`, which was read by its table of contents, `fetched` bytes were asked for.
    fn layer_was_lazy(&self, index: usize, fetched: u64) {
        let _ = (index, fetched);
    }
    /// The layer `index` was read to its end.
    fn layer_finished(&self, index: usize) {
        let _ = index;
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}

/// What is in `image`, whose strictly read manifest is `manifest`. An index is the caller's to iterate.
///
/// The result is normalized, and the same for the same image in every run.
///
/// # Errors
/// Where the image's place fails, a digest does not match, a stream is truncated or ambiguous, or a limit
/// of the structure is passed. Trouble with one file is a gap in the result instead.
pub async fn inventory(
    source: &dyn Source,
    image: &Pinned,
    manifest: &Image,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Inventory> {
    let config = source.blob_bytes(&manifest.config, CONFIG_BYTES).await?;
    let config = ImageConfig::parse(&config, &manifest.config.digest)?;
    let diff_ids = named_diff_ids(manifest, &config)?;
    let layers = read_layers(source, manifest, &diff_ids, options, progress).await?;

    let mut inventory = Inventory {
        subject: Subject {
            name: image.location().to_string(),
            digest: Some(image.digest().to_string()),
            media_type: Some(image.descriptor().media_type.clone()),
            platform: config.platform().map(|p| p.to_string()),
            tag: image.tag().map(str::to_owned),
            supplier: config.maker().and_then(field),
        },
        created: options.created.or_else(|| built_at(&config)),
        creators: creators(),
        ..Inventory::default()
    };
    for ((descriptor, facts), named) in manifest.layers.iter().zip(&layers).zip(&diff_ids) {
        let diff_id = facts.diff_id.as_ref().or(named.as_ref());
        inventory.layers.push(Layer {
            digest: descriptor.digest.to_string(),
            diff_id: diff_id.map(ToString::to_string),
            size: descriptor.size,
        });
    }
    let digests: Vec<String> = inventory.layers.iter().map(|l| l.digest.clone()).collect();
    for (facts, digest) in layers.iter().zip(&digests) {
        inventory.gaps.extend(gaps(facts, digest, "layer"));
    }
    let lower = match options.scope {
        Scope::Squashed => None,
        Scope::AllLayers => Some((layers.clone(), digests.clone())),
    };
    let mut view = View::squash(layers, digests, options.memory.names());
    let laid = view.take_laid();
    if options.files == Selection::None {
        collect(&view, None, &mut inventory);
    } else {
        // Files and packages know nothing of each other until both are there.
        let tree = std::thread::scope(|scope| {
            let tree = scope.spawn(|| Tree::of(laid, options.memory.names()));
            collect(&view, None, &mut inventory);
            tree.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        files::report(tree, &view, options.files, &mut inventory);
    }
    inventory.normalize();
    if let Some((layers, digests)) = lower {
        hidden::add(&mut inventory, layers, digests, options.memory.names());
    }
    Ok(inventory)
}

/// What was left out of a layer, or of what stands for one; `whole` is its name.
pub(crate) fn gaps(facts: &Facts, whole: &str, found_by: &str) -> Vec<Gap> {
    let gap = |note: &layer::Note| Gap {
        path: note.path.clone().unwrap_or_else(|| whole.to_owned()),
        reason: note.reason.clone(),
        found_by: found_by.to_owned(),
    };
    facts.notes.iter().map(gap).collect()
}

/// This program, as the maker of inventories.
pub(crate) fn creators() -> Vec<Creator> {
    vec![Creator::Tool { name: "seaworthy".into(), version: Some(env!("CARGO_PKG_VERSION").into()) }]
}

/// Reads everything off `view`. With `os`, the packages are those of that system whatever the view says.
pub(crate) fn collect(view: &View, os: Option<&OsRelease>, inventory: &mut Inventory) {
    let mut collector = Collector::new(view);
    for cataloger in catalogers::ALL {
        collector.run(*cataloger);
        if let Some(os) = os {
            collector.os = Some(os.clone());
        }
    }
    collector.finish(inventory);
}

/// The diff ids that the configuration names, one for each layer, or all unknown where it names none.
fn named_diff_ids(manifest: &Image, config: &ImageConfig) -> Result<Vec<Option<Digest>>> {
    let named = &config.rootfs.diff_ids;
    if named.is_empty() {
        return Ok(vec![None; manifest.layers.len()]);
    }
    if named.len() != manifest.layers.len() {
        let why = format!(
            "the manifest has {} layers, but rootfs.diff_ids names {}",
            manifest.layers.len(),
            named.len()
        );
        return Err(Error::new(
            "read image configuration",
            &manifest.config.digest,
            ErrorKind::Malformed(why),
        ));
    }
    Ok(named.iter().cloned().map(Some).collect())
}

fn built_at(config: &ImageConfig) -> Option<i64> {
    config.created.as_ref()?.parse::<jiff::Timestamp>().ok().map(|t| t.as_second())
}

/// Tells the workers to stop when the inventory is given up, by an error or because its future is dropped.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What decides what is read of a layer, beside the program.
fn key(descriptor: &Descriptor, named: Option<&Digest>, options: &Options) -> Key {
    let computed = match options.diff_ids {
        DiffIds::Skip => "no diff id",
        DiffIds::Compute => named.map_or(Algorithm::Sha256, Digest::algorithm).as_str(),
    };
    // Which of the files are listed is decided when all layers are there.
    let files = match (options.files, Md5Sums::for_list(options.files)) {
        (Selection::None, _) => "no files",
        (_, Md5Sums::None) => "files",
        (_, Md5Sums::OfDpkg) => "files with MD5",
    };
    let how = format!("{} {computed}, {files}", descriptor.media_type);
    Key { digest: descriptor.digest.clone(), size: descriptor.size, how }
}

/// A layer of the image, wherever it stands in it.
struct Place {
    key: Key,
    /// By what it is read, where that is not all of it.
    table: Option<Result<Table, String>>,
    /// The name under which a run remembers what it read of the layer by this very table: never that of the whole layer,
    /// and in no cache.
    lazily: Option<Key>,
    /// Where it stands first, and again.
    indexes: Vec<usize>,
}

impl Place {
    fn of(index: usize, descriptor: &Descriptor, named: Option<&Digest>, options: &Options) -> Self {
        let key = key(descriptor, named, options);
        let may = options.reading == Reading::Lazy
            && options.files == Selection::None
            && options.diff_ids == DiffIds::Skip;
        let table = may.then(|| Table::of(descriptor)).flatten();
        let by = |table: &Table| Key { how: format!("{}, by {table:?}", key.how), ..key.clone() };
        let lazily = table.as_ref().and_then(|table| table.as_ref().ok()).map(by);
        Self { key, table, lazily, indexes: vec![index] }
    }
}

/// What was learned of a layer.
enum Step {
    /// Nothing is known: it has to be read.
    Unknown,
    /// It is known from before.
    Known(Arc<Facts>),
    /// It was read; with how many bytes, if not with all of them.
    Read(Result<(Arc<Facts>, Option<u64>)>),
}

/// Reads all layers that are not known, the largest first, `threads` at a time; the result is in the manifest's
/// order. A layer that stands there twice is read once.
async fn read_layers(
    source: &dyn Source,
    manifest: &Image,
    diff_ids: &[Option<Digest>],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Arc<Facts>>> {
    for descriptor in &manifest.layers {
        if descriptor.size > LAYER_BYTES {
            return Err(Error::new(
                "read layer",
                &descriptor.digest,
                ErrorKind::LimitExceeded { limit: "LAYER_BYTES", value: LAYER_BYTES },
            ));
        }
    }
    let named = |index: usize| diff_ids.get(index).and_then(Option::as_ref);
    let mut places: Vec<Place> = Vec::new();
    for (index, descriptor) in manifest.layers.iter().enumerate() {
        let place = Place::of(index, descriptor, named(index), options);
        match places.iter_mut().find(|known| known.key == place.key && known.table == place.table) {
            Some(known) => known.indexes.push(index),
            None => places.push(place),
        }
    }
    // Taken from the end: the largest first, and of equals the lowest.
    let by_size = |at: &usize| (places[*at].key.size, std::cmp::Reverse(*at));
    let (mut asked, mut waiting): (Vec<usize>, Vec<usize>) = (0..places.len()).rev().partition(|&at| {
        let Place { key, lazily, .. } = &places[at];
        options.memory.may_have(key) || lazily.as_ref().is_some_and(|key| options.memory.may_have(key))
    });
    waiting.sort_by_key(by_size);
    let threads = options.threads.clamp(1, limits::THREADS);
    let cancel = CancelOnDrop(Arc::new(AtomicBool::new(false)));
    let (events, mut heard) = mpsc::unbounded_channel();
    let (asks, mut asked_for) = mpsc::unbounded_channel();
    let mut answers = FuturesUnordered::new();
    let mut running = JoinSet::new();
    let mut done: Vec<Option<Arc<Facts>>> = manifest.layers.iter().map(|_| None).collect();
    let (mut entries, mut wanted) = (0_u64, 0_u64);
    loop {
        while running.len() < threads {
            let memory = options.memory.clone();
            if let Some(at) = asked.pop() {
                let (key, lazily) = (places[at].key.clone(), places[at].lazily.clone());
                running.spawn_blocking(move || {
                    let lazily = || memory.held(lazily.as_ref()?);
                    (at, memory.get(&key).or_else(lazily).map_or(Step::Unknown, Step::Known))
                });
                continue;
            }
            let Some(at) = waiting.pop() else { break };
            let Place { key, table, lazily, indexes } = &places[at];
            let index = indexes[0];
            let descriptor = &manifest.layers[index];
            progress.layer_started(index, &descriptor.digest, descriptor.size);
            let opened = match table {
                None => Ok(source.blob(descriptor).await?),
                Some(table) => Err(table.clone()),
            };
            let size = descriptor.size;
            let mut asking = Asking::new(index, asks.clone(), descriptor.digest.clone());
            let pass = Pass {
                digest: descriptor.digest.clone(),
                media_type: descriptor.media_type.clone(),
                diff_ids: options.diff_ids,
                named: named(index).cloned(),
                names: options.memory.names().clone(),
                cancel: Arc::clone(&cancel.0),
                files: options.files,
            };
            let (events, key, lazily) = (events.clone(), key.clone(), lazily.clone());
            running.spawn_blocking(move || {
                // Nobody listens once the inventory is given up.
                let mut report = |read| {
                    let _ = events.send((index, read));
                };
                let known = match opened {
                    Ok(reader) => {
                        layer::read(reader, &pass, &mut report).map(|facts| Known { facts, fetched: None })
                    }
                    Err(table) => lazy::read(table, size, &pass, &mut asking, &mut report),
                };
                let read = known.map(|Known { facts, fetched }| (Arc::new(facts), fetched));
                match &read {
                    Ok((facts, None)) => memory.put(&key, facts),
                    Ok((facts, Some(_))) => {
                        lazily.iter().for_each(|key| memory.hold(key, facts));
                    }
                    Err(_) => {}
                }
                (at, Step::Read(read))
            });
        }
        tokio::select! {
            Some((index, read)) = heard.recv() => progress.layer_bytes(index, read),
            Some(ask) = asked_for.recv() => answers.push(ask.answer(source, manifest)),
            Some(()) = answers.next(), if !answers.is_empty() => {}
            finished = running.join_next() => {
                let Some(finished) = finished else { break };
                let (at, step) = finished.map_err(|e| {
                    Error::new("read layers of", &manifest.config.digest, ErrorKind::Local(e.to_string()))
                })?;
                let indexes = &places[at].indexes;
                let facts = match step {
                    Step::Unknown => {
                        waiting.push(at);
                        waiting.sort_by_key(by_size);
                        continue;
                    }
                    Step::Known(facts) => {
                        for &index in indexes {
                            let descriptor = &manifest.layers[index];
                            progress.layer_started(index, &descriptor.digest, descriptor.size);
                            progress.layer_bytes(index, descriptor.size);
                        }
                        facts
                    }
                    Step::Read(read) => {
                        let (facts, fetched) = read?;
                        if let Some(fetched) = fetched {
                            progress.layer_was_lazy(indexes[0], fetched);
                        }
                        facts
                    }
                };
                for &index in indexes {
                    layer::check_diff_id(&facts, named(index), &manifest.layers[index].digest)?;
                    entries += facts.entries;
                    wanted += facts.wanted_bytes;
                    if let Some(kind) = over(entries, wanted) {
                        return Err(Error::new("read layers of image", &manifest.config.digest, kind));
                    }
                    progress.layer_finished(index);
                    done[index] = Some(Arc::clone(&facts));
                }
            }
        }
    }
    let memory = options.memory.clone();
    // It may look at many files; whether it could is no part of the inventory.
    let _ = spawn_blocking(move || memory.image_done()).await;
    Ok(done.into_iter().flatten().collect())
}

/// Whether the layers of an image come to more than an image may have.
fn over(entries: u64, wanted: u64) -> Option<ErrorKind> {
    let sums = [
        (entries, "IMAGE_ENTRIES", limits::IMAGE_ENTRIES),
        (wanted, "IMAGE_WANTED_BYTES", limits::IMAGE_WANTED_BYTES),
    ];
    let over = sums.into_iter().find(|(sum, _, value)| sum > value);
    over.map(|(_, limit, value)| ErrorKind::LimitExceeded { limit, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers that come to four million entries would be two gigabytes of test.
    #[test]
    fn an_image_is_bounded_at_limit_plus_one() {
        assert_eq!(over(limits::IMAGE_ENTRIES, limits::IMAGE_WANTED_BYTES), None);
        let name = |kind| match kind {
            Some(ErrorKind::LimitExceeded { limit, .. }) => limit,
            _ => "none",
        };
        assert_eq!(name(over(limits::IMAGE_ENTRIES + 1, 0)), "IMAGE_ENTRIES");
        assert_eq!(name(over(0, limits::IMAGE_WANTED_BYTES + 1)), "IMAGE_WANTED_BYTES");
    }
}
