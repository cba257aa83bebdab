//! rpm in its four forms, against what rpm itself says of the same database (`testdata/catalog/rpm`).

use crate::support::*;
use proptest::prelude::*;
use seaworthy_sbom::inventory::{Inventory, RelationshipKind};

const SQLITE: &[u8] = include_bytes!("../../../../testdata/catalog/rpm/rpmdb.sqlite");
const NDB: &[u8] = include_bytes!("../../../../testdata/catalog/rpm/Packages.db");
const BDB: &[u8] = include_bytes!("../../../../testdata/catalog/rpm/Packages");
const TRUTH: &str = include_str!("../../../../testdata/catalog/rpm/truth.tsv");
const OS: &str = "ID=rocky\nVERSION_ID=\"9.3\"\n";
const METADATA: &str = "usr/lib/python3.12/site-packages/tide-2.4.1.dist-info/METADATA";

fn forms() -> [(&'static str, &'static [u8]); 3] {
    [("rpmdb.sqlite", SQLITE), ("Packages.db", NDB), ("Packages", BDB)]
}

fn image(path: &str, database: &[u8]) -> Inventory {
    let tar = Tar::default()
        .file("etc/os-release", OS)
        .file(METADATA, "Metadata-Version: 2.1\nName: tide\nVersion: 2.4.1\n")
        .file(path, database);
    read(&[tar.plain()])
}

/// As `truth.tsv` has it: name, version with epoch and release, architecture, source.
fn rows(inventory: &Inventory) -> Vec<String> {
    let mut rows: Vec<String> = inventory
        .packages
        .iter()
        .filter(|p| p.found_by.as_deref() == Some("rpm"))
        .map(|p| {
            let source = p.source.as_ref().unwrap();
            let source = format!("{}-{}.src.rpm", source.name, source.version.as_deref().unwrap());
            let (version, arch) = (p.version.as_deref().unwrap(), p.architecture.as_deref().unwrap());
            format!("{} {version} {arch} {source}", p.name)
        })
        .collect();
    rows.sort();
    rows
}

fn truth() -> Vec<String> {
    let row = |line: &str| {
        let c: Vec<&str> = line.split('\t').collect();
        let epoch = if matches!(c[1], "(none)" | "0") { String::new() } else { format!("{}:", c[1]) };
        format!("{} {epoch}{}-{} {} {}", c[0], c[2], c[3], c[4], c[5])
    };
    TRUTH.lines().map(row).collect()
}

#[test]
fn every_form_says_what_rpm_says() {
    assert_eq!(truth().len(), 4);
    for dir in ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"] {
        for (name, database) in forms() {
            let found = image(&format!("{dir}/{name}"), database);
            assert_eq!(rows(&found), truth(), "{dir}/{name}");
            assert!(found.gaps.is_empty(), "{:?}", found.gaps);
        }
    }
}

#[test]
fn fields_and_relations() {
    for (name, database) in forms() {
        let found = image(&format!("var/lib/rpm/{name}"), database);
        let p = package(&found, "shell");
        assert_eq!(
            p.purl.as_deref(),
            Some(
                "pkg:rpm/rocky/shell@5.2.15-3.sw1?arch=x86_64&distro=rocky-9.3&epoch=1&upstream=shell-5.2.15-3.sw1.src.rpm"
            )
        );
        assert_eq!(p.supplier.as_deref(), Some("Harbour Works"));
        assert_eq!(p.license.declared, ["GPLv3+"]);
        assert_eq!(p.license.expression.as_deref(), Some("GPL-3.0-or-later"));
        assert_eq!(p.homepage.as_deref(), Some("https://example.org/shell"));
        assert_eq!(p.description.as_deref(), Some("The shell of the test"));
        assert_eq!(p.properties.get("rpm:header-sha256").map(String::len), Some(64));
        assert_eq!(p.properties.get("rpm:packager").map(String::as_str), Some("Ada <ada@example.org>"));
        let many = package(&found, "many-files");
        assert_eq!(many.license.expression.as_deref(), Some("MIT AND (BSD-3-Clause OR Apache-2.0)"));
        let named = |id: &str| found.package(id).unwrap().name.clone();
        let mut edges: Vec<String> = found
            .relationships
            .iter()
            .map(|r| format!("{} {:?} {}", named(&r.from), r.kind, named(&r.to)))
            .collect();
        edges.sort();
        assert_eq!(
            edges,
            [
                "many-files DependsOn shell",
                "python3-tide Contains tide",
                "python3-tide DependsOn many-files",
                "shell DependsOn basesystem",
            ],
            "{name}"
        );
        assert_eq!(found.relationships.iter().filter(|r| r.kind == RelationshipKind::Contains).count(), 1);
    }
}

