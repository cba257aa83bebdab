//! Executables in images: recorded ones against what Go's own tool says, and made ones for the rest.

use crate::support::*;
use flate2::{Compression, write::ZlibEncoder};
use seaworthy_sbom::inventory::{Ecosystem, Inventory, RelationshipKind};
use std::collections::BTreeSet;
use std::io::Write;

/// A file of testdata/catalog.
fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../testdata/catalog/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// `name version`, with what `go version -m` says, replacements followed.
fn truth(name: &str) -> BTreeSet<String> {
    let text = String::from_utf8(recorded(name)).unwrap();
    let mut all = BTreeSet::new();
    for line in text.lines() {
        let words: Vec<&str> = line.trim().split('\t').collect();
        match words.as_slice() {
            ["go", version] => all.insert(format!("stdlib {}", version.trim_start_matches("go"))),
            ["mod" | "dep", path, "(devel)", ..] => all.insert(format!("{path} ")),
            ["mod" | "dep", path, version, ..] => all.insert(format!("{path} {version}")),
            ["=>", ..] => panic!("the fixtures have none"),
            _ => false,
        };
    }
    all
}

fn found(inventory: &Inventory) -> BTreeSet<String> {
    let shown = |p: &seaworthy_sbom::inventory::Package| {
        format!("{} {}", p.name, p.version.as_deref().unwrap_or_default())
    };
    inventory.packages.iter().map(shown).collect()
}

/// The smallest ELF file of 64 bits with `content` at 5000.
fn program(content: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.push(3);
    file.resize(5000, 0);
    file.extend_from_slice(content);
    file.resize(9000, 0);
    file
}

#[test]
fn modules_as_go_itself_reads_them() {
    let image = read(&[Tar::default().file("usr/bin/syft", recorded("go-syft.elf")).gzip()]);
    assert_eq!(found(&image), truth("go-syft.txt"));
    assert_eq!(image.packages.len(), 187);
    assert!(image.gaps.is_empty());
    let main = package(&image, "github.com/anchore/syft");
    assert_eq!(main.purl.as_deref(), Some("pkg:golang/github.com/anchore/syft"));
    assert_eq!(main.properties["go:vcs.revision"], "5e16e5031a13f8a11057feb8544decebfc43b4ed");
    assert!(main.properties.keys().all(|key| !key.contains("ldflags")));
    let needs = |from: &str| {
        image.relationships.iter().filter(|r| r.from == from && r.kind == RelationshipKind::DependsOn).count()
    };
    assert_eq!(needs(&main.id), 186);
    let masterminds = package(&image, "github.com/Masterminds/semver");
    assert_eq!(masterminds.purl.as_deref(), Some("pkg:golang/github.com/Masterminds/semver@v1.5.0"));
    assert_eq!(masterminds.evidence[0].path, "/usr/bin/syft");
    assert_eq!(package(&image, "stdlib").purl.as_deref(), Some("pkg:golang/stdlib@1.23.4"));
}

#[test]
fn a_program_without_modules_has_its_library_and_a_gap() {
    let image = read(&[Tar::default().file("crane", recorded("go-crane.elf")).zstd()]);
    assert_eq!(found(&image), truth("go-crane.txt"));
    assert_eq!(gaps(&image), ["/crane: a Go program without module information: its modules are not known"]);
}

#[test]
fn layers_links_and_removals() {
    let first = Tar::default()
        .file("bin/a", recorded("go-syft.elf"))
        .hard_link("bin/b", "bin/a")
        .file("bin/gone", recorded("go-crane.elf"));
    let second = Tar::default().file("bin/.wh.gone", "").file("bin/a", recorded("go-syft.elf"));
    let image = read(&[first.gzip(), second.gzip()]);
    assert_eq!(found(&image), truth("go-syft.txt"));
    let paths: Vec<&str> =
        package(&image, "github.com/anchore/syft").evidence.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["/bin/a", "/bin/b"]);
    // Written again by the second layer, and there since the first.
    assert_eq!(package(&image, "stdlib").layer.as_deref(), Some(image.layers[0].digest.as_str()));
}

