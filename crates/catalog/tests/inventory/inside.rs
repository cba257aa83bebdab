//! Lists that programs carry with them: single-file applications of .NET, native images of GraalVM.

use crate::support::*;
use flate2::Compression;
use flate2::read::DeflateEncoder;
use flate2::write::GzEncoder;
use seaworthy_catalog::limits;
use seaworthy_sbom::inventory::{Ecosystem, Inventory, Presence};
use std::io::{Read, Write};

/// A file of testdata/catalog/binaries.
fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../testdata/catalog/binaries/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn program(bytes: Vec<u8>) -> Inventory {
    read(&[Tar::default().file("usr/bin/app", bytes).gzip()])
}

/// The one gap of a program of which nothing else is known.
fn gap(bytes: Vec<u8>) -> String {
    let image = program(bytes);
    assert!(image.packages.is_empty(), "{:?}", names(&image));
    let [gap] = image.gaps.as_slice() else { panic!("{:?}", image.gaps) };
    gap.reason.clone()
}

#[test]
fn the_list_in_a_single_file_application() {
    let file = recorded("vsce-sign.bundle");
    let image = program(file.clone());
    assert!(image.gaps.is_empty(), "{:?}", gaps(&image));
    // The same list beside an application.
    let start = file.windows(20).position(|w| w.starts_with(b"{\n  \"runtimeTarget")).unwrap();
    let end = start + file[start..].windows(3).position(|w| w == b"\n}\x06").unwrap() + 2;
    let list = Tar::default().file("usr/bin/app.deps.json", &file[start..end]);
    let beside = read(&[list.gzip()]);
    assert_eq!(names(&image), names(&beside));
    assert!(
        names(&image).contains(&"Microsoft.NETCore.App.Runtime.linux-x64 9.0.9".to_owned()),
        "{:?}",
        names(&image)
    );
    assert_eq!(image.relationships.len(), beside.relationships.len());
    let found = package(&image, "System.Security.Cryptography.Pkcs");
    assert_eq!((found.ecosystem, found.evidence[0].path.as_str()), (Ecosystem::Nuget, "/usr/bin/app"));
    assert_eq!(found.found_by.as_deref(), Some("dotnet"));
}

const MARK: &[u8] = b"\x8b\x12\x02\xb9\x6a\x61\x20\x38\x72\x7b\x93\x02\x14\xd7\xa0\x32\x13\xf5\xb9\xe6\xef\xae\x33\x18\xee\x3b\x2d\xce\x24\xb3\x6a\xae";
const LIST: &str = r#"{"libraries":{"a/1.0.0":{"type":"package"},"b/2.0.0":{"type":"project"}}}"#;

/// An application of that version of the bundle, with a list (in the file, unpacked, as `packed` bytes) and what comes
/// before the files in its manifest.
fn bundle(version: u32, list: &[u8], size: usize, packed: usize, id: &str) -> Vec<u8> {
    let mut file = recorded("vsce-sign.bundle")[..0x1018].to_vec();
    file.extend(MARK);
    file.resize(0x1100, 0);
    let at = file.len() as u64;
    file.extend(list);
    let manifest = file.len() as u64;
    file[0x1010..0x1018].copy_from_slice(&manifest.to_le_bytes());
    for number in [version, 0, 2] {
        file.extend(number.to_le_bytes());
    }
    let text = |file: &mut Vec<u8>, text: &str| {
        let mut n = text.len();
        while n > 127 {
            file.push(n as u8 | 128);
            n >>= 7;
        }
        file.push(n as u8);
        file.extend(text.as_bytes());
    };
    text(&mut file, id);
    if version > 1 {
        file.extend([0; 40]);
    }
    for (at, size, packed, name) in [(16, 1, 0, "a.dll"), (at, size as u64, packed as u64, "app.deps.json")] {
        file.extend(at.to_le_bytes());
        file.extend(size.to_le_bytes());
        if version == 6 {
            file.extend(packed.to_le_bytes());
        }
        file.push(3);
        text(&mut file, name);
    }
    file
}

fn plain(version: u32, list: &str) -> Vec<u8> {
    bundle(version, list.as_bytes(), list.len(), 0, "id")
}

#[test]
fn every_version_of_the_bundle() {
    for version in [1, 2, 6] {
        assert_eq!(names(&program(plain(version, LIST))), ["a 1.0.0", "b 2.0.0"], "{version}");
    }
    let mut packed = Vec::new();
    DeflateEncoder::new(LIST.as_bytes(), Compression::best()).read_to_end(&mut packed).unwrap();
    let packed = bundle(6, &packed, LIST.len(), packed.len(), "id");
    assert_eq!(names(&program(packed)), ["a 1.0.0", "b 2.0.0"]);
}