#[test]
fn a_link_to_the_database_is_followed() {
    let tar = Tar::default()
        .symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm")
        .file("usr/lib/sysimage/rpm/rpmdb.sqlite", SQLITE);
    let found = read(&[tar.gzip()]);
    assert_eq!(rows(&found), truth());
    assert_eq!(found.packages[0].evidence.len(), 1);
}

#[test]
fn the_layer_that_brought_a_package_is_named_and_not_the_last_one() {
    let base = Tar::default().file("var/lib/rpm/rpmdb.sqlite", SQLITE);
    let rewritten = Tar::default().file("var/lib/rpm/rpmdb.sqlite", SQLITE);
    let built = Built::new(&[base.gzip(), rewritten.file("x", "y").gzip()]);
    let found = built.read().unwrap();
    assert!(found.packages.iter().all(|p| p.layer.as_deref() == Some(built.layer(0).as_str())));
}

#[test]
fn what_is_not_read_is_a_gap() {
    let tar = Tar::default()
        .file("var/lib/rpm/rpmdb.sqlite", SQLITE)
        .file("var/lib/rpm/rpmdb.sqlite-shm", "x")
        .file("var/lib/rpm/rpmdb.sqlite-wal", "frames")
        .file("var/lib/rpm/Packages", BDB);
    let gaps = gaps(&read(&[tar.gzip()]));
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(gaps.iter().any(|g| g.contains("write-ahead log")), "{gaps:?}");
    assert!(gaps.iter().any(|g| g.contains("rpm uses rpmdb.sqlite beside it")), "{gaps:?}");
    let quiet =
        Tar::default().file("var/lib/rpm/rpmdb.sqlite", SQLITE).file("var/lib/rpm/rpmdb.sqlite-wal", "");
    assert!(read(&[quiet.gzip()]).gaps.is_empty());
}

#[test]
fn manifests_of_distroless_images() {
    let second = "bash\t5.1.8-4.azl3\t1700000000\t1690000000\tMicrosoft Corporation\t(none)\t8500\tx86_64\t0\tbash-5.1.8-4.azl3.src.rpm\n\
                  openssl-libs\t3.3.0-1.azl3\t1\t1\tMicrosoft Corporation\t1\t9\tx86_64\t1\topenssl-3.3.0-1.azl3.src.rpm\n\
                  a line without tabs\n";
    let tar = Tar::default()
        .file("etc/os-release", "ID=azurelinux\nVERSION_ID=\"3.0\"\n")
        .file("var/lib/rpmmanifest/container-manifest-1", "bash-5.1.8-4.azl3.x86_64\nonly-here-1-1.x86_64\n")
        .file("var/lib/rpmmanifest/container-manifest-2", second);
    let found = read(&[tar.gzip()]);
    assert_eq!(names(&found), ["bash 5.1.8-4.azl3", "openssl-libs 1:3.3.0-1.azl3"]);
    assert_eq!(package(&found, "openssl-libs").source.as_ref().unwrap().name, "openssl");
    assert!(gaps(&found).iter().any(|g| g.contains("1 lines that make no sense")));
    let first = Tar::default().file(
        "var/lib/rpmmanifest/container-manifest-1",
        "gpg-pubkey-1-1.(none)\nbash-5.1.8-4.azl3.x86_64\n",
    );
    assert_eq!(names(&read(&[first.gzip()])), ["bash 5.1.8-4.azl3"]);
}

