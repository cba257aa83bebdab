//! Known programs by their version strings: excerpts of real ones, and what must not be taken for one.

use crate::support::*;
use seaworthy_sbom::inventory::{Ecosystem, RelationshipKind};

/// A line of testdata/catalog/programs/excerpts.tsv: what Debian's, PyPI's and npm's builds have around the place.
struct Excerpt {
    program: String,
    file: String,
    version: String,
    bytes: Vec<u8>,
}

fn excerpts() -> Vec<Excerpt> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/catalog/programs/excerpts.tsv");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [program, file, version, hex] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let bytes = hex::decode(hex).unwrap();
        Excerpt { program: program.into(), file: file.into(), version: version.into(), bytes }
    });
    rows.collect()
}

/// The smallest ELF file of 64 bits with `content` in it.
fn program(content: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.push(3);
    file.resize(4999, 0);
    file.extend_from_slice(content);
    file.resize(9000 + content.len(), 0);
    file
}

#[test]
fn what_real_programs_say() {
    let all = excerpts();
    assert!(all.len() >= 100, "{}", all.len());
    for excerpt in &all {
        let path = format!("opt/x/{}", excerpt.file);
        let image = read(&[Tar::default().file(&path, program(&excerpt.bytes)).plain()]);
        let found = image.packages.iter().find(|p| p.name == excerpt.program);
        let found = found.unwrap_or_else(|| panic!("{}: {:?}", excerpt.program, names(&image)));
        assert_eq!(found.version.as_deref(), Some(excerpt.version.as_str()), "{}", excerpt.program);
        assert_eq!(found.ecosystem, Ecosystem::Generic);
        assert_eq!(found.properties["seaworthy:confidence"], "version-string");
        assert_eq!(found.evidence[0].path, format!("/{path}"));
        assert!(found.cpes.iter().all(|cpe| cpe.split(':').count() == 13), "{:?}", found.cpes);
        // The same bytes under another name say nothing.
        let other = read(&[Tar::default().file("opt/x/some", program(&excerpt.bytes)).plain()]);
        assert_eq!(names(&other), [""; 0]);
    }
}

#[test]
fn everything_that_is_said_about_one() {
    let tar = Tar::default().file("usr/local/sbin/nginx", program(b"\0nginx/1.25.3\0"));
    let image = read(&[tar.gzip()]);
    let nginx = package(&image, "nginx");
    assert_eq!(nginx.purl.as_deref(), Some("pkg:generic/nginx@1.25.3"));
    assert_eq!(nginx.cpes, ["cpe:2.3:a:f5:nginx:1.25.3:*:*:*:*:*:*:*"]);
    assert_eq!(nginx.license.expression.as_deref(), Some("BSD-2-Clause"));
    assert_eq!(nginx.found_by.as_deref(), Some("known-program"));
    assert!(image.gaps.is_empty());
}

#[test]
fn what_a_package_owns_is_that_package() {
    let list = "/.\n/usr\n/usr/sbin\n/usr/sbin/nginx\n/usr/lib/x/libcrypto.so.3\n";
    let tar = Tar::default()
        .file(STATUS, deb("nginx", "1.22.1-9"))
        .file("var/lib/dpkg/info/nginx.list", list)
        .file("usr/sbin/nginx", program(b"\0nginx/1.22.1\0"))
        .file("usr/lib/x/libcrypto.so.3", program(b"\0OpenSSL 3.0.11 19 Sep 2023\0"))
        .file("opt/nginx/sbin/nginx", program(b"\0nginx/1.25.3\0"));
    let image = read(&[tar.gzip()]);
    assert_eq!(names(&image), ["nginx 1.22.1-9", "nginx 1.25.3"]);
    assert!(image.relationships.iter().all(|r| r.kind != RelationshipKind::Contains));
}

#[test]
fn an_upgrade_in_a_later_layer_counts_from_there() {
    let layer = |version: &str| {
        Tar::default().file("opt/nginx", program(format!("\0nginx/{version}\0").as_bytes())).gzip()
    };
    let image = read(&[layer("1.25.2"), layer("1.25.3"), layer("1.25.3")]);
    assert_eq!(names(&image), ["nginx 1.25.3"]);
    assert_eq!(package(&image, "nginx").layer.as_deref(), Some(image.layers[1].digest.as_str()));
}

#[test]
fn what_looks_like_a_version_and_is_none() {
    let long = format!("\0nginx/1.{}\0", "2".repeat(60));
    for text in ["\0nginx/%s\0", "\0nginx/0.0.0\0", "\0nginx/v\0", "\0nginx/1\0", "\0nginx/1..2\0", &long] {
        let image = read(&[Tar::default().file("nginx", program(text.as_bytes())).gzip()]);
        assert_eq!(names(&image), [""; 0], "{text}");
    }
    // Forty-eight characters are the longest.
    let longest = format!("1.{}", "2".repeat(46));
    let image =
        read(&[Tar::default().file("nginx", program(format!("\0nginx/{longest}\0").as_bytes())).gzip()]);
    assert_eq!(names(&image), [format!("nginx {longest}")]);
    let script = read(&[Tar::default().file("nginx", "#!/bin/sh\necho nginx/1.2.3\n".repeat(9)).gzip()]);
    assert_eq!(names(&script), [""; 0]);
}
