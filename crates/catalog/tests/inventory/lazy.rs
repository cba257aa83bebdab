//! Layers by their table of contents: the inventory of the whole layer with a part of its bytes; and what becomes of
//! tables that lie, of places that give other bytes, and of caches.

use crate::chunked::{self, Chunked, Format, Member, noise};
use crate::support::{STATUS, deb, gaps, names, npm};
use async_trait::async_trait;
use proptest::prelude::*;
use seaworthy_catalog::{
    Cache, DiffIds, ErrorKind, Memory, NoProgress, Options, Reading, Scope, inventory, limits,
};
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{
    BlobReader, CheckedReader, Descriptor, Digest, Image, Location, Manifest, Pinned, RawManifest, Referrers,
    Selector, Source,
};
use seaworthy_sbom::files::Selection;
use seaworthy_sbom::inventory::Inventory;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

type Answers = Box<dyn Fn(&[u8], Range<u64>) -> Option<Vec<u8>> + Send + Sync>;
type Result<T> = std::result::Result<T, seaworthy_catalog::Error>;

/// A place that gives parts of blobs, as it likes.
struct Place {
    location: Location,
    blobs: BTreeMap<Digest, Vec<u8>>,
    answers: Answers,
    stretches: Mutex<Vec<Range<u64>>>,
    wholes: Mutex<Vec<Digest>>,
}

#[async_trait]
impl Source for Place {
    fn location(&self) -> &Location {
        &self.location
    }

    async fn manifest(&self, _: Selector<'_>) -> seaworthy_oci::Result<Option<RawManifest>> {
        Ok(None)
    }

    async fn blob(&self, descriptor: &Descriptor) -> seaworthy_oci::Result<BlobReader> {
        if descriptor.media_type != media_type::CONFIG {
            self.wholes.lock().unwrap().push(descriptor.digest.clone());
        }
        let bytes = Cursor::new(self.blobs[&descriptor.digest].clone());
        Ok(Box::new(CheckedReader::new(bytes, descriptor.digest.clone(), descriptor.size, "place")))
    }

    async fn blob_range(
        &self,
        descriptor: &Descriptor,
        range: Range<u64>,
    ) -> seaworthy_oci::Result<Option<BlobReader>> {
        self.stretches.lock().unwrap().push(range.clone());
        let answer = (self.answers)(&self.blobs[&descriptor.digest], range);
        Ok(answer.map(|bytes| Box::new(Cursor::new(bytes)) as BlobReader))
    }

    async fn referrers(&self, _: &Digest) -> seaworthy_oci::Result<Referrers> {
        unreachable!("nobody asks an inventory for referrers")
    }
}

fn part(blob: &[u8], range: Range<u64>) -> Option<Vec<u8>> {
    blob.get(range.start as usize..range.end as usize).map(<[u8]>::to_vec)
}

/// An image of such layers.
struct Shipped {
    place: Place,
    pinned: Pinned,
    manifest: Image,
}