#[test]
fn crates_of_a_list_without_what_only_built_it() {
    let list = r#"{"packages":[
        {"name":"app","version":"0.1.0","source":"local","root":true,"dependencies":[1,2]},
        {"name":"serde","version":"1.0.200","source":"crates.io"},
        {"name":"cc","version":"1.0.90","source":"crates.io","kind":"build","dependencies":[1]}],"format":1}"#;
    let list: String = list.split_whitespace().collect();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(7));
    zlib.write_all(list.as_bytes()).unwrap();
    let image = read(&[Tar::default().file("usr/local/bin/app", program(&zlib.finish().unwrap())).gzip()]);
    assert_eq!(names(&image), ["app 0.1.0", "serde 1.0.200"]);
    let serde = package(&image, "serde");
    assert_eq!((serde.ecosystem, serde.purl.as_deref()), (Ecosystem::Cargo, Some("pkg:cargo/serde@1.0.200")));
    assert_eq!(image.relationships.len(), 1);
    assert_eq!(package(&image, "app").properties["cargo:source"], "local");
}

#[test]
fn panic_paths_are_evidence_and_said_to_be_no_more() {
    let path = "/c/registry/src/index.crates.io-1949cf8c6b5b557f/openssl-sys-0.9.117/src/lib.rs";
    let image = read(&[Tar::default().file("lib/x.so", program(path.as_bytes())).gzip()]);
    assert_eq!(names(&image), ["openssl-sys 0.9.117"]);
    assert_eq!(package(&image, "openssl-sys").properties["seaworthy:confidence"], "path-evidence");
}

#[test]
fn what_a_distribution_owns_is_contained_in_it() {
    let status = "Package: syft\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.18.1-1\n\n";
    let tar = Tar::default()
        .file(STATUS, status)
        .file("var/lib/dpkg/info/syft.list", "/.\n/usr\n/usr/bin\n/usr/bin/syft\n")
        .file("usr/bin/syft", recorded("go-syft.elf"));
    let image = read(&[tar.gzip()]);
    let deb = image.packages.iter().find(|p| p.ecosystem == Ecosystem::Deb).unwrap();
    let contained: Vec<_> =
        image.relationships.iter().filter(|r| r.kind == RelationshipKind::Contains).collect();
    assert_eq!(contained.len(), 187);
    assert!(contained.iter().all(|r| r.from == deb.id));
}

/// A program that was cut down, unpacked.
fn cut(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let packed = recorded(&format!("binaries/{name}"));
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut out).unwrap();
    out
}

#[test]
fn modules_of_programs_of_go_before_1_18_stand_between_marks() {
    let image = read(&[Tar::default().file("bin/esbuild", cut("esbuild-0.14.0.elf.gz")).gzip()]);
    let wanted = ["github.com/evanw/esbuild -", "golang.org/x/sys v0.0.0-20210908233432-aa78b53d3365"];
    assert_eq!(names(&image), wanted);
    assert_eq!(package(&image, "golang.org/x/sys").properties.get("seaworthy:confidence"), None);
    assert_eq!(image.relationships.len(), 1);
    assert!(gaps(&image)[0].contains("/bin/esbuild: built by a Go before 1.18"), "{:?}", gaps(&image));
}

#[test]
fn modules_of_programs_built_from_gopath_by_the_names_of_their_files() {
    let image = read(&[Tar::default().file("bin/direnv", cut("direnv.elf.gz")).gzip()]);
    let library = package(&image, "stdlib").version.clone().unwrap();
    let modules =
        ["github.com/BurntSushi/toml", "github.com/direnv/direnv", "golang.org/x/mod", "golang.org/x/sys"];
    let mut wanted: Vec<String> = modules.iter().map(|m| format!("{m} -")).collect();
    wanted.push(format!("stdlib {library}"));
    assert_eq!(names(&image), wanted);
    assert!(modules.iter().all(|m| package(&image, m).properties["seaworthy:confidence"] == "path-evidence"));
    assert!(gaps(&image)[0].contains("most without version"));
}

