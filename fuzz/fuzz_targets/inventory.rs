//! Layers and the package data in them. `SEAWORTHY_FUZZ` says what the bytes are: a kind of file (`dpkg`, `apk`,
//! `rpm-sqlite`, `rpm-ndb`, `rpm-bdb`, `rpm-manifest`, `jar`, `wheel`, `npm`, `go`, `auditable`, `gem`, `composer`, `dotnet`,
//! `lock` and the further ones of `FILES`), what packages list of their files (`lists`), a whole layer (`tar`), a layer's
//! table of contents (`toc`), or a plan of layers with whiteouts (`whiteouts`). Without it the first byte says so.
//!
//! What must hold: an inventory or an error, written in one of the formats and read back, and, asked of one input in four,
//! the same twice; and of layers, that the packages are those of the final file system, which a model of a few lines computes as well.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_fuzz::{Files, by_table, inventory, round_trip, tar, turn};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// What the bytes are, and where in an image they stand.
const FILES: &[(&str, &str)] = &[
    ("dpkg", "var/lib/dpkg/status"),
    ("apk", "lib/apk/db/installed"),
    ("rpm-sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite"),
    ("rpm-ndb", "usr/lib/sysimage/rpm/Packages.db"),
    ("rpm-bdb", "var/lib/rpm/Packages"),
    ("rpm-manifest", "var/lib/rpmmanifest/container-manifest-2"),
    ("jar", "srv/app.jar"),
    ("wheel", "usr/lib/python3/dist-packages/x-1.0.dist-info/METADATA"),
    ("npm", "srv/node_modules/x/package.json"),
    ("go", "usr/bin/app"),
    ("auditable", "usr/bin/app"),
    ("gem", "usr/share/rubygems-integration/all/specifications/x-1.gemspec"),
    ("composer", "srv/vendor/composer/installed.json"),
    ("dotnet", "srv/app.deps.json"),
    ("lock", "srv/package-lock.json"),
    ("pnpm", "srv/pnpm-lock.yaml"),
    ("yarn", "srv/yarn.lock"),
    ("bun", "srv/bun.lock"),
    ("deno", "srv/deno.lock"),
    ("uv", "srv/uv.lock"),
    ("mix", "srv/mix.lock"),
    ("podfile", "srv/Podfile.lock"),
    ("cpanfile", "srv/cpanfile.snapshot"),
    ("conan", "srv/conan.lock"),
    ("pacman", "var/lib/pacman/local/x-1-1/desc"),
    ("portage", "var/db/pkg/a/x-1/LICENSE"),
    ("opkg", "usr/lib/opkg/status"),
    ("homebrew", "opt/Cellar/x/1/.brew/x.rb"),
    ("conda", "opt/conda-meta/x-1-0.json"),
    ("snap", "snap/x/1/meta/snap.yaml"),
    ("pear", "usr/share/php/.registry/x.reg"),
    ("r", "usr/lib/R/library/x/DESCRIPTION"),
    ("perl", "usr/lib/perl5/perllocal.pod"),
    ("lua", "usr/lib/luarocks/rocks-5.4/x/1-1/x-1-1.rockspec"),
    ("opam", "root/.opam/a/.opam-switch/packages/x.1/opam"),
    ("haskell", "usr/lib/ghc/package.conf.d/x.conf"),
    ("beam", "app/lib/x/ebin/x.app"),
    ("dart", "root/.pub-cache/hosted/pub.dev/x-1/pubspec.yaml"),
    ("vcpkg", "srv/vcpkg/status"),
    ("wordpress", "srv/wp-content/plugins/x/x.php"),
    ("note", "usr/bin/app"),
    ("module", "lib/modules/6/kernel/x.ko"),
    ("module-xz", "lib/modules/6/kernel/x.ko.xz"),
    ("pe", "srv/x.dll"),
    ("egg", "usr/lib/python3/dist-packages/x-1.0-py3.egg"),
    ("licence", "srv/node_modules/x/LICENSE"),
    ("upx", "usr/bin/app"),
    ("bundle", "usr/bin/app"),
    ("native", "usr/bin/app"),
];

/// Where packages list their files, each beside a package that has some.
const LISTS: [&str; 5] = [
    "var/lib/dpkg/info/a.list",
    "var/lib/dpkg/info/a.md5sums",
    "var/lib/dpkg/diversions",
    "var/lib/dpkg/status.d/a.md5sums",
    "usr/lib/python3/dist-packages/x-1.0.dist-info/RECORD",
];

/// Kinds whose own bytes say something about files, and whole layers: these are read with `--files all`.
const WITH_FILES: [&str; 9] =
    ["lists", "dpkg", "apk", "rpm-sqlite", "rpm-ndb", "rpm-bdb", "rpm-manifest", "opkg", "tar"];

