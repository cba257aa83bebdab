//! The images of testdata/images, through the OCI layout as users open it.

use crate::support::{gaps, names, package};
use seaworthy_catalog::{DiffIds, NoProgress, Options, inventory};
use seaworthy_oci::{Manifest, OpenOptions, Reference, open, resolve};
use seaworthy_sbom::inventory::{Inventory, RelationshipKind};

/// All images below the reference, in the order of the index.
fn images(name: &str) -> Vec<Inventory> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/images");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let reference: Reference = format!("oci:{dir}/{name}:1.0").parse().unwrap();
        let source = open(&reference.location, &OpenOptions::default()).await.unwrap();
        let (pinned, raw) = resolve(source.as_ref(), &reference).await.unwrap();
        let children = match raw.parse().unwrap() {
            Manifest::Image(image) => vec![(pinned, image)],
            Manifest::Index(index) => {
                let mut children = Vec::new();
                for descriptor in index.runnable() {
                    let selector = seaworthy_oci::Selector::Digest(&descriptor.digest);
                    let raw = source.manifest(selector).await.unwrap().unwrap();
                    let Manifest::Image(image) = raw.parse().unwrap() else { panic!("nested") };
                    children.push((pinned.sibling(descriptor.clone()), image));
                }
                children
            }
        };
        let options = Options { diff_ids: DiffIds::Compute, ..Options::default() };
        let mut found = Vec::new();
        for (image, manifest) in children {
            found.push(inventory(source.as_ref(), &image, &manifest, &options, &NoProgress).await.unwrap());
        }
        found
    })
}

#[test]
fn harbor() {
    let found = images("harbor").remove(0);
    assert!(found.gaps.is_empty(), "{:?}", gaps(&found));
    assert_eq!(
        names(&found),
        [
            "Flask 3.0.3",
            "base-files 12.4+deb12u11",
            "base-passwd 3.6.1",
            "click 8.1.7",
            "debianutils 5.7-0.5~deb12u1",
            "debug 4.3.4",
            "gcc-12-base 12.2.0-14+deb12u1",
            "hostname 3.23+nmu1",
            "is-number 6.0.0",
            "is-odd 3.0.1",
            "itsdangerous 2.2.0",
            "libc6 2.36-9+deb12u14",
            "libcrypt1 1:4.4.33-2",
            "libgcc-s1 12.2.0-14+deb12u1",
            "libssl3 3.0.19-1~deb12u2",
            "libzstd1 1.5.4+dfsg2-5",
            "mawk 1.3.4.20200120-3.1",
            "media-types 10.0.0",
            "ms 2.1.3",
            "netbase 6.4",
            "openssl 3.0.19-1~deb12u2",
            "python3-minimal 3.11.2-1+b1",
            "python3-six 1.16.0-4",
            "six 1.16.0",
            "zlib1g 1:1.2.13.dfsg-1",
        ]
    );
    let layer = |name: &str| {
        let digest = package(&found, name).layer.clone();
        found.layers.iter().position(|l| Some(&l.digest) == digest.as_ref())
    };
    assert_eq!(layer("libc6"), Some(0));
    assert_eq!(layer("openssl"), Some(2));
    assert_eq!(layer("Flask"), Some(1));
    assert!(found.layers.iter().all(|l| l.diff_id.is_some()));
    let edge = |from: &str, kind, to: &str| {
        let (from, to) = (&package(&found, from).id, &package(&found, to).id);
        found.relationships.iter().any(|r| r.from == *from && r.kind == kind && r.to == *to)
    };
    assert!(edge("openssl", RelationshipKind::DependsOn, "libssl3"));
    assert!(edge("debug", RelationshipKind::DependsOn, "ms"));
    assert!(edge("Flask", RelationshipKind::DependsOn, "click"));
    assert!(edge("python3-six", RelationshipKind::Contains, "six"));
    // Its directory of documents is a link to another package's.
    let gcc = package(&found, "libgcc-s1");
    assert!(gcc.evidence.iter().any(|e| e.path == "/usr/share/doc/gcc-12-base/copyright"));
    for p in &found.packages {
        assert!(p.purl.is_some() && p.layer.is_some() && !p.evidence.is_empty(), "{}", p.name);
        // Copyright files in free text that refer to no common licence by name (one of them cut short).
        let told = !["libcrypt1", "python3-minimal"].contains(&p.name.as_str());
        assert_eq!(p.license.expression.is_some(), told, "{}: {:?}", p.name, p.license);
    }
}

#[test]
fn fleet() {
    let found = images("fleet");
    let platforms: Vec<_> = found.iter().map(|i| i.subject.platform.as_deref().unwrap()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64/v8"]);
    for (inventory, arch) in found.iter().zip(["x86_64", "aarch64"]) {
        assert!(inventory.gaps.is_empty(), "{:?}", gaps(inventory));
        assert_eq!(inventory.packages.len(), 11);
        assert_eq!(package(inventory, "musl").architecture.as_deref(), Some(arch));
        assert!(inventory.packages.iter().all(|p| p.license.expression.is_some()));
        assert!(inventory.relationships.len() >= 10);
    }
}
