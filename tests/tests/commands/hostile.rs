//! Rows D07, D08 and D09 of the list of attacks, by the whole program: layers that try to get out, layers that take
//! away, and package data that is too much or no text. The parsers' own tests are in crates/catalog/tests.

use super::world::World;
use seaworthy_tests::image::{Compression, Layer, TinyImage};
use seaworthy_tests::registry::Lab;
use serde_json::Value;

pub(super) const DPKG: &[u8] =
    b"Package: good\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0\n\n";
pub(super) const OS: (&[u8], &[u8]) = (b"etc/os-release", b"ID=debian\nVERSION_ID=12\n");

/// A tar of what no honest writer makes: names as bytes, any type, any claimed size (POSIX.1-1988 ustar).
#[derive(Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    fn entry(mut self, name: &[u8], kind: u8, link: &[u8], size: &[u8; 12], content: &[u8]) -> Self {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..124].copy_from_slice(b"0000644\x000000000\x000000000\0");
        header[124..136].copy_from_slice(size);
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].copy_from_slice(b"        ");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &[u8], content: &[u8]) -> Self {
        let size: [u8; 12] = format!("{:011o}\0", content.len()).into_bytes().try_into().unwrap();
        self.entry(name, b'0', b"", &size, content)
    }

    fn other(self, name: &[u8], kind: u8, link: &[u8]) -> Self {
        self.entry(name, kind, link, b"00000000000\0", b"")
    }

    pub(super) fn layer(mut self, compression: Compression) -> Layer {
        self.0.resize(self.0.len() + 1024, 0);
        Layer::from_tar(self.0, compression)
    }
}

/// An image of these layers in a registry, and what `sbom` says of it.
fn sbom(layers: Vec<Layer>) -> (World, Lab, String) {
    let (lab, world) = (Lab::start(), World::new());
    for layer in &layers {
        lab.put_blob("app", &layer.bytes);
    }
    let image = TinyImage::new(layers);
    let raw = image.manifest();
    lab.put_blob("app", &image.config());
    lab.put_manifest("app", Some("1"), &raw.descriptor.media_type, &raw.bytes);
    let command = format!("sbom {} --output json", lab.reference("app:1"));
    (world, lab, command)
}

fn inventory(layers: Vec<Layer>) -> Value {
    let (world, _lab, command) = sbom(layers);
    let said = world.run(&command).expect(0).json();
    said.as_array().map_or(said.clone(), |all| all[0].clone())
}

fn names(inventory: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        inventory["packages"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

fn gaps(inventory: &Value) -> String {
    inventory["gaps"].to_string()
}

#[test]
fn d07_nothing_of_a_layer_is_written_and_nothing_in_it_is_hidden() {
    let hostile = Tar::default()
        .file(OS.0, OS.1)
        .file(b"../../../escape", b"out")
        .file(b"/escape", b"out")
        .other(b"hard", b'1', b"../../../etc/passwd")
        .other(b"loop-a", b'2', b"loop-b")
        .other(b"loop-b", b'2', b"loop-a")
        .other(b"tty", b'3', b"")
        .file(b"var/lib/dpkg/status", DPKG)
        .layer(Compression::Gzip);
    let (world, _lab, command) = sbom(vec![hostile]);
    let before = files(&world);
    // What is kept of layers for the next run is a file of our own making: `layer_cache` looks at it.
    let said = world.run(&format!("{command} --no-cache")).expect(0).json();
    let said = said.as_array().map_or(said.clone(), |all| all[0].clone());
    assert_eq!(names(&said), ["good"]);
    assert!(gaps(&said).contains("escape"), "{}", gaps(&said));
    assert_eq!(files(&world), before, "nothing was written");
    for parent in world.path("").ancestors().skip(1) {
        assert!(!parent.join("escape").exists());
    }
}

/// What is in the directory of the world and its home.
fn files(world: &World) -> Vec<std::path::PathBuf> {
    let list = |dir| std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<_> = list(world.path("")).chain(list(world.path("home"))).collect();
    all.sort();
    all
}

#[test]
fn d07_what_claims_too_much_or_ends_too_soon_is_broken_input() {
    // Base 256, as GNU tar writes sizes that octal cannot: eight exabytes.
    let claims = b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff";
    let exabytes =
        Tar::default().file(OS.0, OS.1).entry(b"big", b'0', b"", claims, b"").layer(Compression::Gzip);
    let mut short = Tar::default().file(b"var/lib/dpkg/status", DPKG);
    short.0.truncate(700);
    let short = Layer::from_tar(short.0, Compression::None);
    // A gigabyte of nothing in a megabyte.
    let bomb = Layer::from_tar(
        Tar::default().file(b"var/lib/dpkg/status", &vec![b'\n'; 300 << 20]).0,
        Compression::Zstd,
    );
    for layer in [exabytes, short, bomb] {
        let (world, _lab, command) = sbom(vec![layer]);
        world.run(&command).expect(4);
    }
}

#[test]
fn d08_the_final_file_system_is_what_is_listed() {
    let package =
        |name: &str, version: &str| format!(r#"{{"name":"{name}","version":"{version}"}}"#).into_bytes();
    let file = |tar: Tar, dir: &str, name: &str, version: &str| {
        tar.file(format!("{dir}/node_modules/{name}/package.json").as_bytes(), &package(name, version))
    };
    let lower = ["kept", "removed", "upgraded"]
        .iter()
        .fold(Tar::default(), |tar, name| file(tar, "srv", name, "1.0.0"));
    let lower = file(lower, "opt", "opaque", "1.0.0");
    let upper =
        Tar::default().file(b"srv/node_modules/.wh.removed", b"").file(b"opt/node_modules/.wh..wh..opq", b"");
    let upper = file(file(upper, "srv", "upgraded", "2.0.0"), "opt", "fresh", "1.0.0");
    let said = inventory(vec![lower.layer(Compression::Gzip), upper.layer(Compression::Zstd)]);
    assert_eq!(names(&said), ["fresh", "kept", "upgraded"]);
    let upgraded = said["packages"].as_array().unwrap().iter().find(|p| p["name"] == "upgraded").unwrap();
    assert_eq!(upgraded["version"], "2.0.0");
}

#[test]
fn d09_hostile_package_data_is_a_gap_and_the_rest_is_listed() {
    let many: String = (0..100_000).map(|n| format!(r#""d{n}":"*","#)).collect();
    let many =
        format!(r#"{{"name":"many","version":"1.0.0","dependencies":{{{}}}}}"#, many.trim_end_matches(','));
    let deep = "[".repeat(100_000);
    let layer = Tar::default()
        .file(OS.0, OS.1)
        .file(b"var/lib/dpkg/status", &[DPKG, b"Package: \xff\xfe\nVersion: 1\n\n".as_slice()].concat())
        .file(b"srv/node_modules/many/package.json", many.as_bytes())
        .file(b"srv/node_modules/deep/package.json", deep.as_bytes())
        .file(b"srv/node_modules/\xff\xfe/package.json", br#"{"name":"x","version":"1.0.0"}"#)
        .file(b"var/lib/rpm/rpmdb.sqlite", &[b"SQLite format 3\0".as_slice(), &[0xff; 5000]].concat())
        .file(b"srv/app.jar", b"PK\x05\x06garbage")
        .layer(Compression::Gzip);
    let said = inventory(vec![layer]);
    assert!(names(&said).contains(&"good"), "{:?}", names(&said));
    let gaps = gaps(&said);
    for part in ["many/package.json", "deep/package.json", "rpmdb.sqlite", "app.jar"] {
        assert!(gaps.contains(part), "{part} is not in {gaps}");
    }
}