impl Shipped {
    fn new(layers: &[Chunked]) -> Self {
        let ids: Vec<String> = layers.iter().map(|l| l.diff_id.to_string()).collect();
        let config = json!({"created": "2024-06-01T12:00:00Z", "os": "linux", "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": ids}})
        .to_string();
        let descriptors: Vec<&Descriptor> = layers.iter().map(|l| &l.descriptor).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
            "config": Descriptor::of(media_type::CONFIG, config.as_bytes()), "layers": descriptors});
        let blobs = layers.iter().map(|l| (l.descriptor.digest.clone(), l.bytes.clone()));
        let blobs = blobs.chain([(Digest::sha256(config.as_bytes()), config.clone().into_bytes())]);
        Self::of(manifest.to_string().into_bytes(), blobs.collect())
    }

    /// One that another program made.
    fn recorded(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/interop/chunked").join(name);
        let read = |digest: &str| std::fs::read(root.join("blobs").join(digest.replace(':', "/"))).unwrap();
        let index: Value = serde_json::from_slice(&std::fs::read(root.join("index.json")).unwrap()).unwrap();
        let mut blobs = BTreeMap::new();
        for blob in std::fs::read_dir(root.join("blobs/sha256")).unwrap() {
            let bytes = std::fs::read(blob.unwrap().path()).unwrap();
            blobs.insert(Digest::sha256(&bytes), bytes);
        }
        Self::of(read(index["manifests"][0]["digest"].as_str().unwrap()), blobs)
    }

    fn of(manifest: Vec<u8>, blobs: BTreeMap<Digest, Vec<u8>>) -> Self {
        let raw = RawManifest::new(manifest, Some(media_type::MANIFEST), "test").unwrap();
        let Manifest::Image(manifest) = raw.parse().unwrap() else { panic!("no image") };
        let pinned = Pinned::new(&"registry.example/app:1".parse().unwrap(), raw.descriptor);
        let place = Place {
            location: pinned.location().clone(),
            blobs,
            answers: Box::new(part),
            stretches: Mutex::default(),
            wholes: Mutex::default(),
        };
        Self { place, pinned, manifest }
    }

    fn answering(
        mut self,
        answers: impl Fn(&[u8], Range<u64>) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        self.place.answers = Box::new(answers);
        self
    }

    fn read(&self, options: &Options) -> Result<Inventory> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(inventory(&self.place, &self.pinned, &self.manifest, options, &NoProgress))
    }

    fn whole(&self) -> Inventory {
        self.stretches();
        let found = self.read(&Options::default()).unwrap();
        self.wholes();
        assert_eq!(self.stretches(), Vec::new(), "nobody asked for parts");
        found
    }

    fn lazily(&self) -> Result<Inventory> {
        self.read(&lazy())
    }

    fn stretches(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.place.stretches.lock().unwrap())
    }

    fn wholes(&self) -> usize {
        std::mem::take(&mut *self.place.wholes.lock().unwrap()).len()
    }
}

fn lazy() -> Options {
    Options { reading: Reading::Lazy, ..Options::default() }
}

const SAID: &str = "only in part, by its table of contents (";

/// The inventory without what it says of layers that were not read whole, and how many these are.
fn without_notes(mut inventory: Inventory) -> (Inventory, usize) {
    let before = inventory.gaps.len();
    inventory.gaps.retain(|gap| !gap.reason.starts_with(SAID));
    let said = before - inventory.gaps.len();
    (inventory, said)
}

fn program() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/catalog/go-syft.elf")).unwrap()
}

/// A program whose build information stands far behind its start.
fn late(program: &[u8]) -> Vec<u8> {
    [&program[..4096], &noise(7, 160 << 10), &program[4096..]].concat()
}