#[test]
fn applications_whose_list_cannot_be_read() {
    assert!(gap(plain(7, LIST)).contains("the version 7"));
    assert!(gap(plain(6, "{")).contains("no JSON"));
    assert!(gap(bundle(6, b"\xff\xff", 100, 2, "id")).contains("is broken"));
    assert!(gap(bundle(6, b"{}", 100, 99_999, "id")).contains("is not at its end"));
    let whole = plain(6, LIST);
    assert!(gap(whole[..whole.len() - 3].to_vec()).contains("manifest is cut short"));
    assert!(gap(whole[..0x1120].to_vec()).contains("ends before its manifest"));
    let other = String::from_utf8_lossy(&whole).contains("app.deps.json");
    assert!(other);
    let at = whole.windows(13).position(|w| w == b"app.deps.json").unwrap();
    let mut without = whole.clone();
    without[at] = b'.';
    without[at + 12] = b'x';
    assert!(gap(without).contains("has no list of libraries"));
    // The host without an application: its mark has no place before it.
    let mut host = whole;
    host[0x1010..0x1018].fill(0);
    let image = program(host);
    assert!(image.packages.is_empty() && image.gaps.is_empty());
}

#[test]
fn bundles_are_bounded_at_limit_plus_one() {
    let list = |bytes: usize| format!("{LIST}{}", " ".repeat(bytes - LIST.len()));
    assert_eq!(program(plain(6, &list(limits::BUNDLE_LIST_BYTES))).packages.len(), 2);
    assert!(gap(plain(6, &list(limits::BUNDLE_LIST_BYTES + 1))).contains("BUNDLE_LIST_BYTES"));
    let named = |more: usize| {
        let rest = bundle(6, b"", 0, 0, &"i".repeat(200_000)).len() - 0x1100 - 200_000;
        // A length takes one byte more from 2 MiB on.
        let id = limits::BUNDLE_MANIFEST_BYTES - rest - 1 + more;
        bundle(6, LIST.as_bytes(), LIST.len(), 0, &"i".repeat(id))
    };
    assert_eq!(program(named(0)).packages.len(), 2);
    assert!(gap(named(1)).contains("BUNDLE_MANIFEST_BYTES"));
}

#[test]
fn the_sbom_in_a_native_image() {
    let image = program(recorded("libmesmo.native"));
    assert!(image.gaps.is_empty(), "{:?}", gaps(&image));
    assert_eq!(image.packages.len(), 56);
    let found = package(&image, "org.graalvm.sdk:collections");
    assert_eq!(found.purl.as_deref(), Some("pkg:maven/org.graalvm.sdk/collections@25.0.4.1%2B1-LTS"));
    assert_eq!((found.presence, found.evidence[0].path.as_str()), (Presence::Installed, "/usr/bin/app"));
    assert_eq!(found.properties["seaworthy:confidence"], "native-image-sbom");
    assert_eq!(found.found_by.as_deref(), Some("native-image"));
    assert!(!image.relationships.is_empty());
    // Of an older builder, whose components have no purl.
    let image = program(recorded("h2gis.native"));
    assert_eq!(image.packages.len(), 51);
    let found = package(&image, "com.fasterxml.jackson.core:jackson-core");
    assert_eq!(found.purl.as_deref(), Some("pkg:maven/com.fasterxml.jackson.core/jackson-core@2.17.2"));
    assert_eq!(package(&image, "java.sql/sql").ecosystem, Ecosystem::Generic);
}

/// A native image with another document.
fn native(document: &[u8], level: u32) -> Vec<u8> {
    let mut file = recorded("libmesmo.native");
    let at = file.windows(4).position(|w| w == b"\x1f\x8b\x08\0").unwrap();
    file.truncate(at);
    let mut packed = GzEncoder::new(file, Compression::new(level));
    packed.write_all(document).unwrap();
    packed.finish().unwrap()
}

#[test]
fn native_images_whose_sbom_cannot_be_read() {
    let whole = recorded("libmesmo.native");
    let at = whole.windows(4).position(|w| w == b"\x1f\x8b\x08\0").unwrap();
    assert!(gap(whole[..at].to_vec()).contains("names an SBOM, which was not found"));
    assert!(gap(whole[..whole.len() - 200].to_vec()).contains("is broken"));
    assert!(gap(native(br#"{"bomFormat":"CycloneDX","specVersion":"9.9"}"#, 6)).contains("cannot be read"));
    // The same stream in a program that names none is nobody's business.
    let other = [&recorded("vsce-sign.bundle")[..0x1000], &whole[at..]].concat();
    let image = program(other);
    assert!(image.packages.is_empty() && image.gaps.is_empty());
}

#[test]
fn native_images_are_bounded_at_limit_plus_one() {
    let document = |bytes: usize| {
        let start = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[{"type":"library","name":"a","version":"1"}]"#;
        format!("{start}{}}}", " ".repeat(bytes - start.len() - 1)).into_bytes()
    };
    // Stored, the document is nearly all that is gathered.
    let packed = |bytes: usize| native(&document(bytes), 0);
    let start = recorded("libmesmo.native").windows(4).position(|w| w == b"\x1f\x8b\x08\0").unwrap();
    let more = |bytes: usize| packed(bytes).len() - start - bytes;
    let most = limits::NATIVE_SBOM_BYTES - more(limits::NATIVE_SBOM_BYTES - 400);
    assert_eq!(packed(most).len() - start, limits::NATIVE_SBOM_BYTES);
    assert_eq!(names(&program(packed(most))), ["a 1"]);
    assert!(gap(packed(most + 1)).contains("NATIVE_SBOM_BYTES"));
}
