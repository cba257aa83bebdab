//! Images in containerd's store: the database is that of a real one (testdata/interop/containerd), the content that of
//! testdata/images, laid where its importer put it.

use super::world::{World, root};
use std::io::Read;
use std::path::PathBuf;

/// Where containerd keeps its things in `world`.
fn store(world: &World) -> PathBuf {
    let store = world.path("containerd");
    let blobs = store.join("io.containerd.content.v1.content/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    for image in ["harbor", "fleet"] {
        for blob in
            std::fs::read_dir(root().join("testdata/images").join(image).join("blobs/sha256")).unwrap()
        {
            let blob = blob.unwrap();
            std::fs::copy(blob.path(), blobs.join(blob.file_name())).unwrap();
        }
    }
    let packed = std::fs::File::open(root().join("testdata/interop/containerd/meta.db.gz")).unwrap();
    let mut database = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut database).unwrap();
    std::fs::create_dir_all(store.join("io.containerd.metadata.v1.bolt")).unwrap();
    std::fs::write(store.join("io.containerd.metadata.v1.bolt/meta.db"), database).unwrap();
    store
}

/// What containerd keeps is what was imported: the same inventory, under the name that it has there.
#[test]
fn an_image_is_read_without_the_daemon() {
    let mut world = World::new();
    store(&world);
    let own = "sbom --offline --containerd-root containerd -o json";
    let kept = world.run(&format!("{own} containerd:registry.example/harbor:1.0")).expect(0).json();
    let layout = world.run("sbom oci:testdata/images/harbor -o json").expect(0).json();
    assert_eq!(kept["packages"], layout["packages"]);
    assert_eq!(kept["subject"]["digest"], layout["subject"]["digest"]);
    assert_eq!(kept["subject"]["name"], "registry.example/harbor");
    assert_eq!(kept["subject"]["tag"], "1.0");
    world.env("CONTAINERD_NAMESPACE", "k8s.io");
    let kept = world.run(&format!("{own} containerd:harbor:1.0")).expect(0).json();
    assert_eq!(kept["subject"]["name"], "docker.io/library/harbor");
    assert_eq!(kept["packages"], layout["packages"]);
    world.run(&format!("{own} containerd:harbor:1.0@default")).expect(4).says("add @k8s.io");
}

/// A node pulls its own platform alone: the others are said to be missing, and not invented.
#[test]
fn platforms_that_are_not_there_are_left_out_aloud() {
    let world = World::new();
    let store = store(&world);
    let image = "--containerd-root containerd containerd:registry.example/fleet:1.0@k8s.io";
    let both = world.run(&format!("sbom {image} -o json")).expect(0).json();
    assert_eq!(both.as_array().unwrap().len(), 2);
    let arm = both.as_array().unwrap().iter().find(|i| i["subject"]["platform"] != "linux/amd64").unwrap();
    let digest = arm["subject"]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let manifest = store.join("io.containerd.content.v1.content/blobs/sha256").join(digest);
    std::fs::remove_file(manifest).unwrap();
    let one = world.run(&format!("sbom {image} -o json")).expect(0);
    let one = one.says("not in containerd's store, and left out: linux/arm64").json();
    assert_eq!(one["subject"]["platform"], "linux/amd64");
    world.run(&format!("sbom {image} --platform linux/arm64")).expect(4);
}

#[test]
fn what_is_no_store_is_said() {
    let world = World::new();
    world.run("sbom --containerd-root . containerd:x").expect(5).says("--containerd-root");
    for other in ["oci:testdata/images/harbor", "dir:testdata"] {
        world.run(&format!("sbom --containerd-root . {other}")).expect(2).says("images of containerd");
    }
}
