//! What is kept of layers between runs, through the command: a layer that is known is not read, the documents are the
//! same, and `--no-cache` keeps nothing.

use crate::world::World;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Removes every blob of a layout that is no JSON, so that no layer can be read any more.
fn without_layers(layout: &Path) {
    for blob in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let path = blob.unwrap().path();
        if serde_json::from_slice::<serde_json::Value>(&fs::read(&path).unwrap()).is_err() {
            fs::remove_file(path).unwrap();
        }
    }
}

fn kept(dir: &Path) -> usize {
    let Ok(all) = fs::read_dir(dir) else { return 0 };
    all.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "layer")).count()
}

fn document(world: &World, name: &str) -> Vec<u8> {
    fs::read(world.path(name)).unwrap()
}

#[test]
fn a_known_layer_is_not_read_and_the_documents_are_the_same() {
    let world = World::new();
    world.image("fleet", "fleet");
    let cache: PathBuf = world.path("home/.cache/seaworthy/layers");
    world.run("sbom oci:fleet --no-cache -o spdx-json=none-{platform}.json -q").expect(0);
    assert!(!world.path("home/.cache").exists());
    world.run("sbom oci:fleet -o spdx-json=cold-{platform}.json -q").expect(0);
    assert!(kept(&cache) > 0);
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    without_layers(&world.path("fleet"));
    world.run("sbom oci:fleet -o spdx-json=warm-{platform}.json -q").expect(0);
    let mut plain: Vec<String> = fs::read_dir(world.path("."))
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_prefix("none-")?.to_owned()))
        .collect();
    plain.sort();
    assert!(plain.len() > 1, "{plain:?}");
    for name in plain {
        let wanted = document(&world, &format!("none-{name}"));
        assert_eq!(document(&world, &format!("cold-{name}")), wanted);
        assert_eq!(document(&world, &format!("warm-{name}")), wanted);
    }
    // Somewhere else nothing is known, and without the cache neither.
    assert_ne!(world.run("sbom oci:fleet --no-cache -o json").code, 0);
    assert_ne!(world.run("sbom oci:fleet --cache-dir elsewhere -o json").code, 0);
}

#[test]
fn a_directory_that_cannot_be_trusted_is_said_and_done_without() {
    let mut world = World::new();
    let dir = world.path("shared/layers");
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    let path = world.path("shared").display().to_string();
    world.env("SEAWORTHY_CACHE_DIR", &path);
    let run = world.run("sbom oci:testdata/images/harbor").expect(0);
    assert!(run.stderr.contains("layers are not cached: "), "{}", run.stderr);
    assert!(run.stderr.contains("others may read or write there"), "{}", run.stderr);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn what_later_layers_hide_is_listed_when_asked_for() {
    let world = World::new();
    let all = world.run("sbom oci:testdata/images/harbor --scope all-layers");
    assert!(all.stdout.contains(", hidden by "), "{}", all.stdout);
    let seen = world.run("sbom oci:testdata/images/harbor").stdout;
    assert!(seen.lines().count() < all.stdout.lines().count());
    let json = world.run("sbom oci:testdata/images/harbor -s all-layers -o json").json();
    let packages = json["packages"].as_array().unwrap();
    assert!(
        packages.iter().any(|p| p["properties"]["seaworthy:hiddenBy"]
            .as_str()
            .is_some_and(|d| d.starts_with("sha256:")))
    );
}
