//! Licences by their texts: beside packages of every kind, and where nothing may be concluded. The recorded texts are
//! those of testdata/catalog/licences, the others SPDX's own.

use crate::support::*;
use seaworthy_catalog::{LICENSE_TEXT, limits};
use seaworthy_sbom::inventory::{Inventory, Package};

const FLASK: &str = include_str!("../../../../testdata/catalog/licences/flask.txt");
const DATEUTIL: &str = include_str!("../../../../testdata/catalog/licences/python-dateutil.txt");
const DOCUTILS: &str = include_str!("../../../../testdata/catalog/licences/docutils.txt");
const BLEACH: &str = include_str!("../../../../testdata/catalog/licences/bleach.txt");
const JUPYTERLAB: &str = include_str!("../../../../testdata/catalog/licences/jupyterlab.txt");
/// This project's own.
const OURS: &str = include_str!("../../../../LICENSE");

const SITE: &str = "usr/lib/python3/dist-packages";
const BSD: &str =
    "Metadata-Version: 2.1\nName: x\nVersion: 1\nClassifier: License :: OSI Approved :: BSD License\n\n";

fn spdx(id: &str) -> &'static str {
    spdx::license_id(id).unwrap().text()
}

/// A wheel that is called BSD, with these texts.
fn wheel(texts: &[(&str, &str)]) -> Tar {
    let info = format!("{SITE}/x-1.dist-info");
    let tar = Tar::default().file(&format!("{info}/METADATA"), BSD);
    texts.iter().fold(tar, |tar, (name, text)| tar.file(&format!("{info}/{name}"), text))
}

fn concluded(package: &Package) -> Option<&str> {
    package.license.concluded.as_deref()
}

/// What is concluded of the only package.
fn only(image: &Inventory) -> Option<&str> {
    let [package] = image.packages.as_slice() else { panic!("{:?}", names(image)) };
    concluded(package)
}

fn of_texts(texts: &[(&str, &str)]) -> Option<String> {
    only(&read(&[wheel(texts).gzip()])).map(str::to_owned)
}

#[test]
fn what_is_concluded_stands_beside_what_is_declared() {
    let bare = read(&[wheel(&[]).gzip()]);
    let image = read(&[wheel(&[("licenses/LICENSE.txt", FLASK)]).gzip()]);
    let found = package(&image, "x");
    assert_eq!(concluded(found), Some("BSD-3-Clause"));
    assert_eq!(found.license.declared, ["BSD License"]);
    assert_eq!(found.license.expression, package(&bare, "x").license.expression);
    let paths: Vec<&str> = found.evidence.iter().map(|e| e.path.as_str()).collect();
    let info = format!("/{SITE}/x-1.dist-info");
    assert_eq!(paths, [format!("{info}/METADATA"), format!("{info}/licenses/LICENSE.txt")]);
    assert_eq!(found.evidence[1].layer, found.layer);
    let said = &found.properties[LICENSE_TEXT];
    let score: f32 = said.strip_prefix("BSD-3-Clause ").unwrap().parse().unwrap();
    assert!((0.9..=1.0).contains(&score), "{said}");
    // Whoever refers to the package by its id finds it with and without the text.
    assert_eq!(found.id, package(&bare, "x").id);
    assert_eq!((only(&bare), gaps(&image).len()), (None, 0));
}

#[test]
fn metadata_that_name_a_licence_are_asked_alone() {
    let metadata = BSD.replace("BSD License", "MIT License");
    let image = read(&[Tar::default()
        .file(&format!("{SITE}/x-1.dist-info/METADATA"), metadata)
        .file(&format!("{SITE}/x-1.dist-info/LICENSE"), OURS)
        .gzip()]);
    let found = package(&image, "x");
    assert_eq!((concluded(found), found.license.expression.as_deref()), (None, Some("MIT")));
    assert_eq!((found.evidence.len(), found.properties.len()), (1, 0));
}

