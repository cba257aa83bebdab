//! D08: the final file system is what is inventoried, and each package knows the layer that brought it.

use crate::support::*;
use seaworthy_catalog::{DiffIds, ErrorKind, Options, Progress, inventory};
use seaworthy_oci::Digest;
use std::sync::Mutex;

#[test]
fn every_compression_gives_the_same_inventory() {
    let tar = Tar::default().file(STATUS, deb("a", "1"));
    for layer in [tar.clone().gzip(), tar.clone().zstd(), tar.clone().plain()] {
        assert_eq!(names(&read(&[layer])), ["a 1"]);
    }
}

#[test]
fn several_gzip_members_and_zstd_frames_are_one_layer() {
    let tar = Tar::default().file(STATUS, deb("a", "1")).file("x", vec![7; 300_000]).end();
    let (one, two) = tar.split_at(700);
    let mut members = Tar::default().gzip();
    members.bytes = [gzip(one), gzip(two)].concat();
    members.diff_id = diff_id(&tar);
    let mut frames = Tar::default().zstd();
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"toc!"].concat();
    let frame = |part: &[u8]| zstd::encode_all(part, 3).unwrap();
    frames.bytes = [skippable.clone(), frame(one), skippable.clone(), frame(two), skippable].concat();
    frames.diff_id = diff_id(&tar);
    let built = Built::new(&[members, frames]);
    let options = Options { diff_ids: DiffIds::Compute, ..Options::default() };
    assert_eq!(names(&built.read_with(&options).unwrap()), ["a 1"]);
}

#[test]
fn the_bytes_decide_and_another_media_type_is_said() {
    let mut layer = Tar::default().file(STATUS, deb("a", "1")).zstd();
    layer.media_type = seaworthy_oci::manifest::media_type::LAYER_GZIP;
    let found = read(&[layer]);
    assert_eq!(names(&found), ["a 1"]);
    assert!(gaps(&found)[0].contains("the media type says gzip, the bytes say zstd"), "{:?}", gaps(&found));
}

#[test]
fn a_whiteout_takes_away_what_is_below_it() {
    let base = Tar::default()
        .file("a/node_modules/x/package.json", npm("x", "1"))
        .file("a/node_modules/y/package.json", npm("y", "1"))
        .file("ab/node_modules/z/package.json", npm("z", "1"));
    let file = Tar::default().file("a/node_modules/x/.wh.package.json", "");
    assert_eq!(names(&read(&[base.clone().gzip(), file.gzip()])), ["y 1", "z 1"]);
    let dir = Tar::default().file(".wh.a", "");
    assert_eq!(names(&read(&[base.clone().gzip(), dir.gzip()])), ["z 1"]);
    let unrelated = Tar::default().file(".wh.b", "").file("a/.wh..wh.plnk", "");
    assert_eq!(names(&read(&[base.gzip(), unrelated.gzip()])), ["x 1", "y 1", "z 1"]);
}

#[test]
fn whiteouts_and_opaque_directories_speak_of_lower_layers_whatever_their_place_in_the_tar() {
    let base = Tar::default()
        .file("n/node_modules/x/package.json", npm("x", "1"))
        .file("n/node_modules/y/package.json", npm("y", "1"));
    let new = ("n/node_modules/x/package.json", npm("x", "2"));
    let opaque = "n/node_modules/.wh..wh..opq";
    let before = Tar::default().file(opaque, "").file(new.0, &new.1);
    let after = Tar::default().file(new.0, &new.1).file(opaque, "");
    for upper in [before, after] {
        assert_eq!(names(&read(&[base.clone().gzip(), upper.gzip()])), ["x 2"]);
    }
    let whiteout = Tar::default().file(new.0, &new.1).file("n/node_modules/x/.wh.package.json", "");
    assert_eq!(names(&read(&[base.gzip(), whiteout.gzip()])), ["x 2", "y 1"]);
}

