//! Directories and single files: the same inventory as from an image, and nothing outside of what was named.

use crate::support::*;
use seaworthy_catalog::{ErrorKind, Mounts, Options, directory, file, limits};
use seaworthy_sbom::inventory::Inventory;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn put(root: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn of(root: &Path) -> Inventory {
    directory(root, "root", Mounts::PassBy, &Options::default()).unwrap()
}

fn of_file(path: &Path) -> Inventory {
    file(path, path.file_name().unwrap().to_str().unwrap(), &Options::default()).unwrap()
}

#[test]
fn a_directory_holds_what_the_same_layer_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Tar::default();
    for (path, content) in [
        (STATUS.to_owned(), deb("a", "1")),
        ("app/node_modules/x/package.json".to_owned(), npm("x", "2")),
        ("app/node_modules/y/package.json".to_owned(), npm("y", "3")),
    ] {
        put(dir.path(), &path, &content);
        tar = tar.file(&path, &content);
    }
    let image = read(&[tar.gzip()]);
    for threads in [1, 4] {
        let options = Options { threads, created: Some(1), ..Options::default() };
        let found = directory(dir.path(), "root", Mounts::PassBy, &options).unwrap();
        assert_eq!(names(&found), names(&image));
        assert_eq!(gaps(&found), [""; 0]);
        let evidence = |i: &Inventory| i.packages.iter().map(|p| p.evidence.clone()).collect::<Vec<_>>();
        let places: Vec<_> = evidence(&found).concat().into_iter().map(|e| e.path).collect();
        assert_eq!(places, evidence(&image).concat().into_iter().map(|e| e.path).collect::<Vec<_>>());
        assert_eq!((found.subject.name.as_str(), found.subject.digest.as_deref()), ("root", None));
        assert!(found.packages.iter().all(|p| p.layer.is_none()) && found.layers.is_empty());
        assert!(!found.subject.is_image());
    }
}

#[test]
fn links_are_followed_inside_and_never_out() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "node_modules/evil/package.json", npm("evil", "1"));
    put(outside.path(), "status", deb("evil", "1"));
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "usr/lib/os-release", "ID=debian\nVERSION_ID=12\n");
    fs::create_dir(dir.path().join("etc")).unwrap();
    // Absolute, as distributions have it: the directory is the root.
    symlink("/usr/lib/os-release", dir.path().join("etc/os-release")).unwrap();
    symlink(outside.path().join("node_modules"), dir.path().join("node_modules")).unwrap();
    fs::create_dir_all(dir.path().join("var/lib/dpkg")).unwrap();
    symlink(outside.path().join("status"), dir.path().join("var/lib/dpkg/status")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    let found = of(dir.path());
    assert_eq!(names(&found), [""; 0]);
    assert_eq!(found.os.unwrap().id, "debian");
}

#[test]
fn names_of_whiteouts_mean_nothing_and_odd_files_are_passed_by() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "n/node_modules/x/package.json", npm("x", "1"));
    put(dir.path(), "n/node_modules/.wh.x", "");
    put(dir.path(), "n/node_modules/.wh..wh..opq", "");
    // A pipe: whoever opened it to read would wait without end.
    let pipe = dir.path().join("n/Cargo.lock");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("n/package-lock.json")).unwrap();
    let found = of(dir.path());
    assert_eq!(names(&found), ["x 1"]);
    assert_eq!(gaps(&found), [""; 0]);
}

#[test]
fn what_cannot_be_read_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "app/node_modules/x/package.json", npm("x", "1"));
    put(dir.path(), "app/Cargo.lock", vec![b' '; 70 << 20]);
    let mut deep = dir.path().to_owned();
    for _ in 0..limits::DIRECTORY_DEPTH {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let found = of(dir.path());
    assert_eq!(names(&found), ["x 1"]);
    let gaps = gaps(&found);
    assert!(gaps.iter().any(|g| g.contains("Cargo.lock") && g.contains("more than the limit")), "{gaps:?}");
    assert!(!gaps.iter().any(|g| g.contains("deeper")), "{gaps:?}");
    fs::create_dir(deep.join("d")).unwrap();
    let gaps = self::gaps(&of(dir.path()));
    assert!(gaps.iter().any(|g| g.contains("deeper than 256 directories")), "{gaps:?}");
}

/// Root may read everything: then there is nothing to see here.
#[test]
fn what_may_not_be_read_is_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "secret/node_modules/x/package.json", npm("x", "1"));
    put(dir.path(), "node_modules/y/package.json", npm("y", "1"));
    let close =
        |path: &str| fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(0o0)).unwrap();
    close("secret");
    close("node_modules/y/package.json");
    let may = fs::read_dir(dir.path().join("secret")).is_ok();
    let found = of(dir.path());
    fs::set_permissions(dir.path().join("secret"), fs::Permissions::from_mode(0o700)).unwrap();
    if may {
        assert_eq!(names(&found), ["x 1", "y 1"]);
        return;
    }
    let gaps = gaps(&found);
    assert!(gaps.len() == 2 && gaps.iter().all(|g| g.contains("ermission denied")), "{gaps:?}");
    assert_eq!(names(&found), [""; 0]);
}

