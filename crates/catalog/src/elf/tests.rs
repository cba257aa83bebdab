//! Executables made by hand: what is found does not depend on how the bytes come, and nothing is found that
//! is not there.

use super::*;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use std::io::Write;

/// An ELF file of 64 bits whose second half, from `DATA` on, is writable.
const DATA: usize = 0x2000;

fn elf(kind: u16, bytes: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend(kind.to_le_bytes());
    file.resize(64, 0);
    file[32..40].copy_from_slice(&64_u64.to_le_bytes());
    file[54..56].copy_from_slice(&56_u16.to_le_bytes());
    file[56..58].copy_from_slice(&1_u16.to_le_bytes());
    let mut segment = [1_u32.to_le_bytes(), 6_u32.to_le_bytes()].concat();
    segment.extend((DATA as u64).to_le_bytes());
    segment.resize(32, 0);
    segment.extend((1_u64 << 20).to_le_bytes());
    segment.resize(56, 0);
    file.extend(segment);
    for (at, part) in bytes {
        file.resize(file.len().max(at + part.len()), 0xcc);
        file[*at..at + part.len()].copy_from_slice(part);
    }
    file
}

fn varint(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 127 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn build_info(go: &str, modules: &str) -> Vec<u8> {
    let mut out = go::MAGIC.to_vec();
    out.extend([8, 2]);
    out.resize(32, 0);
    out.extend(varint(go.len()));
    out.extend(go.as_bytes());
    let modules = format!("{}{modules}{}", "m".repeat(16), "e".repeat(16));
    out.extend(varint(modules.len()));
    out.extend(modules.as_bytes());
    out
}

fn zlib(text: &str, level: u32) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::new(level));
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

fn scan(file: &[u8], piece: usize) -> Option<Elf> {
    let mut scanner = Scanner::new("x");
    for piece in file.chunks(piece) {
        if scanner.feed(piece) == More::Enough {
            break;
        }
    }
    scanner.finish().0
}

/// The same in pieces of every odd size.
#[track_caller]
fn found(file: &[u8]) -> Option<Elf> {
    let whole = scan(file, usize::MAX);
    for piece in [1, 7, 255, 256, 257, 511, 4095, 4096, 4097, 5000] {
        assert_eq!(scan(file, piece), whole, "in pieces of {piece}");
    }
    whole
}

const MODULES: &str = "path\texample.com/a/cmd\nmod\texample.com/a\t(devel)\t\n\
    dep\tgithub.com/B/c\tv1.0.0\th1:x=\ndep\texample.com/d\tv2.0.0\n=>\texample.com/e\tv2.0.1\th1:y=\n\
    dep\texample.com/f\tv3.0.0\n=>\t./f\t(devel)\t\nbuild\tGOOS=linux\nbuild\t-ldflags=\"-X main.token=s3cret\"\n";

fn versions(build: &Build) -> Vec<(&str, &str, Option<&str>)> {
    let replaced = |m: &'_ Module| m.replaces.is_some();
    build
        .deps
        .iter()
        .map(|m| {
            let asked = m.replaces.as_ref().map(|(path, _)| path.as_str());
            assert_eq!(asked.is_some(), replaced(m));
            (m.path.as_str(), m.version.as_str(), asked)
        })
        .collect()
}

#[test]
fn go_modules_with_replacements_and_without_flags() {
    let file = elf(2, &[(DATA, &build_info("go1.22.1", MODULES)), (DATA + 9000, b"end")]);
    let elf = found(&file).unwrap();
    let [build] = elf.go.as_slice() else { panic!("{elf:?}") };
    assert_eq!(build.go, "go1.22.1");
    assert_eq!(
        build.main.as_ref().map(|m| (m.path.as_str(), m.version.as_str())),
        Some(("example.com/a", ""))
    );
    assert_eq!(
        versions(build),
        [
            ("github.com/B/c", "v1.0.0", None),
            ("example.com/e", "v2.0.1", Some("example.com/d")),
            ("example.com/f", "", Some("example.com/f")),
        ]
    );
    // Flags carry what builders put in them.
    assert_eq!(build.settings, [("GOOS".to_owned(), "linux".to_owned())]);
}

