//! Every limit at one more: a table of which test tries which, and the maximal sizes of files.

use crate::support::*;
use seaworthy_catalog::limits;

/// The limits whose test is not here. `cargo test` fails where a limit is in neither place, or a test is not there.
const ELSEWHERE: &[(&str, &str)] = &[
    ("LAYER_UNPACKED_BYTES", "a_file_that_claims_eight_exabytes_is_refused_at_once"),
    ("RATIO", "bombs_are_refused"),
    ("RATIO_GRACE", "zeros_within_the_grace_are_no_bomb"),
    ("LAYER_ENTRIES", "entries_are_bounded_at_limit_plus_one"),
    ("IMAGE_ENTRIES", "an_image_is_bounded_at_limit_plus_one"),
    ("IMAGE_WANTED_BYTES", "an_image_is_bounded_at_limit_plus_one"),
    ("LAYER_TEXTS", "texts_of_a_layer_are_bounded_at_limit_plus_one"),
    ("LAYER_TEXT_BYTES", "texts_of_a_layer_are_bounded_at_limit_plus_one"),
    ("IMAGE_TEXT_BYTES", "texts_and_their_sum_are_bounded_at_limit_plus_one"),
    ("LAYER_FILES", "the_files_of_a_layer_are_bounded_at_limit_plus_one"),
    ("IMAGE_FILES", "the_files_of_an_image_are_bounded_at_limit_plus_one"),
    ("TAR_EXTENSION_BYTES", "extension_headers_are_bounded_at_limit_plus_one"),
    ("PATH_BYTES", "names_are_cleaned_or_refused"),
    ("LINK_BYTES", "links_are_bounded"),
    ("ELF_TRIES", "inflaters_are_bounded_at_limit_plus_one"),
    ("ELF_BYTES_PER_TRY", "inflaters_are_bounded_at_limit_plus_one"),
    ("ELF_CAPTURES", "programs_within_a_program_are_bounded_at_limit_plus_one"),
    ("AUDIT_BYTES", "lists_of_crates_are_bounded_at_limit_plus_one"),
    ("AUDIT_EDGES", "lists_of_crates_are_bounded_at_limit_plus_one"),
    ("DATABASE_PACKAGES", "a_database_beyond_its_limit"),
    ("RPM_FILES", "files_of_a_package_are_bounded_at_limit_plus_one"),
    ("RPM_PATH_BYTES", "paths_of_a_database_are_bounded_at_limit_plus_one"),
    ("GO_BUILD_INFO_BYTES", "build_information_is_bounded_at_limit_plus_one"),
];

/// Files whose size is bounded, by the name of the limit.
const SIZES: &[(&str, u64, &str)] = &[
    ("EGG_BYTES", limits::EGG_BYTES, "lib/x.egg"),
    ("DATABASE_BYTES", limits::DATABASE_BYTES, "var/lib/dpkg/status"),
    ("DATABASE_BYTES", limits::DATABASE_BYTES, "lib/apk/db/installed"),
    ("RPM_DATABASE_BYTES", limits::RPM_DATABASE_BYTES, "var/lib/rpm/rpmdb.sqlite"),
    ("JAR_BYTES", limits::JAR_BYTES, "srv/a.jar"),
    ("LIST_BYTES", limits::LIST_BYTES, "var/lib/dpkg/info/a.list"),
    ("PACKAGE_JSON_BYTES", limits::PACKAGE_JSON_BYTES, "node_modules/a/package.json"),
    ("COPYRIGHT_BYTES", limits::COPYRIGHT_BYTES, "usr/share/doc/a/copyright"),
    ("METADATA_BYTES", limits::METADATA_BYTES, "a-1.dist-info/METADATA"),
    ("OS_RELEASE_BYTES", limits::OS_RELEASE_BYTES, "etc/os-release"),
    ("DIRECT_URL_BYTES", limits::DIRECT_URL_BYTES, "a-1.dist-info/direct_url.json"),
    ("GEMSPEC_BYTES", limits::GEMSPEC_BYTES, "specifications/a-1.gemspec"),
    ("EMBEDDED_SBOM_BYTES", limits::EMBEDDED_SBOM_BYTES, "usr/share/sbom/a.spdx.json"),
];

