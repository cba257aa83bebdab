//! D03, D07, D09: what is broken is refused, what is odd is said, and nothing grows without bound.

use crate::support::*;
use proptest::prelude::*;
use seaworthy_catalog::{ErrorKind, limits};
use seaworthy_oci::Class;

fn limit(error: &seaworthy_catalog::Error) -> &'static str {
    match error.kind {
        ErrorKind::LimitExceeded { limit, .. } => limit,
        _ => panic!("{error}"),
    }
}

fn source(error: &seaworthy_catalog::Error) -> &seaworthy_oci::ErrorKind {
    error.source_error().unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn other_bytes_than_the_digest_says_are_that_and_nothing_else() {
    let layer = Tar::default().file(STATUS, deb("a", "1")).file("x", vec![3; 5000]);
    for layer in [layer.clone().gzip(), layer.clone().zstd(), layer.plain()] {
        for at in [0, 1, 20, layer.bytes.len() / 2, layer.bytes.len() - 1] {
            let built = Built::new(std::slice::from_ref(&layer)).swap(0, |bytes| bytes[at] ^= 1);
            let error = built.read().unwrap_err();
            // A first byte that makes it another compression altogether may be unsupported instead.
            assert!(
                matches!(source(&error), seaworthy_oci::ErrorKind::DigestMismatch { .. }),
                "{at}: {error}"
            );
            assert_eq!(error.class(), Class::Broken);
        }
    }
}

#[test]
fn the_digest_is_checked_beyond_the_end_of_the_tar() {
    let mut layer = Tar::default().file(STATUS, deb("a", "1")).plain();
    layer.bytes.extend_from_slice(&[0; 300_000]);
    let end = layer.bytes.len() - 1;
    assert_eq!(names(&read(std::slice::from_ref(&layer))), ["a 1"]);
    let error = Built::new(&[layer]).swap(0, |bytes| bytes[end] = 1).read().unwrap_err();
    assert!(matches!(source(&error), seaworthy_oci::ErrorKind::DigestMismatch { .. }), "{error}");
}

#[test]
fn a_missing_layer_is_the_source_saying_not_found() {
    let mut built = Built::new(&[Tar::default().gzip()]);
    built.manifest.layers[0].digest = seaworthy_oci::Digest::sha256(b"nobody");
    let error = built.read().unwrap_err();
    assert_eq!(source(&error), &seaworthy_oci::ErrorKind::NotFound);
    assert_eq!(error.class(), Class::NotFound);
}

#[test]
fn truncated_streams_are_refused() {
    let tar = Tar::default().file(STATUS, deb("a", "1")).file("x", vec![3; 5000]);
    let cut = |mut layer: Layer, keep: usize| {
        layer.bytes.truncate(keep);
        layer
    };
    for layer in [tar.clone().gzip(), tar.clone().zstd()] {
        let half = layer.bytes.len() / 2;
        let error = fails(&[cut(layer.clone(), half)]);
        assert!(matches!(error.kind, ErrorKind::Truncated(_)), "{error}");
        let end = layer.bytes.len() - 1;
        let error = fails(&[cut(layer, end)]);
        assert!(matches!(error.kind, ErrorKind::Truncated(_)), "{error}");
    }
    // Inside a header, inside data.
    for keep in [100, 600, 1600] {
        let error = fails(&[cut(tar.clone().plain(), keep)]);
        assert!(matches!(error.kind, ErrorKind::Truncated(_)), "{keep}: {error}");
    }
    // Between entries without the closing blocks: runtimes take it, so it is read.
    assert_eq!(names(&read(&[cut(tar.plain(), 1024)])), ["a 1"]);
}

#[test]
fn garbage_after_a_gzip_stream_is_refused() {
    let mut layer = Tar::default().file(STATUS, deb("a", "1")).gzip();
    layer.bytes.extend_from_slice(b"more");
    assert!(matches!(fails(&[layer]).kind, ErrorKind::Malformed(_) | ErrorKind::Truncated(_)));
}

#[test]
fn data_after_the_end_of_the_tar_is_not_looked_at_and_said() {
    let mut layer = Tar::default().plain();
    layer.bytes.extend(Tar::default().file(STATUS, deb("hidden", "1")).end());
    let found = read(&[layer]);
    assert!(found.packages.is_empty());
    assert!(gaps(&found)[0].contains("data after the end of the tar"), "{:?}", gaps(&found));
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; (limits::RATIO_GRACE as usize) * 2];
    let tar = Tar::default().file("zeros", &zeros);
    assert_eq!(limit(&fails(&[tar.clone().gzip()])), "RATIO");
    assert_eq!(limit(&fails(&[tar.zstd()])), "RATIO");
}

