//! What each cataloger reads, and what it does not take for a package.

use crate::support::*;
use seaworthy_sbom::inventory::{Ecosystem, Inventory, RelationshipKind};

/// `from kind to`, by name, sorted.
fn edges(inventory: &Inventory) -> Vec<String> {
    let name = |id: &str| inventory.package(id).map(|p| p.name.clone()).unwrap();
    let mut all: Vec<String> = inventory
        .relationships
        .iter()
        .map(|r| {
            let kind = if r.kind == RelationshipKind::Contains { "contains" } else { "needs" };
            format!("{} {kind} {}", name(&r.from), name(&r.to))
        })
        .collect();
    all.sort();
    all
}

const OS: &str = "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n";

fn status(state: &str) -> String {
    format!("Package: p\nStatus: {state}\nArchitecture: amd64\nVersion: 1\n\n")
}

#[test]
fn dpkg_states() {
    for there in [
        "install ok installed",
        "hold ok installed",
        "deinstall ok installed",
        "install ok unpacked",
        "install ok half-configured",
        "install ok triggers-awaited",
        "install ok triggers-pending",
    ] {
        assert_eq!(names(&read(&[Tar::default().file(STATUS, status(there)).gzip()])), ["p 1"], "{there}");
    }
    for gone in ["deinstall ok config-files", "purge ok not-installed", "unknown ok not-installed"] {
        let found = read(&[Tar::default().file(STATUS, status(gone)).gzip()]);
        assert!(found.packages.is_empty() && found.gaps.is_empty(), "{gone}");
    }
}

#[test]
fn dpkg_fields() {
    let text = "Package: libssl3\nStatus: install ok installed\nMaintainer: A <a@example.org>\n\
                Architecture: amd64\nMulti-Arch: same\nSource: openssl (3.0)\nVersion: 3.0+b1\n\
                Description: first line\n second\nHomepage: https://openssl.example/\n\n";
    let copyright = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: Apache-2.0\n";
    let tar = Tar::default()
        .file("usr/lib/os-release", OS)
        .symlink("etc/os-release", "../usr/lib/os-release")
        .file(STATUS, text)
        .file("usr/share/doc/openssl/copyright", copyright)
        .symlink("usr/share/doc/libssl3", "openssl");
    let built = Built::new(&[tar.gzip()]);
    let found = built.read().unwrap();
    let p = package(&found, "libssl3");
    assert_eq!(p.ecosystem, Ecosystem::Deb);
    assert!(p.purl.as_deref().unwrap().starts_with("pkg:deb/debian/libssl3@3.0"), "{:?}", p.purl);
    assert_eq!(p.supplier.as_deref(), Some("A <a@example.org>"));
    assert_eq!(p.description.as_deref(), Some("first line"));
    assert_eq!(p.homepage.as_deref(), Some("https://openssl.example/"));
    assert_eq!(p.architecture.as_deref(), Some("amd64"));
    let source = p.source.as_ref().unwrap();
    assert_eq!((source.name.as_str(), source.version.as_deref()), ("openssl", Some("3.0")));
    assert_eq!(p.license.declared, ["Apache-2.0"]);
    assert_eq!(p.license.expression.as_deref(), Some("Apache-2.0"));
    let paths: Vec<&str> = p.evidence.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["/usr/share/doc/openssl/copyright", "/var/lib/dpkg/status"]);
    assert_eq!(p.found_by.as_deref(), Some("dpkg"));
    assert_eq!(found.os.as_ref().unwrap().codename.as_deref(), Some("bookworm"));
}

#[test]
fn dpkg_of_distroless_images() {
    let one = |name: &str| format!("Package: {name}\nVersion: 1\nArchitecture: amd64\nDepends: base\n");
    let tar = Tar::default()
        .file("var/lib/dpkg/status.d/base", one("base"))
        .file("var/lib/dpkg/status.d/base.md5sums", "d41d8cd98f00b204e9800998ecf8427e  x\n")
        .file("var/lib/dpkg/status.d/libc6", one("libc6"));
    let upper = Tar::default().file("var/lib/dpkg/status.d/libssl3", one("libssl3"));
    let built = Built::new(&[tar.gzip(), upper.gzip()]);
    let found = built.read().unwrap();
    assert_eq!(names(&found), ["base 1", "libc6 1", "libssl3 1"]);
    assert!(found.gaps.is_empty(), "{:?}", gaps(&found));
    assert_eq!(edges(&found), ["libc6 needs base", "libssl3 needs base"]);
    assert_eq!(package(&found, "libc6").layer, Some(built.layer(0)));
    assert_eq!(package(&found, "libssl3").layer, Some(built.layer(1)));
}