#[test]
fn texts_as_projects_ship_them() {
    assert_eq!(of_texts(&[("LICENSE", OURS)]).as_deref(), Some("Apache-2.0"));
    // The notice alone.
    assert_eq!(of_texts(&[("LICENSE", BLEACH)]).as_deref(), Some("Apache-2.0"));
    // One text under two names.
    assert_eq!(of_texts(&[("LICENSE", FLASK), ("COPYING", FLASK)]).as_deref(), Some("BSD-3-Clause"));
    // Layout and who holds the copyright are no part of it.
    let wide = FLASK.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\r\n\r\n");
    assert_eq!(of_texts(&[("LICENSE", &wide)]).as_deref(), Some("BSD-3-Clause"));
    let holders: String =
        (0..30).map(|n| format!("Copyright (c) 20{n:02} Somebody {n} <a{n}@example.org>\n")).collect();
    let mit = format!("The MIT License (MIT)\n\n{holders}\n{}", spdx("MIT").split_once("\n\n").unwrap().1);
    assert_eq!(of_texts(&[("LICENSE", &mit)]).as_deref(), Some("MIT"));
}

#[test]
fn nothing_is_concluded_from_what_is_not_one_licence() {
    let none = |texts: &[(&str, &str)]| assert_eq!(of_texts(texts), None, "{:?}", texts[0].0);
    // Two licences: in one file, in two, and one that is put in a list of parts.
    none(&[("LICENSE", DATEUTIL)]);
    none(&[("LICENSE", &[spdx("MIT"), spdx("ISC")].join("\n\n"))]);
    none(&[("LICENSE", &[OURS, spdx("MIT")].join("\n\n"))]);
    none(&[("LICENSE-MIT", spdx("MIT")), ("LICENSE-APACHE", OURS)]);
    none(&[("LICENSE", FLASK), ("licenses/vendor/y/LICENSE", spdx("ISC"))]);
    none(&[("COPYING.txt", DOCUTILS)]);
    none(&[("LICENSE", JUPYTERLAB)]);
    none(&[("LICENSE", FLASK), ("LICENSE.extra", "Some of it is under other terms.\n")]);
    // An exception, a clause that changes it, a choice.
    let exception = spdx::exception_id("LLVM-exception").unwrap().text();
    none(&[("LICENSE", &[OURS, exception].join("\n"))]);
    none(&[("LICENSE", &format!("{FLASK}\nThe Software shall be used for Good, not Evil.\n"))]);
    none(&[("LICENSE", &format!("Dual licensed under MIT and GPL.\n\n{}", spdx("MIT")))]);
    // A word, a page, bytes.
    none(&[("LICENSE", "MIT")]);
    none(&[("LICENSE", "See https://example.org/license for the terms.\n")]);
    none(&[("LICENSE", &FLASK.replace(' ', "\0"))]);
}

/// The text of the GPL does not say which versions are meant: it is told, and nothing is concluded.
#[test]
fn texts_of_the_gnu_licences_do_not_say_which_versions() {
    let image = read(&[wheel(&[("COPYING", spdx("GPL-3.0-only"))]).gzip()]);
    assert_eq!(only(&image), None);
    assert!(image.packages[0].properties[LICENSE_TEXT].starts_with("GPL-3.0 "));
    assert_eq!(image.packages[0].evidence.len(), 2);
}

