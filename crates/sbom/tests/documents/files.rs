//! Files in documents: carried by every kind, given to their packages in the format's own way, kept by merging.

use super::conversions::{listed, whole, written};
use super::example;
use seaworthy_sbom::documents::{self, Kind};
use seaworthy_sbom::files::{File, Files};
use seaworthy_sbom::files::{FileFindings, Hex, MISSING_NAMED, Mode, Selection, State, Tally};
use seaworthy_sbom::inventory::Inventory;
use seaworthy_sbom::merge::{About, merge};
use seaworthy_sbom::{ErrorKind, limits};
use serde_json::Value;

fn file(path: &str, byte: u8) -> File {
    File {
        path: path.into(),
        size: Some(u64::from(byte)),
        mode: Some(Mode::of(0o755)),
        sha256: Some(Hex([byte; 32])),
        sha1: Some(Hex([byte; 20])),
        ..File::default()
    }
}

/// The example with files of everybody, of nobody, and with names that notations cannot write.
fn with_files(listed: Selection) -> Inventory {
    let mut inventory = example();
    let (libc, layer) = (inventory.packages[0].id.clone(), inventory.layers[1].digest.clone());
    let mut owned = file("/usr/lib/libc.so.6", 1);
    owned.package = Some(libc.as_str().into());
    owned.layer = Some(layer.as_str().into());
    owned.state = State::AsRecorded;
    let mut changed = file("/etc/ld.so.conf", 2);
    changed.package = Some(libc.as_str().into());
    changed.state = State::ConfigurationChanged;
    let mut elsewhere = file("/srv/<text>odd</text>\n\u{1}name ", 3);
    elsewhere.layer = Some("sha256:of-another-image".into());
    inventory.files = vec![owned, changed, elsewhere, file("/srv/\u{fffe}", 4), file("/app/run", 5)].into();
    inventory.file_findings = Some(FileFindings {
        listed,
        files: 5,
        owned: 2,
        unowned: Tally { files: 3, bytes: 12 },
        unowned_in: [("/srv".to_owned(), Tally { files: 2, bytes: 7 })].into(),
        configuration_changed: 1,
        missing: 1,
        missing_files: [("/usr/bin/gone".to_owned(), "libc6".to_owned())].into(),
        ..FileFindings::default()
    });
    inventory.normalize();
    inventory
}

#[test]
fn every_kind_carries_files() {
    for listed_files in [Selection::All, Selection::Unowned] {
        let example = with_files(listed_files);
        for kind in whole() {
            let document = written(kind, &example).unwrap();
            let (found, back, losses) = documents::read(&document).unwrap();
            assert_eq!(found, kind);
            assert_eq!(back.files, example.files, "{kind}\n{}", String::from_utf8_lossy(&document));
            assert_eq!(back, example, "{kind}");
            assert!(losses.is_empty(), "{kind}: {:?}", listed(&losses));
            assert_eq!(written(kind, &back).unwrap(), document, "{kind}");
        }
    }
}

/// SPDX 2.3, 7.9: the SHA-1 over the sorted SHA-1s of the package's files.
#[test]
fn spdx_gives_files_to_packages_that_are_known_whole() {
    let document = |listed| -> Value {
        serde_json::from_slice(&written(Kind::SpdxJson, &with_files(listed)).unwrap()).unwrap()
    };
    let all = document(Selection::All);
    let analysed: Vec<&Value> =
        all["packages"].as_array().unwrap().iter().filter(|p| p["filesAnalyzed"] == true).collect();
    assert_eq!(analysed.len(), 1);
    let code = &analysed[0]["packageVerificationCode"]["packageVerificationCodeValue"];
    // printf '%s%s' $(printf '01%.0s' {1..20}) $(printf '02%.0s' {1..20}) | sha1sum
    assert_eq!(code, "b8309e51bc04b6a3c596607104a8ea40696fd768");
    let contains = |document: &Value| {
        let edges = document["relationships"].as_array().unwrap();
        edges
            .iter()
            .filter(|r| r["relatedSpdxElement"].as_str().unwrap().starts_with("SPDXRef-File-"))
            .count()
    };
    assert_eq!(contains(&all), 2);
    let unowned = document(Selection::Unowned);
    assert_eq!(contains(&unowned), 0);
    assert!(unowned["packages"].as_array().unwrap().iter().all(|p| p["filesAnalyzed"] == false));
}