/// Whether a gap says that the file is larger than it may be.
fn is_too_large(path: &str, size: u64) -> bool {
    let found = read(&[Tar::default().file(path, vec![b' '; usize::try_from(size).unwrap()]).plain()]);
    let too_large = format!("/{path}: {size} bytes, more than the limit of {}", size - 1);
    gaps(&found).contains(&too_large)
}

#[test]
fn a_file_is_read_up_to_its_limit_and_a_gap_beyond() {
    for (limit, bytes, path) in SIZES {
        assert!(is_too_large(path, bytes + 1), "{limit}: {path}");
        // The two largest of them cost too much to be read as well as to be left out.
        if *bytes <= limits::LIST_BYTES {
            assert!(!is_too_large(path, *bytes), "{limit}: {path}");
        }
    }
}

#[test]
fn layers_hold_no_more_than_they_may() {
    let (most, first) = (limits::LAYER_WANTED_BYTES, limits::RPM_DATABASE_BYTES);
    let tar = Tar::default().file("a/rpm/Packages", vec![0; usize::try_from(first).unwrap()]);
    for (size, told) in [(most - first, false), (most - first + 1, true)] {
        let second = vec![0; usize::try_from(size).unwrap()];
        let found = read(&[tar.clone().file("b/rpm/Packages", second).plain()]);
        let says = gaps(&found).iter().any(|gap| gap.contains("LAYER_WANTED_BYTES"));
        assert_eq!(says, told, "{:?}", gaps(&found));
    }
}

#[test]
fn links_are_followed_as_often_as_linux_does() {
    for (hops, is_read) in [(limits::LINK_HOPS, true), (limits::LINK_HOPS + 1, false)] {
        // `dpkg` and the others in the chain are one hop each.
        let mut tar = Tar::default().file("x/dpkg/status", deb("a", "1")).symlink("var/lib/dpkg", "../../l1");
        for at in 1..hops {
            let target = if at + 1 == hops { "x/dpkg".to_owned() } else { format!("l{}", at + 1) };
            tar = tar.symlink(&format!("l{at}"), &target);
        }
        assert_eq!(names(&read(&[tar.gzip()])).len(), usize::from(is_read), "{hops}");
    }
}

#[test]
fn gaps_are_told_one_by_one_and_then_counted() {
    for (count, told) in [(limits::GAPS, limits::GAPS), (limits::GAPS + 1, limits::GAPS + 1)] {
        let tar = (0..count).fold(Tar::default(), |tar, at| tar.file(&format!("../{at}"), ""));
        let found = read(&[tar.gzip()]);
        assert_eq!(found.gaps.len(), told);
        let counted = gaps(&found).iter().filter(|gap| gap.contains("1 further entries")).count();
        assert_eq!(counted, count - limits::GAPS);
    }
}