#[test]
fn where_each_ecosystem_puts_them() {
    let dart = "root/.pub-cache/hosted/pub.dev/http-1.2.0";
    let gems = "var/lib/gems/3.1.0";
    let gemspec =
        "Gem::Specification.new do |s|\n  s.name = \"rake\".freeze\n  s.version = \"13.0.6\"\nend\n";
    let composer = r#"{"packages":[{"name":"a/b","version":"1.2.3"}],"dev":false,"dev-package-names":[]}"#;
    let port = "Package: zlib\nVersion: 1.3.1\nArchitecture: x64-linux\nStatus: install ok installed\n\n";
    let image = read(&[Tar::default()
        // Before the file that names the package, as in most images.
        .file("srv/node_modules/left/LICENSE.md", spdx("ISC"))
        .file("srv/node_modules/left/package.json", r#"{"name":"left","version":"1.0.0"}"#)
        .file("srv/node_modules/left/node_modules/in/LICENSE", spdx("MIT"))
        .file(
            "srv/node_modules/left/node_modules/in/package.json",
            r#"{"name":"in","version":"1.0.0","license":"SEE LICENSE IN LICENSE"}"#,
        )
        .file("srv/node_modules/own/LICENSE", spdx("MIT"))
        .file(
            "srv/node_modules/own/package.json",
            r#"{"name":"own","version":"1.0.0","license":"UNLICENSED"}"#,
        )
        .file(&format!("{dart}/pubspec.yaml"), "name: http\nversion: 1.2.0\n")
        .file(&format!("{dart}/LICENSE"), FLASK)
        .file(&format!("{gems}/specifications/rake-13.0.6.gemspec"), gemspec)
        .file(&format!("{gems}/gems/rake-13.0.6/MIT-LICENSE"), spdx("MIT"))
        .file("app/vendor/composer/installed.json", composer)
        .file("app/vendor/a/b/LICENSE", OURS)
        .file("src/vcpkg_installed/vcpkg/status", port)
        .file("src/vcpkg_installed/x64-linux/share/zlib/copyright", spdx("Zlib"))
        .gzip()]);
    let of = |name: &str| concluded(package(&image, name));
    for (name, licence) in [
        ("left", "ISC"),
        ("in", "MIT"),
        ("http", "BSD-3-Clause"),
        ("rake", "MIT"),
        ("a/b", "Apache-2.0"),
        ("zlib", "Zlib"),
    ] {
        assert_eq!(of(name), Some(licence), "{name}");
    }
    assert_eq!((of("own"), gaps(&image).len()), (None, 0));
}

#[test]
fn the_final_view_counts() {
    let text = format!("{SITE}/x-1.dist-info/LICENSE");
    let base = || wheel(&[("LICENSE", FLASK)]).gzip();
    let above = |tar: Tar| read(&[base(), tar.gzip()]);
    assert_eq!(only(&read(&[base()])), Some("BSD-3-Clause"));
    assert_eq!(only(&above(Tar::default().file(&format!("{SITE}/x-1.dist-info/.wh.LICENSE"), ""))), None);
    let replaced = above(Tar::default().file(&text, spdx("BSD-2-Clause")));
    assert_eq!(only(&replaced), Some("BSD-2-Clause"));
    assert_ne!(replaced.packages[0].evidence[0].layer, replaced.packages[0].evidence[1].layer);
    // The metadata may come in another layer, and one file may have several names, of which the first goes.
    let store = "srv/node_modules/.pnpm/y@1.0.0/node_modules";
    let linked = read(&[
        Tar::default()
            .file(&format!("{store}/z/LICENSE"), spdx("MIT"))
            .hard_link(&format!("{store}/y/LICENSE"), &format!("{store}/z/LICENSE"))
            .gzip(),
        Tar::default()
            .file(&format!("{store}/y/package.json"), r#"{"name":"y","version":"1.0.0"}"#)
            .file(&format!("{store}/.wh.z"), "")
            .gzip(),
    ]);
    assert_eq!(only(&linked), Some("MIT"));
}

#[test]
fn texts_and_their_sum_are_bounded_at_limit_plus_one() {
    // White space is no part of a text: one of exactly the limit is read, and a longer one is none, and no gap.
    let limit = usize::try_from(limits::LICENCE_TEXT_BYTES).unwrap();
    let padded = |bytes: usize| format!("{FLASK}{}", "\n".repeat(bytes - FLASK.len()));
    assert_eq!(of_texts(&[("LICENSE", &padded(limit))]).as_deref(), Some("BSD-3-Clause"));
    let longer = read(&[wheel(&[("LICENSE", &padded(limit + 1))]).gzip()]);
    assert_eq!((only(&longer), gaps(&longer).len()), (None, 0));
    // Each different text counts once, however often it stands there; one byte more than all of them may have is a gap.
    let npm = |tar: Tar, name: String, text: &str| {
        let dir = format!("srv/node_modules/{name}");
        let json = format!(r#"{{"name":"{name}","version":"1.0.0"}}"#);
        tar.file(&format!("{dir}/package.json"), json).file(&format!("{dir}/LICENSE"), text)
    };
    let text = |n: usize, size: usize| format!("{n:04} {}", "w".repeat(size - 5));
    let image = |texts: usize, last: usize| {
        let size = |n: usize| if n + 1 == texts { last } else { limit };
        let tar = npm(Tar::default(), "again".to_owned(), &text(0, limit));
        let tar = (0..texts).fold(tar, |tar, n| npm(tar, format!("p{n}"), &text(n, size(n))));
        Built::new(&[tar.gzip()]).read().unwrap()
    };
    let texts = limits::IMAGE_TEXT_BYTES / limit;
    assert_eq!(gaps(&image(texts, limit)), Vec::<String>::new());
    let over = gaps(&image(texts + 1, 5));
    assert_eq!(over.len(), 1, "{over:?}");
    assert!(over[0].contains("IMAGE_TEXT_BYTES"), "{over:?}");
}