/// A system with packages, a program without the name and the mode of one, and something large that nobody wants.
fn system() -> Vec<Member> {
    vec![
        Member::dir("etc/"),
        Member::file("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
        Member::file("etc/motd", "welcome\n".repeat(40)),
        Member::file(STATUS, deb("hello", "2.10-3") + &deb("world", "1")),
        Member::file("var/lib/big.img", noise(1, 4 << 20)),
        Member::file("opt/app", late(&program())),
        Member::hard_link("opt/again", "opt/app"),
        Member::file("srv/node_modules/left-pad/package.json", npm("left-pad", "1.3.0")),
        Member::symlink("srv/here", "node_modules"),
        Member::file("srv/data.bin", noise(2, 900 << 10)),
        Member::program("usr/bin/tool", program()),
        Member::file("../escape", "x".repeat(100)),
        Member::file("empty", ""),
    ]
}

#[test]
fn the_inventory_is_that_of_the_whole_layer() {
    for format in Format::ALL {
        let shipped = Shipped::new(&[chunked::layer(format, &system(), 64 << 10)]);
        let whole = shipped.whole();
        assert!(
            names(&whole).len() > 20 && names(&whole).contains(&"left-pad 1.3.0".into()),
            "{:?}",
            names(&whole)
        );
        assert!(gaps(&whole).iter().any(|gap| gap.contains("'..'")), "{:?}", gaps(&whole));
        let (lazily, said) = without_notes(shipped.lazily().unwrap());
        assert_eq!((lazily, said), (whole, 1), "{format:?}");
        assert_eq!(shipped.wholes(), 0);
        let fetched: u64 = shipped.stretches().iter().map(|s| s.end - s.start).sum();
        let size = shipped.manifest.layers[0].size;
        assert!(fetched * 6 < size, "{format:?}: {fetched} of {size}");
    }
}

#[test]
fn what_other_programs_make_is_read_by_its_table() {
    for name in ["estargz", "zstd-chunked"] {
        let shipped = Shipped::recorded(name);
        let whole = shipped.whole();
        for package in ["hello 2.10-5", "left-pad 1.3.0", "six 1.16.0"] {
            assert!(names(&whole).contains(&package.into()), "{name}: {:?}", names(&whole));
        }
        assert!(whole.packages.iter().any(|p| p.name == "stdlib"), "the program was read");
        assert_eq!(without_notes(shipped.lazily().unwrap()), (whole, 1), "{name}");
        assert_eq!(shipped.wholes(), 0);
        let fetched: u64 = shipped.stretches().iter().map(|s| s.end - s.start).sum();
        assert!(fetched < shipped.manifest.layers[0].size, "{name}: {fetched}");
    }
}

/// A model is known by its first bytes, which are in a few pieces; its weights are not fetched.
#[test]
fn of_a_layer_with_a_large_file_less_than_a_tenth_is_fetched() {
    let weights =
        [b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(), &noise(3, 24 << 20)].concat();
    let members = [Member::file(STATUS, deb("hello", "1")), Member::file("models/m.gguf", weights)];
    for format in [Format::Estargz, Format::ZstdChunked] {
        let shipped = Shipped::new(&[chunked::layer(format, &members, 128 << 10)]);
        let whole = shipped.whole();
        assert_eq!(without_notes(shipped.lazily().unwrap()), (whole.clone(), 1));
        assert_eq!(names(&whole).len(), 2, "{:?}", names(&whole));
        let stretches = shipped.stretches();
        let fetched: u64 = stretches.iter().map(|s| s.end - s.start).sum();
        assert!(fetched * 10 < shipped.manifest.layers[0].size, "{fetched}");
        assert!(stretches.len() <= 4, "{stretches:?}");
    }
}

#[test]
fn layers_are_laid_on_each_other_as_if_they_were_whole() {
    let lower = [
        Member::file(STATUS, deb("old", "1")),
        Member::file("srv/node_modules/a/package.json", npm("a", "1.0.0")),
        Member::file("app/node_modules/b/package.json", npm("b", "1.0.0")),
        Member::file("app/node_modules/c/package.json", npm("c", "1.0.0")),
        Member::file("blob", noise(1, 300 << 10)),
    ];
    let upper = [
        Member::file(STATUS, deb("new", "1")),
        Member::file("srv/node_modules/.wh.a", ""),
        Member::file("app/.wh..wh..opq", ""),
        Member::file("app/node_modules/c/package.json", npm("c", "2.0.0")),
        // Twice: the last one counts.
        Member::file("srv/node_modules/d/package.json", npm("d", "1.0.0")),
        Member::file("srv/node_modules/d/package.json", npm("d", "2.0.0")),
        Member::file("blob", noise(2, 300 << 10)),
    ];
    let layers = [
        chunked::layer(Format::Estargz, &lower, 32 << 10),
        chunked::layer(Format::ZstdChunked, &upper, 32 << 10),
    ];
    let shipped = Shipped::new(&layers);
    for scope in [Scope::Squashed, Scope::AllLayers] {
        let whole = shipped.read(&Options { scope, ..Options::default() }).unwrap();
        let lazily = shipped.read(&Options { scope, ..lazy() }).unwrap();
        assert_eq!(without_notes(lazily), (whole.clone(), 2));
        if scope == Scope::Squashed {
            assert_eq!(names(&whole), ["c 2.0.0", "d 2.0.0", "new 1"]);
        }
    }
}

#[test]
fn nobody_is_read_so_without_asking_and_not_where_all_bytes_are_needed() {
    let shipped = Shipped::new(&[chunked::layer(Format::Estargz, &system(), 64 << 10)]);
    let computed = DiffIds::Compute;
    for options in [
        Options::default(),
        Options { files: Selection::All, ..lazy() },
        Options { diff_ids: computed, ..lazy() },
    ] {
        let found = shipped.read(&options).unwrap();
        assert_eq!(without_notes(found).1, 0);
        assert_eq!((shipped.wholes(), shipped.stretches()), (1, Vec::new()));
    }
}

#[test]
fn a_layer_of_which_most_is_wanted_is_read_whole_and_nothing_is_said() {
    let programs: Vec<Member> =
        (0..4).map(|i| Member::program(&format!("usr/bin/p{i}"), late(&program()))).collect();
    for format in Format::ALL {
        let shipped = Shipped::new(&[chunked::layer(format, &programs, 64 << 10)]);
        let whole = shipped.whole();
        assert_eq!(shipped.lazily().unwrap(), whole);
        assert_eq!((shipped.wholes(), shipped.stretches().len()), (1, 1));
    }
    let small =
        Shipped::new(&[chunked::layer(Format::Estargz, &[Member::file("x", noise(1, 1 << 10))], 512)]);
    assert!(small.manifest.layers[0].size < limits::LAZY_LEAST_BYTES);
    assert_eq!(small.lazily().unwrap(), small.whole());
    assert_eq!(small.stretches(), Vec::new());
}

#[test]
fn a_place_that_gives_no_parts_gives_the_whole() {
    let layer = chunked::layer(Format::ZstdChunked, &system(), 64 << 10);
    let table = layer.table as u64;
    // From the beginning, and from some request on.
    let never: [Answers; 2] = [
        Box::new(|_, _| None),
        Box::new(move |blob, range| (range.start >= table).then(|| part(blob, range)).flatten()),
    ];
    for answers in never {
        let shipped = Shipped::new(std::slice::from_ref(&layer)).answering(answers);
        let whole = shipped.whole();
        assert_eq!(shipped.lazily().unwrap(), whole);
        assert_eq!(shipped.wholes(), 1);
        assert!(!shipped.stretches().is_empty());
    }
}

#[test]
fn a_piece_with_other_bytes_is_an_error_and_not_the_whole_layer() {
    for format in Format::ALL {
        let layer = chunked::layer(format, &system(), 64 << 10);
        let table = layer.table as u64;
        let shipped = Shipped::new(std::slice::from_ref(&layer)).answering(move |blob, range| {
            let start = range.start;
            let mut bytes = part(blob, range)?;
            if start < table / 2 {
                // Into the first file.
                let at = bytes.len() / 2;
                bytes[at] ^= 4;
            }
            Some(bytes)
        });
        let error = shipped.lazily().unwrap_err();
        let broken = matches!(error.kind, ErrorKind::Malformed(_) | ErrorKind::Truncated(_));
        assert!(broken, "{format:?}: {error}");
        assert_eq!(shipped.wholes(), 0);
    }
    // Well packed, and another file.
    let other = |entries: &mut Vec<Value>| entries[1]["digest"] = json!(Digest::sha256(b"other").to_string());
    let shipped = Shipped::new(&[chunked::lying(Format::Estargz, &system(), 64 << 10, other)]);
    let error = shipped.lazily().unwrap_err();
    assert!(error.to_string().contains("is not what its table of contents says"), "{error}");
    assert!(error.hint.unwrap().contains("without --lazy"));
    assert_eq!(shipped.wholes(), 0);
}

#[test]
fn a_place_that_ends_too_early_is_an_error() {
    let layer = chunked::layer(Format::ZstdChunked, &system(), 64 << 10);
    let table = layer.table as u64;
    let shipped = Shipped::new(&[layer]).answering(move |blob, range| {
        let cut = range.start < table;
        part(blob, range).map(|mut bytes| {
            bytes.truncate(if cut { bytes.len() / 2 } else { bytes.len() });
            bytes
        })
    });
    let error = shipped.lazily().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Truncated(_)), "{error}");
}