#[test]
fn files_directories_and_links_replace_each_other() {
    let base = Tar::default()
        .file("n/node_modules/x/package.json", npm("x", "1"))
        .file("n/node_modules/y/package.json", npm("y", "1"));
    // A file in the place of a directory takes away all that was in it.
    let file = Tar::default().file("n/node_modules/x", "");
    assert_eq!(names(&read(&[base.clone().gzip(), file.gzip()])), ["y 1"]);
    // A directory in the place of a file.
    let dir = Tar::default().dir("n/node_modules/x/package.json");
    assert_eq!(names(&read(&[base.clone().gzip(), dir.gzip()])), ["y 1"]);
    // A directory on a directory takes nothing away.
    let same = Tar::default().dir("n/node_modules/x/");
    assert_eq!(names(&read(&[base.clone().gzip(), same.gzip()])), ["x 1", "y 1"]);
    // A link in the place of a directory.
    let link = Tar::default().symlink("n/node_modules", "/elsewhere");
    assert!(names(&read(&[base.clone().gzip(), link.gzip()])).is_empty());
    // Within one layer the last entry counts.
    let twice = Tar::default()
        .file("n/node_modules/x/package.json", npm("x", "3"))
        .file("n/node_modules/x/package.json", npm("x", "4"));
    assert_eq!(names(&read(&[base.gzip(), twice.gzip()])), ["x 4", "y 1"]);
    let gone = Tar::default().file("n/node_modules/x/package.json", npm("x", "3")).file("n/node_modules", "");
    assert!(names(&read(&[gone.gzip()])).is_empty());
}

#[test]
fn links_in_directories_are_followed_inside_the_image() {
    // usr-merge: the database is written through the link in an upper layer.
    let base = Tar::default().symlink("lib", "usr/lib").file("usr/lib/apk/db/installed", "P:a\nV:1\n\n");
    let upper = Tar::default().file("lib/apk/db/installed", "P:a\nV:2\n\n");
    let found = read(&[base.clone().gzip(), upper.gzip()]);
    assert_eq!(names(&found), ["a 2"]);
    assert_eq!(found.packages[0].evidence[0].path, "/usr/lib/apk/db/installed");
    // A whiteout through the link.
    let whiteout = Tar::default().file("lib/apk/db/.wh.installed", "");
    assert!(read(&[base.gzip(), whiteout.gzip()]).packages.is_empty());
    // An absolute link and one that climbs over the root stay inside.
    for target in ["/usr/lib/sysimage/dpkg", "../../../../../usr/lib/sysimage/dpkg"] {
        let moved = Tar::default()
            .symlink("var/lib/dpkg", target)
            .file("usr/lib/sysimage/dpkg/status", deb("a", "1"));
        assert_eq!(names(&read(&[moved.gzip()])), ["a 1"]);
    }
}

#[test]
fn a_database_behind_a_link_that_nobody_looks_at_is_a_gap() {
    let tar = Tar::default().symlink("var/lib/dpkg", "/opt/db").file("opt/db/status", deb("a", "1"));
    let found = read(&[tar.gzip()]);
    assert!(found.packages.is_empty());
    assert_eq!(gaps(&found), ["/var/lib/dpkg/status: leads to /opt/db/status, which is not read"]);
}

#[test]
fn hard_links_have_the_content_of_their_target() {
    let base = Tar::default()
        .file("z/node_modules/x/package.json", npm("x", "1"))
        .hard_link("a/node_modules/x/package.json", "z/node_modules/x/package.json");
    let found = read(&[base.clone().gzip()]);
    assert_eq!(names(&found), ["x 1"]);
    assert_eq!(found.packages[0].evidence.len(), 2);
    // The target may go, the content stays.
    let upper = Tar::default().file("z/node_modules/.wh.x", "");
    assert_eq!(names(&read(&[base.gzip(), upper.gzip()])), ["x 1"]);
    // To a file that was not read: a gap, not silence.
    let blind =
        Tar::default().file("store/1", npm("x", "1")).hard_link("node_modules/x/package.json", "store/1");
    let found = read(&[blind.gzip()]);
    assert_eq!(gaps(&found), ["/node_modules/x/package.json: a hard link to store/1, which was not read"]);
}

