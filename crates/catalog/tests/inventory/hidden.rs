//! `Scope::AllLayers`: what a later layer hides is listed with that layer, and what is still there is not.

use crate::support::*;
use seaworthy_catalog::{HIDDEN_BY, Options, Scope};
use seaworthy_sbom::inventory::{Inventory, RelationshipKind};

fn all(layers: &[Layer]) -> (Built, Inventory) {
    let built = Built::new(layers);
    let found = built.read_with(&Options { scope: Scope::AllLayers, ..Options::default() }).unwrap();
    // What is not hidden is the inventory without it, to the byte.
    let mut seen = found.clone();
    seen.packages.retain(|p| !p.properties.contains_key(HIDDEN_BY));
    assert_eq!(seen.packages, built.read().unwrap().packages);
    (built, found)
}

/// `name version: brought by, hidden by`, by the number of the layer.
fn hidden(built: &Built, found: &Inventory) -> Vec<String> {
    let number = |digest: &str| (0..).find(|&n| built.layer(n) == digest).unwrap();
    let mut rows: Vec<String> = found
        .packages
        .iter()
        .filter_map(|p| {
            let by = number(p.properties.get(HIDDEN_BY)?);
            let brought = number(p.layer.as_deref().unwrap());
            Some(format!("{} {}: {brought}, {by}", p.name, p.version.as_deref().unwrap_or("-")))
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn every_way_of_hiding() {
    let base = Tar::default()
        .file(STATUS, deb("upgraded", "1") + &deb("removed", "1") + &deb("stays", "1"))
        .file("a/node_modules/file/package.json", npm("by-whiteout", "1"))
        .file("b/node_modules/dir/package.json", npm("by-opaque", "1"))
        .file("c/node_modules/dir/package.json", npm("by-file", "1"))
        .file("d/node_modules/dir/package.json", npm("by-link", "1"))
        .file("e/node_modules/dir/package.json", npm("by-version", "1"));
    let unrelated = Tar::default().file("etc/motd", "hello");
    let status = deb("upgraded", "2") + &deb("stays", "1");
    let two = Tar::default().file(STATUS, status).file("a/node_modules/file/.wh.package.json", "");
    let three = Tar::default()
        .file("b/node_modules/.wh..wh..opq", "")
        .file("c/node_modules", "")
        .symlink("d/node_modules", "../a")
        .file("e/node_modules/dir/package.json", npm("by-version", "2"));
    let (built, found) =
        all(&[base.gzip(), unrelated.clone().gzip(), two.gzip(), three.gzip(), unrelated.gzip()]);
    assert_eq!(
        hidden(&built, &found),
        [
            "by-file 1: 0, 3",
            "by-link 1: 0, 3",
            "by-opaque 1: 0, 3",
            "by-version 1: 0, 3",
            "by-whiteout 1: 0, 2",
            "removed 1: 0, 2",
            "upgraded 1: 0, 2",
        ]
    );
}

#[test]
fn what_is_there_under_another_path_or_came_back_is_not_hidden() {
    let at = |path: &str| Tar::default().file(path, npm("x", "1"));
    let gone = Tar::default().file("a/.wh.node_modules", "");
    let (built, found) = all(&[at("a/node_modules/x/package.json").gzip(), gone.clone().gzip()]);
    assert_eq!(hidden(&built, &found), ["x 1: 0, 1"]);
    let moved = at("b/node_modules/x/package.json").file("a/.wh.node_modules", "");
    let (built, found) = all(&[at("a/node_modules/x/package.json").gzip(), moved.gzip()]);
    assert_eq!((hidden(&built, &found), names(&found)), (vec![], vec!["x 1".to_owned()]));
    let back = at("a/node_modules/x/package.json");
    let (built, found) = all(&[back.clone().gzip(), gone.clone().gzip(), back.clone().gzip()]);
    assert!(hidden(&built, &found).is_empty());
    // Hidden twice: the last time is what counts.
    let again = Tar::default().file(".wh.a", "");
    let other = back.clone().file("etc/motd", "another layer");
    let (built, found) = all(&[back.gzip(), gone.gzip(), other.gzip(), again.gzip()]);
    assert_eq!(hidden(&built, &found), ["x 1: 2, 3"]);
}

#[test]
fn another_release_of_the_system_hides_nothing_by_itself() {
    let release = |n: u8| Tar::default().file("etc/os-release", format!("ID=debian\nVERSION_ID={n}\n"));
    let one = release(12).file(STATUS, deb("a", "1") + &deb("b", "1"));
    let two = release(13).file(STATUS, deb("a", "1") + &deb("b", "2"));
    let (built, found) = all(&[one.gzip(), two.gzip()]);
    assert_eq!(hidden(&built, &found), ["b 1: 0, 1"]);
}

#[test]
fn hidden_packages_keep_their_relationships_and_unread_files_are_gaps() {
    let needs =
        "Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDepends: lib\n\n";
    let base = Tar::default()
        .file(STATUS, format!("{needs}{}", deb("lib", "1")))
        .file("x/node_modules/broken/package.json", "no JSON");
    let upper = Tar::default().file(STATUS, deb("lib", "1")).file(".wh.x", "");
    let (built, found) = all(&[base.gzip(), upper.gzip()]);
    assert_eq!(hidden(&built, &found), ["app 1: 0, 1"]);
    let edge = &found.relationships[..];
    assert_eq!(edge.len(), 1);
    assert_eq!((&edge[0].from, &edge[0].to), (&package(&found, "app").id, &package(&found, "lib").id));
    assert_eq!(edge[0].kind, RelationshipKind::DependsOn);
    assert_eq!(gaps(&found).len(), 1);
    assert!(gaps(&found)[0].starts_with("/x/node_modules/broken/package.json: "), "{:?}", gaps(&found));
    assert!(built.read().unwrap().gaps.is_empty());
}