#[test]
fn a_database_of_another_root_inside_the_image_is_not_this_one() {
    let tar = Tar::default().file("opt/rootfs/var/lib/dpkg/status", deb("a", "1"));
    assert!(read(&[tar.gzip()]).packages.is_empty());
}

#[test]
fn dpkg_dependencies_lead_to_what_is_installed() {
    let with = |name: &str, fields: &str| {
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n{fields}\n")
    };
    let text = with(
        "app",
        "Pre-Depends: libc6 (>= 2.3)\nDepends: missing | exim4 | postfix, python3:any,\n awk, absent\n",
    ) + &with("libc6", "")
        + &with("postfix", "Provides: mail-transport-agent\n")
        + &with("exim4", "")
        + &with("python3", "Depends: app\n")
        + &with("mawk", "Provides: awk (= 1)\n");
    let found = read(&[Tar::default().file(STATUS, text).gzip()]);
    assert_eq!(
        edges(&found),
        ["app needs exim4", "app needs libc6", "app needs mawk", "app needs python3", "python3 needs app"]
    );
}

#[test]
fn a_deb_contains_the_python_distribution_whose_proof_it_owns() {
    let info = "usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO";
    let tar = Tar::default()
        .file(STATUS, deb("python3-six", "1.16.0-4"))
        .file("var/lib/dpkg/info/python3-six.list", format!("/.\n/usr\n/{info}\n"))
        .file(info, "Metadata-Version: 1.2\nName: six\nVersion: 1.16.0\nLicense: MIT\n")
        .file("srv/own-1.dist-info/METADATA", "Name: own\nVersion: 1\n");
    let found = read(&[tar.gzip()]);
    assert_eq!(edges(&found), ["python3-six contains six"]);
    assert_eq!(package(&found, "six").license.expression.as_deref(), Some("MIT"));
}

#[test]
fn apk_entries() {
    let text = "C:Q1x\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\no:musl\nm:T <t@example.org>\nT:libc\nU:https://musl.example/\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:x\nZ:Q1y\n\n\
                P:busybox\nV:1.36.1-r29\nA:x86_64\nL:GPL-2.0-only\nD:so:libc.musl-x86_64.so.1 !other\np:/bin/sh cmd:busybox=1\n\n\
                P:app\nV:1-r0\nD:/bin/sh musl>=1 pc:none\n\n";
    let os = "ID=alpine\nVERSION_ID=3.20.3\n";
    let found = read(&[Tar::default().file("lib/apk/db/installed", text).file("etc/os-release", os).gzip()]);
    assert_eq!(names(&found), ["app 1-r0", "busybox 1.36.1-r29", "musl 1.2.5-r0"]);
    assert_eq!(edges(&found), ["app needs busybox", "app needs musl", "busybox needs musl"]);
    let musl = package(&found, "musl");
    assert!(
        musl.purl.as_deref().unwrap().starts_with("pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64"),
        "{:?}",
        musl.purl
    );
    assert_eq!(musl.license.expression.as_deref(), Some("MIT"));
    assert_eq!(musl.supplier.as_deref(), Some("T <t@example.org>"));
    assert_eq!(musl.source.as_ref().unwrap().name, "musl");
}