#[test]
fn the_layer_is_the_one_that_brought_the_version_not_the_last_that_wrote_the_database() {
    let layers = [
        Tar::default().file(STATUS, deb("a", "1") + &deb("b", "1")).gzip(),
        Tar::default().file(STATUS, deb("a", "1") + &deb("b", "2") + &deb("c", "1")).gzip(),
        // c goes and comes back; an unrelated layer in between.
        Tar::default().file(STATUS, deb("a", "1") + &deb("b", "2")).gzip(),
        Tar::default().file("etc/motd", "hello").gzip(),
        Tar::default().file(STATUS, deb("c", "1") + &deb("a", "1") + &deb("b", "2")).gzip(),
    ];
    let built = Built::new(&layers);
    let found = built.read().unwrap();
    for (name, layer) in [("a", 0), ("b", 1), ("c", 4)] {
        let package = package(&found, name);
        assert_eq!(package.layer.as_deref(), Some(built.layer(layer).as_str()), "{name}");
        assert_eq!(package.evidence[0].layer.as_deref(), Some(built.layer(4).as_str()), "{name}");
    }
}

#[test]
fn the_layer_of_a_file_that_was_written_again_is_the_first_one() {
    let x = |version: &str| Tar::default().file("node_modules/x/package.json", npm("x", version)).gzip();
    let touched = Tar::default().file("node_modules/x/package.json", npm("x", "2") + "\n").gzip();
    let built = Built::new(&[x("1"), x("2"), touched]);
    assert_eq!(built.read().unwrap().packages[0].layer, Some(built.layer(1)));
}

#[test]
fn the_same_image_gives_the_same_inventory() {
    let layers = [
        Tar::default().file(STATUS, deb("a", "1") + &deb("b", "1")).gzip(),
        Tar::default().file("node_modules/x/package.json", npm("x", "1")).zstd(),
        Tar::default().file("n/node_modules/x/package.json", npm("x", "1")).plain(),
    ];
    let built = Built::new(&layers);
    let one = Options { threads: 1, ..Options::default() };
    let many = Options { threads: 8, ..Options::default() };
    let first = built.read_with(&one).unwrap();
    assert_eq!(first, built.read_with(&many).unwrap());
    assert_eq!(first.created, Some(1_717_243_200));
    assert_eq!(first.subject.name, "registry.example/app");
    assert_eq!(first.subject.tag.as_deref(), Some("1"));
    assert_eq!(first.subject.platform.as_deref(), Some("linux/amd64"));
    assert_eq!(first.subject.digest, Some(built.image.digest().to_string()));
    let dated = built.read_with(&Options { created: Some(7), ..Options::default() }).unwrap();
    assert_eq!(dated.created, Some(7));
}

#[test]
fn diff_ids_are_checked_only_where_that_is_asked_for() {
    let mut layer = Tar::default().file(STATUS, deb("a", "1")).gzip();
    let right = layer.diff_id.clone();
    let compute = Options { diff_ids: DiffIds::Compute, ..Options::default() };
    let found = Built::new(&[layer.clone()]).read_with(&compute).unwrap();
    assert_eq!(found.layers[0].diff_id, Some(right.to_string()));
    layer.diff_id = Digest::sha256(b"another");
    let built = Built::new(&[layer]);
    let error = built.read_with(&compute).unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::DiffIdMismatch { ref actual, .. } if *actual == right.to_string())
    );
    assert_eq!(built.read().unwrap().layers[0].diff_id, Some(Digest::sha256(b"another").to_string()));
}

#[test]
fn progress_hears_every_layer() {
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);
    impl Progress for Heard {
        fn layer_started(&self, index: usize, _: &Digest, _: u64) {
            self.0.lock().unwrap().push(format!("start {index}"));
        }
        fn layer_finished(&self, index: usize) {
            self.0.lock().unwrap().push(format!("end {index}"));
        }
    }
    let small = Tar::default().file("a", "1").plain();
    let large = Tar::default().file("a", vec![1; 9999]).plain();
    let built = Built::new(&[small, large]);
    let heard = Heard::default();
    let options = Options { threads: 1, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(inventory(&built.source, &built.image, &built.manifest, &options, &heard)).unwrap();
    assert_eq!(*heard.0.lock().unwrap(), ["start 1", "end 1", "start 0", "end 0"]);
}

