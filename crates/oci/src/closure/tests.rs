use super::*;
use crate::manifest::media_type;
use crate::reference::Location;
use crate::source::{BlobReader, Referrers, ReferrersVia};
use async_trait::async_trait;
use serde_json::{Value, json};

/// Manifests in memory, and tags.
struct Place {
    location: Location,
    manifests: BTreeMap<Digest, RawManifest>,
    tags: BTreeMap<String, Digest>,
}

impl Place {
    fn new() -> Self {
        let location = Location::Layout("memory".into());
        Self { location, manifests: BTreeMap::new(), tags: BTreeMap::new() }
    }

    fn put(&mut self, document: &Value) -> RawManifest {
        let raw = RawManifest::new(document.to_string().into_bytes(), None, "test").unwrap();
        self.manifests.insert(raw.descriptor.digest.clone(), raw.clone());
        raw
    }

    fn image(&mut self, text: &str) -> RawManifest {
        self.about(None, text)
    }

    fn about(&mut self, subject: Option<&RawManifest>, text: &str) -> RawManifest {
        let mut document = json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
            "config": Descriptor::of(media_type::EMPTY, b"{}"), "layers": [],
            "annotations": {"text": text}});
        if let Some(subject) = subject {
            document["subject"] = serde_json::to_value(subject.descriptor.bare()).unwrap();
        }
        self.put(&document)
    }

    fn index(&mut self, children: &[RawManifest]) -> RawManifest {
        let manifests: Vec<&Descriptor> = children.iter().map(|c| &c.descriptor).collect();
        self.put(&json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests}))
    }

    async fn find(&self, root: &RawManifest) -> Result<Closure> {
        find(self, root, Extent::WithEvidence).await
    }
}

#[async_trait]
impl Source for Place {
    fn location(&self) -> &Location {
        &self.location
    }

    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        let digest = match selector {
            Selector::Digest(digest) => Some(digest),
            Selector::Tag(tag) => self.tags.get(tag),
            Selector::Only => None,
        };
        Ok(digest.and_then(|d| self.manifests.get(d)).cloned())
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        Err(Error::new("read blob", &descriptor.digest, ErrorKind::NotFound))
    }

    async fn referrers(&self, subject: &Digest) -> Result<Referrers> {
        let about = |raw: &&RawManifest| match raw.parse().unwrap() {
            Manifest::Image(image) => image.subject.is_some_and(|s| s.digest == *subject),
            Manifest::Index(index) => index.subject.is_some_and(|s| s.digest == *subject),
        };
        let descriptors = self.manifests.values().filter(about).map(|raw| raw.descriptor.clone()).collect();
        Ok(Referrers { descriptors, via: ReferrersVia::Layout })
    }
}

#[tokio::test]
async fn children_before_parents_and_subjects_before_what_is_about_them() {
    let mut place = Place::new();
    let (a, b) = (place.image("a"), place.image("b"));
    let inner = place.index(&[a.clone(), b.clone()]);
    // `b` on two levels: it stands where the deeper one is.
    let root = place.index(&[b.clone(), inner.clone()]);
    let signature = place.about(Some(&a), "signature of a child");
    let signed = place.about(Some(&signature), "signature of a signature");
    let under_tag = place.image("legacy");
    place.tags.insert(root.descriptor.digest.tag(".sig"), under_tag.descriptor.digest.clone());
    let about_tagged = place.about(Some(&under_tag), "about what is under a tag");
    let closure = place.find(&root).await.unwrap();
    let at = |raw: &RawManifest| closure.image.iter().position(|r| r == raw).unwrap();
    assert_eq!(closure.image.len(), 4);
    assert!(at(&a) < at(&inner) && at(&b) < at(&inner) && at(&inner) < at(&root));
    let evidence: Vec<&RawManifest> = closure.evidence.iter().map(|e| &e.manifest).collect();
    assert_eq!(evidence.len(), 4);
    let at = |raw: &RawManifest| evidence.iter().position(|r| *r == raw).unwrap();
    assert!(at(&signature) < at(&signed) && at(&under_tag) < at(&about_tagged));
    assert_eq!(closure.manifests().len(), 8);
    let alone = find(&place, &root, Extent::ImageOnly).await.unwrap();
    assert_eq!((alone.image, alone.evidence.len()), (closure.image.clone(), 0));
}