#[test]
fn python_distributions() {
    let site = "usr/lib/python3.12/site-packages";
    let tar = Tar::default()
        .file(
            &format!("{site}/Flask_Thing-1.0.dist-info/METADATA"),
            "Name: Flask_Thing\nVersion: 1.0\nLicense-Expression: BSD-3-Clause\nRequires-Dist: werkzeug>=2\n\
             Requires-Dist: colorama; platform_system == \"Windows\"\nRequires-Dist: dot.env; extra == 'dotenv'\n\nName: other\n",
        )
        .file(
            &format!("{site}/Flask_Thing-1.0.dist-info/direct_url.json"),
            r#"{"url":"https://user:secret@git.example/x","dir_info":{"editable":true}}"#,
        )
        .file(&format!("{site}/werkzeug-2.dist-info/METADATA"), "Name: Werkzeug\nVersion: 2\n")
        .file(&format!("{site}/werkzeug-2.dist-info/RECORD"), "x,,\n")
        .file(&format!("{site}/colorama-1.egg-info"), "Name: colorama\nVersion: 1\n")
        .file(&format!("{site}/dot.env-1.egg-info/PKG-INFO"), "Name: dot.env\nVersion: 1\n");
    let found = read(&[tar.gzip()]);
    assert_eq!(names(&found), ["Flask_Thing 1.0", "Werkzeug 2", "colorama 1", "dot.env 1"]);
    assert_eq!(edges(&found), ["Flask_Thing needs Werkzeug"]);
    let flask = package(&found, "Flask_Thing");
    assert_eq!(flask.purl.as_deref(), Some("pkg:pypi/flask-thing@1.0"));
    assert_eq!(flask.license.expression.as_deref(), Some("BSD-3-Clause"));
    assert_eq!(flask.properties["python:editable"], "true");
    assert_eq!(flask.properties["python:direct-url"], "https://git.example/x");
}

#[test]
fn npm_packages_and_what_is_none() {
    let tar = Tar::default()
        .file("app/package.json", npm("app", "1"))
        .file(
            "app/node_modules/@s/a/package.json",
            r#"{"name":"@s/a","version":"1","dependencies":{"b":"^2","c":"*","none":"*"}}"#,
        )
        .file("app/node_modules/@s/a/node_modules/b/package.json", npm("b", "2"))
        .file("app/node_modules/b/package.json", npm("b", "1"))
        .file("app/node_modules/c/package.json", npm("c", "1"))
        .file("app/node_modules/c/esm/package.json", r#"{"type":"module"}"#)
        .file("app/node_modules/c/dist/compiled/d/package.json", npm("d", "1"))
        .file("app/node_modules/c/test/node_modules/e/package.json", npm("e", "1"))
        .file("app/node_modules/stub/package.json", r#"{"main":"x.js"}"#)
        .file("other/node_modules/c/package.json", npm("c", "1"));
    let built = Built::new(&[tar.gzip()]);
    let found = built.read().unwrap();
    assert_eq!(names(&found), ["@s/a 1", "b 1", "b 2", "c 1"]);
    let c = package(&found, "c");
    assert_eq!(c.evidence.len(), 2, "one component, two places");
    let a = package(&found, "@s/a");
    assert_eq!(a.purl.as_deref(), Some("pkg:npm/%40s/a@1"));
    let needs: Vec<String> = found
        .relationships
        .iter()
        .map(|r| {
            let to = found.package(&r.to).unwrap();
            format!("{} {}", to.name, to.version.as_deref().unwrap())
        })
        .collect();
    assert_eq!(needs.len(), 2);
    assert!(needs.contains(&"b 2".to_owned()) && needs.contains(&"c 1".to_owned()), "{needs:?}");
    assert!(found.gaps.is_empty(), "{:?}", gaps(&found));
}

#[test]
fn pnpm_links_are_followed_for_dependencies() {
    let store = "app/node_modules/.pnpm";
    let tar = Tar::default()
        .file(
            &format!("{store}/a@1/node_modules/a/package.json"),
            r#"{"name":"a","version":"1","dependencies":{"b":"1"}}"#,
        )
        .file(&format!("{store}/b@1/node_modules/b/package.json"), npm("b", "1"))
        .symlink(&format!("{store}/a@1/node_modules/b"), "../../b@1/node_modules/b")
        .symlink("app/node_modules/a", ".pnpm/a@1/node_modules/a");
    let found = read(&[tar.gzip()]);
    assert_eq!(names(&found), ["a 1", "b 1"]);
    assert_eq!(edges(&found), ["a needs b"]);
}
