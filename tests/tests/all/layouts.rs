//! Layouts that others wrote, as they are committed under testdata, read whole.

use seaworthy_oci::layout::Layout;
use seaworthy_oci::{ErrorKind, Manifest, Selector, Source};
use std::path::{Path, PathBuf};

fn layouts(dir: &Path, found: &mut Vec<PathBuf>) {
    if dir.join("oci-layout").is_file() {
        found.push(dir.into());
        return;
    }
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            layouts(&path, found);
        }
    }
}

#[tokio::test]
async fn recorded_layouts_are_read() {
    let mut found = Vec::new();
    layouts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata"), &mut found);
    assert!(!found.is_empty());
    let mut referrers = 0;
    for path in found {
        let layout = Layout::open(&path).unwrap();
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path.join("index.json")).unwrap()).unwrap();
        match layout.manifest(Selector::Only).await {
            Ok(Some(_)) => {}
            Err(error) if matches!(error.kind, ErrorKind::Ambiguous(_)) => {}
            other => panic!("{}: {other:?}", path.display()),
        }
        for entry in index["manifests"].as_array().unwrap() {
            let digest = entry["digest"].as_str().unwrap().parse().unwrap();
            let raw = layout.manifest(Selector::Digest(&digest)).await.unwrap().unwrap();
            let listed = layout.referrers(&digest).await.unwrap().descriptors;
            referrers += listed.len();
            // What says that it refers to something is found from there.
            if let Manifest::Image(image) = raw.parse().unwrap()
                && let Some(subject) = image.subject
            {
                let back = layout.referrers(&subject.digest).await.unwrap().descriptors;
                assert!(back.iter().any(|d| d.digest == digest), "{} {digest}", path.display());
            }
        }
    }
    assert!(referrers > 0);
}