#[tokio::test]
async fn a_part_that_is_missing_is_an_error() {
    let mut place = Place::new();
    let child = place.image("child");
    let root = place.index(std::slice::from_ref(&child));
    place.manifests.remove(&child.descriptor.digest);
    let error = place.find(&root).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
    assert!(error.to_string().contains(&child.descriptor.digest.to_string()), "{error}");
}

#[tokio::test]
async fn two_sizes_of_one_digest_are_an_error() {
    let mut place = Place::new();
    let mut other = Descriptor::of(media_type::EMPTY, b"{}");
    other.size += 1;
    let root = place.put(&json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
        "config": Descriptor::of(media_type::EMPTY, b"{}"), "layers": [other]}));
    let error = place.find(&root).await.unwrap().image_blobs().unwrap_err();
    assert!(matches!(error.kind, ErrorKind::SizeMismatch { .. }), "{error}");
}

#[tokio::test]
async fn depth_is_bounded_at_limit_plus_one() {
    let mut place = Place::new();
    let root = place.image("root");
    let mut last = root.clone();
    for n in 0..EVIDENCE_DEPTH {
        last = place.about(Some(&last), &n.to_string());
    }
    assert_eq!(place.find(&root).await.unwrap().evidence.len(), EVIDENCE_DEPTH);
    place.about(Some(&last), "one more");
    let error = place.find(&root).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "EVIDENCE_DEPTH", value: 4 });

    let mut root = place.image("leaf");
    for _ in 0..limits::INDEX_DEPTH {
        root = place.index(&[root]);
    }
    assert_eq!(place.find(&root).await.unwrap().image.len(), limits::INDEX_DEPTH + 1);
    let root = place.index(&[root]);
    let error = place.find(&root).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "INDEX_DEPTH", value: 3 });
}

#[tokio::test]
async fn manifests_are_bounded_at_limit_plus_one() {
    let mut place = Place::new();
    let images = |place: &mut Place, n: usize| -> Vec<RawManifest> {
        (0..n).map(|i| place.image(&format!("{n}-{i}"))).collect()
    };
    // Four indexes of 999 each, a fifth of what is left, and the root.
    let mut groups: Vec<RawManifest> = Vec::new();
    for n in 0..4 {
        let children: Vec<RawManifest> = (0..999).map(|i| place.image(&format!("{n}-{i}"))).collect();
        groups.push(place.index(&children));
    }
    let left = CLOSURE_MANIFESTS - 4 * 1_000 - 2;
    let rest = images(&mut place, left);
    let full = place.index(&rest);
    let root = place.index(&[groups.clone(), vec![full]].concat());
    let found = find(&place, &root, Extent::ImageOnly).await.unwrap();
    assert_eq!(found.image.len(), CLOSURE_MANIFESTS);
    let rest = images(&mut place, left + 1);
    let over = place.index(&rest);
    let root = place.index(&[groups, vec![over]].concat());
    let error = find(&place, &root, Extent::ImageOnly).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "CLOSURE_MANIFESTS", value: 4_096 });
}

#[tokio::test]
async fn bytes_are_bounded() {
    let mut place = Place::new();
    let text = "x".repeat(4_000_000);
    let mut children: Vec<RawManifest> = (0..16).map(|n| place.image(&format!("{n}{text}"))).collect();
    let root = place.index(&children);
    assert!(find(&place, &root, Extent::ImageOnly).await.is_ok());
    children.push(place.image(&text));
    let root = place.index(&children);
    let error = find(&place, &root, Extent::ImageOnly).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "CLOSURE_BYTES", value: CLOSURE_BYTES });
}