#[test]
fn zeros_within_the_grace_are_no_bomb() {
    let zeros = vec![0; (limits::RATIO_GRACE as usize) / 2];
    let tar = Tar::default().file("zeros", &zeros).file(STATUS, deb("a", "1"));
    assert_eq!(names(&read(&[tar.zstd()])), ["a 1"]);
}

#[test]
fn a_file_that_claims_eight_exabytes_is_refused_at_once() {
    let tar = Tar::default().header(b"x", b'0', "", i64::MAX as u64);
    assert_eq!(limit(&fails(&[tar.plain()])), "LAYER_UNPACKED_BYTES");
    let pax = Tar::default().pax(&[("size", "9223372036854775807")]).file("x", "y");
    assert_eq!(limit(&fails(&[pax.plain()])), "LAYER_UNPACKED_BYTES");
    let wraps = Tar::default().pax(&[("size", "18446744073709551615")]).file("x", "y");
    assert_eq!(limit(&fails(&[wraps.plain()])), "LAYER_UNPACKED_BYTES");
    let more = Tar::default().pax(&[("size", "99999999999999999999999")]).file("x", "y");
    assert!(matches!(fails(&[more.plain()]).kind, ErrorKind::Malformed(_)));
}

#[test]
fn extension_headers_are_bounded_at_limit_plus_one() {
    let long = |n: usize| Tar::default().long_name(&"a".repeat(n)).file("x", "");
    let found = read(&[long(limits::TAR_EXTENSION_BYTES as usize - 1).plain()]);
    assert!(gaps(&found)[0].contains("longer than 4096"), "{:?}", gaps(&found));
    let error = fails(&[long(limits::TAR_EXTENSION_BYTES as usize).plain()]);
    assert_eq!(limit(&error), "TAR_EXTENSION_BYTES");
}

#[test]
fn links_are_bounded() {
    let target = "t".repeat(90);
    let mut tar = Tar::default();
    for i in 0..limits::LINK_BYTES / 90 {
        tar = tar.symlink(&format!("{i}"), &target);
    }
    assert_eq!(limit(&fails(&[tar.plain()])), "LINK_BYTES");
}

#[test]
fn paths_that_climb_are_not_taken_and_said() {
    let tar = Tar::default()
        .file("../../etc/os-release", "ID=evil\n")
        .file("a/../var/lib/dpkg/status", deb("evil", "1"))
        .file("/node_modules/x/package.json", npm("x", "1"))
        .hard_link("node_modules/y/package.json", "../../../etc/passwd")
        .header(b"dev/sda", b'4', "", 0)
        .header(b"fifo", b'6', "", 0);
    let found = read(&[tar.gzip()]);
    assert_eq!(names(&found), ["x 1"]);
    assert!(found.os.is_none());
    assert_eq!(
        gaps(&found),
        [
            "../../etc/os-release: entry not taken: the path has '..' in it",
            "/node_modules/y/package.json: a hard link out of the image",
            "a/../var/lib/dpkg/status: entry not taken: the path has '..' in it",
        ]
    );
}

#[test]
fn loops_of_links_end() {
    let tar = Tar::default()
        .symlink("var/lib/dpkg", "../../var/lib/dpkg")
        .symlink("lib", "usr")
        .symlink("usr", "lib")
        .symlink("etc/os-release", "os-release")
        .file(STATUS, deb("a", "1"))
        .hard_link("node_modules/a/package.json", "node_modules/b/package.json")
        .hard_link("node_modules/b/package.json", "node_modules/a/package.json");
    let found = read(&[tar.gzip()]);
    assert_eq!(gaps(&found).len(), 2, "{:?}", gaps(&found));
}

