//! Layers that were read before: in this run or in an earlier one. What is known is not fetched, and whatever was
//! done to the directory, the inventory is the one of the image.

use crate::support::*;
use seaworthy_catalog::{Cache, DiffIds, ErrorKind, Memory, Options, limits};
use seaworthy_oci::Digest;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn with(cache: &Cache) -> Options {
    Options { memory: Memory::of_run([], Some(cache.clone())), ..Options::default() }
}

fn open(dir: &Path) -> Cache {
    Cache::open(&dir.join("layers")).unwrap()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(dir.join("layers")).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|e| e == "layer"));
    all.sort();
    all
}

/// Something of everything that is kept of a layer.
fn lower() -> Layer {
    Tar::default()
        .dir("usr/lib")
        .symlink("lib", "usr/lib")
        .file("usr/lib/os-release", "ID=debian\nVERSION_ID=12\n")
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file(STATUS, deb("a", "1") + &deb("b", "1"))
        .file("app/node_modules/x/package.json", npm("x", "1"))
        .hard_link("app/node_modules/y/package.json", "app/node_modules/x/package.json")
        .file("app/node_modules/z/package.json", "no JSON")
        .file("old/node_modules/w/package.json", npm("w", "1"))
        .file("older/node_modules/v/package.json", npm("v", "1"))
        .file("app/node_modules/../out/package.json", npm("out", "1"))
        .gzip()
}

fn middle() -> Layer {
    Tar::default()
        .file(STATUS, deb("a", "2"))
        .file(".wh.old", "")
        .file("older/node_modules/.wh..wh..opq", "")
        .file("app/node_modules/x", "a file in the place of a directory")
        .zstd()
}

fn upper() -> Layer {
    Tar::default().file("lib/node_modules/u/package.json", npm("u", "1")).plain()
}

#[test]
fn a_layer_that_an_earlier_run_read_is_not_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let image = Built::new(&[lower(), middle()]);
    let cold = image.read_with(&with(&open(dir.path()))).unwrap();
    assert_eq!(image.fetched(), [0, 1]);
    assert_eq!(cold, image.read().unwrap());
    image.fetched();

    let cache = open(dir.path());
    assert_eq!(image.read_with(&with(&cache)).unwrap(), cold);
    assert_eq!((image.fetched(), cache.hits()), (vec![], 2));

    let rebuilt = Built::new(&[lower(), middle(), upper()]);
    let warm = rebuilt.read_with(&with(&open(dir.path()))).unwrap();
    assert_eq!(rebuilt.fetched(), [2]);
    assert_eq!(warm, rebuilt.read().unwrap());
    assert_eq!(package(&warm, "u").evidence[0].path, "/usr/lib/node_modules/u/package.json");
}

#[test]
fn whatever_happened_to_a_file_the_layer_is_read_instead() {
    let dir = tempfile::tempdir().unwrap();
    let image = Built::new(&[lower(), middle()]);
    let cold = image.read_with(&with(&open(dir.path()))).unwrap();
    let mut all = entries(dir.path());
    // The larger one is of the lower layer.
    all.sort_by_key(|path| fs::metadata(path).unwrap().len());
    let (other, file) = (all[0].clone(), all[1].clone());
    let whole = fs::read(&file).unwrap();
    let torn = whole[..whole.len() / 2].to_vec();
    let longer = [whole.as_slice(), b"more"].concat();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let renamed = fs::read(other).unwrap();
    for bytes in [Vec::new(), torn, longer, changed, renamed, b"of another program\n".to_vec()] {
        fs::write(&file, bytes).unwrap();
        image.fetched();
        assert_eq!(image.read_with(&with(&open(dir.path()))).unwrap(), cold);
        assert_eq!(image.fetched(), [0]);
        // It is mended on the way.
        assert_eq!(fs::read(&file).unwrap(), whole);
    }
    File::options().write(true).open(&file).unwrap().set_len(limits::CACHE_ENTRY_BYTES + 1).unwrap();
    image.fetched();
    assert_eq!(image.read_with(&with(&open(dir.path()))).unwrap(), cold);
    assert_eq!(image.fetched(), [0]);
    // Another secret is another directory: names of paths and sums are of no use.
    fs::write(dir.path().join("layers/secret"), [7; 32]).unwrap();
    image.fetched();
    assert_eq!(image.read_with(&with(&open(dir.path()))).unwrap(), cold);
    assert_eq!(image.fetched(), [0, 1]);
}

#[test]
fn the_same_blob_under_another_media_type_or_size_is_another_layer() {
    let dir = tempfile::tempdir().unwrap();
    let right = Built::new(&[lower()]);
    right.read_with(&with(&open(dir.path()))).unwrap();
    let mut named = lower();
    named.media_type = seaworthy_oci::manifest::media_type::LAYER_ZSTD;
    let wrong = Built::new(&[named]);
    let found = wrong.read_with(&with(&open(dir.path()))).unwrap();
    assert_eq!(wrong.fetched(), [0]);
    assert!(gaps(&found).iter().any(|gap| gap.contains("the media type says zstd")), "{:?}", gaps(&found));
    let mut longer = Built::new(&[lower()]);
    longer.manifest.layers[0].size += 1;
    longer.read_with(&with(&open(dir.path()))).unwrap_err();
    assert_eq!(longer.fetched(), [0]);
}