#[test]
fn a_table_that_is_not_the_one_of_the_manifest_is_not_used_and_that_is_said() {
    for format in Format::ALL {
        let mut layer = chunked::layer(format, &system(), 64 << 10);
        for (key, value) in &mut layer.descriptor.annotations {
            if key.ends_with("digest") || key.ends_with("checksum") {
                *value = Digest::sha256(b"other").to_string();
            }
        }
        let shipped = Shipped::new(&[layer]);
        let mut lazily = shipped.lazily().unwrap();
        assert_eq!(shipped.wholes(), 1);
        let said =
            "its table of contents, which cannot be used (its digest is not the one that the manifest names)";
        assert!(gaps(&lazily).iter().any(|gap| gap.contains(said)), "{:?}", gaps(&lazily));
        lazily.gaps.retain(|gap| !gap.reason.contains(said));
        assert_eq!(lazily, shipped.whole());
    }
}

#[test]
fn a_table_that_cannot_be_used_is_said_and_the_layer_read_whole() {
    type Edit = fn(&mut Vec<Value>);
    let lies: [(Edit, &str); 5] = [
        (|e| e[1]["offset"] = json!(-5), "invalid value"),
        (|e| e[1]["offset"] = json!(u64::MAX), "overlap or go backwards"),
        (|e| e[1]["what\u{1b}"] = json!(1), "unknown field `what\\u{1b}`"),
        (|e| e.swap(1, 3), "overlap or go backwards"),
        (|e| e[1]["size"] = json!(1_u64 << 50), "files larger than the layer"),
    ];
    for (edit, why) in lies {
        let shipped = Shipped::new(&[chunked::lying(Format::Estargz, &system(), 64 << 10, edit)]);
        let lazily = shipped.lazily().unwrap();
        assert!(gaps(&lazily).iter().any(|gap| gap.contains(why)), "{why}: {:?}", gaps(&lazily));
        assert_eq!((shipped.wholes(), names(&lazily)), (1, names(&shipped.whole())));
    }
}

