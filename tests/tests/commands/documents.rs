//! Documents: the same bytes for the same image, and nothing lost between writing and reading.

use super::world::World;

#[test]
fn the_same_image_gives_the_same_bytes() {
    let world = World::new();
    for form in ["spdx-json", "cyclonedx-json", "json"] {
        for name in ["one", "two"] {
            world.run(&format!("sbom oci:testdata/images/harbor -o {form}={name} -q")).expect(0);
        }
        let read = |name| std::fs::read(world.path(name)).unwrap();
        assert!(read("one") == read("two"), "{form}");
        assert!(read("one").len() > 1_000);
    }
}

#[test]
fn the_time_inside_is_source_date_epoch() {
    let world = World::new();
    let text = world.run("sbom oci:testdata/images/harbor -o spdx-json").expect(0).json();
    assert_eq!(text["creationInfo"]["created"], "2023-11-14T22:13:20Z");
    let text = world.run("sbom oci:testdata/images/harbor -o cyclonedx-json").expect(0).json();
    assert_eq!(text["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
}

#[test]
fn a_wrong_source_date_epoch_is_said() {
    let mut world = World::new();
    world.env("SOURCE_DATE_EPOCH", "yesterday");
    world.run("sbom oci:testdata/images/harbor").expect(2).says("SOURCE_DATE_EPOCH");
}

#[test]
fn both_formats_read_back_say_the_same() {
    let world = World::new();
    world.run("sbom oci:testdata/images/harbor -o spdx-json=a.json -o cyclonedx-json=b.json -q").expect(0);
    let a = world.run("inspect a.json --packages --output json").expect(0).json();
    let b = world.run("inspect b.json --packages --output json").expect(0).json();
    let purls = |document: &serde_json::Value| -> Vec<String> {
        let packages = document["packages"].as_array().unwrap();
        let mut purls: Vec<String> =
            packages.iter().map(|p| p["purl"].as_str().unwrap().to_owned()).collect();
        purls.sort();
        purls
    };
    assert_eq!(purls(&a), purls(&b));
    assert_eq!(a["summary"]["digest"], b["summary"]["digest"]);
    assert!(purls(&a).len() > 20);
    world.run("inspect a.json --diff b.json").expect(0).says("no difference");
}

/// Row D03: what is no SBOM, or an SBOM only for one parser, is refused and said.
#[test]
fn hostile_documents_are_refused() {
    let world = World::new();
    for (name, text) in [
        ("empty", String::new()),
        ("deep", "[".repeat(1_000_000)),
        ("both", r#"{"spdxVersion":"SPDX-2.3","bomFormat":"CycloneDX"}"#.to_owned()),
        ("neither", "{}".to_owned()),
    ] {
        std::fs::write(world.path(name), text).unwrap();
        world.run(&format!("inspect {name}")).expect(4);
    }
}