#[test]
fn a_package_note_names_what_was_copied_in_without_its_package() {
    let busctl = || recorded("binaries/busctl.elf");
    let copied = Tar::default().file("opt/tools/busctl", busctl()).file("opt/tools/other", busctl());
    let image = read(&[copied.clone().gzip()]);
    assert_eq!(names(&image), ["systemd 252.38-1~deb12u1"]);
    let package = package(&image, "systemd");
    assert_eq!(
        package.purl.as_deref(),
        Some("pkg:deb/debian/systemd@252.38-1~deb12u1?arch=amd64&distro=debian")
    );
    assert_eq!(package.properties["seaworthy:confidence"], "elf-note");
    assert_eq!(package.found_by.as_deref(), Some("elf-note"));
    assert_eq!(package.evidence.len(), 2);

    // Notes name the source package: what was built of it is there, so nothing is added, wherever the file stands.
    let built = "Package: libsystemd0\nStatus: install ok installed\nArchitecture: amd64\nSource: systemd\n";
    let status = |version: &str| format!("{built}Version: {version}\n\n");
    let image = read(&[copied.clone().file(STATUS, status("252.38-1~deb12u1")).gzip()]);
    assert_eq!(names(&image), ["libsystemd0 252.38-1~deb12u1"]);
    // Another version of it was copied in, beside a file that the package owns.
    let owned = copied
        .file(STATUS, status("252.39-1"))
        .file("var/lib/dpkg/info/libsystemd0.list", "/usr/lib/x/libsystemd.so.0.35.0\n")
        .file("usr/lib/x/libsystemd.so.0.35.0", busctl());
    let image = read(&[owned.gzip()]);
    assert_eq!(names(&image), ["libsystemd0 252.39-1", "systemd 252.38-1~deb12u1"]);
    let note = image.packages.iter().find(|p| p.name == "systemd").unwrap();
    assert_eq!(note.evidence.len(), 2);
}

#[test]
fn a_broken_package_note_is_a_gap() {
    let mut broken = recorded("binaries/busctl.elf");
    let at = broken.windows(7).position(|w| w == b"\"name\":").unwrap();
    broken[at + 1] = b'N';
    let image = read(&[Tar::default().file("opt/busctl", broken).gzip()]);
    assert_eq!(gaps(&image), ["/opt/busctl: a package note without a proper name and version"]);
}

#[test]
fn a_program_that_ends_with_the_layer_is_an_error_and_not_a_finding() {
    let whole = Tar::default().file("a", recorded("go-syft.elf")).end();
    let cut = Tar(whole[..9000].to_vec()).0;
    let layer = Layer {
        diff_id: diff_id(&cut),
        bytes: gzip(&cut),
        media_type: "application/vnd.oci.image.layer.v1.tar+gzip",
    };
    let error = Built::new(&[layer]).read().unwrap_err();
    assert!(error.to_string().contains("ends inside"), "{error}");
}

/// What is said of a program at `usr/bin/x`, without the word that it was packed, which it must have.
fn unpacked(name: &str) -> Inventory {
    let mut image = read(&[Tar::default().file("usr/bin/x", packed(name)).gzip()]);
    for package in &mut image.packages {
        let from = package.properties.remove("seaworthy:unpacked-from-upx");
        assert_eq!(from.as_deref(), name.ends_with(".upx").then_some("/usr/bin/x"));
    }
    image
}

#[test]
fn programs_that_upx_packed_are_what_they_were() {
    for machine in ["amd64", "arm64", "arm"] {
        let plain = unpacked(&format!("{machine}.elf"));
        if machine == "arm" {
            assert!(
                found(&plain).is_superset(&["memchr 2.7.4".to_owned(), "debug 39.0.0".to_owned()].into())
            );
        } else {
            let program = if machine == "amd64" { "go-syft.txt" } else { "go-crane.txt" };
            assert_eq!(found(&plain), truth(program));
        }
        for method in ["nrv2e", "lzma"] {
            let packed = unpacked(&format!("{machine}-{method}.upx"));
            let said = |image: &Inventory| {
                let of = |p: &seaworthy_sbom::inventory::Package| (p.purl.clone(), p.properties.clone());
                image.packages.iter().map(of).collect::<Vec<_>>()
            };
            assert_eq!(said(&packed), said(&plain), "{machine} {method}");
            assert_eq!((&packed.relationships, &packed.gaps), (&plain.relationships, &plain.gaps));
        }
    }
}