/// What this reading cannot see, and why it has to be asked for: a table that does not list what the tar has.
#[test]
fn a_table_can_leave_out_what_is_in_the_tar_and_the_inventory_says_that_it_may() {
    let hide =
        |entries: &mut Vec<Value>| entries.retain(|e| e["name"] != "srv/node_modules/left-pad/package.json");
    let shipped = Shipped::new(&[chunked::lying(Format::Estargz, &system(), 64 << 10, hide)]);
    let lazily = shipped.lazily().unwrap();
    assert!(!names(&lazily).contains(&"left-pad 1.3.0".into()));
    assert!(names(&shipped.whole()).contains(&"left-pad 1.3.0".into()));
    let gap = gaps(&lazily).into_iter().find(|gap| gap.contains(SAID)).unwrap();
    assert!(gap.starts_with(&shipped.manifest.layers[0].digest.to_string()), "{gap}");
    assert!(gap.contains("a runtime that unpacks the layer may find other files"), "{gap}");
}

#[test]
fn the_cache_never_holds_what_was_read_by_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let options = |reading| {
        let cache = Cache::open(&dir.path().join("layers")).unwrap();
        Options { reading, memory: Memory::of_run([], Some(cache)), ..Options::default() }
    };
    let shipped = Shipped::new(&[chunked::layer(Format::Estargz, &system(), 64 << 10)]);
    assert_eq!(without_notes(shipped.read(&options(Reading::Lazy)).unwrap()).1, 1);
    assert_eq!(shipped.wholes(), 0);
    // The next run reads it whole, and after that one it is known, to those who would be content with less as well.
    for (reading, fetched) in [(Reading::Whole, 1), (Reading::Whole, 0), (Reading::Lazy, 0)] {
        shipped.stretches();
        assert_eq!(without_notes(shipped.read(&options(reading)).unwrap()).1, 0);
        assert_eq!((shipped.wholes(), shipped.stretches().len()), (fetched, 0), "{reading:?}");
    }
}

#[test]
fn images_of_one_run_share_what_was_read_by_a_table() {
    let shipped = Shipped::new(&[chunked::layer(Format::Estargz, &system(), 64 << 10)]);
    let memory = Memory::of_run([&shipped.manifest, &shipped.manifest], None);
    let options = Options { memory, ..lazy() };
    let first = shipped.read(&options).unwrap();
    assert!(!shipped.stretches().is_empty());
    assert_eq!(shipped.read(&options).unwrap(), first);
    assert_eq!((shipped.wholes(), shipped.stretches().len()), (0, 0));
    assert_eq!(without_notes(first).1, 1);
}