/// A package without a licence, so that a text beside it is judged.
const OPEN: (&str, &[u8]) = ("srv/node_modules/x/package.json", br#"{"name":"x","version":"1.0.0"}"#);

const OS: (&str, &[u8]) = ("etc/os-release", b"ID=debian\nVERSION_ID=12\n");

fuzz_target!(|data: &[u8]| {
    static KIND: OnceLock<Option<String>> = OnceLock::new();
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).build().expect("a runtime")
    });
    let kind = KIND.get_or_init(|| std::env::var("SEAWORTHY_FUZZ").ok());
    let (kind, data) = match (kind, data.split_first()) {
        (Some(kind), _) => (kind.as_str(), data),
        (None, Some((first, rest))) => {
            let more = ["lists", "tar", "toc", "whiteouts"];
            let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).chain(more).collect();
            (names[usize::from(*first) % names.len()], rest)
        }
        (None, None) => return,
    };
    let layers = match kind {
        "tar" => vec![data.to_vec()],
        // The first byte says which list it is.
        "lists" => {
            let (which, content) = data.split_first().unwrap_or((&0, &[]));
            vec![tar(&[
                OS,
                (
                    "var/lib/dpkg/status",
                    b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n",
                ),
                ("usr/lib/python3/dist-packages/x-1.0.dist-info/METADATA", b"Name: x\nVersion: 1.0\n"),
                ("usr/bin/a", b"x"),
                (LISTS[usize::from(*which) % LISTS.len()], content),
            ])]
        }
        "whiteouts" => return whiteouts(runtime, data),
        "toc" => return table(runtime, data),
        _ => {
            let (_, path) =
                FILES.iter().find(|(name, _)| *name == kind).expect("SEAWORTHY_FUZZ names a kind");
            let beside = (kind == "licence").then_some(OPEN);
            let files: Vec<_> = [OS].into_iter().chain(beside).chain([(*path, data)]).collect();
            vec![tar(&files)]
        }
    };
    let files = if WITH_FILES.contains(&kind) { Files::All } else { Files::None };
    let first = inventory(runtime, &layers, files);
    let turn = turn(data);
    if turn.is_multiple_of(4) {
        assert_eq!(first, inventory(runtime, &layers, files), "two answers to one image");
    }
    if let Ok(inventory) = first {
        round_trip(&inventory, turn / 4);
    }
});

/// A layer whose tar is no tar: what is found in it is found by its table alone, or the table was not used.
fn table(runtime: &tokio::runtime::Runtime, data: &[u8]) {
    let first = by_table(runtime, data);
    assert_eq!(first, by_table(runtime, data), "two answers to one table");
    if let Ok(inventory) = first {
        assert!(!inventory.gaps.is_empty(), "an inventory by a table that does not say so");
        round_trip(&inventory, turn(data));
    }
}

/// Every two bytes are one entry: in which of three layers, and what. Packages are npm's, one a directory.
fn whiteouts(runtime: &tokio::runtime::Runtime, data: &[u8]) {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    const PLACES: [&str; 3] = ["srv", "srv/sub", "opt"];
    let mut layers: Vec<BTreeMap<String, Vec<u8>>> = vec![BTreeMap::new(); 3];
    for pair in data.chunks_exact(2).take(24) {
        let (layer, what) = (usize::from(pair[0] % 3), pair[0] / 3 % 4);
        let (place, name) = (PLACES[usize::from(pair[1] % 3)], NAMES[usize::from(pair[1] / 3 % 4)]);
        let version = pair[1] / 12;
        let (path, content) = match what {
            0 | 1 => {
                let text = format!(r#"{{"name":"{name}","version":"{version}.0.0"}}"#);
                (format!("{place}/node_modules/{name}/package.json"), text.into_bytes())
            }
            2 => (format!("{place}/node_modules/.wh.{name}"), Vec::new()),
            _ => (format!("{place}/node_modules/.wh..wh..opq"), Vec::new()),
        };
        layers[layer].insert(path, content);
    }
    // The model: a whiteout hides what lower layers had, never what stands in its own layer.
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for layer in &layers {
        for path in layer.keys() {
            let (dir, last) = path.rsplit_once('/').expect("a path");
            if last == ".wh..wh..opq" {
                files.retain(|f, _| !f.starts_with(&format!("{dir}/")));
            } else if let Some(name) = last.strip_prefix(".wh.") {
                files.retain(|f, _| !f.starts_with(&format!("{dir}/{name}/")));
            }
        }
        files.extend(layer.iter().filter(|(p, _)| p.ends_with(".json")).map(|(p, c)| (p.clone(), c.clone())));
    }
    let package = |content: &Vec<u8>| {
        let value: serde_json::Value = serde_json::from_slice(content).expect("JSON");
        (
            value["name"].as_str().unwrap_or_default().to_owned(),
            value["version"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let expected: BTreeSet<(String, String)> = files.values().map(package).collect();
    let tars: Vec<Vec<u8>> = layers
        .iter()
        .map(|layer| tar(&layer.iter().map(|(p, c)| (p.as_str(), c.as_slice())).collect::<Vec<_>>()))
        .collect();
    let made = inventory(runtime, &tars, Files::All).expect("layers in good order");
    let found: BTreeSet<(String, String)> =
        made.packages.iter().map(|p| (p.name.clone(), p.version.clone().unwrap_or_default())).collect();
    assert_eq!(found, expected);
    let listed: BTreeSet<String> =
        made.files.iter().map(|f| f.path.trim_start_matches('/').to_owned()).collect();
    assert_eq!(listed, files.into_keys().collect());
    round_trip(&made, turn(data));
}