#[test]
fn long_names_of_both_kinds_are_read() {
    let long = format!("{}/node_modules/x/package.json", "d".repeat(150));
    let body = npm("x", "1");
    let gnu = Tar::default().long_name(&long).file("short", &body);
    let pax = Tar::default().pax(&[("path", &long)]).file("short", &body);
    // The size in the PAX header counts, not the one in the header.
    let size = body.len().to_string();
    let sized = Tar::default()
        .pax(&[("path", &long), ("size", &size)])
        .header(b"short", b'0', "", 0)
        .data(body.as_bytes());
    for tar in [gnu, pax, sized] {
        assert_eq!(read(&[tar.gzip()]).packages[0].evidence[0].path, format!("/{long}"));
    }
    let mut prefix = [0_u8; 512];
    prefix.copy_from_slice(&Tar::default().file("node_modules/x/package.json", "").0);
    prefix[345..349].copy_from_slice(b"some");
    prefix[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
    let ustar = Tar(sealed(prefix).to_vec()).data(body.as_bytes());
    assert_eq!(read(&[ustar.gzip()]).packages[0].evidence[0].path, "/some/node_modules/x/package.json");
}

#[test]
fn sparse_files_are_walked_over_and_said_where_they_were_wanted() {
    let body = deb("a", "1");
    let pax = Tar::default()
        .pax(&[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", STATUS),
            ("GNU.sparse.realsize", "9"),
        ])
        .file("GNUSparseFile.0/status", &body)
        .file("node_modules/x/package.json", npm("x", "1"));
    let mut head = [0_u8; 512];
    head.copy_from_slice(&Tar::default().header(STATUS.as_bytes(), b'S', "", body.len() as u64).0);
    head[257..265].copy_from_slice(b"ustar  \0");
    head[482] = 1;
    let old = Tar([sealed(head).to_vec(), vec![0; 512]].concat())
        .data(body.as_bytes())
        .file("node_modules/x/package.json", npm("x", "1"));
    for tar in [pax, old] {
        let found = read(&[tar.gzip()]);
        assert_eq!(names(&found), ["x 1"]);
        assert_eq!(gaps(&found), ["/var/lib/dpkg/status: a sparse file"]);
    }
}

#[test]
fn ambiguous_tars_are_refused() {
    let good = Tar::default().file(STATUS, deb("a", "1")).0;
    let mut checksum = good.clone();
    checksum[0] ^= 1;
    let lone_zero = [vec![0; 512], good.clone()].concat();
    let mut size = [0_u8; 512];
    size.copy_from_slice(&good[..512]);
    size[124..135].copy_from_slice(b"0000000009z");
    let negative = {
        let mut h = [0_u8; 512];
        h.copy_from_slice(&good[..512]);
        h[124..136].copy_from_slice(&[0xff; 12]);
        sealed(h).to_vec()
    };
    let pax = Tar::default().header(b"pax", b'x', "", 12).data(b"99 path=abc\n").file("x", "").0;
    for (what, bytes) in [
        ("checksum", checksum),
        ("lone zero", lone_zero),
        ("size", sealed(size).to_vec()),
        ("negative", negative),
        ("pax", pax),
        ("noise", vec![b'x'; 4096]),
    ] {
        let error = fails(&[Tar(bytes).plain()]);
        assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{what}: {error}");
        assert_eq!(error.class(), Class::Broken);
    }
}

#[test]
fn names_that_are_no_text_are_said_where_they_were_wanted() {
    let tar = Tar::default()
        .header(b"site-packages/a\xff.dist-info/METADATA", b'0', "", 0)
        .header(b"usr/share/caf\xe9", b'0', "", 0)
        .file(STATUS, deb("a", "1"));
    let found = read(&[tar.gzip()]);
    assert_eq!(names(&found), ["a 1"]);
    assert_eq!(gaps(&found).len(), 1);
    assert!(gaps(&found)[0].ends_with("not read: its name is no UTF-8"));
}

#[test]
fn one_file_over_its_limit_is_a_gap_and_the_rest_is_inventoried() {
    let big = format!("{{\"name\":\"big\",\"version\":\"1\",\"x\":\"{}\"}}", "x".repeat(1 << 20));
    let exact = {
        let empty = "{\"name\":\"fits\",\"version\":\"1\",\"x\":\"\"}".len();
        format!("{{\"name\":\"fits\",\"version\":\"1\",\"x\":\"{}\"}}", "x".repeat((1 << 20) - empty))
    };
    let tar = Tar::default()
        .file("node_modules/big/package.json", big)
        .file("node_modules/fits/package.json", exact)
        .file("node_modules/broken/package.json", "{\"name\":")
        .file("node_modules/deep/package.json", "[".repeat(100_000))
        .file(STATUS, deb("a", "1"));
    let found = read(&[tar.gzip()]);
    assert_eq!(names(&found), ["a 1", "fits 1"]);
    let gaps = gaps(&found);
    assert_eq!(gaps.len(), 3, "{gaps:?}");
    assert!(gaps[0].contains("more than the limit of 1048576"), "{gaps:?}");
    assert!(found.gaps.iter().all(|gap| gap.found_by == "npm"));
}

#[test]
fn a_gap_in_a_file_that_a_later_layer_removes_is_none() {
    let base = Tar::default().file("node_modules/x/package.json", "{");
    let upper = Tar::default().file(".wh.node_modules", "");
    assert_eq!(gaps(&read(&[base.clone().gzip()])).len(), 1);
    assert!(gaps(&read(&[base.gzip(), upper.gzip()])).is_empty());
}

#[test]
fn a_dpkg_database_with_a_broken_paragraph_keeps_the_others() {
    let status = deb("a", "1")
        + "Package: half\nStatus: install ok half-installed\nVersion: 1\n\n"
        + "Version: 3\n\n"
        + &deb("b", "1");
    let found = read(&[Tar::default().file(STATUS, status).gzip()]);
    assert_eq!(names(&found), ["a 1", "b 1"]);
    assert_eq!(
        gaps(&found),
        ["/var/lib/dpkg/status: a paragraph without Package", "/var/lib/dpkg/status: half is half-installed"]
    );
}

#[test]
fn layers_of_other_media_types_and_compressions_are_refused() {
    let mut artifact = Tar::default().plain();
    artifact.media_type = "application/vnd.in-toto+json";
    assert!(matches!(fails(&[artifact]).kind, ErrorKind::Unsupported(_)));
    let mut xz = Tar::default().plain();
    xz.bytes = b"\xfd7zXZ\0rest".to_vec();
    assert!(matches!(fails(&[xz]).kind, ErrorKind::Unsupported(_)));
}

#[test]
fn a_layer_that_claims_too_much_is_not_fetched() {
    let mut built = Built::new(&[Tar::default().plain()]);
    built.manifest.layers[0].size = seaworthy_oci::limits::LAYER_BYTES + 1;
    assert_eq!(limit(&built.read().unwrap_err()), "LAYER_BYTES");
}

#[test]
fn an_empty_layer_is_an_empty_layer() {
    let mut layer = Tar::default().plain();
    layer.bytes.clear();
    assert!(read(&[layer]).packages.is_empty());
    assert!(read(&[]).layers.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn noise_as_a_layer_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let mut layer = Tar::default().plain();
        layer.bytes = bytes;
        let _ = Built::new(&[layer]).read();
    }

    #[test]
    fn a_tar_with_flipped_bytes_never_panics(flips in proptest::collection::vec((0_usize..6144, any::<u8>()), 1..6), seal in any::<bool>()) {
        let mut layer = Tar::default()
            .pax(&[("path", STATUS), ("size", "5")])
            .file("x", "y")
            .long_name("node_modules/x/package.json")
            .file("z", npm("x", "1"))
            .symlink("a", "b")
            .plain();
        for (at, to) in flips {
            let at = at % layer.bytes.len();
            layer.bytes[at] = to;
            if seal {
                let start = at / 512 * 512;
                let mut head = [0; 512];
                head.copy_from_slice(&layer.bytes[start..start + 512]);
                layer.bytes[start..start + 512].copy_from_slice(&sealed(head));
            }
        }
        let _ = Built::new(&[layer]).read();
    }

    #[test]
    fn any_database_is_packages_or_gaps(text in "((Package|Version|Status|Depends|Source|Description)?:?[ -~]{0,12}\n{1,2}){0,20}") {
        let tar = Tar::default().file(STATUS, &text).file("lib/apk/db/installed", &text);
        prop_assert!(Built::new(&[tar.gzip()]).read().is_ok());
    }
}