#[test]
fn what_others_say_of_files_is_read_and_what_is_lost_is_counted() {
    let sha1 = "a".repeat(40);
    let spdx = format!(
        r#"{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","dataLicense":"CC0-1.0",
        "documentNamespace":"https://example.org/x","creationInfo":{{"created":"2024-01-01T00:00:00Z","creators":["Tool: x"]}},
        "packages":[{{"SPDXID":"SPDXRef-a","name":"a","filesAnalyzed":true,"hasFiles":["SPDXRef-f"],
          "packageVerificationCode":{{"packageVerificationCodeValue":"{sha1}"}},"downloadLocation":"NOASSERTION"}}],
        "files":[{{"SPDXID":"SPDXRef-f","fileName":"./bin/x","fileTypes":["BINARY"],"comment":"layerID: sha256:{layer}",
          "checksums":[{{"algorithm":"SHA1","checksumValue":"{sha1}"}},{{"algorithm":"MD5","checksumValue":"00"}}]}}]}}"#,
        layer = "b".repeat(64),
    );
    let (_, inventory, losses) = documents::read(spdx.as_bytes()).unwrap();
    let [found] = &inventory.files[..] else { panic!("{:?}", inventory.files) };
    assert_eq!(&*found.path, "/bin/x");
    assert_eq!(found.package.as_deref(), Some(inventory.packages[0].id.as_str()));
    assert_eq!(found.layer.as_deref(), Some(format!("sha256:{}", "b".repeat(64)).as_str()));
    // The code is made of files that the document does not list: it is kept as it is.
    assert_eq!(inventory.packages[0].properties["spdx:verification-code"], sha1);
    assert_eq!(listed(&losses), ["1 files[].checksums of the type MD5", "1 files[].fileTypes"]);

    let tagged = format!(
        "SPDXVersion: SPDX-2.3\nFileName: ./lone\nSPDXID: SPDXRef-l\nFileChecksum: SHA1: {sha1}\n\
         PackageName: a\nSPDXID: SPDXRef-a\nFileName: ./bin/x\nSPDXID: SPDXRef-f\nFileChecksum: SHA1: {sha1}\nFileType: BINARY\n"
    );
    let (_, inventory, losses) = documents::read(tagged.as_bytes()).unwrap();
    let owners: Vec<(&str, bool)> = inventory.files.iter().map(|f| (&*f.path, f.package.is_some())).collect();
    assert_eq!(owners, [("/bin/x", true), ("/lone", false)]);
    assert_eq!(listed(&losses), ["1 files[].FileType"]);

    let syft = format!(
        r#"{{"artifacts":[{{"id":"p","name":"a","version":"1","type":"deb"}}],
        "artifactRelationships":[{{"parent":"p","child":"f","type":"contains"}}],
        "files":[{{"id":"f","location":{{"path":"/bin/x"}},"metadata":{{"mode":755,"size":7}},
          "digests":[{{"algorithm":"sha1","value":"{sha1}"}}]}}],
        "descriptor":{{"name":"syft","version":"1"}},"schema":{{"version":"16"}}}}"#
    );
    let (_, inventory, _) = documents::read(syft.as_bytes()).unwrap();
    let [found] = &inventory.files[..] else { panic!("{:?}", inventory.files) };
    assert_eq!((found.size, found.mode), (Some(7), Some(Mode::of(0o755))));
    assert!(found.sha1.is_some() && found.package.is_some());
}

#[test]
fn merging_keeps_files_and_whose_they_are() {
    let (one, mut other) = (with_files(Selection::Unowned), with_files(Selection::All));
    let mut more = other.files.to_vec();
    more.push(file("/only/there", 9));
    other.files = more.into();
    let merged = merge(vec![one.clone(), other], About::TheSame).unwrap();
    assert_eq!(merged.files.len(), one.files.len() + 1);
    let owners = merged.files.owners();
    assert_eq!(owners.len(), 1);
    assert!(owners.iter().all(|id| merged.package(id).is_some_and(|p| p.name == "libc6")));
    assert_eq!(merged.file_findings.unwrap().listed, Selection::All);
}

#[test]
fn files_are_bounded_at_limit_plus_one() {
    let mut document = br#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":["#.to_vec();
    for at in 0..=limits::FILES {
        document.extend_from_slice(if at == 0 { b"" } else { b"," });
        document.extend_from_slice(br#"{"type":"file","name":"x"}"#);
    }
    document.extend_from_slice(b"]}");
    let over = ErrorKind::LimitExceeded { limit: "FILES", value: limits::FILES as u64 };
    assert_eq!(documents::read(&document).unwrap_err().kind, over);
    let spdx = String::from_utf8(document).unwrap();
    let (_, list) = spdx.split_once("\"components\":").unwrap();
    let spdx = format!(r#"{{"spdxVersion":"SPDX-2.3","files":{list}"#);
    assert_eq!(documents::read(spdx.as_bytes()).unwrap_err().kind, over);
}

#[test]
fn the_model_reads_its_own_json() {
    let inventory = with_files(Selection::All);
    let text = serde_json::to_string(&inventory).unwrap();
    assert_eq!(serde_json::from_str::<Inventory>(&text).unwrap(), inventory);
    assert!(serde_json::to_value(example()).unwrap().get("files").is_none());
    assert!(Files::default().is_empty() && MISSING_NAMED > 0);
}