#[test]
fn dependencies_are_kept_up_to_the_limit_and_then_said() {
    let list = |n: usize, between: &str| (0..n).map(|at| format!("d{at}")).collect::<Vec<_>>().join(between);
    for (n, told) in [(limits::DEPENDENCIES, 0), (limits::DEPENDENCIES + 1, 1)] {
        let requires: String = (0..n).map(|at| format!("Requires-Dist: d{at}\n")).collect();
        let gems: String = (0..n).map(|at| format!(" s.add_dependency(\"d{at}\")\n")).collect();
        let json: String = (0..n).map(|at| format!("\"v/d{at}\":\"1\"")).collect::<Vec<_>>().join(",");
        for (path, content) in [
            (STATUS, deb("a", "1").replace("\n\n", &format!("\nDepends: {}\n\n", list(n, ", ")))),
            (STATUS, deb("a", "1").replace("\n\n", &format!("\nProvides: {}\n\n", list(n, ", ")))),
            ("lib/apk/db/installed", format!("P:a\nV:1\nD:{}\n\n", list(n, " "))),
            ("a-1.dist-info/METADATA", format!("Name: a\nVersion: 1\n{requires}")),
            (
                "specifications/a-1.gemspec",
                format!("Gem::Specification.new do |s|\n s.name = \"a\"\n s.version = \"1\"\n{gems}end\n"),
            ),
            (
                "vendor/composer/installed.json",
                format!("{{\"packages\":[{{\"name\":\"v/a\",\"version\":\"1\",\"require\":{{{json}}}}}]}}"),
            ),
            (
                "a.deps.json",
                format!(
                    "{{\"targets\":{{\"t\":{{\"a/1.0.0\":{{\"dependencies\":{{{json}}}}}}}}},\"libraries\":{{\"a/1.0.0\":{{\"type\":\"package\"}}}}}}"
                ),
            ),
        ] {
            let found = read(&[Tar::default().file(path, content).gzip()]);
            assert_eq!(found.packages.len(), 1, "{path}");
            let says =
                gaps(&found).iter().filter(|gap| gap.contains("dependencies, more than the limit")).count();
            assert_eq!(says, told, "{path}: {:?}", gaps(&found));
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_cut_and_a_gap_says_so() {
    let text = |bytes: usize| "é".repeat(bytes / 2);
    for (bytes, told) in [(limits::FIELD_BYTES, 0), (limits::FIELD_BYTES + 2, 1)] {
        for (path, content) in [
            (STATUS, deb("a", "1").replace("\n\n", &format!("\nHomepage: {}\n\n", text(bytes)))),
            ("lib/apk/db/installed", format!("P:a\nV:1\nT:{}\n\n", text(bytes))),
            ("lib/apk/db/installed", format!("P:a\nV:1\nL:{}\n\n", text(bytes))),
            ("a-1.dist-info/METADATA", format!("Name: a\nVersion: 1\nSummary: {}\n", text(bytes))),
            (
                "node_modules/a/package.json",
                npm("a", "1").replacen('{', &format!("{{\"description\":\"{}\",", text(bytes)), 1),
            ),
        ] {
            let found = read(&[Tar::default().file(path, content).gzip()]);
            let package = package(&found, "a");
            let kept = [&package.homepage, &package.description].into_iter().flatten();
            let kept = kept.chain(&package.license.declared).max_by_key(|text| text.len()).unwrap();
            assert!(kept.len() <= limits::FIELD_BYTES, "{path}: {}", kept.len());
            assert_eq!(kept.ends_with(" […]"), told == 1, "{path}: what is cut says so");
            let says = gaps(&found).iter().filter(|gap| gap.contains("FIELD_BYTES")).count();
            assert_eq!(says, told, "{path}: {:?}", gaps(&found));
        }
    }
}

#[test]
fn names_and_versions_are_bounded() {
    for (name, version, told) in [
        (limits::NAME_BYTES, limits::VERSION_BYTES, 0),
        (limits::NAME_BYTES + 1, limits::VERSION_BYTES, 1),
        (limits::NAME_BYTES, limits::VERSION_BYTES + 1, 1),
    ] {
        let (name, version) = ("n".repeat(name), "1".repeat(version));
        let status = format!("Package: {name}\nVersion: {version}\nStatus: install user installed\n\n");
        let found = read(&[Tar::default().file("usr/lib/opkg/status", status).gzip()]);
        assert_eq!(found.packages.len(), 1 - told);
        assert_eq!(gaps(&found).iter().filter(|gap| gap.contains("were left out")).count(), told);
    }
}

#[test]
fn licences_are_kept_up_to_the_limit_and_then_said() {
    for (count, told) in [(limits::LICENCES, 0), (limits::LICENCES + 1, 1)] {
        let licences: String = (0..count).map(|at| format!("L{at}\n")).collect();
        let desc = format!("%NAME%\na\n\n%VERSION%\n1-1\n\n%LICENSE%\n{licences}\n");
        let found = read(&[Tar::default().file("var/lib/pacman/local/a-1-1/desc", desc).gzip()]);
        assert_eq!(package(&found, "a").license.declared.len(), limits::LICENCES);
        assert_eq!(gaps(&found).iter().filter(|gap| gap.contains("LICENCES")).count(), told);
        // An expression is not cut: the rest of it says something else.
        let words = vec!["MIT"; count].join(" ");
        let tar = Tar::default()
            .file("var/db/pkg/a/b-1/PF", "b-1\n")
            .file("var/db/pkg/a/b-1/CATEGORY", "a\n")
            .file("var/db/pkg/a/b-1/LICENSE", &words);
        let found = read(&[tar.gzip()]);
        let declared = &found.packages[0].license.declared;
        assert_eq!(declared.concat().matches("MIT").count(), count, "{declared:?}");
    }
}

#[test]
fn files_that_are_wanted_are_bounded_at_limit_plus_one() {
    let mut tar = Tar::default();
    for at in 0..limits::LAYER_WANTED_FILES {
        tar = tar.header(format!("var/lib/dpkg/info/{at}.list").as_bytes(), b'0', "", 0);
    }
    for (more, told) in [(false, 0), (true, 1)] {
        let tar = if more { tar.clone().file("var/lib/dpkg/info/x.list", "") } else { tar.clone() };
        let found = read(&[tar.plain()]);
        let says = gaps(&found).iter().filter(|gap| gap.contains("LAYER_WANTED_FILES")).count();
        assert_eq!(says, told, "{:?}", gaps(&found));
    }
}

/// Nothing that a program says of itself is in fewer bytes; the mark of UPX is the shortest that is looked for.
#[test]
fn the_shortest_file_that_is_looked_at() {
    for (bytes, told) in [(limits::ELF_LEAST_BYTES - 1, 0), (limits::ELF_LEAST_BYTES, 1)] {
        let mut file = b"\x7fELF\x01\x01\x01".to_vec();
        file.resize(usize::try_from(bytes).unwrap(), 0);
        file[16] = 2;
        file[60..64].copy_from_slice(b"UPX!");
        let found = read(&[Tar::default().file("usr/bin/a", file).gzip()]);
        assert_eq!(gaps(&found).iter().filter(|gap| gap.contains("UPX")).count(), told, "{bytes}");
    }
}

/// A program that claims a block of the largest size, and that it is there in full.
fn bomb() -> Vec<u8> {
    let mut file = packed("amd64-nrv2e.upx");
    let first = file.windows(4).position(|four| four == b"UPX!").unwrap() + 20;
    let second = first + 12 + usize::from(file[first + 4]);
    let block = limits::UPX_BLOCK_BYTES as u32;
    let there = block / limits::UPX_RATIO as u32;
    file[second..second + 8].copy_from_slice(&[block.to_le_bytes(), there.to_le_bytes()].concat());
    file.resize(second + 12 + there as usize, 0);
    file
}

#[test]
fn what_is_unpacked_of_a_layer_is_bounded_at_limit_plus_one() {
    let each = limits::UPX_BLOCK_BYTES as u64 + 176;
    let most = limits::UPX_LAYER_BYTES / each;
    let mut tar = Tar::default();
    for at in 0..=most {
        tar = tar.file(&format!("usr/bin/{at}"), bomb());
    }
    let found = read(&[tar.file("usr/bin/z", packed("amd64-lzma.upx")).gzip()]);
    let said = |why: &str| gaps(&found).iter().filter(|gap| gap.contains(why)).count() as u64;
    assert_eq!((said("is broken"), said("UPX_LAYER_BYTES")), (most, 1), "{:?}", gaps(&found));
    // What is small is read as long as there is room for it.
    assert!(names(&found).is_empty() && said("what is inside was not read") == 1);
}

#[test]
fn every_limit_has_a_test() {
    let sources = concat!(
        include_str!("hostile.rs"),
        include_str!("rpm.rs"),
        include_str!("java.rs"),
        include_str!("binaries.rs"),
        include_str!("executables.rs"),
        include_str!("ecosystems.rs"),
        include_str!("limits.rs"),
        include_str!("packages.rs"),
        include_str!("cache.rs"),
        include_str!("claims.rs"),
        include_str!("places.rs"),
        include_str!("lazy.rs"),
        include_str!("inside.rs"),
        include_str!("../../src/upx/tests.rs"),
        include_str!("licences.rs"),
        include_str!("../../src/texts/mod.rs"),
        include_str!("../../src/image.rs"),
        include_str!("../../src/tar.rs"),
        include_str!("../../src/path.rs"),
        include_str!("../../src/files/mod.rs"),
        include_str!("../../src/files/tree.rs"),
        include_str!("../../src/elf/tests.rs"),
        include_str!("../../src/catalogers/rpm/tests.rs"),
        include_str!("../../src/pe.rs"),
        include_str!("../../src/lazy/toc.rs"),
    );
    for (limit, test) in ELSEWHERE {
        assert!(sources.contains(&format!("fn {test}()")), "{limit}: no test is called {test}");
    }
    let names: Vec<&str> = include_str!("../../src/limits.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
        .collect();
    assert!(names.len() > 40);
    let untried = names
        .into_iter()
        .filter(|name| !ELSEWHERE.iter().any(|(known, _)| known == name))
        .filter(|name| !SIZES.iter().any(|(known, ..)| known == name))
        .filter(|name| !sources.contains(&format!("limits::{name}")));
    assert_eq!(untried.collect::<Vec<_>>(), Vec::<&str>::new());
}