#[test]
fn a_program_within_a_program_is_told_from_it() {
    let inner = build_info("go1.20", "path\tin\nmod\tin\tv1.0.0\t\n");
    let outer = build_info("go1.22.1", "path\tout\nmod\tout\tv2.0.0\t\n");
    let elf = found(&elf(3, &[(0x1800, &inner), (DATA + 64, &outer)])).unwrap();
    let all: Vec<_> = elf.go.iter().map(|b| (b.path.as_deref().unwrap(), b.origin)).collect();
    assert_eq!(all, [("out", Origin::Own), ("in", Origin::Embedded)]);
}

#[test]
fn what_is_no_build_information() {
    let info = build_info("go1.22.1", MODULES);
    assert_eq!(found(&elf(2, &[(DATA + 8, &info)])), None, "not aligned");
    assert_eq!(found(&elf(1, &[(DATA, &info)])), None, "an object file");
    assert_eq!(found(&info), None, "no ELF");
    assert_eq!(found(&elf(2, &[(DATA, &build_info("no version", MODULES))])), None);
    // The magic as a constant, as in programs that read build information.
    assert_eq!(found(&elf(2, &[(DATA, go::MAGIC), (DATA + 14, &[0xcc; 600])])), None);
    assert_eq!(found(&elf(2, &[(DATA, &info[..200])])), None, "cut short");
}

#[test]
fn older_and_packed_programs_are_said() {
    let mut old = build_info("go1.17", MODULES);
    old[15] = 0;
    let notes = |file: &[u8]| found(file).unwrap().notes;
    assert!(notes(&elf(2, &[(DATA, &old)]))[0].contains("before 1.18"));
    assert!(notes(&elf(2, &[(0xec, b"UPX!"), (DATA, b"x")]))[0].contains("UPX"));
    // A shared object whose segment UPX disabled, and wrote its words to instead.
    let mut file = elf(3, &[(DATA, b"sum.UPX!")]);
    file[64] = 0;
    assert!(notes(&file)[0].contains("shared object that UPX packed"));
}

#[test]
fn build_information_is_bounded_at_limit_plus_one() {
    let file = |bytes: usize| elf(2, &[(DATA, &build_info("go1.22.1", &"x".repeat(bytes)))]);
    let limit = limits::GO_BUILD_INFO_BYTES - 512 - 32 - 32;
    assert!(scan(&file(limit), 1 << 17).unwrap().notes.is_empty());
    assert!(scan(&file(limit + 1), 1 << 17).unwrap().notes[0].contains("GO_BUILD_INFO_BYTES"));
}

#[test]
fn segments_of_notes_are_bounded_at_limit_plus_one() {
    let of = |bytes: usize| note::Notes::new(&[(0, bytes as u64)], false).segments.len();
    assert_eq!((of(limits::ELF_NOTE_BYTES), of(limits::ELF_NOTE_BYTES + 1)), (1, 0));
    let many = [(0, 1); note::SEGMENTS + 1];
    assert_eq!(note::Notes::new(&many, false).segments.len(), note::SEGMENTS);
}

/// The note with a build id of Go.
const GO_ID: &[u8] = b"\x04\0\0\0\x04\0\0\0\x04\0\0\0Go\0\0id..";

fn marked(modules: &str) -> Vec<u8> {
    const BEHIND: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\0\x82\x42\x10\x41\x16\xd8\xf2";
    [go::BEFORE, modules.as_bytes(), BEHIND].concat()
}

#[test]
fn modules_between_marks_and_by_names_of_files() {
    let names = b"x.go\0fmt/print.go\0golang.org/x/sys@v0.1.0/unix/a.go\0github.com/a/b/c.go\0";
    let file = |marked: &[u8]| found(&elf(2, &[(200, GO_ID), (4500, marked), (6000, names), (9000, b"end")]));
    let with = file(&marked(MODULES)).unwrap();
    assert_eq!((with.go.len(), with.go[0].deps.len(), with.go_paths.len()), (1, 3, 0));
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let wanted = BTreeSet::from([both("github.com/a/b", ""), both("golang.org/x/sys", "v0.1.0")]);
    for without in [marked("path\tx\n"), marked(MODULES)[..100].to_vec(), Vec::new()] {
        assert_eq!(file(&without).unwrap().go_paths, wanted);
    }
    // No Go program, so that these are somebody else's texts.
    assert_eq!(found(&elf(2, &[(4500, &marked(MODULES)), (6000, names), (9000, b"end")])), None);
}