#[test]
fn a_layer_that_is_not_what_its_digest_says_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let image = Built::new(&[upper()]).swap(0, |bytes| bytes[0] ^= 1);
    image.read_with(&with(&open(dir.path()))).unwrap_err();
    assert_eq!(entries(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn diff_ids_are_asked_of_known_layers_too() {
    let dir = tempfile::tempdir().unwrap();
    let computed = |cache: &Cache| Options { diff_ids: DiffIds::Compute, ..with(cache) };
    let image = Built::new(&[lower()]);
    image.read_with(&with(&open(dir.path()))).unwrap();
    image.fetched();
    // Read without, so that it says nothing about the diff id.
    image.read_with(&computed(&open(dir.path()))).unwrap();
    assert_eq!(image.fetched(), [0]);
    image.read_with(&computed(&open(dir.path()))).unwrap();
    assert_eq!(image.fetched(), Vec::<usize>::new());
    let mut lying = lower();
    lying.diff_id = Digest::sha256(b"something else");
    let error = Built::new(&[lying]).read_with(&computed(&open(dir.path()))).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DiffIdMismatch { .. }), "{error}");
}

#[test]
fn more_than_the_limit_takes_away_what_was_not_used_for_longest() {
    let dir = tempfile::tempdir().unwrap();
    let layer = |n: usize| Built::new(&[Tar::default().file(STATUS, deb("a", &n.to_string())).gzip()]);
    let limited = |most: u64| Cache::with_limit(&dir.path().join("layers"), most).unwrap();
    layer(0).read_with(&with(&limited(1 << 20))).unwrap();
    let size = fs::metadata(&entries(dir.path())[0]).unwrap().len();
    layer(1).read_with(&with(&limited(1 << 20))).unwrap();
    // All of them were used long ago; then the first is used again.
    for path in entries(dir.path()) {
        let long_ago = SystemTime::now() - Duration::from_secs(3_600);
        File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    layer(0).read_with(&with(&limited(2 * size))).unwrap();
    layer(2).read_with(&with(&limited(2 * size))).unwrap();
    assert_eq!(entries(dir.path()).len(), 2);
    for (n, fetched) in [(0, vec![]), (2, vec![]), (1, vec![0])] {
        let image = layer(n);
        image.read_with(&with(&limited(2 * size))).unwrap();
        assert_eq!(image.fetched(), fetched, "layer {n}");
    }
    // One that is larger than all of it together is not kept at all.
    for (most, kept) in [(size - 1, 0), (size, 1)] {
        fs::remove_dir_all(dir.path().join("layers")).unwrap();
        layer(0).read_with(&with(&limited(most))).unwrap();
        assert_eq!(entries(dir.path()).len(), kept);
    }
}

/// Files without content take the place that they say: the limit of the program itself, and one byte more.
#[test]
fn the_programs_own_limit() {
    for (more, kept) in [(0, 2), (1, 1)] {
        let dir = tempfile::tempdir().unwrap();
        let read = |n: usize| {
            let image = Built::new(&[Tar::default().file(STATUS, deb("a", &n.to_string())).gzip()]);
            image.read_with(&with(&Cache::open(&dir.path().join("layers")).unwrap())).unwrap();
        };
        read(0);
        let old = entries(dir.path()).remove(0);
        let size = fs::metadata(&old).unwrap().len();
        let large = File::options().append(true).open(&old).unwrap();
        large.set_len(limits::CACHE_BYTES - size + more).unwrap();
        large.set_modified(SystemTime::now() - Duration::from_secs(3_600)).unwrap();
        read(1);
        assert_eq!(entries(dir.path()).len(), kept);
    }
}

#[test]
fn runs_beside_each_other_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let right = read(&[lower(), middle(), upper()]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let image = Built::new(&[lower(), middle(), upper()]);
                    assert_eq!(image.read_with(&with(&open(dir.path()))).unwrap(), right);
                }
            });
        }
    });
    let mut names: Vec<String> = fs::read_dir(dir.path().join("layers"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".layer"))
        .collect();
    names.sort();
    assert_eq!(names, ["secret"]);
    assert_eq!(entries(dir.path()).len(), 3);
}

#[cfg(unix)]
#[test]
fn a_directory_that_others_may_use_is_not_used() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("layers");
    for mode in [0o755, 0o770, 0o707] {
        fs::create_dir_all(&place).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        assert!(Cache::open(&place).unwrap_err().contains("others may read or write there"));
    }
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
    Cache::open(&place).unwrap();
    assert_eq!(fs::metadata(place.join("secret")).unwrap().permissions().mode() & 0o777, 0o600);
    symlink(&place, dir.path().join("link")).unwrap();
    assert!(Cache::open(&dir.path().join("link")).is_err());
    File::create(dir.path().join("file")).unwrap();
    assert!(Cache::open(&dir.path().join("file")).is_err());
    fs::write(place.join("secret"), [7; 33]).unwrap();
    assert!(Cache::open(&place).unwrap_err().contains("not of this program"));
    fs::write(place.join("secret"), [7; 31]).unwrap();
    assert!(Cache::open(&place).is_err());
}

#[test]
fn a_layer_of_several_images_of_a_run_is_read_once() {
    let (one, two) = (Built::new(&[lower(), middle()]), Built::new(&[lower(), lower(), upper()]));
    let memory = Memory::of_run([&one.manifest, &two.manifest], None);
    let options = Options { memory, ..Options::default() };
    assert_eq!(one.read_with(&options).unwrap(), one.read().unwrap());
    assert_eq!(one.fetched(), [0, 0, 1, 1]);
    let found = two.read_with(&options).unwrap();
    assert_eq!(two.fetched(), [2]);
    assert_eq!(found, two.read().unwrap());
    // Nobody was to come any more: nothing is held.
    one.read_with(&options).unwrap();
    assert_eq!(one.fetched(), [0, 1]);
}
