//! What `sbom` reads beside images in registries, layouts and archives.

use super::world::World;
use std::fs;

/// A place with a small root file system in it, and a time of its own.
fn rootfs() -> World {
    let mut world = World::new();
    world.env("SOURCE_DATE_EPOCH", "1700000000");
    for (path, content) in [
        ("rootfs/etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
        (
            "rootfs/var/lib/dpkg/status",
            "Package: hello\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.10-3\n\n",
        ),
        (
            "rootfs/srv/node_modules/left-pad/package.json",
            r#"{"name":"left-pad","version":"1.3.0","license":"WTFPL"}"#,
        ),
    ] {
        let path = world.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    world
}

macro_rules! snapshot {
    ($name:literal, $ran:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            let version = concat!("seaworthy ", env!("CARGO_PKG_VERSION"));
            insta::assert_snapshot!($name, $ran.transcript().replace(version, "seaworthy [version]"));
        });
    };
}

#[test]
fn a_directory_as_people_see_it() {
    let world = rootfs();
    snapshot!("sbom-dir", world.run("sbom dir:rootfs"));
    snapshot!("sbom-dir-named", world.run("sbom dir:rootfs/ --source-name server -o json"));
    snapshot!("sbom-dir-missing", world.run("sbom dir:nowhere"));
    snapshot!("sbom-dir-platform", world.run("sbom dir:rootfs --platform linux/amd64"));
    world.run("sbom dir:rootfs --files all").expect(2).says("--scope and --files are for images");
    world.run("sbom dir:rootfs --scope all-layers").expect(2).says("--scope and --files are for images");
    snapshot!("sbom-image-enter-mounts", world.run("sbom oci:testdata/images/harbor --enter-mounts"));
}

/// In each format: about a file, without a purl of an image, and the same when it is read back.
#[test]
fn a_directory_and_a_file_read_back_from_every_format() {
    let world = rootfs();
    fs::write(world.path("requirements.txt"), "requests==2.32.3\n").unwrap();
    for place in ["dir:rootfs", "file:requirements.txt"] {
        let whole = world.run(&format!("sbom {place} -o json -q")).expect(0).json();
        assert_eq!(whole["subject"]["digest"].is_string(), place.starts_with("file:"));
        for (form, says) in [
            ("spdx-json", r#""primaryPackagePurpose": "FILE""#),
            ("spdx-tag-value", "PrimaryPackagePurpose: FILE"),
            ("spdx-3-json", r#""software_primaryPurpose": "file""#),
            ("cyclonedx-json", r#""type": "file""#),
            ("cyclonedx-xml", r#"<component type="file""#),
        ] {
            world.run(&format!("sbom {place} -q -o {form}=out")).expect(0);
            let text = fs::read_to_string(world.path("out")).unwrap();
            assert!(text.contains(says) && !text.contains("pkg:oci"), "{place} {form}: {text}");
            for again in ["sbom:out", "file:out"] {
                let found = world.run(&format!("sbom {again} -o json -q")).expect(0).json();
                assert_eq!(found, whole, "{place} {form}");
            }
        }
    }
}

#[test]
fn an_sbom_is_a_source_like_any_other() {
    let world = rootfs();
    world.run("sbom dir:rootfs -q -o spdx-json=a.json").expect(0);
    snapshot!("sbom-of-sbom", world.run("sbom sbom:a.json --source-name renamed"));
    fs::write(world.path("none.json"), r#"{"bomFormat":"none"}"#).unwrap();
    snapshot!("sbom-of-no-sbom", world.run("sbom sbom:none.json"));
}

#[test]
fn a_single_file_and_one_that_nobody_knows() {
    let world = rootfs();
    fs::write(world.path("requirements.txt"), "requests==2.32.3\n").unwrap();
    fs::write(world.path("notes"), "nothing\n").unwrap();
    snapshot!("sbom-file", world.run("sbom file:requirements.txt"));
    snapshot!("sbom-file-unknown", world.run("sbom file:notes --strict"));
    snapshot!("sbom-file-directory", world.run("sbom file:rootfs"));
}
