use super::*;
use crate::manifest::media_type;
use std::fs;

/// The store of a real containerd: its recorded database (testdata/interop/containerd/record says how), and the content of
/// the images that were imported, as the importer put it there.
fn store() -> tempfile::TempDir {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    let root = tempfile::tempdir().unwrap();
    let blobs = root.path().join(CONTENT).join("sha256");
    fs::create_dir_all(&blobs).unwrap();
    for image in ["harbor", "fleet"] {
        for blob in fs::read_dir(testdata.join("images").join(image).join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            fs::copy(blob.path(), blobs.join(blob.file_name())).unwrap();
        }
    }
    let packed = fs::File::open(testdata.join("interop/containerd/meta.db.gz")).unwrap();
    let mut database = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut database).unwrap();
    fs::create_dir_all(root.path().join(DATABASE).parent().unwrap()).unwrap();
    fs::write(root.path().join(DATABASE), database).unwrap();
    root
}

fn at(namespace: &str, name: &str) -> Location {
    Location::Containerd { namespace: namespace.into(), name: name.into() }
}

async fn opened(root: &Path, namespace: &str, name: &str) -> Result<Descriptor> {
    let place = open(&at(namespace, name), root).await?;
    let raw = place.manifest(Selector::Only).await?.unwrap();
    Ok(raw.descriptor)
}

#[tokio::test]
async fn names_of_a_real_containerd_mean_what_it_says() {
    let store = store();
    let harbor = "sha256:696dd6c7cfd90f61920253ff895ae8f55a1341033f4d3c4f441c109946745a03";
    let fleet = "sha256:16afd5cf5905d22af805f59df0aba4d1b3c84a4bbeb66e57e45bb47a2133b362";
    for (namespace, name, digest, kind) in [
        ("default", "registry.example/harbor:1.0", harbor, media_type::MANIFEST),
        ("k8s.io", "registry.example/fleet:1.0", fleet, media_type::INDEX),
        // Of eighty names, which stand in several leaves below a branch.
        ("k8s.io", "registry.example/fleet:build-120", fleet, media_type::INDEX),
        ("k8s.io", "registry.example/fleet:build-163", fleet, media_type::INDEX),
        ("k8s.io", "registry.example/fleet:build-199", fleet, media_type::INDEX),
        // The long form of a short name.
        ("k8s.io", "harbor:1.0", harbor, media_type::MANIFEST),
    ] {
        let found = opened(store.path(), namespace, name).await.unwrap();
        assert_eq!((found.digest.to_string().as_str(), found.media_type.as_str()), (digest, kind), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_is() {
    let store = store();
    for (namespace, name, hint) in [
        ("default", "registry.example/fleet:1.0", "the namespace k8s.io has it: add @k8s.io"),
        ("default", "registry.example/none:1", "images there: registry.example/harbor:1.0"),
        // Removed from the database before it was recorded.
        ("k8s.io", "registry.example/fleet:build-119", "images there: "),
        ("moby", "none", "moby has no images; the namespaces are default, k8s.io"),
    ] {
        let error = opened(store.path(), namespace, name).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert!(error.hint.as_deref().unwrap().starts_with(hint), "{:?}", error.hint);
    }
    let empty = tempfile::tempdir().unwrap();
    let error = opened(empty.path(), "default", "x").await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Local(_)), "{error}");
}

#[tokio::test]
async fn content_that_is_gone_or_changed_is_said() {
    let store = store();
    let place = open(&at("default", "registry.example/harbor:1.0"), store.path()).await.unwrap();
    let raw = place.manifest(Selector::Only).await.unwrap().unwrap();
    let crate::Manifest::Image(image) = raw.parse().unwrap() else { panic!("an image") };
    let layer = &image.layers[0];
    let path = store.path().join(CONTENT).join("sha256").join(layer.digest.hex());
    let mut bytes = place.blob_bytes(layer, 1 << 20).await.unwrap();
    bytes[30] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = place.blob_bytes(layer, 1 << 20).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }), "{error}");
    // What discard_unpacked_layers does.
    fs::remove_file(&path).unwrap();
    let error = place.blob_bytes(layer, 1 << 20).await.unwrap_err();
    assert!(error.is_not_found() && error.hint.unwrap().contains("discard_unpacked_layers"));
}

#[tokio::test]
async fn a_database_that_is_none_is_broken_input() {
    let store = store();
    let whole = fs::read(store.path().join(DATABASE)).unwrap();
    for bytes in [Vec::new(), vec![0; 1 << 16], whole[..1 << 13].to_vec()] {
        fs::write(store.path().join(DATABASE), &bytes).unwrap();
        let error = opened(store.path(), "default", "registry.example/harbor:1.0").await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
    }
}

/// Somebody finishes a transaction again and again: what the database said cannot be found out, which is not that the image
/// is not there.
#[tokio::test]
async fn a_database_that_is_written_all_the_time_is_not_guessed_at() {
    use std::io::{Seek, SeekFrom, Write};
    use std::sync::atomic::{AtomicBool, Ordering};
    let store = store();
    let done = Arc::new(AtomicBool::new(false));
    let (stop, path) = (Arc::clone(&done), store.path().join(DATABASE));
    // What a transaction does last: the older meta page becomes the newer one.
    let writer = std::thread::spawn(move || {
        let mut file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut metas: Vec<Vec<u8>> = (0..2)
            .map(|place| {
                file.seek(SeekFrom::Start(place * 4_096)).unwrap();
                let mut page = vec![0; 80];
                file.read_exact(&mut page).unwrap();
                page
            })
            .collect();
        let transaction = |page: &[u8]| u64::from_le_bytes(page[64..72].try_into().unwrap());
        let newest = if transaction(&metas[0]) > transaction(&metas[1]) { 0 } else { 1 };
        let body = metas[newest][16..].to_vec();
        let mut next = transaction(&metas[newest]);
        let mut place = 1 - newest;
        while !stop.load(Ordering::Relaxed) {
            next += 1;
            let page = &mut metas[place];
            page[16..].copy_from_slice(&body);
            page[64..72].copy_from_slice(&next.to_le_bytes());
            let sum = page[16..72]
                .iter()
                .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
            page[72..80].copy_from_slice(&sum.to_le_bytes());
            file.seek(SeekFrom::Start(place as u64 * 4_096)).unwrap();
            file.write_all(page).unwrap();
            place = 1 - place;
        }
    });
    // Whether a reader is quick enough is chance; that it never says anything else is not.
    for _ in 0..20 {
        match opened(store.path(), "default", "registry.example/none:1").await.unwrap_err().kind {
            ErrorKind::NotFound | ErrorKind::Unreachable(_) => {}
            other => panic!("{other:?}"),
        }
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert!(opened(store.path(), "default", "registry.example/harbor:1.0").await.is_ok());
}