/// Where `needle` stands in `database`, all of them.
fn all(database: &[u8], needle: &[u8]) -> Vec<usize> {
    (0..database.len().saturating_sub(needle.len()))
        .filter(|at| database[*at..].starts_with(needle))
        .collect()
}

#[test]
fn cyclic_pages_are_refused() {
    // SQLite: the root of the table Packages becomes an interior page that leads to itself.
    let page = 4096;
    assert_eq!(&SQLITE[16..18], &[0x10, 0]);
    let mut tried = 0;
    for number in 1..SQLITE.len() / page {
        let at = number * page;
        if SQLITE[at] == 0x0d || SQLITE[at] == 0x05 {
            let mut looped = SQLITE.to_vec();
            looped[at] = 0x05;
            looped[at + 3..at + 5].copy_from_slice(&[0, 0]);
            looped[at + 8..at + 12].copy_from_slice(&u32::try_from(number + 1).unwrap().to_be_bytes());
            let found = image("var/lib/rpm/rpmdb.sqlite", &looped);
            tried += usize::from(gaps(&found).iter().any(|g| g.contains("is used twice")));
        }
    }
    assert!(tried >= 1, "the table itself was among them");
    // Berkeley DB: an overflow page whose next page is itself.
    let overflow = (1..BDB.len() / page)
        .find(|n| BDB[n * page + 25] == 7 && BDB[n * page + 16..n * page + 20] != [0; 4])
        .unwrap();
    let mut looped = BDB.to_vec();
    looped[overflow * page + 16..overflow * page + 20]
        .copy_from_slice(&u32::try_from(overflow).unwrap().to_le_bytes());
    let found = image("var/lib/rpm/Packages", &looped);
    assert!(gaps(&found).iter().any(|g| g.contains("is used twice")), "{:?}", gaps(&found));
    // ndb: every slot points to the same, largest blob.
    let mut same = NDB.to_vec();
    let largest = all(NDB, b"BlbS")
        .into_iter()
        .max_by_key(|at| NDB[at + 12..at + 16].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b)))
        .unwrap();
    for slot in all(NDB, b"Slot") {
        same[slot + 4..slot + 8].copy_from_slice(&NDB[largest + 4..largest + 8]);
        same[slot + 8..slot + 12].copy_from_slice(&u32::try_from(largest / 16).unwrap().to_le_bytes());
    }
    let found = image("var/lib/rpm/Packages.db", &same);
    assert!(gaps(&found).iter().any(|g| g.contains("headers that overlap")), "{:?}", gaps(&found));
}

#[test]
fn a_header_that_claims_too_much_is_a_gap() {
    let limit = u32::try_from(seaworthy_catalog::limits::RPM_HEADER_BYTES).unwrap();
    for more in [0, 1] {
        let mut large = NDB.to_vec();
        let blob = all(NDB, b"BlbS")[0];
        large[blob + 12..blob + 16].copy_from_slice(&(limit + more).to_le_bytes());
        large.resize(large.len() + limit as usize + 1, 0);
        let found = image("var/lib/rpm/Packages.db", &large);
        let told = gaps(&found).iter().any(|g| g.contains("more than the limit of"));
        assert_eq!(told, more == 1, "{:?}", gaps(&found));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever bytes change, the image is read and the change costs packages or says so, never a panic.
    #[test]
    fn no_change_breaks_the_reader(
        form in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let (name, database) = forms()[form];
        let mut bytes = database.to_vec();
        for (at, byte) in changes {
            // The pages of structure come first in each form.
            let at = if byte % 2 == 0 { at.index(bytes.len()) } else { at.index(8192) };
            bytes[at] = byte;
        }
        if !whole {
            bytes.truncate(cut.index(bytes.len()));
        }
        let found = image(&format!("var/lib/rpm/{name}"), &bytes);
        prop_assert!(found.packages.len() <= 5);
    }
}
