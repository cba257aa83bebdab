//! Binaries that say what they are: kernel modules, PE files, zipped eggs.

use crate::support::*;
use seaworthy_catalog::limits;
use seaworthy_sbom::inventory::{Ecosystem, RelationshipKind};
use std::io::Read;

/// A file of testdata/catalog/binaries.
fn recorded(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../testdata/catalog/binaries/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

const KERNEL: &str = "lib/modules/6.1.0-50-cloud-amd64/kernel";

/// The two recorded modules where the kernel has them.
fn modules() -> Tar {
    Tar::default()
        .file(&format!("{KERNEL}/drivers/uio/uio_pci_generic.ko.xz"), recorded("uio_pci_generic.ko.xz"))
        .file(&format!("{KERNEL}/net/key/af_key.ko"), recorded("af_key.ko"))
}

#[test]
fn modules_that_nobody_owns_are_parts_of_their_kernel() {
    let image = read(&[modules().gzip()]);
    assert_eq!(names(&image), ["linux-kernel 6.1.0-50-cloud-amd64", "uio_pci_generic 0.01.0"]);
    let (kernel, module) = (package(&image, "linux-kernel"), package(&image, "uio_pci_generic"));
    assert_eq!(kernel.properties["linux:modules"], "2");
    assert_eq!(module.purl.as_deref(), Some("pkg:generic/linux-kernel-module/uio_pci_generic@0.01.0"));
    assert_eq!(module.license.declared, ["GPL v2"]);
    assert_eq!(
        module.properties["linux:vermagic"],
        "6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions"
    );
    let [edge] = image.relationships.as_slice() else { panic!("{:?}", image.relationships) };
    assert_eq!((&edge.from, edge.kind, &edge.to), (&kernel.id, RelationshipKind::Contains, &module.id));
}

#[test]
fn modules_that_a_package_owns_are_that_package() {
    let list = format!("/{KERNEL}/drivers/uio/uio_pci_generic.ko.xz\n/{KERNEL}/net/key/af_key.ko\n");
    let owned = modules()
        .file(STATUS, deb("linux-image-6.1.0-50-cloud-amd64", "6.1.176-1"))
        .file("var/lib/dpkg/info/linux-image-6.1.0-50-cloud-amd64.list", list);
    let image = read(&[owned.clone().gzip()]);
    assert_eq!(names(&image), ["linux-image-6.1.0-50-cloud-amd64 6.1.176-1", "uio_pci_generic 0.01.0"]);
    let deb = image.packages.iter().find(|p| p.ecosystem == Ecosystem::Deb).unwrap();
    assert!(image.relationships.iter().all(|r| r.kind == RelationshipKind::Contains && r.from == deb.id));
    assert!(image.gaps.is_empty());
    // Another module for that kernel, built in the image.
    let built = owned.file("lib/modules/6.1.0-50-cloud-amd64/updates/af_key.ko", recorded("af_key.ko"));
    let image = read(&[built.gzip()]);
    assert_eq!(image.packages.len(), 2);
    assert!(gaps(&image)[0].contains("1 modules from here on for the kernel 6.1.0-50-cloud-amd64"));
}

#[test]
fn modules_in_every_packing_and_files_of_another_kind() {
    let plain = recorded("af_key.ko");
    let at = |end: &str| format!("{KERNEL}/a.ko{end}");
    for (end, bytes) in
        [("", plain.clone()), (".gz", gzip(&plain)), (".zst", zstd::encode_all(&plain[..], 3).unwrap())]
    {
        let image = read(&[Tar::default().file(&at(end), bytes).gzip()]);
        assert_eq!(names(&image), ["linux-kernel 6.1.0-50-cloud-amd64"], "{end}");
    }
    // A translation into Korean is no module, whatever it is; a broken module is said.
    let image = read(&[Tar::default().file("usr/share/vim/tutor/tutor.ko", "...").gzip()]);
    assert!(image.packages.is_empty() && image.gaps.is_empty());
    let broken = Tar::default().file(&at(".xz"), "...").file(&at(""), &plain[..plain.len() / 2]);
    let image = read(&[broken.gzip()]);
    assert_eq!(image.gaps.len(), 2);
    assert!(gaps(&image)[0].contains("without .modinfo") && gaps(&image)[1].contains("cannot be unpacked"));
}

#[test]
fn modules_are_bounded_at_limit_plus_one() {
    let zeros = |bytes: u64| {
        let packed = zstd::encode_all(std::io::repeat(0).take(bytes), 1).unwrap();
        gaps(
            &Built::new(&[Tar::default().file(&format!("{KERNEL}/a.ko.zst"), packed).plain()])
                .read()
                .unwrap(),
        )
    };
    assert!(zeros(limits::MODULE_BYTES)[0].contains("without .modinfo"));
    assert!(zeros(limits::MODULE_BYTES + 1)[0].contains("more than MODULE_BYTES"));
}

#[test]
fn windows_files_state_their_versions() {
    let tar = Tar::default()
        .file("opt/py/pythonnet/runtime/Python.Runtime.dll", recorded("Python.Runtime.dll"))
        .file("opt/py/clr_loader/ClrLoader.dll", recorded("ClrLoader.dll"))
        .file("srv/node-notifier/notifu.exe", recorded("notifu.exe"));
    let image = read(&[tar.gzip()]);
    assert_eq!(names(&image), ["ClrLoader 1.0.0", "Notifu 1.7", "Python.Runtime 3.2.1"]);
    let assembly = package(&image, "Python.Runtime");
    assert_eq!(assembly.purl.as_deref(), Some("pkg:nuget/Python.Runtime@3.2.1"));
    assert_eq!(assembly.properties["seaworthy:confidence"], "version-information");
    let native = package(&image, "Notifu");
    assert_eq!((native.ecosystem, native.supplier.as_deref()), (Ecosystem::Generic, Some("Paralint.com")));
    assert!(image.gaps.is_empty());
}

#[test]
fn assemblies_that_a_list_or_a_package_names_are_not_listed_again() {
    let list = r#"{"targets":{"x":{"pythonnet/3.2.1":{"runtime":{"lib/netstandard2.0/Python.Runtime.dll":{}}}}},
        "libraries":{"pythonnet/3.2.1":{"type":"package"},"ClrLoader/1.0.0":{"type":"project"}}}"#;
    let tar = |dir: &str| {
        Tar::default()
            .file(&format!("{dir}/App.deps.json"), list)
            .file("srv/app/bin/Python.Runtime.dll", recorded("Python.Runtime.dll"))
            .file("srv/app/ClrLoader.dll", recorded("ClrLoader.dll"))
    };
    assert_eq!(names(&read(&[tar("srv/app").gzip()])), ["ClrLoader 1.0.0", "pythonnet 3.2.1"]);
    // The list of another application says nothing about it.
    assert_eq!(read(&[tar("srv/other").gzip()]).packages.len(), 3);
    let owned = Tar::default()
        .file("usr/lib/cli/notifu.exe", recorded("notifu.exe"))
        .file(STATUS, deb("notifu", "1-1"))
        .file("var/lib/dpkg/info/notifu.list", "/usr/lib/cli/notifu.exe\n");
    assert_eq!(names(&read(&[owned.gzip()])), ["notifu 1-1"]);
}