/// Debian, Fedora and others moved `/bin`, `/lib` and `/sbin` into `/usr`: packages name the old paths, files stand
/// behind links, and a later layer may write by either.
#[test]
fn a_merged_usr_is_one_place_under_both_names() {
    let merged = Tar::default()
        .symlink("lib", "usr/lib")
        .symlink("bin", "usr/bin")
        .file("usr/lib/node_modules/x/package.json", npm("x", "1"))
        .file("usr/lib/node_modules/y/package.json", npm("y", "1"))
        .file(STATUS, deb("owner", "1"))
        .file("var/lib/dpkg/info/owner.list", "/lib/node_modules/x/package.json\n");
    let found = read(&[merged.clone().gzip()]);
    assert_eq!(package(&found, "x").evidence[0].path, "/usr/lib/node_modules/x/package.json");
    // Owned under the name that the package has for it.
    assert!(found.relationships.iter().any(|r| r.to == package(&found, "x").id), "{:?}", found.relationships);
    let written = Tar::default().file("lib/node_modules/x/package.json", npm("x", "2"));
    assert_eq!(names(&read(&[merged.clone().gzip(), written.gzip()])), ["owner 1", "x 2", "y 1"]);
    let removed = Tar::default().file("lib/node_modules/.wh.x", "");
    assert_eq!(names(&read(&[merged.clone().gzip(), removed.gzip()])), ["owner 1", "y 1"]);
    let opaque = Tar::default().file("lib/node_modules/.wh..wh..opq", "");
    assert_eq!(names(&read(&[merged.clone().gzip(), opaque.gzip()])), ["owner 1"]);
    // A layer that makes the link a directory again: what stands in /usr/lib stays, and is another place.
    let split = Tar::default().dir("lib").file("lib/node_modules/x/package.json", npm("x", "3"));
    assert_eq!(names(&read(&[merged.gzip(), split.gzip()])), ["owner 1", "x 1", "x 3", "y 1"]);
}

#[test]
fn a_hard_link_keeps_its_content_when_the_other_name_goes() {
    let base = Tar::default()
        .file("a/node_modules/x/package.json", npm("x", "1"))
        .hard_link("b/node_modules/x/package.json", "a/node_modules/x/package.json");
    let gone = Tar::default().file(".wh.a", "");
    let found = read(&[base.clone().gzip(), gone.gzip()]);
    assert_eq!(package(&found, "x").evidence.len(), 1);
    assert_eq!(package(&found, "x").evidence[0].path, "/b/node_modules/x/package.json");
    // A link of a later layer to a file of a lower one.
    let upper = Tar::default().hard_link("c/node_modules/x/package.json", "a/node_modules/x/package.json");
    assert_eq!(package(&read(&[base.gzip(), upper.gzip()]), "x").evidence.len(), 3);
}

#[test]
fn a_database_that_is_written_again_is_the_last_one_whole() {
    let base = Tar::default().file(STATUS, deb("a", "1") + &deb("b", "1") + &deb("c", "1"));
    let upper = Tar::default().file(STATUS, deb("a", "2") + &deb("b", "1"));
    let built = Built::new(&[base.clone().gzip(), upper.gzip()]);
    let found = built.read().unwrap();
    assert_eq!(names(&found), ["a 2", "b 1"]);
    let layers = ["a", "b"].map(|name| package(&found, name).layer.clone().unwrap());
    assert_eq!(layers, [built.layer(1), built.layer(0)]);
    // A database that cannot be read any more is a gap, and not the one before.
    let broken = Tar::default().header(STATUS.as_bytes(), b'S', "", 0);
    let found = read(&[base.gzip(), broken.gzip()]);
    assert_eq!((names(&found), gaps(&found).len()), (vec![], 1));
}