fn list(crates: usize) -> String {
    let each = |i: usize| {
        format!(r#"{{"name":"c{i}","version":"1.{i}.0","source":"crates.io","dependencies":[{}]}}"#, i / 2)
    };
    format!(r#"{{"packages":[{}],"format":1}}"#, (0..crates).map(each).collect::<Vec<_>>().join(","))
}

#[test]
fn crates_at_every_level_of_compression() {
    for level in 0..10 {
        for crates in [1, 2, 30, 700] {
            for at in [5000, DATA - 1, DATA + 3] {
                let file = elf(3, &[(at, &zlib(&list(crates), level)), (at + 70_000, b"end")]);
                let elf = scan(&file, 4096).unwrap_or_default();
                assert_eq!(
                    elf.audit.map(|a| a.crates.len()),
                    Some(crates),
                    "level {level}, {crates} at {at}"
                );
            }
        }
    }
    let small =
        r#"{"packages":[{"name":"a","version":"1.0.0","source":"local","kind":"build","root":true}]}"#;
    let audit = found(&elf(3, &[(5000, &zlib(small, 7)), (9000, b"end")])).unwrap().audit.unwrap();
    assert_eq!((audit.crates[0].linked, audit.crates[0].role), (Linked::Build, Role::Root));
}

#[test]
fn broken_lists_are_said_and_others_are_not() {
    let with = |text: &str| found(&elf(3, &[(5000, &zlib(text, 6)), (9000, b"end")]));
    for bad in [
        r#"{"packages":[{"name":"../a","version":"1.0.0"}]}"#,
        r#"{"packages":[{"name":"a"}]}"#,
        r#"{"packages":[{"name":"a","version":"1.0.0"}"#,
        r#"{"packages":{}}"#,
    ] {
        assert!(with(bad).unwrap().notes[0].starts_with("cargo-auditable's list"), "{bad}");
    }
    assert_eq!(with(r#"{"package":[]}"#), None);
    let whole = zlib(&list(30), 6);
    let cut = elf(3, &[(5000, &whole[..whole.len() / 2])]);
    assert!(found(&cut).unwrap().notes[0].contains("cut short"));
    let many = elf(3, &[(5000, &zlib(&list(limits::ELF_MODULES + 1), 6))]);
    assert!(scan(&many, 4096).unwrap().notes[0].contains("more than the limit"));
}

#[test]
fn a_list_that_breaks_within_its_first_lines_is_said_in_pieces_of_any_size() {
    let mut stored = zlib(&list(9), 0);
    let last = stored.len() - 1;
    stored[last] ^= 1;
    let broken = found(&elf(3, &[(5000, &stored), (9000, b"end")])).unwrap();
    assert_eq!(broken.notes, ["cargo-auditable's list cannot be unpacked"]);
}

#[test]
fn what_begins_behind_a_programs_own_build_information_does_not_count() {
    let info = |name: &str| build_info("go1.22.1", &format!("path\t{name}\nmod\t{name}\tv1.0.0\t\n"));
    let mut old = info("old");
    old[15] = 0;
    let (own, later) = (info("own"), info("later"));
    let file = elf(
        3,
        &[(200, GO_ID), (DATA, &own), (DATA + 4096, &later), (DATA + 8192, &old), (DATA + 9000, b"end")],
    );
    let elf = found(&file).unwrap();
    assert_eq!(elf.go.iter().map(|b| b.path.as_deref().unwrap()).collect::<Vec<_>>(), ["own"]);
    assert!(elf.notes.is_empty());
}

#[test]
fn inflaters_are_bounded_at_limit_plus_one() {
    // Plausible to the first glance, and another text.
    let other = zlib("{\"pretty\": 1}", 0);
    let file = |n: u64| elf(3, &[(5000, &other.repeat(n as usize)), (200_000, b"end")]);
    assert_eq!(scan(&file(limits::ELF_TRIES), 4096), None);
    assert!(scan(&file(limits::ELF_TRIES + 1), 4096).unwrap().notes[0].contains("looks like zlib"));
}

#[test]
fn programs_within_a_program_are_bounded_at_limit_plus_one() {
    let info = build_info("go1.22.1", "path\tin\nmod\tin\tv1.0.0\t\n");
    let file = |n: usize| {
        let places: Vec<(usize, &[u8])> = (0..n).map(|i| (DATA + i * 8192, info.as_slice())).collect();
        elf(2, &places)
    };
    let most = found(&file(limits::ELF_CAPTURES)).unwrap();
    assert_eq!((most.go.len(), most.notes.len()), (limits::ELF_CAPTURES, 0));
    let more = found(&file(limits::ELF_CAPTURES + 1)).unwrap();
    assert_eq!(more.go.len(), limits::ELF_CAPTURES);
    assert!(more.notes[0].contains("ELF_CAPTURES"), "{:?}", more.notes);
}

#[test]
fn lists_of_crates_are_bounded_at_limit_plus_one() {
    let notes = |text: &str| {
        let found = scan(&elf(3, &[(5000, &zlib(text, 6)), (200_000, b"end")]), 1 << 17).unwrap();
        (found.audit.is_some(), found.notes.join(" "))
    };
    let padded = |bytes: usize| {
        let list = list(1);
        let head = format!("{},\"x\":\"", list.strip_suffix('}').unwrap());
        format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
    };
    assert_eq!(notes(&padded(limits::AUDIT_BYTES)), (true, String::new()));
    let (read, why) = notes(&padded(limits::AUDIT_BYTES + 1));
    assert!(!read && why.contains("AUDIT_BYTES"), "{why}");
    let edges = |last: usize| {
        let each = |i: usize| {
            let count = if i == 0 { last } else { 400 };
            let needs = vec!["0"; count].join(",");
            format!(r#"{{"name":"c{i}","version":"1.0.0","source":"local","dependencies":[{needs}]}}"#)
        };
        let crates = limits::AUDIT_EDGES / 400;
        format!(r#"{{"packages":[{}]}}"#, (0..crates).map(each).collect::<Vec<_>>().join(","))
    };
    assert_eq!(notes(&edges(400)), (true, String::new()));
    let (read, why) = notes(&edges(401));
    assert!(!read && why.contains("more than 200000 dependencies"), "{why}");
}

#[test]
fn panic_paths_count_only_without_a_list() {
    let path = b"/root/.cargo/registry/src/index.crates.io-6f17d22bba15001f/memchr-2.7.1/src/lib.rs";
    let elf_with = |more: &[u8]| elf(3, &[(5000, path), (6000, more), (9000, b"end")]);
    let paths = found(&elf_with(b"")).unwrap().paths;
    assert_eq!(paths.into_iter().collect::<Vec<_>>(), [("memchr".to_owned(), "2.7.1".to_owned())]);
    assert!(found(&elf_with(&zlib(&list(3), 7))).unwrap().paths.is_empty());
}

proptest! {
    #[test]
    fn never_panics_and_pieces_do_not_matter(
        parts in proptest::collection::vec((0_usize..20_000, prop_oneof![
            any::<Vec<u8>>(),
            Just(go::MAGIC.to_vec()),
            ".{0,300}".prop_map(|text| build_info("go1.22.1", &text)),
            (0_u32..10).prop_map(|level| zlib(&list(9), level)),
            Just(b"/index.crates.io-6f17d22bba15001f/a-1.0.0/src/".to_vec()),
            Just(b".go\0github.com/a/b/c.go\0golang.org/x/sys@v1.0.0/a.go\0".to_vec()),
            ".{0,300}".prop_map(|text| marked(&text)),
            Just(marked(MODULES)),
        ]), 0..6),
        head in any::<[u8; 64]>(),
        spoilt in any::<bool>(),
        piece in 1_usize..6000,
        is_go in any::<bool>(),
    ) {
        let mut parts: Vec<(usize, &[u8])> =
            parts.iter().map(|(at, part)| (64 + 56 + at / 8 * 8, part.as_slice())).collect();
        if is_go {
            parts.push((136, GO_ID));
        }
        let mut file = elf(2, &parts);
        if spoilt {
            file[4..64].copy_from_slice(&head[4..]);
        }
        prop_assert_eq!(scan(&file, piece), scan(&file, usize::MAX));
    }
}

/// The list that a program carries, in pieces of that size.
fn inside(file: &[u8], piece: usize) -> Option<Inside> {
    let mut scanner = Scanner::new("x");
    file.chunks(piece).all(|piece| scanner.feed(piece) == More::Wanted);
    scanner.finish().1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lists_in_changed_programs_do_not_depend_on_the_pieces(
        name in prop::sample::select(vec!["vsce-sign.bundle", "libmesmo.native", "h2gis.native"]),
        changes in prop::collection::vec((0_usize..20_000, any::<u8>()), 0..8), cut in 0_usize..20_000, piece in 1_usize..9000,
    ) {
        let place = format!("{}/../../testdata/catalog/binaries/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut file = std::fs::read(place).unwrap();
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        file.truncate(cut.max(4096));
        prop_assert_eq!(inside(&file, piece), inside(&file, usize::MAX));
    }
}