/// A piece that is zeros by the table's word is not fetched, and is zeros.
#[test]
fn holes_are_not_fetched() {
    let system = [
        Member::file(STATUS, deb("hello", "1")),
        Member::file("x.img", noise(1, 200 << 10)),
        Member::file("hole", vec![0; 256 << 10]),
        Member::file("y", "y".repeat(100)),
    ];
    let holes = |entries: &mut Vec<Value>| {
        for entry in entries.iter_mut().filter(|e| e["name"] == "hole") {
            entry["chunkType"] = json!("zeros");
        }
    };
    let shipped = Shipped::new(&[chunked::lying(Format::ZstdChunked, &system, 32 << 10, holes)]);
    assert_eq!(without_notes(shipped.lazily().unwrap()), (shipped.read(&Options::default()).unwrap(), 1));
}

#[test]
fn a_table_is_bounded_at_limit_plus_one() {
    let place = "io.github.containers.zstd-chunked.manifest-position";
    let read = |unpacked: u64| {
        let mut layer = chunked::layer(Format::ZstdChunked, &system(), 64 << 10);
        let said = layer.descriptor.annotations.get_mut(place).unwrap();
        let mut numbers: Vec<String> = said.split(':').map(str::to_owned).collect();
        numbers[2] = unpacked.to_string();
        *said = numbers.join(":");
        gaps(&Shipped::new(&[layer]).lazily().unwrap()).join(" ")
    };
    assert!(read(limits::TOC_BYTES).contains("it is not as long as the manifest says"));
    assert!(read(limits::TOC_BYTES + 1).contains("more than the limit TOC_BYTES"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a table says: an inventory that says how it was made, or an error, and the same one twice.
    #[test]
    fn a_table_that_was_tampered_with_ends_in_an_inventory_that_says_so_or_in_an_error(
        format in 0..3_usize,
        edits in proptest::collection::vec((0..9_usize, 0..8_usize, any::<u32>()), 1..4),
    ) {
        let members = [
            Member::file("a.img", noise(1, 200 << 10)),
            Member::file(STATUS, deb("hello", "1")),
            Member::program("usr/bin/tool", program()),
            Member::file("etc/motd", "x".repeat(99)),
        ];
        let keys = ["offset", "size", "chunkOffset", "chunkSize", "innerOffset", "endOffset", "name", "type"];
        let tamper = |entries: &mut Vec<Value>| {
            for (at, key, to) in edits {
                let at = at % entries.len();
                entries[at][keys[key]] = match keys[key] {
                    "name" => json!(["a.img", STATUS, "..", "usr/.wh.bin"][to as usize % 4]),
                    "type" => json!(["reg", "chunk", "dir", "hardlink"][to as usize % 4]),
                    // Mostly inside of the layer.
                    _ => json!(u64::from(to) % (1 << [8, 15, 18, 32][to as usize % 4])),
                };
            }
        };
        let shipped = Shipped::new(&[chunked::lying(Format::ALL[format], &members, 32 << 10, tamper)]);
        let first = shipped.lazily();
        let said = |gap: &String| gap.contains(SAID) || gap.contains("its table of contents, which cannot be used");
        if let Ok(found) = &first {
            // Where most of it was wanted, it was read whole.
            prop_assert!(gaps(found).iter().any(said) || shipped.wholes() == 1);
        }
        let again = shipped.lazily();
        prop_assert_eq!(first.map_err(|e| e.to_string()), again.map_err(|e| e.to_string()));
    }
}

#[test]
fn a_file_that_is_larger_than_its_layer_can_hold_is_refused() {
    // A gigabyte, as the table says it.
    let members = [Member::file("a.so", noise(1, 300 << 10)), Member::file("b", "b".repeat(99))];
    let bomb = |entries: &mut Vec<Value>| {
        let last = entries.last_mut().unwrap();
        last["size"] = json!(1_u64 << 30);
    };
    let shipped = Shipped::new(&[chunked::lying(Format::ZstdChunked, &members, 32 << 10, bomb)]);
    let lazily = shipped.lazily().unwrap();
    assert!(gaps(&lazily).iter().any(|gap| gap.contains("files larger than the layer can hold")));
}
