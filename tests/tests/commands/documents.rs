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

/// Every notation of the same image says the same: read back and written as one kind, they are the same bytes.
#[test]
fn every_format_converts_into_every_other() {
    let world = World::new();
    world.run("sbom oci:testdata/images/harbor -o spdx-json=start.json -q").expect(0);
    let start = std::fs::read(world.path("start.json")).unwrap();
    for form in [
        "spdx-tag-value",
        "spdx-3-json",
        "cyclonedx-json@1.4",
        "cyclonedx-json@1.7",
        "cyclonedx-xml",
        "cyclonedx-xml@1.4",
    ] {
        world.run(&format!("sbom convert start.json -o {form}=there -q")).expect(0);
        world
            .run("sbom convert --strict there -o spdx-json=back.json -q")
            .expect(0)
            .never_says("left behind");
        assert!(std::fs::read(world.path("back.json")).unwrap() == start, "by way of {form}");
    }
}

/// What a file holds and an inventory does not is said, by name and number; `--strict` makes it a "no".
#[test]
fn what_is_left_behind_is_said() {
    let world = World::new();
    let document = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a",
        "version":"1","purl":"pkg:npm/a@1"}],"vulnerabilities":[{"id":"CVE-2026-1"},{"id":"CVE-2026-2"}]}"#;
    std::fs::write(world.path("scan.cdx.json"), document).unwrap();
    world
        .run("sbom convert scan.cdx.json -o spdx-tag-value")
        .expect(0)
        .says("left behind of scan.cdx.json: 2 × vulnerabilities")
        .says("PackageName: a");
    world.run("sbom convert --strict scan.cdx.json -o spdx-tag-value").expect(1);
    let report =
        world.run("sbom convert scan.cdx.json -o github-json=snapshot --output json").expect(0).json();
    assert_eq!(report["leftBehind"][0]["what"], "vulnerabilities");
    assert_eq!(report["leftBehind"][0]["count"], 2);
    assert_eq!(report["written"][0]["format"], "github-json");
    assert_eq!(report["packages"], 1);
    world.run("sbom convert scan.cdx.json").expect(2).says("-o FORMAT");
    world.run("sbom convert scan.cdx.json -o cyclonedx-json@1.3").expect(4).says("1.4 to 1.7");
    std::fs::write(world.path("page"), "<!DOCTYPE html><html/>").unwrap();
    world.run("sbom convert page -o spdx-json").expect(4).says("document type declaration");
}

#[test]
fn merging_keeps_everything_and_says_what_contradicts() {
    let world = World::new();
    let document = |name: &str, license: &str, extra: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{{"component":{{"type":"container",
            "name":"app","version":"sha256:{name}"}}}},"components":[{{"type":"library","bom-ref":"1","name":"a","version":"1",
            "purl":"pkg:npm/a@1","licenses":[{{"expression":"{license}"}}]}}{extra}],"dependencies":[{{"ref":"1","dependsOn":["2"]}}]}}"#
        )
    };
    let more = r#",{"type":"library","bom-ref":"2","name":"b","version":"2","purl":"pkg:npm/b@2"}"#;
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    std::fs::write(world.path("one.json"), document(&one, "MIT", "")).unwrap();
    std::fs::write(world.path("two.json"), document(&one, "ISC", more)).unwrap();
    std::fs::write(world.path("three.json"), document(&two, "MIT", "")).unwrap();

    let merged = world.run("sbom merge one.json two.json -o json").expect(0).json();
    assert_eq!(merged["subject"]["digest"], format!("sha256:{one}"));
    let packages = merged["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 2);
    assert_eq!(packages[0]["license"]["expression"], "MIT");
    assert_eq!(packages[0]["properties"]["seaworthy:otherwise:license.expression"], "ISC");
    assert_eq!(merged["relationships"].as_array().unwrap().len(), 1);

    world.run("sbom merge one.json three.json -o json").expect(4).says("different images").says("--name");
    let merged = world.run("sbom merge one.json three.json --name product -o json").expect(0).json();
    assert_eq!(merged["subject"]["name"], "product");
    assert_eq!(merged["subject"]["digest"], serde_json::Value::Null);
    world.run("sbom merge one.json -o json").expect(2);
}