#[test]
fn a_directory_is_as_old_as_what_was_read_of_it() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "node_modules/x/package.json", npm("x", "1"));
    put(dir.path(), "node_modules/x/log", "newer");
    let set = |path: &str, seconds| {
        let file = fs::File::options().write(true).open(dir.path().join(path)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    };
    set("node_modules/x/package.json", 1_000_000);
    set("node_modules/x/log", 2_000_000);
    assert_eq!(of(dir.path()).created, Some(1_000_000));
}

#[test]
fn a_directory_that_is_not_there_is_no_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let missing = directory(&dir.path().join("x"), "x", Mounts::PassBy, &Options::default()).unwrap_err();
    assert!(matches!(missing.kind, ErrorKind::Local(_)), "{missing}");
    put(dir.path(), "file", "");
    assert!(directory(&dir.path().join("file"), "x", Mounts::PassBy, &Options::default()).is_err());
    assert!(file(dir.path(), "x", &Options::default()).unwrap_err().to_string().contains("no regular file"));
}

#[test]
fn a_single_file_is_read_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let lock = "version = 3\n[[package]]\nname = \"serde\"\nversion = \"1.0.1\"\n";
    put(dir.path(), "Cargo.lock", lock);
    let found = of_file(&dir.path().join("Cargo.lock"));
    assert_eq!(names(&found), ["serde 1.0.1"]);
    assert_eq!(found.subject.digest, Some(seaworthy_oci::Digest::sha256(lock.as_bytes()).to_string()));
    for (name, layer) in [
        ("rootfs.tar", Tar::default().file(STATUS, deb("a", "1")).plain()),
        ("rootfs.tar.gz", Tar::default().file(STATUS, deb("a", "1")).gzip()),
        ("rootfs.tar.zst", Tar::default().file(STATUS, deb("a", "1")).zstd()),
    ] {
        put(dir.path(), name, &layer.bytes);
        let found = of_file(&dir.path().join(name));
        assert_eq!((names(&found), gaps(&found)), (vec!["a 1".to_owned()], vec![]), "{name}");
    }
    put(dir.path(), "notes.txt", "nothing");
    assert!(gaps(&of_file(&dir.path().join("notes.txt")))[0].contains("no cataloger knows"));
    put(dir.path(), "x.rpm", b"\xed\xab\xee\xdb\x03\x00");
    assert!(gaps(&of_file(&dir.path().join("x.rpm")))[0].contains("a package of rpm"));
    put(dir.path(), "cut.tar.gz", &Tar::default().file(STATUS, deb("a", "1")).gzip().bytes[..60]);
    assert!(file(&dir.path().join("cut.tar.gz"), "x", &Options::default()).is_err());
}

#[test]
fn a_wheel_is_read_entry_by_entry() {
    let dir = tempfile::tempdir().unwrap();
    let metadata = "Metadata-Version: 2.1\nName: demo\nVersion: 1.5\nLicense: MIT\n";
    let path = dir.path().join("demo-1.5-py3-none-any.whl");
    fs::write(&path, stored_zip(&[("demo-1.5.dist-info/METADATA", metadata.as_bytes())])).unwrap();
    let found = of_file(&path);
    assert_eq!((names(&found), gaps(&found)), (vec!["demo 1.5".to_owned()], vec![]));
    assert_eq!(found.packages[0].evidence[0].path, "/demo-1.5.dist-info/METADATA");
    let large = dir.path().join("large.whl");
    fs::write(&large, b"PK\x03\x04").unwrap();
    for (size, is_too_large) in [(limits::SINGLE_ZIP_BYTES, false), (limits::SINGLE_ZIP_BYTES + 1, true)] {
        fs::File::options().write(true).open(&large).unwrap().set_len(size).unwrap();
        let error = file(&large, "large.whl", &Options::default()).unwrap_err();
        assert_eq!(matches!(error.kind, ErrorKind::LimitExceeded { .. }), is_too_large, "{error}");
    }
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    assert!(file(&path, "demo.whl", &Options::default()).is_err());
}

/// A zip archive without compression.
fn stored_zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let at = u32::try_from(out.len()).unwrap();
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let head =
            [&[0; 12][..], &size, &size, &u16::try_from(name.len()).unwrap().to_le_bytes(), &[0; 2]].concat();
        out.extend([&b"PK\x03\x04\x14\x00"[..], &head[..], name.as_bytes(), content].concat());
        let tail = [&[0; 10][..], &at.to_le_bytes()].concat();
        central.extend([&b"PK\x01\x02\x14\x00\x14\x00"[..], &head[..], &tail[..], name.as_bytes()].concat());
    }
    let at = u32::try_from(out.len()).unwrap().to_le_bytes();
    let size = u32::try_from(central.len()).unwrap().to_le_bytes();
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    [
        out,
        central,
        b"PK\x05\x06\0\0\0\0".to_vec(),
        count.to_vec(),
        count.to_vec(),
        size.to_vec(),
        at.to_vec(),
        vec![0, 0],
    ]
    .concat()
}