#[test]
fn version_information_that_is_not_there_is_a_gap() {
    let whole = recorded("notifu.exe");
    // Within its first words, in UTF-16.
    let at = whole.windows(6).position(|w| w == b"V\0S\0_\0").unwrap();
    let image = read(&[Tar::default().file("a.exe", &whole[..at + 100]).gzip()]);
    assert_eq!(gaps(&image), ["/a.exe: version information that stands outside of the file's resources"]);
}

#[test]
fn eggs_that_are_still_zipped_and_links_to_what_is_edited() {
    let egg = || recorded("harbor_pilot-1.4.2-py3.11.egg");
    let site = "usr/lib/python3.11/site-packages";
    let image = read(&[Tar::default().file(&format!("{site}/harbor_pilot-1.4.2-py3.11.egg"), egg()).gzip()]);
    assert_eq!(names(&image), ["harbor-pilot 1.4.2"]);
    assert_eq!(package(&image, "harbor-pilot").license.declared, ["MIT"]);

    let linked = |target: &str| {
        Tar::default()
            .file("src/pilot/harbor_pilot.egg-info/PKG-INFO", "Name: harbor-pilot\nVersion: 2.0\n")
            .file(&format!("{site}/harbor-pilot.egg-link"), format!("{target}\n."))
            .gzip()
    };
    let image = read(&[linked("/src/pilot")]);
    let pilot = package(&image, "harbor-pilot");
    assert_eq!((pilot.evidence.len(), pilot.properties["python:editable"].as_str()), (2, "true"));
    assert!(gaps(&read(&[linked("/src/other")]))[0].contains("leads to /src/other, where no metadata"));

    // A directory of that name is unpacked; a file that is no archive is said.
    let broken = Tar::default().file(&format!("{site}/x.egg"), "no zip").file(&format!("{site}/y.egg/z"), "");
    assert_eq!(gaps(&read(&[broken.gzip()])), [format!("/{site}/x.egg: an egg that is no zip archive")]);
}
